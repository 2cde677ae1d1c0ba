package coupon

import "github.com/vouch-go/vouch/ledger"

// isWhole says that the rate is 100 %: of that nothing is rounded.
func isWhole(r ledger.Rate) bool { return r == ledger.MustRate("100") }

func (p *printing) benefit() {
	switch b := p.offer.Benefit.(type) {
	case PercentOff:
		p.percentOff(b)
	case AmountOff:
		p.add("benefit", p.Say("amount_off", "amounts", p.amounts(b.Amounts)))
	case AmountOffEach:
		key := "amount_off_unit"
		if b.PerLine {
			key = "amount_off_line"
		}
		p.add("benefit", p.Say(key, "amounts", p.amounts(b.Amounts)))
		p.someUnits(b.Units)
	case FixedPrice:
		p.add("benefit", p.Say("fixed_price", "amounts", p.amounts(b.Prices)))
		p.someUnits(b.Units)
	case BundlePrice:
		p.bundle(b)
	case BuyGet:
		p.buyGet(b)
	case Tiers:
		p.tiers(b)
	case ShippingOff:
		p.shippingOff(b)
	case GiftLine:
		p.add("benefit", p.Say("gift", "quantity", p.Integer(b.Quantity), "product", p.call("product", b.Product)))
		return
	}
	p.add("benefit", p.Say("never_below"), ReasonNothingOff)
	p.lower(LoweredByPrice, LoweredByFloor)
}

func (p *printing) percentOff(b PercentOff) {
	p.add("benefit", p.Say("percent_off", "percent", p.percent(b.Rate)))
	key := "percent_of_running"
	if b.Of == OfOriginal {
		key = "percent_of_original"
	}
	p.add("benefit.of", p.Say(key))
	if len(b.Max) > 0 {
		p.add("benefit.max", p.Say("percent_maximum", "amounts", p.amounts(b.Max)))
		p.lower(LoweredByMaximum)
	}
	p.someUnits(b.Units)
}

func (p *printing) someUnits(u Units) {
	if u.Max > 0 {
		key := map[Pick]string{Cheapest: "units_cheapest", Dearest: "units_dearest", CartOrder: "units_cart_order"}[u.Pick]
		if u.PerLine {
			key = map[Pick]string{Cheapest: "units_cheapest_line", Dearest: "units_dearest_line", CartOrder: "units_cart_order_line"}[u.Pick]
		}
		p.add("benefit.units", p.Count(key, u.Max))
		p.lower(LoweredByUnits)
	}
}

func (p *printing) bundle(b BundlePrice) {
	items := make([]string, len(b.Items))
	for i, item := range b.Items {
		items[i] = p.units(item.Units, item.Of)
	}
	p.add("benefit", p.Say("bundle", "items", p.And(items), "amounts", p.amounts(b.Prices)), ReasonIncomplete)
	key := map[Pick]string{Cheapest: "bundle_cheapest", Dearest: "bundle_dearest", CartOrder: "bundle_cart_order"}[b.Pick]
	p.add("benefit.pick", p.Say(key))
	if b.Max > 0 {
		p.add("benefit.repeats", p.Count("bundle_maximum", b.Max))
		p.lower(LoweredByRepeats)
	}
}

func (p *printing) buyGet(b BuyGet) {
	buy, get := p.units(b.Buy, b.BuyOf), p.units(b.Get, b.GetOf)
	switch {
	case len(b.Amounts) > 0:
		p.add("benefit", p.Say("buy_get_amount", "buy", buy, "get", get, "amounts", p.amounts(b.Amounts)), ReasonIncomplete)
	case b.Rate.IsZero() || isWhole(b.Rate):
		p.add("benefit", p.Say("buy_get_free", "buy", buy, "get", get), ReasonIncomplete)
	default:
		p.add("benefit", p.Say("buy_get_percent", "buy", buy, "get", get, "percent", p.percent(b.Rate)), ReasonIncomplete)
	}
	key := map[Pick]string{Cheapest: "buy_get_cheapest", Dearest: "buy_get_dearest", CartOrder: "buy_get_cart_order"}[b.Pick]
	p.add("benefit", p.Say(key), ReasonIncomplete)
	if b.Max > 0 {
		p.add("benefit.repeats", p.Count("buy_get_maximum", b.Max))
		p.lower(LoweredByRepeats)
	}
}

func (p *printing) tiers(b Tiers) {
	var steps []string
	step := func(from string, r ledger.Rate, amounts Amounts) {
		off := p.amounts(amounts)
		if !r.IsZero() {
			off = p.percent(r)
		}
		steps = append(steps, p.Say("tier", "from", from, "off", off))
	}
	short := ReasonMinimumSpend
	for _, t := range b.Spend {
		step(p.amounts(t.From), t.Rate, t.Amounts)
	}
	for _, t := range b.Quantity {
		short = ReasonMinimumQuantity
		step(p.Count("units_of", t.From), t.Rate, t.Amounts)
	}
	p.add("benefit", p.Say("tiers", "steps", p.Enumerate(steps)), short)
}

func (p *printing) shippingOff(b ShippingOff) {
	switch {
	case isWhole(b.Rate):
		p.add("benefit", p.Say("shipping_free"))
	case !b.Rate.IsZero():
		p.add("benefit", p.Say("shipping_percent", "percent", p.percent(b.Rate)))
	case b.Together:
		p.add("benefit", p.Say("shipping_together", "amounts", p.amounts(b.Amounts)))
	case len(b.Amounts) > 0:
		p.add("benefit", p.Say("shipping_amount", "amounts", p.amounts(b.Amounts)))
	default:
		p.add("benefit", p.Say("shipping_highest", "amounts", p.amounts(b.Highest)))
	}
	if len(b.Sellers) > 0 {
		p.add("benefit.sellers", p.Say("shipping_sellers", "list", p.Or(p.list("seller", b.Sellers))))
	}
	if len(b.Methods) > 0 {
		p.add("benefit.methods", p.Say("shipping_methods", "list", p.Or(p.list("method", b.Methods))))
	}
}

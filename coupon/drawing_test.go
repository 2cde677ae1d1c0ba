package coupon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func drawRate(t *rapid.T, label string) ledger.Rate {
	return rapid.SampledFrom([]ledger.Rate{ledger.MustRate("0.000001"), ledger.MustRate("12.5"), ledger.MustRate("33.333333"), half, whole}).Draw(t, label)
}

func drawAmounts(t *rapid.T, label string, least int64) coupon.Amounts {
	return coupon.Amounts{drawMoney(t, label, least, 4000)}
}

func drawCapped(t *rapid.T) coupon.Units {
	if rapid.Bool().Draw(t, "all units") {
		return coupon.Units{}
	}
	u := coupon.Units{Max: rapid.Int64Range(0, 9).Draw(t, "units"), Pick: coupon.Pick(rapid.IntRange(0, 2).Draw(t, "pick"))}
	u.PerLine = u.Max > 0 && rapid.Bool().Draw(t, "of each line")
	return u
}

// drawAnyBenefit draws any valid benefit there is.
func drawAnyBenefit(t *rapid.T) coupon.Benefit {
	switch rapid.IntRange(0, 9).Draw(t, "benefit") {
	case 0:
		return coupon.AmountOff{Amounts: drawAmounts(t, "amount", 1)}
	case 1:
		return coupon.AmountOffEach{Amounts: drawAmounts(t, "each", 1), Units: drawCapped(t)}
	case 2:
		return coupon.AmountOffEach{Amounts: drawAmounts(t, "each line", 1), PerLine: true}
	case 3:
		return coupon.FixedPrice{Prices: drawAmounts(t, "price", 0), Units: drawCapped(t)}
	case 4:
		b := coupon.BundlePrice{Prices: drawAmounts(t, "bundle price", 0), Max: rapid.Int64Range(0, 3).Draw(t, "max"), Pick: coupon.Pick(rapid.IntRange(0, 2).Draw(t, "pick"))}
		for range rapid.IntRange(1, 3).Draw(t, "items") {
			b.Items = append(b.Items, coupon.BundleItem{Of: drawLists(t, "of"), Units: rapid.Int64Range(1, 3).Draw(t, "units")})
		}
		return b
	case 5:
		b := coupon.BuyGet{
			Buy: rapid.Int64Range(1, 3).Draw(t, "buy"), Get: rapid.Int64Range(1, 3).Draw(t, "get"), Max: rapid.Int64Range(0, 3).Draw(t, "max"),
			BuyOf: drawLists(t, "buy of"), GetOf: drawLists(t, "get of"), Pick: coupon.Pick(rapid.IntRange(0, 2).Draw(t, "pick")),
		}
		if rapid.Bool().Draw(t, "in part") {
			b.Rate = drawRate(t, "off")
		} else if rapid.Bool().Draw(t, "an amount each") {
			b.Amounts = drawAmounts(t, "off each got", 1)
		}
		return b
	case 6:
		return drawTiers(t)
	case 7:
		return drawShippingOff(t)
	case 8:
		return coupon.GiftLine{Product: "mug", Quantity: rapid.Int64Range(1, 3).Draw(t, "gifts")}
	}
	p := coupon.PercentOff{Rate: drawRate(t, "rate"), Of: coupon.Of(rapid.IntRange(0, 1).Draw(t, "of")), Units: drawCapped(t)}
	if rapid.IntRange(0, 2).Draw(t, "has maximum") == 0 {
		p.Max = drawAmounts(t, "maximum", 1)
	}
	return p
}

func drawTiers(t *rapid.T) coupon.Tiers {
	var b coupon.Tiers
	from := int64(0)
	spend := rapid.Bool().Draw(t, "by spend")
	for range rapid.IntRange(1, 3).Draw(t, "steps") {
		var rate ledger.Rate
		var amounts coupon.Amounts
		if rapid.Bool().Draw(t, "a rate") {
			rate = drawRate(t, "step rate")
		} else {
			amounts = drawAmounts(t, "step amount", 1)
		}
		from += rapid.Int64Range(1, 20).Draw(t, "from")
		if spend {
			b.Spend = append(b.Spend, coupon.SpendTier{From: coupon.Amounts{ledger.Minor(100*from, euro)}, Rate: rate, Amounts: amounts})
		} else {
			b.Quantity = append(b.Quantity, coupon.QuantityTier{From: from, Rate: rate, Amounts: amounts})
		}
	}
	return b
}

func drawShippingOff(t *rapid.T) coupon.ShippingOff {
	b := coupon.ShippingOff{Sellers: someOf(t, "delivering", "acme", "zeta"), Methods: someOf(t, "methods", "post", "courier")}
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		b.Rate = drawRate(t, "off shipping")
	case 1:
		b.Amounts = drawAmounts(t, "off each delivery", 1)
		b.Together = rapid.Bool().Draw(t, "together")
	case 2:
		b.Highest = drawAmounts(t, "highest", 0)
	}
	return b
}

// drawAnyCondition draws any valid tree of conditions, without predicates.
func drawAnyCondition(t *rapid.T, depth int) coupon.Condition {
	any := func(label string, all ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 2, rapid.ID[string]).Draw(t, label)
	}
	most := 13
	if depth == 0 {
		most = 10
	}
	switch rapid.IntRange(0, most).Draw(t, "condition") {
	case 0:
		return drawMinimum(t)
	case 1:
		return coupon.MinimumQuantity{Units: rapid.Int64Range(1, 9).Draw(t, "units"), Cart: rapid.Bool().Draw(t, "of the cart")}
	case 2:
		return coupon.Contains{Of: products(any("containing", "tea", "cup")...), Units: rapid.Int64Range(0, 4).Draw(t, "units")}
	case 3:
		return coupon.NewCustomer{}
	case 4:
		from := rapid.Int64Range(1, 4).Draw(t, "order")
		return coupon.NthOrder{From: from, To: rapid.SampledFrom([]int64{0, from, from + 2}).Draw(t, "to")}
	case 5:
		return coupon.InSegment{Any: any("segment", "gold", "silver")}
	case 6:
		return coupon.Country{Any: any("country", "DE", "FR")}
	case 7:
		return coupon.Channel{Any: any("channel", "app", "web")}
	case 8:
		return coupon.Payment{Any: any("payment", "card", "cash")}
	case 9:
		return coupon.Attribute{Name: "city", Any: any("city", "Berlin", "Paris")}
	case 10:
		p := coupon.Predicate{Name: "pickup", Version: 1}
		if rapid.Bool().Draw(t, "arguments") {
			p.Arguments = map[string]string{"chain": oneOf(t, "chain", "north", "")}
		}
		return p
	case 11:
		return not(drawAnyCondition(t, depth-1))
	}
	var all []coupon.Condition
	for range rapid.IntRange(1, 3).Draw(t, "branches") {
		all = append(all, drawAnyCondition(t, depth-1))
	}
	if rapid.Bool().Draw(t, "all") {
		return coupon.All(all)
	}
	return coupon.Any(all)
}

func drawMinimum(t *rapid.T) coupon.MinimumSpend {
	m := coupon.MinimumSpend{Amounts: drawAmounts(t, "minimum", 1), After: rapid.Bool().Draw(t, "after")}
	switch rapid.IntRange(0, 2).Draw(t, "of what") {
	case 1:
		m.Cart = true
	case 2:
		m.Of = drawLists(t, "of")
	}
	return m
}

func drawSchedule(t *rapid.T) coupon.Schedule {
	s := coupon.Schedule{Zone: oneOf(t, "zone", "", "UTC", "Europe/Berlin", "Africa/Cairo")}
	instant := func(label string) time.Time {
		return noon.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, label))).UTC()
	}
	interval := func() (i coupon.Interval) {
		i.From = instant("from")
		if rapid.Bool().Draw(t, "ends") {
			i.Until = i.From.Add(time.Duration(rapid.Int64Range(1, 1e16).Draw(t, "lasts")))
		}
		return i
	}
	if rapid.Bool().Draw(t, "interval") {
		s.Interval = interval()
	}
	if rapid.Bool().Draw(t, "days") {
		s.Days = coupon.LocalDays{First: oneOf(t, "first", "", "2026-03-29", "2026-11-20"), Last: oneOf(t, "last", "", "2026-11-20", "2027-02-28")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "windows") {
		w := coupon.Window{From: oneOf(t, "opens", "", "09:00", "23:59"), Until: oneOf(t, "closes", "", "00:00", "17:30", "24:00")}
		for day := range rapid.IntRange(0, 3).Draw(t, "weekdays") {
			w.Days = append(w.Days, time.Weekday(2*day))
		}
		s.Weekly = append(s.Weekly, w)
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "blackouts") {
		s.Blackouts = append(s.Blackouts, coupon.Blackout{Name: fmt.Sprint("sale ", n), Interval: interval()})
	}
	s.Life = time.Duration(rapid.Int64Range(0, 1e6).Draw(t, "life")) * time.Second
	return s
}

func drawLimits(t *rapid.T, gift bool) []coupon.Limit {
	var all []coupon.Limit
	for per := coupon.PerOffer; per <= coupon.PerAttribute; per++ {
		if rapid.IntRange(0, 3).Draw(t, "limited") > 0 {
			continue
		}
		l := coupon.Limit{Per: per, Uses: rapid.Int64Range(1, 100).Draw(t, "uses")}
		if per == coupon.PerAttribute {
			l.Attribute = "phone"
		}
		if per != coupon.PerCoupon && per != coupon.PerOrder {
			l.Period = rapid.SampledFrom([]ledger.Period{ledger.Lifetime, ledger.Day, ledger.Week, ledger.Month, ledger.Year}).Draw(t, "period")
		}
		if !gift && rapid.Bool().Draw(t, "of money") {
			l.Uses, l.Money = 0, drawAmounts(t, "budget", 1)
			l.When = coupon.WhenSpent(rapid.IntRange(0, 2).Draw(t, "when spent"))
		}
		all = append(all, l)
	}
	return all
}

func drawFunding(t *rapid.T) []coupon.Share {
	share := func(payer, rate string) coupon.Share { return coupon.Share{Payer: payer, Rate: ledger.MustRate(rate)} }
	return rapid.SampledFrom([][]coupon.Share{
		nil, {share(coupon.Seller, "100")}, {share(coupon.Platform, "50"), share(coupon.Seller, "50")},
		{share("Brand & Söhne", "33.333333"), share(coupon.Seller, "33.333333"), share(coupon.Platform, "33.333334")},
		{share("a/b", "99.999999"), share(" ", "0.000001")},
	}).Draw(t, "funding")
}

// drawAnyOffer draws any valid offer, with something of everything there is.
func drawAnyOffer(t *rapid.T, id string) coupon.Offer {
	o := drawOffer(t, id)
	o.Benefit = drawAnyBenefit(t)
	_, gift := o.Benefit.(coupon.GiftLine)
	o.Limits, o.Campaign = drawLimits(t, gift), "spring"
	o.Schedule, o.Funding, o.Automatic = drawSchedule(t), drawFunding(t), rapid.Bool().Draw(t, "automatic")
	o.Group = coupon.Group{Name: oneOf(t, "group", "", "g")}
	o.Group.First = o.Group.Name != "" && rapid.Bool().Draw(t, "the first")
	o.Restore = coupon.Restore(rapid.IntRange(0, 1).Draw(t, "restore"))
	o.Below = coupon.Below(rapid.IntRange(0, 2).Draw(t, "below"))
	o.Conditions = nil
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		o.Conditions = append(o.Conditions, drawAnyCondition(t, 3))
	}
	return o
}

// Whatever an offer says, it is kept and read as it was published.
func TestAnyOfferIsKeptAsPublished(t *testing.T) {
	options := coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}}
	rapid.Check(t, func(t *rapid.T) {
		offer := drawAnyOffer(t, "a")
		store := memory.New()
		published, err := coupon.New(store, options).Publish(ctx, offer, "staff", noon)
		require.NoError(t, err)
		again, err := coupon.New(store, options).Publish(ctx, offer, "staff", noon)
		require.NoError(t, err)
		require.Equal(t, 1, again.Version)
		read, err := coupon.New(store, options).Offer(ctx, "a", 0, noon)
		require.NoError(t, err)
		offer.Version = 1
		require.Equal(t, offer, published)
		require.Equal(t, offer, read)
	})
}

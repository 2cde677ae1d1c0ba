package coupon

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// Benefit is what an offer gives. Those for lines are worked out first, then
// those for the order, then those for shipping, then gifts:
//   - lines: [PercentOff], [AmountOffEach], [FixedPrice], [BundlePrice], [BuyGet],
//     [Tiers] by quantity
//   - the order: [AmountOff], [Tiers] by spend
//   - shipping: [ShippingOff]
//   - gifts: [GiftLine]
type Benefit interface {
	stage() stage
	check(path string, faults *Faults)
	// in says that the benefit has an amount in the currency.
	in(c ledger.Currency) bool
	// apply takes off what the benefit gives to the entry's lines, and gives the
	// sum.
	apply(p *pricing, e *entry) int64
	clone() Benefit
}

// stage is when a benefit is worked out.
type stage uint8

const (
	lineStage stage = iota
	orderStage
	shippingStage
	giftStage
)

// Of says what a percentage is taken of.
type Of uint8

// What a percentage is taken of.
const (
	OfRunning  Of = iota // what the lines cost after the offers before
	OfOriginal           // what they cost before all offers
)

// PercentOff takes a percentage off the eligible units, worked out once on their
// sum and rounded once, then shared by what each line still costs.
type PercentOff struct {
	Rate ledger.Rate // above 0 %, at most 100 %
	// Max is the most that comes off, one amount per currency. In a currency
	// that is not named the offer does not apply; empty: no maximum.
	Max   Amounts
	Of    Of
	Units Units // the zero value: all
}

// Units says that only some of the eligible units count.
type Units struct {
	Max     int64 // 0: all
	Pick    Pick  // which; the zero value: the cheapest
	PerLine bool  // so many of each line; otherwise of all lines together
}

// AmountOff takes an amount off the eligible lines together, shared by what each
// still costs. When they cost less, it takes what they cost.
type AmountOff struct {
	Amounts Amounts // one per currency; in others the offer does not apply
}

// AmountOffEach takes an amount off every eligible unit, or every eligible line,
// but never more than it costs.
type AmountOffEach struct {
	Amounts Amounts
	PerLine bool  // off each line; otherwise off each unit
	Units   Units // off which units; not with PerLine
}

// FixedPrice lets every eligible unit cost a fixed price. Units that cost less
// stay as they are.
type FixedPrice struct {
	Prices Amounts // of one unit; 0 is allowed
	Units  Units
}

// BuyGet takes a percentage, or an amount each, off Get units for every Buy units
// bought, each unit used once, the cheapest reduced unless Pick says otherwise, nothing
// granted in part. What is bought or got for one such offer, or is in a [BundlePrice],
// is neither for the next.
type BuyGet struct {
	Buy int64 // units to buy, at least 1
	Get int64 // units reduced for them, at least 1
	// BuyOf and GetOf name the goods among the eligible lines; none named: any.
	BuyOf, GetOf Lists
	Rate         ledger.Rate // off the units got; the zero value: 100 %
	Amounts      Amounts     // or off each unit got, but never more than it costs
	Max          int64       // repeats at most; 0: no maximum
	Pick         Pick        // which units are got; the zero value: the cheapest
}

// Tiers give more for more: the highest step that is reached counts, for all
// eligible lines.
type Tiers struct {
	Spend    []SpendTier    // by what the eligible lines cost before offers
	Quantity []QuantityTier // or by their units; one of both is given
}

// SpendTier is a step from an amount on: a percentage, or an amount.
type SpendTier struct {
	From    Amounts
	Rate    ledger.Rate // or
	Amounts Amounts
}

// QuantityTier is a step from a number of units on: a percentage, or an amount.
type QuantityTier struct {
	From    int64
	Rate    ledger.Rate // or
	Amounts Amounts
}

// ShippingOff reduces what deliveries cost: by a percentage, worked out once on
// their sum, by an amount each or together, or to a highest price each. Exactly one
// is given.
// Deliveries of a seller that keeps all its products out of the offer do not count.
type ShippingOff struct {
	Rate    ledger.Rate // 100 %: free
	Amounts Amounts     // off each delivery
	Highest Amounts     // what each costs at most; 0 is allowed
	// Together takes Amounts off all of the deliveries once, shared by what they cost.
	Together bool
	Sellers  []string // of which sellers' deliveries; none named: of all
	Methods  []string // of deliveries by which methods; none named: by any
}

// GiftLine adds goods for nothing.
type GiftLine struct {
	Product  string
	Quantity int64 // 1 to MaxQuantity
}

// Gift is what a [GiftLine] adds to an order.
type Gift struct {
	Applied  int // index in what [Quote.Applied] gives
	Product  string
	Quantity int64
}

// Amounts is one amount per currency.
type Amounts []ledger.Money

// In gives the amount in a currency, and whether there is one.
func (a Amounts) In(c ledger.Currency) (ledger.Money, bool) {
	for _, m := range a {
		if m.Currency() == c {
			return m, true
		}
	}
	return ledger.Money{}, false
}

// minor is the amount in a currency in minor units; 0 when there is none.
func (a Amounts) minor(c ledger.Currency) int64 {
	m, _ := a.In(c)
	return m.Minor()
}

// lower says that an amount is below that of before, or gone.
func (a Amounts) lower(before Amounts) bool {
	return slices.ContainsFunc(before, func(m ledger.Money) bool { return a.minor(m.Currency()) < m.Minor() })
}

func (a Amounts) has(c ledger.Currency) bool {
	_, ok := a.In(c)
	return ok
}

// check wants amounts of at least least minor units.
func (a Amounts) check(path string, least int64, faults *Faults) {
	for i, m := range a {
		code, _ := m.Currency().MarshalText()
		at := path + "." + string(code)
		switch {
		case m.Currency().IsZero():
			faults.add(path, "has an amount without a currency")
		case m.Minor() < least || m.Minor() >= MaxTotal:
			faults.add(at, "is %s, want %d to 2^53 minor units", m, least)
		case a[:i].has(m.Currency()):
			faults.add(at, "is a second amount in %s", m.Currency())
		}
	}
}

func (a Amounts) require(path string, least int64, faults *Faults) {
	if len(a) == 0 {
		faults.add(path, "is empty: give one amount per currency")
	}
	a.check(path, least, faults)
}

func checkRate(path string, r ledger.Rate, faults *Faults) {
	if r.IsZero() || r.Cmp(ledger.MustRate("100")) > 0 {
		faults.add(path, "is %s, want more than 0%% and at most 100%%", r)
	}
}

func (u Units) check(path string, faults *Faults) {
	if u.Max < 0 || u.Max > MaxQuantity {
		faults.add(path+".max", "is %d, want 0 (for all) to %d", u.Max, MaxQuantity)
	}
	u.Pick.check(path+".pick", faults)
	if u.PerLine && u.Max == 0 {
		faults.add(path+".max", "is missing: say how many of each line")
	}
}

func (p Pick) check(path string, faults *Faults) {
	if p > CartOrder {
		faults.add(path, "is %d, which is not defined", p)
	}
}

// of gives the entry's eligible parts, cut down to the units that count.
func (u Units) of(p *pricing, e *entry) []int {
	parts := p.eligible(e)
	switch {
	case u.Max == 0 || p.count(parts) <= u.Max:
		return parts
	case u.PerLine:
		return u.ofEach(p, parts)
	}
	return p.pick(parts, u.Max, u.Pick)
}

// ofEach gives so many units of each line. The parts of a line stand together.
func (u Units) ofEach(p *pricing, parts []int) []int {
	var picked []int
	for len(parts) > 0 {
		n := p.ofLine(parts)
		picked = append(picked, p.pick(parts[:n], u.Max, u.Pick)...)
		parts = parts[n:]
	}
	return picked
}

func (PercentOff) stage() stage { return lineStage }

func (b PercentOff) in(c ledger.Currency) bool { return len(b.Max) == 0 || b.Max.has(c) }

func (b PercentOff) check(path string, faults *Faults) {
	checkRate(path+".percent", b.Rate, faults)
	b.Max.check(path+".max", 1, faults)
	if b.Of > OfOriginal {
		faults.add(path+".of", "is %d, which is not defined", b.Of)
	}
	b.Units.check(path+".units", faults)
}

func (b PercentOff) apply(p *pricing, e *entry) int64 {
	parts := b.Units.of(p, e)
	return p.spread(b.amount(p, e, parts), parts)
}

// amount is what the percentage of some parts comes to, at most its maximum.
func (b *PercentOff) amount(p *pricing, e *entry, parts []int) int64 {
	amount := rate(b.Rate, p.cost(parts, b.Of == OfOriginal), e)
	if most, ok := b.Max.In(p.cart.Currency); ok {
		amount = min(amount, most.Minor())
	}
	return amount
}

// rate is a percentage of an amount by the offer's rounding.
func rate(r ledger.Rate, of int64, e *entry) int64 {
	amount, err := r.Of(of, e.Version.offer.Rounding)
	if err != nil { // not for rates up to 100 % of sums below 2^53
		return 0
	}
	return amount
}

func (AmountOff) stage() stage { return orderStage }

func (b AmountOff) in(c ledger.Currency) bool { return b.Amounts.has(c) }

func (b AmountOff) check(path string, faults *Faults) {
	b.Amounts.require(path+".amounts", 1, faults)
}

func (b AmountOff) apply(p *pricing, e *entry) int64 {
	return p.spread(b.Amounts.minor(p.cart.Currency), p.eligible(e))
}

func (AmountOffEach) stage() stage { return lineStage }

func (b AmountOffEach) in(c ledger.Currency) bool { return b.Amounts.has(c) }

func (b AmountOffEach) check(path string, faults *Faults) {
	b.Amounts.require(path+".amounts", 1, faults)
	b.Units.check(path+".units", faults)
	if b.PerLine && b.Units != (Units{}) {
		faults.add(path+".units", "is given, but the amount is off each line")
	}
}

func (b AmountOffEach) apply(p *pricing, e *entry) int64 {
	each := b.Amounts.minor(p.cart.Currency)
	parts := b.Units.of(p, e)
	if !b.PerLine {
		return p.takeFromUnits(each, parts)
	}
	var sum int64
	for len(parts) > 0 { // a line's parts stand together
		n := p.ofLine(parts)
		sum += p.spread(each, parts[:n])
		parts = parts[n:]
	}
	return sum
}

// times is a product of amounts that are at least 0, cut off at MaxTotal.
func times(amount, n int64) int64 {
	high, low := bits.Mul64(uint64(amount), uint64(n))
	if high > 0 || low > MaxTotal {
		return MaxTotal
	}
	return int64(low)
}

func (FixedPrice) stage() stage { return lineStage }

func (b FixedPrice) in(c ledger.Currency) bool { return b.Prices.has(c) }

func (b FixedPrice) check(path string, faults *Faults) {
	b.Prices.require(path+".prices", 0, faults)
	b.Units.check(path+".units", faults)
}

func (b FixedPrice) apply(p *pricing, e *entry) int64 {
	price := b.Prices.minor(p.cart.Currency)
	var sum int64
	for _, i := range b.Units.of(p, e) {
		sum += p.take(i, p.parts[i].now-times(price, p.units(i)))
	}
	return sum
}

func checkUnits(path string, n int64, faults *Faults) {
	if n < 1 || n > MaxQuantity {
		faults.add(path, "is %d, want 1 to %d", n, MaxQuantity)
	}
}

func checkRepeats(path string, n int64, faults *Faults) {
	if n < 0 || n > MaxQuantity {
		faults.add(path, "is %d, want 0 (for no maximum) to %d", n, MaxQuantity)
	}
}

func (BuyGet) stage() stage { return lineStage }

func (b BuyGet) in(c ledger.Currency) bool { return len(b.Amounts) == 0 || b.Amounts.has(c) }

func (b BuyGet) check(path string, faults *Faults) {
	checkUnits(path+".buy", b.Buy, faults)
	checkUnits(path+".get", b.Get, faults)
	b.BuyOf.check(path+".buy_of", faults)
	b.GetOf.check(path+".get_of", faults)
	if !b.Rate.IsZero() {
		checkRate(path+".percent", b.Rate, faults)
	}
	b.Amounts.check(path+".amounts", 1, faults)
	if !b.Rate.IsZero() && len(b.Amounts) > 0 {
		faults.add(path+".amounts", "is given beside percent")
	}
	b.Pick.check(path+".pick", faults)
	checkRepeats(path+".repeats", b.Max, faults)
}

// apply counts the units that can only be bought, only be got, or either. With
// them, r repeats are possible when r·Buy units can be bought and r·Get others be
// got; those got are the cheapest, or as Pick says, that leave enough to be bought.
func (b BuyGet) apply(p *pricing, e *entry) int64 {
	var buyable, gettable []int
	var buy, get, both int64
	either := make(map[int]bool)
	for _, i := range p.eligible(e) {
		line := &p.cart.Lines[p.place(i).line]
		buys, gets := b.BuyOf.name(line, e.Version.hashed), b.GetOf.name(line, e.Version.hashed)
		units := p.unused(i)
		switch {
		case units == 0:
			continue
		case buys && gets:
			both += units
			either[i] = true
		case buys:
			buy += units
		case gets:
			get += units
		}
		if buys {
			buyable = append(buyable, i)
		}
		if gets {
			gettable = append(gettable, i)
		}
	}
	repeats := min((buy+both)/b.Buy, (get+both)/b.Get, (buy+get+both)/(b.Buy+b.Get))
	if b.Max > 0 {
		repeats = min(repeats, b.Max)
	}
	if repeats == 0 {
		p.short = &Refusal{Reason: ReasonIncomplete}
		return 0
	}
	spare := both - max(0, repeats*b.Buy-buy) // units of either kind that need not be bought
	parts := b.got(p, gettable, either, repeats*b.Get, spare)
	off := b.take(p, e, parts)
	if off > 0 {
		for _, i := range parts {
			p.use(i, p.units(i))
		}
		b.use(p, buyable, either, repeats*b.Buy)
	}
	return off
}

// take takes off the units got.
func (b BuyGet) take(p *pricing, e *entry, got []int) int64 {
	switch cost := p.cost(got, false); {
	case len(b.Amounts) > 0:
		return p.takeFromUnits(b.Amounts.minor(p.cart.Currency), got)
	case b.Rate.IsZero():
		return p.spread(cost, got)
	default:
		return p.spread(rate(b.Rate, cost, e), got)
	}
}

// use uses so many units as bought: those that can only be bought, then the others, the
// dearest first, so that the next such offer finds what is cheap.
func (b BuyGet) use(p *pricing, buyable []int, either map[int]bool, units int64) {
	p.sort(buyable, Dearest)
	for _, second := range []bool{false, true} {
		for _, i := range buyable {
			if either[i] == second {
				units -= p.use(i, units)
			}
		}
	}
}

// got gives parts of exactly n units, of which at most spare are of either
// kind.
func (b BuyGet) got(p *pricing, gettable []int, either map[int]bool, n, spare int64) []int {
	p.sort(gettable, b.Pick)
	var parts []int
	for _, i := range gettable {
		units := min(n, p.unused(i))
		if either[i] {
			units = min(units, spare)
			spare -= units
		}
		if units > 0 {
			parts = p.firstOf(parts, i, units)
			n -= units
		}
	}
	return parts
}

func (b Tiers) stage() stage {
	if len(b.Spend) > 0 {
		return orderStage
	}
	return lineStage
}

// in wants every step to have its amounts: a ladder with a step missing in one
// currency would give less for more there.
func (b Tiers) in(c ledger.Currency) bool {
	for _, t := range b.Spend {
		if !t.From.has(c) || t.Rate.IsZero() && !t.Amounts.has(c) {
			return false
		}
	}
	for _, t := range b.Quantity {
		if t.Rate.IsZero() && !t.Amounts.has(c) {
			return false
		}
	}
	return true
}

// maxTiers bounds the steps of a ladder.
const maxTiers = 20

func (b Tiers) check(path string, faults *Faults) {
	if (len(b.Spend) > 0) == (len(b.Quantity) > 0) {
		faults.add(path, "has steps by spend and by quantity, or none: give one kind")
	}
	if len(b.Spend)+len(b.Quantity) > maxTiers {
		faults.add(path, "has %d steps, at most %d are allowed", len(b.Spend)+len(b.Quantity), maxTiers)
	}
	for i, t := range b.Spend {
		at := fmt.Sprintf("%s.spend[%d]", path, i)
		t.From.require(at+".from", 0, faults)
		checkStep(at, t.Rate, t.Amounts, faults)
		if i > 0 {
			for _, m := range t.From {
				if below, ok := b.Spend[i-1].From.In(m.Currency()); ok && below.Minor() >= m.Minor() {
					faults.add(at+".from", "%s does not lie above the step before", m)
				}
			}
		}
	}
	for i, t := range b.Quantity {
		at := fmt.Sprintf("%s.quantity[%d]", path, i)
		checkUnits(at+".from", t.From, faults)
		checkStep(at, t.Rate, t.Amounts, faults)
		if i > 0 && b.Quantity[i-1].From >= t.From {
			faults.add(at+".from", "%d does not lie above the step before", t.From)
		}
	}
}

func checkStep(path string, r ledger.Rate, amounts Amounts, faults *Faults) {
	switch {
	case r.IsZero() == (len(amounts) == 0):
		faults.add(path, "has a percentage and amounts, or neither: give one")
	case len(amounts) > 0:
		amounts.check(path+".amounts", 1, faults)
	default:
		checkRate(path+".percent", r, faults)
	}
}

func (b Tiers) apply(p *pricing, e *entry) int64 {
	parts := p.eligible(e)
	r, amounts, reached := b.reached(p, parts)
	switch {
	case !reached:
		p.short = b.short(p, parts)
		return 0
	case r.IsZero():
		return p.spread(amounts.minor(p.cart.Currency), parts)
	}
	return p.spread(rate(r, p.cost(parts, false), e), parts)
}

// reached is the percentage, or the amounts, of the highest step that some parts reach.
func (b Tiers) reached(p *pricing, parts []int) (r ledger.Rate, amounts Amounts, reached bool) {
	for _, t := range slices.Backward(b.Spend) {
		if p.cost(parts, true) >= t.From.minor(p.cart.Currency) {
			return t.Rate, t.Amounts, true
		}
	}
	for _, t := range slices.Backward(b.Quantity) {
		if p.count(parts) >= t.From {
			return t.Rate, t.Amounts, true
		}
	}
	return ledger.Rate{}, nil, false
}

// short is what is missing for the first step.
func (b Tiers) short(p *pricing, parts []int) *Refusal {
	if len(b.Spend) > 0 {
		return new(refusals).tooLittle(p.cost(parts, true), b.Spend[0].From.minor(p.cart.Currency), p.cart.Currency)
	}
	return tooFew(p.count(parts), b.Quantity[0].From)
}

func (ShippingOff) stage() stage { return shippingStage }

func (b ShippingOff) in(c ledger.Currency) bool {
	return !b.Rate.IsZero() || b.Amounts.has(c) || b.Highest.has(c)
}

func (b ShippingOff) check(path string, faults *Faults) {
	given := 0
	if !b.Rate.IsZero() {
		given++
		checkRate(path+".percent", b.Rate, faults)
	}
	if len(b.Amounts) > 0 {
		given++
		b.Amounts.check(path+".amounts", 1, faults)
	}
	if len(b.Highest) > 0 {
		given++
		b.Highest.check(path+".highest", 0, faults)
	}
	if given != 1 {
		faults.add(path, "wants exactly one of percent, amounts and highest, %d are given", given)
	}
	if b.Together && len(b.Amounts) == 0 {
		faults.add(path+".together", "is of amounts, and none are given")
	}
	faults.names(path+".sellers", b.Sellers)
	faults.names(path+".methods", b.Methods)
}

// reduces says that a delivery is among those that are reduced.
func (b ShippingOff) reduces(s *Shipping) bool {
	return (len(b.Sellers) == 0 || slices.Contains(b.Sellers, s.Seller)) &&
		(len(b.Methods) == 0 || slices.Contains(b.Methods, s.Method))
}

func (b ShippingOff) apply(p *pricing, e *entry) int64 {
	counted := b.counted(p, e)
	p.weights = p.weights[:0]
	for _, i := range counted {
		p.weights = append(p.weights, p.deliveries[i].now)
	}
	var sum int64
	for k, amount := range b.amounts(p, e) {
		d := &p.deliveries[counted[k]]
		if amount = min(amount, d.now); amount > 0 {
			d.now -= amount
			d.off = append(d.off, deliveryCut{int32(counted[k]), int32(p.applied), amount})
			sum += amount
		}
	}
	return sum
}

// counted are the deliveries that count.
func (b ShippingOff) counted(p *pricing, e *entry) []int {
	var counted []int
	for _, i := range e.deliveries {
		if b.reduces(&p.cart.Shipping[i]) {
			counted = append(counted, i)
		}
	}
	return counted
}

// amounts is what comes off each delivery, of what they cost: p.weights.
func (b ShippingOff) amounts(p *pricing, e *entry) []int64 {
	currency := p.cart.Currency
	if !b.Rate.IsZero() || b.Together {
		var cost int64
		for _, now := range p.weights {
			cost += now
		}
		amount := min(b.Amounts.minor(currency), cost)
		if !b.Together {
			amount = rate(b.Rate, cost, e)
		}
		shares, err := p.splitter.Split(p.shares, amount, p.weights, p.weights)
		if err != nil { // there is nothing to share of what costs nothing
			return nil
		}
		p.shares = shares
		return shares
	}
	off := make([]int64, len(p.weights))
	for k, now := range p.weights {
		off[k] = b.Amounts.minor(currency)
		if len(b.Highest) > 0 {
			off[k] = now - b.Highest.minor(currency)
		}
	}
	return off
}

func (GiftLine) stage() stage { return giftStage }

func (GiftLine) in(ledger.Currency) bool { return true }

func (b GiftLine) check(path string, faults *Faults) {
	faults.id(path+".product", b.Product, false)
	checkUnits(path+".count", b.Quantity, faults)
}

func (GiftLine) apply(*pricing, *entry) int64 { return 0 }

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func (b PercentOff) clone() Benefit {
	b.Max = slices.Clone(b.Max)
	return b
}

func (b AmountOff) clone() Benefit { return AmountOff{slices.Clone(b.Amounts)} }

func (b AmountOffEach) clone() Benefit {
	b.Amounts = slices.Clone(b.Amounts)
	return b
}

func (b FixedPrice) clone() Benefit {
	b.Prices = slices.Clone(b.Prices)
	return b
}

func (b BuyGet) clone() Benefit {
	b.BuyOf, b.GetOf, b.Amounts = b.BuyOf.clone(), b.GetOf.clone(), slices.Clone(b.Amounts)
	return b
}

func (b Tiers) clone() Benefit {
	b.Spend, b.Quantity = slices.Clone(b.Spend), slices.Clone(b.Quantity)
	for i, t := range b.Spend {
		b.Spend[i].From, b.Spend[i].Amounts = slices.Clone(t.From), slices.Clone(t.Amounts)
	}
	for i, t := range b.Quantity {
		b.Quantity[i].Amounts = slices.Clone(t.Amounts)
	}
	return b
}

func (b ShippingOff) clone() Benefit {
	b.Amounts, b.Highest = slices.Clone(b.Amounts), slices.Clone(b.Highest)
	b.Sellers, b.Methods = slices.Clone(b.Sellers), slices.Clone(b.Methods)
	return b
}

func (b GiftLine) clone() Benefit { return b }

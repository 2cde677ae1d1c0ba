package coupon

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/ledger"
)

// LoweredBy says what lowers the amount of an offer that applies. The set is closed.
type LoweredBy string

// What lowers an amount, in the order in which it does, each with the members of
// [Lowering] that hold its figures.
const (
	LoweredByUnits   LoweredBy = "units"   // only Units of OfUnits count, or Units of each line: PerLine
	LoweredByRepeats LoweredBy = "repeats" // it is given at most Units times
	LoweredByMaximum LoweredBy = "maximum" // its percentage comes to at most Most
	LoweredByPrice   LoweredBy = "price"   // no more comes off than things still cost
	LoweredByFloor   LoweredBy = "floor"   // Lines do not fall below their floor prices, and no other has room for it
	LoweredByLimit   LoweredBy = "limit"   // Used of Most is spent of a limit of money: Limit, Period, Own
)

// Lowered is an offer that applies and takes off less than its benefit gives by itself.
type Lowered struct {
	Applied int // index in what [Quote.Applied] gives

	// Full is what the benefit gives by itself, by what the offers before it left: for all
	// units of the lines that count, whatever they cost. It is at most 2^53 minor units.
	Full ledger.Money

	// By is what lowers that. Full less their amounts is what the offer takes off.
	By []Lowering
}

// Lowering is one thing that lowers an amount, as data and as two sentences: String for
// staff, [Lowering.Shopper] or [Lowering.In] for the shopper.
type Lowering struct {
	Reason LoweredBy
	Amount ledger.Money // so much less comes off, above 0

	Units, OfUnits int64
	PerLine        bool
	Most, Used     ledger.Money
	Lines          []string // ids
	Limit          LimitPer
	Period         ledger.Period
	Own            bool // the limit counts what the shopper uses, and nobody else
}

// Lowered are the offers that apply and take off less than their benefits give by
// themselves, each with everything that lowers it: in the order of [Quote.Applied], and
// of an offer in the order of [LoweredBy]. Quotes don't carry it: each call works the
// offers out once more. It gives none for a quote whose lines were changed since, so that
// other amounts come out. Of dozens of bundles that would fit a cart thousands of times, the
// last are without what their maximum of repeats lowers: that work has a bound.
func (q *Quote) Lowered() []Lowered {
	o := &q.outcome
	p := pricing{basket: basket{names: new(names)}}
	cart := Cart{Currency: q.Subtotal.Currency(), Lines: o.lines, Shipping: o.shipping}
	if len(o.applied) == 0 || cart.open(&p.basket) != nil {
		return nil
	}
	p.begin()
	var all []Lowered
	for i := range o.applied {
		p.applied = i
		falls, ok := p.falls(o.entry(i, &p.basket), &o.applied[i])
		if !ok {
			return nil
		}
		if lowered := q.lowered(i, falls); lowered.By != nil {
			all = append(all, lowered)
		}
	}
	return all
}

// loweredByOffer are the offers that are lowered, by their index among those that apply.
func (q *Quote) loweredByOffer() map[int]*Lowered {
	byOffer := make(map[int]*Lowered)
	for _, l := range q.Lowered() {
		byOffer[l.Applied] = &l
	}
	return byOffer
}

// lowered says of an offer what lowers its amounts, each to the next.
func (q *Quote) lowered(applied int, falls []fall) Lowered {
	lowered := Lowered{Applied: applied, Full: q.money(falls[0].from)}
	for i, f := range falls[:len(falls)-1] {
		if less := f.from - falls[i+1].from; less > 0 {
			f.Amount = q.money(less)
			lowered.By = append(lowered.By, f.Lowering)
		}
	}
	return lowered
}

// entry is an offer that applies, with the lines and deliveries that it counts.
func (o *outcome) entry(applied int, b *basket) *entry {
	c := o.applied[applied].Candidate
	e := &entry{Candidate: c, Version: c.Version}
	counts := func(place int) bool {
		_, left := slices.BinarySearchFunc(o.left, leftOut{int32(applied), int32(place), ""}, leftOut.compare)
		return !left
	}
	for _, i := range b.byID {
		if c.Version.covers(&o.lines[i]) && counts(i) {
			e.lines = append(e.lines, i)
		}
	}
	for i := range o.shipping {
		if c.Version.stage == shippingStage && counts(len(o.lines)+i) {
			e.deliveries = append(e.deliveries, i)
		}
	}
	sortDeliveries(e.deliveries, o.shipping)
	return e
}

// fall is an amount, and what lowers it to the next.
type fall struct {
	from int64
	Lowering
}

// falls works out an offer, and gives its amounts from what the benefit gives by itself
// to what is taken off. It says whether that comes out as it was decided.
func (p *pricing) falls(e *entry, decided *decided) (falls []fall, ok bool) {
	benefit := e.offer().Benefit
	for _, looser := range p.loosened(e) {
		falls = append(falls, fall{p.nominal(looser.benefit, e), looser.Lowering})
	}
	falls = append(falls, fall{p.nominal(benefit, e), Lowering{Reason: LoweredByPrice}})
	var floorless *pricing
	if slices.Max(p.least) > 0 {
		floorless = p.aside()
		falls = append(falls, fall{benefit.apply(floorless, e), Lowering{Reason: LoweredByFloor}})
	}
	amount := benefit.apply(p, e)
	if floorless != nil {
		falls[len(falls)-1].Lines = p.held(floorless)
	}
	falls = append(falls, fall{amount, p.limit(decided)}, fall{from: decided.amount})
	if amount > decided.amount {
		p.clip(e, decided.amount)
	}
	for i := len(falls) - 2; i >= 0; i-- { // with more repeats, other sets may come to less
		falls[i].from = max(falls[i].from, falls[i+1].from)
	}
	return falls, amount >= decided.amount && (amount == decided.amount || decided.refused != nil)
}

// aside is the pricing as it stands, without floors, for trying something out. Of a part
// that offers have cut it knows the sum that came off: units share that as they share
// each of the cuts, and copying every cut for every offer would be work by the square.
func (p *pricing) aside() *pricing {
	const earlier = -1
	a := *p
	a.parts, a.cuts, a.tails = slices.Clone(p.parts), nil, slices.Clone(p.tails)
	for i := range a.parts {
		q := &a.parts[i]
		if q.cut > 0 {
			a.cuts = append(a.cuts, cut{amount: q.price - q.now, applied: earlier})
			q.cut, q.by = int32(len(a.cuts)), earlier
		}
	}
	a.floors, a.used = make([]int64, len(p.floors)), slices.Clone(p.used)
	a.deliveries = slices.Clone(p.deliveries)
	return &a
}

// looser is a benefit without something that lowers what it gives.
type looser struct {
	benefit Benefit
	Lowering
}

// loosened are an entry's benefit without all of its caps, and then with one more each.
func (p *pricing) loosened(e *entry) (all []looser) {
	units := func(without Benefit, u Units) {
		if u.Max > 0 {
			of := p.count(p.eligible(e))
			all = append(all, looser{without, Lowering{Reason: LoweredByUnits, Units: u.Max, OfUnits: of, PerLine: u.PerLine}})
		}
	}
	repeats := func(without Benefit, most int64) {
		if most > 0 && p.fine < maxFine {
			all = append(all, looser{without, Lowering{Reason: LoweredByRepeats, Units: most}})
		}
	}
	switch b := e.offer().Benefit.(type) {
	case PercentOff:
		units(PercentOff{Rate: b.Rate, Of: b.Of}, b.Units)
		if most, ok := b.Max.In(p.cart.Currency); ok {
			all = append(all, looser{PercentOff{Rate: b.Rate, Of: b.Of, Units: b.Units}, Lowering{Reason: LoweredByMaximum, Most: most}})
		}
	case AmountOffEach:
		units(AmountOffEach{Amounts: b.Amounts, PerLine: b.PerLine}, b.Units)
	case FixedPrice:
		units(FixedPrice{Prices: b.Prices}, b.Units)
	case BuyGet:
		without := b
		without.Max = 0
		repeats(without, b.Max)
	case BundlePrice:
		without := b
		without.Max = 0
		repeats(without, b.Max)
	}
	return all
}

// nominal is what a benefit gives, whatever things cost and whatever floors they have. A
// percentage of what they cost, a price and a set give no more than they cost by themselves.
func (p *pricing) nominal(benefit Benefit, e *entry) int64 {
	currency := p.cart.Currency
	switch b := benefit.(type) {
	case PercentOff:
		p = p.forUnits(b.Units)
		return b.amount(p, e, b.Units.of(p, e))
	case AmountOff:
		return b.Amounts.minor(currency)
	case AmountOffEach:
		if b.PerLine {
			return times(b.Amounts.minor(currency), int64(len(e.lines)))
		}
		p = p.forUnits(b.Units)
		return times(b.Amounts.minor(currency), p.count(b.Units.of(p, e)))
	case Tiers:
		if r, amounts, _ := b.reached(p, p.eligible(e)); r.IsZero() {
			return amounts.minor(currency)
		}
	case BuyGet:
		if len(b.Amounts) > 0 {
			sets := p.aside()
			b.apply(sets, e)
			return times(b.Amounts.minor(currency), (sets.taken-p.taken)/(b.Buy+b.Get)*b.Get)
		}
	case ShippingOff:
		switch {
		case b.Together:
			return b.Amounts.minor(currency)
		case len(b.Amounts) > 0:
			return times(b.Amounts.minor(currency), int64(len(b.counted(p, e))))
		}
	}
	a := p.aside()
	amount := benefit.apply(a, e)
	p.fine += len(a.parts) - len(p.parts) + (a.steps-p.steps)/(maxSteps/maxFine)
	return amount
}

// forUnits is where units can be chosen: choosing some cuts lines.
func (p *pricing) forUnits(u Units) *pricing {
	if u.Max == 0 {
		return p
	}
	return p.aside()
}

// held are the lines that floors let cost more than without them.
func (p *pricing) held(floorless *pricing) []string {
	var held []string
	for _, i := range p.byID {
		if p.least[i] > 0 && p.line(i) > floorless.line(i) {
			held = append(held, p.cart.Lines[i].ID)
		}
	}
	return held
}

// line is what a line costs now.
func (p *pricing) line(i int) (now int64) {
	for part := int32(i) + 1; part > 0; part = p.parts[part-1].next {
		now += p.parts[part-1].now
	}
	return now
}

// limit is the limit of money that lowered an amount, if one did.
func (p *pricing) limit(d *decided) Lowering {
	if d.refused == nil {
		return Lowering{}
	}
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, p.cart.Currency) }
	r := d.refused
	return Lowering{
		Reason: LoweredByLimit, Most: money(r.NeededUses), Used: money(r.FoundUses), Limit: r.Limit, Period: r.Period,
		Own: r.Limit == PerCustomer || r.Limit == PerOrder || r.Limit == PerCoupon && r.Own,
	}
}

// String is the sentence for staff: how much less comes off, and why, with the figures.
func (l Lowering) String() string { return fmt.Sprintf("%s less: %s", l.Amount, l.detail()) }

func (l Lowering) detail() string {
	switch l.Reason {
	case LoweredByUnits:
		if l.PerLine {
			return fmt.Sprintf("of each line only %d units count, of %d in all", l.Units, l.OfUnits)
		}
		return fmt.Sprintf("only %d of %d units count", l.Units, l.OfUnits)
	case LoweredByRepeats:
		return fmt.Sprintf("at most %d times in an order", l.Units)
	case LoweredByMaximum:
		return fmt.Sprintf("at most %s comes off", l.Most)
	case LoweredByPrice:
		return "no more comes off than things still cost"
	case LoweredByFloor:
		return "the floor price is reached by " + lines(l.Lines)
	case LoweredByLimit:
		left, _ := l.Most.Sub(l.Used) // of one currency, and not below 0
		counted := (&Refusal{Limit: l.Limit, Period: l.Period}).counted()
		return fmt.Sprintf("%s of %s are spent %s: %s are left", l.Used, l.Most, counted, left)
	}
	return string(l.Reason)
}

func lines(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = fmt.Sprintf("%.100q", id)
	}
	if len(ids) == 1 {
		return "line " + quoted[0]
	}
	return "lines " + strings.Join(quoted, ", ")
}

// Shopper is the sentence for the shopper, in English. It shows no figures of what other
// people use.
func (l Lowering) Shopper() string { return l.In(language.English) }

// In is the sentence for the shopper, as [Lowering.Shopper] gives it, in a language that
// has a catalogue, otherwise in English. Amounts are in the form of the reader's region.
func (l Lowering) In(tag language.Tag) string {
	s := wordings.Speaker(tag)
	return wording.Capital(s.Say("lowered_sentence", "why", l.tell(s)))
}

// tell is a part of a sentence: everything that lowers the amount.
func (l *Lowered) tell(s *wording.Speaker) string {
	all := make([]string, len(l.By))
	for i := range l.By {
		all[i] = l.By[i].tell(s)
	}
	return s.Enumerate(all)
}

func (l Lowering) tell(s *wording.Speaker) string {
	switch l.Reason {
	case LoweredByUnits:
		if l.PerLine {
			return s.Count("lowered_units_line", l.Units)
		}
		return s.Count("lowered_units", l.Units)
	case LoweredByRepeats:
		return s.Count("lowered_repeats", l.Units)
	case LoweredByMaximum:
		return s.Say("lowered_maximum", "most", s.Money(l.Most))
	case LoweredByPrice:
		return s.Say("lowered_price")
	case LoweredByFloor:
		return s.Say("lowered_floor")
	}
	if !l.Own {
		return s.Say("lowered_limit")
	}
	left, _ := l.Most.Sub(l.Used)
	whose := s.Say(map[LimitPer]string{PerCustomer: "per_customer", PerCoupon: "per_coupon", PerOrder: "per_order"}[l.Limit])
	if l.Period != ledger.Lifetime {
		whose = s.Say("lowered_period", "whose", whose, "period", s.Say(periodKeys[l.Period]))
	}
	return s.Say("lowered_limit_own", "left", s.Money(left), "most", s.Money(l.Most), "whose", whose)
}

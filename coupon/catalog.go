package coupon

import (
	"cmp"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Catalog is the offers of a shop, compiled once for pricing many carts: each offer is
// found by the names of the lines it counts, so that pricing a cart costs as much as
// the cart has lines and the offers that match it, however many others there are. It is
// immutable and safe for concurrent use. [Service.Quote] keeps one of the automatic
// offers; make one with [NewCatalog] to decide without a store.
type Catalog struct {
	candidates []Candidate          // the automatic offers, by id
	compiled   []compiled           // by candidate
	byTurn     []int32              // candidates in the order in which they are worked out
	others     map[*Version]*anchor // of offers that are not automatic
	names      names                // those that scopes ask for
	named      [][]int32            // candidates by the number of a name; those that end last come first
	unnamed    []int32              // candidates that ask for no name, in the same order
}

// compiled is what finding and pricing look at first of an automatic offer.
type compiled struct {
	anchor
	turn   int32 // its place in byTurn
	number int32 // of its only name, where plain
	plain  bool  // see Version.plain
	ends   bool  // some time
	direct direct
}

// direct is how most plain offers take off what they do, read off their benefit once: so
// that working one out on a few lines asks nothing of it again.
type direct struct {
	way    directWay
	rate   ledger.Rate
	amount ledger.Money // the only one
}

type directWay uint8

const (
	byBenefit directWay = iota // as the benefit says
	byRate                     // a percentage of what the lines cost now
	byAmount                   // an amount off them together
	byUnits                    // an amount off each unit
)

// newDirect is how a plain offer takes off what it does.
func newDirect(benefit Benefit) direct {
	switch b := benefit.(type) {
	case PercentOff:
		if len(b.Max) == 0 && b.Of == OfRunning {
			return direct{way: byRate, rate: b.Rate}
		}
	case AmountOff:
		if len(b.Amounts) == 1 {
			return direct{way: byAmount, amount: b.Amounts[0]}
		}
	case AmountOffEach:
		if len(b.Amounts) == 1 && !b.PerLine {
			return direct{way: byUnits, amount: b.Amounts[0]}
		}
	}
	return direct{}
}

// apply is that of the benefit, for lines that nothing has cut; 0 where it has no amount in
// the currency.
func (w *direct) apply(p *pricing, e *entry) int64 {
	switch {
	case w.way == byBenefit:
		if benefit := e.Version.offer.Benefit; benefit.in(p.cart.Currency) {
			return benefit.apply(p, e)
		}
		return 0
	case w.way == byRate:
		return p.spread(rate(w.rate, p.cost(e.lines, false), e), e.lines)
	case w.amount.Currency() != p.cart.Currency:
		return 0
	case w.way == byAmount:
		return p.spread(w.amount.Minor(), e.lines)
	}
	return p.takeFromUnits(w.amount.Minor(), e.lines)
}

// anchor is the list of an offer's scope by which it is found: every line that counts
// has one of its names.
type anchor struct {
	list    nameKind
	numbers []int32 // of its names; nil: the scope has no list
}

// NewCatalog compiles offers. The automatic ones are candidates for every cart, of an
// offer in several versions the latest; the others are there to be found as fast when
// a coupon asks for them. Versions that [NewVersion] did not make are left out.
func NewCatalog(versions ...*Version) *Catalog {
	var candidates []Candidate
	for _, v := range versions {
		if v != nil && v.zone != nil {
			candidates = append(candidates, Candidate{Version: v})
		}
	}
	return newCatalog(candidates)
}

func newCatalog(all []Candidate) *Catalog {
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Version.offer.ID, b.Version.offer.ID), b.Version.offer.Version-a.Version.offer.Version)
	})
	all = slices.CompactFunc(all, func(a, b Candidate) bool { return a.Version.offer.ID == b.Version.offer.ID })
	c := &Catalog{others: make(map[*Version]*anchor)}
	asked := make(map[kindName]int) // how many offers ask for a name
	for i := range all {
		for k, list := range all[i].Version.offer.Scope.In.each() {
			for _, name := range list {
				asked[kindName{name, nameKind(k)}]++
			}
		}
	}
	c.names.empty(len(asked))
	anchors := make([]anchor, len(all))
	for i := range all {
		anchors[i] = c.anchor(all[i].Version, asked)
		if all[i].Version.offer.Automatic {
			c.add(&all[i], anchors[i])
		} else {
			c.others[all[i].Version] = &anchors[i]
		}
	}
	c.order()
	c.named = make([][]int32, len(c.names.all))
	byEnd := make([]int32, len(c.candidates))
	for i := range byEnd {
		byEnd[i] = int32(i)
	}
	slices.SortStableFunc(byEnd, func(a, b int32) int { return compareEnds(c.end(b), c.end(a)) })
	for _, i := range byEnd {
		for _, number := range c.compiled[i].numbers {
			c.named[number] = append(c.named[number], i)
		}
		if c.compiled[i].numbers == nil {
			c.unnamed = append(c.unnamed, i)
		}
	}
	return c
}

// add adds an automatic offer.
func (c *Catalog) add(candidate *Candidate, a anchor) {
	v := candidate.Version
	added := compiled{anchor: a, ends: !v.bounds.Until.IsZero()}
	if added.plain = v.plain() && len(a.numbers) == 1 && !candidate.Paused; added.plain {
		added.number, added.direct = a.numbers[0], newDirect(v.offer.Benefit)
	}
	c.candidates, c.compiled = append(c.candidates, *candidate), append(c.compiled, added)
}

// order says in which turn candidates are worked out.
func (c *Catalog) order() {
	c.byTurn = make([]int32, len(c.candidates))
	for i := range c.byTurn {
		c.byTurn[i] = int32(i)
	}
	slices.SortStableFunc(c.byTurn, func(a, b int32) int {
		return cmp.Compare(c.candidates[a].Version.turn, c.candidates[b].Version.turn)
	})
	for turn, i := range c.byTurn {
		c.compiled[i].turn = int32(turn)
	}
}

// anchor chooses the list of a scope whose names the fewest offers ask for, and
// numbers them: a list that names what half of the catalogue names finds too much.
func (c *Catalog) anchor(v *Version, asked map[kindName]int) anchor {
	var a anchor
	least := 0
	lists := v.offer.Scope.In.each()
	for k, list := range lists {
		n := 0
		for _, name := range list {
			n += asked[kindName{name, nameKind(k)}]
		}
		if n > 0 && (least == 0 || n < least) {
			a.list, least = nameKind(k), n
		}
	}
	if least == 0 {
		return a
	}
	for _, name := range lists[a.list] {
		a.numbers = append(a.numbers, c.names.add(a.list, name))
	}
	return a
}

// end is when a candidate can't be used any more; the zero time: never.
func (c *Catalog) end(candidate int32) time.Time { return c.candidates[candidate].Version.bounds.Until }

// compareEnds compares ends, of which the zero time is the last.
func compareEnds(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// Decide prices a cart like the function [Decide]. The candidates are those chosen, and
// the automatic offers of the catalogue whose scope counts a line of the cart and that
// have not ended at the instant: a quote says of no others why they do not apply.
func (c *Catalog) Decide(cart Cart, chosen []Candidate, facts Facts, at time.Time) (*Quote, error) {
	d := newDecision()
	defer d.release()
	if err := d.begin(&c.names, cart, facts, at); err != nil {
		return nil, err
	}
	return c.decide(d, chosen)
}

// decide decides on a cart that was opened by the names of the catalogue.
func (c *Catalog) decide(d *decision, chosen []Candidate) (*Quote, error) {
	if plain := c.match(d); plain && d.plain && len(chosen) == 0 && !d.facts.Best {
		if quote := c.plainly(d); quote != nil {
			return quote, nil
		}
		d.quote.outcome, d.memory = outcome{}, d.memory[:0]
	}
	slices.Sort(d.hits)
	d.reserve(len(chosen) + len(d.hits))
	for _, i := range d.hits {
		c.enter(d, i)
	}
	if len(chosen) > 0 {
		from := len(d.entries)
		d.add(chosen)
		c.find(d.entries[from:])
		d.sort()
	}
	return d.decide()
}

// Candidates are the automatic offers that Decide takes for a cart; none for a cart
// that is not valid.
func (c *Catalog) Candidates(cart *Cart, at time.Time) []Candidate {
	d := newDecision()
	defer d.release()
	if d.openCart(&c.names, cart, at) != nil {
		return nil
	}
	return c.matching(d)
}

// matching are those for a cart that was opened by the names of the catalogue.
func (c *Catalog) matching(d *decision) []Candidate {
	c.match(d)
	slices.Sort(d.hits)
	d.reserve(len(d.hits))
	var all []Candidate
	for _, i := range d.hits {
		if c.enter(d, i) {
			all = append(all, c.candidates[i])
		}
	}
	d.entries, d.memory, d.picked = d.entries[:0], d.memory[:0], d.picked[:0]
	return all
}

// match finds the candidates that may count a line, and says whether all are plain.
func (c *Catalog) match(d *decision) (plain bool) {
	d.hits = d.hits[:0]
	d.seen = slices.Grow(d.seen[:0], len(c.candidates))[:len(c.candidates)] // all false
	for i := range d.lines.met {
		c.take(d, c.named[d.lines.met[i].number])
	}
	c.take(d, c.unnamed)
	plain = true
	for _, i := range d.hits {
		d.seen[i] = false
		plain = plain && c.compiled[i].plain
	}
	return plain
}

// take takes those of some candidates that have not ended: the ones that have come last.
func (c *Catalog) take(d *decision, candidates []int32) {
	for _, i := range candidates {
		if c.compiled[i].ends && !d.at.Before(c.end(i)) {
			return
		}
		if !d.seen[i] {
			d.seen[i] = true
			d.hits = append(d.hits, i)
		}
	}
}

// plainly prices a cart with plain offers: each is judged in its turn and worked out at
// once. Nil where one takes nothing off: why not, the long way says.
func (c *Catalog) plainly(d *decision) *Quote {
	for k, i := range d.hits {
		d.hits[k] = c.compiled[i].turn
	}
	slices.Sort(d.hits)
	for k, turn := range d.hits {
		d.hits[k] = c.byTurn[turn]
	}
	all := d.room.take(len(d.hits)) // those that apply from the beginning, those refused from the end
	applied, refused := 0, len(all)
	var discount int64
	e := d.entry(nil)
	for _, i := range d.hits {
		candidate, compiled := &c.candidates[i], &c.compiled[i]
		e.Version, e.lines = candidate.Version, d.lines.of(d.lines.slots[compiled.number]-1)
		if e.Version.minimum != nil {
			switch d.judgeMinimum(e) {
			case nil:
			case &d.tooLittle:
				if !e.Version.offer.Benefit.in(d.cart.Currency) {
					return nil
				}
				refused--
				all[refused] = decided{Candidate: candidate, amount: e.found}
				continue
			default:
				return nil
			}
		}
		d.pricing.applied = applied
		amount := compiled.direct.apply(&d.pricing, e)
		if amount == 0 {
			return nil
		}
		all[applied] = decided{Candidate: candidate, amount: amount}
		discount += amount
		applied++
	}
	d.quote.outcome.applied, d.quote.outcome.refused = all[:applied:applied], all[refused:]
	slices.SortFunc(all[refused:], func(a, b decided) int { return cmp.Compare(a.Version.offer.ID, b.Version.offer.ID) })
	return d.write(discount)
}

// enter makes an entry of a candidate, and says whether it counts a line; without one it
// makes none.
func (c *Catalog) enter(d *decision, candidate int32) bool {
	e := d.entry(&c.candidates[candidate])
	if c.compiled[candidate].numbers != nil {
		e.anchor = &c.compiled[candidate].anchor
	}
	e.lines = d.narrow(e)
	if len(e.lines) == 0 || !e.Version.single && !slices.ContainsFunc(e.lines, func(i int) bool { return e.Version.covers(&d.cart.Lines[i]) }) {
		d.memory = d.memory[:len(d.memory)-1]
		return false
	}
	d.entries = append(d.entries, e)
	return true
}

// find leads chosen candidates to lines as the catalogue leads to them; what it does
// not know looks at every line.
func (c *Catalog) find(chosen []*entry) {
	for _, e := range chosen {
		if a := c.others[e.Version]; a != nil && a.numbers != nil {
			e.anchor = a
		}
	}
}

package coupon

import (
	"cmp"
	"slices"
	"time"
)

// Catalog is the offers of a shop, compiled once for pricing many carts: each offer is
// found by the names of the lines it counts, so that pricing a cart costs as much as
// the cart has lines and the offers that match it, however many others there are. It is
// immutable and safe for concurrent use. [Service.Quote] keeps one of the automatic
// offers; make one with [NewCatalog] to decide without a store.
type Catalog struct {
	candidates []Candidate          // the automatic offers, by id
	anchors    []anchor             // by candidate
	ends       []bool               // by candidate: it will end some time
	others     map[*Version]*anchor // of offers that are not automatic
	names      names                // those that scopes ask for
	named      [][]int32            // candidates by the number of a name; those that end last come first
	unnamed    []int32              // candidates that ask for no name, in the same order
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
	for i := range all {
		a := c.anchor(all[i].Version, asked)
		if all[i].Version.offer.Automatic {
			c.candidates, c.anchors = append(c.candidates, all[i]), append(c.anchors, a)
			c.ends = append(c.ends, !all[i].Version.bounds.Until.IsZero())
		} else {
			c.others[all[i].Version] = &a
		}
	}
	c.named = make([][]int32, len(c.names.all))
	byEnd := make([]int32, len(c.candidates))
	for i := range byEnd {
		byEnd[i] = int32(i)
	}
	slices.SortStableFunc(byEnd, func(a, b int32) int { return compareEnds(c.end(b), c.end(a)) })
	for _, i := range byEnd {
		for _, number := range c.anchors[i].numbers {
			c.named[number] = append(c.named[number], i)
		}
		if c.anchors[i].numbers == nil {
			c.unnamed = append(c.unnamed, i)
		}
	}
	return c
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
	d.reserve(len(chosen) + c.match(d))
	for _, i := range d.hits {
		c.add(d, i)
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
	d.at, d.names = at, &c.names
	if cart.open(d.basket) != nil {
		return nil
	}
	d.reserve(c.match(d))
	var all []Candidate
	for _, i := range d.hits {
		if c.add(d, i) {
			all = append(all, c.candidates[i])
		}
	}
	return all
}

// match finds the candidates that may count a line, in the order of their ids, and
// gives how many.
func (c *Catalog) match(d *decision) int {
	d.hits = d.hits[:0]
	d.seen = slices.Grow(d.seen[:0], len(c.candidates))[:len(c.candidates)] // all false
	for i := range d.lines.met {
		c.take(d, c.named[d.lines.met[i].number])
	}
	c.take(d, c.unnamed)
	for _, i := range d.hits {
		d.seen[i] = false
	}
	slices.Sort(d.hits)
	return len(d.hits)
}

// take takes those of some candidates that have not ended: the ones that have come last.
func (c *Catalog) take(d *decision, candidates []int32) {
	for _, i := range candidates {
		if c.ends[i] && !d.at.Before(c.end(i)) {
			return
		}
		if !d.seen[i] {
			d.seen[i] = true
			d.hits = append(d.hits, i)
		}
	}
}

// add makes an entry of a candidate, and says whether it counts a line; without one it
// makes none.
func (c *Catalog) add(d *decision, candidate int32) bool {
	e := d.entry(&c.candidates[candidate])
	if c.anchors[candidate].numbers != nil {
		e.anchor = &c.anchors[candidate]
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

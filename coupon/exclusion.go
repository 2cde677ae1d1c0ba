package coupon

import (
	"fmt"
	"slices"
	"time"
)

// Exclusion is a seller's word that its products take no part: in some offers, in
// all that carry a label, or in any; for good or for a period.
type Exclusion struct {
	ID       string // unique per seller
	Seller   string
	Products []string // empty: all of the seller's
	Offers   []string // ids; with no offers and no labels: every offer
	Labels   []string
	Interval // the zero value: for good
}

// maxExclusions bounds what one seller's document holds.
const maxExclusions = 100

// Validate checks the exclusion and fails with a [*Faults].
func (e *Exclusion) Validate() error {
	faults := &Faults{Kind: ErrExclusion}
	faults.id("id", e.ID, false)
	faults.id("seller", e.Seller, false)
	if len(e.Products) > 10*maxNames {
		faults.add("products", "has %d entries, at most %d are allowed: exclude the seller as a whole", len(e.Products), 10*maxNames)
	} else {
		for i, p := range e.Products {
			if !wellNamed(p) { // or a path would be made for each
				faults.id(fmt.Sprintf("products[%d]", i), p, false)
			}
		}
	}
	faults.labels("offers", e.Offers)
	faults.labels("labels", e.Labels)
	e.Interval.check("", faults)
	return faults.orNil()
}

// excluding is what sellers keep out of which offers, of a cart's products. It is put
// together in the time that reading the exclusions takes, and what a target keeps out once,
// when it is first asked for: so each line and offer cost the same, however many
// exclusions there are.
type excluding struct {
	products map[string]int32 // of the cart, numbered
	sellers  map[string]*sellersExclusions
}

// sellersExclusions are those of one seller, by what they are for.
type sellersExclusions struct {
	every  *keptOut // of every offer
	offers map[string]*keptOut
	labels map[string]*keptOut
}

// keptOut is which products some exclusions keep out, by their numbers.
type keptOut struct {
	by   [][]int32 // what each exclusion names; those that are not put together yet
	all  bool
	some []bool
}

// newExcluding puts the exclusions together that hold at an instant; nil: none does.
func newExcluding(all []Exclusion, c *Cart, at time.Time) *excluding {
	var x *excluding
	for i := range all {
		if e := &all[i]; e.Contains(at) {
			if x == nil {
				x = &excluding{make(map[string]int32, len(c.Lines)), make(map[string]*sellersExclusions)}
				x.number(c)
			}
			x.add(e)
		}
	}
	return x
}

func (x *excluding) number(c *Cart) {
	for i := range c.Lines {
		if _, known := x.products[c.Lines[i].Product]; !known {
			x.products[c.Lines[i].Product] = int32(len(x.products))
		}
	}
}

func (x *excluding) add(e *Exclusion) {
	s := x.sellers[e.Seller]
	if s == nil {
		s = &sellersExclusions{every: new(keptOut), offers: make(map[string]*keptOut), labels: make(map[string]*keptOut)}
		x.sellers[e.Seller] = s
	}
	var named []int32
	for _, p := range e.Products {
		if number, bought := x.products[p]; bought {
			named = append(named, number)
		}
	}
	everything := len(e.Products) == 0
	if !everything && len(named) == 0 {
		return
	}
	if len(e.Offers) == 0 && len(e.Labels) == 0 {
		s.every.add(everything, named)
	}
	for _, offer := range e.Offers {
		of(s.offers, offer).add(everything, named)
	}
	for _, label := range e.Labels {
		of(s.labels, label).add(everything, named)
	}
}

func of(targets map[string]*keptOut, name string) *keptOut {
	if targets[name] == nil {
		targets[name] = new(keptOut)
	}
	return targets[name]
}

func (k *keptOut) add(everything bool, named []int32) {
	if k.all = k.all || everything; !k.all {
		k.by = append(k.by, named)
	}
}

// has says that a product is kept out, one of so many; nil keeps out none.
func (k *keptOut) has(product int32, products int) bool {
	switch {
	case k == nil:
		return false
	case k.all:
		return true
	case product < 0:
		return false
	}
	for _, named := range k.by {
		if k.some == nil {
			k.some = make([]bool, products)
		}
		for _, number := range named {
			k.some[number] = true
		}
	}
	k.by = nil
	return k.some != nil && k.some[product]
}

// excludes says that a seller keeps a product out of the offer; of what is none of the
// cart's, that it keeps out all of its own.
func (x *excluding) excludes(seller, product string, o *Offer) bool {
	if x == nil || x.sellers[seller] == nil {
		return false
	}
	s, number := x.sellers[seller], int32(-1)
	if n, bought := x.products[product]; bought {
		number = n
	}
	return s.every.has(number, len(x.products)) || s.offers[o.ID].has(number, len(x.products)) ||
		slices.ContainsFunc(o.Labels, func(label string) bool { return s.labels[label].has(number, len(x.products)) })
}

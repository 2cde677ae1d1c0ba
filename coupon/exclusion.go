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
			faults.id(fmt.Sprintf("products[%d]", i), p, false)
		}
	}
	faults.labels("offers", e.Offers)
	faults.labels("labels", e.Labels)
	e.Interval.check("", faults)
	return faults.orNil()
}

// excludes says that the exclusion takes a product out of an offer at an instant.
func (e *Exclusion) excludes(product string, o *Offer, at time.Time) bool {
	if !e.Contains(at) || len(e.Products) > 0 && !slices.Contains(e.Products, product) {
		return false
	}
	if len(e.Offers) == 0 && len(e.Labels) == 0 {
		return true
	}
	return slices.Contains(e.Offers, o.ID) ||
		slices.ContainsFunc(e.Labels, func(label string) bool { return slices.Contains(o.Labels, label) })
}

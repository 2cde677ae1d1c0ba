package coupon

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
)

// Offer is the rule of a discount: what comes off, for which lines, under which
// conditions, when, how often, and beside what. It is immutable once published:
// a change is published as the next version under the same id, and coupons and
// orders stay with the version they were made under.
type Offer struct {
	ID      string // [a-z0-9][a-z0-9._-]*, at most 64 bytes
	Version int    // set by publishing, from 1
	Name    string // what shoppers call it, as in "5 € for inviting a friend"

	// Labels say what the offer is ("referral", "welcome"), for sellers'
	// exclusions and for other offers' consent.
	Labels []string

	// Automatic offers apply without a code. Others come with a coupon.
	Automatic bool

	// Campaign groups offers whose limits may be counted together, as an id;
	// empty: none.
	Campaign string

	Benefit    Benefit
	Scope      Scope       // which lines count; the zero value: all
	Conditions []Condition // all must hold
	Schedule   Schedule    // the zero value: always
	Limits     []Limit
	Combine    Combine // the zero value: alone

	// Group is one of several offers of which only one counts for a cart; the
	// zero value: none.
	Group Group

	// Funding says who pays for the discount, in shares that sum to 100 %; empty:
	// the platform.
	Funding []Share

	// Priority decides which of two offers that can't be combined is applied,
	// and which is worked out first: the higher. Default 0; -1000 to 1000.
	Priority int

	ShopPromotions ShopPromotions  // the zero value: refuse the cart
	Rounding       ledger.Rounding // of a percentage; the zero value: half up
	Restore        Restore         // the zero value: when nothing of the order is kept
	Below          Below           // the zero value: keep the discount
}

// Scope says which lines of a cart an offer counts. A line counts when in each
// list of In that is not empty it is named, and in no list of Out, and when it is or
// is not on sale and costs as SaleItems and UnitPrice say.
type Scope struct {
	In, Out   Lists
	SaleItems SaleItems  // the zero value: on sale or not
	UnitPrice PriceRange // the zero value: whatever a unit costs
}

// Lists names lines by what they are.
type Lists struct {
	Products, Categories, Sellers, Tags []string
}

// SaleItems says whether reduced lines count.
type SaleItems uint8

// What an offer does with lines that are on sale.
const (
	SaleItemsToo SaleItems = iota
	SaleItemsOut
	SaleItemsOnly
)

// ShopPromotions says what an offer does where the shop's own promotions already
// apply.
type ShopPromotions uint8

// What an offer does beside the shop's own promotions. A promotion of the whole
// cart counts for every line.
const (
	RefuseCart    ShopPromotions = iota // refuse the cart when any promotion applies to any of it
	SkipPromoted                        // leave out the lines that a promotion applies to
	AllowPromoted                       // apply all the same
)

// Restore says when a use is given back after a redemption was confirmed.
// Reservations that are released or lapse always give it back.
type Restore uint8

// When a use is given back.
const (
	RestoreWhenNothingKept Restore = iota // the order is cancelled, or every unit of it returned
	RestoreNever
	RestoreWhenCancelled // the order is cancelled: all of it, shipping too, comes back at once
	RestoreBeforeExpiry  // as the first, as long as the coupon, or the offer where there is none, has not expired by then
)

// Group names offers of which only one counts for a cart, beside what they consent
// to: the best, which takes most off alone, or the first, by priority and id.
type Group struct {
	Name  string // as an offer's id; empty: no group
	First bool   // otherwise the best
}

// Share is one payer's part of a discount.
type Share struct {
	Payer string      // Platform, Seller, or any other: a brand's name
	Rate  ledger.Rate // above 0 %
}

// Payers with a meaning. Seller is each line's or delivery's own; where there is none,
// the platform pays its share.
const (
	Platform = "platform"
	Seller   = "seller"
)

// Below says what a return does to the discount when what is kept costs less than
// the offer's minimum spend. Of a [MinimumSpend] inside of an [Any] or a [Not], without
// which the offer may apply, it says nothing.
type Below uint8

// What a return does to the discount when what is kept is below the minimum.
const (
	KeepDiscount Below = iota // what is kept keeps its discount
	ClawBack                  // the refund is lowered by the discount on what is kept
	BlockReturn               // the return is refused
)

// Combine says beside which other offers an offer can apply to one cart. Both
// sides must consent.
type Combine struct {
	With   []string // labels of the offers it consents to
	Freely bool     // it consents to any
}

// consents says that the offer lets the other stand beside it.
func (o *Offer) consents(other *Offer) bool {
	return o.Combine.Freely || slices.ContainsFunc(o.Combine.With, func(label string) bool {
		return slices.Contains(other.Labels, label)
	})
}

// alone says that the offer lets no other stand beside it.
func (o *Offer) alone() bool { return !o.Combine.Freely && len(o.Combine.With) == 0 }

var offerID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Limits of an offer.
const (
	maxListed    = 100_000 // entries of a scope's list; real coupons name 14,477 products
	maxBlackouts = 100
	maxShares    = 10
)

// Validate checks the offer and fails with a [*Faults] that lists everything
// wrong with it. The predicates are those that the shop has registered.
func (o *Offer) Validate(predicates ...RegisteredPredicate) error {
	return o.validate(predicatesByName(predicates))
}

func (o *Offer) validate(predicates map[predicateName]*RegisteredPredicate) error {
	faults := &Faults{Kind: ErrOffer}
	if !offerID.MatchString(o.ID) {
		faults.add("id", "is %.80q, want %s", o.ID, offerID)
	}
	if o.Version < 0 {
		faults.add("version", "is %d; publishing sets it", o.Version)
	}
	if o.Name == "" || len(o.Name) > 200 {
		faults.add("name", "is %.40q, want 1 to 200 bytes of text: shoppers read it", o.Name)
	} else if !printable(o.Name) {
		faults.add("name", "%s", strict.Unreadable(o.Name))
	}
	if o.Benefit == nil {
		faults.add("benefit", "is missing")
	} else if _, err := newBenefitDocument(o.Benefit); err != nil {
		faults.add("benefit", "is a %T, want one of this package's benefits, as a value", o.Benefit)
	} else {
		o.Benefit.check("benefit", faults)
	}
	faults.labels("labels", o.Labels)
	faults.labels("combine.with", o.Combine.With)
	if o.Combine.Freely && len(o.Combine.With) > 0 {
		faults.add("combine", "is free and names labels: choose one")
	}
	if o.Priority < -1000 || o.Priority > 1000 {
		faults.add("priority", "is %d, want -1000 to 1000", o.Priority)
	}
	o.Scope.check(faults)
	conditions := &checking{Faults: faults, predicates: predicates}
	conditions.children("conditions", o.Conditions)
	o.Schedule.check(faults)
	o.checkLimits(faults)
	faults.funding(o.Funding)
	if o.Campaign != "" && !offerID.MatchString(o.Campaign) {
		faults.add("campaign", "is %.80q, want %s", o.Campaign, offerID)
	}
	if o.Group.Name != "" && !offerID.MatchString(o.Group.Name) {
		faults.add("group.name", "is %.80q, want %s", o.Group.Name, offerID)
	}
	if o.Group.First && o.Group.Name == "" {
		faults.add("group.name", "is missing")
	}
	if o.ShopPromotions > AllowPromoted {
		faults.add("shop_promotions", "is %d, which is not defined", o.ShopPromotions)
	}
	if o.Restore > RestoreBeforeExpiry {
		faults.add("restore", "is %d, which is not defined", o.Restore)
	}
	if o.Below > BlockReturn {
		faults.add("below_minimum", "is %d, which is not defined", o.Below)
	}
	if o.Rounding > ledger.Down {
		faults.add("rounding", "is %d, which is not defined", o.Rounding)
	}
	return faults.orNil()
}

func (f *Faults) funding(shares []Share) {
	if len(shares) > maxShares {
		f.add("funding", "has %d shares, at most %d are allowed", len(shares), maxShares)
		return
	}
	sum := decimal.Zero
	for i, share := range shares {
		path := fmt.Sprintf("funding[%d]", i)
		f.id(path+".payer", share.Payer, false)
		checkRate(path+".percent", share.Rate, f)
		sum = sum.Add(share.Rate.Percent())
		if slices.ContainsFunc(shares[:i], func(s Share) bool { return s.Payer == share.Payer }) {
			f.add(path+".payer", "%q has a share already", share.Payer)
		}
	}
	if len(shares) > 0 && !sum.Equal(decimal.NewFromInt(100)) {
		f.add("funding", "sums to %s%%, want 100%%", sum)
	}
}

func (f *Faults) labels(path string, labels []string) {
	if len(labels) > 20 {
		f.add(path, "has %d labels, at most 20 are allowed", len(labels))
	}
	for i, label := range labels {
		if !offerID.MatchString(label) {
			f.add(fmt.Sprintf("%s[%d]", path, i), "is %.80q, want %s", label, offerID)
		}
	}
}

func (s *Scope) check(faults *Faults) {
	s.In.check("scope.in", faults)
	s.Out.check("scope.out", faults)
	if s.SaleItems > SaleItemsOnly {
		faults.add("scope.sale_items", "is %d, which is not defined", s.SaleItems)
	}
	s.UnitPrice.check("scope.unit_price", faults)
}

func (l *Lists) check(path string, faults *Faults) {
	for _, list := range []struct {
		name    string
		entries []string
	}{{"products", l.Products}, {"categories", l.Categories}, {"sellers", l.Sellers}, {"tags", l.Tags}} {
		if len(list.entries) > maxListed {
			faults.add(path+"."+list.name, "has %d entries, at most %d are allowed: use a tag", len(list.entries), maxListed)
			continue
		}
		for i, entry := range list.entries {
			if entry == "" || len(entry) > MaxKey || !printable(entry) {
				faults.id(fmt.Sprintf("%s.%s[%d]", path, list.name, i), entry, false)
			}
		}
	}
}

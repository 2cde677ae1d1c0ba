package coupon

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Version is one published version of an offer, made ready for matching. It is
// immutable and safe for concurrent use.
type Version struct {
	offer Offer
	zone  *time.Location
	in    sets
	out   sets
}

// sets are Lists for looking up; a nil set means that nothing is named.
type sets struct {
	products, categories, sellers, tags set
}

type set map[string]struct{}

// NewVersion checks an offer and makes it ready for matching. It keeps no
// reference to the offer's lists. It fails as [Offer.Validate] does.
func NewVersion(o Offer) (*Version, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	zone, err := loadZone(o.Schedule.Zone)
	if err != nil {
		return nil, err
	}
	o = o.clone()
	return &Version{offer: o, zone: zone, in: newSets(o.Scope.In), out: newSets(o.Scope.Out)}, nil
}

// clone shares no list with the offer.
func (o *Offer) clone() Offer {
	c := *o
	c.Labels, c.Combine.With = slices.Clone(o.Labels), slices.Clone(o.Combine.With)
	c.Scope.In, c.Scope.Out = o.Scope.In.clone(), o.Scope.Out.clone()
	c.Limits, c.Schedule.Blackouts = slices.Clone(o.Limits), slices.Clone(o.Schedule.Blackouts)
	switch b := o.Benefit.(type) {
	case PercentOff:
		c.Benefit = PercentOff{b.Rate, slices.Clone(b.Max)}
	case AmountOff:
		c.Benefit = AmountOff{slices.Clone(b.Amounts)}
	}
	c.Conditions = slices.Clone(o.Conditions)
	for i, condition := range c.Conditions {
		switch condition := condition.(type) {
		case MinimumSpend:
			c.Conditions[i] = MinimumSpend{slices.Clone(condition.Amounts)}
		case InSegment:
			c.Conditions[i] = InSegment{slices.Clone(condition.Any)}
		}
	}
	return c
}

func (l Lists) clone() Lists {
	return Lists{slices.Clone(l.Products), slices.Clone(l.Categories), slices.Clone(l.Sellers), slices.Clone(l.Tags)}
}

// Offer gives the offer as it was published. Its lists must not be changed.
func (v *Version) Offer() Offer { return v.offer }

func newSets(l Lists) sets {
	return sets{newSet(l.Products), newSet(l.Categories), newSet(l.Sellers), newSet(l.Tags)}
}

func newSet(entries []string) set {
	if len(entries) == 0 {
		return nil
	}
	s := make(set, len(entries))
	for _, e := range entries {
		s[e] = struct{}{}
	}
	return s
}

func (s set) has(entry string) bool {
	_, found := s[entry]
	return found
}

func (s set) hasAny(entries []string) bool {
	return s != nil && slices.ContainsFunc(entries, s.has)
}

// covers says that the scope counts the line.
func (v *Version) covers(l *Line) bool {
	switch {
	case v.in.products != nil && !v.in.products.has(l.Product),
		v.in.sellers != nil && !v.in.sellers.has(l.Seller),
		v.in.categories != nil && !v.in.categories.hasAny(l.Categories),
		v.in.tags != nil && !v.in.tags.hasAny(l.Tags):
		return false
	case v.out.products.has(l.Product), v.out.sellers.has(l.Seller),
		v.out.categories.hasAny(l.Categories), v.out.tags.hasAny(l.Tags):
		return false
	}
	switch v.offer.Scope.SaleItems {
	case SaleItemsOut:
		return !l.OnSale
	case SaleItemsOnly:
		return l.OnSale
	}
	return true
}

// refuseTime is nil when the offer, and the coupon if there is one, can be used at
// the instant.
func (v *Version) refuseTime(c *Coupon, at time.Time) *Refusal {
	from, until := v.offer.Schedule.From, v.offer.Schedule.Until
	if c != nil && !c.Expires.IsZero() { // fixed at issue: the version's own end and the life, whichever is first
		until = c.Expires
	}
	switch {
	case at.Before(from):
		return &Refusal{Reason: ReasonNotYet, At: from}
	case !until.IsZero() && !at.Before(until):
		return &Refusal{Reason: ReasonExpired, At: until}
	}
	for _, b := range v.offer.Schedule.Blackouts {
		if b.Contains(at) {
			return &Refusal{Reason: ReasonBlackout, Blackout: b.Name, At: b.Until}
		}
	}
	return nil
}

// local gives an instant as clocks in the offer's zone show it; the zero time
// stays.
func (v *Version) local(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.In(v.zone)
}

// expires is when a coupon issued at the instant stops being usable; the zero time
// when never.
func (v *Version) expires(issued time.Time) time.Time {
	until := v.offer.Schedule.Until
	if life := v.offer.Schedule.Life; life > 0 {
		if end := issued.Add(life); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	return until
}

// claims are the limited counters that one use at the instant takes from, in the
// order of the offer's limits. False when the offer must tell customers apart and
// the cart names none. Uses of a coupon that somebody holds are counted in the
// coupon itself.
func (v *Version) claims(customer string, c *Coupon, at time.Time) ([]ledger.Claim, bool) {
	var claims []ledger.Claim
	for _, l := range v.offer.Limits {
		name := "uses/" + v.offer.ID
		label, end := l.Period.At(at, v.zone)
		if label != "" {
			name += "/" + label
		}
		switch l.Per {
		case PerCustomer:
			if customer == "" {
				return nil, false
			}
			name += "/customer/" + customer
		case PerCoupon:
			if c == nil || c.Holder != "" {
				continue
			}
			name += "/coupon/" + c.ID
		}
		claim := ledger.Claim{Counter: name, N: 1, Max: l.Uses}
		if !end.IsZero() {
			claim.Until = end.Add(counterLife).UnixMicro()
		}
		claims = append(claims, claim)
	}
	return claims, true
}

// counterLife is how long the counter of a period is kept after it, so that what
// was redeemed near its end can still be given back to it.
const counterLife = 400 * 24 * time.Hour

// uses is how often a coupon that a customer holds can be used.
func (v *Version) uses() int {
	for _, l := range v.offer.Limits {
		if l.Per == PerCoupon {
			return int(min(l.Uses, math.MaxInt32))
		}
	}
	return 1
}

// claimOffer is the offer that a counter named by claims belongs to.
func claimOffer(counter string) string {
	offer, _, _ := strings.Cut(strings.TrimPrefix(counter, "uses/"), "/")
	return offer
}

// claimLimit is the limit that a counter named by claims stands for: whose uses it
// counts, and in which period. The labels of periods differ in length.
func claimLimit(counter string) (LimitPer, ledger.Period) {
	_, rest, _ := strings.Cut(strings.TrimPrefix(counter, "uses/"), "/")
	head, rest, _ := strings.Cut(rest, "/")
	period := ledger.Lifetime
	if head != "" && head[0] >= '0' && head[0] <= '9' {
		period = map[int]ledger.Period{10: ledger.Day, 8: ledger.Week, 7: ledger.Month, 4: ledger.Year}[len(head)]
		head, _, _ = strings.Cut(rest, "/")
	}
	switch head {
	case "customer":
		return PerCustomer, period
	case "coupon":
		return PerCoupon, period
	}
	return PerOffer, period
}

// limitReached is the refusal of a claim that its counter has no room for.
func limitReached(claim ledger.Claim, used int64) *Refusal {
	per, period := claimLimit(claim.Counter)
	return &Refusal{Reason: ReasonLimit, Limit: per, Period: period, FoundUses: used, NeededUses: claim.Max}
}

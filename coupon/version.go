package coupon

import (
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Version is one published version of an offer, made ready for matching. It is
// immutable and safe for concurrent use.
type Version struct {
	offer      Offer
	zone       *time.Location
	bounds     Interval // of the schedule
	in         sets
	out        sets
	anchor     nameKind // the list of In that names fewest, of those of up to maxFew names
	anchored   bool     // there is one: every line that counts has one of its names
	stage      stage
	turn       int     // when it is worked out: by stage, then the higher priority first
	bound      bool    // whether it applies may depend on others
	single     bool    // one list names the lines that count, and nothing else is asked of them
	hashed     hashed  // the long lists of its benefit and its conditions
	after      bool    // a condition is tested after the offers worked out before
	always     bool    // it can be used at any instant
	minimum    Amounts // of its only condition, where that is a minimum spend of the lines it counts before any offer
	predicates map[predicateName]*RegisteredPredicate
}

// NewVersion checks an offer and makes it ready for matching. It keeps no
// reference to the offer's lists. It fails as [Offer.Validate] does, also when a
// condition names a predicate that is not among those given.
func NewVersion(o Offer, predicates ...RegisteredPredicate) (*Version, error) {
	return newVersion(o, predicatesByName(predicates))
}

func newVersion(o Offer, predicates map[predicateName]*RegisteredPredicate) (*Version, error) {
	if err := o.validate(predicates); err != nil {
		return nil, err
	}
	zone, err := loadZone(o.Schedule.Zone)
	if err != nil {
		return nil, err
	}
	o = o.clone()
	v := &Version{
		offer: o, zone: zone, bounds: o.Schedule.bounds(zone), in: newSets(o.Scope.In), out: newSets(o.Scope.Out),
		hashed: make(hashed), after: testsAfter(o.Conditions), predicates: predicates,
	}
	v.anchor, v.anchored = v.in.shortest()
	v.stage = o.Benefit.stage()
	v.turn = int(v.stage)<<16 - o.Priority
	v.bound = !o.Combine.Freely || o.Group.Name != "" || len(o.Limits) > 0
	v.single = v.in.lists() == 1 && v.out.lists() == 0 && o.Scope.SaleItems == SaleItemsToo && !o.Scope.UnitPrice.given()
	v.always = v.bounds == (Interval{}) && len(o.Schedule.Blackouts) == 0 && len(o.Schedule.Weekly) == 0
	if len(o.Conditions) == 1 {
		if m, ok := o.Conditions[0].(MinimumSpend); ok && m.own() && !m.After {
			v.minimum = m.Amounts
		}
	}
	v.hashed.benefit(o.Benefit)
	v.hashed.conditions(o.Conditions)
	return v, nil
}

// plain says that all an automatic offer asks of a cart are one list of names and perhaps
// a minimum spend, and that it neither depends on others nor cuts lines.
func (v *Version) plain() bool {
	if v.bound || !v.always || !v.single || v.minimum == nil && len(v.offer.Conditions) > 0 {
		return false
	}
	switch b := v.offer.Benefit.(type) {
	case PercentOff:
		return b.Units.Max == 0
	case AmountOffEach:
		return b.Units.Max == 0
	case AmountOff:
		return true
	}
	return false
}

// testsAfter says that a condition anywhere in the tree is tested after other
// offers.
func testsAfter(all []Condition) bool {
	return slices.ContainsFunc(all, func(c Condition) bool {
		switch c := c.(type) {
		case MinimumSpend:
			return c.After
		case All:
			return testsAfter(c)
		case Any:
			return testsAfter(c)
		case Not:
			return testsAfter([]Condition{c.Condition})
		}
		return false
	})
}

func predicatesByName(registered []RegisteredPredicate) map[predicateName]*RegisteredPredicate {
	byName := make(map[predicateName]*RegisteredPredicate, len(registered))
	for i := range registered {
		byName[predicateName{registered[i].Name, registered[i].Version}] = &registered[i]
	}
	return byName
}

// in says that the offer says in a currency what it gives, and which lines count.
func (o *Offer) in(c ledger.Currency) bool { return o.Benefit.in(c) && o.Scope.UnitPrice.in(c) }

// clone shares no list with the offer.
func (o *Offer) clone() Offer {
	c := *o
	c.Labels, c.Combine.With = slices.Clone(o.Labels), slices.Clone(o.Combine.With)
	c.Scope.In, c.Scope.Out, c.Scope.UnitPrice = o.Scope.In.clone(), o.Scope.Out.clone(), o.Scope.UnitPrice.clone()
	c.Schedule.Blackouts, c.Schedule.Weekly = slices.Clone(o.Schedule.Blackouts), slices.Clone(o.Schedule.Weekly)
	for i, w := range c.Schedule.Weekly {
		c.Schedule.Weekly[i].Days = slices.Clone(w.Days)
	}
	c.Limits, c.Funding = slices.Clone(o.Limits), slices.Clone(o.Funding)
	for i, l := range c.Limits {
		c.Limits[i].Money = slices.Clone(l.Money)
	}
	c.Benefit = o.Benefit.clone()
	c.Conditions = cloneConditions(o.Conditions)
	return c
}

func (l Lists) clone() Lists {
	return Lists{slices.Clone(l.Products), slices.Clone(l.Categories), slices.Clone(l.Sellers), slices.Clone(l.Tags)}
}

// Offer gives the offer as it was published. Its lists must not be changed.
func (v *Version) Offer() Offer { return v.offer }

// refuseTime is nil when the offer, and the coupon if there is one, can be used at
// the instant.
func (v *Version) refuseTime(c *Coupon, at time.Time) *Refusal {
	if v.always && c == nil {
		return nil
	}
	from, until := v.bounds.From, v.bounds.Until
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
	if weekly := v.offer.Schedule.Weekly; len(weekly) > 0 {
		local := at.In(v.zone)
		if !slices.ContainsFunc(weekly, func(w Window) bool { return w.contains(local) }) {
			return &Refusal{Reason: ReasonHours}
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
	until := v.bounds.Until
	if life := v.offer.Schedule.Life; life > 0 {
		if end := issued.Add(life); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	return until
}

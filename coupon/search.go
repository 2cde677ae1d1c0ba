package coupon

import (
	"cmp"
	"maps"
	"slices"
)

// maxWork bounds a search: looking at a candidate is 1, and working out an offer 16,
// twice that in a cart of 100 lines, and so on. Below 100 lines that is enough for
// all sets of twelve offers that all combine (12 × 2^11 offers worked out), and for
// thousands that stand alone: there the search is exact. Of 1,000 lines it is exact
// for any eight.
const maxWork = 13 << 15

// search finds the set of offers that takes most off. It goes through the sets
// that can stand together, the strongest offers first, and passes over those that
// could not beat the best so far even if every offer took off all it ever could.
// When that is more than maxWork, the best so far stays; then the quote is not
// [Quote.Optimal]. It begins with what would apply without a search, so that it is
// never worse.
//
// Of sets that take the same off, the one with more gifts wins, then the one that
// uses fewer offers, then the one found first.
func (d *decision) search() {
	s := searching{decision: d, candidates: d.standing(), work: maxWork, cost: 16 * (1 + len(d.cart.Lines)/100)}
	d.combine()
	s.keep(d.applied)
	for _, e := range s.candidates {
		e.restore()
	}
	d.group(true)
	s.order = d.ranked()
	slices.SortStableFunc(s.order, func(a, b *entry) int { return cmp.Compare(d.most(b), d.most(a)) })
	s.rest = make([]int64, len(s.order)+1)
	for i := len(s.order) - 1; i >= 0; i-- {
		s.rest[i] = s.rest[i+1] + d.most(s.order[i])
	}
	s.extend(0, nil, 0, make(takings))
	d.optimal = s.work >= 0
	d.settle(s.best, s.cost)
}

// most is the most that an entry could take off in any set. It is what it takes off
// alone, since others only lower what is left; but one that picks units may come to
// units with more room above their floors.
func (d *decision) most(e *entry) int64 {
	units := Units{}
	switch b := e.offer().Benefit.(type) {
	case PercentOff:
		units = b.Units
	case AmountOffEach:
		units = b.Units
	case FixedPrice:
		units = b.Units
	case BundlePrice, BuyGet:
		units.Max = 1
	}
	if units.Max == 0 {
		return e.alone
	}
	var room int64
	for _, i := range e.lines {
		room += d.totals[i] - d.least[i]
	}
	return room
}

type searching struct {
	*decision
	candidates []*entry
	order      []*entry
	rest       []int64 // the most that the entries from an index on could take off
	work       int     // that may still be done; below 0: some sets were passed over
	cost       int     // of working out one offer
	best       []*entry
	off        int64
	gifts      int
}

// extend tries the sets that add entries from an index on to a set, which could
// take off most at most.
func (s *searching) extend(from int, set []*entry, most int64, taken takings) {
	for i := from; i < len(s.order) && s.work >= 0; i++ {
		if most+s.rest[i] < s.off {
			return
		}
		s.work--
		e, claimed := s.order[i], maps.Clone(taken)
		if s.lose(e, set, claimed) != nil {
			continue
		}
		with := append(slices.Clone(set), e)
		if s.work -= s.cost * len(with); s.work < 0 {
			return
		}
		s.try(with)
		if !e.offer().alone() {
			s.extend(i+1, with, most+s.most(e), claimed)
		}
	}
}

// try prices a set, and keeps it when it is better.
func (s *searching) try(set []*entry) {
	worked := slices.Clone(set)
	slices.SortStableFunc(worked, (*entry).compareWork)
	if failed, _ := s.price(worked); failed == nil {
		s.keep(worked)
	}
	if s.work -= s.cost * s.pricing.fine / 100; s.pricing.steps > maxSteps/2 {
		s.work = -1
	}
}

// keep keeps a set that was priced just now, when it is better.
func (s *searching) keep(set []*entry) {
	var off int64
	gifts := 0
	for _, e := range set {
		off += e.amount
		if e.Version.stage == giftStage {
			gifts++
		}
	}
	if cmp.Or(cmp.Compare(off, s.off), cmp.Compare(gifts, s.gifts), cmp.Compare(len(s.best), len(set))) > 0 {
		s.best, s.off, s.gifts = set, off, gifts
	}
}

// settle applies a set, and refuses the others by what keeps them out of it.
func (d *decision) settle(set []*entry, cost int) {
	weighed := d.weigh(set, cost)
	taken := make(takings)
	for _, e := range set {
		e.rival = nil
		taken.add(e.counted())
	}
	for _, e := range d.standing() {
		if slices.Contains(set, e) {
			continue
		}
		e.rival = nil
		refused := d.lose(e, set, maps.Clone(taken))
		switch {
		case refused == nil && e.vain():
			refused = &Refusal{Reason: ReasonNothingOff}
		case refused == nil:
			refused = &Refusal{Reason: ReasonNotBetter}
		}
		if refused.Reason != ReasonLimit && refused.Reason != ReasonNothingOff {
			weighed.against(e, refused)
		}
		e.Refused = d.concern(e, refused)
	}
	d.applied = set
	d.price(set)
}

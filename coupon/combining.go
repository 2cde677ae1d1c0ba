package coupon

import (
	"cmp"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// group leaves one offer of each group: the best, or the first. Searching for the
// best set finds out itself which is the best of a group.
func (d *decision) group(searching bool) {
	if !slices.ContainsFunc(d.entries, func(e *entry) bool { return e.Version != nil && e.offer().Group.Name != "" }) {
		return
	}
	winners := make(map[string]*entry)
	grouped := func(e *entry) bool {
		group := &e.offer().Group
		return group.Name != "" && (group.First || !searching)
	}
	for _, e := range d.standing() {
		if won := winners[e.offer().Group.Name]; grouped(e) && (won == nil || e.leads(won)) {
			winners[e.offer().Group.Name] = e
		}
	}
	for _, e := range d.standing() {
		if won := winners[e.offer().Group.Name]; grouped(e) && won != e {
			e.lost, e.Refused = true, d.concern(e, e.beaten(won, ReasonGroup))
		}
	}
}

// leads says that of its group it counts rather than the other.
func (e *entry) leads(other *entry) bool {
	if e.offer().Group.First {
		return cmp.Or(cmp.Compare(other.offer().Priority, e.offer().Priority), e.compareID(other)) < 0
	}
	return cmp.Or(cmp.Compare(other.alone, e.alone), e.compareID(other)) < 0
}

// standing are the entries that are not refused.
func (d *decision) standing() []*entry {
	var open []*entry
	for _, e := range d.entries {
		if e.Refused == nil {
			open = append(open, e)
		}
	}
	return open
}

// combine takes the candidates that can stand beside each other, the strongest
// first, and works out what each takes off. One that is refused with those before
// it gives its place to those it kept out: so it begins again without it, as long as
// that is no more work than maxRounds.
func (d *decision) combine() {
	if d.free {
		d.applied = d.workOut(d.inTurn())
		return
	}
	d.group(false)
	d.applied = d.pick()
	for {
		failed, refused := d.price(d.applied)
		if failed == nil {
			return
		}
		failed.Refused = d.concern(failed, refused)
		if d.rounds > maxRounds || !d.restoreLost() {
			d.applied = d.workOut(slices.DeleteFunc(d.applied, func(e *entry) bool { return e == failed }))
			return
		}
		d.group(false)
		d.applied = d.pick()
	}
}

// maxRounds bounds how often the candidates are combined anew: two that are compared,
// or one that is worked out, are 1.
const maxRounds = 1 << 24

// restoreLost takes back what entries lost, and says whether any did.
func (d *decision) restoreLost() (any bool) {
	for _, e := range d.entries {
		if e.lost {
			e.restore()
			any = true
		}
	}
	return any
}

// workOut works out a set of offers, and gives those that apply: one that does not gives
// back what it took. It may have taken something from parts of its own, or used units, in
// vain: then the others are worked out anew, without it.
func (d *decision) workOut(set []*entry) []*entry {
	var taken map[string]int64
	applied := make([]*entry, 0, len(set))
	for {
		d.pricing.reset()
		vain := false
		if slices.ContainsFunc(set, func(e *entry) bool { return len(e.claims) > 0 }) {
			taken = make(map[string]int64)
		}
		for _, e := range set {
			parts, cuts, used := len(d.pricing.parts), len(d.pricing.cuts), d.pricing.taken
			refused := d.work(e, len(applied), taken)
			if refused == nil {
				applied = append(applied, e)
				continue
			}
			e.Refused = d.concern(e, refused)
			d.pricing.clip(e, 0)
			vain = vain || d.pricing.taken > used || !d.pricing.rejoin(parts, cuts)
		}
		if !vain {
			return applied
		}
		set, applied = applied, make([]*entry, 0, len(applied))
	}
}

// inTurn are the entries that are not refused, in the order in which they are worked
// out. They stand in the order of their ids.
func (d *decision) inTurn() []*entry {
	d.turns = d.turns[:0]
	for i, e := range d.entries {
		if e.Refused == nil {
			d.turns = append(d.turns, int64(e.Version.turn)<<32|int64(i))
		}
	}
	slices.Sort(d.turns)
	d.open = slices.Grow(d.open[:0], len(d.turns))
	for _, turn := range d.turns {
		d.open = append(d.open, d.entries[turn&(1<<32-1)])
	}
	return d.open
}

// restore takes back that an entry lost.
func (e *entry) restore() { e.Refused, e.rival, e.lost = nil, nil, false }

// ranked are the entries not refused, the strongest first.
func (d *decision) ranked() []*entry {
	order := d.standing()
	slices.SortStableFunc(order, func(a, b *entry) int {
		return cmp.Or(
			cmp.Compare(b.priority(), a.priority()),
			cmp.Compare(a.automatic(), b.automatic()),
			cmp.Compare(b.alone, a.alone),
			a.compareID(b))
	})
	return order
}

func (e *entry) automatic() int {
	if e.Coupon == nil && e.Version.offer.Automatic {
		return 1
	}
	return 0
}

func (d *decision) pick() []*entry {
	var applied []*entry
	taken := make(takings)
	for _, e := range d.ranked() {
		if refused := d.lose(e, applied, taken); refused != nil {
			e.lost, e.Refused = true, d.concern(e, refused)
			continue
		}
		applied = append(applied, e)
	}
	slices.SortStableFunc(applied, (*entry).compareWork)
	return applied
}

// lose says why an entry can't stand beside those applied; otherwise it counts what
// it takes from limits of uses.
func (d *decision) lose(e *entry, applied []*entry, taken takings) *Refusal {
	d.rounds += len(applied)
	if rival := slices.IndexFunc(applied, e.clashes); rival >= 0 {
		return e.beaten(applied[rival], ReasonCombination)
	}
	if rival := slices.IndexFunc(applied, e.groupedWith); rival >= 0 {
		return e.beaten(applied[rival], ReasonGroup)
	}
	if refused := d.full(e.counted(), taken); refused != nil {
		return refused
	}
	taken.add(e.counted())
	return nil
}

// compareWork is the order in which entries are worked out.
func (e *entry) compareWork(other *entry) int {
	return cmp.Or(
		cmp.Compare(e.Version.turn, other.Version.turn),
		e.compareID(other))
}

// clashes says that one of the two does not consent to the other.
func (e *entry) clashes(other *entry) bool {
	return !e.Version.offer.consents(&other.Version.offer) || !other.Version.offer.consents(&e.Version.offer)
}

// groupedWith says that of the two only one counts.
func (e *entry) groupedWith(other *entry) bool {
	return e.offer().Group.Name != "" && e.offer().Group.Name == other.offer().Group.Name
}

// vain says that an entry takes nothing off alone: it loses nothing to a rival.
func (e *entry) vain() bool { return e.alone == 0 && e.Version.stage != giftStage }

// beaten is the refusal of an entry because of a rival.
func (e *entry) beaten(rival *entry, reason Reason) *Refusal {
	if e.vain() {
		return &Refusal{Reason: ReasonNothingOff}
	}
	e.rival = rival
	return &Refusal{Reason: reason, Rival: rival.offerID(), RivalName: rival.offer().Name}
}

// price works out the amounts of a set of offers, each on what those before it
// left. It gives the first that does not apply with those before it, and why.
func (d *decision) price(set []*entry) (failed *entry, refused *Refusal) {
	d.pricing.reset()
	var taken map[string]int64
	if slices.ContainsFunc(set, func(e *entry) bool { return len(e.claims) > 0 }) {
		taken = make(map[string]int64)
	}
	for i, e := range set {
		if refused := d.work(e, i, taken); refused != nil {
			return e, refused
		}
	}
	return nil, nil
}

// work works out one offer on what those before it left, as the one of an index
// among those applied. What it takes from limits of money is added to taken.
func (d *decision) work(e *entry, index int, taken map[string]int64) *Refusal {
	p := &d.pricing
	d.rounds++
	if p.applied, p.short = index, nil; p.tooFine() {
		return &Refusal{Reason: ReasonNothingOff}
	}
	if index > 0 && e.Version.after {
		if refused := d.judgeConditions(e, true); refused != nil {
			return refused
		}
	}
	e.amount = e.Version.offer.Benefit.apply(p, e)
	if refused := d.spend(e, taken); refused != nil {
		return refused
	}
	for _, claim := range e.counted() {
		if claim.limit.Uses == 0 {
			taken[claim.Counter] += e.amount
		}
	}
	switch {
	case e.amount > 0 || e.Version.stage == giftStage:
		return nil
	case p.short != nil:
		return p.short
	}
	return &Refusal{Reason: ReasonNothingOff}
}

// spend holds an entry's amount against its limits of money. Those that clip come first,
// for what they lower others may let through, and lower it once, to the least that any
// has left: lowered step by step, other coins would go. What was quoted is not clipped
// anew, but claimed as it is: whether it is still there, the counter decides.
func (d *decision) spend(e *entry, taken map[string]int64) *Refusal {
	least := e.amount
	e.clipped = 0
	for _, clips := range []bool{true, false} {
		for i, claim := range e.claims {
			if claim.limit.Uses > 0 || (claim.limit.When == ClipSpent) != clips {
				continue
			}
			used := d.facts.Used[claim.Counter] + taken[claim.Counter]
			if e.override != nil {
				used = 0
			}
			left := claim.Max - used
			if clips && e.quoted != nil {
				left = min(left, e.quoted.Found.Minor())
			}
			if left <= 0 || claim.limit.When == RefuseSpent && e.amount > left {
				d.limited = true
				refused := limitReached(claim.Claim, used)
				refused.Found, refused.Needed = ledger.Minor(max(left, 0), d.cart.Currency), ledger.Minor(e.amount, d.cart.Currency)
				return refused
			}
			if clips && left < least {
				least, e.clipped = left, int32(i)+1
			}
		}
		if least < e.amount {
			d.limited = true
			d.pricing.clip(e, least)
			e.amount = least
		}
	}
	return nil
}

// off is what the entry takes off: alone, when it is not among those applied.
func (e *entry) off(applied []*entry) int64 {
	if slices.Contains(applied, e) {
		return e.amount
	}
	return e.alone
}

package referral

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/vouch-go/vouch/storage"
)

// tallyBody is how many friends of a referrer count, and which milestones they have
// reached. It is kept for programs with tiers or milestones: there what one friend
// brings depends on the others, and is decided once.
type tallyBody struct {
	Program    string                   `json:"program"`
	Referrer   string                   `json:"referrer"`
	Counting   int64                    `json:"counting"`  // held or confirmed
	Confirmed  int64                    `json:"confirmed"` // of those
	Milestones map[string]milestoneBody `json:"milestones"`
}

// milestoneBody is what was made of one milestone.
type milestoneBody struct {
	Made int64   `json:"made"` // so far; it numbers their rewards
	Live []int64 `json:"live"` // the numbers of those that stand, as first and last of each row
	// Moved are the rewards of another account that was merged into this one, which stand.
	Moved []string `json:"moved,omitempty"`
}

const kindTally = "tally"

var tallies = storage.NewCodec[tallyBody](1)

func tallyKey(program, referrer string) storage.Key {
	return storage.Key{Kind: kindTally, ID: program + "/" + referrer}
}

// counts says that the terms need a tally.
func (p *Program) counts() bool { return p.tiered() || len(p.Milestones) > 0 }

// readTally gives the referrer's tally; nil where the terms need none.
func (w *work) readTally(ctx context.Context) (*tallyBody, error) {
	if !w.terms.counts() {
		return nil, nil
	}
	if w.tally == nil {
		b := &w.referral.Value
		t, err := one(ctx, w.snapshot, tallies, tallyKey(b.Program, w.earner))
		if err != nil {
			return nil, err
		}
		t.Value.Program, t.Value.Referrer = b.Program, w.earner
		if err := w.takeOver(ctx, &t.Value); err != nil {
			return nil, err
		}
		w.tally = &t
	}
	return &w.tally.Value, nil
}

// takeOver adds what a merge has still to move of the referrer's tally to that of what their
// account became: this friend may be in it already.
func (w *work) takeOver(ctx context.Context, t *tallyBody) error {
	b := &w.referral.Value
	for customer := b.Referrer; customer != w.earner && customer != ""; {
		old, err := one(ctx, w.snapshot, tallies, tallyKey(b.Program, customer))
		if err != nil {
			return err
		}
		if !old.Value.empty() {
			t.merge(&old.Value)
			w.emptied = append(w.emptied, old)
		}
		subject, err := one(ctx, w.snapshot, subjects, subjectKey(customer))
		if err != nil {
			return err
		}
		customer = subject.Value.Merged
	}
	return nil
}

func (t *tallyBody) empty() bool {
	return t.Counting == 0 && t.Confirmed == 0 && len(t.Milestones) == 0
}

// count changes how many friends of the referrer count and are confirmed, and numbers
// a friend who begins to count.
func (w *work) count(ctx context.Context, counting, confirmed int64) error {
	if counting == 0 && confirmed == 0 || w.referral.Value.Uncounted {
		return nil
	}
	t, err := w.readTally(ctx)
	if err != nil || t == nil {
		return err
	}
	t.Counting += counting
	t.Confirmed += confirmed
	if counting > 0 {
		w.referral.Value.Number = t.Counting
	}
	return nil
}

// counts says how much of the referrer's tally the referral is: held or confirmed, and
// confirmed.
func (b *referralBody) counts() (counting, confirmed int64) {
	switch {
	case b.Uncounted:
	case b.State == StateConfirmed:
		return 1, 1
	case b.State == StateHeld, b.State == StateReview && b.Before == StateHeld:
		return 1, 0
	}
	return 0, 0
}

// leaveTally has a friend for whom the referrer is denied not count for tiers and
// milestones, whether the friend counted before or would have.
func (w *work) leaveTally(ctx context.Context) error {
	b := &w.referral.Value
	if b.Uncounted || b.State.final() || !w.terms.counts() {
		return nil
	}
	counting, confirmed := b.counts()
	if err := w.count(ctx, -counting, -confirmed); err != nil {
		return err
	}
	b.Uncounted = true
	if confirmed == 0 {
		return nil
	}
	return w.loseMilestones(ctx)
}

// key names a milestone in the tally, whatever its place in the terms.
func (m *Milestone) key() string {
	if m.Repeat {
		return fmt.Sprintf("every-%d", m.Friends)
	}
	return fmt.Sprintf("at-%d", m.Friends)
}

// reached is how often so many friends reach the milestone.
func (m *Milestone) reached(friends int64) int64 {
	if m.Repeat {
		return friends / m.Friends
	}
	return min(1, friends/m.Friends)
}

func (m *milestoneBody) live() int64 {
	n := int64(len(m.Moved))
	for i := 0; i < len(m.Live); i += 2 {
		n += m.Live[i+1] - m.Live[i] + 1
	}
	return n
}

// push adds the next number to those that stand.
func (m *milestoneBody) push() int64 {
	m.Made++
	if last := len(m.Live) - 1; last > 0 && m.Live[last] == m.Made-1 {
		m.Live[last]++
	} else {
		m.Live = append(m.Live, m.Made, m.Made)
	}
	return m.Made
}

// pop takes the latest reward off those that stand, and gives its id.
func (m *milestoneBody) pop(t *tallyBody, key string) string {
	last := len(m.Live) - 1
	if last < 0 {
		last = len(m.Moved) - 1
		id := m.Moved[last]
		m.Moved = slices.Clip(m.Moved[:last])
		return id
	}
	n := m.Live[last]
	if m.Live[last]--; m.Live[last] < m.Live[last-1] {
		m.Live = m.Live[:last-1]
	}
	return milestoneID(t.Program, t.Referrer, key, n)
}

// merge takes over what another account has, whose person this one is too.
func (t *tallyBody) merge(from *tallyBody) {
	t.Counting, t.Confirmed = t.Counting+from.Counting, t.Confirmed+from.Confirmed
	for key, old := range from.Milestones {
		made := t.Milestones[key]
		made.Moved = slices.Clone(made.Moved)
		for made.Moved = append(made.Moved, old.Moved...); len(old.Live) > 0; {
			made.Moved = append(made.Moved, old.pop(from, key))
		}
		t.put(key, made)
	}
	from.Counting, from.Confirmed, from.Milestones = 0, 0, nil
}

func milestoneID(program, referrer, key string, n int64) string {
	return fmt.Sprintf("%s/%s/milestone/%s/%d", program, referrer, key, n)
}

// reachMilestones makes the rewards of milestones that the referrer reaches with this
// friend, one of each at most.
func (w *work) reachMilestones(ctx context.Context) error {
	t, err := w.readTally(ctx)
	if err != nil || t == nil {
		return err
	}
	b := &w.referral.Value
	if b.Uncounted {
		return nil
	}
	for i := range w.terms.Milestones {
		m := &w.terms.Milestones[i]
		made := t.Milestones[m.key()]
		if m.reached(t.Confirmed) <= made.live() {
			continue
		}
		id := milestoneID(b.Program, t.Referrer, m.key(), made.push())
		t.put(m.key(), made)
		b.Made = append(slices.Clip(b.Made), id)
		reward := w.newReward(id, Referrer, Milestones, &m.Earning, w.now)
		reward.Value.DueBy = b.DueBy
		w.decide("milestone", fmt.Sprintf("%d friends are confirmed", t.Confirmed), id)
		if err := w.claim(ctx, reward, w.now); err != nil {
			return err
		}
		if reward.Value.State == RewardPending {
			if err := w.grant(ctx, reward); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseMilestones takes back the latest reward of each milestone that is no longer
// reached without this friend, whichever friend it was made with.
func (w *work) loseMilestones(ctx context.Context) error {
	t, err := w.readTally(ctx)
	if err != nil || t == nil {
		return err
	}
	for i := range w.terms.Milestones {
		m := &w.terms.Milestones[i]
		made := t.Milestones[m.key()]
		if made.live() <= m.reached(t.Confirmed) {
			continue
		}
		id := made.pop(t, m.key())
		t.put(m.key(), made)
		r, err := w.readReward(ctx, id)
		if err != nil {
			return err
		}
		const why = "the friends confirmed are too few without one whose payment was taken back"
		switch {
		case r == nil:
		case r.Value.State == RewardPending:
			w.cancelOne(r, why)
		case r.Value.State == RewardGranted, r.Value.State == RewardExpired:
			if err := w.clawBackOne(ctx, r, why); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tallyBody) put(key string, m milestoneBody) {
	t.Milestones = maps.Clone(t.Milestones)
	if t.Milestones == nil {
		t.Milestones = make(map[string]milestoneBody)
	}
	t.Milestones[key] = m
}

// putTallies writes the tally and the debts that were read, where they matter.
func (w *work) putTallies(own *storage.Batch) error {
	if w.tally != nil {
		put, err := tallies.Put(*w.tally, 0)
		if err != nil {
			return err
		}
		own.Puts = append(own.Puts, put)
	}
	for _, r := range w.emptied {
		put, err := tallies.Put(r, 0)
		if err != nil {
			return err
		}
		own.Puts = append(own.Puts, put)
	}
	for _, customer := range slices.Sorted(maps.Keys(w.debts)) {
		d := w.debts[customer]
		if !d.changed { // what is granted without setting off must not overlook a debt
			own.Checks = append(own.Checks, storage.Check{Key: d.Key, Version: d.Version})
			continue
		}
		put, err := debts.Put(d.Record, 0)
		if err != nil {
			return err
		}
		own.Puts = append(own.Puts, put)
	}
	return nil
}

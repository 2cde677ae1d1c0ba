package referral_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// told is something the shop tells at an instant of its own.
type told struct {
	payment *referral.Payment
	back    *referral.Return
	at      time.Time
}

func (s *shop) tell(f told) {
	s.t.Helper()
	var err error
	if f.payment != nil {
		_, err = s.OrderPaid(ctx, *f.payment, f.at)
	} else {
		_, err = s.OrderReturned(ctx, *f.back, f.at)
	}
	require.NoError(s.t, err)
}

// history draws what happens to mia: up to three payments, the first first, and for
// each what comes back of it.
func history(t *rapid.T) (payments, backs []told) {
	minute := 0
	next := func() time.Time {
		minute += rapid.IntRange(0, 20).Draw(t, "minutes")
		return noon.Add(time.Duration(minute) * time.Minute)
	}
	for _, order := range []string{"a", "b", "c", "d"}[:rapid.IntRange(0, 4).Draw(t, "orders")] {
		p := paid("mia", order, rapid.SampledFrom([]string{"0.00", "4.00", "15.00"}).Draw(t, "amount"))
		payments = append(payments, told{payment: &p, at: next()})
		for _, id := range []string{"1", "2"}[:rapid.IntRange(0, 2).Draw(t, "returns")] {
			r := back("mia", order, id, rapid.SampledFrom([]string{"1.00", "6.00"}).Draw(t, "back"))
			r.Everything = rapid.IntRange(0, 4).Draw(t, "everything") == 0
			backs = append(backs, told{back: &r, at: next()})
		}
	}
	return payments, backs
}

// result is what became of mia's referral and of what it brings: without what was
// promised in between, where nothing came of it.
type result struct {
	state                  referral.State
	order                  string
	paid, holdUntil, dueBy time.Time
	reward                 referral.RewardState
	used                   int64
	coupons                int
}

func (s *shop) result() result {
	r, reward := s.referral("mia"), s.brings("mia")
	all := result{r.State, r.Order, r.Paid, r.HoldUntil, r.DueBy, reward.State, s.used("jane", noon), s.wallet("jane")}
	if r.State == referral.StateVoided {
		all.holdUntil, all.dueBy, all.reward = time.Time{}, time.Time{}, ""
	}
	return all
}

func tellAll(t *rapid.T, p referral.Program, facts []told) result {
	store := memory.New()
	s := openShop(t, store, referral.Options{}, p)
	s.bind("jane", "mia", noon)
	for _, f := range facts {
		s.tell(f)
	}
	s.settle(noon.Add(50 * day))
	requireAudit(t, store)
	return s.result()
}

// Returns may be told before, between and after payments, and everything twice: what
// comes of it is the same.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := changed(held(1), func(p *referral.Program) { p.Hold = 2 * time.Hour })
		if rapid.Bool().Draw(t, "minimum") {
			p.Qualify.MinimumSpend = append(p.Qualify.MinimumSpend, eur("10.00"))
		}
		payments, backs := history(t)
		inOrder := slices.SortedStableFunc(slices.Values(slices.Concat(payments, backs)), func(a, b told) int { return a.at.Compare(b.at) })
		want := tellAll(t, p, inOrder)

		arrival := slices.Clone(payments)
		for _, b := range slices.Concat(backs, backs, payments) { // the payments again, anywhere after they were told
			at := rapid.IntRange(0, len(arrival)).Draw(t, "place")
			if b.payment != nil {
				at = len(arrival)
			}
			arrival = slices.Insert(arrival, at, b)
		}
		require.Equal(t, want, tellAll(t, p, arrival))
	})
}

// Whatever comes back on top, wherever it is told: never more reward.
func TestMoreReturnsNeverMoreReward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := held(1)
		p.Hold = time.Duration(rapid.IntRange(0, 1).Draw(t, "hold")) * time.Hour
		switch rapid.IntRange(0, 2).Draw(t, "several") {
		case 0:
			p.Qualify.Nth = 2
		case 1:
			p.Qualify.Cumulative, p.Qualify.MinimumSpend = true, append(p.Qualify.MinimumSpend, eur("18.00"))
		}
		payments, backs := history(t)
		facts := slices.SortedStableFunc(slices.Values(slices.Concat(payments, backs)), func(a, b told) int { return a.at.Compare(b.at) })
		before := tellAll(t, p, facts)
		more := back("mia", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "order"), "more", rapid.SampledFrom([]string{"0.01", "50.00"}).Draw(t, "amount"))
		at := rapid.IntRange(0, len(facts)).Draw(t, "place")
		after := tellAll(t, p, slices.Insert(slices.Clone(facts), at, told{back: &more, at: noon.Add(time.Hour)}))
		require.LessOrEqual(t, after.coupons, before.coupons)
		require.LessOrEqual(t, after.used, before.used)
	})
}

// Nothing is granted before its time, and what ended stays ended, whatever follows.
func TestEndsAreFinalAndNothingIsEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		p := changed(held(1), func(p *referral.Program) { p.Qualify.Within = 90 * time.Minute })
		s := openShop(t, store, referral.Options{}, p)
		s.bind("jane", "mia", noon)
		var ended referral.Referral
		payments, backs := history(t)
		for _, f := range rapid.Permutation(slices.Concat(payments, backs, payments)).Draw(t, "arrival") {
			s.tell(f)
			s.settle(noon.Add(time.Duration(rapid.IntRange(0, 150).Draw(t, "settled")) * time.Minute))
			r, reward := s.referral("mia"), s.brings("mia")
			if reward.State == referral.RewardGranted {
				require.False(t, reward.Granted.Before(r.HoldUntil))
				require.Equal(t, referral.StateConfirmed, r.State)
			}
			switch ended.State {
			case referral.StateExpired, referral.StateVoided, referral.StateReversed:
				ended.Facts, ended.Decisions = r.Facts, r.Decisions // what comes to light is on record
				require.Equal(t, ended, r)
			case referral.StateConfirmed:
				require.Contains(t, []referral.State{referral.StateConfirmed, referral.StateReversed}, r.State)
			}
			ended = r
		}
		requireAudit(t, store)
	})
}

// Caps count by the calendar of the program's zone, whose days have 23 hours, 25, or no
// midnight.
func TestCapsWhereClocksChange(t *testing.T) {
	for name, c := range map[string]struct {
		zone         string
		first, again string // at one local day
		next         string // on the next
	}{
		"25 hours":    {"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z", "2026-10-25T23:00:00Z"},
		"23 hours":    {"Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z", "2026-03-29T22:00:00Z"},
		"no midnight": {"Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59.999999Z", "2026-04-24T21:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inCredit(func(p *referral.Program) {
				p.Zone, p.Hold = c.zone, 0
				p.Caps = []referral.Cap{{Friends: 1, Period: ledger.Day}}
			}))
			at := func(text string) time.Time {
				instant, err := time.Parse(time.RFC3339Nano, text)
				require.NoError(t, err)
				return instant
			}
			before := at(c.first).Add(-time.Microsecond)
			for _, step := range []struct {
				friend string
				at     time.Time
				state  referral.RewardState
			}{
				{"the day before", before, referral.RewardGranted},
				{"first", at(c.first), referral.RewardGranted},
				{"again", at(c.again), referral.RewardWithheld},
				{"next", at(c.next), referral.RewardGranted},
			} {
				s.bind("jane", step.friend, before)
				s.pay(step.friend, step.at)
				require.Equal(t, step.state, s.brings(step.friend).State, step.friend)
			}
		})
	}
}

// promises are what a course may not break, and what was seen of it so far.
type promises struct {
	states    map[string]referral.State
	referrers map[string]string
	back      map[string]int64
}

func newPromises() *promises {
	return &promises{make(map[string]referral.State), make(map[string]string), make(map[string]int64)}
}

// broken says which promise is broken, by what there is now; empty: none.
func (p *promises) broken(s *shop, friends ...string) string {
	s.t.Helper()
	for _, friend := range friends {
		r, err := s.Referral(ctx, "invite", friend)
		if err != nil {
			require.ErrorIs(s.t, err, referral.ErrNoReferral)
			continue
		}
		before := p.states[friend]
		switch before {
		case referral.StateRejected, referral.StateExpired, referral.StateVoided, referral.StateReversed:
			if r.State != before {
				return friend + " ended, and goes on"
			}
		case referral.StateConfirmed:
			if r.State != before && r.State != referral.StateReversed {
				return friend + " was confirmed, and is " + string(r.State)
			}
		}
		if was := p.referrers[friend]; was != "" && was != r.Referrer {
			return friend + " has another referrer"
		}
		p.states[friend], p.referrers[friend] = r.State, r.Referrer
		all, err := s.Rewards(ctx, "invite", friend)
		require.NoError(s.t, err)
		seen := make(map[string]bool)
		for _, w := range all {
			if step := string(w.Side) + string(w.Step); seen[step] {
				return w.ID + " is a second one of its step"
			} else {
				seen[step] = true
			}
			if why := p.brokenBy(&r, &w); why != "" {
				return w.ID + why
			}
		}
	}
	return ""
}

func (p *promises) brokenBy(r *referral.Referral, w *referral.Reward) string {
	for _, m := range w.Gives.Credit {
		taken, _ := w.TakenBack.In(m.Currency())
		owed, _ := w.OwedMoney.In(m.Currency())
		back := taken.Minor() + owed.Minor()
		switch {
		case taken.Sign() < 0 || owed.Sign() < 0 || back > m.Minor():
			return " is taken back by more than it gave, or by less than nothing"
		case back < p.back[w.ID]:
			return " is taken back by less than before"
		}
		p.back[w.ID] = back
	}
	if w.Step != referral.Qualified || w.State != referral.RewardGranted {
		return ""
	}
	if r.State != referral.StateConfirmed || w.Granted.Before(r.HoldUntil) || w.Granted.Before(w.NotBefore) {
		return " is granted before its time"
	}
	return ""
}

// Whatever happens, and however late it is told: what is taken back of a reward is between
// nothing and all that it gave, and never less than before; nothing is granted before its
// time; a friend has one referrer and one reward for each side and step; and what ended
// stays ended, but that what was confirmed can be reversed.
func TestPromisesOfAnyCourse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := openShop(t, memory.New(), referral.Options{Retry: 7 * time.Minute}, drawProgram(t))
		p := newPromises()
		drawCourse(t, s, func() { require.Empty(t, p.broken(s, courseFriends...)) })
		requireAudit(t, s.store)
	})
}

// The property notices each promise that is broken.
func TestPromisesCanFail(t *testing.T) {
	for name, c := range map[string]struct{ kind, old, new, want string }{
		"an end that is none":      {"referral/invite/ida", `"state":"voided"`, `"state":"bound"`, "ida ended"},
		"no longer confirmed":      {"referral/invite/mia", `"state":"confirmed"`, `"state":"held"`, "mia was confirmed"},
		"another referrer":         {"referral/invite/mia", `"referrer":"jane"`, `"referrer":"joe"`, "another referrer"},
		"more than all":            {"reward/invite/mia/referrer/qualified", `"taken":{"EUR":"`, `"taken":{"EUR":"9`, "by more than it gave"},
		"given again":              {"reward/invite/mia/referrer/qualified", `"back":{"taken"`, `"back":{},"x":{"taken"`, "by less than before"},
		"before the hold was over": {"referral/invite/mia", `"hold_until":1`, `"hold_until":9`, "before its time"},
		"before it might be":       {"reward/invite/mia/referrer/qualified", `"not_before":1`, `"not_before":9`, "before its time"},
	} {
		s := newShop(t, inCredit(func(p *referral.Program) { p.Hold, p.Shortfall = time.Hour, referral.ShortfallReduces }))
		for _, friend := range []string{"mia", "ida"} {
			s.bind("jane", friend, noon)
			s.pay(friend, noon)
		}
		s.returned(cancelled("ida", "ida's order"), noon)
		s.settle(noon.Add(time.Hour))
		s.returned(back("mia", "mia's order", "some", "6.00"), noon.Add(2*time.Hour))
		p := newPromises()
		for range 2 {
			require.Empty(t, p.broken(s, "mia", "ida"), name)
		}
		kind, id, _ := strings.Cut(c.kind, "/")
		change(t, s.store, storage.Key{Kind: kind, ID: id}, c.old, c.new)
		require.Contains(t, p.broken(s, "mia", "ida"), c.want, name)
		change(t, s.store, storage.Key{Kind: kind, ID: id}, c.new, c.old)
	}
}

// That the program as it was gives what was given can fail: where something else was.
func TestWhatIfNothingChangedCanFail(t *testing.T) {
	p := inCredit(func(p *referral.Program) { p.Hold = time.Hour })
	s := newShop(t, p)
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	now := noon.Add(day)
	s.settle(now)
	w, err := s.WhatIf(ctx, p, coupon.Interval{}, now)
	require.NoError(t, err)
	require.Equal(t, w.Recorded, w.Changed)
	key := storage.Key{Kind: "reward", ID: "invite/mia/referrer/qualified"}
	for old, planted := range map[string]string{`"credit":{"EUR":"`: `"credit":{"EUR":"1`, `"state":"granted"`: `"state":"withheld"`, `"back":{}`: `"back":{"taken":{"EUR":"1.00"}}`} {
		change(t, s.store, key, old, planted)
		w, err = s.WhatIf(ctx, p, coupon.Interval{}, now)
		require.NoError(t, err)
		require.NotEqual(t, w.Recorded, w.Changed, planted)
		change(t, s.store, key, planted, old)
	}
}

package referral

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// WhatIf is what a changed program would have given for the same history.
type WhatIf struct {
	Referrals int64
	Recorded  Totals // what was given under the terms of the time
	Qualified int64  // referrals that would have qualified and stayed so
	Changed   Totals // what would have been given

	Rewards []WhatIfReward // the same by side and step, the referrer's first
}

// WhatIfReward is what one side was given at one step, and what it would have been.
type WhatIfReward struct {
	Side     Side
	Step     Step
	Recorded Totals
	Changed  Totals
}

// reward gives the row of a side and step.
func (w *WhatIf) reward(side Side, step Step) *WhatIfReward {
	i, found := slices.BinarySearchFunc(w.Rewards, WhatIfReward{Side: side, Step: step}, func(a, b WhatIfReward) int {
		return cmp.Or(cmp.Compare(b.Side, a.Side), cmp.Compare(b.Step, a.Step))
	})
	if !found {
		w.Rewards = slices.Insert(w.Rewards, i, WhatIfReward{Side: side, Step: step})
	}
	return &w.Rewards[i]
}

// record counts a reward that was made.
func (w *WhatIf) record(b *rewardBody) {
	w.Recorded.reward(b)
	w.reward(b.Side, b.Step).Recorded.reward(b)
}

// WhatIf runs a changed program over the recorded history of the program of its id, in a
// period (the zero value: ever), and says what it would have given up to an instant.
// Nothing is written, and the program need not be published.
//
// It sees what referrals remember: who was bound when, and the payments up to the one
// that qualified. So a program that asks for less, gives something else or caps
// differently is told exactly; one that asks for later payments is told too low. Friends
// who would not have come, or come in addition, nobody knows. Places in caps and the
// budget go to those who qualify, in their order; what came back took none.
//
// It fails with a [*Faults] when the program is not valid.
func (s *Service) WhatIf(ctx context.Context, changed Program, period coupon.Interval, now time.Time) (WhatIf, error) {
	if err := changed.Validate(); err != nil {
		return WhatIf{}, err
	}
	faults := &Faults{Kind: ErrRequest}
	checkInterval("period", period, faults)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return WhatIf{}, err
	}
	head, err := s.head(ctx, changed.ID)
	if err != nil {
		return WhatIf{}, err
	}
	var report WhatIf
	var earned []earnedStep
	err = s.eachReferral(ctx, changed.ID, period, func(bodies []referralBody) error {
		for i := range bodies {
			report.Referrals++
			steps, qualifies := bodies[i].stepsUnder(&changed, head.Value.ending(), now)
			if qualifies {
				report.Qualified++
			}
			earned = append(earned, steps...)
		}
		return s.eachReward(ctx, bodies, report.record)
	})
	if err != nil {
		return WhatIf{}, err
	}
	return report, report.giveAll(&changed, earned)
}

// earnedStep is a step that a referral takes under some terms.
type earnedStep struct {
	referrer, friend string
	step             Step
	at, gross        time.Time
	kept, asked      int64
	denied           verdicts
}

// stepsUnder are the steps that a referral takes under other terms by an instant, and
// whether it qualifies and stays so.
func (b *referralBody) stepsUnder(terms *Program, ending ending, now time.Time) ([]earnedStep, bool) {
	bound := instant(b.Bound)
	v := judged(b.Facts, now)
	if v.both() {
		return nil, false
	}
	steps := []earnedStep{{b.Referrer, b.Friend, Registered, bound, bound, 0, 0, v}}
	q, found := fold(terms, bound, terms.deadline(bound, ending), b.Facts)
	if !found || !q.stands || now.Before(q.at.Add(terms.Hold)) || v.open {
		return steps, false
	}
	return append(steps, earnedStep{b.Referrer, b.Friend, Qualified, q.at, q.gross, q.kept, q.asked, v}), true
}

// giveAll gives what steps earn, in their order, as far as caps and budget let it.
func (w *WhatIf) giveAll(p *Program, steps []earnedStep) error {
	slices.SortStableFunc(steps, func(a, b earnedStep) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.friend, b.friend), cmp.Compare(b.step, a.step))
	})
	g := giving{p: p, report: w, used: make(map[string]int64), placed: make(map[string]bool), numbers: make(map[string]int64), made: make(map[string]int64)}
	for i := range steps {
		if err := g.step(&steps[i]); err != nil {
			return err
		}
	}
	return nil
}

type giving struct {
	p       *Program
	used    map[string]int64 // of caps and budget, by counter
	placed  map[string]bool  // friends who have a place
	numbers map[string]int64 // friends who count, by referrer
	made    map[string]int64 // milestones, by referrer and milestone
	report  *WhatIf
}

func (g *giving) step(s *earnedStep) error {
	if s.step == Qualified {
		g.numbers[s.referrer]++
	}
	for _, side := range []Side{Referrer, Referee} {
		earned, _, earns := g.p.earning(side, s.step, max(1, g.numbers[s.referrer]), s.gross)
		switch {
		case !earns:
			continue
		case s.denied.denied(side):
			g.withhold(side, s.step)
			continue
		}
		var places []ledger.Claim
		if side == Referrer && !g.placed[s.friend] {
			var err error
			if places, err = g.p.claims(s.referrer, s.gross); err != nil {
				return err
			}
		}
		if g.p.Shortfall == ShortfallReduces && s.kept < s.asked {
			earned.Credit = slices.Clone(earned.Credit)
			for i, m := range earned.Credit {
				earned.Credit[i] = ledger.Minor(share(m.Minor(), s.kept, s.asked), m.Currency())
			}
		}
		given, err := g.give(side, s.step, s.referrer, &earned, places, s.gross)
		if err != nil {
			return err
		}
		if given && side == Referrer {
			g.placed[s.friend] = true
		}
	}
	if s.step == Qualified && !s.denied.referrer {
		return g.milestones(s)
	}
	return nil
}

// give counts an earning, unless a cap or the budget withholds it.
func (g *giving) give(side Side, step Step, referrer string, e *Earning, places []ledger.Claim, at time.Time) (bool, error) {
	worth, err := g.p.claimsOf(side, referrer, e, at)
	if err != nil {
		return false, err
	}
	claims := slices.Concat(places, worth)
	for _, c := range claims {
		if g.used[c.Counter]+c.N > c.Max {
			g.withhold(side, step)
			return false, nil
		}
	}
	for _, c := range claims {
		g.used[c.Counter] += c.N
	}
	for _, sums := range g.sums(side, step) {
		sums.Rewards++
		sums.add(e)
	}
	return true, nil
}

func (g *giving) withhold(side Side, step Step) {
	for _, sums := range g.sums(side, step) {
		sums.Withheld++
	}
}

// sums are those that a reward of a side and step counts in.
func (g *giving) sums(side Side, step Step) [2]*Totals {
	return [2]*Totals{&g.report.Changed, &g.report.reward(side, step).Changed}
}

func (g *giving) milestones(s *earnedStep) error {
	for i := range g.p.Milestones {
		m := &g.p.Milestones[i]
		key := s.referrer + "\x00" + m.key()
		if m.reached(g.numbers[s.referrer]) <= g.made[key] {
			continue
		}
		g.made[key]++
		if _, err := g.give(Referrer, Milestones, s.referrer, &m.Earning, nil, s.at); err != nil {
			return err
		}
	}
	return nil
}

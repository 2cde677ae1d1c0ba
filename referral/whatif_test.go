package referral_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// drawProgram draws a program of credit with whatever makes rewards depend on each other.
func drawProgram(t *rapid.T) referral.Program {
	maybe := func(what string, change func(p *referral.Program)) func(p *referral.Program) {
		if rapid.Bool().Draw(t, what) {
			return change
		}
		return func(*referral.Program) {}
	}
	give := func(amount string) referral.Earning { return referral.Earning{Credit: coupon.Amounts{eur(amount)}} }
	p := inCredit(func(p *referral.Program) {
		p.Hold = time.Duration(rapid.IntRange(0, 2).Draw(t, "hold")) * time.Hour
		p.Shortfall = rapid.SampledFrom([]referral.Shortfall{referral.ShortfallVoids, referral.ShortfallKeeps, referral.ShortfallReduces}).Draw(t, "shortfall")
		p.Debt = rapid.SampledFrom([]referral.Debt{referral.DebtRecorded, referral.DebtSetOff}).Draw(t, "debt")
	})
	for _, change := range []func(p *referral.Program){
		maybe("a minimum", func(p *referral.Program) { p.Qualify.MinimumSpend = coupon.Amounts{eur("10.00")} }),
		maybe("a life", func(p *referral.Program) { p.Rewards[0].Life = 3 * time.Hour }),
		maybe("tiers", func(p *referral.Program) {
			p.Rewards[0].Tiers = []referral.Tier{{From: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("13.37")}, Life: p.Rewards[0].Life}}}
		}),
		maybe("friends", func(p *referral.Program) {
			p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Registered, Earning: give("2.00")},
				referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: give("3.01")})
		}),
		maybe("milestones", func(p *referral.Program) {
			p.Milestones = []referral.Milestone{{Friends: 2, Repeat: rapid.Bool().Draw(t, "repeat"), Earning: give("7.77")}}
		}),
		maybe("a boost", func(p *referral.Program) {
			p.Boosts = []referral.Boost{{
				Name: "twice", Percent: 200, Interval: coupon.Interval{From: noon.Add(20 * time.Minute), Until: noon.Add(40 * time.Minute)},
				Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified},
			}}
		}),
		maybe("a cap", func(p *referral.Program) { p.Caps = append(p.Caps, referral.Cap{Friends: 2}) }),
		maybe("a cap in money", func(p *referral.Program) {
			p.Caps = append(p.Caps, referral.Cap{Amount: eur("30.00"), Period: ledger.Day})
		}),
		maybe("a budget", func(p *referral.Program) { p.Budget = eur("45.00") }),
	} {
		change(&p)
	}
	return p
}

var courseFriends = []string{"mia", "ida", "noa", "eve"}

// drawCourse lets a shop go through a drawn course of events, each at an instant of its own, at
// which everything is settled in time before; some are told late. After each it is checked.
func drawCourse(t *rapid.T, s *shop, check func()) (now time.Time) {
	now = noon
	bound := make(map[string]string)
	said := make(map[string]bool)
	advance := func() {
		until := now.Add(time.Duration(rapid.IntRange(1, 45).Draw(t, "minutes"))*time.Minute + time.Second)
		for {
			due, err := s.NextDeadline(ctx)
			require.NoError(t, err)
			if due.IsZero() || !due.Before(until) {
				break
			}
			s.settle(due)
		}
		now = until
	}
	once := func(what string) bool {
		again := said[what]
		said[what] = true
		return !again
	}
	t.Repeat(map[string]func(*rapid.T){
		"bind": func(t *rapid.T) {
			friend := rapid.SampledFrom(courseFriends).Draw(t, "friend")
			if bound[friend] != "" || said["paused"] {
				t.Skip()
			}
			advance()
			if bound[friend] = "jane"; !said["ban"] && rapid.Bool().Draw(t, "joe's") {
				bound[friend] = "joe"
			}
			o := s.register(referral.Registration{Customer: friend, Code: s.link(bound[friend]).Code.String()}, now)
			if !o.Bound {
				require.Equal(t, referral.ReasonSpent, o.Reason)
				said["pay "+friend+"1"], said["pay "+friend+"2"] = true, true
				for _, r := range []string{"1a", "1b", "2a", "2b"} {
					said["return "+friend+r] = true
				}
			}
		},
		"pay": func(t *rapid.T) {
			friend, order := rapid.SampledFrom(courseFriends).Draw(t, "friend"), rapid.SampledFrom([]string{"1", "2"}).Draw(t, "order")
			if bound[friend] == "" || !once("pay "+friend+order) {
				t.Skip()
			}
			advance()
			p := paid(friend, friend+order, rapid.SampledFrom([]string{"9.00", "15.00", "33.33"}).Draw(t, "amount"))
			p.At = now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "minutes late")) * time.Minute)
			s.paid(p, now)
		},
		"return": func(t *rapid.T) {
			friend, order := rapid.SampledFrom(courseFriends).Draw(t, "friend"), rapid.SampledFrom([]string{"1", "2"}).Draw(t, "order")
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "id")
			if bound[friend] == "" || !once("return "+friend+order+id) {
				t.Skip()
			}
			advance()
			r := back(friend, friend+order, id, rapid.SampledFrom([]string{"0.50", "4.00", "11.11"}).Draw(t, "back"))
			r.Chargeback = rapid.IntRange(0, 4).Draw(t, "chargeback") == 0
			r.At = now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "minutes late")) * time.Minute)
			s.returned(r, now)
		},
		"spend": func(t *rapid.T) {
			advance()
			customer := rapid.SampledFrom([]string{"jane", "joe", "mia"}).Draw(t, "customer")
			_, err := s.coupons.TakeCredit(ctx, coupon.CreditRequest{
				ID: fmt.Sprint("spent at ", now), Customer: customer, Amount: eur(rapid.SampledFrom([]string{"1.00", "8.50"}).Draw(t, "spent")),
			}, now)
			require.NoError(t, err)
		},
		"pause": func(t *rapid.T) {
			advance()
			call := s.Pause
			if said["paused"] {
				call = s.Resume
			}
			said["paused"] = !said["paused"]
			require.NoError(t, call(ctx, "invite", "staff", "asked for", now))
		},
		"ban": func(t *rapid.T) {
			if !once("ban") {
				t.Skip()
			}
			advance()
			require.NoError(t, s.Ban(ctx, "joe", "staff", "why", now))
		},
		"": func(*rapid.T) { check() },
	})
	if said["paused"] {
		advance()
		require.NoError(t, s.Resume(ctx, "invite", "staff", "asked for", now))
	}
	for range 12 {
		advance()
		check()
	}
	return now
}

// The program as it was gives what was given and takes back what was taken back, to the
// cent, whatever happened; and asking writes nothing.
func TestWhatIfNothingChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		s := openShop(t, memory.New(), referral.Options{Retry: 7 * time.Minute}, p)
		now := drawCourse(t, s, func() {})
		before := dump(t, s.store)
		w, err := s.WhatIf(ctx, p, coupon.Interval{}, now)
		require.NoError(t, err)
		require.Equal(t, w.Recorded, w.Changed)
		for _, r := range w.Rewards {
			require.Equal(t, r.Recorded, r.Changed, "%s when %s", r.Side, r.Step)
		}
		requireSame(t, before, dump(t, s.store))
		requireAudit(t, s.store)
	})
}

// What was flagged, reviewed, lapsed, rejected and erased is told again, and so is a
// program that was stopped; hooks are not asked, and what they were asked counts.
func TestWhatIfTellsEverything(t *testing.T) {
	p := inCredit(func(p *referral.Program) {
		p.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: time.Minute, Action: referral.ActionReview}}
		p.Review = referral.Review{Within: day, Otherwise: referral.Deny}
		p.Rewards = append(p.Rewards,
			referral.Rule{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome", Count: 2}}}},
			referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Custom: &referral.Custom{Kind: "ride"}}})
	})
	rides := newCounter()
	s := openShop(t, memory.New(), referral.Options{Hooks: map[string]referral.Hook{"ride": rides}}, p)
	for i, friend := range []string{"slow", "approved", "denied", "one side", "lapsed", "back", "stopped"} {
		at := noon.Add(time.Duration(i) * time.Second)
		s.bind("jane", friend, at)
		wait := time.Second
		if slices.Contains([]string{"slow", "back"}, friend) {
			wait = time.Hour
		}
		if friend != "stopped" {
			s.paid(paid(friend, friend+"'s order", "12.00"), at.Add(wait))
		}
	}
	decide := func(friend string, j referral.Judgement) {
		j.Actor, j.Reason = "kim", "looked at it"
		require.NoError(t, second0(s.DecideCase(ctx, "invite/"+friend+"/fast_payment", j, noon.Add(2*time.Hour))))
	}
	decide("approved", referral.Judgement{Verdict: referral.Approve})
	decide("denied", referral.Judgement{Verdict: referral.Deny})
	decide("one side", referral.Judgement{Verdict: referral.Deny, Side: referral.Referrer})
	for range 2 {
		s.settle(noon.Add(3 * time.Hour))
		s.settle(noon.Add(26 * time.Hour))
	}
	s.returned(cancelled("back", "back's order"), noon.Add(2*day))
	s.settle(noon.Add(2 * day))
	s.paid(paid("stopped", "stopped's order", "12.00"), noon.Add(2*day))
	require.NoError(t, s.Kill(ctx, "invite", "staff", "asked for", noon.Add(2*day+time.Minute)))
	s.settle(noon.Add(3 * day))
	asked := fmt.Sprint(rides)
	w, err := s.WhatIf(ctx, p, coupon.Interval{}, noon.Add(3*day))
	require.NoError(t, err)
	require.Equal(t, w.Recorded, w.Changed)
	require.Equal(t, int64(3), w.Changed.Custom["ride"])
	require.NotZero(t, w.Changed.ClawedBack)
	require.Equal(t, asked, fmt.Sprint(rides))
	requireAudit(t, s.store)
}

// Rewards whose codes come from a stock are given again, though the trial has no stock.
func TestWhatIfWithAStock(t *testing.T) {
	p := fromStock(t)
	s := newShop(t, p)
	s.stock("FIRST", 2)
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	s.settle(noon.Add(time.Hour))
	again, err := s.WhatIf(ctx, p, coupon.Interval{}, noon.Add(day))
	require.NoError(t, err)
	require.EqualValues(t, 2, again.Recorded.Rewards)
	require.Equal(t, again.Recorded, again.Changed)
}

// A longer hold would have kept what came back from being granted at all.
func TestWhatIfOfALongerHold(t *testing.T) {
	s := newShop(t, inCredit())
	s.confirmed("mia", noon)
	s.returned(cancelled("mia", "mia's order"), noon.Add(day))
	w, err := s.WhatIf(ctx, inCredit(func(p *referral.Program) { p.Hold = 3 * day }), coupon.Interval{}, noon.Add(9*day))
	require.NoError(t, err)
	require.Equal(t, "0 rewards, 0 withheld; 1 taken back; 10.00 EUR taken back", w.Recorded.String())
	require.Equal(t, "0 rewards, 0 withheld", w.Changed.String())
}

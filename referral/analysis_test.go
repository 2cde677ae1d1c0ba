package referral_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// history has Jane bring five friends and Joe two, of whom some pay, and one comes back.
func analysed(t *testing.T) *shop {
	s := newShop(t, inCredit())
	s.touch("cookie", s.link("jane"), noon)
	for i := range 5 {
		friend := fmt.Sprintf("friend-%d", i)
		s.bind("jane", friend, noon.Add(time.Duration(i)*time.Minute))
		if i < 4 {
			s.paid(paid(friend, friend+"'s order", fmt.Sprintf("%d.00", 10*(i+1))), noon.Add(time.Hour))
		}
	}
	for _, friend := range []string{"a", "b"} {
		s.bind("joe", friend, noon.Add(time.Hour))
	}
	s.pay("a", noon.Add(time.Hour))
	s.settle(noon.Add(3 * time.Hour))
	s.returned(cancelled("friend-0", "friend-0's order"), noon.Add(day))
	return s
}

// Jane brought three friends, of whom two paid.
func ExampleService_Analyze() {
	t := newTown(inCredit())
	for i, friend := range []string{"mia", "ida", "noa"} {
		t.friend(friend, noon)
		if i < 2 {
			print1(t.OrderPaid(ctx, paid(friend, friend+"'s order", "12.00"), noon.Add(time.Hour)))
		}
	}
	print1(t.Settle(ctx, noon.Add(2*time.Hour), 0))
	a := print1(t.Analyze(ctx, "invite", referral.AnalysisQuery{}))
	fmt.Println(a.Touches, "touches,", a.Bound, "friends bound,", a.Qualified, "qualified,", a.Confirmed, "confirmed")
	fmt.Printf("conversion %.2f, K-factor %.1f, %s per new customer\n", a.Conversion(), a.KFactor(), a.CostPerCustomer()[0])
	fmt.Println(a.Given)
	fmt.Println(a.Top[0].Referrer, "brought", a.Top[0].Bound)
	// Output:
	// 3 touches, 3 friends bound, 2 qualified, 2 confirmed
	// conversion 0.67, K-factor 2.0, 10.00 EUR per new customer
	// 2 rewards, 0 withheld, 20.00 EUR
	// jane brought 3
}

// What if it had taken a first payment of 20.00, and had given twice as much?
func ExampleService_WhatIf() {
	terms := inCredit()
	t := newTown(terms)
	for friend, amount := range map[string]string{"mia": "12.00", "ida": "25.00", "noa": "30.00"} {
		t.friend(friend, noon)
		print1(t.OrderPaid(ctx, paid(friend, friend+"'s order", amount), noon.Add(time.Hour)))
	}
	print1(t.Settle(ctx, noon.Add(2*time.Hour), 0))
	terms.Qualify.MinimumSpend = coupon.Amounts{eur("20.00")}
	terms.Rewards[0].Credit = coupon.Amounts{eur("20.00")}
	w := print1(t.WhatIf(ctx, terms, coupon.Interval{}, noon.Add(2*time.Hour)))
	fmt.Println(w.Referrals, "friends, of whom", w.Qualified, "would have qualified")
	for _, r := range w.Rewards {
		fmt.Printf("%s, when %s: %s; would be %s\n", r.Side, r.Step, r.Recorded, r.Changed)
	}
	// Output:
	// 3 friends, of whom 2 would have qualified
	// referrer, when qualified: 3 rewards, 0 withheld, 30.00 EUR; would be 2 rewards, 0 withheld, 40.00 EUR
}

func TestAnalyze(t *testing.T) {
	s := analysed(t)
	a, err := s.Analyze(ctx, "invite", referral.AnalysisQuery{Top: 1})
	require.NoError(t, err)
	require.Equal(t, referral.Analysis{
		Touches: 1, Bound: 7, Qualified: 5, Confirmed: 4, Referrers: 2,
		States: map[referral.State]int64{referral.StateBound: 2, referral.StateConfirmed: 4, referral.StateReversed: 1},
		Given:  referral.Totals{Rewards: 4, Credit: coupon.Amounts{eur("40.00")}, ClawedBack: 1, TakenBack: coupon.Amounts{eur("10.00")}},
		Top:    []referral.TopReferrer{{Referrer: "jane", Bound: 5, Confirmed: 3}},
	}, a)
	require.InDelta(t, 4.0/7, a.Conversion(), 1e-9)
	require.InDelta(t, 2, a.KFactor(), 1e-9)
	require.Equal(t, coupon.Amounts{eur("10.00")}, a.CostPerCustomer())
	a, err = s.Analyze(ctx, "invite", referral.AnalysisQuery{Period: coupon.Interval{From: noon.Add(time.Minute), Until: noon.Add(time.Hour)}})
	require.NoError(t, err)
	require.Equal(t, int64(4), a.Bound)
	require.ErrorIs(t, second(s.Analyze(ctx, "Invite", referral.AnalysisQuery{Top: -1})), referral.ErrRequest)
}

// A changed program over what was recorded: the same terms give what was given, others
// what they would have; nothing is written.
func TestWhatIf(t *testing.T) {
	s := analysed(t)
	before := dump(t, s.store)
	for name, c := range map[string]struct {
		change func(*referral.Program)
		want   string
	}{
		"the same":  {func(*referral.Program) {}, "4 rewards, 0 withheld, 40.00 EUR; 1 taken back; 10.00 EUR taken back"},
		"a minimum": {func(p *referral.Program) { p.Qualify.MinimumSpend = coupon.Amounts{eur("25.00")} }, "2 rewards, 0 withheld, 20.00 EUR"},
		"a cap":     {func(p *referral.Program) { p.Caps = []referral.Cap{{Friends: 1}} }, "1 rewards, 3 withheld, 10.00 EUR; 1 taken back; 10.00 EUR taken back"},
		"a budget":  {func(p *referral.Program) { p.Budget = eur("35.00") }, "2 rewards, 2 withheld, 20.00 EUR; 1 taken back; 10.00 EUR taken back"},
		"more":      {func(p *referral.Program) { p.Rewards[0].Credit = coupon.Amounts{eur("12.34")} }, "4 rewards, 0 withheld, 49.36 EUR; 1 taken back; 12.34 EUR taken back"},
		"milestones": {func(p *referral.Program) {
			p.Milestones = []referral.Milestone{{Friends: 3, Earning: referral.Earning{Credit: coupon.Amounts{eur("75.00")}}}}
		}, "5 rewards, 0 withheld, 115.00 EUR; 1 taken back; 10.00 EUR taken back"},
		"tiers": {func(p *referral.Program) {
			p.Rewards[0].Tiers = []referral.Tier{{From: 3, Earning: referral.Earning{Credit: coupon.Amounts{eur("20.00")}}}}
		}, "4 rewards, 0 withheld, 60.00 EUR; 1 taken back; 10.00 EUR taken back"},
		"a longer hold": {func(p *referral.Program) { p.Hold = 30 * day }, "0 rewards, 0 withheld"},
		"at sign-up":    {func(p *referral.Program) { p.Rewards[0].Step = referral.Registered }, "7 rewards, 0 withheld, 70.00 EUR"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := s.WhatIf(ctx, inCredit(c.change), coupon.Interval{}, noon.Add(2*day))
			require.NoError(t, err)
			require.Equal(t, "4 rewards, 0 withheld, 40.00 EUR; 1 taken back; 10.00 EUR taken back", w.Recorded.String())
			require.Equal(t, c.want, w.Changed.String())
			require.Equal(t, int64(7), w.Referrals)
			require.Equal(t, w.Changed, summed(w, func(r referral.WhatIfReward) referral.Totals { return r.Changed }))
			require.Equal(t, w.Recorded, summed(w, func(r referral.WhatIfReward) referral.Totals { return r.Recorded }))
		})
	}
	requireSame(t, before, dump(t, s.store))
	require.ErrorIs(t, second(s.WhatIf(ctx, referral.Program{}, coupon.Interval{}, noon)), referral.ErrProgram)
}

// summed adds the rows of a report up, of credit in one currency.
func summed(w referral.WhatIf, side func(referral.WhatIfReward) referral.Totals) referral.Totals {
	var sums referral.Totals
	var minor, back int64
	for _, r := range w.Rewards {
		s := side(r)
		sums.Rewards, sums.Withheld, sums.ClawedBack = sums.Rewards+s.Rewards, sums.Withheld+s.Withheld, sums.ClawedBack+s.ClawedBack
		for _, m := range s.Credit {
			minor += m.Minor()
		}
		for _, m := range s.TakenBack {
			back += m.Minor()
		}
	}
	if minor > 0 {
		sums.Credit = coupon.Amounts{ledger.Minor(minor, euro)}
	}
	if back > 0 {
		sums.TakenBack = coupon.Amounts{ledger.Minor(back, euro)}
	}
	return sums
}

// What sides would earn at their steps is told apart, the referrer's first.
func TestWhatIfBySideAndStep(t *testing.T) {
	s := analysed(t)
	w, err := s.WhatIf(ctx, inCredit(func(p *referral.Program) {
		p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Credit: coupon.Amounts{eur("1.00")}}})
		p.Milestones = []referral.Milestone{{Friends: 3, Earning: referral.Earning{Credit: coupon.Amounts{eur("75.00")}}}}
		p.Caps = []referral.Cap{{Friends: 2}}
	}), coupon.Interval{}, noon.Add(2*day))
	require.NoError(t, err)
	var rows []string
	for _, r := range w.Rewards {
		rows = append(rows, fmt.Sprintf("%s %s: %s; would be %s", r.Side, r.Step, r.Recorded, r.Changed))
	}
	require.Equal(t, []string{
		"referrer qualified: 4 rewards, 0 withheld, 40.00 EUR; 1 taken back; 10.00 EUR taken back; would be 2 rewards, 2 withheld, 20.00 EUR; 1 taken back; 10.00 EUR taken back",
		"referrer milestone: 0 rewards, 0 withheld; would be 1 rewards, 0 withheld, 75.00 EUR",
		"referee registered: 0 rewards, 0 withheld; would be 7 rewards, 0 withheld, 7.00 EUR",
	}, rows)
}

func TestTimeline(t *testing.T) {
	s := analysed(t)
	all, err := s.Timeline(ctx, "invite", "friend-0")
	require.NoError(t, err)
	var told []string
	for i, e := range all {
		if i > 0 {
			require.False(t, e.At.Before(all[i-1].At))
		}
		if e.Fact != nil {
			told = append(told, string(e.Fact.Kind))
		} else {
			told = append(told, e.Decision.What)
			require.NotEmpty(t, e.Decision.Why)
		}
	}
	require.Equal(t, []string{"bound", "paid", "qualified", "confirmed", "granted", "refunded", "reversed", "clawed_back"}, told)
}

// What a friend may still bring is shown before it is earned.
func TestTrackedSteps(t *testing.T) {
	s := analysed(t)
	page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
	require.NoError(t, err)
	for _, f := range page.Friends {
		want := map[referral.State]referral.RewardState{
			referral.StateBound: referral.RewardPromised, referral.StateConfirmed: referral.RewardGranted, referral.StateReversed: referral.RewardClawedBack,
		}[f.State]
		require.Len(t, f.Steps, 1)
		require.Equal(t, want, f.Steps[0].State)
		require.Equal(t, coupon.Amounts{eur("10.00")}, f.Steps[0].Gives.Credit)
	}
}

package referral_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// What 1,000 customers who bring 20,000 friends may cost, before the program starts.
func ExampleProgram_MaxExposure() {
	p := referral.Program{ID: "invite", Name: "Invite", Caps: []referral.Cap{{Friends: 8}}, Rewards: []referral.Rule{
		{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("10.00")}}},
		{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome"}}, Worth: coupon.Amounts{eur("2.00")}}},
	}}
	most := print1(p.MaxExposure(1000, 20_000))
	fmt.Println(most.Worth, most.Coupons[0].Count, most.Coupons[0].Offer)
	fmt.Println(most.Bounds)
	p.Budget = eur("50000.00")
	most = print1(p.MaxExposure(1000, 20_000))
	fmt.Println(most.Worth, most.Bounds)
	// Output:
	// [120000.00 EUR] 20000 welcome
	// [the cap of 8 friends per referrer]
	// [50000.00 EUR] [the cap of 8 friends per referrer the budget of 50000.00 EUR]
}

// The most that a program can give, by hand; a bound is named only where it binds.
func TestMaxExposureByHand(t *testing.T) {
	credit := func(amount string) referral.Earning { return referral.Earning{Credit: coupon.Amounts{eur(amount)}} }
	for name, c := range map[string]struct {
		change             func(*referral.Program)
		referrers, friends int64
		want               referral.Exposure
	}{
		"nobody":  {func(*referral.Program) {}, 0, 0, referral.Exposure{}},
		"friends": {func(*referral.Program) {}, 2, 10, referral.Exposure{Worth: coupon.Amounts{eur("100.00")}}},
		"as many as the cap": {func(p *referral.Program) { p.Caps = []referral.Cap{{Friends: 5}} }, 2, 10,
			referral.Exposure{Worth: coupon.Amounts{eur("100.00")}}},
		"one more than the cap": {func(p *referral.Program) { p.Caps = []referral.Cap{{Friends: 5}} }, 2, 11,
			referral.Exposure{Worth: coupon.Amounts{eur("100.00")}, Bounds: []string{"the cap of 5 friends per referrer"}}},
		"a cap of nobody who earns": {func(p *referral.Program) {
			p.Caps, p.Rewards[0].Side, p.Rewards[0].Step = []referral.Cap{{Friends: 5}}, referral.Referee, referral.Registered
		}, 2, 11, referral.Exposure{Worth: coupon.Amounts{eur("110.00")}}},
		"as much as the cap": {func(p *referral.Program) { p.Caps = []referral.Cap{{Amount: eur("50.00")}} }, 2, 10,
			referral.Exposure{Worth: coupon.Amounts{eur("100.00")}}},
		"more than the cap": {func(p *referral.Program) { p.Caps = []referral.Cap{{Amount: eur("49.99")}} }, 2, 10,
			referral.Exposure{Worth: coupon.Amounts{eur("99.98")}, Bounds: []string{"the cap of 49.99 EUR per referrer"}}},
		"as much as the budget": {func(p *referral.Program) { p.Budget = eur("100.00") }, 2, 10,
			referral.Exposure{Worth: coupon.Amounts{eur("100.00")}}},
		"more than the budget": {func(p *referral.Program) { p.Budget = eur("99.99") }, 2, 10,
			referral.Exposure{Worth: coupon.Amounts{eur("99.99")}, Bounds: []string{"the budget of 99.99 EUR"}}},
		"milestones": {func(p *referral.Program) {
			p.Rewards, p.Milestones = nil, []referral.Milestone{{Friends: 3, Repeat: true, Earning: credit("7.00")}, {Friends: 4, Earning: credit("1.00")}}
		}, 1, 11, referral.Exposure{Worth: coupon.Amounts{eur("22.00")}}}, // 3 × 7.00 and 1.00
		"the best of a boost and tiers": {func(p *referral.Program) {
			p.Rewards[0].Tiers = []referral.Tier{{From: 2, Earning: credit("11.00")}}
			p.Boosts = []referral.Boost{
				{Name: "b", Interval: coupon.Interval{Until: noon}, Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified, Earning: credit("30.00")}},
				{Name: "c", Interval: coupon.Interval{From: noon}, Percent: 200, Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified}},
			}
		}, 2, 10, referral.Exposure{Worth: coupon.Amounts{eur("300.00")}}},
		"a cap a day, of four days and a second": {func(p *referral.Program) {
			p.Schedule = coupon.Interval{From: noon, Until: noon.Add(2*day + 12*time.Hour)}
			p.Qualify.Within, p.Caps = day+time.Second, []referral.Cap{{Friends: 1, Period: ledger.Day}}
		}, 2, 11, referral.Exposure{Worth: coupon.Amounts{eur("100.00")}, Bounds: []string{"the cap of 1 friends a day per referrer"}}},
		"a cap in money a day, until the end of a tail": {func(p *referral.Program) {
			p.Schedule = coupon.Interval{From: noon, Until: noon.Add(12 * time.Hour)}
			p.Tail, p.Caps = day, []referral.Cap{{Amount: eur("10.00"), Period: ledger.Day}}
		}, 2, 11, referral.Exposure{Worth: coupon.Amounts{eur("40.00")}, Bounds: []string{"the cap of 10.00 EUR a day per referrer"}}},
		"a cap a day, without end": {func(p *referral.Program) {
			p.Schedule, p.Caps = coupon.Interval{From: noon, Until: noon.Add(day)}, []referral.Cap{{Friends: 1, Period: ledger.Day}}
		}, 2, 11, referral.Exposure{Worth: coupon.Amounts{eur("110.00")}}},
		"the shop's own": {func(p *referral.Program) {
			p.Rewards[0].Earning = referral.Earning{Custom: &referral.Custom{Kind: "miles"}}
		}, 2, 10,
			referral.Exposure{Custom: map[string]int64{"miles": 10}}},
	} {
		p := inCredit(c.change)
		got, err := p.MaxExposure(c.referrers, c.friends)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	p := inCredit()
	for _, below := range [][2]int64{{-1, 0}, {0, -1}} {
		require.ErrorIs(t, second(p.MaxExposure(below[0], below[1])), referral.ErrRequest)
	}
	p.Rewards[0].Credit = coupon.Amounts{eur("0.01")}
	got, err := p.MaxExposure(1, math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, coupon.Amounts{ledger.Minor(math.MaxInt64, euro)}, got.Worth)
	p.Rewards[0].Credit = coupon.Amounts{eur("0.02")}
	require.ErrorIs(t, second(p.MaxExposure(1, math.MaxInt64)), ledger.ErrOverflow)
}

// A milestone counts in the day in which it is reached, which a hold and a late sweep move:
// a cap a day does not bound it, however short the schedule is.
func TestExposureOfMilestonesReachedLate(t *testing.T) {
	p := inCredit(func(p *referral.Program) {
		p.Schedule, p.Qualify.Within, p.Hold = coupon.Interval{From: noon, Until: noon.Add(day)}, day, 10*day
		p.Rewards, p.Caps = nil, []referral.Cap{{Amount: eur("10.00"), Period: ledger.Day}}
		p.Milestones = []referral.Milestone{{Friends: 1, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("10.00")}}}}
	})
	s := newShop(t, p)
	const friends = 6
	for i := range friends {
		friend := fmt.Sprint("friend ", i)
		s.bind("jane", friend, noon)
		s.paid(paid(friend, friend, "20.00"), noon.Add(time.Duration(i)*time.Minute))
	}
	for i := range friends {
		_, err := s.Settle(ctx, noon.Add(time.Duration(11+i)*day), 1)
		require.NoError(t, err)
	}
	most, err := p.MaxExposure(1, friends)
	require.NoError(t, err)
	require.Equal(t, "60.00", s.credit("jane"))
	require.Equal(t, referral.Exposure{Worth: coupon.Amounts{eur("60.00")}}, most)
}

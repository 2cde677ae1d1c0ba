package referral_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// inCredit gives the referrer 10.00 for a friend's first payment, after an hour's hold.
func inCredit(changes ...func(*referral.Program)) referral.Program {
	p := referral.Program{ID: "invite", Name: "Invite", Hold: time.Hour, Rewards: []referral.Rule{
		{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("10.00")}}},
	}}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func (s *shop) credit(customer string) string {
	s.t.Helper()
	m, err := s.coupons.Credit(ctx, customer, euro)
	require.NoError(s.t, err)
	return m.Amount()
}

// spend takes credit as an order would.
func (s *shop) spend(customer, amount string) {
	s.t.Helper()
	_, err := s.coupons.TakeCredit(ctx, coupon.CreditRequest{ID: "spent-" + amount, Customer: customer, Amount: eur(amount)}, noon)
	require.NoError(s.t, err)
}

// confirmed binds a friend who pays 20.00, and lets the hold pass.
func (s *shop) confirmed(friend string, at time.Time) referral.Referral {
	s.t.Helper()
	s.bind("jane", friend, at)
	s.paid(paid(friend, friend+"'s order", "20.00"), at)
	s.settle(at.Add(2 * time.Hour))
	return s.referral(friend)
}

// A partial return below the minimum: the terms void, keep or prorate, before the reward
// and after it; a later return takes more, never less; what is not there is owed.
func TestShortfall(t *testing.T) {
	for _, c := range []struct {
		shortfall   referral.Shortfall
		back        string // of 20.00, with a minimum of 20.00
		early, late string // what Jane has, when it comes back in the hold and after it
		earlyState  referral.State
		lateState   referral.State
	}{
		{referral.ShortfallVoids, "5.00", "0.00", "0.00", referral.StateVoided, referral.StateReversed},
		{referral.ShortfallKeeps, "5.00", "10.00", "10.00", referral.StateConfirmed, referral.StateConfirmed},
		{referral.ShortfallReduces, "5.00", "7.50", "7.50", referral.StateConfirmed, referral.StateConfirmed},
		{referral.ShortfallReduces, "6.67", "6.66", "6.66", referral.StateConfirmed, referral.StateConfirmed},
		{referral.ShortfallReduces, "20.00", "0.00", "0.00", referral.StateVoided, referral.StateReversed},
		{referral.ShortfallKeeps, "20.00", "0.00", "0.00", referral.StateVoided, referral.StateReversed},
	} {
		p := inCredit(func(p *referral.Program) {
			p.Shortfall, p.Qualify.MinimumSpend = c.shortfall, coupon.Amounts{eur("20.00")}
		})
		s := newShop(t, p)
		s.bind("jane", "mia", noon)
		s.paid(paid("mia", "o", "20.00"), noon)
		s.returned(back("mia", "o", "r", c.back), noon.Add(time.Minute))
		s.settle(noon.Add(2 * time.Hour))
		assert.Equal(t, c.earlyState, s.referral("mia").State)
		assert.Equal(t, c.early, s.credit("jane"), "%q, %s back in the hold", c.shortfall, c.back)

		s = newShop(t, p)
		s.confirmed("mia", noon)
		require.Equal(t, "10.00", s.credit("jane"))
		s.returned(back("mia", "mia's order", "r", c.back), noon.Add(day))
		assert.Equal(t, c.lateState, s.referral("mia").State)
		assert.Equal(t, c.late, s.credit("jane"), "%q, %s back after it", c.shortfall, c.back)
	}
	t.Run("twice, and spent", func(t *testing.T) {
		s := newShop(t, inCredit(func(p *referral.Program) {
			p.Shortfall, p.Qualify.MinimumSpend = referral.ShortfallReduces, coupon.Amounts{eur("20.00")}
		}))
		s.confirmed("mia", noon)
		s.returned(back("mia", "mia's order", "1", "4.00"), noon.Add(day))
		require.Equal(t, "8.00", s.credit("jane"))
		require.Equal(t, []string{"taken back 2.00 EUR, owed 0.00 EUR"}, s.reductions("mia"))
		s.spend("jane", "7.00")
		s.returned(back("mia", "mia's order", "2", "6.00"), noon.Add(2*day))
		require.Equal(t, "0.00", s.credit("jane"), "5.00 are earned, 7.00 were spent")
		r := s.brings("mia")
		require.Equal(t, coupon.Amounts{eur("3.00")}, r.TakenBack)
		require.Equal(t, coupon.Amounts{eur("2.00")}, r.OwedMoney)
		require.Equal(t, []string{"taken back 2.00 EUR, owed 0.00 EUR", "taken back 1.00 EUR, owed 2.00 EUR"}, s.reductions("mia"))
		s.returned(cancelled("mia", "mia's order"), noon.Add(3*day))
		r = s.brings("mia")
		require.Equal(t, referral.RewardClawedBack, r.State)
		require.Equal(t, coupon.Amounts{eur("7.00")}, r.OwedMoney)
	})
}

// Staff are told of everything that a reward gave.
func TestWhatWasGranted(t *testing.T) {
	set := []coupon.IssueOffer{{Offer: "thanks", Count: 2}}
	for want, earning := range map[string]referral.Earning{
		"2 coupons for the referrer when qualified":            {Coupons: set},
		"10.00 EUR for the referrer when qualified":            {Credit: coupon.Amounts{eur("10.00")}},
		"2 coupons, 10.00 EUR for the referrer when qualified": {Coupons: set, Credit: coupon.Amounts{eur("10.00")}},
		"gift for the referrer when qualified":                 {Custom: &referral.Custom{Kind: "gift"}},
		"2 coupons, gift for the referrer when qualified":      {Coupons: set, Custom: &referral.Custom{Kind: "gift"}},
	} {
		s := openShop(t, memory.New(), referral.Options{Hooks: map[string]referral.Hook{"gift": newCounter()}}, inCredit(func(p *referral.Program) { p.Rewards[0].Earning = earning }))
		s.confirmed("mia", noon)
		s.settle(noon.Add(3 * time.Hour))
		require.Equal(t, referral.RewardGranted, s.brings("mia").State)
		r := s.referral("mia")
		i := slices.IndexFunc(r.Decisions, func(d referral.Decision) bool { return d.What == "granted" })
		require.GreaterOrEqual(t, i, 0)
		require.Equal(t, want, r.Decisions[i].Why)
		requireAudit(t, s.store)
	}
}

// In the hold a reward shrinks at once, and once for each return.
func TestShortfallInTheHold(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Shortfall, p.Qualify.MinimumSpend = referral.ShortfallReduces, coupon.Amounts{eur("20.00")}
	}))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "o", "20.00"), noon)
	s.returned(back("mia", "o", "r", "5.00"), noon.Add(time.Minute))
	require.Equal(t, coupon.Amounts{eur("2.50")}, s.brings("mia").TakenBack)
	s.settle(noon.Add(2 * time.Hour))
	require.Equal(t, "7.50", s.credit("jane"))
	require.Equal(t, []string{"to 7.50 EUR, with what was kept"}, s.reductions("mia"))
	a, err := s.Analyze(ctx, "invite", referral.AnalysisQuery{})
	require.NoError(t, err)
	require.Equal(t, referral.Totals{Rewards: 1, Credit: coupon.Amounts{eur("7.50")}}, a.Given, "of what was granted nothing was taken back")
}

// reductions are what was decided of a friend's rewards that shrank.
func (s *shop) reductions(friend string) []string {
	s.t.Helper()
	var all []string
	for _, d := range s.referral(friend).Decisions {
		if d.What == "reduced" {
			all = append(all, d.Why)
		}
	}
	return all
}

// What was spent in part is owed in part. A reward that paid a debt expires with what it
// gave, and leaves other credit alone.
func TestDebtInPart(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Debt, p.Rewards[0].Life = referral.DebtSetOff, 30*day }))
	s.confirmed("mia", noon)
	s.spend("jane", "4.00")
	s.returned(cancelled("mia", "mia's order"), noon.Add(day))
	require.Equal(t, coupon.Amounts{eur("4.00")}, s.brings("mia").OwedMoney)
	s.confirmed("ida", noon.Add(2*day))
	require.Equal(t, "6.00", s.credit("jane"))
	require.NoError(t, second0(s.coupons.GrantCredit(ctx, coupon.CreditRequest{ID: "gift", Customer: "jane", Amount: eur("50.00")}, noon.Add(3*day))))
	s.settle(noon.Add(40 * day))
	require.Equal(t, referral.RewardExpired, s.brings("ida").State)
	require.Equal(t, "50.00", s.credit("jane"))
	require.Equal(t, []string{"taken back 6.00 EUR, owed 0.00 EUR"}, s.reductions("ida"))
}

// A reward of which all is spent expires without anything being taken back.
func TestExpiredCreditThatIsSpent(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Rewards[0].Life = 30 * day }))
	s.confirmed("mia", noon)
	s.spend("jane", "10.00")
	s.settle(noon.Add(40 * day))
	require.Equal(t, referral.RewardExpired, s.brings("mia").State)
	require.Empty(t, s.reductions("mia"))
}

// Coupons that are owed are set off one by one.
func TestTwoCouponsAreSetOff(t *testing.T) {
	s := newShop(t, changed(held(8), func(p *referral.Program) { p.Debt = referral.DebtSetOff }))
	for i, friend := range []string{"mia", "ida"} {
		s.confirmed(friend, noon)
		order := fmt.Sprint("jane's ", i)
		s.reserve(order, "jane", noon.Add(3*time.Hour))
		require.NoError(t, second0(s.coupons.Confirm(ctx, order, noon.Add(3*time.Hour))))
	}
	for _, friend := range []string{"mia", "ida"} {
		s.returned(cancelled(friend, friend+"'s order"), noon.Add(day))
	}
	for i, friend := range []string{"noa", "eve", "leo"} {
		s.confirmed(friend, noon.Add(2*day))
		require.Equal(t, i/2, s.wallet("jane"), friend)
	}
}

// A reward that waits for its offer leaves what is owed as it is, until it is granted.
func TestWhatWaitsIsNotSetOff(t *testing.T) {
	for _, granted := range []bool{true, false} {
		s := newShop(t, changed(held(8), func(p *referral.Program) {
			p.Debt = referral.DebtSetOff
			p.Rewards[1].Coupons[0].Count = 2
		}))
		s.confirmed("mia", noon)
		s.reserve("jane's", "jane", noon.Add(3*time.Hour))
		require.NoError(t, second0(s.coupons.Confirm(ctx, "jane's", noon.Add(3*time.Hour))))
		s.returned(cancelled("mia", "mia's order"), noon.Add(day))
		require.Len(t, s.brings("mia").Owed, 1)

		require.NoError(t, s.coupons.Pause(ctx, "thanks", "staff", "asked for", noon))
		s.confirmed("ida", noon.Add(2*day))
		require.Equal(t, referral.RewardPending, s.brings("ida").State)
		require.NoError(t, s.coupons.Resume(ctx, "thanks", "staff", "asked for", noon))
		if !granted {
			s.returned(cancelled("ida", "ida's order"), noon.Add(2*day))
			s.confirmed("noa", noon.Add(4*day))
		}
		s.settle(noon.Add(4 * day))
		require.Equal(t, 1, s.wallet("jane"), "one of two went to what is owed")
	}
}

// What was spent before it was taken back is set off against what is earned next.
func TestDebtIsSetOff(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Debt = referral.DebtSetOff }))
	s.confirmed("mia", noon)
	s.spend("jane", "10.00")
	s.returned(cancelled("mia", "mia's order"), noon.Add(day))
	require.Equal(t, coupon.Amounts{eur("10.00")}, s.brings("mia").OwedMoney)
	s.confirmed("ida", noon.Add(2*day))
	require.Equal(t, "0.00", s.credit("jane"))
	require.Equal(t, coupon.Amounts{eur("10.00")}, s.brings("ida").SetOff)
	s.confirmed("noa", noon.Add(3*day))
	require.Equal(t, "10.00", s.credit("jane"))
	s.returned(cancelled("ida", "ida's order"), noon.Add(4*day))
	require.Equal(t, "0.00", s.credit("jane"), "what paid the debt was not earned either")

	s = newShop(t, changed(held(8), func(p *referral.Program) { p.Debt = referral.DebtSetOff }))
	s.confirmed("mia", noon)
	s.reserve("jane's", "jane", noon.Add(3*time.Hour))
	_, err := s.coupons.Confirm(ctx, "jane's", noon.Add(3*time.Hour))
	require.NoError(t, err)
	s.returned(cancelled("mia", "mia's order"), noon.Add(day))
	require.Len(t, s.brings("mia").Owed, 1)
	s.confirmed("ida", noon.Add(2*day))
	require.Equal(t, referral.RewardGranted, s.brings("ida").State)
	require.Empty(t, s.brings("ida").Coupons)
	require.Equal(t, 0, s.wallet("jane"))
	s.confirmed("noa", noon.Add(3*day))
	require.Equal(t, 1, s.wallet("jane"))
	s.returned(cancelled("ida", "ida's order"), noon.Add(4*day))
	s.confirmed("eve", noon.Add(5*day))
	require.Equal(t, 1, s.wallet("jane"), "what paid the debt was not earned either")
}

// Where the terms have debts reviewed, one case is opened with what came to be owed; it
// is on record, stops nothing, and neither verdict nor deadline moves anything.
func TestDebtIsReviewed(t *testing.T) {
	reviewed := func(p *referral.Program) {
		p.Debt, p.Review = referral.DebtReviewed, referral.Review{Within: 3 * day, Otherwise: referral.Deny}
	}
	const owed = "debt: of the referrer's reward (qualified), 7.00 EUR was used and is owed"
	for name, decide := range map[string]func(s *shop, id string){
		"nobody does": func(*shop, string) {},
		"approved": func(s *shop, id string) {
			require.NoError(t, second0(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Approve, Actor: "kim", Reason: "looked at it"}, noon.Add(day))))
		},
		"denied": func(s *shop, id string) {
			require.NoError(t, second0(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Deny, Actor: "kim", Reason: "looked at it"}, noon.Add(day))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inCredit(reviewed))
			s.confirmed("mia", noon)
			s.confirmed("ida", noon)
			s.returned(cancelled("ida", "ida's order"), noon.Add(12*time.Hour))
			require.Empty(t, s.queue(), "what is there is taken back, and nothing is owed")
			s.spend("jane", "7.00")
			s.returned(cancelled("mia", "mia's order"), noon.Add(day))
			s.returned(cancelled("mia", "mia's order"), noon.Add(day))
			queue := s.queue()
			require.Len(t, queue, 1)
			require.Equal(t, []string{owed}, queue[0].Reasons)
			require.Equal(t, noon.Add(4*day), queue[0].Until)
			r := s.referral("mia")
			require.True(t, slices.ContainsFunc(r.Decisions, func(d referral.Decision) bool {
				return d.What == "review" && d.Why == "a case is open about what is owed: "+queue[0].ID
			}))
			require.Equal(t, referral.StateReversed, r.State)

			decide(s, queue[0].ID)
			s.confirmed("noa", noon.Add(2*day))
			require.Equal(t, "10.00", s.credit("jane"), "it is not set off")
			s.settle(noon.Add(5 * day))
			require.Empty(t, s.queue())
			require.Equal(t, referral.StateReversed, s.referral("mia").State)
			require.Equal(t, coupon.Amounts{eur("7.00")}, s.brings("mia").OwedMoney)
			requireAudit(t, s.store)
		})
	}

	t.Run("a coupon", func(t *testing.T) {
		s := newShop(t, changed(held(8), reviewed))
		s.confirmed("mia", noon)
		s.reserve("jane's", "jane", noon.Add(3*time.Hour))
		require.NoError(t, second0(s.coupons.Confirm(ctx, "jane's", noon.Add(3*time.Hour))))
		s.returned(cancelled("mia", "mia's order"), noon.Add(day))
		queue := s.queue()
		require.Len(t, queue, 1)
		require.Equal(t, []string{`debt: of the referrer's reward (qualified), a coupon of offer "thanks" was used and is owed`}, queue[0].Reasons)
	})
}

// 75 for every 3 friends: a friend taken back takes the milestone that is no longer
// reached, and it is not given twice for the same three.
func TestMilestones(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Rewards = nil
		p.Milestones = []referral.Milestone{
			{Friends: 3, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("75.00")}}},
			{Friends: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("1.00")}}},
			{Friends: 6, Earning: referral.Earning{Credit: coupon.Amounts{eur("2.00")}}}, // together with the second 3
		}
	}))
	has := []string{"0.00", "1.00", "76.00", "76.00", "76.00", "153.00", "153.00"}
	for i, want := range has {
		s.confirmed(string(rune('a'+i)), noon.Add(time.Duration(i)*day))
		require.Equal(t, want, s.credit("jane"), "after %d friends", i+1)
	}
	at := noon.Add(10 * day)
	s.returned(cancelled("a", "a's order"), at)
	require.Equal(t, "153.00", s.credit("jane"), "six are left")
	s.returned(cancelled("b", "b's order"), at)
	require.Equal(t, "76.00", s.credit("jane"), "five are left")
	s.confirmed("h", at)
	require.Equal(t, "153.00", s.credit("jane"))
	for _, friend := range []string{"c", "d", "e", "f", "g"} {
		s.returned(cancelled(friend, friend+"'s order"), at.Add(day))
	}
	require.Equal(t, "0.00", s.credit("jane"), "one is left")
}

func TestTiers(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Rewards[0].Tiers = []referral.Tier{
			{From: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("15.00")}}},
			{From: 4, Earning: referral.Earning{Credit: coupon.Amounts{eur("20.00")}}},
		}
	}))
	for i, want := range []string{"10.00", "25.00", "40.00", "60.00", "80.00"} {
		s.confirmed(string(rune('a'+i)), noon)
		require.Equal(t, want, s.credit("jane"))
	}
	require.Equal(t, int64(5), s.referral("e").Number)
	s.returned(cancelled("a", "a's order"), noon.Add(day))
	require.Equal(t, "70.00", s.credit("jane"), "the others keep their tier")
	s.confirmed("f", noon.Add(2*day))
	require.Equal(t, "90.00", s.credit("jane"), "the fifth again")
	for i, friend := range []string{"g", "h"} { // who is confirmed keeps the number
		s.bind("jane", friend, noon.Add(3*day))
		require.Equal(t, int64(6+i), s.pay(friend, noon.Add(3*day)).Number)
	}
	s.settle(noon.Add(4 * day))
	require.Equal(t, []int64{6, 7}, []int64{s.referral("g").Number, s.referral("h").Number})
}

// A boost multiplies or replaces, and never gives less: not even less than a tier.
func TestBoostsOfCredit(t *testing.T) {
	boost := func(change func(*referral.Boost)) func(*referral.Program) {
		return func(p *referral.Program) {
			b := referral.Boost{Name: "Week of friends", Interval: coupon.Interval{From: noon, Until: noon.Add(7 * day)}}
			b.Side, b.Step = referral.Referrer, referral.Qualified
			change(&b)
			p.Boosts = append(p.Boosts, b)
		}
	}
	double := boost(func(b *referral.Boost) { b.Percent = 250 })
	better := boost(func(b *referral.Boost) { b.Credit = coupon.Amounts{eur("12.00")} })
	tiers := func(p *referral.Program) {
		p.Rewards[0].Tiers = []referral.Tier{{From: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("15.00")}}}}
	}
	for name, c := range map[string]struct {
		p    referral.Program
		at   time.Time
		want []string
	}{
		"multiplied":             {inCredit(double), noon, []string{"25.00", "50.00"}},
		"replaced":               {inCredit(better), noon, []string{"12.00", "24.00"}},
		"over":                   {inCredit(better), noon.Add(7 * day), []string{"10.00", "20.00"}},
		"never less than a tier": {inCredit(better, tiers), noon, []string{"12.00", "27.00"}},
		"a tier multiplied":      {inCredit(double, tiers), noon, []string{"25.00", "62.50"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, c.p)
			for i, want := range c.want {
				s.confirmed(string(rune('a'+i)), c.at)
				require.Equal(t, want, s.credit("jane"))
			}
		})
	}
	coupons := inCredit(boost(func(b *referral.Boost) { b.Percent = 300 }))
	coupons.Rewards[0].Earning = referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}, {Offer: "more", Count: 2}}}
	s := newShop(t, coupons)
	s.confirmed("mia", noon)
	require.Len(t, s.brings("mia").Coupons, 9)
	lower := inCredit(boost(func(b *referral.Boost) { b.Credit = coupon.Amounts{eur("9.99")} }))
	require.ErrorContains(t, lower.Validate(), "boosts[0]: gives 9.99 EUR, less than 10.00 EUR")
}

// The budget is never exceeded; what does not fit is withheld, and then nobody new is
// bound. What is taken back can be given again.
func TestBudget(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Budget = eur("25.00") }))
	for i, want := range []referral.RewardState{referral.RewardGranted, referral.RewardGranted} {
		s.confirmed(string(rune('a'+i)), noon)
		require.Equal(t, want, s.brings(string(rune('a'+i))).State)
	}
	nothing := inCredit(func(p *referral.Program) { p.Budget = eur("0.00") })
	require.ErrorContains(t, nothing.Validate(), "budget: is 0.00 EUR, want more than 0 of a currency")
	code := s.link("jane").Code.String()
	o := s.register(referral.Registration{Customer: "c", Code: code}, noon)
	require.Equal(t, referral.ReasonSpent, o.Reason)
	s.returned(cancelled("a", "a's order"), noon.Add(day))
	s.bind("jane", "d", noon.Add(day))
	s.bind("jane", "e", noon.Add(day))
	s.pay("d", noon.Add(day))
	s.pay("e", noon.Add(day))
	s.settle(noon.Add(2 * day))
	require.Equal(t, referral.RewardGranted, s.brings("d").State)
	require.Equal(t, referral.RewardWithheld, s.brings("e").State)
	require.Equal(t, "the budget of 25.00 EUR is spent: 20.00 EUR are promised or granted, and the reward is worth 10.00 EUR", s.brings("e").Why)
	require.Equal(t, "20.00", s.credit("jane"))
}

// Of several rewards that are promised at once those that fit into what is left are given,
// and the others withheld.
func TestPromisedAtOnce(t *testing.T) {
	gives := referral.Earning{Credit: coupon.Amounts{eur("10.00")}}
	both := func(step referral.Step) func(*referral.Program) {
		return func(p *referral.Program) {
			p.Rewards = []referral.Rule{{Side: referral.Referrer, Step: step, Earning: gives}, {Side: referral.Referee, Step: step, Earning: gives}}
		}
	}
	for name, c := range map[string]struct {
		change func(*referral.Program)
		both   []string // what Jane and Mia have where 20.00 are left; 19.99 are enough for one
	}{
		"a budget, when registered": {both(referral.Registered), []string{"10.00", "10.00"}},
		"a budget, when qualified":  {both(referral.Qualified), []string{"10.00", "10.00"}},
		"a cap, and a milestone": {func(p *referral.Program) {
			p.Milestones = []referral.Milestone{{Friends: 1, Earning: gives}}
			p.Caps, p.Budget = []referral.Cap{{Amount: p.Budget}}, ledger.Money{}
		}, []string{"20.00", "0.00"}},
	} {
		for left, want := range map[string][]string{"19.99": {"10.00", "0.00"}, "20.00": c.both} {
			s := newShop(t, inCredit(func(p *referral.Program) { p.Hold, p.Budget = 0, eur(left) }, c.change))
			s.bind("jane", "mia", noon)
			s.paid(paid("mia", "o", "20.00"), noon)
			require.Equal(t, want, []string{s.credit("jane"), s.credit("mia")}, "%s, of %s", name, left)
		}
	}
}

// blind is a store as a transaction sees it whose snapshot is older than what others claimed.
type blind struct{ storage.Store }

func (b blind) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	docs, _, err := b.Store.Get(ctx, keys, counters...)
	return docs, nil, err
}

// What the store refuses is full, whatever a snapshot shows.
func TestFullBesideTheSnapshot(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*referral.Program)
		why    string
	}{
		"a cap":    {func(p *referral.Program) { p.Caps = []referral.Cap{{Friends: 1}} }, "the cap of 1 friends is reached: 1 are rewarded or about to be"},
		"a budget": {func(p *referral.Program) { p.Budget = eur("10.00") }, "the budget of 10.00 EUR is spent"},
	} {
		s := newShop(t, inCredit(c.change))
		for _, friend := range []string{"mia", "ida"} {
			s.bind("jane", friend, noon)
		}
		s.pay("mia", noon)
		_, err := on(blind{s.store}, referral.Options{}).OrderPaid(ctx, paid("ida", "ida's order", "12.00"), noon)
		require.NoError(t, err, name)
		require.Equal(t, referral.RewardPending, s.brings("mia").State)
		require.Equal(t, referral.RewardWithheld, s.brings("ida").State, name)
		require.Contains(t, s.brings("ida").Why, c.why)
	}
}

// Credit that was not spent in its life is taken back; the oldest is taken to be spent
// first.
func TestExpiredCredit(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Rewards[0].Life = 30 * day }))
	s.confirmed("a", noon)
	s.confirmed("b", noon.Add(10*day))
	require.Equal(t, "20.00", s.credit("jane"))
	s.spend("jane", "4.00")
	s.settle(noon.Add(30*day + 3*time.Hour))
	require.Equal(t, "10.00", s.credit("jane"))
	require.Equal(t, referral.RewardExpired, s.brings("a").State)
	require.Equal(t, coupon.Amounts{eur("6.00")}, s.brings("a").TakenBack)
	s.returned(cancelled("a", "a's order"), noon.Add(31*day))
	require.Equal(t, "6.00", s.credit("jane"), "what was spent of it is taken of what she has")
	require.Equal(t, referral.RewardClawedBack, s.brings("a").State)
	require.Equal(t, coupon.Amounts{eur("10.00")}, s.brings("a").TakenBack)
	s.settle(noon.Add(41 * day))
	require.Equal(t, "0.00", s.credit("jane"))
}

// Coupons that a reward gave beside credit have a life of their own: when the credit's is
// over, they are taken back all the same.
func TestCouponsBesideExpiredCredit(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Rewards[0].Life, p.Rewards[0].Coupons = 30*day, []coupon.IssueOffer{{Offer: "thanks"}}
	}))
	s.confirmed("mia", noon)
	s.spend("jane", "4.00")
	s.settle(noon.Add(40 * day))
	require.Equal(t, referral.RewardExpired, s.brings("mia").State)
	require.Equal(t, 1, s.wallet("jane"))
	s.returned(referral.Return{ID: "chargeback", Order: "mia's order", Customer: "mia", Amount: eur("20.00"), Chargeback: true}, noon.Add(41*day))
	require.Zero(t, s.wallet("jane"))
	reward := s.brings("mia")
	require.Equal(t, referral.RewardClawedBack, reward.State)
	require.Equal(t, coupon.Amounts{eur("6.00")}, reward.TakenBack)
	require.Equal(t, coupon.Amounts{eur("4.00")}, reward.OwedMoney)
	a, err := s.Analyze(ctx, "invite", referral.AnalysisQuery{})
	require.NoError(t, err)
	require.Empty(t, a.Given.Credit)
	require.Equal(t, coupon.Amounts{eur("10.00")}, a.Given.TakenBack)
}

// Whether a payment is taken back before the life of the credit is over or after it, what
// was spent is owed all the same, and what paid a debt is owed again.
func TestSpentCreditIsOwedAfterItsLife(t *testing.T) {
	for _, at := range []time.Duration{20 * day, 40 * day} {
		s := newShop(t, inCredit(func(p *referral.Program) {
			p.Debt, p.Rewards[0].Life, p.Rewards[0].Coupons = referral.DebtSetOff, 30*day, []coupon.IssueOffer{{Offer: "thanks"}}
		}))
		s.confirmed("mia", noon)
		s.reserve("jane's", "jane", noon.Add(3*time.Hour))
		require.NoError(t, second0(s.coupons.Confirm(ctx, "jane's", noon.Add(3*time.Hour))))
		s.spend("jane", "7.00")
		s.returned(cancelled("mia", "mia's order"), noon.Add(4*time.Hour)) // 7.00 and a coupon are owed
		s.confirmed("ida", noon.Add(5*time.Hour))
		require.Equal(t, "3.00", s.credit("jane"))
		s.spend("jane", "1.00")
		s.settle(noon.Add(at))
		s.returned(cancelled("ida", "ida's order"), noon.Add(at))
		reward := s.brings("ida")
		require.Equal(t, referral.RewardClawedBack, reward.State)
		require.Equal(t, coupon.Amounts{eur("2.00")}, reward.TakenBack)
		require.Equal(t, coupon.Amounts{eur("8.00")}, reward.OwedMoney)
		requireAudit(t, s.store)
		s.confirmed("noa", noon.Add(41*day))
		require.Equal(t, "2.00", s.credit("jane"))
		require.Zero(t, s.wallet("jane"))
		require.Equal(t, coupon.Amounts{eur("8.00")}, s.brings("noa").SetOff)
	}
}

// A hook is asked again after any failure, under one id; an empty stock lets the reward
// wait.
func TestHooks(t *testing.T) {
	hook := newCounter()
	hook.stock = 0
	s := openShop(t, memory.New(), referral.Options{Hooks: map[string]referral.Hook{"gift": hook}}, inCredit(func(p *referral.Program) {
		p.Rewards[0].Earning = referral.Earning{Custom: &referral.Custom{Kind: "gift", Details: map[string]string{"what": "mug"}}}
		p.Hold = 0
	}))
	t.Cleanup(func() { requireAudit(t, s.store) })
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	require.Equal(t, referral.RewardPending, s.brings("mia").State)
	s.settle(noon)
	require.Equal(t, referral.RewardPending, s.brings("mia").State)
	require.Equal(t, referral.ErrOutOfStock.Error(), s.brings("mia").Why)
	hook.stock = 5
	s.settle(noon.Add(time.Hour))
	s.settle(noon.Add(2 * time.Hour))
	require.Equal(t, referral.RewardGranted, s.brings("mia").State)
	require.Len(t, hook.granted, 1)
	s.returned(cancelled("mia", "mia's order"), noon.Add(3*time.Hour))
	s.settle(noon.Add(3 * time.Hour))
	require.Len(t, hook.back, 1)
	require.Empty(t, s.settle(noon.Add(4*time.Hour)).Left)
}

// hooked gives the referrer a gift of the shop's own for a friend's first payment.
func hooked(t *testing.T, hook referral.Hook, changes ...func(*referral.Program)) *shop {
	s := openShop(t, memory.New(), referral.Options{Hooks: map[string]referral.Hook{"gift": hook}}, inCredit(append([]func(*referral.Program){func(p *referral.Program) {
		p.Rewards[0].Earning = referral.Earning{Custom: &referral.Custom{Kind: "gift"}, Worth: coupon.Amounts{eur("10.00")}}
	}}, changes...)...))
	t.Cleanup(func() { requireAudit(t, s.store) })
	return s
}

// interrupted grants, and then something happens before that can be written.
type interrupted struct {
	*counter
	by func()
}

func (i *interrupted) Grant(ctx context.Context, r referral.HookRequest) error {
	err := i.counter.Grant(ctx, r)
	i.by()
	return err
}

// A hook that is asked while the payment comes back has given what nobody is to have: it
// is asked to take that back.
func TestHookAgainstAReturn(t *testing.T) {
	hook := &interrupted{counter: newCounter()}
	s := hooked(t, hook)
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "mia's order", "20.00"), noon)
	hook.by = func() { s.returned(cancelled("mia", "mia's order"), noon.Add(2*time.Hour)) }
	_, err := s.Settle(ctx, noon.Add(2*time.Hour), 0)
	require.NoError(t, err)
	require.Equal(t, referral.RewardCanceled, s.brings("mia").State)
	require.Len(t, hook.granted, 1)
	s.settle(noon.Add(3 * time.Hour))
	require.Equal(t, hook.granted, hook.back)
	require.Zero(t, s.settle(noon.Add(4*time.Hour)).Done)
}

// owing is a hook whose gifts were used when they are taken back.
type owing struct{ *counter }

func (o owing) TakeBack(ctx context.Context, r referral.HookRequest) (bool, error) {
	_, err := o.counter.TakeBack(ctx, r)
	return true, err
}

// What the shop granted by itself holds its part of the budget until the shop has taken it
// back, and for good when it was used.
func TestBudgetOfWhatAHookGave(t *testing.T) {
	for _, play := range []struct {
		hook referral.Hook
		want referral.Reason
	}{{newCounter(), ""}, {owing{newCounter()}, referral.ReasonSpent}} {
		s := hooked(t, play.hook, func(p *referral.Program) { p.Budget = eur("10.00") })
		s.confirmed("mia", noon)
		s.settle(noon.Add(3 * time.Hour))
		require.Equal(t, referral.RewardGranted, s.brings("mia").State)
		s.returned(cancelled("mia", "mia's order"), noon.Add(day))
		register := func(who string) referral.Reason {
			return s.register(referral.Registration{Customer: who, Code: s.link("jane").Code.String()}, noon.Add(day)).Reason
		}
		require.Equal(t, referral.ReasonSpent, register("ida"))
		s.settle(noon.Add(2 * day))
		require.Equal(t, play.want, register("noa"))
	}
}

// What the shop grants by itself at registration waits while a case is open, and is given
// once that is closed.
func TestHookAfterACase(t *testing.T) {
	hook := newCounter()
	p := checked(referral.Check{Kind: referral.CheckSameDevice, Action: referral.ActionReview})
	p.Rewards = []referral.Rule{{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Custom: &referral.Custom{Kind: "gift"}}}}
	s, jane := guarded(t, referral.Options{Hooks: map[string]referral.Hook{"gift": hook}}, p)
	mia := s.subject(referral.Person{Account: "mia", Devices: []string{"phone 1"}})
	s.bind(jane.ID, mia.ID, noon)
	s.settle(noon.Add(time.Minute))
	require.Empty(t, hook.granted)
	_, err := s.DecideCase(ctx, s.queue()[0].ID, referral.Judgement{Verdict: referral.Approve, Actor: "kim", Reason: "looked at it"}, noon.Add(time.Hour))
	require.NoError(t, err)
	s.settle(noon.Add(2 * time.Hour))
	require.Len(t, hook.granted, 1)
}

// What counts of a payment: goods in scope, less promotional credit, no trials; the nth
// one, or all together.
func TestWhatCounts(t *testing.T) {
	tea := []referral.Part{{Categories: []string{"tea"}, Seller: "acme", Amount: eur("6.00")}, {Categories: []string{"gift card"}, Seller: "shop", Amount: eur("14.00")}}
	for name, c := range map[string]struct {
		q        referral.Qualification
		payments []referral.Payment
		want     int // which of them qualifies, from 1; 0: none
	}{
		"credit does not count":    {referral.Qualification{MinimumSpend: coupon.Amounts{eur("20.00")}}, []referral.Payment{{Amount: eur("20.00"), Credit: eur("0.01")}, {Amount: eur("30.00"), Credit: eur("10.00")}}, 2},
		"a trial does not count":   {referral.Qualification{}, []referral.Payment{{Amount: eur("1.00"), Trial: true}, {Amount: eur("9.00")}}, 2},
		"categories out":           {referral.Qualification{MinimumSpend: coupon.Amounts{eur("6.01")}, Out: referral.Goods{Categories: []string{"gift card"}}}, []referral.Payment{{Amount: eur("20.00"), Parts: tea}}, 0},
		"categories in":            {referral.Qualification{MinimumSpend: coupon.Amounts{eur("6.00")}, In: referral.Goods{Categories: []string{"tea"}}}, []referral.Payment{{Amount: eur("20.00"), Parts: tea}}, 1},
		"sellers in":               {referral.Qualification{MinimumSpend: coupon.Amounts{eur("6.00")}, In: referral.Goods{Sellers: []string{"acme"}}}, []referral.Payment{{Amount: eur("20.00"), Parts: tea}}, 1},
		"sellers out":              {referral.Qualification{Out: referral.Goods{Sellers: []string{"acme", "shop"}}}, []referral.Payment{{Amount: eur("20.00"), Parts: tea}}, 0},
		"not told what it was for": {referral.Qualification{In: referral.Goods{Categories: []string{"tea"}}}, []referral.Payment{{Amount: eur("20.00")}}, 0},
		"the third":                {referral.Qualification{Nth: 3}, []referral.Payment{{Amount: eur("1.00")}, {Amount: eur("1.00")}, {Amount: eur("1.00")}, {Amount: eur("1.00")}}, 3},
		"the second of enough":     {referral.Qualification{Nth: 2, MinimumSpend: coupon.Amounts{eur("5.00")}}, []referral.Payment{{Amount: eur("5.00")}, {Amount: eur("1.00")}, {Amount: eur("6.00")}}, 3},
		"together":                 {referral.Qualification{Cumulative: true, MinimumSpend: coupon.Amounts{eur("25.00")}}, []referral.Payment{{Amount: eur("10.00")}, {Amount: eur("14.99")}, {Amount: eur("0.01")}}, 3},
		"not in two currencies":    {referral.Qualification{Cumulative: true, MinimumSpend: coupon.Amounts{eur("25.00"), money("25.00", "USD")}}, []referral.Payment{{Amount: eur("20.00")}, {Amount: money("20.00", "USD")}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inCredit(func(p *referral.Program) { p.Qualify = c.q }))
			s.bind("jane", "mia", noon)
			for i, p := range c.payments {
				p.Order, p.Customer = string(rune('1'+i)), "mia"
				s.paid(p, noon.Add(time.Duration(i)*time.Minute))
			}
			want := ""
			if c.want > 0 {
				want = string(rune('0' + c.want))
			}
			assert.Equal(t, want, s.referral("mia").Order)
		})
	}
}

// Of goods that don't count nothing that counted comes back; a return that does not say
// for which goods takes away what counted.
func TestReturnsOfWhatCounts(t *testing.T) {
	parts := []referral.Part{{Categories: []string{"tea"}, Amount: eur("6.00")}, {Categories: []string{"gift card"}, Amount: eur("14.00")}}
	s := newShop(t, inCredit(func(p *referral.Program) { p.Qualify.In.Categories = []string{"tea"} }))
	s.bind("jane", "mia", noon)
	require.Equal(t, referral.StateHeld, s.paid(referral.Payment{Order: "1", Customer: "mia", Amount: eur("20.00"), Parts: parts}, noon).State)
	cards := back("mia", "1", "cards", "14.00")
	cards.Parts = parts[1:]
	require.Equal(t, referral.StateHeld, s.returned(cards, noon.Add(time.Minute)).State)
	require.Equal(t, referral.StateVoided, s.returned(back("mia", "1", "rest", "6.00"), noon.Add(2*time.Minute)).State)
}

// Credit may pay for all of an order, and its parts may be all of it, or nothing.
func TestPaymentsAtTheirLimits(t *testing.T) {
	part := func(amounts ...string) []referral.Part {
		var all []referral.Part
		for _, amount := range amounts {
			all = append(all, referral.Part{Amount: eur(amount)})
		}
		return all
	}
	for name, c := range map[string]struct {
		payment referral.Payment
		ok      bool
	}{
		"credit for all":       {referral.Payment{Credit: eur("20.00")}, true},
		"credit for more":      {referral.Payment{Credit: eur("20.01")}, false},
		"credit of nothing":    {referral.Payment{Credit: eur("0.00")}, true},
		"credit below":         {referral.Payment{Credit: eur("-0.01")}, false},
		"all in parts":         {referral.Payment{Parts: part("15.00", "0.00", "5.00")}, true},
		"more in parts":        {referral.Payment{Parts: part("15.00", "5.01")}, false},
		"a part of less":       {referral.Payment{Parts: part("-0.01")}, false},
		"a part of too much":   {referral.Payment{Parts: part("20.01")}, false},
		"the most parts":       {referral.Payment{Parts: part(strings.Split(strings.Repeat("0.01 ", 99)+"0.01", " ")...)}, true},
		"more than the most":   {referral.Payment{Parts: part(strings.Split(strings.Repeat("0.01 ", 100)+"0.01", " ")...)}, false},
		"another currency":     {referral.Payment{Credit: money("1.00", "USD")}, false},
		"parts of other money": {referral.Payment{Parts: []referral.Part{{Amount: money("1.00", "USD")}}}, false},
	} {
		s := newShop(t, inCredit())
		c.payment.Order, c.payment.Customer, c.payment.Amount = "o", "mia", eur("20.00")
		_, err := s.OrderPaid(ctx, c.payment, noon)
		if c.ok {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, referral.ErrRequest, name)
		}
	}
}

// What credit paid is on record; the id of a return may have 64 bytes.
func TestFactsAtTheirLimits(t *testing.T) {
	s := newShop(t, inCredit())
	s.bind("jane", "mia", noon)
	s.bind("jane", "ida", noon)
	for friend, credit := range map[string]ledger.Money{"mia": eur("5.00"), "ida": {}} {
		p := paid(friend, "o", "20.00")
		p.Credit = credit
		require.Equal(t, credit, s.paid(p, noon).Facts[0].Credit)
	}
	for beyond := range 2 {
		_, err := s.OrderReturned(ctx, back("mia", "o", strings.Repeat("r", 64+beyond), "0.01"), noon)
		require.Equal(t, beyond == 0, err == nil, err)
	}
}

// What comes back of an order that is none of a confirmed referral's is not noted.
func TestReturnsOfOtherOrders(t *testing.T) {
	s := newShop(t, inCredit())
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	s.settle(noon.Add(2 * time.Hour))
	before := s.referral("mia")
	require.Equal(t, referral.StateConfirmed, before.State)
	_, err := s.OrderReturned(ctx, cancelled("mia", "another"), noon.Add(3*time.Hour))
	require.NoError(t, err)
	require.Equal(t, before, s.referral("mia"))
}

// Net spend: what came back before does not count, and what comes back later takes the
// reward back.
func TestNetSpend(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Qualify = referral.Qualification{Cumulative: true, MinimumSpend: coupon.Amounts{eur("25.00")}}
	}))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "1", "20.00"), noon)
	s.returned(back("mia", "1", "r", "15.00"), noon.Add(time.Minute))
	require.Equal(t, referral.StateBound, s.paid(paid("mia", "2", "19.99"), noon.Add(2*time.Minute)).State)
	r := s.paid(paid("mia", "3", "0.01"), noon.Add(3*time.Minute))
	require.Equal(t, referral.StateHeld, r.State)
	require.Equal(t, "3", r.Order)
	require.Equal(t, referral.StateVoided, s.returned(back("mia", "2", "r", "0.01"), noon.Add(4*time.Minute)).State)
}

// What was promised by no instant is never overdue.
func TestNothingIsOverdueWithoutAPromise(t *testing.T) {
	s := newShop(t, inCredit())
	s.bind("jane", "mia", noon)
	require.Equal(t, referral.StateHeld, s.pay("mia", noon).State)
	page, err := s.Overdue(ctx, "invite", noon.Add(30*day), referral.RewardQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Rewards)
}

func TestOverdueAndNextDeadline(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.DueWithin = 2 * time.Hour }))
	next, err := s.NextDeadline(ctx)
	require.NoError(t, err)
	require.True(t, next.IsZero())
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	next, err = s.NextDeadline(ctx)
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), next)
	for at, want := range map[time.Time]int{noon.Add(2 * time.Hour): 0, noon.Add(2*time.Hour + time.Microsecond): 1} {
		page, err := s.Overdue(ctx, "invite", at, referral.RewardQuery{})
		require.NoError(t, err)
		require.Len(t, page.Rewards, want)
	}
	for limit, ok := range map[int]bool{-1: false, storage.MaxPage: true, storage.MaxPage + 1: false} {
		if _, err := s.Overdue(ctx, "invite", noon, referral.RewardQuery{Limit: limit}); ok {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, referral.ErrRequest)
		}
	}
	s.settle(noon.Add(3 * time.Hour))
	page, err := s.Overdue(ctx, "invite", noon.Add(3*time.Hour), referral.RewardQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Rewards, "it was granted")
}

// The most a program can give, before it starts.
func TestMaxExposure(t *testing.T) {
	all := presets()
	for name, c := range map[string]struct {
		referrers, friends int64
		worth              coupon.Amounts
		bounds             int
	}{
		"amazon":    {10, 100, coupon.Amounts{money("30000.00", "INR")}, 0},
		"dropbox":   {1, 100, coupon.Amounts{money("66000", "MB:0")}, 1},
		"paypal":    {1_000_000, 1_000_000, coupon.Amounts{money("500000.00", "USD")}, 1},
		"wise":      {1, 100, coupon.Amounts{money("225.00", "GBP")}, 1},
		"airbnb":    {1, 1000, coupon.Amounts{money("45000.00", "USD")}, 1},
		"ebay":      {2, 100, coupon.Amounts{eur("1160.00")}, 1},
		"robinhood": {1, 100, coupon.Amounts{money("20000.00", "USD")}, 0},
	} {
		p := all[name]
		x, err := p.MaxExposure(c.referrers, c.friends)
		require.NoError(t, err)
		assert.Equal(t, c.worth, x.Worth, name)
		assert.Len(t, x.Bounds, c.bounds, name)
	}
	p := all["aliexpress"]
	x, err := p.MaxExposure(3, 100)
	require.NoError(t, err)
	require.Equal(t, []coupon.IssueOffer{{Offer: "thanks", Count: 24}, {Offer: "welcome", Count: 200}}, x.Coupons)
	p = all["amazon"]
	_, err = p.MaxExposure(1, 1<<62)
	require.ErrorIs(t, err, ledger.ErrOverflow)
}

// An uplift raises what friends bound before bring, and never lowers it.
func TestUplift(t *testing.T) {
	gives := func(amount string, uplift bool) referral.Program {
		return inCredit(func(p *referral.Program) {
			p.Rewards[0].Credit, p.Uplift = coupon.Amounts{eur(amount)}, uplift
		})
	}
	for _, c := range []struct {
		next referral.Program
		want string
	}{{gives("15.00", true), "15.00"}, {gives("15.00", false), "10.00"}, {gives("5.00", true), "10.00"}} {
		s := newShop(t, gives("10.00", false))
		s.bind("jane", "mia", noon)
		_, err := s.Publish(ctx, c.next, "staff", noon)
		require.NoError(t, err)
		s.pay("mia", noon)
		s.settle(noon.Add(2 * time.Hour))
		require.Equal(t, c.want, s.credit("jane"))
	}
}

// An uplift takes the place of what was told only with what is more of the same: of coupons,
// of what the shop grants by itself, for as long; or by what both are said to be worth. A
// cap or budget that would not count it keeps it out.
func TestUpliftOfAnotherKind(t *testing.T) {
	thanks := referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}}}
	credit := func(amount string) referral.Earning { return referral.Earning{Credit: coupon.Amounts{eur(amount)}} }
	worth := func(e referral.Earning, amount string) referral.Earning {
		e.Worth = coupon.Amounts{eur(amount)}
		return e
	}
	both := credit("1.00")
	both.Coupons = thanks.Coupons
	lasting := func(amount string, life time.Duration) referral.Earning {
		e := credit(amount)
		e.Life = life
		return e
	}
	gift := func(what string) referral.Earning {
		return referral.Earning{Custom: &referral.Custom{Kind: "gift", Details: map[string]string{"what": what}}}
	}
	more := func(e referral.Earning) referral.Earning {
		e.Credit = coupon.Amounts{eur("1.00")}
		return e
	}
	dollars := worth(credit("15.00"), "15.00")
	dollars.Worth = coupon.Amounts{ledger.MustMoney("15.00", usd)}
	for name, c := range map[string]struct {
		told, next referral.Earning
		budget     ledger.Money
		raised     bool
	}{
		"credit in place of coupons":          {told: thanks, next: credit("0.01")},
		"other coupons":                       {told: thanks, next: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome", Count: 3}}}},
		"more of the same coupons":            {told: thanks, next: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks", Count: 2}}}, raised: true},
		"credit besides":                      {told: thanks, next: both, raised: true},
		"worth more":                          {told: worth(thanks, "5.00"), next: worth(credit("6.00"), "6.00"), raised: true},
		"worth less":                          {told: worth(thanks, "5.00"), next: worth(credit("4.00"), "4.00")},
		"no longer for ever":                  {told: credit("10.00"), next: lasting("15.00", day)},
		"for a shorter time":                  {told: lasting("10.00", 2*day), next: lasting("15.00", 2*day-time.Microsecond)},
		"for as long":                         {told: lasting("10.00", 2*day), next: lasting("15.00", 2*day), raised: true},
		"for longer":                          {told: lasting("10.00", 2*day), next: lasting("15.00", 3*day), raised: true},
		"credit in place of the shop's own":   {told: gift("mug"), next: credit("1.00")},
		"credit besides it":                   {told: gift("mug"), next: more(gift("mug")), raised: true},
		"credit besides another of that kind": {told: gift("mug"), next: more(gift("pin"))},
		"a budget that does not count it":     {told: credit("10.00"), next: dollars, budget: eur("100.00")},
		"a budget that does":                  {told: credit("10.00"), next: credit("15.00"), budget: eur("100.00"), raised: true},
	} {
		s := newShop(t, inCredit(func(p *referral.Program) { p.Rewards[0].Earning, p.Budget = c.told, c.budget }))
		s.bind("jane", "mia", noon)
		next := inCredit(func(p *referral.Program) { p.Rewards[0].Earning, p.Uplift = c.next, true })
		require.NoError(t, second0(s.Publish(ctx, next, "staff", noon)), name)
		s.pay("mia", noon)
		want := c.told
		if c.raised {
			want = c.next
		}
		require.Equal(t, want, s.brings("mia").Gives, name)
	}
}

// A cap in money counts what the referrer earns: an uplift that it would not count is kept
// out for the referrer, and is none of its business for the friend.
func TestUpliftBesideACapInMoney(t *testing.T) {
	dollars := func(amount string) referral.Earning {
		return referral.Earning{Credit: coupon.Amounts{eur(amount)}, Worth: coupon.Amounts{ledger.MustMoney(amount, usd)}}
	}
	for side, raised := range map[referral.Side]bool{referral.Referrer: false, referral.Referee: true} {
		s := newShop(t, inCredit(func(p *referral.Program) {
			p.Rewards[0].Side, p.Caps = side, []referral.Cap{{Amount: eur("100.00")}}
		}))
		s.bind("jane", "mia", noon)
		next := inCredit(func(p *referral.Program) {
			p.Rewards[0].Side, p.Rewards[0].Earning, p.Uplift = side, dollars("15.00"), true
		})
		require.NoError(t, second0(s.Publish(ctx, next, "staff", noon)))
		s.pay("mia", noon)
		require.Equal(t, raised, s.reward("mia", side, referral.Qualified).Gives.Credit[0] == eur("15.00"), side)
	}
}

// A return that is told after the hold, before anything was settled, comes to the same as
// one that is told once the rewards are granted: what the same work is about to grant pays
// for what it takes back, of one reward first, and of nobody else's.
func TestReturnsBeforeTheHoldIsSettled(t *testing.T) {
	dollars := func(amount string) ledger.Money { return ledger.MustMoney(amount, usd) }
	p := inCredit(func(p *referral.Program) {
		p.Shortfall, p.Qualify.MinimumSpend = referral.ShortfallReduces, coupon.Amounts{eur("20.00")}
		p.Rewards[0].Credit = coupon.Amounts{eur("10.00"), dollars("8.00")}
		p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("4.00"), dollars("2.00")}}})
		p.Milestones = []referral.Milestone{{Friends: 1, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("5.00")}}}}
	})
	for _, c := range []struct {
		back string
		want map[string][]string // what each has then, beside 1000.00 of each currency
	}{
		{"5.00", map[string][]string{"jane": {"1012.50", "1006.00"}, "mia": {"1003.00", "1001.50"}}},
		{"20.00", map[string][]string{"jane": {"1000.00", "1000.00"}, "mia": {"1000.00", "1000.00"}}},
	} {
		for _, settled := range []bool{false, true} {
			s := newShop(t, p)
			for who := range c.want {
				for _, gift := range []ledger.Money{eur("1000.00"), dollars("1000.00")} {
					_, err := s.coupons.GrantCredit(ctx, coupon.CreditRequest{ID: gift.Currency().Code() + " to " + who, Customer: who, Amount: gift}, noon)
					require.NoError(t, err)
				}
			}
			s.bind("jane", "mia", noon)
			s.paid(paid("mia", "o", "20.00"), noon)
			if settled {
				s.settle(noon.Add(2 * time.Hour))
			}
			s.returned(back("mia", "o", "r", c.back), noon.Add(2*time.Hour))
			s.settle(noon.Add(3 * time.Hour))
			for who, want := range c.want {
				var has []string
				for _, currency := range []ledger.Currency{euro, usd} {
					m, err := s.coupons.Credit(ctx, who, currency)
					require.NoError(t, err)
					has = append(has, m.Amount())
				}
				require.Equal(t, want, has, "%s, %s back, settled: %t", who, c.back, settled)
			}
			require.Empty(t, s.brings("mia").OwedMoney)
		}
	}
}

// Two returns that are decided at once take together what they take one after the other.
func TestTwoReductionsAtOnce(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Shortfall, p.Qualify.MinimumSpend, p.Lateness = referral.ShortfallReduces, coupon.Amounts{eur("20.00")}, time.Hour
	}))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "o", "20.00"), noon)
	for range 3 {
		s.settle(noon.Add(3 * time.Hour))
	}
	require.Equal(t, "10.00", s.credit("jane"))
	for i, id := range []string{"first", "second"} {
		at := noon.Add(4*time.Hour + time.Duration(i)*time.Minute)
		s.returned(back("mia", "o", id, "5.00"), at)
	}
	require.Empty(t, s.reductions("mia"), "it is decided an hour later")
	s.settle(noon.Add(7 * time.Hour))
	require.Len(t, s.reductions("mia"), 2)
	require.Equal(t, coupon.Amounts{eur("5.00")}, s.brings("mia").TakenBack)
	require.Equal(t, "5.00", s.credit("jane"))
}

// A return that reduces a reward and one of everything, decided at once, take it back once.
func TestReductionAndReversalAtOnce(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Shortfall, p.Qualify.MinimumSpend, p.Lateness = referral.ShortfallReduces, coupon.Amounts{eur("20.00")}, time.Hour
	}))
	require.NoError(t, second0(s.coupons.GrantCredit(ctx, coupon.CreditRequest{ID: "gift", Customer: "jane", Amount: eur("50.00")}, noon)))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "o", "20.00"), noon)
	for range 3 {
		s.settle(noon.Add(3 * time.Hour))
	}
	require.Equal(t, "60.00", s.credit("jane"))
	s.returned(back("mia", "o", "first", "5.00"), noon.Add(4*time.Hour))
	s.returned(cancelled("mia", "o"), noon.Add(4*time.Hour+time.Minute))
	require.Equal(t, "60.00", s.credit("jane"), "it is decided an hour later")
	s.settle(noon.Add(7 * time.Hour))
	require.Equal(t, referral.StateReversed, s.referral("mia").State)
	require.Equal(t, "50.00", s.credit("jane"))
	require.Equal(t, coupon.Amounts{eur("10.00")}, s.brings("mia").TakenBack)
}

// Terms that give facts time to arrive want attention that much after each instant, and
// none once all is decided.
func TestDeadlinesOfLateFacts(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) { p.Lateness, p.Qualify.Within = 3*time.Hour, 5*day }))
	next := func() time.Time {
		due, err := s.NextDeadline(ctx)
		require.NoError(t, err)
		return due
	}
	s.bind("jane", "mia", noon)
	require.Equal(t, noon.Add(5*day+3*time.Hour), next(), "the time to qualify")
	s.paid(paid("mia", "o", "20.00"), noon.Add(day))
	require.Equal(t, noon.Add(day+3*time.Hour), next(), "the payment")
	s.settle(next())
	require.Equal(t, noon.Add(day+4*time.Hour), next(), "the hold")
	s.settle(next())
	require.Equal(t, referral.StateConfirmed, s.referral("mia").State)
	s.settle(noon.Add(10 * day)) // nothing is left to judge but that time is over
	require.Zero(t, next())
}

// Of a milestone lost after the life of its credit, what was spent in it is owed.
func TestMilestonesLostAfterTheirLife(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Rewards, p.Debt = nil, referral.DebtSetOff
		p.Milestones = []referral.Milestone{{Friends: 1, Earning: referral.Earning{Credit: coupon.Amounts{eur("10.00")}, Life: 30 * day}}}
	}))
	s.confirmed("mia", noon)
	s.spend("jane", "4.00")
	s.settle(noon.Add(40 * day))
	require.Equal(t, "0.00", s.credit("jane"))
	s.returned(cancelled("mia", "mia's order"), noon.Add(41*day))
	s.confirmed("ida", noon.Add(42*day))
	require.Equal(t, "6.00", s.credit("jane"), "what was spent is set off")
}

// Of a set that names one offer twice, as many coupons are set off as are owed.
func TestAnOfferTwiceIsSetOffOnce(t *testing.T) {
	s := newShop(t, changed(held(8), func(p *referral.Program) {
		p.Debt = referral.DebtSetOff
		p.Rewards[1].Coupons = []coupon.IssueOffer{{Offer: "thanks"}, {Offer: "thanks"}}
	}))
	s.confirmed("mia", noon)
	s.reserve("jane's", "jane", noon.Add(3*time.Hour))
	require.NoError(t, second0(s.coupons.Confirm(ctx, "jane's", noon.Add(3*time.Hour))))
	s.returned(cancelled("mia", "mia's order"), noon.Add(day))
	require.Len(t, s.brings("mia").Owed, 1)
	s.confirmed("ida", noon.Add(2*day))
	require.Equal(t, 1, s.wallet("jane"), "one of two went to what is owed")
}

// A gift that the shop was never asked for is not asked back: its part of the budget is free
// at once.
func TestGiftsNeverAskedFor(t *testing.T) {
	hook := newCounter()
	s := hooked(t, hook, func(p *referral.Program) { p.Budget = eur("10.00") })
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "o", "20.00"), noon)
	s.returned(cancelled("mia", "o"), noon.Add(time.Minute))
	require.Equal(t, referral.RewardCanceled, s.brings("mia").State)
	require.True(t, s.bind("jane", "ida", noon.Add(2*time.Minute)).Bound)
	s.settle(noon.Add(day))
	require.Empty(t, hook.back)
}

// A gift that the shop may have given when it is withheld for good is asked back.
func TestWithheldGiftsAreAskedBack(t *testing.T) {
	hook := newCounter()
	hook.stock = 0
	s := hooked(t, hook)
	s.confirmed("mia", noon)
	s.settle(noon.Add(3 * time.Hour))
	require.NotZero(t, hook.calls)
	require.Equal(t, referral.RewardPending, s.brings("mia").State)
	require.NoError(t, s.Ban(ctx, "jane", "staff", "sells codes", noon.Add(4*time.Hour)))
	s.settle(noon.Add(day))
	require.Equal(t, referral.RewardWithheld, s.brings("mia").State)
	s.settle(noon.Add(2 * day))
	require.Len(t, hook.back, 1)
	require.Zero(t, s.settle(noon.Add(3*day)).Done)
}

// Of what had to be made up for, goods that never counted may come back.
func TestGoodsOutOfScopeComeBackLate(t *testing.T) {
	tea, card := []string{"tea"}, []string{"gift card"}
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Qualify = referral.Qualification{Cumulative: true, MinimumSpend: coupon.Amounts{eur("25.00")}, In: referral.Goods{Categories: tea}}
	}))
	s.bind("jane", "mia", noon)
	at := noon
	for _, order := range []string{"1", "2", "3"} {
		p := paid("mia", order, "21.00")
		p.Parts = []referral.Part{{Categories: tea, Amount: eur("16.00")}, {Categories: card, Amount: eur("5.00")}}
		s.paid(p, at)
		at = at.Add(time.Minute)
		if order == "1" {
			r := back("mia", order, "tea", "10.00")
			r.Parts = []referral.Part{{Categories: tea, Amount: eur("10.00")}}
			s.returned(r, at)
			at = at.Add(time.Minute)
		}
	}
	require.Equal(t, []any{referral.StateHeld, "3"}, []any{s.referral("mia").State, s.referral("mia").Order})
	for _, c := range []struct {
		of   []string
		want referral.State
	}{{card, referral.StateHeld}, {tea, referral.StateVoided}} {
		r := back("mia", "2", c.of[0], "0.01")
		r.Parts = []referral.Part{{Categories: c.of, Amount: eur("0.01")}}
		require.Equal(t, c.want, s.returned(r, at).State, c.of)
	}
}

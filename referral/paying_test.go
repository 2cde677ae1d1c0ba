package referral_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// kindsOf are the kinds of documents that a batch writes.
func kindsOf(b storage.Batch) map[string]int {
	kinds := make(map[string]int)
	for _, p := range b.Puts {
		kinds[p.Key.Kind]++
	}
	return kinds
}

// What an order's payment does to coupons and to referrals is one batch, and so is
// what its return does.
func TestOneBatch(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	s.reserve("order", "mia", noon)
	store := &counted{Store: s.store}
	joined := on(store, referral.Options{Events: true})

	settled, err := joined.OrderPaid(ctx, paid("mia", "order", "28.00"), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, coupon.StateConfirmed, settled.Redemption.State)
	require.Equal(t, referral.StateConfirmed, settled.Referrals[0].State)
	require.Len(t, store.applied, 1)
	require.Equal(t, map[string]int{
		"redemption": 1, "coupon": 2, "code": 1, "issue": 1, "referral": 1, "reward": 1, "entry": 3, "event": 1,
	}, kindsOf(store.applied[0]))
	require.Len(t, store.applied[0].Adds, 1)

	store.applied = nil
	request := referral.Return{ID: "r", Order: "order", Customer: "mia", Coupons: &coupon.RefundRequest{Everything: true}}
	settled, err = joined.OrderReturned(ctx, request, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, eur("68.00"), settled.Refund.Amount)
	require.Equal(t, referral.StateReversed, settled.Referrals[0].State)
	require.Len(t, store.applied, 1)
	require.Equal(t, map[string]int{"redemption": 1, "coupon": 2, "referral": 1, "reward": 1, "entry": 3, "event": 1}, kindsOf(store.applied[0]))
	require.Zero(t, s.wallet("jane"))
	require.Equal(t, 2, s.wallet("mia"), "the friend's own coupon can be used again")

	again, err := joined.OrderReturned(ctx, request, noon.Add(day))
	require.NoError(t, err)
	require.Equal(t, settled.Refund, again.Refund)
	require.Equal(t, settled.Referrals, again.Referrals)
}

// A friend who buys for years does not make the referral grow, nor is it written.
func TestLaterOrdersDoNotConcernTheReferral(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	before := s.pay("mia", noon)
	store := &counted{Store: s.store}
	later := on(store, referral.Options{})
	for i := range 20 {
		at := noon.Add(time.Duration(i+1) * day)
		settled, err := later.OrderPaid(ctx, paid("mia", at.String(), "50.00"), at)
		require.NoError(t, err)
		require.Equal(t, before, settled.Referrals[0])
	}
	for _, b := range store.applied {
		require.True(t, b.Empty())
	}
}

// Where an order has redeemed coupons, they say what was paid for goods and what credit
// paid of it; told again it is the same, whatever came back meanwhile.
func TestAmountOfTheRedemption(t *testing.T) {
	s := newShop(t, held(8))
	for _, friend := range []string{"mia", "ida"} {
		s.bind("jane", friend, noon)
		s.reserve(friend, friend, noon)
	}
	told, untold := paid("mia", "mia", "28.00"), referral.Payment{Order: "ida", Customer: "ida"}
	require.Equal(t, s.paid(told, noon).Facts[0].Amount, s.paid(untold, noon).Facts[0].Amount)
	request := coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 1}}}
	s.returned(referral.Return{ID: "r", Order: "ida", Customer: "ida", Coupons: &request}, noon.Add(time.Minute))
	again := s.paid(untold, noon.Add(2*time.Minute))
	require.Equal(t, eur("28.00"), again.Facts[0].Amount)
	require.ErrorIs(t, second(s.OrderPaid(ctx, paid("ida", "ida", "28.01"), noon)), ledger.ErrKeyReused)

	for name, payment := range map[string]referral.Payment{
		"no redemption": {Order: "other", Customer: "mia"},
		"with credit":   {Order: "mia", Customer: "mia", Credit: eur("1.00")},
		"too much told": {Order: "ida", Customer: "ida", Parts: []referral.Part{{Seller: "x", Amount: eur("28.01")}}},
	} {
		require.ErrorIs(t, second(s.OrderPaid(ctx, payment, noon)), referral.ErrRequest, name)
	}
}

func TestGivingShippingBackTakesNothing(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	s.reserve("order", "mia", noon)
	s.paid(paid("mia", "order", "28.00"), noon)
	part := func(id string, request coupon.RefundRequest) referral.State {
		return s.returned(referral.Return{ID: id, Order: "order", Customer: "mia", Coupons: &request}, noon.Add(time.Hour)).State
	}
	require.Equal(t, referral.StateConfirmed, part("late", coupon.RefundRequest{Shipping: []string{"parcel"}})) // 40.00 of it
	require.Equal(t, referral.StateConfirmed, part("two", coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 2}}}))
	require.Equal(t, referral.StateReversed, part("rest", coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 1}}}))

	s.bind("jane", "ida", noon)
	s.reserve("hers", "ida", noon)
	s.paid(paid("ida", "hers", "28.00"), noon)
	both := coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 1}}, Shipping: []string{"parcel"}} // 49.33, 9.33 of it for goods
	require.Equal(t, referral.StateConfirmed, s.returned(referral.Return{ID: "r", Order: "hers", Customer: "ida", Coupons: &both}, noon).State)
}

// A refund of coupons says how much came back, its parts of what: of goods that don't count
// nothing is taken away, and more than the refund can't be in parts.
func TestPartsOfARefundOfCoupons(t *testing.T) {
	parts := func(tea, card string) []referral.Part {
		return []referral.Part{{Categories: []string{"tea"}, Amount: eur(tea)}, {Categories: []string{"gift card"}, Amount: eur(card)}}
	}
	s := newShop(t, changed(held(8), func(p *referral.Program) {
		p.Qualify.In.Categories, p.Qualify.MinimumSpend = []string{"tea"}, coupon.Amounts{eur("18.66")}
	}))
	s.bind("jane", "mia", noon)
	s.reserve("order", "mia", noon)
	p := paid("mia", "order", "28.00")
	p.Parts = parts("18.66", "9.34")
	require.Equal(t, referral.StateHeld, s.paid(p, noon).State)
	unit := func(id string, parts []referral.Part) referral.Return {
		return referral.Return{ID: id, Order: "order", Customer: "mia", Parts: parts, Coupons: &coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 1}}}}
	}
	require.ErrorIs(t, second(s.OrderReturned(ctx, unit("card", parts("0.01", "9.34")), noon)), referral.ErrRequest)
	require.Equal(t, referral.StateHeld, s.returned(unit("card", parts("0.00", "9.33")), noon).State)
	require.Equal(t, referral.StateVoided, s.returned(unit("tea", parts("0.01", "9.32")), noon).State)
}

func TestWhatQualifies(t *testing.T) {
	minimum := func(p *referral.Program) {
		p.Qualify.MinimumSpend = coupon.Amounts{eur("10.00"), ledger.MustMoney("12.00", usd)}
	}
	inAWeek := func(p *referral.Program) { p.Qualify.Within = 7 * day }
	dollars := func(amount string) referral.Payment {
		return referral.Payment{Order: "o", Customer: "mia", Amount: ledger.MustMoney(amount, usd)}
	}
	for name, c := range map[string]struct {
		change  func(*referral.Program)
		payment referral.Payment
		after   time.Duration
		backs   []referral.Return
		state   referral.State
	}{
		"a cent":                             {payment: paid("mia", "o", "0.01"), state: referral.StateHeld},
		"nothing, all by coupons":            {payment: paid("mia", "o", "0.00"), state: referral.StateBound},
		"the instant of registration":        {payment: paid("mia", "o", "5.00"), after: 0, state: referral.StateHeld},
		"before registration":                {payment: paid("mia", "o", "5.00"), after: -time.Microsecond, state: referral.StateBound},
		"the last instant in time":           {change: inAWeek, payment: paid("mia", "o", "5.00"), after: 7*day - time.Microsecond, state: referral.StateHeld},
		"too late":                           {change: inAWeek, payment: paid("mia", "o", "5.00"), after: 7 * day, state: referral.StateExpired},
		"the minimum":                        {change: minimum, payment: paid("mia", "o", "10.00"), state: referral.StateHeld},
		"below the minimum":                  {change: minimum, payment: paid("mia", "o", "9.99"), state: referral.StateBound},
		"the minimum in another currency":    {change: minimum, payment: dollars("12.00"), state: referral.StateHeld},
		"below it":                           {change: minimum, payment: dollars("11.99"), state: referral.StateBound},
		"a currency without a minimum":       {change: minimum, payment: referral.Payment{Order: "o", Customer: "mia", Amount: ledger.MustMoney("9000", ledger.MustCurrency("JPY"))}, state: referral.StateBound},
		"part of it comes back":              {payment: paid("mia", "o", "5.00"), backs: []referral.Return{back("mia", "o", "1", "4.99")}, state: referral.StateHeld},
		"all comes back, in parts":           {payment: paid("mia", "o", "5.00"), backs: []referral.Return{back("mia", "o", "1", "4.99"), back("mia", "o", "2", "0.01")}, state: referral.StateVoided},
		"one part, told twice":               {payment: paid("mia", "o", "5.00"), backs: []referral.Return{back("mia", "o", "1", "3.00"), back("mia", "o", "1", "3.00")}, state: referral.StateHeld},
		"down to the minimum":                {change: minimum, payment: paid("mia", "o", "15.00"), backs: []referral.Return{back("mia", "o", "1", "5.00")}, state: referral.StateHeld},
		"below the minimum, by a return":     {change: minimum, payment: paid("mia", "o", "15.00"), backs: []referral.Return{back("mia", "o", "1", "5.01")}, state: referral.StateVoided},
		"more comes back than was paid":      {payment: paid("mia", "o", "5.00"), backs: []referral.Return{back("mia", "o", "1", "90000000000000000.00"), back("mia", "o", "2", "90000000000000000.00")}, state: referral.StateVoided},
		"it comes back in another currency":  {payment: paid("mia", "o", "5.00"), backs: []referral.Return{{ID: "1", Order: "o", Customer: "mia", Amount: ledger.MustMoney("0.01", usd)}}, state: referral.StateVoided},
		"another order comes back":           {payment: paid("mia", "o", "5.00"), backs: []referral.Return{cancelled("mia", "p")}, state: referral.StateHeld},
		"the order is cancelled, no amounts": {payment: paid("mia", "o", "5.00"), backs: []referral.Return{cancelled("mia", "o")}, state: referral.StateVoided},
	} {
		t.Run(name, func(t *testing.T) {
			p := held(8)
			if c.change != nil {
				c.change(&p)
			}
			s := newShop(t, p)
			s.bind("jane", "mia", noon)
			at := noon.Add(c.after)
			r := s.paid(c.payment, at)
			for _, b := range c.backs {
				r = s.returned(b, at.Add(time.Minute))
			}
			require.Equal(t, c.state, r.State)
			require.Equal(t, r, s.referral("mia"))
			want := map[referral.State]referral.RewardState{referral.StateHeld: referral.RewardPending, referral.StateVoided: referral.RewardCanceled}[c.state]
			require.Equal(t, want, s.brings("mia").State)
			places := int64(0)
			if c.state == referral.StateHeld {
				places = 1
			}
			require.Equal(t, places, s.used("jane", at))
			require.Equal(t, 2, s.wallet("mia"), "what registration gave stays")
		})
	}
}

// A referral in which nobody pays in time expires by itself.
func TestExpiry(t *testing.T) {
	s := newShop(t, changed(program(8), func(p *referral.Program) { p.Qualify.Within = 7 * day }))
	s.bind("jane", "mia", noon)
	require.Zero(t, s.settle(noon.Add(7*day-time.Microsecond)).Done)
	require.Equal(t, 1, s.settle(noon.Add(7*day)).Done)
	r := s.referral("mia")
	require.Equal(t, []any{referral.StateExpired, noon.Add(7 * day)}, []any{r.State, r.Ended})
	require.Equal(t, r, s.pay("mia", noon.Add(time.Hour)), "it is over, and stays so when the clock goes back")
	require.Zero(t, s.settle(noon.Add(70*day)).Done)
}

// The first payment decides: what comes back later, or is bought instead, moves the
// reward to no other order.
func TestTheFirstPaymentDecides(t *testing.T) {
	s := newShop(t, held(8))
	for _, friend := range []string{"mia", "ida", "noa", "eve"} {
		s.bind("jane", friend, noon)
	}
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	s.paid(paid("mia", "1", "5.00"), minute(1))
	s.paid(paid("mia", "2", "50.00"), minute(2))
	require.Equal(t, referral.StateVoided, s.returned(cancelled("mia", "1"), minute(3)).State)
	require.Equal(t, referral.StateVoided, s.paid(paid("mia", "3", "50.00"), minute(4)).State)

	s.returned(cancelled("ida", "1"), minute(3)) // the return is told first
	require.Equal(t, referral.StateVoided, s.paid(paid("ida", "1", "5.00"), minute(4)).State)

	s.paid(paid("noa", "2", "50.00"), minute(20)) // the first payment is told last
	r := s.paid(paid("noa", "1", "5.00"), minute(10))
	require.Equal(t, []any{referral.StateHeld, "1", minute(10), minute(70)}, []any{r.State, r.Order, r.Paid, r.HoldUntil})
	require.Equal(t, minute(70), s.brings("noa").NotBefore)
	require.Equal(t, referral.StateHeld, s.returned(cancelled("noa", "2"), minute(30)).State)
	require.Equal(t, referral.StateVoided, s.returned(cancelled("noa", "1"), minute(30)).State)

	s.paid(paid("eve", "2", "50.00"), minute(20))
	s.settle(minute(80))
	s.paid(paid("eve", "1", "50.00"), minute(10))
	require.Equal(t, referral.StateReversed, s.returned(cancelled("eve", "1"), minute(90)).State)
}

// The hold ends at its instant, not before; a return before it is settled still
// counts.
func TestHold(t *testing.T) {
	s := newShop(t, held(8))
	for _, friend := range []string{"mia", "ida"} {
		s.bind("jane", friend, noon)
		r := s.pay(friend, noon)
		require.Equal(t, []time.Time{noon.Add(time.Hour), noon.Add(day)}, []time.Time{r.HoldUntil, r.DueBy})
	}
	require.Zero(t, s.settle(noon.Add(time.Hour-time.Microsecond)).Done)
	require.Zero(t, s.wallet("jane"))
	require.Equal(t, referral.StateVoided, s.returned(cancelled("ida", "ida's order"), noon.Add(2*time.Hour)).State)
	require.Equal(t, 1, s.settle(noon.Add(time.Hour)).Done)
	reward := s.brings("mia")
	require.Equal(t, []any{referral.RewardGranted, noon.Add(time.Hour), noon.Add(time.Hour), noon.Add(day)}, []any{reward.State, reward.Granted, reward.NotBefore, reward.DueBy})
	require.Equal(t, 1, s.wallet("jane"))
	require.Zero(t, s.settle(noon.Add(30*day)).Done)
}

// A place that a return frees serves the next friend; who was withheld stays so.
func TestFreedPlaces(t *testing.T) {
	for name, p := range map[string]referral.Program{"before the reward": held(1), "after the reward": program(1)} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, p)
			for _, friend := range []string{"mia", "ida", "noa"} {
				s.bind("jane", friend, noon)
			}
			s.pay("mia", noon)
			s.pay("ida", noon)
			require.Equal(t, referral.RewardWithheld, s.brings("ida").State)
			s.returned(cancelled("mia", "mia's order"), noon.Add(time.Minute))
			require.Zero(t, s.used("jane", noon))
			s.pay("noa", noon.Add(time.Minute))
			s.settle(noon.Add(day))
			require.Equal(t, []referral.RewardState{referral.RewardWithheld, referral.RewardGranted}, []referral.RewardState{s.brings("ida").State, s.brings("noa").State})
			require.Equal(t, referral.StateConfirmed, s.referral("ida").State)
			require.Equal(t, int64(1), s.used("jane", noon))
			require.Equal(t, 1, s.wallet("jane"))
			require.Equal(t, 2, s.wallet("ida"), "the friend gets theirs")
			require.Equal(t, referral.StateReversed, s.returned(cancelled("ida", "ida's order"), noon.Add(day)).State)
			require.Equal(t, int64(1), s.used("jane", noon), "who held no place frees none")
		})
	}
}

// Periods begin by the program's zone, and the instant of the payment counts.
func TestCapsOfPeriods(t *testing.T) {
	s := newShop(t, changed(program(100), func(p *referral.Program) {
		p.Caps = []referral.Cap{{Friends: 1, Period: ledger.Day}, {Friends: 2, Period: ledger.Month}}
		p.Zone = "Europe/Berlin"
	}))
	midnight := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC) // in Berlin
	for _, friend := range []string{"1", "2", "3", "4", "5"} {
		s.bind("jane", friend, noon)
	}
	for i, c := range []struct {
		at  time.Time
		why string
	}{
		{midnight.Add(-time.Microsecond), ""},
		{midnight.Add(-time.Microsecond), "the cap of 1 friends a day is reached: 1 are rewarded or about to be"},
		{midnight, ""},
		{midnight.Add(3 * day), "the cap of 2 friends a month is reached: 2 are rewarded or about to be"},
		{time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC), ""}, // December, in Berlin
	} {
		friend := string(rune('1' + i))
		s.pay(friend, c.at)
		require.Equal(t, c.why, s.brings(friend).Why, friend)
	}
	require.Len(t, s.referral("5").Claims, 2)
	s.returned(cancelled("1", "1's order"), midnight.Add(-time.Microsecond))
	status, err := s.Caps(ctx, "invite", "jane", midnight)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1}, []int64{status[0].Used, status[1].Used})
	// Years later the counter of the day may be gone: nothing is given back to it.
	s.returned(cancelled("3", "3's order"), midnight.Add(3*365*day))
	require.Equal(t, int64(1), s.referral("3").Claims[0].N)
}

// A cap counts friends, not coupons: who was rewarded for a registration has taken a
// place, and keeps it with what registration gave.
func TestCapsOfRegistration(t *testing.T) {
	s := newShop(t, changed(bothSides(2), func(p *referral.Program) { p.Qualify.Within = 7 * day }))
	for _, friend := range []string{"mia", "ida", "noa"} {
		s.bind("jane", friend, noon)
	}
	require.Equal(t, int64(2), s.used("jane", noon))
	require.Equal(t, 2, s.wallet("jane"))
	withheld := s.reward("noa", referral.Referrer, referral.Registered)
	require.Equal(t, referral.RewardWithheld, withheld.State)
	require.Equal(t, 1, s.wallet("noa"))

	s.pay("mia", noon)
	s.pay("noa", noon)
	require.Equal(t, referral.RewardPending, s.brings("mia").State)
	require.Equal(t, []any{referral.RewardWithheld, withheld.Why}, []any{s.brings("noa").State, s.brings("noa").Why})
	require.Equal(t, int64(2), s.used("jane", noon), "one place a friend, however many steps")
	s.settle(noon.Add(8 * day)) // ida's expires
	require.Equal(t, referral.StateExpired, s.referral("ida").State)
	require.Equal(t, int64(2), s.used("jane", noon), "jane keeps what ida's registration gave")
	require.Equal(t, 3, s.wallet("jane"))
	require.Equal(t, 2, s.wallet("noa"))
}

// What was withheld at registration is withheld at the payment too, though another
// month has begun.
func TestWithheldStaysWithheld(t *testing.T) {
	s := newShop(t, changed(bothSides(1), func(p *referral.Program) { p.Caps[0].Period = ledger.Month }))
	s.bind("jane", "mia", noon)
	s.bind("jane", "ida", noon)
	s.pay("ida", noon.Add(20*day))
	require.Equal(t, referral.RewardWithheld, s.brings("ida").State)
	require.Equal(t, s.reward("ida", referral.Referrer, referral.Registered).Why, s.brings("ida").Why)
	require.Zero(t, s.used("jane", noon.Add(20*day)))
}

// A cap of a program that gives the referrer nothing counts nobody.
func TestCapsWithoutAReferrer(t *testing.T) {
	s := newShop(t, changed(program(1), func(p *referral.Program) { p.Rewards = p.Rewards[:1] }))
	for _, friend := range []string{"mia", "ida"} {
		s.bind("jane", friend, noon)
		require.Equal(t, referral.StateConfirmed, s.pay(friend, noon).State)
	}
	require.Zero(t, s.used("jane", noon))
}

// A reward whose coupons can't be issued is not lost, and the payment is not refused.
// It is told once, and tried again for as long as it takes.
func TestRewardsWaitForTheirOffers(t *testing.T) {
	over := offer("thanks", "5.00")
	over.Schedule.Until = noon.Add(time.Second)
	many := offer("thanks", "5.00")
	many.Limits = []coupon.Limit{{Per: coupon.PerCoupon, Uses: 1000}} // more than a held coupon can have
	for name, spoil := range map[string]func(*shop) error{
		"paused":            func(s *shop) error { return s.coupons.Pause(ctx, "thanks", "staff", "asked for", noon) },
		"over":              func(s *shop) error { return second0(s.coupons.Publish(ctx, over, "staff", noon)) },
		"not for one alone": func(s *shop) error { return second0(s.coupons.Publish(ctx, many, "staff", noon)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, program(8))
			s.bind("jane", "mia", noon)
			require.NoError(t, spoil(s))
			require.Equal(t, referral.StateConfirmed, s.pay("mia", noon.Add(time.Minute)).State)
			reward := s.brings("mia")
			require.Equal(t, referral.RewardPending, reward.State)
			require.NotEmpty(t, reward.Why)
			told := s.referral("mia").Decisions
			for i := range 5 {
				require.Equal(t, 1, s.settle(noon.Add(time.Duration(i+2)*time.Hour)).Done)
			}
			require.Equal(t, told, s.referral("mia").Decisions)
			page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
			require.NoError(t, err)
			require.Equal(t, "it can't be given at the moment, and is tried again", page.Friends[0].Reward.Why)

			require.NoError(t, s.coupons.Resume(ctx, "thanks", "staff", "asked for", noon))
			require.NoError(t, second0(s.coupons.Publish(ctx, offer("thanks", "6.00"), "staff", noon)))
			require.Equal(t, 1, s.settle(noon.Add(day)).Done)
			reward = s.brings("mia")
			require.Equal(t, []any{referral.RewardGranted, ""}, []any{reward.State, reward.Why})
			require.Equal(t, 1, s.wallet("jane"))
		})
	}
}

func second0[A any](_ A, err error) error { return err }

// What waits is canceled when the payment is taken back.
func TestWaitingRewardsAreCanceled(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	require.NoError(t, s.coupons.Pause(ctx, "thanks", "staff", "asked for", noon))
	s.pay("mia", noon)
	require.Equal(t, referral.StateReversed, s.returned(cancelled("mia", "mia's order"), noon).State)
	require.Equal(t, referral.RewardCanceled, s.brings("mia").State)
	require.NoError(t, s.coupons.Resume(ctx, "thanks", "staff", "asked for", noon))
	require.Zero(t, s.settle(noon.Add(30*day)).Done)
	require.Zero(t, s.wallet("jane"))
}

// While the program is paused nothing is granted; registrations before it, and their
// payments, are not lost.
func TestPausedPrograms(t *testing.T) {
	s := newShop(t, bothSides(8))
	s.bind("jane", "mia", noon)
	require.NoError(t, s.Pause(ctx, "invite", "staff", "too many", noon))
	require.NoError(t, s.Pause(ctx, "invite", "staff", "again", noon))
	require.Equal(t, referral.StateHeld, s.pay("mia", noon).State)
	for i := range 3 {
		s.settle(noon.Add(time.Duration(i+2) * time.Hour))
	}
	require.Equal(t, referral.StateHeld, s.referral("mia").State)
	require.Equal(t, 1, s.wallet("jane"))
	require.NoError(t, s.Resume(ctx, "invite", "staff", "asked for", noon))
	s.settle(noon.Add(6 * time.Hour))
	require.Equal(t, referral.StateConfirmed, s.referral("mia").State)
	require.Equal(t, 2, s.wallet("jane"))
	require.Equal(t, 2, s.wallet("mia"))
}

// Two rewards of one referral that wait at once are both granted in one sweep.
func TestTwoRewardsWait(t *testing.T) {
	s := newShop(t, bothSides(8))
	require.NoError(t, s.coupons.Pause(ctx, "welcome", "staff", "asked for", noon))
	o := s.bind("jane", "mia", noon)
	require.Len(t, o.Rewards, 2)
	require.Equal(t, []referral.RewardState{referral.RewardPending, referral.RewardPending}, []referral.RewardState{o.Rewards[0].State, o.Rewards[1].State})
	require.NoError(t, s.coupons.Resume(ctx, "welcome", "staff", "asked for", noon))
	require.Equal(t, 2, s.settle(noon.Add(time.Hour)).Done)
	require.Equal(t, []int{1, 1}, []int{s.wallet("jane"), s.wallet("mia")})
}

// A coupon that an order has reserved or used is owed, the others are taken back.
func TestClawBack(t *testing.T) {
	three := changed(program(8), func(p *referral.Program) { p.Rewards[1].Coupons[0].Count = 3 })
	s := newShop(t, three)
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	ids := s.brings("mia").Coupons
	require.Len(t, ids, 3)
	for i, id := range ids[:2] {
		order := string(rune('a' + i))
		quote, err := s.coupons.Quote(ctx, cart("jane"), coupon.ChooseCoupons(id).For(order), noon)
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, second0(s.coupons.Redeem(ctx, order, quote, noon)))
		} else {
			require.NoError(t, second0(s.coupons.Reserve(ctx, order, quote, noon)))
		}
	}
	require.NoError(t, second0(s.coupons.Revoke(ctx, ids[2], "staff", "stolen", noon)))
	s.reversesMia(ids, ids[:2], ids)
}

// reversesMia takes mia's order back, and requires that the reward of it is taken back with
// all coupons revoked, some of those given owed, and none of jane's left.
func (s *shop) reversesMia(given, owed, revoked []string) {
	s.t.Helper()
	require.Equal(s.t, referral.StateReversed, s.returned(cancelled("mia", "mia's order"), noon.Add(time.Minute)).State)
	reward := s.brings("mia")
	require.Equal(s.t, []any{referral.RewardClawedBack, given, owed}, []any{reward.State, reward.Coupons, reward.Owed})
	require.Zero(s.t, s.wallet("jane"))
	for _, id := range revoked {
		c, err := s.coupons.Coupon(ctx, id)
		require.NoError(s.t, err)
		require.NotNil(s.t, c.Revoked)
	}
}

// A coupon that staff gave in place of one that was lost is taken back with it, or owed
// where either was used.
func TestClawBackOfReissuedCoupons(t *testing.T) {
	s := newShop(t, changed(program(8), func(p *referral.Program) { p.Rewards[1].Coupons[0].Count = 2 }))
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	ids := s.brings("mia").Coupons
	require.Len(t, ids, 2)
	made := make([]string, len(ids))
	for i, id := range ids {
		made[i] = id
		for n := range 2 {
			c, err := s.coupons.Reissue(ctx, coupon.ReissueRequest{ID: fmt.Sprint("new/", i, "/", n), Coupon: made[i], Actor: "staff", Reason: "lost"}, noon)
			require.NoError(t, err)
			made[i] = c.ID
		}
	}
	quote, err := s.coupons.Quote(ctx, cart("jane"), coupon.ChooseCoupons(made[0]), noon)
	require.NoError(t, err)
	require.NoError(t, second0(s.coupons.Redeem(ctx, "order", quote, noon)))
	s.reversesMia(ids, ids[:1], made)
}

// The same return with another amount, or the same payment, is refused and changes
// nothing.
func TestKeysReused(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "o", "10.00"), noon)
	s.returned(back("mia", "o", "r", "4.00"), noon)
	before := dump(t, s.store)
	for name, err := range map[string]error{
		"amount":     second(s.OrderReturned(ctx, back("mia", "o", "r", "4.01"), noon)),
		"everything": second(s.OrderReturned(ctx, changedReturn(back("mia", "o", "r", "4.00")), noon)),
		"payment":    second(s.OrderPaid(ctx, paid("mia", "o", "10.01"), noon)),
		"currency":   second(s.OrderPaid(ctx, referral.Payment{Order: "o", Customer: "mia", Amount: ledger.MustMoney("10.00", usd)}, noon)),
	} {
		require.ErrorIs(t, err, coupon.ErrKeyReused, name)
	}
	requireSame(t, before, dump(t, s.store))
}

func changedReturn(r referral.Return) referral.Return {
	r.Everything = true
	return r
}

// limitedShop is a shop with an offer of one use, which mia has reserved an order
// with, long ago.
func limitedShop(t *testing.T) *shop {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	one := offer("welcome", "2.00")
	one.Limits = []coupon.Limit{{Uses: 1}}
	require.NoError(t, second0(s.coupons.Publish(ctx, one, "staff", noon)))
	for _, customer := range []string{"mia", "ida"} {
		require.NoError(t, second0(s.coupons.Issue(ctx, coupon.IssueRequest{ID: "one " + customer, Holder: customer, Offers: []coupon.IssueOffer{{Offer: "welcome"}}}, noon)))
	}
	s.reserveOne("order", "mia", noon)
	return s
}

func (s *shop) reserveOne(order, customer string, at time.Time) {
	s.t.Helper()
	quote, err := s.coupons.Quote(ctx, cart(customer), coupon.ChooseCoupons("one "+customer+"/1").For(order), at)
	require.NoError(s.t, err)
	require.Empty(s.t, quote.Refused())
	require.NoError(s.t, second0(s.coupons.Reserve(ctx, order, quote, at)))
}

// A payment that comes after the reservation lapsed: confirmed all the same, claimed
// again, or told what to charge.
func TestLatePayments(t *testing.T) {
	later := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		meanwhile func(*shop)
		lapsed    bool
	}{
		"not swept":               {meanwhile: func(*shop) {}},
		"swept":                   {meanwhile: func(s *shop) { require.NoError(t, second0(s.coupons.Sweep(ctx, later, 0))) }},
		"taken, and lapsed again": {meanwhile: func(s *shop) { s.reserveOne("other", "ida", noon.Add(30*time.Minute)) }},
		"taken by another":        {meanwhile: func(s *shop) { s.reserveOne("other", "ida", later.Add(-time.Second)) }, lapsed: true},
		"its coupon was taken back too": {meanwhile: func(s *shop) {
			require.NoError(t, second0(s.coupons.Sweep(ctx, later, 0)))
			require.NoError(t, second0(s.coupons.Revoke(ctx, "one mia/1", "staff", "stolen", later)))
		}, lapsed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := limitedShop(t)
			c.meanwhile(s)
			settled, err := s.OrderPaid(ctx, paid("mia", "order", "28.00"), later)
			if !c.lapsed {
				require.NoError(t, err)
				require.Equal(t, coupon.StateConfirmed, settled.Redemption.State)
				require.Equal(t, referral.StateConfirmed, settled.Referrals[0].State)
				again, err := s.OrderPaid(ctx, paid("mia", "order", "28.00"), later.Add(time.Hour))
				require.NoError(t, err)
				require.Equal(t, settled, again)
				return
			}
			var lapsed *coupon.Lapsed
			require.ErrorAs(t, err, &lapsed)
			require.Equal(t, eur("2.00"), lapsed.Missing)
			require.Equal(t, referral.StateBound, s.referral("mia").State)

			// The shop charges the rest, takes the order without the coupon, and goes on.
			quote, err := s.coupons.Quote(ctx, cart("mia"), coupon.Choice{}.For("order"), later)
			require.NoError(t, err)
			require.NoError(t, second0(s.coupons.Reserve(ctx, "order", quote, later)))
			require.Equal(t, referral.StateConfirmed, s.paid(paid("mia", "order", "30.00"), later).State)
		})
	}
}

// A payment that is charged back was never made, whatever was kept of the goods and
// whatever the terms say of a shortfall: before the reward it is not given, after it it
// is taken back.
func TestChargeback(t *testing.T) {
	chargeback := func(amount string) referral.Return {
		r := back("mia", "mia's order", "chargeback", amount)
		r.Chargeback = true
		return r
	}
	for _, shortfall := range []referral.Shortfall{referral.ShortfallVoids, referral.ShortfallKeeps, referral.ShortfallReduces} {
		for _, amount := range []string{"0.00", "1.00", "20.00"} {
			keeping := inCredit(func(p *referral.Program) { p.Shortfall, p.Caps = shortfall, []referral.Cap{{Friends: 1}} })

			s := newShop(t, keeping)
			s.bind("jane", "mia", noon)
			s.paid(paid("mia", "mia's order", "20.00"), noon)
			require.Equal(t, referral.StateVoided, s.returned(chargeback(amount), noon.Add(time.Minute)).State)
			s.settle(noon.Add(day))
			require.Equal(t, "0.00", s.credit("jane"))
			require.Equal(t, referral.RewardCanceled, s.brings("mia").State)
			require.Zero(t, s.used("jane", noon), "the place is free again")

			s = newShop(t, keeping)
			s.confirmed("mia", noon)
			s.returned(back("mia", "mia's order", "r", "2.00"), noon.Add(day)) // some of the goods were back
			before := s.credit("jane")
			require.Equal(t, shortfall == referral.ShortfallReduces, before == "9.00", before)
			require.Equal(t, referral.StateReversed, s.returned(chargeback(amount), noon.Add(2*day)).State)
			require.Equal(t, "0.00", s.credit("jane"))
			require.Equal(t, referral.RewardClawedBack, s.brings("mia").State)
			told := s.referral("mia")
			require.Equal(t, told, s.returned(chargeback(amount), noon.Add(3*day)), "told twice")
			requireAudit(t, s.store)
		}
	}
	t.Run("with the order's coupons", func(t *testing.T) {
		s := newShop(t, held(8))
		s.bind("jane", "mia", noon)
		s.reserve("mia's order", "mia", noon)
		s.paid(paid("mia", "mia's order", "28.00"), noon)
		s.settle(noon.Add(2 * time.Hour))
		require.Equal(t, 1, s.wallet("jane"))
		charged := referral.Return{ID: "chargeback", Order: "mia's order", Customer: "mia", Chargeback: true, Coupons: &coupon.RefundRequest{Everything: true}}
		require.Equal(t, referral.StateReversed, s.returned(charged, noon.Add(day)).State)
		require.Zero(t, s.wallet("jane"))
	})
}

// A place stays taken while what registration gave for it still waits, though the referral
// is over: it is granted later.
func TestPlacesOfRewardsThatWait(t *testing.T) {
	s := newShop(t, bothSides(1))
	require.NoError(t, s.coupons.Pause(ctx, "welcome", "staff", "asked for", noon))
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	s.returned(cancelled("mia", "mia's order"), noon.Add(time.Minute))
	require.Equal(t, referral.StateVoided, s.referral("mia").State)
	require.Equal(t, referral.RewardPending, s.reward("mia", referral.Referrer, referral.Registered).State)
	require.Equal(t, int64(1), s.used("jane", noon))
	s.bind("jane", "ida", noon.Add(2*time.Minute))
	require.NoError(t, s.coupons.Resume(ctx, "welcome", "staff", "asked for", noon.Add(time.Hour)))
	s.settle(noon.Add(day))
	require.Equal(t, 1, s.wallet("jane"), "for mia, and not for ida too")
	require.Equal(t, int64(1), s.used("jane", noon))
}

// Told again for other goods, a payment or a return is refused as one of another amount is;
// the order in which the parts stand says nothing.
func TestOtherPartsAreAnotherPayment(t *testing.T) {
	s := newShop(t, changed(program(8), func(p *referral.Program) {
		p.Hold, p.DueWithin, p.Qualify.In.Categories = 14*day, 30*day, []string{"books"}
	}))
	s.bind("jane", "mia", noon)
	books := referral.Part{Categories: []string{"books", "new"}, Seller: "anna", Amount: eur("15.00")}
	toys := referral.Part{Categories: []string{"toys"}, Amount: eur("5.00")}
	turned := referral.Part{Categories: []string{"new", "books"}, Seller: "anna", Amount: eur("15.00")}
	p := paid("mia", "1", "20.00")
	tell := func(parts ...referral.Part) error {
		p.Parts = parts
		return second0(s.OrderPaid(ctx, p, noon))
	}
	require.NoError(t, tell(books, toys))
	require.NoError(t, tell(toys, turned))
	require.ErrorIs(t, tell(toys), ledger.ErrKeyReused)
	require.ErrorIs(t, tell(), ledger.ErrKeyReused)
	toys.Categories = []string{"games"}
	require.ErrorIs(t, tell(books, toys), ledger.ErrKeyReused)

	back := func(parts ...referral.Part) error {
		return second0(s.OrderReturned(ctx, referral.Return{ID: "r", Order: "1", Customer: "mia", Amount: eur("5.00"), Parts: parts}, noon))
	}
	require.NoError(t, back(toys))
	require.NoError(t, back(toys))
	require.ErrorIs(t, back(referral.Part{Categories: []string{"books"}, Amount: eur("5.00")}), ledger.ErrKeyReused)
	require.ErrorIs(t, back(), ledger.ErrKeyReused)
	require.Equal(t, referral.StateHeld, s.referral("mia").State)
	require.Len(t, s.referral("mia").Facts, 2)
}

// However much a referral remembers, a return of an order that it knows is never lost, and
// ends it.
func TestReturnsAfterTheLastFact(t *testing.T) {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Hold, p.Qualify.Cumulative, p.Qualify.MinimumSpend = 14*day, true, coupon.Amounts{eur("10.00")}
	}))
	s.bind("jane", "mia", noon)
	for i := range 999 {
		s.paid(paid("mia", fmt.Sprint(i), "0.01"), noon)
	}
	require.Equal(t, referral.StateHeld, s.paid(paid("mia", "last", "20.00"), noon).State)
	require.Len(t, s.referral("mia").Facts, 1000)
	require.Len(t, s.paid(paid("mia", "more", "20.00"), noon).Facts, 1000)
	r := s.returned(cancelled("mia", "last"), noon.Add(day))
	require.Equal(t, referral.StateVoided, r.State)
	require.Len(t, r.Facts, 1001)
}

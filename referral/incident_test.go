package referral_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// What has gone wrong in public elsewhere must not go wrong here. Each test begins
// with what happened there.

// Accounts were deleted, registered again under the same identity, and rewarded again.
func TestIncidentNewAPI75(t *testing.T) {
	s := newShop(t, bothSides(100))
	first := s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	s.settle(noon.Add(time.Hour))
	jane, mia := s.wallet("jane"), s.wallet("mia")
	code := s.link("jane").Code.String()
	again := s.register(referral.Registration{Customer: "mia", Code: code}, noon.Add(30*day))
	require.Equal(t, first.Rewards[0].Coupons, again.Rewards[0].Coupons, "the answer of the first time")
	_, err := s.Register(ctx, referral.Registration{Customer: "mia", Code: s.link("joe").Code.String()}, noon.Add(30*day))
	require.ErrorIs(t, err, coupon.ErrKeyReused)
	anew := s.register(referral.Registration{Customer: "mia, anew", Code: code, Known: true}, noon.Add(30*day))
	require.Equal(t, referral.ReasonNotNew, anew.Reason)
	s.paid(paid("mia", "anew", "12.00"), noon.Add(30*day))
	s.settle(noon.Add(60 * day))
	require.Equal(t, []int{jane, mia}, []int{s.wallet("jane"), s.wallet("mia")})
}

// The same, where the shop asked for the data to be forgotten in between.
func TestIncidentNewAPI75Erased(t *testing.T) {
	s, jane, mia := peopled(t, bothSides(100))
	s.pay(mia.ID, noon)
	s.settle(noon.Add(time.Hour))
	earned := s.wallet(jane.ID)
	_, err := s.Erase(ctx, "mia", "staff", "she asked for it", noon.Add(day))
	require.NoError(t, err)
	for _, again := range []referral.Person{{Account: "mia"}, {Account: "mia 2", Email: "Mia+again@example.com"}} {
		subject, err := s.Subject(ctx, again, noon.Add(30*day))
		require.NoError(t, err)
		o := s.register(referral.Registration{Customer: subject.ID, Code: s.link(jane.ID).Code.String()}, noon.Add(30*day))
		require.Equal(t, referral.ReasonNotNew, o.Reason)
		require.Zero(t, s.wallet(subject.ID))
	}
	require.Equal(t, earned, s.wallet(jane.ID))
}

// Anybody could bind a customer without being signed in as them, and so took the one
// binding they could ever have.
func TestIncidentCovenant275(t *testing.T) {
	s := newShop(t, program(8))
	attacker, jane := s.link("mallory"), s.link("jane")
	for i := range 5 { // all that somebody who is not signed in can do
		s.touch("mallory's browser", attacker, noon.Add(time.Duration(i)*time.Second))
	}
	_, err := s.Referral(ctx, "invite", "mia")
	require.ErrorIs(t, err, referral.ErrNoReferral)
	s.touch("mia's browser", jane, noon)
	require.Equal(t, "jane", s.register(referral.Registration{Customer: "mia", Visitor: "mia's browser"}, noon.Add(time.Hour)).Referrer)
}

// The reward was written and then something failed; on the retry it was there
// already, and the other half never came.
func TestIncidentLaravelReferrals35(t *testing.T) {
	for _, written := range []bool{false, true} {
		s := newShop(t, bothSides(8))
		request := referral.Registration{Customer: "mia", Code: string(s.link("jane").Code)}
		for at := 1; ; at++ {
			store := &flaky{Store: s.store, at: at, written: written, err: storage.ErrOutcomeUnknown}
			if _, err := on(store, referral.Options{}).Register(ctx, request, noon); err == nil {
				break
			}
			rewards, err := s.Rewards(ctx, "invite", "mia")
			require.NoError(t, err)
			require.Contains(t, []int{0, 2}, len(rewards), "both or none")
		}
		require.Equal(t, []int{1, 1}, []int{s.wallet("jane"), s.wallet("mia")})
	}
}

// Buy, earn, send back, keep: what was earned stayed when the goods came back.
func TestIncidentOdoo257854(t *testing.T) {
	s := newShop(t, bothSides(8))
	for i := range 4 {
		friend := fmt.Sprint("friend ", i)
		s.bind("jane", friend, noon)
		order := referral.Payment{Order: friend, Customer: friend, Amount: eur("12.00")}
		s.paid(order, noon)
		if i%2 == 0 {
			s.settle(noon.Add(time.Hour))
		}
		for _, part := range []string{"4.00", "5.00", "3.00"} {
			s.returned(back(friend, friend, part, part), noon.Add(2*time.Hour))
		}
		s.settle(noon.Add(day))
		require.Equal(t, 1, s.wallet(friend), "what the friend's registration gave")
		require.Equal(t, i+1, s.wallet("jane"), "what registrations gave, and nothing of payments")
	}
}

// A clawback that was asked for twice was taken twice.
func TestIncidentLMSFront511(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	s.bind("jane", "ida", noon)
	s.pay("mia", noon)
	s.pay("ida", noon)
	for i := range 4 {
		s.returned(cancelled("mia", "mia's order"), noon.Add(time.Duration(i)*time.Hour))
		s.returned(back("mia", "mia's order", fmt.Sprint(i), "12.00"), noon.Add(time.Duration(i)*time.Hour))
	}
	require.Equal(t, int64(1), s.used("jane", noon))
	require.Equal(t, 1, s.wallet("jane"))
	decided := 0
	for _, d := range s.referral("mia").Decisions {
		if d.What == "clawed_back" {
			decided++
		}
	}
	require.Equal(t, 1, decided)
}

// Two threads completed one order, and one undid what the other had done.
func TestIncidentSaleor15849(t *testing.T) {
	store := memory.New()
	done, allowed, err := paidRace(t, store)
	require.NoError(t, err)
	require.Equal(t, allowed, done)
	requireAudit(t, store)
}

// Millions of accounts were made for the reward of signing up.
func TestIncidentPayPal2022(t *testing.T) {
	s := newShop(t, bothSides(5))
	for i := range 50 {
		s.bind("farmer", fmt.Sprint("bot ", i), noon)
	}
	require.Equal(t, 5, s.wallet("farmer"), "the cap holds for rewards of registration too")
	require.Equal(t, int64(5), s.used("farmer", noon))
}

// Affiliates were paid on sales with stolen cards, before the charges came back.
func TestIncidentStolenCards(t *testing.T) {
	s := newShop(t, changed(program(100), func(p *referral.Program) { p.Hold, p.DueWithin = 60*day, 61*day }))
	for i, friend := range s.friends(20) {
		s.pay(friend, noon)
		s.settle(noon.Add(time.Duration(i) * day))
	}
	for i := range 19 {
		friend := fmt.Sprint("friend ", i)
		s.returned(cancelled(friend, friend+"'s order"), noon.Add(45*day))
	}
	require.Zero(t, s.wallet("jane"))
	s.settle(noon.Add(60 * day))
	require.Equal(t, 1, s.wallet("jane"))
}

// Coupons of a campaign that was over were given out all night, and nothing could
// stop it.
func TestIncidentPinduoduo2019(t *testing.T) {
	s := newShop(t, program(3))
	friends := s.friends(10)
	for _, friend := range friends[:2] {
		s.pay(friend, noon)
	}
	require.NoError(t, s.Pause(ctx, "invite", "staff", "stop", noon.Add(time.Hour)))
	for i, friend := range friends[2:] {
		s.pay(friend, noon.Add(2*time.Hour))
		o := s.register(referral.Registration{Customer: fmt.Sprint("late ", i), Code: string(s.link("jane").Code)}, noon.Add(2*time.Hour))
		require.Equal(t, referral.ReasonPaused, o.Reason)
	}
	s.settle(noon.Add(day))
	require.Equal(t, 2, s.wallet("jane"))
	require.NoError(t, s.Resume(ctx, "invite", "staff", "all is well", noon.Add(day)))
	s.settle(noon.Add(2 * day))
	require.Equal(t, 3, s.wallet("jane"), "the cap holds through it all")
}

// A referral code led to the person it belongs to.
func TestIncidentUberCodes(t *testing.T) {
	s := newShop(t, program(8))
	s.link("jane")
	o := s.register(referral.Registration{Customer: "stranger", Code: "JANE"}, noon)
	require.Equal(t, referral.ReasonUnknownCode, o.Reason)
	require.Empty(t, o.Referrer)
	require.NotContains(t, strings.ToLower(s.link("jane").Path()), "jane")
}

// Quoting characters in a history of invitations reached the database.
func TestIncidentRazer811111(t *testing.T) {
	s := newShop(t, program(8))
	hostile := `jane'; DROP TABLE referrals; --`
	s.bind(hostile, "mia", noon)
	s.bind("jane", "ida", noon)
	page, err := s.Friends(ctx, "invite", hostile, referral.TrackingQuery{})
	require.NoError(t, err)
	require.Len(t, page.Friends, 1)
	page, err = s.Friends(ctx, "invite", "' OR '1'='1", referral.TrackingQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Friends)
}

// A dotless i made one account out of two.
func TestIncidentGitHubDotlessI(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mıke", noon)
	require.True(t, s.bind("jane", "mike", noon).Bound)
	require.True(t, s.bind("jane", "MIKE", noon).Bound)
	code := string(s.link("jane").Code)
	for _, typed := range []string{strings.ReplaceAll(code, "1", "ı") + "ı", code + "\u200b"} {
		_, err := s.Register(ctx, referral.Registration{Customer: "typo", Code: typed}, noon)
		require.True(t, errors.Is(err, coupon.ErrCode) || errors.Is(err, coupon.ErrMistyped), err)
	}
}

// Buying in a currency that is worth less earned what was meant for another.
func TestIncidentPortSwigger1677155(t *testing.T) {
	s := newShop(t, changed(held(8), func(p *referral.Program) { p.Qualify.MinimumSpend = coupon.Amounts{eur("10.00")} }))
	s.bind("jane", "mia", noon)
	yen := referral.Payment{Order: "o", Customer: "mia", Amount: ledger.MustMoney("1000", ledger.MustCurrency("JPY"))}
	require.Equal(t, referral.StateBound, s.paid(yen, noon).State)
	s.bind("jane", "ida", noon)
	s.paid(paid("ida", "o", "10.00"), noon)
	r := s.returned(referral.Return{ID: "r", Order: "o", Customer: "ida", Amount: ledger.MustMoney("10", ledger.MustCurrency("JPY"))}, noon)
	require.Equal(t, referral.StateVoided, r.State)
}

// A negative quantity turned a payment round.
func TestIncidentSemrush771694(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	require.ErrorIs(t, second(s.OrderPaid(ctx, paid("mia", "o", "-12.00"), noon)), referral.ErrRequest)
	require.ErrorIs(t, second(s.OrderReturned(ctx, back("mia", "o", "r", "-12.00"), noon)), referral.ErrRequest)
}

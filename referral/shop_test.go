package referral_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

var (
	ctx  = context.Background()
	noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	euro = ledger.MustCurrency("EUR")
	usd  = ledger.MustCurrency("USD")
)

const day = 24 * time.Hour

func eur(amount string) ledger.Money { return ledger.MustMoney(amount, euro) }

// checker is what tests, benchmarks and properties have in common.
type checker interface {
	require.TestingT
	Helper()
}

// program is the usual one: two coupons for the friend on registering, one for the
// referrer after the friend's first payment.
func program(friends int64) referral.Program {
	return referral.AliExpress("invite", friends, []coupon.IssueOffer{{Offer: "welcome", Count: 2}}, coupon.IssueOffer{Offer: "thanks"})
}

// held is the usual program with an hour's hold.
func held(friends int64) referral.Program {
	p := program(friends)
	p.Hold = time.Hour
	return p
}

// bothSides rewards both sides at both steps.
func bothSides(friends int64) referral.Program {
	p := held(friends)
	p.Rewards = nil
	for _, side := range []referral.Side{referral.Referrer, referral.Referee} {
		p.Rewards = append(p.Rewards,
			referral.Rule{Side: side, Step: referral.Registered, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome"}}}},
			referral.Rule{Side: side, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}}}})
	}
	return p
}

func changed(p referral.Program, change func(*referral.Program)) referral.Program {
	change(&p)
	return p
}

func offer(id, amount string) coupon.Offer {
	return coupon.Offer{ID: id, Name: id, Labels: []string{"referral"}, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{eur(amount)}}}
}

// shop is a service over a store that is audited when the test ends.
type shop struct {
	*referral.Service
	coupons *coupon.Service
	t       checker
	store   storage.Store
}

func newShop(t testing.TB, programs ...referral.Program) *shop {
	t.Helper()
	s := openShop(t, memory.New(), referral.Options{}, programs...)
	t.Cleanup(func() { requireAudit(t, s.store) })
	return s
}

func openShop(t checker, store storage.Store, options referral.Options, programs ...referral.Program) *shop {
	t.Helper()
	s := on(store, options)
	s.t = t
	for _, o := range []coupon.Offer{offer("welcome", "2.00"), offer("thanks", "5.00"), offer("more", "9.00")} {
		_, err := s.coupons.Publish(ctx, o, "staff", noon)
		require.NoError(t, err)
	}
	for _, p := range programs {
		_, err := s.Publish(ctx, p, "staff", noon)
		require.NoError(t, err)
	}
	return s
}

// on is a service over a store, as another process would have it.
func on(store storage.Store, options referral.Options) *shop {
	coupons := coupon.New(store, coupon.Options{Fresh: -1, Random: options.Random})
	return &shop{Service: referral.New(store, coupons, options), coupons: coupons, store: store}
}

func requireAudit(t checker, store storage.Store) {
	t.Helper()
	report, err := referral.Audit(ctx, store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

func (s *shop) link(customer string) referral.Link {
	s.t.Helper()
	link, err := s.Link(ctx, "invite", customer, noon)
	require.NoError(s.t, err)
	return link
}

// touch has a visitor follow a link; each touch has an id of its own.
func (s *shop) touch(visitor string, link referral.Link, at time.Time) {
	s.t.Helper()
	_, err := s.Touch(ctx, referral.TouchRequest{ID: fmt.Sprint(at.UnixMicro()), Visitor: visitor, Code: string(link.Code)}, at)
	require.NoError(s.t, err)
}

func (s *shop) register(r referral.Registration, at time.Time) referral.Outcome {
	s.t.Helper()
	o, err := s.Register(ctx, r, at)
	require.NoError(s.t, err)
	return o
}

// bind registers a friend with the referrer's code.
func (s *shop) bind(referrer, friend string, at time.Time) referral.Outcome {
	s.t.Helper()
	o := s.register(referral.Registration{Customer: friend, Code: s.link(referrer).Code.String()}, at)
	require.True(s.t, o.Bound, o.Reason)
	return o
}

func paid(friend, order, amount string) referral.Payment {
	return referral.Payment{Order: order, Customer: friend, Amount: eur(amount)}
}

func back(friend, order, id, amount string) referral.Return {
	return referral.Return{ID: id, Order: order, Customer: friend, Amount: eur(amount)}
}

func cancelled(friend, order string) referral.Return {
	return referral.Return{ID: "cancelled", Order: order, Customer: friend, Amount: eur("0.00"), Everything: true}
}

// pay pays an order of the friend's own name, and gives the referral as it stands.
func (s *shop) pay(friend string, at time.Time) referral.Referral {
	s.t.Helper()
	return s.paid(paid(friend, friend+"'s order", "12.00"), at)
}

func (s *shop) paid(p referral.Payment, at time.Time) referral.Referral {
	s.t.Helper()
	settled, err := s.OrderPaid(ctx, p, at)
	require.NoError(s.t, err)
	require.Len(s.t, settled.Referrals, 1)
	return settled.Referrals[0]
}

func (s *shop) returned(r referral.Return, at time.Time) referral.Referral {
	s.t.Helper()
	settled, err := s.OrderReturned(ctx, r, at)
	require.NoError(s.t, err)
	require.Len(s.t, settled.Referrals, 1)
	return settled.Referrals[0]
}

func (s *shop) settle(at time.Time) ledger.Report {
	s.t.Helper()
	report, err := s.Settle(ctx, at, 0)
	require.NoError(s.t, err)
	require.Empty(s.t, report.Faults)
	return report
}

// referral reads a friend's referral.
func (s *shop) referral(friend string) referral.Referral {
	s.t.Helper()
	r, err := s.Referral(ctx, "invite", friend)
	require.NoError(s.t, err)
	return r
}

// reward reads one reward of a friend's referral; the zero Reward when it is not
// there.
func (s *shop) reward(friend string, side referral.Side, step referral.Step) referral.Reward {
	s.t.Helper()
	all, err := s.Rewards(ctx, "invite", friend)
	require.NoError(s.t, err)
	var found referral.Reward
	for _, r := range all {
		if r.Side == side && r.Step == step {
			require.Empty(s.t, found, "one reward per side and step")
			found = r
		}
	}
	return found
}

// brings is the referrer's reward for a friend's first payment.
func (s *shop) brings(friend string) referral.Reward {
	s.t.Helper()
	return s.reward(friend, referral.Referrer, referral.Qualified)
}

// wallet is how many coupons a customer holds that can be used.
func (s *shop) wallet(customer string) int {
	s.t.Helper()
	page, err := s.coupons.Wallet(ctx, customer, coupon.WalletQuery{Limit: 1000}, noon)
	require.NoError(s.t, err)
	return len(page.Coupons)
}

// used is how many places of the program's first cap a referrer has taken.
func (s *shop) used(referrer string, at time.Time) int64 {
	s.t.Helper()
	status, err := s.Caps(ctx, "invite", referrer, at)
	require.NoError(s.t, err)
	return status[0].Used
}

// cart is a customer's, of three units at 10.00.
func cart(customer string) coupon.Cart {
	return coupon.Cart{
		Currency: euro, Customer: coupon.Customer{Key: customer},
		Lines:    []coupon.Line{{ID: "1", Product: "tea", Seller: "acme", Quantity: 3, UnitPrice: eur("10.00")}},
		Shipping: []coupon.Shipping{{ID: "parcel", Seller: "acme", Price: eur("40.00")}},
	}
}

// reserve reserves an order with one of the customer's coupons.
func (s *shop) reserve(order, customer string, at time.Time) coupon.Redemption {
	s.t.Helper()
	wallet, err := s.coupons.Wallet(ctx, customer, coupon.WalletQuery{}, at)
	require.NoError(s.t, err)
	require.NotEmpty(s.t, wallet.Coupons)
	quote, err := s.coupons.Quote(ctx, cart(customer), coupon.ChooseCoupons(wallet.Coupons[0].ID).For(order), at)
	require.NoError(s.t, err)
	require.Empty(s.t, quote.Refused())
	r, err := s.coupons.Reserve(ctx, order, quote, at)
	require.NoError(s.t, err)
	return r
}

func second[A any](_ A, err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

package coupon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Jane's parcel was lost, and with it the one use she had. Staff let her use the code
// once more.
func ExampleService_Override() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, _ = coupons.Publish(ctx, limited(amountOff("fair", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}), "staff", noon)
	_, _ = coupons.Issue(ctx, coupon.IssueRequest{ID: "fair", Offers: []coupon.IssueOffer{{Offer: "fair", Code: "FAIR"}}}, noon)
	buy := func(order string) {
		quote, _ := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("FAIR").For(order), noon)
		_, _ = coupons.Redeem(ctx, order, quote, noon)
		fmt.Println(order, quote.Total)
	}
	buy("first")
	buy("second")
	_, err := coupons.Override(ctx, coupon.OverrideRequest{ID: "ticket-4", Offer: "fair", Customer: "jane", Actor: "staff/ann", Reason: "parcel lost"}, noon)
	fmt.Println(err)
	buy("third")
	buy("fourth")
	// Output:
	// first 15.00 EUR
	// second 20.00 EUR
	// <nil>
	// third 15.00 EUR
	// fourth 20.00 EUR
}

func overriding(id string, change func(*coupon.OverrideRequest)) coupon.OverrideRequest {
	request := coupon.OverrideRequest{ID: id, Offer: "a", Actor: "ann", Reason: "our fault"}
	change(&request)
	return request
}

func forJane(r *coupon.OverrideRequest) { r.Customer = "jane" }

// overrideShop has an offer whose every limit is reached.
func overrideShop(t *testing.T) (*shop, coupon.Coupon) {
	s := newShop(t, limited(freely(amountOff("a", "2.00")), coupon.Limit{Uses: 1}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1},
		coupon.Limit{Per: coupon.PerCoupon, Uses: 1}, coupon.Limit{Money: euros("2.00"), When: coupon.ClipSpent}))
	public := s.public("a", "CODE")
	s.redeem("first", cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	return s, public
}

// An override lets one order through every limit, and stays with it.
func TestOverride(t *testing.T) {
	for name, change := range map[string]func(*coupon.OverrideRequest){
		"customer": forJane,
		"order":    func(r *coupon.OverrideRequest) { r.Order = "second" },
		"coupon":   func(r *coupon.OverrideRequest) { r.Coupon, r.Offer = "public-CODE/1", "" },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := overrideShop(t)
			cart := cartOf(item("20.00", 1))
			require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choose("CODE").For("second"), noon).Reason)
			first, err := s.Override(ctx, overriding("o", change), noon)
			require.NoError(t, err)
			require.Empty(t, first.UsedBy)
			q := s.applies(cart, coupon.Choose("CODE").For("second"), noon)
			require.Equal(t, eur("2.00"), q.Discount)

			// Reserved, released and reserved again, it is used once and comes back each time.
			for range 2 {
				s.must(s.Reserve(ctx, "second", q, noon))
				s.must(s.Reserve(ctx, "second", s.applies(cart, coupon.Choose("CODE").For("second"), noon), noon))
				other := cart
				other.Customer.Key = "jane"
				require.Equal(t, coupon.ReasonLimit, s.refuses(other, coupon.Choose("CODE").For("third"), noon).Reason)
				require.ErrorIs(t, second(s.Redeem(ctx, "third", q, noon)), coupon.ErrRefused)
				s.must(s.Release(ctx, "second", noon))
			}
			s.must(s.Confirm(ctx, "second", noon))
			used, err := s.Override(ctx, overriding("o", change), noon.Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, []any{"second", noon}, []any{used.UsedBy, used.At})
			require.Equal(t, int64(2), s.counter("uses/a"))
			require.NoError(t, ignore(s.Refund(ctx, "second", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
			if name != "order" {
				s.redeem("again", cart, coupon.Choose("CODE"), noon)
			}
		})
	}
}

func TestOverridesAddUp(t *testing.T) {
	s, _ := overrideShop(t)
	s.held("a", "jane", 2)
	for i := range 2 {
		require.NoError(t, ignore(s.Override(ctx, overriding(fmt.Sprint("o", i), forJane), noon)))
	}
	r := s.redeem("both", cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1", "held-a-jane/2"), noon)
	require.Equal(t, eur("4.00"), r.Discount)
	require.Equal(t, coupon.ReasonLimit, s.refuses(cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon).Reason)
}

// Limits within one order give way too: jane may use both of her coupons, or more money
// than an order may take off.
func TestOverrideWithinOneOrder(t *testing.T) {
	for name, c := range map[string]struct {
		limits []coupon.Limit
		want   string
	}{
		"uses":              {[]coupon.Limit{{Per: coupon.PerOrder, Uses: 1}}, "4.00"},
		"money":             {[]coupon.Limit{{Per: coupon.PerOrder, Money: euros("3.00")}}, "4.00"},
		"and with the last": {[]coupon.Limit{{Per: coupon.PerOrder, Uses: 1}, {Per: coupon.PerCustomer, Uses: 1}}, "4.00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, limited(freely(amountOff("a", "2.00")), c.limits...))
			s.held("a", "jane", 3)
			cart, two := cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1", "held-a-jane/2")
			require.Equal(t, coupon.ReasonLimit, s.refuses(cart, two, noon).Reason)
			require.NoError(t, ignore(s.Override(ctx, overriding("o", forJane), noon)))
			q := s.applies(cart, two.For("both"), noon)
			require.Equal(t, eur(c.want), q.Discount)
			require.Len(t, s.quote(cart, coupon.ChooseCoupons("held-a-jane/1", "held-a-jane/2", "held-a-jane/3"), noon).Applied(), 2, "one more, not two")
			s.must(s.Reserve(ctx, "both", q, noon))
			require.Equal(t, coupon.ReasonLimit, s.quote(cart, coupon.ChooseCoupons("held-a-jane/2", "held-a-jane/3").For("other"), noon.Add(time.Hour)).Refused()[0].Reason)
			s.must(s.Confirm(ctx, "both", noon))
			used, err := s.Override(ctx, overriding("o", forJane), noon)
			require.NoError(t, err)
			require.Equal(t, "both", used.UsedBy)
		})
	}
}

// What is left of a budget need not be nothing for a use to be refused.
func TestOverrideOfABudgetThatIsTooSmall(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "2.00"), coupon.Limit{Money: euros("3.00")}))
	s.public("a", "CODE")
	cart := cartOf(item("20.00", 1))
	s.redeem("first", cart, coupon.Choose("CODE"), noon)
	require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choose("CODE"), noon).Reason)
	require.NoError(t, ignore(s.Override(ctx, overriding("o", forJane), noon)))
	s.redeem("second", cart, coupon.Choose("CODE"), noon)
	require.Equal(t, int64(400), s.counter("money/EUR/a"))
}

// What is not used before its end can't be used any more, not even when it was quoted.
func TestOverridesEnd(t *testing.T) {
	s, _ := overrideShop(t)
	require.NoError(t, ignore(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Customer, r.Until = "jane", noon.Add(time.Hour) }), noon)))
	q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	later := noon.Add(time.Hour)
	require.Equal(t, coupon.ReasonLimit, s.refuses(cartOf(item("20.00", 1)), coupon.Choose("CODE"), later).Reason)
	require.ErrorIs(t, second(s.Redeem(ctx, "late", q, later)), coupon.ErrRefused)
	s.must(s.Redeem(ctx, "in time", q, later.Add(-time.Second)))
}

// A coupon that somebody holds counts its uses itself, and gets one more.
func TestOverrideOfAHeldCoupon(t *testing.T) {
	s := newShop(t, amountOff("a", "2.00"))
	held := s.held("a", "jane", 1)[0]
	s.redeem("first", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held.ID), noon)
	for range 2 {
		require.NoError(t, ignore(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Coupon = held.ID }), noon)))
	}
	s.redeem("second", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held.ID), noon)
	require.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(held.ID), noon).Reason)
}

// A coupon that somebody holds can be used a hundred times at most, by overrides too.
func TestOverridesOfAHeldCouponEnd(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 99}))
	held := s.held("a", "jane", 1)[0]
	again := func(id string) error {
		return ignore(s.Override(ctx, overriding(id, func(r *coupon.OverrideRequest) { r.Coupon = held.ID }), noon))
	}
	require.NoError(t, again("the hundredth"))
	require.ErrorIs(t, again("one more"), coupon.ErrState)
}

func TestOverrideRefuses(t *testing.T) {
	s, public := overrideShop(t)
	require.Equal(t, []string{"id", "offer", "customer", "actor", "reason"}, paths(t, second(s.Override(ctx, coupon.OverrideRequest{}, noon))))
	require.Equal(t, []string{"customer", "until"}, paths(t, second(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Customer, r.Order, r.Until = "jane", "1", noon }), noon))))
	require.Equal(t, []string{"offer"}, paths(t, second(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Coupon, r.Offer = public.ID, "b" }), noon))))
	require.ErrorIs(t, second(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Customer, r.Offer = "jane", "none" }), noon)), coupon.ErrNoOffer)
	require.ErrorIs(t, second(s.Override(ctx, overriding("o", func(r *coupon.OverrideRequest) { r.Coupon = "none" }), noon)), coupon.ErrNoCoupon)
	require.NoError(t, ignore(s.Override(ctx, overriding("o", forJane), noon)))
	for _, other := range []func(*coupon.OverrideRequest){
		func(r *coupon.OverrideRequest) { r.Customer = "jim" }, func(r *coupon.OverrideRequest) { r.Customer, r.Reason = "jane", "another" },
	} {
		require.ErrorIs(t, second(s.Override(ctx, overriding("o", other), noon)), coupon.ErrKeyReused)
	}
	for i := range 99 {
		require.NoError(t, ignore(s.Override(ctx, overriding(fmt.Sprint(i), forJane), noon)))
	}
	require.ErrorIs(t, second(s.Override(ctx, overriding("more", forJane), noon)), coupon.ErrState)
	entry, _, err := ledger.New(s.store, ledger.Options{}).Entry(ctx, "overridden/o")
	require.NoError(t, err)
	assert.Equal(t, []any{"ann", "a", map[string]string{"reason": "our fault", "customer": "jane"}}, []any{entry.Actor, entry.Concerns, entry.Details})
}

func TestGoldenOverride(t *testing.T) {
	s, _ := overrideShop(t)
	require.NoError(t, ignore(s.Override(ctx, overriding("o", forJane), noon)))
	require.NoError(t, ignore(s.Override(ctx, overriding("p", func(r *coupon.OverrideRequest) { r.Customer, r.Until = "jane", noon.Add(time.Hour) }), noon)))
	s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	requireGolden(t, "override.json", body(t, s.store, only(t, s.store, "override")))
	requireGolden(t, "redemption_overridden.json", body(t, s.store, storage.Key{Kind: "redemption", ID: "order"}))
}

// overrideRace spends each of 10 customers' override in 8 orders at once.
func overrideRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, limited(amountOff("a", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	issued(t, s, coupon.IssueRequest{ID: "a", Offers: []coupon.IssueOffer{{Offer: "a", Code: "CODE"}}})
	var calls []func() error
	for i := range 10 {
		customer := fmt.Sprint("customer ", i)
		require.NoError(t, redeeming(t, s, customer, customer, coupon.Choose("CODE"))())
		require.NoError(t, ignore(s.Override(ctx, overriding(customer, func(r *coupon.OverrideRequest) { r.Customer = customer }), noon)))
		for n := range 8 {
			calls = append(calls, redeeming(t, s, fmt.Sprint(customer, " order ", n), customer, coupon.Choose("CODE")))
		}
	}
	return eachOn(t, store, 8, calls), 10
}

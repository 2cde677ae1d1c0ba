package coupon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// trips counts the calls that reach a store: each is a round trip.
type trips struct {
	storage.Store
	calls string // g, l and a, in their order
}

func (s *trips) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	s.calls += "g"
	return s.Store.Get(ctx, keys, counters...)
}

func (s *trips) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	s.calls += "l"
	return s.Store.List(ctx, q)
}

func (s *trips) Apply(ctx context.Context, b storage.Batch) error {
	s.calls += "a"
	return s.Store.Apply(ctx, b)
}

// TestRoundTrips holds how often each operation goes to the store, once the offers are
// known: g for Get, l for List, a for Apply.
func TestRoundTrips(t *testing.T) {
	store := &trips{Store: memory.New()}
	own := limited(amountOff("own", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 3})
	public := limited(amountOff("public", "1.00"), coupon.Limit{Uses: 100}, coupon.Limit{Per: coupon.PerCustomer, Uses: 9})
	automatic := amountOff("automatic", "1.00")
	automatic.Automatic = true
	s := newShopOn(t, store, coupon.Options{}, own, public, automatic)
	held := s.held("own", "jane", 1)[0]
	s.public("public", "CODE")
	cart := cartOf(item("20.00", 1))
	now := noon
	took := func(want, what string, do func()) {
		t.Helper()
		store.calls = ""
		do()
		require.Equal(t, want, store.calls, what)
	}
	s.quote(cart, coupon.ChooseCoupons(held.ID), now) // reads the offers
	s.quote(cart, coupon.Choose("CODE"), now)
	none := cart
	none.Lines = []coupon.Line{{ID: "1", Product: "tea", Quantity: 1, UnitPrice: eur("20.00")}}
	took("", "a quote of automatic offers, no seller, within Fresh", func() { s.quote(none, coupon.Choice{}, now) })
	took("g", "a quote of automatic offers", func() { s.quote(cart, coupon.Choice{}, now) })
	took("g", "a quote of coupons that are held", func() { s.quote(cart, coupon.ChooseCoupons(held.ID), now) })
	took("gg", "a quote of a code with limits", func() { s.quote(cart, coupon.Choose("CODE"), now) })
	shorten(t, store.Store, "CODE")
	took("ggg", "a quote of a code that an earlier release has made", func() { s.quote(cart, coupon.Choose("CODE"), now) })
	var quote *coupon.Quote
	took("g", "a quote of one coupon", func() { quote = s.quote(cart, coupon.ChooseCoupons(held.ID), now) })
	took("a", "redeeming a quote in hand", func() { require.NoError(t, ignore(s.Redeem(ctx, "1", quote, now))) })
	took("aga", "redeeming it again: refused, and then an Apply of nothing", func() { require.NoError(t, ignore(s.Redeem(ctx, "1", quote, now))) })
	took("gga", "refunding", func() {
		require.NoError(t, ignore(s.Refund(ctx, "1", coupon.RefundRequest{ID: "r", Everything: true}, now)))
	})
	quote = s.quote(cart, coupon.Choose("CODE"), now)
	took("a", "reserving", func() { require.NoError(t, ignore(s.Reserve(ctx, "2", quote, now))) })
	took("ga", "confirming", func() { require.NoError(t, ignore(s.Confirm(ctx, "2", now.Add(time.Minute)))) })
	quote = s.quote(cart, coupon.Choose("CODE"), now)
	require.NoError(t, s.Pause(ctx, "public", "staff", "asked for", now))
	took("ag", "redeeming what was paused meanwhile: nothing is written", func() {
		require.ErrorIs(t, ignore(s.Redeem(ctx, "3", quote, now)), coupon.ErrRefused)
	})
}

// TestLimitsOfAutomaticOffersAreReadWithTheRest: a quote of them is one round trip.
func TestLimitsOfAutomaticOffersAreReadWithTheRest(t *testing.T) {
	store := &trips{Store: memory.New()}
	automatic := limited(amountOff("automatic", "1.00"), coupon.Limit{Uses: 1}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1})
	automatic.Automatic = true
	s := newShopOn(t, store, coupon.Options{}, automatic)
	cart := cartOf(item("20.00", 1))
	quote := s.applies(cart, coupon.Choice{}, noon)
	store.calls = ""
	s.applies(cart, coupon.Choice{}, noon)
	require.Equal(t, "g", store.calls)
	require.NoError(t, ignore(s.Redeem(ctx, "1", quote, noon)))
	require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choice{}, noon).Reason)
}

// TestLimitsOfCouponsAreReadWithTheRest: a quote of coupons by their ids is one round trip,
// whatever limits the offers have that such coupons were under lately. Where they were not,
// it is one more.
func TestLimitsOfCouponsAreReadWithTheRest(t *testing.T) {
	store := &trips{Store: memory.New()}
	var offers []coupon.Offer
	for i := range 6 {
		offers = append(offers, limited(amountOff(fmt.Sprint("offer", i), "1.00"),
			coupon.Limit{Uses: 100}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1}, coupon.Limit{Per: coupon.PerCoupon, Uses: 1}))
	}
	s := newShopOn(t, store, coupon.Options{}, offers...)
	cart := cartOf(item("20.00", 1))
	took := func(want string, id string, customer string) {
		t.Helper()
		cart.Customer.Key = customer
		store.calls = ""
		s.applies(cart, coupon.ChooseCoupons(id), noon)
		require.Equal(t, want, store.calls)
	}
	ids, next := make([]string, 6), ""
	for i := range ids {
		held := s.held(fmt.Sprint("offer", i), "jane", 2)
		ids[i], next = held[0].ID, held[1].ID
		s.applies(cart, coupon.ChooseCoupons(ids[i]), noon) // reads the offer
	}
	took("g", ids[5], "jane")
	took("g", ids[2], "jane")
	took("gg", ids[1], "jane")
	took("g", ids[1], "jane")
	took("gg", ids[2], "jane")
	other := s.held("offer1", "joe", 1)[0].ID
	took("g", other, "joe")

	cart.Customer.Key = "jane"
	require.NoError(t, ignore(s.Redeem(ctx, "1", s.applies(cart, coupon.ChooseCoupons(ids[5]), noon), noon)))
	require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.ChooseCoupons(next), noon).Reason)
}

// shorten leaves of a code's document what the first release wrote.
func shorten(t *testing.T, store storage.Store, code string) {
	t.Helper()
	docs, _, err := store.Get(ctx, []storage.Key{{Kind: "code", ID: code}})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	var body map[string]any
	require.NoError(t, json.Unmarshal(docs[0].Body, &body))
	delete(body, "offer")
	delete(body, "version")
	short, err := json.Marshal(body)
	require.NoError(t, err)
	require.NotEqual(t, len(docs[0].Body), len(short))
	require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{{Key: docs[0].Key, Version: docs[0].Version, Lists: docs[0].Lists, Body: short}}}))
}

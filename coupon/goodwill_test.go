package coupon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

// A scratch is made good with 5.00, which the seller pays. When the goods come back
// after all, they give back what is left, and the seller has its 5.00 again.
func ExampleService_RefundAmount() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	quote, _ := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choice{}, noon)
	_, _ = coupons.Redeem(ctx, "order-1", quote, noon)
	goodwill, err := coupons.RefundAmount(ctx, "order-1", coupon.AmountRequest{
		ID: "scratch", Amount: eur("5.00"), Actor: "staff/ann", Reason: "scratched lid",
		Funding: []coupon.Share{{Payer: coupon.Seller, Rate: ledger.MustRate("100")}}, Seller: "acme",
	}, noon)
	fmt.Println(goodwill.Amount, "paid by", goodwill.Funded[0].Payer, err)
	back, err := coupons.Refund(ctx, "order-1", coupon.RefundRequest{ID: "all", Everything: true}, noon.Add(time.Hour))
	fmt.Println(back.Amount, "more;", back.Goodwill, "were given before:", back.Funded[0].Payer, back.Funded[0].Amount, err)
	// Output:
	// 5.00 EUR paid by seller/acme <nil>
	// 15.00 EUR more; 5.00 EUR were given before: seller/acme -5.00 EUR <nil>
}

func TestGoodwillFaults(t *testing.T) {
	all := func(payer string) []coupon.Share { return []coupon.Share{share(payer, "100")} }
	for name, c := range map[string]struct {
		request coupon.AmountRequest
		want    []string
	}{
		"nothing":             {coupon.AmountRequest{ID: "r", Amount: eur("0.00"), Actor: "ann", Reason: "late"}, []string{"amount"}},
		"less than nothing":   {coupon.AmountRequest{ID: "r", Amount: eur("-1.00"), Actor: "ann", Reason: "late"}, []string{"amount"}},
		"more than was paid":  {coupon.AmountRequest{ID: "r", Amount: eur("32.91"), Actor: "ann", Reason: "late"}, []string{"amount"}},
		"other money":         {coupon.AmountRequest{ID: "r", Amount: ledger.MustMoney("1.00", usd), Actor: "ann", Reason: "late"}, []string{"amount"}},
		"no money":            {coupon.AmountRequest{ID: "r", Actor: "ann", Reason: "late"}, []string{"amount"}},
		"no seller":           {coupon.AmountRequest{ID: "r", Amount: eur("1.00"), Funding: all(coupon.Seller), Actor: "ann", Reason: "late"}, []string{"seller"}},
		"another seller":      {coupon.AmountRequest{ID: "r", Amount: eur("1.00"), Seller: "zeta", Actor: "ann", Reason: "late"}, []string{"seller"}},
		"half of it":          {coupon.AmountRequest{ID: "r", Amount: eur("1.00"), Funding: []coupon.Share{share("brand", "50")}, Actor: "ann", Reason: "late"}, []string{"funding"}},
		"an id and a reason":  {coupon.AmountRequest{ID: "", Amount: eur("1.00"), Actor: "\x00", Reason: "\x00"}, []string{"id", "actor", "reason"}},
		"nothing of an order": {coupon.AmountRequest{ID: "r", Amount: eur("40.00"), Seller: "zeta", Actor: "ann", Reason: "late"}, []string{"amount", "seller"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sold(t, asIs)
			before := dump(t, s.store)
			require.Equal(t, c.want, paths(t, second(s.RefundAmount(ctx, "order", c.request, noon))))
			requireSame(t, before, dump(t, s.store))
		})
	}
}

// Goodwill may be as little as a coin, and as much as is left.
func TestGoodwillAllows(t *testing.T) {
	s := sold(t, asIs)
	for id, amount := range map[string]string{"a coin": "0.01", "the rest": "32.89"} {
		require.NoError(t, ignore(s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: id, Amount: eur(amount), Actor: "ann", Reason: "late"}, noon)), id)
	}
}

func TestGoodwill(t *testing.T) {
	s := sold(t, asIs) // 30.00 for 4 units, 2.90 for the parcel
	request := coupon.AmountRequest{ID: "g", Amount: eur("29.00"), Actor: "ann", Reason: "late", Funding: []coupon.Share{share("brand", "75"), share(coupon.Platform, "25")}}
	first, err := s.RefundAmount(ctx, "order", request, noon)
	require.NoError(t, err)
	assert.Equal(t, []coupon.Contribution{{"brand", eur("21.75")}, {"platform", eur("7.25")}}, first.Funded)
	again, err := s.RefundAmount(ctx, "order", request, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, first, again)
	request.Reason = "later"
	require.ErrorIs(t, second(s.RefundAmount(ctx, "order", request, noon)), coupon.ErrKeyReused)
	require.ErrorIs(t, second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "g", Everything: true}, noon)), coupon.ErrKeyReused)

	entry, exists, err := ledger.New(s.store, ledger.Options{}).Entry(ctx, "order/order/refunded/1")
	require.NoError(t, err)
	require.True(t, exists)
	assert.Equal(t, []any{"goodwill", "ann", "late"}, []any{entry.Kind, entry.Actor, entry.Details["reason"]})

	unit, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "1", Lines: units("1", 1)}, noon)
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{eur("3.90"), eur("3.60"), eur("7.50")}, []ledger.Money{unit.Amount, unit.Goodwill, unit.Lines[0].Amount})
	rest, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "2", Everything: true}, noon)
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{eur("0.00"), eur("25.40")}, []ledger.Money{rest.Amount, rest.Goodwill})
	assert.True(t, rest.Restored)
	require.Zero(t, paid(t, s.store, "promotions/brand"))
	require.ErrorIs(t, second(s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: "more", Amount: eur("0.01"), Actor: "ann", Reason: "late"}, noon)), coupon.ErrRequest)
	require.ErrorIs(t, second(s.RefundAmount(ctx, "none", coupon.AmountRequest{ID: "more", Amount: eur("0.01"), Actor: "ann", Reason: "late"}, noon)), coupon.ErrNoRedemption)
}

// A goodwill amount does not end an order, and does not keep it from being cancelled.
func TestGoodwillAndTheState(t *testing.T) {
	s := sold(t, func(o *coupon.Offer) { o.Restore = coupon.RestoreWhenCancelled })
	goodwill, err := s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: "g", Amount: eur("32.90"), Actor: "ann", Reason: "late"}, noon)
	require.NoError(t, err)
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	assert.Equal(t, []any{coupon.StatePartlyRefunded, r.Total, false}, []any{r.State, goodwill.Amount, goodwill.Restored})
	cancel, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "all", Everything: true}, noon)
	require.NoError(t, err)
	assert.Equal(t, []any{eur("0.00"), eur("10.00"), true}, []any{cancel.Amount, cancel.Discount, cancel.Restored})

	s.reserveAt("waiting", coupon.Choice{}, noon)
	require.ErrorIs(t, second(s.RefundAmount(ctx, "waiting", coupon.AmountRequest{ID: "g", Amount: eur("1.00"), Actor: "ann", Reason: "late"}, noon)), coupon.ErrState)
}

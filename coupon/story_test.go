package coupon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	eur := ledger.MustCurrency("EUR")
	s := coupon.New(memory.New(), coupon.Options{})
	offer, err := s.Publish(ctx, coupon.Offer{
		ID: "friend-5", Name: "5 € for a friend", Labels: []string{"referral"},
		Benefit:    coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
		Conditions: []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.MustMoney("10.00", eur)}}},
		Limits:     []coupon.Limit{{Per: coupon.PerOffer, Uses: 1}},
	}, "staff", now)
	require.NoError(t, err)
	require.Equal(t, 1, offer.Version)
	issued, err := s.Issue(ctx, coupon.IssueRequest{ID: "i1", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "friend-5", Count: 2}}}, now)
	require.NoError(t, err)
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "zeta", Labels: []string{"referral"}}, "zeta", now))
	cart := coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: "jane"}, Lines: []coupon.Line{
		{ID: "1", Product: "p1", Seller: "acme", Quantity: 3, UnitPrice: ledger.MustMoney("3.50", eur)},
		{ID: "2", Product: "p2", Seller: "zeta", Quantity: 1, UnitPrice: ledger.MustMoney("20.00", eur)},
	}}
	q, err := s.Quote(ctx, cart, coupon.Choose(issued[0].Code.String(), issued[1].Code.String()), now)
	require.NoError(t, err)
	fmt.Println(q.Total, q.Discount, q.Lines, q.Refused[0].Shopper(), q.Refused[0])
	r, err := s.Reserve(ctx, "o1", q, now)
	require.NoError(t, err)
	require.Equal(t, coupon.StateReserved, r.State)
	q2, err := s.Quote(ctx, cart, coupon.Choose(issued[1].Code.String()), now)
	require.NoError(t, err)
	fmt.Println(q2.Refused[0])
	later := now.Add(time.Hour)
	q2, err = s.Quote(ctx, cart, coupon.Choose(issued[1].Code.String()), later)
	require.NoError(t, err)
	require.Empty(t, q2.Refused)
	_, err = s.Redeem(ctx, "o2", q2, later)
	require.NoError(t, err)
	_, err = s.Confirm(ctx, "o1", later)
	fmt.Println(err)
	require.ErrorIs(t, err, coupon.ErrLapsed)
	ref, err := s.Refund(ctx, "o2", coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{"1", 2}}}, later)
	require.NoError(t, err)
	fmt.Println(ref)
	ref, err = s.Refund(ctx, "o2", coupon.RefundRequest{ID: "r2", Everything: true}, later)
	require.NoError(t, err)
	fmt.Println(ref)
	_, err = s.Confirm(ctx, "o1", later)
	require.NoError(t, err)
}

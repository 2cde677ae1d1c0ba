package referral_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

func TestStory(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	eur := ledger.MustCurrency("EUR")
	store := memory.New()
	coupons := coupon.New(store, coupon.Options{})
	for _, id := range []string{"welcome", "friend-5"} {
		_, err := coupons.Publish(ctx, coupon.Offer{
			ID: id, Name: id, Labels: []string{"referral"},
			Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
		}, "staff", now)
		require.NoError(t, err)
	}
	s := referral.New(store, coupons, referral.Options{Events: true})
	p := referral.AliExpress("invite", 3, []coupon.IssueOffer{{Offer: "welcome", Count: 2}}, coupon.IssueOffer{Offer: "friend-5"})
	p.Hold = time.Hour
	_, err := s.Publish(ctx, p, "staff", now)
	require.NoError(t, err)
	link, err := s.Link(ctx, "invite", "jane", now)
	require.NoError(t, err)
	for i := range 5 {
		friend := fmt.Sprintf("friend-%d", i)
		now = now.Add(time.Minute)
		_, err = s.Touch(ctx, referral.TouchRequest{ID: "t", Visitor: "v" + friend, Code: link.Code.String()}, now)
		require.NoError(t, err)
		o, err := s.Register(ctx, referral.Registration{Customer: friend, Visitor: "v" + friend}, now)
		require.NoError(t, err)
		require.True(t, o.Bound, o.Reason)
		st, err := s.OrderPaid(ctx, referral.Payment{Order: "o" + friend, Customer: friend, Amount: ledger.MustMoney("12.00", eur)}, now)
		require.NoError(t, err)
		fmt.Println(o.Rewards[0].Coupons, st.Referrals[0].State)
	}
	now = now.Add(2 * time.Hour)
	rep, err := s.Settle(ctx, now, 0)
	require.NoError(t, err)
	fmt.Println(rep)
	_, err = s.OrderReturned(ctx, referral.Return{ID: "r", Order: "ofriend-1", Customer: "friend-1", Amount: ledger.MustMoney("12.00", eur), Everything: true}, now)
	require.NoError(t, err)
	page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
	require.NoError(t, err)
	for _, f := range page.Friends {
		fmt.Printf("%+v %+v\n", f, f.Reward)
	}
	r, err := s.Referral(ctx, "invite", "friend-1")
	require.NoError(t, err)
	for _, d := range r.Decisions {
		fmt.Println(d)
	}
	caps, err := s.Caps(ctx, "invite", "jane", now)
	require.NoError(t, err)
	fmt.Println(caps)
	w, err := coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, now)
	require.NoError(t, err)
	require.Len(t, w.Coupons, 2)
	report, err := referral.Audit(ctx, store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

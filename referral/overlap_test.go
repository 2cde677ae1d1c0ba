package referral_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// A friend pays a second order with the coupon that the first one earned, by a clock
// that is behind, so that it becomes the first; then it comes back: its refund
// restores the very coupon that the referral takes back.
func TestReturnOfAnOrderPaidWithItsOwnReward(t *testing.T) {
	p := held(8)
	p.Hold, p.DueWithin = 0, 0
	p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Coupons: p.Rewards[1].Coupons}})
	s := newShop(t, p)
	s.bind("jane", "mia", noon)
	later := noon.Add(time.Hour)
	s.paid(paid("mia", "first", "10.00"), later)
	own := s.reward("mia", referral.Referee, referral.Qualified).Coupons[0]

	behind := later.Add(-time.Minute)
	eur := ledger.MustCurrency("EUR")
	cart := coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: "mia"}, Lines: []coupon.Line{
		{ID: "1", Product: "lamp", Quantity: 1, UnitPrice: ledger.MustMoney("30.00", eur)},
	}}
	quote, err := s.coupons.Quote(t.Context(), cart, coupon.ChooseCoupons(own), behind)
	require.NoError(t, err)
	require.Len(t, quote.Applied(), 1)
	_, err = s.coupons.Reserve(t.Context(), "second", quote, behind)
	require.NoError(t, err)
	s.paid(referral.Payment{Order: "second", Customer: "mia", Amount: quote.Total}, behind)

	s.returned(cancelled("mia", "first"), later)
	all := referral.Return{ID: "all", Order: "second", Customer: "mia", Coupons: &coupon.RefundRequest{Everything: true}}
	s.returned(all, later)
	require.Equal(t, s.referral("mia"), s.returned(all, later), "asked again, it answers the same")
	redemption, err := s.coupons.Redemption(t.Context(), "second")
	require.NoError(t, err)
	require.Equal(t, coupon.StateRefunded, redemption.State)
}

// A payment that can't be of the order whose coupons were reserved is refused, and
// the right one goes through afterwards.
func TestPaymentThatIsNotOfTheOrder(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "mia", noon)
	reserved := s.reserve("order", "mia", noon)
	for path, wrong := range map[string]referral.Payment{
		"amount":   {Order: "order", Customer: "mia", Amount: ledger.Minor(15, ledger.MustCurrency("JPY"))},
		"customer": {Order: "order", Customer: "tom", Amount: reserved.Total},
	} {
		_, err := s.OrderPaid(t.Context(), wrong, noon)
		require.ErrorIs(t, err, referral.ErrRequest)
		require.ErrorContains(t, err, path)
	}
	s.paid(referral.Payment{Order: "order", Customer: "mia", Amount: reserved.Total}, noon)
}

func TestSettleWithoutAClock(t *testing.T) {
	_, err := newShop(t).Settle(t.Context(), time.Time{}, 0)
	require.ErrorIs(t, err, ledger.ErrInvalid)
}

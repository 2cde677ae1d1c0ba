package coupon_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

// An offer whose units are free anyway takes nothing off alone, but something where
// another has used those units before it. It applies then, limited or not, chosen or found.
func TestOffersThatTakeSomethingOnlyAfterOthers(t *testing.T) {
	cart := cartOf(
		coupon.Line{ID: "1", Product: "sample", Quantity: 2, UnitPrice: eur("0.00")},
		coupon.Line{ID: "2", Product: "mug", Quantity: 7, UnitPrice: eur("1.00")},
		coupon.Line{ID: "3", Product: "pen", Quantity: 3, UnitPrice: eur("1.00")})
	first := coupon.Offer{
		ID: "first", Name: "3 for 2", Automatic: true, Combine: coupon.Combine{Freely: true}, Priority: 1,
		Benefit: coupon.BuyGet{Buy: 2, Get: 1}, Scope: coupon.Scope{Out: coupon.Lists{Products: []string{"pen"}}},
	}
	second := first
	second.ID, second.Priority, second.Scope = "second", 0, coupon.Scope{Out: coupon.Lists{Products: []string{"mug"}}}
	for _, limits := range [][]coupon.Limit{nil, {{Uses: 1000}}} {
		for _, best := range []bool{false, true} {
			first.Limits, second.Limits = limits, limits
			q, err := coupon.Decide(cart, candidates(t, first, second), coupon.Facts{Best: best}, noon)
			require.NoError(t, err)
			require.Equal(t, eur("2.00"), q.Discount, "%v, best %t: %s", limits, best, q.Explain())
			require.Len(t, q.Applied(), 2)

			q, err = coupon.Decide(cart, candidates(t, second), coupon.Facts{Best: best}, noon)
			require.NoError(t, err)
			require.Len(t, q.Refused(), 1)
			require.Equal(t, coupon.ReasonNothingOff, q.Refused()[0].Reason)
		}
	}

	// Nor does it lose to one that it can't be combined with: there is nothing to lose.
	second.Limits, second.Combine = nil, coupon.Combine{}
	for _, best := range []bool{false, true} {
		q, err := coupon.Decide(cart, candidates(t, first, second), coupon.Facts{Best: best}, noon)
		require.NoError(t, err)
		require.Equal(t, eur("1.00"), q.Discount)
		require.Len(t, q.Refused(), 1)
		require.Equal(t, coupon.ReasonNothingOff, q.Refused()[0].Reason, q.Refused()[0])
		require.Empty(t, q.Refused()[0].Rivals)
	}
}

package coupon_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

// Offers that take more off than is left of their budgets are refused and take nothing: what
// comes after them takes what it would take without them, off as many lines as there are.
func TestOffersBeyondTheirBudgetsTakeNothing(t *testing.T) {
	refusing := func(id string) coupon.Offer {
		return first(limited(freely(percentOff(id, "50")), coupon.Limit{Money: euros("1.00"), When: coupon.RefuseSpent}))
	}
	for _, benefit := range []coupon.Benefit{
		coupon.PercentOff{Rate: half}, coupon.AmountOff{Amounts: euros("3.00")}, coupon.AmountOffEach{Amounts: euros("1.00")},
		coupon.PercentOff{Rate: half, Units: someUnits(2, coupon.Dearest)}, coupon.BuyGet{Buy: 1, Get: 1},
	} {
		for n := 1; n <= 4; n++ {
			cart := cartOf(lines(item("10.00", 3), floor("20.00", 1, "5.00"), item("30.00", 2), item("0.50", 1))[:n]...)
			last := freely(giving("last", benefit))
			want := decide(t, cart, last)
			q := decide(t, cart, refusing("a"), refusing("b"), refusing("c"), last)
			require.Equal(t, []string{"last"}, applied(q))
			assert.Equal(t, want.Lines(), q.Lines())
			for _, r := range q.Refused() {
				assert.Equal(t, coupon.ReasonLimit, r.Reason)
			}
			checkSums(t, q)
		}
	}
}

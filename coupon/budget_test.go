package coupon_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// sharing are offers of the same benefit on one campaign's budget, of which each fits in alone
// and only the first fits in with others; they are worked out before others.
func sharing(t *testing.T, cart coupon.Cart, benefit coupon.Benefit) []coupon.Offer {
	alone := decide(t, cart, giving("a", benefit)).Discount
	var all []coupon.Offer
	for i := range 4 {
		o := first(freely(giving(fmt.Sprint("a", i), benefit)))
		o.Campaign = "spring"
		budget := coupon.Amounts{ledger.Minor(alone.Minor()+1, euro)}
		all = append(all, limited(o, coupon.Limit{Per: coupon.PerCampaign, Money: budget, When: coupon.RefuseSpent}))
	}
	return all
}

// Offers for which a budget has too little left beside others are refused and take nothing:
// what comes after them takes what it would take without them, off as many lines as there are.
func TestOffersBeyondTheirBudgetsTakeNothing(t *testing.T) {
	for _, benefit := range []coupon.Benefit{
		coupon.PercentOff{Rate: half}, coupon.AmountOff{Amounts: euros("3.00")}, coupon.AmountOffEach{Amounts: euros("1.00")},
		coupon.PercentOff{Rate: half, Units: someUnits(2, coupon.Dearest)}, coupon.BuyGet{Buy: 1, Get: 1},
	} {
		for n := 1; n <= 4; n++ {
			cart := cartOf(lines(item("10.00", 3), floor("20.00", 1, "5.00"), item("30.00", 2), item("5.00", 1))[:n]...)
			beyond := sharing(t, cart, coupon.PercentOff{Rate: ledger.MustRate("10")})
			last := freely(giving("last", benefit))
			want := decide(t, cart, beyond[0], last)
			q := decide(t, cart, append(beyond, last)...)
			require.Equal(t, []string{"a0", "last"}, applied(q))
			assert.Equal(t, want.Lines(), q.Lines())
			for _, r := range q.Refused() {
				assert.Equal(t, coupon.ReasonLimit, r.Reason)
			}
			checkSums(t, q)
		}
	}
}

// So do offers of shipping: nothing of them is left on a delivery.
func TestShippingBeyondItsBudgetTakesNothing(t *testing.T) {
	cart := cartOf(item("10.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "a", Price: eur("4.00")}, {ID: "b", Price: eur("6.00")}}
	beyond := sharing(t, cart, coupon.ShippingOff{Rate: half})
	last := freely(giving("last", coupon.ShippingOff{Amounts: euros("1.00")}))
	q := decide(t, cart, append(beyond, last)...)
	require.Equal(t, []string{"a0", "last"}, applied(q))
	assert.Equal(t, decide(t, cart, beyond[0], last).Deliveries(), q.Deliveries())
	none := decide(t, cart, beyond...)
	require.Equal(t, []string{"a0"}, applied(none))
	assert.Equal(t, decide(t, cart, beyond[0]).Deliveries(), none.Deliveries())
	checkSums(t, none)
}

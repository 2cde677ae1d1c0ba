package coupon_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// fromPrice is an offer that counts units from a price on.
func fromPrice(o coupon.Offer, from string) coupon.Offer {
	return changed(o, func(o *coupon.Offer) { o.Scope.UnitPrice.From = euros(from) })
}

// A line counts when quantity times an end of the range is on the right side of its
// price: what the quotients of both come to, without dividing.
func TestPriceRangesAreOfExactShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := item("0.00", rapid.Int64Range(1, 9).Draw(t, "quantity"))
		line.UnitPrice = drawMoney(t, "unit price", 0, 40)
		total := line.UnitPrice.Minor() * line.Quantity
		if rapid.Bool().Draw(t, "has a total") {
			line.Total = drawMoney(t, "total", 0, 200)
			total = line.Total.Minor()
		}
		from := rapid.Int64Range(0, 30).Draw(t, "from")
		to := from + rapid.Int64Range(0, 10).Draw(t, "to")
		free := changed(percentOff("a", "100"), func(o *coupon.Offer) {
			o.Scope.UnitPrice = coupon.PriceRange{From: coupon.Amounts{ledger.Minor(from, euro)}, To: coupon.Amounts{ledger.Minor(to, euro)}}
		})
		q, err := coupon.Decide(cartOf(line), []coupon.Candidate{{Version: mustVersion(free)}}, coupon.Facts{}, noon)
		require.NoError(t, err)
		counts := from*line.Quantity <= total && total <= to*line.Quantity
		if counts {
			require.Zero(t, q.Total.Minor())
		} else {
			require.Equal(t, total, q.Total.Minor())
			require.Equal(t, coupon.ReasonNoLines, q.Refused()[0].Reason)
		}
	})
}

// In a currency that the range lacks, nobody can say which lines count.
func TestPriceRangeOfAnotherCurrency(t *testing.T) {
	cart := cartOf(item("0.00", 1))
	cart.Currency, cart.Lines[0].UnitPrice = usd, ledger.MustMoney("9.00", usd)
	assert.Equal(t, coupon.ReasonCurrency, refusedAs(t, cart, fromPrice(percentOff("a", "10"), "5.00")).Reason)
}

func TestPriceRangeFaults(t *testing.T) {
	for name, c := range map[string]struct {
		from, to coupon.Amounts
		want     []string
	}{
		"upside down":    {euros("5.01"), euros("5.00"), []string{"scope.unit_price"}},
		"two currencies": {euros("5.00"), coupon.Amounts{ledger.MustMoney("9.00", usd)}, []string{"scope.unit_price"}},
		"below nothing":  {euros("-0.01"), euros("-0.01"), []string{"scope.unit_price.from.EUR", "scope.unit_price.to.EUR"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Scope.UnitPrice = coupon.PriceRange{From: c.from, To: c.to} })
			var faults *coupon.Faults
			require.ErrorAs(t, offer.Validate(), &faults)
			var paths []string
			for _, f := range faults.Faults {
				paths = append(paths, f.Path)
			}
			assert.Equal(t, c.want, paths)
		})
	}
}

package coupon_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// drawLargeCart has enough lines for an index of them to pay, in any order of ids.
func drawLargeCart(t *rapid.T) coupon.Cart {
	names := func(kind string, n int) *rapid.Generator[string] {
		return rapid.Map(rapid.IntRange(0, n), func(i int) string { return fmt.Sprint(kind, i) })
	}
	cart := coupon.Cart{Currency: ledger.MustCurrency("EUR")}
	ids := rapid.Permutation(make40()).Draw(t, "ids")
	for _, id := range ids {
		cart.Lines = append(cart.Lines, coupon.Line{
			ID: fmt.Sprint(id), Product: names("p", 12).Draw(t, "product"), Seller: names("s", 4).Draw(t, "seller"),
			Categories: rapid.SliceOfNDistinct(names("c", 5), 0, 3, rapid.ID).Draw(t, "categories"),
			Tags:       rapid.SliceOfNDistinct(names("t", 3), 0, 2, rapid.ID).Draw(t, "tags"),
			Quantity:   rapid.Int64Range(1, 4).Draw(t, "quantity"),
			UnitPrice:  ledger.Minor(rapid.Int64Range(0, 3000).Draw(t, "price"), cart.Currency),
			OnSale:     rapid.Bool().Draw(t, "on sale"),
		})
	}
	return cart
}

func make40() []int {
	ids := make([]int, 40)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

func drawLargeScope(t *rapid.T) coupon.Scope {
	names := func(kind string, n int) []string {
		return rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(0, n), func(i int) string { return fmt.Sprint(kind, i) }), 0, n, rapid.ID).Draw(t, kind)
	}
	lists := func() coupon.Lists {
		return coupon.Lists{Products: names("p", 12), Sellers: names("s", 4), Categories: names("c", 5), Tags: names("t", 3)}
	}
	scope := coupon.Scope{SaleItems: coupon.SaleItems(rapid.IntRange(0, 2).Draw(t, "sale items")), UnitPrice: drawPriceRange(t)}
	if rapid.Bool().Draw(t, "in") {
		scope.In = lists()
	}
	if rapid.Bool().Draw(t, "out") {
		scope.Out = lists()
	}
	return scope
}

// Many offers on a large cart are matched through an index of its lines, few are not,
// and unlimited ones that combine freely are worked out without asking what each takes
// off alone: none of that changes what comes out.
func TestShortWaysChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cart := drawLargeCart(t)
		var plain, indexed, limited []coupon.Candidate
		add := func(to *[]coupon.Candidate, o coupon.Offer) {
			v, err := coupon.NewVersion(o)
			require.NoError(t, err)
			*to = append(*to, coupon.Candidate{Version: v})
		}
		for i := range 3 {
			offer := coupon.Offer{
				ID: fmt.Sprint("offer", i), Name: "offer", Automatic: true, Combine: coupon.Combine{Freely: true},
				Scope: drawLargeScope(t), Priority: rapid.IntRange(-1, 1).Draw(t, "priority"),
			}
			switch five := (coupon.Amounts{ledger.Minor(500, cart.Currency)}); rapid.IntRange(0, 3).Draw(t, "benefit") {
			case 0:
				offer.Benefit = coupon.PercentOff{Rate: ledger.MustRate("33.3"), Units: coupon.Units{Max: rapid.Int64Range(0, 5).Draw(t, "units")}}
			case 1:
				offer.Benefit = coupon.AmountOff{Amounts: five}
			case 2:
				offer.Benefit = coupon.AmountOffEach{Amounts: five}
			case 3:
				offer.Benefit = coupon.BuyGet{Buy: 2, Get: 1}
			}
			add(&plain, offer)
			add(&indexed, offer)
			offer.Limits = []coupon.Limit{{Uses: 1 << 40}}
			add(&limited, offer)
		}
		none := coupon.Offer{
			ID: "none", Name: "none", Automatic: true, Combine: coupon.Combine{Freely: true},
			Scope: coupon.Scope{In: coupon.Lists{Products: []string{"nobody has it"}}}, Benefit: coupon.PercentOff{Rate: ledger.MustRate("1")},
		}
		add(&indexed, none)
		want, err := coupon.Decide(cart, plain, coupon.Facts{}, noon)
		require.NoError(t, err)
		for _, candidates := range [][]coupon.Candidate{indexed, limited} {
			got, err := coupon.Decide(cart, candidates, coupon.Facts{}, noon)
			require.NoError(t, err)
			require.Equal(t, want.Lines(), got.Lines())
			require.Equal(t, want.Applied(), got.Applied())
			require.Equal(t, want.Total, got.Total)
		}
	})
}

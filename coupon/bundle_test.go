package coupon_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Bundles that all combine on the same lines would cut these ever finer: what that costs
// stays within bounds, and what comes off is exact.
func TestManyBundlesOnTheSameLines(t *testing.T) {
	var lines []coupon.Line
	for i := range 100 {
		l := item(fmt.Sprintf("%d.%02d", 1+i%7, i), 1_000_000-int64(i*i))
		l.Product = []string{"tea", "cup", "mug"}[i%3]
		lines = append(lines, l)
	}
	var offers []coupon.Offer
	for i := range 16 {
		items := []coupon.BundleItem{{Of: products("tea", "cup"), Units: int64(1 + i%3)}, {Of: products("mug", "cup"), Units: int64(2 + i%5)}}
		offers = append(offers, freely(giving(fmt.Sprintf("bundle-%02d", i), coupon.BundlePrice{Items: items, Prices: coupon.Amounts{ledger.Minor(int64(400-20*i), euro)}})))
	}
	q := decide(t, cartOf(lines...), offers...)
	checkSums(t, q)
	require.NotEmpty(t, q.Applied())
	parts := 0
	for _, l := range q.Lines() {
		parts += len(l.Parts)
	}
	require.Less(t, parts, 25_000)
}

// Offers that count single units could cut a line as often as there are offers, and each
// offer after them look at all the parts: beyond a bound the cart is refused.
func TestOffersThatCutTooFine(t *testing.T) {
	cut := func(n int) []coupon.Offer {
		var offers []coupon.Offer
		for i := range n {
			dearest := coupon.PercentOff{Rate: half, Units: coupon.Units{Max: 1, Pick: coupon.Dearest}}
			offers = append(offers, freely(giving(fmt.Sprintf("dearest-%04d", i), dearest)))
		}
		return offers
	}
	cart := cartOf(item("50.00", 1_000_000))
	q := decide(t, cart, cut(500)...)
	checkSums(t, q)
	require.Len(t, q.Lines()[0].Parts, 501)
	_, err := coupon.Decide(cart, candidates(t, cut(3000)...), coupon.Facts{}, noon)
	require.ErrorIs(t, err, coupon.ErrCart)
}

// Offers each of which needs what the one before would leave, all in each other's way,
// would be combined anew as often as there are offers.
func TestOffersThatAreCombinedAnewForEver(t *testing.T) {
	var offers []coupon.Offer
	for i := range 3000 {
		o := amountOff(fmt.Sprintf("offer-%04d", i), "1.00")
		o.Labels, o.Combine.With = []string{fmt.Sprint("l", i%40)}, []string{fmt.Sprint("l", i%40), fmt.Sprint("l", (i+1)%40)}
		o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("100.00"), After: true}}
		offers = append(offers, o)
	}
	q := decide(t, cartOf(item("100.00", 1)), offers...)
	checkSums(t, q)
	require.Len(t, q.Applied(), 1)
}

// Sets of twenty goods in a cart of which each line fits others are filled; hundreds of
// them are refused before the work gets out of hand.
func TestHostileBundles(t *testing.T) {
	const goods = 20
	var set coupon.BundlePrice
	for i := range goods {
		set.Items = append(set.Items, coupon.BundleItem{Of: coupon.Lists{Tags: []string{fmt.Sprint(i)}}, Units: int64(1 + i)})
	}
	set.Prices = euros("0.01")
	var cart []coupon.Line
	for i := range 1000 {
		line := item("1.00", 1)
		for tag := range goods {
			if (i+1)*2654435761>>tag&1 == 1 {
				line.Tags = append(line.Tags, fmt.Sprint(tag))
			}
		}
		cart = append(cart, line)
	}
	bundles := func(n int) []coupon.Candidate {
		var all []coupon.Offer
		for i := range n {
			all = append(all, freely(giving(fmt.Sprint("set", i), set)))
		}
		return candidates(t, all...)
	}
	q, err := coupon.Decide(cartOf(cart...), bundles(1), coupon.Facts{}, noon)
	require.NoError(t, err)
	require.Len(t, q.Applied(), 1)
	for _, best := range []bool{false, true} {
		_, err = coupon.Decide(cartOf(cart...), bundles(300), coupon.Facts{Best: best}, noon)
		require.ErrorIs(t, err, coupon.ErrCart)
		require.Equal(t, []string{"lines"}, paths(t, err))
	}
}

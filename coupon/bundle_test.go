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
	require.NotEmpty(t, q.Applied)
	parts := 0
	for _, l := range q.Lines {
		parts += len(l.Parts)
	}
	require.Less(t, parts, 25_000)
}

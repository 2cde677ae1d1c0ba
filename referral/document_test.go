package referral_test

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// kinds are all kinds of documents that referrals write, and what they write of
// coupons and of the book.
var kinds = []string{
	"program", "program_version", "member", "link", "touch", "referral", "reward",
	"offer", "offer_version", "coupon", "code", "issue", "redemption", "entry", "event", "fault",
}

// dump is everything in a store but its counters, in one order.
func dump(t checker, store storage.Store) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range kinds {
		query := storage.Query{Kind: kind, Limit: storage.MaxPage}
		for more := true; more; more = query.After != "" {
			page, err := store.List(ctx, query)
			require.NoError(t, err)
			for _, doc := range page.Docs {
				fmt.Fprintf(&b, "%s v%d due %d %v %s\n", doc.Key, doc.Version, doc.Due, doc.Lists, doc.Body)
			}
			query.After = page.Next
		}
	}
	return b.String()
}

// requireSame compares two dumps, and shows the first difference.
func requireSame(t checker, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(found)) {
		require.Equal(t, wanted[i], found[i])
	}
	require.Len(t, found, len(wanted))
}

// codePattern matches made codes, as they stand in bodies and ids.
var codePattern = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{14}\b`)

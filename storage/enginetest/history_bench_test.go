package enginetest

import (
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var oldRedemptions = flag.Int("history", 20_000, "redemptions that BenchmarkHistory redeems beside; the long form: 10000000")

// BenchmarkHistory redeems where nobody has before, and beside old redemptions of the
// same customer and offer, in rounds that take turns. The metric is what a redemption
// costs beside them, relative to the other.
//
//	go test -run '^$' -bench History -benchtime 1x ./storage/enginetest -history=10000000
func BenchmarkHistory(b *testing.B) {
	e := postgres("postgres", "pgx")
	empty, full := openBazaar(b, e), openBazaar(b, e)
	full.remember(b, *oldRedemptions)
	for _, z := range []*bazaar{empty, full} { // until what was filled in is on disk and in memory
		z.rate(b, z.by(z.direct), 16, offersInBazaar, 5*measure)
	}
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d_redemptions/%d_clients", *oldRedemptions, clients), func(b *testing.B) {
			ratios, last := compared(b, rounds,
				func() measured { return empty.rate(b, empty.by(empty.direct), clients, offersInBazaar, measure) },
				func() measured { return full.rate(b, full.by(full.direct), clients, offersInBazaar, measure) })
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1/ratios[1], "old/empty")
			b.ReportMetric(last[1].perSecond, "redemptions/s")
		})
	}
}

// remember multiplies the rows of the sample redemption.
func (z *bazaar) remember(b *testing.B, redemptions int) {
	const each = 100_000
	for from := 1; from <= redemptions; from += each {
		to := min(from+each-1, redemptions)
		for _, statement := range []string{
			"INSERT INTO vouch_docs SELECT kind, replace(id, $1, o), version, due, replace(lists, $1, o), replace(body, $1, o)" +
				" FROM generate_series($2::bigint, $3) n, LATERAL (SELECT 'past-' || lpad(n::text, 10, '0')) p(o), vouch_docs WHERE id LIKE '%' || $1 || '%' ORDER BY 1, 2",
			"INSERT INTO vouch_lists SELECT kind, replace(list, $1, o), place - n, replace(id, $1, o)" +
				" FROM generate_series($2::bigint, $3) n, LATERAL (SELECT 'past-' || lpad(n::text, 10, '0')) p(o), vouch_lists WHERE id LIKE '%' || $1 || '%' ORDER BY 1, 2, 3, 4",
		} {
			_, err := z.db.ExecContext(b.Context(), statement, z.hand.like[0].order, from, to)
			require.NoError(b, err)
		}
	}
	_, err := z.db.ExecContext(b.Context(), "VACUUM ANALYZE vouch_docs, vouch_lists, vouch_counters")
	require.NoError(b, err)
	var docs int
	require.NoError(b, z.db.QueryRowContext(b.Context(), "SELECT count(*) FROM vouch_docs WHERE id LIKE '%past-%'").Scan(&docs))
	require.GreaterOrEqual(b, docs, redemptions)
}

package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// BenchmarkIssueBatch issues coupons in bulk on PostgreSQL, and compares with COPY of the
// rows that came of it, sorted by key, into tables like the store's.
//
//	go test -run '^$' -bench IssueBatch -benchtime 1000000x ./storage/enginetest
func BenchmarkIssueBatch(b *testing.B) {
	e := postgres("postgres", "pgx")
	db := e.Open(b, e.DSN(b), 4)
	coupons := coupon.New(e.Store(b, db, sqlstore.Options{}), coupon.Options{})
	_, err := coupons.Publish(b.Context(), coupon.Offer{
		ID: "flyer", Name: "flyer", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Per: coupon.PerCoupon, Uses: 1}},
	}, "staff", noon)
	require.NoError(b, err)

	begun := time.Now()
	made, err := coupons.IssueBatch(b.Context(), coupon.BatchRequest{ID: "flyers", Offer: "flyer", Count: b.N}, noon)
	issued := time.Since(begun)
	require.NoError(b, err)
	require.Equal(b, b.N, made.Made)

	var copied time.Duration
	for table, key := range map[string][]string{"vouch_docs": {"kind", "id"}, "vouch_lists": {"kind", "list", "place", "id"}} {
		copied += copyRows(b, db, table, key)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(copied)/float64(issued), "issued/copied")
	b.ReportMetric(float64(b.N)/issued.Seconds(), "coupons/s")
}

// copyRows copies a table's rows into one like it, and gives how long that took.
func copyRows(b *testing.B, db *sql.DB, table string, key []string) (took time.Duration) {
	conn, err := db.Conn(b.Context())
	require.NoError(b, err)
	defer conn.Close()
	require.NoError(b, conn.Raw(func(driver any) error {
		c := driver.(*stdlib.Conn).Conn()
		if _, err := c.Exec(b.Context(), fmt.Sprintf("CREATE TABLE copied_%s (LIKE %s INCLUDING ALL)", table, table)); err != nil {
			return err
		}
		rows, columns, err := allRows(b.Context(), c, table, key)
		if err != nil {
			return err
		}
		begun := time.Now()
		_, err = c.CopyFrom(b.Context(), pgx.Identifier{"copied_" + table}, columns, pgx.CopyFromRows(rows))
		took = time.Since(begun)
		return err
	}))
	return took
}

func allRows(ctx context.Context, c *pgx.Conn, table string, key []string) (all [][]any, columns []string, err error) {
	rows, err := c.Query(ctx, "SELECT * FROM "+table+" ORDER BY "+strings.Join(key, ", "))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, nil, err
		}
		all = append(all, values)
	}
	return all, columns, rows.Err()
}

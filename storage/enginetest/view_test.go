package enginetest

import (
	"database/sql"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

var farFuture = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)

func TestViews(t *testing.T) {
	view := storage.View{Name: "coupons", Kind: "shop's/coupon", Columns: []storage.Column{
		{Name: "id", From: storage.FromID},
		{Name: "version", From: storage.FromVersion, Type: storage.Integer},
		{Name: "due", From: storage.FromDue, Type: storage.Instant},
		{Name: "due_micros", From: storage.FromDue, Type: storage.Integer},
		{Name: "order", Path: []string{"order"}},
		{Name: "amount", Path: []string{"terms", "1st"}, Type: storage.Integer},
		{Name: "live", Path: []string{"live"}, Type: storage.Boolean},
		{Name: "issued", Path: []string{"issued"}, Type: storage.Instant},
	}}
	at := time.Date(2026, 11, 20, 18, 31, 7, 987654000, time.UTC)
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 0)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, store.Migrate(t.Context(), view))
			put := func(kind, id string, due int64, body string) storage.Put {
				return storage.Put{Key: storage.Key{Kind: kind, ID: id}, Due: due, Body: []byte(body)}
			}
			require.NoError(t, store.Apply(t.Context(), storage.Batch{Puts: []storage.Put{
				put(view.Kind, "a", at.UnixMicro(), `{"order":"Größe 🎁 'x'","terms":{"1st":9223372036854775807},"live":true,"issued":-1}`),
				put(view.Kind, "b", 0, `{"order":12,"live":false,"terms":{},"issued":0}`),
				put(view.Kind, "c", 1, `{"order":null,"terms":null}`),
				put("another", "d", 1, `{"order":"not seen"}`),
			}}))

			type row struct {
				ID, Due, Order, Issued sql.NullString
				Version, Micros        sql.NullInt64
				Amount                 sql.NullInt64
				Live                   sql.NullBool
			}
			text := func(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }
			number := func(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: true} }
			want := []row{
				{
					ID: text("a"), Version: number(1), Due: text("2026-11-20 18:31:07.987654"), Micros: number(at.UnixMicro()),
					Order: text("Größe 🎁 'x'"), Amount: number(math.MaxInt64), Live: sql.NullBool{Bool: true, Valid: true},
					Issued: text("1969-12-31 23:59:59.999999"),
				},
				{ID: text("b"), Version: number(1), Order: text("12"), Live: sql.NullBool{Valid: true}}, // issued at 0: never
				{ID: text("c"), Version: number(1), Due: text("1970-01-01 00:00:00.000001"), Micros: number(1)},
			}
			rows, err := db.Query("SELECT id, version, " + e.utc("due") + ", due_micros, " + e.quoted("order") +
				", amount, live, " + e.utc("issued") + " FROM vouch_coupons ORDER BY id")
			require.NoError(t, err)
			defer rows.Close()
			var got []row
			for rows.Next() {
				var r row
				require.NoError(t, rows.Scan(&r.ID, &r.Version, &r.Due, &r.Micros, &r.Order, &r.Amount, &r.Live, &r.Issued))
				got = append(got, r)
			}
			require.NoError(t, rows.Err())
			require.Equal(t, want, got)
		})
	}
}

func TestViewsAreMadeAnew(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 0)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, store.Migrate(t.Context(), coupons))
			changed := coupons
			changed.Columns = []storage.Column{{Name: "version", From: storage.FromVersion, Type: storage.Integer}}
			require.NoError(t, store.Migrate(t.Context(), changed))
			_, err := db.Exec("SELECT version FROM vouch_coupons")
			require.NoError(t, err)
			_, err = db.Exec("SELECT id FROM vouch_coupons")
			require.Error(t, err)

			reserved := coupons
			reserved.Name = "docs"
			err = store.Migrate(t.Context(), coupons, coupons, reserved, storage.View{})
			require.ErrorIs(t, err, storage.ErrInvalid)
			for _, fault := range []string{"declared twice", `"docs"`, "no columns"} {
				require.ErrorContains(t, err, fault)
			}
		})
	}
}

// TestViewsOfTheShopsOwn: a shop reads from our views in views of its own, which
// no later Migrate may hurt or fail on. It fails when the view must change.
func TestViewsOfTheShopsOwn(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 0)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, store.Migrate(t.Context(), coupons))
			_, err := db.Exec("CREATE VIEW mine AS SELECT id FROM vouch_coupons")
			require.NoError(t, err)
			require.NoError(t, store.Migrate(t.Context(), coupons))
			_, err = db.Exec("SELECT id FROM mine")
			require.NoError(t, err)
			if e.Dialect == sqlstore.PostgreSQL {
				changed := coupons
				changed.Columns = []storage.Column{{Name: "version", From: storage.FromVersion, Type: storage.Integer}}
				require.ErrorContains(t, store.Migrate(t.Context(), changed), "depend")
			}
		})
	}
}

// TestViewJoinsOrders: the shop's own columns have collations of their own.
func TestViewJoinsOrders(t *testing.T) {
	redemptions := storage.View{Name: "redemptions", Kind: "redemption", Columns: []storage.Column{
		{Name: "order_id", From: storage.FromID}, {Name: "customer", Path: []string{"customer"}},
	}}
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			s := openShop(t, e, 0)
			require.NoError(t, s.store.Migrate(t.Context(), redemptions))
			_, err := s.db.Exec("INSERT INTO orders (id) VALUES ('Größe')")
			require.NoError(t, err)
			b := claim("Größe")
			b.Puts[0].Body = []byte(`{"customer":"Größe"}`)
			require.NoError(t, s.store.Apply(t.Context(), b))
			for _, column := range []string{"order_id", "customer"} {
				var n int
				require.NoError(t, s.db.QueryRow("SELECT count(*) FROM orders o JOIN vouch_redemptions r ON r."+column+" = o.id").Scan(&n))
				require.Equal(t, 1, n, column)
			}
		})
	}
}

// quoted is a column whose name is a word of SQL.
func (e Engine) quoted(column string) string {
	if e.Dialect == sqlstore.MySQL {
		return "`" + column + "`"
	}
	return `"` + column + `"`
}

// utc is the text of an instant in UTC.
func (e Engine) utc(column string) string {
	if e.Dialect == sqlstore.PostgreSQL {
		return "to_char(" + column + " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
	}
	return column
}

// TestViewByID: a view asked for one id looks it up in the index on (kind, id).
func TestViewByID(t *testing.T) {
	wants := map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "(kind=? AND id=?)",
		sqlstore.PostgreSQL: "Index Cond: ((kind = 'coupon'::text) AND (id = 'c-7'::text))",
		sqlstore.MySQL:      "|const|",
	}
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 1)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, store.Migrate(t.Context(), coupons))
			for i := range 20 {
				key := storage.Key{Kind: "coupon", ID: fmt.Sprintf("c-%d", i)}
				require.NoError(t, store.Apply(t.Context(), storage.Batch{Puts: []storage.Put{{Key: key, Body: []byte(`{}`)}}}))
			}
			if e.Dialect == sqlstore.PostgreSQL {
				_, err := db.Exec("SET enable_seqscan = off") // the table is small
				require.NoError(t, err)
			}
			plan := explain(t, e, db, Step{Statement: "SELECT id FROM vouch_coupons WHERE id = 'c-7'"})
			require.Contains(t, plan, wants[e.Dialect])
		})
	}
}

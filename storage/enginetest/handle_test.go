package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	bunschema "github.com/uptrace/bun/schema"
	gormmysql "gorm.io/driver/mysql"
	gormpostgres "gorm.io/driver/postgres"
	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/enginetest/internal/entshop"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// order is a transaction of the shop's: it inserts the order and calls redeem with
// the store bound to the transaction. It commits when redeem returns nil, and rolls
// back otherwise.
type order func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error

// libraries make the order's transaction of each library that shops keep theirs in,
// on the market's own pool.
var libraries = map[string]func(*testing.T, Engine, *market) order{
	"database-sql": func(_ *testing.T, e Engine, m *market) order { return orderWithSQL(e, m.db, m.store) },
	"sqlx":         func(_ *testing.T, e Engine, m *market) order { return orderWithSQLX(e, m.db, m.store) },
	"bun":          func(_ *testing.T, e Engine, m *market) order { return orderWithBun(e, m.db, m.store) },
	"ent":          func(_ *testing.T, e Engine, m *market) order { return orderWithEnt(e, m.db, m.store) },
	"gorm": func(t *testing.T, e Engine, m *market) order {
		return orderWithGORM(openGORM(t, e, m.db, false), m.store)
	},
	"gorm-prepared": func(t *testing.T, e Engine, m *market) order {
		shop := openGORM(t, e, m.db, true)
		t.Cleanup(func() {
			kept := strings.Join(shop.ConnPool.(*gorm.PreparedStmtDB).Stmts.Keys(), "\n")
			require.Contains(t, kept, "shop_orders")
			require.NotContains(t, kept, "vouch", "GORM keeps the shop's statements, and none of the store's")
		})
		return orderWithGORM(shop, m.store)
	},
	"gorm-nested-savepoints": func(t *testing.T, e Engine, m *market) order { return nested(openGORM(t, e, m.db, false), m.store) },
	"pgx":                    pgxOrders,
}

// TestHandles lets each library insert an order and redeem the coupon of it in one
// transaction, which commits, is rolled back, or is kept without the coupon.
func TestHandles(t *testing.T) {
	for _, e := range usual() {
		for name, open := range libraries {
			if name == "pgx" && e.Dialect != sqlstore.PostgreSQL {
				continue
			}
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				m, ctx := openMarket(t, e), t.Context()
				buy := open(t, e, m)
				m.publish(t, coupon.Offer{
					ID: "once", Name: "once", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Uses: 1}},
				})
				m.code(t, "once", "ONCE")
				quote, err := m.coupons.Quote(ctx, basket("jane"), coupon.Choose("once"), noon)
				require.NoError(t, err)
				redeem := func(order string, verdict error) func(*sqlstore.Store) error {
					return func(store *sqlstore.Store) error {
						if _, err := m.coupons.In(store).Redeem(ctx, order, quote, noon); err != nil {
							return err
						}
						return verdict
					}
				}
				declined := errors.New("the card was declined")
				require.ErrorIs(t, buy(ctx, "o-1", quote.Total.Minor(), redeem("o-1", declined)), declined)
				require.Empty(t, m.sold(t), "the coupon came back with the order")

				require.NoError(t, buy(ctx, "o-2", quote.Total.Minor(), redeem("o-2", nil)))
				require.Equal(t, []string{"o-2 with the coupon"}, m.sold(t))

				var refused *coupon.Refusal
				require.ErrorAs(t, buy(ctx, "o-3", quote.Total.Minor(), redeem("o-3", nil)), &refused)
				require.Equal(t, []string{"o-2 with the coupon"}, m.sold(t))

				require.NoError(t, buy(ctx, "o-4", quote.Subtotal.Minor(), func(store *sqlstore.Store) error {
					require.ErrorAs(t, redeem("o-4", nil)(store), &refused)
					return nil
				}), "a refusal leaves the transaction usable")
				require.Equal(t, []string{"o-2 with the coupon", "o-4"}, m.sold(t))
			})
		}
	}
}

// sold are the orders, and whether each has a redemption.
func (m *market) sold(t *testing.T) []string {
	t.Helper()
	rows, err := m.db.Query("SELECT o.id, r.order_id FROM shop_orders o LEFT JOIN vouch_redemptions r ON r.order_id = o.id ORDER BY o.id")
	require.NoError(t, err)
	defer rows.Close()
	var sold []string
	for rows.Next() {
		var id string
		var redeemed sql.NullString
		require.NoError(t, rows.Scan(&id, &redeemed))
		if redeemed.Valid {
			id += " with the coupon"
		}
		sold = append(sold, id)
	}
	require.NoError(t, rows.Err())
	return sold
}

// placeholders are those of two arguments.
func placeholders(e Engine) string {
	if e.Dialect == sqlstore.PostgreSQL {
		return "($1, $2)"
	}
	return "(?, ?)"
}

func orderWithSQL(e Engine, db *sql.DB, store *sqlstore.Store) order {
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO shop_orders (id, total) VALUES "+placeholders(e), id, total); err != nil {
			return err
		}
		bound, err := store.Within(tx)
		if err != nil {
			return err
		}
		if err := redeem(bound); err != nil {
			return err
		}
		return tx.Commit()
	}
}

func orderWithSQLX(e Engine, db *sql.DB, store *sqlstore.Store) order {
	shop := sqlx.NewDb(db, e.Driver)
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		tx, err := shop.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		row := map[string]any{"id": id, "total": total}
		if _, err := tx.NamedExecContext(ctx, "INSERT INTO shop_orders (id, total) VALUES (:id, :total)", row); err != nil {
			return err
		}
		bound, err := store.Within(tx)
		if err != nil {
			return err
		}
		if err := redeem(bound); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// BunOrder is bun's model of an order.
type BunOrder struct {
	bun.BaseModel `bun:"table:shop_orders"`

	ID    string `bun:",pk"`
	Total int64
}

// orderWithBun binds the store to btx.Tx, the *sql.Tx in bun's: bun's own would put
// the arguments into the text.
func orderWithBun(e Engine, db *sql.DB, store *sqlstore.Store) order {
	shop := bun.NewDB(db, map[sqlstore.Dialect]bunschema.Dialect{
		sqlstore.SQLite: sqlitedialect.New(), sqlstore.PostgreSQL: pgdialect.New(), sqlstore.MySQL: mysqldialect.New(),
	}[e.Dialect])
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		return shop.RunInTx(ctx, nil, func(ctx context.Context, btx bun.Tx) error {
			if _, err := btx.NewInsert().Model(&BunOrder{ID: id, Total: total}).Exec(ctx); err != nil {
				return err
			}
			bound, err := store.Within(btx.Tx)
			if err != nil {
				return err
			}
			return redeem(bound)
		})
	}
}

// orderWithEnt binds the store to ent's own transaction, of a client that was made
// with the feature sql/execquery.
func orderWithEnt(e Engine, db *sql.DB, store *sqlstore.Store) order {
	shop := entshop.NewClient(entshop.Driver(entsql.OpenDB(map[sqlstore.Dialect]string{
		sqlstore.SQLite: dialect.SQLite, sqlstore.PostgreSQL: dialect.Postgres, sqlstore.MySQL: dialect.MySQL,
	}[e.Dialect], db)))
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		tx, err := shop.Tx(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := tx.ShopOrder.Create().SetID(id).SetTotal(total).Exec(ctx); err != nil {
			return err
		}
		bound, err := store.Within(tx)
		if err != nil {
			return err
		}
		if err := redeem(bound); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// ShopOrder is GORM's model of an order.
type ShopOrder struct {
	ID    string
	Total int64
}

func openGORM(t testing.TB, e Engine, db *sql.DB, prepared bool) *gorm.DB {
	t.Helper()
	shop, err := gorm.Open(gormDialector(e, db), &gorm.Config{PrepareStmt: prepared, Logger: logger.Discard})
	require.NoError(t, err)
	return shop
}

func gormDialector(e Engine, db *sql.DB) gorm.Dialector {
	switch e.Dialect {
	case sqlstore.PostgreSQL:
		return gormpostgres.New(gormpostgres.Config{Conn: db})
	case sqlstore.MySQL:
		return gormmysql.New(gormmysql.Config{Conn: db})
	}
	return gormsqlite.New(gormsqlite.Config{Conn: db})
}

// orderWithGORM binds the store to the handle of GORM's transaction, which is its
// Statement.ConnPool: what tx.DB() gives is the pool.
func orderWithGORM(shop *gorm.DB, store *sqlstore.Store) order {
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		return shop.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&ShopOrder{ID: id, Total: total}).Error; err != nil {
				return err
			}
			handle, _ := tx.Statement.ConnPool.(sqlstore.Tx)
			bound, err := store.Within(handle)
			if err != nil {
				return err
			}
			return redeem(bound)
		})
	}
}

// nested is a transaction of GORM's in another, which is a savepoint.
func nested(shop *gorm.DB, store *sqlstore.Store) order {
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		return shop.Transaction(func(outer *gorm.DB) error { return orderWithGORM(outer, store)(ctx, id, total, redeem) })
	}
}

// pgxOrders begins its transactions on a pool of pgx's own.
func pgxOrders(t *testing.T, _ Engine, m *market) order {
	pool, err := pgxpool.New(t.Context(), m.dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return func(ctx context.Context, id string, total int64, redeem func(*sqlstore.Store) error) error {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		if _, err := tx.Exec(ctx, "INSERT INTO shop_orders (id, total) VALUES ($1, $2)", id, total); err != nil {
			return err
		}
		bound, err := sqlstore.WithinPgx(m.store, tx)
		if err != nil {
			return err
		}
		if err := redeem(bound); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
}

// TestWrongHandlesOfLibraries: what is no transaction and compiles is refused by
// name. What does not compile is in TestWrongHandlesDoNotCompile.
func TestWrongHandlesOfLibraries(t *testing.T) {
	e := sqlite()
	m := openMarket(t, e)
	refused := func(handle sqlstore.Tx, words string) {
		t.Helper()
		_, err := m.store.Within(handle)
		require.ErrorIs(t, err, sqlstore.ErrHandle)
		require.ErrorContains(t, err, words)
	}
	for _, prepared := range []bool{false, true} {
		shop := openGORM(t, e, m.db, prepared)
		outside, _ := shop.Statement.ConnPool.(sqlstore.Tx)
		refused(outside, "Statement.ConnPool")
		require.NoError(t, shop.Transaction(func(tx *gorm.DB) error {
			pool, err := tx.DB() // the pool, or what hides it
			if err == nil {
				handle, _ := any(pool).(sqlstore.Tx)
				refused(handle, "it is nil")
			}
			return nil
		}))
	}
	shop := bun.NewDB(m.db, sqlitedialect.New())
	require.NoError(t, shop.RunInTx(t.Context(), nil, func(_ context.Context, btx bun.Tx) error {
		refused(btx, "bun.Tx has BeginTx")
		return nil
	}))
	refused((*entshop.Tx)(nil), "it is nil")
	refused((*sqlx.Tx)(nil), "it is nil")
}

// exampleMarket is a shop on SQLite, with a coupon that takes 10 % off once.
func exampleMarket() (Engine, *market, *coupon.Quote, func()) {
	db, store, closeShop := exampleShop()
	m, ctx := &market{db: db, store: store, coupons: coupon.New(store, coupon.Options{})}, context.Background()
	_, err := db.Exec("CREATE TABLE shop_orders (id TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT")
	fatal(err)
	fatal(store.CreateViews(ctx, coupon.Views()...))
	_, err = m.coupons.Publish(ctx, coupon.Offer{ID: "ten", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}}, "staff", noon)
	fatal(err)
	_, err = m.coupons.Issue(ctx, coupon.IssueRequest{ID: "ten", Offers: []coupon.IssueOffer{{Offer: "ten", Code: "TEN"}}}, noon)
	fatal(err)
	quote, err := m.coupons.Quote(ctx, basket("jane"), coupon.Choose("ten"), noon)
	fatal(err)
	return sqlite(), m, quote, closeShop
}

// tell lets a library write two orders with their redemptions, of which the second
// is rolled back.
func tell(m *market, quote *coupon.Quote, buy order) {
	for _, o := range []struct {
		id      string
		verdict error
	}{{"o-1", nil}, {"o-2", errors.New("the card was declined")}} {
		err := buy(context.Background(), o.id, quote.Total.Minor(), func(store *sqlstore.Store) error {
			_, err := m.coupons.In(store).Redeem(context.Background(), o.id, quote, noon)
			return errors.Join(err, o.verdict)
		})
		fmt.Println(o.id+":", err)
	}
	var orders, redemptions int
	fatal(m.db.QueryRow("SELECT (SELECT count(*) FROM shop_orders), (SELECT count(*) FROM vouch_redemptions)").Scan(&orders, &redemptions))
	fmt.Println("orders:", orders, "redemptions:", redemptions)
}

// The order and its redemption in a transaction of sqlx, which *sqlx.Tx is as it is.
func Example_sqlx() {
	e, m, quote, closeShop := exampleMarket()
	defer closeShop()
	tell(m, quote, orderWithSQLX(e, m.db, m.store))
	// Output:
	// o-1: <nil>
	// o-2: the card was declined
	// orders: 1 redemptions: 1
}

// The order and its redemption in a transaction of bun: the handle is btx.Tx.
func Example_bun() {
	e, m, quote, closeShop := exampleMarket()
	defer closeShop()
	tell(m, quote, orderWithBun(e, m.db, m.store))
	// Output:
	// o-1: <nil>
	// o-2: the card was declined
	// orders: 1 redemptions: 1
}

// The order and its redemption in a transaction of ent: the handle is ent's own
// *Tx, of a client that was made with --feature sql/execquery.
func Example_ent() {
	e, m, quote, closeShop := exampleMarket()
	defer closeShop()
	tell(m, quote, orderWithEnt(e, m.db, m.store))
	// Output:
	// o-1: <nil>
	// o-2: the card was declined
	// orders: 1 redemptions: 1
}

// The order and its redemption in a transaction of GORM: the handle is
// tx.Statement.ConnPool.
func Example_gorm() {
	e, m, quote, closeShop := exampleMarket()
	defer closeShop()
	shop, err := gorm.Open(gormDialector(e, m.db), &gorm.Config{Logger: logger.Discard})
	fatal(err)
	tell(m, quote, orderWithGORM(shop, m.store))
	// Output:
	// o-1: <nil>
	// o-2: the card was declined
	// orders: 1 redemptions: 1
}

// The order and its redemption in a transaction of database/sql.
func Example_databaseSQL() {
	e, m, quote, closeShop := exampleMarket()
	defer closeShop()
	tell(m, quote, orderWithSQL(e, m.db, m.store))
	// Output:
	// o-1: <nil>
	// o-2: the card was declined
	// orders: 1 redemptions: 1
}

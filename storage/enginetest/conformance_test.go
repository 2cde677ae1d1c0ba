package enginetest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
	"github.com/vouch-go/vouch/storage/storetest"
)

func TestConformance(t *testing.T) {
	pools := []struct {
		name  string
		conns int
	}{{"pool", 8}, {"one-connection", 1}}
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			for _, pool := range pools {
				t.Run(pool.name, func(t *testing.T) {
					storetest.Run(t, func(t *testing.T) storage.Store {
						return e.Store(t, e.Open(t, e.DSN(t), pool.conns), sqlstore.Options{})
					}, storetest.Features{
						Tx: func(t *testing.T) storetest.TxHarness { return e.harness(t, pool.conns) },
					})
				})
			}
		})
	}
}

// harness is a shop with one table of orders.
func (e Engine) harness(t *testing.T, conns int) storetest.TxHarness {
	db := e.Open(t, e.DSN(t), conns)
	store := e.Store(t, db, sqlstore.Options{})
	_, err := db.Exec("CREATE TABLE orders (id VARCHAR(100) NOT NULL PRIMARY KEY)")
	require.NoError(t, err)
	return storetest.TxHarness{
		Store: store,
		Begin: func() (storetest.Tx, error) {
			tx, err := db.BeginTx(context.Background(), nil)
			if err != nil {
				return storetest.Tx{}, err
			}
			bound, err := store.Within(tx)
			return storetest.Tx{
				Store: bound,
				InsertOrder: func(id string) error {
					_, err := tx.Exec("INSERT INTO orders (id) VALUES ('" + id + "')")
					return err
				},
				Commit:   tx.Commit,
				Rollback: tx.Rollback,
			}, err
		},
		Orders: func() (n int, err error) {
			return n, db.QueryRow("SELECT count(*) FROM orders").Scan(&n)
		},
		Retryable:    sqlstore.Retryable,
		WrongHandles: wrongHandles(t, store, db),
	}
}

// wrongHandles are attempts at binding a store to what compiles and is no
// transaction. What does not compile is in TestWrongHandlesDoNotCompile.
func wrongHandles(t *testing.T, store *sqlstore.Store, db *sql.DB) map[string]func() error {
	within := func(tx sqlstore.Tx) func() error {
		return func() error {
			_, err := store.Within(tx)
			require.ErrorIs(t, err, sqlstore.ErrHandle)
			return err
		}
	}
	return map[string]func() error{
		"nil":                within(nil),
		"nil *sql.Tx":        within((*sql.Tx)(nil)),
		"wrapped pool":       within(poolLike{db}),
		"wrapped connection": within(connLike{}),
	}
}

// poolLike is what a library makes that hides the difference between pool and
// transaction.
type poolLike struct{ *sql.DB }

func (poolLike) Commit() error   { return nil }
func (poolLike) Rollback() error { return nil }

type connLike struct{ *sql.Conn }

func (connLike) Commit() error   { return nil }
func (connLike) Rollback() error { return nil }

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
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			suite := func(name string, conns int, harness func(*testing.T, shop) storetest.TxHarness) {
				t.Run(name, func(t *testing.T) {
					storetest.Run(t, func(t *testing.T) storage.Store {
						return e.Store(t, e.Open(t, e.DSN(t), conns), sqlstore.Options{})
					}, storetest.Features{
						Group: true,
						Tx: func(t *testing.T) storetest.TxHarness {
							dsn := e.DSN(t)
							return harness(t, newShop(t, e, e.Open(t, dsn, conns), dsn))
						},
					})
				})
			}
			suite("pool", 8, harness)
			if e.isUsual() {
				suite("one-connection", 1, harness)
				t.Run("grouped", func(t *testing.T) {
					storetest.Run(t, func(t *testing.T) storage.Store {
						group := storage.Grouped(e.Store(t, e.Open(t, e.DSN(t), 8), sqlstore.Options{}), storage.GroupOptions{})
						t.Cleanup(func() { group.Close() })
						return group
					}, storetest.Features{})
				})
			}
			if e.Driver == "pgx" {
				suite("native", 8, pgxHarness)
			}
		})
	}
}

// harness is a shop whose transactions are those of database/sql.
func harness(t *testing.T, s shop) storetest.TxHarness {
	return storetest.TxHarness{
		Store: s.store,
		Begin: func() (storetest.Tx, error) {
			tx, err := s.db.BeginTx(context.Background(), nil)
			if err != nil {
				return storetest.Tx{}, err
			}
			bound, err := s.store.Within(tx)
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
			return n, s.db.QueryRow("SELECT count(*) FROM orders").Scan(&n)
		},
		Retryable:    s.engine.Retryable,
		WrongHandles: wrongHandles(t, s.store, s.db),
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

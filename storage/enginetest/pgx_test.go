package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/sqlstore"
	"github.com/vouch-go/vouch/storage/storetest"
)

// pgxHarness is a shop whose transactions are those of pgx's own interface.
func pgxHarness(t *testing.T, s shop) storetest.TxHarness {
	h := harness(t, s)
	h.Begin = func() (storetest.Tx, error) { return beginPgx(s) }
	within := func(store *sqlstore.Store, tx pgx.Tx) func() error {
		return func() error {
			_, err := sqlstore.WithinPgx(store, tx)
			require.ErrorIs(t, err, sqlstore.ErrHandle)
			return err
		}
	}
	other, err := sqlstore.New(new(sql.DB), sqlstore.SQLite, sqlstore.Options{})
	require.NoError(t, err)
	h.WrongHandles = map[string]func() error{
		"nil":                    within(s.store, nil),
		"another engine's store": within(other, pgxLike{}),
		"wrapped connection":     within(s.store, pgxLike{}),
	}
	return h
}

// pgxLike is what a library makes that hides the difference between connection
// and transaction.
type pgxLike struct{ pgx.Tx }

func (pgxLike) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) { return nil, nil }

// beginPgx begins a transaction on a connection of its own.
func beginPgx(s shop) (storetest.Tx, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return storetest.Tx{}, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return storetest.Tx{}, errors.Join(err, conn.Close(ctx))
	}
	bound, err := sqlstore.WithinPgx(s.store, tx)
	return storetest.Tx{
		Store: bound,
		InsertOrder: func(id string) error {
			_, err := tx.Exec(ctx, "INSERT INTO orders (id) VALUES ($1)", id)
			return err
		},
		Commit:   func() error { return errors.Join(tx.Commit(ctx), conn.Close(ctx)) },
		Rollback: func() error { return errors.Join(tx.Rollback(ctx), conn.Close(ctx)) },
	}, err
}

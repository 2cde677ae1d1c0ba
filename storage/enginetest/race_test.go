package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// oversell makes many callers claim a counter with the given maximum, and gives
// the number of claims that were accepted.
func oversell(t *testing.T, apply func(context.Context, storage.Batch) error, limit int64) int {
	t.Helper()
	var accepted atomic.Int64
	together(8, func(caller int) {
		for i := range 10 {
			b := claim(fmt.Sprint(caller, "-", i))
			b.Adds[0].Counter, b.Adds[0].Max = "limited", limit
			switch err := apply(t.Context(), b); {
			case err == nil:
				accepted.Add(1)
			case !errors.Is(err, storage.ErrLimit):
				t.Error(err)
			}
		}
	})
	return int(accepted.Load())
}

// together runs do several times at once.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func TestNeverOversold(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			s := openShop(t, e, 0)
			require.Equal(t, 20, oversell(t, s.store.Apply, 20))
			_, values, err := s.store.Get(t.Context(), nil, "limited")
			require.NoError(t, err)
			require.EqualValues(t, 20, values["limited"])
		})
		t.Run(e.Name+"/two stores on one database", func(t *testing.T) {
			dsn := e.DSN(t)
			one := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
			other := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
			var n atomic.Int64
			require.Equal(t, 20, oversell(t, func(ctx context.Context, b storage.Batch) error {
				if n.Add(1)%2 == 0 {
					return one.Apply(ctx, b)
				}
				return other.Apply(ctx, b)
			}, 20))
		})
		t.Run(e.Name+"/with the order", func(t *testing.T) {
			s := openShop(t, e, 0)
			require.Equal(t, 20, oversell(t, func(ctx context.Context, b storage.Batch) error {
				return s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
					if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES ('"+b.Puts[0].Key.ID+"')"); err != nil {
						return err
					}
					return store.Apply(ctx, b)
				})
			}, 20))
			var orders int
			require.NoError(t, s.db.QueryRow("SELECT count(*) FROM orders").Scan(&orders))
			require.Equal(t, 20, orders)
		})
	}
}

// TestNaiveTwinIsCaught: the same callers against a store that reads the
// counter, checks it and writes. All of them read before the first one writes.
func TestNaiveTwinIsCaught(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			naive := &checkThenWrite{Store: e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})}
			naive.allHaveRead.Add(8)
			require.Greater(t, oversell(t, naive.Apply, 1), 1)
		})
	}
}

// checkThenWrite is the way it must not be done. Its first readers, one of each
// caller, wait for each other, so that the race is lost on every machine.
type checkThenWrite struct {
	*sqlstore.Store
	readers     atomic.Int64
	allHaveRead sync.WaitGroup
}

func (s *checkThenWrite) Apply(ctx context.Context, b storage.Batch) error {
	a := &b.Adds[0]
	_, values, err := s.Get(ctx, nil, a.Counter)
	if err != nil {
		return err
	}
	if s.readers.Add(1) <= 8 {
		s.allHaveRead.Done()
		s.allHaveRead.Wait()
	}
	if values[a.Counter]+a.Delta > a.Max {
		return storage.ErrLimit
	}
	a.Max = 1 << 60
	return s.Store.Apply(ctx, b)
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// TxHarness is a database with the store's tables and one table of the shop's
// own, its orders, empty at first. With it the suite tests the store bound to a
// transaction that the caller began and will end.
//
// In the subtests with one goroutine nothing outside a transaction is used while
// it is open, so a pool of one connection is enough.
type TxHarness struct {
	// Store is the store outside any transaction of the caller's.
	Store storage.Store

	// Begin begins a transaction as a shop would. It is called from several
	// goroutines at once, and waits or fails with a retryable error when the
	// engine cannot give each its own.
	Begin func() (Tx, error)

	// Orders counts the committed orders, outside any transaction.
	Orders func() (int, error)

	// Retryable says that an error asks for the whole transaction to be done
	// again from its Begin. Nil: no error does.
	Retryable func(error) bool

	// WrongHandles are attempts to bind the store to what is no open transaction
	// (a pool, a connection, nil), by name. Each must give an error.
	WrongHandles map[string]func() error
}

// Tx is one transaction of the shop's.
type Tx struct {
	Store       storage.Store         // the store bound to the transaction
	InsertOrder func(id string) error // inserts into the shop's orders in the same transaction
	Commit      func() error
	Rollback    func() error
}

func runTx(t *testing.T, open func(*testing.T) TxHarness) {
	for _, test := range []struct {
		name string
		run  func(*txFixture)
	}{
		{"commits with the order", commitsWithOrder},
		{"rolls back with the order", rollsBackWithOrder},
		{"reads see own writes", readsOwnWrites},
		{"a refused batch leaves it usable", refusedLeavesUsable},
		{"an invalid batch leaves it usable", invalidLeavesUsable},
		{"over means over", overMeansOver},
		{"never oversold", neverOversoldInTx},
		{"wrong handles", wrongHandles},
	} {
		t.Run(test.name, func(t *testing.T) {
			harness := open(t)
			test.run(&txFixture{fixture: &fixture{T: t, Store: harness.Store}, TxHarness: harness})
		})
	}
}

// txFixture reads and writes outside the transaction; inside gives the same
// calls within it.
type txFixture struct {
	*fixture
	TxHarness
}

func (f *txFixture) begin() (Tx, *fixture) {
	f.Helper()
	tx, err := f.Begin()
	require.NoError(f, err)
	return tx, &fixture{T: f.T, Store: tx.Store}
}

func (f *txFixture) orders(want int) {
	f.Helper()
	got, err := f.Orders()
	require.NoError(f, err)
	require.Equal(f, want, got, "orders")
}

// redemption creates a document and takes one of a capacity of 2.
func redemption(id string) storage.Batch {
	p := put(key(id), 0)
	p.Due, p.Lists = 5, []storage.Listing{{List: "l", Place: 5}}
	return storage.Batch{Puts: []storage.Put{p}, Adds: []storage.Add{{Counter: "cap", Delta: 1, Max: 2}}}
}

func commitsWithOrder(f *txFixture) {
	tx, inside := f.begin()
	require.NoError(f, tx.InsertOrder("1"))
	inside.apply(redemption("a"))
	inside.apply(redemption("b"))
	inside.apply(puts(put(key("a"), 1)))
	require.NoError(f, tx.Commit())
	f.orders(1)
	f.version(2, key("a"))
	f.counter(2, "cap")
	f.listed(storage.Query{Kind: "doc"}, "a", "b")
	f.listed(storage.Query{Kind: "doc", List: "l"}, "b")
}

func rollsBackWithOrder(f *txFixture) {
	f.apply(redemption("before"))
	tx, inside := f.begin()
	inside.apply(redemption("a"))
	inside.apply(puts(put(key("before"), 1)))
	require.NoError(f, tx.InsertOrder("1"))
	require.NoError(f, tx.Rollback())
	f.orders(0)
	f.version(0, key("a"))
	f.counter(1, "cap")
	f.version(1, key("before"))
	f.listed(storage.Query{Kind: "doc", List: "l"}, "before")
	f.apply(redemption("a"))
}

func readsOwnWrites(f *txFixture) {
	f.apply(redemption("before"))
	tx, inside := f.begin()
	inside.apply(redemption("a"))
	inside.version(1, key("a"))
	inside.counter(2, "cap")
	inside.listed(storage.Query{Kind: "doc", List: "l"}, "a", "before")
	inside.listed(storage.Query{Kind: "doc", DueBefore: 6}, "a", "before")
	inside.apply(storage.Batch{Drops: []storage.Drop{{Key: key("before"), Version: 1}}, Checks: []storage.Check{{Key: key("a"), Version: 1}}})
	inside.version(0, key("before"))
	inside.listed(storage.Query{Kind: "doc"}, "a")
	require.NoError(f, tx.Commit())
	f.listed(storage.Query{Kind: "doc", List: "l"}, "a")
}

// refusedLeavesUsable: whatever was refused, nothing of that batch is there, all
// else of the transaction is, and the order can still be written.
func refusedLeavesUsable(f *txFixture) {
	for i, x := range failures {
		f.each(x.name, func(outside *fixture) {
			p := fmt.Sprintf("%02d ", i)
			name := p + "m"
			x.ready(outside, name)
			batch := holding(outside, p)
			want := x.into(&batch, name)
			counters := []string{p + "c", p + "m", p + "x"}

			tx, inside := f.begin()
			require.NoError(inside, tx.InsertOrder(p+"before"))
			inside.apply(puts(put(key(p+"own"), 0)))
			docs, values := inside.everything([]string{"doc"}, counters)
			for range 2 {
				inside.refused(batch, want)
			}
			require.NoError(inside, tx.InsertOrder(p+"after"))
			docsAfter, valuesAfter := inside.everything([]string{"doc"}, counters)
			equalDocs(inside, docs, docsAfter)
			require.Equal(inside, values, valuesAfter)
			inside.apply(puts(put(key(p+"own"), 1)))
			require.NoError(inside, tx.Commit())

			f.orders(2 * (i + 1))
			outside.version(2, key(p+"own"))
			outside.listed(storage.Query{Kind: "doc", List: "new " + p})
			_, valuesAfter = outside.everything(nil, counters)
			require.Equal(f, values, valuesAfter)
		})
	}
}

func invalidLeavesUsable(f *txFixture) {
	tx, inside := f.begin()
	bad := redemption("a")
	bad.Puts = append(bad.Puts, bad.Puts[0])
	require.ErrorIs(f, inside.Apply(context.Background(), bad), storage.ErrInvalid)
	_, err := inside.List(context.Background(), storage.Query{})
	require.ErrorIs(f, err, storage.ErrInvalid)
	inside.apply(redemption("b"))
	require.NoError(f, tx.InsertOrder("1"))
	require.NoError(f, tx.Commit())
	f.orders(1)
	f.listed(storage.Query{Kind: "doc"}, "b")
}

// overMeansOver: a store bound to a transaction that has ended writes nothing.
func overMeansOver(f *txFixture) {
	for i, end := range []func(Tx) error{
		func(tx Tx) error { return tx.Commit() },
		func(tx Tx) error { return tx.Rollback() },
	} {
		tx, inside := f.begin()
		require.NoError(f, tx.InsertOrder(fmt.Sprint(i)))
		require.NoError(f, end(tx))
		err := inside.Apply(context.Background(), redemption("late"))
		require.Error(f, err)
		require.NotErrorIs(f, err, storage.ErrConflict)
		require.NotErrorIs(f, err, storage.ErrLimit)
		f.version(0, key("late"))
		f.counter(0, "cap")
	}
	f.orders(1)
}

// neverOversoldInTx: each order takes one of the capacity in its own
// transaction; what was refused rolls its order back.
func neverOversoldInTx(f *txFixture) {
	var orders atomic.Int64
	errs := race(workers, func(worker int) error {
		for i := range attempts {
			id := fmt.Sprintf("%d-%d", worker, i)
			err := f.redeem(id)
			for tries := 0; f.Retryable != nil && f.Retryable(err) && tries < 100; tries++ {
				err = f.redeem(id)
			}
			switch {
			case err == nil:
				orders.Add(1)
			case !errors.Is(err, storage.ErrLimit):
				return err
			}
		}
		return nil
	})
	require.Equal(f, workers, accepted(f, errs, nil))
	require.Equal(f, int64(capacity), orders.Load(), "accepted")
	f.orders(capacity)
	f.counter(capacity, "cap")
	require.Len(f, f.list(storage.Query{Kind: "doc"}), capacity)
}

func (f *txFixture) redeem(id string) error {
	tx, err := f.Begin()
	if err != nil {
		return err
	}
	if err := tx.InsertOrder(id); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	b := redemption(id)
	b.Adds[0].Max = capacity
	if err := tx.Store.Apply(context.Background(), b); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func wrongHandles(f *txFixture) {
	require.NotEmpty(f, f.WrongHandles, "the harness names no wrong handles")
	for name, bind := range f.WrongHandles {
		f.each(name, func(f *fixture) { require.Error(f, bind()) })
	}
}

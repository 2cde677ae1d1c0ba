package storetest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/storetest"
)

// shop is a database in miniature, for the set about the caller's transaction:
// one transaction at a time, which works on a copy made of all batches
// committed so far.
type shop struct {
	turn      sync.Mutex // held by the transaction
	store     *memory.Store
	committed []storage.Batch
	orders    int
}

var errOver = errors.New("the transaction is over")

func newShop() *shop { return &shop{store: memory.New()} }

func (s *shop) harness(twin twin) storetest.TxHarness {
	bind := twin.bind
	if bind == nil {
		bind = func(b *bound) storage.Store { return b }
	}
	refusal := errors.New("not a transaction")
	if twin.accepts {
		refusal = nil
	}
	return storetest.TxHarness{
		Store:        outside{s},
		Begin:        func() (storetest.Tx, error) { return s.begin(bind) },
		Orders:       func() (int, error) { return s.orders, nil },
		WrongHandles: map[string]func() error{"a pool": func() error { return refusal }},
	}
}

func (s *shop) begin(bind func(*bound) storage.Store) (storetest.Tx, error) {
	s.turn.Lock()
	b := &bound{shop: s, Store: memory.New()}
	for _, batch := range s.committed {
		if err := b.Store.Apply(context.Background(), batch); err != nil {
			return storetest.Tx{}, err
		}
	}
	return storetest.Tx{
		Store:       bind(b),
		InsertOrder: func(string) error { b.orders++; return b.aborted },
		Commit: func() error {
			var err error
			for _, batch := range b.pending {
				err = errors.Join(err, s.write(batch))
			}
			s.orders += b.orders
			b.end()
			return err
		},
		Rollback: func() error { b.end(); return nil },
	}, nil
}

func (s *shop) write(b storage.Batch) error {
	err := s.store.Apply(context.Background(), b)
	if err == nil {
		s.committed = append(s.committed, b)
	}
	return err
}

// outside is the store between the transactions.
type outside struct{ shop *shop }

func (o outside) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	return o.shop.store.Get(ctx, keys, counters...)
}

func (o outside) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	return o.shop.store.List(ctx, q)
}

func (o outside) Apply(_ context.Context, b storage.Batch) error {
	o.shop.turn.Lock()
	defer o.shop.turn.Unlock()
	return o.shop.write(b)
}

// bound is the store within a transaction.
type bound struct {
	storage.Store
	shop    *shop
	pending []storage.Batch
	orders  int
	over    bool
	aborted error
}

func (b *bound) Apply(ctx context.Context, batch storage.Batch) error {
	if b.over {
		return errOver
	}
	if err := b.Store.Apply(ctx, batch); err != nil {
		return err
	}
	b.pending = append(b.pending, batch)
	return nil
}

func (b *bound) end() {
	b.over = true
	b.shop.turn.Unlock()
}

// The careless ways to be bound to a transaction.

// unbound writes to the pool that it was made from.
type unbound struct{ *bound }

func (u unbound) Apply(_ context.Context, b storage.Batch) error { return u.shop.write(b) }

func (u unbound) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	return u.shop.store.Get(ctx, keys, counters...)
}

func (u unbound) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	return u.shop.store.List(ctx, q)
}

// readsOutside writes in the transaction and reads from the pool.
type readsOutside struct{ *bound }

func (r readsOutside) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	return r.shop.store.Get(ctx, keys, counters...)
}

// aborting is PostgreSQL without a savepoint: what fails ends the transaction.
type aborting struct{ *bound }

func (a aborting) Apply(ctx context.Context, b storage.Batch) error {
	err := a.bound.Apply(ctx, b)
	if err != nil {
		a.aborted = errors.New("current transaction is aborted")
	}
	return err
}

// half is MySQL without a savepoint: what was written before the operation that
// failed stays.
type half struct{ *bound }

func (h half) Apply(ctx context.Context, b storage.Batch) error {
	return oneByOne(ctx, h.bound, b)
}

// forgets reports what it never passes on.
type forgets struct{ *bound }

func (f forgets) Apply(ctx context.Context, b storage.Batch) error { return f.Store.Apply(ctx, b) }

// boundless leaves the bounds to whoever reads the counter.
type boundless struct{ *bound }

func (l boundless) Apply(ctx context.Context, b storage.Batch) error {
	b.Adds = slices.Clone(b.Adds)
	for i := range b.Adds {
		b.Adds[i].Min, b.Adds[i].Max = math.MinInt64, math.MaxInt64
	}
	return l.bound.Apply(ctx, b)
}

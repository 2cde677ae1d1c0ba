package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// The races are small enough for an engine on a laptop, and wide enough that a
// store that reads, decides and then writes fails them.
const (
	workers  = 8  // goroutines
	attempts = 10 // of each goroutine
	capacity = 20 // of the counter they want
)

func neverOversold(f *fixture) {
	var taken atomic.Int64
	errs := race(workers, func(int) error {
		for range attempts {
			err := f.Apply(context.Background(), add("cap", 1, 0, capacity))
			if err == nil {
				taken.Add(1)
			} else if !errors.Is(err, storage.ErrLimit) {
				return err
			}
		}
		return nil
	})
	require.Equal(f, workers, accepted(f, errs, nil))
	require.Equal(f, int64(capacity), taken.Load(), "accepted")
	f.counter(capacity, "cap")
	f.refused(add("cap", 1, 0, capacity), limit("cap"))

	errs = race(2*capacity, func(int) error { return f.Apply(context.Background(), add("cap", -1, 0, capacity)) })
	require.Equal(f, capacity, accepted(f, errs, storage.ErrLimit), "given back")
	f.counter(0, "cap")
}

// neverOversoldWithDocuments: what is accepted, what is counted and what is
// written is the same number.
func neverOversoldWithDocuments(f *fixture) {
	errs := race(workers*attempts, func(i int) error {
		p := put(key(fmt.Sprintf("%03d", i)), 0)
		p.Lists = []storage.Listing{{List: "all", Place: int64(i)}}
		return f.Apply(context.Background(), storage.Batch{
			Puts: []storage.Put{p},
			Adds: []storage.Add{{Counter: "a worker's own", Delta: 1, Max: workers * attempts}, {Counter: "cap", Delta: 2, Max: 2*capacity + 1}},
		})
	})
	require.Equal(f, capacity, accepted(f, errs, storage.ErrLimit), "accepted")
	f.counter(2*capacity, "cap")
	f.counter(capacity, "a worker's own")
	require.Len(f, f.list(storage.Query{Kind: "doc"}), capacity)
	require.Len(f, f.list(storage.Query{Kind: "doc", List: "all"}), capacity)
	for i, err := range errs {
		want := int64(0)
		if err == nil {
			want = 1
		}
		f.version(want, key(fmt.Sprintf("%03d", i)))
	}
}

func oneCreator(f *fixture) { f.oneOf(0, 5) }

func oneWinner(f *fixture) { f.oneOf(1, 5) }

// oneOf lets goroutines race for one change of one document, in several rounds:
// one wins, and all that is there is the winner's.
func (f *fixture) oneOf(version int64, rounds int) {
	for round := range rounds {
		k := key(fmt.Sprint("round ", round))
		if version > 0 {
			f.apply(puts(put(k, 0)))
		}
		list := func(i int) string { return fmt.Sprintf("%d/%d", round, i) }
		errs := race(workers, func(i int) error {
			p := put(k, version)
			p.Body = []byte(fmt.Sprintf(`{"by":%d}`, i))
			p.Lists = []storage.Listing{{List: list(i), Place: 1}}
			return f.Apply(context.Background(), storage.Batch{
				Puts: []storage.Put{p},
				Adds: []storage.Add{{Counter: k.ID, Delta: 1, Max: workers}},
			})
		})
		require.Equal(f, 1, accepted(f, errs, storage.ErrConflict), "winners")
		f.counter(1, k.ID)
		doc := f.doc(k)
		require.Equal(f, version+1, doc.Version)
		for i, err := range errs {
			if err != nil {
				f.listed(storage.Query{Kind: "doc", List: list(i)})
				continue
			}
			require.Equal(f, fmt.Sprintf(`{"by":%d}`, i), string(doc.Body))
			f.listed(storage.Query{Kind: "doc", List: list(i)}, k.ID)
		}
	}
}

// oppositeOrders: batches that name the same documents and counters in opposite
// orders all come to an end, and nothing gets lost between two accounts.
func oppositeOrders(f *fixture) {
	const transfers = 10
	ab := puts(put(key("a"), 0), put(key("b"), 0))
	ab.Adds = add("a", 50, 0, 100).Adds
	f.apply(ab)
	errs := race(workers, func(worker int) error {
		from, to := "a", "b"
		if worker%2 == 1 {
			from, to = to, from
		}
		for range transfers {
			err := transfer(f, from, to)
			for errors.Is(err, storage.ErrConflict) { // another was faster: one of them always is
				err = transfer(f, from, to)
			}
			if err != nil && !errors.Is(err, storage.ErrLimit) {
				return err
			}
		}
		return nil
	})
	require.Equal(f, workers, accepted(f, errs, nil))
	_, values, err := f.Get(context.Background(), nil, "a", "b", "done")
	require.NoError(f, err)
	require.Equal(f, int64(50), values["a"]+values["b"])
	f.version(values["done"]+1, key("a"))
	f.version(values["done"]+1, key("b"))
}

func transfer(f *fixture, from, to string) error {
	docs, _, err := f.Get(context.Background(), []storage.Key{key(from), key(to)})
	if err != nil {
		return err
	}
	return f.Apply(context.Background(), storage.Batch{
		Puts: []storage.Put{put(key(from), docs[0].Version), put(key(to), docs[1].Version)},
		Adds: []storage.Add{
			{Counter: from, Delta: -5, Max: 100},
			{Counter: to, Delta: 5, Max: 100},
			{Counter: "done", Delta: 1, Max: 1000},
		},
	})
}

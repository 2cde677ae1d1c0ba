package storetest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// grouper is the store under test, of which Features says that it is one.
func (f *fixture) grouper() storage.Grouper {
	f.Helper()
	g, is := f.Store.(storage.Grouper)
	require.True(f, is, "Features.Group is set, and the store has no ApplyEach")
	return g
}

// groupAgreesWithMap compares the answers of many batches, and what they leave, with
// those of one after the other. They meet on few documents and counters, so that
// most rest on what others before them have written.
func groupAgreesWithMap(f *fixture) {
	ctx, runs := context.Background(), 0
	g := f.grouper()
	rapid.Check(f.T, func(t *rapid.T) {
		runs++
		w := newWorld(runs)
		m := &model{docs: make(map[storage.Key]storage.Doc), counters: make(map[string]int64)}
		for range rapid.IntRange(1, 3).Draw(t, "groups") {
			var batches []storage.Batch
			var want []*storage.Failure
			for range rapid.IntRange(0, 8).Draw(t, "batches") {
				b := w.batch(t, m) // on what the model has by now
				batches, want = append(batches, b), append(want, m.apply(b))
			}
			answers := g.ApplyEach(ctx, batches)
			require.Len(t, answers, len(batches))
			for i, err := range answers {
				if want[i] == nil {
					require.NoError(t, err, "batch %d", i)
				} else {
					requireFailure(t, *want[i], err)
				}
			}
			docs, values, err := f.Get(ctx, w.keys, w.counters...)
			require.NoError(t, err)
			var left []storage.Doc
			for _, k := range w.keys {
				if doc, found := m.docs[k]; found {
					left = append(left, doc)
				}
			}
			equalDocs(t, left, docs)
			for _, name := range w.counters {
				require.Equal(t, m.counters[name], values[name], "counter %q", name)
			}
			for _, q := range w.listings() {
				page, err := f.List(ctx, q)
				require.NoError(t, err)
				equalDocs(t, m.list(q), page.Docs)
			}
		}
	})
}

// listings are all there are in the world.
func (w world) listings() []storage.Query {
	var all []storage.Query
	for _, kind := range []string{w.keys[0].Kind, w.keys[len(w.keys)-1].Kind} {
		all = append(all, storage.Query{Kind: kind, DueBefore: 9})
		for _, list := range w.lists {
			all = append(all, storage.Query{Kind: kind, List: list})
		}
	}
	return all
}

// groupNeighbours: what breaks the contract, is refused or is empty does nothing to
// the batches around it.
func groupNeighbours(f *fixture) {
	good := func(i int) storage.Batch {
		return storage.Batch{Puts: []storage.Put{put(key(fmt.Sprint("good ", i)), 0)}, Adds: add("good", 1, 0, 99).Adds}
	}
	f.apply(puts(put(key("taken"), 0)))
	answers := f.grouper().ApplyEach(context.Background(), []storage.Batch{
		good(0),
		puts(put(storage.Key{ID: "no kind"}, 0)),
		good(1),
		{},
		puts(put(key("taken"), 0), put(key("good 2"), 0)),
		good(2),
		add("good", 97, 0, 99),
		good(3),
	})
	require.ErrorIs(f, answers[1], storage.ErrInvalid)
	requireFailure(f, conflict(storage.OpPut, key("taken")), answers[4])
	requireFailure(f, limit("good"), answers[6])
	for _, i := range []int{0, 2, 3, 5, 7} {
		require.NoError(f, answers[i], "batch %d", i)
	}
	f.counter(4, "good")
	for i := range 4 {
		f.version(1, key(fmt.Sprint("good ", i)))
	}
	f.version(1, key("taken"))
}

// groupsRace: groups and single batches want the same counter at once, in several
// rounds.
func groupsRace(f *fixture) {
	g := f.grouper()
	for round := range 5 {
		name := fmt.Sprint("cap ", round)
		batch := func(id string) storage.Batch {
			b := add(name, 1, 0, capacity)
			b.Puts = []storage.Put{put(key(name+" "+id), 0)}
			return b
		}
		var taken atomic.Int64
		errs := race(workers, func(worker int) error {
			batches := make([]storage.Batch, 8)
			for n := range batches {
				batches[n] = batch(fmt.Sprint(worker, "-", n))
			}
			var answers []error
			if worker%2 == 0 {
				answers = g.ApplyEach(context.Background(), batches)
			} else {
				for _, b := range batches[:4] {
					answers = append(answers, f.Apply(context.Background(), b))
				}
			}
			taken.Add(int64(accepted(f, answers, storage.ErrLimit)))
			return nil
		})
		require.Equal(f, workers, accepted(f, errs, nil))
		require.Equal(f, int64(capacity), taken.Load(), "accepted")
		f.counter(capacity, name)
	}
	require.Len(f, f.list(storage.Query{Kind: "doc"}), 5*capacity)
}

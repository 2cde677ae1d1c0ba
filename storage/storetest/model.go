package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// model is what a store should do, written in the plainest way.
type model struct {
	docs     map[storage.Key]storage.Doc
	counters map[string]int64
}

// apply gives the failure of the batch, or does it.
func (m *model) apply(b storage.Batch) *storage.Failure {
	ops, _ := b.Ops()
	for _, op := range ops {
		if op.Add != nil {
			if _, allowed := op.Add.After(m.counters[op.Add.Counter]); !allowed {
				return op.Failure()
			}
		} else if m.docs[op.Key()].Version != op.Version() {
			return op.Failure()
		}
	}
	for _, p := range b.Puts {
		doc := storage.Doc(p)
		doc.Version++
		doc.Lists = slices.SortedFunc(slices.Values(p.Lists), func(x, y storage.Listing) int { return strings.Compare(x.List, y.List) })
		m.docs[p.Key] = doc
	}
	for _, d := range b.Drops {
		delete(m.docs, d.Key)
	}
	for _, a := range b.Adds {
		m.counters[a.Counter] += a.Delta
	}
	return nil
}

func (m *model) list(q storage.Query) []storage.Doc {
	type placed struct {
		place int64
		doc   storage.Doc
	}
	var found []placed
	for k, doc := range m.docs {
		switch {
		case k.Kind != q.Kind:
		case q.DueBefore != 0:
			if doc.Due > 0 && doc.Due < q.DueBefore {
				found = append(found, placed{doc.Due, doc})
			}
		case q.List != "":
			for _, l := range doc.Lists {
				if l.List == q.List && (q.From == 0 || l.Place >= q.From) && (q.Until == 0 || l.Place < q.Until) {
					found = append(found, placed{l.Place, doc})
				}
			}
		default:
			found = append(found, placed{0, doc})
		}
	}
	slices.SortFunc(found, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.place, b.place), strings.Compare(a.doc.Key.ID, b.doc.Key.ID))
	})
	if q.Newest {
		slices.Reverse(found)
	}
	docs := make([]storage.Doc, len(found))
	for i, f := range found {
		docs[i] = f.doc
	}
	return docs
}

// world is what the random batches are about; small, so that they meet.
type world struct {
	keys     []storage.Key
	counters []string
	lists    []string
}

func newWorld(number int) world {
	w := world{lists: []string{"l", "L", "l ", "wallet/é/live"}}
	for _, kind := range []string{"k", "K"} {
		for _, id := range []string{"", "a", "A", "a ", "b%"} {
			w.keys = append(w.keys, storage.Key{Kind: fmt.Sprintf("%s%d", kind, number), ID: id})
		}
	}
	for _, name := range []string{"c", "C", "c "} {
		w.counters = append(w.counters, fmt.Sprintf("%d/%s", number, name))
	}
	return w
}

// batch draws operations that mostly hold.
func (w world) batch(t *rapid.T, m *model) storage.Batch {
	var b storage.Batch
	small := rapid.Int64Range(-3, 3)
	for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom(w.keys), 0, 4, rapid.ID).Draw(t, "keys") {
		version := m.docs[k].Version
		if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
			version = rapid.Int64Range(0, 4).Draw(t, "version")
		}
		op := rapid.SampledFrom([]storage.OpKind{storage.OpPut, storage.OpPut, storage.OpPut, storage.OpCheck, storage.OpDrop}).Draw(t, "op")
		switch {
		case op == storage.OpCheck:
			b.Checks = append(b.Checks, storage.Check{Key: k, Version: version})
		case op == storage.OpDrop && version > 0:
			b.Drops = append(b.Drops, storage.Drop{Key: k, Version: version})
		default:
			p := put(k, version)
			p.Due = rapid.Int64Range(0, 3).Draw(t, "due")
			for _, list := range rapid.SliceOfNDistinct(rapid.SampledFrom(w.lists), 0, len(w.lists), rapid.ID).Draw(t, "lists") {
				p.Lists = append(p.Lists, storage.Listing{List: list, Place: small.Draw(t, "place")})
			}
			p.Body = []byte(fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 2).Draw(t, "body")))
			b.Puts = append(b.Puts, p)
		}
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(w.counters), 0, len(w.counters), rapid.ID).Draw(t, "counters") {
		a := storage.Add{Counter: name, Delta: small.Draw(t, "delta"), Min: -4, Max: 4}
		if rapid.IntRange(0, 9).Draw(t, "edge") == 0 {
			a.Delta = rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}).Draw(t, "delta")
			a.Min, a.Max = math.MinInt64, math.MaxInt64
		}
		b.Adds = append(b.Adds, a)
	}
	return b
}

func (w world) query(t *rapid.T) storage.Query {
	q := storage.Query{
		Kind:   rapid.SampledFrom(w.keys).Draw(t, "kind").Kind,
		Newest: rapid.Bool().Draw(t, "newest"),
		Limit:  rapid.IntRange(0, 4).Draw(t, "limit"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "order") {
	case 0:
		q.List = rapid.SampledFrom(w.lists).Draw(t, "list")
		q.From, q.Until = rapid.Int64Range(-4, 4).Draw(t, "from"), rapid.Int64Range(-4, 4).Draw(t, "until")
	case 1:
		q.DueBefore = rapid.Int64Range(1, 4).Draw(t, "due before")
	}
	return q
}

// agreesWithMap compares the store with the model, batch by batch. All runs
// share one store, each with kinds and counters of its own.
func agreesWithMap(f *fixture) {
	ctx, runs := context.Background(), 0
	rapid.Check(f.T, func(t *rapid.T) {
		runs++
		w := newWorld(runs)
		m := &model{docs: make(map[storage.Key]storage.Doc), counters: make(map[string]int64)}
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			b := w.batch(t, m)
			err := f.Apply(ctx, b)
			if want := m.apply(b); want != nil {
				requireFailure(t, *want, err)
			} else {
				require.NoError(t, err)
			}
			docs, values, err := f.Get(ctx, w.keys, w.counters...)
			require.NoError(t, err)
			var want []storage.Doc
			for _, k := range w.keys {
				if doc, found := m.docs[k]; found {
					want = append(want, doc)
				}
			}
			equalDocs(t, want, docs)
			for _, name := range w.counters {
				require.Equal(t, m.counters[name], values[name], "counter %q", name)
			}
			q := w.query(t)
			want, all := m.list(q), []storage.Doc(nil)
			for {
				page, err := f.List(ctx, q)
				require.NoError(t, err)
				all = append(all, page.Docs...)
				more := len(want) > len(all)
				require.Equal(t, more, page.Next != "", "next of %+v", q)
				if !more {
					break
				}
				require.Len(t, page.Docs, q.Limit)
				q.After = page.Next
			}
			equalDocs(t, want, all)
		}
	})
}

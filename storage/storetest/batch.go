package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// failing is an operation that is refused: on a document that is at version 2,
// on one that does not exist, or on a counter that is 5.
type failing struct {
	name     string
	existing bool
	op       storage.OpKind
	version  int64
	add      storage.Add
}

var failures = []failing{
	{name: "check of a stale version", existing: true, op: storage.OpCheck, version: 1},
	{name: "check that none exists", existing: true, op: storage.OpCheck, version: 0},
	{name: "check of what does not exist", op: storage.OpCheck, version: 1},
	{name: "put over a stale version", existing: true, op: storage.OpPut, version: 1},
	{name: "put that creates again", existing: true, op: storage.OpPut, version: 0},
	{name: "put over what does not exist", op: storage.OpPut, version: 1},
	{name: "drop of a stale version", existing: true, op: storage.OpDrop, version: 1},
	{name: "drop of what does not exist", op: storage.OpDrop, version: 1},
	{name: "add above the maximum", op: storage.OpAdd, add: storage.Add{Delta: 1, Max: 5}},
	{name: "add below the minimum", op: storage.OpAdd, add: storage.Add{Delta: -1, Min: 5, Max: 9}},
	{name: "add of nothing, out of bounds", op: storage.OpAdd, add: storage.Add{Min: 6, Max: 9}},
	{name: "add beyond int64", op: storage.OpAdd, add: storage.Add{Delta: math.MaxInt64, Max: math.MaxInt64}},
}

// into adds the operation to the batch, on the document or counter of this name.
func (x failing) into(b *storage.Batch, name string) storage.Failure {
	switch x.op {
	case storage.OpCheck:
		b.Checks = append(b.Checks, storage.Check{Key: key(name), Version: x.version})
	case storage.OpPut:
		b.Puts = append(b.Puts, put(key(name), x.version))
	case storage.OpDrop:
		b.Drops = append(b.Drops, storage.Drop{Key: key(name), Version: x.version})
	default:
		x.add.Counter = name
		b.Adds = append(b.Adds, x.add)
		return limit(name)
	}
	return conflict(x.op, key(name))
}

// ready makes what a failing operation of this name fails on.
func (x failing) ready(f *fixture, name string) {
	switch {
	case x.op == storage.OpAdd:
		f.apply(add(name, 5, 0, 5))
	case x.existing:
		f.apply(puts(put(key(name), 0)))
		f.apply(puts(put(key(name), 1)))
	}
}

// allOrNothing puts each failing operation before, among and behind operations
// that hold, in lock order.
func allOrNothing(f *fixture) {
	for i, x := range failures {
		for _, at := range []string{"first", "middle", "last"} {
			f.each(x.name+" "+at, func(f *fixture) {
				p := fmt.Sprintf("%02d %s ", i, at)
				name := p + map[string]string{"first": "a", "middle": "m", "last": "z"}[at]
				x.ready(f, name)
				batch := holding(f, p)
				switch { // counters come after all documents
				case at == "first" && x.op == storage.OpAdd:
					batch = storage.Batch{Adds: batch.Adds}
				case at == "last" && x.op != storage.OpAdd:
					batch.Adds = nil
				}
				want := x.into(&batch, name)
				counters := []string{p + "a", p + "c", p + "m", p + "x", p + "z"}
				docs, values := f.everything([]string{"doc"}, counters)
				f.refused(batch, want)
				docsAfter, valuesAfter := f.everything([]string{"doc"}, counters)
				equalDocs(f, docs, docsAfter)
				require.Equal(f, values, valuesAfter)
				f.listed(storage.Query{Kind: "doc", List: "new " + p})
				f.listed(storage.Query{Kind: "doc", List: "old " + p}, p+"d", p+"f", p+"x", p+"y")
				f.listed(storage.Query{Kind: "doc", DueBefore: 1000})
			})
		}
	}
}

// holding is a batch in which everything holds: a create, an update, a drop and
// a check on each side of the middle, and two counters.
func holding(f *fixture, p string) storage.Batch {
	old := []storage.Listing{{List: "old " + p, Place: 1}}
	var b storage.Batch
	for _, id := range []string{"d", "f", "x", "y"} {
		existing := put(key(p+id), 0)
		existing.Lists = old
		f.apply(puts(existing))
	}
	for _, id := range []string{"b", "d", "v", "x"} {
		change := put(key(p+id), 0)
		if id == "d" || id == "x" {
			change.Version = 1
		}
		change.Body, change.Due, change.Lists = []byte(`{"new":true}`), 9, []storage.Listing{{List: "new " + p, Place: 1}}
		b.Puts = append(b.Puts, change)
	}
	b.Drops = []storage.Drop{{Key: key(p + "f"), Version: 1}, {Key: key(p + "y"), Version: 1}}
	b.Checks = []storage.Check{{Key: key(p + "none")}, {Key: key(p + "b none")}}
	b.Adds = []storage.Add{{Counter: p + "c", Delta: 2, Max: 9}, {Counter: p + "x", Delta: -2, Min: -9, Max: 9}}
	return b
}

// firstFailure builds batches in which several operations fail.
func firstFailure(f *fixture) {
	b := storage.Key{Kind: "b", ID: "a"}
	upper := storage.Key{Kind: "b", ID: "Z"}
	a := storage.Key{Kind: "a", ID: "z"}
	long := storage.Key{Kind: "a b", ID: ""} // "a" is before "a b", whatever follows it in the id
	f.apply(puts(put(a, 0), put(b, 0), put(upper, 0), put(long, 0)))

	full := []storage.Add{{Counter: "b", Delta: 1}, {Counter: "a", Delta: 1}, {Counter: "B", Delta: 1}}
	f.refused(storage.Batch{Adds: full}, limit("B"))
	f.refused(storage.Batch{Adds: full[:2]}, limit("a"))
	f.refused(storage.Batch{Adds: full, Puts: []storage.Put{put(b, 0)}}, conflict(storage.OpPut, b))
	f.refused(storage.Batch{
		Adds:   full,
		Checks: []storage.Check{{Key: b, Version: 7}},
		Puts:   []storage.Put{put(long, 0), put(upper, 7)},
		Drops:  []storage.Drop{{Key: a, Version: 7}},
	}, conflict(storage.OpDrop, a))
	f.refused(storage.Batch{
		Checks: []storage.Check{{Key: b, Version: 7}, {Key: a, Version: 1}},
		Puts:   []storage.Put{put(upper, 7), put(long, 0)},
	}, conflict(storage.OpPut, long))
	f.refused(storage.Batch{
		Checks: []storage.Check{{Key: b, Version: 7}},
		Drops:  []storage.Drop{{Key: upper, Version: 7}},
	}, conflict(storage.OpDrop, upper))
	f.refused(storage.Batch{
		Checks: []storage.Check{{Key: upper, Version: 7}},
		Puts:   []storage.Put{put(b, 0)},
	}, conflict(storage.OpCheck, upper))
}

func invalidBatches(f *fixture) {
	listed := func(lists ...storage.Listing) storage.Batch {
		p := put(key("a"), 0)
		p.Lists = lists
		return puts(p)
	}
	with := func(change func(*storage.Put)) storage.Batch {
		p := put(key("a"), 0)
		change(&p)
		return puts(p)
	}
	body := func(body string) storage.Batch { return with(func(p *storage.Put) { p.Body = []byte(body) }) }
	tooMany := storage.Batch{}
	for i := range storage.MaxOps {
		tooMany.Adds = append(tooMany.Adds, storage.Add{Counter: fmt.Sprint(i), Delta: 1, Max: 1})
	}
	nineLists := make([]storage.Listing, storage.MaxLists+1)
	for i := range nineLists {
		nineLists[i].List = fmt.Sprint(i)
	}
	for name, b := range map[string]storage.Batch{
		"put twice":             puts(put(key("a"), 0), put(key("a"), 0)),
		"put and check":         {Puts: []storage.Put{put(key("a"), 0)}, Checks: []storage.Check{{Key: key("a")}}},
		"put and drop":          {Puts: []storage.Put{put(key("a"), 1)}, Drops: []storage.Drop{{Key: key("a"), Version: 1}}},
		"check twice":           {Checks: []storage.Check{{Key: key("a")}, {Key: key("a")}}},
		"counter twice":         {Adds: []storage.Add{{Counter: "c", Max: 1}, {Counter: "c", Max: 1}}},
		"empty kind":            puts(put(storage.Key{ID: "a"}, 0)),
		"kind too long":         puts(put(storage.Key{Kind: strings.Repeat("k", storage.MaxKind+1)}, 0)),
		"kind with NUL":         puts(put(storage.Key{Kind: "k\x00"}, 0)),
		"id too long":           puts(put(key(strings.Repeat("x", storage.MaxID+1)), 0)),
		"id too long in bytes":  puts(put(key(strings.Repeat("é", storage.MaxID/2)+"x"), 0)),
		"id with NUL":           puts(put(key("a\x00b"), 0)),
		"id not UTF-8":          puts(put(key("a\xff"), 0)),
		"check of a bad id":     {Checks: []storage.Check{{Key: key("\xc3")}}},
		"drop of a bad id":      {Drops: []storage.Drop{{Key: key("\xc3"), Version: 1}}},
		"counter too long":      add(strings.Repeat("c", storage.MaxCounter+1), 1, 0, 1),
		"counter with NUL":      add("c\x00", 1, 0, 1),
		"counter not UTF-8":     add("\xed\xa0\x80", 1, 0, 1),
		"minimum above maximum": add("c", 1, 2, 1),
		"negative until":        {Adds: []storage.Add{{Counter: "c", Delta: 1, Max: 1, Until: -1}}},
		"negative put version":  puts(put(key("a"), -1)),
		"negative check":        {Checks: []storage.Check{{Key: key("a"), Version: -1}}},
		"drop of version 0":     {Drops: []storage.Drop{{Key: key("a")}}},
		"negative due":          with(func(p *storage.Put) { p.Due = -1 }),
		"too many lists":        listed(nineLists...),
		"list twice":            listed(storage.Listing{List: "l", Place: 1}, storage.Listing{List: "m"}, storage.Listing{List: "l", Place: 2}),
		"list without a name":   listed(storage.Listing{Place: 1}),
		"list too long":         listed(storage.Listing{List: strings.Repeat("l", storage.MaxList+1)}),
		"list not UTF-8":        listed(storage.Listing{List: "\xff"}),
		"no body":               body(""),
		"body not JSON":         body(`{"a":}`),
		"body not an object":    body(`[1]`),
		"body cut off":          body(`{"a":1`),
		"two bodies":            body(`{}{}`),
		"body not UTF-8":        body("{\"a\":\"\xff\"}"),
		"body with NUL":         body(`{"a":"\\\u0000"}`),
		"body with half a pair": body(`{"a":"\ud83d \ude00"}`),
		"body too long":         body(`{"a":"` + strings.Repeat("x", storage.MaxBody) + `"}`),
		"too many operations":   tooMany,
	} {
		f.each(name, func(f *fixture) {
			b.Puts = append([]storage.Put{put(key("valid"), 0)}, b.Puts...)
			if name != "too many operations" {
				b.Adds = append([]storage.Add{{Counter: "valid", Delta: 1, Max: 1}}, b.Adds...)
			}
			require.ErrorIs(f, f.Apply(context.Background(), b), storage.ErrInvalid)
			docs, values := f.everything([]string{"doc"}, []string{"valid", "c", "0"})
			require.Empty(f, docs)
			require.Equal(f, map[string]int64{"valid": 0, "c": 0, "0": 0}, values)
		})
	}
}

func invalidReads(f *fixture) {
	ctx := context.Background()
	f.apply(puts(put(key("a"), 0)))
	for name, q := range map[string]storage.Query{
		"no kind":           {},
		"kind too long":     {Kind: strings.Repeat("k", storage.MaxKind+1)},
		"list and due":      {Kind: "doc", List: "l", DueBefore: 1},
		"from, no list":     {Kind: "doc", From: 1},
		"until, no list":    {Kind: "doc", Until: -1},
		"from beside due":   {Kind: "doc", From: 1, DueBefore: 1},
		"negative due":      {Kind: "doc", DueBefore: -1},
		"negative limit":    {Kind: "doc", Limit: -1},
		"limit too high":    {Kind: "doc", Limit: storage.MaxPage + 1},
		"list too long":     {Kind: "doc", List: strings.Repeat("l", storage.MaxList+1)},
		"list with NUL":     {Kind: "doc", List: "l\x00"},
		"made-up cursor":    {Kind: "doc", After: "a"},
		"cursor of no page": {Kind: "doc", After: "x:a"},
		"cursor with NUL":   {Kind: "doc", After: "0:\x00"},
		"cursor not UTF-8":  {Kind: "doc", After: "0:\xff"},
		"cursor too long":   {Kind: "doc", After: storage.CursorAt(0, strings.Repeat("x", storage.MaxID+1))},
		"cursor rewritten":  {Kind: "doc", After: "+0:a"},
	} {
		f.each("list: "+name, func(f *fixture) {
			page, err := f.List(ctx, q)
			require.ErrorIs(f, err, storage.ErrInvalid)
			require.Empty(f, page.Docs)
		})
	}
	many := make([]string, storage.MaxGet)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, call := range map[string]struct {
		keys     []storage.Key
		counters []string
	}{
		"key twice":         {keys: []storage.Key{key("a"), key("b"), key("a")}},
		"counter twice":     {counters: []string{"c", "c"}},
		"empty kind":        {keys: []storage.Key{{ID: "a"}}},
		"id too long":       {keys: []storage.Key{key(strings.Repeat("x", storage.MaxID+1))}},
		"id not UTF-8":      {keys: []storage.Key{key("\xff")}},
		"counter with NUL":  {counters: []string{"\x00"}},
		"more than allowed": {keys: []storage.Key{key("a")}, counters: many},
	} {
		f.each("get: "+name, func(f *fixture) {
			_, _, err := f.Get(ctx, call.keys, call.counters...)
			require.ErrorIs(f, err, storage.ErrInvalid)
		})
	}
}

// largeBatches has as many operations in one batch as the contract allows.
func largeBatches(f *fixture) {
	f.apply(storage.Batch{})
	var b storage.Batch
	for i := range storage.MaxOps / 2 {
		p := put(key(fmt.Sprintf("%04d", i)), 0)
		p.Lists = []storage.Listing{{List: "l", Place: int64(-i)}}
		b.Puts = append(b.Puts, p)
		b.Adds = append(b.Adds, storage.Add{Counter: fmt.Sprint(i), Delta: 1, Max: 1})
	}
	slices.Reverse(b.Puts)
	f.apply(b)
	require.Len(f, f.list(storage.Query{Kind: "doc", List: "l", Limit: storage.MaxPage}), storage.MaxOps/2)

	b.Adds = nil
	for i := range b.Puts {
		b.Puts[i].Version = 1
	}
	b.Puts[0].Version = 2 // the last key
	f.refused(b, conflict(storage.OpPut, b.Puts[0].Key))
	b.Puts[0].Version = 1
	f.apply(b)
	for _, doc := range f.list(storage.Query{Kind: "doc"}) {
		require.Equal(f, int64(2), doc.Version)
	}
}

// cancelledContext: a call that begins with a context that is over.
func cancelledContext(f *fixture) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(f, f.Apply(ctx, storage.Batch{Puts: []storage.Put{put(key("a"), 0)}, Adds: []storage.Add{{Counter: "c", Delta: 1, Max: 1}}}))
	f.version(0, key("a"))
	f.counter(0, "c")
	f.apply(storage.Batch{Puts: []storage.Put{put(key("a"), 0)}, Adds: []storage.Add{{Counter: "c", Delta: 1, Max: 1}}})
}

// cancelledMidway cancels while batches are being applied: each is there wholly
// or not at all, and those that were reported as applied are there.
func cancelledMidway(f *fixture) {
	const workers, each = 4, 10
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	id := func(worker, i int) string { return fmt.Sprintf("%d-%d", worker, i) }
	var reported [workers][each]bool
	errs := race(workers, func(worker int) error {
		for i := range each {
			if worker == 0 && i == each/2 {
				cancel()
			}
			err := f.Apply(ctx, storage.Batch{
				Puts: []storage.Put{put(key(id(worker, i)), 0)},
				Adds: []storage.Add{{Counter: "all", Delta: 1, Max: workers * each}, {Counter: id(worker, i), Delta: 1, Max: 1}},
			})
			reported[worker][i] = err == nil
		}
		return nil
	})
	require.Equal(f, workers, accepted(f, errs, storage.ErrLimit))
	// All in one read, for an engine may still be at a batch whose caller has left.
	keys, counters := make([]storage.Key, 0, workers*each), []string{"all"}
	for worker := range workers {
		for i := range each {
			keys, counters = append(keys, key(id(worker, i))), append(counters, id(worker, i))
		}
	}
	docs, values, err := f.Get(context.Background(), keys, counters...)
	require.NoError(f, err)
	versions := make(map[storage.Key]int64, len(docs))
	for _, doc := range docs {
		versions[doc.Key] = doc.Version
	}
	for worker := range workers {
		for i := range each {
			version := versions[key(id(worker, i))]
			if reported[worker][i] {
				require.Equal(f, int64(1), version, "%s was reported as applied", id(worker, i))
			}
			require.Equal(f, version, values[id(worker, i)], "counter of %s", id(worker, i))
		}
	}
	require.EqualValues(f, len(docs), values["all"])
	require.False(f, reported[0][each/2], "applied under a context that was cancelled before the call")
}

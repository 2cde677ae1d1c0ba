package ledger

import (
	"context"
	"slices"

	"github.com/vouch-go/vouch/storage"
)

// gathering lets several plans read together. The plans run in turns, never at the
// same time: each until it asks to read or is done. Then all that was asked for is
// read in one call, and they go on.
type gathering struct {
	store  storage.Store
	yields chan struct{} // the plan whose turn it is asks, or is done
	asks   []*asked
}

// asked is a Get of one plan.
type asked struct {
	keys     []storage.Key
	counters []string
	docs     []storage.Doc
	values   map[string]int64
	err      error
	answered chan struct{}
}

// fetched are documents that were read before plans asked for them: nil for those that
// are not there.
type fetched map[storage.Key]*storage.Doc

// answers gives documents in the order asked, unless one was not read before.
func (f fetched) answers(keys []storage.Key) (docs []storage.Doc, all bool) {
	for _, key := range keys {
		doc, known := f[key]
		if !known {
			return nil, false
		}
		if doc != nil {
			docs = append(docs, *doc)
		}
	}
	return docs, true
}

// beforehand is a store that answers from what was fetched, where it can.
type beforehand struct {
	storage.Store
	fetched fetched
}

func (b beforehand) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if docs, all := b.fetched.answers(keys); all && len(counters) == 0 {
		if err := storage.ValidateGet(keys, nil); err != nil {
			return nil, nil, err
		}
		return docs, map[string]int64{}, nil
	}
	return b.Store.Get(ctx, keys, counters...)
}

// reader is the store as one of the plans sees it. It is for the goroutine of that
// plan alone.
type reader struct {
	storage.Store
	gathering *gathering
}

func (r reader) Get(_ context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if err := storage.ValidateGet(keys, counters); err != nil {
		return nil, nil, err
	}
	a := &asked{keys: keys, counters: counters, answered: make(chan struct{})}
	r.gathering.asks = append(r.gathering.asks, a)
	r.gathering.yields <- struct{}{}
	<-a.answered
	return a.docs, a.values, a.err
}

// together runs n plans whose reads are gathered; what was fetched before is not read
// again. What one of them panics with, it panics with itself, once all are done: so the
// caller can recover from it.
func together(ctx context.Context, store storage.Store, before fetched, n int, plan func(read storage.Store, i int)) {
	if n == 1 {
		plan(beforehand{store, before}, 0)
		return
	}
	g := &gathering{store: store, yields: make(chan struct{})}
	next := 0
	var broken any
	run := func() { // plans one after the other, until one has to wait for what it asks
		done := false
		defer func() {
			cause := recover()
			if cause == nil && !done { // runtime.Goexit
				cause = "ledger: the plan of a sweep has ended its goroutine"
			}
			if broken == nil {
				broken = cause
			}
			g.yields <- struct{}{}
		}()
		for next < n {
			next++
			plan(beforehand{reader{store, g}, before}, next-1)
		}
		done = true
	}
	for next < n {
		go run()
		<-g.yields
	}
	for len(g.asks) > 0 {
		asks := g.asks
		g.asks = nil
		g.answer(ctx, asks)
		for _, a := range asks {
			close(a.answered)
			<-g.yields
		}
	}
	if broken != nil {
		panic(broken)
	}
}

// answer reads what several plans have asked for, each document and counter once.
func (g *gathering) answer(ctx context.Context, asks []*asked) {
	var keys []storage.Key
	var counters []string
	for _, a := range asks {
		keys, counters = append(keys, a.keys...), append(counters, a.counters...)
	}
	docs, values, err := readOnce(ctx, g.store, keys, counters)
	if err != nil { // each by itself: what can't be read for one must not put off the others
		for _, a := range asks {
			a.docs, a.values, a.err = g.store.Get(ctx, a.keys, a.counters...)
		}
		return
	}
	for _, a := range asks {
		a.take(docs, values)
	}
}

// readOnce reads documents and counters, however many and often they are named, each once.
func readOnce(ctx context.Context, store storage.Store, keys []storage.Key, counters []string) (fetched, map[string]int64, error) {
	slices.SortFunc(keys, storage.Key.Compare)
	slices.Sort(counters)
	keys, counters = slices.Compact(keys), slices.Compact(counters)
	docs, values := make(fetched, len(keys)), make(map[string]int64, len(counters))
	for _, key := range keys {
		docs[key] = nil
	}
	for len(keys)+len(counters) > 0 {
		some := keys[:min(len(keys), storage.MaxGet)]
		names := counters[:min(len(counters), storage.MaxGet-len(some))]
		keys, counters = keys[len(some):], counters[len(names):]
		found, counted, err := store.Get(ctx, some, names...)
		if err != nil {
			return nil, nil, err
		}
		for i := range found {
			docs[found[i].Key] = &found[i]
		}
		for name, value := range counted {
			values[name] = value
		}
	}
	return docs, values, nil
}

// take is the answer to one of the asks, as the store would have given it.
func (a *asked) take(docs fetched, values map[string]int64) {
	a.docs, _ = docs.answers(a.keys)
	a.values = make(map[string]int64, len(a.counters))
	for _, name := range a.counters {
		a.values[name] = values[name]
	}
}

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

// together runs n plans whose reads are gathered. What one of them panics with, it panics
// with itself, once all are done: so the caller can recover from it.
func together(ctx context.Context, store storage.Store, n int, plan func(read storage.Store, i int)) {
	if n == 1 {
		plan(store, 0)
		return
	}
	g := &gathering{store: store, yields: make(chan struct{})}
	var broken any
	for i := range n {
		go func() {
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
			plan(reader{store, g}, i)
			done = true
		}()
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
	slices.SortFunc(keys, storage.Key.Compare)
	slices.Sort(counters)
	keys, counters = slices.Compact(keys), slices.Compact(counters)
	docs, values := make(map[storage.Key]storage.Doc, len(keys)), make(map[string]int64, len(counters))
	for len(keys)+len(counters) > 0 {
		some := keys[:min(len(keys), storage.MaxGet)]
		names := counters[:min(len(counters), storage.MaxGet-len(some))]
		keys, counters = keys[len(some):], counters[len(names):]
		found, counted, err := g.store.Get(ctx, some, names...)
		if err != nil { // each by itself: what can't be read for one must not put off the others
			for _, a := range asks {
				a.docs, a.values, a.err = g.store.Get(ctx, a.keys, a.counters...)
			}
			return
		}
		for _, doc := range found {
			docs[doc.Key] = doc
		}
		for name, value := range counted {
			values[name] = value
		}
	}
	for _, a := range asks {
		a.take(docs, values)
	}
}

// take is the answer to one of the asks, as the store would have given it.
func (a *asked) take(docs map[storage.Key]storage.Doc, values map[string]int64) {
	for _, key := range a.keys {
		if doc, found := docs[key]; found {
			a.docs = append(a.docs, doc)
		}
	}
	a.values = make(map[string]int64, len(a.counters))
	for _, name := range a.counters {
		a.values[name] = values[name]
	}
}

// Package memory is the in-process store: what tests, demonstrations and small
// tools run on, and the reference that other stores are compared with. It keeps
// nothing on disk.
package memory

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Store is a [storage.Store] in the memory of this process, safe for concurrent
// use. A batch is applied under one lock, so reads see all of it or nothing.
// Make it with [New].
type Store struct {
	mu       sync.RWMutex
	docs     map[storage.Key]storage.Doc
	orders   map[orderName]*order
	counters map[string]counter
}

type counter struct{ value, until int64 }

var _ storage.Grouper = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{
		docs:     make(map[storage.Key]storage.Doc),
		orders:   make(map[orderName]*order),
		counters: make(map[string]counter),
	}
}

// Get reads documents and counters as [storage.Store] says, all at one moment.
func (s *Store) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if err := storage.ValidateGet(keys, counters); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	docs := make([]storage.Doc, 0, len(keys))
	for _, k := range keys {
		if doc, found := s.docs[k]; found {
			docs = append(docs, clone(doc))
		}
	}
	values := make(map[string]int64, len(counters))
	for _, name := range counters {
		values[name] = s.counters[name].value
	}
	return docs, values, nil
}

// List reads a page as [storage.Store] says, all at one moment. Its cost grows
// with the page, not with the number of documents before it.
func (s *Store) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	q, err := q.Validate()
	if err != nil {
		return storage.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return storage.Page{}, err
	}
	name, low, high := bounds(q)
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page storage.Page
	var last position
	for p := range s.orders[name].in(low, high, q.Newest) {
		if len(page.Docs) == q.Limit {
			page.Next = storage.CursorAt(last.place, last.id)
			break
		}
		page.Docs = append(page.Docs, clone(s.docs[storage.Key{Kind: q.Kind, ID: p.id}]))
		last = p
	}
	return page, nil
}

// Apply judges and writes the batch as [storage.Store] says. A context that is
// done when the batch's turn comes leaves nothing.
func (s *Store) Apply(ctx context.Context, b storage.Batch) error {
	ops, err := b.Ops()
	if err != nil {
		return err
	}
	written := make([]storage.Doc, 0, len(b.Puts)) // copied before the lock is taken
	for _, op := range ops {
		if op.Put != nil {
			written = append(written, after(*op.Put))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, op := range ops {
		if !s.holds(op) {
			return op.Failure()
		}
	}
	for _, op := range ops {
		switch {
		case op.Put != nil:
			s.replace(op.Put.Key, written[0])
			written = written[1:]
		case op.Drop != nil:
			s.replace(op.Drop.Key, storage.Doc{})
		case op.Add != nil:
			value, _ := op.Add.After(s.counters[op.Add.Counter].value)
			s.counters[op.Add.Counter] = counter{value: value, until: op.Add.Until}
		}
	}
	return nil
}

// ApplyEach applies the batches one after the other. See [storage.Grouper].
func (s *Store) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	answers := make([]error, len(batches))
	for i, b := range batches {
		answers[i] = s.Apply(ctx, b)
	}
	return answers
}

// Prune deletes the counters that may be discarded by now (0 < Until <= now) and
// returns how many there were.
func (s *Store) Prune(ctx context.Context, now time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	pruned := 0
	for name, c := range s.counters {
		if c.until > 0 && c.until <= now.UnixMicro() {
			delete(s.counters, name)
			pruned++
		}
	}
	return pruned, nil
}

func (s *Store) holds(op storage.Op) bool {
	if op.Add != nil {
		_, allowed := op.Add.After(s.counters[op.Add.Counter].value)
		return allowed
	}
	return s.docs[op.Key()].Version == op.Version()
}

// replace puts the document in the place of the one before it, in every order it
// stands in. The zero Doc deletes.
func (s *Store) replace(k storage.Key, doc storage.Doc) {
	before := s.docs[k]
	if doc.Version == 0 {
		delete(s.docs, k)
	} else {
		s.docs[k] = doc
	}
	for name, p := range standings(before) {
		if stands(doc, name, p) {
			continue
		}
		if s.orders[name].remove(p); len(s.orders[name].runs) == 0 {
			delete(s.orders, name)
		}
	}
	for name, p := range standings(doc) {
		if stands(before, name, p) {
			continue
		}
		if s.orders[name] == nil {
			s.orders[name] = new(order)
		}
		s.orders[name].insert(p)
	}
}

// after is the document that a Put leaves, sharing nothing with it.
func after(p storage.Put) storage.Doc {
	doc := clone(storage.Doc(p))
	doc.Version++
	slices.SortFunc(doc.Lists, func(a, b storage.Listing) int { return strings.Compare(a.List, b.List) })
	return doc
}

func clone(doc storage.Doc) storage.Doc {
	doc.Body, doc.Lists = bytes.Clone(doc.Body), slices.Clone(doc.Lists)
	return doc
}

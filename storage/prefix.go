package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Prefixed gives a tenant a store of its own inside another: the prefix goes
// before every kind and every counter's name, and is taken off again on the way
// out, so neither side sees the other's documents, lists, due documents or
// counters. The prefix is at most 31 bytes and ends in '/', as in "shop7/", so
// that no tenant's prefix is the beginning of another's. It panics on any other
// prefix: that is a fault in the program, not in its input.
//
// Kinds must leave room for the prefix within MaxKind, counters within
// MaxCounter. The store is a [Grouper] where the one inside is.
func Prefixed(store Store, prefix string) Store {
	if len(prefix) < 2 || len(prefix) > 31 || strings.IndexByte(prefix, '/') != len(prefix)-1 {
		panic(fmt.Sprintf("storage: prefix %q: want 1 to 30 bytes without '/', and a '/' at the end", prefix))
	}
	own := prefixed{store, prefix}
	if grouper, groups := store.(Grouper); groups {
		return prefixedGrouper{own, grouper}
	}
	return own
}

type prefixed struct {
	store  Store
	prefix string
}

func (s prefixed) key(k Key) Key {
	if k.Kind == "" { // stays invalid
		return k
	}
	return Key{Kind: s.prefix + k.Kind, ID: k.ID}
}

func (s prefixed) strip(docs []Doc) {
	for i := range docs {
		docs[i].Key.Kind = strings.TrimPrefix(docs[i].Key.Kind, s.prefix)
	}
}

func (s prefixed) Get(ctx context.Context, keys []Key, counters ...string) ([]Doc, map[string]int64, error) {
	prefixedKeys := make([]Key, len(keys))
	for i, k := range keys {
		prefixedKeys[i] = s.key(k)
	}
	prefixedCounters := make([]string, len(counters))
	for i, c := range counters {
		prefixedCounters[i] = s.prefix + c
	}
	docs, values, err := s.store.Get(ctx, prefixedKeys, prefixedCounters...)
	if err != nil {
		return nil, nil, err
	}
	s.strip(docs)
	stripped := make(map[string]int64, len(values))
	for name, value := range values {
		stripped[strings.TrimPrefix(name, s.prefix)] = value
	}
	return docs, stripped, nil
}

func (s prefixed) List(ctx context.Context, q Query) (Page, error) {
	if q.Kind != "" {
		q.Kind = s.prefix + q.Kind
	}
	page, err := s.store.List(ctx, q)
	s.strip(page.Docs)
	return page, err
}

func (s prefixed) Apply(ctx context.Context, b Batch) error {
	return s.failure(s.store.Apply(ctx, s.batch(b)))
}

func (s prefixed) batch(b Batch) Batch {
	var p Batch
	for _, c := range b.Checks {
		c.Key = s.key(c.Key)
		p.Checks = append(p.Checks, c)
	}
	for _, put := range b.Puts {
		put.Key = s.key(put.Key)
		p.Puts = append(p.Puts, put)
	}
	for _, d := range b.Drops {
		d.Key = s.key(d.Key)
		p.Drops = append(p.Drops, d)
	}
	for _, a := range b.Adds {
		a.Counter = s.prefix + a.Counter
		p.Adds = append(p.Adds, a)
	}
	return p
}

// failure names what failed without the prefix.
func (s prefixed) failure(err error) error {
	var failure *Failure
	if errors.As(err, &failure) {
		own := *failure
		own.Key.Kind = strings.TrimPrefix(own.Key.Kind, s.prefix)
		own.Counter = strings.TrimPrefix(own.Counter, s.prefix)
		return &own
	}
	return err
}

// prefixedGrouper is a prefixed store inside one that applies many batches at once.
type prefixedGrouper struct {
	prefixed
	grouper Grouper
}

// GroupsAtOnce is what the store inside says.
func (s prefixedGrouper) GroupsAtOnce() int { return groupsAtOnce(s.grouper) }

func (s prefixedGrouper) ApplyEach(ctx context.Context, batches []Batch) []error {
	inside := make([]Batch, len(batches))
	for i, b := range batches {
		inside[i] = s.batch(b)
	}
	errs := s.grouper.ApplyEach(ctx, inside)
	for i := range errs {
		errs[i] = s.failure(errs[i])
	}
	return errs
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/vouch-go/vouch/storage"
)

// Store keeps documents and counters in a file of bbolt. A transaction of bbolt's is
// alone when it writes and sees one moment when it reads, so that all a store has to
// do is to judge a batch and to keep the listings in order.
type Store struct{ db *bbolt.DB }

// The buckets.
var docs, positions, counters = []byte("docs"), []byte("positions"), []byte("counters")

// Open makes the store in a database.
func Open(db *bbolt.DB) (Store, error) {
	return Store{db}, db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{docs, positions, counters} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(positions).Put([]byte("\xff"), nil) // behind all, for List to turn at
	})
}

// Get reads documents and counters, all at one moment.
func (s Store) Get(ctx context.Context, keys []storage.Key, names ...string) (found []storage.Doc, values map[string]int64, err error) {
	if err := storage.ValidateGet(keys, names); err != nil {
		return nil, nil, err
	}
	values = make(map[string]int64)
	return found, values, s.db.View(func(tx *bbolt.Tx) error {
		for _, k := range keys {
			if doc := read[storage.Doc](tx, docs, docKey(k)); doc.Version > 0 {
				found = append(found, doc)
			}
		}
		for _, name := range names {
			values[name] = read[int64](tx, counters, counterKey(name))
		}
		return ctx.Err()
	})
}

// List walks over positions from one bound to the other, and gives the documents.
func (s Store) List(ctx context.Context, q storage.Query) (page storage.Page, err error) {
	if q, err = q.Validate(); err != nil {
		return page, err
	}
	low, high := bounds(q)
	return page, s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(positions).Cursor()
		at, _ := cursor.Seek(low)
		next := cursor.Next
		if q.Newest {
			cursor.Seek(high)
			next = cursor.Prev
			at, _ = next()
		}
		var last storage.Cursor
		for ; bytes.Compare(at, low) >= 0 && bytes.Compare(at, high) < 0; at, _ = next() {
			if len(page.Docs) == q.Limit {
				page.Next = last
				break
			}
			place, id := apart(at)
			last = storage.CursorAt(place, id)
			page.Docs = append(page.Docs, read[storage.Doc](tx, docs, docKey(storage.Key{Kind: q.Kind, ID: id})))
		}
		return ctx.Err()
	})
}

// Apply judges each operation and does it. The first that is refused rolls all back.
func (s Store) Apply(ctx context.Context, b storage.Batch) error {
	ops, err := b.Ops()
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) (err error) {
		for i := 0; i < len(ops) && err == nil; i++ {
			err = apply(tx, ops[i])
		}
		return cmp.Or(err, ctx.Err())
	})
}

func apply(tx *bbolt.Tx, op storage.Op) error {
	if op.Add != nil {
		name := counterKey(op.Add.Counter)
		value, allowed := op.Add.After(read[int64](tx, counters, name))
		if !allowed {
			return op.Failure()
		}
		return write(tx, counters, name, value) // kept for ever: Until only allows to discard it
	}
	key := docKey(op.Key())
	before := read[storage.Doc](tx, docs, key)
	if before.Version != op.Version() {
		return op.Failure()
	} else if op.Check != nil {
		return nil
	}
	for _, p := range standings(before) {
		if err := tx.Bucket(positions).Delete(p); err != nil {
			return err
		}
	}
	if op.Drop != nil {
		return tx.Bucket(docs).Delete(key)
	}
	doc := storage.Doc(*op.Put)
	doc.Version++
	doc.Lists = slices.SortedFunc(slices.Values(doc.Lists), func(a, b storage.Listing) int { return strings.Compare(a.List, b.List) })
	for _, p := range standings(doc) {
		if err := tx.Bucket(positions).Put(p, nil); err != nil {
			return err
		}
	}
	return write(tx, docs, key, doc)
}

// docKey is unambiguous: kinds and ids have no NUL.
func docKey(k storage.Key) []byte { return []byte(k.Kind + "\x00" + k.ID) }

// counterKey is never empty, which a name may be and a key may not.
func counterKey(name string) []byte { return []byte("/" + name) }

// standings are the positions of a document: in lists, its kind, and among what is due.
func standings(doc storage.Doc) (all [][]byte) {
	if doc.Version == 0 {
		return nil
	}
	for _, l := range append(doc.Lists, storage.Listing{}) { // the empty list is the whole kind
		all = append(all, position(storage.Query{Kind: doc.Key.Kind, List: l.List}, l.Place, doc.Key.ID))
	}
	if doc.Due != 0 {
		all = append(all, position(storage.Query{Kind: doc.Key.Kind, DueBefore: 1}, doc.Due, doc.Key.ID))
	}
	return all
}

// position sorts by the listing that a query reads, then place, then id. With its sign
// turned, a place sorts as bytes.
func position(q storage.Query, place int64, id string) []byte {
	listing := q.Kind + "\x00l" + q.List + "\x00"
	if q.DueBefore != 0 {
		listing = q.Kind + "\x00d\x00"
	}
	return append(binary.BigEndian.AppendUint64([]byte(listing), uint64(place)^1<<63), id...)
}

// apart takes the place and id out of a position.
func apart(p []byte) (place int64, id string) {
	rest := bytes.SplitN(p, []byte{0}, 3)[2] // after the kind and the listing
	return int64(binary.BigEndian.Uint64(rest) ^ 1<<63), string(rest[8:])
}

// bounds are the positions that a query asks for, from low to before high.
func bounds(q storage.Query) (low, high []byte) {
	low, high = position(q, cmp.Or(q.From, math.MinInt64), ""), position(q, math.MaxInt64, "\xff") // no id is as great
	if until := cmp.Or(q.Until, q.DueBefore); until != 0 {
		high = position(q, until, "")
	}
	place, id, err := q.After.Position() // a valid query's fails when it is empty only
	if after := position(q, place, id); err == nil && q.Newest && bytes.Compare(after, high) < 0 {
		high = after
	} else if err == nil && !q.Newest && bytes.Compare(after, low) >= 0 {
		low = append(after, 0)
	}
	return low, high
}

// read gives the zero value where nothing is.
func read[T any](tx *bbolt.Tx, bucket, key []byte) (value T) {
	if text := tx.Bucket(bucket).Get(key); text != nil && json.Unmarshal(text, &value) != nil {
		panic(fmt.Sprintf("the file was changed by another program: %q in %s", key, bucket))
	}
	return value
}

func write(tx *bbolt.Tx, bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	return errors.Join(err, tx.Bucket(bucket).Put(key, text))
}

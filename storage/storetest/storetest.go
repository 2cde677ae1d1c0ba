// Package storetest is the conformance suite that any [storage.Store] must
// pass: a store's own tests call [Run], and then test only what the contract
// does not say.
//
// Each subtest is known to fail on at least one naive store: those are kept in
// this package's tests.
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// Features says what a store offers beside the contract, and what it keeps for
// itself. The zero value tests the contract as it is written.
type Features struct {
	// Tx opens an empty database for the set about the caller's transaction.
	// Nil: the store has no such thing, and the set is left out.
	Tx func(t *testing.T) TxHarness

	// Group says that the store is a [storage.Grouper].
	Group bool

	// Reserved is the number of bytes of every kind and counter's name that the
	// store needs for itself, as storage.Prefixed does.
	Reserved int
}

// Run runs every subtest against stores made by open, which gives a new, empty
// store each time and registers its own clean-up with t.
func Run(t *testing.T, open func(t *testing.T) storage.Store, features Features) {
	tests := []subtest{
		{"create once", createOnce},
		{"compare and set", compareAndSet},
		{"drops", drops},
		{"checks", checks},
		{"get", get},
		{"bodies", bodies},
		{"nothing is shared with the caller", nothingShared},
		{"hostile keys", hostileKeys},
		{"bounds", bounds},
		{"int64 edges", int64Edges},
		{"until", until},
		{"all or nothing", allOrNothing},
		{"the failure is the first in lock order", firstFailure},
		{"invalid batches", invalidBatches},
		{"invalid reads", invalidReads},
		{"large batches", largeBatches},
		{"lists", lists},
		{"lists change with the document", listsChange},
		{"due", due},
		{"whole kinds", wholeKinds},
		{"pages", pages},
		{"paging under change", pagingUnderChange},
		{"never oversold", neverOversold},
		{"never oversold with documents", neverOversoldWithDocuments},
		{"one creator", oneCreator},
		{"one winner", oneWinner},
		{"opposite orders", oppositeOrders},
		{"cancelled context", cancelledContext},
		{"cancelled midway", cancelledMidway},
		{"agrees with a map", agreesWithMap},
	}
	if features.Group {
		tests = append(tests, []subtest{
			{"a group agrees with a map", groupAgreesWithMap},
			{"neighbours in a group", groupNeighbours},
			{"groups race", groupsRace},
		}...)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.run(&fixture{T: t, Store: open(t), features: features})
		})
	}
	if features.Tx != nil {
		t.Run("tx", func(t *testing.T) { runTx(t, features.Tx) })
	}
}

type subtest struct {
	name string
	run  func(*fixture)
}

// fixture is the store under test and the calls that subtests make of it.
type fixture struct {
	*testing.T
	storage.Store
	features Features
}

// each runs a subtest of its own against the same store.
func (f *fixture) each(name string, run func(*fixture)) {
	f.Run(name, func(t *testing.T) { run(&fixture{T: t, Store: f.Store, features: f.features}) })
}

func (f *fixture) apply(b storage.Batch) {
	f.Helper()
	require.NoError(f, f.Apply(context.Background(), b))
}

// refused applies a batch that must fail with this failure.
func (f *fixture) refused(b storage.Batch, want storage.Failure) {
	f.Helper()
	requireFailure(f, want, f.Apply(context.Background(), b))
}

func requireFailure(t require.TestingT, want storage.Failure, err error) {
	var got *storage.Failure
	require.ErrorAs(t, err, &got)
	require.ErrorIs(t, err, want.Err)
	require.ErrorIs(t, got.Err, want.Err)
	require.Equal(t, [3]any{want.Op, want.Key, want.Counter}, [3]any{got.Op, got.Key, got.Counter}, "the operation that the failure names")
}

// doc reads one document; none gives the zero Doc.
func (f *fixture) doc(k storage.Key) storage.Doc {
	f.Helper()
	docs, _, err := f.Get(context.Background(), []storage.Key{k})
	require.NoError(f, err)
	if len(docs) == 0 {
		return storage.Doc{}
	}
	require.Len(f, docs, 1)
	return docs[0]
}

func (f *fixture) version(want int64, k storage.Key) {
	f.Helper()
	require.Equal(f, want, f.doc(k).Version, "version of %q", k)
}

func (f *fixture) counter(want int64, name string) {
	f.Helper()
	_, values, err := f.Get(context.Background(), nil, name)
	require.NoError(f, err)
	value, found := values[name]
	require.True(f, found, "counter %q is not in the answer", name)
	require.Equal(f, want, value, "counter %q", name)
}

// list reads a listing page by page and gives its documents.
func (f *fixture) list(q storage.Query) []storage.Doc {
	f.Helper()
	var docs []storage.Doc
	for {
		page, err := f.List(context.Background(), q)
		require.NoError(f, err)
		if q.Limit > 0 {
			require.LessOrEqual(f, len(page.Docs), q.Limit, "documents in a page")
		}
		docs = append(docs, page.Docs...)
		if page.Next == "" {
			return docs
		}
		require.NotEmpty(f, page.Docs, "a page without documents says that more follow")
		require.NotEqual(f, q.After, page.Next, "the cursor does not move")
		q.After = page.Next
	}
}

// listed requires the ids of a listing, in order.
func (f *fixture) listed(q storage.Query, want ...string) {
	f.Helper()
	got := []string{}
	for _, doc := range f.list(q) {
		got = append(got, doc.Key.ID)
	}
	require.Equal(f, append([]string{}, want...), got, "%+v", q)
}

// everything reads what a subtest may have left in some kinds and counters.
func (f *fixture) everything(kinds, counters []string) (docs []storage.Doc, values map[string]int64) {
	f.Helper()
	for _, kind := range kinds {
		docs = append(docs, f.list(storage.Query{Kind: kind})...)
	}
	_, values, err := f.Get(context.Background(), nil, counters...)
	require.NoError(f, err)
	return docs, values
}

// equalDocs compares documents; nil and empty lists are the same.
func equalDocs(t require.TestingT, want, got []storage.Doc) {
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Key, got[i].Key)
		require.Equal(t, want[i].Version, got[i].Version, "version of %q", want[i].Key)
		require.Equal(t, want[i].Due, got[i].Due, "due of %q", want[i].Key)
		require.Equal(t, append([]storage.Listing{}, want[i].Lists...), append([]storage.Listing{}, got[i].Lists...), "lists of %q", want[i].Key)
		require.Equal(t, string(want[i].Body), string(got[i].Body), "body of %q", want[i].Key)
	}
}

// race starts n goroutines together and gives their errors in their order.
func race(n int, run func(i int) error) []error {
	errs := make([]error, n)
	start, done := make(chan struct{}), make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			<-start
			errs[i] = run(i)
		}()
	}
	close(start)
	for range n {
		<-done
	}
	return errs
}

// accepted counts the calls that succeeded, and requires that all others were
// refused for this reason (nil: none may be).
func accepted(t assert.TestingT, errs []error, reason error) int {
	n := 0
	for _, err := range errs {
		switch {
		case err == nil:
			n++
		case reason == nil || !errors.Is(err, reason):
			assert.Fail(t, "unexpected error", "%v, and what may happen is %v", err, reason)
		}
	}
	return n
}

func key(id string) storage.Key { return storage.Key{Kind: "doc", ID: id} }

// put writes the document if it is at the version, and lists it nowhere.
func put(k storage.Key, version int64) storage.Put {
	return storage.Put{Key: k, Version: version, Body: []byte(`{"format":1}`)}
}

func puts(p ...storage.Put) storage.Batch { return storage.Batch{Puts: p} }

func conflict(op storage.OpKind, k storage.Key) storage.Failure {
	return storage.Failure{Op: op, Key: k, Err: storage.ErrConflict}
}

func limit(counter string) storage.Failure {
	return storage.Failure{Op: storage.OpAdd, Counter: counter, Err: storage.ErrLimit}
}

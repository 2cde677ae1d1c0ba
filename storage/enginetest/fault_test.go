package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// rich is a batch that needs every kind of statement: it changes, creates and
// drops documents with lists, and changes counters.
func rich() storage.Batch {
	doc := func(id string, version int64, list string) storage.Put {
		return storage.Put{
			Key: storage.Key{Kind: "doc", ID: id}, Version: version,
			Lists: []storage.Listing{{List: list, Place: 1}}, Due: 1, Body: []byte(`{}`),
		}
	}
	return storage.Batch{
		Checks: []storage.Check{{Key: storage.Key{Kind: "doc", ID: "checked"}}},
		Puts:   []storage.Put{doc("changed", 1, "after"), doc("created", 0, "after")},
		Drops:  []storage.Drop{{Key: storage.Key{Kind: "doc", ID: "dropped"}, Version: 1}},
		Adds: []storage.Add{
			{Counter: "a", Delta: 1, Max: math.MaxInt64},
			{Counter: "b", Delta: -1, Max: math.MaxInt64},
		},
	}
}

// richBefore makes the state that rich expects.
func richBefore(t *testing.T, store storage.Store) {
	t.Helper()
	b := rich()
	b.Puts[0].Version, b.Puts[0].Lists[0].List = 0, "before"
	b.Puts[1].Key.ID, b.Puts[1].Lists[0].List = "dropped", "before"
	b.Drops, b.Adds = nil, []storage.Add{{Counter: "b", Delta: 1, Max: math.MaxInt64}}
	require.NoError(t, store.Apply(t.Context(), b))
}

// richState is all that rich changes, as text.
func richState(t *testing.T, store storage.Store) string {
	t.Helper()
	all, err := store.List(t.Context(), storage.Query{Kind: "doc"})
	require.NoError(t, err)
	due, err := store.List(t.Context(), storage.Query{Kind: "doc", DueBefore: 2})
	require.NoError(t, err)
	before, err := store.List(t.Context(), storage.Query{Kind: "doc", List: "before"})
	require.NoError(t, err)
	after, err := store.List(t.Context(), storage.Query{Kind: "doc", List: "after"})
	require.NoError(t, err)
	_, values, err := store.Get(t.Context(), nil, "a", "b")
	require.NoError(t, err)
	text := fmt.Sprint(values)
	for _, page := range []storage.Page{all, due, before, after} {
		text += "|"
		for _, doc := range page.Docs {
			text += fmt.Sprintf(" %s@%d", doc.Key.ID, doc.Version)
		}
	}
	return text
}

const (
	richIsBefore = "map[a:0 b:1]| changed@1 dropped@1| changed@1 dropped@1| changed@1 dropped@1|"
	richIsAfter  = "map[a:1 b:0]| changed@2 created@1| changed@2 created@1|| changed@2 created@1"
)

// interference is what a test does to a step of a driver.
type interference struct {
	name string
	do   func(cancel context.CancelFunc) error
	is   error
}

var errBroken = errors.New("the driver failed")

func interferences() []interference {
	return []interference{
		{"the context is cancelled", func(cancel context.CancelFunc) error { cancel(); return nil }, context.Canceled},
		{"the driver fails", func(context.CancelFunc) error { return errBroken }, errBroken},
		{"the connection is cut", func(context.CancelFunc) error { return errCut }, errCut},
	}
}

// TestFaultAtEachStep interferes before and after every step of an Apply, in a
// transaction of its own and in the caller's. All or nothing is there, and the
// error does not say otherwise.
func TestFaultAtEachStep(t *testing.T) {
	ways := map[string]func(context.Context, *sqlstore.Store, string) error{
		"Apply": func(ctx context.Context, store *sqlstore.Store, tenant string) error {
			return storage.Prefixed(store, tenant).Apply(ctx, rich())
		},
		"InTx": func(ctx context.Context, store *sqlstore.Store, tenant string) error {
			return store.InTx(ctx, func(_ *sql.Tx, bound *sqlstore.Store) error {
				return storage.Prefixed(bound, tenant).Apply(ctx, rich())
			})
		},
		// The caller goes on after the error, and commits under its own context.
		"Within": func(ctx context.Context, store *sqlstore.Store, tenant string) error {
			var inner error
			outer := store.InTx(context.Background(), func(_ *sql.Tx, bound *sqlstore.Store) error {
				inner = storage.Prefixed(bound, tenant).Apply(ctx, rich())
				if errors.Is(inner, sqlstore.ErrTxAborted) {
					return inner
				}
				return nil
			})
			if inner != nil {
				return inner
			}
			return outer
		},
	}
	for _, e := range Engines() {
		for _, wrong := range interferences() {
			for name, apply := range ways {
				t.Run(e.Name+"/"+wrong.name+"/"+name, func(t *testing.T) { faultAtEachStep(t, e, wrong, apply) })
			}
		}
	}
}

// faultAtEachStep gives each step a tenant of its own.
func faultAtEachStep(t *testing.T, e Engine, wrong interference, apply func(ctx context.Context, store *sqlstore.Store, tenant string) error) {
	dsn := e.DSN(t)
	plain := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
	var at, n int
	var armed, reached bool
	var step Step
	var cancel context.CancelFunc
	store := e.New(t, e.Tap(t, dsn, 1, func(s Step) error {
		if s.Statement == "ROLLBACK" || !armed { // database/sql rolls back in a goroutine of its own
			return nil
		}
		if n++; n-1 != at {
			return nil
		}
		reached, step = true, s
		return wrong.do(cancel)
	}), sqlstore.Options{})
	for reached = true; reached; at++ {
		tenant := fmt.Sprint(at, "/")
		richBefore(t, storage.Prefixed(plain, tenant))
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		n, armed, reached = 0, true, false
		err := apply(ctx, store, tenant)
		armed = false
		cancel()

		state := richState(t, storage.Prefixed(plain, tenant))
		require.Contains(t, []string{richIsBefore, richIsAfter}, state, "step %d, %+v", at, step)
		switch {
		case err == nil:
			require.Equal(t, richIsAfter, state, "step %d, %+v", at, step)
		case errors.Is(err, storage.ErrOutcomeUnknown):
			require.True(t, step.commits(), "%+v: %v", step, err)
		default:
			require.ErrorIs(t, err, wrong.is, "step %d, %+v", at, step)
			require.Equal(t, richIsBefore, state, "step %d, %+v: %v", at, step, err)
		}
	}
}

// TestCommitCut: an error at the commit is no outcome, and not retried, whether there
// is a COMMIT or a statement commits by itself.
func TestCommitCut(t *testing.T) {
	for _, e := range Engines() {
		for name, cut := range map[string]struct {
			batch storage.Batch
			after string
		}{
			"a batch":   {rich(), richIsAfter},
			"a counter": {storage.Batch{Adds: rich().Adds[1:]}, strings.Replace(richIsBefore, "b:1", "b:0", 1)},
		} {
			for done, want := range map[bool]string{false: richIsBefore, true: cut.after} {
				t.Run(fmt.Sprintf("%s/%s, committed=%t", e.Name, name, done), func(t *testing.T) {
					dsn := e.DSN(t)
					armed, commits := false, 0
					store := e.Store(t, e.Tap(t, dsn, 0, func(s Step) error {
						if armed && s.commits() && s.Done == done {
							commits++
							return errCut
						}
						return nil
					}), sqlstore.Options{})
					richBefore(t, store)
					armed = true
					err := store.Apply(t.Context(), cut.batch)
					require.ErrorIs(t, err, storage.ErrOutcomeUnknown)
					require.ErrorIs(t, err, errCut)
					require.False(t, sqlstore.Retryable(err))
					require.Equal(t, 1, commits)
					require.Equal(t, want, richState(t, e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})))
				})
			}
		}
	}
}

// TestCommitRefused: a foreign key that is checked at the commit has certainly
// not committed, and nobody waits in vain for an unknown outcome.
func TestCommitRefused(t *testing.T) {
	for _, e := range Engines() {
		if e.Dialect != sqlstore.MySQL { // which checks them at once
			t.Run(e.Name, func(t *testing.T) { commitRefused(t, e) })
		}
	}
}

func commitRefused(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 1)
	store := e.Store(t, db, sqlstore.Options{})
	_, err := db.Exec("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
	require.NoError(t, err)
	err = store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		_, err := tx.Exec("INSERT INTO children (parent) VALUES (7)")
		require.NoError(t, err)
		return bound.Apply(t.Context(), claim("1"))
	})
	require.ErrorContains(t, err, "cannot commit")
	require.NotErrorIs(t, err, storage.ErrOutcomeUnknown)
	docs, _, err := store.Get(t.Context(), []storage.Key{{Kind: "redemption", ID: "1"}})
	require.NoError(t, err)
	require.Empty(t, docs)
	require.NoError(t, store.Apply(t.Context(), claim("1")))
}

func TestClosed(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 0)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, db.Close())
			for name, call := range calls(store) {
				require.ErrorIs(t, call(t.Context()), sqlstore.ErrClosed, name)
			}
			require.ErrorIs(t, store.Migrate(t.Context()), sqlstore.ErrClosed)
		})
	}
}

func TestCancelledContext(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			store := e.Store(t, e.Open(t, e.DSN(t), 1), sqlstore.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for name, call := range calls(store) {
				err := call(ctx)
				require.ErrorIs(t, err, context.Canceled, name)
				require.NotErrorIs(t, err, storage.ErrOutcomeUnknown, name)
			}
			for name, call := range calls(store) {
				require.NoError(t, call(t.Context()), name)
			}
		})
	}
}

// TestCommitOfAFailedTransaction: PostgreSQL answers a COMMIT after a statement
// that failed by rolling back, which is known, too.
func TestCommitOfAFailedTransaction(t *testing.T) {
	for _, e := range Engines() {
		if e.Dialect != sqlstore.PostgreSQL {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			s := openShop(t, e, 0)
			err := s.store.InTx(t.Context(), func(tx *sql.Tx, store *sqlstore.Store) error {
				require.NoError(t, buy(t.Context(), tx, store, "1"))
				_, err := tx.Exec("SELECT 1/0")
				require.Error(t, err)
				return nil
			})
			require.ErrorContains(t, err, "cannot commit")
			require.NotErrorIs(t, err, storage.ErrOutcomeUnknown)
			s.sold(t, 0)
		})
	}
}

// TestReadOnlySession: a standby, or a session that may not write.
func TestReadOnlySession(t *testing.T) {
	for _, e := range Engines() {
		setting := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "SET default_transaction_read_only = on",
			sqlstore.MySQL:      "SET SESSION TRANSACTION READ ONLY",
		}[e.Dialect]
		if setting == "" || e.Driver == "postgres" || e.Name == "tidb" {
			continue // TestReadOnly; lib/pq begins every transaction READ WRITE; TiDB has no such sessions
		}
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 1)
			store := e.Store(t, db, sqlstore.Options{})
			_, err := db.Exec(setting)
			require.NoError(t, err)
			for name, call := range calls(store) {
				if err := call(t.Context()); readable[name] {
					require.NoError(t, err, name)
				} else {
					require.ErrorIs(t, err, sqlstore.ErrReadOnly, name)
				}
			}
		})
	}
}

// readable are the calls that only read.
var readable = map[string]bool{"Get": true, "List": true}

// TestReadOnly: of a database that cannot be written, reading works.
func TestReadOnly(t *testing.T) {
	e := Engines()[0]
	path := filepath.Join(t.TempDir(), "shop.db")
	writable := e.Open(t, "file:"+path, 0)
	before := e.Store(t, writable, sqlstore.Options{})
	require.NoError(t, before.Apply(t.Context(), claim("1")))
	require.NoError(t, writable.Close())

	check := func(t *testing.T, dsn string) {
		store, err := sqlstore.New(e.Open(t, dsn, 0), e.Dialect, sqlstore.Options{})
		require.NoError(t, err)
		for name, call := range calls(store) {
			if err := call(t.Context()); readable[name] {
				require.NoError(t, err, name)
			} else {
				require.ErrorIs(t, err, sqlstore.ErrReadOnly, name)
				require.NotErrorIs(t, err, storage.ErrOutcomeUnknown, name)
			}
		}
		_, values, err := store.Get(t.Context(), nil, "used")
		require.NoError(t, err)
		require.EqualValues(t, 1, values["used"])
	}
	t.Run("by mode", func(t *testing.T) { check(t, "file:"+path+"?mode=ro") })
	t.Run("by pragma", func(t *testing.T) { check(t, "file:"+path+"?_pragma=query_only(1)") })
	t.Run("no such folder", func(t *testing.T) {
		store, err := sqlstore.New(e.Open(t, sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "no", "shop.db")), 0), e.Dialect, sqlstore.Options{})
		require.NoError(t, err)
		require.ErrorContains(t, store.Migrate(t.Context()), "unable to open database file")
	})
}

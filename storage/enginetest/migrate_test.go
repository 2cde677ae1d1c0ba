package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func TestMigrate(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			for name, test := range map[string]func(*testing.T, Engine){
				"twice keeps what is there":     migrateTwice,
				"several goroutines":            migrateTogether,
				"several processes":             migrateProcesses,
				"prefixes side by side":         migratePrefixes,
				"a newer schema is refused":     migrateNewer,
				"a changed migration":           migrateChanged,
				"cut short":                     migrateCutShort,
				"by hand, with views":           migrateByHand,
				"not inside a transaction":      migrateBound,
				"a cancelled context":           migrateCancelled,
				"without it every call says so": unmigrated,
				"views over a shop's own table": viewOverTable,
			} {
				t.Run(name, func(t *testing.T) { test(t, e) })
			}
		})
	}
}

var coupons = storage.View{Name: "coupons", Kind: "coupon", Columns: []storage.Column{{Name: "id", From: storage.FromID}}}

func migrateTwice(t *testing.T, e Engine) {
	dsn := e.DSN(t)
	store := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
	require.NoError(t, store.Apply(t.Context(), claim("1")))
	require.NoError(t, store.Migrate(t.Context(), coupons))
	again := e.Store(t, e.Open(t, dsn, 1), sqlstore.Options{})
	require.NoError(t, again.Migrate(t.Context(), coupons))
	_, values, err := again.Get(t.Context(), nil, "used")
	require.NoError(t, err)
	require.EqualValues(t, 1, values["used"])
}

func migrateTogether(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	migrateAll(t, e, db)
	require.NoError(t, e.Store(t, db, sqlstore.Options{}).Apply(t.Context(), claim("1")))
}

// migrateAll migrates from several stores at once.
func migrateAll(t *testing.T, e Engine, db *sql.DB) {
	t.Helper()
	together(8, func(int) {
		store, err := sqlstore.New(db, e.Dialect, sqlstore.Options{Classify: e.Classify})
		if assert.NoError(t, err) {
			assert.NoError(t, store.Migrate(t.Context(), coupons))
		}
	})
}

func migrateProcesses(t *testing.T, e Engine) {
	dsn := e.DSN(t)
	var processes []*process
	for range 4 {
		processes = append(processes, start(t, e, "migrate", dsn))
	}
	for _, p := range processes {
		p.hears(t, "ready")
	}
	for _, p := range processes {
		require.NoError(t, p.in.Close())
	}
	for _, p := range processes {
		p.hears(t, "migrated")
		require.NoError(t, p.cmd.Wait())
	}
	require.NoError(t, e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{}).Apply(t.Context(), claim("1")))
}

func migrateProcess(e Engine, dsn string) error {
	db, err := sql.Open(e.Driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, e.Dialect, sqlstore.Options{Classify: e.Classify})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if err := store.Migrate(context.Background(), coupons); err != nil {
		return err
	}
	fmt.Println("migrated")
	return nil
}

func migratePrefixes(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	one := e.Store(t, db, sqlstore.Options{})
	other := e.Store(t, db, sqlstore.Options{Prefix: "a23456789012345678901_x2"})
	require.NoError(t, one.Migrate(t.Context(), coupons))
	require.NoError(t, other.Migrate(t.Context(), coupons))
	require.NoError(t, one.Apply(t.Context(), claim("1")))
	docs, values, err := other.Get(t.Context(), []storage.Key{{Kind: "redemption", ID: "1"}}, "used")
	require.NoError(t, err)
	require.Empty(t, docs)
	require.Zero(t, values["used"])
	require.NoError(t, other.Apply(t.Context(), claim("1")))
}

func migrateNewer(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	store := e.Store(t, db, sqlstore.Options{})
	_, err := db.Exec("INSERT INTO vouch_migrations (version, name, checksum) VALUES (9000, '9000_later.up.sql', 'x')")
	require.NoError(t, err)
	err = store.Migrate(t.Context(), coupons)
	require.ErrorIs(t, err, sqlstore.ErrNewerSchema)
	require.ErrorContains(t, err, "9000")
	_, err = db.Exec("SELECT * FROM vouch_coupons")
	require.Error(t, err, "nothing is changed in a newer schema")
}

func migrateChanged(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	store := e.Store(t, db, sqlstore.Options{})
	_, err := db.Exec("UPDATE vouch_migrations SET checksum = 'another' WHERE version = 1")
	require.NoError(t, err)
	err = store.Migrate(t.Context())
	require.ErrorIs(t, err, sqlstore.ErrChangedMigration)
	require.ErrorContains(t, err, "another")
}

// migrateCutShort cuts the connection before and after each statement of a
// Migrate: nothing is left where the engine can undo DDL, and the next one brings
// it to its end.
func migrateCutShort(t *testing.T, e Engine) {
	for at, reached := 0, true; reached; at++ {
		reached = false
		dsn, n := e.DSN(t), 0
		store := e.New(t, e.Tap(t, dsn, 0, func(s Step) error {
			if !strings.Contains(s.Statement, "vouch_") {
				return nil
			}
			if n++; n-1 != at {
				return nil
			}
			reached = true
			return errCut
		}), sqlstore.Options{})
		err := store.Migrate(t.Context(), coupons)
		db := e.Open(t, dsn, 0)
		if reached {
			require.ErrorIs(t, err, errCut)
			if e.Dialect != sqlstore.MySQL {
				_, err = db.Exec("SELECT * FROM vouch_docs")
				require.Error(t, err, "half of a migration is left")
			}
		} else {
			require.NoError(t, err)
		}
		again := e.Store(t, db, sqlstore.Options{})
		require.NoError(t, again.Migrate(t.Context(), coupons))
		require.NoError(t, again.Apply(t.Context(), claim("1")))
		_, err = db.Exec("SELECT id FROM vouch_coupons")
		require.NoError(t, err)
	}
}

func migrateByHand(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	files, err := sqlstore.Migrations(e.Dialect)
	require.NoError(t, err)
	names, err := fs.Glob(files, "*")
	require.NoError(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		statements := []string{string(text)}
		if e.Dialect == sqlstore.MySQL { // whose driver takes one at a time
			statements = strings.SplitAfter(strings.TrimSpace(string(text)), ";\n")
		}
		for _, statement := range statements {
			_, err = db.Exec(statement)
			require.NoError(t, err)
		}
	}
	store := e.New(t, db, sqlstore.Options{})
	require.NoError(t, store.CreateViews(t.Context(), coupons))
	require.NoError(t, store.Apply(t.Context(), claim("1")))
	_, err = db.Exec("SELECT id FROM vouch_coupons")
	require.NoError(t, err)
}

func migrateBound(t *testing.T, e Engine) {
	store := e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})
	require.NoError(t, store.InTx(t.Context(), func(_ *sql.Tx, bound *sqlstore.Store) error {
		require.ErrorIs(t, bound.Migrate(t.Context()), sqlstore.ErrHandle)
		require.ErrorIs(t, bound.CreateViews(t.Context()), sqlstore.ErrHandle)
		return nil
	}))
}

func unmigrated(t *testing.T, e Engine) {
	store := e.New(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})
	for name, call := range calls(store) {
		require.ErrorIs(t, call(t.Context()), sqlstore.ErrNotMigrated, name)
	}
	require.NoError(t, store.Migrate(t.Context()))
	for name, call := range calls(store) {
		require.NoError(t, call(t.Context()), name)
	}
}

func migrateCancelled(t *testing.T, e Engine) {
	store := e.New(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, store.Migrate(ctx), context.Canceled)
	require.ErrorIs(t, store.Apply(t.Context(), claim("1")), sqlstore.ErrNotMigrated)
}

func TestSQLiteEncoding(t *testing.T) {
	e := Engines()[0]
	store := e.New(t, e.Open(t, e.DSN(t)+"&_pragma=encoding('UTF-16')", 0), sqlstore.Options{})
	require.ErrorContains(t, store.Migrate(t.Context()), "UTF-16")
}

func viewOverTable(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 0)
	_, err := db.Exec("CREATE TABLE vouch_coupons (mine INTEGER)")
	require.NoError(t, err)
	store := e.Store(t, db, sqlstore.Options{})
	require.ErrorContains(t, store.Migrate(t.Context(), coupons), "vouch_coupons")
	_, err = db.Exec("SELECT mine FROM vouch_coupons")
	require.NoError(t, err, "the shop's own table is left alone")
}

// calls are all that a program does with a store at work.
func calls(store *sqlstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, _, err := store.Get(ctx, []storage.Key{{Kind: "redemption", ID: "1"}}, "used")
			return err
		},
		"List": func(ctx context.Context) error {
			_, err := store.List(ctx, storage.Query{Kind: "redemption"})
			return err
		},
		"Apply": func(ctx context.Context) error { return store.Apply(ctx, claim("new")) },
		"Prune": func(ctx context.Context) error {
			_, err := store.Prune(ctx, farFuture)
			return err
		},
		"InTx": func(ctx context.Context) error {
			return store.InTx(ctx, func(_ *sql.Tx, bound *sqlstore.Store) error {
				return bound.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "used", Delta: 1, Max: math.MaxInt64}}})
			})
		},
	}
}

// Package enginetest runs the conformance suite and the checks that need a real
// database on real engines and drivers. It is a module of its own, so that no
// driver reaches the programs that import the library.
//
// The tests under fire have a short form, and a long one that takes hours:
//
//	go test -long -timeout 12h
//
// On TiDB, which testdata/tidb/build makes, all that runs on every engine runs with
//
//	VOUCH_TIDB_SERVER=/tmp/tidb-server go test -run '/tidb'
package enginetest

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// Engine is a database engine with a driver.
type Engine struct {
	Name    string // begins with the engine's
	Driver  string
	Dialect sqlstore.Dialect

	// DSN names a new, empty database, which is gone after the test. It calls
	// Absent when the engine cannot be reached.
	DSN func(t testing.TB) string

	// Classify is the store's, for a driver that its dialect does not know.
	Classify func(error) sqlstore.Class
}

// Engines are those that all tests run on.
func Engines() []Engine {
	others := append(mattn(),
		postgres("postgres-pq", "postgres"),
		mysql("mariadb-found-rows", func(c *driver.Config) { c.ClientFoundRows, c.InterpolateParams = true, true }),
		asMySQL())
	return slices.Concat(usual(), others, tidb())
}

// usual are the engines through their usual drivers, for what only an engine can
// change.
func usual() []Engine {
	return []Engine{sqlite(), postgres("postgres", "pgx"), mysql("mariadb", func(*driver.Config) {})}
}

func (e Engine) isUsual() bool {
	return slices.ContainsFunc(usual(), func(u Engine) bool { return u.Name == e.Name })
}

func sqlite() Engine {
	return Engine{
		Name: "sqlite", Driver: "sqlite", Dialect: sqlstore.SQLite,
		DSN: func(t testing.TB) string { return sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "shop.db")) },
	}
}

// Open opens a pool of at most conns connections; 0: no limit.
func (e Engine) Open(t testing.TB, dsn string, conns int) *sql.DB {
	t.Helper()
	db, err := sql.Open(e.Driver, dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(conns)
	t.Cleanup(func() { db.Close() })
	return db
}

// New is a store over a pool in which nothing need be.
func (e Engine) New(t testing.TB, db *sql.DB, options sqlstore.Options) *sqlstore.Store {
	t.Helper()
	if options.Classify == nil {
		options.Classify = e.Classify
	}
	store, err := sqlstore.New(db, e.Dialect, options)
	require.NoError(t, err)
	return store
}

// Store is a migrated store over a pool.
func (e Engine) Store(t testing.TB, db *sql.DB, options sqlstore.Options) *sqlstore.Store {
	t.Helper()
	store := e.New(t, db, options)
	require.NoError(t, store.Migrate(t.Context()))
	return store
}

// Retryable says that a transaction should be done again, be the error the store's
// or the driver's.
func (e Engine) Retryable(err error) bool {
	return sqlstore.Retryable(err) || err != nil && e.Classify != nil && e.Classify(err) == sqlstore.Transient
}

// Absent skips a test whose engine or program is not installed. Where CI says
// "true" everything must be installed, and it fails instead.
func Absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there, and with CI=true nothing may be skipped", what)
	}
	t.Skipf("%s is not there", what)
}

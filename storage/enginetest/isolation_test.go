package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// What becomes of a batch in a transaction of the caller's.
const (
	applied  = "applied"
	conflict = "conflict" // storage.ErrConflict: reading again in the same transaction shows why
	limit    = "limit"    // storage.ErrLimit
	again    = "again"    // sqlstore.Retryable: the transaction cannot see what has changed
)

// afterSnapshot are batches in a transaction that has read, after which another
// has committed a batch.
var afterSnapshot = []struct {
	name        string
	other, mine storage.Batch
}{
	{"create what was created", puts(0, "new"), puts(0, "new")},
	{"change what was changed", puts(1, "old"), puts(1, "old")},
	{"drop what was changed", puts(1, "old"), storage.Batch{Drops: []storage.Drop{{Key: docKey("old"), Version: 1}}}},
	{"change what was dropped", storage.Batch{Drops: []storage.Drop{{Key: docKey("old"), Version: 1}}}, puts(1, "old")},
	{"take from what is used up", take(2, 2), take(1, 2)},
	{"take from what has room", take(1, 2), take(1, 2)},
	{"check what was changed", puts(1, "old"), storage.Batch{Checks: []storage.Check{{Key: docKey("old"), Version: 1}}}},
	{"nothing in common", puts(0, "other"), puts(0, "new")},
}

// The outcomes of afterSnapshot, in its order.
var (
	statementsSeeAll = []string{conflict, conflict, conflict, conflict, limit, applied, conflict, applied}
	// What writes sees all; what only reads, as a check does, sees the snapshot.
	writesSeeAll = []string{again, again, again, again, limit, applied, applied, applied}
	// Nothing can be written once anything has changed since the snapshot.
	oneWriter = []string{again, again, again, again, again, again, again, again}
	// What has changed since the snapshot cannot be written.
	snapshotIsLaw = []string{again, again, again, again, again, again, applied, applied}
)

// isolation is a level of an engine's, and what becomes of afterSnapshot there.
type isolation struct {
	name  string
	level sql.IsolationLevel
	first string // a statement of the shop's
	want  []string
}

// isolations is the table of engine, level and outcome. On SQLite there is one
// level, and one writer: a transaction that begins with the write lock, as by
// SQLiteDSN and InTx, lets no other come between.
var isolations = map[sqlstore.Dialect][]isolation{
	sqlstore.SQLite: {
		{"deferred", sql.LevelDefault, "", oneWriter},
	},
	sqlstore.PostgreSQL: {
		{"read uncommitted", sql.LevelReadUncommitted, "", statementsSeeAll},
		{"read committed", sql.LevelReadCommitted, "", statementsSeeAll},
		{"repeatable read", sql.LevelRepeatableRead, "", snapshotIsLaw},
		{"serializable", sql.LevelSerializable, "", snapshotIsLaw},
	},
	sqlstore.MySQL: {
		{"read uncommitted", sql.LevelReadUncommitted, "", statementsSeeAll},
		{"read committed", sql.LevelReadCommitted, "", statementsSeeAll},
		{"repeatable read", sql.LevelRepeatableRead, "SET innodb_snapshot_isolation = OFF", writesSeeAll},
		{"repeatable read, snapshot isolation", sql.LevelRepeatableRead, "SET innodb_snapshot_isolation = ON", snapshotIsLaw},
		{"serializable", sql.LevelSerializable, "SET innodb_snapshot_isolation = OFF", statementsSeeAll},
	},
}

// begin begins a transaction at a level. What the server has no setting for, it
// has always OFF.
func (l isolation) begin(t *testing.T, s shop) (*sql.Tx, *sqlstore.Store) {
	t.Helper()
	tx, err := s.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: l.level})
	require.NoError(t, err)
	t.Cleanup(func() { tx.Rollback() })
	if l.first != "" {
		if _, err := tx.Exec(l.first); err != nil && strings.HasSuffix(l.first, "ON") {
			t.Skipf("%q: %v", l.first, err)
		}
	}
	bound, err := s.store.Within(tx)
	require.NoError(t, err)
	return tx, bound
}

// levels are the engine with each level as the default of its database.
func (e Engine) levels() []Engine {
	var levels []Engine
	for _, l := range isolations[e.Dialect] {
		if e.Name == "tidb" && l.name != "read committed" && l.name != "repeatable read" {
			continue // it has no other
		}
		at := e
		at.Name = l.name
		at.DSN = func(t testing.TB) string { return l.byDefault(t, e, e.DSN(t)) }
		levels = append(levels, at)
	}
	return levels
}

// byDefault is a DSN of sessions that have the level unless they ask for another.
func (l isolation) byDefault(t testing.TB, e Engine, dsn string) string {
	t.Helper()
	switch e.Dialect {
	case sqlstore.PostgreSQL:
		parsed, err := url.Parse(dsn)
		require.NoError(t, err)
		query := parsed.Query()
		query.Set("default_transaction_isolation", l.name)
		parsed.RawQuery = query.Encode()
		return parsed.String()
	case sqlstore.MySQL:
		config, err := driver.ParseDSN(dsn)
		require.NoError(t, err)
		db := e.Open(t, dsn, 1)
		defer db.Close()
		variable := "transaction_isolation"
		if _, err := db.Exec("SELECT @@transaction_isolation"); err != nil {
			variable = "tx_isolation" // MariaDB before 11.1
		}
		config.Params = map[string]string{variable: "'" + strings.ToUpper(strings.ReplaceAll(l.level.String(), " ", "-")) + "'"}
		name, value, snapshot := strings.Cut(strings.TrimPrefix(l.first, "SET "), " = ")
		if snapshot {
			_, err := db.Exec(l.first)
			switch {
			case err == nil:
				config.Params[name] = value
			case value == "ON":
				t.Skipf("%q: %v", l.first, err)
			}
		}
		return config.FormatDSN()
	}
	return dsn
}

// openAtWill opens a shop whose transactions begin without the write lock.
func openAtWill(t *testing.T, e Engine) shop {
	dsn := strings.ReplaceAll(e.DSN(t), "_txlock=immediate", "_txlock=deferred")
	return newShop(t, e, e.Open(t, dsn, 0), dsn)
}

func TestIsolationLevels(t *testing.T) {
	for _, e := range usual() {
		for _, l := range isolations[e.Dialect] {
			t.Run(e.Name+"/"+l.name, func(t *testing.T) {
				s := openAtWill(t, e)
				for i, c := range afterSnapshot {
					t.Run(c.name, func(t *testing.T) {
						for name, reads := range map[string]bool{"after a read": true, "before any read": false} {
							t.Run(name, func(t *testing.T) {
								prefix := fmt.Sprintf("%d%t/", i, reads) // each has the database to itself
								others := storage.Prefixed(s.store, prefix)
								require.NoError(t, others.Apply(t.Context(), puts(0, "old")))
								tx, bound := l.begin(t, s)
								want := statementsSeeAll[i]
								if reads {
									var n int
									require.NoError(t, tx.QueryRow("SELECT count(*) FROM orders").Scan(&n))
									want = l.want[i]
								}
								require.NoError(t, others.Apply(t.Context(), c.other))
								require.Equal(t, want, outcome(storage.Prefixed(bound, prefix).Apply(t.Context(), c.mine)))
								if !reads {
									require.NoError(t, tx.Commit(), "the transaction is usable")
								}
							})
						}
					})
				}
			})
		}
	}
}

// TestNeverOversoldAtAnyLevel: callers who begin transactions of their own at a
// level of their own, read before they redeem, and do it again when asked to.
func TestNeverOversoldAtAnyLevel(t *testing.T) {
	for _, e := range usual() {
		for _, l := range isolations[e.Dialect] {
			t.Run(e.Name+"/"+l.name, func(t *testing.T) {
				s := openAtWill(t, e)
				once := func(ctx context.Context, b storage.Batch) error {
					tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: l.level})
					if err != nil {
						return err
					}
					defer tx.Rollback()
					bound, err := s.store.Within(tx)
					if err != nil {
						return err
					}
					if _, _, err := bound.Get(ctx, nil, "limited"); err != nil {
						return err
					}
					if err := bound.Apply(ctx, b); err != nil {
						return err
					}
					return tx.Commit()
				}
				// Those who must do it again take turns: if all began again at once, they
				// could keep each other from ever getting through.
				var turn sync.Mutex
				require.Equal(t, 20, oversell(t, func(ctx context.Context, b storage.Batch) error {
					err := once(ctx, b)
					if !sqlstore.Retryable(err) {
						return err
					}
					turn.Lock()
					defer turn.Unlock()
					for sqlstore.Retryable(err) {
						err = once(ctx, b)
					}
					return err
				}, 20))
				_, values, err := s.store.Get(t.Context(), nil, "limited")
				require.NoError(t, err)
				require.EqualValues(t, 20, values["limited"])
			})
		}
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return applied
	case errors.Is(err, storage.ErrConflict):
		return conflict
	case errors.Is(err, storage.ErrLimit):
		return limit
	case sqlstore.Retryable(err):
		return again
	}
	return err.Error()
}

func docKey(id string) storage.Key { return storage.Key{Kind: "doc", ID: id} }

func puts(version int64, id string) storage.Batch {
	return storage.Batch{Puts: []storage.Put{{Key: docKey(id), Version: version, Body: []byte(`{}`)}}}
}

func take(n, of int64) storage.Batch {
	return storage.Batch{Adds: []storage.Add{{Counter: "cap", Delta: n, Min: math.MinInt64, Max: of}}}
}

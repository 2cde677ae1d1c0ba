package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

//go:embed mysql/*.up.sql
var mysqlFiles embed.FS

// mysql is the dialect of MySQL and MariaDB, on InnoDB.
//
// Two things shape it. What a transaction read plainly is a snapshot that does
// not move, so that only statements that lock see what is there; and a statement
// that locks a row which is not there locks the gap around it against everybody's
// inserts, so that it is never sent for a row that may be absent.
type mysql struct{ compounds *compounds }

func (mysql) migrations() (fs.FS, error) { return fs.Sub(mysqlFiles, "mysql") }

func (mysql) history(t tables) string {
	return "CREATE TABLE IF NOT EXISTS " + t.migrations + " (version INTEGER NOT NULL PRIMARY KEY," +
		" name VARCHAR(255) NOT NULL, checksum VARCHAR(64) NOT NULL)" +
		" ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4"
}

// exclusively holds a named lock of the server's on one connection: DDL commits
// every transaction, and with it every lock of a transaction.
func (mysql) exclusively(ctx context.Context, s *Store, fn func(conn) error) error {
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	const lock = "CONCAT('vouch ', SHA2(CONCAT(DATABASE(), '.', ?), 224))" // at most 64 bytes
	c := s.on(handle)
	var held sql.NullInt64
	if err := c.query(ctx, "SELECT GET_LOCK("+lock+", 60)", []any{s.tables.prefix},
		func(scan scan) error { return scan(&held) }); err != nil {
		return s.fail(ctx, "cannot wait for others who migrate", err)
	}
	if held.Int64 != 1 {
		return errors.New("sqlstore: another process has been migrating this database for a minute; try again when it is done")
	}
	defer func() {
		if _, err := c.exec(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+lock+")", s.tables.prefix); err != nil {
			_ = handle.Raw(func(any) error { return driver.ErrBadConn }) // it ends with the connection
		}
	}()
	return fn(c)
}

func (mysql) conn(handle conn) conn { return handle }

func (mysql) until() string { return "`until`" } // a keyword of TiDB's

func (mysql) join() string { return "STRAIGHT_JOIN" }

// by keeps MariaDB from looking up the kind alone and walking over every page
// before, which it finds as cheap when a page is far from the last.
func (mysql) by(index string) string {
	return " FORCE INDEX (" + cmp.Or(index, "PRIMARY") + ")"
}

// deleted: for several rows of a small table the engine would rather read, and so
// lock, all of it.
func (mysql) deleted() int { return 1 }

// among spells tuples out: in their short form they are not looked up in an index.
func (mysql) among(columns []string, n int) string {
	if len(columns) == 1 {
		return columns[0] + " IN (?" + strings.Repeat(", ?", n-1) + ")"
	}
	tuple := "(" + strings.Join(columns, " = ? AND ") + " = ?)"
	return "(" + tuple + strings.Repeat(" OR "+tuple, n-1) + ")"
}

// beyond spells the tuple out too, as two ranges of the index.
func (mysql) apart() int { return 0 }

func (mysql) readMany(tables, []storage.Key, []string) (string, []any) { return "", nil }

func (mysql) beyond(place, id string, newest bool, at int64, afterID string) (string, []any) {
	comparison := " > ?"
	if newest {
		comparison = " < ?"
	}
	return "(" + place + comparison + " OR (" + place + " = ? AND " + id + comparison + "))", []any{at, at, afterID}
}

func (mysql) oneWriter() bool { return false }

func (mysql) writeLock(string) string { return "" }

func (mysql) isolation() sql.IsolationLevel { return sql.LevelDefault }

// savepoint rolls back to the savepoint at once, which fails where there is no
// transaction: a deadlock and DDL end one silently, after which every statement
// would commit by itself.
func (mysql) savepoint(ctx context.Context, tx conn, name string) error {
	return execAll(ctx, tx, "SAVEPOINT "+name, "ROLLBACK TO SAVEPOINT "+name)
}

func (e mysql) steps() steps { return e }

// insert takes the error for a key that exists, which harms nothing but the
// statement. INSERT IGNORE would truncate values, and ON DUPLICATE KEY cannot tell
// a new row from an old one.
func (mysql) insert(ctx context.Context, c conn, statement string, args ...any) (bool, error) {
	_, err := c.exec(ctx, statement, args...)
	if mysqlNumber(err) == 1062 {
		return false, nil
	}
	return err == nil, err
}

func (mysql) looksFirst() bool { return true }

// together: one by one is as short where there is no compound statement, unless nothing
// need be known of what is there.
func (e mysql) together(ops []storage.Op) bool {
	return e.compounds.known() || len(ops) > 3 && (len(ops) > onceOps || onlyMakes(ops))
}

// add creates a counter that is absent before it changes it. Two who do so at once
// wait for each other: ON DUPLICATE KEY UPDATE locks the row as the change will,
// where a plain INSERT that fails would leave both with a lock to share, and the
// change of either in the other's way.
func (mysql) add(ctx context.Context, c conn, t tables, a storage.Add, low, high int64, exists bool) (bool, error) {
	if !exists && low <= 0 && high >= 0 {
		if _, err := c.exec(ctx, "INSERT INTO "+t.counters+" (name, value, rev) VALUES (?, 0, 0)"+
			" ON DUPLICATE KEY UPDATE rev = rev + 1", a.Counter); err != nil {
			return false, err
		}
	}
	return one(c.exec(ctx, "UPDATE "+t.counters+" SET value = value + ?, `until` = ?, rev = rev + 1"+
		" WHERE name = ? AND value BETWEEN ? AND ?", a.Delta, nullable(a.Until), a.Counter, low, high))
}

// mysqlRows writes many rows in one statement.
var mysqlRows = rowWriter{
	onDuplicate: func(_ string, columns ...string) string {
		for i, name := range columns {
			columns[i] = name + " = VALUES(" + name + ")"
		}
		return " ON DUPLICATE KEY UPDATE " + strings.Join(columns, ", ")
	},
	made: func(_ int64, _ int, err error) (bool, error) {
		if mysqlNumber(err) == 1062 {
			return false, nil
		}
		return true, err
	},
}

// applyGroup first reads plainly what is there, and then locks that and nothing
// that is absent; but a few counters are changed without being locked first, if they
// still allow what they allowed when they were read.
//
// On MariaDB that is the way of those whom others were too fast for: see applyCompound.
func (e mysql) applyGroup(ctx context.Context, s *Store, j *joint, again bool) error {
	if !again && e.compounds.known() {
		if err := e.applyCompound(ctx, s, j); err != errNoCompound {
			return err
		}
	}
	rows := mysqlRows
	j.ask(again)
	found := newStanding(len(j.keys), len(j.counters))
	if err := s.findEach(ctx, s.on(s.db), found, j.keys, j.counters, ""); err != nil {
		return s.fail(ctx, "cannot read what the batches expect", err)
	}
	keys, counters := j.lockable(found)
	if len(keys) == 0 && len(counters) <= fewCounters && !again {
		rows.changeFew = true
		return s.writeGroup(ctx, j, func(conn) (standing, error) { return found, nil }, rows)
	}
	return s.writeGroup(ctx, j, func(c conn) (standing, error) {
		for _, k := range keys { // what is gone by now is not found again
			delete(found.docs, k)
		}
		for _, name := range counters {
			delete(found.counters, name)
		}
		return found, s.findEach(ctx, c, found, keys, counters, " FOR UPDATE")
	}, rows)
}

// classify goes by the server's error numbers
// (dev.mysql.com/doc/mysql-errors, mariadb.com/kb/en/mariadb-error-codes).
func (mysql) classify(err error) Class {
	switch mysqlNumber(err) {
	case 1213, 1205, // deadlock, lock wait timeout
		1020, 1467, // changed since the snapshot (MariaDB), no number for a row
		3572, 1040, // lock not to be had at once, too many connections
		9007, 9004, 8002: // TiDB: conflicts
		return Transient
	case 1290, 1792, 1836: // the server, the transaction, or the server again is read-only
		return ReadOnly
	case 1146, 1054: // no such table, no such column
		return Unmigrated
	case 1062, 1048, 1406, 1264, 1451, 1452, 3819, 4025, // constraints and sizes
		1114, 1153, 1021, // table, packet, disk full
		1305, 1044, 1045, 1142, 1049: // no such savepoint, no rights, no such database
		return Refused
	case 1105: // anything, in TiDB
		if strings.Contains(err.Error(), "pessimistic lock retry limit reached") {
			return Transient
		}
	}
	return Other
}

// mysqlNumber is the number in an error of go-sql-driver/mysql, which has it in a
// field and, as "Error 1213 (40001): …", in its words; 0: there is none.
func mysqlNumber(err error) int {
	switch wrapper := err.(type) {
	case nil:
		return 0
	case interface{ Unwrap() error }:
		return mysqlNumber(wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range wrapper.Unwrap() {
			if n := mysqlNumber(err); n != 0 {
				return n
			}
		}
		return 0
	}
	text, numbered := strings.CutPrefix(err.Error(), "Error ")
	end := strings.IndexAny(text, " :")
	if !numbered || end < 0 {
		return 0
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

func (e mysql) createView(ctx context.Context, c conn, t tables, v storage.View) error {
	return execAll(ctx, c, e.view(t, v)...)
}

func (mysql) view(t tables, v storage.View) []string {
	kind := fmt.Sprintf("X'%x'", v.Kind) // whatever a backslash means in this session
	return []string{"CREATE OR REPLACE " + viewOf(t, v, "`", kind, mysqlColumn)}
}

func mysqlColumn(c storage.Column) string {
	var value string
	switch c.From {
	case storage.FromID:
		return "id" // as bytes, or the index on it would be of no use
	case storage.FromVersion:
		value = "version"
	case storage.FromDue:
		value = "due"
	default: // storage.FromBody; member names need no quoting beyond this
		member := `JSON_EXTRACT(CONVERT(body USING utf8mb4), '$."` + strings.Join(c.Path, `"."`) + `"')`
		value = "CASE WHEN JSON_TYPE(" + member + ") <> 'NULL' THEN JSON_UNQUOTE(" + member + ") END"
	}
	switch c.Type {
	case storage.Text:
		// An explicit collation does not quarrel with that of the shop's own columns.
		return "CONVERT(" + value + " USING utf8mb4) COLLATE utf8mb4_bin"
	case storage.Boolean:
		return "(" + value + ") = 'true'"
	case storage.Instant:
		return "TIMESTAMPADD(MICROSECOND, NULLIF(CAST(" + value + " AS SIGNED), 0), TIMESTAMP '1970-01-01 00:00:00.000000')"
	}
	return "CAST(" + value + " AS SIGNED)"
}

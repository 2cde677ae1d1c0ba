package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// SQLiteDSN is a good data source name for the driver modernc.org/sqlite: the
// file is created if it is not there, readers and a writer do not wait for each
// other (WAL), a writer waits up to 5 s for another, foreign keys are checked,
// each commit is on disk before it returns, and a transaction begins with the
// write lock, which a read in front of a write would else forfeit.
//
// The settings are here and not in statements because a statement reaches one
// connection of the pool. The path is that of a file: ":memory:" would give each
// connection of the pool a database of its own, and with a pool of one
// connection a query on the pool inside a transaction waits for itself.
func SQLiteDSN(path string) string {
	settings := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	path = filepath.Clean(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	name := (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	return "file:" + name + "?" + settings.Encode()
}

//go:embed sqlite/*.up.sql
var sqliteFiles embed.FS

// sqlite is the dialect of SQLite.
type sqlite struct{}

func (sqlite) migrations() (fs.FS, error) { return fs.Sub(sqliteFiles, "sqlite") }

func (sqlite) history(t tables) string {
	return "CREATE TABLE IF NOT EXISTS " + t.migrations +
		" (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT"
}

// exclusively needs no more than a transaction: a file has one writer, and
// tables are created and dropped like rows.
func (sqlite) exclusively(ctx context.Context, s *Store, fn func(conn) error) error {
	return s.transact(ctx, sql.LevelDefault, func(_ *sql.Tx, c conn) error {
		encoding := ""
		if err := c.query(ctx, "PRAGMA encoding", nil, func(scan scan) error { return scan(&encoding) }); err != nil {
			return s.fail(ctx, "cannot read the encoding", err)
		}
		if encoding != "UTF-8" { // keys would be in another order
			return fmt.Errorf("sqlstore: the database is in %s: only one in UTF-8 compares keys as bytes", encoding)
		}
		return fn(c)
	})
}

func (sqlite) conn(handle conn) conn { return handle }

func (sqlite) until() string { return "until" }

func (sqlite) join() string { return "CROSS JOIN" }

func (sqlite) by(string) string { return "" }

func (sqlite) deleted() int { return listRows }

func (sqlite) among(columns []string, n int) string {
	if len(columns) == 1 {
		return columns[0] + " IN (?" + strings.Repeat(", ?", n-1) + ")"
	}
	tuple := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return "(" + strings.Join(columns, ", ") + ") IN (VALUES " + tuple + strings.Repeat(", "+tuple, n-1) + ")"
}

func (sqlite) apart() int { return 0 }

func (sqlite) readMany(tables, []storage.Key, []string) (string, []any) { return "", nil }

func (sqlite) beyond(place, id string, newest bool, at int64, afterID string) (string, []any) {
	return beyondRow(place, id, newest, at, afterID)
}

func (sqlite) oneWriter() bool { return true }

// writeLock matches no row. A transaction that has read and writes later is
// refused at once, whatever its busy timeout, when another has written between.
func (sqlite) writeLock(table string) string {
	return "UPDATE " + table + " SET version = version WHERE FALSE"
}

func (sqlite) isolation() sql.IsolationLevel { return sql.LevelDefault }

// savepoint first tries to begin: inside a transaction SQLite refuses that, and
// changes nothing. When it does begin one, the caller's was rolled back by SQLite
// itself (after an interrupt, a full disk), and a savepoint would commit by itself.
func (sqlite) savepoint(ctx context.Context, tx conn, name string) error {
	_, err := tx.exec(ctx, "BEGIN")
	if err == nil {
		_, err = tx.exec(ctx, "ROLLBACK")
		return errors.Join(errors.New("SQLite has rolled it back after an earlier error"), err)
	}
	if !strings.Contains(err.Error(), "within a transaction") {
		return err
	}
	_, err = tx.exec(ctx, "SAVEPOINT "+name)
	return err
}

func (e sqlite) steps() steps { return e }

func (sqlite) insert(ctx context.Context, c conn, statement string, args ...any) (bool, error) {
	return one(c.exec(ctx, statement+" ON CONFLICT DO NOTHING", args...))
}

func (sqlite) looksFirst() bool { return false }

func (sqlite) together(ops []storage.Op) bool { return len(ops) > 3 }

func (sqlite) add(ctx context.Context, c conn, t tables, a storage.Add, low, high int64, _ bool) (bool, error) {
	const set = " SET value = value + ?, until = ?, rev = rev + 1 WHERE "
	if low > 0 || high < 0 { // not from an absent counter
		return one(c.exec(ctx, "UPDATE "+t.counters+set+"name = ? AND value BETWEEN ? AND ?",
			a.Delta, nullable(a.Until), a.Counter, low, high))
	}
	return one(c.exec(ctx, "INSERT INTO "+t.counters+" (name, value, until, rev) VALUES (?, ?, ?, 1)"+
		" ON CONFLICT (name) DO UPDATE"+set+"value BETWEEN ? AND ?",
		a.Counter, a.Delta, nullable(a.Until), a.Delta, nullable(a.Until), low, high))
}

// applyGroup has the database to itself from its first statement on.
func (sqlite) applyGroup(ctx context.Context, s *Store, j *joint, again bool) error {
	rows := rowWriter{
		onDuplicate: func(key string, columns ...string) string {
			for i, name := range columns {
				columns[i] = name + " = excluded." + name
			}
			return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(columns, ", ")
		},
		made:     func(affected int64, rows int, err error) (bool, error) { return affected == int64(rows), err },
		ifAbsent: " ON CONFLICT DO NOTHING",
	}
	return s.writeGroup(ctx, j, func(c conn) (standing, error) {
		j.ask(again)
		found := newStanding(len(j.keys), len(j.counters))
		if err := s.lock(ctx, c, s.tables.docs); err != nil {
			return found, err
		}
		return found, s.findEach(ctx, c, found, j.keys, j.counters, "")
	}, rows)
}

// classify goes by SQLite's result codes (sqlite.org/rescode.html).
func (sqlite) classify(err error) Class {
	code, ok := sqliteCode(err)
	if !ok {
		return Other
	}
	switch code & 0xff {
	case 5, 6: // BUSY, LOCKED
		return Transient
	case 8: // READONLY
		return ReadOnly
	case 13, 14, 19: // FULL, CANTOPEN, CONSTRAINT
		return Refused
	case 1:
		if strings.Contains(err.Error(), "no such table") {
			return Unmigrated
		}
	}
	return Other
}

// sqliteCode is the result code in an error of modernc.org/sqlite.
func sqliteCode(err error) (int, bool) {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return 0, false
	}
	return coded.Code(), true
}

// createView compares with the text of the view that is there, which SQLite keeps
// as it was written.
func (e sqlite) createView(ctx context.Context, c conn, t tables, v storage.View) error {
	name, statements, found := t.prefix+v.Name, e.view(t, v), ""
	if err := c.query(ctx, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", []any{name},
		func(scan scan) error { return scan(&found) }); err != nil {
		return err
	}
	if found == statements[1] {
		return nil
	}
	return execAll(ctx, c, statements...)
}

func (sqlite) view(t tables, v storage.View) []string {
	return []string{"DROP VIEW IF EXISTS " + t.prefix + v.Name, "CREATE " + viewOf(t, v, `"`, text(v.Kind), sqliteColumn)}
}

func sqliteColumn(c storage.Column) string {
	var value string
	switch c.From {
	case storage.FromID:
		return "id" // as it is, or the index on it would be of no use
	case storage.FromVersion:
		value = "version"
	case storage.FromDue:
		value = "due"
	default: // storage.FromBody; member names need no quoting beyond this
		value = `json_extract(body, '$."` + strings.Join(c.Path, `"."`) + `"')`
	}
	switch c.Type {
	case storage.Text:
		return "CAST(" + value + " AS TEXT)"
	case storage.Instant:
		// UTC with microseconds, in integers: %f would round to milliseconds. The
		// remainder is taken twice so that instants before 1970 count upwards too.
		value = "NULLIF(" + value + ", 0)"
		micros := "(((" + value + ") % 1000000 + 1000000) % 1000000)"
		return "strftime('%Y-%m-%d %H:%M:%S', ((" + value + ") - " + micros + ") / 1000000, 'unixepoch') || printf('.%06d', " + micros + ")"
	}
	return "CAST(" + value + " AS INTEGER)" // JSON's true and false come as 1 and 0
}

package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

//go:embed postgres/*.up.sql
var postgresFiles embed.FS

// postgres is the dialect of PostgreSQL. A statement that fails ends the whole
// transaction there, so none may fail by design.
type postgres struct{}

func (postgres) migrations() (fs.FS, error) { return fs.Sub(postgresFiles, "postgres") }

func (postgres) history(t tables) string {
	return "CREATE TABLE IF NOT EXISTS " + t.migrations +
		" (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
}

// exclusively holds an advisory lock until the commit: CREATE TABLE IF NOT EXISTS
// alone fails when two do it at once. READ COMMITTED, because what the one before
// has done must be seen after the wait.
func (postgres) exclusively(ctx context.Context, s *Store, fn func(conn) error) error {
	return s.transact(ctx, sql.LevelReadCommitted, func(_ *sql.Tx, c conn) error {
		encoding := ""
		if err := c.query(ctx, "SHOW server_encoding", nil, func(scan scan) error { return scan(&encoding) }); err != nil {
			return s.fail(ctx, "cannot read the encoding", err)
		}
		if encoding != "UTF8" {
			return fmt.Errorf("sqlstore: the database is in %s: only one in UTF8 keeps all keys and bodies", encoding)
		}
		number := fnv.New64a()
		number.Write([]byte("migrate " + s.tables.prefix))
		if _, err := c.exec(ctx, "SELECT pg_advisory_xact_lock(?)", int64(number.Sum64())); err != nil {
			return s.fail(ctx, "cannot wait for others who migrate", err)
		}
		return fn(c)
	})
}

func (postgres) conn(handle conn) conn { return numbered{handle} }

func (postgres) until() string { return "until" }

func (postgres) join() string { return "CROSS JOIN" }

func (postgres) by(string) string { return "" }

func (postgres) among(columns []string, n int) string {
	if len(columns) == 1 {
		return columns[0] + " IN (?" + strings.Repeat(", ?", n-1) + ")"
	}
	tuple := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return "(" + strings.Join(columns, ", ") + ") IN (" + tuple + strings.Repeat(", "+tuple, n-1) + ")"
}

// apart: a prepared statement keeps its plan, and what is made for several rows of a
// table that was small when it was made reads all of it when it has grown.
func (postgres) apart() int { return onceOps }

// readMany takes keys as one array for each column: a list of them is planned anew for
// each length, key by key.
func (postgres) readMany(t tables, keys []storage.Key, counters []string) (string, []any) {
	var kinds, ids, names array
	for _, k := range keys {
		kinds.text(k.Kind)
		ids.text(k.ID)
	}
	for _, name := range counters {
		names.text(name)
	}
	return "SELECT kind, id, version, due, lists, body FROM " + t.prefix + "read(?, ?, ?)", []any{kinds.end(), ids.end(), names.end()}
}

func (postgres) beyond(place, id string, newest bool, at int64, afterID string) (string, []any) {
	return beyondRow(place, id, newest, at, afterID)
}

func (postgres) oneWriter() bool { return false }

func (postgres) writeLock(string) string { return "" }

// isolation is what the store's own transactions need: each statement is right by
// itself, and at a higher level the database would refuse what only had to wait.
func (postgres) isolation() sql.IsolationLevel { return sql.LevelReadCommitted }

// savepoint fails by itself outside a transaction and in one that has failed.
func (postgres) savepoint(ctx context.Context, tx conn, name string) error {
	_, err := tx.exec(ctx, "SAVEPOINT "+name)
	return err
}

func (postgres) steps() steps { return nil }

// classify goes by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html),
// which the errors of pgx and lib/pq tell.
func (postgres) classify(err error) Class {
	var coded interface{ SQLState() string }
	if !errors.As(err, &coded) {
		return failedCommit(err)
	}
	switch state := coded.SQLState(); state {
	case "40001", "40P01", // serialization failure, deadlock
		"55P03",          // lock not available: lock_timeout is over
		"53300", "57P03": // too many connections, starting up
		return Transient
	case "25006": // read-only transaction, or a standby
		return ReadOnly
	case "42P01", "42883", "3F000": // no such table, function, schema
		return Unmigrated
	case "57014": // cancelled, by a statement_timeout or by hand
		return Refused
	default:
		switch state[:min(2, len(state))] {
		case "22", "23", "25", "42", "53": // data, constraint, state of the transaction, syntax or access, resources
			return Refused
		}
	}
	return Other
}

// failedCommit recognises what the drivers say when a COMMIT ended a transaction
// in which a statement had failed: it was rolled back.
func failedCommit(err error) Class {
	if err == nil {
		return Other
	}
	for _, words := range []string{
		"commit unexpectedly resulted in rollback",             // pgx
		"Could not complete operation in a failed transaction", // lib/pq
	} {
		if strings.Contains(err.Error(), words) {
			return Refused
		}
	}
	return Other
}

// createView leaves a view that is as declared alone: to drop it would wait for
// every report that reads it, and fail when the shop has views of its own over it.
// The comment on the view tells.
func (e postgres) createView(ctx context.Context, c conn, t tables, v storage.View) error {
	name, statements := t.prefix+v.Name, e.view(t, v)
	var found sql.NullString
	if err := c.query(ctx, "SELECT obj_description(to_regclass(?), 'pg_class')", []any{name},
		func(scan scan) error { return scan(&found) }); err != nil {
		return err
	}
	if found.Valid && strings.Contains(statements[2], text(found.String)) {
		return nil
	}
	return execAll(ctx, c, statements...)
}

func (postgres) view(t tables, v storage.View) []string {
	name, create := t.prefix+v.Name, "CREATE "+viewOf(t, v, `"`, text(v.Kind), postgresColumn)
	declared := fmt.Sprintf("vouch %x", sha256.Sum256([]byte(create)))
	return []string{"DROP VIEW IF EXISTS " + name, create, "COMMENT ON VIEW " + name + " IS " + text(declared)}
}

func postgresColumn(c storage.Column) string {
	var value string
	switch c.From {
	case storage.FromID:
		return "id"
	case storage.FromVersion:
		value = "version"
	case storage.FromDue:
		value = "due"
	default: // storage.FromBody; member names need no quoting beyond this
		value = "(body::json #>> '{" + strings.Join(c.Path, ",") + "}')"
	}
	switch c.Type {
	case storage.Text:
		return value + "::text"
	case storage.Boolean:
		return value + "::boolean"
	case storage.Instant:
		// In whole days and microseconds, which are exact, and in UTC, where a day has
		// 24 hours. What lies before the Julian calendar's first day is no timestamp.
		value = "NULLIF(" + value + "::bigint, 0)"
		const day = "86400000000"
		return "CASE WHEN " + value + " >= -210866803200000000 THEN (timestamp 'epoch' + (" + value + " / " + day +
			")::integer * interval '1 day' + (" + value + " % " + day + ") * interval '1 microsecond') AT TIME ZONE 'UTC' END"
	}
	return value + "::bigint"
}

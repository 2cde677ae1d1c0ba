package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/vouch-go/vouch/storage"
)

// Dialect names the kind of database engine.
type Dialect string

// The dialects.
const (
	SQLite Dialect = "sqlite" // SQLite from 3.37
)

func (d Dialect) engine() (engine, error) {
	switch d {
	case SQLite:
		return sqlite{}, nil
	}
	return nil, fmt.Errorf("dialect %q is unknown: use sqlstore.SQLite", string(d))
}

func dialects() []engine { return []engine{sqlite{}} }

// engine is all that tells one kind of database from another; a dialect is one
// file with one of these. Statements outside it are written with '?' for their
// arguments and are the same for all.
type engine interface {
	// migrations holds the NNNN_name.up.sql files, written for the default
	// prefix, each statement ending in ";\n".
	migrations() (fs.FS, error)

	// history creates the table of applied migrations if it is not there:
	// version, name, checksum.
	history(t tables) string

	// exclusively runs fn while no other process migrates the same tables, in
	// one transaction where the engine's DDL has any.
	exclusively(ctx context.Context, s *Store, fn func(querier) error) error

	// view creates a view, in one statement.
	view(t tables, v storage.View) string

	// bind replaces each '?' by the engine's own placeholder.
	bind(query string) string

	// among is the condition that a tuple of columns is one of n tuples of
	// arguments, found through an index on them.
	among(columns []string, n int) string

	// beyond is the condition that the columns (place, id) come after (or, newest
	// first, before) a position, found through an index on them.
	beyond(place, id string, newest bool, at int64, afterID string) (condition string, args []any)

	// oneWriter says that the whole database has one writer at a time.
	oneWriter() bool

	// writeLock is a statement on a table with a column "version" that takes the
	// lock without which a write after a read may fail; empty when the engine
	// needs none.
	writeLock(table string) string

	// open fails when no transaction is open (any more) on a handle of the
	// caller's, and leaves one that is as it was.
	open(ctx context.Context, tx querier) error

	// insert runs an INSERT of one row, and says whether it was inserted: not
	// when its key exists.
	insert(ctx context.Context, q querier, statement string, args ...any) (bool, error)

	// add changes a counter if its value lies in [low, high], and says whether
	// it did. An absent counter is 0.
	add(ctx context.Context, q querier, t tables, a storage.Add, low, high int64) (bool, error)

	// classify says what an error of a driver means, without importing any.
	classify(err error) Class
}

// querier is what *sql.DB, *sql.Conn, *sql.Tx and a Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tables are the names under one prefix.
type tables struct {
	prefix, docs, lists, counters, migrations string
}

func newTables(prefix string) tables {
	return tables{prefix, prefix + "docs", prefix + "lists", prefix + "counters", prefix + "migrations"}
}

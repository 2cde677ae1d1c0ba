package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// Dialect names the kind of database engine.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"   // SQLite from 3.37
	PostgreSQL Dialect = "postgres" // PostgreSQL from 12
	MySQL      Dialect = "mysql"    // MySQL from 8.0 and MariaDB from 10.6
)

func (d Dialect) engine() (engine, error) {
	switch d {
	case SQLite:
		return sqlite{}, nil
	case PostgreSQL:
		return postgres{}, nil
	case MySQL:
		return mysql{new(compounds)}, nil
	}
	return nil, fmt.Errorf("dialect %q is unknown: use sqlstore.SQLite, sqlstore.PostgreSQL or sqlstore.MySQL", string(d))
}

func engines() []engine { return []engine{sqlite{}, postgres{}, mysql{}} }

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
	exclusively(ctx context.Context, s *Store, fn func(conn) error) error

	// createView creates a view, in the place of one that was declared otherwise.
	createView(ctx context.Context, c conn, t tables, v storage.View) error

	// view are the statements that create a view, whatever is there in its place.
	view(t tables, v storage.View) []string

	// conn runs statements with '?' for their arguments on a handle.
	conn(handle conn) conn

	// join is the join of two tables that keeps their order, where the engine has
	// a word for it.
	join() string

	// by asks for an index of the table before it, where the engine chooses badly;
	// an empty name is that of the primary key.
	by(index string) string

	// among is the condition that a tuple of columns is one of n tuples of
	// arguments, found through an index on them.
	among(columns []string, n int) string

	// apart is up to how many rows are better looked up by a SELECT of their own each
	// than by one for all.
	apart() int

	// readMany is a statement that reads many documents and counters, as reading does,
	// where the engine has a better one; empty where it has not.
	readMany(t tables, keys []storage.Key, counters []string) (statement string, args []any)

	// beyond is the condition that the columns (place, id) come after (or, newest
	// first, before) a position, found through an index on them.
	beyond(place, id string, newest bool, at int64, afterID string) (condition string, args []any)

	// until is the column of that name, quoted where the engine takes it for a keyword.
	until() string

	// oneWriter says that the whole database has one writer at a time.
	oneWriter() bool

	// writeLock is a statement on a table with a column "version" that takes the
	// lock without which a write after a read may fail; empty when the engine
	// needs none.
	writeLock(table string) string

	// isolation is that of the store's own transactions.
	isolation() sql.IsolationLevel

	// savepoint sets one in a transaction of the caller's. It fails when none is
	// open (any more), and then leaves nothing open.
	savepoint(ctx context.Context, tx conn, name string) error

	// steps are the statements of a batch; nil when the migrations create a function
	// for whole batches, "apply", which takes them as wholeOps.
	steps() steps

	// applyGroup finds what batches rest on, has them judged, and writes what they come
	// to, in one transaction; again, in the surest way. It fails with errRaced when what
	// was found has changed since.
	applyGroup(ctx context.Context, s *Store, j *joint, again bool) error

	// classify says what an error of a driver means, without importing any.
	classify(err error) Class

	// exists is a statement that counts the objects of that name where the store's
	// are created.
	exists(o object) (statement string, args []any)

	checkup
}

// checkup is what Doctor asks of an engine.
type checkup interface {
	// settings are statements that give names and values.
	settings() []string

	// settingsOfConnections says that connections of one pool may have different ones.
	settingsOfConnections() bool

	// diagnose judges the settings.
	diagnose(settings map[string]string) []Finding

	// clock is a statement that gives the database's clock in unix microseconds.
	clock() string

	// tableFaults is a statement that gives what is wrong with the store's tables:
	// the name of the finding, what was found, what it means, what to do. Empty:
	// nothing can be.
	tableFaults(t tables) string

	// indexes is a statement that gives the valid indexes of the store's tables: the
	// table, the columns with commas between, whether it is unique.
	indexes(t tables) string
}

// What several engines have in common.

// one says that a statement affected one row.
func one(affected int64, err error) (bool, error) { return affected == 1, err }

// execAll runs statements without arguments.
func execAll(ctx context.Context, c conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := c.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// viewOf writes a view, its names quoted so.
func viewOf(t tables, v storage.View, quote, kind string, column func(storage.Column) string) string {
	columns := make([]string, len(v.Columns))
	for i, c := range v.Columns {
		columns[i] = column(c) + " AS " + quote + c.Name + quote
	}
	return "VIEW " + t.prefix + v.Name + " AS SELECT " + strings.Join(columns, ", ") + " FROM " + t.docs + " WHERE kind = " + kind
}

// text is a literal of standard SQL.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// beyondRow compares (place, id) as a row.
func beyondRow(place, id string, newest bool, at int64, afterID string) (string, []any) {
	comparison := ">"
	if newest {
		comparison = "<"
	}
	return "(" + place + ", " + id + ") " + comparison + " (?, ?)", []any{at, afterID}
}

// steps are what the engines differ in that do a batch statement by statement.
type steps interface {
	// insert runs an INSERT of one row, and says whether it was inserted: not
	// when its key exists.
	insert(ctx context.Context, c conn, statement string, args ...any) (bool, error)

	// deleted is how many rows of lists one statement may delete.
	deleted() int

	// looksFirst says that add wants to know whether the counter exists.
	looksFirst() bool

	// together says that a batch that comes alone is better applied as a group is than
	// one operation after the other.
	together(ops []storage.Op) bool

	// add changes a counter if its value lies in [low, high], and says whether
	// it did. An absent counter is 0. What is said to exist was there a moment ago.
	add(ctx context.Context, c conn, t tables, a storage.Add, low, high int64, exists bool) (bool, error)
}

// tables are the names under one prefix.
type tables struct {
	prefix, docs, lists, counters, migrations string
}

func newTables(prefix string) tables {
	return tables{prefix, prefix + "docs", prefix + "lists", prefix + "counters", prefix + "migrations"}
}

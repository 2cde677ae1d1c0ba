package enginetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// Step is something a driver is asked to do: a statement, or "BEGIN", "COMMIT",
// "ROLLBACK".
type Step struct {
	Statement string
	Args      []any
	Inside    bool // a transaction that has begun and not ended
	Done      bool // the driver has done it; otherwise it is about to
}

// commits says that the step makes the work of an Apply last: a COMMIT, or the
// statement that is all of it.
func (s Step) commits() bool {
	return s.Statement == "COMMIT" || !s.Inside && slices.ContainsFunc(
		[]string{"SELECT vouch_apply(", "SELECT vouch_record(", "WITH judged ", "UPDATE vouch_counters ", "BEGIN NOT ATOMIC "},
		func(begins string) bool { return strings.HasPrefix(s.Statement, begins) })
}

// errCut is what a driver says on a connection that was cut.
var errCut = errors.New("the connection was cut")

// Tap opens a pool like Engine.Open whose every step is shown to watch, before
// and after. An error of watch takes the place of the step's answer (before the
// step, the step is not taken), and the connection is closed after its use; with
// errCut it is closed at once, and all that is asked of it afterwards fails so.
func (e Engine) Tap(t testing.TB, dsn string, conns int, watch func(Step) error) *sql.DB {
	t.Helper()
	db, err := e.tap(dsn, watch)
	require.NoError(t, err)
	db.SetMaxOpenConns(conns)
	t.Cleanup(func() { db.Close() })
	return db
}

func (e Engine) tap(dsn string, watch func(Step) error) (*sql.DB, error) {
	plain, err := sql.Open(e.Driver, dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(tap{plain.Driver(), dsn, watch}), plain.Close()
}

type tap struct {
	driver driver.Driver
	dsn    string
	watch  func(Step) error
}

func (p tap) Driver() driver.Driver { return p.driver }

func (p tap) Connect(context.Context) (driver.Conn, error) {
	conn, err := p.driver.Open(p.dsn)
	if err != nil {
		return nil, err
	}
	return &tapped{inner: conn, watch: p.watch}, nil
}

// tapped is a connection. What it does not do itself goes to the driver's own. A
// driver that has arguments only in prepared statements is given them so.
type tapped struct {
	inner
	watch  func(Step) error
	inside bool // a transaction
	failed bool
	cut    bool
}

// inner leaves the name Conn to the method that pgx's connections have.
type inner = driver.Conn

// Close closes the driver's own connection, unless that was cut.
func (c *tapped) Close() error {
	if c.cut {
		return nil
	}
	return c.inner.Close()
}

func (c *tapped) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	return watched(c, statement, args, func() (driver.Result, error) {
		result, err := c.inner.(driver.ExecerContext).ExecContext(ctx, statement, args)
		if !errors.Is(err, driver.ErrSkip) {
			return result, err
		}
		prepared, err := c.inner.(driver.ConnPrepareContext).PrepareContext(ctx, statement)
		if err != nil {
			return nil, err
		}
		defer prepared.Close()
		return prepared.(driver.StmtExecContext).ExecContext(ctx, args)
	})
}

func (c *tapped) QueryContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Rows, error) {
	return watched(c, statement, args, func() (driver.Rows, error) {
		rows, err := c.inner.(driver.QueryerContext).QueryContext(ctx, statement, args)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
		prepared, err := c.inner.(driver.ConnPrepareContext).PrepareContext(ctx, statement)
		if err != nil {
			return nil, err
		}
		rows, err = prepared.(driver.StmtQueryContext).QueryContext(ctx, args)
		return preparedRows{rows, prepared}, err
	})
}

func (c *tapped) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := watched(c, "BEGIN", nil, func() (driver.Tx, error) {
		return c.inner.(driver.ConnBeginTx).BeginTx(ctx, options)
	})
	c.inside = err == nil
	return tappedTx{tx, c}, err
}

// IsValid keeps a connection that failed out of the pool.
func (c *tapped) IsValid() bool {
	valid, asked := c.inner.(driver.Validator)
	return !c.failed && (!asked || valid.IsValid())
}

func (c *tapped) ResetSession(ctx context.Context) error {
	if session, resets := c.inner.(driver.SessionResetter); resets {
		return session.ResetSession(ctx)
	}
	return nil
}

// Conn is the first of the methods that lead to pgx's COPY; nil: the driver is another.
func (c *tapped) Conn() *tappedCopy {
	if conn, is := c.inner.(*stdlib.Conn); is {
		return &tappedCopy{c, conn.Conn().PgConn()}
	}
	return nil
}

type tappedCopy struct {
	conn   *tapped
	pgConn *pgconn.PgConn
}

func (c *tappedCopy) PgConn() *tappedCopy { return c }

func (c *tappedCopy) CopyFrom(ctx context.Context, rows io.Reader, statement string) (pgconn.CommandTag, error) {
	return watched(c.conn, statement, nil, func() (pgconn.CommandTag, error) { return c.pgConn.CopyFrom(ctx, rows, statement) })
}

// preparedRows closes the statement, which is for these rows only, after them.
type preparedRows struct {
	driver.Rows
	prepared driver.Stmt
}

func (r preparedRows) Close() error { return errors.Join(r.Rows.Close(), r.prepared.Close()) }

type tappedTx struct {
	driver.Tx
	conn *tapped
}

func (tx tappedTx) Commit() error {
	_, err := watched(tx.conn, "COMMIT", nil, func() (any, error) { return nil, tx.Tx.Commit() })
	tx.conn.inside = false
	return err
}

func (tx tappedTx) Rollback() error {
	_, err := watched(tx.conn, "ROLLBACK", nil, func() (any, error) { return nil, tx.Tx.Rollback() })
	tx.conn.inside = false
	return err
}

func watched[A any](c *tapped, statement string, named []driver.NamedValue, do func() (A, error)) (answer A, err error) {
	args := make([]any, len(named))
	for i, n := range named {
		args[i] = n.Value
	}
	watch := func(done bool) error {
		err := c.watch(Step{statement, args, c.inside, done})
		c.failed = c.failed || err != nil
		return err
	}
	if c.cut {
		return answer, errCut
	}
	if err := watch(false); err != nil {
		return answer, c.severed(err)
	}
	if answer, err = do(); err != nil {
		return answer, err
	}
	if err = watch(true); err != nil {
		if rows, open := any(answer).(driver.Rows); open {
			err = errors.Join(err, rows.Close())
		}
		var none A
		return none, c.severed(err)
	}
	return answer, nil
}

// severed closes the connection where the error says that it was cut.
func (c *tapped) severed(err error) error {
	if errors.Is(err, errCut) {
		c.cut = true
		c.inner.Close() // what it says is of no use to who has lost it
	}
	return err
}

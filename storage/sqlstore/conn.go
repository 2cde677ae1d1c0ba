package sqlstore

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// conn is what statements run on: a pool, a connection or a transaction, of
// database/sql or of pgx.
type conn interface {
	// exec runs a statement and gives the number of rows affected.
	exec(ctx context.Context, statement string, args ...any) (int64, error)

	// query runs a statement and calls row for each row, with what scans it.
	query(ctx context.Context, statement string, args []any, row func(scan) error) error
}

// scan reads the columns of a row.
type scan func(columns ...any) error

// standard is what *sql.DB, *sql.Conn, *sql.Tx and a Tx have in common.
type standard interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// standardConn makes a conn of a handle of database/sql.
type standardConn struct{ standard }

func (c standardConn) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := c.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c standardConn) query(ctx context.Context, statement string, args []any, row func(scan) error) error {
	rows, err := c.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// numbered makes a conn for an engine that wants $1, $2 for '?'.
type numbered struct{ conn }

func (c numbered) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	return c.conn.exec(ctx, number(statement, len(args)), args...)
}

func (c numbered) query(ctx context.Context, statement string, args []any, row func(scan) error) error {
	return c.conn.query(ctx, number(statement, len(args)), args, row)
}

// number leaves a statement without arguments as it is: its '?' is text; and one that is
// numbered already.
func number(statement string, args int) string {
	if args == 0 || strings.IndexByte(statement, '?') < 0 {
		return statement
	}
	numbered := make([]byte, 0, len(statement)+3*args)
	n := int64(0)
	for i := range len(statement) {
		if statement[i] != '?' {
			numbered = append(numbered, statement[i])
			continue
		}
		n++
		numbered = strconv.AppendInt(append(numbered, '$'), n, 10)
	}
	return string(numbered)
}

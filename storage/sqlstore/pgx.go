package sqlstore

import (
	"context"
	"fmt"
)

// PgxTx is an open transaction of pgx's own interface: a pgx.Tx. Tag and Rows
// stand for types of pgx, so that this package need not import it; the compiler
// infers them.
type PgxTx[Tag PgxTag, Rows PgxRows] interface {
	Exec(ctx context.Context, query string, args ...any) (Tag, error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
}

// PgxTag is what [WithinPgx] uses of a pgconn.CommandTag.
type PgxTag interface{ RowsAffected() int64 }

// PgxRows is what [WithinPgx] uses of pgx.Rows.
type PgxRows interface {
	Next() bool
	Scan(columns ...any) error
	Err() error
	Close()
}

// WithinPgx is [Store.Within] for a transaction of pgx's own interface, of a pool
// or connection to the same database: sqlstore.WithinPgx(store, tx).
//
// It fails with [ErrHandle] when tx is nil, when the store is bound already, and
// when its dialect is not [PostgreSQL].
func WithinPgx[Tag PgxTag, Rows PgxRows](s *Store, tx PgxTx[Tag, Rows]) (*Store, error) {
	if _, speaks := s.engine.(postgres); !speaks {
		return nil, fmt.Errorf("%w: a transaction of pgx, and a store whose dialect is not PostgreSQL", ErrHandle)
	}
	if err := s.binds(tx); err != nil {
		return nil, err
	}
	return s.inside(s.engine.conn(pgxConn[Tag, Rows]{tx})), nil
}

// pgxConn makes a conn of a transaction of pgx.
type pgxConn[Tag PgxTag, Rows PgxRows] struct{ tx PgxTx[Tag, Rows] }

func (c pgxConn[Tag, Rows]) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := c.tx.Exec(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), nil
}

func (c pgxConn[Tag, Rows]) query(ctx context.Context, statement string, args []any, row func(scan) error) error {
	rows, err := c.tx.Query(ctx, statement, args...)
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

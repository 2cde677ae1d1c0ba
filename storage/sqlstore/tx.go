package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Tx is an open transaction of the caller's: *sql.Tx, and what sqlx, bun (its
// Tx.Tx), ent and GORM (Statement.ConnPool) make of it. A pool or a connection
// has no Commit and Rollback and does not compile in its place.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	Commit() error
	Rollback() error
}

// Within is the same store bound to a transaction that the caller began on the
// same database and will end: what it applies commits or rolls back with the
// caller's own rows. It never commits or rolls back itself. Like the
// transaction, it is for one goroutine at a time.
//
// Of GORM's handle that prepares every statement (PrepareStmt) it takes the transaction
// inside: MySQL prepares no savepoint, and statements of batches are too many to keep.
//
// It fails with [ErrHandle] when tx is nil, or can begin a transaction and thus
// is none, and when the store is bound already.
func (s *Store) Within(tx Tx) (*Store, error) {
	if err := s.binds(tx); err != nil {
		return nil, err
	}
	return s.inside(s.on(unprepared(tx))), nil
}

// unprepared is the transaction inside GORM's handle of prepared statements.
func unprepared(tx Tx) Tx {
	handle := reflect.ValueOf(tx)
	if handle.Type().String() != "*gorm.PreparedStmtTX" {
		return tx
	}
	if field := handle.Elem().FieldByName("Tx"); field.IsValid() {
		if inside, ok := field.Interface().(Tx); ok {
			return inside
		}
	}
	return tx
}

// binds fails when the store cannot be bound to what was handed in.
func (s *Store) binds(tx any) error {
	if s.tx != nil {
		return fmt.Errorf("%w: this store is bound to one already: bind the store that New made", ErrHandle)
	}
	handle := reflect.ValueOf(tx)
	if !handle.IsValid() || handle.Kind() == reflect.Pointer && handle.IsNil() {
		return fmt.Errorf("%w: it is nil (of GORM, tx.Statement.ConnPool is one inside Transaction only)", ErrHandle)
	}
	// By name: libraries give BeginTx results of their own types.
	if _, begins := handle.Type().MethodByName("BeginTx"); begins {
		return fmt.Errorf("%w: %T has BeginTx: it is a pool, a connection or a wrapper of one", ErrHandle, tx)
	}
	return nil
}

// inside is the store bound to a transaction.
func (s *Store) inside(tx conn) *Store {
	bound := *s
	bound.tx = tx
	return &bound
}

// InTx begins a transaction, runs fn with it and with the store bound to it, and
// commits when fn returns nil. On an error or a panic of fn it rolls back; the
// error is fn's. On SQLite the write lock is taken first.
//
// When the database asks for it ([Retryable]) the whole of fn is run again, after
// a pause that grows and varies: fn must not do anything outside the transaction
// that may not happen twice. fn does not end the transaction.
//
// An error at the commit is storage.ErrOutcomeUnknown unless it is certain that
// nothing was committed, and is not retried.
func (s *Store) InTx(ctx context.Context, fn func(tx *sql.Tx, store *Store) error) error {
	if s.tx != nil {
		return fmt.Errorf("%w: this store is bound to a transaction already: use that one", ErrHandle)
	}
	return s.retry(ctx, "InTx", func() error {
		return s.transact(ctx, sql.LevelDefault, func(tx *sql.Tx, c conn) error {
			if err := s.lock(ctx, c, s.tables.docs); err != nil {
				return err
			}
			return fn(tx, s.inside(c))
		})
	})
}

// transact runs fn in a transaction, once.
func (s *Store) transact(ctx context.Context, level sql.IsolationLevel, fn func(*sql.Tx, conn) error) error {
	return s.transactOn(ctx, s.db, level, fn)
}

// beginner is a pool or a connection.
type beginner interface {
	BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error)
}

func (s *Store) transactOn(ctx context.Context, on beginner, level sql.IsolationLevel, fn func(*sql.Tx, conn) error) error {
	defer s.turn(ctx)()
	tx, err := on.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return s.fail(ctx, "cannot begin a transaction", err)
	}
	defer tx.Rollback() // after an error or a panic; does nothing after the commit
	if err := fn(tx, s.on(tx)); err != nil {
		if s.classify(err) == Transient && !Retryable(err) {
			return &transient{err}
		}
		return err
	}
	if err := ctx.Err(); err != nil {
		return s.fail(ctx, "nothing was committed", err)
	}
	if err := tx.Commit(); err != nil {
		if !s.classify(err).certain() {
			err = fmt.Errorf("%w: %w", storage.ErrOutcomeUnknown, err)
		}
		return s.fail(ctx, "cannot commit", err)
	}
	return nil
}

// turn lines up the writers of this program where the engine has one writer at a
// time: SQLite lets those who wait poll, and some of them starve. It is courtesy
// and not a lock: who has waited a second goes on, so that a transaction inside
// a transaction gets the engine's refusal and not a deadlock of ours.
func (s *Store) turn(ctx context.Context) (done func()) {
	if s.turns == nil {
		return func() {}
	}
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }
	case <-patience.C:
	case <-ctx.Done():
	}
	return func() {}
}

// lock takes the write lock where reading first would make writing fail later.
func (s *Store) lock(ctx context.Context, c conn, table string) error {
	statement := s.engine.writeLock(table)
	if statement == "" {
		return nil
	}
	if _, err := c.exec(ctx, statement); err != nil {
		return s.fail(ctx, "cannot take the write lock", err)
	}
	return nil
}

// longestRetry bounds the attempts by time too: each may wait for the engine's
// own busy timeout, in vain when the lock is held further up in the same call.
const longestRetry = 10 * time.Second

// retry tries again while the database asks for it and attempts are left. Inside
// a transaction of the caller's there is one attempt.
func (s *Store) retry(ctx context.Context, call string, attempt func() error) error {
	begun := time.Now()
	for n := 1; ; n++ {
		err := attempt()
		if err == nil {
			return nil
		}
		if s.tx != nil || ctx.Err() != nil || !Retryable(err) || n >= s.attempts || time.Since(begun) > longestRetry {
			s.observeEnd(ctx, call, n, err)
			return err
		}
		s.observe(ctx, Event{Kind: EventRetry, Call: call, Attempt: n, Err: err})
		timer := time.NewTimer(backoff(n))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// backoff is the pause after the n-th attempt: 5 ms doubling up to 320 ms, of
// which a random part is waited, so that those who collided do not meet again.
func backoff(n int) time.Duration {
	longest := 5 * time.Millisecond << min(n-1, 6)
	return longest/4 + rand.N(longest)
}

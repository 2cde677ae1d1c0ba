package sqlstore

import (
	"errors"

	"github.com/vouch-go/vouch/storage"
)

// Errors of setting up.
var (
	// ErrHandle: what was handed to Within is not an open transaction.
	ErrHandle = errors.New("sqlstore: not a transaction; pass the *sql.Tx that the order is written in")

	// ErrNewerSchema: a newer release has migrated this database. Nothing was
	// changed; upgrade this program.
	ErrNewerSchema = errors.New("sqlstore: the database was migrated by a newer release; upgrade this program")

	// ErrChangedMigration: a migration that was applied is not the one this
	// release ships under its number. Nothing was changed.
	ErrChangedMigration = errors.New("sqlstore: an applied migration differs from the one of this release; restore the file or the table of migrations")
)

// Errors of a call that the database refused. Nothing was written.
var (
	// ErrNotMigrated: the tables are not there.
	ErrNotMigrated = errors.New("sqlstore: the tables are missing; call Migrate, and check the prefix")

	// ErrReadOnly: the server, the session or the database file allows no writing.
	ErrReadOnly = errors.New("sqlstore: the database is read-only; connect to the primary; for SQLite check the permissions of the file and its folder, and the DSN")

	// ErrClosed: the pool was closed.
	ErrClosed = errors.New("sqlstore: the database is closed; use the store before closing it")
)

// ErrTxAborted: the caller's transaction is no longer there, although the caller
// has not ended it. Roll back and do the whole transaction again if [Retryable]
// says so.
var ErrTxAborted = errors.New("sqlstore: the transaction is gone; roll back, and begin again")

// ErrStale: the batch met a change that was committed after the snapshot of the
// caller's transaction, and that reading in it will never show. It is [Retryable]:
// roll back, and do the whole transaction again.
var ErrStale = errors.New("sqlstore: another transaction has changed what this one still sees unchanged; roll back, and begin again")

// Class says what an error of the engine or the driver means.
type Class int

// The classes of errors.
const (
	Other      Class = iota // nothing is known about it
	Transient               // nothing was written, and the same transaction may succeed if done again
	Refused                 // nothing was written, and doing it again will not help
	ReadOnly                // nothing was written: no writing is allowed
	Unmigrated              // nothing was written: a table is missing
)

// certain says that a COMMIT which failed so has not committed.
func (c Class) certain() bool { return c != Other }

// Retryable says that the database asks for the whole transaction to be done
// again from its beginning: a lock was not to be had in time, or another
// transaction came in between. InTx and, outside a transaction, Apply have
// already tried as often as [Options] allows when they return such an error.
func Retryable(err error) bool {
	if errors.Is(err, storage.ErrOutcomeUnknown) {
		return false // done again it might be done twice
	}
	var marked *transient
	if errors.As(err, &marked) || errors.Is(err, ErrStale) {
		return true
	}
	for _, e := range engines() {
		if e.classify(err) == Transient {
			return true
		}
	}
	return false
}

// transient marks an error that the store has classified, by an
// Options.Classify that Retryable does not know perhaps.
type transient struct{ error }

func (t *transient) Unwrap() error { return t.error }

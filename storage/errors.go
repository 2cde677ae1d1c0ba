package storage

import (
	"errors"
	"fmt"
)

// Errors of a batch that was judged and refused. They come inside a [*Failure].
var (
	// ErrConflict: a document was not at the version that the batch expected.
	// Read again and decide again.
	ErrConflict = errors.New("storage: a document has changed since it was read")

	// ErrLimit: a counter would have left its bounds.
	ErrLimit = errors.New("storage: a counter would leave its bounds")
)

// Errors of a call that could not be judged.
var (
	// ErrInvalid: the call breaks the contract (a key too long, an operation
	// twice, a limit out of range). The message lists every fault. Nothing was
	// written, and the same call will fail again.
	ErrInvalid = errors.New("storage: invalid call")

	// ErrOutcomeUnknown: the connection or the context ended while the store was
	// writing. The batch is applied wholly or not at all, and the caller cannot
	// know which: look the key up, or repeat the operation with the same key.
	ErrOutcomeUnknown = errors.New("storage: the outcome is unknown; repeat with the same key to learn it")

	// ErrClosed: the [Group] was closed. Nothing was written.
	ErrClosed = errors.New("storage: the group is closed; use it before closing it")

	// ErrNewer: a body was written by a release with a newer major format. It
	// is left as it is; upgrade this program to read it.
	ErrNewer = errors.New("storage: the document was written by a newer release")

	// ErrCorrupt: a body is not what its kind says.
	ErrCorrupt = errors.New("storage: the document cannot be read")
)

// OpKind says what an operation of a batch does.
type OpKind string

// The kinds of operation.
const (
	OpCheck OpKind = "check"
	OpPut   OpKind = "put"
	OpDrop  OpKind = "drop"
	OpAdd   OpKind = "add"
)

// Failure says which operation of a batch was refused: the first that fails in
// lock order (documents by key, then counters by name). Err is [ErrConflict] for
// a document and [ErrLimit] for a counter; errors.Is sees through it.
type Failure struct {
	Op      OpKind
	Key     Key    // the document, for check, put and drop
	Counter string // the counter, for add
	Err     error
}

// Error names the operation and its target.
func (f *Failure) Error() string {
	if f.Op == OpAdd {
		return fmt.Sprintf("%v: %s %q", f.Err, f.Op, f.Counter)
	}
	return fmt.Sprintf("%v: %s %s", f.Err, f.Op, f.Key)
}

// Unwrap gives ErrConflict or ErrLimit; nil of a nil Failure, which [Do] hands to
// a plan the first time.
func (f *Failure) Unwrap() error {
	if f == nil {
		return nil
	}
	return f.Err
}

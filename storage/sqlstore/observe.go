package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/vouch-go/vouch/storage"
)

// EventKind says what a store has met.
type EventKind string

// The kinds of events. A call that does what it was asked to do makes none.
const (
	// EventRetry: the database asked for a call to be done again, and it will be,
	// after a pause. Many of them: transactions are long, or touch the store first.
	EventRetry EventKind = "retry"

	// EventConflict: a batch was refused because a document had changed
	// (storage.ErrConflict). The services of the library read and decide again.
	EventConflict EventKind = "conflict"

	// EventRefusal: a batch was refused because a counter was at its bound
	// (storage.ErrLimit): somebody came too late.
	EventRefusal EventKind = "refusal"

	// EventAgain: the shop's own transaction must be done again ([Retryable]), which
	// is for the shop to do, or for InTx.
	EventAgain EventKind = "again"

	// EventGivenUp: the database went on asking for a call to be done again until
	// Options.Attempts or 10 s were over.
	EventGivenUp EventKind = "given up"

	// EventAborted: a batch found the shop's transaction gone ([ErrTxAborted]), or
	// the database ended it.
	EventAborted EventKind = "aborted"

	// EventUnknown: nobody can say whether a call was done (storage.ErrOutcomeUnknown).
	EventUnknown EventKind = "unknown"

	// EventFailure: a call failed otherwise: the database cannot be reached, is
	// read-only or not migrated, or the context has ended.
	EventFailure EventKind = "failure"
)

// Event is something a store has met that is worth counting.
type Event struct {
	Kind    EventKind
	Call    string // the method: "Apply", "InTx", "Get", "List", "Prune", "Migrate" or "CreateViews"
	Attempt int    // which attempt of the call it was, from 1
	Err     error  // why; a *storage.Failure in it names the document or the counter
}

// level is that of the log: what takes a person to look into is a warning or worse.
func (e Event) level() slog.Level {
	switch e.Kind {
	case EventGivenUp, EventAborted, EventFailure:
		return slog.LevelWarn
	case EventUnknown:
		return slog.LevelError
	}
	return slog.LevelDebug
}

func (s *Store) observe(ctx context.Context, e Event) {
	if s.observed != nil {
		s.observed(ctx, e)
	}
	if s.log != nil && s.log.Enabled(ctx, e.level()) {
		s.log.LogAttrs(ctx, e.level(), "sqlstore: "+string(e.Kind),
			slog.String("call", e.Call), slog.Int("attempt", e.Attempt), slog.Any("error", e.Err))
	}
}

// observeEnd tells of a call that ends with an error. What the shop's own function
// returns to InTx is the shop's affair, and what a batch met in it was told already.
func (s *Store) observeEnd(ctx context.Context, call string, attempt int, err error) {
	if err == nil || s.observed == nil && s.log == nil {
		return
	}
	e := Event{Kind: EventFailure, Call: call, Attempt: attempt, Err: err}
	inTx := call == "InTx"
	switch { // what is met most often first: to tell the rest takes more
	case !inTx && errors.Is(err, storage.ErrLimit):
		e.Kind = EventRefusal
	case !inTx && errors.Is(err, storage.ErrConflict):
		e.Kind = EventConflict
	case errors.Is(err, storage.ErrOutcomeUnknown):
		e.Kind = EventUnknown
	case s.tx == nil && ctx.Err() == nil && Retryable(err):
		e.Kind = EventGivenUp
	case inTx:
		return
	case errors.Is(err, ErrTxAborted):
		e.Kind = EventAborted
	case Retryable(err):
		e.Kind = EventAgain
	}
	s.observe(ctx, e)
}

// Counts counts events, for a page of metrics: give its Observe to Options.Observe.
// The zero value is ready. It is safe for concurrent use.
type Counts struct {
	Retries, Conflicts, Refusals, Agains, GivenUp, Aborted, Unknown, Failures atomic.Int64
}

// Observe counts an event.
func (c *Counts) Observe(_ context.Context, e Event) {
	switch e.Kind {
	case EventRetry:
		c.Retries.Add(1)
	case EventConflict:
		c.Conflicts.Add(1)
	case EventRefusal:
		c.Refusals.Add(1)
	case EventAgain:
		c.Agains.Add(1)
	case EventGivenUp:
		c.GivenUp.Add(1)
	case EventAborted:
		c.Aborted.Add(1)
	case EventUnknown:
		c.Unknown.Add(1)
	default:
		c.Failures.Add(1)
	}
}

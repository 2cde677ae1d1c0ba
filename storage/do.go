package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// doAttempts bounds how often Do decides. Each attempt after the first means that
// another batch on the same documents got through in between.
const doAttempts = 50

// Do carries out one operation: plan reads and decides, Do applies. When the
// batch is refused, because a document has changed since or a counter is at its
// bound, or when plan fails with such a conflict itself (see [Join]), it is asked
// again with that refusal (nil the first time), reads what is there by then, and
// decides anew or gives up with an error of its own. While documents keep changing
// it waits before it asks again, at random, up to 100 milliseconds.
//
// It fails with plan's error, with the store's, with the context's, or with the
// last refusal after 50 attempts. Inside a transaction whose snapshot does not
// move, such a refusal asks for the transaction to be done again.
func Do[A any](ctx context.Context, store Store, plan func(ctx context.Context, refused *Failure) (Plan[A], error)) (A, error) {
	var none A
	var refused *Failure // the last one
	for attempt := range doAttempts {
		if err := giveWay(ctx, attempt, refused); err != nil {
			return none, err
		}
		decided, err := plan(ctx, refused)
		if err != nil && !errors.Is(err, ErrConflict) {
			return none, err
		}
		if err == nil {
			err = store.Apply(ctx, decided.Batch)
		}
		if err == nil {
			return decided.Answer, nil
		}
		var failure *Failure // of its own: most operations have none
		if !errors.As(err, &failure) {
			return none, err
		}
		refused = failure
	}
	return none, fmt.Errorf("storage: refused %d times in a row, the last time: %w", doAttempts, refused)
}

// giveWay waits before an attempt when another's change of a document was in the
// way more than once. Of many callers that decide on one document only one gets
// through at a time: those that ask again at once keep the store busy and the
// unlucky never get through.
func giveWay(ctx context.Context, attempt int, refused *Failure) error {
	if attempt < 3 || !errors.Is(refused, ErrConflict) {
		return nil
	}
	timer := time.NewTimer(rand.N(min(time.Millisecond<<min(attempt-2, 7), 100*time.Millisecond)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

package storage

import (
	"context"
	"errors"
	"fmt"
)

// doAttempts bounds how often Do decides. Each attempt after the first means that
// another batch on the same documents got through in between.
const doAttempts = 20

// Do carries out one operation: plan reads and decides, Do applies. When the
// batch is refused, because a document has changed since or a counter is at its
// bound, or when plan fails with such a conflict itself (see [Join]), it is asked again with that refusal (nil the first time), reads what
// is there by then, and decides anew or gives up with an error of its own.
//
// It fails with plan's error, with the store's, or with the last refusal after 20
// attempts. Inside a transaction whose snapshot does not move, such a refusal
// asks for the transaction to be done again.
func Do[A any](ctx context.Context, store Store, plan func(ctx context.Context, refused *Failure) (Plan[A], error)) (A, error) {
	var none A
	var refused *Failure
	for range doAttempts {
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
		refused = nil
		if !errors.As(err, &refused) {
			return none, err
		}
	}
	return none, fmt.Errorf("storage: refused %d times in a row, the last time: %w", doAttempts, refused)
}

package coupon

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limiter slows down whoever tries codes. It is the shop's: a counter per customer,
// session or address, kept wherever its others are. What a cart does not say, such
// as the address, reaches it in the context.
type Limiter interface {
	// Allow is asked before typed codes are looked up, and says how long the
	// shopper must wait; 0: not at all.
	Allow(ctx context.Context, a Attempt) (wait time.Duration, err error)

	// Failed is told how many of those codes came to nothing: unknown, somebody
	// else's, revoked, used up, paused or expired, which all look the same to the
	// shopper. Guesses sent at the same time are all allowed before the first of
	// them failed: where that matters, count in Allow.
	Failed(ctx context.Context, a Attempt) error
}

// Attempt is some codes that a shopper typed.
type Attempt struct {
	Customer string // the customer's key; empty for a guest without one
	Codes    int    // how many; those that can't be codes by their form are not counted
	At       time.Time
}

// ErrTooManyTries matches every [*TooManyTries].
var ErrTooManyTries = errors.New("coupon: too many codes were tried: try again later")

// TooManyTries says that the shop's [Limiter] refused to look codes up. It is the
// same for good and for bad ones. Nothing was looked up.
type TooManyTries struct {
	Wait  time.Duration
	Until time.Time // when to try again
}

// Error says when to try again.
func (e *TooManyTries) Error() string {
	return fmt.Sprintf("%v: in %s, at %s", ErrTooManyTries, e.Wait, stamp(e.Until))
}

// Unwrap gives ErrTooManyTries.
func (e *TooManyTries) Unwrap() error { return ErrTooManyTries }

// allow asks the limiter. It fails with a *TooManyTries, or as the limiter does:
// codes that nobody counts are not looked up.
func (s *Service) allow(ctx context.Context, a Attempt) error {
	if s.options.Limiter == nil || a.Codes == 0 {
		return nil
	}
	wait, err := s.options.Limiter.Allow(ctx, a)
	switch {
	case err != nil:
		return fmt.Errorf("coupon: the limiter did not answer: %w", err)
	case wait > 0:
		return &TooManyTries{Wait: wait, Until: a.At.Add(wait)}
	}
	return nil
}

// failed tells the limiter which of the quote's codes came to nothing.
func (s *Service) failed(ctx context.Context, a Attempt, q *Quote) error {
	if s.options.Limiter == nil {
		return nil
	}
	a.Codes = 0
	for _, r := range q.Refused() {
		if r.Code != "" && r.hidden() {
			a.Codes++
		}
	}
	if a.Codes == 0 {
		return nil
	}
	if err := s.options.Limiter.Failed(ctx, a); err != nil {
		return fmt.Errorf("coupon: the limiter was not told of a failure: %w", err)
	}
	return nil
}

// hidden says that the shopper is not told why: to them it is as if there were no
// such code. Were only unknown codes counted, the limiter itself would tell them
// from others.
func (r *Refusal) hidden() bool {
	switch r.Reason {
	case ReasonUnknown, ReasonNotHolder, ReasonRevoked, ReasonUsed, ReasonReserved, ReasonPaused, ReasonExpired, ReasonLimit:
		return !r.Own
	}
	return false
}

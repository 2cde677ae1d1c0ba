package coupon

import (
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Errors of input, before anything is read. All but the codes' come as [*Faults].
var (
	ErrCart      = errors.New("coupon: the cart is not valid")
	ErrOffer     = errors.New("coupon: the offer is not valid")
	ErrExclusion = errors.New("coupon: the exclusion is not valid")
	ErrRequest   = errors.New("coupon: the request is not valid")
	ErrCode      = errors.New("coupon: not a code: codes are 3 to 32 letters and digits")
	ErrMistyped  = errors.New("coupon: the code is mistyped: its check character does not fit")
	ErrCodeSpace = errors.New("coupon: so many codes would be too easy to guess")
)

// Errors of things that are not there, or not what the call takes them for.
var (
	ErrNoOffer      = errors.New("coupon: no such offer, or not in that version")
	ErrNoCoupon     = errors.New("coupon: no such coupon")
	ErrNoBatch      = errors.New("coupon: no such batch")
	ErrNoLoad       = errors.New("coupon: no such load of codes into a stock")
	ErrNoRedemption = errors.New("coupon: nothing was reserved or redeemed for that order")
	ErrState        = errors.New("coupon: not possible in the redemption's state")
	ErrCodeTaken    = errors.New("coupon: the code is taken: choose another")
	ErrKeyReused    = ledger.ErrKeyReused
)

// Errors of redeeming.
var (
	// ErrRefused matches every [*Refusal].
	ErrRefused = errors.New("coupon: refused")

	// ErrQuoteChanged matches every [*QuoteChanged].
	ErrQuoteChanged = errors.New("coupon: the amounts have changed since the quote: show the new one to the shopper")

	// ErrLapsed matches every [*Lapsed].
	ErrLapsed = errors.New("coupon: the reservation lapsed and its claims are taken by others")
)

// QuoteChanged says that what was quoted no longer comes out: a coupon was used
// elsewhere or revoked, a seller excluded a product, a period ended. Nothing was
// written. errors.As finds the [*Refusal] of an offer that was quoted and is
// refused now.
type QuoteChanged struct {
	Quoted *Quote
	Now    *Quote // the same choice at the instant of redeeming
}

// Error says both totals, and why an offer no longer applies.
func (e *QuoteChanged) Error() string {
	message := fmt.Sprintf("%v: total %s, quoted %s", ErrQuoteChanged, e.Now.Total, e.Quoted.Total)
	if refused := e.refused(); refused != nil {
		message += ": " + refused.Error()
	}
	return message
}

// Unwrap gives ErrQuoteChanged and the refusal, if there is one.
func (e *QuoteChanged) Unwrap() []error {
	if refused := e.refused(); refused != nil {
		return []error{ErrQuoteChanged, refused}
	}
	return []error{ErrQuoteChanged}
}

func (e *QuoteChanged) refused() *Refusal {
	for _, refused := range e.Now.Refused() {
		return refused
	}
	return nil
}

// Lapsed says that a payment came for an order whose reservation had lapsed or
// been released, and that its discount can't be claimed again. The shop either
// charges Missing on top of what was paid, or refunds Paid and cancels.
type Lapsed struct {
	Order   string
	Paid    ledger.Money // what the shopper owed with the discount, beside credit
	Missing ledger.Money // the discount, and what credit was to pay: neither is taken
	Since   time.Time    // when the reservation ended
	Why     error        // the claim that failed: a *Refusal, or of credit a *ledger.InsufficientError
}

// Error says what to charge or refund.
func (e *Lapsed) Error() string {
	return fmt.Sprintf("%v: order %q lapsed at %s: charge %s more, or refund %s: %v",
		ErrLapsed, e.Order, e.Since.UTC().Format(time.RFC3339), e.Missing, e.Paid, e.Why)
}

// Unwrap gives ErrLapsed and the failed claim.
func (e *Lapsed) Unwrap() []error { return []error{ErrLapsed, e.Why} }

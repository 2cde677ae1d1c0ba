package ledger

import (
	"errors"
	"fmt"
)

// Errors of reading a value: what was given is not one, and the same input will
// fail again.
var (
	// ErrCurrency: the code is neither a currency of ISO 4217 nor a shop's unit.
	ErrCurrency = errors.New("ledger: not a currency")

	// ErrAmount: the text or decimal is not an amount of money.
	ErrAmount = errors.New("ledger: not an amount of money")

	// ErrPrecision: the value has more decimals than its type can hold. Round it
	// before, by a rule of your own: reading never rounds.
	ErrPrecision = errors.New("ledger: too many decimals")

	// ErrRate: the text or decimal is not a percentage in 0..1000.
	ErrRate = errors.New("ledger: not a rate")

	// ErrRounding: the text names no rounding.
	ErrRounding = errors.New("ledger: not a rounding")
)

// Errors of arithmetic.
var (
	// ErrCurrencyMismatch: two amounts are in different currencies. Convert one
	// of them before; this package knows no exchange rates.
	ErrCurrencyMismatch = errors.New("ledger: the currencies differ")

	// ErrOverflow: the result lies beyond int64 minor units.
	ErrOverflow = errors.New("ledger: the result does not fit into int64 minor units")

	// ErrSplit: the arguments of a Split contradict each other. The message
	// lists every fault.
	ErrSplit = errors.New("ledger: cannot split")
)

// Errors of the book: what was asked was judged and refused. Nothing was written.
var (
	// ErrInvalid: the entry, hold or query breaks a rule of its own. The message
	// lists every fault, and the same call will fail again.
	ErrInvalid = errors.New("ledger: invalid request")

	// ErrKeyReused: the id was used before, for something else. Use a new id for
	// a new thing, or repeat what was asked the first time to learn its outcome.
	ErrKeyReused = errors.New("ledger: the id was used before for something else")

	// ErrInsufficient: an account would fall below its floor. It comes inside an
	// [*InsufficientError].
	ErrInsufficient = errors.New("ledger: the account has too little")

	// ErrClosed: the month of the entry has been closed. Date the entry now.
	ErrClosed = errors.New("ledger: the month is closed")

	// ErrNoHold: there is no hold of this id.
	ErrNoHold = errors.New("ledger: there is no such hold")

	// ErrHoldEnded: the hold was posted, voided or lapsed before.
	ErrHoldEnded = errors.New("ledger: the hold has ended")

	// ErrDiscrepancy: an audit found figures that contradict each other.
	ErrDiscrepancy = errors.New("ledger: the books do not agree")
)

// InsufficientError says which account has too little. It matches
// [ErrInsufficient].
type InsufficientError struct {
	Account Account
	Found   Money // the balance when it was read, just after the refusal
	Needed  Money // what the entry would have taken off it
}

// Error names the account and both figures.
func (e *InsufficientError) Error() string {
	return fmt.Sprintf("%v: %s has %s, and %s is needed: take less, or wait until more has come in",
		ErrInsufficient, e.Account, e.Found, e.Needed)
}

// Unwrap gives ErrInsufficient.
func (e *InsufficientError) Unwrap() error { return ErrInsufficient }

// ShortfallError says that the ceilings of a [Split] leave too little room. It
// matches [ErrSplit].
type ShortfallError struct {
	Total     int64 // minor units that were to be shared out
	Shortfall int64 // minor units that found no place, at least 1
}

// Error names the total and what is missing.
func (e *ShortfallError) Error() string {
	return fmt.Sprintf("%v: the ceilings leave %d of %d without a place: lower the total to %d",
		ErrSplit, e.Shortfall, e.Total, e.Total-e.Shortfall)
}

// Unwrap gives ErrSplit.
func (e *ShortfallError) Unwrap() error { return ErrSplit }

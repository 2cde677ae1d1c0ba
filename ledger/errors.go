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

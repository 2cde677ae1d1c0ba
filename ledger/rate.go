package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/shopspring/decimal"
)

// Rate is an exact percentage from 0 to 1000 %, with at most six decimals of a
// percent. It is a plain value of 8 bytes: compare it with ==. The zero value is
// 0 %.
type Rate struct {
	millionths int64 // of a percent
}

const (
	rateDecimals = 6
	ratePercent  = 1_000_000         // millionths in 1 %
	rateWhole    = 100 * ratePercent // millionths in 100 %
	rateMax      = 1000 * ratePercent
)

// ParseRate reads a percentage written as a JSON number without an exponent:
// "12.5" is 12.5 %. It fails with ErrRate for any other form, as [ParseMoney]
// does, and outside 0..1000, and with ErrPrecision for more than six decimals,
// even zeros.
func ParseRate(percent string) (Rate, error) {
	return newRate(parseFixed(percent, rateDecimals, ErrRate))
}

// MustRate is ParseRate for constants in programs and tests: it panics where
// that fails.
func MustRate(percent string) Rate {
	r, err := ParseRate(percent)
	if err != nil {
		panic(err)
	}
	return r
}

// RateFromDecimal makes a rate from a percentage: 12.5 is 12.5 %. It never
// rounds: it fails with ErrPrecision when a decimal beyond the sixth is not 0,
// and with ErrRate outside 0..1000, or when the decimal's exponent is beyond ±12
// or its coefficient longer than 96 bits.
func RateFromDecimal(percent decimal.Decimal) (Rate, error) {
	return newRate(fixedFromDecimal(percent, rateDecimals, ErrRate))
}

func newRate(millionths int64, err error) (Rate, error) {
	switch {
	case errors.Is(err, ErrOverflow):
		return Rate{}, fmt.Errorf("%w: want a percentage in 0..1000", ErrRate)
	case err != nil:
		return Rate{}, err
	case millionths < 0 || millionths > rateMax:
		return Rate{}, fmt.Errorf("%w: %s: want a percentage in 0..1000", ErrRate, Rate{millionths})
	}
	return Rate{millionths}, nil
}

// Of is this percentage of an amount in minor units, exact until it is rounded
// once, to a whole minor unit. A negative amount gives the negative of what its
// positive gives. It fails with ErrOverflow when the result lies beyond int64,
// and with ErrRounding for a value that is no rounding.
func (r Rate) Of(minor int64, rounding Rounding) (int64, error) {
	if !rounding.valid() {
		return 0, fmt.Errorf("%w: %v", ErrRounding, rounding)
	}
	high, low := bits.Mul64(magnitude(minor), uint64(r.millionths))
	if high >= rateWhole { // the quotient would not fit into 64 bits
		return 0, fmt.Errorf("%w: %s of %d", ErrOverflow, r, minor)
	}
	quotient, remainder := low/rateWhole, low%rateWhole
	if high > 0 {
		quotient, remainder = bits.Div64(high, low, rateWhole)
	}
	part, err := signed(rounding.round(quotient, remainder, rateWhole), minor < 0)
	if err != nil {
		return 0, fmt.Errorf("%w: %s of %d", err, r, minor)
	}
	return part, nil
}

// Percent is the percentage as a decimal: 12.5 for 12.5 %.
func (r Rate) Percent() decimal.Decimal { return decimal.New(r.millionths, -rateDecimals) }

// Cmp is -1, 0 or 1 as r is below, at or above other.
func (r Rate) Cmp(other Rate) int { return cmp.Compare(r.millionths, other.millionths) }

// IsZero says that the rate is 0 %.
func (r Rate) IsZero() bool { return r.millionths == 0 }

// String is the percentage with its sign, without trailing zeros: "12.5%".
func (r Rate) String() string { return r.text() + "%" }

// MarshalText writes the form that ParseRate reads, without trailing zeros:
// "12.5".
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.text()), nil }

func (r Rate) text() string {
	return strings.TrimSuffix(strings.TrimRight(formatFixed(r.millionths, rateDecimals), "0"), ".")
}

// UnmarshalText reads what MarshalText writes; it fails as [ParseRate] does.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

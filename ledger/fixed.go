package ledger

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/shopspring/decimal"
)

// Fixed-point numbers: an int64 and a number of decimals known from elsewhere.
// What cannot be read is refused before any work is done that grows with it.
const (
	maxFixedText     = 40 // bytes
	maxFixedExponent = 12 // of a decimal.Decimal, either side of 0
	maxFixedBits     = 96 // of a decimal.Decimal's coefficient
)

// parseFixed reads a number in the form of JSON without an exponent, as a count
// of 10^-decimals. It fails with the error given, ErrPrecision or ErrOverflow.
func parseFixed(s string, decimals int, invalid error) (int64, error) {
	if len(s) > maxFixedText {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are allowed", invalid, len(s), maxFixedText)
	}
	whole, fraction, negative, ok := cutFixed(s)
	if !ok {
		return 0, fmt.Errorf("%w: %q: want digits with at most one point between them, as in \"19.99\" or \"-5\"", invalid, s)
	}
	if len(fraction) > decimals {
		return 0, fmt.Errorf("%w: %q has %d, at most %d are allowed", ErrPrecision, s, len(fraction), decimals)
	}
	var size uint64
	for i := range len(whole) + decimals {
		digit := uint64(0)
		if i < len(whole) {
			digit = uint64(whole[i] - '0')
		} else if j := i - len(whole); j < len(fraction) {
			digit = uint64(fraction[j] - '0')
		}
		if size > (math.MaxUint64-digit)/10 {
			return 0, fmt.Errorf("%w: %q", ErrOverflow, s)
		}
		size = size*10 + digit
	}
	value, err := signed(size, negative)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", err, s)
	}
	return value, nil
}

// cutFixed takes -?(0|[1-9][0-9]*)(\.[0-9]+)? apart.
func cutFixed(s string) (whole, fraction string, negative, ok bool) {
	if s != "" && s[0] == '-' {
		negative, s = true, s[1:]
	}
	n := digitsAhead(s)
	whole, s = s[:n], s[n:]
	if n == 0 || (n > 1 && whole[0] == '0') {
		return "", "", false, false
	}
	if s == "" {
		return whole, "", negative, true
	}
	fraction = s[1:]
	ok = s[0] == '.' && fraction != "" && digitsAhead(fraction) == len(fraction)
	return whole, fraction, negative, ok
}

func digitsAhead(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// formatFixed writes a count of 10^-decimals with exactly that many decimals.
func formatFixed(value int64, decimals int) string {
	return string(appendFixed(make([]byte, 0, maxFixedText), value, decimals))
}

func appendFixed(out []byte, value int64, decimals int) []byte {
	var buffer [maxFixedText]byte
	text := strconv.AppendUint(buffer[:0], magnitude(value), 10)
	if value < 0 {
		out = append(out, '-')
	}
	if point := len(text) - decimals; point > 0 {
		out = append(out, text[:point]...)
		text = text[point:]
	} else {
		out = append(out, '0')
	}
	if decimals == 0 {
		return out
	}
	out = append(out, '.')
	for range decimals - len(text) {
		out = append(out, '0')
	}
	return append(out, text...)
}

// fixedFromDecimal turns a decimal into a count of 10^-decimals. It fails with
// the error given, ErrPrecision or ErrOverflow, and never rounds.
func fixedFromDecimal(d decimal.Decimal, decimals int, invalid error) (int64, error) {
	exponent := int(d.Exponent())
	if exponent < -maxFixedExponent || exponent > maxFixedExponent {
		return 0, fmt.Errorf("%w: a decimal with exponent %d, at most ±%d is allowed", invalid, exponent, maxFixedExponent)
	}
	shift := exponent + decimals
	// Beyond int64 CoefficientInt64 wraps silently. Comparing takes no longer for
	// a megabyte of digits, which counting them by NumDigits would.
	if narrow := d.CoefficientInt64(); decimal.New(narrow, d.Exponent()).Equal(d) {
		return shiftFixed(narrow, shift, decimals, d)
	}
	return wideFromDecimal(d, shift, decimals, invalid)
}

// shiftFixed is coefficient × 10^shift.
func shiftFixed(coefficient int64, shift, decimals int, d decimal.Decimal) (int64, error) {
	for ; shift < 0; shift++ {
		if coefficient%10 != 0 {
			return 0, fmt.Errorf("%w: %s, at most %d are allowed", ErrPrecision, d, decimals)
		}
		coefficient /= 10
	}
	for ; shift > 0 && coefficient != 0; shift-- {
		if coefficient > math.MaxInt64/10 || coefficient < math.MinInt64/10 {
			return 0, fmt.Errorf("%w: %s", ErrOverflow, d)
		}
		coefficient *= 10
	}
	return coefficient, nil
}

// wideFromDecimal is fixedFromDecimal for coefficients of up to 96 bits.
func wideFromDecimal(d decimal.Decimal, shift, decimals int, invalid error) (int64, error) {
	coefficient := d.Coefficient()
	if n := coefficient.BitLen(); n > maxFixedBits {
		return 0, fmt.Errorf("%w: a decimal of %d bits, at most %d are allowed", invalid, n, maxFixedBits)
	}
	ten, rest := big.NewInt(10), new(big.Int)
	for ; shift < 0; shift++ {
		if coefficient.QuoRem(coefficient, ten, rest); rest.Sign() != 0 {
			return 0, fmt.Errorf("%w: %s, at most %d are allowed", ErrPrecision, d, decimals)
		}
	}
	if !coefficient.IsInt64() {
		return 0, fmt.Errorf("%w: %s", ErrOverflow, d)
	}
	return shiftFixed(coefficient.Int64(), shift, decimals, d)
}

// magnitude is |value|, also for math.MinInt64.
func magnitude(value int64) uint64 {
	if value < 0 {
		return -uint64(value)
	}
	return uint64(value)
}

// signed puts the sign back on a magnitude; it fails with ErrOverflow.
func signed(size uint64, negative bool) (int64, error) {
	switch {
	case negative && size <= 1<<63:
		return -int64(size), nil
	case !negative && size <= math.MaxInt64:
		return int64(size), nil
	}
	return 0, ErrOverflow
}

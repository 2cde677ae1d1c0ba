package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Currency is a currency of ISO 4217, or a unit of a shop's own such as loyalty
// points, together with its number of decimals. It is a plain value of 8 bytes:
// compare it with ==, use it as a map key. The zero value is no currency.
type Currency struct {
	// packed holds the code's bytes, the first one lowest, in the lower seven
	// bytes; above them the number of decimals and the mark of an own unit.
	packed uint64
}

const (
	codeBytes     = 7
	exponentShift = 8 * codeBytes
	exponentMask  = 0x7f
	ownUnit       = 1 << 63
	maxExponent   = 6 // decimals of an own unit
)

// ParseCurrency reads the text form of a currency: an ISO 4217 alphabetic code
// in capitals ("EUR"), or a unit of a shop's own with its number of decimals
// ("PTS:0"). It fails with ErrCurrency for anything else, and for codes of
// ISO 4217 that have no minor unit (gold, XXX, XTS…).
func ParseCurrency(code string) (Currency, error) {
	name, digits, own := strings.Cut(code, ":")
	if own {
		if len(digits) != 1 || digits[0] < '0' || digits[0] > '9' {
			return Currency{}, fmt.Errorf("%w: %.20q: after the colon goes the number of decimals, as in \"PTS:0\"", ErrCurrency, code)
		}
		return Unit(name, int(digits[0]-'0'))
	}
	exponent, known := isoExponent(code)
	if !known {
		return Currency{}, fmt.Errorf("%w: %.20q: want a code of ISO 4217 with a minor unit, as in \"EUR\", or a unit with its decimals, as in \"PTS:0\"", ErrCurrency, code)
	}
	return pack(code, exponent), nil
}

// MustCurrency is ParseCurrency for constants in programs and tests: it panics
// where that fails.
func MustCurrency(code string) Currency {
	c, err := ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	return c
}

// Unit makes a unit of a shop's own, such as points: Unit("PTS", 0). The code is
// a capital letter followed by one to six capitals or digits, the exponent the
// number of decimals, 0 to 6. It fails with ErrCurrency otherwise, and for every
// code that [ParseCurrency] reads as a currency of ISO 4217.
func Unit(code string, exponent int) (Currency, error) {
	if !isUnitCode(code) {
		return Currency{}, fmt.Errorf("%w: %.20q: a unit's code is a capital letter and one to six capitals or digits, as in \"PTS\"", ErrCurrency, code)
	}
	if exponent < 0 || exponent > maxExponent {
		return Currency{}, fmt.Errorf("%w: %s with %d decimals: a unit has 0 to %d", ErrCurrency, code, exponent, maxExponent)
	}
	if _, iso := isoExponent(code); iso {
		return Currency{}, fmt.Errorf("%w: %s is a currency of ISO 4217 already: choose another code for the unit", ErrCurrency, code)
	}
	c := pack(code, exponent)
	c.packed |= ownUnit
	return c, nil
}

func isUnitCode(code string) bool {
	if len(code) < 2 || len(code) > codeBytes {
		return false
	}
	for i := range len(code) {
		letter := code[i] >= 'A' && code[i] <= 'Z'
		digit := code[i] >= '0' && code[i] <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return true
}

func pack(code string, exponent int) Currency {
	packed := uint64(exponent) << exponentShift
	for i := range len(code) {
		packed |= uint64(code[i]) << (8 * i)
	}
	return Currency{packed}
}

// Code is the currency's code without its decimals: "EUR", "PTS"; "" for no
// currency.
func (c Currency) Code() string { return string(c.appendCode(make([]byte, 0, codeBytes))) }

func (c Currency) appendCode(out []byte) []byte {
	for n := range codeBytes {
		letter := byte(c.packed >> (8 * n))
		if letter == 0 {
			break
		}
		out = append(out, letter)
	}
	return out
}

// Exponent is the number of decimals: one unit is 10^Exponent minor units. It is
// 2 for EUR, 0 for JPY, 0 for no currency.
func (c Currency) Exponent() int { return int(c.packed >> exponentShift & exponentMask) }

// IsZero says that this is no currency.
func (c Currency) IsZero() bool { return c == Currency{} }

// String is the currency's code, for people. [Currency.MarshalText] gives the
// form that ParseCurrency reads back.
func (c Currency) String() string { return c.Code() }

// MarshalText writes the form that ParseCurrency reads: "EUR", "PTS:0". No
// currency is the empty text.
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.text()), nil }

func (c Currency) text() string { return string(c.appendText(make([]byte, 0, codeBytes+2))) }

func (c Currency) appendText(out []byte) []byte {
	out = c.appendCode(out)
	if c.packed&ownUnit != 0 {
		out = strconv.AppendInt(append(out, ':'), int64(c.Exponent()), 10)
	}
	return out
}

// WriteCurrency writes a currency as its MarshalText does, only faster.
func WriteCurrency(w *jsonbody.Writer, name string, c Currency) {
	w.Begin(name)
	w.Text = append(c.appendText(append(w.Text, '"')), '"') // which has no character that JSON escapes
}

// ReadCurrency reads a currency that a body holds as a JSON string; it is false for what is
// none, or is written in another way.
func ReadCurrency(text []byte, into *Currency) bool {
	return len(text) > 2 && text[0] == '"' && into.UnmarshalText(text[1:len(text)-1]) == nil
}

// UnmarshalText reads what MarshalText writes. It fails as [ParseCurrency] does,
// except that the empty text is no currency.
func (c *Currency) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Currency{}
		return nil
	}
	parsed, err := ParseCurrency(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

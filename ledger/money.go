package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/shopspring/decimal"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Money is an exact amount: a whole number of minor units (cents) of one
// currency. It is a plain value of 16 bytes: compare it with ==, use it as a map
// key. The zero value is no money in no currency, which is not the same as no
// money in EUR.
type Money struct {
	minor    int64
	currency Currency
}

// Minor makes an amount from minor units: Minor(1999, eur) is 19.99 EUR.
func Minor(minor int64, c Currency) Money { return Money{minor, c} }

// ParseMoney reads an amount written as a JSON number without an exponent:
// "19.99", "-5", "0.50". It fails with ErrAmount for any other form ("1e3",
// "+1", "5.", ".5", "007", a typographic minus, blanks) and for more than 40
// bytes, with ErrPrecision for more decimals than the currency has, even zeros,
// with ErrOverflow beyond int64 minor units, and with ErrCurrency when there is
// no currency.
func ParseMoney(s string, c Currency) (Money, error) {
	if c.IsZero() {
		return Money{}, fmt.Errorf("%w: an amount needs a currency", ErrCurrency)
	}
	minor, err := parseFixed(s, c.Exponent(), ErrAmount)
	if err != nil {
		return Money{}, fmt.Errorf("%w in %s", err, c)
	}
	return Money{minor, c}, nil
}

// MustMoney is ParseMoney for constants in programs and tests: it panics where
// that fails.
func MustMoney(s string, c Currency) Money {
	m, err := ParseMoney(s, c)
	if err != nil {
		panic(err)
	}
	return m
}

// FromDecimal makes an amount from a decimal of major units: 19.99 is 1999 minor
// units of EUR. It never rounds: it fails with ErrPrecision when a decimal beyond
// the currency's is not 0 (19.990 is fine in EUR, 19.999 is not), with
// ErrOverflow beyond int64 minor units, with ErrAmount when the decimal's
// exponent is beyond ±12 or its coefficient longer than 96 bits, and with
// ErrCurrency when there is no currency.
func FromDecimal(d decimal.Decimal, c Currency) (Money, error) {
	if c.IsZero() {
		return Money{}, fmt.Errorf("%w: an amount needs a currency", ErrCurrency)
	}
	minor, err := fixedFromDecimal(d, c.Exponent(), ErrAmount)
	if err != nil {
		return Money{}, fmt.Errorf("%w in %s", err, c)
	}
	return Money{minor, c}, nil
}

// Minor is the amount in minor units: 1999 for 19.99 EUR.
func (m Money) Minor() int64 { return m.minor }

// Currency is the amount's currency.
func (m Money) Currency() Currency { return m.currency }

// Decimal is the amount in major units, for programs that calculate with
// decimals. It allocates; [Money.Minor] does not.
func (m Money) Decimal() decimal.Decimal {
	return decimal.New(m.minor, -int32(m.currency.Exponent()))
}

// Amount is the amount in major units without its currency, with all the
// currency's decimals: "19.90", "-0.05". [ParseMoney] reads it back.
func (m Money) Amount() string { return formatFixed(m.minor, m.currency.Exponent()) }

// String is the amount and its currency's code: "19.90 EUR"; the amount alone
// when there is no currency.
func (m Money) String() string {
	if m.currency.IsZero() {
		return m.Amount()
	}
	return m.Amount() + " " + m.currency.Code()
}

// IsZero says that the amount is 0, in whatever currency.
func (m Money) IsZero() bool { return m.minor == 0 }

// Sign is -1, 0 or 1 as the amount is below, at or above 0.
func (m Money) Sign() int { return cmp.Compare(m.minor, 0) }

// Add is m + other. It fails with ErrCurrencyMismatch or ErrOverflow.
func (m Money) Add(other Money) (Money, error) {
	if err := m.match(other); err != nil {
		return Money{}, err
	}
	sum, err := Sum(m.minor, other.minor)
	return Money{sum, m.currency}.or(err)
}

// Sub is m - other. It fails with ErrCurrencyMismatch or ErrOverflow.
func (m Money) Sub(other Money) (Money, error) {
	if err := m.match(other); err != nil {
		return Money{}, err
	}
	difference, err := Difference(m.minor, other.minor)
	return Money{difference, m.currency}.or(err)
}

// Neg is -m. It fails with ErrOverflow for the lowest int64, whose negative does
// not exist.
func (m Money) Neg() (Money, error) {
	negative, err := Difference(0, m.minor)
	return Money{negative, m.currency}.or(err)
}

// Cmp is -1, 0 or 1 as m is below, at or above other. It fails with
// ErrCurrencyMismatch.
func (m Money) Cmp(other Money) (int, error) {
	if err := m.match(other); err != nil {
		return 0, err
	}
	return cmp.Compare(m.minor, other.minor), nil
}

func (m Money) match(other Money) error {
	if m.currency != other.currency {
		return fmt.Errorf("%w: %s and %s: convert one of them before", ErrCurrencyMismatch, m, other)
	}
	return nil
}

func (m Money) or(err error) (Money, error) {
	if err != nil {
		return Money{}, err
	}
	return m, nil
}

// MarshalJSON writes {"amount":"19.99","currency":"EUR"}; a shop's own unit is
// written with its decimals, "PTS:0". The zero value is written as
// {"amount":"0","currency":""}; any other amount without a currency fails with
// ErrCurrency.
func (m Money) MarshalJSON() ([]byte, error) {
	if m.currency.IsZero() && m.minor != 0 {
		return nil, fmt.Errorf("%w: %d minor units of no currency cannot be written", ErrCurrency, m.minor)
	}
	// Neither text holds a character that JSON escapes.
	return []byte(`{"amount":"` + m.Amount() + `","currency":"` + m.currency.text() + `"}`), nil
}

// WriteMoney writes an amount as its MarshalJSON does, only faster.
func WriteMoney(w *jsonbody.Writer, name string, m Money) {
	if m.currency.IsZero() && m.minor != 0 {
		w.Value(name, m) // which says what is wrong
		return
	}
	w.Open(name, '{')
	w.Begin("amount")
	w.Text = append(appendFixed(append(w.Text, '"'), m.minor, m.currency.Exponent()), '"')
	WriteCurrency(w, "currency", m.currency)
	w.Close('}')
}

const maxMoneyJSON = 1024 // bytes, mostly room for indentation

// UnmarshalJSON reads what MarshalJSON writes, in any order of members. It fails
// with ErrAmount, naming every fault, when a member is missing, unknown, written
// twice, in other letter case or not a string, when it is no JSON object (null
// too) or longer than 1,024 bytes; otherwise as [ParseCurrency] and [ParseMoney]
// do, except that the zero value reads back as itself.
func (m *Money) UnmarshalJSON(data []byte) error {
	if len(data) > maxMoneyJSON {
		return fmt.Errorf("%w: %d bytes of JSON, at most %d are allowed", ErrAmount, len(data), maxMoneyJSON)
	}
	amount, code, err := moneyMembers(data)
	if err != nil {
		return fmt.Errorf("%w: want {\"amount\":\"19.99\",\"currency\":\"EUR\"}: %w", ErrAmount, err)
	}
	if code == "" && amount == "0" {
		*m = Money{}
		return nil
	}
	currency, err := ParseCurrency(code)
	if err != nil {
		return err
	}
	parsed, err := ParseMoney(amount, currency)
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

func moneyMembers(data []byte) (amount, currency string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return "", "", errors.New("it is not a JSON object")
	}
	var faults []error
	members := map[string]*string{"amount": &amount, "currency": &currency}
	seen := make(map[string]bool, len(members))
	for decoder.More() {
		var value json.RawMessage
		key, err := decoder.Token()
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return "", "", fmt.Errorf("it is not JSON: %w", err)
		}
		name, _ := key.(string)
		target := members[name]
		switch {
		case target == nil:
			faults = append(faults, fmt.Errorf("unknown member %q", name))
		case seen[name]:
			faults = append(faults, fmt.Errorf("member %q occurs twice", name))
		case value[0] != '"' || json.Unmarshal(value, target) != nil:
			faults = append(faults, fmt.Errorf("member %q is not a string", name))
		}
		seen[name] = true
	}
	if _, err := decoder.Token(); err != nil {
		return "", "", fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return "", "", errors.New("something follows the object")
	}
	for _, name := range []string{"amount", "currency"} {
		if !seen[name] {
			faults = append(faults, fmt.Errorf("member %q is missing", name))
		}
	}
	return amount, currency, errors.Join(faults...)
}

// Sum is a + b, in minor units. It fails with ErrOverflow.
func Sum(a, b int64) (int64, error) {
	if sum := a + b; (sum > a) == (b > 0) {
		return sum, nil
	}
	return 0, fmt.Errorf("%w: %d + %d", ErrOverflow, a, b)
}

// Difference is a - b, in minor units. It fails with ErrOverflow.
func Difference(a, b int64) (int64, error) {
	if difference := a - b; (difference < a) == (b > 0) {
		return difference, nil
	}
	return 0, fmt.Errorf("%w: %d - %d", ErrOverflow, a, b)
}

// Product is a × b, as in unit price × quantity. It fails with ErrOverflow.
func Product(a, b int64) (int64, error) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if high == 0 {
		if product, err := signed(low, (a < 0) != (b < 0)); err == nil {
			return product, nil
		}
	}
	return 0, fmt.Errorf("%w: %d × %d", ErrOverflow, a, b)
}

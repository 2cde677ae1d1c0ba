package ledger

import "fmt"

// Rounding says what becomes of the part of a minor unit. All roundings are
// symmetric: a negative amount rounds to the negative of what its positive
// rounds to. The zero value is HalfUp, the default.
type Rounding uint8

// The roundings.
const (
	HalfUp   Rounding = iota // to the nearest, a half away from zero: 10.285 → 10.29
	HalfEven                 // to the nearest, a half to the even neighbour: 10.285 → 10.28
	HalfDown                 // to the nearest, a half towards zero: 10.285 → 10.28
	Up                       // away from zero: 10.281 → 10.29
	Down                     // towards zero: 10.289 → 10.28
)

// ParseRounding reads "half-up", "half-even", "half-down", "up" or "down". It
// fails with ErrRounding for anything else.
func ParseRounding(text string) (Rounding, error) {
	for r := HalfUp; r.valid(); r++ {
		if r.String() == text {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%w: %.20q: want half-up, half-even, half-down, up or down", ErrRounding, text)
}

func (r Rounding) valid() bool { return r <= Down }

// String is the rounding's text form, as in "half-up".
func (r Rounding) String() string {
	switch r {
	case HalfUp:
		return "half-up"
	case HalfEven:
		return "half-even"
	case HalfDown:
		return "half-down"
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return fmt.Sprintf("Rounding(%d)", uint8(r))
}

// MarshalText writes the form that ParseRounding reads. It fails with
// ErrRounding for a value that is none of the roundings.
func (r Rounding) MarshalText() ([]byte, error) {
	if !r.valid() {
		return nil, fmt.Errorf("%w: %v", ErrRounding, r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what MarshalText writes; it fails as [ParseRounding] does.
func (r *Rounding) UnmarshalText(text []byte) error {
	parsed, err := ParseRounding(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// round is quotient + remainder/divisor as a whole number, where
// remainder < divisor and quotient has room for one more.
func (r Rounding) round(quotient, remainder, divisor uint64) uint64 {
	up := false
	rest := divisor - remainder
	switch r {
	case HalfUp:
		up = remainder >= rest
	case HalfEven:
		up = remainder > rest || (remainder == rest && quotient%2 == 1)
	case HalfDown:
		up = remainder > rest
	case Up:
		up = remainder > 0
	}
	if up {
		return quotient + 1
	}
	return quotient
}

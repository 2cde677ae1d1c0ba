package coupon

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// alphabet is Crockford's base 32: no I, L, O or U, which are misread.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Shapes of codes, in characters after normalisation.
const (
	codeRandom    = 13             // random characters of a made code: 65 bits
	codeLength    = codeRandom + 1 // and its check character
	minChosenCode = 3
	maxChosenCode = 32
)

// Code is a code in its normal form: capital letters and digits only. It comes
// from [ParseCode] or [NewCode], so that codes are compared in one form only.
type Code string

// NewCode makes a code nobody can guess: 13 random characters of Crockford's
// alphabet, which is 65 bits, and a check character. With a million live codes
// and ten guesses a second for a month, the chance of one hit is below one in a
// million. Random must be a source like [crypto/rand.Reader]; it fails when the
// source does.
func NewCode(random io.Reader) (Code, error) {
	var raw [codeRandom]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("coupon: no randomness for a code: %w", err)
	}
	return Code(appendCode(nil, raw[:])), nil
}

// NewCodes makes n codes at once, the same that n calls of NewCode would make. They
// share memory: keeping one keeps all. That two are equal is possible but, with
// honest randomness, less likely than one in ten million for a million codes; the
// store refuses a code that exists.
//
// It fails with [ErrCodeSpace] below 0 and where so many would be too easy to guess,
// by the defaults of [Guessing], and when the source fails.
func NewCodes(random io.Reader, n int) ([]Code, error) {
	if err := (Guessing{}).check(int64(n)); err != nil {
		return nil, err
	}
	raw := make([]byte, codeRandom*min(n, 4096))
	text := make([]byte, 0, codeLength*n)
	for left := n; left > 0; left -= 4096 {
		raw = raw[:codeRandom*min(left, 4096)]
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("coupon: no randomness for %d codes: %w", n, err)
		}
		for from := 0; from < len(raw); from += codeRandom {
			text = appendCode(text, raw[from:from+codeRandom])
		}
	}
	all, made := string(text), make([]Code, n)
	for i := range made {
		made[i] = Code(all[codeLength*i : codeLength*(i+1)])
	}
	return made, nil
}

// appendCode adds the code that 13 random bytes make: five bits of each, and the
// check character.
func appendCode(to, random []byte) []byte {
	var code [codeLength]byte
	sum := byte(0)
	for i, b := range random[:codeRandom] {
		digit := b & 31 // 256 is a multiple of 32: no bias
		sum = timesX(sum) ^ digit
		code[i] = alphabet[digit]
	}
	code[codeRandom] = alphabet[timesX(sum)]
	return append(to, code[:]...)
}

// ParseCode brings what a shopper typed into the normal form: compatibility
// forms are unified (NFKC), blanks, hyphens and underscores dropped, letters made capital. In
// codes of the shape that NewCode makes, O, I and L are read as 0, 1 and 1.
//
// It fails with [ErrCode] on anything that is not ASCII letters and digits, or
// shorter than 3 or longer than 32 characters, and with [ErrMistyped] when the
// code has the shape that NewCode makes but its check character is wrong: then no
// such code exists, and no store need be asked.
func ParseCode(typed string) (Code, error) {
	if len(typed) > 4*maxChosenCode {
		return "", fmt.Errorf("%w: it has %d bytes", ErrCode, len(typed))
	}
	var b strings.Builder
	for _, r := range norm.NFKC.String(typed) {
		switch {
		case r >= 'a' && r <= 'z':
			b.WriteByte(byte(r - 'a' + 'A'))
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			b.WriteByte(byte(r))
		case r == ' ' || r == '-' || r == '_':
		default:
			return "", fmt.Errorf("%w: it has a character %q", ErrCode, r)
		}
	}
	code := b.String()
	if len(code) < minChosenCode || len(code) > maxChosenCode {
		return "", fmt.Errorf("%w: it has %d letters and digits, want %d to %d", ErrCode, len(code), minChosenCode, maxChosenCode)
	}
	if len(code) != codeLength {
		return Code(code), nil
	}
	made := []byte(strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(code))
	for _, c := range made {
		if c == 'U' {
			return "", fmt.Errorf("%w: no such code has the letter U", ErrMistyped)
		}
	}
	if made[codeRandom] != alphabet[checkDigit(made[:codeRandom])] {
		return "", ErrMistyped
	}
	return Code(made), nil
}

// ChooseCode checks a code that a person chose, as in "SUMMER24": like ParseCode,
// but it also refuses the length of made codes, so that the two can't be
// confused. Chosen codes can be guessed: give their offer a limit per customer.
func ChooseCode(chosen string) (Code, error) {
	code, err := ParseCode(chosen)
	if len(code) == codeLength || errors.Is(err, ErrMistyped) {
		return "", fmt.Errorf("%w: %d characters are the shape of made codes: choose another length", ErrCode, codeLength)
	}
	return code, err
}

// String gives the code as people read it: made codes in groups of five, five and
// four, chosen ones as they are.
func (c Code) String() string {
	if len(c) != codeLength {
		return string(c)
	}
	return string(c[:5] + "-" + c[5:10] + "-" + c[10:])
}

// checkDigit is a weighted sum over the field of 32 elements (x^5 + x^2 + 1),
// with the powers of x as weights. They differ from each other and from 0 over
// 31 places, so that every wrong character and every two exchanged are noticed.
func checkDigit(code []byte) byte {
	sum := byte(0)
	for _, c := range code { // Horner's scheme
		sum = timesX(sum) ^ byte(strings.IndexByte(alphabet, c))
	}
	return timesX(sum)
}

func timesX(a byte) byte {
	return a<<1&31 ^ a>>4*0b00101 // what is carried out of the field comes back
}

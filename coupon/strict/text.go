package strict

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unreadable says, after what it is said of, which character [Readable] refuses, counted
// from 1; "" where it refuses none.
func Unreadable(s string) string {
	const want = "want UTF-8 without control characters and marks that turn or hide what is written"
	character := 0
	for at, r := range s {
		character++
		if invalid := r == utf8.RuneError && !strings.HasPrefix(s[at:], string(utf8.RuneError)); invalid {
			return fmt.Sprintf("has the byte %#x as character %d, %s", s[at], character, want)
		}
		if hides(r) {
			return fmt.Sprintf("has %U as character %d, %s", r, character, want)
		}
	}
	return ""
}

// Readable says that a text can stand where people read it, and looks like what it is:
// it is UTF-8, and has no control characters, no line breaks, none that turn the
// direction of what follows (such as U+202E, by which a name can show another one), and
// no spaces without width. What emoji, Arabic and Hebrew need is let through.
func Readable(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, hides) }

func hides(r rune) bool {
	switch {
	case r < 0x80:
		return r < ' ' || r == 0x7f
	case r == '\u2028', r == '\u2029', // line and paragraph separators
		r >= '\u202a' && r <= '\u202e',              // embeddings and overrides of direction
		r >= '\u2066' && r <= '\u2069',              // isolates of direction
		r == '\u200b', r == '\u2060', r == '\ufeff': // without width
		return true
	}
	return unicode.IsControl(r)
}

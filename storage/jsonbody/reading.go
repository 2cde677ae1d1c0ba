// Package jsonbody reads and writes JSON without reflection, for bodies that are read or
// written with every order: see [github.com/vouch-go/vouch/storage.Codec]. What it writes
// is byte for byte what encoding/json would write; what it reads is JSON in the plain way
// in which encoding/json writes it. Its functions that read are false for whatever is
// written in another, be it valid or not, and may have read part of it then: encoding/json
// decides what that is. Where they are true, encoding/json would have read the same, of
// members that are given once.
package jsonbody

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Members visits the members of an object with their values as they are written, which
// the visitor judges: it is false for one that it can't read. Names with escapes are not
// plain.
func Members(text []byte, visit func(name, value []byte) bool) bool {
	return list(text, '{', '}', func(item []byte) (rest []byte, ok bool) {
		end := End(item)
		if end < 2 || item[0] != '"' || bytes.IndexByte(item[:end], '\\') >= 0 {
			return nil, false
		}
		name := item[1 : end-1]
		if item = trim(item[end:]); len(item) == 0 || item[0] != ':' {
			return nil, false
		}
		item = trim(item[1:])
		if end = End(item); end < 1 {
			return nil, false
		}
		return item[end:], visit(name, item[:end])
	})
}

// Elements visits the elements of an array as they are written.
func Elements(text []byte, visit func(value []byte) bool) bool {
	return list(text, '[', ']', func(item []byte) (rest []byte, ok bool) {
		end := End(item)
		return item[end:], end > 0 && visit(item[:end])
	})
}

// list goes through what is between two brackets, with commas, and nothing after them.
func list(text []byte, open, close byte, item func([]byte) (rest []byte, ok bool)) bool {
	rest := trim(text)
	if len(rest) == 0 || rest[0] != open {
		return false
	}
	if rest = trim(rest[1:]); len(rest) > 0 && rest[0] == close {
		return len(trim(rest[1:])) == 0
	}
	for {
		var ok bool
		if rest, ok = item(rest); !ok {
			return false
		}
		if rest = trim(rest); len(rest) == 0 {
			return false
		}
		if rest[0] == close {
			return len(trim(rest[1:])) == 0
		}
		if rest[0] != ',' {
			return false
		}
		rest = trim(rest[1:])
	}
}

// trim takes off the white space at the beginning of a text. There rarely is any.
func trim(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// End is where the JSON value at the beginning of a text ends, if it is valid; 0 when it
// does not end.
func End(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			n := quoted(text[i:])
			if n == 0 {
				return 0
			}
			if i += n - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return 0
}

// quoted is how long the string at the beginning of a text is, with its quotes; 0 when it
// does not end.
func quoted(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 0
}

// String reads a string without escapes.
func String[S ~string](text []byte, into *S) bool {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return false
	}
	ascii := true
	for _, c := range text[1 : len(text)-1] {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(text) {
		return false
	}
	*into = S(text[1 : len(text)-1])
	return true
}

// Int reads a whole number of at most 18 digits.
func Int[N ~int | ~int64](text []byte, into *N) bool {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
		n = 10*n + int64(c-'0')
	}
	if len(digits) < len(text) {
		n = -n
	}
	*into = N(n)
	return int64(*into) == n
}

// Bool reads true or false.
func Bool(text []byte, into *bool) bool {
	*into = string(text) == "true"
	return *into || string(text) == "false"
}

// Slice reads an array whose elements are read by a function, or null.
func Slice[E any](text []byte, into *[]E, read func(text []byte, into *E) bool) bool {
	if *into = nil; string(text) == "null" {
		return true
	}
	all := make([]E, 0, bytes.Count(text, []byte("},"))+1)
	ok := Elements(text, func(value []byte) bool {
		all = append(all, *new(E))
		return read(value, &all[len(all)-1])
	})
	*into = all
	return ok
}

// Value reads what encoding/json reads.
func Value(text []byte, into any) bool { return json.Unmarshal(text, into) == nil }

package storage

import "strings"

// maxDepth is how deep a JSON text may nest, as in encoding/json.
const maxDepth = 10000

// validJSON says what json.Valid says, at half its cost: every body is checked with
// every batch.
func validJSON(text []byte) bool {
	v := validator{text: text}
	return v.value(0) && v.blank() == len(text)
}

// validator reads a JSON text (RFC 8259) from at on.
type validator struct {
	text []byte
	at   int
}

// blank skips what may stand between tokens, and gives where it ends.
func (v *validator) blank() int {
	for v.at < len(v.text) && v.text[v.at] <= ' ' && strings.IndexByte(space, v.text[v.at]) >= 0 {
		v.at++
	}
	return v.at
}

// take skips a byte if it is the next token.
func (v *validator) take(b byte) bool {
	if v.blank(); v.at == len(v.text) || v.text[v.at] != b {
		return false
	}
	v.at++
	return true
}

func (v *validator) value(depth int) bool {
	if v.blank(); v.at == len(v.text) {
		return false
	}
	switch v.text[v.at] {
	case '{':
		return v.all('}', depth+1, v.member)
	case '[':
		return v.all(']', depth+1, v.value)
	case '"':
		return v.quoted()
	case 't':
		return v.word("true")
	case 'f':
		return v.word("false")
	case 'n':
		return v.word("null")
	}
	return v.number()
}

// all reads an object or an array.
func (v *validator) all(end byte, depth int, item func(depth int) bool) bool {
	v.at++
	switch {
	case depth > maxDepth:
		return false
	case v.take(end):
		return true
	}
	for item(depth) {
		if !v.take(',') {
			return v.take(end)
		}
	}
	return false
}

func (v *validator) member(depth int) bool {
	v.blank()
	return v.at < len(v.text) && v.text[v.at] == '"' && v.quoted() && v.take(':') && v.value(depth)
}

func (v *validator) word(word string) bool {
	if len(v.text)-v.at < len(word) || string(v.text[v.at:v.at+len(word)]) != word {
		return false
	}
	v.at += len(word)
	return true
}

func (v *validator) quoted() bool {
	text := v.text[v.at+1:]
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			v.at += i + 2
			return true
		case b < ' ':
			return false
		case b == '\\':
			n := escape(text[i+1:])
			if n == 0 {
				return false
			}
			i += n
		}
	}
	return false
}

// escape is how many bytes follow a backslash and belong to it; 0: they are no escape.
func escape(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(text) > 4 && hexadecimal(text[1]) && hexadecimal(text[2]) && hexadecimal(text[3]) && hexadecimal(text[4]) {
			return 5
		}
	}
	return 0
}

func hexadecimal(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func (v *validator) number() bool {
	v.skip('-')
	if !v.skip('0') && !v.digits() {
		return false
	}
	if v.skip('.') && !v.digits() {
		return false
	}
	if v.skip('e') || v.skip('E') {
		_ = v.skip('+') || v.skip('-')
		return v.digits()
	}
	return true
}

// skip skips a byte if it is the next one.
func (v *validator) skip(b byte) bool {
	if v.at == len(v.text) || v.text[v.at] != b {
		return false
	}
	v.at++
	return true
}

func (v *validator) digits() bool {
	from := v.at
	for v.at < len(v.text) && '0' <= v.text[v.at] && v.text[v.at] <= '9' {
		v.at++
	}
	return v.at > from
}

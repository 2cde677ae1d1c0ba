package jsonbody

import (
	"bytes"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// EscapeSize is how many bytes \uXXXX takes.
const EscapeSize = len(`\u0000`)

// HalfPair stands for a surrogate without its other half, which is no character.
const HalfPair rune = -1

// Escapes gives the characters that valid JSON has as \uXXXX, each with where it begins;
// two that are a surrogate pair are one character, a surrogate alone is [HalfPair].
func Escapes(text []byte) iter.Seq2[int, rune] {
	return func(yield func(int, rune) bool) {
		for at := 0; ; {
			next := bytes.IndexByte(text[at:], '\\')
			if next < 0 {
				return
			}
			at += next
			unit, ok := escaped(text[at:])
			if !ok {
				at += len(`\n`)
				continue
			}
			size := EscapeSize
			if utf16.IsSurrogate(unit) {
				other, _ := escaped(text[at+size:])
				if unit = utf16.DecodeRune(unit, other); unit == utf8.RuneError {
					unit = HalfPair
				} else {
					size += EscapeSize
				}
			}
			if !yield(at, unit) {
				return
			}
			at += size
		}
	}
}

// escaped is the unit of UTF-16 that a text begins with as \uXXXX.
func escaped(text []byte) (unit rune, ok bool) {
	if len(text) < EscapeSize || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:EscapeSize]), 16, 16)
	return rune(n), err == nil
}

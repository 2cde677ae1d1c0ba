package jsonbody_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

func TestEscapes(t *testing.T) {
	type escape struct {
		at        int
		character rune
	}
	for text, want := range map[string][]escape{
		`""`:                       nil,
		`"é\n\\u0041\""`:           nil, // an escaped backslash, and text
		`"a\u0041\u00e9"`:          {{2, 'A'}, {8, 'é'}},
		`"\u0000"`:                 {{1, 0}},
		`"\ud83d\ude00!"`:          {{1, '😀'}},
		`"\uD83D\uDE00\ufffd"`:     {{1, '😀'}, {13, '\ufffd'}},
		`"\ud83d"`:                 {{1, jsonbody.HalfPair}},
		`"\ud83d\n\u0041"`:         {{1, jsonbody.HalfPair}, {9, 'A'}},
		`"\ude00\ud83d"`:           {{1, jsonbody.HalfPair}, {7, jsonbody.HalfPair}},
		`"\ud83d\u0041\\\ud83d\\"`: {{1, jsonbody.HalfPair}, {7, 'A'}, {15, jsonbody.HalfPair}},
	} {
		var got []escape
		for at, character := range jsonbody.Escapes([]byte(text)) {
			got = append(got, escape{at, character})
		}
		require.Equal(t, want, got, text)
	}
	for at := range jsonbody.Escapes([]byte(`"\u0041\u0042"`)) {
		require.Equal(t, 1, at)
		break
	}
}

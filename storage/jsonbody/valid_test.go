package jsonbody_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// more are texts that have what the others have not: escapes, numbers, nesting.
var more = []string{
	`"\"\\\/\b\f\n\r\t\u00e9"`, `"\x"`, `"\u12g4"`, `"\u123`, `"\`, `"`, "\"\x1f\"", "\"\x7f\xff\"", ` 1 `, `-`, `-0`, `00`, `0.`, `0.5e+3`, `1E-`, `1e3`, `.5`, `12a`,
	`true`, `tru`, `truer`, `false`, `null`, `nul`, ` [ 1 , [ ] , { } ] `, `[1,]`, `[,1]`, `{"a":1,"b":[true]}`, `{"a" 1}`, `{"a":}`, `{1:2}`, `[}`, `{]`, `[1}`, `{"a":1]`,
	strings.Repeat("[", 150) + strings.Repeat("]", 150), strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat("[", 300),
	strings.Repeat("[", 20000) + strings.Repeat("]", 20000), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), `{"a":` + strings.Repeat("[", 300) + `}`,
}

func TestValidIsThatOfEncodingJSON(t *testing.T) {
	for _, text := range append(append(plain, others...), more...) {
		assert.Equal(t, json.Valid([]byte(text)), jsonbody.Valid([]byte(text)), "%.100s", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(writtenValues().Draw(t, "value"))
		require.NoError(t, err)
		require.True(t, jsonbody.Valid(text))
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text[at] = rapid.SampledFrom([]byte(`{}[]",:\ 01-+.eEuntf`+"\n\x01")).Draw(t, "to")
		}
		require.Equal(t, json.Valid(text), jsonbody.Valid(text), "%s", text)
	})
}

func FuzzValid(f *testing.F) {
	for _, text := range append(append(plain, others...), more...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		require.Equal(t, json.Valid(text), jsonbody.Valid(text), "%q", text)
	})
}

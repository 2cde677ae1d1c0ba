package storage

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var jsonTexts = []string{
	``, ` `, `{}`, `[]`, ` { } `, `{"a":1}`, `{"a":1,}`, `{"a" : [1, 2 , {"b":null}]}`, `[1,]`, `[,1]`, `{a:1}`, `{"a"}`, `{"a":}`,
	`0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5e+10`, `1e`, `1E-`, `-1.25E-3`, `+1`, `1 2`, `true`, `tru`, `truex`, `false`, `null`, `nul`,
	`""`, `"a`, `"\u00e9"`, `"\u00g9"`, `"\u12"`, `"\x"`, `"\`, `"\"`, "\"\n\"", "\"\x00\"", "\"\xff\"", `"\/\b\f\n\r\t\\\""`, `{"":""}`,
	`[[[[]]]]`, `[[}`, `{]`, `{"a":1}}`, `{"a":1}x`, "\ufeff{}", "{}\x00", "\v{}",
	strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
}

func TestValidJSON(t *testing.T) {
	for _, text := range jsonTexts {
		require.Equal(t, json.Valid([]byte(text)), validJSON([]byte(text)), "%.40q", text)
	}
}

// TestValidJSONBroken breaks valid texts at one place.
func TestValidJSONBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(map[string]any{
			rapid.String().Draw(t, "name"): rapid.Float64Range(-1e9, 1e9).Draw(t, "number"),
			"b":                            []any{rapid.String().Draw(t, "text"), true, nil, map[string]any{}},
		})
		require.NoError(t, err)
		require.True(t, validJSON(text))
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		text[at] = rapid.SampledFrom([]byte("{}[]\",:\\u0e+-. x\n")).Draw(t, "byte")
		require.Equal(t, json.Valid(text), validJSON(text), "%q", text)
	})
}

func FuzzValidJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { require.Equal(t, json.Valid(text), validJSON(text)) })
}

func BenchmarkValidJSON(b *testing.B) {
	text := []byte(`{"format":1,"order":"order-0000000001","state":"confirmed","lines":[{"id":"1","product":"teapot","quantity":3,"price":2997}],"until":0}`)
	for name, valid := range map[string]func([]byte) bool{"here": validJSON, "encoding/json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !valid(text) {
					b.Fatal(name)
				}
			}
		})
	}
}

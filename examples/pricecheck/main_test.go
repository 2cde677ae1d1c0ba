package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

var update = flag.Bool("update", false, "write the golden outputs anew")

// check runs the program on an input.
func check(t testing.TB, in io.Reader, args ...string) (code int, out, errs string) {
	t.Helper()
	var written, complained bytes.Buffer
	code = run(args, in, &written, &complained)
	return code, written.String(), complained.String()
}

// Each example document comes out as it always has: as JSON and as a table.
func TestExamples(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(inputs), 6)
	for _, input := range inputs {
		name := strings.TrimSuffix(strings.TrimSuffix(input, ".jsonl"), ".json")
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(input)
			require.NoError(t, err)
			wanted := 0
			if filepath.Base(name) == "faults" {
				wanted = 1
			}
			for golden, args := range map[string][]string{name + ".quotes": nil, name + ".table": {"-table"}} {
				code, out, errs := check(t, bytes.NewReader(text), args...)
				assert.Equal(t, wanted, code)
				assert.Empty(t, errs)
				if *update {
					require.NoError(t, os.WriteFile(golden, []byte(out), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), out)
			}
		})
	}
}

// One answer per document, in order, whatever stands between them.
func TestDocuments(t *testing.T) {
	const limit = 60
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"none":                     {" \n\n", nil},
		"one":                      {`{"a":1}`, []string{`{"a":1}`}},
		"lines":                    {"{\"a\":1}\n\n[2]\r\n{}\n", []string{`{"a":1}`, `[2]`, `{}`}},
		"over several lines":       {"{\n\"a\":\n[\n{\"b\":1},\n{\"b\":2}\n]\n}\n{\"c\":3}", []string{"{\n\"a\":\n[\n{\"b\":1},\n{\"b\":2}\n]\n}", `{"c":3}`}},
		"a bracket in a text":      {"{\"a\":\"{\\\"[\"}\n{}\n", []string{`{"a":"{\"["}`, `{}`}},
		"no JSON between":          {"{}\nnone\n}\n{}\n", []string{`{}`, `none`, `}`, `{}`}},
		"cut off in a text":        {"{\"a\":\"b\n{}\n", []string{`{"a":"b`, `{}`}},
		"cut off before a bracket": {"{\"a\":[\n{\"b\":1}\n{\"b\":2}\n", []string{`{"a":[`, `{"b":1}`, `{"b":2}`}},
		"never closed":             {"{\n\"a\":1\n", []string{"{\n\"a\":1"}},
		"too long":                 {`{"a":"` + strings.Repeat("x", limit) + "\"}\n{}\n", []string{"too long", `{}`}},
		"too long over lines":      {"{\n" + strings.Repeat("\"a\":1,\n", limit) + "\"b\":{}\n}\n{\"c\":3}\n", []string{"too long", `{"c":3}`}},
		"much too long":            {strings.Repeat("[", 100*limit) + "\n{}\n", []string{"too long", `{}`}},
		"at the limit":             {`{"a":"` + strings.Repeat("x", limit-9) + "\"}\n", []string{`{"a":"` + strings.Repeat("x", limit-9) + `"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for document, err := range documents(strings.NewReader(c.in), limit) {
				if err != nil {
					require.ErrorContains(t, err, "more than 60 bytes")
					document = []byte("too long")
				}
				got = append(got, strings.TrimSpace(string(document)))
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestSchema(t *testing.T) {
	code, out, errs := check(t, strings.NewReader(""), "-schema")
	assert.Zero(t, code)
	assert.Empty(t, errs)
	assert.Equal(t, coupon.TrialSchema(), out)
	assert.True(t, json.Valid([]byte(out)))
}

func TestWrongCalls(t *testing.T) {
	for _, args := range [][]string{{"-csv"}, {"cart.json"}} {
		code, out, errs := check(t, strings.NewReader("{}"), args...)
		assert.Equal(t, 2, code)
		assert.Empty(t, out)
		assert.Contains(t, errs, "standard input")
	}
	code, _, errs := check(t, strings.NewReader(" \n"))
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "no document")
}

func TestInputThatBreaks(t *testing.T) {
	in := io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(errors.New("unplugged")))
	code, out, errs := check(t, in)
	assert.Equal(t, 1, code)
	assert.Equal(t, 1, strings.Count(out, "\n"))
	assert.Contains(t, errs, "unplugged")
}

// What a document says never controls the terminal.
func TestTablesArePlain(t *testing.T) {
	document := `{"cart":{"currency":"EUR","lines":[{"id":"\u009b31m\u202e","product":"p","quantity":1,"unit_price":"1"}]},"codes":["\u001b[2J"],"at":"2026-11-20T12:00:00Z"}`
	code, out, _ := check(t, strings.NewReader(document), "-table")
	assert.Zero(t, code)
	assert.NotContains(t, out, "\u009b")
	assert.NotContains(t, out, "\u202e")
	assert.NotContains(t, out, "\u001b")
}

// Whatever the input: as many answers as there are documents, each a line of JSON.
func FuzzPricecheck(f *testing.F) {
	for _, name := range []string{"testdata/basket.json", "testdata/faults.jsonl"} {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("{\n{}\n[\"\\\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		count := 0
		for range documents(bytes.NewReader(in), coupon.MaxTrial) {
			count++
		}
		code, out, _ := check(t, bytes.NewReader(in))
		require.Less(t, code, 2)
		require.Equal(t, count, strings.Count(out, "\n"))
		for line := range strings.Lines(out) {
			require.True(t, json.Valid([]byte(line)))
		}
		check(t, bytes.NewReader(in), "-table")
	})
}

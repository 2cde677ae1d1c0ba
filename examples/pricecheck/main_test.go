package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

// Writing a table asks for memory by the cart's lines, and not for each of them by all.
func TestTablesOfLargeCarts(t *testing.T) {
	memory := func(lines int) (bytes float64) {
		var cart []string
		for i := range lines {
			cart = append(cart, fmt.Sprintf(`{"id": "%d", "product": "tea", "seller": "acme", "quantity": 2, "unit_price": "1.99"}`, i))
		}
		quote, err := decide([]byte(`{"cart": {"currency": "EUR", "lines": [` + strings.Join(cart, ",") + `]},
			"offers": [{"id": "ten", "name": "10 % off", "benefit": {"type": "percent", "percent": "10"}}], "at": "2026-11-20T12:00:00Z"}`))
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, writeTable(io.Discard, quote, nil))
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	memory(10) // what is made once
	require.Less(t, memory(1600)/memory(200), 12.0, "of eight times the lines")
}

// The program gives what the library comes to: for JSON Lines as many answers, in
// order. The cases of the library, each with what must come of it, are the input.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("../../coupon/testdata/cases/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var all struct {
			Cases []struct{ Trial json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(text, &all))
		require.NotEmpty(t, all.Cases, file)
		var input, want strings.Builder
		for _, c := range all.Cases {
			input.Write(append(c.Trial, '\n'))
			quote, err := decide(c.Trial)
			require.NoError(t, writeJSON(&want, quote, err))
		}
		_, out, errs := check(t, strings.NewReader(input.String()))
		assert.Empty(t, errs)
		assert.Equal(t, want.String(), out)
		assert.Equal(t, len(all.Cases), strings.Count(out, "\n"))
		_, tables, _ := check(t, strings.NewReader(input.String()), "-table")
		assert.GreaterOrEqual(t, strings.Count(tables, "\n\n"), len(all.Cases))
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
		"a byte order mark":        {"\ufeff{\"a\":1}\n{}", []string{`{"a":1}`, `{}`}},
		"two byte order marks":     {"\ufeff\ufeff{}\n", []string{"\ufeff{}"}},
		"only a byte order mark":   {"\ufeff", nil},
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

// Whatever is wrong with a document, it is said in its place, and where.
func TestHostileDocuments(t *testing.T) {
	const cart = `"cart":{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"1.00"}]}`
	const at = `,"at":"2026-11-20T12:00:00Z"`
	line := func(members string) string {
		return `{"cart":{"currency":"EUR","lines":[{"id":"1","product":"p",` + members + `}]}` + at + `}`
	}
	for name, c := range map[string]struct{ document, path, problem string }{
		"nested deeply":               {strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "", "not one JSON document"},
		"conditions nested deeply":    {`{` + cart + at + `,"offers":[{"id":"a","name":"a","benefit":{"type":"gift","product":"p","count":1},"conditions":[` + strings.Repeat(`{"type":"not","conditions":[`, 40) + `{"type":"new_customer"}` + strings.Repeat(`]}`, 40) + `]}]}`, "", "nested more than 16 deep"},
		"a member twice":              {`{` + cart + at + at + `}`, "at", "stands twice"},
		"a member that is not known":  {`{` + cart + at + `,"coupon":[]}`, "coupon", "is not known: want one of at, cart, codes, coupons, "},
		"a member in capitals":        {`{` + cart + at + `,"CODES":[]}`, "CODES", `write "codes"`},
		"null":                        {`{` + cart + at + `,"offers":null}`, "offers", "is null: leave it out"},
		"a cart of null":              {`{"cart":null` + at + `}`, "cart", "is null"},
		"no instant":                  {`{` + cart + `}`, "at", "is missing"},
		"a huge number":               {line(`"unit_price":"1.00","quantity":1` + strings.Repeat("0", 1000)), "cart.lines[0].quantity", "want a whole number"},
		"a fraction":                  {line(`"unit_price":"1.00","quantity":1.5`), "cart.lines[0].quantity", "want a whole number"},
		"a number that overflows":     {line(`"unit_price":"1.00","quantity":9223372036854775808`), "cart.lines[0].quantity", "want a whole number"},
		"a negative quantity":         {line(`"unit_price":"1.00","quantity":-1`), "cart.lines[0].quantity", "is -1, want 1 to 1000000"},
		"money as a number":           {line(`"unit_price":1.00,"quantity":1`), "cart.lines[0].unit_price", "is the number 1.00, want a text"},
		"huge money":                  {line(`"unit_price":"1` + strings.Repeat("0", 1000) + `","quantity":1`), "cart.lines[0].unit_price", ""},
		"money with an exponent":      {line(`"unit_price":"1e3","quantity":1`), "cart.lines[0].unit_price", ""},
		"negative money":              {line(`"unit_price":"-1.00","quantity":1`), "cart.lines[0].unit_price", "want 0 or more"},
		"a total beyond what is safe": {line(`"unit_price":"90000000000000.00","quantity":1000000`), "cart.lines[0].unit_price", "2^53"},
		"no quantity":                 {line(`"unit_price":"1.00"`), "cart.lines[0].quantity", "is 0 or missing, want 1 to 1000000"},
		"no price":                    {line(`"quantity":1`), "cart.lines[0].unit_price", "is missing"},
		"not UTF-8":                   {line("\"unit_price\":\"1.00\",\"quantity\":1,\"seller\":\"\xff\""), "", "not UTF-8"},
		"a control character":         {line(`"unit_price":"1.00","quantity":1,"seller":"a\u0000b"`), "cart.lines[0].seller", "control characters"},
		"more than a document holds":  {line(`"unit_price":"1.00","quantity":1,"seller":"` + strings.Repeat("x", coupon.MaxTrial) + `"`), "", "more than 1048576 bytes"},
		"something after it":          {`{` + cart + at + `} {}`, "", "not one JSON document"},
		"a list":                      {`[1]`, "", "is a list, want an object"},
		"a text":                      {`"a"`, "", `want an object`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := check(t, strings.NewReader("{"+cart+at+"}\r\n"+c.document+"\n\n{"+cart+at+"}"))
			assert.Equal(t, 1, code)
			assert.Empty(t, errs)
			answers := strings.Split(strings.TrimSpace(out), "\n")
			require.Len(t, answers, 3)
			assert.Equal(t, answers[0], answers[2])
			assert.Contains(t, answers[0], `"total":"1.00"`)
			var answer struct {
				Error  string
				Faults []fault
			}
			require.NoError(t, json.Unmarshal([]byte(answers[1]), &answer))
			assert.NotEmpty(t, answer.Error)
			found := slices.ContainsFunc(answer.Faults, func(f fault) bool {
				return (c.path == "" || f.Path == c.path) && strings.Contains(f.Problem, c.problem)
			})
			assert.True(t, found, "%v", answer.Faults)
			assert.Less(t, len(answers[1]), 2_000)
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
	const hostile = `\u009b31m\u202e\u001b[2J`
	const document = `{"cart":{"currency":"EUR","lines":[{"id":"%s","product":"p","quantity":1,"unit_price":"1"}]},"codes":["%s"],"at":"2026-11-20T12:00:00Z"}`
	for text, wanted := range map[string]int{
		fmt.Sprintf(document, "1", hostile): 0, // anything can be typed as a code
		fmt.Sprintf(document, hostile, "A"): 1,
	} {
		code, out, _ := check(t, strings.NewReader(text), "-table")
		assert.Equal(t, wanted, code)
		assert.NotContains(t, out, "\u009b")
		assert.NotContains(t, out, "\u202e")
		assert.NotContains(t, out, "\u001b")
	}
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

// Wide characters take two columns, marks on others none.
func TestTablesAlignAnyScript(t *testing.T) {
	const document = `{"cart":{"currency":"EUR","lines":[{"id":"ab","product":"p","quantity":1,"unit_price":"1"},` +
		`{"id":"茶","product":"p","quantity":1,"unit_price":"1"},{"id":"e\u0301f","product":"p","quantity":1,"unit_price":"1"}]},"at":"2026-11-20T12:00:00Z"}`
	_, out, _ := check(t, strings.NewReader(document), "-table")
	assert.Contains(t, out, "\nab     ")
	assert.Contains(t, out, "\n茶     ")
	assert.Contains(t, out, "\ne\u0301f     ")
}

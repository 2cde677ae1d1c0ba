package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
)

// whatIfRows replays the generated shop and gives the rows about a changed program, and
// the others.
func whatIfRows(t *testing.T, changed *referral.Program) (told, others []row) {
	s := memorySession(t)
	s.whatIf = changed
	r, err := replayRetail(t.Context(), s, generateRetail().source())
	require.NoError(t, err)
	assert.Empty(t, r.broken)
	telling := false
	for _, row := range r.rows {
		if row.figure == "" { // a section begins
			telling = strings.HasPrefix(row.what, "What if")
		}
		if telling {
			told = append(told, row)
		} else {
			others = append(others, row)
		}
	}
	return told, others
}

// What the program of the file would have given is told beside what was, and nothing
// else of the report changes: nothing is written.
func TestWhatIf(t *testing.T) {
	changed, err := readWhatIf("testdata/whatif.json", allSets())
	require.NoError(t, err)
	told, others := whatIfRows(t, changed)
	_, without := whatIfRows(t, nil)
	assert.Equal(t, without, others)
	var lines []string
	for _, row := range told[1:] {
		lines = append(lines, fmt.Sprintf("%s: %s; %s", row.what, row.figure, row.remark))
	}
	assert.Equal(t, []string{
		"  friends who registered by a link: 34; 34",
		"  friends qualified, and stayed so: 29; 26", // three came back within two weeks
		"  all rewards: 60; 48",
		"    withheld, by a cap or the budget: 4; 5",
		"    granted, and taken back: 3; 0", // those three, who came back after the rewards were there
		"    coupons of friend-5: 26; none",
		"    coupons of welcome-10: 34; none",
		"    coupons of welcome-3: 68; none",
		"    credit, GBP: none; 240.00 GBP",
		"  referrer, qualified: 26; 22",
		"    withheld, by a cap or the budget: 4; 5", // of 26 four, and one of the three
		"    granted, and taken back: 3; 0",
		"    coupons of friend-5: 26; none",
		"    credit, GBP: none; 110.00 GBP",
		"  referee, registered: 34; 0",
		"    withheld, by a cap or the budget: 0; 0",
		"    granted, and taken back: 0; 0",
		"    coupons of welcome-10: 34; none",
		"    coupons of welcome-3: 68; none",
		"  referee, qualified: 0; 26",
		"    withheld, by a cap or the budget: 0; 0",
		"    granted, and taken back: 0; 0",
		"    credit, GBP: none; 130.00 GBP",
	}, lines)
}

// The program as it was would have given what it gave, and taken back what it took back.
func TestWhatIfNothingChanged(t *testing.T) {
	terms := giftShopTerms()
	told, _ := whatIfRows(t, &terms)
	for _, row := range told[1:] {
		assert.Equal(t, row.figure, row.remark, row.what)
	}
}

func TestWhatIfRefuses(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	document, err := os.ReadFile("testdata/whatif.json")
	require.NoError(t, err)
	var another map[string]any
	require.NoError(t, json.Unmarshal(document, &another))
	another["id"] = "book-shop"
	renamed, err := json.Marshal(another)
	require.NoError(t, err)
	for want, args := range map[string][]string{
		"no such file":                  {"-whatif", filepath.Join(folder, "none.json")},
		"rewards: is empty":             {"-whatif", write("empty.json", `{"id": "gift-shop", "name": "Nothing"}`)},
		`id is "book-shop", want "gift`: {"-whatif", write("another.json", string(renamed))},
		"-whatif is for the set ukre":   {"-set", "olist", "-whatif", "testdata/whatif.json"},
	} {
		assert.ErrorContains(t, run(t.Context(), append(args, "-store", "memory"), io.Discard, io.Discard), want)
	}
}

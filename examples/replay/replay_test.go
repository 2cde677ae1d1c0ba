package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dataFolder is where the real data is: named by VOUCH_DATA, or beside the
// repository. A newcomer has none; where CI says "true" it must be there.
func dataFolder(t *testing.T) string {
	for _, folder := range []string{os.Getenv("VOUCH_DATA"), "../../../shared/data", "../../../../shared/data"} {
		if _, err := os.Stat(filepath.Join(folder, "journey")); folder != "" && err == nil {
			return folder
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the data is not there, and with CI=true nothing may be skipped: name its folder in VOUCH_DATA")
	}
	t.Skip("the data is not there: name its folder in VOUCH_DATA to replay it")
	return ""
}

func memorySession(t *testing.T) *session {
	stores, err := openStores("memory", "")
	require.NoError(t, err)
	return &session{stores: stores, progress: newProgress(io.Discard)}
}

// The real sets keep every promise that a report checks: what was redeemed is
// accepted, what must be refused is, and the books agree.
func TestRealSets(t *testing.T) {
	folder := dataFolder(t)
	for _, set := range allSets() {
		t.Run(set.name, func(t *testing.T) {
			src, found := openFolder(folder, set.name)
			require.True(t, found)
			r, err := set.replay(t.Context(), memorySession(t), src)
			require.NoError(t, err)
			assert.Empty(t, r.broken)
		})
	}
}

// The oracle of the campaigns, for the slice its authors counted.
func TestJourneyOracle(t *testing.T) {
	src, found := openFolder(dataFolder(t), "journey")
	require.True(t, found)
	j, err := readJourney(src)
	require.NoError(t, err)
	if len(j.redemptions) != 1454 {
		t.Skipf("another slice, of %d redemptions", len(j.redemptions))
	}
	assert.Len(t, j.campaigns, 27)
	assert.Equal(t, 21, len(j.redemptions)-j.distinct())
}

func TestGeneratedSets(t *testing.T) {
	for _, kind := range []string{"memory", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(t.Context(), []string{"-store", kind}, &out, io.Discard))
			assert.Contains(t, out.String(), "No data for journey (name their folder with -data): replaying a small generated set instead.")
			assert.NotContains(t, out.String(), "WRONG")
		})
	}
}

// Everything a set holds is used by its generated twin, or a newcomer sees less
// than there is.
func TestGeneratedSetsShowEverything(t *testing.T) {
	for _, set := range allSets() {
		r, err := set.replay(t.Context(), memorySession(t), set.generate().source())
		require.NoError(t, err)
		for _, row := range r.rows {
			if row.remark != "ok" {
				assert.NotEqual(t, "0", row.figure, "%s: %s", set.name, row.what)
			}
		}
	}
}

func TestReplayTwiceIsTheSame(t *testing.T) {
	var first, second bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-store", "memory"}, &first, io.Discard))
	require.NoError(t, run(t.Context(), []string{"-store", "memory"}, &second, io.Discard))
	assert.Equal(t, first.String(), second.String())
}

func TestFilesAreKept(t *testing.T) {
	folder := t.TempDir()
	db, journal := filepath.Join(folder, "replay.db"), filepath.Join(folder, "books.journal")
	args := []string{"-set", "olist", "-data", filepath.Join(folder, "none"), "-db", db, "-journal", journal}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	assert.Contains(t, out.String(), "there is no folder "+filepath.Join(folder, "none", "olist"))
	assert.FileExists(t, db)
	book, err := os.ReadFile(journal)
	require.NoError(t, err)
	assert.Contains(t, string(book), "promotions:platform")

	err = run(t.Context(), args, io.Discard, io.Discard)
	assert.ErrorContains(t, err, "is there already")
}

func TestBadFlags(t *testing.T) {
	for want, args := range map[string][]string{
		`no set "nowhere"`:   {"-set", "nowhere"},
		`no set "olist all"`: {"olist"},
		`no store "paper"`:   {"-store", "paper"},
		"memory without -db": {"-store", "memory", "-db", "x.db"},
		"not defined":        {"-nothing"},
	} {
		assert.ErrorContains(t, run(t.Context(), args, io.Discard, io.Discard), want)
	}
}

func TestJournalFile(t *testing.T) {
	assert.Equal(t, "out/books.journal", journalFile("out/books.journal", "olist", false))
	assert.Equal(t, "out/books-olist.journal", journalFile("out/books.journal", "olist", true))
	assert.Equal(t, "out.d/books-olist", journalFile("out.d/books", "olist", true))
}

// A promise that is not kept ends the program with an error.
func TestBrokenPromiseIsAnError(t *testing.T) {
	r := &report{title: "a set"}
	check(r, "kept", 2, 2)
	require.Empty(t, r.broken)
	check(r, "total", gbp("1.00"), gbp("1.01"))
	assert.Equal(t, []string{"total"}, r.broken)
	var out bytes.Buffer
	r.print(&out)
	assert.Contains(t, out.String(), "WRONG: want 1.01 GBP")

	journey := allSets()[0]
	faulty := journey.generate()
	faulty.add("journey/redemptions", "2026-12-24", "100", "5000", "1") // long after its campaign
	journey.generate = func() tables { return faulty }
	out.Reset()
	err := replay(t.Context(), memorySession(t), []set{journey}, "", &out)
	assert.ErrorContains(t, err, "checks failed")
}

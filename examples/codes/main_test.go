package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	exported, err := os.ReadFile("testdata/exported.csv")
	require.NoError(t, err)
	folder, now := t.TempDir(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for range 2 { // the same file again issues nothing twice
		var out strings.Builder
		require.NoError(t, run(t.Context(), filepath.Join(folder, "shop.db"), "testdata/codes.csv", filepath.Join(folder, "out.csv"), &out, now))
		require.Equal(t, string(want), out.String())
		got, err := os.ReadFile(filepath.Join(folder, "out.csv"))
		require.NoError(t, err)
		require.Equal(t, string(exported), string(got))
	}
}

// TestSeveralChunks imports what another file has in part brought before.
func TestSeveralChunks(t *testing.T) {
	folder, now := t.TempDir(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	first, all := filepath.Join(folder, "first.csv"), filepath.Join(folder, "all.csv")
	require.NoError(t, makeCodes(all, 350))
	codes, err := os.ReadFile(all)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(codes), "\n")
	require.NoError(t, os.WriteFile(first, []byte(strings.Join(lines[120:123], "")), 0o600))
	db, to := filepath.Join(folder, "shop.db"), filepath.Join(folder, "out.csv")
	var out strings.Builder
	require.NoError(t, run(t.Context(), db, first, to, &out, now))
	require.Contains(t, out.String(), "3 codes imported, 0 lines left out\n3 codes exported")
	out.Reset()
	require.NoError(t, run(t.Context(), db, all, to, &out, now))
	require.Contains(t, out.String(), "347 codes imported, 3 lines left out\n350 codes exported")
	for _, line := range []string{"line 121: ", "line 122: ", "line 123: "} {
		require.Contains(t, out.String(), line)
	}
}

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStory compares the whole output with a golden file, codes and all: they come
// from a random source with a seed.
func TestStory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	random := rand.NewChaCha8([32]byte{})
	for _, golden := range []string{"first.txt", "again.txt", "once-more.txt"} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), path, &out, random))
		golden = filepath.Join("testdata", golden)
		if os.Getenv("UPDATE") != "" {
			require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), out.String())
	}
}

// TestStoryOnABrokenFile says what is wrong, and tells nothing.
func TestStoryOnABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	require.NoError(t, os.WriteFile(path, []byte("this is not a database, whatever its name says"), 0o644))
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), path, &out, rand.NewChaCha8([32]byte{})), "not a database")
	require.Empty(t, out.String())
}

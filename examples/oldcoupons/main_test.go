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
	path, now := filepath.Join(t.TempDir(), "shop.db"), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for range 2 { // moved again, everything is there once
		var out strings.Builder
		require.NoError(t, run(t.Context(), path, &out, now))
		require.Equal(t, string(want), out.String())
	}
}

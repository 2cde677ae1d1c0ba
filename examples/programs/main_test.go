package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTenProgramsSideBySide(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/month.txt", out.Bytes(), 0o644))
	}
	want, err := os.ReadFile("testdata/month.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
}

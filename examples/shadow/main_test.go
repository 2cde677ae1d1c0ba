package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, run(&out, 10_000, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)))
	require.Equal(t, string(want), out.String())
}

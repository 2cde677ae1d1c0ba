package main

import (
	"cmp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	url := cmp.Or(os.Getenv("VOUCH_POSTGRES"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("with CI=true nothing may be skipped: %v", err)
		}
		t.Skipf("no PostgreSQL (set VOUCH_POSTGRES to one): %v", err)
	}
	require.NoError(t, conn.Close(t.Context()))
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, run(t.Context(), url, &out, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)))
	require.Equal(t, string(want), out.String())
}

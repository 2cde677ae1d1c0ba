package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storage.Store { return open(t, filepath.Join(t.TempDir(), "shop.bolt")) }, storetest.Features{})
}

func open(t *testing.T, path string) Store {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true}) // a test's machine may crash
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := Open(db)
	require.NoError(t, err)
	return store
}

func TestRun(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "shop.bolt"), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, run(t.Context(), path, &out, now))
	require.Equal(t, string(want), out.String())
	require.NoError(t, run(t.Context(), path, &out, now.Add(time.Hour)))
	require.Equal(t, 5, strings.Count(out.String(), "This code can't be used."), "the file remembers the three")
	report, err := coupon.Audit(t.Context(), open(t, path))
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// TestStoreIsShort holds the program to what it says of itself.
func TestStoreIsShort(t *testing.T) {
	source, err := os.ReadFile("store.go")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(source), "\n"), 200)
}

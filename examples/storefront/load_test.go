package main

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A small flash sale: no request fails, the cap is exact, the budget is kept and the
// books balance, or runLoad fails.
func TestLoad(t *testing.T) {
	sale := load{shoppers: 16, lasts: 4 * time.Second, cap: 5, budget: price("6.00")}
	for name, database := range databases(t) {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, runLoad(context.Background(), database, sale, &out), "%s", &out)
			require.Contains(t, out.String(), "of at most 5")
			require.Contains(t, out.String(), "discrepancies 0")
		})
	}
}

// databases are those that the shop runs on: PostgreSQL where the machine has it.
func databases(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"sqlite": filepath.Join(t.TempDir(), "shop.db")}
	server := os.Getenv("VOUCH_POSTGRES")
	if server == "" {
		server = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	defer db.Close()
	if err := db.Ping(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no PostgreSQL at VOUCH_POSTGRES: %v", err)
		}
		t.Logf("without PostgreSQL: %v", err)
		return found
	}
	const schema = "vouch_storefront_load"
	_, err = db.Exec(`DROP SCHEMA IF EXISTS ` + schema + ` CASCADE`)
	require.NoError(t, err)
	_, err = db.Exec(`CREATE SCHEMA ` + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		db, err := sql.Open("pgx", server)
		require.NoError(t, err)
		_, err = db.Exec(`DROP SCHEMA ` + schema + ` CASCADE`)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	separator := "?"
	if bytes.ContainsRune([]byte(server), '?') {
		separator = "&"
	}
	found["postgres"] = server + separator + "search_path=" + schema
	return found
}

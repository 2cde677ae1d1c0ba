package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
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

// databases are those that the shop runs on: the servers where the machine has them.
func databases(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"sqlite": filepath.Join(t.TempDir(), "shop.db")}
	if url := onPostgres(t); url != "" {
		found["postgres"] = url
	}
	if url := onMySQL(t); url != "" {
		found["mysql"] = url
	}
	return found
}

const own = "vouch_storefront_test" // the schema or database of these tests

// onPostgres makes an empty schema, and gives the URL that leads to it; "" where there
// is no server.
func onPostgres(t *testing.T) string {
	t.Helper()
	server := cmp.Or(os.Getenv("VOUCH_POSTGRES"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	if !makeAnew(t, "pgx", server, "DROP SCHEMA IF EXISTS "+own+" CASCADE", "CREATE SCHEMA "+own) {
		return ""
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", own)
	u.RawQuery = q.Encode()
	return u.String()
}

// onMySQL is onPostgres for MySQL and MariaDB.
func onMySQL(t *testing.T) string {
	t.Helper()
	server := cmp.Or(os.Getenv("VOUCH_MYSQL"), "root@tcp(127.0.0.1:3306)/")
	if !makeAnew(t, "mysql", server, "DROP DATABASE IF EXISTS "+own, "CREATE DATABASE "+own) {
		return ""
	}
	config, err := mysql.ParseDSN(server)
	require.NoError(t, err)
	u := url.URL{Scheme: "mysql", User: url.UserPassword(config.User, config.Passwd), Host: config.Addr, Path: "/" + own}
	return u.String()
}

// makeAnew drops and creates, and drops again in the end.
func makeAnew(t *testing.T, driver, server, drop, create string) bool {
	t.Helper()
	db, err := sql.Open(driver, server)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	if err := db.Ping(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no server for %s: %v", driver, err)
		}
		t.Logf("without %s: %v", driver, err)
		return false
	}
	for _, statement := range []string{drop, create} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		_, err := db.Exec(drop)
		require.NoError(t, err)
	})
	return true
}

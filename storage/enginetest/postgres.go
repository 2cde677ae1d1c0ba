package enginetest

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "github.com/lib/pq"              // the driver "postgres"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// postgres is the server that VOUCH_POSTGRES names by its URL, by default one on
// this machine that trusts its users. Each DSN is a schema of its own.
func postgres(name, driver string) Engine {
	server := cmp.Or(os.Getenv("VOUCH_POSTGRES"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	return Engine{
		Name: name, Driver: driver, Dialect: sqlstore.PostgreSQL,
		DSN: func(t testing.TB) string {
			schema := unique()
			onServer(t, driver, server, "VOUCH_POSTGRES",
				"CREATE SCHEMA "+schema, "SET lock_timeout = '10s'", "DROP SCHEMA "+schema+" CASCADE")
			dsn, err := url.Parse(server)
			require.NoError(t, err)
			query := dsn.Query()
			query.Set("search_path", schema)
			dsn.RawQuery = query.Encode()
			return dsn.String()
		},
	}
}

// unique is a name for a schema or database, which tells when it was made.
func unique() string {
	return strings.ToLower(fmt.Sprintf("vouch_%s_%s", time.Now().Format("150405"), rand.Text()))
}

// onServer runs a statement now and others after the test. It calls Absent when
// the server does not answer.
func onServer(t testing.TB, driver, dsn, env, now string, after ...string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	if err := db.Ping(); err != nil {
		Absent(t, fmt.Sprintf("the server (set %s to one: %v)", env, err))
	}
	_, err = db.Exec(now)
	require.NoError(t, err)
	t.Cleanup(func() {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		defer db.Close()
		db.SetMaxOpenConns(1)
		for _, statement := range after {
			_, err = db.Exec(statement)
			require.NoError(t, err)
		}
	})
}

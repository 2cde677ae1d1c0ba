package enginetest

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// examined are the findings at this instant, as "severity name".
func examined(t *testing.T, s *sqlstore.Store) []string {
	t.Helper()
	findings, err := s.Doctor(t.Context(), time.Now())
	require.NoError(t, err)
	found := []string{}
	for _, f := range findings {
		for _, text := range []string{f.Name, f.Found, f.Means, f.Do} {
			require.NotEmpty(t, text, "%+v", f)
		}
		found = append(found, f.Severity.String()+" "+f.Name)
	}
	return found
}

func TestDoctorFindsNothingInASoundDatabase(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			store := e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{Prefix: "shop_7_"})
			require.Empty(t, examined(t, store))
		})
	}
}

// TestDoctorReadsTheSchema: what is missing in the tables, or is not as the
// migrations made it.
func TestDoctorReadsTheSchema(t *testing.T) {
	const unique, index, migrations = "danger index", "note index", "danger migrations"
	type harm struct {
		statement string
		found     []string
	}
	for dialect, harms := range map[sqlstore.Dialect][]harm{
		sqlstore.SQLite: {
			{"DROP INDEX vouch_docs_due", []string{index}},
			{"DROP INDEX vouch_counters_until", []string{index}},
			{"ALTER TABLE vouch_counters RENAME TO old", []string{unique, index}},
		},
		sqlstore.PostgreSQL: {
			{"DROP INDEX vouch_docs_due", []string{index}},
			{"ALTER TABLE vouch_docs DROP CONSTRAINT vouch_docs_pkey", []string{unique}},
			{"ALTER TABLE vouch_lists SET UNLOGGED", []string{"danger unlogged"}},
			{`ALTER TABLE vouch_counters ALTER COLUMN name TYPE text COLLATE "und-x-icu"`, []string{"danger collation"}},
		},
		sqlstore.MySQL: {
			{"DROP INDEX vouch_docs_due ON vouch_docs", []string{index}},
			{"ALTER TABLE vouch_docs DROP PRIMARY KEY", []string{unique}},
			{"ALTER TABLE vouch_counters ENGINE = MyISAM", []string{"danger engine"}},
		},
	} {
		all := append(harms,
			harm{"DELETE FROM vouch_migrations", nil}, // as when another tool has applied them
			harm{"UPDATE vouch_migrations SET checksum = 'another'", []string{migrations}},
			harm{"INSERT INTO vouch_migrations (version, name, checksum) VALUES (9000, 'later', 'x')", []string{"caution migrations"}})
		for _, e := range usual() {
			if e.Dialect != dialect {
				continue
			}
			for _, h := range all {
				t.Run(e.Name+"/"+h.statement, func(t *testing.T) {
					db := e.Open(t, e.DSN(t), 0)
					store := e.Store(t, db, sqlstore.Options{})
					_, err := db.Exec(h.statement)
					require.NoError(t, err)
					require.ElementsMatch(t, h.found, examined(t, store))
				})
			}
			t.Run(e.Name+"/not migrated", func(t *testing.T) {
				found := examined(t, e.New(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{}))
				require.NotEmpty(t, found)
				for _, f := range found {
					require.Equal(t, migrations, f)
				}
			})
		}
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			store := e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})
			for ahead, words := range map[time.Duration]string{
				time.Second: "", -time.Second: "", -4 * time.Second: "ahead of the caller's", 4 * time.Second: "behind the caller's",
			} {
				findings, err := store.Doctor(t.Context(), time.Now().Add(ahead))
				require.NoError(t, err)
				if words == "" {
					require.Empty(t, findings)
					continue
				}
				require.Len(t, findings, 1)
				require.Equal(t, "clock", findings[0].Name)
				require.Contains(t, findings[0].String(), words)
			}
		})
	}
}

// TestDoctorReadsSettings of a session, of the DSN that makes it.
func TestDoctorReadsSettings(t *testing.T) {
	for _, c := range []struct {
		engine, setting, found string
	}{
		{"postgres", "synchronous_commit=off", "danger synchronous_commit"},
		{"postgres", "default_transaction_read_only=on", "danger default_transaction_read_only"},
		{"postgres", "default_transaction_isolation=serializable", "note default_transaction_isolation"},
		{"postgres", "default_transaction_isolation=repeatable+read", "note default_transaction_isolation"},
		{"mariadb", "transaction_isolation='READ-UNCOMMITTED'", "danger transaction_isolation"},
		{"mariadb", "transaction_isolation='SERIALIZABLE'", "note transaction_isolation"},
		{"mariadb", "transaction_isolation='READ-COMMITTED'", ""},
		{"mariadb", "autocommit=0", "danger autocommit"},
		{"mariadb", "sql_mode=''", "caution sql_mode"},
		{"sqlite", "synchronous(OFF)", "danger synchronous"},
		{"sqlite", "synchronous(NORMAL)", "caution synchronous"},
		{"sqlite", "synchronous(EXTRA)", ""},
		{"sqlite", "journal_mode(DELETE)", "note journal_mode"},
		{"sqlite", "journal_mode(MEMORY)", "danger journal_mode"},
		{"sqlite", "busy_timeout(0)", "caution busy_timeout"},
		{"sqlite", "locking_mode(EXCLUSIVE)", "caution locking_mode"},
		{"sqlite", "query_only(1)", "danger query_only"},
		{"sqlite", "read_uncommitted(1)", "danger read_uncommitted"},
	} {
		for _, e := range usual() {
			if e.Name != c.engine {
				continue
			}
			t.Run(e.Name+"/"+c.setting, func(t *testing.T) {
				dsn := e.DSN(t)
				migrating := e.Open(t, dsn, 0)
				e.Store(t, migrating, sqlstore.Options{})
				setting, found := c.setting, c.found
				if e.Dialect == sqlstore.MySQL {
					known, err := migrating.Query("SHOW VARIABLES LIKE 'transaction_isolation'")
					require.NoError(t, err)
					if !known.Next() { // MariaDB before 11.1
						setting, found = strings.Replace(setting, "transaction_isolation", "tx_isolation", 1), strings.Replace(found, "transaction_isolation", "tx_isolation", 1)
					}
					require.NoError(t, known.Close())
				}
				require.NoError(t, migrating.Close())
				conns := 0
				switch e.Dialect {
				case sqlstore.SQLite:
					conns = 1 // a file in exclusive mode has no second connection
					dsn = withPragma(dsn, setting)
				case sqlstore.PostgreSQL:
					dsn += "&" + setting
				default:
					config, err := driver.ParseDSN(dsn)
					require.NoError(t, err)
					name, value, _ := strings.Cut(setting, "=")
					config.Params = map[string]string{name: value}
					dsn = config.FormatDSN()
				}
				var want []string
				if found != "" {
					want = append(want, found)
				}
				require.ElementsMatch(t, want, examined(t, e.New(t, e.Open(t, dsn, conns), sqlstore.Options{})))
			})
		}
	}
}

// withPragma sets a pragma in a DSN.
func withPragma(dsn, pragma string) string {
	name, _, _ := strings.Cut(pragma, "(")
	return regexp.MustCompile(`_pragma=`+name+`%28\w+%29&?`).ReplaceAllString(dsn, "") + "&_pragma=" + pragma
}

func TestDoctorOfSQLite(t *testing.T) {
	e := sqlite()
	t.Run("a pragma that reaches one connection", func(t *testing.T) {
		db := e.Open(t, e.DSN(t), 0)
		store := e.Store(t, db, sqlstore.Options{})
		_, err := db.Exec("PRAGMA synchronous = OFF")
		require.NoError(t, err)
		require.Equal(t, []string{"danger synchronous", "caution synchronous"}, examined(t, store))
	})
	t.Run("a plain path", func(t *testing.T) {
		path, _, _ := strings.Cut(e.DSN(t), "?")
		store := e.Store(t, e.Open(t, path, 0), sqlstore.Options{})
		require.Equal(t, []string{"caution busy_timeout", "note journal_mode"}, examined(t, store))
	})
	t.Run("in memory", func(t *testing.T) {
		store := e.Store(t, e.Open(t, ":memory:", 1), sqlstore.Options{})
		require.Equal(t, []string{"danger file", "caution busy_timeout"}, examined(t, store))
	})
	t.Run("in UTF-16", func(t *testing.T) {
		store := e.New(t, e.Open(t, withPragma(e.DSN(t), "encoding('UTF-16')"), 0), sqlstore.Options{})
		require.Contains(t, examined(t, store), "danger encoding")
	})
	t.Run("in a transaction", func(t *testing.T) {
		store := e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{})
		require.NoError(t, store.InTx(t.Context(), func(_ *sql.Tx, bound *sqlstore.Store) error {
			_, err := bound.Doctor(t.Context(), time.Now())
			require.ErrorIs(t, err, sqlstore.ErrHandle)
			return nil
		}))
	})
}

// TestDoctorOfServers: settings that are a server's alone, on servers of the
// test's own.
func TestDoctorOfServers(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		e := usual()[1]
		server := PrivatePostgres(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
		db := e.Open(t, server.DSN, 0)
		store := e.Store(t, db, sqlstore.Options{})
		found := []string{"danger fsync", "danger full_page_writes", "danger synchronous_commit"}
		require.ElementsMatch(t, found, examined(t, store))
		_, err := db.Exec("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vouch_lists_pkey'::regclass")
		require.NoError(t, err, "only its superuser may")
		require.ElementsMatch(t, append(found, "danger index"), examined(t, store))
	})
	t.Run("mariadb", func(t *testing.T) {
		e := usual()[2]
		server := PrivateMariaDB(t, "innodb-flush-log-at-trx-commit=2", "innodb-doublewrite=0", "log-bin", "sync-binlog=0", "max-allowed-packet=1M")
		store := e.Store(t, e.Open(t, server.DSN, 0), sqlstore.Options{})
		require.ElementsMatch(t, []string{
			"danger innodb_flush_log_at_trx_commit", "danger innodb_doublewrite", "danger sync_binlog", "caution max_allowed_packet",
		}, examined(t, store))
	})
}

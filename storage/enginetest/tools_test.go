package enginetest

import (
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	migratesqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// views are all that the library declares.
func views() []storage.View {
	var views []storage.View
	for _, more := range [][]storage.View{ledger.Views(), coupon.Views(), referral.Views()} {
		views = append(views, more...)
	}
	return views
}

// tools are other ways to bring the embedded files into a database.
var tools = map[string]func(*testing.T, Engine, *sql.DB){
	"goose":          withGoose,
	"golang-migrate": withGolangMigrate,
	"script":         withScript,
}

// TestOtherTools: whoever migrates with a tool of their own needs only the views
// from the store, and may go over to Migrate: it finds everything done, also when
// the tool did the first files only.
func TestOtherTools(t *testing.T) {
	for _, e := range usual() {
		for name, apply := range tools {
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				dsn := severalStatements(t, e, e.DSN(t))
				db := e.Open(t, dsn, 0)
				apply(t, e, db)
				store := e.New(t, db, sqlstore.Options{})
				require.NoError(t, store.CreateViews(t.Context(), coupons))
				require.NoError(t, store.Apply(t.Context(), claim("1")))
				require.Empty(t, examined(t, store))

				var changes []string
				tapped := e.New(t, e.Tap(t, dsn, 0, func(s Step) error {
					for _, change := range []string{"CREATE", "ALTER", "DROP", "COMMENT"} {
						if !s.Done && strings.HasPrefix(s.Statement, change) && !strings.HasPrefix(s.Statement, "CREATE OR REPLACE VIEW") {
							changes = append(changes, s.Statement)
						}
					}
					return nil
				}), sqlstore.Options{})
				require.NoError(t, tapped.Migrate(t.Context(), coupons))
				if name != "script" {
					require.Len(t, changes, 1, "the record of Migrate's own")
					require.Contains(t, changes[0], "vouch_migrations")
					changes = nil
				}
				require.Empty(t, changes)
				require.NoError(t, tapped.Migrate(t.Context(), coupons))
				require.Empty(t, changes)
				require.ErrorIs(t, store.Apply(t.Context(), claim("1")), storage.ErrConflict, "what was there is there")
			})
		}
		t.Run(e.Name+"/the first file only", func(t *testing.T) {
			dsn := severalStatements(t, e, e.DSN(t))
			db := e.Open(t, dsn, 0)
			files, err := sqlstore.Migrations(e.Dialect)
			require.NoError(t, err)
			names, err := fs.Glob(files, "0001_*")
			require.NoError(t, err)
			first, err := fs.ReadFile(files, names[0])
			require.NoError(t, err)
			_, err = db.Exec(string(first))
			require.NoError(t, err)
			store := e.Store(t, db, sqlstore.Options{})
			require.NoError(t, store.Apply(t.Context(), claim("1")))
			require.Empty(t, examined(t, store))
		})
	}
}

// severalStatements lets one Exec do several, which the tools expect of MySQL's
// driver.
func severalStatements(t *testing.T, e Engine, dsn string) string {
	if e.Dialect != sqlstore.MySQL {
		return dsn
	}
	config, err := driver.ParseDSN(dsn)
	require.NoError(t, err)
	config.MultiStatements, config.ParseTime = true, true
	return config.FormatDSN()
}

func withGoose(t *testing.T, e Engine, db *sql.DB) {
	files, err := sqlstore.Migrations(e.Dialect)
	require.NoError(t, err)
	provider, err := goose.NewProvider(map[sqlstore.Dialect]goose.Dialect{
		sqlstore.SQLite: goose.DialectSQLite3, sqlstore.PostgreSQL: goose.DialectPostgres, sqlstore.MySQL: goose.DialectMySQL,
	}[e.Dialect], db, files)
	require.NoError(t, err)
	done, err := provider.Up(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, done)
	done, err = provider.Up(t.Context())
	require.NoError(t, err)
	require.Empty(t, done)
}

func withGolangMigrate(t *testing.T, e Engine, db *sql.DB) {
	files, err := sqlstore.Migrations(e.Dialect)
	require.NoError(t, err)
	source, err := iofs.New(files, ".")
	require.NoError(t, err)
	var target database.Driver
	switch e.Dialect {
	case sqlstore.PostgreSQL:
		target, err = migratepgx.WithInstance(db, &migratepgx.Config{})
	case sqlstore.MySQL:
		target, err = migratemysql.WithInstance(db, &migratemysql.Config{})
	default:
		target, err = migratesqlite.WithInstance(db, &migratesqlite.Config{})
	}
	require.NoError(t, err)
	migration, err := migrate.NewWithInstance("iofs", source, string(e.Dialect), target)
	require.NoError(t, err)
	require.NoError(t, migration.Up())
	if err := migration.Up(); !errors.Is(err, migrate.ErrNoChange) {
		require.NoError(t, err)
	}
}

func withScript(t *testing.T, e Engine, db *sql.DB) {
	script, err := sqlstore.Script(e.Dialect, "", coupons)
	require.NoError(t, err)
	_, err = db.Exec(script)
	require.NoError(t, err)
}

// TestScriptOfAllViews runs under a prefix of the shop's own, as Migrate leaves it.
func TestScriptOfAllViews(t *testing.T) {
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, severalStatements(t, e, e.DSN(t)), 0)
			script, err := sqlstore.Script(e.Dialect, "shop7_", views()...)
			require.NoError(t, err)
			_, err = db.Exec(script)
			require.NoError(t, err)
			for _, v := range views() {
				var rows int
				require.NoError(t, db.QueryRow("SELECT count(*) FROM shop7_"+v.Name).Scan(&rows))
				require.Zero(t, rows)
			}
			store := e.New(t, db, sqlstore.Options{Prefix: "shop7_"})
			require.Empty(t, examined(t, store))
			require.NoError(t, store.Migrate(t.Context(), views()...))
			require.NoError(t, store.Apply(t.Context(), claim("1")))
		})
	}
}

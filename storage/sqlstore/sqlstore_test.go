package sqlstore_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func ExampleSQLiteDSN() {
	fmt.Println(strings.Split(sqlstore.SQLiteDSN("data/my shop.db"), "?")[0])
	// Output: file:data/my%20shop.db
}

func ExampleMigrations() {
	files, err := sqlstore.Migrations(sqlstore.SQLite)
	if err != nil {
		panic(err)
	}
	names, err := fs.Glob(files, "*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		fmt.Println(name)
	}
	// Output: 0001_documents.up.sql
}

func TestNew(t *testing.T) {
	_, err := sqlstore.New(nil, "oracle", sqlstore.Options{Prefix: "Vouch-", Attempts: -1})
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{"the database is nil", `dialect "oracle"`, `prefix "Vouch-"`, "-1 attempts"} {
		require.ErrorContains(t, err, fault)
	}
	for prefix, valid := range map[string]bool{
		"": true, "v": true, "shop_7_": true, strings.Repeat("a", 24): true,
		strings.Repeat("a", 25): false, "7": false, "_v": false, "é": false, "a b": false, "a;": false, "a\n": false,
	} {
		_, err := sqlstore.New(new(sql.DB), sqlstore.SQLite, sqlstore.Options{Prefix: prefix})
		require.Equal(t, valid, err == nil, "prefix %q: %v", prefix, err)
	}
	_, err = sqlstore.Migrations("oracle")
	require.ErrorIs(t, err, storage.ErrInvalid)
}

// TestReleasedMigrationsNeverChange: a change to a file that somebody has
// applied is refused by Migrate. Write a new file instead.
func TestReleasedMigrationsNeverChange(t *testing.T) {
	for _, dialect := range dialects {
		var sums strings.Builder
		for _, m := range migrations(t, dialect) {
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(m.text)), m.name)
		}
		want, err := os.ReadFile(filepath.Join("testdata", string(dialect)+".sha256"))
		require.NoError(t, err)
		require.Equal(t, string(want), sums.String())
	}
}

// TestMigrationsFitOtherTools: goose wants its annotation and takes a semicolon
// at the end of a line as the end of a statement; golang-migrate goes by the
// name; neither may find a transaction begun in the file; the prefix is replaced
// in the text.
func TestMigrationsFitOtherTools(t *testing.T) {
	for _, dialect := range dialects {
		for i, m := range migrations(t, dialect) {
			require.Regexp(t, fmt.Sprintf(`^%04d_[a-z0-9_]+\.up\.sql$`, i+1), m.name)
			require.True(t, strings.HasPrefix(m.text, "-- +goose Up\n"), m.name)
			require.Equal(t, 1, strings.Count(m.text, "+goose Up"), m.name)
			require.Regexp(t, `;\n(-- \+goose StatementEnd\n)?$`, m.text)
			require.NotRegexp(t, `(?i)\b(begin|commit|rollback)\b`, regexp.MustCompile(`(?s)\$\$.*?\$\$`).ReplaceAllString(m.text, ""))
			for _, object := range regexp.MustCompile(`(?m)^CREATE (?:TABLE(?: IF NOT EXISTS)?|INDEX|FUNCTION) (\S+)`).FindAllStringSubmatch(m.text, -1) {
				require.True(t, strings.HasPrefix(object[1], sqlstore.DefaultPrefix), object[0])
			}
		}
	}
}

var dialects = []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL}

type migration struct{ name, text string }

func migrations(t *testing.T, dialect sqlstore.Dialect) []migration {
	files, err := sqlstore.Migrations(dialect)
	require.NoError(t, err)
	names, err := fs.Glob(files, "*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	var all []migration
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		all = append(all, migration{name, string(text)})
	}
	return all
}

// coded is a driver's error as modernc.org/sqlite makes them.
type coded int

func (c coded) Code() int   { return int(c) }
func (coded) Error() string { return "the driver's words" }

// stated is a driver's error as pgx and lib/pq make them.
type stated string

func (s stated) SQLState() string { return string(s) }
func (stated) Error() string      { return "the server's words" }

func TestRetryable(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                     {nil, false},
		"busy":                    {coded(5), true},
		"busy snapshot":           {coded(517), true},
		"locked":                  {coded(6), true},
		"locked, shared cache":    {coded(262), true},
		"wrapped":                 {fmt.Errorf("shop: %w", coded(5)), true},
		"the transaction is gone": {errors.Join(sqlstore.ErrTxAborted, coded(5)), true},
		"gone for good":           {sqlstore.ErrTxAborted, false},
		"unique":                  {coded(2067), false},
		"read-only":               {coded(8), false},
		"unknown outcome":         {fmt.Errorf("%w: %w", storage.ErrOutcomeUnknown, coded(5)), false},
		"conflict":                {storage.ErrConflict, false},
		"serialization failure":   {stated("40001"), true},
		"deadlock":                {fmt.Errorf("shop: %w", stated("40P01")), true},
		"lock timeout":            {stated("55P03"), true},
		"too many connections":    {stated("53300"), true},
		"disk full":               {stated("53100"), false},
		"statement timeout":       {stated("57014"), false},
		"shut down":               {stated("57P01"), false},
		"unique, PostgreSQL":      {stated("23505"), false},
		"deadlock, MySQL":         {errors.New("Error 1213 (40001): Deadlock found when trying to get lock"), true},
		"older words":             {errors.Join(sqlstore.ErrTxAborted, errors.New("Error 1205: Lock wait timeout exceeded")), true},
		"changed since, MariaDB":  {fmt.Errorf("shop: %w", errors.New("Error 1020 (HY000): Record has changed since last read")), true},
		"many at a row, TiDB":     {errors.New("Error 1105 (HY000): pessimistic lock retry limit reached"), true},
		"anything, TiDB":          {errors.New("Error 1105 (HY000): out of memory"), false},
		"unique, MySQL":           {errors.New("Error 1062 (23000): Duplicate entry"), false},
		"savepoint lost, MySQL":   {errors.New("Error 1305 (42000): SAVEPOINT vouch_apply does not exist"), false},
		"no number":               {errors.New("Error 12a: Deadlock"), false},
		"a shop's own words":      {errors.New("order 7: Error 1213: Deadlock"), false},
		"stale":                   {fmt.Errorf("shop: %w", sqlstore.ErrStale), true},
		"no state":                {stated(""), false},
		"another":                 {errors.New("database is locked"), false},
	} {
		require.Equal(t, c.want, sqlstore.Retryable(c.err), name)
	}
}

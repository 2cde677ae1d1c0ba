package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// Migrations are the dialect's files, NNNN_name.up.sql, as goose and
// golang-migrate take them, for reading and for whoever migrates by hand. They
// are written for the default prefix; for another, replace "vouch_" by it. It
// fails when the dialect is unknown.
//
// Whoever applies them with a tool of their own calls [Store.CreateViews] at
// start in the place of [Store.Migrate]. To go over to Migrate later takes nothing
// more: it finds what is there and puts it on record. The tool's own record of
// versions should be a table for these files alone, because their numbers start at 1.
func Migrations(dialect Dialect) (fs.FS, error) {
	engine, err := dialect.engine()
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w: %w", storage.ErrInvalid, err)
	}
	return engine.migrations()
}

// Migrate creates the tables or brings them up to this release, and creates the
// views anew. Call it at start: several processes may do so at once, and an
// up-to-date database is left as it is. Migrations only go forward.
//
// It fails with [ErrNewerSchema] when a newer release was here, with
// [ErrChangedMigration] when an applied migration is not this release's, and
// with storage.ErrInvalid when a view is declared wrongly.
func (s *Store) Migrate(ctx context.Context, views ...storage.View) error {
	if s.tx != nil {
		return fmt.Errorf("%w: migrate with the store that New made, outside any transaction", ErrHandle)
	}
	if err := s.tables.validate(views); err != nil {
		return err
	}
	shipped, err := shipped(s.engine)
	if err != nil {
		return err
	}
	return s.retry(ctx, "Migrate", func() error {
		return s.engine.exclusively(ctx, s, func(c conn) error {
			if err := s.migrate(ctx, c, shipped); err != nil {
				return err
			}
			return s.createViews(ctx, c, views)
		})
	})
}

// CreateViews creates views anew over tables that are there already. It fails
// with storage.ErrInvalid when one is declared wrongly.
func (s *Store) CreateViews(ctx context.Context, views ...storage.View) error {
	if s.tx != nil {
		return fmt.Errorf("%w: create views with the store that New made, outside any transaction", ErrHandle)
	}
	if err := s.tables.validate(views); err != nil {
		return err
	}
	return s.retry(ctx, "CreateViews", func() error {
		return s.engine.exclusively(ctx, s, func(c conn) error { return s.createViews(ctx, c, views) })
	})
}

func (t tables) validate(views []storage.View) error {
	var faults []error
	seen := make(map[string]bool)
	for _, v := range views {
		faults = append(faults, v.Validate())
		switch name := t.prefix + v.Name; {
		case slices.Contains([]string{t.docs, t.lists, t.counters, t.migrations}, name):
			faults = append(faults, fmt.Errorf("view %q has the name of a table of the store's", v.Name))
		case seen[name]:
			faults = append(faults, fmt.Errorf("view %q is declared twice", v.Name))
		default:
			seen[name] = true
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("sqlstore: cannot create the views: %w: %w", storage.ErrInvalid, err)
	}
	return nil
}

func (s *Store) createViews(ctx context.Context, c conn, views []storage.View) error {
	for _, v := range views {
		if err := s.engine.createView(ctx, c, s.tables, v); err != nil {
			return s.fail(ctx, fmt.Sprintf("cannot create the view %s%s", s.tables.prefix, v.Name), err)
		}
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, c conn, shipped []migration) error {
	recorded, err := s.has(ctx, c, object{"TABLE", s.tables.migrations})
	if err != nil {
		return err
	}
	if !recorded {
		if _, err := c.exec(ctx, s.engine.history(s.tables)); err != nil {
			return s.fail(ctx, "cannot create the table of migrations", err)
		}
	}
	if err := s.lock(ctx, c, s.tables.migrations); err != nil {
		return err
	}
	applied, err := s.applied(ctx, c)
	if err != nil {
		return err
	}
	missing, err := pending(shipped, applied)
	if err != nil {
		return err
	}
	for _, m := range missing {
		if err := s.bring(ctx, c, m); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "INSERT INTO "+s.tables.migrations+" (version, name, checksum) VALUES (?, ?, ?)",
			m.version, m.name, m.checksum); err != nil {
			return s.fail(ctx, "cannot record the migration "+m.name, err)
		}
	}
	return nil
}

// bring applies a migration, unless another tool has.
func (s *Store) bring(ctx context.Context, c conn, m migration) error {
	if made, err := s.made(ctx, c, m); err != nil || made {
		return err
	}
	for _, statement := range m.statements(s.tables.prefix) {
		if _, err := c.exec(ctx, statement); err != nil {
			return s.fail(ctx, "cannot apply the migration "+m.name, err)
		}
	}
	return nil
}

// applied are the checksums of the migrations on record, by version.
func (s *Store) applied(ctx context.Context, c conn) (map[int]string, error) {
	applied := make(map[int]string)
	err := c.query(ctx, "SELECT version, checksum FROM "+s.tables.migrations, nil, func(scan scan) error {
		var version int
		var checksum string
		err := scan(&version, &checksum)
		applied[version] = checksum
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, "cannot read the applied migrations", err)
	}
	return applied, nil
}

// object is something that a migration creates.
type object struct {
	kind string // TABLE, INDEX or FUNCTION
	name string
}

var creates = regexp.MustCompile(`(?m)^CREATE (TABLE|INDEX|FUNCTION) (?:IF NOT EXISTS )?(\w+)`)

// made says that all a migration creates is there, so that it was applied by
// another tool. One that creates nothing new must be such that it may be applied
// twice.
func (s *Store) made(ctx context.Context, c conn, m migration) (bool, error) {
	objects := creates.FindAllStringSubmatch(m.under(s.tables.prefix), -1)
	for _, o := range objects {
		if there, err := s.has(ctx, c, object{o[1], o[2]}); err != nil || !there {
			return false, err
		}
	}
	return len(objects) > 0, nil
}

func (s *Store) has(ctx context.Context, c conn, o object) (bool, error) {
	n := 0
	statement, args := s.engine.exists(o)
	if err := c.query(ctx, statement, args, func(scan scan) error { return scan(&n) }); err != nil {
		return false, s.fail(ctx, "cannot look for "+o.name, err)
	}
	return n > 0, nil
}

// migration is one file.
type migration struct {
	version  int
	name     string // the file's
	checksum string // of the file as it is shipped, whatever the prefix
	text     string
}

// under is the text for a prefix.
func (m migration) under(prefix string) string {
	return strings.ReplaceAll(m.text, DefaultPrefix, prefix)
}

// statements are those of the file, one by one because not every driver takes
// several, under the prefix.
func (m migration) statements(prefix string) []string {
	text := m.under(prefix)
	var statements []string
	for text != "" {
		// A function stands between goose's marks, because statements end within it.
		plain, rest, _ := strings.Cut(text, "-- +goose StatementBegin\n")
		function, rest, _ := strings.Cut(rest, "-- +goose StatementEnd\n")
		for _, s := range append(strings.Split(plain, ";\n"), function) {
			if uncommented.MatchString(s) {
				statements = append(statements, strings.TrimSpace(s))
			}
		}
		text = rest
	}
	return statements
}

// uncommented finds a line that is more than a comment.
var uncommented = regexp.MustCompile(`(?m)^\s*[^-\s]`)

// shipped are the migrations of this release.
func shipped(e engine) ([]migration, error) {
	files, err := e.migrations()
	if err != nil {
		return nil, fmt.Errorf("sqlstore: cannot open the migrations: %w", err)
	}
	return readMigrations(files)
}

// readMigrations reads the files in the order of their numbers.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.up.sql")
	if err != nil {
		return nil, fmt.Errorf("sqlstore: cannot list the migrations: %w", err)
	}
	migrations := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: cannot read the migration %s: %w", name, err)
		}
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: the migration %s is not named NNNN_name.up.sql: %w", name, err)
		}
		sum := sha256.Sum256(text)
		migrations = append(migrations, migration{version, name, hex.EncodeToString(sum[:]), string(text)})
	}
	slices.SortFunc(migrations, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	return migrations, nil
}

// pending compares what is shipped with what was applied (checksums by version)
// and gives what is still to do.
func pending(shipped []migration, applied map[int]string) ([]migration, error) {
	var missing []migration
	newest := 0
	for _, m := range shipped {
		newest = max(newest, m.version)
		switch checksum, done := applied[m.version]; {
		case !done:
			missing = append(missing, m)
		case checksum != m.checksum:
			return nil, fmt.Errorf("%w: %s has the checksum %s, %s was applied", ErrChangedMigration, m.name, m.checksum, checksum)
		}
	}
	for version := range applied {
		if version > newest {
			return nil, fmt.Errorf("%w: it is at migration %d, this release knows %d", ErrNewerSchema, version, newest)
		}
	}
	return missing, nil
}

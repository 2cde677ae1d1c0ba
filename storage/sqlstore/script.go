package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// Script is all that [Store.Migrate] does to an empty database, as SQL to read or
// to be run by whoever may create tables: the migrations under a prefix (empty:
// [DefaultPrefix]), their record, and the views. After it was run, Migrate finds
// nothing to do, and needs no right to create anything, except to replace views on
// MySQL.
//
// It fails with storage.ErrInvalid and every fault.
func Script(dialect Dialect, prefix string, views ...storage.View) (string, error) {
	prefix = cmp.Or(prefix, DefaultPrefix)
	engine, err := dialect.engine()
	if !validPrefix.MatchString(prefix) {
		err = errors.Join(err, fmt.Errorf("prefix %.40q does not match %s", prefix, validPrefix))
	}
	if err != nil {
		return "", fmt.Errorf("sqlstore: cannot write the script: %w: %w", storage.ErrInvalid, err)
	}
	t := newTables(prefix)
	if err := t.validate(views); err != nil {
		return "", err
	}
	shipped, err := shipped(engine)
	if err != nil {
		return "", err
	}
	var script strings.Builder
	write := func(statements ...string) {
		for _, s := range statements {
			fmt.Fprintf(&script, "%s;\n\n", strings.TrimSuffix(s, ";"))
		}
	}
	write(engine.history(t))
	for _, m := range shipped {
		fmt.Fprintf(&script, "-- %s\n", m.name)
		statements := m.statements(prefix)
		statements[0] = strings.TrimPrefix(statements[0], "-- +goose Up\n")
		write(statements...)
		write(fmt.Sprintf("INSERT INTO %s (version, name, checksum) VALUES (%d, %s, %s)", t.migrations, m.version, text(m.name), text(m.checksum)))
	}
	for _, v := range views {
		write(engine.view(t, v)...)
	}
	return script.String(), nil
}

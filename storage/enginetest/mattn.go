//go:build cgo

package enginetest

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// mattn is SQLite through cgo.
func mattn() []Engine {
	return []Engine{{
		Name: "sqlite-mattn", Driver: "sqlite3", Dialect: sqlstore.SQLite, Classify: classifyMattn,
		DSN: func(t testing.TB) string {
			settings := url.Values{
				"_busy_timeout": {"5000"}, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_foreign_keys": {"on"}, "_txlock": {"immediate"},
			}
			file, _, _ := strings.Cut(sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "shop.db")), "?")
			return file + "?" + settings.Encode()
		},
	}}
}

// classifyMattn is what a shop gives a store for this driver.
func classifyMattn(err error) sqlstore.Class {
	var own sqlite3.Error
	if !errors.As(err, &own) {
		return sqlstore.Other
	}
	switch own.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return sqlstore.Transient
	case sqlite3.ErrReadonly:
		return sqlstore.ReadOnly
	case sqlite3.ErrFull, sqlite3.ErrCantOpen, sqlite3.ErrConstraint:
		return sqlstore.Refused
	case sqlite3.ErrError:
		if strings.Contains(own.Error(), "no such table") {
			return sqlstore.Unmigrated
		}
	}
	return sqlstore.Other
}

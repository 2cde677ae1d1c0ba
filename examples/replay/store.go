package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// stores opens the stores of a run: in one SQLite file with tables of their own
// prefix each, or in memory.
type stores struct {
	path      string
	db        *sql.DB // nil: in memory
	temporary string  // the folder to remove afterwards
}

func openStores(kind, path string) (*stores, error) {
	switch {
	case kind == "memory" && path == "":
		return &stores{}, nil
	case kind != "sqlite":
		return nil, fmt.Errorf("replay: no store %q: choose -store sqlite or memory, and memory without -db", kind)
	}
	s := &stores{path: path}
	if path == "" {
		folder, err := os.MkdirTemp("", "vouch-replay-")
		if err != nil {
			return nil, err
		}
		s.temporary, s.path = folder, filepath.Join(folder, "replay.db")
	} else if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replay: %s is there already: a replay begins with empty books, so name a new file or remove this one", path)
	}
	// A replay can be done again, so its commits need not wait for the disk. A
	// shop leaves the setting as SQLiteDSN gives it.
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(s.path)+"&_pragma=synchronous(NORMAL)")
	s.db = db
	return s, err
}

func (s *stores) String() string {
	switch {
	case s.db == nil:
		return "memory"
	case s.temporary != "":
		return "a temporary SQLite file (WAL, synchronous=NORMAL), removed afterwards"
	}
	return s.path + " (SQLite, WAL, synchronous=NORMAL)"
}

// open gives an empty store. In a file, its tables and views begin with the name.
func (s *stores) open(ctx context.Context, name string, views ...storage.View) (storage.Store, error) {
	if s.db == nil {
		return memory.New(), nil
	}
	store, err := sqlstore.New(s.db, sqlstore.SQLite, sqlstore.Options{Prefix: name + "_"})
	if err != nil {
		return nil, err
	}
	return store, store.Migrate(ctx, views...)
}

func (s *stores) close() error {
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	return err
}

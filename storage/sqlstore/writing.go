package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// readRows is how many documents or counters are looked up in one statement.
const readRows = 500

// chunkBytes bounds the bodies in one statement of many rows.
const chunkBytes = 1 << 20

// rowWriter writes many rows in one statement, for engines without arrays: what an
// engine adds to an INSERT so that it is a change.
type rowWriter struct {
	// onDuplicate is the clause that takes columns from the row that was to be
	// inserted; the row is there, and locked.
	onDuplicate func(key string, columns ...string) string

	// made says whether all rows were inserted: not when one of them exists.
	made func(affected int64, rows int, err error) (bool, error)

	// changeFew says that counters are not locked: they are changed in one statement on
	// condition of what they were judged by.
	changeFew bool

	// ifAbsent is added to an INSERT of new rows.
	ifAbsent string
}

// findEach adds documents and counters to what was found, in as few statements as an
// engine's parameters allow.
func (s *Store) findEach(ctx context.Context, c conn, found standing, keys []storage.Key, counters []string, lock string) error {
	if n := len(keys) + len(counters); lock == "" && n > 0 && n <= readRows {
		statement, args := s.reading("''", keys, counters)
		return findInto(ctx, c, found, statement, args)
	}
	for some := range slices.Chunk(keys, readRows) {
		statement, args := s.reading("''", some, nil)
		if err := findInto(ctx, c, found, statement+lock, args); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(counters, readRows) {
		statement, args := s.reading("''", nil, some)
		if err := findInto(ctx, c, found, statement+lock, args); err != nil {
			return err
		}
	}
	return nil
}

// errNothing ends a transaction in which nothing is to be written.
var errNothing = errors.New("sqlstore: nothing to write")

// writeGroup judges what find finds, and writes what comes of it, in a transaction.
func (s *Store) writeGroup(ctx context.Context, j *joint, find func(conn) (standing, error), r rowWriter) error {
	err := s.transact(ctx, s.engine.isolation(), func(_ *sql.Tx, c conn) error {
		found, err := find(c)
		if err != nil {
			return s.fail(ctx, "cannot read what the batches expect", err)
		}
		w, err := j.judge(found, func(found standing, keys []storage.Key) error { return s.findEach(ctx, c, found, keys, nil, "") })
		if err != nil {
			return s.fail(ctx, "cannot read what the batches expect", err)
		}
		if w.empty() {
			return errNothing
		}
		if err = s.writeRows(ctx, c, r, w); err == nil || err == errRaced {
			return err
		}
		return s.fail(ctx, "cannot write the batches", err)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// writeRows writes what a group comes to. Whatever it changes is locked; it fails
// with errRaced when what is to be made is there already.
func (s *Store) writeRows(ctx context.Context, c conn, r rowWriter, w writes) error {
	steps := []func() error{
		func() error { return s.changeDocs(ctx, c, r, w.changed) },
		func() error { return s.dropDocs(ctx, c, w.dropped) },
		func() error { return s.makeDocs(ctx, c, r, w.made) },
		func() error { return s.move(ctx, c, &w.moves) },
		func() error { return s.count(ctx, c, r, w.counted) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

const docColumns = " (kind, id, version, due, lists, body) VALUES (?, ?, ?, ?, ?, ?)"

func docRows(docs []*groupDoc) (values string, args []any, err error) {
	args = make([]any, 0, 6*len(docs))
	for _, d := range docs {
		packed, err := pack(d.put.Lists)
		if err != nil {
			return "", nil, err
		}
		args = append(args, d.key.Kind, d.key.ID, d.now, nullable(d.put.Due), packed, string(d.put.Body))
	}
	return docColumns + strings.Repeat(", (?, ?, ?, ?, ?, ?)", len(docs)-1), args, nil
}

func (s *Store) makeDocs(ctx context.Context, c conn, r rowWriter, docs []*groupDoc) error {
	for some := range docChunks(docs) {
		values, args, err := docRows(some)
		if err != nil {
			return err
		}
		if err := insertNew(ctx, c, r, "INSERT INTO "+s.tables.docs+values, args, len(some)); err != nil {
			return err
		}
	}
	return nil
}

func insertNew(ctx context.Context, c conn, r rowWriter, statement string, args []any, rows int) error {
	affected, err := c.exec(ctx, statement+r.ifAbsent, args...)
	all, err := r.made(affected, rows, err)
	if err == nil && !all {
		return errRaced
	}
	return err
}

func (s *Store) changeDocs(ctx context.Context, c conn, r rowWriter, docs []*groupDoc) error {
	for some := range docChunks(docs) {
		values, args, err := docRows(some)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, "INSERT INTO "+s.tables.docs+values+
			r.onDuplicate("kind, id", "version", "due", "lists", "body"), args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) dropDocs(ctx context.Context, c conn, docs []*groupDoc) error {
	for some := range slices.Chunk(docs, s.steps.deleted()) {
		var args []any
		for _, d := range some {
			args = append(args, d.key.Kind, d.key.ID)
		}
		if _, err := c.exec(ctx, "DELETE FROM "+s.tables.docs+" WHERE "+
			s.engine.among([]string{"kind", "id"}, len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}

// count writes counters, those that are new apart.
func (s *Store) count(ctx context.Context, c conn, r rowWriter, counters []*groupCounter) error {
	insert := func(some []*groupCounter) (string, []any) {
		args := make([]any, 0, 3*len(some))
		for _, x := range some {
			args = append(args, x.name, x.now, nullable(x.until))
		}
		return "INSERT INTO " + s.tables.counters + " (name, value, " + s.engine.until() + ", rev) VALUES (?, ?, ?, 1)" +
			strings.Repeat(", (?, ?, ?, 1)", len(some)-1), args
	}
	known := slices.DeleteFunc(slices.Clone(counters), func(x *groupCounter) bool { return !x.found })
	if r.changeFew && len(known) > 0 {
		if err := s.changeCounters(ctx, c, known); err != nil {
			return err
		}
		known = nil
	}
	for some := range slices.Chunk(known, listRows) {
		statement, args := insert(some)
		if _, err := c.exec(ctx, statement+r.onDuplicate("name", "value", s.engine.until())+
			", rev = "+s.tables.counters+".rev + 1", args...); err != nil {
			return err
		}
	}
	unknown := slices.DeleteFunc(slices.Clone(counters), func(x *groupCounter) bool { return x.found })
	for some := range slices.Chunk(unknown, listRows) {
		statement, args := insert(some)
		if err := insertNew(ctx, c, r, statement, args, len(some)); err != nil {
			return err
		}
	}
	return nil
}

// fewCounters is how many counters are told apart by comparing names.
const fewCounters = 8

// changeCounters changes counters that are within the bounds they were judged by.
func (s *Store) changeCounters(ctx context.Context, c conn, counters []*groupCounter) error {
	var deltas, untils, bounds strings.Builder
	var args, untilArgs, boundArgs []any
	for i, x := range counters {
		deltas.WriteString(" WHEN ? THEN ?")
		untils.WriteString(" WHEN ? THEN ?")
		if i > 0 {
			bounds.WriteString(" OR ")
		}
		bounds.WriteString("(name = ? AND value BETWEEN ? AND ?)")
		args = append(args, x.name, x.now-x.before)
		untilArgs = append(untilArgs, x.name, nullable(x.until))
		boundArgs = append(boundArgs, x.name, x.low, x.high)
	}
	affected, err := c.exec(ctx, "UPDATE "+s.tables.counters+s.engine.by("")+" SET value = value + CASE name"+deltas.String()+
		" END, "+s.engine.until()+" = CASE name"+untils.String()+" END, rev = rev + 1 WHERE "+bounds.String(), append(append(args, untilArgs...), boundArgs...)...)
	if err == nil && affected != int64(len(counters)) {
		return errRaced
	}
	return err
}

// docChunks are documents for one statement each: by number, and by their size.
func docChunks(docs []*groupDoc) iter.Seq[[]*groupDoc] {
	return func(yield func([]*groupDoc) bool) {
		for len(docs) > 0 {
			n, bytes := 0, 0
			for n < len(docs) && n < listRows && (n == 0 || bytes+len(docs[n].put.Body) <= chunkBytes) {
				bytes += len(docs[n].put.Body)
				n++
			}
			if !yield(docs[:n]) {
				return
			}
			docs = docs[n:]
		}
	}
}

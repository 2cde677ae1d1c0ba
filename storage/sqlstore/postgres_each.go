package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// applyGroup needs one statement where the batches only make documents and count, on
// condition that what they rest on is as they expect; otherwise two: one that reads
// plainly, and one that writes if what was read still is so. Each is a transaction by
// itself. At a higher level of isolation than the second attempt's the database may refuse
// what only had to be done again.
func (postgres) applyGroup(ctx context.Context, s *Store, j *joint, again bool) error {
	if again {
		j.ask(true)
		return s.transact(ctx, sql.LevelReadCommitted, func(_ *sql.Tx, c conn) error {
			return s.findAndWrite(ctx, c, j, func(_, failed error) error { return failed })
		})
	}
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	c := s.on(handle)
	docs, _ := sizes(j.each)
	assumed := docs < copiedRows && !s.doubts.take() // to write many rows in vain costs more than to look
	if assumed {
		if err := s.assumeAndWrite(ctx, c, j); err != errRaced {
			return err
		}
	}
	j.ask(assumed) // what did not hold may be that a document exists
	err = s.findAndWrite(ctx, c, j, s.atOnce)
	if err == nil && j.group.refuses() {
		s.doubts.raise()
	}
	return err
}

// assumeAndWrite writes what the batches come to if all of them hold. It fails with
// errRaced when one does not, and nothing was written.
func (s *Store) assumeAndWrite(ctx context.Context, c conn, j *joint) error {
	changed := newStanding(0, 0)
	if keys := toChange(j.each); len(keys) > 0 {
		if err := s.find(ctx, c, changed, keys, nil); err != nil {
			return err
		}
	}
	g, possible := assumeEach(changed, j.each)
	if !possible {
		return errRaced
	}
	j.group = g
	return s.record(ctx, c, g.writes(), s.atOnce)
}

// atOnce is what an error means of a statement that commits by itself: failed if the
// database has said so, otherwise nobody knows. Even after driver.ErrBadConn, with
// which lib/pq answers when the connection ends before the answer has come.
func (s *Store) atOnce(err, failed error) error {
	if s.classify(err).certain() {
		return failed
	}
	return fmt.Errorf("%w: %w", storage.ErrOutcomeUnknown, failed)
}

// find adds documents, without their bodies, and counters to what was found.
func (s *Store) find(ctx context.Context, c conn, found standing, keys []storage.Key, counters []string) error {
	var kinds, ids array
	for _, k := range keys {
		kinds.text(k.Kind)
		ids.text(k.ID)
	}
	var names array
	for _, name := range counters {
		names.text(name)
	}
	err := findInto(ctx, c, found, "SELECT kind, id, version, NULL::bigint, lists, '' FROM "+s.tables.prefix+"find(?, ?, ?)",
		[]any{kinds.end(), ids.end(), names.end()})
	if err != nil {
		return s.fail(ctx, "cannot read what the batches expect", err)
	}
	return nil
}

func (s *Store) findAndWrite(ctx context.Context, c conn, j *joint, meaning func(err, failed error) error) error {
	found := newStanding(len(j.keys), len(j.counters))
	if len(j.keys)+len(j.counters) > 0 {
		if err := s.find(ctx, c, found, j.keys, j.counters); err != nil {
			return err
		}
	}
	w, err := j.judge(found, func(found standing, keys []storage.Key) error { return s.find(ctx, c, found, keys, nil) })
	if err != nil || w.empty() {
		return err
	}
	return s.record(ctx, c, w, meaning)
}

// record writes what a group comes to, in the quickest way. It fails with errRaced when
// something is not as it is expected to be, and nothing was written.
func (s *Store) record(ctx context.Context, c conn, w writes, meaning func(err, failed error) error) error {
	if done, err := s.copyGroup(ctx, c, w); done {
		return err
	}
	return s.storeWrites(ctx, c, w, meaning)
}

// storeWrites writes by the function "record". It fails as record does.
func (s *Store) storeWrites(ctx context.Context, c conn, w writes, meaning func(err, failed error) error) error {
	args, err := writeArgs(w)
	if err != nil {
		return fmt.Errorf("sqlstore: cannot write the batches: %w", err)
	}
	written := false
	err = c.query(ctx, "SELECT "+s.tables.prefix+"record(?"+strings.Repeat(", ?", len(args)-1)+")", args,
		func(scan scan) error { return scan(&written) })
	switch {
	case err == nil && !written:
		return errRaced
	case err == nil:
		return nil
	}
	return meaning(err, s.fail(ctx, "cannot write the batches", err))
}

// writeArgs are the arguments of the function "record": a column each.
func writeArgs(w writes) ([]any, error) {
	made, err := docColumnsOf(w.made)
	if err != nil {
		return nil, err
	}
	changed, err := docColumnsOf(w.changed)
	if err != nil {
		return nil, err
	}
	dropped, _ := docColumnsOf(w.dropped)
	checked, _ := docColumnsOf(w.checked)
	var counted counterColumns
	for _, c := range w.counted {
		counted.add(c, c.now-c.before) // if beyond int64, the database refuses it, and each batch goes its own way
	}
	outOf, into := listColumnsOf(w.moves.outOf), listColumnsOf(w.moves.into)
	return []any{
		checked.kinds.end(), checked.ids.end(), checked.before.end(),
		changed.kinds.end(), changed.ids.end(), changed.before.end(), changed.after.end(), changed.dues.end(), changed.lists.end(), changed.bodies.end(),
		dropped.kinds.end(), dropped.ids.end(), dropped.before.end(),
		made.kinds.end(), made.ids.end(), made.after.end(), made.dues.end(), made.lists.end(), made.bodies.end(),
		outOf.kinds.end(), outOf.lists.end(), outOf.places.end(), outOf.ids.end(),
		into.kinds.end(), into.lists.end(), into.places.end(), into.ids.end(),
		counted.names.end(), counted.values.end(), counted.untils.end(), counted.lows.end(), counted.highs.end(),
	}, nil
}

type docColumnsArray struct{ kinds, ids, before, after, dues, lists, bodies array }

func docColumnsOf(docs []*groupDoc) (columns docColumnsArray, err error) {
	room, longest := 0, 0
	for _, d := range docs {
		if d.put != nil {
			room += len(d.put.Body)*5/4 + 8 // JSON is a quarter longer when it is escaped
			longest = max(longest, len(d.put.Body))
		}
	}
	columns.bodies.b = make([]byte, 0, room+longest)
	for _, d := range docs {
		columns.kinds.text(d.key.Kind)
		columns.ids.text(d.key.ID)
		columns.before.number(d.before.Version)
		columns.after.number(d.now)
		if d.put == nil {
			continue
		}
		packed, err := pack(d.put.Lists)
		if err != nil {
			return columns, err
		}
		columns.dues.instant(d.put.Due)
		columns.lists.text(packed)
		columns.bodies.text(string(d.put.Body))
	}
	return columns, nil
}

type listColumns struct{ kinds, lists, places, ids array }

func listColumnsOf(rows []listRow) (columns listColumns) {
	for _, r := range rows {
		columns.kinds.text(r.key.Kind)
		columns.lists.text(r.List)
		columns.places.number(r.Place)
		columns.ids.text(r.key.ID)
	}
	return columns
}

type counterColumns struct{ names, values, untils, lows, highs array }

func (columns *counterColumns) add(c *groupCounter, value int64) {
	columns.names.text(c.name)
	columns.values.number(value)
	columns.untils.instant(c.until)
	columns.lows.number(c.low)
	columns.highs.number(c.high)
}

// array is an array of PostgreSQL's as text, which every driver sends
// (postgresql.org/docs/current/arrays.html#ARRAYS-IO).
type array struct{ b []byte }

func (a *array) next() {
	if len(a.b) == 0 {
		a.b = append(a.b, '{')
	} else {
		a.b = append(a.b, ',')
	}
}

func (a *array) text(s string) {
	a.next()
	a.b = slices.Grow(a.b, 2*len(s)+3) // all may have to be escaped; and the end
	b := a.b[:cap(a.b)]
	n := len(a.b)
	b[n] = '"'
	n++
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b[n] = '\\'
			n++
		}
		b[n] = s[i]
		n++
	}
	b[n] = '"'
	a.b = b[:n+1]
}

func (a *array) number(n int64) {
	a.next()
	a.b = strconv.AppendInt(a.b, n, 10)
}

// instant writes an instant, of which 0 means never.
func (a *array) instant(micros int64) {
	if micros != 0 {
		a.number(micros)
		return
	}
	a.next()
	a.b = append(a.b, "NULL"...)
}

func (a *array) end() string {
	if len(a.b) == 0 {
		return "{}"
	}
	return string(append(a.b, '}'))
}

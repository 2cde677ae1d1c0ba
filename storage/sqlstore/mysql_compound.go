package sqlstore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/vouch-go/vouch/storage"
)

// A compound statement of MariaDB's ("BEGIN NOT ATOMIC …") is a whole transaction in
// one round trip: it judges, begins, writes, and commits, or rolls back by its
// handler. MySQL and TiDB have none.

// compounds is what a store has learnt about them.
type compounds struct {
	unknown atomic.Bool // the server took one for a mistake in the syntax
}

func (c *compounds) known() bool { return c != nil && !c.unknown.Load() }

// errNoCompound: the server knows none, or would be sent too long a one. Nothing was
// written.
var errNoCompound = errors.New("sqlstore: no compound statement")

// applyCompound judges batches and writes them in one statement. Batches that make
// documents and count are taken to hold, on condition that they do; what does not, and
// all others, are read first. It fails with errRaced when what was read has changed.
func (e mysql) applyCompound(ctx context.Context, s *Store, j *joint) error {
	raced := false
	if !s.doubts.take() {
		if g, possible := assumeEach(newStanding(0, 0), j.each); possible {
			if w := g.writes(); !w.empty() {
				j.group = g
				if err := e.writeCompound(ctx, s, w); err != errRaced {
					return err
				}
				raced = true
				s.doubts.raise()
			}
		}
	}
	j.ask(raced) // what did not hold may be that a document exists
	found := newStanding(len(j.keys), len(j.counters))
	if err := s.findEach(ctx, s.on(s.db), found, j.keys, j.counters, ""); err != nil {
		return s.fail(ctx, "cannot read what the batches expect", err)
	}
	w, err := j.judge(found, func(found standing, keys []storage.Key) error {
		return s.findEach(ctx, s.on(s.db), found, keys, nil, "")
	})
	if err != nil {
		return s.fail(ctx, "cannot read what the batches expect", err)
	}
	if j.group.refuses() {
		s.doubts.raise()
	}
	if w.empty() {
		return nil
	}
	return e.writeCompound(ctx, s, w)
}

// writeCompound writes what batches come to, if the documents checked and all that changes
// are as they were judged. It fails with errRaced when not.
func (e mysql) writeCompound(ctx context.Context, s *Store, w writes) error {
	statement, err := s.compound(ctx, w)
	switch {
	case err != nil:
		return s.fail(ctx, "cannot write the batches", err)
	case len(statement) > chunkBytes:
		return errNoCompound
	}
	return e.runCompound(ctx, s, statement)
}

// compound is the statement that checks and writes.
func (s *Store) compound(ctx context.Context, w writes) (string, error) {
	c := newCompound(w)
	c.check(s.tables, w.checked)
	c.add("START TRANSACTION; ")
	for _, d := range w.changed {
		packed, err := pack(d.put.Lists)
		if err != nil {
			return "", err
		}
		c.expectOne("UPDATE "+s.tables.docs+" SET version = ?, due = ?, lists = ?, body = ? WHERE kind = ? AND id = ? AND version = ?",
			d.now, nullable(d.put.Due), packed, string(d.put.Body), d.key.Kind, d.key.ID, d.before.Version)
	}
	for _, d := range w.dropped {
		c.expectOne("DELETE FROM "+s.tables.docs+" WHERE kind = ? AND id = ? AND version = ?", d.key.Kind, d.key.ID, d.before.Version)
	}
	if err := errors.Join(s.makeDocs(ctx, c, mysqlRows, w.made), s.move(ctx, c, &w.moves)); err != nil {
		return "", err
	}
	c.count(s.tables, w.counted)
	c.add("COMMIT; END")
	return string(c.text), c.err
}

// runCompound runs a compound statement. One that was stopped before its handler was done
// must not leave its transaction to whoever has the connection next.
func (e mysql) runCompound(ctx context.Context, s *Store, statement string) error {
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	c := s.on(handle)
	if _, err = c.exec(ctx, statement); err == nil {
		return nil
	}
	number := mysqlNumber(err)
	switch number {
	case 1644, 1690, 1062: // our signal, a counter beyond its bounds, a document that exists
		return errRaced
	case 1064: // no such syntax
		e.compounds.unknown.Store(true)
		return errNoCompound
	}
	if _, ended := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); ended != nil {
		_ = handle.Raw(func(any) error { return driver.ErrBadConn }) // it ends with the connection
	}
	return s.atOnce(err, s.fail(ctx, "cannot write the batches", err))
}

// compound is a compound statement as it is written. It is a conn that notes what it
// is to do.
type compound struct {
	text []byte
	err  error // of a value that cannot be written
}

const (
	compoundBegins = "BEGIN NOT ATOMIC DECLARE held BIGINT; DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; "
	compoundFails  = " THEN SIGNAL SQLSTATE '45000'; END IF; "
)

func newCompound(w writes) *compound {
	size := 1 << 10
	for _, d := range slices.Concat(w.made, w.changed) {
		size += 2*len(d.put.Body) + 600
	}
	c := &compound{text: make([]byte, 0, min(size+200*len(w.counted), chunkBytes+1<<10))}
	c.add(compoundBegins)
	return c
}

func (c *compound) add(text string) { c.text = append(c.text, text...) }

func (c *compound) exec(_ context.Context, statement string, args ...any) (int64, error) {
	n := 0
	for i := range len(statement) {
		if statement[i] != '?' {
			c.text = append(c.text, statement[i])
			continue
		}
		c.value(args[n])
		n++
	}
	c.add("; ")
	return 0, c.err
}

func (c *compound) query(context.Context, string, []any, func(scan) error) error {
	return errors.New("sqlstore: a compound statement answers no queries")
}

// expectOne notes a statement that is to affect one row.
func (c *compound) expectOne(statement string, args ...any) {
	_, _ = c.exec(context.Background(), statement, args...) // an error is kept
	c.add("IF ROW_COUNT() <> 1" + compoundFails)
}

func (c *compound) value(v any) {
	switch v := v.(type) {
	case nil:
		c.add("NULL")
	case int64:
		c.int(v)
	case string:
		c.string(v)
	default:
		c.err = fmt.Errorf("sqlstore: no literal for a %T", v)
	}
}

func (c *compound) int(n int64) { c.text = strconv.AppendInt(c.text, n, 10) }

// string writes a literal that means the same in every character set and sql_mode: what
// is not plain ASCII, and what has a backslash, in hexadecimal digits.
func (c *compound) string(s string) {
	plain, quotes := true, 0
	for i := range len(s) {
		plain = plain && ' ' <= s[i] && s[i] <= '~' && s[i] != '\\'
		if s[i] == '\'' {
			quotes++
		}
	}
	if !plain {
		c.add("X'")
		c.text = hex.AppendEncode(c.text, []byte(s))
		c.add("'")
		return
	}
	c.add("'")
	if quotes == 0 {
		c.add(s)
	} else {
		for i := range len(s) {
			if s[i] == '\'' {
				c.text = append(c.text, '\'')
			}
			c.text = append(c.text, s[i])
		}
	}
	c.add("'")
}

func (c *compound) strings(values []string) {
	for i, v := range values {
		if i > 0 {
			c.add(", ")
		}
		c.string(v)
	}
}

// check fails unless the documents have these versions. It reads plainly, before the
// transaction begins: the subquery of an IF would lock.
func (c *compound) check(t tables, checks []*groupDoc) {
	if len(checks) == 0 {
		return
	}
	type class struct {
		kind    string
		version int64
	}
	ids := make(map[class][]string)
	for _, d := range checks { // in the order of their keys
		of := class{d.key.Kind, d.before.Version}
		ids[of] = append(ids[of], d.key.ID)
	}
	classes := slices.SortedFunc(maps.Keys(ids), func(a, b class) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.kind, b.kind))
	})
	absent, _ := slices.BinarySearchFunc(classes, 1, func(x class, version int64) int { return cmp.Compare(x.version, version) })
	there := len(checks)
	among := func(classes []class) {
		for i, x := range classes {
			if i > 0 {
				c.add(" OR ")
			}
			c.add("(kind = ")
			c.string(x.kind)
			c.add(" AND id IN (")
			c.strings(ids[x])
			c.add(")")
			if x.version > 0 {
				c.add(" AND version = ")
				c.int(x.version)
			}
			c.add(")")
		}
	}
	c.add("SELECT COUNT(*)")
	if absent > 0 {
		for _, x := range classes[:absent] {
			there -= len(ids[x])
		}
		c.add(" + COUNT(CASE WHEN ") // so that none of these makes up for one of the others
		among(classes[:absent])
		c.add(" THEN 1 END) * ")
		c.int(int64(len(checks)))
	}
	c.add(" INTO held FROM " + t.docs + " FORCE INDEX (PRIMARY) WHERE ")
	among(classes)
	c.add("; IF held <> ")
	c.int(int64(there))
	c.add(compoundFails)
}

// countedAtOnce is how many counters one statement changes: each is compared with the
// bounds of the others.
const countedAtOnce = 64

// count changes counters that are within the bounds they were judged by, in the order
// of their names, and makes those that may be absent.
func (c *compound) count(t tables, counters []*groupCounter) {
	for len(counters) > 0 {
		x, n := counters[0], 0
		for n < len(counters) && n < countedAtOnce && counters[n].fromAbsent() {
			n++
		}
		if n > 0 {
			c.countAny(t, counters[:n])
		} else {
			c.expectOne("UPDATE "+t.counters+" SET value = value + ?, `until` = ?, rev = rev + 1 WHERE name = ? AND value BETWEEN ? AND ?",
				x.now-x.before, nullable(x.until), x.name, x.low, x.high)
		}
		counters = counters[max(n, 1):]
	}
}

// fromAbsent says that the counter may as well be absent, which is as if it were 0.
func (x *groupCounter) fromAbsent() bool { return x.low <= 0 && x.high >= 0 }

// countAny fails by a number that is out of range where a counter is out of its bounds.
func (c *compound) countAny(t tables, counters []*groupCounter) {
	type bounds struct{ low, high int64 }
	names := make(map[bounds][]string, 1)
	c.add("INSERT INTO " + t.counters + " (name, value, `until`, rev) VALUES ")
	for i, x := range counters {
		if i > 0 {
			c.add(", ")
		}
		c.add("(")
		c.string(x.name)
		c.add(", ")
		c.int(x.now - x.before)
		c.add(", ")
		c.value(nullable(x.until))
		c.add(", 1)")
		b := bounds{x.low, x.high}
		names[b] = append(names[b], x.name)
	}
	c.add(" ON DUPLICATE KEY UPDATE value = CASE WHEN ")
	first := true
	for b, these := range names {
		if !first {
			c.add(" OR ")
		}
		first = false
		c.add("value BETWEEN ")
		c.int(b.low)
		c.add(" AND ")
		c.int(b.high)
		if len(names) > 1 {
			c.add(" AND name IN (")
			c.strings(these)
			c.add(")")
		}
	}
	c.add(" THEN value + VALUES(value) ELSE 9223372036854775807 + (rev + 1) END, `until` = VALUES(`until`), rev = rev + 1; ")
}

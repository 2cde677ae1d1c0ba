package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// Apply does all of the batch or none of it. See [storage.Store].
//
// Outside a transaction of the caller's it is one transaction, done again when
// the database asks. Inside, it is a savepoint: a refused batch leaves the
// transaction as it was, and nothing is retried. When the transaction itself is
// gone it fails with [ErrTxAborted].
func (s *Store) Apply(ctx context.Context, b storage.Batch) error {
	ops, err := b.Ops()
	if err != nil || len(ops) == 0 {
		return err
	}
	return s.applyOps(ctx, ops)
}

func (s *Store) applyOps(ctx context.Context, ops []storage.Op) error {
	if s.tx != nil {
		err := s.applyInside(ctx, ops)
		s.observeEnd(ctx, "Apply", 1, err)
		return err
	}
	short := true // what fails the short way, as by the database's own level of isolation, is done again the sure way
	return s.retry(ctx, "Apply", func() error {
		if short {
			short = false
			if err := s.applyShort(ctx, ops); !errors.Is(err, errRaced) {
				return err
			}
		}
		return s.transact(ctx, s.engine.isolation(), func(_ *sql.Tx, c conn) error { return s.lockAndJudge(ctx, c, ops) })
	})
}

// applyShort applies a batch in as few statements as the engine allows. It fails with
// errRaced when another was faster.
func (s *Store) applyShort(ctx context.Context, ops []storage.Op) error {
	if err := ctx.Err(); err != nil {
		return s.fail(ctx, "nothing was applied", err)
	}
	switch {
	case len(ops) == 1 && ops[0].Add != nil:
		return s.addAlone(ctx, ops[0])
	case s.steps == nil && len(ops) <= onceOps:
		return s.applyAtOnce(ctx, ops)
	case s.steps != nil && !s.steps.together(ops):
		return errRaced // one by one is as short
	}
	j := &joint{each: [][]storage.Op{ops}}
	if err := s.engine.applyGroup(ctx, s, j, false); err != nil {
		return err
	}
	if refused := j.group.refused[0]; refused != nil {
		return refused
	}
	return nil
}

// onlyMakes says that a batch changes no document that exists.
func onlyMakes(ops []storage.Op) bool {
	return !slices.ContainsFunc(ops, func(op storage.Op) bool {
		return op.Drop != nil || op.Put != nil && op.Put.Version > 0
	})
}

// addAlone changes a counter in a statement that is all of its transaction. It fails
// with errRaced when there is no such counter.
func (s *Store) addAlone(ctx context.Context, op storage.Op) error {
	a := op.Add
	low, high, possible := room(*a)
	if !possible {
		return op.Failure()
	}
	defer s.turn(ctx)()
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	c := s.on(handle)
	changed, err := one(c.exec(ctx, "UPDATE "+s.tables.counters+" SET value = value + ?, "+s.engine.until()+" = ?, rev = rev + 1"+
		" WHERE name = ? AND value BETWEEN ? AND ?", a.Delta, nullable(a.Until), a.Counter, low, high))
	if err != nil {
		return s.atOnce(err, s.fail(ctx, "cannot write "+target(op), err))
	}
	if changed {
		return nil
	}
	refused, err := s.inTheWay(ctx, c, []storage.Op{op})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	}
	return errRaced
}

// savepoint is named after the library, so that it meets none of the caller's.
const savepoint = "vouch_apply"

func (s *Store) applyInside(ctx context.Context, ops []storage.Op) error {
	if err := ctx.Err(); err != nil {
		return s.fail(ctx, "nothing was applied", err)
	}
	// A savepoint that was begun must be ended, even if the context ends meanwhile.
	calm := context.WithoutCancel(ctx)
	if err := s.engine.savepoint(calm, s.tx, savepoint); err != nil {
		return s.aborted(ctx, "cannot set a savepoint", err)
	}
	verdict := s.lockAndJudge(ctx, s.tx, ops)
	if verdict != nil {
		if _, err := s.tx.exec(calm, "ROLLBACK TO SAVEPOINT "+savepoint); err != nil {
			return s.aborted(ctx, "cannot roll back to the savepoint", errors.Join(verdict, err))
		}
	}
	if _, err := s.tx.exec(calm, "RELEASE SAVEPOINT "+savepoint); err != nil {
		return s.aborted(ctx, "cannot release the savepoint", errors.Join(verdict, err))
	}
	return verdict
}

func (s *Store) aborted(ctx context.Context, doing string, err error) error {
	return s.fail(ctx, doing, fmt.Errorf("%w: %w", ErrTxAborted, err))
}

func (s *Store) lockAndJudge(ctx context.Context, c conn, ops []storage.Op) error {
	if s.steps == nil {
		return s.judgeWhole(ctx, c, ops)
	}
	if err := s.lock(ctx, c, s.tables.docs); err != nil {
		return err
	}
	return s.judge(ctx, c, ops)
}

// judge does the operations one after the other in lock order; the first whose
// condition does not hold is the failure. No operation can change what a later
// one is judged by, because no document and no counter occurs twice.
func (s *Store) judge(ctx context.Context, c conn, ops []storage.Op) error {
	before, err := s.expected(ctx, c, ops)
	if err != nil {
		return s.fail(ctx, "cannot read what the batch expects", err)
	}
	var moves moves
	for _, op := range ops {
		if op.Add != nil { // counters come last, and nothing is left to do while they are locked
			if err := s.move(ctx, c, &moves); err != nil {
				return s.fail(ctx, "cannot write lists", err)
			}
		}
		var held bool
		switch standing := before.docs[op.Key()]; {
		case op.Add != nil:
			_, exists := before.counters[op.Add.Counter]
			held, err = s.add(ctx, c, *op.Add, exists)
		case op.Check != nil || op.Version() > 0:
			held = standing.Version == op.Version()
			if held && op.Check == nil {
				held, err = s.change(ctx, c, op, standing.Lists, &moves)
			}
		default:
			held, err = s.create(ctx, c, *op.Put, &moves)
		}
		if err != nil {
			return s.fail(ctx, "cannot write "+target(op), err)
		}
		if !held {
			return s.refuse(ctx, c, op)
		}
	}
	if err := s.move(ctx, c, &moves); err != nil {
		return s.fail(ctx, "cannot write lists", err)
	}
	return nil
}

// refuse gives the failure of an operation. In a transaction of the caller's whose
// snapshot still shows the document as the batch expects it, deciding again would
// end in the same refusal: there it is [ErrStale].
func (s *Store) refuse(ctx context.Context, c conn, op storage.Op) error {
	if s.tx == nil || op.Add != nil || op.Check != nil {
		return op.Failure()
	}
	seen, err := s.standing(ctx, c, []storage.Key{op.Key()}, nil)
	if err != nil {
		return s.fail(ctx, "cannot read what refused the batch", err)
	}
	if seen.docs[op.Key()].Version == op.Version() {
		return fmt.Errorf("%w: %s", ErrStale, target(op))
	}
	return op.Failure()
}

func target(op storage.Op) string {
	if op.Add != nil {
		return fmt.Sprintf("counter %q", op.Add.Counter)
	}
	return "document " + op.Key().String()
}

// standing is what a batch finds: documents without their bodies, and the values of
// the counters that exist.
type standing struct {
	docs     map[storage.Key]storage.Doc
	counters map[string]int64
}

// expected reads the versions and lists of the documents that are checked or
// changed, and which counters exist where the engine wants to know. A change is
// conditional on the version all the same: what was read is only used to know
// which lists that version stood in, and they never change.
func (s *Store) expected(ctx context.Context, c conn, ops []storage.Op) (standing, error) {
	var keys []storage.Key
	var counters []string
	for _, op := range ops {
		switch {
		case op.Check != nil || op.Version() > 0:
			keys = append(keys, op.Key())
		case op.Add != nil && s.steps.looksFirst():
			counters = append(counters, op.Add.Counter)
		}
	}
	return s.standing(ctx, c, keys, counters)
}

func (s *Store) standing(ctx context.Context, c conn, keys []storage.Key, counters []string) (standing, error) {
	if len(keys)+len(counters) == 0 {
		return newStanding(0, 0), nil
	}
	found := newStanding(len(keys), len(counters))
	statement, args := s.reading("''", keys, counters)
	return found, findInto(ctx, c, found, statement, args)
}

func newStanding(docs, counters int) standing {
	return standing{docs: make(map[storage.Key]storage.Doc, docs), counters: make(map[string]int64, counters)}
}

// findInto reads documents and counters by a statement like that of reading.
func findInto(ctx context.Context, c conn, found standing, statement string, args []any) error {
	return c.query(ctx, statement, args, func(scan scan) error {
		doc, err := scanDoc(scan)
		if doc.Key.Kind == "" {
			found.counters[doc.Key.ID] = doc.Version
		} else {
			found.docs[doc.Key] = doc
		}
		return err
	})
}

func (s *Store) create(ctx context.Context, c conn, p storage.Put, moves *moves) (bool, error) {
	packed, err := pack(p.Lists)
	if err != nil {
		return false, err
	}
	inserted, err := s.steps.insert(ctx, c,
		"INSERT INTO "+s.tables.docs+" (kind, id, version, due, lists, body) VALUES (?, ?, 1, ?, ?, ?)",
		p.Key.Kind, p.Key.ID, nullable(p.Due), packed, string(p.Body))
	if err != nil || !inserted {
		return false, err
	}
	moves.into = append(moves.into, rowsOf(p.Key, p.Lists)...)
	return true, nil
}

// change does a Put or a Drop of an existing document, which stood in the given
// lists at the version expected.
func (s *Store) change(ctx context.Context, c conn, op storage.Op, lists []storage.Listing, moves *moves) (bool, error) {
	key := op.Key()
	var wanted []storage.Listing
	statement, args := "DELETE FROM "+s.tables.docs, []any{}
	if op.Put != nil {
		wanted = op.Put.Lists
		packed, err := pack(wanted)
		if err != nil {
			return false, err
		}
		statement = "UPDATE " + s.tables.docs + " SET version = version + 1, due = ?, lists = ?, body = ?"
		args = append(args, nullable(op.Put.Due), packed, string(op.Put.Body))
	}
	statement += " WHERE kind = ? AND id = ? AND version = ?"
	affected, err := c.exec(ctx, statement, append(args, key.Kind, key.ID, op.Version())...)
	if err != nil || affected != 1 {
		return false, err
	}
	moves.outOf = append(moves.outOf, rowsOf(key, without(lists, wanted))...)
	moves.into = append(moves.into, rowsOf(key, without(wanted, lists))...)
	return true, nil
}

// moves are the rows of lists that a batch deletes and inserts: they are written
// together, and locked by nobody but who has locked their document.
type moves struct{ outOf, into []listRow }

type listRow struct {
	key storage.Key
	storage.Listing
}

func rowsOf(key storage.Key, lists []storage.Listing) []listRow {
	rows := make([]listRow, len(lists))
	for i, l := range lists {
		rows[i] = listRow{key, l}
	}
	return rows
}

// move writes the rows, and leaves none to be written.
func (s *Store) move(ctx context.Context, c conn, m *moves) error {
	for rows := range slices.Chunk(m.outOf, s.steps.deleted()) {
		if _, err := c.exec(ctx, "DELETE FROM "+s.tables.lists+" WHERE "+
			s.engine.among([]string{"kind", "list", "place", "id"}, len(rows)), argsOf(rows)...); err != nil {
			return err
		}
	}
	for rows := range slices.Chunk(m.into, listRows) {
		if _, err := c.exec(ctx, "INSERT INTO "+s.tables.lists+" (kind, list, place, id) VALUES (?, ?, ?, ?)"+
			strings.Repeat(", (?, ?, ?, ?)", len(rows)-1), argsOf(rows)...); err != nil {
			return err
		}
	}
	*m = moves{}
	return nil
}

// listRows is how many rows of lists are written in one statement.
const listRows = 500

func argsOf(rows []listRow) []any {
	args := make([]any, 0, 4*len(rows))
	for _, r := range rows {
		args = append(args, r.key.Kind, r.List, r.Place, r.key.ID)
	}
	return args
}

func (s *Store) add(ctx context.Context, c conn, a storage.Add, exists bool) (bool, error) {
	low, high, possible := room(a)
	if !possible {
		return false, nil
	}
	return s.steps.add(ctx, c, s.tables, a, low, high, exists)
}

// room is the range of values from which an Add is allowed, so that the engine
// only compares and never computes beyond int64: low <= value <= high exactly
// when value + Delta lies in [Min, Max].
func room(a storage.Add) (low, high int64, possible bool) {
	low, high = a.Min, a.Max
	switch {
	case a.Delta > 0:
		if high < math.MinInt64+a.Delta {
			return 0, 0, false
		}
		high -= a.Delta
		low = max(low, math.MinInt64+a.Delta) - a.Delta
	case a.Delta < 0:
		if low > math.MaxInt64+a.Delta {
			return 0, 0, false
		}
		low -= a.Delta
		high = min(high, math.MaxInt64+a.Delta) - a.Delta
	}
	return low, high, true
}

// nullable writes an instant, of which 0 means never.
func nullable(micros int64) any {
	if micros == 0 {
		return nil
	}
	return micros
}

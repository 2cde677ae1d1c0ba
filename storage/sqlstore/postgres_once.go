package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vouch-go/vouch/storage"
)

// onceOps is how many operations go into one statement. Each form of a batch is a
// statement of its own, which drivers keep prepared.
const onceOps = 16

// errAsk: the statement has written nothing, and does not know which operation is
// in the way.
var errAsk = errors.New("sqlstore: ask what is in the way")

// atOncePossible says that the batch makes documents and changes counters, and is not
// too long. What a document leaves when it changes is known only when it is read.
func atOncePossible(ops []storage.Op) bool {
	if !onlyMakes(ops) {
		return false
	}
	for _, op := range ops {
		if op.Add != nil {
			if _, _, possible := room(*op.Add); !possible {
				return false
			}
		}
	}
	return len(ops) <= onceOps
}

// form is what the text of a batch's statement depends on, and what goes into it: batches
// that differ only in keys, values and bodies have one text.
type form struct {
	ops   []byte   // each operation's letter, and what else its text depends on
	kinds []string // of the documents, each once
	args  []any
}

// The letters of a form.
const (
	checkDoc    = 'c' // and the place of its kind
	makeDoc     = 'm' // and the place of its kind, and the number of its lists
	addToAny    = 'a'
	addToExists = 'e' // the counter must exist: from 0 the step is not allowed
)

// formOf is the form of operations in lock order.
func formOf(ops []storage.Op) (form, error) {
	f := form{ops: make([]byte, 0, 3*len(ops)), kinds: make([]string, 0, 4), args: make([]any, 0, 5*len(ops)+8)}
	for _, op := range ops {
		switch {
		case op.Check != nil:
			f.ops = append(f.ops, checkDoc, f.kind(op.Check.Key.Kind))
			f.args = append(f.args, op.Check.Key.ID, op.Check.Version)
		case op.Put != nil:
			packed, err := pack(op.Put.Lists)
			if err != nil {
				return f, fmt.Errorf("sqlstore: cannot write %s: %w", target(op), err)
			}
			f.ops = append(f.ops, makeDoc, f.kind(op.Put.Key.Kind), byte(len(op.Put.Lists)))
			f.args = append(f.args, op.Put.Key.ID, nullable(op.Put.Due), packed, string(op.Put.Body))
			for _, l := range op.Put.Lists {
				f.args = append(f.args, l.List, l.Place)
			}
		case op.Add != nil:
			low, high, _ := room(*op.Add)
			letter := byte(addToAny)
			if low > 0 || high < 0 {
				letter = addToExists
			}
			f.ops = append(f.ops, letter)
			f.args = append(f.args, op.Add.Counter, op.Add.Delta, low, high, nullable(op.Add.Until))
		}
	}
	return f, nil
}

// kind is the place of a kind among the form's. A new one becomes an argument.
func (f *form) kind(kind string) byte {
	place := slices.Index(f.kinds, kind)
	if place < 0 {
		place = len(f.kinds)
		f.kinds = append(f.kinds, kind)
		f.args = append(f.args, kind)
	}
	return byte(place)
}

// rows are what a form's statement is about, each as the row of a VALUES list.
type rows struct {
	checked, counted, made, listed []string
	adds                           []func(before string) string
}

// rows numbers the arguments as formOf has listed them.
func (f form) rows(t tables) rows {
	var r rows
	n := 0
	arg := func(of string) string {
		n++
		return fmt.Sprintf("$%d::%s", n, of)
	}
	row := func(columns ...string) string { return "(" + strings.Join(columns, ", ") + ")" }
	var kinds []string
	kind := func(place byte) string {
		if int(place) == len(kinds) {
			kinds = append(kinds, arg("text"))
		}
		return kinds[place]
	}
	for i := 0; i < len(f.ops); i++ {
		switch letter := f.ops[i]; letter {
		case checkDoc:
			i++
			r.checked = append(r.checked, row(kind(f.ops[i]), arg("text"), arg("bigint")))
		case makeDoc:
			kind, id := kind(f.ops[i+1]), arg("text")
			r.made = append(r.made, row(kind, id, "1", arg("bigint"), arg("text"), arg("text")))
			i += 2
			for range f.ops[i] {
				r.listed = append(r.listed, row(kind, arg("text"), arg("bigint"), id))
			}
		default:
			name, delta, low, high, until := arg("text"), arg("bigint"), arg("bigint"), arg("bigint"), arg("bigint")
			r.counted = append(r.counted, row(name, low, high))
			between := " BETWEEN " + low + " AND " + high
			r.adds = append(r.adds, func(before string) string {
				if letter == addToExists {
					return "UPDATE " + t.counters + " SET value = value + " + delta + ", until = " + until + ", rev = rev + 1" +
						" WHERE name = " + name + " AND value" + between + " AND " + before
				}
				return "INSERT INTO " + t.counters + " AS c (name, value, until, rev) SELECT " + name + ", " + delta + ", " + until + ", 1" +
					" WHERE " + before + " ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value, until = excluded.until," +
					" rev = c.rev + 1 WHERE c.value" + between
			})
		}
	}
	return r
}

// statement is common table expressions, each of which finds its rows by their keys and
// waits until all rows of the one before are written: in lock order. A batch that is
// refused as things stand writes nothing; where another was faster, the statement fails.
// It gives 1 if the batch is written, 0 if not, and fails by a division by zero when it
// can't be written as a whole.
//
// What it rests on is looked up by one subquery for all documents and one for all
// counters: to start an index scan for each costs more than to run it.
func (f form) statement(t tables) string {
	r := f.rows(t)
	var s strings.Builder
	values := func(rows []string) string { return "(VALUES " + strings.Join(rows, ", ") + ")" }
	s.WriteString("WITH judged AS (SELECT 1 WHERE true")
	if len(r.checked) > 0 {
		s.WriteString(" AND NOT EXISTS (SELECT FROM " + values(r.checked) + " x (kind, id, version) WHERE coalesce((SELECT d.version FROM " +
			t.docs + " d WHERE d.kind = x.kind AND d.id = x.id), 0) <> x.version)")
	}
	if len(r.counted) > 0 {
		s.WriteString(" AND NOT EXISTS (SELECT FROM " + values(r.counted) + " x (name, low, high) WHERE coalesce((SELECT c.value FROM " +
			t.counters + " c WHERE c.name = x.name), 0) NOT BETWEEN x.low AND x.high)")
	}
	s.WriteString(")")
	before := "EXISTS (SELECT FROM judged)"
	then := func(name string, rows int, text string) {
		s.WriteString(", " + name + " AS (" + text + " RETURNING 1)")
		if before = "EXISTS (SELECT FROM " + name + ")"; rows > 1 {
			before = fmt.Sprintf("(SELECT count(*) FROM %s) = %d", name, rows)
		}
	}
	if n := len(r.made); n > 0 {
		then("made", n, "INSERT INTO "+t.docs+" (kind, id, version, due, lists, body) SELECT * FROM "+values(r.made)+" v WHERE "+before+
			" ON CONFLICT DO NOTHING")
	}
	if n := len(r.listed); n > 0 {
		then("listed", n, "INSERT INTO "+t.lists+" (kind, list, place, id) SELECT * FROM "+values(r.listed)+" v WHERE "+before)
	}
	for i, add := range r.adds {
		then(fmt.Sprint("added", i), 1, add(before))
	}
	s.WriteString(" SELECT CASE WHEN NOT EXISTS (SELECT FROM judged) THEN 0 ELSE 1 / (" + before + ")::integer END")
	return s.String()
}

// statements keeps the texts of forms.
type statements struct {
	mu    sync.RWMutex
	texts map[string]string
}

// maxStatements bounds how many are kept: more forms than a program has.
const maxStatements = 512

func (k *statements) of(f form, t tables) string {
	k.mu.RLock()
	text, known := k.texts[string(f.ops)]
	k.mu.RUnlock()
	if known {
		return text
	}
	text = f.statement(t)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.texts == nil {
		k.texts = make(map[string]string)
	}
	if len(k.texts) < maxStatements {
		k.texts[string(f.ops)] = text
	}
	return text
}

// judgeOnce applies a batch in one statement of its own. It fails with errAsk where
// nothing was written.
func (s *Store) judgeOnce(ctx context.Context, c conn, ops []storage.Op) error {
	f, err := formOf(ops)
	if err != nil {
		return err
	}
	written := int64(0)
	if err := c.query(ctx, s.once.of(f, s.tables), f.args, func(scan scan) error { return scan(&written) }); err != nil {
		var coded interface{ SQLState() string }
		if errors.As(err, &coded) && coded.SQLState() == "22012" {
			return errAsk
		}
		return s.fail(ctx, "cannot apply the batch", err)
	}
	if written == 0 {
		return errAsk
	}
	return nil
}

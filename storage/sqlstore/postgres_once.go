package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// onceOps is how many operations go into one statement. Each number and order of
// operations is a statement of its own, which drivers keep prepared.
const onceOps = 16

// errAsk: the statement has written nothing, and does not know which operation is
// in the way.
var errAsk = errors.New("sqlstore: ask what is in the way")

// once is a batch in one statement: common table expressions, each of which finds
// its row by its key and waits for the one before. A batch that is refused as things
// stand writes nothing; where another was faster, the statement fails.
type once struct {
	tables tables
	text   strings.Builder
	args   []any
	last   string // the expression before
}

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

func (o *once) arg(value any) string {
	o.args = append(o.args, value)
	return "?"
}

// judge is the first expression: a row if all holds as things stand.
func (o *once) judge(ops []storage.Op) {
	var holds []string
	for _, op := range ops {
		switch {
		case op.Check != nil:
			holds = append(holds, "coalesce((SELECT version FROM "+o.tables.docs+" WHERE kind = "+o.arg(op.Check.Key.Kind)+
				" AND id = "+o.arg(op.Check.Key.ID)+"), 0) = "+o.arg(op.Check.Version)+"::bigint")
		case op.Add != nil:
			low, high, _ := room(*op.Add)
			holds = append(holds, "coalesce((SELECT value FROM "+o.tables.counters+" WHERE name = "+o.arg(op.Add.Counter)+"), 0) BETWEEN "+
				o.arg(low)+"::bigint AND "+o.arg(high)+"::bigint")
		}
	}
	o.text.WriteString("WITH judged AS (SELECT 1")
	if len(holds) > 0 {
		o.text.WriteString(" WHERE " + strings.Join(holds, " AND "))
	}
	o.text.WriteString(")")
	o.last = "judged"
}

// expression adds one that depends on the last.
func (o *once) expression(name string, text string) {
	o.text.WriteString(", " + name + " AS (" + text + " RETURNING 1)")
	o.last = name
}

func (o *once) make(name string, p *storage.Put) error {
	packed, err := pack(p.Lists)
	if err != nil {
		return err
	}
	o.expression(name, "INSERT INTO "+o.tables.docs+" (kind, id, version, due, lists, body) SELECT "+
		o.arg(p.Key.Kind)+", "+o.arg(p.Key.ID)+", 1, "+o.arg(nullable(p.Due))+"::bigint, "+o.arg(packed)+", "+o.arg(string(p.Body))+
		" WHERE EXISTS (SELECT FROM "+o.last+") ON CONFLICT DO NOTHING")
	return nil
}

func (o *once) enter(rows []listRow) {
	if len(rows) == 0 {
		return
	}
	values := make([]string, len(rows))
	for i, r := range rows {
		values[i] = "(" + o.arg(r.key.Kind) + ", " + o.arg(r.List) + ", " + o.arg(r.Place) + "::bigint, " + o.arg(r.key.ID) + ")"
	}
	o.expression("entered", "INSERT INTO "+o.tables.lists+" (kind, list, place, id) SELECT v.* FROM (VALUES "+
		strings.Join(values, ", ")+") v WHERE EXISTS (SELECT FROM "+o.last+")")
}

func (o *once) add(name string, a *storage.Add) {
	low, high, _ := room(*a)
	if low > 0 || high < 0 { // not from an absent counter
		o.expression(name, "UPDATE "+o.tables.counters+" SET value = value + "+o.arg(a.Delta)+"::bigint, until = "+o.arg(nullable(a.Until))+
			"::bigint, rev = rev + 1 WHERE name = "+o.arg(a.Counter)+" AND value BETWEEN "+o.arg(low)+"::bigint AND "+o.arg(high)+
			"::bigint AND EXISTS (SELECT FROM "+o.last+")")
		return
	}
	o.expression(name, "INSERT INTO "+o.tables.counters+" AS c (name, value, until, rev) SELECT "+o.arg(a.Counter)+", "+o.arg(a.Delta)+
		"::bigint, "+o.arg(nullable(a.Until))+"::bigint, 1 WHERE EXISTS (SELECT FROM "+o.last+
		") ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value, until = excluded.until, rev = c.rev + 1 WHERE c.value BETWEEN "+
		o.arg(low)+"::bigint AND "+o.arg(high)+"::bigint")
}

// newOnce writes the statement, in lock order. It gives 1 if the batch is written, 0
// if not, and fails by a division by zero when the batch can't be written as a whole.
func newOnce(t tables, ops []storage.Op) (string, []any, error) {
	o := &once{tables: t}
	o.judge(ops)
	var rows []listRow
	for i, op := range ops {
		name := fmt.Sprint("o", i)
		switch {
		case op.Put != nil:
			if err := o.make(name, op.Put); err != nil {
				return "", nil, fmt.Errorf("sqlstore: cannot write %s: %w", target(op), err)
			}
			rows = append(rows, rowsOf(op.Put.Key, op.Put.Lists)...)
		case op.Add != nil:
			o.enter(rows)
			rows = nil
			o.add(name, op.Add)
		}
	}
	o.enter(rows)
	o.text.WriteString(" SELECT CASE WHEN NOT EXISTS (SELECT FROM judged) THEN 0 ELSE 1 / (SELECT count(*) FROM (SELECT FROM " +
		o.last + " LIMIT 1) done) END")
	return o.text.String(), o.args, nil
}

// judgeOnce applies a batch in one statement of its own. It fails with errAsk where
// nothing was written.
func (s *Store) judgeOnce(ctx context.Context, c conn, ops []storage.Op) error {
	statement, args, err := newOnce(s.tables, ops)
	if err != nil {
		return err
	}
	written := int64(0)
	if err := c.query(ctx, statement, args, func(scan scan) error { return scan(&written) }); err != nil {
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

package sqlstore

import (
	"context"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// List reads a page in one statement, through an index, from where the cursor
// stands: a later page costs what the first one does. See [storage.Store].
func (s *Store) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	q, err := q.Validate()
	if err != nil {
		return storage.Page{}, err
	}
	statement, args, err := s.listing(q)
	if err != nil {
		return storage.Page{}, err
	}
	var page storage.Page
	err = s.retry(ctx, "List", func() (err error) {
		page, err = s.page(ctx, q.Limit, statement, args)
		return err
	})
	return page, err
}

func (s *Store) page(ctx context.Context, limit int, statement string, args []any) (storage.Page, error) {
	var page storage.Page
	var last storage.Cursor
	more := false
	err := s.reader().query(ctx, statement, args, func(scan scan) error {
		var place int64
		doc, err := scanDoc(scan, &place)
		if err != nil {
			return err
		}
		if len(page.Docs) == limit {
			more = true
			return nil
		}
		page.Docs, last = append(page.Docs, doc), storage.CursorAt(place, doc.Key.ID)
		return nil
	})
	if err != nil {
		return storage.Page{}, s.fail(ctx, "cannot list", err)
	}
	if more {
		page.Next = last
	}
	return page, nil
}

// listing writes the statement of a validated query, ordered by (place, id). A
// whole kind has no places, and the constant 0 stands for them. It asks for one
// document more than the page holds, which says whether there is a next page.
func (s *Store) listing(q storage.Query) (string, []any, error) {
	from, row, place, index := s.tables.docs+" d", "d", "0", ""
	conditions, args := []string{}, []any{}
	where := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if q.List != "" {
		from, row, place = s.tables.lists+" l", "l", "l.place"
		where("l.kind = ?", q.Kind)
		where("l.list = ?", q.List)
	} else {
		where("d.kind = ?", q.Kind)
		if q.DueBefore != 0 {
			place, index = "d.due", s.tables.docs+"_due"
			q.Until = q.DueBefore
			where("d.due IS NOT NULL") // what the index is limited to
		}
	}
	if err := s.bound(q, place, row+".id", where); err != nil {
		return "", nil, err
	}
	if row == "l" {
		where("d.kind = l.kind AND d.id = l.id")
	}
	from += s.engine.by(index)
	if row == "l" {
		from += " " + s.engine.join() + " " + s.tables.docs + " d"
	}
	direction := ""
	if q.Newest {
		direction = " DESC"
	}
	order := row + ".id" + direction
	if place != "0" {
		order = place + direction + ", " + order
	}
	statement := "SELECT d.kind, d.id, d.version, d.due, d.lists, d.body, " + place + " FROM " + from +
		" WHERE " + strings.Join(conditions, " AND ") + " ORDER BY " + order + " LIMIT ?"
	return statement, append(args, q.Limit+1), nil
}

// bound writes the conditions on where the page lies. An index range has one
// lower and one upper end: given two conditions at one end, an engine may choose
// the weaker for the range and walk over everything already read. So the cursor
// takes the place of the bound it lies within.
func (s *Store) bound(q storage.Query, place, id string, where func(string, ...any)) error {
	at, afterID, err := q.After.Position()
	if q.After != "" && err != nil {
		return err
	}
	started := q.After != ""
	if started && place == "0" {
		if q.Newest {
			where(id+" < ?", afterID)
		} else {
			where(id+" > ?", afterID)
		}
		return nil
	}
	// A cursor from outside the bounds is weaker than the bound.
	lower := q.From != 0 && !(started && !q.Newest && at >= q.From)
	upper := q.Until != 0 && !(started && q.Newest && at < q.Until)
	if lower {
		where(place+" >= ?", q.From)
	}
	if upper {
		where(place+" < ?", q.Until)
	}
	if started && (q.Newest && !upper || !q.Newest && !lower) {
		condition, args := s.engine.beyond(place, id, q.Newest, at, afterID)
		where(condition, args...)
	}
	return nil
}

package ledger

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// StatementQuery asks for a page of an account's statement.
type StatementQuery struct {
	From  time.Time // the first instant; zero: from the beginning
	Until time.Time // the first instant no longer in it; zero: no end
	After string    // the Next of the page before; empty for the first page
	Limit int       // entries in the page; default 100, at most 1,000
}

// Statement is a page of what happened to an account, in time order.
type Statement struct {
	Account Account
	Opening []Money // the balances before the first line, by currency; none that was never touched
	Lines   []Line
	Closing []Money // the balances after the last line
	Next    string  // ask for the next page with it; empty: this was the last
}

// Line is what an entry did to the account in one currency.
type Line struct {
	Entry   Entry // of a large entry, with some of its transfers
	Amount  Money // above 0: it came in
	Balance Money // after the line
}

// balances of an account, in minor units.
type balances map[Currency]int64

func (b balances) list() []Money {
	var list []Money
	for currency, minor := range b {
		list = append(list, Minor(minor, currency))
	}
	slices.SortFunc(list, func(x, y Money) int { return cmp.Compare(x.currency.text(), y.currency.text()) })
	return list
}

// add books an entry's movements on the account and gives the lines.
func (b balances) add(a Account, docID string, body *entryBody) ([]Line, error) {
	entry := body.entry(docID)
	movements, err := movements(entry.Transfers)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, m := range movements {
		if m.account != a {
			continue
		}
		sum, err := Sum(b[m.currency], m.delta)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", a, err)
		}
		b[m.currency] = sum
		lines = append(lines, Line{entry, Minor(m.delta, m.currency), Minor(sum, m.currency)})
	}
	return lines, nil
}

// Statement is a page of the account's statement. An entry posted while one
// pages appears when its instant lies ahead of the page.
//
// It fails with ErrInvalid.
func (b *Book) Statement(ctx context.Context, a Account, q StatementQuery) (Statement, error) {
	at, err := q.position(a)
	if err != nil {
		return Statement{}, fmt.Errorf("%w: statement: %w", ErrInvalid, err)
	}
	switch {
	case at.Balances != nil:
	case q.From.IsZero():
		at.Balances = balances{}
	default:
		if at.Balances, err = openingAt(ctx, b.store, a, micros(q.From)); err != nil {
			return Statement{}, err
		}
	}
	page, err := b.store.List(ctx, storage.Query{
		Kind: entryKind, List: accountList(a), From: micros(q.From), Until: micros(q.Until), After: at.Cursor, Limit: q.Limit,
	})
	if err != nil {
		return Statement{}, err
	}
	statement := Statement{Account: a, Opening: at.Balances.list()}
	for _, doc := range page.Docs {
		record, err := entryCodec.Decode(doc)
		if err != nil {
			return Statement{}, err
		}
		lines, err := at.Balances.add(a, doc.Key.ID, &record.Value)
		if err != nil {
			return Statement{}, err
		}
		statement.Lines = append(statement.Lines, lines...)
	}
	statement.Closing = at.Balances.list()
	at.Cursor = page.Next
	statement.Next, err = at.text()
	return statement, err
}

// micros is the bound of a listing: 0 for none.
func micros(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// statementCursor is where a page ended, with the balances there: a page costs
// the same wherever it lies.
type statementCursor struct {
	Account  Account        `json:"account"`
	Cursor   storage.Cursor `json:"cursor"`
	Balances balances       `json:"balances"`
}

func (c statementCursor) text() (string, error) {
	if c.Cursor == "" {
		return "", nil
	}
	text, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// position reads the query's cursor; without one the balances are nil.
func (q StatementQuery) position(a Account) (statementCursor, error) {
	if err := a.check(); err != nil {
		return statementCursor{}, err
	}
	for _, bound := range []time.Time{q.From, q.Until} {
		if !bound.IsZero() && !isInstant(bound) {
			return statementCursor{}, fmt.Errorf("the instant %s is not between 1970 and 9999", bound)
		}
	}
	if q.Limit < 0 || q.Limit > storage.MaxPage {
		return statementCursor{}, fmt.Errorf("limit %d is not in 0..%d", q.Limit, storage.MaxPage)
	}
	if q.After == "" {
		return statementCursor{Account: a}, nil
	}
	var c statementCursor
	text, err := base64.RawURLEncoding.DecodeString(q.After)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil {
		_, _, err = c.Cursor.Position()
	}
	if err != nil || c.Account != a || c.Balances == nil {
		return statementCursor{}, fmt.Errorf("after %.40q is not the Next of a statement of %s", q.After, a)
	}
	return c, nil
}

// openingAt is what the account had before the instant (0: what it has now): the
// balances of the last closed month, and the entries since.
func openingAt(ctx context.Context, store storage.Store, a Account, at int64) (balances, error) {
	opening, since, err := lastClosing(ctx, store, a, at)
	if err != nil {
		return nil, err
	}
	query := storage.Query{Kind: entryKind, List: accountList(a), From: since, Until: at, Limit: storage.MaxPage}
	if at != 0 && since == at {
		return opening, nil
	}
	err = eachEntry(ctx, store, query, func(doc storage.Doc, body *entryBody) error {
		_, err := opening.add(a, doc.Key.ID, body)
		return err
	})
	return opening, err
}

// eachEntry goes through all entries of a listing.
func eachEntry(ctx context.Context, store storage.Store, q storage.Query, do func(storage.Doc, *entryBody) error) error {
	return eachDoc(ctx, store, q, func(doc storage.Doc) error {
		record, err := entryCodec.Decode(doc)
		if err != nil {
			return err
		}
		return do(doc, &record.Value)
	})
}

// eachDoc goes through all pages of a listing.
func eachDoc(ctx context.Context, store storage.Store, q storage.Query, do func(storage.Doc) error) error {
	for {
		page, err := store.List(ctx, q)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			if err := do(doc); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

// merge adds what another sum has.
func (b balances) merge(other balances) (balances, error) {
	sum := maps.Clone(b)
	for currency, minor := range other {
		total, err := Sum(sum[currency], minor)
		if err != nil {
			return nil, err
		}
		sum[currency] = total
	}
	return sum, nil
}

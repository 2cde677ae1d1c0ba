package ledger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Journal writes the whole book as a plain-text accounting journal, in time
// order, which hledger reads and checks (`hledger check --strict`). Accounts and
// commodities are declared before they are first used; the parts of an account
// become hledger's sub-accounts.
//
// It is ASCII, so that it reads the same in every locale: what is not, or has a
// meaning in a journal, is written as in a URL ("%20"), which can be undone. It
// streams, and keeps no more than the names of the accounts.
//
// The error is one of the store, the context or the writer; what was written
// until then is a beginning of the journal.
func Journal(ctx context.Context, store storage.Store, w io.Writer) error {
	j := journal{w: bufio.NewWriter(w), declared: make(map[string]bool)}
	query := storage.Query{Kind: entryKind, List: bookList, Limit: storage.MaxPage}
	err := eachEntry(ctx, store, query, func(doc storage.Doc, body *entryBody) error {
		return j.entry(body.entry(doc.Key.ID))
	})
	if err == nil {
		err = j.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("ledger: journal: %w", err)
	}
	return nil
}

type journal struct {
	w        *bufio.Writer
	declared map[string]bool // the directives written
}

func (j *journal) entry(e Entry) error {
	for _, t := range e.Transfers {
		j.declare("commodity " + amountForm(t.Amount.Currency()))
		j.declare("account " + journalAccount(t.From))
		j.declare("account " + journalAccount(t.To))
	}
	fmt.Fprintf(j.w, "%s (%s) %s\n", e.At.Format(time.DateOnly), journalText(e.ID), journalText(e.Kind))
	j.note("at", e.At.Format(time.RFC3339Nano))
	j.note("actor", e.Actor)
	j.note("subject", e.Subject)
	j.note("concerns", e.Concerns)
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		j.note("detail", name+"="+e.Details[name])
	}
	for _, t := range e.Transfers {
		out, err := t.Amount.Neg()
		if err != nil {
			return fmt.Errorf("entry %q: %w", e.ID, err)
		}
		j.posting(t.From, out)
		j.posting(t.To, t.Amount)
	}
	return j.w.WriteByte('\n') // bufio keeps the first error
}

func (j *journal) declare(directive string) {
	if !j.declared[directive] {
		j.declared[directive] = true
		fmt.Fprintf(j.w, "%s\n\n", directive)
	}
}

func (j *journal) note(tag, text string) {
	if text != "" {
		fmt.Fprintf(j.w, "    ; %s:%s\n", tag, journalText(text))
	}
}

func (j *journal) posting(a Account, m Money) {
	fmt.Fprintf(j.w, "    %s  %s %s\n", journalAccount(a), m.Amount(), commodity(m.Currency()))
}

// amountForm shows how amounts of a commodity are written; hledger wants a
// decimal mark in it even where there are no decimals.
func amountForm(c Currency) string {
	return "1." + strings.Repeat("0", c.Exponent()) + " " + commodity(c)
}

// commodity is quoted when it has digits, which would read as an amount.
func commodity(c Currency) string {
	if strings.ContainsAny(c.Code(), "0123456789") {
		return `"` + c.Code() + `"`
	}
	return c.Code()
}

// journalAccount escapes all that ends an account name or has a meaning in one:
// double blanks, ';', ':', brackets.
func journalAccount(a Account) string {
	parts := strings.Split(string(a), "/")
	for i, part := range parts {
		parts[i] = escape(part, "-_.")
	}
	return strings.Join(parts, ":")
}

func journalText(s string) string { return escape(s, "-_./#+=@: ") }

// escape writes every byte but ASCII letters, digits and those named as %XX.
func escape(s, plain string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

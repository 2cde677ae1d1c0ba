package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// entry checks an entry by itself and adds it to its accounts.
func (p *auditPass) entry(doc storage.Doc) error {
	print := printOf(doc)
	p.report.Entries++
	p.entries += print
	record, err := entryCodec.Decode(doc)
	if err != nil {
		p.suspect(print, FoundUnreadable, doc.Key.String(), 0, 0, err.Error())
		return nil
	}
	body := &record.Value
	p.part(doc.Key.ID, body)
	if err := body.audit(doc); err != nil {
		p.suspect(print, FoundEntry, doc.Key.String(), 0, 0, err.Error())
	}
	movements, err := movements(body.entry(doc.Key.ID).Transfers)
	if err != nil {
		p.suspect(print, FoundEntry, doc.Key.String(), 0, 0, err.Error())
		return nil
	}
	floors := make(map[string]int64)
	for i, c := range body.Claims {
		floors[c.Counter] = math.MinInt64
		if i < len(body.Floors) && c.N < 0 {
			floors[c.Counter] = body.Floors[i]
		}
	}
	for _, m := range movements {
		p.move(m, print, floors)
	}
	return nil
}

func (p *auditPass) move(m movement, print uint64, floors map[string]int64) {
	if err := p.accounts.add(m.account, m.currency, m.delta, print); err != nil {
		p.suspect(print, FoundBalance, accountName(m.account, m.currency), m.delta, 0, err.Error())
	}
	if floor, claimed := floors[balanceCounter(m.account, m.currency)]; claimed {
		account := p.accounts.at(m.account, m.currency)
		account.claimed = true
		if floor != math.MinInt64 {
			account.debited, account.floor = true, min(account.floor, floor)
		}
	}
}

func accountName(a Account, c Currency) string { return string(a) + " " + c.text() }

// audit says what the body breaks of what every entry keeps.
func (b *entryBody) audit(doc storage.Doc) error {
	e := b.entry(doc.Key.ID)
	if err := e.check(); err != nil {
		return err
	}
	if doc.Key != partKey(e.ID, b.Part) || b.Part > b.Parts {
		return fmt.Errorf("it is part %d of %d, under another id", b.Part, b.Parts)
	}
	if !slices.Equal(sortedListings(b.lists()), sortedListings(doc.Lists)) {
		return fmt.Errorf("it stands in the lists %v, and not in those of its accounts at its instant", doc.Lists)
	}
	if len(b.Floors) != len(b.Claims) {
		return fmt.Errorf("it has %d claims and %d floors", len(b.Claims), len(b.Floors))
	}
	movements, err := movements(e.Transfers)
	if err != nil {
		return err
	}
	for _, c := range b.Claims {
		if !slices.ContainsFunc(movements, func(m movement) bool {
			return balanceCounter(m.account, m.currency) == c.Counter && m.delta == c.N
		}) {
			return fmt.Errorf("its claim of %d on %q is not what its transfers do", c.N, c.Counter)
		}
	}
	if doc.Version != 1 {
		return fmt.Errorf("it was changed: it is at version %d, and an entry is written once", doc.Version)
	}
	return nil
}

func sortedListings(lists []storage.Listing) []storage.Listing {
	return slices.SortedFunc(slices.Values(lists), func(a, b storage.Listing) int { return strings.Compare(a.List, b.List) })
}

// part counts down the parts of an entry that has several.
func (p *auditPass) part(docID string, b *entryBody) {
	if b.Parts <= 1 {
		return
	}
	id := partID.ReplaceAllString(docID, "")
	if _, known := p.parts[id]; !known {
		p.parts[id] = b.Parts
	}
	p.parts[id]--
}

func (p *auditPass) compareParts() {
	for _, id := range slices.Sorted(maps.Keys(p.parts)) {
		if missing := p.parts[id]; missing != 0 {
			p.suspect(0, FoundEntry, EntryKey(id).String(), int64(missing), 0, "so many of its parts are missing")
		}
	}
}

// holds checks each hold against the entries that made and ended it.
func (p *auditPass) holds(ctx context.Context) error {
	query := storage.Query{Kind: holdKind, Limit: storage.MaxPage / 2} // two entries for each are read at once
	for {
		page, err := p.store.List(ctx, query)
		if err != nil {
			return err
		}
		if err := p.holdPage(ctx, page.Docs); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

func (p *auditPass) holdPage(ctx context.Context, docs []storage.Doc) error {
	var keys []storage.Key
	for _, doc := range docs {
		keys = append(keys, EntryKey("hold/"+doc.Key.ID), EntryKey("hold-end/"+doc.Key.ID))
	}
	found, _, err := p.store.Get(ctx, keys)
	if err != nil {
		return err
	}
	entries := make(map[string]Entry, len(found))
	for _, doc := range found {
		if record, err := entryCodec.Decode(doc); err == nil { // otherwise it is a finding already
			entries[doc.Key.ID] = record.Value.entry(doc.Key.ID)
		}
	}
	for _, doc := range docs {
		p.report.Documents++
		if !p.claims(doc) {
			continue
		}
		h, _, err := readHold(doc)
		if err != nil {
			p.suspect(printOf(doc), FoundUnreadable, doc.Key.String(), 0, 0, err.Error())
			continue
		}
		p.hold(h, doc, entries)
	}
	return nil
}

func (p *auditPass) hold(h Hold, doc storage.Doc, entries map[string]Entry) {
	opened, hasOpening := entries["hold/"+h.ID]
	ended, hasEnding := entries["hold-end/"+h.ID]
	fault := func(note string) { p.suspect(printOf(doc), FoundHold, doc.Key.String(), 0, 0, note) }
	if !hasOpening || !agrees(opened, h.opening()) {
		fault("the entry that made it is missing or says otherwise")
	}
	switch h.State {
	case Held:
		if hasEnding {
			fault("it is still held, and an entry has ended it")
		}
		if doc.Due == 0 {
			fault("it never lapses")
		}
		if err := p.held.add(h.From.held(), h.Amount.Currency(), h.Amount.Minor(), printOf(doc)); err != nil {
			fault(err.Error())
		}
	case Posted, Voided, Lapsed:
		if !hasEnding || !agrees(ended, h.ending()) {
			fault("the entry that ended it is missing or says otherwise")
		}
	default:
		fault(fmt.Sprintf("it has no known state: %q", h.State))
	}
}

// agrees says that the entry on record is the one expected, at its instant too.
func agrees(recorded, expected Entry) bool {
	expected, err := expected.normal()
	return err == nil && recorded.same(expected) && recorded.At.Equal(expected.At)
}

// compareHeld holds what is held against the accounts that it waits on.
func (p *auditPass) compareHeld() {
	for account, sums := range p.accounts {
		for currency := range sums {
			if account.isHeld() {
				p.held.at(account, currency)
			}
		}
	}
	for _, account := range slices.Sorted(maps.Keys(p.held)) {
		for _, currency := range sortedCurrencies(p.held[account]) {
			held, stands := p.held.at(account, currency), p.accounts.at(account, currency)
			if held.sum != stands.sum {
				p.suspect(held.print+stands.print, FoundHold, accountName(account, currency), stands.sum, held.sum,
					"the holds on it come to the latter")
			}
		}
	}
}

func sortedCurrencies[V any](m map[Currency]V) []Currency {
	return slices.SortedFunc(maps.Keys(m), func(a, b Currency) int { return cmp.Compare(a.text(), b.text()) })
}

// closing checks that the balance of a closed month stands where it is looked
// for; its figures are compared when its account's statement is read.
func (p *auditPass) closing(doc storage.Doc) error {
	record, err := closingCodec.Decode(doc)
	if err != nil {
		p.suspect(printOf(doc), FoundUnreadable, doc.Key.String(), 0, 0, err.Error())
		return nil
	}
	body := record.Value
	want := []storage.Listing{{List: accountList(body.Account), Place: body.Until}}
	if doc.Version != 1 || doc.Key != closingKey(body.Account, time.UnixMicro(body.Until).UTC()) || !slices.Equal(doc.Lists, want) {
		p.suspect(printOf(doc), FoundClosing, doc.Key.String(), 0, 0, "it was changed, or is about another account or month")
	}
	p.accounts.at(body.Account, Currency{}) // an account that has no entries is compared all the same
	return nil
}

// compareBook holds the list of the whole book, which journals and the closing
// of months rest on, against the entries.
func (p *auditPass) compareBook(ctx context.Context) error {
	var listed int64
	query := storage.Query{Kind: entryKind, List: bookList, Limit: storage.MaxPage}
	err := eachDoc(ctx, p.store, query, func(storage.Doc) error {
		listed++
		return nil
	})
	if want := int64(p.report.Entries); err == nil && listed != want {
		p.suspect(p.entries, FoundStatement, bookList, listed, want, "so many entries are in the book, and the latter exist")
	}
	return err
}

// compareAccounts reads every account's statement and holds it against the
// entries, its counter, its floor and its closed months.
func (p *auditPass) compareAccounts(ctx context.Context) error {
	p.report.Accounts = len(p.accounts)
	for _, account := range slices.Sorted(maps.Keys(p.accounts)) {
		running, err := p.statement(ctx, account)
		if err != nil {
			return err
		}
		for currency := range running {
			p.accounts.at(account, currency)
		}
		for _, currency := range sortedCurrencies(p.accounts[account]) {
			name, sum := accountName(account, currency), p.accounts.at(account, currency)
			if found := running[currency]; found != sum.sum {
				p.suspect(sum.print, FoundStatement, name, found, sum.sum, "its entries come to the latter")
			}
			p.compareFloor(name, p.counters[balanceCounter(account, currency)], sum)
		}
	}
	return nil
}

func (p *auditPass) compareFloor(name string, counter *counterSum, account *accountSum) {
	switch {
	case !account.claimed || counter == nil:
	case counter.sum != account.sum:
		p.suspect(account.print, FoundBalance, name, counter.sum, account.sum,
			"its entries come to the latter: was its floor declared after its first entry?")
	case account.debited && account.sum < account.floor:
		p.suspect(account.print, FoundFloor, name, account.sum, account.floor, "the lowest floor on record is the latter")
	}
}

// statement adds up an account's entries in time order, and compares its closed
// months on the way.
func (p *auditPass) statement(ctx context.Context, a Account) (balances, error) {
	var closings []storage.Record[closingBody]
	query := storage.Query{Kind: balanceKind, List: accountList(a), Limit: storage.MaxPage}
	err := eachDoc(ctx, p.store, query, func(doc storage.Doc) error {
		if record, err := closingCodec.Decode(doc); err == nil { // otherwise it is a finding already
			closings = append(closings, record)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	running := balances{}
	query.Kind = entryKind
	err = eachDoc(ctx, p.store, query, func(doc storage.Doc) error {
		record, err := entryCodec.Decode(doc)
		if err != nil {
			return nil // a finding already
		}
		for len(closings) > 0 && closings[0].Value.Until <= record.Value.At {
			p.compareClosing(closings[0], running)
			closings = closings[1:]
		}
		if _, err := running.add(a, doc.Key.ID, &record.Value); err != nil {
			p.suspect(printOf(doc), FoundStatement, string(a), 0, 0, err.Error())
		}
		return nil
	})
	for _, closing := range closings {
		p.compareClosing(closing, running)
	}
	return running, err
}

func (p *auditPass) compareClosing(r storage.Record[closingBody], running balances) {
	print := printOf(storage.Doc{Key: r.Key, Version: r.Version})
	both := maps.Clone(running)
	maps.Copy(both, r.Value.Balances)
	for _, currency := range sortedCurrencies(both) {
		if found, want := r.Value.Balances[currency], running[currency]; found != want {
			p.suspect(print, FoundClosing, accountName(Account(r.Key.ID), currency), found, want, "its entries come to the latter")
		}
	}
}

package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Limits of an entry. Beyond one of them it is [ErrInvalid].
const (
	MaxAccount   = 120 // bytes of an account
	MaxEntryID   = 180 // bytes of an entry's id
	MaxText      = 190 // bytes of kind, actor, subject, concerns, and of a detail's name
	MaxDetail    = 2000
	MaxDetails   = 50
	MaxTransfers = 500 // after those between the same two accounts are summed
)

// Account names a place where money is: "promotions/platform", "credit/jane". It
// is 1 to 120 bytes of UTF-8 in parts separated by '/', none of them empty,
// without NUL and without blanks at the ends. Letter case tells accounts apart.
type Account string

func (a Account) check() error {
	switch s := string(a); {
	case s == "" || len(s) > MaxAccount:
		return fmt.Errorf("account %.40q has %d bytes: want 1 to %d", s, len(s), MaxAccount)
	case !isText(s):
		return fmt.Errorf("account %q is not UTF-8 without NUL", s)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("account %q has blanks at its ends", s)
	case s[0] == '/' || s[len(s)-1] == '/' || strings.Contains(s, "//"):
		return fmt.Errorf("account %q has an empty part", s)
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Transfer moves an amount above zero from one account to another.
type Transfer struct {
	From   Account `json:"from"`
	To     Account `json:"to"`
	Amount Money   `json:"amount"`
}

// Entry is one thing that happened. It is appended once and never changed; a
// correction is another entry. Because all it does to accounts is to transfer,
// the book balances by construction. An entry without transfers is a record all
// the same: a decision, or what a member of staff did.
type Entry struct {
	ID        string            // the idempotency key, 1 to 180 bytes
	Kind      string            // what kind of thing: "redemption", "extend"
	At        time.Time         // when, between 1970 and 9999; kept in microseconds, in UTC
	Actor     string            // who did it; empty: the program itself
	Subject   string            // whom it is about
	Concerns  string            // what it is about: an order, a coupon
	Details   map[string]string // at most 50
	Transfers []Transfer
}

// Floor keeps accounts from falling below a minimum, which is usually 0. Every
// account under the prefix has a counter per currency, from its first entry on:
// a floor is declared before the first entry, or the audit will say so. Where
// several prefixes fit, the longest holds.
//
// Accounts without a floor have no counter, so that nobody queues on them.
type Floor struct {
	Prefix string // "credit/"
	Min    int64  // minor units of whatever currency
}

// Batch is what writes the entry, once: a second entry of the same id is
// refused with [storage.ErrConflict], an account that would fall below its floor
// with [storage.ErrLimit], and a date in a month that has been closed with
// ErrConflict about the document of [MonthKey].
//
// Transfers between the same two accounts in one currency are summed, and
// sorted. An entry of more than 7 accounts is kept as several documents, because
// a document stands in 8 lists at most; they are written together.
//
// It fails with ErrInvalid, and with ErrOverflow when transfers cannot be summed.
func (e Entry) Batch(floors ...Floor) (storage.Batch, error) {
	e, err := e.normal()
	if err != nil {
		return storage.Batch{}, err
	}
	groups := e.groups()
	batch := storage.Batch{Checks: []storage.Check{{Key: MonthKey(e.At)}}, Puts: make([]storage.Put, 0, len(groups))}
	var adds []storage.Batch
	for i, transfers := range groups {
		part, err := e.part(i+1, len(groups), transfers, floors)
		if err != nil {
			return storage.Batch{}, err
		}
		put, err := entryCodec.Put(part, 0, part.Value.lists()...)
		if err != nil {
			return storage.Batch{}, err
		}
		batch.Puts = append(batch.Puts, put)
		if len(groups) == 1 { // in which each counter occurs once
			batch.Adds = part.Value.adds()
			return batch, nil
		}
		adds = append(adds, storage.Batch{Adds: part.Value.adds()})
	}
	return storage.Join(append(adds, batch)...)
}

// normal is the entry in the form it is kept in: transfers summed and sorted,
// the instant in microseconds and UTC, no empty map.
func (e Entry) normal() (Entry, error) {
	if err := e.check(); err != nil {
		return Entry{}, err
	}
	transfers, err := sumTransfers(e.Transfers)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %q: %w", e.ID, err)
	}
	if len(transfers) > MaxTransfers {
		return Entry{}, fmt.Errorf("%w: entry %q: %d transfers, at most %d are allowed: make several entries of it",
			ErrInvalid, e.ID, len(transfers), MaxTransfers)
	}
	e.At, e.Transfers = e.At.UTC().Truncate(time.Microsecond), transfers
	if len(e.Details) == 0 {
		e.Details = nil
	}
	return e, nil
}

func sumTransfers(transfers []Transfer) ([]Transfer, error) {
	if len(transfers) == 0 {
		return nil, nil
	}
	sorted := slices.Clone(transfers)
	slices.SortFunc(sorted, compareTransfers)
	sums := sorted[:0]
	for _, t := range sorted {
		if last := len(sums) - 1; last >= 0 && compareTransfers(sums[last], t) == 0 {
			sum, err := sums[last].Amount.Add(t.Amount)
			if err != nil {
				return nil, err
			}
			sums[last].Amount = sum
			continue
		}
		sums = append(sums, t)
	}
	return sums, nil
}

func compareTransfers(a, b Transfer) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
		cmp.Compare(a.Amount.Currency().text(), b.Amount.Currency().text()))
}

// partID is the id of a document that an entry of many accounts goes on in. No
// entry has such an id of its own.
var partID = regexp.MustCompile(partMark + `[0-9]+$`)

const partMark = "#part"

// entryFaults are what is wrong with an entry.
type entryFaults []error

func (f *entryFaults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *entryFaults) text(what, s string, least, most int) {
	switch {
	case len(s) < least || len(s) > most:
		f.add("%s %.40q has %d bytes: want %d to %d", what, s, len(s), least, most)
	case !isText(s):
		f.add("%s %q is not UTF-8 without NUL", what, s)
	}
}

func (e *Entry) check() error {
	var faults entryFaults
	faults.text("id", e.ID, 1, MaxEntryID)
	if strings.Contains(e.ID, partMark) && partID.MatchString(e.ID) {
		faults.add("id %q: an id of this ending is kept for the parts of large entries", e.ID)
	}
	faults.text("kind", e.Kind, 1, MaxText)
	faults.text("actor", e.Actor, 0, MaxText)
	faults.text("subject", e.Subject, 0, MaxText)
	faults.text("concerns", e.Concerns, 0, MaxText)
	if !isInstant(e.At) {
		faults.add("the instant %s is not between 1970 and 9999", e.At)
	}
	if len(e.Details) > MaxDetails {
		faults.add("%d details: at most %d are allowed", len(e.Details), MaxDetails)
	}
	if len(e.Details) > 0 {
		faults.details(e.Details)
	}
	for i := range e.Transfers {
		if err := e.Transfers[i].check(); err != nil {
			faults.add("transfer %d: %w", i+1, err)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: entry %.40q: %w", ErrInvalid, e.ID, errors.Join(faults...))
}

func (f *entryFaults) details(details map[string]string) {
	for name, detail := range details {
		if len(name) > 0 && len(name) <= MaxText && isText(name) && len(detail) <= MaxDetail && isText(detail) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(details)) { // all of them, in an order
			f.text("the name of detail", name, 1, MaxText)
			f.text("detail "+name, details[name], 0, MaxDetail)
		}
		break
	}
}

func (t *Transfer) check() error {
	from, to := t.From.check(), t.To.check()
	if from == nil && to == nil && t.From != t.To && t.Amount.Sign() > 0 && !t.Amount.Currency().IsZero() {
		return nil
	}
	faults := []error{from, to}
	if t.From == t.To {
		faults = append(faults, fmt.Errorf("it goes from %q to itself", t.From))
	}
	if t.Amount.Sign() <= 0 || t.Amount.Currency().IsZero() {
		faults = append(faults, fmt.Errorf("its amount %s is not a positive amount of a currency", t.Amount))
	}
	return errors.Join(faults...)
}

// entryBody is a document of an entry: the whole of it, or a part with some of
// the transfers, of which the first has the details.
type entryBody struct {
	Kind      string            `json:"kind"`
	At        int64             `json:"at"` // unix microseconds
	Actor     string            `json:"actor"`
	Subject   string            `json:"subject"`
	Concerns  string            `json:"concerns"`
	Details   map[string]string `json:"details"`
	Transfers []transferBody    `json:"transfers"`
	Claims    []Claim           `json:"claims"` // what it did to the counters of accounts with a floor
	Floors    []int64           `json:"floors"` // the floor of each claim's account, minor units
	Part      int               `json:"part"`   // from 1
	Parts     int               `json:"parts"`  // how many documents the entry has
}

// WriteMembers writes what encoding/json would.
func (b *entryBody) WriteMembers(w *jsonbody.Writer) {
	w.String("kind", b.Kind)
	w.Int("at", b.At)
	w.String("actor", b.Actor)
	w.String("subject", b.Subject)
	w.String("concerns", b.Concerns)
	jsonbody.WriteMap(w, "details", b.Details)
	jsonbody.WriteObjects(w, "transfers", b.Transfers, func(w *jsonbody.Writer, t *transferBody) {
		w.String("from", string(t.From))
		w.String("to", string(t.To))
		w.Int("minor", t.Minor)
		WriteCurrency(w, "currency", t.Currency)
	})
	WriteClaims(w, "claims", b.Claims)
	jsonbody.WriteArray(w, "floors", b.Floors, func(w *jsonbody.Writer, n *int64) { w.Int("", *n) })
	w.Int("part", int64(b.Part))
	w.Int("parts", int64(b.Parts))
}

type transferBody struct {
	From     Account  `json:"from"`
	To       Account  `json:"to"`
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

const (
	entryKind   = "entry"
	bookList    = "book" // every entry, at its instant
	maxAccounts = storage.MaxLists - 1
)

var entryCodec = storage.NewCodec[entryBody](1)

// EntryKey is the key of the document that holds the entry, or its first part.
func EntryKey(id string) storage.Key { return storage.Key{Kind: entryKind, ID: id} }

func partKey(id string, part int) storage.Key {
	if part == 1 {
		return EntryKey(id)
	}
	return EntryKey(fmt.Sprintf("%s%s%d", id, partMark, part))
}

func accountList(a Account) string { return "account/" + string(a) }

// BalanceCounter is the counter of what an account with a floor has in a currency:
// the one that a [storage.Failure] names when an entry would leave it too little.
func BalanceCounter(a Account, c Currency) string { return balanceCounter(a, c) }

func balanceCounter(a Account, c Currency) string { return "balance/" + string(a) + "/" + c.text() }

// groups splits the transfers over documents of at most maxAccounts accounts, filling
// one after the other. There is one at least.
func (e *Entry) groups() [][]Transfer {
	var groups [][]Transfer
	var room [maxAccounts + 2]Account
	accounts, first := room[:0], 0
	for i, t := range e.Transfers {
		accounts = touch(touch(accounts, t.From), t.To)
		if len(accounts) > maxAccounts {
			groups = append(groups, e.Transfers[first:i])
			accounts, first = append(room[:0], t.From, t.To), i
		}
	}
	return append(groups, e.Transfers[first:])
}

// touch adds an account to others, once.
func touch(accounts []Account, a Account) []Account {
	if slices.Contains(accounts, a) {
		return accounts
	}
	return append(accounts, a)
}

// part is one of the entry's documents, counted from 1.
func (e *Entry) part(part, parts int, transfers []Transfer, floors []Floor) (storage.Record[entryBody], error) {
	record := storage.Record[entryBody]{Key: partKey(e.ID, part), Value: entryBody{
		Kind: e.Kind, At: e.At.UnixMicro(), Actor: e.Actor, Subject: e.Subject, Concerns: e.Concerns, Part: part, Parts: parts,
	}}
	if part == 1 { // the others are found through it
		record.Value.Details = e.Details
	}
	if err := record.Value.transfer(transfers, floors); err != nil {
		return record, fmt.Errorf("entry %q: %w", e.ID, err)
	}
	return record, nil
}

func (b *entryBody) transfer(transfers []Transfer, floors []Floor) error {
	if len(transfers) == 0 {
		return nil
	}
	b.Transfers = make([]transferBody, 0, len(transfers))
	for _, t := range transfers {
		b.Transfers = append(b.Transfers, transferBody{t.From, t.To, t.Amount.Minor(), t.Amount.Currency()})
	}
	movements, err := movements(transfers)
	if err != nil {
		return err
	}
	for _, m := range movements {
		if floor, has := floorOf(m.account, floors); has && m.delta != 0 {
			b.Claims = append(b.Claims, Claim{Counter: balanceCounter(m.account, m.currency), N: m.delta})
			b.Floors = append(b.Floors, floor.Min)
		}
	}
	return nil
}

// movement is what transfers do to one account in one currency.
type movement struct {
	account  Account
	currency Currency
	delta    int64
}

// movements are sorted by account, then currency. One whose transfers cancel out
// has a delta of 0.
func movements(transfers []Transfer) ([]movement, error) {
	all := make([]movement, 0, 2*len(transfers))
	for _, t := range transfers {
		minor, currency := t.Amount.Minor(), t.Amount.Currency()
		all = append(all, movement{t.From, currency, -minor}, movement{t.To, currency, minor})
	}
	slices.SortStableFunc(all, movement.compare)
	sums := all[:0]
	for _, m := range all {
		if last := len(sums) - 1; last >= 0 && sums[last].compare(m) == 0 {
			sum, err := Sum(sums[last].delta, m.delta)
			if err != nil {
				return nil, fmt.Errorf("account %s: %w", m.account, err)
			}
			sums[last].delta = sum
			continue
		}
		sums = append(sums, m)
	}
	return sums, nil
}

func (m movement) compare(other movement) int {
	return cmp.Or(cmp.Compare(m.account, other.account), cmp.Compare(m.currency.text(), other.currency.text()))
}

func floorOf(a Account, floors []Floor) (longest Floor, has bool) {
	for _, f := range floors {
		if strings.HasPrefix(string(a), f.Prefix) && (!has || len(f.Prefix) > len(longest.Prefix)) {
			longest, has = f, true
		}
	}
	return longest, has
}

// adds changes the counters. What flows in is never refused, even to an account
// that stands below a floor raised since.
func (b *entryBody) adds() []storage.Add {
	adds := make([]storage.Add, len(b.Claims))
	for i, c := range b.Claims {
		adds[i] = storage.Add{Counter: c.Counter, Delta: c.N, Min: math.MinInt64, Max: math.MaxInt64}
		if c.N < 0 {
			adds[i].Min = b.Floors[i]
		}
	}
	return adds
}

// lists are the book and every account touched, at the entry's instant.
func (b *entryBody) lists() []storage.Listing {
	accounts := b.accounts()
	lists := append(make([]storage.Listing, 0, 1+len(accounts)), storage.Listing{List: bookList, Place: b.At})
	for _, account := range accounts {
		lists = append(lists, storage.Listing{List: accountList(account), Place: b.At})
	}
	return lists
}

func (b *entryBody) accounts() []Account {
	accounts := make([]Account, 0, 2*len(b.Transfers))
	for _, t := range b.Transfers {
		accounts = append(accounts, t.From, t.To)
	}
	slices.Sort(accounts)
	return slices.Compact(accounts)
}

// entry is the body as an entry again; of a large one, with the transfers that
// this part has.
func (b *entryBody) entry(docID string) Entry {
	e := Entry{
		ID: partID.ReplaceAllString(docID, ""), Kind: b.Kind, At: time.UnixMicro(b.At).UTC(),
		Actor: b.Actor, Subject: b.Subject, Concerns: b.Concerns, Details: b.Details,
	}
	for _, t := range b.Transfers {
		e.Transfers = append(e.Transfers, Transfer{t.From, t.To, Minor(t.Minor, t.Currency)})
	}
	return e
}

// same says that two entries in normal form ask for the same: all but the
// instant agrees.
func (e Entry) same(other Entry) bool {
	return e.ID == other.ID && e.Kind == other.Kind && e.Actor == other.Actor && e.Subject == other.Subject &&
		e.Concerns == other.Concerns && maps.Equal(e.Details, other.Details) && slices.Equal(e.Transfers, other.Transfers)
}

// MonthKey is the key of the document that exists once the month of the instant,
// in UTC, is closed. Entries are written on condition that it does not.
func MonthKey(at time.Time) storage.Key {
	return storage.Key{Kind: monthKind, ID: at.UTC().Format("2006-01")}
}

const monthKind = "month"

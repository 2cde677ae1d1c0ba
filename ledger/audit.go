package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Finding says what kind of contradiction an audit found.
type Finding string

// The findings.
const (
	FoundCounter    Finding = "counter"    // a counter is not the sum of its claims
	FoundOverLimit  Finding = "over limit" // a counter exceeds every limit it was claimed under
	FoundNegative   Finding = "negative"   // a document holds less than nothing of a counter
	FoundUnreadable Finding = "unreadable" // a document is not what its kind says
	FoundEntry      Finding = "entry"      // an entry breaks its own rules: amounts, parts, claims, lists
	FoundBalance    Finding = "balance"    // an account's counter is not what its entries say
	FoundFloor      Finding = "floor"      // an account is below its floor
	FoundStatement  Finding = "statement"  // an account's statement is not what its entries say
	FoundClosing    Finding = "closing"    // the balance of a closed month is not what the entries say
	FoundHold       Finding = "hold"       // a hold and its entries disagree
)

// Discrepancy is one contradiction, with the figures.
type Discrepancy struct {
	Finding Finding
	Where   string // the counter, the document, the account and its currency
	Found   int64  // what is kept
	Want    int64  // what it should be, by what it is made of
	Note    string
}

// String says it in one line.
func (d Discrepancy) String() string {
	s := fmt.Sprintf("%s %q: found %d, want %d", d.Finding, d.Where, d.Found, d.Want)
	if d.Note != "" {
		s += ": " + d.Note
	}
	return s
}

// AuditReport says what an audit read and what it found.
type AuditReport struct {
	Documents     int // read, of all kinds
	Counters      int // compared with their claims
	Entries       int
	Accounts      int // compared with their statements
	Discrepancies []Discrepancy

	// Unsettled are suspicions that kept changing while others were writing, so
	// that they could be neither confirmed nor dropped. Audit again at a quieter
	// time. On a quiet store there are none.
	Unsettled []Discrepancy
}

// Err is nil when nothing was found. Otherwise it is an ErrDiscrepancy that names
// every finding.
func (r AuditReport) Err() error {
	if len(r.Discrepancies) == 0 {
		return nil
	}
	lines := make([]string, len(r.Discrepancies))
	for i, d := range r.Discrepancies {
		lines[i] = d.String()
	}
	return fmt.Errorf("%w: %d found:\n%s", ErrDiscrepancy, len(lines), strings.Join(lines, "\n"))
}

// Audit checks the books against themselves: that every counter is the sum of
// the claims on it, in the documents of these kinds, of entries and of holds;
// that no counter exceeds its limit and no account is below its floor; that
// entries are whole and their accounts' balances, statements and closed months
// follow from them; that holds agree with what is held. It reads everything page
// by page and keeps only sums.
//
// What it finds on a quiet store is exact. While others write, what looks wrong
// is read again, and reported only when the documents behind it have not changed
// in between; a figure in motion is Unsettled.
//
// The report is about the books; the error about reading them. Audit takes no
// counter for discarded; when old ones are pruned, use [AuditAt].
func Audit(ctx context.Context, store storage.Store, kinds ...string) (AuditReport, error) {
	return AuditAt(ctx, store, time.Unix(0, 0), kinds...)
}

// AuditAt is Audit where counters have been pruned up to the instant: a counter
// whose time was over by then may be gone.
func AuditAt(ctx context.Context, store storage.Store, pruned time.Time, kinds ...string) (AuditReport, error) {
	var confirmed []Discrepancy
	var before auditPass
	for range auditPasses {
		pass := newAuditPass(store, pruned.UnixMicro())
		if err := pass.read(ctx, kinds); err != nil {
			return pass.report, fmt.Errorf("ledger: audit: %w", err)
		}
		pass.report.Unsettled = nil
		for _, s := range pass.suspects {
			if slices.Contains(before.suspects, s) {
				if !slices.Contains(confirmed, s.Discrepancy) {
					confirmed = append(confirmed, s.Discrepancy)
				}
			} else if !slices.Contains(confirmed, s.Discrepancy) {
				pass.report.Unsettled = append(pass.report.Unsettled, s.Discrepancy)
			}
		}
		before = *pass
		if len(pass.report.Unsettled) == 0 {
			break
		}
	}
	before.report.Discrepancies = confirmed
	return before.report, nil
}

// auditPasses is how often the books are read before a figure that still moves
// is left unsettled.
const auditPasses = 5

// suspect is a discrepancy with a print of the documents it rests on. When two
// passes in a row find the same suspect with the same print, none of these
// documents changed between the end of the first reading and the start of the
// second (versions only grow), so the counter or list that was read in between
// should have agreed with them.
type suspect struct {
	Discrepancy
	print uint64
}

// auditPass is one reading of everything.
type auditPass struct {
	store    storage.Store
	pruned   int64
	counters map[string]*counterSum
	accounts accountSums    // of entries
	held     accountSums    // of holds that wait
	parts    map[string]int // parts missing of the entries that have several
	entries  uint64         // the print of all entries
	suspects []suspect
	report   AuditReport
}

// counterSum is what the claims on a counter come to.
type counterSum struct {
	sum, highest, until int64
	limited             bool // every claim names a limit
	print               uint64
}

// accountSum is what the entries of an account come to, in one currency.
type accountSum struct {
	sum     int64
	claimed bool  // it has a counter
	floor   int64 // the lowest it was ever taken under
	debited bool  // it has a floor on record
	print   uint64
}

type accountSums map[Account]map[Currency]*accountSum

func (s accountSums) at(a Account, c Currency) *accountSum {
	if s[a] == nil {
		s[a] = make(map[Currency]*accountSum)
	}
	if s[a][c] == nil {
		s[a][c] = &accountSum{floor: math.MaxInt64}
	}
	return s[a][c]
}

func (s accountSums) add(a Account, c Currency, minor int64, print uint64) error {
	account := s.at(a, c)
	account.print += print
	sum, err := Sum(account.sum, minor)
	if err == nil {
		account.sum = sum
	}
	return err
}

func newAuditPass(store storage.Store, pruned int64) *auditPass {
	return &auditPass{
		store: store, pruned: pruned,
		counters: make(map[string]*counterSum),
		accounts: make(accountSums),
		held:     make(accountSums),
		parts:    make(map[string]int),
	}
}

// read streams the documents first and then reads what must agree with them.
func (p *auditPass) read(ctx context.Context, kinds []string) error {
	own := []string{entryKind, balanceKind, holdKind}
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(kinds))) {
		if slices.Contains(own, kind) {
			continue
		}
		if err := p.each(ctx, kind, func(storage.Doc) error { return nil }); err != nil {
			return err
		}
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return p.each(ctx, entryKind, p.entry) },
		func(ctx context.Context) error { return p.each(ctx, balanceKind, p.closing) },
		p.holds,
		p.compareCounters,
		p.compareBook,
		p.compareAccounts,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	p.compareParts()
	p.compareHeld()
	return nil
}

func (p *auditPass) suspect(print uint64, finding Finding, where string, found, want int64, note string) {
	p.suspects = append(p.suspects, suspect{Discrepancy{finding, where, found, want, note}, print})
}

// printOf tells one version of a document from another.
func printOf(doc storage.Doc) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00%s", doc.Version, doc.Key.Kind, doc.Key.ID)
	return h.Sum64()
}

// each reads all documents of a kind and adds up their claims.
func (p *auditPass) each(ctx context.Context, kind string, do func(storage.Doc) error) error {
	return eachDoc(ctx, p.store, storage.Query{Kind: kind, Limit: storage.MaxPage}, func(doc storage.Doc) error {
		p.report.Documents++
		if !p.claims(doc) {
			return nil
		}
		return do(doc)
	})
}

// claims adds up what a document holds; not ok: it cannot be read.
func (p *auditPass) claims(doc storage.Doc) (ok bool) {
	var body struct {
		Claims []Claim `json:"claims"`
	}
	print := printOf(doc)
	if err := json.Unmarshal(doc.Body, &body); err != nil {
		p.suspect(print, FoundUnreadable, doc.Key.String(), 0, 0, err.Error())
		return false
	}
	for _, c := range body.Claims {
		if c.N < 0 && doc.Key.Kind != entryKind {
			p.suspect(print, FoundNegative, doc.Key.String(), c.N, 0, "of counter "+c.Counter)
		}
		sum := p.counters[c.Counter]
		if sum == nil {
			sum = &counterSum{limited: true}
			p.counters[c.Counter] = sum
		}
		sum.print += print // a sum does not depend on the order
		total, err := Sum(sum.sum, c.N)
		if err != nil {
			p.suspect(print, FoundCounter, c.Counter, c.N, 0, err.Error())
			continue
		}
		sum.sum = total
		sum.limited = sum.limited && c.Max > 0
		sum.highest, sum.until = max(sum.highest, c.Max), max(sum.until, c.Until)
	}
	return true
}

func (p *auditPass) compareCounters(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(p.counters))
	p.report.Counters = len(names)
	for chunk := range slices.Chunk(names, storage.MaxGet) {
		_, values, err := p.store.Get(ctx, nil, chunk...)
		if err != nil {
			return err
		}
		for _, name := range chunk {
			p.compareCounter(name, values[name])
		}
	}
	return nil
}

func (p *auditPass) compareCounter(name string, value int64) {
	c := p.counters[name]
	discarded := value == 0 && c.until != 0 && c.until <= p.pruned
	if value != c.sum && !discarded {
		p.suspect(c.print, FoundCounter, name, value, c.sum, "its claims come to the latter")
	}
	if c.limited && value > c.highest {
		p.suspect(c.print, FoundOverLimit, name, value, c.highest, "no claim was taken under a higher limit")
	}
}

package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Case is a review of a referral by a person. While it is open nothing is granted to
// either side. One about what is owed ([DebtReviewed]) stops nothing, and its verdict is
// on record without moving anything.
type Case struct {
	ID       string
	Program  string
	Friend   string
	Referrer string
	Reasons  []string // which checks opened it, with their figures
	State    CaseState
	Opened   time.Time
	// Until is when it is decided without anybody, as Otherwise says.
	Until     time.Time
	Otherwise Verdict
	// ClaimedBy looks at it until ClaimedUntil; empty: nobody does.
	ClaimedBy    string
	ClaimedUntil time.Time
	Notes        []Note

	Verdict Verdict // once it is closed
	Side    Side    // that was denied; empty: both, or none
	Actor   string  // who decided; empty: nobody did in time
	Reason  string
	Closed  time.Time
}

// Note is what a member of staff wrote about a case.
type Note struct {
	Actor string
	Text  string
	At    time.Time
}

// CaseState is where a case stands.
type CaseState string

// The states of a case.
const (
	CaseOpen    CaseState = "open"
	CaseDecided CaseState = "decided" // by a person
	CaseLapsed  CaseState = "lapsed"  // by its deadline
)

type caseBody struct {
	Program   string     `json:"program"`
	Friend    string     `json:"friend"`
	Referrer  string     `json:"referrer"`
	Facts     []string   `json:"facts"` // ids of those that opened it
	Reasons   []string   `json:"reasons"`
	State     CaseState  `json:"state"`
	Opened    int64      `json:"opened"`
	Until     int64      `json:"until"`
	Otherwise Verdict    `json:"otherwise"`
	Claimed   string     `json:"claimed"`
	Lease     int64      `json:"lease"`
	Notes     []noteBody `json:"notes"`
	Verdict   Verdict    `json:"verdict"`
	Side      Side       `json:"side"`
	Actor     string     `json:"actor"`
	Reason    string     `json:"reason"`
	Closed    int64      `json:"closed"`
}

type noteBody struct {
	Actor string `json:"actor"`
	Text  string `json:"text"`
	At    int64  `json:"at"`
}

const (
	kindCase = "case"
	maxNotes = 100
	maxText  = 500 // bytes of a note or a reason
)

var cases = storage.NewCodec[caseBody](1)

func caseKey(id string) storage.Key { return storage.Key{Kind: kindCase, ID: id} }

func caseList(state CaseState, program string) string {
	if program == "" {
		return string(state)
	}
	return string(state) + "/" + program
}

// putCase writes a case: open ones in the queue by their deadlines, closed ones by when
// they were closed.
func putCase(r storage.Record[caseBody]) (storage.Put, error) {
	b := &r.Value
	place, due := b.Closed, int64(0)
	if b.State == CaseOpen {
		place, due = b.Until, b.Until
	}
	return cases.Put(r, due,
		storage.Listing{List: caseList(b.State, ""), Place: place},
		storage.Listing{List: caseList(b.State, b.Program), Place: place})
}

func (b *caseBody) asCase(id string) Case {
	c := Case{
		ID: id, Program: b.Program, Friend: b.Friend, Referrer: b.Referrer, Reasons: b.Reasons, State: b.State,
		Opened: instant(b.Opened), Until: instant(b.Until), Otherwise: b.Otherwise, ClaimedBy: b.Claimed, ClaimedUntil: instant(b.Lease),
		Verdict: b.Verdict, Side: b.Side, Actor: b.Actor, Reason: b.Reason, Closed: instant(b.Closed),
	}
	for _, n := range b.Notes {
		c.Notes = append(c.Notes, Note{n.Actor, n.Text, instant(n.At)})
	}
	return c
}

// openCase opens a case for facts that are to be reviewed. A referral's cases are
// numbered by the facts it had.
func (w *work) openCase(facts []string) (string, error) {
	body := caseBody{Facts: facts}
	for i := range w.referral.Value.Facts {
		if f := &w.referral.Value.Facts[i]; f.Kind == FactFlagged && slices.Contains(facts, f.ID) {
			body.Reasons = append(body.Reasons, f.Reason)
			body.Until, body.Otherwise = f.Until, f.Otherwise
		}
	}
	return w.newCase(strings.TrimPrefix(facts[0], checkFacts), body)
}

// caseID is the id of one of the referral's cases.
func (b *referralBody) caseID(name string) string {
	return b.Program + "/" + b.Friend + "/" + name
}

// newCase makes a case of the referral, under a name of its own there.
func (w *work) newCase(name string, body caseBody) (string, error) {
	b := &w.referral.Value
	body.Program, body.Friend, body.Referrer, body.State, body.Opened = b.Program, b.Friend, b.Referrer, CaseOpen, micros(w.now)
	id := b.caseID(name)
	put, err := putCase(storage.Record[caseBody]{Key: caseKey(id), Value: body})
	w.batches = append(w.batches, storage.Batch{Puts: []storage.Put{put}})
	return id, err
}

// CaseQuery asks for a page of cases.
type CaseQuery struct {
	Program string         // empty: all
	State   CaseState      // default [CaseOpen]: the next to lapse first; others: the last closed first
	After   storage.Cursor // the Next of the page before, of the same program and state
	Limit   int            // default 100, at most 1,000
}

// CasePage is a page of cases; Next is empty on the last.
type CasePage struct {
	Cases []Case
	Next  storage.Cursor
}

// Cases gives a page of cases. It fails with a [*Faults].
func (s *Service) Cases(ctx context.Context, q CaseQuery) (CasePage, error) {
	state := cmp.Or(q.State, CaseOpen)
	if state != CaseOpen && state != CaseDecided && state != CaseLapsed {
		return CasePage{}, &Faults{ErrRequest, []Fault{{"state", fmt.Sprintf("is %.20q, want %s, %s or %s", state, CaseOpen, CaseDecided, CaseLapsed)}}}
	}
	page, err := s.listPage(ctx, storage.Query{
		Kind: kindCase, List: caseList(state, q.Program), Newest: state != CaseOpen, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return CasePage{}, err
	}
	answer := CasePage{Next: page.Next}
	for _, doc := range page.Docs {
		r, err := cases.Decode(doc)
		if err != nil {
			return CasePage{}, err
		}
		answer.Cases = append(answer.Cases, r.Value.asCase(doc.Key.ID))
	}
	return answer, nil
}

// Case gives a case by id. It fails with [ErrNoCase].
func (s *Service) Case(ctx context.Context, id string) (Case, error) {
	r, err := s.readCase(ctx, id)
	return r.Value.asCase(id), err
}

func (s *Service) readCase(ctx context.Context, id string) (storage.Record[caseBody], error) {
	if id == "" || len(id) > storage.MaxID || !strict.Readable(id) {
		return storage.Record[caseBody]{}, fmt.Errorf("%w: %.80q", ErrNoCase, id)
	}
	docs, err := s.get(ctx, caseKey(id))
	if err != nil {
		return storage.Record[caseBody]{}, err
	}
	r, err := record(cases, docs, caseKey(id))
	if err == nil && r.Version == 0 {
		err = fmt.Errorf("%w: %.80q", ErrNoCase, id)
	}
	return r, err
}

// ClaimCase says that a member of staff looks at a case, for some time (15 minutes
// where it is 0): so nobody else does. Their own claim is made longer. It fails with
// [ErrCaseClaimed], [ErrCaseClosed], [ErrNoCase] and a [*Faults].
func (s *Service) ClaimCase(ctx context.Context, id, actor string, lease time.Duration, now time.Time) (Case, error) {
	const most = 24 * time.Hour
	if lease == 0 {
		lease = 15 * time.Minute
	}
	faults := &Faults{Kind: ErrRequest}
	if lease < 0 || lease > most {
		faults.add("lease", "is %s, want up to %s", lease, most)
	}
	return s.changeCase(ctx, id, actor, now, faults, func(b *caseBody) error {
		b.Claimed, b.Lease = actor, micros(now.Add(lease))
		return nil
	})
}

// NoteCase adds what a member of staff has to say about a case, of at most 500 bytes.
// Anybody may, whoever claimed it. It fails with [ErrNoCase] and a [*Faults].
func (s *Service) NoteCase(ctx context.Context, id, actor, text string, now time.Time) (Case, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.actor(actor, now)
	faults.text("text", text)
	if err := faults.orNil(); err != nil {
		return Case{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Case], error) {
		r, err := s.readCase(ctx, id)
		if err != nil {
			return storage.Plan[Case]{}, err
		}
		note := noteBody{actor, text, micros(now)}
		if slices.Contains(r.Value.Notes, note) { // asked again
			return storage.Plan[Case]{Answer: r.Value.asCase(id)}, nil
		}
		if len(r.Value.Notes) >= maxNotes {
			return storage.Plan[Case]{}, &Faults{ErrRequest, []Fault{{"text", fmt.Sprintf("is one note too many: a case has at most %d", maxNotes)}}}
		}
		r.Value.Notes = append(slices.Clone(r.Value.Notes), note)
		put, err := putCase(r)
		return storage.Plan[Case]{Batch: storage.Batch{Puts: []storage.Put{put}}, Answer: r.Value.asCase(id)}, err
	})
}

// changeCase changes an open case that nobody else has claimed.
func (s *Service) changeCase(ctx context.Context, id, actor string, now time.Time, faults *Faults, change func(*caseBody) error) (Case, error) {
	faults.actor(actor, now)
	if err := faults.orNil(); err != nil {
		return Case{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Case], error) {
		r, err := s.readCase(ctx, id)
		if err != nil {
			return storage.Plan[Case]{}, err
		}
		if err := r.Value.free(actor, now); err != nil {
			return storage.Plan[Case]{}, err
		}
		if err := change(&r.Value); err != nil {
			return storage.Plan[Case]{}, err
		}
		put, err := putCase(r)
		return storage.Plan[Case]{Batch: storage.Batch{Puts: []storage.Put{put}}, Answer: r.Value.asCase(id)}, err
	})
}

// free fails when the case is closed or somebody else looks at it.
func (b *caseBody) free(actor string, now time.Time) error {
	switch {
	case b.State != CaseOpen || b.Until <= micros(now):
		return fmt.Errorf("%w: by %s", ErrCaseClosed, cmp.Or(b.Actor, "its deadline, "+since(instant(b.Until))))
	case b.Claimed != "" && b.Claimed != actor && b.Lease > micros(now):
		return fmt.Errorf("%w: by %s, until %s", ErrCaseClaimed, b.Claimed, since(instant(b.Lease)))
	}
	return nil
}

// Judgement is what a member of staff decides about a case.
type Judgement struct {
	Verdict Verdict
	Side    Side // with [Deny]: whose rewards are denied; empty: both, and the referral is rejected
	Actor   string
	Reason  string // at most 500 bytes
}

// DecideCase closes a case, and in the same batch does what follows: rewards that
// waited go on, or are withheld, and those granted are taken back. Asked again for the
// same it changes nothing. It fails with [ErrCaseClaimed], [ErrCaseClosed],
// [ErrNoCase], and a [*Faults], also where the actor or the reason is missing.
func (s *Service) DecideCase(ctx context.Context, id string, j Judgement, now time.Time) (Case, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.staffVerb(j.Actor, j.Reason, now)
	if j.Verdict != Approve && j.Verdict != Deny {
		faults.add("verdict", "is %.20q, want %s or %s", j.Verdict, Approve, Deny)
	}
	if j.Side != "" && (j.Verdict != Deny || j.Side != Referrer && j.Side != Referee) {
		faults.add("side", "is %.20q, want %s or %s for what is denied, or nothing", j.Side, Referrer, Referee)
	}
	if err := faults.orNil(); err != nil {
		return Case{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Case], error) {
		return s.planDecide(ctx, id, j, refused, now)
	})
}

func (s *Service) planDecide(ctx context.Context, id string, j Judgement, refused *storage.Failure, now time.Time) (storage.Plan[Case], error) {
	var none storage.Plan[Case]
	r, err := s.readCase(ctx, id)
	if err != nil {
		return none, err
	}
	b := &r.Value
	if b.State == CaseDecided && (Judgement{b.Verdict, b.Side, b.Actor, b.Reason}) == j {
		return storage.Plan[Case]{Answer: b.asCase(id)}, nil
	}
	if err := b.free(j.Actor, now); err != nil {
		return none, err
	}
	b.State, b.Verdict, b.Side, b.Actor, b.Reason, b.Closed = CaseDecided, j.Verdict, j.Side, j.Actor, j.Reason, micros(now)
	put, err := putCase(r)
	if err != nil {
		return none, err
	}
	batch, err := s.planVerdict(ctx, b, refused, now)
	if err != nil {
		return none, err
	}
	batch, err = storage.Join(batch, storage.Batch{Puts: []storage.Put{put}})
	return storage.Plan[Case]{Batch: batch, Answer: b.asCase(id)}, err
}

// planVerdict records in the referral what was decided, and does what follows.
func (s *Service) planVerdict(ctx context.Context, c *caseBody, refused *storage.Failure, now time.Time) (storage.Batch, error) {
	read := s.snapshot()
	referral, err := one(ctx, read, referrals, referralKey(c.Program, c.Friend))
	if err != nil {
		return storage.Batch{}, err
	}
	if referral.Version == 0 {
		return storage.Batch{}, fmt.Errorf("%w: a case without its referral %s/%s: audit the store", storage.ErrCorrupt, c.Program, c.Friend)
	}
	w, err := s.load(ctx, read, referral, now)
	if err != nil {
		return storage.Batch{}, err
	}
	w.refused = refused
	for _, id := range c.Facts {
		if _, err := w.referral.Value.record(factBody{
			ID: id, Kind: FactReviewed, At: micros(now), Verdict: c.Verdict, Side: c.Side, Actor: c.Actor, Reason: c.Reason,
		}); err != nil {
			return storage.Batch{}, err
		}
	}
	w.decide("reviewed", strings.TrimSpace(fmt.Sprintf("%s %s by %s: %s", c.Verdict, c.Side, c.Actor, c.Reason)), "")
	if err := w.advance(ctx); err != nil {
		return storage.Batch{}, err
	}
	return w.batch(ctx)
}

// settleCases closes cases whose deadline is over, for the list; their referrals know
// it by themselves.
func (s *Service) settleCases(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	return ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindCase, Now: now, Limit: limit, Crew: s.crew}, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		r, err := cases.Decode(doc)
		if err != nil {
			return storage.Batch{}, err
		}
		b := &r.Value
		b.State, b.Verdict, b.Closed = CaseLapsed, b.Otherwise, b.Until
		put, err := putCase(r)
		return storage.Batch{Puts: []storage.Put{put}}, err
	})
}

// CaseStats are figures of a program's cases.
type CaseStats struct {
	Open     int // counted up to 1,000
	Claimed  int // of those
	Decided  int // in the time asked about, counted up to 1,000
	Approved int // of those
	Lapsed   int // in that time, without anybody, counted up to 1,000
	// Median is how long it took from opening to deciding, of those decided.
	Median time.Duration
}

// CaseStats gives figures of a program's cases, and of those closed since an instant;
// of all programs where it is empty. It fails as [Service.Cases] does.
func (s *Service) CaseStats(ctx context.Context, program string, from, now time.Time) (CaseStats, error) {
	var stats CaseStats
	var took []time.Duration
	for _, state := range []CaseState{CaseOpen, CaseDecided, CaseLapsed} {
		query := storage.Query{Kind: kindCase, List: caseList(state, program), Limit: storage.MaxPage}
		if state != CaseOpen {
			query.From = max(1, micros(from))
		}
		page, err := s.store.List(ctx, query)
		if err != nil {
			return stats, queryFault(err)
		}
		for _, doc := range page.Docs {
			r, err := cases.Decode(doc)
			if err != nil {
				return stats, err
			}
			b := &r.Value
			switch {
			case state == CaseLapsed:
				stats.Lapsed++
			case state == CaseDecided:
				stats.Decided++
				took = append(took, instant(b.Closed).Sub(instant(b.Opened)))
				if b.Verdict == Approve {
					stats.Approved++
				}
			default:
				stats.Open++
				if b.Claimed != "" && b.Lease > micros(now) {
					stats.Claimed++
				}
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		stats.Median = took[len(took)/2]
	}
	return stats, nil
}

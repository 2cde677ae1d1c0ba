package referral

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Options adjust a [Service]. The zero value works.
type Options struct {
	// Events writes an event ([ledger.Event]) beside every change of a referral,
	// for the shop's mailer to deliver with [ledger.Deliver]. Default: none, since
	// events that nobody delivers pile up.
	Events bool

	// Retry is after how long [Service.Settle] looks again at what could not be
	// granted: the program was paused, or an offer was paused or over. Default 10
	// minutes.
	Retry time.Duration

	// VanityCodes is how many codes a customer may choose in a program, ever. Default
	// 3; negative: none.
	VanityCodes int
	// ReservedCodes are words that no customer may choose as a code, nor what looks
	// like one: names of the shop, of brands and of staff, and words that offend.
	ReservedCodes []string

	// Hooks grant the rewards that are of the shop's own kinds, by kind. A reward of a
	// kind without a hook waits.
	Hooks map[string]Hook

	// PersonKeys are the keys under which people are known, the newest first, at most
	// 4. With them, customers are named by subjects in every call: random ids, which
	// [Service.Subject] gives for what the shop knows of somebody, so that no document
	// says who anybody is, and no id that follows from a customer's can be guessed.
	// Default: none; documents hold the customers' keys as the shop passes them in.
	PersonKeys []SigningKey
	// FraudHooks are checks of the shop's own, by the name that programs call them by.
	// One that a program names and is not here counts as failed.
	FraudHooks map[string]FraudHook
	// FraudHookWait is how long a fraud hook may take before it counts as failed.
	// Default 2 seconds.
	FraudHookWait time.Duration

	// Signer makes the tokens of invitations that the shop sends. Default: none, and
	// nothing is sent.
	Signer *Signer

	// Tombstone is for how long it is remembered, as a keyed hash, that somebody's
	// data was erased: so long they are no new customer. Default 2 years.
	Tombstone time.Duration

	// Random makes codes; it must be safe for concurrent use. Default
	// crypto/rand.Reader.
	Random io.Reader
}

// Service keeps programs, links, referrals and rewards in a store. It is safe for
// concurrent use, in any number of processes on one store.
type Service struct {
	store   storage.Store
	coupons *coupon.Service
	options Options
	people  personKeys
	terms   *terms
	crew    *ledger.Crew
	bound   bool // made by In: what it reads may never be committed
}

// New makes a service over a store. The coupons are those that rewards issue, kept
// in the same store.
func New(store storage.Store, coupons *coupon.Service, options Options) *Service {
	if options.Retry <= 0 {
		options.Retry = 10 * time.Minute
	}
	if options.FraudHookWait <= 0 {
		options.FraudHookWait = 2 * time.Second
	}
	if options.Tombstone <= 0 {
		options.Tombstone = 2 * 365 * 24 * time.Hour
	}
	if options.VanityCodes == 0 {
		options.VanityCodes = defaultVanityCodes
	}
	if options.Random == nil {
		options.Random = rand.Reader
	}
	return &Service{store: store, coupons: coupons, options: options, people: slices.Clone(options.PersonKeys), terms: &terms{versions: make(map[programVersion]*Program)}, crew: new(ledger.Crew)}
}

// In is the same service, and the same coupons, on the same data seen through
// another store: one bound to a transaction of the caller's. It is a cheap copy.
func (s *Service) In(store storage.Store) *Service {
	in := *s
	in.store, in.coupons, in.bound = store, s.coupons.In(store), true
	return &in
}

// through is the same service, outside any transaction, on the same data seen through
// another store.
func (s *Service) through(store storage.Store) *Service {
	through := *s
	through.store, through.coupons = store, s.coupons.Through(store)
	return &through
}

// terms remembers published versions, which never change.
type terms struct {
	mu       sync.RWMutex
	versions map[programVersion]*Program
	programs []string // never changed in place
}

// known are the programs in use here: at most knownPrograms of them, by id.
func (t *terms) known() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.programs
}

// knownPrograms bounds for how many programs a referral is looked up in advance.
const knownPrograms = 4

func (t *terms) remember(v programVersion, p *Program) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.versions[v] = p
	if i, found := slices.BinarySearch(t.programs, v.id); !found && len(t.programs) < knownPrograms {
		t.programs = slices.Insert(slices.Clone(t.programs), i, v.id)
	}
}

type programVersion struct {
	id      string
	version int
}

type headBody struct {
	Latest int    `json:"latest"`
	Paused bool   `json:"paused"`
	Ends   int64  `json:"ends"`   // from when on nobody is bound; 0: it was not ended
	Tail   int64  `json:"tail"`   // how long after it bound friends can qualify
	Killed bool   `json:"killed"` // nothing is granted any more
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	At     int64  `json:"at"`
}

func (h *headBody) ending() ending {
	return ending{instant(h.Ends), time.Duration(h.Tail) * time.Microsecond}
}

var heads = storage.NewCodec[headBody](1)

func headKey(program string) storage.Key { return storage.Key{Kind: "program", ID: program} }

func versionKey(v programVersion) storage.Key {
	return storage.Key{Kind: "program_version", ID: fmt.Sprintf("%s@%d", v.id, v.version)}
}

// get reads documents; an absent one is left out of the map.
func (s *Service) get(ctx context.Context, keys ...storage.Key) (map[storage.Key]storage.Doc, error) {
	docs, _, err := s.store.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := make(map[storage.Key]storage.Doc, len(docs))
	for _, d := range docs {
		found[d.Key] = d
	}
	return found, nil
}

// record decodes a document that may be absent: then its Version is 0.
func record[T any](codec *storage.Codec[T], docs map[storage.Key]storage.Doc, key storage.Key) (storage.Record[T], error) {
	doc, found := docs[key]
	if !found {
		return storage.Record[T]{Key: key}, nil
	}
	return codec.Decode(doc)
}

// do carries a plan out, and again when what it rests on has changed.
func do[A any](ctx context.Context, s *Service, now time.Time, plan func(ctx context.Context, refused *storage.Failure) (storage.Plan[A], error)) (A, error) {
	var full []string
	return storage.Do(ctx, s.store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[A], error) {
		if refused != nil && refused.Key == ledger.MonthKey(now) {
			return storage.Plan[A]{}, fmt.Errorf("%w: the operation is dated %s: check the clock", ledger.ErrClosed, now.UTC().Format(time.RFC3339))
		}
		// A batch may claim from one cap or budget for several rewards, of which some fit. So
		// what is left is read first; one that refuses again is full, whatever was read.
		if refused != nil && ownCounter(refused.Counter) && !slices.Contains(full, refused.Counter) {
			full = append(full, refused.Counter)
			refused = &storage.Failure{Op: storage.OpCheck, Err: storage.ErrConflict}
		}
		return plan(ctx, refused)
	})
}

func checkNow(faults *Faults, now time.Time) {
	if !validInstant(now) {
		faults.add("now", "is %s, want an instant between 1970 and 9999", now)
	}
}

// staffVerb checks who of the staff does something, and why: both must be said.
func (f *Faults) staffVerb(actor, reason string, now time.Time) {
	f.actor(actor, now)
	f.text("reason", reason)
}

// actor checks who does something, and when.
func (f *Faults) actor(actor string, now time.Time) {
	if actor == "" {
		f.add("actor", "is missing: name the member of staff, or whatever acts in their place")
	} else {
		f.id("actor", actor, false)
	}
	checkNow(f, now)
}

// text checks what staff have to say.
func (f *Faults) text(path, text string) {
	switch {
	case text == "":
		f.add(path, "is missing")
	case len(text) > maxText:
		f.add(path, "has %d bytes, want at most %d of text", len(text), maxText)
	case !strict.Readable(text):
		f.add(path, "%s", strict.Unreadable(text))
	}
}

// with are the faults of a request and those of what it hands over, of that one's kind
// where it has any.
func (f *Faults) with(handed error) error {
	var found *Faults
	if !errors.As(handed, &found) {
		return cmp.Or(handed, f.orNil())
	}
	f.Kind = found.Kind
	for _, fault := range found.Faults {
		f.add(fault.Path, "%s", fault.Problem)
	}
	return f
}

// Publish makes the program, or its next version: friends are bound under it from
// now on, and those bound before stay with theirs. Publishing what is published
// already changes nothing. It gives the program with its version. It fails with a
// [*Faults] that lists everything wrong with the program and the actor, who must be named,
// and with [coupon.ErrNoOffer] when a reward's offer was not published.
func (s *Service) Publish(ctx context.Context, program Program, actor string, now time.Time) (Program, error) {
	program.Version = 0
	faults := &Faults{Kind: ErrRequest}
	faults.actor(actor, now)
	if err := faults.with(program.Validate()); err != nil {
		return Program{}, err
	}
	if i := slices.IndexFunc(program.Checks, func(c Check) bool { return c.needs().people }); i >= 0 && len(s.people) == 0 {
		return Program{}, &Faults{ErrProgram, []Fault{{
			fmt.Sprintf("checks[%d].kind", i), fmt.Sprintf("is %s, which looks at what people are known by: set Options.PersonKeys", program.Checks[i].Kind),
		}}}
	}
	for _, e := range program.earnings() {
		if err := s.checkOffers(ctx, e, now); err != nil {
			return Program{}, err
		}
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Program], error) {
		return s.planPublish(ctx, program, actor, now)
	})
}

func (s *Service) checkOffers(ctx context.Context, e placedEarning, now time.Time) error {
	for _, o := range e.Coupons {
		if _, err := s.coupons.Offer(ctx, o.Offer, o.Version, now); err != nil {
			return fmt.Errorf("referral: %s, for the %s: %w", e.path, e.side, err)
		}
	}
	return nil
}

func (s *Service) planPublish(ctx context.Context, program Program, actor string, now time.Time) (storage.Plan[Program], error) {
	var none storage.Plan[Program]
	docs, err := s.get(ctx, headKey(program.ID))
	if err != nil {
		return none, err
	}
	head, err := record(heads, docs, headKey(program.ID))
	if err != nil {
		return none, err
	}
	if head.Version > 0 {
		latest, err := s.program(ctx, programVersion{program.ID, head.Value.Latest})
		if err != nil {
			return none, err
		}
		program.Version = latest.Version
		if same, err := latest.equal(&program); same || err != nil {
			return storage.Plan[Program]{Answer: program}, err
		}
	}
	head.Value.Latest++
	head.Value.At = micros(now)
	program.Version = head.Value.Latest
	version, err := versions.Put(storage.Record[versionBody]{
		Key: versionKey(programVersion{program.ID, program.Version}), Value: versionBody{newProgramDocument(&program)},
	}, 0)
	if err != nil {
		return none, err
	}
	entry := ledger.Entry{
		ID: fmt.Sprintf("program/%s/published/%d", program.ID, program.Version), Kind: "published", At: now, Actor: actor, Concerns: program.ID,
	}
	batch, err := headBatch(head, entry, version)
	return storage.Plan[Program]{Batch: batch, Answer: program}, err
}

func headBatch(head storage.Record[headBody], entry ledger.Entry, puts ...storage.Put) (storage.Batch, error) {
	put, err := heads.Put(head, 0, storage.Listing{List: "programs", Place: head.Value.At})
	if err != nil {
		return storage.Batch{}, err
	}
	booked, err := entry.Batch()
	if err != nil {
		return storage.Batch{}, err
	}
	return storage.Join(storage.Batch{Puts: append(puts, put)}, booked)
}

// Pause stops a program at once: nobody is bound under it and nothing it rewards is
// granted; what was promised waits until it is resumed. It fails with
// [ErrNoProgram], and with a [*Faults] where the actor or the reason is missing.
func (s *Service) Pause(ctx context.Context, program, actor, reason string, now time.Time) error {
	return s.setPaused(ctx, program, true, actor, reason, now)
}

// Resume undoes a Pause; [Service.Settle] grants what waited. It fails as Pause does.
func (s *Service) Resume(ctx context.Context, program, actor, reason string, now time.Time) error {
	return s.setPaused(ctx, program, false, actor, reason, now)
}

func (s *Service) setPaused(ctx context.Context, program string, paused bool, actor, reason string, now time.Time) error {
	kind := map[bool]string{true: "paused", false: "resumed"}[paused]
	return s.changeHead(ctx, program, kind, actor, reason, now, &Faults{Kind: ErrRequest}, func(h *headBody) bool {
		changes := h.Paused != paused
		h.Paused = paused
		return changes
	})
}

// End ends a program: from an instant on nobody is bound under it. Friends bound before
// can still qualify for as long as their terms say; where those say no time, for the
// tail. Ending it again moves the end. It fails with [ErrNoProgram] and a [*Faults].
func (s *Service) End(ctx context.Context, program string, from time.Time, tail time.Duration, actor, reason string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	if !validInstant(from) || from.Before(now) {
		faults.add("from", "is %s, want now or later", from)
	}
	if tail < 0 || tail > maxWait || tail%time.Microsecond != 0 {
		faults.add("tail", "is %s, want 0 to 10 years in whole microseconds", tail)
	}
	return s.changeHead(ctx, program, "ended", actor, reason, now, faults, func(h *headBody) bool {
		same := h.Ends == micros(from) && h.Tail == tail.Microseconds()
		h.Ends, h.Tail = micros(from), tail.Microseconds()
		return !same
	})
}

// Kill stops a program at once and for good: nobody is bound under it any more, and what
// was promised and not granted yet is canceled when it comes up. It fails as Pause
// does.
func (s *Service) Kill(ctx context.Context, program, actor, reason string, now time.Time) error {
	return s.changeHead(ctx, program, "killed", actor, reason, now, &Faults{Kind: ErrRequest}, func(h *headBody) bool {
		alive := !h.Killed
		h.Killed = true
		return alive
	})
}

// changeHead changes a program's status, unless it is that way already. To the faults
// found before it adds those of who asks, and why.
func (s *Service) changeHead(ctx context.Context, program, kind, actor, reason string, now time.Time, faults *Faults, change func(*headBody) bool) error {
	faults.staffVerb(actor, reason, now)
	if err := faults.orNil(); err != nil {
		return err
	}
	_, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var none storage.Plan[struct{}]
		head, err := s.head(ctx, program)
		if err != nil || !change(&head.Value) {
			return none, err
		}
		head.Value.Actor, head.Value.Reason, head.Value.At = actor, reason, micros(now)
		batch, err := headBatch(head, ledger.Entry{
			ID: headEntry(program, kind, head.Version), Kind: kind, At: now, Actor: actor,
			Concerns: program, Details: map[string]string{"reason": reason},
		})
		return storage.Plan[struct{}]{Batch: batch}, err
	})
	return err
}

// headEntry is the id of the entry about a change of a program's status, by the version of
// the head that it changed.
func headEntry(program, kind string, version int64) string {
	return fmt.Sprintf("program/%s/%s/%d", program, kind, version)
}

// head reads a program's status.
func (s *Service) head(ctx context.Context, program string) (storage.Record[headBody], error) {
	if !programID.MatchString(program) {
		return storage.Record[headBody]{}, noProgram(program)
	}
	docs, err := s.get(ctx, headKey(program))
	if err != nil {
		return storage.Record[headBody]{}, err
	}
	head, err := record(heads, docs, headKey(program))
	if err == nil && head.Version == 0 {
		err = noProgram(program)
	}
	return head, err
}

func noProgram(id string) error { return fmt.Errorf("%w: %.80q", ErrNoProgram, id) }

// Program gives a published version of a program; version 0 is the latest. It fails
// with [ErrNoProgram].
func (s *Service) Program(ctx context.Context, id string, version int) (Program, error) {
	if version == 0 {
		head, err := s.head(ctx, id)
		if err != nil {
			return Program{}, err
		}
		version = head.Value.Latest
	}
	if !programID.MatchString(id) {
		return Program{}, noProgram(id)
	}
	p, err := s.program(ctx, programVersion{id, version})
	if err != nil {
		return Program{}, err
	}
	return p.copied() // what is remembered must not change with what the caller does
}

// program gives a version from memory, or reads it.
func (s *Service) program(ctx context.Context, v programVersion) (*Program, error) {
	s.terms.mu.RLock()
	known := s.terms.versions[v]
	s.terms.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	docs, err := s.get(ctx, versionKey(v))
	if err != nil {
		return nil, err
	}
	doc, found := docs[versionKey(v)]
	if !found {
		return nil, fmt.Errorf("%w: %q in version %d", ErrNoProgram, v.id, v.version)
	}
	p, err := readProgram(doc)
	if err != nil {
		return nil, err
	}
	if !s.bound { // what a transaction sees may be rolled back
		s.terms.remember(v, p)
	}
	return p, nil
}

// readProgram reads a published version, which is as it was when it was published.
func readProgram(doc storage.Doc) (*Program, error) {
	body, err := versions.Decode(doc)
	if err != nil {
		return nil, err
	}
	p := body.Value.Program.program()
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", storage.ErrCorrupt, doc.Key, err)
	}
	if key := versionKey(programVersion{p.ID, p.Version}); key != doc.Key {
		return nil, fmt.Errorf("%w: %s: its program is %s", storage.ErrCorrupt, doc.Key, key)
	}
	return &p, nil
}

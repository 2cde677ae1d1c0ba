package referral

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// FraudHook is a check of the shop's own. It may be asked more than once for a
// registration, and inside the shop's own transaction, so it must only look.
type FraudHook interface {
	// Ask says how suspicious a registration is, from 0; see [Check.Most].
	Ask(ctx context.Context, suspect Suspect) (int64, error)
}

// Suspect is a registration that a hook is asked about.
type Suspect struct {
	Program  string
	Referrer string
	Friend   string
	Visitor  string
	At       time.Time
}

const (
	checkFacts = "check/" // begins the ids of facts about checks
	dayLayout  = "20060102"
	dayLife    = 48 * time.Hour // how long the counters of a day are kept after it began
)

// suspectRegistration decides the checks of a registration, once, and records those
// that fired.
func (w *work) suspectRegistration(ctx context.Context, found *invitation) error {
	if len(w.terms.Checks) == 0 {
		return nil
	}
	people, err := w.readSuspects(ctx)
	if err != nil {
		return err
	}
	return w.suspect(ctx, func(c *Check) bool { return c.needs().registering }, func(c *Check) (figure, error) {
		switch c.Kind {
		case CheckVelocity:
			return w.countListed(ctx, kindReferral, c)
		case CheckStrangers:
			return w.countListed(ctx, kindTouch, c)
		case CheckFastRegistration:
			return figure{known: !found.followed.IsZero(), found: int64(w.now.Sub(found.followed) / time.Second)}, nil
		case CheckGuessing:
			return w.countGuesses(ctx, found.visitor)
		case CheckSameNetwork:
			return w.countNetwork(ctx, network(found.address))
		case CheckHook:
			return w.askHook(ctx, c.Name, found.visitor)
		}
		return people.figure(c, w.now), nil
	})
}

// suspectPayment decides the checks of a payment, of those that did not fire before.
func (w *work) suspectPayment(ctx context.Context, fact *factBody) error {
	if !slices.ContainsFunc(w.terms.Checks, func(c Check) bool { return c.needs().paying }) {
		return nil
	}
	people, err := w.readSuspects(ctx)
	if err != nil {
		return err
	}
	return w.suspect(ctx, func(c *Check) bool { return c.needs().paying }, func(c *Check) (figure, error) {
		switch c.Kind {
		case CheckFastPayment:
			return figure{known: true, found: (fact.At - w.referral.Value.Bound) / int64(time.Second/time.Microsecond)}, nil
		case CheckRelatedSeller:
			return w.countSellers(ctx, fact)
		}
		return people.figure(c, w.now), nil
	})
}

// suspect looks at the checks that are wanted and did not fire before, and records
// those that fire; and a case, where one is to be reviewed.
func (w *work) suspect(ctx context.Context, wanted func(*Check) bool, look func(*Check) (figure, error)) error {
	b := &w.referral.Value
	var checks []Check
	var found []figure
	var scored int64
	for i := range b.Facts {
		scored += b.Facts[i].Score
	}
	for i := range w.terms.Checks {
		c := &w.terms.Checks[i]
		before := slices.ContainsFunc(b.Facts, func(f factBody) bool { return f.Kind == FactFlagged && f.ID == checkFacts+c.id() })
		if before || !wanted(c) {
			continue
		}
		f, err := look(c)
		if err != nil {
			return err
		}
		checks, found = append(checks, *c), append(found, f)
	}
	_, err := w.flag(evaluate(w.terms, checks, found, scored))
	return err
}

// flag records what fired, and opens a case for what is to be reviewed; it gives the
// case's id, empty where there is none.
func (w *work) flag(all []fired) (string, error) {
	b := &w.referral.Value
	var review []string
	for i := range all {
		f := &all[i]
		fact := factBody{
			ID: checkFacts + f.id, Kind: FactFlagged, At: micros(w.now), Action: f.action, Side: f.side, Reason: f.why,
			Found: f.found, Limit: f.limit, Score: f.score,
		}
		if f.action == ActionReview {
			fact.Until, fact.Otherwise = micros(w.now.Add(w.terms.Review.within())), w.terms.Review.otherwise()
			review = append(review, fact.ID)
		}
		if _, err := b.record(fact); err != nil {
			return "", err
		}
		w.decide("check", fmt.Sprintf("%s: %s", f.action, f.why), "")
	}
	if len(review) == 0 {
		return "", nil
	}
	return w.openCase(review)
}

// otherwise is what happens when nobody looks.
func (r *Review) otherwise() Verdict {
	if r.Otherwise == "" {
		return Approve
	}
	return r.Otherwise
}

// countListed counts what stands in the referrer's list within a time: friends bound, or
// visits by their links.
func (w *work) countListed(ctx context.Context, kind string, c *Check) (figure, error) {
	page, err := w.store.List(ctx, storage.Query{
		Kind: kind, List: referrerList(w.referral.Value.Program, w.earner),
		From: max(1, micros(w.now.Add(-c.Within))), Newest: true, Limit: int(c.Most) + 1,
	})
	return figure{known: true, found: int64(len(page.Docs))}, err
}

// guesses is the counter of codes nobody has that a visitor tried on a day, in UTC.
func guesses(visitor string, day time.Time) string {
	return "guesses/" + day.UTC().Format(dayLayout) + "/" + visitor
}

// guessed counts that a visitor tried a code nobody has. What it can't count must not
// hide what was asked for.
func (s *Service) guessed(ctx context.Context, visitor string, now time.Time) error {
	err := s.store.Apply(ctx, storage.Batch{Adds: []storage.Add{{
		Counter: guesses(visitor, now), Delta: 1, Max: maxCounted, Until: micros(startOfDay(now).Add(dayLife)),
	}}})
	if errors.Is(err, storage.ErrLimit) {
		return nil // it is enough for every check
	}
	return err
}

func startOfDay(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

func (w *work) countGuesses(ctx context.Context, visitor string) (figure, error) {
	if visitor == "" {
		return figure{}, nil
	}
	today, before := guesses(visitor, w.now), guesses(visitor, w.now.Add(-24*time.Hour))
	_, counted, err := w.store.Get(ctx, nil, today, before)
	return figure{known: true, found: counted[today] + counted[before]}, err
}

// countNetwork says how many registered from a network that day, and counts this one
// with the registration. What is counted is not a limit: it never refuses.
func (w *work) countNetwork(ctx context.Context, network string) (figure, error) {
	if network == "" || len(w.people) == 0 {
		return figure{}, nil
	}
	counter := "network/" + startOfDay(w.now).Format(dayLayout) + "/" + w.people[0].hash("network", network)
	_, counted, err := w.store.Get(ctx, nil, counter)
	if err != nil {
		return figure{}, err
	}
	w.batches = append(w.batches, storage.Batch{Adds: []storage.Add{{
		Counter: counter, Delta: 1, Max: math.MaxInt64, Until: micros(startOfDay(w.now).Add(dayLife)),
	}}})
	return figure{known: true, found: counted[counter]}, nil
}

// askHook asks a hook of the shop's own, for as long as it may take.
func (w *work) askHook(ctx context.Context, name, visitor string) (figure, error) {
	hook := w.options.FraudHooks[name]
	if hook == nil {
		return figure{failed: "there is no such hook in Options.FraudHooks"}, nil
	}
	b := &w.referral.Value
	asking, done := context.WithTimeout(ctx, w.options.FraudHookWait)
	defer done()
	found, err := hook.Ask(asking, Suspect{b.Program, b.Referrer, b.Friend, visitor, w.now})
	switch {
	case ctx.Err() != nil: // the caller gave up, not the hook
		return figure{}, ctx.Err()
	case err != nil:
		return figure{failed: fmt.Sprintf("%.200s", err)}, nil
	case asking.Err() != nil:
		return figure{failed: fmt.Sprintf("it took more than %s", w.options.FraudHookWait)}, nil
	}
	return figure{known: true, found: found}, nil
}

// suspects are the documents of what both sides are known by.
type suspects struct {
	friend, referrer string
	ofFriend         []personBody
	ofReferrer       []personBody
	known            bool
}

// readSuspects reads them, where a check of the program looks at them.
func (w *work) readSuspects(ctx context.Context) (suspects, error) {
	p := suspects{friend: w.friend, referrer: w.earner, known: len(w.people) > 0}
	if !p.known || !slices.ContainsFunc(w.terms.Checks, func(c Check) bool { return c.needs().people }) {
		return p, nil
	}
	var err error
	if p.ofFriend, err = w.readIdentifiers(ctx, w.friend); err != nil {
		return p, err
	}
	p.ofReferrer, err = w.readIdentifiers(ctx, w.earner)
	return p, err
}

// readIdentifiers reads what a subject is known by.
func (s *Service) readIdentifiers(ctx context.Context, subject string) ([]personBody, error) {
	docs, err := s.get(ctx, subjectKey(subject))
	if err != nil {
		return nil, err
	}
	r, err := record(subjects, docs, subjectKey(subject))
	if err != nil {
		return nil, err
	}
	var keys []storage.Key
	for _, hash := range r.Value.People {
		keys = append(keys, personKey(hash))
	}
	if docs, err = s.get(ctx, keys...); err != nil {
		return nil, err
	}
	var all []personBody
	for _, key := range keys {
		person, err := record(people, docs, key)
		if err == nil && person.Value.Moved != "" {
			var moved listedPerson
			moved, err = s.followPerson(ctx, person.Value.Moved)
			person = moved.Record
		}
		if err != nil {
			return nil, err
		}
		all = append(all, person.Value)
	}
	return all, nil
}

// sharedKinds are what the checks of one kind of identifier look at.
var sharedKinds = map[CheckKind]IdentifierKind{
	CheckSameEmail: IdentifierEmail, CheckSamePhone: IdentifierPhone, CheckSameInstrument: IdentifierInstrument, CheckSameDevice: IdentifierDevice,
}

// figure is what a check of people finds. It is pure.
func (p *suspects) figure(c *Check, now time.Time) figure {
	f := figure{known: p.known}
	count := func(holds bool) {
		if holds {
			f.found++
		}
	}
	for i := range p.ofFriend {
		of := &p.ofFriend[i]
		switch kind := IdentifierKind(of.Kind); c.Kind {
		case CheckTainted:
			count(of.tainted(c.Name, now))
		case CheckKnownPerson:
			count(kind.proves() && kind != IdentifierAccount && slices.ContainsFunc(of.Subjects, func(other string) bool { return other != p.friend }))
		default:
			count(kind == sharedKinds[c.Kind] && slices.Contains(of.Subjects, p.referrer))
		}
	}
	if c.Kind == CheckTainted {
		for i := range p.ofReferrer {
			count(p.ofReferrer[i].tainted(c.Name, now))
		}
	}
	return f
}

func (b *personBody) tainted(list string, now time.Time) bool {
	return slices.ContainsFunc(b.Tainted, func(t taint) bool { return t.List == list && t.Until > micros(now) })
}

// countSellers counts the sellers of a payment whom either side runs.
func (w *work) countSellers(ctx context.Context, fact *factBody) (figure, error) {
	var all []identifier
	for i := range fact.Parts {
		if seller := fact.Parts[i].Seller; seller != "" {
			all = append(all, identifier{IdentifierSeller, seller})
		}
	}
	if len(all) == 0 || len(w.people) == 0 {
		return figure{}, nil
	}
	found, err := w.readPeople(ctx, unique(all))
	f := figure{known: true}
	for i := range found {
		if known := found[i].Value.Subjects; slices.Contains(known, w.friend) || slices.Contains(known, w.earner) {
			f.found++
		}
	}
	return f, err
}

// Taint puts what somebody is known by on a list until an instant, for [CheckTainted]:
// a stolen card, the phone of a farm. It needs no account, and nothing of it is kept in
// the clear. Asked again it changes the instant; one that is past takes it off. It
// fails with a [*Faults], also where the actor or the reason is missing.
func (s *Service) Taint(ctx context.Context, list string, person Person, until time.Time, actor, reason string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	if !checkName.MatchString(list) {
		faults.add("list", "is %.40q, want %s", list, checkName)
	}
	all := person.identifiers(faults)
	if len(all) == 0 {
		faults.add("person", "is empty: name something that it is known by")
	}
	if !validInstant(until) {
		faults.add("until", "is %s, want an instant between 1970 and 9999", until)
	}
	faults.staffVerb(actor, reason, now)
	if err := faults.orNil(); err != nil {
		return err
	}
	_, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		batch, err := s.planTaint(ctx, list, all, until, actor, reason, now)
		return storage.Plan[struct{}]{Batch: batch}, err
	})
	return err
}

func (s *Service) planTaint(ctx context.Context, list string, all []identifier, until time.Time, actor, reason string, now time.Time) (storage.Batch, error) {
	var batch storage.Batch
	found, err := s.readPeople(ctx, all)
	if err != nil {
		return batch, err
	}
	for i := range found {
		k := &found[i]
		stands := taint{list, micros(until)}
		if slices.Contains(k.Value.Tainted, stands) || !until.After(now) && !k.Value.tainted(list, now) {
			continue
		}
		k.Value.Tainted = slices.DeleteFunc(slices.Clone(k.Value.Tainted), func(t taint) bool { return t.List == list || t.Until <= micros(now) })
		if until.After(now) {
			k.Value.Tainted = append(k.Value.Tainted, stands)
		}
		puts, err := k.puts(s.people)
		if err != nil {
			return batch, err
		}
		booked, err := ledger.Entry{
			ID: fmt.Sprintf("tainted/%s/%d", k.places[0].ID, puts[0].Version+1), Kind: "tainted", At: now, Actor: actor, Concerns: list,
			Details: map[string]string{"reason": reason, "identifier": k.Value.Kind, "until": since(until)},
		}.Batch()
		if err != nil {
			return batch, err
		}
		if batch, err = storage.Join(batch, storage.Batch{Puts: puts}, booked); err != nil {
			return batch, err
		}
	}
	return batch, nil
}

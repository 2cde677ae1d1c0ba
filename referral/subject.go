package referral

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Subject is somebody as documents know them: by a random id that says nothing.
type Subject struct {
	ID string // the customer's key in every other call, of [coupon.Service] too
	// Returning says that one of the identifiers was of somebody whose data was erased
	// not long ago: so this is no new customer. [Service.Register] looks by itself.
	Returning bool
	Since     time.Time
}

var subjectID = regexp.MustCompile(`^s-[0-9a-f]{32}$`)

// customer checks a customer's key: a subject, where the service knows people by those.
// This is the one door: behind it nothing can say who somebody is.
func (s *Service) customer(faults *Faults, path, id string) {
	faults.id(path, id, false)
	if len(s.people) > 0 && id != "" && !subjectID.MatchString(id) {
		faults.add(path, "is no subject: this service has PersonKeys, so ask Subject for it")
	}
}

func newSubjectID(random io.Reader) (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("referral: no randomness for a subject: %w", err)
	}
	return "s-" + hex.EncodeToString(raw[:]), nil
}

const (
	kindPerson  = "person"
	kindSubject = "subject"
)

// personBody is what is known of one identifier: who was seen with it. It is never
// deleted before its tombstone is over, so that its versions go on.
type personBody struct {
	Moved    string   `json:"moved"`    // the hash under a newer key, where what was here is kept; empty: here
	Kind     string   `json:"kind"`     // of identifier
	Subjects []string `json:"subjects"` // the first that were seen with it
	Erased   int64    `json:"erased"`   // until when it is remembered that somebody was erased; 0: nobody was
	Tainted  []taint  `json:"tainted"`
	Invited  []string `json:"invited"` // the subjects who had it invited
	Refused  int64    `json:"refused"` // when whoever reads there wanted no invitations; 0: not
}

// taint is a list that an identifier stands in, until an instant.
type taint struct {
	List  string `json:"list"`
	Until int64  `json:"until"`
}

// maxSeen is how many subjects an identifier remembers. One that has more is no
// identifier; and it is written no more, so that nobody queues for it.
const maxSeen = 20

// subjectBody is what is known of a subject.
type subjectBody struct {
	Since     int64    `json:"since"`
	Returning bool     `json:"returning"`
	People    []string `json:"people"` // the documents of its identifiers
	Merged    string   `json:"merged"` // the subject it became part of
	Moving    bool     `json:"moving"` // it was merged, and holds something still
	MergedAt  int64    `json:"merged_at"`
	Erasing   bool     `json:"erasing"` // coupons are left to be revoked
	Erased    int64    `json:"erased"`
}

var (
	people   = storage.NewCodec[personBody](1)
	subjects = storage.NewCodec[subjectBody](1)
)

func subjectKey(subject string) storage.Key { return storage.Key{Kind: kindSubject, ID: subject} }

func keyList(keyID string) string { return "key/" + keyID }

// putPerson writes a person's document: in the list of its key, and due when its
// tombstone is over.
func putPerson(r storage.Record[personBody], keyID string) (storage.Put, error) {
	var lists []storage.Listing
	if r.Value.Moved == "" {
		lists = append(lists, storage.Listing{List: keyList(keyID), Place: 1})
	}
	return people.Put(r, r.Value.Erased, lists...)
}

// putSubject writes a subject, due while something is left to be moved or revoked.
func putSubject(r storage.Record[subjectBody]) (storage.Put, error) {
	var due int64
	switch {
	case r.Value.Erasing:
		due = r.Value.Erased
	case r.Value.Moving:
		due = r.Value.MergedAt
	}
	return subjects.Put(r, due)
}

// kept is one identifier's document, and where else it might have been.
type kept struct {
	storage.Record[personBody]
	identifier identifier
	places     []storage.Key
	found      storage.Record[personBody] // where it was found; Version 0: nowhere
	others     []storage.Record[personBody]
}

// readPeople finds the documents of identifiers, wherever they are.
func (s *Service) readPeople(ctx context.Context, all []identifier) ([]kept, error) {
	var keys []storage.Key
	found := make([]kept, len(all))
	for i, id := range all {
		found[i].identifier, found[i].places = id, s.people.places(id)
		keys = append(keys, found[i].places...)
	}
	docs, err := s.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for i := range found {
		k := &found[i]
		for _, place := range k.places {
			r, err := record(people, docs, place)
			if err != nil {
				return nil, err
			}
			if r.Version > 0 && r.Value.Moved == "" && k.found.Version == 0 {
				k.found = r
			} else {
				k.others = append(k.others, r)
			}
		}
		k.Record = k.found
		for _, r := range k.scattered() {
			k.Value.join(&r.Value)
		}
		k.Value.Kind = string(k.identifier.kind)
	}
	return found, nil
}

// puts write the document where new ones are, and leave a sign wherever else it might
// be looked for: so two that make it at once, under whatever keys, meet.
func (k *kept) puts(keys personKeys) ([]storage.Put, error) {
	first := storage.Record[personBody]{Key: k.places[0]}
	moved := k.others
	if k.found.Key == k.places[0] { // it is where it belongs
		first, moved = k.found, k.scattered()
	} else {
		for i, r := range k.others {
			if r.Key == k.places[0] {
				first, moved = r, slices.Delete(slices.Clone(k.others), i, i+1)
			}
		}
		if k.found.Version > 0 {
			moved = append(moved, k.found)
		}
	}
	first.Value = k.Value
	put, err := putPerson(first, keys[0].ID)
	if err != nil {
		return nil, err
	}
	puts := []storage.Put{put}
	for _, r := range moved {
		if r.Value.Moved != "" {
			continue
		}
		r.Value = personBody{Moved: first.Key.ID}
		put, err := putPerson(r, "")
		if err != nil {
			return nil, err
		}
		puts = append(puts, put)
	}
	return puts, nil
}

// scattered are the documents beside the one found: made while a key was taken out that is
// there again.
func (k *kept) scattered() []storage.Record[personBody] {
	var all []storage.Record[personBody]
	for _, r := range k.others {
		if r.Version > 0 && r.Value.Moved == "" {
			all = append(all, r)
		}
	}
	return all
}

// join adds what another document says of the same identifier.
func (b *personBody) join(other *personBody) {
	add := func(all *[]string, more []string) {
		for _, id := range more {
			if !slices.Contains(*all, id) {
				*all = append(slices.Clip(*all), id)
			}
		}
	}
	add(&b.Subjects, other.Subjects)
	add(&b.Invited, other.Invited)
	for _, t := range other.Tainted {
		if !slices.ContainsFunc(b.Tainted, func(has taint) bool { return has.List == t.List && has.Until >= t.Until }) {
			b.Tainted = append(slices.DeleteFunc(slices.Clone(b.Tainted), func(has taint) bool { return has.List == t.List }), t)
		}
	}
	b.Erased, b.Refused = max(b.Erased, other.Erased), max(b.Refused, other.Refused)
}

// Subject gives the subject of a person, and makes one the first time. What the person
// is known by is remembered beside it, as keyed hashes: who else had the same e-mail
// or card is what checks against fraud look at. Call it with all you know whenever you
// learn more; it writes only what is new. It needs [Options].PersonKeys and fails with
// a [*Faults].
func (s *Service) Subject(ctx context.Context, person Person, now time.Time) (Subject, error) {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	all := person.identifiers(faults)
	if person.Account == "" {
		faults.add("account", "is missing")
	}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Subject{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Subject], error) {
		return s.planSubject(ctx, all, now)
	})
}

func (s *Service) planSubject(ctx context.Context, all []identifier, now time.Time) (storage.Plan[Subject], error) {
	var none storage.Plan[Subject]
	found, err := s.readPeople(ctx, all)
	if err != nil {
		return none, err
	}
	subject := storage.Record[subjectBody]{Value: subjectBody{Since: micros(now)}}
	if known := found[0].Value.Subjects; len(known) > 0 {
		if subject, err = s.readSubject(ctx, known[0]); err != nil {
			return none, err
		}
	} else {
		id, err := newSubjectID(s.options.Random)
		if err != nil {
			return none, err
		}
		subject.Key = subjectKey(id)
	}
	for i := range found { // what is learned later too: an address that comes after the account proves as much
		k := &found[i]
		if k.identifier.kind.proves() && k.Value.Erased > micros(now) && !slices.Contains(k.Value.Subjects, subject.Key.ID) {
			subject.Value.Returning = true
		}
	}
	batch, err := s.remember(found, subject)
	return storage.Plan[Subject]{Batch: batch, Answer: subject.Value.subject(subject.Key.ID)}, err
}

// remember writes what is new about a subject's identifiers.
func (s *Service) remember(found []kept, subject storage.Record[subjectBody]) (storage.Batch, error) {
	var batch storage.Batch
	changed := subject.Version == 0
	for i := range found {
		k := &found[i]
		isNew := !slices.Contains(k.Value.Subjects, subject.Key.ID) && len(k.Value.Subjects) < maxSeen
		if isNew {
			k.Value.Subjects = append(slices.Clone(k.Value.Subjects), subject.Key.ID)
		}
		if isNew || k.found.Version > 0 && k.found.Key != k.places[0] || len(k.scattered()) > 0 {
			puts, err := k.puts(s.people)
			if err != nil {
				return batch, err
			}
			batch.Puts = append(batch.Puts, puts...)
			changed = true
		}
		if hash := k.places[0].ID; isNew && !slices.Contains(subject.Value.People, hash) {
			subject.Value.People = append(slices.Clone(subject.Value.People), hash)
		}
	}
	if !changed {
		return batch, nil
	}
	put, err := putSubject(subject)
	batch.Puts = append(batch.Puts, put)
	return batch, err
}

func (b *subjectBody) subject(id string) Subject {
	return Subject{ID: id, Returning: b.Returning, Since: instant(b.Since)}
}

// gone fails for a subject that is nobody any more.
func (b *subjectBody) gone() error {
	if b.Erased > 0 || b.Merged != "" {
		return fmt.Errorf("%w: the subject was erased or merged: ask Subject for the account's", ErrNoPerson)
	}
	return nil
}

// readSubject reads a subject that an identifier leads to.
func (s *Service) readSubject(ctx context.Context, id string) (storage.Record[subjectBody], error) {
	docs, err := s.get(ctx, subjectKey(id))
	if err != nil {
		return storage.Record[subjectBody]{}, err
	}
	subject, err := record(subjects, docs, subjectKey(id))
	if err == nil && subject.Version == 0 {
		err = fmt.Errorf("%w: somebody is known as subject %q, who is not there: audit the store", storage.ErrCorrupt, id)
	}
	return subject, err
}

// FindSubject gives the subject of an account without making one. It fails with
// [ErrNoPerson] and a [*Faults].
func (s *Service) FindSubject(ctx context.Context, account string) (Subject, error) {
	found, err := s.findAccount(ctx, account)
	if err != nil {
		return Subject{}, err
	}
	subject, err := s.readSubject(ctx, found.Value.Subjects[0])
	return subject.Value.subject(subject.Key.ID), err
}

func (s *Service) findAccount(ctx context.Context, account string) (kept, error) {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	faults.id("account", account, false)
	if err := faults.orNil(); err != nil {
		return kept{}, err
	}
	found, err := s.readPeople(ctx, []identifier{{IdentifierAccount, account}})
	switch {
	case err != nil:
		return kept{}, err
	case len(found[0].Value.Subjects) == 0:
		return found[0], ErrNoPerson
	}
	return found[0], nil
}

// SweepPeople moves what is kept under older keys on to the newest, forgets tombstones
// whose life is over, and finishes erasures and merges that stopped half-way. Run it once a day, and after a new key was added; a
// key can be taken out of [Options].PersonKeys once everybody whose documents were
// made under it has been seen again by [Service.Subject], and not before: with it go the
// tombstones of those erased and the refusals of invitations that were made under it. Limit
// is how many documents of each kind it looks at, default 1,000.
func (s *Service) SweepPeople(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return ledger.Report{}, err
	}
	report, err := ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindPerson, Now: now, Limit: limit}, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		return planForget(doc, now)
	})
	if err != nil {
		return report, err
	}
	finished, err := s.finishSubjects(ctx, now, limit)
	report = report.Plus(finished)
	for i := len(s.people) - 1; i > 0 && err == nil; i-- { // the oldest first: it is moved on and on
		var moved int
		moved, err = s.moveOn(ctx, i, limit)
		report.Done += moved
	}
	return report, err
}

// planForget ends a tombstone. Of an identifier that nobody has, nothing is left.
func planForget(doc storage.Doc, now time.Time) (storage.Batch, error) {
	r, err := people.Decode(doc)
	if err != nil {
		return storage.Batch{}, err
	}
	if r.Value.Erased > micros(now) {
		return storage.Batch{}, fmt.Errorf("referral: the tombstone %s has changed meanwhile", doc.Key)
	}
	r.Value.Tainted = slices.DeleteFunc(slices.Clone(r.Value.Tainted), func(t taint) bool { return t.Until <= micros(now) })
	if len(r.Value.Subjects)+len(r.Value.Tainted)+len(r.Value.Invited) == 0 && r.Value.Refused == 0 {
		return storage.Batch{Drops: []storage.Drop{{Key: doc.Key, Version: doc.Version}}}, nil
	}
	r.Value.Erased = 0
	put, err := people.Put(r, 0, doc.Lists...)
	return storage.Batch{Puts: []storage.Put{put}}, err
}

// moveOn moves documents of an older key to where the next newer one's are.
func (s *Service) moveOn(ctx context.Context, old, limit int) (int, error) {
	if limit <= 0 {
		limit = 1000
	}
	done := 0
	for done < limit {
		page, err := s.store.List(ctx, storage.Query{Kind: kindPerson, List: keyList(s.people[old].ID), Limit: min(limit-done, storage.PageSize)})
		if err != nil || len(page.Docs) == 0 {
			return done, err
		}
		for _, doc := range page.Docs {
			if err := s.moveOne(ctx, doc.Key, old); err != nil {
				return done, err
			}
			done++
		}
	}
	return done, nil
}

func (s *Service) moveOne(ctx context.Context, key storage.Key, old int) error {
	to := personKey(s.people[old-1].hashAgain(key.ID))
	_, err := storage.Do(ctx, s.store, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		docs, err := s.get(ctx, key, to)
		if err != nil {
			return plan, err
		}
		from, err := record(people, docs, key)
		if err != nil || from.Version == 0 || from.Value.Moved != "" {
			return plan, err // somebody else has moved it
		}
		there, err := record(people, docs, to)
		if err != nil {
			return plan, err
		}
		if there.Version > 0 && there.Value.Moved == "" {
			there.Value.join(&from.Value)
		} else {
			there.Value = from.Value
		}
		from.Value = personBody{Moved: to.ID}
		put, err := putPerson(there, s.people[old-1].ID)
		if err != nil {
			return plan, err
		}
		left, err := putPerson(from, "")
		plan.Batch.Puts = []storage.Put{put, left}
		return plan, err
	})
	return err
}

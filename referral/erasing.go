package referral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Erasure is what became of somebody's data.
type Erasure struct {
	Subject string // whom the books go on to name, and nothing leads to any more; empty: it was erased before
	Coupons int    // taken back
}

// Erase forgets who a person is. Nothing leads from their account, e-mail address or
// anything else to their subject any more; what is left of those is a keyed hash that
// says "no new customer" for [Options].Tombstone. Their coupons are taken back, their
// links lead to nobody; what they were promised as somebody's friend is canceled, and so
// is what they would still earn as a referrer, when it comes up. The books stay, and so
// does what the referrer of an erased friend has earned. Asked again it changes
// nothing; where it stops half-way, [Service.SweepPeople] takes the other coupons back.
// It fails with [ErrNoPerson], and with a [*Faults] where the actor or the reason is missing.
func (s *Service) Erase(ctx context.Context, account, actor, reason string, now time.Time) (Erasure, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.staffVerb(actor, reason, now)
	if err := faults.orNil(); err != nil {
		return Erasure{}, err
	}
	subject, err := do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[string], error) {
		return s.planErase(ctx, account, actor, reason, refused, now)
	})
	if err != nil || subject == "" {
		return Erasure{}, err
	}
	revoked, err := s.revokeAll(ctx, subject, now)
	return Erasure{Subject: subject, Coupons: revoked}, err
}

// planErasedFriend ends what somebody was promised as somebody's friend.
func (s *Service) planErasedFriend(ctx context.Context, read *snapshot, f friendship, refused *storage.Failure, now time.Time) (storage.Batch, error) {
	r, err := one(ctx, read, referrals, f.key())
	if err != nil {
		return storage.Batch{}, err
	}
	plan, err := s.planFactOf(ctx, read, r, factBody{ID: "erased", Kind: FactErased, At: micros(now)}, Settlement{}, storage.Batch{}, refused, now)
	return plan.Batch, err
}

// eraseFriendships does so for every account that was merged into the subject.
func (s *Service) eraseFriendships(ctx context.Context, subject string, now time.Time) error {
	all, err := friendshipsOf(ctx, s.snapshot(), subject)
	if err != nil {
		return err
	}
	for _, f := range all {
		if _, err := do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[struct{}], error) {
			batch, err := s.planErasedFriend(ctx, s.snapshot(), f, refused, now)
			return storage.Plan[struct{}]{Batch: batch}, err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) planErase(ctx context.Context, account, actor, reason string, refused *storage.Failure, now time.Time) (storage.Plan[string], error) {
	var none storage.Plan[string]
	found, err := s.findAccount(ctx, account)
	if errors.Is(err, ErrNoPerson) && found.Value.Erased > 0 {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	subject, err := s.readSubject(ctx, found.Value.Subjects[0])
	if err != nil {
		return none, err
	}
	batch, err := s.forget(ctx, subject, func(p *personBody) {
		if IdentifierKind(p.Kind).proves() {
			p.Erased = max(p.Erased, micros(now.Add(s.options.Tombstone)))
		}
	})
	if err != nil {
		return none, err
	}
	id := subject.Key.ID
	docs, err := s.get(ctx, memberKey(id))
	if err != nil {
		return none, err
	}
	// Written, not only looked at: so erasing and registering meet, whichever is first.
	member, err := record(members, docs, memberKey(id))
	if err != nil {
		return none, err
	}
	if member.Version == 0 {
		member.Value.Since = micros(now)
	}
	memberPut, err := members.Put(member, 0)
	if err != nil {
		return none, err
	}
	subject.Value.People, subject.Value.Erased, subject.Value.Erasing = nil, micros(now), true
	put, err := putSubject(subject)
	if err != nil {
		return none, err
	}
	entry, err := ledger.Entry{
		ID: erasedEntry(id), Kind: "erased", At: now, Actor: actor, Subject: id, Details: map[string]string{"reason": reason},
	}.Batch()
	if err != nil {
		return none, err
	}
	var friend storage.Batch
	if all := member.Value.friendships(id); len(all) > 0 {
		if friend, err = s.planErasedFriend(ctx, s.snapshot(), all[0], refused, now); err != nil {
			return none, err
		}
	}
	batch.Puts = append(batch.Puts, put, memberPut)
	joined, err := storage.Join(batch, entry, friend)
	return storage.Plan[string]{Batch: joined, Answer: id}, err
}

func erasedEntry(subject string) string { return "erased/" + subject }

// forget takes a subject out of the documents of its identifiers, and changes those
// further.
func (s *Service) forget(ctx context.Context, subject storage.Record[subjectBody], change func(*personBody)) (storage.Batch, error) {
	var batch storage.Batch
	for _, hash := range subject.Value.People {
		person, err := s.followPerson(ctx, hash)
		if err != nil {
			return batch, err
		}
		if person.Version == 0 {
			continue
		}
		b := &person.Value
		b.Subjects = slices.DeleteFunc(slices.Clone(b.Subjects), func(other string) bool { return other == subject.Key.ID })
		change(b)
		put, err := people.Put(person.Record, b.Erased, person.lists...)
		if err != nil {
			return batch, err
		}
		batch.Puts = append(batch.Puts, put)
	}
	return batch, nil
}

// listedPerson is a person's document with the lists it stands in.
type listedPerson struct {
	storage.Record[personBody]
	lists []storage.Listing
}

// followPerson reads a person's document, wherever it was moved to since.
func (s *Service) followPerson(ctx context.Context, hash string) (listedPerson, error) {
	for range maxPersonKeys * maxPersonKeys {
		key := personKey(hash)
		docs, err := s.get(ctx, key)
		if err != nil {
			return listedPerson{}, err
		}
		person, err := record(people, docs, key)
		if err != nil || person.Value.Moved == "" {
			return listedPerson{person, docs[key].Lists}, err
		}
		hash = person.Value.Moved
	}
	return listedPerson{}, fmt.Errorf("%w: what a person is known by was moved round in a circle", storage.ErrCorrupt)
}

// revokeAll takes back what an erased subject can still use, and says so.
func (s *Service) revokeAll(ctx context.Context, subject string, now time.Time) (int, error) {
	revoked := 0
	if err := s.eraseFriendships(ctx, subject, now); err != nil {
		return revoked, err
	}
	for {
		wallet, err := s.coupons.Wallet(ctx, subject, coupon.WalletQuery{}, now)
		if err != nil {
			return revoked, err
		}
		for _, c := range wallet.Coupons {
			if _, err := s.coupons.Revoke(ctx, c.ID, "erase", "the customer's data was erased", now); err != nil {
				return revoked, err
			}
			revoked++
		}
		if wallet.Next == "" {
			break
		}
	}
	_, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		r, err := s.readSubject(ctx, subject)
		if err != nil || !r.Value.Erasing {
			return plan, err
		}
		r.Value.Erasing = false
		put, err := putSubject(r)
		plan.Batch.Puts = []storage.Put{put}
		return plan, err
	})
	return revoked, err
}

// finishSubjects does what was left of erasures and merges that stopped half-way.
func (s *Service) finishSubjects(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	return ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindSubject, Now: now, Limit: limit, Batch: 1}, func(ctx context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		r, err := subjects.Decode(doc)
		if err != nil {
			return storage.Batch{}, err
		}
		if r.Value.Moving {
			if err := s.moveHoldings(ctx, doc.Key.ID, r.Value.Merged, now); err != nil {
				return storage.Batch{}, err
			}
			r.Value.Moving = false
			put, err := putSubject(r)
			return storage.Batch{Puts: []storage.Put{put}}, err
		}
		if err := s.eraseFriendships(ctx, doc.Key.ID, now); err != nil {
			return storage.Batch{}, err
		}
		wallet, err := s.coupons.Wallet(ctx, doc.Key.ID, coupon.WalletQuery{Limit: 20}, now)
		if err != nil {
			return storage.Batch{}, err
		}
		var batches []storage.Batch
		for _, c := range wallet.Coupons {
			plan, err := s.coupons.PlanRevoke(ctx, c.ID, "erase", "the customer's data was erased", now)
			if err != nil {
				return storage.Batch{}, err
			}
			batches = append(batches, plan.Batch)
		}
		r.Value.Erasing = wallet.Next != ""
		put, err := putSubject(r)
		if err != nil {
			return storage.Batch{}, err
		}
		return storage.Join(append(batches, storage.Batch{Puts: []storage.Put{put}})...)
	})
}

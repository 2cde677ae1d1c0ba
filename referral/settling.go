package referral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Recorded says that something happened which the shop defines: an app was installed,
// an account opened, a stay completed. Programs that qualify on a fact count it; for
// others it is nothing.
type Recorded struct {
	ID       string // the idempotency key; a [Return] of this id as its order takes it back
	Customer string
	Name     string
	Amount   ledger.Money // where the terms ask for a minimum; zero: none
	At       time.Time    // when, not after now; zero: now
}

// Record records a fact that the shop defines, and does what follows. Asked again it
// changes nothing. It fails with a [*Faults], and with [ledger.ErrKeyReused] when the
// customer's id was used for another fact, whether any program counts it or not: that is
// remembered for [ledger.OperationLife], until [ledger.SweepOperations] drops it.
func (s *Service) Record(ctx context.Context, fact Recorded, now time.Time) (Settlement, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", fact.ID, false)
	s.customer(faults, "customer", fact.Customer)
	faults.id("name", fact.Name, false)
	if fact.Amount != (ledger.Money{}) {
		faults.amount("amount", fact.Amount)
	}
	at := faults.at(fact.At, now)
	if err := faults.orNil(); err != nil {
		return Settlement{}, err
	}
	body := factBody{
		ID: fact.ID, Kind: FactRecorded, Order: fact.ID, Name: fact.Name, Amount: fact.Amount.Minor(), Currency: fact.Amount.Currency(), At: micros(at),
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Settlement], error) {
		return s.planRecorded(ctx, fact.Customer, body, refused, now)
	})
}

// planRecorded records a fact that the shop defines. That it was told is a document of
// its own, written with it: a referral keeps only what counts.
func (s *Service) planRecorded(ctx context.Context, customer string, fact factBody, refused *storage.Failure, now time.Time) (storage.Plan[Settlement], error) {
	var none storage.Plan[Settlement]
	fingerprint, err := ledger.Fingerprint([]any{fact.Name, fact.Amount, fact.Currency})
	if err != nil {
		return none, err
	}
	sum := sha256.Sum256([]byte(customer + "\x00" + fact.ID))
	told := ledger.Operation{ID: "recorded/" + hex.EncodeToString(sum[:20]), Fingerprint: fingerprint, At: instant(fact.At)}
	key := ledger.OperationKey(told.ID)
	read := s.snapshot()
	r, err := s.referralOf(ctx, read, customer, fact.Order, key)
	if err != nil {
		return none, err
	}
	var batch storage.Batch
	if doc, before := read.docs[key]; before {
		if _, err := ledger.ReadOperation(doc, fingerprint); err != nil {
			return none, fmt.Errorf("referral: fact %q of customer %q was told before as another: %w", fact.ID, customer, err)
		}
	} else {
		put, err := told.Put()
		if err != nil {
			return none, err
		}
		batch.Puts = []storage.Put{put}
	}
	return s.planFactOf(ctx, read, r, fact, Settlement{}, batch, refused, now)
}

// planFactOf records a fact in a referral that was read; where there is none, nothing
// follows.
func (s *Service) planFactOf(ctx context.Context, read *snapshot, r storage.Record[referralBody], fact factBody, answer Settlement, batch storage.Batch, refused *storage.Failure, now time.Time) (storage.Plan[Settlement], error) {
	var none storage.Plan[Settlement]
	if r.Version == 0 {
		return storage.Plan[Settlement]{Batch: batch, Answer: answer}, nil
	}
	w, err := s.load(ctx, read, r, now)
	if err != nil {
		return none, err
	}
	b := &w.referral.Value
	added := false
	if fact.At < micros(now) {
		fact.Told = micros(now)
	}
	if w.terms.Qualify.concernedBy(&fact) {
		if added, err = b.record(fact); err != nil {
			return none, err
		}
	}
	if !added {
		answer.Referrals = []Referral{b.referral()}
		return storage.Plan[Settlement]{Batch: batch, Answer: answer}, nil
	}
	if b.State.final() && w.terms.Qualify.counted(&fact) > 0 {
		w.decide("noted", fmt.Sprintf("order %q was paid before, at %s, and told after the referral was %s: ends are final", fact.Order, since(instant(fact.At)), b.State), "")
	}
	w.refused, w.hopeful = refused, true
	if fact.Kind == FactPaid {
		if err := w.suspectPayment(ctx, &fact); err != nil {
			return none, err
		}
	}
	if err := w.advance(ctx); err != nil {
		return none, err
	}
	changed, err := w.batch(ctx)
	if err != nil {
		return none, err
	}
	answer.Referrals = []Referral{b.referral()}
	joined, err := storage.Join(batch, changed)
	return storage.Plan[Settlement]{Batch: joined, Answer: answer}, err
}

// Settle does what is due: it grants rewards whose hold is over, tries again those
// that wait, asks the shop's hooks, takes back credit whose life is over, and ends
// referrals in which nothing qualified in time. Run it every minute or so, in as many
// processes as you like; limit is how many documents of a kind it looks at, default
// 1,000.
func (s *Service) Settle(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	// Both are called from the goroutines of one sweep, one at a time.
	listed := make(map[storage.Key]storage.Record[referralBody])
	reads := func(doc storage.Doc) []storage.Key {
		r, err := referrals.Decode(doc)
		if err != nil {
			return nil // the plan says so
		}
		listed[doc.Key] = r
		return s.settlingReads(&r.Value)
	}
	first, err := ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindReferral, Now: now, Limit: limit, Crew: s.crew, Reads: reads}, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		s := s.through(read)
		r, known := listed[doc.Key]
		if delete(listed, doc.Key); !known || r.Version != doc.Version {
			var err error
			if r, err = referrals.Decode(doc); err != nil {
				return storage.Batch{}, err
			}
		}
		w, err := s.load(ctx, s.snapshot(), r, now)
		if err != nil {
			return storage.Batch{}, err
		}
		if err := w.advance(ctx); err != nil {
			return storage.Batch{}, err
		}
		return w.batch(ctx)
	})
	if err != nil {
		return first, err
	}
	second, err := ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindReward, Now: now, Limit: limit, Crew: s.crew}, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		return s.through(read).planReward(ctx, doc, now)
	})
	if err != nil {
		return first.Plus(second), err
	}
	third, err := s.settleCases(ctx, now, limit)
	return first.Plus(second).Plus(third), err
}

// settlingReads names what settling a referral reads, as far as it follows from what it is
// and from terms that are known: what is missing is read when it is asked for.
func (s *Service) settlingReads(b *referralBody) []storage.Key {
	keys := append(rewardKeys(b.Program, b.Friend), headKey(b.Program), memberKey(b.Referrer), memberKey(b.Friend))
	if len(s.people) > 0 {
		keys = append(keys, subjectKey(b.Referrer), subjectKey(b.Friend))
	}
	s.terms.mu.RLock()
	terms := s.terms.versions[programVersion{b.Program, b.Version}]
	s.terms.mu.RUnlock()
	if b.State != StateHeld || terms == nil {
		return keys
	}
	for i := range terms.Rewards {
		r := &terms.Rewards[i]
		if r.Step != Qualified {
			continue
		}
		id := rewardID(b.Program, b.Friend, r.Side, r.Step)
		if len(r.Coupons) > 0 {
			keys = append(keys, (&coupon.IssueRequest{ID: issueID(id), Offers: r.Coupons}).Reads()...)
		}
		for _, m := range r.Credit {
			keys = append(keys, (&coupon.CreditRequest{ID: creditID(id, m.Currency())}).GrantReads())
		}
	}
	return keys
}

// planReward does what is due of one reward: it is granted, taken back by a hook, or
// its life is over.
func (s *Service) planReward(ctx context.Context, doc storage.Doc, now time.Time) (storage.Batch, error) {
	reward, err := rewards.Decode(doc)
	if err != nil {
		return storage.Batch{}, err
	}
	read := s.snapshot()
	referral, err := one(ctx, read, referrals, referralKey(reward.Value.Program, reward.Value.Friend))
	if err != nil {
		return storage.Batch{}, err
	}
	w, err := s.load(ctx, read, referral, now)
	if err != nil {
		return storage.Batch{}, err
	}
	w.hooks = true
	r, err := w.readReward(ctx, doc.Key.ID)
	switch {
	case err != nil:
		return storage.Batch{}, err
	case r == nil || r.Version != doc.Version:
		return storage.Batch{}, fmt.Errorf("referral: reward %q has changed meanwhile", doc.Key.ID)
	}
	switch r.Value.State {
	case RewardPending:
		err = w.grant(ctx, r)
	case RewardGranted:
		err = w.expire(ctx, r)
	case RewardClawedBack, RewardCanceled, RewardWithheld:
		err = w.takeBackByHook(ctx, r)
	default:
		err = fmt.Errorf("referral: reward %q is %s, and due: audit the store", doc.Key.ID, r.Value.State)
	}
	if err != nil {
		return storage.Batch{}, err
	}
	return w.batch(ctx)
}

package referral

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Merged is what became of two accounts that are one person's.
type Merged struct {
	From, Into string // subjects; From is empty when they were one before
	// Case is the review that was opened because one of them had brought the other;
	// empty: neither had.
	Case string
}

// mergeReview is how long the case of a self-referral is open where the program does
// not say.
const mergeReview = 14 * 24 * time.Hour

// Merge makes two accounts of one person one: whatever leads to the first leads to the
// second from then on, and its friends, coupons, credit, rewards and debts are the
// second's. What either has used of caps counts together, even above a cap, and so do
// friends towards tiers and milestones. Who brought the first as a friend has brought it
// still, and what it does from then on is the second's. A ban of either is the second's
// too ([Service.Unban] ends it). When one account has brought the
// other, a case is opened, and a person decides.
//
// Asked again it changes nothing; where it stops half-way, [Service.SweepPeople]
// finishes it. It fails with [ErrNoPerson], and with a [*Faults] where the actor or the
// reason is missing.
func (s *Service) Merge(ctx context.Context, from, into, actor, reason string, now time.Time) (Merged, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.staffVerb(actor, reason, now)
	if err := faults.orNil(); err != nil {
		return Merged{}, err
	}
	merged, err := do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Merged], error) {
		return s.planMerge(ctx, from, into, actor, reason, refused, now)
	})
	if err != nil || merged.From == "" {
		return merged, err
	}
	return merged, s.finishMerging(ctx, merged.From, now)
}

func (s *Service) planMerge(ctx context.Context, from, into, actor, reason string, refused *storage.Failure, now time.Time) (storage.Plan[Merged], error) {
	var none storage.Plan[Merged]
	left, err := s.findAccount(ctx, from)
	if err != nil {
		return none, err
	}
	right, err := s.findAccount(ctx, into)
	if err != nil {
		return none, err
	}
	answer := Merged{From: left.Value.Subjects[0], Into: right.Value.Subjects[0]}
	if answer.From == answer.Into {
		return storage.Plan[Merged]{Answer: Merged{Into: answer.Into}}, nil
	}
	first, err := s.readSubject(ctx, answer.From)
	if err != nil {
		return none, err
	}
	other, err := s.readSubject(ctx, answer.Into)
	if err != nil {
		return none, err
	}
	batch, err := s.forget(ctx, first, func(p *personBody) {
		if !slices.Contains(p.Subjects, answer.Into) {
			p.Subjects = append(p.Subjects, answer.Into)
		}
	})
	if err != nil {
		return none, err
	}
	for _, hash := range first.Value.People {
		if !slices.Contains(other.Value.People, hash) {
			other.Value.People = append(slices.Clone(other.Value.People), hash)
		}
	}
	other.Value.Returning = other.Value.Returning || first.Value.Returning
	first.Value.People, first.Value.Merged, first.Value.Moving, first.Value.MergedAt = nil, answer.Into, true, micros(now)
	for _, r := range []storage.Record[subjectBody]{first, other} {
		put, err := putSubject(r)
		if err != nil {
			return none, err
		}
		batch.Puts = append(batch.Puts, put)
	}
	known, err := s.planMembers(ctx, answer, actor, now)
	if err != nil {
		return none, err
	}
	entry, err := ledger.Entry{
		ID: mergedEntry(answer.From), Kind: "merged", At: now, Actor: actor, Subject: answer.From, Concerns: answer.Into,
		Details: map[string]string{"reason": reason},
	}.Batch()
	if err != nil {
		return none, err
	}
	review, id, err := s.planSelfReferral(ctx, answer, refused, now)
	if err != nil {
		return none, err
	}
	answer.Case = id
	joined, err := storage.Join(batch, known, entry, review)
	return storage.Plan[Merged]{Batch: joined, Answer: answer}, err
}

func mergedEntry(subject string) string { return "merged/" + subject }

// planMembers has the account that is left know as whose friend the other was brought,
// and keeps it out where the other was banned. The other's member is written whatever
// it says: so merging and registering it meet, whichever is first.
func (s *Service) planMembers(ctx context.Context, m Merged, actor string, now time.Time) (storage.Batch, error) {
	var batch storage.Batch
	docs, err := s.get(ctx, memberKey(m.From), memberKey(m.Into))
	if err != nil {
		return batch, err
	}
	both, err := pair(docs, members, memberKey(m.From), memberKey(m.Into))
	if err != nil {
		return batch, err
	}
	for i := range both {
		if both[i].Version == 0 {
			both[i].Value.Since = micros(now)
		}
	}
	from, into := &both[0].Value, &both[1].Value
	brought := from.friendships(m.From)
	if len(into.Brought)+len(brought) > maxMerges {
		return batch, &Faults{ErrRequest, []Fault{{"into", fmt.Sprintf("would have become one with more than %d friends", maxMerges)}}}
	}
	from.Became = m.Into
	changed := both[:1]
	bans := from.Banned && !into.Banned
	known := from.known(both[0].Version) && !into.known(both[1].Version)
	if known && into.Registration != nil {
		registration := *into.Registration
		registration.Known = true
		into.Registration = &registration
	}
	if bans || len(brought) > 0 || known { // whom the other's links lead to from now on must be known
		changed = both
		into.Brought = append(slices.Clone(into.Brought), brought...)
		if bans {
			into.Banned, into.BanReason = true, from.BanReason
		}
	}
	for _, r := range changed {
		put, err := members.Put(r, 0)
		if err != nil {
			return batch, err
		}
		batch.Puts = append(batch.Puts, put)
	}
	if !bans {
		return batch, nil
	}
	booked, err := ledger.Entry{
		ID: banEntry(m.Into, both[1].Version+1, true), Kind: "banned", At: now, Actor: actor, Subject: m.Into, Concerns: m.From,
		Details: map[string]string{"reason": into.BanReason},
	}.Batch()
	if err != nil {
		return batch, err
	}
	return storage.Join(batch, booked)
}

// known says that a member may have friends, or was no new customer: nobody is credited for
// them any more, nor for what their account becomes. Else referrals could form a circle.
func (b *memberBody) known(version int64) bool {
	r := b.Registration
	return version > 0 && (r == nil || len(b.Links) > 0 || r.Known || r.Reason == ReasonNotNew || r.Reason == ReasonOwnCode)
}

// planSelfReferral opens a case where one of two merged subjects, or an account that was
// merged into it, has brought the other.
func (s *Service) planSelfReferral(ctx context.Context, m Merged, refused *storage.Failure, now time.Time) (storage.Batch, string, error) {
	for _, pair := range [][2]string{{m.From, m.Into}, {m.Into, m.From}} {
		read := s.snapshot()
		all, err := friendshipsOf(ctx, read, pair[1])
		if err != nil {
			return storage.Batch{}, "", err
		}
		for _, f := range all {
			r, err := one(ctx, read, referrals, f.key())
			if err != nil {
				return storage.Batch{}, "", err
			}
			if r.Version == 0 || cmp.Or(r.Value.Earner, r.Value.Referrer) != pair[0] || r.Value.State.final() {
				continue
			}
			return s.planReviewOfBoth(ctx, read, r, refused, now)
		}
	}
	return storage.Batch{}, "", nil
}

// planReviewOfBoth opens a case about a referral whose sides turned out to be one person.
func (s *Service) planReviewOfBoth(ctx context.Context, read *snapshot, r storage.Record[referralBody], refused *storage.Failure, now time.Time) (storage.Batch, string, error) {
	w, err := s.load(ctx, read, r, now)
	if err != nil {
		return storage.Batch{}, "", err
	}
	w.refused = refused
	id, err := w.flag([]fired{{id: string(CheckSameAccount), action: ActionReview, found: 1, why: "both accounts are one person's: they were merged"}})
	if err != nil {
		return storage.Batch{}, "", err
	}
	if err := w.advance(ctx); err != nil {
		return storage.Batch{}, "", err
	}
	batch, err := w.batch(ctx)
	return batch, id, err
}

// finishMerging moves what a merged subject holds, and says that it is done.
func (s *Service) finishMerging(ctx context.Context, from string, now time.Time) error {
	subject, err := s.readSubject(ctx, from)
	if err != nil || !subject.Value.Moving {
		return err
	}
	if err := s.moveHoldings(ctx, from, subject.Value.Merged, now); err != nil {
		return err
	}
	_, err = do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		r, err := s.readSubject(ctx, from)
		if err != nil || !r.Value.Moving {
			return plan, err
		}
		r.Value.Moving = false
		put, err := putSubject(r)
		plan.Batch.Puts = []storage.Put{put}
		return plan, err
	})
	return err
}

// moveHoldings makes what one subject holds that of another. Every step can be done
// again.
func (s *Service) moveHoldings(ctx context.Context, from, into string, now time.Time) error {
	m := moving{s, from, into, now}
	docs, err := s.get(ctx, memberKey(from))
	if err != nil {
		return err
	}
	member, err := record(members, docs, memberKey(from))
	if err != nil {
		return err
	}
	programs, err := s.programsOf(ctx, &member.Value)
	if err != nil {
		return err
	}
	for _, program := range programs {
		if err := m.each(ctx, kindReferral, referrerList(program, from), m.planClaims); err != nil {
			return err
		}
		if err := m.each(ctx, kindReward, rewardList(program, from), m.planReward); err != nil {
			return err
		}
		if err := m.sums(ctx, program); err != nil {
			return err
		}
	}
	if err := m.wallet(ctx); err != nil {
		return err
	}
	currencies, err := m.currencies(ctx)
	if err != nil {
		return err
	}
	for _, c := range currencies {
		if err := m.credit(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// programsOf are all programs: first those that the customer has a link of, or was brought
// to, then all others, in which accounts that were merged into theirs may have been.
func (s *Service) programsOf(ctx context.Context, b *memberBody) ([]string, error) {
	var all []string
	add := func(program string) {
		if !slices.Contains(all, program) {
			all = append(all, program)
		}
	}
	for _, l := range b.Links {
		add(l.Program)
	}
	if r := b.Registration; r != nil && r.Bound {
		add(r.Program)
	}
	query := storage.Query{Kind: headKey("").Kind, List: "programs", Limit: storage.MaxPage}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, doc := range page.Docs {
			add(doc.Key.ID)
		}
		if query.After = page.Next; query.After == "" {
			return all, nil
		}
	}
}

// moving is one subject's things on their way to another.
type moving struct {
	*Service
	from, into string
	now        time.Time
}

// each plans and applies what becomes of each document of a list.
func (m *moving) each(ctx context.Context, kind, list string, plan func(context.Context, storage.Doc) (storage.Batch, error)) error {
	query := storage.Query{Kind: kind, List: list}
	for {
		page, err := m.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			if _, err := do(ctx, m.Service, m.now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
				docs, err := m.get(ctx, doc.Key)
				if err != nil {
					return storage.Plan[struct{}]{}, err
				}
				batch, err := plan(ctx, docs[doc.Key])
				return storage.Plan[struct{}]{Batch: batch}, err
			}); err != nil {
				return err
			}
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

// moveClaims takes claims from the counters of one customer to those of the other,
// without a maximum: what was used was used.
func (m *moving) moveClaims(claims []ledger.Claim, batch *storage.Batch) []ledger.Claim {
	claims = slices.Clone(claims)
	for i := range claims {
		c := &claims[i]
		name, own := strings.CutSuffix(c.Counter, "/referrer/"+m.from)
		if !own {
			continue
		}
		to := *c
		to.Counter, to.Max = name+"/referrer/"+m.into, 0 // no limit: the audit looks for none
		if c.N > 0 && c.Open(m.now) {
			take := to.Take()
			take.Max = math.MaxInt64
			batch.Adds = append(batch.Adds, c.Give(), take)
		}
		if c.N > 0 && !c.Open(m.now) {
			continue // its counter is over: it stays as it is
		}
		*c = to
	}
	return claims
}

// planClaims gives a referral and what it claims to the other subject.
func (m *moving) planClaims(_ context.Context, doc storage.Doc) (storage.Batch, error) {
	var batch storage.Batch
	r, err := referrals.Decode(doc)
	if err != nil {
		return batch, err
	}
	b := &r.Value
	moved := m.moveClaims(b.Claims, &batch)
	own := b.Friend == m.into // a self-referral stays as it was: its case says what comes of it
	if own && slices.Equal(moved, b.Claims) {
		return batch, nil
	}
	b.Claims = moved
	lists := slices.Clone(doc.Lists)
	if !own {
		b.Earner = m.into
		b.Decisions = append(slices.Clip(b.Decisions), decisionBody{At: micros(m.now), What: "merged", Why: "the referrer's account became " + m.into})
		for i := range lists {
			if lists[i].List == referrerList(b.Program, m.from) {
				lists[i].List = referrerList(b.Program, m.into)
			}
		}
	}
	put, err := referrals.Put(r, doc.Due, lists...)
	batch.Puts = append(batch.Puts, put)
	return batch, err
}

// planReward gives a reward, its claims and its coupons to the other subject. The reward
// names the coupons that it gave, as before: they lead to those that replace them, and a
// use of one before the merge is owed when the reward is taken back.
func (m *moving) planReward(ctx context.Context, doc storage.Doc) (storage.Batch, error) {
	r, err := rewards.Decode(doc)
	if err != nil {
		return storage.Batch{}, err
	}
	b := &r.Value
	if b.Customer != m.from {
		return storage.Batch{}, nil // by an attempt before
	}
	own := storage.Batch{}
	b.Customer, b.Claims = m.into, m.moveClaims(b.Claims, &own)
	put, err := putReward(r)
	if err != nil {
		return own, err
	}
	own.Puts = append(own.Puts, put)
	for _, id := range b.Coupons {
		plan, err := m.reissue(ctx, id)
		if err != nil {
			return own, err
		}
		// Two that one lapsed order holds would both end it: wallet moves the second.
		if joined, err := storage.Join(own, plan.Batch); err == nil {
			own = joined
		}
	}
	return own, nil
}

// sums adds what one subject's tally and debts in a program are to the other's.
func (m *moving) sums(ctx context.Context, program string) error {
	_, err := do(ctx, m.Service, m.now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		read := m.snapshot()
		if err := read.need(ctx, tallyKey(program, m.from), tallyKey(program, m.into), debtKey(program, m.from), debtKey(program, m.into)); err != nil {
			return plan, err
		}
		tally, err := pair(read.docs, tallies, tallyKey(program, m.from), tallyKey(program, m.into))
		if err != nil {
			return plan, err
		}
		debt, err := pair(read.docs, debts, debtKey(program, m.from), debtKey(program, m.into))
		if err != nil {
			return plan, err
		}
		if t := &tally[0].Value; !t.empty() {
			tally[1].Value.Program, tally[1].Value.Referrer = program, m.into
			tally[1].Value.merge(t)
			for _, r := range tally {
				put, err := tallies.Put(r, 0)
				if err != nil {
					return plan, err
				}
				plan.Batch.Puts = append(plan.Batch.Puts, put)
			}
		}
		if d := &debt[0].Value; len(d.Money) > 0 || len(d.Coupons) > 0 {
			debt[1].Value.Program, debt[1].Value.Customer = program, m.into
			debt[1].Value.merge(d)
			for _, r := range debt {
				put, err := debts.Put(r, 0)
				if err != nil {
					return plan, err
				}
				plan.Batch.Puts = append(plan.Batch.Puts, put)
			}
		}
		return plan, nil
	})
	return err
}

// pair decodes two documents of a kind.
func pair[T any](docs map[storage.Key]storage.Doc, codec *storage.Codec[T], keys ...storage.Key) ([]storage.Record[T], error) {
	var all []storage.Record[T]
	for _, key := range keys {
		r, err := record(codec, docs, key)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// reissue gives one coupon, or what has replaced it, to the other subject, as it is; one
// that can't be used any more, as one taken back, stays where it is.
func (m *moving) reissue(ctx context.Context, id string) (storage.Plan[coupon.Coupon], error) {
	c, err := m.coupons.Coupon(ctx, id)
	for err == nil && c.Revoked != nil && c.Revoked.Reissued != "" {
		id = c.Revoked.Reissued
		c, err = m.coupons.Coupon(ctx, id)
	}
	if errors.Is(err, coupon.ErrNoCoupon) || err == nil && (c.Revoked != nil || c.Holder != m.from) {
		return storage.Plan[coupon.Coupon]{}, nil
	}
	if err != nil {
		return storage.Plan[coupon.Coupon]{}, err
	}
	sum := sha256.Sum256([]byte(id))
	plan, err := m.coupons.PlanReissue(ctx, coupon.ReissueRequest{
		ID: "merge-" + hex.EncodeToString(sum[:20]), Coupon: id, Holder: m.into, Actor: "merge", Reason: "two accounts of one person were merged",
	}, m.now)
	if errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrNoCoupon) || errors.Is(err, coupon.ErrState) {
		return storage.Plan[coupon.Coupon]{}, nil
	}
	return plan, err
}

// wallet moves the coupons that did not move with a reward.
func (m *moving) wallet(ctx context.Context) error {
	query := coupon.WalletQuery{}
	for {
		page, err := m.coupons.Wallet(ctx, m.from, query, m.now)
		if err != nil {
			return err
		}
		for _, c := range page.Coupons {
			if _, err := do(ctx, m.Service, m.now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[coupon.Coupon], error) {
				return m.reissue(ctx, c.ID)
			}); err != nil {
				return err
			}
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

// currencies are those in which the subject was ever given credit, whoever gave it.
func (m *moving) currencies(ctx context.Context) ([]ledger.Currency, error) {
	book := ledger.New(m.store, ledger.Options{Floors: coupon.Floors()})
	var all []ledger.Currency
	query := ledger.StatementQuery{Limit: storage.MaxPage}
	for {
		page, err := book.Statement(ctx, coupon.CreditAccount(m.from), query)
		if err != nil {
			return nil, err
		}
		for _, balance := range page.Closing {
			if !slices.Contains(all, balance.Currency()) {
				all = append(all, balance.Currency())
			}
		}
		if query.After = page.Next; query.After == "" {
			return all, nil
		}
	}
}

// credit moves what is left of credit in a currency. Taking is recorded with what was
// taken, so that granting it is the same when it is done again.
func (m *moving) credit(ctx context.Context, c ledger.Currency) error {
	id := "merge/" + m.from + "/" + c.Code()
	request := coupon.CreditRequest{
		ID: id, Customer: m.from, Amount: ledger.Minor(math.MaxInt64>>10, c), Actor: "merge", Reason: "two accounts of one person were merged", Concerns: m.into,
	}
	taken, err := m.coupons.TakeCredit(ctx, request, m.now)
	if err != nil || taken.Moved.Sign() == 0 {
		return err
	}
	request.Customer, request.Amount, request.Concerns = m.into, taken.Moved, m.from
	_, err = m.coupons.GrantCredit(ctx, request, m.now)
	return err
}

// become gives the subject that a subject has become, for what is still to be earned.
func (w *work) become(ctx context.Context, customer string) (string, error) {
	for range maxMerges {
		if len(w.people) == 0 {
			return customer, nil
		}
		subject, err := one(ctx, w.snapshot, subjects, subjectKey(customer))
		if err != nil {
			return customer, err
		}
		if subject.Version > 0 { // a merge must not come in between
			w.batches = append(w.batches, storage.Batch{Checks: []storage.Check{{Key: subject.Key, Version: subject.Version}}})
		}
		if subject.Value.Merged == "" {
			return customer, nil
		}
		customer = subject.Value.Merged
	}
	return customer, errMerges()
}

// within is for how long a case is open.
func (r *Review) within() time.Duration { return cmp.Or(r.Within, mergeReview) }

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

// Hook grants rewards of a kind that the shop defines, outside of any transaction.
// It is asked again after any failure, so it must do a thing once per ID.
type Hook interface {
	// Grant gives the customer what the details say, unless it did so before under
	// this ID. It fails with [ErrOutOfStock] when there is nothing left to give; after
	// any error the reward waits and is tried again.
	Grant(ctx context.Context, request HookRequest) error
	// TakeBack takes a reward back, unless it did so before, and says whether the
	// customer still owes it, because it was used. It is asked for rewards that were
	// granted, and for those canceled or withheld when Grant may have been under way: of
	// one that it never gave it says false, and must not give it any more.
	TakeBack(ctx context.Context, request HookRequest) (owed bool, err error)
}

// HookRequest is one reward of a kind that the shop defines.
type HookRequest struct {
	ID       string // the reward's: the idempotency key
	Customer string
	Custom
}

// promise makes the rewards of a step taken at an instant, and grants those of
// registration, which need not wait. Where no place in the caps is left, the
// referrer's is withheld for good.
func (w *work) promise(ctx context.Context, step Step, at, notBefore time.Time) error {
	b := &w.referral.Value
	denied := judged(b.Facts, w.now)
	for _, side := range []Side{Referrer, Referee} {
		earned, boost, earns := w.earning(side, step, at)
		if !earns {
			continue
		}
		id := rewardID(b.Program, b.Friend, side, step)
		reward := w.newReward(id, side, step, &earned, notBefore)
		reward.Value.Boost = boost
		if step == Qualified {
			reward.Value.DueBy = b.DueBy
		}
		if denied.denied(side) {
			w.withhold(reward, "a check or a review denied this side")
			continue
		}
		if err := w.claim(ctx, reward, at); err != nil {
			return err
		}
		if step == Registered && reward.Value.State == RewardPending {
			if err := w.grant(ctx, reward); err != nil {
				return err
			}
		}
	}
	return nil
}

// earning is what the terms give, or the latest version where it raises them.
func (w *work) earning(side Side, step Step, at time.Time) (Earning, string, bool) {
	nth := w.referral.Value.Number
	earned, boost, earns := w.terms.earning(side, step, nth, at)
	if w.raised == nil {
		return earned, boost, earns
	}
	more, boosted, raised := w.raised.earning(side, step, nth, at)
	if raised && (!earns || more.raises(&earned)) && w.terms.limits(side, &more) {
		return more, boosted, true
	}
	return earned, boost, earns
}

func (w *work) newReward(id string, side Side, step Step, earned *Earning, notBefore time.Time) *storage.Record[rewardBody] {
	b := &w.referral.Value
	customer := w.friend
	if side == Referrer {
		customer = w.earner
	}
	reward := &storage.Record[rewardBody]{Key: rewardKey(id), Value: rewardBody{
		Program: b.Program, Friend: b.Friend, Side: side, Step: step, Customer: customer, State: RewardPending,
		Promised: micros(w.now), NotBefore: micros(notBefore),
	}}
	reward.Value.Gives = newEarningDocument(earned)
	w.rewards[id], w.changed[id] = reward, true
	return reward
}

// withhold ends a reward that was not granted, for good, and frees what it claimed.
func (w *work) withhold(r *storage.Record[rewardBody], why string) { w.drop(r, RewardWithheld, why) }

// claim takes what a reward needs of caps and budget at an instant: the referrer's
// place for this friend, unless the referral holds it already, and what the reward is
// worth. Where something is full it takes nothing, and the reward is withheld. What
// registration was told, qualification is told too.
func (w *work) claim(ctx context.Context, r *storage.Record[rewardBody], at time.Time) error {
	b := &w.referral.Value
	if before := w.registered(Referrer); r.Value.Side == Referrer && r.Value.Step == Qualified && before != nil && before.State == RewardWithheld {
		w.withhold(r, before.Why)
		return nil
	}
	var places []ledger.Claim
	var err error
	if r.Value.Side == Referrer && r.Value.Step != Milestones && len(b.Claims) == 0 {
		if places, err = w.terms.claims(w.earner, at); err != nil {
			return err
		}
	}
	earned := r.Value.Gives.earning()
	worth, err := w.terms.claimsOf(r.Value.Side, r.Value.Customer, &earned, at)
	if err != nil {
		return err
	}
	full, err := w.room(ctx, slices.Concat(places, worth))
	switch {
	case err != nil:
		return err
	case full != "":
		w.withhold(r, full)
		return nil
	}
	if len(places) > 0 {
		b.Claims = places
	}
	r.Value.Claims = worth
	for _, c := range slices.Concat(places, worth) {
		w.batches = append(w.batches, storage.Batch{Adds: []storage.Add{c.Take()}})
	}
	return nil
}

// room says which of some claims finds none. In hope that there is some, nothing is
// read: a claim that is refused brings the work back with the refusal.
func (w *work) room(ctx context.Context, claims []ledger.Claim) (full string, err error) {
	if len(claims) == 0 || w.hopeful && w.refused == nil {
		return "", nil
	}
	names := make([]string, len(claims))
	for i, c := range claims {
		names[i] = c.Counter
	}
	_, used, err := w.store.Get(ctx, nil, names...)
	if err != nil {
		return "", err
	}
	for i := range claims {
		c := &claims[i]
		taken := used[c.Counter] + w.moved(c.Counter)
		if w.refused != nil && w.refused.Counter == c.Counter {
			taken = max(taken, c.Max-c.N+1)
		}
		if taken > c.Max-c.N {
			return w.terms.full(c, min(taken, c.Max)), nil
		}
	}
	return "", nil
}

// moved is what this work itself has added to a counter so far.
func (w *work) moved(counter string) int64 {
	var sum int64
	for i := range w.batches {
		for _, a := range w.batches[i].Adds {
			if a.Counter == counter {
				sum += a.Delta
			}
		}
	}
	return sum
}

// giveBack frees claims, those that still count.
func (w *work) giveBack(claims []ledger.Claim) {
	for i, c := range claims {
		if c.N > 0 && c.Open(w.now) {
			w.batches = append(w.batches, storage.Batch{Adds: []storage.Add{c.Give()}})
			claims[i].N = 0
		}
	}
}

// leavePlace gives the referral's places back, unless the referrer keeps what
// registration gave for this friend.
func (w *work) leavePlace() {
	b := &w.referral.Value
	if r := w.registered(Referrer); r != nil && (r.State == RewardPending || r.State == RewardGranted) {
		return
	}
	b.Claims = slices.Clone(b.Claims)
	w.giveBack(b.Claims)
}

// registered is the reward of a side at registration; nil: none.
func (w *work) registered(side Side) *rewardBody {
	b := &w.referral.Value
	if r := w.rewards[rewardID(b.Program, b.Friend, side, Registered)]; r != nil {
		return &r.Value
	}
	return nil
}

// withholdDenied ends what a check or a review has denied one side.
func (w *work) withholdDenied(ctx context.Context, at time.Time) error {
	b := &w.referral.Value
	v := judged(b.known(w.terms, at), at)
	if v.both() || !v.referrer && !v.referee {
		return nil
	}
	const why = "a check or a review denied this side"
	if v.referrer {
		if err := w.leaveTally(ctx); err != nil {
			return err
		}
	}
	for _, r := range w.sortedRewards() {
		if !v.denied(r.Value.Side) || r.Value.Step == Milestones {
			continue
		}
		switch r.Value.State {
		case RewardPending:
			w.withhold(r, why)
		case RewardGranted, RewardExpired:
			if err := w.clawBackOne(ctx, r, why); err != nil {
				return err
			}
		}
	}
	if v.referrer {
		w.leavePlace()
	}
	return nil
}

// grant gives a reward in the same batch. Where the program is paused, a case is open,
// or the coupons can't be issued as their offers are, the reward waits and is tried
// again: what happened has happened, whatever the state of an offer.
func (w *work) grant(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	b.OutOfStock = false // whatever it waits for now
	if stopped, err := w.stopped(ctx, r); stopped || err != nil {
		return err
	}
	if b.Gives.Custom != nil {
		if why, err := w.callHook(ctx, r); why != "" || err != nil {
			if why != "" {
				w.wait(r, why)
			}
			return err
		}
	}
	offers, off, err := w.lessOwed(ctx, r)
	if err != nil {
		return err
	}
	if len(offers) > 0 {
		issued, err := w.issuing(offers).PlanIssue(ctx, coupon.IssueRequest{ID: issueID(r.Key.ID), Holder: b.Customer, Offers: offers}, w.now)
		if errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrRequest) || errors.Is(err, coupon.ErrNoOffer) {
			var refused *coupon.Refusal
			b.OutOfStock = errors.As(err, &refused) && refused.Reason == coupon.ReasonOutOfStock
			w.wait(r, err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range issued.Answer {
			b.Coupons = append(b.Coupons, c.ID)
		}
		w.batches = append(w.batches, issued.Batch)
	}
	if err := w.setOffCoupons(ctx, r, off); err != nil {
		return err
	}
	if err := w.grantCredit(ctx, r); err != nil {
		return err
	}
	w.changed[r.Key.ID], w.granted = true, true
	b.State, b.Granted, b.Why, b.Retry = RewardGranted, micros(w.now), "", 0
	if b.Gives.Life > 0 {
		b.Expires = b.Granted + time.Duration(b.Gives.Life).Microseconds()
	}
	w.decide("granted", b.given(), r.Key.ID)
	return nil
}

// issuing is what issues coupons of some offers. Where they take codes from a stock, it
// does not see those that this work takes already: two rewards of one batch can't have
// one code.
func (w *work) issuing(offers []coupon.IssueOffer) *coupon.Service {
	if earned := (Earning{Coupons: offers}); !earned.fromStock() {
		return w.coupons
	}
	written := make(map[storage.Key]bool)
	for i := range w.batches {
		for _, p := range w.batches[i].Puts {
			written[p.Key] = true
		}
	}
	return w.coupons.Through(without{w.store, written})
}

// without is a store whose lists leave some documents out.
type without struct {
	storage.Store
	left map[storage.Key]bool
}

func (w without) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	page, err := w.Store.List(ctx, q)
	page.Docs = slices.DeleteFunc(page.Docs, func(doc storage.Doc) bool { return w.left[doc.Key] })
	return page, err
}

// given says what was given, for staff.
func (b *rewardBody) given() string {
	said := ""
	add := func(what string) {
		if said != "" {
			said += ", "
		}
		said += what
	}
	if len(b.Coupons) > 0 || len(b.Gives.Credit) == 0 && b.Gives.Custom == nil {
		add(fmt.Sprintf("%d coupons", len(b.Coupons)))
	}
	for _, m := range b.Gives.Credit {
		add(m.String())
	}
	if b.Gives.Custom != nil {
		add(b.Gives.Custom.Kind)
	}
	return fmt.Sprintf("%s for the %s when %s", said, b.Side, b.Step)
}

// stopped says that a reward can't be granted now, or ever, and does what follows.
func (w *work) stopped(ctx context.Context, r *storage.Record[rewardBody]) (bool, error) {
	facts := w.referral.Value.Facts
	v := judged(facts, w.now)
	member, err := one(ctx, w.snapshot, members, memberKey(r.Value.Customer))
	if err != nil {
		return true, err
	}
	if member.Version > 0 { // a ban must not come in between
		w.batches = append(w.batches, storage.Batch{Checks: []storage.Check{{Key: member.Key, Version: member.Version}}})
	}
	erases := r.Value.Side == Referee && erased(facts)
	if len(w.people) > 0 {
		subject, err := one(ctx, w.snapshot, subjects, subjectKey(r.Value.Customer))
		if err != nil {
			return true, err
		}
		erases = erases || subject.Value.Erased > 0
	}
	switch {
	case w.head.Killed:
		w.cancelOne(r, "the program was stopped for good")
	case member.Value.Banned:
		w.withhold(r, "the customer is banned: "+member.Value.BanReason)
	case erases:
		w.cancelOne(r, "the customer's data was erased")
	case w.head.Paused:
		w.wait(r, "the program is paused")
	case v.open:
		w.wait(r, "a case is open")
	default:
		return false, nil
	}
	return true, nil
}

// callHook has the shop grant what is of its own kind. Only a sweep calls hooks: they
// must not be asked in the middle of a transaction.
func (w *work) callHook(ctx context.Context, r *storage.Record[rewardBody]) (waits string, err error) {
	if !w.hooks {
		r.Value.Retry = micros(w.now)
		w.changed[r.Key.ID] = true
		return "the shop is asked to grant it", nil
	}
	hook := w.options.Hooks[r.Value.Gives.Custom.Kind]
	if hook == nil {
		return fmt.Sprintf("no hook grants rewards of kind %q", r.Value.Gives.Custom.Kind), nil
	}
	if err := hook.Grant(ctx, r.Value.request(r.Key.ID)); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.Value.OutOfStock = errors.Is(err, ErrOutOfStock)
		return fmt.Sprintf("%.300s", err), nil
	}
	return "", nil
}

func (b *rewardBody) request(id string) HookRequest {
	return HookRequest{ID: id, Customer: b.Customer, Custom: *b.Gives.Custom.custom()}
}

// grantCredit plans the credit of a reward, less what shrank it and what goes to a
// debt of before.
func (w *work) grantCredit(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	for _, m := range b.Gives.Credit {
		left := m.Minor() - minorIn(b.Back.Taken, m.Currency())
		off, err := w.setOffMoney(ctx, r, m.Currency(), left)
		if err != nil {
			return err
		}
		if left -= off; left <= 0 {
			continue
		}
		w.grants = append(w.grants, granting{r, left, m.Currency()})
	}
	return nil
}

// granting is credit to be granted for a reward, once all of the work is decided: what
// is taken back in the same work comes off it, since a taking sees only what is there.
type granting struct {
	reward   *storage.Record[rewardBody]
	minor    int64
	currency ledger.Currency
}

// bookGrants plans what is granted.
func (w *work) bookGrants(ctx context.Context) error {
	for _, g := range w.grants {
		if g.minor == 0 {
			continue
		}
		b := &g.reward.Value
		granted, err := w.coupons.PlanGrantCredit(ctx, coupon.CreditRequest{
			ID: creditID(g.reward.Key.ID, g.currency), Customer: b.Customer, Amount: ledger.Minor(g.minor, g.currency), Concerns: b.Program,
		}, w.now)
		if err != nil {
			return err
		}
		w.batches = append(w.batches, granted.Batch)
	}
	w.grants = nil
	return nil
}

// net takes an amount off what is about to be granted to a customer, of one reward
// first, and says how much that was.
func (w *work) net(t *taking) int64 {
	var netted int64
	for _, own := range []bool{true, false} {
		for i := range w.grants {
			g := &w.grants[i]
			if g.currency != t.currency || g.reward.Value.Customer != t.reward.Value.Customer || (g.reward == t.reward) != own {
				continue
			}
			n := min(g.minor, t.minor-netted)
			g.minor -= n
			netted += n
		}
	}
	return netted
}

// wait puts a reward off. A reason that stays the same is told once.
func (w *work) wait(r *storage.Record[rewardBody], why string) {
	if r.Value.Why != why {
		w.decide("waits", why, r.Key.ID)
	}
	if r.Value.Why = why; r.Value.Gives.Custom == nil || w.hooks || r.Value.Retry == 0 {
		r.Value.Retry = micros(w.now.Add(w.options.Retry))
	}
	w.changed[r.Key.ID] = true
}

package referral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// work is one referral being changed: what is recorded of it, what becomes of it,
// and the batches of coupons that go with it.
type work struct {
	*Service
	now      time.Time
	terms    *Program // the pinned version
	paused   bool
	referral storage.Record[referralBody]
	rewards  map[string]*storage.Record[rewardBody] // by id
	changed  map[string]bool                        // rewards to write
	batches  []storage.Batch
	decided  int // decisions there were before
}

// load reads a referral with its pinned terms, its rewards and the caps' counters.
func (s *Service) load(ctx context.Context, doc storage.Doc, now time.Time) (*work, error) {
	r, err := referrals.Decode(doc)
	if err != nil {
		return nil, err
	}
	b := &r.Value
	terms, err := s.program(ctx, programVersion{b.Program, b.Version})
	if err != nil {
		return nil, err
	}
	all, err := s.readRewards(ctx, b.Program, b.Friend)
	if err != nil {
		return nil, err
	}
	docs, err := s.get(ctx, headKey(b.Program))
	if err != nil {
		return nil, err
	}
	head, err := record(heads, docs, headKey(b.Program))
	if err != nil {
		return nil, err
	}
	w := &work{Service: s, now: now, terms: terms, paused: head.Value.Paused, referral: r, decided: len(b.Decisions), rewards: make(map[string]*storage.Record[rewardBody])}
	for _, reward := range all {
		w.rewards[reward.Key.ID] = &reward
	}
	// Granting depends on the program not being paused meanwhile.
	w.batches = append(w.batches, storage.Batch{Checks: []storage.Check{{Key: head.Key, Version: head.Version}}})
	return w, nil
}

// readRewards reads the rewards of a referral, those that exist.
func (s *Service) readRewards(ctx context.Context, program, friend string) ([]storage.Record[rewardBody], error) {
	var keys []storage.Key
	for _, side := range []Side{Referrer, Referee} {
		for _, step := range []Step{Registered, Qualified} {
			keys = append(keys, rewardKey(rewardID(program, friend, side, step)))
		}
	}
	docs, _, err := s.store.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	var all []storage.Record[rewardBody]
	for _, doc := range docs {
		reward, err := rewards.Decode(doc)
		if err != nil {
			return nil, err
		}
		all = append(all, reward)
	}
	return all, nil
}

// decide records a decision.
func (w *work) decide(what, why, reward string) {
	w.referral.Value.Decisions = append(slices.Clip(w.referral.Value.Decisions), decisionBody{micros(w.now), what, why, reward})
}

func (w *work) change(id string) {
	if w.changed == nil {
		w.changed = make(map[string]bool)
	}
	w.changed[id] = true
}

// advance does what the facts ask for, until nothing is left to do.
func (w *work) advance(ctx context.Context) error {
	for {
		move, payment := w.referral.Value.next(w.terms, w.now)
		var err error
		switch move {
		case stay:
			return nil
		case qualify:
			err = w.qualify(ctx, payment)
		case rehold:
			w.rehold(payment)
		case confirm:
			if w.paused { // it waits until the program is resumed
				w.referral.Value.Retry = micros(w.now.Add(w.options.Retry))
				return nil
			}
			err = w.confirm(ctx)
		case expire:
			w.end(StateExpired, "no payment qualified within "+w.terms.QualifyWithin.String())
		case void:
			w.end(StateVoided, "the payment did not stay within the hold")
			w.cancel("the payment was taken back in the hold")
		case reverse:
			w.end(StateReversed, "the payment was taken back after the rewards were confirmed")
			err = w.clawBack(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// qualify takes a place in the referrer's caps, and promises the rewards of
// qualification. Where no place is left the referrer's are withheld for good.
func (w *work) qualify(ctx context.Context, payment standing) error {
	b := &w.referral.Value
	w.hold(payment)
	w.decide("qualified", fmt.Sprintf("order %q was paid at %s, %s kept", payment.order, since(payment.at), payment.kept), "")
	full, err := w.takePlace(ctx)
	if err != nil {
		return err
	}
	b.State = StateHeld
	if err := w.promise(ctx, Qualified, payment.at, instant(b.HoldUntil)); err != nil {
		return err
	}
	if full != "" {
		w.withhold(full)
	}
	return nil
}

// hold sets the payment that qualifies, and until when it must stay.
func (w *work) hold(payment standing) {
	b := &w.referral.Value
	b.Order, b.Paid = payment.order, micros(payment.at)
	b.HoldUntil = micros(payment.at.Add(w.terms.Hold))
	if w.terms.DueWithin > 0 {
		b.DueBy = micros(payment.at.Add(w.terms.DueWithin))
	}
}

func (w *work) rehold(payment standing) {
	w.hold(payment)
	w.decide("qualified", fmt.Sprintf("the order before did not stay; order %q was paid at %s, %s kept", payment.order, since(payment.at), payment.kept), "")
	for id, r := range w.rewards {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			r.Value.NotBefore, r.Value.DueBy = w.referral.Value.HoldUntil, w.referral.Value.DueBy
			w.change(id)
		}
	}
}

// takePlace claims one friend of every cap, or says which is full.
func (w *work) takePlace(ctx context.Context) (full string, err error) {
	b := &w.referral.Value
	claims, err := w.terms.claims(b.Referrer, instant(b.Paid))
	if err != nil || len(claims) == 0 {
		return "", err
	}
	names := make([]string, len(claims))
	for i, c := range claims {
		names[i] = c.Counter
	}
	_, used, err := w.store.Get(ctx, nil, names...)
	if err != nil {
		return "", err
	}
	for i, c := range claims {
		if used[c.Counter] >= c.Max {
			return fmt.Sprintf("the cap of %d friends%s is reached: %d are rewarded or about to be", c.Max, w.terms.Caps[i].counted(), used[c.Counter]), nil
		}
	}
	var adds []storage.Add
	for _, c := range claims {
		adds = append(adds, c.Take())
	}
	b.Claims = claims
	w.batches = append(w.batches, storage.Batch{Adds: adds})
	return "", nil
}

func (c Cap) counted() string {
	if c.Period == ledger.Lifetime {
		return ""
	}
	return " a " + string(c.Period)
}

// leavePlace gives the referral's places back, those that still count.
func (w *work) leavePlace() {
	b := &w.referral.Value
	b.Claims = slices.Clone(b.Claims)
	for i, c := range b.Claims {
		if c.N > 0 && c.Open(w.now) {
			w.batches = append(w.batches, storage.Batch{Adds: []storage.Add{c.Give()}})
			b.Claims[i].N = 0
		}
	}
}

// promise makes the rewards of a step, and grants those of registration, which need
// not wait.
func (w *work) promise(ctx context.Context, step Step, at, notBefore time.Time) error {
	b := &w.referral.Value
	for _, side := range []Side{Referrer, Referee} {
		rule, boost, earns := w.terms.rule(side, step, at)
		if !earns {
			continue
		}
		customer := b.Friend
		if side == Referrer {
			customer = b.Referrer
		}
		id := rewardID(b.Program, b.Friend, side, step)
		reward := &storage.Record[rewardBody]{Key: rewardKey(id), Value: rewardBody{
			Program: b.Program, Friend: b.Friend, Side: side, Step: step, Customer: customer, State: RewardPending,
			Boost: boost, Offers: rule.Coupons, Promised: micros(w.now), NotBefore: micros(notBefore),
		}}
		if step == Qualified {
			reward.Value.DueBy = b.DueBy
		}
		w.rewards[id] = reward
		w.change(id)
		if step == Registered {
			if err := w.grant(ctx, reward); err != nil {
				return err
			}
		}
	}
	return nil
}

// withhold refuses the referrer's reward of qualification for good.
func (w *work) withhold(why string) {
	b := &w.referral.Value
	id := rewardID(b.Program, b.Friend, Referrer, Qualified)
	if r := w.rewards[id]; r != nil {
		r.Value.State, r.Value.Why = RewardWithheld, why
		w.change(id)
		w.decide("withheld", why, id)
	}
}

// confirm grants the rewards of qualification.
func (w *work) confirm(ctx context.Context) error {
	b := &w.referral.Value
	b.State, b.Confirmed, b.Retry = StateConfirmed, micros(w.now), 0
	w.decide("confirmed", "the hold is over and the payment stayed", "")
	for _, r := range w.sortedRewards() {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			if err := w.grant(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// grant issues a reward's coupons in the same batch. Where an offer is paused or
// over, or the program is paused, the reward waits and is tried again.
func (w *work) grant(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	w.change(r.Key.ID)
	if w.paused {
		b.Why, b.Retry = "the program is paused", micros(w.now.Add(w.options.Retry))
		return nil
	}
	issued, err := w.coupons.PlanIssue(ctx, coupon.IssueRequest{ID: issueID(r.Key.ID), Holder: b.Customer, Offers: b.Offers}, w.now)
	if refused, ok := isRefusal(err); ok {
		b.Why, b.Retry = refused.Error(), micros(w.now.Add(w.options.Retry))
		w.decide("waits", b.Why, r.Key.ID)
		return nil
	}
	if err != nil {
		return err
	}
	b.State, b.Granted, b.Why, b.Retry = RewardGranted, micros(w.now), "", 0
	for _, c := range issued.Answer {
		b.Coupons = append(b.Coupons, c.ID)
	}
	w.batches = append(w.batches, issued.Batch)
	w.decide("granted", fmt.Sprintf("%d coupons for the %s when %s", len(b.Coupons), b.Side, b.Step), r.Key.ID)
	return nil
}

// issueID is the id under which a reward's coupons are issued: it follows from the
// reward's, so they can't be issued twice.
func issueID(reward string) string {
	sum := sha256.Sum256([]byte(reward))
	return "reward-" + hex.EncodeToString(sum[:20])
}

// end ends the referral and gives its places back.
func (w *work) end(state State, why string) {
	w.referral.Value.State, w.referral.Value.Ended = state, micros(w.now)
	w.decide(string(state), why, "")
	w.leavePlace()
}

// cancel takes back the promises that were not granted.
func (w *work) cancel(why string) {
	for _, r := range w.sortedRewards() {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			r.Value.State, r.Value.Why, r.Value.Retry = RewardCanceled, why, 0
			w.change(r.Key.ID)
			w.decide("canceled", why, r.Key.ID)
		}
	}
}

// clawBack takes the rewards of qualification back: coupons not used are revoked,
// those used are owed. What registration gave stays.
func (w *work) clawBack(ctx context.Context) error {
	w.cancel("the payment was taken back")
	for _, r := range w.sortedRewards() {
		b := &r.Value
		if b.Step != Qualified || b.State != RewardGranted {
			continue
		}
		b.State, b.Why = RewardClawedBack, "the friend's payment was taken back"
		for _, id := range b.Coupons {
			revoked, err := w.coupons.PlanRevoke(ctx, id, "", b.Why, w.now)
			if errors.Is(err, coupon.ErrNoCoupon) {
				continue
			}
			if err != nil {
				return err
			}
			w.batches = append(w.batches, revoked.Batch)
			if len(revoked.Answer.Used) > 0 {
				b.Owed = append(b.Owed, id)
			}
		}
		w.change(r.Key.ID)
		w.decide("clawed_back", fmt.Sprintf("%d coupons taken back, of which %d were used and are owed", len(b.Coupons), len(b.Owed)), r.Key.ID)
	}
	return nil
}

func (w *work) sortedRewards() []*storage.Record[rewardBody] {
	var all []*storage.Record[rewardBody]
	for _, id := range slices.Sorted(maps.Keys(w.rewards)) {
		all = append(all, w.rewards[id])
	}
	return all
}

// batch is everything that changes, in one.
func (w *work) batch() (storage.Batch, error) {
	put, err := putReferral(w.referral, w.terms)
	if err != nil {
		return storage.Batch{}, err
	}
	own := storage.Batch{Puts: []storage.Put{put}}
	for _, id := range slices.Sorted(maps.Keys(w.changed)) {
		put, err := putReward(*w.rewards[id])
		if err != nil {
			return own, err
		}
		own.Puts = append(own.Puts, put)
	}
	batches := append(w.batches, own)
	news := w.referral.Value.Decisions[w.decided:]
	entry, err := w.entry(news)
	if err != nil {
		return own, err
	}
	batches = append(batches, entry)
	if w.options.Events && len(news) > 0 {
		event, err := w.event(news)
		if err != nil {
			return own, err
		}
		batches = append(batches, storage.Batch{Puts: []storage.Put{event}})
	}
	return storage.Join(batches...)
}

// entry books the decisions, one entry for each change of the referral.
func (w *work) entry(news []decisionBody) (storage.Batch, error) {
	if len(news) == 0 {
		return storage.Batch{}, nil
	}
	b := &w.referral.Value
	details := make(map[string]string, len(news))
	for i, d := range news {
		details[fmt.Sprintf("%02d %s", i+1, d.What)] = d.Why
	}
	sum := sha256.Sum256([]byte(w.referral.Key.ID))
	return ledger.Entry{
		ID: fmt.Sprintf("referral/%s/%d", hex.EncodeToString(sum[:20]), w.referral.Version+1), Kind: "referral " + string(b.State), At: w.now,
		Subject: b.Referrer, Concerns: b.Program, Details: details,
	}.Batch()
}

// eventData is what an event tells the mailer.
type eventData struct {
	Program   string         `json:"program"`
	Referrer  string         `json:"referrer"`
	Friend    string         `json:"friend"`
	State     State          `json:"state"`
	Decisions []decisionBody `json:"decisions"`
}

func (w *work) event(news []decisionBody) (storage.Put, error) {
	b := &w.referral.Value
	data, err := json.Marshal(eventData{b.Program, b.Referrer, b.Friend, b.State, news})
	if err != nil {
		return storage.Put{}, err
	}
	return ledger.Event{
		Subject: kindReferral + "/" + w.referral.Key.ID, Version: w.referral.Version + 1, Kind: string(b.State), At: w.now, Data: data,
	}.Put()
}

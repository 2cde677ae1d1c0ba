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
	refused  *storage.Failure // of the batch before: a cap it names is full, whatever a snapshot shows
	referral storage.Record[referralBody]
	rewards  map[string]*storage.Record[rewardBody] // by id
	changed  map[string]bool                        // rewards to write
	batches  []storage.Batch
	decided  int // decisions there were before
}

// newWork begins with a referral, new or read, under its pinned terms. What is
// decided depends on the program's head: it must not be paused or resumed meanwhile.
func (s *Service) newWork(r storage.Record[referralBody], terms *Program, head storage.Record[headBody], now time.Time) *work {
	return &work{
		Service: s, now: now, terms: terms, paused: head.Value.Paused, referral: r, decided: len(r.Value.Decisions),
		rewards: make(map[string]*storage.Record[rewardBody]), changed: make(map[string]bool),
		batches: []storage.Batch{{Checks: []storage.Check{{Key: head.Key, Version: head.Version}}}},
	}
}

// load reads what a referral is changed with: its pinned terms, its program's head
// and its rewards.
func (s *Service) load(ctx context.Context, r storage.Record[referralBody], now time.Time) (*work, error) {
	b := &r.Value
	terms, err := s.program(ctx, programVersion{b.Program, b.Version})
	if err != nil {
		return nil, err
	}
	keys := rewardKeys(b.Program, b.Friend)
	docs, err := s.get(ctx, append(keys, headKey(b.Program))...)
	if err != nil {
		return nil, err
	}
	head, err := record(heads, docs, headKey(b.Program))
	if err != nil {
		return nil, err
	}
	w := s.newWork(r, terms, head, now)
	for _, key := range keys {
		reward, err := record(rewards, docs, key)
		if err != nil {
			return nil, err
		}
		if reward.Version > 0 {
			w.rewards[key.ID] = &reward
		}
	}
	return w, nil
}

// rewardKeys are the keys of all rewards that a referral can have, in order.
func rewardKeys(program, friend string) []storage.Key {
	var keys []storage.Key
	for _, side := range []Side{Referee, Referrer} {
		for _, step := range []Step{Qualified, Registered} {
			keys = append(keys, rewardKey(rewardID(program, friend, side, step)))
		}
	}
	return keys
}

// readRewards reads the rewards of a referral, those that exist, ordered by id.
func (s *Service) readRewards(ctx context.Context, program, friend string) ([]Reward, error) {
	docs, _, err := s.store.Get(ctx, rewardKeys(program, friend))
	if err != nil {
		return nil, err
	}
	var all []Reward
	for _, doc := range docs {
		r, err := rewards.Decode(doc)
		if err != nil {
			return nil, err
		}
		all = append(all, r.Value.reward(r.Key.ID))
	}
	return all, nil
}

// decide records a decision.
func (w *work) decide(what, why, reward string) {
	w.referral.Value.Decisions = append(slices.Clip(w.referral.Value.Decisions), decisionBody{micros(w.now), what, why, reward})
}

// advance does what the facts ask for, until nothing is left to do.
func (w *work) advance(ctx context.Context) error {
	for {
		move, p := w.referral.Value.next(w.terms, w.now)
		var err error
		switch move {
		case stay:
			return nil
		case qualify:
			err = w.qualify(ctx, p)
		case rehold:
			w.rehold(p)
		case confirm:
			if w.paused { // it waits until the program is resumed
				w.referral.Value.Retry = micros(w.now.Add(w.options.Retry))
				return nil
			}
			err = w.confirm(ctx)
		case expire:
			w.end(StateExpired, "no payment qualified within "+w.terms.QualifyWithin.String())
		case void:
			w.referral.Value.Order, w.referral.Value.Paid = p.order, micros(p.at)
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

// qualify holds the payment and promises the rewards of qualification.
func (w *work) qualify(ctx context.Context, p payment) error {
	b := &w.referral.Value
	w.hold(p)
	w.decide("qualified", fmt.Sprintf("order %q was paid at %s, %s", p.order, since(p.at), p.amount), "")
	b.State = StateHeld
	return w.promise(ctx, Qualified, p.at, instant(b.HoldUntil))
}

// hold sets the payment that qualifies, and until when it must stay.
func (w *work) hold(p payment) {
	b := &w.referral.Value
	b.Order, b.Paid = p.order, micros(p.at)
	b.HoldUntil = micros(p.at.Add(w.terms.Hold))
	if w.terms.DueWithin > 0 {
		b.DueBy = micros(p.at.Add(w.terms.DueWithin))
	}
}

func (w *work) rehold(p payment) {
	w.hold(p)
	w.decide("qualified", fmt.Sprintf("order %q was paid before, at %s, %s", p.order, since(p.at), p.amount), "")
	for id, r := range w.rewards {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			r.Value.NotBefore, r.Value.DueBy = w.referral.Value.HoldUntil, w.referral.Value.DueBy
			w.changed[id] = true
		}
	}
}

// takePlace claims one friend of every cap for what the referrer earns at an
// instant, unless the referral holds its places already, or says which cap is full.
// What registration was told, qualification is told too.
func (w *work) takePlace(ctx context.Context, at time.Time) (full string, err error) {
	b := &w.referral.Value
	if r := w.registered(Referrer); r != nil && r.State == RewardWithheld {
		return r.Why, nil
	}
	claims, err := w.terms.claims(b.Referrer, at)
	if err != nil || len(claims) == 0 || len(b.Claims) > 0 {
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
		if w.refused != nil && w.refused.Counter == c.Counter {
			used[c.Counter] = max(used[c.Counter], c.Max)
		}
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

// leavePlace gives the referral's places back, those that still count, unless the
// referrer keeps what registration gave for this friend.
func (w *work) leavePlace() {
	b := &w.referral.Value
	if w.registered(Referrer) != nil {
		return
	}
	b.Claims = slices.Clone(b.Claims)
	for i, c := range b.Claims {
		if c.N > 0 && c.Open(w.now) {
			w.batches = append(w.batches, storage.Batch{Adds: []storage.Add{c.Give()}})
			b.Claims[i].N = 0
		}
	}
}

// registered is the reward of a side at registration; nil: none.
func (w *work) registered(side Side) *rewardBody {
	b := &w.referral.Value
	if r := w.rewards[rewardID(b.Program, b.Friend, side, Registered)]; r != nil {
		return &r.Value
	}
	return nil
}

// promise makes the rewards of a step taken at an instant, and grants those of
// registration, which need not wait. Where no place in the caps is left, the
// referrer's is withheld for good.
func (w *work) promise(ctx context.Context, step Step, at, notBefore time.Time) error {
	b := &w.referral.Value
	for _, side := range []Side{Referrer, Referee} {
		rule, boost, earns := w.terms.rule(side, step, at)
		if !earns {
			continue
		}
		customer, full := b.Friend, ""
		if side == Referrer {
			var err error
			if full, err = w.takePlace(ctx, at); err != nil {
				return err
			}
			customer = b.Referrer
		}
		id := rewardID(b.Program, b.Friend, side, step)
		reward := &storage.Record[rewardBody]{Key: rewardKey(id), Value: rewardBody{
			Program: b.Program, Friend: b.Friend, Side: side, Step: step, Customer: customer, State: RewardPending,
			Boost: boost, Offers: newOfferDocuments(rule.Coupons), Promised: micros(w.now), NotBefore: micros(notBefore),
		}}
		if step == Qualified {
			reward.Value.DueBy = b.DueBy
		}
		w.rewards[id], w.changed[id] = reward, true
		switch {
		case full != "":
			reward.Value.State, reward.Value.Why = RewardWithheld, full
			w.decide("withheld", full, id)
		case step == Registered:
			if err := w.grant(ctx, reward); err != nil {
				return err
			}
		}
	}
	return nil
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

// grant issues a reward's coupons in the same batch. Where the program is paused, or
// the coupons can't be issued as their offers are, the reward waits and is tried
// again: what happened has happened, whatever the state of an offer.
func (w *work) grant(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	if w.paused {
		w.wait(r, "the program is paused")
		return nil
	}
	issued, err := w.coupons.PlanIssue(ctx, coupon.IssueRequest{ID: issueID(r.Key.ID), Holder: b.Customer, Offers: issueOffers(b.Offers)}, w.now)
	if errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrRequest) || errors.Is(err, coupon.ErrNoOffer) {
		w.wait(r, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	w.changed[r.Key.ID] = true
	b.State, b.Granted, b.Why, b.Retry = RewardGranted, micros(w.now), "", 0
	for _, c := range issued.Answer {
		b.Coupons = append(b.Coupons, c.ID)
	}
	w.batches = append(w.batches, issued.Batch)
	w.decide("granted", fmt.Sprintf("%d coupons for the %s when %s", len(b.Coupons), b.Side, b.Step), r.Key.ID)
	return nil
}

// wait puts a reward off. A reason that stays the same is told once.
func (w *work) wait(r *storage.Record[rewardBody], why string) {
	if r.Value.Why != why {
		w.decide("waits", why, r.Key.ID)
	}
	r.Value.Why, r.Value.Retry = why, micros(w.now.Add(w.options.Retry))
	w.changed[r.Key.ID] = true
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
			w.changed[r.Key.ID] = true
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
		w.changed[r.Key.ID] = true
		w.decide("clawed_back", fmt.Sprintf("coupons taken back: %d, of which used and owed: %d", len(b.Coupons), len(b.Owed)), r.Key.ID)
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

package referral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// snapshot is what one operation has read so far.
type snapshot struct {
	from storage.Store
	docs map[storage.Key]storage.Doc
	read map[storage.Key]bool // asked for, whether it was there or not
}

func (s *Service) snapshot() *snapshot {
	return &snapshot{s.store, make(map[storage.Key]storage.Doc), make(map[storage.Key]bool)}
}

// need reads the documents that have not been read yet, all in one call.
func (s *snapshot) need(ctx context.Context, keys ...storage.Key) error {
	var missing []storage.Key
	for _, key := range keys {
		if !s.read[key] {
			s.read[key] = true
			missing = append(missing, key)
		}
	}
	for chunk := range slices.Chunk(missing, storage.MaxGet) {
		docs, _, err := s.from.Get(ctx, chunk)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			s.docs[doc.Key] = doc
		}
	}
	return nil
}

// known is a store that answers from what a snapshot has read, where it has.
type known struct {
	storage.Store
	read *snapshot
}

func (k known) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if len(counters) > 0 || slices.ContainsFunc(keys, func(key storage.Key) bool { return !k.read.read[key] }) {
		return k.Store.Get(ctx, keys, counters...)
	}
	var docs []storage.Doc
	for _, key := range keys {
		if doc, found := k.read.docs[key]; found {
			docs = append(docs, doc)
		}
	}
	return docs, nil, nil
}

// one reads one document, which may be absent: then its Version is 0.
func one[T any](ctx context.Context, s *snapshot, codec *storage.Codec[T], key storage.Key) (storage.Record[T], error) {
	if err := s.need(ctx, key); err != nil {
		return storage.Record[T]{Key: key}, err
	}
	return record(codec, s.docs, key)
}

// work is one referral being changed: what is recorded of it, what becomes of it,
// and the batches of coupons and credit that go with it.
type work struct {
	*Service
	*snapshot
	now      time.Time
	terms    *Program // the pinned version
	raised   *Program // the latest version, where it raises what earlier ones give; nil: none
	head     headBody
	refused  *storage.Failure // of the batch before: a cap it names is full, whatever a snapshot shows
	earner   string           // who earns what the referrer does: the subject that the referrer has become
	friend   string           // the subject that the friend has become
	hopeful  bool             // claims are tried without reading how much is left: a refusal says
	hooks    bool             // the shop's hooks may be called
	referral storage.Record[referralBody]
	rewards  map[string]*storage.Record[rewardBody] // by id
	changed  map[string]bool                        // rewards to write
	tally    *storage.Record[tallyBody]             // nil: not needed so far
	emptied  []storage.Record[tallyBody]            // of merged accounts, taken over
	debts    map[string]*debtRecord                 // of customers, those read
	granted  bool                                   // a reward, in this work
	grants   []granting
	takings  []taking
	owing    []string // what staff are to review of it
	batches  []storage.Batch
	decided  int // decisions there were before
}

// newWork begins with a referral, new or read, under its pinned terms. What is
// decided depends on the program's head: it must not be paused or resumed meanwhile.
func (s *Service) newWork(read *snapshot, r storage.Record[referralBody], terms *Program, head storage.Record[headBody], now time.Time) *work {
	return &work{
		Service: s, snapshot: read, now: now, terms: terms, head: head.Value, earner: r.Value.Referrer, friend: r.Value.Friend, referral: r, decided: len(r.Value.Decisions),
		rewards: make(map[string]*storage.Record[rewardBody]), changed: make(map[string]bool), debts: make(map[string]*debtRecord),
		batches: []storage.Batch{{Checks: []storage.Check{{Key: head.Key, Version: head.Version}}}},
	}
}

// load reads what a referral is changed with: its pinned terms, its program's head
// and its rewards.
func (s *Service) load(ctx context.Context, read *snapshot, r storage.Record[referralBody], now time.Time) (*work, error) {
	b := &r.Value
	terms, err := s.program(ctx, programVersion{b.Program, b.Version})
	if err != nil {
		return nil, err
	}
	keys := rewardKeys(b.Program, b.Friend)
	for _, id := range b.Made {
		keys = append(keys, rewardKey(id))
	}
	needed := append(slices.Clone(keys), headKey(b.Program))
	if len(s.people) > 0 {
		needed = append(needed, subjectKey(b.Referrer), subjectKey(b.Friend))
	}
	if err := read.need(ctx, needed...); err != nil {
		return nil, err
	}
	head, err := record(heads, read.docs, headKey(b.Program))
	if err != nil {
		return nil, err
	}
	w := s.newWork(read, r, terms, head, now)
	if w.earner, err = w.become(ctx, b.Referrer); err != nil {
		return nil, err
	}
	if w.friend, err = w.become(ctx, b.Friend); err != nil {
		return nil, err
	}
	if latest := head.Value.Latest; latest > b.Version {
		newer, err := s.program(ctx, programVersion{b.Program, latest})
		if err != nil {
			return nil, err
		}
		if newer.Uplift {
			w.raised = newer
		}
	}
	for _, key := range keys {
		if _, err := w.readReward(ctx, key.ID); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// readReward gives a reward by its id; nil: there is none.
func (w *work) readReward(ctx context.Context, id string) (*storage.Record[rewardBody], error) {
	if r := w.rewards[id]; r != nil {
		return r, nil
	}
	r, err := one(ctx, w.snapshot, rewards, rewardKey(id))
	if err != nil || r.Version == 0 {
		return nil, err
	}
	w.rewards[id] = &r
	return &r, nil
}

// rewardKeys are the keys of all rewards that a referral itself can have, in order.
func rewardKeys(program, friend string) []storage.Key {
	var keys []storage.Key
	for _, side := range []Side{Referee, Referrer} {
		for _, step := range []Step{Qualified, Registered} {
			keys = append(keys, rewardKey(rewardID(program, friend, side, step)))
		}
	}
	return keys
}

// readRewards reads the rewards of a referral itself, those that exist, ordered by id.
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

// advance does what the facts and the clock ask for, until nothing is left to do.
// Where the terms give facts time to arrive, it goes from instant to instant that far
// behind the clock, so that facts are judged in their order.
func (w *work) advance(ctx context.Context) error {
	b := &w.referral.Value
	b.Retry = 0
	if w.terms.Lateness == 0 {
		return w.advanceTo(ctx, w.now)
	}
	horizon := micros(w.now.Add(-w.terms.Lateness))
	if b.Horizon >= b.Bound && b.Horizon <= horizon { // facts that came later still
		if err := w.advanceTo(ctx, instant(b.Horizon)); err != nil {
			return err
		}
	}
	for b.Retry == 0 && !w.granted { // what was granted must be there before it can be taken back
		at := b.next(w.terms, w.head.ending(), b.Horizon)
		if at == 0 || at > horizon {
			break
		}
		b.Horizon = at
		if err := w.advanceTo(ctx, instant(at)); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) advanceTo(ctx context.Context, at time.Time) error {
	b := &w.referral.Value
	for {
		if err := w.withholdDenied(ctx, at); err != nil {
			return err
		}
		on, q := b.event(w.terms, w.head.ending(), at)
		if on == "" {
			return w.reduce(ctx, &q)
		}
		if on == EventHoldOver && w.head.Paused { // it waits until the program is resumed
			b.Retry = micros(w.now.Add(w.options.Retry))
			return nil
		}
		if err := w.follow(ctx, on, &q); err != nil {
			return err
		}
	}
}

// follow takes the referral where the table of transitions leads it.
func (w *work) follow(ctx context.Context, on Event, q *qualified) error {
	b := &w.referral.Value
	t := b.State.on(on)
	switch on {
	case EventQualifies:
		return w.qualify(ctx, t, q)
	case EventEarlier:
		w.rehold(q)
		return nil
	case EventHoldOver:
		return w.confirm(ctx, t)
	case EventTimeOver:
		return w.end(ctx, t, "nothing qualified in time")
	case EventErased:
		return w.end(ctx, t, "the friend's data was erased")
	case EventFlagged:
		b.Before, b.State = b.State, t.To
		w.decide("review", "a case is open", "")
	case EventApproved:
		if b.State = t.To; b.Before == t.Or {
			b.State = t.Or
		}
		b.Before = ""
		w.decide("approved", "no case is open any more", "")
	case EventTakenBack:
		return w.takenBack(ctx, t, q)
	case EventDenied:
		const why = "a check or a review denied both sides"
		if err := w.end(ctx, t, why); err != nil {
			return err
		}
		w.cancel(why, Qualified, Registered)
		if err := w.clawBack(ctx, why, Qualified, Registered); err != nil {
			return err
		}
		w.leavePlace() // what registration gave is not kept either
		return nil
	}
	return nil
}

// takenBack ends the referral whose payment did not stay.
func (w *work) takenBack(ctx context.Context, t Transition, q *qualified) error {
	b := &w.referral.Value
	if t.To == StateReversed {
		if err := w.end(ctx, t, "the payment was taken back after the rewards were confirmed"); err != nil {
			return err
		}
		w.cancel("the payment was taken back", Qualified)
		return w.clawBack(ctx, "the friend's payment was taken back", Qualified)
	}
	if q.order != "" {
		b.Order, b.Paid = q.order, micros(q.at)
	}
	if err := w.end(ctx, t, "the payment did not stay within the hold"); err != nil {
		return err
	}
	w.cancel("the payment was taken back in the hold", Qualified)
	return nil
}

// qualify holds the payment and promises the rewards of qualification.
func (w *work) qualify(ctx context.Context, t Transition, q *qualified) error {
	b := &w.referral.Value
	w.hold(q)
	w.decide("qualified", q.why("was paid"), "")
	b.State = t.To
	if err := w.count(ctx, 1, 0); err != nil {
		return err
	}
	return w.promise(ctx, Qualified, q.gross, instant(b.HoldUntil))
}

// why says what qualified, for staff.
func (q *qualified) why(happened string) string {
	if q.order == "" {
		return "the friend registered"
	}
	return fmt.Sprintf("order %q %s at %s, %s", q.order, happened, since(q.at), q.amount)
}

// hold sets what qualifies, and until when it must stay.
func (w *work) hold(q *qualified) {
	b := &w.referral.Value
	b.Order, b.Paid, b.Gross = q.order, micros(q.at), micros(q.gross)
	b.HoldUntil = micros(q.at.Add(w.terms.Hold))
	if w.terms.DueWithin > 0 {
		b.DueBy = micros(q.at.Add(w.terms.DueWithin))
	}
}

func (w *work) rehold(q *qualified) {
	w.hold(q)
	w.decide("qualified", q.why("was paid before,"), "")
	for id, r := range w.rewards {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			r.Value.NotBefore, r.Value.DueBy = w.referral.Value.HoldUntil, w.referral.Value.DueBy
			w.changed[id] = true
		}
	}
}

// confirm grants the rewards of qualification, and the milestones that are reached
// with this friend.
func (w *work) confirm(ctx context.Context, t Transition) error {
	b := &w.referral.Value
	b.State, b.Confirmed = t.To, micros(w.now)
	w.decide("confirmed", "the hold is over and the payment stayed", "")
	for _, r := range w.sortedRewards() {
		if r.Value.Step == Qualified && r.Value.State == RewardPending {
			if err := w.grant(ctx, r); err != nil {
				return err
			}
		}
	}
	if err := w.count(ctx, 0, 1); err != nil {
		return err
	}
	return w.reachMilestones(ctx)
}

// end ends the referral and gives its places back.
func (w *work) end(ctx context.Context, t Transition, why string) error {
	b := &w.referral.Value
	counting, confirmed := b.counts()
	b.State, b.Ended = t.To, micros(w.now)
	w.decide(string(t.To), why, "")
	w.leavePlace()
	if err := w.count(ctx, -counting, -confirmed); err != nil || confirmed == 0 {
		return err
	}
	return w.loseMilestones(ctx)
}

func (w *work) sortedRewards() []*storage.Record[rewardBody] {
	var all []*storage.Record[rewardBody]
	for _, id := range slices.Sorted(maps.Keys(w.rewards)) {
		all = append(all, w.rewards[id])
	}
	return all
}

// batch is everything that changes, in one.
func (w *work) batch(ctx context.Context) (storage.Batch, error) {
	if err := w.take(ctx); err != nil {
		return storage.Batch{}, err
	}
	if err := w.reviewDebts(); err != nil {
		return storage.Batch{}, err
	}
	if err := w.bookGrants(ctx); err != nil {
		return storage.Batch{}, err
	}
	put, err := putReferral(w.referral, w.terms, w.head.ending(), w.now)
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
	if err := w.putTallies(&own); err != nil {
		return own, err
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

// maxDecisionsTold bounds what one entry tells: it has at most 50 details.
const maxDecisionsTold = 49

// entry books the decisions, one entry for each change of the referral.
func (w *work) entry(news []decisionBody) (storage.Batch, error) {
	if len(news) == 0 {
		return storage.Batch{}, nil
	}
	b := &w.referral.Value
	details := make(map[string]string, len(news))
	for i, d := range news[:min(len(news), maxDecisionsTold)] {
		details[fmt.Sprintf("%02d %s", i+1, d.What)] = d.Why
	}
	if more := len(news) - maxDecisionsTold; more > 0 {
		details["more"] = fmt.Sprintf("%d decisions more: see the referral", more)
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

package referral

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Tracked is one friend as the referrer may see them: how far they are and what it
// brings, and nothing of who they are or what they bought.
type Tracked struct {
	Joined time.Time
	State  State
	Waits  string        // what is waited for, as a sentence; empty: nothing
	Until  time.Time     // until when at the latest; zero: not promised
	Steps  []TrackedStep // the referrer's own rewards, those ahead too
	// Reward is the referrer's own, of the latest step, with a Why that the
	// referrer may read; nil: none was promised yet.
	Reward *Reward
}

// TrackedStep is one thing that a friend brings the referrer: by and by promised, pending,
// granted.
type TrackedStep struct {
	Step  Step
	State RewardState
	Gives Earning // of a promised one: what the terms give now, without boosts
}

// TrackingQuery asks for a page of a referrer's friends.
type TrackingQuery struct {
	After string // the Next of the page before
	Limit int    // default 100, at most 1,000
}

// TrackingPage is a page of a referrer's friends, the newest first; Next is empty on
// the last, and can be shown to the referrer: it names nobody.
type TrackingPage struct {
	Friends []Tracked
	Next    string
}

// Friends gives a referrer's friends, the newest first, without anything that says
// who they are. It fails with a [*Faults].
func (s *Service) Friends(ctx context.Context, program, referrer string, q TrackingQuery) (TrackingPage, error) {
	faults := s.checkAsked(program, "referrer", referrer)
	at, shown, err := position(q.After)
	if err != nil {
		faults.add("after", "is %.80q, which no page has as its Next", q.After)
	}
	if q.Limit < 0 || q.Limit > storage.MaxPage {
		faults.add("limit", "is %d, want 0 (for %d) to %d", q.Limit, storage.PageSize, storage.MaxPage)
	}
	if err := faults.orNil(); err != nil {
		return TrackingPage{}, err
	}
	limit := cmp.Or(q.Limit, storage.PageSize)
	bodies, err := s.friends(ctx, program, referrer, at, shown, limit+1)
	if err != nil {
		return TrackingPage{}, err
	}
	var page TrackingPage
	if len(bodies) > limit {
		bodies = bodies[:limit]
		page.Next = next(bodies, at, shown)
	}
	for chunk := range slices.Chunk(bodies, storage.MaxGet/2) { // two rewards each
		tracked, err := s.track(ctx, chunk)
		if err != nil {
			return TrackingPage{}, err
		}
		page.Friends = append(page.Friends, tracked...)
	}
	return page, nil
}

// A page's Next is the instant its last friend was bound at, and how many friends of
// that instant were shown. A cursor of the store's would name the friend.

func next(bodies []referralBody, at int64, shown int) string {
	last := bodies[len(bodies)-1].Bound
	if last != at {
		shown = 0
	}
	for _, b := range bodies {
		if b.Bound == last {
			shown++
		}
	}
	return fmt.Sprintf("%d.%d", last, shown)
}

func position(after string) (at int64, shown int, err error) {
	if after == "" {
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(after, ".")
	at, err = strconv.ParseInt(left, 10, 64)
	if err == nil {
		shown, err = strconv.Atoi(right)
	}
	if err == nil && (at < 1 || at == math.MaxInt64 || shown < 1 || shown > math.MaxInt32) {
		err = strconv.ErrRange
	}
	return at, shown, err
}

// friends reads referrals, the newest first, from an instant back, without those of
// that instant which were shown; 0: from the newest.
func (s *Service) friends(ctx context.Context, program, referrer string, at int64, shown, limit int) ([]referralBody, error) {
	query := storage.Query{Kind: kindReferral, List: referrerList(program, referrer), Newest: true}
	if at > 0 {
		query.Until = at + 1
	}
	var bodies []referralBody
	for {
		query.Limit = min(limit-len(bodies)+shown, storage.MaxPage)
		page, err := s.store.List(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, doc := range page.Docs {
			r, err := referrals.Decode(doc)
			if err != nil {
				return nil, err
			}
			if r.Value.Bound == at && shown > 0 {
				shown--
				continue
			}
			bodies = append(bodies, r.Value)
		}
		if query.After = page.Next; query.After == "" || len(bodies) >= limit {
			return bodies[:min(len(bodies), limit)], nil
		}
	}
}

// track reads what the referrals have brought their referrer.
func (s *Service) track(ctx context.Context, bodies []referralBody) ([]Tracked, error) {
	var keys []storage.Key
	for i := range bodies {
		b := &bodies[i]
		for _, step := range []Step{Qualified, Registered} {
			keys = append(keys, rewardKey(rewardID(b.Program, b.Friend, Referrer, step)))
		}
	}
	docs, err := s.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	all := make([]Tracked, len(bodies))
	for i := range bodies {
		var latest *rewardBody
		made := make(map[Step]*rewardBody)
		for _, key := range keys[2*i : 2*i+2] {
			r, err := record(rewards, docs, key)
			if err != nil {
				return nil, err
			}
			if r.Version > 0 {
				made[r.Value.Step], latest = &r.Value, cmp.Or(latest, &r.Value)
			}
		}
		terms, err := s.program(ctx, programVersion{bodies[i].Program, bodies[i].Version})
		if err != nil {
			return nil, err
		}
		all[i] = bodies[i].tracked(terms, latest)
		all[i].Steps = bodies[i].steps(terms, made)
	}
	return all, nil
}

func (b *referralBody) tracked(terms *Program, reward *rewardBody) Tracked {
	t := Tracked{Joined: instant(b.Bound), State: b.State}
	switch b.State {
	case StateBound:
		t.Waits = terms.Qualify.waits()
	case StateHeld:
		t.Waits, t.Until = "the end of the return period", instant(b.DueBy)
	case StateReview:
		t.Waits = "a check by our staff"
	}
	if reward == nil {
		return t
	}
	own := reward.reward("") // the id names the friend
	own.Friend = ""
	if reward.State == RewardPending && own.Why != "" {
		own.Why = "it can't be given at the moment, and is tried again"
		if own.OutOfStock {
			own.Why = "there are none left at the moment: it is given when there are more"
		}
	}
	t.Reward = &own
	return t
}

// steps are the referrer's own, as they stand or are promised.
func (b *referralBody) steps(terms *Program, made map[Step]*rewardBody) []TrackedStep {
	var all []TrackedStep
	for _, step := range []Step{Registered, Qualified} {
		if r := made[step]; r != nil {
			all = append(all, TrackedStep{step, r.State, r.Gives.earning()})
			continue
		}
		earned, _, earns := terms.earning(Referrer, step, max(1, b.Number), time.Time{})
		if earns && !b.State.final() && b.State != StateConfirmed {
			all = append(all, TrackedStep{step, RewardPromised, earned})
		}
	}
	return all
}

// TimelineEntry is one fact, or one decision.
type TimelineEntry struct {
	At       time.Time
	Fact     *Fact     // nil: it is a decision
	Decision *Decision // nil: it is a fact
}

// Timeline is a referral for staff as it went: every fact at its instant, every decision
// when it was made and why; facts first where both have one instant. It fails as
// [Service.Referral] does.
func (s *Service) Timeline(ctx context.Context, program, friend string) ([]TimelineEntry, error) {
	r, err := s.Referral(ctx, program, friend)
	if err != nil {
		return nil, err
	}
	var all []TimelineEntry
	for i := range r.Facts {
		all = append(all, TimelineEntry{At: r.Facts[i].At, Fact: &r.Facts[i]})
	}
	for i := range r.Decisions {
		all = append(all, TimelineEntry{At: r.Decisions[i].At, Decision: &r.Decisions[i]})
	}
	slices.SortStableFunc(all, func(a, b TimelineEntry) int { return a.At.Compare(b.At) })
	return all, nil
}

// waits is what a friend has still to do, for the referrer.
func (q *Qualification) waits() string {
	switch {
	case q.On == OnFact:
		return "what the program asks of your friend"
	case q.Cumulative:
		return "your friend's payments"
	case q.Nth > 1:
		return fmt.Sprintf("your friend's payment number %d", q.Nth)
	}
	return "your friend's first payment"
}

// checkAsked checks what is asked about.
func (s *Service) checkAsked(program, path, customer string) *Faults {
	faults := &Faults{Kind: ErrRequest}
	if !programID.MatchString(program) {
		faults.add("program", "is %.80q, want %s", program, programID)
	}
	s.customer(faults, path, customer)
	return faults
}

// Referral gives a referral for staff, with every fact and decision. Of a customer whom
// nobody brought it is that of an account that was merged into theirs. It fails with a
// [*Faults] and with [ErrNoReferral].
func (s *Service) Referral(ctx context.Context, program, friend string) (Referral, error) {
	if err := s.checkAsked(program, "friend", friend).orNil(); err != nil {
		return Referral{}, err
	}
	r, err := s.readReferral(ctx, program, friend)
	if err == nil && r.Version == 0 {
		err = fmt.Errorf("%w: program %q, friend %q", ErrNoReferral, program, friend)
	}
	return r.Value.referral(), err
}

// Rewards gives all rewards of a referral that [Service.Referral] gives, for staff,
// ordered by id; none where there is no referral. It fails with a [*Faults].
func (s *Service) Rewards(ctx context.Context, program, friend string) ([]Reward, error) {
	if err := s.checkAsked(program, "friend", friend).orNil(); err != nil {
		return nil, err
	}
	r, err := s.readReferral(ctx, program, friend)
	if err != nil || r.Version == 0 {
		return nil, err
	}
	return s.readRewards(ctx, program, r.Value.Friend)
}

// CapStatus is how much of one cap a referrer has used.
type CapStatus struct {
	Cap
	Used int64 // friends rewarded, or about to be
}

// Caps gives how much of each of the program's caps a referrer has used at an
// instant. It fails with a [*Faults] and with [ErrNoProgram].
func (s *Service) Caps(ctx context.Context, program, referrer string, now time.Time) ([]CapStatus, error) {
	faults := s.checkAsked(program, "referrer", referrer)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	terms, err := s.Program(ctx, program, 0)
	if err != nil {
		return nil, err
	}
	claims, err := terms.claims(referrer, now)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(claims))
	for i, c := range claims {
		names[i] = c.Counter
	}
	_, used, err := s.store.Get(ctx, nil, names...)
	if err != nil {
		return nil, err
	}
	status := make([]CapStatus, len(claims))
	for i, c := range claims {
		status[i] = CapStatus{terms.Caps[i], used[c.Counter]}
	}
	return status, nil
}

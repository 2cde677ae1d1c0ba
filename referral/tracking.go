package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Tracked is one friend as the referrer may see them: how far they are and what it
// brings, and nothing of who they are or what they bought.
type Tracked struct {
	Joined time.Time
	State  State
	Waits  string    // what is waited for, as a sentence; empty: nothing
	Until  time.Time // until when at the latest; zero: not promised
	Reward *Reward   // the referrer's own; nil: none was promised yet
}

// TrackingQuery asks for a page of a referrer's friends.
type TrackingQuery struct {
	After storage.Cursor // the Next of the page before
	Limit int            // default 100, at most 1,000
}

// TrackingPage is a page of a referrer's friends, the newest first; Next is empty on
// the last.
type TrackingPage struct {
	Friends []Tracked
	Next    storage.Cursor
}

// Friends gives a referrer's friends, the newest first, without anything that says
// who they are.
func (s *Service) Friends(ctx context.Context, program, referrer string, q TrackingQuery) (TrackingPage, error) {
	page, err := s.store.List(ctx, storage.Query{
		Kind: kindReferral, List: referrerList(program, referrer), Newest: true, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return TrackingPage{}, err
	}
	var bodies []referralBody
	var keys []storage.Key
	for _, doc := range page.Docs {
		r, err := referrals.Decode(doc)
		if err != nil {
			return TrackingPage{}, err
		}
		bodies = append(bodies, r.Value)
		keys = append(keys, rewardKey(rewardID(program, r.Value.Friend, Referrer, Qualified)))
	}
	docs, err := s.get(ctx, keys...)
	if err != nil {
		return TrackingPage{}, err
	}
	tracked := TrackingPage{Next: page.Next}
	for i := range bodies {
		t := bodies[i].tracked()
		reward, err := record(rewards, docs, keys[i])
		if err != nil {
			return TrackingPage{}, err
		}
		if reward.Version > 0 {
			own := reward.Value.reward("") // the id names the friend
			t.Reward = &own
		}
		tracked.Friends = append(tracked.Friends, t)
	}
	return tracked, nil
}

func (b *referralBody) tracked() Tracked {
	t := Tracked{Joined: instant(b.Bound), State: b.State}
	switch b.State {
	case StateBound:
		t.Waits = "your friend's first payment"
	case StateHeld:
		t.Waits, t.Until = "the end of the return period", instant(b.DueBy)
	}
	return t
}

// Referral gives a referral for staff, with every fact and decision. It fails with
// [ErrNoReferral].
func (s *Service) Referral(ctx context.Context, program, friend string) (Referral, error) {
	key := referralKey(program, friend)
	docs, err := s.get(ctx, key)
	if err != nil {
		return Referral{}, err
	}
	r, err := record(referrals, docs, key)
	if err == nil && r.Version == 0 {
		err = fmt.Errorf("%w: program %q, friend %q", ErrNoReferral, program, friend)
	}
	return r.Value.referral(), err
}

// Rewards gives all rewards of a referral, for staff.
func (s *Service) Rewards(ctx context.Context, program, friend string) ([]Reward, error) {
	all, err := s.readRewards(ctx, program, friend)
	var answer []Reward
	for _, r := range all {
		answer = append(answer, r.Value.reward(r.Key.ID))
	}
	return answer, err
}

// CapStatus is how much of one cap a referrer has used.
type CapStatus struct {
	Cap
	Used int64 // friends rewarded, or about to be
}

// Caps gives how much of each of the program's caps a referrer has used at an
// instant. It fails with [ErrNoProgram].
func (s *Service) Caps(ctx context.Context, program, referrer string, now time.Time) ([]CapStatus, error) {
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

package referral

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// RewardPage is a page of rewards; Next is empty on the last.
type RewardPage struct {
	Rewards []Reward
	Next    storage.Cursor
}

// RewardQuery asks for a page of rewards.
type RewardQuery struct {
	After storage.Cursor // the Next of the page before, of the same program
	Limit int            // default 100, at most 1,000
}

// Overdue gives the rewards of a program that were promised by an instant and are not
// granted, withheld or canceled yet: those promised first come first. It fails with a
// [*Faults].
func (s *Service) Overdue(ctx context.Context, program string, now time.Time, q RewardQuery) (RewardPage, error) {
	faults := &Faults{Kind: ErrRequest}
	if !programID.MatchString(program) {
		faults.add("program", "is %.80q, want %s", program, programID)
	}
	checkNow(faults, now)
	if q.Limit < 0 || q.Limit > storage.MaxPage {
		faults.add("limit", "is %d, want 0 (for %d) to %d", q.Limit, storage.PageSize, storage.MaxPage)
	}
	if err := faults.orNil(); err != nil {
		return RewardPage{}, err
	}
	return s.listRewards(ctx, storage.Query{
		Kind: kindReward, List: dueList(program), Until: micros(now), After: q.After, Limit: cmp.Or(q.Limit, storage.PageSize),
	})
}

func (s *Service) listRewards(ctx context.Context, query storage.Query) (RewardPage, error) {
	page, err := s.listPage(ctx, query)
	if err != nil {
		return RewardPage{}, err
	}
	found := RewardPage{Next: page.Next}
	for _, doc := range page.Docs {
		r, err := rewards.Decode(doc)
		if err != nil {
			return RewardPage{}, err
		}
		found.Rewards = append(found.Rewards, r.Value.reward(r.Key.ID))
	}
	return found, nil
}

// listPage gives a page of a list of staff's. Its cursor says of which list it is, since a
// place in another list is one where nobody stopped.
func (s *Service) listPage(ctx context.Context, query storage.Query) (storage.Page, error) {
	sum := sha256.Sum256([]byte(query.Kind + "\x00" + query.List))
	mark := hex.EncodeToString(sum[:4]) + "."
	if asked := query.After; asked != "" {
		place, own := strings.CutPrefix(string(asked), mark)
		query.After = storage.Cursor(place)
		if _, _, err := query.After.Position(); !own || err != nil {
			return storage.Page{}, &Faults{ErrRequest, []Fault{{"after", fmt.Sprintf("is %.80q, which no page of this list has as its Next", asked)}}}
		}
	}
	page, err := s.store.List(ctx, query)
	if page.Next != "" {
		page.Next = storage.Cursor(mark) + page.Next
	}
	return page, queryFault(err)
}

// queryFault says of what a store refuses to list that the query is wrong.
func queryFault(err error) error {
	if errors.Is(err, storage.ErrInvalid) {
		return &Faults{ErrRequest, []Fault{{"query", err.Error()}}}
	}
	return err
}

// NextDeadline is when [Service.Settle] has something to do next: a hold ends, a time to
// qualify or a case is over, a reward is tried again. It may lie in the past. The zero
// time: never, as things are.
func (s *Service) NextDeadline(ctx context.Context) (time.Time, error) {
	var next time.Time
	for _, kind := range []string{kindReferral, kindReward} {
		page, err := s.store.List(ctx, storage.Query{Kind: kind, DueBefore: math.MaxInt64, Limit: 1})
		if err != nil {
			return time.Time{}, err
		}
		for _, doc := range page.Docs {
			if due := instant(doc.Due); next.IsZero() || due.Before(next) {
				next = due
			}
		}
	}
	return next, nil
}

package referral_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// fromStock gives both sides a code of a stock when the friend has paid and an hour is
// over, at most 8 times and for 1,000.00 in all.
func fromStock(t require.TestingT) referral.Program {
	const reward = `, "step": "qualified", "coupons": [{"offer": "thanks", "from_stock": true}], "worth": {"EUR": "5.00"}}`
	p, err := referral.ParseProgram([]byte(`{"id": "invite", "name": "invite", "hold": "1h", "window": "720h", "budget": {"amount": "1000.00", "currency": "EUR"}, "caps": [{"friends": 8}],
		"rewards": [{"side": "referrer"` + reward + `, {"side": "referee"` + reward + `]}`))
	require.NoError(t, err)
	return p
}

func (s *shop) stock(load string, n int) {
	s.t.Helper()
	codes := make([]string, n)
	for i := range codes {
		codes[i] = fmt.Sprintf("%s-%03d", load, i)
	}
	_, err := s.coupons.LoadStock(ctx, coupon.StockRequest{ID: load, Offer: "thanks", Codes: codes, Actor: "ann", Reason: "printed"}, noon)
	require.NoError(s.t, err)
}

func (s *shop) left() int {
	s.t.Helper()
	left, err := s.coupons.StockLeft(ctx, "thanks")
	require.NoError(s.t, err)
	return int(left)
}

// One code is left for the two rewards of one batch: one is granted, the other waits for
// the next load with its place kept.
func TestRewardsWaitForCodes(t *testing.T) {
	for run := range 10 { // which one has the code is left to chance
		s := newShop(t, fromStock(t))
		s.stock("FIRST", 1)
		s.bind("jane", "mia", noon)
		s.pay("mia", noon)
		require.Equal(t, 1, s.settle(noon.Add(time.Hour)).Done)
		states := map[referral.RewardState]referral.Reward{}
		for _, side := range []referral.Side{referral.Referrer, referral.Referee} {
			r := s.reward("mia", side, referral.Qualified)
			states[r.State] = r
		}
		require.Len(t, states, 2)
		waits := states[referral.RewardPending]
		require.True(t, waits.OutOfStock)
		require.Contains(t, waits.Why, "its stock of codes has 0 left, needed 1")
		require.False(t, states[referral.RewardGranted].OutOfStock)
		require.EqualValues(t, 1, s.used("jane", noon))
		require.NotEmpty(t, waits.Claims, "its part of the budget is kept")

		told := s.referral("mia").Decisions
		for i := range 3 {
			s.settle(noon.Add(time.Duration(i+2) * time.Hour))
		}
		require.Equal(t, told, s.referral("mia").Decisions, "it is told once")
		s.stock("SECOND", 2)
		s.settle(noon.Add(day))
		require.Equal(t, []int{1, 1, 1}, []int{s.wallet("jane"), s.wallet("mia"), s.left()}, "run %d", run)
		require.EqualValues(t, 1, s.used("jane", noon))
	}
}

// The referrer is told that there are none left, and nothing of the offer; so it is with
// what a hook has none of.
func TestTrackingTellsOfAnEmptyStock(t *testing.T) {
	hook := newCounter()
	hook.stock = 0
	gift := fromStock(t)
	gift.Rewards[0].Earning = referral.Earning{Custom: &referral.Custom{Kind: "gift"}, Worth: coupon.Amounts{eur("5.00")}}
	for name, p := range map[string]referral.Program{"codes": fromStock(t), "a hook": gift} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, memory.New(), referral.Options{Hooks: map[string]referral.Hook{"gift": hook}}, p)
			s.bind("jane", "mia", noon)
			s.pay("mia", noon)
			s.settle(noon.Add(time.Hour))
			s.settle(noon.Add(2 * time.Hour))
			page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
			require.NoError(t, err)
			shown := page.Friends[0].Reward
			require.Equal(t, []any{referral.RewardPending, true, "there are none left at the moment: it is given when there are more"}, []any{shown.State, shown.OutOfStock, shown.Why})
			require.True(t, s.brings("mia").OutOfStock)
			require.NoError(t, s.Pause(ctx, "invite", "staff", "too many", noon.Add(2*time.Hour)))
			s.settle(noon.Add(3 * time.Hour))
			require.Equal(t, []any{false, "the program is paused"}, []any{s.brings("mia").OutOfStock, s.brings("mia").Why})
			s.returned(cancelled("mia", "mia's order"), noon.Add(2*time.Hour))
			require.Equal(t, []any{referral.RewardCanceled, false}, []any{s.brings("mia").State, s.brings("mia").OutOfStock})
			require.Zero(t, s.used("jane", noon))
			requireAudit(t, s.store)
		})
	}
}

// Workers settle what waits for far too few codes, and then for enough: each code has one
// holder, and everybody gets one.
func TestWorkersShareAStock(t *testing.T) {
	p := fromStock(t)
	p.Caps[0].Friends = 1000
	s := newShop(t, p)
	friends := s.friends(30)
	for _, friend := range friends {
		s.pay(friend, noon)
	}
	settle := func(at time.Time) {
		errs := make(chan error, 4)
		for range cap(errs) {
			go func() {
				_, err := s.Settle(ctx, at, 0)
				errs <- err
			}()
		}
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
	}
	s.stock("FIRST", 25)
	settle(noon.Add(2 * time.Hour))
	settle(noon.Add(4 * time.Hour))
	require.Equal(t, []int{0, 25}, []int{s.left(), s.granted(friends)})
	s.stock("SECOND", 40)
	settle(noon.Add(day))
	settle(noon.Add(2 * day))
	require.Equal(t, []int{5, 60}, []int{s.left(), s.granted(friends)})
	require.EqualValues(t, 30, s.used("jane", noon))
}

// granted is how many rewards of these friends have a coupon, each of its own.
func (s *shop) granted(friends []string) int {
	s.t.Helper()
	codes := make(map[coupon.Code]bool)
	n := 0
	for _, friend := range friends {
		for _, side := range []referral.Side{referral.Referrer, referral.Referee} {
			r := s.reward(friend, side, referral.Qualified)
			for _, id := range r.Coupons {
				c, err := s.coupons.Coupon(ctx, id)
				require.NoError(s.t, err)
				codes[c.Code] = true
				n++
			}
		}
	}
	require.Len(s.t, codes, n)
	return n
}

// Whatever friends do and whenever codes come: as many coupons are given as codes were
// taken, what waits waits for a reason, and the places held are those of referrals that
// stand.
func TestAnyCourseWithAStock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := openShop(t, store, referral.Options{}, fromStock(t))
		s.t = t
		now, loads, loaded := noon, 0, 0
		paid, back := map[string]bool{}, map[string]bool{}
		var friends []string
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				s.t = t
				require.Equal(t, loaded-s.left(), s.granted(paidOf(friends, paid)), "no code is lost")
				require.EqualValues(t, min(8, len(paid)-len(back)), s.used("jane", noon))
			},
			"load": func(t *rapid.T) {
				n := rapid.IntRange(1, 4).Draw(t, "codes")
				loads, loaded = loads+1, loaded+n
				s.stock(fmt.Sprint("L", loads), n)
			},
			"pay": func(t *rapid.T) {
				if len(friends) < 8 {
					friend := fmt.Sprint("friend", len(friends))
					friends = append(friends, friend)
					s.bind("jane", friend, now)
					s.pay(friend, now)
					paid[friend] = true
				}
			},
			"return": func(t *rapid.T) {
				for _, friend := range friends {
					if paid[friend] && !back[friend] && rapid.Bool().Draw(t, friend) {
						s.returned(cancelled(friend, friend+"'s order"), now)
						back[friend] = true
						return
					}
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(2 * time.Hour)
				s.settle(now)
				for _, friend := range paidOf(friends, paid) {
					for _, side := range []referral.Side{referral.Referrer, referral.Referee} {
						r := s.reward(friend, side, referral.Qualified)
						require.Equal(t, r.State == referral.RewardPending && strings.Contains(r.Why, "stock"), r.OutOfStock)
					}
				}
			},
		})
		requireAudit(t, store)
	})
}

func paidOf(friends []string, paid map[string]bool) []string {
	var all []string
	for _, friend := range friends {
		if paid[friend] {
			all = append(all, friend)
		}
	}
	return all
}

package referral_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Whatever state a friend is in, nothing that their referrer is shown says who they
// are, what they bought, or how the shop names them.
func TestTrackingShowsNothingPrivate(t *testing.T) {
	s := newShop(t, changed(bothSides(3), func(p *referral.Program) { p.Qualify.Within = 90 * time.Minute }))
	names := []string{"secret-bound", "secret-held", "secret-confirmed", "secret-waiting", "secret-voided", "secret-reversed", "secret-expired"}
	for i, friend := range names {
		s.touch("secret-cookie", s.link("jane"), noon)
		o := s.register(referral.Registration{Customer: friend, Visitor: "secret-cookie"}, noon.Add(time.Duration(i)*time.Minute))
		require.True(t, o.Bound)
	}
	order := func(friend string) string { return "secret-order-" + friend }
	for _, friend := range []string{"secret-confirmed", "secret-reversed", "secret-voided"} {
		s.paid(paid(friend, order(friend), "12.34"), noon.Add(10*time.Minute))
	}
	s.returned(back("secret-voided", order("secret-voided"), "secret-return", "12.34"), noon.Add(20*time.Minute))
	s.settle(noon.Add(70 * time.Minute))
	s.returned(cancelled("secret-reversed", order("secret-reversed")), noon.Add(80*time.Minute))
	require.NoError(t, s.coupons.Pause(ctx, "thanks", "staff", "asked for", noon))
	s.paid(paid("secret-waiting", order("secret-waiting"), "12.34"), noon.Add(10*time.Minute))
	s.settle(noon.Add(71 * time.Minute))
	s.settle(noon.Add(91 * time.Minute)) // only secret-bound's time is over, which was the first to register
	s.paid(paid("secret-held", order("secret-held"), "12.34"), noon.Add(89*time.Minute))

	states := make(map[referral.State]bool)
	after := ""
	for {
		page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: after, Limit: 2})
		require.NoError(t, err)
		for _, f := range page.Friends {
			states[f.State] = true
			shown := fmt.Sprintf("%+v %+v", f, f.Reward)
			for _, private := range []string{"secret", "12.34", "invite/", "paused"} {
				require.NotContains(t, shown, private)
			}
			require.NotContains(t, f.Reward.Why, "thanks")
			require.Equal(t, "jane", f.Reward.Customer)
		}
		require.NotContains(t, page.Next, "secret")
		if after = page.Next; after == "" {
			break
		}
	}
	require.Len(t, states, 6-1, "every state but bound was shown: %v", states)
}

// Pages go on where the one before ended, newest first, each friend once, even where
// many registered at one instant and more come in between.
func TestTrackingPages(t *testing.T) {
	for name, at := range map[string]func(i int) time.Time{
		"each at their own instant": func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) },
		"all at one instant":        func(int) time.Time { return noon },
		"in threes":                 func(i int) time.Time { return noon.Add(time.Duration(i/3) * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, held(1000))
			for i := range 23 {
				s.bind("jane", fmt.Sprint("friend ", i), at(i))
				s.pay(fmt.Sprint("friend ", i), at(i).Add(time.Duration(i+1)*time.Minute)) // tells them apart
			}
			for _, limit := range []int{1, 2, 5, 22, 23, 24, 1000} {
				var seen []string
				after := ""
				for more := true; more; more = after != "" {
					page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: after, Limit: limit})
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Friends), limit)
					for i, f := range page.Friends {
						seen = append(seen, f.Until.String())
						if i > 0 {
							require.False(t, page.Friends[i-1].Joined.Before(f.Joined))
						}
					}
					if after == "" {
						s.bind("jane", fmt.Sprint("new, by ", limit), noon.Add(time.Hour))
						s.pay(fmt.Sprint("new, by ", limit), noon.Add(2*time.Hour+time.Duration(limit)*time.Second))
					}
					after = page.Next
				}
				distinct := make(map[string]bool)
				for _, until := range seen {
					require.False(t, distinct[until], "shown twice")
					distinct[until] = true
				}
				require.GreaterOrEqual(t, len(distinct), 23)
			}
		})
	}
}

func TestTrackingCursors(t *testing.T) {
	s := newShop(t, program(8))
	s.bind("jane", "mia", noon)
	for _, after := range []string{"x", "1", ".", "1.", ".1", "-1.1", "0.1", "1.0", "1.-1", "9223372036854775807.1", "1.99999999999", "1.1.1", " 1.1"} {
		_, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: after})
		require.ErrorIs(t, err, referral.ErrRequest, after)
	}
	page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: "1.1"})
	require.NoError(t, err)
	require.Empty(t, page.Friends)
	page, err = s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: "9000000000000000.2000000000"})
	require.NoError(t, err)
	require.Len(t, page.Friends, 1)
}

// What the referrer reads of a reward is a sentence for them.
func TestTrackingOfRegistrationRewards(t *testing.T) {
	s := newShop(t, bothSides(1))
	s.bind("jane", "mia", noon)
	s.bind("jane", "ida", noon.Add(time.Minute))
	page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
	require.NoError(t, err)
	assert.Equal(t, referral.RewardWithheld, page.Friends[0].Reward.State)
	assert.Equal(t, "the cap of 1 friends is reached: 1 are rewarded or about to be", page.Friends[0].Reward.Why)
	assert.Equal(t, []any{referral.Registered, referral.RewardGranted, ""}, []any{page.Friends[1].Reward.Step, page.Friends[1].Reward.State, page.Friends[1].Reward.ID})
	s.pay("mia", noon.Add(time.Minute))
	page, err = s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})
	require.NoError(t, err)
	assert.Equal(t, referral.Qualified, page.Friends[1].Reward.Step)
}

func TestViewsName(t *testing.T) {
	var names []string
	for _, v := range referral.Views() {
		require.NoError(t, v.Validate())
		names = append(names, v.Name)
	}
	require.Equal(t, []string{"referrals", "rewards", "cases"}, names)
}

// Codes of links say nothing of the customer.
func TestCodesSayNothing(t *testing.T) {
	s := newShop(t, program(8))
	one, other := s.link("jane"), s.link("jane2")
	require.Len(t, string(one.Code), 14)
	require.NotEqual(t, one.Code[:5], other.Code[:5])
	_, err := coupon.ParseCode(strings.ToLower(one.Code.String()))
	require.NoError(t, err)
}

// A page goes on where one of the same list stopped, and not where one of another did.
func TestCursorsAreOfTheirList(t *testing.T) {
	s := suspicious(t, memory.New(), "", 3)
	first, err := s.Cases(ctx, referral.CaseQuery{Program: "invite", Limit: 1})
	require.NoError(t, err)
	rest, err := s.Cases(ctx, referral.CaseQuery{Program: "invite", State: referral.CaseOpen, After: first.Next})
	require.NoError(t, err)
	require.Len(t, rest.Cases, 2)
	_, place, _ := strings.Cut(string(first.Next), ".")
	for name, err := range map[string]error{
		"of a program":     second(s.Cases(ctx, referral.CaseQuery{After: first.Next})),
		"of open cases":    second(s.Cases(ctx, referral.CaseQuery{Program: "invite", State: referral.CaseLapsed, After: first.Next})),
		"of cases":         second(s.Overdue(ctx, "invite", noon, referral.RewardQuery{After: first.Next})),
		"of no list":       second(s.Cases(ctx, referral.CaseQuery{Program: "invite", After: storage.Cursor(place)})),
		"of no place":      second(s.Cases(ctx, referral.CaseQuery{Program: "invite", After: first.Next[:9]})),
		"of no real place": second(s.Cases(ctx, referral.CaseQuery{Program: "invite", After: first.Next[:9] + "x"})),
	} {
		var faults *referral.Faults
		require.ErrorAs(t, err, &faults, name)
		require.Equal(t, "after", faults.Faults[0].Path, name)
	}
}

// What a list of staff's can't be asked for is a fault of the request.
func TestListsRefuseWhatTheyCannotAnswer(t *testing.T) {
	s := newShop(t, program(8))
	require.ErrorIs(t, second(s.Overdue(ctx, "invite", noon, referral.RewardQuery{After: "x"})), referral.ErrRequest)
	for _, q := range []referral.CaseQuery{{After: "x"}, {Limit: -1}, {State: "closed"}, {Program: strings.Repeat("x", 300)}} {
		require.ErrorIs(t, second(s.Cases(ctx, q)), referral.ErrRequest)
	}
	require.ErrorIs(t, second(s.CaseStats(ctx, strings.Repeat("x", 300), noon, noon)), referral.ErrRequest)
}

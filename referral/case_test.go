package referral_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// suspicious is a shop in which every friend is reviewed, and jane has brought some.
func suspicious(t checker, store storage.Store, otherwise referral.Verdict, friends int) *shop {
	p := bothSides(100)
	p.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: day, Action: referral.ActionReview}}
	p.Review = referral.Review{Within: 3 * day, Otherwise: otherwise}
	s := openShop(t, store, referral.Options{}, p)
	for _, friend := range s.friends(friends) {
		s.pay(friend, noon.Add(time.Minute))
	}
	return s
}

func (s *shop) queue() []referral.Case {
	s.t.Helper()
	page, err := s.Cases(ctx, referral.CaseQuery{})
	require.NoError(s.t, err)
	return page.Cases
}

func ExampleService_DecideCase() {
	t := newTown(program(8))
	p := held(8)
	p.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: time.Hour, Action: referral.ActionReview}}
	p.Review = referral.Review{Within: 3 * day, Otherwise: referral.Approve}
	print1(t.Publish(ctx, p, "staff", noon))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order", "12.00"), noon.Add(2*time.Minute)))

	queue := print1(t.Cases(ctx, referral.CaseQuery{Program: "invite"}))
	c := print1(t.ClaimCase(ctx, queue.Cases[0].ID, "kim", 0, noon.Add(day)))
	fmt.Println(c.ID, c.Reasons)
	_, err := t.DecideCase(ctx, c.ID, referral.Judgement{Verdict: referral.Approve, Actor: "lee", Reason: "looked at it"}, noon.Add(day))
	fmt.Println(err)
	print1(t.NoteCase(ctx, c.ID, "lee", "a known customer", noon.Add(day)))
	c = print1(t.DecideCase(ctx, c.ID, referral.Judgement{Verdict: referral.Deny, Side: referral.Referrer, Actor: "kim", Reason: "third time"}, noon.Add(day)))
	fmt.Println(c.State, c.Verdict, c.Side, c.Notes[0].Text)
	print1(t.Settle(ctx, noon.Add(2*day), 0))
	t.rewards("mia")
	// Output:
	// invite/mia/fast_payment [fast_payment: after 60 seconds, want at least 1h0m0s]
	// referral: somebody else looks at the case: by kim, until 2026-11-21T12:15:00Z
	// decided deny referrer a known customer
	// mia, for mia when registered: granted
	// jane, for mia when qualified: withheld a check or a review denied this side
}

// Nothing is granted while a case is open; its deadline decides as the program says.
func TestDeadlineDecides(t *testing.T) {
	for otherwise, want := range map[referral.Verdict]referral.State{"": referral.StateConfirmed, referral.Approve: referral.StateConfirmed, referral.Deny: referral.StateRejected} {
		s := suspicious(t, memory.New(), otherwise, 1)
		end := noon.Add(time.Minute + 3*day)
		s.settle(end.Add(-1))
		require.Equal(t, referral.StateReview, s.referral("friend 0").State)
		require.Equal(t, 1, s.wallet("jane"), "what registration gave before there was a case")
		require.ErrorIs(t, second(s.DecideCase(ctx, s.queue()[0].ID, referral.Judgement{Verdict: referral.Approve, Actor: "kim", Reason: "looked at it"}, end)), referral.ErrCaseClosed)
		s.settle(end)
		s.settle(end.Add(time.Hour)) // what waited is tried again
		require.Equal(t, want, s.referral("friend 0").State)
		require.Equal(t, map[bool]int{true: 2, false: 0}[want == referral.StateConfirmed], s.wallet("jane"))
		require.Empty(t, s.queue())
		page, err := s.Cases(ctx, referral.CaseQuery{State: referral.CaseLapsed})
		require.NoError(t, err)
		require.Len(t, page.Cases, 1)
		require.Empty(t, page.Cases[0].Actor)
		requireAudit(t, s.store)
	}
}

func TestCaseFaults(t *testing.T) {
	s := suspicious(t, memory.New(), "", 1)
	id := s.queue()[0].ID
	approve := referral.Judgement{Verdict: referral.Approve, Actor: "kim", Reason: "looked at it"}
	for name, try := range map[string]struct{ err, want error }{
		"no case":          {second(s.Case(ctx, "x")), referral.ErrNoCase},
		"no id":            {second(s.ClaimCase(ctx, "", "kim", 0, noon)), referral.ErrNoCase},
		"nobody claims":    {second(s.ClaimCase(ctx, id, "", 0, noon)), referral.ErrRequest},
		"for ever":         {second(s.ClaimCase(ctx, id, "kim", 25*time.Hour, noon)), referral.ErrRequest},
		"an empty note":    {second(s.NoteCase(ctx, id, "kim", "", noon)), referral.ErrRequest},
		"no verdict":       {second(s.DecideCase(ctx, id, referral.Judgement{Actor: "kim", Reason: "looked at it"}, noon)), referral.ErrRequest},
		"approve a side":   {second(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Approve, Side: referral.Referee, Actor: "kim", Reason: "looked at it"}, noon)), referral.ErrRequest},
		"nobody":           {second(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Deny}, noon)), referral.ErrRequest},
		"a page too long":  {second(s.Cases(ctx, referral.CaseQuery{Limit: 1001})), referral.ErrRequest},
		"approve":          {second(s.DecideCase(ctx, id, approve, noon.Add(time.Hour))), nil},
		"approve again":    {second(s.DecideCase(ctx, id, approve, noon.Add(2*time.Hour))), nil},
		"deny what is not": {second(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Deny, Actor: "kim", Reason: "looked at it"}, noon)), referral.ErrCaseClosed},
	} {
		if try.want == nil {
			require.EqualError(t, try.err, "no error", name)
			continue
		}
		require.ErrorIs(t, try.err, try.want, name)
	}
}

// As long a claim, a note and as many notes as there may be; a claim ends with its lease.
func TestCasesAtTheirLimits(t *testing.T) {
	s := suspicious(t, memory.New(), "", 1)
	id := s.queue()[0].ID
	require.ErrorIs(t, second(s.ClaimCase(ctx, id, "kim", -1, noon)), referral.ErrRequest)
	require.NoError(t, second0(s.ClaimCase(ctx, id, "kim", day, noon)))
	for at, claimed := range map[time.Time]int{noon.Add(day - time.Microsecond): 1, noon.Add(day): 0} {
		stats, err := s.CaseStats(ctx, "invite", noon, at)
		require.NoError(t, err)
		require.Equal(t, claimed, stats.Claimed)
	}
	require.NoError(t, second0(s.ClaimCase(ctx, id, "lee", time.Hour, noon.Add(day))))
	for n := range 101 {
		_, err := s.NoteCase(ctx, id, "kim", fmt.Sprintf("%0500d", n), noon)
		require.Equal(t, n < 100, err == nil, "note %d: %v", n+1, err)
	}
	require.ErrorIs(t, second(s.NoteCase(ctx, id, "kim", strings.Repeat("x", 501), noon)), referral.ErrRequest)
	require.ErrorIs(t, second(s.Case(ctx, strings.Repeat("x", storage.MaxID))), referral.ErrNoCase)
	require.ErrorIs(t, second(s.Case(ctx, strings.Repeat("x", storage.MaxID+1))), referral.ErrNoCase)
}

// Of closed cases the last to be closed comes first, of open ones the next to lapse.
func TestCasesInOrder(t *testing.T) {
	s := suspicious(t, memory.New(), "", 3)
	s.bind("jane", "late", noon)
	s.pay("late", noon.Add(time.Hour))
	open := s.queue()
	require.Len(t, open, 4)
	require.Equal(t, "late", open[3].Friend)
	for i, c := range open {
		require.NoError(t, second0(s.DecideCase(ctx, c.ID, referral.Judgement{Verdict: referral.Approve, Actor: "kim", Reason: "looked at it"}, noon.Add(time.Duration(i+2)*time.Hour))))
	}
	for _, program := range []string{"", "invite"} {
		closed, err := s.Cases(ctx, referral.CaseQuery{Program: program, State: referral.CaseDecided})
		require.NoError(t, err)
		require.Len(t, closed.Cases, 4)
		require.Equal(t, open[3].ID, closed.Cases[0].ID)
	}
	other, err := s.Cases(ctx, referral.CaseQuery{Program: "other", State: referral.CaseDecided})
	require.NoError(t, err)
	require.Empty(t, other.Cases)
}

// Every case is in one page, the next to lapse first, and the figures count them.
func TestCasesPage(t *testing.T) {
	s := suspicious(t, memory.New(), "", 7)
	var all []referral.Case
	for q := (referral.CaseQuery{Program: "invite", Limit: 3}); ; {
		page, err := s.Cases(ctx, q)
		require.NoError(t, err)
		all = append(all, page.Cases...)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	require.Len(t, all, 7)
	require.Equal(t, s.queue(), all)
	for i, c := range all[:4] {
		j := referral.Judgement{Verdict: []referral.Verdict{referral.Approve, referral.Deny}[i%2], Actor: "kim", Reason: "looked at it"}
		require.NoError(t, second0(s.DecideCase(ctx, c.ID, j, noon.Add(time.Duration(i+1)*time.Hour))))
	}
	require.NoError(t, second0(s.ClaimCase(ctx, all[5].ID, "kim", 0, noon.Add(5*time.Hour))))
	stats, err := s.CaseStats(ctx, "invite", noon, noon.Add(5*time.Hour))
	require.NoError(t, err)
	require.Equal(t, referral.CaseStats{Open: 3, Claimed: 1, Decided: 4, Approved: 2, Median: 3*time.Hour - time.Minute}, stats)
	stats, err = s.CaseStats(ctx, "", noon.Add(4*time.Hour), noon.Add(day))
	require.NoError(t, err)
	require.Equal(t, referral.CaseStats{Open: 3, Decided: 1, Median: 4*time.Hour - time.Minute}, stats)
}

// Whatever staff do in whatever order: a case is decided once, by somebody it was not
// taken from, and what the sides hold follows from it.
func TestCasesAreDecidedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := suspicious(t, store, rapid.SampledFrom([]referral.Verdict{referral.Approve, referral.Deny}).Draw(t, "otherwise"), 1)
		id, now := s.queue()[0].ID, noon.Add(time.Minute)
		var decided *referral.Case
		holder, until := "", now
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
			actor := rapid.SampledFrom([]string{"kim", "lee"}).Draw(t, "actor")
			var err error
			var c referral.Case
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				c, err = s.ClaimCase(ctx, id, actor, 0, now)
				if err == nil {
					holder, until = actor, now.Add(15*time.Minute)
				}
			case 1:
				_, err = s.NoteCase(ctx, id, actor, "looks fine", now)
				require.NoError(t, err)
			case 2:
				s.settle(now)
			default:
				j := referral.Judgement{Verdict: rapid.SampledFrom([]referral.Verdict{referral.Approve, referral.Deny}).Draw(t, "verdict"), Actor: actor, Reason: "looked at it"}
				c, err = s.DecideCase(ctx, id, j, now)
				if err == nil && decided != nil {
					c.Notes = decided.Notes
					require.Equal(t, *decided, c, "asked again")
				}
				if err == nil && decided == nil {
					require.True(t, holder == "" || holder == actor || !now.Before(until))
					decided = &c
				}
			}
			if err != nil {
				require.True(t, errors.Is(err, referral.ErrCaseClosed) && decided != nil || errors.Is(err, referral.ErrCaseClaimed) && holder != actor, err)
			}
			if decided == nil && now.Before(noon.Add(3*day)) {
				require.LessOrEqual(t, s.wallet("jane"), 1, "nothing is granted with an open case")
			}
		}
		s.settle(noon.Add(9 * day))
		s.settle(noon.Add(10 * day))
		c, err := s.Case(ctx, id)
		require.NoError(t, err)
		require.NotEqual(t, referral.CaseOpen, c.State)
		require.Equal(t, map[referral.Verdict]int{referral.Approve: 2, referral.Deny: 0}[c.Verdict], s.wallet("jane"))
		requireAudit(t, store)
	})
}

// claimRace has many members of staff claim the same cases at once.
func claimRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := suspicious(t, store, "", 10)
	queue := s.queue()
	var calls []func() error
	claimed := make([]string, 8*len(queue))
	for i := range claimed {
		calls = append(calls, func() error {
			actor := fmt.Sprint("staff ", i/len(queue))
			c, err := s.ClaimCase(ctx, queue[i%len(queue)].ID, actor, 0, noon.Add(time.Minute))
			switch {
			case errors.Is(err, referral.ErrCaseClaimed):
				return nil
			case err == nil:
				claimed[i] = c.ID
			}
			return err
		})
	}
	err = allAtOnce(8, calls...)
	done = len(strings.Fields(strings.Join(claimed, " ")))
	return done / 2, len(queue), err // an id has one blank in it
}

// decideRace has some approve and some deny the same cases at once.
func decideRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := suspicious(t, store, "", 10)
	var calls []func() error
	decided := make(chan bool, 100)
	for _, c := range s.queue() {
		for i := range 6 {
			j := referral.Judgement{Verdict: []referral.Verdict{referral.Approve, referral.Deny}[i%2], Actor: fmt.Sprint("staff ", i), Reason: "looked at it"}
			calls = append(calls, func() error {
				_, err := s.DecideCase(ctx, c.ID, j, noon.Add(time.Hour))
				switch {
				case errors.Is(err, referral.ErrCaseClosed):
					return nil
				case err == nil:
					decided <- true
				}
				return err
			})
		}
	}
	err = allAtOnce(8, calls...)
	return len(decided), 10, err
}

// A case whose deadline is over is settled once: what is confirmed is not due for ever.
func TestLapsedCasesAreSettledOnce(t *testing.T) {
	for _, otherwise := range []referral.Verdict{referral.Approve, referral.Deny} {
		s := suspicious(t, memory.New(), otherwise, 1)
		for range 2 {
			s.settle(noon.Add(4 * day))
		}
		require.Zero(t, s.settle(noon.Add(5*day)).Done)
		due, err := s.NextDeadline(ctx)
		require.NoError(t, err)
		require.Zero(t, due)
		stats, err := s.CaseStats(ctx, "invite", noon, noon.Add(5*day))
		require.NoError(t, err)
		require.Equal(t, referral.CaseStats{Lapsed: 1}, stats)
		requireAudit(t, s.store)
	}
}

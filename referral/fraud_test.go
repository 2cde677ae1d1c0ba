package referral_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// checked is the usual program with checks; a case may be open for a day.
func checked(checks ...referral.Check) referral.Program {
	p := bothSides(8)
	p.Checks = checks
	p.Review = referral.Review{Within: day}
	return p
}

func review(kind referral.CheckKind) referral.Check {
	return referral.Check{Kind: kind, Action: referral.ActionReview}
}

// asked is a fraud hook that answers as it is told.
type asked func(context.Context, referral.Suspect) (int64, error)

func (a asked) Ask(ctx context.Context, s referral.Suspect) (int64, error) { return a(ctx, s) }

// guarded is a shop that knows people, in which jane has her link.
func guarded(t testing.TB, options referral.Options, p referral.Program) (*shop, referral.Subject) {
	options.PersonKeys = []referral.SigningKey{signingKey("a", 1)}
	s := openShop(t, memory.New(), options, p)
	t.Cleanup(func() { requireAudit(t, s.store) })
	return s, s.subject(janeDoe())
}

// flagged are the checks that fired in a friend's referral, as "id: action".
func (s *shop) flagged(friend string) []string {
	s.t.Helper()
	var all []string
	for _, f := range s.referral(friend).Facts {
		if f.Kind == referral.FactFlagged {
			require.NotEmpty(s.t, f.Reason, "figures are on record")
			all = append(all, fmt.Sprintf("%s: %s %d>%d", strings.TrimPrefix(f.ID, "check/"), f.Action, f.Found, f.Limit))
		}
	}
	return all
}

func Example_fraud() {
	t := newTown(program(8))
	p := program(8)
	p.Checks = []referral.Check{
		{Kind: referral.CheckVelocity, Within: time.Hour, Most: 1, Action: referral.ActionScore, Score: 40},
		{Kind: referral.CheckFastRegistration, Within: 2 * time.Minute, Action: referral.ActionScore, Score: 30},
	}
	p.Thresholds = []referral.Threshold{{AtLeast: 60, Action: referral.ActionReview}}
	p.Review = referral.Review{Within: 3 * day, Otherwise: referral.Deny}
	print1(t.Publish(ctx, p, "staff", noon))
	for i, friend := range []string{"mia", "ida", "noa"} {
		t.friend(friend, noon.Add(time.Duration(i)*time.Minute))
	}
	open := print1(t.Cases(ctx, referral.CaseQuery{})).Cases
	fmt.Println(len(open), open[0].Friend, open[0].Reasons, open[0].Otherwise)
	fmt.Println(print1(t.Referral(ctx, "invite", "noa")).State)
	t.rewards("noa")
	// Output:
	// 1 noa [the checks score 70 together, and 60 is the threshold] deny
	// review
	// noa, for noa when registered: pending a case is open
}

// Each check fires on its figure and on nothing less, and says both.
func TestChecks(t *testing.T) {
	mia := referral.Person{Account: "mia", Email: "mia@example.com", Phone: "+33999999999", Instruments: []string{"card 2"}, Devices: []string{"phone 2"}}
	with := func(change func(*referral.Person)) referral.Person {
		p := mia
		change(&p)
		return p
	}
	for name, play := range map[string]struct {
		check  referral.Check
		person referral.Person
		before func(s *shop, jane referral.Subject)
		after  func(s *shop, mia referral.Subject)
		want   []string
	}{
		"nothing":  {check: review(referral.CheckSameEmail), person: mia},
		"e-mail":   {check: review(referral.CheckSameEmail), person: with(func(p *referral.Person) { p.Email = "janedoe+2@GMail.com" }), want: []string{"same_email: review 1>0"}},
		"phone":    {check: review(referral.CheckSamePhone), person: with(func(p *referral.Person) { p.Phone = "0033123456789" }), want: []string{"same_phone: review 1>0"}},
		"card":     {check: review(referral.CheckSameInstrument), person: with(func(p *referral.Person) { p.Instruments = []string{"x", "card 1"} }), want: []string{"same_instrument: review 1>0"}},
		"device":   {check: review(referral.CheckSameDevice), person: with(func(p *referral.Person) { p.Devices = []string{"phone 1"} }), want: []string{"same_device: review 1>0"}},
		"one fine": {check: referral.Check{Kind: referral.CheckSameDevice, Most: 1, Action: referral.ActionReview}, person: with(func(p *referral.Person) { p.Devices = []string{"phone 1"} })},
		"card, learnt at the payment": {check: review(referral.CheckSameInstrument), person: mia, after: func(s *shop, mia referral.Subject) {
			s.subject(referral.Person{Account: "mia", Instruments: []string{"card 1"}})
			s.pay(mia.ID, noon)
			s.pay(mia.ID, noon)
		}, want: []string{"same_instrument: review 1>0"}},
		"another account": {check: review(referral.CheckKnownPerson), person: mia, before: func(s *shop, _ referral.Subject) {
			s.subject(referral.Person{Account: "mia's first", Email: "Mia@example.com", Devices: []string{"phone 2"}})
		}, want: []string{"known_person: review 1>0"}},
		"tainted": {check: referral.Check{Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject}, person: mia, before: func(s *shop, _ referral.Subject) {
			require.NoError(s.t, s.Taint(ctx, "stolen", referral.Person{Instruments: []string{"card 2"}}, noon.Add(day), "staff", "reported", noon))
			require.NoError(s.t, s.Taint(ctx, "other", referral.Person{Phone: "+33999999999"}, noon.Add(day), "staff", "asked for", noon))
		}, want: []string{"tainted/stolen: reject 1>0"}},
		"a tainted referrer": {check: referral.Check{Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject}, person: mia, before: func(s *shop, _ referral.Subject) {
			require.NoError(s.t, s.Taint(ctx, "stolen", referral.Person{Devices: []string{"phone 1"}}, noon.Add(day), "staff", "reported", noon))
		}, want: []string{"tainted/stolen: reject 1>0"}},
		"tainted in another list": {check: referral.Check{Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject}, person: mia, before: func(s *shop, _ referral.Subject) {
			require.NoError(s.t, s.Taint(ctx, "other", referral.Person{Instruments: []string{"card 2"}}, noon.Add(day), "staff", "reported", noon))
		}},
		"tainted until now": {check: referral.Check{Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject}, person: mia, before: func(s *shop, _ referral.Subject) {
			require.NoError(s.t, s.Taint(ctx, "stolen", referral.Person{Instruments: []string{"card 2"}}, noon, "staff", "asked for", noon.Add(-day)))
		}},
		"untainted": {check: referral.Check{Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject}, person: mia, before: func(s *shop, _ referral.Subject) {
			for _, until := range []time.Time{noon.Add(day), noon.Add(-day)} {
				require.NoError(s.t, s.Taint(ctx, "stolen", referral.Person{Instruments: []string{"card 2"}}, until, "staff", "asked for", noon))
			}
		}},
		"seller": {check: review(referral.CheckRelatedSeller), person: mia, before: func(s *shop, _ referral.Subject) {
			s.subject(referral.Person{Account: "account 1", Sellers: []string{"acme"}})
		}, after: func(s *shop, mia referral.Subject) {
			p := paid(mia.ID, "order", "12.00")
			p.Parts = []referral.Part{{Seller: "acme", Amount: eur("2.00")}, {Seller: "other", Amount: eur("10.00")}}
			s.paid(p, noon)
		}, want: []string{"related_seller: review 1>0"}},
		"velocity": {check: referral.Check{Kind: referral.CheckVelocity, Within: time.Hour, Most: 1, Action: referral.ActionAllow}, person: mia, before: func(s *shop, jane referral.Subject) {
			for i := range 3 {
				s.bind(jane.ID, s.subject(referral.Person{Account: fmt.Sprint(i)}).ID, noon.Add(-time.Duration(i)*40*time.Minute))
			}
		}, want: []string{"velocity: allow 2>1"}},
		"fast to register": {check: referral.Check{Kind: referral.CheckFastRegistration, Within: time.Minute, Action: referral.ActionReview}, person: mia, before: func(s *shop, jane referral.Subject) {
			s.touch("cookie", s.link(jane.ID), noon.Add(-59*time.Second))
		}, want: []string{"fast_registration: review 59>60"}},
		"not fast to register": {check: referral.Check{Kind: referral.CheckFastRegistration, Within: time.Minute, Action: referral.ActionReview}, person: mia, before: func(s *shop, jane referral.Subject) {
			s.touch("cookie", s.link(jane.ID), noon.Add(-time.Minute))
		}},
		"fast to pay": {check: referral.Check{Kind: referral.CheckFastPayment, Within: time.Minute, Action: referral.ActionReview}, person: mia, after: func(s *shop, mia referral.Subject) {
			s.pay(mia.ID, noon.Add(10*time.Second))
		}, want: []string{"fast_payment: review 10>60"}},
		"strangers": {check: referral.Check{Kind: referral.CheckStrangers, Within: day, Most: 5, Action: referral.ActionReview}, person: mia, before: func(s *shop, jane referral.Subject) {
			for i := range 9 {
				s.touch(fmt.Sprint("stranger ", i), s.link(jane.ID), noon.Add(-time.Hour))
			}
		}, want: []string{"strangers: review 6>5"}},
		"guessing": {check: referral.Check{Kind: referral.CheckGuessing, Most: 2, Action: referral.ActionReview}, person: mia, before: func(s *shop, _ referral.Subject) {
			for i := range 4 {
				_, err := s.Touch(ctx, referral.TouchRequest{ID: fmt.Sprint(i), Visitor: "cookie", Code: fmt.Sprint("GUESS", i)}, noon.Add(-time.Duration(i)*8*time.Hour))
				require.ErrorIs(s.t, err, referral.ErrNoLink)
			}
		}, want: []string{"guessing: review 4>2"}},
		"network": {check: referral.Check{Kind: referral.CheckSameNetwork, Action: referral.ActionAllow}, person: mia, before: func(s *shop, jane referral.Subject) {
			other := s.subject(referral.Person{Account: "other"})
			s.register(referral.Registration{Customer: other.ID, Code: string(s.link(jane.ID).Code), Address: netip.MustParseAddr("2001:db8::9")}, noon)
		}, want: []string{"same_network: allow 1>0"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, jane := guarded(t, referral.Options{}, checked(play.check))
			if play.before != nil {
				play.before(s, jane)
			}
			friend := s.subject(play.person)
			r := referral.Registration{Customer: friend.ID, Visitor: "cookie", Code: string(s.link(jane.ID).Code), Address: netip.MustParseAddr("2001:db8::1")}
			if play.check.Kind == referral.CheckFastRegistration {
				r.Code = ""
			}
			require.True(t, s.register(r, noon).Bound)
			if play.after != nil {
				play.after(s, friend)
			}
			require.Equal(t, play.want, s.flagged(friend.ID))
		})
	}
}

// What was guessed on a day is known until the end of the next, and may be forgotten then.
func TestGuessesAreKeptForADay(t *testing.T) {
	midnight := noon.Add(12 * time.Hour)
	for _, forgotten := range []bool{false, true} {
		store := memory.New()
		s := openShop(t, store, referral.Options{}, checked(review(referral.CheckGuessing)))
		_, err := s.Touch(ctx, referral.TouchRequest{ID: "guess", Visitor: "cookie", Code: "GUESS1"}, midnight.Add(-time.Hour))
		require.ErrorIs(t, err, referral.ErrNoLink)
		now := midnight.Add(day - time.Microsecond)
		pruned := now
		if forgotten {
			pruned = midnight.Add(day)
		}
		require.NoError(t, second0(store.Prune(ctx, pruned)))
		s.register(referral.Registration{Customer: "mia", Visitor: "cookie", Code: string(s.link("jane").Code)}, now)
		require.Equal(t, forgotten, s.flagged("mia") == nil)
	}
}

// What each action does to what the two sides earn.
func TestActions(t *testing.T) {
	for name, play := range map[string]struct {
		action referral.Action
		side   referral.Side
		state  referral.State
		wallet []int // jane's, mia's
	}{
		"allow":                 {referral.ActionAllow, "", referral.StateConfirmed, []int{2, 2}},
		"withhold the referrer": {referral.ActionWithhold, referral.Referrer, referral.StateConfirmed, []int{0, 2}},
		"withhold the friend":   {referral.ActionWithhold, referral.Referee, referral.StateConfirmed, []int{2, 0}},
		"reject":                {referral.ActionReject, "", referral.StateRejected, []int{0, 0}},
		"review":                {referral.ActionReview, "", referral.StateReview, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s, jane := guarded(t, referral.Options{}, checked(referral.Check{Kind: referral.CheckSameDevice, Action: play.action, Side: play.side}))
			mia := s.subject(referral.Person{Account: "mia", Devices: []string{"phone 1"}})
			s.bind(jane.ID, mia.ID, noon)
			s.pay(mia.ID, noon)
			s.settle(noon.Add(time.Hour))
			require.Equal(t, play.state, s.referral(mia.ID).State)
			require.Equal(t, play.wallet, []int{s.wallet(jane.ID), s.wallet(mia.ID)})
		})
	}
}

// A hook's answer counts; one that fails, hangs or is missing does what the program
// says.
func TestFraudHooks(t *testing.T) {
	for name, play := range map[string]struct {
		hook referral.FraudHook
		want []string
	}{
		"fine":    {asked(func(context.Context, referral.Suspect) (int64, error) { return 70, nil }), nil},
		"fires":   {asked(func(context.Context, referral.Suspect) (int64, error) { return 71, nil }), []string{"hook/risk: withhold 71>70"}},
		"fails":   {asked(func(context.Context, referral.Suspect) (int64, error) { return 99, errors.New("down") }), []string{"hook/risk: review 0>70"}},
		"hangs":   {asked(func(ctx context.Context, _ referral.Suspect) (int64, error) { <-ctx.Done(); return 0, nil }), []string{"hook/risk: review 0>70"}},
		"missing": {nil, []string{"hook/risk: review 0>70"}},
	} {
		t.Run(name, func(t *testing.T) {
			hooks := map[string]referral.FraudHook{}
			if play.hook != nil {
				hooks["risk"] = play.hook
			}
			s, jane := guarded(t, referral.Options{FraudHooks: hooks, FraudHookWait: time.Millisecond}, checked(referral.Check{
				Kind: referral.CheckHook, Name: "risk", Most: 70, Action: referral.ActionWithhold, Side: referral.Referrer, Unanswered: referral.ActionReview,
			}))
			mia := s.subject(referral.Person{Account: "mia"})
			s.bind(jane.ID, mia.ID, noon)
			require.Equal(t, play.want, s.flagged(mia.ID))
		})
	}
}

// Scores add up over registration and payment, and each threshold is reached once.
func TestScores(t *testing.T) {
	p := checked(
		referral.Check{Kind: referral.CheckSameDevice, Action: referral.ActionScore, Score: 30},
		referral.Check{Kind: referral.CheckSameEmail, Action: referral.ActionScore, Score: 30},
		referral.Check{Kind: referral.CheckFastPayment, Within: time.Hour, Action: referral.ActionScore, Score: 50})
	p.Thresholds = []referral.Threshold{{60, referral.ActionWithhold, referral.Referrer}, {40, referral.ActionReview, ""}, {110, referral.ActionReject, ""}}
	s, jane := guarded(t, referral.Options{}, p)
	mia := s.subject(referral.Person{Account: "mia", Email: "janedoe@gmail.com", Devices: []string{"phone 1"}})
	s.bind(jane.ID, mia.ID, noon)
	require.Equal(t, []string{"same_device: score 1>0", "same_email: score 1>0", "score/60: withhold 60>60"}, s.flagged(mia.ID))
	s.pay(mia.ID, noon.Add(time.Minute))
	require.Contains(t, s.flagged(mia.ID), "score/110: reject 110>110")
	require.Equal(t, referral.StateRejected, s.referral(mia.ID).State)
	require.Zero(t, s.wallet(mia.ID)+s.wallet(jane.ID))
}

// What was decided stays decided: figures that change later change nothing.
func TestChecksAreDecidedOnce(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, checked(referral.Check{Kind: referral.CheckVelocity, Within: time.Hour, Most: 2, Action: referral.ActionReject}))
	first := s.subject(referral.Person{Account: "first"})
	s.bind(jane.ID, first.ID, noon)
	for i := range 4 {
		other := s.subject(referral.Person{Account: fmt.Sprint(i)})
		s.register(referral.Registration{Customer: other.ID, Code: string(s.link(jane.ID).Code)}, noon)
	}
	s.pay(first.ID, noon)
	s.settle(noon.Add(time.Hour))
	require.Empty(t, s.flagged(first.ID))
	require.Equal(t, referral.StateConfirmed, s.referral(first.ID).State)
}

func TestCheckFaults(t *testing.T) {
	for name, play := range map[string]struct {
		change func(*referral.Program)
		want   string
	}{
		"unknown":            {func(p *referral.Program) { p.Checks[0].Kind = "own_coupon" }, "checks[0].kind"},
		"no action":          {func(p *referral.Program) { p.Checks[0].Action = "" }, "checks[0].action"},
		"a side that is not": {func(p *referral.Program) { p.Checks[0].Side = referral.Referrer }, "checks[0].side"},
		"withhold nobody":    {func(p *referral.Program) { p.Checks[0].Action = referral.ActionWithhold }, "checks[0].side"},
		"score nothing":      {func(p *referral.Program) { p.Checks[0].Action = referral.ActionScore }, "checks[0].score"},
		"score for nothing":  {func(p *referral.Program) { p.Checks[0].Score = 3 }, "checks[0].score"},
		"a name":             {func(p *referral.Program) { p.Checks[0].Name = "x" }, "checks[0].name"},
		"no name":            {func(p *referral.Program) { p.Checks[0] = review(referral.CheckTainted) }, "checks[0].name"},
		"no time":            {func(p *referral.Program) { p.Checks[0] = review(referral.CheckVelocity) }, "checks[0].within"},
		"a time":             {func(p *referral.Program) { p.Checks[0].Within = time.Hour }, "checks[0].within"},
		"most of a time": {func(p *referral.Program) {
			p.Checks[0] = referral.Check{Kind: referral.CheckFastPayment, Within: 1000, Most: 1, Action: referral.ActionReview}
		}, "checks[0].most"},
		"negative":               {func(p *referral.Program) { p.Checks[0].Most = -1 }, "checks[0].most"},
		"beyond what is counted": {func(p *referral.Program) { p.Checks[0].Most = 1000 }, "checks[0].most"},
		"twice":                  {func(p *referral.Program) { p.Checks = append(p.Checks, p.Checks[0]) }, "checks[1]"},
		"an address rejects": {func(p *referral.Program) {
			p.Checks[0] = referral.Check{Kind: referral.CheckSameNetwork, Action: referral.ActionReject}
		}, "checks[0].action"},
		"an address is reviewed": {func(p *referral.Program) { p.Checks[0] = review(referral.CheckSameNetwork) }, "checks[0].action"},
		"an address scores too much": {func(p *referral.Program) {
			p.Checks[0] = referral.Check{Kind: referral.CheckSameNetwork, Action: referral.ActionScore, Score: 50}
			p.Thresholds = []referral.Threshold{{50, referral.ActionReject, ""}}
		}, "thresholds[0].at_least"},
		"a hook that can't fail": {func(p *referral.Program) {
			p.Checks[0] = referral.Check{Kind: referral.CheckHook, Name: "x", Action: referral.ActionReject}
		}, "checks[0].unanswered"},
		"a check that can't fail": {func(p *referral.Program) { p.Checks[0].Unanswered = referral.ActionAllow }, "checks[0].unanswered"},
		"never reached":           {func(p *referral.Program) { p.Thresholds = []referral.Threshold{{1, referral.ActionReject, ""}} }, "thresholds[0].at_least"},
		"a threshold that allows": {func(p *referral.Program) { p.Thresholds = []referral.Threshold{{1, referral.ActionAllow, ""}} }, "thresholds[0].action"},
		"a case without an end":   {func(p *referral.Program) { p.Review = referral.Review{} }, "review.within"},
		"too many":                {func(p *referral.Program) { p.Checks = make([]referral.Check, 51) }, "checks"},
	} {
		p := checked(review(referral.CheckSameDevice))
		play.change(&p)
		err := p.Validate()
		require.ErrorIs(t, err, referral.ErrProgram, name)
		require.ErrorContains(t, err, play.want+": ", name)
	}
	p := checked(referral.Check{Kind: referral.CheckSameDevice, Most: 1000, Action: referral.ActionReview})
	require.ErrorContains(t, p.Validate(), "checks[0].most: is 1000, want 0 to 999")
	p = checked(review(referral.CheckSameDevice))
	require.NoError(t, p.Validate())
	require.ErrorContains(t, second(newShop(t).Publish(ctx, p, "staff", noon)), "PersonKeys")
}

// Whatever a program's checks say and whatever they find: a network address by itself
// withholds nothing from anybody.
func TestAddressAloneDoesNothing(t *testing.T) {
	actions := []referral.Action{referral.ActionAllow, referral.ActionScore, referral.ActionReview, referral.ActionWithhold, referral.ActionReject}
	published := 0
	rapid.Check(t, func(t *rapid.T) {
		p := checked(
			referral.Check{Kind: referral.CheckSameNetwork, Action: rapid.SampledFrom(actions).Draw(t, "action"), Score: rapid.SampledFrom([]int64{0, 20, 60}).Draw(t, "score")},
			referral.Check{Kind: referral.CheckSameDevice, Action: referral.ActionScore, Score: 40})
		if at := rapid.SampledFrom([]int64{0, 20, 40, 60, 100}).Draw(t, "threshold"); at > 0 {
			p.Thresholds = []referral.Threshold{{AtLeast: at, Action: referral.ActionReject}}
		}
		if p.Validate() != nil {
			return
		}
		published++
		store := memory.New()
		s := openShop(t, store, keyed(signingKey("a", 1)), p)
		jane := s.subject(referral.Person{Account: "jane"})
		for i := range 3 {
			friend := s.subject(referral.Person{Account: fmt.Sprint(i)})
			s.register(referral.Registration{Customer: friend.ID, Code: string(s.link(jane.ID).Code), Address: netip.MustParseAddr("192.0.2.1")}, noon)
			require.Equal(t, referral.StateBound, s.referral(friend.ID).State)
			require.Equal(t, 1, s.wallet(friend.ID))
		}
	})
	require.NotZero(t, published)
}

// What somebody is known by is found for checks after keys were rotated and everything was
// moved under the newest.
func TestChecksAfterKeysWereRotated(t *testing.T) {
	p := held(8)
	p.Checks = []referral.Check{review(referral.CheckSameDevice)}
	p.Review.Within = day
	s, jane := guarded(t, referral.Options{}, p)
	mia := s.subject(referral.Person{Account: "mia", Devices: []string{"phone 1"}})
	code := s.link(jane.ID).Code.String()
	rotated := on(s.store, keyed(signingKey("b", 2), signingKey("a", 1)))
	_, err := rotated.SweepPeople(ctx, noon, 0)
	require.NoError(t, err)
	_, err = rotated.Register(ctx, referral.Registration{Customer: mia.ID, Code: code}, noon)
	require.NoError(t, err)
	require.Equal(t, []string{"same_device: review 1>0"}, s.flagged(mia.ID))
}

// A friend for whom the referrer is denied does not count for milestones and tiers, in
// whatever order the friends come.
func TestDeniedFriendsDoNotCount(t *testing.T) {
	p := checked(referral.Check{Kind: referral.CheckSameDevice, Action: referral.ActionWithhold, Side: referral.Referrer})
	p.Rewards = []referral.Rule{{
		Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("1.00")}},
		Tiers: []referral.Tier{{From: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("5.00")}}}},
	}}
	p.Milestones = []referral.Milestone{{Friends: 2, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("75.00")}}}}
	for _, order := range [][]bool{{true, false, false}, {false, true, false}, {false, false, true}} { // denied?
		s, jane := guarded(t, referral.Options{}, p)
		for i, denied := range order {
			person := referral.Person{Account: fmt.Sprint("friend ", i)}
			if denied {
				person.Devices = []string{"phone 1"}
			}
			friend := s.subject(person)
			s.bind(jane.ID, friend.ID, noon)
			s.paid(paid(friend.ID, friend.ID, "20.00"), noon)
			s.settle(noon.Add(time.Hour))
			require.Equal(t, referral.StateConfirmed, s.referral(friend.ID).State)
		}
		require.Equal(t, "81.00", s.credit(jane.ID), "%v", order) // 1.00, 5.00 and 75.00
	}
}

// A friend who is held counts for tiers while a case is open, and no more when it is decided
// against the referrer.
func TestFriendsDeniedAfterAReviewDoNotCount(t *testing.T) {
	p := checked(referral.Check{Kind: referral.CheckFastPayment, Within: time.Minute, Action: referral.ActionReview})
	p.Rewards = []referral.Rule{{
		Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("1.00")}},
		Tiers: []referral.Tier{{From: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("5.00")}}}},
	}}
	for verdict, number := range map[referral.Judgement]int64{
		{Verdict: referral.Approve}:                       2,
		{Verdict: referral.Deny, Side: referral.Referee}:  2,
		{Verdict: referral.Deny, Side: referral.Referrer}: 1,
	} {
		s := newShop(t, p)
		s.bind("jane", "mia", noon)
		s.paid(paid("mia", "slow", "20.00"), noon.Add(5*time.Minute))
		require.Equal(t, referral.StateHeld, s.referral("mia").State)
		p := paid("mia", "fast", "20.00")
		p.At = noon.Add(time.Second)
		_, err := s.OrderPaid(ctx, p, noon.Add(6*time.Minute)) // told later
		require.NoError(t, err)
		require.Equal(t, referral.StateReview, s.referral("mia").State)
		verdict.Actor, verdict.Reason = "kim", "looked at it"
		require.NoError(t, second0(s.DecideCase(ctx, s.queue()[0].ID, verdict, noon.Add(10*time.Minute))))
		s.bind("jane", "ida", noon.Add(10*time.Minute))
		s.paid(paid("ida", "ida's order", "20.00"), noon.Add(20*time.Minute))
		require.Equal(t, number, s.referral("ida").Number, "%s %s", verdict.Verdict, verdict.Side)
	}
}

// A friend for whom the referrer is denied leaves the place in a cap to the next, whatever
// was given by then and whether the other side is denied too or not.
func TestDeniedFriendsLeaveTheirPlace(t *testing.T) {
	gives := referral.Earning{Credit: coupon.Amounts{eur("1.00")}}
	for _, step := range []referral.Step{referral.Registered, referral.Qualified} {
		for side, left := range map[referral.Side]int64{referral.Referrer: 0, "": 0, referral.Referee: 1} {
			for _, confirmed := range []bool{true, false} {
				t.Run(fmt.Sprint(step, side, confirmed), func(t *testing.T) {
					s, jane := guarded(t, referral.Options{}, inCredit(func(p *referral.Program) {
						p.Rewards = []referral.Rule{{Side: referral.Referrer, Step: step, Earning: gives}, {Side: referral.Referee, Step: step, Earning: gives}}
						p.Caps = []referral.Cap{{Friends: 1}}
					}))
					friend, next := s.subject(referral.Person{Account: "mia"}).ID, s.subject(referral.Person{Account: "ida"}).ID
					s.bind(jane.ID, friend, noon)
					s.pay(friend, noon)
					if confirmed {
						s.settle(noon.Add(time.Hour))
					}
					require.EqualValues(t, 1, s.used(jane.ID, noon))
					merged, err := s.Merge(ctx, "mia", "account 1", "staff", "one person", noon.Add(time.Hour))
					require.NoError(t, err)
					_, err = s.DecideCase(ctx, merged.Case, referral.Judgement{Verdict: referral.Deny, Side: side, Actor: "kim", Reason: "looked at it"}, noon.Add(time.Hour))
					require.NoError(t, err)
					require.Equal(t, left, s.used(jane.ID, noon))
					s.bind(jane.ID, next, noon.Add(2*time.Hour))
					s.pay(next, noon.Add(2*time.Hour))
					require.Equal(t, left == 1, s.reward(next, referral.Referrer, step).State == referral.RewardWithheld)
				})
			}
		}
	}
}

// One side is denied after the rewards were granted: its own is taken back, with the
// milestone that is no longer reached, and the other side's stays.
func TestOneSideIsDeniedAfterTheReward(t *testing.T) {
	p := inCredit(func(p *referral.Program) {
		p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}}}})
		p.Milestones = []referral.Milestone{{Friends: 1, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("75.00")}}}}
	})
	for _, play := range []struct {
		side   referral.Side
		state  referral.State
		credit string
		wallet int
	}{
		{referral.Referrer, referral.StateConfirmed, "85.00", 1},
		{referral.Referee, referral.StateConfirmed, "170.00", 0},
		{"", referral.StateReversed, "85.00", 0},
	} {
		s, jane := guarded(t, referral.Options{}, p)
		mia, ida := s.subject(referral.Person{Account: "mia"}), s.subject(referral.Person{Account: "ida"})
		for _, friend := range []referral.Subject{mia, ida} {
			s.bind(jane.ID, friend.ID, noon)
			s.paid(paid(friend.ID, friend.ID, "20.00"), noon)
		}
		s.settle(noon.Add(2 * time.Hour))
		require.Equal(t, "170.00", s.credit(jane.ID))
		merged, err := s.Merge(ctx, "mia", "account 1", "staff", "one person", noon.Add(3*time.Hour))
		require.NoError(t, err)
		_, err = s.DecideCase(ctx, merged.Case, referral.Judgement{Verdict: referral.Deny, Side: play.side, Actor: "kim", Reason: "she knew"}, noon.Add(4*time.Hour))
		require.NoError(t, err)
		require.Equal(t, play.state, s.referral(mia.ID).State)
		require.Equal(t, play.credit, s.credit(jane.ID))
		require.Equal(t, play.wallet, s.wallet(jane.ID)) // who has become one with mia
		s.returned(cancelled(mia.ID, mia.ID), noon.Add(5*time.Hour))
		require.Equal(t, "85.00", s.credit(jane.ID), "and once only")
	}
}

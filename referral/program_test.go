package referral_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// everything is a program with something in every member.
func everything() referral.Program {
	p := bothSides(8)
	p.Schedule = coupon.Interval{From: noon.Add(-day), Until: noon.Add(60 * day)}
	p.Window, p.Attribution = 14*day, referral.FirstTouch
	p.Qualify.Within, p.DueWithin = 30*day, 2*day
	p.Qualify.MinimumSpend = coupon.Amounts{eur("10.00"), ledger.MustMoney("12.00", usd)}
	p.Rewards[0].Coupons = append(p.Rewards[0].Coupons, coupon.IssueOffer{Offer: "more", Version: 1, Count: 2})
	p.Boosts = []referral.Boost{{
		Name: "Singles' Day", Interval: coupon.Interval{From: noon, Until: noon.Add(day)},
		Rule: referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "more"}}}},
	}}
	p.Caps = append(p.Caps, referral.Cap{Friends: 3, Period: ledger.Month}, referral.Cap{Friends: 2, Period: ledger.Week})
	p.Zone = "Europe/Berlin"
	return p
}

func TestProgramFaults(t *testing.T) {
	set := []coupon.IssueOffer{{Offer: "thanks"}}
	for path, c := range map[string]struct {
		change  func(*referral.Program)
		problem string
	}{
		"id":                            {func(p *referral.Program) { p.ID = "Invite/1" }, `is "Invite/1", want`},
		"version":                       {func(p *referral.Program) { p.Version = -1 }, "publishing sets it"},
		"name":                          {func(p *referral.Program) { p.Name = "a\x00b" }, "has U+0000 as character 2"},
		"schedule.from":                 {func(p *referral.Program) { p.Schedule.From = time.Unix(-5, 0) }, "between 1970 and 9999"},
		"schedule.until":                {func(p *referral.Program) { p.Schedule.From, p.Schedule.Until = noon, noon }, "no time is left"},
		"window":                        {func(p *referral.Program) { p.Window = -1 }, "want 0 to 10 years"},
		"qualify.within":                {func(p *referral.Program) { p.Qualify.Within = time.Nanosecond }, "whole microseconds"},
		"due_within":                    {func(p *referral.Program) { p.DueWithin = 11 * 365 * day }, "want 0 to 10 years"},
		"hold":                          {func(p *referral.Program) { p.Hold = p.DueWithin + time.Hour }, "rewards are promised within 24h0m0s"},
		"attribution":                   {func(p *referral.Program) { p.Attribution = 7 }, "not defined"},
		"qualify.minimum_spend[0]":      {func(p *referral.Program) { p.Qualify.MinimumSpend = coupon.Amounts{eur("0.00")} }, "want one amount above 0"},
		"qualify.minimum_spend[1]":      {func(p *referral.Program) { p.Qualify.MinimumSpend = coupon.Amounts{eur("1.00"), eur("2.00")} }, "want one amount above 0"},
		"rewards":                       {func(p *referral.Program) { p.Rewards = nil }, "nobody would earn anything"},
		"rewards[0].side":               {func(p *referral.Program) { p.Rewards[0].Side = "both" }, "want referrer or referee"},
		"rewards[0].step":               {func(p *referral.Program) { p.Rewards[0].Step = "" }, "want registered or qualified"},
		"rewards[1]":                    {func(p *referral.Program) { p.Rewards[1].Coupons = nil }, "gives nothing"},
		"rewards[1].coupons[0].offer":   {func(p *referral.Program) { p.Rewards[1].Coupons = []coupon.IssueOffer{{}} }, "is missing"},
		"rewards[1].coupons[0].code":    {func(p *referral.Program) { p.Rewards[1].Coupons = []coupon.IssueOffer{{Offer: "a", Code: "JANE"}} }, "a code of its own"},
		"rewards[1].coupons[0].version": {func(p *referral.Program) { p.Rewards[1].Coupons = []coupon.IssueOffer{{Offer: "a", Version: -1}} }, "0 for the latest"},
		"rewards[1].coupons[0].count": {func(p *referral.Program) {
			p.Rewards[1].Coupons = []coupon.IssueOffer{{Offer: "a", Count: math.MaxInt}}
		}, "want 0 (for one) to 20"},
		"rewards[0].coupons": {func(p *referral.Program) {
			p.Rewards[0].Coupons = []coupon.IssueOffer{{Offer: "a", Count: 20}, {Offer: "b"}}
		}, "are 21, at most 20"},
		"rewards[2]":     {func(p *referral.Program) { p.Rewards = append(p.Rewards, p.Rewards[1]) }, "is a second rule for the referrer when qualified"},
		"boosts[0].name": {func(p *referral.Program) { p.Boosts = []referral.Boost{{Rule: p.Rewards[0]}} }, "is missing"},
		"boosts[0].until": {func(p *referral.Program) {
			p.Boosts = []referral.Boost{{Name: "b", Rule: p.Rewards[0], Interval: coupon.Interval{From: noon, Until: noon.Add(-1)}}}
		}, "no time is left"},
		"boosts[0]": {func(p *referral.Program) {
			p.Boosts = []referral.Boost{{Name: "b", Rule: referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Coupons: set}}}}
		}, "who earns nothing then"},
		"boosts[1]": {func(p *referral.Program) {
			p.Boosts = []referral.Boost{
				{Name: "b", Rule: p.Rewards[1], Interval: coupon.Interval{From: noon, Until: noon.Add(day)}},
				{Name: "c", Rule: p.Rewards[1], Interval: coupon.Interval{From: noon.Add(day - time.Microsecond)}},
			}
		}, "overlaps boosts[0]"},
		"qualify.nth": {func(p *referral.Program) { p.Qualify.Nth = 101 }, "0 (for the first) to 100"},
		"boosts[0].percent": {func(p *referral.Program) {
			p.Rewards[1].Coupons[0].Count = 11
			p.Boosts = []referral.Boost{{Name: "b", Percent: 200, Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified}}}
		}, "gives 22 coupons, at most 20 are allowed"},
		"caps[0].friends": {func(p *referral.Program) { p.Caps[0].Friends = 0 }, "want at least 1"},
		"caps[0].period":  {func(p *referral.Program) { p.Caps[0].Period = "decade" }, "not defined"},
		"caps[1].period":  {func(p *referral.Program) { p.Caps = append(p.Caps, p.Caps[0]) }, "has a cap already"},
		"caps[0].amount":  {func(p *referral.Program) { p.Caps = []referral.Cap{{Amount: eur("0.00")}} }, "want more than 0 of a currency"},
		"zone":            {func(p *referral.Program) { p.Zone = "Local" }, "not a time zone"},
	} {
		t.Run(path, func(t *testing.T) {
			p := program(8)
			c.change(&p)
			err := p.Validate()
			require.ErrorIs(t, err, referral.ErrProgram)
			var faults *referral.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults.Faults, 1, err.Error())
			assert.Equal(t, path, faults.Faults[0].Path)
			assert.Contains(t, faults.Faults[0].Problem, c.problem)
			assert.Contains(t, err.Error(), path+": ")
		})
	}
}

// A boost is more than what there is without it, however that is told, and in bounds.
func TestBoostFaults(t *testing.T) {
	worth := func(amount string, coupons int) referral.Earning {
		e := referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks", Count: coupons}}}
		if amount != "" {
			e.Worth = coupon.Amounts{eur(amount)}
		}
		return e
	}
	credit := func(amount string) referral.Earning { return referral.Earning{Credit: coupon.Amounts{eur(amount)}} }
	custom := referral.Earning{Custom: &referral.Custom{Kind: "miles"}}
	for name, c := range map[string]struct {
		base, boost referral.Earning
		percent     int
		fault       string // empty: none
	}{
		"as many coupons":       {worth("", 2), worth("", 2), 0, ""},
		"fewer coupons":         {worth("", 2), worth("", 1), 0, "boosts[0]: gives 1 coupons, fewer than 2"},
		"fewer, and credit":     {worth("", 2), credit("1.00"), 0, ""},
		"other than coupons":    {worth("", 2), custom, 0, ""},
		"worth as much":         {worth("5.00", 2), worth("5.00", 1), 0, ""},
		"worth less":            {worth("5.00", 2), worth("4.99", 2), 0, "boosts[0]: is worth 4.99 EUR, less than 5.00 EUR"},
		"as much credit":        {credit("5.00"), credit("5.00"), 0, ""},
		"less credit":           {credit("5.00"), credit("4.99"), 0, "boosts[0]: gives 4.99 EUR, less than 5.00 EUR"},
		"100 %":                 {credit("5.00"), referral.Earning{}, 100, "boosts[0].percent: is 100, want more than 100 and at most 1000"},
		"101 %":                 {credit("5.00"), referral.Earning{}, 101, ""},
		"1000 %":                {credit("5.00"), referral.Earning{}, 1000, ""},
		"1001 %":                {credit("5.00"), referral.Earning{}, 1001, "boosts[0].percent: is 1001, want more than 100 and at most 1000"},
		"20 coupons":            {worth("", 10), referral.Earning{}, 200, ""},
		"a percentage of miles": {custom, referral.Earning{}, 200, "boosts[0].percent: can't be taken of what the shop grants by itself"},
	} {
		p := inCredit()
		p.Rewards[0].Earning = c.base
		p.Boosts = []referral.Boost{{Name: "b", Percent: c.percent, Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified, Earning: c.boost}}}
		if err := p.Validate(); c.fault == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, c.fault, name)
		}
	}
}

// What qualifies on registration asks for nothing else.
func TestRegistrationAlone(t *testing.T) {
	for name, c := range map[string]struct {
		qualify referral.Qualification
		ok      bool
	}{
		"nothing":              {referral.Qualification{}, true},
		"the first payment":    {referral.Qualification{Nth: 1}, true},
		"the second payment":   {referral.Qualification{Nth: 2}, false},
		"a payment in time":    {referral.Qualification{Within: day}, false},
		"a payment of so much": {referral.Qualification{MinimumSpend: coupon.Amounts{eur("1.00")}}, false},
		"goods":                {referral.Qualification{In: referral.Goods{Sellers: []string{"acme"}}}, false},
		"other goods":          {referral.Qualification{Out: referral.Goods{Sellers: []string{"acme"}}}, false},
	} {
		p := inCredit(func(p *referral.Program) { p.Qualify = c.qualify })
		require.NoError(t, p.Validate(), name)
		p.Qualify.On = referral.OnRegistration
		if err := p.Validate(); c.ok {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, "qualify: asks for payments, but qualifies on registration", name)
		}
	}
}

// As much as a program may say is accepted, one more is not.
func TestProgramsAtTheirLimits(t *testing.T) {
	for name, change := range map[string]func(p *referral.Program, beyond int64){
		"nth":    func(p *referral.Program, beyond int64) { p.Qualify.Nth = 100 + int(beyond) },
		"first":  func(p *referral.Program, beyond int64) { p.Milestones[0].Friends = 1 - beyond },
		"last":   func(p *referral.Program, beyond int64) { p.Milestones[0].Friends = 1_000_000_000 + beyond },
		"tier":   func(p *referral.Program, beyond int64) { p.Rewards[0].Tiers[0].From = 1_000_000_000 + beyond },
		"second": func(p *referral.Program, beyond int64) { p.Rewards[0].Tiers[0].From = 2 - beyond },
		"boost": func(p *referral.Program, beyond int64) {
			p.Boosts[0].Name = strings.Repeat("b", referral.MaxKey+int(beyond))
		},
		"hold":  func(p *referral.Program, beyond int64) { p.Hold = 10*365*day + time.Duration(beyond)*time.Microsecond },
		"begin": func(p *referral.Program, beyond int64) { p.Schedule.From = time.UnixMicro(1 - beyond) },
		"end": func(p *referral.Program, beyond int64) {
			p.Schedule.Until = time.Date(9999, 12, 31, 23, 59, 59+int(beyond), 0, time.UTC)
		},
		"score": func(p *referral.Program, beyond int64) { p.Checks[0].Score = 1000 + beyond },
		"year": func(p *referral.Program, beyond int64) {
			p.Checks[0].Within = 366*day + time.Duration(beyond)*time.Microsecond
		},
		"least": func(p *referral.Program, beyond int64) { p.Thresholds[0].AtLeast = 1 - beyond },
		"budget": func(p *referral.Program, beyond int64) {
			p.Boosts, p.Budget = nil, ledger.Minor(1000-beyond, euro)
		},
		"offer": func(p *referral.Program, beyond int64) {
			p.Rewards[0].Earning = referral.Earning{Coupons: []coupon.IssueOffer{{Offer: strings.Repeat("o", referral.MaxKey+int(beyond))}}}
			p.Boosts = nil
		},
		"name": func(p *referral.Program, beyond int64) { p.Name = strings.Repeat("n", 200+int(beyond)) },
		"late": func(p *referral.Program, beyond int64) {
			p.DueWithin, p.Lateness = 2*time.Hour, time.Hour+time.Duration(beyond)*time.Microsecond
		},
		"tiers": func(p *referral.Program, beyond int64) {
			p.Rewards[0].Tiers = append(p.Rewards[0].Tiers, referral.Tier{From: 3 - beyond, Earning: p.Rewards[0].Earning})
		},
		"life": func(p *referral.Program, beyond int64) {
			p.Rewards[0].Life = 10*365*day + time.Duration(beyond)*time.Microsecond
		},
		"amount": func(p *referral.Program, beyond int64) {
			p.Rewards[0].Credit = coupon.Amounts{ledger.Minor(coupon.MaxTotal-1+beyond, euro)}
		},
		"currencies": func(p *referral.Program, beyond int64) {
			for _, code := range strings.Fields("AUD CAD CHF DKK GBP NOK PLN SEK USD JPY")[:9+beyond] {
				p.Rewards[0].Credit = append(p.Rewards[0].Credit, ledger.Minor(100, ledger.MustCurrency(code)))
			}
			p.Rewards[0].Tiers = nil
		},
		"details": func(p *referral.Program, beyond int64) {
			p.Boosts, p.Rewards[0].Custom = nil, &referral.Custom{Kind: "gift", Details: make(map[string]string)}
			for i := range 20 + beyond {
				p.Rewards[0].Custom.Details[fmt.Sprint("detail ", i)] = "x"
			}
		},
		"coupons": func(p *referral.Program, beyond int64) {
			p.Boosts, p.Rewards[0].Coupons = nil, []coupon.IssueOffer{{Offer: "welcome", Count: 19}, {Offer: "thanks", Count: 1 + int(beyond)}}
		},
		"most": func(p *referral.Program, beyond int64) { p.Checks[0].Most = 999 + beyond },
		"all of one payment": func(p *referral.Program, beyond int64) {
			p.Qualify = referral.Qualification{Cumulative: true, MinimumSpend: coupon.Amounts{eur("5.00")}, Nth: 1 + int(beyond)}
		},
	} {
		for beyond := range int64(2) {
			p := inCredit()
			p.Rewards[0].Tiers = []referral.Tier{{From: 2, Earning: p.Rewards[0].Earning}}
			p.Milestones = []referral.Milestone{{Friends: 3, Earning: p.Rewards[0].Earning}}
			p.Boosts = []referral.Boost{{Name: "b", Percent: 200, Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified}}}
			p.Checks = []referral.Check{{Kind: referral.CheckVelocity, Within: day, Action: referral.ActionScore, Score: 1}}
			p.Thresholds, p.Review.Within = []referral.Threshold{{AtLeast: 1, Action: referral.ActionReview}}, day
			change(&p, beyond)
			err := p.Validate()
			assert.Equal(t, beyond == 0, err == nil, "%s: %v", name, err)
		}
	}
}

func TestEveryFaultOfAProgramIsListed(t *testing.T) {
	p := referral.Program{
		ID: "A", Version: -1, Window: -1, Hold: -1, Attribution: 9, Zone: "Nowhere", Caps: []referral.Cap{{}},
		Rewards: []referral.Rule{{}}, Boosts: []referral.Boost{{}},
	}
	var faults *referral.Faults
	require.ErrorAs(t, p.Validate(), &faults)
	var paths []string
	for _, f := range faults.Faults {
		paths = append(paths, f.Path)
	}
	assert.Equal(t, []string{
		"id", "version", "name", "window", "hold", "attribution", "rewards[0].side", "rewards[0].step", "rewards[0]",
		"boosts[0].name", "boosts[0].side", "boosts[0].step", "boosts[0]", "caps[0].friends", "zone",
	}, paths)
	s := newShop(t)
	_, err := s.Publish(ctx, p, "staff", noon)
	require.ErrorIs(t, err, referral.ErrProgram)
}

func TestPublish(t *testing.T) {
	s := newShop(t)
	first, err := s.Publish(ctx, everything(), "staff", noon)
	require.NoError(t, err)
	want := everything()
	want.Version = 1
	require.Equal(t, want, first)
	again, err := s.Publish(ctx, first, "staff", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, want, again, "publishing what is published changes nothing")
	read, err := s.Program(ctx, want.ID, 0)
	require.NoError(t, err)
	require.Equal(t, want, read)

	next, err := s.Publish(ctx, changed(everything(), func(p *referral.Program) { p.Caps[0].Friends = 9 }), "staff", noon)
	require.NoError(t, err)
	require.Equal(t, 2, next.Version)
	read, err = on(s.store, referral.Options{}).Program(ctx, want.ID, 1)
	require.NoError(t, err)
	require.Equal(t, want, read, "a version never changes")
}

// What a caller does to a program it was given does not reach the terms that are
// remembered.
func TestProgramsAreCopies(t *testing.T) {
	s := newShop(t, everything())
	given, err := s.Program(ctx, "invite", 0)
	require.NoError(t, err)
	given.Caps[0].Friends, given.Rewards[0].Coupons[0].Offer, given.Qualify.MinimumSpend[0] = 99, "other", eur("99.00")
	given.Boosts[0].Coupons[0].Count = 9
	read, err := s.Program(ctx, "invite", 1)
	require.NoError(t, err)
	want := everything()
	want.Version = 1
	require.Equal(t, want, read)
	given.Rewards[0].Coupons[0].Offer = "welcome"
	published, err := s.Publish(ctx, given, "staff", noon)
	require.NoError(t, err)
	require.Equal(t, 2, published.Version)
	require.Equal(t, int64(99), published.Caps[0].Friends)
}

func TestPublishRefusesOffersThatAreNotThere(t *testing.T) {
	s := newShop(t)
	for _, o := range []coupon.IssueOffer{{Offer: "none"}, {Offer: "thanks", Version: 2}} {
		_, err := s.Publish(ctx, referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome"}}, o), "staff", noon)
		require.ErrorIs(t, err, coupon.ErrNoOffer)
	}
	boosted := program(8)
	boosted.Boosts = []referral.Boost{{Name: "b", Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "none"}}}}}}
	_, err := s.Publish(ctx, boosted, "staff", noon)
	require.ErrorIs(t, err, coupon.ErrNoOffer)
	_, err = s.Program(ctx, "invite", 0)
	require.ErrorIs(t, err, referral.ErrNoProgram)
}

// A change never takes from a friend bound before it.
func TestVersionsArePinned(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "before", noon)
	_, err := s.Publish(ctx, changed(program(8), func(p *referral.Program) {
		p.Qualify.MinimumSpend = coupon.Amounts{eur("100.00")}
		p.Rewards[1].Coupons[0].Offer = "more"
	}), "staff", noon)
	require.NoError(t, err)
	s.bind("jane", "after", noon)
	require.Equal(t, []int{1, 2}, []int{s.referral("before").Version, s.referral("after").Version})
	require.Equal(t, referral.StateHeld, s.pay("before", noon.Add(time.Minute)).State)
	require.Equal(t, referral.StateBound, s.pay("after", noon.Add(time.Minute)).State)
	s.settle(noon.Add(2 * time.Hour))
	given, err := s.coupons.Coupon(ctx, s.brings("before").Coupons[0])
	require.NoError(t, err)
	require.Equal(t, "thanks", given.Offer)
}

func TestBadInput(t *testing.T) {
	s := newShop(t, program(8))
	link := s.link("jane")
	long, never := strings.Repeat("x", 101), time.Time{}
	for name, c := range map[string]struct {
		err   error
		paths []string
	}{
		"link":              {second(s.Link(ctx, "invite", "", never)), []string{"customer", "now"}},
		"link, control":     {second(s.Link(ctx, "invite", "a\nb", noon)), []string{"customer"}},
		"touch":             {second(s.Touch(ctx, referral.TouchRequest{Code: string(link.Code)}, never)), []string{"id", "visitor", "now"}},
		"touch, long id":    {second(s.Touch(ctx, referral.TouchRequest{ID: strings.Repeat("x", 61), Visitor: "v", Code: string(link.Code)}, noon)), []string{"id"}},
		"register":          {second(s.Register(ctx, referral.Registration{Visitor: long, Code: long}, never)), []string{"customer", "visitor", "code", "now"}},
		"pay":               {second(s.OrderPaid(ctx, referral.Payment{}, never)), []string{"order", "customer", "now"}},
		"pay, negative":     {second(s.OrderPaid(ctx, paid("mia", "o", "-1.00"), noon)), []string{"amount"}},
		"return":            {second(s.OrderReturned(ctx, referral.Return{ID: strings.Repeat("x", 65)}, never)), []string{"order", "customer", "id", "amount", "now"}},
		"return, two sums":  {second(s.OrderReturned(ctx, referral.Return{ID: "r", Order: "o", Customer: "c", Amount: eur("1.00"), Coupons: &coupon.RefundRequest{ID: "s"}}, noon)), []string{"amount", "coupons.id"}},
		"publish":           {second(s.Publish(ctx, program(8), long, never)), []string{"actor", "now"}},
		"pause":             {s.Pause(ctx, "invite", "staff", strings.Repeat("x", 501), noon), []string{"reason"}},
		"resume":            {s.Resume(ctx, "invite", "staff", "a\x00b", noon), []string{"reason"}},
		"referral":          {second(s.Referral(ctx, "Not/One", long)), []string{"program", "friend"}},
		"rewards":           {second(s.Rewards(ctx, "invite", "")), []string{"friend"}},
		"caps":              {second(s.Caps(ctx, "invite", long, never)), []string{"referrer", "now"}},
		"friends":           {second(s.Friends(ctx, "invite", "\xff", referral.TrackingQuery{After: "x", Limit: -1})), []string{"referrer", "after", "limit"}},
		"friends, too many": {second(s.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 1001})), []string{"limit"}},
	} {
		var faults *referral.Faults
		require.ErrorAs(t, c.err, &faults, name)
		require.ErrorIs(t, c.err, referral.ErrRequest, name)
		var paths []string
		for _, f := range faults.Faults {
			paths = append(paths, f.Path)
		}
		assert.Equal(t, c.paths, paths, name)
		assert.True(t, strings.HasPrefix(c.err.Error(), "referral: "), c.err.Error())
	}
	docs, err := s.store.List(ctx, storage.Query{Kind: "member"})
	require.NoError(t, err)
	require.Len(t, docs.Docs, 1, "nothing is written but jane's link")
}

func TestUnknownThings(t *testing.T) {
	s := newShop(t, program(8))
	for name, err := range map[string]error{
		"link":            second(s.Link(ctx, "none", "jane", noon)),
		"link, no id":     second(s.Link(ctx, strings.Repeat("x", 300), "jane", noon)),
		"program":         second(s.Program(ctx, "none", 0)),
		"program, no id":  second(s.Program(ctx, strings.Repeat("x", 300), 1)),
		"program version": second(s.Program(ctx, "invite", 2)),
		"pause":           s.Pause(ctx, "none", "staff", "asked for", noon),
		"resume":          s.Resume(ctx, strings.Repeat("x", 300), "staff", "asked for", noon),
		"caps":            second(s.Caps(ctx, "none", "jane", noon)),
	} {
		require.ErrorIs(t, err, referral.ErrNoProgram, name)
	}
	_, err := s.Referral(ctx, "invite", "mia")
	require.ErrorIs(t, err, referral.ErrNoReferral)
	rewards, err := s.Rewards(ctx, "invite", "mia")
	require.NoError(t, err)
	require.Empty(t, rewards)
	friends, err := s.Friends(ctx, "invite", "nobody", referral.TrackingQuery{})
	require.NoError(t, err)
	require.Empty(t, friends)
	settled, err := s.OrderPaid(ctx, paid("guest", "order", "1.00"), noon)
	require.NoError(t, err)
	require.Equal(t, referral.Settlement{}, settled)
	settled, err = s.OrderReturned(ctx, cancelled("guest", "order"), noon)
	require.NoError(t, err)
	require.Equal(t, referral.Settlement{}, settled)
	_, err = s.OrderReturned(ctx, referral.Return{ID: "r", Order: "o", Customer: "guest", Coupons: &coupon.RefundRequest{Everything: true}}, noon)
	require.ErrorIs(t, err, coupon.ErrNoRedemption)
}

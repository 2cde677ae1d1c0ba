package referral_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

// Two referrers brought one friend: who is credited and why is on record, and who is
// not and why.
func TestRivalsAreOnRecord(t *testing.T) {
	for name, c := range map[string]struct {
		attribution    referral.Attribution
		code           string // whose
		winner, rival  string
		why, whyNot    string
		first, between time.Duration // of jane's and of joe's touch, before the registration
	}{
		"last touch":        {referral.LastTouch, "", "joe", "jane", "the last link followed in the window", "a later touch is credited", 2 * time.Hour, time.Hour},
		"first touch":       {referral.FirstTouch, "", "jane", "joe", "the first link followed in the window", "an earlier touch is credited", 2 * time.Hour, time.Hour},
		"code beats link":   {referral.LastTouch, "mia", "mia", "joe", "with the referrer's code", "a code beats a link", 2 * time.Hour, time.Hour},
		"before the window": {referral.LastTouch, "", "joe", "jane", "the last link", "the touch lies before the window", 30 * day, time.Hour},
		"at its last instant": {
			referral.FirstTouch, "", "jane", "joe", "the first link", "an earlier touch is credited", 30*day - time.Microsecond, time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, changed(program(8), func(p *referral.Program) { p.Attribution = c.attribution }))
			at := noon.Add(40 * day)
			s.touch("cookie", s.link("jane"), at.Add(-c.first))
			s.touch("cookie", s.link("joe"), at.Add(-c.between))
			request := referral.Registration{Customer: "ida", Visitor: "cookie"}
			if c.code != "" {
				request.Code = s.link(c.code).Code.String()
			}
			o := s.register(request, at)
			assert.Equal(t, c.winner, o.Referrer)
			assert.Contains(t, o.Why, c.why)
			require.NotEmpty(t, o.Rivals)
			assert.Equal(t, c.rival, o.Rivals[0].Referrer)
			assert.Equal(t, c.whyNot, o.Rivals[0].Why)
			require.Equal(t, o, s.register(request, at.Add(time.Hour)), "what was recorded comes back")
		})
	}
}

// Each rival is noted once, of other programs too, and never who is credited.
func TestEachRivalIsNotedOnce(t *testing.T) {
	for attribution, want := range map[referral.Attribution][]string{
		referral.LastTouch:  {"invite jane", "invite mia", "other jane", "other joe"},
		referral.FirstTouch: {"invite jane", "invite mia", "other jane", "other joe"},
	} {
		term := func(id string) referral.Program {
			return changed(program(8), func(p *referral.Program) { p.ID, p.Attribution = id, attribution })
		}
		s := newShop(t, term("invite"), term("other"))
		for i, touch := range [][2]string{ // the last one last
			{"invite", "joe"}, {"other", "joe"}, {"other", "jane"}, {"invite", "mia"}, {"invite", "jane"}, {"invite", "jane"}, {"invite", "joe"},
		} {
			link, err := s.Link(ctx, touch[0], touch[1], noon)
			require.NoError(t, err)
			s.touch("cookie", link, noon.Add(time.Duration(i)*time.Minute))
		}
		o := s.register(referral.Registration{Customer: "ida", Visitor: "cookie"}, noon.Add(day))
		require.Equal(t, "joe", o.Referrer)
		var rivals []string
		for _, r := range o.Rivals {
			rivals = append(rivals, r.Program+" "+r.Referrer)
		}
		require.ElementsMatch(t, want, rivals, attribution)
	}
}

// Of many who are not credited ten are noted, however the invitation is found.
func TestTenRivalsAreNoted(t *testing.T) {
	for name, c := range map[string]struct {
		attribution referral.Attribution
		code        bool
		credited    string
	}{
		"the last":  {referral.LastTouch, false, "friend 13"},
		"the first": {referral.FirstTouch, false, "friend 0"},
		"a code":    {referral.LastTouch, true, "jane"},
	} {
		s := newShop(t, changed(program(8), func(p *referral.Program) { p.Attribution = c.attribution }))
		for i := range 14 {
			s.touch("cookie", s.link(fmt.Sprint("friend ", i)), noon.Add(time.Duration(i)*time.Minute))
		}
		request := referral.Registration{Customer: "ida", Visitor: "cookie"}
		if c.code {
			request.Code = string(s.link("jane").Code)
		}
		o := s.register(request, noon.Add(day))
		require.Equal(t, c.credited, o.Referrer, name)
		require.Len(t, o.Rivals, 10, name)
	}
}

// A code can be entered after the registration, within its grace, by somebody nobody is
// credited for and who has brought nobody.
func TestLateCodes(t *testing.T) {
	late := changed(program(8), func(p *referral.Program) { p.LateCode = 7 * day })
	enter := func(s *shop, customer, code string, paid bool, at time.Time) referral.Outcome {
		o, err := s.EnterCode(ctx, referral.LateCode{Customer: customer, Code: code, Paid: paid}, at)
		require.NoError(t, err)
		return o
	}
	t.Run("in time", func(t *testing.T) {
		s := newShop(t, late)
		code := s.link("jane").Code.String()
		require.False(t, s.register(referral.Registration{Customer: "mia"}, noon).Bound)
		o := enter(s, "mia", code, false, noon.Add(7*day-time.Microsecond))
		require.True(t, o.Bound)
		require.Len(t, o.Rewards, 1)
		require.Equal(t, 2, s.wallet("mia"))
		require.Equal(t, o, enter(s, "mia", code, false, noon.Add(30*day)), "asked again")
		require.Equal(t, referral.ReasonBound, enter(s, "mia", s.link("joe").Code.String(), false, noon.Add(day)).Reason)
		require.Equal(t, referral.StateConfirmed, s.pay("mia", noon.Add(8*day)).State)
		require.True(t, s.register(referral.Registration{Customer: "mia"}, noon.Add(9*day)).Bound)
	})
	t.Run("refused", func(t *testing.T) {
		s := newShop(t, late)
		unknown, err := coupon.NewCode(rand.Reader)
		require.NoError(t, err)
		code := s.link("jane").Code.String()
		for _, who := range []string{"mia", "noa"} {
			s.register(referral.Registration{Customer: who}, noon)
		}
		s.register(referral.Registration{Customer: "old", Known: true, Code: code}, noon)
		require.Equal(t, referral.ReasonTooLate, enter(s, "mia", code, false, noon.Add(7*day)).Reason)
		require.Equal(t, referral.ReasonTooLate, enter(s, "mia", code, true, noon.Add(day)).Reason)
		require.Equal(t, referral.ReasonNotNew, enter(s, "old", code, false, noon.Add(day)).Reason)
		noas := s.link("noa")
		s.bind("noa", "ida", noon)
		require.Equal(t, referral.ReasonNotNew, enter(s, "noa", code, false, noon.Add(day)).Reason, "she has friends: it could become a circle")
		require.Equal(t, referral.ReasonOwnCode, enter(s, "noa", noas.Code.String(), false, noon.Add(day)).Reason)
		require.Equal(t, referral.ReasonUnknownCode, enter(s, "mia", string(unknown), false, noon.Add(day)).Reason)
		require.ErrorIs(t, second(s.EnterCode(ctx, referral.LateCode{Customer: "never", Code: code}, noon)), referral.ErrRequest)
		require.ErrorIs(t, second(s.EnterCode(ctx, referral.LateCode{Customer: "mia", Code: "!!"}, noon)), coupon.ErrCode)
	})
	t.Run("not offered", func(t *testing.T) {
		s := newShop(t, program(8))
		code := s.link("jane").Code.String()
		s.register(referral.Registration{Customer: "mia"}, noon)
		require.Equal(t, referral.ReasonTooLate, enter(s, "mia", code, false, noon).Reason)
	})
	t.Run("known before, and registered without a code", func(t *testing.T) {
		s := newShop(t, late)
		code := s.link("jane").Code.String()
		require.Equal(t, referral.ReasonNoInvitation, s.register(referral.Registration{Customer: "old", Known: true}, noon).Reason)
		require.Equal(t, referral.ReasonNotNew, enter(s, "old", code, false, noon).Reason)
	})
	t.Run("of another country", func(t *testing.T) {
		s := newShop(t, changed(late, func(p *referral.Program) { p.Countries = []string{"DE"} }))
		code := s.link("jane").Code.String()
		s.register(referral.Registration{Customer: "mia", Country: "FR"}, noon)
		for _, country := range []string{"FR", ""} {
			o, err := s.EnterCode(ctx, referral.LateCode{Customer: "mia", Code: code, Country: country}, noon)
			require.NoError(t, err)
			require.Equal(t, referral.ReasonCountry, o.Reason)
		}
		require.ErrorIs(t, second(s.EnterCode(ctx, referral.LateCode{Customer: "mia", Code: code, Country: "de"}, noon)), referral.ErrRequest)
		o, err := s.EnterCode(ctx, referral.LateCode{Customer: "mia", Code: code, Country: "DE"}, noon)
		require.NoError(t, err)
		require.True(t, o.Bound)
	})
	t.Run("after a registration while the program was paused", func(t *testing.T) {
		s := newShop(t, late)
		code := s.link("jane").Code.String()
		require.NoError(t, s.Pause(ctx, "invite", "staff", "a rush", noon))
		require.Equal(t, referral.ReasonPaused, s.register(referral.Registration{Customer: "mia", Code: code}, noon).Reason)
		require.Equal(t, referral.ReasonPaused, s.register(referral.Registration{Customer: "old", Code: code, Known: true}, noon).Reason)
		require.Equal(t, referral.ReasonPaused, enter(s, "mia", code, false, noon).Reason)
		require.NoError(t, s.Resume(ctx, "invite", "staff", "over", noon))
		require.True(t, enter(s, "mia", code, false, noon.Add(day)).Bound)
		require.Equal(t, referral.ReasonNotNew, enter(s, "old", code, false, noon.Add(day)).Reason)
	})
}

func TestCountries(t *testing.T) {
	s := newShop(t, changed(program(8), func(p *referral.Program) { p.Countries = []string{"DE", "FR"} }))
	code := s.link("jane").Code.String()
	for i, c := range []struct {
		country string
		reason  referral.Reason
	}{{"DE", ""}, {"ES", referral.ReasonCountry}, {"", referral.ReasonCountry}} {
		o := s.register(referral.Registration{Customer: string(rune('a' + i)), Code: code, Country: c.country}, noon)
		assert.Equal(t, c.reason, o.Reason)
	}
	require.ErrorIs(t, second(s.Register(ctx, referral.Registration{Customer: "x", Country: "de"}, noon)), referral.ErrRequest)
}

// An end with a tail: nobody new, and those bound before have what their terms say, or
// the tail. A kill cancels what was not granted.
func TestEndAndKill(t *testing.T) {
	t.Run("tail", func(t *testing.T) {
		s := newShop(t, held(8))
		s.bind("jane", "mia", noon)
		s.bind("jane", "ida", noon)
		require.NoError(t, s.End(ctx, "invite", noon.Add(day), 7*day, "staff", "budget", noon))
		require.True(t, s.bind("jane", "noa", noon.Add(day-1)).Bound)
		require.Equal(t, referral.ReasonClosed, s.register(referral.Registration{Customer: "eve", Code: s.link("jane").Code.String()}, noon.Add(day)).Reason)
		require.Equal(t, referral.StateHeld, s.pay("mia", noon.Add(8*day-1)).State)
		s.pay("ida", noon.Add(8*day))
		s.settle(noon.Add(9 * day))
		require.Equal(t, referral.StateConfirmed, s.referral("mia").State)
		require.Equal(t, referral.StateExpired, s.referral("ida").State)
		require.ErrorIs(t, s.End(ctx, "invite", noon, 0, "staff", "asked for", noon.Add(day)), referral.ErrRequest)
	})
	t.Run("promised time stays", func(t *testing.T) {
		s := newShop(t, changed(held(8), func(p *referral.Program) { p.Qualify.Within = 30 * day }))
		s.bind("jane", "mia", noon)
		require.NoError(t, s.End(ctx, "invite", noon, 0, "staff", "asked for", noon))
		require.Equal(t, referral.StateHeld, s.pay("mia", noon.Add(29*day)).State)
	})
	t.Run("kill", func(t *testing.T) {
		s := newShop(t, held(8))
		s.bind("jane", "mia", noon)
		s.pay("mia", noon)
		require.NoError(t, s.Kill(ctx, "invite", "staff", "fraud", noon))
		require.Equal(t, referral.ReasonClosed, s.register(referral.Registration{Customer: "eve", Code: s.link("jane").Code.String()}, noon).Reason)
		s.settle(noon.Add(2 * time.Hour))
		require.Equal(t, referral.RewardCanceled, s.brings("mia").State)
		require.Equal(t, 0, s.wallet("jane"))
	})
}

// A touch that can bind nobody when the friend registers hides none that can, whichever
// touch is credited; with none that can, the outcome says why as it did of the one chosen.
func TestTouchesThatCannotBindHideNone(t *testing.T) {
	for _, attribution := range []referral.Attribution{referral.LastTouch, referral.FirstTouch} {
		term := func(id string) referral.Program {
			return changed(program(8), func(p *referral.Program) { p.ID, p.Attribution = id, attribution })
		}
		for name, c := range map[string]struct {
			program string // of the touch that can't bind
			stop    func(*shop) error
			reason  referral.Reason
		}{
			"banned": {"invite", func(s *shop) error { return s.Ban(ctx, "joe", "staff", "fraud", noon) }, referral.ReasonReferrer},
			"killed": {"other", func(s *shop) error { return s.Kill(ctx, "other", "staff", "fraud", noon) }, referral.ReasonClosed},
			"paused": {"other", func(s *shop) error { return s.Pause(ctx, "other", "staff", "a rush", noon) }, referral.ReasonPaused},
			"elsewhere": {"other", func(s *shop) error {
				p := term("other")
				p.Countries = []string{"FR"}
				_, err := s.Publish(ctx, p, "staff", noon)
				return err
			}, referral.ReasonCountry},
		} {
			for _, last := range []bool{true, false} { // the touch that can't bind
				s := newShop(t, term("invite"), term("other"))
				link, err := s.Link(ctx, c.program, "joe", noon)
				require.NoError(t, err)
				good, bad := noon.Add(time.Minute), noon.Add(2*time.Minute)
				if !last {
					good, bad = bad, good
				}
				s.touch("cookie", link, bad)
				s.touch("alone", link, bad)
				s.touch("cookie", s.link("jane"), good)
				require.NoError(t, c.stop(s))
				o := s.register(referral.Registration{Customer: "ida", Visitor: "cookie", Country: "DE"}, noon.Add(time.Hour))
				require.True(t, o.Bound, "%s %s %t", attribution, name, last)
				require.Equal(t, "jane", o.Referrer)
				require.Len(t, o.Rivals, 1, "%s %s %t", attribution, name, last)
				require.Equal(t, "joe", o.Rivals[0].Referrer)
				if last {
					require.Equal(t, c.reason.Staff(), o.Rivals[0].Why)
				}
				o = s.register(referral.Registration{Customer: "eve", Visitor: "alone", Country: "DE"}, noon.Add(time.Hour))
				require.Equal(t, c.reason, o.Reason)
				require.Empty(t, o.Rivals)
			}
		}
	}
}

// A late code that was taken answers what it recorded when it is entered again, whatever
// account its referrer has become since or had become before.
func TestLateCodeOfAMergedReferrer(t *testing.T) {
	for _, before := range []bool{true, false} {
		s, jane := guarded(t, referral.Options{}, changed(program(8), func(p *referral.Program) { p.LateCode = 7 * day }))
		s.subject(referral.Person{Account: "jane 2"})
		code := s.link(jane.ID).Code.String()
		mia := s.subject(referral.Person{Account: "mia"})
		s.register(referral.Registration{Customer: mia.ID}, noon)
		merge := func() { require.NoError(t, second0(s.Merge(ctx, "account 1", "jane 2", "staff", "one person", noon))) }
		if before {
			merge()
		}
		o, err := s.EnterCode(ctx, referral.LateCode{Customer: mia.ID, Code: code}, noon)
		require.NoError(t, err)
		require.True(t, o.Bound)
		if !before {
			merge()
		}
		again, err := s.EnterCode(ctx, referral.LateCode{Customer: mia.ID, Code: code}, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, o, again, before)
	}
}

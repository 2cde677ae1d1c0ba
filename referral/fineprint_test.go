package referral_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

func ExampleFinePrint() {
	p := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome", Count: 2}}, coupon.IssueOffer{Offer: "thanks"})
	names := referral.FinePrintOptions{Name: func(what, id string) string {
		return map[string]string{"offer/welcome": "2.00 off", "offer/thanks": "5.00 off"}[what+"/"+id]
	}}
	terms, err := referral.FinePrint(p, language.English, names)
	for _, t := range terms {
		if strings.HasPrefix(t.Rule, "qualify") || strings.HasPrefix(t.Rule, "rewards[") || strings.HasPrefix(t.Rule, "caps") {
			fmt.Println(t.Sentence)
		}
	}
	fmt.Println(err)
	// Output:
	// Your friend counts when they have paid an order.
	// Shipping, trials and what is paid with promotional credit do not count.
	// When your friend has registered, your friend receives 2 coupons (2.00 off).
	// When your friend counts, you receive 1 coupon (5.00 off).
	// You are rewarded for at most 8 friends in all. Beyond that you receive nothing, and your friend still does.
	// <nil>
}

// full of rules is a program that has something in every member.
func fullOfRules() referral.Program {
	p := everything()
	p.Tail, p.Countries, p.LateCode, p.Lateness, p.Hold = 10*day, []string{"FR", "DE"}, 2*day, time.Hour, 12*time.Hour
	p.Qualify.Nth = 2
	p.Qualify.In = referral.Goods{Categories: []string{"tea"}, Sellers: []string{"acme"}}
	p.Qualify.Out = referral.Goods{Categories: []string{"gifts"}, Sellers: []string{"other"}}
	p.Shortfall, p.Debt = referral.ShortfallReduces, referral.DebtSetOff
	p.Rewards[1].Credit, p.Rewards[1].Life = coupon.Amounts{eur("5.00")}, 365*day
	p.Rewards[1].Tiers = []referral.Tier{{From: 5, Earning: referral.Earning{Coupons: p.Rewards[1].Coupons, Credit: coupon.Amounts{eur("9.00")}}}}
	p.Milestones = []referral.Milestone{{Friends: 3, Repeat: true, Earning: referral.Earning{Custom: &referral.Custom{Kind: "gift"}}}, {Friends: 10, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "more", FromStock: true}}, Credit: coupon.Amounts{eur("50.00")}}}}
	p.Uplift = true
	p.Invitations = referral.Invitations{PerSend: 5, PerDay: 30, Total: 100, Life: 60 * day}
	p.Review = referral.Review{Within: 3 * day, Otherwise: referral.Deny}
	p.Checks = allChecks()
	p.Thresholds = []referral.Threshold{{5, referral.ActionReview, ""}, {6, referral.ActionWithhold, referral.Referee}, {7, referral.ActionReject, ""}}
	return p
}

func allChecks() []referral.Check {
	return []referral.Check{
		{Kind: referral.CheckSameEmail, Action: referral.ActionReject}, {Kind: referral.CheckSamePhone, Action: referral.ActionReview},
		{Kind: referral.CheckSameInstrument, Action: referral.ActionWithhold, Side: referral.Referrer},
		{Kind: referral.CheckSameDevice, Action: referral.ActionWithhold, Side: referral.Referee},
		{Kind: referral.CheckKnownPerson, Action: referral.ActionReject}, {Kind: referral.CheckTainted, Name: "stolen", Action: referral.ActionReject},
		{Kind: referral.CheckRelatedSeller, Action: referral.ActionReview}, {Kind: referral.CheckVelocity, Within: day, Most: 9, Action: referral.ActionReview},
		{Kind: referral.CheckSameNetwork, Action: referral.ActionScore, Score: 4}, {Kind: referral.CheckFastRegistration, Within: time.Minute, Action: referral.ActionScore, Score: 5},
		{Kind: referral.CheckFastPayment, Within: time.Minute, Action: referral.ActionReview}, {Kind: referral.CheckStrangers, Within: day, Most: 99, Action: referral.ActionReview},
		{Kind: referral.CheckGuessing, Most: 3, Action: referral.ActionAllow},
		{Kind: referral.CheckHook, Name: "risk", Most: 70, Action: referral.ActionReject, Unanswered: referral.ActionReview},
	}
}

// The terms of every preset, and of a program with everything, in every language: what
// lawyers have read does not change by itself.
func TestGoldenFinePrint(t *testing.T) {
	all := presets()
	all["everything"] = fullOfRules()
	for _, tag := range []string{"en", "en-US", "fr"} {
		var text strings.Builder
		for _, name := range slices.Sorted(mapsKeys(all)) {
			if tag == "en-US" && name != "everything" {
				continue
			}
			p := all[name]
			terms, err := referral.FinePrint(p, language.MustParse(tag), referral.FinePrintOptions{})
			require.NoError(t, err, name)
			fmt.Fprintf(&text, "# %s\n", name)
			for _, term := range terms {
				fmt.Fprintf(&text, "%s: %s %v\n", term.Rule, term.Sentence, term.Refuses)
				require.NotRegexp(t, `[{}\[\]]|%!`, term.Sentence)
			}
		}
		path := filepath.Join("testdata", "fineprint_"+tag+".txt")
		if os.Getenv("UPDATE") != "" {
			require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), text.String(), tag)
	}
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// silent are members of a document that no sentence is about by themselves.
var silent = map[string]bool{"id": true, "version": true, "name": true, "zone": true, "qualify": true}

// Whatever a program's document says that can refuse, withhold, delay or take back is
// told of by a sentence about that very member; and whatever the reason for which
// nobody is bound, some sentence tells of it in advance.
func TestTermsNameEveryRule(t *testing.T) {
	all := fullOfRules()
	rapid.Check(t, func(t *rapid.T) {
		p := program(8)
		keep := func(what string) bool { return rapid.Bool().Draw(t, what) }
		if keep("schedule") {
			p.Schedule, p.Tail = all.Schedule, all.Tail
		}
		if keep("countries") {
			p.Countries = all.Countries
		}
		if keep("windows") {
			p.Window, p.LateCode, p.Attribution = all.Window, all.LateCode, all.Attribution
		}
		if keep("qualify") {
			p.Qualify = all.Qualify
		}
		if keep("waits") {
			p.Hold, p.DueWithin, p.Lateness = all.Hold, all.DueWithin, all.Lateness
		}
		if keep("returns") {
			p.Shortfall, p.Debt = all.Shortfall, all.Debt
		}
		if keep("rewards") {
			p.Rewards, p.Milestones, p.Boosts, p.Uplift = all.Rewards, all.Milestones, all.Boosts, all.Uplift
		}
		if keep("caps") {
			p.Caps, p.Zone = all.Caps, all.Zone
		}
		if keep("budget") {
			p.Budget = eur("1000.00")
			for i := range p.Rewards {
				p.Rewards[i].Worth = coupon.Amounts{eur("5.00")}
				for j := range p.Rewards[i].Tiers {
					p.Rewards[i].Tiers[j].Worth = coupon.Amounts{eur("9.00")}
				}
			}
			p.Milestones, p.Boosts = nil, nil
		}
		if keep("invitations") {
			p.Invitations = all.Invitations
		}
		if keep("checks") {
			p.Checks, p.Thresholds, p.Review = all.Checks, all.Thresholds, all.Review
		}
		if err := p.Validate(); err != nil {
			t.Skip(err.Error())
		}
		tag := rapid.SampledFrom([]language.Tag{language.English, language.French}).Draw(t, "tag")
		terms, err := referral.FinePrint(p, tag, referral.FinePrintOptions{})
		require.NoError(t, err)
		told := map[string]bool{}
		var refuses []referral.Reason
		for _, term := range terms {
			told[term.Rule] = true
			refuses = append(refuses, term.Refuses...)
		}
		for _, member := range members(t, p) {
			require.True(t, told[member], "no sentence about %s: %s", member, terms)
		}
		want := []referral.Reason{
			referral.ReasonNoInvitation, referral.ReasonUnknownCode, referral.ReasonOwnCode, referral.ReasonNotNew, referral.ReasonPaused,
			referral.ReasonClosed, referral.ReasonReferrer, referral.ReasonBound, referral.ReasonTooLate,
		}
		if len(p.Countries) > 0 {
			want = append(want, referral.ReasonCountry)
		}
		if p.Budget.Sign() > 0 {
			want = append(want, referral.ReasonSpent)
		}
		require.Subset(t, refuses, want)
	})
}

// members are those of a program's document, of lists each entry, and of qualify each
// member; without those that do nothing to anybody.
func members(t require.TestingT, p referral.Program) []string {
	text, err := json.Marshal(p)
	require.NoError(t, err)
	var document map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &document))
	var all []string
	for name, body := range document {
		var list []map[string]any
		if json.Unmarshal(body, &list) == nil {
			for i, entry := range list {
				if action, has := entry["action"]; !has || action != "allow" {
					all = append(all, fmt.Sprintf("%s[%d]", name, i))
				}
			}
			continue
		}
		if name == "qualify" {
			var qualify map[string]any
			require.NoError(t, json.Unmarshal(body, &qualify))
			for _, member := range []string{"within", "minimum_spend", "in", "out"} {
				if qualify[member] != nil {
					all = append(all, "qualify."+member)
				}
			}
		}
		if !silent[name] {
			all = append(all, name)
		}
	}
	return all
}

func TestFinePrintFaults(t *testing.T) {
	p := program(8)
	p.Rewards = nil
	require.ErrorIs(t, second(referral.FinePrint(p, language.English, referral.FinePrintOptions{})), referral.ErrProgram)
	p = program(8)
	p.Caps = []referral.Cap{{Amount: ledger.MustMoney("5.00", usd), Period: ledger.Year}}
	p.Rewards[1].Worth = coupon.Amounts{ledger.MustMoney("1.00", usd)}
	terms, err := referral.FinePrint(p, language.Japanese, referral.FinePrintOptions{})
	require.NoError(t, err)
	require.Contains(t, terms.String(), "rewards worth at most $5.00 a calendar year", "English where there is no catalogue")
}

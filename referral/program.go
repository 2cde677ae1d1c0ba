package referral

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// MaxKey is the most bytes a customer's key or another id of the shop's has.
const MaxKey = 100

// Program is the terms of a referral program. It is immutable once published: a
// change is published as the next version under the same id, and a referral stays
// with the version it was bound under.
type Program struct {
	ID      string // [a-z0-9][a-z0-9._-]*, at most 40 bytes
	Version int    // set by publishing, from 1
	Name    string // what customers call it

	// Schedule is when friends can be bound; the zero value: always. Referrals
	// bound in it go on after it.
	Schedule coupon.Interval

	// Window is how long after a touch a registration is credited to it, its end
	// not included. Default 30 days; at most 10 years.
	Window      time.Duration
	Attribution Attribution // among several touches; the zero value: the last

	// QualifyWithin is how long after the registration a payment qualifies, its
	// end not included; 0: without end.
	QualifyWithin time.Duration
	// MinimumSpend is what one order must have paid and kept, one amount per
	// currency; in others nothing qualifies. Empty: any amount above 0.
	MinimumSpend coupon.Amounts

	// Hold is how long after the payment the rewards of qualification wait, for
	// returns and chargebacks; 0: they are granted at once.
	Hold time.Duration
	// DueWithin is how long after the payment those rewards arrive at the latest,
	// as the terms promise; not shorter than Hold. 0: nothing is promised.
	DueWithin time.Duration

	Rewards []Rule
	Boosts  []Boost
	Caps    []Cap
	// Zone is where the days, weeks, months and years of caps begin, as named by
	// the IANA database; empty: UTC.
	Zone string
}

// Attribution says which of several touches is credited.
type Attribution uint8

// Which touch is credited.
const (
	LastTouch Attribution = iota
	FirstTouch
)

// Side is one side of a referral.
type Side string

// The sides of a referral.
const (
	Referrer Side = "referrer" // the customer who invited
	Referee  Side = "referee"  // the friend
)

// Step is what a reward is for.
type Step string

// The steps of a referral.
const (
	Registered Step = "registered" // the friend completed registration
	Qualified  Step = "qualified"  // the friend's first payment, after the hold
)

// Rule says what one side earns at one step: a set of coupons, in the latest
// version of their offers at the time.
type Rule struct {
	Side    Side
	Step    Step
	Coupons []coupon.IssueOffer
}

// Boost is a period in which a rule gives another set, as by a special event. The
// instant of the step counts: the registration, or the payment.
type Boost struct {
	Name string
	coupon.Interval
	Rule
}

// Cap is how many friends a referrer is rewarded for. At the cap the referrer's
// rewards for a friend are withheld for good; the friend is rewarded all the same. A
// place is taken at the first step that rewards the referrer. One that a voided or
// reversed referral frees serves later friends, unless the referrer keeps what
// registration gave.
type Cap struct {
	Friends int64         // at least 1
	Period  ledger.Period // counted anew each day, week, month or year; the zero value: once and for all
}

// AliExpress is the program of the marketplace of that name: the friend, who never
// registered before, gets a set of coupons on registering by the personal link; the
// referrer gets one coupon for the friend's first payment, of any amount, within 24
// hours; a cancelled or refunded order earns nothing; a limited number of friends
// counts. The number is not published, so it is a parameter, like the coupons.
func AliExpress(id string, friends int64, welcome []coupon.IssueOffer, reward coupon.IssueOffer) Program {
	return Program{
		ID: id, Name: "Invite your friends",
		DueWithin: 24 * time.Hour,
		Rewards: []Rule{
			{Side: Referee, Step: Registered, Coupons: welcome},
			{Side: Referrer, Step: Qualified, Coupons: []coupon.IssueOffer{reward}},
		},
		Caps: []Cap{{Friends: friends}},
	}
}

const (
	defaultWindow = 30 * 24 * time.Hour
	maxWait       = 10 * 365 * 24 * time.Hour
)

var programID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

// Validate checks the program and fails with a [*Faults] that lists everything
// wrong with it.
func (p *Program) Validate() error {
	faults := &Faults{Kind: ErrProgram}
	if !programID.MatchString(p.ID) {
		faults.add("id", "is %.80q, want %s", p.ID, programID)
	}
	if p.Version < 0 {
		faults.add("version", "is %d; publishing sets it", p.Version)
	}
	if p.Name == "" || len(p.Name) > 200 || !printable(p.Name) {
		faults.add("name", "is %.40q, want 1 to 200 bytes of text", p.Name)
	}
	checkInterval("schedule", p.Schedule, faults)
	for _, wait := range []struct {
		path string
		d    time.Duration
	}{{"window", p.Window}, {"qualify_within", p.QualifyWithin}, {"hold", p.Hold}, {"due_within", p.DueWithin}} {
		if wait.d < 0 || wait.d > maxWait || wait.d%time.Microsecond != 0 {
			faults.add(wait.path, "is %s, want 0 to 10 years in whole microseconds", wait.d)
		}
	}
	if p.DueWithin > 0 && p.Hold > p.DueWithin {
		faults.add("hold", "is %s, but rewards are promised within %s", p.Hold, p.DueWithin)
	}
	if p.Attribution > FirstTouch {
		faults.add("attribution", "is %d, which is not defined", p.Attribution)
	}
	for i, m := range p.MinimumSpend {
		if first, _ := p.MinimumSpend.In(m.Currency()); m.Currency().IsZero() || m.Sign() <= 0 || first != m {
			faults.add(fmt.Sprintf("minimum_spend[%d]", i), "is %s, want one amount above 0 per currency", m)
		}
	}
	p.checkRewards(faults)
	p.checkCaps(faults)
	return faults.orNil()
}

func (p *Program) checkRewards(faults *Faults) {
	if len(p.Rewards) == 0 {
		faults.add("rewards", "is empty: nobody would earn anything")
	}
	for i, r := range p.Rewards {
		path := fmt.Sprintf("rewards[%d]", i)
		r.check(path, faults)
		if slices.ContainsFunc(p.Rewards[:i], r.sameStep) {
			faults.add(path, "is a second rule for the %s when %s: put the coupons into one", r.Side, r.Step)
		}
	}
	for i, b := range p.Boosts {
		path := fmt.Sprintf("boosts[%d]", i)
		if b.Name == "" || len(b.Name) > MaxKey || !printable(b.Name) {
			faults.id(path+".name", b.Name, false)
		}
		b.Rule.check(path, faults)
		checkInterval(path, b.Interval, faults)
		if !slices.ContainsFunc(p.Rewards, b.Rule.sameStep) {
			faults.add(path, "boosts the %s when %s, who earns nothing then", b.Side, b.Step)
		}
		for j, other := range p.Boosts[:i] {
			if other.sameStep(b.Rule) && overlap(other.Interval, b.Interval) {
				faults.add(path, "overlaps boosts[%d] for the same side and step", j)
			}
		}
	}
}

func (r Rule) sameStep(other Rule) bool { return r.Side == other.Side && r.Step == other.Step }

func (r Rule) check(path string, faults *Faults) {
	if r.Side != Referrer && r.Side != Referee {
		faults.add(path+".side", "is %.20q, want %s or %s", r.Side, Referrer, Referee)
	}
	if r.Step != Registered && r.Step != Qualified {
		faults.add(path+".step", "is %.20q, want %s or %s", r.Step, Registered, Qualified)
	}
	if len(r.Coupons) == 0 {
		faults.add(path+".coupons", "is empty")
	}
	total := 0
	for i, o := range r.Coupons {
		at := fmt.Sprintf("%s.coupons[%d]", path, i)
		if o.Offer == "" || len(o.Offer) > MaxKey || !printable(o.Offer) {
			faults.id(at+".offer", o.Offer, false)
		}
		if o.Code != "" {
			faults.add(at+".code", "is chosen, but every reward needs a code of its own: leave it empty")
		}
		if o.Version < 0 {
			faults.add(at+".version", "is %d, want 0 for the latest or a published one", o.Version)
		}
		if o.Count < 0 || o.Count > maxRewardCoupons {
			faults.add(at+".count", "is %d, want 0 (for one) to %d", o.Count, maxRewardCoupons)
			continue
		}
		total += max(1, o.Count)
	}
	if total > maxRewardCoupons {
		faults.add(path+".coupons", "are %d, at most %d are allowed", total, maxRewardCoupons)
	}
}

// maxRewardCoupons bounds the set that one reward gives.
const maxRewardCoupons = 20

func (p *Program) checkCaps(faults *Faults) {
	for i, c := range p.Caps {
		path := fmt.Sprintf("caps[%d]", i)
		if c.Friends < 1 {
			faults.add(path+".friends", "is %d, want at least 1", c.Friends)
		}
		if !c.Period.Valid() {
			faults.add(path+".period", "is %.20q, which is not defined", c.Period)
		}
		if slices.ContainsFunc(p.Caps[:i], func(o Cap) bool { return o.Period == c.Period }) {
			faults.add(path+".period", "has a cap already")
		}
	}
	if _, err := p.zone(); err != nil {
		faults.add("zone", "%.80q is not a time zone of the IANA database", p.Zone)
	}
}

func (p *Program) zone() (*time.Location, error) {
	if p.Zone == "Local" { // the machine's own zone would make two machines disagree
		return nil, fmt.Errorf("referral: the zone %q depends on the machine", p.Zone)
	}
	return time.LoadLocation(p.Zone)
}

func (p *Program) window() time.Duration {
	if p.Window == 0 {
		return defaultWindow
	}
	return p.Window
}

// rule gives what a side earns at a step taken at an instant, boosted where it is,
// with the boost's name; false when it earns nothing.
func (p *Program) rule(side Side, step Step, at time.Time) (Rule, string, bool) {
	want := Rule{Side: side, Step: step}
	for _, b := range p.Boosts {
		if b.sameStep(want) && b.Contains(at) {
			return b.Rule, b.Name, true
		}
	}
	i := slices.IndexFunc(p.Rewards, want.sameStep)
	if i < 0 {
		return Rule{}, "", false
	}
	return p.Rewards[i], "", true
}

// claims are what rewarding the referrer for one more friend at an instant takes
// from each cap.
func (p *Program) claims(referrer string, at time.Time) ([]ledger.Claim, error) {
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	var claims []ledger.Claim
	for _, c := range p.Caps {
		label, end := c.Period.At(at, zone)
		claim := ledger.Claim{Counter: capCounter(p.ID, label, referrer), N: 1, Max: c.Friends}
		if !end.IsZero() {
			claim.Until = end.Add(counterLife).UnixMicro()
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

// counterLife is how long the counter of a period is kept after it, so that a place
// taken near its end can still be given back to it.
const counterLife = 400 * 24 * time.Hour

// capCounters begins the names of the caps' counters.
const capCounters = "friends/"

func capCounter(program, label, referrer string) string {
	if label != "" {
		label = "/" + label
	}
	return capCounters + program + label + "/referrer/" + referrer
}

func checkInterval(path string, i coupon.Interval, faults *Faults) {
	for _, end := range []struct {
		path string
		at   time.Time
	}{{".from", i.From}, {".until", i.Until}} {
		if !end.at.IsZero() && !validInstant(end.at) {
			faults.add(path+end.path, "is %s, want an instant between 1970 and 9999", end.at)
		}
	}
	if !i.Until.IsZero() && !i.From.Before(i.Until) {
		faults.add(path+".until", "does not lie after from: no time is left")
	}
}

func overlap(a, b coupon.Interval) bool {
	return (a.Until.IsZero() || b.From.Before(a.Until)) && (b.Until.IsZero() || a.From.Before(b.Until))
}

func validInstant(at time.Time) bool {
	return at.UTC().Year() >= 1970 && at.UTC().Year() <= 9999 && at.UnixMicro() > 0
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

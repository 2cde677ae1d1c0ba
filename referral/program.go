package referral

import (
	"fmt"
	"regexp"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/strict"
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
	// Tail is how long after the end of Schedule bound friends can still qualify;
	// 0: as long as Qualify.Within says. A friend always has all of Within.
	Tail time.Duration
	// Countries are those a friend may come from, in two capital letters; empty: any.
	Countries []string

	// Window is how long after a touch a registration is credited to it, its end
	// not included. Default 30 days; at most 10 years.
	Window      time.Duration
	Attribution Attribution // among several touches; the zero value: the last
	// LateCode is how long after a registration that nobody was credited for a code
	// can be entered ([Service.EnterCode]), its end not included; 0: never.
	LateCode time.Duration

	// Qualify says what the friend must do.
	Qualify Qualification
	// Lateness is how late facts may be told: the program decides that long behind
	// the clock, over facts in the order of their instants, and what it decides does
	// not depend on the order in which they arrived. Default 0: at once, over what is
	// known.
	Lateness time.Duration

	// Hold is how long after the payment the rewards of qualification wait, for
	// returns and chargebacks; 0: they are granted at once.
	Hold time.Duration
	// DueWithin is how long after the payment those rewards arrive at the latest,
	// as the terms promise; not shorter than Hold and Lateness. 0: nothing is promised.
	DueWithin time.Duration
	// Shortfall is what a partial return does that leaves less than what qualified.
	Shortfall Shortfall
	// Debt is what becomes of rewards that were used before they were taken back.
	Debt Debt

	Rewards    []Rule
	Milestones []Milestone
	Boosts     []Boost
	Caps       []Cap        // per referrer
	Budget     ledger.Money // what all rewards may be worth together; zero: no budget
	// Uplift has this version raise what friends bound under earlier ones bring,
	// where it gives more and was not promised yet. It never lowers anything: coupons,
	// and what the shop grants by itself, give way only to more of the same, or to what
	// is worth as much where both say their Worth.
	Uplift      bool
	Invitations Invitations // that the shop sends for its referrers
	// Checks are what is looked at against fraud; Thresholds are what their scores do.
	Checks     []Check
	Thresholds []Threshold
	// Review is for how long a case may be open, and what happens then.
	Review Review
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

// Shortfall is what a return does that leaves something of what qualified, and less
// than the terms ask for. A return of everything always ends the referral.
type Shortfall string

// What a shortfall does.
const (
	ShortfallVoids   Shortfall = ""        // the referral ends, as if everything had come back; the default
	ShortfallKeeps   Shortfall = "keep"    // nothing
	ShortfallReduces Shortfall = "prorate" // the credit of qualification shrinks with what was kept; coupons stay
)

// Debt is what becomes of what a customer owes: rewards taken back that were used.
type Debt string

// What becomes of a debt.
const (
	DebtRecorded Debt = ""        // it is on record, and nothing more; the default
	DebtSetOff   Debt = "set_off" // the customer's next rewards of the program are less by it
	DebtReviewed Debt = "review"  // a case is opened for staff, whose verdict is on record and moves nothing
)

// Review says how long a case that the program opens may stay open, and what happens
// when nobody looks.
type Review struct {
	Within    time.Duration // required where the program opens cases
	Otherwise Verdict       // when nobody has decided by then; default [Approve]
}

// Verdict is what is decided about a case.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
)

const (
	defaultWindow = 30 * 24 * time.Hour
	maxWait       = 10 * 365 * 24 * time.Hour
)

var (
	programID   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

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
	if p.Name == "" || len(p.Name) > 200 {
		faults.add("name", "is %.40q, want 1 to 200 bytes of text", p.Name)
	} else if !strict.Readable(p.Name) {
		faults.add("name", "%s", strict.Unreadable(p.Name))
	}
	checkInterval("schedule", p.Schedule, faults)
	if p.Tail > 0 && p.Schedule.Until.IsZero() {
		faults.add("tail", "is %s after an end that the schedule does not have", p.Tail)
	}
	faults.most("countries", len(p.Countries), 250)
	for i, c := range p.Countries {
		if !countryCode.MatchString(c) {
			faults.add(fmt.Sprintf("countries[%d]", i), "is %.20q, want two capital letters", c)
		}
	}
	p.checkWaits(faults)
	if p.Attribution > FirstTouch {
		faults.add("attribution", "is %d, which is not defined", p.Attribution)
	}
	p.Qualify.check(faults)
	p.checkReturns(faults)
	p.checkRewards(faults)
	p.checkCaps(faults)
	p.checkFraud(faults)
	p.checkInvitations(faults)
	return faults.orNil()
}

func (p *Program) checkWaits(faults *Faults) {
	for _, wait := range []struct {
		path string
		d    time.Duration
	}{
		{"tail", p.Tail}, {"window", p.Window}, {"late_code", p.LateCode}, {"qualify.within", p.Qualify.Within}, {"lateness", p.Lateness},
		{"hold", p.Hold}, {"due_within", p.DueWithin}, {"review.within", p.Review.Within},
	} {
		if wait.d < 0 || wait.d > maxWait || wait.d%time.Microsecond != 0 {
			faults.add(wait.path, "is %s, want 0 to 10 years in whole microseconds", wait.d)
		}
	}
	if p.DueWithin > 0 && p.Hold > p.DueWithin {
		faults.add("hold", "is %s, but rewards are promised within %s", p.Hold, p.DueWithin)
	} else if p.DueWithin > 0 && p.Hold+p.Lateness > p.DueWithin {
		faults.add("lateness", "is %s after a hold of %s, but rewards are promised within %s", p.Lateness, p.Hold, p.DueWithin)
	}
}

func (p *Program) checkReturns(faults *Faults) {
	switch p.Shortfall {
	case ShortfallVoids, ShortfallKeeps, ShortfallReduces:
	default:
		faults.add("shortfall", "is %.20q, want %q, %q or nothing to void", p.Shortfall, ShortfallKeeps, ShortfallReduces)
	}
	switch p.Debt {
	case DebtRecorded, DebtSetOff, DebtReviewed:
	default:
		faults.add("debt", "is %.20q, want %q, %q or nothing to record it", p.Debt, DebtSetOff, DebtReviewed)
	}
	switch p.Review.Otherwise {
	case "", Approve, Deny:
	default:
		faults.add("review.otherwise", "is %.20q, want %q or %q", p.Review.Otherwise, Approve, Deny)
	}
	if p.Debt == DebtReviewed && p.Review.Within == 0 {
		faults.add("review.within", "is missing: a case without a time-out could stay open for ever")
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

// deadline is when a friend bound at an instant can no longer qualify; the zero time:
// never. What Within promises, no end of the program takes away.
func (p *Program) deadline(bound time.Time, ending ending) time.Time {
	if p.Qualify.Within > 0 {
		return bound.Add(p.Qualify.Within)
	}
	end := ending.last()
	if p.Tail > 0 {
		if own := p.Schedule.Until.Add(p.Tail); end.IsZero() || own.Before(end) {
			end = own
		}
	}
	if !end.IsZero() && end.Before(bound) {
		return bound
	}
	return end
}

// ending is how staff end a program: see [Service.End].
type ending struct {
	at   time.Time // zero: it was not ended
	tail time.Duration
}

func (e ending) last() time.Time {
	if e.at.IsZero() {
		return time.Time{}
	}
	return e.at.Add(e.tail)
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

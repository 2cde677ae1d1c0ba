package referral

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// CheckKind is what a check looks at. The set is closed.
type CheckKind string

// The checks. Each finds a figure, and fires when that is above [Check.Most]; those of
// time fire when it is shorter than [Check.Within].
const (
	// Both accounts are one person's: they were merged ([Service.Merge]). No program
	// configures it; it always opens a case.
	CheckSameAccount CheckKind = "same_account"
	// The friend shares it with the referrer: how many of that kind.
	CheckSameEmail      CheckKind = "same_email"
	CheckSamePhone      CheckKind = "same_phone"
	CheckSameInstrument CheckKind = "same_instrument"
	CheckSameDevice     CheckKind = "same_device"
	// The friend has an e-mail address, phone or card of another account, which need
	// not be the referrer's: how many.
	CheckKnownPerson CheckKind = "known_person"
	// Somebody of both has something on the taint list of this Name: how many.
	CheckTainted CheckKind = "tainted"
	// The friend paid for goods of a seller whom the referrer, or the friend, runs
	// ([Person].Sellers): how many such sellers.
	CheckRelatedSeller CheckKind = "related_seller"
	// Friends bound to the referrer within Within before.
	CheckVelocity CheckKind = "velocity"
	// Registrations from the friend's network on that day, in UTC. It can allow and
	// score, and nothing else: many people have one address.
	CheckSameNetwork CheckKind = "same_network"
	// The friend registered sooner than Within after following the link.
	CheckFastRegistration CheckKind = "fast_registration"
	// The friend paid sooner than Within after registering.
	CheckFastPayment CheckKind = "fast_payment"
	// Visits by the referrer's links within Within before: codes that are published
	// are seen by strangers.
	CheckStrangers CheckKind = "strangers"
	// Codes nobody has that the visitor tried that day and the day before, in UTC.
	CheckGuessing CheckKind = "guessing"
	// The hook of this Name answered that much ([Options].FraudHooks).
	CheckHook CheckKind = "hook"
	// The scores of the checks that fired, together; see [Program].Thresholds.
	CheckScore CheckKind = "score"
)

// kindOfCheck is what a kind needs, and when it is decided.
type kindOfCheck struct {
	kind        CheckKind
	within      bool // it looks back, or measures time
	named       bool
	people      bool // it needs PersonKeys
	registering bool // it is decided at registration
	paying      bool // it is decided at payments
}

var checkKinds = []kindOfCheck{
	{CheckSameEmail, false, false, true, true, true},
	{CheckSamePhone, false, false, true, true, true},
	{CheckSameInstrument, false, false, true, true, true},
	{CheckSameDevice, false, false, true, true, true},
	{CheckKnownPerson, false, false, true, true, true},
	{CheckTainted, false, true, true, true, true},
	{CheckRelatedSeller, false, false, true, false, true},
	{CheckVelocity, true, false, false, true, false},
	{CheckSameNetwork, false, false, true, true, false},
	{CheckFastRegistration, true, false, false, true, false},
	{CheckFastPayment, true, false, false, false, true},
	{CheckStrangers, true, false, false, true, false},
	{CheckGuessing, false, false, false, true, false},
	{CheckHook, false, true, false, true, false},
}

// Check is one check of a program against fraud, and what it does when it fires. Every
// check that fired is on record as a fact, with its figures, and is decided once:
// what came of it does not change when the figures do.
type Check struct {
	Kind CheckKind
	Name string // of a hook or a taint list
	// Most is the figure that is still fine. Default 0: the first one fires. A check
	// that measures time has none.
	Most   int64
	Within time.Duration // of velocity, strangers, fast_registration, fast_payment; at most a year

	Action Action
	Side   Side  // whose rewards ActionWithhold withholds
	Score  int64 // what ActionScore adds, 1 to 1,000
	// Unanswered is what a hook does that fails or takes too long; required there.
	Unanswered Action
}

// Threshold is what scores do that come to AtLeast together. The highest that is
// reached counts.
type Threshold struct {
	AtLeast int64
	Action  Action // review, withhold or reject
	Side    Side   // whose rewards ActionWithhold withholds
}

const (
	maxChecks   = 50
	maxScore    = 1000
	maxCheckFor = 366 * 24 * time.Hour
	maxCounted  = 1000 // what a check counts up to, and the most its Most can be below
)

var checkName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,39}$`)

// checkFraud checks the checks.
func (p *Program) checkFraud(faults *Faults) {
	faults.most("checks", len(p.Checks), maxChecks)
	faults.most("thresholds", len(p.Thresholds), maxChecks)
	var ofNetworks, all int64
	for i := range p.Checks {
		c, path := &p.Checks[i], fmt.Sprintf("checks[%d]", i)
		c.check(path, faults)
		if slices.ContainsFunc(p.Checks[:i], func(o Check) bool { return o.id() == c.id() }) {
			faults.add(path, "is a second check of %s", c.id())
		}
		if c.Action == ActionScore {
			all += c.Score
			if c.Kind == CheckSameNetwork {
				ofNetworks += c.Score
			}
		}
	}
	for i, t := range p.Thresholds {
		path := fmt.Sprintf("thresholds[%d]", i)
		switch t.Action {
		case ActionReview, ActionWithhold, ActionReject:
		default:
			faults.add(path+".action", "is %.20q, want %s, %s or %s", t.Action, ActionReview, ActionWithhold, ActionReject)
		}
		checkSide(path, t.Action, t.Side, faults)
		switch {
		case t.AtLeast < 1:
			faults.add(path+".at_least", "is %d, want 1 or more", t.AtLeast)
		case t.AtLeast > all:
			faults.add(path+".at_least", "is %d, but all checks together score %d: it would never be reached", t.AtLeast, all)
		case t.AtLeast <= ofNetworks:
			faults.add(path+".at_least", "is %d, and a network address alone scores %d: an address alone must do nothing to anybody", t.AtLeast, ofNetworks)
		}
		if slices.ContainsFunc(p.Thresholds[:i], func(o Threshold) bool { return o.AtLeast == t.AtLeast }) {
			faults.add(path, "is a second threshold at %d", t.AtLeast)
		}
	}
	if p.reviews() && p.Review.Within == 0 {
		faults.add("review.within", "is missing: a case without a time-out could stay open for ever")
	}
}

// reviews says that a check or a threshold may open a case.
func (p *Program) reviews() bool {
	return slices.ContainsFunc(p.Checks, func(c Check) bool { return c.Action == ActionReview || c.Unanswered == ActionReview }) ||
		slices.ContainsFunc(p.Thresholds, func(t Threshold) bool { return t.Action == ActionReview })
}

func (c *Check) check(path string, faults *Faults) {
	kind := c.needs()
	if kind.kind == "" {
		faults.add(path+".kind", "is %.40q, which is no check", c.Kind)
		return
	}
	if kind.named != checkName.MatchString(c.Name) {
		faults.add(path+".name", "is %.40q, want %s for hooks and taint lists, and nothing else", c.Name, checkName)
	}
	switch {
	case kind.within && (c.Within <= 0 || c.Within > maxCheckFor || c.Within%time.Microsecond != 0):
		faults.add(path+".within", "is %s, want up to a year in whole microseconds", c.Within)
	case !kind.within && c.Within != 0:
		faults.add(path+".within", "is %s, which %s does not look at", c.Within, c.Kind)
	}
	if c.Most < 0 || c.Most >= maxCounted || c.measures() && c.Most != 0 {
		faults.add(path+".most", "is %d, want 0 to %d, and nothing where time is measured", c.Most, maxCounted-1)
	}
	checkAction(path+".action", c.Action, faults)
	checkSide(path, c.Action, c.Side, faults)
	if scores := c.Action == ActionScore; scores != (c.Score != 0) || c.Score < 0 || c.Score > maxScore {
		faults.add(path+".score", "is %d, want 1 to %d for what scores, and nothing else", c.Score, maxScore)
	}
	if c.Kind == CheckSameNetwork && c.Action != ActionAllow && c.Action != ActionScore {
		faults.add(path+".action", "is %s: an address alone must do nothing to anybody, so it can only %s or %s", c.Action, ActionAllow, ActionScore)
	}
	switch {
	case c.Kind == CheckHook && c.Unanswered != ActionAllow && c.Unanswered != ActionReview && c.Unanswered != ActionReject:
		faults.add(path+".unanswered", "is %.20q, want %s, %s or %s: what happens when the hook fails", c.Unanswered, ActionAllow, ActionReview, ActionReject)
	case c.Kind != CheckHook && c.Unanswered != "":
		faults.add(path+".unanswered", "is %.20q, and only hooks fail", c.Unanswered)
	}
}

func checkAction(path string, a Action, faults *Faults) {
	switch a {
	case ActionAllow, ActionScore, ActionReview, ActionWithhold, ActionReject:
	default:
		faults.add(path, "is %.20q, want %s, %s, %s, %s or %s", a, ActionAllow, ActionScore, ActionReview, ActionWithhold, ActionReject)
	}
}

func checkSide(path string, a Action, side Side, faults *Faults) {
	if withholds := a == ActionWithhold; withholds != (side == Referrer || side == Referee) {
		faults.add(path+".side", "is %.20q, want %s or %s for what withholds, and nothing else", side, Referrer, Referee)
	}
}

// needs gives what the check's kind needs; the zero value for what is no check.
func (c *Check) needs() kindOfCheck {
	if i := slices.IndexFunc(checkKinds, func(k kindOfCheck) bool { return k.kind == c.Kind }); i >= 0 {
		return checkKinds[i]
	}
	return kindOfCheck{}
}

// measures says that the check is about how short a time was.
func (c *Check) measures() bool { return c.Kind == CheckFastRegistration || c.Kind == CheckFastPayment }

func (c *Check) id() string {
	if c.Name == "" {
		return string(c.Kind)
	}
	return string(c.Kind) + "/" + c.Name
}

// figure is what was found for one check.
type figure struct {
	known  bool  // it could be looked at
	found  int64 // or seconds, where the check measures time
	failed string
}

// fired is a check that fired, and what it does.
type fired struct {
	id     string
	action Action
	side   Side
	score  int64
	found  int64
	limit  int64
	why    string // for staff, with the figures
}

// evaluate says which checks fire on what was found, and what the scores of those and
// of the ones that fired before come to. It is a pure function of its arguments.
func evaluate(p *Program, checks []Check, found []figure, scored int64) []fired {
	var all []fired
	sum := scored
	for i := range checks {
		f, fires := checks[i].fires(&found[i])
		if !fires {
			continue
		}
		all = append(all, f)
		sum += f.score
	}
	if sum == scored {
		return all
	}
	var reached *Threshold
	for i := range p.Thresholds {
		if t := &p.Thresholds[i]; t.AtLeast > scored && t.AtLeast <= sum && (reached == nil || t.AtLeast > reached.AtLeast) {
			reached = t
		}
	}
	if reached != nil {
		all = append(all, fired{
			id: fmt.Sprintf("%s/%d", CheckScore, reached.AtLeast), action: reached.Action, side: reached.Side, found: sum, limit: reached.AtLeast,
			why: fmt.Sprintf("the checks score %d together, and %d is the threshold", sum, reached.AtLeast),
		})
	}
	return all
}

// fires says whether a check fires on its figure.
func (c *Check) fires(found *figure) (fired, bool) {
	f := fired{id: c.id(), action: c.Action, side: c.Side, score: c.Score, found: found.found, limit: c.Most}
	switch {
	case found.failed != "":
		f.action, f.side, f.score = c.Unanswered, "", 0
		f.why = fmt.Sprintf("%s: no answer: %s", f.id, found.failed)
	case !found.known:
		return fired{}, false
	case c.measures():
		f.limit = int64(c.Within / time.Second)
		f.why = fmt.Sprintf("%s: after %d seconds, want at least %s", f.id, found.found, c.Within)
		return f, time.Duration(found.found)*time.Second < c.Within
	case found.found <= c.Most:
		return fired{}, false
	default:
		f.why = fmt.Sprintf("%s: found %d, more than %d", f.id, found.found, c.Most)
	}
	return f, true
}

package referral

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/ledger"
)

// Terms are the terms and conditions of a program, as they are told to a referrer: one
// sentence after the other.
type Terms []Term

// Term is one sentence of the terms.
type Term struct {
	// Rule is what the sentence is about: a member of the program as its document names
	// it, as in "qualify" or "caps[1]", or what every program has in common: "customers",
	// "referrer", "rewards", "changes".
	Rule     string
	Sentence string
	// Refuses are the reasons why nobody is bound that the sentence tells of in advance.
	Refuses []Reason
}

// String is the sentences, one to a line.
func (t Terms) String() string {
	sentences := make([]string, len(t))
	for i := range t {
		sentences[i] = t[i].Sentence
	}
	return strings.Join(sentences, "\n")
}

// FinePrintOptions say what a shop calls things of its own. The zero value works.
type FinePrintOptions struct {
	// Name gives what customers call a thing that the program names by an id, in the
	// language of the terms; "" for the id itself. What is one of: offer, custom, fact,
	// category and seller. Nil: every id itself.
	Name func(what, id string) string
}

// FinePrint is a program's terms and conditions in plain words, made from its data
// alone: who may take part, what counts, what each side earns and when, and everything
// that can refuse or withhold a reward. What is checked against fraud is named, with no
// figures that would help to stay below them.
//
// Amounts, numbers and dates are in the form of the reader's language and region, days
// in the program's zone. The language is the tag's own or its parent's; English when
// there is no catalogue of either. It fails as [Program.Validate] does.
func FinePrint(p Program, tag language.Tag, options FinePrintOptions) (Terms, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	f := &printing{Speaker: wordings.Speaker(tag), program: &p, zone: zone, name: options.Name}
	f.participants()
	f.attribution()
	f.qualification()
	f.rewards()
	f.waiting()
	f.limits()
	f.returns()
	f.fraud()
	f.changes()
	return f.terms, nil
}

// printing is the work on one program's terms.
type printing struct {
	*wording.Speaker
	program *Program
	zone    *time.Location
	name    func(what, id string) string
	terms   Terms
	coupons bool // some reward is one
}

func (p *printing) add(rule, sentence string, refuses ...Reason) {
	p.terms = append(p.terms, Term{rule, sentence, refuses})
}

func (p *printing) call(what, id string) string {
	if p.name != nil {
		if name := p.name(what, id); name != "" {
			return name
		}
	}
	return id
}

func (p *printing) list(what string, ids []string) string {
	names := slices.Clone(ids)
	for i, id := range names[:min(len(ids), wording.MaxNamed)] {
		names[i] = p.call(what, id)
	}
	return p.Or(names)
}

func (p *printing) at(at time.Time) string { return p.DateTime(at.In(p.zone)) }

// participants says who may invite whom, when and from where.
func (p *printing) participants() {
	t := p.program
	p.add("customers", p.Say("terms_new", "name", t.Name), ReasonNotNew, ReasonBound)
	p.add("referrer", p.Say("terms_self"), ReasonOwnCode)
	if len(t.Countries) > 0 {
		p.add("countries", p.Say("terms_countries", "list", p.Or(t.Countries)), ReasonCountry)
	}
	if from := t.Schedule.From; !from.IsZero() {
		p.add("schedule", p.Say("terms_from", "from", p.at(from)), ReasonClosed)
	}
	if until := t.Schedule.Until; !until.IsZero() {
		p.add("schedule", p.Say("terms_until", "until", p.at(until)), ReasonClosed)
	}
	if t.Tail > 0 {
		p.add("tail", p.Say("terms_tail", "duration", p.Duration(t.Tail)))
	}
	if i := &t.Invitations; i.PerSend > 0 {
		limits := []string{p.Count("terms_invite_send", i.PerSend)}
		if i.PerDay > 0 {
			limits = append(limits, p.Count("terms_invite_day", i.PerDay))
		}
		if i.Total > 0 {
			limits = append(limits, p.Count("terms_invite_total", i.Total))
		}
		p.add("invitations", p.Say("terms_invite", "limits", p.And(limits), "duration", p.Duration(cmp.Or(i.Life, t.window()))))
	}
}

// attribution says whose friend somebody is.
func (p *printing) attribution() {
	t := p.program
	p.add("window", p.Say("terms_window", "duration", p.Duration(t.window())), ReasonNoInvitation)
	which := map[Attribution]string{FirstTouch: "terms_first", LastTouch: "terms_last"}[t.Attribution]
	p.add("attribution", p.Say(which), ReasonUnknownCode)
	if t.LateCode > 0 {
		p.add("late_code", p.Say("terms_late", "duration", p.Duration(t.LateCode)), ReasonTooLate)
	} else {
		p.add("late_code", p.Say("terms_no_late"), ReasonTooLate)
	}
}

// qualification says what the friend must do.
func (p *printing) qualification() {
	t, q := p.program, &p.program.Qualify
	nth := int64(q.nth())
	switch {
	case q.On == OnRegistration:
		p.add("qualify", p.Say("terms_on_registration"))
	case q.On == OnFact:
		p.add("qualify", p.Count("terms_on_fact", nth, "fact", p.call("fact", q.Fact)))
	case q.Cumulative:
		p.add("qualify", p.Say("terms_on_payments"))
	default:
		p.add("qualify", p.Count("terms_on_payment", nth))
	}
	if q.Within > 0 {
		p.add("qualify.within", p.Say("terms_within", "duration", p.Duration(q.Within)))
	}
	if len(q.MinimumSpend) > 0 {
		key := "terms_minimum"
		if q.Cumulative {
			key = "terms_minimum_together"
		}
		p.add("qualify.minimum_spend", p.Say(key, "amounts", p.Amounts(q.MinimumSpend)))
	}
	for _, scope := range []struct {
		rule, key, what string
		ids             []string
	}{
		{"qualify.in", "terms_categories", "category", q.In.Categories}, {"qualify.in", "terms_sellers", "seller", q.In.Sellers},
		{"qualify.out", "terms_not_categories", "category", q.Out.Categories}, {"qualify.out", "terms_not_sellers", "seller", q.Out.Sellers},
	} {
		if len(scope.ids) > 0 {
			p.add(scope.rule, p.Say(scope.key, "list", p.list(scope.what, scope.ids)))
		}
	}
	if q.On == OnPayment {
		p.add("qualify", p.Say("terms_credit"))
	}
	if t.Lateness > 0 {
		p.add("lateness", p.Say("terms_lateness", "duration", p.Duration(t.Lateness)))
	}
}

// rewards says what each side earns.
func (p *printing) rewards() {
	t := p.program
	for i := range t.Rewards {
		r := &t.Rewards[i]
		path := fmt.Sprintf("rewards[%d]", i)
		p.add(path, p.Say(who(r), "earning", p.earning(&r.Earning)))
		p.reservations(path, &r.Earning)
		for j := range r.Tiers {
			tier := &r.Tiers[j]
			p.add(path+".tiers", p.Count("terms_tier", tier.From, "earning", p.earning(&tier.Earning)))
			p.reservations(path+".tiers", &tier.Earning)
		}
	}
	for i := range t.Milestones {
		m := &t.Milestones[i]
		key := "terms_milestone"
		if m.Repeat {
			key = "terms_milestone_each"
		}
		path := fmt.Sprintf("milestones[%d]", i)
		p.add(path, p.Count(key, m.Friends, "earning", p.earning(&m.Earning)))
		p.reservations(path, &m.Earning)
	}
	for i := range t.Boosts {
		p.boost(fmt.Sprintf("boosts[%d]", i), &t.Boosts[i])
	}
	if p.coupons {
		p.add("rewards", p.Say("terms_coupon_terms"))
	}
	if t.Uplift {
		p.add("uplift", p.Say("terms_uplift"))
	}
}

// who gives the key of the sentence for a side at a step.
func who(r *Rule) string {
	if r.Side == Referrer {
		return map[Step]string{Registered: "terms_referrer_registered", Qualified: "terms_referrer_qualified"}[r.Step]
	}
	return map[Step]string{Registered: "terms_referee_registered", Qualified: "terms_referee_qualified"}[r.Step]
}

func (p *printing) boost(path string, b *Boost) {
	side := p.Say(map[Side]string{Referrer: "terms_you", Referee: "terms_friend"}[b.Side])
	gives := p.earning(&b.Earning)
	if b.Percent > 0 {
		gives = p.Say("terms_percent", "percent", p.Integer(int64(b.Percent)))
	}
	key := map[[2]bool]string{
		{}: "terms_boost", {true, false}: "terms_boost_from", {false, true}: "terms_boost_until", {true, true}: "terms_boost_from_until",
	}[[2]bool{!b.From.IsZero(), !b.Until.IsZero()}]
	p.add(path, p.Say(key, "name", b.Name, "side", side, "earning", gives, "from", p.at(b.From), "until", p.at(b.Until)))
	p.reservations(path, &b.Earning)
}

// earning says what one reward gives.
func (p *printing) earning(e *Earning) string {
	var parts []string
	for _, o := range e.Coupons {
		p.coupons = true
		parts = append(parts, p.Count("terms_coupons", int64(max(1, o.Count)), "offer", p.call("offer", o.Offer)))
	}
	if len(e.Credit) > 0 {
		parts = append(parts, p.Say("terms_money", "amounts", p.Amounts(e.Credit)))
	}
	if e.Custom != nil {
		parts = append(parts, p.call("custom", e.Custom.Kind))
	}
	return p.And(parts)
}

// reservations are what else is to be said of what one reward gives.
func (p *printing) reservations(path string, e *Earning) {
	if e.fromStock() {
		p.add(path+".coupons", p.Say("terms_stock"))
	}
	if e.Life > 0 {
		p.add(path+".life", p.Say("terms_life", "duration", p.Duration(e.Life)))
	}
}

// waiting says when rewards arrive.
func (p *printing) waiting() {
	t := p.program
	if t.Hold > 0 {
		p.add("hold", p.Say("terms_hold", "duration", p.Duration(t.Hold)))
	}
	if t.DueWithin > 0 {
		p.add("due_within", p.Say("terms_due", "duration", p.Duration(t.DueWithin)))
	}
	p.add("rewards", p.Say("terms_wait"))
}

// limits says how much there is.
func (p *printing) limits() {
	t := p.program
	for i, c := range t.Caps {
		period := cmp.Or(string(c.Period), "ever")
		sentence := p.Say("terms_cap_"+period, "most", p.Count("terms_friends", c.Friends))
		if c.Friends == 0 {
			sentence = p.Say("terms_worth_"+period, "amount", p.Money(c.Amount))
		}
		p.add(fmt.Sprintf("caps[%d]", i), sentence)
	}
	invites := t.Invitations.PerSend > 0 && t.Invitations.PerDay > 0
	if invites || slices.ContainsFunc(t.Caps, func(c Cap) bool { return c.Period != ledger.Lifetime }) {
		p.add("zone", p.Say("terms_zone", "zone", cmp.Or(t.Zone, "UTC")))
	}
	if t.Budget.Sign() > 0 {
		p.add("budget", p.Say("terms_budget", "amount", p.Money(t.Budget)), ReasonSpent)
	}
}

// returns says what becomes of rewards when money comes back.
func (p *printing) returns() {
	t := p.program
	if t.Qualify.On != OnRegistration {
		p.add("shortfall", p.Say("terms_returned"))
		p.add("shortfall", p.Say(map[Shortfall]string{
			ShortfallVoids: "terms_shortfall_void", ShortfallKeeps: "terms_shortfall_keep", ShortfallReduces: "terms_shortfall_prorate",
		}[t.Shortfall]))
	}
	p.add("debt", p.Say(map[Debt]string{
		DebtRecorded: "terms_debt_recorded", DebtSetOff: "terms_debt_set_off", DebtReviewed: "terms_debt_review",
	}[t.Debt]))
}

// fraud says what is looked at, and what that can do. What can do nothing is left out.
func (p *printing) fraud() {
	t := p.program
	scores := len(t.Thresholds) > 0
	for i := range t.Checks {
		c := &t.Checks[i]
		path := fmt.Sprintf("checks[%d]", i)
		what := p.Say("terms_check_" + string(c.Kind))
		switch action := c.Action; {
		case action == ActionScore && scores:
			p.add(path, p.Say("terms_does_score", "what", what))
		case action == ActionReview, action == ActionReject, action == ActionWithhold:
			p.add(path, p.Say(does(action, c.Side), "what", what))
		}
		if c.Unanswered == ActionReview || c.Unanswered == ActionReject {
			p.add(path+".unanswered", p.Say("terms_unanswered_"+string(c.Unanswered)))
		}
	}
	for i, threshold := range t.Thresholds {
		p.add(fmt.Sprintf("thresholds[%d]", i), p.Say(does(threshold.Action, threshold.Side), "what", p.Say("terms_check_score")))
	}
	if t.Review.Within > 0 {
		p.add("review", p.Say("terms_review_"+string(t.Review.otherwise()), "duration", p.Duration(t.Review.Within)))
	}
}

// does gives the key of the sentence for what a check or a threshold does.
func does(action Action, side Side) string {
	if action == ActionWithhold {
		return map[Side]string{Referrer: "terms_does_withhold_referrer", Referee: "terms_does_withhold_referee"}[side]
	}
	return map[Action]string{ActionReview: "terms_does_review", ActionReject: "terms_does_reject"}[action]
}

// changes says what the shop may do.
func (p *printing) changes() {
	p.add("changes", p.Say("terms_changes"))
	p.add("changes", p.Say("terms_stop"), ReasonPaused, ReasonClosed)
	p.add("referrer", p.Say("terms_ban"), ReasonReferrer)
}

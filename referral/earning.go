package referral

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
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
	Qualified  Step = "qualified"  // the friend did what qualifies, after the hold
	Milestones Step = "milestone"  // so many friends were confirmed: see [Milestone]
)

// Earning is what one reward gives: coupons, credit, something of the shop's own, or
// several of them.
type Earning struct {
	// Coupons is a set of coupons, in the latest version of their offers at the time. Where
	// their codes come from a stock, the reward waits while that has too few.
	Coupons []coupon.IssueOffer
	// Credit is store credit, or points: one amount per currency or unit.
	Credit coupon.Amounts
	// Custom is what the shop grants by itself, through the hook of that kind
	// ([Options.Hooks]); nil: nothing.
	Custom *Custom
	// Worth is what the reward counts for in caps and budgets of money, one amount per
	// currency; default: its Credit.
	Worth coupon.Amounts
	// Life is how long credit can be spent once it is granted; what is left then is
	// taken back. 0: for ever. Coupons have the life that their offers say.
	Life time.Duration
}

// Custom is a reward of a kind that the shop defines: a ride, a gift, a month free.
type Custom struct {
	Kind    string
	Details map[string]string // what the hook needs to know, at most 20
}

// Rule says what one side earns at one step.
type Rule struct {
	Side Side
	Step Step
	Earning
	// Tiers give the referrer something else from their nth friend on; the highest one
	// reached counts.
	Tiers []Tier
}

// Tier is what a rule gives from a number of friends on: those who count for the
// referrer at that moment, this one included.
type Tier struct {
	From int64 // at least 2
	Earning
}

// Boost is a period in which a rule gives more, as by a special event. The instant of
// the step counts: the registration, or the payment that qualifies. A boost gives
// another set, or a percentage of the credit; it never gives less than the rule.
type Boost struct {
	Name string
	coupon.Interval
	Rule
	// Percent is how much of the rule's credit and coupons is given, above 100 and at
	// most 1000, in place of another set. Coupons can only be multiplied: 200, 300, ….
	Percent int
}

// Milestone is what a referrer earns on top when so many of their friends are
// confirmed. When one of them is taken back later, so is the milestone that is no
// longer reached. A friend for whom a check or a review denies the referrer's rewards
// counts neither here nor for tiers.
type Milestone struct {
	Friends int64 // at least 1
	// Repeat gives it again for each further so many: "75 for every 3 friends".
	Repeat bool
	Earning
}

// maxRewardCoupons bounds the set that one reward gives.
const maxRewardCoupons = 20

const (
	maxRules      = 50
	maxCredits    = 10
	maxDetails    = 20
	minBoost      = 100
	maxBoost      = 1000
	maxTierFriend = 1_000_000_000
)

func (r *Rule) sameStep(side Side, step Step) bool { return r.Side == side && r.Step == step }

func (r *Rule) check(path string, faults *Faults) {
	if r.Side != Referrer && r.Side != Referee {
		faults.add(path+".side", "is %.20q, want %s or %s", r.Side, Referrer, Referee)
	}
	if r.Step != Registered && r.Step != Qualified {
		faults.add(path+".step", "is %.20q, want %s or %s", r.Step, Registered, Qualified)
	}
	r.Earning.check(path, faults)
	if len(r.Tiers) > 0 && r.Side != Referrer {
		faults.add(path+".tiers", "count the referrer's friends: they are not for the %s", r.Side)
	}
	for i := range r.Tiers {
		t, at := &r.Tiers[i], fmt.Sprintf("%s.tiers[%d]", path, i)
		if t.From < 2 || t.From > maxTierFriend || i > 0 && t.From <= r.Tiers[i-1].From {
			faults.add(at+".from", "is %d, want 2 or more, and more than in the tier before", t.From)
		}
		t.Earning.check(at, faults)
	}
}

func (e *Earning) check(path string, faults *Faults) {
	if len(e.Coupons) == 0 && len(e.Credit) == 0 && e.Custom == nil {
		faults.add(path, "gives nothing: want coupons, credit or something of the shop's own")
	}
	e.checkCoupons(path, faults)
	checkAmounts(path+".credit", e.Credit, faults)
	checkAmounts(path+".worth", e.Worth, faults)
	if len(e.Credit) > maxCredits {
		faults.add(path+".credit", "is in %d currencies, at most %d are allowed", len(e.Credit), maxCredits)
	}
	if e.Life < 0 || e.Life > maxWait || e.Life%time.Microsecond != 0 {
		faults.add(path+".life", "is %s, want 0 to 10 years in whole microseconds", e.Life)
	}
	if e.Life > 0 && len(e.Credit) == 0 {
		faults.add(path+".life", "is for credit: the life of coupons is in their offers")
	}
	if c := e.Custom; c != nil {
		faults.id(path+".custom.kind", c.Kind, false)
		if len(c.Details) > maxDetails {
			faults.add(path+".custom.details", "are %d, at most %d are allowed", len(c.Details), maxDetails)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Details)) {
			faults.id(path+".custom.details", name, false)
			faults.id(path+".custom.details["+name+"]", c.Details[name], true)
		}
	}
}

func (e *Earning) checkCoupons(path string, faults *Faults) {
	total := 0
	for i, o := range e.Coupons {
		at := fmt.Sprintf("%s.coupons[%d]", path, i)
		if o.Offer == "" || len(o.Offer) > MaxKey || !strict.Readable(o.Offer) {
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

func checkAmounts(path string, amounts coupon.Amounts, faults *Faults) {
	for i, m := range amounts {
		if first, _ := amounts.In(m.Currency()); m.Currency().IsZero() || m.Sign() <= 0 || m.Minor() >= coupon.MaxTotal || first != m {
			faults.add(fmt.Sprintf("%s[%d]", path, i), "is %s, want one amount above 0 and below 2^53 minor units per currency", m)
		}
	}
}

// worth is what the earning counts for in a currency, in minor units, and whether it
// says so.
func (e *Earning) worth(currency ledger.Currency) (int64, bool) {
	amounts := e.Worth
	if len(amounts) == 0 {
		amounts = e.Credit
	}
	m, ok := amounts.In(currency)
	return m.Minor(), ok
}

// fromStock says that codes of the coupons come from a stock.
func (e *Earning) fromStock() bool {
	return slices.ContainsFunc(e.Coupons, func(o coupon.IssueOffer) bool { return o.FromStock })
}

// count is how many coupons the earning gives.
func (e *Earning) count() int {
	n := 0
	for _, o := range e.Coupons {
		n += max(1, o.Count)
	}
	return n
}

// countOf is how many of one offer.
func (e *Earning) countOf(offer string) int {
	n := 0
	for _, o := range e.Coupons {
		if o.Offer == offer {
			n += max(1, o.Count)
		}
	}
	return n
}

// times is the earning in a percentage of 100 or more; halves of minor units are
// dropped.
func (e *Earning) times(percent int) Earning {
	more := *e
	scale := func(amounts coupon.Amounts) coupon.Amounts {
		var scaled coupon.Amounts
		for _, m := range amounts { // below 2^53, so that it can't wrap round
			scaled = append(scaled, ledger.Minor(m.Minor()*int64(percent)/100, m.Currency()))
		}
		return scaled
	}
	more.Credit, more.Worth = scale(e.Credit), scale(e.Worth)
	more.Coupons = slices.Clone(e.Coupons)
	for i := range more.Coupons {
		more.Coupons[i].Count = max(1, more.Coupons[i].Count) * percent / 100
	}
	return more
}

// lower says in what an earning gives less than another: in credit, in worth, or in
// coupons where neither says what it is worth. Empty: in nothing.
func (e *Earning) lower(than *Earning) string {
	for _, m := range than.Credit {
		if mine, ok := e.Credit.In(m.Currency()); !ok || mine.Minor() < m.Minor() {
			return fmt.Sprintf("gives %s, less than %s", orNothing(mine, ok), m)
		}
	}
	for _, m := range than.Worth {
		if mine, _ := e.worth(m.Currency()); mine < m.Minor() {
			return fmt.Sprintf("is worth %s, less than %s", ledger.Minor(mine, m.Currency()), m)
		}
	}
	if len(e.Worth) == 0 && len(e.Credit) == 0 && e.Custom == nil && e.count() < than.count() {
		return fmt.Sprintf("gives %d coupons, fewer than %d: say what both are worth", e.count(), than.count())
	}
	return ""
}

// raises says that an earning can take the place of another that was told of: it gives
// more, and all of what has no stated worth, for as long.
func (e *Earning) raises(told *Earning) bool {
	if e.lower(told) != "" || told.lower(e) == "" || e.Life > 0 && (told.Life == 0 || e.Life < told.Life) {
		return false
	}
	if len(told.Worth) > 0 {
		return true
	}
	for _, o := range told.Coupons {
		if told.countOf(o.Offer) > e.countOf(o.Offer) {
			return false
		}
	}
	return told.Custom == nil || e.Custom != nil && e.Custom.Kind == told.Custom.Kind && maps.Equal(e.Custom.Details, told.Custom.Details)
}

func orNothing(m ledger.Money, ok bool) string {
	if !ok {
		return "nothing"
	}
	return m.String()
}

// earning gives what a side earns at a step taken at an instant, for the nth friend of
// the referrer, boosted where it is, with the boost's name; false when it earns
// nothing.
func (p *Program) earning(side Side, step Step, nth int64, at time.Time) (Earning, string, bool) {
	i := slices.IndexFunc(p.Rewards, func(r Rule) bool { return r.sameStep(side, step) })
	if i < 0 {
		return Earning{}, "", false
	}
	rule := &p.Rewards[i]
	earned := rule.Earning
	for _, t := range rule.Tiers {
		if nth >= t.From {
			earned = t.Earning
		}
	}
	for i := range p.Boosts {
		b := &p.Boosts[i]
		if !b.sameStep(side, step) || !b.Contains(at) {
			continue
		}
		boosted := b.Earning
		if b.Percent > 0 {
			boosted = earned.times(b.Percent)
		}
		if boosted.lower(&earned) != "" { // a higher tier gives more
			return earned, "", true
		}
		return boosted, b.Name, true
	}
	return earned, "", true
}

// tiered says that what the referrer earns depends on the number of their friends.
func (p *Program) tiered() bool {
	return slices.ContainsFunc(p.Rewards, func(r Rule) bool { return len(r.Tiers) > 0 })
}

func (p *Program) checkRewards(faults *Faults) {
	if len(p.Rewards) == 0 && len(p.Milestones) == 0 {
		faults.add("rewards", "is empty: nobody would earn anything")
	}
	faults.most("rewards", len(p.Rewards), maxRules)
	faults.most("milestones", len(p.Milestones), maxRules)
	faults.most("boosts", len(p.Boosts), maxRules)
	for i := range p.Rewards {
		r, path := &p.Rewards[i], fmt.Sprintf("rewards[%d]", i)
		r.check(path, faults)
		if slices.ContainsFunc(p.Rewards[:i], func(o Rule) bool { return o.sameStep(r.Side, r.Step) }) {
			faults.add(path, "is a second rule for the %s when %s: put what they give into one", r.Side, r.Step)
		}
	}
	for i := range p.Milestones {
		m, path := &p.Milestones[i], fmt.Sprintf("milestones[%d]", i)
		if m.Friends < 1 || m.Friends > maxTierFriend {
			faults.add(path+".friends", "is %d, want at least 1", m.Friends)
		}
		m.Earning.check(path, faults)
	}
	for i := range p.Boosts {
		p.checkBoost(i, faults)
	}
}

func (p *Program) checkBoost(i int, faults *Faults) {
	b, path := &p.Boosts[i], fmt.Sprintf("boosts[%d]", i)
	if b.Name == "" || len(b.Name) > MaxKey || !strict.Readable(b.Name) {
		faults.id(path+".name", b.Name, false)
	}
	checkInterval(path, b.Interval, faults)
	if len(b.Tiers) > 0 {
		faults.add(path+".tiers", "are the rule's: a boost is one set, or a percentage of every tier")
	}
	base := slices.IndexFunc(p.Rewards, func(r Rule) bool { return r.sameStep(b.Side, b.Step) })
	if base < 0 {
		faults.add(path, "boosts the %s when %s, who earns nothing then", b.Side, b.Step)
	}
	if b.Percent != 0 {
		b.checkPercent(path, p.Rewards, faults)
	} else if b.Rule.check(path, faults); base >= 0 {
		if why := b.Earning.lower(&p.Rewards[base].Earning); why != "" {
			faults.add(path, "%s, which it gives without the boost", why)
		}
	}
	for j := range p.Boosts[:i] {
		other := &p.Boosts[j]
		if other.sameStep(b.Side, b.Step) && overlap(other.Interval, b.Interval) {
			faults.add(path, "overlaps boosts[%d] for the same side and step", j)
		}
	}
}

func (b *Boost) checkPercent(path string, rules []Rule, faults *Faults) {
	if b.Percent <= minBoost || b.Percent > maxBoost {
		faults.add(path+".percent", "is %d, want more than %d and at most %d", b.Percent, minBoost, maxBoost)
	}
	if len(b.Coupons) > 0 || len(b.Credit) > 0 || b.Custom != nil || len(b.Worth) > 0 || b.Life != 0 {
		faults.add(path, "gives another set and a percentage: want one of them")
	}
	for i := range rules {
		r := &rules[i]
		if !r.sameStep(b.Side, b.Step) {
			continue
		}
		earnings := []*Earning{&r.Earning}
		for j := range r.Tiers {
			earnings = append(earnings, &r.Tiers[j].Earning)
		}
		for _, e := range earnings {
			switch {
			case e.Custom != nil:
				faults.add(path+".percent", "can't be taken of what the shop grants by itself: boost it with another set")
			case len(e.Coupons) > 0 && b.Percent%100 != 0:
				faults.add(path+".percent", "is %d, but coupons can only be multiplied: want 200, 300, …", b.Percent)
			case e.count()*b.Percent/100 > maxRewardCoupons:
				faults.add(path+".percent", "gives %d coupons, at most %d are allowed", e.count()*b.Percent/100, maxRewardCoupons)
			}
		}
	}
}

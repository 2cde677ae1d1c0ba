package coupon

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// Finding is something that [Check] found about offers.
type Finding struct {
	Code     FindingCode
	Severity Severity
	Offers   []string // ids, the one it is about first
	Path     string   // in that one, as in a [Fault]; empty: the offer as a whole
	Sentence string
}

// FindingCode says what was found. The set is closed.
type FindingCode string

// What Check finds, and by which rule.
const (
	// The offer is not valid: a fault of [Offer.Validate], in the sentence.
	LintInvalid FindingCode = "invalid"

	// No instant is left between its bounds and local days, outside its blackouts and
	// in its weekly windows.
	LintNeverInTime FindingCode = "never_in_time"

	// No line can count: a list of what is in is wholly out, or a bundle or "buy X get
	// Y" asks for products or sellers that are not in, or for what is out.
	LintNeverCounts FindingCode = "never_counts"

	// No cart can meet its conditions, or no currency has an amount in its benefit,
	// its limits and its conditions. Conditions of the same kind are held against each
	// other: spend and quantity (also what the benefit asks for), order numbers,
	// segments, country, channel, payment, attributes, products contained, the same
	// predicate.
	LintNeverHolds FindingCode = "never_holds"

	// Another automatic offer is always taken instead, whatever the cart, while it is
	// not paused and no seller keeps out of it: see the rule at [Check].
	LintAlwaysBeaten FindingCode = "always_beaten"

	// Beside each other, offers can take off the whole price: see the rule at [Check].
	LintFreeByStacking FindingCode = "free_by_stacking"

	// What it takes off at its minimum spend is more than a limit of money that
	// refuses: it applies only where floor prices or other offers make it less.
	LintAboveLimit FindingCode = "above_limit"

	// A step of its tiers gives less than the one before.
	LintFallingStep FindingCode = "falling_step"

	// It consents to a label that no offer carries.
	LintUnknownLabel FindingCode = "unknown_label"

	// It consents to a label, but no offer that carries it consents back.
	LintOneSided FindingCode = "one_sided_consent"

	// It is the only offer of its group.
	LintGroupOfOne FindingCode = "group_of_one"

	// Something it says changes nothing: a life from issue or a limit per coupon of an
	// automatic offer, what to do below a minimum spend that it does not ask for
	// whatever else holds, steps below its minimum spend, or a limit of uses per customer
	// that allows no less than the one of all together.
	LintNoEffect FindingCode = "no_effect"

	// It has no limit per customer or per coupon, so that a code that gets about,
	// which every chosen one does, can be used without end.
	LintUnlimitedCode FindingCode = "unlimited_code"

	// There was too much to compare: some offers were not held against each other.
	LintNotCompared FindingCode = "not_compared"
)

// Severity says how bad a finding is.
type Severity string

// How bad a finding is.
const (
	SeverityError   Severity = "error"   // the offer can't do what it is there for
	SeverityWarning Severity = "warning" // it probably does not do what is meant
	SeverityNote    Severity = "note"    // it may be meant
)

// Limits of checking. They are far above what 1,000 ordinary offers ask for.
const (
	lintCases = 1_000      // combinations of branches of one offer's conditions
	lintWork  = 20_000_000 // steps in comparing offers with each other
)

// Check reads offers before they are published, as a set: it reports what can never
// apply, contradicts itself, is always beaten, or can make a line free by stacking,
// and what looks like an oversight. It knows nothing of other offers, of pauses,
// exclusions and uses so far. The offers' order has no effect; the findings come in
// order of offer, code and path. Offers of one id are versions, and not held against
// each other. Offers that are not valid are reported as such and left out.
//
// That an offer can never apply is claimed only where it is proven: an offer so
// reported applies to no cart at any instant, but for a coupon
// whose end lies beyond the offer's. So is that it is always beaten: the other is automatic, without
// conditions, limits, weekly windows, blackouts or group; both stand alone; whenever
// and for every line for which the one counts, the other does; by the kind of both
// benefits the other takes at least as much off (percentages with the same rounding,
// amounts off the order or each, fixed prices, or everything); and it goes first, by
// priority, or where neither comes with a coupon also by id.
//
// Stacking is judged by an approximation, at the smallest cart that the offers ask
// for: what is left of their highest minimum spend when percentages and amounts of
// one unit are taken off one after the other, and without a minimum spend, by the
// percentages alone. Sets are built from each offer on by adding those that consent
// to all before, may meet in time and in lines, ask for no other order, segment, country,
// channel, payment or attribute, and are not of one group, up to 20. Floors, limits, other
// benefits and the shop's own promotions are not considered, and offers that take off
// everything alone are not reported.
//
// The time it takes grows with the offers' lists, and with the square of the number
// of offers up to a bound that 1,000 offers hardly reach; beyond it
// [LintNotCompared] says so.
func Check(offers []Offer, predicates ...RegisteredPredicate) []Finding {
	l := &linter{work: lintWork}
	registered := predicatesByName(predicates)
	for i := range offers {
		if v, err := newVersion(offers[i], registered); err != nil {
			l.invalid(&offers[i], err)
		} else {
			l.offers = append(l.offers, newLinted(v))
		}
	}
	slices.SortStableFunc(l.offers, func(a, b *linted) int {
		return cmp.Or(cmp.Compare(a.offer.ID, b.offer.ID), cmp.Compare(a.offer.Version, b.offer.Version))
	})
	for _, o := range l.offers {
		l.alone(o)
	}
	l.labels()
	l.groups()
	l.beaten()
	l.stacking()
	if l.work < 0 {
		l.add(LintNotCompared, SeverityNote, "", "there is too much to compare: some offers were not held against each other; check fewer at a time")
	}
	slices.SortStableFunc(l.found, compareFindings)
	return l.found
}

func compareFindings(a, b Finding) int {
	return cmp.Or(slices.Compare(a.Offers, b.Offers), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Sentence, b.Sentence))
}

// linter is the work on a set of offers.
type linter struct {
	offers []*linted
	work   int // steps left; below 0: some comparisons were left out
	found  []Finding
}

// linted is an offer that is checked, its scope's lists ready for looking up.
type linted struct {
	*Version
	in, out  [4]map[string]bool
	required []goal // the conditions that must hold, or must not, whatever else does
	hopeless bool   // it never applies
}

// The lists of Lists, in one order; a line has one product and one seller, and any
// number of the others.
const (
	listProducts = iota
	listSellers
	listCategories
	listTags
)

func (l *Lists) each() [4][]string {
	return [4][]string{listProducts: l.Products, listSellers: l.Sellers, listCategories: l.Categories, listTags: l.Tags}
}

var listNames = [4]string{"products", "sellers", "categories", "tags"}

func newLinted(v *Version) *linted {
	o := &linted{Version: v, required: required(v.offer.Conditions, false)}
	for side, lists := range map[*[4]map[string]bool]*Lists{&o.in: &v.offer.Scope.In, &o.out: &v.offer.Scope.Out} {
		for i, list := range lists.each() {
			side[i] = make(map[string]bool, len(list))
			for _, entry := range list {
				side[i][entry] = true
			}
		}
	}
	return o
}

func (l *linter) add(code FindingCode, severity Severity, path, sentence string, offers ...*linted) {
	f := Finding{Code: code, Severity: severity, Path: path, Sentence: sentence}
	for _, o := range offers {
		f.Offers = append(f.Offers, o.offer.ID)
	}
	l.found = append(l.found, f)
}

// spend takes steps from what is left, and is false when nothing is.
func (l *linter) spend(steps int) bool {
	l.work -= steps
	return l.work >= 0
}

func (l *linter) invalid(o *Offer, err error) {
	var faults *Faults
	if !errors.As(err, &faults) {
		faults = &Faults{Faults: []Fault{{Problem: err.Error()}}}
	}
	for _, f := range faults.Faults {
		l.found = append(l.found, Finding{LintInvalid, SeverityError, []string{o.ID}, f.Path, f.Problem})
	}
}

// alone checks an offer by itself.
func (l *linter) alone(o *linted) {
	never := func(code FindingCode, path, sentence string) {
		o.hopeless = true
		l.add(code, SeverityError, path, sentence, o)
	}
	if !o.everOpen() {
		never(LintNeverInTime, "schedule", "no instant is left in which it can be used")
	}
	if path, sentence := o.neverCounts(); path != "" {
		never(LintNeverCounts, path, sentence)
	}
	if path, sentence := o.neverHolds(); path != "" {
		never(LintNeverHolds, path, sentence)
	}
	l.aboveLimit(o)
	l.noEffect(o)
	l.unreached(o)
	l.steps(o)
	limited := slices.ContainsFunc(o.offer.Limits, func(m Limit) bool { return m.Per == PerCustomer || m.Per == PerCoupon })
	if !o.offer.Automatic && !limited {
		l.add(LintUnlimitedCode, SeverityNote, "limits", "it has no limit per customer or per coupon: one code that gets about can be used without end", o)
	}
}

func (l *linter) noEffect(o *linted) {
	if o.offer.Automatic && o.offer.Schedule.Life > 0 {
		l.add(LintNoEffect, SeverityNote, "schedule.life", "its life counts from the issue of a coupon, and it applies without one", o)
	}
	for i, limit := range o.offer.Limits {
		if o.offer.Automatic && limit.Per == PerCoupon {
			l.add(LintNoEffect, SeverityNote, fmt.Sprintf("limits[%d]", i), "it is a limit per coupon, and the offer applies without one", o)
		}
	}
	if o.offer.Below != KeepDiscount && len(requiredSpend(o.offer.Conditions)) == 0 {
		l.add(LintNoEffect, SeverityNote, "below_minimum", "it says what to do below a minimum spend, and has none that must hold", o)
	}
}

// unreached reports limits and steps that others leave nothing to do.
func (l *linter) unreached(o *linted) {
	for i, limit := range o.offer.Limits {
		all := func(m Limit) bool {
			return m.Per == PerOffer && m.Uses > 0 && m.Uses <= limit.Uses && m.Period == limit.Period
		}
		if limit.Per == PerCustomer && slices.ContainsFunc(o.offer.Limits, all) {
			l.add(LintNoEffect, SeverityNote, fmt.Sprintf("limits[%d]", i), "all customers together have no more uses than it allows one of them", o)
		}
	}
	b, _ := o.offer.Benefit.(Tiers)
	for i := 1; i < len(b.Spend); i++ {
		counts := func(m ledger.Money) bool { // in its currency
			next, ok := b.Spend[i].From.In(m.Currency())
			return o.offer.appliesIn(m.Currency()) && !(ok && o.asksFor(m.Currency()) >= next.Minor())
		}
		if !o.hopeless && !slices.ContainsFunc(b.Spend[i-1].From, counts) {
			l.add(LintNoEffect, SeverityNote, fmt.Sprintf("benefit.spend[%d]", i-1), "its minimum spend lies at the next step already, or above it", o)
		}
	}
}

// steps reports those of tiers that give less than the one before: amounts against
// amounts and percentages against percentages.
func (l *linter) steps(o *linted) {
	b, _ := o.offer.Benefit.(Tiers)
	falls := func(path string, before, after ledger.Rate, amounts, more Amounts) {
		falling := !after.IsZero() && after.Cmp(before) < 0
		for _, m := range more {
			below, ok := amounts.In(m.Currency())
			falling = falling || ok && m.Minor() < below.Minor()
		}
		if falling {
			l.add(LintFallingStep, SeverityWarning, path, "it gives less than the step before: who buys more pays more", o)
		}
	}
	for i := 1; i < len(b.Spend); i++ {
		falls(fmt.Sprintf("benefit.spend[%d]", i), b.Spend[i-1].Rate, b.Spend[i].Rate, b.Spend[i-1].Amounts, b.Spend[i].Amounts)
	}
	for i := 1; i < len(b.Quantity); i++ {
		falls(fmt.Sprintf("benefit.quantity[%d]", i), b.Quantity[i-1].Rate, b.Quantity[i].Rate, b.Quantity[i-1].Amounts, b.Quantity[i].Amounts)
	}
}

// aboveLimit compares what the offer takes off at its minimum spend with each limit
// of money that refuses what is beyond it.
func (l *linter) aboveLimit(o *linted) {
	for i, limit := range o.offer.Limits {
		for _, most := range limit.Money {
			least := o.takes(o.minimum(most.Currency()), most.Currency())
			if limit.When == RefuseSpent && least > most.Minor() {
				l.add(LintAboveLimit, SeverityWarning, fmt.Sprintf("limits[%d].money", i), fmt.Sprintf(
					"at its minimum spend it takes off more than %s, which the limit then refuses", most), o)
			}
		}
	}
}

func (l *linter) labels() {
	carriers := make(map[string][]*linted)
	for _, o := range l.offers {
		for _, label := range o.offer.Labels {
			carriers[label] = append(carriers[label], o)
		}
	}
	for _, o := range l.offers {
		for i, label := range o.offer.Combine.With {
			path := fmt.Sprintf("combine.with[%d]", i)
			back := func(other *linted) bool { return !l.spend(1) || other.offer.consents(&o.offer) }
			switch {
			case len(carriers[label]) == 0:
				l.add(LintUnknownLabel, SeverityWarning, path, fmt.Sprintf("no offer carries the label %q", label), o)
			case !slices.ContainsFunc(carriers[label], back):
				l.add(LintOneSided, SeverityWarning, path, fmt.Sprintf("no offer that carries the label %q consents to this one: both must", label), o)
			}
		}
	}
}

func (l *linter) groups() {
	members := make(map[string]map[string]bool)
	for _, o := range l.offers {
		if name := o.offer.Group.Name; name != "" {
			if members[name] == nil {
				members[name] = make(map[string]bool)
			}
			members[name][o.offer.ID] = true
		}
	}
	for i, o := range l.offers {
		last := i+1 == len(l.offers) || l.offers[i+1].offer.ID != o.offer.ID
		if last && len(members[o.offer.Group.Name]) == 1 {
			l.add(LintGroupOfOne, SeverityNote, "group", fmt.Sprintf("no other offer is in the group %q", o.offer.Group.Name), o)
		}
	}
}

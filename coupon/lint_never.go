package coupon

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// everOpen says that there is an instant at which the schedule lets the offer be
// used; where that is not certain, it says so too.
func (v *Version) everOpen() bool {
	return slices.ContainsFunc(v.gaps(), v.opensIn)
}

// gaps are the times within the bounds that no blackout covers.
func (v *Version) gaps() []Interval {
	blackouts := slices.Clone(v.offer.Schedule.Blackouts)
	slices.SortFunc(blackouts, func(a, b Blackout) int { return a.From.Compare(b.From) })
	var gaps []Interval
	rest := v.bounds
	for _, b := range blackouts {
		if gap := (Interval{rest.From, b.From}); rest.From.Before(b.From) {
			if !rest.Until.IsZero() && rest.Until.Before(gap.Until) {
				gap.Until = rest.Until
			}
			if gap.From.Before(gap.Until) {
				gaps = append(gaps, gap)
			}
		}
		if b.Until.IsZero() {
			return gaps
		}
		if rest.From.Before(b.Until) {
			rest.From = b.Until
		}
	}
	if rest.Until.IsZero() || rest.From.Before(rest.Until) {
		gaps = append(gaps, rest)
	}
	return gaps
}

// opensIn says that a weekly window opens in a gap. While the zone's offset stays,
// a window is entered where the stretch begins, or where the clock shows the time at
// which it opens. In a month there is a stretch of a week, in which every window
// opens.
func (v *Version) opensIn(gap Interval) bool {
	weekly := v.offer.Schedule.Weekly
	if len(weekly) == 0 || gap.From.IsZero() || gap.Until.IsZero() || gap.Until.Sub(gap.From) > 31*24*time.Hour {
		return true
	}
	for at := gap.From; at.Before(gap.Until); {
		local := at.In(v.zone)
		_, end := local.ZoneBounds()
		if end.IsZero() || end.After(gap.Until) {
			end = gap.Until
		}
		if slices.ContainsFunc(weekly, func(w Window) bool { return w.contains(local) || w.opensBetween(local, end) }) {
			return true
		}
		at = end
	}
	return false
}

// opensBetween says that the window opens between two instants between which the
// zone's offset stays.
func (w Window) opensBetween(local, end time.Time) bool {
	_, offset := local.Zone()
	fixed := time.FixedZone("", offset)
	minute, _ := clock(w.From, 0)
	year, month, day := local.Date()
	for opens := time.Date(year, month, day, 0, minute, 0, 0, fixed); opens.Before(end); opens = opens.Add(24 * time.Hour) {
		if !opens.Before(local) && w.contains(opens) {
			return true
		}
	}
	return false
}

// neverCounts says which part of the offer counts no line whatever, and why.
func (o *linted) neverCounts() (path, sentence string) {
	for i, list := range o.offer.Scope.In.each() {
		if allIn(list, o.out[i]) {
			return "scope.in." + listNames[i], "all of these are in scope.out too: no line can count"
		}
	}
	const nothing = "none of these can count for the offer: it can never be whole"
	switch b := o.offer.Benefit.(type) {
	case BuyGet:
		if o.excludes(&b.BuyOf) {
			return "benefit.buy_of", nothing
		}
		if o.excludes(&b.GetOf) {
			return "benefit.get_of", nothing
		}
	case BundlePrice:
		for i := range b.Items {
			if o.excludes(&b.Items[i].Of) {
				return fmt.Sprintf("benefit.items[%d].of", i), nothing
			}
		}
	}
	return "", ""
}

// allIn says that a list has entries, and all of them are in the set.
func allIn(list []string, set map[string]bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(entry string) bool { return !set[entry] })
}

// excludes says that no line which the lists name can count for the offer.
func (o *linted) excludes(lists *Lists) bool {
	for i, list := range lists.each() {
		if allIn(list, o.out[i]) {
			return true
		}
		single := i == listProducts || i == listSellers
		if single && len(list) > 0 && len(o.in[i]) > 0 && !slices.ContainsFunc(list, func(entry string) bool { return o.in[i][entry] && !o.out[i][entry] }) {
			return true
		}
	}
	return false
}

// neverHolds says which part of the offer no cart can meet, and why.
func (o *linted) neverHolds() (path, sentence string) {
	path, sentence = "limits", "no currency has an amount in its benefit, in its scope and in all its limits"
	p := proving{cases: lintCases}
	for _, c := range o.currencies() {
		limited := func(l Limit) bool { return l.Per != PerCoupon && len(l.Money) > 0 && !l.Money.has(c) } // there may be no coupon
		if !o.offer.in(c) || slices.ContainsFunc(o.offer.Limits, limited) {
			continue
		}
		p.currency = c
		p.spend, p.units = asked(o.offer.Benefit, c)
		if p.possible([]goal{{All(o.offer.Conditions), false}}, nil, nil) {
			return "", ""
		}
		path, sentence = "conditions", "no cart can meet its conditions together, and what its benefit asks for"
	}
	return path, sentence
}

// currencies are those in which the offer has an amount, and none, which stands for
// all others.
func (o *linted) currencies() []ledger.Currency {
	found := map[ledger.Currency]bool{{}: true}
	amounts := func(all ...Amounts) {
		for _, a := range all {
			for _, m := range a {
				found[m.Currency()] = true
			}
		}
	}
	amounts(o.offer.Scope.UnitPrice.From, o.offer.Scope.UnitPrice.To)
	switch b := o.offer.Benefit.(type) {
	case PercentOff:
		amounts(b.Max)
	case AmountOff:
		amounts(b.Amounts)
	case AmountOffEach:
		amounts(b.Amounts)
	case FixedPrice:
		amounts(b.Prices)
	case BundlePrice:
		amounts(b.Prices)
	case Tiers:
		for _, t := range b.Spend {
			amounts(t.From, t.Amounts)
		}
		for _, t := range b.Quantity {
			amounts(t.Amounts)
		}
	case BuyGet:
		amounts(b.Amounts)
	case ShippingOff:
		amounts(b.Amounts, b.Highest)
	}
	for _, l := range o.offer.Limits {
		amounts(l.Money)
	}
	for _, c := range atoms(o.offer.Conditions) {
		if m, is := c.(MinimumSpend); is {
			amounts(m.Amounts)
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b ledger.Currency) int { return cmp.Compare(a.Code(), b.Code()) })
}

// required are the conditions of a tree, which join no others, that must hold, or must
// not, whatever else does.
func required(all []Condition, not bool) []goal {
	var found []goal
	for _, c := range all {
		switch c := c.(type) {
		case All:
			if !not {
				found = append(found, required(c, not)...)
			}
		case Any:
			if not {
				found = append(found, required(c, not)...)
			}
		case Not:
			found = append(found, required([]Condition{c.Condition}, !not)...)
		default:
			found = append(found, goal{c, not})
		}
	}
	return found
}

// atoms are the conditions of a tree that join no others.
func atoms(all []Condition) []Condition {
	var found []Condition
	for _, c := range all {
		switch c := c.(type) {
		case All:
			found = append(found, atoms(c)...)
		case Any:
			found = append(found, atoms(c)...)
		case Not:
			found = append(found, atoms([]Condition{c.Condition})...)
		default:
			found = append(found, c)
		}
	}
	return found
}

// asked is what the eligible lines must cost and how many units they must have for a
// benefit to give anything; one unit at least.
func asked(b Benefit, c ledger.Currency) (spend, units int64) {
	units = 1
	switch b := b.(type) {
	case Tiers:
		if len(b.Spend) > 0 {
			spend = b.Spend[0].From.minor(c)
		} else {
			units = b.Quantity[0].From
		}
	case BuyGet:
		units = b.Buy + b.Get
	case BundlePrice:
		units = 0
		for _, item := range b.Items {
			units += item.Units
		}
	}
	return spend, units
}

// goal is a condition that must hold, or must not.
type goal struct {
	Condition
	not bool
}

// proving looks for a contradiction in everything that must hold. It goes through
// the branches, and claims nothing when they are too many.
type proving struct {
	currency     ledger.Currency
	spend, units int64 // at least
	cases        int
}

// possible is false when no cart can meet all goals: those still open, those known,
// and one of each of the choices, which are gone into last.
func (p *proving) possible(open, choices, known []goal) bool {
	for len(open) > 0 {
		g := open[0]
		open = open[1:]
		switch c := g.Condition.(type) {
		case Not:
			open = append([]goal{{c.Condition, !g.not}}, open...)
		case All:
			if g.not {
				choices = append(slices.Clone(choices), g)
			} else {
				open = append(goals(c, false), open...)
			}
		case Any:
			if g.not {
				open = append(goals(c, true), open...)
			} else {
				choices = append(slices.Clone(choices), g)
			}
		default:
			known = append(slices.Clone(known), g)
		}
	}
	if p.cases--; p.cases < 0 {
		return true
	}
	if !p.consistent(known) {
		return false
	}
	return len(choices) == 0 || slices.ContainsFunc(choices[0].branches(), func(branch goal) bool {
		return p.possible([]goal{branch}, choices[1:], known)
	})
}

// branches are what a choice is between.
func (g goal) branches() []goal {
	if c, is := g.Condition.(Any); is {
		return goals(c, g.not)
	}
	return goals(g.Condition.(All), g.not)
}

func goals(all []Condition, not bool) []goal {
	made := make([]goal, len(all))
	for i, c := range all {
		made[i] = goal{c, not}
	}
	return made
}

// consistent is false when two conditions contradict each other.
func (p *proving) consistent(known []goal) bool {
	return p.spendAndUnits(known) && ordersMeet(known) && segmentsMeet(known) && salesMeet(known) && p.samesMeet(known)
}

// spendAndUnits holds what lines must cost, and how many units they have, against
// what they must not.
func (p *proving) spendAndUnits(known []goal) bool {
	spend, below := p.spend, int64(math.MaxInt64)
	units, fewer := p.units, int64(math.MaxInt64)
	for _, g := range known {
		switch c := g.Condition.(type) {
		case MinimumSpend: // also one tested after others is tested before them
			m, ok := c.Amounts.In(p.currency)
			if !ok {
				return false // neither it nor its opposite holds
			}
			switch {
			case !c.own(): // see samesMeet
			case g.not:
				below = min(below, m.Minor())
			default:
				spend = max(spend, m.Minor())
			}
		case MinimumQuantity:
			if c.Cart { // see samesMeet
				continue
			}
			if g.not {
				fewer = min(fewer, c.Units)
			} else {
				units = max(units, c.Units)
			}
		}
	}
	return spend < below && units < fewer
}

// ordersMeet says that one of the customer's orders fits: the smallest that could is
// the first of a range that must hold, or the one after a range that must not.
func ordersMeet(known []goal) bool {
	ranges := make([]NthOrder, len(known))
	candidates := []int64{1}
	for i, g := range known {
		switch c := g.Condition.(type) {
		case NewCustomer:
			ranges[i] = NthOrder{1, 1}
		case NthOrder:
			ranges[i] = c
		default:
			continue
		}
		if r := ranges[i]; !g.not {
			candidates = append(candidates, r.From)
		} else if r.To != 0 {
			candidates = append(candidates, r.To+1)
		}
	}
	return slices.ContainsFunc(candidates, func(order int64) bool {
		for i, r := range ranges {
			inside := order >= r.From && (r.To == 0 || order <= r.To)
			if r.From > 0 && inside == known[i].not {
				return false
			}
		}
		return true
	})
}

// segmentsMeet says that of the segments one of which is wanted, one is not unwanted.
func segmentsMeet(known []goal) bool {
	unwanted := make(map[string]bool)
	for _, g := range known {
		if c, is := g.Condition.(InSegment); is && g.not {
			for _, s := range c.Any {
				unwanted[s] = true
			}
		}
	}
	return !slices.ContainsFunc(known, func(g goal) bool {
		c, is := g.Condition.(InSegment)
		return is && !g.not && allIn(c.Any, unwanted)
	})
}

// salesMeet says that each thing that a sale has one of can be what is wanted.
func salesMeet(known []goal) bool {
	type thing struct{ kind, name string }
	of := func(g goal) (thing, []string) {
		switch c := g.Condition.(type) {
		case Country:
			return thing{kind: "country"}, c.Any
		case Channel:
			return thing{kind: "channel"}, c.Any
		case Payment:
			return thing{kind: "payment"}, c.Any
		case Attribute:
			return thing{"attribute", c.Name}, c.Any
		}
		return thing{}, nil
	}
	wanted := make(map[thing][]string)
	for _, g := range known {
		what, any := of(g)
		if what.kind == "" || g.not {
			continue
		}
		if before, known := wanted[what]; known {
			any = slices.DeleteFunc(slices.Clone(before), func(s string) bool { return !slices.Contains(any, s) })
		}
		wanted[what] = any
	}
	for _, g := range known {
		what, any := of(g)
		if all, is := wanted[what]; is && g.not {
			wanted[what] = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(any, s) })
		}
	}
	for _, any := range wanted {
		if len(any) == 0 {
			return false
		}
	}
	return true
}

// samesMeet says that no predicate must hold and not hold, and no goods be contained,
// or cost so much, and not.
func (p *proving) samesMeet(known []goal) bool {
	asked := make(map[string]bound)
	holds := make(map[string]bool)
	for _, g := range known {
		var name string
		var least int64
		switch c := g.Condition.(type) {
		case Predicate:
			name = c.naming()
			if before, twice := holds[name]; twice && before == g.not {
				return false
			}
			holds[name] = !g.not
			continue
		case Contains:
			name, least = "units"+naming(&c.Of), max(1, c.Units)
		case MinimumQuantity:
			if !c.Cart {
				continue
			}
			name, least = "units"+naming(&Lists{}), c.Units
		case MinimumSpend:
			if c.own() {
				continue
			}
			name, least = "spend"+naming(&c.Of), c.Amounts.minor(p.currency)
		default:
			continue
		}
		b, found := asked[name]
		if !found {
			b.below = math.MaxInt64
		}
		if g.not {
			b.below = min(b.below, least)
		} else {
			b.least = max(b.least, least)
		}
		if b.least >= b.below {
			return false
		}
		asked[name] = b
	}
	return true
}

// bound is what something must be at least, and what it must stay below.
type bound struct{ least, below int64 }

// naming is the same for predicates that ask for the same.
func (p Predicate) naming() string {
	name := fmt.Sprintf("%q %d", p.Name, p.Version)
	for _, a := range slices.Sorted(maps.Keys(p.Arguments)) {
		name += fmt.Sprintf(" %q=%q", a, p.Arguments[a])
	}
	return name
}

// naming is the same for lists that name the same lines in the same words.
func naming(l *Lists) string {
	var b strings.Builder
	for _, list := range l.each() {
		fmt.Fprintf(&b, "%q;", list)
	}
	return b.String()
}

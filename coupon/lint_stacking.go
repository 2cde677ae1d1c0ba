package coupon

import (
	"cmp"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/ledger"
)

const (
	maxStack  = 20        // offers in a set that is tried
	anyAmount = 1_000_000 // what a cart is taken to cost that no offer asks anything of
)

// minimum is the minimum spend that all carts must reach; 0 when there is none.
func (o *linted) minimum(c ledger.Currency) int64 {
	least, _ := asked(o.offer.Benefit, c)
	return max(least, o.asksFor(c))
}

// asksFor is the minimum spend that its conditions ask for in any case.
func (o *linted) asksFor(c ledger.Currency) (least int64) {
	var joined func(all []Condition)
	joined = func(all []Condition) {
		for _, condition := range all {
			switch m := condition.(type) {
			case All:
				joined(m)
			case MinimumSpend:
				if m.own() {
					least = max(least, m.Amounts.minor(c))
				}
			}
		}
	}
	joined(o.offer.Conditions)
	return least
}

// takes is what the offer takes off a cart of this cost, with floors and other
// offers left out: at least, and 0 where that can't be told.
func (o *linted) takes(cost int64, c ledger.Currency) int64 {
	return min(o.off(cost, cost, c), cost)
}

// off is what the offer takes off what costs so much now, and so much before all
// offers; amounts are those of one unit.
func (o *linted) off(running, original int64, c ledger.Currency) int64 {
	switch b := o.offer.Benefit.(type) {
	case PercentOff:
		if b.Units.Max > 0 {
			return 0
		}
		of := running
		if b.Of == OfOriginal {
			of = original
		}
		amount, err := b.Rate.Of(of, o.offer.Rounding)
		if err != nil {
			return 0
		}
		if most, ok := b.Max.In(c); ok {
			amount = min(amount, most.Minor())
		}
		return amount
	case AmountOff:
		return b.Amounts.minor(c)
	case AmountOffEach:
		return b.Amounts.minor(c)
	}
	return 0
}

// stacking reports sets of offers that can take off everything together.
func (l *linter) stacking() {
	seen := make(map[ledger.Currency]bool)
	reported := make(map[string]bool)
	for _, o := range l.offers {
		for _, c := range o.currencies() {
			if !seen[c] {
				seen[c] = true
				l.stackingIn(c, reported)
			}
		}
	}
}

func (l *linter) stackingIn(c ledger.Currency, reported map[string]bool) {
	var all []*linted
	for _, o := range l.offers {
		stacks := !o.hopeless && !o.standsAlone() && o.offer.in(c)
		if cost := cmp.Or(o.minimum(c), anyAmount); stacks && o.off(cost, cost, c) > 0 && !free([]*linted{o}, c) {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *linted) int { return cmp.Compare(a.minimum(c), b.minimum(c)) })
	found := make(map[*linted]bool)
	for _, seed := range all {
		if found[seed] {
			continue
		}
		set := l.stack(seed, all, c)
		var ids []string
		for _, o := range set {
			found[o] = true
			ids = append(ids, o.offer.ID)
		}
		if name := strings.Join(ids, " "); len(set) > 0 && !reported[name] {
			reported[name] = true
			l.add(LintFreeByStacking, SeverityWarning, "combine", "together they can take off the whole price: "+strings.Join(ids, ", "), set...)
		}
	}
}

// stack adds offers to one until they take off everything, and then leaves out those
// that are not needed; nil when they never do.
func (l *linter) stack(seed *linted, all []*linted, c ledger.Currency) []*linted {
	set := []*linted{seed}
	for _, o := range all {
		if len(set) == maxStack || !l.spend(len(set)) {
			return nil
		}
		if slices.ContainsFunc(set, func(member *linted) bool { return !l.meet(o, member, c) }) {
			continue
		}
		if set = append(set, o); free(set, c) {
			break
		}
	}
	if !free(set, c) {
		return nil
	}
	for i := len(set) - 1; i >= 0; i-- {
		if less := slices.Delete(slices.Clone(set), i, i+1); free(less, c) {
			set = less
		}
	}
	slices.SortFunc(set, func(a, b *linted) int { return cmp.Compare(a.offer.ID, b.offer.ID) })
	return set
}

// meet says that two offers can apply to one line at one time, in a currency and to one
// customer.
func (l *linter) meet(a, b *linted, c ledger.Currency) bool {
	if a.offer.ID == b.offer.ID || !a.offer.consents(&b.offer) || !b.offer.consents(&a.offer) ||
		a.offer.Group.Name != "" && a.offer.Group.Name == b.offer.Group.Name {
		return false
	}
	from, until := a.bounds.From, a.bounds.Until
	if from.Before(b.bounds.From) {
		from = b.bounds.From
	}
	if until.IsZero() || !b.bounds.Until.IsZero() && b.bounds.Until.Before(until) {
		until = b.bounds.Until
	}
	if !until.IsZero() && !from.Before(until) {
		return false
	}
	if a.offer.Scope.UnitPrice.apart(&b.offer.Scope.UnitPrice, c) {
		return false
	}
	if on, other := a.offer.Scope.SaleItems, b.offer.Scope.SaleItems; on != other && on != SaleItemsToo && other != SaleItemsToo {
		return false
	}
	if !l.spend(len(a.required)*len(b.required)) || !sameSale(a, b) {
		return false
	}
	for _, i := range []int{listProducts, listSellers} {
		list := a.offer.Scope.In.each()[i]
		if !l.spend(len(list)) {
			return false
		}
		if len(list) > 0 && (allIn(list, b.out[i]) || len(b.in[i]) > 0 && !slices.ContainsFunc(list, func(s string) bool { return b.in[i][s] })) {
			return false
		}
	}
	return true
}

// sameSale says that one sale can meet what both ask of the customer, and of where and
// how it is sold; what lines must cost or hold is each offer's own.
func sameSale(a, b *linted) bool {
	if len(a.required) == 0 || len(b.required) == 0 {
		return true
	}
	both := slices.Concat(a.required, b.required)
	return ordersMeet(both) && segmentsMeet(both) && salesMeet(both)
}

// free says that the offers take everything off the smallest cart that they ask for.
// Where they ask for none, only percentages count: an amount is everything for what
// costs less.
func free(set []*linted, c ledger.Currency) bool {
	var cost int64
	for _, o := range set {
		cost = max(cost, o.minimum(c))
	}
	whole := cost == 0
	if whole {
		cost = anyAmount
	}
	ordered := slices.Clone(set)
	slices.SortFunc(ordered, func(a, b *linted) int {
		return cmp.Or(
			cmp.Compare(a.offer.Benefit.stage(), b.offer.Benefit.stage()),
			cmp.Compare(b.offer.Priority, a.offer.Priority),
			cmp.Compare(a.offer.ID, b.offer.ID))
	})
	left := cost
	for _, o := range ordered {
		if p, percent := o.offer.Benefit.(PercentOff); whole && (!percent || len(p.Max) > 0) {
			continue
		}
		left -= o.off(max(left, 0), cost, c)
	}
	return left <= 0
}

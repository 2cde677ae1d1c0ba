package coupon

import (
	"fmt"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// beaten reports offers that another one always takes the place of, each with the
// first such by id.
func (l *linter) beaten() {
	var winners []*linted
	for _, o := range l.offers {
		if o.alwaysThere() && !o.hopeless {
			winners = append(winners, o)
		}
	}
	for _, o := range l.offers {
		if !o.standsAlone() || o.hopeless {
			continue
		}
		i := slices.IndexFunc(winners, func(w *linted) bool { return l.spend(1) && l.beats(w, o) })
		if i >= 0 {
			w := winners[i]
			l.add(LintAlwaysBeaten, SeverityError, "", fmt.Sprintf(
				"offer %q applies wherever this one does, takes off at least as much, and goes first", w.offer.ID), o, w)
		}
	}
}

// standsAlone says that the offer applies beside no other.
func (o *linted) standsAlone() bool { return !o.offer.Combine.Freely && len(o.offer.Combine.With) == 0 }

// alwaysThere says that only time, lines and the shop's own promotions keep the
// offer from being a candidate that applies.
func (o *linted) alwaysThere() bool {
	f := &o.offer
	return f.Automatic && o.standsAlone() && len(f.Conditions) == 0 && len(f.Limits) == 0 &&
		len(f.Schedule.Weekly) == 0 && len(f.Schedule.Blackouts) == 0 && f.Group.Name == ""
}

// beats says that the winner always applies in the place of the loser. Both stand
// alone: so the loser applies only where it goes before every other candidate that
// is not refused; and the winner is one of those, and goes before it.
func (l *linter) beats(winner, loser *linted) bool {
	w, o := &winner.offer, &loser.offer
	if w.ID == o.ID || !winner.goesBefore(loser) || !takesAsMuch(w, o, loser.currencies()) {
		return false
	}
	switch {
	case loser.bounds.From.Before(winner.bounds.From),
		!winner.bounds.Until.IsZero() && (loser.bounds.Until.IsZero() || winner.bounds.Until.Before(loser.bounds.Until)),
		w.Scope.SaleItems != SaleItemsToo && w.Scope.SaleItems != o.Scope.SaleItems,
		!w.Scope.UnitPrice.wider(&o.Scope.UnitPrice),
		o.ShopPromotions != RefuseCart && w.ShopPromotions < o.ShopPromotions:
		return false
	}
	return l.wider(winner, loser)
}

// goesBefore says that the offer is ranked before the other where it takes at least
// as much off: by priority, or where the other comes without a coupon too, by id.
func (o *linted) goesBefore(other *linted) bool {
	a, b := &o.offer, &other.offer
	return a.Priority > b.Priority || a.Priority == b.Priority && b.Automatic && a.ID < b.ID
}

// wider says that the offer counts every line that the other counts.
func (l *linter) wider(o, than *linted) bool {
	in, out := than.offer.Scope.In.each(), o.offer.Scope.Out.each()
	for i := range in {
		if !l.spend(len(in[i]) + len(out[i])) {
			return false
		}
		if len(o.in[i]) > 0 && !allIn(in[i], o.in[i]) || len(out[i]) > 0 && !allIn(out[i], than.out[i]) {
			return false
		}
	}
	return true
}

// takesAsMuch says that alone, on the same lines or more, the one takes off at least
// as much as the other, in any of the currencies.
func takesAsMuch(one, other *Offer, currencies []ledger.Currency) bool {
	if stage := other.Benefit.stage(); stage > orderStage || picks(other.Benefit) {
		return false
	}
	for _, c := range currencies {
		if other.in(c) && !atLeast(one, other, c) {
			return false
		}
	}
	return true
}

// picks says that a benefit chooses among units: searching for the best set may
// come to it first.
func picks(b Benefit) bool {
	switch b := b.(type) {
	case PercentOff:
		return b.Units.Max > 0
	case AmountOffEach:
		return b.Units.Max > 0
	case FixedPrice:
		return b.Units.Max > 0
	case BundlePrice, BuyGet:
		return true
	}
	return false
}

func atLeast(one, other *Offer, c ledger.Currency) bool {
	if !one.in(c) || picks(one.Benefit) {
		return false
	}
	switch a := one.Benefit.(type) {
	case PercentOff:
		if len(a.Max) == 0 && a.Rate.Cmp(ledger.MustRate("100")) == 0 {
			return true // all there is
		}
		b, same := other.Benefit.(PercentOff)
		capped := len(a.Max) > 0 && (len(b.Max) == 0 || a.Max.minor(c) < b.Max.minor(c))
		return same && one.Rounding == other.Rounding && a.Rate.Cmp(b.Rate) >= 0 && !capped
	case AmountOff:
		b, same := other.Benefit.(AmountOff)
		return same && a.Amounts.minor(c) >= b.Amounts.minor(c)
	case AmountOffEach:
		b, same := other.Benefit.(AmountOffEach)
		return same && a.PerLine == b.PerLine && a.Amounts.minor(c) >= b.Amounts.minor(c)
	case FixedPrice:
		b, same := other.Benefit.(FixedPrice)
		return same && a.Prices.minor(c) <= b.Prices.minor(c)
	}
	return false
}

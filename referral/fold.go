package referral

import (
	"cmp"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// standing is a payment that stands: what of an order was paid and not given back.
type standing struct {
	order string
	at    time.Time
	kept  ledger.Money
}

// qualifying folds the facts of a referral: it gives the earliest payment that
// qualifies under the terms. It is a pure function, and neither the order in which
// facts arrived nor how often changes it.
func qualifying(terms *Program, bound time.Time, facts []factBody) (standing, bool) {
	var best standing
	found := false
	for _, s := range standings(facts) {
		at := s.at
		if at.Before(bound) || terms.QualifyWithin > 0 && !at.Before(bound.Add(terms.QualifyWithin)) {
			continue
		}
		if !enough(terms, s.kept) {
			continue
		}
		if !found || cmp.Or(at.Compare(best.at), cmp.Compare(s.order, best.order)) < 0 {
			best, found = s, true
		}
	}
	return best, found
}

func enough(terms *Program, kept ledger.Money) bool {
	if len(terms.MinimumSpend) == 0 {
		return kept.Sign() > 0
	}
	least, ok := terms.MinimumSpend.In(kept.Currency())
	return ok && kept.Minor() >= least.Minor()
}

// standings are the orders paid, with what was kept of each. An order that is
// returned as a whole, or refunded in another currency than it was paid in, does
// not stand.
func standings(facts []factBody) []standing {
	var all []standing
	for _, paid := range facts {
		if paid.Kind != FactPaid {
			continue
		}
		kept, stands := paid.Amount, true
		for _, back := range facts {
			if back.Kind == FactRefunded && back.Order == paid.Order {
				kept -= back.Amount
				stands = stands && !back.Everything && back.Currency == paid.Currency
			}
		}
		if stands {
			all = append(all, standing{paid.Order, instant(paid.At), ledger.Minor(kept, paid.Currency)})
		}
	}
	return all
}

// record adds a fact, unless it is there. Facts are kept in the order of their
// instants, then ids, however they arrive.
func (b *referralBody) record(f factBody) (added bool) {
	if slices.ContainsFunc(b.Facts, func(known factBody) bool { return known.ID == f.ID }) {
		return false
	}
	b.Facts = append(slices.Clone(b.Facts), f)
	slices.SortFunc(b.Facts, func(x, y factBody) int { return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.ID, y.ID)) })
	return true
}

// move is what the facts ask of a referral in its state at an instant.
type move uint8

const (
	stay    move = iota
	qualify      // bound: a payment qualifies
	rehold       // held: another payment than the one recorded qualifies it
	confirm      // held: the hold is over
	expire       // bound: the time to qualify is over
	void         // held: no payment qualifies any more
	reverse      // confirmed: no payment qualifies any more
)

// next decides what is to be done, from the pinned terms, the facts so far, what is
// recorded, and the instant. Whether a place at a cap is left is decided once,
// elsewhere, and recorded.
func (b *referralBody) next(terms *Program, now time.Time) (move, standing) {
	payment, qualifies := qualifying(terms, instant(b.Bound), b.Facts)
	switch b.State {
	case StateBound:
		switch {
		case qualifies:
			return qualify, payment
		case terms.QualifyWithin > 0 && !now.Before(instant(b.Bound).Add(terms.QualifyWithin)):
			return expire, payment
		}
	case StateHeld:
		switch {
		case !qualifies:
			return void, payment
		case payment.order != b.Order:
			return rehold, payment
		case !now.Before(instant(b.HoldUntil)):
			return confirm, payment
		}
	case StateConfirmed:
		if !qualifies {
			return reverse, payment
		}
	}
	return stay, payment
}

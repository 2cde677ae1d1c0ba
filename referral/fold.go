package referral

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// payment is an order that a friend paid.
type payment struct {
	order  string
	at     time.Time
	amount ledger.Money // paid
	stands bool         // enough of it was kept
}

// before is the order of payments: by their instants, then their orders.
func (p payment) before(order string, at time.Time) bool {
	return cmp.Or(p.at.Compare(at), cmp.Compare(p.order, order)) < 0
}

// first folds the facts of a referral: it gives the first payment that counts under
// the terms, and whether it stands. It is a pure function, and neither the order in
// which facts arrived nor how often changes it. What comes back says whether that
// payment stands, never which one counts: else a return could move the reward to
// another order, in a better time.
func first(terms *Program, bound time.Time, facts []factBody) (payment, bool) {
	var best payment
	found := false
	for _, f := range facts {
		at := instant(f.At)
		late := terms.QualifyWithin > 0 && !at.Before(bound.Add(terms.QualifyWithin))
		if f.Kind != FactPaid || at.Before(bound) || late || !enough(terms, f.Amount, f.Currency) {
			continue
		}
		p := payment{order: f.Order, at: at, amount: ledger.Minor(f.Amount, f.Currency)}
		if !found || p.before(best.order, best.at) {
			best, found = p, true
		}
	}
	best.stands = found && stands(terms, best, facts)
	return best, found
}

// enough says that an amount in minor units, paid or kept, is what the terms ask for.
func enough(terms *Program, amount int64, currency ledger.Currency) bool {
	if len(terms.MinimumSpend) == 0 {
		return amount > 0
	}
	least, ok := terms.MinimumSpend.In(currency)
	return ok && amount >= least.Minor()
}

// stands says that enough of a payment was kept. One that is given back as a whole,
// or in another currency than it was paid in, does not stand.
func stands(terms *Program, p payment, facts []factBody) bool {
	kept, currency := p.amount.Minor(), p.amount.Currency()
	for _, f := range facts {
		if f.Kind != FactRefunded || f.Order != p.order {
			continue
		}
		if f.Everything || f.Currency != currency {
			return false
		}
		kept = max(0, kept-f.Amount) // both are 0 or more: it can't wrap round
	}
	return enough(terms, kept, currency)
}

func (f *factBody) same(other *factBody) bool {
	return f.Kind == other.Kind && f.Order == other.Order && f.ID == other.ID
}

// record adds a fact, unless it is there or can't concern the referral any more.
// Facts are kept in the order of their instants, however they arrive. A fact that is
// there and said something else then is refused.
func (b *referralBody) record(f factBody) (added bool, err error) {
	if i := slices.IndexFunc(b.Facts, func(known factBody) bool { return known.same(&f) }); i >= 0 {
		known := &b.Facts[i]
		if known.Amount != f.Amount || known.Currency != f.Currency || known.Everything != f.Everything {
			err = fmt.Errorf("%w: order %q, %s %q was told before as %s", ledger.ErrKeyReused, f.Order, f.Kind, f.ID, ledger.Minor(known.Amount, known.Currency))
		}
		return false, err
	}
	if !b.concernedBy(&f) {
		return false, nil
	}
	b.Facts = append(slices.Clone(b.Facts), f)
	slices.SortFunc(b.Facts, func(x, y factBody) int {
		return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Order, y.Order), cmp.Compare(x.ID, y.ID))
	})
	return true, nil
}

// concernedBy says that a fact can change a referral: not when it is over, and of
// payments only one before the one that counts. So a friend who buys for years does
// not make it grow.
func (b *referralBody) concernedBy(f *factBody) bool {
	switch {
	case b.State.final():
		return false
	case f.Kind == FactPaid && b.Order != "":
		return payment{order: f.Order, at: instant(f.At)}.before(b.Order, instant(b.Paid))
	}
	return true
}

// move is what the facts ask of a referral in its state at an instant.
type move uint8

const (
	stay    move = iota
	qualify      // bound: a payment qualifies
	rehold       // held: a payment before the one recorded has come to light
	confirm      // held: the hold is over
	expire       // bound: the time to qualify is over
	void         // bound or held: the payment did not stay
	reverse      // confirmed: the payment did not stay
)

// next decides what is to be done, from the pinned terms, the facts so far, what is
// recorded, and the instant. Whether a place at a cap is left is decided once,
// elsewhere, and recorded.
func (b *referralBody) next(terms *Program, now time.Time) (move, payment) {
	p, found := first(terms, instant(b.Bound), b.Facts)
	taken := found && !p.stands
	switch b.State {
	case StateBound:
		switch {
		case taken:
			return void, p
		case found:
			return qualify, p
		case terms.QualifyWithin > 0 && !now.Before(instant(b.Bound).Add(terms.QualifyWithin)):
			return expire, p
		}
	case StateHeld:
		switch {
		case taken:
			return void, p
		case p.order != b.Order:
			return rehold, p
		case !now.Before(instant(b.HoldUntil)):
			return confirm, p
		}
	case StateConfirmed:
		if taken {
			return reverse, p
		}
	}
	return stay, p
}

package referral

import (
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Trigger is what qualifies a referral.
type Trigger string

// The triggers.
const (
	OnPayment      Trigger = ""             // the friend pays; the default
	OnRegistration Trigger = "registration" // the friend registered: nothing more is asked
	OnFact         Trigger = "fact"         // something that the shop defines, told with [Service.Record]
)

// Qualification says what a friend must do for the referral to count. The zero value:
// the first payment of any amount above 0.
//
// What counts of a payment is what was paid for goods in scope, less what promotional
// credit paid. Payments of a trial count nothing. What was given back before counts
// neither, and what is given back later is a matter of [Program.Shortfall].
type Qualification struct {
	On   Trigger
	Fact string // with OnFact: the fact's name

	// Nth is which payment (or fact) qualifies, among those that are enough; default
	// the first, at most 100.
	Nth int
	// Within is how long after the registration, its end not included; 0: without end.
	Within time.Duration
	// MinimumSpend is what one order must have paid and kept, one amount per
	// currency; in others nothing qualifies. Empty: any amount above 0.
	MinimumSpend coupon.Amounts
	// Cumulative asks for MinimumSpend from all payments together.
	Cumulative bool
	// In and Out say which goods count: those in In and not in Out.
	In, Out Goods
}

// Goods names categories and sellers. In [Qualification.In], an empty list is all of
// them; a line must be in both.
type Goods struct {
	Categories []string
	Sellers    []string
}

func (g *Goods) empty() bool { return len(g.Categories) == 0 && len(g.Sellers) == 0 }

const (
	maxNth   = 100
	maxGoods = 100 // names in a list
)

func (q *Qualification) check(faults *Faults) {
	switch q.On {
	case OnPayment, OnRegistration:
		if q.Fact != "" {
			faults.add("qualify.fact", "is only for what qualifies on a fact")
		}
	case OnFact:
		faults.id("qualify.fact", q.Fact, false)
	default:
		faults.add("qualify.on", "is %.20q, want %q, %q or nothing for a payment", q.On, OnRegistration, OnFact)
	}
	if q.Nth < 0 || q.Nth > maxNth {
		faults.add("qualify.nth", "is %d, want 0 (for the first) to %d", q.Nth, maxNth)
	}
	checkAmounts("qualify.minimum_spend", q.MinimumSpend, faults)
	if q.Cumulative && (len(q.MinimumSpend) == 0 || q.Nth > 1) {
		faults.add("qualify.cumulative", "asks for a minimum spend, and not for the nth payment")
	}
	if q.On == OnRegistration && (q.Nth > 1 || q.Within != 0 || len(q.MinimumSpend) > 0 || !q.In.empty() || !q.Out.empty()) {
		faults.add("qualify", "asks for payments, but qualifies on registration")
	}
	q.In.check("qualify.in", faults)
	q.Out.check("qualify.out", faults)
}

func (g *Goods) check(path string, faults *Faults) {
	for _, list := range []struct {
		path  string
		names []string
	}{{path + ".categories", g.Categories}, {path + ".sellers", g.Sellers}} {
		faults.most(list.path, len(list.names), maxGoods)
		for i, name := range list.names {
			faults.id(fmt.Sprintf("%s[%d]", list.path, i), name, false)
		}
	}
}

func (q *Qualification) nth() int { return max(1, q.Nth) }

// scoped says that only some goods count.
func (q *Qualification) scoped() bool { return !q.In.empty() || !q.Out.empty() }

// covers says that a part of an order counts.
func (q *Qualification) covers(p *partBody) bool {
	in := func(g *Goods, whole bool) (category, seller bool) {
		category = slices.ContainsFunc(p.Categories, func(c string) bool { return slices.Contains(g.Categories, c) })
		seller = slices.Contains(g.Sellers, p.Seller)
		return category || whole && len(g.Categories) == 0, seller || whole && len(g.Sellers) == 0
	}
	category, seller := in(&q.In, true)
	out, outSeller := in(&q.Out, false)
	return category && seller && !out && !outSeller
}

// triggers says that a fact is of the kind that can qualify.
func (q *Qualification) triggers(f *factBody) bool {
	return f.Kind == FactPaid && q.On == OnPayment || f.Kind == FactRecorded && q.On == OnFact && f.Name == q.Fact
}

// concernedBy says that a fact of a friend can matter: of payments and of what the shop
// defines, only what can qualify.
func (q *Qualification) concernedBy(f *factBody) bool {
	return f.Kind != FactPaid && f.Kind != FactRecorded || q.triggers(f)
}

// counted is how much of a payment counts, in minor units.
func (q *Qualification) counted(f *factBody) int64 {
	if f.Trial {
		return 0
	}
	return max(0, q.covered(f, f.Amount)-f.Credit)
}

// covered is how much of an amount is for goods that count. Parts that don't say what
// they are for count in a payment only where all goods do.
func (q *Qualification) covered(f *factBody, whole int64) int64 {
	if !q.scoped() {
		return whole
	}
	var sum int64
	for i := range f.Parts {
		if q.covers(&f.Parts[i]) {
			sum += f.Parts[i].Amount
		}
	}
	return sum
}

// givenBack is how much of what counted a return takes away: all of it where it does
// not say for which goods.
func (q *Qualification) givenBack(f *factBody) int64 {
	if len(f.Parts) == 0 {
		return f.Amount
	}
	return q.covered(f, f.Amount)
}

// enough says that an amount in minor units, paid or kept, is what the terms ask for.
func (q *Qualification) enough(amount int64, currency ledger.Currency) bool {
	if len(q.MinimumSpend) == 0 {
		return amount > 0
	}
	least, ok := q.MinimumSpend.In(currency)
	return ok && amount >= least.Minor()
}

// least is what is asked for in a currency, in minor units; of a payment of paid where
// the terms ask for no minimum.
func (q *Qualification) least(currency ledger.Currency, paid int64) int64 {
	if m, ok := q.MinimumSpend.In(currency); ok {
		return m.Minor()
	}
	return paid
}

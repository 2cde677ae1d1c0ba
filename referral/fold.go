package referral

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// qualified is what the facts say of what qualifies a referral.
type qualified struct {
	order  string       // the payment (or fact) that completed it
	at     time.Time    // when
	gross  time.Time    // when payments alone would have, whatever came back before
	amount ledger.Money // what counts of that payment, or of all where they count together
	kept   int64        // of what was asked for, in minor units
	asked  int64        // 0: nothing is asked for
	stands bool         // enough was kept
}

// before is the order of what qualifies: by its instant, then its order.
func (q *qualified) before(order string, at time.Time) bool {
	return cmp.Or(q.at.Compare(at), cmp.Compare(q.order, order)) < 0
}

// reduced says that a part of what was asked for came back, and the rest counts.
func (q *qualified) reduced() bool { return q.stands && q.kept < q.asked }

// fold says what of the facts qualifies a referral under the terms, if anything does.
// It is a pure function over facts sorted by their instants; neither the order in
// which they arrived nor how often changes it.
//
// It goes through payments and returns in time. The first instant at which what was
// paid and kept is what the terms ask for decides; what comes back later says whether
// it stands, never which one counts. Else a return could move the reward to another
// order, in a better time.
func fold(terms *Program, bound, deadline time.Time, facts []factBody) (qualified, bool) {
	if terms.Qualify.On == OnRegistration {
		return qualified{at: bound, gross: bound, stands: true}, true
	}
	r := run{terms: terms, bound: bound, deadline: deadline}
	if terms.Qualify.nth() == 1 && !terms.Qualify.Cumulative {
		return r.first(facts)
	}
	return r.several(facts)
}

// run goes through the facts of one referral.
type run struct {
	terms           *Program
	bound, deadline time.Time
	orders          []paidOrder
	index           map[string]int // of orders by their ids
}

type paidOrder struct {
	id       string
	at       time.Time
	currency ledger.Currency
	paid     int64 // what counts of it
	kept     int64
	asked    int64 // of what is kept of it, since it decided
	counts   bool  // it is paid by now
	pinned   bool  // it decided
}

// candidate reads a fact that may qualify.
func (r *run) candidate(f *factBody) (paidOrder, bool) {
	q := &r.terms.Qualify
	if !q.triggers(f) {
		return paidOrder{}, false
	}
	at := instant(f.At)
	if at.Before(r.bound) || !r.deadline.IsZero() && !at.Before(r.deadline) {
		return paidOrder{}, false
	}
	counted := q.counted(f)
	if q.On == OnFact && len(q.MinimumSpend) == 0 { // it happened: no amount is asked for
		counted = max(counted, 1)
	}
	return paidOrder{id: f.Order, at: at, currency: f.Currency, paid: counted, kept: counted}, counted > 0
}

// back is what is left of an amount after a return. One in another currency than the
// payment's takes everything.
func (r *run) back(kept int64, currency ledger.Currency, f *factBody) int64 {
	if f.Everything || f.Currency != currency {
		return 0
	}
	return max(0, kept-r.terms.Qualify.givenBack(f)) // both are 0 or more: it can't wrap round
}

// first is the case of one payment: the first that is enough.
func (r *run) first(facts []factBody) (qualified, bool) {
	q := &r.terms.Qualify
	for i := range facts {
		o, ok := r.candidate(&facts[i])
		if !ok || !q.enough(o.paid, o.currency) {
			continue
		}
		for j := range facts {
			if f := &facts[j]; f.Kind == FactRefunded && f.Order == o.id {
				o.kept = r.back(o.kept, o.currency, f)
			}
		}
		return qualified{
			order: o.id, at: o.at, gross: o.at, amount: ledger.Minor(o.paid, o.currency),
			kept: o.kept, asked: q.least(o.currency, o.paid), stands: r.stands(o.kept, o.currency),
		}, true
	}
	return qualified{}, false
}

// stands says that what was kept is enough, by what the terms say of a shortfall.
func (r *run) stands(kept int64, currency ledger.Currency) bool {
	if r.terms.Shortfall == ShortfallVoids {
		return r.terms.Qualify.enough(kept, currency)
	}
	return kept > 0
}

// several is the case of more than one payment: the nth, or all together.
//
// Returns before payments alone are enough leave less that counts, and further payments
// may make up for them. After that nothing more may come back: where payments were enough
// then, not so much that what they kept no longer is; where others had to make up, nothing
// at all. Those returns are the same, whatever else came back: so more of them is never
// better.
func (r *run) several(facts []factBody) (qualified, bool) {
	r.index = make(map[string]int)
	for i := range facts {
		if o, ok := r.candidate(&facts[i]); ok {
			r.index[o.id] = len(r.orders)
			r.orders = append(r.orders, o)
		}
	}
	var found qualified
	var complete, short bool // short: when payments alone were enough, what they kept was not
	late := false            // something came back after that
	kept, gross := progress{q: &r.terms.Qualify}, progress{q: &r.terms.Qualify}
	for i := range facts {
		f := &facts[i]
		at, known := r.index[f.Order]
		if !known {
			continue
		}
		o := &r.orders[at]
		switch {
		case f.Kind == FactRefunded:
			left := r.back(o.kept, o.currency, f)
			if o.counts {
				kept.change(o.currency, o.kept, left)
			}
			o.kept = left // before it was paid, by the clocks: it takes effect with the payment
			if !found.gross.IsZero() {
				late = late || f.Everything || f.Currency != o.currency || r.terms.Qualify.givenBack(f) > 0
			}
		case r.terms.Qualify.triggers(f) && !o.counts:
			o.counts = true
			kept.change(o.currency, 0, o.kept)
			if gross.change(o.currency, 0, o.paid); found.gross.IsZero() && gross.reached(o.currency) {
				found.gross, found.order, found.at = o.at, o.id, o.at
				short = !kept.reached(o.currency)
			}
			if !complete && kept.reached(o.currency) {
				complete, found.order, found.at = true, o.id, o.at
				r.pin(o.currency)
			}
		}
	}
	switch {
	case complete:
		r.judge(&found)
		found.stands = found.stands && !(short && late)
	case !short || !late:
		return qualified{}, false
	}
	return found, true
}

// progress is how far payments are: how many are enough, or what they come to.
type progress struct {
	q    *Qualification
	n    int
	sums []ledger.Money // with cumulative spend, by currency: there are few
}

// change puts one amount of a payment in place of another.
func (p *progress) change(currency ledger.Currency, before, after int64) {
	if p.q.Cumulative {
		i := slices.IndexFunc(p.sums, func(m ledger.Money) bool { return m.Currency() == currency })
		if i < 0 {
			i, p.sums = len(p.sums), append(p.sums, ledger.Minor(0, currency))
		}
		p.sums[i] = ledger.Minor(p.sums[i].Minor()-before+after, currency) // amounts are below 2^53, facts few: it can't wrap round
		return
	}
	if p.q.enough(before, currency) {
		p.n--
	}
	if p.q.enough(after, currency) {
		p.n++
	}
}

func (p *progress) reached(currency ledger.Currency) bool {
	if !p.q.Cumulative {
		return p.n >= p.q.nth()
	}
	i := slices.IndexFunc(p.sums, func(m ledger.Money) bool { return m.Currency() == currency })
	return i >= 0 && p.q.enough(p.sums[i].Minor(), currency)
}

// pin keeps the orders that decided. Where the terms ask for no minimum, what is kept of
// each by then is what must be kept: had all of one come back, another would have counted
// as a whole.
func (r *run) pin(currency ledger.Currency) {
	for i := range r.orders {
		o := &r.orders[i]
		o.pinned = o.counts && (r.terms.Qualify.Cumulative && o.currency == currency || !r.terms.Qualify.Cumulative && r.terms.Qualify.enough(o.kept, o.currency))
		o.asked = r.terms.Qualify.least(o.currency, o.kept)
	}
}

// judge says what was kept of the orders that decided.
func (r *run) judge(found *qualified) {
	found.stands = true
	for i := range r.orders {
		o := &r.orders[i]
		if !o.pinned {
			continue
		}
		found.kept += o.kept
		if r.terms.Qualify.Cumulative {
			sum, _ := found.amount.Add(ledger.Minor(o.paid, o.currency))
			if found.amount == (ledger.Money{}) {
				sum = ledger.Minor(o.paid, o.currency)
			}
			found.amount, found.asked = sum, o.asked
			continue
		}
		found.asked += o.asked
		found.stands = found.stands && r.stands(o.kept, o.currency)
		if o.id == found.order {
			found.amount = ledger.Minor(o.paid, o.currency)
		}
	}
	if r.terms.Qualify.Cumulative {
		found.stands = r.stands(found.kept, found.amount.Currency())
	}
}

// verdicts are what checks and reviews have decided by an instant.
type verdicts struct {
	open     bool      // a case is
	deadline time.Time // the first of those open
	referrer bool      // denied
	referee  bool      // denied
}

func (v *verdicts) denied(side Side) bool {
	return side == Referrer && v.referrer || side == Referee && v.referee
}

func (v *verdicts) both() bool { return v.referrer && v.referee }

func (v *verdicts) deny(side Side) {
	v.referrer = v.referrer || side != Referee
	v.referee = v.referee || side != Referrer
}

// judged reads the facts of checks and reviews. A case that nobody has decided in
// time is decided as it says.
func judged(facts []factBody, now time.Time) verdicts {
	var v verdicts
	for i := range facts {
		switch f := &facts[i]; {
		case f.Kind == FactReviewed && f.Verdict == Deny:
			v.deny(f.Side)
		case f.Kind != FactFlagged:
		case f.Action == ActionReject:
			v.deny("")
		case f.Action == ActionWithhold:
			v.deny(f.Side)
		case f.Action == ActionReview:
			decided := slices.ContainsFunc(facts, func(r factBody) bool { return r.Kind == FactReviewed && r.ID == f.ID })
			until := instant(f.Until)
			switch {
			case decided:
			case now.Before(until):
				v.open = true
				if v.deadline.IsZero() || until.Before(v.deadline) {
					v.deadline = until
				}
			case f.Otherwise == Deny:
				v.deny(f.Side)
			}
		}
	}
	return v
}

func erased(facts []factBody) bool {
	return slices.ContainsFunc(facts, func(f factBody) bool { return f.Kind == FactErased })
}

// event is what the pinned terms, the facts so far, what is recorded and the instant
// ask for; empty: nothing. Whether a place at a cap is left is decided once,
// elsewhere, and recorded.
func (b *referralBody) event(terms *Program, ending ending, now time.Time) (Event, qualified) {
	facts := b.known(terms, now)
	deadline := terms.deadline(instant(b.Bound), ending)
	v := judged(facts, now)
	switch {
	case b.State.final():
		return "", qualified{}
	case v.both():
		return EventDenied, qualified{}
	case v.open && b.State != StateConfirmed && b.State != StateReview:
		return EventFlagged, qualified{}
	case b.State == StateReview && v.open:
		return "", qualified{}
	case b.State == StateReview:
		return EventApproved, qualified{}
	}
	q, found := fold(terms, instant(b.Bound), deadline, facts)
	taken := found && !q.stands || !found && b.Gross > 0
	switch b.State {
	case StateBound:
		switch {
		case taken:
			return EventTakenBack, q
		case found:
			return EventQualifies, q
		case erased(facts):
			return EventErased, q
		case !deadline.IsZero() && !now.Before(deadline):
			return EventTimeOver, q
		}
	case StateHeld:
		switch {
		case taken:
			return EventTakenBack, q
		case q.order != b.Order:
			return EventEarlier, q
		case !now.Before(instant(b.HoldUntil)):
			return EventHoldOver, q
		}
	case StateConfirmed:
		if taken {
			return EventTakenBack, q
		}
	}
	return "", q
}

// known are the facts that count at an instant: all, or where the terms give facts
// time to arrive, those dated before it.
func (b *referralBody) known(terms *Program, now time.Time) []factBody {
	if terms.Lateness == 0 {
		return b.Facts
	}
	n, _ := slices.BinarySearchFunc(b.Facts, micros(now)+1, func(f factBody, at int64) int { return cmp.Compare(f.At, at) })
	return b.Facts[:n]
}

// instants are when something may happen to a referral by itself: the end of its hold,
// of its time, of a case.
func (b *referralBody) instants(terms *Program, ending ending) []int64 {
	var all []int64
	switch b.State {
	case StateHeld:
		all = append(all, b.HoldUntil)
	case StateBound:
		if deadline := terms.deadline(instant(b.Bound), ending); !deadline.IsZero() {
			all = append(all, micros(deadline))
		}
		if terms.Qualify.On == OnRegistration {
			all = append(all, b.Bound)
		}
	}
	if !b.State.final() {
		for i := range b.Facts {
			if f := &b.Facts[i]; f.Kind == FactFlagged && f.Action == ActionReview {
				all = append(all, f.Until)
			}
		}
	}
	return all
}

// next is the first instant after one at which the facts or the clock may ask for
// something; 0: none is known.
func (b *referralBody) next(terms *Program, ending ending, after int64) int64 {
	var first int64
	consider := func(at int64) {
		if at > after && (first == 0 || at < first) {
			first = at
		}
	}
	for _, at := range b.instants(terms, ending) {
		consider(at)
	}
	if !b.State.final() {
		for i := range b.Facts {
			consider(b.Facts[i].At)
		}
	}
	return first
}

// due is when the referral wants attention after it was advanced to an instant; 0: never.
func (b *referralBody) due(terms *Program, ending ending, now time.Time) int64 {
	if b.Retry > 0 {
		return b.Retry
	}
	if terms.Lateness > 0 {
		if at := b.next(terms, ending, b.Horizon); at > 0 {
			return at + terms.Lateness.Microseconds()
		}
		return 0
	}
	later := slices.DeleteFunc(b.instants(terms, ending), func(at int64) bool { return at <= micros(now) })
	if len(later) == 0 {
		return 0
	}
	return slices.Min(later)
}

func (f *factBody) same(other *factBody) bool {
	return f.Kind == other.Kind && f.Order == other.Order && f.ID == other.ID
}

// says is what a fact says, for the error about one that said something else.
func (f *factBody) says() string {
	said := ledger.Minor(f.Amount, f.Currency).String()
	if len(f.Parts) > 0 {
		said += fmt.Sprintf(" in %d parts", len(f.Parts))
	}
	return said
}

// sameParts says that an amount was for the same goods, in whatever order they are told.
func sameParts(a, b []partBody) bool {
	names := func(parts []partBody) []string {
		var all []string
		for _, p := range parts {
			all = append(all, fmt.Sprintf("%q %q %d", p.Seller, slices.Sorted(slices.Values(p.Categories)), p.Amount))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(names(a), names(b))
}

// record adds a fact, unless it is there or can't concern the referral any more.
// Facts are kept in the order of their instants, however they arrive. A fact that is
// there and said something else then is refused.
func (b *referralBody) record(f factBody) (added bool, err error) {
	if i := slices.IndexFunc(b.Facts, func(known factBody) bool { return known.same(&f) }); i >= 0 {
		known := &b.Facts[i]
		amounts := known.Amount != f.Amount || known.Currency != f.Currency || known.Credit != f.Credit
		if amounts && !f.derived || known.Everything != f.Everything || known.Trial != f.Trial || known.Name != f.Name || known.Verdict != f.Verdict || known.Side != f.Side || !sameParts(known.Parts, f.Parts) {
			err = fmt.Errorf("%w: order %q, %s %q was told before as %s", ledger.ErrKeyReused, f.Order, f.Kind, f.ID, known.says())
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

// maxFacts is how many facts a referral remembers before payments, and returns of
// orders it does not know, are left out.
const maxFacts = 1000

// concernedBy says that a fact can change a referral, or is wanted on record: of
// payments only one before the one that counts, and of what happens after the end only
// that. So a friend who buys for years does not make it grow.
func (b *referralBody) concernedBy(f *factBody) bool {
	known := func() bool {
		return slices.ContainsFunc(b.Facts, func(known factBody) bool { return known.Order == f.Order })
	}
	switch pays := f.Kind == FactPaid || f.Kind == FactRecorded; {
	case pays && len(b.Facts) >= maxFacts:
		return false
	case pays && b.Gross > 0:
		q := qualified{order: f.Order, at: instant(f.At)}
		return q.before(b.Order, instant(b.Paid))
	case b.State.final():
		return false
	case f.Kind == FactRefunded && (b.State == StateConfirmed && f.At > b.Confirmed || len(b.Facts) >= maxFacts):
		return known()
	}
	return true
}

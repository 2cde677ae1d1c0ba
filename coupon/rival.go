package coupon

import (
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// Rival is an offer that applies where another does not.
type Rival struct {
	Offer string
	Name  string
	Off   ledger.Money // what it takes off
}

// weighing holds those that the best set leaves out against it: with one of them, and
// without what can't stand beside it, how much less would come off?
type weighing struct {
	*decision
	set     []*entry // the best
	amounts []int64  // what each of them takes off in it
	off     int64    // all of them together
	cost    int      // of working out one offer
	work    int      // that may still be done
}

// weigh works out the set, which others are held against then. At most as much work is
// done as by the search itself: of those for which there is none left, it is not known.
func (d *decision) weigh(set []*entry, cost int) *weighing {
	d.price(set)
	w := &weighing{decision: d, set: set, amounts: make([]int64, len(set)), cost: cost, work: maxWork}
	for i, e := range set {
		w.amounts[i] = e.amount
		w.off += e.amount
	}
	return w
}

// against says in a refusal to which offers the entry lost, and by how much. Where the
// search did not get far enough to find the best set, one with the entry may even take
// more off: then it says nothing.
func (w *weighing) against(e *entry, refused *Refusal) {
	limited := w.limited
	defer func() { w.limited = limited }() // no limit has a say in what is only weighed
	amounts, off, ok := w.with(e)
	if !ok || off > w.off {
		return
	}
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, w.cart.Currency) }
	refused.Behind = money(w.off - off)
	for i, r := range w.set {
		if amounts[i] < w.amounts[i] || amounts[i] == absent {
			refused.Rivals = append(refused.Rivals, Rival{r.offerID(), r.offer().Name, money(w.amounts[i])})
		}
	}
}

// absent is the amount of an offer that is not in a set.
const absent = -1

// with works out the entry with those of the set that can stand beside it, or, where it
// does not apply beside them, alone. It gives what each of the set takes off then, and
// all together.
func (w *weighing) with(e *entry) (amounts []int64, off int64, ok bool) {
	if w.work -= 1 + len(w.set)/16; w.work < 0 {
		return nil, 0, false
	}
	beside := w.beside(e)
	for len(beside) > 1 {
		if w.work -= w.cost * len(beside); w.work < 0 || w.pricing.steps > maxSteps/2 {
			return nil, 0, false
		}
		switch failed, _ := w.price(beside); failed {
		case nil:
			return w.taken(beside)
		case e:
			beside = []*entry{e}
		default:
			beside = slices.DeleteFunc(beside, func(other *entry) bool { return other == failed })
		}
	}
	e.amount = e.alone
	return w.taken(beside)
}

// beside are the entry and those of the set that it does not keep out, in the order in
// which they are worked out. Those of the set can stand beside each other.
func (w *weighing) beside(e *entry) []*entry {
	taken := make(takings)
	taken.add(e.counted())
	beside := []*entry{e}
	for _, other := range w.set {
		if !other.clashes(e) && !other.groupedWith(e) && w.full(other.counted(), taken) == nil {
			taken.add(other.counted())
			beside = append(beside, other)
		}
	}
	slices.SortStableFunc(beside, (*entry).compareWork)
	return beside
}

func (w *weighing) taken(beside []*entry) (amounts []int64, off int64, ok bool) {
	amounts = make([]int64, len(w.set))
	for i, other := range w.set {
		amounts[i] = absent
		if slices.Contains(beside, other) {
			amounts[i] = other.amount
		}
	}
	for _, other := range beside {
		off += other.amount
	}
	return amounts, off, true
}

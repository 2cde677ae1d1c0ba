package coupon

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// part is some units of one line that have the same price, to the smallest coin,
// after every offer so far. A line begins as one part; an offer that counts only
// some of its units cuts it. So the work grows with lines and offers, never with
// units.
type part struct {
	price int64 // of all its units before offers, minor units
	now   int64 // what they cost after the offers so far
	units int32
	cut   int32 // its last cut, counted from 1; 0: none
	by    int32 // the offer that made it, as an index among those applied
	next  int32 // the part that follows in the line, counted from 1; 0: none
}

// tail is where a part that was cut off belongs.
type tail struct {
	line int
	head int   // the part that it was cut off
	from int64 // its first unit in the line, counted from 0
}

// cut is what one applied offer takes off a part. The cuts of all parts stand in the
// order in which they were made.
type cut struct {
	amount  int64
	applied int32
	before  int32 // the part's cut before, counted from 1; 0: none
}

// pricing is a cart while a set of offers is worked out on it.
type pricing struct {
	basket
	parts      []part  // those that the lines begin as, in cart order, then what was cut off
	floors     []int64 // the least that parts may cost
	used       []int64 // how many units of parts sets have used
	tails      []tail  // of the parts cut off
	cuts       []cut
	deliveries []delivery
	applied    int      // index of the offer being worked out
	short      *Refusal // what the cart lacks for it, where it takes nothing off for that
	changed    []int    // the parts that are not as before offers
	taken      int64    // units that sets have used
	fine       int      // parts cut off that offers looked at so far, and cuts that came with them
	finest     int      // how many that may be
	steps      int      // what bundles looked at, of all sets that were worked out

	splitter              ledger.Splitter
	eligibles, heap       []int // scratch
	picked                []int
	weights, room, shares []int64
	history               []int32
}

// delivery is one shipping line while offers are worked out on it.
type delivery struct {
	now int64
	off []deliveryCut
}

// deliveryCut is what one applied offer takes off a delivery.
type deliveryCut struct {
	delivery, applied int32
	amount            int64
}

// begin goes to the prices before offers of a basket just opened.
func (p *pricing) begin() {
	n := len(p.totals)
	p.parts, p.tails = slices.Grow(p.parts[:0], n)[:n], p.tails[:0]
	p.floors, p.used = slices.Grow(p.floors[:0], n)[:n], slices.Grow(p.used[:0], n)[:n]
	for i, total := range p.totals {
		p.parts[i] = part{units: int32(p.cart.Lines[i].Quantity), price: total, now: total}
	}
	copy(p.floors, p.least)
	clear(p.used)
	p.changed, p.steps = p.changed[:0], 0
	p.deliveries = slices.Grow(p.deliveries[:0], len(p.cart.Shipping))[:len(p.cart.Shipping)]
	p.reset()
}

// tooFine says that offers have cut the lines into more parts than is bearable. It is
// asked before each offer is worked out.
func (p *pricing) tooFine() bool {
	p.fine += len(p.parts) - len(p.totals)
	return p.fine > p.finest
}

// maxFine is how many parts cut off lines offers may look at all in all, besides four
// for each line and offer: so the work on a cart has a bound, whatever the offers.
const maxFine = 1 << 20

// restore makes a line one part again.
func (p *pricing) restore(line int) {
	total := p.totals[line]
	p.parts[line] = part{units: int32(p.cart.Lines[line].Quantity), price: total, now: total}
	p.floors[line], p.used[line] = p.least[line], 0
}

// reset goes back to the prices before offers.
func (p *pricing) reset() {
	for _, i := range p.changed {
		if i < len(p.totals) {
			p.restore(i)
		}
	}
	n := len(p.totals)
	p.parts, p.tails, p.floors, p.used = p.parts[:n], p.tails[:0], p.floors[:n], p.used[:n]
	p.changed, p.cuts = p.changed[:0], p.cuts[:0]
	for i, s := range p.cart.Shipping {
		p.deliveries[i] = delivery{now: s.Price.Minor(), off: p.deliveries[i].off[:0]}
	}
	p.applied, p.fine, p.taken = 0, 0, 0
}

// eligible gives the indices of the parts whose lines count for an entry, in the
// order of the lines' ids: of those with an equal claim to a last coin, the first
// has it. The slice is good until eligible is called again, and must not be changed.
func (p *pricing) eligible(e *entry) []int {
	if len(p.parts) == len(p.totals) {
		return e.lines // a line's first part has its index
	}
	p.eligibles = p.eligibles[:0]
	for _, i := range e.lines {
		for part := int32(i) + 1; part > 0; part = p.parts[part-1].next {
			p.eligibles = append(p.eligibles, int(part)-1)
		}
	}
	return p.eligibles
}

// take subtracts an amount from a part.
func (p *pricing) take(i int, amount int64) int64 {
	q := &p.parts[i]
	amount = min(amount, q.now-p.floors[i])
	if amount <= 0 {
		return 0
	}
	q.now -= amount
	if c := p.own(q); c != nil {
		c.amount += amount
		return amount
	}
	if q.cut == 0 {
		p.changed = append(p.changed, i)
	}
	p.cuts = append(p.cuts, cut{amount, int32(p.applied), q.cut})
	q.cut, q.by = int32(len(p.cuts)), int32(p.applied)
	return amount
}

// takeFromUnits subtracts an amount from each unit of some parts.
func (p *pricing) takeFromUnits(each int64, parts []int) (sum int64) {
	for _, i := range parts {
		sum += p.take(i, times(each, p.units(i)))
	}
	return sum
}

// own is the part's cut by the offer being worked out, if there is one.
func (p *pricing) own(q *part) *cut {
	if q.cut > 0 && int(q.by) == p.applied {
		return &p.cuts[q.cut-1]
	}
	return nil
}

// spread takes an amount off parts together: by what each still costs, what a
// floor refuses going to the others. It gives what was taken: the amount, or all
// the room there is.
func (p *pricing) spread(amount int64, parts []int) int64 {
	if len(parts) == 1 {
		return p.take(parts[0], amount)
	}
	if len(parts) == 2 && p.floors[parts[0]]|p.floors[parts[1]] == 0 {
		return p.spreadOverTwo(amount, parts[0], parts[1])
	}
	weights := slices.Grow(p.weights[:0], len(parts))[:len(parts)]
	var cost, least int64
	for k, i := range parts {
		now := p.parts[i].now
		weights[k] = now
		cost += now
		least += p.floors[i]
	}
	p.weights = weights
	if amount = min(amount, cost-least); amount <= 0 {
		return 0
	}
	var room []int64 // nil: no share is above what the part costs
	if least > 0 {
		p.room = slices.Grow(p.room[:0], len(parts))[:len(parts)]
		room = p.room
		for k, i := range parts {
			room[k] = weights[k] - p.floors[i]
		}
	}
	shares, err := p.splitter.Split(p.shares, amount, weights, room)
	if err != nil { // the amount is bounded by the room, and room needs weight
		return 0
	}
	p.shares = shares
	p.takeEach(parts, shares)
	return amount
}

// spreadOverTwo is spread over two parts without floors, as it most often is, without
// what [ledger.Split] needs for more: the share of the first is rounded to the nearest, a
// half in its favour, and the second has the rest.
func (p *pricing) spreadOverTwo(amount int64, first, second int) int64 {
	weight, cost := p.parts[first].now, p.parts[first].now+p.parts[second].now
	if amount = min(amount, cost); amount <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(weight))
	share, rest := bits.Div64(high, low, uint64(cost)) // not above the weight: so it fits
	if rest >= uint64(cost)-rest {
		share++
	}
	return p.take(first, int64(share)) + p.take(second, amount-int64(share))
}

// takeEach subtracts an amount from each of some parts, which have room for it.
func (p *pricing) takeEach(parts []int, amounts []int64) {
	all, cuts, applied := p.parts, p.cuts, int32(p.applied)
	for k, i := range parts {
		q, amount := &all[i], amounts[k]
		if amount == 0 {
			continue
		}
		q.now -= amount
		switch {
		case q.cut == 0:
			p.changed = append(p.changed, i)
		case q.by == applied:
			cuts[q.cut-1].amount += amount
			continue
		}
		cuts = append(cuts, cut{amount, applied, q.cut})
		q.cut, q.by = int32(len(cuts)), applied
	}
	p.cuts = cuts
}

// cost sums what parts cost: now, or before offers.
func (p *pricing) cost(parts []int, original bool) int64 {
	var sum int64
	for _, i := range parts {
		if original {
			sum += p.parts[i].price
		} else {
			sum += p.parts[i].now
		}
	}
	return sum
}

func (p *pricing) count(parts []int) int64 {
	var units int64
	for _, i := range parts {
		units += int64(p.parts[i].units)
	}
	return units
}

// ofLine is how many of some parts, from the first on, are of one line. The parts of a
// line stand together.
func (p *pricing) ofLine(parts []int) int {
	line := p.place(parts[0]).line
	if n := slices.IndexFunc(parts, func(i int) bool { return p.place(i).line != line }); n > 0 {
		return n
	}
	return len(parts)
}

// Pick says which units count where an offer counts only some.
type Pick uint8

// Which units count. Of those of equal price, the lines with the shorter, then the
// smaller id come first.
const (
	Cheapest Pick = iota
	Dearest
	CartOrder
)

// sort orders parts by a pick, comparing what a unit costs now.
func (p *pricing) sort(parts []int, pick Pick) {
	slices.SortStableFunc(parts, func(a, b int) int { return p.compare(a, b, pick) })
}

func (p *pricing) compare(a, b int, pick Pick) int {
	if pick == CartOrder {
		x, y := p.place(a), p.place(b)
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.from, y.from))
	}
	x, y := &p.parts[a], &p.parts[b]
	c := cmp.Compare(x.now/int64(x.units), y.now/int64(y.units)) // the price of a unit, to the coin
	if c == 0 {
		c = cmp.Compare(x.now%int64(x.units)*int64(y.units), y.now%int64(y.units)*int64(x.units))
	}
	if pick == Dearest {
		return -c
	}
	return c
}

// pick gives parts that hold exactly n units of those given, or all of them when
// there are fewer; the last one is cut if need be. It sorts no more than it takes: the
// parts stand in a heap, as places in those given, which decide between equals.
func (p *pricing) pick(parts []int, n int64, pick Pick) []int {
	p.heap, p.picked = p.heap[:0], p.picked[:0]
	for place := range parts {
		p.heap = append(p.heap, place)
	}
	before := func(a, b int) bool { return cmp.Or(p.compare(parts[a], parts[b], pick), a-b) < 0 }
	for i := len(p.heap)/2 - 1; i >= 0; i-- {
		sink(p.heap, i, before)
	}
	for n > 0 && len(p.heap) > 0 {
		i, last := parts[p.heap[0]], len(p.heap)-1
		p.heap[0], p.heap = p.heap[last], p.heap[:last]
		sink(p.heap, 0, before)
		p.picked = p.firstOf(p.picked, i, n)
		n -= p.units(p.picked[len(p.picked)-1])
	}
	return p.picked
}

// sink moves an element of a heap down to where it belongs.
func sink(heap []int, i int, before func(a, b int) bool) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if before(heap[child], heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// firstOf adds a part that holds n units of one to others: the part itself when it has
// no more.
func (p *pricing) firstOf(others []int, part int, n int64) []int {
	if p.units(part) > n {
		part = p.cutOff(part, n)
	}
	return append(others, part)
}

// unused is how many units of a part no set has used: what an offer counts as bought,
// got or part of a bundle is not that for another.
func (p *pricing) unused(i int) int64 { return p.units(i) - p.used[i] }

func (p *pricing) units(i int) int64 { return int64(p.parts[i].units) }

// place is where in the cart a part belongs.
func (p *pricing) place(i int) tail {
	if n := len(p.totals); i >= n {
		return p.tails[i-n]
	}
	return tail{line: i}
}

// use lets a set use up to n of a part's units, and gives how many it has.
func (p *pricing) use(i int, n int64) int64 {
	if n = min(n, p.unused(i)); n <= 0 {
		return 0
	}
	if p.parts[i].cut == 0 {
		p.changed = append(p.changed, i)
	}
	p.used[i] += n
	p.taken += n
	return n
}

// cutOff makes the last n units of a part one of their own, and gives its index. Those
// that sets have used are the first.
// The indices of other parts stay as they are. Units share evenly, the earlier ones
// carrying what does not divide, before each cut and after it alike.
func (p *pricing) cutOff(i int, n int64) int {
	if p.parts[i].cut == 0 {
		p.changed = append(p.changed, i)
	}
	whole := p.parts[i]
	units, floor, used, place := int64(whole.units), p.floors[i], p.used[i], p.place(i)
	first := units - n
	head, tail := whole, whole
	head.units, head.price = int32(first), firstUnits(whole.price, units, first)
	tail.units, tail.price = int32(n), whole.price-head.price
	head.now, tail.now, tail.cut = head.price, tail.price, 0
	p.floors[i], p.used[i] = firstUnits(floor, units, first), min(used, first)
	place.head, place.from = i, place.from+first
	p.floors, p.used, p.tails = append(p.floors, floor-p.floors[i]), append(p.used, used-p.used[i]), append(p.tails, place)
	p.history = p.history[:0]
	for c := whole.cut; c > 0; c = p.cuts[c-1].before {
		p.history = append(p.history, c-1)
	}
	p.fine += len(p.history)
	index, before := len(p.parts), whole.price
	for _, at := range slices.Backward(p.history) {
		c := &p.cuts[at]
		kept := firstOff(before, c.amount, units, first)
		before -= c.amount
		moved := cut{c.amount - kept, c.applied, tail.cut}
		c.amount = kept
		head.now -= kept
		tail.now -= moved.amount
		p.cuts = append(p.cuts, moved)
		tail.cut = int32(len(p.cuts))
	}
	head.next = int32(index) + 1
	p.parts[i] = head
	p.parts = append(p.parts, tail)
	return index
}

// rejoin joins the parts from an index on to those that they were cut off, where the offer
// being worked out cut them off and took nothing; the cuts from an index on are theirs. It
// says that nothing is left of them.
func (p *pricing) rejoin(parts, cuts int) bool {
	if len(p.parts) == parts {
		return true
	}
	if slices.ContainsFunc(p.cuts[cuts:], func(c cut) bool { return int(c.applied) == p.applied }) {
		return false
	}
	for i := len(p.parts) - 1; i >= parts; i-- {
		into := p.tails[i-len(p.totals)].head
		head, tail := &p.parts[into], &p.parts[i]
		for c, moved := head.cut, tail.cut; moved > 0; c, moved = p.cuts[c-1].before, p.cuts[moved-1].before {
			p.cuts[c-1].amount += p.cuts[moved-1].amount
		}
		head.units, head.price, head.now, head.next = head.units+tail.units, head.price+tail.price, head.now+tail.now, tail.next
		p.floors[into] += p.floors[i]
		p.used[into] += p.used[i]
	}
	p.parts, p.cuts = p.parts[:parts], p.cuts[:cuts]
	p.floors, p.used, p.tails = p.floors[:parts], p.used[:parts], p.tails[:parts-len(p.totals)]
	return true
}

// clip lowers what the offer being worked out took off to an amount, each part and
// delivery giving back by what it had.
func (p *pricing) clip(e *entry, amount int64) {
	p.weights = p.weights[:0]
	var cuts, now []*int64
	add := func(cut, cost *int64) {
		cuts, now, p.weights = append(cuts, cut), append(now, cost), append(p.weights, *cut)
	}
	for _, i := range p.eligible(e) {
		if c := p.own(&p.parts[i]); c != nil {
			add(&c.amount, &p.parts[i].now)
		}
	}
	for _, i := range e.deliveries {
		d := &p.deliveries[i]
		if n := len(d.off); n > 0 && int(d.off[n-1].applied) == p.applied {
			add(&d.off[n-1].amount, &d.now)
		}
	}
	shares, err := p.splitter.Split(p.shares, amount, p.weights, p.weights)
	if err != nil { // the amount is below the sum of the weights
		return
	}
	p.shares = shares
	for i, c := range cuts {
		*now[i] += *c - shares[i]
		*c = shares[i]
	}
}

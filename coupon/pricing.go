package coupon

import (
	"cmp"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// part is some units of one line that have the same price, to the smallest coin,
// after every offer so far. A line begins as one part; an offer that counts only
// some of its units cuts it. So the work grows with lines and offers, never with
// units.
type part struct {
	line  int
	from  int64 // its first unit in the line, counted from 0
	units int64
	price int64 // of all its units before offers, minor units
	now   int64 // what they cost after the offers so far
	floor int64 // the least they may cost
	used  int64 // how many of its units sets have used
	cut   int32 // its last cut, counted from 1; 0: none
	by    int32 // the offer that made it, as an index among those applied
	next  int32 // the part that follows in the line, counted from 1; 0: none
}

// cut is what one applied offer takes off a part. The cuts of all parts stand in the
// order in which they were made.
type cut struct {
	amount  int64
	part    int32
	applied int32
	before  int32 // the part's cut before, counted from 1; 0: none
}

// pricing is a cart while a set of offers is worked out on it.
type pricing struct {
	basket
	parts      []part // those that the lines begin as, in cart order, then what was cut off
	cuts       []cut
	deliveries []delivery
	gifts      []Gift
	applied    int      // index of the offer being worked out
	short      *Refusal // what the cart lacks for it, where it takes nothing off for that
	changed    []int    // the parts that are not as before offers
	used       int64    // units that sets have used
	fine       int      // parts cut off that offers looked at so far, and cuts that came with them
	finest     int      // how many that may be

	splitter              ledger.Splitter
	eligibles, heap       []int // scratch
	picked                []int
	weights, room, shares []int64
	history               []int32
	counts                []int32
}

// delivery is one shipping line while offers are worked out on it.
type delivery struct {
	now int64
	off []deliveryCut
}

// deliveryCut is what one applied offer takes off a delivery.
type deliveryCut struct {
	applied int
	amount  int64
}

// begin goes to the prices before offers of a basket just opened.
func (p *pricing) begin() {
	p.parts = slices.Grow(p.parts[:0], len(p.totals))[:len(p.totals)]
	for i := range p.parts {
		p.restore(i)
	}
	p.changed = p.changed[:0]
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
	p.parts[line] = part{line: line, units: p.cart.Lines[line].Quantity, price: total, now: total, floor: p.floors[line]}
}

// reset goes back to the prices before offers.
func (p *pricing) reset() {
	for _, i := range p.changed {
		if i < len(p.totals) {
			p.restore(i)
		}
	}
	p.changed, p.parts, p.cuts = p.changed[:0], p.parts[:len(p.totals)], p.cuts[:0]
	for i, s := range p.cart.Shipping {
		p.deliveries[i] = delivery{now: s.Price.Minor(), off: p.deliveries[i].off[:0]}
	}
	p.gifts, p.applied, p.fine, p.used = p.gifts[:0], 0, 0, 0
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
	amount = min(amount, q.now-q.floor)
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
	p.cuts = append(p.cuts, cut{amount, int32(i), int32(p.applied), q.cut})
	q.cut, q.by = int32(len(p.cuts)), int32(p.applied)
	return amount
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
	p.weights, p.room = p.weights[:0], p.room[:0]
	var cost, space int64
	for _, i := range parts {
		q := &p.parts[i]
		p.weights = append(p.weights, q.now)
		p.room = append(p.room, q.now-q.floor)
		cost += q.now
		space += q.now - q.floor
	}
	if amount = min(amount, space); amount <= 0 {
		return 0
	}
	if amount == space {
		for k, i := range parts {
			p.take(i, p.room[k])
		}
		return amount
	}
	room := p.room
	if cost == space { // no share is above what the part costs
		room = nil
	}
	shares, err := p.splitter.Split(p.shares, amount, p.weights, room)
	if err != nil { // the amount is bounded by the room, and room needs weight
		return 0
	}
	p.shares = shares
	for k, i := range parts {
		p.take(i, shares[k])
	}
	return amount
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
		units += p.parts[i].units
	}
	return units
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
	x, y := &p.parts[a], &p.parts[b]
	if pick == CartOrder {
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.from, y.from))
	}
	c := cmp.Compare(x.now/x.units, y.now/y.units) // the price of a unit, to the coin
	if c == 0 {
		c = cmp.Compare(x.now%x.units*y.units, y.now%y.units*x.units)
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
		n -= p.parts[p.picked[len(p.picked)-1]].units
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
	if p.parts[part].units > n {
		part = p.cutOff(part, n)
	}
	return append(others, part)
}

// unused is how many units of a part no set has used: what an offer counts as bought,
// got or part of a bundle is not that for another.
func (p *pricing) unused(i int) int64 { return p.parts[i].units - p.parts[i].used }

// use lets a set use up to n of a part's units, and gives how many it has.
func (p *pricing) use(i int, n int64) int64 {
	q := &p.parts[i]
	if n = min(n, q.units-q.used); n <= 0 {
		return 0
	}
	if q.cut == 0 {
		p.changed = append(p.changed, i)
	}
	q.used += n
	p.used += n
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
	first := whole.units - n
	head, tail := whole, whole
	head.units, head.price, head.floor = first, firstUnits(whole.price, whole.units, first), firstUnits(whole.floor, whole.units, first)
	tail.units, tail.price, tail.floor = n, whole.price-head.price, whole.floor-head.floor
	tail.from += first
	head.used = min(whole.used, first)
	tail.used = whole.used - head.used
	head.now, tail.now, tail.cut = head.price, tail.price, 0
	p.history = p.history[:0]
	for c := whole.cut; c > 0; c = p.cuts[c-1].before {
		p.history = append(p.history, c-1)
	}
	p.fine += len(p.history)
	index, before := len(p.parts), whole.price
	for _, at := range slices.Backward(p.history) {
		c := &p.cuts[at]
		kept := firstOff(before, c.amount, whole.units, first)
		before -= c.amount
		moved := cut{c.amount - kept, int32(index), c.applied, tail.cut}
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
		if n := len(d.off); n > 0 && d.off[n-1].applied == p.applied {
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

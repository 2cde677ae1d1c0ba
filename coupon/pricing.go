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
	off   []cut // what each offer took off, in the order worked out
}

// cut is what one applied offer takes off a part or a delivery.
type cut struct {
	applied int
	amount  int64
}

// first cuts the first n units off the part, which keeps the others. Units share
// evenly, the earlier ones carrying what does not divide, before the cut and
// after it alike.
func (p *part) first(n int64) part {
	head := part{line: p.line, from: p.from, units: n, price: firstUnits(p.price, p.units, n), floor: firstUnits(p.floor, p.units, n)}
	head.now = head.price
	before := p.price
	rest := make([]cut, len(p.off))
	for i, c := range p.off {
		after := before - c.amount
		amount := firstUnits(before, p.units, n) - firstUnits(after, p.units, n)
		head.off = append(head.off, cut{c.applied, amount})
		rest[i] = cut{c.applied, c.amount - amount}
		head.now -= amount
		before = after
	}
	p.off = rest
	p.from += n
	p.units -= n
	p.price -= head.price
	p.now -= head.now
	p.floor -= head.floor
	return head
}

// pricing is a cart while a set of offers is worked out on it.
type pricing struct {
	*basket
	parts      []part // by line, in cart order
	deliveries []delivery
	gifts      []Gift
	applied    int      // index of the offer being worked out
	short      *Refusal // what the cart lacks for it, where it takes nothing off for that
	order      []int    // the lines by id; nil when they stand in that order
	changed    []int    // the parts that are not as before offers

	eligibles             []int // scratch
	weights, room, shares []int64
}

// delivery is one shipping line while offers are worked out on it.
type delivery struct {
	now int64
	off []cut
}

func (b *basket) pricing() *pricing {
	p := &pricing{basket: b, parts: make([]part, len(b.totals)), deliveries: make([]delivery, len(b.cart.Shipping))}
	p.order = orderByID(b.cart.Lines)
	room := make([]cut, usualCuts*len(p.parts))
	for i, total := range p.totals {
		p.parts[i] = part{line: i, units: p.cart.Lines[i].Quantity, price: total, now: total, floor: p.floors[i]}
		p.parts[i].off = room[usualCuts*i : usualCuts*i : usualCuts*(i+1)]
	}
	p.resetDeliveries()
	return p
}

// usualCuts is how many offers' cuts a line has room for without asking for memory.
const usualCuts = 4

// byID is the line that stands at a place when lines are ordered by their ids.
func (p *pricing) byID(place int) int {
	if p.order == nil {
		return place
	}
	return p.order[place]
}

// orderByID orders lines by their ids, the shorter first, so that the order of lines
// has no effect; nil when they stand in that order.
func orderByID(lines []Line) []int {
	sorted := true
	for i := 1; i < len(lines) && sorted; i++ {
		sorted = compareIDs(lines[i-1].ID, lines[i].ID) < 0
	}
	if sorted {
		return nil
	}
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareIDs(lines[a].ID, lines[b].ID) })
	return order
}

func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return cmp.Compare(a, b)
}

// reset goes back to the prices before offers.
func (p *pricing) reset() {
	for _, i := range p.changed {
		if i < len(p.totals) {
			q := &p.parts[i]
			*q = part{line: i, units: p.cart.Lines[i].Quantity, price: p.totals[i], now: p.totals[i], floor: p.floors[i], off: q.off[:0]}
		}
	}
	p.changed, p.parts = p.changed[:0], p.parts[:len(p.totals)]
	p.resetDeliveries()
	p.gifts, p.applied = p.gifts[:0], 0
}

func (p *pricing) resetDeliveries() {
	for i, s := range p.cart.Shipping {
		p.deliveries[i] = delivery{now: s.Price.Minor(), off: p.deliveries[i].off[:0]}
	}
}

// eligible gives the indices of the parts whose lines count for an entry, in the
// order of the lines' ids: of those with an equal claim to a last coin, the first
// has it. The slice is good until eligible is called again, and may be sorted.
func (p *pricing) eligible(e *entry) []int {
	p.eligibles = append(p.eligibles[:0], e.lines...) // a line's first part has its index
	tails := p.parts[len(p.totals):]
	if len(tails) == 0 {
		return p.eligibles
	}
	place := make(map[int]int, len(e.lines))
	for k, i := range e.lines {
		place[i] = k
	}
	for i := range tails {
		if _, counts := place[tails[i].line]; counts {
			p.eligibles = append(p.eligibles, len(p.totals)+i)
		}
	}
	slices.SortFunc(p.eligibles, func(a, b int) int {
		x, y := &p.parts[a], &p.parts[b]
		return cmp.Or(cmp.Compare(place[x.line], place[y.line]), cmp.Compare(x.from, y.from))
	})
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
	if c := last(q.off, p.applied); c != nil {
		c.amount += amount
		return amount
	}
	if len(q.off) == 0 {
		p.changed = append(p.changed, i)
	}
	q.off = append(q.off, cut{p.applied, amount})
	return amount
}

// spread takes an amount off parts together: by what each still costs, what a
// floor refuses going to the others. It gives what was taken: the amount, or all
// the room there is.
func (p *pricing) spread(amount int64, parts []int) int64 {
	p.weights, p.room = p.weights[:0], p.room[:0]
	var space int64
	for _, i := range parts {
		q := &p.parts[i]
		p.weights = append(p.weights, q.now)
		p.room = append(p.room, q.now-q.floor)
		space += q.now - q.floor
	}
	amount = min(amount, space)
	if amount <= 0 {
		return 0
	}
	shares, err := ledger.Split(p.shares, amount, p.weights, p.room)
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
	if pick == CartOrder {
		slices.SortFunc(parts, func(a, b int) int {
			return cmp.Or(cmp.Compare(p.parts[a].line, p.parts[b].line), cmp.Compare(p.parts[a].from, p.parts[b].from))
		})
		return
	}
	slices.SortStableFunc(parts, func(a, b int) int {
		x, y := &p.parts[a], &p.parts[b]
		c := cmp.Compare(x.now/x.units, y.now/y.units) // the price of a unit, to the coin
		if c == 0 {
			c = cmp.Compare(x.now%x.units*y.units, y.now%y.units*x.units)
		}
		if pick == Dearest {
			return -c
		}
		return c
	})
}

// pick gives parts that hold exactly n units of those given, or all of them when
// there are fewer; the last one is cut if need be.
func (p *pricing) pick(parts []int, n int64, pick Pick) []int {
	sorted := slices.Clone(parts)
	p.sort(sorted, pick)
	return p.firstOf(sorted, n)
}

// firstOf gives parts that hold the first n units of those given.
func (p *pricing) firstOf(parts []int, n int64) []int {
	var picked []int
	for _, i := range parts {
		if n <= 0 {
			break
		}
		if units := p.parts[i].units; units > n {
			i = p.cutOff(i, n)
		}
		picked = append(picked, i)
		n -= p.parts[i].units
	}
	return picked
}

// cutOff makes the last n units of a part one of their own, and gives its index.
// The indices of other parts stay as they are.
func (p *pricing) cutOff(i int, n int64) int {
	q := &p.parts[i]
	head := q.first(q.units - n)
	tail := *q
	p.parts[i] = head
	p.changed = append(p.changed, i)
	p.parts = append(p.parts, tail)
	return len(p.parts) - 1
}

// clip lowers what the offer being worked out took off to an amount, each part and
// delivery giving back by what it had.
func (p *pricing) clip(amount int64) {
	var cuts []*cut
	var now []*int64
	for i := range p.parts {
		if c := last(p.parts[i].off, p.applied); c != nil {
			cuts, now = append(cuts, c), append(now, &p.parts[i].now)
		}
	}
	for i := range p.deliveries {
		if c := last(p.deliveries[i].off, p.applied); c != nil {
			cuts, now = append(cuts, c), append(now, &p.deliveries[i].now)
		}
	}
	p.weights = p.weights[:0]
	for _, c := range cuts {
		p.weights = append(p.weights, c.amount)
	}
	shares, err := ledger.Split(p.shares, amount, p.weights, p.weights)
	if err != nil { // the amount is below the sum of the weights
		return
	}
	p.shares = shares
	for i, c := range cuts {
		*now[i] += c.amount - shares[i]
		c.amount = shares[i]
	}
}

// last is the cut of the offer being worked out, if there is one.
func last(cuts []cut, applied int) *cut {
	if n := len(cuts); n > 0 && cuts[n-1].applied == applied {
		return &cuts[n-1]
	}
	return nil
}

// write puts the parts and deliveries into the quote, the parts in the order of
// their units.
func (p *pricing) write(q *Quote) {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, p.cart.Currency) }
	if len(p.parts) > len(p.totals) {
		slices.SortFunc(p.parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.from, b.from)) })
	}
	cuts := 0
	for i := range p.parts {
		cuts += len(p.parts[i].off)
	}
	parts, offs := make([]QuotePart, 0, len(p.parts)), make([]Off, 0, cuts)
	for i := 0; i < len(p.parts); {
		line := &q.Lines[p.parts[i].line]
		first := len(parts)
		var total int64
		for ; i < len(p.parts) && &q.Lines[p.parts[i].line] == line; i++ {
			x := &p.parts[i]
			begin := len(offs)
			for _, c := range x.off {
				if c.amount > 0 {
					offs = append(offs, Off{c.applied, money(c.amount)})
				}
			}
			part := QuotePart{Units: x.units, Price: money(x.price), Total: money(x.now)}
			if len(offs) > begin {
				part.Off = slices.Clip(offs[begin:])
			}
			parts = append(parts, part)
			total += x.now
		}
		line.Parts, line.Total = slices.Clip(parts[first:]), money(total)
		if line.Off = line.Parts[0].Off; len(line.Parts) > 1 {
			line.Off = sumParts(line.Parts)
		}
	}
	p.writeDeliveries(q)
	q.Gifts = slices.Clone(p.gifts)
}

// sumParts sums what comes off the parts of a line, by offer.
func sumParts(parts []QuotePart) []Off {
	var sums []Off
	for _, part := range parts {
		for _, o := range part.Off {
			i, known := slices.BinarySearchFunc(sums, o, func(a, b Off) int { return cmp.Compare(a.Applied, b.Applied) })
			if known {
				sums[i].Amount = ledger.Minor(sums[i].Amount.Minor()+o.Amount.Minor(), o.Amount.Currency())
			} else {
				sums = slices.Insert(sums, i, o)
			}
		}
	}
	return sums
}

func (p *pricing) writeDeliveries(q *Quote) {
	for i, s := range p.cart.Shipping {
		d := QuoteDelivery{ID: s.ID, Price: s.Price, Total: ledger.Minor(p.deliveries[i].now, p.cart.Currency)}
		for _, c := range p.deliveries[i].off {
			if c.amount > 0 {
				d.Off = append(d.Off, Off{c.applied, ledger.Minor(c.amount, p.cart.Currency)})
			}
		}
		q.Deliveries = append(q.Deliveries, d)
	}
}

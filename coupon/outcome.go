package coupon

import (
	"cmp"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// outcome is what deciding came to, as it was worked out. The lists that a quote gives
// are put together from it when they are asked for, so that a quote whose total is all
// that is wanted costs no more than that.
type outcome struct {
	customer string     // its key
	lines    []Line     // as they were priced
	shipping []Shipping // as it was priced
	parts    []part     // those that lines begin as, in cart order, then what was cut off
	cuts     []cut
	less     []deliveryCut // what comes off deliveries, by delivery
	applied  []decided
	left     []leftOut // by line, then by offer
	refused  []decided
}

// few is up to how many lines a cart is small, as most are.
const few = 10

// smallQuote is a quote of a small cart and room for what it comes to: one allocation
// takes less time than one for each list. It has 1,392 bytes, for which Go's allocator has
// a class of sizes that it serves fast; more cuts or lines would take it to the next, which
// costs more than they save. The quote takes nine whole cache lines, so that no part lies
// across two.
type smallQuote struct {
	quote   Quote
	parts   [few]part
	cuts    [16]cut
	decided [few]decided
}

// room is where the lists of an outcome stand; what does not fit goes elsewhere.
type room struct {
	parts   []part
	cuts    []cut
	decided []decided
}

// newQuote makes a quote of so many lines.
func newQuote(lines int) (*Quote, room) {
	if lines > few {
		return new(Quote), room{}
	}
	q := new(smallQuote)
	return &q.quote, room{q.parts[:0], q.cuts[:0], q.decided[:]}
}

// take gives n entries of a list that are not in use.
func (r *room) take(n int) []decided {
	if r.decided == nil || n > cap(r.decided) {
		return make([]decided, n)
	}
	all := r.decided[:n:n]
	r.decided = r.decided[n:]
	return all
}

// concerns says that two outcomes are of the same offers, with the same amounts, and of the
// same lines and deliveries: they may differ in what comes off each of these.
func (o *outcome) concerns(other *outcome) bool {
	return slices.EqualFunc(o.applied, other.applied, func(a, b decided) bool {
		return a.Version == b.Version && a.amount == b.amount && a.couponID() == b.couponID()
	}) &&
		slices.EqualFunc(o.lines, other.lines, func(a, b Line) bool { return a.ID == b.ID }) &&
		slices.EqualFunc(o.shipping, other.shipping, func(a, b Shipping) bool { return a.ID == b.ID && a.Price == b.Price })
}

// cameAbout says that two outcomes of the same lines came about in the same way, and so are
// alike in all that lines and deliveries show; if not, they may still be alike.
func (o *outcome) cameAbout(other *outcome) bool {
	return slices.Equal(o.parts, other.parts) && slices.Equal(o.cuts, other.cuts) && slices.Equal(o.less, other.less)
}

// cameAboutAs says so of what was worked out and an outcome.
func (p *pricing) cameAboutAs(o *outcome) bool {
	less := o.less
	for i := range p.deliveries {
		for _, c := range p.deliveries[i].off {
			if c.amount == 0 {
				continue
			}
			if len(less) == 0 || less[0] != c {
				return false
			}
			less = less[1:]
		}
	}
	return len(less) == 0 && slices.Equal(p.parts, o.parts) && slices.Equal(p.cuts, o.cuts)
}

// decided is a candidate that applies, or is refused: because its lines cost too little,
// or as the refusal says.
type decided struct {
	*Candidate
	amount  int64    // what it takes off; or what its lines cost, where that is too little
	refused *Refusal // of one that applies, the limit of money that clipped the amount, if one did
}

// couponID is empty where no coupon was presented.
func (d decided) couponID() string {
	if d.Coupon == nil {
		return ""
	}
	return d.Coupon.ID
}

// leftOut is a line that an offer which applies passes over, or a delivery: they are
// counted after the lines.
type leftOut struct {
	applied, line int32
	reason        Reason
}

func (l leftOut) compare(other leftOut) int {
	return cmp.Or(cmp.Compare(l.line, other.line), cmp.Compare(l.applied, other.applied))
}

// leaveDeliveries says that an offer counts only some of a cart's deliveries: their
// sellers keep it away from the others.
func (o *outcome) leaveDeliveries(applied int, counted []int, cart *Cart) {
	counts := make([]bool, len(cart.Shipping))
	for _, i := range counted {
		counts[i] = true
	}
	for i := range counts {
		if !counts[i] {
			o.left = append(o.left, leftOut{int32(applied), int32(len(cart.Lines) + i), ReasonSeller})
		}
	}
}

// Lines are the lines of the cart, in its order, and what comes off each.
func (q *Quote) Lines() []QuoteLine {
	var memory quoteMemory
	return slices.Clip(q.linesIn(&memory))
}

// linesIn puts the lines together in a memory, whatever it has held.
func (q *Quote) linesIn(memory *quoteMemory) []QuoteLine {
	o, n := &q.outcome, len(q.outcome.lines)
	if n == 0 {
		return nil
	}
	memory.lines = slices.Grow(memory.lines[:0], n)[:n]
	memory.offs, memory.parts = slices.Grow(memory.offs[:0], len(o.cuts)), slices.Grow(memory.parts[:0], len(o.parts))
	lines := memory.lines
	for i := range lines {
		lines[i] = q.line(i, memory)
	}
	for _, l := range o.left {
		if int(l.line) >= len(lines) {
			break
		}
		offer := &o.applied[l.applied].Version.offer
		lines[l.line].LeftOut = append(lines[l.line].LeftOut, LeftOut{offer.ID, offer.Name, l.reason})
	}
	return lines
}

// quoteMemory is where lines are put together.
type quoteMemory struct {
	lines []QuoteLine
	offs  []Off
	parts []QuotePart
}

// rest is where the next offs go, of which none is there yet.
func (m *quoteMemory) rest() []Off { return m.offs[len(m.offs):] }

// keep takes offs that were put there, and gives them; nil for none.
func (m *quoteMemory) keep(offs []Off) []Off {
	if len(offs) == 0 {
		return nil
	}
	m.offs = m.offs[:len(m.offs)+len(offs)]
	return slices.Clip(offs)
}

// line is one line, without the offers that pass over it.
func (q *Quote) line(i int, memory *quoteMemory) QuoteLine {
	o := &q.outcome
	line := QuoteLine{ID: o.lines[i].ID}
	var price, total int64
	first := len(memory.parts)
	for next := int32(i) + 1; next > 0; {
		p := &o.parts[next-1]
		memory.parts = append(memory.parts, QuotePart{int64(p.units), q.money(p.price), q.off(p, memory), q.money(p.now)})
		line.Quantity += int64(p.units)
		price += p.price
		total += p.now
		next = p.next
	}
	line.Price, line.Total, line.Parts = q.money(price), q.money(total), slices.Clip(memory.parts[first:])
	if line.Off = line.Parts[0].Off; len(line.Parts) > 1 {
		line.Off = sumParts(line.Parts)
	}
	return line
}

// parts are those of one line.
func (q *Quote) parts(line int) []QuotePart {
	var memory quoteMemory
	return q.line(line, &memory).Parts
}

func (q *Quote) money(minor int64) ledger.Money { return ledger.Minor(minor, q.Subtotal.Currency()) }

// off is what comes off one part.
func (q *Quote) off(p *part, memory *quoteMemory) []Off {
	first := len(memory.offs)
	for c := p.cut; c > 0; c = q.outcome.cuts[c-1].before {
		if cut := &q.outcome.cuts[c-1]; cut.amount > 0 {
			memory.offs = append(memory.offs, Off{int(cut.applied), q.money(cut.amount)})
		}
	}
	if first == len(memory.offs) {
		return nil
	}
	off := slices.Clip(memory.offs[first:])
	slices.Reverse(off)
	return off
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

// Deliveries are what is shipped, as the cart has it, and what comes off each.
func (q *Quote) Deliveries() []QuoteDelivery {
	var all []QuoteDelivery
	for i := range q.outcome.shipping {
		all = append(all, q.delivery(i))
	}
	return all
}

func (q *Quote) delivery(i int) QuoteDelivery {
	s, less := &q.outcome.shipping[i], q.outcome.less
	d := QuoteDelivery{ID: s.ID, Price: s.Price}
	total := s.Price.Minor()
	first, _ := slices.BinarySearchFunc(less, int32(i), func(c deliveryCut, i int32) int { return cmp.Compare(c.delivery, i) })
	for _, c := range less[first:] {
		if int(c.delivery) != i {
			break
		}
		d.Off = append(d.Off, Off{int(c.applied), q.money(c.amount)})
		total -= c.amount
	}
	d.Total = q.money(total)
	return d
}

// Applied are the offers that apply, in the order in which they were worked out.
func (q *Quote) Applied() []Applied {
	if len(q.outcome.applied) == 0 {
		return nil
	}
	all := make([]Applied, len(q.outcome.applied))
	for i, a := range q.outcome.applied {
		offer := &a.Version.offer
		all[i] = Applied{Offer: offer.ID, Version: offer.Version, Name: offer.Name, Coupon: a.couponID(), Amount: q.money(a.amount)}
	}
	return all
}

// Gifts are the goods that offers add for nothing.
func (q *Quote) Gifts() []Gift {
	var all []Gift
	for i, a := range q.outcome.applied {
		if gift, ok := a.Version.offer.Benefit.(GiftLine); ok {
			all = append(all, Gift{i, gift.Product, gift.Quantity})
		}
	}
	return all
}

// Refused are the candidates that do not apply, each with the reason, in the order of
// offers, coupons, codes.
func (q *Quote) Refused() []*Refusal {
	if len(q.outcome.refused) == 0 {
		return nil
	}
	memory := make([]Refusal, len(q.outcome.refused))
	all := make([]*Refusal, len(memory))
	for i, r := range q.outcome.refused {
		all[i] = &memory[i]
		if r.refused != nil {
			memory[i] = *r.refused
			continue
		}
		needed, _ := r.Version.minimum.In(q.Subtotal.Currency())
		memory[i] = Refusal{Reason: ReasonMinimumSpend, Found: q.money(r.amount), Needed: needed, Missing: q.money(needed.Minor() - r.amount)}
		r.concern(&memory[i], q.outcome.customer)
	}
	return all
}

package coupon

import (
	"cmp"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// write puts the parts and deliveries into the quote, the parts in the order of
// their units.
func (p *pricing) write(q *Quote) {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, p.cart.Currency) }
	offs := p.writeOff()
	parts := make([]QuotePart, 0, len(p.parts))
	q.Lines = make([]QuoteLine, len(p.totals))
	for i := range q.Lines {
		first := len(parts)
		var total int64
		for next := int32(i) + 1; next > 0; {
			x := &p.parts[next-1]
			parts = append(parts, QuotePart{Units: x.units, Price: money(x.price), Off: p.off(offs, next-1), Total: money(x.now)})
			total += x.now
			next = x.next
		}
		line := &q.Lines[i]
		line.ID, line.Quantity, line.Price, line.Total = p.cart.Lines[i].ID, p.cart.Lines[i].Quantity, money(p.totals[i]), money(total)
		line.Parts = slices.Clip(parts[first:])
		if line.Off = line.Parts[0].Off; len(line.Parts) > 1 {
			line.Off = sumParts(line.Parts)
		}
	}
	p.writeDeliveries(q)
	if len(p.gifts) > 0 {
		q.Gifts = slices.Clone(p.gifts)
	}
}

// writeOff writes what comes off all parts, part after part, and leaves in counts
// where that of each part ends: a sort by counting, since cuts stand in the order of
// offers.
func (p *pricing) writeOff() []Off {
	p.counts = slices.Grow(p.counts[:0], len(p.parts))[:len(p.parts)]
	clear(p.counts)
	for i := range p.cuts {
		if c := &p.cuts[i]; c.amount > 0 {
			p.counts[c.part]++
		}
	}
	sum := int32(0)
	for i, n := range p.counts {
		p.counts[i] = sum // where the next one of the part goes
		sum += n
	}
	if sum == 0 {
		return nil
	}
	offs := make([]Off, sum)
	for i := range p.cuts {
		if c := &p.cuts[i]; c.amount > 0 {
			offs[p.counts[c.part]] = Off{int(c.applied), ledger.Minor(c.amount, p.cart.Currency)}
			p.counts[c.part]++
		}
	}
	return offs
}

// off is what comes off one part.
func (p *pricing) off(offs []Off, part int32) []Off {
	begin, end := int32(0), p.counts[part]
	if part > 0 {
		begin = p.counts[part-1]
	}
	if begin == end {
		return nil
	}
	return offs[begin:end:end]
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

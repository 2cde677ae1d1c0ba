package main

import (
	"slices"

	"github.com/vouch-go/vouch/coupon"
)

// returnable finds what a credit gives back. A credit does not name its sale: it
// is looked for by customer, product and price, the latest sale first.
type returnable struct {
	open map[soldKey][]*soldLine
}

type soldKey struct{ customer, product, price string }

// soldLine is what is still left of a line that was sold.
type soldLine struct {
	order, line string
	left        int64
	shipping    bool // a delivery is given back as a whole
}

func newReturnable() *returnable { return &returnable{make(map[soldKey][]*soldLine)} }

// sell notes what an order sold, as its cart has it. Guests are not told apart, and
// a unit at a fraction of a penny has no price to give back: these are not noted.
func (r *returnable) sell(v *invoice, cart *coupon.Cart) {
	shipping := make(map[string]bool)
	for _, s := range cart.Shipping {
		shipping[s.ID] = true
	}
	for _, i := range v.items {
		if v.customer == "" || !i.sold() || i.unit.Currency().IsZero() {
			continue
		}
		key := soldKey{v.customer, i.product, i.price}
		r.open[key] = append(r.open[key], &soldLine{order: v.id, line: i.id, left: i.quantity, shipping: shipping[i.id]})
	}
}

// orderRefund is what a credit gives back of one order.
type orderRefund struct {
	order   string
	request coupon.RefundRequest
}

// matched is what was found of a credit.
type matched struct {
	refunds        []orderRefund
	found, missing int64 // units
	worth          int64 // of the units found, minor units before any discount
}

// match takes what a credit names out of what is left.
func (r *returnable) match(credit *invoice) matched {
	var m matched
	for _, i := range credit.items {
		wanted := -i.quantity
		lines := r.open[soldKey{credit.customer, i.product, i.price}]
		for n := len(lines) - 1; n >= 0 && wanted > 0; n-- {
			line := lines[n]
			units := min(wanted, line.left)
			if units == 0 || line.shipping && units < line.left {
				continue
			}
			line.left -= units
			wanted -= units
			m.found += units
			m.worth += units * i.unit.Minor()
			m.add(credit.id, line, units)
		}
		m.missing += max(0, wanted)
	}
	return m
}

// add puts units of a line into the refund of its order.
func (m *matched) add(credit string, line *soldLine, units int64) {
	n := slices.IndexFunc(m.refunds, func(r orderRefund) bool { return r.order == line.order })
	if n < 0 {
		n = len(m.refunds)
		m.refunds = append(m.refunds, orderRefund{line.order, coupon.RefundRequest{ID: credit}})
	}
	request := &m.refunds[n].request
	if line.shipping {
		request.Shipping = append(request.Shipping, line.line)
	} else {
		request.Lines = append(request.Lines, coupon.Returned{Line: line.line, Units: units})
	}
}

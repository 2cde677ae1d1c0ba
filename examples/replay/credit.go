package main

import (
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

// sell notes what an order sold, as its cart has it.
func (r *returnable) sell(v *invoice, cart *coupon.Cart) {
	shipping := make(map[string]bool)
	for _, s := range cart.Shipping {
		shipping[s.ID] = true
	}
	for _, i := range v.items {
		if v.customer == "" || !i.sold() {
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

// match takes what a credit names out of what is left, and says how many of its
// units were found and how many were not.
func (r *returnable) match(credit *invoice) (refunds []orderRefund, found, missing int64) {
	at := make(map[string]int) // by order, index in refunds
	for _, i := range credit.items {
		wanted := -i.quantity
		lines := r.open[soldKey{credit.customer, i.product, i.price}]
		for n := len(lines) - 1; n >= 0 && wanted > 0; n-- {
			line := lines[n]
			units := min(wanted, line.left)
			if units == 0 || line.shipping && units < line.left {
				continue
			}
			if _, known := at[line.order]; !known {
				at[line.order] = len(refunds)
				refunds = append(refunds, orderRefund{line.order, coupon.RefundRequest{ID: credit.id}})
			}
			request := &refunds[at[line.order]].request
			if line.shipping {
				request.Shipping = append(request.Shipping, line.line)
			} else {
				request.Lines = append(request.Lines, coupon.Returned{Line: line.line, Units: units})
			}
			line.left -= units
			wanted -= units
			found += units
		}
		missing += max(0, wanted)
	}
	return refunds, found, missing
}

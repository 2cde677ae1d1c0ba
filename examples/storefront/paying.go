package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
)

// checkoutPost makes the cart an order. The price that was shown comes back with the
// form: another one is shown again instead of charged.
func (t *site) checkoutPost(q *request) error {
	cart, err := t.cartOf(q.Context(), q.visit)
	if err != nil {
		return err
	}
	o, err := t.checkout(q.Context(), q.visit.who, cart, q.PostFormValue("total"))
	var changed *coupon.QuoteChanged
	var refused *coupon.Refusal
	switch {
	case errors.Is(err, errEmptyCart):
		return t.back(q, "/cart", "There is nothing in your cart.")
	case errors.As(err, &refused):
		return t.back(q, "/cart", refused.In(t.language(q)))
	case errors.As(err, &changed):
		return t.back(q, "/cart", "The price has changed meanwhile. Please look at it again.")
	case err != nil:
		return err
	}
	return t.back(q, "/pay/"+o.ID, "")
}

// payPage is an order that awaits its payment.
type payPage struct {
	Order  order
	Holds  time.Duration // how long its coupons are still held; 0: not any more
	Lapsed *coupon.Lapsed
}

func (t *site) payForm(q *request) error {
	o, err := t.findOrder(q.Context(), t.db, q.PathValue("order"), q.visit.who.ID)
	if err != nil {
		return err
	}
	if o.State != awaiting {
		return t.back(q, "/order/"+o.ID, "")
	}
	return t.showPayment(q, 200, o, nil)
}

func (t *site) showPayment(q *request, status int, o order, lapsed *coupon.Lapsed) error {
	redemption, err := t.coupons.Redemption(q.Context(), o.ID)
	if err != nil {
		return err
	}
	page := payPage{Order: o, Lapsed: lapsed}
	if redemption.State == coupon.StateReserved {
		page.Holds = max(0, redemption.Until.Sub(t.now())).Round(time.Minute)
	}
	return t.show(q, status, "pay", "Pay your order", page)
}

// payPost stands for what a payment provider tells: the payment came, or failed.
func (t *site) payPost(q *request) error {
	ctx, who, id := q.Context(), q.visit.who, q.PathValue("order")
	o, err := t.findOrder(ctx, t.db, id, who.ID)
	if err != nil {
		return err
	}
	switch q.PostFormValue("how") {
	case "pay":
		o, err = t.pay(ctx, who, id)
	case "pay-full":
		o, err = t.payFull(ctx, who, id)
	case "decline":
		return t.back(q, "/pay/"+id, "Your bank has declined the payment. Nothing was charged, and your coupons are still held.")
	case "cancel":
		if err = t.cancel(ctx, who, id); err == nil {
			if err := t.renewCart(ctx, q.visit, "k-"+strings.TrimPrefix(id, "o-")); err != nil {
				return err
			}
			return t.back(q, "/cart", "The order is canceled, and your coupons are yours again.")
		}
	default:
		return errNotFound
	}
	var lapsed *coupon.Lapsed
	switch {
	case errors.As(err, &lapsed):
		return t.showPayment(q, 409, o, lapsed)
	case errors.Is(err, errDone):
		return t.back(q, "/order/"+id, "This order is paid or canceled already. Nothing was charged again.")
	case err != nil:
		return err
	}
	if err := t.leaveCart(ctx, q.visit, "k-"+strings.TrimPrefix(id, "o-")); err != nil {
		return err
	}
	return t.back(q, "/order/"+id, "")
}

// orderPage is an order with what came off, and what can be returned.
type orderPage struct {
	Order      order
	Redemption coupon.Redemption
	Lines      []orderLine
	Return     string // the id of the next return
}

type orderLine struct {
	coupon.RedeemedLine
	Product product
	Off     []coupon.Applied
	Left    int64 // units that can come back
}

func (t *site) order(q *request) error {
	o, err := t.findOrder(q.Context(), t.db, q.PathValue("order"), q.visit.who.ID)
	if err != nil {
		return err
	}
	if o.State == awaiting {
		return t.back(q, "/pay/"+o.ID, "")
	}
	redemption, err := t.coupons.Redemption(q.Context(), o.ID)
	if err != nil {
		return err
	}
	page := orderPage{Order: o, Redemption: redemption, Return: fmt.Sprintf("return-%d", len(redemption.Refunds)+1)}
	for _, l := range redemption.Lines {
		line := orderLine{RedeemedLine: l, Left: l.Quantity - l.Returned}
		line.Product, _ = findProduct(l.Product)
		for _, off := range l.Off {
			applied := redemption.Applied[off.Applied]
			applied.Amount = off.Amount
			line.Off = append(line.Off, applied)
		}
		page.Lines = append(page.Lines, line)
	}
	return t.show(q, 200, "order", "Your order", page)
}

func (t *site) returnPost(q *request) error {
	id := q.PathValue("order")
	units, err := strconv.ParseInt(q.PostFormValue("units"), 10, 32)
	if err != nil {
		units = 1
	}
	settled, err := t.giveBack(q.Context(), q.visit.who, id, q.PostFormValue("return"), q.PostFormValue("line"), units)
	switch {
	case errors.Is(err, coupon.ErrKeyReused), errors.Is(err, coupon.ErrState):
		return t.back(q, "/order/"+id, "The order has changed meanwhile. Please look at it again.")
	case errors.Is(err, coupon.ErrRequest):
		return t.back(q, "/order/"+id, "This can't be returned: "+err.Error())
	case err != nil:
		return err
	}
	return t.back(q, "/order/"+id, fmt.Sprintf("Thank you. You get back %s €.", settled.Refund.Amount.Amount()))
}

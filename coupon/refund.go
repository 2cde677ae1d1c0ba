package coupon

import (
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// RefundRequest says what of an order comes back.
type RefundRequest struct {
	ID         string     // the idempotency key, unique per order
	Lines      []Returned // units of lines
	Shipping   []string   // ids of deliveries whose price is given back
	Everything bool       // whatever was not returned yet, shipping too; with it, no lines and no shipping are named
}

// fingerprint is the same for no lines and an empty list of them.
func (r RefundRequest) fingerprint() (string, error) {
	r.Lines, r.Shipping = slices.Concat(r.Lines), slices.Concat(r.Shipping)
	return ledger.Fingerprint(r)
}

// Returned is some units of one line.
type Returned struct {
	Line  string
	Units int64
}

// Refund is what one return gives back: to the shopper what each unit paid, and
// to those who funded the offers what each unit had off.
type Refund struct {
	ID       string
	At       time.Time
	Amount   ledger.Money // to the shopper
	Discount ledger.Money // discounts taken back
	Lines    []RefundedLine
	Shipping []string
	Restored bool // the coupons and limits were given back their use
}

// RefundedLine is what the units of one line paid.
type RefundedLine struct {
	Line   string
	Units  int64
	Amount ledger.Money
}

func (b *redemptionBody) refund(r *refundBody) Refund {
	refund := Refund{
		ID: r.ID, At: instant(r.At), Amount: ledger.Minor(r.Amount, b.Currency),
		Discount: ledger.Minor(r.Discount, b.Currency), Shipping: r.Deliveries, Restored: r.Restored,
	}
	for _, l := range r.Lines {
		refund.Lines = append(refund.Lines, RefundedLine{l.Line, l.Units, ledger.Minor(l.Amount, b.Currency)})
	}
	return refund
}

// refund gives back what a request names. Asked again under the same id, it
// answers what it recorded.
func (w *work) refund(r *storage.Record[redemptionBody], request RefundRequest, fingerprint string) (Refund, error) {
	b := &r.Value
	for i := range b.Refunds {
		switch past := &b.Refunds[i]; {
		case past.ID == request.ID && past.Fingerprint == fingerprint:
			return b.refund(past), nil
		case past.ID == request.ID:
			return Refund{}, fmt.Errorf("%w: refund %q of order %q was asked for with other lines: use another id", ErrKeyReused, request.ID, b.Order)
		}
	}
	lines, shipping := b.kept()
	if !b.State.paid() || len(lines)+len(shipping) == 0 {
		return Refund{}, fmt.Errorf("%w: order %q is %s: only what is confirmed and not yet returned can be refunded", ErrState, b.Order, b.State)
	}
	made, off, err := b.giveBack(request)
	if err != nil {
		return Refund{}, err
	}
	made.ID, made.Fingerprint, made.At = request.ID, fingerprint, w.now.UnixMicro()
	w.changed[r.Key] = true
	before := b.State
	b.State = StatePartlyRefunded
	if b.nothingKept() {
		b.State = StateRefunded
	}
	if b.State == StateRefunded && before != StateRefunded {
		if made.Restored, err = w.restoreUses(r); err != nil {
			return Refund{}, err
		}
	}
	b.Refunded += made.Amount
	b.Refunds = append(slices.Clone(b.Refunds), made)
	w.bookRefund(b, &made, off)
	return b.refund(&b.Refunds[len(b.Refunds)-1]), nil
}

// giveBack marks what is returned and works out what it paid, and what each offer
// took off it. It changes nothing when it fails, and lists every fault.
func (b *redemptionBody) giveBack(request RefundRequest) (refundBody, []int64, error) {
	faults := &Faults{Kind: ErrRequest}
	lines, deliveries := slices.Clone(b.Lines), slices.Clone(b.Deliveries)
	switch named := len(request.Lines) + len(request.Shipping); {
	case request.Everything && named > 0:
		faults.add("everything", "is asked for, and lines or shipping are named too: choose one")
	case request.Everything:
		request.Lines, request.Shipping = b.kept()
	case named == 0:
		faults.add("lines", "is empty: name what comes back, or everything")
	}
	var made refundBody
	off := make([]int64, len(b.Applied))
	index := make(map[string]int, len(lines))
	for i := range lines {
		index[lines[i].ID] = i
	}
	for i, returned := range request.Lines {
		at, known := index[returned.Line]
		if !known {
			faults.add(fmt.Sprintf("lines[%d].line", i), "order %q has no line %.80q", b.Order, returned.Line)
			continue
		}
		line := &lines[at]
		if open := line.Quantity - line.Returned; returned.Units < 1 || returned.Units > open {
			faults.add(fmt.Sprintf("lines[%d].units", i), "is %d, but %d of %d units of line %q are left", returned.Units, open, line.Quantity, line.ID)
			continue
		}
		amount := line.giveBack(returned.Units, off)
		made.Amount += amount
		made.Lines = append(made.Lines, refundLineBody{line.ID, returned.Units, amount})
	}
	for i, id := range request.Shipping {
		at := slices.IndexFunc(deliveries, func(d deliveryBody) bool { return d.ID == id })
		if at < 0 || deliveries[at].Returned {
			faults.add(fmt.Sprintf("shipping[%d]", i), "order %q has no delivery %.80q that was not given back", b.Order, id)
			continue
		}
		deliveries[at].Returned = true
		made.Amount += deliveries[at].Price
		made.Deliveries = append(made.Deliveries, id)
	}
	if err := faults.orNil(); err != nil {
		return made, nil, err
	}
	for _, amount := range off {
		made.Discount += amount
	}
	b.Lines, b.Deliveries = lines, deliveries
	return made, off, nil
}

// giveBack returns the next units of the line: what they paid, and into off what
// each offer took off them. Units differ by the smallest coin at most; they come
// back in the order in which [QuoteLine.Unit] counts them.
func (l *lineBody) giveBack(units int64, off []int64) int64 {
	from, to := l.Returned, l.Returned+units
	part := func(amount int64) int64 {
		return firstUnits(amount, l.Quantity, to) - firstUnits(amount, l.Quantity, from)
	}
	rest := l.Price
	for _, o := range l.Off {
		off[o.Applied] += part(rest) - part(rest-o.Amount)
		rest -= o.Amount
	}
	l.Returned = to
	return part(rest)
}

// kept is everything that was not returned yet.
func (b *redemptionBody) kept() (lines []Returned, shipping []string) {
	for _, l := range b.Lines {
		if l.Returned < l.Quantity {
			lines = append(lines, Returned{l.ID, l.Quantity - l.Returned})
		}
	}
	for _, d := range b.Deliveries {
		if !d.Returned {
			shipping = append(shipping, d.ID)
		}
	}
	return lines, shipping
}

// nothingKept says that every unit has come back. Shipping is a service: whether
// its price is given back does not change that.
func (b *redemptionBody) nothingKept() bool {
	return !slices.ContainsFunc(b.Lines, func(l lineBody) bool { return l.Returned < l.Quantity })
}

// restoreUses gives the uses back that their offers let come back.
func (w *work) restoreUses(r *storage.Record[redemptionBody]) (bool, error) {
	b := &r.Value
	never := func(offer string) bool {
		return slices.ContainsFunc(b.Applied, func(a appliedBody) bool { return a.Offer == offer && a.Restore == RestoreNever })
	}
	restored := false
	for _, a := range b.Applied {
		if !a.Held || a.Restore == RestoreNever {
			continue
		}
		c, err := w.coupon(a.Coupon)
		if err != nil {
			return false, err
		}
		c.Value.drop(b.Order)
		w.changed[c.Key] = true
		restored = true
	}
	b.Claims = w.giveAll(b.Claims, func(c ledger.Claim) bool {
		back := !never(claimOffer(c.Counter))
		restored = restored || back
		return back
	})
	return restored, nil
}

func (w *work) bookRefund(b *redemptionBody, made *refundBody, off []int64) {
	entry := ledger.Entry{ID: refundedEntry(b.Order, len(b.Refunds)), Kind: "refunded", At: w.now, Subject: b.Customer, Concerns: b.Order}
	for i, amount := range off {
		if amount > 0 {
			entry.Transfers = append(entry.Transfers, ledger.Transfer{
				From: discountsAccount(b.Applied[i].Offer), To: promotionsAccount, Amount: ledger.Minor(amount, b.Currency),
			})
		}
	}
	if len(entry.Transfers) > 0 {
		w.entries = append(w.entries, entry)
	}
}

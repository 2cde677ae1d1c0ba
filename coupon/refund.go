package coupon

import (
	"cmp"
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

// fingerprints are what the request may be remembered by, the one for new refunds
// first, which is the same in whatever order lines and deliveries are named. They are the
// same for no lines and an empty list of them.
func (r RefundRequest) fingerprints() ([]string, error) {
	r.Lines, r.Shipping = slices.Concat(r.Lines), slices.Concat(r.Shipping)
	asked, err := ledger.Fingerprint(r)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(r.Lines, func(a, b Returned) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Units, b.Units)) })
	slices.Sort(r.Shipping)
	sorted, err := ledger.Fingerprint(r)
	return []string{sorted, asked}, err
}

// Returned is some units of one line: the next in the order of [QuoteLine.Unit], in
// which those that paid in full come before those that an offer counted.
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
	Discount ledger.Money // discounts taken back, those on what is kept too
	// ClawedBack is what Amount was lowered by, because what is kept costs less
	// than an offer's minimum.
	ClawedBack ledger.Money
	Lines      []RefundedLine
	Shipping   []string
	Restored   bool // the coupons and limits were given back their use

	// Goodwill is what Amount was lowered by, because it had been given back before,
	// by RefundAmount.
	Goodwill ledger.Money
	Funded   []Contribution // who pays for a goodwill amount; below 0: who got it back

	Tender []Tender     // of Amount, what goes back to the customer's credit
	Other  ledger.Money // of Amount, what the shop gives back by other means

	Actor, Reason string // of a goodwill amount
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
		Discount: ledger.Minor(r.Discount, b.Currency), ClawedBack: ledger.Minor(r.ClawedBack, b.Currency), Shipping: r.Deliveries, Restored: r.Restored,
	}
	refund.Goodwill, refund.Actor, refund.Reason = ledger.Minor(r.Goodwill, b.Currency), r.Actor, r.Reason
	for _, f := range r.Funded {
		refund.Funded = append(refund.Funded, Contribution{b.Payers[f.Payer], ledger.Minor(f.Amount, b.Currency)})
	}
	other := r.Amount
	for _, t := range r.Tender {
		other -= t.Worth
		refund.Tender = append(refund.Tender, Tender{ledger.Minor(t.Amount, b.Tender[t.Tender].Unit), ledger.Minor(t.Worth, b.Currency)})
	}
	refund.Other = ledger.Minor(other, b.Currency)
	for _, l := range r.Lines {
		refund.Lines = append(refund.Lines, RefundedLine{l.Line, l.Units, ledger.Minor(l.Amount, b.Currency)})
	}
	return refund
}

// refund gives back what a request names. Asked again under the same id, it
// answers what it recorded.
func (w *work) refund(r *storage.Record[redemptionBody], request RefundRequest, fingerprints []string, order ReturnOrder) (Refund, error) {
	b := &r.Value
	if past, known, err := b.refundedBefore(request.ID, fingerprints...); known || err != nil {
		return past, err
	}
	lines, shipping := b.kept()
	if !b.State.paid() || len(lines)+len(shipping) == 0 {
		return Refund{}, fmt.Errorf("%w: order %q is %s: only what is confirmed and not yet returned can be refunded", ErrState, b.Order, b.State)
	}
	b.Lines, b.Deliveries = cloneLines(b.Lines), slices.Clone(b.Deliveries)
	b.Applied, b.Claims = slices.Clone(b.Applied), slices.Clone(b.Claims)
	before, positions := b.State, b.settledPositions()
	made, back, err := b.giveBack(request)
	if err != nil {
		return Refund{}, err
	}
	if err := b.belowMinimum(&made, back); err != nil {
		return Refund{}, err
	}
	made.ID, made.Fingerprint, made.At = request.ID, fingerprints[0], w.now.UnixMicro()
	w.change(r.Key)
	b.State = StatePartlyRefunded
	if b.nothingKept() {
		b.State = StateRefunded
	}
	w.giveMoney(b, back)
	if b.State == StateRefunded && before != StateRefunded {
		if made.Restored, err = w.restoreUses(r, b.cancels(&made)); err != nil {
			return Refund{}, err
		}
	}
	for _, paid := range back.all() {
		made.Discount += paid.value
	}
	made.Settled = changes(positions, b.settledPositions())
	b.lessGoodwill(&made)
	return w.payBack(b, made, "refunded", b.transfers(back, true), order), nil
}

// refundedBefore is the refund that was made under an id.
func (b *redemptionBody) refundedBefore(id string, fingerprints ...string) (past Refund, known bool, err error) {
	for i := range b.Refunds {
		switch past := &b.Refunds[i]; {
		case past.ID == id && slices.Contains(fingerprints, past.Fingerprint):
			return b.refund(past), true, nil
		case past.ID == id:
			return Refund{}, true, fmt.Errorf("%w: refund %q of order %q was asked for with other lines or another amount: use another id", ErrKeyReused, id, b.Order)
		}
	}
	return Refund{}, false, nil
}

// payBack records a refund: what of it goes back to credit, and what the book says.
func (w *work) payBack(b *redemptionBody, made refundBody, kind string, transfers []ledger.Transfer, order ReturnOrder) Refund {
	made.Tender = b.returnTender(made.Amount, order)
	b.Refunded += made.Amount
	if b.Settled {
		w.settle(b, fmt.Sprint(len(b.Refunds)+1), kind, made.Settled, made.Funded)
	}
	transfers = slices.Concat(transfers, b.goodwillTransfers(made.Funded), b.tenderTransfers(made.Tender))
	if len(transfers) > 0 {
		entry := ledger.Entry{
			ID: refundedEntry(b.Order, len(b.Refunds)+1), Kind: kind, At: w.now, Actor: made.Actor, Subject: b.Customer, Concerns: b.Order, Transfers: transfers,
		}
		if made.Reason != "" {
			entry.Details = map[string]string{"reason": made.Reason}
		}
		w.book(entry)
	}
	b.Refunds = append(slices.Clone(b.Refunds), made)
	return b.refund(&b.Refunds[len(b.Refunds)-1])
}

func cloneLines(lines []lineBody) []lineBody {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].Parts = slices.Clone(lines[i].Parts)
	}
	return lines
}

// giveBack marks what is returned, and works out what it paid and what of each
// payment goes back. It lists every fault.
func (b *redemptionBody) giveBack(request RefundRequest) (refundBody, *payments, error) {
	faults := &Faults{Kind: ErrRequest}
	switch named := len(request.Lines) + len(request.Shipping); {
	case request.Everything && named > 0:
		faults.add("everything", "is asked for, and lines or shipping are named too: choose one")
	case request.Everything:
		request.Lines, request.Shipping = b.kept()
	case named == 0:
		faults.add("lines", "is empty: name what comes back, or everything")
	}
	var made refundBody
	back := new(payments)
	index := make(map[string]int, len(b.Lines))
	for i := range b.Lines {
		index[b.Lines[i].ID] = i
	}
	for i, returned := range request.Lines {
		at, known := index[returned.Line]
		if !known {
			faults.add(fmt.Sprintf("lines[%d].line", i), "order %q has no line %.80q", b.Order, returned.Line)
			continue
		}
		line := &b.Lines[at]
		if open := line.Quantity - line.returned(); returned.Units < 1 || returned.Units > open {
			faults.add(fmt.Sprintf("lines[%d].units", i), "is %d, but %d of %d units of line %q are left", returned.Units, open, line.Quantity, line.ID)
			continue
		}
		amount := line.giveBack(returned.Units, back)
		made.Amount += amount
		made.Lines = append(made.Lines, refundLineBody{line.ID, returned.Units, amount})
	}
	for i, id := range request.Shipping {
		at := slices.IndexFunc(b.Deliveries, func(d deliveryBody) bool { return d.ID == id })
		if at < 0 || b.Deliveries[at].Returned {
			faults.add(fmt.Sprintf("shipping[%d]", i), "order %q has no delivery %.80q that was not given back", b.Order, id)
			continue
		}
		d := &b.Deliveries[at]
		d.Returned = true
		for _, o := range d.Off {
			back.add(payment{o.Applied, o.Payer}, o.Amount)
		}
		made.Amount += d.total()
		made.Deliveries = append(made.Deliveries, id)
	}
	return made, back, faults.orNil()
}

// giveBack returns the next units of the line, in the order in which
// [QuoteLine.Unit] counts them: what they paid, and into back what each payer paid
// for them.
func (l *lineBody) giveBack(units int64, back *payments) int64 {
	var amount int64
	for i := range l.Parts {
		p := &l.Parts[i]
		n := min(units, p.Units-p.Returned)
		amount += p.giveBack(n, back)
		units -= n
	}
	return amount
}

func (p *partBody) giveBack(units int64, back *payments) int64 {
	from, to := p.Returned, p.Returned+units
	share := func(amount int64) int64 {
		return firstUnits(amount, p.Units, to) - firstUnits(amount, p.Units, from)
	}
	rest := p.Price
	for _, o := range p.Off {
		back.add(payment{o.Applied, o.Payer}, share(rest)-share(rest-o.Amount))
		rest -= o.Amount
	}
	p.Returned = to
	return share(rest)
}

// belowMinimum does what the offers say when what is kept costs less than their
// minimum spend: the return is refused, or the discount on what is kept is taken
// back, out of what this refund pays. Offers that are kept do not care, and
// everything an offer counts can always be returned.
func (b *redemptionBody) belowMinimum(made *refundBody, back *payments) error {
	for i := range b.Applied {
		a := &b.Applied[i]
		if a.Below == KeepDiscount {
			continue
		}
		before, after, units := b.keptCost(a.Lines, i)
		missing := max(a.Minimum-before, a.After-after, b.missing(a.Others, i))
		switch {
		case missing <= 0:
		case a.Below == ClawBack:
			taken := b.clawBack(i, made.Amount, back)
			a.Clawed += taken
			made.Amount -= taken
			made.ClawedBack += taken
		case units > 0:
			faults := &Faults{Kind: ErrRequest}
			faults.add("lines", "what is kept costs %s less than offer %q asks for: return everything it counts, or keep more",
				ledger.Minor(missing, b.Currency), a.Offer)
			return faults
		}
	}
	return nil
}

// missing is what the kept units of other lines cost less than an offer asks of them.
func (b *redemptionBody) missing(others []minimumBody, applied int) int64 {
	var most int64
	for _, m := range others {
		cost, after, _ := b.keptCost(m.Lines, applied)
		if m.After {
			cost = after
		}
		most = max(most, m.Amount-cost)
	}
	return most
}

// keptCost is what the units that are kept of some lines cost before offers, and
// after those worked out before one of them.
func (b *redemptionBody) keptCost(lines []int, applied int) (before, after, units int64) {
	for _, i := range lines {
		for _, p := range b.Lines[i].Parts {
			now := p.Price
			for _, o := range p.Off {
				if o.Applied < applied {
					now -= o.Amount
				}
			}
			before += p.Price - firstUnits(p.Price, p.Units, p.Returned)
			after += now - firstUnits(now, p.Units, p.Returned)
			units += p.Units - p.Returned
		}
	}
	return before, after, units
}

// clawBack takes an offer's discount off the units and deliveries that are kept, at
// most so much: they cost more from now on, and give more back when they are
// returned. Where that is less than the discount, every payer has its share of it back.
func (b *redemptionBody) clawBack(applied int, most int64, back *payments) int64 {
	var kept []*offBody
	var amounts []int64
	var sum int64
	find := func(off []offBody) []offBody {
		off = slices.Clone(off)
		for i := range off {
			if o := &off[i]; o.Applied == applied {
				kept, amounts, sum = append(kept, o), append(amounts, o.Amount), sum+o.Amount
			}
		}
		return off
	}
	for i := range b.Lines {
		line := &b.Lines[i]
		line.Parts = splitReturned(line.Parts)
		for j := range line.Parts {
			if p := &line.Parts[j]; p.Returned == 0 {
				p.Off = find(p.Off)
			}
		}
	}
	for i := range b.Deliveries {
		if d := &b.Deliveries[i]; !d.Returned {
			d.Off = find(d.Off)
		}
	}
	most = min(most, sum)
	taken, err := ledger.Split(nil, most, amounts, amounts)
	if err != nil { // never: at most their sum is taken
		return 0
	}
	for i, o := range kept {
		o.Amount -= taken[i]
		back.add(payment{o.Applied, o.Payer}, taken[i])
	}
	return most
}

// splitReturned cuts every part that is returned in part into what is and what is
// not.
func splitReturned(parts []partBody) []partBody {
	var split []partBody
	for _, p := range parts {
		if p.Returned > 0 && p.Returned < p.Units {
			head := p.first(p.Returned)
			head.Returned = head.Units
			split = append(split, head)
			p.Returned = 0
		}
		split = append(split, p)
	}
	return split
}

// first cuts the first n units off the part, which keeps the others.
func (p *partBody) first(n int64) partBody {
	head := partBody{Units: n, Price: firstUnits(p.Price, p.Units, n), Off: slices.Clone(p.Off)}
	rest := slices.Clone(p.Off)
	before := p.Price
	for i, o := range p.Off {
		head.Off[i].Amount = firstOff(before, o.Amount, p.Units, n)
		rest[i].Amount -= head.Off[i].Amount
		before -= o.Amount
	}
	p.Units, p.Price, p.Off = p.Units-n, p.Price-head.Price, rest
	return head
}

// giveMoney gives limits of money back what is not taken off any more.
func (w *work) giveMoney(b *redemptionBody, back *payments) {
	for i, a := range b.Applied {
		var amount int64
		for _, paid := range back.all() {
			if paid.key.applied == i {
				amount += paid.value
			}
		}
		for _, c := range a.Taken {
			if isMoney(c.Counter) {
				w.give(b, c.Counter, amount)
			}
		}
	}
}

// kept is everything that was not returned yet.
func (b *redemptionBody) kept() (lines []Returned, shipping []string) {
	for _, l := range b.Lines {
		if open := l.Quantity - l.returned(); open > 0 {
			lines = append(lines, Returned{l.ID, open})
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
	return !slices.ContainsFunc(b.Lines, func(l lineBody) bool { return l.returned() < l.Quantity })
}

// restoreUses gives the uses back that their offers let come back now that nothing
// of the order is kept; cancelled says that all of it came back at once.
func (w *work) restoreUses(r *storage.Record[redemptionBody], cancelled bool) (restored bool, err error) {
	b := &r.Value
	if err := w.read(couponKeys(b.expiring())...); err != nil {
		return false, err
	}
	for i := range b.Applied {
		a := &b.Applied[i]
		comesBack, err := w.comesBack(a, cancelled)
		if err != nil {
			return false, err
		}
		if !comesBack {
			continue
		}
		if a.Held {
			if err := w.giveUse(a.Coupon, b.Order); err != nil {
				return false, err
			}
			restored = true
		}
		for _, c := range a.Taken {
			if !isMoney(c.Counter) && w.give(b, c.Counter, c.N) {
				restored = true
			}
		}
		if err := w.freeOverride(a, b.Order); err != nil {
			return false, err
		}
	}
	return restored, nil
}

// expiring are the ids of the coupons that giving their use back asks.
func (b *redemptionBody) expiring() []string {
	ids := b.held()
	for _, a := range b.Applied {
		if a.Coupon != "" && !a.Held && a.Restore == RestoreBeforeExpiry {
			ids = append(ids, a.Coupon)
		}
	}
	return ids
}

// comesBack says whether an offer gives its use back. A coupon's expiry is what it
// is by now, or that of what has replaced it.
func (w *work) comesBack(a *appliedBody, cancelled bool) (bool, error) {
	switch a.Restore {
	case RestoreNever:
		return false, nil
	case RestoreWhenCancelled:
		return cancelled, nil
	case RestoreBeforeExpiry:
		expires := a.Expires
		if a.Coupon != "" {
			c, err := w.successor(a.Coupon)
			if err != nil {
				return false, err
			}
			expires = c.Value.Expires
		}
		return expires == 0 || w.now.UnixMicro() < expires, nil
	}
	return true, nil
}

// cancels says that with a refund everything comes back at once: nothing has before.
func (b *redemptionBody) cancels(made *refundBody) bool {
	before := slices.ContainsFunc(b.Refunds, func(r refundBody) bool { return len(r.Lines)+len(r.Deliveries) > 0 })
	return !before && b.nothingKept() && len(made.Deliveries) == len(b.Deliveries)
}

package coupon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// AmountRequest asks to give some of an order's price back although nothing is
// returned: for a scratch, a late parcel.
type AmountRequest struct {
	ID     string       // the idempotency key, unique per order among all its refunds
	Amount ledger.Money // above 0, at most what is left of what was paid

	// Funding says who pays, in shares that sum to 100 %; empty: the platform. Seller
	// is the one named here, who has goods in the order.
	Funding []Share
	Seller  string

	Actor  string // the member of staff
	Reason string // at most 500 bytes
}

// GoodwillAccount is the account of what was given back as goodwill.
const GoodwillAccount ledger.Account = "goodwill/orders"

// Contribution is what one payer pays.
type Contribution struct {
	Payer  string // as in [Share]; of a seller "seller/" and its key
	Amount ledger.Money
}

// fundedBody is what one payer pays of a goodwill amount, below 0: gets back of it.
type fundedBody struct {
	Payer  int   `json:"payer"` // index in payers
	Amount int64 `json:"amount"`
}

// RefundAmount gives some of an order's price back as goodwill, paid by those named.
// Units that come back later give back what they paid as far as that is left, so
// that all refunds together never exceed what was paid; what they fall short of goes
// back to those who paid the goodwill ([Refund].Goodwill). Asked again under the same
// id for the same, it answers what it recorded; otherwise it fails with
// [ErrKeyReused].
//
// It fails with a [*Faults] when the request is not valid or more than is left, with
// [ErrState] when the order is not confirmed, and with [ErrNoRedemption]. To give
// credit instead of money, [Service.GrantCredit].
func (s *Service) RefundAmount(ctx context.Context, order string, request AmountRequest, now time.Time) (Refund, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Refund], error) {
		return s.PlanRefundAmount(ctx, order, request, now)
	})
}

// PlanRefundAmount is RefundAmount as a plan, for joining it with what the shop
// writes besides.
func (s *Service) PlanRefundAmount(ctx context.Context, order string, request AmountRequest, now time.Time) (storage.Plan[Refund], error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", order, false)
	faults.id("id", request.ID, false)
	faults.id("seller", request.Seller, true)
	faults.funding(request.Funding)
	faults.staffVerb(request.Actor, request.Reason)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return storage.Plan[Refund]{}, err
	}
	request.Funding = slices.Concat(request.Funding)
	fingerprint, err := ledger.Fingerprint(request)
	if err != nil {
		return storage.Plan[Refund]{}, err
	}
	return s.planRefund(ctx, order, now, func(w *work, r *storage.Record[redemptionBody]) (Refund, error) {
		return w.refundAmount(r, request, fingerprint, s.options.ReturnOrder)
	})
}

func (w *work) refundAmount(r *storage.Record[redemptionBody], request AmountRequest, fingerprint string, order ReturnOrder) (Refund, error) {
	b := &r.Value
	if past, known, err := b.refundedBefore(request.ID, fingerprint); known || err != nil {
		return past, err
	}
	if !b.State.paid() {
		return Refund{}, fmt.Errorf("%w: order %q is %s: only what is confirmed can be refunded", ErrState, b.Order, b.State)
	}
	if err := b.checkAmount(&request); err != nil {
		return Refund{}, err
	}
	w.change(r.Key)
	if b.State == StateConfirmed {
		b.State = StatePartlyRefunded
	}
	made := refundBody{
		ID: request.ID, Fingerprint: fingerprint, At: w.now.UnixMicro(), Amount: request.Amount.Minor(),
		Actor: request.Actor, Reason: request.Reason, Funded: b.fund(&request),
	}
	return w.payBack(b, made, "goodwill", nil, order), nil
}

func (b *redemptionBody) checkAmount(request *AmountRequest) error {
	faults := &Faults{Kind: ErrRequest}
	left := ledger.Minor(b.Total-b.Refunded, b.Currency)
	switch amount := request.Amount; {
	case amount.Currency() != b.Currency:
		faults.add("amount", "is in %q, but order %q is in %s", amount.Currency(), b.Order, b.Currency)
	case amount.Minor() < 1 || amount.Minor() > left.Minor():
		faults.add("amount", "is %s, want more than 0 and at most the %s that are left of what was paid", amount, left)
	}
	pays := slices.ContainsFunc(request.Funding, func(s Share) bool { return s.Payer == Seller })
	sold := slices.ContainsFunc(b.Lines, func(l lineBody) bool { return l.Seller == request.Seller })
	switch {
	case request.Seller != "" && !sold:
		faults.add("seller", "order %q has no line of %q", b.Order, request.Seller)
	case request.Seller == "" && pays:
		faults.add("seller", "is missing, and the seller is to pay: name one of the order's")
	}
	return faults.orNil()
}

// fund shares a goodwill amount among those who pay for it.
func (b *redemptionBody) fund(request *AmountRequest) []fundedBody {
	named := payers{names: slices.Clone(b.Payers)}
	var funded []fundedBody
	for _, p := range named.of(request.Funding, request.Amount.Minor(), request.Seller) {
		funded = append(funded, fundedBody{p.payer, p.amount})
	}
	b.Payers = named.names
	return funded
}

// lessGoodwill lowers what a return gives back to what is left of what was paid,
// since some of it was given back before as goodwill; those who paid for that get it
// back.
func (b *redemptionBody) lessGoodwill(made *refundBody) {
	made.Goodwill = max(0, made.Amount-(b.Total-b.Refunded))
	if made.Goodwill == 0 {
		return
	}
	made.Amount -= made.Goodwill
	paid := make([]int64, len(b.Payers))
	for _, r := range b.Refunds {
		for _, f := range r.Funded {
			paid[f.Payer] += f.Amount
		}
	}
	back, err := ledger.Split(nil, made.Goodwill, paid, paid)
	if err != nil { // what is missing was given as goodwill, so there is enough
		return
	}
	for payer, amount := range back {
		if amount > 0 {
			made.Funded = append(made.Funded, fundedBody{payer, -amount})
		}
	}
}

// goodwillTransfers book what payers pay for goodwill, and what they get back.
func (b *redemptionBody) goodwillTransfers(funded []fundedBody) []ledger.Transfer {
	var transfers []ledger.Transfer
	for _, f := range funded {
		t := ledger.Transfer{From: promotionsAccount(b.Payers[f.Payer]), To: GoodwillAccount, Amount: ledger.Minor(f.Amount, b.Currency)}
		if f.Amount < 0 {
			t.From, t.To, t.Amount = t.To, t.From, ledger.Minor(-f.Amount, b.Currency)
		}
		transfers = append(transfers, t)
	}
	return transfers
}

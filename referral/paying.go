package referral

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Payment says that a customer paid an order.
type Payment struct {
	Order    string
	Customer string
	// Amount is what was paid for goods, after all offers, shipping not counted. Zero: what
	// the order's coupons were redeemed for says it, and says the Credit too.
	Amount ledger.Money
	Credit ledger.Money // of it, paid with promotional credit, which counts nothing; zero: none
	Trial  bool         // it was paid for a trial, which counts nothing
	// Parts say what it was paid for, by category and seller, where the terms ask for
	// that: together no more than Amount; at most 100.
	Parts []Part
	At    time.Time // when it was paid, not after now; zero: now
}

// Settlement is what a payment or a return came to.
type Settlement struct {
	Redemption *coupon.Redemption // of the order's coupons; nil when it has none
	Refund     *coupon.Refund     // what the return gives back; nil for a payment, or without coupons
	Referrals  []Referral         // in which the customer is the friend, as they stand now
}

// OrderPaid records that a customer paid. In one batch it confirms what the order
// has reserved of coupons, advances the referrals in which the customer is the
// friend, and grants what need not wait. Orders without coupons and customers whom
// nobody invited are fine. Asked again it changes nothing; with another amount or other
// Parts it fails with [ledger.ErrKeyReused], where a referral remembers the payment.
//
// A referral remembers 1,000 facts. Payments after that are left out, so that one which
// has not qualified by then is not qualified by payments any more.
//
// It fails with a [*Faults], also when the order's coupons were reserved for another
// customer or no amount is known, and as [coupon.Service.Confirm] does where a reservation has lapsed and
// can't be claimed again: then quote the order without the coupon, redeem that, and
// tell the payment again.
func (s *Service) OrderPaid(ctx context.Context, payment Payment, now time.Time) (Settlement, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", payment.Order, false)
	s.customer(faults, "customer", payment.Customer)
	payment.At = faults.at(payment.At, now)
	told := payment.Amount != (ledger.Money{})
	if told {
		payment.check(faults)
	}
	if err := faults.orNil(); err != nil {
		return Settlement{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Settlement], error) {
		read := s.snapshot()
		r, err := s.referralOf(ctx, read, payment.Customer, payment.Order, coupon.RedemptionKey(payment.Order))
		if err != nil {
			return storage.Plan[Settlement]{}, err
		}
		redemption, batch, err := s.confirmation(ctx, read, payment.Order, refused, now)
		if err != nil {
			return storage.Plan[Settlement]{}, err
		}
		asked := payment
		if !told {
			if asked, err = payment.of(redemption); err != nil {
				return storage.Plan[Settlement]{}, err
			}
		}
		faults := &Faults{Kind: ErrRequest}
		if err := asked.fits(ctx, read, redemption, faults); err != nil {
			return storage.Plan[Settlement]{}, err
		}
		fact := factBody{
			ID: asked.Order, Kind: FactPaid, Order: asked.Order, Amount: asked.Amount.Minor(), Currency: asked.Amount.Currency(),
			Credit: asked.Credit.Minor(), Parts: asked.check(faults), Trial: asked.Trial, At: micros(asked.At), derived: !told,
		}
		if err := faults.orNil(); err != nil {
			return storage.Plan[Settlement]{}, err
		}
		return s.planFactOf(ctx, read, r, fact, Settlement{Redemption: redemption}, batch, refused, now)
	})
}

// check checks the amounts of a payment, and gives what it was for.
func (p *Payment) check(faults *Faults) []partBody {
	faults.amount("amount", p.Amount)
	if m := p.Credit; m != (ledger.Money{}) && (m.Currency() != p.Amount.Currency() || m.Minor() < 0 || m.Minor() > p.Amount.Minor()) {
		faults.add("credit", "is %s, want 0 to the amount paid, %s", m, p.Amount)
	}
	return faults.parts(p.Parts, p.Amount)
}

// of is the payment with what the redemption of the order says of its amounts: what its
// lines cost after all offers, and what credit pays of that.
func (p Payment) of(r *coupon.Redemption) (Payment, error) {
	faults := &Faults{Kind: ErrRequest}
	switch {
	case r == nil:
		faults.add("amount", "is missing, and the order has redeemed no coupons that would say it")
	case p.Credit != (ledger.Money{}):
		faults.add("credit", "is given without the amount: leave it out, the redemption says it")
	}
	if err := faults.orNil(); err != nil {
		return p, err
	}
	goods, credit := int64(0), int64(0) // of one order, below 2^53
	for _, l := range r.Lines {
		goods += l.Total.Minor()
	}
	for _, t := range r.Tender {
		credit += t.Worth.Minor()
	}
	p.Amount, p.Credit = ledger.Minor(goods, r.Total.Currency()), ledger.Minor(min(credit, goods), r.Total.Currency())
	return p, nil
}

// fits refuses a payment that can't be of the order whose coupons were reserved. An account
// may have become another's since.
func (p *Payment) fits(ctx context.Context, read *snapshot, r *coupon.Redemption, faults *Faults) error {
	if r != nil && r.Customer != "" && r.Customer != p.Customer {
		reserved, _, err := memberOf(ctx, read, r.Customer)
		if err != nil {
			return err
		}
		pays, _, err := memberOf(ctx, read, p.Customer)
		if err != nil {
			return err
		}
		if pays != reserved {
			faults.add("customer", "is %q, and the order's coupons were reserved for another", p.Customer)
		}
	}
	if r != nil && r.Total.Currency() != p.Amount.Currency() {
		faults.add("amount", "is %s, and the order is in %s", p.Amount, r.Total.Currency())
	}
	return nil
}

// confirmation confirms what an order has reserved of coupons; nil when it has
// nothing. A reservation that lapsed, and whose claims were refused, is claimed
// again by itself first: what others hold in its way may have lapsed too.
func (s *Service) confirmation(ctx context.Context, read *snapshot, order string, refused *storage.Failure, now time.Time) (*coupon.Redemption, storage.Batch, error) {
	plan, err := s.coupons.Through(known{s.store, read}).PlanConfirm(ctx, order, now)
	switch {
	case errors.Is(err, coupon.ErrNoRedemption):
		return nil, storage.Batch{}, nil
	case errors.Is(err, coupon.ErrRefused), err == nil && ofCoupons(refused):
		redemption, err := s.coupons.Confirm(ctx, order, now)
		return &redemption, storage.Batch{}, err
	}
	return &plan.Answer, plan.Batch, err
}

// ofCoupons says that a batch was refused for a limit of coupons.
func ofCoupons(refused *storage.Failure) bool {
	return refused != nil && refused.Op == storage.OpAdd && !ownCounter(refused.Counter)
}

// at checks when something happened: zero is now.
func (f *Faults) at(at, now time.Time) time.Time {
	checkNow(f, now)
	switch {
	case at.IsZero():
		return now
	case !validInstant(at):
		f.add("at", "is %s, want an instant between 1970 and 9999", at)
	case at.After(now):
		f.add("at", "is %s, after now, %s", since(at), since(now))
	}
	return at
}

// maxParts bounds how many kinds of goods an order is told in.
const maxParts = 100

// parts checks what an amount was paid, or given back, for.
func (f *Faults) parts(parts []Part, whole ledger.Money) []partBody {
	f.most("parts", len(parts), maxParts)
	var bodies []partBody
	var sum int64
	for i, p := range parts {
		path := fmt.Sprintf("parts[%d]", i)
		f.id(path+".seller", p.Seller, true)
		f.most(path+".categories", len(p.Categories), maxParts)
		for j, c := range p.Categories {
			f.id(fmt.Sprintf("%s.categories[%d]", path, j), c, false)
		}
		if p.Amount.Currency() != whole.Currency() || p.Amount.Minor() < 0 || p.Amount.Minor() > whole.Minor()-sum {
			f.add(path+".amount", "is %s, want 0 or more, and with the other parts at most %s", p.Amount, whole)
			continue
		}
		sum += p.Amount.Minor()
		bodies = append(bodies, partBody{p.Categories, p.Seller, p.Amount.Minor()})
	}
	return bodies
}

func (f *Faults) amount(path string, m ledger.Money) {
	if m.Currency().IsZero() || m.Minor() < 0 {
		f.add(path, "is %s, want 0 or more of a currency", m)
	}
}

// Return says that goods of an order came back, or that the order was cancelled.
type Return struct {
	ID       string // the idempotency key, unique per order; at most 64 bytes
	Order    string
	Customer string

	// Coupons is what comes back of an order that redeemed coupons: it is refunded
	// with them, under this ID, and the amount is what that gives back for goods.
	// Otherwise Amount is.
	Coupons *coupon.RefundRequest
	Amount  ledger.Money // given back for goods, shipping not counted

	Everything bool // nothing of the order is kept: it was cancelled, or all of it came back
	// Chargeback says that the payment was charged back: nothing is kept, whatever came
	// back of the goods.
	Chargeback bool
	// Parts say what was given back, by category and seller. Where the terms ask for
	// that and nothing is said, all of it counts.
	Parts []Part
	At    time.Time // when, not after now; zero: now
}

// OrderReturned records that goods came back. In one batch it refunds the order's
// coupons, and takes back what the payment has earned: before a reward was granted
// the referral is voided and its place in the caps freed; afterwards it is reversed,
// coupons not yet used are revoked and those used are on record as owed. A return of
// an order that a referral remembers is recorded however much it remembers. Asked again it
// changes nothing; with another amount or other Parts it fails with [ledger.ErrKeyReused].
//
// It fails with a [*Faults], and as [coupon.Service.Refund] does.
func (s *Service) OrderReturned(ctx context.Context, back Return, now time.Time) (Settlement, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", back.ID, false)
	faults.id("order", back.Order, false)
	s.customer(faults, "customer", back.Customer)
	if len(back.ID) > 64 {
		faults.add("id", "has %d bytes, at most 64 are allowed", len(back.ID))
	}
	if back.Coupons == nil {
		faults.amount("amount", back.Amount)
	} else {
		if back.Amount != (ledger.Money{}) {
			faults.add("amount", "is given, but the coupons' refund says what it is: leave it out")
		}
		if id := back.Coupons.ID; id != "" && id != back.ID {
			faults.add("coupons.id", "is %.80q, but the return is %.80q: leave it out", id, back.ID)
		}
	}
	if back.Coupons == nil {
		faults.parts(back.Parts, back.Amount)
	}
	back.At = faults.at(back.At, now)
	if err := faults.orNil(); err != nil {
		return Settlement{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Settlement], error) {
		return s.planReturn(ctx, back, refused, now)
	})
}

func (s *Service) planReturn(ctx context.Context, back Return, refused *storage.Failure, now time.Time) (storage.Plan[Settlement], error) {
	var answer Settlement
	var batch storage.Batch
	amount, everything := back.Amount, back.Everything || back.Chargeback
	var request coupon.RefundRequest
	read := s.snapshot()
	r, err := s.referralOf(ctx, read, back.Customer, back.Order, coupon.RedemptionKey(back.Order))
	if err != nil {
		return storage.Plan[Settlement]{}, err
	}
	if back.Coupons != nil {
		request = *back.Coupons
		request.ID = back.ID
		everything = everything || request.Everything
		refunded, err := s.coupons.Through(known{s.store, read}).PlanRefund(ctx, back.Order, request, now)
		if err != nil {
			return storage.Plan[Settlement]{}, err
		}
		batch, answer.Refund = refunded.Batch, &refunded.Answer
		if amount, err = forGoods(&refunded.Answer); err != nil {
			return storage.Plan[Settlement]{}, err
		}
	}
	faults := &Faults{Kind: ErrRequest}
	parts := faults.parts(back.Parts, amount)
	if err := faults.orNil(); err != nil {
		return storage.Plan[Settlement]{}, err
	}
	plan, err := s.planFactOf(ctx, read, r, factBody{
		ID: back.ID, Kind: FactRefunded, Order: back.Order, Amount: amount.Minor(), Currency: amount.Currency(),
		Parts: parts, Everything: everything, At: micros(back.At),
	}, answer, batch, refused, now)
	if errors.Is(err, storage.ErrInvalid) && !batch.Empty() {
		// The refund restores a coupon that the referral takes back: so one after the
		// other. The next plan finds the refund recorded.
		if _, err := s.coupons.Refund(ctx, back.Order, request, now); err != nil {
			return storage.Plan[Settlement]{}, err
		}
		return s.planReturn(ctx, back, refused, now)
	}
	return plan, err
}

// forGoods is what a refund gives back for goods. Shipping is not counted when an
// order is paid either: giving it back must not look as if goods had come back.
func forGoods(refund *coupon.Refund) (ledger.Money, error) {
	sum := ledger.Minor(0, refund.Amount.Currency())
	for _, l := range refund.Lines {
		var err error
		if sum, err = sum.Add(l.Amount); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

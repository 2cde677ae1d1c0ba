package referral

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Payment says that a customer paid an order.
type Payment struct {
	Order    string
	Customer string
	Amount   ledger.Money // paid for goods, after all offers, shipping not counted
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
// nobody invited are fine. Asked again it changes nothing.
//
// It fails with a [*Faults], also when the order's coupons were reserved for another
// customer, and as [coupon.Service.Confirm] does where a reservation has lapsed and
// can't be claimed again: then quote the order without the coupon, redeem that, and
// tell the payment again.
func (s *Service) OrderPaid(ctx context.Context, payment Payment, now time.Time) (Settlement, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", payment.Order, false)
	faults.id("customer", payment.Customer, false)
	faults.amount("amount", payment.Amount)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Settlement{}, err
	}
	fact := factBody{
		ID: payment.Order, Kind: FactPaid, Order: payment.Order,
		Amount: payment.Amount.Minor(), Currency: payment.Amount.Currency(), At: micros(now),
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Settlement], error) {
		redemption, batch, err := s.confirmation(ctx, payment.Order, refused, now)
		if err != nil {
			return storage.Plan[Settlement]{}, err
		}
		if err := payment.fits(redemption); err != nil {
			return storage.Plan[Settlement]{}, err
		}
		return s.planFact(ctx, payment.Customer, fact, Settlement{Redemption: redemption}, batch, refused, now)
	})
}

// fits refuses a payment that can't be of the order whose coupons were reserved.
func (p *Payment) fits(r *coupon.Redemption) error {
	faults := &Faults{Kind: ErrRequest}
	if r != nil && r.Customer != "" && r.Customer != p.Customer {
		faults.add("customer", "is %q, and the order's coupons were reserved for another", p.Customer)
	}
	if r != nil && r.Total.Currency() != p.Amount.Currency() {
		faults.add("amount", "is %s, and the order is in %s", p.Amount, r.Total.Currency())
	}
	return faults.orNil()
}

// confirmation confirms what an order has reserved of coupons; nil when it has
// nothing. A reservation that lapsed, and whose claims were refused, is claimed
// again by itself first: what others hold in its way may have lapsed too.
func (s *Service) confirmation(ctx context.Context, order string, refused *storage.Failure, now time.Time) (*coupon.Redemption, storage.Batch, error) {
	plan, err := s.coupons.PlanConfirm(ctx, order, now)
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
	return refused != nil && refused.Op == storage.OpAdd && !strings.HasPrefix(refused.Counter, capCounters)
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
}

// OrderReturned records that goods came back. In one batch it refunds the order's
// coupons, and takes back what the payment has earned: before a reward was granted
// the referral is voided and its place in the caps freed; afterwards it is reversed,
// coupons not yet used are revoked and those used are on record as owed. It fails
// with a [*Faults], and as [coupon.Service.Refund] does.
func (s *Service) OrderReturned(ctx context.Context, back Return, now time.Time) (Settlement, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", back.ID, false)
	faults.id("order", back.Order, false)
	faults.id("customer", back.Customer, false)
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
	checkNow(faults, now)
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
	amount, everything := back.Amount, back.Everything
	var request coupon.RefundRequest
	if back.Coupons != nil {
		request = *back.Coupons
		request.ID = back.ID
		everything = everything || request.Everything
		refunded, err := s.coupons.PlanRefund(ctx, back.Order, request, now)
		if err != nil {
			return storage.Plan[Settlement]{}, err
		}
		batch, answer.Refund = refunded.Batch, &refunded.Answer
		if amount, err = forGoods(&refunded.Answer); err != nil {
			return storage.Plan[Settlement]{}, err
		}
	}
	plan, err := s.planFact(ctx, back.Customer, factBody{
		ID: back.ID, Kind: FactRefunded, Order: back.Order,
		Amount: amount.Minor(), Currency: amount.Currency(), Everything: everything, At: micros(now),
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

// planFact records a fact in the referral of a friend, and does what follows.
func (s *Service) planFact(ctx context.Context, friend string, fact factBody, answer Settlement, batch storage.Batch, refused *storage.Failure, now time.Time) (storage.Plan[Settlement], error) {
	var none storage.Plan[Settlement]
	r, err := s.referralOf(ctx, friend)
	if err != nil || r.Version == 0 {
		return storage.Plan[Settlement]{Batch: batch, Answer: answer}, err
	}
	added, err := r.Value.record(fact)
	if err != nil {
		return none, err
	}
	if !added {
		answer.Referrals = []Referral{r.Value.referral()}
		return storage.Plan[Settlement]{Batch: batch, Answer: answer}, nil
	}
	w, err := s.load(ctx, r, now)
	if err != nil {
		return none, err
	}
	w.refused = refused
	if err := w.advance(ctx); err != nil {
		return none, err
	}
	changed, err := w.batch()
	if err != nil {
		return none, err
	}
	answer.Referrals = []Referral{w.referral.Value.referral()}
	joined, err := storage.Join(batch, changed)
	return storage.Plan[Settlement]{Batch: joined, Answer: answer}, err
}

// referralOf reads the referral in which a customer is the friend; its Version is 0
// when nobody invited them.
func (s *Service) referralOf(ctx context.Context, friend string) (storage.Record[referralBody], error) {
	var none storage.Record[referralBody]
	docs, err := s.get(ctx, memberKey(friend))
	if err != nil {
		return none, err
	}
	member, err := record(members, docs, memberKey(friend))
	if err != nil || member.Value.Registration == nil || !member.Value.Registration.Bound {
		return none, err
	}
	key := referralKey(member.Value.Registration.Program, friend)
	if docs, err = s.get(ctx, key); err != nil {
		return none, err
	}
	return record(referrals, docs, key)
}

// Settle does what is due: it grants rewards whose hold is over, tries again those
// that wait, and expires referrals in which nobody paid in time. Run it every minute
// or so, in as many processes as you like; limit is how many documents of a kind it
// looks at, default 1,000.
func (s *Service) Settle(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	first, err := ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindReferral, Now: now, Limit: limit}, func(ctx context.Context, doc storage.Doc) (storage.Batch, error) {
		r, err := referrals.Decode(doc)
		if err != nil {
			return storage.Batch{}, err
		}
		w, err := s.load(ctx, r, now)
		if err != nil {
			return storage.Batch{}, err
		}
		if err := w.advance(ctx); err != nil {
			return storage.Batch{}, err
		}
		return w.batch()
	})
	if err != nil {
		return first, err
	}
	second, err := ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindReward, Now: now, Limit: limit}, func(ctx context.Context, doc storage.Doc) (storage.Batch, error) {
		return s.planRetry(ctx, doc, now)
	})
	return first.Plus(second), err
}

// planRetry grants one reward that waits.
func (s *Service) planRetry(ctx context.Context, doc storage.Doc, now time.Time) (storage.Batch, error) {
	reward, err := rewards.Decode(doc)
	if err != nil {
		return storage.Batch{}, err
	}
	key := referralKey(reward.Value.Program, reward.Value.Friend)
	docs, err := s.get(ctx, key)
	if err != nil {
		return storage.Batch{}, err
	}
	referral, err := referrals.Decode(docs[key])
	if err != nil {
		return storage.Batch{}, err
	}
	w, err := s.load(ctx, referral, now)
	if err != nil {
		return storage.Batch{}, err
	}
	r := w.rewards[doc.Key.ID]
	if r == nil || r.Version != doc.Version || r.Value.State != RewardPending {
		return storage.Batch{}, fmt.Errorf("referral: reward %q has changed meanwhile", doc.Key.ID)
	}
	if err := w.grant(ctx, r); err != nil {
		return storage.Batch{}, err
	}
	return w.batch()
}

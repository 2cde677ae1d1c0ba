package coupon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Redeem uses what a quote applies for an order, in one step: everything is
// claimed and booked with this call. Use it where the order is paid or certain;
// where a payment takes time, [Service.Reserve] and [Service.Confirm].
//
// The quote's set is judged again at this instant, with current exclusions,
// pauses and coupons; nothing else is searched. When the amounts are the same it
// is redeemed, whatever the quote's age. Otherwise it fails with [*QuoteChanged]
// (and errors.As finds the [*Refusal] of what no longer applies), and with a
// *Refusal alone when a limit was reached meanwhile. Nothing is written then, and
// inside a caller's transaction that is still usable.
//
// Called again for the same order and the same quote, it answers what it recorded;
// with another quote it fails with [ErrKeyReused]. A quote that applies nothing is
// recorded too, so that its order can be refunded, and uses nothing up.
func (s *Service) Redeem(ctx context.Context, order string, quote *Quote, now time.Time) (Redemption, error) {
	return answer(s.claim(ctx, order, quote, time.Time{}, now))
}

// Reserve holds what a quote applies for an order until its payment is decided,
// for as long as Options.Hold says. It judges the quote as Redeem does. After it
// the price is settled: a pause or an exclusion made later does not touch this
// order. Reserving again for the same order replaces what it held, in one step,
// so an order never stands in its own way; a confirmed order refuses another
// quote with [ErrKeyReused].
func (s *Service) Reserve(ctx context.Context, order string, quote *Quote, now time.Time) (Redemption, error) {
	return answer(s.claim(ctx, order, quote, now.Add(s.options.Hold).Truncate(time.Microsecond), now))
}

// answer is what callers see of what was done. It is made last: a redemption is large, and
// would be on the stack while the store works.
func answer(b *redemptionBody, err error) (Redemption, error) {
	if err != nil {
		return Redemption{}, err
	}
	return b.redemption(), nil
}

func (s *Service) claim(ctx context.Context, order string, quote *Quote, until, now time.Time) (*redemptionBody, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", order, false)
	faults.instant("now", now)
	if quote == nil {
		faults.add("quote", "is missing")
	} else {
		quote.checkTender(faults)
	}
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	return s.carryOut(ctx, now, func(ctx context.Context, known another) (storage.Plan[*redemptionBody], error) {
		return s.planClaim(ctx, order, quote, until, now, known)
	})
}

// another is what another attempt at a plan knows of the one before.
type another struct {
	refused bool             // there was one
	expire  []string         // lapsed reservations to be expired in the same batch
	shards  map[string]int64 // what is taken of shards at least
}

// carryOut applies a plan. When a shard has no room all of them are read, and the
// plan is made again. When a counter is at its limit it looks for a lapsed
// reservation that still holds some of it, and plans again with that one expired
// in the same batch; when there is none, the plan's refusal stands.
func (s *Service) carryOut(ctx context.Context, now time.Time,
	plan func(ctx context.Context, known another) (storage.Plan[*redemptionBody], error),
) (*redemptionBody, error) {
	var known another
	var last storage.Plan[*redemptionBody]
	return storage.Do(ctx, s.store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[*redemptionBody], error) {
		if err := closedMonth(refused, now); err != nil {
			return storage.Plan[*redemptionBody]{}, err
		}
		known.refused = known.refused || refused != nil
		if refused != nil && refused.Op == storage.OpAdd {
			if err := s.makeRoom(ctx, refused.Counter, &known, last, now); err != nil {
				return storage.Plan[*redemptionBody]{}, err
			}
		}
		decided, err := plan(ctx, known)
		for full := isFull(err); full != nil; full = isFull(err) {
			if err = s.expireHolder(ctx, full.claim.Counter, &known, now); errors.Is(err, errNoHolder) {
				err = s.shardsFull(ctx, full, last)
			}
			if err == nil {
				decided, err = plan(ctx, known)
			}
		}
		if err == nil {
			last = decided
		}
		return decided, err
	})
}

// isFull gives the claim that shards had no room for, if that is what an error says.
func isFull(err error) *errFull {
	if err == nil {
		return nil
	}
	var full *errFull
	errors.As(err, &full)
	return full
}

// makeRoom finds out how a plan that a counter refused can be made anew.
func (s *Service) makeRoom(ctx context.Context, counter string, known *another, last storage.Plan[*redemptionBody], now time.Time) error {
	if of, sharded := ledger.Unsharded(counter); sharded {
		return s.readShards(ctx, of, counter, known, last)
	}
	err := s.expireHolder(ctx, counter, known, now)
	if errors.Is(err, errNoHolder) {
		return s.limitReached(ctx, counter, last)
	}
	return err
}

// readShards reads all shards of a counter. Of the one that refused, too much is taken
// for what was asked, whatever a transaction may see of it.
func (s *Service) readShards(ctx context.Context, of, refused string, known *another, last storage.Plan[*redemptionBody]) error {
	_, values, err := s.store.Get(ctx, nil, ledger.ShardNames(of, ledger.Shards(refused))...)
	if err != nil {
		return err
	}
	if known.shards == nil {
		known.shards = make(map[string]int64)
	}
	for name, value := range values {
		known.shards[name] = value
	}
	for _, add := range last.Batch.Adds {
		if add.Counter == refused && add.Delta > 0 {
			known.shards[refused] = max(known.shards[refused], add.Max-add.Delta+1)
		}
	}
	return nil
}

// errNoHolder: no lapsed reservation holds any of a counter.
var errNoHolder = errors.New("coupon: nobody holds any of the counter in vain")

func (s *Service) expireHolder(ctx context.Context, counter string, known *another, now time.Time) error {
	order, err := s.lapsedHolder(ctx, counter, known.expire, now)
	switch {
	case err != nil:
		return err
	case order == "":
		return errNoHolder
	}
	known.expire = append(known.expire, order)
	return nil
}

// maxHolders bounds among how many lapsed reservations one is chosen.
const maxHolders = 100

// lapsedHolder finds a lapsed reservation that holds some of a counter, beside
// those known. It picks any, so that many who need one at once seldom want the
// same.
func (s *Service) lapsedHolder(ctx context.Context, counter string, known []string, now time.Time) (string, error) {
	var holders []string
	err := s.lapsed(ctx, now, func(b *redemptionBody) bool {
		holds := b.holds(counter) || b.creditOf(counter) != nil
		if holds && !slices.Contains(known, b.Order) {
			holders = append(holders, b.Order)
		}
		return len(holders) < maxHolders
	})
	if err != nil || len(holders) == 0 {
		return "", err
	}
	return holders[rand.IntN(len(holders))], nil
}

// limitReached is the refusal of a plan whose claim its counter had no room for.
func (s *Service) limitReached(ctx context.Context, counter string, refused storage.Plan[*redemptionBody]) error {
	_, values, err := s.store.Get(ctx, nil, counter)
	if err != nil {
		return err
	}
	if t := refused.Answer.creditOf(counter); t != nil {
		return &ledger.InsufficientError{
			Account: CreditAccount(refused.Answer.Customer), Found: ledger.Minor(values[counter], t.Unit), Needed: ledger.Minor(t.Amount, t.Unit),
		}
	}
	claim := ledger.Claim{Counter: counter}
	for _, add := range refused.Batch.Adds {
		if add.Counter == counter {
			claim.Max = add.Max
		}
	}
	return s.named(ctx, limitReached(claim, values[counter]), counter, refused)
}

// shardsFull is the refusal of a claim that all shards together had no room for.
func (s *Service) shardsFull(ctx context.Context, full *errFull, refused storage.Plan[*redemptionBody]) error {
	var used int64
	for _, name := range ledger.ShardNames(full.claim.Counter, full.claim.Shards) {
		used += full.known[name]
	}
	return s.named(ctx, limitReached(full.claim, used), full.claim.Counter, refused)
}

// named says in a refusal which offer and coupon the counter was claimed for, where there
// was a plan.
func (s *Service) named(ctx context.Context, reached *Refusal, counter string, refused storage.Plan[*redemptionBody]) error {
	if refused.Answer == nil {
		return reached
	}
	for i := range refused.Answer.Applied {
		a := &refused.Answer.Applied[i]
		v, err := s.version(ctx, a.Offer, a.Version)
		if err != nil {
			return err
		}
		if v.countsIn(counter) {
			reached.Offer, reached.Name, reached.Coupon = a.Offer, a.Name, a.Coupon
			break
		}
	}
	return reached
}

// planClaim first takes what the quote rests on for what is there, and has the batch
// check it. Whatever speaks against that is judged by what is read.
func (s *Service) planClaim(ctx context.Context, order string, quote *Quote, until, now time.Time, known another) (storage.Plan[*redemptionBody], error) {
	if !known.refused {
		if docs := quote.basis.suffices(s, order, quote); docs != nil {
			planned, err := planOn(ctx, s, now, nil, nil, func(w *work) (*redemptionBody, error) {
				w.basis = quote.basis
				w.restOn(docs)
				return w.claimQuoted(order, quote, until, known)
			})
			if err == nil {
				return planned, nil
			}
		}
	}
	keys := []storage.Key{redemptionKey(order)}
	for _, a := range quote.Applied() {
		keys = append(keys, headKey(a.Offer))
		if a.Coupon != "" {
			keys = append(keys, couponKey(a.Coupon))
		}
	}
	for _, seller := range sellersOf(&quote.Cart) {
		keys = append(keys, exclusionsKey(seller))
	}
	for _, other := range known.expire {
		keys = append(keys, redemptionKey(other))
	}
	return plan(ctx, s, now, keys, func(w *work) (*redemptionBody, error) { return w.claimQuoted(order, quote, until, known) })
}

func (w *work) claimQuoted(order string, quote *Quote, until time.Time, known another) (*redemptionBody, error) {
	w.shards = known.shards
	r, err := w.redemption(order)
	if err != nil {
		return nil, err
	}
	if r.Value.State.paid() && r.Value.Fingerprint == quote.Fingerprint() {
		return &r.Value, nil // a repetition is answered before anything is judged
	}
	judged := quote
	claims, stands := w.stands(order, quote)
	if !stands {
		if judged, err = w.judgeAgain(order, quote); err != nil {
			return nil, err
		}
	}
	if err := w.lapse(known.expire); err != nil {
		return nil, err
	}
	return w.reserve(order, judged, claims, until)
}

// stands judges the quoted set at this instant, by what the quote rests on, and says that
// it comes about as it did, step by step: then the quote need not be made anew. claims are
// what each offer that applies claims now. Where it does not stand, it may still come to the
// same.
func (w *work) stands(order string, q *Quote) (claims [][]limitClaim, stands bool) {
	if w.basis == nil {
		return nil, false
	}
	d := newDecision()
	defer d.release()
	d.quoted = q.again(d.quoted)
	d.reserve(len(d.quoted))
	d.enter(d.quoted)
	d.sort()
	d.number()
	if err := d.openCart(&d.own, &q.Cart, w.now); err != nil {
		return nil, false
	}
	d.rest(Facts{Order: order, Exclusions: w.basis.exclusions})
	if err := d.judgeAll(); err != nil || !d.repeated(q) {
		return nil, false
	}
	claims = make([][]limitClaim, len(d.applied))
	for i, e := range d.applied {
		claims[i] = e.claims
	}
	return claims, true
}

// again adds the candidates of a quote that is judged again to others.
func (q *Quote) again(candidates []Candidate) []Candidate {
	for i := range q.outcome.applied {
		a := &q.outcome.applied[i]
		candidates = append(candidates, Candidate{Version: a.Version, Coupon: a.Coupon, Code: a.Code, override: a.override, quoted: a.refused})
	}
	return candidates
}

// repeated says that a decision on a quote's cart came about as the quote did, with nothing
// of it changed since. It is made for offers that count all lines that their scopes do.
func (d *decision) repeated(q *Quote) bool {
	o, c := &q.outcome, &q.Cart
	money := func(m ledger.Money, minor int64) bool { return m == ledger.Minor(minor, c.Currency) }
	if len(d.applied) != len(o.applied) || len(o.left) > 0 || c.Customer.Key != o.customer || !sameList(c.Lines, o.lines) || !sameList(c.Shipping, o.shipping) {
		return false
	}
	var discount int64
	for i, e := range d.applied {
		of := &o.applied[i]
		if e.Version != of.Version || e.amount != of.amount || e.couponID() != of.couponID() || len(e.left) > 0 ||
			e.Version.stage == shippingStage && len(e.deliveries) < len(c.Shipping) {
			return false
		}
		discount += e.amount
	}
	return money(q.Subtotal, d.subtotal) && money(q.Shipping, d.shipping) && money(q.Discount, discount) &&
		money(q.Total, d.subtotal-discount+d.shipping) && d.pricing.cameAboutAs(o)
}

// sameList says that two lists are one.
func sameList[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// judgeAgain decides the quoted set at this instant, by what is there now.
func (w *work) judgeAgain(order string, quote *Quote) (*Quote, error) {
	facts := Facts{Order: order}
	candidates := quote.again(nil)
	if w.basis != nil {
		facts.Exclusions = w.basis.exclusions
	} else if err := w.current(quote, candidates, &facts); err != nil {
		return nil, err
	}
	judged, err := Decide(quote.Cart, candidates, facts, w.now)
	if err != nil {
		return nil, err
	}
	judged.Tender = quote.Tender
	if !judged.sameAmounts(quote) {
		return nil, &QuoteChanged{Quoted: quote, Now: judged}
	}
	return judged, nil
}

// current brings a quote's candidates and facts up to what was read.
func (w *work) current(quote *Quote, candidates []Candidate, facts *Facts) error {
	for _, seller := range sellersOf(&quote.Cart) {
		own, err := exclusions(seller, w.docs[exclusionsKey(seller)])
		if err != nil {
			return err
		}
		facts.Exclusions = append(facts.Exclusions, own...)
	}
	for i := range candidates {
		c := &candidates[i]
		head, err := w.head(c.Version.offer.ID)
		if err != nil {
			return err
		}
		c.Paused = head.Value.Paused
		if c.Coupon == nil {
			continue
		}
		record, err := w.coupon(c.Coupon.ID)
		if err != nil {
			return err
		}
		current := record.Value.coupon(c.Coupon.ID)
		c.Coupon = &current
	}
	return nil
}

// Confirm makes a reservation final, because the payment came. Past its time but
// not yet expired it still succeeds. One that expired or was released is claimed
// again as it was, at the price that was reserved; when something of it is gone,
// it fails with [*Lapsed], which says what to charge or to refund. Confirming
// again answers what was recorded. It fails with [ErrNoRedemption].
func (s *Service) Confirm(ctx context.Context, order string, now time.Time) (Redemption, error) {
	confirmed, err := s.carryOut(ctx, now, func(ctx context.Context, known another) (storage.Plan[*redemptionBody], error) {
		return s.planConfirm(ctx, order, known, now)
	})
	if why := gone(err); why != nil {
		return s.lapsedAnswer(ctx, order, why, err)
	}
	return answer(confirmed, err)
}

// lapsedAnswer says what became of a reservation that can't be confirmed.
func (s *Service) lapsedAnswer(ctx context.Context, order string, why, cause error) (Redemption, error) {
	redemption, err := s.Redemption(ctx, order)
	if err != nil {
		return redemption, cause
	}
	lapsed := &Lapsed{Order: order, Paid: redemption.Due, Missing: redemption.Discount, Since: redemption.Ended, Why: why}
	for _, t := range redemption.Tender {
		lapsed.Missing = ledger.Minor(lapsed.Missing.Minor()+t.Worth.Minor(), lapsed.Missing.Currency())
	}
	return redemption, lapsed
}

// gone is the claim that failed, a limit's or a coupon's, or of credit; nil when an
// error is something else.
func gone(err error) error {
	if refused, ok := isRefusal(err); ok && !errors.Is(err, ErrLapsed) {
		return refused
	}
	var insufficient *ledger.InsufficientError
	if errors.As(err, &insufficient) {
		return insufficient
	}
	return nil
}

// PlanConfirm is Confirm as a plan, for joining it with what else happens when an
// order is paid. A reservation that was swept is claimed again when the plan is
// applied: then ErrLimit means what a [*Lapsed] says.
func (s *Service) PlanConfirm(ctx context.Context, order string, now time.Time) (storage.Plan[Redemption], error) {
	planned, err := s.planConfirm(ctx, order, another{}, now)
	if err != nil {
		return storage.Plan[Redemption]{}, err
	}
	return storage.Plan[Redemption]{Batch: planned.Batch, Answer: planned.Answer.redemption()}, nil
}

func (s *Service) planConfirm(ctx context.Context, order string, known another, now time.Time) (storage.Plan[*redemptionBody], error) {
	return s.change(ctx, order, now, func(w *work, r *storage.Record[redemptionBody]) error {
		w.shards = known.shards
		switch {
		case r.Value.State == StateReserved:
			return w.confirm(r)
		case r.Value.State.paid():
			return nil
		}
		if err := w.lapse(known.expire); err != nil {
			return err
		}
		return w.claimAgain(r)
	})
}

// Release gives back what an order has reserved, because its payment failed or its
// cart was left. What was released or expired already stays so. It fails with
// [ErrState] when the order is confirmed (refund it instead), and with
// [ErrNoRedemption].
func (s *Service) Release(ctx context.Context, order string, now time.Time) (Redemption, error) {
	return answer(s.carryOut(ctx, now, func(ctx context.Context, _ another) (storage.Plan[*redemptionBody], error) {
		return s.change(ctx, order, now, func(w *work, r *storage.Record[redemptionBody]) error {
			switch {
			case r.Value.State == StateReserved:
				return w.end(r, StateReleased)
			case r.Value.State.paid():
				return fmt.Errorf("%w: order %q is %s: refund it instead", ErrState, order, r.Value.State)
			}
			return nil
		})
	}))
}

// change plans something that happens to an order's redemption.
func (s *Service) change(ctx context.Context, order string, now time.Time, change func(*work, *storage.Record[redemptionBody]) error) (storage.Plan[*redemptionBody], error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", order, false)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return storage.Plan[*redemptionBody]{}, err
	}
	return plan(ctx, s, now, []storage.Key{redemptionKey(order)}, func(w *work) (*redemptionBody, error) {
		r, err := w.redemption(order)
		if err != nil {
			return nil, err
		}
		if r.Version == 0 {
			return nil, fmt.Errorf("%w: order %q", ErrNoRedemption, order)
		}
		return &r.Value, change(w, r)
	})
}

// Refund gives back what units of an order paid, to the smallest coin: each unit
// what it paid itself, so that refunds of any grouping sum to what was paid. When
// nothing of the order is kept, the coupons and limits get their use back, where
// their offers say so. Asked again under the same id with the same lines, it
// answers what it recorded; with others it fails with [ErrKeyReused].
//
// It fails with a [*Faults] that names every line that can't come back, with
// [ErrState] when the order is not confirmed or nothing is left, and with
// [ErrNoRedemption].
func (s *Service) Refund(ctx context.Context, order string, request RefundRequest, now time.Time) (Refund, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Refund], error) {
		return s.PlanRefund(ctx, order, request, now)
	})
}

// PlanRefund is Refund as a plan, for joining it with what else happens when
// goods come back.
func (s *Service) PlanRefund(ctx context.Context, order string, request RefundRequest, now time.Time) (storage.Plan[Refund], error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("order", order, false)
	faults.id("id", request.ID, false)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return storage.Plan[Refund]{}, err
	}
	fingerprints, err := request.fingerprints()
	if err != nil {
		return storage.Plan[Refund]{}, err
	}
	return s.planRefund(ctx, order, now, func(w *work, r *storage.Record[redemptionBody]) (Refund, error) {
		return w.refund(r, request, fingerprints, s.options.ReturnOrder)
	})
}

func (s *Service) planRefund(ctx context.Context, order string, now time.Time, refund func(*work, *storage.Record[redemptionBody]) (Refund, error)) (storage.Plan[Refund], error) {
	return plan(ctx, s, now, []storage.Key{redemptionKey(order)}, func(w *work) (Refund, error) {
		r, err := w.redemption(order)
		if err != nil {
			return Refund{}, err
		}
		if r.Version == 0 {
			return Refund{}, fmt.Errorf("%w: order %q", ErrNoRedemption, order)
		}
		return refund(w, r)
	})
}

// Redemption gives what an order uses. It fails with [ErrNoRedemption].
func (s *Service) Redemption(ctx context.Context, order string) (Redemption, error) {
	record, err := recorded(ctx, s, redemptions, redemptionKey(order), ErrNoRedemption)
	if err != nil {
		return Redemption{}, err
	}
	return record.Value.redemption(), nil
}

// Sweep expires reservations that have lapsed, so that their claims show as free.
// Redeeming does not wait for it. Run it every minute or so, in as many processes
// as you like; limit is how many it looks at, default 1,000.
func (s *Service) Sweep(ctx context.Context, now time.Time, limit int) (ledger.Report, error) {
	return ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: kindRedemption, Now: now, Limit: limit, Crew: s.crew},
		func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
			expired, err := plan(ctx, s.Through(read), now, []storage.Key{doc.Key}, func(w *work) (struct{}, error) {
				return struct{}{}, w.lapse([]string{doc.Key.ID})
			})
			return expired.Batch, err
		})
}

package coupon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// A reservation is worth its price: what is paused, excluded or published after it
// does not touch it, however late the payment comes.
func TestReservedPricesStand(t *testing.T) {
	s := newShop(t, amountOff("a", "5.00"))
	held := s.held("a", "jane", 1)[0]
	q := s.applies(cartOf(item("20.00", 1)), coupon.ChooseCoupons(held.ID), noon)
	require.NoError(t, ignore(s.Reserve(ctx, "order", q, noon)))
	require.NoError(t, s.Pause(ctx, "a", "staff", "asked for", noon))
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme"}, "acme", noon))
	_, err := s.Publish(ctx, amountOff("a", "1.00"), "staff", noon)
	require.NoError(t, err)
	require.NoError(t, ignore(s.Release(ctx, "order", noon)))
	r, err := s.Confirm(ctx, "order", noon.Add(48*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, eur("15.00"), r.Total)
	assert.Equal(t, noon.Add(48*time.Hour), r.Confirmed)
}

func TestLateConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(s *shop)
		reason    coupon.Reason // "": it is confirmed
	}{
		"past its time":            {func(*shop) {}, ""},
		"swept":                    {func(s *shop) { require.NoError(s.t, ignore(s.Sweep(ctx, noon.Add(time.Hour), 0))) }, ""},
		"released":                 {func(s *shop) { require.NoError(s.t, ignore(s.Release(ctx, "order", noon))) }, ""},
		"the cap is taken":         {func(s *shop) { s.late("other", coupon.Choose("CAP")) }, coupon.ReasonLimit},
		"the coupon is used":       {func(s *shop) { s.late("other", coupon.ChooseCoupons("held-own-jane/1")) }, coupon.ReasonUsed},
		"the coupon is revoked":    {func(s *shop) { s.sweepAndRevoke() }, coupon.ReasonRevoked},
		"the coupon is reserved":   {func(s *shop) { s.lateReserve("other", coupon.ChooseCoupons("held-own-jane/1")) }, coupon.ReasonReserved},
		"the cap is reserved":      {func(s *shop) { s.lateReserve("other", coupon.Choose("CAP")) }, coupon.ReasonLimit},
		"the other lapsed as well": {func(s *shop) { s.reserveAt("other", coupon.Choose("CAP"), noon.Add(30*time.Minute)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, limited(freely(amountOff("cap", "1.00")), coupon.Limit{Uses: 1}), freely(amountOff("own", "2.00")))
			s.public("cap", "CAP")
			s.held("own", "jane", 1)
			s.reserveAt("order", bothCoupons, noon)
			c.meanwhile(s)
			before := dump(t, s.store)
			now := noon.Add(time.Hour)
			r, err := s.Confirm(ctx, "order", now)
			if c.reason == "" {
				require.NoError(t, err)
				assert.Equal(t, []any{coupon.StateConfirmed, eur("17.00")}, []any{r.State, r.Total})
				assert.True(t, r.Ended.IsZero())
				return
			}
			require.ErrorIs(t, err, coupon.ErrLapsed)
			requireSame(t, before, dump(t, s.store))
			var lapsed *coupon.Lapsed
			require.ErrorAs(t, err, &lapsed)
			assert.Equal(t, []any{"order", eur("17.00"), eur("3.00")}, []any{lapsed.Order, lapsed.Paid, lapsed.Missing})
			assert.Equal(t, r.Ended, lapsed.Since)
			var refused *coupon.Refusal
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.reason, refused.Reason)
			assert.NotEmpty(t, refused.Offer)
			assert.Equal(t, refused.Offer, refused.Name)
		})
	}
}

func (s *shop) reserveAt(order string, choice coupon.Choice, now time.Time) {
	s.t.Helper()
	require.NoError(s.t, ignore(s.Reserve(ctx, order, s.applies(cartOf(item("20.00", 1)), choice, now), now)))
}

func (s *shop) late(order string, choice coupon.Choice) {
	s.t.Helper()
	s.redeem(order, cartOf(item("20.00", 1)), choice, noon.Add(40*time.Minute))
}

func (s *shop) lateReserve(order string, choice coupon.Choice) {
	s.t.Helper()
	s.reserveAt(order, choice, noon.Add(40*time.Minute))
}

func (s *shop) sweepAndRevoke() {
	s.t.Helper()
	require.NoError(s.t, ignore(s.Sweep(ctx, noon.Add(40*time.Minute), 0)))
	require.NoError(s.t, ignore(s.Revoke(ctx, "held-own-jane/1", "staff", "asked for", noon)))
}

// Reserving again replaces: what the order no longer uses is free at once.
func TestReservingAgainReplaces(t *testing.T) {
	s := newShop(t, limited(freely(amountOff("cap", "1.00")), coupon.Limit{Uses: 1}), freely(amountOff("own", "2.00")))
	s.public("cap", "CAP")
	held := s.held("own", "jane", 1)[0]
	s.reserveAt("order", bothCoupons, noon)
	s.reserveAt("order", coupon.Choose("CAP").For("order"), noon)
	c, err := s.Coupon(ctx, held.ID)
	require.NoError(t, err)
	assert.Empty(t, c.Used)
	assert.Equal(t, int64(1), s.counter("uses/cap"))
	s.reserveAt("order", coupon.ChooseCoupons(held.ID).For("order"), noon.Add(time.Minute))
	assert.Zero(t, s.counter("uses/cap"))
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	assert.Equal(t, noon.Add(31*time.Minute), r.Until)
	assert.Empty(t, r.Claims)

	r = s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("CAP"), noon.Add(2*time.Minute))
	assert.Equal(t, coupon.StateConfirmed, r.State)
	s.redeem("other", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held.ID), noon.Add(2*time.Minute))
}

func TestConfirmedOrdersRefuseAnotherQuote(t *testing.T) {
	s := newShop(t, amountOff("a", "5.00"))
	held := s.held("a", "jane", 2)
	s.redeem("order", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon)
	before := dump(t, s.store)
	for _, q := range []*coupon.Quote{
		s.applies(cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[1].ID), noon),
		s.applies(cartOf(item("21.00", 1)), coupon.ChooseCoupons(held[0].ID).For("order"), noon),
	} {
		_, err := s.Redeem(ctx, "order", q, noon)
		require.ErrorIs(t, err, coupon.ErrKeyReused)
		_, err = s.Reserve(ctx, "order", q, noon)
		require.ErrorIs(t, err, coupon.ErrKeyReused)
	}
	_, err := s.Release(ctx, "order", noon)
	require.ErrorIs(t, err, coupon.ErrState)
	requireSame(t, before, dump(t, s.store))
}

func TestQuoteChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *shop, q *coupon.Quote)
		reason coupon.Reason
	}{
		"the seller excludes it": {func(s *shop, _ *coupon.Quote) {
			require.NoError(s.t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme"}, "acme", noon))
		}, coupon.ReasonSeller},
		"the coupon is used": {func(s *shop, _ *coupon.Quote) {
			s.redeem("other", cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1"), noon)
		}, coupon.ReasonUsed},
		"the coupon is reserved": {func(s *shop, _ *coupon.Quote) { s.reserveAt("other", coupon.ChooseCoupons("held-a-jane/1"), noon) }, coupon.ReasonReserved},
		"another customer":       {func(_ *shop, q *coupon.Quote) { q.Cart.Customer.Key = "jim" }, coupon.ReasonNotHolder},
		"a lower price":          {func(_ *shop, q *coupon.Quote) { q.Cart.Lines[0].UnitPrice = eur("1.00") }, coupon.ReasonMinimumSpend},
		"another total":          {func(_ *shop, q *coupon.Quote) { q.Total = eur("0.01") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, changed(amountOff("a", "5.00"), func(o *coupon.Offer) {
				o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("10.00")}}
			}))
			s.held("a", "jane", 1)
			q := s.applies(cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1"), noon)
			c.change(s, q)
			before := dump(t, s.store)
			_, err := s.Redeem(ctx, "order", q, noon)
			require.ErrorIs(t, err, coupon.ErrQuoteChanged)
			requireSame(t, before, dump(t, s.store))
			var refused *coupon.Refusal
			require.Equal(t, c.reason != "", errors.As(err, &refused))
			if c.reason != "" {
				assert.Equal(t, c.reason, refused.Reason)
			}
		})
	}
}

// An order that is confirmed long after it was released holds each counter once again, and
// nothing new of one that is over.
func TestConfirmedAgainAcrossDays(t *testing.T) {
	s := newShop(t, automatic(limited(amountOff("a", "5.00"), coupon.Limit{Uses: 9}, coupon.Limit{Uses: 9, Period: ledger.Day})))
	require.NoError(t, ignore(s.Reserve(ctx, "order", s.applies(cartOf(item("20.00", 1)), coupon.Choice{}, noon), noon)))
	later := noon.AddDate(2, 0, 0)
	require.NoError(t, ignore(s.Release(ctx, "order", later)))
	require.NoError(t, ignore(s.Confirm(ctx, "order", later)))
	docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "redemption", ID: "order"}})
	require.NoError(t, err)
	var body struct {
		Claims []struct {
			Counter string
			N       int64
		}
	}
	require.NoError(t, json.Unmarshal(docs[0].Body, &body))
	held := make(map[string]int64)
	for _, c := range body.Claims {
		require.NotContains(t, held, c.Counter)
		held[c.Counter] = c.N
	}
	require.Equal(t, map[string]int64{"uses/a": 1, "uses/a/2026-11-20": 1}, held)
}

// What counts are the amounts of each line and delivery, not how they came about.
func TestQuotesThatComeToTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *coupon.Cart)
		same   bool
	}{
		"one unit at the price of two":   {func(c *coupon.Cart) { c.Lines[0].Quantity, c.Lines[0].UnitPrice = 1, eur("20.00") }, true},
		"another line's id":              {func(c *coupon.Cart) { c.Lines[1].ID = "3" }, false},
		"what one line costs on another": {func(c *coupon.Cart) { c.Lines[0].UnitPrice, c.Lines[1].UnitPrice = eur("11.00"), eur("3.00") }, false},
		"another delivery's id":          {func(c *coupon.Cart) { c.Shipping[0].ID = "letter" }, false},
		"the prices of deliveries":       {func(c *coupon.Cart) { c.Shipping[0].Price, c.Shipping[1].Price = eur("2.00"), eur("3.00") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, automatic(freely(amountOff("a", "5.00"))), automatic(freely(giving("b", coupon.ShippingOff{Amounts: euros("2.00"), Together: true}))))
			cart := cartOf(item("10.00", 2), item("5.00", 1))
			cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("3.00")}, {ID: "crate", Price: eur("2.00")}}
			q := s.applies(cart, coupon.Choice{}, noon)
			q.Cart.Lines, q.Cart.Shipping = slices.Clone(cart.Lines), slices.Clone(cart.Shipping)
			c.change(&q.Cart)
			_, err := s.Redeem(ctx, "order", q, noon)
			if c.same {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, coupon.ErrQuoteChanged)
			}
		})
	}
}

// A quote of any age is redeemed while its amounts stand.
func TestOldQuotes(t *testing.T) {
	s := newShop(t, changed(amountOff("a", "5.00"), func(o *coupon.Offer) { o.Schedule.Until = noon.Add(time.Hour) }))
	s.public("a", "CODE")
	q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	require.NoError(t, ignore(s.Redeem(ctx, "early", q, noon.Add(-time.Minute))), "a clock that went backwards")
	require.NoError(t, ignore(s.Redeem(ctx, "last", q, noon.Add(time.Hour-1))))
	require.ErrorIs(t, second(s.Redeem(ctx, "late", q, noon.Add(time.Hour))), coupon.ErrQuoteChanged)
}

// Uses are counted in the period they were claimed in, and given back to it.
func TestPeriods(t *testing.T) {
	s := newShop(t, changed(limited(amountOff("a", "5.00"), coupon.Limit{Uses: 1, Period: ledger.Day}), func(o *coupon.Offer) { o.Schedule.Zone = "Europe/Berlin" }))
	s.public("a", "CODE")
	cart := cartOf(item("20.00", 1))
	beforeMidnight := time.Date(2026, 11, 20, 22, 59, 0, 0, time.UTC)
	s.redeem("friday", cart, coupon.Choose("CODE"), beforeMidnight)
	assert.Equal(t, ledger.Day, s.refuses(cart, coupon.Choose("CODE"), beforeMidnight).Period)
	s.reserveAt("saturday", coupon.Choose("CODE"), beforeMidnight.Add(time.Minute))
	require.NoError(t, ignore(s.Refund(ctx, "friday", coupon.RefundRequest{ID: "r", Everything: true}, beforeMidnight.Add(time.Hour))))
	assert.Zero(t, s.counter("uses/a/2026-11-20"))
	assert.Equal(t, int64(1), s.counter("uses/a/2026-11-21"))

	sunday := beforeMidnight.Add(36 * time.Hour)
	require.NoError(t, ignore(s.Sweep(ctx, sunday, 0)))
	require.NoError(t, ignore(s.Confirm(ctx, "saturday", sunday)))
	assert.Equal(t, int64(1), s.counter("uses/a/2026-11-21"), "late, and in the period of the reservation")
	assert.Zero(t, s.counter("uses/a/2026-11-22"))
}

// When the counter of a period is over and may be gone, giving back leaves it
// alone, and the books still agree: before it is pruned and after.
func TestCountersThatAreOver(t *testing.T) {
	store := memory.New()
	s := newShopOn(t, store, coupon.Options{}, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 5, Period: ledger.Day}))
	s.public("a", "CODE")
	s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	s.reserveAt("waiting", coupon.Choose("CODE"), noon)
	longAfter := noon.AddDate(2, 0, 0)
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, longAfter)))
	require.NoError(t, ignore(s.Sweep(ctx, longAfter, 0)))
	require.NoError(t, ignore(s.Confirm(ctx, "waiting", longAfter)))
	s.audit()
}

// A coupon that anyone may use has its own limit where the offer says so.
func TestLimitPerPublicCoupon(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}))
	s.public("a", "ONE")
	s.public("a", "TWO")
	cart := cartOf(item("20.00", 1))
	s.redeem("1", cart, coupon.Choose("ONE"), noon)
	stale := s.applies(cart, coupon.Choose("ONE"), noon)
	s.redeem("2", cart, coupon.Choose("ONE"), noon)
	refused := s.refuses(cart, coupon.Choose("ONE"), noon)
	assert.Equal(t, []any{coupon.ReasonLimit, coupon.PerCoupon, int64(2)}, []any{refused.Reason, refused.Limit, refused.FoundUses})
	_, err := s.Redeem(ctx, "3", stale, noon)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []any{coupon.ReasonLimit, coupon.PerCoupon, "a", int64(2), int64(2)}, []any{refused.Reason, refused.Limit, refused.Offer, refused.FoundUses, refused.NeededUses})
	s.redeem("3", cart, coupon.Choose("TWO"), noon)
}

// The limit that was reached is told with the figures of the version that was
// used, not of the latest.
func TestLimitsOfAnOlderVersion(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 2, Period: ledger.Month}))
	held := s.held("a", "jane", 3)
	_, err := s.Publish(ctx, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 9, Period: ledger.Month}), "staff", noon)
	require.NoError(t, err)
	last := s.applies(cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[2].ID), noon)
	for _, c := range held[:2] {
		s.redeem(c.ID, cartOf(item("20.00", 1)), coupon.ChooseCoupons(c.ID), noon)
	}
	var refused *coupon.Refusal
	require.ErrorAs(t, second(s.Redeem(ctx, "order", last, noon)), &refused)
	assert.Equal(t, []any{int64(2), int64(2), ledger.Month}, []any{refused.FoundUses, refused.NeededUses, refused.Period})
	assert.Contains(t, refused.Error(), "used 2 of 2 times in all in this month")
}

// A quote is good in any process, whichever has made it: that it comes out alike counts, not
// what it was read from.
func TestRedeemAQuoteOfAnotherProcess(t *testing.T) {
	s := newShop(t, automatic(freely(percentOff("a", "10"))), automatic(freely(giving("parcel", coupon.ShippingOff{Rate: half}))))
	cart := cartOf(item("20.00", 1), item("5.00", 3))
	cart.Shipping = []coupon.Shipping{{ID: "1", Price: eur("4.90")}, {ID: "2", Price: eur("2.90")}}
	q := s.applies(cart, coupon.Choice{}, noon)
	redemption, err := coupon.New(s.store, coupon.Options{}).Redeem(ctx, "order", q, noon)
	require.NoError(t, err)
	require.Equal(t, q.Total, redemption.Total)
}

// A reservation lapses at the instant that it says, and not before.
func TestReservationsLapse(t *testing.T) {
	s := newShop(t, amountOff("a", "5.00"))
	choice := coupon.ChooseCoupons(s.held("a", "jane", 1)[0].ID)
	s.reserveAt("order", choice, noon)
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	cart := cartOf(item("20.00", 1))
	require.Equal(t, coupon.ReasonReserved, s.refuses(cart, choice, r.Until.Add(-time.Microsecond)).Reason)
	s.redeem("other", cart, choice, r.Until)
}

func TestHoldOption(t *testing.T) {
	for hold, want := range map[time.Duration]time.Duration{0: 30 * time.Minute, -1: 30 * time.Minute, time.Hour: time.Hour, 30 * 24 * time.Hour: 30 * 24 * time.Hour, 31 * 24 * time.Hour: 30 * time.Minute} {
		s := newShopOn(t, memory.New(), coupon.Options{Hold: hold}, amountOff("a", "5.00"))
		s.public("a", "CODE")
		s.reserveAt("order", coupon.Choose("CODE"), noon)
		r, err := s.Redemption(ctx, "order")
		require.NoError(t, err)
		assert.Equal(t, noon.Add(want), r.Until)
	}
}

func TestSweep(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 100}))
	s.public("a", "CODE")
	for i := range 30 {
		s.reserveAt(fmt.Sprint(i), coupon.Choose("CODE"), noon.Add(time.Duration(i)*time.Minute))
	}
	report, err := s.Sweep(ctx, noon.Add(39*time.Minute), 0)
	require.NoError(t, err)
	assert.Equal(t, []any{10, 0, noon.Add(40 * time.Minute)}, []any{report.Done, report.Left, report.Next})
	assert.Equal(t, int64(20), s.counter("uses/a"))
	report, err = s.Sweep(ctx, noon.Add(24*time.Hour), 5)
	require.NoError(t, err)
	assert.Equal(t, []int{5, 15}, []int{report.Done, report.Left})
}

// Books that are closed take no entry: the operation says so and writes nothing.
func TestClosedMonth(t *testing.T) {
	s := newShop(t, amountOff("a", "5.00"))
	s.public("a", "CODE")
	q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	later := noon.AddDate(0, 3, 0)
	s.redeem("later", cartOf(item("20.00", 1)), coupon.Choose("CODE"), later)
	_, err := ledger.New(s.store, ledger.Options{}).CloseMonths(ctx, later)
	require.NoError(t, err)
	before := dump(t, s.store)
	require.ErrorIs(t, second(s.Redeem(ctx, "order", q, noon)), ledger.ErrClosed)
	require.ErrorIs(t, s.Pause(ctx, "a", "staff", "asked for", noon), ledger.ErrClosed)
	requireSame(t, before, dump(t, s.store))
}

// The one lapsed reservation that makes room is found behind pages of others.
func TestRoomBehindManyLapsedReservations(t *testing.T) {
	s := newShop(t, amountOff("free", "1.00"), limited(amountOff("cap", "5.00"), coupon.Limit{Uses: 1}))
	s.public("free", "FREE")
	s.public("cap", "CAP")
	for i := range 230 {
		s.reserveAt(fmt.Sprint(i), coupon.Choose("FREE"), noon.Add(-time.Minute))
	}
	s.reserveAt("holder", coupon.Choose("CAP"), noon)
	s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("CAP"), noon.Add(time.Hour))
	assert.Equal(t, int64(1), s.counter("uses/cap"))
}

// Plans of several operations become one batch, which happens as a whole or not at
// all.
func TestJoinedPlans(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 10}))
	held := s.held("a", "jane", 2)
	s.reserveAt("paid", coupon.ChooseCoupons(held[0].ID), noon)
	s.redeem("returned", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[1].ID), noon)
	confirm, err := s.PlanConfirm(ctx, "paid", noon)
	require.NoError(t, err)
	refund, err := s.PlanRefund(ctx, "returned", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	issue, err := s.PlanIssue(ctx, coupon.IssueRequest{ID: "reward", Holder: "jim", Offers: []coupon.IssueOffer{{Offer: "a"}}}, noon)
	require.NoError(t, err)
	batch, err := storage.Join(confirm.Batch, refund.Batch, issue.Batch)
	require.NoError(t, err)
	before := dump(t, s.store)

	refused := batch
	refused.Adds = append(slices.Clone(batch.Adds), storage.Add{Counter: "full", Delta: 1})
	require.ErrorIs(t, s.store.Apply(ctx, refused), storage.ErrLimit)
	requireSame(t, before, dump(t, s.store))

	require.NoError(t, s.store.Apply(ctx, batch))
	r, err := s.Redemption(ctx, "paid")
	require.NoError(t, err)
	assert.Equal(t, confirm.Answer, r)
	c, err := s.Coupon(ctx, issue.Answer[0].ID)
	require.NoError(t, err)
	assert.Equal(t, issue.Answer[0], c)
	assert.Equal(t, int64(1), s.counter("uses/a"))
	require.ErrorIs(t, s.store.Apply(ctx, batch), storage.ErrConflict, "a plan is good once")
}

// A redemption stands in the list of its customer; a guest's in none.
func TestRedemptionsOfACustomer(t *testing.T) {
	s := newShop(t, automatic(amountOff("a", "1.00")))
	s.redeem("jane's", cartOf(item("10.00", 1)), coupon.Choice{}, noon)
	guest := cartOf(item("10.00", 1))
	guest.Customer = coupon.Customer{}
	s.redeem("a guest's", guest, coupon.Choice{}, noon)
	for list, want := range map[string]int{"customer/jane": 1, "customer/": 0} {
		page, err := s.store.List(ctx, storage.Query{Kind: "redemption", List: list})
		require.NoError(t, err)
		require.Len(t, page.Docs, want, list)
	}
}

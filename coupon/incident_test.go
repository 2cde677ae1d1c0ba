package coupon_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// What has gone wrong in public elsewhere must not go wrong here. Each test begins
// with what happened there.

// Concurrent checkouts read the counter before any of them wrote it, and vouchers
// were used beyond their limit.
func TestIncidentSaleor544(t *testing.T) { wins(t, capRace) }

// A limit of 1,000 was used over 1,500 times, and the counter said 700: it was read,
// raised and written back.
func TestIncidentWooCommerce13505(t *testing.T) { wins(t, capRace) }

// The limit per customer fell to one customer's orders sent at the same time.
func TestIncidentVendure4660(t *testing.T) { wins(t, customerRace) }

// A promotion's budget was exceeded by concurrent completions of carts.
func TestIncidentMedusa13760(t *testing.T) { wins(t, budgetRace) }

// A gift card's balance was spent twice by two requests at once.
func TestIncidentStarbucks2015(t *testing.T) {
	wins(t, oneCouponRace)
	wins(t, spendingRace)
}

// The conditional update was there, and how many rows it had changed was not looked
// at. Where a store lets a claim through beyond its limit, the audit tells.
func TestIncidentShopper510(t *testing.T) {
	wins(t, capRace)
	for range 20 {
		store := naive{memory.New()}
		if accepted, allowed := capRace(t, store); accepted > allowed {
			report, err := coupon.Audit(ctx, store)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
			return
		}
	}
	t.Fatal("the limit held 20 times without its condition: the test shows nothing")
}

// Bounties were paid for the same by Stripe, Reverb, Instacart and Dropbox: one code
// of one use, redeemed in many requests at the same instant.
func TestIncidentBounties(t *testing.T) { wins(t, oneCodeRace) }

// Goods were bought, points earned with them and spent, the goods given back, and the
// points kept. What is earned is taken back as far as it is there, and the rest is
// owed.
func TestIncidentOdoo257854(t *testing.T) {
	s := newShop(t)
	s.must(s.Redeem(ctx, "first", s.pays(), noon))
	earned := coupon.CreditRequest{ID: "earned with first", Customer: "jane", Amount: points(t, 300), Concerns: "first"}
	require.NoError(t, ignore(s.GrantCredit(ctx, earned, noon)))
	s.must(s.Redeem(ctx, "second", s.pays(coupon.Tender{Amount: points(t, 200), Worth: eur("2.00")}), noon))
	require.NoError(t, ignore(s.Refund(ctx, "first", coupon.RefundRequest{ID: "all", Everything: true}, noon)))
	taken, err := s.TakeCredit(ctx, earned, noon)
	require.NoError(t, err)
	require.Equal(t, []ledger.Money{points(t, 100), points(t, 200)}, []ledger.Money{taken.Moved, taken.Owed})
	require.Equal(t, points(t, 0), s.credit("jane", points(t, 0).Currency()))
}

func wins(t *testing.T, run race) {
	store := memory.New()
	accepted, allowed := run(t, store)
	require.Equal(t, allowed, accepted)
	requireAudit(t, store)
}

// The lock was per code, the cap per promotion: codes of one promotion exceeded it
// together.
func TestIncidentShopware18716(t *testing.T) {
	store := memory.New()
	s := raceService(t, store, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 10}))
	made := issued(t, s, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Count: 60}}})
	var calls []func() error
	for i, c := range made {
		calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i), "jane", coupon.Choose(c.Code.String())))
	}
	require.Equal(t, 10, eachOf(t, 12, calls))
	requireAudit(t, store)
}

// Using a promotion took a lock, giving it back did not, and uses were lost.
func TestIncidentMedusa16012(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 1000}))
	s.public("hot", "HOT")
	var calls []func() error
	for i := range 60 {
		order := fmt.Sprint("order ", i)
		q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
		if i%2 == 0 {
			s.redeem(order, cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
			calls = append(calls, func() error {
				return ignore(s.Refund(ctx, order, coupon.RefundRequest{ID: "r", Everything: true}, noon))
			})
			continue
		}
		calls = append(calls, func() error { return ignore(s.Redeem(ctx, order, q, noon)) })
	}
	require.Equal(t, 60, eachOf(t, 12, calls))
	require.Equal(t, int64(30), s.counter("uses/hot"))
}

// Two threads completed one checkout; the loser found the voucher used, and
// refunded the payment of the winner.
func TestIncidentSaleor15849(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 1}))
	s.public("hot", "HOT")
	q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
	answers := make([]coupon.Redemption, 8)
	var group sync.WaitGroup
	for i := range answers {
		group.Add(1)
		go func() {
			defer group.Done()
			var err error
			answers[i], err = s.Redeem(ctx, "order", q, noon)
			assert.NoError(t, err)
		}()
	}
	group.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0], a)
	}
	require.Equal(t, int64(1), s.counter("uses/hot"))
}

// After a payment had failed, the hold on the coupon stayed, and the shopper could
// not use it again.
func TestIncidentWooCommerce27673(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	s.public("hot", "HOT")
	cart := cartOf(item("20.00", 1))
	require.NoError(t, ignore(s.Reserve(ctx, "first", s.applies(cart, coupon.Choose("HOT"), noon), noon)))
	require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choose("HOT"), noon).Reason)

	require.NoError(t, ignore(s.Release(ctx, "first", noon)))
	require.NoError(t, ignore(s.Reserve(ctx, "second", s.applies(cart, coupon.Choose("HOT"), noon), noon)))

	later := noon.Add(30 * time.Minute) // nobody released the second, and no sweep has run
	s.redeem("third", cart, coupon.Choose("HOT"), later)
	r, err := s.Redemption(ctx, "second")
	require.NoError(t, err)
	require.Equal(t, coupon.StateExpired, r.State)
}

// Confirming a card payment in a second step counted the voucher a second time.
func TestIncidentSaleor7588(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 5}))
	s.public("hot", "HOT")
	q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
	for i := range 3 {
		require.NoError(t, ignore(s.Reserve(ctx, "order", q, noon.Add(time.Duration(i)*time.Minute))))
	}
	for i := range 3 {
		require.NoError(t, ignore(s.Confirm(ctx, "order", noon.Add(time.Duration(i)*time.Hour))))
	}
	require.Equal(t, int64(1), s.counter("uses/hot"))
}

// The use was counted although the order could not be placed.
func TestIncidentMagento33100(t *testing.T) {
	s := newShop(t, limited(freely(amountOff("wide", "1.00")), coupon.Limit{Uses: 10}), limited(freely(amountOff("tight", "1.00")), coupon.Limit{Uses: 1}))
	s.public("wide", "WIDE")
	s.public("tight", "TIGHT")
	both := s.applies(cartOf(item("20.00", 1)), coupon.Choose("WIDE", "TIGHT"), noon)
	s.redeem("faster", cartOf(item("20.00", 1)), coupon.Choose("TIGHT"), noon)
	_, err := s.Redeem(ctx, "order", both, noon)
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []any{coupon.ReasonLimit, "tight", int64(1), int64(1)}, []any{refused.Reason, refused.Offer, refused.FoundUses, refused.NeededUses})
	require.Zero(t, s.counter("uses/wide"))
	_, err = s.Redemption(ctx, "order")
	require.ErrorIs(t, err, coupon.ErrNoRedemption)
}

// A cancelled order did not give its coupon back.
func TestIncidentSylius10125(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 1}))
	held := s.held("hot", "jane", 1)
	cart := cartOf(item("20.00", 2))
	s.redeem("order", cart, coupon.ChooseCoupons(held[0].ID), noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "cancelled", Everything: true}, noon)
	require.NoError(t, err)
	require.True(t, refund.Restored)
	require.Zero(t, s.counter("uses/hot"))
	s.redeem("another", cart, coupon.ChooseCoupons(held[0].ID), noon)
}

// The use of a promotion that had ended since was not given back on cancelling, and
// the count stayed wrong.
func TestIncidentMedusaExpiredRestore(t *testing.T) {
	s := newShop(t, changed(limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 1}), func(o *coupon.Offer) { o.Schedule.Until = noon.Add(time.Hour) }))
	held := s.held("hot", "jane", 1)
	s.redeem("order", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon.Add(48*time.Hour))
	require.NoError(t, err)
	require.True(t, refund.Restored)
	require.Zero(t, s.counter("uses/hot"))
	c, err := s.Coupon(ctx, held[0].ID)
	require.NoError(t, err)
	require.Empty(t, c.Used)
}

// A promotion that took nothing off an order used itself up.
func TestIncidentVendure5278(t *testing.T) {
	s := newShop(t, limited(freely(amountOff("hot", "5.00")), coupon.Limit{Uses: 1}), changed(freely(percentOff("all", "100")), func(o *coupon.Offer) { o.Priority = 1 }))
	s.public("hot", "HOT")
	s.public("all", "ALL")
	q := s.quote(cartOf(item("20.00", 1)), coupon.Choose("HOT", "ALL"), noon)
	require.Equal(t, coupon.ReasonNothingOff, q.Refused()[0].Reason)
	r, err := s.Redeem(ctx, "order", q, noon)
	require.NoError(t, err)
	require.Len(t, r.Applied, 1)
	require.Zero(t, s.counter("uses/hot"))
}

// An order that was changed counted against itself, and lost its coupon.
func TestIncidentVendure4753(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 1}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	held := s.held("hot", "jane", 1)
	choice := coupon.ChooseCoupons(held[0].ID).For("order")
	for i := range 3 {
		cart := cartOf(item("20.00", int64(i+1)))
		r, err := s.Reserve(ctx, "order", s.applies(cart, choice, noon), noon)
		require.NoError(t, err)
		require.Equal(t, coupon.StateReserved, r.State)
	}
	require.Equal(t, int64(1), s.counter("uses/hot"))
	s.redeem("order", cartOf(item("20.00", 9)), coupon.ChooseCoupons(held[0].ID), noon)
}

// Limits were not looked at where a promotion needs no code.
func TestIncidentVendure4353(t *testing.T) {
	offer := limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 2})
	q, err := coupon.Decide(cartOf(item("20.00", 1)), candidates(t, offer), coupon.Facts{Used: map[string]int64{"uses/hot": 2}}, noon)
	require.NoError(t, err)
	require.Len(t, q.Refused(), 1)
	require.Equal(t, coupon.ReasonLimit, q.Refused()[0].Reason)
}

// recorder keeps the batches that were applied.
type recorder struct {
	storage.Store
	batches []storage.Batch
}

func (r *recorder) Apply(ctx context.Context, b storage.Batch) error {
	r.batches = append(r.batches, b)
	return r.Store.Apply(ctx, b)
}

// Unlimited promotions counted their uses in one row, on which all checkouts
// queued.
func TestIncidentSylius18960(t *testing.T) {
	store := &recorder{Store: memory.New()}
	s := newShopOn(t, store, coupon.Options{}, amountOff("free", "5.00"))
	s.public("free", "FREE")
	s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("FREE"), noon)
	for _, b := range store.batches {
		require.Empty(t, b.Adds)
	}
	last := store.batches[len(store.batches)-1]
	for _, p := range last.Puts { // what two orders both write, they would queue on
		require.Contains(t, []string{"redemption", "entry"}, p.Key.Kind)
	}
}

// A discount of 10.285 was kept with its half cent, and the order could not be paid
// exactly.
func TestIncidentMedusa13972(t *testing.T) {
	_, err := ledger.ParseMoney("10.285", euro)
	require.ErrorIs(t, err, ledger.ErrPrecision)
	q := decide(t, cartOf(item("205.70", 1)), percentOff("a", "5"))
	require.Equal(t, eur("10.29"), q.Discount)
	require.Equal(t, eur("195.41"), q.Total)
}

// The price depended on the order in which coupons were entered.
func TestIncidentWooCommerce20584(t *testing.T) {
	s := newShop(t, freely(percentOff("percent", "10")), freely(amountOff("amount", "10.00")))
	s.public("percent", "PERCENT")
	s.public("amount", "AMOUNT")
	cart := cartOf(item("100.00", 1))
	first, second := s.applies(cart, coupon.Choose("PERCENT", "AMOUNT"), noon), s.applies(cart, coupon.Choose("amount", "percent"), noon)
	require.Equal(t, first.Total, second.Total)
	require.Equal(t, first.Fingerprint(), second.Fingerprint())
	require.Equal(t, eur("80.00"), first.Total)
}

// A promotion that stands alone was applied beside one of higher priority.
func TestIncidentShopware13674(t *testing.T) {
	alone := amountOff("alone", "50.00")
	first := changed(freely(amountOff("first", "1.00")), func(o *coupon.Offer) { o.Priority = 10 })
	q := decide(t, cartOf(item("100.00", 1)), alone, first)
	require.Len(t, q.Applied(), 1)
	require.Equal(t, "first", q.Applied()[0].Offer)
	require.Equal(t, coupon.ReasonCombination, q.Refused()[0].Reason)
}

// Editing a promotion changed orders that had used it, and coupons that were out.
func TestIncidentShopware5766(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"))
	held := s.held("hot", "jane", 2)
	cart := cartOf(item("20.00", 1))
	before := s.redeem("order", cart, coupon.ChooseCoupons(held[0].ID), noon)
	_, err := s.Publish(ctx, amountOff("hot", "1.00"), "staff", noon)
	require.NoError(t, err)
	after, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	require.Equal(t, before, after)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	require.Equal(t, eur("5.00"), refund.Discount)
	require.Equal(t, eur("15.00"), s.redeem("next", cart, coupon.ChooseCoupons(held[1].ID), noon).Total)
}

// A coupon expired a day early where the shop's zone was not the server's.
func TestIncidentMITxPro991(t *testing.T) {
	days, err := coupon.Days("2026-11-20", "2026-11-30", "America/New_York")
	require.NoError(t, err)
	s := newShop(t, changed(amountOff("hot", "5.00"), func(o *coupon.Offer) {
		o.Schedule = coupon.Schedule{Interval: days, Zone: "America/New_York"}
	}))
	held := s.held("hot", "jane", 1)
	choice, cart := coupon.ChooseCoupons(held[0].ID), cartOf(item("20.00", 1))
	lateEvening := time.Date(2026, 12, 1, 4, 59, 59, 0, time.UTC)
	s.applies(cart, choice, lateEvening)
	refused := s.refuses(cart, choice, lateEvening.Add(time.Second))
	require.Equal(t, coupon.ReasonExpired, refused.Reason)
	require.Equal(t, `Your coupon "hot" could be used until 30 November 2026.`, refused.Shopper())
}

// Dates drifted by the zone's offset each time a coupon was saved.
func TestIncidentWooCommerceAndroid16279(t *testing.T) {
	s := newShop(t, everything())
	for range 3 {
		offer, err := s.Offer(ctx, everything().ID, 0, noon)
		require.NoError(t, err)
		again, err := s.Publish(ctx, offer, "staff", noon)
		require.NoError(t, err)
		require.Equal(t, offer, again)
		require.Equal(t, 1, again.Version)
	}
}

// Codes were told apart by letter case, and shoppers were told theirs is wrong.
func TestIncidentCraftCommerce1763(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"))
	s.public("hot", "Summer24")
	for _, typed := range []string{"SUMMER24", "summer24", "sUmMeR-24", " Summer24"} {
		s.applies(cartOf(item("20.00", 1)), coupon.Choose(typed), noon)
	}
	_, err := s.Issue(ctx, coupon.IssueRequest{ID: "again", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "SUMMER24"}}}, noon)
	require.ErrorIs(t, err, coupon.ErrCodeTaken)
}

// A cart without an e-mail address met a promotion per customer, and the shop
// answered with an internal error.
func TestIncidentMedusa15823(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	s.public("hot", "HOT")
	cart := cartOf(item("20.00", 1))
	cart.Customer = coupon.Customer{}
	q := s.quote(cart, coupon.Choose("HOT"), noon)
	require.Equal(t, coupon.ReasonCustomer, q.Refused()[0].Reason)
	require.Equal(t, "Please sign in to use this.", q.Refused()[0].Shopper())
	require.NoError(t, ignore(s.Redeem(ctx, "order", q, noon)))
}

// A clawback that was asked for twice was taken twice.
func TestIncidentLMSFront511(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"))
	s.public("hot", "HOT")
	s.redeem("order", cartOf(item("20.00", 2)), coupon.Choose("HOT"), noon)
	request := coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 1}}}
	var calls []func() error
	for range 16 {
		calls = append(calls, func() error { return ignore(s.Refund(ctx, "order", request, noon)) })
	}
	require.Equal(t, 16, eachOf(t, 8, calls))
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	require.Equal(t, eur("17.50"), r.Refunded)
	require.Len(t, r.Refunds, 1)
	_, err = s.Refund(ctx, "order", coupon.RefundRequest{ID: "more", Lines: []coupon.Returned{{Line: "1", Units: 2}}}, noon)
	require.ErrorIs(t, err, coupon.ErrRequest)
}

// Partial refunds of a discounted purchase came out wrong; here the right answer is
// 98.
func TestIncidentGumroad6420(t *testing.T) {
	require.Equal(t, eur("0.98"), refunded(t, percentOff("a", "2"), item("1.00", 2)))
}

// The whole discount of the cart was taken off the first line that came back:
// 108 where 120 had been paid.
func TestIncidentPrestaShop42502(t *testing.T) {
	require.Equal(t, eur("120.00"), refunded(t, percentOff("a", "20"), item("150.00", 1), item("60.00", 1)))
}

// refunded is what one unit of the first line gives back.
func refunded(t *testing.T, offer coupon.Offer, lines ...coupon.Line) ledger.Money {
	t.Helper()
	s := newShop(t, offer)
	s.public(offer.ID, "CODE")
	s.redeem("order", cartOf(lines...), coupon.Choose("CODE"), noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 1}}}, noon)
	require.NoError(t, err)
	return refund.Amount
}

// A negative quantity lowered the price of a cart.
func TestIncidentSemrush771694(t *testing.T) {
	cart := cartOf(item("100.00", 1), item("90.00", -1))
	require.ErrorIs(t, cart.Validate(), coupon.ErrCart)
}

// Prices of one currency were paid with as many units of a cheaper one.
func TestIncidentPortSwigger1677155(t *testing.T) {
	yen := ledger.MustCurrency("JPY")
	cart := cartOf(item("100.00", 1))
	cart.Currency = yen
	require.ErrorIs(t, cart.Validate(), coupon.ErrCart)
	cart.Lines[0].UnitPrice = ledger.Minor(100, yen)
	require.Equal(t, coupon.ReasonCurrency, refusedAs(t, cart, amountOff("hot", "5.00")).Reason)
}

// 2.5 million codes were asked for in one go, and the work stopped at 250,000.
func TestIncidentSolidus5383(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"))
	_, err := s.Issue(ctx, coupon.IssueRequest{ID: "all", Offers: []coupon.IssueOffer{{Offer: "hot", Count: 2_500_000}}}, noon)
	require.Equal(t, []string{"offers[0].count", "offers"}, paths(t, err))
	seen := make(map[coupon.Code]bool)
	for range 2 { // the second time as after a crash
		for batch := range 3 {
			made, err := s.Issue(ctx, coupon.IssueRequest{ID: fmt.Sprint("batch ", batch), Offers: []coupon.IssueOffer{{Offer: "hot", Count: coupon.MaxIssue}}}, noon)
			require.NoError(t, err)
			for _, c := range made {
				seen[c.Code] = true
			}
		}
	}
	require.Len(t, seen, 3*coupon.MaxIssue)
}

// The codes of a ride service were guessed by trying: the answers told which exist.
func TestIncidentGuessedCodes(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"), limited(amountOff("full", "5.00"), coupon.Limit{Uses: 1}),
		changed(amountOff("over", "5.00"), func(o *coupon.Offer) { o.Schedule.Until = noon.Add(time.Hour) }), amountOff("paused", "5.00"))
	s.public("full", "FULL")
	s.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("FULL"), noon)
	s.public("over", "OVER")
	s.public("paused", "PAUSED")
	require.NoError(t, s.Pause(ctx, "paused", "staff", "asked for", noon))
	revoked := s.public("hot", "REVOKED")
	require.NoError(t, ignore(s.Revoke(ctx, revoked.ID, "staff", "asked for", noon)))
	theirs := s.held("hot", "jim", 1)[0].Code.String()
	reasons := make(map[coupon.Reason]bool)
	for _, code := range []string{"UNKNOWN", "FULL", "OVER", "PAUSED", "REVOKED", theirs} {
		refused := s.refuses(cartOf(item("20.00", 1)), coupon.Choose(code), noon.Add(2*time.Hour))
		require.Equal(t, "This code can't be used.", refused.Shopper(), code)
		reasons[refused.Reason] = true
	}
	require.Len(t, reasons, 6, "staff are told the difference")
}

// An expired campaign without a cap gave out unlimited coupons overnight. Here a
// cap holds, a pause stops everything at once, and what is over issues nothing.
func TestIncidentPinduoduo2019(t *testing.T) {
	s := newShop(t, changed(limited(amountOff("hundred", "100.00"), coupon.Limit{Uses: 3}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1}),
		func(o *coupon.Offer) { o.Schedule.Until = noon.Add(time.Hour) }))
	s.public("hundred", "HUNDRED")
	cart := cartOf(item("500.00", 1))
	s.redeem("1", cart, coupon.Choose("HUNDRED"), noon)
	require.Equal(t, coupon.PerCustomer, s.refuses(cart, coupon.Choose("HUNDRED"), noon).Limit)
	cart.Customer.Key = "jim"
	stale := s.applies(cart, coupon.Choose("HUNDRED"), noon)

	require.NoError(t, s.Pause(ctx, "hundred", "staff", "farmed", noon))
	_, err := s.Redeem(ctx, "2", stale, noon)
	require.ErrorIs(t, err, coupon.ErrQuoteChanged)
	require.Equal(t, coupon.ReasonPaused, s.refuses(cart, coupon.Choose("HUNDRED"), noon).Reason)
	issue := coupon.IssueRequest{ID: "more", Offers: []coupon.IssueOffer{{Offer: "hundred"}}}
	require.ErrorIs(t, second(s.Issue(ctx, issue, noon)), coupon.ErrRefused)

	require.NoError(t, s.Resume(ctx, "hundred", "staff", "asked for", noon))
	var refused *coupon.Refusal
	require.ErrorAs(t, second(s.Issue(ctx, issue, noon.Add(time.Hour))), &refused)
	require.Equal(t, coupon.ReasonExpired, refused.Reason)
	require.Equal(t, coupon.ReasonExpired, s.refuses(cart, coupon.Choose("HUNDRED"), noon.Add(time.Hour)).Reason)
}

// A dotless i that folds to an ordinary one let a stranger take over an account.
func TestIncidentGitHubDotlessI(t *testing.T) {
	s := newShop(t, amountOff("hot", "5.00"))
	s.public("hot", "MIKE")
	for _, typed := range []string{"mıke", "MİKE", "mi\u0307ke"} {
		require.Equal(t, coupon.ReasonNotACode, s.refuses(cartOf(item("20.00", 1)), coupon.Choose(typed), noon).Reason)
	}
	held := s.held("hot", "mike@example.com", 1)
	cart := cartOf(item("20.00", 1))
	for _, key := range []string{"mıke@example.com", "MIKE@example.com", "mike@example.com "} {
		cart.Customer.Key = key
		require.Equal(t, coupon.ReasonNotHolder, s.refuses(cart, coupon.ChooseCoupons(held[0].ID), noon).Reason)
	}
}

// Statements of SQL in a name reached the database.
func TestIncidentRazer811111(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	s.public("hot", "HOT")
	for i, key := range []string{"'; DROP TABLE coupons; --", `" OR 1=1`, "%", "_", "a/b", "a\\b", strings.Repeat("é", 50)} {
		cart := cartOf(item("20.00", 1))
		cart.Customer.Key = key
		s.redeem(fmt.Sprint("order ", i), cart, coupon.Choose("HOT"), noon)
		require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choose("HOT"), noon).Reason)
	}
}

package coupon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// A shopper pays a part of an order with store credit. It is held while the card
// payment takes its time, and comes back first when goods do.
func ExampleQuote_Pay() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, _ = coupons.GrantCredit(ctx, coupon.CreditRequest{ID: "welcome", Customer: "jane", Amount: eur("12.00")}, noon)
	quote, _ := coupons.Quote(ctx, cartOf(item("15.00", 2)), coupon.Choice{}, noon)

	quote, err := quote.Pay(coupon.Tender{Amount: eur("12.00")})
	fmt.Println("by card:", quote.Due(), err)
	_, err = coupons.Reserve(ctx, "order-1", quote, noon)
	left, _ := coupons.Credit(ctx, "jane", euro)
	fmt.Println("reserved, credit left:", left, err)
	_, _ = coupons.Confirm(ctx, "order-1", noon.Add(time.Minute))

	back, _ := coupons.Refund(ctx, "order-1", coupon.RefundRequest{ID: "one", Lines: []coupon.Returned{{Line: "1", Units: 1}}}, noon)
	fmt.Println("one comes back:", back.Tender[0].Amount, "to credit,", back.Other, "to the card")
	// Output:
	// by card: 18.00 EUR <nil>
	// reserved, credit left: 0.00 EUR <nil>
	// one comes back: 12.00 EUR to credit, 3.00 EUR to the card
}

// pays quotes jane's cart of 3 × 10.00 with tender.
func (s *shop) pays(tender ...coupon.Tender) *coupon.Quote {
	s.t.Helper()
	q, err := s.applies(cartOf(item("10.00", 3)), coupon.Choice{}, noon).Pay(tender...)
	require.NoError(s.t, err)
	return q
}

func money(amount string) coupon.Tender { return coupon.Tender{Amount: eur(amount)} }

func TestTenderFaults(t *testing.T) {
	s := newShop(t)
	s.grant("jane", eur("50.00"))
	q := s.applies(cartOf(item("10.00", 3)), coupon.Choice{}, noon)
	pts := func(n int64, worth ledger.Money) coupon.Tender {
		return coupon.Tender{Amount: points(t, n), Worth: worth}
	}
	for name, c := range map[string]struct {
		tender []coupon.Tender
		want   []string
	}{
		"more than the total":   {[]coupon.Tender{money("20.00"), pts(5, eur("10.01"))}, []string{"tender"}},
		"as many as no cart":    {[]coupon.Tender{pts(1<<53, eur("1.00"))}, []string{"tender[0].amount"}},
		"nothing":               {[]coupon.Tender{{}}, []string{"tender[0].amount"}},
		"less than nothing":     {[]coupon.Tender{money("-1.00")}, []string{"tender[0].amount"}},
		"points without worth":  {[]coupon.Tender{{Amount: points(t, 5)}}, []string{"tender[0].worth"}},
		"worth in other money":  {[]coupon.Tender{pts(5, ledger.MustMoney("1.00", usd))}, []string{"tender[0].worth"}},
		"money worth more":      {[]coupon.Tender{{Amount: eur("1.00"), Worth: eur("2.00")}}, []string{"tender[0].worth"}},
		"the same twice":        {[]coupon.Tender{money("1.00"), money("2.00")}, []string{"tender[1].amount"}},
		"too many":              {make([]coupon.Tender, 6), []string{"tender"}},
		"worth beyond any cart": {[]coupon.Tender{pts(1, ledger.Minor(1<<62, euro)), pts(1, ledger.Minor(1<<62, euro))}, []string{"tender[0].worth", "tender[1].worth", "tender[1].amount", "tender"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := q.Pay(c.tender...)
			require.Equal(t, c.want, paths(t, err))
			forged := *q
			forged.Tender = c.tender
			require.ErrorIs(t, second(s.Redeem(ctx, "order", &forged, noon)), coupon.ErrRequest)
		})
	}
	guest := cartOf(item("10.00", 3))
	guest.Customer.Key = ""
	_, err := s.applies(guest, coupon.Choice{}, noon).Pay(money("1.00"))
	require.Equal(t, []string{"cart.customer.key"}, paths(t, err))
	none, err := s.pays(money("1.00")).Pay()
	require.NoError(t, err)
	require.Equal(t, q.Fingerprint(), none.Fingerprint())
	require.NotEqual(t, q.Fingerprint(), s.pays(money("1.00")).Fingerprint())
}

// Credit is held with the reservation, and goes where the reservation goes.
func TestTenderFollowsTheOrder(t *testing.T) {
	later := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		course func(s *shop)
		left   string // of 20.00, when 12.00 were reserved
		state  coupon.State
	}{
		"reserved":                 {func(*shop) {}, "8.00", coupon.StateReserved},
		"confirmed":                {func(s *shop) { s.must(s.Confirm(ctx, "order", noon)) }, "8.00", coupon.StateConfirmed},
		"confirmed late":           {func(s *shop) { s.must(s.Confirm(ctx, "order", later)) }, "8.00", coupon.StateConfirmed},
		"released":                 {func(s *shop) { s.must(s.Release(ctx, "order", noon)) }, "20.00", coupon.StateReleased},
		"swept":                    {func(s *shop) { s.sweepAt(later) }, "20.00", coupon.StateExpired},
		"not swept yet":            {func(s *shop) { s.sweepAt(noon) }, "8.00", coupon.StateReserved},
		"swept, then confirmed":    {func(s *shop) { s.sweepAt(later); s.must(s.Confirm(ctx, "order", later)) }, "8.00", coupon.StateConfirmed},
		"released, then confirmed": {func(s *shop) { s.must(s.Release(ctx, "order", noon)); s.must(s.Confirm(ctx, "order", later)) }, "8.00", coupon.StateConfirmed},
		"reserved again with more": {func(s *shop) { s.must(s.Reserve(ctx, "order", s.pays(money("20.00")), noon)) }, "0.00", coupon.StateReserved},
		"reserved again with less": {func(s *shop) { s.must(s.Reserve(ctx, "order", s.pays(money("1.00")), noon)) }, "19.00", coupon.StateReserved},
		"reserved again, as much":  {func(s *shop) { s.must(s.Reserve(ctx, "order", s.pays(money("12.00")), later)) }, "8.00", coupon.StateReserved},
		"reserved again with none": {func(s *shop) { s.must(s.Reserve(ctx, "order", s.pays(), noon)) }, "20.00", coupon.StateReserved},
		"redeemed after reserving": {func(s *shop) { s.must(s.Redeem(ctx, "order", s.pays(money("20.00")), noon)) }, "0.00", coupon.StateConfirmed},
		"released, reserved again": {func(s *shop) {
			s.must(s.Release(ctx, "order", noon))
			s.must(s.Reserve(ctx, "order", s.pays(money("5.00")), noon))
		}, "15.00", coupon.StateReserved},
		"confirmed, then cancelled":  {func(s *shop) { s.must(s.Confirm(ctx, "order", noon)); s.cancel() }, "20.00", coupon.StateRefunded},
		"redeemed, then cancelled":   {func(s *shop) { s.must(s.Redeem(ctx, "order", s.pays(money("9.00")), noon)); s.cancel() }, "20.00", coupon.StateRefunded},
		"confirmed again, cancelled": {func(s *shop) { s.sweepAt(later); s.must(s.Confirm(ctx, "order", later)); s.cancel() }, "20.00", coupon.StateRefunded},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.grant("jane", eur("20.00"))
			s.must(s.Reserve(ctx, "order", s.pays(money("12.00")), noon))
			c.course(s)
			require.Equal(t, eur(c.left), s.credit("jane", euro))
			r, err := s.Redemption(ctx, "order")
			require.NoError(t, err)
			require.Equal(t, c.state, r.State)
		})
	}
}

// What credit has had back already is not taken for money when the next refund goes to
// other means first.
func TestOtherMeansFirstAfterCredit(t *testing.T) {
	s := newShop(t)
	s.grant("jane", eur("20.00"))
	s.must(s.Redeem(ctx, "order", s.pays(money("12.00")), noon))
	for i, c := range []struct {
		first    coupon.ReturnOrder
		toCredit string
	}{{coupon.CreditFirst, "10.00"}, {coupon.OtherFirst, "0.00"}, {coupon.OtherFirst, "2.00"}} {
		by := coupon.New(s.store, coupon.Options{ReturnOrder: c.first})
		back, err := by.Refund(ctx, "order", coupon.RefundRequest{ID: fmt.Sprint(i), Lines: units("1", 1)}, noon)
		require.NoError(t, err)
		require.Equal(t, 1000-eur(c.toCredit).Minor(), back.Other.Minor())
	}
}

// What the book has moved for an order is audited whether offers or credit or both paid
// for it.
func TestAuditOfCreditBesideOffers(t *testing.T) {
	for _, offers := range [][]coupon.Offer{nil, {automatic(amountOff("a", "5.00"))}} {
		s := newShop(t, offers...)
		s.grant("jane", eur("20.00"))
		s.must(s.Redeem(ctx, "order", s.pays(money("12.00")), noon))
		docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "redemption", ID: "order"}})
		require.NoError(t, err)
		put := storage.Put(docs[0])
		put.Version = 0
		store := memory.New()
		require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
		report, err := coupon.Audit(ctx, store)
		require.NoError(t, err)
		found := make(map[ledger.Finding]bool)
		for _, d := range report.Discrepancies {
			found[d.Finding] = true
		}
		assert.True(t, found[coupon.FoundTender], "what credit has paid is not in the book")
		assert.Equal(t, offers != nil, found[coupon.FoundBooked])
	}
}

// Five tenders may pay for the whole of an order.
func TestTenderPaysForAll(t *testing.T) {
	s := newShop(t)
	var tender []coupon.Tender
	for i, worth := range []string{"10.00", "8.00", "6.00", "4.00", "2.00"} {
		unit, err := ledger.Unit(fmt.Sprint("PT", string(rune('A'+i))), 0)
		require.NoError(t, err)
		s.grant("jane", ledger.Minor(3, unit))
		tender = append(tender, coupon.Tender{Amount: ledger.Minor(3, unit), Worth: eur(worth)})
	}
	q := s.pays(tender...)
	assert.Equal(t, eur("0.00"), q.Due())
	s.must(s.Redeem(ctx, "order", q, noon))
}

// Points come back whole: a part of one comes back with the rest.
func TestTenderOfOnePoint(t *testing.T) {
	s := newShop(t)
	s.grant("jane", points(t, 1))
	s.must(s.Redeem(ctx, "order", s.pays(coupon.Tender{Amount: points(t, 1), Worth: eur("20.00")}), noon))
	for i, want := range []int64{0, 1, 1} {
		refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: fmt.Sprint(i), Lines: units("1", 1)}, noon)
		require.NoError(t, err)
		require.Equal(t, eur("10.00"), refund.Amount)
		require.Equal(t, points(t, want), s.credit("jane", points(t, 1).Currency()))
	}
}

func (s *shop) must(_ coupon.Redemption, err error) {
	s.t.Helper()
	require.NoError(s.t, err)
}

func (s *shop) sweepAt(at time.Time) {
	s.t.Helper()
	require.NoError(s.t, ignore(s.Sweep(ctx, at, 0)))
}

func (s *shop) cancel() {
	s.t.Helper()
	require.NoError(s.t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "cancel", Everything: true}, noon)))
}

func TestTooLittleCredit(t *testing.T) {
	s := newShop(t)
	s.grant("jane", eur("20.00"))
	s.must(s.Reserve(ctx, "order", s.pays(money("12.00")), noon))
	var short *ledger.InsufficientError
	_, err := s.Reserve(ctx, "other", s.pays(money("9.00")), noon)
	require.ErrorAs(t, err, &short)
	require.Equal(t, ledger.InsufficientError{Account: "credit/jane", Found: eur("8.00"), Needed: eur("9.00")}, *short)
	require.ErrorIs(t, second(s.Redeem(ctx, "other", s.pays(money("9.00")), noon)), ledger.ErrInsufficient)
	require.ErrorIs(t, second(s.Redemption(ctx, "other")), coupon.ErrNoRedemption)

	// What a lapsed reservation holds makes room, and its own late payment finds none.
	later := noon.Add(time.Hour)
	s.must(s.Redeem(ctx, "other", s.pays(money("19.00")), later))
	_, err = s.Confirm(ctx, "order", later)
	var lapsed *coupon.Lapsed
	require.ErrorAs(t, err, &lapsed)
	require.ErrorAs(t, err, &short)
	require.Equal(t, []ledger.Money{eur("18.00"), eur("12.00"), eur("1.00")}, []ledger.Money{lapsed.Paid, lapsed.Missing, short.Found})
}

// Of points, what comes back follows what they were worth.
func TestPointsComeBack(t *testing.T) {
	for order, want := range map[coupon.ReturnOrder][]string{
		coupon.CreditFirst: {"400 PTS 8.00 EUR, 2.00 EUR credit, 0.00 EUR other", "3.00 EUR credit, 7.00 EUR other", "10.00 EUR other"},
		coupon.OtherFirst:  {"10.00 EUR other", "150 PTS 3.00 EUR, 7.00 EUR other", "250 PTS 5.00 EUR, 5.00 EUR credit, 0.00 EUR other"},
	} {
		s := newShopOn(t, memory.New(), coupon.Options{ReturnOrder: order})
		s.grant("jane", eur("20.00"))
		s.grant("jane", points(t, 400))
		s.must(s.Redeem(ctx, "order", s.pays(coupon.Tender{Amount: points(t, 400), Worth: eur("8.00")}, money("5.00")), noon))
		for i := range 3 {
			refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: fmt.Sprint(i), Lines: units("1", 1)}, noon)
			require.NoError(t, err)
			got := ""
			for _, back := range refund.Tender {
				if back.Amount.Currency() == euro {
					got += fmt.Sprint(back.Worth, " credit, ")
				} else {
					got += fmt.Sprint(back.Amount, " ", back.Worth, ", ")
				}
			}
			assert.Equal(t, want[i], fmt.Sprint(got, refund.Other, " other"))
		}
		require.Equal(t, []ledger.Money{eur("20.00"), points(t, 400)}, []ledger.Money{s.credit("jane", euro), s.credit("jane", points(t, 0).Currency())})
	}
}

// Whatever comes back in whatever order and grouping, with whatever goodwill between:
// nothing gives back more than is left, everything gives back all, credit has what it
// paid and other means what they paid, and no payer is left with goodwill for an
// order of which nothing is kept.
func TestMoneyBackAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{ReturnOrder: coupon.ReturnOrder(rapid.IntRange(0, 1).Draw(t, "order"))})
		for i := range rapid.IntRange(0, 3).Draw(t, "offers") {
			offer := automatic(drawAnyOffer(t, string(rune('a'+i))))
			offer.Schedule, offer.Conditions, offer.Combine, offer.Below = coupon.Schedule{}, nil, coupon.Combine{Freely: true}, coupon.Below(rapid.IntRange(0, 1).Draw(t, "below"))
			if rapid.Bool().Draw(t, "minimum") {
				offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, 4000)}}}
			}
			require.NoError(t, ignore(s.Publish(ctx, offer, "staff", noon)))
		}
		cart := drawCart(t)
		cart.Customer.Key, cart.Attributes = "jane", map[string]string{"phone": "1"}
		q, err := s.Quote(ctx, cart, coupon.Choice{}, noon)
		require.NoError(t, err)
		q = drawTender(t, s, q)
		r, err := s.Redeem(ctx, "order", q, noon)
		require.NoError(t, err)
		require.Equal(t, q.Due(), r.Due)

		var amount, other, worth int64
		count := func(refund coupon.Refund, err error) {
			require.NoError(t, err)
			require.GreaterOrEqual(t, refund.Amount.Minor(), int64(0))
			require.GreaterOrEqual(t, refund.Other.Minor(), int64(0))
			amount, other = amount+refund.Amount.Minor(), other+refund.Other.Minor()
			for _, back := range refund.Tender {
				worth += back.Worth.Minor()
			}
			require.LessOrEqual(t, amount, r.Total.Minor())
			require.LessOrEqual(t, other, r.Due.Minor())
			requireAudit(t, store)
		}
		for n := range rapid.IntRange(0, 5).Draw(t, "refunds") {
			if request := drawReturn(t, fmt.Sprint(n), s); len(request.Lines)+len(request.Shipping) > 0 && rapid.Bool().Draw(t, "return") {
				count(s.Refund(ctx, "order", request, noon))
			} else if left := r.Total.Minor() - amount; left > 0 {
				count(s.RefundAmount(ctx, "order", drawGoodwill(t, fmt.Sprint(n), left, &cart), noon))
			}
		}
		if rest, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, noon); err != nil {
			require.ErrorIs(t, err, coupon.ErrState)
		} else {
			count(rest, nil)
		}
		require.Equal(t, []int64{r.Total.Minor(), r.Due.Minor(), r.Total.Minor() - r.Due.Minor()}, []int64{amount, other, worth})
		for _, account := range []ledger.Account{coupon.PlatformAccount, coupon.SellerAccount("acme"), coupon.SellerAccount("zeta"), "promotions/Brand & Söhne", coupon.GoodwillAccount} {
			require.Zero(t, paid(t, store, account), account)
		}
		for _, tender := range q.Tender {
			has, err := s.Credit(ctx, "jane", tender.Amount.Currency())
			require.NoError(t, err)
			require.Equal(t, tender.Amount, has)
		}
	})
}

// drawTender grants what it pays with, from outside of promotions.
func drawTender(t *rapid.T, s *coupon.Service, q *coupon.Quote) *coupon.Quote {
	var tender []coupon.Tender
	left := q.Total.Minor()
	if worth := rapid.Int64Range(0, left).Draw(t, "worth of points"); worth > 0 {
		tender = append(tender, coupon.Tender{Amount: points(t, rapid.Int64Range(1, 9000).Draw(t, "points")), Worth: ledger.Minor(worth, euro)})
		left -= worth
	}
	if worth := rapid.Int64Range(0, left).Draw(t, "credit"); worth > 0 {
		tender = append(tender, coupon.Tender{Amount: ledger.Minor(worth, euro)})
	}
	for i, tender := range tender {
		require.NoError(t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: fmt.Sprint(i), Customer: "jane", Amount: tender.Amount, Funds: "gifts"}, noon)))
	}
	q, err := q.Pay(tender...)
	require.NoError(t, err)
	return q
}

func drawGoodwill(t *rapid.T, id string, left int64, cart *coupon.Cart) coupon.AmountRequest {
	request := coupon.AmountRequest{ID: id, Amount: ledger.Minor(rapid.Int64Range(1, left).Draw(t, "goodwill"), euro), Actor: "ann", Reason: "late"}
	if rapid.Bool().Draw(t, "funded") {
		request.Funding = []coupon.Share{share(coupon.Seller, "33.3"), share(coupon.Platform, "33.3"), share("Brand & Söhne", "33.4")}
		request.Seller = cart.Lines[0].Seller
		if request.Seller == "" {
			request.Funding = nil
		}
	}
	return request
}

// spendingRace spends 100.00 of credit in 40 orders of 4.00.
func spendingRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store)
	require.NoError(t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: "g", Customer: "jane", Amount: eur("100.00")}, noon)))
	var calls []func() error
	for i := range 40 {
		q, err := s.Quote(ctx, cartOf(item("10.00", 1)), coupon.Choice{}, noon)
		require.NoError(t, err)
		q, err = q.Pay(money("4.00"))
		require.NoError(t, err)
		call := s.Redeem
		if i%2 == 0 {
			call = s.Reserve
		}
		calls = append(calls, func() error { return ignore(call(ctx, fmt.Sprint("order ", i), q, noon)) })
	}
	return eachOn(t, store, 8, calls), 25
}

// goodwillRace gives back 40 times 4.00 of 100.00.
func goodwillRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store)
	q, err := s.Quote(ctx, cartOf(item("100.00", 1)), coupon.Choice{}, noon)
	require.NoError(t, err)
	require.NoError(t, ignore(s.Redeem(ctx, "order", q, noon)))
	var calls []func() error
	for i := range 40 {
		calls = append(calls, func() error {
			return ignore(s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: fmt.Sprint(i), Amount: eur("4.00"), Actor: "ann", Reason: "late"}, noon))
		})
	}
	return eachOn(t, store, 8, calls), 25
}

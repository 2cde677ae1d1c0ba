package coupon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

// model is what a shop with a few orders should look like, kept by hand: per order
// what it uses since when, and nothing of how that is stored.
type model struct {
	service *coupon.Service
	store   *memory.Store
	now     time.Time
	orders  map[string]*modelOrder
	paused  map[string]bool
	revoked map[string]bool
	stale   []*coupon.Quote
	let     []coupon.OverrideRequest // what staff let customers use beyond limits
}

type modelOrder struct {
	state    coupon.State
	customer string
	until    time.Time
	uses     []string // tokens: "cap", "daily/2026-11-20/jane", the ids of held coupons
	returned int64
	credit   int64 // that pays for it, minor units
	back     int64 // of that, what came back
	goodwill bool
	rests    map[string]string // tokens that rest on an override, by its id
}

// modelCredit is what each customer is granted, minor units.
const modelCredit = 1500

// modelTokens are how often each token can be in use; days share a prefix.
var modelTokens = map[string]int{"cap": 2, "daily": 1, "own/1": 1, "own/2": 1, "twice/1": 2}

var modelCoupons = []string{"cap", "daily", "free", "own/1", "own/2", "twice/1"} // ids; of held ones jane is the holder

func modelOffer(id string) string {
	switch id {
	case "own/1", "own/2":
		return "own"
	case "twice/1":
		return "twice"
	}
	return id
}

func newModel(t *rapid.T) *model {
	m := &model{
		store: memory.New(), now: noon, orders: make(map[string]*modelOrder),
		paused: make(map[string]bool), revoked: make(map[string]bool),
	}
	m.service = coupon.New(m.store, coupon.Options{Fresh: -1})
	for _, offer := range []coupon.Offer{
		limited(freely(percentOff("cap", "10")), coupon.Limit{Uses: 2}),
		limited(freely(percentOff("daily", "10")), coupon.Limit{Per: coupon.PerCustomer, Uses: 1, Period: ledger.Day}),
		freely(amountOff("free", "1.00")),
		freely(amountOff("own", "2.00")),
		changed(limited(freely(amountOff("twice", "3.00")), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}), func(o *coupon.Offer) { o.Restore = coupon.RestoreNever }),
	} {
		_, err := m.service.Publish(ctx, offer, "staff", noon)
		require.NoError(t, err)
	}
	for _, request := range []coupon.IssueRequest{
		{ID: "own", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "own", Count: 2}}},
		{ID: "twice", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "twice"}}},
		{ID: "public", Offers: []coupon.IssueOffer{{Offer: "cap", Code: "CAP"}, {Offer: "daily", Code: "DAILY"}, {Offer: "free", Code: "FREE"}}},
	} {
		_, err := m.service.Issue(ctx, request, noon)
		require.NoError(t, err)
	}
	for _, customer := range modelCustomers {
		_, err := m.service.GrantCredit(ctx, coupon.CreditRequest{ID: customer, Customer: customer, Amount: ledger.Minor(modelCredit, euro)}, noon)
		require.NoError(t, err)
	}
	return m
}

var modelCustomers = []string{"jane", "jim"}

// credit is what a customer has left beside what the order holds; reservations that
// have lapsed make room.
func (m *model) credit(customer, order string) int64 {
	left := int64(modelCredit)
	for id, o := range m.orders {
		if live := o.paid() || o.state == coupon.StateReserved && m.now.Before(o.until); id != order && o.customer == customer && live {
			left -= o.credit - o.back
		}
	}
	return left
}

func (m *model) cart(customer string) coupon.Cart {
	cart := cartOf(item("50.00", 2), item("7.77", 3))
	cart.Customer.Key = customer
	return cart
}

func modelChoice(ids []string) coupon.Choice {
	var c coupon.Choice
	for _, id := range ids {
		switch id {
		case "cap", "daily", "free":
			c.Codes = append(c.Codes, id)
		default:
			c.Coupons = append(c.Coupons, id)
		}
	}
	return c
}

// token is what a use at the instant takes; empty for what has no limit.
func (m *model) token(id, customer string) string {
	switch id {
	case "free":
		return ""
	case "daily":
		return "daily/" + m.now.Format(time.DateOnly) + "/" + customer
	}
	return id
}

// inUse is how many orders but the one use the token now.
func (m *model) inUse(token, order string) int {
	n := 0
	for id, o := range m.orders {
		live := o.paid() || o.state == coupon.StateReserved && m.now.Before(o.until)
		if id != order && live && slices.Contains(o.uses, token) {
			n++
		}
	}
	return n
}

// room says that another use of the token is allowed beside the other orders'.
func (m *model) room(token, order string) bool {
	limit, named := modelTokens[token]
	if !named {
		limit = modelTokens["daily"]
	}
	return m.inUse(token, order) < limit
}

func (o *modelOrder) paid() bool {
	return o.state == coupon.StateConfirmed || o.state == coupon.StatePartlyRefunded || o.state == coupon.StateRefunded
}

// applies says that a coupon can be used by the customer for the order.
func (m *model) applies(t *rapid.T, id, customer, order string) bool {
	held := modelOffer(id) == "own" || modelOffer(id) == "twice"
	token := m.token(id, customer)
	return !m.paused[modelOffer(id)] && !m.revoked[id] && (!held || customer == "jane") &&
		(token == "" || m.room(token, order) || m.override(t, id, customer, "", order) != "")
}

// override is the first of the customer's overrides of an offer that is used by one of
// the orders.
func (m *model) override(t *rapid.T, offer, customer string, orders ...string) (id string) {
	for _, request := range m.let {
		if request.Offer != offer || request.Customer != customer {
			continue
		}
		known, err := m.service.Override(ctx, request, m.now)
		require.NoError(t, err)
		if slices.Contains(orders, known.UsedBy) {
			return request.ID
		}
	}
	return ""
}

// letThrough notes which of an order's uses rest on overrides.
func (m *model) letThrough(t *rapid.T, order string) {
	o := m.orders[order]
	o.rests = make(map[string]string)
	for _, token := range o.uses {
		offer, _, _ := strings.Cut(token, "/")
		if id := m.override(t, offer, o.customer, order); id != "" {
			o.rests[token] = id
		}
	}
}

// free says that an override can be used for the order.
func (m *model) free(t *rapid.T, id, order string) bool {
	i := slices.IndexFunc(m.let, func(r coupon.OverrideRequest) bool { return r.ID == id })
	known, err := m.service.Override(ctx, m.let[i], m.now)
	require.NoError(t, err)
	return known.UsedBy == "" || known.UsedBy == order
}

// overrideOne lets a customer use one of the offers for anybody once more.
func (m *model) overrideOne(t *rapid.T) {
	if len(m.let) > 3 {
		t.Skip()
	}
	request := coupon.OverrideRequest{
		ID: fmt.Sprint("o", len(m.let)), Offer: oneOf(t, "offer", "cap", "daily"), Customer: oneOf(t, "customer", modelCustomers...),
		Actor: "staff", Reason: "our fault",
	}
	first, err := m.service.Override(ctx, request, m.now)
	require.NoError(t, err)
	m.let = append(m.let, request)
	m.unchanged(t, func() {
		again, err := m.service.Override(ctx, request, m.now.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

// unchanged requires that a call leaves the store as it is.
func (m *model) unchanged(t *rapid.T, call func()) {
	before := dump(t, m.store)
	call()
	requireSame(t, before, dump(t, m.store))
}

func (m *model) checkout(t *rapid.T, confirm bool) {
	order := oneOf(t, "order", "1", "2", "3", "4")
	customer := oneOf(t, "customer", modelCustomers...)
	ids := rapid.SliceOfDistinct(rapid.SampledFrom(modelCoupons), rapid.ID[string]).Draw(t, "coupons")
	known := m.orders[order]
	quote, err := m.service.Quote(ctx, m.cart(customer), modelChoice(ids).For(order), m.now)
	require.NoError(t, err)
	credit := rapid.SampledFrom([]int64{0, 0, 500, 900}).Draw(t, "credit")
	if credit > 0 {
		quote, err = quote.Pay(coupon.Tender{Amount: ledger.Minor(credit, euro)})
		require.NoError(t, err)
	}
	m.stale = append(m.stale, quote)
	var want, uses []string
	for _, id := range ids {
		if m.applies(t, id, customer, order) {
			want = append(want, modelOffer(id))
			if token := m.token(id, customer); token != "" {
				uses = append(uses, token)
			}
		}
	}
	var got []string
	for _, a := range quote.Applied() {
		got = append(got, a.Offer)
	}
	slices.Sort(want)
	require.Equal(t, want, got, "applied for order %s", order)

	call := m.service.Reserve
	next := &modelOrder{state: coupon.StateReserved, customer: customer, until: m.now.Add(30 * time.Minute), uses: uses, credit: credit}
	if confirm {
		call, next.state = m.service.Redeem, coupon.StateConfirmed
	}
	if known != nil && known.paid() {
		m.unchanged(t, func() {
			_, err := call(ctx, order, quote, m.now)
			if err != nil {
				require.ErrorIs(t, err, coupon.ErrKeyReused)
			}
		})
		return
	}
	if credit > m.credit(customer, order) {
		m.unchanged(t, func() {
			_, err := call(ctx, order, quote, m.now)
			require.ErrorIs(t, err, ledger.ErrInsufficient)
		})
		return
	}
	first, err := call(ctx, order, quote, m.now)
	require.NoError(t, err)
	require.Equal(t, next.state, first.State)
	m.unchanged(t, func() {
		again, err := call(ctx, order, quote, m.now)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
	m.orders[order] = next
	m.letThrough(t, order)
}

// order draws one that was seen before.
func (m *model) order(t *rapid.T) (string, *modelOrder) {
	id := oneOf(t, "order", "1", "2", "3", "4")
	if m.orders[id] == nil {
		_, err := m.service.Confirm(ctx, id, m.now)
		require.ErrorIs(t, err, coupon.ErrNoRedemption)
		t.Skip()
	}
	r, err := m.service.Redemption(ctx, id)
	require.NoError(t, err)
	if r.State == coupon.StateExpired { // somebody needed its claims, or the sweep came
		require.False(t, m.orders[id].paid() || m.orders[id].state == coupon.StateReleased)
		require.False(t, m.now.Before(m.orders[id].until))
		m.orders[id].state = coupon.StateExpired
	}
	require.Equal(t, m.orders[id].state, r.State)
	return id, m.orders[id]
}

func (m *model) confirm(t *rapid.T) {
	id, o := m.order(t)
	can := true
	if o.state == coupon.StateReleased || o.state == coupon.StateExpired {
		for _, token := range o.uses {
			room := m.room(token, id)
			if rests := o.rests[token]; rests != "" {
				room = m.free(t, rests, id)
			}
			can = can && room && !m.revoked[token]
		}
		can = can && o.credit <= m.credit(o.customer, id)
	}
	first, err := m.service.Confirm(ctx, id, m.now)
	if !can {
		var lapsed *coupon.Lapsed
		require.ErrorAs(t, err, &lapsed)
		require.Equal(t, first.Discount.Minor()+o.credit, lapsed.Missing.Minor())
		return
	}
	require.NoError(t, err)
	if o.state == coupon.StateReserved || o.state == coupon.StateReleased || o.state == coupon.StateExpired {
		o.state = coupon.StateConfirmed
	}
	require.Equal(t, o.state, first.State)
	m.unchanged(t, func() {
		again, err := m.service.Confirm(ctx, id, m.now.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

func (m *model) release(t *rapid.T) {
	id, o := m.order(t)
	_, err := m.service.Release(ctx, id, m.now)
	switch o.state {
	case coupon.StateReserved:
		require.NoError(t, err)
		o.state = coupon.StateReleased
	case coupon.StateReleased, coupon.StateExpired:
		require.NoError(t, err)
	default:
		require.ErrorIs(t, err, coupon.ErrState)
	}
	m.unchanged(t, func() { _, _ = m.service.Release(ctx, id, m.now) })
}

func (m *model) refund(t *rapid.T) {
	id, o := m.order(t)
	request := coupon.RefundRequest{ID: fmt.Sprint("r", o.returned), Lines: []coupon.Returned{{Line: "2", Units: 1}}}
	if o.returned >= 3 || rapid.Bool().Draw(t, "everything") {
		request = coupon.RefundRequest{ID: "all", Everything: true}
	}
	first, err := m.service.Refund(ctx, id, request, m.now)
	switch o.state {
	case coupon.StateConfirmed, coupon.StatePartlyRefunded:
		require.NoError(t, err)
	case coupon.StateRefunded:
		if err != nil {
			require.True(t, errors.Is(err, coupon.ErrState) || errors.Is(err, coupon.ErrKeyReused))
		}
		return
	default:
		require.ErrorIs(t, err, coupon.ErrState)
		return
	}
	m.comesBack(t, o, first)
	o.state = coupon.StatePartlyRefunded
	o.returned++
	if request.Everything {
		o.state = coupon.StateRefunded
		o.uses = slices.DeleteFunc(o.uses, func(token string) bool { return token != "twice/1" })
	}
	m.unchanged(t, func() {
		again, err := m.service.Refund(ctx, id, request, m.now)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

// comesBack counts what of a refund goes to credit: that comes first.
func (m *model) comesBack(t *rapid.T, o *modelOrder, refund coupon.Refund) {
	var worth int64
	for _, tender := range refund.Tender {
		worth += tender.Worth.Minor()
	}
	require.Equal(t, min(refund.Amount.Minor(), o.credit-o.back), worth)
	require.Equal(t, refund.Amount.Minor(), refund.Other.Minor()+worth)
	o.back += worth
}

func (m *model) makeGood(t *rapid.T) {
	id, o := m.order(t)
	request := coupon.AmountRequest{ID: "goodwill", Amount: eur("3.00"), Actor: "ann", Reason: "late"}
	first, err := m.service.RefundAmount(ctx, id, request, m.now)
	switch {
	case !o.paid():
		require.ErrorIs(t, err, coupon.ErrState)
		return
	case o.goodwill:
		require.NoError(t, err)
		return
	case o.state == coupon.StateRefunded:
		require.ErrorIs(t, err, coupon.ErrRequest)
		return
	}
	require.NoError(t, err)
	o.goodwill, o.state = true, coupon.StatePartlyRefunded
	m.comesBack(t, o, first)
	m.unchanged(t, func() {
		again, err := m.service.RefundAmount(ctx, id, request, m.now)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

func (m *model) sweep(t *rapid.T) {
	report, err := m.service.Sweep(ctx, m.now, 0)
	require.NoError(t, err)
	require.Zero(t, report.Failed)
	m.unchanged(t, func() {
		again, err := m.service.Sweep(ctx, m.now, 0)
		require.NoError(t, err)
		require.Zero(t, again.Done)
	})
	for id, o := range m.orders {
		if o.state == coupon.StateReserved && !m.now.Before(o.until) {
			o.state = coupon.StateExpired
		}
		r, err := m.service.Redemption(ctx, id)
		require.NoError(t, err)
		require.Equal(t, o.state, r.State)
	}
}

func (m *model) pause(t *rapid.T) {
	offer := oneOf(t, "offer", "cap", "daily", "free", "own", "twice")
	call := m.service.Pause
	if m.paused[offer] {
		call = m.service.Resume
	}
	m.paused[offer] = !m.paused[offer]
	require.NoError(t, call(ctx, offer, "staff", "because", m.now))
	m.unchanged(t, func() { require.NoError(t, call(ctx, offer, "staff", "again", m.now)) })
}

func (m *model) revoke(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "often") > 0 {
		t.Skip()
	}
	id := oneOf(t, "coupon", "own/1", "own/2", "twice/1")
	m.revoked[id] = true
	first, err := m.service.Revoke(ctx, id, "staff", "because", m.now)
	require.NoError(t, err)
	m.unchanged(t, func() {
		again, err := m.service.Revoke(ctx, id, "another", "again", m.now.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

// old redeems a quote made some time ago: it is redeemed as quoted or not at all.
func (m *model) old(t *rapid.T) {
	if len(m.stale) == 0 {
		t.Skip()
	}
	quote := rapid.SampledFrom(m.stale).Draw(t, "quote")
	known := m.orders[quote.Order]
	var held []string // what the order's reservation holds, and keeps whatever overrides let others use beside it
	if known != nil {
		r, err := m.service.Redemption(ctx, quote.Order)
		require.NoError(t, err)
		if r.State == coupon.StateReserved {
			held = known.uses
		}
	}
	before := dump(t, m.store)
	r, err := m.service.Redeem(ctx, quote.Order, quote, m.now)
	if err != nil {
		require.True(t, errors.Is(err, coupon.ErrQuoteChanged) || errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrKeyReused) || errors.Is(err, ledger.ErrInsufficient), err)
		requireSame(t, before, dump(t, m.store))
		return
	}
	require.Equal(t, quote.Total, r.Total)
	if known != nil && known.paid() {
		requireSame(t, before, dump(t, m.store))
		return
	}
	o := &modelOrder{state: coupon.StateConfirmed, customer: r.Customer, credit: r.Total.Minor() - r.Due.Minor()}
	m.orders[quote.Order] = o
	require.LessOrEqual(t, o.credit, m.credit(o.customer, quote.Order))
	for _, a := range r.Applied {
		id := a.Offer
		if id == "own" || id == "twice" {
			id = a.Coupon
		}
		if token := m.token(id, r.Customer); token != "" {
			o.uses = append(o.uses, token)
		}
	}
	m.letThrough(t, quote.Order)
	for _, token := range o.uses {
		require.True(t, o.rests[token] != "" || slices.Contains(held, token) || m.room(token, quote.Order), "room for %s", token)
	}
}

// check requires that nothing is in use more often than allowed, by what the model
// knows and by what the store counts.
func (m *model) check(t *rapid.T) {
	for _, o := range m.orders {
		for _, token := range o.uses {
			limit, named := modelTokens[token]
			if !named {
				limit = modelTokens["daily"]
			}
			require.LessOrEqual(t, m.inUse(token, ""), limit+m.beyond(t, token), token)
		}
	}
	_, values, err := m.store.Get(ctx, nil, "uses/cap")
	require.NoError(t, err)
	require.LessOrEqual(t, values["uses/cap"], int64(modelTokens["cap"]+m.beyond(t, "cap")))
	m.checkCredit(t)
}

// beyond is how many uses of a token rest on overrides; each is used by one order that
// has the token.
func (m *model) beyond(t *rapid.T, token string) (n int) {
	offer, _, _ := strings.Cut(token, "/")
	for _, request := range m.let {
		known, err := m.service.Override(ctx, request, m.now)
		require.NoError(t, err)
		if request.Offer != offer || known.UsedBy == "" {
			continue
		}
		o := m.orders[known.UsedBy]
		require.Equal(t, request.Customer, o.customer)
		require.Contains(t, o.rests, firstWith(o.uses, offer), "%s is used by order %s", request.ID, known.UsedBy)
		if o.rests[token] == request.ID {
			n++
		}
	}
	return n
}

// firstWith is the first token of an offer.
func firstWith(tokens []string, offer string) string {
	for _, token := range tokens {
		if of, _, _ := strings.Cut(token, "/"); of == offer {
			return token
		}
	}
	return ""
}

// checkCredit requires that customers have what they were granted, less what paid for
// orders and what reservations hold, those too that have lapsed and are not expired yet.
func (m *model) checkCredit(t *rapid.T) {
	left := make(map[string]int64)
	for id, o := range m.orders {
		r, err := m.service.Redemption(ctx, id)
		require.NoError(t, err)
		if o.paid() || r.State == coupon.StateReserved {
			left[o.customer] -= o.credit - o.back
		}
	}
	for _, customer := range modelCustomers {
		has, err := m.service.Credit(ctx, customer, euro)
		require.NoError(t, err)
		require.Equal(t, modelCredit+left[customer], has.Minor(), customer)
	}
}

func TestAnyCourseOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"reserve":  func(t *rapid.T) { m.checkout(t, false) },
			"redeem":   func(t *rapid.T) { m.checkout(t, true) },
			"confirm":  m.confirm,
			"release":  m.release,
			"refund":   m.refund,
			"sweep":    m.sweep,
			"goodwill": m.makeGood,
			"pause":    m.pause,
			"revoke":   m.revoke,
			"old":      m.old,
			"override": m.overrideOne,
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 29, 30, 600, 1440}).Draw(t, "minutes")) * time.Minute)
			},
		})
		requireAudit(t, m.store)
	})
}

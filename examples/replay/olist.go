package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// olist is the orders of a marketplace, with goods of one or more sellers each.
type olist struct {
	orders   []*marketOrder
	byID     map[string]*marketOrder
	sellers  []string
	vouchers int // payments made with a voucher
}

// marketOrder is what one customer bought at once.
type marketOrder struct {
	id, customer string
	canceled     bool
	purchased    time.Time
	approved     time.Time // when the payment came; zero: never
	units        []marketUnit
}

// marketUnit is one unit of one product.
type marketUnit struct {
	item, product, seller, category string
	price, freight                  ledger.Money
}

// fairCode is the one that every shopper enters.
const fairCode = "FEIRA10"

// excluded is a rule in place of what the data does not say: about every tenth
// seller takes no part.
func excluded(seller string) bool {
	hash := fnv.New32a()
	hash.Write([]byte(seller))
	return hash.Sum32()%10 == 0
}

func replayOlist(ctx context.Context, s *session, src source) (*report, error) {
	o, err := readOlist(src)
	if err != nil {
		return nil, err
	}
	r := &report{title: "olist: a marketplace with many sellers (BRL)"}
	r.rule("Made up: every shopper enters the code %s: 10 %% off, at most 30.00 BRL, from 60.00 BRL of goods, once per customer; each seller funds half of what comes off its goods, the platform the rest.", fairCode)
	r.rule("Made up: sellers whose id hashes (FNV-1a, 32 bits) to a multiple of 10 take no part.")
	r.rule("An order reserves when it is made and confirms when its payment is approved. The data has no instant of a cancellation: taken as a day after the payment (a refund), or after the order when there was none (a release).")
	r.rule("Vouchers are tender: they pay what is left after discounts, so they change none.")
	store, err := s.stores.open(ctx, "olist", append(coupon.Views(), ledger.Views()...)...)
	if err != nil {
		return nil, err
	}
	m := &market{
		books:   books{store: store, coupons: coupon.New(store, coupon.Options{Hold: 7 * 24 * time.Hour, Settle: true}), currency: brl("0").Currency()},
		refused: make(map[coupon.Reason]int), bySeller: make(map[string]int64),
	}
	events := o.events()
	if len(events) == 0 {
		return nil, errors.New("there is no order with items")
	}
	if err := m.open(ctx, s, o, events[0].at); err != nil {
		return nil, err
	}
	s.progress.start("olist: orders", len(events))
	for _, e := range events {
		if err := e.happen(m, ctx, e.order, e.at); err != nil {
			return nil, fmt.Errorf("order %s: %w", e.order.id, err)
		}
		s.progress.step()
	}
	s.progress.end()
	if err := m.sweep(ctx, events[len(events)-1].at.AddDate(0, 0, 30)); err != nil {
		return nil, err
	}
	m.tell(r, o)
	if err := m.settle(ctx, s, r, o); err != nil {
		return nil, err
	}
	return r, m.close(ctx, s, "olist", r, func(ctx context.Context, store storage.Store) (ledger.AuditReport, error) {
		return coupon.Audit(ctx, store)
	})
}

// market is the marketplace at work, and what it counts.
type market struct {
	books
	taking   int // sellers that take no part
	reserved int
	applied  int
	partly   int // applied orders with lines of a seller that takes no part
	several  int // orders with several sellers
	released int
	canceled int
	lapsed   int
	refused  map[coupon.Reason]int
	bySeller map[string]int64 // discounts of confirmed orders, minor units
}

// open publishes the offer and notes which sellers take no part.
func (m *market) open(ctx context.Context, s *session, o *olist, at time.Time) error {
	_, err := m.coupons.Publish(ctx, coupon.Offer{
		ID: "feira-10", Name: "10 % off", Labels: []string{"marketplace"},
		Benefit:    coupon.PercentOff{Rate: ledger.MustRate("10"), Max: coupon.Amounts{brl("30.00")}},
		Conditions: []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{brl("60.00")}}},
		Limits:     []coupon.Limit{{Per: coupon.PerCustomer, Uses: 1}},
		Funding: []coupon.Share{
			{Payer: coupon.Seller, Rate: ledger.MustRate("50")}, {Payer: coupon.Platform, Rate: ledger.MustRate("50")},
		},
	}, "replay", at)
	if err != nil {
		return err
	}
	_, err = m.coupons.Issue(ctx, coupon.IssueRequest{
		ID: "feira-10", Actor: "replay", Offers: []coupon.IssueOffer{{Offer: "feira-10", Code: fairCode}},
	}, at)
	if err != nil {
		return err
	}
	m.payers = []ledger.Account{coupon.PlatformAccount}
	s.progress.start("olist: sellers", len(o.sellers))
	defer s.progress.end()
	for _, seller := range o.sellers {
		s.progress.step()
		if !excluded(seller) {
			m.payers = append(m.payers, coupon.SellerAccount(seller))
			continue
		}
		m.taking++
		err := m.coupons.Exclude(ctx, coupon.Exclusion{ID: "no-part", Seller: seller, Labels: []string{"marketplace"}}, seller, at)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *market) purchase(ctx context.Context, order *marketOrder, at time.Time) error {
	cart := order.cart()
	quote, err := m.coupons.Quote(ctx, cart, coupon.Choose(fairCode), at)
	if err != nil {
		return err
	}
	if _, err := m.coupons.Reserve(ctx, order.id, quote, at); err != nil {
		return err
	}
	m.reserved++
	if len(cart.Shipping) > 1 {
		m.several++
	}
	if len(quote.Applied()) == 0 {
		m.refused[quote.Refused()[0].Reason]++
		return nil
	}
	m.applied++
	if slices.ContainsFunc(quote.Lines(), func(l coupon.QuoteLine) bool { return len(l.LeftOut) > 0 }) {
		m.partly++
	}
	return nil
}

func (m *market) pay(ctx context.Context, order *marketOrder, at time.Time) error {
	redemption, err := m.coupons.Confirm(ctx, order.id, at)
	if err != nil {
		return err
	}
	m.confirmed(redemption)
	for _, line := range redemption.Lines {
		for _, off := range line.Off {
			m.bySeller[line.Seller] += off.Amount.Minor()
		}
	}
	return nil
}

func (m *market) cancel(ctx context.Context, order *marketOrder, at time.Time) error {
	if order.approved.IsZero() {
		m.released++
		_, err := m.coupons.Release(ctx, order.id, at)
		return err
	}
	refund, err := m.coupons.Refund(ctx, order.id, coupon.RefundRequest{ID: "canceled", Everything: true}, at)
	if err != nil {
		return err
	}
	m.canceled++
	m.refunded(refund)
	return nil
}

// sweep lets the reservations lapse that were neither paid nor canceled.
func (m *market) sweep(ctx context.Context, at time.Time) error {
	for {
		swept, err := m.coupons.Sweep(ctx, at, 0)
		if err != nil {
			return err
		}
		m.lapsed += swept.Done
		if swept.Failed > 0 {
			return fmt.Errorf("sweep: %v", swept.Faults)
		}
		if swept.Left == 0 {
			return nil
		}
	}
}

func (m *market) tell(r *report, o *olist) {
	r.section("Orders")
	r.line("orders", len(o.orders))
	r.line("without items, passed over", len(o.orders)-m.reserved)
	r.line("of several sellers", m.several)
	r.line("vouchers as tender, left alone", o.vouchers)
	r.line("confirmed", len(m.orders))
	r.line("canceled and refunded", m.canceled)
	r.line("canceled and released", m.released)
	r.line("lapsed unpaid", m.lapsed)
	check(r, "came to an end", len(m.orders)+m.released+m.lapsed, m.reserved)
	r.section("The code")
	r.line("applied", m.applied)
	r.line("  with lines left out by their seller", m.partly)
	counts(r, m.refused)
	m.tellSellers(r, o)
}

// tellSellers shows what the discounts come to per seller: the largest one by one.
func (m *market) tellSellers(r *report, o *olist) {
	const shown = 8
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, m.currency) }
	r.section("Discounts per seller")
	ids := slices.SortedFunc(maps.Keys(m.bySeller), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.bySeller[b], m.bySeller[a]), cmp.Compare(a, b))
	})
	var sum, rest, forbidden int64
	for i, id := range ids {
		sum += m.bySeller[id]
		if excluded(id) {
			forbidden += m.bySeller[id]
		}
		if i < shown {
			r.line("seller "+id, money(m.bySeller[id]))
		} else {
			rest += m.bySeller[id]
		}
	}
	r.line(fmt.Sprintf("%s others", count(max(0, len(ids)-shown))), money(rest))
	check(r, "all sellers", money(sum), money(m.given))
	check(r, fmt.Sprintf("%s sellers that take no part", count(m.taking)), money(forbidden), money(0))
}

// cart puts units of one product at one price together, and sums the freight that
// each seller charges.
func (o *marketOrder) cart() coupon.Cart {
	cart := coupon.Cart{Currency: brl("0").Currency(), Customer: coupon.Customer{Key: o.customer}}
	for _, u := range o.units {
		i := slices.IndexFunc(cart.Lines, func(l coupon.Line) bool {
			return l.Product == u.product && l.Seller == u.seller && l.UnitPrice == u.price
		})
		if i >= 0 {
			cart.Lines[i].Quantity++
		} else {
			line := coupon.Line{ID: u.item, Product: u.product, Seller: u.seller, Quantity: 1, UnitPrice: u.price}
			if u.category != "" {
				line.Categories = []string{u.category}
			}
			cart.Lines = append(cart.Lines, line)
		}
		i = slices.IndexFunc(cart.Shipping, func(s coupon.Shipping) bool { return s.Seller == u.seller })
		if i < 0 {
			cart.Shipping = append(cart.Shipping, coupon.Shipping{ID: "freight-" + u.seller, Seller: u.seller, Price: u.freight})
		} else {
			sum := cart.Shipping[i].Price.Minor() + u.freight.Minor()
			cart.Shipping[i].Price = ledger.Minor(sum, cart.Currency)
		}
	}
	return cart
}

// marketEvent is something that happens to an order.
type marketEvent struct {
	at     time.Time
	order  *marketOrder
	happen func(*market, context.Context, *marketOrder, time.Time) error
}

// events are what happens to the orders that have items, in time order.
func (o *olist) events() []marketEvent {
	const day = 24 * time.Hour
	var events []marketEvent
	for _, order := range o.orders {
		if len(order.units) == 0 {
			continue
		}
		events = append(events, marketEvent{order.purchased, order, (*market).purchase})
		if !order.approved.IsZero() {
			events = append(events, marketEvent{order.approved, order, (*market).pay})
		}
		if order.canceled {
			last := events[len(events)-1].at
			events = append(events, marketEvent{last.Add(day), order, (*market).cancel})
		}
	}
	slices.SortStableFunc(events, func(a, b marketEvent) int { return a.at.Compare(b.at) })
	return events
}

func readOlist(src source) (*olist, error) {
	o := &olist{byID: make(map[string]*marketOrder)}
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		return nil, err
	}
	return o, src.read(
		table{"olist/orders", []string{"order_id", "customer_id", "status", "purchased_at", "approved_at"}, func(c []string) error {
			return o.readOrder(c, zone)
		}},
		table{"olist/items", []string{"order_id", "item_no", "product_id", "seller_id", "category", "price", "freight"}, o.readUnit},
		table{"olist/payments", []string{"type"}, func(c []string) error {
			if c[0] == "voucher" {
				o.vouchers++
			}
			return nil
		}},
		table{"olist/sellers", []string{"seller_id"}, func(c []string) error {
			o.sellers = append(o.sellers, c[0])
			return nil
		}},
	)
}

func (o *olist) readOrder(c []string, zone *time.Location) error {
	order := &marketOrder{id: c[0], customer: c[1], canceled: c[2] == "canceled"}
	var err error
	if order.purchased, err = localTime(c[3], zone); err != nil {
		return err
	}
	delivered := c[2] == "delivered" // then it was paid, whether the data says when or not
	switch {
	case c[4] != "":
		if order.approved, err = localTime(c[4], zone); err != nil {
			return err
		}
	case delivered:
		order.approved = order.purchased
	}
	if !order.approved.IsZero() && order.approved.Before(order.purchased) {
		return fmt.Errorf("order %s was approved before it was made", order.id)
	}
	o.orders = append(o.orders, order)
	o.byID[order.id] = order
	return nil
}

// secondsForm is a local time to the second.
const secondsForm = "2006-01-02T15:04:05"

func localTime(text string, zone *time.Location) (time.Time, error) {
	at, err := time.ParseInLocation(secondsForm, text, zone)
	if err != nil {
		return at, fmt.Errorf("%q is not a local time like %s", text, secondsForm)
	}
	return at, nil
}

func (o *olist) readUnit(c []string) error {
	order := o.byID[c[0]]
	if order == nil {
		return fmt.Errorf("there is no order %q", c[0])
	}
	price, err := ledger.ParseMoney(c[5], brl("0").Currency())
	if err != nil {
		return fmt.Errorf("price: %w", err)
	}
	freight, err := ledger.ParseMoney(c[6], brl("0").Currency())
	if err != nil {
		return fmt.Errorf("freight: %w", err)
	}
	if _, err := strconv.Atoi(c[1]); err != nil {
		return fmt.Errorf("item_no %q is not a whole number", c[1])
	}
	order.units = append(order.units, marketUnit{item: c[1], product: c[2], seller: c[3], category: c[4], price: price, freight: freight})
	return nil
}

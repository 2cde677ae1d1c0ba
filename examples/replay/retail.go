package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// The made-up program of the gift shop.
const (
	program     = "gift-shop"
	friendsCap  = 3
	holdReturns = 6 * time.Hour // the largest order is cancelled within minutes
)

func replayRetail(ctx context.Context, s *session, src source) (*report, error) {
	invoices, err := readInvoices(src)
	if err != nil {
		return nil, err
	}
	if len(invoices) == 0 {
		return nil, errors.New("there is no invoice")
	}
	r := &report{title: "ukretail: a year of a gift shop, with a referral program laid over it (GBP)"}
	r.rule("THE REFERRAL LINKS ARE MADE UP: the data does not say who brought whom. By a hash of their ids about every third new customer is taken to have followed, two hours before the first purchase, the link of one who had registered by then, more often of an early customer.")
	r.rule("Made up too: the program (as AliExpress has it: at most %d friends count, rewards within 24 hours, here after %d hours for cancellations), its coupons, and that everybody uses the coupon that takes most off.",
		friendsCap, int(holdReturns.Hours()))
	r.rule("A line costs quantity times price; where a price has fractions of a penny (0.001), the line is rounded to the penny, half up, and that is what counts.")
	r.rule("Negative quantities on a sale are write-offs of stock and no cart. Unknown customers are guests. A credit gives back the latest sales to the same customer of the same product at the same price.")
	store, err := s.stores.open(ctx, "ukretail", slices.Concat(coupon.Views(), referral.Views(), ledger.Views())...)
	if err != nil {
		return nil, err
	}
	g := newGiftShop(store)
	events := g.events(invoices, invite(invoices))
	if err := g.open(ctx, events[0].at); err != nil {
		return nil, err
	}
	s.progress.start("ukretail: invoices, registrations", len(events))
	for _, e := range events {
		if err := g.settle(ctx, e.at); err != nil {
			return nil, err
		}
		if err := e.happen(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", e.what, err)
		}
		s.progress.step()
	}
	s.progress.end()
	if err := g.settle(ctx, g.settled.AddDate(0, 0, 2)); err != nil {
		return nil, err
	}
	g.tell(r, len(invoices))
	if err := g.tellReferrals(ctx, r); err != nil {
		return nil, err
	}
	if s.whatIf != nil {
		if err := g.tellWhatIf(ctx, r, *s.whatIf); err != nil {
			return nil, err
		}
	}
	return r, g.close(ctx, s, "ukretail", r, referral.Audit)
}

// giftShop is the shop at work, and what it counts.
type giftShop struct {
	books
	referrals  *referral.Service
	returnable *returnable
	settled    time.Time // up to when rewards are granted

	guests, writtenOff, adjustments int
	credits, unmatched, partly      int   // credits; of these, those that match nothing, and those that match in part
	found, missing                  int64 // units of credits
	worth                           int64 // of the units found, minor units before any discount
	paidBack                        int64 // of it, what refunds gave back to customers
	friends                         []string
	unbound                         map[referral.Reason]int
	used                            map[string]int   // orders by offer
	off                             map[string]int64 // minor units by offer
}

func newGiftShop(store storage.Store) *giftShop {
	coupons := coupon.New(store, coupon.Options{})
	return &giftShop{
		books:      books{store: store, coupons: coupons, currency: gbp("0").Currency()},
		referrals:  referral.New(store, coupons, referral.Options{}),
		returnable: newReturnable(),
		unbound:    make(map[referral.Reason]int),
		used:       make(map[string]int), off: make(map[string]int64),
	}
}

// open publishes the coupons and the program.
func (g *giftShop) open(ctx context.Context, at time.Time) error {
	const day = 24 * time.Hour
	from := func(amount string) []coupon.Condition {
		return []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{gbp(amount)}}}
	}
	for _, offer := range []coupon.Offer{
		{ID: "welcome-3", Name: "3 GBP off your first orders", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{gbp("3.00")}}, Conditions: from("30.00")},
		{ID: "welcome-10", Name: "10 % off a large order", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10"), Max: coupon.Amounts{gbp("25.00")}}, Conditions: from("150.00")},
		{ID: "friend-5", Name: "5 GBP for inviting a friend", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{gbp("5.00")}}, Conditions: from("40.00")},
	} {
		offer.Labels = []string{"referral"}
		offer.Scope.In.Categories = []string{"goods"} // not carriage, fees, vouchers
		offer.Schedule.Life = 120 * day
		if _, err := g.coupons.Publish(ctx, offer, "replay", at); err != nil {
			return err
		}
	}
	_, err := g.referrals.Publish(ctx, giftShopTerms(), "replay", at)
	g.settled = at
	return err
}

func giftShopTerms() referral.Program {
	terms := referral.AliExpress(program, friendsCap,
		[]coupon.IssueOffer{{Offer: "welcome-3", Count: 2}, {Offer: "welcome-10"}}, coupon.IssueOffer{Offer: "friend-5"})
	terms.Hold = holdReturns
	return terms
}

// shopEvent is something that happens in the shop.
type shopEvent struct {
	at     time.Time
	what   string
	happen func(context.Context) error
}

// events are the invoices, and what comes before a customer's first, in time order.
func (g *giftShop) events(invoices []*invoice, invitations []invitation) []shopEvent {
	var events []shopEvent
	for _, i := range invitations {
		if i.referrer != "" {
			events = append(events, shopEvent{i.touched, "link of " + i.referrer, func(ctx context.Context) error { return g.touch(ctx, i) }})
		}
		events = append(events, shopEvent{i.joined, "registration of " + i.friend, func(ctx context.Context) error { return g.register(ctx, i) }})
	}
	for _, v := range invoices {
		events = append(events, shopEvent{v.at, "invoice " + v.id, func(ctx context.Context) error { return g.book(ctx, v) }})
	}
	slices.SortStableFunc(events, func(a, b shopEvent) int { return a.at.Compare(b.at) })
	return events
}

// settle grants what is due, every hour up to an instant, as a worker of the shop's
// does.
func (g *giftShop) settle(ctx context.Context, until time.Time) error {
	for next := g.settled.Add(time.Hour); !next.After(until); next = next.Add(time.Hour) {
		done, err := g.referrals.Settle(ctx, next, 0)
		if err != nil {
			return err
		}
		if done.Failed > 0 {
			return fmt.Errorf("settle: %v", done.Faults)
		}
		g.settled = next
	}
	return nil
}

// touch is a friend following the link that the referrer passed on.
func (g *giftShop) touch(ctx context.Context, i invitation) error {
	link, err := g.referrals.Link(ctx, program, i.referrer, i.touched)
	if err != nil {
		return err
	}
	_, err = g.referrals.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: visitor(i.friend), Code: link.Code.String()}, i.touched)
	return err
}

// visitor is who somebody is before registration: a cookie's value in a real shop.
func visitor(friend string) string { return "visitor-of-" + friend }

func (g *giftShop) register(ctx context.Context, i invitation) error {
	outcome, err := g.referrals.Register(ctx, referral.Registration{Customer: i.friend, Visitor: visitor(i.friend)}, i.joined)
	if err != nil {
		return err
	}
	if outcome.Bound {
		g.friends = append(g.friends, i.friend)
	} else {
		g.unbound[outcome.Reason]++
	}
	return nil
}

func (g *giftShop) book(ctx context.Context, v *invoice) error {
	switch v.kind {
	case "sale":
		cart, sold := v.cart()
		if !sold {
			g.writtenOff++
			return nil
		}
		g.returnable.sell(v, &cart)
		return g.sell(ctx, v, cart)
	case "credit":
		return g.credit(ctx, v)
	case "adjustment":
		g.adjustments++
		return nil
	}
	return fmt.Errorf("kind %q is not sale, credit or adjustment", v.kind)
}

// sell prices the cart with the coupons that the customer holds, reserves, and
// pays: confirming the coupons and advancing the referral are one batch.
func (g *giftShop) sell(ctx context.Context, v *invoice, cart coupon.Cart) error {
	choice, err := g.wallet(ctx, v)
	if err != nil {
		return err
	}
	quote, err := g.coupons.Quote(ctx, cart, choice.For(v.id), v.at)
	if err != nil {
		return err
	}
	if v.customer == "" { // nobody the program could know
		g.guests++
		redeemed, err := g.coupons.Redeem(ctx, v.id, quote, v.at)
		g.note(redeemed)
		return err
	}
	reserved, err := g.coupons.Reserve(ctx, v.id, quote, v.at)
	if err != nil {
		return err
	}
	goods, err := reserved.Subtotal.Sub(reserved.Discount)
	if err != nil {
		return err
	}
	paid, err := g.referrals.OrderPaid(ctx, referral.Payment{Order: v.id, Customer: v.customer, Amount: goods}, v.at)
	if err != nil {
		return err
	}
	g.note(*paid.Redemption)
	return nil
}

// wallet chooses what the customer can use, the next to expire first.
func (g *giftShop) wallet(ctx context.Context, v *invoice) (coupon.Choice, error) {
	var ids []string
	if v.customer == "" {
		return coupon.Choice{}, nil
	}
	page, err := g.coupons.Wallet(ctx, v.customer, coupon.WalletQuery{Limit: 20}, v.at)
	for _, c := range page.Coupons {
		ids = append(ids, c.ID)
	}
	return coupon.ChooseCoupons(ids...), err
}

func (g *giftShop) note(r coupon.Redemption) {
	g.confirmed(r)
	for _, applied := range r.Applied {
		g.used[applied.Offer]++
		g.off[applied.Offer] += applied.Amount.Minor()
	}
}

// credit gives back what the credit matches, and takes back what the payment had
// earned.
func (g *giftShop) credit(ctx context.Context, v *invoice) error {
	matched := g.returnable.match(v)
	g.credits++
	g.found += matched.found
	g.missing += matched.missing
	g.worth += matched.worth
	switch {
	case matched.found == 0:
		g.unmatched++
	case matched.missing > 0:
		g.partly++
	}
	for _, r := range matched.refunds {
		returned, err := g.referrals.OrderReturned(ctx, referral.Return{
			ID: v.id, Order: r.order, Customer: v.customer, Coupons: &r.request,
		}, v.at)
		if err != nil {
			return err
		}
		g.refunded(*returned.Refund)
		g.paidBack += returned.Refund.Amount.Minor()
	}
	return nil
}

func (g *giftShop) tell(r *report, invoices int) {
	r.section("Invoices")
	r.line("invoices", invoices)
	r.line("sales", len(g.orders))
	r.line("  to guests", g.guests)
	r.line("write-offs of stock", g.writtenOff)
	r.line("adjustments of the books, passed over", g.adjustments)
	r.line("credits", g.credits)
	check(r, "accounted for", len(g.orders)+g.writtenOff+g.adjustments+g.credits, invoices)
	r.section("Credits")
	r.line("matched in full", g.credits-g.unmatched-g.partly)
	r.line("matched in part", g.partly)
	r.line("not matched", g.unmatched)
	r.line("units matched", int(g.found))
	r.line("units not matched", int(g.missing))
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, g.currency) }
	r.line("worth of the units matched", money(g.worth))
	check(r, "  paid back, and discounts taken back", money(g.paidBack+g.back), money(g.worth))
	r.section("Coupons used")
	for _, offer := range []string{"welcome-3", "welcome-10", "friend-5"} {
		r.line(offer, g.used[offer], money(g.off[offer]).String()+" off")
	}
}

// tellReferrals reads every referral again, and checks what the program promises:
// no referrer above the cap, and nothing later than 24 hours after the payment.
func (g *giftShop) tellReferrals(ctx context.Context, r *report) error {
	states := make(map[referral.State]int)
	rewards := make(map[string]int)
	rewarded := make(map[string]int) // friends that count, by referrer
	late, owed := 0, 0
	for _, friend := range g.friends {
		found, err := g.referrals.Referral(ctx, program, friend)
		if err != nil {
			return err
		}
		states[found.State]++
		earned, err := g.referrals.Rewards(ctx, program, friend)
		if err != nil {
			return err
		}
		for _, reward := range earned {
			rewards[fmt.Sprintf("%s, %s: %s", reward.Side, reward.Step, reward.State)]++
			owed += len(reward.Owed)
			if reward.Side == referral.Referrer && reward.State == referral.RewardGranted {
				rewarded[found.Referrer]++
			}
			if !reward.DueBy.IsZero() && reward.Granted.After(reward.DueBy) {
				late++
			}
		}
	}
	above := 0
	for _, friends := range rewarded {
		if friends > friendsCap {
			above++
		}
	}
	r.section("Referrals (made up)")
	r.line("friends who registered by a link", len(g.friends))
	r.line("registered without", g.unbound[referral.ReasonNoInvitation])
	counts(r, states)
	r.section("Rewards")
	counts(r, rewards)
	if owed > 0 {
		r.line("coupons used before they were taken back", owed)
	}
	check(r, fmt.Sprintf("referrers rewarded for more than %d friends", friendsCap), above, 0)
	check(r, "granted later than promised", late, 0)
	return nil
}

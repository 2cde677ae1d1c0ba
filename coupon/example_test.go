package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// exampleShop is a shop with one offer, and jane who holds two coupons of it.
func exampleShop() (*coupon.Service, []coupon.Coupon) {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, err := coupons.Publish(ctx, coupon.Offer{
		ID: "friend-5", Name: "5 € for inviting a friend", Labels: []string{"referral"},
		Benefit:    coupon.AmountOff{Amounts: euros("5.00")},
		Conditions: []coupon.Condition{coupon.MinimumSpend{Amounts: euros("10.00")}},
	}, "staff", noon)
	if err != nil {
		fmt.Println(err)
	}
	issued, err := coupons.Issue(ctx, coupon.IssueRequest{
		ID: "reward-1", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "friend-5", Count: 2}},
	}, noon)
	if err != nil {
		fmt.Println(err)
	}
	return coupons, issued
}

func Example() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, err := coupons.Publish(ctx, coupon.Offer{
		ID: "spring", Name: "10 % off tea", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")},
		Scope:  coupon.Scope{In: coupon.Lists{Products: []string{"tea"}}},
		Limits: []coupon.Limit{{Per: coupon.PerCustomer, Uses: 1}},
	}, "staff", noon)
	fmt.Println("published:", err)
	_, err = coupons.Issue(ctx, coupon.IssueRequest{ID: "spring", Offers: []coupon.IssueOffer{{Offer: "spring", Code: "SPRING"}}}, noon)
	fmt.Println("issued:", err)

	cart := coupon.Cart{
		Currency: euro, Customer: coupon.Customer{Key: "jane"},
		Lines: []coupon.Line{
			{ID: "1", Product: "tea", Quantity: 3, UnitPrice: eur("3.33")},
			{ID: "2", Product: "cup", Quantity: 1, UnitPrice: eur("8.00")},
		},
	}
	quote, err := coupons.Quote(ctx, cart, coupon.Choose(" spring "), noon)
	fmt.Println(quote.Subtotal, "less", quote.Discount, "is", quote.Total, err)

	redemption, err := coupons.Redeem(ctx, "order-1", quote, noon)
	fmt.Println(redemption.State, redemption.Applied[0].Name, redemption.Applied[0].Amount, err)

	quote, err = coupons.Quote(ctx, cart, coupon.Choose("SPRING"), noon)
	fmt.Println(quote.Refused()[0], err)
	// Output:
	// published: <nil>
	// issued: <nil>
	// 17.99 EUR less 1.00 EUR is 16.99 EUR <nil>
	// confirmed 10 % off tea 1.00 EUR <nil>
	// coupon: refused: offer "spring", coupon "spring/1", code "SPRING": used 1 of 1 times by this customer <nil>
}

func ExampleService_Reserve() {
	coupons, issued := exampleShop()
	quote, err := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons(issued[0].ID), noon)
	if err != nil {
		fmt.Println(err)
	}
	reserved, err := coupons.Reserve(ctx, "order-1", quote, noon)
	fmt.Println(reserved.State, "until", reserved.Until.Format("15:04"), err)
	confirmed, err := coupons.Confirm(ctx, "order-1", noon.Add(10*time.Minute))
	fmt.Println(confirmed.State, "for", confirmed.Total, err)
	// Output:
	// reserved until 12:30 <nil>
	// confirmed for 15.00 EUR <nil>
}

// A payment that comes after the reservation has lapsed still gets its discount,
// unless the coupon is used for another order by then.
func ExampleService_Confirm_late() {
	coupons, issued := exampleShop()
	choice := coupon.ChooseCoupons(issued[0].ID)
	cart := cartOf(item("20.00", 1))
	quote, err := coupons.Quote(ctx, cart, choice, noon)
	if err != nil {
		fmt.Println(err)
	}
	first, err := coupons.Reserve(ctx, "order-1", quote, noon)
	fmt.Println(first.State, err)

	later := noon.Add(time.Hour)
	quote, err = coupons.Quote(ctx, cart, choice, later)
	if err != nil {
		fmt.Println(err)
	}
	second, err := coupons.Redeem(ctx, "order-2", quote, later)
	fmt.Println(second.State, err)

	_, err = coupons.Confirm(ctx, "order-1", later)
	var lapsed *coupon.Lapsed
	if errors.As(err, &lapsed) {
		fmt.Println("charge", lapsed.Missing, "more, or refund", lapsed.Paid)
	}
	fmt.Println(err)
	// Output:
	// reserved <nil>
	// confirmed <nil>
	// charge 5.00 EUR more, or refund 15.00 EUR
	// coupon: the reservation lapsed and its claims are taken by others: order "order-1" lapsed at 2026-11-20T13:00:00Z: charge 5.00 EUR more, or refund 15.00 EUR: coupon: refused: offer "friend-5", coupon "reward-1/1": the coupon is used up: 1 of 1 uses
}

// Each unit gives back what it paid itself, to the cent.
func ExampleService_Refund() {
	coupons, issued := exampleShop()
	cart := cartOf(item("4.00", 3))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("2.90")}}
	quote, err := coupons.Quote(ctx, cart, coupon.ChooseCoupons(issued[0].ID), noon)
	if err != nil {
		fmt.Println(err)
	}
	redemption, err := coupons.Redeem(ctx, "order-1", quote, noon)
	fmt.Println("paid", redemption.Total, err)
	for unit := range int64(3) {
		refund, err := coupons.Refund(ctx, "order-1", coupon.RefundRequest{
			ID: fmt.Sprint("return-", unit), Lines: []coupon.Returned{{Line: "1", Units: 1}},
		}, noon)
		fmt.Println(refund.Amount, "paid,", refund.Discount, "had off, coupon given back:", refund.Restored, err)
	}
	// Output:
	// paid 9.90 EUR <nil>
	// 2.34 EUR paid, 1.66 EUR had off, coupon given back: false <nil>
	// 2.33 EUR paid, 1.67 EUR had off, coupon given back: false <nil>
	// 2.33 EUR paid, 1.67 EUR had off, coupon given back: true <nil>
}

// A seller keeps its products out of everything labelled "referral".
func ExampleService_Exclude() {
	coupons, issued := exampleShop()
	err := coupons.Exclude(ctx, coupon.Exclusion{ID: "no-referrals", Seller: "zeta", Labels: []string{"referral"}}, "zeta", noon)
	fmt.Println(err)

	zeta := item("30.00", 1)
	zeta.Seller = "zeta"
	quote, err := coupons.Quote(ctx, cartOf(item("12.00", 1), zeta), coupon.ChooseCoupons(issued[0].ID), noon)
	fmt.Println(err)
	for _, line := range quote.Lines() {
		fmt.Println(line.Price, "becomes", line.Total, line.LeftOut)
	}
	quote, err = coupons.Quote(ctx, cartOf(zeta), coupon.ChooseCoupons(issued[0].ID), noon)
	fmt.Println(err)
	fmt.Println(quote.Refused()[0].Shopper())
	// Output:
	// <nil>
	// <nil>
	// 12.00 EUR becomes 7.00 EUR []
	// 30.00 EUR becomes 30.00 EUR [{friend-5 5 € for inviting a friend seller_excluded}]
	// <nil>
	// "5 € for inviting a friend" can't be used here: seller zeta does not take part.
}

// Offers stand alone unless they say otherwise, and the one that loses is told the
// name of the one that won.
func ExampleRefusal_combination() {
	coupons, issued := exampleShop()
	quote, err := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons(issued[0].ID, issued[1].ID), noon)
	fmt.Println(quote.Total, err)
	fmt.Println(quote.Refused()[0])
	fmt.Println(quote.Refused()[0].Shopper())
	// Output:
	// 15.00 EUR <nil>
	// coupon: refused: offer "friend-5", coupon "reward-1/2": can't be combined with offer "friend-5" ("5 € for inviting a friend"), which takes off 5.00 EUR; alone it would take off 5.00 EUR: as much
	// Only one of your coupons for "5 € for inviting a friend" can be used at a time.
}

// One code for two offers: each is as any other offer is, and they consent to each other.
func ExampleService_Issue_oneCode() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	for _, offer := range []coupon.Offer{
		{ID: "ten", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}},
		{ID: "delivery", Name: "free delivery", Benefit: coupon.ShippingOff{Rate: ledger.MustRate("100")}},
	} {
		offer.Labels, offer.Combine.With = []string{"save"}, []string{"save"}
		if _, err := coupons.Publish(ctx, offer, "staff", noon); err != nil {
			fmt.Println(err)
			return
		}
	}
	_, err := coupons.Issue(ctx, coupon.IssueRequest{ID: "spring", Offers: []coupon.IssueOffer{
		{Offer: "ten", Code: "SAVE"},
		{Offer: "delivery", Code: "SAVE"},
	}}, noon)
	if err != nil {
		fmt.Println(err)
		return
	}
	cart := cartOf(item("40.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "post", Price: eur("4.90")}}
	quote, err := coupons.Quote(ctx, cart, coupon.Choose("save"), noon)
	fmt.Println(quote.Total, err)
	for _, a := range quote.Applied() {
		fmt.Println(a.Name, a.Amount)
	}
	// Output:
	// 36.00 EUR <nil>
	// 10 % off 4.00 EUR
	// free delivery 4.90 EUR
}

// Staff see the figures; a shopper is told what helps, and of a coupon that is
// somebody else's nothing at all.
func ExampleRefusal_Shopper() {
	coupons, issued := exampleShop()
	ask := func(customer string, price string) {
		cart := cartOf(item(price, 1))
		cart.Customer.Key = customer
		quote, err := coupons.Quote(ctx, cart, coupon.ChooseCoupons(issued[0].ID), noon)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("staff:  ", quote.Refused()[0])
		fmt.Println("shopper:", quote.Refused()[0].Shopper())
	}
	ask("jane", "2.00")
	ask("mallory", "20.00")
	// Output:
	// staff:   coupon: refused: offer "friend-5", coupon "reward-1/1": the eligible products cost 2.00 EUR, needed 10.00 EUR: 8.00 EUR are missing
	// shopper: Spend €8.00 more on products that count for "5 € for inviting a friend".
	// staff:   coupon: refused: offer "friend-5", coupon "reward-1/1": the coupon is held by another customer
	// shopper: This code can't be used.
}

func ExampleService_Wallet() {
	coupons, issued := exampleShop()
	if _, err := coupons.Revoke(ctx, issued[1].ID, "staff", "issued by mistake", noon); err != nil {
		fmt.Println(err)
	}
	for _, past := range []bool{false, true} {
		wallet, err := coupons.Wallet(ctx, "jane", coupon.WalletQuery{Past: past}, noon)
		for _, c := range wallet.Coupons {
			fmt.Println(c.ID, c.Name, "revoked:", c.Revoked != nil, err)
		}
	}
	// Output:
	// reward-1/1 5 € for inviting a friend revoked: false <nil>
	// reward-1/2 5 € for inviting a friend revoked: true <nil>
}

// down is a store that can't be reached.
type down struct{}

var errDown = errors.New("the store is down")

func (down) Get(context.Context, []storage.Key, ...string) ([]storage.Doc, map[string]int64, error) {
	return nil, nil, errDown
}
func (down) List(context.Context, storage.Query) (storage.Page, error) {
	return storage.Page{}, errDown
}
func (down) Apply(context.Context, storage.Batch) error { return errDown }

// A mistyped code is told apart from an unknown one without asking the store.
func ExampleService_Quote_mistyped() {
	coupons := coupon.New(down{}, coupon.Options{})
	quote, err := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("JANE0-7K2QX-AAAB"), noon)
	fmt.Println(err)
	fmt.Println(quote.Total, quote.Refused()[0].Shopper())
	_, err = coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("SUMMER"), noon)
	fmt.Println(err)
	// Output:
	// <nil>
	// 20.00 EUR Please check the code: it is mistyped.
	// the store is down
}

func ExampleDays() {
	week, err := coupon.Days("2026-03-28", "2026-03-29", "Europe/Berlin")
	fmt.Println(week.From, week.Until, err)
	fmt.Println(week.Until.Sub(week.From), "as the clocks go forward on the second day")
	// Output:
	// 2026-03-28 00:00:00 +0100 CET 2026-03-30 00:00:00 +0200 CEST <nil>
	// 47h0m0s as the clocks go forward on the second day
}

func ExampleParseCode() {
	for _, typed := range []string{" summer-24 ", "Ｓｕｍｍｅｒ２４", "SUMMER24\u200b", "no"} {
		fmt.Println(coupon.ParseCode(typed))
	}
	// Output:
	// SUMMER24 <nil>
	// SUMMER24 <nil>
	//  coupon: not a code: codes are 3 to 32 letters and digits: it has a character '\u200b'
	//  coupon: not a code: codes are 3 to 32 letters and digits: it has 2 letters and digits, want 3 to 32
}

// The smallest program: an offer, a code, a cart, an order.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func main() {
	ctx, now, eur := context.Background(), time.Now(), ledger.MustCurrency("EUR")
	coupons := coupon.New(memory.New(), coupon.Options{})
	must(coupons.Publish(ctx, coupon.Offer{ID: "spring", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}}, "staff", now))
	must(coupons.Issue(ctx, coupon.IssueRequest{ID: "spring", Offers: []coupon.IssueOffer{{Offer: "spring", Code: "SPRING26"}}}, now))
	cart := coupon.Cart{Currency: eur, Lines: []coupon.Line{{ID: "1", Product: "teapot", Quantity: 3, UnitPrice: ledger.MustMoney("19.99", eur)}}}
	quote := must(coupons.Quote(ctx, cart, coupon.Choose("spring26"), now))
	fmt.Println(quote.Discount, "off,", quote.Total, "to pay")
	order := must(coupons.Redeem(ctx, "order-1", quote, now))
	fmt.Println(order.State)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

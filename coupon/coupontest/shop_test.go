package coupontest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/coupontest"
	"github.com/vouch-go/vouch/storage"
)

// A shop tests that its checkout shows what is missing for free shipping. In a test,
// t takes the place of coupontest.Must{}.
func Example() {
	shop := coupontest.NewShop(coupontest.Must{},
		coupontest.PercentOff("spring", "10", coupontest.Freely()),
		coupontest.FreeShipping("parcel", coupontest.Automatic(), coupontest.Freely(), coupontest.From("50.00", "EUR")))
	shop.Code("spring", "SPRING")
	cart := coupontest.NewCart("EUR").For("jane").Line("tea", 2, "15.00").Shipping("parcel", "4.90").Cart()

	quote, err := shop.Quote(context.Background(), cart, coupon.Choose("spring"), shop.Clock.Now())
	fmt.Println(quote.Total, err)
	fmt.Println("missing:", quote.Missing().Missing)

	shop.Bought("order-1", coupontest.NewCart("EUR").For("jane").Line("tea", 4, "15.00").Shipping("parcel", "4.90").Cart(), coupon.Choose("SPRING"))
	order, err := shop.Redemption(context.Background(), "order-1")
	fmt.Println(order.Total, err)
	// Output:
	// 31.90 EUR <nil>
	// missing: 20.00 EUR
	// 54.00 EUR <nil>
}

// A clock that stands still until it is moved.
func ExampleClock() {
	shop := coupontest.NewShop(coupontest.Must{}, coupontest.AmountOff("a", "5.00", "EUR", func(o *coupon.Offer) {
		o.Schedule.Life = 24 * time.Hour
	}))
	given := shop.Give("gift", "a", "jane")
	cart := coupontest.NewCart("EUR").For("jane").Line("tea", 1, "20.00").Cart()
	fmt.Println(shop.Priced(cart, coupon.ChooseCoupons(given.ID)).Total)
	later, _ := shop.Quote(context.Background(), cart, coupon.ChooseCoupons(given.ID), shop.Clock.Advance(25*time.Hour))
	fmt.Println(later.Refused()[0].Reason)
	// Output:
	// 15.00 EUR
	// expired
}

// failing notes how a test would have failed.
type failing struct {
	coupontest.Must
	ends []func()
}

func (f *failing) Cleanup(end func()) { f.ends = append(f.ends, end) }

func failure(t *testing.T, run func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	run()
	return ""
}

func TestWhatFailsATest(t *testing.T) {
	cart := coupontest.NewCart("EUR").For("jane").Line("tea", 1, "20.00", coupontest.By("acme"), coupontest.In("drinks")).Cart()
	assert.Equal(t, []any{"acme", []string{"drinks"}}, []any{cart.Lines[0].Seller, cart.Lines[0].Categories})
	for want, run := range map[string]func(s *coupontest.Shop){
		"quantity":              func(*coupontest.Shop) { coupontest.NewCart("EUR").Line("tea", 0, "1.00").Cart() },
		"not an amount":         func(*coupontest.Shop) { coupontest.NewCart("EUR").Line("tea", 1, "one") },
		"not valid":             func(s *coupontest.Shop) { coupontest.NewShop(coupontest.Must{}, coupon.Offer{}) },
		"no such offer":         func(s *coupontest.Shop) { s.Code("none", "CODE") },
		"the eligible products": func(s *coupontest.Shop) { s.Priced(cart, coupon.Choose("HIGH")) },
		"with another cart or":  func(s *coupontest.Shop) { s.Bought("order", cart, coupon.Choice{}) },
		"credit \"c\"":          func(s *coupontest.Shop) { s.Credit("c", "", "1.00", "EUR") },
	} {
		s := coupontest.NewShop(coupontest.Must{}, coupontest.PercentOff("once", "10", coupontest.Uses(1), coupontest.UsesPerCustomer(1)),
			coupontest.Offer("high", coupon.GiftLine{Product: "mug", Quantity: 1}, coupontest.From("90.00", "EUR")))
		s.Code("once", "ONCE")
		s.Code("high", "HIGH")
		s.Credit("g", "jane", "3.00", "EUR")
		s.Bought("order", cart, coupon.Choose("ONCE"))
		assert.Contains(t, failure(t, func() { run(s) }), want)
	}
}

// The audit at the end of a test finds what was changed behind the service's back.
func TestTheAuditAtTheEnd(t *testing.T) {
	f := new(failing)
	s := coupontest.NewShop(f, coupontest.PercentOff("once", "10", coupontest.Uses(1)))
	s.Code("once", "ONCE")
	s.Bought("order", coupontest.NewCart("EUR").For("jane").With(func(c *coupon.Cart) { c.Channel = "app" }).Line("tea", 1, "20.00").Cart(), coupon.Choose("ONCE"))
	require.Len(t, f.ends, 1)
	f.ends[0]()
	require.NoError(t, s.Store.Apply(context.Background(), storage.Batch{Adds: []storage.Add{{Counter: "uses/once", Delta: -1}}}))
	assert.True(t, strings.HasPrefix(failure(t, f.ends[0]), "audit: "))
}

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

// A marketplace settles with a seller: a sale of which the seller funds half of the
// discount, a return, and the shop's own fee.
func ExampleService_Statement() {
	store := memory.New()
	coupons := coupon.New(store, coupon.Options{Settle: true})
	offer := automatic(percentOff("fair", "10"))
	offer.Funding = []coupon.Share{{Payer: coupon.Seller, Rate: ledger.MustRate("50")}, {Payer: coupon.Platform, Rate: ledger.MustRate("50")}}
	_, _ = coupons.Publish(ctx, offer, "staff", noon)
	quote, _ := coupons.Quote(ctx, cartOf(item("20.00", 3)), coupon.Choice{}, noon)
	_, _ = coupons.Redeem(ctx, "order-1", quote, noon)
	_, _ = coupons.Refund(ctx, "order-1", coupon.RefundRequest{ID: "one", Lines: []coupon.Returned{{Line: "1", Units: 1}}}, noon.Add(time.Hour))
	_, _ = ledger.New(store, ledger.Options{}).Post(ctx, ledger.Entry{ID: "fee-1", Kind: "fee", At: noon.Add(2 * time.Hour), Transfers: []ledger.Transfer{
		{From: coupon.PayableAccount("acme"), To: "fees", Amount: eur("4.00")},
	}})

	statement, err := coupons.Statement(ctx, "acme", ledger.StatementQuery{From: noon})
	for _, line := range statement.Lines {
		fmt.Println(line.Kind, line.Order, line.Amount, "owed", line.Balance)
		for _, item := range line.Items {
			fmt.Println("  line", item.ID, item.Units, "units", item.Price, "less", item.SellerFunded, "(others fund", item.OthersFunded, ")")
		}
	}
	fmt.Println(statement.Closing[0], err)
	// Output:
	// sold order-1 57.00 EUR owed 57.00 EUR
	//   line 1 3 units 60.00 EUR less 3.00 EUR (others fund 3.00 EUR )
	// refunded order-1 -19.00 EUR owed 38.00 EUR
	//   line 1 -1 units -20.00 EUR less -1.00 EUR (others fund -1.00 EUR )
	// booked  -4.00 EUR owed 34.00 EUR
	// 34.00 EUR <nil>
}

func settlingShop(t *testing.T, offers ...coupon.Offer) *shop {
	return newShopOn(t, memory.New(), coupon.Options{Settle: true}, offers...)
}

func (s *shop) statement(seller string, q ledger.StatementQuery) coupon.Statement {
	s.t.Helper()
	statement, err := s.Statement(ctx, seller, q)
	require.NoError(s.t, err)
	return statement
}

// Each seller sees its own lines, with goodwill and what a claw-back changes of what
// is kept, page by page.
func TestStatement(t *testing.T) {
	offer := automatic(funded(minimum(percentOff("a", "20"), "100.00", coupon.ClawBack), share(coupon.Seller, "50"), share("brand", "50")))
	s := settlingShop(t, offer)
	cart := cartOf(item("40.00", 2), soldBy(item("30.00", 1), "a//b"), soldBy(item("5.00", 1), ""))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "acme", Price: eur("4.00")}, {ID: "own", Price: eur("2.00")}}
	s.redeem("order", cart, coupon.Choice{}, noon)
	s.must(s.Reserve(ctx, "waiting", s.quote(cart, coupon.Choice{}, noon), noon))
	later := noon.Add(time.Hour)
	require.NoError(t, ignore(s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: "late", Amount: eur("6.00"), Seller: "acme", Funding: []coupon.Share{share(coupon.Seller, "50"), share(coupon.Platform, "50")}, Actor: "ann", Reason: "late"}, later)))
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "one", Lines: units("1", 1)}, later.Add(time.Hour))))

	acme := s.statement("acme", ledger.StatementQuery{})
	require.Empty(t, acme.Next)
	require.Equal(t, []coupon.StatementLine{
		{
			At: noon, Kind: coupon.StatementSold, Entry: "order/order/settled/sale/1", Order: "order", Amount: eur("76.00"), Balance: eur("76.00"), Goodwill: eur("0.00"),
			Items: []coupon.StatementItem{
				{ID: "1", Product: "tea", Units: 2, Price: eur("80.00"), SellerFunded: eur("8.00"), OthersFunded: eur("8.00"), Amount: eur("72.00")},
				{ID: "parcel", Delivery: true, Units: 1, Price: eur("4.00"), SellerFunded: eur("0.00"), OthersFunded: eur("0.00"), Amount: eur("4.00")},
			},
		},
		{
			At: later, Kind: coupon.StatementGoodwill, Entry: "order/order/settled/1/1", Order: "order", Refund: "late", Amount: eur("-3.00"), Balance: eur("73.00"), Goodwill: eur("3.00"),
		},
		{
			At: later.Add(time.Hour), Kind: coupon.StatementRefunded, Entry: "order/order/settled/2/1", Order: "order", Refund: "one", Amount: eur("-32.00"), Balance: eur("41.00"), Goodwill: eur("0.00"),
			Items: []coupon.StatementItem{
				{ID: "1", Product: "tea", Units: -1, Price: eur("-40.00"), SellerFunded: eur("-8.00"), OthersFunded: eur("-8.00"), Amount: eur("-32.00")},
			},
		},
	}, acme.Lines)
	other := s.statement("a//b", ledger.StatementQuery{})
	require.Equal(t, []ledger.Money{eur("27.00"), eur("3.00")}, []ledger.Money{other.Lines[0].Amount, other.Lines[1].Amount}, "sold, and the discount clawed back")
	require.Equal(t, eur("-3.00"), other.Lines[1].Items[0].SellerFunded)

	page := s.statement("acme", ledger.StatementQuery{Limit: 2})
	next := s.statement("acme", ledger.StatementQuery{Limit: 2, After: page.Next})
	require.Equal(t, acme.Lines, append(page.Lines, next.Lines...))
	require.Equal(t, page.Closing, next.Opening)
	period := s.statement("acme", ledger.StatementQuery{From: later, Until: later.Add(time.Minute)})
	require.Equal(t, []any{[]ledger.Money{eur("76.00")}, []ledger.Money{eur("73.00")}, 1}, []any{period.Opening, period.Closing, len(period.Lines)})
	require.Empty(t, s.statement("nobody", ledger.StatementQuery{}).Lines)
	require.ErrorIs(t, ignore(s.Statement(ctx, "", ledger.StatementQuery{})), coupon.ErrRequest)
	require.ErrorIs(t, ignore(s.Statement(ctx, "acme", ledger.StatementQuery{Limit: -1})), ledger.ErrInvalid)
	require.ErrorIs(t, ignore(newShop(t).Statement(ctx, "acme", ledger.StatementQuery{})), coupon.ErrState)
	requireGolden(t, "redemption_settled.json", body(t, s.store, storage.Key{Kind: "redemption", ID: "order"}))
}

// Orders keep to what was set when they were confirmed.
func TestSettlingBeginsAndEnds(t *testing.T) {
	store := memory.New()
	off, on := newShopOn(t, store, coupon.Options{}), newShopOn(t, store, coupon.Options{Settle: true})
	off.redeem("before", cartOf(item("20.00", 1)), coupon.Choice{}, noon)
	on.redeem("order", cartOf(item("20.00", 1)), coupon.Choice{}, noon)
	require.NoError(t, ignore(on.Refund(ctx, "before", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	require.Equal(t, []ledger.Money{eur("20.00")}, on.statement("acme", ledger.StatementQuery{}).Closing)
	require.NoError(t, ignore(off.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	require.Equal(t, []ledger.Money{eur("0.00")}, on.statement("acme", ledger.StatementQuery{}).Closing)
}

// A cart of more sellers than one entry is about, who all pay for its discount.
// A line and a delivery that come back together are a refund, and no goodwill.
func TestStatementOfALineAndItsDelivery(t *testing.T) {
	s := settlingShop(t, automatic(funded(percentOff("a", "10"), share(coupon.Seller, "100"))))
	cart := cartOf(item("10.00", 1), item("20.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "acme", Price: eur("2.90")}}
	s.redeem("order", cart, coupon.Choice{}, noon)
	s.audit()
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: units("1", 1), Shipping: []string{"parcel"}}, noon)))
	var kinds []coupon.StatementKind
	for _, line := range s.statement("acme", ledger.StatementQuery{}).Lines {
		kinds = append(kinds, line.Kind)
	}
	require.ElementsMatch(t, []coupon.StatementKind{coupon.StatementSold, coupon.StatementRefunded}, kinds)
}

// An order of exactly as many transfers as an entry holds is booked in one.
func TestOneFullEntry(t *testing.T) {
	s := newShop(t, automatic(funded(percentOff("a", "10"), share(coupon.Seller, "100"))))
	var lines []coupon.Line
	for i := range 400 {
		lines = append(lines, soldBy(item("1.00", 1), fmt.Sprint("seller ", i)))
	}
	s.redeem("order", cartOf(lines...), coupon.Choice{}, noon)
	book := ledger.New(s.store, ledger.Options{})
	entry, _, err := book.Entry(ctx, "order/order/redeemed")
	require.NoError(t, err)
	require.Len(t, entry.Transfers, 400)
	_, more, err := book.Entry(ctx, "order/order/redeemed/more/1")
	require.NoError(t, err)
	require.False(t, more)
}

func TestManySellers(t *testing.T) {
	s := settlingShop(t, automatic(funded(percentOff("a", "10"), share(coupon.Seller, "50"), share("brand", "50"))))
	var lines []coupon.Line
	for i := range 900 {
		lines = append(lines, soldBy(item("1.00", 1), fmt.Sprint("seller ", i)))
	}
	s.redeem("order", cartOf(lines...), coupon.Choice{}, noon)
	for _, seller := range []string{"seller 0", "seller 450", "seller 899"} {
		require.Equal(t, []ledger.Money{eur("0.95")}, s.statement(seller, ledger.StatementQuery{}).Closing)
		require.Equal(t, int64(5), paid(t, s.store, coupon.SellerAccount(seller)))
	}
	s.audit()
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	require.Equal(t, []ledger.Money{eur("0.00")}, s.statement("seller 899", ledger.StatementQuery{}).Closing)
	require.Zero(t, paid(t, s.store, coupon.SellerAccount("seller 899")))
}

// Whatever is sold, comes back and is given as goodwill: what sellers are owed is what
// the shopper has paid and what others have funded; each line of a statement is the
// sum of its items; and of an order that came back nothing is owed.
func TestStatementsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{Settle: true})
		for i := range rapid.IntRange(1, 3).Draw(t, "offers") {
			offer := automatic(drawAnyOffer(t, string(rune('a'+i))))
			offer.Schedule, offer.Conditions, offer.Combine, offer.Below = coupon.Schedule{}, nil, coupon.Combine{Freely: true}, coupon.Below(rapid.IntRange(0, 1).Draw(t, "below"))
			if rapid.Bool().Draw(t, "minimum") {
				offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, 4000)}}}
			}
			offer.Funding = []coupon.Share{share(coupon.Seller, "33.3"), share("Brand & Söhne", "66.7")}
			require.NoError(t, ignore(s.Publish(ctx, offer, "staff", noon)))
		}
		cart := drawCart(t)
		for i := range cart.Lines {
			cart.Lines[i].Seller = oneOf(t, "seller", "acme", "zeta", "a/b")
		}
		for i := range cart.Shipping {
			cart.Shipping[i].Seller = oneOf(t, "seller", "acme", "zeta")
		}
		cart.Attributes = map[string]string{"phone": "1"}
		q, err := s.Quote(ctx, cart, coupon.Choice{}, noon)
		require.NoError(t, err)
		require.NoError(t, ignore(s.Redeem(ctx, "order", q, noon)))
		checkStatements(t, s, store)
		for n := range rapid.IntRange(0, 4).Draw(t, "refunds") {
			if request := drawReturn(t, fmt.Sprint(n), s); len(request.Lines)+len(request.Shipping) > 0 && rapid.Bool().Draw(t, "return") {
				require.NoError(t, ignore(s.Refund(ctx, "order", request, noon)))
			} else if r, _ := s.Redemption(ctx, "order"); r.Total.Minor() > r.Refunded.Minor() {
				require.NoError(t, ignore(s.RefundAmount(ctx, "order", drawGoodwill(t, fmt.Sprint(n), r.Total.Minor()-r.Refunded.Minor(), &cart), noon)))
			}
			checkStatements(t, s, store)
		}
		_, _ = s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, noon)
		require.Zero(t, checkStatements(t, s, store))
		requireAudit(t, store)
	})
}

// checkStatements gives what all sellers are owed.
func checkStatements(t checker, s *coupon.Service, store storage.Store) int64 {
	var owed int64
	for _, seller := range []string{"acme", "zeta", "a/b"} {
		statement, err := s.Statement(ctx, seller, ledger.StatementQuery{})
		require.NoError(t, err)
		for _, line := range statement.Lines {
			sum := -line.Goodwill.Minor()
			for _, item := range line.Items {
				assert.Equal(t, item.Amount.Minor(), item.Price.Minor()-item.SellerFunded.Minor())
				sum += item.Amount.Minor()
			}
			require.Equal(t, sum, line.Amount.Minor(), line.Entry)
		}
		for _, balance := range statement.Closing {
			owed += balance.Minor()
		}
	}
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	others := paid(t, store, coupon.PlatformAccount) + paid(t, store, "promotions/Brand & Söhne")
	require.Equal(t, r.Total.Minor()-r.Refunded.Minor()+others, owed)
	return owed
}

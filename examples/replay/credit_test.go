package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
)

func sale(t testing.TB, id, customer string, items ...item) *invoice {
	for i := range items {
		require.NoError(t, items[i].readPrice())
	}
	return &invoice{id: id, customer: customer, kind: "sale", items: items}
}

func TestInvoiceAsCart(t *testing.T) {
	v := sale(t, "1", "jane",
		item{id: "1", product: "tea", kind: "goods", quantity: 3, price: "1.25"},
		item{id: "2", product: "pad", kind: "goods", quantity: 1499, price: "0.001"},
		item{id: "3", product: "pad", kind: "goods", quantity: 1500, price: "0.001"},
		item{id: "4", product: "gift", kind: "goods", quantity: 1, price: "0.00"},
		item{id: "5", product: "post", kind: "shipping", quantity: 2, price: "3.95"},
		item{id: "6", product: "broken", kind: "goods", quantity: -4, price: "0.00"},
		item{id: "7", product: "D", kind: "discount", quantity: -1, price: "5.00"},
	)
	cart, sold := v.cart()
	require.True(t, sold)
	require.NoError(t, cart.Validate())
	assert.Equal(t, "jane", cart.Customer.Key)
	assert.Equal(t, []string{"discount on the invoice"}, cart.Promotions)
	require.Len(t, cart.Lines, 4)
	assert.Equal(t, gbp("1.25"), cart.Lines[0].UnitPrice)
	assert.Equal(t, gbp("1.50"), cart.Lines[1].Total, "1.499 rounds to the penny")
	assert.Equal(t, gbp("1.50"), cart.Lines[2].Total)
	assert.Equal(t, gbp("0.00"), cart.Lines[3].UnitPrice)
	assert.Equal(t, []coupon.Shipping{{ID: "5", Price: gbp("7.90")}}, cart.Shipping)

	cart, sold = sale(t, "2", "jane", item{id: "1", product: "post", kind: "shipping", quantity: 1, price: "15.00"}).cart()
	require.True(t, sold, "carriage alone")
	assert.Equal(t, []string{"shipping"}, cart.Lines[0].Categories)

	_, sold = sale(t, "3", "", item{id: "1", product: "tea", kind: "goods", quantity: -4, price: "0.00"}).cart()
	assert.False(t, sold, "written off")
}

func TestCreditTakesTheLatestSaleFirst(t *testing.T) {
	tea := func(id string, quantity int64) item {
		return item{id: id, product: "tea", kind: "goods", quantity: quantity, price: "1.25"}
	}
	r := newReturnable()
	for _, v := range []*invoice{
		sale(t, "1", "jane", tea("1", 5)),
		sale(t, "2", "jane", tea("1", 2), item{id: "2", product: "post", kind: "shipping", quantity: 2, price: "3.95"}),
		sale(t, "3", "john", tea("1", 9)),
		sale(t, "4", "", tea("1", 9)),
	} {
		cart, _ := v.cart()
		r.sell(v, &cart)
	}
	half := item{id: "9", product: "post", kind: "shipping", quantity: -1, price: "3.95"}
	m := r.match(sale(t, "C5", "jane", tea("1", -3), half))
	assert.Equal(t, []orderRefund{
		{"2", coupon.RefundRequest{ID: "C5", Lines: []coupon.Returned{{Line: "1", Units: 2}}}},
		{"1", coupon.RefundRequest{ID: "C5", Lines: []coupon.Returned{{Line: "1", Units: 1}}}},
	}, m.refunds)
	assert.EqualValues(t, 3, m.found)
	assert.EqualValues(t, 375, m.worth)
	assert.EqualValues(t, 1, m.missing, "a delivery comes back as a whole")

	whole := half
	whole.quantity = -2
	m = r.match(sale(t, "C6", "jane", tea("1", -9), whole))
	assert.Equal(t, []orderRefund{
		{"1", coupon.RefundRequest{ID: "C6", Lines: []coupon.Returned{{Line: "1", Units: 4}}}},
		{"2", coupon.RefundRequest{ID: "C6", Shipping: []string{"2"}}},
	}, m.refunds)
	assert.EqualValues(t, 5, m.missing)

	m = r.match(sale(t, "C7", "", tea("1", -1)))
	assert.Zero(t, m.found, "a guest's credit could be anybody's")
	assert.EqualValues(t, 1, m.missing)
}

// Credits never give back more than was sold, whatever they ask for.
func TestCreditsNeverExceedSales(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newReturnable()
		draw := func(id string, sign int64) item {
			return item{
				id: id, product: rapid.SampledFrom([]string{"tea", "cup"}).Draw(rt, "product"), kind: "goods",
				price: rapid.SampledFrom([]string{"1.25", "2.50"}).Draw(rt, "price"), quantity: sign * rapid.Int64Range(1, 9).Draw(rt, "quantity"),
			}
		}
		sold := make(map[[2]string]int64)
		for order := range rapid.IntRange(0, 5).Draw(rt, "orders") {
			v := sale(t, string(rune('a'+order)), "jane", draw("1", 1), draw("2", 1))
			cart, _ := v.cart()
			r.sell(v, &cart)
			for _, i := range v.items {
				sold[[2]string{v.id, i.id}] = i.quantity
			}
		}
		for range rapid.IntRange(0, 6).Draw(rt, "credits") {
			credit := sale(t, "C", "jane", draw("1", -1), draw("2", -1))
			m := r.match(credit)
			require.Equal(rt, -credit.items[0].quantity-credit.items[1].quantity, m.found+m.missing)
			for _, refund := range m.refunds {
				for _, line := range refund.request.Lines {
					key := [2]string{refund.order, line.Line}
					sold[key] -= line.Units
					m.found -= line.Units
					require.GreaterOrEqual(rt, sold[key], int64(0))
				}
			}
			require.Zero(rt, m.found, "what was found is what is given back")
		}
	})
}

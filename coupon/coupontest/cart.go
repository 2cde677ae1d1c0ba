package coupontest

import (
	"strconv"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Cart builds a cart line by line. Each method changes it and gives it back.
type Cart struct {
	cart coupon.Cart
}

// NewCart begins a guest's cart in a currency.
func NewCart(currency string) *Cart {
	return &Cart{coupon.Cart{Currency: ledger.MustCurrency(currency)}}
}

// For says whose cart it is, by the customer's key.
func (c *Cart) For(customer string) *Cart {
	c.cart.Customer.Key = customer
	return c
}

// Line adds units of a product at a price each, as in "9.99". Lines get the ids 1, 2,
// …; the changes, if any, are made to the line last.
func (c *Cart) Line(product string, quantity int64, price string, changes ...func(*coupon.Line)) *Cart {
	line := coupon.Line{ID: strconv.Itoa(len(c.cart.Lines) + 1), Product: product, Quantity: quantity, UnitPrice: c.money(price)}
	for _, change := range changes {
		change(&line)
	}
	c.cart.Lines = append(c.cart.Lines, line)
	return c
}

// By says who sells a line.
func By(seller string) func(*coupon.Line) {
	return func(l *coupon.Line) { l.Seller = seller }
}

// In puts a line into categories.
func In(categories ...string) func(*coupon.Line) {
	return func(l *coupon.Line) { l.Categories = categories }
}

// Shipping adds a delivery and its price.
func (c *Cart) Shipping(id, price string) *Cart {
	c.cart.Shipping = append(c.cart.Shipping, coupon.Shipping{ID: id, Price: c.money(price)})
	return c
}

// With changes what no other method does.
func (c *Cart) With(change func(*coupon.Cart)) *Cart {
	change(&c.cart)
	return c
}

// Cart is the cart as it was built. It panics with every fault when it is not valid.
func (c *Cart) Cart() coupon.Cart {
	if err := c.cart.Validate(); err != nil {
		panic(err)
	}
	return c.cart
}

func (c *Cart) money(amount string) ledger.Money { return ledger.MustMoney(amount, c.cart.Currency) }

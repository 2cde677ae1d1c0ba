package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// invoice is a document of the shop's: a sale, a credit or an adjustment.
type invoice struct {
	id       string
	customer string // empty: unknown
	kind     string
	at       time.Time
	items    []item
}

// item is a line of an invoice.
type item struct {
	id       string
	product  string
	kind     string // of the product: goods, shipping, discount, …
	quantity int64  // below zero on credits and for what is written off
	price    string // of one unit, as the data has it
	unit     ledger.Money
	total    ledger.Money // of the line, where a unit costs a fraction of a penny; otherwise not set
}

// minutesForm is a local time to the minute.
const minutesForm = "2006-01-02T15:04"

// readInvoices reads the invoices in time order.
func readInvoices(src source) ([]*invoice, error) {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, err
	}
	kinds := make(map[string]string)
	byID := make(map[string]*invoice)
	var invoices []*invoice
	err = src.read(
		table{"ukretail/products", []string{"product_id", "line_type"}, func(c []string) error {
			kinds[c[0]] = c[1]
			return nil
		}},
		table{"ukretail/orders", []string{"order_id", "customer_id", "kind", "invoiced_at"}, func(c []string) error {
			at, err := time.ParseInLocation(minutesForm, c[3], zone)
			if err != nil {
				return fmt.Errorf("invoiced_at %q is not a local time like %s", c[3], minutesForm)
			}
			byID[c[0]] = &invoice{id: c[0], customer: c[1], kind: c[2], at: at}
			invoices = append(invoices, byID[c[0]])
			return nil
		}},
		table{"ukretail/items", []string{"order_id", "item_no", "product_id", "quantity", "unit_price"}, func(c []string) error {
			of := byID[c[0]]
			if of == nil {
				return fmt.Errorf("there is no order %q", c[0])
			}
			kind, known := kinds[c[2]]
			if !known {
				return fmt.Errorf("there is no product %q", c[2])
			}
			quantity, err := strconv.ParseInt(c[3], 10, 64)
			if err != nil || max(quantity, -quantity) > coupon.MaxQuantity {
				return fmt.Errorf("quantity %q is not a whole number up to %d", c[3], coupon.MaxQuantity)
			}
			i := item{id: c[1], product: c[2], kind: kind, quantity: quantity, price: c[4]}
			if err := i.readPrice(); err != nil {
				return fmt.Errorf("unit_price: %w", err)
			}
			of.items = append(of.items, i)
			return nil
		}},
	)
	slices.SortStableFunc(invoices, func(a, b *invoice) int { return a.at.Compare(b.at) })
	return invoices, err
}

// readPrice makes money of the price. A unit may cost a fraction of a penny: then
// the line as a whole is rounded to the penny, half up, and that is what counts.
func (i *item) readPrice() error {
	sterling := gbp("0").Currency()
	unit, err := ledger.ParseMoney(i.price, sterling)
	if !errors.Is(err, ledger.ErrPrecision) {
		i.unit = unit
		_, tooMuch := ledger.Product(unit.Minor(), i.quantity)
		return errors.Join(err, tooMuch)
	}
	exact, err := decimal.NewFromString(i.price)
	if err != nil {
		return err
	}
	i.total, err = ledger.FromDecimal(exact.Mul(decimal.NewFromInt(i.quantity)).Round(2), sterling)
	return err
}

// cart is the invoice as a cart for the library; false when nothing on it was
// sold. Carriage is shipping, beside goods; alone it is a line like any other, as
// there is no cart without one. What is written off and the shop's own discounts
// are no lines; the latter count as a promotion of the shop's.
func (v *invoice) cart() (coupon.Cart, bool) {
	cart := coupon.Cart{Currency: gbp("0").Currency(), Customer: coupon.Customer{Key: v.customer}}
	alone := !slices.ContainsFunc(v.items, func(i item) bool { return i.sold() && i.kind != "shipping" })
	for _, i := range v.items {
		switch {
		case i.kind == "discount":
			cart.Promotions = []string{"discount on the invoice"}
		case !i.sold():
		case i.kind == "shipping" && !alone:
			cart.Shipping = append(cart.Shipping, coupon.Shipping{ID: i.id, Price: i.amount()})
		default:
			cart.Lines = append(cart.Lines, coupon.Line{
				ID: i.id, Product: i.product, Categories: []string{i.kind}, Quantity: i.quantity, UnitPrice: i.unit, Total: i.total,
			})
		}
	}
	return cart, len(cart.Lines) > 0
}

// sold says that the line is something a customer paid for, if only zero.
func (i *item) sold() bool { return i.quantity > 0 && i.kind != "discount" }

// amount is what the whole line costs.
func (i *item) amount() ledger.Money {
	if !i.total.Currency().IsZero() {
		return i.total
	}
	return ledger.Minor(i.unit.Minor()*i.quantity, i.unit.Currency())
}

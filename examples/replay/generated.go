package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Small sets for whoever has no data: the same each time, and in the same form as
// the real ones.

func generateJourney() tables {
	random := rand.New(rand.NewPCG(84, 51))
	t := make(tables)
	t.add("journey/campaigns", "campaign_id", "start_date", "end_date")
	t.add("journey/campaign_households", "campaign_id", "household_id")
	t.add("journey/coupon_products", "coupon_upc", "campaign_id", "product_id")
	t.add("journey/products", "product_id")
	t.add("journey/redemptions", "date", "household_id", "coupon_upc", "campaign_id")
	for product := range 60 {
		t.add("journey/products", fmt.Sprint(1000+product))
	}
	start := time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC) // over the change of clocks
	for campaign := range 3 {
		id := fmt.Sprint(campaign + 1)
		day := func(n int) string { return start.AddDate(0, 0, 10*campaign+n).Format(time.DateOnly) }
		t.add("journey/campaigns", id, day(0), day(29))
		for household := range 20 {
			t.add("journey/campaign_households", id, fmt.Sprint(100+10*campaign+household))
		}
		for coupon := range 4 {
			for product := range 12 {
				t.add("journey/coupon_products", fmt.Sprint(5000+coupon), id, fmt.Sprint(1000+12*coupon+product))
			}
		}
		for n := range 30 { // from the first day to the last
			household, coupon := fmt.Sprint(100+10*campaign+random.IntN(20)), fmt.Sprint(5000+random.IntN(4))
			t.add("journey/redemptions", day(n), household, coupon, id)
			if n%10 == 9 { // the same again on the same day
				t.add("journey/redemptions", day(n), household, coupon, id)
			}
		}
	}
	return t
}

func generateOlist() tables {
	random := rand.New(rand.NewPCG(20, 16))
	t := make(tables)
	t.add("olist/sellers", "seller_id")
	t.add("olist/orders", "order_id", "customer_id", "status", "purchased_at", "approved_at")
	t.add("olist/items", "order_id", "item_no", "product_id", "seller_id", "category", "price", "freight")
	t.add("olist/payments", "order_id", "type")
	const sellers = 30
	for seller := range sellers {
		t.add("olist/sellers", fmt.Sprintf("seller-%02d", seller))
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for n := range 200 {
		at = at.Add(time.Duration(10+random.IntN(90)) * time.Minute)
		id, status, approved := fmt.Sprintf("order-%03d", n), "delivered", at.Add(time.Duration(random.IntN(72*60))*time.Minute).Format(secondsForm)
		switch {
		case n%23 == 7:
			status = "canceled"
		case n%41 == 11:
			status, approved = "canceled", ""
		case n%47 == 13:
			status, approved = "created", ""
		}
		t.add("olist/orders", id, fmt.Sprintf("customer-%03d", random.IntN(150)), status, at.Format(secondsForm), approved)
		t.add("olist/payments", id, []string{"credit_card", "boleto", "voucher"}[random.IntN(3)])
		if n%50 == 17 {
			continue // an order without items
		}
		for unit := range 1 + random.IntN(4) {
			product := random.IntN(80)
			t.add("olist/items", id, fmt.Sprint(unit+1), fmt.Sprintf("product-%02d", product), fmt.Sprintf("seller-%02d", product%sellers),
				[]string{"auto", "", "toys"}[product%3], fmt.Sprintf("%d.%02d", 10+product*3, product%100), fmt.Sprintf("%d.%02d", 5+product%20, product%100))
		}
	}
	return t
}

// generateRetail makes a shop that some customers come back to, with everything
// that is odd in the real one: guests, carriage alone, prices below a penny or of
// zero, write-offs, and credits that do not say what they are for.
func generateRetail() tables {
	random := rand.New(rand.NewPCG(20, 11))
	t := make(tables)
	t.add("ukretail/products", "product_id", "line_type")
	t.add("ukretail/orders", "order_id", "customer_id", "kind", "invoiced_at")
	t.add("ukretail/items", "order_id", "item_no", "product_id", "quantity", "unit_price")
	for _, other := range [][2]string{{"POST", "shipping"}, {"M", "manual"}, {"D", "discount"}, {"PADS", "goods"}} {
		t.add("ukretail/products", other[0], other[1])
	}
	for product := range 50 {
		t.add("ukretail/products", fmt.Sprintf("P%02d", product), "goods")
	}
	price := func(product int) string { return fmt.Sprintf("%d.%02d", 1+product/4, product*7%100) }
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for n := range 400 {
		at = at.Add(time.Duration(20+random.IntN(200)) * time.Minute)
		invoice, customer := fmt.Sprint(1000+n), fmt.Sprint(100+min(n/3, random.IntN(120)))
		if n%9 == 8 {
			customer = "" // a guest
		}
		t.add("ukretail/orders", invoice, customer, "sale", at.Format(minutesForm))
		item := 0
		add := func(invoice, product string, quantity int, price string) {
			item++
			t.add("ukretail/items", invoice, fmt.Sprint(item), product, fmt.Sprint(quantity), price)
		}
		switch {
		case n%40 == 39:
			add(invoice, "P01", -6, "0.00") // written off
			continue
		case n%40 == 19:
			add(invoice, "POST", 1, "15.00") // carriage alone
			continue
		case n%40 == 9:
			add(invoice, "PADS", 1+n/40, "0.001")
			add(invoice, "P02", 1, "0.00")
		case n%40 == 29:
			add(invoice, "M", 1, "4.95")
		}
		product, quantity := random.IntN(50), 1+random.IntN(6)
		add(invoice, fmt.Sprintf("P%02d", product), quantity, price(product))
		for range random.IntN(5) {
			other := random.IntN(50)
			add(invoice, fmt.Sprintf("P%02d", other), 1+random.IntN(12), price(other))
		}
		if n%3 == 0 {
			add(invoice, "POST", 1, "3.95")
		}
		if n%10 == 4 && customer != "" { // all of it is cancelled, minutes later or on another day
			at = at.Add([]time.Duration{5 * time.Minute, 30 * time.Hour}[n/10%2])
			t.add("ukretail/orders", "C"+invoice, customer, "credit", at.Format(minutesForm))
			for _, row := range t["ukretail/items"][len(t["ukretail/items"])-item:] {
				t.add("ukretail/items", "C"+invoice, row[1], row[2], "-"+row[3], row[4])
			}
			continue
		}
		if n%7 == 6 { // some of it, or more than was bought, comes back
			at = at.Add(5 * time.Minute)
			t.add("ukretail/orders", "C"+invoice, customer, "credit", at.Format(minutesForm))
			add("C"+invoice, fmt.Sprintf("P%02d", product), -(quantity + n%2), price(product))
			if n%14 == 6 {
				add("C"+invoice, "D", -1, "2.50")
			}
		}
	}
	t.add("ukretail/orders", "A1", "", "adjustment", at.Add(time.Hour).Format(minutesForm))
	t.add("ukretail/items", "A1", "1", "M", "1", "99.00")
	return t
}

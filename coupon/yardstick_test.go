package coupon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// The work both yardsticks and Decide do: offers that take a percentage, an amount
// off each unit or an amount off lines, matched by category, seller or product, a
// fifth refused by a minimum, each on what the ones before left.

type workOffer struct {
	kind    int // 0 percent, 1 amount per unit, 2 amount over lines
	by      int // 0 category, 1 seller, 2 product
	value   string
	id      int
	amount  int64 // percent or minor units
	minimum int64
}

type workLine struct {
	product, seller, category       string
	productID, sellerID, categoryID int
	quantity, price                 int64
}

func makeWork(lines, offers int) ([]workLine, []workOffer) {
	ls := make([]workLine, lines)
	for i := range ls {
		p, s, c := i%50, i%7, i%5
		ls[i] = workLine{fmt.Sprintf("product-%d", p), fmt.Sprintf("seller-%d", s), fmt.Sprintf("category-%d", c), p, s, c, int64(1 + i%3), int64(500 + i%13*100)}
	}
	os := make([]workOffer, offers)
	for i := range os {
		o := workOffer{kind: i % 3, by: i / 3 % 3, amount: 5}
		switch o.by {
		case 0:
			o.id = i % 5
			o.value = fmt.Sprintf("category-%d", o.id)
		case 1:
			o.id = i % 7
			o.value = fmt.Sprintf("seller-%d", o.id)
		case 2:
			o.id = i % 50
			o.value = fmt.Sprintf("product-%d", o.id)
		}
		if i%5 == 4 {
			o.minimum = 1 << 40
		}
		os[i] = o
	}
	return ls, os
}

func handWritten(lines []workLine, offers []workOffer, now []int64, matched func(*workOffer, *workLine) bool) int64 {
	var total int64
	for i := range lines {
		now[i] = lines[i].price * lines[i].quantity
	}
	for k := range offers {
		o := &offers[k]
		var original, base int64
		for i := range lines {
			if matched(o, &lines[i]) {
				original += lines[i].price * lines[i].quantity
				base += now[i]
			}
		}
		if original < o.minimum || base == 0 {
			continue
		}
		off := o.amount
		if o.kind == 0 {
			off = (base*o.amount + 50) / 100
		}
		rest := min(off, base)
		for i := range lines {
			if !matched(o, &lines[i]) {
				continue
			}
			var share int64
			if o.kind == 1 {
				share = min(o.amount*lines[i].quantity, now[i])
			} else {
				share = min(now[i]*off/base, rest, now[i])
				rest -= share
			}
			now[i] -= share
			total += share
		}
	}
	return total
}

func byText(o *workOffer, l *workLine) bool {
	switch o.by {
	case 0:
		return o.value == l.category
	case 1:
		return o.value == l.seller
	}
	return o.value == l.product
}

func byID(o *workOffer, l *workLine) bool {
	switch o.by {
	case 0:
		return o.id == l.categoryID
	case 1:
		return o.id == l.sellerID
	}
	return o.id == l.productID
}

func BenchmarkDecideAgainstYardsticks(b *testing.B) {
	eur := ledger.MustCurrency("EUR")
	for _, size := range []struct{ lines, offers int }{{10, 10}, {100, 100}, {1000, 100}} {
		lines, offers := makeWork(size.lines, size.offers)
		cart := coupon.Cart{Currency: eur}
		for i, l := range lines {
			cart.Lines = append(cart.Lines, coupon.Line{
				ID: fmt.Sprintf("%04d", i), Product: l.product, Seller: l.seller, Categories: []string{l.category},
				Quantity: l.quantity, UnitPrice: ledger.Minor(l.price, eur),
			})
		}
		var candidates []coupon.Candidate
		for i, o := range offers {
			offer := coupon.Offer{ID: fmt.Sprintf("offer-%03d", i), Name: "o", Automatic: true, Combine: coupon.Combine{Freely: true}}
			five := coupon.Amounts{ledger.Minor(o.amount, eur)}
			switch o.kind {
			case 0:
				offer.Benefit = coupon.PercentOff{Rate: ledger.MustRate("5")}
			case 1:
				offer.Benefit = coupon.AmountOffEach{Amounts: five}
			case 2:
				offer.Benefit = coupon.AmountOff{Amounts: five}
			}
			switch o.by {
			case 0:
				offer.Scope.In.Categories = []string{o.value}
			case 1:
				offer.Scope.In.Sellers = []string{o.value}
			case 2:
				offer.Scope.In.Products = []string{o.value}
			}
			if o.minimum > 0 {
				offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.Minor(o.minimum, eur)}}}
			}
			v, err := coupon.NewVersion(offer)
			if err != nil {
				b.Fatal(err)
			}
			candidates = append(candidates, coupon.Candidate{Version: v})
		}
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		name := fmt.Sprintf("%dx%d/", size.lines, size.offers)
		now := make([]int64, len(lines))
		b.Run(name+"naive", func(b *testing.B) {
			for b.Loop() {
				handWritten(lines, offers, now, byText)
			}
		})
		b.Run(name+"limit", func(b *testing.B) {
			for b.Loop() {
				handWritten(lines, offers, now, byID)
			}
		})
		b.Run(name+"decide", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := coupon.Decide(cart, candidates, coupon.Facts{}, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

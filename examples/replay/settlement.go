package main

import (
	"context"
	"slices"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// settlement is what the statements of all sellers come to, in minor units.
type settlement struct {
	lines    int
	price    int64 // of what was sold and kept, before discounts
	own      int64 // discounts that sellers fund
	owed     int64
	price0   int // sellers whose prices are not those of the data
	balance0 int // sellers whose balance is not the sum of their lines
	own0     int // sellers who funded something else by the book
}

// settle states what each seller is owed, and compares it with the orders as the data
// has them, with what the book says the seller has funded, and with what shoppers paid.
func (m *market) settle(ctx context.Context, s *session, r *report, o *olist) error {
	prices, paid, err := m.sales(ctx, o)
	if err != nil {
		return err
	}
	book := ledger.New(m.store, ledger.Options{Floors: coupon.Floors()})
	var sum settlement
	s.progress.start("olist: settling with sellers", len(o.sellers))
	defer s.progress.end()
	for _, seller := range o.sellers {
		if err := m.settleWith(ctx, book, seller, prices[seller], &sum); err != nil {
			return err
		}
		s.progress.step()
	}
	platform, err := book.Balance(ctx, coupon.PlatformAccount, m.currency)
	if err != nil {
		return err
	}
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, m.currency) }
	r.section("Settlement with sellers")
	r.line("sellers", len(o.sellers))
	r.line("lines of their statements", sum.lines)
	r.line("goods and freight sold and kept", money(sum.price))
	r.line("less discounts that the sellers fund", money(sum.own))
	check(r, "owed to sellers", money(sum.owed), money(sum.price-sum.own))
	check(r, "  which is paid by shoppers, and by the platform", money(sum.owed), money(paid-platform.Minor()))
	check(r, "sellers whose prices are not those of the data", sum.price0, 0)
	check(r, "sellers whose balance is not the sum of their lines", sum.balance0, 0)
	check(r, "sellers who have funded something else by the book", sum.own0, 0)
	return nil
}

// sales are, of orders that were paid and kept, the prices per seller by the data, and
// what shoppers paid.
func (m *market) sales(ctx context.Context, o *olist) (prices map[string]int64, paid int64, err error) {
	prices = make(map[string]int64)
	for _, id := range m.orders {
		r, err := m.coupons.Redemption(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		paid += r.Total.Minor() - r.Refunded.Minor()
		if r.State == coupon.StateRefunded {
			continue
		}
		for _, u := range o.byID[id].units {
			prices[u.seller] += u.price.Minor() + u.freight.Minor()
		}
	}
	return prices, paid, nil
}

func (m *market) settleWith(ctx context.Context, book *ledger.Book, seller string, price int64, sum *settlement) error {
	var lines, prices, own, closing int64
	query := ledger.StatementQuery{Limit: 500}
	for {
		page, err := m.coupons.Statement(ctx, seller, query)
		if err != nil {
			return err
		}
		sum.lines += len(page.Lines)
		for _, line := range page.Lines {
			lines += line.Amount.Minor()
			for _, item := range line.Items {
				prices += item.Price.Minor()
				own += item.SellerFunded.Minor()
			}
		}
		if i := slices.IndexFunc(page.Closing, func(b ledger.Money) bool { return b.Currency() == m.currency }); i >= 0 {
			closing = page.Closing[i].Minor()
		}
		if query.After = page.Next; query.After == "" {
			break
		}
	}
	funded, err := book.Balance(ctx, coupon.SellerAccount(seller), m.currency)
	if err != nil {
		return err
	}
	sum.price, sum.own, sum.owed = sum.price+prices, sum.own+own, sum.owed+closing
	differ := func(count *int, a, b int64) {
		if a != b {
			*count++
		}
	}
	differ(&sum.price0, prices, price)
	differ(&sum.balance0, lines, closing)
	differ(&sum.own0, own, -funded.Minor())
	return nil
}

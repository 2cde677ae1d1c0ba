package main

import (
	"context"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon"
)

// saving is a coupon of the wallet, with its fine print and what it would take off the
// present cart.
type saving struct {
	coupon.Coupon
	Terms   coupon.Terms
	Off     coupon.Applied  // zero: nothing
	Refused *coupon.Refusal // why nothing; nil without a cart
	Chosen  bool
	Best    bool // no other of the wallet takes more off
}

// savings reads a wallet, and asks of each coupon what it would take off the cart.
func (s *shop) savings(ctx context.Context, who customer, cart string, tag language.Tag) ([]saving, error) {
	wallet, err := s.walletOf(ctx, who.ID, false)
	if err != nil {
		return nil, err
	}
	lines, err := s.cartLines(ctx, s.db, cart)
	if err != nil {
		return nil, err
	}
	described, err := s.describe(ctx, s.db, who, lines)
	if err != nil {
		return nil, err
	}
	chosen, err := s.choiceOf(ctx, s.db, cart)
	if err != nil {
		return nil, err
	}
	all := make([]saving, len(wallet))
	best := -1
	for i, c := range wallet {
		all[i].Coupon = c
		for _, id := range chosen.Coupons {
			all[i].Chosen = all[i].Chosen || id == c.ID
		}
		offer, err := s.coupons.Offer(ctx, c.Offer, c.Version, s.now())
		if err != nil {
			return nil, err
		}
		if all[i].Terms, err = coupon.FinePrint(offer, tag, names); err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			continue
		}
		quote, err := s.coupons.Quote(ctx, described, coupon.ChooseCoupons(c.ID).For(orderID(cart)), s.now())
		if err != nil {
			return nil, err
		}
		for _, a := range quote.Applied() {
			if a.Coupon == c.ID {
				all[i].Off = a
			}
		}
		for _, r := range quote.Refused() {
			if r.Coupon == c.ID {
				all[i].Refused = r
			}
		}
		if off := all[i].Off.Amount.Minor(); off > 0 && (best < 0 || off > all[best].Off.Amount.Minor()) {
			best = i
		}
	}
	if best >= 0 {
		all[best].Best = true
	}
	return all, nil
}

// names says what the shop calls the things that offers name by an id.
var names = coupon.FinePrintOptions{Name: func(what, id string) string {
	switch what {
	case "product":
		if p, exists := findProduct(id); exists {
			return p.Name
		}
	case "seller":
		return sellers[id].Name
	}
	return ""
}}

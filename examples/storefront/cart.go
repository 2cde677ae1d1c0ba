package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// cartLine is some units of one product in a cart.
type cartLine struct {
	product
	Quantity int64
}

// choice is what the shopper wants applied to a cart: coupons from the wallet, codes,
// or whatever takes most off.
type choice struct {
	Coupons []string `json:"coupons,omitempty"`
	Codes   []string `json:"codes,omitempty"`
	Best    bool     `json:"best,omitempty"`
}

const (
	mostUnits = 99 // of one product
	mostCodes = 5
)

func (s *shop) newCart(ctx context.Context) (string, error) {
	id := "k-" + randomToken()[:16]
	_, err := s.db.ExecContext(ctx, s.q(`INSERT INTO shop_carts (id) VALUES (?)`), id)
	return id, err
}

func (s *shop) cartLines(ctx context.Context, db querier, cart string) ([]cartLine, error) {
	return rows(ctx, db, func(r *sql.Rows, l *cartLine) error {
		var id string
		if err := r.Scan(&id, &l.Quantity); err != nil {
			return err
		}
		found, exists := findProduct(id)
		if !exists {
			return fmt.Errorf("the cart has a product that is no longer sold: %q", id)
		}
		l.product = found
		return nil
	}, s.q(`SELECT product, quantity FROM shop_cart_lines WHERE cart = ? ORDER BY product`), cart)
}

// put sets how many units of a product are in a cart; 0 takes it out.
func (s *shop) put(ctx context.Context, cart, product string, quantity int64, add bool) error {
	if _, exists := findProduct(product); !exists {
		return fmt.Errorf("there is no product %q", product)
	}
	return s.store.InTx(ctx, func(tx *sql.Tx, _ *sqlstore.Store) error {
		var before int64
		err := tx.QueryRowContext(ctx, s.q(`SELECT quantity FROM shop_cart_lines WHERE cart = ? AND product = ?`), cart, product).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if add {
			quantity += before
		}
		quantity = min(quantity, mostUnits)
		if before != 0 {
			if _, err := tx.ExecContext(ctx, s.q(`DELETE FROM shop_cart_lines WHERE cart = ? AND product = ?`), cart, product); err != nil {
				return err
			}
		}
		if quantity < 1 {
			return nil
		}
		_, err = tx.ExecContext(ctx, s.q(`INSERT INTO shop_cart_lines (cart, product, quantity) VALUES (?, ?, ?)`), cart, product, quantity)
		return err
	})
}

func (s *shop) choiceOf(ctx context.Context, db querier, cart string) (c choice, err error) {
	var text string
	err = db.QueryRowContext(ctx, s.q(`SELECT choice FROM shop_carts WHERE id = ?`), cart).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(text), &c)
}

func (s *shop) choose(ctx context.Context, cart string, change func(*choice)) error {
	c, err := s.choiceOf(ctx, s.db, cart)
	if err != nil {
		return err
	}
	change(&c)
	if len(c.Codes) > mostCodes {
		c.Codes = c.Codes[len(c.Codes)-mostCodes:]
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, s.q(`UPDATE shop_carts SET choice = ? WHERE id = ?`), string(text), cart)
	return err
}

// describe makes vouch's cart of the shop's lines: this is all the translation that a
// shop needs.
func (s *shop) describe(ctx context.Context, db querier, who customer, lines []cartLine) (coupon.Cart, error) {
	cart := coupon.Cart{Currency: eur, Country: "DE", Channel: "web"}
	for _, l := range lines {
		cart.Lines = append(cart.Lines, coupon.Line{
			ID: l.ID, Product: l.ID, Seller: l.Seller, Categories: []string{l.Category},
			Quantity: l.Quantity, UnitPrice: l.Price, OnSale: l.OnSale,
		})
		if !slices.ContainsFunc(cart.Shipping, func(d coupon.Shipping) bool { return d.ID == l.Seller }) {
			cart.Shipping = append(cart.Shipping, coupon.Shipping{ID: l.Seller, Seller: l.Seller, Price: shippingPrices[l.Seller]})
		}
	}
	if who.ID == "" {
		return cart, nil
	}
	orders, err := s.ordersOf(ctx, db, who.ID)
	cart.Customer = coupon.Customer{Key: who.ID, Orders: orders}
	return cart, err
}

// quote prices a cart with what the shopper chose. It is nil for an empty cart.
func (s *shop) quote(ctx context.Context, who customer, cart string) (*coupon.Quote, error) {
	lines, err := s.cartLines(ctx, s.db, cart)
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	described, err := s.describe(ctx, s.db, who, lines)
	if err != nil {
		return nil, err
	}
	c, err := s.choiceOf(ctx, s.db, cart)
	if err != nil {
		return nil, err
	}
	wanted := coupon.Choice{Coupons: c.Coupons, Codes: c.Codes, Best: c.Best}
	return s.coupons.Quote(ctx, described, wanted.For(orderID(cart)), s.now())
}

// orderID is the id of the order that a cart becomes: one cart is one order, however
// often the button is pressed and in however many windows.
func orderID(cart string) string { return "o-" + cart[len("k-"):] }

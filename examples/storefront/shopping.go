package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/coupon"
)

func (t *site) home(q *request) error {
	type shelf struct {
		Seller   seller
		Products []product
	}
	var shelves []shelf
	for _, p := range products {
		s := sellers[p.Seller]
		if len(shelves) == 0 || shelves[len(shelves)-1].Seller != s {
			shelves = append(shelves, shelf{Seller: s})
		}
		last := &shelves[len(shelves)-1]
		last.Products = append(last.Products, p)
	}
	return t.show(q, 200, "home", "Kiosk, a market of small makers", shelves)
}

func (t *site) product(q *request) error {
	p, exists := findProduct(q.PathValue("id"))
	if !exists {
		return errNotFound
	}
	return t.show(q, 200, "product", p.Name, p)
}

func (t *site) putInCart(q *request) error {
	quantity, err := strconv.ParseInt(q.PostFormValue("quantity"), 10, 32)
	if err != nil || quantity < 0 {
		return t.back(q, "/cart", "Please say how many, as a number.")
	}
	if _, exists := findProduct(q.PostFormValue("product")); !exists {
		return errNotFound
	}
	cart, err := t.cartOf(q.Context(), q.visit)
	if err != nil {
		return err
	}
	if err := t.put(q.Context(), cart, q.PostFormValue("product"), quantity, q.PostFormValue("add") != ""); err != nil {
		return err
	}
	return t.back(q, "/cart", "")
}

// cartPage is a cart with its price, line by line.
type cartPage struct {
	Lines   []pricedLine
	Quote   *coupon.Quote
	Offers  []pricedOffer
	Refused []string // for the shopper
	Missing string   // what would bring the next offer
	Wallet  []saving
	Choice  choice
}

// pricedOffer is an offer that applies to a cart.
type pricedOffer struct {
	coupon.Applied
	Less []string // for the shopper: why it takes off less than it says
}

// pricedLine is a line of a cart or an order with what came off it.
type pricedLine struct {
	cartLine
	Priced  coupon.QuoteLine
	Off     []coupon.Applied // by which offer, and how much of this line
	Without []string         // offers that pass it over because its seller takes no part
}

func (t *site) cart(q *request) error {
	page, err := t.cartPage(q)
	if err != nil {
		return err
	}
	return t.show(q, 200, "cart", "Your cart", page)
}

func (t *site) cartPage(q *request) (page cartPage, err error) {
	ctx, v := q.Context(), q.visit
	lines, err := t.cartLines(ctx, t.db, v.cart)
	if err != nil || len(lines) == 0 {
		return page, err
	}
	if page.Choice, err = t.choiceOf(ctx, t.db, v.cart); err != nil {
		return page, err
	}
	if page.Quote, err = t.quote(ctx, v.who, v.cart); err != nil {
		return page, err
	}
	offers := page.Quote.Applied()
	for i, l := range page.Quote.Lines() {
		page.Lines = append(page.Lines, priced(lines[i], l, offers))
	}
	tag := t.language(q)
	for _, a := range offers {
		page.Offers = append(page.Offers, pricedOffer{Applied: a})
	}
	for _, l := range page.Quote.Lowered() {
		for _, by := range l.By {
			page.Offers[l.Applied].Less = append(page.Offers[l.Applied].Less, by.In(tag))
		}
	}
	for _, r := range page.Quote.Refused() {
		if r.Code != "" || r.Coupon != "" {
			page.Refused = append(page.Refused, r.In(tag))
		}
	}
	if missing := page.Quote.Missing(); missing != nil && missing.Code == "" && missing.Coupon == "" {
		page.Missing = missing.In(tag)
	}
	if v.who.ID != "" {
		page.Wallet, err = t.savings(ctx, v.who, v.cart, tag)
	}
	return page, err
}

func priced(l cartLine, quoted coupon.QuoteLine, offers []coupon.Applied) pricedLine {
	p := pricedLine{cartLine: l, Priced: quoted}
	for _, off := range quoted.Off {
		applied := offers[off.Applied]
		applied.Amount = off.Amount
		p.Off = append(p.Off, applied)
	}
	for _, left := range quoted.LeftOut {
		if left.Reason == coupon.ReasonSeller {
			p.Without = append(p.Without, left.Name)
		}
	}
	return p
}

// chooseCoupons keeps what the shopper ticked or typed. A code that no quote knows is
// answered, and not kept: it would be tried again with every look at the cart.
func (t *site) chooseCoupons(q *request) error {
	ctx := q.Context()
	cart, err := t.cartOf(ctx, q.visit)
	if err != nil {
		return err
	}
	typed := strings.TrimSpace(q.PostFormValue("code"))
	if len(typed) > 100 {
		return t.back(q, "/cart", "This is too long for a code.")
	}
	drop := q.PostFormValue("drop")
	err = t.choose(ctx, cart, func(c *choice) {
		switch {
		case typed != "":
			c.Codes = append(c.Codes, typed)
		case drop != "":
			c.Codes = slices.DeleteFunc(c.Codes, func(code string) bool { return code == drop })
		default:
			_ = q.ParseForm() // it was parsed for the token
			c.Coupons, c.Best = q.PostForm["coupon"], q.PostFormValue("best") != ""
		}
	})
	if err != nil || typed == "" {
		return errors.Join(err, t.back(q, "/cart#coupons", ""))
	}
	quote, err := t.quote(ctx, q.visit.who, cart)
	notice := ""
	switch {
	case err == nil && quote == nil:
		notice = "Put something into the cart first."
	case err == nil:
		i := slices.IndexFunc(quote.Refused(), func(r *coupon.Refusal) bool { return r.Code == typed })
		if i < 0 {
			return t.back(q, "/cart#coupons", "")
		}
		notice = quote.Refused()[i].In(t.language(q))
		if reason := quote.Refused()[i].Reason; reason != coupon.ReasonUnknown && reason != coupon.ReasonMistyped && reason != coupon.ReasonNotACode {
			return t.back(q, "/cart#coupons", "") // the cart says it, until it is dropped
		}
	}
	forget := t.choose(ctx, cart, func(c *choice) {
		c.Codes = slices.DeleteFunc(c.Codes, func(code string) bool { return code == typed })
	})
	if err = errors.Join(err, forget); err != nil {
		return err
	}
	return t.back(q, "/cart#coupons", notice)
}

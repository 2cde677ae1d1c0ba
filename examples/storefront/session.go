package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"time"
)

// session is one browser's visit. Anonymous ones that have done nothing yet have no
// row: looking costs no writing.
type session struct {
	token   string // the cookie's value; its hash is the row's id
	kept    bool   // there is a row
	who     customer
	visitor string // whoever it is, for links they followed
	cart    string // empty: none yet
	notice  string // to be said on the next page
}

const (
	sessionLife = 60 * 24 * time.Hour
	cookieName  = "kiosk"
)

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// formToken goes into every form, and comes back with it: a page of another site does
// not know it.
func (s *shop) formToken(token string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("form/" + token))
	return hex.EncodeToString(mac.Sum(nil))
}

// session reads the visit that a request belongs to, or begins one.
func (t *site) session(w http.ResponseWriter, r *http.Request) (*session, error) {
	if cookie, err := r.Cookie(cookieName); err == nil && len(cookie.Value) == 64 {
		v := &session{token: cookie.Value}
		err := t.readSession(r.Context(), v)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			return v, nil
		}
		return nil, err
	}
	v := &session{token: randomToken()}
	t.setCookie(w, v.token)
	return v, nil
}

func (t *site) setCookie(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, Secure: t.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (t *site) readSession(ctx context.Context, v *session) error {
	var who string
	var expires int64
	err := t.db.QueryRowContext(ctx, t.q(`SELECT customer, visitor, cart, notice, expires FROM shop_sessions WHERE id = ?`), hashed(v.token)).
		Scan(&who, &v.visitor, &v.cart, &v.notice, &expires)
	if err != nil {
		return err
	}
	v.kept = true
	if time.Now().UnixMicro() >= expires {
		who = "" // signed out; the cart stays
	}
	if who != "" {
		if v.who, _, err = t.findCustomer(ctx, "id", who); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// keep makes a row of the visit, now that there is something to remember.
func (t *site) keep(ctx context.Context, v *session) error {
	if v.kept {
		return nil
	}
	v.visitor = "v-" + randomToken()[:32]
	_, err := t.db.ExecContext(ctx, t.q(`INSERT INTO shop_sessions (id, visitor, expires) VALUES (?, ?, ?)`),
		hashed(v.token), v.visitor, time.Now().Add(sessionLife).UnixMicro())
	if err != nil { // two first requests of one browser
		return t.readSession(ctx, v)
	}
	v.kept = true
	return nil
}

// cartOf gives the visit's cart, and makes one the first time.
func (t *site) cartOf(ctx context.Context, v *session) (string, error) {
	if v.cart != "" {
		return v.cart, nil
	}
	if err := t.keep(ctx, v); err != nil {
		return "", err
	}
	cart, err := t.newCart(ctx)
	if err != nil {
		return "", err
	}
	v.cart = cart
	_, err = t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET cart = ? WHERE id = ?`), cart, hashed(v.token))
	return cart, err
}

// leaveCart ends the visit's cart, once it is an order that is paid or given up.
func (t *site) leaveCart(ctx context.Context, v *session, cart string) error {
	_, err := t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET cart = '' WHERE id = ? AND cart = ?`), hashed(v.token), cart)
	return err
}

// renewCart puts what a canceled order was made of into a new cart: the old one has
// become that order.
func (t *site) renewCart(ctx context.Context, v *session, old string) error {
	cart, err := t.newCart(ctx)
	if err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, t.q(`UPDATE shop_cart_lines SET cart = ? WHERE cart = ?`), cart, old)
	_, err2 := t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET cart = ? WHERE id = ? AND cart = ?`), cart, hashed(v.token), old)
	return errors.Join(err, err2)
}

// say keeps something for the next page.
func (t *site) say(ctx context.Context, v *session, text string) error {
	if err := t.keep(ctx, v); err != nil {
		return err
	}
	if len(text) > 480 {
		text = text[:480]
	}
	_, err := t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET notice = ? WHERE id = ?`), text, hashed(v.token))
	return err
}

func (t *site) heard(ctx context.Context, v *session) error {
	if v.notice == "" {
		return nil
	}
	_, err := t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET notice = '' WHERE id = ?`), hashed(v.token))
	return err
}

// enter signs a customer in: under a new token, so that one that was planted before is
// worth nothing.
func (t *site) enter(ctx context.Context, w http.ResponseWriter, v *session, who customer) error {
	if err := t.keep(ctx, v); err != nil {
		return err
	}
	token := randomToken()
	_, err := t.db.ExecContext(ctx, t.q(`UPDATE shop_sessions SET id = ?, customer = ?, expires = ? WHERE id = ?`),
		hashed(token), who.ID, time.Now().Add(sessionLife).UnixMicro(), hashed(v.token))
	if err != nil {
		return err
	}
	v.token, v.who = token, who
	t.setCookie(w, token)
	return nil
}

// leave signs out: the visit is forgotten.
func (t *site) leave(ctx context.Context, w http.ResponseWriter, v *session) error {
	_, err := t.db.ExecContext(ctx, t.q(`DELETE FROM shop_sessions WHERE id = ?`), hashed(v.token))
	if err != nil {
		return err
	}
	v.token = randomToken()
	t.setCookie(w, v.token)
	return nil
}

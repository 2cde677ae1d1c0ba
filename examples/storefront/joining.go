package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

// invited is where a personal link leads: it is remembered that somebody followed it.
func (t *site) invited(q *request) error {
	if q.URL.Query().Get("from") == "link" { // remembered already
		terms, err := t.referrals.Program(q.Context(), program, 0)
		if err != nil {
			return err
		}
		sentences, err := t.terms(q, terms)
		if err != nil {
			return err
		}
		return t.show(q, 200, "invited", "You are invited", sentences)
	}
	if err := t.keep(q.Context(), q.visit); err != nil {
		return err
	}
	code := q.URL.Query().Get("code")
	touch := referral.TouchRequest{ID: hashed(code + q.visit.visitor)[:24], Visitor: q.visit.visitor, Code: code}
	link, err := t.referrals.Touch(q.Context(), touch, t.now())
	switch {
	case errors.Is(err, referral.ErrNoLink), errors.Is(err, coupon.ErrMistyped), errors.Is(err, coupon.ErrCode), errors.Is(err, referral.ErrRequest):
		return t.back(q, "/", "This link is not one of ours any more. Ask your friend for a new one.")
	case err != nil:
		return err
	case link.Customer == q.visit.who.ID:
		return t.back(q, "/account", "This is your own link: send it to your friends.")
	case q.visit.who.ID != "":
		return t.back(q, "/", "You have an account already, and invitations are for new customers.")
	}
	return t.back(q, "/invite?from=link", "")
}

// registerPage is the form, filled as it was sent.
type registerPage struct {
	registration
	Faults map[string]string
}

func (t *site) registerForm(q *request) error {
	return t.show(q, 200, "register", "Open an account", registerPage{})
}

func (t *site) registerPost(q *request) error {
	ctx := q.Context()
	page := registerPage{registration: registration{
		Name: strings.TrimSpace(q.PostFormValue("name")), Email: strings.TrimSpace(q.PostFormValue("email")),
		Password: q.PostFormValue("password"), Code: strings.TrimSpace(q.PostFormValue("code")),
	}}
	page.Faults = page.faults()
	if len(page.Faults) > 0 {
		return t.show(q, 422, "register", "Open an account", page)
	}
	if err := t.keep(ctx, q.visit); err != nil {
		return err
	}
	who, outcome, err := t.register(ctx, page.registration, q.visit.visitor)
	switch {
	case errors.Is(err, coupon.ErrMistyped), errors.Is(err, coupon.ErrCode):
		page.Faults["code"] = "There is a typing mistake in this code."
	case errors.Is(err, errTaken):
		page.Faults["email"] = "There is an account with this e-mail address. Sign in instead."
	case err != nil:
		return err
	}
	if len(page.Faults) > 0 {
		return t.show(q, 422, "register", "Open an account", page)
	}
	if err := t.enter(ctx, q.w, q.visit, who); err != nil {
		return err
	}
	return t.back(q, "/account/coupons", welcome(who, outcome))
}

// welcome says what registering has brought, or why it did not.
func welcome(who customer, outcome referral.Outcome) string {
	coupons := 0
	for _, r := range outcome.Rewards {
		if r.Customer == who.ID {
			coupons += len(r.Coupons)
		}
	}
	switch {
	case outcome.Bound && coupons > 0:
		return fmt.Sprintf("Welcome, %s! Your friend's invitation has brought you %d coupons.", who.Name, coupons)
	case outcome.Reason.Shopper() != "":
		return fmt.Sprintf("Welcome, %s! %s", who.Name, outcome.Reason.Shopper())
	}
	return fmt.Sprintf("Welcome, %s!", who.Name)
}

// signInPage is the form, with where to go afterwards.
type signInPage struct {
	Email, Next string
	Failed      bool
}

func (t *site) signInForm(q *request) error {
	return t.show(q, 200, "sign-in", "Sign in", signInPage{Next: q.URL.Query().Get("next")})
}

func (t *site) signInPost(q *request) error {
	ctx := q.Context()
	if wait := t.limiter.wait(ctx, time.Now()); wait > 0 {
		return coupon.ErrTooManyTries
	}
	page := signInPage{Email: strings.TrimSpace(q.PostFormValue("email")), Next: q.PostFormValue("next")}
	who, err := t.signIn(ctx, page.Email, q.PostFormValue("password"))
	if errors.Is(err, errPassword) {
		t.limiter.failed(ctx, 1, time.Now())
		page.Failed = true
		return t.show(q, 422, "sign-in", "Sign in", page)
	}
	if err != nil {
		return err
	}
	if err := t.enter(ctx, q.w, q.visit, who); err != nil {
		return err
	}
	next, err := referral.ParseRedirect(page.Next)
	if err != nil {
		return t.back(q, "/account", "")
	}
	return t.back(q, next.String(), "")
}

func (t *site) signOutPost(q *request) error {
	if err := t.leave(q.Context(), q.w, q.visit); err != nil {
		return err
	}
	http.Redirect(q.w, q.Request, "/", http.StatusSeeOther)
	return nil
}

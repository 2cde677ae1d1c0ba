package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// customer is somebody with an account.
type customer struct {
	ID, Email, Name string
	Staff           bool
}

// registration is what the form asks for.
type registration struct {
	Name, Email, Password, Code string
}

// faults lists what is wrong with the form, by field.
func (r *registration) faults() map[string]string {
	wrong := make(map[string]string)
	if n := len([]rune(r.Name)); n == 0 || n > 40 {
		wrong["name"] = "Please say what to call you, in at most 40 letters."
	}
	if !plausibleEmail(r.Email) {
		wrong["email"] = "This does not look like an e-mail address. Only plain letters, please."
	}
	if n := len(r.Password); n < 8 || n > 200 {
		wrong["password"] = "A password has at least 8 characters."
	}
	return wrong
}

// plausibleEmail asks for ASCII, so that no two addresses look the same, and fold to
// one another, in a mailer's eyes only.
func plausibleEmail(email string) bool {
	local, domain, found := strings.Cut(email, "@")
	if !found || local == "" || len(email) > 180 || !strings.Contains(domain, ".") || strings.Contains(domain, "@") {
		return false
	}
	for _, c := range []byte(email) {
		if c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == ',' {
			return false
		}
	}
	return true
}

var (
	errTaken    = errors.New("there is an account with this e-mail address already")
	errPassword = errors.New("the e-mail address or the password is not right")
)

// register opens an account and binds the customer to whoever invited them, in one
// transaction: there is never the one without the other.
func (s *shop) register(ctx context.Context, r registration, visitor string) (customer, referral.Outcome, error) {
	now := s.now()
	c := customer{ID: "c-" + randomToken()[:16], Email: strings.ToLower(r.Email), Name: r.Name}
	if _, _, err := s.findCustomer(ctx, "email", c.Email); err == nil {
		return customer{}, referral.Outcome{}, errTaken
	}
	var outcome referral.Outcome
	err := s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) (err error) {
		if err := s.insertCustomer(ctx, tx, c, r.Password, now); err != nil {
			return err
		}
		outcome, err = s.referrals.In(store).Register(ctx, referral.Registration{Customer: c.ID, Visitor: visitor, Code: r.Code}, now)
		return err
	})
	if err != nil {
		if _, _, taken := s.findCustomer(ctx, "email", c.Email); taken == nil {
			return customer{}, referral.Outcome{}, errTaken // by another form that was sent at the same time
		}
	}
	return c, outcome, err
}

func (s *shop) insertCustomer(ctx context.Context, db querier, c customer, password string, now time.Time) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	staff := 0
	if c.Staff {
		staff = 1
	}
	_, err = db.ExecContext(ctx, s.q(`INSERT INTO shop_customers (id, email, name, password, staff, joined) VALUES (?, ?, ?, ?, ?, ?)`),
		c.ID, c.Email, c.Name, hash, staff, now.UnixMicro())
	return err
}

// findCustomer finds one by id or e-mail, with the hash of the password.
func (s *shop) findCustomer(ctx context.Context, by, value string) (c customer, hash string, err error) {
	column := "id"
	if by == "email" {
		column = "email"
	}
	staff := 0
	err = s.db.QueryRowContext(ctx, s.q(`SELECT id, email, name, password, staff FROM shop_customers WHERE `+column+` = ?`), value).
		Scan(&c.ID, &c.Email, &c.Name, &hash, &staff)
	c.Staff = staff != 0
	return c, hash, err
}

// signIn checks a password. It takes as long for an address that has no account.
func (s *shop) signIn(ctx context.Context, email, password string) (customer, error) {
	c, hash, err := s.findCustomer(ctx, "email", strings.ToLower(email))
	if errors.Is(err, sql.ErrNoRows) {
		hash = "00$00"
	} else if err != nil {
		return customer{}, err
	}
	if !passwordMatches(hash, password) || c.ID == "" {
		return customer{}, errPassword
	}
	return c, nil
}

const passwordRounds = 600_000 // of PBKDF2 with SHA-256, as OWASP's password storage cheat sheet asks for

func hashPassword(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, password, salt, passwordRounds, 32)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x$%x", salt, key), nil
}

func passwordMatches(hash, password string) bool {
	salt, want, _ := strings.Cut(hash, "$")
	s, err := hex.DecodeString(salt)
	if err != nil {
		return false
	}
	key, err := pbkdf2.Key(sha256.New, password, s, passwordRounds, 32)
	return err == nil && subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(want)) == 1
}

// ordersOf counts what a customer has bought and paid, for offers to new customers.
func (s *shop) ordersOf(ctx context.Context, db querier, id string) (n int64, err error) {
	err = db.QueryRowContext(ctx, s.q(`SELECT count(*) FROM shop_orders WHERE customer = ? AND state <> 'awaiting' AND state <> 'canceled'`), id).Scan(&n)
	return n, err
}

// walletOf gives the coupons a customer holds: those that can still be used, or those that can not any more.
func (s *shop) walletOf(ctx context.Context, id string, past bool) ([]coupon.Coupon, error) {
	page, err := s.coupons.Wallet(ctx, id, coupon.WalletQuery{Past: past}, s.now())
	return page.Coupons, err
}

// A shop on database/sql that adds coupons to the transaction of its orders: the order
// and the use of its coupon are there together or not at all.
//
//	go run ./examples/sqlshop
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	folder, err := os.MkdirTemp("", "vouch-sqlshop-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = run(context.Background(), filepath.Join(folder, "shop.db"), os.Stdout, time.Now())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sqlshop:", err)
		os.Exit(1)
	}
}

// errDeclined stands for whatever goes wrong in a shop after the coupon was redeemed.
var errDeclined = errors.New("the card was declined")

// shop is the shop as it was, with two members more.
type shop struct {
	db      *sql.DB
	store   *sqlstore.Store
	coupons *coupon.Service
}

func run(ctx context.Context, path string, out io.Writer, now time.Time) error {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := open(ctx, db, now)
	if err != nil {
		return err
	}
	for _, o := range []struct {
		id      string
		verdict error // of the payment
	}{{"o-1", nil}, {"o-2", errDeclined}, {"o-3", nil}, {"o-4", nil}} {
		quote, err := s.order(ctx, o.id, o.verdict, now)
		if err != nil {
			fmt.Fprintf(out, "%s: rolled back: %v\n", o.id, err)
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", o.id, quote.Total)
		for _, refused := range quote.Refused() {
			fmt.Fprintf(out, "     %s\n", refused.Shopper())
		}
	}
	return s.report(ctx, out)
}

// open adds the library's tables and views to the shop's database, and a code that
// two customers may use.
func open(ctx context.Context, db *sql.DB, now time.Time) (*shop, error) {
	if _, err := db.ExecContext(ctx, "CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER NOT NULL)"); err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx, coupon.Views()...); err != nil {
		return nil, err
	}
	coupons := coupon.New(store, coupon.Options{})
	offer := coupon.Offer{
		ID: "early", Name: "10 % for the first two", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Uses: 2}},
	}
	if _, err := coupons.Publish(ctx, offer, "staff", now); err != nil {
		return nil, err
	}
	_, err = coupons.Issue(ctx, coupon.IssueRequest{ID: "early", Offers: []coupon.IssueOffer{{Offer: "early", Code: "EARLY"}}}, now)
	return &shop{db, store, coupons}, err
}

// order quotes before the transaction and redeems in it, last. InTx runs all of it
// again when the database asks.
func (s *shop) order(ctx context.Context, id string, verdict error, now time.Time) (*coupon.Quote, error) {
	eur := ledger.MustCurrency("EUR")
	cart := coupon.Cart{Currency: eur, Lines: []coupon.Line{
		{ID: "1", Product: "teapot", Quantity: 2, UnitPrice: ledger.MustMoney("19.99", eur)},
	}}
	quote, err := s.coupons.Quote(ctx, cart, coupon.Choose("early"), now)
	if err != nil {
		return nil, err
	}
	return quote, s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id, total) VALUES (?, ?)", id, quote.Total.Minor()); err != nil {
			return err
		}
		if _, err := s.coupons.In(store).Redeem(ctx, id, quote, now); err != nil {
			return err
		}
		return verdict
	})
}

// report joins the shop's table with a view.
func (s *shop) report(ctx context.Context, out io.Writer) error {
	rows, err := s.db.QueryContext(ctx, `SELECT o.id, o.total, r.discount FROM orders o JOIN vouch_redemptions r ON r.order_id = o.id ORDER BY o.id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var total, discount int64
		if err := rows.Scan(&id, &total, &discount); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s  total %d  discount %d\n", id, total, discount)
	}
	return rows.Err()
}

// A store of one's own: vouch on a file of bbolt, in less than 200 lines that pass
// the conformance suite.
//
//	go run ./examples/boltstore shop.bolt
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "boltstore: which file? for example: go run ./examples/boltstore shop.bolt")
		os.Exit(2)
	}
	path := os.Args[1]
	if err := run(context.Background(), path, os.Stdout, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "boltstore:", err)
		os.Exit(1)
	}
}

// run opens the file and sells with a code that three may use. Run again, it goes on
// where the file is: nobody may any more.
func run(ctx context.Context, path string, out io.Writer, now time.Time) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := Open(db)
	if err != nil {
		return err
	}
	coupons, eur := coupon.New(store, coupon.Options{}), ledger.MustCurrency("EUR")
	offer := coupon.Offer{
		ID: "early", Name: "10 % for the first three", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Uses: 3}},
	}
	if _, err := coupons.Publish(ctx, offer, "staff", now); err != nil {
		return err
	}
	request := coupon.IssueRequest{ID: "early", Offers: []coupon.IssueOffer{{Offer: "early", Version: 1, Code: "EARLY"}}}
	if _, err := coupons.Issue(ctx, request, now); err != nil {
		return err
	}
	for _, customer := range []string{"ada", "ben", "cleo", "dan"} {
		cart := coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: customer}, Lines: []coupon.Line{
			{ID: "1", Product: "teapot", Quantity: 1, UnitPrice: ledger.MustMoney("19.99", eur)},
		}}
		quote, err := coupons.Quote(ctx, cart, coupon.Choose("early"), now)
		if err != nil {
			return err
		}
		if _, err := coupons.Redeem(ctx, fmt.Sprintf("%s-%d", customer, now.UnixMicro()), quote, now); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s pays %s\n", customer, quote.Total)
		for _, refused := range quote.Refused() {
			fmt.Fprintf(out, "  %s\n", refused.Shopper())
		}
	}
	return db.View(func(tx *bbolt.Tx) error {
		for _, bucket := range [][]byte{docs, positions, counters} {
			fmt.Fprintf(out, "%-9s %d keys\n", bucket, tx.Bucket(bucket).Stats().KeyN)
		}
		return nil
	})
}

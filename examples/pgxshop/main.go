// A shop on pgx that adds coupons to the transaction of its orders, on the pool that
// it has: pgx's own interface, no database/sql in sight of the order.
//
//	go run ./examples/pgxshop postgres://postgres@127.0.0.1:5432/test
//
// It works in a schema of its own, which it drops at the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "pgxshop: which database? for example: go run ./examples/pgxshop postgres://postgres@127.0.0.1:5432/test")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Stdout, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "pgxshop:", err)
		os.Exit(1)
	}
}

var errDeclined = errors.New("the card was declined")

func run(ctx context.Context, url string, out io.Writer, now time.Time) (err error) {
	pool, drop, err := openSchema(ctx, url, fmt.Sprintf("vouch_pgxshop_%d", os.Getpid()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if _, err := pool.Exec(ctx, "CREATE TABLE orders (id text PRIMARY KEY, total bigint NOT NULL)"); err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool) // for what the store does by itself: the same connections
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx, coupon.Views()...); err != nil {
		return err
	}
	s := shop{pool, store, coupon.New(store, coupon.Options{})}
	if err := s.offer(ctx, now); err != nil {
		return err
	}
	for _, o := range []struct {
		id      string
		verdict error // of the payment
	}{{"o-1", nil}, {"o-2", errDeclined}, {"o-3", nil}} {
		quote, err := s.order(ctx, o.id, o.verdict, now)
		if err != nil {
			fmt.Fprintf(out, "%s: rolled back: %v\n", o.id, err)
			continue
		}
		fmt.Fprintf(out, "%s: %s off, %s to pay\n", o.id, quote.Discount, quote.Total)
	}
	rows, err := pool.Query(ctx, "SELECT o.id, o.total, r.discount FROM orders o JOIN vouch_redemptions r ON r.order_id = o.id ORDER BY o.id")
	if err != nil {
		return err
	}
	var id string
	var total, discount int64
	_, err = pgx.ForEachRow(rows, []any{&id, &total, &discount}, func() error {
		fmt.Fprintf(out, "%s  total %d  discount %d\n", id, total, discount)
		return nil
	})
	return err
}

type shop struct {
	pool    *pgxpool.Pool
	store   *sqlstore.Store
	coupons *coupon.Service
}

func (s shop) offer(ctx context.Context, now time.Time) error {
	offer := coupon.Offer{ID: "ten", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}}
	if _, err := s.coupons.Publish(ctx, offer, "staff", now); err != nil {
		return err
	}
	_, err := s.coupons.Issue(ctx, coupon.IssueRequest{ID: "ten", Offers: []coupon.IssueOffer{{Offer: "ten", Code: "TEN"}}}, now)
	return err
}

// order is the shop's own transaction, which pgx.BeginFunc commits or rolls back.
func (s shop) order(ctx context.Context, id string, verdict error, now time.Time) (*coupon.Quote, error) {
	eur := ledger.MustCurrency("EUR")
	cart := coupon.Cart{Currency: eur, Lines: []coupon.Line{{ID: "1", Product: "teapot", Quantity: 2, UnitPrice: ledger.MustMoney("19.99", eur)}}}
	quote, err := s.coupons.Quote(ctx, cart, coupon.Choose("ten"), now)
	if err != nil {
		return nil, err
	}
	return quote, pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO orders (id, total) VALUES ($1, $2)", id, quote.Total.Minor()); err != nil {
			return err
		}
		store, err := sqlstore.WithinPgx(s.store, tx)
		if err != nil {
			return err
		}
		if _, err := s.coupons.In(store).Redeem(ctx, id, quote, now); err != nil {
			return err
		}
		return verdict
	})
}

// openSchema opens a pool whose connections work in a new schema, and says how to drop
// it.
func openSchema(ctx context.Context, url, schema string) (*pgxpool.Pool, func() error, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, nil, err
	}
	config.ConnConfig.RuntimeParams["search_path"] = schema
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		pool.Close()
		return nil, nil, err
	}
	return pool, func() error {
		defer pool.Close()
		_, err := pool.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
		return err
	}, nil
}

// A shop on GORM that adds coupons to the transaction of its orders: five lines in the
// closure that it had already.
//
//	go run ./examples/gormshop
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	folder, err := os.MkdirTemp("", "vouch-gormshop-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = run(context.Background(), filepath.Join(folder, "shop.db"), os.Stdout, time.Now())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gormshop:", err)
		os.Exit(1)
	}
}

// Order is the shop's model, with its lines.
type Order struct {
	ID       string
	Customer string
	Total    int64 // cents
	Lines    []OrderLine
}

// OrderLine is a line of an order.
type OrderLine struct {
	ID       uint
	OrderID  string
	Product  string
	Quantity int
}

var errOutOfStock = errors.New("the kite is out of stock")

func run(ctx context.Context, path string, out io.Writer, now time.Time) error {
	db, err := gorm.Open(gormsqlite.New(gormsqlite.Config{DriverName: "sqlite", DSN: sqlstore.SQLiteDSN(path)}), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := db.AutoMigrate(&Order{}, &OrderLine{}); err != nil {
		return err
	}
	store, err := sqlstore.New(pool, sqlstore.SQLite, sqlstore.Options{}) // on GORM's own pool
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx, coupon.Views()...); err != nil {
		return err
	}
	s := shop{db, store, coupon.New(store, coupon.Options{})}
	if err := s.offer(ctx, now); err != nil {
		return err
	}
	for _, product := range []string{"teapot", "kite", "lamp"} {
		quote, err := s.order(ctx, "order-"+product, product, now)
		if err != nil {
			fmt.Fprintf(out, "order-%s: rolled back: %v\n", product, err)
			continue
		}
		fmt.Fprintf(out, "order-%s: %s off, %s to pay\n", product, quote.Discount, quote.Total)
	}
	var rows []struct {
		ID              string
		Total, Discount int64
	}
	if err := db.Table("orders").Select("orders.id, orders.total, r.discount").
		Joins("JOIN vouch_redemptions r ON r.order_id = orders.id").Order("orders.id").Scan(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		fmt.Fprintf(out, "%-13s total %d  discount %d\n", r.ID, r.Total, r.Discount)
	}
	return nil
}

type shop struct {
	db      *gorm.DB
	store   *sqlstore.Store
	coupons *coupon.Service
}

func (s shop) offer(ctx context.Context, now time.Time) error {
	offer := coupon.Offer{ID: "autumn", Name: "15 % in autumn", Benefit: coupon.PercentOff{Rate: ledger.MustRate("15")}}
	if _, err := s.coupons.Publish(ctx, offer, "staff", now); err != nil {
		return err
	}
	_, err := s.coupons.Issue(ctx, coupon.IssueRequest{ID: "autumn", Offers: []coupon.IssueOffer{{Offer: "autumn", Code: "AUTUMN"}}}, now)
	return err
}

// order is the shop's own transaction. What is new stands between the lines.
func (s shop) order(ctx context.Context, id, product string, now time.Time) (*coupon.Quote, error) {
	eur := ledger.MustCurrency("EUR")
	cart := coupon.Cart{Currency: eur, Lines: []coupon.Line{{ID: "1", Product: product, Quantity: 1, UnitPrice: ledger.MustMoney("24.90", eur)}}}
	quote, err := s.coupons.Quote(ctx, cart, coupon.Choose("autumn"), now)
	if err != nil {
		return nil, err
	}
	return quote, s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		order := Order{ID: id, Customer: "jane", Total: quote.Total.Minor(), Lines: []OrderLine{{Product: product, Quantity: 1}}}
		if err := tx.Create(&order).Error; err != nil {
			return err
		}
		// ── new ──
		handle, _ := tx.Statement.ConnPool.(sqlstore.Tx) // not tx.DB(), which is the pool
		store, err := s.store.Within(handle)
		if err != nil {
			return err
		}
		if _, err := s.coupons.In(store).Redeem(ctx, id, quote, now); err != nil {
			return err
		}
		// ─────────
		if product == "kite" {
			return errOutOfStock
		}
		return nil
	})
}

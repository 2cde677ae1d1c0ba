// The whole story on one SQLite file: Jane invites ten friends, they register and
// buy, and everybody gets what the program promises.
//
//	go run ./examples/quickstart            in a temporary file
//	go run ./examples/quickstart shop.db    in a file that stays; run it again and the story goes on
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	path := ""
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(context.Background(), path, os.Stdout, rand.Reader); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run tells the story; random makes the codes.
func run(ctx context.Context, path string, out io.Writer, random io.Reader) (err error) {
	if path == "" {
		folder, err := os.MkdirTemp("", "vouch-quickstart-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		path = filepath.Join(folder, "shop.db")
	}
	shop, err := open(ctx, path, random)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.db.Close()) }()
	return shop.tell(ctx, out)
}

// shop is what a shop holds on to: its database, and the services over it.
type shop struct {
	db        *sql.DB
	store     *sqlstore.Store
	coupons   *coupon.Service
	referrals *referral.Service
	book      *ledger.Book
}

func open(ctx context.Context, path string, random io.Reader) (*shop, error) {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	var views []storage.View
	for _, more := range [][]storage.View{ledger.Views(), coupon.Views(), referral.Views()} {
		views = append(views, more...)
	}
	if err := store.Migrate(ctx, views...); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// The shop's own table, in the same database: orders are written in one
	// transaction with the coupons they redeem.
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, total INTEGER NOT NULL)`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	coupons := coupon.New(store, coupon.Options{Random: random})
	return &shop{
		db: db, store: store, coupons: coupons,
		referrals: referral.New(store, coupons, referral.Options{Random: random}),
		book:      ledger.New(store, ledger.Options{}),
	}, nil
}

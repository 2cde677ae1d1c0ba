package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// A shop writes its order and redeems a coupon in one transaction: both are
// there, or none of them is. The coupon may be used once.
func Example_inTx() {
	ctx := context.Background()
	db, store, closeShop := exampleShop()
	defer closeShop()

	for _, order := range []string{"1001", "1002"} {
		err := store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES (?)", order); err != nil {
				return err
			}
			return store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "coupon/JANE", Delta: 1, Max: 1}}})
		})
		fmt.Println(order, err)
	}
	orders, err := count(db)
	fmt.Println("orders:", orders, err)
	// Output:
	// 1001 <nil>
	// 1002 storage: a counter would leave its bounds: add "coupon/JANE"
	// orders: 1 <nil>
}

// A shop that has its own way of running a transaction binds the store to it. A
// refusal leaves the transaction as it was: here the order is kept without the
// coupon.
func Example_within() {
	ctx := context.Background()
	db, store, closeShop := exampleShop()
	defer closeShop()

	order := func(id string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES (?)", id); err != nil {
			return err
		}
		bound, err := store.Within(tx)
		if err != nil {
			return err
		}
		err = bound.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "coupon/JANE", Delta: 1, Max: 1}}})
		if errors.Is(err, storage.ErrLimit) {
			fmt.Println(id, "without the coupon")
		} else if err != nil {
			return err
		}
		return tx.Commit()
	}
	fmt.Println(order("1001"), order("1002"))
	orders, err := count(db)
	fmt.Println("orders:", orders, err)
	// Output:
	// 1002 without the coupon
	// <nil> <nil>
	// orders: 2 <nil>
}

func count(db *sql.DB) (n int, err error) {
	return n, db.QueryRow("SELECT count(*) FROM orders").Scan(&n)
}

func exampleShop() (*sql.DB, *sqlstore.Store, func()) {
	folder, err := os.MkdirTemp("", "shop")
	fatal(err)
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(folder, "shop.db")))
	fatal(err)
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	fatal(err)
	fatal(store.Migrate(context.Background()))
	_, err = db.Exec("CREATE TABLE orders (id TEXT PRIMARY KEY) STRICT")
	fatal(err)
	return db, store, func() {
		db.Close()
		os.RemoveAll(folder)
	}
}

// Counts for a page of metrics: who came too late for a coupon, and what had to be
// done again.
func Example_counts() {
	ctx := context.Background()
	db, _, closeShop := exampleShop()
	defer closeShop()

	var counts sqlstore.Counts
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{Observe: counts.Observe})
	fatal(err)
	for range 5 {
		err = store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "coupon/JANE", Delta: 1, Max: 2}}})
	}
	fmt.Println(err)
	fmt.Println("refusals:", counts.Refusals.Load(), "retries:", counts.Retries.Load())
	// Output:
	// storage: a counter would leave its bounds: add "coupon/JANE"
	// refusals: 3 retries: 0
}

// What a database endangers, said at start: here by a DSN that is only a path.
func Example_doctor() {
	folder, err := os.MkdirTemp("", "shop")
	fatal(err)
	defer os.RemoveAll(folder)
	db, err := sql.Open("sqlite", filepath.Join(folder, "shop.db"))
	fatal(err)
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	fatal(err)
	findings, err := store.Doctor(context.Background(), time.Now())
	for _, f := range findings {
		fmt.Println(f)
	}
	fmt.Println(err)
	// Output:
	// danger: the migration 0001_documents.up.sql is missing: calls fail, or do what an older release did; call Migrate at start, and check the prefix
	// caution: busy_timeout is 0: a second writer is refused at once, and must try again by itself; put _pragma=busy_timeout(5000) into the DSN
	// note: journal_mode is delete: readers and writers wait for one another; put _pragma=journal_mode(WAL) into the DSN
	// <nil>
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

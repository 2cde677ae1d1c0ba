// From a plain table of coupons with a used_count to offers and codes with limits that
// hold under any load: every coupon keeps its code, its terms and what was used of it.
//
//	go run ./examples/oldcoupons
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	folder, err := os.MkdirTemp("", "vouch-oldcoupons-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = run(context.Background(), filepath.Join(folder, "shop.db"), os.Stdout, time.Now().UTC())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oldcoupons:", err)
		os.Exit(1)
	}
}

// before is what many shops have.
const before = `
CREATE TABLE IF NOT EXISTS coupons (
    code        TEXT PRIMARY KEY,
    percent_off INTEGER,          -- one of these two
    amount_off  INTEGER,          -- cents
    minimum     INTEGER NOT NULL, -- cents; 0: none
    max_uses    INTEGER,          -- NULL: no limit
    used_count  INTEGER NOT NULL,
    expires_at  TEXT              -- RFC 3339; NULL: never
);
INSERT OR IGNORE INTO coupons VALUES
    ('SAVE10',   10,   NULL, 0,    5,    3,    NULL),
    ('FIVER',    NULL, 500,  2000, NULL, 12,   '2027-01-01T00:00:00Z'),
    ('LASTONE',  20,   NULL, 0,    100,  100,  NULL),
    ('OVERSOLD', 50,   NULL, 0,    1000, 1512, NULL),
    ('half off', 50,   NULL, 0,    1,    0,    NULL);`

// old is a row of it.
type old struct {
	code            string
	percent, amount sql.NullInt64
	minimum         int64
	max             sql.NullInt64
	used            int64
	expires         sql.NullString
}

func run(ctx context.Context, path string, out io.Writer, now time.Time) error {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, before); err != nil {
		return err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx, coupon.Views()...); err != nil {
		return err
	}
	rows, err := read(ctx, db)
	if err != nil {
		return err
	}
	coupons := coupon.New(store, coupon.Options{})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CODE\tUSED\tOF\tCOUNTED\tA CART OF 30.00")
	for _, o := range rows {
		if err := move(ctx, coupons, o, now); err != nil {
			return fmt.Errorf("%s: %w", o.code, err)
		}
		if err := compare(ctx, coupons, store, o, table, now); err != nil {
			return err
		}
	}
	return table.Flush()
}

// move publishes the coupon's terms as an offer, issues its code and counts what was
// used. It may be run again after a crash: each step happens once.
func move(ctx context.Context, coupons *coupon.Service, o old, now time.Time) error {
	offer, err := o.offer()
	if err != nil {
		return err
	}
	if _, err := coupons.Publish(ctx, offer, "migration", now); err != nil {
		return err
	}
	issue := coupon.IssueRequest{ID: offer.ID, Actor: "migration", Offers: []coupon.IssueOffer{{Offer: offer.ID, Version: 1, Code: o.code}}}
	if _, err := coupons.Issue(ctx, issue, now); err != nil {
		return err
	}
	if o.used == 0 {
		return nil
	}
	// The old table does not say which orders: one for each use stands for them. A
	// shop that has the orders gives their ids, customers, amounts and instants.
	uses := make([]coupon.OpeningUse, o.used)
	for i := range uses {
		uses[i] = coupon.OpeningUse{
			Order: fmt.Sprintf("before/%s/%d", offer.ID, i+1), Offer: offer.ID, Version: 1, Amount: ledger.Minor(0, eur), At: now,
		}
	}
	_, err = coupons.Import(ctx, coupon.ImportRequest{ID: offer.ID, Actor: "migration", Uses: uses}, now)
	return err
}

var eur = ledger.MustCurrency("EUR")

// offer is the row's terms. An offer never changes: a later change of terms is its next
// version.
func (o old) offer() (coupon.Offer, error) {
	offer := coupon.Offer{ID: strings.ToLower(strings.ReplaceAll(o.code, " ", "-")), Name: o.code}
	switch {
	case o.percent.Valid:
		rate, err := ledger.ParseRate(fmt.Sprint(o.percent.Int64))
		if err != nil {
			return offer, err
		}
		offer.Benefit = coupon.PercentOff{Rate: rate}
	case o.amount.Valid:
		offer.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(o.amount.Int64, eur)}}
	default:
		return offer, errors.New("it takes neither a percentage nor an amount off")
	}
	if o.minimum > 0 {
		offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.Minor(o.minimum, eur)}}}
	}
	if o.max.Valid {
		offer.Limits = []coupon.Limit{{Uses: o.max.Int64}}
	}
	if o.expires.Valid {
		until, err := time.Parse(time.RFC3339, o.expires.String)
		if err != nil {
			return offer, err
		}
		offer.Schedule.Until = until
	}
	return offer, nil
}

// compare shows what a shopper gets now with the code.
func compare(ctx context.Context, coupons *coupon.Service, store *sqlstore.Store, o old, out io.Writer, now time.Time) error {
	cart := coupon.Cart{Currency: eur, Lines: []coupon.Line{{ID: "1", Product: "lamp", Quantity: 1, UnitPrice: ledger.MustMoney("30.00", eur)}}}
	quote, err := coupons.Quote(ctx, cart, coupon.Choose(o.code), now)
	if err != nil {
		return err
	}
	offer, err := o.offer()
	if err != nil {
		return err
	}
	counter := "uses/" + offer.ID
	_, counted, err := store.Get(ctx, nil, counter)
	if err != nil {
		return err
	}
	most, uses, answer := "any", "-", quote.Total.String()+" to pay" // what has no limit touches no counter
	if o.max.Valid {
		most, uses = fmt.Sprint(o.max.Int64), fmt.Sprint(counted[counter])
	}
	if len(quote.Refused()) > 0 {
		answer = quote.Refused()[0].Error()
	}
	fmt.Fprintf(out, "%s\t%d\t%s\t%s\t%s\n", o.code, o.used, most, uses, answer)
	return nil
}

func read(ctx context.Context, db *sql.DB) ([]old, error) {
	rows, err := db.QueryContext(ctx, "SELECT code, percent_off, amount_off, minimum, max_uses, used_count, expires_at FROM coupons ORDER BY rowid")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []old
	for rows.Next() {
		var o old
		if err := rows.Scan(&o.code, &o.percent, &o.amount, &o.minimum, &o.max, &o.used, &o.expires); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

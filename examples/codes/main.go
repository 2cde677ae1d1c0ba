// A million codes from a CSV file into the shop and out of it again. Lines that are no
// code, or a code twice, are named and left out; an import that was stopped goes on
// where it was.
//
//	go run ./examples/codes                    a million codes made for the occasion, in some minutes
//	go run ./examples/codes -n 20000           fewer
//	go run ./examples/codes -in codes.csv      codes of one's own, one a line
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	n := flag.Int("n", 1_000_000, "how many codes to make")
	in := flag.String("in", "", "a CSV file of codes, in the place of made ones")
	flag.Parse()
	if err := demonstrate(*n, *in, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "codes:", err)
		os.Exit(1)
	}
}

func demonstrate(n int, in string, out io.Writer) error {
	folder, err := os.MkdirTemp("", "vouch-codes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if in == "" {
		in = filepath.Join(folder, "codes.csv")
		if err := makeCodes(in, n); err != nil {
			return err
		}
	}
	begun := time.Now()
	if err := run(context.Background(), filepath.Join(folder, "shop.db"), in, filepath.Join(folder, "out.csv"), out, begun); err != nil {
		return err
	}
	fmt.Fprintf(out, "in %s\n", time.Since(begun).Round(time.Second))
	return nil
}

// makeCodes writes a file as another system would export it.
func makeCodes(path string, n int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for chunk := range slices.Chunk(make([]struct{}, n), 1000) {
		codes, err := coupon.NewCodes(rand.Reader, len(chunk))
		if err != nil {
			return errors.Join(err, file.Close())
		}
		for _, code := range codes {
			fmt.Fprintln(w, code[:12])
		}
	}
	return errors.Join(w.Flush(), file.Close())
}

// run imports the codes of one file into a shop and exports them to another.
func run(ctx context.Context, path, in, to string, out io.Writer, now time.Time) error {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx, coupon.Views()...); err != nil {
		return err
	}
	coupons := coupon.New(store, coupon.Options{})
	offer := coupon.Offer{
		ID: "printed", Name: "5 % from the leaflet", Benefit: coupon.PercentOff{Rate: ledger.MustRate("5")},
		Limits: []coupon.Limit{{Per: coupon.PerCoupon, Uses: 1}}, // each code once
	}
	if _, err := coupons.Publish(ctx, offer, "staff", now); err != nil {
		return err
	}
	file, err := os.Open(in)
	if err != nil {
		return err
	}
	defer file.Close()
	i := importer{ctx, coupons, filepath.Base(in), now, out, 0, 0}
	if err := i.read(file); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d codes imported, %d lines left out\n", i.taken, i.leftOut)
	exported, err := exportCodes(ctx, db, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d codes exported\n", exported)
	return nil
}

// line is a code and where it stands in the file.
type line struct {
	number int
	code   string
}

// importer issues codes of one offer.
type importer struct {
	ctx            context.Context
	coupons        *coupon.Service
	id             string // of the file: its codes under the same id are issued once
	now            time.Time
	out            io.Writer
	taken, leftOut int
}

// read issues the first column of a file, a hundred codes in each call.
func (i *importer) read(file io.Reader) error {
	rows := csv.NewReader(file)
	rows.FieldsPerRecord, rows.ReuseRecord = -1, true
	var chunk []line
	seen := make(map[coupon.Code]bool, coupon.MaxIssue)
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return i.issue(chunk)
		}
		if err != nil {
			return err
		}
		number, _ := rows.FieldPos(0)
		if number == 1 && strings.EqualFold(row[0], "code") { // the heading
			continue
		}
		code, err := coupon.ChooseCode(row[0])
		switch {
		case err != nil:
			i.leaveOut(number, err.Error())
			continue
		case seen[code]:
			i.leaveOut(number, fmt.Sprintf("%s stands above", code))
			continue
		}
		seen[code] = true
		if chunk = append(chunk, line{number, row[0]}); len(chunk) == coupon.MaxIssue {
			if err := i.issue(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
			clear(seen)
		}
	}
}

// issue issues a chunk in one batch, or each half alone where a code in it is taken.
func (i *importer) issue(chunk []line) error {
	if len(chunk) == 0 {
		return nil
	}
	request := coupon.IssueRequest{ID: fmt.Sprintf("%s-%d-%d", i.id, chunk[0].number, len(chunk)), Actor: "import"}
	for _, l := range chunk {
		request.Offers = append(request.Offers, coupon.IssueOffer{Offer: "printed", Version: 1, Code: l.code})
	}
	_, err := i.coupons.Issue(i.ctx, request, i.now)
	switch {
	case err == nil:
		i.taken += len(chunk)
		return nil
	case !errors.Is(err, coupon.ErrCodeTaken):
		return err
	case len(chunk) == 1:
		i.leaveOut(chunk[0].number, err.Error())
		return nil
	}
	half := len(chunk) / 2
	if err := i.issue(chunk[:half]); err != nil {
		return err
	}
	return i.issue(chunk[half:])
}

// leaveOut says so of the first lines, and counts them all.
func (i *importer) leaveOut(number int, why string) {
	if i.leftOut++; i.leftOut <= 10 {
		fmt.Fprintf(i.out, "line %d: %s\n", number, why)
	}
}

// exportCodes writes what the view shows, row by row: no list of a million is held.
func exportCodes(ctx context.Context, db *sql.DB, path string) (n int, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT code, offer_id, coalesce(expires_at, ''), coalesce(revoked_at, '') FROM vouch_coupons ORDER BY coupon_id")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	w := csv.NewWriter(file)
	record := []string{"code", "offer", "expires", "revoked"}
	for err = w.Write(record); err == nil && rows.Next(); n++ {
		if err = rows.Scan(&record[0], &record[1], &record[2], &record[3]); err == nil {
			err = w.Write(record)
		}
	}
	w.Flush()
	return n, errors.Join(err, rows.Err(), w.Error())
}

// A mailer that follows the events of a referral program: at least once, in order for
// each referral, by several workers, and again where the mail server was down.
//
//	go run ./examples/events
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func main() {
	folder, err := os.MkdirTemp("", "vouch-events-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = run(context.Background(), filepath.Join(folder, "shop.db"), os.Stdout, time.Now().UTC().Truncate(time.Second))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, out io.Writer, now time.Time) error {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if err := happen(ctx, store, now); err != nil {
		return err
	}
	box := &mailbox{down: "referral/invite/ben", seen: make(map[string]bool)}
	for minute := range 3 { // in a shop: a loop in each worker, every few seconds
		at := now.Add(time.Hour + time.Duration(minute)*time.Minute)
		reports := make([]ledger.Report, 3)
		faults := make([]error, len(reports))
		var workers sync.WaitGroup
		for i := range reports {
			workers.Add(1)
			go func() {
				defer workers.Done()
				reports[i], faults[i] = ledger.Deliver(ctx, store, ledger.DeliverOptions{Now: at}, box.mail)
			}()
		}
		workers.Wait()
		if err := errors.Join(faults...); err != nil {
			return err
		}
		fmt.Fprintf(out, "minute %d: %s\n", minute, box.sent(reports))
		if minute == 0 {
			box.repair()
		}
	}
	return nil
}

// happen lets two friends register by Jane's link and pay. Each change of a referral
// writes its event in the same batch.
func happen(ctx context.Context, store *sqlstore.Store, now time.Time) error {
	coupons := coupon.New(store, coupon.Options{})
	referrals := referral.New(store, coupons, referral.Options{Events: true})
	eur := ledger.MustCurrency("EUR")
	for _, id := range []string{"welcome", "friend"} {
		offer := coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}}}
		if _, err := coupons.Publish(ctx, offer, "staff", now); err != nil {
			return err
		}
	}
	program := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome"}}, coupon.IssueOffer{Offer: "friend"})
	if _, err := referrals.Publish(ctx, program, "staff", now); err != nil {
		return err
	}
	link, err := referrals.Link(ctx, "invite", "jane", now)
	if err != nil {
		return err
	}
	for _, friend := range []string{"ada", "ben"} {
		if _, err := referrals.Register(ctx, referral.Registration{Customer: friend, Code: link.Code.String()}, now); err != nil {
			return err
		}
		payment := referral.Payment{Order: "order-" + friend, Customer: friend, Amount: ledger.MustMoney("40.00", eur)}
		if _, err := referrals.OrderPaid(ctx, payment, now.Add(time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

// mailbox stands for the mail server. Events come at least once, so it remembers what
// it has sent: a table with a unique key (subject, version) in a shop.
type mailbox struct {
	lock  sync.Mutex
	down  string // the subject whose address does not answer
	seen  map[string]bool
	mails []string
}

func (b *mailbox) mail(_ context.Context, e ledger.Event) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	if e.Subject == b.down {
		return errors.New("the address does not answer")
	}
	id := fmt.Sprintf("%s/%d", e.Subject, e.Version)
	if b.seen[id] {
		return nil
	}
	b.seen[id] = true
	var data struct {
		Referrer, Friend string
		Decisions        []struct{ What, Why string }
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	for _, d := range data.Decisions {
		b.mails = append(b.mails, fmt.Sprintf("  %s/%d to %s: %s, %s: %s", e.Subject, e.Version, data.Referrer, data.Friend, d.What, d.Why))
	}
	return nil
}

func (b *mailbox) repair() { b.down = "" }

// sent tells what the workers have sent together.
func (b *mailbox) sent(reports []ledger.Report) string {
	done, failed := 0, 0
	for _, r := range reports {
		done, failed = done+r.Done, failed+r.Failed
	}
	slices.SortStableFunc(b.mails, func(a, b string) int { // subjects do not wait for one another
		return strings.Compare(subjectOf(a), subjectOf(b))
	})
	told := fmt.Sprintf("%d delivered, %d put off", done, failed)
	told += strings.Join(append([]string{""}, b.mails...), "\n")
	b.mails = nil
	return told
}

func subjectOf(mail string) string {
	subject, _, _ := strings.Cut(mail, " to ")
	return subject
}

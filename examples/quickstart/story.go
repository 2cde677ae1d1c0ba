package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

const (
	program = "invite"
	staff   = "carla"
	most    = 8 // friends Jane is rewarded for
)

var (
	eur     = ledger.MustCurrency("EUR")
	friends = []string{"Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hugo", "Ida", "Jon"}
	opening = time.Date(2026, time.October, 1, 9, 0, 0, 0, time.UTC)
)

// teller tells the story as it happens.
type teller struct {
	*shop
	ctx     context.Context
	out     io.Writer
	now     time.Time // the story's clock
	chapter int       // how often the file was told before
	err     error     // the first that went wrong; the rest of the story is then left out
}

// tell tells the story, or goes on with it where the file has been told before.
func (s *shop) tell(ctx context.Context, out io.Writer) error {
	t := &teller{shop: s, ctx: ctx, out: out, now: opening}
	before, err := s.chapters(ctx)
	if err != nil {
		return err
	}
	if t.chapter = before; before == 0 {
		t.open()
		t.invite()
		t.tenFriends()
		t.janesCoupons()
		t.janeBuys()
		t.friendReturns()
	} else {
		t.goOn()
	}
	t.books()
	return t.err
}

// chapters counts how often the story was told on this file: the first ends with an
// order of Jane's, each further one has an order of a Kim's.
func (s *shop) chapters(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM orders WHERE customer = 'jane' OR customer LIKE 'kim-%'`).Scan(&n)
	return n, err
}

func (t *teller) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(t.out, "\n%s\n%s\n", text, strings.Repeat("─", len([]rune(text))))
}

func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// table prints rows whose cells are separated by tabs, aligned.
func (t *teller) table(rows ...string) {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "  "+row)
	}
	t.note(w.Flush())
}

func (t *teller) note(err error) {
	if t.err == nil {
		t.err = err
	}
}

// must keeps the first error and goes on with the zero value: after an error the
// story says nothing more.
func must[T any](t *teller, value T, err error) T {
	t.note(err)
	if t.err != nil {
		t.out = io.Discard
	}
	return value
}

func money(text string) ledger.Money { return ledger.MustMoney(text, eur) }

func amounts(text string) coupon.Amounts { return coupon.Amounts{money(text)} }

// open publishes the offers and the program.
func (t *teller) open() {
	t.title("The shop opens")
	min20 := []coupon.Condition{coupon.MinimumSpend{Amounts: amounts("20.00")}}
	offers := []coupon.Offer{
		{ID: "welcome-3", Name: "3 € welcome", Labels: []string{"welcome"}, Benefit: coupon.AmountOff{Amounts: amounts("3.00")}, Schedule: coupon.Schedule{Life: 30 * 24 * time.Hour}},
		{ID: "welcome-10", Name: "10 % welcome, at most 8 €", Labels: []string{"welcome"}, Benefit: coupon.PercentOff{Rate: ledger.MustRate("10"), Max: amounts("8.00")}, Conditions: min20, Schedule: coupon.Schedule{Life: 30 * 24 * time.Hour}},
		{ID: "friend-5", Name: "5 € for a friend", Labels: []string{"referral"}, Benefit: coupon.AmountOff{Amounts: amounts("5.00")}, Conditions: min20, Schedule: coupon.Schedule{Life: 60 * 24 * time.Hour}},
		{ID: "autumn-4", Name: "4 € for autumn", Benefit: coupon.AmountOff{Amounts: amounts("4.00")}},
		{ID: "flash-7", Name: "7 € for seven days", Benefit: coupon.AmountOff{Amounts: amounts("7.00")}, Schedule: coupon.Schedule{Life: 7 * 24 * time.Hour}},
	}
	rows := []string{"OFFER\tWHAT IT GIVES\tVERSION"}
	for _, o := range offers {
		published, err := t.coupons.Publish(t.ctx, o, staff, t.now)
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d", o.ID, o.Name, must(t, published, err).Version))
	}
	t.table(rows...)

	invite := referral.AliExpress(program, most,
		[]coupon.IssueOffer{{Offer: "welcome-3"}, {Offer: "welcome-10"}}, coupon.IssueOffer{Offer: "friend-5"})
	invite.Hold = 2 * time.Hour
	_, err := t.referrals.Publish(t.ctx, invite, staff, t.now)
	t.note(err)
	t.note(t.coupons.Exclude(t.ctx, coupon.Exclusion{ID: "no-referrals", Seller: "Zephyr", Labels: []string{"referral"}}, "Zephyr", t.now))
	t.say("The program %q: a friend gets a set of two coupons on registering; the customer who invited", program)
	t.say("them gets one for the friend's first payment, within 24 hours, for up to %d friends.", most)
	t.say("The seller Zephyr takes no part in coupons for referrals.")
}

// invite gives Jane her link, and a coupon she will not use in time.
func (t *teller) invite() {
	t.title("Jane invites her friends")
	link, err := t.referrals.Link(t.ctx, program, "jane", t.now)
	link = must(t, link, err)
	t.say("Her personal link: https://shop.example%s", link.Path())
	_, err = t.coupons.Issue(t.ctx, coupon.IssueRequest{
		ID: "mail", Holder: "jane", Actor: staff, Offers: []coupon.IssueOffer{{Offer: "autumn-4"}, {Offer: "flash-7"}},
	}, t.now)
	t.note(err)
}

// tenFriends lets them follow the link, register and buy.
func (t *teller) tenFriends() {
	t.title("Ten friends follow it, register and buy")
	rows := []string{"FRIEND\tREGISTERED\tWELCOME COUPONS\tPAID WITH ONE\tJANE"}
	for i, name := range friends {
		t.now = opening.Add(time.Duration(i+1) * 26 * time.Hour)
		rows = append(rows, t.friend(name, money(fmt.Sprintf("%d.90", 14+3*i))))
	}
	t.table(rows...)
	status, err := t.referrals.Caps(t.ctx, program, "jane", t.now)
	for _, c := range must(t, status, err) {
		t.say("Jane is rewarded for %d of at most %d friends; Ida and Jon got their coupons all the same.", c.Used, c.Cap.Friends)
	}
}

// friend follows Jane's link, registers and pays; two hours later what is due is
// settled. It gives a row of the table.
func (t *teller) friend(name string, price ledger.Money) string {
	id := strings.ToLower(name)
	link, err := t.referrals.Link(t.ctx, program, "jane", t.now)
	_, err = t.referrals.Touch(t.ctx, referral.TouchRequest{ID: "1", Visitor: "visitor-" + id, Code: must(t, link, err).Code.String()}, t.now)
	t.note(err)
	outcome, err := t.referrals.Register(t.ctx, referral.Registration{Customer: id, Visitor: "visitor-" + id}, t.now)
	outcome = must(t, outcome, err)
	registered := t.now
	var welcome []string
	for _, r := range outcome.Rewards {
		welcome = append(welcome, r.Coupons...)
	}
	t.now = t.now.Add(time.Hour)
	pays := t.checkout("order-"+id, id, price, welcome)
	_, err = t.referrals.OrderPaid(t.ctx, referral.Payment{Order: "order-" + id, Customer: id, Amount: pays}, t.now)
	t.note(err)
	t.now = t.now.Add(2 * time.Hour)
	_, err = t.referrals.Settle(t.ctx, t.now, 0)
	t.note(err)
	return fmt.Sprintf("%s\t%s\t%d\t%s\t%s", name, registered.Format("2 Jan 15:04"), len(welcome), pays, t.earned(id))
}

// checkout reserves the friend's coupons for an order, before its payment: of the
// set one applies, whichever takes more off. It gives what is to be paid.
func (t *teller) checkout(order, customer string, price ledger.Money, coupons []string) ledger.Money {
	reserved, err := t.coupons.Redemption(t.ctx, order)
	if !errors.Is(err, coupon.ErrNoRedemption) { // told before, and interrupted
		return must(t, reserved, err).Total
	}
	cart := coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: customer}, Lines: []coupon.Line{
		{ID: "1", Product: "lamp", Seller: "Acme", Quantity: 1, UnitPrice: price},
	}}
	quote, err := t.coupons.Quote(t.ctx, cart, coupon.ChooseCoupons(coupons...), t.now)
	if quote = must(t, quote, err); t.err != nil {
		return price
	}
	t.order(order, customer, quote, (*coupon.Service).Reserve)
	return quote.Total
}

// earned says what a friend has brought Jane.
func (t *teller) earned(friend string) string {
	rewards, err := t.referrals.Rewards(t.ctx, program, friend)
	for _, r := range must(t, rewards, err) {
		if r.Side != referral.Referrer {
			continue
		}
		if r.State == referral.RewardGranted {
			return fmt.Sprintf("gets a coupon, %.0f hours later", r.Granted.Sub(r.Promised).Hours())
		}
		return fmt.Sprintf("%s: %s", r.State, r.Why)
	}
	return ""
}

// janesCoupons shows her wallet, and how her friends are doing.
func (t *teller) janesCoupons() {
	t.title("What Jane sees")
	t.wallet()
	fmt.Fprintln(t.out)
	page, err := t.referrals.Friends(t.ctx, program, "jane", referral.TrackingQuery{Limit: 3})
	rows := []string{"HER LAST FRIENDS\tSTATE\tHER REWARD"}
	for _, f := range must(t, page, err).Friends {
		rows = append(rows, fmt.Sprintf("joined %s\t%s\t%s", f.Joined.Format("2 Jan"), f.State, f.Reward.State))
	}
	t.table(rows...)
}

func (t *teller) wallet() []coupon.Coupon {
	wallet, err := t.coupons.Wallet(t.ctx, "jane", coupon.WalletQuery{}, t.now)
	rows := []string{"HER COUPONS\tCODE\tUNTIL"}
	for _, c := range must(t, wallet, err).Coupons {
		until := "no end"
		if !c.Expires.IsZero() {
			until = c.Expires.Format("2 Jan 2006 15:04")
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s", c.Name, c.Code, until))
	}
	t.table(rows...)
	return wallet.Coupons
}

// janeBuys redeems one of her coupons on a cart of two sellers.
func (t *teller) janeBuys() {
	t.title("Jane buys from two sellers")
	wallet, err := t.coupons.Wallet(t.ctx, "jane", coupon.WalletQuery{}, t.now)
	mine := must(t, wallet, err).Coupons
	if len(mine) == 0 {
		t.note(errors.New("quickstart: Jane has no coupon, and the story needs one"))
		return
	}
	cart := coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: "jane"}, Lines: []coupon.Line{
		{ID: "1", Product: "teapot", Seller: "Acme", Quantity: 1, UnitPrice: money("19.99")},
		{ID: "2", Product: "cup", Seller: "Acme", Quantity: 3, UnitPrice: money("4.35")},
		{ID: "3", Product: "kite", Seller: "Zephyr", Quantity: 1, UnitPrice: money("24.00")},
	}}
	t.say("She chooses a coupon for a friend, the one for autumn too, and one that is over.")
	quote, err := t.coupons.Quote(t.ctx, cart, coupon.ChooseCoupons(mine[0].ID, "mail/1", "mail/2"), t.now)
	quote = must(t, quote, err)
	if t.err != nil {
		return
	}
	t.quote(quote)
	t.order("order-jane-1", "jane", quote, (*coupon.Service).Redeem)
	t.say("The coupon is used up, and the order is written, in one transaction.")
}

// quote shows line by line what comes off, and why the rest is refused.
func (t *teller) quote(q *coupon.Quote) {
	rows := []string{"LINE\tSELLER\tPRICE\tOFF\tTO PAY\t"}
	for i, l := range q.Lines() {
		off, why := "", ""
		for _, o := range l.Off {
			off = "-" + o.Amount.Amount()
		}
		for _, left := range l.LeftOut {
			if left.Reason == coupon.ReasonSeller {
				why = "the seller takes no part"
			}
		}
		line := q.Cart.Lines[i]
		rows = append(rows, fmt.Sprintf("%d × %s\t%s\t%s\t%s\t%s\t%s", l.Quantity, line.Product, line.Seller, l.Price.Amount(), off, l.Total.Amount(), why))
	}
	rows = append(rows, fmt.Sprintf("together\t\t%s\t-%s\t%s\t", q.Subtotal.Amount(), q.Discount.Amount(), q.Total.Amount()))
	t.table(rows...)
	for _, a := range q.Applied() {
		t.say("Applied: %q takes off %s.", a.Name, a.Amount)
	}
	for _, r := range q.Refused() {
		t.say("Refused: %s", r.Shopper())
	}
}

// order writes the shop's order, and redeems or reserves what the quote applies, in
// one transaction.
func (t *teller) order(id, customer string, q *coupon.Quote,
	claim func(*coupon.Service, context.Context, string, *coupon.Quote, time.Time) (coupon.Redemption, error),
) {
	t.note(t.store.InTx(t.ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
		_, err := tx.ExecContext(t.ctx, `INSERT INTO orders (id, customer, total) VALUES (?, ?, ?)`, id, customer, q.Total.Minor())
		if err != nil {
			return err
		}
		_, err = claim(t.coupons.In(store), t.ctx, id, q, t.now)
		return err
	}))
}

// friendReturns sends everything back, and Jane's coupon for that friend is taken
// back too.
func (t *teller) friendReturns() {
	t.title("Hugo sends everything back")
	settled, err := t.referrals.OrderReturned(t.ctx, referral.Return{
		ID: "return-1", Order: "order-hugo", Customer: "hugo", Coupons: &coupon.RefundRequest{Everything: true},
	}, t.now)
	settled = must(t, settled, err)
	if settled.Refund != nil {
		t.say("He gets back what he paid, %s, and his own coupon can be used again.", settled.Refund.Amount)
	}
	for _, r := range settled.Referrals {
		t.say("The referral is %s. Its last decisions:", r.State)
		var rows []string
		for _, d := range r.Decisions[max(0, len(r.Decisions)-2):] {
			rows = append(rows, d.What+"\t"+d.Why)
		}
		t.table(rows...)
	}
	status, err := t.referrals.Caps(t.ctx, program, "jane", t.now)
	for _, c := range must(t, status, err) {
		t.say("Jane's coupon for Hugo is gone, and his place is free again: %d of %d are taken.", c.Used, c.Cap.Friends)
	}
	t.wallet()
}

// goOn is the story of a file that was told before: what is found, and one more
// friend.
func (t *teller) goOn() {
	t.now = opening.Add(time.Duration(20+t.chapter) * 24 * time.Hour)
	t.title("The file has been told before: %d", t.chapter)
	page, err := t.referrals.Friends(t.ctx, program, "jane", referral.TrackingQuery{Limit: 1000})
	wallet, err2 := t.coupons.Wallet(t.ctx, "jane", coupon.WalletQuery{}, t.now)
	t.note(errors.Join(err, err2))
	t.say("Found: Jane has %d friends and %d coupons. The story goes on with one more friend, Kim %d.",
		len(page.Friends), len(wallet.Coupons), t.chapter)
	row := t.friend(fmt.Sprintf("Kim-%d", t.chapter), money("22.50"))
	t.table("FRIEND\tREGISTERED\tWELCOME COUPONS\tPAID WITH ONE\tJANE", row)
}

// books prints the accounts and audits everything.
func (t *teller) books() {
	t.title("The books")
	rows := []string{"ACCOUNT\tBALANCE"}
	for _, account := range []ledger.Account{"promotions/platform", "discounts/welcome-3", "discounts/welcome-10", "discounts/friend-5"} {
		balance, err := t.book.Balance(t.ctx, account, eur)
		rows = append(rows, fmt.Sprintf("%s\t%s", account, must(t, balance, err)))
	}
	t.table(rows...)
	fmt.Fprintln(t.out)
	statement, err := t.book.Statement(t.ctx, "discounts/welcome-10", ledger.StatementQuery{})
	rows = []string{"STATEMENT OF discounts/welcome-10\tAMOUNT\tBALANCE"}
	for _, line := range must(t, statement, err).Lines {
		rows = append(rows, fmt.Sprintf("%s %s\t%s\t%s", line.Entry.At.Format("2 Jan"), line.Entry.ID, line.Amount, line.Balance))
	}
	t.table(rows...)
	fmt.Fprintln(t.out)
	t.report()
}

// report shows a reporting view joined with the shop's own table, and the audit.
func (t *teller) report() {
	// In SQL: the shop's own table beside a reporting view.
	rows, err := t.db.QueryContext(t.ctx, `SELECT o.id, o.total, r.discount, r.state FROM orders o
		JOIN vouch_redemptions r ON r.order_id = o.id ORDER BY o.id`)
	if err != nil {
		t.note(err)
		return
	}
	defer rows.Close()
	lines := []string{"THE SHOP'S ORDER\tPAID\tDISCOUNT\tSTATE"}
	for rows.Next() {
		var id, state string
		var total, discount int64
		t.note(rows.Scan(&id, &total, &discount, &state))
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s", id, ledger.Minor(total, eur), ledger.Minor(discount, eur), state))
	}
	t.note(rows.Err())
	t.table(lines...)
	audit, err := referral.Audit(t.ctx, storage.Store(t.store))
	audit = must(t, audit, err)
	t.say("Audited: documents %d, counters %d, entries %d; discrepancies %d.",
		audit.Documents, audit.Counters, audit.Entries, len(audit.Discrepancies))
	t.note(audit.Err())
}

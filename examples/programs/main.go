// Programs runs the referral programs of ten shops side by side on one made-up month, and
// prints what each of them gives: Jane shares her link with twelve friends; ten do what
// the program asks for, one of those gives everything back, and two do nothing.
//
//	go run ./examples/programs
//
// The friends are made up; the programs' terms are what is published of them, and where
// something is not, a figure that the code below names.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

var start = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func money(amount, currency string) ledger.Money {
	return ledger.MustMoney(amount, ledger.MustCurrency(currency))
}

// programs are the presets, with figures in place of what is not published.
func programs() []referral.Program {
	welcome, thanks := []coupon.IssueOffer{{Offer: "welcome", Count: 4}}, coupon.IssueOffer{Offer: "thanks"}
	return []referral.Program{
		referral.AliExpress("aliexpress", 8, welcome, thanks),
		referral.Ebay("ebay", money("10.00", "EUR"), 14*day, 20),
		referral.Amazon("amazon"),
		referral.Dropbox("dropbox"),
		referral.Uber("uber", money("10.00", "USD"), money("15.00", "USD"), 20),
		referral.Airbnb("airbnb", money("20.00", "USD"), money("40.00", "USD"), money("75.00", "USD")),
		referral.PayPal("paypal", start.Add(365*day)),
		referral.Wise("wise", 30),
		referral.DigitalOcean("digitalocean"),
		referral.Robinhood("robinhood", money("150.00", "USD")),
	}
}

// gifts grants what is of the shops' own kinds: customers, by the rewards' ids, so that
// nothing is given twice.
type gifts map[string]string

// Grant gives once per id.
func (g gifts) Grant(_ context.Context, r referral.HookRequest) error {
	g[r.ID] = r.Customer
	return nil
}

// TakeBack takes it back.
func (g gifts) TakeBack(_ context.Context, r referral.HookRequest) (bool, error) {
	delete(g, r.ID)
	return false, nil
}

func run(ctx context.Context, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROGRAM\tBOUND\tCONFIRMED\tJANE GETS\tWITHHELD\tALL FRIENDS GET")
	for _, p := range programs() {
		row, err := month(ctx, p)
		if err != nil {
			return fmt.Errorf("programs: %s: %w", p.ID, err)
		}
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}

// month tells the month under a program, in a store of its own.
func month(ctx context.Context, p referral.Program) (string, error) {
	store := memory.New()
	coupons, own := coupon.New(store, coupon.Options{}), make(gifts)
	s := referral.New(store, coupons, referral.Options{Hooks: map[string]referral.Hook{"gift": own, "fee_free_transfer": own}})
	for _, id := range []string{"welcome", "thanks"} {
		o := coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{money("5.00", "EUR")}}}
		if _, err := coupons.Publish(ctx, o, "staff", start); err != nil {
			return "", err
		}
	}
	if _, err := s.Publish(ctx, p, "staff", start); err != nil {
		return "", err
	}
	link, err := s.Link(ctx, p.ID, "jane", start)
	if err != nil {
		return "", err
	}
	for i := range 12 {
		friend, at := fmt.Sprintf("friend-%02d", i+1), start.Add(time.Duration(i)*day)
		if _, err := s.Register(ctx, referral.Registration{Customer: friend, Code: link.Code.String()}, at); err != nil {
			return "", err
		}
		if i >= 10 { // the last two do nothing
			continue
		}
		if err := qualify(ctx, s, p, friend, at.Add(time.Hour)); err != nil {
			return "", err
		}
	}
	everything := referral.Return{ID: "return", Order: "friend-03's", Customer: "friend-03", Amount: ledger.Minor(0, spent(p).Currency()), Everything: true}
	if _, err := s.OrderReturned(ctx, everything, start.Add(13*day)); err != nil {
		return "", err
	}
	for range 3 { // what a sweep grants may ask for another
		if _, err := s.Settle(ctx, start.Add(60*day), 0); err != nil {
			return "", err
		}
	}
	return tell(ctx, s, coupons, own, p)
}

// spent is what a friend spends: the minimum, or some amount.
func spent(p referral.Program) ledger.Money {
	if least := p.Qualify.MinimumSpend; len(least) > 0 {
		return least[0]
	}
	return money("20.00", "EUR")
}

// qualify has a friend do what the program asks for.
func qualify(ctx context.Context, s *referral.Service, p referral.Program, friend string, at time.Time) error {
	order := friend + "'s"
	if p.Qualify.On == referral.OnFact {
		_, err := s.Record(ctx, referral.Recorded{ID: order, Customer: friend, Name: p.Qualify.Fact, Amount: spent(p)}, at)
		return err
	}
	_, err := s.OrderPaid(ctx, referral.Payment{Order: order, Customer: friend, Amount: spent(p)}, at)
	return err
}

// tell is a line of the table.
func tell(ctx context.Context, s *referral.Service, coupons *coupon.Service, own gifts, p referral.Program) (string, error) {
	a, err := s.Analyze(ctx, p.ID, referral.AnalysisQuery{})
	if err != nil {
		return "", err
	}
	var friends []string
	for i := range 12 {
		friends = append(friends, fmt.Sprintf("friend-%02d", i+1))
	}
	janes, err := holds(ctx, coupons, own, "jane")
	if err != nil {
		return "", err
	}
	theirs, err := holds(ctx, coupons, own, friends...)
	return fmt.Sprintf("%s\t%d\t%d\t%s\t%d\t%s", p.ID, a.Bound, a.Confirmed, janes, a.Given.Withheld, theirs), err
}

// holds is what some customers have together: coupons, credit, and what the shop gave.
func holds(ctx context.Context, coupons *coupon.Service, own gifts, customers ...string) (string, error) {
	var all []string
	held, given := 0, 0
	for _, customer := range customers {
		wallet, err := coupons.Wallet(ctx, customer, coupon.WalletQuery{}, start)
		if err != nil {
			return "", err
		}
		held += len(wallet.Coupons)
		for _, who := range own {
			if who == customer {
				given++
			}
		}
	}
	if held > 0 {
		all = append(all, fmt.Sprintf("%d coupons", held))
	}
	for _, code := range []string{"EUR", "GBP", "INR", "USD", "MB:0"} {
		sum := ledger.Minor(0, ledger.MustCurrency(code))
		for _, customer := range customers {
			has, err := coupons.Credit(ctx, customer, sum.Currency())
			if err != nil {
				return "", err
			}
			if sum, err = sum.Add(has); err != nil {
				return "", err
			}
		}
		if sum.Sign() > 0 {
			all = append(all, sum.String())
		}
	}
	if given > 0 {
		all = append(all, fmt.Sprintf("%d of the shop's own", given))
	}
	if len(all) == 0 {
		return "nothing", nil
	}
	return strings.Join(all, ", "), nil
}

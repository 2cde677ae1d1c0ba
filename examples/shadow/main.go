// Shadow mode: the shop's older engine goes on deciding, vouch decides the same carts
// beside it, and what differs is reported by cause. Nothing is redeemed and nothing
// is written.
//
//	go run ./examples/shadow
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func main() {
	if err := run(os.Stdout, 10_000, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "shadow:", err)
		os.Exit(1)
	}
}

var eur = ledger.MustCurrency("EUR")

// run decides made-up carts with both engines. A shop puts the body of the loop
// behind its own decision, in production, for as long as it takes to trust it.
func run(out io.Writer, carts int, now time.Time) error {
	shadow, err := newShadow()
	if err != nil {
		return err
	}
	for i := range carts {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		cart, code := makeCart(random), []string{"TEN", "FIVE"}[i%2]
		decided := oldEngine(cart, code) // what the shopper is charged
		if err := shadow.compare(cart, code, decided, now); err != nil {
			return err
		}
	}
	return shadow.report(out)
}

// shadow holds the same offers as the older engine, and what it has found.
type shadow struct {
	offers   map[string]*coupon.Version
	carts    int
	by       map[string]int    // differences by cause
	examples map[string]string // the first of each
}

func newShadow() (*shadow, error) {
	ten, err := coupon.NewVersion(coupon.Offer{ID: "ten", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}})
	if err != nil {
		return nil, err
	}
	five, err := coupon.NewVersion(coupon.Offer{
		ID: "five", Name: "5 € off from 20 €", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
		Conditions: []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.MustMoney("20.00", eur)}}},
	})
	if err != nil {
		return nil, err
	}
	return &shadow{map[string]*coupon.Version{"TEN": ten, "FIVE": five}, 0, make(map[string]int), make(map[string]string)}, nil
}

// compare decides by a pure function: no store, no clock, no effect.
func (s *shadow) compare(cart coupon.Cart, code string, decided []int64, now time.Time) error {
	s.carts++
	quote, err := coupon.Decide(cart, []coupon.Candidate{{Version: s.offers[code]}}, coupon.Facts{}, now)
	if err != nil {
		return err
	}
	cause := ""
	var older, ours []string
	var olderSum, oursSum int64
	for i, line := range quote.Lines() {
		older, ours = append(older, ledger.Minor(decided[i], eur).Amount()), append(ours, line.Total.Amount())
		olderSum, oursSum = olderSum+decided[i], oursSum+line.Total.Minor()
		switch {
		case decided[i] < 0:
			cause = "a line below zero"
		case decided[i] > line.Price.Minor():
			cause = cmp.Or(cause, "a line above its price")
		case decided[i] != line.Total.Minor():
			cause = cmp.Or(cause, "shared otherwise over the lines")
		}
	}
	if olderSum != oursSum && cause != "a line below zero" {
		cause = "another total"
	}
	if cause == "" {
		return nil
	}
	s.by[cause]++
	if _, shown := s.examples[cause]; !shown {
		s.examples[cause] = fmt.Sprintf("%s: older %v, vouch %v", code, older, ours)
	}
	return nil
}

func (s *shadow) report(out io.Writer) error {
	same := s.carts
	for _, n := range s.by {
		same -= n
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "the same\t%d of %d\n", same, s.carts)
	for _, cause := range slices.Sorted(maps.Keys(s.by)) {
		fmt.Fprintf(table, "%s\t%d\t%s\n", cause, s.by[cause], s.examples[cause])
	}
	return table.Flush()
}

// oldEngine is how many shops do it: a percentage is rounded line by line, and of an
// amount the last line takes what the others leave. It gives what each line costs, in
// cents.
func oldEngine(cart coupon.Cart, code string) []int64 {
	lines, sum := make([]int64, len(cart.Lines)), int64(0)
	for i, l := range cart.Lines {
		lines[i] = l.UnitPrice.Minor() * l.Quantity
		sum += lines[i]
	}
	switch {
	case code == "TEN":
		for i := range lines {
			lines[i] -= (lines[i] + 5) / 10
		}
	case sum >= 2000:
		left := int64(500)
		for i := range lines {
			share := (500*lines[i] + sum/2) / sum
			if i == len(lines)-1 {
				share = left
			}
			lines[i], left = lines[i]-share, left-share
		}
	}
	return lines
}

func makeCart(random *rand.Rand) coupon.Cart {
	cart := coupon.Cart{Currency: eur}
	for i := range 1 + random.IntN(8) {
		cents := []int64{1, 5, 99, 435, 999, 1999, 2450}[random.IntN(7)]
		cart.Lines = append(cart.Lines, coupon.Line{
			ID: fmt.Sprint(i + 1), Product: "p", Quantity: 1 + random.Int64N(3), UnitPrice: ledger.Minor(cents, eur),
		})
	}
	return cart
}

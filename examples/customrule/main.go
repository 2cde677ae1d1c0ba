// Rules of the shop's own: a condition that no offer knows ("the basket is picked up in
// a store before noon") and a reward that is no coupon (a month of membership).
//
//	go run ./examples/customrule
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

func main() {
	if err := run(context.Background(), os.Stdout, time.Now().UTC().Truncate(time.Second)); err != nil {
		fmt.Fprintln(os.Stderr, "customrule:", err)
		os.Exit(1)
	}
}

// earlyPickup is a pure function of what it declares: quotes are judged again when
// they are redeemed. To change what it says, register a version 2 beside it.
var earlyPickup = coupon.RegisteredPredicate{
	Name: "pickup-before", Version: 1,
	Attributes: []string{"delivery", "pickup_hour"},
	Holds: func(attributes, arguments map[string]string) bool {
		hour, err := strconv.Atoi(attributes["pickup_hour"])
		latest, err2 := strconv.Atoi(arguments["hour"])
		return err == nil && err2 == nil && attributes["delivery"] == "pickup" && hour < latest
	},
	Sentence: "the basket is picked up in a store before noon",
}

// memberships grants months. The reward's ID makes it happen once: a grant may be
// asked for again after any failure.
type memberships struct{ granted map[string]string }

// Grant gives a month, once.
func (m *memberships) Grant(_ context.Context, r referral.HookRequest) error {
	m.granted[r.ID] = fmt.Sprintf("%s gets %s months of %s", r.Customer, r.Details["months"], r.Details["plan"])
	return nil
}

// TakeBack takes it back; nothing is owed for what was not used.
func (m *memberships) TakeBack(_ context.Context, r referral.HookRequest) (owed bool, err error) {
	delete(m.granted, r.ID)
	return false, nil
}

func run(ctx context.Context, out io.Writer, now time.Time) error {
	store := memory.New()
	coupons := coupon.New(store, coupon.Options{Predicates: []coupon.RegisteredPredicate{earlyPickup}})
	if err := condition(ctx, coupons, out, now); err != nil {
		return err
	}
	return reward(ctx, coupons, store, out, now)
}

// condition prices three baskets with an offer that asks for an early pickup.
func condition(ctx context.Context, coupons *coupon.Service, out io.Writer, now time.Time) error {
	offer := coupon.Offer{
		ID: "early-bird", Name: "2 € for early birds", Automatic: true,
		Benefit:    coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("2.00", eur)}},
		Conditions: []coupon.Condition{coupon.Predicate{Name: "pickup-before", Version: 1, Arguments: map[string]string{"hour": "12"}}},
	}
	if _, err := coupons.Publish(ctx, offer, "staff", now); err != nil {
		return err
	}
	for _, attributes := range []map[string]string{
		{"delivery": "pickup", "pickup_hour": "9"}, {"delivery": "pickup", "pickup_hour": "15"}, {"delivery": "post"},
	} {
		cart := coupon.Cart{Currency: eur, Attributes: attributes, Lines: []coupon.Line{
			{ID: "1", Product: "bread", Quantity: 3, UnitPrice: ledger.MustMoney("3.90", eur)},
		}}
		quote, err := coupons.Quote(ctx, cart, coupon.Choice{}, now)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%v: %s to pay\n", attributes, quote.Total)
		for _, refused := range quote.Refused() {
			fmt.Fprintf(out, "  %s\n", refused.Shopper())
		}
	}
	return nil
}

var eur = ledger.MustCurrency("EUR")

// reward lets Jane bring Ada, which earns her a month of membership by the hook, and
// takes it back when Ada's order comes back.
func reward(ctx context.Context, coupons *coupon.Service, store *memory.Store, out io.Writer, now time.Time) error {
	members := &memberships{granted: make(map[string]string)}
	referrals := referral.New(store, coupons, referral.Options{Hooks: map[string]referral.Hook{"membership": members}})
	month := &referral.Custom{Kind: "membership", Details: map[string]string{"months": "1", "plan": "plus"}}
	program := referral.Program{
		ID: "bring", Name: "Bring a friend",
		Rewards: []referral.Rule{{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Custom: month}}},
	}
	if _, err := referrals.Publish(ctx, program, "staff", now); err != nil {
		return err
	}
	link, err := referrals.Link(ctx, "bring", "jane", now)
	if err != nil {
		return err
	}
	if _, err := referrals.Register(ctx, referral.Registration{Customer: "ada", Code: link.Code.String()}, now); err != nil {
		return err
	}
	tell := func(when string, now time.Time) error {
		if _, err := referrals.Settle(ctx, now, 0); err != nil { // asks the hooks
			return err
		}
		rewards, err := referrals.Rewards(ctx, "bring", "ada")
		for _, r := range rewards {
			fmt.Fprintf(out, "%s: %s, the members' system says %v\n", when, r.State, slices.Collect(maps.Values(members.granted)))
		}
		return err
	}
	if _, err := referrals.OrderPaid(ctx, referral.Payment{Order: "o-1", Customer: "ada", Amount: ledger.MustMoney("20.00", eur)}, now); err != nil {
		return err
	}
	if err := tell("paid", now.Add(time.Minute)); err != nil {
		return err
	}
	back := referral.Return{ID: "r-1", Order: "o-1", Customer: "ada", Amount: ledger.MustMoney("20.00", eur)}
	if _, err := referrals.OrderReturned(ctx, back, now.Add(time.Hour)); err != nil {
		return err
	}
	return tell("returned", now.Add(2*time.Hour))
}

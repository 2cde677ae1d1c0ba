package referral_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// town is a shop in which Jane has her link; it prints whatever goes wrong.
type town struct {
	*referral.Service
	coupons *coupon.Service
	link    referral.Link
}

func newTown(p referral.Program) town {
	store := memory.New()
	t := town{coupons: coupon.New(store, coupon.Options{})}
	t.Service = referral.New(store, t.coupons, referral.Options{Retry: time.Minute})
	for _, o := range []coupon.Offer{offer("welcome", "2.00"), offer("thanks", "5.00"), offer("more", "9.00")} {
		print1(t.coupons.Publish(ctx, o, "staff", noon))
	}
	print1(t.Publish(ctx, p, "staff", noon))
	t.link = print1(t.Link(ctx, p.ID, "jane", noon))
	return t
}

func print1[A any](answer A, err error) A {
	if err != nil {
		fmt.Println(err)
	}
	return answer
}

// friend follows Jane's link and registers a minute later.
func (t town) friend(name string, at time.Time) referral.Outcome {
	print1(t.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "visitor " + name, Code: t.link.Code.String()}, at))
	return print1(t.Register(ctx, referral.Registration{Customer: name, Visitor: "visitor " + name}, at.Add(time.Minute)))
}

func (t town) rewards(friend string) {
	for _, r := range print1(t.Rewards(ctx, "invite", friend)) {
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s, for %s when %s: %s %s", r.Customer, friend, r.Step, r.State, r.Why)))
	}
}

// Jane shares her link with ten friends; all register and buy. Eight count.
func Example() {
	ctx, store, now := context.Background(), memory.New(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	eur := ledger.MustCurrency("EUR")
	coupons := coupon.New(store, coupon.Options{})
	for id, amount := range map[string]string{"welcome": "2.00", "thanks": "5.00"} {
		_, err := coupons.Publish(ctx, coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney(amount, eur)}}}, "staff", now)
		if err != nil {
			fmt.Println(err)
		}
	}
	referrals := referral.New(store, coupons, referral.Options{})
	terms := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome", Count: 3}}, coupon.IssueOffer{Offer: "thanks"})
	if _, err := referrals.Publish(ctx, terms, "staff", now); err != nil {
		fmt.Println(err)
	}
	link, err := referrals.Link(ctx, "invite", "jane", now)
	if err != nil {
		fmt.Println(err)
	}
	for i := range 10 {
		friend, visitor := fmt.Sprint("friend ", i+1), fmt.Sprint("cookie ", i+1)
		now = now.Add(time.Hour)
		_, touched := referrals.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: visitor, Code: string(link.Code)}, now)
		outcome, registered := referrals.Register(ctx, referral.Registration{Customer: friend, Visitor: visitor}, now.Add(time.Minute))
		paid, err := referrals.OrderPaid(ctx, referral.Payment{Order: fmt.Sprint("order ", i+1), Customer: friend, Amount: ledger.MustMoney("3.50", eur)}, now.Add(time.Hour))
		fmt.Println(friend, outcome.Bound, len(outcome.Rewards[0].Coupons), paid.Referrals[0].State, touched, registered, err)
	}
	wallet, err := coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, now)
	fmt.Println("Jane has", len(wallet.Coupons), "coupons", err)
	rewards, err := referrals.Rewards(ctx, "invite", "friend 9")
	fmt.Println(rewards[1].State, "because", rewards[1].Why, err)
	audit, err := referral.Audit(ctx, store)
	fmt.Println(audit.Err(), err)
	// Output:
	// friend 1 true 3 confirmed <nil> <nil> <nil>
	// friend 2 true 3 confirmed <nil> <nil> <nil>
	// friend 3 true 3 confirmed <nil> <nil> <nil>
	// friend 4 true 3 confirmed <nil> <nil> <nil>
	// friend 5 true 3 confirmed <nil> <nil> <nil>
	// friend 6 true 3 confirmed <nil> <nil> <nil>
	// friend 7 true 3 confirmed <nil> <nil> <nil>
	// friend 8 true 3 confirmed <nil> <nil> <nil>
	// friend 9 true 3 confirmed <nil> <nil> <nil>
	// friend 10 true 3 confirmed <nil> <nil> <nil>
	// Jane has 8 coupons <nil>
	// withheld because the cap of 8 friends is reached: 8 are rewarded or about to be <nil>
	// <nil> <nil>
}

// In a boost period the referrer earns another coupon. The instant of the payment
// counts.
func Example_boost() {
	p := program(8)
	p.Boosts = []referral.Boost{{
		Name: "singles day", Interval: coupon.Interval{From: noon.Add(day), Until: noon.Add(2 * day)},
		Rule: referral.Rule{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "more"}}}},
	}}
	t := newTown(p)
	for i, at := range []time.Time{noon.Add(day - time.Microsecond), noon.Add(day), noon.Add(2 * day)} {
		friend := fmt.Sprint("friend ", i+1)
		t.friend(friend, noon)
		print1(t.OrderPaid(ctx, paid(friend, friend, "12.00"), at))
		reward := print1(t.Rewards(ctx, "invite", friend))[1]
		given := print1(t.coupons.Coupon(ctx, reward.Coupons[0]))
		fmt.Printf("%s %s %s %q\n", friend, at.Format(time.RFC3339), given.Offer, reward.Boost)
	}
	// Output:
	// friend 1 2026-11-21T11:59:59Z thanks ""
	// friend 2 2026-11-21T12:00:00Z more "singles day"
	// friend 3 2026-11-22T12:00:00Z thanks ""
}

// Goods that come back within the hold take the reward with them, and the place in
// the cap is free again.
func Example_returnedBeforeTheReward() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order 1", "12.00"), noon.Add(time.Hour)))
	t.rewards("mia")
	fmt.Println(print1(t.Caps(ctx, "invite", "jane", noon))[0].Used, "of 8")
	settled := print1(t.OrderReturned(ctx, cancelled("mia", "order 1"), noon.Add(90*time.Minute)))
	fmt.Println(settled.Referrals[0].State)
	t.rewards("mia")
	fmt.Println(print1(t.Caps(ctx, "invite", "jane", noon))[0].Used, "of 8")
	// Output:
	// mia, for mia when registered: granted
	// jane, for mia when qualified: pending
	// 1 of 8
	// voided
	// mia, for mia when registered: granted
	// jane, for mia when qualified: canceled the payment was taken back in the hold
	// 0 of 8
}

// After the reward, an unused coupon is revoked, and a used one is owed.
func Example_returnedAfterTheReward() {
	t := newTown(program(8))
	for _, friend := range []string{"mia", "noa"} {
		t.friend(friend, noon)
		print1(t.OrderPaid(ctx, paid(friend, friend, "12.00"), noon.Add(time.Hour)))
	}
	used := print1(t.Rewards(ctx, "invite", "noa"))[1].Coupons[0]
	quote := print1(t.coupons.Quote(ctx, cart("jane"), coupon.ChooseCoupons(used), noon.Add(time.Hour)))
	print1(t.coupons.Redeem(ctx, "jane's order", quote, noon.Add(time.Hour)))
	for _, friend := range []string{"mia", "noa"} {
		settled := print1(t.OrderReturned(ctx, cancelled(friend, friend), noon.Add(day)))
		reward := print1(t.Rewards(ctx, "invite", friend))[1]
		fmt.Println(friend, settled.Referrals[0].State, reward.State, len(reward.Owed), "owed")
		last := settled.Referrals[0].Decisions[len(settled.Referrals[0].Decisions)-1]
		fmt.Println(last.Why)
	}
	// Output:
	// mia reversed clawed_back 0 owed
	// coupons taken back: 1, of which used and owed: 0
	// noa reversed clawed_back 1 owed
	// coupons taken back: 1, of which used and owed: 1
}

// Nobody brings themselves, and nobody is new twice.
func Example_ownCode() {
	t := newTown(program(8))
	t.friend("mia", noon)
	theirs := print1(t.Link(ctx, "invite", "mia", noon))
	for _, r := range []referral.Registration{
		{Customer: "jane", Code: t.link.Code.String()},
		{Customer: "jane's other account", Code: t.link.Code.String(), Known: true},
		{Customer: "stranger", Code: "NOBODY"},
	} {
		o := print1(t.Register(ctx, r, noon))
		fmt.Printf("%s: %s: %s %q\n", r.Customer, o.Reason, o.Reason.Staff(), o.Reason.Shopper())
	}
	_, err := t.Register(ctx, referral.Registration{Customer: "mia", Code: theirs.Code.String()}, noon)
	fmt.Println(err)
	_, err = t.Register(ctx, referral.Registration{Customer: "typo", Code: "7K2QX-AAAAA-AAAB"}, noon)
	fmt.Println(err)
	// Output:
	// jane: own_code: the code is the customer's own "This invitation code can't be used."
	// jane's other account: not_new: the customer was known before: only new customers can be invited "Invitations are for new customers."
	// stranger: unknown_code: nobody has the code "This invitation code can't be used."
	// ledger: the id was used before for something else: customer "mia" registered before with another code or visitor
	// coupon: the code is mistyped: its check character does not fit
}

// What is told twice, or late, changes nothing.
func Example_toldTwice() {
	t := newTown(program(8))
	t.friend("mia", noon)
	for _, at := range []time.Duration{time.Hour, 2 * time.Hour, 40 * day} {
		settled := print1(t.OrderPaid(ctx, paid("mia", "order 1", "12.00"), noon.Add(at)))
		fmt.Println(settled.Referrals[0].State, settled.Referrals[0].Paid.Format(time.TimeOnly))
	}
	_, err := t.OrderPaid(ctx, paid("mia", "order 1", "13.00"), noon.Add(time.Hour))
	fmt.Println(err)
	fmt.Println(len(print1(t.coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, noon)).Coupons), "coupon")
	// Output:
	// confirmed 13:00:00
	// confirmed 13:00:00
	// confirmed 13:00:00
	// ledger: the id was used before for something else: order "order 1", paid "order 1" was told before as 12.00 EUR
	// 1 coupon
}

// A paused program binds nobody and grants nothing; what was promised is granted
// when it goes on.
func Example_pause() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order 1", "12.00"), noon.Add(time.Minute)))
	fmt.Println(t.Pause(ctx, "invite", "staff", "too many", noon))
	fmt.Println(t.friend("noa", noon.Add(time.Minute)).Reason)
	_, err := t.Link(ctx, "invite", "noa", noon)
	fmt.Println(err)
	later := noon.Add(2 * time.Hour)
	print1(t.Settle(ctx, later, 0))
	t.rewards("mia")
	fmt.Println(t.Resume(ctx, "invite", "staff", "all is well", later))
	print1(t.Settle(ctx, later.Add(time.Minute), 0))
	t.rewards("mia")
	// Output:
	// <nil>
	// paused
	// referral: the program is paused: "invite"
	// mia, for mia when registered: granted
	// jane, for mia when qualified: pending
	// <nil>
	// mia, for mia when registered: granted
	// jane, for mia when qualified: granted
}

// Jane sees how far her friends are, and nothing that says who they are. Staff see
// everything.
func ExampleService_Friends() {
	t := newTown(held(1))
	for i, friend := range []string{"mia", "noa", "ida"} {
		t.friend(friend, noon.Add(time.Duration(i)*time.Hour))
	}
	print1(t.OrderPaid(ctx, paid("noa", "order 1", "12.00"), noon.Add(4*time.Hour)))
	print1(t.OrderPaid(ctx, paid("mia", "order 2", "12.00"), noon.Add(5*time.Hour)))
	for _, f := range print1(t.Friends(ctx, "invite", "jane", referral.TrackingQuery{})).Friends {
		fmt.Printf("joined %s, %s, waits for %q\n", f.Joined.Format(time.TimeOnly), f.State, f.Waits)
		if f.Reward != nil {
			fmt.Printf("  reward %s by %s %q\n", f.Reward.State, f.Until.Format(time.DateTime), f.Reward.Why)
		}
	}
	for _, d := range print1(t.Referral(ctx, "invite", "mia")).Decisions {
		fmt.Println(d.At.Format(time.TimeOnly), d.What+":", d.Why)
	}
	// Output:
	// joined 14:01:00, bound, waits for "your friend's first payment"
	// joined 13:01:00, held, waits for "the end of the return period"
	//   reward pending by 2026-11-21 16:00:00 ""
	// joined 12:01:00, held, waits for "the end of the return period"
	//   reward withheld by 2026-11-21 17:00:00 "the cap of 1 friends is reached: 1 are rewarded or about to be"
	// 12:01:00 bound: registered as a new customer; the last link followed in the window was the referrer's, at 2026-11-20T12:00:00Z
	// 12:01:00 granted: 2 coupons for the referee when registered
	// 17:00:00 qualified: order "order 2" was paid at 2026-11-20T17:00:00Z, 12.00 EUR
	// 17:00:00 withheld: the cap of 1 friends is reached: 1 are rewarded or about to be
}

func ExampleLink_Path() {
	fmt.Println(referral.Link{Program: "invite", Customer: "jane", Code: "7K2QXAAAAAAAAA"}.Path())
	// Output: /invite?code=7K2QX-AAAAA-AAAA
}

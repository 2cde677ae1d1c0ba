package referral_test

import (
	"fmt"
	"time"

	"github.com/vouch-go/vouch/referral"
)

// Mia paid at 12:02, and the hold is an hour: nothing is to be done before.
func ExampleService_NextDeadline() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order", "12.00"), noon.Add(2*time.Minute)))
	next := print1(t.NextDeadline(ctx))
	fmt.Println(next.Format(time.TimeOnly))
	print1(t.Settle(ctx, next, 0))
	fmt.Println(print1(t.NextDeadline(ctx)).IsZero())
	// Output:
	// 13:02:00
	// true
}

// Nobody has settled for a day: what was promised within 24 hours of the payment is
// found, and granted late.
func ExampleService_Overdue() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order", "12.00"), noon.Add(2*time.Minute)))
	for _, now := range []time.Time{noon.Add(day), noon.Add(day + time.Hour)} {
		page := print1(t.Overdue(ctx, "invite", now, referral.RewardQuery{}))
		fmt.Println(len(page.Rewards))
		for _, r := range page.Rewards {
			fmt.Println(r.Customer, r.State, "due by", r.DueBy.Format(time.DateTime))
		}
	}
	print1(t.Settle(ctx, noon.Add(day+time.Hour), 0))
	fmt.Println(len(print1(t.Overdue(ctx, "invite", noon.Add(day+time.Hour), referral.RewardQuery{})).Rewards))
	// Output:
	// 0
	// 1
	// jane pending due by 2026-11-21 12:02:00
	// 0
}

package referral_test

import (
	"fmt"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

// What 1,000 customers who bring 20,000 friends may cost, before the program starts.
func ExampleProgram_MaxExposure() {
	p := referral.Program{ID: "invite", Name: "Invite", Caps: []referral.Cap{{Friends: 8}}, Rewards: []referral.Rule{
		{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("10.00")}}},
		{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome"}}, Worth: coupon.Amounts{eur("2.00")}}},
	}}
	most := print1(p.MaxExposure(1000, 20_000))
	fmt.Println(most.Worth, most.Coupons[0].Count, most.Coupons[0].Offer)
	fmt.Println(most.Bounds)
	p.Budget = eur("50000.00")
	most = print1(p.MaxExposure(1000, 20_000))
	fmt.Println(most.Worth, most.Bounds)
	// Output:
	// [120000.00 EUR] 20000 welcome
	// [the cap of 8 friends per referrer]
	// [50000.00 EUR] [the cap of 8 friends per referrer the budget of 50000.00 EUR]
}

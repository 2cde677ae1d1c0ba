package referral

import (
	"time"

	"github.com/vouch-go/vouch/coupon"
)

// AliExpress is the program of the marketplace of that name: the friend, who never
// registered before, gets a set of coupons on registering by the personal link; the
// referrer gets one coupon for the friend's first payment, of any amount, within 24
// hours; a cancelled or refunded order earns nothing; a limited number of friends
// counts. The number is not published, so it is a parameter, like the coupons.
func AliExpress(id string, friends int64, welcome []coupon.IssueOffer, reward coupon.IssueOffer) Program {
	return Program{
		ID: id, Name: "Invite your friends",
		DueWithin: 24 * time.Hour,
		Rewards: []Rule{
			{Side: Referee, Step: Registered, Earning: Earning{Coupons: welcome}},
			{Side: Referrer, Step: Qualified, Earning: Earning{Coupons: []coupon.IssueOffer{reward}}},
		},
		Caps: []Cap{{Friends: friends}},
	}
}

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

//go:embed seed/offers.json
var seedOffers []byte

// seed publishes the shop's offers and its program, opens the account of staff, and
// issues a code for everybody. All of it is idempotent: a shop that has it stays as it is.
func (s *shop) seed(ctx context.Context, password string) error {
	if _, err := s.referrals.Program(ctx, program, 0); err == nil {
		return nil // furnished before; what staff have changed since stays
	}
	now := s.now()
	var documents []json.RawMessage
	if err := json.Unmarshal(seedOffers, &documents); err != nil {
		return err
	}
	for _, document := range documents {
		offer, err := coupon.ParseOffer(document)
		if err != nil {
			return fmt.Errorf("the seed's offers: %w", err)
		}
		if _, err := s.coupons.Publish(ctx, offer, staffEmail, now); err != nil {
			return err
		}
	}
	code := coupon.IssueRequest{ID: "tea-time", Actor: staffEmail, Offers: []coupon.IssueOffer{{Offer: "tea-time", Code: "TEATIME"}}}
	if _, err := s.coupons.Issue(ctx, code, now); err != nil {
		return err
	}
	exclusion := coupon.Exclusion{ID: "no-gifts", Seller: "zephyr", Labels: []string{"referral", "welcome"}}
	if err := s.coupons.Exclude(ctx, exclusion, "zephyr", now); err != nil {
		return err
	}
	staff := customer{ID: "staff", Email: staffEmail, Name: "Carla", Staff: true}
	if err := s.insertCustomer(ctx, s.db, staff, password, now); err != nil {
		return err
	}
	s.newStaff = true
	terms := referral.AliExpress(program, 8,
		[]coupon.IssueOffer{{Offer: "welcome-3"}, {Offer: "welcome-10"}}, coupon.IssueOffer{Offer: "friend-5"})
	terms.Name = "Invite your friends"
	terms.Hold = 2 * time.Hour
	// Many friends within the hour: somebody looks before anything is granted.
	terms.Checks = []referral.Check{{Kind: referral.CheckVelocity, Most: 3, Within: time.Hour, Action: referral.ActionReview}}
	terms.Review = referral.Review{Within: 48 * time.Hour, Otherwise: referral.Approve}
	_, err := s.referrals.Publish(ctx, terms, staffEmail, now)
	return err
}

package main

import (
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

// accountPage is "My account": the link to invite friends with, and the orders.
type accountPage struct {
	Link    string // whole, with the site's own address
	Code    string
	Shares  []referral.ShareTarget
	Caps    []referral.CapStatus
	Coupons int // that can be used
	Orders  []order
	Closed  string // why nobody can be invited now; empty: one can
}

func (t *site) account(q *request) error {
	ctx, who := q.Context(), q.visit.who
	page := accountPage{}
	var err error
	if page.Orders, err = t.ordersBy(ctx, who.ID); err != nil {
		return err
	}
	wallet, err := t.walletOf(ctx, who.ID, false)
	if err != nil {
		return err
	}
	page.Coupons = len(wallet)
	status, err := t.referrals.Status(ctx, program)
	if err != nil {
		return err
	}
	if status.Paused {
		page.Closed = "The program takes a break. Friends you have invited before are not forgotten."
	} else if err := t.invitation(q, &page); err != nil {
		return err
	}
	if page.Caps, err = t.referrals.Caps(ctx, program, who.ID, t.now()); err != nil {
		return err
	}
	return t.show(q, 200, "account", "My account", page)
}

// invitation is what a customer invites friends with.
func (t *site) invitation(q *request, page *accountPage) error {
	link, err := t.referrals.Link(q.Context(), program, q.visit.who.ID, t.now())
	if err != nil {
		return err
	}
	page.Link, page.Code = t.address(q)+link.Path(), link.Code.String()
	share, err := referral.NewShare(page.Link, "Kiosk", t.language(q))
	page.Shares = share.Targets
	return err
}

// address is how browsers reach this site.
func (t *site) address(q *request) string {
	if t.secure {
		return "https://" + q.Host
	}
	return "http://" + q.Host
}

// qr is the link as a picture to be scanned.
func (t *site) qr(q *request) error {
	link, err := t.referrals.Link(q.Context(), program, q.visit.who.ID, t.now())
	if err != nil {
		return err
	}
	picture, err := qrPicture(t.address(q) + link.Path())
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "image/svg+xml")
	q.w.Header().Set("Cache-Control", "private, max-age=3600")
	_, err = q.w.Write([]byte(picture))
	return err
}

// friendsPage is how far each friend is, without saying who they are.
type friendsPage struct {
	Friends []friendSteps
	Caps    []referral.CapStatus
	Next    string
}

type friendSteps struct {
	referral.Tracked
	Steps []step
}

// step is one of the steps on the way to a reward.
type step struct {
	Name string
	Done bool
	Over bool // it will not happen
}

func (t *site) friends(q *request) error {
	ctx, who := q.Context(), q.visit.who
	page, err := t.referrals.Friends(ctx, program, who.ID, referral.TrackingQuery{After: q.URL.Query().Get("after"), Limit: 20})
	if err != nil {
		return err
	}
	shown := friendsPage{Next: page.Next}
	if shown.Caps, err = t.referrals.Caps(ctx, program, who.ID, t.now()); err != nil {
		return err
	}
	for _, f := range page.Friends {
		shown.Friends = append(shown.Friends, friendSteps{f, stepsOf(f)})
	}
	return t.show(q, 200, "friends", "My friends", shown)
}

func stepsOf(f referral.Tracked) []step {
	var bought, earned, over bool
	switch f.State {
	case referral.StateHeld:
		bought = true
	case referral.StateConfirmed:
		bought = true
		earned = f.Reward != nil && f.Reward.State == referral.RewardGranted
	case referral.StateBound:
	default:
		over = true
	}
	over = over || f.Reward != nil && (f.Reward.State == referral.RewardWithheld || f.Reward.State == referral.RewardCanceled)
	return []step{
		{Name: "registered", Done: true},
		{Name: "bought something", Done: bought, Over: over && !bought},
		{Name: "your coupon", Done: earned, Over: over && !earned},
	}
}

// walletPage is the coupon wallet.
type walletPage struct {
	Usable []saving
	Past   []coupon.Coupon
	Cart   bool // there is something in it, so that savings are known
	Now    time.Time
}

func (t *site) wallet(q *request) error {
	ctx, who := q.Context(), q.visit.who
	usable, err := t.savings(ctx, who, q.visit.cart, t.language(q))
	if err != nil {
		return err
	}
	past, err := t.walletOf(ctx, who.ID, true)
	if err != nil {
		return err
	}
	units, err := t.unitsIn(ctx, q.visit.cart)
	if err != nil {
		return err
	}
	return t.show(q, 200, "wallet", "My coupons", walletPage{usable, past, units > 0, t.now()})
}

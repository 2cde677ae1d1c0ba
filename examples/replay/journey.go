package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// journey is a grocery chain's coupon campaigns and what was redeemed of them.
type journey struct {
	campaigns   map[string]campaign
	coupons     map[paperCoupon][]string // the products each can be used on
	order       []paperCoupon            // their order in the data
	sent        map[string][]string      // by household, the campaigns it was sent
	households  []string                 // those that were sent any, in the data's order
	products    []string                 // all the shop has
	redemptions []paperRedemption
	zone        *time.Location
}

// campaign runs through local days, the last counted in full.
type campaign struct{ first, last time.Time }

// paperCoupon is one coupon of one campaign.
type paperCoupon struct{ campaign, upc string }

func (c paperCoupon) offer() string { return "c" + c.campaign + "-" + c.upc }

// code is what would be printed on the coupon.
func (c paperCoupon) code() string { return "CAMPAIGN" + c.campaign + "UPC" + c.upc }

// paperRedemption says that a household used a coupon on a day.
type paperRedemption struct {
	day       time.Time
	household string
	coupon    paperCoupon
}

func replayJourney(ctx context.Context, s *session, src source) (*report, error) {
	j, err := readJourney(src)
	if err != nil {
		return nil, err
	}
	r := &report{title: "journey: real coupon campaigns of a grocery chain (USD)"}
	r.rule("An offer for each coupon of each campaign: its products, its local days in %s with the last in full, and the households that were sent it.", j.zone)
	r.rule("A redemption names no product and no price, and a coupon no value: each is a cart of one line at 5.00 USD, some product the coupon can be used on, at local noon, with 1.00 USD off.")
	r.section("Data")
	r.line("campaigns", len(j.campaigns))
	r.line("coupons of campaigns", len(j.coupons))
	r.line("redemptions", len(j.redemptions))

	first, accepted, refused, err := j.pass(ctx, s, "journey", nil)
	if err != nil {
		return nil, err
	}
	r.section("As the campaigns were")
	check(r, "accepted", accepted, len(j.redemptions))
	counts(r, refused)

	r.section("Each redemption as it should not be")
	if err := j.controls(ctx, s, r, first.coupons); err != nil {
		return nil, err
	}

	once := []coupon.Limit{{Per: coupon.PerCustomer, Uses: 1}}
	second, accepted, refused, err := j.pass(ctx, s, "journey_once", once)
	if err != nil {
		return nil, err
	}
	r.section("Once per household, coupon and campaign")
	distinct := j.distinct()
	check(r, "accepted", accepted, distinct)
	check(r, "refused: "+string(coupon.ReasonLimit), refused[coupon.ReasonLimit], len(j.redemptions)-distinct)

	audited, err := coupon.Audit(ctx, second.store)
	if err != nil {
		return nil, err
	}
	check(r, "discrepancies found by the audit", len(audited.Discrepancies), 0)
	return r, first.close(ctx, s, "journey", r, func(ctx context.Context, store storage.Store) (ledger.AuditReport, error) {
		return coupon.Audit(ctx, store)
	})
}

// pass publishes the offers in an empty store and goes through the redemptions in
// the order of their days.
func (j *journey) pass(ctx context.Context, s *session, name string, limits []coupon.Limit) (*books, int, map[coupon.Reason]int, error) {
	store, err := s.stores.open(ctx, name, append(coupon.Views(), ledger.Views()...)...)
	if err != nil {
		return nil, 0, nil, err
	}
	b := &books{store: store, coupons: coupon.New(store, coupon.Options{}), currency: usd("0").Currency()}
	if err := j.publish(ctx, s, b.coupons, limits); err != nil {
		return nil, 0, nil, err
	}
	s.progress.start(name+": redemptions", len(j.redemptions))
	defer s.progress.end()
	refused := make(map[coupon.Reason]int)
	for i, redemption := range j.redemptions {
		use := j.use(redemption)
		quote, err := use.quote(ctx, b.coupons)
		if err != nil {
			return nil, 0, nil, err
		}
		s.progress.step()
		if len(quote.Refused()) > 0 {
			refused[quote.Refused()[0].Reason]++
			continue
		}
		redeemed, err := b.coupons.Redeem(ctx, fmt.Sprintf("redemption-%d", i+1), quote, use.at)
		if err != nil {
			return nil, 0, nil, err
		}
		b.confirmed(redeemed)
	}
	return b, len(b.orders), refused, nil
}

// publish makes an offer of each coupon, and issues it with a code that anyone may
// enter: the condition says for whom it is.
func (j *journey) publish(ctx context.Context, s *session, coupons *coupon.Service, limits []coupon.Limit) error {
	start := j.start()
	s.progress.start("journey: offers", len(j.order))
	defer s.progress.end()
	for _, c := range j.order {
		campaign := j.campaigns[c.campaign]
		window, err := coupon.Days(campaign.first.Format(time.DateOnly), campaign.last.Format(time.DateOnly), j.zone.String())
		if err != nil {
			return err
		}
		offer, err := coupons.Publish(ctx, coupon.Offer{
			ID:         c.offer(),
			Name:       "1.00 USD off with coupon " + c.upc,
			Benefit:    coupon.AmountOff{Amounts: coupon.Amounts{usd("1.00")}},
			Scope:      coupon.Scope{In: coupon.Lists{Products: j.coupons[c]}},
			Conditions: []coupon.Condition{coupon.InSegment{Any: []string{segment(c.campaign)}}},
			Schedule:   coupon.Schedule{Interval: window},
			Limits:     limits,
		}, "replay", start)
		if err != nil {
			return err
		}
		_, err = coupons.Issue(ctx, coupon.IssueRequest{
			ID: offer.ID, Actor: "replay", Offers: []coupon.IssueOffer{{Offer: offer.ID, Code: c.code()}},
		}, start)
		if err != nil {
			return err
		}
		s.progress.step()
	}
	return nil
}

// start is the first day of any campaign.
func (j *journey) start() time.Time {
	var start time.Time
	for _, c := range j.campaigns {
		if start.IsZero() || c.first.Before(start) {
			start = c.first
		}
	}
	return start
}

func segment(campaign string) string { return "campaign-" + campaign }

// distinct counts households' coupons, each once.
func (j *journey) distinct() int {
	type key struct {
		household string
		coupon    paperCoupon
	}
	seen := make(map[key]bool)
	for _, r := range j.redemptions {
		seen[key{r.household, r.coupon}] = true
	}
	return len(seen)
}

// couponUse is what a household does at the checkout.
type couponUse struct {
	at       time.Time
	code     string
	customer coupon.Customer
	product  string
}

func (j *journey) use(r paperRedemption) couponUse {
	return couponUse{at: noon(r.day), code: r.coupon.code(), customer: j.customer(r.household), product: j.coupons[r.coupon][0]}
}

func (j *journey) customer(household string) coupon.Customer {
	c := coupon.Customer{Key: household}
	for _, id := range j.sent[household] {
		c.Segments = append(c.Segments, segment(id))
	}
	return c
}

func noon(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, day.Location())
}

func (u couponUse) quote(ctx context.Context, coupons *coupon.Service) (*coupon.Quote, error) {
	return coupons.Quote(ctx, coupon.Cart{
		Currency: usd("0").Currency(),
		Customer: u.customer,
		Lines:    []coupon.Line{{ID: "1", Product: u.product, Quantity: 1, UnitPrice: usd("5.00")}},
	}, coupon.Choose(u.code), u.at)
}

// control is one way in which a redemption can be wrong, and the reason for which
// it must be refused then.
type control struct {
	name   string
	reason coupon.Reason
	change func(j *journey, r paperRedemption, u *couponUse) (possible bool)
}

func journeyControls() []control {
	return []control{
		{"the day before its campaign", coupon.ReasonNotYet, func(j *journey, r paperRedemption, u *couponUse) bool {
			u.at = noon(j.campaigns[r.coupon.campaign].first.AddDate(0, 0, -1))
			return true
		}},
		{"the day after its campaign", coupon.ReasonExpired, func(j *journey, r paperRedemption, u *couponUse) bool {
			u.at = noon(j.campaigns[r.coupon.campaign].last.AddDate(0, 0, 1))
			return true
		}},
		{"by a household that was not sent it", coupon.ReasonSegment, func(j *journey, r paperRedemption, u *couponUse) bool {
			i := slices.IndexFunc(j.households, func(h string) bool { return !slices.Contains(j.sent[h], r.coupon.campaign) })
			if i >= 0 {
				u.customer = j.customer(j.households[i])
			}
			return i >= 0
		}},
		{"on a product it is not for", coupon.ReasonNoLines, func(j *journey, r paperRedemption, u *couponUse) bool {
			i := slices.IndexFunc(j.products, func(p string) bool { return !slices.Contains(j.coupons[r.coupon], p) })
			if i >= 0 {
				u.product = j.products[i]
			}
			return i >= 0
		}},
	}
}

// controls makes each redemption wrong in each way, and counts those refused for
// the right reason.
func (j *journey) controls(ctx context.Context, s *session, r *report, coupons *coupon.Service) error {
	for _, control := range journeyControls() {
		s.progress.start("journey: "+control.name, len(j.redemptions))
		tried, refused := 0, 0
		for _, redemption := range j.redemptions {
			s.progress.step()
			use := j.use(redemption)
			if !control.change(j, redemption, &use) {
				continue
			}
			quote, err := use.quote(ctx, coupons)
			if err != nil {
				return err
			}
			tried++
			if len(quote.Applied()) == 0 && quote.Refused()[0].Reason == control.reason {
				refused++
			}
		}
		s.progress.end()
		check(r, fmt.Sprintf("%s: refused, %s", control.name, control.reason), refused, tried)
	}
	return nil
}

func readJourney(src source) (*journey, error) {
	j := &journey{campaigns: make(map[string]campaign), coupons: make(map[paperCoupon][]string), sent: make(map[string][]string)}
	var err error
	if j.zone, err = time.LoadLocation("America/New_York"); err != nil {
		return nil, err
	}
	err = src.read(
		table{"journey/campaigns", []string{"campaign_id", "start_date", "end_date"}, j.readCampaign},
		table{"journey/campaign_households", []string{"campaign_id", "household_id"}, func(c []string) error {
			if j.sent[c[1]] == nil {
				j.households = append(j.households, c[1])
			}
			j.sent[c[1]] = append(j.sent[c[1]], c[0])
			return nil
		}},
		table{"journey/coupon_products", []string{"coupon_upc", "campaign_id", "product_id"}, func(c []string) error {
			paper := paperCoupon{campaign: c[1], upc: c[0]}
			if _, known := j.campaigns[paper.campaign]; !known {
				return fmt.Errorf("there is no campaign %q", paper.campaign)
			}
			if j.coupons[paper] == nil {
				j.order = append(j.order, paper)
			}
			j.coupons[paper] = append(j.coupons[paper], c[2])
			return nil
		}},
		table{"journey/products", []string{"product_id"}, func(c []string) error {
			j.products = append(j.products, c[0])
			return nil
		}},
		table{"journey/redemptions", []string{"date", "household_id", "coupon_upc", "campaign_id"}, j.readRedemption},
	)
	slices.SortStableFunc(j.redemptions, func(a, b paperRedemption) int { return a.day.Compare(b.day) })
	return j, err
}

func (j *journey) readCampaign(c []string) error {
	first, err := j.day(c[1])
	if err != nil {
		return err
	}
	last, err := j.day(c[2])
	j.campaigns[c[0]] = campaign{first, last}
	return err
}

func (j *journey) readRedemption(c []string) error {
	day, err := j.day(c[0])
	if err != nil {
		return err
	}
	paper := paperCoupon{campaign: c[3], upc: c[2]}
	if j.coupons[paper] == nil {
		return fmt.Errorf("campaign %q has no coupon %q", paper.campaign, paper.upc)
	}
	j.redemptions = append(j.redemptions, paperRedemption{day, c[1], paper})
	return nil
}

func (j *journey) day(text string) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, text, j.zone)
	if err != nil {
		return day, fmt.Errorf("%q is not a date like 2006-01-02", text)
	}
	return day, nil
}

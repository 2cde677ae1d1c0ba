package enginetest

import (
	"context"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func staffOperations() map[string]operation {
	reissue := coupon.ReissueRequest{ID: "again", Coupon: "jane/1", Actor: "staff", Reason: "lost"}
	other := reissue
	other.Reason = "stolen"
	until := noon.AddDate(0, 1, 0)
	uses := func(amount string) coupon.ImportRequest {
		return coupon.ImportRequest{ID: "old", Actor: "staff", Uses: []coupon.OpeningUse{
			{Order: "old", Offer: "cap", Amount: ledger.MustMoney(amount, eur), At: noon},
		}}
	}
	override := coupon.OverrideRequest{ID: "o", Offer: "cap", Customer: "jane", Actor: "staff", Reason: "our fault"}
	forAnother := override
	forAnother.Customer = "joe"
	load := coupon.StockRequest{ID: "load", Offer: "own", Codes: []string{"CARD1", "CARD2"}, Actor: "staff", Reason: "printed"}
	fromStock := coupon.IssueRequest{ID: "gift", Holder: "jim", Offers: []coupon.IssueOffer{{Offer: "own", FromStock: true}}}
	forJoe := fromStock
	forJoe.Holder = "joe"
	return map[string]operation{
		"coupon.Service.LoadStock": {nil, always(asking{
			goesOn: true,
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.LoadStock(ctx, load, at)
			},
			other: func(ctx context.Context, s services) error {
				other := load
				other.Offer, other.Codes = "cap", []string{"CARD3"}
				return only(s.coupons.LoadStock(ctx, other, noon))
			},
		})},
		"coupon.Service.WithdrawStock": {
			func(ctx context.Context, s services) error { return only(s.coupons.LoadStock(ctx, load, noon)) },
			always(asking{goesOn: true, ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "load", Actor: "staff", Reason: "leaked"}, at)
			}}),
		},
		"coupon.Service.Issue, from a stock": {
			func(ctx context.Context, s services) error {
				one := load
				one.Codes = one.Codes[:1]
				return only(s.coupons.LoadStock(ctx, one, noon))
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.coupons.Issue(ctx, fromStock, at)
				},
				other: func(ctx context.Context, s services) error { return only(s.coupons.Issue(ctx, forJoe, noon)) },
			}),
		},
		"coupon.Service.Override": {nil, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.Override(ctx, override, at)
			},
			other: func(ctx context.Context, s services) error { return only(s.coupons.Override(ctx, forAnother, noon)) },
		})},
		"coupon.Service.PlanOverride": {nil, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Override], error) {
				return s.coupons.PlanOverride(ctx, override, at)
			}),
			other: func(ctx context.Context, s services) error {
				return only(s.coupons.PlanOverride(ctx, forAnother, noon))
			},
		})},
		"coupon.Service.Reissue": {nil, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.Reissue(ctx, reissue, at)
			},
			other: func(ctx context.Context, s services) error { return only(s.coupons.Reissue(ctx, other, noon)) },
		})},
		"coupon.Service.PlanReissue": {nil, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Coupon], error) {
				return s.coupons.PlanReissue(ctx, reissue, at)
			}),
			other: func(ctx context.Context, s services) error { return only(s.coupons.PlanReissue(ctx, other, noon)) },
		})},
		"coupon.Service.Extend": {ending, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.coupons.Extend(ctx, "ending/1", until, "staff", "ill", at)
		}})},
		"coupon.Service.PlanExtend": {ending, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Coupon], error) {
				return s.coupons.PlanExtend(ctx, "ending/1", until, "staff", "ill", at)
			}),
		})},
		"coupon.Service.Import": {nil, always(asking{
			goesOn: true,
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, only(s.coupons.Import(ctx, uses("1.00"), at)) // how much was known before differs
			},
			other: func(ctx context.Context, s services) error { return only(s.coupons.Import(ctx, uses("2.00"), noon)) },
		})},
	}
}

// ending gives jane a coupon for a day.
func ending(ctx context.Context, s services) error {
	o := coupon.Offer{ID: "ending", Name: "ending", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}}
	o.Schedule.Life = 24 * time.Hour
	if _, err := s.coupons.Publish(ctx, o, "staff", noon); err != nil {
		return err
	}
	return only(s.coupons.Issue(ctx, coupon.IssueRequest{ID: "ending", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "ending"}}}, noon))
}

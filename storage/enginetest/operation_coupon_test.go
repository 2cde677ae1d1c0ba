package enginetest

import (
	"context"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func couponOperations() map[string]operation {
	issue := coupon.IssueRequest{ID: "new", Holder: "jim", Offers: []coupon.IssueOffer{{Offer: "own", Count: 2}, {Offer: "cap", Code: "NEW"}}}
	otherIssue := issue
	otherIssue.Holder = "joe"
	batch := coupon.BatchRequest{ID: "batch", Offer: "own", Count: 3}
	exclusion := coupon.Exclusion{ID: "x", Seller: "acme", Labels: []string{"referral"}}
	some := coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 2}}}
	all := coupon.RefundRequest{ID: "r", Everything: true}
	refund := func(request, other coupon.RefundRequest) operation {
		return operation{redeemed, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.Refund(ctx, "order", request, at)
			},
			other: func(ctx context.Context, s services) error { return only(s.coupons.Refund(ctx, "order", other, noon)) },
		})}
	}
	return map[string]operation{
		"coupon.Service.Publish": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.coupons.Publish(ctx, coupon.Offer{ID: "cap", Name: "another", Benefit: coupon.PercentOff{Rate: ledger.MustRate("50")}}, "staff", at)
		}})},
		"coupon.Service.Pause": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.coupons.Pause(ctx, "cap", "staff", "too many", at)
		}})},
		"coupon.Service.Resume": {
			func(ctx context.Context, s services) error {
				return s.coupons.Pause(ctx, "cap", "staff", "too many", noon)
			},
			always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, s.coupons.Resume(ctx, "cap", "staff", "more came in", at)
			}}),
		},
		"coupon.Service.Exclude": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.coupons.Exclude(ctx, exclusion, "acme", at)
		}})},
		"coupon.Service.Include": {
			func(ctx context.Context, s services) error { return s.coupons.Exclude(ctx, exclusion, "acme", noon) },
			always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, s.coupons.Include(ctx, "acme", "x", "acme", at)
			}}),
		},
		"coupon.Service.Issue": {nil, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.Issue(ctx, issue, at)
			},
			other: func(ctx context.Context, s services) error { return only(s.coupons.Issue(ctx, otherIssue, noon)) },
		})},
		"coupon.Service.PlanIssue": {nil, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[[]coupon.Coupon], error) {
				return s.coupons.PlanIssue(ctx, issue, at)
			}),
			other: func(ctx context.Context, s services) error { return only(s.coupons.PlanIssue(ctx, otherIssue, noon)) },
		})},
		"coupon.Service.IssueBatch": {nil, always(asking{
			goesOn: true,
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.IssueBatch(ctx, batch, at)
			},
			other: func(ctx context.Context, s services) error {
				other := batch
				other.Count = 2
				return only(s.coupons.IssueBatch(ctx, other, noon))
			},
		})},
		"coupon.Service.Revoke": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.coupons.Revoke(ctx, "jane/1", "staff", "stolen", at)
		}})},
		"coupon.Service.PlanRevoke": {nil, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Coupon], error) {
				return s.coupons.PlanRevoke(ctx, "jane/1", "staff", "stolen", at)
			}),
		})},
		"coupon.Service.Reserve":                                 {nil, checkout((*coupon.Service).Reserve, false)},
		"coupon.Service.Reserve, in the place of another choice": {reserved(noon, "90.00", "order"), checkout((*coupon.Service).Reserve, false)},
		"coupon.Service.Redeem":                                  {nil, checkout((*coupon.Service).Redeem, true)},
		"coupon.Service.Redeem, with a lapsed reservation in the way": {
			reserved(noon.Add(-time.Hour), "20.00", "left"), checkout((*coupon.Service).Redeem, true),
		},
		"coupon.Service.Redeem, what another service has quoted": {nil, func(ctx context.Context, s services) (asking, error) {
			return checkout((*coupon.Service).Redeem, true)(ctx, serve(s.store, nil))
		}},
		"coupon.Service.Confirm": {reserved(noon, "20.00", "order"), always(asking{ask: confirm})},
		"coupon.Service.Confirm, what was released": {
			func(ctx context.Context, s services) error {
				if err := reserved(noon, "20.00", "order")(ctx, s); err != nil {
					return err
				}
				return only(s.coupons.Release(ctx, "order", noon))
			},
			always(asking{ask: confirm}),
		},
		"coupon.Service.PlanConfirm": {reserved(noon, "20.00", "order"), always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Redemption], error) {
				return s.coupons.PlanConfirm(ctx, "order", at)
			}),
		})},
		"coupon.Service.Release": {reserved(noon, "20.00", "order"), always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.coupons.Release(ctx, "order", at)
		}})},
		"coupon.Service.Refund":             refund(some, all),
		"coupon.Service.Refund, everything": refund(all, some),
		"coupon.Service.PlanRefund": {redeemed, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Refund], error) {
				return s.coupons.PlanRefund(ctx, "order", some, at)
			}),
			other: func(ctx context.Context, s services) error {
				return only(s.coupons.PlanRefund(ctx, "order", all, noon))
			},
		})},
		"coupon.Service.Sweep": {reserved(noon.Add(-time.Hour), "20.00", "order"), always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) { return s.coupons.Sweep(ctx, at, 0) },
			outcome: func(ctx context.Context, s services) (any, error) {
				r, err := s.coupons.Redemption(ctx, "order")
				return []any{r.State, r.Claims}, err
			},
		})},
	}
}

// planned makes a plan and applies it, as a program does that joins several.
func planned[A any](plan func(context.Context, services, time.Time) (storage.Plan[A], error)) func(context.Context, services, time.Time) (any, error) {
	return func(ctx context.Context, s services, at time.Time) (any, error) {
		return storage.Do(ctx, s.store, func(ctx context.Context, _ *storage.Failure) (storage.Plan[A], error) { return plan(ctx, s, at) })
	}
}

func confirm(ctx context.Context, s services, at time.Time) (any, error) {
	return s.coupons.Confirm(ctx, "order", at)
}

var bothCoupons = coupon.Choice{Codes: []string{"CAP"}, Coupons: []string{"jane/1"}}

func janesCart(price string) coupon.Cart {
	return coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: "jane"}, Lines: []coupon.Line{
		{ID: "1", Product: "teapot", Seller: "acme", Quantity: 3, UnitPrice: ledger.MustMoney(price, eur)},
	}}
}

// reserved reserves an order with both coupons.
func reserved(at time.Time, price, order string) func(context.Context, services) error {
	return func(ctx context.Context, s services) error {
		quote, err := s.coupons.Quote(ctx, janesCart(price), bothCoupons.For(order), at)
		if err != nil {
			return err
		}
		return only(s.coupons.Reserve(ctx, order, quote, at))
	}
}

func redeemed(ctx context.Context, s services) error {
	quote, err := s.coupons.Quote(ctx, janesCart("20.00"), bothCoupons.For("order"), noon)
	if err != nil {
		return err
	}
	return only(s.coupons.Redeem(ctx, "order", quote, noon))
}

// checkout reserves or redeems a quote in hand with both coupons. What is final
// remembers the order.
func checkout(call func(*coupon.Service, context.Context, string, *coupon.Quote, time.Time) (coupon.Redemption, error), final bool) func(context.Context, services) (asking, error) {
	return func(ctx context.Context, s services) (asking, error) {
		quote, err := s.coupons.Quote(ctx, janesCart("20.00"), bothCoupons.For("order"), noon)
		if err != nil {
			return asking{}, err
		}
		more, err := s.coupons.Quote(ctx, janesCart("25.00"), coupon.Choice{}, noon)
		a := asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return call(s.coupons, ctx, "order", quote, at)
		}}
		if final {
			a.other = func(ctx context.Context, s services) error { return only(call(s.coupons, ctx, "order", more, noon)) }
		}
		return a, err
	}
}

package enginetest

import (
	"context"
	"errors"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func creditOperations() map[string]operation {
	request := coupon.CreditRequest{ID: "c", Customer: "jane", Amount: ledger.MustMoney("5.00", eur), Actor: "staff", Reason: "late"}
	other := request
	other.Amount = ledger.MustMoney("6.00", eur)
	type call func(*coupon.Service, context.Context, coupon.CreditRequest, time.Time) (coupon.CreditChange, error)
	crediting := func(call call) func(context.Context, services) (asking, error) {
		return always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return call(s.coupons, ctx, request, at)
			},
			other: func(ctx context.Context, s services) error { return only(call(s.coupons, ctx, other, noon)) },
		})
	}
	type plan func(*coupon.Service, context.Context, coupon.CreditRequest, time.Time) (storage.Plan[coupon.CreditChange], error)
	planning := func(plan plan) func(context.Context, services) (asking, error) {
		return always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.CreditChange], error) {
				return plan(s.coupons, ctx, request, at)
			}),
			other: func(ctx context.Context, s services) error { return only(plan(s.coupons, ctx, other, noon)) },
		})
	}
	goodwill := coupon.AmountRequest{ID: "r", Amount: ledger.MustMoney("9.00", eur), Actor: "staff", Reason: "scratched"}
	less := goodwill
	less.Amount = ledger.MustMoney("8.00", eur)
	return map[string]operation{
		"coupon.Service.GrantCredit":     {nil, crediting((*coupon.Service).GrantCredit)},
		"coupon.Service.PlanGrantCredit": {nil, planning((*coupon.Service).PlanGrantCredit)},
		"coupon.Service.TakeCredit":      {granted, crediting((*coupon.Service).TakeCredit)},
		"coupon.Service.PlanTakeCredit":  {granted, planning((*coupon.Service).PlanTakeCredit)},
		"coupon.Service.Reserve, with credit": {granted, func(ctx context.Context, s services) (asking, error) {
			quote, err := paidByCredit(ctx, s)
			return asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.Reserve(ctx, "order", quote, at)
			}}, err
		}},
		"coupon.Service.Redeem, with credit": {granted, func(ctx context.Context, s services) (asking, error) {
			quote, err := paidByCredit(ctx, s)
			if err != nil {
				return asking{}, err
			}
			other, err := quote.Pay(coupon.Tender{Amount: ledger.MustMoney("1.00", eur)})
			return asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.coupons.Redeem(ctx, "order", quote, at)
				},
				other: func(ctx context.Context, s services) error { return only(s.coupons.Redeem(ctx, "order", other, noon)) },
			}, err
		}},
		"coupon.Service.RefundAmount": {redeemedWithCredit, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.coupons.RefundAmount(ctx, "order", goodwill, at)
			},
			other: func(ctx context.Context, s services) error {
				return only(s.coupons.RefundAmount(ctx, "order", less, noon))
			},
		})},
		"coupon.Service.PlanRefundAmount": {redeemedWithCredit, always(asking{
			ask: planned(func(ctx context.Context, s services, at time.Time) (storage.Plan[coupon.Refund], error) {
				return s.coupons.PlanRefundAmount(ctx, "order", goodwill, at)
			}),
			other: func(ctx context.Context, s services) error {
				return only(s.coupons.PlanRefundAmount(ctx, "order", less, noon))
			},
		})},
	}
}

// granted gives jane 7.00 of credit.
func granted(ctx context.Context, s services) error {
	return only(s.coupons.GrantCredit(ctx, coupon.CreditRequest{ID: "granted", Customer: "jane", Amount: ledger.MustMoney("7.00", eur)}, noon))
}

// paidByCredit is a quote of which credit pays 6.00.
func paidByCredit(ctx context.Context, s services) (*coupon.Quote, error) {
	quote, err := s.coupons.Quote(ctx, janesCart("20.00"), bothCoupons.For("order"), noon)
	if err != nil {
		return nil, err
	}
	return quote.Pay(coupon.Tender{Amount: ledger.MustMoney("6.00", eur)})
}

func redeemedWithCredit(ctx context.Context, s services) error {
	err := granted(ctx, s)
	quote, quoted := paidByCredit(ctx, s)
	if err := errors.Join(err, quoted); err != nil {
		return err
	}
	return only(s.coupons.Redeem(ctx, "order", quote, noon))
}

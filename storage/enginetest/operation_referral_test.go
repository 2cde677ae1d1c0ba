package enginetest

import (
	"context"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

func referralOperations() map[string]operation {
	pay := func(amount string) referral.Payment {
		return referral.Payment{Order: "order", Customer: "mia", Amount: ledger.MustMoney(amount, eur)}
	}
	back := func(amount string) referral.Return {
		return referral.Return{ID: "r", Order: "order", Customer: "mia", Amount: ledger.MustMoney(amount, eur)}
	}
	paying := always(asking{
		ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.referrals.OrderPaid(ctx, pay("28.00"), at)
		},
		other: func(ctx context.Context, s services) error {
			return only(s.referrals.OrderPaid(ctx, pay("29.00"), noon))
		},
	})
	returning := func(request, other referral.Return) func(context.Context, services) (asking, error) {
		return always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.referrals.OrderReturned(ctx, request, at)
			},
			other: func(ctx context.Context, s services) error { return only(s.referrals.OrderReturned(ctx, other, noon)) },
		})
	}
	everything := referral.Return{ID: "r", Order: "order", Customer: "mia", Coupons: &coupon.RefundRequest{Everything: true}}
	oneUnit := everything
	oneUnit.Coupons = &coupon.RefundRequest{Lines: []coupon.Returned{{Line: "1", Units: 1}}}
	invitation := func(request, other referral.Registration) func(context.Context, services) (asking, error) {
		return func(ctx context.Context, s services) (asking, error) {
			link, err := s.referrals.Link(ctx, "invite", "jane", noon)
			for _, r := range []*referral.Registration{&request, &other} {
				if r.Code != "" {
					r.Code = link.Code.String()
				}
			}
			return asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.referrals.Register(ctx, request, at)
				},
				other: func(ctx context.Context, s services) error { return only(s.referrals.Register(ctx, other, noon)) },
			}, err
		}
	}
	const code = "to be read"
	return map[string]operation{
		"referral.Service.Publish": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.referrals.Publish(ctx, referral.AliExpress("invite", 9, []coupon.IssueOffer{{Offer: "own"}}, coupon.IssueOffer{Offer: "own"}), "staff", at)
		}})},
		"referral.Service.Pause": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.referrals.Pause(ctx, "invite", "staff", "too many", at)
		}})},
		"referral.Service.Resume": {
			func(ctx context.Context, s services) error {
				return s.referrals.Pause(ctx, "invite", "staff", "too many", noon)
			},
			always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, s.referrals.Resume(ctx, "invite", "staff", "again", at)
			}}),
		},
		"referral.Service.Link": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			link, err := s.referrals.Link(ctx, "invite", "noa", at)
			return link.Customer, err
		}})},
		"referral.Service.ChooseCode": {links("noa"), always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			link, err := s.referrals.ChooseCode(ctx, "invite", "noa", "NOAH", at)
			return link.Customer, err
		}})},
		"referral.Service.Touch": {links("jane", "joe"), func(ctx context.Context, s services) (asking, error) {
			jane, err := s.referrals.Link(ctx, "invite", "jane", noon)
			if err != nil {
				return asking{}, err
			}
			joe, err := s.referrals.Link(ctx, "invite", "joe", noon)
			touch := referral.TouchRequest{ID: "1", Visitor: "cookie", Code: jane.Code.String()}
			other := touch
			other.Code = joe.Code.String()
			return asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.referrals.Touch(ctx, touch, at)
				},
				other: func(ctx context.Context, s services) error { return only(s.referrals.Touch(ctx, other, noon)) },
			}, err
		}},
		"referral.Service.Register, by a link": {
			func(ctx context.Context, s services) error {
				link, err := s.referrals.Link(ctx, "invite", "jane", noon)
				if err != nil {
					return err
				}
				return only(s.referrals.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "cookie", Code: link.Code.String()}, noon))
			},
			invitation(referral.Registration{Customer: "mia", Visitor: "cookie"}, referral.Registration{Customer: "mia", Visitor: "another"}),
		},
		"referral.Service.Register, by a code": {
			links("jane"), invitation(referral.Registration{Customer: "mia", Code: code}, referral.Registration{Customer: "mia"}),
		},
		"referral.Service.Register, uninvited": {
			links("jane"), invitation(referral.Registration{Customer: "mia"}, referral.Registration{Customer: "mia", Code: code}),
		},
		"referral.Service.OrderPaid":                   {bound, paying},
		"referral.Service.OrderPaid, with coupons":     {boundAndReserved, paying},
		"referral.Service.OrderReturned":               {paidFor("28.00", bound), returning(back("28.00"), back("1.00"))},
		"referral.Service.OrderReturned, some":         {paidFor("28.00", bound), returning(back("1.00"), back("28.00"))},
		"referral.Service.OrderReturned, with coupons": {paidFor("28.00", boundAndReserved), returning(everything, oneUnit)},
		"referral.Service.Record": {
			func(ctx context.Context, s services) error {
				program := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "own"}}, coupon.IssueOffer{Offer: "own"})
				program.Qualify = referral.Qualification{On: referral.OnFact, Fact: "installed"}
				if _, err := s.referrals.Publish(ctx, program, "staff", noon); err != nil {
					return err
				}
				return bound(ctx, s)
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.referrals.Record(ctx, referral.Recorded{ID: "f", Customer: "mia", Name: "installed"}, at)
				},
				other: func(ctx context.Context, s services) error {
					return only(s.referrals.Record(ctx, referral.Recorded{ID: "f", Customer: "mia", Name: "installed", Amount: ledger.MustMoney("1.00", eur)}, noon))
				},
			}),
		},
		"referral.Service.Settle": {
			func(ctx context.Context, s services) error {
				program := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "own"}}, coupon.IssueOffer{Offer: "own"})
				program.Hold = time.Hour
				if _, err := s.referrals.Publish(ctx, program, "staff", noon.Add(-3*time.Hour)); err != nil {
					return err
				}
				if err := bindAt(ctx, s, noon.Add(-2*time.Hour)); err != nil {
					return err
				}
				return only(s.referrals.OrderPaid(ctx, pay("28.00"), noon.Add(-2*time.Hour)))
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.referrals.Settle(ctx, at, 0)
				},
				outcome: func(ctx context.Context, s services) (any, error) {
					r, err := s.referrals.Referral(ctx, "invite", "mia")
					if err != nil {
						return nil, err
					}
					wallet, err := s.coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, noon)
					return []any{r.State, len(wallet.Coupons)}, err
				},
			}),
		},
	}
}

func links(customers ...string) func(context.Context, services) error {
	return func(ctx context.Context, s services) error {
		for _, c := range customers {
			if _, err := s.referrals.Link(ctx, "invite", c, noon); err != nil {
				return err
			}
		}
		return nil
	}
}

// bound has jane bring mia.
func bound(ctx context.Context, s services) error { return bindAt(ctx, s, noon) }

func bindAt(ctx context.Context, s services, at time.Time) error {
	link, err := s.referrals.Link(ctx, "invite", "jane", at)
	if err != nil {
		return err
	}
	return only(s.referrals.Register(ctx, referral.Registration{Customer: "mia", Code: link.Code.String()}, at))
}

// boundAndReserved has mia reserve an order with the coupon she was welcomed with.
func boundAndReserved(ctx context.Context, s services) error {
	if err := bound(ctx, s); err != nil {
		return err
	}
	wallet, err := s.coupons.Wallet(ctx, "mia", coupon.WalletQuery{}, noon)
	if err != nil {
		return err
	}
	cart := janesCart("11.00")
	cart.Customer.Key = "mia"
	quote, err := s.coupons.Quote(ctx, cart, coupon.ChooseCoupons(wallet.Coupons[0].ID), noon)
	if err != nil {
		return err
	}
	return only(s.coupons.Reserve(ctx, "order", quote, noon))
}

func paidFor(amount string, before func(context.Context, services) error) func(context.Context, services) error {
	return func(ctx context.Context, s services) error {
		if err := before(ctx, s); err != nil {
			return err
		}
		return only(s.referrals.OrderPaid(ctx, referral.Payment{Order: "order", Customer: "mia", Amount: ledger.MustMoney(amount, eur)}, noon))
	}
}

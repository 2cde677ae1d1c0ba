package enginetest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

var personKey = referral.SigningKey{ID: "a", Secret: bytes.Repeat([]byte("k"), 32)}

// people is the service of a shop that names its customers by subjects, and invites
// people for them.
func people(s services) *referral.Service {
	return referral.New(s.store, s.coupons, referral.Options{PersonKeys: []referral.SigningKey{personKey}, Signer: inviter()})
}

func inviter() *referral.Signer {
	signer, err := referral.NewSigner(personKey)
	if err != nil {
		panic(err)
	}
	return signer
}

func peopleOperations() map[string]operation {
	tainted := referral.Person{Phone: "+33123456789"}
	return map[string]operation{
		"referral.Service.Subject": {nil, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, only(people(s).Subject(ctx, referral.Person{Account: "ida", Email: "ida@example.com"}, at))
			},
			outcome: known("ida"),
		})},
		"referral.Service.Erase": {idaIsKnown, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, only(people(s).Erase(ctx, "ida", "staff", "asked for", at))
			},
			outcome: known("ida"),
		})},
		"referral.Service.SweepPeople": {
			func(ctx context.Context, s services) error {
				if err := idaIsKnown(ctx, s); err != nil {
					return err
				}
				return only(people(s).Erase(ctx, "ida", "staff", "asked for", noon.AddDate(-3, 0, 0)))
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return people(s).SweepPeople(ctx, at, 0)
				},
				outcome: known("ida"),
			}),
		},
		"referral.Service.Merge": {idaIsKnownTwice, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, only(people(s).Merge(ctx, "ida too", "ida", "staff", "the same person", at))
			},
			goesOn: true,
			outcome: func(ctx context.Context, s services) (any, error) {
				first, err := people(s).FindSubject(ctx, "ida")
				too, second := people(s).FindSubject(ctx, "ida too")
				return first.ID == too.ID, errors.Join(err, second)
			},
		})},
		"referral.Service.Invite": {idaInvites, func(ctx context.Context, s services) (asking, error) {
			ida, err := people(s).FindSubject(ctx, "ida")
			return asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return invited(ctx, s, ida.ID, "mia", at)
				},
				other:  func(ctx context.Context, s services) error { return only(invited(ctx, s, ida.ID, "noa", noon)) },
				goesOn: true, // after the link
			}, err
		}},
		"referral.Service.RefuseInvitations": {
			func(ctx context.Context, s services) error {
				if err := idaInvites(ctx, s); err != nil {
					return err
				}
				ida, err := people(s).FindSubject(ctx, "ida")
				if err != nil {
					return err
				}
				return only(invited(ctx, s, ida.ID, "mia", noon))
			},
			func(ctx context.Context, s services) (asking, error) {
				ida, err := people(s).FindSubject(ctx, "ida")
				if err != nil {
					return asking{}, err
				}
				sent, err := invited(ctx, s, ida.ID, "mia", noon) // as it was
				if err != nil {
					return asking{}, err
				}
				return asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return nil, people(s).RefuseInvitations(ctx, sent.Send[0].Refusal, at)
				}}, nil
			},
		},
		"referral.Service.SuppressAddress": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, people(s).SuppressAddress(ctx, "mia@example.com", "staff", at)
		}})},
		"referral.Service.Taint": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, people(s).Taint(ctx, "stolen", tainted, noon.AddDate(0, 1, 0), "staff", "asked for", at)
		}})},
		"referral.Service.Ban": {bound, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.referrals.Ban(ctx, "jane", "staff", "farmed", at)
		}})},
		"referral.Service.Unban": {
			func(ctx context.Context, s services) error {
				return s.referrals.Ban(ctx, "jane", "staff", "farmed", noon)
			},
			always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return nil, s.referrals.Unban(ctx, "jane", "staff", "a mistake", at)
			}}),
		},
		"referral.Service.End": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.referrals.End(ctx, "invite", noon.Add(time.Hour), time.Hour, "staff", "over", at)
		}})},
		"referral.Service.Kill": {nil, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return nil, s.referrals.Kill(ctx, "invite", "staff", "abused", at)
		}})},
		"referral.Service.EnterCode": {
			func(ctx context.Context, s services) error {
				program := inviting()
				program.LateCode = time.Hour
				if _, err := s.referrals.Publish(ctx, program, "staff", noon); err != nil {
					return err
				}
				if err := links("jane")(ctx, s); err != nil {
					return err
				}
				return only(s.referrals.Register(ctx, referral.Registration{Customer: "mia"}, noon))
			},
			func(ctx context.Context, s services) (asking, error) {
				link, err := s.referrals.Link(ctx, "invite", "jane", noon)
				return asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return s.referrals.EnterCode(ctx, referral.LateCode{Customer: "mia", Code: link.Code.String()}, at)
				}}, err
			},
		},
		"referral.Service.ClaimCase": {suspected, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.referrals.ClaimCase(ctx, suspectedCase, "kim", 0, at)
			},
			outcome: func(ctx context.Context, s services) (any, error) { // a claim is made longer
				c, err := s.referrals.Case(ctx, suspectedCase)
				return c.ClaimedBy, err
			},
		})},
		"referral.Service.NoteCase": {suspected, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.referrals.NoteCase(ctx, suspectedCase, "kim", "asked them", at)
		}})},
		"referral.Service.DecideCase": {suspected, always(asking{ask: func(ctx context.Context, s services, at time.Time) (any, error) {
			return s.referrals.DecideCase(ctx, suspectedCase, referral.Judgement{Verdict: referral.Deny, Actor: "kim", Reason: "looked at it"}, at)
		}})},
	}
}

const suspectedCase = "invite/mia/fast_payment"

func inviting() referral.Program {
	return referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "own"}}, coupon.IssueOffer{Offer: "own"})
}

func idaIsKnown(ctx context.Context, s services) error {
	return only(people(s).Subject(ctx, referral.Person{Account: "ida", Email: "ida@example.com"}, noon.AddDate(-3, 0, 0)))
}

// idaIsKnownTwice has ida open an account with another address.
func idaIsKnownTwice(ctx context.Context, s services) error {
	if err := idaIsKnown(ctx, s); err != nil {
		return err
	}
	return only(people(s).Subject(ctx, referral.Person{Account: "ida too", Email: "ida.too@example.com"}, noon.AddDate(-3, 0, 0)))
}

// idaInvites has a program that sends invitations, and ida.
func idaInvites(ctx context.Context, s services) error {
	program := inviting()
	program.Invitations = referral.Invitations{PerSend: 5, PerDay: 30, Total: 100, Life: 60 * 24 * time.Hour}
	if _, err := s.referrals.Publish(ctx, program, "staff", noon); err != nil {
		return err
	}
	return idaIsKnown(ctx, s)
}

// invited is an invitation's answer, with the codes that its tokens are of.
func invited(ctx context.Context, s services, customer, friend string, at time.Time) (referral.Invited, error) {
	answer, err := people(s).Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: customer, Addresses: []string{friend + "@example.com"}}, at)
	for i, sent := range answer.Send {
		code, bad := inviter().Code(sent.Token, at)
		answer.Send[i].Token, err = string(code), errors.Join(err, bad)
	}
	return answer, err
}

// known says whether an account has a subject.
func known(account string) func(context.Context, services) (any, error) {
	return func(ctx context.Context, s services) (any, error) {
		_, err := people(s).FindSubject(ctx, account)
		if errors.Is(err, referral.ErrNoPerson) {
			return false, nil
		}
		return true, err
	}
}

// suspected is a friend of jane's who has paid so fast that staff must look at it.
func suspected(ctx context.Context, s services) error {
	program := inviting()
	program.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: 24 * time.Hour, Action: referral.ActionReview}}
	program.Review = referral.Review{Within: 24 * time.Hour}
	if _, err := s.referrals.Publish(ctx, program, "staff", noon); err != nil {
		return err
	}
	return paidFor("28.00", bound)(ctx, s)
}

package referral_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// Whatever call fails while something is done about people, links and cases, and
// whether it was carried out or not: asked again it is done, once, and the books agree.
func TestPeopleStoreFailures(t *testing.T) {
	keys := sending(t)
	invite := func(ctx context.Context, s *shop) (referral.Invited, error) {
		jane, err := s.FindSubject(ctx, "account 1")
		if err != nil {
			return referral.Invited{}, err
		}
		return s.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: jane.ID, Addresses: addresses(0, 2)}, noon)
	}
	for name, play := range map[string]struct {
		ask  func(context.Context, *shop) error
		done func(t *testing.T, s *shop)
	}{
		"subject": {
			func(ctx context.Context, s *shop) error {
				return second0(s.Subject(ctx, referral.Person{Account: "ida", Email: "ida@example.com"}, noon))
			},
			func(t *testing.T, s *shop) { require.NoError(t, second0(s.FindSubject(ctx, "ida"))) },
		},
		"erase": {
			func(ctx context.Context, s *shop) error {
				return second0(s.Erase(ctx, "mia", "staff", "asked for", noon))
			},
			func(t *testing.T, s *shop) {
				require.ErrorIs(t, second(s.FindSubject(ctx, "mia")), referral.ErrNoPerson)
				require.NoError(t, second0(s.SweepPeople(ctx, noon, 0)))
				page, err := s.store.List(ctx, storage.Query{Kind: "coupon"})
				require.NoError(t, err)
				jane, err := s.FindSubject(ctx, "account 1")
				require.NoError(t, err)
				for _, doc := range page.Docs {
					if !strings.Contains(string(doc.Body), jane.ID) {
						require.Contains(t, string(doc.Body), "erased")
					}
				}
			},
		},
		"taint": {
			func(ctx context.Context, s *shop) error {
				return s.Taint(ctx, "stolen", referral.Person{Phone: "+33123456789", Devices: []string{"x"}}, noon.Add(day), "staff", "asked for", noon)
			},
			func(t *testing.T, s *shop) {
				page, err := s.store.List(ctx, storage.Query{Kind: "entry", List: "book"})
				require.NoError(t, err)
				tainted := 0
				for _, doc := range page.Docs {
					if len(doc.Key.ID) > 8 && doc.Key.ID[:8] == "tainted/" {
						tainted++
					}
				}
				require.Equal(t, 2, tainted)
			},
		},
		"choose a code": {
			func(ctx context.Context, s *shop) error {
				jane, err := s.FindSubject(ctx, "account 1")
				if err != nil {
					return err
				}
				return second0(s.ChooseCode(ctx, "invite", jane.ID, "JANE", noon))
			},
			func(t *testing.T, s *shop) {
				require.NoError(t, second0(s.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "v", Code: "jane"}, noon)))
			},
		},
		"ban": {
			func(ctx context.Context, s *shop) error {
				jane, err := s.FindSubject(ctx, "account 1")
				if err != nil {
					return err
				}
				return s.Ban(ctx, jane.ID, "staff", "why", noon)
			},
			func(t *testing.T, s *shop) {
				ida := s.subject(referral.Person{Account: "ida"})
				jane, err := s.FindSubject(ctx, "account 1")
				require.NoError(t, err)
				require.Equal(t, referral.ReasonReferrer, s.register(referral.Registration{Customer: ida.ID, Code: string(s.link(jane.ID).Code)}, noon).Reason)
			},
		},
		"unban": {
			func(ctx context.Context, s *shop) error {
				jane, err := s.FindSubject(ctx, "account 1")
				if err == nil {
					err = s.Ban(ctx, jane.ID, "staff", "why", noon)
				}
				if err != nil {
					return err
				}
				return s.Unban(ctx, jane.ID, "staff", "a mistake", noon.Add(time.Second))
			},
			func(t *testing.T, s *shop) {
				ida := s.subject(referral.Person{Account: "ida"})
				jane, err := s.FindSubject(ctx, "account 1")
				require.NoError(t, err)
				require.True(t, s.register(referral.Registration{Customer: ida.ID, Code: string(s.link(jane.ID).Code)}, noon).Bound)
			},
		},
		"export": {
			func(ctx context.Context, s *shop) error { return second0(s.Export(ctx, "mia", noon)) },
			func(*testing.T, *shop) {},
		},
		"invite": {
			func(ctx context.Context, s *shop) error { return second0(invite(ctx, s)) },
			func(t *testing.T, s *shop) {
				again, err := invite(ctx, on(s.store, keys))
				require.NoError(t, err)
				require.Len(t, again.Send, 2)
				page, err := s.store.List(ctx, storage.Query{Kind: "invitation"})
				require.NoError(t, err)
				require.Len(t, page.Docs, 1, "it counts once")
			},
		},
		"refuse invitations": {
			func(ctx context.Context, s *shop) error {
				sent, err := invite(ctx, s)
				if err != nil {
					return err
				}
				return s.RefuseInvitations(ctx, sent.Send[0].Refusal, noon)
			},
			func(t *testing.T, s *shop) {
				jane, err := s.FindSubject(ctx, "account 1")
				require.NoError(t, err)
				sent, err := on(s.store, keys).Invite(ctx, referral.InviteRequest{ID: "2", Program: "invite", Customer: jane.ID, Addresses: addresses(0, 1)}, noon)
				require.NoError(t, err)
				require.Equal(t, referral.SkipRefused, sent.Skipped[0].Reason)
			},
		},
		"suppress": {
			func(ctx context.Context, s *shop) error {
				return s.SuppressAddress(ctx, addresses(0, 1)[0], "staff", noon)
			},
			func(t *testing.T, s *shop) {
				sent, err := invite(ctx, on(s.store, keys))
				require.NoError(t, err)
				require.Equal(t, referral.SkipRefused, sent.Skipped[0].Reason)
			},
		},
		"claim": {
			func(ctx context.Context, s *shop) error {
				page, err := s.Cases(ctx, referral.CaseQuery{})
				if err != nil {
					return err
				}
				return second0(s.ClaimCase(ctx, page.Cases[0].ID, "kim", 0, noon))
			},
			func(t *testing.T, s *shop) { require.Equal(t, "kim", s.queue()[0].ClaimedBy) },
		},
		"decide": {
			func(ctx context.Context, s *shop) error {
				page, err := s.Cases(ctx, referral.CaseQuery{})
				if err != nil || len(page.Cases) == 0 {
					return err
				}
				return second0(s.DecideCase(ctx, page.Cases[0].ID, referral.Judgement{Verdict: referral.Deny, Actor: "kim", Reason: "looked at it"}, noon))
			},
			func(t *testing.T, s *shop) {
				require.Empty(t, s.queue())
				mia, err := s.FindSubject(ctx, "mia")
				require.NoError(t, err)
				require.Equal(t, referral.StateRejected, s.referral(mia.ID).State)
				require.Zero(t, s.wallet(mia.ID))
			},
		},
	} {
		for _, written := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/written=%v", name, written), func(t *testing.T) {
				for at := 1; ; at++ {
					p := bothSides(8)
					p.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: day, Action: referral.ActionReview}}
					p.Review = referral.Review{Within: day}
					p.Invitations = inviting(5, 0, 100).Invitations
					s, _, mia := peopled(t, p)
					s.pay(mia.ID, noon.Add(time.Second))
					store := &flaky{Store: s.store, at: at, written: written, err: errDown}
					failing := on(store, keys)
					if err := play.ask(ctx, failing); err == nil && store.calls < at {
						play.done(t, s)
						break
					}
					healthy := on(s.store, keys)
					require.NoError(t, play.ask(ctx, healthy))
					play.done(t, s)
				}
			})
		}
	}
}

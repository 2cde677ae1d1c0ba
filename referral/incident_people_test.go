package referral_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// A dotless ı became an i on its way through the case of letters, so that somebody
// else's address was taken for the victim's.
func TestIncidentGitHubDotlessIAddress(t *testing.T) {
	s, jane := invitations(t, inviting(5, 0, 0))
	victim := s.subject(referral.Person{Account: "victim", Email: "mike@example.com"})
	attacker := s.subject(referral.Person{Account: "attacker", Email: "mıke@example.com"})
	require.NotEqual(t, victim.ID, attacker.ID)
	require.NoError(t, s.SuppressAddress(ctx, "mıke@example.com", "staff", noon))
	other := s.subject(referral.Person{Account: "other"})
	_, err := s.Erase(ctx, "attacker", "staff", "asked for", noon)
	require.NoError(t, err)
	require.False(t, s.subject(referral.Person{Account: "victim 2", Email: "MIKE@example.com"}).Returning, "another mailbox was erased")
	sent, err := s.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: other.ID, Addresses: []string{"ike@example.com", "ıke@example.com"}}, noon)
	require.NoError(t, err)
	require.Len(t, sent.Send, 2, "two mailboxes")
	require.NotEqual(t, jane.ID, other.ID)
}

// The history of invitations was searched with SQL that a customer could write.
func TestIncidentRazer811111Invitations(t *testing.T) {
	s, jane := invitations(t, inviting(5, 0, 0))
	for i, evil := range []string{`x' OR '1'='1`, `x"; DROP TABLE vouch_docs; --`, `x\' UNION SELECT 1 --`, "%", "_"} {
		sent, err := s.Invite(ctx, referral.InviteRequest{ID: evil, Program: "invite", Customer: jane.ID, Addresses: []string{fmt.Sprintf("%s%d@example.com", evil, i)}}, noon)
		require.NoError(t, err, evil)
		require.Len(t, sent.Send, 1)
		page, err := s.Cases(ctx, referral.CaseQuery{Program: evil})
		require.NoError(t, err)
		require.Empty(t, page.Cases)
		_, err = s.Case(ctx, evil)
		require.ErrorIs(t, err, referral.ErrNoCase)
	}
	page, err := s.store.List(ctx, storage.Query{Kind: "invitation"})
	require.NoError(t, err)
	require.Len(t, page.Docs, 5)
}

// Codes led to people: whoever tried some saw names and pictures.
func TestIncidentUberCodeLeadsToAPerson(t *testing.T) {
	s, jane := invitations(t, inviting(5, 0, 0))
	link, err := s.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "eve", Code: string(s.link(jane.ID).Code)}, noon)
	require.NoError(t, err)
	require.Regexp(t, `^s-[0-9a-f]{32}$`, link.Customer, "and nothing else")
	for _, told := range []string{fmt.Sprint(link), link.Path()} {
		for _, of := range []string{"jane", "Jane", "account 1", "gmail", "+33"} {
			require.NotContains(t, told, of)
		}
	}
}

// Codes were guessed, as fast as anybody liked, and nobody noticed.
func TestIncidentUberCodesAreNoticed(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, checked(referral.Check{Kind: referral.CheckGuessing, Most: 5, Action: referral.ActionReject}))
	_, err := s.ChooseCode(ctx, "invite", jane.ID, "JANE", noon)
	require.NoError(t, err)
	for i := range 2000 {
		_, err := s.Touch(ctx, referral.TouchRequest{ID: fmt.Sprint(i), Visitor: "eve", Code: fmt.Sprintf("GUESS%d", i)}, noon)
		require.ErrorIs(t, err, referral.ErrNoLink)
	}
	eve := s.subject(referral.Person{Account: "eve"})
	require.True(t, s.register(referral.Registration{Customer: eve.ID, Visitor: "eve", Code: "JANE"}, noon).Bound)
	require.Equal(t, referral.StateRejected, s.referral(eve.ID).State)
	require.Zero(t, s.wallet(eve.ID)+s.wallet(jane.ID))
}

// Millions of accounts were made for what a registration gives.
func TestIncidentPayPal2022Farm(t *testing.T) {
	p := bothSides(1000)
	p.Checks = []referral.Check{
		{Kind: referral.CheckSameDevice, Action: referral.ActionScore, Score: 50},
		{Kind: referral.CheckKnownPerson, Action: referral.ActionScore, Score: 50},
		{Kind: referral.CheckVelocity, Within: time.Hour, Most: 5, Action: referral.ActionScore, Score: 30},
		{Kind: referral.CheckSameNetwork, Most: 5, Action: referral.ActionScore, Score: 20},
	}
	p.Thresholds = []referral.Threshold{{50, referral.ActionReject, ""}}
	s, jane := guarded(t, referral.Options{}, p)
	code := string(s.link(jane.ID).Code)
	for i := range 50 {
		farmed := s.subject(referral.Person{
			Account: fmt.Sprint("account ", i+2), Email: fmt.Sprintf("farmer+%d@gmail.com", i), Devices: []string{fmt.Sprint("emulator ", i%3)},
		})
		s.register(referral.Registration{Customer: farmed.ID, Code: code, Address: netip.MustParseAddr("203.0.113.9")}, noon.Add(time.Duration(i)*time.Minute))
	}
	page, err := s.coupons.Wallet(ctx, jane.ID, coupon.WalletQuery{Limit: 1000}, noon)
	require.NoError(t, err)
	require.Len(t, page.Coupons, 1, "the first account of a person looks like any other")
}

// Somebody without an account burned a victim's one chance to be invited: by an
// invitation in their name, a click, a guess or a refusal.
func TestIncidentCovenant275Invitations(t *testing.T) {
	s, jane := invitations(t, inviting(5, 0, 0))
	mallory := s.subject(referral.Person{Account: "mallory"})
	sent, err := s.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: mallory.ID, Addresses: []string{"mia@example.com"}}, noon)
	require.NoError(t, err)
	require.NoError(t, s.RefuseInvitations(ctx, sent.Send[0].Refusal, noon))
	mia := s.subject(referral.Person{Account: "mia", Email: "mia@example.com"})
	require.False(t, mia.Returning)
	o := s.register(referral.Registration{Customer: mia.ID, Code: strings.ToLower(s.link(jane.ID).Code.String())}, noon)
	require.Equal(t, jane.ID, o.Referrer)
}

package referral_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func sending(t checker) referral.Options {
	o := keyed(signingKey("a", 1))
	o.Signer = newSigner(t, signingKey("t", 9))
	return o
}

// inviting is the usual program, which sends invitations.
func inviting(perSend, perDay, total int64) referral.Program {
	p := program(100)
	p.Invitations = referral.Invitations{PerSend: perSend, PerDay: perDay, Total: total, Life: 60 * day}
	return p
}

// invitations is a shop that sends them, and jane.
func invitations(t testing.TB, p referral.Program) (*shop, referral.Subject) {
	s := openShop(t, memory.New(), sending(t), p)
	t.Cleanup(func() { requireAudit(t, s.store) })
	return s, s.subject(janeDoe())
}

func addresses(from, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("friend%d@example.com", from+i))
	}
	return all
}

func ExampleService_Invite() {
	signer, err := referral.NewSigner(referral.SigningKey{ID: "2026", Secret: []byte("32 random bytes, from a safe place")})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := on(memory.New(), referral.Options{PersonKeys: []referral.SigningKey{{ID: "2026", Secret: []byte("32 others, from a safe place too.")}}, Signer: signer})
	for _, o := range []coupon.Offer{offer("welcome", "2.00"), offer("thanks", "5.00")} {
		print1(s.coupons.Publish(ctx, o, "staff", noon))
	}
	print1(s.Publish(ctx, inviting(5, 0, 100), "staff", noon))
	jane := print1(s.Subject(ctx, referral.Person{Account: "jane", Email: "jane@example.com"}, noon))
	print1(s.Subject(ctx, referral.Person{Account: "ida", Email: "ida@example.com"}, noon))

	sent := print1(s.Invite(ctx, referral.InviteRequest{
		ID: "1", Program: "invite", Customer: jane.ID, Addresses: []string{"mia@example.com", "ida@example.com"},
	}, noon))
	fmt.Println(sent.Send[0].Address, sent.Skipped)
	fmt.Println(s.RefuseInvitations(ctx, sent.Send[0].Refusal, noon)) // Mia clicks
	noa := print1(s.Subject(ctx, referral.Person{Account: "noa"}, noon))
	sent = print1(s.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: noa.ID, Addresses: []string{"Mia+x@example.com"}}, noon))
	fmt.Println(len(sent.Send), sent.Skipped)
	// Output:
	// mia@example.com [{ida@example.com customer}]
	// <nil>
	// 0 [{Mia+x@example.com refused}]
}

func TestInvite(t *testing.T) {
	s, jane := invitations(t, inviting(5, 6, 8))
	ask := func(id string, at time.Time, all ...string) (referral.Invited, error) {
		return s.Invite(ctx, referral.InviteRequest{ID: id, Program: "invite", Customer: jane.ID, Addresses: all}, at)
	}
	first, err := ask("1", noon, addresses(0, 5)...)
	require.NoError(t, err)
	require.Len(t, first.Send, 5)
	again, err := ask("1", noon.Add(30*day), addresses(0, 5)...)
	require.NoError(t, err)
	require.Equal(t, first, again, "asked again")
	require.ErrorIs(t, second(ask("1", noon, addresses(1, 5)...)), coupon.ErrKeyReused)
	require.ErrorIs(t, second(ask("2", noon, addresses(5, 2)...)), referral.ErrInvitationLimit, "a day")
	require.NoError(t, second0(ask("2", noon, addresses(5, 1)...)))
	require.ErrorIs(t, second(ask("3", noon.Add(day), addresses(6, 3)...)), referral.ErrInvitationLimit, "in all")
	last, err := ask("3", noon.Add(day), "friend0@example.com", "friend7@example.com")
	require.NoError(t, err)
	require.Equal(t, []referral.SkippedInvitation{{Address: "friend0@example.com", Reason: referral.SkipInvited}}, last.Skipped)

	code, err := s.signerCode(t, first.Send[0].Token, noon.Add(60*day-time.Second))
	require.NoError(t, err)
	require.Equal(t, s.link(jane.ID).Code, code)
	_, err = s.signerCode(t, first.Send[0].Token, noon.Add(60*day))
	require.ErrorIs(t, err, referral.ErrTokenExpired)
	for _, kind := range []string{"person", "invitation", "subject", "entry"} {
		page, err := s.store.List(ctx, storage.Query{Kind: kind})
		require.NoError(t, err)
		for _, doc := range page.Docs {
			require.NotContains(t, doc.Key.ID+string(doc.Body), "friend")
			require.NotContains(t, doc.Key.ID+string(doc.Body), "example.com")
		}
	}
}

func (s *shop) signerCode(t checker, token string, at time.Time) (coupon.Code, error) {
	t.Helper()
	return newSigner(t, signingKey("t", 9)).Code(token, at)
}

func TestInviteFaults(t *testing.T) {
	s, jane := invitations(t, inviting(5, 0, 0))
	fine := referral.InviteRequest{ID: "1", Program: "invite", Customer: jane.ID, Addresses: []string{"mia@example.com"}}
	for name, try := range map[string]struct {
		change func(*referral.InviteRequest)
		want   error
	}{
		"no id":         {func(r *referral.InviteRequest) { r.ID = "" }, referral.ErrRequest},
		"none":          {func(r *referral.InviteRequest) { r.Addresses = nil }, referral.ErrRequest},
		"six":           {func(r *referral.InviteRequest) { r.Addresses = addresses(0, 6) }, referral.ErrRequest},
		"no address":    {func(r *referral.InviteRequest) { r.Addresses = []string{"mia"} }, referral.ErrRequest},
		"a header":      {func(r *referral.InviteRequest) { r.Addresses = []string{"mia@example.com\r\nBcc: eve@evil.com"} }, referral.ErrRequest},
		"one twice":     {func(r *referral.InviteRequest) { r.Addresses = []string{"mia@example.com", "MIA+2@example.com"} }, referral.ErrRequest},
		"no program":    {func(r *referral.InviteRequest) { r.Program = "none" }, referral.ErrNoProgram},
		"clear account": {func(r *referral.InviteRequest) { r.Customer = "jane" }, referral.ErrRequest},
	} {
		request := fine
		try.change(&request)
		require.ErrorIs(t, second(s.Invite(ctx, request, noon)), try.want, name)
	}
	require.ErrorIs(t, s.RefuseInvitations(ctx, "v1.t.x.1.y", noon), referral.ErrToken)
	link, err := s.link(jane.ID).Token(newSigner(t, signingKey("t", 9)), noon.Add(day))
	require.NoError(t, err)
	require.ErrorIs(t, s.RefuseInvitations(ctx, link, noon), referral.ErrToken, "a link refuses nothing")
	require.ErrorContains(t, second(on(s.store, keyed(signingKey("a", 1))).Invite(ctx, fine, noon)), "options.signer")
	require.ErrorIs(t, s.SuppressAddress(ctx, "mia", "staff", noon), referral.ErrRequest)

	require.NoError(t, s.SuppressAddress(ctx, "Mia@example.com", "staff", noon))
	sent, err := s.Invite(ctx, fine, noon)
	require.NoError(t, err)
	require.Equal(t, referral.SkipRefused, sent.Skipped[0].Reason)
	require.NoError(t, s.Ban(ctx, jane.ID, "staff", "spam", noon))
	fine.ID = "2"
	require.ErrorContains(t, second(s.Invite(ctx, fine, noon)), "is banned")
	silent, joe := invitations(t, program(8))
	require.ErrorContains(t, second(silent.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: joe.ID, Addresses: fine.Addresses}, noon)), "sends no invitations")
	for path, change := range map[string]func(*referral.Invitations){
		"invitations.per_send": func(i *referral.Invitations) { i.PerSend = 0 },
		"invitations.per_day":  func(i *referral.Invitations) { i.PerDay = -1 },
		"invitations.life":     func(i *referral.Invitations) { i.Life = time.Millisecond },
	} {
		p := inviting(1, 1, 1)
		change(&p.Invitations)
		require.ErrorContains(t, p.Validate(), path+": ")
	}
}

// Whoever invites whom, in whatever order: nobody is written to twice by one customer,
// nor after they refused, and nobody has more sent than the program allows.
func TestInvitations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := openShop(t, store, sending(t), inviting(4, 5, 9))
		refused, sent, today, total := map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]int{}
		tokens := map[string]string{}
		at := noon
		for i := range rapid.IntRange(1, 10).Draw(t, "steps") {
			account := rapid.SampledFrom([]string{"jane", "joe"}).Draw(t, "account")
			subject := s.subject(referral.Person{Account: account})
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				at, today = at.Add(day), map[string]int{}
				continue
			case 1:
				for address, token := range tokens {
					require.NoError(t, s.RefuseInvitations(ctx, token, at))
					refused[address] = true
				}
				continue
			}
			from, n := rapid.IntRange(0, 5).Draw(t, "from"), rapid.IntRange(1, 4).Draw(t, "n")
			answer, err := s.Invite(ctx, referral.InviteRequest{ID: fmt.Sprint(i), Program: "invite", Customer: subject.ID, Addresses: addresses(from, n)}, at)
			if today[account]+n > 5 || total[account]+n > 9 {
				require.ErrorIs(t, err, referral.ErrInvitationLimit)
				continue
			}
			require.NoError(t, err)
			today[account], total[account] = today[account]+n, total[account]+n
			require.Len(t, append(answer.Skipped, make([]referral.SkippedInvitation, len(answer.Send))...), n)
			for _, i := range answer.Send {
				require.False(t, refused[i.Address] || sent[account+i.Address], i.Address)
				sent[account+i.Address], tokens[i.Address] = true, i.Refusal
			}
		}
		requireAudit(t, store)
	})
}

// inviteRace has a customer invite from many windows at once.
func inviteRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, sending(t), inviting(2, 0, 10))
	jane := s.subject(janeDoe())
	s.link(jane.ID)
	var sent atomic.Int64
	var calls []func() error
	for i := range 20 {
		request := referral.InviteRequest{ID: fmt.Sprint(i), Program: "invite", Customer: jane.ID, Addresses: addresses(2*i, 2)}
		calls = append(calls, func() error {
			answer, err := s.Invite(ctx, request, noon)
			sent.Add(int64(len(answer.Send)))
			if errors.Is(err, referral.ErrInvitationLimit) {
				return nil
			}
			return err
		})
	}
	err = allAtOnce(8, calls...)
	return int(sent.Load()), 10, err
}

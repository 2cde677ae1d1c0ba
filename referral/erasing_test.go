package referral_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// town of subjects: jane has brought mia, who has paid.
func peopled(t testing.TB, programs ...referral.Program) (s *shop, jane, mia referral.Subject) {
	s = openShop(t, memory.New(), keyed(signingKey("a", 1)), programs...)
	t.Cleanup(func() { requireAudit(t, s.store) })
	jane = s.subject(janeDoe())
	mia = s.subject(referral.Person{Account: "mia", Email: "mia@example.com", Devices: []string{"mia's"}})
	s.bind(jane.ID, mia.ID, noon)
	return s, jane, mia
}

func TestErase(t *testing.T) {
	s, jane, mia := peopled(t, held(8))
	s.pay(mia.ID, noon)
	require.Equal(t, 2, s.wallet(mia.ID))
	erased, err := s.Erase(ctx, "mia", "staff", "she asked for it", noon)
	require.NoError(t, err)
	require.Equal(t, referral.Erasure{Subject: mia.ID, Coupons: 2}, erased)
	require.Zero(t, s.wallet(mia.ID))
	again, err := s.Erase(ctx, "mia", "staff", "she asked for it", noon)
	require.NoError(t, err)
	require.Equal(t, referral.Erasure{}, again)
	require.ErrorIs(t, second(s.Erase(ctx, "nobody", "staff", "asked for", noon)), referral.ErrNoPerson)
	s.settle(noon.Add(time.Hour))
	require.Equal(t, 1, s.wallet(jane.ID), "what she earned is hers")

	page, err := s.store.List(ctx, storage.Query{Kind: "person"})
	require.NoError(t, err)
	for _, doc := range page.Docs {
		require.NotContains(t, string(doc.Body), mia.ID, "nothing leads to her any more")
	}
	require.True(t, s.subject(referral.Person{Account: "mia"}).Returning, "the same account")
	require.True(t, s.subject(referral.Person{Account: "x", Email: "MIA+2@example.com"}).Returning, "the same mailbox")
	require.False(t, s.subject(referral.Person{Account: "y", Devices: []string{"mia's"}}).Returning, "a device is sold")
}

// Whoever is erased is nobody's friend any more: what was promised to them is
// canceled, and nothing can be bound to them or by their link.
func TestErasedFriends(t *testing.T) {
	s, jane, mia := peopled(t, bothSides(8))
	code := s.link(mia.ID).Code.String()
	s.pay(mia.ID, noon)
	_, err := s.Erase(ctx, "mia", "staff", "asked for", noon)
	require.NoError(t, err)
	s.settle(noon.Add(time.Hour))
	require.Equal(t, referral.RewardCanceled, s.reward(mia.ID, referral.Referee, referral.Qualified).State)
	require.Equal(t, referral.RewardGranted, s.brings(mia.ID).State)
	require.Equal(t, 2, s.wallet(jane.ID))
	require.Zero(t, s.wallet(mia.ID))
	ida := s.subject(referral.Person{Account: "ida"})
	require.Equal(t, referral.ReasonReferrer, s.register(referral.Registration{Customer: ida.ID, Code: code}, noon).Reason)

	noa := s.subject(referral.Person{Account: "noa"})
	s.bind(jane.ID, noa.ID, noon)
	_, err = s.Erase(ctx, "noa", "staff", "asked for", noon)
	require.NoError(t, err)
	require.Equal(t, referral.StateVoided, s.referral(noa.ID).State)
	eve := s.subject(referral.Person{Account: "eve"})
	_, err = s.Erase(ctx, "eve", "staff", "asked for", noon)
	require.NoError(t, err)
	require.ErrorIs(t, second(s.Register(ctx, referral.Registration{Customer: eve.ID}, noon)), referral.ErrNoPerson)
}

// Behind the door there are only subjects.
func TestOnlySubjects(t *testing.T) {
	s := on(memory.New(), keyed(signingKey("a", 1)))
	for name, err := range map[string]error{
		"link":     second(s.Link(ctx, "invite", "jane", noon)),
		"choose":   second(s.ChooseCode(ctx, "invite", "jane", "JANE", noon)),
		"register": second(s.Register(ctx, referral.Registration{Customer: "jane"}, noon)),
		"paid":     second(s.OrderPaid(ctx, paid("jane", "order", "1.00"), noon)),
		"returned": second(s.OrderReturned(ctx, back("jane", "order", "r", "1.00"), noon)),
		"record":   second(s.Record(ctx, referral.Recorded{ID: "1", Customer: "jane", Name: "x"}, noon)),
		"friends":  second(s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})),
		"referral": second(s.Referral(ctx, "invite", "jane")),
		"rewards":  second(s.Rewards(ctx, "invite", "jane")),
		"caps":     second(s.Caps(ctx, "invite", "jane", noon)),
		"ban":      s.Ban(ctx, "jane", "staff", "why", noon),
	} {
		require.ErrorIs(t, err, referral.ErrRequest, name)
		require.ErrorContains(t, err, "is no subject", name)
	}
}

// eraseRace erases customers while they register: whichever comes first, nobody who is
// erased is left as somebody's friend.
func eraseRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	const customers = 20
	s := openShop(t, store, keyed(signingKey("a", 1)), program(100))
	jane := s.subject(janeDoe())
	code := s.link(jane.ID).Code.String()
	var calls []func() error
	var all []string
	for i := range customers {
		account := fmt.Sprint("account of ", i)
		subject := s.subject(referral.Person{Account: account})
		all = append(all, subject.ID)
		calls = append(calls,
			func() error {
				_, err := s.Register(ctx, referral.Registration{Customer: subject.ID, Code: code}, noon)
				if errors.Is(err, referral.ErrNoPerson) {
					return nil
				}
				return err
			},
			func() error { return second0(s.Erase(ctx, account, "staff", "asked for", noon)) })
	}
	err = allAtOnce(8, calls...)
	for _, subject := range all {
		if r, missing := s.Referral(ctx, "invite", subject); missing == nil && r.State == referral.StateBound {
			done++
		}
	}
	return done, 0, err
}

// subjectRace asks for one account's subject at once, under keys in either order.
func subjectRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	a, b := signingKey("a", 1), signingKey("b", 2)
	services := []*shop{on(store, keyed(a, b)), on(store, keyed(b, a))}
	var found sync.Map
	var calls []func() error
	for i := range 40 {
		calls = append(calls, func() error {
			account := fmt.Sprint("account of ", i/4)
			subject, err := services[i%2].Subject(ctx, referral.Person{Account: account}, noon)
			found.Store(account+subject.ID, true)
			return err
		})
	}
	err = allAtOnce(8, calls...)
	found.Range(func(any, any) bool { done++; return true })
	return done, 10, err
}

// The tombstone has the life that it is said to have, and leaves nothing.
func TestTombstonesEnd(t *testing.T) {
	s, _, _ := peopled(t, program(8))
	_, err := s.Erase(ctx, "mia", "staff", "asked for", noon)
	require.NoError(t, err)
	count := func() int {
		page, err := s.store.List(ctx, storage.Query{Kind: "person"})
		require.NoError(t, err)
		return len(page.Docs)
	}
	before := count()
	life := 2 * 365 * day
	_, err = s.SweepPeople(ctx, noon.Add(life-1), 0)
	require.NoError(t, err)
	require.Equal(t, before, count())
	_, err = s.SweepPeople(ctx, noon.Add(life), 0)
	require.NoError(t, err)
	require.Equal(t, before-2, count(), "account and e-mail")
	later, err := s.Subject(ctx, referral.Person{Account: "mia"}, noon.Add(life))
	require.NoError(t, err)
	require.False(t, later.Returning)
}

// An erasure that stopped half-way is finished by a sweep, and by asking again.
func TestErasureIsFinished(t *testing.T) {
	for at := 1; ; at++ {
		s, _, mia := peopled(t, program(8))
		store := &flaky{Store: s.store, at: at, err: errDown}
		_, err := on(store, keyed(signingKey("a", 1))).Erase(ctx, "mia", "staff", "asked for", noon)
		if err == nil {
			require.Greater(t, at, 5)
			return
		}
		if _, err := s.FindSubject(ctx, "mia"); err == nil {
			require.Equal(t, 2, s.wallet(mia.ID), "all of it or nothing")
			continue
		}
		_, err = s.SweepPeople(ctx, noon, 0)
		require.NoError(t, err)
		require.Zero(t, s.wallet(mia.ID))
	}
}

func TestExport(t *testing.T) {
	s, jane, mia := peopled(t, bothSides(8))
	s.pay(mia.ID, noon)
	s.settle(noon.Add(time.Hour))
	hers, err := s.Export(ctx, "account 1", noon)
	require.NoError(t, err)
	require.Equal(t, jane.ID, hers.Subject)
	require.Equal(t, map[referral.IdentifierKind]int{"account": 1, "email": 1, "phone": 1, "instrument": 1, "device": 1}, hers.Identifiers)
	require.Nil(t, hers.Referral)
	require.Len(t, hers.Links, 1)
	require.Len(t, hers.Friends["invite"], 1)
	require.Len(t, hers.Rewards, 2)
	require.Len(t, hers.Coupons, 2)
	written, err := json.Marshal(hers)
	require.NoError(t, err)
	require.NotContains(t, string(written), mia.ID, "nothing of the friend")

	friends, err := s.Export(ctx, "mia", noon)
	require.NoError(t, err)
	require.Equal(t, mia.ID, friends.Referral.Friend)
	require.Len(t, friends.Coupons, 2)
	require.NotEmpty(t, friends.Rewards)
	require.ErrorIs(t, second(s.Export(ctx, "nobody", noon)), referral.ErrNoPerson)
}

// Whoever was erased is granted nothing any more, also as a referrer: nobody could use it.
func TestErasedReferrersEarnNothing(t *testing.T) {
	s, jane, mia := peopled(t, held(1))
	ida := s.subject(referral.Person{Account: "ida"})
	s.bind(jane.ID, ida.ID, noon)
	s.pay(mia.ID, noon)
	_, err := s.Erase(ctx, "account 1", "staff", "asked for", noon.Add(time.Minute))
	require.NoError(t, err)
	s.settle(noon.Add(day))
	require.Equal(t, referral.RewardCanceled, s.brings(mia.ID).State)
	require.Zero(t, s.wallet(jane.ID))
}

// Whoever is erased and comes back is no new customer, also when the shop learns what
// proves it only after the account; what is shared and sold proves nothing then either.
func TestErasedPeopleAreKnownByWhatIsLearnedLater(t *testing.T) {
	s, jane, _ := peopled(t, held(8))
	code := s.link(jane.ID).Code.String()
	require.NoError(t, second0(s.Erase(ctx, "mia", "staff", "asked for", noon)))
	for account, c := range map[string]struct {
		learned   referral.Person
		returning bool
	}{
		"x": {referral.Person{Account: "x", Email: "Mia+3@example.com"}, true},
		"y": {referral.Person{Account: "y", Devices: []string{"mia's"}}, false},
		"z": {referral.Person{Account: "z", Email: "zoe@example.com"}, false},
	} {
		first := s.subject(referral.Person{Account: account})
		require.False(t, first.Returning)
		require.Equal(t, c.returning, s.subject(c.learned).Returning, account)
		require.Equal(t, c.returning, s.subject(referral.Person{Account: account}).Returning, account)
		require.Equal(t, !c.returning, s.register(referral.Registration{Customer: first.ID, Code: code}, noon).Bound, account)
	}
}

package referral_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleService_Merge() {
	s := on(memory.New(), referral.Options{PersonKeys: []referral.SigningKey{{ID: "2026", Secret: []byte("32 random bytes, from a safe place")}}})
	for _, o := range []coupon.Offer{offer("welcome", "2.00"), offer("thanks", "5.00")} {
		print1(s.coupons.Publish(ctx, o, "staff", noon))
	}
	print1(s.Publish(ctx, held(8), "staff", noon))
	jane := print1(s.Subject(ctx, referral.Person{Account: "jane"}, noon))
	mia := print1(s.Subject(ctx, referral.Person{Account: "mia"}, noon))
	link := print1(s.Link(ctx, "invite", jane.ID, noon))
	print1(s.Register(ctx, referral.Registration{Customer: mia.ID, Code: link.Code.String()}, noon))

	merged := print1(s.Merge(ctx, "mia", "jane", "staff", "one person with two accounts", noon))
	fmt.Println(merged.From == mia.ID, merged.Into == jane.ID)
	fmt.Println(print1(s.Case(ctx, merged.Case)).Reasons)
	fmt.Println(print1(s.FindSubject(ctx, "mia")).ID == jane.ID)
	fmt.Println(print1(s.Referral(ctx, "invite", mia.ID)).State)
	// Output:
	// true true
	// [both accounts are one person's: they were merged]
	// true
	// review
}

// What either account held is the one's afterwards, what it has used of caps counts,
// and what is still to come goes to it too.
func TestMerge(t *testing.T) {
	p := bothSides(3)
	for i := range p.Rewards {
		p.Rewards[i].Credit = coupon.Amounts{eur("1.00")}
	}
	s, jane := guarded(t, referral.Options{}, p)
	old := s.subject(referral.Person{Account: "jane's first", Email: "other@example.com"})
	var friends []string
	for i := range 3 {
		friends = append(friends, s.subject(referral.Person{Account: fmt.Sprint("friend ", i)}).ID)
	}
	s.bind(old.ID, friends[0], noon)
	s.bind(old.ID, friends[1], noon)
	s.bind(jane.ID, friends[2], noon)
	s.pay(friends[0], noon)
	s.settle(noon.Add(time.Hour))
	s.pay(friends[1], noon.Add(time.Hour)) // its reward is still to come
	require.Equal(t, []int{3, 1}, []int{s.wallet(old.ID), s.wallet(jane.ID)})

	code := s.link(old.ID).Code.String()
	for range 2 {
		merged, err := s.Merge(ctx, "jane's first", "account 1", "staff", "", noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, jane.ID, merged.Into)
		require.Empty(t, merged.Case)
	}
	require.Equal(t, []int{0, 4}, []int{s.wallet(old.ID), s.wallet(jane.ID)})
	require.Equal(t, []int64{0, 3}, []int64{s.used(old.ID, noon), s.used(jane.ID, noon)})
	for subject, want := range map[string]string{old.ID: "0.00", jane.ID: "4.00"} {
		credit, err := s.coupons.Credit(ctx, subject, euro)
		require.NoError(t, err)
		require.Equal(t, eur(want), credit)
	}
	s.settle(noon.Add(day))
	require.Equal(t, []int{0, 5}, []int{s.wallet(old.ID), s.wallet(jane.ID)}, "what was promised before")
	require.Equal(t, jane.ID, s.subject(referral.Person{Account: "jane's first"}).ID)

	late := s.subject(referral.Person{Account: "late"})
	o := s.register(referral.Registration{Customer: late.ID, Code: code}, noon.Add(day))
	require.Equal(t, jane.ID, o.Referrer, "the old link leads to whom it became")
	require.Equal(t, referral.RewardWithheld, s.reward(late.ID, referral.Referrer, referral.Registered).State, "the caps count together")

	s.returned(cancelled(friends[0], friends[0]+"'s order"), noon.Add(2*day))
	require.Equal(t, 4, s.wallet(jane.ID), "what is taken back is taken where it went")
	require.ErrorIs(t, second(s.Merge(ctx, "nobody", "account 1", "staff", "", noon)), referral.ErrNoPerson)
	require.ErrorIs(t, second(s.Merge(ctx, "account 1", "nobody", "staff", "", noon)), referral.ErrNoPerson)
}

// Two accounts that go over a cap together keep what they have, and get no more.
func TestMergeAboveACap(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, program(2))
	old := s.subject(referral.Person{Account: "old"})
	for i := range 4 {
		friend := s.subject(referral.Person{Account: fmt.Sprint(i)})
		s.bind([]string{jane.ID, old.ID}[i%2], friend.ID, noon)
		s.pay(friend.ID, noon)
	}
	_, err := s.Merge(ctx, "old", "account 1", "staff", "", noon)
	require.NoError(t, err)
	require.Equal(t, int64(4), s.used(jane.ID, noon))
	require.Equal(t, 4, s.wallet(jane.ID))
}

// A self-referral that a merge brings to light is decided by a person: denied, both
// sides give back what they got.
func TestMergeFindsSelfReferral(t *testing.T) {
	for _, verdict := range []referral.Verdict{referral.Approve, referral.Deny} {
		s, jane, mia := peopled(t, bothSides(8))
		s.pay(mia.ID, noon)
		s.settle(noon.Add(time.Hour))
		merged, err := s.Merge(ctx, "mia", "account 1", "staff", "", noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 4, s.wallet(jane.ID))
		_, err = s.DecideCase(ctx, merged.Case, referral.Judgement{Verdict: verdict, Actor: "kim"}, noon.Add(day))
		require.NoError(t, err)
		require.Equal(t, map[referral.Verdict]int{referral.Approve: 4, referral.Deny: 0}[verdict], s.wallet(jane.ID))
	}
}

// A merge that stopped half-way is finished by a sweep.
func TestMergeIsFinished(t *testing.T) {
	for at := 1; ; at++ {
		s, jane, mia := peopled(t, bothSides(8))
		ida := s.subject(referral.Person{Account: "ida"})
		s.bind(mia.ID, ida.ID, noon)
		s.pay(ida.ID, noon)
		s.settle(noon.Add(time.Hour))
		store := &flaky{Store: s.store, at: at, err: errDown}
		_, err := on(store, keyed(signingKey("a", 1))).Merge(ctx, "mia", "account 1", "staff", "", noon.Add(time.Hour))
		if err != nil {
			_, err = s.Merge(ctx, "mia", "account 1", "staff", "", noon.Add(time.Hour))
			require.NoError(t, err)
			_, err = s.SweepPeople(ctx, noon.Add(time.Hour), 0)
			require.NoError(t, err)
		}
		require.Equal(t, []int{0, 4}, []int{s.wallet(mia.ID), s.wallet(jane.ID)}, at)
		require.Equal(t, int64(0), s.used(mia.ID, noon))
		if err == nil && store.calls < at {
			require.Greater(t, at, 20)
			return
		}
	}
}

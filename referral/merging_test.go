package referral_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
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
		merged, err := s.Merge(ctx, "jane's first", "account 1", "staff", "asked for", noon.Add(2*time.Hour))
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
	require.ErrorIs(t, second(s.Merge(ctx, "nobody", "account 1", "staff", "asked for", noon)), referral.ErrNoPerson)
	require.ErrorIs(t, second(s.Merge(ctx, "account 1", "nobody", "staff", "asked for", noon)), referral.ErrNoPerson)
}

// Friends, tallies, debts and credit of every kind are the one's afterwards: milestones
// count the friends of both, and none is reached twice.
func TestMergeCountsTogether(t *testing.T) {
	p := inCredit(func(p *referral.Program) {
		p.Milestones = []referral.Milestone{{Friends: 2, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("100.00")}}}}
		p.Debt = referral.DebtSetOff
	})
	s, jane := guarded(t, referral.Options{}, p)
	old := s.subject(referral.Person{Account: "old"})
	var friends []string
	bring := func(referrer string, at time.Time) {
		t.Helper()
		friend := s.subject(referral.Person{Account: fmt.Sprint("friend ", len(friends))}).ID
		friends = append(friends, friend)
		s.bind(referrer, friend, at)
		s.pay(friend, at)
	}
	for range 3 { // one milestone, and one friend towards the next
		bring(old.ID, noon)
	}
	bring(jane.ID, noon)
	s.settle(noon.Add(2 * time.Hour))
	_, err := s.coupons.GrantCredit(ctx, coupon.CreditRequest{ID: "sorry", Customer: old.ID, Amount: ledger.Minor(300, usd)}, noon)
	require.NoError(t, err)
	for range 2 {
		_, err := s.Merge(ctx, "old", "account 1", "staff", "asked for", noon.Add(3*time.Hour))
		require.NoError(t, err)
	}
	has := func(currency ledger.Currency) ledger.Money {
		credit, err := s.coupons.Credit(ctx, jane.ID, currency)
		require.NoError(t, err)
		return credit
	}
	require.Equal(t, ledger.Minor(300, usd), has(usd), "what staff gave")
	each := s.brings(friends[0]).Gives.Credit[0].Minor()
	require.Equal(t, ledger.Minor(4*each+10000, euro), has(euro))
	page, err := s.Friends(ctx, "invite", jane.ID, referral.TrackingQuery{})
	require.NoError(t, err)
	require.Len(t, page.Friends, 4)
	page, err = s.Friends(ctx, "invite", old.ID, referral.TrackingQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Friends)

	bring(jane.ID, noon.Add(4*time.Hour)) // the fifth: four reached the second milestone
	s.settle(noon.Add(7 * time.Hour))
	require.Equal(t, ledger.Minor(5*each+20000, euro), has(euro))
	for i := range 4 { // one is left: both milestones are taken back, the old one's too
		s.returned(cancelled(friends[i], friends[i]+"'s order"), noon.Add(8*time.Hour))
	}
	require.Equal(t, ledger.Minor(each, euro), has(euro))
}

// What one account owes is set off against what the other earns.
func TestMergeOwesTogether(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, inCredit(func(p *referral.Program) { p.Debt = referral.DebtSetOff }))
	old := s.subject(referral.Person{Account: "old"})
	first, second := s.subject(referral.Person{Account: "first"}).ID, s.subject(referral.Person{Account: "second"}).ID
	s.bind(old.ID, first, noon)
	s.pay(first, noon)
	s.settle(noon.Add(2 * time.Hour))
	_, err := s.coupons.TakeCredit(ctx, coupon.CreditRequest{ID: "spent", Customer: old.ID, Amount: ledger.Minor(1<<40, euro)}, noon.Add(2*time.Hour))
	require.NoError(t, err)
	s.returned(cancelled(first, first+"'s order"), noon.Add(3*time.Hour)) // it was spent: it is owed
	_, err = s.Merge(ctx, "old", "account 1", "staff", "asked for", noon.Add(4*time.Hour))
	require.NoError(t, err)
	s.bind(jane.ID, second, noon.Add(5*time.Hour))
	s.pay(second, noon.Add(5*time.Hour))
	s.settle(noon.Add(8 * time.Hour))
	credit, err := s.coupons.Credit(ctx, jane.ID, euro)
	require.NoError(t, err)
	require.Zero(t, credit.Minor())
	require.NotEmpty(t, s.brings(second).SetOff)
}

// Coupons that either account owes are owed together, one by one.
func TestMergeOwesCouponsTogether(t *testing.T) {
	for name, owes := range map[string]struct{ old, jane bool }{"nobody": {}, "old": {true, false}, "jane": {false, true}, "both": {true, true}} {
		s, jane := guarded(t, referral.Options{}, changed(held(8), func(p *referral.Program) { p.Debt = referral.DebtSetOff }))
		old, friends, owed := s.subject(referral.Person{Account: "old"}), 0, 0
		brings := func(referrer string, at time.Time) string {
			friends++
			friend := s.subject(referral.Person{Account: fmt.Sprint("friend ", friends)}).ID
			s.bind(referrer, friend, at)
			s.pay(friend, at)
			s.settle(at.Add(2 * time.Hour))
			return friend
		}
		for referrer, owing := range map[string]bool{old.ID: owes.old, jane.ID: owes.jane} {
			if owing {
				friend := brings(referrer, noon)
				s.reserve(friend, referrer, noon.Add(3*time.Hour))
				require.NoError(t, second0(s.coupons.Confirm(ctx, friend, noon.Add(3*time.Hour))))
				s.returned(cancelled(friend, friend+"'s order"), noon.Add(4*time.Hour))
				owed++
			}
		}
		require.NoError(t, second0(s.Merge(ctx, "old", "account 1", "staff", "asked for", noon.Add(5*time.Hour))))
		for i := range 3 {
			brings(jane.ID, noon.Add(day))
			require.Equal(t, max(0, i+1-owed), s.wallet(jane.ID), "%s, friend %d", name, i)
		}
	}
}

// A coupon of which a use was made before a merge is owed when its reward is taken back
// after it, and what is left of it is taken. One lapsed order may hold several coupons.
func TestMergeKeepsUsesOwed(t *testing.T) {
	for _, confirmed := range []bool{true, false} {
		double := changed(held(8), func(p *referral.Program) { p.Rewards[1].Coupons[0].Count, p.Debt = 2, referral.DebtSetOff })
		s, jane := guarded(t, referral.Options{}, double)
		twice := offer("thanks", "5.00")
		twice.Version, twice.Combine = 2, coupon.Combine{Freely: true}
		twice.Limits = []coupon.Limit{{Per: coupon.PerCoupon, Uses: 2}}
		print1(s.coupons.Publish(ctx, twice, "staff", noon))
		old, mia := s.subject(referral.Person{Account: "old"}).ID, s.subject(referral.Person{Account: "mia"}).ID
		s.bind(old, mia, noon)
		s.pay(mia, noon)
		s.settle(noon.Add(2 * time.Hour))
		ids := s.brings(mia).Coupons
		require.Len(t, ids, 2)
		quote, err := s.coupons.Quote(ctx, cart(old), coupon.ChooseCoupons(ids...), noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Empty(t, quote.Refused())
		require.NoError(t, second0(s.coupons.Reserve(ctx, "order", quote, noon.Add(2*time.Hour))))
		if confirmed {
			require.NoError(t, second0(s.coupons.Confirm(ctx, "order", noon.Add(2*time.Hour))))
		}
		later := noon.Add(5 * time.Hour)
		require.NoError(t, second0(s.Merge(ctx, "old", "account 1", "staff", "asked for", later)))
		require.Equal(t, []int{0, 2}, []int{s.wallet(old), s.wallet(jane.ID)})
		s.returned(cancelled(mia, mia+"'s order"), later.Add(time.Minute))
		var owed []string
		if confirmed {
			owed = ids
		}
		require.Equal(t, []any{referral.RewardClawedBack, ids, owed}, []any{s.brings(mia).State, s.brings(mia).Coupons, s.brings(mia).Owed})
		require.Zero(t, s.wallet(jane.ID))
	}
}

// A coupon that was taken back stays so when its account is merged.
func TestMergeLeavesTakenBack(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, held(8))
	old, mia := s.subject(referral.Person{Account: "old"}).ID, s.subject(referral.Person{Account: "mia"}).ID
	s.bind(old, mia, noon)
	s.pay(mia, noon)
	s.settle(noon.Add(2 * time.Hour))
	s.returned(cancelled(mia, mia+"'s order"), noon.Add(3*time.Hour))
	require.Equal(t, referral.RewardClawedBack, s.brings(mia).State)
	require.NoError(t, second0(s.Merge(ctx, "old", "account 1", "staff", "asked for", noon.Add(4*time.Hour))))
	require.Zero(t, s.wallet(jane.ID))
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
	_, err := s.Merge(ctx, "old", "account 1", "staff", "asked for", noon)
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
		merged, err := s.Merge(ctx, "mia", "account 1", "staff", "asked for", noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 4, s.wallet(jane.ID))
		_, err = s.DecideCase(ctx, merged.Case, referral.Judgement{Verdict: verdict, Actor: "kim", Reason: "looked at it"}, noon.Add(day))
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
		_, err := on(store, keyed(signingKey("a", 1))).Merge(ctx, "mia", "account 1", "staff", "asked for", noon.Add(time.Hour))
		if err != nil {
			_, err = s.Merge(ctx, "mia", "account 1", "staff", "asked for", noon.Add(time.Hour))
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

// Who has become somebody else twice has still used what was used: an account in between
// that never had a link in the program loses nothing.
func TestMergeTwice(t *testing.T) {
	p := inCredit(func(p *referral.Program) {
		p.Milestones = []referral.Milestone{{Friends: 3, Earning: referral.Earning{Credit: coupon.Amounts{eur("100.00")}}}}
		p.Caps = []referral.Cap{{Friends: 3}}
	})
	s, jane := guarded(t, referral.Options{}, p)
	old := s.subject(referral.Person{Account: "old"})
	s.subject(referral.Person{Account: "middle"})
	bring := func(referrer, account string, at time.Time) {
		friend := s.subject(referral.Person{Account: account}).ID
		s.bind(referrer, friend, at)
		s.pay(friend, at)
	}
	bring(old.ID, "first", noon)
	bring(old.ID, "second", noon)
	s.settle(noon.Add(2 * time.Hour))
	_, err := s.Merge(ctx, "old", "middle", "staff", "asked for", noon.Add(3*time.Hour))
	require.NoError(t, err)
	_, err = s.Merge(ctx, "middle", "account 1", "staff", "asked for", noon.Add(4*time.Hour))
	require.NoError(t, err)
	require.Equal(t, int64(2), s.used(jane.ID, noon))
	page, err := s.Friends(ctx, "invite", jane.ID, referral.TrackingQuery{})
	require.NoError(t, err)
	require.Len(t, page.Friends, 2)

	x, err := s.Export(ctx, "account 1", noon.Add(4*time.Hour))
	require.NoError(t, err)
	require.Len(t, x.Friends["invite"], 2)
	require.Len(t, x.Rewards, 2)

	before, err := s.coupons.Credit(ctx, jane.ID, euro)
	require.NoError(t, err)
	bring(jane.ID, "third", noon.Add(5*time.Hour))
	s.settle(noon.Add(8 * time.Hour))
	after, err := s.coupons.Credit(ctx, jane.ID, euro)
	require.NoError(t, err)
	require.Greater(t, after.Minor()-before.Minor(), int64(10000), "the milestone of three friends, and what the third brings")
}

// Who is banned stays so as somebody else.
func TestMergeOfTheBanned(t *testing.T) {
	s, jane := guarded(t, referral.Options{}, program(8))
	eve := s.subject(referral.Person{Account: "eve"})
	friend := s.subject(referral.Person{Account: "friend"})
	s.bind(eve.ID, friend.ID, noon)
	require.NoError(t, s.Ban(ctx, eve.ID, "kim", "she is her own friends", noon))
	_, err := s.Merge(ctx, "eve", "account 1", "staff", "asked for", noon.Add(time.Hour))
	require.NoError(t, err)
	s.pay(friend.ID, noon.Add(2*time.Hour))
	s.settle(noon.Add(day))
	require.Zero(t, s.wallet(jane.ID))
	x, err := s.Export(ctx, "account 1", noon.Add(day))
	require.NoError(t, err)
	require.Equal(t, "she is her own friends", x.Banned)
}

// What was promised before a merge turned out to be a self-referral waits for the review,
// and the audit has nothing to say about it.
func TestMergeOfWhoQualifiedIsAudited(t *testing.T) {
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), held(8))
	jane, mia := s.subject(referral.Person{Account: "jane"}).ID, s.subject(referral.Person{Account: "mia"}).ID
	s.bind(jane, mia, noon)
	require.Equal(t, referral.StateHeld, s.pay(mia, noon).State)
	_, err := s.Merge(ctx, "mia", "jane", "staff", "why", noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, referral.StateReview, s.referral(mia).State)
	require.Equal(t, referral.RewardPending, s.brings(mia).State)
	requireAudit(t, s.store)
	change(t, s.store, storage.Key{Kind: "referral", ID: "invite/" + mia}, `"before":"held"`, `"before":"bound"`)
	report, err := referral.Audit(ctx, s.store)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "it is pending, and its referral is review")
}

// A link is made for who the account has become: one of the old id would lead to nobody
// who is known.
func TestLinkOfAMergedAccount(t *testing.T) {
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), held(8))
	old, now := s.subject(referral.Person{Account: "old"}).ID, s.subject(referral.Person{Account: "now"}).ID
	_, err := s.Merge(ctx, "old", "now", "staff", "why", noon)
	require.NoError(t, err)
	_, err = s.Link(ctx, "invite", old, noon)
	require.ErrorIs(t, err, referral.ErrNoPerson)
	require.Equal(t, now, s.subject(referral.Person{Account: "old"}).ID)
	s.bind(now, s.subject(referral.Person{Account: "mia"}).ID, noon)
	requireAudit(t, s.store)
}

// The link of before leads to what the account has become, which nobody knew before.
func TestLinkOfWhoBecameSomebodyNew(t *testing.T) {
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), held(8))
	old, now := s.subject(referral.Person{Account: "old"}).ID, s.subject(referral.Person{Account: "now"}).ID
	code := s.link(old).Code.String()
	_, err := s.Merge(ctx, "old", "now", "staff", "why", noon)
	require.NoError(t, err)
	o := s.register(referral.Registration{Customer: s.subject(referral.Person{Account: "mia"}).ID, Code: code}, noon)
	require.True(t, o.Bound, o.Reason)
	require.Equal(t, now, o.Referrer)
	requireAudit(t, s.store)
}

// Whoever has become one with a customer who has a link is known: they can be the referrer
// of a new friend, whether they had registered or not, and are nobody's friend any more. So
// merged accounts form no circle either.
func TestMergedReferrersAreKnown(t *testing.T) {
	for _, registered := range []bool{true, false} {
		for _, chain := range []bool{true, false} {
			s, jane := guarded(t, referral.Options{}, changed(program(8), func(p *referral.Program) { p.LateCode = 7 * day }))
			mia, late := s.subject(referral.Person{Account: "mia"}), s.subject(referral.Person{Account: "late"})
			other := s.subject(referral.Person{Account: "jane 2"})
			s.bind(jane.ID, mia.ID, noon)
			miasCode := s.link(mia.ID).Code.String()
			if registered {
				require.Equal(t, referral.ReasonNoInvitation, s.register(referral.Registration{Customer: other.ID}, noon).Reason)
			}
			from := "account 1"
			if chain {
				s.subject(referral.Person{Account: "between"})
				require.NoError(t, second0(s.Merge(ctx, from, "between", "staff", "one person", noon)))
				from = "between"
			}
			require.NoError(t, second0(s.Merge(ctx, from, "jane 2", "staff", "one person", noon)))

			o := s.register(referral.Registration{Customer: late.ID, Code: s.link(jane.ID).Code.String()}, noon)
			require.True(t, o.Bound)
			require.Equal(t, other.ID, o.Referrer)

			if registered {
				var err error
				o, err = s.EnterCode(ctx, referral.LateCode{Customer: other.ID, Code: miasCode}, noon.Add(time.Hour))
				require.NoError(t, err)
			} else {
				o = s.register(referral.Registration{Customer: other.ID, Code: miasCode}, noon.Add(time.Hour))
			}
			require.Equal(t, referral.ReasonNotNew, o.Reason, "registered: %t, chain: %t", registered, chain)
		}
	}
}

// failing is a store that refuses to write a tally until it is mended.
type failing struct {
	storage.Store
	kind   string
	mended bool
}

func (f *failing) Apply(ctx context.Context, b storage.Batch) error {
	for _, p := range b.Puts {
		if p.Key.Kind == f.kind && !f.mended {
			return errors.New("down")
		}
	}
	return f.Store.Apply(ctx, b)
}

// While what an account holds is still to be moved, friends it brought may be lost: the
// milestone reached with them is taken back all the same.
func TestMilestonesLostWhileMoving(t *testing.T) {
	for _, c := range [][2]bool{{true, false}, {false, false}, {true, true}, {false, true}} { // before: the account had been merged into another already
		repeat, before := c[0], c[1]
		t.Run(fmt.Sprint(repeat, before), func(t *testing.T) {
			store := &failing{Store: memory.New(), kind: "tally", mended: true}
			s := openShop(t, store, keyed(signingKey("a", 1)), inCredit(func(p *referral.Program) {
				p.Milestones = []referral.Milestone{{Friends: 1, Repeat: repeat, Earning: referral.Earning{Credit: coupon.Amounts{eur("100.00")}}}}
			}))
			come := func(account string) string { return s.subject(referral.Person{Account: account}).ID }
			first, jane, friend := come("old"), come("jane"), come("friend")
			if before {
				first = come("first")
			}
			s.bind(first, friend, noon)
			s.pay(friend, noon)
			s.settle(noon.Add(2 * time.Hour))
			require.Equal(t, "110.00", s.credit(first))
			if before {
				require.NoError(t, second0(s.Merge(ctx, "first", "old", "staff", "one person", noon.Add(2*time.Hour))))
			}
			store.mended = false
			require.Error(t, second0(s.Merge(ctx, "old", "jane", "staff", "one person", noon.Add(3*time.Hour))))
			store.mended = true
			s.returned(cancelled(friend, friend+"'s order"), noon.Add(4*time.Hour))
			requireAudit(t, s.store)
			require.NoError(t, second0(s.SweepPeople(ctx, noon.Add(5*time.Hour), 0)))
			requireAudit(t, s.store)
			reward := find(t, s.store, "reward", "invite/"+first+"/milestone/")
			docs, _, err := s.store.Get(ctx, []storage.Key{reward})
			require.NoError(t, err)
			require.Contains(t, string(docs[0].Body), `"state":"clawed_back"`)
			again := come("again") // the account that is left counts from nothing
			s.bind(jane, again, noon.Add(6*time.Hour))
			s.pay(again, noon.Add(6*time.Hour))
			require.EqualValues(t, 1, s.referral(again).Number)
		})
	}
}

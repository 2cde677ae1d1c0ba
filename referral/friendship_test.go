package referral_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// mergedFriend is a friend who has had several accounts, each merged into the next.
type mergedFriend struct {
	*shop
	ids []string // subjects, in the order they were merged in
}

// oneOfSeveral makes a shop in which jane brought the first account, and joe the last
// where it is a friend too.
func oneOfSeveral(t checker, accounts int, twice bool) mergedFriend {
	p := inCredit(func(p *referral.Program) {
		p.Rewards = append(p.Rewards,
			referral.Rule{Side: referral.Referee, Step: referral.Registered, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "welcome"}}}},
			referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}}, Credit: coupon.Amounts{eur("3.00")}}})
	})
	m := mergedFriend{shop: openShop(t, memory.New(), keyed(signingKey("a", 1)), p)}
	for i := range accounts {
		m.ids = append(m.ids, m.subject(referral.Person{Account: fmt.Sprint("account ", i)}).ID)
	}
	m.bind(m.subject(referral.Person{Account: "jane"}).ID, m.ids[0], noon)
	if twice {
		m.bind(m.subject(referral.Person{Account: "joe"}).ID, m.ids[accounts-1], noon)
	}
	return m
}

func (m mergedFriend) merge(at time.Time) {
	for i := range m.ids[1:] {
		_, err := m.Merge(ctx, fmt.Sprint("account ", i), fmt.Sprint("account ", i+1), "staff", "asked for", at)
		require.NoError(m.t, err)
	}
}

// outcome is what came of everything, without the random ids.
func (m mergedFriend) outcome() []string {
	var all []string
	for _, account := range []string{"jane", "joe"} {
		subject := m.subject(referral.Person{Account: account}).ID
		credit, err := m.coupons.Credit(ctx, subject, euro)
		require.NoError(m.t, err)
		all = append(all, fmt.Sprint(account, " has ", credit))
	}
	for _, id := range m.ids {
		credit, err := m.coupons.Credit(ctx, id, euro)
		require.NoError(m.t, err)
		all = append(all, fmt.Sprint("the account has ", m.wallet(id), " coupons and ", credit))
		r, err := m.Referral(ctx, "invite", id)
		require.NoError(m.t, err)
		all = append(all, fmt.Sprint(r.State, r.Order, r.Paid))
		for _, f := range r.Facts {
			all = append(all, fmt.Sprint(f.Kind, f.Order, f.Amount, f.At))
		}
		for _, d := range r.Decisions {
			all = append(all, fmt.Sprint(d.What, d.At))
		}
		rewards, err := m.Rewards(ctx, "invite", id)
		require.NoError(m.t, err)
		for _, w := range rewards {
			all = append(all, fmt.Sprint(w.Side, w.Step, w.State, w.TakenBack, w.OwedMoney, len(w.Coupons)))
		}
	}
	return all
}

// Whichever key of a merged account the shop still uses, what comes of a fact is the
// same: nothing is lost under the key of before, and nothing counts twice.
func TestEitherKeyOfAMergedAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts, twice := rapid.IntRange(2, 4).Draw(t, "accounts"), rapid.Bool().Draw(t, "a friend twice")
		payments, backs := history(t)
		facts := slices.SortedStableFunc(slices.Values(slices.Concat(payments, backs)), func(a, b told) int { return a.at.Compare(b.at) })
		merged := rapid.IntRange(0, len(facts)).Draw(t, "merged before fact")
		erased := rapid.IntRange(0, len(facts)+3).Draw(t, "erased before fact")
		var keys []int
		for range facts {
			keys = append(keys, rapid.IntRange(0, accounts-1).Draw(t, "key"))
		}
		play := func(key func(i int) int) []string {
			m := oneOfSeveral(t, accounts, twice)
			for i := 0; i <= len(facts); i++ {
				at := noon.Add(3 * time.Hour)
				if i < len(facts) {
					at = facts[i].at
				}
				m.settle(at)
				if i == merged {
					m.merge(at)
				}
				if i == erased && i >= merged {
					_, err := m.Erase(ctx, "account 0", "staff", "asked for", at)
					require.NoError(t, err)
				}
				if i == len(facts) {
					break
				}
				id := m.ids[0]
				if i >= merged {
					id = m.ids[key(i)]
				}
				f := facts[i]
				if f.payment != nil {
					p := *f.payment
					p.Customer, f.payment = id, &p
				} else {
					b := *f.back
					b.Customer, f.back = id, &b
				}
				m.tell(f)
			}
			m.settle(noon.Add(50 * day))
			requireAudit(t, m.store)
			return m.outcome()
		}
		last := play(func(int) int { return accounts - 1 })
		require.Equal(t, last, play(func(i int) int { return keys[i] }))
		require.Equal(t, last, play(func(int) int { return 0 }))
	})
}

// What the friend does as the other account counts, and both keys find the referral; what
// it earns is the other's.
func TestAMergedFriendIsFound(t *testing.T) {
	m := oneOfSeveral(t, 2, false)
	old, now := m.ids[0], m.ids[1]
	m.merge(noon)
	r := m.paid(paid(now, "order", "30.00"), noon.Add(time.Hour))
	require.Equal(t, referral.StateHeld, r.State)
	m.settle(noon.Add(day))
	require.Equal(t, []int{0, 2}, []int{m.wallet(old), m.wallet(now)})
	for _, id := range m.ids {
		line, err := m.Timeline(ctx, "invite", id)
		require.NoError(t, err)
		require.NotEmpty(t, line)
		require.Equal(t, old, m.referral(id).Friend)
	}
	x, err := m.Export(ctx, "account 1", noon.Add(day))
	require.NoError(t, err)
	require.Nil(t, x.Referral)
	require.Len(t, x.Merged, 1)

	m.returned(cancelled(now, "order"), noon.Add(2*day))
	require.Equal(t, referral.StateReversed, m.referral(now).State)
	require.Equal(t, 1, m.wallet(now), "what registration gave")
	requireAudit(t, m.store)
}

// A payment counts where it can still earn something, if it is of none of them yet: not for
// an own referral that has ended.
func TestPaymentOfWhoseOwnReferralHasEnded(t *testing.T) {
	for ended := range 2 {
		m := oneOfSeveral(t, 2, true)
		m.paid(paid(m.ids[ended], "before", "30.00"), noon)
		m.returned(cancelled(m.ids[ended], "before"), noon)
		require.Equal(t, referral.StateVoided, m.referral(m.ids[ended]).State)
		m.merge(noon.Add(time.Hour))
		_, err := m.OrderPaid(ctx, paid(m.ids[1], "after", "30.00"), noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, referral.StateVoided, m.referral(m.ids[ended]).State)
		require.Equal(t, "after", m.referral(m.ids[1-ended]).Order)
		require.Equal(t, referral.StateHeld, m.referral(m.ids[1-ended]).State)
		_, err = m.OrderReturned(ctx, cancelled(m.ids[1], "before"), noon.Add(3*time.Hour)) // of the other
		require.NoError(t, err)
		require.Equal(t, referral.StateHeld, m.referral(m.ids[1-ended]).State)
		requireAudit(t, m.store)
	}
}

// Whoever was a friend as another account is no new customer, by no way.
func TestAMergedFriendIsNotNew(t *testing.T) {
	p := inCredit(func(p *referral.Program) { p.LateCode = day })
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), p)
	account := func(name string) string { return s.subject(referral.Person{Account: name}).ID }
	s.bind(account("jane"), account("mia"), noon)
	s.register(referral.Registration{Customer: account("registered")}, noon)
	code := s.link(account("joe")).Code.String()
	for _, m := range [][2]string{{"mia", "registered"}, {"registered", "not registered"}} {
		account(m[1])
		_, err := s.Merge(ctx, m[0], m[1], "staff", "asked for", noon)
		require.NoError(t, err)
	}
	require.Equal(t, referral.ReasonNotNew, s.register(referral.Registration{Customer: account("mia"), Code: code}, noon).Reason)

	s.bind(account("jane"), account("ida"), noon)
	s.register(referral.Registration{Customer: account("late")}, noon)
	_, err := s.Merge(ctx, "ida", "late", "staff", "asked for", noon)
	require.NoError(t, err)
	o, err := s.EnterCode(ctx, referral.LateCode{Customer: account("late"), Code: code}, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, referral.ReasonNotNew, o.Reason)
	requireAudit(t, s.store)
}

// A self-referral is found through accounts that were merged before.
func TestMergeFindsSelfReferralOfMergedAccounts(t *testing.T) {
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), held(8))
	account := func(name string) string { return s.subject(referral.Person{Account: name}).ID }
	s.bind(account("jane"), account("mia"), noon)
	for _, m := range [][2]string{{"jane", "jane's second"}, {"mia", "mia's second"}} {
		account(m[1])
		merged, err := s.Merge(ctx, m[0], m[1], "staff", "asked for", noon)
		require.NoError(t, err)
		require.Empty(t, merged.Case)
	}
	merged, err := s.Merge(ctx, "mia's second", "jane's second", "staff", "asked for", noon)
	require.NoError(t, err)
	require.NotEmpty(t, merged.Case)
	requireAudit(t, s.store)
}

// An account that is erased ends what every account of it was promised, also where the
// erasure stops half-way.
func TestErasingAMergedFriend(t *testing.T) {
	for at := 1; ; at++ {
		m := oneOfSeveral(t, 3, true)
		m.merge(noon)
		store := &flaky{Store: m.store, at: at, err: errDown}
		_, err := on(store, keyed(signingKey("a", 1))).Erase(ctx, "account 0", "staff", "asked for", noon)
		if err != nil {
			if _, err := m.FindSubject(ctx, "account 0"); err == nil {
				continue // nothing was done
			}
			_, err = m.SweepPeople(ctx, noon, 0)
			require.NoError(t, err)
		}
		for _, id := range m.ids {
			require.Equal(t, referral.StateVoided, m.referral(id).State)
			require.Zero(t, m.wallet(id))
		}
		requireAudit(t, m.store)
		if err == nil {
			return
		}
	}
}

// Orders that one account reserved can be paid by the other's key.
func TestPaymentOfAMergedAccountsOrder(t *testing.T) {
	m := oneOfSeveral(t, 2, false)
	m.reserve("order", m.ids[0], noon)
	m.merge(noon)
	_, err := m.OrderPaid(ctx, paid(m.ids[1], "order", "10.00"), noon)
	require.NoError(t, err)
	stranger := m.subject(referral.Person{Account: "stranger"}).ID
	_, err = m.OrderPaid(ctx, paid(stranger, "order", "10.00"), noon)
	require.ErrorIs(t, err, referral.ErrRequest)
}

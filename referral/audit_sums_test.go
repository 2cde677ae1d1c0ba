package referral_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// tallied is a shop in which everything is counted: Jane has brought a, who was taken back, b
// and c, who are confirmed and reach a milestone, and d, who waits. She owes 6.00 and a coupon.
func tallied(t *testing.T) *shop {
	s := newShop(t, inCredit(func(p *referral.Program) {
		p.Debt = referral.DebtSetOff
		p.Rewards[0].Coupons = []coupon.IssueOffer{{Offer: "thanks"}}
		p.Milestones = []referral.Milestone{{Friends: 2, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("1.00")}}}}
	}))
	at := noon.Add(3 * time.Hour)
	s.confirmed("a", noon)
	s.reserve("jane's", "jane", at)
	require.NoError(t, second0(s.coupons.Confirm(ctx, "jane's", at)))
	s.confirmed("b", noon)
	s.confirmed("c", noon)
	s.spend("jane", "27.00")
	s.returned(cancelled("a", "a's order"), at)
	s.bind("jane", "d", at)
	s.pay("d", at)
	requireAudit(t, s.store)
	return s
}

// What is counted beside referrals and rewards is counted again, and named with what it
// should be.
func TestAuditCountsAgain(t *testing.T) {
	tally, debt := storage.Key{Kind: "tally", ID: "invite/jane"}, storage.Key{Kind: "debt", ID: "invite/jane"}
	milestone := storage.Key{Kind: "reward", ID: "invite/jane/milestone/every-2/1"}
	const come = "referrals and rewards come to the latter"
	for name, c := range map[string]struct {
		key      storage.Key
		old, new string // no old: it is dropped
		said     []string
	}{
		"too many count":        {tally, `"counting":3`, `"counting":4`, []string{`counter "tally/invite/jane": found 4, want 3: friends who count: ` + come}},
		"too few are confirmed": {tally, `"confirmed":2`, `"confirmed":1`, []string{`counter "tally/invite/jane": found 1, want 2: friends confirmed: ` + come}},
		"no tally": {tally, "", "", []string{
			`counter "tally/invite/jane": found 0, want 3: friends who count: ` + come,
			`counter "tally/invite/jane": found 0, want 2: friends confirmed: ` + come,
			`reward "reward/invite/jane/milestone/every-2/1": found 0, want 0: it stands, and the referrer's tally does not have it`,
		}},
		"a tally that can't be read": {tally, `"counting":3`, `"counting":"3"`, []string{`unreadable "tally/invite/jane"`}},
		"a friend who counts no more": {storage.Key{Kind: "referral", ID: "invite/d"}, `"state":"held"`, `"state":"bound"`, []string{
			`counter "tally/invite/jane": found 3, want 2: friends who count: ` + come,
		}},
		"a friend who is denied": {storage.Key{Kind: "referral", ID: "invite/b"}, `"facts":`, `"uncounted":true,"facts":`, []string{
			`counter "tally/invite/jane": found 3, want 2: friends who count: ` + come,
			`counter "tally/invite/jane": found 2, want 1: friends confirmed: ` + come,
		}},
		"a milestone taken back": {milestone, `"state":"granted"`, `"state":"clawed_back"`, []string{
			`reward "tally/invite/jane": found 0, want 0: a reward of a milestone stands by it, and is taken back or missing: invite/jane/milestone/every-2/1`,
		}},
		"a milestone that is gone": {milestone, "", "", []string{
			`a reward of a milestone stands by it, and is taken back or missing: invite/jane/milestone/every-2/1`,
		}},
		"a milestone forgotten": {tally, `"live":[1,1]`, `"live":[]`, []string{`it stands, and the referrer's tally does not have it`}},
		"milestones that can't stand": {tally, `"live":[1,1]`, `"live":[1,9223372036854775807]`, []string{
			`reward "tally/invite/jane": found 0, want 0: of 1 rewards of milestone every-2, those that stand are [1 9223372036854775807]`,
		}},
		"half a row of milestones": {tally, `"live":[1,1]`, `"live":[1]`, []string{`those that stand are [1]`}},
		"milestones not made": {tally, `"made":1`, `"made":9223372036854775807`, []string{
			`reward "tally/invite/jane": found 0, want 0: it has made 9223372036854775807 rewards of milestone every-2, and there are others`,
		}},
		"more is owed":              {debt, `"EUR":"6.00"`, `"EUR":"6.01"`, []string{`counter "debt/invite/jane": found 601, want 600: EUR: ` + come}},
		"less is owed":              {debt, `"EUR":"6.00"`, `"EUR":"0.01"`, []string{`counter "debt/invite/jane": found 1, want 600: EUR: ` + come}},
		"a coupon too many is owed": {debt, `"thanks":1`, `"thanks":2`, []string{`counter "debt/invite/jane": found 2, want 1: coupons of offer thanks: ` + come}},
		"another coupon is owed": {debt, `"thanks":1`, `"more":1`, []string{
			`counter "debt/invite/jane": found 0, want 1: coupons of offer thanks: ` + come,
			`counter "debt/invite/jane": found 1, want 0: coupons of offer more: ` + come,
		}},
		"a debt that is gone": {debt, "", "", []string{
			`counter "debt/invite/jane": found 0, want 1: coupons of offer thanks: ` + come,
			`counter "debt/invite/jane": found 0, want 600: EUR: ` + come,
		}},
		"a debt that can't be read": {debt, `"thanks":1`, `"thanks":"1"`, []string{`unreadable "debt/invite/jane"`}},
		"a reward of which nothing is owed": {storage.Key{Kind: "reward", ID: "invite/a/referrer/qualified"}, `"money":{`, `"x":{`, []string{
			`counter "debt/invite/jane": found 600, want 0: EUR: ` + come,
		}},
		"a reward that set something off": {storage.Key{Kind: "reward", ID: "invite/b/referrer/qualified"}, `"back":{}`, `"back":{"set_off":{"EUR":"5.00"},"coupons":{"thanks":1}}`, []string{
			`counter "debt/invite/jane": found 600, want 100: EUR: ` + come,
			`counter "debt/invite/jane": found 1, want 0: coupons of offer thanks: ` + come,
		}},
		"no terms": {storage.Key{Kind: "program_version", ID: "invite@1"}, "", "", []string{`unreadable "program_version/invite@1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := tallied(t)
			docs, _, err := s.store.Get(ctx, []storage.Key{c.key})
			require.NoError(t, err)
			if c.old == "" {
				drop(t, s.store, c.key)
			} else {
				change(t, s.store, c.key, c.old, c.new)
			}
			report, err := referral.Audit(ctx, s.store)
			require.NoError(t, err)
			require.Empty(t, report.Unsettled)
			for _, said := range c.said {
				assert.ErrorContains(t, report.Err(), said)
			}
			put := storage.Put(docs[0]) // the shop is audited when it closes
			if put.Version++; c.old == "" {
				put.Version = 0
			}
			require.NoError(t, s.store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
		})
	}
}

// Whether a milestone that is lost is owed is in the terms of the friend it is lost with,
// whoever it was reached with.
func TestAuditOfAMilestoneLostUnderOtherTerms(t *testing.T) {
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprint(kept), func(t *testing.T) {
			terms := inCredit(func(p *referral.Program) {
				p.Rewards = nil
				p.Milestones = []referral.Milestone{{Friends: 2, Earning: referral.Earning{Credit: coupon.Amounts{eur("9.00")}}}}
			})
			setOff := changed(terms, func(p *referral.Program) { p.Debt = referral.DebtSetOff })
			first, second := terms, setOff
			if !kept {
				first, second = setOff, terms
			}
			s := newShop(t, first)
			s.bind("jane", "mia", noon)
			s.paid(paid("mia", "mia's", "20.00"), noon)
			require.NoError(t, second0(s.Publish(ctx, second, "staff", noon)))
			s.bind("jane", "ida", noon)
			s.paid(paid("ida", "ida's", "20.00"), noon)
			s.settle(noon.Add(2 * time.Hour))
			s.spend("jane", "9.00")
			for _, friend := range []string{"ida", "mia"} {
				s.returned(cancelled(friend, friend+"'s"), noon.Add(3*time.Hour))
			}
			docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "debt", ID: "invite/jane"}})
			require.NoError(t, err)
			require.Len(t, docs, map[bool]int{true: 1}[kept])
			requireAudit(t, s.store)
		})
	}
}

// stirred is a store in which something happens once a kind was listed.
type stirred struct {
	storage.Store
	after string
	run   func()
}

func (s *stirred) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	page, err := s.Store.List(ctx, q)
	if q.Kind == s.after && q.List == "" {
		s.run()
	}
	return page, err
}

// What is counted while others write is never said to be wrong; where it moves between all
// readings, it is unsettled.
func TestAuditCountsWhileOthersWrite(t *testing.T) {
	for _, kind := range []string{"referral", "reward", "tally", "debt"} {
		t.Run(kind, func(t *testing.T) {
			s := tallied(t)
			n := 0
			report, err := referral.Audit(ctx, &stirred{s.store, kind, func() {
				n++
				friend, at := fmt.Sprint("new ", n), noon.Add(time.Duration(4+n)*time.Hour)
				s.bind("jane", friend, at)
				s.pay(friend, at)
				s.settle(at.Add(time.Hour))
				if n%2 == 0 {
					s.returned(cancelled(friend, friend+"'s order"), at.Add(time.Hour))
				}
			}})
			require.NoError(t, err)
			require.NoError(t, report.Err())
			require.Positive(t, n)
		})
	}
}

package referral_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Whatever is changed behind the service's back, the audit finds it.
func TestAuditFinds(t *testing.T) {
	for name, c := range map[string]struct {
		key      storage.Key
		old, new string
		finding  ledger.Finding
	}{
		"a friend as deep as the referrer":   {storage.Key{Kind: "member", ID: "mia"}, `"depth":1`, `"depth":0`, referral.FoundForest},
		"another referrer":                   {storage.Key{Kind: "referral", ID: "invite/mia"}, `"referrer":"jane"`, `"referrer":"ida"`, referral.FoundForest},
		"a referrer nobody knows":            {storage.Key{Kind: "referral", ID: "invite/mia"}, `"referrer":"jane"`, `"referrer":"who"`, referral.FoundForest},
		"a friend who is the referrer":       {storage.Key{Kind: "referral", ID: "invite/mia"}, `"referrer":"jane"`, `"referrer":"mia"`, referral.FoundForest},
		"a member that can't be read":        {storage.Key{Kind: "member", ID: "mia"}, `"depth":1`, `"depth":"1"`, ledger.FoundUnreadable},
		"a registration that bound nobody":   {storage.Key{Kind: "member", ID: "mia"}, `"bound":true`, `"bound":false`, referral.FoundForest},
		"a registration in another program":  {storage.Key{Kind: "member", ID: "mia"}, `"bound":true,"reason":"","program":"invite"`, `"bound":true,"reason":"","program":"other"`, referral.FoundForest},
		"a place too many":                   {storage.Key{Kind: "referral", ID: "invite/ida"}, `"n":1,"max":8`, `"n":2,"max":8`, ledger.FoundCounter},
		"a referral that can't be read":      {storage.Key{Kind: "referral", ID: "invite/ida"}, `"version":1,"referrer"`, `"version":"1","referrer"`, ledger.FoundUnreadable},
		"a reward that can't be read":        {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"granted":1`, `"granted":"x","y":1`, ledger.FoundUnreadable},
		"a reward without its coupons":       {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"coupons":["reward-`, `"coupons":["lost-`, referral.FoundReward},
		"a reward granted for nothing":       {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"state":"granted"`, `"state":"pending"`, referral.FoundReward},
		"a reward granted early":             {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"not_before":17`, `"not_before":18`, referral.FoundReward},
		"a reward of a referral that is not": {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"friend":"ida"`, `"friend":"who"`, referral.FoundReward},
		"granted, and the referral reversed": {storage.Key{Kind: "reward", ID: "invite/mia/referrer/qualified"}, `"state":"clawed_back"`, `"state":"granted"`, referral.FoundReward},
		"clawed back, and it is not":         {storage.Key{Kind: "reward", ID: "invite/ida/referrer/qualified"}, `"state":"granted"`, `"state":"clawed_back"`, referral.FoundReward},
		"pending, and the referral over":     {storage.Key{Kind: "referral", ID: "invite/tea"}, `"state":"held"`, `"state":"voided"`, referral.FoundReward},
		"pending, and not yet qualified":     {storage.Key{Kind: "referral", ID: "invite/tea"}, `"state":"held"`, `"state":"bound"`, referral.FoundReward},
	} {
		t.Run(name, func(t *testing.T) {
			s := full(t)
			require.NoError(t, s.Resume(ctx, "invite", "staff", "asked for", noon))
			s.bind("jane", "tea", noon)
			s.paid(paid("tea", "tea's", "15.00"), noon.Add(day))
			requireAudit(t, s.store)
			change(t, s.store, c.key, c.old, c.new)
			report, err := referral.Audit(ctx, s.store)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
			var found []ledger.Finding
			for _, d := range report.Discrepancies {
				found = append(found, d.Finding)
			}
			assert.Contains(t, found, c.finding)
			change(t, s.store, c.key, c.new, c.old)
		})
	}
}

func change(t *testing.T, store storage.Store, key storage.Key, before, after string) {
	t.Helper()
	docs, _, err := store.Get(ctx, []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	put := storage.Put(docs[0])
	put.Body = []byte(strings.Replace(string(put.Body), before, after, 1))
	require.NotEqual(t, string(docs[0].Body), string(put.Body))
	require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
}

func TestAuditReadsEverything(t *testing.T) {
	report, err := referral.Audit(ctx, full(t).store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Greater(t, report.Documents, 30)
	require.Equal(t, 3, report.Counters)
	empty, err := referral.Audit(ctx, memory.New())
	require.NoError(t, err)
	require.NoError(t, empty.Err())
}

// moving is a store in which something happens once the rewards were listed.
type moving struct {
	storage.Store
	run func()
}

func (m *moving) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	page, err := m.Store.List(ctx, q)
	if run := m.run; q.Kind == "reward" && run != nil {
		m.run = nil
		run()
	}
	return page, err
}

// While others settle and return, the audit finds nothing that is not there.
func TestAuditWhileOthersWrite(t *testing.T) {
	s := newShop(t, held(100))
	friends := s.friends(10)
	for _, friend := range friends {
		s.pay(friend, noon)
	}
	report, err := referral.Audit(ctx, &moving{Store: s.store, run: func() {
		s.settle(noon.Add(time.Hour))
		for _, friend := range friends[:5] {
			s.returned(cancelled(friend, friend+"'s order"), noon.Add(time.Hour))
		}
	}})
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// Members known on two machines whose clocks differ are no circle.
func TestAuditDoesNotTrustClocks(t *testing.T) {
	s := newShop(t, program(8))
	s.link("jane")
	s.bind("jane", "mia", noon.Add(-day))
	s.bind("mia", "ida", noon.Add(-2*day))
}

// The journal of a shop's book, decisions and all, is whole.
func TestBook(t *testing.T) {
	s := full(t)
	var journal strings.Builder
	require.NoError(t, ledger.Journal(ctx, s.store, &journal))
	require.Contains(t, journal.String(), "discounts:thanks")
}

package referral_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// weighed counts what is read of a store: calls, documents and bytes.
type weighed struct {
	counted
	docs, bytes int
}

func (w *weighed) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	docs, values, err := w.counted.Get(ctx, keys, counters...)
	w.weigh(docs)
	return docs, values, err
}

func (w *weighed) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	page, err := w.counted.List(ctx, q)
	w.weigh(page.Docs)
	return page, err
}

func (w *weighed) weigh(docs []storage.Doc) {
	w.docs += len(docs)
	for _, doc := range docs {
		w.bytes += len(doc.Body)
	}
}

// Recording a fact is one read and one Apply: of payments that count, that come later and
// of nobody's friend, of returns, and of facts that the shop defines.
func TestRecordingAFactIsOneReadAndOneApply(t *testing.T) {
	s := newShop(t, changed(held(8), func(p *referral.Program) { p.Qualify.Nth = 2 }), changed(onInstalled(), func(p *referral.Program) { p.ID = "installs" }))
	s.bind("jane", "mia", noon)
	link, err := s.Link(ctx, "installs", "jane", noon)
	require.NoError(t, err)
	s.register(referral.Registration{Customer: "ida", Code: link.Code.String()}, noon)
	store := &counted{Store: s.store}
	other := on(store, referral.Options{})
	other.t = t
	_, err = other.OrderPaid(ctx, paid("mia", "known", "0.00"), noon) // now the programs are known
	require.NoError(t, err)
	_, err = other.Record(ctx, referral.Recorded{ID: "0", Customer: "ida", Name: "opened"}, noon)
	require.NoError(t, err)
	for name, tell := range map[string]func() error{
		"a payment":          func() error { return second0(other.OrderPaid(ctx, paid("mia", "1", "12.00"), noon)) },
		"a return":           func() error { return second0(other.OrderReturned(ctx, back("mia", "1", "r", "1.00"), noon)) },
		"of nobody's friend": func() error { return second0(other.OrderPaid(ctx, paid("joe", "2", "12.00"), noon)) },
		"a fact that counts not": func() error {
			return second0(other.Record(ctx, referral.Recorded{ID: "1", Customer: "ida", Name: "opened"}, noon))
		},
	} {
		store.calls, store.applied = 0, nil
		require.NoError(t, tell(), name)
		require.Equal(t, 2, store.calls, name)
		require.Len(t, store.applied, 1, name)
	}
}

// What is read for a payment, for a page of friends and to settle one referral does not
// grow with the referrals there are.
func TestReadsAreFlatInReferrals(t *testing.T) {
	figures := func(friends int) map[string][3]int {
		s := openShop(t, memory.New(), referral.Options{}, changed(held(1<<40), func(p *referral.Program) { p.Hold = day }))
		for i := range friends {
			friend := fmt.Sprintf("friend-%06d", i)
			s.bind("jane", friend, noon.Add(time.Duration(i)*time.Second))
			if i%3 > 0 {
				s.paid(paid(friend, friend, "12.00"), noon.Add(time.Duration(i)*time.Second))
			}
		}
		store := &weighed{counted: counted{Store: s.store}}
		other := on(store, referral.Options{})
		other.t = t
		other.paid(paid("friend-000000", "known", "0.00"), noon)
		all := make(map[string][3]int)
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"payment", func() error {
				return second0(other.OrderPaid(ctx, paid("friend-000003", "paid", "12.00"), noon.Add(day)))
			}},
			{"first page", func() error {
				return second0(other.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 20}))
			}},
			{"later page", func() error {
				page, err := other.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 20})
				if err == nil {
					_, err = other.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 20, After: page.Next})
				}
				return err
			}},
			{"return", func() error {
				return second0(other.OrderReturned(ctx, cancelled("friend-000001", "friend-000001"), noon.Add(time.Hour)))
			}},
			{"caps", func() error { return second0(other.Caps(ctx, "invite", "jane", noon)) }},
		} {
			store.calls, store.docs, store.bytes = 0, 0, 0
			require.NoError(t, step.do(), step.name)
			all[step.name] = [3]int{store.calls, store.docs, store.bytes / 100} // a number is a digit longer now and then
		}
		return all
	}
	require.Equal(t, figures(300), figures(3000))
}

package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// deadlocks counts those that the database breaks.
type deadlocks struct{ atomic.Int64 }

func (d *deadlocks) classify(err error) sqlstore.Class {
	var stated interface{ SQLState() string }
	if errors.As(err, &stated) && stated.SQLState() == "40P01" || err != nil && strings.HasPrefix(err.Error(), "Error 1213") {
		d.Add(1)
	}
	return sqlstore.Other // the dialect knows
}

// TestNoDeadlock: batches on the same documents and counters, in whatever order their
// operations are given, never wait for each other in a circle, be they alone or the
// only one of a transaction with the shop's own rows; neither do plans that are joined
// in any order. With several in one transaction they may, and InTx gets through.
func TestNoDeadlock(t *testing.T) {
	for _, e := range Engines() {
		if e.Dialect == sqlstore.SQLite {
			continue // one writer
		}
		callers, calls := size(8, 32), size(10, 200)
		run := func(name string, expects expectation, do func(t *testing.T, s shop)) {
			t.Run(fmt.Sprintf("%s/%s, %d callers with %d calls each", e.Name, name, callers, calls), func(t *testing.T) {
				var met deadlocks
				s := openShop(t, e, 0)
				s.store = e.New(t, s.db, sqlstore.Options{Classify: met.classify})
				do(t, s)
				switch expects {
				case none:
					require.Zero(t, met.Load(), "deadlocks")
				case some:
					require.Positive(t, met.Load(), "deadlocks")
				}
			})
		}
		alone := func(t *testing.T, s shop) {
			shuffledBatches(t, s, callers, calls, func(_ string, b storage.Batch) error { return s.store.Apply(t.Context(), b) })
		}
		inTx := func(t *testing.T, s shop) {
			shuffledBatches(t, s, callers, calls, func(order string, b storage.Batch) error {
				return s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
					if _, err := tx.Exec("INSERT INTO orders (id) VALUES ('" + order + "')"); err != nil {
						return err
					}
					return bound.Apply(t.Context(), b)
				})
			})
		}
		prepared := func(do func(*testing.T, shop)) func(*testing.T, shop) {
			return func(t *testing.T, s shop) {
				for _, key := range fewKeys() {
					require.NoError(t, s.store.Apply(t.Context(), puts(0, key.ID)))
				}
				do(t, s)
			}
		}
		run("one Apply", none, prepared(alone))
		run("one Apply with the order", none, prepared(inTx))
		creating := none
		if e.Dialect == sqlstore.MySQL {
			creating = perhaps
		}
		run("one Apply, some create", creating, alone)
		run("one Apply with the order, some create", creating, inTx)
		run("one joined plan with the order", none, func(t *testing.T, s shop) { joinedPlans(t, s, callers, calls) })
		run("several Applies", some, func(t *testing.T, s shop) { severalApplies(t, s, callers, calls) })
	}
}

// expectation says how many deadlocks there are.
type expectation int

const (
	none expectation = iota
	some
	perhaps
)

func fewKeys() []storage.Key {
	var keys []storage.Key
	for i := range 6 {
		keys = append(keys, docKey(fmt.Sprint(i)))
	}
	return keys
}

// shuffledBatches has callers change some of the same few documents and counters,
// named in any order, until each has got through as often as it should.
func shuffledBatches(t *testing.T, s shop, callers, calls int, apply func(order string, b storage.Batch) error) {
	keys := fewKeys()
	var turn sync.Mutex
	together(callers, func(caller int) {
		random := rand.New(rand.NewSource(int64(caller)))
		for call := range calls {
			for conflict := true; conflict; {
				docs, _, err := s.store.Get(t.Context(), keys)
				assert.NoError(t, err)
				b := shuffledBatch(random, keys, docs)
				err = tillDone(&turn, func() error { return apply(fmt.Sprintf("%d-%d", caller, call), b) })
				if conflict = errors.Is(err, storage.ErrConflict); !conflict && !assert.NoError(t, err) {
					return
				}
			}
		}
	})
	_, values, err := s.store.Get(t.Context(), nil, "counter0", "counter1", "counter2")
	require.NoError(t, err)
	require.EqualValues(t, 2*callers*calls, values["counter0"]+values["counter1"]+values["counter2"])
}

func shuffledBatch(random *rand.Rand, keys []storage.Key, docs []storage.Doc) storage.Batch {
	versions := make(map[storage.Key]int64)
	for _, doc := range docs {
		versions[doc.Key] = doc.Version
	}
	var b storage.Batch
	for _, i := range random.Perm(len(keys))[:2] {
		b.Puts = append(b.Puts, storage.Put{
			Key: keys[i], Version: versions[keys[i]], Due: 1 + random.Int63n(9), Body: []byte(`{}`),
			Lists: []storage.Listing{{List: "l", Place: random.Int63n(9)}, {List: "m", Place: 1}},
		})
	}
	for _, i := range random.Perm(3)[:2] {
		b.Adds = append(b.Adds, storage.Add{Counter: fmt.Sprint("counter", i), Delta: 1, Max: math.MaxInt64})
	}
	return b
}

// joinedPlans has callers do several things in one step, joined in any order: confirm
// an order, issue a coupon, grant two customers credit and post to the book.
func joinedPlans(t *testing.T, s shop, callers, calls int) {
	all := serve(s.store, nil)
	require.NoError(t, opened(t.Context(), all))
	_, err := all.coupons.Publish(t.Context(), coupon.Offer{
		ID: "hot", Name: "hot", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Uses: 1 << 40}},
	}, "staff", noon)
	require.NoError(t, err)
	_, err = all.coupons.Issue(t.Context(), coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}}, noon)
	require.NoError(t, err)
	quote, err := all.coupons.Quote(t.Context(), janesCart("20.00"), coupon.Choose("HOT"), noon)
	require.NoError(t, err)
	var turn sync.Mutex
	together(callers, func(caller int) {
		random := rand.New(rand.NewSource(int64(caller)))
		for call := range calls {
			order := fmt.Sprintf("%d-%d", caller, call)
			if _, err := all.coupons.Reserve(t.Context(), order, quote, noon); !assert.NoError(t, err) {
				return
			}
			places := random.Perm(4)
			assert.NoError(t, tillDone(&turn, func() error {
				return s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
					if _, err := tx.Exec("INSERT INTO orders (id) VALUES ('" + order + "')"); err != nil {
						return err
					}
					return joinedPlan(t.Context(), serve(bound, nil), order, places)
				})
			}))
		}
	})
	requireAudit(t, s.store)
	_, values, err := s.store.Get(t.Context(), nil, "uses/hot")
	require.NoError(t, err)
	require.EqualValues(t, callers*calls, values["uses/hot"])
}

func joinedPlan(ctx context.Context, s services, order string, places []int) error {
	_, err := storage.Do(ctx, s.store, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		confirmed, err := s.coupons.PlanConfirm(ctx, order, noon)
		issued, second := s.coupons.PlanIssue(ctx, coupon.IssueRequest{ID: order, Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "own"}}}, noon)
		batches := []storage.Batch{confirmed.Batch, issued.Batch}
		for _, customer := range []string{"jane", "joe"} {
			granted, third := s.coupons.PlanGrantCredit(ctx, coupon.CreditRequest{
				ID: order + customer, Customer: customer, Amount: ledger.MustMoney("1.00", eur),
			}, noon)
			batches, err = append(batches, granted.Batch), errors.Join(err, third)
		}
		if err := errors.Join(err, second); err != nil {
			return storage.Plan[struct{}]{}, err
		}
		shuffled := make([]storage.Batch, len(batches))
		for i, place := range places {
			shuffled[place] = batches[i]
		}
		joined, err := storage.Join(shuffled...)
		return storage.Plan[struct{}]{Batch: joined}, err
	})
	return err
}

// severalApplies has callers change two counters, half of them in the opposite order.
// Before the others begin, two meet in between, so that there is a deadlock on every
// machine.
func severalApplies(t *testing.T, s shop, callers, calls int) {
	var turn sync.Mutex
	both := func(caller int, met func()) {
		assert.NoError(t, tillDone(&turn, func() error {
			return s.store.InTx(t.Context(), func(_ *sql.Tx, bound *sqlstore.Store) error {
				if err := bound.Apply(t.Context(), raise([]string{"a", "b"}[caller%2])); err != nil {
					return err
				}
				met()
				return bound.Apply(t.Context(), raise([]string{"b", "a"}[caller%2]))
			})
		}))
	}
	meet := meeting()
	together(2, func(caller int) {
		first := true
		both(caller, func() { meet(&first) })
	})
	together(callers, func(caller int) {
		for range calls / 10 { // PostgreSQL takes a second to find a deadlock
			both(caller, func() {})
		}
	})
	_, values, err := s.store.Get(t.Context(), nil, "a", "b")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": int64(callers*(calls/10) + 2), "b": int64(callers*(calls/10) + 2)}, values)
}

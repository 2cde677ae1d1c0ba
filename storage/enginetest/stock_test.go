package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// giveAway has many callers ask for a coupon each from a stock of some codes, and gives
// how many coupons have which code.
func giveAway(t *testing.T, s services, callers, stocked int, issue func(coupon.IssueRequest) ([]coupon.Coupon, error)) map[coupon.Code]int {
	t.Helper()
	require.NoError(t, opened(t.Context(), s))
	var codes []string
	for i := range stocked {
		codes = append(codes, fmt.Sprintf("CARD-%03d", i))
	}
	require.NoError(t, only(s.coupons.LoadStock(t.Context(), coupon.StockRequest{ID: "cards", Offer: "own", Codes: codes, Actor: "staff", Reason: "printed"}, noon)))
	given := make(map[coupon.Code]int)
	var mu sync.Mutex
	together(callers, func(caller int) {
		for i := range 2 * stocked / callers {
			made, err := issue(coupon.IssueRequest{
				ID: fmt.Sprintf("gift-%d-%d", caller, i), Holder: fmt.Sprint("customer", caller), Offers: []coupon.IssueOffer{{Offer: "own", FromStock: true}},
			})
			var refused *coupon.Refusal
			if err != nil && !(errors.As(err, &refused) && refused.Reason == coupon.ReasonOutOfStock) {
				t.Error(err)
			}
			mu.Lock()
			for _, c := range made {
				given[c.Code]++
			}
			mu.Unlock()
		}
	})
	return given
}

// requireGivenOnce requires that each code has one holder, and none is left.
func requireGivenOnce(t *testing.T, s services, given map[coupon.Code]int, stocked int) {
	t.Helper()
	require.Len(t, given, stocked)
	for code, n := range given {
		require.Equal(t, 1, n, code)
	}
	left, err := s.coupons.StockLeft(t.Context(), "own")
	require.NoError(t, err)
	require.Zero(t, left)
	requireAudit(t, s.store)
}

// TestStock: twice as many as there are codes ask for one, all at once, on the store
// itself and in one transaction with an order. Each code has one holder, and all have one.
func TestStock(t *testing.T) {
	stocked := size(24, 1000)
	t.Run("memory", func(t *testing.T) {
		s := serve(memory.New(), nil)
		requireGivenOnce(t, s, giveAway(t, s, 8, stocked, func(request coupon.IssueRequest) ([]coupon.Coupon, error) {
			return s.coupons.Issue(context.Background(), request, noon)
		}), stocked)
	})
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 16)
			store := e.Store(t, db, sqlstore.Options{})
			_, err := db.Exec("CREATE TABLE orders (id VARCHAR(100) NOT NULL PRIMARY KEY)")
			require.NoError(t, err)
			var turn sync.Mutex
			t.Run("alone", func(t *testing.T) {
				s := serve(storage.Prefixed(store, "a/"), nil)
				requireGivenOnce(t, s, giveAway(t, s, 8, stocked, func(request coupon.IssueRequest) (made []coupon.Coupon, err error) {
					err = tillDone(&turn, func() error {
						made, err = s.coupons.Issue(context.Background(), request, noon)
						return err
					})
					return made, err
				}), stocked)
			})
			t.Run("with the order", func(t *testing.T) {
				s := serve(storage.Prefixed(store, "b/"), nil)
				requireGivenOnce(t, s, giveAway(t, s, 8, stocked, func(request coupon.IssueRequest) (made []coupon.Coupon, err error) {
					err = tillDone(&turn, func() error {
						return store.InTx(context.Background(), func(tx *sql.Tx, bound *sqlstore.Store) error {
							made = nil
							if _, err := tx.Exec("INSERT INTO orders (id) VALUES ('" + request.ID + "')"); err != nil {
								return err
							}
							made, err = s.coupons.In(storage.Prefixed(bound, "b/")).Issue(context.Background(), request, noon)
							return err
						})
					})
					if err != nil {
						made = nil
					}
					return made, err
				}), stocked)
				var orders int
				require.NoError(t, db.QueryRow("SELECT count(*) FROM orders").Scan(&orders))
				require.Equal(t, stocked, orders)
			})
		})
	}
}

// TestNaiveStockIsCaught: the same callers on a store that goes by what was read when it
// was read. All have read before the first one writes.
func TestNaiveStockIsCaught(t *testing.T) {
	stores := map[string]func(t *testing.T) storage.Store{"memory": func(*testing.T) storage.Store { return memory.New() }}
	for _, e := range usual() {
		stores[e.Name] = func(t *testing.T) storage.Store { return e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{}) }
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			naive := &naiveStock{Store: open(t), first: 2}
			naive.allHaveRead.Add(2)
			s := serve(naive, nil)
			given := giveAway(t, s, 2, 1, func(request coupon.IssueRequest) ([]coupon.Coupon, error) {
				return s.coupons.Issue(context.Background(), request, noon)
			})
			require.Equal(t, map[coupon.Code]int{"CARD000": 2}, given)
		})
	}
}

// naiveStock is the way a stock must not be kept: a code that was free when it was read
// is given, whoever has it by now.
type naiveStock struct {
	storage.Store
	first       int64
	takers      atomic.Int64
	allHaveRead sync.WaitGroup
	turn        sync.Mutex
}

func (s *naiveStock) Apply(ctx context.Context, b storage.Batch) error {
	takes := false
	for _, p := range b.Puts {
		takes = takes || p.Key.Kind == "code" && p.Version > 0
	}
	if !takes {
		return s.Store.Apply(ctx, b)
	}
	if s.takers.Add(1) <= s.first {
		s.allHaveRead.Done()
		s.allHaveRead.Wait()
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	for i := range b.Puts {
		p := &b.Puts[i]
		docs, _, err := s.Get(ctx, []storage.Key{p.Key})
		if err != nil {
			return err
		}
		if p.Key.Kind == "code" {
			p.Version = docs[0].Version
		}
	}
	for i := range b.Adds {
		b.Adds[i].Min, b.Adds[i].Max = math.MinInt64, math.MaxInt64
	}
	return s.Store.Apply(ctx, b)
}

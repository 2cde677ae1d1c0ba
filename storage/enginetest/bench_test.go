package enginetest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// BenchmarkApply measures batches against bare statements on the same engine.
func BenchmarkApply(b *testing.B) {
	for _, e := range Engines() {
		b.Run(e.Name, func(b *testing.B) {
			b.Run("put-add", func(b *testing.B) {
				store := e.Store(b, e.Open(b, e.DSN(b), 0), sqlstore.Options{})
				for i := 0; b.Loop(); i++ {
					require.NoError(b, store.Apply(b.Context(), claim(fmt.Sprint(i))))
				}
				b.ReportAllocs()
			})
			b.Run("redemption", func(b *testing.B) {
				store := e.Store(b, e.Open(b, e.DSN(b), 0), sqlstore.Options{})
				for i := 0; b.Loop(); i++ {
					for _, batch := range redemption(fmt.Sprint(i)) {
						require.NoError(b, store.Apply(b.Context(), batch))
					}
				}
				b.ReportAllocs()
			})
			b.Run("hot-counter", func(b *testing.B) {
				store := e.Store(b, e.Open(b, e.DSN(b), 0), sqlstore.Options{})
				b.SetParallelism(16)
				b.ReportAllocs()
				var ids atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						require.NoError(b, store.Apply(context.Background(), claim(fmt.Sprint(ids.Add(1)))))
					}
				})
			})
			b.Run("bare-update", func(b *testing.B) {
				db := e.Open(b, e.DSN(b), 0)
				_, err := db.Exec("CREATE TABLE coupons (id INTEGER PRIMARY KEY, used BIGINT NOT NULL)")
				require.NoError(b, err)
				_, err = db.Exec("INSERT INTO coupons (id, used) VALUES (1, 0)")
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					result, err := db.ExecContext(b.Context(), "UPDATE coupons SET used = used + 1 WHERE id = 1 AND used + 1 <= 1000000000")
					require.NoError(b, err)
					n, err := result.RowsAffected()
					require.NoError(b, err)
					require.EqualValues(b, 1, n)
				}
			})
		})
	}
}

// claim is the smallest redemption of a limited coupon.
func claim(id string) storage.Batch {
	return storage.Batch{
		Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: id}, Body: []byte(`{"format":1}`)}},
		Adds: []storage.Add{{Counter: "used", Delta: 1, Max: math.MaxInt64}},
	}
}

// redemption is an order with two coupons issued and then redeemed: the batches
// of a whole checkout, with bodies of a usual size.
func redemption(order string) []storage.Batch {
	body := []byte(`{"format":1,"terms":"` + strings.Repeat("x", 1200) + `"}`)
	lists := func(state string) []storage.Listing {
		return []storage.Listing{{List: "wallet/jane/" + state, Place: 1}, {List: "offer/ten", Place: 1}}
	}
	coupon := storage.Put{Key: storage.Key{Kind: "coupon", ID: order}, Lists: lists("live"), Due: 9, Body: body}
	spent := coupon
	spent.Version, spent.Lists, spent.Due = 1, lists("spent"), 0
	return []storage.Batch{
		{Puts: []storage.Put{coupon}},
		{
			Checks: []storage.Check{{Key: storage.Key{Kind: "offer", ID: "ten"}}},
			Puts: []storage.Put{
				spent,
				{Key: storage.Key{Kind: "redemption", ID: order}, Lists: lists("confirmed"), Body: body},
				{Key: storage.Key{Kind: "entry", ID: order}, Lists: lists("account"), Body: body},
			},
			Adds: []storage.Add{
				{Counter: "offer/ten", Delta: 1, Max: math.MaxInt64},
				{Counter: "budget/ten", Delta: 250, Max: math.MaxInt64},
				{Counter: "jane/" + order, Delta: 1, Max: 1},
			},
		},
	}
}

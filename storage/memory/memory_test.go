package memory_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/storetest"
)

func Example() {
	ctx := context.Background()
	store := memory.New()
	claim := storage.Add{Counter: "offer/SPRING", Delta: 1, Max: 2}
	for _, order := range []string{"A-1", "A-2", "A-3"} {
		err := store.Apply(ctx, storage.Batch{
			Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: order}, Body: []byte(`{"format":1}`)}},
			Adds: []storage.Add{claim},
		})
		fmt.Println(order, err)
	}
	page, _ := store.List(ctx, storage.Query{Kind: "redemption"})
	fmt.Println(len(page.Docs), "redemptions")
	// Output:
	// A-1 <nil>
	// A-2 <nil>
	// A-3 storage: a counter would leave its bounds: add "offer/SPRING"
	// 2 redemptions
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storage.Store { return memory.New() }, storetest.Features{Group: true})
}

func TestPruneDeletesWhatMayBeDiscarded(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	now := time.UnixMicro(1000)
	require.NoError(t, store.Apply(ctx, storage.Batch{Adds: []storage.Add{
		{Counter: "never", Delta: 1, Max: 9},
		{Counter: "before", Delta: 1, Max: 9, Until: 999},
		{Counter: "now", Delta: 1, Max: 9, Until: 1000},
		{Counter: "later", Delta: 1, Max: 9, Until: 1001},
		{Counter: "prolonged", Delta: 1, Max: 9, Until: 1},
	}}))
	require.NoError(t, store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "prolonged", Max: 9, Until: 1001}}}))

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err := store.Prune(cancelled, now)
	require.ErrorIs(t, err, context.Canceled)

	pruned, err := store.Prune(ctx, now)
	require.NoError(t, err)
	assert.Equal(t, 2, pruned)
	_, counters, err := store.Get(ctx, nil, "never", "before", "now", "later", "prolonged")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"never": 1, "before": 0, "now": 0, "later": 1, "prolonged": 1}, counters)
}

func TestReadsSeeABatchWhollyOrNotAtAll(t *testing.T) {
	store := memory.New()
	assert.Zero(t, tornReads(t, store, func(ctx context.Context, b storage.Batch, _ func()) error { return store.Apply(ctx, b) }))

	twin := memory.New()
	assert.NotZero(t, tornReads(t, twin, func(ctx context.Context, b storage.Batch, untilRead func()) error {
		for _, add := range b.Adds {
			if err := twin.Apply(ctx, storage.Batch{Adds: []storage.Add{add}}); err != nil {
				return err
			}
			untilRead()
		}
		return nil
	}))
}

// tornReads moves an amount between two counters back and forth, and counts the reads that see another.
// What applies may wait until somebody has read what is there.
func tornReads(t *testing.T, store storage.Store, apply func(_ context.Context, _ storage.Batch, untilRead func()) error) int {
	ctx, done := context.Background(), make(chan struct{})
	var reads atomic.Int64
	untilRead := func() {
		for two := reads.Load() + 2; reads.Load() < two; { // the first may have begun before
			runtime.Gosched()
		}
	}
	go func() {
		defer close(done)
		for i := range 500 {
			delta := int64(1 - i%2*2)
			assert.NoError(t, apply(ctx, storage.Batch{Adds: []storage.Add{
				{Counter: "a", Delta: delta, Min: -1, Max: 1}, {Counter: "b", Delta: -delta, Min: -1, Max: 1},
			}}, untilRead))
			untilRead()
		}
	}()
	for torn := 0; ; runtime.Gosched() {
		_, values, err := store.Get(ctx, nil, "a", "b")
		assert.NoError(t, err)
		if values["a"]+values["b"] != 0 {
			torn++
		}
		reads.Add(1)
		select {
		case <-done:
			return torn
		default:
		}
	}
}

// A long listing is cut into many runs; the suite's listings are short.
func TestLongListingsStaySorted(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	random := rand.New(rand.NewPCG(1, 2))
	type standing struct {
		place int64
		id    string
	}
	var want []standing
	for i := range 3000 {
		s := standing{random.Int64N(500) - 250, fmt.Sprintf("%04d", i)}
		want = append(want, s)
		require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{{
			Key: storage.Key{Kind: "k", ID: s.id}, Lists: []storage.Listing{{List: "l", Place: s.place}}, Body: []byte(`{}`),
		}}}))
	}
	random.Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
	for _, gone := range want[:1500] {
		require.NoError(t, store.Apply(ctx, storage.Batch{Drops: []storage.Drop{{Key: storage.Key{Kind: "k", ID: gone.id}, Version: 1}}}))
	}
	want = want[1500:]
	slices.SortFunc(want, func(a, b standing) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.id, b.id))
	})
	for _, newest := range []bool{false, true} {
		var got []standing
		for q := (storage.Query{Kind: "k", List: "l", Newest: newest, Limit: 7}); ; {
			page, err := store.List(ctx, q)
			require.NoError(t, err)
			for _, doc := range page.Docs {
				got = append(got, standing{doc.Lists[0].Place, doc.Key.ID})
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		require.Equal(t, want, got)
		slices.Reverse(want)
	}
	for _, gone := range want {
		require.NoError(t, store.Apply(ctx, storage.Batch{Drops: []storage.Drop{{Key: storage.Key{Kind: "k", ID: gone.id}, Version: 1}}}))
	}
	page, err := store.List(ctx, storage.Query{Kind: "k", List: "l"})
	require.NoError(t, err)
	assert.Empty(t, page.Docs)
}

func BenchmarkApplyPutAndAdd(b *testing.B) {
	ctx, store := context.Background(), memory.New()
	body := []byte(`{"format":1,"order":"A-1","amount":"19.99"}`)
	b.ReportAllocs()
	for i := range b.N {
		require.NoError(b, store.Apply(ctx, storage.Batch{
			Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: fmt.Sprint(i)}, Body: body}},
			Adds: []storage.Add{{Counter: "offer", Delta: 1, Max: math.MaxInt64}},
		}))
	}
}

// A redemption: its own document and the coupon's, three limits, one entry of
// the ledger, each in the lists they stand in.
func BenchmarkApplyRedemption(b *testing.B) {
	ctx, store := context.Background(), memory.New()
	body := []byte(`{"format":1,"order":"A-1","amount":"19.99"}`)
	put := func(kind, id string, lists ...storage.Listing) storage.Put {
		return storage.Put{Key: storage.Key{Kind: kind, ID: id}, Lists: lists, Body: body}
	}
	b.ReportAllocs()
	for i := range b.N {
		id, at := fmt.Sprint(i), int64(i)
		redemption := put("redemption", id, storage.Listing{List: "customer/jane", Place: at})
		redemption.Due = at + 1
		require.NoError(b, store.Apply(ctx, storage.Batch{
			Puts: []storage.Put{
				redemption,
				put("coupon", id, storage.Listing{List: "wallet/jane/used", Place: at}),
				put("entry", id, storage.Listing{List: "account/platform", Place: at}, storage.Listing{List: "account/jane", Place: at}),
			},
			Adds: []storage.Add{
				{Counter: "offer", Delta: 1, Max: math.MaxInt64},
				{Counter: "coupon/" + id, Delta: 1, Max: 1},
				{Counter: "offer/jane", Delta: 1, Max: math.MaxInt64},
			},
		}))
	}
}

func BenchmarkApplyHotCounter(b *testing.B) {
	ctx, store := context.Background(), memory.New()
	var refused atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "hot", Delta: 1, Max: math.MaxInt64}}}) != nil {
				refused.Add(1)
			}
		}
	})
	require.Zero(b, refused.Load())
}

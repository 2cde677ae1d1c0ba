package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// audited is an empty store whose books are audited when the test ends.
func audited(t testing.TB, kinds ...string) *memory.Store {
	store := memory.New()
	t.Cleanup(func() { requireSound(t, store, kinds...) })
	return store
}

func requireSound(t require.TestingT, store storage.Store, kinds ...string) {
	report, err := ledger.Audit(context.Background(), store, kinds...)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Empty(t, report.Unsettled)
}

func ExampleClaim() {
	ctx, store := context.Background(), memory.New()
	use := ledger.Claim{Counter: "offer/welcome/uses", N: 1, Max: 1}
	fmt.Println(store.Apply(ctx, storage.Batch{Adds: []storage.Add{use.Take()}}))
	fmt.Println(store.Apply(ctx, storage.Batch{Adds: []storage.Add{use.Take()}}))
	fmt.Println(store.Apply(ctx, storage.Batch{Adds: []storage.Add{use.Give()}}))
	// Output:
	// <nil>
	// storage: a counter would leave its bounds: add "offer/welcome/uses"
	// <nil>
}

func TestClaimBounds(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	apply := func(a storage.Add) error { return store.Apply(ctx, storage.Batch{Adds: []storage.Add{a}}) }
	claim := ledger.Claim{Counter: "budget", N: 500, Max: 1200}
	require.NoError(t, apply(claim.Take()))
	require.NoError(t, apply(claim.Take()))
	require.ErrorIs(t, apply(claim.Take()), storage.ErrLimit, "1,500 of 1,200")
	lowered := ledger.Claim{Counter: "budget", N: 500, Max: 100}
	require.ErrorIs(t, apply(lowered.Take()), storage.ErrLimit, "a limit lowered since")
	require.NoError(t, apply(lowered.Give()), "what was taken can be given back under any limit")
	require.NoError(t, apply(claim.Give()))
	require.ErrorIs(t, apply(claim.Give()), storage.ErrLimit, "more given back than taken")
	require.ErrorIs(t, apply(ledger.Claim{Counter: "none", N: 1}.Take()), storage.ErrLimit, "no maximum lets nothing through")
}

func TestClaimOpen(t *testing.T) {
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	monthly := ledger.Claim{Counter: "uses/2026-11", N: 1, Max: 1, Until: end.UnixMicro()}
	assert.True(t, monthly.Open(end.Add(-time.Microsecond)))
	assert.False(t, monthly.Open(end))
	assert.True(t, ledger.Claim{}.Open(end.AddDate(100, 0, 0)))
}

// race runs 32 goroutines against one store and counts those that got through.
func race(attempt func(worker int) error) int {
	var through atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for worker := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			<-start
			for range 8 {
				if attempt(worker) == nil {
					through.Add(1)
				}
			}
		}()
	}
	close(start)
	group.Wait()
	return int(through.Load())
}

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

type issueAsked struct {
	Offer string
	Count int
}

func ExampleOnce() {
	ctx, store, now := context.Background(), memory.New(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	issue := func(count int) {
		answer, err := ledger.Once(ctx, store, "7f3a", issueAsked{"welcome", count}, now, func(context.Context) (storage.Plan[string], error) {
			fmt.Println("issuing")
			return storage.Plan[string]{Answer: fmt.Sprint(count, " coupons")}, nil
		})
		fmt.Println(answer, err)
	}
	issue(3)
	issue(3)
	issue(4)
	// Output:
	// issuing
	// 3 coupons <nil>
	// 3 coupons <nil>
	//  ledger: the id was used before for something else: operation "7f3a": use a new id
}

func TestOnceDoesNotRememberRefusals(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	refusal := errors.New("the offer is paused")
	do := func(err error) (int, error) {
		return ledger.Once(ctx, store, "1", "asked", noon, func(context.Context) (storage.Plan[int], error) {
			return storage.Plan[int]{Answer: 7}, err
		})
	}
	_, err := do(refusal)
	require.ErrorIs(t, err, refusal)
	answer, err := do(nil)
	require.NoError(t, err)
	assert.Equal(t, 7, answer)
	answer, err = do(refusal)
	require.NoError(t, err, "done once, it is answered from memory")
	assert.Equal(t, 7, answer)
}

func TestOnceUnderConcurrency(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	uses := ledger.Claim{Counter: "uses", N: 1, Max: 100}
	var group sync.WaitGroup
	for i := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			answer, err := ledger.Once(ctx, store, fmt.Sprint(i%2), i%2, noon, func(context.Context) (storage.Plan[int], error) {
				return storage.Plan[int]{Batch: storage.Batch{Adds: []storage.Add{uses.Take()}}, Answer: i % 2}, nil
			})
			assert.NoError(t, err)
			assert.Equal(t, i%2, answer)
		}()
	}
	group.Wait()
	_, counters, err := store.Get(ctx, nil, "uses")
	require.NoError(t, err)
	assert.EqualValues(t, 2, counters["uses"])
}

func TestOncePlansAgainWhenRefused(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	tries := 0
	never := ledger.Claim{Counter: "uses", N: 1}
	_, err := ledger.Once(ctx, store, "1", "", noon, func(context.Context) (storage.Plan[int], error) {
		tries++
		return storage.Plan[int]{Batch: storage.Batch{Adds: []storage.Add{never.Take()}}}, nil
	})
	require.ErrorIs(t, err, storage.ErrLimit)
	assert.Equal(t, 10, tries)
}

func TestOperationsAreForgotten(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	put, err := ledger.Operation{ID: "1", Fingerprint: "f", At: noon, Answer: []byte(`{"a":1}`)}.Put()
	require.NoError(t, err)
	require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
	golden(t, "operation.json", string(put.Body)+"\n")

	docs, _, err := store.Get(ctx, []storage.Key{ledger.OperationKey("1")})
	require.NoError(t, err)
	operation, err := ledger.ReadOperation(docs[0], "f")
	require.NoError(t, err)
	assert.Equal(t, ledger.Operation{ID: "1", Fingerprint: "f", At: noon, Answer: []byte(`{"a":1}`)}, operation)
	_, err = ledger.ReadOperation(docs[0], "g")
	require.ErrorIs(t, err, ledger.ErrKeyReused)

	end := noon.AddDate(0, 0, 90)
	report, err := ledger.SweepOperations(ctx, store, ledger.SweepOptions{Now: end.Add(-time.Microsecond)})
	require.NoError(t, err)
	assert.Equal(t, ledger.Report{Next: end}, report)
	report, err = ledger.SweepOperations(ctx, store, ledger.SweepOptions{Now: end})
	require.NoError(t, err)
	assert.Equal(t, ledger.Report{Done: 1}, report)
}

func TestOperationRefuses(t *testing.T) {
	for _, o := range []ledger.Operation{{}, {ID: "1", At: noon}, {Fingerprint: "f", At: noon}, {ID: "1", Fingerprint: "f"}, {ID: "1", Fingerprint: "f", At: time.Unix(0, 0)}} {
		_, err := o.Put()
		assert.ErrorIs(t, err, ledger.ErrInvalid)
	}
	_, err := ledger.Fingerprint(func() {})
	assert.Error(t, err)
}

func TestFingerprintFollowsTheContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked := rapid.MapOf(rapid.String(), rapid.Int())
		x, y := asked.Draw(t, "x"), asked.Draw(t, "y")
		fx, err := ledger.Fingerprint(x)
		require.NoError(t, err)
		fy, err := ledger.Fingerprint(y)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(x) == fmt.Sprint(y), fx == fy)
		again, err := ledger.Fingerprint(x)
		require.NoError(t, err)
		require.Equal(t, fx, again)
	})
}

package storage_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func TestDoDecidesAgainAfterARefusal(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	var refusals []*storage.Failure
	version, err := storage.Do(ctx, store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[int64], error) {
		refusals = append(refusals, refused)
		docs, _, err := store.Get(ctx, []storage.Key{key("a")})
		if err != nil {
			return storage.Plan[int64]{}, err
		}
		read := int64(0)
		if len(docs) > 0 {
			read = docs[0].Version
		}
		if len(refusals) < 3 { // another is faster, twice
			require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put("a", read)}}))
		}
		return storage.Plan[int64]{Batch: storage.Batch{Puts: []storage.Put{put("a", read)}}, Answer: read + 1}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, int64(3), version)
	lost := &storage.Failure{Op: storage.OpPut, Key: key("a"), Err: storage.ErrConflict}
	assert.Equal(t, []*storage.Failure{nil, lost, lost}, refusals)
}

// A plan whose readings do not fit each other is made again.
func TestDoDecidesAgainAfterAJoin(t *testing.T) {
	attempts := 0
	answer, err := storage.Do(context.Background(), memory.New(), func(context.Context, *storage.Failure) (storage.Plan[int], error) {
		attempts++
		older := storage.Batch{Checks: []storage.Check{{Key: key("a"), Version: int64(1 - attempts/2)}}}
		batch, err := storage.Join(older, storage.Batch{Checks: []storage.Check{{Key: key("a")}}})
		return storage.Plan[int]{Batch: batch, Answer: attempts}, err
	})
	require.NoError(t, err)
	assert.Equal(t, 2, answer)
}

// Of a crowd that decides on one document everybody gets through. Those that ask
// again at once, twenty times, do not.
func TestDoGetsACrowdThrough(t *testing.T) {
	const callers = 200
	crowd := func(change func(storage.Store) error) (lost int64) {
		store := memory.New()
		var failed atomic.Int64
		var all sync.WaitGroup
		for range callers {
			all.Add(1)
			go func() {
				defer all.Done()
				if err := change(store); err != nil {
					assert.ErrorIs(t, err, storage.ErrConflict)
					failed.Add(1)
				}
			}()
		}
		all.Wait()
		docs, _, err := store.Get(context.Background(), []storage.Key{key("a")})
		require.NoError(t, err)
		assert.Equal(t, callers-failed.Load(), docs[0].Version)
		return failed.Load()
	}
	next := func(store storage.Store) (storage.Batch, error) {
		docs, _, err := store.Get(context.Background(), []storage.Key{key("a")})
		runtime.Gosched() // the others read too
		read := int64(0)
		if len(docs) > 0 {
			read = docs[0].Version
		}
		return storage.Batch{Puts: []storage.Put{put("a", read)}}, err
	}

	assert.Zero(t, crowd(func(store storage.Store) error {
		_, err := storage.Do(context.Background(), store, func(context.Context, *storage.Failure) (storage.Plan[int], error) {
			batch, err := next(store)
			return storage.Plan[int]{Batch: batch}, err
		})
		return err
	}))
	assert.NotZero(t, crowd(func(store storage.Store) (err error) {
		for range 20 {
			var batch storage.Batch
			if batch, err = next(store); err != nil {
				return err
			}
			if err = store.Apply(context.Background(), batch); err == nil {
				return nil
			}
		}
		return err
	}), "the naive twin gets through too: the crowd is too small")
}

func TestDoGivesUp(t *testing.T) {
	full := storage.Plan[string]{Batch: storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: 1}}}, Answer: "taken"}
	soldOut := errors.New("sold out")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx      context.Context
		plan     func(refused *storage.Failure) (storage.Plan[string], error)
		want     error
		attempts int
	}{
		"the plan refuses at once": {context.Background(), func(*storage.Failure) (storage.Plan[string], error) { return full, soldOut }, soldOut, 1},
		"the plan gives up on a limit": {context.Background(), func(refused *storage.Failure) (storage.Plan[string], error) {
			if errors.Is(refused, storage.ErrLimit) {
				return full, soldOut
			}
			return full, nil
		}, soldOut, 2},
		"refused each time": {context.Background(), func(*storage.Failure) (storage.Plan[string], error) { return full, nil }, storage.ErrLimit, 50},
		"the store fails":   {cancelled, func(*storage.Failure) (storage.Plan[string], error) { return full, nil }, context.Canceled, 1},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			answer, err := storage.Do(c.ctx, memory.New(), func(_ context.Context, refused *storage.Failure) (storage.Plan[string], error) {
				attempts++
				return c.plan(refused)
			})
			require.ErrorIs(t, err, c.want)
			assert.Empty(t, answer)
			assert.Equal(t, c.attempts, attempts)
		})
	}
}

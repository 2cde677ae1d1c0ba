package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func key(id string) storage.Key { return storage.Key{Kind: "k", ID: id} }

func put(id string, version int64) storage.Put {
	return storage.Put{Key: key(id), Version: version, Body: []byte(`{"format":1}`)}
}

// drawBatch draws a valid batch on the ids and counters given.
func drawBatch(t *rapid.T, ids, counters []string) storage.Batch {
	var b storage.Batch
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, len(ids), rapid.ID).Draw(t, "ids") {
		version := rapid.Int64Range(0, 2).Draw(t, "version")
		switch op := rapid.IntRange(0, 2).Draw(t, "op"); {
		case op == 0:
			b.Checks = append(b.Checks, storage.Check{Key: key(id), Version: version})
		case op == 1 && version > 0:
			b.Drops = append(b.Drops, storage.Drop{Key: key(id), Version: version})
		default:
			p := put(id, version)
			p.Body = []byte(fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 9).Draw(t, "n")))
			b.Puts = append(b.Puts, p)
		}
	}
	for _, c := range rapid.SliceOfNDistinct(rapid.SampledFrom(counters), 0, len(counters), rapid.ID).Draw(t, "counters") {
		b.Adds = append(b.Adds, storage.Add{
			Counter: c,
			Delta:   rapid.Int64Range(-3, 3).Draw(t, "delta"),
			Min:     rapid.Int64Range(-5, 0).Draw(t, "min"),
			Max:     rapid.Int64Range(0, 5).Draw(t, "max"),
			Until:   rapid.Int64Range(0, 3).Draw(t, "until"),
		})
	}
	return b
}

// started is a store in which every second document exists and each counter is
// at 1.
func started(t require.TestingT, ids, counters []string) *memory.Store {
	store := memory.New()
	for i, id := range ids {
		if i%2 == 0 {
			require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{put(id, 0)}}))
		}
	}
	for _, c := range counters {
		require.NoError(t, store.Apply(context.Background(), storage.Batch{Adds: []storage.Add{{Counter: c, Delta: 1, Max: 1}}}))
	}
	return store
}

func state(t require.TestingT, store storage.Store, counters []string) ([]storage.Doc, map[string]int64) {
	page, err := store.List(context.Background(), storage.Query{Kind: "k"})
	require.NoError(t, err)
	_, values, err := store.Get(context.Background(), nil, counters...)
	require.NoError(t, err)
	return page.Docs, values
}

func TestJoinOfIndependentBatchesIsBothOfThem(t *testing.T) {
	ctx := context.Background()
	ids, counters := []string{"a", "b", "c", "d", "e", "f"}, []string{"u", "v", "w", "x"}
	rapid.Check(t, func(t *rapid.T) {
		one := drawBatch(t, ids[:3], counters[:2])
		two := drawBatch(t, ids[3:], counters[2:])
		joined, err := storage.Join(one, two)
		require.NoError(t, err)
		require.Equal(t, one.Len()+two.Len(), joined.Len())

		together, apart := started(t, ids, counters), started(t, ids, counters)
		err = together.Apply(ctx, joined)
		oneErr, twoErr := apart.Apply(ctx, one), apart.Apply(ctx, two)
		require.Equal(t, oneErr == nil && twoErr == nil, err == nil)
		if err == nil {
			docs, values := state(t, together, counters)
			docsApart, valuesApart := state(t, apart, counters)
			require.Equal(t, docsApart, docs)
			require.Equal(t, valuesApart, values)
		}
	})
}

func TestJoinDoesNotDependOnOrder(t *testing.T) {
	ctx := context.Background()
	ids, counters := []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []string{"u", "v"}
	rapid.Check(t, func(t *rapid.T) {
		batches := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) storage.Batch { return drawBatch(t, ids, counters) }), 1, 3).Draw(t, "batches")
		backwards := slices.Clone(batches)
		slices.Reverse(backwards)
		forth, err := storage.Join(batches...)
		back, backErr := storage.Join(backwards...)
		if err != nil {
			require.Equal(t, errors.Is(err, storage.ErrInvalid), errors.Is(backErr, storage.ErrInvalid))
			if !errors.Is(err, storage.ErrInvalid) {
				require.ErrorIs(t, err, storage.ErrConflict)
				require.Equal(t, err, backErr)
			}
			return
		}
		require.NoError(t, backErr)
		_, err = forth.Ops()
		require.NoError(t, err, "the joined batch is valid")
		x, y := started(t, ids, counters), started(t, ids, counters)
		require.Equal(t, x.Apply(ctx, forth), y.Apply(ctx, back))
		docs, values := state(t, x, counters)
		docsBack, valuesBack := state(t, y, counters)
		require.Equal(t, docs, docsBack)
		require.Equal(t, values, valuesBack)
	})
}

func TestJoinSumsChangesWithinAllBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := drawBatch(t, []string{"a"}, []string{"c"})
		two := drawBatch(t, []string{"b"}, []string{"c"})
		joined, err := storage.Join(one, two)
		require.NoError(t, err)
		adds := append(slices.Clone(one.Adds), two.Adds...)
		if len(adds) == 0 {
			require.Empty(t, joined.Adds)
			return
		}
		require.Len(t, joined.Adds, 1)
		sum, latest, never := int64(0), int64(0), false
		for _, a := range adds {
			sum += a.Delta
			latest = max(latest, a.Until)
			never = never || a.Until == 0
		}
		if never {
			latest = 0
		}
		require.Equal(t, latest, joined.Adds[0].Until)
		for now := int64(-9); now < 10; now++ {
			want := true
			for _, a := range adds {
				want = want && a.Min <= now+sum && now+sum <= a.Max
			}
			_, allowed := joined.Adds[0].After(now)
			require.Equal(t, want, allowed, "from %d", now)
		}
	})
}

func TestJoinRefusesContradictions(t *testing.T) {
	check := func(version int64) storage.Batch {
		return storage.Batch{Checks: []storage.Check{{Key: key("a"), Version: version}}}
	}
	write := func(version int64) storage.Batch { return storage.Batch{Puts: []storage.Put{put("a", version)}} }
	drop := storage.Batch{Drops: []storage.Drop{{Key: key("a"), Version: 1}}}
	add := func(delta, low, high int64) storage.Batch {
		return storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: delta, Min: low, Max: high}}}
	}
	for name, c := range map[string]struct {
		one, two storage.Batch
		says     string
	}{
		"two puts":              {write(1), write(1), "document k/a is written twice"},
		"put and drop":          {write(1), drop, "document k/a is written twice"},
		"two drops":             {drop, drop, "document k/a is written twice"},
		"bounds exclude":        {add(1, 5, 9), add(1, 0, 4), `counter "c": its bounds exclude each other (at least 5, at most 4)`},
		"the sum leaves int64":  {add(math.MaxInt64, 0, math.MaxInt64), add(1, 0, 9), `counter "c": the sum of its changes leaves int64`},
		"the sum leaves, below": {add(math.MinInt64, math.MinInt64, 0), add(-1, -9, 9), `counter "c": the sum of its changes leaves int64`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, batches := range [][]storage.Batch{{c.one, c.two}, {c.two, c.one}} {
				_, err := storage.Join(batches...)
				require.ErrorIs(t, err, storage.ErrInvalid)
				assert.ErrorContains(t, err, c.says)
			}
		})
	}

	t.Run("all at once", func(t *testing.T) {
		one, two := write(1), write(2)
		one.Adds, two.Adds = add(1, 5, 9).Adds, add(1, 0, 4).Adds
		_, err := storage.Join(one, two, check(3))
		require.ErrorIs(t, err, storage.ErrInvalid)
		assert.ErrorContains(t, err, "written twice")
		assert.ErrorContains(t, err, "exclude each other")
	})
}

// A document that changed between the readings of two plans asks for them to be
// made again.
func TestJoinReportsWhatMoved(t *testing.T) {
	check := func(version int64) storage.Batch {
		return storage.Batch{Checks: []storage.Check{{Key: key("a"), Version: version}}}
	}
	write := storage.Batch{Puts: []storage.Put{put("a", 1)}}
	for _, batches := range [][]storage.Batch{{check(2), write}, {write, check(2)}, {check(1), check(2)}, {check(0), check(1)}} {
		joined, err := storage.Join(batches...)
		require.Equal(t, &storage.Failure{Op: storage.OpCheck, Key: key("a"), Err: storage.ErrConflict}, err)
		require.Empty(t, joined)
	}
}

func TestJoinDropsWhatAWriteChecks(t *testing.T) {
	check := storage.Batch{Checks: []storage.Check{{Key: key("a"), Version: 1}}}
	write := storage.Batch{Puts: []storage.Put{put("a", 1)}}
	for _, batches := range [][]storage.Batch{{check, write}, {write, check}, {check, write, check}} {
		joined, err := storage.Join(batches...)
		require.NoError(t, err)
		assert.Equal(t, write, joined)
	}
	joined, err := storage.Join(check, check)
	require.NoError(t, err)
	assert.Equal(t, check, joined)
	joined, err = storage.Join()
	require.NoError(t, err)
	assert.True(t, joined.Empty())
}

func TestJoinLeavesItsArguments(t *testing.T) {
	one := storage.Batch{Adds: make([]storage.Add, 1, 8)}
	one.Adds[0] = storage.Add{Counter: "c", Delta: 1, Max: 5}
	_, err := storage.Join(one, one, storage.Batch{Adds: []storage.Add{{Counter: "d", Max: 1}}})
	require.NoError(t, err)
	assert.Equal(t, storage.Add{Counter: "c", Delta: 1, Max: 5}, one.Adds[0])
	assert.Equal(t, storage.Add{}, one.Adds[:2][1])
}

// TestJoinOfManyIsAsOfFew joins batches beside one so large that what was joined before is
// looked up in another way.
func TestJoinOfManyIsAsOfFew(t *testing.T) {
	var large storage.Batch
	for i := range 40 {
		large.Checks = append(large.Checks, storage.Check{Key: key(fmt.Sprint("large-", i))})
		large.Adds = append(large.Adds, storage.Add{Counter: fmt.Sprint("large-", i), Max: 9})
	}
	rapid.Check(t, func(t *rapid.T) {
		batches := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) storage.Batch {
			return drawBatch(t, []string{"a", "b", "c"}, []string{"x", "y"})
		}), 1, 3).Draw(t, "batches")
		few, fewErr := storage.Join(batches...)
		many, manyErr := storage.Join(append(batches, large)...)
		require.Equal(t, fewErr, manyErr)
		if fewErr == nil {
			require.Equal(t, append(few.Checks, large.Checks...), many.Checks)
			require.Equal(t, append(few.Adds, large.Adds...), many.Adds)
			require.Equal(t, few.Puts, many.Puts)
			require.Equal(t, few.Drops, many.Drops)
		}
	})
}

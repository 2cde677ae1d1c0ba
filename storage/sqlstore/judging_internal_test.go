package sqlstore

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// TestAssumingIsJudging: what a group comes to that was assumed to hold is to be written
// exactly when judging it on what is there refuses nothing, and then it is the same.
func TestAssumingIsJudging(t *testing.T) {
	refused, held := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		found := newStanding(3, 2)
		for i := range 3 {
			key := storage.Key{Kind: "d", ID: fmt.Sprint(i)}
			if version := rapid.Int64Range(0, 2).Draw(t, "version"); version > 0 {
				found.docs[key] = storage.Doc{Key: key, Version: version, Lists: []storage.Listing{{List: "before", Place: version}}}
			}
		}
		for _, name := range []string{"a", "b"} {
			if rapid.Bool().Draw(t, "exists") {
				found.counters[name] = rapid.OneOf(rapid.Int64Range(-3, 3), edgy()).Draw(t, "value")
			}
		}
		likely := make(map[storage.Key]int64) // so that batches hold more often than by chance
		for key, doc := range found.docs {
			likely[key] = doc.Version
		}
		var each [][]storage.Op
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			each = append(each, drawnOps(t, likely))
		}

		judged := judgeEach(found, nil, each)
		changed := newStanding(0, 0)
		for _, key := range toChange(each) {
			if doc, there := found.docs[key]; there {
				changed.docs[key] = doc
			}
		}
		assumed, possible := assumeEach(changed, each)
		if !possible {
			return
		}
		require.False(t, assumed.refuses())
		w := assumed.writes()
		require.Equal(t, !judged.refuses(), asExpected(found, w), "whether it is written")
		if judged.refuses() {
			refused++
			return
		}
		held++
		want := judged.writes()
		for i, docs := range [][]*groupDoc{want.made, want.changed, want.dropped} {
			got := [][]*groupDoc{w.made, w.changed, w.dropped}[i]
			require.Len(t, got, len(docs))
			for n := range docs {
				require.Equal(t, docs[n].key, got[n].key)
				require.Equal(t, docs[n].now, got[n].now)
				require.Same(t, docs[n].put, got[n].put)
			}
		}
		require.Equal(t, want.moves, w.moves)
		require.Len(t, w.counted, len(want.counted))
		for n, c := range want.counted {
			require.Equal(t, c.name, w.counted[n].name)
			require.Equal(t, c.until, w.counted[n].until)
			require.Equal(t, c.now-c.before, w.counted[n].now-w.counted[n].before)
		}
	})
	require.NotZero(t, refused)
	require.NotZero(t, held)
}

func TestAssumingNeedsNoSumBeyondInt64(t *testing.T) {
	add := func(delta int64) []storage.Op {
		b := storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: delta, Min: math.MinInt64, Max: math.MaxInt64}}}
		ops, err := b.Ops()
		require.NoError(t, err)
		return ops
	}
	for _, delta := range []int64{math.MaxInt64, math.MinInt64} {
		_, ok := assumeEach(newStanding(0, 0), [][]storage.Op{add(delta), add(delta)})
		require.False(t, ok)
	}
}

// drawnOps are those of a batch. What it writes is likely from then on.
func drawnOps(t *rapid.T, likely map[storage.Key]int64) []storage.Op {
	var b storage.Batch
	for i := range 3 {
		key := storage.Key{Kind: "d", ID: fmt.Sprint(i)}
		version := likely[key]
		if rapid.IntRange(0, 9).Draw(t, "otherwise") == 0 {
			version = rapid.Int64Range(0, 3).Draw(t, "version")
		}
		switch op := rapid.IntRange(0, 5).Draw(t, "op"); {
		case op == 0:
			b.Checks = append(b.Checks, storage.Check{Key: key, Version: version})
		case op == 1:
			b.Puts = append(b.Puts, storage.Put{Key: key, Version: version, Body: []byte(`{}`), Lists: []storage.Listing{{List: "l", Place: version}}})
			likely[key] = version + 1
		case op == 2 && version > 0:
			b.Drops = append(b.Drops, storage.Drop{Key: key, Version: version})
			likely[key] = 0
		}
	}
	for _, name := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, "counts") {
			bound := rapid.OneOf(rapid.Int64Range(-9, 9), edgy())
			x, y := bound.Draw(t, "x"), bound.Draw(t, "y")
			b.Adds = append(b.Adds, storage.Add{
				Counter: name, Min: min(x, y), Max: max(x, y), Until: rapid.Int64Range(0, 1).Draw(t, "until"),
				Delta: rapid.OneOf(rapid.Int64Range(-2, 2), edgy()).Draw(t, "delta"),
			})
		}
	}
	ops, err := b.Ops()
	require.NoError(t, err)
	return ops
}

// asExpected is what the database judges before it writes.
func asExpected(found standing, w writes) bool {
	for _, docs := range [][]*groupDoc{w.checked, w.made, w.changed, w.dropped} {
		for _, d := range docs {
			if found.docs[d.key].Version != d.before.Version {
				return false
			}
		}
	}
	for _, c := range w.counted {
		if value := found.counters[c.name]; value < c.low || value > c.high {
			return false
		}
	}
	return true
}

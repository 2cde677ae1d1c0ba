package sqlstore

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// edgy draws int64 values, most of them near what arithmetic may leave.
func edgy() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3),
		rapid.Int64Range(math.MaxInt64-3, math.MaxInt64), rapid.Int64Range(math.MinInt64, math.MinInt64+3))
}

func TestRoomAllowsWhatTheContractAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := storage.Add{Delta: edgy().Draw(t, "delta"), Min: edgy().Draw(t, "min"), Max: edgy().Draw(t, "max")}
		a.Min, a.Max = min(a.Min, a.Max), max(a.Min, a.Max)
		low, high, possible := room(a)
		values := []int64{edgy().Draw(t, "value"), 0}
		if possible {
			values = append(values, low, high, max(low, math.MinInt64+1)-1, min(high, math.MaxInt64-1)+1)
		}
		for _, value := range values {
			_, allowed := a.After(value)
			require.Equal(t, allowed, possible && low <= value && value <= high,
				"%+v from %d: room %d..%d, %t", a, value, low, high, possible)
		}
	})
}

func TestGroupsAtOnce(t *testing.T) {
	for dialect, want := range map[Dialect]int{PostgreSQL: 2, MySQL: 1, SQLite: 1} {
		engine, err := dialect.engine()
		require.NoError(t, err)
		require.Equal(t, want, (&Store{engine: engine}).GroupsAtOnce(), dialect)
	}
}

func TestListsSurvivePacking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.MapOfN(rapid.StringN(1, -1, storage.MaxList), edgy(), 0, storage.MaxLists).Draw(t, "lists")
		var lists []storage.Listing
		for list, place := range places {
			lists = append(lists, storage.Listing{List: list, Place: place})
		}
		packed, err := pack(lists)
		require.NoError(t, err)
		if len(places) > 0 {
			object, err := json.Marshal(places)
			require.NoError(t, err)
			require.Equal(t, string(object), packed)
		}
		back, err := unpack(packed)
		require.NoError(t, err)
		require.ElementsMatch(t, lists, back)
		require.IsNonDecreasing(t, names(back))
	})
}

func names(lists []storage.Listing) []string {
	names := make([]string, len(lists))
	for i, l := range lists {
		names[i] = l.List
	}
	return names
}

func TestNumber(t *testing.T) {
	require.Equal(t, "a = $1 AND b IN ($2, $3)", number("a = ? AND b IN (?, ?)", 3))
	require.Equal(t, "kind = 'what?'", number("kind = 'what?'", 0))
}

func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{"", `{"l":5}`, `{"l":1e3}`, `{"l":9223372036854775808}`, "[]", "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, packed string) {
		lists, err := unpack(packed)
		if err != nil {
			return
		}
		again, err := pack(lists)
		require.NoError(t, err)
		back, err := unpack(again)
		require.NoError(t, err)
		require.ElementsMatch(t, lists, back)
	})
}

func TestPending(t *testing.T) {
	one, two := migration{version: 1, checksum: "a"}, migration{version: 2, checksum: "b"}
	shipped := []migration{one, two}
	for name, c := range map[string]struct {
		applied map[int]string
		want    []migration
		err     error
	}{
		"a new database":      {nil, shipped, nil},
		"one release behind":  {map[int]string{1: "a"}, []migration{two}, nil},
		"up to date":          {map[int]string{1: "a", 2: "b"}, nil, nil},
		"migrated by a newer": {map[int]string{1: "a", 2: "b", 3: "c"}, nil, ErrNewerSchema},
		"changed":             {map[int]string{1: "x"}, nil, ErrChangedMigration},
	} {
		got, err := pending(shipped, c.applied)
		require.ErrorIs(t, err, c.err, name)
		require.Equal(t, c.want, got, name)
	}
}

// TestJudgingIsTheSameInItsRange: from every value of a counter between the bounds
// that a group gives for it, the verdicts are the same and so is the change.
func TestJudgingIsTheSameInItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edges := rapid.Bool().Draw(t, "edges")
		draw := func(name string) int64 {
			if edges {
				return edgy().Draw(t, name)
			}
			return rapid.Int64Range(-6, 6).Draw(t, name)
		}
		var each [][]storage.Op
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			a := storage.Add{Counter: "c", Delta: draw("delta"), Min: draw("min"), Max: draw("max")}
			a.Min, a.Max = min(a.Min, a.Max), max(a.Min, a.Max)
			each = append(each, []storage.Op{{Add: &a}})
		}
		judged := func(value int64) *group {
			found := newStanding(0, 1)
			found.counters["c"] = value
			return judgeEach(found, nil, each)
		}
		value := draw("value")
		g := judged(value)
		c := g.counters["c"]
		require.LessOrEqual(t, c.low, value)
		require.GreaterOrEqual(t, c.high, value)
		verdicts := func(g *group) (held []bool) {
			for _, refused := range g.refused {
				held = append(held, refused == nil)
			}
			return held
		}
		other := draw("other")
		for _, other := range []int64{other, c.low, c.high, c.low + 1, c.high - 1} {
			if other < c.low || other > c.high {
				continue
			}
			again := judged(other)
			require.Equal(t, verdicts(g), verdicts(again), "from %d and from %d", value, other)
			require.Equal(t, c.now-c.before, again.counters["c"].now-other)
		}
	})
}

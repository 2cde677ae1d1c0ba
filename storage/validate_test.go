package storage_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

func TestOpsListsEveryFault(t *testing.T) {
	b := storage.Batch{
		Checks: []storage.Check{{Key: storage.Key{ID: "no kind"}, Version: -1}},
		Puts: []storage.Put{
			{Key: key("\xff"), Version: -2, Due: -3, Body: []byte(`[]`)},
			{Key: key("lists"), Lists: []storage.Listing{{List: "l"}, {List: ""}, {List: "l"}}, Body: []byte(`{"a":"\u0000"}`)},
			{Key: key("many"), Lists: make([]storage.Listing, 9), Body: []byte(`{"a":"` + strings.Repeat("x", storage.MaxBody) + `"}`)},
		},
		Drops: []storage.Drop{{Key: storage.Key{Kind: strings.Repeat("k", 64)}}},
		Adds:  []storage.Add{{Counter: "c\x00", Min: 2, Max: 1, Until: -1}},
	}
	_, err := b.Ops()
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{
		"document /no kind has an empty kind",
		"check /no kind: version -1 is negative",
		`id "\xff" is not UTF-8 without NUL`,
		"version -2 is negative",
		"due -3 is negative",
		"its body is not a JSON object in UTF-8",
		"put k/lists: a list has no name",
		`put k/lists: stands in list "l" twice`,
		"put k/lists: its body has an escaped NUL",
		"put k/many: stands in 9 lists, at most 8 are allowed",
		"put k/many: its body has 4194312 bytes, at most 4194304 are allowed",
		"has 64 bytes, at most 63 are allowed",
		"version 0, but only an existing document can be dropped",
		`counter "c\x00" is not UTF-8 without NUL`,
		"its minimum 2 lies above its maximum 1",
		"until -1 is negative",
	} {
		assert.ErrorContains(t, err, fault)
	}

	b = storage.Batch{
		Checks: []storage.Check{{Key: key("a")}, {Key: key("b")}},
		Puts:   []storage.Put{put("b", 0), put("a", 0)},
		Adds:   []storage.Add{{Counter: "c"}, {Counter: "c"}},
	}
	_, err = b.Ops()
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{"document k/a occurs twice", "document k/b occurs twice", `counter "c" occurs twice`} {
		assert.ErrorContains(t, err, fault)
	}
	_, err = (&storage.Batch{Adds: make([]storage.Add, storage.MaxOps+1)}).Ops()
	assert.ErrorContains(t, err, "1001 operations, at most 1000 are allowed")
}

func TestOpsAreInLockOrder(t *testing.T) {
	ids := rapid.SampledFrom([]string{"", "a", "A", "a ", "b", "é"})
	rapid.Check(t, func(t *rapid.T) {
		var b storage.Batch
		for _, k := range rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) storage.Key {
			return storage.Key{Kind: rapid.SampledFrom([]string{"k", "K", "k "}).Draw(t, "kind"), ID: ids.Draw(t, "id")}
		}), rapid.ID).Draw(t, "keys") {
			switch rapid.IntRange(0, 2).Draw(t, "op") {
			case 0:
				b.Checks = append(b.Checks, storage.Check{Key: k})
			case 1:
				b.Puts = append(b.Puts, storage.Put{Key: k, Body: []byte(`{}`)})
			default:
				b.Drops = append(b.Drops, storage.Drop{Key: k, Version: 1})
			}
		}
		for _, name := range rapid.SliceOfDistinct(ids, rapid.ID).Draw(t, "counters") {
			b.Adds = append(b.Adds, storage.Add{Counter: name})
		}
		ops, err := b.Ops()
		require.NoError(t, err)
		require.Len(t, ops, b.Len())
		require.True(t, slices.IsSortedFunc(ops, func(x, y storage.Op) int {
			switch {
			case x.Add != nil && y.Add != nil:
				return strings.Compare(x.Add.Counter, y.Add.Counter)
			case x.Add != nil:
				return 1
			case y.Add != nil:
				return -1
			}
			return x.Key().Compare(y.Key())
		}))
	})
}

func TestOpFailureNamesTheOperation(t *testing.T) {
	b := storage.Batch{
		Checks: []storage.Check{{Key: key("a"), Version: 1}},
		Puts:   []storage.Put{put("b", 2)},
		Drops:  []storage.Drop{{Key: key("c"), Version: 3}},
		Adds:   []storage.Add{{Counter: "d"}},
	}
	ops, err := b.Ops()
	require.NoError(t, err)
	var messages []string
	for i, op := range ops {
		failure := op.Failure()
		messages = append(messages, failure.Error())
		assert.Equal(t, i == 3, errors.Is(failure, storage.ErrLimit))
		assert.Equal(t, i < 3, errors.Is(failure, storage.ErrConflict))
		assert.Equal(t, int64(i+1)%4, op.Version())
	}
	assert.Equal(t, []string{
		"storage: a document has changed since it was read: check k/a",
		"storage: a document has changed since it was read: put k/b",
		"storage: a document has changed since it was read: drop k/c",
		`storage: a counter would leave its bounds: add "d"`,
	}, messages)
}

func TestBodiesThatEveryEngineCanShow(t *testing.T) {
	for body, shown := range map[string]bool{
		`{"a":"\u0001"}`:             true,
		`{"a":"\u0000"}`:             false,
		`{"a":"x\u0000y"}`:           false,
		`{"\u0000":1}`:               false,
		`{"a":"\\u0000"}`:            true,
		`{"a":"\\\u0000"}`:           false,
		`{"a":"\\\\u0000"}`:          true,
		`{"a":"\ud83d\ude00"}`:       true,
		`{"a":"\uD83D\uDE00\u0000"}`: false,
		`{"a":"\ud83d"}`:             false,
		`{"a":"\ud83d\\ude00"}`:      false,
		`{"a":"\ud83dx\ude00"}`:      false,
		`{"a":"\ude00\ud83d"}`:       false,
		`{"a":"\ud83d\ud83d\ude00"}`: false,
		`{"a":"😀 \" \/ \n"}`:         true,
	} {
		p := put("a", 0)
		p.Body = []byte(body)
		_, err := (&storage.Batch{Puts: []storage.Put{p}}).Ops()
		assert.Equal(t, shown, err == nil, "%s: %v", body, err)
	}
}

func TestAddAfterStaysWithinBounds(t *testing.T) {
	any64 := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64}))
	rapid.Check(t, func(t *rapid.T) {
		a := storage.Add{Delta: any64.Draw(t, "delta"), Min: any64.Draw(t, "min"), Max: any64.Draw(t, "max")}
		now := any64.Draw(t, "now")
		after, allowed := a.After(now)
		if !allowed {
			require.Equal(t, now, after)
			return
		}
		require.True(t, a.Min <= after && after <= a.Max)
		require.Equal(t, a.Delta >= 0, after >= now, "it did not wrap")
		require.Equal(t, a.Delta, after-now)
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "0:", "-5:a:b", "+1:a", "01:a", "9223372036854775808:a", "x", ":", "1:\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cursor := storage.Cursor(text)
		place, id, err := cursor.Position()
		if err == nil && storage.CursorAt(place, id) != cursor {
			t.Fatalf("%q was read as %d, %q, which makes another cursor", text, place, id)
		}
		if err != nil && !errors.Is(err, storage.ErrInvalid) {
			t.Fatalf("%q: %v", text, err)
		}
		_, queryErr := storage.Query{Kind: "k", After: cursor}.Validate()
		valid := text == "" || err == nil && len(id) <= storage.MaxID && utf8.ValidString(id) && !strings.Contains(id, "\x00")
		if valid != (queryErr == nil) {
			t.Fatalf("%q: %v", text, queryErr)
		}
	})
}

func TestCursorIsTheWayBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place, id := rapid.Int64().Draw(t, "place"), rapid.String().Draw(t, "id")
		gotPlace, gotID, err := storage.CursorAt(place, id).Position()
		require.NoError(t, err)
		require.Equal(t, place, gotPlace)
		require.Equal(t, id, gotID)
	})
}

func TestQueryValidate(t *testing.T) {
	q, err := storage.Query{Kind: "k"}.Validate()
	require.NoError(t, err)
	assert.Equal(t, storage.PageSize, q.Limit)

	_, err = storage.Query{List: "l\xff", DueBefore: -1, Limit: -1, After: "?"}.Validate()
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{"the kind is empty", "is not UTF-8", "ask for one of them", "due before -1", "the cursor \"?\"", "limit -1 is not in 0..1000"} {
		assert.ErrorContains(t, err, fault)
	}
}

func TestValidateGet(t *testing.T) {
	require.NoError(t, storage.ValidateGet(nil, nil))
	require.NoError(t, storage.ValidateGet([]storage.Key{key("a"), key("")}, []string{"a", ""}))
	err := storage.ValidateGet([]storage.Key{key("a"), key("a"), {}}, append(make([]string, storage.MaxGet), "\xff"))
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{"1004 keys and counters", "document k/a occurs twice", "document / has an empty kind", `counter "" occurs twice`, `counter "\xff" is not UTF-8`} {
		assert.ErrorContains(t, err, fault)
	}
}

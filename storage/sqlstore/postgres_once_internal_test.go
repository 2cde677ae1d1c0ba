package sqlstore

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// makingBatch draws a batch that makes documents and counts. Its keys, values and bodies
// differ with the salt, and nothing else does.
func makingBatch(t *rapid.T, salt string) func(salt string) storage.Batch {
	kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 6).Draw(t, "kinds"+salt)
	lists := rapid.SliceOfN(rapid.IntRange(0, 3), len(kinds), len(kinds)).Draw(t, "lists"+salt)
	fresh := rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(t, "fresh"+salt)
	return func(salt string) storage.Batch {
		var b storage.Batch
		for i, kind := range kinds {
			key := storage.Key{Kind: kind, ID: fmt.Sprint(i, salt)}
			if lists[i] == 0 {
				b.Checks = append(b.Checks, storage.Check{Key: key, Version: int64(len(salt))})
				continue
			}
			p := storage.Put{Key: key, Body: []byte(`{"salt":"` + salt + `"}`)}
			for n := range lists[i] - 1 {
				p.Lists = append(p.Lists, storage.Listing{List: fmt.Sprint(n), Place: int64(len(salt))})
			}
			b.Puts = append(b.Puts, p)
		}
		for i, fresh := range fresh {
			a := storage.Add{Counter: fmt.Sprint(i, salt), Delta: 1, Min: 2, Max: 9}
			if fresh {
				a.Min = 0
			}
			b.Adds = append(b.Adds, a)
		}
		return b
	}
}

// TestFormsNumberTheirArguments: the text has a place for each argument, and is the same
// for batches that differ in nothing that it says.
func TestFormsNumberTheirArguments(t *testing.T) {
	formed := func(t *rapid.T, b storage.Batch) form {
		ops, err := b.Ops()
		require.NoError(t, err)
		f, err := formOf(ops)
		require.NoError(t, err)
		return f
	}
	placeholder := regexp.MustCompile(`\$(\d+)::`)
	rapid.Check(t, func(t *rapid.T) {
		batch := makingBatch(t, "")
		f, other := formed(t, batch("x")), formed(t, batch("other"))
		var kept statements
		text := kept.of(f, newTables("shop_"))
		require.Equal(t, text, kept.of(other, newTables("shop_")))
		require.Len(t, kept.texts, 1)
		require.Equal(t, text, other.statement(newTables("shop_")))

		places := make(map[int]bool)
		for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
			n, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			places[n] = true
		}
		require.Len(t, places, len(f.args))
		require.Equal(t, len(f.args), slices.Max(append(slices.Collect(maps.Keys(places)), 0)))

		another := formed(t, makingBatch(t, "another")("x"))
		require.Equal(t, string(f.ops) == string(another.ops), text == another.statement(newTables("shop_")))
	})
}

// TestStatementsAreBounded: a program with more forms than are kept has its statements
// written anew, and nothing else.
func TestStatementsAreBounded(t *testing.T) {
	var kept statements
	for n := range maxStatements + 10 {
		f := form{ops: slices.Repeat([]byte{addToAny}, n+1)}
		require.Equal(t, f.statement(newTables("t_")), kept.of(f, newTables("t_")))
	}
	require.Len(t, kept.texts, maxStatements)
}

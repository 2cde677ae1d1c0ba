package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

func sorted(ids []string) []string { return slices.Sorted(slices.Values(ids)) }

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

// placed creates a document that stands in one list.
func (f *fixture) placed(id, list string, place int64) {
	f.Helper()
	p := put(key(id), 0)
	p.Lists = []storage.Listing{{List: list, Place: place}}
	f.apply(puts(p))
}

func lists(f *fixture) {
	for _, d := range []struct {
		id    string
		place int64
	}{{"e", 5}, {"b", -3}, {"a", 7}, {"c", 5}, {"B", 5}, {"zero", 0}, {"low", math.MinInt64}, {"d", 5}, {"high", math.MaxInt64}, {"minus", -1}} {
		f.placed(d.id, "l", d.place)
	}
	f.placed("other", "m", 5)
	elsewhere := put(storage.Key{Kind: "elsewhere", ID: "x"}, 0)
	elsewhere.Lists = []storage.Listing{{List: "l", Place: 5}}
	f.apply(puts(elsewhere))

	all := []string{"low", "b", "minus", "zero", "B", "c", "d", "e", "a", "high"}
	for _, size := range []int{0, 1, 2, 3, 9, 10, 11} {
		f.listed(storage.Query{Kind: "doc", List: "l", Limit: size}, all...)
		f.listed(storage.Query{Kind: "doc", List: "l", Limit: size, Newest: true}, reversed(all)...)
		for _, bounds := range []struct {
			from, until int64
			want        []string
		}{
			{5, 0, []string{"B", "c", "d", "e", "a", "high"}},
			{0, 5, []string{"low", "b", "minus", "zero"}}, // 0 is no bound
			{5, 7, []string{"B", "c", "d", "e"}},
			{5, 6, []string{"B", "c", "d", "e"}},
			{5, 5, nil},
			{7, 5, nil},
			{-3, 0, []string{"b", "minus", "zero", "B", "c", "d", "e", "a", "high"}},
			{-3, -1, []string{"b"}},
			{-1, 1, []string{"minus", "zero"}},
			{math.MinInt64, math.MaxInt64, all[:len(all)-1]},
			{math.MaxInt64, 0, []string{"high"}},
		} {
			q := storage.Query{Kind: "doc", List: "l", From: bounds.from, Until: bounds.until, Limit: size}
			f.listed(q, bounds.want...)
			q.Newest = true
			f.listed(q, reversed(bounds.want)...)
		}
	}
	f.listed(storage.Query{Kind: "doc", List: "none"})
	f.listed(storage.Query{Kind: "none", List: "l"})
}

// listsChange: a Put stands the document in exactly the lists that it gives.
func listsChange(f *fixture) {
	moves := []struct {
		lists []storage.Listing
		due   int64
	}{
		{[]storage.Listing{{List: "b", Place: 2}, {List: "a", Place: 1}}, 5},
		{[]storage.Listing{{List: "b", Place: 2}, {List: "a", Place: 9}}, 6},                         // one moves
		{[]storage.Listing{{List: "c", Place: 3}, {List: "b", Place: 2}}, 6},                         // one leaves, one comes
		{[]storage.Listing{{List: "C", Place: 3}, {List: "c", Place: 3}, {List: "b", Place: -2}}, 0}, // two that differ in case
		{nil, 7},
		{[]storage.Listing{{List: "8"}, {List: "7"}, {List: "6"}, {List: "5"}, {List: "4"}, {List: "3"}, {List: "2"}, {List: "1"}}, 7},
		{[]storage.Listing{{List: "a", Place: 1}}, 0},
	}
	names := []string{"a", "b", "c", "C", "1", "2", "3", "4", "5", "6", "7", "8"}
	f.placed("still", "a", 100)
	for version, move := range moves {
		p := put(key("moving"), int64(version))
		p.Lists, p.Due = move.lists, move.due
		f.apply(puts(p))

		want := storage.Doc(p)
		want.Version++
		want.Lists = slices.SortedFunc(slices.Values(move.lists), func(a, b storage.Listing) int { return strings.Compare(a.List, b.List) })
		equalDocs(f, []storage.Doc{want}, []storage.Doc{f.doc(key("moving"))})
		equalDocs(f, []storage.Doc{want, f.doc(key("still"))}, f.list(storage.Query{Kind: "doc"}))

		in := map[string][]string{"a": {"still"}}
		for _, l := range move.lists {
			in[l.List] = append([]string{"moving"}, in[l.List]...)
			f.listed(storage.Query{Kind: "doc", List: l.List, Until: 50}, "moving")
		}
		for _, name := range names {
			f.listed(storage.Query{Kind: "doc", List: name}, in[name]...)
		}
		if move.due == 0 {
			f.listed(storage.Query{Kind: "doc", DueBefore: math.MaxInt64})
		} else {
			f.listed(storage.Query{Kind: "doc", DueBefore: move.due})
			f.listed(storage.Query{Kind: "doc", DueBefore: move.due + 1}, "moving")
		}
	}
}

func due(f *fixture) {
	for id, instant := range map[string]int64{"never": 0, "a": 5, "b": 5, "B": 5, "first": 1, "late": 9, "last": math.MaxInt64} {
		p := put(key(id), 0)
		p.Due = instant
		f.apply(puts(p))
	}
	elsewhere := put(storage.Key{Kind: "elsewhere", ID: "x"}, 0)
	elsewhere.Due = 1
	f.apply(puts(elsewhere))
	for _, size := range []int{0, 1, 2, 3} {
		for before, want := range map[int64][]string{
			1:             nil,
			2:             {"first"},
			5:             {"first"},
			6:             {"first", "B", "a", "b"},
			9:             {"first", "B", "a", "b"},
			math.MaxInt64: {"first", "B", "a", "b", "late"},
		} {
			f.listed(storage.Query{Kind: "doc", DueBefore: before, Limit: size}, want...)
			f.listed(storage.Query{Kind: "doc", DueBefore: before, Limit: size, Newest: true}, reversed(want)...)
		}
	}
	moved := put(key("first"), 1)
	moved.Due = 6
	f.apply(puts(moved, put(key("a"), 1)))
	f.listed(storage.Query{Kind: "doc", DueBefore: 9}, "B", "b", "first")
}

func wholeKinds(f *fixture) {
	ids := []string{"b", "", "a", "B", "ä", "10", "9", "a b"}
	for _, id := range ids {
		f.placed(id, "l", int64(len(id)))
		f.apply(puts(put(storage.Key{Kind: "other", ID: "other " + id}, 0)))
	}
	for _, size := range []int{0, 1, 7, 8} {
		f.listed(storage.Query{Kind: "doc", Limit: size}, sorted(ids)...)
		f.listed(storage.Query{Kind: "doc", Limit: size, Newest: true}, reversed(sorted(ids))...)
	}
	f.listed(storage.Query{Kind: "do"})
	f.listed(storage.Query{Kind: "doc2"})
}

// pages: the default size, the greatest, and no cursor after the last document.
func pages(f *fixture) {
	ctx := context.Background()
	var b storage.Batch
	for i := range storage.PageSize + 1 {
		p := put(key(fmt.Sprintf("%04d", i)), 0)
		p.Lists, p.Due = []storage.Listing{{List: "l", Place: 1}}, 1
		b.Puts = append(b.Puts, p)
	}
	f.apply(b)
	for _, q := range []storage.Query{{Kind: "doc"}, {Kind: "doc", List: "l"}, {Kind: "doc", DueBefore: 2}} {
		for _, newest := range []bool{false, true} {
			q.Newest = newest
			for _, c := range []struct{ limit, first, second int }{
				{0, storage.PageSize, 1},
				{storage.PageSize, storage.PageSize, 1},
				{storage.PageSize + 1, storage.PageSize + 1, 0},
				{storage.MaxPage, storage.PageSize + 1, 0},
			} {
				q.Limit, q.After = c.limit, ""
				page, err := f.List(ctx, q)
				require.NoError(f, err)
				require.Len(f, page.Docs, c.first, "%+v", q)
				require.Equal(f, c.second > 0, page.Next != "", "the cursor after %+v: %q", q, page.Next)
				if c.second > 0 {
					q.After = page.Next
					page, err = f.List(ctx, q)
					require.NoError(f, err)
					require.Len(f, page.Docs, c.second)
					require.Empty(f, page.Next)
				}
			}
		}
	}
	page, err := f.List(ctx, storage.Query{Kind: "none"})
	require.NoError(f, err)
	require.Empty(f, page.Next)
}

// pagingUnderChange: documents come and go before, at and behind the cursor, and
// all others are seen exactly once.
func pagingUnderChange(f *fixture) {
	for _, order := range []storage.Query{{List: "l"}, {List: "l", Newest: true}, {DueBefore: 1000}, {DueBefore: 1000, Newest: true}, {}, {Newest: true}} {
		kind := fmt.Sprintf("%s-%d-%t", order.List, order.DueBefore, order.Newest)
		order.Kind, order.Limit = kind, 5
		write := func(id string, place int64) {
			p := put(storage.Key{Kind: kind, ID: id}, 0)
			p.Lists, p.Due = []storage.Listing{{List: "l", Place: place}}, place
			f.apply(puts(p))
		}
		drop := func(id string) {
			f.apply(storage.Batch{Drops: []storage.Drop{{Key: storage.Key{Kind: kind, ID: id}, Version: 1}}})
		}
		var stay []string
		for i := range 30 { // three to a place
			write(fmt.Sprintf("%02d stays", i), int64(10+i/3))
			stay = append(stay, fmt.Sprintf("%02d stays", i))
		}
		if order.Newest {
			slices.Reverse(stay)
		}
		var seen []string
		for round := 0; ; round++ {
			require.Less(f, round, 100, "paging does not end")
			page, err := f.List(context.Background(), order)
			require.NoError(f, err)
			for _, doc := range page.Docs {
				seen = append(seen, doc.Key.ID)
			}
			if order.After = page.Next; page.Next == "" {
				break
			}
			last := page.Docs[len(page.Docs)-1]
			id, place := last.Key.ID, last.Lists[0].Place
			write(fmt.Sprintf("00 comes %d", round), 10)             // at one end
			write(fmt.Sprintf("%s before %d", id[:2], round), place) // on one side of the cursor
			write(fmt.Sprintf("%s and after %d", id, round), place)  // on the other
			write(fmt.Sprintf("29 stays, comes %d", round), 19)      // at the other end
			drop(id)                                                 // where the cursor is
		}
		require.Len(f, slices.Compact(sorted(seen)), len(seen), "a document was seen twice in %+v: %q", order, seen)
		seen = slices.DeleteFunc(seen, func(id string) bool { return !slices.Contains(stay, id) })
		require.Equal(f, stay, seen, "%+v", order)
	}
}

package storetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

func createOnce(f *fixture) {
	first := put(key("a"), 0)
	first.Due, first.Lists = 7, []storage.Listing{{List: "l", Place: 3}}
	f.apply(puts(first))
	want := storage.Doc(first)
	want.Version = 1
	equalDocs(f, []storage.Doc{want}, []storage.Doc{f.doc(key("a"))})

	second := first
	second.Body, second.Due, second.Lists = []byte(`{"second":true}`), 0, nil
	f.refused(puts(second), conflict(storage.OpPut, key("a")))
	f.refused(puts(first), conflict(storage.OpPut, key("a")))
	equalDocs(f, []storage.Doc{want}, []storage.Doc{f.doc(key("a"))})
	f.listed(storage.Query{Kind: "doc", List: "l"}, "a")

	f.apply(puts(put(storage.Key{Kind: "other", ID: "a"}, 0))) // an id is unique in its kind
}

func compareAndSet(f *fixture) {
	for version := range int64(4) { // the same bytes each time: still a change
		f.apply(puts(put(key("a"), version)))
		f.version(version+1, key("a"))
	}
	before := f.doc(key("a"))
	for _, version := range []int64{1, 3, 5, 1 << 40} {
		stale := put(key("a"), version)
		stale.Body = []byte(`{"stale":true}`)
		f.refused(puts(stale), conflict(storage.OpPut, key("a")))
	}
	equalDocs(f, []storage.Doc{before}, []storage.Doc{f.doc(key("a"))})

	f.refused(puts(put(key("never"), 1)), conflict(storage.OpPut, key("never")))
	f.version(0, key("never"))
}

func drops(f *fixture) {
	drop := func(id string, version int64) storage.Batch {
		return storage.Batch{Drops: []storage.Drop{{Key: key(id), Version: version}}}
	}
	a := put(key("a"), 0)
	a.Due, a.Lists = 5, []storage.Listing{{List: "l", Place: 1}}
	b := put(key("b"), 0)
	b.Due, b.Lists = a.Due, a.Lists
	f.apply(puts(a, b))
	a.Version = 1
	f.apply(puts(a))

	f.refused(drop("a", 1), conflict(storage.OpDrop, key("a")))
	f.refused(drop("a", 3), conflict(storage.OpDrop, key("a")))
	f.refused(drop("never", 1), conflict(storage.OpDrop, key("never")))
	f.version(2, key("a"))

	f.apply(drop("a", 2))
	f.version(0, key("a"))
	f.listed(storage.Query{Kind: "doc", List: "l"}, "b")
	f.listed(storage.Query{Kind: "doc", DueBefore: 6}, "b")
	f.listed(storage.Query{Kind: "doc"}, "b")
	f.refused(drop("a", 2), conflict(storage.OpDrop, key("a")))
	f.refused(puts(put(key("a"), 2)), conflict(storage.OpPut, key("a")))
	f.apply(storage.Batch{Checks: []storage.Check{{Key: key("a")}}})
}

func checks(f *fixture) {
	check := func(id string, version int64) storage.Batch {
		return storage.Batch{Checks: []storage.Check{{Key: key(id), Version: version}}}
	}
	f.apply(puts(put(key("a"), 0)))
	f.apply(puts(put(key("a"), 1)))
	f.apply(check("a", 2))
	f.apply(check("never", 0))
	f.refused(check("a", 0), conflict(storage.OpCheck, key("a")))
	f.refused(check("a", 1), conflict(storage.OpCheck, key("a")))
	f.refused(check("a", 3), conflict(storage.OpCheck, key("a")))
	f.refused(check("never", 1), conflict(storage.OpCheck, key("never")))
	f.version(2, key("a"))
	f.version(0, key("never"))

	guarded := check("a", 1)
	guarded.Puts = []storage.Put{put(key("b"), 0)}
	guarded.Adds = []storage.Add{{Counter: "c", Delta: 1, Max: 9}}
	f.refused(guarded, conflict(storage.OpCheck, key("a")))
	f.version(0, key("b"))
	f.counter(0, "c")
	guarded.Checks[0].Version = 2
	f.apply(guarded)
	f.version(1, key("b"))
	f.counter(1, "c")
	f.version(2, key("a"))
}

func get(f *fixture) {
	ctx := context.Background()
	docs, values, err := f.Get(ctx, nil)
	require.NoError(f, err)
	require.Empty(f, docs)
	require.Empty(f, values)

	f.apply(storage.Batch{
		Puts: []storage.Put{put(key("a"), 0), put(key("b"), 0), put(storage.Key{Kind: "aaa", ID: "c"}, 0)},
		Adds: []storage.Add{{Counter: "one", Delta: 1, Max: 1}, {Counter: "minus", Delta: -2, Min: -2}},
	})
	docs, values, err = f.Get(ctx, []storage.Key{key("never"), key("b"), {Kind: "aaa", ID: "c"}, {Kind: "aaa", ID: "a"}, key("a")}, "minus", "never", "one")
	require.NoError(f, err)
	require.Equal(f, map[string]int64{"minus": -2, "never": 0, "one": 1}, values)
	want := []storage.Key{key("b"), {Kind: "aaa", ID: "c"}, key("a")}
	got := make([]storage.Key, 0, len(docs))
	for _, doc := range docs {
		got = append(got, doc.Key)
	}
	require.Equal(f, want, got, "documents come in the order of the call")

	var keys []storage.Key
	var counters []string
	for i := range storage.MaxGet / 2 {
		keys = append(keys, key(fmt.Sprint("many", i)))
		counters = append(counters, fmt.Sprint("many", i))
	}
	keys[len(keys)-1], counters[len(counters)-1] = key("a"), "one"
	docs, values, err = f.Get(ctx, keys, counters...)
	require.NoError(f, err)
	require.Len(f, docs, 1)
	require.Len(f, values, len(counters))
	require.Equal(f, int64(1), values["one"])
}

// bodies come back byte for byte, whatever a JSON type of an engine would make
// of them.
func bodies(f *fixture) {
	for i, body := range []string{
		`{}`,
		`{"b":1,"a":2}`,
		`{"a":1,"a":2}`,
		"{ \"a\" :\t1 ,\r\n  \"b\" : [ ] } \n",
		`{"n":[1.0,1.50,1e2,1E+2,-0,-0.0,0.1,9007199254740993,12345678901234567890123.456]}`,
		`{"html":"<a href='x'>&amp;</a>","slash":"\/","quote":"\"","backslash":"\\","text":"\\u0000"}`,
		`{"text":"Ünïcödé ✓ 日本語 😀 e` + "\u0301" + ` \u00e9 \ud83d\ude00 ` + "\u2028\u2029\u007f" + `"}`,
		`{"sql":"'; DROP TABLE docs; -- $1 ? :a @b %s"}`,
		`{"deep":` + strings.Repeat(`[`, 60) + strings.Repeat(`]`, 60) + `}`,
		`{"big":"` + strings.Repeat("0123456789abcdé€", 1<<20/18) + `"}`,
	} {
		k := key(fmt.Sprint(i))
		p := put(k, 0)
		p.Body = []byte(body)
		f.apply(puts(p))
		require.Equal(f, body, string(f.doc(k).Body))
		p.Version, p.Body = 1, []byte(`{"other":true}`)
		f.apply(puts(p))
		p.Version, p.Body = 2, []byte(body)
		f.apply(puts(p))
		require.Equal(f, body, string(f.doc(k).Body))
	}
	for i, doc := range f.list(storage.Query{Kind: "doc"}) {
		equalDocs(f, []storage.Doc{f.doc(key(fmt.Sprint(i)))}, []storage.Doc{doc})
	}
}

func nothingShared(f *fixture) {
	given := put(key("a"), 0)
	given.Lists = []storage.Listing{{List: "z", Place: 1}, {List: "l", Place: 2}}
	b := puts(given)
	f.apply(b)
	require.Equal(f, storage.Listing{List: "z", Place: 1}, given.Lists[0], "the caller's batch was changed")
	given.Body[2], given.Lists[0] = 'X', storage.Listing{List: "mine", Place: 9}
	want := storage.Doc{Key: key("a"), Version: 1, Lists: []storage.Listing{{List: "l", Place: 2}, {List: "z", Place: 1}}, Body: []byte(`{"format":1}`)}
	read := f.doc(key("a"))
	equalDocs(f, []storage.Doc{want}, []storage.Doc{read})
	read.Body[2], read.Lists[0] = 'Y', storage.Listing{List: "yours", Place: 9}
	for _, doc := range f.list(storage.Query{Kind: "doc"}) {
		equalDocs(f, []storage.Doc{want}, []storage.Doc{doc})
		doc.Body[2] = 'Z'
	}
	equalDocs(f, []storage.Doc{want}, []storage.Doc{f.doc(key("a"))})
}

// hostile names are pairwise different as bytes, and some engine, collation,
// LIKE pattern or careless separator takes two of them for one.
var hostile = []string{
	"", "a", "A", "a ", " a", "a  ", "a\t", "a\n", "ss", "ß", "i", "I", "ı", "İ", "k", "K", "\u212a", "s", "ſ",
	"cafe", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "😀", "😁", "\U0010FFFF", "\uFFFD", "\u200b",
	"'", "''", `"`, "`", "%", "_", "%_", `\`, `\\`, `\'`, "a/b", "a:b", ":", "/", "a|b", "?", "$1", "a,b", "{}", "NULL", "0", "00", "-1", "1e0",
	strings.Repeat("x", 189), strings.Repeat("x", 189) + "y", strings.Repeat("x", 190), strings.Repeat("é", 95),
}

func hostileKeys(f *fixture) {
	f.each("ids", func(f *fixture) {
		for _, id := range hostile {
			p := put(key(id), 0)
			p.Due, p.Lists = 1, []storage.Listing{{List: "l", Place: 1}}
			f.apply(puts(p))
		}
		for _, id := range hostile {
			require.Equal(f, key(id), f.doc(key(id)).Key)
			f.version(1, key(id))
		}
		want := sorted(hostile)
		for _, size := range []int{1, 3, 0} {
			f.listed(storage.Query{Kind: "doc", Limit: size}, want...)
			f.listed(storage.Query{Kind: "doc", List: "l", Limit: size}, want...)
			f.listed(storage.Query{Kind: "doc", DueBefore: 2, Limit: size}, want...)
			f.listed(storage.Query{Kind: "doc", List: "l", Limit: size, Newest: true}, reversed(want)...)
		}
	})
	f.each("kinds", func(f *fixture) {
		kinds := []string{"Kind", "kind", "kind ", "kínd", "ki_d", "ki%", "k'", `k\`, "k/x", strings.Repeat("k", storage.MaxKind-f.features.Reserved)}
		for _, kind := range kinds {
			p := put(storage.Key{Kind: kind, ID: "in " + kind}, 0)
			p.Due, p.Lists = 1, []storage.Listing{{List: "l"}}
			f.apply(puts(p))
		}
		for _, kind := range kinds {
			f.listed(storage.Query{Kind: kind}, "in "+kind)
			f.listed(storage.Query{Kind: kind, List: "l"}, "in "+kind)
			f.listed(storage.Query{Kind: kind, DueBefore: 2}, "in "+kind)
		}
	})
	f.each("lists", func(f *fixture) {
		for i, list := range hostile[1:] {
			p := put(storage.Key{Kind: "listed", ID: fmt.Sprint("in ", i)}, 0)
			p.Lists = []storage.Listing{{List: list, Place: 1}}
			f.apply(puts(p))
		}
		for i, list := range hostile[1:] {
			f.listed(storage.Query{Kind: "listed", List: list}, fmt.Sprint("in ", i))
		}
	})
	f.each("counters", func(f *fixture) {
		names := append([]string{strings.Repeat("c", storage.MaxCounter-f.features.Reserved)}, hostile...)
		for i, name := range names {
			f.apply(storage.Batch{Adds: []storage.Add{{Counter: name, Delta: int64(i) + 1, Max: int64(i) + 1}}})
		}
		want := make(map[string]int64)
		for i, name := range names {
			want[name] = int64(i) + 1
		}
		_, values, err := f.Get(context.Background(), nil, names...)
		require.NoError(f, err)
		require.Equal(f, want, values)
	})
}

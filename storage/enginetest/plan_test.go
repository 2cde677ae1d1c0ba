package enginetest

import (
	"bytes"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPlans holds how SQLite runs every statement on documents, lists and
// counters: through an index, from where the cursor stands, without sorting.
func TestPlans(t *testing.T) {
	e := Engines()[0]
	var steps []Step
	db := e.Tap(t, e.DSN(t), 0, func(step Step) error {
		if !step.Done && strings.Contains(step.Statement, "vouch_") {
			steps = append(steps, step)
		}
		return nil
	})
	store := e.Store(t, db, sqlstore.Options{})
	key := func(id string) storage.Key { return storage.Key{Kind: "coupon", ID: id} }
	body := []byte(`{}`)
	put := storage.Put{Key: key("b"), Lists: []storage.Listing{{List: "l", Place: 5}, {List: "m", Place: 6}}, Due: 7, Body: body}
	again := put
	again.Version, again.Lists = 1, []storage.Listing{{List: "l", Place: 8}}

	var golden bytes.Buffer
	var shown []Step
	show := func(title string, do func() error) {
		t.Helper()
		steps = nil
		require.NoError(t, do())
		fmt.Fprintf(&golden, "# %s\n", title)
		shown = append(shown, steps...)
		for _, step := range steps {
			fmt.Fprintf(&golden, "%s\n", step.Statement)
			for _, line := range plan(t, db, step) {
				fmt.Fprintf(&golden, "    %s\n", line)
			}
		}
		golden.WriteByte('\n')
	}
	apply := func(b storage.Batch) func() error { return func() error { return store.Apply(t.Context(), b) } }
	list := func(q storage.Query) func() error {
		return func() error {
			q.Kind = "coupon"
			_, err := store.List(t.Context(), q)
			return err
		}
	}
	show("create a document", apply(storage.Batch{Puts: []storage.Put{put}}))
	show("change it, with other lists", apply(storage.Batch{Puts: []storage.Put{again}}))
	show("check one, drop one", apply(storage.Batch{
		Checks: []storage.Check{{Key: key("a")}}, Drops: []storage.Drop{{Key: key("b"), Version: 2}},
	}))
	show("change counters", apply(storage.Batch{Adds: []storage.Add{
		{Counter: "c", Delta: 1, Max: 9}, {Counter: "d", Delta: 0, Min: -9, Max: 9},
	}}))
	show("change a counter that must be there", apply(storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: -1, Max: 9}}}))
	show("get", func() error {
		_, _, err := store.Get(t.Context(), []storage.Key{key("a"), key("b")}, "c", "d")
		return err
	})
	at := storage.CursorAt(5, "b")
	for _, newest := range []bool{false, true} {
		order := map[bool]string{false: "oldest first", true: "newest first"}[newest]
		show("a list, "+order, list(storage.Query{List: "l", Newest: newest}))
		show("a list between bounds, "+order, list(storage.Query{List: "l", From: 1, Until: 9, Newest: newest}))
		show("a list between bounds, a later page, "+order, list(storage.Query{List: "l", From: 1, Until: 9, Newest: newest, After: at}))
		show("due, "+order, list(storage.Query{DueBefore: 9, Newest: newest}))
		show("due, a later page, "+order, list(storage.Query{DueBefore: 9, Newest: newest, After: at}))
		show("a kind, "+order, list(storage.Query{Newest: newest}))
		show("a kind, a later page, "+order, list(storage.Query{Newest: newest, After: storage.CursorAt(0, "b")}))
	}
	show("prune", func() error {
		_, err := store.Prune(t.Context(), time.UnixMicro(9))
		return err
	})

	path := filepath.Join("testdata", "plans-sqlite.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, golden.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String())
	require.NotContains(t, golden.String(), "USE TEMP B-TREE", "a page is sorted")

	// Statistics must not talk the planner into another way.
	plans := make([][]string, len(shown))
	for i, step := range shown {
		plans[i] = plan(t, db, step)
	}
	var many storage.Batch
	for i := range int64(1000) {
		many.Puts = append(many.Puts, storage.Put{
			Key: key(fmt.Sprint(i)), Lists: []storage.Listing{{List: "l", Place: i % 5}}, Due: i % 9, Body: body,
		})
	}
	require.NoError(t, store.Apply(t.Context(), many))
	_, err = db.Exec("ANALYZE")
	require.NoError(t, err)
	for i, step := range shown {
		require.Equal(t, plans[i], plan(t, db, step), step.Statement)
	}
}

func plan(t *testing.T, db *sql.DB, step Step) []string {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+step.Statement, step.Args...)
	require.NoError(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		lines = append(lines, detail)
	}
	require.NoError(t, rows.Err())
	return lines
}

// TestPages requires that every page is read through an index, from where the
// cursor stands and in its order, when the engine has statistics of many documents.
func TestPages(t *testing.T) {
	for _, e := range usual() {
		if e.Dialect == sqlstore.SQLite {
			continue // TestPlans
		}
		t.Run(e.Name, func(t *testing.T) {
			var steps []Step
			dsn := e.DSN(t)
			db := e.Open(t, dsn, 0)
			store := e.Store(t, e.Tap(t, dsn, 0, func(step Step) error {
				if !step.Done && strings.Contains(step.Statement, "FROM vouch_") {
					steps = append(steps, parts(step)...)
				}
				return nil
			}), sqlstore.Options{})
			var docs, lists []string
			for n := 1; n <= 20000; n++ {
				docs = append(docs, fmt.Sprintf("('kind%d', '%d', 1, %d, '', '{}')", n%3, n, n%900+1))
				lists = append(lists, fmt.Sprintf("('kind%d', 'l%d', %d, '%d')", n%3, n%2, n%1000, n))
			}
			_, err := db.Exec("INSERT INTO vouch_docs (kind, id, version, due, lists, body) VALUES " + strings.Join(docs, ","))
			require.NoError(t, err)
			_, err = db.Exec("INSERT INTO vouch_lists (kind, list, place, id) VALUES " + strings.Join(lists, ","))
			require.NoError(t, err)
			for _, table := range []string{"vouch_docs", "vouch_lists"} {
				analyze := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "ANALYZE ", sqlstore.MySQL: "ANALYZE TABLE "}
				_, err := db.Exec(analyze[e.Dialect] + table)
				require.NoError(t, err)
			}
			steps = nil
			for _, newest := range []bool{false, true} {
				at := storage.CursorAt(500, "5")
				for _, q := range []storage.Query{
					{List: "l1"}, {List: "l1", After: at}, {List: "l1", From: 400, Until: 700}, {List: "l1", From: 400, Until: 700, After: at},
					{DueBefore: 800}, {DueBefore: 800, After: at}, {}, {After: storage.CursorAt(0, "5")},
				} {
					q.Kind, q.Newest = "kind1", newest
					_, err := store.List(t.Context(), q)
					require.NoError(t, err)
				}
			}
			require.NoError(t, store.Apply(t.Context(), storage.Batch{Drops: []storage.Drop{
				{Key: storage.Key{Kind: "kind1", ID: "1"}, Version: 1},
			}}))
			require.NoError(t, store.Apply(t.Context(), storage.Batch{
				Checks: []storage.Check{
					{Key: storage.Key{Kind: "kind1", ID: "4"}, Version: 1}, {Key: storage.Key{Kind: "kind1", ID: "7"}, Version: 1},
					{Key: storage.Key{Kind: "kind2", ID: "2"}, Version: 1}, {Key: storage.Key{Kind: "kind1", ID: "absent"}}, {Key: storage.Key{Kind: "kind9", ID: "4"}},
				},
				Puts: []storage.Put{{Key: storage.Key{Kind: "kind9", ID: "1"}, Body: []byte("{}")}},
			}))
			for _, step := range steps {
				plan := explain(t, e, db, step)
				if strings.Contains(step.Statement, " OR ") {
					assert.Contains(t, plan, "|range|", "%s %v\n%s", step.Statement, step.Args, plan)
				}
				for _, bad := range []string{"Sort", "Seq Scan", "Using filesort", "Using temporary", "|ALL|"} {
					assert.NotContains(t, plan, bad, "%s %v\n%s", step.Statement, step.Args, plan)
				}
			}
		})
	}
}

// parts are the statements of a compound one that look for rows, and any other as it is.
func parts(step Step) []Step {
	if !strings.HasPrefix(step.Statement, "BEGIN NOT ATOMIC ") {
		return []Step{step}
	}
	var parts []Step
	for part := range strings.SplitSeq(step.Statement, "; ") {
		if strings.Contains(part, "FROM vouch_") {
			parts = append(parts, Step{Statement: strings.Replace(part, " INTO held", "", 1)})
		}
	}
	return parts
}

// explain gives an engine's plan as text, columns apart by '|'.
func explain(t *testing.T, e Engine, db *sql.DB, step Step) string {
	how := map[sqlstore.Dialect]string{
		sqlstore.SQLite: "EXPLAIN QUERY PLAN ", sqlstore.PostgreSQL: "EXPLAIN ", sqlstore.MySQL: "EXPLAIN FORMAT=TRADITIONAL ", // MySQL 9 says a tree otherwise
	}
	rows, err := db.Query(how[e.Dialect]+step.Statement, step.Args...)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		require.NoError(t, rows.Scan(targets...))
		for _, v := range values {
			plan.WriteString(v.String + "|")
		}
		plan.WriteString("\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// TestRoundTrips counts what the driver is asked to do: reading is one statement,
// whatever is asked for, and an Apply as few as the engine needs.
func TestRoundTrips(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			compounds := e.compounds(t)
			steps := func(sqlite, postgres, mysql, mariadb int) int {
				if compounds {
					mysql = mariadb
				}
				return map[sqlstore.Dialect]int{sqlstore.SQLite: sqlite, sqlstore.PostgreSQL: postgres, sqlstore.MySQL: mysql}[e.Dialect]
			}
			n := 0
			db := e.Tap(t, e.DSN(t), 0, func(step Step) error {
				if !step.Done {
					n++
				}
				return nil
			})
			store := e.Store(t, db, sqlstore.Options{})
			var keys []storage.Key
			var counters []string
			for i := range storage.MaxGet / 2 {
				keys = append(keys, storage.Key{Kind: fmt.Sprint("kind", i), ID: "x"})
				counters = append(counters, fmt.Sprint("counter", i))
			}
			n = 0
			_, values, err := store.Get(t.Context(), keys, counters...)
			require.NoError(t, err)
			require.Len(t, values, len(counters))
			require.Equal(t, 1, n, "statements of a Get")

			n = 0
			_, err = store.List(t.Context(), storage.Query{Kind: "kind", List: "l"})
			require.NoError(t, err)
			require.Equal(t, 1, n, "statements of a List")

			richBefore(t, store)
			n = 0
			require.NoError(t, store.Apply(t.Context(), rich()))
			require.Equal(t, steps(11, 1, 12, 2), n, "steps of an Apply")
			// What makes documents and counts, as a redemption does.
			made := redemption("made")[1]
			made.Puts = made.Puts[1:]
			made.Adds[2].Max = 9 // jane uses it twice
			require.NoError(t, store.Apply(t.Context(), made))
			made.Puts[0].Key.ID, made.Puts[1].Key.ID = "again", "again"
			n = 0
			require.NoError(t, store.Apply(t.Context(), made))
			require.Equal(t, steps(7, 1, 6, 1), n, "steps of a redemption's Apply")
			n = 0
			require.NoError(t, store.Apply(t.Context(), storage.Batch{Adds: made.Adds[:1]}))
			require.Equal(t, 1, n, "steps of an Apply of one Add")
			var many []storage.Batch
			for i := range 50 {
				many = append(many, claim(fmt.Sprint("many ", i)))
			}
			require.NoError(t, store.Apply(t.Context(), claim("first")))
			n = 0
			for _, err := range store.ApplyEach(t.Context(), many) {
				require.NoError(t, err)
			}
			require.Equal(t, steps(6, 1, 5, 1), n, "steps of an ApplyEach of 50")
			n = 0
			require.NoError(t, store.InTx(t.Context(), func(_ *sql.Tx, bound *sqlstore.Store) error {
				return bound.Apply(t.Context(), claim("1"))
			}))
			require.Equal(t, steps(9, 5, 8, 8), n, "steps of an Apply inside a transaction")
		})
	}
}

// TestGroupsInDoubt: on PostgreSQL a group is one statement, which does not read first what
// it rests on; where one was refused in part, the next read first, until none is for a
// while.
func TestGroupsInDoubt(t *testing.T) {
	e := usual()[1]
	n := 0
	db := e.Tap(t, e.DSN(t), 0, func(step Step) error {
		if !step.Done {
			n++
		}
		return nil
	})
	store := e.Store(t, db, sqlstore.Options{})
	orders := 0
	steps := func(counter string, refused int) int {
		batches := make([]storage.Batch, 3)
		for i := range batches {
			orders++
			batches[i] = storage.Batch{
				Puts: []storage.Put{{Key: storage.Key{Kind: "order", ID: fmt.Sprint(orders)}, Body: []byte(`{}`)}},
				Adds: []storage.Add{{Counter: counter, Delta: 1, Max: 4}},
			}
		}
		n = 0
		for _, err := range store.ApplyEach(t.Context(), batches) {
			if err != nil {
				require.ErrorIs(t, err, storage.ErrLimit)
				refused--
			}
		}
		require.Zero(t, refused, "of counter %s", counter)
		return n
	}
	require.Equal(t, 1, steps("full", 0))
	require.Equal(t, 3, steps("full", 2), "it finds out")
	for range 3 {
		require.Equal(t, 2, steps("full", 3), "it only reads: nothing is written")
	}
	inDoubt := 0
	for i := range 40 {
		count := steps(fmt.Sprint("free", i), 0)
		require.LessOrEqual(t, count, 2)
		inDoubt += count - 1
	}
	require.Positive(t, inDoubt)
	require.Less(t, inDoubt, 40, "the doubt ends")
}

package enginetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// many are three batches that are so much together that they are written by COPY: each
// makes 450 documents in a list or two, and changes a counter.
func many() []storage.Batch {
	texts := []string{
		"", "plain", `a \\ and a \\\\, a \" and a \/`, `\t\n\r\b\f, \\N and \\.`, "tab\\tand line\\n", "Grüße, 例え, 🎟",
		`\u00e9 \ud83c\udf9f`, `'single' $1 ? {curly}, [square]`,
	}
	batches := make([]storage.Batch, 3)
	for i := range batches {
		for n := range 450 {
			p := storage.Put{
				Key: storage.Key{Kind: "doc", ID: fmt.Sprintf("%d/%03d", i, n)}, Due: int64(n % 3),
				Lists: []storage.Listing{{List: "all", Place: int64(-n)}},
				Body:  []byte("{\"text\":\t\"" + texts[n%len(texts)] + "\",\r\n \"n\": 1}"),
			}
			switch {
			case n%50 == 7:
				p.Key.ID = "odd\t\n\r\\ \"\\N\u00e9 🎟" + p.Key.ID
				p.Lists = append(p.Lists, storage.Listing{List: "odd\\\t", Place: math.MaxInt64})
			case n%50 == 8:
				p.Lists = nil
			}
			batches[i].Puts = append(batches[i].Puts, p)
		}
		batches[i].Adds = []storage.Add{{Counter: "used", Delta: 1, Max: math.MaxInt64}}
	}
	return batches
}

// inTables is all that the tables hold.
func inTables(t *testing.T, db *sql.DB) string {
	t.Helper()
	var all strings.Builder
	for _, query := range []string{
		"SELECT concat_ws('|', kind, id, version, coalesce(due::text, 'NULL'), lists, body) FROM vouch_docs ORDER BY kind, id",
		"SELECT concat_ws('|', kind, list, place, id) FROM vouch_lists ORDER BY kind, list, place, id",
		"SELECT concat_ws('|', name, value, coalesce(until::text, 'NULL')) FROM vouch_counters ORDER BY name",
	} {
		rows, err := db.Query(query)
		require.NoError(t, err)
		for rows.Next() {
			row := ""
			require.NoError(t, rows.Scan(&row))
			fmt.Fprintf(&all, "%q\n", row)
		}
		require.NoError(t, rows.Err())
	}
	return all.String()
}

// TestCopySameRows: what is written by COPY is what is written batch by batch, byte for
// byte.
func TestCopySameRows(t *testing.T) {
	e := postgres("postgres", "pgx")
	changed := storage.Put{Key: storage.Key{Kind: "doc", ID: "changed"}, Version: 1, Body: []byte(`{"changed":true}`)}
	write := func(apply func(*sqlstore.Store, []storage.Batch) []error) (in string, copies int) {
		dsn := e.DSN(t)
		db := e.Tap(t, dsn, 2, func(s Step) error {
			if strings.HasPrefix(s.Statement, "COPY ") && s.Done {
				copies++
			}
			return nil
		})
		store := e.Store(t, db, sqlstore.Options{})
		before := changed
		before.Version, before.Lists = 0, []storage.Listing{{List: "left", Place: 1}}
		require.NoError(t, store.Apply(t.Context(), storage.Batch{Puts: []storage.Put{before}}))
		batches := many()
		batches[1].Puts = append(batches[1].Puts, changed)
		for _, err := range apply(store, batches) {
			require.NoError(t, err)
		}
		return inTables(t, db), copies
	}
	alone, copies := write(func(store *sqlstore.Store, batches []storage.Batch) []error {
		var answers []error
		for _, b := range batches {
			answers = append(answers, store.Apply(t.Context(), b))
		}
		return answers
	})
	require.Zero(t, copies)
	together, copies := write(func(store *sqlstore.Store, batches []storage.Batch) []error {
		return store.ApplyEach(t.Context(), batches)
	})
	require.Equal(t, 2, copies)
	require.Equal(t, alone, together)
}

// TestCopyInTheWay: somebody else has made one of the documents, and not committed yet,
// when COPY comes to it. Whatever ends the waiting, all or nothing of each batch is there,
// as answered.
func TestCopyInTheWay(t *testing.T) {
	e := postgres("postgres", "pgx")
	type way struct {
		end      func(t *testing.T, db *sql.DB, other *sql.Tx, pid int, cancel context.CancelFunc)
		answers  [3]error
		used     int64
		retrying int64
	}
	kill := func(how string) func(*testing.T, *sql.DB, *sql.Tx, int, context.CancelFunc) {
		return func(t *testing.T, db *sql.DB, other *sql.Tx, pid int, _ context.CancelFunc) {
			_, err := db.Exec("SELECT "+how+"($1)", pid)
			require.NoError(t, err)
			require.NoError(t, other.Rollback())
		}
	}
	for name, w := range map[string]way{
		"the other commits": {
			func(t *testing.T, _ *sql.DB, other *sql.Tx, _ int, _ context.CancelFunc) {
				require.NoError(t, other.Commit())
			},
			[3]error{nil, storage.ErrConflict, nil}, 2, 1,
		},
		"the other rolls back": {
			func(t *testing.T, _ *sql.DB, other *sql.Tx, _ int, _ context.CancelFunc) {
				require.NoError(t, other.Rollback())
			},
			[3]error{}, 3, 0,
		},
		"the statement is cancelled": {kill("pg_cancel_backend"), [3]error{}, 3, 0},
		"the connection is cut":      {kill("pg_terminate_backend"), [3]error{}, 3, 0},
		"the context is cancelled": {
			func(t *testing.T, _ *sql.DB, _ *sql.Tx, _ int, cancel context.CancelFunc) { cancel() },
			[3]error{context.Canceled, context.Canceled, context.Canceled}, 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := e.DSN(t)
			db := e.Open(t, dsn, 0)
			var counts sqlstore.Counts
			store := e.Store(t, db, sqlstore.Options{Observe: counts.Observe})
			other, err := db.Begin()
			require.NoError(t, err)
			defer other.Rollback()
			_, err = other.Exec("INSERT INTO vouch_docs (kind, id, version, lists, body) VALUES ('doc', '1/200', 1, '', '{}')")
			require.NoError(t, err)
			otherPID := 0
			require.NoError(t, other.QueryRow("SELECT pg_backend_pid()").Scan(&otherPID))

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answered := make(chan []error, 1)
			go func() { answered <- store.ApplyEach(ctx, many()) }()
			pid := 0
			require.Eventually(t, func() bool {
				return db.QueryRow("SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY %' AND $1 = ANY (pg_blocking_pids(pid))", otherPID).Scan(&pid) == nil
			}, 10*time.Second, time.Millisecond)
			w.end(t, db, other, pid, cancel)

			answers := <-answered
			_ = other.Rollback() // or what it has made would stand in the way of the next
			made := countOf(t, store, "doc")
			want := 0
			for i, answer := range answers {
				require.ErrorIs(t, answer, w.answers[i], i)
				require.NotErrorIs(t, answer, storage.ErrOutcomeUnknown, i)
				if answer == nil {
					want += 450
				}
			}
			if name == "the other commits" {
				want++
			}
			require.Equal(t, want, made)
			_, values, err := store.Get(t.Context(), nil, "used")
			require.NoError(t, err)
			require.Equal(t, w.used, values["used"])
			require.Equal(t, w.retrying, counts.Retries.Load())
		})
	}
}

// TestCopyUnderFire is TestGroupUnderFire of batches that are written by COPY.
func TestCopyUnderFire(t *testing.T) {
	for name, cause := range map[string]error{"error": errors.New("struck"), "cut": driver.ErrBadConn, "severed": errCut} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after %t", name, after), func(t *testing.T) {
				copies := 0
				for at := 1; strikeCopy(t, cause, at, after, &copies); at++ {
					require.Less(t, at, 50, "it never came through")
				}
				require.Equal(t, 2, copies)
			})
		}
	}
}

// strikeCopy says whether there was a call to strike at, and counts those to COPY.
func strikeCopy(t *testing.T, cause error, at int, after bool, copies *int) (struck bool) {
	e := postgres("postgres", "pgx")
	armed, n := false, 0
	var taken Step
	dsn := e.DSN(t)
	calm := e.Store(t, e.Open(t, dsn, 2), sqlstore.Options{})
	store := e.New(t, e.Tap(t, dsn, 2, func(step Step) error {
		if !armed || step.Done != after || step.Statement == "ROLLBACK" {
			return nil
		}
		if n++; n != at {
			return nil
		}
		struck, taken = true, step
		if strings.HasPrefix(step.Statement, "COPY ") {
			*copies++
		}
		return cause
	}), sqlstore.Options{})
	old := storage.Put{Key: storage.Key{Kind: "old", ID: "old"}, Body: []byte(`{}`)}
	require.NoError(t, calm.Apply(t.Context(), storage.Batch{Puts: []storage.Put{old}}))
	old.Version = 1
	batches := append(many(), storage.Batch{Adds: []storage.Add{{Counter: "used", Delta: 1, Max: 3}}})
	batches[1].Puts = append(batches[1].Puts, old)
	armed = true
	answers := store.ApplyEach(t.Context(), batches)
	armed = false

	docs, values, err := calm.Get(t.Context(), []storage.Key{old.Key}, "used")
	require.NoError(t, err)
	used := int64(0)
	for i, answer := range answers[:3] {
		page, err := calm.List(t.Context(), storage.Query{Kind: "doc", After: storage.CursorAt(0, fmt.Sprintf("%d", i)), Limit: 450})
		require.NoError(t, err)
		there := 0
		for _, doc := range page.Docs {
			if strings.HasPrefix(doc.Key.ID, fmt.Sprintf("%d/", i)) {
				there++
			}
		}
		require.Contains(t, []int{0, 441}, there, "%+v: batch %d", taken, i) // nine have odd names
		switch {
		case answer == nil:
			require.Positive(t, there, "%+v: batch %d was answered nil, and is not there", taken, i)
		case !errors.Is(answer, storage.ErrOutcomeUnknown):
			require.Zero(t, there, "%+v: batch %d was answered %v, and is there", taken, i, answer)
		default:
			require.True(t, taken.commits(), "%+v: %v", taken, answer)
		}
		if there > 0 {
			used++
		}
		if i == 1 {
			require.Equal(t, there > 0, docs[0].Version == 2)
		}
	}
	if answers[3] == nil { // as it is where the others did not take place
		require.Less(t, used, int64(3))
		used++
	} else {
		require.ErrorIs(t, answers[3], storage.ErrLimit)
	}
	require.Equal(t, used, values["used"])
	return struck
}

// TestCopyRacing: writers who want the same documents, some together by COPY and some one
// by one: each document is made by one of them, with all else of its batch.
func TestCopyRacing(t *testing.T) {
	e := postgres("postgres", "pgx")
	dsn := e.DSN(t)
	made := make([][3]bool, 6)
	together(len(made), func(writer int) {
		store := e.Store(t, e.Open(t, dsn, 2), sqlstore.Options{})
		batches := many()
		var answers []error
		if writer%3 == 0 {
			for _, b := range batches {
				answers = append(answers, store.Apply(t.Context(), b))
			}
		} else {
			answers = store.ApplyEach(t.Context(), batches)
		}
		for i, err := range answers {
			made[writer][i] = err == nil
			if err != nil && !errors.Is(err, storage.ErrConflict) {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		by := 0
		for writer := range made {
			if made[writer][i] {
				by++
			}
		}
		require.Equal(t, 1, by, "batch %d", i)
	}
	store := e.Store(t, e.Open(t, dsn, 1), sqlstore.Options{})
	require.Equal(t, 1350, countOf(t, store, "doc"))
	_, values, err := store.Get(t.Context(), nil, "used")
	require.NoError(t, err)
	require.EqualValues(t, 3, values["used"])
}

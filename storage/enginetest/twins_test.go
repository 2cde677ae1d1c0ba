package enginetest

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// way is a way to take the last one of something, of which each use is a row.
type way struct {
	name string
	take func(t *testing.T, s shop, tx *sql.Tx, id string) (bool, error)

	// taken is how often the last one is taken when two transactions have read
	// that there is one, then one takes it and commits, and then the other: at
	// each of the engine's levels from read committed on, in the order of
	// isolations. At MySQL's last, serializable, the two wait for each other.
	taken map[sqlstore.Dialect][]int

	// overlaps: both take it before either commits.
	overlaps bool
}

// ways are those by which shops have sold more than they had, and at last Apply.
var ways = []way{
	{
		"what was read before, checked and written", func(_ *testing.T, _ shop, tx *sql.Tx, id string) (bool, error) {
			return affects(tx.Exec("INSERT INTO uses (id) VALUES ('" + id + "')"))
		},
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {2, 2, 1}, sqlstore.MySQL: {2, 2, 2}}, false,
	},
	{
		"what was read before, checked and counted up", func(_ *testing.T, _ shop, tx *sql.Tx, _ string) (bool, error) {
			return affects(tx.Exec("UPDATE caps SET used = used + 1"))
		},
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {2, 1, 1}, sqlstore.MySQL: {2, 2, 1}}, false,
	},
	{
		"INSERT SELECT WHERE count(*) < cap", insertSelect,
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {1, 2, 1}, sqlstore.MySQL: {1, 1, 1}}, false,
	},
	{
		"INSERT SELECT WHERE count(*) < cap, overlapping", insertSelect,
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {2, 2, 1}}, true,
	},
	{
		"lock the row, then count the uses", func(_ *testing.T, _ shop, tx *sql.Tx, id string) (bool, error) {
			var used, uses int
			if err := tx.QueryRow("SELECT used FROM caps FOR UPDATE").Scan(&used); err != nil {
				return false, err
			}
			if err := tx.QueryRow("SELECT count(*) FROM uses").Scan(&uses); err != nil || uses > 0 {
				return false, err
			}
			return affects(tx.Exec("INSERT INTO uses (id) VALUES ('" + id + "')"))
		},
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {1, 2, 1}, sqlstore.MySQL: {1, 2, 2}}, false,
	},
	{
		"Apply", func(t *testing.T, s shop, tx *sql.Tx, _ string) (bool, error) {
			bound, err := s.store.Within(tx)
			require.NoError(t, err)
			err = bound.Apply(t.Context(), storage.Batch{Adds: []storage.Add{{Counter: "cap", Delta: 1, Max: 1}}})
			return err == nil, err
		},
		map[sqlstore.Dialect][]int{sqlstore.PostgreSQL: {1, 1, 1}, sqlstore.MySQL: {1, 1, 1}}, false,
	},
}

func insertSelect(_ *testing.T, _ shop, tx *sql.Tx, id string) (bool, error) {
	return affects(tx.Exec("INSERT INTO uses (id) SELECT '" + id + "' FROM caps WHERE (SELECT count(*) FROM uses) < 1"))
}

// TestWaysToTakeTheLast shows, without any race, which ways take it twice.
func TestWaysToTakeTheLast(t *testing.T) {
	for _, e := range usual() {
		for i, l := range isolations[e.Dialect][1:] {
			for _, w := range ways {
				if i >= len(w.taken[e.Dialect]) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", e.Name, l.name, w.name), func(t *testing.T) {
					require.Equal(t, w.taken[e.Dialect][i], takeTheLast(t, openShop(t, e, 0), l, w))
				})
			}
		}
	}
}

func takeTheLast(t *testing.T, s shop, l isolation, w way) int {
	for _, statement := range []string{
		"CREATE TABLE caps (id INTEGER NOT NULL PRIMARY KEY, used INTEGER NOT NULL)", "INSERT INTO caps (id, used) VALUES (1, 0)",
		"CREATE TABLE uses (id VARCHAR(10) NOT NULL PRIMARY KEY)",
	} {
		_, err := s.db.Exec(statement)
		require.NoError(t, err)
	}
	var txs []*sql.Tx
	for range 2 {
		tx, _ := l.begin(t, s)
		var uses, used int
		require.NoError(t, tx.QueryRow("SELECT (SELECT count(*) FROM uses), used FROM caps").Scan(&uses, &used))
		require.Zero(t, uses+used)
		txs = append(txs, tx)
	}
	taken := 0
	var open []*sql.Tx
	end := func() {
		for _, tx := range open {
			if err := tx.Commit(); err == nil {
				taken++
			} else {
				require.True(t, sqlstore.Retryable(err), "%v", err)
			}
		}
		open = nil
	}
	for i, tx := range txs {
		switch took, err := w.take(t, s, tx, fmt.Sprint(i)); {
		case took:
			open = append(open, tx)
		case err != nil && !errors.Is(err, storage.ErrLimit):
			require.True(t, sqlstore.Retryable(err), "%v", err)
		}
		if !w.overlaps {
			end()
		}
	}
	end()
	return taken
}

func affects(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

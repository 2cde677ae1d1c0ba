package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// Compound statements are MariaDB's: whole transactions in one round trip.

// withCompounds are the engines that have them.
func withCompounds(t *testing.T, test func(*testing.T, Engine)) {
	for _, e := range Engines() {
		if e.Driver == "mysql" {
			t.Run(e.Name, func(t *testing.T) {
				if !e.compounds(t) {
					t.Skip("it has none")
				}
				test(t, e)
			})
		}
	}
}

func made(id string, checks ...storage.Check) storage.Batch {
	return storage.Batch{
		Checks: checks,
		Puts:   []storage.Put{{Key: storage.Key{Kind: "order", ID: id}, Body: []byte(`{}`)}},
		Adds:   []storage.Add{{Counter: "used", Delta: 1, Max: 100}},
	}
}

// TestCompoundKilled: a statement that is killed leaves no transaction to whoever gets the
// connection next.
func TestCompoundKilled(t *testing.T) {
	withCompounds(t, func(t *testing.T, e Engine) {
		dsn := e.DSN(t)
		db := e.Open(t, dsn, 1)
		store := e.Store(t, db, sqlstore.Options{})
		require.NoError(t, store.Apply(t.Context(), made("1")))
		shop := e.Open(t, dsn, 0)
		tx, err := shop.Begin()
		require.NoError(t, err)
		defer tx.Rollback()
		_, err = tx.Exec("UPDATE vouch_counters SET rev = rev + 1 WHERE name = 'used'")
		require.NoError(t, err)
		answer := make(chan error)
		go func() { answer <- store.Apply(t.Context(), made("2")) }()
		kill(t, shop, "INSERT INTO vouch_counters")
		require.ErrorIs(t, <-answer, storage.ErrOutcomeUnknown)
		require.NoError(t, tx.Rollback())

		inside := -1
		require.NoError(t, db.QueryRow("SELECT @@in_transaction").Scan(&inside))
		require.Zero(t, inside, "an open transaction is in the pool")
		docs, counters, err := store.Get(t.Context(), []storage.Key{{Kind: "order", ID: "2"}}, "used")
		require.NoError(t, err)
		require.Empty(t, docs)
		require.Equal(t, map[string]int64{"used": 1}, counters)
		require.NoError(t, store.Apply(t.Context(), made("2")))
	})
}

// kill ends a statement that begins so, once it is under way.
func kill(t *testing.T, db *sql.DB, begins string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var id int64
		err := db.QueryRow("SELECT id FROM information_schema.processlist WHERE info LIKE ? AND db = DATABASE() AND state <> ''", begins+"%").Scan(&id)
		if err != nil {
			return false
		}
		time.Sleep(50 * time.Millisecond) // until it waits for the lock
		_, err = db.Exec(fmt.Sprint("KILL QUERY ", id))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// TestCompoundChecksWaitForNobody: what is only checked is read plainly, at every level
// of isolation, whether it is there or not.
func TestCompoundChecksWaitForNobody(t *testing.T) {
	withCompounds(t, func(t *testing.T, e Engine) {
		for _, level := range []string{"READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"} {
			t.Run(strings.ToLower(level), func(t *testing.T) {
				dsn := e.DSN(t)
				db := e.Open(t, dsn, 1)
				store := e.Store(t, db, sqlstore.Options{})
				offer := storage.Key{Kind: "offer", ID: "1"}
				require.NoError(t, store.Apply(t.Context(), storage.Batch{Puts: []storage.Put{{Key: offer, Body: []byte(`{}`)}}}))
				require.NoError(t, store.Apply(t.Context(), made("0")))
				_, err := db.Exec("SET SESSION tx_isolation = '" + level + "'")
				require.NoError(t, err)
				tx, err := e.Open(t, dsn, 0).Begin()
				require.NoError(t, err)
				defer tx.Rollback()
				for _, held := range []string{
					"SELECT 1 FROM vouch_docs WHERE kind = 'offer' AND id = '1' FOR UPDATE",
					"INSERT INTO vouch_docs (kind, id, version, lists, body) VALUES ('offer', '2', 1, '', '{}')",
				} {
					_, err = tx.Exec(held)
					require.NoError(t, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if level != "READ-UNCOMMITTED" {
					require.NoError(t, store.Apply(ctx, made("1", storage.Check{Key: offer, Version: 1}, storage.Check{Key: storage.Key{Kind: "offer", ID: "2"}})))
				}
				// And they hold nobody up.
				require.NoError(t, tx.Rollback())
				counter, err := e.Open(t, dsn, 0).Begin()
				require.NoError(t, err)
				defer counter.Rollback()
				_, err = counter.Exec("SELECT 1 FROM vouch_counters WHERE name = 'used' FOR UPDATE")
				require.NoError(t, err)
				answer := make(chan error, 1)
				go func() {
					answer <- store.Apply(ctx, made("2", storage.Check{Key: offer, Version: 1}, storage.Check{Key: storage.Key{Kind: "offer", ID: "3"}}))
				}()
				time.Sleep(50 * time.Millisecond) // until it waits for the counter
				pause := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
				require.NoError(t, pause.Apply(ctx, storage.Batch{Puts: []storage.Put{
					{Key: offer, Version: 1, Body: []byte(`{}`)}, {Key: storage.Key{Kind: "offer", ID: "3"}, Body: []byte(`{}`)},
				}}))
				require.NoError(t, counter.Rollback())
				require.NoError(t, <-answer)
			})
		}
	})
}

// TestCompoundTakesEveryText: literals mean the same whatever the session's sql_mode.
func TestCompoundTakesEveryText(t *testing.T) {
	withCompounds(t, func(t *testing.T, e Engine) {
		for _, mode := range []string{"", "ANSI", "STRICT_ALL_TABLES", "NO_BACKSLASH_ESCAPES"} {
			db := e.Open(t, e.DSN(t), 1)
			store := e.Store(t, db, sqlstore.Options{})
			_, err := db.Exec("SET SESSION sql_mode = '" + mode + "'")
			require.NoError(t, err)
			for i, id := range []string{`it's`, `a\`, `\'`, `''; --`, "?", "; ", "line\nfeed", "é", "\u2028", `"x"`, "`x`", "X'00'", "/* */", "%_"} {
				b := made(id)
				b.Puts[0].Body = []byte(`{"text":"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(id) + `"}`)
				b.Puts[0].Lists = []storage.Listing{{List: id, Place: int64(-i)}}
				b.Adds[0].Counter = id
				require.NoError(t, store.Apply(t.Context(), b), "%s %q", mode, id)
				docs, counters, err := store.Get(t.Context(), []storage.Key{b.Puts[0].Key}, id)
				require.NoError(t, err)
				require.Len(t, docs, 1)
				require.Equal(t, string(b.Puts[0].Body), string(docs[0].Body))
				require.Equal(t, b.Puts[0].Lists, docs[0].Lists)
				require.Equal(t, map[string]int64{id: 1}, counters)
				require.NoError(t, store.Apply(t.Context(), storage.Batch{Adds: []storage.Add{{Counter: id, Delta: 1, Max: 9}, {Counter: id + "'", Delta: 2, Max: 9}}}))
				page, err := store.List(t.Context(), storage.Query{Kind: "order", List: id})
				require.NoError(t, err)
				require.Len(t, page.Docs, 1)
			}
		}
	})
}

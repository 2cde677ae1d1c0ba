package enginetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// told keeps the events of a store.
type told struct {
	lock   sync.Mutex
	events []sqlstore.Event
}

func (t *told) observe(_ context.Context, e sqlstore.Event) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.events = append(t.events, e)
}

// take gives what was told since the last time, as "call: kind".
func (t *told) take() []string {
	t.lock.Lock()
	defer t.lock.Unlock()
	var said []string
	for _, e := range t.events {
		said = append(said, e.Call+": "+string(e.Kind))
	}
	t.events = nil
	return said
}

func TestObserve(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			var told told
			var fault error
			dsn := e.DSN(t)
			migrating := e.Open(t, dsn, 0)
			e.Store(t, migrating, sqlstore.Options{})
			db := e.Tap(t, dsn, 0, func(s Step) error {
				if s.Done && s.commits() {
					return fault
				}
				return nil
			})
			store := e.New(t, db, sqlstore.Options{Observe: told.observe, Attempts: 3})
			ctx := t.Context()

			require.NoError(t, store.Apply(ctx, take(1, 1)))
			require.NoError(t, store.Apply(ctx, puts(0, "a")))
			require.Empty(t, told.take(), "what goes well is not told")

			require.ErrorIs(t, store.Apply(ctx, puts(0, "a")), storage.ErrConflict)
			require.ErrorIs(t, store.Apply(ctx, take(1, 1)), storage.ErrLimit)
			require.Equal(t, []string{"Apply: conflict", "Apply: refusal"}, told.take())

			err := store.InTx(ctx, func(_ *sql.Tx, bound *sqlstore.Store) error { return bound.Apply(ctx, take(1, 1)) })
			require.ErrorIs(t, err, storage.ErrLimit)
			require.Equal(t, []string{"Apply: refusal"}, told.take(), "once, and not for InTx too")

			require.ErrorIs(t, store.InTx(ctx, func(*sql.Tx, *sqlstore.Store) error { return coded(5) }), coded(5))
			require.Equal(t, []string{"InTx: retry", "InTx: retry", "InTx: given up"}, told.take())

			own := errors.New("the card was declined")
			require.Same(t, own, store.InTx(ctx, func(*sql.Tx, *sqlstore.Store) error { return own }))
			require.Empty(t, told.take(), "the shop's own affair")

			fault = errCut
			require.ErrorIs(t, store.Apply(ctx, puts(0, "b")), storage.ErrOutcomeUnknown)
			require.ErrorIs(t, store.InTx(ctx, func(*sql.Tx, *sqlstore.Store) error { return nil }), storage.ErrOutcomeUnknown)
			require.Equal(t, []string{"Apply: unknown", "InTx: unknown"}, told.take())
			fault = nil

			gone, err := db.Begin()
			require.NoError(t, err)
			bound, err := store.Within(gone)
			require.NoError(t, err)
			require.NoError(t, gone.Rollback())
			require.ErrorIs(t, bound.Apply(ctx, puts(0, "c")), sqlstore.ErrTxAborted)
			require.Equal(t, []string{"Apply: aborted"}, told.take())

			require.NoError(t, db.Close())
			_, _, err = store.Get(ctx, nil, "cap")
			require.ErrorIs(t, err, sqlstore.ErrClosed)
			_, err = store.List(ctx, storage.Query{Kind: "doc"})
			require.ErrorIs(t, err, sqlstore.ErrClosed)
			require.Equal(t, []string{"Get: failure", "List: failure"}, told.take())
		})
	}
}

// TestObserveAgain: what the shop's own transaction must do again.
func TestObserveAgain(t *testing.T) {
	for _, e := range usual() {
		for _, l := range isolations[e.Dialect] {
			if l.want[0] != again {
				continue
			}
			t.Run(e.Name+"/"+l.name, func(t *testing.T) {
				var told told
				s := openAtWill(t, e)
				require.NoError(t, s.store.Apply(t.Context(), puts(0, "old")))
				s.store = e.New(t, s.db, sqlstore.Options{Observe: told.observe})
				tx, bound := l.begin(t, s)
				var n int
				require.NoError(t, tx.QueryRow("SELECT count(*) FROM orders").Scan(&n))
				require.NoError(t, s.store.Apply(t.Context(), puts(1, "old")))
				require.Equal(t, again, outcome(bound.Apply(t.Context(), puts(1, "old"))))
				want := "Apply: again"
				if e.Dialect == sqlstore.MySQL && l.want[4] == again {
					want = "Apply: aborted" // MariaDB ends the transaction with error 1020
				}
				require.Equal(t, []string{want}, told.take())
			})
		}
	}
}

// TestLog: at the level of a server at work only what a person should look into.
func TestLog(t *testing.T) {
	e := sqlite()
	for level, want := range map[slog.Level]string{
		slog.LevelInfo: `level=WARN msg="sqlstore: given up" call=InTx attempt=2 error="database is locked"
`,
		slog.LevelDebug: `level=DEBUG msg="sqlstore: refusal" call=Apply attempt=1 error="storage: a counter would leave its bounds: add \"cap\""
level=DEBUG msg="sqlstore: retry" call=InTx attempt=1 error="database is locked"
level=WARN msg="sqlstore: given up" call=InTx attempt=2 error="database is locked"
`,
	} {
		var log bytes.Buffer
		store := e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{
			Attempts: 2, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
		})
		require.ErrorIs(t, store.Apply(t.Context(), take(2, 1)), storage.ErrLimit)
		require.ErrorIs(t, store.InTx(t.Context(), func(*sql.Tx, *sqlstore.Store) error { return coded(5) }), coded(5))
		require.Equal(t, want, regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(log.String(), ""))
	}
}

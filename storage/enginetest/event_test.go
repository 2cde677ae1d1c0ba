package enginetest

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func emit(t *testing.T, store storage.Store, subject string, version int64, at time.Time) {
	t.Helper()
	put, err := ledger.Event{Subject: subject, Version: version, Kind: "step", At: at}.Put()
	require.NoError(t, err)
	require.NoError(t, store.Apply(t.Context(), storage.Batch{Puts: []storage.Put{put}}))
}

// TestEventsCommittedLate: an event that was written first and is committed last is
// delivered all the same, with its instant long past. A follower that remembers how
// far it has come misses it, so the same story tells the two apart.
func TestEventsCommittedLate(t *testing.T) {
	followers := map[string]func(*testing.T, storage.Store) func(now time.Time) []string{
		"deliver": func(t *testing.T, store storage.Store) func(time.Time) []string {
			return func(now time.Time) (got []string) {
				_, err := ledger.Deliver(t.Context(), store, ledger.DeliverOptions{Now: now}, func(_ context.Context, e ledger.Event) error {
					got = append(got, e.Subject)
					return nil
				})
				require.NoError(t, err)
				return got
			}
		},
		"naive twin": func(t *testing.T, store storage.Store) func(time.Time) []string {
			var after storage.Cursor
			return func(now time.Time) (got []string) {
				page, err := store.List(t.Context(), storage.Query{Kind: "event", DueBefore: now.UnixMicro() + 1, After: after})
				require.NoError(t, err)
				for _, doc := range page.Docs {
					subject, _, _ := strings.Cut(doc.Key.ID, "/")
					got, after = append(got, subject), storage.CursorAt(doc.Due, doc.Key.ID)
				}
				return got
			}
		},
	}
	for _, e := range usual() {
		if e.Dialect == sqlstore.SQLite {
			continue // one writer: nobody commits in between
		}
		for name, follow := range followers {
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				s := openShop(t, e, 0)
				deliver := follow(t, s.store)
				late, err := s.db.Begin()
				require.NoError(t, err)
				defer late.Rollback()
				bound, err := s.store.Within(late)
				require.NoError(t, err)
				emit(t, bound, "late", 1, noon)
				emit(t, s.store, "soon", 1, noon.Add(time.Second))
				require.Equal(t, []string{"soon"}, deliver(noon.Add(time.Minute)))
				require.NoError(t, late.Commit())
				emit(t, s.store, "after", 1, noon.Add(2*time.Minute))
				got := deliver(noon.Add(3 * time.Minute))
				if name == "deliver" {
					require.ElementsMatch(t, []string{"late", "after"}, got)
					require.Empty(t, deliver(noon.Add(4*time.Minute)))
				} else {
					require.Equal(t, []string{"after"}, got, "the twin should have missed it")
				}
			})
		}
	}
}

// TestEventsWithWorkersKilled: in each round several processes deliver, and some are
// killed in the midst of it. By the next, their leases are over. In the end every
// event was delivered, those of each subject in order; only what was in a killed
// worker's hands may have been delivered again.
func TestEventsWithWorkersKilled(t *testing.T) {
	const subjects, versions, workers, rounds = 8, 12, 3, 4
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			dsn := e.DSN(t)
			db := e.Open(t, dsn, 0)
			store := e.Store(t, db, sqlstore.Options{})
			serial := map[sqlstore.Dialect]string{
				sqlstore.SQLite: "INTEGER PRIMARY KEY", sqlstore.PostgreSQL: "BIGSERIAL PRIMARY KEY", sqlstore.MySQL: "BIGINT AUTO_INCREMENT PRIMARY KEY",
			}[e.Dialect]
			_, err := db.Exec("CREATE TABLE mails (n " + serial + ", subject VARCHAR(20) NOT NULL, version BIGINT NOT NULL)")
			require.NoError(t, err)
			for version := range int64(versions) {
				for subject := range subjects {
					emit(t, store, fmt.Sprintf("s%d", subject), version+1, noon)
				}
			}
			killed := 0
			for round := range rounds {
				var wait sync.WaitGroup
				for worker := range workers {
					p := start(t, e, "deliver", dsn)
					_, err := fmt.Fprintln(p.in, round)
					require.NoError(t, err)
					wait.Add(1)
					lives := 1 << 30
					if round < rounds-1 && worker < workers-1 {
						lives, killed = 3+2*worker+round, killed+1
					}
					go func() {
						defer wait.Done()
						for mails := 0; mails < lives && p.out.Scan(); mails++ {
						}
						_ = p.cmd.Process.Kill() // where it has ended, nothing
					}()
				}
				wait.Wait()
			}
			require.Positive(t, killed)

			rows, err := db.Query("SELECT subject, version FROM mails ORDER BY n")
			require.NoError(t, err)
			defer rows.Close()
			last, mails := make(map[string]int64), 0
			for rows.Next() {
				var subject string
				var version int64
				require.NoError(t, rows.Scan(&subject, &version))
				mails++
				require.Contains(t, []int64{last[subject], last[subject] + 1}, version, "%s is at %d", subject, last[subject])
				last[subject] = version
			}
			require.NoError(t, rows.Err())
			require.Len(t, last, subjects)
			for subject, version := range last {
				require.EqualValues(t, versions, version, subject)
			}
			require.LessOrEqual(t, mails, subjects*versions+killed, "one event in the hands of each that was killed")
			left, err := store.List(t.Context(), storage.Query{Kind: "event"})
			require.NoError(t, err)
			require.Empty(t, left.Docs)
		})
	}
}

// deliverProcess delivers what is due in the round that its input names, each event
// as a row of the table of mails, and says so.
func deliverProcess(e Engine, dsn string) error {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	var round int
	if _, err := fmt.Sscan(line, &round); err != nil {
		return err
	}
	db, err := sql.Open(e.Driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, e.Dialect, sqlstore.Options{Classify: e.Classify})
	if err != nil {
		return err
	}
	now := noon.Add(time.Duration(round) * time.Hour)
	_, err = ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: now}, func(_ context.Context, event ledger.Event) error {
		_, err := db.Exec(fmt.Sprintf("INSERT INTO mails (subject, version) VALUES ('%s', %d)", event.Subject, event.Version))
		if err == nil {
			fmt.Println(event.Subject, event.Version)
		}
		return err
	})
	return err
}

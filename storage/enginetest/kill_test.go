package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestKilled: a process is killed while it writes, at no moment in particular.
// Whatever it had begun is there wholly or not at all, and what it was told is
// written is there.
func TestKilled(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			dsn := e.DSN(t)
			store := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
			for round := range 5 {
				p := start(t, e, "write", dsn)
				for range 3 + 4*round {
					require.True(t, p.out.Scan())
				}
				require.NoError(t, p.cmd.Process.Kill())
				told := p.out.Text()
				for p.out.Scan() { // what it said before it died
					told = p.out.Text()
				}
				var acknowledged int64
				_, err := fmt.Sscan(told, &acknowledged)
				require.NoError(t, err)

				docs, values, err := store.Get(t.Context(), []storage.Key{killedKey}, "written", "written twice")
				require.NoError(t, err)
				require.Len(t, docs, 1)
				n := docs[0].Version
				require.Equal(t, map[string]int64{"written": n, "written twice": 2 * n}, values)
				require.Equal(t, []storage.Listing{{List: "versions", Place: n}}, docs[0].Lists)
				page, err := store.List(t.Context(), storage.Query{Kind: killedKey.Kind, List: "versions"})
				require.NoError(t, err)
				require.Len(t, page.Docs, 1)
				require.Contains(t, []int64{acknowledged, acknowledged + 1}, n)
			}
		})
	}
}

var killedKey = storage.Key{Kind: "killed", ID: "x"}

// writeProcess raises a document's version and two counters together, and says
// each version once it is written, until it is killed.
func writeProcess(e Engine, dsn string) error {
	db, err := sql.Open(e.Driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, e.Dialect, sqlstore.Options{Classify: e.Classify})
	if err != nil {
		return err
	}
	ctx := context.Background()
	_, values, err := store.Get(ctx, nil, "written")
	if err != nil {
		return err
	}
	for n := values["written"]; ; n++ {
		if err := store.Apply(ctx, storage.Batch{
			Puts: []storage.Put{{Key: killedKey, Version: n, Lists: []storage.Listing{{List: "versions", Place: n + 1}}, Body: []byte(`{}`)}},
			Adds: []storage.Add{
				{Counter: "written", Delta: 1, Max: math.MaxInt64},
				{Counter: "written twice", Delta: 2, Max: math.MaxInt64},
			},
		}); err != nil {
			return err
		}
		fmt.Println(n + 1)
	}
}

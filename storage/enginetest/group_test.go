package enginetest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestGroupUnderFire strikes an ApplyEach at every call of the driver, before and after
// it, with an error and with a cut of the connection. Whatever each batch is answered is
// true: nil, and it is there; refused, and it is not; unknown, and the others that
// would have been written with it share its fate.
func TestGroupUnderFire(t *testing.T) {
	for _, e := range usual() {
		for name, cause := range map[string]error{"error": errors.New("struck"), "cut": driver.ErrBadConn} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/after %t", e.Name, name, after), func(t *testing.T) {
					for at := 1; strikeGroup(t, e, cause, at, after); at++ {
						require.Less(t, at, 50, "it never came through")
					}
				})
			}
		}
	}
}

// strikeGroup says whether there was a call to strike at.
func strikeGroup(t *testing.T, e Engine, cause error, at int, after bool) (struck bool) {
	armed, n := false, 0
	dsn := e.DSN(t)
	calm := e.Store(t, e.Open(t, dsn, 2), sqlstore.Options{})
	store := e.New(t, e.Tap(t, dsn, 2, func(step Step) error {
		if !armed || step.Done != after || step.Statement == "ROLLBACK" {
			return nil
		}
		if n++; n != at {
			return nil
		}
		struck = true
		return cause
	}), sqlstore.Options{})
	full := claim("full")
	full.Adds[0].Max = 2
	changed := claim("old")
	changed.Puts[0].Version = 1
	require.NoError(t, calm.Apply(t.Context(), claim("old")))
	armed = true
	answers := store.ApplyEach(t.Context(), []storage.Batch{claim("a"), changed, full, claim("b")})
	armed = false
	docs, values, err := calm.Get(t.Context(), []storage.Key{
		{Kind: "redemption", ID: "a"}, {Kind: "redemption", ID: "old"}, {Kind: "redemption", ID: "full"}, {Kind: "redemption", ID: "b"},
	}, "used")
	require.NoError(t, err)
	versions := map[string]int64{}
	for _, doc := range docs {
		versions[doc.Key.ID] = doc.Version
	}
	there := []bool{versions["a"] == 1, versions["old"] == 2, versions["full"] == 1, versions["b"] == 1}
	used := int64(1)
	for i, answer := range answers {
		if there[i] {
			used++
		}
		switch {
		case answer == nil:
			require.True(t, there[i], "call %d: batch %d was answered nil, and is not there", at, i)
		case !errors.Is(answer, storage.ErrOutcomeUnknown):
			require.False(t, there[i], "call %d: batch %d was answered %v, and is there", at, i, answer)
		}
	}
	require.Equal(t, used, values["used"], "call %d", at)
	require.False(t, there[2] && there[0] && there[1], "call %d: over the limit", at)
	return struck
}

// TestGroupedAcrossProcesses: two groups on one database, as of two processes, and
// callers that go the direct way, want one counter and documents of their own: exact.
func TestGroupedAcrossProcesses(t *testing.T) {
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			dsn := e.DSN(t)
			var applies []func(context.Context, storage.Batch) error
			for range 2 {
				store := e.Store(t, e.Open(t, dsn, 4), sqlstore.Options{})
				group := storage.Grouped(store, storage.GroupOptions{})
				t.Cleanup(func() { require.NoError(t, group.Close()) })
				applies = append(applies, group.Apply, store.Apply)
			}
			accepted := make([]int, 24)
			together(24, func(caller int) {
				for i := range 10 {
					b := claim(fmt.Sprint(caller, "-", i))
					b.Adds[0].Max = 100
					err := applies[caller%len(applies)](t.Context(), b)
					if err == nil {
						accepted[caller]++
					} else if !errors.Is(err, storage.ErrLimit) {
						t.Error(err)
					}
				}
			})
			sum := 0
			for _, n := range accepted {
				sum += n
			}
			store := e.Store(t, e.Open(t, dsn, 1), sqlstore.Options{})
			_, values, err := store.Get(t.Context(), nil, "used")
			require.NoError(t, err)
			page, err := store.List(t.Context(), storage.Query{Kind: "redemption", Limit: storage.MaxPage})
			require.NoError(t, err)
			require.Equal(t, []int{100, 100, 100}, []int{sum, int(values["used"]), len(page.Docs)})
		})
	}
}

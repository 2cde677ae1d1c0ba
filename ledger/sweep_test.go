package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleSweep() {
	ctx, store, now := context.Background(), memory.New(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		_ = store.Apply(ctx, storage.Batch{Puts: []storage.Put{{
			Key: storage.Key{Kind: "review", ID: fmt.Sprint(i)}, Due: now.Add(time.Duration(i) * time.Hour).UnixMicro(), Body: []byte(`{}`),
		}}})
	}
	report, err := ledger.Sweep(ctx, store, ledger.SweepOptions{Kind: "review", Now: now.Add(time.Hour)},
		func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
			decided := storage.Put(doc)
			decided.Due = 0 // it wants no more attention
			return storage.Batch{Puts: []storage.Put{decided}}, nil
		})
	fmt.Println(report.Done, report.Failed, report.Left, report.Next, err)
	// Output: 2 0 0 2026-11-20 14:00:00 +0000 UTC <nil>
}

// due fills a store with documents that are due at noon.
func due(t require.TestingT, store storage.Store, n int) {
	for i := range n {
		require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{{
			Key: storage.Key{Kind: "task", ID: fmt.Sprintf("%04d", i)}, Due: noon.UnixMicro(), Body: []byte(`{}`),
			Lists: []storage.Listing{{List: "mine", Place: int64(i)}},
		}}}))
	}
}

// done takes a task off the due listing and counts it.
func done(doc storage.Doc) storage.Batch {
	put := storage.Put(doc)
	put.Due = 0
	return storage.Batch{
		Puts: []storage.Put{put},
		Adds: []storage.Add{{Counter: "done", Delta: 1, Max: 1 << 40}, {Counter: "done/" + doc.Key.ID, Delta: 1, Max: 1 << 40}},
	}
}

func counter(t require.TestingT, store storage.Store, name string) int64 {
	_, values, err := store.Get(context.Background(), nil, name)
	require.NoError(t, err)
	return values[name]
}

func sweepTasks(t require.TestingT, store storage.Store, now time.Time, plan ledger.SweepPlan) ledger.Report {
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: now}, plan)
	require.NoError(t, err)
	return report
}

func always(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
	return done(doc), nil
}

func TestSweepByManyWorkersHandlesNothingTwice(t *testing.T) {
	store := audited(t, "task")
	const tasks = 400
	due(t, store, tasks)
	var group sync.WaitGroup
	var mu sync.Mutex
	var total ledger.Report
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			report := sweepTasks(t, store, noon, always)
			mu.Lock()
			defer mu.Unlock()
			total = total.Plus(report)
		}()
	}
	group.Wait()
	assert.Equal(t, tasks, total.Done)
	assert.Zero(t, total.Failed)
	assert.EqualValues(t, tasks, counter(t, store, "done"))
	for i := range tasks {
		require.EqualValues(t, 1, counter(t, store, fmt.Sprintf("done/%04d", i)))
	}
}

// Taking due documents and handling them without their version counts many
// twice, which proves that the race above is one.
func TestSweepWithoutVersionsHandlesTwice(t *testing.T) {
	ctx, store := context.Background(), audited(t, "task")
	due(t, store, 20)
	var group, haveRead sync.WaitGroup
	haveRead.Add(8)
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			page, err := store.List(ctx, storage.Query{Kind: "task", DueBefore: noon.UnixMicro() + 1})
			assert.NoError(t, err)
			haveRead.Done()
			haveRead.Wait()
			for _, doc := range page.Docs {
				assert.NoError(t, store.Apply(ctx, storage.Batch{Adds: done(doc).Adds}))
			}
		}()
	}
	group.Wait()
	assert.Greater(t, counter(t, store, "done"), int64(20))
}

func TestSweepPutsOffWhatFails(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 50)
	bad := true
	plan := func(ctx context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		if doc.Key.ID == "0007" && bad {
			return storage.Batch{}, errors.New("cannot decide: " + strings.Repeat("é", 600))
		}
		return done(doc), nil
	}
	report := sweepTasks(t, store, noon, plan)
	assert.Equal(t, 49, report.Done)
	assert.Equal(t, 1, report.Failed)
	assert.Zero(t, report.Left)
	assert.Equal(t, noon.Add(time.Minute), report.Next)
	require.Len(t, report.Faults, 1)
	assert.Equal(t, storage.Key{Kind: "task", ID: "0007"}, report.Faults[0].Key)
	assert.LessOrEqual(t, len(report.Faults[0].Message), 1000)

	docs, _, err := store.Get(context.Background(), []storage.Key{{Kind: "task", ID: "0007"}})
	require.NoError(t, err)
	assert.Equal(t, []byte(`{}`), docs[0].Body, "its body is not touched")
	assert.Equal(t, []storage.Listing{{List: "mine", Place: 7}}, docs[0].Lists)

	now := noon
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440} {
		report = sweepTasks(t, store, now, plan)
		now = now.Add(wait * time.Minute)
		assert.Equal(t, now, report.Next)
	}
	bad = false
	assert.Equal(t, ledger.Report{Done: 1}, sweepTasks(t, store, now, plan))
	faults, _, err := ledger.OpenFaults(context.Background(), store, "", 10)
	require.NoError(t, err)
	assert.Empty(t, faults, "it is resolved")
}

// A report names so many faults; the others are on record as well.
func TestSweepNamesSomeFaults(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 101)
	report := sweepTasks(t, store, noon, func(context.Context, storage.Store, storage.Doc) (storage.Batch, error) {
		return storage.Batch{}, errors.New("cannot decide")
	})
	assert.Equal(t, 101, report.Failed)
	assert.Len(t, report.Faults, 100)
	faults, _, err := ledger.OpenFaults(context.Background(), store, "", 1000)
	require.NoError(t, err)
	assert.Len(t, faults, 101)
}

func TestSweepOfAFaultWithALongID(t *testing.T) {
	store := audited(t)
	id := strings.Repeat("i", storage.MaxID)
	require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{{
		Key: storage.Key{Kind: "task", ID: id}, Due: noon.UnixMicro(), Body: []byte(`{}`),
	}}}))
	report := sweepTasks(t, store, noon, func(context.Context, storage.Store, storage.Doc) (storage.Batch, error) { return storage.Batch{}, nil })
	require.Equal(t, 1, report.Failed)
	assert.Equal(t, id, report.Faults[0].Key.ID)
	assert.Contains(t, report.Faults[0].Message, "put or drop it")
}

// Documents whose plans get into each other's way are handled all the same.
func TestSweepOfPlansThatContradict(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 30)
	shared := storage.Key{Kind: "shared"}
	plan := func(ctx context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		docs, _, err := store.Get(ctx, []storage.Key{shared})
		put := storage.Put{Key: shared, Body: []byte(`{}`)}
		if len(docs) > 0 {
			put.Version = docs[0].Version
		}
		batch := done(doc)
		batch.Puts = append(batch.Puts, put)
		return batch, err
	}
	assert.Equal(t, ledger.Report{Done: 30}, sweepTasks(t, store, noon, plan))
	docs, _, err := store.Get(context.Background(), []storage.Key{shared})
	require.NoError(t, err)
	assert.EqualValues(t, 30, docs[0].Version)
}

// ungrouped is a store that writes one batch at a time.
type ungrouped struct{ storage.Store }

// One that is refused each time does not keep the others of its group, whether the store
// judges each batch by itself or the group is halved.
func TestSweepOfAGroupInWhichSomeAreRefused(t *testing.T) {
	for _, store := range []storage.Store{audited(t, "task"), ungrouped{audited(t, "task")}} {
		due(t, store, 40)
		plan := func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
			batch := done(doc)
			switch doc.Key.ID {
			case "0003":
				batch.Adds = append(batch.Adds, storage.Add{Counter: "full", Delta: 1})
			case "0025":
				batch.Adds = append(batch.Adds, storage.Add{Counter: "wrong", Min: 1, Max: 0})
			case "0030":
				for i := range 990 {
					batch.Adds = append(batch.Adds, storage.Add{Counter: fmt.Sprint("many", i), Delta: 1, Max: 1})
				}
			}
			return batch, nil
		}
		report := sweepTasks(t, store, noon, plan)
		assert.Equal(t, 38, report.Done)
		assert.Equal(t, 2, report.Failed)
		assert.EqualValues(t, 38, counter(t, store, "done"))
	}
}

// A group is written in one call where nothing in it is refused.
func TestSweepWritesAGroupAtOnce(t *testing.T) {
	store := &watched{Store: memory.New()}
	due(t, store.Store, 90)
	require.Equal(t, ledger.Report{Done: 90}, sweepTasks(t, ungrouped{store}, noon, always))
	require.EqualValues(t, 1, store.applies.Load())
}

// A document that is due again at once is not handled twice by one sweep.
func TestSweepHandlesEachOnce(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 250)
	report := sweepTasks(t, store, noon.Add(time.Minute), func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		batch := done(doc)
		batch.Puts[0].Due = noon.Add(time.Second).UnixMicro()
		return batch, nil
	})
	assert.Equal(t, 250, report.Done)
	assert.Equal(t, 100, report.Left, "counted up to 100")
	assert.EqualValues(t, 250, counter(t, store, "done"))
}

func TestSweepStopsAtItsLimit(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 250)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Limit: 120, Batch: 7}, always)
	require.NoError(t, err)
	assert.Equal(t, 120, report.Done)
	assert.Equal(t, 100, report.Left)
	assert.Equal(t, noon, report.Next)
}

// One sweep handles all however small its groups are, of which many are empty then.
func TestSweepInTinyGroups(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 64)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Batch: 1}, always)
	require.NoError(t, err)
	require.Equal(t, ledger.Report{Done: 64}, report)
}

// A sweep lists no more than it may look at, in pages as large as they may be.
func TestSweepListsWhatItMayLookAt(t *testing.T) {
	store := &watched{Store: memory.New()}
	due(t, store.Store, 1500)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Limit: 1200, Batch: 600}, always)
	require.NoError(t, err)
	require.Equal(t, ledger.Report{Done: 1200, Left: 100, Next: noon}, report)
	require.Equal(t, []int{1000, 200, 0}, store.lists, "the last is for what is left")
}

func TestSweepStopsWithTheContext(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 10)
	ctx, cancel := context.WithCancel(context.Background())
	report, err := ledger.Sweep(ctx, store, ledger.SweepOptions{Kind: "task", Now: noon}, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		cancel()
		return done(doc), nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, report.Done)
	assert.Zero(t, counter(t, store, "done"))
	_, err = ledger.Sweep(context.Background(), &brokenStore{}, ledger.SweepOptions{Kind: "task", Now: noon}, always)
	require.ErrorIs(t, err, errBroken)
}

// However many documents, groups and limits there are, a few sweeps handle each
// document exactly once.
func TestSweepHandlesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store, tasks := memory.New(), rapid.IntRange(0, 60).Draw(t, "tasks")
		due(t, store, tasks)
		options := ledger.SweepOptions{
			Kind: "task", Now: noon, Limit: rapid.IntRange(0, 30).Draw(t, "limit"), Batch: rapid.IntRange(0, 10).Draw(t, "batch"),
		}
		var total ledger.Report
		for rounds := 0; ; rounds++ {
			require.LessOrEqual(t, rounds, tasks)
			report, err := ledger.Sweep(context.Background(), store, options, always)
			require.NoError(t, err)
			total = total.Plus(report)
			if tasks <= options.Limit || options.Limit == 0 {
				require.Zero(t, report.Left, "one sweep is enough")
			}
			if report.Left == 0 {
				break
			}
		}
		require.Equal(t, tasks, total.Done)
		require.EqualValues(t, tasks, counter(t, store, "done"))
		requireSound(t, store, "task")
	})
}

func TestReportPlus(t *testing.T) {
	x := ledger.Report{Done: 1, Failed: 2, Left: 3, Next: noon, Faults: make([]ledger.Fault, 60)}
	y := ledger.Report{Done: 10, Failed: 20, Left: 30, Next: noon.Add(-1), Faults: make([]ledger.Fault, 60)}
	sum := x.Plus(y)
	assert.Equal(t, []int{11, 22, 33}, []int{sum.Done, sum.Failed, sum.Left})
	assert.Equal(t, noon.Add(-1), sum.Next)
	assert.Len(t, sum.Faults, 100)
	assert.Equal(t, noon, ledger.Report{}.Plus(x).Next)
	assert.Equal(t, noon, x.Plus(ledger.Report{}).Next)
}

// torn is a store of which one document can't be read.
type torn struct {
	storage.Store
	key storage.Key
}

var errTorn = errors.New("the page is torn")

func (s torn) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if slices.Contains(keys, s.key) {
		return nil, nil, errTorn
	}
	return s.Store.Get(ctx, keys, counters...)
}

// What can't be read for one document puts off that one, and none of those that were
// planned with it.
func TestSweepReadsWhatOthersCannot(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 30)
	needs := func(id string) storage.Key { return storage.Key{Kind: "need", ID: id} }
	report := sweepTasks(t, torn{store, needs("0007")}, noon, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		_, _, err := read.Get(ctx, []storage.Key{needs(doc.Key.ID)})
		return done(doc), err
	})
	assert.Equal(t, []int{29, 1}, []int{report.Done, report.Failed})
	require.Len(t, report.Faults, 1)
	assert.Equal(t, "0007", report.Faults[0].Key.ID)
	assert.Contains(t, report.Faults[0].Message, errTorn.Error())
}

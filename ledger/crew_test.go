package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// watched counts what is read and written, and fails where it is told to.
type watched struct {
	*memory.Store
	gets, each, applies atomic.Int64
	mu                  sync.Mutex
	lists               []int                        // the limits of what was listed
	answer              func(i int, err error) error // of a batch applied with others
}

func (w *watched) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	w.mu.Lock()
	w.lists = append(w.lists, q.Limit)
	w.mu.Unlock()
	return w.Store.List(ctx, q)
}

func (w *watched) Apply(ctx context.Context, b storage.Batch) error {
	w.applies.Add(1)
	return w.Store.Apply(ctx, b)
}

func (w *watched) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	w.gets.Add(1)
	return w.Store.Get(ctx, keys, counters...)
}

func (w *watched) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	w.each.Add(1)
	answers := w.Store.ApplyEach(ctx, batches)
	for i := range answers {
		if w.answer != nil {
			answers[i] = w.answer(i, answers[i])
		}
	}
	return answers
}

// What the plans of a group ask for one after the other takes as many reads as one of
// them asks for, and one write. Each is answered what it would have read by itself.
func TestSweepReadsForAGroupAtOnce(t *testing.T) {
	store := &watched{Store: memory.New()}
	due(t, store.Store, 90)
	running := 0
	report := sweepTasks(t, store, noon, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		running++
		assert.Equal(t, 1, running, "plans run in turns")
		running--
		missing, own := storage.Key{Kind: "missing", ID: doc.Key.ID}, doc.Key
		docs, counted, err := read.Get(ctx, []storage.Key{missing, own}, "done", "done/"+doc.Key.ID)
		assert.NoError(t, err)
		assert.Equal(t, []storage.Doc{doc}, docs)
		assert.Equal(t, map[string]int64{"done": 0, "done/" + doc.Key.ID: 0}, counted)
		_, _, err = read.Get(ctx, []storage.Key{own, own})
		assert.ErrorIs(t, err, storage.ErrInvalid, "as the store would say")
		docs, _, err = read.Get(ctx, []storage.Key{missing})
		assert.NoError(t, err)
		assert.Empty(t, docs)
		return done(doc), nil
	})
	require.Equal(t, ledger.Report{Done: 90}, report)
	require.EqualValues(t, 3, store.gets.Load(), "one for what is current, two for the plans")
	require.EqualValues(t, 1, store.each.Load())
}

// What the plans of a group ask for is read in as few calls as the store allows, counters
// like documents.
func TestSweepReadsMoreThanOneCallHolds(t *testing.T) {
	store := &watched{Store: memory.New()}
	due(t, store.Store, 90)
	counted := func(doc storage.Doc) (names []string) {
		for i := range 20 {
			names = append(names, fmt.Sprint(doc.Key.ID, "/", i))
		}
		return names
	}
	for i := range 90 {
		var adds []storage.Add
		for n, name := range counted(storage.Doc{Key: storage.Key{ID: fmt.Sprintf("%04d", i)}}) {
			adds = append(adds, storage.Add{Counter: name, Delta: int64(1000*i + n), Max: 1 << 40})
		}
		require.NoError(t, store.Store.Apply(context.Background(), storage.Batch{Adds: adds}))
	}
	report := sweepTasks(t, store, noon, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		docs, values, err := read.Get(ctx, []storage.Key{doc.Key}, counted(doc)...)
		assert.NoError(t, err)
		assert.Equal(t, []storage.Doc{doc}, docs)
		for n, name := range counted(doc) {
			assert.EqualValues(t, 1000*doc.Lists[0].Place+int64(n), values[name])
		}
		return done(doc), nil
	})
	require.Equal(t, ledger.Report{Done: 90}, report)
	require.EqualValues(t, 1+2, store.gets.Load(), "90 documents and 1,800 counters take two calls")
}

// What the sweep is told that plans will read is read with what it reads itself; what it
// is not told, when they ask. Where it can't be read, each plan is told so by itself.
func TestSweepReadsBeforehand(t *testing.T) {
	for name, c := range map[string]struct {
		reads func(id string) storage.Key
		gets  int64
	}{
		"all of it": {func(id string) storage.Key { return storage.Key{Kind: "missing", ID: id} }, 1},
		"another":   {func(id string) storage.Key { return storage.Key{Kind: "other", ID: id} }, 2},
		"no key":    {func(string) storage.Key { return storage.Key{} }, 3},
	} {
		store := &watched{Store: memory.New()}
		due(t, store.Store, 90)
		report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{
			Kind: "task", Now: noon,
			Reads: func(doc storage.Doc) []storage.Key {
				return []storage.Key{c.reads(doc.Key.ID), {Kind: "task", ID: "0000"}}
			},
		}, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
			docs, counted, err := read.Get(ctx, []storage.Key{{Kind: "missing", ID: doc.Key.ID}})
			assert.NoError(t, err)
			assert.Empty(t, docs)
			assert.Empty(t, counted)
			return done(doc), nil
		})
		require.NoError(t, err, name)
		require.Equal(t, ledger.Report{Done: 90}, report, name)
		require.Equal(t, c.gets, store.gets.Load(), name)
	}
}

// Four that know nothing of each other handle each document once, and with few in vain:
// after the first time they are in each other's way they go on elsewhere.
func TestSweepsKeepOutOfEachOthersWay(t *testing.T) {
	store := memory.New()
	due(t, store, 3000)
	var planned atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		crew := new(ledger.Crew)
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Crew: crew},
					func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
						planned.Add(1)
						return done(doc), nil
					})
				assert.NoError(t, err)
				assert.Zero(t, report.Failed)
				if err != nil || report.Done == 0 {
					return
				}
			}
		}()
	}
	group.Wait()
	require.EqualValues(t, 3000, counter(t, store, "done"), "each once")
	require.Less(t, planned.Load(), int64(4*3000), "not each by everyone")
}

// A read that fails fails all that wait for it, and the sweep puts them off.
func TestSweepWhoseReadsFail(t *testing.T) {
	store := audited(t, "task")
	due(t, store, 30)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon}, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
		_, _, err := read.Get(ctx, []storage.Key{doc.Key, {Kind: "missing"}}, fmt.Sprint(doc.Key.ID, "\x00"))
		return storage.Batch{}, err
	})
	require.NoError(t, err)
	require.Equal(t, 30, report.Failed)
}

// What the store can't say of one of a group ends the sweep; what was written of the
// others is in the report.
func TestSweepOfAGroupThatBreaks(t *testing.T) {
	store := &watched{Store: memory.New(), answer: func(i int, err error) error {
		if i == 7 {
			return errBroken
		}
		return err
	}}
	due(t, store.Store, 20)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon}, always)
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, 19, report.Done)
}

// Workers of a crew share documents out: none is planned twice. Without a crew some are.
func TestCrewSharesOut(t *testing.T) {
	for crew, shares := range map[*ledger.Crew]bool{new(ledger.Crew): true, nil: false} {
		store := &watched{Store: memory.New()}
		due(t, store.Store, 800)
		var planned atomic.Int64
		var started, group sync.WaitGroup
		started.Add(4)
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				first := true
				_, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Batch: 10, Crew: crew},
					func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
						if first {
							first = false
							started.Done()
							started.Wait()
						}
						planned.Add(1)
						return done(doc), nil
					})
				assert.NoError(t, err)
			}()
		}
		group.Wait()
		require.EqualValues(t, 800, counter(t, store, "done"))
		if shares {
			require.EqualValues(t, 800, planned.Load())
		}
	}
}

// A crew goes on after a worker that failed with a group in hand.
func TestCrewAfterAFailure(t *testing.T) {
	store, crew := audited(t, "task"), new(ledger.Crew)
	due(t, store, 50)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := ledger.Sweep(ctx, store, ledger.SweepOptions{Kind: "task", Now: noon, Batch: 10, Crew: crew}, func(context.Context, storage.Store, storage.Doc) (storage.Batch, error) {
		cancel()
		return storage.Batch{}, errors.New("stopped")
	})
	require.ErrorIs(t, err, context.Canceled)
	report, err := ledger.Sweep(context.Background(), store, ledger.SweepOptions{Kind: "task", Now: noon, Batch: 10, Crew: crew}, always)
	require.NoError(t, err)
	require.Equal(t, ledger.Report{Done: 50}, report)
}

// hanging lists nothing until its context ends, where it is told to.
type hanging struct {
	*memory.Store
	hang   atomic.Bool
	listed chan struct{} // closed when a List hangs
}

func (h *hanging) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	if h.hang.CompareAndSwap(true, false) {
		close(h.listed)
		<-ctx.Done()
		return storage.Page{}, ctx.Err()
	}
	return h.Store.List(ctx, q)
}

// A worker that waits for another's list leaves when its context ends; one that waits on
// goes on by itself when the other fails.
func TestCrewWhoseListHangs(t *testing.T) {
	store, crew := &hanging{Store: memory.New(), listed: make(chan struct{})}, new(ledger.Crew)
	due(t, store.Store, 50)
	store.hang.Store(true)
	options := ledger.SweepOptions{Kind: "task", Now: noon, Batch: 10, Crew: crew}
	stuck, free := context.WithCancel(context.Background())
	defer free()
	first := make(chan error)
	go func() {
		_, err := ledger.Sweep(stuck, store, options, always)
		first <- err
	}()
	<-store.listed
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := ledger.Sweep(ctx, store, options, always)
	require.ErrorIs(t, err, context.Canceled)
	second := make(chan ledger.Report)
	go func() {
		report, err := ledger.Sweep(context.Background(), store, options, always)
		assert.NoError(t, err)
		second <- report
	}()
	free()
	require.ErrorIs(t, <-first, context.Canceled)
	require.Equal(t, ledger.Report{Done: 50}, <-second)
}

// What a plan panics with reaches the caller of the sweep, who may recover from it, and
// leaves nothing in the crew's hands.
func TestSweepWhosePlanPanics(t *testing.T) {
	store, crew := memory.New(), new(ledger.Crew)
	due(t, store, 30)
	options := ledger.SweepOptions{Kind: "task", Now: noon, Crew: crew}
	require.PanicsWithValue(t, "the shop's own", func() {
		_, _ = ledger.Sweep(context.Background(), store, options, func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error) {
			if _, _, err := read.Get(ctx, []storage.Key{doc.Key}); doc.Key.ID == "0007" || err != nil {
				panic("the shop's own")
			}
			return done(doc), nil
		})
	})
	report, err := ledger.Sweep(context.Background(), store, options, always)
	require.NoError(t, err)
	require.Equal(t, ledger.Report{Done: 30}, report)
}

// What a worker that failed has listed and left is old when the next one comes: what has
// changed since, and is due, is handled as it is by then.
func TestCrewWithOldLists(t *testing.T) {
	store, crew := memory.New(), new(ledger.Crew)
	due(t, store, 50)
	options := ledger.SweepOptions{Kind: "task", Now: noon, Batch: 10, Crew: crew}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := ledger.Sweep(ctx, store, options, func(context.Context, storage.Store, storage.Doc) (storage.Batch, error) {
		cancel()
		return storage.Batch{}, ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	page, err := store.List(context.Background(), storage.Query{Kind: "task", DueBefore: noon.UnixMicro() + 1})
	require.NoError(t, err)
	require.Len(t, page.Docs, 50)
	for _, doc := range page.Docs {
		require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{storage.Put(doc)}}))
	}
	report, err := ledger.Sweep(context.Background(), store, options, always)
	require.NoError(t, err)
	require.Equal(t, ledger.Report{Done: 50}, report)
}

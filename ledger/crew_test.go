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
	gets, each atomic.Int64
	answer     func(i int, err error) error // of a batch applied with others
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

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func Example_eventsToAMailer() {
	ctx, store, now := context.Background(), memory.New(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	emit := func(subject string, version int64, kind string) {
		put, err := ledger.Event{Subject: subject, Version: version, Kind: kind, At: now, Data: []byte(`{"friend":7}`)}.Put()
		if err == nil {
			err = store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}) // in a shop: in the batch it tells of
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	emit("referral/1", 1, "invited")
	emit("referral/1", 2, "rewarded")

	down := true
	mail := func(_ context.Context, e ledger.Event) error {
		if down {
			return errors.New("the mail server is down")
		}
		fmt.Println(e.Subject, e.Version, e.Kind, string(e.Data))
		return nil
	}
	report, err := ledger.Deliver(ctx, store, ledger.DeliverOptions{Now: now}, mail)
	fmt.Println(report.Done, report.Failed, report.Next.Sub(now), report.Faults[0].Message, err)
	down = false
	report, err = ledger.Deliver(ctx, store, ledger.DeliverOptions{Now: now.Add(time.Minute)}, mail)
	fmt.Println(report.Done, report.Failed, err)
	// Output:
	// 0 1 1m0s the mail server is down <nil>
	// referral/1 1 invited {"friend":7}
	// referral/1 2 rewarded {"friend":7}
	// 2 0 <nil>
}

func emit(t require.TestingT, store storage.Store, subject string, version int64, at time.Time) {
	put, err := ledger.Event{Subject: subject, Version: version, Kind: "step", At: at}.Put()
	require.NoError(t, err)
	require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{put}}))
}

func deliver(t require.TestingT, store storage.Store, now time.Time, fn func(context.Context, ledger.Event) error) ledger.Report {
	report, err := ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: now}, fn)
	require.NoError(t, err)
	return report
}

func TestEventGolden(t *testing.T) {
	put, err := ledger.Event{Subject: "referral/1", Version: 12, Kind: "rewarded", At: noon, Data: []byte(`{"coupon":"x"}`)}.Put()
	require.NoError(t, err)
	golden(t, "event.txt", fmt.Sprintf("put %s at %d, due %d, in %v\n%s\n", put.Key, put.Version, put.Due, put.Lists, put.Body))
}

func TestEventRefusesAndListsEveryFault(t *testing.T) {
	_, err := ledger.Event{Data: []byte("{")}.Put()
	require.ErrorIs(t, err, ledger.ErrInvalid)
	for _, fault := range []string{"subject", "version 0", "kind", "instant", "not JSON"} {
		assert.ErrorContains(t, err, fault)
	}
	for beyond := range 2 {
		_, err = ledger.Event{Subject: strings.Repeat("s", ledger.MaxSubject), Version: math.MaxInt64, Kind: strings.Repeat("k", ledger.MaxText+beyond), At: noon}.Put()
		assert.Equal(t, beyond == 0, err == nil, err)
	}
}

// An event written twice is refused: its document is there once and for all.
func TestEventIsWrittenOnce(t *testing.T) {
	store := audited(t)
	emit(t, store, "a", 1, noon)
	put, err := ledger.Event{Subject: "a", Version: 1, Kind: "other", At: noon}.Put()
	require.NoError(t, err)
	require.ErrorIs(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{put}}), storage.ErrConflict)
}

func TestDeliverWaitsForTheInstant(t *testing.T) {
	store := audited(t)
	emit(t, store, "a", 1, noon)
	emit(t, store, "a", 2, noon.Add(time.Hour))
	var got []int64
	take := func(_ context.Context, e ledger.Event) error { got = append(got, e.Version); return nil }
	assert.Equal(t, ledger.Report{Next: noon}, deliver(t, store, noon.Add(-time.Microsecond), take))
	assert.Equal(t, ledger.Report{Done: 1, Next: noon.Add(time.Hour)}, deliver(t, store, noon, take))
	assert.Equal(t, ledger.Report{Done: 1}, deliver(t, store, noon.Add(time.Hour), take))
	assert.Equal(t, []int64{1, 2}, got)
}

// A failing subject backs off alone, for longer each time, and loses nothing.
func TestDeliverBacksOffAlone(t *testing.T) {
	store := audited(t)
	for version := range int64(150) { // more than a page
		emit(t, store, "bad", version+1, noon.Add(-time.Hour))
	}
	emit(t, store, "good", 1, noon)
	broken := true
	var got []int64
	take := func(_ context.Context, e ledger.Event) error {
		if e.Subject == "bad" && broken {
			return errors.New("no such address\x00")
		}
		if e.Subject == "bad" {
			got = append(got, e.Version)
		}
		return nil
	}
	report := deliver(t, store, noon, take)
	assert.Equal(t, 1, report.Done)
	assert.Equal(t, 1, report.Failed)
	assert.Equal(t, "no such address", report.Faults[0].Message)
	assert.Equal(t, 0, report.Left, "those behind it wait with it")
	assert.Equal(t, noon.Add(time.Minute), report.Next)

	emit(t, store, "bad", 151, noon)
	report = deliver(t, store, noon.Add(30*time.Second), take)
	assert.Equal(t, 0, report.Done+report.Failed+report.Left)
	report = deliver(t, store, noon.Add(time.Minute), take)
	assert.Equal(t, noon.Add(3*time.Minute), report.Next)
	faults, next, err := ledger.OpenFaults(context.Background(), store, "", 0)
	require.NoError(t, err)
	assert.Empty(t, next)
	require.Len(t, faults, 1)
	assert.Equal(t, 2, faults[0].Attempts)

	broken = false
	report = deliver(t, store, noon.Add(3*time.Minute), take)
	assert.Equal(t, 151, report.Done)
	require.Len(t, got, 151)
	assert.True(t, slices.IsSorted(got))
	faults, _, err = ledger.OpenFaults(context.Background(), store, "", 0)
	require.NoError(t, err)
	assert.Empty(t, faults)
}

func TestDeliverStopsAtItsLimit(t *testing.T) {
	store := audited(t)
	for version := range int64(50) {
		emit(t, store, "a", version+1, noon)
	}
	count := 0
	take := func(context.Context, ledger.Event) error { count++; return nil }
	report, err := ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: noon, Limit: 10}, take)
	require.NoError(t, err)
	assert.Equal(t, 10, count)
	assert.Equal(t, ledger.Report{Done: 10, Left: 40, Next: noon}, report)
	_, err = ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: noon, Limit: 1}, take)
	require.NoError(t, err)
	assert.Equal(t, 11, count, "a limit of one is one event")
	deliver(t, store, noon, take)
	assert.Equal(t, 50, count)
}

func TestDeliverStopsAtItsLimitOfSubjects(t *testing.T) {
	store := audited(t)
	for i := range 50 {
		emit(t, store, fmt.Sprint("subject", i), 1, noon)
	}
	count := 0
	take := func(context.Context, ledger.Event) error { count++; return nil }
	_, err := ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: noon, Limit: 10}, take)
	require.NoError(t, err)
	assert.Positive(t, count)
	assert.LessOrEqual(t, count, 10)
}

// While one worker is at an event, another leaves its subject alone for as long
// as the lease says, and by default for a minute; what comes behind stays due.
func TestDeliverLeavesLeasedSubjectsAlone(t *testing.T) {
	for lease, lasts := range map[time.Duration]time.Duration{0: time.Minute, -1: time.Minute, time.Hour: time.Hour} {
		store := audited(t)
		emit(t, store, "a", 1, noon)
		emit(t, store, "a", 2, noon)
		second := storage.Key{Kind: "event", ID: fmt.Sprintf("a/%019d", 2)}
		var got []int64
		take := func(_ context.Context, e ledger.Event) error {
			if got = append(got, e.Version); e.Version == 2 {
				return nil
			}
			deliver(t, store, noon.Add(lasts-time.Microsecond), func(context.Context, ledger.Event) error {
				assert.Fail(t, "another worker took a leased subject")
				return nil
			})
			docs, _, err := store.Get(context.Background(), []storage.Key{second})
			require.NoError(t, err)
			require.Len(t, docs, 1)
			assert.Equal(t, noon.UnixMicro(), docs[0].Due)
			return nil
		}
		_, err := ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: noon, Lease: lease}, take)
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 2}, got)
	}
}

// When the next event changes in the moment in which the one before is dropped,
// dropping is tried again, and nothing is delivered twice.
// While one worker tries an event again that had failed, another must not take the lease
// for a new delay and put off what comes behind.
func TestDeliverLeavesWhatIsBehindASecondTry(t *testing.T) {
	store := audited(t)
	emit(t, store, "a", 1, noon)
	emit(t, store, "a", 2, noon)
	deliver(t, store, noon, func(context.Context, ledger.Event) error { return errors.New("no answer") })
	var got []int64
	again := noon.Add(time.Minute)
	report := deliver(t, store, again, func(_ context.Context, e ledger.Event) error {
		other := deliver(t, store, again, func(context.Context, ledger.Event) error {
			t.Error("another worker has the lease")
			return nil
		})
		assert.Zero(t, other.Done+other.Failed)
		got = append(got, e.Version)
		return nil
	})
	assert.Equal(t, ledger.Report{Done: 2}, report)
	assert.Equal(t, []int64{1, 2}, got)
}

func TestDeliverDropsThoughTheNextEventChanges(t *testing.T) {
	store := audited(t)
	emit(t, store, "a", 1, noon)
	emit(t, store, "a", 2, noon)
	between := &beforeDrop{Store: store, do: func() {
		tamper(t, store, storage.Key{Kind: "event", ID: fmt.Sprintf("a/%019d", 2)}, func(*storage.Put) {})
	}}
	var got []int64
	report := deliver(t, between, noon, func(_ context.Context, e ledger.Event) error { got = append(got, e.Version); return nil })
	assert.Equal(t, 2, report.Done)
	assert.Equal(t, []int64{1, 2}, got)
}

// beforeDrop does something before the first batch that drops a document.
type beforeDrop struct {
	storage.Store
	do func()
}

func (s *beforeDrop) Apply(ctx context.Context, b storage.Batch) error {
	if do := s.do; do != nil && len(b.Drops) > 0 {
		s.do = nil
		do()
	}
	return s.Store.Apply(ctx, b)
}

// A worker that dies holds its subject only as long as its lease.
func TestDeliverAfterAWorkerDied(t *testing.T) {
	store := audited(t)
	emit(t, store, "a", 1, noon)
	emit(t, store, "a", 2, noon)
	ctx, die := context.WithCancel(context.Background())
	_, err := ledger.Deliver(ctx, store, ledger.DeliverOptions{Now: noon, Lease: time.Minute}, func(context.Context, ledger.Event) error {
		die()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	var got []int64
	take := func(_ context.Context, e ledger.Event) error { got = append(got, e.Version); return nil }
	deliver(t, store, noon.Add(59*time.Second), take)
	assert.Empty(t, got, "the lease holds")
	deliver(t, store, noon.Add(2*time.Minute), take)
	assert.Equal(t, []int64{1, 2}, got)
}

// A worker whose lease has lapsed delivers no further event.
func TestDeliverSlowWorkerGivesWay(t *testing.T) {
	store := audited(t)
	for version := range int64(3) {
		emit(t, store, "a", version+1, noon)
	}
	var slow, quick []int64
	deliver(t, store, noon, func(_ context.Context, e ledger.Event) error {
		slow = append(slow, e.Version)
		deliver(t, store, noon.Add(time.Hour), func(_ context.Context, e ledger.Event) error {
			quick = append(quick, e.Version)
			return nil
		})
		return nil
	})
	assert.Equal(t, []int64{1}, slow)
	assert.Equal(t, []int64{1, 2, 3}, quick)
}

// delivered lets 4 workers deliver the events of 10 subjects in this way, with
// faults, and says whether each subject's events arrived in order and at least
// once.
func delivered(t *testing.T, work func(store storage.Store, now time.Time, fn func(context.Context, ledger.Event) error)) bool {
	store := audited(t)
	const subjects, events = 10, 20
	for i := range subjects * events {
		emit(t, store, fmt.Sprint("subject", i%subjects), int64(i/subjects+1), noon)
	}
	var mu sync.Mutex
	arrived := make(map[string][]int64)
	failed := make(map[string]bool)
	fn := func(_ context.Context, e ledger.Event) error {
		mu.Lock()
		defer mu.Unlock()
		id := fmt.Sprint(e.Subject, e.Version)
		if e.Version%7 == 0 && !failed[id] {
			failed[id] = true
			return errors.New("try again")
		}
		arrived[e.Subject] = append(arrived[e.Subject], e.Version)
		return nil
	}
	for round := range 5 {
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				work(store, noon.Add(time.Duration(round)*time.Hour), fn)
			}()
		}
		group.Wait()
	}
	right := len(arrived) == subjects
	for _, versions := range arrived {
		right = right && slices.IsSorted(versions) && len(slices.Compact(versions)) == events
	}
	return right
}

func TestDeliverByManyWorkersInOrder(t *testing.T) {
	assert.True(t, delivered(t, func(store storage.Store, now time.Time, fn func(context.Context, ledger.Event) error) {
		_, err := ledger.Deliver(context.Background(), store, ledger.DeliverOptions{Now: now, Lease: time.Hour}, fn)
		assert.NoError(t, err)
	}))
}

// Taking events as they are due and going on after a fault gets the order
// wrong, which proves that the test above looks at it.
func TestDeliverWithoutLeasesLosesTheOrder(t *testing.T) {
	assert.False(t, delivered(t, func(store storage.Store, now time.Time, fn func(context.Context, ledger.Event) error) {
		page, err := store.List(context.Background(), storage.Query{Kind: "event", DueBefore: now.UnixMicro() + 1, Limit: 1000})
		assert.NoError(t, err)
		for _, doc := range page.Docs {
			list := doc.Lists[0]
			e := ledger.Event{Subject: strings.TrimPrefix(list.List, "subject/"), Version: list.Place}
			if fn(context.Background(), e) == nil {
				_ = store.Apply(context.Background(), storage.Batch{Drops: []storage.Drop{{Key: doc.Key, Version: doc.Version}}})
			}
		}
	}))
}

func TestDeliverTellsTheStoresError(t *testing.T) {
	_, err := ledger.Deliver(context.Background(), &brokenStore{}, ledger.DeliverOptions{Now: noon}, nil)
	require.ErrorIs(t, err, errBroken)
}

// An event of a newer release is put off, not dropped.
func TestDeliverLeavesWhatItCannotRead(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	emit(t, store, "a", 1, noon)
	tamper(t, store, storage.Key{Kind: "event", ID: fmt.Sprintf("a/%019d", 1)}, func(p *storage.Put) {
		p.Body = []byte(strings.Replace(string(p.Body), `"format":1`, `"format":2`, 1))
	})
	report := deliver(t, store, noon, func(context.Context, ledger.Event) error { return nil })
	assert.Equal(t, 1, report.Failed)
	assert.Contains(t, report.Faults[0].Message, "newer release")
	page, err := store.List(ctx, storage.Query{Kind: "event"})
	require.NoError(t, err)
	require.Len(t, page.Docs, 1)
	assert.Contains(t, string(page.Docs[0].Body), `"format":2`)
}

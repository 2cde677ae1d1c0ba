package storage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/storetest"
)

// gate is a store that holds every Apply and ApplyEach until it is let through,
// and notes the groups.
type gate struct {
	*memory.Store
	arrived chan int // batches in the call that has arrived
	open    chan struct{}
	answer  func([]storage.Batch) []error // in the place of the store; nil: the store's
}

func newGate() *gate {
	return &gate{Store: memory.New(), arrived: make(chan int, 100), open: make(chan struct{}, 100)}
}

func (g *gate) Apply(ctx context.Context, b storage.Batch) error {
	g.arrived <- 1
	<-g.open
	return g.Store.Apply(ctx, b)
}

func (g *gate) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	g.arrived <- len(batches)
	<-g.open
	if g.answer != nil {
		return g.answer(batches)
	}
	return g.Store.ApplyEach(ctx, batches)
}

func putOnce(id string) storage.Batch {
	return storage.Batch{Puts: []storage.Put{{Key: storage.Key{Kind: "k", ID: id}, Body: []byte(`{}`)}}}
}

// waiting blocks until n batches wait in the group.
func waiting(group *storage.Group, n int) {
	for group.Waiting() != n {
		runtime.Gosched()
	}
}

// patient never starts a second group beside the first.
var patient = storage.GroupOptions{Patience: time.Hour}

func TestGroupedConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storage.Store {
		group := storage.Grouped(memory.New(), storage.GroupOptions{})
		t.Cleanup(func() { require.NoError(t, group.Close()) })
		return group
	}, storetest.Features{})
}

// TestGroupedCollects: the first goes alone, those that come meanwhile go together
// in the order in which they came, and a group holds no more than it may.
func TestGroupedCollects(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, storage.GroupOptions{Max: 3, Patience: time.Hour})
	var wg sync.WaitGroup
	var order []string
	g.answer = func(batches []storage.Batch) []error {
		for _, b := range batches {
			order = append(order, b.Puts[0].Key.ID)
		}
		return g.Store.ApplyEach(context.Background(), batches)
	}
	for i := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			require.NoError(t, group.Apply(t.Context(), putOnce(fmt.Sprint(i))))
		}()
		if i == 0 {
			require.Equal(t, 1, <-g.arrived)
		} else {
			waiting(group, i)
		}
	}
	g.open <- struct{}{}
	require.Equal(t, 3, <-g.arrived)
	g.open <- struct{}{}
	require.Equal(t, 2, <-g.arrived)
	g.open <- struct{}{}
	wg.Wait()
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, order)
	require.NoError(t, group.Close())
}

// TestGroupedAtOnce: where two groups may be under way, the second starts when as many
// batches wait as the first has, and the third when one of them has ended.
func TestGroupedAtOnce(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, storage.GroupOptions{AtOnce: 2, Patience: time.Hour})
	var wg sync.WaitGroup
	apply := func(id string) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			require.NoError(t, group.Apply(t.Context(), putOnce(id)))
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		group.ApplyEach(t.Context(), []storage.Batch{putOnce("a"), putOnce("b"), putOnce("c")})
	}()
	require.Equal(t, 3, <-g.arrived)
	apply("1")
	apply("2")
	waiting(group, 2)
	require.Empty(t, g.arrived, "fewer wait than are being applied")
	apply("3")
	require.Equal(t, 3, <-g.arrived)
	for i := range 7 {
		apply(fmt.Sprint(4 + i))
	}
	waiting(group, 7)
	require.Empty(t, g.arrived, "two are under way")
	g.open <- struct{}{}
	require.Equal(t, 7, <-g.arrived)
	close(g.open)
	wg.Wait()
	require.NoError(t, group.Close())
}

// twoAtOnce is a store that says how many groups it applies at once.
type twoAtOnce struct{ *gate }

func (twoAtOnce) GroupsAtOnce() int { return 2 }

// TestGroupedAsksTheStore: how many groups are applied at once is what the store says, seen
// through a prefix too, unless the options say it.
func TestGroupedAsksTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		store   func(*gate) storage.Grouper
		options storage.GroupOptions
		want    int
	}{
		"a store that says nothing": {func(g *gate) storage.Grouper { return g }, storage.GroupOptions{}, 1},
		"a store that says two":     {func(g *gate) storage.Grouper { return twoAtOnce{g} }, storage.GroupOptions{}, 2},
		"one under a prefix": {func(g *gate) storage.Grouper {
			return storage.Prefixed(twoAtOnce{g}, "shop/").(storage.Grouper)
		}, storage.GroupOptions{}, 2},
		"the options": {func(g *gate) storage.Grouper { return twoAtOnce{g} }, storage.GroupOptions{AtOnce: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			c.options.Patience = time.Hour
			group := storage.Grouped(c.store(g), c.options)
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					require.NoError(t, group.Apply(t.Context(), putOnce(fmt.Sprint(i))))
				}()
				if i == 0 || c.want == 2 {
					require.Equal(t, 1, <-g.arrived)
				}
			}
			waiting(group, 2-c.want)
			require.Empty(t, g.arrived)
			close(g.open)
			wg.Wait()
			require.NoError(t, group.Close())
		})
	}
}

// TestGroupedAnswersEachItsOwn: whatever the store says of a batch goes to who
// applied it.
func TestGroupedAnswersEachItsOwn(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, patient)
	g.answer = func(batches []storage.Batch) []error {
		var answers []error
		for _, b := range batches {
			answers = append(answers, fmt.Errorf("%w: %s", storage.ErrOutcomeUnknown, b.Puts[0].Key.ID))
		}
		return answers
	}
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = group.Apply(t.Context(), putOnce(fmt.Sprint(i)))
		}()
		if i == 0 {
			require.Equal(t, 1, <-g.arrived)
		}
	}
	waiting(group, 9)
	g.open <- struct{}{}
	g.open <- struct{}{}
	wg.Wait()
	require.NoError(t, errs[0])
	for i, err := range errs[1:] {
		require.ErrorIs(t, err, storage.ErrOutcomeUnknown)
		require.ErrorContains(t, err, ": "+fmt.Sprint(i+1))
	}
}

// TestGroupedCancelled: who waits and whose context ends has applied nothing; who
// is being applied does not know; and their neighbours are applied.
func TestGroupedCancelled(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, patient)
	answers := make(map[string]chan error)
	apply := func(ctx context.Context, id string) {
		answer := make(chan error, 1)
		answers[id] = answer
		go func() { answer <- group.Apply(ctx, putOnce(id)) }()
	}
	early, cancelEarly := context.WithCancel(t.Context())
	late, cancelLate := context.WithCancel(t.Context())
	apply(t.Context(), "alone")
	<-g.arrived
	apply(early, "waits")
	waiting(group, 1)
	apply(late, "is applied")
	waiting(group, 2)
	apply(t.Context(), "neighbour")
	waiting(group, 3)
	cancelEarly()
	err := <-answers["waits"]
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, storage.ErrOutcomeUnknown)
	g.open <- struct{}{}
	require.Equal(t, 2, <-g.arrived)
	cancelLate()
	err = <-answers["is applied"]
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, storage.ErrOutcomeUnknown)
	g.open <- struct{}{}
	require.NoError(t, <-answers["neighbour"])
	require.NoError(t, <-answers["alone"])
	docs, _, err := g.Get(t.Context(), []storage.Key{{Kind: "k", ID: "waits"}, {Kind: "k", ID: "is applied"}, {Kind: "k", ID: "neighbour"}})
	require.NoError(t, err)
	require.Len(t, docs, 2, "what was being applied is there, whatever became of its caller")
}

// TestGroupedContextEndsWithTheLast: a group that nobody waits for any more is
// given up.
func TestGroupedContextEndsWithTheLast(t *testing.T) {
	ended := make(chan struct{})
	g := &each{newGate(), func(ctx context.Context, batches []storage.Batch) []error {
		<-ctx.Done()
		close(ended)
		return slices.Repeat([]error{ctx.Err()}, len(batches))
	}}
	group := storage.Grouped(g, patient)
	first := make(chan error)
	go func() { first <- group.Apply(t.Context(), putOnce("alone")) }()
	<-g.arrived
	var answers []chan error
	var cancels []context.CancelFunc
	for i := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error)
		cancels, answers = append(cancels, cancel), append(answers, answer)
		go func() { answer <- group.Apply(ctx, putOnce(fmt.Sprint(i))) }()
	}
	waiting(group, 2)
	g.open <- struct{}{}
	require.NoError(t, <-first)
	waiting(group, 0)
	cancels[0]()
	require.ErrorIs(t, <-answers[0], context.Canceled)
	select {
	case <-ended:
		t.Fatal("the group was given up while somebody waited for it")
	default:
	}
	cancels[1]()
	<-ended
	require.ErrorIs(t, <-answers[1], context.Canceled)
	require.NoError(t, group.Close())
}

type each struct {
	*gate
	apply func(context.Context, []storage.Batch) []error
}

func (e *each) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	return e.apply(ctx, batches)
}

// TestGroupedIsNotHeldUp: when what is being applied takes longer than the patience,
// what waits starts beside it.
func TestGroupedIsNotHeldUp(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, storage.GroupOptions{Patience: time.Millisecond})
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 8 { // each waits for its turn, none for another
		wg.Add(1)
		go func() {
			defer wg.Done()
			require.NoError(t, group.Apply(t.Context(), putOnce(fmt.Sprint(i))))
			done.Add(1)
		}()
		<-g.arrived
	}
	require.Zero(t, done.Load())
	for range 8 {
		g.open <- struct{}{}
	}
	wg.Wait()
	require.NoError(t, group.Close())
}

// TestGroupedCloses: Close waits for what was taken in, and leaves no goroutine.
func TestGroupedCloses(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGate()
	group := storage.Grouped(g, patient)
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			require.NoError(t, group.Apply(context.Background(), putOnce(fmt.Sprint(i))))
		}()
		if i == 0 {
			<-g.arrived
		}
	}
	waiting(group, 4)
	closed := make(chan error)
	go func() { closed <- group.Close() }()
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	for !errors.Is(group.Apply(impatient, putOnce("late")), storage.ErrClosed) {
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Fatal("closed while batches were waiting")
	default:
	}
	g.open <- struct{}{}
	g.open <- struct{}{}
	require.NoError(t, <-closed)
	wg.Wait()
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
	require.NoError(t, group.Close(), "again")
}

// TestGroupedSharesNothing: a caller that left may use its memory again while the
// batch is still being applied.
func TestGroupedSharesNothing(t *testing.T) {
	g := newGate()
	group := storage.Grouped(g, patient)
	go group.Apply(context.Background(), putOnce("alone"))
	<-g.arrived
	ctx, cancel := context.WithCancel(t.Context())
	b := putOnce("left")
	b.Puts[0].Lists = []storage.Listing{{List: "l", Place: 1}}
	left := make(chan error)
	go func() { left <- group.Apply(ctx, b) }()
	waiting(group, 1)
	go group.Apply(context.Background(), putOnce("neighbour"))
	waiting(group, 2)
	g.open <- struct{}{}
	<-g.arrived
	cancel()
	require.ErrorIs(t, <-left, storage.ErrOutcomeUnknown)
	b.Puts[0].Key.ID, b.Puts[0].Lists[0].List, b.Puts[0].Body[0] = "other", "m", 'x'
	g.open <- struct{}{}
	require.NoError(t, group.Close())
	docs, _, err := g.Get(t.Context(), []storage.Key{{Kind: "k", ID: "left"}})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	require.Equal(t, "l", docs[0].Lists[0].List)
}

// TestGroupedEqualsSomeOrder: many callers at once, on few documents and counters:
// what they were answered and what is left is that of one after the other, in the
// order in which the store was given them.
func TestGroupedEqualsSomeOrder(t *testing.T) {
	for seed := range 20 {
		recorder := &recording{Store: memory.New()}
		group := storage.Grouped(recorder, storage.GroupOptions{Max: 5, Patience: time.Nanosecond * time.Duration(1+seed*1000000)})
		var wg sync.WaitGroup
		answers := make([]error, 40)
		for i := range answers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				b := putOnce(fmt.Sprint(i % 7))
				b.Puts[0].Version = int64(i % 3)
				b.Puts[0].Body = []byte(fmt.Sprintf(`{"by":%d}`, i))
				b.Adds = []storage.Add{{Counter: "c", Delta: int64(i%5 - 2), Min: -3, Max: 3}}
				answers[i] = group.Apply(t.Context(), b)
			}()
		}
		wg.Wait()
		require.NoError(t, group.Close())
		require.Len(t, recorder.order, len(answers))
		serial := memory.New()
		for _, b := range recorder.order {
			var i int
			_, err := fmt.Sscanf(string(b.Puts[0].Body), `{"by":%d}`, &i)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(serial.Apply(t.Context(), b)), fmt.Sprint(answers[i]))
		}
		want, err := serial.List(t.Context(), storage.Query{Kind: "k"})
		require.NoError(t, err)
		got, err := recorder.List(t.Context(), storage.Query{Kind: "k"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// recording is a store that notes in which order it applies batches.
type recording struct {
	*memory.Store
	mu    sync.Mutex
	order []storage.Batch
}

func (r *recording) Apply(ctx context.Context, b storage.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = append(r.order, b)
	return r.Store.Apply(ctx, b)
}

func (r *recording) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = append(r.order, slices.Clone(batches)...)
	return r.Store.ApplyEach(ctx, batches)
}

package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Grouper is a [Store] that can apply many batches at the price of one: in one
// transaction of its engine.
type Grouper interface {
	Store

	// ApplyEach gives the answers that one Apply after the other would give, in
	// the order of the batches: each is judged by itself, on what those before it
	// have written, and a refused one changes nothing for the others. Where the
	// engine could not say what was written, each batch that would have been has
	// ErrOutcomeUnknown.
	ApplyEach(ctx context.Context, batches []Batch) []error
}

// GroupOptions adjust [Grouped]. The zero value works.
type GroupOptions struct {
	// Max is how many batches are applied together at most. Default 256.
	Max int

	// AtOnce is how many groups are applied at once at most: another starts beside those
	// under way when as many batches wait as they have. By default what the store says with
	// a method GroupsAtOnce() int (two on PostgreSQL), otherwise one: more only splits
	// groups up where one transaction writes at a time.
	AtOnce int

	// Patience is after what time a group that is still being applied no longer
	// keeps the next from starting: it may wait for a lock that the next does not
	// need. At most 8 are under way at once. Default 20 ms.
	Patience time.Duration
}

// Group is a [Store] that applies the batches of concurrent callers together. Make
// it with [Grouped]. It is safe for concurrent use.
type Group struct {
	Store
	grouped Grouper
	options GroupOptions

	mu       sync.Mutex
	queue    []*groupCall
	active   int  // groups and lone batches being applied that keep others waiting
	applying int  // the batches they have
	late     int  // those that do no longer
	closed   bool // nothing more is taken in
	idle     *sync.Cond
}

// maxLate bounds how many groups are applied beside the one that others wait for.
const maxLate = 7

// Grouped is the store with group commit: a batch that comes while another is being
// applied waits for it, and is then applied with all that came meanwhile, by
// [Grouper.ApplyEach]. A batch that comes alone takes the direct way and costs
// nothing more. No goroutine and no timer is left when there is nothing to do.
//
// A caller whose context ends while its batch waits gets the context's error, and
// nothing was applied; once the batch is being applied, ErrOutcomeUnknown. Others
// are not affected.
//
// It is for batches outside a transaction of the caller's. It pays where many
// callers work at once, and most on a counter that all of them change.
func Grouped(store Grouper, options GroupOptions) *Group {
	if options.Max <= 0 {
		options.Max = 256
	}
	if options.AtOnce <= 0 {
		options.AtOnce = groupsAtOnce(store)
	}
	if options.Patience <= 0 {
		options.Patience = 20 * time.Millisecond
	}
	g := &Group{Store: store, grouped: store, options: options}
	g.idle = sync.NewCond(&g.mu)
	return g
}

// groupsAtOnce is how many groups a store says it applies at once.
func groupsAtOnce(store Grouper) int {
	if s, says := store.(interface{ GroupsAtOnce() int }); says {
		return max(1, s.GroupsAtOnce())
	}
	return 1
}

// groupCall is an Apply that waits to be done with others.
type groupCall struct {
	ctx    context.Context
	batch  Batch
	taken  bool // it is being applied
	answer chan error
}

// Apply applies the batch, alone or with others. See [Store.Apply] and [Grouped].
// It fails with ErrClosed after Close.
func (g *Group) Apply(ctx context.Context, b Batch) error {
	g.mu.Lock()
	switch {
	case g.closed:
		g.mu.Unlock()
		return ErrClosed
	case ctx.Err() != nil:
		g.mu.Unlock()
		return fmt.Errorf("storage: nothing was applied: %w", ctx.Err())
	case g.active == 0 && len(g.queue) == 0:
		done := g.begin(1)
		g.mu.Unlock()
		defer done()
		return g.grouped.Apply(ctx, b)
	}
	if ctx.Done() != nil {
		b = b.clone() // this call may return before the batch has been read
	}
	call := &groupCall{ctx: ctx, batch: b, answer: make(chan error, 1)}
	g.queue = append(g.queue, call)
	g.start()
	g.mu.Unlock()
	select {
	case err := <-call.answer:
		return err
	case <-ctx.Done():
		return g.leave(call)
	}
}

// ApplyEach applies batches that are together already, at once: those of others wait for
// them as for a group. See [Grouper.ApplyEach]. Each fails with ErrClosed after Close.
func (g *Group) ApplyEach(ctx context.Context, batches []Batch) []error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		answers := make([]error, len(batches))
		for i := range answers {
			answers[i] = ErrClosed
		}
		return answers
	}
	done := g.begin(len(batches))
	g.mu.Unlock()
	defer done()
	return g.grouped.ApplyEach(ctx, batches)
}

// leave answers a caller whose context has ended.
func (g *Group) leave(call *groupCall) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !call.taken {
		g.queue = slices.DeleteFunc(g.queue, func(c *groupCall) bool { return c == call })
		return fmt.Errorf("storage: nothing was applied: %w", call.ctx.Err())
	}
	select {
	case err := <-call.answer:
		return err
	default:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, call.ctx.Err())
	}
}

// begin counts so many batches that are being applied. Their end lets the next group
// start, and so does the end of patience. The caller has the lock.
func (g *Group) begin(batches int) (done func()) {
	g.active++
	g.applying += batches
	late := false
	timer := time.AfterFunc(g.options.Patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.active > 0 && g.late < maxLate && !late {
			late = true
			g.active--
			g.applying -= batches
			g.late++
			g.start()
		}
	})
	return func() {
		timer.Stop()
		g.mu.Lock()
		defer g.mu.Unlock()
		if late {
			g.late--
		} else {
			late = true // for a timer that is just about to fire
			g.active--
			g.applying -= batches
		}
		g.start()
		g.idle.Broadcast()
	}
}

// start starts a group of what waits, if it may. The caller has the lock.
func (g *Group) start() {
	if len(g.queue) == 0 || g.active > 0 && (g.active >= g.options.AtOnce || len(g.queue) < g.applying) {
		return
	}
	calls := g.queue[:min(len(g.queue), g.options.Max)]
	g.queue = slices.Clone(g.queue[len(calls):])
	for _, call := range calls {
		call.taken = true
	}
	done := g.begin(len(calls))
	go func() {
		defer done()
		g.apply(calls)
	}()
}

// apply applies a group and hands out the answers.
func (g *Group) apply(calls []*groupCall) {
	ctx, stop := lastOf(calls)
	defer stop()
	batches := make([]Batch, len(calls))
	for i, call := range calls {
		batches[i] = call.batch
	}
	for i, err := range g.grouped.ApplyEach(ctx, batches) {
		calls[i].answer <- err
	}
}

// lastOf is a context that ends when those of all calls have ended.
func lastOf(calls []*groupCall) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	if slices.ContainsFunc(calls, func(c *groupCall) bool { return c.ctx.Done() == nil }) {
		return ctx, cancel
	}
	var left atomic.Int64
	left.Store(int64(len(calls)))
	stops := make([]func() bool, len(calls))
	for i, call := range calls {
		stops[i] = context.AfterFunc(call.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// Waiting is how many batches wait for others to be applied.
func (g *Group) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue)
}

// Close waits until everything that was taken in is applied and answered. It does
// not close the store.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for g.active+g.late+len(g.queue) > 0 {
		g.idle.Wait()
	}
	return nil
}

// clone is the batch, sharing nothing that its maker may change.
func (b Batch) clone() Batch {
	b = Batch{slices.Clone(b.Checks), slices.Clone(b.Puts), slices.Clone(b.Drops), slices.Clone(b.Adds)}
	for i := range b.Puts {
		p := &b.Puts[i]
		p.Lists, p.Body = slices.Clone(p.Lists), bytes.Clone(p.Body)
	}
	return b
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// DeliverOptions says what a delivery works on.
type DeliverOptions struct {
	Now   time.Time     // events of this instant or before are delivered
	Lease time.Duration // how long one event may take before another worker delivers it again; default 1 minute
	Limit int           // events looked at in this call; default 1,000
}

// Deliver hands waiting events to fn and drops those it takes without an error.
// The events of one subject come one after the other, in the order of their
// versions; subjects do not wait for one another. Any number of workers may
// deliver at once, in any number of processes.
//
// Every event is delivered at least once: again when a worker died, when fn
// took longer than the lease, or when the store could not be told that it was
// done. Tell repetitions by Subject and Version.
//
// When fn fails, the event is put off by a minute and then twice as long each
// time, up to a day, and with it the later ones of its subject; the fault is on
// record (see [OpenFaults]).
//
// The error is one of the store or the context.
func Deliver(ctx context.Context, store storage.Store, o DeliverOptions, fn func(context.Context, Event) error) (Report, error) {
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.Limit <= 0 {
		o.Limit = 1000
	}
	d := delivery{store: store, options: o, fn: fn, begun: time.Now(), left: o.Limit, seen: make(map[string]int64)}
	var after storage.Cursor
	for d.left > 0 {
		page, err := store.List(ctx, storage.Query{
			Kind: eventKind, DueBefore: o.Now.UnixMicro() + 1, After: after, Limit: min(d.left, storage.PageSize),
		})
		if err == nil {
			err = d.page(ctx, page.Docs)
		}
		if err != nil {
			return d.report, fmt.Errorf("ledger: delivery: %w", err)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	err := d.report.look(ctx, store, eventKind, o.Now)
	return d.report, err
}

// delivery leases a subject by moving the due instant of its first event, which
// is the only one that may be delivered: while it lies ahead, others leave the
// subject alone. The lease passes to the next event in the batch that drops the
// one before, so nobody gets in between.
type delivery struct {
	store   storage.Store
	options DeliverOptions
	fn      func(context.Context, Event) error
	begun   time.Time // by this machine's clock, to tell how long the call has taken
	left    int
	seen    map[string]int64 // the list of each subject met, and the instant it is put off to; 0: it is not
	report  Report
}

func (d *delivery) page(ctx context.Context, docs []storage.Doc) error {
	if len(docs) == 0 {
		return nil
	}
	start := rand.IntN(len(docs))
	for _, doc := range slices.Concat(docs[start:], docs[:start]) {
		if d.left--; d.left < 0 {
			return nil
		}
		if len(doc.Lists) == 0 {
			continue // not written by Put, which the audit reports
		}
		list := doc.Lists[0].List
		if _, seen := d.seen[list]; !seen {
			d.seen[list] = 0
			if err := d.subject(ctx, list); err != nil {
				return err
			}
		}
		if until := d.seen[list]; until > 0 {
			if err := d.putOffBehind(ctx, doc, until); err != nil {
				return err
			}
		}
	}
	return nil
}

// subject delivers the events of the subject whose list this is.
func (d *delivery) subject(ctx context.Context, list string) error {
	head, err := d.first(ctx, list, 0)
	if err != nil || head == nil {
		return err
	}
	faults, err := readFaults(ctx, d.store, []storage.Doc{*head})
	if err != nil {
		return err
	}
	fault := faults[head.Key]
	if head.Due > d.now() {
		if fault.Value.Attempts > 0 && head.Due == fault.Value.Until { // and not the end of a lease
			d.seen[list] = head.Due
		}
		return nil // another worker is at it, or it lies ahead
	}
	leased, err := d.apply(ctx, storage.Batch{Puts: []storage.Put{d.lease(*head)}})
	head.Version++
	for ; leased && err == nil; fault = (faultRecord{}) {
		if err := d.deliver(ctx, *head); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return d.putOff(ctx, *head, fault, err)
		}
		head, leased, err = d.drop(ctx, *head, fault)
		leased = leased && head != nil
	}
	return err
}

func (d *delivery) deliver(ctx context.Context, doc storage.Doc) error {
	record, err := eventCodec.Decode(doc)
	if err != nil {
		return err
	}
	return d.fn(ctx, record.Value.event())
}

// drop removes a delivered event and takes the lease of the next one, if that is
// due. Not done: the lease has lapsed, and another worker has taken over.
func (d *delivery) drop(ctx context.Context, doc storage.Doc, fault faultRecord) (next *storage.Doc, done bool, err error) {
	batch := storage.Batch{Drops: []storage.Drop{{Key: doc.Key, Version: doc.Version}}}
	if fault.Version > 0 { // its id follows from the event's, which is never made again
		batch.Drops = append(batch.Drops, storage.Drop{Key: fault.Key, Version: fault.Version})
	}
	for range applyAttempts { // the next one may change under us: somebody found it due
		next, err = d.first(ctx, doc.Lists[0].List, doc.Lists[0].Place+1)
		if err != nil {
			return nil, false, err
		}
		if next != nil && (next.Due > d.now() || d.left <= 0) {
			next = nil
		}
		batch.Puts = nil
		if next != nil {
			batch.Puts = []storage.Put{d.lease(*next)}
			next.Version++
		}
		if done, err = d.apply(ctx, batch); done || err != nil {
			break
		}
	}
	if done {
		d.report.Done++
		d.left--
	}
	return next, done, err
}

func (d *delivery) first(ctx context.Context, list string, from int64) (*storage.Doc, error) {
	page, err := d.store.List(ctx, storage.Query{Kind: eventKind, List: list, From: from, Limit: 1})
	if err != nil || len(page.Docs) == 0 {
		return nil, err
	}
	return &page.Docs[0], nil
}

func (d *delivery) now() int64 { return d.options.Now.UnixMicro() }

func (d *delivery) lease(doc storage.Doc) storage.Put {
	leased := storage.Put(doc)
	leased.Due = d.options.Now.Add(time.Since(d.begun)).Add(d.options.Lease).UnixMicro()
	return leased
}

func (d *delivery) putOff(ctx context.Context, doc storage.Doc, fault faultRecord, cause error) error {
	fault = fault.next(doc.Key, d.options.Now, cause)
	put, err := fault.put()
	if err != nil {
		return err
	}
	later := storage.Put(doc)
	later.Due = fault.Value.Until
	done, err := d.apply(ctx, storage.Batch{Puts: []storage.Put{later, put}})
	if done {
		d.seen[doc.Lists[0].List] = later.Due
		d.report.fail(fault.Value.fault())
	}
	return err
}

// putOffBehind moves an event that was due behind the one that is put off, so
// that the events of a failing subject do not fill every page. That one itself
// has changed since the page was read.
func (d *delivery) putOffBehind(ctx context.Context, doc storage.Doc, until int64) error {
	later := storage.Put(doc)
	later.Due = until
	_, err := d.apply(ctx, storage.Batch{Puts: []storage.Put{later}})
	return err
}

// apply says whether the batch was applied; a conflict is no error.
func (d *delivery) apply(ctx context.Context, b storage.Batch) (bool, error) {
	err := d.store.Apply(ctx, b)
	if errors.Is(err, storage.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

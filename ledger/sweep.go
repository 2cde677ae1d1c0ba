package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// SweepOptions says what a sweep works on.
type SweepOptions struct {
	Kind  string    // of the documents
	Now   time.Time // documents due at this instant or before are handled
	Limit int       // documents looked at in this call; default 1,000
	Batch int       // documents whose batches are applied together; default 20
}

// Report says what a sweep or a delivery did.
type Report struct {
	Done   int       // documents handled
	Failed int       // documents that failed and are put off
	Left   int       // documents still due at the end, counted up to 100; other workers may be at them
	Next   time.Time // when the next document is due; zero when none ever is
	Faults []Fault   // why the failed ones failed, at most 100 of them
}

const maxFaults = 100

// Plus is both reports as one: the counts added, the earlier Next.
func (r Report) Plus(other Report) Report {
	r.Done, r.Failed, r.Left = r.Done+other.Done, r.Failed+other.Failed, r.Left+other.Left
	if r.Next.IsZero() || (!other.Next.IsZero() && other.Next.Before(r.Next)) {
		r.Next = other.Next
	}
	faults := slices.Concat(r.Faults, other.Faults)
	r.Faults = faults[:min(len(faults), maxFaults)]
	return r
}

func (r *Report) fail(f Fault) {
	r.Failed++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Sweep handles the documents of a kind that are due: those that lapse, mature
// or time out. plan decides what becomes of one; its batch must put or drop that
// document at the version given, which is what keeps two workers from handling
// it twice. Any number of workers may sweep at once, in any number of processes.
//
// A worker goes through pages of due documents from a random place in each, and
// applies the batches of several documents together. A group that is refused is
// halved; a document refused alone is planned again as it is by then.
//
// A document whose plan fails, or is refused each time, is put off: only its due
// instant moves, by a minute and then twice as long each time up to a day; the
// fault is kept in a document of its own, until the document succeeds (see
// [OpenFaults]). It delays no other.
//
// The error is one of the store or the context; what the report says happened
// has happened even then.
func Sweep(ctx context.Context, store storage.Store, o SweepOptions,
	plan func(context.Context, storage.Doc) (storage.Batch, error),
) (Report, error) {
	if !isInstant(o.Now) {
		return Report{}, fmt.Errorf("%w: the instant %s of a sweep is not between 1970 and 9999", ErrInvalid, o.Now)
	}
	if o.Limit <= 0 {
		o.Limit = 1000
	}
	if o.Batch <= 0 {
		o.Batch = 20
	}
	s := sweep{store: store, options: o, plan: plan, seen: make(map[string]struct{})}
	var after storage.Cursor
	for left := o.Limit; left > 0; {
		page, err := store.List(ctx, storage.Query{
			Kind: o.Kind, DueBefore: o.Now.UnixMicro() + 1, After: after, Limit: min(left, storage.PageSize),
		})
		if err == nil {
			err = s.page(ctx, page.Docs)
		}
		if err != nil {
			return s.report, fmt.Errorf("ledger: sweep of %s: %w", o.Kind, err)
		}
		left -= len(page.Docs)
		if after = page.Next; after == "" {
			break
		}
	}
	err := s.report.look(ctx, store, o.Kind, o.Now)
	return s.report, err
}

// look fills in what is left and what comes next.
func (r *Report) look(ctx context.Context, store storage.Store, kind string, now time.Time) error {
	page, err := store.List(ctx, storage.Query{Kind: kind, DueBefore: math.MaxInt64})
	if err != nil {
		return err
	}
	for i, doc := range page.Docs {
		if i == 0 {
			r.Next = time.UnixMicro(doc.Due).UTC()
		}
		if doc.Due <= now.UnixMicro() {
			r.Left++
		}
	}
	return nil
}

type sweep struct {
	store   storage.Store
	options SweepOptions
	plan    func(context.Context, storage.Doc) (storage.Batch, error)
	seen    map[string]struct{} // ids; a document that is due again at once waits for the next sweep
	report  Report
}

// sweepItem is a document and what has been decided about it.
type sweepItem struct {
	doc   storage.Doc
	fault faultRecord // its faults so far
	batch storage.Batch
}

func (s *sweep) page(ctx context.Context, docs []storage.Doc) error {
	docs = slices.DeleteFunc(docs, func(doc storage.Doc) bool {
		_, again := s.seen[doc.Key.ID]
		s.seen[doc.Key.ID] = struct{}{}
		return again
	})
	if len(docs) == 0 {
		return nil
	}
	start := rand.IntN(len(docs))
	docs = slices.Concat(docs[start:], docs[:start])
	faults, err := readFaults(ctx, s.store, docs)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(docs, s.options.Batch) {
		var items []sweepItem
		for _, doc := range group {
			item := sweepItem{doc: doc, fault: faults[doc.Key]}
			switch ok, err := s.decide(ctx, &item); {
			case err != nil:
				return err
			case ok:
				items = append(items, item)
			}
		}
		if err := s.apply(ctx, items); err != nil {
			return err
		}
	}
	return nil
}

// decide asks the plan. Not ok: the item failed and has been put off.
func (s *sweep) decide(ctx context.Context, item *sweepItem) (ok bool, err error) {
	batch, err := s.plan(ctx, item.doc)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err == nil && !writes(batch, item.doc) {
		err = errors.New("ledger: the plan leaves the document as it is: put or drop it at its version")
	}
	if err != nil {
		return false, s.putOff(ctx, *item, err)
	}
	if item.fault.Value.Attempts > 0 {
		put, err := item.fault.resolved()
		if err != nil {
			return false, err
		}
		batch.Puts = append(slices.Clip(batch.Puts), put)
	}
	item.batch = batch
	return true, nil
}

func writes(b storage.Batch, doc storage.Doc) bool {
	return slices.ContainsFunc(b.Puts, func(p storage.Put) bool { return p.Key == doc.Key && p.Version == doc.Version }) ||
		slices.ContainsFunc(b.Drops, func(d storage.Drop) bool { return d.Key == doc.Key && d.Version == doc.Version })
}

// apply writes the items together, or each half on its own when it is refused.
func (s *sweep) apply(ctx context.Context, items []sweepItem) error {
	if len(items) == 0 {
		return nil
	}
	err := s.write(ctx, items)
	switch {
	case err == nil:
		s.report.Done += len(items)
		return nil
	case !refused(err) && !errors.Is(err, storage.ErrInvalid):
		return err
	case len(items) == 1:
		return s.again(ctx, items[0], err)
	}
	half := len(items) / 2
	if err := s.apply(ctx, items[:half]); err != nil {
		return err
	}
	return s.apply(ctx, items[half:])
}

func (s *sweep) write(ctx context.Context, items []sweepItem) error {
	batches := make([]storage.Batch, len(items))
	for i, item := range items {
		batches[i] = item.batch
	}
	joined, err := storage.Join(batches...)
	if err != nil {
		return err
	}
	return s.store.Apply(ctx, joined)
}

// again is for an item that was refused alone: somebody else handled it, or what
// its plan rests on has changed.
func (s *sweep) again(ctx context.Context, item sweepItem, refusal error) error {
	for range applyAttempts {
		docs, _, err := s.store.Get(ctx, []storage.Key{item.doc.Key})
		if err != nil {
			return err
		}
		if len(docs) == 0 || docs[0].Version != item.doc.Version {
			return nil
		}
		if ok, err := s.decide(ctx, &item); err != nil || !ok {
			return err
		}
		switch refusal = s.write(ctx, []sweepItem{item}); {
		case refusal == nil:
			s.report.Done++
			return nil
		case errors.Is(refusal, storage.ErrInvalid):
			return s.putOff(ctx, item, refusal)
		case !refused(refusal):
			return refusal
		}
	}
	return s.putOff(ctx, item, refusal)
}

// putOff moves the item's due instant and records why, unless the item has
// changed meanwhile.
func (s *sweep) putOff(ctx context.Context, item sweepItem, cause error) error {
	fault := item.fault.next(item.doc.Key, s.options.Now, cause)
	put, err := fault.put()
	if err != nil {
		return err
	}
	later := storage.Put(item.doc)
	later.Due = fault.Value.Until
	err = s.store.Apply(ctx, storage.Batch{Puts: []storage.Put{later, put}})
	switch {
	case err == nil:
		s.report.fail(fault.Value.fault())
	case errors.Is(err, storage.ErrConflict):
		return nil
	}
	return err
}

package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// SweepOptions says what a sweep works on.
type SweepOptions struct {
	Kind  string    // of the documents
	Now   time.Time // documents due at this instant or before are handled
	Limit int       // documents looked at in this call; default 1,000
	Batch int       // about how many documents are handled together; default 100
	Crew  *Crew     // the workers that share the documents out among themselves; default: this one alone

	// Reads names documents that the plan of one will ask for, as far as that can be told
	// beforehand: those of a group are read in one call. nil: none is known. It is called
	// from the goroutine of the sweep, before the plan and each time it plans anew.
	Reads func(doc storage.Doc) []storage.Key
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

// SweepPlan decides what becomes of one document that is due; its batch must put or
// drop that document at the version given, which is what keeps two workers from
// handling it twice. It reads from the store that it is given, and only from its own
// goroutine: what the plans of several documents want to know is read in one call.
// They run in turns, never at the same time.
type SweepPlan func(ctx context.Context, read storage.Store, doc storage.Doc) (storage.Batch, error)

// Sweep handles the documents of a kind that are due. Any number of workers may sweep
// at once, in any number of processes.
//
// A worker goes through pages of due documents in groups, from a place of its own, and
// plans and writes the documents of a group together: where the store is a
// [storage.Grouper], each judged by itself, elsewhere in one batch, which is halved
// when it is refused. What was refused is planned again as it is by then.
//
// A document whose plan fails, or is refused each time, is put off: only its due
// instant moves, by a minute and then twice as long each time up to a day; the
// fault is kept in a document of its own, until the document succeeds (see
// [OpenFaults]). It delays no other.
//
// The error is one of the store or the context; what the report says happened
// has happened even then.
func Sweep(ctx context.Context, store storage.Store, o SweepOptions, plan SweepPlan) (Report, error) {
	if !isInstant(o.Now) {
		return Report{}, fmt.Errorf("%w: the instant %s of a sweep is not between 1970 and 9999", ErrInvalid, o.Now)
	}
	if o.Limit <= 0 {
		o.Limit = 1000
	}
	if o.Batch <= 0 {
		o.Batch = storage.PageSize
	}
	if o.Crew == nil {
		o.Crew = new(Crew)
	}
	s := sweep{store: store, options: o, plan: plan, seen: make(map[string]struct{})}
	err := s.run(ctx)
	if err != nil {
		return s.report, fmt.Errorf("ledger: sweep of %s: %w", o.Kind, err)
	}
	err = s.report.look(ctx, store, o.Kind, o.Now)
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
	plan    SweepPlan
	seen    map[string]struct{} // ids; a document that is due again at once waits for the next sweep
	after   storage.Cursor
	ended   bool          // there is nothing after that
	looked  int           // at documents
	written []storage.Doc // of the group in hand
	report  Report
}

// sweepItem is a document and what has been decided about it.
type sweepItem struct {
	doc     storage.Doc
	fault   faultRecord // its faults so far
	batch   storage.Batch
	planned error // why it can't be decided
	refusal error // why it was not written
}

// run handles one group after the other.
func (s *sweep) run(ctx context.Context) error {
	for s.looked < s.options.Limit {
		group, err := s.options.Crew.next(ctx, s)
		if err != nil || group == nil {
			return err
		}
		if err := s.take(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// take handles a group that the crew has given, and lets go of it, whatever comes of it.
func (s *sweep) take(ctx context.Context, group []storage.Doc) error {
	s.written = s.written[:0]
	defer func() { s.options.Crew.done(s.options.Kind, group, s.written) }()
	return s.group(ctx, group)
}

// list is the next page of what is due.
func (s *sweep) list(ctx context.Context) ([]storage.Doc, error) {
	page, err := s.store.List(ctx, storage.Query{
		Kind: s.options.Kind, DueBefore: s.options.Now.UnixMicro() + 1, After: s.after, Limit: min(s.options.Limit-s.looked, storage.MaxPage),
	})
	if s.after = page.Next; s.after == "" {
		s.ended = true
	}
	return page.Docs, err
}

// group handles documents together; those that were refused together again, and then
// each alone.
func (s *sweep) group(ctx context.Context, docs []storage.Doc) error {
	for attempt := range 2 {
		items, before, err := s.current(ctx, docs, attempt == 0 && !s.options.Crew.isWary(s.options.Kind))
		if err == nil {
			items, err = s.decide(ctx, items, before)
		}
		if err == nil {
			items, err = s.apply(ctx, items)
		}
		if err != nil {
			return err
		}
		if attempt == 0 && slices.ContainsFunc(items, func(item sweepItem) bool { return errors.Is(item.refusal, storage.ErrConflict) }) {
			s.meet()
		}
		docs = docs[:0:0]
		for _, item := range items {
			docs = append(docs, item.doc)
		}
	}
	for _, doc := range docs {
		if err := s.alone(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

// current are the documents that have not changed since they were listed, as far as that
// is not taken for granted, and their faults so far; and what their plans are about to read.
func (s *sweep) current(ctx context.Context, docs []storage.Doc, fresh bool) ([]sweepItem, fetched, error) {
	if !fresh {
		var err error
		if docs, err = s.unchanged(ctx, docs); err != nil {
			return nil, nil, err
		}
	}
	keys := make([]storage.Key, 0, len(docs))
	for _, doc := range docs {
		keys = append(keys, faultKey(doc.Key))
	}
	if s.options.Reads != nil {
		for _, doc := range docs {
			keys = append(keys, s.options.Reads(doc)...)
		}
	}
	found, _, err := readOnce(ctx, s.store, slices.Clone(keys), nil)
	if err != nil && len(docs) < len(keys) { // what can't be read for one plan must not put off the others
		found, _, err = readOnce(ctx, s.store, keys[:len(docs)], nil)
	}
	if err != nil {
		return nil, nil, err
	}
	items := make([]sweepItem, len(docs))
	for i, doc := range docs {
		items[i].doc = doc
		if fault := found[faultKey(doc.Key)]; fault != nil {
			record, err := faultCodec.Decode(*fault)
			if err != nil {
				return nil, nil, err
			}
			items[i].fault = faultRecord{record}
		}
	}
	return items, found, nil
}

// unchanged are the documents that are still as they were listed. Where most are not,
// others have been through them: then it is listed anew what there is.
func (s *sweep) unchanged(ctx context.Context, docs []storage.Doc) ([]storage.Doc, error) {
	keys := make([]storage.Key, len(docs))
	for i, doc := range docs {
		keys[i] = doc.Key
	}
	found, _, err := readOnce(ctx, s.store, keys, nil)
	if err != nil {
		return nil, err
	}
	var same []storage.Doc
	for _, doc := range docs {
		if now := found[doc.Key]; now != nil && now.Version == doc.Version {
			same = append(same, doc)
		} else {
			delete(s.seen, doc.Key.ID) // as it is now it was not
		}
	}
	if len(docs) > 1 && 2*len(same) < len(docs) {
		s.meet()
	}
	return same, nil
}

// meet has the crew go on elsewhere, by what is due now.
func (s *sweep) meet() {
	s.options.Crew.met(s.options.Kind)
	s.after, s.ended = "", false
}

// decide asks the plan for all of some items, and puts off those that fail.
func (s *sweep) decide(ctx context.Context, items []sweepItem, before fetched) ([]sweepItem, error) {
	together(ctx, s.store, before, len(items), func(read storage.Store, i int) {
		item := &items[i]
		if item.batch, item.planned = s.plan(ctx, read, item.doc); item.planned == nil {
			item.planned = item.complete()
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	decided := items[:0]
	for _, item := range items {
		if item.planned == nil {
			decided = append(decided, item)
		} else if err := s.putOff(ctx, item, item.planned); err != nil {
			return nil, err
		}
	}
	return decided, nil
}

// complete adds to what was decided that a fault is resolved.
func (item *sweepItem) complete() error {
	if !writes(item.batch, item.doc) {
		return errors.New("ledger: the plan leaves the document as it is: put or drop it at its version")
	}
	if item.fault.Value.Attempts == 0 {
		return nil
	}
	put, err := item.fault.resolved()
	item.batch.Puts = append(slices.Clip(item.batch.Puts), put)
	return err
}

func writes(b storage.Batch, doc storage.Doc) bool {
	return slices.ContainsFunc(b.Puts, func(p storage.Put) bool { return p.Key == doc.Key && p.Version == doc.Version }) ||
		slices.ContainsFunc(b.Drops, func(d storage.Drop) bool { return d.Key == doc.Key && d.Version == doc.Version })
}

// apply writes the items together, and gives those that were refused.
func (s *sweep) apply(ctx context.Context, items []sweepItem) (again []sweepItem, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	if grouper, ok := s.store.(storage.Grouper); ok {
		batches := make([]storage.Batch, len(items))
		for i := range items {
			batches[i] = items[i].batch
		}
		var failed error
		for i, err := range grouper.ApplyEach(ctx, batches) {
			if items[i].refusal = err; err == nil {
				s.wrote(items[i : i+1])
			} else if again = append(again, items[i]); !judged(err) {
				failed = cmp.Or(failed, err)
			}
		}
		return again, failed
	}
	switch err := s.join(ctx, items); {
	case err == nil:
		s.wrote(items)
		return nil, nil
	case !judged(err):
		return nil, err
	case len(items) == 1:
		items[0].refusal = err
		return items, nil
	}
	half := len(items) / 2
	if again, err = s.apply(ctx, items[:half]); err != nil {
		return again, err
	}
	more, err := s.apply(ctx, items[half:])
	return append(again, more...), err
}

func (s *sweep) wrote(items []sweepItem) {
	s.report.Done += len(items)
	for i := range items {
		s.written = append(s.written, items[i].doc)
	}
}

// judged says that a batch was refused, for what it says or for what there is.
func judged(err error) bool { return refused(err) || errors.Is(err, storage.ErrInvalid) }

// join writes items in one batch.
func (s *sweep) join(ctx context.Context, items []sweepItem) error {
	batches := make([]storage.Batch, len(items))
	for i := range items {
		batches[i] = items[i].batch
	}
	joined, err := storage.Join(batches...)
	if err != nil {
		return err
	}
	return s.store.Apply(ctx, joined)
}

// alone handles a document that was refused with others: somebody else handled it, or
// what its plan rests on has changed.
func (s *sweep) alone(ctx context.Context, doc storage.Doc) error {
	var refusal sweepItem
	for range applyAttempts {
		items, before, err := s.current(ctx, []storage.Doc{doc}, false)
		if err == nil {
			items, err = s.decide(ctx, items, before)
		}
		if err == nil {
			items, err = s.apply(ctx, items)
		}
		if err != nil || len(items) == 0 {
			return err
		}
		refusal = items[0]
		if errors.Is(refusal.refusal, storage.ErrInvalid) {
			break
		}
	}
	return s.putOff(ctx, refusal, refusal.refusal)
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

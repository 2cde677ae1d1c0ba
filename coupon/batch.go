package coupon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// BatchRequest asks for many coupons of one offer, each with a made code of its own,
// which anyone who knows the code may use. How often is up to the offer's limits:
// without one per coupon, a code can be used without end.
type BatchRequest struct {
	ID      string // the idempotency key, shared with [Service.Issue]; the coupons' ids begin with it; at most 80 bytes
	Offer   string
	Version int    // 0: the latest when the batch begins
	Count   int    // 1 to what [Options].Guessing leaves
	Actor   string // who asks: a member of staff, or empty for a program
}

// Batch is how far a batch has got.
type Batch struct {
	ID      string
	Offer   string
	Version int
	Count   int       // of coupons asked for
	Made    int       // of coupons made so far; those numbered 1 to Made exist
	Issued  time.Time // when the batch began: all its coupons are issued then, however long it takes
	Expires time.Time // when all its coupons expire; zero: never
}

// batchBody is what the document of a batch keeps.
type batchBody struct {
	Offer   string `json:"offer"`
	Version int    `json:"version"`
	Count   int    `json:"count"`
	Made    int    `json:"made"`
	Issued  int64  `json:"issued"`
	Expires int64  `json:"expires"`
}

var batches = storage.NewCodec[batchBody](1)

const (
	kindBatch    = "batch"
	listLive     = "live" // the batches whose codes are out, at their expiry
	maxBatchStep = 400    // coupons made in one Apply
	stepsAtOnce  = 8      // Applies given to a storage.Grouper together
)

func batchKey(id string) storage.Key { return storage.Key{Kind: kindBatch, ID: id} }

func (b *batchBody) batch(id string) Batch {
	return Batch{id, b.Offer, b.Version, b.Count, b.Made, instant(b.Issued), instant(b.Expires)}
}

func putBatch(r storage.Record[batchBody]) (storage.Put, error) {
	place := r.Value.Expires
	if place == 0 {
		place = math.MaxInt64
	}
	return batches.Put(r, 0, storage.Listing{List: listLive, Place: place})
}

// IssueBatch makes the coupons of a batch, some hundred in each Apply, and remembers
// after each how far it got; some thousand in one transaction on a store that is a
// [storage.Grouper]. Where it was stopped, by an error, the context or a
// crash, asking again for the same goes on; asked again when all are made, it
// answers the same. Several workers may ask at once: together they make as many as
// were asked for. The codes are read with [Service.Codes].
//
// It fails with a [*Faults] when the request is not valid, with [ErrCodeSpace] when
// the codes of batches that are out would be so many that guessing one gets too
// likely, with [ErrNoOffer], with a [*Refusal] when the offer is paused or over, and
// with [ErrKeyReused] when the id was used for something else. The Batch beside an
// error says what was made before it.
func (s *Service) IssueBatch(ctx context.Context, request BatchRequest, now time.Time) (Batch, error) {
	if err := request.validate(now, &s.codes); err != nil {
		return Batch{}, err
	}
	fingerprint, err := ledger.Fingerprint(request)
	if err != nil {
		return Batch{}, err
	}
	b, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[Batch], error) {
		return s.planBatch(ctx, request, fingerprint, now)
	})
	for err == nil && b.Made < b.Count {
		var more Batch
		if more, err = s.extendFar(ctx, b, now); err == nil && more.Made == b.Made {
			more, err = s.extend(ctx, b, now)
		}
		if more.Made > b.Made {
			b = more
		}
	}
	return b, err
}

func (r *BatchRequest) validate(now time.Time, keys *codeKeys) error {
	faults := &Faults{Kind: ErrRequest}
	keys.check(faults)
	faults.issueID("id", r.ID)
	faults.id("offer", r.Offer, false)
	faults.id("actor", r.Actor, true)
	faults.instant("now", now)
	if r.Version < 0 {
		faults.add("version", "is %d, want 0 for the latest or a published one", r.Version)
	}
	if r.Count < 1 {
		faults.add("count", "is %d, want at least 1", r.Count)
	}
	return faults.orNil()
}

// planBatch begins a batch, or finds it begun. The document of an issue beside it
// keeps its id from being used for another.
func (s *Service) planBatch(ctx context.Context, request BatchRequest, fingerprint string, now time.Time) (storage.Plan[Batch], error) {
	none := storage.Plan[Batch]{}
	out, err := s.codesOut(ctx, now)
	if err != nil {
		return none, err
	}
	made := make([]prepared, 1)
	if err := s.prepare(ctx, IssueRequest{Offers: []IssueOffer{{Offer: request.Offer, Version: request.Version}}}, made, now); err != nil {
		return none, err
	}
	keys := []storage.Key{issueKey(request.ID), batchKey(request.ID), headKey(request.Offer)}
	return plan(ctx, s, now, keys, func(w *work) (Batch, error) {
		if doc := w.docs[issueKey(request.ID)]; doc != nil {
			return w.begunBefore(*doc, request.ID, fingerprint)
		}
		if err := s.options.Guessing.check(out + int64(request.Count)); err != nil {
			return Batch{}, err
		}
		return w.begin(request, fingerprint, made[0])
	})
}

// codesOut is how many codes of batches can still be used, or will be.
func (s *Service) codesOut(ctx context.Context, now time.Time) (int64, error) {
	var out int64
	query := storage.Query{Kind: kindBatch, List: listLive, From: now.UnixMicro() + 1, Limit: storage.MaxPage}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return 0, err
		}
		for _, doc := range page.Docs {
			record, err := batches.Decode(doc)
			if err != nil {
				return 0, err
			}
			out += int64(record.Value.Count)
		}
		if page.Next == "" {
			return out, nil
		}
		query.After = page.Next
	}
}

func (w *work) begunBefore(doc storage.Doc, id, fingerprint string) (Batch, error) {
	record, err := issues.Decode(doc)
	if err != nil {
		return Batch{}, err
	}
	if record.Value.Fingerprint != fingerprint {
		return Batch{}, fmt.Errorf("%w: batch %q was asked for with another offer or count, or is no batch: use another id", ErrKeyReused, id)
	}
	begun, err := w.issuing(id)
	return begun.Value.batch(id), err
}

// issuing gives a batch's record. It fails with ErrNoBatch.
func (w *work) issuing(id string) (storage.Record[batchBody], error) {
	key := batchKey(id)
	if err := w.read(key); err != nil {
		return storage.Record[batchBody]{}, err
	}
	if w.docs[key] == nil {
		return storage.Record[batchBody]{}, fmt.Errorf("%w: %q", ErrNoBatch, id)
	}
	return batches.Decode(*w.docs[key])
}

func (w *work) begin(request BatchRequest, fingerprint string, m prepared) (Batch, error) {
	if err := w.mayIssue(m.version, w.now); err != nil {
		return Batch{}, err
	}
	record := storage.Record[batchBody]{Key: batchKey(request.ID), Value: batchBody{
		Offer: request.Offer, Version: m.version.offer.Version, Count: request.Count,
		Issued: w.now.UnixMicro(), Expires: micros(m.version.expires(w.now)),
	}}
	put, err := putBatch(record)
	if err != nil {
		return Batch{}, err
	}
	issue, err := issues.Put(storage.Record[issueBody]{Key: issueKey(request.ID), Value: issueBody{Fingerprint: fingerprint, At: w.now.UnixMicro()}}, 0)
	if err != nil {
		return Batch{}, err
	}
	w.puts = append(w.puts, put, issue)
	w.entries = append(w.entries, ledger.Entry{
		ID: "issued/" + request.ID, Kind: "issued", At: w.now, Actor: request.Actor, Concerns: request.ID,
		Details: map[string]string{"offer": request.Offer, "count": fmt.Sprint(request.Count)},
	})
	return record.Value.batch(request.ID), nil
}

// extendFar makes steps of a batch, several together, where the store can. It answers how
// far it got: not at all where something stands in the way, about which [Service.extend]
// knows what to do. While the store writes, the next steps are planned.
func (s *Service) extendFar(ctx context.Context, b Batch, now time.Time) (Batch, error) {
	grouper, groups := s.store.(storage.Grouper)
	if !groups || s.bound {
		return b, nil
	}
	version, err := s.version(ctx, b.Offer, b.Version)
	if err != nil {
		return b, err
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, []storage.Key{batchKey(b.ID), headKey(b.Offer)}); err != nil {
		return b, err
	}
	record, err := newWork(docs, now).issuing(b.ID)
	if err != nil {
		return b, err
	}
	for next := strideFrom(record, docs, version, &s.codes, now); len(next.steps) > 1; {
		planned := make(chan stride, 1)
		go func() { planned <- strideFrom(next.after, docs, version, &s.codes, now) }()
		answers := grouper.ApplyEach(ctx, next.steps)
		following := <-planned
		for i, err := range answers {
			var refused *storage.Failure
			switch {
			case errors.As(err, &refused):
				return b, nil
			case err != nil:
				return b, err
			}
			b = next.answers[i]
		}
		next = following
	}
	return b, nil
}

// stride is the next steps of a batch, each on what the one before leaves, how far the
// batch has got with each, and its record after all of them.
type stride struct {
	steps   []storage.Batch
	answers []Batch
	after   storage.Record[batchBody]
}

func strideFrom(record storage.Record[batchBody], docs map[storage.Key]*storage.Doc, version *Version, keys *codeKeys, now time.Time) stride {
	next := stride{after: record}
	for len(next.steps) < stepsAtOnce && next.after.Value.Made < next.after.Value.Count {
		w := newWork(docs, now)
		answer, err := w.extend(next.after, version, keys, false)
		if err != nil {
			break
		}
		step, err := w.batch()
		if err != nil {
			break
		}
		next.steps, next.answers = append(next.steps, step), append(next.answers, answer)
		next.after.Version, next.after.Value.Made = next.after.Version+1, answer.Made
	}
	return next
}

// extend makes the next coupons of a batch. When another worker was faster, it
// answers how far that one got.
func (s *Service) extend(ctx context.Context, b Batch, now time.Time) (Batch, error) {
	version, err := s.version(ctx, b.Offer, b.Version)
	if err != nil {
		return b, err
	}
	return storage.Do(ctx, s.store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Batch], error) {
		overtaken := refused != nil && refused.Key.Kind == kindBatch
		taken := refused != nil && refused.Key.Kind == kindCode
		return plan(ctx, s, now, []storage.Key{batchKey(b.ID), headKey(b.Offer)}, func(w *work) (Batch, error) {
			record, err := w.issuing(b.ID)
			switch made := record.Value.Made; {
			case err != nil:
				return Batch{}, err
			case overtaken && made <= b.Made:
				return Batch{}, refused // a snapshot that does not move: the transaction must be done again
			case overtaken || made >= record.Value.Count:
				return record.Value.batch(b.ID), nil
			}
			return w.extend(record, version, &s.codes, taken)
		})
	})
}

func (w *work) extend(record storage.Record[batchBody], version *Version, keys *codeKeys, taken bool) (Batch, error) {
	id, body := record.Key.ID, &record.Value
	if err := w.mayIssue(version, instant(body.Issued)); err != nil {
		return Batch{}, err
	}
	step := min(maxBatchStep, (storage.MaxOps-2)/(1+len(keys.keys)), body.Count-body.Made)
	ids := make([]string, step)
	for i := range ids {
		ids[i] = numbered(id, body.Made+i+1)
	}
	made, err := w.batchCodes(ids, keys, taken)
	if err != nil {
		return Batch{}, err
	}
	for i, code := range made {
		m := prepared{id: ids[i], version: version, code: code, places: keys.places(code)}
		if err := w.free(m); err != nil {
			return Batch{}, err
		}
		if _, err := w.makeCoupon(m, "", instant(body.Issued), keys); err != nil {
			return Batch{}, err
		}
	}
	body.Made += step
	put, err := putBatch(record)
	w.puts = append(w.puts, put)
	return body.batch(id), err
}

// batchCodes makes codes. That they are new is up to the store, which refuses the
// batch otherwise; then others are made: drawn anew, or where codes follow from a
// key, the next one of each that is taken.
func (w *work) batchCodes(ids []string, keys *codeKeys, taken bool) ([]Code, error) {
	made, err := keys.make(ids, 0)
	if err != nil || !taken || !keys.keyed() {
		return made, err
	}
	for attempt := 1; attempt < codeAttempts; attempt++ {
		var all []storage.Key
		for _, code := range made {
			all = append(all, keys.places(code)...)
		}
		if err := w.read(all...); err != nil {
			return nil, err
		}
		for i, code := range made {
			for _, place := range keys.places(code) {
				if w.docs[place] != nil {
					made[i] = derive(keys.keys[0], ids[i], attempt)
				}
			}
		}
	}
	return made, nil
}

// Batch says how far a batch has got. It fails with [ErrNoBatch].
func (s *Service) Batch(ctx context.Context, id string) (Batch, error) {
	record, err := recorded(ctx, s, batches, batchKey(id), ErrNoBatch)
	if err != nil {
		return Batch{}, err
	}
	return record.Value.batch(id), nil
}

// Codes gives coupons of a batch with their codes, for printing and mailing: those
// made, from a number on, at most limit and at most 1,000, in the order of their
// numbers; none when there are no more. Numbers begin at 1. It fails with
// [ErrNoBatch].
func (s *Service) Codes(ctx context.Context, batch string, from, limit int) ([]Coupon, error) {
	b, err := s.Batch(ctx, batch)
	if err != nil {
		return nil, err
	}
	from = max(from, 1)
	var ids []string
	for n := from; n <= b.Made && n-from < min(limit, storage.MaxGet); n++ {
		ids = append(ids, numbered(batch, n))
	}
	if len(ids) == 0 {
		return nil, nil
	}
	docs, _, err := s.store.Get(ctx, couponKeys(ids))
	if err != nil {
		return nil, err
	}
	all := make([]Coupon, 0, len(docs))
	for _, doc := range docs {
		record, err := coupons.Decode(doc)
		if err != nil {
			return nil, err
		}
		all = append(all, record.Value.coupon(doc.Key.ID))
	}
	return all, s.codes.tell(all, func(keys []storage.Key) (map[storage.Key]*storage.Doc, error) {
		found := make(map[storage.Key]*storage.Doc)
		return found, s.get(ctx, found, keys)
	})
}

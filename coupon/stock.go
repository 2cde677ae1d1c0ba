package coupon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// MaxStockCodes is how many codes are loaded in one call.
const MaxStockCodes = 100_000

const (
	kindStock    = "stock"
	maxStockStep = 400     // codes loaded in one Apply
	takeOutStep  = 256     // codes withdrawn in one Apply, at most
	stockShards  = 32      // counters that what is left is spread over
	placesEnd    = 1 << 62 // the places of codes in their stock are below
)

// StockRequest loads codes that were made elsewhere into the stock of an offer: printed
// on cards, or sent by a partner. [Service.Issue] takes them from there
// ([IssueOffer].FromStock), each for one coupon.
type StockRequest struct {
	ID     string   // names the load, and is its idempotency key; at most 80 bytes
	Offer  string   // a published one; whatever its version
	Codes  []string // 1 to 100,000, of the form that [ParseCode] reads; more in further calls, under the same ID or another
	Actor  string   // the member of staff
	Reason string   // at most 500 bytes
}

// StockLoad is what became of the codes of a load so far.
type StockLoad struct {
	ID        string
	Offer     string
	Loaded    int       // codes, those given out or withdrawn since among them
	Withdrawn int       // of them, by [Service.WithdrawStock]
	Begun     time.Time // when its first codes were loaded
	Ended     time.Time // when it was withdrawn; zero: it was not
}

// stockBody is what the document of a load keeps. That of a code says what became of it.
type stockBody struct {
	Offer     string `json:"offer"`
	Loaded    int    `json:"loaded"`
	Withdrawn int    `json:"withdrawn"`
	Begun     int64  `json:"begun"`
	Ended     int64  `json:"ended"`
}

var stockLoads = storage.NewCodec[stockBody](1)

func stockKey(load string) storage.Key { return storage.Key{Kind: kindStock, ID: load} }

func (b *stockBody) load(id string) StockLoad {
	return StockLoad{id, b.Offer, b.Loaded, b.Withdrawn, instant(b.Begun), instant(b.Ended)}
}

// Lists of codes: what is in the stock of an offer, and of a load what is left of it,
// what was given out, and what was withdrawn.
func stockList(offer string) string        { return "stock/" + offer }
func leftList(load string) string          { return "load/" + load + "/left" }
func givenList(load string) string         { return "load/" + load + "/given" }
func withdrawnList(load string) string     { return "load/" + load + "/withdrawn" }
func stockCounters(offer string) []string  { return ledger.ShardNames("stock/"+offer, stockShards) }
func inStock(offer string, n int64) string { return stockCounters(offer)[n>>1%stockShards] }

// stockPlace is where a code stands in its stock. It follows from what the code is kept
// under, so that codes are spread evenly however they were numbered, and those who take
// at once, each from a place of their own on, rarely want the same one.
func stockPlace(code storage.Key) int64 {
	sum := sha256.Sum256([]byte(code.ID))
	return int64(binary.BigEndian.Uint64(sum[:])>>2 | 1)
}

// LoadStock puts codes into the stock of an offer, some hundred in each Apply. Where it
// was stopped, by an error, the context or a crash, asking again for the same goes on;
// asked again when all are loaded, it changes nothing and answers the same. More codes
// under the same ID join the load. Each step is an entry in the book, with who loaded and
// why.
//
// A code in a stock is worth nothing: whoever types it is told what unknown codes are
// told. It has no end of its own, and stays when its offer is paused or over; the coupon
// it becomes has the life that any other of the offer has. Who knows a code before it
// is given out can use it afterwards, unless its coupon is held by a customer: give codes that
// were printed where people could see them to holders only. How easy they are to guess is up to
// who made them; [Options].Guessing does not count them.
//
// Everything is checked before anything is written. It fails with a [*Faults] that is
// [ErrRequest] and names each code that is not valid or told twice; with one that is
// [ErrCodeTaken] and names each that exists already, given out or not, in this stock or
// another (leave those out and ask again under the same ID); with [ErrNoOffer]; with [ErrKeyReused]
// when the load was for another offer; and with [ErrState] when it was withdrawn. The
// StockLoad beside an error says what was loaded before it.
func (s *Service) LoadStock(ctx context.Context, request StockRequest, now time.Time) (StockLoad, error) {
	parsed, err := request.validate(now, &s.codes)
	if err != nil {
		return StockLoad{}, err
	}
	if err := s.checkNew(ctx, request.ID, parsed); err != nil {
		return StockLoad{}, err
	}
	var load StockLoad
	step := min(maxStockStep, (storage.MaxOps-2*stockShards)/len(s.codes.keys))
	for chunk := range slices.Chunk(parsed, step) {
		keys := append(s.codes.allPlaces(chunk), stockKey(request.ID), headKey(request.Offer))
		more, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[StockLoad], error) {
			return plan(ctx, s, now, keys, func(w *work) (StockLoad, error) { return w.loadStock(&request, chunk, &s.codes) })
		})
		if err != nil {
			return load, err
		}
		load = more
	}
	return load, nil
}

// loadedCode is a code to be loaded, and where in the request it stands.
type loadedCode struct {
	code Code
	at   int
}

func (r *StockRequest) validate(now time.Time, keys *codeKeys) ([]loadedCode, error) {
	faults := &Faults{Kind: ErrRequest}
	keys.check(faults)
	faults.issueID("id", r.ID)
	faults.id("offer", r.Offer, false)
	faults.staffVerb(r.Actor, r.Reason)
	faults.instant("now", now)
	if n := len(r.Codes); n < 1 || n > MaxStockCodes {
		faults.add("codes", "has %d entries, want 1 to %d in one call", n, MaxStockCodes)
		return nil, faults
	}
	parsed := make([]loadedCode, 0, len(r.Codes))
	first := make(map[Code]int, len(r.Codes))
	for i, text := range r.Codes {
		path := fmt.Sprintf("codes[%d]", i)
		code, err := ParseCode(text)
		if err != nil {
			faults.add(path, "%.40q is none: %v", text, err)
			continue
		}
		if before, twice := first[code]; twice {
			faults.add(path, "%s is that of codes[%d], too", code, before)
			continue
		}
		first[code] = i
		parsed = append(parsed, loadedCode{code, i})
	}
	return parsed, faults.orNil()
}

// allPlaces are the documents that codes may have.
func (c *codeKeys) allPlaces(all []loadedCode) []storage.Key {
	keys := make([]storage.Key, 0, len(all)*len(c.keys))
	for _, l := range all {
		keys = append(keys, c.places(l.code)...)
	}
	return keys
}

// checkNew lists every code that exists already, but for those of the load itself.
func (s *Service) checkNew(ctx context.Context, load string, all []loadedCode) error {
	faults := &Faults{Kind: ErrCodeTaken}
	for chunk := range slices.Chunk(all, max(1, storage.MaxGet/len(s.codes.keys))) {
		w := newWork(make(map[storage.Key]*storage.Doc), time.Time{})
		if err := s.get(ctx, w.docs, s.codes.allPlaces(chunk)); err != nil {
			return err
		}
		for _, l := range chunk {
			if _, err := w.loadedBefore(l, load, s.codes.places(l.code), faults); err != nil {
				return err
			}
		}
	}
	return faults.orNil()
}

// loadedBefore says that a code was loaded by the same load, and notes when something
// else has it.
func (w *work) loadedBefore(l loadedCode, load string, places []storage.Key, faults *Faults) (bool, error) {
	for _, place := range places {
		doc := w.docs[place]
		if doc == nil {
			continue
		}
		record, err := codes.Decode(*doc)
		switch b := &record.Value; {
		case err != nil:
			return false, err
		case b.Load == load:
			return true, nil
		case b.Load != "":
			faults.add(fmt.Sprintf("codes[%d]", l.at), "%s exists already, from load %q into the stock of offer %q", l.code, b.Load, b.Offer)
		default:
			faults.add(fmt.Sprintf("codes[%d]", l.at), "%s exists already, as the code of coupon %q", l.code, b.Coupon)
		}
		return false, nil
	}
	return false, nil
}

// loadStock puts those codes into the stock that are not there yet.
func (w *work) loadStock(request *StockRequest, all []loadedCode, keys *codeKeys) (StockLoad, error) {
	head, err := w.head(request.Offer)
	if err != nil {
		return StockLoad{}, err
	}
	if head.Version == 0 {
		return StockLoad{}, fmt.Errorf("%w: %q", ErrNoOffer, request.Offer)
	}
	record, err := w.stockLoad(request.ID)
	if err != nil {
		return StockLoad{}, err
	}
	b := &record.Value
	if record.Version == 0 {
		b.Offer, b.Begun = request.Offer, w.now.UnixMicro()
	}
	if b.Offer != request.Offer {
		return StockLoad{}, fmt.Errorf("%w: load %q went into the stock of offer %q: use another id", ErrKeyReused, request.ID, b.Offer)
	}
	before, faults := b.Loaded, &Faults{Kind: ErrCodeTaken}
	for _, l := range all {
		places := keys.places(l.code)
		known, err := w.loadedBefore(l, request.ID, places, faults)
		if err != nil {
			return StockLoad{}, err
		}
		if known || len(faults.Faults) > 0 {
			continue
		}
		if err := w.putIntoStock(request, l.code, places, keys); err != nil {
			return StockLoad{}, err
		}
		b.Loaded++
	}
	if err := faults.orNil(); err != nil || b.Loaded == before {
		return b.load(request.ID), err
	}
	if b.Ended != 0 {
		return b.load(request.ID), fmt.Errorf("%w: load %q was withdrawn at %s: use another id", ErrState, request.ID, stamp(instant(b.Ended)))
	}
	return b.load(request.ID), w.putStockLoad(record, ledger.Entry{
		ID: fmt.Sprintf("stocked/%s/%d", request.ID, b.Loaded), Kind: "stocked", At: w.now, Actor: request.Actor, Concerns: request.ID,
		Details: map[string]string{"reason": request.Reason, "offer": request.Offer, "codes": fmt.Sprint(b.Loaded - before)},
	})
}

// stockLoad gives a load's record; its Version is 0 when there is none.
func (w *work) stockLoad(id string) (storage.Record[stockBody], error) {
	key := stockKey(id)
	if err := w.read(key); err != nil {
		return storage.Record[stockBody]{}, err
	}
	if doc := w.docs[key]; doc != nil {
		return stockLoads.Decode(*doc)
	}
	return storage.Record[stockBody]{Key: key}, nil
}

func (w *work) putStockLoad(record storage.Record[stockBody], entry ledger.Entry) error {
	put, err := stockLoads.Put(record, 0, storage.Listing{List: "offer/" + record.Value.Offer, Place: record.Value.Begun})
	w.puts = append(w.puts, put)
	w.entries = append(w.entries, entry)
	return err
}

// putIntoStock makes a code's document, which leads to no coupon yet.
func (w *work) putIntoStock(request *StockRequest, code Code, places []storage.Key, keys *codeKeys) error {
	for _, older := range places[1:] {
		w.checks.set(older, 0)
	}
	record := storage.Record[codeBody]{Key: places[0], Value: codeBody{Offer: request.Offer, Load: request.ID, Sealed: keys.seal(code)}}
	place := stockPlace(record.Key)
	w.take(ledger.Claim{Counter: inStock(request.Offer, place), N: 1, Max: math.MaxInt64})
	put, err := codes.Put(record, 0, storage.Listing{List: stockList(request.Offer), Place: place}, storage.Listing{List: leftList(request.ID), Place: place})
	w.puts = append(w.puts, put)
	return err
}

// takeOut writes a code that was in a stock without its place there.
func (w *work) takeOut(record storage.Record[codeBody], offer, list string) error {
	place := stockPlace(record.Key)
	w.claim(ledger.Claim{Counter: inStock(offer, place), N: 1}, -1)
	put, err := codes.Put(record, 0, storage.Listing{List: list, Place: w.now.UnixMicro()})
	w.puts = append(w.puts, put)
	return err
}

// takeFromStock finds codes for those coupons that take one from a stock; where it has
// not enough, some stay without. What makes a code one coupon's is the document of the
// code itself, which is written at the version read here.
func (s *Service) takeFromStock(ctx context.Context, all []prepared) error {
	wanted := make(map[string]int)
	for _, m := range all {
		if m.fromStock {
			wanted[m.version.offer.ID]++
		}
	}
	for offer, n := range wanted {
		found, err := s.someOfStock(ctx, offer, n)
		if err != nil {
			return err
		}
		for i := range all {
			m := &all[i]
			if !m.fromStock || m.version.offer.ID != offer || len(found) == 0 {
				continue
			}
			record, err := codes.Decode(found[0])
			if err != nil {
				return err
			}
			if m.code, err = s.codes.open(record); err != nil {
				return err
			}
			m.stocked, found = &record, found[1:]
		}
	}
	return nil
}

// someOfStock gives up to n codes of a stock, from a place at random on.
func (s *Service) someOfStock(ctx context.Context, offer string, n int) ([]storage.Doc, error) {
	from := 2 + rand.Int64N(placesEnd-2)
	var found []storage.Doc
	for _, query := range []storage.Query{{From: from}, {Until: from}} {
		query.Kind, query.List = kindCode, stockList(offer)
		for more := true; more && len(found) < n; more = query.After != "" {
			query.Limit = n - len(found)
			page, err := s.store.List(ctx, query)
			if err != nil {
				return nil, err
			}
			found = append(found, page.Docs...)
			query.After = page.Next
		}
	}
	return found, nil
}

// shortOf refuses to issue more of an offer than its stock has.
func shortOf(v *Version, all []prepared) *Refusal {
	refused := &Refusal{Reason: ReasonOutOfStock, Offer: v.offer.ID, Name: v.offer.Name}
	for _, m := range all {
		if m.fromStock && m.version.offer.ID == v.offer.ID {
			refused.NeededUses++
			if m.stocked != nil {
				refused.FoundUses++
			}
		}
	}
	return refused
}

// StockLeft is how many codes an offer's stock has left. It fails with [ErrNoOffer].
func (s *Service) StockLeft(ctx context.Context, offer string) (int64, error) {
	faults := &Faults{Kind: ErrRequest}
	if faults.id("offer", offer, false); len(faults.Faults) > 0 {
		return 0, faults
	}
	docs, counters, err := s.store.Get(ctx, []storage.Key{headKey(offer)}, stockCounters(offer)...)
	if err != nil {
		return 0, err
	}
	if len(docs) == 0 {
		return 0, fmt.Errorf("%w: %q", ErrNoOffer, offer)
	}
	var left int64
	for _, n := range counters {
		left += n
	}
	return left, nil
}

// checkLoad checks the id of a load that there may be.
func checkLoad(id string) error {
	faults := &Faults{Kind: ErrRequest}
	faults.issueID("id", id)
	return faults.orNil()
}

// StockLoad says what became of a load. It fails with [ErrNoLoad], and with a [*Faults]
// when the id is missing or too long.
func (s *Service) StockLoad(ctx context.Context, id string) (StockLoad, error) {
	if err := checkLoad(id); err != nil {
		return StockLoad{}, err
	}
	record, err := recorded(ctx, s, stockLoads, stockKey(id), ErrNoLoad)
	if err != nil {
		return StockLoad{}, err
	}
	return record.Value.load(id), nil
}

// StockQuery asks for a page of the coupons that have got codes of a load.
type StockQuery struct {
	Newest bool           // the last that got one first; otherwise the first
	After  storage.Cursor // the Next of the page before
	Limit  int            // default 100, at most 1,000
}

// StockPage is a page of the coupons that have got codes of a load; Next is empty on the
// last.
type StockPage struct {
	Coupons []Coupon
	Next    storage.Cursor
}

// StockCoupons gives the coupons that have got codes of a load, and so who holds them, in
// the order in which they got them, revoked or not. With [Options].CodeKey their codes are
// the last four characters. A page costs two reads, however many there are. It fails with
// a [*Faults] when the load's id is missing or too long, with [ErrNoLoad], and with
// [storage.ErrInvalid] when the limit is out of range or After is not the Next of a page.
func (s *Service) StockCoupons(ctx context.Context, load string, q StockQuery) (StockPage, error) {
	if err := checkLoad(load); err != nil {
		return StockPage{}, err
	}
	listed, err := s.store.List(ctx, storage.Query{Kind: kindCode, List: givenList(load), Newest: q.Newest, After: q.After, Limit: q.Limit})
	if err != nil {
		return StockPage{}, err
	}
	if len(listed.Docs) == 0 { // none was given out, or there is no load
		_, err := s.StockLoad(ctx, load)
		return StockPage{}, err
	}
	ids := make([]string, len(listed.Docs))
	for i, doc := range listed.Docs {
		code, err := codes.Decode(doc)
		if err != nil {
			return StockPage{}, err
		}
		ids[i] = code.Value.Coupon
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, couponKeys(ids)); err != nil {
		return StockPage{}, err
	}
	page := StockPage{Next: listed.Next}
	for i, id := range ids {
		doc := docs[couponKey(id)]
		if doc == nil {
			return StockPage{}, fmt.Errorf("%w: %s: there is no coupon %q", storage.ErrCorrupt, listed.Docs[i].Key, id)
		}
		coupon, err := coupons.Decode(*doc)
		if err != nil {
			return StockPage{}, err
		}
		page.Coupons = append(page.Coupons, coupon.Value.coupon(id))
	}
	return page, nil
}

// StockWithdrawal asks to take what is left of a load out of its stock.
type StockWithdrawal struct {
	Load   string // the load's id, at most 80 bytes
	Actor  string // the member of staff
	Reason string // at most 500 bytes
}

// WithdrawStock takes the codes of a load that were not given out yet out of the stock,
// for good: because they have leaked, or the partner wants them back. They are never
// given out and can't be loaded again, under no ID. Coupons that have codes of the load
// stay as they are: [Service.Revoke] takes those back. It works some hundred codes at a time; where it
// was stopped, asking again goes on. Each step is an entry in the book, with who and why.
//
// It fails with a [*Faults] and with [ErrNoLoad].
func (s *Service) WithdrawStock(ctx context.Context, request StockWithdrawal, now time.Time) (StockLoad, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.issueID("load", request.Load)
	faults.staffVerb(request.Actor, request.Reason)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return StockLoad{}, err
	}
	for {
		more := false
		step := takeOutStep
		load, err := storage.Do(ctx, s.store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[StockLoad], error) {
			if err := closedMonth(refused, now); err != nil {
				return storage.Plan[StockLoad]{}, err
			}
			if refused != nil { // a code was given out meanwhile: the fewer are written at once, the less is in the way
				step = max(1, step/2)
			}
			return plan(ctx, s, now, []storage.Key{stockKey(request.Load)}, func(w *work) (StockLoad, error) {
				// listed after the load was read: who adds to it later gets into the way of this step
				page, err := s.store.List(ctx, storage.Query{Kind: kindCode, List: leftList(request.Load), Limit: step})
				if err != nil {
					return StockLoad{}, err
				}
				more = page.Next != ""
				return w.withdraw(&request, page.Docs)
			})
		})
		if err != nil || !more {
			return load, err
		}
	}
}

// withdraw takes codes out of their stock. The first step ends the load, so that
// nothing is added to it meanwhile.
func (w *work) withdraw(request *StockWithdrawal, found []storage.Doc) (StockLoad, error) {
	record, err := w.stockLoad(request.Load)
	if err != nil {
		return StockLoad{}, err
	}
	b := &record.Value
	switch {
	case record.Version == 0:
		return StockLoad{}, fmt.Errorf("%w: %q", ErrNoLoad, request.Load)
	case b.Ended != 0 && len(found) == 0:
		return b.load(request.Load), nil
	case b.Ended == 0:
		b.Ended = w.now.UnixMicro()
	}
	for _, doc := range found {
		code, err := codes.Decode(doc)
		if err != nil {
			return StockLoad{}, err
		}
		if err := w.takeOut(code, b.Offer, withdrawnList(request.Load)); err != nil {
			return StockLoad{}, err
		}
	}
	b.Withdrawn += len(found)
	return b.load(request.Load), w.putStockLoad(record, ledger.Entry{
		ID: fmt.Sprintf("withdrawn/%s/%d", request.Load, record.Version), Kind: "withdrawn", At: w.now, Actor: request.Actor, Concerns: request.Load,
		Details: map[string]string{"reason": request.Reason, "offer": b.Offer, "codes": fmt.Sprint(len(found))},
	})
}

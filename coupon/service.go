package coupon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Options adjust a [Service]. The zero value works.
type Options struct {
	// Fresh is for how long a quote may rest on the status of an offer (paused or
	// not, its latest version) that was read before. Redeeming goes by what it is at
	// that moment. Default 1 second; negative: always read.
	Fresh time.Duration

	// Hold is how long a reservation holds its claims through a payment.
	// Default 30 minutes; at most 30 days.
	Hold time.Duration

	// Random makes codes, where there is no CodeKey; it must be safe for concurrent
	// use. Default crypto/rand.Reader.
	Random io.Reader

	// CodeKey, 32 random bytes that only this store's services have, keeps codes
	// from whoever reads the store: a code's document is named by the code's
	// HMAC-SHA256, its coupon keeps the last four characters for display, and made
	// codes follow from the key. Whole codes are in the answers of Issue, IssueBatch
	// and Codes, and nowhere else. Who has the key and the store can make the codes:
	// guard it like a password. Issuing fails with less than 16 bytes. Default: codes
	// are kept as they are.
	CodeKey []byte

	// OldCodeKeys are keys that CodeKey has followed; codes made under them stay
	// good for as long as they are here. An empty one stands for codes that were
	// kept as they are before there was a key.
	OldCodeKeys [][]byte

	// Guessing is what made codes must stand up to.
	Guessing Guessing

	// ReturnOrder says in which order refunds go back to credit and to other means
	// of payment. Default: to credit first.
	ReturnOrder ReturnOrder

	// Settle books what each seller is owed with every order that is confirmed, and
	// what its returns take back, for [Service.Statement]. Default: not booked, since a
	// shop of one seller does not need it. Orders keep to what was set when they were
	// confirmed.
	Settle bool

	// Limiter is asked before codes are looked up. Default: none.
	Limiter Limiter

	// Predicates are conditions of the shop's own, by name and version. Those
	// that a published offer names must stay.
	Predicates []RegisteredPredicate
}

// Service keeps offers, coupons and redemptions in a store. It is safe for
// concurrent use, in any number of processes on one store.
type Service struct {
	store      storage.Store
	options    Options
	predicates map[predicateName]*RegisteredPredicate
	catalog    *offerCache
	codes      codeKeys
	crew       *ledger.Crew
	bound      bool // made by In: what it reads may never be committed
}

// New makes a service over a store. Options out of range take their defaults.
func New(store storage.Store, options Options) *Service {
	if options.Fresh == 0 {
		options.Fresh = time.Second
	}
	if options.Hold <= 0 || options.Hold > 30*24*time.Hour {
		options.Hold = 30 * time.Minute
	}
	if options.Random == nil {
		options.Random = rand.Reader
	}
	return &Service{
		store: store, options: options, predicates: predicatesByName(options.Predicates), catalog: newOfferCache(), codes: newCodeKeys(&options), crew: new(ledger.Crew),
	}
}

// In is the same service on the same data seen through another store: one bound
// to a transaction of the caller's. It is a cheap copy that shares the catalogue.
func (s *Service) In(store storage.Store) *Service {
	bound := *s
	bound.store, bound.bound = store, true
	return &bound
}

// Through is the same service on the same data seen through another store, which is
// bound to no transaction: one that counts reads, or gathers them. It is a cheap copy
// that shares the catalogue.
func (s *Service) Through(store storage.Store) *Service {
	through := *s
	through.store = store
	return &through
}

// get reads documents by key, in as many calls as the store's limit asks for; an
// absent document is nil in the map.
func (s *Service) get(ctx context.Context, docs map[storage.Key]*storage.Doc, keys []storage.Key) error {
	for chunk := range slices.Chunk(keys, storage.MaxGet) {
		found, _, err := s.store.Get(ctx, chunk)
		if err != nil {
			return err
		}
		keepFound(docs, chunk, found)
	}
	return nil
}

// keepFound notes what was found of documents, and nil of the others asked for.
func keepFound(docs map[storage.Key]*storage.Doc, asked []storage.Key, found []storage.Doc) {
	for _, k := range asked {
		docs[k] = nil
	}
	for i := range found {
		docs[found[i].Key] = &found[i]
	}
}

// plan decides one operation: it reads what decide asks for until nothing is
// missing. The keys given are read first, in one call.
func plan[A any](ctx context.Context, s *Service, now time.Time, keys []storage.Key, decide func(*work) (A, error)) (storage.Plan[A], error) {
	faults := &Faults{Kind: ErrRequest}
	if faults.instant("now", now); len(faults.Faults) > 0 {
		return storage.Plan[A]{}, faults
	}
	return planOn(ctx, s, now, make(map[storage.Key]*storage.Doc), keys, decide)
}

// planOn is plan on documents that are known already; nil: none is.
func planOn[A any](ctx context.Context, s *Service, now time.Time, docs map[storage.Key]*storage.Doc, keys []storage.Key,
	decide func(*work) (A, error),
) (storage.Plan[A], error) {
	more := needs(unique(keys))
	for {
		if len(more) > 0 && docs == nil {
			docs = make(map[storage.Key]*storage.Doc)
		}
		if err := s.get(ctx, docs, more); err != nil {
			return storage.Plan[A]{}, err
		}
		w := newWork(docs, now)
		w.settles = s.options.Settle
		answer, err := decide(w)
		if missing, ok := needed(err); ok {
			more = missing
			continue
		}
		if err != nil {
			return storage.Plan[A]{Answer: answer}, err
		}
		batch, err := w.batch()
		return storage.Plan[A]{Batch: batch, Answer: answer}, err
	}
}

// do carries a plan out, and again when what it rests on has changed.
func do[A any](ctx context.Context, s *Service, now time.Time, plan func(context.Context) (storage.Plan[A], error)) (A, error) {
	return storage.Do(ctx, s.store, func(ctx context.Context, refused *storage.Failure) (storage.Plan[A], error) {
		if err := closedMonth(refused, now); err != nil {
			return storage.Plan[A]{}, err
		}
		return plan(ctx)
	})
}

// closedMonth is the error of an operation dated in a month whose books are
// closed, which no second attempt helps.
func closedMonth(refused *storage.Failure, now time.Time) error {
	if refused == nil || refused.Key != ledger.MonthKey(now) {
		return nil
	}
	return fmt.Errorf("%w: the operation is dated %s: check the clock", ledger.ErrClosed, stamp(now))
}

func unique(keys []storage.Key) []storage.Key {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, storage.Key.Compare)
	return slices.Compact(keys)
}

// Offers by id, and what sellers keep out of them.

type headBody struct {
	Latest    int    `json:"latest"`
	Automatic bool   `json:"automatic"`
	Paused    bool   `json:"paused"`
	Actor     string `json:"actor"`
	Reason    string `json:"reason"`
	At        int64  `json:"at"`
}

type versionBody struct {
	Offer offerDocument `json:"offer"`
}

const (
	kindHead       = "offer"
	kindVersion    = "offer_version"
	kindExclusions = "exclusions"

	listAutomatic = "automatic" // the offers whose latest version applies without a code
)

var (
	heads    = storage.NewCodec[headBody](1)
	versions = storage.NewCodec[versionBody](1)
)

func headKey(offer string) storage.Key { return storage.Key{Kind: kindHead, ID: offer} }

func versionKey(offer string, version int) storage.Key {
	return storage.Key{Kind: kindVersion, ID: fmt.Sprintf("%s@%d", offer, version)}
}

// Publish makes the offer, or its next version: coupons issued and orders priced
// from now on are under it. Publishing what is published already changes nothing.
// It gives the offer with its version. It fails with a [*Faults] that lists
// everything wrong with the offer and the actor, who must be named.
func (s *Service) Publish(ctx context.Context, offer Offer, actor string, now time.Time) (Offer, error) {
	offer.Version = 0
	faults := &Faults{Kind: ErrRequest}
	faults.actor(actor)
	faults.instant("now", now)
	_, err := newVersion(offer, s.predicates)
	if err := faults.with(err); err != nil {
		return Offer{}, err
	}
	published, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[Offer], error) {
		return plan(ctx, s, now, []storage.Key{headKey(offer.ID)}, func(w *work) (Offer, error) { return w.publish(offer, actor) })
	})
	s.catalog.forget(offer.ID)
	return published, err
}

func (w *work) publish(offer Offer, actor string) (Offer, error) {
	head, err := w.head(offer.ID)
	if err != nil {
		return Offer{}, err
	}
	if head.Version > 0 {
		key := versionKey(offer.ID, head.Value.Latest)
		if err := w.read(key); err != nil {
			return Offer{}, err
		}
		latest, err := readDocument(w.docs[key])
		if err != nil {
			return Offer{}, err
		}
		before, err := latest.kept()
		if err != nil {
			return Offer{}, err
		}
		if err := offer.checkShards(&before); err != nil {
			return Offer{}, err
		}
		offer.Version = head.Value.Latest
		if same, err := latest.equal(&offer); same || err != nil {
			return offer, err
		}
	}
	automatic := head.Value.Automatic || offer.Automatic
	head.Value.Automatic = offer.Automatic
	head.Value.Latest++
	offer.Version = head.Value.Latest
	document, err := newOfferDocument(&offer)
	if err != nil {
		return Offer{}, err
	}
	version, err := versions.Put(storage.Record[versionBody]{Key: versionKey(offer.ID, offer.Version), Value: versionBody{document}}, 0)
	if err != nil {
		return Offer{}, err
	}
	return offer, w.putHead(head, version, automatic, ledger.Entry{
		ID: fmt.Sprintf("published/%s@%d", offer.ID, offer.Version), Kind: "published", At: w.now, Actor: actor, Concerns: offer.ID,
	})
}

// head gives the record of an offer; its Version is 0 when it was never published.
func (w *work) head(offer string) (storage.Record[headBody], error) {
	key := headKey(offer)
	doc, read := w.doc(key)
	switch {
	case !read:
		return storage.Record[headBody]{}, needs{key}
	case doc != nil:
		return heads.Decode(*doc)
	}
	return storage.Record[headBody]{Key: key}, nil
}

// putHead writes a head, with a version if there is a new one; automatic says that the
// offer applies without a code, or did.
func (w *work) putHead(head storage.Record[headBody], version storage.Put, automatic bool, entry ledger.Entry) error {
	lists := []storage.Listing{{List: "offers", Place: head.Value.At}}
	if head.Value.Automatic {
		lists = append(lists, storage.Listing{List: listAutomatic})
	}
	put, err := heads.Put(head, 0, lists...)
	if err != nil {
		return err
	}
	w.puts = append(w.puts, put)
	if version.Key != (storage.Key{}) {
		w.puts = append(w.puts, version)
	}
	w.entries = append(w.entries, entry)
	if automatic {
		w.take(ledger.Claim{Counter: counterAutomatic, N: 1, Max: math.MaxInt64})
	}
	return nil
}

// Pause stops an offer at once, in all its versions: nothing is issued or redeemed
// under it any more. A redemption begun after Pause returned is refused; orders
// that have reserved before go on. Pausing what is paused changes nothing. It
// fails with [ErrNoOffer], and with a [*Faults] where the actor or the reason is missing.
func (s *Service) Pause(ctx context.Context, offer, actor, reason string, now time.Time) error {
	return s.setPaused(ctx, offer, true, actor, reason, now)
}

// Resume undoes a Pause. It fails as Pause does.
func (s *Service) Resume(ctx context.Context, offer, actor, reason string, now time.Time) error {
	return s.setPaused(ctx, offer, false, actor, reason, now)
}

func (s *Service) setPaused(ctx context.Context, offer string, paused bool, actor, reason string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.id("offer", offer, false)
	faults.staffVerb(actor, reason)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return err
	}
	_, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[struct{}], error) {
		return plan(ctx, s, now, []storage.Key{headKey(offer)}, func(w *work) (struct{}, error) {
			return struct{}{}, w.setPaused(offer, paused, actor, reason)
		})
	})
	s.catalog.forget(offer)
	return err
}

func (w *work) setPaused(offer string, paused bool, actor, reason string) error {
	head, err := w.head(offer)
	switch {
	case err != nil:
		return err
	case head.Version == 0:
		return fmt.Errorf("%w: %q", ErrNoOffer, offer)
	case head.Value.Paused == paused:
		return nil
	}
	head.Value.Paused, head.Value.Actor, head.Value.Reason, head.Value.At = paused, actor, reason, w.now.UnixMicro()
	kind := map[bool]string{true: "paused", false: "resumed"}[paused]
	return w.putHead(head, storage.Put{}, head.Value.Automatic, ledger.Entry{
		ID: fmt.Sprintf("%s/%s/%d", kind, offer, head.Version), Kind: kind, At: w.now, Actor: actor,
		Concerns: offer, Details: map[string]string{"reason": reason},
	})
}

// Offer gives a published version of an offer; version 0 is the latest. It fails
// with [ErrNoOffer].
func (s *Service) Offer(ctx context.Context, id string, version int, now time.Time) (Offer, error) {
	if version == 0 {
		head, err := s.readHead(ctx, id, now)
		if err != nil {
			return Offer{}, err
		}
		version = head.latest
	}
	v, err := s.version(ctx, id, version)
	if err != nil {
		return Offer{}, err
	}
	return v.Offer(), nil
}

func (s *Service) readHead(ctx context.Context, id string, now time.Time) (offerHead, error) {
	found, err := s.readHeads(ctx, []string{id}, now)
	if err == nil && found[id].latest == 0 {
		err = fmt.Errorf("%w: %q", ErrNoOffer, id)
	}
	return found[id], err
}

// version gives one version from the catalogue, or reads it.
func (s *Service) version(ctx context.Context, id string, version int) (*Version, error) {
	found, err := s.readVersions(ctx, []offerVersion{{id, version}})
	if err == nil && found[offerVersion{id, version}] == nil {
		err = fmt.Errorf("%w: %q in version %d", ErrNoOffer, id, version)
	}
	return found[offerVersion{id, version}], err
}

func readVersion(doc *storage.Doc, predicates map[predicateName]*RegisteredPredicate) (*Version, error) {
	document, err := readDocument(doc)
	if err != nil {
		return nil, err
	}
	offer, err := document.kept()
	if err != nil {
		return nil, err
	}
	if key := versionKey(offer.ID, offer.Version); key != doc.Key {
		return nil, fmt.Errorf("%w: %s: its offer is %s", storage.ErrCorrupt, doc.Key, key)
	}
	return newVersion(offer, predicates)
}

func readDocument(doc *storage.Doc) (*offerDocument, error) {
	if doc == nil {
		return nil, ErrNoOffer
	}
	record, err := versions.Decode(*doc)
	if err != nil {
		return nil, err
	}
	d := &record.Value.Offer
	if key := versionKey(d.ID, d.Version); key != doc.Key {
		return nil, fmt.Errorf("%w: %s: its offer is %s", storage.ErrCorrupt, doc.Key, key)
	}
	return d, nil
}

// isRefusal says that an error is an answer about the shopper's choice, not a
// failure of the store.
func isRefusal(err error) (*Refusal, bool) {
	var refused *Refusal
	ok := errors.As(err, &refused)
	return refused, ok
}

// recorded reads a document that must be there; otherwise it fails with none.
func recorded[T any](ctx context.Context, s *Service, codec *storage.Codec[T], key storage.Key, none error) (storage.Record[T], error) {
	docs, _, err := s.store.Get(ctx, []storage.Key{key})
	if err != nil {
		return storage.Record[T]{}, err
	}
	if len(docs) == 0 {
		return storage.Record[T]{}, fmt.Errorf("%w: %q", none, key.ID)
	}
	return codec.Decode(docs[0])
}

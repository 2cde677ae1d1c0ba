package coupon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// MaxImport is how many uses are imported in one call.
const MaxImport = 100_000

// importStep is how many uses are written in one Apply: each may touch ten counters.
const importStep = 80

// OpeningUse is one use of an offer that an older system has recorded: it counts
// towards the limits here as if it had been redeemed here.
type OpeningUse struct {
	Order      string // the old order: one order uses one offer and coupon once
	Offer      string // published here
	Version    int    // whose limits count it; 0: the latest
	Coupon     string // the id here of the coupon that was used; empty: none
	Customer   string // the customer's key, the holder's where somebody holds the coupon; may be empty where no limit asks for it
	Amount     ledger.Money
	At         time.Time         // when it was redeemed: it counts in that period
	Attributes map[string]string // those that limits ask for
}

// ImportRequest asks to count what an older system has redeemed.
type ImportRequest struct {
	ID    string       // the idempotency key; at most 80 bytes
	Actor string       // who imports
	Uses  []OpeningUse // at most 100,000; more in several calls, each with an id of its own
}

// ImportReport says how far an import has got.
type ImportReport struct {
	Imported int // uses that count from now on
	Known    int // uses that were imported before, by this request or another
}

// openingBody is what is kept of an imported use. Its claims are part of the counters
// like those of redemptions.
type openingBody struct {
	Fingerprint string         `json:"fingerprint"`
	Order       string         `json:"order"`
	Offer       string         `json:"offer"`
	Version     int            `json:"version"`
	Coupon      string         `json:"coupon"`
	Customer    string         `json:"customer"`
	Amount      int64          `json:"amount"`
	Currency    string         `json:"currency"`
	At          int64          `json:"at"`
	Import      string         `json:"import"`
	Claims      []ledger.Claim `json:"claims"`
}

const kindOpening = "opening"

var openings = storage.NewCodec[openingBody](1)

// opening is a use that was checked, with the limits that count it.
type opening struct {
	use         *OpeningUse
	version     *Version
	key         storage.Key
	fingerprint string
	holder      string // of the coupon; empty: there is none, or anyone may use it
}

func openingKey(id string) storage.Key { return storage.Key{Kind: kindOpening, ID: id} }

// Import counts what an older system has redeemed towards the limits: uses and money
// per offer, customer, coupon, campaign and attribute, in the period in which it was.
// Limits do not refuse it, since it has happened; but for those in shards, which can't say
// that they are used beyond: publish a version with such a limit raised to what was used.
// A coupon that somebody holds is used from then on; more often than it may be it can't be.
// It writes some uses in each Apply;
// where it was stopped, by an error, the context or a crash, asking again for the same
// goes on. A use is counted once, whoever imports it. Each step is an entry in the
// book, which moves no money: the old system's books have it.
//
// Everything is checked before anything is written. It fails with a [*Faults] that
// lists what is wrong, use by use: one that lacks what a limit counts by, that an
// offer unknown here is for, that a coupon or a limit in shards has no room for, that is
// of a coupon which was replaced ([Service.Reissue]), or that
// was imported before with another amount, customer or instant. The report beside an error says what was written before it.
func (s *Service) Import(ctx context.Context, request ImportRequest, now time.Time) (ImportReport, error) {
	var report ImportReport
	if err := request.validate(now); err != nil {
		return report, err
	}
	all, err := s.openings(ctx, &request, now)
	if err != nil {
		return report, err
	}
	fresh, err := s.freshOpenings(ctx, all)
	if err != nil {
		return report, err
	}
	if err := s.checkRoom(ctx, fresh, now); err != nil {
		return report, err
	}
	step := 0
	for chunk := range slices.Chunk(all, importStep) {
		step++
		known, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[int], error) {
			shards, err := s.shardsOf(ctx, chunk, now)
			if err != nil {
				return storage.Plan[int]{}, err
			}
			return plan(ctx, s, now, append(openingKeys(chunk), heldKeys(chunk)...), func(w *work) (int, error) {
				w.shards = shards
				return w.importStep(&request, step, chunk)
			})
		})
		if err != nil {
			return report, err
		}
		report.Known += known
		report.Imported += len(chunk) - known
	}
	return report, nil
}

func (r *ImportRequest) validate(now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.issueID("id", r.ID)
	faults.actor(r.Actor)
	faults.instant("now", now)
	if n := len(r.Uses); n < 1 || n > MaxImport {
		faults.add("uses", "has %d entries, want 1 to %d in one call", n, MaxImport)
		return faults
	}
	for i := range r.Uses {
		r.Uses[i].check(fmt.Sprintf("uses[%d]", i), now, faults)
	}
	return faults.orNil()
}

func (u *OpeningUse) check(path string, now time.Time, faults *Faults) {
	faults.id(path+".order", u.Order, false)
	faults.id(path+".offer", u.Offer, false)
	faults.id(path+".coupon", u.Coupon, true)
	faults.id(path+".customer", u.Customer, true)
	if u.Version < 0 {
		faults.add(path+".version", "is %d, want 0 for the latest or a published one", u.Version)
	}
	switch m := u.Amount; {
	case m.Currency().IsZero():
		faults.add(path+".amount", "is missing: 0 of a currency where nothing was taken off")
	case m.Minor() < 0 || m.Minor() >= MaxTotal:
		faults.add(path+".amount", "is %s, want 0 or more and less than 2^53 minor units", m)
	}
	faults.instant(path+".at", u.At)
	if u.At.After(now) {
		faults.add(path+".at", "is %s, after now", stamp(u.At))
	}
}

// openings finds what counts each use, and lists every use that nothing can count.
func (s *Service) openings(ctx context.Context, request *ImportRequest, now time.Time) ([]opening, error) {
	faults := &Faults{Kind: ErrRequest}
	versions, err := s.openingVersions(ctx, request, now, faults)
	if err != nil {
		return nil, err
	}
	used, err := s.openingCoupons(ctx, request)
	if err != nil {
		return nil, err
	}
	all := make([]opening, 0, len(request.Uses))
	seen := make(map[storage.Key]int, len(request.Uses))
	for i := range request.Uses {
		o, err := newOpening(&request.Uses[i], versions)
		if err != nil {
			return nil, err
		}
		path := fmt.Sprintf("uses[%d]", i)
		if first, twice := seen[o.key]; twice {
			faults.add(path, "is for the order, offer and coupon of uses[%d]", first)
			continue
		}
		seen[o.key] = i
		if o.version == nil { // said before
			continue
		}
		if o.use.Coupon != "" {
			o.checkCoupon(path, used[o.use.Coupon], faults)
		}
		if _, refused := o.claims(now); refused != nil {
			faults.add(path+"."+missingFor[refused.Reason], "a limit of offer %q can't count the use without it", o.use.Offer)
		}
		all = append(all, o)
	}
	return all, faults.orNil()
}

// checkCoupon checks that the coupon that was used is there, of the offer, and the
// customer's where somebody holds it.
func (o *opening) checkCoupon(path string, c *couponBody, faults *Faults) {
	switch {
	case c == nil:
		faults.add(path+".coupon", "there is no coupon %q: issue it first", o.use.Coupon)
	case c.Offer != o.use.Offer:
		faults.add(path+".coupon", "coupon %q is of offer %q", o.use.Coupon, c.Offer)
	case c.Holder != "" && c.Holder != o.use.Customer:
		faults.add(path+".customer", "is %q, and another customer holds coupon %q", o.use.Customer, o.use.Coupon)
	default:
		o.holder = c.Holder
	}
}

func newOpening(use *OpeningUse, versions map[offerVersion]*Version) (opening, error) {
	id, err := ledger.Fingerprint([]string{use.Order, use.Offer, use.Coupon})
	if err != nil {
		return opening{}, err
	}
	asked := *use
	asked.At, asked.Version = use.At.UTC().Truncate(time.Microsecond), 0
	fingerprint, err := ledger.Fingerprint(asked)
	return opening{use: use, version: versions[offerVersion{use.Offer, use.Version}], key: openingKey(id), fingerprint: fingerprint}, err
}

// openingVersions reads each version that is named, once.
func (s *Service) openingVersions(ctx context.Context, request *ImportRequest, now time.Time, faults *Faults) (map[offerVersion]*Version, error) {
	var offers []string
	for _, u := range request.Uses {
		offers = append(offers, u.Offer)
	}
	slices.Sort(offers)
	heads, err := s.readHeads(ctx, slices.Compact(offers), now)
	if err != nil {
		return nil, err
	}
	number := func(u *OpeningUse) offerVersion {
		if u.Version == 0 {
			return offerVersion{u.Offer, heads[u.Offer].latest}
		}
		return offerVersion{u.Offer, u.Version}
	}
	wanted := make(map[offerVersion]bool)
	for i := range request.Uses {
		if v := number(&request.Uses[i]); v.version > 0 {
			wanted[v] = true
		}
	}
	found, err := s.readVersions(ctx, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return nil, err
	}
	versions := make(map[offerVersion]*Version)
	for i := range request.Uses {
		u := &request.Uses[i]
		v := found[number(u)]
		versions[offerVersion{u.Offer, u.Version}] = v
		if v == nil {
			faults.add(fmt.Sprintf("uses[%d].offer", i), "%q is not published, or not in version %d", u.Offer, u.Version)
		}
	}
	return versions, nil
}

// openingCoupons reads the coupons that are named, those that there are.
func (s *Service) openingCoupons(ctx context.Context, request *ImportRequest) (map[string]*couponBody, error) {
	var ids []string
	for _, u := range request.Uses {
		if u.Coupon != "" {
			ids = append(ids, u.Coupon)
		}
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(couponKeys(ids))); err != nil {
		return nil, err
	}
	found := make(map[string]*couponBody)
	for key, doc := range docs {
		if doc == nil {
			continue
		}
		record, err := coupons.Decode(*doc)
		if err != nil {
			return nil, err
		}
		found[key.ID] = &record.Value
	}
	return found, nil
}

// claims are what the use takes of the limits that still count. They have no bound, but
// for those in shards: what a shard has beyond its part would look like room in another
// as soon as something is returned.
func (o *opening) claims(now time.Time) ([]ledger.Claim, *Refusal) {
	cart := Cart{Currency: o.use.Amount.Currency(), Customer: Customer{Key: o.use.Customer}, Attributes: o.use.Attributes}
	var coupon *Coupon
	if o.use.Coupon != "" {
		coupon = &Coupon{ID: o.use.Coupon, Holder: o.holder}
	}
	limits, refused := o.version.claims(&cart, coupon, o.use.At)
	var claims []ledger.Claim
	for _, l := range limits {
		if claim, counted := l.taken(o.use.Amount.Minor()); counted && claim.Open(now) {
			if claim.Shards < 2 {
				claim.Max = math.MaxInt64
			}
			claims = append(claims, claim)
		}
	}
	return claims, refused
}

// missingFor names what of a use a limit asks for.
var missingFor = map[Reason]string{ReasonCustomer: "customer", ReasonSale: "attributes", ReasonCurrency: "amount"}

func openingKeys(all []opening) []storage.Key {
	keys := make([]storage.Key, len(all))
	for i := range all {
		keys[i] = all[i].key
	}
	return keys
}

// heldKeys are the coupons that somebody holds, in which the uses stand.
func heldKeys(all []opening) []storage.Key {
	var ids []string
	for i := range all {
		if o := &all[i]; o.holder != "" {
			ids = append(ids, o.use.Coupon)
		}
	}
	return couponKeys(ids)
}

// freshOpenings are the uses that were not imported before. It lists every one that was,
// as something else.
func (s *Service) freshOpenings(ctx context.Context, all []opening) ([]opening, error) {
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, openingKeys(all)); err != nil {
		return nil, err
	}
	var fresh []opening
	faults := &Faults{Kind: ErrKeyReused}
	for i, o := range all {
		doc := docs[o.key]
		if doc == nil {
			fresh = append(fresh, o)
			continue
		}
		record, err := openings.Decode(*doc)
		if err != nil {
			return nil, err
		}
		if record.Value.Fingerprint != o.fingerprint {
			faults.add(fmt.Sprintf("uses[%d]", i), "order %q with offer %q was imported before, by %q, with another amount, customer or instant", o.use.Order, o.use.Offer, record.Value.Import)
		}
	}
	return fresh, faults.orNil()
}

// checkRoom lists the first of the uses that limits in shards or coupons have no room
// for. Others may take it before the uses are written: then they are refused by that.
func (s *Service) checkRoom(ctx context.Context, fresh []opening, now time.Time) error {
	shards, err := s.shardsOf(ctx, fresh, now)
	if err != nil {
		return err
	}
	_, err = plan(ctx, s, now, heldKeys(fresh), func(w *work) (none struct{}, err error) {
		w.shards = shards
		for i := range fresh {
			if _, err := w.countOpening(&fresh[i]); err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}

// shardsOf reads what is taken of the shards in which limits count the uses.
func (s *Service) shardsOf(ctx context.Context, all []opening, now time.Time) (map[string]int64, error) {
	shards := make(map[string]int64)
	var names []string
	for i := range all {
		claims, _ := all[i].claims(now)
		for _, c := range claims {
			if _, known := shards[c.Counter]; c.Shards > 1 && !known {
				shards[c.Counter] = 0
				names = append(names, ledger.ShardNames(c.Counter, c.Shards)...)
			}
		}
	}
	for chunk := range slices.Chunk(names, storage.MaxGet) {
		_, values, err := s.store.Get(ctx, nil, chunk...)
		if err != nil {
			return nil, err
		}
		maps.Copy(shards, values)
	}
	return shards, nil
}

// countOpening has a use count: it claims what limits count of it, and stands in the
// coupon that somebody holds. It gives the claims.
func (w *work) countOpening(o *opening) ([]ledger.Claim, error) {
	claims, _ := o.claims(w.now)
	if slices.ContainsFunc(claims, func(c ledger.Claim) bool { return c.Shards > 1 }) {
		var err error
		var full *errFull
		if claims, err = w.spread(o.use.Order, claims); errors.As(err, &full) {
			return nil, &Faults{ErrRequest, []Fault{{"uses", fmt.Sprintf(
				"a limit of offer %q in shards has no room for order %q: publish a version with it raised to all that was used", o.use.Offer, o.use.Order)}}}
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range claims {
		w.take(c)
	}
	if o.holder == "" {
		return claims, nil
	}
	c, err := w.coupon(o.use.Coupon)
	if err != nil {
		return nil, err
	}
	b := &c.Value
	if b.Revoked != nil && b.Revoked.Reissued != "" {
		return nil, &Faults{ErrRequest, []Fault{{"uses", fmt.Sprintf(
			"coupon %q, used for order %q, was replaced by %q, which can still be used: import the use of that", c.Key.ID, o.use.Order, b.Revoked.Reissued)}}}
	}
	if len(b.Used) >= b.Uses {
		if err := w.lapse(b.lapsed(w.now)); err != nil {
			return nil, err
		}
	}
	if len(b.Used) >= b.Uses {
		return nil, &Faults{ErrRequest, []Fault{{"uses", fmt.Sprintf(
			"coupon %q may be used %d times, and has no use left for order %q: leave that out, or import it without the coupon", c.Key.ID, b.Uses, o.use.Order)}}}
	}
	b.Used = append(slices.Clip(b.Used), useBody{Order: o.use.Order, At: o.use.At.UnixMicro(), Opening: o.key.ID})
	w.change(c.Key)
	return claims, nil
}

// importStep writes those of some uses that are not known yet, and gives how many are.
func (w *work) importStep(request *ImportRequest, step int, chunk []opening) (known int, err error) {
	var first *opening // of those that are not known
	for i := range chunk {
		o := &chunk[i]
		if doc := w.docs[o.key]; doc != nil {
			record, err := openings.Decode(*doc)
			if err != nil {
				return 0, err
			}
			if record.Value.Fingerprint != o.fingerprint {
				return 0, fmt.Errorf("%w: order %q with offer %q was imported meanwhile as something else", ErrKeyReused, o.use.Order, o.use.Offer)
			}
			known++
			continue
		}
		if first == nil {
			first = o
		}
		claims, err := w.countOpening(o)
		if err != nil {
			return 0, err
		}
		put, err := o.put(request.ID, claims)
		if err != nil {
			return 0, err
		}
		w.puts = append(w.puts, put)
	}
	if first != nil {
		w.entries = append(w.entries, ledger.Entry{
			ID: fmt.Sprintf("imported/%s/%d/%s", request.ID, step, first.key.ID[:16]), Kind: "imported", At: w.now, Actor: request.Actor, Concerns: request.ID,
			Details: map[string]string{"uses": fmt.Sprint(len(chunk) - known), "first order": chunk[0].use.Order, "last order": chunk[len(chunk)-1].use.Order},
		})
	}
	return known, nil
}

func (o *opening) put(request string, claims []ledger.Claim) (storage.Put, error) {
	u := o.use
	at := u.At.UnixMicro()
	lists := []storage.Listing{{List: "offer/" + u.Offer, Place: at}}
	if u.Customer != "" {
		lists = append(lists, storage.Listing{List: "customer/" + u.Customer, Place: at})
	}
	return openings.Put(storage.Record[openingBody]{Key: o.key, Value: openingBody{
		Fingerprint: o.fingerprint, Order: u.Order, Offer: u.Offer, Version: o.version.offer.Version, Coupon: u.Coupon, Customer: u.Customer,
		Amount: u.Amount.Minor(), Currency: u.Amount.Currency().Code(), At: at, Import: request, Claims: claims,
	}}, 0, lists...)
}

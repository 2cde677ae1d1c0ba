package coupon

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// work is one operation being decided: the documents it has read, those it has
// changed, and what it does to counters and the book. It is pure: the shell reads
// what is asked for ([needs]), and applies the batch that comes out.
type work struct {
	now         time.Time
	docs        map[storage.Key]*storage.Doc // as read; nil: read, and absent
	given       []known                      // taken for what is there, beside those
	coupons     records[couponBody]
	redemptions records[redemptionBody]
	changed     table[storage.Key, bool]
	checks      table[storage.Key, int64]
	claims      table[string, claimChange]
	shards      map[string]int64 // what is known to be taken of shards
	entries     []ledger.Entry
	puts        []storage.Put
	batches     []storage.Batch // of holds
	overrides   records[overrideBody]
	settles     bool   // what sellers are owed is booked
	basis       *basis // taken for what is there; nil: all was read
}

// records are decoded documents of one kind, by their ids.
type records[T any] = table[string, *storage.Record[T]]

// known is a document of which one knows, nil if it is absent.
type known struct {
	key storage.Key
	doc *storage.Doc
}

// claimChange is what the operation does to one counter.
type claimChange struct {
	delta int64
	max   int64
	until int64
}

// needs is the error of an operation that must read more before it can decide.
type needs []storage.Key

func (n needs) Error() string { return fmt.Sprintf("coupon: not read: %v", []storage.Key(n)) }

func newWork(docs map[storage.Key]*storage.Doc, now time.Time) *work {
	return &work{now: now, docs: docs}
}

// doc gives a document as it was read, nil if it is absent, and whether it was read.
func (w *work) doc(k storage.Key) (doc *storage.Doc, read bool) {
	for i := range w.given {
		if w.given[i].key == k {
			return w.given[i].doc, true
		}
	}
	doc, read = w.docs[k]
	return doc, read
}

// read fails with needs when one of the documents was not read yet.
func (w *work) read(keys ...storage.Key) error {
	var missing needs
	for _, k := range keys {
		if _, read := w.doc(k); !read && !slices.Contains(missing, k) {
			missing = append(missing, k)
		}
	}
	if len(missing) > 0 {
		return missing
	}
	return nil
}

// redemption gives an order's redemption; its Version is 0 when there is none.
func (w *work) redemption(order string) (*storage.Record[redemptionBody], error) {
	return lookup(w, &w.redemptions, redemptions, redemptionKey(order))
}

// coupon gives a coupon's record; it fails with ErrNoCoupon when there is none.
func (w *work) coupon(id string) (*storage.Record[couponBody], error) {
	record, err := lookup(w, &w.coupons, coupons, couponKey(id))
	if err == nil && record.Version == 0 {
		err = fmt.Errorf("%w: %q", ErrNoCoupon, id)
	}
	return record, err
}

func lookup[T any](w *work, records *records[T], codec *storage.Codec[T], key storage.Key) (*storage.Record[T], error) {
	if record, known := records.get(key.ID); known {
		return record, nil
	}
	doc, read := w.doc(key)
	if !read {
		return nil, needs{key}
	}
	record := &storage.Record[T]{Key: key}
	if doc != nil {
		decoded, err := codec.Decode(*doc)
		if err != nil {
			return nil, err
		}
		*record = decoded
	}
	records.set(key.ID, record)
	return record, nil
}

// change notes that a document is to be written.
func (w *work) change(k storage.Key) { w.changed.set(k, true) }

// take raises a counter by a claim, give lowers it. Both on one counter cancel
// out, so that an order which claims anew never blocks itself.
func (w *work) take(c ledger.Claim) { w.claim(c, c.N) }

// spread spreads claims over shards where their limits say so, each order beginning
// at another one. Where there is no room in all of them it fails with errFull.
func (w *work) spread(order string, claims []ledger.Claim) ([]ledger.Claim, error) {
	if !slices.ContainsFunc(claims, func(c ledger.Claim) bool { return c.Shards > 1 }) {
		return claims, nil
	}
	var all []ledger.Claim
	for _, c := range claims {
		if c.Shards < 2 {
			all = append(all, c)
			continue
		}
		used := make(map[string]int64, c.Shards)
		for _, name := range ledger.ShardNames(c.Counter, c.Shards) {
			used[name] = w.shards[name]
			if change, known := w.claims.get(name); known {
				used[name] += change.delta
			}
		}
		spread, ok := c.Spread(int(crc32.ChecksumIEEE([]byte(order))%uint32(c.Shards)), used)
		if !ok {
			return nil, &errFull{c, w.shards}
		}
		all = append(all, spread...)
	}
	slices.SortFunc(all, func(a, b ledger.Claim) int { return cmp.Compare(a.Counter, b.Counter) })
	return all, nil
}

// errFull: the shards of a counter have no room for a claim, by what is known of them.
type errFull struct {
	claim ledger.Claim
	known map[string]int64
}

func (e *errFull) Unwrap() error { return storage.ErrLimit }

func (e *errFull) Error() string { return "coupon: no room in the shards of " + e.claim.Counter }

// give gives some of what is held of a counter, or of its shards, back, at most all,
// and says whether it was anything. A claim whose counter is over stays as it is: the
// store may have discarded it.
func (w *work) give(b *redemptionBody, counter string, n int64) (any bool) {
	for i := range b.Claims {
		c := &b.Claims[i]
		if of, _ := ledger.Unsharded(c.Counter); c.Counter != counter && of != counter || !c.Open(w.now) {
			continue
		}
		back := min(n, c.N)
		w.claim(*c, -back)
		c.N -= back
		n -= back
		any = any || back > 0
	}
	return any
}

func (w *work) claim(c ledger.Claim, delta int64) {
	change, known := w.claims.get(c.Counter)
	if !known {
		change.max = math.MaxInt64
	}
	change.delta += delta
	change.until = max(change.until, c.Until)
	if delta > 0 {
		change.max = min(change.max, c.Max)
	}
	w.claims.set(c.Counter, change)
}

// end takes a reservation back: it becomes released or expired, and what it holds
// of coupons and counters is given back.
func (w *work) end(r *storage.Record[redemptionBody], state State) error {
	if err := w.read(append(couponKeys(r.Value.held()), holdKeys(r.Value.Holds)...)...); err != nil {
		return err
	}
	if err := w.voidTender(&r.Value); err != nil {
		return err
	}
	r.Value.State, r.Value.Ended = state, w.now.UnixMicro()
	w.change(r.Key)
	return w.restore(r)
}

// restore gives back what a redemption holds of coupons and counters.
func (w *work) restore(r *storage.Record[redemptionBody]) error {
	for i := range r.Value.Applied {
		if err := w.freeOverride(&r.Value.Applied[i], r.Value.Order); err != nil {
			return err
		}
	}
	for _, id := range r.Value.held() {
		if err := w.giveUse(id, r.Value.Order); err != nil {
			return err
		}
	}
	r.Value.Claims = slices.Clone(r.Value.Claims)
	for _, c := range r.Value.Claims {
		w.give(&r.Value, c.Counter, c.N)
	}
	return nil
}

// giveUse gives an order's use of a coupon back: where that was replaced meanwhile, to
// what replaces it, since it can't be used itself any more.
func (w *work) giveUse(id, order string) error {
	c, err := w.coupon(id)
	if err != nil {
		return err
	}
	c.Value.drop(order)
	w.change(c.Key)
	now, err := w.successor(id)
	if err == nil && now != c {
		now.Value.Uses++
		w.change(now.Key)
	}
	return err
}

// successor is a coupon, or what has replaced it by now.
func (w *work) successor(id string) (*storage.Record[couponBody], error) {
	c, err := w.coupon(id)
	for err == nil && c.Value.Revoked != nil && c.Value.Revoked.Reissued != "" {
		c, err = w.coupon(c.Value.Revoked.Reissued)
	}
	return c, err
}

// lapse expires the reservations of the given orders, those that have lapsed.
func (w *work) lapse(orders []string) error {
	for _, order := range orders {
		r, err := w.redemption(order)
		if err != nil {
			return err
		}
		if r.Value.State != StateReserved || w.now.UnixMicro() < r.Value.Until {
			continue
		}
		if err := w.end(r, StateExpired); err != nil {
			return err
		}
	}
	return nil
}

// hold puts an order's use into the coupons it applies that somebody holds. A use
// whose reservation has lapsed makes room, and its redemption expires with it.
func (w *work) hold(order string, ids []string, until int64) error {
	for _, id := range ids {
		c, err := w.coupon(id)
		if err != nil {
			return err
		}
		c.Value.drop(order)
		if len(c.Value.Used) >= c.Value.Uses {
			if err := w.lapse(c.Value.lapsed(w.now)); err != nil {
				return err
			}
		}
		if public := c.Value.coupon(id); public.open(order, w.now) < 1 {
			return public.refuse(public.Holder, order, w.now)
		}
		c.Value.Used = append(c.Value.Used, useBody{Order: order, Until: until, At: w.now.UnixMicro()})
		w.change(c.Key)
	}
	return nil
}

// batch is what writes the operation. Every changed document is put at the
// version read; claims that only give back, or cancel out, are never refused for
// their maximum.
func (w *work) batch() (storage.Batch, error) {
	batches := make([]storage.Batch, 0, len(w.batches)+1+len(w.entries))
	batches = append(batches, w.batches...)
	if err := w.putChanged(); err != nil {
		return storage.Batch{}, err
	}
	batches = append(batches, storage.Batch{Checks: w.checked(), Puts: w.puts, Adds: w.added()})
	for i := range w.entries {
		entry, err := w.entries[i].Batch(floors...)
		if err != nil {
			return storage.Batch{}, err
		}
		batches = append(batches, entry)
	}
	return storage.Join(batches...)
}

// putChanged puts the documents that have changed.
func (w *work) putChanged() error {
	put := func(p storage.Put, err error) error {
		w.puts = append(w.puts, p)
		return err
	}
	for _, r := range w.redemptions.sorted(strings.Compare) {
		if w.changed.has(r.value.Key) {
			if err := put(putRedemption(r.value)); err != nil {
				return err
			}
		}
	}
	for _, c := range w.coupons.sorted(strings.Compare) {
		if w.changed.has(c.value.Key) {
			if err := put(putCoupon(*c.value)); err != nil {
				return err
			}
		}
	}
	for _, r := range w.overrides.sorted(strings.Compare) {
		if w.changed.has(r.value.Key) {
			if err := put(overrides.Put(*r.value, 0, storage.Listing{List: "offer/" + r.value.Value.Offer})); err != nil {
				return err
			}
		}
	}
	return nil
}

// checked are the checks of what has not changed here.
func (w *work) checked() []storage.Check {
	all := w.checks.sorted(storage.Key.Compare)
	checks := make([]storage.Check, 0, len(all))
	for _, c := range all {
		if !w.changed.has(c.key) {
			checks = append(checks, storage.Check{Key: c.key, Version: c.value})
		}
	}
	return checks
}

// added is what the claims come to.
func (w *work) added() []storage.Add {
	all := w.claims.sorted(strings.Compare)
	adds := make([]storage.Add, 0, len(all))
	for _, c := range all {
		change := c.value
		if change.delta == 0 {
			continue
		}
		add := storage.Add{Counter: c.key, Delta: change.delta, Min: 0, Max: math.MaxInt64, Until: change.until}
		if change.delta > 0 {
			add.Max = change.max
		}
		adds = append(adds, add)
	}
	return adds
}

// reserve makes or replaces an order's redemption from a quote that was judged
// again just now; until is when the reservation lapses, the zero time to confirm
// it in one step. claims are what its offers claim now, nil where that is not known yet.
// It gives the body that is recorded.
func (w *work) reserve(order string, q *Quote, claims [][]limitClaim, until time.Time) (*redemptionBody, error) {
	r, err := w.redemption(order)
	if err != nil {
		return nil, err
	}
	m := recordings.Get().(*recording)
	defer recordings.Put(m)
	lines := q.linesIn(&m.quoteMemory)
	fingerprint := m.fingerprint(q, lines)
	if r.Version > 0 {
		recorded, err := r.Value.again(fingerprint, until)
		if recorded || err != nil {
			return &r.Value, err
		}
		if r.Value.State == StateReserved {
			if err := w.end(r, StateReleased); err != nil {
				return nil, err
			}
		}
	}
	b := &r.Value
	b.fill(order, q, lines, claims, w.now)
	b.Fingerprint, b.At, b.State, b.Until = fingerprint, w.now.UnixMicro(), StateReserved, micros(until)
	w.change(r.Key)
	if err := w.watch(b); err != nil {
		return nil, err
	}
	if b.Claims, err = w.spread(order, b.Claims); err != nil {
		return nil, err
	}
	w.claims.grow(len(b.Claims))
	for _, c := range b.Claims {
		w.take(c)
	}
	if err := w.hold(order, b.held(), b.Until); err != nil {
		return nil, err
	}
	if err := w.useOverrides(b); err != nil {
		return nil, err
	}
	if until.IsZero() {
		return b, w.confirm(r)
	}
	return b, w.holdTender(r)
}

// watch makes the batch depend on what was read of the offers and coupons that
// apply: one paused or revoked since is refused.
func (w *work) watch(b *redemptionBody) error {
	var missing needs
	watch := func(k storage.Key) {
		switch doc, read := w.doc(k); {
		case !read:
			missing = append(missing, k)
		case doc != nil:
			w.checks.set(k, doc.Version)
		}
	}
	for i := range b.Applied {
		watch(headKey(b.Applied[i].Offer))
		if coupon := b.Applied[i].Coupon; coupon != "" {
			watch(couponKey(coupon))
		}
	}
	if len(missing) > 0 {
		return needs(unique(missing))
	}
	return nil
}

// again says that what is recorded answers the request already. It fails when the
// recorded redemption can't be replaced.
func (b *redemptionBody) again(fingerprint string, until time.Time) (recorded bool, err error) {
	same := b.Fingerprint == fingerprint
	switch b.State {
	case StateReserved:
		return same && b.Until == micros(until), nil
	case StateReleased, StateExpired:
		return false, nil
	}
	if same {
		return true, nil
	}
	return false, fmt.Errorf("%w: order %q is %s with another cart or choice: refund it, or use another order id", ErrKeyReused, b.Order, b.State)
}

// confirm makes a reservation final and books its discounts.
func (w *work) confirm(r *storage.Record[redemptionBody]) error {
	if err := w.read(couponKeys(r.Value.held())...); err != nil {
		return err
	}
	b := &r.Value
	b.State, b.Until, b.Ended, b.Confirmed = StateConfirmed, 0, 0, w.now.UnixMicro()
	w.change(r.Key)
	for _, id := range b.held() {
		c, err := w.coupon(id)
		if err != nil {
			return err
		}
		c.Value.confirm(b.Order, w.now)
		w.change(c.Key)
	}
	if b.Settled = w.settles; b.Settled {
		w.settle(b, saleStep, string(StatementSold), b.positions(), nil)
	}
	tender, err := w.takeTender(b)
	if err != nil || len(b.Applied)+len(tender) == 0 {
		return err
	}
	payments := b.payments()
	w.book(ledger.Entry{
		ID: redeemedEntry(b.Order), Kind: "redeemed", At: w.now, Subject: b.Customer, Concerns: b.Order,
		Transfers: append(b.transfers(&payments, false), tender...),
	})
	return nil
}

// entryStep is how many transfers one entry of an order has: more than
// [ledger.MaxTransfers] it may not have.
const entryStep = 400

// book books an entry of an order, in several where it has many payers.
func (w *work) book(e ledger.Entry) {
	all := e.Transfers
	slices.SortFunc(all, func(a, b ledger.Transfer) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	for step := 0; step*entryStep < max(1, len(all)); step++ {
		part := e
		part.ID = entryPart(e.ID, step)
		part.Transfers = all[step*entryStep : min(len(all), (step+1)*entryStep)]
		w.entries = append(w.entries, part)
	}
}

// entryPart is the id of the entry that goes on with another, 0 the first.
func entryPart(id string, step int) string {
	if step == 0 {
		return id
	}
	return fmt.Sprintf("%s/more/%d", id, step)
}

// claimAgain confirms what was released or expired before: everything is claimed
// as it was, or not at all. A refused coupon comes as a *Refusal.
func (w *work) claimAgain(r *storage.Record[redemptionBody]) error {
	b := &r.Value
	if err := w.read(couponKeys(b.held())...); err != nil {
		return err
	}
	for _, a := range b.Applied {
		if !a.Held {
			continue
		}
		c, err := w.coupon(a.Coupon)
		if err != nil {
			return err
		}
		public := c.Value.coupon(a.Coupon)
		if refused := public.refuse(b.Customer, b.Order, w.now); refused != nil {
			refused.Coupon, refused.Offer, refused.Name, refused.Own = a.Coupon, a.Offer, a.Name, true
			return refused
		}
	}
	if err := w.hold(b.Order, b.held(), 0); err != nil {
		return err
	}
	if err := w.useOverrides(b); err != nil {
		return err
	}
	var again []ledger.Claim
	for _, c := range b.taken() {
		if c.Open(w.now) && !b.holds(c.Counter) {
			again = append(again, c)
		}
	}
	again, err := w.spread(b.Order, again)
	if err != nil {
		return err
	}
	b.Claims = slices.DeleteFunc(slices.Clone(b.Claims), func(c ledger.Claim) bool {
		return slices.ContainsFunc(again, func(a ledger.Claim) bool { return a.Counter == c.Counter })
	})
	for _, c := range again {
		w.take(c)
		b.Claims = append(b.Claims, c)
	}
	slices.SortFunc(b.Claims, func(x, y ledger.Claim) int { return cmp.Compare(x.Counter, y.Counter) })
	return w.confirm(r)
}

// Entries of an order. Refunds are counted from 1, and the order's id stands in the
// middle: at the end, an id that a shop chose could make the entries of two orders
// one, or look like a part of a large entry.
func redeemedEntry(order string) string { return "order/" + order + "/redeemed" }

func refundedEntry(order string, number int) string {
	return fmt.Sprintf("order/%s/refunded/%d", order, number)
}

// needed gives the keys an operation still has to read, if that is what err says.
func needed(err error) (needs, bool) {
	if err == nil {
		return nil, false
	}
	var more needs
	ok := errors.As(err, &more)
	return more, ok
}

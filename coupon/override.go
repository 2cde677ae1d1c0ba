package coupon

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// OverrideRequest asks to let an offer be used once more than its limits allow. It is
// for one customer, one order or one coupon: exactly one of them is named.
type OverrideRequest struct {
	ID       string // the idempotency key
	Offer    string // whose limits; for a coupon it may be left out
	Customer string
	Order    string
	Coupon   string    // by id
	Until    time.Time // when it can't be used any more; zero: never
	Actor    string    // the member of staff
	Reason   string    // at most 500 bytes
}

// Override is one use more than limits allow.
type Override struct {
	OverrideRequest
	At     time.Time
	UsedBy string // the order that uses it; empty: none. A coupon that somebody holds counts its uses itself.
}

// overrideBody is what one customer, order or coupon may use of an offer beyond its
// limits.
type overrideBody struct {
	Offer  string      `json:"offer"`
	Whose  string      `json:"whose"` // "customer", "order", "coupon"
	Key    string      `json:"key"`
	Grants []grantBody `json:"grants"`
}

type grantBody struct {
	ID          string `json:"id"`
	Fingerprint string `json:"fingerprint"`
	At          int64  `json:"at"`
	Until       int64  `json:"until,omitempty"`
	Actor       string `json:"actor"`
	Reason      string `json:"reason"`
	Order       string `json:"order,omitempty"` // that uses it
}

// maxGrants bounds the overrides of one offer for one customer, order or coupon.
const maxGrants = 100

const kindOverride = "override"

var overrides = storage.NewCodec[overrideBody](1)

// overrideUse is an override that a use rests on.
type overrideUse struct {
	Key   string `json:"key"`   // the document's id
	Grant string `json:"grant"` // of its grants
}

func overrideKey(offer, whose, key string) (storage.Key, error) {
	id, err := ledger.Fingerprint([]string{offer, whose, key})
	return storage.Key{Kind: kindOverride, ID: id}, err
}

func (b *overrideBody) grant(id string) *grantBody {
	i := slices.IndexFunc(b.Grants, func(g grantBody) bool { return g.ID == id })
	if i < 0 {
		return nil
	}
	return &b.Grants[i]
}

// open says that the grant can be used for an order.
func (g *grantBody) open(order string, at time.Time) bool {
	return (g.Order == "" || g.Order == order) && (g.Until == 0 || at.UnixMicro() < g.Until)
}

// Override lets an offer be used once more than its limits of uses and of money
// allow, those within one order too. The next order of the customer that a limit would
// refuse takes it, or the order named, or the next of the coupon; exactly one does. A use that is given back
// gives it back, too. Of a coupon that somebody holds it raises the uses by one.
//
// Asked again under the same id for the same, it answers what it recorded. It fails
// with a [*Faults] when the request is not valid, with [ErrNoOffer], [ErrNoCoupon],
// and [ErrKeyReused].
func (s *Service) Override(ctx context.Context, request OverrideRequest, now time.Time) (Override, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Override], error) {
		return s.PlanOverride(ctx, request, now)
	})
}

// PlanOverride is Override as a plan.
func (s *Service) PlanOverride(ctx context.Context, request OverrideRequest, now time.Time) (storage.Plan[Override], error) {
	none := storage.Plan[Override]{}
	if err := request.validate(now); err != nil {
		return none, err
	}
	request.Until = instant(micros(request.Until))
	held := false
	if request.Coupon != "" {
		c, err := s.Coupon(ctx, request.Coupon)
		if err != nil {
			return none, err
		}
		if request.Offer != "" && request.Offer != c.Offer {
			return none, &Faults{ErrRequest, []Fault{{"offer", fmt.Sprintf("is %q, but the coupon is of %q", request.Offer, c.Offer)}}}
		}
		request.Offer, held = c.Offer, c.Holder != ""
	}
	if _, err := s.readHead(ctx, request.Offer, now); err != nil {
		return none, err
	}
	whose, of := request.whose()
	key, err := overrideKey(request.Offer, whose, of)
	if err != nil {
		return none, err
	}
	fingerprint, err := ledger.Fingerprint(request)
	if err != nil {
		return none, err
	}
	_, known, err := s.book().Entry(ctx, "overridden/"+request.ID)
	if err != nil {
		return none, err
	}
	keys := []storage.Key{key}
	if held {
		keys = append(keys, couponKey(request.Coupon))
	}
	return plan(ctx, s, now, keys, func(w *work) (Override, error) { return w.grantOverride(key, request, fingerprint, held, known) })
}

func (r *OverrideRequest) whose() (whose, key string) {
	switch {
	case r.Customer != "":
		return "customer", r.Customer
	case r.Order != "":
		return "order", r.Order
	}
	return "coupon", r.Coupon
}

func (r *OverrideRequest) validate(now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", r.ID, false)
	faults.id("offer", r.Offer, r.Coupon != "")
	faults.id("customer", r.Customer, true)
	faults.id("order", r.Order, true)
	faults.id("coupon", r.Coupon, true)
	named := 0
	for _, key := range []string{r.Customer, r.Order, r.Coupon} {
		if key != "" {
			named++
		}
	}
	if named != 1 {
		faults.add("customer", "is one of %d keys given: name one customer, one order or one coupon", named)
	}
	if !r.Until.IsZero() {
		if faults.instant("until", r.Until); !r.Until.After(now) {
			faults.add("until", "is %s, want an instant after now", stamp(r.Until))
		}
	}
	faults.staffVerb(r.Actor, r.Reason)
	faults.instant("now", now)
	return faults.orNil()
}

func (w *work) grantOverride(key storage.Key, request OverrideRequest, fingerprint string, held, known bool) (Override, error) {
	r, err := w.override(key)
	if err != nil {
		return Override{}, err
	}
	b := &r.Value
	if g := b.grant(request.ID); g != nil && g.Fingerprint == fingerprint {
		return Override{request, instant(g.At), g.Order}, nil
	} else if g != nil || known {
		return Override{}, fmt.Errorf("%w: override %q was asked for something else: use another id", ErrKeyReused, request.ID)
	}
	if len(b.Grants) >= maxGrants {
		return Override{}, fmt.Errorf("%w: there are %d overrides of offer %q for it already", ErrState, maxGrants, request.Offer)
	}
	b.Offer = request.Offer
	b.Whose, b.Key = request.whose()
	g := grantBody{ID: request.ID, Fingerprint: fingerprint, At: w.now.UnixMicro(), Until: micros(request.Until), Actor: request.Actor, Reason: request.Reason}
	if held {
		if err := w.addUse(request.Coupon); err != nil {
			return Override{}, err
		}
		g.Until = g.At // it is in the coupon's uses now, and never to be used from here
	}
	b.Grants = append(slices.Clone(b.Grants), g)
	w.change(key)
	w.entries = append(w.entries, ledger.Entry{
		ID: "overridden/" + request.ID, Kind: "overridden", At: w.now, Actor: request.Actor, Subject: request.Customer, Concerns: request.Offer,
		Details: map[string]string{"reason": request.Reason, b.Whose: b.Key},
	})
	return Override{request, w.now.UTC().Truncate(time.Microsecond), ""}, nil
}

// addUse raises the uses of a coupon that somebody holds.
func (w *work) addUse(id string) error {
	c, err := w.coupon(id)
	if err != nil {
		return err
	}
	if c.Value.Uses >= maxUses {
		return fmt.Errorf("%w: coupon %q can be used %d times, which is the most", ErrState, id, maxUses)
	}
	c.Value.Uses++
	w.change(c.Key)
	return nil
}

func (w *work) override(key storage.Key) (*storage.Record[overrideBody], error) {
	return lookup(w, &w.overrides, overrides, key)
}

// noBound is the limit of a claim that an override lets through: what it rests on is
// used by one order. It leaves room for sums.
const noBound = math.MaxInt64 / 2

// overridden looks for overrides of candidates that a limit refused. It says whether
// there were any.
func (s *Service) overridden(ctx context.Context, cart *Cart, candidates []Candidate, refused []*Refusal, facts *Facts, now time.Time) (found bool, err error) {
	keys := make([][]storage.Key, len(candidates))
	var all []storage.Key
	for i := range candidates {
		if keys[i], err = candidates[i].overrideKeys(cart, refused, facts); err != nil {
			return false, err
		}
		all = append(all, keys[i]...)
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(all)); err != nil {
		return false, err
	}
	taken := make(map[overrideUse]bool)
	for i := range candidates {
		c := &candidates[i]
		if c.override, err = openGrant(docs, keys[i], taken, facts.Order, now); err != nil {
			return false, err
		}
		if c.override != nil {
			found = true
		}
	}
	return found, nil
}

// overrideKeys are the documents that may let a candidate through, none when no limit
// is in its way.
func (c *Candidate) overrideKeys(cart *Cart, refused []*Refusal, facts *Facts) ([]storage.Key, error) {
	limited := func(r *Refusal) bool {
		return r.Reason == ReasonLimit && r.Offer == c.Version.offer.ID && r.Coupon == c.couponID()
	}
	if c.Version == nil || !slices.ContainsFunc(refused, limited) {
		return nil, nil
	}
	var keys []storage.Key
	for _, whose := range [][2]string{{"order", facts.Order}, {"coupon", c.couponID()}, {"customer", cart.Customer.Key}} {
		if whose[1] == "" {
			continue
		}
		key, err := overrideKey(c.Version.offer.ID, whose[0], whose[1])
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (c *Candidate) couponID() string {
	if c.Coupon == nil {
		return ""
	}
	return c.Coupon.ID
}

// openGrant is the first grant of the documents that an order can use, and takes it.
func openGrant(docs map[storage.Key]*storage.Doc, keys []storage.Key, taken map[overrideUse]bool, order string, now time.Time) (*overrideUse, error) {
	for _, key := range keys {
		if docs[key] == nil {
			continue
		}
		record, err := overrides.Decode(*docs[key])
		if err != nil {
			return nil, err
		}
		for i := range record.Value.Grants {
			g := &record.Value.Grants[i]
			if use := (overrideUse{key.ID, g.ID}); g.open(order, now) && !taken[use] {
				taken[use] = true
				return &use, nil
			}
		}
	}
	return nil, nil
}

// useOverrides uses those that the order rests on, or refuses it.
func (w *work) useOverrides(b *redemptionBody) error {
	for _, a := range b.Applied {
		r, g, err := w.grantOf(a.Override)
		if err != nil {
			return err
		}
		switch {
		case r == nil:
			continue
		case g == nil || !g.open(b.Order, w.now):
			return &Refusal{Reason: ReasonLimit, Offer: a.Offer, Name: a.Name, Coupon: a.Coupon}
		}
		g.Order = b.Order
		w.change(r.Key)
	}
	return nil
}

// freeOverride gives back the override that a use rests on.
func (w *work) freeOverride(a *appliedBody, order string) error {
	r, g, err := w.grantOf(a.Override)
	if err == nil && g != nil && g.Order == order {
		g.Order = ""
		w.change(r.Key)
	}
	return err
}

// grantOf finds what a use rests on, to be changed; nothing for one that rests on no
// override.
func (w *work) grantOf(use *overrideUse) (*storage.Record[overrideBody], *grantBody, error) {
	if use == nil {
		return nil, nil, nil
	}
	r, err := w.override(storage.Key{Kind: kindOverride, ID: use.Key})
	if err != nil {
		return nil, nil, err
	}
	r.Value.Grants = slices.Clone(r.Value.Grants)
	return r, r.Value.grant(use.Grant), nil
}

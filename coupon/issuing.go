package coupon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Limits of issuing.
const (
	MaxIssue   = 100 // coupons in one call
	maxIssueID = 80  // bytes of an issue's id, so that its coupons' ids stay within MaxKey
	maxUses    = 100 // uses of a coupon that a customer holds
	maxSharing = 5   // offers of one code
)

// IssueRequest says which coupons are made, and for whom.
type IssueRequest struct {
	ID     string // the idempotency key; the coupons' ids begin with it; at most 80 bytes
	Holder string // the customer's key; empty: anyone who knows the code may use it
	Actor  string // who asks: a member of staff, or empty for the program itself
	Offers []IssueOffer
}

// IssueOffer is some coupons of one offer.
type IssueOffer struct {
	Offer   string
	Version int // 0: the latest
	Count   int // 0: one
	// Code is a chosen code, for exactly one coupon; empty: made ones that nobody can guess.
	// Up to five offers of a request may have the same one, as for 10 % off and free
	// delivery: it stands for a coupon of each, and what applies of them applies. Offers
	// that are to apply together must consent to it ([Offer.Combine]).
	Code string
	// FromStock takes the codes from the offer's stock ([Service.LoadStock]), in no
	// order that anybody can rely on, each for one coupon.
	FromStock bool `json:",omitempty"` // what was asked for before there were stocks has the same fingerprint
}

// issueBody remembers what was issued under an id.
type issueBody struct {
	Fingerprint string   `json:"fingerprint"`
	Coupons     []string `json:"coupons"`
	At          int64    `json:"at"`
}

var issues = storage.NewCodec[issueBody](1)

func issueKey(id string) storage.Key { return storage.Key{Kind: "issue", ID: id} }

// Issue makes coupons: one, many or a set, each with a code. They can be used until
// the offer ends or its life from issue is over, whichever is first; an instant before
// the issue is not refused, since the clock is the shop's. Asked again under the same
// id for the same, it answers the coupons it made.
//
// It fails with a [*Faults] when the request is not valid, with [ErrNoOffer], with
// a [*Refusal] when an offer is paused or over, or its stock has too few codes
// ([ReasonOutOfStock]: nothing is taken then), with [ErrCodeTaken] when a chosen
// code is, and with [ErrKeyReused] when the id was used for something else.
func (s *Service) Issue(ctx context.Context, request IssueRequest, now time.Time) ([]Coupon, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[[]Coupon], error) {
		return s.PlanIssue(ctx, request, now)
	})
}

// PlanIssue is Issue as a plan, for joining it with what the coupons are issued
// for. Two plans that are made before either is written may take the same code from a
// stock, and can't be joined then: ask for the coupons in one request.
func (s *Service) PlanIssue(ctx context.Context, request IssueRequest, now time.Time) (storage.Plan[[]Coupon], error) {
	none := storage.Plan[[]Coupon]{}
	if err := request.validate(now, &s.codes); err != nil {
		return none, err
	}
	fingerprints, err := request.fingerprints(&s.codes)
	if err != nil {
		return none, err
	}
	made, err := request.wanted()
	if err != nil {
		return none, err
	}
	if err = s.prepare(ctx, request, made, now); err == nil {
		err = s.takeFromStock(ctx, made)
	}
	if err != nil {
		return s.planIssuedBefore(ctx, request, fingerprints, made, now, err)
	}
	for attempt := 0; ; attempt++ {
		keys, err := s.giveCodes(made, attempt)
		if err != nil {
			return none, err
		}
		p, err := plan(ctx, s, now, append(keys, issueKey(request.ID)), func(w *work) ([]Coupon, error) {
			return w.issue(request, fingerprints, made, &s.codes)
		})
		if !errors.Is(err, errMadeTwice) || attempt+1 == codeAttempts {
			return p, err
		}
	}
}

// planIssuedBefore answers what was issued before, whatever keeps it from being issued now;
// where nothing was, it fails with that.
func (s *Service) planIssuedBefore(ctx context.Context, request IssueRequest, fingerprints []string, made []prepared, now time.Time, cause error) (storage.Plan[[]Coupon], error) {
	docs, key := make(map[storage.Key]*storage.Doc), issueKey(request.ID)
	if err := s.get(ctx, docs, []storage.Key{key}); err != nil || docs[key] == nil {
		return storage.Plan[[]Coupon]{}, cause
	}
	return planOn(ctx, s, now, docs, nil, func(w *work) ([]Coupon, error) {
		return w.issuedBefore(*docs[key], fingerprints, made, &s.codes)
	})
}

// Reads names the documents that [Service.PlanIssue] reads for the request, as far as they
// follow from it: whoever plans many can have them read in one call.
func (r *IssueRequest) Reads() []storage.Key {
	keys := make([]storage.Key, 0, 1+len(r.Offers))
	for _, o := range r.Offers {
		keys = append(keys, headKey(o.Offer))
	}
	return append(keys, issueKey(r.ID))
}

// errMadeTwice says that a made code is taken: another one is tried.
var errMadeTwice = errors.New("coupon: a made code is taken, and so are others made in its place: check Options.Random")

// issueID checks an id that others are made of.
func (f *Faults) issueID(path, id string) {
	if len(id) > maxIssueID {
		f.add(path, "has %d bytes, at most %d are allowed", len(id), maxIssueID)
		return
	}
	f.id(path, id, false)
}

func (r *IssueRequest) validate(now time.Time, keys *codeKeys) error {
	faults := &Faults{Kind: ErrRequest}
	keys.check(faults)
	faults.issueID("id", r.ID)
	faults.id("holder", r.Holder, true)
	faults.id("actor", r.Actor, true)
	faults.instant("now", now)
	total := 0
	chosen := make(map[Code][]string) // the offers that ask for a code
	for i, o := range r.Offers {
		path := fmt.Sprintf("offers[%d]", i)
		if o.Count < 0 || o.Count > MaxIssue {
			faults.add(path+".count", "is %d, want 0 (for one) to %d", o.Count, MaxIssue)
			continue
		}
		if o.Version < 0 {
			faults.add(path+".version", "is %d, want 0 for the latest or a published one", o.Version)
		}
		total += max(1, o.Count)
		if o.Code == "" {
			continue
		}
		if o.FromStock {
			faults.add(path+".code", "is chosen, and to be taken from the stock: want one of them")
		}
		if o.Count > 1 {
			faults.add(path+".code", "is one code for %d coupons", o.Count)
		}
		code, err := ChooseCode(o.Code)
		switch {
		case err != nil:
			faults.add(path+".code", "%s", strings.TrimPrefix(err.Error(), "coupon: "))
		case slices.Contains(chosen[code], o.Offer):
			faults.add(path+".code", "%s is asked for twice", code)
		case len(chosen[code]) >= maxSharing:
			faults.add(path+".code", "%s is asked for by more than %d offers", code, maxSharing)
		}
		chosen[code] = append(chosen[code], o.Offer)
	}
	if total < 1 || total > MaxIssue {
		faults.add("offers", "asks for %d coupons, want 1 to %d in one call", total, MaxIssue)
	}
	return faults.orNil()
}

// fingerprints are what the request may be remembered by, one per key, the one for
// new requests first: a chosen code stands in it as it is kept. They are the same
// for one coupon, said or not.
func (r IssueRequest) fingerprints(keys *codeKeys) ([]string, error) {
	var all []string
	for _, key := range keys.keys {
		asked := r
		asked.Offers = slices.Clone(r.Offers)
		for i := range asked.Offers {
			o := &asked.Offers[i]
			o.Count = max(1, o.Count)
			if o.Code != "" && len(key) > 0 {
				code, err := ChooseCode(o.Code)
				if err != nil {
					return nil, err
				}
				o.Code = keptUnder(key, code).ID
			}
		}
		fingerprint, err := ledger.Fingerprint(asked)
		if err != nil {
			return nil, err
		}
		all = append(all, fingerprint)
	}
	return all, nil
}

// prepared is a coupon to be made: its version and its code.
type prepared struct {
	id      string
	of      int // which of the offers asked for
	version *Version
	code    Code
	chosen  bool
	places  []storage.Key // where the code may be taken, first where it will be
	led     bool          // the code leads to another coupon first
	also    []codeLead    // those it leads to beside this one

	fromStock bool
	stocked   *storage.Record[codeBody] // what was found in the stock; nil: nothing
}

// made says that a code is made for the coupon.
func (m *prepared) made() bool { return !m.chosen && !m.fromStock }

// wanted are the coupons asked for, with the chosen codes.
func (r *IssueRequest) wanted() ([]prepared, error) {
	var all []prepared
	for i, o := range r.Offers {
		for range max(1, o.Count) {
			m := prepared{id: numbered(r.ID, len(all)+1), of: i, chosen: o.Code != "", fromStock: o.FromStock}
			if m.chosen {
				var err error
				if m.code, err = ChooseCode(o.Code); err != nil {
					return nil, err
				}
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// prepare finds the versions that coupons are to be made under.
func (s *Service) prepare(ctx context.Context, request IssueRequest, all []prepared, now time.Time) error {
	versions := make([]*Version, len(request.Offers))
	for i, o := range request.Offers {
		number := o.Version
		if number == 0 {
			head, err := s.readHead(ctx, o.Offer, now)
			if err != nil {
				return err
			}
			number = head.latest
		}
		v, err := s.version(ctx, o.Offer, number)
		if err != nil {
			return err
		}
		if request.Holder != "" && v.uses() > maxUses {
			return &Faults{ErrRequest, []Fault{{"holder", fmt.Sprintf(
				"a coupon that somebody holds is used at most %d times, and offer %q allows %d", maxUses, o.Offer, v.uses())}}}
		}
		versions[i] = v
	}
	first := make(map[Code]*prepared)
	for i := range all {
		m := &all[i]
		m.version = versions[m.of]
		switch leads := first[m.code]; {
		case !m.chosen:
		case leads == nil:
			first[m.code] = m
		default:
			m.led = true
			leads.also = append(leads.also, codeLead{m.id, m.version.offer.ID, m.version.offer.Version})
		}
	}
	return nil
}

// numbered is the id of one of the coupons made under an id.
func numbered(id string, number int) string { return id + "/" + strconv.Itoa(number) }

// giveCodes makes the codes that were not chosen, and gives the documents that
// issuing the coupons rests on. Whether a code is taken that nobody can have is not asked:
// it is refused when it is written, and then another one is made.
func (s *Service) giveCodes(all []prepared, attempt int) ([]storage.Key, error) {
	var ids []string
	for _, m := range all {
		if m.made() {
			ids = append(ids, m.id)
		}
	}
	made, err := s.codes.make(ids, attempt)
	if err != nil {
		return nil, err
	}
	var keys []storage.Key
	for i := range all {
		m := &all[i]
		if m.made() {
			m.code, made = made[0], made[1:]
		}
		keys = append(keys, headKey(m.version.offer.ID))
		if m.fromStock {
			continue
		}
		if m.places = s.codes.places(m.code); !m.made() || !s.codes.unrepeated() {
			keys = append(keys, m.places...)
		}
	}
	return keys, nil
}

func (w *work) issue(request IssueRequest, fingerprints []string, made []prepared, keys *codeKeys) ([]Coupon, error) {
	key := issueKey(request.ID)
	if doc := w.docs[key]; doc != nil {
		return w.issuedBefore(*doc, fingerprints, made, keys)
	}
	body := issueBody{Fingerprint: fingerprints[0], At: w.now.UnixMicro()}
	var answer []Coupon
	for _, m := range made {
		if err := w.mayIssue(m.version, w.now); err != nil {
			return nil, err
		}
		if m.fromStock && m.stocked == nil {
			return nil, shortOf(m.version, made)
		}
		if err := w.free(m); err != nil {
			return nil, err
		}
		c, err := w.makeCoupon(m, request.Holder, w.now, keys)
		if err != nil {
			return nil, err
		}
		body.Coupons = append(body.Coupons, m.id)
		answer = append(answer, c)
	}
	put, err := issues.Put(storage.Record[issueBody]{Key: key, Value: body}, 0)
	w.puts = append(w.puts, put)
	w.entries = append(w.entries, ledger.Entry{
		ID: "issued/" + request.ID, Kind: "issued", At: w.now, Actor: request.Actor, Subject: request.Holder, Concerns: request.ID,
	})
	return answer, err
}

// makeCoupon writes a coupon and its code.
func (w *work) makeCoupon(m prepared, holder string, issued time.Time, keys *codeKeys) (Coupon, error) {
	return w.putNewCoupon(m, newCouponBody(m, holder, issued, keys), keys)
}

func newCouponBody(m prepared, holder string, issued time.Time, keys *codeKeys) couponBody {
	offer := &m.version.offer
	return couponBody{
		Code: keys.shown(m.code), Offer: offer.ID, Version: offer.Version, Name: offer.Name, Holder: holder,
		Issued: issued.UnixMicro(), Expires: micros(m.version.expires(issued)), Uses: m.version.uses(),
	}
}

func (w *work) putNewCoupon(m prepared, body couponBody, keys *codeKeys) (Coupon, error) {
	code := storage.Record[codeBody]{Key: keys.key(m.code)}
	if m.stocked != nil {
		code = *m.stocked
		body.Stocked = code.Key.ID
	}
	put, err := putCoupon(storage.Record[couponBody]{Key: couponKey(m.id), Value: body})
	if err != nil {
		return Coupon{}, err
	}
	w.puts = append(w.puts, put)
	c := body.coupon(m.id)
	c.Code = m.code
	if m.led {
		return c, nil
	}
	code.Value.Coupon, code.Value.Offer, code.Value.Version, code.Value.Also = m.id, body.Offer, body.Version, m.also
	if m.stocked != nil {
		return c, w.takeOut(code, body.Offer, givenList(code.Value.Load))
	}
	made, err := codes.Put(code, 0)
	w.puts = append(w.puts, made)
	return c, err
}

// mayIssue refuses a paused or ended offer, or one whose coupons issued at the
// instant are over, and makes the batch depend on the offer's status.
func (w *work) mayIssue(v *Version, issued time.Time) error {
	head, err := w.head(v.offer.ID)
	if err != nil {
		return err
	}
	refused := &Refusal{Offer: v.offer.ID, Name: v.offer.Name}
	expires := v.expires(issued)
	switch {
	case head.Version == 0:
		return fmt.Errorf("%w: %q", ErrNoOffer, v.offer.ID)
	case head.Value.Paused:
		refused.Reason = ReasonPaused
		return refused
	case !expires.IsZero() && !w.now.Before(expires):
		refused.Reason, refused.At = ReasonExpired, expires
		return refused
	}
	w.checks.set(head.Key, head.Version)
	return nil
}

// free refuses a code that is known to be taken, and makes the batch depend on its
// not being taken under an older key.
func (w *work) free(m prepared) error {
	for i, place := range m.places {
		switch {
		case w.docs[place] != nil && m.chosen:
			return fmt.Errorf("%w: %s", ErrCodeTaken, m.code)
		case w.docs[place] != nil:
			return errMadeTwice
		case i > 0:
			w.checks.set(place, 0)
		}
	}
	return nil
}

func (w *work) issuedBefore(doc storage.Doc, fingerprints []string, made []prepared, keys *codeKeys) ([]Coupon, error) {
	record, err := issues.Decode(doc)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(fingerprints, record.Value.Fingerprint) {
		return nil, fmt.Errorf("%w: issue %q was asked for with other offers or another holder: use another id", ErrKeyReused, doc.Key.ID)
	}
	if err := w.read(couponKeys(record.Value.Coupons)...); err != nil {
		return nil, err
	}
	var answer []Coupon
	for i, id := range record.Value.Coupons {
		c, err := w.coupon(id)
		if err != nil {
			return nil, err
		}
		answer = append(answer, c.Value.coupon(id))
		if i < len(made) && made[i].chosen { // the same was asked for
			answer[i].Code = made[i].code
		}
	}
	return answer, keys.tell(answer, func(keys []storage.Key) (map[storage.Key]*storage.Doc, error) {
		return w.docs, w.read(keys...)
	})
}

// Coupon gives a coupon by id. It fails with [ErrNoCoupon].
func (s *Service) Coupon(ctx context.Context, id string) (Coupon, error) {
	record, err := recorded(ctx, s, coupons, couponKey(id), ErrNoCoupon)
	if err != nil {
		return Coupon{}, err
	}
	return record.Value.coupon(id), nil
}

// WalletQuery asks for a page of a customer's coupons.
type WalletQuery struct {
	Past  bool           // those used up or revoked, newest first; otherwise those that can still be used, the next to expire first
	After storage.Cursor // the Next of the page before
	Limit int            // default 100, at most 1,000
}

// WalletPage is a page of a wallet; Next is empty on the last.
type WalletPage struct {
	Coupons []Coupon
	Next    storage.Cursor
}

// Wallet gives the coupons that a customer holds. Coupons that have expired are
// in neither list. It fails with a [*Faults] when the customer or now is not valid,
// and with [storage.ErrInvalid] when the limit is out of range or After is not the Next
// of a page.
func (s *Service) Wallet(ctx context.Context, customer string, q WalletQuery, now time.Time) (WalletPage, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("customer", customer, false)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return WalletPage{}, err
	}
	query := storage.Query{Kind: kindCoupon, List: liveList(customer), From: now.UnixMicro() + 1, After: q.After, Limit: q.Limit}
	if q.Past {
		query.List, query.From, query.Newest = pastList(customer), math.MinInt64, true
	}
	page, err := s.store.List(ctx, query)
	if err != nil {
		return WalletPage{}, err
	}
	wallet := WalletPage{Next: page.Next}
	for _, doc := range page.Docs {
		record, err := coupons.Decode(doc)
		if err != nil {
			return WalletPage{}, err
		}
		wallet.Coupons = append(wallet.Coupons, record.Value.coupon(doc.Key.ID))
	}
	return wallet, nil
}

// Revoke takes a coupon back, so that it can't be used any more. An order that has
// reserved or used it keeps it: the coupon as it stands afterwards says so in Used.
// Revoking again changes nothing. It fails with [ErrNoCoupon], and with a [*Faults]
// where the actor or the reason is missing.
func (s *Service) Revoke(ctx context.Context, id, actor, reason string, now time.Time) (Coupon, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Coupon], error) {
		return s.PlanRevoke(ctx, id, actor, reason, now)
	})
}

// PlanRevoke is Revoke as a plan, for joining it with what the coupon is taken
// back for.
func (s *Service) PlanRevoke(ctx context.Context, id, actor, reason string, now time.Time) (storage.Plan[Coupon], error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", id, false)
	faults.staffVerb(actor, reason)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return storage.Plan[Coupon]{}, err
	}
	return plan(ctx, s, now, []storage.Key{couponKey(id)}, func(w *work) (Coupon, error) {
		c, err := w.coupon(id)
		if err != nil {
			return Coupon{}, err
		}
		if c.Value.Revoked != nil {
			return c.Value.coupon(id), nil
		}
		c.Value.Revoked = &revokeBody{Actor: actor, Reason: reason, At: w.now.UnixMicro()}
		w.change(c.Key)
		w.entries = append(w.entries, ledger.Entry{
			ID: "revoked/" + id, Kind: "revoked", At: w.now, Actor: actor, Subject: c.Value.Holder, Concerns: id,
			Details: map[string]string{"reason": reason},
		})
		return c.Value.coupon(id), nil
	})
}

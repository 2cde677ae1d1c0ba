package coupon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// What staff do to single coupons. Each is an entry in the book, with who did it and
// why.

// maxReason is how long a reason may be, in bytes.
const maxReason = 500

// ReissueRequest asks for a new code in place of a coupon's.
type ReissueRequest struct {
	ID     string // the idempotency key, shared with [Service.Issue]; the new coupon's id begins with it; at most 80 bytes
	Coupon string // the coupon that is replaced; a customer holds it
	Holder string // who gets the new one; empty: the same customer. Two accounts may be merged
	Actor  string // the member of staff
	Reason string // at most 500 bytes
}

// staffVerb checks who of the staff does something, and why: both must be said.
func (f *Faults) staffVerb(actor, reason string) {
	f.actor(actor)
	f.reason(reason)
}

// staffOrProgram is staffVerb for what a program does too: it names no actor, and needs
// no reason then.
func (f *Faults) staffOrProgram(actor, reason string) {
	if actor != "" || reason != "" {
		f.id("actor", actor, true)
		f.reason(reason)
	}
}

// actor checks who does something.
func (f *Faults) actor(actor string) {
	if actor == "" {
		f.add("actor", "is missing: name the member of staff, or whatever acts in their place")
		return
	}
	f.id("actor", actor, false)
}

// with are the faults of a request and those of what it hands over, of that one's kind
// where it has any.
func (f *Faults) with(handed error) error {
	var found *Faults
	if !errors.As(handed, &found) {
		return cmp.Or(handed, f.orNil())
	}
	f.Kind = found.Kind
	for _, fault := range found.Faults {
		f.add(fault.Path, "%s", fault.Problem)
	}
	return f
}

func (f *Faults) reason(reason string) {
	switch {
	case reason == "":
		f.add("reason", "is missing")
	case len(reason) > maxReason:
		f.add("reason", "has %d bytes, want at most %d of text", len(reason), maxReason)
	case !printable(reason):
		f.add("reason", "%s", strict.Unreadable(reason))
	}
}

// Reissue gives the holder of a coupon another with a new code, because the old one
// was lost or seen by others: under the same version of the offer, with the same
// expiry and the uses that are left. Where the request names another holder, it goes to
// them. The old one is revoked, in the same step, and is never replaced twice. A use that
// an order has reserved or confirmed stays with the old one; when the order gives it back,
// the new one has it. Asked again under the same id for the same, it answers the coupon it
// made.
//
// It fails with a [*Faults] when the request is not valid or nobody holds the coupon,
// with a [*Refusal] when the offer is paused, or the coupon expired ([Service.Extend]
// it first) or used up, with [ErrState] when it was replaced before, with
// [ErrNoCoupon], and with [ErrKeyReused].
func (s *Service) Reissue(ctx context.Context, request ReissueRequest, now time.Time) (Coupon, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Coupon], error) {
		return s.PlanReissue(ctx, request, now)
	})
}

// PlanReissue is Reissue as a plan.
func (s *Service) PlanReissue(ctx context.Context, request ReissueRequest, now time.Time) (storage.Plan[Coupon], error) {
	none := storage.Plan[Coupon]{}
	if err := request.validate(now, &s.codes); err != nil {
		return none, err
	}
	fingerprint, err := ledger.Fingerprint(request)
	if err != nil {
		return none, err
	}
	old, err := s.Coupon(ctx, request.Coupon)
	if err != nil {
		return none, err
	}
	v, err := s.version(ctx, old.Offer, old.Version)
	if err != nil {
		return none, err
	}
	made := []prepared{{id: numbered(request.ID, 1), version: v}}
	for attempt := 0; ; attempt++ {
		keys, err := s.giveCodes(made, attempt)
		if err != nil {
			return none, err
		}
		p, err := plan(ctx, s, now, append(keys, issueKey(request.ID), couponKey(request.Coupon)), func(w *work) (Coupon, error) {
			return w.reissue(request, fingerprint, made, &s.codes)
		})
		if !errors.Is(err, errMadeTwice) || attempt+1 == codeAttempts {
			return p, err
		}
	}
}

func (r *ReissueRequest) validate(now time.Time, keys *codeKeys) error {
	faults := &Faults{Kind: ErrRequest}
	keys.check(faults)
	faults.issueID("id", r.ID)
	faults.id("coupon", r.Coupon, false)
	faults.id("holder", r.Holder, true)
	faults.staffVerb(r.Actor, r.Reason)
	faults.instant("now", now)
	return faults.orNil()
}

func (w *work) reissue(request ReissueRequest, fingerprint string, made []prepared, keys *codeKeys) (Coupon, error) {
	key := issueKey(request.ID)
	if doc := w.docs[key]; doc != nil {
		before, err := w.issuedBefore(*doc, []string{fingerprint}, made, keys)
		if err != nil {
			return Coupon{}, err
		}
		return before[0], nil
	}
	old, err := w.coupon(request.Coupon)
	if err != nil {
		return Coupon{}, err
	}
	// What has lapsed is given back here: later it would go to the new coupon once more.
	if err := w.lapse(old.Value.lapsed(w.now)); err != nil {
		return Coupon{}, err
	}
	m := made[0]
	left, err := w.replaceable(old, m.version)
	if err != nil {
		return Coupon{}, err
	}
	if err := w.free(m); err != nil {
		return Coupon{}, err
	}
	b := &old.Value
	body := newCouponBody(m, cmp.Or(request.Holder, b.Holder), w.now, keys)
	body.Expires, body.Uses = b.Expires, left
	c, err := w.putNewCoupon(m, body, keys)
	if err != nil {
		return Coupon{}, err
	}
	if b.Revoked == nil {
		b.Revoked = &revokeBody{Actor: request.Actor, Reason: request.Reason, At: w.now.UnixMicro()}
	}
	b.Revoked.Reissued = m.id
	w.change(old.Key)
	put, err := issues.Put(storage.Record[issueBody]{Key: key, Value: issueBody{fingerprint, []string{m.id}, w.now.UnixMicro()}}, 0)
	w.puts = append(w.puts, put)
	w.entries = append(w.entries, ledger.Entry{
		ID: "reissued/" + request.Coupon, Kind: "reissued", At: w.now, Actor: request.Actor, Subject: b.Holder, Concerns: request.Coupon,
		Details: map[string]string{"reason": request.Reason, "coupon": m.id},
	})
	return c, err
}

// replaceable gives the uses that a coupon has left, or says why it can't be replaced.
func (w *work) replaceable(old *storage.Record[couponBody], v *Version) (left int, err error) {
	b := &old.Value
	head, err := w.head(b.Offer)
	if err != nil {
		return 0, err
	}
	refused := &Refusal{Offer: b.Offer, Name: b.Name, Coupon: old.Key.ID}
	c := b.coupon(old.Key.ID)
	left = c.open("", w.now)
	switch {
	case b.Holder == "":
		return 0, &Faults{ErrRequest, []Fault{{"coupon", "anyone may use it, so that another code would go to nobody: Revoke it, and Issue another under a code of its own"}}}
	case b.Revoked != nil && b.Revoked.Reissued != "":
		return 0, fmt.Errorf("%w: coupon %q was replaced by %q", ErrState, old.Key.ID, b.Revoked.Reissued)
	case head.Value.Paused:
		refused.Reason = ReasonPaused
	case b.Expires != 0 && b.Expires <= w.now.UnixMicro():
		refused.Reason, refused.At = ReasonExpired, instant(b.Expires)
	case left < 1:
		refused.Reason, refused.FoundUses, refused.NeededUses = ReasonUsed, int64(b.Uses), int64(b.Uses)
	default:
		w.checks.set(head.Key, head.Version)
		return left, nil
	}
	return 0, refused
}

// Extend lets a coupon be used until a later instant than it would expire at, expired
// already or not, and whatever the end of its offer. It gives the coupon as it stands
// then; extending to the same instant again changes nothing.
//
// It fails with a [*Faults] when the request is not valid or the instant is not later
// than the coupon's expiry, with a [*Refusal] when it was revoked, and with
// [ErrNoCoupon].
func (s *Service) Extend(ctx context.Context, id string, until time.Time, actor, reason string, now time.Time) (Coupon, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[Coupon], error) {
		return s.PlanExtend(ctx, id, until, actor, reason, now)
	})
}

// PlanExtend is Extend as a plan.
func (s *Service) PlanExtend(ctx context.Context, id string, until time.Time, actor, reason string, now time.Time) (storage.Plan[Coupon], error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", id, false)
	faults.instant("until", until)
	faults.staffVerb(actor, reason)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return storage.Plan[Coupon]{}, err
	}
	return plan(ctx, s, now, []storage.Key{couponKey(id)}, func(w *work) (Coupon, error) {
		return w.extendCoupon(id, until, actor, reason)
	})
}

func (w *work) extendCoupon(id string, until time.Time, actor, reason string) (Coupon, error) {
	c, err := w.coupon(id)
	if err != nil {
		return Coupon{}, err
	}
	b, end := &c.Value, until.UnixMicro()
	switch {
	case b.Revoked != nil:
		return Coupon{}, &Refusal{Reason: ReasonRevoked, Offer: b.Offer, Name: b.Name, Coupon: id, At: instant(b.Revoked.At)}
	case b.Expires == end:
		return b.coupon(id), nil
	case b.Expires == 0 || end < b.Expires || end <= w.now.UnixMicro():
		return Coupon{}, &Faults{ErrRequest, []Fault{{"until", fmt.Sprintf("is %s: want an instant after now and after the coupon's expiry, %s; to end it, revoke it", stamp(until), expiryText(b.Expires))}}}
	}
	w.entries = append(w.entries, ledger.Entry{
		ID: fmt.Sprintf("extended/%s/%d", id, c.Version), Kind: "extended", At: w.now, Actor: actor, Subject: b.Holder, Concerns: id,
		Details: map[string]string{"reason": reason, "from": expiryText(b.Expires), "until": stamp(until)},
	})
	b.Expires = end
	w.change(c.Key)
	return b.coupon(id), nil
}

func expiryText(expires int64) string {
	if expires == 0 {
		return "never"
	}
	return stamp(instant(expires))
}

package referral

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Registration says that a customer completed registration. The shop passes it in
// only for customers it has authenticated: nothing else binds a friend.
type Registration struct {
	Customer string
	Visitor  string // as in the touches before; empty: none
	Code     string // typed at registration; it beats a link; empty: none
	Known    bool   // the shop had this person as a customer before
	Country  string // in two capital letters, where programs ask for it; empty: not told
	// Address is the network address the request came from, for [CheckSameNetwork]:
	// only a keyed hash of its network is counted, for two days. Zero: not told.
	Address netip.Addr
}

// Reason says why a registration bound nobody. The set is closed.
type Reason string

// The reasons why a registration bound nobody.
const (
	ReasonNoInvitation Reason = "no_invitation" // no code, and no touch in the window
	ReasonUnknownCode  Reason = "unknown_code"  // no link has the code
	ReasonOwnCode      Reason = "own_code"      // the code is the customer's own
	ReasonNotNew       Reason = "not_new"       // the customer is known already
	ReasonPaused       Reason = "paused"        // the program is paused
	ReasonClosed       Reason = "closed"        // outside the program's schedule
	ReasonReferrer     Reason = "referrer"      // the referrer is banned, or is no customer any more
	ReasonCountry      Reason = "country"       // the program is not for the customer's country
	ReasonSpent        Reason = "spent"         // the program's budget is spent
	ReasonBound        Reason = "bound"         // a late code: somebody is credited already
	ReasonTooLate      Reason = "too_late"      // a late code: after its grace, or after the first payment
)

// Staff is the reason as a sentence for staff.
func (r Reason) Staff() string {
	switch r {
	case ReasonNoInvitation:
		return "no code was typed, and no link was followed in the program's window"
	case ReasonUnknownCode:
		return "nobody has the code"
	case ReasonOwnCode:
		return "the code is the customer's own"
	case ReasonNotNew:
		return "the customer was known before: only new customers can be invited"
	case ReasonPaused:
		return "the program is paused"
	case ReasonClosed:
		return "the program's schedule does not cover the registration"
	case ReasonReferrer:
		return "the referrer is banned, or was erased"
	case ReasonCountry:
		return "the program is not for the customer's country"
	case ReasonSpent:
		return "the program's budget is spent"
	case ReasonBound:
		return "somebody is credited for the customer already"
	case ReasonTooLate:
		return "the code was entered after its grace, or after the first payment"
	}
	return ""
}

// Shopper is the reason as a sentence for the customer; empty where there is
// nothing to say.
func (r Reason) Shopper() string {
	switch r {
	case ReasonUnknownCode, ReasonOwnCode, ReasonReferrer:
		return "This invitation code can't be used."
	case ReasonNotNew, ReasonBound, ReasonTooLate:
		return "Invitations are for new customers."
	case ReasonCountry:
		return "This invitation is not for your country."
	case ReasonPaused, ReasonClosed, ReasonSpent:
		return "Invitations are not open at the moment."
	}
	return ""
}

// Outcome is what became of a registration. It is recorded: asked again, the same
// comes back.
type Outcome struct {
	Customer string
	Bound    bool
	Reason   Reason // why not; empty when bound
	Program  string
	Referrer string
	Via      Via
	Why      string   // who is credited, and why, for staff; empty: nobody
	Rivals   []Rival  // who else could have been, at most 10
	Rewards  []Reward // of registration, for either side
}

// Rival is somebody who brought a customer too, and is not credited.
type Rival struct {
	Program  string
	Referrer string
	Via      Via
	At       time.Time // of the touch
	Why      string    // for staff
}

type registrationBody struct {
	Fingerprint string `json:"fingerprint"`
	Bound       bool   `json:"bound"`
	Reason      Reason `json:"reason"`
	Program     string `json:"program"`
	Referrer    string `json:"referrer"`
	Via         Via    `json:"via"`
	At          int64  `json:"at"`
	Known       bool   `json:"known,omitempty"` // no new customer, whatever else the reason was

	Why    string      `json:"why,omitempty"`
	Rivals []rivalBody `json:"rivals,omitempty"`
}

type rivalBody struct {
	Program  string `json:"program"`
	Referrer string `json:"referrer"`
	Via      Via    `json:"via"`
	At       int64  `json:"at"`
	Why      string `json:"why"`
}

// outcome is what was recorded of a registration, but for the rewards.
func (r *registrationBody) outcome(customer string) Outcome {
	o := Outcome{
		Customer: customer, Bound: r.Bound, Reason: r.Reason, Program: r.Program, Referrer: r.Referrer, Via: r.Via, Why: r.Why,
	}
	for _, rival := range r.Rivals {
		o.Rivals = append(o.Rivals, Rival{rival.Program, rival.Referrer, rival.Via, instant(rival.At), rival.Why})
	}
	return o
}

// Register records that a customer completed registration, and binds them as a
// friend to whoever invited them: the code they typed, or else the first or last
// link they followed within the program's window. A link that can bind nobody now, since
// its program is paused or closed, is not for the country or has spent its budget, or its
// referrer is banned or erased, hides no other; a code that was typed does. Attribution
// closes with it. What the program gives at registration is granted in the same batch.
//
// A friend can be bound only by the very batch that makes them known, to a customer
// who was known before: so nobody refers themselves, and referrals never form a
// circle. When nobody is bound, the outcome says why; that is no error. Asked again
// it answers what it recorded, and with another code or visitor it fails with
// [coupon.ErrKeyReused].
//
// It fails with a [*Faults], and for a code that is mistyped with
// [coupon.ErrMistyped] or [coupon.ErrCode], without asking the store: let the
// customer correct it, or register them without a code.
func (s *Service) Register(ctx context.Context, request Registration, now time.Time) (Outcome, error) {
	faults := &Faults{Kind: ErrRequest}
	s.customer(faults, "customer", request.Customer)
	faults.id("visitor", request.Visitor, true)
	faults.country(request.Country)
	if len(request.Code) > MaxKey {
		faults.add("code", "has %d bytes, at most %d are allowed", len(request.Code), MaxKey)
	}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Outcome{}, err
	}
	var code coupon.Code
	if request.Code != "" {
		var err error
		if code, err = coupon.ParseCode(request.Code); err != nil {
			return Outcome{}, err
		}
	}
	// Known is left out: asked again, the shop knows the customer from the first time.
	fingerprint, err := ledger.Fingerprint([]string{request.Visitor, string(code)})
	if err != nil {
		return Outcome{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Outcome], error) {
		return s.planRegister(ctx, request, code, fingerprint, refused, now)
	})
}

func (s *Service) planRegister(ctx context.Context, request Registration, code coupon.Code, fingerprint string, refused *storage.Failure, now time.Time) (storage.Plan[Outcome], error) {
	var none storage.Plan[Outcome]
	docs, err := s.get(ctx, memberKey(request.Customer), subjectKey(request.Customer))
	if err != nil {
		return none, err
	}
	member, err := record(members, docs, memberKey(request.Customer))
	if err != nil {
		return none, err
	}
	subject, err := record(subjects, docs, subjectKey(request.Customer))
	if err != nil {
		return none, err
	}
	if r := member.Value.Registration; r != nil {
		if r.Fingerprint != fingerprint {
			return none, fmt.Errorf("%w: customer %q registered before with another code or visitor", coupon.ErrKeyReused, request.Customer)
		}
		return s.recordedOutcome(ctx, request.Customer, r)
	}
	if err := subject.Value.gone(); err != nil {
		return none, err
	}
	found, err := s.attribute(ctx, code, request.Visitor, request.Country, now)
	if err != nil {
		return none, err
	}
	if found.referrer != "" && found.reason == "" {
		if err := s.standing(ctx, &found); err != nil {
			return none, err
		}
	}
	found.visitor, found.address = request.Visitor, request.Address
	reason := found.reason
	known := member.Version > 0 || request.Known || subject.Value.Returning
	switch {
	case known && found.referrer == request.Customer:
		reason = ReasonOwnCode
	case known && reason == "":
		reason = ReasonNotNew
	case reason == "" && !found.terms.welcomes(request.Country):
		reason = ReasonCountry
	}
	if member.Version == 0 {
		member.Value.Since = micros(now)
	}
	registered := registrationBody{
		Fingerprint: fingerprint, Bound: reason == "", Reason: reason, Program: found.program, Referrer: found.referrer, Via: found.via,
		At: micros(now), Known: known, Rivals: found.rivals,
	}
	if registered.Bound {
		registered.Why = found.why()
	}
	member.Value.Registration = &registered
	answer := registered.outcome(request.Customer)
	if !answer.Bound {
		put, err := members.Put(member, 0)
		return storage.Plan[Outcome]{Batch: storage.Batch{Puts: []storage.Put{put}}, Answer: answer}, err
	}
	return s.planBind(ctx, found, member, answer, refused, now)
}

// recordedOutcome answers a registration that was made before.
func (s *Service) recordedOutcome(ctx context.Context, customer string, r *registrationBody) (storage.Plan[Outcome], error) {
	answer := r.outcome(customer)
	if !r.Bound {
		return storage.Plan[Outcome]{Answer: answer}, nil
	}
	all, err := s.readRewards(ctx, r.Program, customer)
	for _, reward := range all {
		if reward.Step == Registered {
			answer.Rewards = append(answer.Rewards, reward)
		}
	}
	return storage.Plan[Outcome]{Answer: answer}, err
}

// planBind makes the member and the referral, and grants what registration earns.
func (s *Service) planBind(ctx context.Context, found invitation, member storage.Record[memberBody], answer Outcome, refused *storage.Failure, now time.Time) (storage.Plan[Outcome], error) {
	var none storage.Plan[Outcome]
	referrer := found.member
	if referrer.Version == 0 {
		return none, fmt.Errorf("%w: customer %q has a link and is not known: audit the store", storage.ErrCorrupt, found.referrer)
	}
	member.Value.Depth = referrer.Value.Depth + 1
	put, err := members.Put(member, 0)
	if err != nil {
		return none, err
	}
	w := s.newWork(s.snapshot(), storage.Record[referralBody]{Key: referralKey(found.program, answer.Customer), Value: referralBody{
		Program: found.program, Version: found.terms.Version, Referrer: found.referrer, Friend: answer.Customer,
		State: StateBound, Bound: micros(now), Horizon: micros(now) - 1, Via: found.via,
	}}, found.terms, found.head, now)
	w.refused = refused
	w.decide("bound", found.why(), "")
	w.batches = append(w.batches, storage.Batch{
		Puts: []storage.Put{put}, Checks: []storage.Check{{Key: referrer.Key, Version: referrer.Version}},
	})
	if err := w.suspectRegistration(ctx, &found); err != nil {
		return none, err
	}
	if err := w.promise(ctx, Registered, now, now); err != nil {
		return none, err
	}
	if err := w.advance(ctx); err != nil {
		return none, err
	}
	batch, err := w.batch(ctx)
	if err != nil {
		return none, err
	}
	for _, reward := range w.sortedRewards() {
		answer.Rewards = append(answer.Rewards, reward.Value.reward(reward.Key.ID))
	}
	return storage.Plan[Outcome]{Batch: batch, Answer: answer}, nil
}

func (f *Faults) country(country string) {
	if country != "" && !countryCode.MatchString(country) {
		f.add("country", "is %.20q, want two capital letters", country)
	}
}

func since(t time.Time) string { return t.UTC().Format(time.RFC3339) }

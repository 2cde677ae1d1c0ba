package referral

import (
	"context"
	"fmt"
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
	}
	return ""
}

// Shopper is the reason as a sentence for the customer; empty where there is
// nothing to say.
func (r Reason) Shopper() string {
	switch r {
	case ReasonUnknownCode, ReasonOwnCode, ReasonReferrer:
		return "This invitation code can't be used."
	case ReasonNotNew:
		return "Invitations are for new customers."
	case ReasonPaused, ReasonClosed:
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
	Rewards  []Reward // of registration, for either side
}

type registrationBody struct {
	Fingerprint string `json:"fingerprint"`
	Bound       bool   `json:"bound"`
	Reason      Reason `json:"reason"`
	Program     string `json:"program"`
	Referrer    string `json:"referrer"`
	Via         Via    `json:"via"`
	At          int64  `json:"at"`
}

// Register records that a customer completed registration, and binds them as a
// friend to whoever invited them: the code they typed, or else the first or last
// link they followed within the program's window. Attribution closes with it. What
// the program gives at registration is granted in the same batch.
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
	found, err := s.attribute(ctx, code, request.Visitor, now)
	if err != nil {
		return none, err
	}
	if found.referrer != "" && found.reason == "" {
		if err := s.standing(ctx, &found); err != nil {
			return none, err
		}
	}
	reason := found.reason
	switch known := member.Version > 0 || request.Known || subject.Value.Returning; {
	case known && found.referrer == request.Customer:
		reason = ReasonOwnCode
	case known && reason == "":
		reason = ReasonNotNew
	}
	if member.Version == 0 {
		member.Value.Since = micros(now)
	}
	answer := Outcome{
		Customer: request.Customer, Bound: reason == "", Reason: reason, Program: found.program, Referrer: found.referrer, Via: found.via,
	}
	member.Value.Registration = &registrationBody{
		fingerprint, answer.Bound, answer.Reason, answer.Program, answer.Referrer, answer.Via, micros(now),
	}
	if !answer.Bound {
		put, err := members.Put(member, 0)
		return storage.Plan[Outcome]{Batch: storage.Batch{Puts: []storage.Put{put}}, Answer: answer}, err
	}
	return s.planBind(ctx, found, member, answer, refused, now)
}

// recordedOutcome answers a registration that was made before.
func (s *Service) recordedOutcome(ctx context.Context, customer string, r *registrationBody) (storage.Plan[Outcome], error) {
	answer := Outcome{Customer: customer, Bound: r.Bound, Reason: r.Reason, Program: r.Program, Referrer: r.Referrer, Via: r.Via}
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

// invitation is who invited a customer, and the program as it was read then: why
// nobody is bound under it, if so, and otherwise under which terms.
type invitation struct {
	program  string
	referrer string
	via      Via
	followed time.Time // the touch it is credited to; zero: a code was typed
	reason   Reason
	member   storage.Record[memberBody] // the referrer's
	terms    *Program
	head     storage.Record[headBody]
}

// attribute finds who invited the customer: whose code they typed, or else whose
// link they followed.
func (s *Service) attribute(ctx context.Context, code coupon.Code, visitor string, now time.Time) (invitation, error) {
	if code == "" {
		return s.attributeTouch(ctx, visitor, now)
	}
	docs, err := s.get(ctx, linkKey(code))
	if err != nil {
		return invitation{}, err
	}
	link, err := record(links, docs, linkKey(code))
	if err != nil || link.Version == 0 {
		return invitation{reason: ReasonUnknownCode}, err
	}
	found, err := s.open(ctx, link.Value.Program, now)
	found.referrer, found.via = link.Value.Customer, ViaCode
	return found, err
}

// attributeTouch goes through the visitor's touches, from the last on, to one in its
// program's window; and on to the first of that program's where it says so.
func (s *Service) attributeTouch(ctx context.Context, visitor string, now time.Time) (invitation, error) {
	chosen := invitation{reason: ReasonNoInvitation}
	if visitor == "" {
		return chosen, nil
	}
	programs := make(map[string]invitation)
	err := s.eachTouch(ctx, visitor, now.Add(-maxWait), func(touch *touchBody) (more bool, err error) {
		if chosen.terms != nil && touch.Program != chosen.program {
			return true, nil
		}
		found, read := programs[touch.Program]
		if !read {
			if found, err = s.open(ctx, touch.Program, now); err != nil {
				return false, err
			}
			programs[touch.Program] = found
		}
		at := instant(touch.At)
		if !now.Before(at.Add(found.terms.window())) {
			return chosen.terms == nil, nil
		}
		found.referrer, found.via, found.followed = touch.Referrer, ViaLink, at
		chosen = found
		return chosen.terms.Attribution == FirstTouch, nil
	})
	return chosen, err
}

// open reads a program's latest terms, and why nobody is bound under them now.
func (s *Service) open(ctx context.Context, program string, now time.Time) (invitation, error) {
	found := invitation{program: program}
	head, err := s.head(ctx, program)
	if err != nil {
		return found, err
	}
	found.head = head
	found.terms, err = s.program(ctx, programVersion{program, head.Value.Latest})
	switch {
	case err != nil:
		return found, err
	case head.Value.Paused:
		found.reason = ReasonPaused
	case !found.terms.Schedule.Contains(now):
		found.reason = ReasonClosed
	}
	return found, nil
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

// why is what a registration is credited to, for staff.
func (i invitation) why() string {
	if i.via == ViaCode {
		return "registered as a new customer with the referrer's code"
	}
	which := map[Attribution]string{FirstTouch: "first", LastTouch: "last"}[i.terms.Attribution]
	return fmt.Sprintf("registered as a new customer; the %s link followed in the window was the referrer's, at %s", which, since(i.followed))
}

func since(t time.Time) string { return t.UTC().Format(time.RFC3339) }

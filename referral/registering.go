package referral

import (
	"context"
	"errors"
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
	ReasonMistyped     Reason = "mistyped"      // the code can't be anybody's
	ReasonUnknownCode  Reason = "unknown_code"  // no link has the code
	ReasonOwnCode      Reason = "own_code"      // the code is the customer's own
	ReasonNotNew       Reason = "not_new"       // the customer is known already
	ReasonPaused       Reason = "paused"        // the program is paused
	ReasonClosed       Reason = "closed"        // outside the program's schedule
)

// Staff is the reason as a sentence for staff.
func (r Reason) Staff() string {
	switch r {
	case ReasonNoInvitation:
		return "no code was typed, and no link was followed in the program's window"
	case ReasonMistyped:
		return "the code is mistyped: nobody has it"
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
	}
	return ""
}

// Shopper is the reason as a sentence for the customer; empty where there is
// nothing to say.
func (r Reason) Shopper() string {
	switch r {
	case ReasonMistyped:
		return "Please check the invitation code: it is mistyped."
	case ReasonUnknownCode, ReasonOwnCode:
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
func (s *Service) Register(ctx context.Context, request Registration, now time.Time) (Outcome, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("customer", request.Customer, false)
	faults.id("visitor", request.Visitor, true)
	if len(request.Code) > MaxKey {
		faults.add("code", "has %d bytes, at most %d are allowed", len(request.Code), MaxKey)
	}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Outcome{}, err
	}
	fingerprint, err := ledger.Fingerprint(request)
	if err != nil {
		return Outcome{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Outcome], error) {
		return s.planRegister(ctx, request, fingerprint, now)
	})
}

func (s *Service) planRegister(ctx context.Context, request Registration, fingerprint string, now time.Time) (storage.Plan[Outcome], error) {
	var none storage.Plan[Outcome]
	docs, err := s.get(ctx, memberKey(request.Customer))
	if err != nil {
		return none, err
	}
	member, err := record(members, docs, memberKey(request.Customer))
	if err != nil {
		return none, err
	}
	if r := member.Value.Registration; r != nil {
		if r.Fingerprint != fingerprint {
			return none, fmt.Errorf("%w: customer %q registered before with another code or visitor", coupon.ErrKeyReused, request.Customer)
		}
		return s.recordedOutcome(ctx, request.Customer, r)
	}
	invitation, reason, err := s.attribute(ctx, request, now)
	if err != nil {
		return none, err
	}
	if reason == "" && (member.Version > 0 || request.Known) {
		reason = ReasonNotNew
	}
	if invitation.Referrer == request.Customer && reason == ReasonNotNew {
		reason = ReasonOwnCode
	}
	if reason != "" {
		invitation = Outcome{Program: invitation.Program, Referrer: invitation.Referrer, Via: invitation.Via}
	}
	invitation.Customer, invitation.Bound, invitation.Reason = request.Customer, reason == "", reason
	if member.Version == 0 {
		member.Value.Since = micros(now)
	}
	member.Value.Registration = &registrationBody{
		fingerprint, invitation.Bound, reason, invitation.Program, invitation.Referrer, invitation.Via, micros(now),
	}
	put, err := members.Put(member, 0)
	if err != nil {
		return none, err
	}
	recorded := storage.Batch{Puts: []storage.Put{put}}
	if !invitation.Bound {
		return storage.Plan[Outcome]{Batch: recorded, Answer: invitation}, nil
	}
	return s.planBind(ctx, invitation, recorded, now)
}

// recordedOutcome answers a registration that was made before.
func (s *Service) recordedOutcome(ctx context.Context, customer string, r *registrationBody) (storage.Plan[Outcome], error) {
	answer := Outcome{Customer: customer, Bound: r.Bound, Reason: r.Reason, Program: r.Program, Referrer: r.Referrer, Via: r.Via}
	if !r.Bound {
		return storage.Plan[Outcome]{Answer: answer}, nil
	}
	all, err := s.readRewards(ctx, r.Program, customer)
	for _, reward := range all {
		if reward.Value.Step == Registered {
			answer.Rewards = append(answer.Rewards, reward.Value.reward(reward.Key.ID))
		}
	}
	return storage.Plan[Outcome]{Answer: answer}, err
}

// attribute finds who invited the customer.
func (s *Service) attribute(ctx context.Context, request Registration, now time.Time) (Outcome, Reason, error) {
	if request.Code != "" {
		code, err := coupon.ParseCode(request.Code)
		if mistyped(err) {
			return Outcome{}, ReasonMistyped, nil
		}
		docs, err := s.get(ctx, linkKey(code))
		if err != nil {
			return Outcome{}, "", err
		}
		link, err := record(links, docs, linkKey(code))
		if err != nil || link.Version == 0 {
			return Outcome{}, ReasonUnknownCode, err
		}
		invitation := Outcome{Program: link.Value.Program, Referrer: link.Value.Customer, Via: ViaCode}
		_, reason, err := s.open(ctx, invitation.Program, now)
		return invitation, reason, err
	}
	return s.attributeTouch(ctx, request.Visitor, now)
}

// attributeTouch goes through the visitor's touches, from the last (or the first,
// where the program says so) on, to one in its program's window.
func (s *Service) attributeTouch(ctx context.Context, visitor string, now time.Time) (Outcome, Reason, error) {
	all, err := s.touched(ctx, visitor, now.Add(-maxWait), now)
	if err != nil {
		return Outcome{}, "", err
	}
	var chosen *touchBody
	var chosenReason Reason
	for i := len(all) - 1; i >= 0; i-- {
		touch := &all[i]
		if chosen != nil && touch.Program != chosen.Program {
			continue // the program of the last touch counts
		}
		terms, reason, err := s.open(ctx, touch.Program, now)
		if err != nil {
			return Outcome{}, "", err
		}
		if !now.Before(instant(touch.At).Add(terms.window())) {
			continue
		}
		chosen, chosenReason = touch, reason
		if terms.Attribution == LastTouch {
			break
		}
	}
	if chosen == nil {
		return Outcome{}, ReasonNoInvitation, nil
	}
	return Outcome{Program: chosen.Program, Referrer: chosen.Referrer, Via: ViaLink}, chosenReason, nil
}

// open gives a program's latest terms, and why nobody is bound under them now.
func (s *Service) open(ctx context.Context, program string, now time.Time) (*Program, Reason, error) {
	head, err := s.head(ctx, program)
	if err != nil {
		return nil, "", err
	}
	terms, err := s.program(ctx, programVersion{program, head.Value.Latest})
	switch {
	case err != nil:
		return nil, "", err
	case head.Value.Paused:
		return terms, ReasonPaused, nil
	case !terms.Schedule.Contains(now):
		return terms, ReasonClosed, nil
	}
	return terms, "", nil
}

// planBind makes the referral, and grants what registration earns.
func (s *Service) planBind(ctx context.Context, invitation Outcome, recorded storage.Batch, now time.Time) (storage.Plan[Outcome], error) {
	var none storage.Plan[Outcome]
	docs, err := s.get(ctx, headKey(invitation.Program), memberKey(invitation.Referrer))
	if err != nil {
		return none, err
	}
	head, err := record(heads, docs, headKey(invitation.Program))
	if err != nil {
		return none, err
	}
	referrer, known := docs[memberKey(invitation.Referrer)]
	if !known {
		return none, errors.New("referral: the referrer's link exists and the referrer does not: audit the store")
	}
	terms, err := s.program(ctx, programVersion{invitation.Program, head.Value.Latest})
	if err != nil {
		return none, err
	}
	w := &work{Service: s, now: now, terms: terms, paused: head.Value.Paused, rewards: make(map[string]*storage.Record[rewardBody])}
	w.referral.Key = referralKey(invitation.Program, invitation.Customer)
	w.referral.Value = referralBody{
		Program: invitation.Program, Version: terms.Version, Referrer: invitation.Referrer, Friend: invitation.Customer,
		State: StateBound, Bound: micros(now), Via: invitation.Via,
	}
	w.decide("bound", fmt.Sprintf("registered as a new customer, invited by %s", invitation.Via), "")
	w.batches = append(w.batches, recorded, storage.Batch{Checks: []storage.Check{
		{Key: head.Key, Version: head.Version}, {Key: referrer.Key, Version: referrer.Version},
	}})
	if err := w.promise(ctx, Registered, now, now); err != nil {
		return none, err
	}
	batch, err := w.batch()
	if err != nil {
		return none, err
	}
	for _, reward := range w.sortedRewards() {
		invitation.Rewards = append(invitation.Rewards, reward.Value.reward(reward.Key.ID))
	}
	return storage.Plan[Outcome]{Batch: batch, Answer: invitation}, nil
}

func since(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package referral

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
)

// invitation is who invited a customer, and the program as it was read then: why
// nobody is bound under it, if so, and otherwise under which terms.
type invitation struct {
	program  string
	referrer string
	via      Via
	followed time.Time // the touch it is credited to; zero: a code was typed
	reason   Reason
	rivals   []rivalBody
	visitor  string
	address  netip.Addr
	member   storage.Record[memberBody] // the referrer's
	terms    *Program
	head     storage.Record[headBody]
}

// attribute finds who invited the customer: whose code they typed, or else whose
// link they followed. Who else could have been credited is noted.
func (s *Service) attribute(ctx context.Context, code coupon.Code, visitor, country string, now time.Time) (invitation, error) {
	followed, err := s.attributeTouch(ctx, visitor, country, now)
	if code == "" || err != nil {
		return followed, err
	}
	typed, err := s.attributeCode(ctx, code, now)
	if followed.referrer != "" {
		typed.lost(followed, "a code beats a link")
		for _, r := range followed.rivals {
			typed.lost(invitation{program: r.Program, referrer: r.Referrer, via: r.Via, followed: instant(r.At)}, "a code beats a link")
		}
	}
	return typed, err
}

func (s *Service) attributeCode(ctx context.Context, code coupon.Code, now time.Time) (invitation, error) {
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

// maxRivals bounds how many of those who are not credited are noted, and rivalTouches
// how many touches are read for that.
const (
	maxRivals    = 10
	rivalTouches = 100
)

// lost notes somebody who is not credited, once.
func (i *invitation) lost(other invitation, why string) {
	known := func(r rivalBody) bool { return r.Program == other.program && r.Referrer == other.referrer }
	if other.program == i.program && other.referrer == i.referrer || len(i.rivals) >= maxRivals || slices.ContainsFunc(i.rivals, known) {
		return
	}
	i.rivals = append(i.rivals, rivalBody{other.program, other.referrer, other.via, micros(other.followed), why})
}

// attributeTouch finds the touch that a visitor's registration is credited to: among those
// that can bind, or else, to say why nobody is bound, among all.
func (s *Service) attributeTouch(ctx context.Context, visitor, country string, now time.Time) (invitation, error) {
	none := invitation{reason: ReasonNoInvitation}
	if visitor == "" {
		return none, nil
	}
	t := touching{Service: s, country: country, now: now, programs: make(map[string]invitation), standings: make(map[string]invitation)}
	chosen, err := t.choose(ctx, visitor, true)
	if err != nil || chosen.terms != nil || !t.passed {
		return chosen, err
	}
	return t.choose(ctx, visitor, false)
}

// touching is what was read to choose between a visitor's touches.
type touching struct {
	*Service
	country   string
	now       time.Time
	programs  map[string]invitation
	standings map[string]invitation // by referrer, in any program
	passed    bool                  // a touch in its window could not bind
}

// choose goes through the visitor's touches, from the last on, to one in its program's
// window; and on to the first of that program's where it says so.
func (t *touching) choose(ctx context.Context, visitor string, able bool) (invitation, error) {
	chosen := invitation{reason: ReasonNoInvitation}
	visited := 0
	err := t.eachTouch(ctx, visitor, t.now.Add(-maxWait), func(touch *touchBody) (more bool, err error) {
		visited++
		found, err := t.found(ctx, touch)
		if err != nil {
			return false, err
		}
		inWindow := t.now.Before(found.followed.Add(found.terms.window()))
		first := chosen.terms != nil && chosen.terms.Attribution == FirstTouch
		var unable Reason
		if candidate := chosen.terms == nil || first && found.program == chosen.program; able && inWindow && candidate {
			if unable, err = t.unable(ctx, &found); err != nil {
				return false, err
			}
		}
		switch {
		case !inWindow && chosen.terms == nil:
			return true, nil
		case unable != "":
			t.passed = true
			chosen.lost(found, unable.Staff())
			return true, nil
		case chosen.terms == nil:
			found.rivals = rivalsBut(chosen.rivals, &found)
			chosen = found
		case found.program != chosen.program && inWindow:
			chosen.lost(found, "the last touch was of another program")
		case found.program != chosen.program:
		case !inWindow:
			chosen.lost(found, "the touch lies before the window")
			return false, nil
		case first:
			before := chosen
			chosen, found.rivals = found, nil
			chosen.rivals = rivalsBut(before.rivals, &chosen)
			chosen.lost(before, "an earlier touch is credited")
		default:
			chosen.lost(found, "a later touch is credited")
		}
		return chosen.terms.Attribution == FirstTouch || visited < rivalTouches && len(chosen.rivals) < maxRivals, nil
	})
	if chosen.terms == nil {
		chosen.rivals = nil
	}
	return chosen, err
}

// found is the touch as an invitation, under its program as it is now.
func (t *touching) found(ctx context.Context, touch *touchBody) (invitation, error) {
	found, read := t.programs[touch.Program]
	if !read {
		var err error
		if found, err = t.open(ctx, touch.Program, t.now); err != nil {
			return found, err
		}
		t.programs[touch.Program] = found
	}
	found.referrer, found.via, found.followed = touch.Referrer, ViaLink, instant(touch.At)
	return found, nil
}

// unable says why nobody who registers now is bound by a touch; empty: it can bind.
func (t *touching) unable(ctx context.Context, found *invitation) (Reason, error) {
	if found.reason != "" {
		return found.reason, nil
	}
	if !found.terms.welcomes(t.country) {
		return ReasonCountry, nil
	}
	stands, read := t.standings[found.referrer]
	if !read {
		stands = invitation{referrer: found.referrer}
		if err := t.standing(ctx, &stands); err != nil {
			return "", err
		}
		t.standings[found.referrer] = stands
	}
	return stands.reason, nil
}

// rivalsBut is who else could have been credited, but for who is.
func rivalsBut(rivals []rivalBody, credited *invitation) []rivalBody {
	return slices.DeleteFunc(rivals, func(r rivalBody) bool { return r.Program == credited.program && r.Referrer == credited.referrer })
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
	case !found.terms.Schedule.Contains(now), head.Value.Ends > 0 && micros(now) >= head.Value.Ends, head.Value.Killed:
		found.reason = ReasonClosed
	case found.terms.Budget.Sign() > 0:
		return found, s.checkBudget(ctx, &found)
	}
	return found, nil
}

// checkBudget says that nothing of the program's budget is left for any reward.
func (s *Service) checkBudget(ctx context.Context, found *invitation) error {
	counter := budgetCounter(found.program)
	_, used, err := s.store.Get(ctx, nil, counter)
	if err != nil {
		return err
	}
	least := int64(math.MaxInt64)
	for _, e := range found.terms.earnings() {
		if worth, _ := e.worth(found.terms.Budget.Currency()); worth > 0 {
			least = min(least, worth)
		}
	}
	if used[counter] > found.terms.Budget.Minor()-least {
		found.reason = ReasonSpent
	}
	return nil
}

// welcomes says that a friend may come from a country; one that was not told is none
// of those a program names.
func (p *Program) welcomes(country string) bool {
	return len(p.Countries) == 0 || slices.Contains(p.Countries, country)
}

// why is what a registration is credited to, for staff.
func (i invitation) why() string {
	if i.via == ViaCode {
		return "registered as a new customer with the referrer's code"
	}
	which := map[Attribution]string{FirstTouch: "first", LastTouch: "last"}[i.terms.Attribution]
	return fmt.Sprintf("registered as a new customer; the %s link followed in the window was the referrer's, at %s", which, since(i.followed))
}

// LateCode says that a customer entered a code after they had registered.
type LateCode struct {
	Customer string
	Code     string
	Paid     bool   // they have paid before: the code comes too late
	Country  string // in two capital letters, where programs ask for it; empty: not told
}

// EnterCode credits a customer to whose code it is when their registration bound nobody
// and is not longer ago than the program's LateCode. They must have been a new customer
// then, and come from a country of the program's. What registration gives is given
// then, and the time to qualify counts from then. A code that comes too late, or that
// can't be used, is told in the outcome and changes nothing. Asked again it answers what
// it recorded.
//
// Who has a link already may have friends of their own, and is not bound to anybody any
// more: so referrals never form a circle.
//
// It fails with a [*Faults], also for a customer who did not register, and as [Service.Register] does for
// a code that is mistyped.
func (s *Service) EnterCode(ctx context.Context, request LateCode, now time.Time) (Outcome, error) {
	faults := &Faults{Kind: ErrRequest}
	s.customer(faults, "customer", request.Customer)
	faults.country(request.Country)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Outcome{}, err
	}
	code, err := coupon.ParseCode(request.Code)
	if err != nil {
		return Outcome{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Outcome], error) {
		return s.planEnterCode(ctx, request, code, refused, now)
	})
}

func (s *Service) planEnterCode(ctx context.Context, request LateCode, code coupon.Code, refused *storage.Failure, now time.Time) (storage.Plan[Outcome], error) {
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
	before := member.Value.Registration
	if before == nil {
		return none, &Faults{ErrRequest, []Fault{{"customer", "has not registered: give the code with the registration"}}}
	}
	if err := subject.Value.gone(); err != nil {
		return none, err
	}
	found, err := s.attributeCode(ctx, code, now)
	if err != nil {
		return none, err
	}
	if before.Bound {
		raw := found.referrer
		if found.program == before.Program && raw != before.Referrer { // it may have become another before it was bound to
			if err := s.standing(ctx, &found); err != nil {
				return none, err
			}
		}
		if found.program == before.Program && (raw == before.Referrer || found.referrer == before.Referrer) {
			return s.recordedOutcome(ctx, request.Customer, before)
		}
		return storage.Plan[Outcome]{Answer: Outcome{Customer: request.Customer, Reason: ReasonBound}}, nil
	}
	if found.reason == "" {
		if err := s.standing(ctx, &found); err != nil {
			return none, err
		}
	}
	switch late := found.terms != nil && !now.Before(instant(before.At).Add(found.terms.LateCode)); {
	case found.reason != "":
	case found.referrer == request.Customer:
		found.reason = ReasonOwnCode
	case before.Known, before.Reason == ReasonNotNew, before.Reason == ReasonOwnCode, len(member.Value.Links)+len(member.Value.Brought) > 0, subject.Value.Returning:
		found.reason = ReasonNotNew
	case !found.terms.welcomes(request.Country):
		found.reason = ReasonCountry
	case late, request.Paid:
		found.reason = ReasonTooLate
	}
	if found.reason != "" {
		return storage.Plan[Outcome]{Answer: Outcome{Customer: request.Customer, Reason: found.reason, Program: found.program, Referrer: found.referrer, Via: ViaCode}}, nil
	}
	bound := *before
	bound.Bound, bound.Reason, bound.Program, bound.Referrer, bound.Via = true, "", found.program, found.referrer, ViaCode
	bound.Why = "entered the referrer's code at " + since(now) + ", within the grace after the registration"
	member.Value.Registration = &bound
	return s.planBind(ctx, found, member, bound.outcome(request.Customer), refused, now)
}

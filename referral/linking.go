package referral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
)

// Link is a customer's personal link in a program.
type Link struct {
	Program  string
	Customer string
	Code     coupon.Code // for typing; it says nothing of the customer
}

// Path is the path and query a shop puts behind its own address, as in
// "/invite?code=7K2QX-…".
func (l Link) Path() string { return "/invite?code=" + l.Code.String() }

// Token signs the link until an instant, for addresses that end, as in
// "/invite?t=v1.…". [Signer.Code] reads it.
func (l Link) Token(signer *Signer, until time.Time) (string, error) {
	return signer.Sign(PurposeLink, string(l.Code), until)
}

// Code gives the code of a link's token, for [Service.Touch] and [Service.Register].
// It fails with [ErrToken] and [ErrTokenExpired].
func (s *Signer) Code(token string, now time.Time) (coupon.Code, error) {
	code, err := s.Read(PurposeLink, token, now)
	return coupon.Code(code), err
}

// memberBody is what is known of a customer: since when, their links, and how they
// registered. It is created once, when a customer first gets a link or registers.
//
// Depth is 0 for a customer whom nobody brought, and one more than the referrer's
// for a friend; it never changes. So the audit sees that referrals form no circle,
// whatever the clocks said.
type memberBody struct {
	Since        int64             `json:"since"`
	Depth        int               `json:"depth"`
	Links        []linkRef         `json:"links"`
	Banned       bool              `json:"banned"`
	BanReason    string            `json:"ban_reason"`
	Registration *registrationBody `json:"registration"`
	Became       string            `json:"became,omitempty"`  // the account it was merged into
	Brought      []friendship      `json:"brought,omitempty"` // as whose friends accounts that were merged into it were bound
}

type linkRef struct {
	Program string      `json:"program"`
	Code    coupon.Code `json:"code"`
}

type linkBody struct {
	Program  string `json:"program"`
	Customer string `json:"customer"`
	At       int64  `json:"at"`
}

type touchBody struct {
	Visitor  string      `json:"visitor"`
	Program  string      `json:"program"`
	Referrer string      `json:"referrer"`
	Code     coupon.Code `json:"code"`
	At       int64       `json:"at"`
}

const (
	kindMember = "member"
	kindTouch  = "touch"
)

var (
	members = storage.NewCodec[memberBody](1)
	links   = storage.NewCodec[linkBody](1)
	touches = storage.NewCodec[touchBody](1)
)

func memberKey(customer string) storage.Key { return storage.Key{Kind: kindMember, ID: customer} }
func linkKey(code coupon.Code) storage.Key  { return storage.Key{Kind: "link", ID: string(code)} }

// touchKey begins with the visitor's length: either part may have a '/', and no two
// touches may have one key.
func touchKey(visitor, id string) storage.Key {
	return storage.Key{Kind: kindTouch, ID: fmt.Sprintf("%d/%s/%s", len(visitor), visitor, id)}
}

func visitorList(visitor string) string { return "visitor/" + visitor }

// Link gives a customer's personal link in a program, and makes it the first time.
// Whoever has a link is no new customer from then on. It fails with [ErrNoProgram],
// [ErrPaused], a [*Faults], and with [ErrNoPerson] when the first is asked for by a subject
// that was erased or merged.
func (s *Service) Link(ctx context.Context, program, customer string, now time.Time) (Link, error) {
	faults := &Faults{Kind: ErrRequest}
	s.customer(faults, "customer", customer)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Link{}, err
	}
	if !programID.MatchString(program) {
		return Link{}, noProgram(program)
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Link], error) {
		return s.planLink(ctx, program, customer, now)
	})
}

func (s *Service) planLink(ctx context.Context, program, customer string, now time.Time) (storage.Plan[Link], error) {
	var none storage.Plan[Link]
	keys := []storage.Key{headKey(program), memberKey(customer)}
	if len(s.people) > 0 {
		keys = append(keys, subjectKey(customer))
	}
	docs, err := s.get(ctx, keys...)
	if err != nil {
		return none, err
	}
	member, err := record(members, docs, memberKey(customer))
	if err != nil {
		return none, err
	}
	for _, l := range member.Value.Links {
		if l.Program == program {
			return storage.Plan[Link]{Answer: Link{program, customer, l.Code}}, nil
		}
	}
	head, err := record(heads, docs, headKey(program))
	switch {
	case err != nil:
		return none, err
	case head.Version == 0:
		return none, noProgram(program)
	case head.Value.Paused:
		return none, fmt.Errorf("%w: %q", ErrPaused, program)
	}
	subject, err := record(subjects, docs, subjectKey(customer))
	if err == nil {
		err = subject.Value.gone()
	}
	if err != nil {
		return none, err
	}
	checks := []storage.Check{{Key: head.Key, Version: head.Version}}
	if subject.Version > 0 { // a merge must not come in between
		checks = append(checks, storage.Check{Key: subject.Key, Version: subject.Version})
	}
	code, err := coupon.NewCode(s.options.Random)
	if err != nil {
		return none, err
	}
	if member.Version == 0 {
		member.Value.Since = micros(now)
	}
	member.Value.Links = append(slices.Clone(member.Value.Links), linkRef{program, code})
	memberPut, err := members.Put(member, 0)
	if err != nil {
		return none, err
	}
	linkPut, err := links.Put(storage.Record[linkBody]{Key: linkKey(code), Value: linkBody{program, customer, micros(now)}}, 0)
	if err != nil {
		return none, err
	}
	return storage.Plan[Link]{
		Batch:  storage.Batch{Puts: []storage.Put{memberPut, linkPut}, Checks: checks},
		Answer: Link{program, customer, code},
	}, nil
}

// TouchRequest says that a visitor followed a link or entered a code.
type TouchRequest struct {
	ID      string // the idempotency key, unique per visitor; at most 60 bytes
	Visitor string // whoever it is, before registration: a cookie's random value
	Code    string // as it stands in the link
}

// maxTouchID bounds a touch's id in bytes, so that with its visitor's it fits into a
// key.
const maxTouchID = 60

// Touch records that a visitor followed a link. It grants nothing. Asked again it
// changes nothing. It fails with [ErrNoLink] when no link has the code, with
// [coupon.ErrKeyReused] when the id was used for another code, with a [*Faults], and
// for a code that is mistyped with [coupon.ErrMistyped] or [coupon.ErrCode], without
// asking the store.
func (s *Service) Touch(ctx context.Context, request TouchRequest, now time.Time) (Link, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", request.ID, false)
	faults.id("visitor", request.Visitor, false)
	if len(request.ID) > maxTouchID {
		faults.add("id", "has %d bytes, at most %d are allowed", len(request.ID), maxTouchID)
	}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Link{}, err
	}
	code, err := coupon.ParseCode(request.Code)
	if err != nil {
		return Link{}, err
	}
	link, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Link], error) {
		return s.planTouch(ctx, request, code, now)
	})
	if errors.Is(err, ErrNoLink) {
		if failed := s.guessed(ctx, request.Visitor, now); failed != nil {
			return link, failed
		}
	}
	return link, err
}

func (s *Service) planTouch(ctx context.Context, request TouchRequest, code coupon.Code, now time.Time) (storage.Plan[Link], error) {
	var none storage.Plan[Link]
	key := touchKey(request.Visitor, request.ID)
	docs, err := s.get(ctx, linkKey(code), key)
	if err != nil {
		return none, err
	}
	link, err := record(links, docs, linkKey(code))
	if err == nil && link.Version == 0 {
		err = fmt.Errorf("%w: %s", ErrNoLink, code)
	}
	if err != nil {
		return none, err
	}
	touch, err := record(touches, docs, key)
	answer := Link{link.Value.Program, link.Value.Customer, code}
	switch {
	case err != nil:
		return none, err
	case touch.Version > 0 && touch.Value.Code != code:
		return none, fmt.Errorf("%w: touch %q of visitor %q was of another link: use another id", coupon.ErrKeyReused, request.ID, request.Visitor)
	case touch.Version > 0:
		return storage.Plan[Link]{Answer: answer}, nil
	}
	touch.Value = touchBody{request.Visitor, answer.Program, answer.Customer, code, micros(now)}
	put, err := touches.Put(touch, 0,
		storage.Listing{List: visitorList(request.Visitor), Place: micros(now)},
		storage.Listing{List: referrerList(answer.Program, answer.Customer), Place: micros(now)},
		storage.Listing{List: programList(answer.Program), Place: micros(now)})
	return storage.Plan[Link]{Batch: storage.Batch{Puts: []storage.Put{put}}, Answer: answer}, err
}

// eachTouch visits the touches of a visitor since an instant, the newest first, for
// as long as visit wants more. One that another machine's clock dates after now
// counts too: it came before.
func (s *Service) eachTouch(ctx context.Context, visitor string, since time.Time, visit func(*touchBody) (more bool, err error)) error {
	query := storage.Query{Kind: kindTouch, List: visitorList(visitor), From: max(micros(since), 1), Newest: true}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			touch, err := touches.Decode(doc)
			if err != nil {
				return err
			}
			if more, err := visit(&touch.Value); !more || err != nil {
				return err
			}
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

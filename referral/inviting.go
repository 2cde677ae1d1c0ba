package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Invitations are what a program lets a referrer send through the shop. The zero value:
// nothing; links are passed on by the referrers themselves.
type Invitations struct {
	PerSend int64         // addresses in one send; 1 to 100, and 0 for no invitations
	PerDay  int64         // a day, in the program's zone; 0: no such limit
	Total   int64         // ever; 0: no such limit
	Life    time.Duration // of the link in an invitation; default: the program's window
}

const maxPerSend = 100

func (p *Program) checkInvitations(faults *Faults) {
	i := &p.Invitations
	for _, limit := range []struct {
		path string
		n    int64
		most int64
	}{{"per_send", i.PerSend, maxPerSend}, {"per_day", i.PerDay, 1_000_000}, {"total", i.Total, 1_000_000}} {
		if limit.n < 0 || limit.n > limit.most {
			faults.add("invitations."+limit.path, "is %d, want 0 to %d", limit.n, limit.most)
		}
	}
	if i.PerSend == 0 && *i != (Invitations{}) {
		faults.add("invitations.per_send", "is missing: how many addresses may one send have?")
	}
	if i.Life < 0 || i.Life > maxWait || i.Life%time.Second != 0 {
		faults.add("invitations.life", "is %s, want 0 to 10 years in whole seconds", i.Life)
	}
}

// InviteRequest asks for invitations by e-mail.
type InviteRequest struct {
	ID        string // the idempotency key, unique per program and customer; at most 40 bytes
	Program   string
	Customer  string // who invites
	Addresses []string
}

// Invited says what the shop may send, and what it must not.
type Invited struct {
	Send []Invitation
	// Skipped is for staff. Tell the referrer only that the invitations are on their
	// way: why an address was skipped would say whose customer somebody is.
	Skipped []SkippedInvitation
}

// Invitation is one that the shop may send.
type Invitation struct {
	Address string // as it was given; nothing keeps it
	Token   string // of the link ([Signer.Code]), good for [Invitations].Life
	// Refusal is a token for [Service.RefuseInvitations], for a link that needs one
	// click (RFC 8058) and no signing in.
	Refusal string
}

// SkippedInvitation is an address that is not written to, and why.
type SkippedInvitation struct {
	Address string
	Reason  SkipReason
}

// SkipReason says why an address is not written to. The set is closed.
type SkipReason string

// The reasons why an address is not written to.
const (
	SkipRefused  SkipReason = "refused"  // whose it is does not want any
	SkipInvited  SkipReason = "invited"  // this customer has invited it before
	SkipOften    SkipReason = "often"    // many others have
	SkipCustomer SkipReason = "customer" // it is a customer's, or was
)

// invitationBody remembers a send. It keeps hashes only.
type invitationBody struct {
	Fingerprint string         `json:"fingerprint"`
	Program     string         `json:"program"`
	Customer    string         `json:"customer"`
	Accepted    []string       `json:"accepted"` // hashes, as they were then
	At          int64          `json:"at"`
	Claims      []ledger.Claim `json:"claims"`
}

const kindInvitation = "invitation"

var sends = storage.NewCodec[invitationBody](1)

func invitationKey(program, customer, id string) storage.Key {
	return storage.Key{Kind: kindInvitation, ID: fmt.Sprintf("%s/%d/%s/%s", program, len(customer), customer, id)}
}

// refusalLife is how long the link that refuses further invitations works.
const refusalLife = 10 * 365 * 24 * time.Hour

// Invite says to which of some addresses the shop may send an invitation of a customer,
// and counts all that were asked for towards the program's limits. It sends nothing.
// Nobody is written to who refused, who is a customer, or whom the customer invited
// before. Asked again it gives the same answer.
//
// It needs [Options].PersonKeys and [Options].Signer, and fails with
// [ErrInvitationLimit], [ErrNoProgram], [ErrPaused], [coupon.ErrKeyReused] and a
// [*Faults], also where the program sends no invitations.
func (s *Service) Invite(ctx context.Context, request InviteRequest, now time.Time) (Invited, error) {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	if s.options.Signer == nil {
		faults.add("options.signer", "is missing: invitations carry signed links")
	}
	faults.id("id", request.ID, false)
	if len(request.ID) > 40 {
		faults.add("id", "has %d bytes, at most 40 are allowed", len(request.ID))
	}
	var all []identifier
	if len(request.Addresses) == 0 || len(request.Addresses) > maxPerSend {
		faults.add("addresses", "are %d, want 1 to %d", len(request.Addresses), maxPerSend)
	} else {
		for i, address := range request.Addresses {
			folded, ok := FoldEmail(address)
			if !ok || len(address) > maxIdentifier || !strict.Readable(address) {
				faults.add(fmt.Sprintf("addresses[%d]", i), "is no e-mail address")
			}
			all = append(all, identifier{IdentifierEmail, folded})
		}
		if len(unique(all)) < len(all) {
			faults.add("addresses", "name one mailbox twice")
		}
	}
	if err := faults.orNil(); err != nil {
		return Invited{}, err
	}
	link, err := s.Link(ctx, request.Program, request.Customer, now)
	if err != nil {
		return Invited{}, err
	}
	return do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Invited], error) {
		return s.planInvite(ctx, request, link, all, refused, now)
	})
}

func (s *Service) planInvite(ctx context.Context, request InviteRequest, link Link, all []identifier, refused *storage.Failure, now time.Time) (storage.Plan[Invited], error) {
	var none storage.Plan[Invited]
	found, err := s.open(ctx, request.Program, now)
	if err != nil {
		return none, err
	}
	people, err := s.readPeople(ctx, all)
	if err != nil {
		return none, err
	}
	key := invitationKey(request.Program, request.Customer, request.ID)
	docs, err := s.get(ctx, key, memberKey(request.Customer))
	if err != nil {
		return none, err
	}
	send, err := record(sends, docs, key)
	if err != nil {
		return none, err
	}
	fingerprint, err := ledger.Fingerprint(s.namesOf(people))
	switch {
	case err != nil:
		return none, err
	case send.Version > 0 && send.Value.Fingerprint != fingerprint:
		return none, fmt.Errorf("%w: send %q was of other addresses: use another id", coupon.ErrKeyReused, request.ID)
	case send.Version > 0:
		answer, err := s.invited(request, link, people, &send.Value, found.terms)
		return storage.Plan[Invited]{Answer: answer}, err
	}
	member, err := record(members, docs, memberKey(request.Customer))
	if err != nil {
		return none, err
	}
	if err := mayInvite(found, &member.Value, request); err != nil {
		return none, err
	}
	send.Value = invitationBody{Fingerprint: fingerprint, Program: request.Program, Customer: request.Customer, At: micros(now)}
	if send.Value.Claims, err = found.terms.invitationClaims(request.Customer, int64(len(all)), now); err != nil {
		return none, err
	}
	batch, err := s.claimInvitations(ctx, send.Value.Claims, refused)
	if err != nil {
		return none, err
	}
	for i := range people {
		k := &people[i]
		if k.Value.skip(request.Customer) != "" {
			continue
		}
		send.Value.Accepted = append(send.Value.Accepted, k.places[0].ID)
		k.Value.Invited = append(slices.Clone(k.Value.Invited), request.Customer)
		puts, err := k.puts(s.people)
		if err != nil {
			return none, err
		}
		batch.Puts = append(batch.Puts, puts...)
	}
	put, err := sends.Put(send, 0)
	if err != nil {
		return none, err
	}
	batch.Puts = append(batch.Puts, put)
	batch.Checks = append(batch.Checks, storage.Check{Key: found.head.Key, Version: found.head.Version})
	for i := range people { // as they were: the answer says why of those that were skipped
		if k := &people[i]; slices.Contains(send.Value.Accepted, k.places[0].ID) {
			k.Value.Invited = k.Value.Invited[:len(k.Value.Invited)-1]
		}
	}
	answer, err := s.invited(request, link, people, &send.Value, found.terms)
	return storage.Plan[Invited]{Batch: batch, Answer: answer}, err
}

// namesOf is what a send is remembered by: hashes under the oldest key, which stay the
// same while keys are added.
func (s *Service) namesOf(people []kept) []string {
	var names []string
	for i := range people {
		id := people[i].identifier
		names = append(names, s.people[len(s.people)-1].hash(string(id.kind), id.value))
	}
	slices.Sort(names)
	return names
}

func mayInvite(found invitation, member *memberBody, request InviteRequest) error {
	rules := &found.terms.Invitations
	switch {
	case found.reason == ReasonPaused:
		return fmt.Errorf("%w: %q", ErrPaused, request.Program)
	case found.reason != "":
		return &Faults{ErrRequest, []Fault{{"program", "takes nobody in at the moment: " + found.reason.Staff()}}}
	case member.Banned:
		return &Faults{ErrRequest, []Fault{{"customer", "is banned: " + member.BanReason}}}
	case rules.PerSend == 0:
		return &Faults{ErrRequest, []Fault{{"program", "sends no invitations: its referrers pass their links on themselves"}}}
	case int64(len(request.Addresses)) > rules.PerSend:
		return &Faults{ErrRequest, []Fault{{"addresses", fmt.Sprintf("are %d, at most %d are allowed in one send", len(request.Addresses), rules.PerSend)}}}
	}
	return nil
}

// skip says why an address is not written to; empty when it is.
func (b *personBody) skip(customer string) SkipReason {
	switch {
	case b.Refused > 0:
		return SkipRefused
	case len(b.Subjects) > 0 || b.Erased > 0:
		return SkipCustomer
	case slices.Contains(b.Invited, customer):
		return SkipInvited
	case len(b.Invited) >= maxSeen:
		return SkipOften
	}
	return ""
}

// invitationCounters begins the names of the counters of invitations.
const invitationCounters = "invitations/"

// invitationClaims are what a send takes of the limits.
func (p *Program) invitationClaims(customer string, n int64, at time.Time) ([]ledger.Claim, error) {
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	var claims []ledger.Claim
	if most := p.Invitations.Total; most > 0 {
		claims = append(claims, ledger.Claim{Counter: invitationCounters + p.ID + "/" + customer, N: n, Max: most})
	}
	if most := p.Invitations.PerDay; most > 0 {
		label, end := ledger.Day.At(at, zone)
		claims = append(claims, ledger.Claim{
			Counter: invitationCounters + p.ID + "/" + label + "/" + customer, N: n, Max: most, Until: micros(end.Add(counterLife)),
		})
	}
	return claims, nil
}

// claimInvitations claims all of it, or says which limit has too little left.
func (s *Service) claimInvitations(ctx context.Context, claims []ledger.Claim, refused *storage.Failure) (storage.Batch, error) {
	var batch storage.Batch
	var names []string
	for _, c := range claims {
		names = append(names, c.Counter)
		batch.Adds = append(batch.Adds, c.Take())
	}
	if len(names) == 0 {
		return batch, nil
	}
	_, used, err := s.store.Get(ctx, nil, names...)
	if err != nil {
		return batch, err
	}
	for _, c := range claims {
		taken := used[c.Counter]
		if refused != nil && refused.Counter == c.Counter {
			taken = max(taken, c.Max-c.N+1)
		}
		if taken > c.Max-c.N {
			return batch, fmt.Errorf("%w: %d asked for, %d of %d were sent", ErrInvitationLimit, c.N, min(taken, c.Max), c.Max)
		}
	}
	return batch, nil
}

// invited is the answer to a send as it is recorded.
func (s *Service) invited(request InviteRequest, link Link, people []kept, send *invitationBody, terms *Program) (Invited, error) {
	var answer Invited
	at := instant(send.At)
	life := cmp.Or(terms.Invitations.Life, terms.window())
	for i := range people {
		k := &people[i]
		if !slices.ContainsFunc(k.places, func(place storage.Key) bool { return slices.Contains(send.Accepted, place.ID) }) {
			answer.Skipped = append(answer.Skipped, SkippedInvitation{request.Addresses[i], cmp.Or(k.Value.skip(send.Customer), SkipInvited)})
			continue
		}
		token, err := link.Token(s.options.Signer, at.Add(life))
		if err != nil {
			return answer, err
		}
		refusal, err := s.options.Signer.Sign(PurposeRefusal, k.places[0].ID, at.Add(refusalLife))
		if err != nil {
			return answer, err
		}
		answer.Send = append(answer.Send, Invitation{request.Addresses[i], token, refusal})
	}
	return answer, nil
}

// RefuseInvitations records that whoever got an invitation wants no more, from anybody.
// The token alone is enough, so that one click does it. Asked again it changes nothing.
// It fails with [ErrToken] and [ErrTokenExpired].
func (s *Service) RefuseInvitations(ctx context.Context, token string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	if s.options.Signer == nil {
		faults.add("options.signer", "is missing: it reads the tokens")
	}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return err
	}
	hash, err := s.options.Signer.Read(PurposeRefusal, token, now)
	if err != nil {
		return err
	}
	_, err = do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		person, err := s.followPerson(ctx, hash)
		if err != nil || person.Value.Refused > 0 {
			return plan, err
		}
		if person.Version == 0 {
			return plan, fmt.Errorf("%w: what it names is not kept any more", ErrToken)
		}
		person.Value.Refused = micros(now)
		put, err := people.Put(person.Record, person.Value.Erased, person.lists...)
		if err == nil {
			plan.Batch, err = refusal(person.Key, "", now, put)
		}
		return plan, err
	})
	return err
}

func refusedEntry(hash string) string { return "refused/" + hash }

// refusal writes that somebody wants no invitations, and books it: so it is not lost.
func refusal(person storage.Key, actor string, now time.Time, puts ...storage.Put) (storage.Batch, error) {
	booked, err := ledger.Entry{ID: refusedEntry(person.ID), Kind: "refused", At: now, Actor: actor}.Batch()
	if err != nil {
		return storage.Batch{}, err
	}
	return storage.Join(storage.Batch{Puts: puts}, booked)
}

// SuppressAddress keeps an address from ever being invited, as somebody asked for by
// other ways than the link. Asked again it changes nothing. It fails with a [*Faults], also
// where nobody is named as the actor.
func (s *Service) SuppressAddress(ctx context.Context, address, actor string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	s.people.check(faults)
	folded, ok := FoldEmail(address)
	if !ok || len(address) > maxIdentifier || !strict.Readable(address) {
		faults.add("address", "is no e-mail address")
	}
	faults.actor(actor, now)
	if err := faults.orNil(); err != nil {
		return err
	}
	_, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		found, err := s.readPeople(ctx, []identifier{{IdentifierEmail, folded}})
		if err != nil || found[0].Value.Refused > 0 {
			return plan, err
		}
		found[0].Value.Refused = micros(now)
		puts, err := found[0].puts(s.people)
		if err == nil {
			plan.Batch, err = refusal(found[0].places[0], actor, now, puts...)
		}
		return plan, err
	})
	return err
}

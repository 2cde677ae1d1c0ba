package coupon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

const creditPrefix = "credit/"

// PlatformAccount is the account of what the shop itself has paid for offers, and,
// where nobody else is named, for credit.
const PlatformAccount ledger.Account = promotions + Platform

// CreditAccount is the account of what a customer has of store credit, in every
// currency, and of points, which are a unit of the shop's own ([ledger.Unit]). It
// never falls below zero.
func CreditAccount(customer string) ledger.Account {
	return ledger.Account(creditPrefix + accountPart(customer))
}

// Floors are the accounts that can't fall below a minimum: those of credit. A
// [ledger.Book] over the same store is opened with them.
func Floors() []ledger.Floor { return slices.Clone(floors) }

var floors = []ledger.Floor{{Prefix: creditPrefix}}

// CreditRequest asks to give a customer credit, or to take some back.
type CreditRequest struct {
	ID       string         // the idempotency key: of all that is granted, or of all that is taken back
	Customer string         // the customer's key
	Amount   ledger.Money   // above 0: money, or points
	Funds    ledger.Account // who pays for it, and gets back what is taken; default [PlatformAccount], another is the shop's choice
	Actor    string         // who asks: a member of staff, or empty for the program itself
	Reason   string         // why; at most 500 bytes, and never empty where there is an actor
	Concerns string         // what it is about: an order, a referral; may be empty
}

// CreditChange is what was granted or taken back.
type CreditChange struct {
	CreditRequest
	At    time.Time
	Moved ledger.Money // of Amount, what was granted or taken
	Owed  ledger.Money // of Amount, what could not be taken because it was not there
}

// Credit is what a customer has to spend in a currency or unit: what was granted,
// less what was taken back, spent, and what orders that wait for their payment
// hold; 0 for a customer who was never granted any. It fails with a [*Faults] when the
// customer or the currency is missing.
func (s *Service) Credit(ctx context.Context, customer string, currency ledger.Currency) (ledger.Money, error) {
	faults := &Faults{Kind: ErrRequest}
	if faults.id("customer", customer, false); currency.IsZero() {
		faults.add("currency", "is missing")
	}
	if err := faults.orNil(); err != nil {
		return ledger.Money{}, err
	}
	return s.book().Balance(ctx, CreditAccount(customer), currency)
}

func (s *Service) book() *ledger.Book { return ledger.New(s.store, ledger.Options{Floors: floors}) }

// GrantCredit gives a customer store credit or points. Asked again under the same
// id for the same, it answers what it recorded; for something else it fails with
// [ErrKeyReused]. It fails with a [*Faults] when the request is not valid.
func (s *Service) GrantCredit(ctx context.Context, request CreditRequest, now time.Time) (CreditChange, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[CreditChange], error) {
		return s.PlanGrantCredit(ctx, request, now)
	})
}

// PlanGrantCredit is GrantCredit as a plan, for joining it with what the credit is
// granted for.
func (s *Service) PlanGrantCredit(ctx context.Context, request CreditRequest, now time.Time) (storage.Plan[CreditChange], error) {
	return s.planCredit(ctx, request, now, grantedCredit)
}

// GrantReads names the document that [Service.PlanGrantCredit] reads for the request:
// whoever plans many can have them read in one call.
func (r *CreditRequest) GrantReads() storage.Key {
	return ledger.EntryKey(creditEntry(grantedCredit, r.ID))
}

func creditEntry(what, id string) string { return "credit/" + what + "/" + id }

// TakeCredit takes credit back, as far as it is there, and says what remains owed:
// what was spent can't be taken, and later grants are not touched. Asked again under
// the same id, it answers what it recorded.
func (s *Service) TakeCredit(ctx context.Context, request CreditRequest, now time.Time) (CreditChange, error) {
	return do(ctx, s, now, func(ctx context.Context) (storage.Plan[CreditChange], error) {
		return s.PlanTakeCredit(ctx, request, now)
	})
}

// PlanTakeCredit is TakeCredit as a plan, for joining it with what the credit is
// taken back for. The batch is refused with [storage.ErrLimit] when the customer has
// spent some meanwhile: plan again. Join one taking per customer and currency: two
// are both made for all that is there.
func (s *Service) PlanTakeCredit(ctx context.Context, request CreditRequest, now time.Time) (storage.Plan[CreditChange], error) {
	return s.planCredit(ctx, request, now, takenCredit)
}

// What happens to credit, and what it is called in the book.
const (
	grantedCredit = "granted"
	takenCredit   = "taken"
)

func (s *Service) planCredit(ctx context.Context, request CreditRequest, now time.Time, what string) (storage.Plan[CreditChange], error) {
	none := storage.Plan[CreditChange]{}
	if request.Funds == "" {
		request.Funds = PlatformAccount
	}
	if err := request.validate(now); err != nil {
		return none, err
	}
	change := CreditChange{request, now.UTC().Truncate(time.Microsecond), request.Amount, ledger.Minor(0, request.Amount.Currency())}
	recorded, exists, err := s.book().Entry(ctx, change.entry(what).ID)
	if err != nil {
		return none, err
	}
	if exists {
		answer, err := change.recorded(what, &recorded)
		return storage.Plan[CreditChange]{Answer: answer}, err
	}
	if what == takenCredit {
		has, err := s.Credit(ctx, request.Customer, request.Amount.Currency())
		if err != nil {
			return none, err
		}
		change.move(max(0, min(has.Minor(), request.Amount.Minor())))
	}
	batch, err := change.entry(what).Batch(floors...)
	return storage.Plan[CreditChange]{Batch: batch, Answer: change}, err
}

func (r *CreditRequest) validate(now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.id("id", r.ID, false)
	faults.id("customer", r.Customer, false)
	switch {
	case r.Amount.Currency().IsZero():
		faults.add("amount", "is missing")
	case r.Amount.Minor() < 1 || r.Amount.Minor() >= MaxTotal:
		faults.add("amount", "is %s, want more than 0 and less than 2^53 minor units", r.Amount)
	}
	faults.id("funds", string(r.Funds), false)
	if account := string(r.Funds); strings.HasPrefix(account, creditPrefix) || strings.HasPrefix(account, "held/") {
		faults.add("funds", "is %q: credit comes from who pays for it, not from a customer or from what is held", r.Funds)
	}
	faults.staffOrProgram(r.Actor, r.Reason)
	faults.id("concerns", r.Concerns, true)
	faults.instant("now", now)
	return faults.orNil()
}

// move says how much of the amount is moved.
func (c *CreditChange) move(minor int64) {
	currency := c.Amount.Currency()
	c.Moved, c.Owed = ledger.Minor(minor, currency), ledger.Minor(c.Amount.Minor()-minor, currency)
}

// entry is what the book keeps of a change: it is the memory of the change, too.
func (c *CreditChange) entry(what string) ledger.Entry {
	e := ledger.Entry{
		ID: creditEntry(what, c.ID), Kind: "credit " + what, At: c.At, Actor: c.Actor, Subject: c.Customer, Concerns: c.Concerns,
		Details: map[string]string{"reason": c.Reason, "amount": c.Amount.String(), "funds": string(c.Funds)},
	}
	if c.Moved.Sign() > 0 {
		t := ledger.Transfer{From: c.Funds, To: CreditAccount(c.Customer), Amount: c.Moved}
		if what == takenCredit {
			t.From, t.To = t.To, t.From
		}
		e.Transfers = []ledger.Transfer{t}
	}
	return e
}

// recorded is the change as it was made before.
func (c *CreditChange) recorded(what string, found *ledger.Entry) (CreditChange, error) {
	asked := c.entry(what)
	if found.Actor != asked.Actor || found.Subject != asked.Subject || found.Concerns != asked.Concerns || !maps.Equal(found.Details, asked.Details) {
		return CreditChange{}, fmt.Errorf("%w: credit %q was %s with another amount, customer or reason: use another id", ErrKeyReused, c.ID, what)
	}
	before := *c
	before.At = found.At
	before.move(0)
	if len(found.Transfers) > 0 {
		before.move(found.Transfers[0].Amount.Minor())
	}
	return before, nil
}

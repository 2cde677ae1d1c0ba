package coupontest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

// TB is what a shop needs of a test: *testing.T, *testing.B and others have it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Must is a TB for examples and programs: what would fail a test panics, and there is
// no end at which to audit.
type Must struct{}

// Helper does nothing.
func (Must) Helper() {}

// Fatalf panics with the message.
func (Must) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Cleanup does nothing.
func (Must) Cleanup(func()) {}

// Start is where the clock of a shop stands at first: noon in UTC on a Monday.
var Start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Clock stands still until it is moved. It is safe for concurrent use. The zero value
// stands at Start.
type Clock struct {
	mu    sync.Mutex
	moved time.Duration
}

// Now is the instant at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Start.Add(c.moved)
}

// Advance moves the clock, and gives the instant at which it stands then.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
	return Start.Add(c.moved)
}

// Shop is a coupon service over a store in memory. Its own methods fail the test where
// those of the service return an error.
type Shop struct {
	*coupon.Service
	Store *memory.Store
	Clock *Clock

	t TB
}

// NewShop opens a shop in which the offers are published. When the test ends,
// everything is audited: whatever the code under test did, the books must agree.
func NewShop(t TB, offers ...coupon.Offer) *Shop {
	t.Helper()
	return NewShopWith(t, coupon.Options{}, offers...)
}

// NewShopWith is NewShop with options.
func NewShopWith(t TB, options coupon.Options, offers ...coupon.Offer) *Shop {
	t.Helper()
	store := memory.New()
	s := &Shop{Service: coupon.New(store, options), Store: store, Clock: new(Clock), t: t}
	t.Cleanup(s.Audit)
	for _, o := range offers {
		if _, err := s.Publish(context.Background(), o, "coupontest", s.Clock.Now()); err != nil {
			t.Fatalf("offer %q: %v", o.ID, err)
		}
	}
	return s
}

// Audit fails the test when what is kept contradicts itself.
func (s *Shop) Audit() {
	s.t.Helper()
	report, err := coupon.Audit(context.Background(), s.Store)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		s.t.Fatalf("audit: %v", err)
	}
}

// Code issues a coupon of an offer that anyone may use, under a chosen code.
func (s *Shop) Code(offer, code string) coupon.Coupon {
	s.t.Helper()
	return s.issue(coupon.IssueRequest{ID: "code " + code, Offers: []coupon.IssueOffer{{Offer: offer, Code: code}}})
}

// Give issues a coupon of an offer to a customer; id makes it another than the last.
func (s *Shop) Give(id, offer, customer string) coupon.Coupon {
	s.t.Helper()
	return s.issue(coupon.IssueRequest{ID: id, Holder: customer, Offers: []coupon.IssueOffer{{Offer: offer}}})
}

func (s *Shop) issue(request coupon.IssueRequest) coupon.Coupon {
	s.t.Helper()
	made, err := s.Issue(context.Background(), request, s.Clock.Now())
	if err != nil {
		s.t.Fatalf("issue %q: %v", request.ID, err)
	}
	return made[0]
}

// Credit grants a customer store credit, as in "10.00", "EUR"; id makes it another
// grant than the last.
func (s *Shop) Credit(id, customer, amount, currency string) {
	s.t.Helper()
	_, err := s.GrantCredit(context.Background(), coupon.CreditRequest{
		ID: id, Customer: customer, Amount: ledger.MustMoney(amount, ledger.MustCurrency(currency)),
	}, s.Clock.Now())
	if err != nil {
		s.t.Fatalf("credit %q: %v", id, err)
	}
}

// Priced is the cart with what is chosen; it fails the test when any of that is
// refused.
func (s *Shop) Priced(cart coupon.Cart, choice coupon.Choice) *coupon.Quote {
	s.t.Helper()
	quote, err := s.Quote(context.Background(), cart, choice, s.Clock.Now())
	if err != nil {
		s.t.Fatalf("quote: %v", err)
	}
	for _, refused := range quote.Refused() {
		s.t.Fatalf("quote: %v", refused)
	}
	return quote
}

// Bought redeems the cart with what is chosen for an order.
func (s *Shop) Bought(order string, cart coupon.Cart, choice coupon.Choice) coupon.Redemption {
	s.t.Helper()
	redemption, err := s.Redeem(context.Background(), order, s.Priced(cart, choice.For(order)), s.Clock.Now())
	if err != nil {
		s.t.Fatalf("order %q: %v", order, err)
	}
	return redemption
}

package coupon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

var (
	ctx  = context.Background()
	noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	euro = ledger.MustCurrency("EUR")
	usd  = ledger.MustCurrency("USD")
)

func eur(amount string) ledger.Money     { return ledger.MustMoney(amount, euro) }
func euros(amount string) coupon.Amounts { return coupon.Amounts{eur(amount)} }

func amountOff(id, amount string) coupon.Offer {
	return coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: euros(amount)}}
}

// each takes an amount off every unit.
func each(id, amount string) coupon.Offer {
	return coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOffEach{Amounts: euros(amount)}}
}

// giving is an offer of a benefit.
func giving(id string, benefit coupon.Benefit) coupon.Offer {
	return coupon.Offer{ID: id, Name: id, Benefit: benefit}
}

func percentOff(id, rate string) coupon.Offer {
	return coupon.Offer{ID: id, Name: id, Benefit: coupon.PercentOff{Rate: ledger.MustRate(rate)}}
}

func limited(o coupon.Offer, limits ...coupon.Limit) coupon.Offer {
	o.Limits = limits
	return o
}

func freely(o coupon.Offer) coupon.Offer {
	o.Combine.Freely = true
	return o
}

// item is a line without an id, which cartOf gives it.
func item(price string, quantity int64) coupon.Line {
	return coupon.Line{Product: "tea", Seller: "acme", Quantity: quantity, UnitPrice: eur(price)}
}

// cartOf is jane's cart of these lines, with the ids 1, 2, ….
func cartOf(lines ...coupon.Line) coupon.Cart {
	for i := range lines {
		if lines[i].ID == "" {
			lines[i].ID = fmt.Sprint(i + 1)
		}
	}
	return coupon.Cart{Currency: euro, Customer: coupon.Customer{Key: "jane"}, Lines: lines}
}

// shop is a service over a store that is audited when the test ends.
type shop struct {
	*coupon.Service
	t      testing.TB
	store  storage.Store
	issued time.Time // when its coupons are
}

func newShop(t testing.TB, offers ...coupon.Offer) *shop {
	return newShopOn(t, memory.New(), coupon.Options{}, offers...)
}

func newShopOn(t testing.TB, store storage.Store, options coupon.Options, offers ...coupon.Offer) *shop {
	t.Helper()
	s := &shop{coupon.New(store, options), t, store, noon}
	t.Cleanup(s.audit)
	for _, o := range offers {
		_, err := s.Publish(ctx, o, "staff", noon)
		require.NoError(t, err)
	}
	return s
}

func (s *shop) audit() {
	s.t.Helper()
	report, err := coupon.Audit(ctx, s.store)
	require.NoError(s.t, err)
	require.NoError(s.t, report.Err())
}

// public issues a coupon of the offer that anyone may use, under a chosen code.
func (s *shop) public(offer, code string) coupon.Coupon {
	s.t.Helper()
	made, err := s.Issue(ctx, coupon.IssueRequest{ID: "public-" + code, Offers: []coupon.IssueOffer{{Offer: offer, Code: code}}}, s.issued)
	require.NoError(s.t, err)
	return made[0]
}

// held issues coupons of the offer to a customer.
func (s *shop) held(offer, holder string, count int) []coupon.Coupon {
	s.t.Helper()
	made, err := s.Issue(ctx, coupon.IssueRequest{
		ID: "held-" + offer + "-" + holder, Holder: holder, Offers: []coupon.IssueOffer{{Offer: offer, Count: count}},
	}, s.issued)
	require.NoError(s.t, err)
	return made
}

func (s *shop) quote(cart coupon.Cart, choice coupon.Choice, now time.Time) *coupon.Quote {
	s.t.Helper()
	q, err := s.Quote(ctx, cart, choice, now)
	require.NoError(s.t, err)
	return q
}

// applies quotes, and requires that nothing was refused.
func (s *shop) applies(cart coupon.Cart, choice coupon.Choice, now time.Time) *coupon.Quote {
	s.t.Helper()
	q := s.quote(cart, choice, now)
	require.Empty(s.t, q.Refused())
	return q
}

// refuses quotes, and gives the only refusal.
func (s *shop) refuses(cart coupon.Cart, choice coupon.Choice, now time.Time) *coupon.Refusal {
	s.t.Helper()
	q := s.quote(cart, choice, now)
	require.Len(s.t, q.Refused(), 1)
	return q.Refused()[0]
}

func (s *shop) redeem(order string, cart coupon.Cart, choice coupon.Choice, now time.Time) coupon.Redemption {
	s.t.Helper()
	r, err := s.Redeem(ctx, order, s.applies(cart, choice.For(order), now), now)
	require.NoError(s.t, err)
	return r
}

func (s *shop) counter(name string) int64 {
	s.t.Helper()
	_, values, err := s.store.Get(ctx, nil, name)
	require.NoError(s.t, err)
	return values[name]
}

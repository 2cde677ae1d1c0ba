package coupon_test

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Jane's code was on a screenshot. Staff give her another, and the old one is dead.
func ExampleService_Reissue() {
	coupons, held := exampleShop()
	made, err := coupons.Reissue(ctx, coupon.ReissueRequest{
		ID: "ticket-9", Coupon: held[0].ID, Actor: "staff/ann", Reason: "posted in a forum",
	}, noon)
	fmt.Println(made.ID, "in place of", held[0].ID, err)
	old, err := coupons.Coupon(ctx, held[0].ID)
	fmt.Println("revoked:", old.Revoked.Reason, err)
	// Output:
	// ticket-9/1 in place of reward-1/1 <nil>
	// revoked: posted in a forum <nil>
}

// Jane was ill while her coupon expired. Staff give her another week.
func ExampleService_Extend() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	offer := amountOff("week", "5.00")
	offer.Schedule.Life = 7 * 24 * time.Hour
	_, _ = coupons.Publish(ctx, offer, "staff", noon)
	held, _ := coupons.Issue(ctx, coupon.IssueRequest{ID: "week", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "week"}}}, noon)

	later := noon.AddDate(0, 0, 10)
	extended, err := coupons.Extend(ctx, held[0].ID, later.AddDate(0, 0, 7), "staff/ann", "ill", later)
	fmt.Println("until", extended.Expires.Format(time.DateOnly), err)
	quote, _ := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), later)
	fmt.Println("she pays", quote.Total)
	// Output:
	// until 2026-12-07 <nil>
	// she pays 15.00 EUR
}

func staffShop(t *testing.T) (*shop, []coupon.Coupon) {
	s := newShop(t, changed(limited(freely(amountOff("a", "2.00")), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}), func(o *coupon.Offer) {
		o.Schedule.Life = 10 * 24 * time.Hour
	}))
	return s, s.held("a", "jane", 3)
}

func reissue(id string) coupon.ReissueRequest {
	return coupon.ReissueRequest{ID: "new-" + id, Coupon: id, Actor: "ann", Reason: "lost"}
}

func TestReissue(t *testing.T) {
	s, held := staffShop(t)
	s.redeem("order", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon)
	later := noon.Add(48 * time.Hour)
	made, err := s.Reissue(ctx, reissue(held[0].ID), later)
	require.NoError(t, err)
	assert.Equal(t, []any{1, held[0].Expires, later, "jane"}, []any{made.Uses, made.Expires, made.Issued, made.Holder})
	assert.NotEqual(t, held[0].Code, made.Code)
	again, err := s.Reissue(ctx, reissue(held[0].ID), later.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, made, again)
	assert.Equal(t, coupon.ReasonRevoked, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), later).Reason)
	s.redeem("other", cartOf(item("20.00", 1)), coupon.Choose(string(made.Code)), later)
	assert.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), later).Reason)

	entry, _, err := ledger.New(s.store, ledger.Options{}).Entry(ctx, "reissued/"+held[0].ID)
	require.NoError(t, err)
	assert.Equal(t, []any{"reissued", "ann", "lost", made.ID, "jane"}, []any{entry.Kind, entry.Actor, entry.Details["reason"], entry.Details["coupon"], entry.Subject})
	old, err := s.Coupon(ctx, held[0].ID)
	require.NoError(t, err)
	assert.Equal(t, coupon.Revocation{Actor: "ann", Reason: "lost", At: later, Reissued: made.ID}, *old.Revoked)
}

func TestReissueRefuses(t *testing.T) {
	s, held := staffShop(t)
	public := s.public("a", "CODE")
	require.Equal(t, []string{"id", "coupon", "actor", "reason"}, paths(t, second(s.Reissue(ctx, coupon.ReissueRequest{}, noon))))
	require.ErrorIs(t, second(s.Reissue(ctx, reissue("none"), noon)), coupon.ErrNoCoupon)
	require.Equal(t, []string{"coupon"}, paths(t, second(s.Reissue(ctx, reissue(public.ID), noon))))
	reason := func(id string, at time.Time) coupon.Reason {
		t.Helper()
		var refused *coupon.Refusal
		require.ErrorAs(t, second(s.Reissue(ctx, reissue(id), at)), &refused)
		return refused.Reason
	}
	require.Equal(t, coupon.ReasonExpired, reason(held[0].ID, noon.AddDate(0, 1, 0)))
	require.Equal(t, coupon.ReasonExpired, reason(held[0].ID, held[0].Expires), "just when it expires")
	s.redeem("1", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon)
	s.redeem("2", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon)
	require.Equal(t, coupon.ReasonUsed, reason(held[0].ID, noon))
	require.NoError(t, s.Pause(ctx, "a", "ann", "error", noon))
	require.Equal(t, coupon.ReasonPaused, reason(held[1].ID, noon))
	require.NoError(t, s.Resume(ctx, "a", "ann", "mended", noon))

	// A revoked coupon can be replaced, and only once, and an id means one thing.
	require.NoError(t, ignore(s.Revoke(ctx, held[1].ID, "bob", "stolen", noon)))
	made, err := s.Reissue(ctx, reissue(held[1].ID), noon)
	require.NoError(t, err)
	other := reissue(held[1].ID)
	other.ID = "other"
	require.ErrorIs(t, second(s.Reissue(ctx, other, noon)), coupon.ErrState)
	other.ID, other.Coupon = "new-"+held[1].ID, held[2].ID
	require.ErrorIs(t, second(s.Reissue(ctx, other, noon)), coupon.ErrKeyReused)
	require.ErrorIs(t, second(s.Reissue(ctx, coupon.ReissueRequest{ID: "held-a-jane", Coupon: made.ID, Actor: "ann", Reason: "x"}, noon)), coupon.ErrKeyReused)
	long := reissue(held[2].ID)
	long.ID, long.Reason = strings.Repeat("x", 80), strings.Repeat("x", 500)
	require.NoError(t, ignore(s.Reissue(ctx, long, noon)), "as long as may be")
	old, err := s.Coupon(ctx, held[1].ID)
	require.NoError(t, err)
	require.Equal(t, []string{"bob", made.ID}, []string{old.Revoked.Actor, old.Revoked.Reissued})
}

// What an order has reserved on the old coupon stays with it.
func TestReissueBesideAReservation(t *testing.T) {
	s, held := staffShop(t)
	s.reserveAt("order", coupon.ChooseCoupons(held[0].ID), noon)
	made, err := s.Reissue(ctx, reissue(held[0].ID), noon)
	require.NoError(t, err)
	require.Equal(t, 1, made.Uses)
	s.must(s.Confirm(ctx, "order", noon))
	s.redeem("other", cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), noon)
}

// A use that an order gives back after its coupon was replaced can be used with what
// replaces it, and is not lost.
func TestUsesComeBackToReissued(t *testing.T) {
	everything := coupon.RefundRequest{ID: "all", Everything: true}
	for name, c := range map[string]struct {
		restore coupon.Restore
		back    func(s *shop) error
		uses    int
	}{
		"released":           {coupon.RestoreWhenNothingKept, func(s *shop) error { return ignore(s.Release(ctx, "order", noon)) }, 2},
		"lapsed":             {coupon.RestoreNever, func(s *shop) error { return ignore(s.Sweep(ctx, noon.Add(24*time.Hour), 0)) }, 2},
		"returned":           {coupon.RestoreWhenNothingKept, func(s *shop) error { return s.confirmAndRefund(everything, noon) }, 2},
		"never":              {coupon.RestoreNever, func(s *shop) error { return s.confirmAndRefund(everything, noon) }, 1},
		"before expiry":      {coupon.RestoreBeforeExpiry, func(s *shop) error { return s.confirmAndRefund(everything, noon.AddDate(0, 0, 9)) }, 2},
		"after expiry":       {coupon.RestoreBeforeExpiry, func(s *shop) error { return s.confirmAndRefund(everything, noon.AddDate(0, 0, 40)) }, 1},
		"as it was extended": {coupon.RestoreBeforeExpiry, func(s *shop) error { return s.confirmAndRefund(everything, noon.AddDate(0, 0, 20)) }, 2},
		"confirmed in vain":  {coupon.RestoreWhenNothingKept, func(s *shop) error { return s.releaseAndConfirm() }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, changed(limited(amountOff("a", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}), func(o *coupon.Offer) {
				o.Schedule.Life, o.Restore = 10*24*time.Hour, c.restore
			}))
			held := s.held("a", "jane", 1)[0]
			s.reserveAt("order", coupon.ChooseCoupons(held.ID), noon)
			between, err := s.Reissue(ctx, reissue(held.ID), noon)
			require.NoError(t, err)
			made, err := s.Reissue(ctx, reissue(between.ID), noon)
			require.NoError(t, err)
			require.NoError(t, ignore(s.Extend(ctx, made.ID, noon.AddDate(0, 0, 30), "ann", "ill", noon)))
			require.NoError(t, c.back(s))
			now, err := s.Coupon(ctx, made.ID)
			require.NoError(t, err)
			require.Equal(t, []int{c.uses, 0}, []int{now.Uses, len(now.Used)})
			for i := range c.uses {
				s.redeem(fmt.Sprint(i), cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), noon)
			}
			require.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), noon).Reason)
			s.audit()
		})
	}
}

// A use of a reservation that has lapsed goes to what replaces the coupon once, whether a
// sweep has seen the reservation before or not.
func TestReissueAfterAReservationLapsed(t *testing.T) {
	s := newShop(t, changed(limited(amountOff("a", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1}), func(o *coupon.Offer) {
		o.Restore = coupon.RestoreWhenNothingKept
	}))
	held := s.held("a", "jane", 1)[0]
	s.reserveAt("order", coupon.ChooseCoupons(held.ID), noon)
	later := noon.Add(24 * time.Hour)
	made, err := s.Reissue(ctx, reissue(held.ID), later)
	require.NoError(t, err)
	require.NoError(t, ignore(s.Sweep(ctx, later, 0)))
	require.ErrorIs(t, second(s.Confirm(ctx, "order", later)), coupon.ErrLapsed)
	now, err := s.Coupon(ctx, made.ID)
	require.NoError(t, err)
	require.Equal(t, 1, now.Uses)
	s.redeem("other", cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), later)
	require.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), later).Reason)
	s.audit()
}

// confirmAndRefund confirms an order and refunds it at an instant.
func (s *shop) confirmAndRefund(request coupon.RefundRequest, at time.Time) error {
	s.must(s.Confirm(ctx, "order", noon))
	return ignore(s.Refund(ctx, "order", request, at))
}

// releaseAndConfirm confirms an order too late: its coupon was replaced.
func (s *shop) releaseAndConfirm() error {
	s.must(s.Release(ctx, "order", noon))
	require.ErrorIs(s.t, second(s.Confirm(ctx, "order", noon)), coupon.ErrLapsed)
	return nil
}

func TestExtend(t *testing.T) {
	s, held := staffShop(t)
	until := noon.AddDate(0, 1, 0)
	extended, err := s.Extend(ctx, held[0].ID, until, "ann", "ill", noon)
	require.NoError(t, err)
	require.Equal(t, until, extended.Expires)
	before := dump(t, s.store)
	again, err := s.Extend(ctx, held[0].ID, until, "bob", "again", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, extended, again)
	requireSame(t, before, dump(t, s.store))
	for name, err := range map[string]error{
		"to now":   second(s.Extend(ctx, held[1].ID, noon.AddDate(0, 0, 30), "ann", "ill", noon.AddDate(0, 0, 30))),
		"earlier":  second(s.Extend(ctx, held[0].ID, until.Add(-1*time.Hour), "ann", "ill", noon)),
		"past":     second(s.Extend(ctx, held[1].ID, noon.AddDate(0, 0, 20), "ann", "ill", noon.AddDate(0, 0, 30))),
		"no staff": second(s.Extend(ctx, held[0].ID, until.Add(time.Hour), "", "ill", noon)),
	} {
		require.ErrorIs(t, err, coupon.ErrRequest, name)
	}
	require.ErrorIs(t, second(s.Extend(ctx, "none", until, "ann", "ill", noon)), coupon.ErrNoCoupon)
	require.NoError(t, ignore(s.Revoke(ctx, held[2].ID, "bob", "stolen", noon)))
	require.ErrorIs(t, second(s.Extend(ctx, held[2].ID, until, "ann", "ill", noon)), coupon.ErrRefused)
	wallet, err := s.Wallet(ctx, "jane", coupon.WalletQuery{}, noon.AddDate(0, 0, 20))
	require.NoError(t, err)
	require.Len(t, wallet.Coupons, 1)
	s.redeem("order", cartOf(item("20.00", 1)), coupon.ChooseCoupons(held[0].ID), noon.AddDate(0, 0, 20))
	never := newShop(t, amountOff("a", "1.00"))
	require.ErrorIs(t, second(never.Extend(ctx, never.held("a", "jane", 1)[0].ID, until, "ann", "ill", noon)), coupon.ErrRequest)
}

// Pausing and resuming say who did it and why, each an entry of its own.
func TestStaffOfPauses(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	require.NoError(t, s.Pause(ctx, "a", "ann", "too many", noon))
	require.NoError(t, s.Resume(ctx, "a", "bob", "mended", noon))
	require.Equal(t, []string{"actor", "reason"}, paths(t, s.Pause(ctx, "a", "\x00", "\x00", noon)))
	book := ledger.New(s.store, ledger.Options{})
	for id, want := range map[string][]string{"paused/a/1": {"ann", "too many"}, "resumed/a/2": {"bob", "mended"}} {
		entry, exists, err := book.Entry(ctx, id)
		require.NoError(t, err)
		require.True(t, exists, id)
		require.Equal(t, want, []string{entry.Actor, entry.Details["reason"]})
	}
}

// reissueRace replaces each of 20 coupons by 8 requests at once.
func reissueRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := coupon.New(store, coupon.Options{Random: rand.New(rand.NewSource(1))})
	require.NoError(t, ignore(s.Publish(ctx, amountOff("a", "5.00"), "staff", noon)))
	var calls []func() error
	for _, c := range issued(t, s, coupon.IssueRequest{ID: "a", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "a", Count: 20}}}) {
		for i := range 8 {
			calls = append(calls, func() error {
				return ignore(coupon.New(store, coupon.Options{}).Reissue(ctx, coupon.ReissueRequest{ID: fmt.Sprint(c.ID, "-", i), Coupon: c.ID, Actor: "ann", Reason: "lost"}, noon))
			})
		}
	}
	return eachOn(t, store, 8, calls), 20
}

// Whatever staff do names who does it and why; all that is missing is said at once, beside
// what else is wrong, and nothing is written.
func TestStaffVerbsSayWhoAndWhy(t *testing.T) {
	s, held := staffShop(t)
	before := dump(t, s.store)
	both, who := []string{"actor", "reason"}, []string{"actor"}
	for name, c := range map[string]struct {
		err   error
		paths []string
		kind  error
	}{
		"pause":    {s.Pause(ctx, "a", "", "", noon), both, coupon.ErrRequest},
		"resume":   {s.Resume(ctx, "a", "", "", noon), both, coupon.ErrRequest},
		"revoke":   {second(s.Revoke(ctx, held[0].ID, "", "", noon)), both, coupon.ErrRequest},
		"extend":   {second(s.Extend(ctx, held[0].ID, noon.AddDate(1, 0, 0), "", "", noon)), both, coupon.ErrRequest},
		"reissue":  {second(s.Reissue(ctx, coupon.ReissueRequest{ID: "r", Coupon: held[0].ID}, noon)), both, coupon.ErrRequest},
		"override": {second(s.Override(ctx, coupon.OverrideRequest{ID: "o", Offer: "a", Customer: "jane"}, noon)), both, coupon.ErrRequest},
		"load":     {second(s.LoadStock(ctx, coupon.StockRequest{ID: "l", Offer: "a", Codes: []string{"PRINTED"}}, noon)), both, coupon.ErrRequest},
		"withdraw": {second(s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "l"}, noon)), both, coupon.ErrRequest},
		"goodwill": {second(s.RefundAmount(ctx, "order", coupon.AmountRequest{ID: "g", Amount: eur("1.00")}, noon)), both, coupon.ErrRequest},
		"grant":    {second(s.GrantCredit(ctx, coupon.CreditRequest{ID: "c", Customer: "jane", Amount: eur("1.00"), Actor: "ann"}, noon)), []string{"reason"}, coupon.ErrRequest},
		"take":     {second(s.TakeCredit(ctx, coupon.CreditRequest{ID: "c", Customer: "jane", Amount: eur("1.00"), Actor: "ann"}, noon)), []string{"reason"}, coupon.ErrRequest},
		"import":   {second(s.Import(ctx, coupon.ImportRequest{ID: "i", Uses: []coupon.OpeningUse{{Order: "old", Offer: "a", Amount: eur("1.00"), At: noon}}}, noon)), who, coupon.ErrRequest},
		"publish":  {second(s.Publish(ctx, amountOff("b", "1.00"), "", noon)), who, coupon.ErrRequest},
		"exclude":  {s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme"}, "", noon), who, coupon.ErrRequest},
		"include":  {s.Include(ctx, "acme", "x", "", noon), who, coupon.ErrRequest},

		"pause nothing, at no time":   {s.Pause(ctx, "", "ann\n", strings.Repeat("x", 501), time.Time{}), []string{"offer", "actor", "reason", "now"}, coupon.ErrRequest},
		"publish what is none":        {second(s.Publish(ctx, coupon.Offer{ID: "b"}, "", time.Time{})), []string{"actor", "now", "name", "benefit"}, coupon.ErrOffer},
		"exclude nobody":              {s.Exclude(ctx, coupon.Exclusion{ID: "x"}, "", noon), []string{"actor", "seller"}, coupon.ErrExclusion},
		"include nothing of nobody's": {s.Include(ctx, "", "", "", noon), []string{"seller", "id", "actor"}, coupon.ErrRequest},
	} {
		require.ErrorIs(t, c.err, c.kind, name)
		require.Equal(t, c.paths, paths(t, c.err), name)
	}
	requireSame(t, before, dump(t, s.store))
	require.NoError(t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: "c", Customer: "jane", Amount: eur("1.00")}, noon)), "a program is no member of staff")
}

package coupon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func points(t require.TestingT, n int64) ledger.Money {
	unit, err := ledger.Unit("PTS", 0)
	require.NoError(t, err)
	return ledger.Minor(n, unit)
}

// Credit is money or points that a customer has. Staff grant it with a reason, and
// take back what is there.
func ExampleService_GrantCredit() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, err := coupons.GrantCredit(ctx, coupon.CreditRequest{
		ID: "ticket-81", Customer: "jane", Amount: eur("20.00"), Actor: "staff/ann", Reason: "parcel lost",
	}, noon)
	if err != nil {
		fmt.Println(err)
	}
	taken, err := coupons.TakeCredit(ctx, coupon.CreditRequest{
		ID: "ticket-81", Customer: "jane", Amount: eur("25.00"), Actor: "staff/ann", Reason: "parcel found",
	}, noon.Add(time.Hour))
	fmt.Println(taken.Moved, "taken,", taken.Owed, "still owed", err)
	left, err := coupons.Credit(ctx, "jane", euro)
	fmt.Println(left, "left", err)
	// Output:
	// 20.00 EUR taken, 5.00 EUR still owed <nil>
	// 0.00 EUR left <nil>
}

func (s *shop) grant(customer string, amount ledger.Money) {
	s.t.Helper()
	require.NoError(s.t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: "grant-" + customer + amount.String(), Customer: customer, Amount: amount}, noon)))
}

func (s *shop) credit(customer string, currency ledger.Currency) ledger.Money {
	s.t.Helper()
	has, err := s.Credit(ctx, customer, currency)
	require.NoError(s.t, err)
	return has
}

func TestCreditFaults(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		request coupon.CreditRequest
		paths   []string
	}{
		{coupon.CreditRequest{}, []string{"id", "customer", "amount"}},
		{coupon.CreditRequest{ID: "a", Customer: "jane", Amount: eur("-1.00")}, []string{"amount"}},
		{coupon.CreditRequest{ID: "a", Customer: "jane", Amount: ledger.Minor(coupon.MaxTotal, euro)}, []string{"amount"}},
		{coupon.CreditRequest{ID: "a", Customer: "jane", Amount: eur("1.00"), Funds: "credit/jim"}, []string{"funds"}},
		{coupon.CreditRequest{ID: "a", Customer: "jane", Amount: eur("1.00"), Funds: "held/credit/jim"}, []string{"funds"}},
		{coupon.CreditRequest{ID: "a\x00", Customer: "jane", Amount: eur("1.00"), Actor: "\n", Reason: strings.Repeat("x", 501), Concerns: "\r"}, []string{"id", "actor", "reason", "concerns"}},
	} {
		for _, ask := range []func() error{
			func() error { return ignore(s.GrantCredit(ctx, c.request, noon)) },
			func() error { return ignore(s.TakeCredit(ctx, c.request, noon)) },
		} {
			require.Equal(t, c.paths, paths(t, ask()))
		}
	}
	require.ErrorIs(t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: "a", Customer: "jane", Amount: eur("1.00"), Funds: "a//b"}, noon)), ledger.ErrInvalid)
	require.ErrorIs(t, ignore(s.Credit(ctx, "", ledger.Currency{})), coupon.ErrRequest)
}

func TestCreditAccounts(t *testing.T) {
	require.Equal(t, ledger.Account("credit/jane"), coupon.CreditAccount("jane"))
	require.NotContains(t, strings.TrimPrefix(string(coupon.CreditAccount("a/b")), "credit/"), "/")
	require.Equal(t, []ledger.Floor{{Prefix: "credit/"}}, coupon.Floors())
	s := newShop(t)
	s.grant("a/b", eur("5.00"))
	s.grant("a/b", points(t, 700))
	require.Equal(t, eur("5.00"), s.credit("a/b", euro))
	require.Equal(t, points(t, 700), s.credit("a/b", points(t, 0).Currency()))
	require.Equal(t, eur("0.00"), s.credit("a", euro))
	book := ledger.New(s.store, ledger.Options{Floors: coupon.Floors()})
	_, err := book.Post(ctx, ledger.Entry{ID: "theft", Kind: "theft", At: noon, Transfers: []ledger.Transfer{{From: coupon.CreditAccount("a/b"), To: "elsewhere", Amount: eur("5.01")}}})
	require.ErrorIs(t, err, ledger.ErrInsufficient)
}

// What is asked twice happens once, and what is granted comes from where it is said
// to.
func TestCreditIsFundedAndTakenOnce(t *testing.T) {
	s := newShop(t)
	request := coupon.CreditRequest{ID: "r", Customer: "jane", Amount: eur("8.00"), Funds: coupon.SellerAccount("acme"), Actor: "ann", Reason: "late", Concerns: "order 1"}
	first, err := s.GrantCredit(ctx, request, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.CreditChange{CreditRequest: request, At: noon, Moved: eur("8.00"), Owed: eur("0.00")}, first)
	taken, err := s.TakeCredit(ctx, request, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, eur("8.00"), taken.Moved)
	for range 2 {
		again, err := s.GrantCredit(ctx, request, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, first, again)
		takenAgain, err := s.TakeCredit(ctx, request, noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.Equal(t, taken, takenAgain)
	}
	require.Zero(t, paid(t, s.store, coupon.SellerAccount("acme")))
	require.Equal(t, eur("0.00"), s.credit("jane", euro))
	for _, change := range []func(*coupon.CreditRequest){
		func(r *coupon.CreditRequest) { r.Amount = eur("8.01") }, func(r *coupon.CreditRequest) { r.Customer = "jim" },
		func(r *coupon.CreditRequest) { r.Funds = "" }, func(r *coupon.CreditRequest) { r.Reason = "early" },
		func(r *coupon.CreditRequest) { r.Actor = "" }, func(r *coupon.CreditRequest) { r.Concerns = "" },
	} {
		other := request
		change(&other)
		require.ErrorIs(t, ignore(s.GrantCredit(ctx, other, noon)), coupon.ErrKeyReused)
		require.ErrorIs(t, ignore(s.TakeCredit(ctx, other, noon)), coupon.ErrKeyReused)
	}
	entry, exists, err := ledger.New(s.store, ledger.Options{}).Entry(ctx, "credit/granted/r")
	require.NoError(t, err)
	require.True(t, exists)
	require.Equal(t, "ann", entry.Actor)
	require.Equal(t, "late", entry.Details["reason"])
}

// Grants join into one batch with each other and with takings.
func TestJoinedCredit(t *testing.T) {
	s := newShop(t)
	s.grant("jane", eur("3.00"))
	first, err := s.PlanGrantCredit(ctx, coupon.CreditRequest{ID: "1", Customer: "jane", Amount: eur("5.00")}, noon)
	require.NoError(t, err)
	second, err := s.PlanGrantCredit(ctx, coupon.CreditRequest{ID: "2", Customer: "jane", Amount: eur("2.00")}, noon)
	require.NoError(t, err)
	taking, err := s.PlanTakeCredit(ctx, coupon.CreditRequest{ID: "3", Customer: "jane", Amount: eur("4.00")}, noon)
	require.NoError(t, err)
	require.Equal(t, eur("1.00"), taking.Answer.Owed)
	batch, err := storage.Join(first.Batch, second.Batch, taking.Batch)
	require.NoError(t, err)
	require.NoError(t, s.store.Apply(ctx, batch))
	require.Equal(t, eur("7.00"), s.credit("jane", euro))
}

// Whatever is granted and taken, in whatever order: a customer has what was granted
// less what was taken, never less than nothing, and what was taken and is owed sum to
// what was asked for.
func TestCreditAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := coupon.New(memory.New(), coupon.Options{})
		has := int64(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
			request := coupon.CreditRequest{ID: fmt.Sprint(i), Customer: "jane", Amount: points(t, rapid.Int64Range(1, 50).Draw(t, "points"))}
			call, sign := s.GrantCredit, int64(1)
			if rapid.Bool().Draw(t, "take") {
				call, sign = s.TakeCredit, -1
			}
			change, err := call(ctx, request, noon)
			require.NoError(t, err)
			require.Equal(t, request.Amount.Minor(), change.Moved.Minor()+change.Owed.Minor())
			if sign < 0 {
				require.Equal(t, min(has, request.Amount.Minor()), change.Moved.Minor())
			}
			has += sign * change.Moved.Minor()
			left, err := s.Credit(ctx, "jane", request.Amount.Currency())
			require.NoError(t, err)
			require.Equal(t, has, left.Minor())
		}
	})
}

// takingRace takes 40 times 4.00 from 100.00.
func takingRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store)
	require.NoError(t, ignore(s.GrantCredit(ctx, coupon.CreditRequest{ID: "g", Customer: "jane", Amount: eur("100.00")}, noon)))
	var calls []func() error
	taken := make([]int64, 40)
	for i := range taken {
		calls = append(calls, func() error {
			change, err := s.TakeCredit(ctx, coupon.CreditRequest{ID: fmt.Sprint(i), Customer: "jane", Amount: eur("4.00")}, noon)
			if err == nil {
				taken[i] = change.Moved.Minor()
			}
			return err
		})
	}
	assert.Equal(t, 40, eachOf(t, 8, calls))
	var sum int64
	for _, n := range taken {
		sum += n
	}
	return int(sum), 10_000
}

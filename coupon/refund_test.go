package coupon_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// sold is a shop with an order of two lines and a delivery: 10.00 off 40.00.
func sold(t *testing.T, change func(*coupon.Offer)) *shop {
	s := newShop(t, changed(limited(amountOff("a", "10.00"), coupon.Limit{Uses: 5}), change))
	held := s.held("a", "jane", 1)
	cart := cartOf(item("10.00", 3), item("10.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("2.90")}}
	s.redeem("order", cart, coupon.ChooseCoupons(held[0].ID), noon)
	return s
}

func asIs(*coupon.Offer) {}

func units(line string, n int64) []coupon.Returned { return []coupon.Returned{{Line: line, Units: n}} }

// A refund gives back what it returns of money, and no use while something is kept.
func TestRefundGivesBackMoneyAlone(t *testing.T) {
	s := newShop(t, automatic(limited(percentOff("a", "10"), coupon.Limit{Uses: 5}, coupon.Limit{Money: euros("50.00")}, coupon.Limit{Money: euros("60.00"), Period: ledger.Month})))
	s.redeem("order", cartOf(item("10.00", 3)), coupon.Choice{}, noon)
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: units("1", 1)}, noon)))
	require.Equal(t, []int64{1, 200, 200}, []int64{s.counter("uses/a"), s.counter("money/EUR/a"), s.counter("money/EUR/a/2026-11")})
}

func TestRefundFaults(t *testing.T) {
	for name, c := range map[string]struct {
		request coupon.RefundRequest
		want    []string
	}{
		"nothing":              {coupon.RefundRequest{ID: "r"}, []string{"lines"}},
		"everything and more":  {coupon.RefundRequest{ID: "r", Everything: true, Lines: units("1", 1)}, []string{"everything"}},
		"no such line":         {coupon.RefundRequest{ID: "r", Lines: units("3", 1)}, []string{"lines[0].line"}},
		"no units":             {coupon.RefundRequest{ID: "r", Lines: units("1", 0)}, []string{"lines[0].units"}},
		"units below nothing":  {coupon.RefundRequest{ID: "r", Lines: units("1", -1)}, []string{"lines[0].units"}},
		"too many units":       {coupon.RefundRequest{ID: "r", Lines: units("1", 4)}, []string{"lines[0].units"}},
		"too many in two":      {coupon.RefundRequest{ID: "r", Lines: append(units("1", 2), units("1", 2)...)}, []string{"lines[1].units"}},
		"no such delivery":     {coupon.RefundRequest{ID: "r", Shipping: []string{"none"}}, []string{"shipping[0]"}},
		"a delivery twice":     {coupon.RefundRequest{ID: "r", Shipping: []string{"parcel", "parcel"}}, []string{"shipping[1]"}},
		"a hostile id":         {coupon.RefundRequest{ID: "\x00", Everything: true}, []string{"id"}},
		"several at once":      {coupon.RefundRequest{ID: "r", Lines: append(units("1", 9), units("x", 1)...), Shipping: []string{"y"}}, []string{"lines[0].units", "lines[1].line", "shipping[0]"}},
		"a long name of lines": {coupon.RefundRequest{ID: "r", Lines: units(strings.Repeat("x", 10_000), 1)}, []string{"lines[0].line"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sold(t, asIs)
			before := dump(t, s.store)
			_, err := s.Refund(ctx, "order", c.request, noon)
			require.ErrorIs(t, err, coupon.ErrRequest)
			assert.Equal(t, c.want, paths(t, err))
			assert.Less(t, len(err.Error()), 1000)
			requireSame(t, before, dump(t, s.store))
		})
	}
}

func TestRefunds(t *testing.T) {
	s := sold(t, asIs)
	give := func(request coupon.RefundRequest) coupon.Refund {
		t.Helper()
		refund, err := s.Refund(ctx, "order", request, noon)
		require.NoError(t, err)
		return refund
	}
	first := give(coupon.RefundRequest{ID: "1", Lines: append(units("1", 1), units("1", 1)...)})
	assert.Equal(t, coupon.Refund{
		ID: "1", At: noon, Amount: eur("15.00"), Discount: eur("5.00"), ClawedBack: eur("0.00"), Goodwill: eur("0.00"), Other: eur("15.00"),
		Lines: []coupon.RefundedLine{{"1", 1, eur("7.50")}, {"1", 1, eur("7.50")}},
	}, first)
	assert.Equal(t, eur("2.90"), give(coupon.RefundRequest{ID: "2", Shipping: []string{"parcel"}}).Amount)
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	assert.Equal(t, []any{coupon.StatePartlyRefunded, eur("17.90"), int64(2), true}, []any{r.State, r.Refunded, r.Lines[0].Returned, r.Shipping[0].Returned})

	last := give(coupon.RefundRequest{ID: "3", Everything: true})
	assert.Equal(t, eur("15.00"), last.Amount)
	assert.True(t, last.Restored)
	require.ErrorIs(t, second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "4", Everything: true}, noon)), coupon.ErrState)
	require.Equal(t, first, give(coupon.RefundRequest{ID: "1", Lines: append(units("1", 1), units("1", 1)...), Shipping: []string{}}))
	require.ErrorIs(t, second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "1", Lines: units("1", 1)}, noon)), coupon.ErrKeyReused)
}

// Goods are back and the use is given back; the price of the delivery may follow.
// The same return asked for again is the same in whatever order it names what comes back.
func TestRefundIsAskedForInAnyOrder(t *testing.T) {
	s := newShop(t, automatic(percentOff("a", "10")))
	cart := cartOf(item("10.00", 2), product("cup", "5.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "b", Price: eur("1.00")}, {ID: "a", Price: eur("2.00")}}
	s.redeem("order", cart, coupon.Choice{}, noon)
	made, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: append(units("2", 1), units("1", 1)...), Shipping: []string{"b", "a"}}, noon)
	require.NoError(t, err)
	before := dump(t, s.store)
	again, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: append(units("1", 1), units("2", 1)...), Shipping: []string{"a", "b"}}, noon)
	require.NoError(t, err)
	require.Equal(t, made, again)
	requireSame(t, before, dump(t, s.store))
	require.ErrorIs(t, second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: append(units("1", 2), units("2", 1)...), Shipping: []string{"a", "b"}}, noon)), coupon.ErrKeyReused)
}

func TestShippingIsRefundedLast(t *testing.T) {
	s := sold(t, asIs)
	goods, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "goods", Lines: append(units("1", 3), units("2", 1)...)}, noon)
	require.NoError(t, err)
	assert.True(t, goods.Restored)
	assert.Zero(t, s.counter("uses/a"))
	s.redeem("another", cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1"), noon)
	rest, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, noon)
	require.NoError(t, err)
	assert.Equal(t, []any{eur("2.90"), false}, []any{rest.Amount, rest.Restored})
	assert.Equal(t, int64(1), s.counter("uses/a"), "given back once")
}

func TestUsesThatAreNeverRestored(t *testing.T) {
	s := sold(t, func(o *coupon.Offer) { o.Restore = coupon.RestoreNever })
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	assert.False(t, refund.Restored)
	assert.Equal(t, int64(1), s.counter("uses/a"))
	assert.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-a-jane/1"), noon).Reason)
}

// Each policy of giving the use back, for what a shopper may do with the order.
func TestRestore(t *testing.T) {
	goods := coupon.RefundRequest{ID: "goods", Lines: append(units("1", 3), units("2", 1)...)}
	cancel := []coupon.RefundRequest{{ID: "all", Everything: true}}
	inTwo := []coupon.RefundRequest{{ID: "one", Lines: units("1", 1)}, {ID: "rest", Everything: true}}
	soon, late := noon.Add(time.Hour), noon.Add(72*time.Hour)
	for name, c := range map[string]struct {
		restore  coupon.Restore
		requests []coupon.RefundRequest
		at       time.Time
		want     bool
	}{
		"nothing kept, cancelled":       {coupon.RestoreWhenNothingKept, cancel, late, true},
		"nothing kept, returned":        {coupon.RestoreWhenNothingKept, inTwo, late, true},
		"never, cancelled":              {coupon.RestoreNever, cancel, soon, false},
		"cancelled, cancelled":          {coupon.RestoreWhenCancelled, cancel, late, true},
		"cancelled, goods returned":     {coupon.RestoreWhenCancelled, []coupon.RefundRequest{goods}, soon, false},
		"cancelled, returned in two":    {coupon.RestoreWhenCancelled, inTwo, soon, false},
		"before expiry, cancelled":      {coupon.RestoreBeforeExpiry, cancel, soon, true},
		"before expiry, returned":       {coupon.RestoreBeforeExpiry, inTwo, soon, true},
		"before expiry, some returned":  {coupon.RestoreBeforeExpiry, inTwo[:1], soon, false},
		"before expiry, as it expires":  {coupon.RestoreBeforeExpiry, cancel, noon.Add(48 * time.Hour), false},
		"before expiry, returned later": {coupon.RestoreBeforeExpiry, inTwo, late, false},
	} {
		ends := func(o *coupon.Offer) {
			o.Restore, o.Schedule = c.restore, coupon.Schedule{Interval: coupon.Interval{Until: noon.Add(48 * time.Hour)}}
		}
		for kind, choice := range map[string]func(*testing.T) (*shop, coupon.Choice){
			"held": func(t *testing.T) (*shop, coupon.Choice) {
				s := newShop(t, changed(limited(amountOff("a", "10.00"), coupon.Limit{Uses: 5}), ends))
				return s, coupon.ChooseCoupons(s.held("a", "jane", 1)[0].ID)
			},
			"public": func(t *testing.T) (*shop, coupon.Choice) {
				s := newShop(t, changed(limited(amountOff("a", "10.00"), coupon.Limit{Uses: 5}), ends))
				return s, coupon.Choose(string(s.public("a", "CODE").Code))
			},
			"automatic": func(t *testing.T) (*shop, coupon.Choice) {
				return newShop(t, automatic(changed(limited(amountOff("a", "10.00"), coupon.Limit{Uses: 5}), ends))), coupon.Choice{}
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s, choice := choice(t)
				cart := cartOf(item("10.00", 3), item("10.00", 1))
				cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("2.90")}}
				require.Len(t, s.redeem("order", cart, choice, noon).Applied, 1)
				var restored bool
				for _, request := range c.requests {
					refund, err := s.Refund(ctx, "order", request, c.at)
					require.NoError(t, err)
					restored = restored || refund.Restored
				}
				assert.Equal(t, c.want, restored)
				assert.Equal(t, c.want, s.counter("uses/a") == 0)
			})
		}
	}
}

// The terms say of each policy what it does, each something else.
func TestTermsOfRestoring(t *testing.T) {
	for _, tag := range []language.Tag{language.English, language.French} {
		var said []string
		for restore := coupon.RestoreWhenNothingKept; restore <= coupon.RestoreBeforeExpiry; restore++ {
			terms, err := coupon.FinePrint(changed(amountOff("a", "1.00"), func(o *coupon.Offer) { o.Restore = restore }), tag, coupon.FinePrintOptions{})
			require.NoError(t, err)
			i := slices.IndexFunc(terms, func(term coupon.Term) bool { return term.Rule == "restore" })
			require.GreaterOrEqual(t, i, 0)
			require.NotContains(t, said, terms[i].Sentence)
			said = append(said, terms[i].Sentence)
		}
	}
}

func TestOnlyWhatIsPaidIsRefunded(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	s.public("a", "CODE")
	s.reserveAt("order", coupon.Choose("CODE"), noon)
	everything := coupon.RefundRequest{ID: "r", Everything: true}
	require.ErrorIs(t, second(s.Refund(ctx, "order", everything, noon)), coupon.ErrState)
	require.NoError(t, ignore(s.Release(ctx, "order", noon)))
	require.ErrorIs(t, second(s.Refund(ctx, "order", everything, noon)), coupon.ErrState)
}

// An order without any offer can be returned like any other.
func TestRefundWithoutOffers(t *testing.T) {
	s := newShop(t)
	s.redeem("order", cartOf(item("0.00", 2), item("3.00", 1)), coupon.Choice{}, noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	assert.Equal(t, []any{eur("3.00"), eur("0.00"), false}, []any{refund.Amount, refund.Discount, refund.Restored})
	page, err := s.store.List(ctx, storage.Query{Kind: "entry"})
	require.NoError(t, err)
	assert.Empty(t, page.Docs, "nothing was booked, so nothing is booked back")
}

// Ids that a shop chooses never make the records of two orders one.
func TestEntriesDoNotCollide(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	s.public("a", "CODE")
	orders := []string{"a", "a/refunded", "a/refunded/1", "a/refunded/1/redeemed", "a/b", "x#part2", "redeemed", strings.Repeat("é", 50)}
	for _, order := range orders {
		s.redeem(order, cartOf(item("20.00", 2)), coupon.Choose("CODE"), noon)
	}
	for _, order := range orders {
		for i, id := range []string{"1", "b/1", "redeemed", strings.Repeat("r", 100)} {
			request := coupon.RefundRequest{ID: id, Lines: units("1", 1)}
			refund, err := s.Refund(ctx, order, request, noon)
			if i >= 2 {
				require.ErrorIs(t, err, coupon.ErrState)
				continue
			}
			require.NoError(t, err, order)
			require.Equal(t, eur("19.50"), refund.Amount)
		}
	}
}

// What was booked is what came off, offer by offer, and refunds take it back.
func TestTheBook(t *testing.T) {
	s := newShop(t, freely(percentOff("a", "10")), freely(amountOff("b", "5.00")))
	s.public("a", "CODE-A")
	s.public("b", "CODE-B")
	var want [2]int64
	for i := range 5 {
		order := fmt.Sprint(i)
		r := s.redeem(order, cartOf(item("9.99", int64(i+1)), item("20.00", 1)), coupon.Choose("CODE-A", "CODE-B"), noon)
		for k, a := range r.Applied {
			want[k] += a.Amount.Minor()
		}
		refund, err := s.Refund(ctx, order, coupon.RefundRequest{ID: "r", Lines: units("1", 1)}, noon)
		require.NoError(t, err)
		unit := r.Lines[0]
		_, paid, off := unit.Unit(0)
		require.Equal(t, paid, refund.Amount)
		for k, o := range off {
			want[k] -= o.Amount.Minor()
		}
	}
	book := ledger.New(s.store, ledger.Options{})
	for k, account := range []ledger.Account{"discounts/a", "discounts/b"} {
		balance, err := book.Balance(ctx, account, euro)
		require.NoError(t, err)
		assert.Equal(t, ledger.Minor(want[k], euro), balance)
	}
}

// The largest order goes the whole way: quoted, redeemed and returned.
func TestTheLargestOrder(t *testing.T) {
	s := newShop(t, benchOffers(5)...)
	choice := coupon.Choice{}
	for i := range 5 {
		choice.Coupons = append(choice.Coupons, s.held(fmt.Sprint("offer-", i), "jane", 1)[0].ID)
	}
	r := s.redeem("order", benchCart(coupon.MaxLines), choice, noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	assert.Equal(t, []any{r.Total, r.Discount, true}, []any{refund.Amount, refund.Discount, refund.Restored})
}

// Of two units of which one was free, the one that was paid for comes back first; unless
// the shop takes the discount back from who keeps only one.
func TestReturnOfOneOfTwo(t *testing.T) {
	twoForOne := automatic(giving("two-for-one", coupon.BuyGet{Buy: 1, Get: 1}))
	for name, c := range map[string]struct {
		offer         coupon.Offer
		first, second string
	}{
		"the one that was paid for comes first": {twoForOne, "10.00", "0.00"},
		"below a minimum it is clawed back": {changed(twoForOne, func(o *coupon.Offer) {
			o.Conditions, o.Below = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("20.00")}}, coupon.ClawBack
		}), "0.00", "10.00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, c.offer)
			r := s.redeem("order", cartOf(item("10.00", 2)), coupon.Choice{}, noon)
			require.Equal(t, eur("10.00"), r.Total)
			one, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "one", Lines: units("1", 1)}, noon)
			require.NoError(t, err)
			other, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "other", Lines: units("1", 1)}, noon)
			require.NoError(t, err)
			require.Equal(t, []ledger.Money{eur(c.first), eur(c.second)}, []ledger.Money{one.Amount, other.Amount})
		})
	}
}

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

// budget limits what an offer takes off.
func budget(o coupon.Offer, amount string, when coupon.WhenSpent) coupon.Offer {
	return limited(o, coupon.Limit{Money: euros(amount), When: when})
}

func automatic(o coupon.Offer) coupon.Offer {
	o.Automatic = true
	return o
}

func TestLimitsOfMoney(t *testing.T) {
	for name, c := range map[string]struct {
		when coupon.WhenSpent
		used int64
		want int64 // 0: refused
	}{
		"refuse: enough is left":      {coupon.RefuseSpent, 9500, 500},
		"refuse: a cent too little":   {coupon.RefuseSpent, 9501, 0},
		"clip: enough is left":        {coupon.ClipSpent, 9500, 500},
		"clip: a cent too little":     {coupon.ClipSpent, 9501, 499},
		"clip: a cent is left":        {coupon.ClipSpent, 9999, 1},
		"clip: nothing is left":       {coupon.ClipSpent, 10000, 0},
		"the last: a cent too little": {coupon.AllowLast, 9501, 500},
		"the last: a cent is left":    {coupon.AllowLast, 9999, 500},
		"the last: nothing is left":   {coupon.AllowLast, 10000, 0},
		"the last: it is exceeded":    {coupon.AllowLast, 10400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			facts := coupon.Facts{Used: map[string]int64{"money/EUR/a": c.used}}
			cart := cartOf(item("10.00", 3), item("20.00", 1))
			q, err := coupon.Decide(cart, candidates(t, budget(percentOff("a", "10"), "100.00", c.when)), facts, noon)
			require.NoError(t, err)
			checkSums(t, q)
			assert.Equal(t, c.want, q.Discount.Minor())
			if c.want == 0 {
				require.Len(t, q.Refused(), 1)
				r := q.Refused()[0]
				assert.Equal(t, []any{coupon.ReasonLimit, true, c.used, int64(10000)}, []any{r.Reason, r.OfMoney, r.FoundUses, r.NeededUses})
				assert.Contains(t, r.Error(), fmt.Sprintf("%s of 100.00 EUR are spent in all", ledger.Minor(c.used, euro)))
				assert.NotContains(t, r.Shopper(), "10000")
			}
		})
	}
	t.Run("in a currency without budget", func(t *testing.T) {
		both := coupon.Amounts{eur("5.00"), ledger.MustMoney("6.00", usd)}
		cart := coupon.Cart{Currency: usd, Lines: []coupon.Line{{ID: "1", Product: "tea", Quantity: 1, UnitPrice: ledger.MustMoney("9.00", usd)}}}
		assert.Equal(t, coupon.ReasonCurrency, refusedAs(t, cart, budget(giving("a", coupon.AmountOff{Amounts: both}), "100.00", coupon.ClipSpent)).Reason)
	})
	t.Run("what is clipped leaves floors and shares right", func(t *testing.T) {
		cart := cartOf(floor("10.00", 1, "9.00"), item("10.00", 1), item("10.00", 3))
		cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("4.00")}}
		facts := coupon.Facts{Used: map[string]int64{"money/EUR/a": 9800, "money/EUR/b": 9999}}
		q, err := coupon.Decide(cart, candidates(t, freely(budget(amountOff("a", "9.00"), "100.00", coupon.ClipSpent)),
			freely(budget(giving("b", coupon.ShippingOff{Rate: whole}), "100.00", coupon.ClipSpent))), facts, noon)
		require.NoError(t, err)
		checkSums(t, q)
		assert.Equal(t, []int64{22, 45, 133}, off(q))
		assert.Equal(t, eur("3.99"), q.Deliveries()[0].Total)
	})
}

func TestLimitScopes(t *testing.T) {
	cart := cartOf(item("10.00", 1))
	cart.Attributes = map[string]string{"phone": "hash/1"}
	of := func(l coupon.Limit) coupon.Offer {
		return changed(limited(freely(amountOff("a", "5.00")), l), func(o *coupon.Offer) { o.Campaign = "spring" })
	}
	coupons := func(t *testing.T, o coupon.Offer) []coupon.Candidate {
		v := candidates(t, o)[0].Version
		return []coupon.Candidate{
			{Version: v, Coupon: &coupon.Coupon{ID: "1", Holder: "jane", Uses: 1}}, {Version: v, Coupon: &coupon.Coupon{ID: "2"}},
		}
	}
	money := euros("7.00")
	for name, c := range map[string]struct {
		limit   coupon.Limit
		used    map[string]int64
		applied int
	}{
		"once per order":                    {coupon.Limit{Per: coupon.PerOrder, Uses: 1}, nil, 1},
		"twice per order":                   {coupon.Limit{Per: coupon.PerOrder, Uses: 2}, nil, 2},
		"7.00 per order":                    {coupon.Limit{Per: coupon.PerOrder, Money: money}, nil, 1},
		"10.00 per order":                   {coupon.Limit{Per: coupon.PerOrder, Money: euros("10.00")}, nil, 2},
		"per campaign":                      {coupon.Limit{Per: coupon.PerCampaign, Uses: 9}, map[string]int64{"uses/@spring": 8}, 1},
		"money per campaign":                {coupon.Limit{Per: coupon.PerCampaign, Money: money}, map[string]int64{"money/EUR/@spring": 2}, 1},
		"not the offer of that name":        {coupon.Limit{Per: coupon.PerCampaign, Uses: 9}, map[string]int64{"uses/spring": 9}, 2},
		"money per customer":                {coupon.Limit{Per: coupon.PerCustomer, Money: money}, map[string]int64{"money/EUR/a/customer/jane": 200}, 1},
		"another customer's":                {coupon.Limit{Per: coupon.PerCustomer, Money: euros("10.00")}, map[string]int64{"money/EUR/a/customer/jim": 200}, 2},
		"money per coupon":                  {coupon.Limit{Per: coupon.PerCoupon, Money: money}, map[string]int64{"money/EUR/a/coupon/1": 201}, 1},
		"per month, of a campaign":          {coupon.Limit{Per: coupon.PerCampaign, Money: money, Period: ledger.Month}, map[string]int64{"money/EUR/@spring/2026-11": 200, "money/EUR/@spring": 900}, 1},
		"dollars spent are not euros":       {coupon.Limit{Money: money}, map[string]int64{"money/USD/a": 900}, 1},
		"of an attribute of the cart":       {coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 1}, nil, 1},
		"of an attribute, another value is": {coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 2}, map[string]int64{"uses/a/attribute/phone/2": 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := coupon.Decide(cart, coupons(t, of(c.limit)), coupon.Facts{Used: c.used}, noon)
			require.NoError(t, err)
			require.Len(t, q.Applied(), c.applied)
			for _, r := range q.Refused() {
				assert.Equal(t, []any{coupon.ReasonLimit, c.limit.Per, c.limit.Period}, []any{r.Reason, r.Limit, r.Period})
			}
		})
	}
	t.Run("without the attribute", func(t *testing.T) {
		r := refusedAs(t, cartOf(item("10.00", 1)), of(coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 1}))
		assert.Equal(t, []any{coupon.ReasonSale, "phone"}, []any{r.Reason, r.What})
	})
	t.Run("the lower of two limits holds for both offers", func(t *testing.T) {
		five := limited(freely(amountOff("a", "1.00")), coupon.Limit{Per: coupon.PerCampaign, Uses: 5})
		ten := limited(freely(amountOff("b", "2.00")), coupon.Limit{Per: coupon.PerCampaign, Uses: 10})
		five.Campaign, ten.Campaign = "spring", "spring"
		q, err := coupon.Decide(cart, candidates(t, five, ten), coupon.Facts{Used: map[string]int64{"uses/@spring": 4}}, noon)
		require.NoError(t, err)
		require.Len(t, q.Applied(), 1)
	})
}

// How often a coupon can be used is what its offer says of uses, not of money.
func TestUsesOfACouponWithABudget(t *testing.T) {
	perCoupon := []coupon.Limit{{Per: coupon.PerCoupon, Money: euros("9.00")}, {Per: coupon.PerCoupon, Uses: 2}}
	for n, want := range map[int]int{1: 1, 2: 2} {
		s := newShop(t, limited(amountOff("a", "1.00"), perCoupon[:n]...))
		assert.Equal(t, want, s.held("a", "jane", 1)[0].Uses)
	}
}

// What a limit counts, and in which period, is told by its counter in any year.
func TestLimitsOfAFarYear(t *testing.T) {
	facts := coupon.Facts{Used: map[string]int64{"uses/a/9000-01/customer/jane": 2}}
	all := candidates(t, limited(amountOff("a", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 2, Period: ledger.Month}))
	q, err := coupon.Decide(cartOf(item("10.00", 1)), all, facts, time.Date(9000, 1, 20, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, []any{coupon.ReasonLimit, coupon.PerCustomer, ledger.Month}, []any{q.Refused()[0].Reason, q.Refused()[0].Limit, q.Refused()[0].Period})
}

func TestLimitFaults(t *testing.T) {
	for name, c := range map[string]struct {
		limit coupon.Limit
		want  []string
	}{
		"uses and money":           {coupon.Limit{Uses: 1, Money: euros("1.00")}, []string{"limits[0]"}},
		"no money":                 {coupon.Limit{Money: euros("0.00")}, []string{"limits[0].money.EUR"}},
		"uses below nothing":       {coupon.Limit{Uses: -1}, []string{"limits[0].uses"}},
		"clipped uses":             {coupon.Limit{Uses: 1, When: coupon.ClipSpent}, []string{"limits[0].when_spent"}},
		"an undefined end":         {coupon.Limit{Money: euros("1.00"), When: 3}, []string{"limits[0].when_spent"}},
		"an order's month":         {coupon.Limit{Per: coupon.PerOrder, Uses: 1, Period: ledger.Month}, []string{"limits[0].period"}},
		"no campaign":              {coupon.Limit{Per: coupon.PerCampaign, Uses: 1}, []string{"limits[0].per"}},
		"no attribute":             {coupon.Limit{Per: coupon.PerAttribute, Uses: 1}, []string{"limits[0].attribute"}},
		"a hostile attribute":      {coupon.Limit{Per: coupon.PerAttribute, Attribute: "a/b", Uses: 1}, []string{"limits[0].attribute"}},
		"an attribute of nothing":  {coupon.Limit{Attribute: "a", Uses: 1}, []string{"limits[0].attribute"}},
		"of a gift's money":        {coupon.Limit{Money: euros("1.00")}, []string{"limits[0].money"}},
		"the same by another name": {coupon.Limit{}, []string{"limits[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := limited(amountOff("a", "1.00"), c.limit)
			if strings.Contains(name, "gift") {
				offer.Benefit = coupon.GiftLine{Product: "mug", Quantity: 1}
			}
			err := offer.Validate()
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
}

// The longest keys that a shop may give still make counters that stores take.
func TestLimitsOfLongKeys(t *testing.T) {
	long := strings.Repeat("x", 64)
	offer := coupon.Offer{
		ID: long, Name: "long", Campaign: strings.Repeat("c", 64), Benefit: coupon.AmountOff{Amounts: euros("1.00")}, Automatic: true,
		Limits: []coupon.Limit{
			{Per: coupon.PerAttribute, Attribute: strings.Repeat("y", 64), Money: euros("9.00"), Period: ledger.Day},
			{Per: coupon.PerCustomer, Money: euros("9.00"), Period: ledger.Day},
			{Per: coupon.PerCampaign, Uses: 5, Period: ledger.Week},
		},
	}
	s := newShop(t, offer)
	cart := cartOf(item("10.00", 1))
	cart.Customer.Key = strings.Repeat("ü", 50)
	for n, value := range []string{strings.Repeat("z", 100), strings.Repeat("z", 99) + "/", "~x", "a//b", " "} {
		cart.Attributes = map[string]string{strings.Repeat("y", 64): value}
		s.redeem(fmt.Sprint(n), cart, coupon.Choice{}, noon)
	}
	assert.Equal(t, int64(5), s.counter("uses/@"+offer.Campaign+"/2026-W47"))
}

// The quote decides what is clipped; redeeming claims exactly that, or is refused
// when somebody has taken the rest.
func TestClippedAmountsAreClaimedExactly(t *testing.T) {
	s := newShop(t, budget(amountOff("a", "5.00"), "12.00", coupon.ClipSpent))
	s.public("a", "HOT")
	cart := cartOf(item("20.00", 1))
	s.redeem("1", cart, coupon.Choose("HOT"), noon)
	s.redeem("2", cart, coupon.Choose("HOT"), noon)
	last, rival := s.applies(cart, coupon.Choose("HOT"), noon), s.applies(cart, coupon.Choose("HOT"), noon)
	require.Equal(t, eur("2.00"), last.Discount)
	r, err := s.Redeem(ctx, "3", rival, noon)
	require.NoError(t, err)
	require.Equal(t, eur("2.00"), r.Discount)
	require.Equal(t, int64(1200), s.counter("money/EUR/a"))

	_, err = s.Redeem(ctx, "4", last, noon)
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []any{coupon.ReasonLimit, "a", int64(1200), int64(1200), true}, []any{refused.Reason, refused.Offer, refused.FoundUses, refused.NeededUses, refused.OfMoney})

	_, err = s.Refund(ctx, "1", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	r, err = s.Redeem(ctx, "4", last, noon)
	require.NoError(t, err)
	assert.Equal(t, eur("2.00"), r.Discount, "what was quoted, though more is left now")
	assert.Equal(t, int64(900), s.counter("money/EUR/a"))
}

// Offers that share a budget take from it one after the other: the last of an order
// may be the one that exceeds it.
func TestTheLastUseOfASharedBudget(t *testing.T) {
	of := func(id, amount string) coupon.Offer {
		return changed(limited(automatic(freely(amountOff(id, amount))), coupon.Limit{Per: coupon.PerCampaign, Money: euros("10.00"), When: coupon.AllowLast}),
			func(o *coupon.Offer) { o.Campaign = "spring" })
	}
	s := newShop(t, of("a", "3.00"), of("b", "9.00"))
	cart := cartOf(item("50.00", 1))
	s.redeem("0", cartOf(item("6.50", 1)), coupon.Choice{}, noon)
	s.redeem("1", cart, coupon.Choice{}, noon)
	assert.Equal(t, int64(650+300+900), s.counter("money/EUR/@spring"))
	assert.Len(t, s.quote(cart, coupon.Choice{}, noon).Refused(), 2)
	r, err := s.Reserve(ctx, "1", s.quote(cart, coupon.Choice{}.For("1"), noon), noon)
	require.NoError(t, err)
	assert.Equal(t, coupon.StateConfirmed, r.State)
}

// A clipped amount that would come off other deliveries is another quote.
func TestClippedShippingIsJudgedByDelivery(t *testing.T) {
	s := newShop(t, budget(automatic(giving("a", coupon.ShippingOff{Rate: half})), "2.00", coupon.ClipSpent))
	cart := cartOf(item("20.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "1", Seller: "acme", Price: eur("4.00")}, {ID: "2", Seller: "zeta", Price: eur("4.00")}}
	q := s.applies(cart, coupon.Choice{}, noon)
	require.Equal(t, []ledger.Money{eur("3.00"), eur("3.00")}, []ledger.Money{q.Deliveries()[0].Total, q.Deliveries()[1].Total})
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "zeta"}, "zeta", noon))
	_, err := s.Redeem(ctx, "1", q, noon)
	require.ErrorIs(t, err, coupon.ErrQuoteChanged)
	now := s.applies(cart, coupon.Choice{}, noon)
	require.Equal(t, []ledger.Money{eur("2.00"), eur("4.00")}, []ledger.Money{now.Deliveries()[0].Total, now.Deliveries()[1].Total})
	require.NotEqual(t, q.Fingerprint(), now.Fingerprint())
}

func TestACampaignsLimitNamesItsOffer(t *testing.T) {
	of := func(id string, limit coupon.Limit) coupon.Offer {
		return changed(limited(automatic(freely(amountOff(id, "3.00"))), limit), func(o *coupon.Offer) { o.Campaign = "spring" })
	}
	s := newShop(t, of("a", coupon.Limit{Uses: 9}), of("b", coupon.Limit{Per: coupon.PerCampaign, Uses: 1}))
	cart := cartOf(item("50.00", 1))
	late := s.applies(cart, coupon.Choice{}, noon)
	s.redeem("1", cart, coupon.Choice{}, noon)
	_, err := s.Redeem(ctx, "2", late, noon)
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []any{coupon.ReasonLimit, "b", coupon.PerCampaign, int64(1)}, []any{refused.Reason, refused.Offer, refused.Limit, refused.NeededUses})
}

// Money goes back to the period it came from, to the cent, whatever is returned
// when.
func TestMoneyIsGivenBackToItsPeriod(t *testing.T) {
	s := newShop(t, limited(automatic(amountOff("a", "6.00")), coupon.Limit{Money: euros("10.00"), Period: ledger.Day, When: coupon.ClipSpent}))
	cart := cartOf(item("10.00", 3))
	s.redeem("1", cart, coupon.Choice{}, noon)
	s.redeem("2", cart, coupon.Choice{}, noon)
	next := noon.Add(24 * time.Hour)
	s.redeem("3", cart, coupon.Choice{}, next)
	today, tomorrow := "money/EUR/a/2026-11-20", "money/EUR/a/2026-11-21"
	require.Equal(t, []int64{1000, 600}, []int64{s.counter(today), s.counter(tomorrow)})
	back := func(order, id string, units int64) {
		_, err := s.Refund(ctx, order, coupon.RefundRequest{ID: id, Lines: []coupon.Returned{{Line: "1", Units: units}}}, next)
		require.NoError(t, err)
	}
	back("2", "r1", 1) // 4.00 off three units: 1.33, 1.33, 1.34
	assert.Equal(t, []int64{867, 600}, []int64{s.counter(today), s.counter(tomorrow)})
	back("2", "r2", 2)
	back("1", "r1", 2)
	assert.Equal(t, []int64{200, 600}, []int64{s.counter(today), s.counter(tomorrow)})
}

func TestLapsedReservationsMakeRoomForMoney(t *testing.T) {
	s := newShop(t, budget(automatic(amountOff("a", "5.00")), "8.00", coupon.ClipSpent))
	cart := cartOf(item("20.00", 1))
	_, err := s.Reserve(ctx, "left", s.applies(cart, coupon.Choice{}, noon), noon)
	require.NoError(t, err)
	require.Equal(t, eur("3.00"), s.applies(cart, coupon.Choice{}, noon).Discount)
	later := noon.Add(time.Hour)
	q := s.applies(cart, coupon.Choice{}, later)
	require.Equal(t, eur("5.00"), q.Discount)
	_, err = s.Redeem(ctx, "1", q, later)
	require.NoError(t, err)
	r, err := s.Redeem(ctx, "2", s.applies(cart, coupon.Choice{}, later), later)
	require.NoError(t, err)
	require.Equal(t, eur("3.00"), r.Discount)
	left, err := s.Redemption(ctx, "left")
	require.NoError(t, err)
	require.Equal(t, coupon.StateExpired, left.State)
	require.Equal(t, int64(800), s.counter("money/EUR/a"))
	_, err = s.Confirm(ctx, "left", later)
	var lapsed *coupon.Lapsed
	require.ErrorAs(t, err, &lapsed)
	require.Equal(t, eur("5.00"), lapsed.Missing)
}

// An order that reserves again replaces what it held, also at the end of a budget.
func TestReservingAgainAtTheEndOfABudget(t *testing.T) {
	for _, when := range []coupon.WhenSpent{coupon.RefuseSpent, coupon.ClipSpent, coupon.AllowLast} {
		s := newShop(t, budget(automatic(percentOff("a", "10")), "5.00", when))
		for n, price := range []string{"30.00", "50.00", "40.00"} {
			now := noon.Add(time.Duration(n) * time.Minute)
			cart := cartOf(item(price, 1))
			_, err := s.Reserve(ctx, "1", s.applies(cart, coupon.Choice{}.For("1"), now), now)
			require.NoError(t, err)
		}
		require.Equal(t, int64(400), s.counter("money/EUR/a"))
	}
}

// moneyRace redeems a budget of 100.00 with an amount again and again, and says how
// often it was accepted and how often it may be.
func moneyRace(amount string, when coupon.WhenSpent, allowed int) race {
	return func(t *testing.T, store storage.Store) (int, int) {
		s := raceService(t, store, budget(automatic(amountOff("hot", amount)), "100.00", when))
		var calls []func() error
		for i := range 80 {
			calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i), "jane", coupon.Choice{}))
		}
		accepted := eachOf(t, 16, calls)
		_, values, err := store.Get(ctx, nil, "money/EUR/hot")
		require.NoError(t, err)
		require.Equal(t, int64(accepted)*eur(amount).Minor(), values["money/EUR/hot"])
		return accepted, allowed
	}
}

var moneyRaces = map[string]race{
	"refuse":                        moneyRace("3.00", coupon.RefuseSpent, 33),
	"clip":                          moneyRace("3.00", coupon.ClipSpent, 33), // all were quoted 3.00, and nobody is given less
	"allow the last":                moneyRace("3.00", coupon.AllowLast, 34),
	"no last when nothing is left":  moneyRace("4.00", coupon.AllowLast, 25),
	"to the cent when all is given": moneyRace("4.00", coupon.RefuseSpent, 25),
}

func TestMoneyRacesAreWon(t *testing.T) {
	for name, run := range moneyRaces {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			accepted, allowed := run(t, store)
			require.Equal(t, allowed, accepted)
			requireAudit(t, store)
		})
	}
}

func TestMoneyRacesAreLostOnANaiveStore(t *testing.T) {
	for name, run := range moneyRaces {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				if accepted, allowed := run(t, naive{memory.New()}); accepted > allowed {
					return
				}
			}
			t.Fatal("the race was won 20 times: it shows nothing")
		})
	}
}

// A budget is never exceeded, but by the one last use that is allowed to, over any
// course of orders and returns; and all that is not used up can be spent.
func TestBudgetsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{})
		when := coupon.WhenSpent(rapid.IntRange(0, 2).Draw(t, "when"))
		for i := range rapid.IntRange(1, 3).Draw(t, "offers") {
			offer := limited(automatic(freely(percentOff(string(rune('a'+i)), "20"))), coupon.Limit{Per: coupon.PerCampaign, Money: euros("20.00"), When: when})
			offer.Campaign, offer.Restore = "spring", coupon.Restore(i%2)
			_, err := s.Publish(ctx, offer, "staff", noon)
			require.NoError(t, err)
		}
		for n := range rapid.IntRange(1, 8).Draw(t, "orders") {
			order := fmt.Sprint(n)
			cart := cartOf(coupon.Line{Product: "tea", Quantity: 3, UnitPrice: drawMoney(t, "price", 0, 2000)})
			q, err := s.Quote(ctx, cart, coupon.Choice{Best: rapid.Bool().Draw(t, "best")}, noon)
			require.NoError(t, err)
			_, values, err := store.Get(ctx, nil, "money/EUR/@spring")
			require.NoError(t, err)
			before := values["money/EUR/@spring"]
			if q.Discount.Sign() > 0 {
				require.Less(t, before+q.Discount.Minor()-largest(q), int64(2000))
			}
			if when != coupon.AllowLast {
				require.LessOrEqual(t, before+q.Discount.Minor(), int64(2000))
			}
			_, err = s.Redeem(ctx, order, q, noon)
			require.NoError(t, err, "what was quoted just now can be redeemed")
			if units := rapid.Int64Range(0, 3).Draw(t, "returned"); units > 0 {
				_, err = s.Refund(ctx, order, coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: units}}}, noon)
				require.NoError(t, err)
			}
		}
		requireAudit(t, store)
	})
}

// largest is the most that one offer of the quote takes off.
func largest(q *coupon.Quote) int64 {
	most := int64(0)
	for _, a := range q.Applied() {
		most = max(most, a.Amount.Minor())
	}
	return most
}

// TestSeveralBudgetsLowerOnce: lowered to the least that is left of several budgets, the
// same comes off each line as when a redemption lowers to what was quoted.
func TestSeveralBudgetsLowerOnce(t *testing.T) {
	s := newShop(t, limited(automatic(amountOff("a", "6.00")),
		coupon.Limit{Money: euros("0.02"), When: coupon.ClipSpent},
		coupon.Limit{Per: coupon.PerCustomer, Money: euros("0.01"), When: coupon.ClipSpent}))
	quote := s.quote(cartOf(item("0.01", 1), item("0.03", 1)), coupon.Choice{}, noon)
	require.Equal(t, eur("0.01"), quote.Discount)
	redeemed, err := s.Redeem(ctx, "1", quote, noon)
	require.NoError(t, err)
	require.Equal(t, eur("0.01"), redeemed.Discount)
}

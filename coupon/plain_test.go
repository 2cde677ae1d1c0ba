package coupon_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Automatic offers that ask for one list of names are worked out in a shorter way, each by
// what its benefit says: all of it, on all the lines that it names.
func TestPlainOffersByWhatTheySay(t *testing.T) {
	named := func(benefit coupon.Benefit, change func(*coupon.Offer)) coupon.Offer {
		o := automatic(freely(giving("offer", benefit)))
		o.Scope.In = products("tea")
		change(&o)
		return o
	}
	same := func(*coupon.Offer) {}
	both := coupon.Amounts{ledger.MustMoney("7.00", usd), eur("3.00")}
	before := automatic(freely(amountOff("before", "1.00")))
	before.Scope.In, before.Priority = products("cup"), 1
	before.Benefit = coupon.AmountOffEach{Amounts: euros("1.00")}
	for name, c := range map[string]struct {
		offer coupon.Offer
		want  []int64 // off two lines of tea, 2 × 10.00 and 1 × 5.00, one of a cup, 10.00, and one of a mug, 10.00
	}{
		"a percentage":                       {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, same), []int64{200, 50, 100, 0}},
		"a percentage up to a maximum":       {named(coupon.PercentOff{Rate: ledger.MustRate("10"), Max: euros("1.25")}, same), []int64{100, 25, 100, 0}},
		"a percentage of the running price":  {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, func(o *coupon.Offer) { o.Scope.In = products("cup") }), []int64{0, 0, 190, 0}},
		"a percentage of the original price": {named(coupon.PercentOff{Rate: ledger.MustRate("10"), Of: coupon.OfOriginal}, func(o *coupon.Offer) { o.Scope.In = products("cup") }), []int64{0, 0, 200, 0}},
		"an amount":                          {named(coupon.AmountOff{Amounts: euros("3.00")}, same), []int64{240, 60, 100, 0}},
		"an amount per currency":             {named(coupon.AmountOff{Amounts: both}, same), []int64{240, 60, 100, 0}},
		"an amount per unit":                 {named(coupon.AmountOffEach{Amounts: euros("3.00")}, same), []int64{600, 300, 100, 0}},
		"an amount per unit and currency":    {named(coupon.AmountOffEach{Amounts: both}, same), []int64{600, 300, 100, 0}},
		"an amount per line":                 {named(coupon.AmountOffEach{Amounts: euros("3.00"), PerLine: true}, same), []int64{300, 300, 100, 0}},
		"two names":                          {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, func(o *coupon.Offer) { o.Scope.In = products("tea", "mug") }), []int64{200, 50, 100, 100}},
		"two names, one of them in the cart": {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, func(o *coupon.Offer) { o.Scope.In = products("pot", "mug") }), []int64{0, 0, 100, 100}},
		"no name":                            {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, func(o *coupon.Offer) { o.Scope.In = coupon.Lists{} }), []int64{200, 50, 190, 100}},
		"a minimum that is reached":          {named(coupon.PercentOff{Rate: ledger.MustRate("10")}, func(o *coupon.Offer) { *o = asking(*o, spend("25.00")) }), []int64{200, 50, 100, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(product("tea", "10.00", 2), product("tea", "5.00", 1), product("cup", "10.00", 1), product("mug", "10.00", 1))
			q, err := coupon.NewCatalog(mustVersion(before), mustVersion(c.offer)).Decide(cart, nil, coupon.Facts{}, noon)
			require.NoError(t, err)
			assert.Equal(t, []string{"before", "offer"}, applied(q))
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
			alone, err := coupon.NewCatalog(mustVersion(c.offer)).Decide(cart, nil, coupon.Facts{}, noon)
			require.NoError(t, err)
			assert.Equal(t, off(decide(t, cart, c.offer)), off(alone))
		})
	}
}

// Offers that ask for more than a list of names and a minimum are not worked out in the
// shorter way.
func TestOffersThatAreNotPlain(t *testing.T) {
	for name, change := range map[string]func(*coupon.Offer){
		"not on sale":  func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOut },
		"only on sale": func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOnly },
		"by price":     func(o *coupon.Offer) { o.Scope.UnitPrice.From = euros("6.00") },
		"not some":     func(o *coupon.Offer) { o.Scope.Out.Tags = []string{"green"} },
		"during a blackout": func(o *coupon.Offer) {
			o.Schedule.Blackouts = []coupon.Blackout{{Name: "fair", Interval: coupon.Interval{From: noon, Until: noon.Add(1)}}}
		},
		"at another hour": func(o *coupon.Offer) { o.Schedule.Weekly = []coupon.Window{{From: "01:00", Until: "02:00"}} },
		"later":           func(o *coupon.Offer) { o.Schedule.From = noon.Add(1) },
		"of few units":    func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{Rate: half, Units: someUnits(1, coupon.Cheapest)} },
		"off each of few": func(o *coupon.Offer) {
			o.Benefit = coupon.AmountOffEach{Amounts: euros("1.00"), Units: someUnits(1, coupon.Cheapest)}
		},
		"of many units":       func(o *coupon.Offer) { *o = asking(*o, coupon.MinimumQuantity{Units: 100}) },
		"two conditions":      func(o *coupon.Offer) { *o = asking(*o, spend("1.00"), coupon.MinimumQuantity{Units: 100}) },
		"a minimum of others": func(o *coupon.Offer) { *o = asking(*o, coupon.MinimumSpend{Amounts: euros("90.00"), Cart: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			o := automatic(freely(percentOff("offer", "10")))
			o.Scope.In = products("tea")
			change(&o)
			cart := cartOf(product("tea", "10.00", 2), product("tea", "5.00", 1), product("cup", "10.00", 1))
			cart.Lines[0].OnSale, cart.Lines[1].Tags = true, []string{"green"}
			q, err := coupon.NewCatalog(mustVersion(o)).Decide(cart, nil, coupon.Facts{}, noon)
			require.NoError(t, err)
			want := decide(t, cart, o)
			assert.Equal(t, off(want), off(q))
			assert.NotEqual(t, []int64{200, 50, 0}, off(q))
			assert.Equal(t, len(want.Refused()), len(q.Refused()))
		})
	}
}

// What doesn't apply is refused in the shorter way as in the longer one.
func TestPlainOffersThatDoNotApply(t *testing.T) {
	for name, c := range map[string]struct {
		offer coupon.Offer
		want  coupon.Reason
	}{
		"a minimum by a cent":       {asking(percentOff("offer", "10"), spend("10.01")), coupon.ReasonMinimumSpend},
		"nothing that is rounded":   {percentOff("offer", "0.01"), coupon.ReasonNothingOff},
		"no amount":                 {giving("offer", coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("1.00", usd)}}), coupon.ReasonCurrency},
		"no amount off each":        {giving("offer", coupon.AmountOffEach{Amounts: coupon.Amounts{ledger.MustMoney("1.00", usd)}}), coupon.ReasonCurrency},
		"no maximum":                {giving("offer", coupon.PercentOff{Rate: whole, Max: coupon.Amounts{ledger.MustMoney("1.00", usd)}}), coupon.ReasonCurrency},
		"no amount, and too little": {asking(giving("offer", coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("1.00", usd)}}), spend("10.01")), coupon.ReasonCurrency},
	} {
		t.Run(name, func(t *testing.T) {
			o := automatic(freely(c.offer))
			o.Scope.In = products("tea")
			q, err := coupon.NewCatalog(mustVersion(o)).Decide(cartOf(item("10.00", 1)), nil, coupon.Facts{}, noon)
			require.NoError(t, err)
			require.Empty(t, q.Applied())
			require.Len(t, q.Refused(), 1)
			assert.Equal(t, c.want, q.Refused()[0].Reason)
			assert.Equal(t, eur("10.00"), q.Total)
		})
	}
}

// A seller keeps its lines out of a plain offer, whatever promotions of the shop's there are.
func TestPlainOffersAreKeptOutBesidePromotions(t *testing.T) {
	o := automatic(freely(percentOff("offer", "10")))
	o.Scope.In, o.ShopPromotions = products("tea"), coupon.AllowPromoted
	cart := cartOf(item("10.00", 1), item("10.00", 1))
	cart.Lines[0].Seller, cart.Promotions = "zeta", []string{"3 for 2"}
	facts := coupon.Facts{Exclusions: []coupon.Exclusion{{ID: "1", Seller: "zeta"}}}
	q, err := coupon.NewCatalog(mustVersion(o)).Decide(cart, nil, facts, noon)
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 100}, off(q))
	assert.Equal(t, coupon.ReasonSeller, q.Lines()[0].LeftOut[0].Reason)
}

// A line that has a name twice is counted once.
func TestALineThatHasANameTwice(t *testing.T) {
	o := automatic(freely(percentOff("offer", "10")))
	o.Scope.In.Tags = []string{"green"}
	both := changed(o, func(o *coupon.Offer) { o.ID, o.Scope.In.Tags = "two-names", []string{"green", "blue"} })
	cart := cartOf(item("10.00", 1), item("20.00", 1), item("40.00", 1))
	cart.Lines[1].Tags, cart.Lines[2].Tags = []string{"green", "green", "blue", "blue"}, []string{"blue", "green"}
	for _, offer := range offers(o, both) {
		q, err := coupon.NewCatalog(mustVersion(offer)).Decide(cart, nil, coupon.Facts{}, noon)
		require.NoError(t, err)
		assert.Equal(t, []int64{0, 200, 400}, off(q), offer.ID)
		assert.Equal(t, []int64{0, 200, 400}, off(decide(t, cart, offer)), offer.ID)
	}
}

// An offer that names more goods than a cart has is led to its lines by the cart's names: by
// those of the list that names them, whatever else has the same name.
func TestOffersThatNameMoreThanACartHas(t *testing.T) {
	long := automatic(freely(percentOff("long", "10")))
	for i := range 20 {
		long.Scope.In.Products = append(long.Scope.In.Products, fmt.Sprint("p", i))
	}
	tagged := automatic(freely(each("tagged", "1.00")))
	tagged.Scope.In.Tags = []string{"p3", "p4"}
	cart := cartOf(product("p1", "10.00", 1), product("p2", "20.00", 1), product("mug", "40.00", 1), product("cup", "80.00", 1))
	cart.Lines[2].Tags = []string{"p3"}
	q, err := coupon.NewCatalog(mustVersion(long), mustVersion(tagged)).Decide(cart, nil, coupon.Facts{}, noon)
	require.NoError(t, err)
	assert.Equal(t, []string{"long", "tagged"}, applied(q))
	assert.Equal(t, []int64{100, 200, 100, 0}, off(q))
}

// Of two lines with an equal claim to a coin, the one with the smaller id has it, in whatever
// order they stand.
func TestACoinBetweenTwoLines(t *testing.T) {
	cart := cartOf(item("1.00", 1), item("1.00", 1))
	assert.Equal(t, []int64{1, 0}, off(decide(t, cart, amountOff("a", "0.01"))))
	assert.Equal(t, []int64{2, 1}, off(decide(t, cart, amountOff("a", "0.03"))))
	cart.Lines[0].ID, cart.Lines[1].ID = "2", "1"
	assert.Equal(t, []int64{0, 1}, off(decide(t, cart, amountOff("a", "0.01"))))
}

package coupon_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

var (
	half  = ledger.MustRate("50")
	whole = ledger.MustRate("100")
)

func product(name, price string, quantity int64) coupon.Line {
	return with(item(price, quantity), func(l *coupon.Line) { l.Product = name })
}

func products(names ...string) coupon.Lists { return coupon.Lists{Products: names} }

func someUnits(most int64, pick coupon.Pick) coupon.Units { return coupon.Units{Max: most, Pick: pick} }

// first applies before others of its stage.
func first(o coupon.Offer) coupon.Offer {
	o.Priority = 5
	return o
}

// What two lines share is what [ledger.Split] gives each, whatever they cost.
func TestAmountOverTwoLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cost := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 1<<51))
		weights := []int64{cost.Draw(t, "first"), cost.Draw(t, "second")}
		amount := rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64Range(1, 1<<52)).Draw(t, "amount")
		var cart []coupon.Line
		for _, w := range weights {
			cart = append(cart, with(item("0.00", 1), func(l *coupon.Line) { l.UnitPrice, l.Total = ledger.Money{}, ledger.Minor(w, euro) }))
		}
		offer := amountOff("amount", "1.00")
		offer.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(amount, euro)}}
		want, err := ledger.Split(nil, min(amount, weights[0]+weights[1]), weights, weights)
		require.NoError(t, err)
		q, err := coupon.Decide(cartOf(cart...), []coupon.Candidate{{Version: mustVersion(offer)}}, coupon.Facts{}, noon)
		require.NoError(t, err)
		for i, l := range q.Lines() {
			require.Equal(t, want[i], l.Price.Minor()-l.Total.Minor())
		}
	})
}

func TestLineBenefits(t *testing.T) {
	percent := func(u coupon.Units) coupon.Benefit { return coupon.PercentOff{Rate: half, Units: u} }
	unitOff := func(amount string, u coupon.Units) coupon.Benefit {
		return coupon.AmountOffEach{Amounts: euros(amount), Units: u}
	}
	perLine := func(amount string) coupon.Benefit {
		return coupon.AmountOffEach{Amounts: euros(amount), PerLine: true}
	}
	price := func(price string, u coupon.Units) coupon.Benefit {
		return coupon.FixedPrice{Prices: euros(price), Units: u}
	}
	three := lines(item("5.00", 2), item("2.00", 2), item("9.00", 1))
	for name, c := range map[string]struct {
		lines   []coupon.Line
		benefit coupon.Benefit
		want    []int64
	}{
		"half the cheapest unit":             {three, percent(someUnits(1, coupon.Cheapest)), []int64{0, 100, 0}},
		"half the three cheapest":            {three, percent(someUnits(3, coupon.Cheapest)), []int64{250, 200, 0}},
		"half the dearest":                   {three, percent(someUnits(2, coupon.Dearest)), []int64{250, 0, 450}},
		"half the first in the cart":         {three, percent(someUnits(3, coupon.CartOrder)), []int64{500, 100, 0}},
		"more than there are":                {three, percent(someUnits(9, coupon.Dearest)), []int64{500, 200, 450}},
		"the cheapest of a total":            {lines(total(3, "10.00"), item("3.34", 1)), percent(someUnits(2, coupon.Cheapest)), []int64{333, 0}},
		"a capped floor":                     {lines(floor("10.00", 4, "8.00")), percent(someUnits(3, coupon.Cheapest)), []int64{600}},
		"a floor that leaves a coin over":    {lines(with(total(2, "10.01"), func(l *coupon.Line) { l.Floor = eur("5.00") })), coupon.AmountOff{Amounts: euros("5.00")}, []int64{1}},
		"a floor above the price":            {lines(with(total(3, "10.00"), func(l *coupon.Line) { l.Floor = eur("4.00") }), item("20.00", 1)), percent(someUnits(2, coupon.Dearest)), []int64{0, 1167}},
		"an amount off each unit":            {three, unitOff("1.50", coupon.Units{}), []int64{300, 300, 150}},
		"at most what the unit costs":        {three, unitOff("3.00", coupon.Units{}), []int64{600, 400, 300}},
		"off the two dearest":                {three, unitOff("3.00", someUnits(2, coupon.Dearest)), []int64{300, 0, 300}},
		"off each, at most to the floor":     {lines(floor("5.00", 3, "4.50"), item("5.00", 1)), unitOff("1.00", coupon.Units{}), []int64{150, 100}},
		"off each line":                      {three, perLine("3.00"), []int64{300, 300, 300}},
		"off each line, at most its cost":    {three, perLine("7.00"), []int64{700, 400, 700}},
		"a fixed price":                      {three, price("4.00", coupon.Units{}), []int64{200, 0, 500}},
		"a fixed price of nothing":           {three, price("0.00", someUnits(2, coupon.Dearest)), []int64{500, 0, 900}},
		"a fixed price below a floor":        {lines(floor("5.00", 2, "4.50")), price("1.00", coupon.Units{}), []int64{100}},
		"a fixed price of units in a total":  {lines(total(3, "10.00")), price("3.33", coupon.Units{}), []int64{1}},
		"a fixed price nobody is above":      {lines(item("5.00", 2), item("6.00", 1)), price("5.00", coupon.Units{}), []int64{0, 100}},
		"off each unit below the minor unit": {lines(total(1000, "1.25")), unitOff("0.01", coupon.Units{}), []int64{125}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), giving("a", c.benefit))
			require.Empty(t, q.Refused())
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
}

func TestPercentOfTheOriginal(t *testing.T) {
	original := giving("b", coupon.PercentOff{Rate: half, Of: coupon.OfOriginal})
	running := giving("b", coupon.PercentOff{Rate: half})
	before := first(freely(percentOff("a", "40")))
	for name, c := range map[string]struct {
		lines []coupon.Line
		offer coupon.Offer
		want  []int64
	}{
		"of what is left":        {lines(item("100.00", 1)), running, []int64{7000}},
		"of the original price":  {lines(item("100.00", 1)), original, []int64{9000}},
		"never below a floor":    {lines(floor("100.00", 1, "30.00")), original, []int64{7000}},
		"shared by what is left": {lines(item("10.00", 1), floor("10.00", 1, "10.00")), original, []int64{1000, 0}},
		"of several lines":       {lines(item("20000.00", 2), item("1.00", 3)), original, []int64{3600000, 270}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), before, freely(c.offer))
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
}

func bundle(price string, items ...coupon.BundleItem) coupon.BundlePrice {
	return coupon.BundlePrice{Items: items, Prices: euros(price)}
}

func TestBundles(t *testing.T) {
	teaAndCup := bundle("10.00", coupon.BundleItem{Of: products("tea"), Units: 2}, coupon.BundleItem{Of: products("cup"), Units: 1})
	anyThree := bundle("10.00", coupon.BundleItem{Units: 3})
	drinkAndTea := bundle("3.00", coupon.BundleItem{Of: products("tea", "coffee"), Units: 1}, coupon.BundleItem{Of: products("tea"), Units: 1})
	atMost := func(n int64, b coupon.BundlePrice) coupon.BundlePrice {
		b.Max = n
		return b
	}
	picking := func(p coupon.Pick, b coupon.BundlePrice) coupon.BundlePrice {
		b.Pick = p
		return b
	}
	for name, c := range map[string]struct {
		lines   []coupon.Line
		benefit coupon.Benefit
		want    []int64
	}{
		"one set":                              {lines(product("tea", "5.00", 2), product("cup", "8.00", 1)), teaAndCup, []int64{444, 356}},
		"two sets and some left":               {lines(product("tea", "5.00", 5), product("cup", "8.00", 3)), teaAndCup, []int64{889, 711}},
		"one set at most":                      {lines(product("tea", "5.00", 4), product("cup", "8.00", 2)), atMost(1, teaAndCup), []int64{444, 356}},
		"three of any":                         {lines(item("4.00", 2), item("6.00", 1)), anyThree, []int64{229, 171}},
		"the cheapest by default":              {lines(item("4.00", 3), item("6.00", 1)), anyThree, []int64{200, 0}},
		"the dearest":                          {lines(item("4.00", 3), item("6.00", 1)), picking(coupon.Dearest, anyThree), []int64{229, 171}},
		"in the order of the cart":             {lines(item("6.00", 1), item("4.00", 4)), picking(coupon.CartOrder, anyThree), []int64{171, 229}},
		"a set below its price stays":          {lines(item("1.00", 3), item("20.00", 3)), anyThree, []int64{0, 5000}},
		"also when it is the last":             {lines(item("1.00", 3), item("20.00", 3)), picking(coupon.Dearest, anyThree), []int64{0, 5000}},
		"also in the middle":                   {lines(item("9.00", 3), item("1.00", 3), item("20.00", 3)), picking(coupon.CartOrder, anyThree), []int64{1700, 0, 5000}},
		"for nothing":                          {lines(item("1.00", 3), item("2.00", 2)), bundle("0.00", coupon.BundleItem{Units: 2}), []int64{300, 200}},
		"a floor, spread over the set":         {lines(floor("9.00", 1, "8.00"), item("9.00", 2)), anyThree, []int64{100, 1600}},
		"goods that fit two items go to both":  {lines(product("tea", "2.00", 1), product("coffee", "4.00", 1)), drinkAndTea, []int64{100, 200}},
		"the cheapest that still fill the set": {lines(product("tea", "2.00", 2), product("coffee", "1.00", 1)), drinkAndTea, []int64{0, 0}},
		"one unit more than a set needs":       {lines(product("tea", "2.00", 3)), drinkAndTea, []int64{100}},
		"each set for itself":                  {lines(product("tea", "2.00", 3), product("coffee", "4.00", 1)), drinkAndTea, []int64{200, 200}},
		"half a cent of each":                  {lines(total(3, "10.01")), anyThree, []int64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), giving("a", c.benefit))
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
	t.Run("never in part", func(t *testing.T) {
		for _, cart := range []coupon.Cart{cartOf(product("tea", "5.00", 9)), cartOf(product("cup", "8.00", 3), product("tea", "5.00", 1))} {
			r := refusedAs(t, cart, giving("a", teaAndCup))
			assert.Equal(t, coupon.ReasonIncomplete, r.Reason)
			assert.Equal(t, `"a" asks for products that are not in your cart.`, r.Shopper())
		}
	})
}

func TestBuyGet(t *testing.T) {
	same := coupon.BuyGet{Buy: 2, Get: 1}
	other := coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("tea"), GetOf: products("cup")}
	overlap := coupon.BuyGet{Buy: 2, Get: 1, BuyOf: products("tea"), GetOf: products("tea", "cup")}
	for name, c := range map[string]struct {
		lines   []coupon.Line
		benefit coupon.BuyGet
		want    []int64
	}{
		"three for two":                       {lines(item("5.00", 3)), same, []int64{500}},
		"the cheapest is free":                {lines(item("5.00", 2), item("3.00", 1)), same, []int64{0, 300}},
		"two of six, the cheapest":            {lines(item("5.00", 3), item("3.00", 2), item("4.00", 1)), same, []int64{0, 600, 0}},
		"nothing in part":                     {lines(item("5.00", 5)), same, []int64{500}},
		"as often as allowed":                 {lines(item("5.00", 9)), coupon.BuyGet{Buy: 2, Get: 1, Max: 2}, []int64{1000}},
		"half off":                            {lines(item("5.01", 2)), coupon.BuyGet{Buy: 1, Get: 1, Rate: half}, []int64{251}},
		"an amount each":                      {lines(item("5.00", 5)), coupon.BuyGet{Buy: 1, Get: 1, Amounts: euros("1.99")}, []int64{398}},
		"an amount each, above the price":     {lines(product("tea", "5.00", 2), product("cup", "1.50", 2)), coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("tea"), GetOf: products("cup"), Amounts: euros("2.00")}, []int64{0, 300}},
		"the dearest":                         {lines(item("5.00", 2), item("8.00", 2)), coupon.BuyGet{Buy: 1, Get: 1, Pick: coupon.Dearest}, []int64{0, 1600}},
		"the dearest that leave enough":       {lines(product("tea", "5.00", 1), product("cup", "8.00", 2)), coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("cup"), GetOf: products("tea", "cup"), Pick: coupon.Dearest}, []int64{0, 800}},
		"the first in the cart":               {lines(product("tea", "6.00", 1), product("cup", "5.00", 1), product("mug", "9.00", 1)), coupon.BuyGet{Buy: 2, Get: 1, Pick: coupon.CartOrder}, []int64{600, 0, 0}},
		"half off, rounded once":              {lines(item("0.05", 6)), coupon.BuyGet{Buy: 1, Get: 1, Rate: half}, []int64{8}},
		"other goods":                         {lines(product("tea", "5.00", 2), product("cup", "8.00", 3)), other, []int64{0, 1600}},
		"more to buy than to get":             {lines(product("tea", "5.00", 3), product("cup", "8.00", 1)), other, []int64{0, 800}},
		"too little to buy for all":           {lines(product("tea", "5.00", 3), product("cup", "8.00", 9)), coupon.BuyGet{Buy: 2, Get: 1, BuyOf: products("tea"), GetOf: products("cup")}, []int64{0, 800}},
		"too little to get for all":           {lines(product("tea", "5.00", 9), product("cup", "8.00", 3)), coupon.BuyGet{Buy: 1, Get: 2, BuyOf: products("tea"), GetOf: products("cup")}, []int64{0, 1600}},
		"what can only be bought is bought":   {lines(product("tea", "5.00", 2), product("cup", "8.00", 2)), coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("tea", "cup"), GetOf: products("cup")}, []int64{0, 1600}},
		"the cheapest of the others":          {lines(product("tea", "5.00", 1), product("cup", "8.00", 1), product("cup", "6.00", 1)), other, []int64{0, 0, 600}},
		"what is bought may be got":           {lines(product("tea", "5.00", 3)), overlap, []int64{500}},
		"but not both":                        {lines(product("tea", "1.00", 2), product("cup", "8.00", 1)), overlap, []int64{0, 800}},
		"the cheapest that leave enough":      {lines(product("tea", "1.00", 4), product("cup", "8.00", 2)), overlap, []int64{0, 1600}},
		"one tea is left over, and free":      {lines(product("tea", "1.00", 5), product("cup", "8.00", 2)), overlap, []int64{100, 800}},
		"a floor keeps a part of it":          {lines(floor("5.00", 3, "2.00")), same, []int64{300}},
		"free goods are taken first":          {lines(item("5.00", 5), item("0.00", 1)), same, []int64{500, 0}},
		"buy one hundred, get fifty":          {lines(item("1.00", 449)), coupon.BuyGet{Buy: 100, Get: 50}, []int64{10000}},
		"named, though it is in another list": {lines(product("cup", "8.00", 4)), coupon.BuyGet{Buy: 1, Get: 1, GetOf: products("cup", "tea")}, []int64{1600}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), giving("a", c.benefit))
			require.Empty(t, q.Refused())
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
	for name, cart := range map[string]coupon.Cart{
		"too few": cartOf(product("tea", "5.00", 2)), "only the others": cartOf(product("cup", "5.00", 9)),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, coupon.ReasonIncomplete, refusedAs(t, cart, giving("a", overlap)).Reason)
		})
	}
}

// An offer uses up what only it can, and nothing where it takes nothing off, so that the
// next such offer finds the rest.
func TestBuyGetLeavesWhatOthersCanUse(t *testing.T) {
	cups := coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("cup"), GetOf: products("cup")}
	teaOrCup := coupon.BuyGet{Buy: 1, Get: 1, Max: 1, BuyOf: products("tea", "cup"), GetOf: products("cup")}
	q := decide(t, cartOf(product("tea", "5.00", 1), product("cup", "8.00", 3)), first(freely(giving("a", teaOrCup))), freely(giving("b", cups)))
	assert.Equal(t, []string{"a", "b"}, applied(q))
	assert.Equal(t, []int64{0, 1600}, off(q))
	sample := coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("cup"), GetOf: products("sample")}
	q = decide(t, cartOf(product("sample", "0.00", 1), product("cup", "8.00", 2)), first(freely(giving("a", sample))), freely(giving("b", cups)))
	assert.Equal(t, []string{"b"}, applied(q))
	assert.Equal(t, []int64{0, 800}, off(q))
}

func TestTiers(t *testing.T) {
	spend := coupon.Tiers{Spend: []coupon.SpendTier{
		{From: euros("50.00"), Amounts: euros("5.00")}, {From: euros("100.00"), Rate: ledger.MustRate("10")}, {From: euros("200.00"), Rate: ledger.MustRate("15")},
	}}
	quantity := coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 3, Rate: ledger.MustRate("10")}, {From: 6, Amounts: euros("20.00")}}}
	for name, c := range map[string]struct {
		cart   coupon.Cart
		offers []coupon.Offer
		want   int64
	}{
		"exactly the first step":         {cartOf(item("25.00", 2)), offers(giving("a", spend)), 500},
		"below the second":               {cartOf(item("99.99", 1)), offers(giving("a", spend)), 500},
		"exactly the second":             {cartOf(item("50.00", 2)), offers(giving("a", spend)), 1000},
		"above the last":                 {cartOf(item("300.00", 1)), offers(giving("a", spend)), 4500},
		"by prices before other offers":  {cartOf(item("100.00", 1)), offers(freely(giving("a", spend)), freely(percentOff("b", "50"))), 5500},
		"by spend after what lines lose": {cartOf(item("60.00", 1)), offers(freely(giving("a", spend)), freely(percentOff("b", "50"))), 3500},
		"by units before orders lose":    {cartOf(item("20.00", 3)), offers(freely(amountOff("a", "10.00")), freely(giving("b", quantity))), 1600},
		"three units":                    {cartOf(item("10.00", 2), item("5.00", 1)), offers(giving("a", quantity)), 250},
		"six units":                      {cartOf(item("10.00", 6)), offers(giving("a", quantity)), 2000},
		"an amount above what they cost": {cartOf(item("1.00", 6)), offers(giving("a", quantity)), 600},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, c.cart, c.offers...)
			require.Empty(t, q.Refused())
			assert.Equal(t, c.want, q.Discount.Minor())
			checkSums(t, q)
		})
	}
	// The units of all lines that count are counted together, and share what comes off by
	// what they cost.
	cups := changed(giving("a", quantity), func(o *coupon.Offer) { o.Scope.Out = products("pot") })
	pot := with(item("50.00", 9), func(l *coupon.Line) { l.Product = "pot" })
	for name, c := range map[string]struct {
		lines  []coupon.Line
		offers []coupon.Offer
		want   []int64 // off each line
	}{
		"a percentage of all lines":         {[]coupon.Line{item("10.00", 1), item("7.35", 1), item("0.05", 1)}, offers(cups), []int64{100, 74, 0}},
		"an amount over lines":              {[]coupon.Line{item("10.00", 3), item("20.00", 2), item("30.00", 1)}, offers(cups), []int64{600, 800, 600}},
		"one unit less, over lines":         {[]coupon.Line{item("10.00", 3), item("20.00", 2)}, offers(cups), []int64{300, 400}},
		"lines that do not count":           {[]coupon.Line{item("10.00", 2), pot, item("10.00", 1)}, offers(cups), []int64{200, 0, 100}},
		"units for nothing count":           {[]coupon.Line{item("10.00", 1), item("0.00", 5)}, offers(cups), []int64{1000, 0}},
		"one line goes down to its floor":   {[]coupon.Line{floor("10.00", 3, "9.00"), item("20.00", 3)}, offers(cups), []int64{300, 1700}},
		"lines cut by an offer before them": {[]coupon.Line{item("10.00", 3), item("20.00", 3)}, offers(freely(cups), first(freely(giving("b", coupon.PercentOff{Rate: half, Units: someUnits(1, coupon.Cheapest)})))), []int64{500 + 588, 1412}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), c.offers...)
			require.Empty(t, q.Refused())
			assert.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
	t.Run("what is missing for the first step", func(t *testing.T) {
		r := refusedAs(t, cartOf(item("42.00", 1)), giving("a", spend))
		assert.Equal(t, coupon.ReasonMinimumSpend, r.Reason)
		assert.Equal(t, eur("8.00"), r.Missing)
		r = refusedAs(t, cartOf(item("42.00", 1)), giving("a", quantity))
		assert.Equal(t, []any{coupon.ReasonMinimumQuantity, int64(1), int64(3)}, []any{r.Reason, r.FoundUnits, r.NeededUnits})
	})
}

func TestShipping(t *testing.T) {
	deliver := func(id, seller, price string) coupon.Shipping {
		return coupon.Shipping{ID: id, Seller: seller, Price: eur(price)}
	}
	two := []coupon.Shipping{deliver("1", "acme", "4.90"), deliver("2", "zeta", "2.90")}
	by := []coupon.Shipping{{ID: "1", Method: "courier", Price: eur("9.90")}, {ID: "2", Method: "post", Price: eur("4.95")}, {ID: "3", Price: eur("1.00")}}
	for name, c := range map[string]struct {
		shipping []coupon.Shipping
		benefit  coupon.ShippingOff
		want     []int64
	}{
		"free":                              {two, coupon.ShippingOff{Rate: whole}, []int64{490, 290}},
		"half":                              {two, coupon.ShippingOff{Rate: half}, []int64{245, 145}},
		"a percentage is rounded once":      {[]coupon.Shipping{deliver("1", "", "0.05"), deliver("2", "", "0.05"), deliver("3", "", "0.05")}, coupon.ShippingOff{Rate: ledger.MustRate("10")}, []int64{1, 1, 0}},
		"the shorter id has the last coin":  {[]coupon.Shipping{deliver("10", "", "0.05"), deliver("9", "", "0.05")}, coupon.ShippingOff{Rate: ledger.MustRate("10")}, []int64{0, 1}},
		"an amount off each":                {two, coupon.ShippingOff{Amounts: euros("3.00")}, []int64{300, 290}},
		"three at most":                     {two, coupon.ShippingOff{Highest: euros("3.00")}, []int64{190, 0}},
		"nothing at most":                   {two, coupon.ShippingOff{Highest: euros("0.00")}, []int64{490, 290}},
		"of one seller":                     {two, coupon.ShippingOff{Rate: whole, Sellers: []string{"zeta"}}, []int64{0, 290}},
		"of a delivery that costs nothing":  {[]coupon.Shipping{deliver("1", "", "0.00"), deliver("2", "", "1.00")}, coupon.ShippingOff{Rate: half}, []int64{0, 50}},
		"by one method":                     {by, coupon.ShippingOff{Rate: whole, Methods: []string{"post"}}, []int64{0, 495, 0}},
		"by two methods":                    {by, coupon.ShippingOff{Amounts: euros("5.00"), Methods: []string{"post", "courier"}}, []int64{500, 495, 0}},
		"an amount off two together":        {by, coupon.ShippingOff{Amounts: euros("5.00"), Together: true, Methods: []string{"post", "courier"}}, []int64{333, 167, 0}},
		"an amount together, for all":       {two, coupon.ShippingOff{Amounts: euros("9.00"), Together: true}, []int64{490, 290}},
		"an amount, of one seller, for all": {two, coupon.ShippingOff{Amounts: euros("9.00"), Sellers: []string{"acme", "omega"}}, []int64{490, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(item("10.00", 1))
			cart.Shipping = c.shipping
			q := decide(t, cart, giving("a", c.benefit))
			require.Empty(t, q.Refused())
			var got []int64
			for _, d := range q.Deliveries() {
				got = append(got, d.Price.Minor()-d.Total.Minor())
			}
			assert.Equal(t, c.want, got)
			checkSums(t, q)
		})
	}
	t.Run("nothing is delivered", func(t *testing.T) {
		for _, benefit := range []coupon.ShippingOff{{Rate: whole}, {Amounts: euros("1.00"), Together: true}} {
			assert.Equal(t, coupon.ReasonNothingOff, refusedAs(t, cartOf(item("10.00", 1)), giving("a", benefit)).Reason)
		}
	})
	t.Run("after the lines, of what is left", func(t *testing.T) {
		cart := cartOf(item("10.00", 1))
		cart.Shipping = two
		q := decide(t, cart, first(freely(giving("a", coupon.ShippingOff{Rate: half}))), freely(giving("b", coupon.ShippingOff{Highest: euros("2.00")})), freely(percentOff("c", "10")))
		require.Equal(t, []string{"c", "a", "b"}, applied(q))
		assert.Equal(t, eur("9.00").Minor()+200+145, q.Total.Minor())
		checkSums(t, q)
	})
	t.Run("not of a seller that keeps out of it", func(t *testing.T) {
		cart := cartOf(item("10.00", 1))
		cart.Shipping = two
		for _, c := range []struct {
			exclusion coupon.Exclusion
			want      int64
		}{
			{coupon.Exclusion{Seller: "zeta"}, 490},
			{coupon.Exclusion{Seller: "zeta", Products: []string{"cup"}}, 780},
			{coupon.Exclusion{Seller: "zeta", Offers: []string{"b"}}, 780},
		} {
			facts := coupon.Facts{Exclusions: []coupon.Exclusion{c.exclusion}}
			q, err := coupon.Decide(cart, candidates(t, giving("a", coupon.ShippingOff{Rate: whole})), facts, noon)
			require.NoError(t, err)
			assert.Equal(t, c.want, q.Discount.Minor())
		}
	})
}

// A percentage, an amount and a highest price say the same in different ways: two of
// them would contradict each other.
func TestBenefitsSayOneThing(t *testing.T) {
	for path, benefit := range map[string]coupon.Benefit{
		"benefit.amounts":     coupon.BuyGet{Buy: 1, Get: 1, Rate: half, Amounts: euros("1.00")},
		"benefit.amounts.EUR": coupon.BuyGet{Buy: 1, Get: 1, Amounts: euros("0.00")},
		"benefit":             coupon.ShippingOff{Rate: half, Amounts: euros("1.00"), Together: true},
		"benefit.pick":        coupon.BuyGet{Buy: 1, Get: 1, Pick: coupon.CartOrder + 1},
		"benefit.together":    coupon.ShippingOff{Rate: half, Together: true},
		"benefit.methods[0]":  coupon.ShippingOff{Rate: half, Methods: []string{""}},
	} {
		var faults *coupon.Faults
		offer := giving("a", benefit)
		require.ErrorAs(t, offer.Validate(), &faults, path)
		assert.Equal(t, path, faults.Faults[0].Path)
		assert.Len(t, faults.Faults, 1)
	}
	var faults *coupon.Faults
	cart := cartOf(item("1.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "1", Method: "\n", Price: eur("1.00")}}
	require.ErrorAs(t, cart.Validate(), &faults)
	assert.Equal(t, "shipping[0].method", faults.Faults[0].Path)
}

// applied are the offers that apply, in the order in which they were worked out.
func applied(q *coupon.Quote) []string {
	var ids []string
	for _, a := range q.Applied() {
		ids = append(ids, a.Offer)
	}
	return ids
}

func TestGifts(t *testing.T) {
	gift := giving("mug", coupon.GiftLine{Product: "mug", Quantity: 2})
	q := decide(t, cartOf(item("10.00", 1)), gift)
	require.Equal(t, []string{"mug"}, applied(q))
	assert.Equal(t, []coupon.Gift{{Applied: 0, Product: "mug", Quantity: 2}}, q.Gifts())
	assert.Equal(t, q.Subtotal, q.Total)
	checkSums(t, q)

	q = decide(t, cartOf(item("10.00", 1)), freely(gift), freely(percentOff("a", "10")))
	assert.Equal(t, []coupon.Gift{{Applied: 1, Product: "mug", Quantity: 2}}, q.Gifts())
	checkSums(t, q)

	s := newShop(t, limited(gift, coupon.Limit{Uses: 1}))
	s.public("mug", "MUG")
	r := s.redeem("o", cartOf(item("10.00", 1)), coupon.Choose("MUG"), noon)
	assert.Equal(t, []coupon.Gift{{Applied: 0, Product: "mug", Quantity: 2}}, r.Gifts)
	assert.Equal(t, coupon.ReasonLimit, s.refuses(cartOf(item("10.00", 1)), coupon.Choose("MUG"), noon).Reason)
	_, err := s.Refund(ctx, "o", coupon.RefundRequest{ID: "r", Everything: true}, noon)
	require.NoError(t, err)
	s.applies(cartOf(item("10.00", 1)), coupon.Choose("MUG"), noon)
}

// unit is one unit of a small cart, for trying out every use of it.
type unit struct {
	product string
	price   int64
}

func drawUnits(t *rapid.T) ([]unit, coupon.Cart) {
	var all []unit
	var cart []coupon.Line
	for range rapid.IntRange(1, 4).Draw(t, "lines") {
		name, price, n := oneOf(t, "product", "tea", "cup", "mug"), rapid.Int64Range(0, 9).Draw(t, "price"), rapid.Int64Range(1, 3).Draw(t, "units")
		cart = append(cart, coupon.Line{Product: name, Quantity: n, UnitPrice: ledger.Minor(price, euro)})
		for range n {
			all = append(all, unit{name, price})
		}
	}
	return all, cartOf(cart...)
}

func someProducts(t *rapid.T, label string) coupon.Lists {
	return products(someOf(t, label, "tea", "cup", "mug")...)
}

func names(l coupon.Lists, u unit) bool {
	if len(l.Products) == 0 {
		return true
	}
	for _, p := range l.Products {
		if p == u.product {
			return true
		}
	}
	return false
}

// discount is what an offer takes off a cart; 0 when it is refused.
func discount(t *rapid.T, cart coupon.Cart, b coupon.Benefit) int64 {
	v, err := coupon.NewVersion(giving("a", b))
	require.NoError(t, err)
	q, err := coupon.Decide(cart, []coupon.Candidate{{Version: v}}, coupon.Facts{}, noon)
	require.NoError(t, err)
	checkSums(t, q)
	return q.Discount.Minor()
}

// Every unit is bought, got or neither: of all ways with the most repeats, the one
// that gives the least for nothing, or the most.
func TestBuyGetTriesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, cart := drawUnits(t)
		b := coupon.BuyGet{
			Buy: rapid.Int64Range(1, 3).Draw(t, "buy"), Get: rapid.Int64Range(1, 2).Draw(t, "get"),
			BuyOf: someProducts(t, "buy of"), GetOf: someProducts(t, "get of"), Max: rapid.Int64Range(0, 2).Draw(t, "max"),
		}
		dearest := rapid.Bool().Draw(t, "dearest")
		if dearest {
			b.Pick = coupon.Dearest
		}
		least := make(map[[2]int64]int64) // of units bought and got, the cheapest got, or the dearest
		least[[2]int64{}] = 0
		for _, u := range all {
			next := make(map[[2]int64]int64)
			better := func(k [2]int64, cost int64) {
				if had, known := next[k]; !known || (cost < had) != dearest {
					next[k] = cost
				}
			}
			for k, cost := range least {
				better(k, cost)
				if names(b.BuyOf, u) {
					better([2]int64{k[0] + 1, k[1]}, cost)
				}
				if names(b.GetOf, u) {
					better([2]int64{k[0], k[1] + 1}, cost+u.price)
				}
			}
			least = next
		}
		want := int64(0)
		for n := int64(1); b.Max == 0 || n <= b.Max; n++ {
			cost, possible := least[[2]int64{n * b.Buy, n * b.Get}]
			if !possible {
				break
			}
			want = cost
		}
		require.Equal(t, want, discount(t, cart, b))
	})
}

// Units that one offer has used are not there for the next: of like units each finds
// what those before it left.
func TestBuyGetsShareUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		left := rapid.Int64Range(1, 40).Draw(t, "units")
		cart := cartOf(item("10.00", left))
		var all []coupon.Candidate
		var want int64
		for i := range rapid.IntRange(1, 4).Draw(t, "offers") {
			b := coupon.BuyGet{
				Buy: rapid.Int64Range(1, 4).Draw(t, "buy"), Get: rapid.Int64Range(1, 3).Draw(t, "get"), Max: rapid.Int64Range(1, 3).Draw(t, "max"),
			}
			v, err := coupon.NewVersion(freely(giving(string(rune('a'+i)), b)))
			require.NoError(t, err)
			all = append(all, coupon.Candidate{Version: v})
			repeats := min(b.Max, left/(b.Buy+b.Get))
			left -= repeats * (b.Buy + b.Get)
			want += repeats * b.Get * 1000
		}
		q, err := coupon.Decide(cart, all, coupon.Facts{}, noon)
		require.NoError(t, err)
		require.Equal(t, want, q.Discount.Minor())
		checkSums(t, q)
	})
}

// What a limit of money refuses has used no unit.
func TestRefusedSetsUseNoUnits(t *testing.T) {
	first := limited(freely(giving("a", coupon.BuyGet{Buy: 1, Get: 1})), coupon.Limit{Money: euros("5.00")})
	q := decide(t, cartOf(item("10.00", 2)), first, freely(giving("b", coupon.BuyGet{Buy: 1, Get: 1, Rate: half})))
	assert.Equal(t, int64(500), q.Discount.Minor())
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, coupon.ReasonLimit, q.Refused()[0].Reason)
}

// Every unit serves one item or none: of all ways with the most sets, the cheapest
// or the dearest units.
func TestBundlesTryOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, cart := drawUnits(t)
		b := coupon.BundlePrice{Prices: euros("0.00"), Max: rapid.Int64Range(0, 2).Draw(t, "max"), Pick: coupon.Pick(rapid.IntRange(0, 1).Draw(t, "pick"))}
		for range rapid.IntRange(1, 3).Draw(t, "items") {
			b.Items = append(b.Items, coupon.BundleItem{Of: someProducts(t, "of"), Units: rapid.Int64Range(1, 2).Draw(t, "units")})
		}
		best := map[[3]int64]int64{{}: 0} // of units serving each item, the best cost
		for _, u := range all {
			next := make(map[[3]int64]int64)
			better := func(k [3]int64, cost int64) {
				had, known := next[k]
				if !known || b.Pick == coupon.Cheapest && cost < had || b.Pick == coupon.Dearest && cost > had {
					next[k] = cost
				}
			}
			for k, cost := range best {
				better(k, cost)
				for i, item := range b.Items {
					if names(item.Of, u) {
						with := k
						with[i]++
						better(with, cost+u.price)
					}
				}
			}
			best = next
		}
		want := int64(0)
		for n := int64(1); b.Max == 0 || n <= b.Max; n++ {
			var need [3]int64
			for i, item := range b.Items {
				need[i] = n * item.Units
			}
			cost, possible := best[need]
			if !possible {
				break
			}
			want = cost
		}
		require.Equal(t, want, discount(t, cart, b))
	})
}

// A percentage off some units is that of the cheapest, dearest or first of them.
func TestUnitCapsTryOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, cart := drawUnits(t)
		u := coupon.Units{Max: rapid.Int64Range(1, 8).Draw(t, "units"), Pick: coupon.Pick(rapid.IntRange(0, 2).Draw(t, "pick"))}
		u.PerLine = rapid.Bool().Draw(t, "of each line")
		want := int64(0)
		sum := func(prices []int64) {
			sortBy(prices, u.Pick)
			for _, price := range prices[:min(len(prices), int(u.Max))] {
				want += price
			}
		}
		var prices []int64
		if u.PerLine {
			for _, l := range cart.Lines {
				sum(slices.Repeat([]int64{l.UnitPrice.Minor()}, int(l.Quantity)))
			}
		} else {
			for _, one := range all {
				prices = append(prices, one.price)
			}
			sum(prices)
		}
		require.Equal(t, want, discount(t, cart, coupon.PercentOff{Rate: whole, Units: u}))
		require.Equal(t, want, discount(t, cart, coupon.FixedPrice{Prices: euros("0.00"), Units: u}))
		require.Equal(t, want, discount(t, cart, coupon.AmountOffEach{Amounts: euros("0.09"), Units: u}))
	})
}

// The work grows with lines and never with units.
func TestUnitsCostNothing(t *testing.T) {
	cart := func(quantity int64) coupon.Cart {
		var all []coupon.Line
		for i := range 30 {
			all = append(all, product([]string{"tea", "cup"}[i%2], fmt.Sprintf("%d.99", 1+i), quantity))
		}
		return cartOf(all...)
	}
	for name, benefit := range map[string]func(n int64) coupon.Benefit{
		"percent": func(n int64) coupon.Benefit {
			return coupon.PercentOff{Rate: half, Units: someUnits(7*n, coupon.Dearest)}
		},
		"each": func(n int64) coupon.Benefit {
			return coupon.AmountOffEach{Amounts: euros("1.00"), Units: someUnits(7*n, coupon.Cheapest)}
		},
		"fixed": func(n int64) coupon.Benefit {
			return coupon.FixedPrice{Prices: euros("5.00"), Units: someUnits(7*n, coupon.CartOrder)}
		},
		"buy get": func(n int64) coupon.Benefit { return coupon.BuyGet{Buy: 2, Get: 1} },
		"bundle": func(n int64) coupon.Benefit {
			return bundle("3.00", coupon.BundleItem{Of: products("tea"), Units: 1}, coupon.BundleItem{Units: 1})
		},
		"quantity": func(n int64) coupon.Benefit {
			return coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 30 * n, Rate: half}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			few, many := cart(1), cart(200)
			offer, offerMany := candidates(t, giving("a", benefit(1))), candidates(t, giving("a", benefit(200)))
			a, err := coupon.Decide(few, offer, coupon.Facts{}, noon)
			require.NoError(t, err)
			b, err := coupon.Decide(many, offerMany, coupon.Facts{}, noon)
			require.NoError(t, err)
			checkSums(t, b)
			require.InDelta(t, 200*a.Discount.Minor(), b.Discount.Minor(), 200)
			allocated := func(cart coupon.Cart, c []coupon.Candidate) float64 {
				return testing.AllocsPerRun(5, func() { _, _ = coupon.Decide(cart, c, coupon.Facts{}, noon) })
			}
			require.InDelta(t, allocated(few, offer), allocated(many, offerMany), 60)
		})
	}
}

func sortBy(prices []int64, pick coupon.Pick) {
	switch pick {
	case coupon.Cheapest:
		slices.Sort(prices)
	case coupon.Dearest:
		slices.Sort(prices)
		slices.Reverse(prices)
	}
}

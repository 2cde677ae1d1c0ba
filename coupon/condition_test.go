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
)

func asking(o coupon.Offer, all ...coupon.Condition) coupon.Offer {
	o.Conditions = all
	return o
}

func spend(amount string) coupon.MinimumSpend { return coupon.MinimumSpend{Amounts: euros(amount)} }

func not(c coupon.Condition) coupon.Not { return coupon.Not{Condition: c} }

func TestConditions(t *testing.T) {
	app, berlin := coupon.Channel{Any: []string{"app", "kiosk"}}, coupon.Attribute{Name: "city", Any: []string{"Berlin"}}
	guest := func(c *coupon.Cart) { c.Customer.Key = "" }
	orders := func(n int64) func(*coupon.Cart) { return func(c *coupon.Cart) { c.Customer.Orders = n } }
	tea := func(n int64) coupon.Condition { return coupon.Contains{Of: products("tea"), Units: n} }
	gold, dollars := coupon.InSegment{Any: []string{"gold"}}, coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.MustMoney("1.00", usd)}}
	for name, c := range map[string]struct {
		condition coupon.Condition
		change    func(*coupon.Cart)
		reason    coupon.Reason // empty: it holds
	}{
		"enough units":                        {coupon.MinimumQuantity{Units: 3}, nil, ""},
		"too few units":                       {coupon.MinimumQuantity{Units: 4}, nil, coupon.ReasonMinimumQuantity},
		"contains":                            {tea(0), nil, ""},
		"contains two":                        {tea(2), nil, ""},
		"does not contain three":              {tea(3), nil, coupon.ReasonContains},
		"contains lines that do not count":    {coupon.Contains{Of: products("cup")}, nil, ""},
		"a new customer":                      {coupon.NewCustomer{}, nil, ""},
		"no new customer":                     {coupon.NewCustomer{}, orders(1), coupon.ReasonOrderNumber},
		"a guest may be any customer":         {coupon.NewCustomer{}, guest, coupon.ReasonCustomer},
		"the second order":                    {coupon.NthOrder{From: 2, To: 2}, orders(1), ""},
		"not yet the second order":            {coupon.NthOrder{From: 2}, orders(0), coupon.ReasonOrderNumber},
		"past the second order":               {coupon.NthOrder{From: 1, To: 2}, orders(2), coupon.ReasonOrderNumber},
		"from the second order on":            {coupon.NthOrder{From: 2}, orders(9), ""},
		"a guest has no second order":         {coupon.NthOrder{From: 2}, guest, coupon.ReasonCustomer},
		"the country":                         {coupon.Country{Any: []string{"FR", "DE"}}, nil, ""},
		"another country":                     {coupon.Country{Any: []string{"de"}}, nil, coupon.ReasonSale},
		"no country":                          {coupon.Country{Any: []string{"DE"}}, func(c *coupon.Cart) { c.Country = "" }, coupon.ReasonSale},
		"the channel":                         {app, nil, ""},
		"another channel":                     {app, func(c *coupon.Cart) { c.Channel = "web" }, coupon.ReasonSale},
		"the payment method":                  {coupon.Payment{Any: []string{"card"}}, nil, ""},
		"another payment method":              {coupon.Payment{Any: []string{"cash"}}, nil, coupon.ReasonSale},
		"the attribute":                       {berlin, nil, ""},
		"another value":                       {berlin, func(c *coupon.Cart) { c.Attributes["city"] = "Paris" }, coupon.ReasonSale},
		"no attribute":                        {berlin, func(c *coupon.Cart) { c.Attributes = nil }, coupon.ReasonSale},
		"all":                                 {coupon.All{app, berlin}, nil, ""},
		"all but one":                         {coupon.All{app, gold, berlin}, nil, coupon.ReasonSegment},
		"the certain one of all":              {coupon.All{coupon.NewCustomer{}, gold}, guest, coupon.ReasonSegment},
		"any":                                 {coupon.Any{gold, berlin}, nil, ""},
		"none":                                {coupon.Any{gold, coupon.Country{Any: []string{"FR"}}}, nil, coupon.ReasonSegment},
		"the first of none":                   {coupon.Any{spend("99.00"), gold}, nil, coupon.ReasonMinimumSpend},
		"the nearest of none":                 {coupon.Any{gold, spend("99.00"), spend("30.00")}, nil, coupon.ReasonMinimumSpend},
		"not":                                 {not(gold), nil, ""},
		"not what holds":                      {not(app), nil, coupon.ReasonExcluded},
		"not not":                             {not(not(app)), nil, ""},
		"not any":                             {not(coupon.Any{gold, app}), nil, coupon.ReasonExcluded},
		"not all":                             {not(coupon.All{gold, app}), nil, ""},
		"a guest is not an old customer":      {not(coupon.NewCustomer{}), guest, coupon.ReasonCustomer},
		"nor twice denied":                    {not(not(coupon.NewCustomer{})), guest, coupon.ReasonCustomer},
		"nor one of several":                  {not(coupon.Any{gold, coupon.NewCustomer{}}), guest, coupon.ReasonSegment},
		"no amount is not too little":         {not(dollars), nil, coupon.ReasonCurrency},
		"what fails anyway decides":           {not(coupon.All{dollars, gold}), nil, ""},
		"what holds anyway decides":           {coupon.Any{dollars, app}, nil, ""},
		"a condition eight deep":              {not(not(not(not(not(not(not(gold))))))), nil, ""},
		"a tree":                              {coupon.Any{coupon.All{gold, app}, coupon.All{app, not(gold), coupon.Any{berlin}}}, nil, ""},
		"a minimum of the cart":               {coupon.MinimumSpend{Amounts: euros("70.00"), Cart: true}, nil, ""},
		"too little in the cart":              {coupon.MinimumSpend{Amounts: euros("70.01"), Cart: true}, nil, coupon.ReasonMinimumSpend},
		"a minimum of some goods":             {coupon.MinimumSpend{Amounts: euros("60.00"), Of: products("mug", "cup")}, nil, ""},
		"too little of some goods":            {coupon.MinimumSpend{Amounts: euros("60.01"), Of: products("mug", "cup")}, nil, coupon.ReasonMinimumSpend},
		"none of some goods":                  {coupon.MinimumSpend{Amounts: euros("0.01"), Of: products("pot")}, nil, coupon.ReasonMinimumSpend},
		"not beyond a maximum":                {not(coupon.MinimumSpend{Amounts: euros("70.01"), Cart: true}), nil, ""},
		"beyond a maximum":                    {not(coupon.MinimumSpend{Amounts: euros("70.00"), Cart: true}), nil, coupon.ReasonExcluded},
		"enough units in the cart":            {coupon.MinimumQuantity{Units: 4, Cart: true}, nil, ""},
		"too few units in the cart":           {coupon.MinimumQuantity{Units: 5, Cart: true}, nil, coupon.ReasonMinimumQuantity},
		"a minimum spend of those that count": {spend("20.01"), nil, coupon.ReasonMinimumSpend},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(item("5.00", 2), item("10.00", 1), product("cup", "50.00", 1))
			cart.Lines[1].Product = "mug"
			cart.Country, cart.Channel, cart.Payment, cart.Attributes = "DE", "app", "card", map[string]string{"city": "Berlin"}
			if c.change != nil {
				c.change(&cart)
			}
			offer := asking(changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Scope.Out = products("cup") }), c.condition)
			if c.reason == "" {
				q := decide(t, cart, offer)
				require.Empty(t, q.Refused())
				require.Equal(t, eur("2.00"), q.Discount)
				return
			}
			r := refusedAs(t, cart, offer)
			assert.Equal(t, c.reason, r.Reason)
			assert.NotEmpty(t, r.Shopper())
			assert.NotContains(t, r.Error(), "%!")
		})
	}
	for _, c := range []struct {
		condition       coupon.Condition
		staff, shoppers string
	}{
		{coupon.MinimumSpend{Amounts: euros("25.00"), Cart: true}, "the products in the cart cost 20.00 EUR, needed 25.00 EUR: 5.00 EUR are missing", `Spend €5.00 more to use "a".`},
		{coupon.MinimumSpend{Amounts: euros("25.00"), Of: products("tea")}, "the products it asks for cost 20.00 EUR, needed 25.00 EUR: 5.00 EUR are missing", `Spend €5.00 more on the products that "a" asks for.`},
		{coupon.MinimumQuantity{Units: 3, Cart: true}, "1 units of the products in the cart, needed 3: 2 are missing", `Add 2 more products to use "a".`},
		{gold, `the customer's segments are "silver", wanted one of gold`, `"a" is not for this order.`},
		{coupon.NthOrder{From: 1}, "", ""},
		{coupon.NthOrder{From: 2}, "this is the customer's order 1, wanted 2 or a later one", `"a" is not for this order.`},
		{coupon.NthOrder{From: 2, To: 2}, "this is the customer's order 1, wanted 2", `"a" is not for this order.`},
		{coupon.NthOrder{From: 2, To: 4}, "this is the customer's order 1, wanted 2 to 4", `"a" is not for this order.`},
		{not(coupon.NewCustomer{}), `it excludes what holds: the order number is "1"`, `"a" is not for this order.`},
		{not(spend("20.00")), `it excludes what holds: the spend is "20.00 EUR"`, `"a" is not for this order.`},
		{not(coupon.MinimumQuantity{Units: 1}), `it excludes what holds: the units is "1"`, `"a" is not for this order.`},
		{not(tea(1)), `it excludes what holds: the units of some products is "1"`, `"a" is not for this order.`},
		{not(coupon.InSegment{Any: []string{"silver"}}), `it excludes what holds: the segment is "silver"`, `"a" is not for this order.`},
		{not(app), `it excludes what holds: the channel is "app"`, `"a" is not for this order.`},
		{not(coupon.Country{Any: []string{"DE"}}), `it excludes what holds: the country is "DE"`, `"a" is not for this order.`},
		{not(coupon.Payment{Any: []string{"card"}}), `it excludes what holds: the payment method is "card"`, `"a" is not for this order.`},
		{not(berlin), `it excludes what holds: the city is "Berlin"`, `"a" is not for this order.`},
		{coupon.Any{coupon.MinimumSpend{Amounts: euros("25.00"), Cart: true}, coupon.MinimumSpend{Amounts: euros("25.00"), Of: products("tea")}}, "the products in the cart cost 20.00 EUR, needed 25.00 EUR: 5.00 EUR are missing", `Spend €5.00 more to use "a".`},
		{not(coupon.Any{berlin}), "something holds that it excludes", `"a" is not for this order.`},
	} {
		cart := cartOf(item("20.00", 1))
		cart.Country, cart.Channel, cart.Payment, cart.Attributes = "DE", "app", "card", map[string]string{"city": "Berlin"}
		cart.Customer.Segments = []string{"silver"}
		q := decide(t, cart, asking(percentOff("a", "10"), c.condition))
		if c.staff == "" {
			assert.Empty(t, q.Refused())
			continue
		}
		require.Len(t, q.Refused(), 1)
		assert.Equal(t, `coupon: refused: offer "a": `+c.staff, q.Refused()[0].Error())
		assert.Equal(t, c.shoppers, q.Refused()[0].Shopper())
	}
	t.Run("the figures of the nearest", func(t *testing.T) {
		r := refusedAs(t, cartOf(item("20.00", 1)), asking(percentOff("a", "10"), coupon.Any{gold, spend("99.00"), spend("30.00")}))
		assert.Equal(t, eur("10.00"), r.Missing)
	})
}

func TestMinimumSpendAfterOffers(t *testing.T) {
	after := func(amount string) coupon.Offer {
		return freely(asking(amountOff("after", "5.00"), coupon.MinimumSpend{Amounts: euros(amount), After: true}))
	}
	before := freely(percentOff("before", "50"))
	cart := cartOf(item("20.00", 1))
	assert.Equal(t, []string{"before", "after"}, applied(decide(t, cart, before, after("10.00"))))
	q := decide(t, cart, before, after("10.01"))
	require.Equal(t, []string{"before"}, applied(q))
	assert.Equal(t, []ledger.Money{eur("10.00"), eur("0.01")}, []ledger.Money{q.Refused()[0].Found, q.Refused()[0].Missing})
	assert.Equal(t, []string{"after"}, applied(decide(t, cart, after("20.00"))))
	of := func(m coupon.MinimumSpend) coupon.Offer {
		m.After = true
		return freely(asking(changed(amountOff("after", "5.00"), func(o *coupon.Offer) { o.Scope.Out = products("cup") }), m))
	}
	mixed := cartOf(item("20.00", 1), product("cup", "4.00", 1)) // 10.00 and 2.00 after the first offer
	for _, c := range []struct {
		m     coupon.MinimumSpend
		holds bool
	}{
		{coupon.MinimumSpend{Amounts: euros("12.00"), Cart: true}, true}, {coupon.MinimumSpend{Amounts: euros("12.01"), Cart: true}, false},
		{coupon.MinimumSpend{Amounts: euros("2.00"), Of: products("cup")}, true}, {coupon.MinimumSpend{Amounts: euros("2.01"), Of: products("cup")}, false},
	} {
		assert.Equal(t, c.holds, len(decide(t, mixed, before, of(c.m)).Applied()) == 2)
	}
	nested := asking(after("1.00"), coupon.All{coupon.Any{not(not(after("10.01").Conditions[0]))}})
	assert.Equal(t, []string{"before"}, applied(decide(t, cart, before, nested)))
}

func TestConditionFaults(t *testing.T) {
	deep := coupon.Condition(coupon.NewCustomer{})
	for range 8 {
		deep = not(deep)
	}
	for name, c := range map[string]struct {
		condition coupon.Condition
		want      []string
	}{
		"no units":                {coupon.MinimumQuantity{}, []string{"conditions[0].units"}},
		"contains nothing":        {coupon.Contains{Units: -1}, []string{"conditions[0].of", "conditions[0].units"}},
		"contains a hostile tag":  {coupon.Contains{Of: coupon.Lists{Tags: []string{"\n"}}}, []string{"conditions[0].of.tags[0]"}},
		"an order before all":     {coupon.NthOrder{}, []string{"conditions[0]"}},
		"orders backwards":        {coupon.NthOrder{From: 3, To: 2}, []string{"conditions[0]"}},
		"no country":              {coupon.Country{}, []string{"conditions[0].any"}},
		"an empty channel":        {coupon.Channel{Any: []string{""}}, []string{"conditions[0].any[0]"}},
		"no payment method":       {coupon.Payment{}, []string{"conditions[0].any"}},
		"a nameless attribute":    {coupon.Attribute{Any: []string{"a"}}, []string{"conditions[0].name"}},
		"nothing in all":          {coupon.All{}, []string{"conditions[0].conditions"}},
		"nothing in any":          {coupon.Any(nil), []string{"conditions[0].conditions"}},
		"not nothing":             {coupon.Not{}, []string{"conditions[0].conditions[0]"}},
		"a fault further down":    {coupon.Any{coupon.NewCustomer{}, coupon.All{not(spend("-1.00"))}}, []string{"conditions[0].conditions[1].conditions[0].conditions[0].amounts.EUR"}},
		"too deep":                {deep, []string{"conditions[0]" + strings.Repeat(".conditions[0]", 7) + ".conditions"}},
		"too many":                {coupon.Any(many(coupon.Condition(coupon.NewCustomer{}), 100)), []string{"conditions[0].conditions"}},
		"not registered":          {coupon.All{coupon.Predicate{Name: "pickup", Version: 2}}, []string{"conditions[0].conditions[0]"}},
		"hostile arguments":       {coupon.Predicate{Name: "pickup", Version: 1, Arguments: map[string]string{"\x00": "", "b": "\x00"}}, []string{"conditions[0].arguments", `conditions[0].arguments["b"]`}},
		"registered with nothing": {coupon.Predicate{Name: "empty", Version: 1}, []string{"conditions[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := asking(amountOff("a", "1.00"), c.condition)
			err := offer.Validate(pickup, coupon.RegisteredPredicate{Name: "empty", Version: 1})
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
	t.Run("as many arguments as may be, and one more", func(t *testing.T) {
		ask := coupon.Predicate{Name: "pickup", Version: 1, Arguments: make(map[string]string)}
		for n := range 21 {
			ask.Arguments[fmt.Sprint(n)] = ""
			offer := asking(amountOff("a", "1.00"), ask)
			assert.Equal(t, n < 20, offer.Validate(pickup) == nil, n+1)
		}
	})
	t.Run("a tree that contains itself", func(t *testing.T) {
		all := coupon.All{nil, coupon.NewCustomer{}}
		all[0] = all
		offer := asking(amountOff("a", "1.00"), all)
		require.ErrorIs(t, offer.Validate(), coupon.ErrOffer)
	})
}

var pickup = coupon.RegisteredPredicate{
	Name: "pickup", Version: 1, Attributes: []string{"store"}, Sentence: "the order is picked up in a store of the chain",
	Holds: func(attributes, arguments map[string]string) bool {
		return len(attributes) <= 1 && strings.HasPrefix(attributes["store"], arguments["chain"]) && attributes["store"] != ""
	},
}

func TestPredicates(t *testing.T) {
	ask := asking(amountOff("a", "1.00"), coupon.Predicate{Name: "pickup", Version: 1, Arguments: map[string]string{"chain": "north"}})
	ask.Automatic = true
	v, err := coupon.NewVersion(ask, pickup)
	require.NoError(t, err)
	cart := cartOf(item("10.00", 1))
	for store, holds := range map[string]bool{"": false, "south 1": false, "north 2": true} {
		cart.Attributes = map[string]string{"store": store, "secret": "is not passed on"}
		q, err := coupon.Decide(cart, []coupon.Candidate{{Version: v}}, coupon.Facts{}, noon)
		require.NoError(t, err)
		assert.Equal(t, holds, len(q.Applied()) == 1)
		if !holds {
			assert.Equal(t, []any{coupon.ReasonPredicate, pickup.Sentence}, []any{q.Refused()[0].Reason, q.Refused()[0].What})
			assert.Contains(t, q.Refused()[0].Error(), pickup.Sentence)
		}
	}

	cart.Attributes = map[string]string{"store": "north 2"}
	s := newShopOn(t, newShop(t).store, coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}}, ask)
	s.applies(cart, coupon.Choice{}, noon)
	_, err = coupon.New(s.store, coupon.Options{}).Quote(ctx, cart, coupon.Choice{}, noon)
	require.ErrorIs(t, err, coupon.ErrOffer, "what a published offer names must stay registered")
	_, err = newShop(t).Publish(ctx, ask, "staff", noon)
	require.ErrorIs(t, err, coupon.ErrOffer)
	assert.Equal(t, []string{"conditions[0]"}, paths(t, err))
}

// Conditions are judged as Kleene's logic says: true, false or not to be told.
func TestConditionsAreLogic(t *testing.T) {
	leaves := map[string]coupon.Condition{
		"true": coupon.Country{Any: []string{"DE"}}, "false": coupon.Country{Any: []string{"FR"}}, "unknown": coupon.NewCustomer{},
	}
	var tree func(t *rapid.T, depth int) (coupon.Condition, string)
	tree = func(t *rapid.T, depth int) (coupon.Condition, string) {
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		if depth == 0 || kind == 0 {
			name := oneOf(t, "leaf", "true", "false", "unknown")
			return leaves[name], name
		}
		if kind == 1 {
			inner, value := tree(t, depth-1)
			return not(inner), map[string]string{"true": "false", "false": "true", "unknown": "unknown"}[value]
		}
		var all []coupon.Condition
		values := make(map[string]bool)
		for range rapid.IntRange(1, 3).Draw(t, "branches") {
			c, value := tree(t, depth-1)
			all, values[value] = append(all, c), true
		}
		decisive, other := "false", "true"
		if kind == 3 {
			decisive, other = other, decisive
		}
		value := other
		if values["unknown"] {
			value = "unknown"
		}
		if values[decisive] {
			value = decisive
		}
		if kind == 2 {
			return coupon.All(all), value
		}
		return coupon.Any(all), value
	}
	rapid.Check(t, func(t *rapid.T) {
		condition, value := tree(t, 4)
		v, err := coupon.NewVersion(asking(percentOff("a", "10"), condition))
		require.NoError(t, err)
		cart := cartOf(item("10.00", 1))
		cart.Customer, cart.Country = coupon.Customer{}, "DE"
		q, err := coupon.Decide(cart, []coupon.Candidate{{Version: v}}, coupon.Facts{}, noon)
		require.NoError(t, err)
		require.Equal(t, value == "true", len(q.Applied()) == 1)
	})
}

func TestWeeklyWindows(t *testing.T) {
	berlin, cairo := "Europe/Berlin", "Africa/Cairo"
	evening := coupon.Window{Days: []time.Weekday{time.Friday}, From: "22:00", Until: "02:00"}
	for name, c := range map[string]struct {
		zone   string
		window coupon.Window
		at     string // an instant
		open   bool
	}{
		"before it opens":                     {berlin, evening, "2026-11-20T21:59:59+01:00", false},
		"its first instant":                   {berlin, evening, "2026-11-20T22:00:00+01:00", true},
		"over midnight":                       {berlin, evening, "2026-11-21T01:59:59+01:00", true},
		"its end":                             {berlin, evening, "2026-11-21T02:00:00+01:00", false},
		"the night before":                    {berlin, evening, "2026-11-20T01:00:00+01:00", false},
		"the night after":                     {berlin, evening, "2026-11-21T22:00:00+01:00", false},
		"by the clocks of the zone":           {berlin, evening, "2026-11-20T21:00:00Z", true},
		"a whole day":                         {berlin, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-11-20T00:00:00+01:00", true},
		"until its end":                       {berlin, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-11-20T23:59:59+01:00", true},
		"and not longer":                      {berlin, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-11-21T00:00:00+01:00", false},
		"every day":                           {berlin, coupon.Window{From: "09:00", Until: "17:00"}, "2026-11-22T09:00:00+01:00", true},
		"at no night":                         {berlin, coupon.Window{From: "09:00", Until: "17:00"}, "2026-11-22T17:00:00+01:00", false},
		"until midnight":                      {berlin, coupon.Window{From: "18:00", Until: "24:00"}, "2026-11-22T23:59:59+01:00", true},
		"from noon to noon":                   {berlin, coupon.Window{Days: []time.Weekday{time.Friday}, From: "12:00", Until: "12:00"}, "2026-11-21T11:59:59+01:00", true},
		"a night cut short":                   {berlin, coupon.Window{Days: []time.Weekday{time.Saturday}, From: "22:00", Until: "02:30"}, "2026-03-29T01:59:59+01:00", true},
		"its end is skipped":                  {berlin, coupon.Window{Days: []time.Weekday{time.Saturday}, From: "22:00", Until: "02:30"}, "2026-03-29T03:00:00+02:00", false},
		"an hour that is skipped":             {berlin, coupon.Window{Days: []time.Weekday{time.Sunday}, From: "02:00", Until: "03:00"}, "2026-03-29T03:00:00+02:00", false},
		"an hour that comes twice":            {berlin, coupon.Window{Days: []time.Weekday{time.Sunday}, From: "02:00", Until: "03:00"}, "2026-10-25T02:30:00+02:00", true},
		"the second time":                     {berlin, coupon.Window{Days: []time.Weekday{time.Sunday}, From: "02:00", Until: "03:00"}, "2026-10-25T02:30:00+01:00", true},
		"a Friday without midnight":           {cairo, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-04-23T22:00:00Z", true},
		"the instant before it":               {cairo, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-04-23T21:59:59Z", false},
		"a window over the missing midnight":  {cairo, coupon.Window{Days: []time.Weekday{time.Thursday}, From: "23:00", Until: "01:30"}, "2026-04-23T22:15:00Z", true},
		"the last hour of Thursday":           {cairo, coupon.Window{Days: []time.Weekday{time.Thursday}, From: "23:00", Until: "24:00"}, "2026-10-29T20:30:00Z", true},
		"comes twice":                         {cairo, coupon.Window{Days: []time.Weekday{time.Thursday}, From: "23:00", Until: "24:00"}, "2026-10-29T21:30:00Z", true},
		"and Friday is not before the second": {cairo, coupon.Window{Days: []time.Weekday{time.Friday}}, "2026-10-29T21:59:59Z", false},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			require.NoError(t, err)
			offer := changed(percentOff("a", "10"), func(o *coupon.Offer) {
				o.Schedule = coupon.Schedule{Zone: c.zone, Weekly: []coupon.Window{{From: "04:00", Until: "04:01"}, c.window}}
			})
			q, err := coupon.Decide(cartOf(item("10.00", 1)), candidates(t, offer), coupon.Facts{}, at.UTC())
			require.NoError(t, err)
			assert.Equal(t, c.open, len(q.Applied()) == 1)
			if !c.open {
				assert.Equal(t, coupon.ReasonHours, q.Refused()[0].Reason)
			}
		})
	}
}

func TestLocalDays(t *testing.T) {
	days := coupon.Schedule{Days: coupon.LocalDays{First: "2026-03-28", Last: "2026-03-29"}, Zone: "Europe/Berlin"}
	with := func(change func(*coupon.Schedule)) coupon.Schedule {
		s := days
		change(&s)
		return s
	}
	weekend := func(s *coupon.Schedule) { s.Weekly = []coupon.Window{{Days: []time.Weekday{time.Sunday}}} }
	for name, c := range map[string]struct {
		schedule coupon.Schedule
		at       string
		reason   coupon.Reason
	}{
		"before the first":        {days, "2026-03-27T22:59:59Z", coupon.ReasonNotYet},
		"the first instant":       {days, "2026-03-27T23:00:00Z", ""},
		"the last":                {days, "2026-03-29T21:59:59Z", ""},
		"after it":                {days, "2026-03-29T22:00:00Z", coupon.ReasonExpired},
		"no first day":            {with(func(s *coupon.Schedule) { s.Days.First = "" }), "1999-01-01T00:00:00Z", ""},
		"no last day":             {with(func(s *coupon.Schedule) { s.Days.Last = "" }), "2099-01-01T00:00:00Z", ""},
		"not before from either":  {with(func(s *coupon.Schedule) { s.From = noon.AddDate(-1, 0, 0) }), "2026-03-27T22:59:59Z", coupon.ReasonNotYet},
		"a later from counts":     {with(func(s *coupon.Schedule) { s.From = time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC) }), "2026-03-28T23:59:59Z", coupon.ReasonNotYet},
		"an earlier until counts": {with(func(s *coupon.Schedule) { s.Until = time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC) }), "2026-03-29T00:00:00Z", coupon.ReasonExpired},
		"a later until does not":  {with(func(s *coupon.Schedule) { s.Until = noon }), "2026-03-29T22:00:00Z", coupon.ReasonExpired},
		"the weekly windows too":  {with(weekend), "2026-03-28T12:00:00Z", coupon.ReasonHours},
		"within both":             {with(weekend), "2026-03-28T23:00:00Z", ""},
		"not beyond the days":     {with(weekend), "2026-04-05T12:00:00Z", coupon.ReasonExpired},
		"a blackout within a window": {with(func(s *coupon.Schedule) {
			weekend(s)
			s.Blackouts = []coupon.Blackout{{Name: "sales", Interval: coupon.Interval{Until: noon}}}
		}), "2026-03-29T12:00:00Z", coupon.ReasonBlackout},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			require.NoError(t, err)
			offer := changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Schedule = c.schedule })
			q, err := coupon.Decide(cartOf(item("10.00", 1)), candidates(t, offer), coupon.Facts{}, at)
			require.NoError(t, err)
			if c.reason == "" {
				require.Empty(t, q.Refused())
				return
			}
			require.Len(t, q.Refused(), 1)
			assert.Equal(t, c.reason, q.Refused()[0].Reason)
		})
	}
}

// A coupon's life ends with the offer's last local day at the latest.
func TestLifeAndLocalDays(t *testing.T) {
	offer := changed(amountOff("a", "1.00"), func(o *coupon.Offer) {
		o.Schedule = coupon.Schedule{Days: coupon.LocalDays{Last: "2026-11-21"}, Life: 24 * time.Hour, Zone: "Europe/Berlin"}
	})
	s := newShop(t, offer)
	assert.Equal(t, noon.Add(24*time.Hour), s.held("a", "jane", 1)[0].Expires)
	made, err := s.Issue(ctx, coupon.IssueRequest{ID: "late", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "a"}}}, noon.Add(23*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, "2026-11-21T23:00:00Z", made[0].Expires.Format(time.RFC3339))
}

func TestScheduleFaults(t *testing.T) {
	for name, c := range map[string]struct {
		schedule coupon.Schedule
		want     []string
	}{
		"no such days":        {coupon.Schedule{Days: coupon.LocalDays{First: "2026-02-30", Last: "soon"}}, []string{"schedule.first_day", "schedule.last_day"}},
		"days backwards":      {coupon.Schedule{Days: coupon.LocalDays{First: "2026-02-02", Last: "2026-02-01"}}, []string{"schedule.last_day"}},
		"no such day of week": {coupon.Schedule{Weekly: []coupon.Window{{Days: []time.Weekday{0, 7}}}}, []string{"schedule.weekly[0].days[1]"}},
		"no such time":        {coupon.Schedule{Weekly: []coupon.Window{{From: "9:00", Until: "25:00"}}}, []string{"schedule.weekly[0].from", "schedule.weekly[0].until"}},
		"from the end of day": {coupon.Schedule{Weekly: []coupon.Window{{From: "24:00"}}}, []string{"schedule.weekly[0].from"}},
		"too many windows":    {coupon.Schedule{Weekly: many(coupon.Window{}, 51)}, []string{"schedule.weekly"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := changed(amountOff("a", "1.00"), func(o *coupon.Offer) { o.Schedule = c.schedule })
			err := offer.Validate()
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
}

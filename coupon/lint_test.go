package coupon_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func ExampleCheck() {
	half := freely(percentOff("half-price", "50"))
	half.Benefit = coupon.PercentOff{Rate: ledger.MustRate("50"), Of: coupon.OfOriginal}
	late := freely(limited(amountOff("late", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}))
	late.Conditions = []coupon.Condition{coupon.NewCustomer{}, coupon.NthOrder{From: 5}}
	vip := half
	vip.ID, vip.Automatic, half.Automatic = "vip", true, true
	for _, f := range coupon.Check([]coupon.Offer{half, late, vip}) {
		fmt.Println(f.Severity, f.Code, f.Offers, f.Path+":", f.Sentence)
	}
	// Output:
	// warning free_by_stacking [half-price vip] combine: together they can take off the whole price: half-price, vip
	// error never_holds [late] conditions: no cart can meet its conditions together, and what its benefit asks for
}

// once is an offer about which there is nothing to say.
func once(o coupon.Offer) coupon.Offer {
	return limited(o, coupon.Limit{Per: coupon.PerCustomer, Uses: 1})
}

func codes(found []coupon.Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprint(f.Code, " ", f.Path))
	}
	return all
}

func TestCheckConditions(t *testing.T) {
	never := []string{"never_holds conditions"}
	both := coupon.MinimumSpend{Amounts: coupon.Amounts{eur("50.00"), ledger.MustMoney("60.00", usd)}}
	dollars := coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.MustMoney("1.00", usd)}}
	cart := func(amount string) coupon.MinimumSpend {
		return coupon.MinimumSpend{Amounts: euros(amount), Cart: true}
	}
	ofTea := func(amount string) coupon.MinimumSpend {
		return coupon.MinimumSpend{Amounts: euros(amount), Of: products("tea")}
	}
	app, web := coupon.Channel{Any: []string{"app"}}, coupon.Channel{Any: []string{"web"}}
	de, fr := coupon.Country{Any: []string{"DE"}}, coupon.Country{Any: []string{"FR", "BE"}}
	gold, silver := coupon.InSegment{Any: []string{"gold"}}, coupon.InSegment{Any: []string{"silver", "gold"}}
	city := func(name string, any ...string) coupon.Attribute { return coupon.Attribute{Name: name, Any: any} }
	tea := func(units int64) coupon.Contains { return coupon.Contains{Of: products("tea"), Units: units} }
	for name, c := range map[string]struct {
		all  []coupon.Condition
		want []string
	}{
		"none":                          {nil, nil},
		"new and not new":               {[]coupon.Condition{coupon.NewCustomer{}, not(coupon.NewCustomer{})}, never},
		"new and a later order":         {[]coupon.Condition{coupon.NewCustomer{}, coupon.NthOrder{From: 2}}, never},
		"new and an early order":        {[]coupon.Condition{coupon.NewCustomer{}, coupon.NthOrder{From: 1, To: 3}}, nil},
		"orders that meet in one":       {[]coupon.Condition{coupon.NthOrder{From: 3}, coupon.NthOrder{From: 1, To: 4}, not(coupon.NthOrder{From: 3, To: 3})}, nil},
		"orders with no one left":       {[]coupon.Condition{coupon.NthOrder{From: 3, To: 4}, not(coupon.NthOrder{From: 4}), not(coupon.NthOrder{From: 2, To: 3})}, never},
		"not from the first on":         {[]coupon.Condition{not(coupon.NthOrder{From: 1})}, never},
		"one country and another":       {[]coupon.Condition{de, fr}, never},
		"countries that meet":           {[]coupon.Condition{fr, coupon.Country{Any: []string{"DE", "BE"}}}, nil},
		"a country and not":             {[]coupon.Condition{fr, not(coupon.Country{Any: []string{"DE", "BE", "FR"}})}, never},
		"not a country":                 {[]coupon.Condition{not(de), not(fr)}, nil},
		"one channel and another":       {[]coupon.Condition{app, web}, never},
		"a country named like one":      {[]coupon.Condition{de, coupon.Payment{Any: []string{"FR"}}}, nil},
		"one attribute twice":           {[]coupon.Condition{city("a", "x"), city("a", "y")}, never},
		"two attributes":                {[]coupon.Condition{city("a", "x"), city("b", "y")}, nil},
		"segments":                      {[]coupon.Condition{gold, silver, not(coupon.InSegment{Any: []string{"silver"}})}, nil},
		"a segment and not":             {[]coupon.Condition{silver, not(gold), not(coupon.InSegment{Any: []string{"silver"}})}, never},
		"spend and not":                 {[]coupon.Condition{spend("50.00"), not(spend("50.00"))}, never},
		"spend between":                 {[]coupon.Condition{spend("49.99"), not(spend("50.00"))}, nil},
		"spend after and not before":    {[]coupon.Condition{coupon.MinimumSpend{Amounts: euros("50.00"), After: true}, not(spend("50.00"))}, never},
		"a cart of less and not":        {[]coupon.Condition{cart("50.00"), not(cart("50.00"))}, never},
		"a cart between":                {[]coupon.Condition{cart("49.99"), not(cart("50.00"))}, nil},
		"a cart that costs too little":  {[]coupon.Condition{spend("60.00"), not(spend("70.00")), cart("80.00")}, nil},
		"goods of less and not":         {[]coupon.Condition{ofTea("50.00"), not(ofTea("40.00"))}, never},
		"goods and other goods":         {[]coupon.Condition{ofTea("50.00"), not(coupon.MinimumSpend{Amounts: euros("40.00"), Of: products("cup")})}, nil},
		"units of the cart and not":     {[]coupon.Condition{coupon.MinimumQuantity{Units: 3, Cart: true}, not(coupon.MinimumQuantity{Units: 3, Cart: true})}, never},
		"units of the cart and others":  {[]coupon.Condition{coupon.MinimumQuantity{Units: 3, Cart: true}, not(coupon.MinimumQuantity{Units: 3})}, nil},
		"in one of two currencies":      {[]coupon.Condition{both, not(spend("50.00"))}, never},
		"currencies that never meet":    {[]coupon.Condition{spend("1.00"), dollars}, never},
		"less than one unit":            {[]coupon.Condition{not(coupon.MinimumQuantity{Units: 1})}, never},
		"units between":                 {[]coupon.Condition{coupon.MinimumQuantity{Units: 3}, not(coupon.MinimumQuantity{Units: 4})}, nil},
		"tea and less tea":              {[]coupon.Condition{tea(3), not(tea(2))}, never},
		"tea but not too much":          {[]coupon.Condition{tea(0), not(tea(2))}, nil},
		"the same predicate":            {[]coupon.Condition{coupon.Predicate{Name: "pickup", Version: 1}, not(coupon.Predicate{Name: "pickup", Version: 1})}, never},
		"with other arguments":          {[]coupon.Condition{coupon.Predicate{Name: "pickup", Version: 1}, not(coupon.Predicate{Name: "pickup", Version: 1, Arguments: map[string]string{"chain": "a"}})}, nil},
		"any that has one left":         {[]coupon.Condition{coupon.Any{de, fr}, coupon.Any{not(de), app}, web}, nil},
		"any with nothing left":         {[]coupon.Condition{coupon.Any{coupon.All{de, app}, coupon.All{fr, app}}, web}, never},
		"not any":                       {[]coupon.Condition{not(coupon.Any{de, app}), coupon.Any{de, app}}, never},
		"not all":                       {[]coupon.Condition{not(coupon.All{de, app}), app}, nil},
		"not all of what holds":         {[]coupon.Condition{not(coupon.All{de, app}), app, de}, never},
		"not not":                       {[]coupon.Condition{not(not(de)), fr}, never},
		"too many branches to prove":    {manyBranches(), nil},
		"beside many branches":          {append(manyBranches(), coupon.NewCustomer{}, not(coupon.NewCustomer{})), never},
		"contradiction before bloating": {append([]coupon.Condition{de, fr}, manyBranches()...), never},
	} {
		t.Run(name, func(t *testing.T) {
			offer := asking(once(percentOff("a", "10")), c.all...)
			assert.Equal(t, c.want, codes(coupon.Check([]coupon.Offer{offer}, pickup)))
		})
	}
}

// manyBranches can't hold together, but to see that takes going through 3^20 cases.
func manyBranches() []coupon.Condition {
	var all []coupon.Condition
	for i := range 20 {
		var any coupon.Any
		for k := range 3 {
			any = append(any, coupon.Attribute{Name: fmt.Sprint("name ", i), Any: []string{fmt.Sprint(k)}})
		}
		all = append(all, any)
	}
	return append(all, coupon.Any{gold("a"), gold("b")}, coupon.Any{not(gold("a")), gold("b")}, coupon.Any{gold("a"), not(gold("b"))}, coupon.Any{not(gold("a")), not(gold("b"))})
}

func gold(segment string) coupon.Condition { return coupon.InSegment{Any: []string{segment}} }

func TestCheckOneOffer(t *testing.T) {
	more := func(amount string) coupon.Amounts {
		return append(euros(amount), ledger.MustMoney(amount, usd))
	}
	a := once(percentOff("a", "10"))
	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	during := func(from, until int) coupon.Interval { return coupon.Interval{From: at(from), Until: at(until)} }
	blackouts := func(all ...coupon.Interval) (b []coupon.Blackout) {
		for _, i := range all {
			b = append(b, coupon.Blackout{Name: "sale", Interval: i})
		}
		return b
	}
	scheduled := func(s coupon.Schedule) coupon.Offer {
		return changed(a, func(o *coupon.Offer) { o.Schedule = s })
	}
	scoped := func(s coupon.Scope) coupon.Offer { return changed(a, func(o *coupon.Offer) { o.Scope = s }) }
	teaOnly := coupon.Scope{In: products("tea")}
	giving := func(b coupon.Benefit, s coupon.Scope) coupon.Offer {
		return changed(scoped(s), func(o *coupon.Offer) { o.Benefit = b })
	}
	mornings := []coupon.Window{{From: "08:00", Until: "11:00"}}
	never := []string{"never_in_time schedule"}
	for name, c := range map[string]struct {
		offer coupon.Offer
		want  []string
	}{
		"nothing to say":             {a, nil},
		"not valid":                  {changed(a, func(o *coupon.Offer) { o.Name, o.Priority = "", 5000 }), []string{"invalid name", "invalid priority"}},
		"no benefit":                 {coupon.Offer{}, []string{"invalid benefit", "invalid id", "invalid name"}},
		"blackouts that leave a gap": {scheduled(coupon.Schedule{Interval: during(0, 9), Blackouts: blackouts(during(5, 9), during(0, 3), during(2, 4))}), nil},
		"blackouts that leave none":  {scheduled(coupon.Schedule{Interval: during(0, 9), Blackouts: blackouts(during(5, 99), during(-9, 3), during(2, 5))}), never},
		"blackouts without an end":   {scheduled(coupon.Schedule{Interval: coupon.Interval{From: at(0)}, Blackouts: blackouts(coupon.Interval{From: at(-1)})}), never},
		"until it can begin":         {scheduled(coupon.Schedule{Interval: coupon.Interval{Until: at(0)}, Days: coupon.LocalDays{First: "2026-11-21"}}), never},
		"windows outside":            {scheduled(coupon.Schedule{Interval: during(0, 19), Weekly: mornings}), never},
		"windows just reached":       {scheduled(coupon.Schedule{Interval: coupon.Interval{From: at(0), Until: at(20).Add(1)}, Weekly: mornings}), nil},
		"a window over midnight":     {scheduled(coupon.Schedule{Interval: during(13, 14), Weekly: []coupon.Window{{Days: []time.Weekday{time.Friday}, From: "23:00", Until: "02:00"}}}), nil},
		"a window of another day":    {scheduled(coupon.Schedule{Interval: during(13, 14), Weekly: []coupon.Window{{Days: []time.Weekday{time.Saturday}, From: "23:00", Until: "02:00"}}}), never},
		"an hour that clocks skip": {scheduled(coupon.Schedule{
			Days: coupon.LocalDays{First: "2026-03-29", Last: "2026-03-29"}, Zone: "Europe/Berlin", Weekly: []coupon.Window{{From: "02:00", Until: "03:00"}}}), never},
		"an hour that clocks enter": {scheduled(coupon.Schedule{
			Days: coupon.LocalDays{First: "2026-03-29", Last: "2026-03-29"}, Zone: "Europe/Berlin", Weekly: []coupon.Window{{From: "02:30", Until: "03:01"}}}), nil},
		"the second of two equal hours": {scheduled(coupon.Schedule{
			Interval: coupon.Interval{From: time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), Until: time.Date(2026, 10, 25, 1, 31, 0, 0, time.UTC)},
			Zone:     "Europe/Berlin", Weekly: []coupon.Window{{From: "02:30", Until: "02:45"}}}), nil},
		"in and out":                 {scoped(coupon.Scope{In: products("a", "b"), Out: products("b", "c", "a")}), []string{"never_counts scope.in.products"}},
		"partly out":                 {scoped(coupon.Scope{In: products("a", "b"), Out: products("b")}), nil},
		"tags in and out":            {scoped(coupon.Scope{In: coupon.Lists{Tags: []string{"x"}}, Out: coupon.Lists{Tags: []string{"x"}}}), []string{"never_counts scope.in.tags"}},
		"get what is not in":         {giving(coupon.BuyGet{Buy: 1, Get: 1, GetOf: products("cup")}, teaOnly), []string{"never_counts benefit.get_of"}},
		"more than may be bought":    {asking(giving(coupon.BuyGet{Buy: 2, Get: 1}, coupon.Scope{}), coupon.Not{Condition: coupon.MinimumQuantity{Units: 3}}), []string{"never_holds conditions"}},
		"as many as may be bought":   {asking(giving(coupon.BuyGet{Buy: 2, Get: 1}, coupon.Scope{}), coupon.Not{Condition: coupon.MinimumQuantity{Units: 4}}), nil},
		"buy what anything is":       {giving(coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("cup")}, coupon.Scope{}), nil},
		"buy what is out":            {giving(coupon.BuyGet{Buy: 1, Get: 1, BuyOf: products("cup")}, coupon.Scope{Out: products("cup")}), []string{"never_counts benefit.buy_of"}},
		"a bundle of what is in":     {giving(coupon.BundlePrice{Prices: euros("1.00"), Items: []coupon.BundleItem{{Of: products("tea", "cup"), Units: 1}}}, teaOnly), nil},
		"a bundle of what is not":    {giving(coupon.BundlePrice{Prices: euros("1.00"), Items: []coupon.BundleItem{{Of: products("tea"), Units: 1}, {Of: products("cup"), Units: 1}}}, teaOnly), []string{"never_counts benefit.items[1].of"}},
		"a bundle of other sellers":  {giving(coupon.BundlePrice{Prices: euros("1.00"), Items: []coupon.BundleItem{{Of: coupon.Lists{Sellers: []string{"acme"}}, Units: 2}}}, coupon.Scope{In: coupon.Lists{Sellers: []string{"zeta"}}}), []string{"never_counts benefit.items[0].of"}},
		"a bundle too large":         {asking(giving(coupon.BundlePrice{Prices: euros("1.00"), Items: []coupon.BundleItem{{Units: 2}, {Units: 2}}}, coupon.Scope{}), not(coupon.MinimumQuantity{Units: 4})), []string{"never_holds conditions"}},
		"a step out of reach":        {asking(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Amounts: euros("1.00")}}}, coupon.Scope{}), not(spend("50.00"))), []string{"never_holds conditions"}},
		"currencies that never meet": {limited(amountOff("a", "1.00"), coupon.Limit{Per: coupon.PerCustomer, Money: coupon.Amounts{ledger.MustMoney("5.00", usd)}}), []string{"never_holds limits"}},
		"more than the limit":        {asking(limited(percentOff("a", "50"), coupon.Limit{Per: coupon.PerCustomer, Money: euros("9.99")}), spend("20.00")), []string{"above_limit limits[0].money"}},
		"as much as the limit":       {asking(limited(percentOff("a", "50"), coupon.Limit{Per: coupon.PerCustomer, Money: euros("10.00")}), spend("20.00")), nil},
		"more, but clipped":          {asking(limited(amountOff("a", "15.00"), coupon.Limit{Per: coupon.PerCustomer, Money: euros("10.00"), When: coupon.ClipSpent}), spend("20.00")), nil},
		"a code without end":         {percentOff("a", "10"), []string{"unlimited_code limits"}},
		"automatic without end":      {automatic(percentOff("a", "10")), nil},
		"nothing that counts": {changed(automatic(limited(percentOff("a", "10"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1})), func(o *coupon.Offer) {
			o.Schedule.Life, o.Below = time.Hour, coupon.ClawBack
		}), []string{"no_effect below_minimum", "no_effect limits[0]", "no_effect schedule.life"}},
		"a minimum that need not hold": {changed(asking(automatic(percentOff("a", "10")), coupon.Any{spend("50.00"), coupon.InSegment{Any: []string{"gold"}}}), func(o *coupon.Offer) {
			o.Below = coupon.BlockReturn
		}), []string{"no_effect below_minimum"}},
		"a minimum that must hold": {changed(asking(automatic(percentOff("a", "10")), coupon.All{spend("50.00")}), func(o *coupon.Offer) {
			o.Below = coupon.BlockReturn
		}), nil},
		"steps that rise":         {giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Rate: half}, {From: euros("90.00"), Amounts: euros("1.00")}, {From: euros("99.00"), Amounts: euros("1.00")}}}, coupon.Scope{}), nil},
		"a percentage that falls": {giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Rate: whole}, {From: euros("90.00"), Rate: half}}}, coupon.Scope{}), []string{"falling_step benefit.spend[1]"}},
		"an amount that falls":    {giving(coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 5, Amounts: euros("3.00")}, {From: 10, Amounts: euros("2.99")}}}, coupon.Scope{}), []string{"falling_step benefit.quantity[1]"}},
		"steps below the minimum": {asking(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Rate: half}, {From: euros("90.00"), Rate: whole}}}, coupon.Scope{}), spend("90.00")), []string{"no_effect benefit.spend[0]"}},
		"a minimum between steps": {asking(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Rate: half}, {From: euros("90.00"), Rate: whole}}}, coupon.Scope{}), spend("89.99")), nil},
		"steps below the minimum in one currency": {asking(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: more("50.00"), Rate: half}, {From: more("90.00"), Rate: whole}}}, coupon.Scope{}),
			coupon.MinimumSpend{Amounts: coupon.Amounts{eur("90.00"), ledger.MustMoney("60.00", usd)}}), nil},
		"steps of what never holds": {limited(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("50.00"), Rate: half}, {From: euros("90.00"), Rate: whole}}}, coupon.Scope{}),
			coupon.Limit{Per: coupon.PerCustomer, Money: coupon.Amounts{ledger.MustMoney("5.00", usd)}}), []string{"never_holds limits"}},
		"steps below the only minimum": {asking(giving(coupon.Tiers{Spend: []coupon.SpendTier{{From: more("50.00"), Rate: half}, {From: more("90.00"), Rate: whole}}}, coupon.Scope{}), spend("90.00")), []string{"no_effect benefit.spend[0]"}},
		"more for one than for all":    {limited(a, coupon.Limit{Uses: 5}, coupon.Limit{Per: coupon.PerCustomer, Uses: 5}), []string{"no_effect limits[1]"}},
		"money for all":                {limited(percentOff("a", "10"), coupon.Limit{Money: euros("5.00")}, coupon.Limit{Per: coupon.PerCustomer, Uses: 5}), nil},
		"a code with an end":           {limited(percentOff("a", "10"), coupon.Limit{Per: coupon.PerCoupon, Uses: 3}), nil},
		"steps that stay":              {giving(coupon.Tiers{Quantity: steps(3, 6)}, coupon.Scope{}), nil},
		"less for one than for all":    {limited(percentOff("a", "10"), coupon.Limit{Uses: 5}, coupon.Limit{Per: coupon.PerCustomer, Uses: 4}), nil},
		"for one a day and for all":    {limited(percentOff("a", "10"), coupon.Limit{Uses: 5}, coupon.Limit{Per: coupon.PerCustomer, Uses: 9, Period: ledger.Day}), nil},
		"alone in a group":             {changed(a, func(o *coupon.Offer) { o.Group.Name = "g" }), []string{"group_of_one group"}},
		"an unknown label":             {changed(a, func(o *coupon.Offer) { o.Combine.With, o.Labels = []string{"mine", "none"}, []string{"mine"} }), []string{"unknown_label combine.with[1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := coupon.Check([]coupon.Offer{c.offer})
			assert.Equal(t, c.want, codes(found))
			for _, f := range found {
				assert.Equal(t, []string{c.offer.ID}, f.Offers)
				assert.NotEmpty(t, f.Severity)
				assert.NotEmpty(t, f.Sentence)
			}
		})
	}
	assert.Empty(t, coupon.Check(nil))
}

// Two versions of an offer are one member of a group.
func TestCheckGroupOfVersions(t *testing.T) {
	one := changed(automatic(percentOff("a", "10")), func(o *coupon.Offer) { o.Group.Name = "g" })
	two := changed(one, func(o *coupon.Offer) { o.Version = 2 })
	found := slices.DeleteFunc(coupon.Check([]coupon.Offer{one, two}), func(f coupon.Finding) bool { return f.Code != coupon.LintGroupOfOne })
	require.Len(t, found, 1)
}

func TestCheckAlwaysBeaten(t *testing.T) {
	other := automatic(percentOff("b", "10"))
	winner := automatic(first(percentOff("a", "20")))
	change := func(o coupon.Offer, change func(*coupon.Offer)) coupon.Offer { return changed(o, change) }
	in := func(o coupon.Offer, names ...string) coupon.Offer {
		return change(o, func(o *coupon.Offer) { o.Scope.In = products(names...) })
	}
	out := func(o coupon.Offer, names ...string) coupon.Offer {
		return change(o, func(o *coupon.Offer) { o.Scope.Out = products(names...) })
	}
	most := func(o coupon.Offer, amount string) coupon.Offer {
		return change(o, func(o *coupon.Offer) {
			o.Benefit = coupon.PercentOff{Rate: o.Benefit.(coupon.PercentOff).Rate, Max: euros(amount)}
		})
	}
	for name, c := range map[string]struct {
		winner, other coupon.Offer
		beaten        bool
	}{
		"more, and first":               {winner, other, true},
		"the same, by id":               {automatic(percentOff("a", "10")), other, true},
		"the same, but later by id":     {automatic(percentOff("c", "10")), other, false},
		"less":                          {automatic(first(percentOff("a", "9"))), other, false},
		"more, but with less priority":  {winner, change(other, func(o *coupon.Offer) { o.Priority = 6 }), false},
		"with a code of equal priority": {automatic(percentOff("a", "20")), percentOff("b", "10"), false},
		"with a code":                   {winner, once(percentOff("b", "10")), true},
		"not automatic":                 {once(first(percentOff("a", "20"))), other, false},
		"combinable":                    {winner, freely(other), false},
		"the winner combinable":         {freely(winner), other, false},
		"with a condition":              {asking(winner, coupon.NewCustomer{}), other, false},
		"the other with a condition":    {winner, asking(other, coupon.NewCustomer{}), true},
		"limited":                       {limited(winner, coupon.Limit{Uses: 9}), other, false},
		"in a group":                    {change(winner, func(o *coupon.Offer) { o.Group.Name = "g" }), change(other, func(o *coupon.Offer) { o.Group.Name = "g" }), false},
		"at times":                      {change(winner, func(o *coupon.Offer) { o.Schedule.Until = noon }), other, false},
		"both until then":               {change(winner, func(o *coupon.Offer) { o.Schedule.Until = noon }), change(other, func(o *coupon.Offer) { o.Schedule.Until = noon }), true},
		"on fewer lines":                {in(winner, "tea"), other, false},
		"on more lines":                 {in(winner, "tea", "cup"), in(other, "tea"), true},
		"on other lines":                {in(winner, "cup"), in(other, "tea"), false},
		"out of more":                   {out(winner, "tea"), other, false},
		"out of less":                   {out(winner, "tea"), out(other, "tea", "cup"), true},
		"on some prices":                {fromPrice(winner, "5.00"), other, false},
		"on all prices":                 {winner, fromPrice(other, "5.00"), true},
		"on the same prices":            {fromPrice(winner, "5.00"), fromPrice(other, "5.00"), true},
		"on other prices":               {fromPrice(winner, "5.00"), fromPrice(other, "6.00"), false},
		"not on sale items":             {change(winner, func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOut }), other, false},
		"beside promotions":             {winner, change(other, func(o *coupon.Offer) { o.ShopPromotions = coupon.AllowPromoted }), false},
		"amounts":                       {automatic(first(amountOff("a", "2.00"))), amountOff("b", "1.99"), true},
		"smaller amounts":               {automatic(first(amountOff("a", "1.98"))), amountOff("b", "1.99"), false},
		"the same amounts":              {automatic(first(amountOff("a", "1.99"))), amountOff("b", "1.99"), true},
		"the same each":                 {automatic(first(each("a", "1.00"))), each("b", "1.00"), true},
		"the same price":                {automatic(first(giving("a", coupon.FixedPrice{Prices: euros("1.01")}))), giving("b", coupon.FixedPrice{Prices: euros("1.01")}), true},
		"another kind":                  {automatic(first(amountOff("a", "99.00"))), each("b", "1.00"), false},
		"everything":                    {automatic(first(percentOff("a", "100"))), each("b", "1.00"), true},
		"each":                          {automatic(first(each("a", "2.00"))), each("b", "1.00"), true},
		"a lower price":                 {automatic(first(giving("a", coupon.FixedPrice{Prices: euros("1.00")}))), giving("b", coupon.FixedPrice{Prices: euros("1.01")}), true},
		"a higher price":                {automatic(first(giving("a", coupon.FixedPrice{Prices: euros("1.02")}))), giving("b", coupon.FixedPrice{Prices: euros("1.01")}), false},
		"up to a maximum":               {change(winner, func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{Rate: whole, Max: euros("5.00")} }), other, false},
		"up to the same maximum":        {most(winner, "5.00"), most(other, "5.00"), true},
		"up to a higher maximum":        {most(winner, "5.01"), most(other, "5.00"), true},
		"up to a lower maximum":         {most(winner, "4.99"), most(other, "5.00"), false},
		"rounded otherwise":             {change(winner, func(o *coupon.Offer) { o.Rounding = ledger.Down }), other, false},
		"in another currency":           {automatic(first(giving("a", coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("9.00", usd)}}))), amountOff("b", "1.00"), false},
		"a gift":                        {automatic(first(percentOff("a", "100"))), giving("b", coupon.GiftLine{Product: "mug", Quantity: 1}), false},
		"of one id":                     {winner, change(other, func(o *coupon.Offer) { o.ID = "a" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			found := coupon.Check([]coupon.Offer{c.other, c.winner})
			beaten := slices.DeleteFunc(found, func(f coupon.Finding) bool { return f.Code != coupon.LintAlwaysBeaten || f.Offers[0] != "b" })
			if !c.beaten {
				require.Empty(t, beaten)
				return
			}
			require.Len(t, beaten, 1)
			assert.Equal(t, []string{"b", "a"}, beaten[0].Offers)
			assert.Equal(t, coupon.SeverityError, beaten[0].Severity)
		})
	}
}

func TestCheckStacking(t *testing.T) {
	original := func(id, rate string) coupon.Offer {
		return freely(giving(id, coupon.PercentOff{Rate: ledger.MustRate(rate), Of: coupon.OfOriginal}))
	}
	labelled := func(o coupon.Offer, label, with string) coupon.Offer {
		return changed(o, func(o *coupon.Offer) {
			o.Combine, o.Labels = coupon.Combine{With: []string{with}}, []string{label}
		})
	}
	for name, c := range map[string]struct {
		offers []coupon.Offer
		want   [][]string
	}{
		"halves of the original":     {[]coupon.Offer{original("a", "50"), original("b", "50")}, [][]string{{"a", "b"}}},
		"less than halves":           {[]coupon.Offer{original("a", "50"), original("b", "49.99")}, nil},
		"halves of what is left":     {[]coupon.Offer{freely(percentOff("a", "50")), freely(percentOff("b", "50"))}, nil},
		"only those that are needed": {[]coupon.Offer{freely(percentOff("a", "1")), original("b", "60"), original("c", "40")}, [][]string{{"b", "c"}}},
		"amounts up to the minimum":  {[]coupon.Offer{asking(freely(amountOff("a", "6.00")), spend("10.00")), freely(amountOff("b", "4.00"))}, [][]string{{"a", "b"}}},
		"amounts below the minimum":  {[]coupon.Offer{asking(freely(amountOff("a", "6.00")), spend("10.00")), freely(amountOff("b", "3.99"))}, nil},
		"amounts and no minimum":     {[]coupon.Offer{freely(amountOff("a", "6.00")), freely(amountOff("b", "3.99"))}, nil},
		"not together":               {[]coupon.Offer{percentOff("a", "60"), original("b", "60")}, nil},
		"on mutual consent":          {[]coupon.Offer{labelled(original("a", "60"), "x", "y"), labelled(original("b", "60"), "y", "x")}, [][]string{{"a", "b"}}},
		"consent of one":             {[]coupon.Offer{labelled(original("a", "60"), "x", "y"), labelled(original("b", "60"), "y", "z")}, nil},
		"of one group": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Group.Name = "g" }), changed(original("b", "60"), func(o *coupon.Offer) { o.Group.Name = "g" })}, nil},
		"on other products": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Scope.In = products("tea") }), changed(original("b", "60"), func(o *coupon.Offer) { o.Scope.In = products("cup") })}, nil},
		"on other prices": {[]coupon.Offer{
			fromPrice(original("a", "60"), "5.00"), changed(original("b", "60"), func(o *coupon.Offer) { o.Scope.UnitPrice.To = euros("4.99") })}, nil},
		"on one price": {[]coupon.Offer{
			fromPrice(original("a", "60"), "5.00"), changed(original("b", "60"), func(o *coupon.Offer) { o.Scope.UnitPrice.To = euros("5.00") })}, [][]string{{"a", "b"}}},
		"on one price, the other way round": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Scope.UnitPrice.To = euros("5.00") }), fromPrice(original("b", "60"), "5.00")}, [][]string{{"a", "b"}}},
		"one after the other": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Schedule.Until = noon }), changed(original("b", "60"), func(o *coupon.Offer) { o.Schedule.From = noon })}, nil},
		"on sale items or on others": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOnly }), changed(original("b", "60"), func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOut })}, nil},
		"on sale items and on all": {[]coupon.Offer{
			changed(original("a", "60"), func(o *coupon.Offer) { o.Scope.SaleItems = coupon.SaleItemsOnly }), original("b", "60")}, [][]string{{"a", "b"}}},
		"first and later orders": {[]coupon.Offer{asking(original("a", "60"), coupon.NewCustomer{}), asking(original("b", "60"), coupon.NthOrder{From: 2})}, nil},
		"first and any orders":   {[]coupon.Offer{asking(original("a", "60"), coupon.NewCustomer{}), asking(original("b", "60"), coupon.NthOrder{From: 1})}, [][]string{{"a", "b"}}},
		"in other countries": {[]coupon.Offer{
			asking(original("a", "60"), coupon.All{coupon.Country{Any: []string{"DE"}}}), asking(original("b", "60"), coupon.Country{Any: []string{"FR", "BE"}})}, nil},
		"not for a segment": {[]coupon.Offer{
			asking(original("a", "60"), coupon.InSegment{Any: []string{"gold"}}), asking(original("b", "60"), not(coupon.Any{coupon.InSegment{Any: []string{"gold"}}, coupon.NewCustomer{}}))}, nil},
		"in one country or else": {[]coupon.Offer{
			asking(original("a", "60"), coupon.Any{coupon.Country{Any: []string{"DE"}}, coupon.NewCustomer{}}), asking(original("b", "60"), coupon.Country{Any: []string{"FR"}})}, [][]string{{"a", "b"}}},
		"not in all of it": {[]coupon.Offer{
			asking(original("a", "60"), not(coupon.All{coupon.Country{Any: []string{"DE"}}, coupon.NewCustomer{}})), asking(original("b", "60"), coupon.Country{Any: []string{"DE"}})}, [][]string{{"a", "b"}}},
		"free alone":      {[]coupon.Offer{original("a", "100"), original("b", "50")}, nil},
		"up to a maximum": {[]coupon.Offer{original("a", "50"), freely(giving("b", coupon.PercentOff{Rate: half, Of: coupon.OfOriginal, Max: euros("5.00")}))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var sets [][]string
			for _, f := range coupon.Check(c.offers) {
				if f.Code == coupon.LintFreeByStacking {
					sets = append(sets, f.Offers)
				}
			}
			assert.Equal(t, c.want, sets)
		})
	}
}

func TestCheckConsent(t *testing.T) {
	with := func(id, label, with string) coupon.Offer {
		return changed(once(percentOff(id, "1")), func(o *coupon.Offer) {
			o.Labels, o.Combine.With = []string{label}, []string{with}
		})
	}
	assert.Equal(t, []string{"one_sided_consent combine.with[0]", "unknown_label combine.with[0]"},
		codes(coupon.Check([]coupon.Offer{with("a", "x", "y"), with("b", "y", "z")})))
	assert.Empty(t, coupon.Check([]coupon.Offer{with("a", "x", "y"), with("b", "y", "x")}))
}

// tightOffer draws an offer whose conditions and times often leave nothing.
func tightOffer(t *rapid.T) coupon.Offer {
	o := drawAnyOffer(t, "a")
	for range rapid.IntRange(0, 3).Draw(t, "more conditions") {
		o.Conditions = append(o.Conditions, drawAnyCondition(t, 2))
	}
	o.Schedule = coupon.Schedule{Zone: oneOf(t, "zone", "", "Europe/Berlin", "Africa/Cairo"), Interval: nearInterval(t, 60*36)}
	for range rapid.IntRange(0, 3).Draw(t, "blackouts") {
		o.Schedule.Blackouts = append(o.Schedule.Blackouts, coupon.Blackout{Name: "sale", Interval: nearInterval(t, 60*48)})
	}
	for range rapid.IntRange(0, 2).Draw(t, "windows") {
		w := coupon.Window{From: oneOf(t, "opens", "", "02:30", "12:00"), Until: oneOf(t, "closes", "", "02:31", "03:00", "14:00")}
		if rapid.Bool().Draw(t, "on a day") {
			w.Days = []time.Weekday{time.Weekday(rapid.IntRange(0, 6).Draw(t, "day"))}
		}
		o.Schedule.Weekly = append(o.Schedule.Weekly, w)
	}
	return o
}

// clockChange is the middle of the night in which Berlin's clocks are set back.
var clockChange = time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)

func nearInterval(t *rapid.T, most int64) coupon.Interval {
	from := clockChange.Add(time.Duration(rapid.Int64Range(-60*30, 60*30).Draw(t, "from")) * time.Minute)
	return coupon.Interval{From: from, Until: from.Add(time.Duration(rapid.Int64Range(1, most).Draw(t, "minutes")) * time.Minute)}
}

// What is said never to apply applies to no cart at no instant.
func TestCheckNeverIsNever(t *testing.T) {
	claims := 0
	rapid.Check(t, func(t *rapid.T) {
		offer := tightOffer(t)
		found := coupon.Check([]coupon.Offer{offer}, pickup)
		if !slices.ContainsFunc(found, func(f coupon.Finding) bool {
			return f.Code == coupon.LintNeverInTime || f.Code == coupon.LintNeverCounts || f.Code == coupon.LintNeverHolds
		}) {
			return
		}
		claims++
		v, err := coupon.NewVersion(offer, pickup)
		require.NoError(t, err)
		for range 20 {
			cart := drawCart(t)
			cart.Country, cart.Channel, cart.Payment = oneOf(t, "in", "DE", "FR", ""), oneOf(t, "through", "app", "web"), oneOf(t, "by", "card", "cash")
			cart.Attributes = map[string]string{"city": oneOf(t, "at", "Berlin", "Paris"), "store": oneOf(t, "store", "north 1", "south"), "phone": "1"}
			cart.Customer.Orders = rapid.Int64Range(0, 5).Draw(t, "orders")
			at := clockChange.Add(time.Duration(rapid.Int64Range(-60*40, 60*70).Draw(t, "at")) * time.Minute)
			q, err := coupon.Decide(cart, []coupon.Candidate{{Version: v}}, coupon.Facts{}, at)
			require.NoError(t, err)
			require.Empty(t, q.Applied())
		}
	})
	assert.Greater(t, claims, 5)
}

// The schedule is said to leave nothing exactly when no minute is left.
func TestCheckTimeIsExact(t *testing.T) {
	cart := cartOf(item("10.00", 1))
	claims := 0
	rapid.Check(t, func(t *rapid.T) {
		offer := once(percentOff("a", "10"))
		offer.Schedule = tightOffer(t).Schedule
		v, err := coupon.NewVersion(offer)
		require.NoError(t, err)
		open := false
		for at := offer.Schedule.From; !open && at.Before(offer.Schedule.Until); at = at.Add(time.Minute) {
			q, err := coupon.Decide(cart, []coupon.Candidate{{Version: v}}, coupon.Facts{}, at)
			require.NoError(t, err)
			open = len(q.Applied()) > 0
		}
		never := slices.Contains(codes(coupon.Check([]coupon.Offer{offer})), "never_in_time schedule")
		require.Equal(t, open, !never)
		if never {
			claims++
		}
	})
	assert.Greater(t, claims, 5)
}

// standing draws an offer of those that can beat each other.
func standing(t *rapid.T, id string) coupon.Offer {
	o := coupon.Offer{ID: id, Name: id, Automatic: rapid.IntRange(0, 3).Draw(t, "automatic") > 0, Priority: rapid.IntRange(0, 1).Draw(t, "priority")}
	switch rapid.IntRange(0, 5).Draw(t, "benefit") {
	case 0:
		o.Benefit = coupon.AmountOff{Amounts: drawAmounts(t, "amount", 1)}
	case 1:
		o.Benefit = coupon.AmountOffEach{Amounts: drawAmounts(t, "each", 1), PerLine: rapid.Bool().Draw(t, "per line")}
	case 2:
		o.Benefit = coupon.FixedPrice{Prices: drawAmounts(t, "price", 0)}
	case 3:
		o.Benefit = drawAnyBenefit(t)
	default:
		o.Benefit = coupon.PercentOff{Rate: drawRate(t, "rate")}
	}
	if rapid.IntRange(0, 2).Draw(t, "scoped") == 0 {
		o.Scope = coupon.Scope{In: drawLists(t, "in"), Out: drawLists(t, "out"), SaleItems: coupon.SaleItems(rapid.IntRange(0, 2).Draw(t, "sale items")), UnitPrice: drawPriceRange(t)}
	}
	o.Combine.Freely = rapid.IntRange(0, 4).Draw(t, "freely") == 0
	o.ShopPromotions = coupon.ShopPromotions(rapid.IntRange(0, 2).Draw(t, "promotions"))
	o.Rounding = ledger.Rounding(rapid.IntRange(0, 1).Draw(t, "rounding"))
	if rapid.IntRange(0, 3).Draw(t, "asks") == 0 {
		o.Conditions = []coupon.Condition{drawAnyCondition(t, 0)}
	}
	return o
}

// What is said to be always beaten never applies, whatever else is there, whether
// the best set is asked for or not.
func TestCheckBeatenNeverWins(t *testing.T) {
	claims := 0
	rapid.Check(t, func(t *rapid.T) {
		var offers []coupon.Offer
		for i := range rapid.IntRange(2, 6).Draw(t, "offers") {
			offers = append(offers, standing(t, string(rune('a'+i))))
		}
		likely := offers[0]
		likely.ID, likely.Automatic, likely.Scope, likely.Combine, likely.Conditions = "z", true, coupon.Scope{}, coupon.Combine{}, nil
		likely.Priority++
		offers = append(offers, likely)
		beaten := make(map[string]bool)
		for _, f := range coupon.Check(offers, pickup) {
			if f.Code == coupon.LintAlwaysBeaten {
				beaten[f.Offers[0]] = true
			}
		}
		if len(beaten) == 0 {
			return
		}
		claims++
		var asked []coupon.Candidate
		for _, o := range offers {
			v, err := coupon.NewVersion(o, pickup)
			require.NoError(t, err)
			asked = append(asked, coupon.Candidate{Version: v})
		}
		for range 5 {
			cart := drawCart(t)
			for _, best := range []bool{false, true} {
				q, err := coupon.Decide(cart, asked, coupon.Facts{Best: best}, noon)
				require.NoError(t, err)
				for _, a := range q.Applied() {
					require.False(t, beaten[a.Offer], "%s is applied", a.Offer)
				}
			}
		}
	})
	assert.Greater(t, claims, 5)
}

// The order of offers has no effect.
func TestCheckIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var offers []coupon.Offer
		for i := range rapid.IntRange(0, 6).Draw(t, "offers") {
			offers = append(offers, drawAnyOffer(t, string(rune('a'+i))))
		}
		found := coupon.Check(offers, pickup)
		slices.Reverse(offers)
		require.Equal(t, found, coupon.Check(offers, pickup))
	})
}

// manyOffers are n offers with something of everything, from a fixed seed.
func manyOffers(n int) []coupon.Offer {
	random := rand.New(rand.NewSource(1))
	var all []coupon.Offer
	for i := range n {
		o := percentOff(fmt.Sprintf("offer-%04d", i), fmt.Sprint(1+random.Intn(99)))
		o.Automatic, o.Priority = random.Intn(2) == 0, random.Intn(5)
		o.Scope.In.Products = []string{fmt.Sprint(random.Intn(50)), fmt.Sprint(random.Intn(50))}
		o.Labels = []string{fmt.Sprint("label-", random.Intn(30))}
		switch random.Intn(3) {
		case 0:
			o.Combine.Freely = true
		case 1:
			o.Combine.With = []string{fmt.Sprint("label-", random.Intn(30))}
		}
		o.Conditions = []coupon.Condition{coupon.Any{spend("10.00"), coupon.NewCustomer{}}}[:random.Intn(2)]
		all = append(all, o)
	}
	return all
}

func TestCheckThousandOffersCompletely(t *testing.T) {
	for _, f := range coupon.Check(manyOffers(1000)) {
		require.NotEqual(t, coupon.LintNotCompared, f.Code)
	}
}

// Beyond the bound the work ends, and is said to.
func TestCheckIsBounded(t *testing.T) {
	offers := manyOffers(1000)
	for i := range offers {
		offers[i].Automatic, offers[i].Combine, offers[i].Conditions, offers[i].Priority = true, coupon.Combine{}, nil, 0
		offers[i].Benefit = coupon.PercentOff{Rate: half}
		for k := range 300 {
			offers[i].Scope.In.Products = append(offers[i].Scope.In.Products, fmt.Sprint("product ", i, k))
		}
	}
	found := coupon.Check(offers)
	require.NotEmpty(t, found)
	assert.Equal(t, coupon.LintNotCompared, found[0].Code)
	assert.Empty(t, found[0].Offers)
}

func BenchmarkCheck(b *testing.B) {
	offers := manyOffers(1000)
	b.ReportAllocs()
	for b.Loop() {
		if len(coupon.Check(offers)) == 0 {
			b.Fatal("nothing found")
		}
	}
}

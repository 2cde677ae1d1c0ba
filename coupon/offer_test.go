package coupon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func TestOfferFaults(t *testing.T) {
	later, soon := coupon.Interval{From: noon.Add(1), Until: noon}, coupon.Interval{Until: noon}
	for name, c := range map[string]struct {
		change func(*coupon.Offer)
		want   []string
	}{
		"no id":                    {func(o *coupon.Offer) { o.ID = "" }, []string{"id"}},
		"capital in the id":        {func(o *coupon.Offer) { o.ID = "Spring" }, []string{"id"}},
		"slash in the id":          {func(o *coupon.Offer) { o.ID = "a/b" }, []string{"id"}},
		"line break after the id":  {func(o *coupon.Offer) { o.ID = "a\n" }, []string{"id"}},
		"long id":                  {func(o *coupon.Offer) { o.ID = strings.Repeat("a", 65) }, []string{"id"}},
		"negative version":         {func(o *coupon.Offer) { o.Version = -1 }, []string{"version"}},
		"no name":                  {func(o *coupon.Offer) { o.Name = "" }, []string{"name"}},
		"hostile name":             {func(o *coupon.Offer) { o.Name = "5 €\x00" }, []string{"name"}},
		"name that turns the text": {func(o *coupon.Offer) { o.Name = "off \u202e€ 001" }, []string{"name"}},
		"long name":                {func(o *coupon.Offer) { o.Name = strings.Repeat("€", 67) }, []string{"name"}},
		"hostile label":            {func(o *coupon.Offer) { o.Labels = []string{"fine", "Not fine"} }, []string{"labels[1]"}},
		"too many labels":          {func(o *coupon.Offer) { o.Labels = strings.Split(strings.Repeat("a ", 20)+"a", " ") }, []string{"labels"}},
		"no benefit":               {func(o *coupon.Offer) { o.Benefit = nil }, []string{"benefit"}},
		"a benefit by pointer":     {func(o *coupon.Offer) { o.Benefit = &coupon.AmountOff{} }, []string{"benefit"}},
		"a nil benefit by pointer": {func(o *coupon.Offer) { o.Benefit = (*coupon.PercentOff)(nil) }, []string{"benefit"}},
		"0 %":                      {func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{} }, []string{"benefit.percent"}},
		"above 100 %":              {func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{Rate: ledger.MustRate("100.000001")} }, []string{"benefit.percent"}},
		"a maximum of nothing":     {func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{Rate: ledger.MustRate("10"), Max: euros("0.00")} }, []string{"benefit.max.EUR"}},
		"no amounts":               {func(o *coupon.Offer) { o.Benefit = coupon.AmountOff{} }, []string{"benefit.amounts"}},
		"an amount below nothing":  {func(o *coupon.Offer) { o.Benefit = coupon.AmountOff{Amounts: euros("-1.00")} }, []string{"benefit.amounts.EUR"}},
		"an amount in no currency": {func(o *coupon.Offer) { o.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{{}}} }, []string{"benefit.amounts"}},
		"an amount of 2^53": {func(o *coupon.Offer) {
			o.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(1<<53, euro)}}
		}, []string{"benefit.amounts.EUR"}},
		"two amounts in one currency": {func(o *coupon.Offer) { o.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{eur("1.00"), eur("2.00")}} }, []string{"benefit.amounts.EUR"}},
		"an empty product":            {func(o *coupon.Offer) { o.Scope.In.Products = []string{"tea", ""} }, []string{"scope.in.products[1]"}},
		"a hostile category":          {func(o *coupon.Offer) { o.Scope.In.Categories = []string{"\xff"} }, []string{"scope.in.categories[0]"}},
		"a hostile seller":            {func(o *coupon.Offer) { o.Scope.Out.Sellers = []string{"\n"} }, []string{"scope.out.sellers[0]"}},
		"a hostile tag":               {func(o *coupon.Offer) { o.Scope.Out.Tags = []string{strings.Repeat("x", 101)} }, []string{"scope.out.tags[0]"}},
		"too many products":           {func(o *coupon.Offer) { o.Scope.In.Products = make([]string, 100_001) }, []string{"scope.in.products"}},
		"undefined sale items":        {func(o *coupon.Offer) { o.Scope.SaleItems = 3 }, []string{"scope.sale_items"}},
		"undefined shop promotions":   {func(o *coupon.Offer) { o.ShopPromotions = 3 }, []string{"shop_promotions"}},
		"undefined restore":           {func(o *coupon.Offer) { o.Restore = 4 }, []string{"restore"}},
		"undefined below":             {func(o *coupon.Offer) { o.Below = 3 }, []string{"below_minimum"}},
		"a group without name":        {func(o *coupon.Offer) { o.Group.First = true }, []string{"group.name"}},
		"a hostile group":             {func(o *coupon.Offer) { o.Group.Name = "A" }, []string{"group.name"}},
		"a hostile campaign":          {func(o *coupon.Offer) { o.Campaign = "@x" }, []string{"campaign"}},
		"undefined rounding":          {func(o *coupon.Offer) { o.Rounding = 5 }, []string{"rounding"}},
		"priority beyond":             {func(o *coupon.Offer) { o.Priority = 1001 }, []string{"priority"}},
		"priority below":              {func(o *coupon.Offer) { o.Priority = -1001 }, []string{"priority"}},
		"free and with labels":        {func(o *coupon.Offer) { o.Combine = coupon.Combine{Freely: true, With: []string{"a"}} }, []string{"combine"}},
		"hostile label to go with":    {func(o *coupon.Offer) { o.Combine.With = []string{""} }, []string{"combine.with[0]"}},
		"no condition":                {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{nil} }, []string{"conditions[0]"}},
		"a condition by pointer":      {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{(*coupon.InSegment)(nil)} }, []string{"conditions[0]"}},
		"too many conditions":         {func(o *coupon.Offer) { o.Conditions = many(coupon.Condition(coupon.NewCustomer{}), 101) }, []string{"conditions"}},
		"a minimum of nothing":        {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.MinimumSpend{}} }, []string{"conditions[0].amounts"}},
		"a minimum of two things": {func(o *coupon.Offer) {
			o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("1.00"), Cart: true, Of: products("tea")}}
		}, []string{"conditions[0].of"}},
		"a minimum of nameless goods": {func(o *coupon.Offer) {
			o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("1.00"), Of: products("")}}
		}, []string{"conditions[0].of.products[0]"}},
		"no units of each line":      {func(o *coupon.Offer) { o.Benefit = coupon.PercentOff{Rate: half, Units: coupon.Units{PerLine: true}} }, []string{"benefit.units.max"}},
		"a minimum below nothing":    {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("-1.00")}} }, []string{"conditions[0].amounts.EUR"}},
		"nobody's segment":           {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.InSegment{}} }, []string{"conditions[0].any"}},
		"an empty segment":           {func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.InSegment{Any: []string{""}}} }, []string{"conditions[0].any[0]"}},
		"until before from":          {func(o *coupon.Offer) { o.Schedule.Interval = later }, []string{"schedule.until"}},
		"until in the year 10000":    {func(o *coupon.Offer) { o.Schedule.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"schedule.until"}},
		"a blackout without end":     {func(o *coupon.Offer) { o.Schedule.Blackouts = []coupon.Blackout{{Name: "sales"}} }, []string{"schedule.blackouts[0]"}},
		"a blackout without name":    {func(o *coupon.Offer) { o.Schedule.Blackouts = []coupon.Blackout{{Interval: soon}} }, []string{"schedule.blackouts[0].name"}},
		"a blackout that is no time": {func(o *coupon.Offer) { o.Schedule.Blackouts = []coupon.Blackout{{"sales", later}} }, []string{"schedule.blackouts[0].until"}},
		"too many blackouts":         {func(o *coupon.Offer) { o.Schedule.Blackouts = many(coupon.Blackout{"sales", soon}, 101) }, []string{"schedule.blackouts"}},
		"a life below nothing":       {func(o *coupon.Offer) { o.Schedule.Life = -time.Second }, []string{"schedule.life_seconds"}},
		"a life of half a second":    {func(o *coupon.Offer) { o.Schedule.Life = time.Second / 2 }, []string{"schedule.life_seconds"}},
		"a life beyond a century":    {func(o *coupon.Offer) { o.Schedule.Life = 101 * 365 * 24 * time.Hour }, []string{"schedule.life_seconds"}},
		"as many as the step before": {func(o *coupon.Offer) { o.Benefit = coupon.Tiers{Quantity: steps(3, 3)} }, []string{"benefit.quantity[1].from"}},
		"as much as the step before": {func(o *coupon.Offer) {
			o.Benefit = coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("5.00"), Rate: half}, {From: euros("5.00"), Rate: half}}}
		}, []string{"benefit.spend[1].from"}},
		"a step above 100 %": {func(o *coupon.Offer) {
			o.Benefit = coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 1, Rate: ledger.MustRate("101")}}}
		}, []string{"benefit.quantity[0].percent"}},
		"too many steps": {func(o *coupon.Offer) {
			o.Benefit = coupon.Tiers{Quantity: steps(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)}
		}, []string{"benefit"}},
		"no such zone":       {func(o *coupon.Offer) { o.Schedule.Zone = "Europe/Nowhere" }, []string{"schedule.zone"}},
		"the machine's zone": {func(o *coupon.Offer) { o.Schedule.Zone = "Local" }, []string{"schedule.zone"}},
		"a path as zone":     {func(o *coupon.Offer) { o.Schedule.Zone = "../../etc/passwd" }, []string{"schedule.zone"}},
		"a limit of nothing": {func(o *coupon.Offer) { o.Limits = []coupon.Limit{{}} }, []string{"limits[0]"}},
		"an undefined limit": {func(o *coupon.Offer) { o.Limits = []coupon.Limit{{Per: 6, Uses: 1, Period: "hour"}} }, []string{"limits[0].per", "limits[0].period"}},
		"a coupon's limit per month": {func(o *coupon.Offer) {
			o.Limits = []coupon.Limit{{Per: coupon.PerCoupon, Uses: 1, Period: ledger.Month}}
		}, []string{"limits[0].period"}},
		"a limit twice":                {func(o *coupon.Offer) { o.Limits = []coupon.Limit{{Uses: 1}, {Uses: 2}} }, []string{"limits[1]"}},
		"too many limits":              {func(o *coupon.Offer) { o.Limits = manyLimits() }, []string{"limits"}},
		"several at once, in order":    {func(o *coupon.Offer) { *o = coupon.Offer{Version: -1} }, []string{"id", "version", "name", "benefit"}},
		"the zone beside a fair limit": {func(o *coupon.Offer) { o.Schedule.Zone = "Mars"; o.Limits = []coupon.Limit{{Uses: 1}} }, []string{"schedule.zone"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := amountOff("spring", "5.00")
			c.change(&offer)
			err := offer.Validate()
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
			_, err = coupon.NewVersion(offer)
			require.ErrorIs(t, err, coupon.ErrOffer)
			offer.Version = max(offer.Version, 0)
			if name != "negative version" {
				_, err = coupon.New(down{}, coupon.Options{}).Publish(ctx, offer, "staff", noon)
				require.ErrorIs(t, err, coupon.ErrOffer)
			}
		})
	}
}

func many[A any](one A, n int) []A {
	all := make([]A, n)
	for i := range all {
		all[i] = one
	}
	return all
}

// steps are a ladder by quantity.
func steps(from ...int64) []coupon.QuantityTier {
	var all []coupon.QuantityTier
	for _, n := range from {
		all = append(all, coupon.QuantityTier{From: n, Rate: half})
	}
	return all
}

// manyLimits are eleven, all there can be and one of them again.
func manyLimits() []coupon.Limit {
	var all []coupon.Limit
	for _, period := range []ledger.Period{ledger.Lifetime, ledger.Day, ledger.Week, ledger.Month, ledger.Year} {
		all = append(all, coupon.Limit{Per: coupon.PerOffer, Uses: 1, Period: period}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1, Period: period})
	}
	return append(all, all[0])
}

// everything is an offer that says something of each kind.
func everything() coupon.Offer {
	return coupon.Offer{
		ID: "every.thing-1_2", Name: "Everything „on“ tea & <cups>", Labels: []string{"referral", "spring"},
		Benefit: coupon.PercentOff{Rate: ledger.MustRate("12.5"), Max: coupon.Amounts{eur("20.00"), ledger.MustMoney("25.00", usd)}},
		Scope: coupon.Scope{
			In:        coupon.Lists{Products: []string{"tea"}, Categories: []string{"drinks"}, Sellers: []string{"acme"}, Tags: []string{"green"}},
			Out:       coupon.Lists{Products: []string{"cup"}, Categories: []string{"crockery"}, Sellers: []string{"zeta"}, Tags: []string{"chipped"}},
			SaleItems: coupon.SaleItemsOut,
		},
		Conditions: []coupon.Condition{
			coupon.MinimumSpend{Amounts: coupon.Amounts{eur("30.00"), ledger.MustMoney("35.00", usd)}},
			coupon.InSegment{Any: []string{"gold", "silver"}},
		},
		Schedule: coupon.Schedule{
			Interval:  coupon.Interval{From: noon.Add(-time.Hour), Until: noon.Add(24*time.Hour + 123456789)},
			Blackouts: []coupon.Blackout{{"the sales", coupon.Interval{From: noon.Add(2 * time.Hour), Until: noon.Add(3 * time.Hour)}}},
			Life:      36 * time.Hour, Zone: "Europe/Berlin",
		},
		Limits: []coupon.Limit{
			{Per: coupon.PerOffer, Uses: 1000, Period: ledger.Month}, {Per: coupon.PerCustomer, Uses: 2}, {Per: coupon.PerCoupon, Uses: 3},
		},
		Combine: coupon.Combine{With: []string{"welcome"}}, Priority: -7,
		ShopPromotions: coupon.SkipPromoted, Rounding: ledger.HalfEven, Restore: coupon.RestoreNever,
	}
}

// As much as an offer may say is accepted; one more is a fault above.
func TestOffersAtTheirLimits(t *testing.T) {
	for name, change := range map[string]func(*coupon.Offer){
		"conditions":     func(o *coupon.Offer) { o.Conditions = many(coupon.Condition(coupon.NewCustomer{}), 100) },
		"limits":         func(o *coupon.Offer) { o.Limits = manyLimits()[:10] },
		"uses and money": func(o *coupon.Offer) { o.Limits = []coupon.Limit{{Money: euros("5.00")}, {Uses: 5}} },
		"shards":         func(o *coupon.Offer) { o.Limits = []coupon.Limit{{Uses: 100, Shards: ledger.MaxShards}} },
		"windows":        func(o *coupon.Offer) { o.Schedule.Weekly = many(coupon.Window{Days: []time.Weekday{time.Sunday}}, 50) },
		"blackouts": func(o *coupon.Offer) {
			o.Schedule.Blackouts = many(coupon.Blackout{"sales", coupon.Interval{Until: noon}}, 100)
		},
		"a blackout's name": func(o *coupon.Offer) {
			o.Schedule.Blackouts = []coupon.Blackout{{strings.Repeat("x", coupon.MaxKey), coupon.Interval{Until: noon}}}
		},
		"repeats": func(o *coupon.Offer) { o.Benefit = coupon.BuyGet{Buy: 1, Get: 1, Max: coupon.MaxQuantity} },
		"items": func(o *coupon.Offer) {
			o.Benefit = coupon.BundlePrice{Prices: euros("1.00"), Items: many(coupon.BundleItem{Units: coupon.MaxQuantity}, 20)}
		},
		"steps": func(o *coupon.Offer) {
			o.Benefit = coupon.Tiers{Quantity: steps(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)}
		},
		"products": func(o *coupon.Offer) { o.Scope.In.Products = many("tea", 100_000) },
		"shares": func(o *coupon.Offer) {
			for i := range 10 {
				o.Funding = append(o.Funding, share(fmt.Sprint("brand ", i), "10"))
			}
		},
		"a name": func(o *coupon.Offer) { o.Name = strings.Repeat("n", 200) },
		"labels": func(o *coupon.Offer) { o.Labels = many("label", 20) },
		"units that count": func(o *coupon.Offer) {
			o.Benefit = coupon.PercentOff{Rate: half, Units: coupon.Units{Max: coupon.MaxQuantity}}
		},
		"the lowest priority":  func(o *coupon.Offer) { o.Priority = -1000 },
		"the highest priority": func(o *coupon.Offer) { o.Priority = 1000 },
		"an instant of 1970":   func(o *coupon.Offer) { o.Schedule.Until = time.Unix(1, 0) },
		"a life":               func(o *coupon.Offer) { o.Schedule.Life = 100 * 365 * 24 * time.Hour },
	} {
		offer := amountOff("spring", "5.00")
		change(&offer)
		assert.NoError(t, offer.Validate(), name)
	}
}

func TestOffersAreKeptAsPublished(t *testing.T) {
	enums := everything()
	enums.Benefit = coupon.AmountOff{Amounts: coupon.Amounts{eur("1.00"), ledger.MustMoney("2.00", usd)}}
	enums.Scope.SaleItems, enums.ShopPromotions, enums.Restore = coupon.SaleItemsOnly, coupon.AllowPromoted, coupon.RestoreWhenNothingKept
	enums.Combine, enums.Rounding = coupon.Combine{Freely: true}, ledger.Down
	for name, offer := range map[string]coupon.Offer{
		"the least": amountOff("least", "0.01"), "everything": everything(), "the other half": enums,
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			published, err := s.Publish(ctx, offer, "staff", noon)
			require.NoError(t, err)
			offer.Version = 1
			require.Equal(t, offer, published)
			read, err := coupon.New(s.store, coupon.Options{}).Offer(ctx, offer.ID, 0, noon)
			require.NoError(t, err)
			require.Equal(t, offer, read)
		})
	}
}

func TestPublishingTwiceMakesOneVersion(t *testing.T) {
	s := newShop(t, everything())
	before := dump(t, s.store)
	again, err := s.Publish(ctx, everything(), "another", noon.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, 1, again.Version)
	requireSame(t, before, dump(t, s.store))

	changed := everything()
	changed.Priority++
	again, err = s.Publish(ctx, changed, "staff", noon)
	require.NoError(t, err)
	assert.Equal(t, 2, again.Version)
	first, err := s.Offer(ctx, changed.ID, 1, noon)
	require.NoError(t, err)
	assert.Equal(t, -7, first.Priority)
}

// What a caller does with its offer afterwards changes no version.
func TestVersionsShareNothingWithTheCaller(t *testing.T) {
	offer := everything()
	v, err := coupon.NewVersion(offer)
	require.NoError(t, err)
	offer.Benefit.(coupon.PercentOff).Max[0] = eur("0.01")
	offer.Conditions[0].(coupon.MinimumSpend).Amounts[0] = eur("0.01")
	offer.Conditions[1].(coupon.InSegment).Any[0] = "everybody"
	offer.Labels[0], offer.Combine.With[0], offer.Limits[0].Uses = "x", "x", 9
	offer.Schedule.Blackouts[0].Name = "x"
	for _, lists := range []coupon.Lists{offer.Scope.In, offer.Scope.Out} {
		lists.Products[0], lists.Categories[0], lists.Sellers[0], lists.Tags[0] = "x", "x", "x", "x"
	}
	require.Equal(t, everything(), v.Offer())
}

func TestEnumerationsReadOnlyTheirNames(t *testing.T) {
	var sale coupon.SaleItems
	var promotions coupon.ShopPromotions
	var restore coupon.Restore
	var per coupon.LimitPer
	require.NoError(t, sale.UnmarshalText([]byte("only")))
	require.NoError(t, promotions.UnmarshalText([]byte("skip")))
	require.NoError(t, restore.UnmarshalText([]byte("never")))
	require.NoError(t, per.UnmarshalText([]byte("coupon")))
	assert.Equal(t, []any{coupon.SaleItemsOnly, coupon.SkipPromoted, coupon.RestoreNever, coupon.PerCoupon}, []any{sale, promotions, restore, per})
	for _, text := range []string{"", "Only", "only ", "1"} {
		require.ErrorIs(t, sale.UnmarshalText([]byte(text)), coupon.ErrOffer)
		require.ErrorIs(t, promotions.UnmarshalText([]byte(text)), coupon.ErrOffer)
		require.ErrorIs(t, restore.UnmarshalText([]byte(text)), coupon.ErrOffer)
		require.ErrorIs(t, per.UnmarshalText([]byte(text)), coupon.ErrOffer)
	}
	_, err := coupon.SaleItems(3).MarshalText()
	require.ErrorIs(t, err, coupon.ErrOffer)
}

func TestDays(t *testing.T) {
	for name, c := range map[string]struct {
		first, last, zone string
		from, until       string
	}{
		"a day in UTC":                  {"2026-11-20", "2026-11-20", "UTC", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"},
		"the last day counts in full":   {"2026-11-20", "2026-11-30", "America/New_York", "2026-11-20T05:00:00Z", "2026-12-01T05:00:00Z"},
		"clocks go forward":             {"2026-03-29", "2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		"clocks go back":                {"2026-10-25", "2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		"no midnight on the first day":  {"2026-04-24", "2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		"no midnight after the last":    {"2026-04-23", "2026-04-23", "Africa/Cairo", "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"},
		"midnight twice":                {"2021-10-29", "2021-10-29", "Asia/Gaza", "2021-10-28T21:00:00Z", "2021-10-29T22:00:00Z"},
		"a day that was skipped before": {"2011-12-31", "2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		"a leap day":                    {"2028-02-29", "2028-02-29", "Asia/Tokyo", "2028-02-28T15:00:00Z", "2028-02-29T15:00:00Z"},
		"over the new year":             {"2026-12-31", "2027-01-01", "Australia/Lord_Howe", "2026-12-30T13:00:00Z", "2027-01-01T13:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			days, err := coupon.Days(c.first, c.last, c.zone)
			require.NoError(t, err)
			assert.Equal(t, c.from, days.From.UTC().Format(time.RFC3339))
			assert.Equal(t, c.until, days.Until.UTC().Format(time.RFC3339))
			assert.True(t, days.Contains(days.From))
			assert.False(t, days.Contains(days.From.Add(-1)))
			assert.True(t, days.Contains(days.Until.Add(-1)))
			assert.False(t, days.Contains(days.Until))
		})
	}
}

func TestDaysRefused(t *testing.T) {
	for name, c := range map[string]struct {
		first, last, zone string
		want              []string
	}{
		"no zone":            {"2026-11-20", "2026-11-20", "", []string{"zone"}},
		"no such zone":       {"2026-11-20", "2026-11-20", "Europe/Nowhere", []string{"zone"}},
		"the machine's zone": {"2026-11-20", "2026-11-20", "Local", []string{"zone"}},
		"no dates":           {"", "tomorrow", "UTC", []string{"first", "last"}},
		"no such date":       {"2026-02-30", "2026-03-01", "UTC", []string{"first"}},
		"the wrong way":      {"2026-11-21", "2026-11-20", "UTC", []string{"last"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.Days(c.first, c.last, c.zone)
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
}

// The days of a schedule are the days of limits, wherever clocks change.
func TestDaysAreTheLedgersDays(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Africa/Cairo", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Gaza", "Asia/Amman", "Australia/Lord_Howe", "America/Nuuk"} {
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		at := time.Date(2021, 1, 1, 12, 0, 0, 0, location)
		for label, until := ledger.Day.At(at, location); until.Year() < 2024; label, until = ledger.Day.At(at, location) {
			days, err := coupon.Days(label, label, zone)
			require.NoError(t, err)
			require.True(t, until.Equal(days.Until), "%s in %s: %s, want %s", label, zone, days.Until, until)
			require.True(t, days.Contains(at))
			at = until
		}
	}
}

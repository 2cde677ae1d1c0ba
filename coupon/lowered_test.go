package coupon_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleQuote_Lowered() {
	tenth := coupon.Offer{ID: "tenth", Name: "10 % off", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10"), Max: euros("10.00")}}
	version, err := coupon.NewVersion(tenth)
	if err != nil {
		fmt.Println(err)
		return
	}
	quote, err := coupon.Decide(cartOf(item("120.00", 1)), []coupon.Candidate{{Version: version}}, coupon.Facts{}, noon)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, lowered := range quote.Lowered() {
		fmt.Println(quote.Applied()[lowered.Applied].Amount, "of", lowered.Full)
		for _, by := range lowered.By {
			fmt.Println(by.Reason, "-", by)
		}
	}
	fmt.Println(quote.Shopper(language.English)[0])
	// Output:
	// 10.00 EUR of 12.00 EUR
	// maximum - 2.00 EUR less: at most 10.00 EUR comes off
	// "10 % off": €10.00 off instead of €12.00: at most €10.00 comes off.
}

// everyLowering are the reasons, in the order in which they lower.
var everyLowering = []coupon.LoweredBy{
	coupon.LoweredByUnits, coupon.LoweredByRepeats, coupon.LoweredByMaximum, coupon.LoweredByPrice, coupon.LoweredByFloor, coupon.LoweredByLimit,
}

func TestLoweredAmounts(t *testing.T) {
	month := coupon.Limit{Per: coupon.PerCustomer, Money: euros("20.00"), When: coupon.ClipSpent, Period: ledger.Month}
	campaign := coupon.Limit{Per: coupon.PerCampaign, Money: euros("100.00"), When: coupon.ClipSpent}
	spring := func(o coupon.Offer) coupon.Offer { return changed(o, func(o *coupon.Offer) { o.Campaign = "spring" }) }
	for name, c := range map[string]struct {
		offer   coupon.Offer
		lines   []coupon.Line
		used    map[string]int64
		applied string   // the amount, "of" the full one
		staff   []string // reasons and sentences
		english string   // why, for the shopper
		french  string
	}{
		"units": {
			offer: giving("a", coupon.PercentOff{Rate: half, Units: someUnits(1, coupon.Cheapest)}), lines: []coupon.Line{item("10.00", 2), item("6.00", 1)},
			applied: "3.00 of 13.00", staff: []string{"units 10.00 EUR less: only 1 of 3 units count"},
			english: "only 1 unit counts", french: "seul 1 article est concerné",
		},
		"units of each line": {
			offer: giving("a", coupon.FixedPrice{Prices: euros("4.00"), Units: coupon.Units{Max: 1, PerLine: true}}), lines: []coupon.Line{item("10.00", 2), item("6.00", 2)},
			applied: "8.00 of 16.00", staff: []string{"units 8.00 EUR less: of each line only 1 units count, of 4 in all"},
			english: "of each line only 1 unit counts", french: "dans chaque ligne, seul 1 article est concerné",
		},
		"repeats of what is got": {
			offer: giving("a", coupon.BuyGet{Buy: 1, Get: 1, Max: 2}), lines: []coupon.Line{item("3.00", 7)},
			applied: "6.00 of 9.00", staff: []string{"repeats 3.00 EUR less: at most 2 times in an order"},
			english: "it is given at most 2 times per order", french: "elle est accordée 2 fois au maximum par commande",
		},
		"repeats of a set": {
			offer: giving("a", coupon.BundlePrice{Items: []coupon.BundleItem{{Units: 2}}, Prices: euros("5.00"), Max: 1}), lines: []coupon.Line{item("3.00", 4)},
			applied: "1.00 of 2.00", staff: []string{"repeats 1.00 EUR less: at most 1 times in an order"},
			english: "it is given at most 1 time per order", french: "elle est accordée 1 fois au maximum par commande",
		},
		"the maximum": {
			offer: giving("a", coupon.PercentOff{Rate: ledger.MustRate("10"), Max: euros("10.00")}), lines: []coupon.Line{item("120.00", 1)},
			applied: "10.00 of 12.00", staff: []string{"maximum 2.00 EUR less: at most 10.00 EUR comes off"},
			english: "at most €10.00 comes off", french: "la réduction est de 10,00 € au maximum",
		},
		"the price of an order": {
			offer: amountOff("a", "5.00"), lines: []coupon.Line{item("1.00", 3)},
			applied: "3.00 of 5.00", staff: []string{"price 2.00 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"the price of a unit": {
			offer: each("a", "2.00"), lines: []coupon.Line{item("1.50", 2), item("9.00", 1)},
			applied: "5.00 of 6.00", staff: []string{"price 1.00 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"the price of a line": {
			offer: giving("a", coupon.AmountOffEach{Amounts: euros("2.00"), PerLine: true}), lines: []coupon.Line{item("0.50", 3), item("9.00", 1)},
			applied: "3.50 of 4.00", staff: []string{"price 0.50 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"the price of a delivery": {
			offer: giving("a", coupon.ShippingOff{Amounts: euros("5.00")}), lines: []coupon.Line{item("1.00", 1)},
			applied: "4.90 of 5.00", staff: []string{"price 0.10 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"the price of deliveries together": {
			offer: giving("a", coupon.ShippingOff{Amounts: euros("5.00"), Together: true}), lines: []coupon.Line{item("1.00", 1)},
			applied: "4.90 of 5.00", staff: []string{"price 0.10 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"the price of what is got": {
			offer: giving("a", coupon.BuyGet{Buy: 1, Get: 1, Amounts: euros("4.00"), Max: 2}), lines: []coupon.Line{item("3.00", 7)},
			applied: "6.00 of 12.00", staff: []string{"repeats 4.00 EUR less: at most 2 times in an order", "price 2.00 EUR less: no more comes off than things still cost"},
			english: "it is given at most 2 times per order; no more comes off than something costs",
			french:  "elle est accordée 2 fois au maximum par commande ; la réduction ne dépasse jamais le prix",
		},
		"the price of two that are got": {
			offer: giving("a", coupon.BuyGet{Buy: 1, Get: 2, Amounts: euros("4.00"), Max: 1}), lines: []coupon.Line{item("3.00", 6)},
			applied: "6.00 of 16.00", staff: []string{"repeats 8.00 EUR less: at most 1 times in an order", "price 2.00 EUR less: no more comes off than things still cost"},
			english: "it is given at most 1 time per order; no more comes off than something costs",
			french:  "elle est accordée 1 fois au maximum par commande ; la réduction ne dépasse jamais le prix",
		},
		"a step's amount": {
			offer: giving("a", coupon.Tiers{Spend: []coupon.SpendTier{{From: euros("1.00"), Amounts: euros("4.00")}}}), lines: []coupon.Line{item("3.00", 1)},
			applied: "3.00 of 4.00", staff: []string{"price 1.00 EUR less: no more comes off than things still cost"},
			english: "no more comes off than something costs", french: "la réduction ne dépasse jamais le prix",
		},
		"a floor": {
			offer: percentOff("a", "50"), lines: []coupon.Line{floor("10.00", 2, "8.00")},
			applied: "4.00 of 10.00", staff: []string{`floor 6.00 EUR less: the floor price is reached by line "1"`},
			english: "no product falls below its lowest price", french: "aucun produit ne descend au-dessous de son prix minimal",
		},
		"a floor that one line reaches and one does not": {
			offer: each("a", "2.00"), lines: []coupon.Line{floor("10.00", 1, "9.00"), floor("8.00", 1, "1.00")},
			applied: "3.00 of 4.00", staff: []string{`floor 1.00 EUR less: the floor price is reached by line "1"`},
			english: "no product falls below its lowest price", french: "aucun produit ne descend au-dessous de son prix minimal",
		},
		"a floor that others make up for in part": {
			offer: amountOff("a", "9.00"), lines: []coupon.Line{floor("10.00", 1, "9.00"), floor("8.00", 1, "8.00"), item("2.00", 1)},
			applied: "3.00 of 9.00", staff: []string{`floor 6.00 EUR less: the floor price is reached by lines "1", "2"`},
			english: "no product falls below its lowest price", french: "aucun produit ne descend au-dessous de son prix minimal",
		},
		"everybody's limit": {
			offer: spring(limited(amountOff("a", "12.00"), campaign)), lines: []coupon.Line{item("30.00", 1)}, used: map[string]int64{"money/EUR/@spring": 9000},
			applied: "10.00 of 12.00", staff: []string{"limit 2.00 EUR less: 90.00 EUR of 100.00 EUR are spent in its campaign: 10.00 EUR are left"},
			english: "its budget is nearly used up", french: "son budget est presque épuisé",
		},
		"a limit of one's own": {
			offer: limited(amountOff("a", "12.00"), month), lines: []coupon.Line{item("30.00", 1)}, used: map[string]int64{"money/EUR/a/2026-11/customer/jane": 1500},
			applied: "5.00 of 12.00", staff: []string{"limit 7.00 EUR less: 15.00 EUR of 20.00 EUR are spent by this customer in this month: 5.00 EUR are left"},
			english: "€5.00 was left of €20.00 per customer, each month", french: "il restait 5,00 € sur 20,00 € par client, chaque mois",
		},
		"a limit of the order": {
			offer: limited(amountOff("a", "12.00"), coupon.Limit{Per: coupon.PerOrder, Money: euros("8.00"), When: coupon.ClipSpent}), lines: []coupon.Line{item("30.00", 1)},
			applied: "8.00 of 12.00", staff: []string{"limit 4.00 EUR less: 0.00 EUR of 8.00 EUR are spent in this order: 8.00 EUR are left"},
			english: "€8.00 was left of €8.00 per order", french: "il restait 8,00 € sur 8,00 € par commande",
		},
		"the narrower of two limits": {
			offer: spring(limited(amountOff("a", "12.00"), campaign, month)), lines: []coupon.Line{item("30.00", 1)},
			used:    map[string]int64{"money/EUR/@spring": 9000, "money/EUR/a/2026-11/customer/jane": 1100},
			applied: "9.00 of 12.00", staff: []string{"limit 3.00 EUR less: 11.00 EUR of 20.00 EUR are spent by this customer in this month: 9.00 EUR are left"},
			english: "€9.00 was left of €20.00 per customer, each month", french: "il restait 9,00 € sur 20,00 € par client, chaque mois",
		},
		"one after the other": {
			offer: limited(giving("a", coupon.PercentOff{Rate: whole, Of: coupon.OfOriginal, Max: euros("25.00"), Units: someUnits(3, coupon.Dearest)}),
				coupon.Limit{Money: euros("9.00"), When: coupon.ClipSpent}),
			lines: []coupon.Line{item("10.00", 4)}, applied: "9.00 of 40.00",
			staff: []string{
				"units 10.00 EUR less: only 3 of 4 units count", "maximum 5.00 EUR less: at most 25.00 EUR comes off",
				"limit 16.00 EUR less: 0.00 EUR of 9.00 EUR are spent in all: 9.00 EUR are left",
			},
			english: "only 3 units count; at most €25.00 comes off; its budget is nearly used up",
			french:  "seuls 3 articles sont concernés ; la réduction est de 25,00 € au maximum ; son budget est presque épuisé",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(c.lines...)
			cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("4.90")}}
			q, err := coupon.Decide(cart, candidates(t, c.offer), coupon.Facts{Used: c.used}, noon)
			require.NoError(t, err)
			require.Len(t, q.Lowered(), 1)
			l, applied := q.Lowered()[0], q.Applied()[0]
			assert.Equal(t, c.applied, applied.Amount.Amount()+" of "+l.Full.Amount())
			explained := fmt.Sprintf("takes off %s of %s\n", applied.Amount, l.Full)
			var staff []string
			for _, by := range l.By {
				staff = append(staff, fmt.Sprintf("%s %s", by.Reason, by))
				explained += fmt.Sprintf("lowered: offer \"a\": %s: %s\n", by.Reason, by)
			}
			assert.Equal(t, c.staff, staff)
			assert.Contains(t, q.Explain(), explained)
			euros := func(m ledger.Money) string { return strings.Replace(m.Amount(), ".", ",", 1) + " €" }
			assert.Equal(t, fmt.Sprintf("\"a\": €%s off instead of €%s: %s.", applied.Amount.Amount(), l.Full.Amount(), c.english), q.Shopper(language.English)[0])
			assert.Equal(t, fmt.Sprintf("« a » : %s de réduction au lieu de %s : %s.", euros(applied.Amount), euros(l.Full), c.french), plain(q.Shopper(language.French))[0])
		})
	}
}

// What an offer would take off without its caps is what it would take off lines as those
// before it have left them.
func TestLoweredAfterOthers(t *testing.T) {
	one := giving("b", coupon.PercentOff{Rate: half, Max: euros("2.00"), Units: someUnits(1, coupon.Cheapest)})
	q := decide(t, cartOf(item("10.00", 3)), first(freely(percentOff("a", "10"))), freely(one))
	require.Equal(t, []ledger.Money{eur("3.00"), eur("2.00")}, []ledger.Money{q.Applied()[0].Amount, q.Applied()[1].Amount})
	require.Len(t, q.Lowered(), 1)
	l := q.Lowered()[0]
	assert.Equal(t, eur("13.50"), l.Full, "half of the 27.00 that are left")
	require.Len(t, l.By, 2)
	assert.Equal(t, []any{coupon.LoweredByUnits, eur("9.00")}, []any{l.By[0].Reason, l.By[0].Amount})
	assert.Equal(t, []any{coupon.LoweredByMaximum, eur("2.50")}, []any{l.By[1].Reason, l.By[1].Amount})
}

// What offers before it have used of sets is none of an offer's own sets.
func TestLoweredSetsAfterOthers(t *testing.T) {
	set := coupon.BuyGet{Buy: 1, Get: 1, Max: 1}
	own := coupon.BuyGet{Buy: 1, Get: 1, Amounts: euros("4.00"), Max: 1}
	q := decide(t, cartOf(item("3.00", 6)), first(freely(giving("a", set))), freely(giving("b", own)))
	require.Len(t, q.Lowered(), 2)
	l := q.Lowered()[1]
	assert.Equal(t, []ledger.Money{eur("3.00"), eur("8.00")}, []ledger.Money{q.Applied()[1].Amount, l.Full}, "two sets are left")
}

// What is taken off in full has no reason, whatever could have lowered it.
func TestAmountsInFullAreNotLowered(t *testing.T) {
	for name, offer := range map[string]coupon.Offer{
		"as many units as count":     giving("a", coupon.PercentOff{Rate: half, Units: someUnits(3, coupon.Cheapest)}),
		"just the maximum":           giving("a", coupon.PercentOff{Rate: half, Max: euros("15.00")}),
		"just the price":             amountOff("a", "30.00"),
		"units that cost less":       giving("a", coupon.FixedPrice{Prices: euros("12.00"), Units: someUnits(3, coupon.Cheapest)}),
		"just the limit":             limited(amountOff("a", "10.00"), coupon.Limit{Money: euros("10.00"), When: coupon.ClipSpent}),
		"the last that is allowed":   limited(amountOff("a", "10.00"), coupon.Limit{Money: euros("9.00"), When: coupon.AllowLast}),
		"just as often as it can be": giving("a", coupon.BuyGet{Buy: 1, Get: 1, Max: 1}),
		"a gift":                     giving("a", coupon.GiftLine{Product: "mug", Quantity: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			q, err := coupon.Decide(cartOf(item("10.00", 3)), candidates(t, offer, freely(percentOff("b", "1"))), coupon.Facts{}, noon)
			require.NoError(t, err)
			require.NotEmpty(t, q.Applied())
			assert.Empty(t, q.Lowered())
			assert.NotContains(t, q.Explain(), "lowered")
		})
	}
}

// A coupon's limit is its holder's own, and of one that anyone may use everybody's.
func TestWhoseLimitLowers(t *testing.T) {
	offer := limited(amountOff("a", "12.00"), coupon.Limit{Per: coupon.PerCoupon, Money: euros("20.00"), When: coupon.ClipSpent})
	for holder, want := range map[string]string{
		"jane": "€3.00 was left of €20.00 per coupon.", "": "Its budget is nearly used up.",
	} {
		c := candidates(t, offer)[0]
		c.Coupon = &coupon.Coupon{ID: "c", Offer: "a", Holder: holder, Uses: 1}
		q, err := coupon.Decide(cartOf(item("30.00", 1)), []coupon.Candidate{c}, coupon.Facts{Used: map[string]int64{"money/EUR/a/coupon/c": 1700}}, noon)
		require.NoError(t, err)
		require.Len(t, q.Lowered(), 1)
		assert.Equal(t, want, q.Lowered()[0].By[0].Shopper())
	}
}

// A delivery that its seller keeps out of an offer is none that the amount could have
// come off.
func TestDeliveriesLeftOutLowerNothing(t *testing.T) {
	cart := cartOf(item("30.00", 1))
	cart.Shipping = []coupon.Shipping{{ID: "1", Seller: "acme", Price: eur("4.00")}, {ID: "2", Seller: "zeta", Price: eur("4.00")}, {ID: "3", Seller: "acme", Price: eur("2.00")}}
	q, err := coupon.Decide(cart, candidates(t, giving("a", coupon.ShippingOff{Amounts: euros("3.00")})),
		coupon.Facts{Exclusions: []coupon.Exclusion{{ID: "1", Seller: "zeta"}}}, noon)
	require.NoError(t, err)
	require.Len(t, q.Lowered(), 1)
	assert.Equal(t, []ledger.Money{eur("5.00"), eur("6.00")}, []ledger.Money{q.Discount, q.Lowered()[0].Full})
	assert.Empty(t, q.Lines()[0].LeftOut)
}

// The reason stands when a quote is judged again, with the figures it was made with.
func TestLoweredByWhatWasQuoted(t *testing.T) {
	clip := func(per coupon.LimitPer, amount string) coupon.Limit {
		return coupon.Limit{Per: per, Money: euros(amount), When: coupon.ClipSpent}
	}
	s := newShop(t, changed(automatic(limited(freely(amountOff("a", "12.00")), clip(coupon.PerOffer, "50.00"), clip(coupon.PerCustomer, "20.00"))), func(o *coupon.Offer) {
		o.Priority = -1
	}))
	cart := cartOf(item("30.00", 1), item("30.00", 1))
	cart.Lines[1].Seller = "zeta"
	s.redeem("before", cart, coupon.Choice{}, noon)
	quoted := s.quote(cart, coupon.Choice{}, noon)
	require.Equal(t, coupon.PerCustomer, quoted.Lowered()[0].By[0].Limit)
	require.Equal(t, []ledger.Money{eur("8.00"), eur("12.00")}, []ledger.Money{quoted.Discount, quoted.Lowered()[0].By[0].Used})
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "zeta"}, "staff", noon))
	_, err := s.Redeem(ctx, "order", quoted, noon)
	var changed *coupon.QuoteChanged
	require.ErrorAs(t, err, &changed)
	require.Equal(t, quoted.Discount, changed.Now.Discount)
	assert.Equal(t, quoted.Lowered(), changed.Now.Lowered())
}

// A quote of a cart that was changed since gives no reasons, and does not panic.
func TestLoweredOfChangedQuotes(t *testing.T) {
	assert.Empty(t, (&coupon.Quote{}).Lowered())
	for name, change := range map[string]func(l *coupon.Line){
		"a quantity": func(l *coupon.Line) { l.Quantity = 0 }, "a price": func(l *coupon.Line) { l.UnitPrice = eur("9.00") },
		"a lower floor": func(l *coupon.Line) { l.Floor = eur("1.00") }, "a higher floor": func(l *coupon.Line) { l.Floor = eur("9.50") },
	} {
		cart := cartOf(floor("10.00", 1, "8.00"))
		q, err := coupon.Decide(cart, candidates(t, amountOff("a", "5.00")), coupon.Facts{}, noon)
		require.NoError(t, err)
		require.NotEmpty(t, q.Lowered())
		change(&cart.Lines[0])
		assert.Empty(t, q.Lowered(), name)
	}
}

// drawLowerable draws offers that can all apply, and are lowered in every way.
func drawLowerable(t *rapid.T) (drawing, []coupon.Offer) {
	d := drawing{cart: drawCart(t), facts: coupon.Facts{Used: make(map[string]int64), Best: rapid.IntRange(0, 3).Draw(t, "best") == 0}}
	if rapid.IntRange(0, 3).Draw(t, "excluding") == 0 {
		d.facts.Exclusions = []coupon.Exclusion{{ID: "1", Seller: "zeta"}}
	}
	var offers []coupon.Offer
	for i := range rapid.IntRange(1, 5).Draw(t, "offers") {
		o := drawOffer(t, string(rune('a'+i)))
		o.Combine = coupon.Combine{Freely: true}
		o.Benefit, o.Conditions, o.ShopPromotions, o.Limits, o.Campaign = drawAnyBenefit(t), nil, coupon.AllowPromoted, nil, "spring"
		_, gift := o.Benefit.(coupon.GiftLine)
		for _, per := range []coupon.LimitPer{coupon.PerOffer, coupon.PerCustomer, coupon.PerCampaign, coupon.PerOrder} {
			if !gift && rapid.IntRange(0, 5).Draw(t, "limited") == 0 {
				o.Limits = append(o.Limits, coupon.Limit{Per: per, Money: drawAmounts(t, "limit", 1), When: coupon.WhenSpent(rapid.IntRange(1, 2).Draw(t, "when spent"))})
			}
		}
		for _, counter := range []string{"money/EUR/" + o.ID, "money/EUR/" + o.ID + "/customer/jane", "money/EUR/@spring"} {
			d.facts.Used[counter] = rapid.Int64Range(0, 2000).Draw(t, "used")
		}
		offers = append(offers, o)
	}
	// Worked out last, and lowered wherever they apply.
	offers = append(offers, changed(freely(amountOff("y", "90000.00")), func(o *coupon.Offer) { o.Priority, o.ShopPromotions = -9, coupon.AllowPromoted }),
		changed(freely(giving("z", coupon.ShippingOff{Amounts: euros("90000.00")})), func(o *coupon.Offer) { o.Priority, o.ShopPromotions = -9, coupon.AllowPromoted }))
	for _, o := range offers {
		d.candidates = append(d.candidates, coupon.Candidate{Version: mustVersion(o)})
	}
	return d, offers
}

// What the benefit gives by itself less all that lowers it is what is taken off, to the
// coin; and all that lowers it is told of in the fine print.
func TestWhatLowersAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, offers := drawLowerable(t)
		q := d.decide(t)
		told := make(map[string]map[coupon.LoweredBy]bool)
		for _, o := range offers {
			terms, err := coupon.FinePrint(o, language.English, printed)
			require.NoError(t, err)
			told[o.ID] = make(map[coupon.LoweredBy]bool)
			for _, term := range terms {
				for _, by := range term.Lowers {
					told[o.ID][by] = true
				}
			}
		}
		lowered := make(map[int]coupon.Lowered)
		for _, l := range q.Lowered() {
			a := q.Applied()[l.Applied]
			rest, last := l.Full.Minor(), -1
			require.NotEmpty(t, l.By)
			for _, by := range l.By {
				require.Equal(t, euro, by.Amount.Currency())
				require.Positive(t, by.Amount.Minor())
				rest -= by.Amount.Minor()
				require.True(t, told[a.Offer][by.Reason], "%s: %s", a.Offer, by)
				place := slices.Index(everyLowering, by.Reason)
				require.Greater(t, place, last)
				last = place
				require.Equal(t, by.Reason == coupon.LoweredByFloor, len(by.Lines) > 0)
				for _, tag := range tags {
					require.NotRegexp(t, untranslated, by.In(tag))
				}
			}
			require.Equal(t, a.Amount.Minor(), rest)
			lowered[l.Applied] = l
		}
		for i, a := range q.Applied() {
			if full, known := d.full(q, i, offers); known {
				require.Equal(t, full, max(a.Amount.Minor(), lowered[i].Full.Minor()), "%s: %v", a.Offer, lowered[i])
			}
			if a.Offer >= "y" {
				require.NotEmpty(t, lowered[i].By, a.Offer)
			}
		}
		again := d.decide(t)
		require.Equal(t, q.Lowered(), again.Lowered())
		require.Equal(t, q.Explain(), again.Explain())
	})
}

// full is what the benefit of an offer gives by itself, where that is a sum.
func (d *drawing) full(q *coupon.Quote, applied int, offers []coupon.Offer) (full int64, known bool) {
	offer := offers[slices.IndexFunc(offers, func(o coupon.Offer) bool { return o.ID == q.Applied()[applied].Offer })]
	var lines, units, cost, original int64
	for i, l := range q.Lines() {
		if slices.ContainsFunc(q.PassedOver(i), func(left coupon.LeftOut) bool { return left.Offer == offer.ID }) {
			continue
		}
		lines, units, cost, original = lines+1, units+l.Quantity, cost+l.Price.Minor(), original+l.Price.Minor()
		for _, off := range l.Off {
			if off.Applied < applied {
				cost -= off.Amount.Minor()
			}
		}
	}
	of := func(r ledger.Rate, amount int64) int64 {
		part, err := r.Of(amount, offer.Rounding)
		if err != nil {
			panic(err)
		}
		return part
	}
	switch b := offer.Benefit.(type) {
	case coupon.PercentOff:
		if b.Of == coupon.OfOriginal {
			return of(b.Rate, original), true
		}
		return of(b.Rate, cost), true
	case coupon.AmountOff:
		return b.Amounts[0].Minor(), true
	case coupon.AmountOffEach:
		if b.PerLine {
			return lines * b.Amounts[0].Minor(), true
		}
		return units * b.Amounts[0].Minor(), true
	case coupon.ShippingOff:
		for _, s := range d.cart.Shipping {
			excluded := s.Seller == "zeta" && len(d.facts.Exclusions) > 0
			if len(b.Amounts) > 0 && !excluded && (len(b.Sellers) == 0 || slices.Contains(b.Sellers, s.Seller)) && (len(b.Methods) == 0 || slices.Contains(b.Methods, s.Method)) {
				if full += b.Amounts[0].Minor(); b.Together {
					break
				}
			}
		}
		return full, len(b.Amounts) > 0
	}
	return 0, false
}

// How much others have used of a limit and how much all may use is not to be read from
// what the shopper is told, nor from where it is written: two worlds in which as much is
// left look alike.
func TestShoppersAreNotToldOfOthersLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		per := rapid.SampledFrom([]coupon.LimitPer{coupon.PerOffer, coupon.PerCampaign, coupon.PerAttribute, coupon.PerCoupon}).Draw(t, "per")
		left := rapid.Int64Range(1, 999).Draw(t, "left")
		tag := rapid.SampledFrom(tags).Draw(t, "tag")
		told := func(used int64) []string {
			limit := coupon.Limit{Per: per, Money: coupon.Amounts{ledger.Minor(used+left, euro)}, When: coupon.ClipSpent}
			if per == coupon.PerAttribute {
				limit.Attribute = "phone"
			}
			c := coupon.Candidate{Version: mustVersion(changed(limited(amountOff("a", "10.00"), limit), func(o *coupon.Offer) { o.Campaign = "spring" }))}
			c.Coupon, c.Code = &coupon.Coupon{ID: "c", Offer: "a"}, "SPRING24"
			cart := cartOf(item("30.00", 1))
			cart.Attributes = map[string]string{"phone": "1"}
			facts := coupon.Facts{Used: map[string]int64{"money/EUR/a": used, "money/EUR/@spring": used, "money/EUR/a/attribute/phone/1": used, "money/EUR/a/coupon/c": used}}
			q, err := coupon.Decide(cart, []coupon.Candidate{c}, facts, noon)
			require.NoError(t, err)
			require.Len(t, q.Lowered(), 1)
			require.Equal(t, used, q.Lowered()[0].By[0].Used.Minor())
			text, err := json.Marshal(q)
			require.NoError(t, err)
			var document struct {
				Applied []struct{ Lowered []struct{ Shopper string } }
			}
			require.NoError(t, json.Unmarshal(text, &document))
			return append(q.Shopper(tag), document.Applied[0].Lowered[0].Shopper, q.Lowered()[0].By[0].In(tag))
		}
		used := rapid.Int64Range(1, 1e9)
		require.Equal(t, told(used.Draw(t, "used here")), told(used.Draw(t, "used there")))
	})
}

// A quote says the same a year later, of the versions it was made with.
func TestLoweredAYearLater(t *testing.T) {
	store := memory.New()
	s := coupon.New(store, coupon.Options{})
	offer := automatic(limited(giving("a", coupon.PercentOff{Rate: half, Max: euros("10.00")}), coupon.Limit{Money: euros("9.00"), When: coupon.ClipSpent}))
	require.NoError(t, ignore(s.Publish(ctx, offer, "staff", noon)))
	cart := cartOf(floor("30.00", 1, "18.00"))
	q, err := s.Quote(ctx, cart, coupon.Choice{}, noon)
	require.NoError(t, err)
	require.Len(t, q.Lowered()[0].By, 2)
	require.NoError(t, ignore(s.Redeem(ctx, "order", q, noon)))
	later := noon.AddDate(1, 0, 0)
	require.NoError(t, ignore(s.Publish(ctx, automatic(amountOff("a", "0.01")), "staff", later)))
	pinned, err := coupon.New(store, coupon.Options{}).Offer(ctx, "a", 1, later)
	require.NoError(t, err)
	again, err := coupon.Decide(cart, candidates(t, pinned), coupon.Facts{}, q.At)
	require.NoError(t, err)
	assert.Equal(t, q.Lowered(), again.Lowered())
}

// What lowers the amounts of many offers is found in memory that grows with them, not with
// their square: to copy what all offers before took off, for each, took seconds for thousands.
func TestLoweredGrowsWithTheOffers(t *testing.T) {
	memoryFor := func(n int) uint64 {
		lines := []coupon.Line{floor("9000.00", 1, "1.00")}
		for range 9 {
			lines = append(lines, item("9000.00", 1))
		}
		var offers []coupon.Offer
		for i := range n {
			offers = append(offers, freely(amountOff(fmt.Sprintf("o%d", i), "1.00")))
		}
		offers = append(offers, changed(freely(amountOff("y", "90000.00")), func(o *coupon.Offer) { o.Priority = -9 }))
		q, err := coupon.Decide(cartOf(lines...), candidates(t, offers...), coupon.Facts{}, noon)
		require.NoError(t, err)
		require.Len(t, q.Applied(), n+1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lowered := q.Lowered()
		runtime.ReadMemStats(&after)
		require.Len(t, lowered, 1)
		return after.TotalAlloc - before.TotalAlloc
	}
	assert.Less(t, memoryFor(2000), 6*memoryFor(500)) // 4 times as many offers; by the square, 16
}

// What bundles would give without their maximum of repeats is worked out up to a bound: it
// may be thousands of times the work of deciding.
func TestLoweredByRepeatsHasABound(t *testing.T) {
	var lines []coupon.Line
	for i := range 1000 {
		line := item("1.00", 1000)
		for j := range 10 {
			if i>>j&1 == 1 {
				line.Tags = append(line.Tags, fmt.Sprint(j))
			}
		}
		lines = append(lines, line)
	}
	bundle := coupon.BundlePrice{Prices: euros("1.00"), Max: 1}
	for j := range 9 {
		bundle.Items = append(bundle.Items, coupon.BundleItem{Units: 1, Of: coupon.Lists{Tags: []string{fmt.Sprint(j)}}})
	}
	var offers []coupon.Offer
	for i := range 60 {
		offers = append(offers, freely(giving(fmt.Sprintf("o%d", i), bundle)))
	}
	q, err := coupon.Decide(cartOf(lines...), candidates(t, offers...), coupon.Facts{}, noon)
	require.NoError(t, err)
	require.Len(t, q.Applied(), 60)
	lowered := len(q.Lowered())
	assert.Greater(t, lowered, 0)
	assert.Less(t, lowered, 60)
}

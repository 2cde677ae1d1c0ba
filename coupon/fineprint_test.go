package coupon_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func ExampleFinePrint() {
	offer := coupon.Offer{
		ID: "tea", Name: "Autumn tea", Benefit: coupon.PercentOff{Rate: ledger.MustRate("12.5"), Max: euros("20.00")},
		Scope:      coupon.Scope{In: coupon.Lists{Categories: []string{"tea"}}, SaleItems: coupon.SaleItemsOut},
		Conditions: []coupon.Condition{coupon.MinimumSpend{Amounts: euros("30.00")}},
		Schedule:   coupon.Schedule{Days: coupon.LocalDays{First: "2026-11-01", Last: "2026-11-30"}, Zone: "Europe/Paris"},
		Limits:     []coupon.Limit{{Per: coupon.PerCustomer, Uses: 2, Period: ledger.Month}},
	}
	terms, err := coupon.FinePrint(offer, language.French, coupon.FinePrintOptions{
		Name: func(what, id string) string { return map[string]string{"category/tea": "Thés"}[what+"/"+id] },
	})
	if err != nil {
		fmt.Println(err)
	}
	plain := strings.NewReplacer("\u00a0", " ") // which keeps an amount and its currency on one line
	for _, term := range terms[:len(terms)-5] {
		fmt.Println(plain.Replace(term.Sentence))
	}
	// Output:
	// 12,5 % de réduction sur les produits concernés.
	// Le pourcentage s’applique à leur prix après les offres précédentes.
	// La réduction est de 20,00 € au maximum.
	// La réduction ne dépasse jamais le prix, et aucun produit ne descend au-dessous de son prix minimal. S’il ne reste rien à réduire, l’offre ne s’applique pas.
	// Les pourcentages sont calculés une seule fois, sur la somme, et arrondis au centime le plus proche, un demi vers le haut.
	// L’offre ne vaut que pour les prix en EUR.
	// Seuls les produits de ces catégories sont concernés : Thés.
	// Les produits soldés ne sont pas concernés.
	// Les vendeurs peuvent en exclure leurs produits.
	// L’offre n’est pas valable si d’autres promotions s’appliquent à quoi que ce soit dans le panier.
	// Condition : les produits concernés coûtent au moins 30,00 €.
	// L’offre est valable à partir du 1er novembre 2026.
	// L’offre est valable jusqu’au 30 novembre 2026 inclus.
	// Les jours, heures et périodes sont ceux du fuseau horaire Europe/Paris.
	// Limite : 2 utilisations par client, chaque mois.
	// Nous devons savoir qui vous êtes : connectez-vous ou identifiez-vous.
	// Il faut un code ou un bon.
	// Un bon à votre nom est pour vous seul et pour 1 utilisation ; une seule commande à la fois peut le retenir.
}

var printed = coupon.FinePrintOptions{Predicates: []coupon.RegisteredPredicate{pickup}}

// richOffers have between them every kind of rule there is.
func richOffers() []coupon.Offer {
	both := func(minor int64) coupon.Amounts {
		return coupon.Amounts{ledger.Minor(minor, euro), ledger.Minor(minor+100, usd)}
	}
	brussels := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	return []coupon.Offer{
		{
			ID: "percent", Name: "percent", Labels: []string{"autumn"}, Campaign: "advent",
			Benefit: coupon.PercentOff{Rate: ledger.MustRate("33.333333"), Max: both(123456789), Of: coupon.OfOriginal, Units: someUnits(3, coupon.Dearest)},
			Scope: coupon.Scope{
				In:        coupon.Lists{Products: []string{"tea", "cup", "mug"}, Categories: []string{"drinks"}, Sellers: []string{"acme", "zeta"}, Tags: []string{"green"}},
				Out:       coupon.Lists{Products: []string{"pot"}, Categories: []string{"books", "gift cards"}, Sellers: []string{"omni"}, Tags: []string{"new"}},
				SaleItems: coupon.SaleItemsOnly,
				UnitPrice: coupon.PriceRange{From: both(500), To: both(5000)},
			},
			Conditions: []coupon.Condition{
				coupon.MinimumSpend{Amounts: both(2000), After: true},
				coupon.Any{
					coupon.All{coupon.NewCustomer{}, coupon.Country{Any: []string{"DE", "FR"}}},
					not(coupon.InSegment{Any: []string{"staff"}}),
					coupon.Predicate{Name: "pickup", Version: 1, Arguments: map[string]string{"chain": "north", "area": "2"}},
				},
				coupon.Contains{Of: coupon.Lists{Products: []string{"tea", "coffee"}, Tags: []string{"green"}}, Units: 2},
			},
			Schedule: coupon.Schedule{
				Interval: coupon.Interval{From: brussels(1, 8), Until: brussels(30, 23)},
				Weekly:   []coupon.Window{{Days: []time.Weekday{time.Friday, time.Saturday}, From: "18:30", Until: "02:00"}, {Days: []time.Weekday{time.Sunday}}},
				Blackouts: []coupon.Blackout{
					{Name: "Black Friday", Interval: coupon.Interval{From: brussels(26, 23), Until: brussels(27, 23)}},
					{Name: "the fair", Interval: coupon.Interval{Until: brussels(2, 8)}}, {Name: "stock-taking", Interval: coupon.Interval{From: brussels(29, 9)}},
				},
				Life: 30*24*time.Hour + 90*time.Minute, Zone: "Europe/Brussels",
			},
			Limits: []coupon.Limit{
				{Per: coupon.PerOffer, Money: both(500000), When: coupon.ClipSpent, Period: ledger.Month}, {Per: coupon.PerCampaign, Uses: 1000},
				{Per: coupon.PerCustomer, Uses: 1, Period: ledger.Week}, {Per: coupon.PerCoupon, Uses: 3}, {Per: coupon.PerOrder, Money: both(1000)},
				{Per: coupon.PerAttribute, Attribute: "phone", Uses: 1, Period: ledger.Year},
			},
			Combine: coupon.Combine{With: []string{"referral", "welcome"}}, Group: coupon.Group{Name: "seasonal"},
			ShopPromotions: coupon.SkipPromoted, Rounding: ledger.HalfEven, Restore: coupon.RestoreNever, Below: coupon.ClawBack,
			Funding: []coupon.Share{{Payer: coupon.Seller, Rate: whole}},
		},
		{
			ID: "amount", Name: "amount", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{
				eur("1234.50"), ledger.MustMoney("5.00", usd), ledger.MustMoney("600.00", ledger.MustCurrency("RSD")), ledger.MustMoney("900", ledger.MustCurrency("JPY")),
			}},
			Conditions: []coupon.Condition{
				coupon.All{spend("1500.00"), coupon.NthOrder{From: 2, To: 5}}, coupon.NthOrder{From: 3}, coupon.NthOrder{From: 4, To: 4},
				coupon.Channel{Any: []string{"app"}}, coupon.Payment{Any: []string{"card", "cash", "invoice"}}, coupon.Attribute{Name: "city", Any: []string{"Berlin"}}, coupon.MinimumQuantity{Units: 1},
				coupon.MinimumQuantity{Units: 3, Cart: true}, coupon.MinimumSpend{Amounts: euros("1600.00"), Cart: true}, coupon.MinimumSpend{Amounts: euros("1.50"), Of: products("tea"), After: true},
				coupon.MinimumSpend{Amounts: euros("1550.00"), Cart: true, After: true}, coupon.MinimumSpend{Amounts: euros("2.00"), Of: coupon.Lists{Categories: []string{"books"}}},
			},
			Combine: coupon.Combine{Freely: true}, Group: coupon.Group{Name: "welcome", First: true}, ShopPromotions: coupon.AllowPromoted, Below: coupon.BlockReturn, Automatic: true,
			Limits: []coupon.Limit{{Per: coupon.PerOffer, Money: coupon.Amounts{eur("99999.99")}, When: coupon.AllowLast, Period: ledger.Day}},
		},
		{ID: "unit", Name: "unit", Benefit: coupon.AmountOffEach{Amounts: euros("0.05"), Units: someUnits(1, coupon.Cheapest)}, Scope: coupon.Scope{SaleItems: coupon.SaleItemsOut}},
		{ID: "unit-each", Name: "unit", Benefit: coupon.PercentOff{Rate: half, Units: coupon.Units{Max: 1, Pick: coupon.Cheapest, PerLine: true}}},
		{ID: "unit-dearest", Name: "unit", Benefit: coupon.PercentOff{Rate: half, Units: coupon.Units{Max: 2, Pick: coupon.Dearest, PerLine: true}}},
		{ID: "unit-first", Name: "unit", Benefit: coupon.PercentOff{Rate: half, Units: coupon.Units{Max: 2, Pick: coupon.CartOrder, PerLine: true}}},
		{ID: "line", Name: "line", Benefit: coupon.AmountOffEach{Amounts: euros("2.00"), PerLine: true}},
		{ID: "fixed", Name: "fixed", Benefit: coupon.FixedPrice{Prices: both(999), Units: someUnits(2, coupon.CartOrder)}},
		{ID: "bundle", Name: "bundle", Benefit: coupon.BundlePrice{
			Items:  []coupon.BundleItem{{Of: products("tea"), Units: 1}, {Of: coupon.Lists{Categories: []string{"crockery"}, Sellers: []string{"acme"}}, Units: 2}, {Units: 1}},
			Prices: euros("25.00"), Max: 2, Pick: coupon.Dearest,
		}},
		{ID: "bundle-2", Name: "bundle", Benefit: coupon.BundlePrice{Items: []coupon.BundleItem{{Units: 3}}, Prices: euros("0.00"), Max: 1, Pick: coupon.CartOrder}},
		{ID: "bundle-3", Name: "bundle", Benefit: coupon.BundlePrice{Items: []coupon.BundleItem{{Units: 3}}, Prices: euros("10.00")}},
		{ID: "buy", Name: "buy", Benefit: coupon.BuyGet{Buy: 2, Get: 1, Max: 4}},
		{ID: "buy-less", Name: "buy", Benefit: coupon.BuyGet{Buy: 2, Get: 1, Amounts: euros("3.00"), Pick: coupon.Dearest}},
		{ID: "buy-half", Name: "buy", Benefit: coupon.BuyGet{Buy: 1, Get: 2, BuyOf: products("machine"), GetOf: coupon.Lists{Tags: []string{"capsule"}}, Rate: half, Max: 1, Pick: coupon.CartOrder}, Rounding: ledger.Up},
		{ID: "spend", Name: "spend", Benefit: coupon.Tiers{Spend: []coupon.SpendTier{{From: both(5000), Rate: ledger.MustRate("5")}, {From: both(10000), Amounts: both(1500)}}}, Rounding: ledger.Down},
		{ID: "quantity", Name: "quantity", Benefit: coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 1, Rate: ledger.MustRate("5")}, {From: 1000000, Rate: ledger.MustRate("10")}}}, Rounding: ledger.HalfDown},
		{ID: "free-delivery", Name: "delivery", Benefit: coupon.ShippingOff{Rate: whole, Sellers: []string{"acme"}}, Conditions: []coupon.Condition{spend("50.00")}},
		{ID: "half-delivery", Name: "delivery", Benefit: coupon.ShippingOff{Rate: half}},
		{ID: "together-delivery", Name: "delivery", Benefit: coupon.ShippingOff{Amounts: euros("3.00"), Together: true, Methods: []string{"post", "courier"}}},
		{ID: "less-delivery", Name: "delivery", Benefit: coupon.ShippingOff{Amounts: euros("3.00")}},
		{ID: "highest-delivery", Name: "delivery", Benefit: coupon.ShippingOff{Highest: euros("0.99")}},
		{ID: "gift", Name: "gift", Benefit: coupon.GiftLine{Product: "mug", Quantity: 2}, Schedule: coupon.Schedule{
			Interval: coupon.Interval{Until: brussels(30, 0)}, Life: 24*time.Hour + time.Second,
			Blackouts: []coupon.Blackout{{Name: "June", Interval: coupon.Interval{Until: brussels(1, 0)}}, {Name: "July", Interval: coupon.Interval{From: brussels(1, 1), Until: brussels(2, 1)}}},
		}},
		{ID: "nowhere", Name: "nowhere", Benefit: coupon.AmountOff{Amounts: euros("1.00")}, Limits: []coupon.Limit{{Money: coupon.Amounts{ledger.Minor(1, usd)}}}},
	}
}

func printOffers(t *testing.T, tag language.Tag) string {
	var b strings.Builder
	for _, offer := range richOffers() {
		terms, err := coupon.FinePrint(offer, tag, printed)
		require.NoError(t, err)
		fmt.Fprintf(&b, "# %s\n", offer.ID)
		for _, term := range terms {
			fmt.Fprintf(&b, "%s: %s %q\n", term.Rule, term.Sentence, term.Refuses)
		}
	}
	return b.String()
}

func TestFinePrintGolden(t *testing.T) {
	for _, tag := range []string{"en", "en-US", "fr"} {
		want, err := os.ReadFile("testdata/fineprint_" + tag + ".txt")
		require.NoError(t, err)
		assert.Equal(t, string(want), printOffers(t, language.MustParse(tag)), tag)
	}
}

// The reasons are a closed set, and between them offers can refuse for each: none is
// without a sentence that tells of it.
func TestFinePrintTellsOfEveryReason(t *testing.T) {
	told := map[coupon.Reason]bool{coupon.ReasonOutOfStock: true} // said to whoever issues, never of an order
	for _, offer := range richOffers() {
		terms, err := coupon.FinePrint(offer, language.English, printed)
		require.NoError(t, err)
		maps.Copy(told, tells(terms))
	}
	assert.ElementsMatch(t, coupon.AllReasons(t), slices.Collect(maps.Keys(told)))
}

func tells(terms coupon.Terms) map[coupon.Reason]bool {
	told := make(map[coupon.Reason]bool)
	for _, term := range terms {
		for _, reason := range term.Refuses {
			told[reason] = true
		}
	}
	return told
}

var tags = []language.Tag{language.English, language.AmericanEnglish, language.BritishEnglish, language.French, language.CanadianFrench,
	language.German, language.Arabic, language.TraditionalChinese, language.Und, {}, language.MustParse("fr-CH-u-nu-arab"), language.MustParse("x-own")}

// untranslated is a key without sentence, or a placeholder without value.
var untranslated = regexp.MustCompile(`\[[a-z_]+\]|\{\w*\}`)

// Whatever an offer says and whatever a cart holds: why it is refused stands in its
// fine print.
func TestFinePrintTellsOfWhateverRefuses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := coupon.Facts{Used: make(map[string]int64), Best: rapid.Bool().Draw(t, "best")}
		if rapid.IntRange(0, 5).Draw(t, "excluded") == 0 {
			facts.Exclusions = []coupon.Exclusion{{Seller: "acme"}, {Seller: "zeta"}}
		}
		told := make(map[string]map[coupon.Reason]bool)
		var candidates []coupon.Candidate
		for _, id := range []string{"a", "b", "c"} {
			offer := drawAnyOffer(t, id)
			if rapid.IntRange(0, 4).Draw(t, "always") > 0 { // or hardly anything comes to be refused for another reason
				offer.Schedule = coupon.Schedule{Zone: offer.Schedule.Zone}
			}
			tag := rapid.SampledFrom(tags).Draw(t, "tag")
			terms, err := coupon.FinePrint(offer, tag, printed)
			require.NoError(t, err)
			for _, term := range terms {
				require.NotEmpty(t, term.Rule)
				require.NotEmpty(t, strings.TrimSpace(term.Sentence))
				require.NotRegexp(t, untranslated, term.Sentence)
			}
			told[id] = tells(terms)
			v, err := coupon.NewVersion(offer, pickup)
			require.NoError(t, err)
			candidates = append(candidates, drawCandidate(t, v))
			facts.Used["uses/"+id] = rapid.Int64Range(0, 100).Draw(t, "used")
			facts.Used["money/EUR/"+id] = rapid.Int64Range(0, 4000).Draw(t, "spent")
		}
		cart := drawCart(t)
		cart.Currency = rapid.SampledFrom([]ledger.Currency{euro, euro, euro, usd}).Draw(t, "currency")
		if cart.Currency == usd {
			cart = coupon.Cart{Currency: usd, Lines: []coupon.Line{{ID: "1", Product: "tea", Quantity: 3, UnitPrice: ledger.MustMoney("9.00", usd)}}}
		}
		cart.Attributes = map[string]string{"phone": oneOf(t, "phone", "", "1", "2", "3")}
		cart.Customer.Key = oneOf(t, "customer", "", "jane", "jane", "jane", "jane")
		cart.Customer.Orders = rapid.Int64Range(0, 3).Draw(t, "orders")
		cart.Country, cart.Channel, cart.Payment = oneOf(t, "country", "DE", "US"), oneOf(t, "channel", "app", "fax"), oneOf(t, "payment", "card", "gold")
		quote, err := coupon.Decide(cart, candidates, facts, noon.Add(time.Duration(rapid.Int64Range(-1e16, 1e16).Draw(t, "at"))))
		require.NoError(t, err)
		for _, refused := range quote.Refused() {
			require.True(t, told[refused.Offer][refused.Reason], "%v is not told of", refused)
			for _, tag := range tags {
				require.NotRegexp(t, untranslated, refused.In(tag))
			}
		}
		require.NotEmpty(t, quote.Explain())
		for _, sentence := range quote.Shopper(language.French) {
			require.NotRegexp(t, untranslated, sentence)
		}
	})
}

// drawCandidate draws how an offer comes: by itself, by a coupon of jane's that may be
// used, held by an order or revoked, or by one that anyone may use.
func drawCandidate(t *rapid.T, v *coupon.Version) coupon.Candidate {
	c := coupon.Candidate{Version: v, Paused: rapid.IntRange(0, 24).Draw(t, "paused") == 0}
	offer := v.Offer().ID
	switch rapid.IntRange(0, 24).Draw(t, "coupon") {
	case 0:
		c.Coupon = &coupon.Coupon{ID: "c/" + offer, Offer: offer, Holder: "jane", Uses: 1}
	case 1:
		c.Coupon = &coupon.Coupon{ID: "c/" + offer, Offer: offer, Holder: "jane", Uses: 1, Used: []coupon.Use{{Order: "other"}}}
	case 2:
		c.Coupon = &coupon.Coupon{ID: "c/" + offer, Offer: offer, Holder: "jane", Uses: 1, Used: []coupon.Use{{Order: "other", Until: noon.AddDate(9, 0, 0)}}}
	case 3:
		c.Coupon = &coupon.Coupon{ID: "c/" + offer, Offer: offer, Holder: "jane", Uses: 1, Revoked: &coupon.Revocation{}}
	case 4:
		c.Coupon, c.Code = &coupon.Coupon{ID: "c/" + offer, Offer: offer}, "CODE"
	}
	return c
}

// The fine print is for shoppers: who pays for the discount is no business of theirs.
func TestFinePrintKeepsFundingToItself(t *testing.T) {
	offer := amountOff("a", "1.00")
	without, err := coupon.FinePrint(offer, language.English, printed)
	require.NoError(t, err)
	offer.Funding = []coupon.Share{{Payer: "Brand", Rate: whole}}
	with, err := coupon.FinePrint(offer, language.English, printed)
	require.NoError(t, err)
	assert.Equal(t, without, with)
}

func TestFinePrintCallsThingsByName(t *testing.T) {
	offer := asking(amountOff("a", "1.00"), coupon.Predicate{Name: "pickup", Version: 1}, coupon.Country{Any: []string{"DE", "AT"}}, coupon.Attribute{Name: "city", Any: []string{"{n}"}})
	offer.Scope.In.Products = make([]string, 14_477) // as many as a real coupon names
	for i := range offer.Scope.In.Products {
		offer.Scope.In.Products[i] = fmt.Sprint("p", i)
	}
	options := printed
	asked := make(map[string]int)
	options.Name = func(what, id string) string {
		asked[what]++
		return map[string]string{
			"product/p1": "Earl Grey", "country/DE": "Allemagne", "attribute/city": "la ville",
			"predicate/" + pickup.Sentence: "la commande est retirée dans un magasin",
		}[what+"/"+id]
	}
	terms, err := coupon.FinePrint(offer, language.French, options)
	require.NoError(t, err)
	assert.Equal(t, 20, asked["product"])
	text := strings.ReplaceAll(terms.String(), "\u00a0", " ")
	assert.Contains(t, text, "Seuls ces produits sont concernés : p0, Earl Grey, p2, ")
	assert.Contains(t, text, "p19 et 14 457 autres.")
	assert.Contains(t, text, "Condition : le pays est : Allemagne ou AT.")
	assert.Contains(t, text, "Condition : la commande est retirée dans un magasin.")
	assert.Contains(t, text, "Condition : la ville est : {n}.", "what a value looks like is not filled in again")
}

// In a currency without an amount a minimum spend can't be told, so that neither it nor
// its opposite holds: the currencies in which the offer applies are named.
func TestFinePrintOfCurrenciesOfConditions(t *testing.T) {
	germany := coupon.Country{Any: []string{"DE"}}
	for name, c := range map[string]struct {
		condition coupon.Condition
		want      bool
	}{
		"a minimum":               {spend("10.00"), true},
		"no minimum":              {not(spend("10.00")), true},
		"not no minimum":          {not(not(spend("10.00"))), true},
		"all of":                  {coupon.All{germany, spend("10.00")}, true},
		"one of":                  {coupon.Any{germany, spend("10.00")}, false},
		"not one of":              {not(coupon.Any{germany, spend("10.00")}), true},
		"not all of":              {not(coupon.All{germany, spend("10.00")}), false},
		"no minimum spend at all": {coupon.Country{Any: []string{"DE", "FR"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			offer := asking(percentOff("a", "10"), c.condition)
			terms, err := coupon.FinePrint(offer, language.English, coupon.FinePrintOptions{})
			require.NoError(t, err)
			named := slices.ContainsFunc(terms, func(term coupon.Term) bool {
				return term.Rule == "currencies" && term.Sentence == "It applies to prices in EUR only."
			})
			require.Equal(t, c.want, named)
			applied := false
			for _, country := range []string{"DE", "FR"} {
				for _, price := range []int64{100, 9900} {
					cart := coupon.Cart{Currency: usd, Country: country, Lines: []coupon.Line{{ID: "1", Product: "tea", Quantity: 1, UnitPrice: ledger.Minor(price, usd)}}}
					q, err := coupon.Decide(cart, []coupon.Candidate{{Version: mustVersion(offer)}}, coupon.Facts{}, noon)
					require.NoError(t, err)
					applied = applied || len(q.Applied()) > 0
				}
			}
			require.Equal(t, c.want, !applied)
		})
	}
}

func TestFinePrintOfAnInvalidOffer(t *testing.T) {
	terms, err := coupon.FinePrint(coupon.Offer{}, language.English, coupon.FinePrintOptions{})
	require.ErrorIs(t, err, coupon.ErrOffer)
	assert.Empty(t, terms)
	_, err = coupon.FinePrint(asking(amountOff("a", "1.00"), coupon.Predicate{Name: "pickup", Version: 1}), language.English, coupon.FinePrintOptions{})
	require.ErrorContains(t, err, "not registered")
}

// A predicate without a sentence of its own is still told of; one with a full stop
// gets no second.
func TestFinePrintOfPredicates(t *testing.T) {
	for sentence, want := range map[string]string{"": "Condition: own.", "it rains.": "Condition: it rains.", "it rains": "Condition: it rains."} {
		own := coupon.RegisteredPredicate{Name: "own", Version: 1, Sentence: sentence, Holds: func(_, _ map[string]string) bool { return true }}
		terms, err := coupon.FinePrint(asking(amountOff("a", "1.00"), coupon.Predicate{Name: "own", Version: 1}), language.English,
			coupon.FinePrintOptions{Predicates: []coupon.RegisteredPredicate{own}})
		require.NoError(t, err)
		i := slices.IndexFunc(terms, func(term coupon.Term) bool { return term.Rule == "conditions[0]" })
		require.GreaterOrEqual(t, i, 0)
		assert.Equal(t, coupon.Term{Rule: "conditions[0]", Sentence: want, Refuses: []coupon.Reason{coupon.ReasonPredicate}}, terms[i])
	}
}

// Days are those of the offer's zone, also where the day has no midnight or the hour
// occurs twice.
func TestFinePrintOfDays(t *testing.T) {
	days := func(zone string, from, until time.Time) string {
		offer := amountOff("a", "1.00")
		offer.Schedule = coupon.Schedule{Interval: coupon.Interval{From: from, Until: until}, Zone: zone}
		terms, err := coupon.FinePrint(offer, language.English, printed)
		require.NoError(t, err)
		var found []string
		for _, term := range terms {
			if term.Rule == "schedule" {
				found = append(found, term.Sentence)
			}
		}
		return strings.Join(found, " ")
	}
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return parsed
	}
	assert.Equal(t, "It can be used from 24 April 2026. It can be used until the end of 24 April 2026.",
		days("Africa/Cairo", at("2026-04-23T22:00:00Z"), at("2026-04-24T21:00:00Z")))
	assert.Equal(t, "It can be used from 25 October 2026 02:30 CEST. It can be used until 25 October 2026 02:30 CET.",
		days("Europe/Berlin", at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")))
	assert.Equal(t, "It can be used from 1 November 2026 02:00:07 UTC.", days("", at("2026-11-01T02:00:07Z"), time.Time{}))
}

package coupon_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Each reason has a sentence of its own for staff; a stranger's guesses are all
// answered alike, and the holder of a coupon is told what became of it.
func TestSentences(t *testing.T) {
	at := noon.In(time.FixedZone("CET", 3600))
	full := coupon.Refusal{
		Code: "CODE", Coupon: "c/1", Offer: "a", Name: "5 € off", Found: eur("2.00"), Needed: eur("10.00"), Missing: eur("8.00"),
		FoundUses: 3, NeededUses: 4, Period: ledger.Month, At: at, Currency: usd, Blackout: "the sales",
		Sellers: []string{"acme", "zeta"}, Promotions: []string{"3 for 2", "free parcel"}, FoundUnits: 1, NeededUnits: 3, What: "city", FoundText: "Rome", NeededText: "Berlin, Paris", Rival: "b", RivalName: "6 € off", RivalOff: eur("6.00"),
	}
	const guessed = "This code can't be used."
	cases := map[coupon.Reason]struct{ staff, stranger, holder string }{
		coupon.ReasonNotACode:        {"not a code: codes are 3 to 32 letters and digits", "Please check the code: it is mistyped.", ""},
		coupon.ReasonMistyped:        {"the code is mistyped: its check character does not fit", "Please check the code: it is mistyped.", ""},
		coupon.ReasonUnknown:         {"there is no such coupon", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonNotChosen:       {"none of its coupons was chosen, and no code of it typed", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonNotHolder:       {"the coupon is held by another customer", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonRevoked:         {"the coupon was revoked at 2026-11-20T12:00:00Z", guessed, `Your coupon "5 € off" was taken back.`},
		coupon.ReasonUsed:            {"the coupon is used up: 3 of 4 uses", guessed, `You have already used your coupon "5 € off".`},
		coupon.ReasonReserved:        {"another order has reserved the coupon until 2026-11-20T12:00:00Z", guessed, `Your coupon "5 € off" is held for another order of yours until 13:00 CET.`},
		coupon.ReasonPaused:          {"the offer is paused", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonNotYet:          {"it can be used from 2026-11-20T12:00:00Z", `"5 € off" can be used from 20 November 2026 13:00 CET.`, ""},
		coupon.ReasonExpired:         {"it could be used until 2026-11-20T12:00:00Z", guessed, `Your coupon "5 € off" could be used until 20 November 2026.`},
		coupon.ReasonBlackout:        {`it can't be used during "the sales"`, `"5 € off" can't be used during the sales.`, ""},
		coupon.ReasonCustomer:        {"it must tell customers apart, and the cart names no customer: pass a key", "Please sign in to use this.", ""},
		coupon.ReasonSegment:         {"the customer's segments are \"Rome\", wanted one of Berlin, Paris", `"5 € off" is not for this order.`, ""},
		coupon.ReasonCurrency:        {"it has no amount in USD", `"5 € off" can't be used with prices in USD.`, ""},
		coupon.ReasonNoLines:         {"it counts none of the products in the cart", `None of the products in your cart count for "5 € off".`, ""},
		coupon.ReasonSeller:          {"excluded by sellers acme, zeta", `"5 € off" can't be used here: sellers acme, zeta do not take part.`, ""},
		coupon.ReasonShopPromotion:   {"the shop's own promotions apply already: 3 for 2, free parcel", `"5 € off" can't be combined with other promotions.`, ""},
		coupon.ReasonMinimumSpend:    {"the eligible products cost 2.00 EUR, needed 10.00 EUR: 8.00 EUR are missing", `Spend €8.00 more on products that count for "5 € off".`, ""},
		coupon.ReasonLimit:           {"used 3 of 4 times in all in this month", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonCombination:     {`can't be combined with offer "b" ("6 € off"), which takes off 6.00 EUR`, `"5 € off" can't be combined with "6 € off".`, ""},
		coupon.ReasonMinimumQuantity: {"1 units of the eligible products, needed 3: 2 are missing", `Add 2 more of the products that count for "5 € off".`, ""},
		coupon.ReasonContains:        {"1 units of the products it asks for, needed 3: 2 are missing", `"5 € off" asks for products that are not in your cart.`, ""},
		coupon.ReasonOutOfStock:      {"its stock of codes has 3 left, needed 4: load more", guessed, `Your coupon "5 € off" can't be used at the moment.`},
		coupon.ReasonIncomplete:      {"the cart does not hold a whole set of the products it asks for, of units that no other offer has used for one", `"5 € off" asks for products that are not in your cart.`, ""},
		coupon.ReasonOrderNumber:     {"this is the customer's order 3, wanted Berlin, Paris", `"5 € off" is not for this order.`, ""},
		coupon.ReasonSale:            {`the city is "Rome", wanted Berlin, Paris`, `"5 € off" is not for this order.`, ""},
		coupon.ReasonPredicate:       {"the shop's condition does not hold: city", `"5 € off" is not for this order.`, ""},
		coupon.ReasonExcluded:        {`it excludes what holds: the city is "Rome"`, `"5 € off" is not for this order.`, ""},
		coupon.ReasonHours:           {"it can't be used at this hour of the week", `"5 € off" can't be used at this hour.`, ""},
		coupon.ReasonGroup:           {`of its group, offer "b" ("6 € off") counts, which takes off 6.00 EUR`, `"5 € off" is not needed: "6 € off" counts.`, ""},
		coupon.ReasonNotBetter:       {"no set with it takes off more", `"5 € off" would not save more.`, ""},
		coupon.ReasonNothingOff:      {"nothing is left to take off", "There is nothing left to take off.", ""},
	}
	assert.ElementsMatch(t, coupon.AllReasons(t), slices.Collect(maps.Keys(cases)))
	for reason, c := range cases {
		t.Run(string(reason), func(t *testing.T) {
			r := full
			r.Reason = reason
			require.ErrorIs(t, &r, coupon.ErrRefused)
			assert.Equal(t, `coupon: refused: offer "a", coupon "c/1", code "CODE": `+c.staff, r.Error())
			assert.Equal(t, c.stranger, r.Shopper())
			for _, figure := range []string{"3 of 4", "acme\x00"} {
				assert.NotContains(t, r.Shopper(), figure)
			}
			r.Own = true
			if c.holder == "" {
				c.holder = c.stranger
			}
			assert.Equal(t, c.holder, r.Shopper())
		})
	}
}

func TestSentencesOfLimits(t *testing.T) {
	r := coupon.Refusal{Reason: coupon.ReasonLimit, Offer: "a", Name: "a", FoundUses: 1, NeededUses: 1, Limit: coupon.PerCustomer, Own: true}
	assert.Equal(t, `coupon: refused: offer "a": used 1 of 1 times by this customer`, r.Error())
	assert.Equal(t, `You have used "a" as often as allowed.`, r.Shopper())
	r.Limit, r.Period = coupon.PerCoupon, ledger.Week
	assert.Equal(t, `coupon: refused: offer "a": used 1 of 1 times with this coupon in this week`, r.Error())
}

// A refusal of what somebody typed stays short and shows nothing raw.
func TestHostileCodesInSentences(t *testing.T) {
	s := coupon.New(down{}, coupon.Options{})
	typed := strings.Repeat("<script>\x00", 10_000)
	q, err := s.Quote(ctx, cartOf(item("1.00", 1)), coupon.Choose(typed, typed), noon)
	require.NoError(t, err)
	require.Len(t, q.Refused(), 1)
	require.Len(t, q.Notices, 1)
	for _, sentence := range []string{q.Refused()[0].Error(), q.Refused()[0].Shopper(), q.Notices[0]} {
		assert.Less(t, len(sentence), 500)
		assert.NotContains(t, sentence, "\x00")
	}
}

func TestNotices(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	s.public("a", "CODE")
	for _, codes := range [][]string{{"CODE", "code"}, {"code", "CODE"}, {"CODE", "c-o-d-e", "code"}} {
		q := s.applies(cartOf(item("10.00", 1)), coupon.Choose(codes...), noon)
		assert.Equal(t, eur("1.00"), q.Discount, codes)
		assert.Equal(t, []string{`"a" was given more than once; it counts once`}, q.Notices)
	}
	q := s.applies(cartOf(item("10.00", 1)), coupon.Choice{Codes: []string{"CODE", "code", "c-o-d-e"}, Coupons: []string{"public-CODE/1"}}, noon)
	assert.Equal(t, []string{`"a" was given more than once; it counts once`}, q.Notices)
	assert.Equal(t, eur("1.00"), q.Discount)
	q = s.quote(cartOf(item("10.00", 1)), coupon.Choose("NOPE", "NOPE", "CODE"), noon)
	assert.Equal(t, []string{`"NOPE" was given more than once; it counts once`}, q.Notices)
	require.Len(t, q.Refused(), 1)
}

// Amounts, numbers and dates are in the reader's form. What has no catalogue is said
// in English.
func TestSentencesByLanguage(t *testing.T) {
	spend := coupon.Refusal{Reason: coupon.ReasonMinimumSpend, Name: "5 € off", Missing: eur("1234567.08")}
	from := coupon.Refusal{Reason: coupon.ReasonNotYet, At: time.Date(2026, 12, 1, 15, 4, 0, 0, time.FixedZone("CET", 3600))}
	few := coupon.Refusal{Reason: coupon.ReasonMinimumQuantity, Name: "a", FoundUnits: 1, NeededUnits: 2}
	for tag, want := range map[string][]string{
		"en":          {`Spend €1,234,567.08 more on products that count for "5 € off".`, "This coupon can be used from 1 December 2026 15:04 CET.", `Add 1 more of the products that count for "a".`},
		"en-US":       {`Spend €1,234,567.08 more on products that count for "5 € off".`, "This coupon can be used from December 1, 2026 3:04 PM CET.", `Add 1 more of the products that count for "a".`},
		"en-IN":       {`Spend €12,34,567.08 more on products that count for "5 € off".`, "This coupon can be used from 1 December 2026 15:04 CET.", `Add 1 more of the products that count for "a".`},
		"fr":          {"Ajoutez 1 234 567,08 € de produits concernés pour utiliser « 5 € off ».", "Ce bon est valable à partir du 1er décembre 2026 à 15:04 (CET).", "Ajoutez encore 1 article concerné par « a »."},
		"fr-CA":       {"Ajoutez 1 234 567,08 € de produits concernés pour utiliser « 5 € off ».", "Ce bon est valable à partir du 1er décembre 2026 à 15:04 (CET).", "Ajoutez encore 1 article concerné par « a »."},
		"de":          {`Spend €1,234,567.08 more on products that count for "5 € off".`, "This coupon can be used from 1 December 2026 15:04 CET.", `Add 1 more of the products that count for "a".`},
		"zh-Hant-TW":  {`Spend €1,234,567.08 more on products that count for "5 € off".`, "This coupon can be used from 1 December 2026 15:04 CET.", `Add 1 more of the products that count for "a".`},
		"und-u-nu-tt": {`Spend €1,234,567.08 more on products that count for "5 € off".`, "This coupon can be used from 1 December 2026 15:04 CET.", `Add 1 more of the products that count for "a".`},
	} {
		for i, r := range []coupon.Refusal{spend, from, few} {
			assert.Equal(t, want[i], strings.ReplaceAll(r.In(language.Make(tag)), "\u00a0", " "), tag)
		}
	}
}

// Amounts are exact, with the ledger's decimals, whatever the language's tables hold.
func TestAmountsInSentences(t *testing.T) {
	points, err := ledger.Unit("PTS", 0)
	require.NoError(t, err)
	in := func(tag language.Tag, m ledger.Money) string {
		r := coupon.Refusal{Reason: coupon.ReasonMinimumSpend, Name: "a", Missing: m}
		return strings.ReplaceAll(r.In(tag), "\u00a0", " ")
	}
	for _, c := range []struct {
		amount          ledger.Money
		english, french string
	}{
		{ledger.Minor(1<<53-1, euro), "€90,071,992,547,409.91", "90 071 992 547 409,91 €"},
		{ledger.Minor(1<<63-1, usd), "$92,233,720,368,547,758.07", "92 233 720 368 547 758,07 $US"},
		{ledger.Minor(-1<<63, usd), "$-92,233,720,368,547,758.08", "-92 233 720 368 547 758,08 $US"},
		{ledger.Minor(-5, euro), "€-0.05", "-0,05 €"},
		{ledger.Minor(0, euro), "€0.00", "0,00 €"},
		{ledger.Minor(5, ledger.MustCurrency("JPY")), "¥5", "5 JPY"},
		{ledger.Minor(60001, ledger.MustCurrency("RSD")), "RSD 600.01", "600,01 RSD"},
		{ledger.Minor(1005, ledger.MustCurrency("IQD")), "IQD 1.005", "1,005 IQD"},
		{ledger.Minor(1500, points), "PTS 1,500", "1 500 PTS"},
	} {
		assert.Equal(t, "Spend "+c.english+` more on products that count for "a".`, in(language.English, c.amount))
		assert.Equal(t, "Ajoutez "+c.french+" de produits concernés pour utiliser « a ».", in(language.French, c.amount))
	}
}

// In no language does the answer tell a stranger's code that is unknown from one that
// is expired, used up, held by somebody or out of its limit.
func TestSentencesHelpNobodyToGuess(t *testing.T) {
	for _, tag := range tags {
		told := make(map[string]bool)
		for _, reason := range []coupon.Reason{
			coupon.ReasonUnknown, coupon.ReasonNotHolder, coupon.ReasonRevoked, coupon.ReasonUsed, coupon.ReasonReserved,
			coupon.ReasonPaused, coupon.ReasonExpired, coupon.ReasonLimit,
		} {
			r := coupon.Refusal{Reason: reason, Code: "CODE", Coupon: "c/1", Offer: "a", Name: "a secret", At: noon, FoundUses: 3, NeededUses: 4}
			told[r.In(tag)] = true
		}
		assert.Len(t, told, 1, tag.String())
	}
}

// plain has breaking blanks only.
func plain(sentences []string) []string {
	for i, s := range sentences {
		sentences[i] = strings.ReplaceAll(s, "\u00a0", " ")
	}
	return sentences
}

package coupon_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func ExampleQuote_Shopper() {
	coupons, issued := exampleShop()
	cart := cartOf(item("20.00", 1))
	quote, err := coupons.Quote(ctx, cart, coupon.ChooseCoupons(issued[0].ID, issued[1].ID), noon)
	if err != nil {
		fmt.Println(err)
	}
	for _, sentence := range quote.Shopper(language.English) {
		fmt.Println(sentence)
	}
	// Output:
	// "5 € for inviting a friend": €5.00 off.
	// Only one of your coupons for "5 € for inviting a friend" can be used at a time.
}

// explained is a quote with candidates that apply and that are refused for many
// reasons.
func explained(t *testing.T) *coupon.Quote {
	freely := func(o coupon.Offer) coupon.Offer {
		o.Combine.Freely = true
		return o
	}
	tea := freely(percentOff("tea", "10"))
	tea.Scope.In, tea.Priority = products("tea"), 3
	delivery := freely(coupon.Offer{ID: "delivery", Name: "free delivery", Benefit: coupon.ShippingOff{Rate: whole}})
	gift := freely(coupon.Offer{ID: "gift", Name: "a mug", Benefit: coupon.GiftLine{Product: "mug", Quantity: 1}})
	alone := amountOff("alone", "6.00")
	best, second := freely(amountOff("best", "2.00")), freely(amountOff("second", "1.50"))
	best.Group.Name, second.Group.Name = "g", "g"
	budget := freely(amountOff("budget", "3.00"))
	budget.Limits = []coupon.Limit{{Per: coupon.PerOffer, Money: euros("100.00")}}
	spent := freely(amountOff("spent", "3.00"))
	spent.Limits = []coupon.Limit{{Per: coupon.PerCustomer, Uses: 2, Period: "month"}}
	var candidates []coupon.Candidate
	for _, offer := range []coupon.Offer{
		tea, delivery, gift, alone, best, second, budget, spent, freely(asking(amountOff("more", "9.00"), spend("50.00"))),
		freely(asking(amountOff("units", "1.00"), coupon.MinimumQuantity{Units: 9})),
		freely(asking(amountOff("pot", "1.00"), coupon.Contains{Of: products("pot"), Units: 2})),
	} {
		offer.Automatic = offer.ID != "alone"
		v, err := coupon.NewVersion(offer)
		require.NoError(t, err)
		candidate := coupon.Candidate{Version: v}
		if offer.ID == "alone" {
			candidate.Coupon, candidate.Code = &coupon.Coupon{ID: "public/1", Offer: "alone"}, "A1ONE"
		}
		candidates = append(candidates, candidate)
	}
	candidates = append(candidates, coupon.Candidate{Code: "NOPE"})
	cup := item("8.00", 1)
	cup.Product = "cup"
	cart := cartOf(item("10.00", 3), cup)
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("4.90")}}
	facts := coupon.Facts{Used: map[string]int64{"money/EUR/budget": 9900, "uses/spent/2026-11/customer/jane": 2}}
	q, err := coupon.Decide(cart, candidates, facts, noon)
	require.NoError(t, err)
	return q
}

func TestExplainGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/explain.txt")
	require.NoError(t, err)
	q := explained(t)
	assert.Equal(t, string(want), q.Explain())
	assert.Equal(t, q.Explain(), explained(t).Explain())
}

// A shopper is told of what they chose, and of automatic offers that more of the same
// would reach, but not of those that others have used up.
func TestQuoteForTheShopper(t *testing.T) {
	q := explained(t)
	assert.Equal(t, []string{
		"« tea » : 3,00 € de réduction.",
		"« best » : 2,00 € de réduction.",
		"« free delivery » : 4,90 € de réduction.",
		"« a mug » : en cadeau, 1 × mug.",
		"Ce code n’est pas utilisable.",
		"« alone » n’est pas cumulable avec « tea ».",
		"Ajoutez 12,00 € de produits concernés pour utiliser « more ».",
		"Ajoutez encore 5 articles concernés par « units ».",
	}, plain(q.Shopper(language.French)))
}

// Who tries codes is told the same of one that does not exist and of one that does and
// can't be used, whatever the figures behind it; and nobody is told of automatic offers
// that others have used up.
func TestGuessersAreToldTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 1000).Draw(t, "limit")
		most := rapid.Int64Range(1, 1000).Draw(t, "budget")
		offer := freely(limited(percentOff("secret", "10"), coupon.Limit{Uses: limit}, coupon.Limit{Money: coupon.Amounts{ledger.Minor(most, euro)}}))
		version := func(o coupon.Offer) *coupon.Version {
			v, err := coupon.NewVersion(o)
			require.NoError(t, err)
			return v
		}
		v := version(offer)
		over := version(changed(offer, func(o *coupon.Offer) { o.Schedule.Until = noon }))
		held := func(change func(c *coupon.Coupon)) coupon.Candidate {
			c := &coupon.Coupon{ID: "c", Offer: "secret", Uses: 1}
			change(c)
			return coupon.Candidate{Version: v, Coupon: c}
		}
		used := rapid.SampledFrom([]map[string]int64{{"uses/secret": limit}, {"uses/secret": limit + 7}, {"money/EUR/secret": most}}).Draw(t, "used")
		tag := rapid.SampledFrom(tags).Draw(t, "tag")
		cart := cartOf(item("10.00", 1))
		cart.Customer.Key = oneOf(t, "customer", "", "mallory")
		say := func(c coupon.Candidate, used map[string]int64) []string {
			c.Code = "SPRING24"
			spent := coupon.Candidate{Version: version(automatic(freely(limited(percentOff("spent", "5"), coupon.Limit{Uses: 3}))))}
			facts := coupon.Facts{Used: map[string]int64{"uses/spent": 3}}
			for counter, n := range used {
				facts.Used[counter] = n
			}
			q, err := coupon.Decide(cart, []coupon.Candidate{c, spent}, facts, noon)
			require.NoError(t, err)
			require.Len(t, q.Refused(), 2)
			return q.Shopper(tag)
		}
		unknown := say(coupon.Candidate{}, nil)
		require.Len(t, unknown, 1)
		for name, c := range map[string]coupon.Candidate{
			"used up":         {Version: v, Coupon: &coupon.Coupon{ID: "c", Offer: "secret"}},
			"paused":          {Version: v, Coupon: &coupon.Coupon{ID: "c", Offer: "secret"}, Paused: true},
			"over":            {Version: over, Coupon: &coupon.Coupon{ID: "c", Offer: "secret"}},
			"expired":         held(func(c *coupon.Coupon) { c.Expires = noon }),
			"revoked":         held(func(c *coupon.Coupon) { c.Revoked = &coupon.Revocation{At: noon} }),
			"somebody else's": held(func(c *coupon.Coupon) { c.Holder = "jane" }),
			"used by another": held(func(c *coupon.Coupon) { c.Holder, c.Used = "jane", []coupon.Use{{Order: "other"}} }),
		} {
			require.Equal(t, unknown, say(c, used), name)
		}
	})
}

// By how much an offer lost is said both ways round.
func TestExplainLosses(t *testing.T) {
	explain := func(lost coupon.Refusal) string {
		q, err := coupon.Decide(cartOf(item("10.00", 1)), []coupon.Candidate{{Refused: &lost}}, coupon.Facts{}, noon)
		require.NoError(t, err)
		return q.Explain()
	}
	lost := coupon.Refusal{Reason: coupon.ReasonCombination, Offer: "a", Rival: "b", RivalName: "six", RivalOff: eur("6.00")}
	for off, want := range map[string]string{
		"4.00": "; alone it would take off 4.00 EUR: 2.00 EUR less", "6.00": "; alone it would take off 6.00 EUR: as much",
		"7.00": "; alone it would take off 7.00 EUR: 1.00 EUR more",
	} {
		lost.Off = eur(off)
		assert.Contains(t, explain(lost), `refused: offer "a": not_combinable: can't be combined with offer "b" ("six"), which takes off 6.00 EUR`+want+"\n")
	}
	lost = coupon.Refusal{Reason: coupon.ReasonNotBetter, Offer: "a", Off: eur("1.00")}
	assert.Contains(t, explain(lost), "no set with it takes off more; alone it would take off 1.00 EUR\n")
	lost.Off = ledger.Money{}
	assert.Contains(t, explain(lost), "no set with it takes off more\n")
}

// A quote that nobody made is explained as far as it goes.
func TestExplainOfAnEmptyQuote(t *testing.T) {
	assert.NotEmpty(t, (&coupon.Quote{}).Explain())
}

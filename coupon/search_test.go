package coupon_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// best searches the best set for a cart.
func best(t require.TestingT, cart coupon.Cart, facts coupon.Facts, all []coupon.Candidate) *coupon.Quote {
	facts.Best = true
	q, err := coupon.Decide(cart, all, facts, noon)
	require.NoError(t, err)
	return q
}

func grouped(o coupon.Offer, name string) coupon.Offer {
	o.Group.Name = name
	return o
}

func TestGroups(t *testing.T) {
	firstOf := func(o coupon.Offer) coupon.Offer {
		o = grouped(freely(o), "sale")
		o.Group.First = true
		return o
	}
	bestOf := func(o coupon.Offer) coupon.Offer { return grouped(freely(o), "sale") }
	for name, c := range map[string]struct {
		offers  []coupon.Offer
		applied []string
	}{
		"the best":                       {offers(bestOf(amountOff("a", "1.00")), bestOf(amountOff("b", "2.00")), freely(amountOff("c", "0.50"))), []string{"b", "c"}},
		"the best, whatever its rank":    {offers(first(bestOf(amountOff("a", "1.00"))), bestOf(amountOff("b", "2.00"))), []string{"b"}},
		"of equals the smaller id":       {offers(bestOf(amountOff("b", "2.00")), bestOf(amountOff("a", "2.00"))), []string{"a"}},
		"the first":                      {offers(first(firstOf(amountOff("b", "1.00"))), firstOf(amountOff("a", "2.00"))), []string{"b"}},
		"the first by id":                {offers(firstOf(amountOff("b", "2.00")), firstOf(amountOff("a", "1.00"))), []string{"a"}},
		"another group":                  {offers(bestOf(amountOff("a", "1.00")), grouped(freely(amountOff("b", "2.00")), "other")), []string{"a", "b"}},
		"no group":                       {offers(freely(amountOff("a", "1.00")), freely(amountOff("b", "2.00"))), []string{"a", "b"}},
		"one that can't be used":         {offers(bestOf(amountOff("a", "1.00")), asking(bestOf(amountOff("b", "2.00")), spend("999.00"))), []string{"a"}},
		"one for which nothing is left":  {offers(first(freely(percentOff("all", "100"))), bestOf(amountOff("a", "99.00")), bestOf(giving("mug", coupon.GiftLine{Product: "mug", Quantity: 1}))), []string{"all", "mug"}},
		"the group's best may lose also": {offers(first(amountOff("alone", "0.10")), bestOf(amountOff("a", "1.00")), bestOf(amountOff("b", "2.00"))), []string{"alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(item("100.00", 1)), c.offers...)
			require.Equal(t, c.applied, applied(q))
			for _, r := range q.Refused() {
				assert.NotEmpty(t, r.Error())
				if r.Reason == coupon.ReasonGroup {
					assert.NotEmpty(t, r.Rival)
					assert.NotEmpty(t, r.RivalName)
				}
			}
		})
	}
	t.Run("the loser is told the name and the amount", func(t *testing.T) {
		q := decide(t, cartOf(item("100.00", 1)), bestOf(amountOff("a", "1.00")), bestOf(amountOff("b", "2.00")))
		r := q.Refused()[0]
		assert.Equal(t, []any{coupon.ReasonGroup, "a", "b", eur("2.00")}, []any{r.Reason, r.Offer, r.Rival, r.RivalOff})
		assert.Equal(t, `"a" is not needed: "b" counts.`, r.Shopper())
	})
}

func TestBest(t *testing.T) {
	label := func(o coupon.Offer, label string, with ...string) coupon.Offer {
		o.Labels, o.Combine.With = []string{label}, with
		return o
	}
	for name, c := range map[string]struct {
		offers  []coupon.Offer
		applied []string
	}{
		"nothing":                           {nil, nil},
		"against priority":                  {offers(first(amountOff("a", "1.00")), amountOff("b", "2.00")), []string{"b"}},
		"two small before a large one":      {offers(amountOff("large", "5.00"), freely(amountOff("a", "3.00")), freely(amountOff("b", "3.00"))), []string{"a", "b"}},
		"a large before two small ones":     {offers(amountOff("large", "7.00"), freely(amountOff("a", "3.00")), freely(amountOff("b", "3.00"))), []string{"large"}},
		"with labels":                       {offers(label(amountOff("a", "5.00"), "x", "y"), label(amountOff("b", "3.00"), "y", "x"), label(amountOff("c", "4.00"), "z", "x")), []string{"a", "b"}},
		"not the best of a group alone":     {offers(grouped(amountOff("a", "5.00"), "g"), grouped(freely(amountOff("b", "4.00")), "g"), freely(amountOff("c", "4.00"))), []string{"b", "c"}},
		"of equals what applies unsearched": {offers(first(amountOff("b", "2.00")), amountOff("a", "2.00")), []string{"b"}},
		"a gift breaks a tie":               {offers(first(amountOff("a", "2.00")), freely(amountOff("b", "2.00")), freely(giving("mug", coupon.GiftLine{Product: "mug", Quantity: 1}))), []string{"b", "mug"}},
		"no offer that adds nothing":        {offers(freely(percentOff("all", "100")), freely(amountOff("b", "9.00"))), []string{"all"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := best(t, cartOf(item("100.00", 1)), coupon.Facts{}, candidates(t, c.offers...))
			require.Equal(t, c.applied, applied(q))
			assert.True(t, q.Optimal)
			checkSums(t, q)
			assert.Len(t, q.Refused(), len(c.offers)-len(c.applied))
		})
	}
	t.Run("one that takes more off beside others than alone", func(t *testing.T) {
		cheapest := freely(giving("cheapest", coupon.PercentOff{Rate: whole, Units: someUnits(1, coupon.Cheapest)}))
		cup := freely(each("a.cup", "5.00"))
		cup.Scope.In = products("cup")
		q := best(t, cartOf(floor("10.00", 1, "9.50"), product("cup", "11.00", 1)), coupon.Facts{}, candidates(t, cheapest, cup, amountOff("alone", "8.00")))
		assert.Equal(t, []string{"a.cup", "cheapest"}, applied(q))
		assert.Equal(t, eur("11.00"), q.Discount)
	})
	t.Run("one that is in nobody's way is not better", func(t *testing.T) {
		q := best(t, cartOf(item("100.00", 1)), coupon.Facts{}, candidates(t, freely(percentOff("all", "100")), freely(amountOff("b", "9.00"))))
		r := q.Refused()[0]
		assert.Equal(t, coupon.ReasonNotBetter, r.Reason)
		assert.Equal(t, []coupon.Rival{{Offer: "all", Name: "all", Off: eur("100.00")}}, r.Rivals)
		assert.Equal(t, eur("91.00"), r.Behind)
		assert.Equal(t, `With "all" you save €91.00 more than with "b".`, r.Shopper())
		assert.Equal(t, "Avec « all », vous économisez 91,00 € de plus qu’avec « b ».", plain([]string{r.In(language.French)})[0])
		assert.Contains(t, r.Error(), `no set with it takes off more; alone it would take off 9.00 EUR; with it 91.00 EUR less would come off, at the cost of "all" ("all", 100.00 EUR)`)
	})
	t.Run("one that is as good", func(t *testing.T) {
		q := best(t, cartOf(item("5.00", 1)), coupon.Facts{}, candidates(t, freely(amountOff("a", "5.00")), freely(amountOff("b", "5.00"))))
		r := q.Refused()[0]
		assert.Equal(t, []coupon.Rival{{Offer: "a", Name: "a", Off: eur("5.00")}}, r.Rivals)
		assert.Equal(t, eur("0.00"), r.Behind)
		assert.Equal(t, `"b" would not save more than "a".`, r.Shopper())
		assert.Contains(t, r.Error(), `; with it no more would come off, at the cost of "a" ("a", 5.00 EUR)`)
	})
	t.Run("one that lost to two, and leaves less to a third", func(t *testing.T) {
		alone := label(amountOff("x", "6.00"), "x", "z")
		two := offers(label(amountOff("a", "4.00"), "a", "b", "z"), label(amountOff("b", "4.00"), "b", "a", "z"), label(percentOff("z", "10"), "z", "a", "b", "x"))
		q := best(t, cartOf(item("100.00", 1)), coupon.Facts{}, candidates(t, append(two, alone)...))
		require.Equal(t, []string{"z", "a", "b"}, applied(q))
		r := q.Refused()[0]
		assert.Equal(t, coupon.ReasonCombination, r.Reason)
		assert.Equal(t, []coupon.Rival{{Offer: "a", Name: "a", Off: eur("4.00")}, {Offer: "b", Name: "b", Off: eur("4.00")}}, r.Rivals)
		assert.Equal(t, eur("2.00"), r.Behind)
	})
	t.Run("one beside which of two others only one takes anything off", func(t *testing.T) {
		cart := cartOf(product("cup", "10.00", 1), product("tea", "100.00", 1))
		cups, tea := first(percentOff("x", "100")), each("c", "5.00")
		cups.Scope.In, tea.Scope.In = products("cup"), products("tea")
		cup := each("b", "9.00")
		cup.Scope.In = products("cup")
		q := best(t, cart, coupon.Facts{}, candidates(t,
			label(cups, "x", "b", "c"), label(cup, "b", "x", "a", "c"), label(amountOff("a", "4.00"), "a", "b", "c"), label(tea, "c", "x", "a", "b")))
		require.Equal(t, []string{"b", "c", "a"}, applied(q))
		r := q.Refused()[0]
		assert.Equal(t, []coupon.Rival{{Offer: "b", Name: "b", Off: eur("9.00")}, {Offer: "a", Name: "a", Off: eur("4.00")}}, r.Rivals)
		assert.Equal(t, eur("3.00"), r.Behind)
	})
	t.Run("a quote without search does not claim it", func(t *testing.T) {
		assert.False(t, decide(t, cartOf(item("100.00", 1)), amountOff("a", "1.00")).Optimal)
	})
}

// bestDrawing draws offers that stand in each other's way in many ways.
func bestDrawing(t *rapid.T, most int) drawing {
	d := drawing{cart: drawCart(t), facts: coupon.Facts{Used: make(map[string]int64)}}
	for i := range rapid.IntRange(1, most).Draw(t, "offers") {
		d.candidates = append(d.candidates, drawRival(t, string(rune('a'+i))))
	}
	d.facts.Used["uses/@spring"] = rapid.Int64Range(0, 2).Draw(t, "used")
	return d
}

func drawRival(t *rapid.T, id string) coupon.Candidate {
	o := drawOffer(t, id)
	o.Benefit, o.Campaign = drawAnyBenefit(t), "spring"
	o.Limits = nil
	switch rapid.IntRange(0, 4).Draw(t, "limit") {
	case 0:
		o.Limits = []coupon.Limit{{Per: coupon.PerCampaign, Uses: rapid.Int64Range(1, 4).Draw(t, "uses")}}
	case 1:
		if _, gift := o.Benefit.(coupon.GiftLine); !gift {
			o.Limits = []coupon.Limit{{Per: coupon.PerCampaign, Money: coupon.Amounts{drawMoney(t, "budget", 1, 3000)}, When: coupon.WhenSpent(rapid.IntRange(0, 2).Draw(t, "when"))}}
		}
	}
	o.Group.Name = oneOf(t, "group", "", "", "g", "h")
	if rapid.IntRange(0, 5).Draw(t, "after") == 0 {
		o.Conditions = append(o.Conditions, coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum after", 1, 5000)}, After: true})
	}
	v, err := coupon.NewVersion(o)
	require.NoError(t, err)
	return coupon.Candidate{Version: v}
}

// tryOut prices every set of candidates, as if nothing else had been asked for, and
// gives the most that one takes off, and the most that one with each offer does. A set
// counts when all of it applies.
func tryOut(t *rapid.T, d drawing) (most int64, with map[string]int64) {
	with = make(map[string]int64)
	for set := range 1 << len(d.candidates) {
		var chosen []coupon.Candidate
		for i, c := range d.candidates {
			if set&(1<<i) != 0 {
				chosen = append(chosen, c)
			}
		}
		q, err := coupon.Decide(d.cart, chosen, d.facts, noon)
		require.NoError(t, err)
		if len(q.Applied()) == len(chosen) {
			most = max(most, q.Discount.Minor())
			for _, a := range q.Applied() {
				with[a.Offer] = max(with[a.Offer], q.Discount.Minor())
			}
		}
	}
	return most, with
}

func TestBestAgreesWithTryingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := bestDrawing(t, 7)
		q := best(t, d.cart, d.facts, d.candidates)
		checkSums(t, q)
		require.True(t, q.Optimal)
		most, with := tryOut(t, d)
		require.Equal(t, most, q.Discount.Minor())
		for _, r := range q.Refused() {
			if r.Reason == coupon.ReasonNotBetter {
				require.NotEmpty(t, r.Rivals)
			}
			if len(r.Rivals) == 0 {
				continue
			}
			behind := r.Behind.Minor()
			require.GreaterOrEqual(t, behind, int64(0))
			require.LessOrEqual(t, most-behind, with[r.Offer], "a set with it does take off so much")
			for _, rival := range r.Rivals {
				i := slices.IndexFunc(q.Applied(), func(a coupon.Applied) bool { return a.Offer == rival.Offer })
				require.GreaterOrEqual(t, i, 0, "rivals apply")
				require.Equal(t, q.Applied()[i].Amount, rival.Off)
			}
		}
	})
}

// Ten candidates, a few times.
func TestBestOfTenAgreesWithTryingOut(t *testing.T) {
	for seed := range 8 {
		rapid.Custom(func(t *rapid.T) bool {
			d := drawing{cart: drawCart(t), facts: coupon.Facts{Used: make(map[string]int64)}}
			for i := range 10 {
				d.candidates = append(d.candidates, drawRival(t, string(rune('a'+i))))
			}
			q := best(t, d.cart, d.facts, d.candidates)
			require.True(t, q.Optimal)
			most, _ := tryOut(t, d)
			require.Equal(t, most, q.Discount.Minor())
			return true
		}).Example(seed)
	}
}

func TestBestIsNeverWorse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := bestDrawing(t, 9)
		greedy := d.decide(t)
		q := best(t, d.cart, d.facts, d.candidates)
		require.GreaterOrEqual(t, q.Discount.Minor(), greedy.Discount.Minor())
		require.Equal(t, q, best(t, d.cart, d.facts, shuffled(t, d.candidates)), "the order has no effect")

		more := append(slices.Clone(d.candidates), drawRival(t, "more"))
		with := best(t, d.cart, d.facts, more)
		require.GreaterOrEqual(t, with.Discount.Minor(), q.Discount.Minor(), "another offer makes nothing worse")
	})
}

// Beyond the bound, the best is what was found, and never worse than what applies
// without a search.
func TestBestBeyondTheBound(t *testing.T) {
	var many []coupon.Offer
	for i := range 40 {
		o := freely(giving(fmt.Sprintf("o%02d", i), coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(int64(100+i), euro)}}))
		o.Group.Name = fmt.Sprintf("g%d", i%20)
		o.Labels = []string{fmt.Sprintf("l%d", i%7)}
		o.Combine = coupon.Combine{With: []string{"l0", "l1", "l2", "l3", fmt.Sprintf("l%d", 3+i%4)}}
		many = append(many, o)
	}
	cart := cartOf(item("15.00", 1))
	all := candidates(t, many...)
	greedy, err := coupon.Decide(cart, all, coupon.Facts{}, noon)
	require.NoError(t, err)
	q := best(t, cart, coupon.Facts{}, all)
	assert.GreaterOrEqual(t, q.Discount.Minor(), greedy.Discount.Minor())
	checkSums(t, q)
	slices.Reverse(all)
	assert.Equal(t, q, best(t, cart, coupon.Facts{}, all))

	var free []coupon.Offer
	for i := range 30 {
		free = append(free, freely(percentOff(fmt.Sprintf("o%02d", i), fmt.Sprint(1+i))))
	}
	q = best(t, cart, coupon.Facts{}, candidates(t, free...))
	assert.False(t, q.Optimal)
	assert.GreaterOrEqual(t, q.Discount.Minor(), decide(t, cart, free...).Discount.Minor())
	q = best(t, cart, coupon.Facts{}, candidates(t, free[:12]...))
	assert.True(t, q.Optimal, "twelve that all combine are within the bound")

	var traps []coupon.Offer // that take the most alone, from one another
	for i := range 20 {
		traps = append(traps, changed(freely(amountOff(fmt.Sprintf("trap%02d", i), "5.00")), func(o *coupon.Offer) { o.Scope.In = products("cup") }))
	}
	for i := range 5 {
		o := first(amountOff(fmt.Sprint("o", i), "4.00"))
		o.Labels, o.Combine.With = []string{"o"}, []string{"o"}
		traps = append(traps, o)
	}
	q = best(t, cartOf(product("cup", "5.00", 1), item("20.00", 1)), coupon.Facts{}, candidates(t, traps...))
	assert.False(t, q.Optimal)
	assert.Equal(t, eur("20.00"), q.Discount, "what applies without a search")

	var alone []coupon.Offer
	for i := range 3000 {
		alone = append(alone, giving(fmt.Sprintf("o%04d", i), coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(int64(1+i%1000), euro)}}))
	}
	q = best(t, cart, coupon.Facts{}, candidates(t, alone...))
	assert.True(t, q.Optimal)
	assert.Equal(t, eur("10.00"), q.Discount)
}

func TestAutomaticOffers(t *testing.T) {
	cart := cartOf(item("10.00", 2))
	always := automatic(freely(percentOff("always", "10")))
	s := newShop(t, always, freely(amountOff("code", "1.00")))
	s.public("code", "CODE")
	require.Equal(t, []string{"always"}, applied(s.applies(cart, coupon.Choice{}, noon)))
	q := s.applies(cart, coupon.Choose("CODE"), noon)
	require.Equal(t, []string{"always", "code"}, applied(q))
	require.Equal(t, "", q.Applied()[0].Coupon)

	r, err := s.Redeem(ctx, "1", q, noon)
	require.NoError(t, err)
	require.Equal(t, eur("3.00"), r.Discount)

	t.Run("a mistyped code leaves them", func(t *testing.T) {
		q := s.quote(cart, coupon.Choose("JANE0-7K2QX-AAAB"), noon)
		require.Equal(t, []string{"always"}, applied(q))
		require.Equal(t, coupon.ReasonMistyped, q.Refused()[0].Reason)
	})
	t.Run("not for what it does not count", func(t *testing.T) {
		only := automatic(freely(percentOff("only", "10")))
		only.Scope.In.Products = []string{"mug"}
		_, err := s.Publish(ctx, only, "staff", noon)
		require.NoError(t, err)
		require.Empty(t, s.quote(cart, coupon.Choice{}, noon).Refused(), "one that counts none of the lines is no candidate")
	})
	t.Run("judged again when it is redeemed", func(t *testing.T) {
		q := s.applies(cart, coupon.Choice{}, noon)
		require.NoError(t, s.Pause(ctx, "always", "staff", "too many", noon))
		require.ErrorIs(t, ignore(s.Redeem(ctx, "2", q, noon)), coupon.ErrQuoteChanged)
		q = s.quote(cart, coupon.Choice{}, noon)
		require.Empty(t, q.Applied())
		require.Equal(t, coupon.ReasonPaused, q.Refused()[0].Reason)
		require.NoError(t, s.Resume(ctx, "always", "staff", "asked for", noon))
	})
	t.Run("sellers keep out of them", func(t *testing.T) {
		stale := s.applies(cart, coupon.Choice{}, noon)
		require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme"}, "acme", noon))
		require.ErrorIs(t, ignore(s.Redeem(ctx, "3", stale, noon)), coupon.ErrQuoteChanged)
		q := s.quote(cart, coupon.Choice{}, noon)
		require.Empty(t, q.Applied())
		require.Equal(t, coupon.ReasonSeller, q.Refused()[0].Reason)
		require.NoError(t, ignore(s.Redeem(ctx, "3", q, noon)))
		require.NoError(t, s.Include(ctx, "acme", "x", "acme", noon))
	})
	t.Run("one that is not automatic any more", func(t *testing.T) {
		changed := always
		changed.Automatic = false
		_, err := s.Publish(ctx, changed, "staff", noon)
		require.NoError(t, err)
		require.Empty(t, applied(s.quote(cart, coupon.Choice{}, noon)))
	})
}

// An automatic offer's limit holds like any other, and an order does not stand in
// its own way.
func TestLimitsOfAutomaticOffers(t *testing.T) {
	s := newShop(t, limited(automatic(percentOff("a", "10")), coupon.Limit{Uses: 1}))
	cart := cartOf(item("10.00", 1))
	_, err := s.Reserve(ctx, "1", s.applies(cart, coupon.Choice{}, noon), noon)
	require.NoError(t, err)
	require.Empty(t, s.applies(cart, coupon.Choice{}.For("1"), noon).Refused())
	require.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choice{}, noon).Reason)
	_, err = s.Release(ctx, "1", noon)
	require.NoError(t, err)
	s.redeem("2", cart, coupon.Choice{}, noon)
	_, err = s.Redeem(ctx, "1", s.quote(cart, coupon.Choice{}.For("1"), noon), noon)
	require.NoError(t, err)
}

// The best set is redeemed as it was quoted.
func TestTheBestIsRedeemedAsQuoted(t *testing.T) {
	s := newShop(t, automatic(first(grouped(amountOff("large", "5.00"), "g"))), automatic(grouped(freely(amountOff("a", "3.00")), "g")), automatic(freely(amountOff("b", "3.00"))))
	cart := cartOf(item("10.00", 2))
	q := s.quote(cart, coupon.Choice{Best: true}, noon)
	require.Equal(t, []string{"a", "b"}, applied(q))
	require.True(t, q.Optimal)
	r, err := s.Redeem(ctx, "1", q, noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, q.Total, r.Total)
}

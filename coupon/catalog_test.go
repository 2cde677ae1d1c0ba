package coupon_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleCatalog() {
	tea := coupon.Offer{
		ID: "tea", Name: "10 % off tea", Automatic: true,
		Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Scope: coupon.Scope{In: coupon.Lists{Categories: []string{"tea"}}},
	}
	cups := coupon.Offer{
		ID: "cups", Name: "5 € off cups", Automatic: true,
		Benefit: coupon.AmountOff{Amounts: euros("5.00")}, Scope: coupon.Scope{In: coupon.Lists{Categories: []string{"cups"}}},
	}
	var versions []*coupon.Version
	for _, offer := range []coupon.Offer{tea, cups} {
		version, err := coupon.NewVersion(offer)
		if err != nil {
			fmt.Println(err)
			return
		}
		versions = append(versions, version)
	}
	catalog := coupon.NewCatalog(versions...) // once
	cart := coupon.Cart{Currency: euro, Lines: []coupon.Line{
		{ID: "1", Product: "earl-grey", Categories: []string{"tea"}, Quantity: 2, UnitPrice: eur("12.00")},
	}}
	quote, err := catalog.Decide(cart, nil, coupon.Facts{}, noon) // for every cart
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(quote.Applied()[0].Name, quote.Total, len(quote.Refused()))
	// Output: 10 % off tea 21.60 EUR 0
}

// catalogDrawing is a catalogue, and what is chosen besides.
type catalogDrawing struct {
	cart     coupon.Cart
	versions []*coupon.Version
	chosen   []coupon.Candidate
	facts    coupon.Facts
}

func drawCatalog(t *rapid.T) catalogDrawing {
	d := catalogDrawing{cart: drawCart(t), facts: coupon.Facts{Best: rapid.Bool().Draw(t, "best")}}
	if rapid.Bool().Draw(t, "large") {
		d.cart = drawLargeCart(t)
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "offers") {
		offer := drawAnyOffer(t, fmt.Sprint("offer", i))
		if rapid.Bool().Draw(t, "scope of a large cart") {
			offer.Scope = drawLargeScope(t)
		}
		version, err := coupon.NewVersion(offer, pickup)
		require.NoError(t, err)
		d.versions = append(d.versions, version)
		if !offer.Automatic || rapid.Bool().Draw(t, "chosen too") {
			c := &coupon.Coupon{ID: fmt.Sprint("coupon", i), Holder: "jane", Uses: 1}
			d.chosen = append(d.chosen, coupon.Candidate{Version: version, Coupon: c, Code: oneOf(t, "code", "", "C-"+c.ID)})
		}
	}
	return d
}

// all are the candidates that a catalogue should find, one by one.
func (d *catalogDrawing) all() []coupon.Candidate {
	all := slices.Clone(d.chosen)
	for _, v := range d.versions {
		offer := v.Offer()
		q, err := coupon.Decide(d.cart, []coupon.Candidate{{Version: mustVersion(openOffer(offer))}}, coupon.Facts{}, noon)
		if err != nil {
			panic(err)
		}
		counts := len(q.Refused()) == 0
		ended := !offer.Schedule.Until.IsZero() && !noon.Before(offer.Schedule.Until) || offer.Schedule.Days.Last != "" && offer.Schedule.Days.Last < noon.Format(time.DateOnly)
		if offer.Automatic && counts && !ended {
			all = append(all, coupon.Candidate{Version: v})
		}
	}
	return all
}

// openOffer has the scope of another, and no other reason to be refused.
func openOffer(o coupon.Offer) coupon.Offer {
	return coupon.Offer{ID: "open", Name: "open", Scope: o.Scope, ShopPromotions: coupon.AllowPromoted, Benefit: coupon.GiftLine{Product: "mug", Quantity: 1}}
}

func mustVersion(o coupon.Offer) *coupon.Version {
	v, err := coupon.NewVersion(o, pickup)
	if err != nil {
		panic(err)
	}
	return v
}

// A catalogue leaves out what can't apply and nothing else: it decides like Decide that
// is given every candidate, in whatever order its offers and those chosen are given.
func TestCatalogDecidesLikeDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawCatalog(t)
		want, err := coupon.Decide(d.cart, d.all(), d.facts, noon)
		require.NoError(t, err)
		got, err := coupon.NewCatalog(d.versions...).Decide(d.cart, d.chosen, d.facts, noon)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := coupon.NewCatalog(shuffled(t, d.versions)...).Decide(d.cart, shuffled(t, d.chosen), d.facts, noon)
		require.NoError(t, err)
		require.Equal(t, want, again)
		foreign, err := coupon.NewCatalog().Decide(d.cart, d.all(), d.facts, noon)
		require.NoError(t, err)
		require.Equal(t, want, foreign, "offers that the catalogue does not know")
	})
}

// drawPlain draws an offer that asks for one list of names and perhaps a minimum spend.
func drawPlain(t *rapid.T, id string) coupon.Offer {
	o := automatic(freely(coupon.Offer{ID: id, Name: "offer " + id, Priority: rapid.IntRange(-1, 1).Draw(t, "priority")}))
	o.Rounding = ledger.Rounding(rapid.IntRange(0, 4).Draw(t, "rounding"))
	amounts := coupon.Amounts{drawMoney(t, "amount", 1, 9000)}
	if rapid.IntRange(0, 9).Draw(t, "another currency") == 0 {
		amounts = coupon.Amounts{ledger.MustMoney("5.00", usd)}
	}
	switch rapid.IntRange(0, 3).Draw(t, "benefit") {
	case 0:
		o.Benefit = coupon.AmountOff{Amounts: amounts}
	case 1:
		o.Benefit = coupon.AmountOffEach{Amounts: amounts, PerLine: rapid.Bool().Draw(t, "per line")}
	default:
		percent := coupon.PercentOff{Rate: ledger.MustRate(fmt.Sprint(rapid.IntRange(1, 100).Draw(t, "percent"))), Of: coupon.Of(rapid.IntRange(0, 1).Draw(t, "of"))}
		if rapid.IntRange(0, 3).Draw(t, "maximum") == 0 {
			percent.Max = amounts
		}
		o.Benefit = percent
	}
	switch rapid.IntRange(0, 3).Draw(t, "minimum") {
	case 0:
		o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, 9000)}}}
	case 1:
		o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: amounts}}
	}
	switch rapid.IntRange(0, 3).Draw(t, "list") {
	case 0:
		o.Scope.In.Products = []string{oneOf(t, "product", "tea", "cup", "mug")}
	case 1:
		o.Scope.In.Categories = []string{oneOf(t, "category", "drinks", "crockery")}
	case 2:
		o.Scope.In.Sellers = []string{oneOf(t, "seller", "acme", "zeta")}
	default:
		o.Scope.In.Tags = []string{oneOf(t, "tag", "green", "blue")}
	}
	return o
}

// Offers that ask for little are priced in a shorter way, which comes to the same.
func TestPlainOffersComeToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := catalogDrawing{cart: drawCart(t)}
		if rapid.IntRange(0, 3).Draw(t, "promoted") > 0 {
			d.cart.Promotions = nil
			for i := range d.cart.Lines {
				d.cart.Lines[i].Promotions = nil
			}
		}
		for i := range rapid.IntRange(1, 6).Draw(t, "offers") {
			d.versions = append(d.versions, mustVersion(drawPlain(t, fmt.Sprint("offer", i))))
		}
		want, err := coupon.Decide(d.cart, d.all(), d.facts, noon)
		require.NoError(t, err)
		got, err := coupon.NewCatalog(shuffled(t, d.versions)...).Decide(d.cart, nil, d.facts, noon)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, want.Explain(), got.Explain())
		checkSums(t, got)
	})
}

// A service opens a cart once, by the catalogue that it has read last, and decides like a
// catalogue that is told everything: the first time, when it has read none, and later.
func TestServiceQuotesLikeACatalogue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawCatalog(t)
		s := coupon.New(memory.New(), coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}})
		var versions []*coupon.Version
		choice := coupon.Choice{Best: d.facts.Best}
		chosen := drawUnread(t, &choice)
		for i, v := range d.versions {
			offer, err := s.Publish(ctx, v.Offer(), "staff", noon)
			require.NoError(t, err)
			version := mustVersion(offer)
			versions = append(versions, version)
			if offer.Automatic && !slices.ContainsFunc(d.chosen, func(c coupon.Candidate) bool { return c.Version == v }) {
				continue
			}
			made, err := s.Issue(ctx, coupon.IssueRequest{ID: fmt.Sprint("coupon", i), Holder: "jane", Offers: []coupon.IssueOffer{{Offer: offer.ID}}}, noon)
			if err == nil { // the offer is not over
				choice.Coupons = append(choice.Coupons, made[0].ID)
				c := coupon.Candidate{Version: version, Coupon: &made[0], Paused: !offer.Automatic && rapid.IntRange(0, 3).Draw(t, "paused") == 0}
				if c.Paused {
					require.NoError(t, s.Pause(ctx, offer.ID, "ann", "a mistake in its terms", noon))
				}
				chosen = append(chosen, c)
			}
		}
		catalog := coupon.NewCatalog(versions...)
		invalid := d.cart
		invalid.Lines = slices.Clone(d.cart.Lines)
		invalid.Lines[len(invalid.Lines)-1].Quantity = 0
		_, want := catalog.Decide(invalid, chosen, d.facts, noon)
		_, err := s.Quote(ctx, invalid, choice, noon)
		require.ErrorIs(t, err, coupon.ErrCart)
		require.Equal(t, want.Error(), err.Error())
		if len(choice.Coupons) == 0 { // or nothing but what can't be read would be chosen, for which the store is not asked
			_, err = s.Quote(ctx, d.cart, coupon.Choice{}, noon)
			require.NoError(t, err)
		}
		other := d.cart
		other.Lines = slices.Clone(d.cart.Lines[:1])
		for _, cart := range []coupon.Cart{d.cart, other, d.cart} {
			want, err := catalog.Decide(cart, chosen, d.facts, noon)
			require.NoError(t, err)
			got, err := s.Quote(ctx, cart, choice, noon)
			require.NoError(t, err)
			require.Equal(t, want.Explain(), got.Explain())
			require.Equal(t, want.Lines(), got.Lines())
			require.Equal(t, want.Deliveries(), got.Deliveries())
			require.Equal(t, want.Applied(), got.Applied())
			require.Equal(t, want.Refused(), got.Refused())
			require.Equal(t, []any{want.Total, want.Optimal, want.Fingerprint()}, []any{got.Total, got.Optimal, got.Fingerprint()})
		}
	})
}

// drawUnread adds codes to a choice that lead to no coupon, and gives what they come to.
func drawUnread(t *rapid.T, choice *coupon.Choice) []coupon.Candidate {
	reasons := map[string]coupon.Reason{"?": coupon.ReasonNotACode, "AAAA-AAAA-AAAA-AA": coupon.ReasonMistyped, "NOBODYS": coupon.ReasonUnknown}
	choice.Codes = someOf(t, "typed", slices.Sorted(maps.Keys(reasons))...)
	var refused []coupon.Candidate
	for _, code := range choice.Codes {
		refused = append(refused, coupon.Candidate{Code: code, Refused: &coupon.Refusal{Reason: reasons[code]}})
	}
	return refused
}

// A small cart's quote is put together in other memory than a larger one's, and so are
// lists beyond what a small one has room for.
func TestQuotesOfAnySize(t *testing.T) {
	for _, lines := range []int{9, 10, 11} {
		for _, offers := range []int{9, 10, 11, 150} {
			cart, offers := makeWork(lines, offers)
			versions := workVersions(t, offers)
			want, err := coupon.Decide(workCart(cart), asCandidates(versions), coupon.Facts{}, noon)
			require.NoError(t, err)
			got, err := coupon.NewCatalog(versions...).Decide(workCart(cart), nil, coupon.Facts{}, noon)
			require.NoError(t, err)
			require.Equal(t, want.Lines(), got.Lines())
			require.Equal(t, want.Applied(), got.Applied())
			require.Len(t, want.Refused(), len(versions)-len(want.Applied()))
			checkSums(t, got)
		}
	}
}

func TestCatalogCandidates(t *testing.T) {
	of := func(id string, change func(*coupon.Offer)) *coupon.Version {
		o := automatic(freely(amountOff(id, "1.00")))
		change(&o)
		return mustVersion(o)
	}
	cart := cartOf(product("tea", "10.00", 1), product("cup", "10.00", 1))
	cart.Lines[0].Tags = []string{"green"}
	ends := func(at time.Time) func(*coupon.Offer) {
		return func(o *coupon.Offer) { o.Schedule.Until, o.Scope.In = at, products("tea") }
	}
	catalog := coupon.NewCatalog(
		nil, &coupon.Version{},
		of("every-line", func(*coupon.Offer) {}),
		of("tag", func(o *coupon.Offer) { o.Scope.In.Tags = []string{"red", "green"} }),
		of("other-tag", func(o *coupon.Offer) { o.Scope.In.Tags = []string{"red", "blue"} }),
		of("both", func(o *coupon.Offer) { o.Scope.In = coupon.Lists{Products: []string{"tea"}, Tags: []string{"green"}} }),
		of("not-both", func(o *coupon.Offer) { o.Scope.In = coupon.Lists{Products: []string{"cup"}, Tags: []string{"green"}} }),
		of("all-but-these", func(o *coupon.Offer) { o.Scope.Out = products("tea", "cup") }),
		of("by-code", func(o *coupon.Offer) { o.Automatic = false }),
		of("ended", ends(noon)), of("ends-later", ends(noon.Add(1))), of("ended-before", ends(noon.Add(-1))),
		of("begins-later", func(o *coupon.Offer) { o.Schedule.From = noon.Add(1) }),
		of("twice", func(o *coupon.Offer) { o.Version = 1; o.Scope.In = products("tea") }),
		of("twice", func(o *coupon.Offer) { o.Version = 2; o.Scope.In = products("mug") }),
	)
	found := func(cart coupon.Cart, at time.Time) (ids []string) {
		for _, c := range catalog.Candidates(&cart, at) {
			ids = append(ids, c.Version.Offer().ID)
		}
		return ids
	}
	assert.Equal(t, []string{"begins-later", "both", "ends-later", "every-line", "tag"}, found(cart, noon))
	assert.Equal(t, []string{"begins-later", "both", "every-line", "tag"}, found(cart, noon.Add(1)))
	assert.Empty(t, found(coupon.Cart{}, noon))
	_, err := catalog.Decide(coupon.Cart{}, nil, coupon.Facts{}, noon)
	require.ErrorIs(t, err, coupon.ErrCart)
	q, err := catalog.Decide(cart, nil, coupon.Facts{}, noon)
	require.NoError(t, err)
	assert.Equal(t, []string{"both", "ends-later", "every-line", "tag"}, applied(q))
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, coupon.ReasonNotYet, q.Refused()[0].Reason)
}

// Memory is used again, and what one decision says never shows in another, however many
// are made at once.
func TestDecisionsAtOnceAreAsAlone(t *testing.T) {
	type work struct {
		catalogDrawing
		catalog *coupon.Catalog
		want    *coupon.Quote
	}
	var all []work
	for seed := range 60 {
		rapid.Custom(func(t *rapid.T) bool {
			d := drawCatalog(t)
			want, err := coupon.Decide(d.cart, d.all(), d.facts, noon)
			require.NoError(t, err)
			all = append(all, work{d, coupon.NewCatalog(d.versions...), want})
			return true
		}).Example(seed)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 3 * len(all) {
				w := &all[(i*(worker+1)+worker)%len(all)]
				q, err := w.catalog.Decide(w.cart, w.chosen, w.facts, noon)
				if assert.NoError(t, err) && !assert.Equal(t, w.want, q) {
					return
				}
			}
		}()
	}
	group.Wait()
}

// A service's catalogue follows what is published, paused and resumed.
func TestCatalogOfAService(t *testing.T) {
	tea := automatic(freely(amountOff("tea", "1.00")))
	tea.Scope.In = products("tea")
	s := newShop(t, tea)
	cart := cartOf(product("tea", "10.00", 1))
	other := coupon.New(s.store, coupon.Options{}) // another process
	quoted := func(at time.Time) *coupon.Quote {
		q, err := other.Quote(ctx, cart, coupon.Choice{}, at)
		require.NoError(t, err)
		return q
	}
	require.Equal(t, []string{"tea"}, applied(quoted(noon)))

	require.NoError(t, s.Pause(ctx, "tea", "staff", "asked for", noon))
	require.Equal(t, []string{"tea"}, applied(quoted(noon.Add(time.Second/2))), "as it was read")
	q := quoted(noon.Add(time.Second))
	require.Empty(t, applied(q))
	require.Equal(t, coupon.ReasonPaused, q.Refused()[0].Reason)

	require.NoError(t, s.Resume(ctx, "tea", "staff", "asked for", noon))
	tea.Benefit = coupon.AmountOff{Amounts: euros("2.00")}
	_, err := s.Publish(ctx, tea, "staff", noon)
	require.NoError(t, err)
	cup := automatic(freely(amountOff("cup", "1.00")))
	_, err = s.Publish(ctx, cup, "staff", noon)
	require.NoError(t, err)
	require.Equal(t, eur("3.00"), quoted(noon.Add(time.Minute)).Discount)

	tea.Automatic = false
	_, err = s.Publish(ctx, tea, "staff", noon)
	require.NoError(t, err)
	require.Equal(t, []string{"cup"}, applied(quoted(noon.Add(2*time.Minute))))
}

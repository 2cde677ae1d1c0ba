package coupon_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func oneOf(t *rapid.T, label string, all ...string) string {
	return rapid.SampledFrom(all).Draw(t, label)
}

func someOf(t *rapid.T, label string, all ...string) []string {
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 2, rapid.ID[string]).Draw(t, label)
	if len(some) == 0 {
		return nil
	}
	return some
}

func drawMoney(t *rapid.T, label string, least, most int64) ledger.Money {
	return ledger.Minor(rapid.Int64Range(least, most).Draw(t, label), euro)
}

func drawLine(t *rapid.T, id string) coupon.Line {
	l := coupon.Line{
		ID: id, Product: oneOf(t, "product", "tea", "cup", "mug"), Seller: oneOf(t, "seller", "acme", "zeta", ""),
		Categories: someOf(t, "categories", "drinks", "crockery"), Tags: someOf(t, "tags", "green", "blue"),
		Quantity: rapid.Int64Range(1, 12).Draw(t, "quantity"), UnitPrice: drawMoney(t, "price", 0, 3000),
		OnSale: rapid.Bool().Draw(t, "on sale"),
	}
	if rapid.IntRange(0, 3).Draw(t, "has total") == 0 {
		l.Total = drawMoney(t, "total", 0, 3000)
	}
	if rapid.IntRange(0, 3).Draw(t, "has floor") == 0 {
		l.Floor = drawMoney(t, "floor", 0, 3000)
	}
	if rapid.IntRange(0, 7).Draw(t, "promoted") == 0 {
		l.Promotions = []string{"3 for 2"}
	}
	return l
}

func drawCart(t *rapid.T) coupon.Cart {
	cart := coupon.Cart{Currency: euro, Customer: coupon.Customer{Key: "jane", Segments: someOf(t, "segments", "gold", "silver")}}
	for i := range rapid.IntRange(1, 7).Draw(t, "lines") {
		cart.Lines = append(cart.Lines, drawLine(t, fmt.Sprint("line ", i)))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "deliveries") {
		cart.Shipping = append(cart.Shipping, coupon.Shipping{
			ID: fmt.Sprint("parcel ", i), Seller: oneOf(t, "delivered by", "acme", "zeta", ""), Method: oneOf(t, "method", "", "post", "courier"), Price: drawMoney(t, "shipping", 0, 900),
		})
	}
	return cart
}

func drawBenefit(t *rapid.T) coupon.Benefit {
	if rapid.Bool().Draw(t, "any benefit") {
		return drawAnyBenefit(t)
	}
	if rapid.Bool().Draw(t, "an amount") {
		return coupon.AmountOff{Amounts: coupon.Amounts{drawMoney(t, "amount", 1, 9000)}}
	}
	rate, err := ledger.ParseRate(fmt.Sprintf("%d.%02d", rapid.IntRange(0, 99).Draw(t, "percent"), rapid.IntRange(1, 99).Draw(t, "hundredths")))
	if err != nil {
		t.Fatal(err)
	}
	p := coupon.PercentOff{Rate: rate}
	if rapid.IntRange(0, 2).Draw(t, "has maximum") == 0 {
		p.Max = coupon.Amounts{drawMoney(t, "maximum", 1, 2000)}
	}
	return p
}

func drawLists(t *rapid.T, label string) coupon.Lists {
	if rapid.IntRange(0, 2).Draw(t, label) > 0 {
		return coupon.Lists{}
	}
	return coupon.Lists{
		Products: someOf(t, "products", "tea", "cup", "mug"), Categories: someOf(t, "categories", "drinks", "crockery"),
		Sellers: someOf(t, "sellers", "acme", "zeta"), Tags: someOf(t, "tags", "green", "blue"),
	}
}

func drawPriceRange(t *rapid.T) coupon.PriceRange {
	var r coupon.PriceRange
	switch rapid.IntRange(0, 7).Draw(t, "price range") {
	case 0:
		r.From = drawAmounts(t, "from price", 0)
	case 1:
		r.To = drawAmounts(t, "to price", 0)
	case 2:
		r.From = drawAmounts(t, "from price", 0)
		r.To = coupon.Amounts{drawMoney(t, "to price", r.From[0].Minor(), 4000)}
	}
	return r
}

func drawOffer(t *rapid.T, id string) coupon.Offer {
	o := coupon.Offer{
		ID: id, Name: "offer " + id, Labels: someOf(t, "labels", "x", "y"), Benefit: drawBenefit(t),
		Scope:          coupon.Scope{In: drawLists(t, "in"), Out: drawLists(t, "out"), SaleItems: coupon.SaleItems(rapid.IntRange(0, 2).Draw(t, "sale items")), UnitPrice: drawPriceRange(t)},
		Priority:       rapid.IntRange(-1, 1).Draw(t, "priority"),
		ShopPromotions: coupon.ShopPromotions(rapid.IntRange(0, 2).Draw(t, "promotions")),
		Rounding:       ledger.Rounding(rapid.IntRange(0, 4).Draw(t, "rounding")),
	}
	switch rapid.IntRange(0, 4).Draw(t, "combine") {
	case 0, 1, 2:
		o.Combine.Freely = true
	case 3:
		o.Combine.With = someOf(t, "with", "x", "y")
	}
	if rapid.IntRange(0, 3).Draw(t, "minimum") == 0 {
		o.Conditions = append(o.Conditions, coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, 5000)}})
	}
	if rapid.IntRange(0, 7).Draw(t, "segment") == 0 {
		o.Conditions = append(o.Conditions, coupon.InSegment{Any: []string{"gold"}})
	}
	if rapid.IntRange(0, 2).Draw(t, "limited") == 0 {
		o.Limits = []coupon.Limit{{Per: coupon.LimitPer(rapid.IntRange(0, 1).Draw(t, "per")), Uses: rapid.Int64Range(1, 3).Draw(t, "uses")}}
	}
	return o
}

// drawing is everything a decision rests on.
type drawing struct {
	cart       coupon.Cart
	candidates []coupon.Candidate
	facts      coupon.Facts
}

func draw(t *rapid.T) drawing {
	d := drawing{cart: drawCart(t), facts: coupon.Facts{Order: "mine", Used: make(map[string]int64)}}
	for i := range rapid.IntRange(0, 5).Draw(t, "offers") {
		id := string(rune('a' + i))
		v, err := coupon.NewVersion(drawOffer(t, id))
		if err != nil {
			t.Fatal(err)
		}
		d.facts.Used["uses/"+id] = rapid.Int64Range(0, 2).Draw(t, "used")
		held := rapid.IntRange(0, 2).Draw(t, "coupons")
		if held == 0 {
			d.candidates = append(d.candidates, coupon.Candidate{Version: v, Paused: rapid.IntRange(0, 9).Draw(t, "paused") == 0})
		}
		for n := range held {
			c := &coupon.Coupon{ID: fmt.Sprint(id, "/", n), Holder: "jane", Uses: 1}
			d.candidates = append(d.candidates, coupon.Candidate{Version: v, Coupon: c, Code: oneOf(t, "code", "", "C-"+c.ID)})
		}
	}
	if rapid.Bool().Draw(t, "excluding") {
		d.facts.Exclusions = []coupon.Exclusion{{ID: "1", Seller: "zeta", Labels: someOf(t, "excluded", "x", "y")}}
	}
	return d
}

func (d *drawing) decide(t *rapid.T) *coupon.Quote {
	q, err := coupon.Decide(d.cart, d.candidates, d.facts, noon)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// text is all of the drawing's own data.
func (d *drawing) text(t *rapid.T) string {
	var versions []coupon.Offer
	var coupons []coupon.Coupon
	for _, c := range d.candidates {
		versions = append(versions, c.Version.Offer())
		if c.Coupon != nil {
			coupons = append(coupons, *c.Coupon)
		}
	}
	body, err := json.Marshal([]any{d.cart, d.facts, versions, coupons})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestQuotesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		q := d.decide(t)
		checkSums(t, q)
		require.Len(t, d.candidates, len(q.Applied())+len(q.Refused()))
		for _, r := range q.Refused() {
			require.ErrorIs(t, r, coupon.ErrRefused)
			require.NotEmpty(t, r.Shopper())
			require.Contains(t, r.Error(), r.Offer)
		}
	})
}

func TestDecidingIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		before := d.text(t)
		first, second := d.decide(t), d.decide(t)
		require.Equal(t, first, second)
		require.Equal(t, before, d.text(t))
		require.Equal(t, first.Fingerprint(), second.Fingerprint())
	})
}

func shuffled[S ~[]E, E any](t *rapid.T, all S) S {
	all = slices.Clone(all)
	rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func TestOrderHasNoEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		want := d.decide(t)
		d.candidates = shuffled(t, append(slices.Clone(d.candidates), d.candidates[:min(1, len(d.candidates))]...))
		again := d.decide(t)
		require.Len(t, again.Notices, min(1, len(d.candidates)))
		again.Notices = nil
		require.Equal(t, want, again, "candidates")

		if d.picksInCartOrder() {
			return
		}
		d.cart.Lines, d.cart.Shipping = shuffled(t, d.cart.Lines), shuffled(t, d.cart.Shipping)
		again = d.decide(t)
		require.Equal(t, want.Applied(), again.Applied())
		require.Equal(t, want.Refused(), again.Refused())
		require.Equal(t, want.Total, again.Total)
		for _, l := range again.Lines() {
			i := slices.IndexFunc(want.Lines(), func(w coupon.QuoteLine) bool { return w.ID == l.ID })
			require.Equal(t, want.Lines()[i], l, "lines")
		}
	})
}

// An offer that takes nothing off leaves the lines as they were, whatever it cut them into.
func TestOffersInVainLeaveNoTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cart, vain := drawCart(t), 0
		var all, applied []coupon.Candidate
		for i := range rapid.IntRange(2, 8).Draw(t, "offers") {
			o := coupon.Offer{ID: fmt.Sprint("offer-", i), Name: "o", ShopPromotions: coupon.AllowPromoted, Benefit: drawBenefit(t)}
			all = append(all, coupon.Candidate{Version: mustVersion(freely(o))})
		}
		want, err := coupon.Decide(cart, all, coupon.Facts{}, noon)
		require.NoError(t, err)
		for _, c := range all {
			if slices.ContainsFunc(want.Applied(), func(a coupon.Applied) bool { return a.Offer == c.Version.Offer().ID }) {
				applied = append(applied, c)
			} else {
				vain++
			}
		}
		got, err := coupon.Decide(cart, applied, coupon.Facts{}, noon)
		require.NoError(t, err)
		require.Len(t, want.Refused(), vain)
		require.Equal(t, want.Applied(), got.Applied())
		require.Equal(t, want.Lines(), got.Lines())
		require.Equal(t, want.Deliveries(), got.Deliveries())
	})
}

// picksInCartOrder says that an offer asks for the order of the lines.
func (d *drawing) picksInCartOrder() bool {
	return slices.ContainsFunc(d.candidates, func(c coupon.Candidate) bool {
		switch b := c.Version.Offer().Benefit.(type) {
		case coupon.PercentOff:
			return b.Units.Pick == coupon.CartOrder
		case coupon.AmountOffEach:
			return b.Units.Pick == coupon.CartOrder
		case coupon.FixedPrice:
			return b.Units.Pick == coupon.CartOrder
		case coupon.BundlePrice:
			return b.Pick == coupon.CartOrder
		case coupon.BuyGet:
			return b.Pick == coupon.CartOrder
		}
		return false
	})
}

// With a cap on units it may: a cheaper unit takes the place of a dearer one.
func TestMoreNeverLowersAPercentage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawing{cart: drawCart(t)}
		offer := drawOffer(t, "a")
		percent, _ := offer.Benefit.(coupon.PercentOff)
		if percent.Units = (coupon.Units{}); percent.Rate.IsZero() {
			percent.Rate = ledger.MustRate("7.5")
		}
		offer.Benefit = percent
		for i := range d.cart.Lines {
			d.cart.Lines[i].Total = ledger.Money{}
		}
		v, err := coupon.NewVersion(offer)
		require.NoError(t, err)
		d.candidates = []coupon.Candidate{{Version: v}}
		before := d.decide(t)
		i := rapid.IntRange(0, len(d.cart.Lines)-1).Draw(t, "line")
		d.cart.Lines[i].Quantity += rapid.Int64Range(1, 20).Draw(t, "more")
		require.GreaterOrEqual(t, d.decide(t).Discount.Minor(), before.Discount.Minor())
	})
}

// redeemDrawn publishes, issues, quotes and redeems what was drawn.
func redeemDrawn(t *rapid.T) (*coupon.Service, *memory.Store, *coupon.Quote, coupon.Redemption) {
	store := memory.New()
	s := coupon.New(store, coupon.Options{})
	request := coupon.IssueRequest{ID: "i", Holder: "jane"}
	for i := range rapid.IntRange(1, 4).Draw(t, "offers") {
		offer := drawOffer(t, string(rune('a'+i)))
		_, err := s.Publish(ctx, offer, "staff", noon)
		require.NoError(t, err)
		request.Offers = append(request.Offers, coupon.IssueOffer{Offer: offer.ID, Count: rapid.IntRange(1, 2).Draw(t, "coupons")})
	}
	issued, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	var choice coupon.Choice
	for _, c := range issued {
		choice.Coupons = append(choice.Coupons, c.ID)
	}
	q, err := s.Quote(ctx, drawCart(t), choice, noon)
	require.NoError(t, err)
	r, err := s.Redeem(ctx, "order", q, noon)
	require.NoError(t, err)
	return s, store, q, r
}

func TestRedeemingGivesWhatWasQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, store, q, r := redeemDrawn(t)
		require.Equal(t, q.Applied(), r.Applied)
		require.Equal(t, []ledger.Money{q.Subtotal, q.Discount, q.Shipping, q.Total}, []ledger.Money{r.Subtotal, r.Discount, r.ShippingTotal, r.Total})
		for i, line := range q.Lines() {
			line.LeftOut = nil
			require.Equal(t, line, r.Lines[i].QuoteLine)
		}
		again, err := s.Redeem(ctx, "order", q, noon.Add(1e12))
		require.NoError(t, err)
		require.Equal(t, r, again)
		requireAudit(t, store)
	})
}

// A quote worked out again a year later, from the versions it was made with, is the
// same, whatever was published since; and its order still has it.
func TestQuotesReplayedAYearLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		options := coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}}
		s := coupon.New(store, options)
		var ids []string
		for i := range rapid.IntRange(1, 4).Draw(t, "offers") {
			offer := automatic(drawAnyOffer(t, string(rune('a'+i))))
			require.NoError(t, ignore(s.Publish(ctx, offer, "staff", noon)))
			ids = append(ids, offer.ID)
		}
		cart := drawCart(t)
		cart.Attributes = map[string]string{"phone": "1"}
		q, err := s.Quote(ctx, cart, coupon.Choice{}, noon)
		require.NoError(t, err)
		r, err := s.Redeem(ctx, "order", q, noon)
		require.NoError(t, err)

		later := noon.AddDate(1, 0, 0)
		for _, id := range ids {
			require.NoError(t, ignore(s.Publish(ctx, automatic(amountOff(id, "0.01")), "staff", later)))
			require.NoError(t, s.Pause(ctx, id, "staff", "over", later))
		}
		fresh := coupon.New(store, options)
		var candidates []coupon.Candidate
		for _, id := range ids {
			offer, err := fresh.Offer(ctx, id, 1, later)
			require.NoError(t, err)
			version, err := coupon.NewVersion(offer, pickup)
			require.NoError(t, err)
			candidates = append(candidates, coupon.Candidate{Version: version})
		}
		again, err := coupon.Decide(cart, candidates, coupon.Facts{}, q.At)
		require.NoError(t, err)
		require.Equal(t, q.Fingerprint(), again.Fingerprint())
		require.Equal(t, q.Applied(), again.Applied())
		require.Equal(t, q.Lines(), again.Lines())
		require.Equal(t, []any{q.Deliveries(), q.Gifts(), q.Total}, []any{again.Deliveries(), again.Gifts(), again.Total})
		kept, err := fresh.Redeem(ctx, "order", q, later)
		require.NoError(t, err)
		require.Equal(t, r, kept)
	})
}

func requireAudit(t checker, store *memory.Store) {
	t.Helper()
	report, err := coupon.Audit(ctx, store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

func TestRefundsSumToWhatWasPaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, store, _, r := redeemDrawn(t)
		var amount, discount int64
		restored := 0
		give := func(request coupon.RefundRequest) {
			refund, err := s.Refund(ctx, "order", request, noon)
			require.NoError(t, err)
			amount += refund.Amount.Minor()
			discount += refund.Discount.Minor()
			if refund.Restored {
				restored++
			}
		}
		left := make(map[string]int64)
		for _, l := range r.Lines {
			left[l.ID] = l.Quantity
		}
		for n := range rapid.IntRange(0, 6).Draw(t, "refunds") {
			request := coupon.RefundRequest{ID: fmt.Sprint(n)}
			for _, l := range shuffled(t, r.Lines) {
				if units := rapid.Int64Range(0, left[l.ID]).Draw(t, "units"); units > 0 {
					request.Lines = append(request.Lines, coupon.Returned{Line: l.ID, Units: units})
					left[l.ID] -= units
				}
			}
			if len(request.Lines) > 0 {
				give(request)
			}
		}
		if last, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, noon); err == nil {
			amount, discount = amount+last.Amount.Minor(), discount+last.Discount.Minor()
			if last.Restored {
				restored++
			}
		} else {
			require.ErrorIs(t, err, coupon.ErrState)
		}
		require.Equal(t, r.Total.Minor(), amount)
		require.Equal(t, r.Discount.Minor(), discount)
		require.Equal(t, min(1, len(r.Applied)), restored)
		end, err := s.Redemption(ctx, "order")
		require.NoError(t, err)
		require.Equal(t, coupon.StateRefunded, end.State)
		requireAudit(t, store)
	})
}

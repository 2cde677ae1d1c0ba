package coupon_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage/memory"
)

// absentOffers are as many automatic offers for products that no cart has, in equal parts
// by product, category, seller and tag, some with others of these besides.
func absentOffers(n int) []coupon.Offer {
	var all []coupon.Offer
	for i := range n {
		o := automatic(freely(percentOff(fmt.Sprintf("many-%05d", i), "5")))
		name := []string{fmt.Sprint("absent-", i/4)}
		o.Scope.In = []coupon.Lists{{Products: name}, {Categories: name}, {Sellers: name, Categories: []string{"category-1"}}, {Tags: name}}[i%4]
		all = append(all, o)
	}
	return all
}

// matchingOffers are ten that match a cart of makeWork.
func matchingOffers(b *testing.B) []coupon.Offer {
	_, offers := makeWork(10, 10)
	var all []coupon.Offer
	for _, v := range workVersions(b, offers) {
		all = append(all, v.Offer())
	}
	return all
}

// BenchmarkTenOfTenThousandOffers prices a cart of ten lines that ten of 10,000 published
// offers match, beside one where only those ten are published.
func BenchmarkTenOfTenThousandOffers(b *testing.B) {
	lines, _ := makeWork(10, 10)
	cart, few := workCart(lines), matchingOffers(b)
	many := append(absentOffers(9_990), few...)
	versions := func(offers []coupon.Offer) (all []*coupon.Version) {
		for _, o := range offers {
			all = append(all, mustVersion(o))
		}
		return all
	}
	b.Run("catalog", func(b *testing.B) {
		ten, all := coupon.NewCatalog(versions(few)...), coupon.NewCatalog(versions(many)...)
		t := takeTurns(b, 200, map[string]func(){
			"ten": func() { priced(b)(ten.Decide(cart, nil, coupon.Facts{}, noon)) },
			"all": func() { priced(b)(all.Decide(cart, nil, coupon.Facts{}, noon)) },
		})
		t.compare(b, "all", "ten")
	})
	b.Run("service", func(b *testing.B) {
		ten, all := publishing(b, few), publishing(b, many)
		quote := func(s *coupon.Service) { priced(b)(s.Quote(ctx, cart, coupon.Choice{}, noon)) }
		quote(ten)
		quote(all) // reads what is published
		t := takeTurns(b, 200, map[string]func(){"ten": func() { quote(ten) }, "all": func() { quote(all) }})
		t.compare(b, "all", "ten")
	})
}

func publishing(b *testing.B, offers []coupon.Offer) *coupon.Service {
	s := coupon.New(memory.New(), coupon.Options{})
	for _, o := range offers {
		_, err := s.Publish(ctx, o, "staff", noon)
		require.NoError(b, err)
	}
	return s
}

// BenchmarkCompile makes 1,000 offers ready: each a version, and all of them a catalogue.
func BenchmarkCompile(b *testing.B) {
	offers := absentOffers(1_000)
	var versions []*coupon.Version
	for _, o := range offers {
		versions = append(versions, mustVersion(o))
	}
	b.Run("1000_versions", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, o := range offers {
				_ = mustVersion(o)
			}
		}
	})
	b.Run("catalog_of_1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = coupon.NewCatalog(versions...)
		}
	})
}

// BenchmarkRefresh looks whether 10,000 automatic offers are still as they were read.
func BenchmarkRefresh(b *testing.B) {
	s := publishing(b, absentOffers(10_000))
	lines, _ := makeWork(10, 10)
	cart, at := workCart(lines), noon
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Second)
		priced(b)(s.Quote(ctx, cart, coupon.Choice{}, at))
	}
}

// unitOffers count units in every way there is.
func unitOffers() []coupon.Offer {
	bundle := coupon.BundlePrice{Items: []coupon.BundleItem{{Of: products("product 0", "product 1"), Units: 2}, {Of: products("product 1", "product 2"), Units: 1}}, Prices: euros("2.00")}
	return []coupon.Offer{
		freely(giving("bundle", bundle)),
		freely(giving("buy-get", coupon.BuyGet{Buy: 2, Get: 1})),
		freely(giving("capped", coupon.PercentOff{Rate: half, Units: coupon.Units{Max: 7}})),
		freely(each("each", "0.05")),
		freely(giving("fixed", coupon.FixedPrice{Prices: euros("0.90")})),
		freely(amountOff("amount", "5.00")),
	}
}

// BenchmarkUnits prices thirty lines of 200 units each, beside thirty lines of one.
func BenchmarkUnits(b *testing.B) {
	cart := func(units int64) coupon.Cart {
		cart := benchCart(30)
		for i := range cart.Lines {
			cart.Lines[i].Quantity = units
		}
		return cart
	}
	one, many, asked := cart(1), cart(200), candidates(b, unitOffers()...)
	t := takeTurns(b, 50, map[string]func(){
		"30_units":   func() { priced(b)(coupon.Decide(one, asked, coupon.Facts{}, noon)) },
		"6000_units": func() { priced(b)(coupon.Decide(many, asked, coupon.Facts{}, noon)) },
	})
	t.compare(b, "6000_units", "30_units")
}

// BenchmarkBestOfTwenty searches the best of twenty coupons for 200 random carts, and
// states the median and the worst, and how many answers are known to be the best: of
// coupons of every kind with whatever conditions, of those that all apply and some of
// which combine, and of those that all combine: more sets than the search goes through.
func BenchmarkBestOfTwenty(b *testing.B) {
	b.Run("any", func(b *testing.B) { bestOfTwenty(b, drawRival) })
	b.Run("usable", func(b *testing.B) { bestOfTwenty(b, drawUsable) })
	b.Run("combining", func(b *testing.B) {
		bestOfTwenty(b, func(t *rapid.T, id string) coupon.Candidate {
			o := coupon.Offer{ID: id, Name: id, Combine: coupon.Combine{Freely: true}, ShopPromotions: coupon.AllowPromoted, Benefit: drawBenefit(t)}
			return coupon.Candidate{Version: mustVersion(o)}
		})
	})
}

// drawUsable draws an offer that applies to every cart: alone, with labels, freely, or as
// one of a group.
func drawUsable(t *rapid.T, id string) coupon.Candidate {
	o := coupon.Offer{ID: id, Name: id, Labels: someOf(t, "labels", "x", "y"), ShopPromotions: coupon.AllowPromoted, Benefit: drawBenefit(t)}
	o.Scope.In = drawLists(t, "in")
	switch rapid.IntRange(0, 2).Draw(t, "combine") {
	case 0:
		o.Combine.Freely = true
	case 1:
		o.Combine.With = someOf(t, "with", "x", "y")
	}
	o.Group.Name = oneOf(t, "group", "", "", "g", "h")
	return coupon.Candidate{Version: mustVersion(o)}
}

func bestOfTwenty(b *testing.B, draw func(t *rapid.T, id string) coupon.Candidate) {
	var drawn []drawing
	for seed := range 200 {
		rapid.Custom(func(t *rapid.T) bool {
			d := drawing{cart: drawCart(t), facts: coupon.Facts{Best: true}}
			for i := range 20 {
				d.candidates = append(d.candidates, draw(t, fmt.Sprintf("offer-%02d", i)))
			}
			drawn = append(drawn, d)
			return true
		}).Example(seed)
	}
	best := make([]time.Duration, len(drawn)) // of each, in its best turn
	optimal := 0
	for b.Loop() {
		optimal = 0
		for i, d := range drawn {
			begin := time.Now()
			q, err := coupon.Decide(d.cart, d.candidates, d.facts, noon)
			if took := time.Since(begin); best[i] == 0 || took < best[i] {
				best[i] = took
			}
			require.NoError(b, err)
			if q.Optimal {
				optimal++
			}
		}
	}
	slices.Sort(best)
	b.ReportMetric(0, "ns/op") // of all carts together
	b.ReportMetric(float64(best[len(best)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(best[len(best)-1].Microseconds()), "worst-µs")
	b.ReportMetric(float64(100*optimal)/float64(len(drawn)), "%optimal")
}

// BenchmarkMillionCodes makes a million codes, beside the time in which the bytes they
// need come in bulk.
func BenchmarkMillionCodes(b *testing.B) {
	const n = 1_000_000
	raw := make([]byte, 13*n)
	codes := func() {
		if made, err := coupon.NewCodes(rand.Reader, n); err != nil || len(made) != n {
			b.Fatal(err)
		}
	}
	t := takeTurns(b, 1, map[string]func(){
		"codes": codes,
		"bytes": func() {
			if _, err := io.ReadFull(rand.Reader, raw); err != nil {
				b.Fatal(err)
			}
		},
	})
	t.compare(b, "codes", "bytes")
	b.ReportMetric(testing.AllocsPerRun(1, codes), "allocs/million")
}

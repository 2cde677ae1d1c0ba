package coupon_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// TestQuotesInHandAreRedeemedAsIfReadAgain does the same in two shops, of which one
// redeems with the service that made the quotes, and the other with one that has to read
// everything: whatever has happened between, the answers are the same. Staff work
// elsewhere, so that quotes may rest on what has changed before.
func TestQuotesInHandAreRedeemedAsIfReadAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		automatic := freely(limited(amountOff("automatic", "1.00"), coupon.Limit{Uses: 3}))
		automatic.Automatic = true
		offers := []coupon.Offer{
			freely(limited(amountOff("own", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 2})),
			freely(limited(amountOff("public", "3.00"), coupon.Limit{Uses: 2}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1})),
			automatic,
		}
		stale := coupon.Options{Fresh: 10 * time.Minute}
		near, far := newShopOn(t, memory.New(), stale, offers...), newShopOn(t, memory.New(), stale, offers...)
		shops := map[*shop]*coupon.Service{near: near.Service, far: coupon.New(far.store, coupon.Options{})}
		held := map[*shop]string{}
		for s := range shops {
			s.public("public", "CODE")
			s.public("automatic", "AUTO")
			held[s] = s.held("own", "jane", 1)[0].ID
		}
		now := noon
		var quotes []map[*shop]*coupon.Quote
		same := func(do func(s *shop, by *coupon.Service) (coupon.Redemption, error)) {
			one, err := do(near, near.Service)
			other, otherErr := do(far, shops[far])
			require.Equal(rt, fmt.Sprint(otherErr), fmt.Sprint(err))
			require.Equal(rt, other, one)
		}
		orderOf := func(rt *rapid.T) string { return rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "order") }
		quoteOf := func(rt *rapid.T) map[*shop]*coupon.Quote {
			if len(quotes) == 0 {
				rt.Skip("no quote yet")
			}
			return rapid.SampledFrom(quotes).Draw(rt, "quote")
		}
		both := func(do func(s *coupon.Service) error) {
			require.NoError(rt, do(coupon.New(near.store, coupon.Options{})))
			require.NoError(rt, do(coupon.New(far.store, coupon.Options{})))
		}
		offerOf := func(rt *rapid.T) string {
			return rapid.SampledFrom([]string{"own", "public", "automatic"}).Draw(rt, "offer")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"quote": func(rt *rapid.T) {
				cart := cartOf(item("20.00", 1), coupon.Line{Product: "cup", Quantity: 2, UnitPrice: eur("4.00")})
				cart.Customer.Key = rapid.SampledFrom([]string{"jane", "joe"}).Draw(rt, "customer")
				own, code, auto := rapid.Bool().Draw(rt, "own"), rapid.Bool().Draw(rt, "code"), rapid.Bool().Draw(rt, "automatic too")
				order := ""
				if rapid.Bool().Draw(rt, "for an order") {
					order = orderOf(rt)
				}
				quote := make(map[*shop]*coupon.Quote)
				for s := range shops {
					choice := coupon.Choice{}.For(order)
					if own {
						choice.Coupons = []string{held[s]}
					}
					if code {
						choice.Codes = append(choice.Codes, "CODE")
					}
					if auto {
						choice.Codes = append(choice.Codes, "AUTO")
					}
					quote[s] = s.quote(cart, choice, now)
				}
				quotes = append(quotes, quote)
			},
			"redeem": func(rt *rapid.T) {
				order, quote := orderOf(rt), quoteOf(rt)
				same(func(s *shop, by *coupon.Service) (coupon.Redemption, error) {
					return by.Redeem(ctx, order, quote[s], now)
				})
			},
			"reserve": func(rt *rapid.T) {
				order, quote := orderOf(rt), quoteOf(rt)
				same(func(s *shop, by *coupon.Service) (coupon.Redemption, error) {
					return by.Reserve(ctx, order, quote[s], now)
				})
			},
			"release": func(rt *rapid.T) {
				order := orderOf(rt)
				same(func(s *shop, by *coupon.Service) (coupon.Redemption, error) { return by.Release(ctx, order, now) })
			},
			"pause": func(rt *rapid.T) {
				offer := offerOf(rt)
				both(func(s *coupon.Service) error { return s.Pause(ctx, offer, "staff", "asked for", now) })
			},
			"resume": func(rt *rapid.T) {
				offer := offerOf(rt)
				both(func(s *coupon.Service) error { return s.Resume(ctx, offer, "staff", "asked for", now) })
			},
			"exclude": func(rt *rapid.T) {
				offer := offerOf(rt)
				both(func(s *coupon.Service) error {
					return s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme", Offers: []string{offer}}, "acme", now)
				})
			},
			"include": func(*rapid.T) {
				both(func(s *coupon.Service) error { return s.Include(ctx, "acme", "x", "acme", now) })
			},
			"revoke": func(rt *rapid.T) {
				for s := range shops {
					require.NoError(rt, ignore(s.Revoke(ctx, held[s], "staff", "lost", now)))
				}
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "minutes")) * time.Minute)
			},
		})
	})
}

// TestQuotesMadeInATransactionAreReadAgain: what was read there may never be committed,
// and others may have come to the same versions since.
func TestQuotesMadeInATransactionAreReadAgain(t *testing.T) {
	store := &trips{Store: memory.New()}
	s := newShopOn(t, store, coupon.Options{}, amountOff("a", "1.00"))
	s.public("a", "CODE")
	inside := s.In(store)
	quote, err := inside.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	require.NoError(t, err)
	for order, by := range map[string]*coupon.Service{"1": inside, "2": s.Service, "3": coupon.New(store, coupon.Options{})} {
		store.calls = ""
		require.NoError(t, ignore(by.Redeem(ctx, order, quote, noon)))
		require.Equal(t, "ga", store.calls)
	}
}

// TestTwoReadingsOfOneOffer: an offer that is automatic and has coupons is read once for
// each, and may be paused between: the quote does not rest on the later reading alone.
func TestTwoReadingsOfOneOffer(t *testing.T) {
	store := memory.New()
	both := freely(amountOff("both", "1.00"))
	both.Automatic = true
	staff := newShopOn(t, store, coupon.Options{}, both)
	staff.public("both", "CODE")
	checkout := &shop{coupon.New(store, coupon.Options{Fresh: time.Hour}), t, store, noon}
	cart := cartOf(item("20.00", 1))
	checkout.applies(cart, coupon.Choice{}, noon) // reads the automatic offer
	require.NoError(t, staff.Pause(ctx, "both", "staff", "too many", noon))
	quote := checkout.quote(cart, coupon.Choose("CODE"), noon)
	require.Len(t, quote.Applied(), 1, "as it was read before")
	require.Len(t, quote.Refused(), 1, "as it is now")
	_, err := checkout.Redeem(ctx, "order", quote, noon)
	require.ErrorIs(t, err, coupon.ErrQuoteChanged)
}

// TestAnyQuoteInHandIsRecordedAsIfReadAgain redeems carts and offers of every kind with the
// service that made the quote and with one that reads everything: both write the same, and
// refuse the same, at once and later, and where the caller has changed the quote.
func TestAnyQuoteInHandIsRecordedAsIfReadAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var offers []coupon.Offer
		for i := range rapid.IntRange(1, 4).Draw(rt, "offers") {
			o := drawOffer(rt, fmt.Sprint("offer-", i))
			if rapid.Bool().Draw(rt, "of any kind") {
				o = drawAnyOffer(rt, o.ID)
			}
			o.Automatic = true
			offers = append(offers, o)
		}
		cart := drawCart(rt)
		kept := coupon.Exclusion{ID: "x", Seller: "acme", Products: someOf(rt, "excluded", "tea", "cup")}
		excludes := len(kept.Products) > 0
		if excludes && rapid.Bool().Draw(rt, "for a time") {
			kept.Until = noon.Add(time.Hour)
		}
		later := noon.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
		change := rapid.IntRange(0, 6).Draw(rt, "change")
		reserve := rapid.Bool().Draw(rt, "reserve")

		written := make([]string, 2)
		for i := range written {
			s := newShopOn(t, memory.New(), coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}}, offers...)
			if excludes {
				require.NoError(rt, s.Exclude(ctx, kept, "acme", noon))
			}
			quote := s.quote(cart, coupon.Choice{}, noon)
			switch change {
			case 1:
				quote.Discount = eur("0.01")
			case 2:
				quote.Cart.Lines = slices.Clone(quote.Cart.Lines)
				quote.Cart.Lines[0].Product = "cup"
			case 3:
				quote.Cart.Lines = slices.Clone(quote.Cart.Lines)
			case 4:
				quote.Cart.Customer.Key = "joe"
			}
			by := s.Service
			if i == 1 {
				by = coupon.New(s.store, coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}})
			}
			do := by.Redeem
			if reserve {
				do = by.Reserve
			}
			redeemed, err := do(ctx, "order", quote, later)
			written[i] = fmt.Sprintf("%+v %v\n", redeemed, err)
			for _, kind := range []string{"redemption", "entry"} {
				page, err := s.store.List(ctx, storage.Query{Kind: kind})
				require.NoError(rt, err)
				for _, doc := range page.Docs {
					written[i] += fmt.Sprintf("%s %v %d %s\n", doc.Key, doc.Lists, doc.Due, doc.Body)
				}
			}
		}
		require.Equal(rt, written[1], written[0])
	})
}

// TestRedeemedAtOnceQuotesShareNothing redeems a few quotes for many orders at once, in
// memory that is used again: each order has what its own quote says.
func TestRedeemedAtOnceQuotesShareNothing(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1000}))
	s.public("a", "CODE")
	var quotes []*coupon.Quote
	for lines := 1; lines <= 4; lines++ {
		cart := benchCart(3 * lines)
		cart.Customer.Key = fmt.Sprint("customer ", lines)
		quotes = append(quotes, s.applies(cart, coupon.Choose("CODE"), noon))
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 20 {
				quote := quotes[(worker+i)%len(quotes)]
				order := fmt.Sprintf("%d-%d", worker, i)
				redeemed, err := s.Redeem(ctx, order, quote, noon)
				assert.NoError(t, err)
				kept, err := s.Redemption(ctx, order)
				assert.NoError(t, err)
				assert.Equal(t, kept, redeemed)
				assert.Equal(t, quote.Cart.Customer.Key, redeemed.Customer)
				for j, line := range quote.Lines() {
					assert.Equal(t, line, redeemed.Lines[j].QuoteLine)
				}
			}
		}()
	}
	wg.Wait()
}

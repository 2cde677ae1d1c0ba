package coupon_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
)

func BenchmarkDecide(b *testing.B) {
	for _, lines := range []int{1, 10, 100, 1000} {
		for _, offers := range []int{1, 5} {
			b.Run(fmt.Sprintf("%d_lines/%d_offers", lines, offers), func(b *testing.B) {
				cart, asked := benchCart(lines), candidates(b, benchOffers(offers)...)
				b.ReportAllocs()
				for b.Loop() {
					q, err := coupon.Decide(cart, asked, coupon.Facts{}, noon)
					if err != nil || len(q.Applied()) != offers {
						b.Fatal(err, q)
					}
				}
			})
		}
	}
}

func benchCart(n int) coupon.Cart {
	lines := make([]coupon.Line, n)
	for i := range lines {
		lines[i] = item(fmt.Sprintf("%d.%02d", 1+i%50, i%100), int64(1+i%7))
		lines[i].Product = fmt.Sprint("product ", i)
		lines[i].Categories = []string{"food", "drinks"}
	}
	return cartOf(lines...)
}

func benchOffers(n int) []coupon.Offer {
	var all []coupon.Offer
	for i := range n {
		o := freely(percentOff(fmt.Sprint("offer-", i), "3.5"))
		o.Scope.In.Categories = []string{"drinks"}
		o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("1.00")}}
		all = append(all, o)
	}
	return all
}

func BenchmarkFingerprint(b *testing.B) {
	q := decide(b, benchCart(10), benchOffers(1)...)
	b.ReportAllocs()
	for b.Loop() {
		_ = q.Fingerprint()
	}
}

func BenchmarkUnit(b *testing.B) {
	line := decide(b, benchCart(10), benchOffers(5)...).Lines()[3]
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = line.Unit(1)
	}
}

// BenchmarkQuote is a quote by a code, from a store in memory.
func BenchmarkQuote(b *testing.B) {
	s := newShop(b, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 1 << 40}))
	s.public("a", "CODE")
	cart := benchCart(10)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Quote(ctx, cart, coupon.Choose("CODE"), noon)
		require.NoError(b, err)
	}
}

// BenchmarkRedeem redeems with the quote in hand, each order once.
func BenchmarkRedeem(b *testing.B) {
	for name, offer := range map[string]coupon.Offer{
		"unlimited": amountOff("a", "5.00"),
		"capped":    limited(amountOff("a", "5.00"), coupon.Limit{Uses: 1 << 40}),
	} {
		b.Run(name, func(b *testing.B) {
			s := newShop(b, offer)
			s.public("a", "CODE")
			quote := s.applies(benchCart(10), coupon.Choose("CODE"), noon)
			order := 0
			b.ReportAllocs()
			for b.Loop() {
				order++
				_, err := s.Redeem(ctx, fmt.Sprint(order), quote, noon)
				require.NoError(b, err)
			}
		})
	}
}

// nowhere is a store that checks what is written, and keeps nothing of it.
type nowhere struct{ storage.Store }

func (nowhere) Apply(_ context.Context, b storage.Batch) error {
	_, err := b.Ops()
	return err
}

// quoteInHand is a shop that keeps nothing, and a quote with three limits that it made.
func quoteInHand(t testing.TB, lines int) (*coupon.Service, *coupon.Quote) {
	most := int64(1) << 40
	s := newShop(t, limited(amountOff("a", "5.00"), coupon.Limit{Uses: most}, coupon.Limit{Per: coupon.PerCustomer, Uses: most}, coupon.Limit{Per: coupon.PerCoupon, Uses: most}))
	s.public("a", "CODE")
	return s.Through(nowhere{s.store}), s.applies(benchCart(lines), coupon.Choose("CODE"), noon)
}

// BenchmarkDecideRedemption is what redeeming a quote in hand costs besides the store.
func BenchmarkDecideRedemption(b *testing.B) {
	for _, lines := range []int{2, 10} {
		b.Run(fmt.Sprintf("%d_lines", lines), func(b *testing.B) {
			s, quote := quoteInHand(b, lines)
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.Redeem(ctx, "order", quote, noon)
				require.NoError(b, err)
			}
		})
	}
}

// TestRedeemingAsksForLittleMemory redeems quotes in hand: how often memory is asked for
// does not grow with the lines of a cart.
func TestRedeemingAsksForLittleMemory(t *testing.T) {
	for _, lines := range []int{2, 10, 100} {
		s, quote := quoteInHand(t, lines)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := s.Redeem(ctx, "order", quote, noon); err != nil {
				panic(err)
			}
		})
		require.LessOrEqual(t, allocs, 120.0, "%d lines", lines) // 60 where nothing that a pool keeps is lost
	}
}

func BenchmarkNewCode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := coupon.NewCode(rand.Reader)
		require.NoError(b, err)
	}
}

func BenchmarkParseCode(b *testing.B) {
	typed := newCode(b).String()
	b.ReportAllocs()
	for b.Loop() {
		_, err := coupon.ParseCode(typed)
		require.NoError(b, err)
	}
}

package referral_test

import (
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// BenchmarkOrderPaid is a payment in memory, from the call to the answer: the first
// one of a friend, which grants a reward; a later one; and one of a customer whom
// nobody invited.
func BenchmarkOrderPaid(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		s := openShop(b, memory.New(), referral.Options{}, program(1<<40))
		code := string(s.link("jane").Code)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			friend := fmt.Sprint(i)
			b.StopTimer()
			s.register(referral.Registration{Customer: friend, Code: code}, noon)
			b.StartTimer()
			_, err := s.OrderPaid(ctx, paid(friend, friend, "12.00"), noon)
			require.NoError(b, err)
		}
	})
	for _, name := range []string{"later", "uninvited"} {
		b.Run(name, func(b *testing.B) {
			s := openShop(b, memory.New(), referral.Options{}, program(8))
			if name == "later" {
				s.bind("jane", "mia", noon)
				s.pay("mia", noon)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.OrderPaid(ctx, paid("mia", "another", "12.00"), noon.Add(time.Hour))
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkRegister(b *testing.B) {
	s := openShop(b, memory.New(), referral.Options{}, program(8))
	code := string(s.link("jane").Code)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, err := s.Register(ctx, referral.Registration{Customer: fmt.Sprint(i), Code: code}, noon)
		require.NoError(b, err)
	}
}

// BenchmarkFriends is a page of a referrer who has brought many. The collector is off: it
// marks the whole store, which is in this process, and that is what grows with the friends.
func BenchmarkFriends(b *testing.B) {
	for _, friends := range []int{100, 10_000} {
		b.Run(fmt.Sprint(friends), func(b *testing.B) {
			s := openShop(b, memory.New(), referral.Options{}, program(8))
			code := string(s.link("jane").Code)
			for i := range friends {
				s.register(referral.Registration{Customer: fmt.Sprint(i), Code: code}, noon.Add(time.Duration(i)*time.Second))
			}
			defer debug.SetGCPercent(debug.SetGCPercent(-1))
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(4 << 30))
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 50})
				require.NoError(b, err)
				require.Len(b, page.Friends, 50)
			}
		})
	}
}

package referral_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

func ExampleService_Ban() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order", "12.00"), noon.Add(2*time.Minute)))
	fmt.Println(t.Ban(ctx, "jane", "staff", "sells codes", noon.Add(3*time.Minute)))
	fmt.Println(t.friend("ida", noon.Add(4*time.Minute)).Reason.Staff())
	print1(t.Settle(ctx, noon.Add(day), 0))
	t.rewards("mia")
	// Output:
	// <nil>
	// the referrer is banned, or was erased
	// mia, for mia when registered: granted
	// jane, for mia when qualified: withheld the customer is banned: sells codes
}

// A ban that comes between the reading and the writing of a grant is not overlooked.
func TestBanInBetween(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	between := &beforeGrant{Store: s.store, do: func() {
		require.NoError(t, s.Ban(ctx, "jane", "staff", "sells codes", noon.Add(time.Hour)))
	}}
	require.NoError(t, second0(on(between, referral.Options{}).Settle(ctx, noon.Add(2*time.Hour), 0)))
	require.Nil(t, between.do, "it was granted")
	s.settle(noon.Add(3 * time.Hour))
	require.Equal(t, referral.RewardWithheld, s.brings("mia").State)
	require.Equal(t, 0, s.wallet("jane"))
}

// beforeGrant does something before the first batch that issues a coupon.
type beforeGrant struct {
	storage.Store
	do func()
}

func (b *beforeGrant) Apply(ctx context.Context, batch storage.Batch) error {
	issues := slices.ContainsFunc(batch.Puts, func(p storage.Put) bool { return p.Key.Kind == "coupon" })
	if do := b.do; do != nil && issues {
		b.do = nil
		do()
	}
	return b.Store.Apply(ctx, batch)
}

func TestBan(t *testing.T) {
	s := newShop(t, held(8))
	require.ErrorIs(t, s.Ban(ctx, "jane", "staff", "", noon), referral.ErrRequest)
	require.ErrorIs(t, s.Ban(ctx, "", "staff", "why", noon), referral.ErrRequest)
	require.NoError(t, s.Ban(ctx, "jane", "staff", "before anything is known of her", noon))
	code := s.link("jane").Code.String()
	require.Equal(t, referral.ReasonReferrer, s.register(referral.Registration{Customer: "mia", Code: code}, noon).Reason)
	for range 2 {
		require.NoError(t, s.Unban(ctx, "jane", "staff", "a mistake", noon))
	}
	require.True(t, s.register(referral.Registration{Customer: "ida", Code: code}, noon).Bound)
}

package referral_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
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

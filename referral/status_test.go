package referral_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// A page about the program says that it takes a break.
func ExampleService_Status() {
	store := memory.New()
	coupons := coupon.New(store, coupon.Options{})
	referrals := referral.New(store, coupons, referral.Options{})
	_, _ = coupons.Publish(ctx, offer("thanks", "5.00"), "staff", noon)
	_, _ = coupons.Publish(ctx, offer("welcome", "2.00"), "staff", noon)
	_, _ = referrals.Publish(ctx, program(8), "staff", noon)
	_ = referrals.Pause(ctx, "invite", "ann", "too many complaints", noon.Add(time.Hour))

	status, err := referrals.Status(ctx, "invite")
	fmt.Println(status.Paused, status.Actor, status.Reason, status.At.Format(time.Kitchen), err)
	// Output: true ann too many complaints 1:00PM <nil>
}

func TestStatus(t *testing.T) {
	s := newShop(t, program(8))
	status := func() referral.ProgramStatus {
		t.Helper()
		found, err := s.Status(ctx, "invite")
		require.NoError(t, err)
		return found
	}
	want := status()
	require.Equal(t, []any{1, false, false, time.Time{}}, []any{want.Version, want.Paused, want.Killed, want.Ends})
	later := noon.Add(time.Hour)
	require.NoError(t, s.Pause(ctx, "invite", "ann", "stop", later))
	want.Paused, want.Actor, want.Reason, want.At = true, "ann", "stop", later
	require.Equal(t, want, status())
	require.NoError(t, s.Resume(ctx, "invite", "ann", "on", later))
	want.Paused, want.Reason = false, "on"
	require.Equal(t, want, status())
	require.NoError(t, s.End(ctx, "invite", later.Add(time.Hour), time.Minute, "bob", "season", later))
	want.Ends, want.Tail, want.Actor, want.Reason = later.Add(time.Hour), time.Minute, "bob", "season"
	require.Equal(t, want, status())
	require.NoError(t, s.Kill(ctx, "invite", "bob", "fraud", later))
	want.Killed, want.Reason = true, "fraud"
	require.Equal(t, want, status())

	for _, id := range []string{"none", "", "No/ID"} {
		_, err := s.Status(ctx, id)
		require.ErrorIs(t, err, referral.ErrNoProgram, "%q", id)
	}
}

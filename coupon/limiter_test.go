package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage/memory"
)

// threeTries lets each customer fail three times, and then wait.
type threeTries struct{ failed map[string]int }

func (l threeTries) Allow(_ context.Context, a coupon.Attempt) (time.Duration, error) {
	if l.failed[a.Customer] >= 3 {
		return time.Minute, nil
	}
	return 0, nil
}

func (l threeTries) Failed(_ context.Context, a coupon.Attempt) error {
	l.failed[a.Customer] += a.Codes
	return nil
}

func ExampleLimiter() {
	s := coupon.New(memory.New(), coupon.Options{Limiter: threeTries{make(map[string]int)}})
	for _, code := range []string{"AAA", "BBB", "CCC", "DDD"} {
		_, err := s.Quote(ctx, cartOf(item("10.00", 1)), coupon.Choose(code), noon)
		fmt.Println(code, err)
	}
	// Output:
	// AAA <nil>
	// BBB <nil>
	// CCC <nil>
	// DDD coupon: too many codes were tried: try again later: in 1m0s, at 2026-11-20T12:01:00Z
}

// notes writes down what it is asked and told.
type notes struct {
	wait           time.Duration
	refuse, forget error
	asked, told    []coupon.Attempt
}

func (n *notes) Allow(_ context.Context, a coupon.Attempt) (time.Duration, error) {
	n.asked = append(n.asked, a)
	return n.wait, n.refuse
}

func (n *notes) Failed(_ context.Context, a coupon.Attempt) error {
	n.told = append(n.told, a)
	return n.forget
}

func limitedShop(t *testing.T) (*shop, *notes) {
	n := &notes{}
	own := limited(amountOff("own", "2.00"), coupon.Limit{Uses: 1}, coupon.Limit{Per: coupon.PerCoupon, Uses: 1})
	s := newShopOn(t, memory.New(), coupon.Options{Limiter: n, Fresh: -1}, own, amountOff("paused", "1.00"), amountOff("free", "3.00"))
	return s, n
}

// What looks the same to a shopper counts the same, whether the code exists or not.
func TestLimiterIsToldOfEveryFailure(t *testing.T) {
	s, n := limitedShop(t)
	cart := cartOf(item("10.00", 1))
	his := s.held("free", "joe", 1)[0]
	revoked := s.public("free", "REVOKED")
	require.NoError(t, ignore(s.Revoke(ctx, revoked.ID, "staff", "asked for", noon)))
	s.public("paused", "PAUSED")
	require.NoError(t, s.Pause(ctx, "paused", "staff", "asked for", noon))
	s.public("own", "ONCE")
	s.redeem("order", cart, coupon.Choose("ONCE"), noon)
	hers := s.held("free", "jane", 1)[0]
	require.NoError(t, ignore(s.Revoke(ctx, hers.ID, "staff", "asked for", noon)))
	s.public("free", "GOOD")
	n.asked = nil

	for code, failed := range map[string]int{
		"NOSUCH": 1, string(his.Code): 1, "REVOKED": 1, "PAUSED": 1, "ONCE": 1,
		"GOOD": 0, string(hers.Code): 0,
	} {
		*n = notes{}
		q := s.quote(cart, coupon.Choose(code), noon)
		require.Equal(t, []coupon.Attempt{{Customer: "jane", Codes: 1, At: noon}}, n.asked)
		require.Len(t, n.told, failed, code)
		if failed == 1 {
			require.Equal(t, n.asked, n.told)
			require.Equal(t, "This code can't be used.", q.Refused()[0].Shopper())
		}
	}
	*n = notes{}
	s.quote(cart, coupon.Choose("NOSUCH", "GOOD", "REVOKED", "ABCDEFGHJKMNPQ", "?"), noon)
	assert.Equal(t, 3, n.asked[0].Codes)
	assert.Equal(t, 2, n.told[0].Codes)
	*n = notes{}
	s.quote(cart, coupon.Choose("ABCDEFGHJKMNPQ"), noon)
	s.quote(cart, coupon.ChooseCoupons(his.ID), noon)
	s.quote(cart, coupon.Choice{}, noon)
	assert.Equal(t, notes{}, *n, "where no code is looked up, nobody is asked")
}

// A refusal to look codes up is the same for good and bad ones, and reads nothing.
func TestLimiterRefuses(t *testing.T) {
	s, n := limitedShop(t)
	s.public("free", "GOOD")
	n.wait = 90 * time.Second
	reads := &flaky{Store: s.store}
	service := coupon.New(reads, coupon.Options{Limiter: n})
	var said []string
	for _, code := range []string{"GOOD", "NOSUCH"} {
		q, err := service.Quote(ctx, cartOf(item("10.00", 1)), coupon.Choose(code), noon)
		var refused *coupon.TooManyTries
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, coupon.ErrTooManyTries)
		require.Nil(t, q)
		assert.Equal(t, coupon.TooManyTries{Wait: n.wait, Until: noon.Add(n.wait)}, *refused)
		said = append(said, err.Error())
	}
	assert.Equal(t, said[0], said[1])
	assert.Zero(t, reads.calls)
	assert.Empty(t, n.told)
}

// Codes that nobody could count are not answered for.
func TestLimiterFails(t *testing.T) {
	s, n := limitedShop(t)
	broken := errors.New("no connection")
	for _, fail := range []*error{&n.refuse, &n.forget} {
		*fail = broken
		_, err := s.Quote(ctx, cartOf(item("10.00", 1)), coupon.Choose("NOSUCH"), noon)
		require.ErrorIs(t, err, broken)
		*fail = nil
	}
}

package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// TestShardsAreOneCounter: whatever happens one after the other, an offer whose limit
// is spread over shards answers as one with a single counter does, to the last use and
// cent, and the shards add up to that counter.
func TestShardsAreOneCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := coupon.Limit{Uses: rapid.Int64Range(1, 12).Draw(t, "uses")}
		if rapid.Bool().Draw(t, "money") {
			limit = coupon.Limit{Money: coupon.Amounts{ledger.Minor(rapid.Int64Range(1, 4000).Draw(t, "money"), euro)}}
			limit.When = rapid.SampledFrom([]coupon.WhenSpent{coupon.RefuseSpent, coupon.ClipSpent}).Draw(t, "when")
		}
		sharded := limit
		sharded.Shards = rapid.IntRange(2, 9).Draw(t, "shards")
		open := func(l coupon.Limit) (*coupon.Service, *memory.Store) {
			store := memory.New()
			s := coupon.New(store, coupon.Options{})
			_, err := s.Publish(ctx, limited(percentOff("hot", "10"), l), "staff", noon)
			require.NoError(t, err)
			_, err = s.Issue(ctx, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}}, noon)
			require.NoError(t, err)
			return s, store
		}
		one, oneStore := open(limit)
		many, manyStore := open(sharded)
		now := noon
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			order := fmt.Sprint("order-", rapid.IntRange(0, 14).Draw(t, "order"))
			cart := cartOf(item(fmt.Sprintf("%d.00", rapid.IntRange(1, 150).Draw(t, "price")), 1))
			now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "minutes")) * time.Minute)
			do := rapid.SampledFrom([]string{"redeem", "redeem", "reserve", "confirm", "release", "refund", "sweep"}).Draw(t, "do")
			act := func(s *coupon.Service) (answer string) {
				var r coupon.Redemption
				var err error
				switch do {
				case "redeem", "reserve":
					var q *coupon.Quote
					q, err = s.Quote(ctx, cart, coupon.Choose("hot").For(order), now)
					if err != nil || len(q.Applied()) == 0 {
						return fmt.Sprint("quote ", err, q.Refused())
					}
					if do == "redeem" {
						r, err = s.Redeem(ctx, order, q, now)
					} else {
						r, err = s.Reserve(ctx, order, q, now)
					}
				case "confirm":
					r, err = s.Confirm(ctx, order, now)
				case "release":
					r, err = s.Release(ctx, order, now)
				case "refund":
					_, err = s.Refund(ctx, order, coupon.RefundRequest{ID: "all", Everything: true}, now)
				case "sweep":
					_, err = s.Sweep(ctx, now, 0)
				}
				return fmt.Sprint(r.State, r.Discount, r.Total, err)
			}
			require.Equal(t, act(one), act(many), "%s %s", do, order)
			for _, s := range []*coupon.Service{one, many} { // which of several lapsed reservations made room is left to chance
				require.NoError(t, ignore(s.Sweep(ctx, now, 0)))
			}
			counters := []string{"uses/hot", "money/EUR/hot"}
			_, want, err := oneStore.Get(ctx, nil, counters...)
			require.NoError(t, err)
			for _, name := range counters {
				_, shards, err := manyStore.Get(ctx, nil, ledger.ShardNames(name, sharded.Shards)...)
				require.NoError(t, err)
				var sum int64
				for _, value := range shards {
					sum += value
				}
				require.Equal(t, want[name], sum, name)
			}
		}
		report, err := coupon.Audit(ctx, manyStore)
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
}

// TestShardsStay: a use that was counted in other shards, or a part that shrinks, would
// let more through than the limit.
func TestShardsStay(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 100, Shards: 16}))
	for name, limit := range map[string]coupon.Limit{
		"other shards": {Uses: 100, Shards: 8}, "no shards": {Uses: 100}, "fewer uses": {Uses: 99, Shards: 16},
	} {
		_, err := s.Publish(ctx, limited(amountOff("hot", "5.00"), limit), "staff", noon)
		require.ErrorIs(t, err, coupon.ErrOffer, name)
	}
	for _, same := range []coupon.Limit{{Uses: 100, Shards: 16}, {Uses: 101, Shards: 16}} {
		_, err := s.Publish(ctx, limited(amountOff("hot", "5.00"), same), "staff", noon)
		require.NoError(t, err)
	}
	dollars := ledger.MustMoney("50.00", usd)
	budget := func(money ...ledger.Money) coupon.Offer {
		return limited(amountOff("budget", "5.00"), coupon.Limit{Money: money, Shards: 16})
	}
	require.NoError(t, ignore(s.Publish(ctx, budget(eur("40.00"), dollars), "staff", noon)))
	for name, lower := range map[string]coupon.Offer{"a cent less": budget(eur("39.99"), dollars), "a currency less": budget(eur("40.00"))} {
		require.ErrorIs(t, second(s.Publish(ctx, lower, "staff", noon)), coupon.ErrOffer, name)
	}
	for _, same := range []coupon.Offer{budget(eur("40.00"), dollars), budget(eur("40.01"), dollars)} {
		require.NoError(t, ignore(s.Publish(ctx, same, "staff", noon)))
	}
	for name, limit := range map[string]coupon.Limit{
		"one": {Uses: 9, Shards: 1}, "too many": {Uses: 9, Shards: 65}, "negative": {Uses: 9, Shards: -1},
		"per customer": {Per: coupon.PerCustomer, Uses: 9, Shards: 2},
		"the last":     {Money: euros("5.00"), When: coupon.AllowLast, Shards: 2},
	} {
		_, err := s.Publish(ctx, limited(amountOff("other", "5.00"), limit), "staff", noon)
		require.ErrorIs(t, err, coupon.ErrOffer, name)
	}
}

// behind is a store that shows nothing of one counter, as a transaction does whose snapshot
// is older than what others have written.
type behind struct {
	storage.Store
	counter string
}

func (b behind) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	docs, values, err := b.Store.Get(ctx, keys, counters...)
	if _, read := values[b.counter]; read {
		values[b.counter] = 0
	}
	return docs, values, err
}

// A shard that has refused a claim has no room for it, whatever is read of it then.
func TestShardsThatRefuseAreFull(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 40, Shards: 2}))
	s.public("hot", "HOT")
	shards := ledger.ShardNames("uses/hot", 2)
	full := ""
	for i := 0; full == ""; i++ {
		s.redeem(fmt.Sprint(i), cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
		for _, shard := range shards {
			if s.counter(shard) == 20 {
				full = shard
			}
		}
	}
	left := 40 - s.counter(shards[0]) - s.counter(shards[1])
	require.Positive(t, left)
	old := coupon.New(behind{s.store, full}, coupon.Options{})
	for i := range left {
		q := s.applies(cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
		require.NoError(t, ignore(old.Redeem(ctx, fmt.Sprint("late ", i), q, noon)))
	}
}

// TestShardsFull: the refusal says the whole limit, and a lapsed reservation in any
// shard makes room.
func TestShardsFull(t *testing.T) {
	s := newShop(t, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 3, Shards: 2}))
	s.public("hot", "HOT")
	quotes := make([]*coupon.Quote, 5)
	for i := range quotes {
		quotes[i] = s.applies(cartOf(item("20.00", 1)), coupon.Choose("hot"), noon)
	}
	for i := range 3 {
		_, err := s.Reserve(ctx, fmt.Sprint(i), quotes[i], noon)
		require.NoError(t, err)
	}
	_, err := s.Redeem(ctx, "3", quotes[3], noon)
	var refused *coupon.Refusal
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, coupon.ReasonLimit, refused.Reason)
	require.Equal(t, [2]int64{3, 3}, [2]int64{refused.FoundUses, refused.NeededUses})
	require.Equal(t, "hot", refused.Offer)
	late := noon.Add(time.Hour)
	for i := 3; i < 5; i++ {
		_, err := s.Redeem(ctx, fmt.Sprint(i), quotes[i], late)
		require.NoError(t, err)
	}
}

package ledger_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

// TestSpread: shards take together exactly what one counter would, whatever is in
// them, and no more of each than its part; the parts add up to the limit.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := ledger.Claim{
			Counter: "uses/x", N: rapid.Int64Range(1, 20).Draw(t, "n"), Max: rapid.Int64Range(1, 200).Draw(t, "max"),
			Shards: rapid.IntRange(2, 16).Draw(t, "shards"), Until: 7,
		}
		first := rapid.IntRange(0, c.Shards-1).Draw(t, "first")
		used, left, parts := make(map[string]int64), int64(0), int64(0)
		for k, name := range ledger.ShardNames(c.Counter, c.Shards) {
			alone := ledger.Claim{Counter: c.Counter, N: c.Max, Max: c.Max, Shards: c.Shards}
			all, ok := alone.Spread(k, nil)
			require.True(t, ok)
			share := int64(0)
			for _, a := range all {
				if a.Counter == name {
					share = a.Max
				}
			}
			used[name] = rapid.Int64Range(0, share).Draw(t, "used")
			left += share - used[name]
			parts += share
		}
		require.Equal(t, c.Max, parts)
		claims, ok := c.Spread(first, used)
		require.Equal(t, left >= c.N, ok)
		if !ok {
			return
		}
		var taken int64
		for _, shard := range claims {
			require.Positive(t, shard.N)
			require.LessOrEqual(t, used[shard.Counter]+shard.N, shard.Max)
			require.Equal(t, c.Until, shard.Until)
			taken += shard.N
			delete(used, shard.Counter) // none twice
		}
		require.Equal(t, c.N, taken)
	})
}

// A shard that has just the room for all of it takes all of it.
func TestSpreadPrefersOneShard(t *testing.T) {
	c := ledger.Claim{Counter: "uses/x", N: 2, Max: 4, Shards: 2}
	claims, ok := c.Spread(0, map[string]int64{ledger.ShardName("uses/x", 0, 2): 1})
	require.True(t, ok)
	require.Equal(t, []ledger.Claim{{Counter: ledger.ShardName("uses/x", 1, 2), N: 2, Max: 2}}, claims)
}

func TestShardNames(t *testing.T) {
	for k, name := range ledger.ShardNames("uses/x/2026-11", 16) {
		require.Equal(t, fmt.Sprintf("shard/%d/16/uses/x/2026-11", k), name)
		of, sharded := ledger.Unsharded(name)
		require.True(t, sharded)
		require.Equal(t, "uses/x/2026-11", of)
		require.Equal(t, 16, ledger.Shards(name))
	}
	of, sharded := ledger.Unsharded("uses/x/customer/shard/1/2/y")
	require.False(t, sharded)
	require.Equal(t, "uses/x/customer/shard/1/2/y", of)
	require.Zero(t, ledger.Shards(of))
}

func ExampleClaim_Spread() {
	budget := ledger.Claim{Counter: "money/EUR/sale", N: 700, Max: 10000, Shards: 4}
	claims, _ := budget.Spread(2, map[string]int64{
		"shard/0/4/money/EUR/sale": 2400, "shard/1/4/money/EUR/sale": 2500,
		"shard/2/4/money/EUR/sale": 2100, "shard/3/4/money/EUR/sale": 2250,
	})
	for _, c := range claims {
		fmt.Println(c.Counter, c.N, "of", c.Max)
	}
	// Output:
	// shard/2/4/money/EUR/sale 400 of 2500
	// shard/3/4/money/EUR/sale 250 of 2500
	// shard/0/4/money/EUR/sale 50 of 2500
}

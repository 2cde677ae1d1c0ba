package ledger

import (
	"fmt"
	"strings"
)

// MaxShards is how many counters a limit may be spread over.
const MaxShards = 64

const shardPrefix = "shard/"

// ShardName names the k-th of n counters that a counter is spread over, so that those
// who claim at once need not queue for one: each has its part of the limit, and the
// parts add up to it.
func ShardName(counter string, k, n int) string {
	return fmt.Sprintf("%s%d/%d/%s", shardPrefix, k, n, counter)
}

// ShardNames are the names of all n.
func ShardNames(counter string, n int) []string {
	names := make([]string, n)
	for k := range names {
		names[k] = ShardName(counter, k, n)
	}
	return names
}

// Unsharded is the counter that a shard belongs to; any other counter is itself.
func Unsharded(counter string) (name string, sharded bool) {
	rest, found := strings.CutPrefix(counter, shardPrefix)
	if !found {
		return counter, false
	}
	parts := strings.SplitN(rest, "/", 3)
	return parts[len(parts)-1], true
}

// Shards is how many shards there are where this is one of them; 0: it is none.
func Shards(counter string) int {
	var k, n int
	if _, err := fmt.Sscanf(counter, shardPrefix+"%d/%d/", &k, &n); err != nil {
		return 0
	}
	return n
}

// share is what the k-th shard may hold of the limit. The shares of a higher limit
// are nowhere lower.
func (c Claim) share(k int) int64 {
	share := c.Max / int64(c.Shards)
	if int64(k) < c.Max%int64(c.Shards) {
		share++
	}
	return share
}

// Spread gives the claims on shards that come to this claim. It begins at the given
// shard, and takes the first that has room for all; where none has, as many as are
// needed. used is what is known to be taken of shards, by their names. Not ok: there is
// no room for all of it in all of them. A claim of fewer than two shards is itself.
func (c Claim) Spread(first int, used map[string]int64) (claims []Claim, ok bool) {
	if c.Shards < 2 {
		return []Claim{c}, true
	}
	rest := c.N
	for i := range c.Shards {
		k := (first + i) % c.Shards
		shard := Claim{Counter: ShardName(c.Counter, k, c.Shards), Max: c.share(k), Until: c.Until}
		room := shard.Max - used[shard.Counter]
		if shard.N = c.N; room >= c.N {
			return []Claim{shard}, true
		}
		if shard.N = min(rest, room); shard.N > 0 {
			claims = append(claims, shard)
			rest -= shard.N
		}
	}
	return claims, rest == 0
}

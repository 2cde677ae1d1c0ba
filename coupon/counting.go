package coupon

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// counts are the values of counters by name, and notRead of those that will be asked
// for.
type counts map[string]int64

const notRead = math.MinInt64

// want adds the counters that the limits of candidates claim of.
func (c counts) want(cart *Cart, candidates []Candidate, now time.Time) {
	for _, candidate := range candidates {
		if candidate.Version == nil {
			continue
		}
		claims, _ := candidate.Version.claims(cart, candidate.Coupon, now)
		for _, claim := range claims {
			names := []string{claim.Counter}
			switch {
			case claim.Shards > 1:
				names = ledger.ShardNames(claim.Counter, claim.Shards)
			case claim.limit.Per == PerOrder:
				continue
			}
			for _, name := range names {
				if _, known := c[name]; !known {
					c[name] = notRead
				}
			}
		}
	}
}

// missing are the names of those that were not read.
func (c counts) missing() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if c[name] == notRead {
			names = append(names, name)
		}
	}
	return names
}

// foresee gives the counters that pricing a cart will ask for, as far as codes and the
// versions in memory tell. What a coupon's id leads to is known only when it is read: it is
// taken for one under what such coupons were under lately.
func (s *Service) foresee(cart *Cart, all []chosen, automatic []Candidate, now time.Time) counts {
	counted := make(counts)
	counted.want(cart, automatic, now)
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	for _, c := range all {
		under := []offerVersion{c.offer}
		if c.offer.offer == "" {
			under = s.catalog.recent
		}
		for _, of := range under {
			if v := s.catalog.versions[of]; c.refused == nil && v != nil {
				counted.want(cart, []Candidate{{Version: v, Coupon: &Coupon{ID: c.id}}}, now)
			}
		}
	}
	return counted
}

// getCounted reads documents, and in the same call the counters that are missing.
func (s *Service) getCounted(ctx context.Context, docs map[storage.Key]*storage.Doc, keys []storage.Key, counted counts) error {
	names := counted.missing()
	if len(keys)+len(names) > storage.MaxGet || len(keys) == 0 {
		return s.get(ctx, docs, keys)
	}
	found, values, err := s.store.Get(ctx, keys, names...)
	if err != nil {
		return err
	}
	keepFound(docs, keys, found)
	maps.Copy(counted, values)
	return nil
}

// used is how much of each limit is taken, less what the order itself holds. It reads
// the counters that nobody has foreseen.
func (s *Service) used(ctx context.Context, cart *Cart, candidates []Candidate, own *redemptionBody, counted counts, now time.Time) (map[string]int64, error) {
	asked := make(counts)
	asked.want(cart, candidates, now)
	for name := range asked {
		if value, read := counted[name]; read {
			asked[name] = value
		}
	}
	for chunk := range slices.Chunk(asked.missing(), storage.MaxGet) {
		_, values, err := s.store.Get(ctx, nil, chunk...)
		if err != nil {
			return nil, err
		}
		maps.Copy(asked, values)
	}
	used := make(map[string]int64, len(asked))
	for name, value := range asked {
		of, _ := ledger.Unsharded(name)
		used[of] += value
	}
	if own != nil && own.State.live() {
		own.giveUp(used)
	}
	return used, nil
}

package coupon

import (
	"context"
	"sync"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// catalog keeps what was read of offers: versions for ever, since they never
// change, and their status for as long as Options.Fresh allows. It is shared by
// the copies that In makes, and safe for concurrent use.
type catalog struct {
	mu       sync.RWMutex
	versions map[offerVersion]*Version
	heads    map[string]offerHead
}

type offerVersion struct {
	offer   string
	version int
}

// offerHead is an offer's status as it was read; latest is 0 when there is no such
// offer, which is not kept.
type offerHead struct {
	latest int
	paused bool
	read   time.Time
}

func newCatalog() *catalog {
	return &catalog{versions: make(map[offerVersion]*Version), heads: make(map[string]offerHead)}
}

func (c *catalog) forget(offer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.heads, offer)
}

// readHeads gives the status of offers, from memory where it is fresh at the
// instant. A clock that went backwards makes nothing fresh.
func (s *Service) readHeads(ctx context.Context, offers []string, now time.Time) (map[string]offerHead, error) {
	found := make(map[string]offerHead, len(offers))
	var keys []storage.Key
	s.catalog.mu.RLock()
	for _, id := range offers {
		head, known := s.catalog.heads[id]
		if age := now.Sub(head.read); known && !s.bound && age >= 0 && age < s.options.Fresh {
			found[id] = head
			continue
		}
		keys = append(keys, headKey(id))
	}
	s.catalog.mu.RUnlock()
	if len(keys) == 0 {
		return found, nil
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(keys)); err != nil {
		return nil, err
	}
	for key, doc := range docs {
		head := offerHead{read: now}
		if doc != nil {
			record, err := heads.Decode(*doc)
			if err != nil {
				return nil, err
			}
			head.latest, head.paused = record.Value.Latest, record.Value.Paused
		}
		found[key.ID] = head
	}
	if !s.bound { // what a transaction sees may be rolled back
		s.catalog.mu.Lock()
		for key, doc := range docs {
			if doc != nil { // an id that does not exist costs no memory
				s.catalog.heads[key.ID] = found[key.ID]
			}
		}
		s.catalog.mu.Unlock()
	}
	return found, nil
}

// readVersions gives versions of offers, from memory where they were read before.
// A version that does not exist is left out.
func (s *Service) readVersions(ctx context.Context, wanted []offerVersion) (map[offerVersion]*Version, error) {
	found := make(map[offerVersion]*Version, len(wanted))
	var missing []offerVersion
	var keys []storage.Key
	s.catalog.mu.RLock()
	for _, id := range wanted {
		if v := s.catalog.versions[id]; v != nil {
			found[id] = v
			continue
		}
		missing = append(missing, id)
		keys = append(keys, versionKey(id.offer, id.version))
	}
	s.catalog.mu.RUnlock()
	if len(keys) == 0 {
		return found, nil
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(keys)); err != nil {
		return nil, err
	}
	for _, id := range missing {
		doc := docs[versionKey(id.offer, id.version)]
		if doc == nil {
			continue
		}
		v, err := readVersion(doc)
		if err != nil {
			return nil, err
		}
		found[id] = v
	}
	if !s.bound {
		s.catalog.mu.Lock()
		for _, id := range missing {
			if v := found[id]; v != nil {
				s.catalog.versions[id] = v
			}
		}
		s.catalog.mu.Unlock()
	}
	return found, nil
}

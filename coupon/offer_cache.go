package coupon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// offerCache keeps what was read of offers: versions for ever, since they never
// change, and their status for as long as Options.Fresh allows. It is shared by
// the copies that In makes, and safe for concurrent use.
type offerCache struct {
	mu        sync.RWMutex
	versions  map[offerVersion]*Version
	heads     map[string]offerHead
	automatic automaticOffers
	recent    []offerVersion // that coupons chosen by their ids were under, the last one first
}

// maxRecent is for how many offers' limits a quote of coupons' ids asks in vain at most.
const maxRecent = 4

// chosenByID remembers what coupons that were chosen by their ids are under.
func (c *offerCache) chosenByID(of offerVersion) {
	c.mu.RLock()
	known := slices.Contains(c.recent, of)
	c.mu.RUnlock()
	if known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.recent, of) {
		kept := c.recent[:min(len(c.recent), maxRecent-1)]
		c.recent = append([]offerVersion{of}, kept...)
	}
}

// automaticOffers are the offers that apply without a code, in their latest
// versions.
type automaticOffers struct {
	catalog *Catalog // nil: they were not read
	heads   map[string]automaticHead
	changes int64     // how often offers had been changed: counterAutomatic
	listed  time.Time // when heads were read
	read    time.Time // when nothing else was to be read
	// forgotten says that one of them has been changed since, here; forgets, how often
	// that was.
	forgotten bool
	forgets   int
}

// automaticHead is what was read of one of them, and at which version of its document.
type automaticHead struct {
	document int64
	latest   int
	paused   bool
}

type offerVersion struct {
	offer   string
	version int
}

// offerHead is an offer's status as it was read; latest is 0 when there is no such
// offer, which is not kept.
type offerHead struct {
	document int64 // the version of its document
	latest   int
	paused   bool
	read     time.Time
}

func newOfferCache() *offerCache {
	return &offerCache{versions: make(map[offerVersion]*Version), heads: make(map[string]offerHead)}
}

func (c *offerCache) forget(offer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.heads, offer)
	c.automatic.forgotten = true
	c.automatic.forgets++
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
			head.document, head.latest, head.paused = doc.Version, record.Value.Latest, record.Value.Paused
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

// lastAutomatic gives the automatic offers last read, however long ago.
func (c *offerCache) lastAutomatic() automaticOffers {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.automatic
}

// counterAutomatic counts the changes of automatic offers, so that a catalogue which is as it was
// costs one read.
const counterAutomatic = "automatic"

// relist is after how long automatic offers are listed even if nothing was counted: an
// older release may have changed one.
const relist = time.Minute

// readAutomatic gives the automatic offers, from memory where they are fresh. It lists
// them when one has changed, and reads no more of those that have not.
func (s *Service) readAutomatic(ctx context.Context, now time.Time) (automaticOffers, error) {
	last := s.catalog.lastAutomatic()
	within := func(since time.Time, limit time.Duration) bool { age := now.Sub(since); return age >= 0 && age < limit }
	usable := last.catalog != nil && !last.forgotten && !s.bound
	if usable && within(last.read, s.options.Fresh) {
		return last, nil
	}
	_, counted, err := s.store.Get(ctx, nil, counterAutomatic)
	if err != nil {
		return last, err
	}
	if usable && counted[counterAutomatic] == last.changes && within(last.listed, relist) {
		last.read = now
		s.catalog.keep(last)
		return last, nil
	}
	found, err := s.listAutomatic(ctx, last, now)
	if err != nil {
		return found, err
	}
	if found.changes = counted[counterAutomatic]; !s.bound {
		s.catalog.keep(found)
	}
	return found, nil
}

// keep remembers what was read, unless it has been changed meanwhile.
func (c *offerCache) keep(found automaticOffers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.automatic.forgets == found.forgets {
		c.automatic = found
	}
}

// listAutomatic lists the automatic offers. It decodes those that changed since they
// were read last, and compiles them anew when any did.
func (s *Service) listAutomatic(ctx context.Context, last automaticOffers, now time.Time) (automaticOffers, error) {
	found := automaticOffers{heads: make(map[string]automaticHead, len(last.heads)), listed: now, read: now, forgets: last.forgets}
	same := true
	query := storage.Query{Kind: kindHead, List: listAutomatic, Limit: storage.MaxPage}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return found, err
		}
		for _, doc := range page.Docs {
			head, known := last.heads[doc.Key.ID]
			if !known || head.document != doc.Version {
				same = false
				record, err := heads.Decode(doc)
				if err != nil {
					return found, err
				}
				head = automaticHead{doc.Version, record.Value.Latest, record.Value.Paused}
			}
			found.heads[doc.Key.ID] = head
		}
		if page.Next == "" {
			break
		}
		query.After = page.Next
	}
	if found.catalog = last.catalog; found.catalog == nil || !same || len(found.heads) != len(last.heads) {
		var err error
		if found.catalog, err = s.compile(ctx, found.heads); err != nil {
			return found, err
		}
	}
	return found, nil
}

// compile makes a catalogue of the latest versions of offers.
func (s *Service) compile(ctx context.Context, heads map[string]automaticHead) (*Catalog, error) {
	wanted := make([]offerVersion, 0, len(heads))
	for id, head := range heads {
		wanted = append(wanted, offerVersion{id, head.latest})
	}
	versions, err := s.readVersions(ctx, wanted)
	if err != nil {
		return nil, err
	}
	candidates := make([]Candidate, 0, len(versions))
	for id, v := range versions {
		candidates = append(candidates, Candidate{Version: v, Paused: heads[id.offer].paused})
	}
	return newCatalog(candidates), nil
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
		v, err := readVersion(doc, s.predicates)
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

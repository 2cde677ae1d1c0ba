package ledger

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/vouch-go/vouch/storage"
)

// Crew are workers of one process that sweep the same documents at the same time: none
// takes what another has in hand. Workers of other processes notice each other when they
// write, and keep out of each other's way from then on: groups lie on a ring, by the hashes
// of their ids, which each crew goes round from a place of its own. The zero value is ready;
// it must not be copied.
type Crew struct {
	mu    sync.Mutex
	hand  map[storage.Key]bool // what the workers are at
	kinds map[string]*rounds
}

// rounds are the way of a crew through documents of one kind.
type rounds struct {
	queue   []ringGroup   // that were listed, the next one last
	listing chan struct{} // closed when the worker that lists has done so; nil: none lists
	at      uint32        // where on the ring the crew goes on
	wary    int           // so many groups are looked at again before they are planned
	moves   bool          // it goes on elsewhere

	// written are versions that the crew has handled, of which a page that was listed before
	// may still tell.
	written map[storage.Key]int64
}

// waryFor is how many groups are looked at again after others were in the way. What was
// just listed is otherwise taken to be as it was: writing it tells.
const waryFor = 16

// ringGroup are documents whose hashes lie side by side on the ring.
type ringGroup struct {
	docs []storage.Doc
	next uint32 // where the next group begins
}

// groups are documents in groups of about so many, from where the crew goes on, the first
// one last. Which are together follows from their ids: so another worker who lists the
// same has the same groups, and gets into the way of one of them only.
func (r *rounds) groups(docs []storage.Doc, batch int) []ringGroup {
	if r.wary > 0 {
		batch = max(1, batch/2) // less to lose
	}
	n := 1
	for n*2*batch <= len(docs) {
		n *= 2
	}
	place := func(hash uint32) int { return int(uint64(hash) * uint64(n) >> 32) }
	ring := make([]ringGroup, n)
	for i := range ring {
		ring[i].next = uint32(uint64((i+1)%n) << 32 / uint64(n))
	}
	for _, doc := range docs {
		hash := fnv.New32a()
		hash.Write([]byte(doc.Key.ID))
		group := &ring[place(hash.Sum32())]
		group.docs = append(group.docs, doc)
	}
	first := place(r.at)
	if r.moves {
		first, r.moves = elsewhere(ring), false
	}
	all := slices.Concat(ring[first:], ring[:first])
	slices.Reverse(all)
	return all
}

// elsewhere is a place on a ring at which probably nobody is. Who goes round it leaves
// empty places behind: so, as a rule, somebody is at the first place after one, and nobody
// at those that follow.
func elsewhere(ring []ringGroup) int {
	var behind []int
	for i := range ring {
		if before := (i + len(ring) - 1) % len(ring); len(ring[i].docs) > 0 && len(ring[before].docs) > 0 {
			behind = append(behind, i)
		}
	}
	if len(behind) == 0 {
		return rand.IntN(len(ring))
	}
	return behind[rand.IntN(len(behind))]
}

// next gives a worker a group to handle; none when there is none left for it. One worker
// lists, the others wait for what it finds, no longer than their contexts last.
func (c *Crew) next(ctx context.Context, s *sweep) ([]storage.Doc, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rounds(s.options.Kind)
	for {
		if group := c.queued(s, r); len(group) > 0 {
			return group, nil
		}
		if s.ended {
			return nil, nil
		}
		var err error
		if listed := r.listing; listed != nil {
			c.mu.Unlock()
			select {
			case <-listed:
			case <-ctx.Done():
				err = ctx.Err()
			}
			c.mu.Lock()
		} else {
			err = c.list(ctx, s, r)
		}
		if err != nil {
			return nil, err
		}
	}
}

// rounds are those of a kind. The caller has the lock.
func (c *Crew) rounds(kind string) *rounds {
	if c.kinds == nil {
		c.hand, c.kinds = make(map[storage.Key]bool), make(map[string]*rounds)
	}
	if c.kinds[kind] == nil {
		c.kinds[kind] = &rounds{at: rand.Uint32()}
	}
	return c.kinds[kind]
}

// queued takes the next group of the queue in which something is for the worker.
func (c *Crew) queued(s *sweep, r *rounds) []storage.Doc {
	for len(r.queue) > 0 {
		last := len(r.queue) - 1
		group := c.take(s, r, r.queue[last].docs)
		r.at = r.queue[last].next
		if r.queue = r.queue[:last]; len(group) > 0 {
			return group
		}
	}
	return nil
}

// list lets a worker list its next page for all. The lock, which the caller has, is free
// meanwhile.
func (c *Crew) list(ctx context.Context, s *sweep, r *rounds) (err error) {
	var docs []storage.Doc
	listed := make(chan struct{})
	r.listing = listed
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		r.listing = nil
		close(listed)
		r.queue = append(r.groups(docs, s.options.Batch), r.queue...)
	}()
	docs, err = s.list(ctx)
	return err
}

// isWary says that a group is looked at again before it is planned.
func (c *Crew) isWary(kind string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rounds(kind)
	wary := r.wary > 0
	r.wary = max(0, r.wary-1)
	return wary
}

// met says that others are at the same documents, or were before: the crew goes on
// elsewhere, by what is listed anew.
func (c *Crew) met(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rounds(kind)
	r.queue, r.wary, r.moves = nil, waryFor, true
}

// take gives a worker those of a group that are due for it, that nobody is at, and that
// it has not been at before.
func (c *Crew) take(s *sweep, r *rounds, group []storage.Doc) []storage.Doc {
	var taken []storage.Doc
	for _, doc := range group {
		if _, again := s.seen[doc.Key.ID]; again || c.hand[doc.Key] || doc.Due > s.options.Now.UnixMicro() || s.looked == s.options.Limit ||
			r.written[doc.Key] >= doc.Version {
			continue
		}
		s.seen[doc.Key.ID] = struct{}{}
		s.looked++
		c.hand[doc.Key] = true
		taken = append(taken, doc)
	}
	return taken
}

// done says that nobody is at a group any more, and which of it was written.
func (c *Crew) done(kind string, group, written []storage.Doc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, doc := range group {
		delete(c.hand, doc.Key)
	}
	r := c.rounds(kind)
	if len(r.queue) == 0 && r.listing == nil || len(r.written) > maxWritten {
		r.written = nil // whoever lists now sees it
		return
	}
	if r.written == nil {
		r.written = make(map[storage.Key]int64)
	}
	for _, doc := range written {
		r.written[doc.Key] = doc.Version
	}
}

// maxWritten bounds what a crew keeps in mind. What it forgets it may plan again, in vain.
const maxWritten = 10000

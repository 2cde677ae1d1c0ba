package ledger

import (
	"context"
	"sync"

	"github.com/vouch-go/vouch/storage"
)

// Crew are workers of one process that sweep the same documents at the same time: none
// takes what another has in hand. Workers of other processes notice each other when they
// write. The zero value is ready; it must not be copied.
type Crew struct {
	mu    sync.Mutex
	queue map[string][][]storage.Doc // groups that were listed, by kind
	hand  map[storage.Key]bool       // what the workers are at
}

// next gives a worker a group to handle; none when there is none left for it.
func (c *Crew) next(ctx context.Context, s *sweep) ([]storage.Doc, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hand == nil {
		c.queue, c.hand = make(map[string][][]storage.Doc), make(map[storage.Key]bool)
	}
	kind := s.options.Kind
	for {
		for len(c.queue[kind]) > 0 {
			last := len(c.queue[kind]) - 1
			group := c.take(s, c.queue[kind][last])
			if c.queue[kind] = c.queue[kind][:last]; len(group) > 0 {
				return group, nil
			}
		}
		if s.ended {
			return nil, nil
		}
		docs, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		c.queue[kind] = groups(docs, s.options.Batch)
	}
}

// take gives a worker those of a group that are due for it, that nobody is at, and that
// it has not been at before.
func (c *Crew) take(s *sweep, group []storage.Doc) []storage.Doc {
	var taken []storage.Doc
	for _, doc := range group {
		if _, again := s.seen[doc.Key.ID]; again || c.hand[doc.Key] || doc.Due > s.options.Now.UnixMicro() || s.looked == s.options.Limit {
			continue
		}
		s.seen[doc.Key.ID] = struct{}{}
		s.looked++
		c.hand[doc.Key] = true
		taken = append(taken, doc)
	}
	return taken
}

// done says that nobody is at a group any more.
func (c *Crew) done(group []storage.Doc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, doc := range group {
		delete(c.hand, doc.Key)
	}
}

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
	mu      sync.Mutex
	queue   map[string][][]storage.Doc // groups that were listed, by kind
	hand    map[storage.Key]bool       // what the workers are at
	listing map[string]chan struct{}   // by kind, closed when the worker that lists has done so
}

// next gives a worker a group to handle; none when there is none left for it. One worker
// lists, the others wait for what it finds, no longer than their contexts last.
func (c *Crew) next(ctx context.Context, s *sweep) ([]storage.Doc, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hand == nil {
		c.queue, c.hand, c.listing = make(map[string][][]storage.Doc), make(map[storage.Key]bool), make(map[string]chan struct{})
	}
	kind := s.options.Kind
	for {
		if group := c.queued(s); len(group) > 0 {
			return group, nil
		}
		if s.ended {
			return nil, nil
		}
		var err error
		if listed := c.listing[kind]; listed != nil {
			c.mu.Unlock()
			select {
			case <-listed:
			case <-ctx.Done():
				err = ctx.Err()
			}
			c.mu.Lock()
		} else {
			err = c.list(ctx, s)
		}
		if err != nil {
			return nil, err
		}
	}
}

// queued takes the next group of the queue in which something is for the worker.
func (c *Crew) queued(s *sweep) []storage.Doc {
	kind := s.options.Kind
	for len(c.queue[kind]) > 0 {
		last := len(c.queue[kind]) - 1
		group := c.take(s, c.queue[kind][last])
		if c.queue[kind] = c.queue[kind][:last]; len(group) > 0 {
			return group
		}
	}
	return nil
}

// list lets a worker list its next page for all. The lock, which the caller has, is free
// meanwhile.
func (c *Crew) list(ctx context.Context, s *sweep) (err error) {
	kind, listed := s.options.Kind, make(chan struct{})
	var docs []storage.Doc
	c.listing[kind] = listed
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.listing, kind)
		close(listed)
		c.queue[kind] = append(c.queue[kind], groups(docs, s.options.Batch)...)
	}()
	docs, err = s.list(ctx)
	return err
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

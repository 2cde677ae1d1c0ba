package sqlstore

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vouch-go/vouch/storage"
)

// group is several batches judged one after the other on what was found, and what
// they come to when they are written together. It is pure: nothing is read or
// written while judging.
type group struct {
	docs     map[storage.Key]*groupDoc
	counters map[string]*groupCounter
	refused  []*storage.Failure // for each batch; nil: it holds
	assumed  bool               // without having read what the batches only rest on

	// doubted are documents that were taken to be absent without having been asked
	// for, in batches that were refused for something else: whether they exist
	// decides which refusal comes first.
	doubted []storage.Key
}

// groupDoc is a document on its way through the batches.
type groupDoc struct {
	key    storage.Key
	before storage.Doc  // as found, without its body; version 0: absent
	now    int64        // its version; 0: absent
	put    *storage.Put // the last one
}

// groupCounter is a counter on its way through the batches.
type groupCounter struct {
	name        string
	found       bool
	before, now int64
	until       int64
	changed     bool
	low, high   int64 // the values before, for which all is judged the same
}

// judgeEach judges batches of operations in lock order, each on the state that
// those before it leave. What was not found is absent.
func judgeEach(found standing, asked map[storage.Key]bool, batches [][]storage.Op) *group {
	docs, adds := sizes(batches)
	g := &group{
		docs: make(map[storage.Key]*groupDoc, docs), counters: make(map[string]*groupCounter, adds),
		refused: make([]*storage.Failure, len(batches)),
	}
	for i, ops := range batches {
		if n := slices.IndexFunc(ops, func(op storage.Op) bool { return !g.holds(found, op) }); n >= 0 {
			g.refused[i] = ops[n].Failure()
			g.stands(ops[n])
			g.doubt(asked, ops[:n])
			continue
		}
		for _, op := range ops {
			g.take(op)
		}
	}
	return g
}

func (g *group) holds(found standing, op storage.Op) bool {
	if op.Add == nil {
		return g.doc(op.Key(), func(k storage.Key) storage.Doc { return found.docs[k] }).now == op.Version()
	}
	value, there := found.counters[op.Add.Counter]
	_, allowed := op.Add.After(g.counter(op.Add.Counter, there, value).now)
	return allowed
}

// doc is the document on its way; before gives it as it was, when it is new to the group.
func (g *group) doc(k storage.Key, before func(storage.Key) storage.Doc) *groupDoc {
	d := g.docs[k]
	if d == nil {
		d = &groupDoc{key: k, before: before(k)}
		d.now = d.before.Version
		g.docs[k] = d
	}
	return d
}

// counter is the counter on its way, with the value before when it is new to the group.
func (g *group) counter(name string, found bool, before int64) *groupCounter {
	c := g.counters[name]
	if c == nil {
		c = &groupCounter{name: name, found: found, before: before, now: before, low: math.MinInt64, high: math.MaxInt64}
		g.counters[name] = c
	}
	return c
}

// assumeEach takes for granted that all batches hold, without having read more than the
// documents that they change: what they come to is to be written on condition that the
// rest is as they expect it. It is false when they expect what cannot be.
func assumeEach(changed standing, batches [][]storage.Op) (*group, bool) {
	docs, adds := sizes(batches)
	g := &group{
		docs: make(map[storage.Key]*groupDoc, docs), counters: make(map[string]*groupCounter, adds),
		refused: make([]*storage.Failure, len(batches)), assumed: true,
	}
	for _, ops := range batches {
		for _, op := range ops {
			if !g.assume(changed, op) {
				return nil, false
			}
			g.take(op)
		}
	}
	for _, c := range g.counters {
		if c.low > c.high || c.low == math.MaxInt64 || c.high == math.MinInt64 { // these may stand for what lies beyond
			return nil, false
		}
	}
	return g, true
}

// assume says that the operation holds if the rest is as expected. A counter's value before
// is not known: it counts from 0, and its bounds are of what it may have been.
func (g *group) assume(changed standing, op storage.Op) bool {
	if op.Add == nil {
		d := g.doc(op.Key(), func(k storage.Key) storage.Doc {
			if d, read := changed.docs[k]; read {
				return d
			}
			return storage.Doc{Key: k, Version: op.Version()}
		})
		if _, read := changed.docs[d.key]; !read && op.Check == nil && d.before.Version > 0 {
			return false // the lists it stands in are not known
		}
		return d.now == op.Version()
	}
	_, _, possible := room(*op.Add)
	sum := storage.Add{Delta: op.Add.Delta, Min: math.MinInt64, Max: math.MaxInt64}
	_, counted := sum.After(g.counter(op.Add.Counter, true, 0).now)
	return possible && counted
}

// take lets the operation, which holds, take effect.
func (g *group) take(op storage.Op) {
	switch {
	case op.Put != nil:
		d := g.docs[op.Put.Key]
		d.now, d.put = d.now+1, op.Put
	case op.Drop != nil:
		d := g.docs[op.Drop.Key]
		d.now, d.put = 0, nil
	case op.Add != nil:
		c := g.counters[op.Add.Counter]
		low, high, _ := room(*op.Add)
		c.low, c.high = max(c.low, c.start(low)), min(c.high, c.start(high))
		c.now, c.until, c.changed = c.now+op.Add.Delta, op.Add.Until, true
	}
}

func (g *group) doubt(asked map[storage.Key]bool, ops []storage.Op) {
	for _, op := range ops {
		if op.Add == nil && op.Version() == 0 && !asked[op.Key()] {
			g.doubted = append(g.doubted, op.Key())
		}
	}
}

// refuses says that one of the batches is refused.
func (g *group) refuses() bool {
	return slices.ContainsFunc(g.refused, func(refused *storage.Failure) bool { return refused != nil })
}

// doubts are how many of the next groups read before they write, because there was one
// that was refused in part: where a limit is reached, the next is likely to be as well.
type doubts struct{ left atomic.Int64 }

// rememberedFor is for how many groups a refusal is remembered.
const rememberedFor = 16

func (d *doubts) raise() { d.left.Store(rememberedFor) }

// take says whether the next group is in doubt.
func (d *doubts) take() bool { return d.left.Load() > 0 && d.left.Add(-1) >= 0 }

// stands narrows the values before to those for which the operation is refused as
// well.
func (g *group) stands(op storage.Op) {
	if op.Add == nil {
		return
	}
	c := g.counters[op.Add.Counter]
	low, high, possible := room(*op.Add)
	switch {
	case !possible:
	case c.now < low: // so low is no smallest integer
		c.high = min(c.high, c.start(low-1))
	default:
		c.low = max(c.low, c.start(high+1))
	}
}

// start is the value before from which the counter would be at this value now, or
// the end of int64 beyond which it lies.
func (c *groupCounter) start(value int64) int64 {
	if c.now >= c.before {
		up := uint64(c.now) - uint64(c.before)
		if up > uint64(value)+1<<63 {
			return math.MinInt64
		}
		return int64(uint64(value) - up)
	}
	down := uint64(c.before) - uint64(c.now)
	if down > uint64(math.MaxInt64)-uint64(value) {
		return math.MaxInt64
	}
	return int64(uint64(value) + down)
}

// writes are the documents, rows of lists and counters that a group changes, each
// in lock order.
type writes struct {
	checked                []*groupDoc // that have to be as expected, where that was not read
	made, changed, dropped []*groupDoc
	moves                  moves
	counted                []*groupCounter
}

// empty says that nothing is changed. Rows of lists move with their document.
func (w writes) empty() bool { return len(w.made)+len(w.changed)+len(w.dropped)+len(w.counted) == 0 }

func (g *group) writes() writes {
	var w writes
	docs := make([]*groupDoc, 0, len(g.docs))
	for _, d := range g.docs {
		docs = append(docs, d)
	}
	slices.SortFunc(docs, func(a, b *groupDoc) int { return a.key.Compare(b.key) })
	for _, d := range docs {
		var lists []storage.Listing
		switch {
		case d.put != nil && d.before.Version == 0:
			w.made, lists = append(w.made, d), d.put.Lists
		case d.put != nil:
			w.changed, lists = append(w.changed, d), d.put.Lists
		case d.now == 0 && d.before.Version > 0:
			w.dropped = append(w.dropped, d)
		default:
			if g.assumed {
				w.checked = append(w.checked, d)
			}
			continue
		}
		w.moves.outOf = append(w.moves.outOf, rowsOf(d.key, without(d.before.Lists, lists))...)
		w.moves.into = append(w.moves.into, rowsOf(d.key, without(lists, d.before.Lists))...)
	}
	for _, c := range g.counters {
		if c.changed {
			w.counted = append(w.counted, c)
		}
	}
	slices.SortFunc(w.counted, func(a, b *groupCounter) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(w.moves.outOf, listRow.compare)
	slices.SortFunc(w.moves.into, listRow.compare)
	return w
}

func (r listRow) compare(other listRow) int {
	return cmp.Or(strings.Compare(r.key.Kind, other.key.Kind), strings.Compare(r.List, other.List),
		cmp.Compare(r.Place, other.Place), strings.Compare(r.key.ID, other.key.ID))
}

package sqlstore

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// group is several batches judged one after the other on what was found, and what
// they come to when they are written together. It is pure: nothing is read or
// written while judging.
type group struct {
	docs     map[storage.Key]*groupDoc
	counters map[string]*groupCounter
	refused  []*storage.Failure // for each batch; nil: it holds

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
		k := op.Key()
		d := g.docs[k]
		if d == nil {
			before := found.docs[k]
			d = &groupDoc{key: k, before: before, now: before.Version}
			g.docs[k] = d
		}
		return d.now == op.Version()
	}
	c := g.counters[op.Add.Counter]
	if c == nil {
		value, there := found.counters[op.Add.Counter]
		c = &groupCounter{name: op.Add.Counter, found: there, before: value, now: value, low: math.MinInt64, high: math.MaxInt64}
		g.counters[c.name] = c
	}
	_, allowed := op.Add.After(c.now)
	return allowed
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

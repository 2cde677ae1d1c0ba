package memory

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/storage"
)

// order keeps the positions of the documents of one listing sorted, in runs of
// bounded length, so that a change moves little memory however long the listing
// is. No run is empty. A nil order has no positions.
type order struct{ runs [][]position }

const maxRun = 256 // positions; a full run is cut in two

type position struct {
	place int64
	id    string
}

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.place, other.place), strings.Compare(p.id, other.id))
}

// seek finds the first position that is not before p: at(run, i). When all are
// before it, run is len(runs).
func (o *order) seek(p position) (run, i int) {
	run, _ = slices.BinarySearchFunc(o.runs, p, func(r []position, p position) int { return r[len(r)-1].compare(p) })
	if run < len(o.runs) {
		i, _ = slices.BinarySearchFunc(o.runs[run], p, position.compare)
	}
	return run, i
}

func (o *order) insert(p position) {
	run, i := o.seek(p)
	if run == len(o.runs) { // after everything: at the end of the last run
		if run == 0 {
			o.runs = [][]position{{p}}
			return
		}
		run, i = run-1, len(o.runs[run-1])
	}
	o.runs[run] = slices.Insert(o.runs[run], i, p)
	if r := o.runs[run]; len(r) > maxRun {
		o.runs[run] = slices.Clone(r[:maxRun/2])
		o.runs = slices.Insert(o.runs, run+1, slices.Clone(r[maxRun/2:]))
	}
}

// remove takes out a position that is there.
func (o *order) remove(p position) {
	run, i := o.seek(p)
	if o.runs[run] = slices.Delete(o.runs[run], i, i+1); len(o.runs[run]) == 0 {
		o.runs = slices.Delete(o.runs, run, run+1)
	}
}

// in gives the positions from low (inclusive) to high (exclusive), or backwards.
func (o *order) in(low, high position, backwards bool) iter.Seq[position] {
	switch {
	case o == nil:
		return func(func(position) bool) {}
	case backwards:
		return o.descend(low, high)
	}
	return o.ascend(low, high)
}

func (o *order) ascend(low, high position) iter.Seq[position] {
	return func(yield func(position) bool) {
		run, i := o.seek(low)
		for ; run < len(o.runs); run, i = run+1, 0 {
			for _, p := range o.runs[run][i:] {
				if p.compare(high) >= 0 || !yield(p) {
					return
				}
			}
		}
	}
}

func (o *order) descend(low, high position) iter.Seq[position] {
	return func(yield func(position) bool) {
		run, end := o.seek(high)
		for ; run >= 0; run, end = run-1, maxRun {
			if run == len(o.runs) {
				continue
			}
			r := o.runs[run]
			for _, p := range slices.Backward(r[:min(end, len(r))]) {
				if p.compare(low) < 0 || !yield(p) {
					return
				}
			}
		}
	}
}

// orderName names a listing: a list of a kind, what of the kind is due, or the
// whole kind.
type orderName struct {
	kind string
	list string // empty for the other two
	due  bool
}

// standings gives the listings a document stands in, and where.
func standings(doc storage.Doc) iter.Seq2[orderName, position] {
	return func(yield func(orderName, position) bool) {
		k := doc.Key
		if doc.Version == 0 || !yield(orderName{kind: k.Kind}, position{id: k.ID}) {
			return
		}
		if doc.Due != 0 && !yield(orderName{kind: k.Kind, due: true}, position{doc.Due, k.ID}) {
			return
		}
		for _, l := range doc.Lists {
			if !yield(orderName{kind: k.Kind, list: l.List}, position{l.Place, k.ID}) {
				return
			}
		}
	}
}

// stands says that a document stands in a listing at a position that is its own, or was
// before it changed.
func stands(doc storage.Doc, name orderName, p position) bool {
	switch {
	case doc.Version == 0:
		return false
	case name.due:
		return doc.Due == p.place
	case name.list == "":
		return true
	}
	return slices.Contains(doc.Lists, storage.Listing{List: name.list, Place: p.place})
}

// bounds gives the positions a query asks for, from low to before high. No id
// is as great as "\xff", and none lies between an id and the same with a NUL
// behind it: ids are UTF-8 without NUL.
func bounds(q storage.Query) (name orderName, low, high position) {
	name = orderName{kind: q.Kind, list: q.List, due: q.DueBefore != 0}
	low, high = position{place: math.MinInt64}, position{math.MaxInt64, "\xff"}
	if q.From != 0 {
		low.place = q.From
	}
	if until := cmp.Or(q.Until, q.DueBefore); until != 0 {
		high = position{place: until}
	}
	if q.After == "" {
		return name, low, high
	}
	place, id, _ := q.After.Position() // the query is valid
	after := position{place, id}
	if q.Newest {
		return name, low, slices.MinFunc([]position{high, after}, position.compare)
	}
	after.id += "\x00"
	return name, slices.MaxFunc([]position{low, after}, position.compare), high
}

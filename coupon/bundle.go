package coupon

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// BundlePrice gives a set of goods for one price, as often as the cart holds the
// whole set, each unit used once; one that another [BundlePrice] or a [BuyGet] uses is
// not used again. A set that would cost less than the price is
// left as it is.
//
// A unit that fits several items serves the one that lets the cart hold the most
// sets. Of all units, those that come first by Pick are used.
type BundlePrice struct {
	Items  []BundleItem
	Prices Amounts // of one set; 0 is allowed
	Max    int64   // sets at most; 0: no maximum
	Pick   Pick    // which units where there is a choice; the zero value: the cheapest
}

// BundleItem is some units of a set, of lines named like a [Scope] names them.
type BundleItem struct {
	Of    Lists // none named: of any eligible line
	Units int64 // at least 1
}

// maxItems bounds the kinds of goods in a bundle.
const maxItems = 20

func (BundlePrice) stage() stage { return lineStage }

func (b BundlePrice) in(c ledger.Currency) bool { return b.Prices.has(c) }

func (b BundlePrice) check(path string, faults *Faults) {
	b.Prices.require(path+".prices", 0, faults)
	if len(b.Items) == 0 || len(b.Items) > maxItems {
		faults.add(path+".items", "has %d entries, want 1 to %d", len(b.Items), maxItems)
	}
	for i, item := range b.Items {
		at := fmt.Sprintf("%s.items[%d]", path, i)
		item.Of.check(at+".of", faults)
		checkUnits(at+".units", item.Units, faults)
	}
	checkRepeats(path+".repeats", b.Max, faults)
	b.Pick.check(path+".pick", faults)
}

func (b BundlePrice) clone() Benefit {
	b.Prices, b.Items = slices.Clone(b.Prices), slices.Clone(b.Items)
	for i := range b.Items {
		b.Items[i].Of = b.Items[i].Of.clone()
	}
	return b
}

// apply prices the sets one after the other, like ones at once: what it costs
// depends on the parts, not on the units. Sets cut lines into ever smaller parts where
// many bundles share them: from maxTails parts on, the sets that are left are priced
// together.
func (b BundlePrice) apply(p *pricing, e *entry) int64 {
	if p.steps > maxSteps {
		return 0 // the decision fails
	}
	parts := slices.Clone(p.eligible(e))
	p.sort(parts, b.Pick)
	sets, filling := b.fillMost(p, e, parts)
	if sets == 0 {
		p.short = &Refusal{Reason: ReasonIncomplete}
		return 0
	}
	queues := filling.queues(p, parts)
	price := b.Prices.minor(p.cart.Currency)
	var off int64
	var used []int
	for sets > 0 {
		like := max(1, min(sets, b.like(queues)))
		if len(p.parts)-len(p.totals) > maxTails {
			like = sets
		}
		used = used[:0]
		for k, item := range b.Items {
			used = queues[k].take(p, used, item.Units*like)
		}
		if taken := p.spread(p.cost(used, false)-times(price, like), used); taken > 0 {
			off += taken
			for _, i := range used {
				p.use(i, p.units(i))
			}
		}
		sets -= like
	}
	return off
}

// maxTails is how many parts may be cut off lines before bundles cut as little as they
// can.
const maxTails = 20_000

// maxSteps bounds what bundles may look at, to fill their items with units of lines that
// fit many of them, each line others. Carts of real shops stay a thousand times below it.
const maxSteps = 1 << 29

// costOfName is how many steps it takes to see whether an item names a line.
const costOfName = 128

// like is how many sets the first part of every queue has enough units for.
func (b BundlePrice) like(queues []queue) int64 {
	sets := int64(MaxTotal)
	for k, item := range b.Items {
		sets = min(sets, queues[k][0].units/item.Units)
	}
	return sets
}

// fillMost fills as many sets as there can be. How many that is, is found by
// halving, after a try of the most that the single items allow.
func (b BundlePrice) fillMost(p *pricing, e *entry, parts []int) (int64, *filling) {
	f := newFilling(len(parts))
	f.steps = costOfName * len(parts) * len(b.Items)
	defer func() { p.steps += f.steps }()
	var found [maxItems]int64
	for i, part := range parts {
		var fits uint32 // which items, by bit
		for k, item := range b.Items {
			if item.Of.name(&p.cart.Lines[p.place(part).line], e.Version.hashed) {
				fits |= 1 << k
				found[k] += p.unused(part)
			}
		}
		f.kinds[i] = f.kind(fits)
	}
	low, high := int64(0), int64(MaxTotal) // low sets can be filled
	if b.Max > 0 {
		high = b.Max
	}
	for k, item := range b.Items {
		high = min(high, found[k]/item.Units)
	}
	for try := high; low < high && p.steps+f.steps <= maxSteps; try = high - (high-low)/2 {
		if b.fill(p, parts, f, try) {
			low = try
		} else {
			high = try - 1
		}
	}
	if low > 0 && f.sets != low && !b.fill(p, parts, f, low) {
		low = 0 // the work is given up
	}
	return low, f
}

// fill says which units make up a number of sets; false when there are too few. Each
// part gives what it can while those before it keep what they gave: the sets of
// units that can serve together are a matroid, so what comes first by the pick is
// used.
func (b BundlePrice) fill(p *pricing, parts []int, f *filling, sets int64) bool {
	f.begin(sets)
	var need int64
	for k, item := range b.Items {
		f.free[k] = item.Units * sets
		need += f.free[k]
	}
	for i, part := range parts {
		if p.steps+f.steps > maxSteps {
			return false
		}
		f.used[i] = f.push(f.kinds[i], p.unused(part))
		need -= f.used[i]
	}
	return need == 0
}

// filling is a number of sets while units are put into their items: a flow from
// kinds of units to items.
type filling struct {
	sets  int64
	free  [maxItems]int64  // units that each item still wants
	reach [maxItems]uint32 // items that units which serve one could serve instead
	all   []*kind
	fits  map[uint32]*kind
	kinds []*kind // of each part
	used  []int64 // units of each part
	steps int     // kinds looked at, to find paths
}

// kind is all units that fit the same items.
type kind struct {
	fits  uint32
	serve [maxItems]int64 // how many of them serve each item
	full  bool            // no more of them can be used
}

func newFilling(parts int) *filling {
	return &filling{fits: make(map[uint32]*kind), kinds: make([]*kind, parts), used: make([]int64, parts)}
}

func (f *filling) kind(fits uint32) *kind {
	k := f.fits[fits]
	if k == nil {
		k = &kind{fits: fits}
		f.all, f.fits[fits] = append(f.all, k), k
	}
	return k
}

// begin takes all units out of the items.
func (f *filling) begin(sets int64) {
	f.sets, f.reach = sets, [maxItems]uint32{}
	for _, k := range f.all {
		k.serve, k.full = [maxItems]int64{}, false
	}
}

// push puts up to n units of a kind into items, moving others to other items to
// make room, along shortest paths (Edmonds and Karp). It gives how many it could.
func (f *filling) push(k *kind, n int64) int64 {
	pushed := int64(0)
	for pushed < n && !k.full {
		item, by := f.path(k)
		if item < 0 {
			k.full = true
			break
		}
		units := min(n-pushed, f.free[item])
		for at := item; by[at].moved != nil; at = by[at].from {
			units = min(units, by[at].moved.serve[by[at].from])
		}
		f.free[item] -= units
		for ; by[item].moved != nil; item = by[item].from {
			by[item].moved.serve[item] += units
			by[item].moved.serve[by[item].from] -= units
			f.reach[item] |= by[item].moved.fits
		}
		k.serve[item] += units
		f.reach[item] |= k.fits
		pushed += units
	}
	return pushed
}

// hop says that an item gets units of a kind that served another item.
type hop struct {
	from  int
	moved *kind // nil at the beginning of a path
}

// path leads from a kind to an item with room; the item is -1 when there is none.
func (f *filling) path(k *kind) (item int, by [maxItems]hop) {
	var memory [maxItems]int
	queue := memory[:0]
	for fits := k.fits; fits != 0; fits &= fits - 1 {
		queue = append(queue, bits.TrailingZeros32(fits))
	}
	seen := k.fits
	for ; len(queue) > 0; queue = queue[1:] {
		item = queue[0]
		if f.free[item] > 0 {
			return item, by
		}
		if f.reach[item]&^seen == 0 {
			continue
		}
		f.steps += len(f.all)
		for _, other := range f.all {
			if other.serve[item] == 0 {
				continue
			}
			for fits := other.fits &^ seen; fits != 0; fits &= fits - 1 {
				next := bits.TrailingZeros32(fits)
				by[next] = hop{item, other}
				queue = append(queue, next)
			}
			seen |= other.fits
		}
	}
	return -1, by
}

// queue is what serves one item, in the order of the pick.
type queue []use

// use is some units of a part.
type use struct {
	part  int
	units int64
}

// queues shares each part's units among the items they serve, the first item
// first.
func (f *filling) queues(p *pricing, parts []int) []queue {
	queues := make([]queue, maxItems)
	for i, part := range parts {
		k, left := f.kinds[i], f.used[i]
		for item := 0; left > 0; item++ {
			units := min(left, k.serve[item])
			if units > 0 {
				queues[item] = append(queues[item], use{part, units})
				k.serve[item] -= units
				left -= units
			}
		}
	}
	return queues
}

// take takes units out of the queue, and adds them to others as parts of their own.
func (q *queue) take(p *pricing, others []int, units int64) []int {
	for units > 0 {
		first := &(*q)[0]
		n := min(units, first.units)
		others = p.firstOf(others, first.part, n)
		first.units -= n
		units -= n
		if first.units == 0 {
			*q = (*q)[1:]
		}
	}
	return others
}

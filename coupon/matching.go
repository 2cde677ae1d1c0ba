package coupon

import (
	"math/bits"
	"slices"
)

// set is some names, for looking up; an empty one names nothing.
type set struct {
	few  []string            // up to maxFew, compared one by one
	many map[string]struct{} // or more, hashed
}

// maxFew is up to how many names comparing is faster than hashing.
const maxFew = 8

func newSet(names []string) set {
	if len(names) <= maxFew {
		return set{few: slices.Clone(names)}
	}
	many := make(map[string]struct{}, len(names))
	for _, n := range names {
		many[n] = struct{}{}
	}
	return set{many: many}
}

func (s *set) empty() bool { return len(s.few) == 0 && s.many == nil }

func (s *set) has(name string) bool {
	for _, n := range s.few {
		if n == name {
			return true
		}
	}
	if s.many == nil {
		return false
	}
	_, found := s.many[name]
	return found
}

func (s *set) hasAny(names []string) bool {
	for _, n := range names {
		if s.has(n) {
			return true
		}
	}
	return false
}

// sets are Lists for looking up, by the kind of name.
type sets [nameKinds]set

func newSets(l Lists) sets {
	return sets{productName: newSet(l.Products), sellerName: newSet(l.Sellers), categoryName: newSet(l.Categories), tagName: newSet(l.Tags)}
}

// name says that a line is named, as a [Scope] names lines: in every list that is not
// empty. Empty lists name every line.
func (s *sets) name(l *Line) bool {
	return (s[productName].empty() || s[productName].has(l.Product)) &&
		(s[sellerName].empty() || s[sellerName].has(l.Seller)) &&
		(s[categoryName].empty() || s[categoryName].hasAny(l.Categories)) &&
		(s[tagName].empty() || s[tagName].hasAny(l.Tags))
}

// nameAny says that any list names the line.
func (s *sets) nameAny(l *Line) bool {
	return s[productName].has(l.Product) || s[sellerName].has(l.Seller) ||
		s[categoryName].hasAny(l.Categories) || s[tagName].hasAny(l.Tags)
}

// lists are how many lists are not empty.
func (s *sets) lists() (n int) {
	for k := range s {
		if !s[k].empty() {
			n++
		}
	}
	return n
}

// hashed are long lists of names made ready for looking up, by their first entries.
type hashed map[*string]set

func (h hashed) add(l *Lists) {
	for _, list := range [][]string{l.Products, l.Categories, l.Sellers, l.Tags} {
		if len(list) > maxFew {
			h[&list[0]] = newSet(list)
		}
	}
}

func (h hashed) benefit(benefit Benefit) {
	switch b := benefit.(type) {
	case BundlePrice:
		for i := range b.Items {
			h.add(&b.Items[i].Of)
		}
	case BuyGet:
		h.add(&b.BuyOf)
		h.add(&b.GetOf)
	}
}

func (h hashed) conditions(all []Condition) {
	for _, c := range all {
		switch c := c.(type) {
		case All:
			h.conditions(c)
		case Any:
			h.conditions(c)
		case Not:
			h.conditions([]Condition{c.Condition})
		case Contains:
			h.add(&c.Of)
		case MinimumSpend:
			h.add(&c.Of)
		}
	}
}

// hasAny says that one of some names stands in a list.
func (h hashed) hasAny(list []string, names ...string) bool {
	if len(list) > maxFew {
		if set, found := h[&list[0]]; found {
			return set.hasAny(names)
		}
	}
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(list, name) })
}

// name says that a line is named by the lists, as a [Scope] names lines: in every list
// that is not empty. Empty lists name every line.
func (l *Lists) name(line *Line, h hashed) bool {
	return (len(l.Products) == 0 || h.hasAny(l.Products, line.Product)) &&
		(len(l.Sellers) == 0 || h.hasAny(l.Sellers, line.Seller)) &&
		(len(l.Categories) == 0 || h.hasAny(l.Categories, line.Categories...)) &&
		(len(l.Tags) == 0 || h.hasAny(l.Tags, line.Tags...))
}

// covers says that the scope counts the line.
func (v *Version) covers(l *Line) bool {
	switch {
	case !v.in.name(l), v.out.nameAny(l), !v.offer.Scope.UnitPrice.name(l):
		return false
	case v.offer.Scope.SaleItems == SaleItemsOut:
		return !l.OnSale
	case v.offer.Scope.SaleItems == SaleItemsOnly:
		return l.OnSale
	}
	return true
}

// shortest is the list that names fewest, if there is one of up to maxFew.
func (s *sets) shortest() (list nameKind, found bool) {
	for k := range nameKinds {
		if n := len(s[k].few); n > 0 && (!found || n < len(s[list].few)) {
			list, found = k, true
		}
	}
	return list, found
}

// lineIndex leads from the names that offers ask for to the lines of a cart that have
// them, in the order of the lines' ids. So many offers need not look at every line
// each, and a line costs as much as it has names.
type lineIndex struct {
	found  []int32 // the slots of the lines' names, in cart order
	ends   []int32 // by line: where its slots end
	slots  []int32 // by a name's number: its slot, counted from 1; 0: no line has it
	met    []met   // by slot
	places []int   // the lines of all slots, slot after slot
	byID   []int   // all lines
	rank   []int   // by line: its place in byID
	marks  []uint64
	wanted []int32 // scratch
}

// met is a name that lines have.
type met struct {
	number int32
	last   int32 // the line that had it last
	end    int32 // where its lines end in places
}

// begin makes room for the names that lines may have.
func (x *lineIndex) begin(n *names) {
	x.slots = slices.Grow(x.slots[:0], len(n.all))[:len(n.all)]
}

// build indexes the lines once all were met: it puts each in its place.
func (x *lineIndex) build(byID []int) {
	x.byID = byID
	sum := int32(0)
	for i := range x.met { // counted in end
		sum, x.met[i].end = sum+x.met[i].end, sum
	}
	x.places = slices.Grow(x.places[:0], int(sum))[:sum]
	met, places := x.met, x.places
	for _, i := range byID {
		for _, slot := range x.slotsOf(i) {
			if slot >= 0 {
				m := &met[slot]
				places[m.end] = i
				m.end++
			}
		}
	}
}

// slotsOf are the slots of a line's names.
func (x *lineIndex) slotsOf(line int) []int32 {
	begin := int32(0)
	if line > 0 {
		begin = x.ends[line-1]
	}
	return x.found[begin:x.ends[line]]
}

// meet counts a line for the names of some numbers, and puts each name's slot in place of
// its number; -1 where the line has the name twice.
func (x *lineIndex) meet(numbers []int32, line int32) {
	slots, met := x.slots, x.met
	for k, number := range numbers {
		slot := slots[number] - 1
		switch {
		case slot < 0:
			slot = int32(len(met))
			slots[number] = slot + 1
			met = append(met, newMet(number, line))
		case met[slot].last == line:
			slot = -1
		default:
			met[slot].last = line
			met[slot].end++
		}
		numbers[k] = slot
	}
	x.met = met
}

func newMet(number, line int32) met { return met{number: number, last: line, end: 1} }

// empty forgets the cart.
func (x *lineIndex) empty() {
	for _, m := range x.met {
		x.slots[m.number] = 0
	}
	x.met, x.rank, x.byID = x.met[:0], x.rank[:0], nil
}

// of gives the lines of a slot.
func (x *lineIndex) of(slot int32) []int {
	begin := int32(0)
	if slot > 0 {
		begin = x.met[slot-1].end
	}
	return x.places[begin:x.met[slot].end]
}

// named gives the slots of the names that one list of a version's scope names: by
// their numbers, or where these are many by looking at those that lines have. They are
// good until it is called again.
func (x *lineIndex) named(v *Version, list nameKind, numbers []int32, n *names) []int32 {
	x.wanted = x.wanted[:0]
	if len(numbers) > max(maxFew, len(x.met)) {
		for slot, m := range x.met {
			if name := &n.all[m.number]; name.kind == list && v.in[list].has(name.text) {
				x.wanted = append(x.wanted, int32(slot))
			}
		}
		return x.wanted
	}
	for _, number := range numbers {
		if slot := x.slots[number]; slot > 0 {
			x.wanted = append(x.wanted, slot-1)
		}
	}
	return x.wanted
}

// union adds the lines of several slots, each once, to others.
func (x *lineIndex) union(others []int, slots []int32) []int {
	if len(x.rank) == 0 {
		x.rank = slices.Grow(x.rank, len(x.byID))[:len(x.byID)]
		for place, i := range x.byID {
			x.rank[i] = place
		}
	}
	words := (len(x.byID) + 63) / 64
	x.marks = slices.Grow(x.marks[:0], words)[:words]
	clear(x.marks)
	for _, slot := range slots {
		for _, i := range x.of(slot) {
			x.marks[x.rank[i]/64] |= 1 << (x.rank[i] % 64)
		}
	}
	for word, marks := range x.marks {
		for ; marks != 0; marks &= marks - 1 {
			others = append(others, x.byID[64*word+bits.TrailingZeros64(marks)])
		}
	}
	return others
}

package coupon

import "slices"

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

// sets are Lists for looking up.
type sets struct {
	products, categories, sellers, tags set
}

func newSets(l Lists) sets {
	return sets{newSet(l.Products), newSet(l.Categories), newSet(l.Sellers), newSet(l.Tags)}
}

// covers says that the scope counts the line.
func (v *Version) covers(l *Line) bool {
	in, out := &v.in, &v.out
	switch {
	case !in.products.empty() && !in.products.has(l.Product),
		!in.sellers.empty() && !in.sellers.has(l.Seller),
		!in.categories.empty() && !in.categories.hasAny(l.Categories),
		!in.tags.empty() && !in.tags.hasAny(l.Tags):
		return false
	case out.products.has(l.Product), out.sellers.has(l.Seller),
		out.categories.hasAny(l.Categories), out.tags.hasAny(l.Tags):
		return false
	}
	switch v.offer.Scope.SaleItems {
	case SaleItemsOut:
		return !l.OnSale
	case SaleItemsOnly:
		return l.OnSale
	}
	return true
}

// lineIndex finds the lines of a large cart by what they are, so that many offers
// need not look at every line each.
type lineIndex struct {
	products, categories, sellers, tags postings
}

// postings are the places of lines, in the order of their ids, by name.
type postings struct {
	slots  map[string]int32 // of each name
	begins []int32          // where each slot's places begin, and behind the last where they end
	places []int32
}

// indexPays says that matching so many offers with so many lines one by one would
// cost more than an index.
func indexPays(offers, lines int) bool { return offers >= 4 && lines >= 32 }

func newLineIndex(p *pricing) *lineIndex {
	line := func(place int) *Line { return &p.cart.Lines[p.byID(place)] }
	var one [1]string
	only := func(name string) []string {
		one[0] = name
		return one[:]
	}
	n := len(p.cart.Lines)
	return &lineIndex{
		products:   newPostings(n, func(place int) []string { return only(line(place).Product) }),
		sellers:    newPostings(n, func(place int) []string { return only(line(place).Seller) }),
		categories: newPostings(n, func(place int) []string { return line(place).Categories }),
		tags:       newPostings(n, func(place int) []string { return line(place).Tags }),
	}
}

func newPostings(lines int, names func(place int) []string) postings {
	p := postings{slots: make(map[string]int32)}
	var found, counts []int32 // the slot of every name of every line, and how often each occurs
	for place := range lines {
		for _, name := range names(place) {
			slot, known := p.slots[name]
			if !known {
				slot = int32(len(counts))
				p.slots[name], counts = slot, append(counts, 0)
			}
			counts[slot]++
			found = append(found, slot)
		}
	}
	p.begins = make([]int32, len(counts)+1)
	for slot, count := range counts {
		p.begins[slot+1] = p.begins[slot] + count
	}
	p.places = make([]int32, len(found))
	next := slices.Clone(p.begins)
	k := 0
	for place := range lines {
		for range names(place) {
			p.places[next[found[k]]] = int32(place)
			next[found[k]]++
			k++
		}
	}
	return p
}

func (p *postings) of(name string) []int32 {
	slot, known := p.slots[name]
	if !known {
		return nil
	}
	return p.places[p.begins[slot]:p.begins[slot+1]]
}

// narrowest gives the places of lines that the version may cover, from the list of
// its scope that names fewest; false when no list is short enough to help.
func (x *lineIndex) narrowest(v *Version, scratch []int32) ([]int32, bool) {
	var names []string
	var in *postings
	for _, list := range []struct {
		set *set
		in  *postings
	}{{&v.in.products, &x.products}, {&v.in.sellers, &x.sellers}, {&v.in.categories, &x.categories}, {&v.in.tags, &x.tags}} {
		if few := list.set.few; len(few) > 0 && (in == nil || len(few) < len(names)) {
			names, in = few, list.in
		}
	}
	if in == nil {
		return nil, false
	}
	if len(names) == 1 {
		return in.of(names[0]), true
	}
	scratch = scratch[:0]
	for _, name := range names {
		scratch = append(scratch, in.of(name)...)
	}
	slices.Sort(scratch)
	return slices.Compact(scratch), true
}

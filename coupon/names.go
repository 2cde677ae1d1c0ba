package coupon

import "hash/maphash"

// nameKind is what a name is a name of.
type nameKind uint8

const (
	productName nameKind = iota
	sellerName
	categoryName
	tagName
	nameKinds
)

// names numbers the names that offers ask for, from 0. It is a hash table with open
// addressing, so that a line's names are looked up without a map's cost, and a pooled
// one is emptied without giving its memory back.
type names struct {
	seed  maphash.Seed
	slots []nameSlot // a power of two of them, at most half of them taken
	all   []kindName // by number
	kinds [nameKinds]int
}

type nameSlot struct {
	hash   uint32
	number int32 // counted from 1; 0: free
}

type kindName struct {
	text string
	kind nameKind
}

// empty makes room for n names, and forgets those it has.
func (x *names) empty(n int) {
	if x.slots == nil {
		x.seed = maphash.MakeSeed()
	}
	size := 16
	for size < 2*n {
		size *= 2
	}
	if size > cap(x.slots) {
		x.slots = make([]nameSlot, size)
	} else {
		x.slots = x.slots[:size]
		clear(x.slots)
	}
	x.all, x.kinds = x.all[:0], [nameKinds]int{}
}

func (x *names) hash(k nameKind, text string) uint64 {
	return maphash.String(x.seed, text) ^ uint64(k)*0x9e3779b97f4a7c15
}

// find gives a name's number; -1 when it has none.
func (x *names) find(k nameKind, text string) int32 {
	if x.kinds[k] == 0 {
		return -1
	}
	h := x.hash(k, text)
	mask := uint64(len(x.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := x.slots[i]
		if slot.number == 0 {
			return -1
		}
		if slot.hash == uint32(h>>32) {
			if n := &x.all[slot.number-1]; n.kind == k && n.text == text {
				return slot.number - 1
			}
		}
	}
}

// add gives a name's number, a new one when it has none. There must be room for it.
func (x *names) add(k nameKind, text string) int32 {
	h := x.hash(k, text)
	mask := uint64(len(x.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := &x.slots[i]
		if slot.number == 0 {
			x.all = append(x.all, kindName{text, k})
			x.kinds[k]++
			*slot = nameSlot{uint32(h >> 32), int32(len(x.all))}
			return slot.number - 1
		}
		if slot.hash == uint32(h>>32) {
			if n := &x.all[slot.number-1]; n.kind == k && n.text == text {
				return slot.number - 1
			}
		}
	}
}

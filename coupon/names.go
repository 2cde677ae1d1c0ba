package coupon

import (
	"math/bits"
	"math/rand/v2"
)

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
	seed  uint64
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
		x.seed = rand.Uint64() // so that nobody can choose names that collide; numbers do not depend on it
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

// hash multiplies and folds the name's bytes, eight at a time, as wyhash does. It is
// written out because most names are short: then hash/maphash takes three times as long.
func (x *names) hash(k nameKind, text string) uint64 {
	h := x.seed ^ uint64(k)<<56 ^ uint64(len(text))
	for ; len(text) > 8; text = text[8:] {
		h = fold(h ^ word(text))
	}
	var last uint64
	if len(text) == 8 {
		last = word(text)
	} else {
		for i := range len(text) {
			last = last<<8 | uint64(text[i])
		}
	}
	return fold(h ^ last)
}

// word is the first eight bytes of a text.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func fold(h uint64) uint64 {
	high, low := bits.Mul64(h^0x2d358dccaa6c78a5, 0x8bb84b93962eacc9)
	return high ^ low
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

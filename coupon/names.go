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
// one is emptied without giving its memory back. A slot holds all bytes of a short name,
// as most are, so that finding one looks at nothing else.
type names struct {
	seeds [2]uint64
	slots []nameSlot // a power of two of them, at most half of them taken
	all   []kindName // by number
	kinds [nameKinds]int
}

type nameSlot struct {
	first, last uint64 // the name's words; of a long one its hash
	form        uint32
	number      int32 // counted from 1; 0: free
}

type kindName struct {
	text string
	kind nameKind
}

// empty makes room for n names, and forgets those it has.
func (x *names) empty(n int) {
	if x.slots == nil {
		x.seeds = [2]uint64{rand.Uint64(), rand.Uint64()} // so that nobody can choose names that collide; numbers do not depend on it
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

// shortName is up to how many bytes two words hold a name.
const shortName = 16

// words are a text of up to shortName bytes: together with its length they say all of
// its bytes, some of them twice.
func words(s string) (first, last uint64) {
	switch n := len(s); {
	case n >= 8:
		return word(s), word(s[n-8:])
	case n >= 4:
		return uint64(half(s)) | uint64(half(s[n-4:]))<<32, 0
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16, 0
	}
	return 0, 0
}

// word is the first eight bytes of a text.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// half is the first four.
func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// key is what a slot of a name holds.
func (x *names) key(k nameKind, text string) (first, last uint64, form uint32) {
	form = uint32(len(text))<<8 | uint32(k)
	if len(text) <= shortName {
		first, last = words(text)
		return first, last, form
	}
	h := x.seeds[0]
	for ; len(text) > 8; text = text[8:] {
		h = fold(h^word(text), x.seeds[1])
	}
	rest, _ := words(text)
	return fold(h^rest, x.seeds[1]), 0, form
}

// fold multiplies and folds, as wyhash does. It is written out because most names are
// short: then hash/maphash takes three times as long.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// place is where to begin looking for a key.
func (x *names) place(first, last uint64, form uint32) uint64 {
	return fold(first^x.seeds[0]^uint64(form), last^x.seeds[1])
}

// What find gives where a name has no number.
const (
	unnamed = -1 - iota // and it is printable
	unread              // and it may be anything
)

// find gives a name's number, or why it has none. Most names have eight to sixteen bytes: of
// those it is written out.
func (x *names) find(k nameKind, text string) int32 {
	n := len(text)
	if n < 8 || n > shortName || x.kinds[k] == 0 {
		return x.findOdd(k, text)
	}
	first, last, form := word(text), word(text[n-8:]), uint32(n)<<8|uint32(k)
	slots := x.slots
	for i := x.place(first, last, form); ; i++ {
		slot := &slots[i&uint64(len(slots)-1)]
		if slot.first == first && slot.last == last && slot.form == form {
			return slot.number - 1
		}
		if slot.number == 0 {
			break
		}
	}
	if oddBytes(first)|oddBytes(last) != 0 {
		return unread
	}
	return unnamed
}

// findOdd is find for any name.
func (x *names) findOdd(k nameKind, text string) int32 {
	if x.kinds[k] == 0 {
		return unread
	}
	first, last, form := x.key(k, text)
	for i := x.place(first, last, form); ; i++ {
		slot := &x.slots[i&uint64(len(x.slots)-1)]
		if slot.number == 0 {
			return unread
		}
		if slot.first == first && slot.last == last && slot.form == form && (len(text) <= shortName || x.all[slot.number-1].text == text) {
			return slot.number - 1
		}
	}
}

// add gives a name's number, a new one when it has none. There must be room for it.
func (x *names) add(k nameKind, text string) int32 {
	if number := x.find(k, text); number >= 0 {
		return number
	}
	first, last, form := x.key(k, text)
	mask := uint64(len(x.slots) - 1)
	i := x.place(first, last, form) & mask
	for x.slots[i].number > 0 {
		i = (i + 1) & mask
	}
	x.all = append(x.all, kindName{text, k})
	x.kinds[k]++
	x.slots[i] = nameSlot{first, last, form, int32(len(x.all))}
	return int32(len(x.all)) - 1
}

package coupon

import "slices"

// table is a map that looks through its rows while they are few, as those of most
// operations are: then it is one list, and nothing is hashed.
type table[K comparable, V any] struct {
	few  []row[K, V]
	many map[K]V // all of them, once they are more than maxRows
}

type row[K comparable, V any] struct {
	key   K
	value V
}

// maxRows is up to how many rows looking through all is faster than hashing.
const maxRows = 12

func (t *table[K, V]) get(key K) (value V, known bool) {
	for i := range t.few {
		if t.few[i].key == key {
			return t.few[i].value, true
		}
	}
	value, known = t.many[key]
	return value, known
}

// grow makes room for so many rows more, if that is few.
func (t *table[K, V]) grow(n int) {
	if t.many == nil && len(t.few)+n <= maxRows {
		t.few = slices.Grow(t.few, n)
	}
}

// has says that there is a row of the key.
func (t *table[K, V]) has(key K) bool {
	_, known := t.get(key)
	return known
}

func (t *table[K, V]) set(key K, value V) {
	for i := range t.few {
		if t.few[i].key == key {
			t.few[i].value = value
			return
		}
	}
	switch {
	case t.many == nil && len(t.few) < maxRows:
		t.few = append(t.few, row[K, V]{key, value})
		return
	case t.many == nil:
		t.many = make(map[K]V, 4*maxRows)
		for _, r := range t.few {
			t.many[r.key] = r.value
		}
		t.few = nil
	}
	t.many[key] = value
}

// sorted gives the rows in the order of their keys.
func (t *table[K, V]) sorted(compare func(a, b K) int) []row[K, V] {
	all := t.few
	if t.many != nil {
		all = make([]row[K, V], 0, len(t.many))
		for key, value := range t.many {
			all = append(all, row[K, V]{key, value})
		}
	}
	slices.SortFunc(all, func(a, b row[K, V]) int { return compare(a.key, b.key) })
	return all
}

package storetest

import (
	"math"

	"github.com/vouch-go/vouch/storage"
)

func add(counter string, delta, low, high int64) storage.Batch {
	return storage.Batch{Adds: []storage.Add{{Counter: counter, Delta: delta, Min: low, Max: high}}}
}

// steps applies changes of one counter in turn and requires what it is after
// each; a step that is refused leaves it.
func (f *fixture) steps(counter string, steps []step) {
	f.Helper()
	value := int64(0)
	for _, s := range steps {
		b := add(counter, s.delta, s.low, s.high)
		if s.refused {
			f.refused(b, limit(counter))
		} else {
			f.apply(b)
			value += s.delta
		}
		f.counter(value, counter)
	}
}

type step struct {
	delta, low, high int64
	refused          bool
}

func bounds(f *fixture) {
	f.steps("from nothing, too high", []step{{delta: 3, high: 2, refused: true}, {delta: 2, high: 2}})
	f.steps("from nothing, too low", []step{{delta: -1, high: 9, refused: true}, {delta: 1, low: 2, high: 9, refused: true}, {delta: 2, low: 2, high: 9}})
	f.steps("at the ends", []step{
		{delta: 4, low: 0, high: 5},
		{delta: 2, low: 0, high: 5, refused: true},
		{delta: 1, low: 0, high: 5},
		{delta: 1, low: 0, high: 5, refused: true},
		{delta: -6, low: 0, high: 5, refused: true},
		{delta: -5, low: 0, high: 5},
		{delta: -1, low: 0, high: 5, refused: true},
	})
	f.steps("below nothing", []step{
		{delta: -3, low: -3, high: -1},
		{delta: -1, low: -3, high: -1, refused: true},
		{delta: 3, low: -3, high: -1, refused: true},
		{delta: 2, low: -3, high: -1},
	})
	f.steps("a change of nothing is judged", []step{
		{delta: 0, low: 1, high: 9, refused: true},
		{delta: 0, low: -9, high: -1, refused: true},
		{delta: 0, low: 0, high: 0},
		{delta: 5, high: 5},
		{delta: 0, low: 5, high: 5},
		{delta: 0, low: 6, high: 9, refused: true},
		{delta: 0, low: 0, high: 4, refused: true},
	})
	f.steps("the result is judged, not the way", []step{
		{delta: 10, high: 10},
		{delta: -1, high: 5, refused: true},
		{delta: -5, high: 5},
		{delta: 1, low: 8, high: 10, refused: true},
		{delta: 3, low: 8, high: 10},
	})
}

func int64Edges(f *fixture) {
	const low, high = math.MinInt64, math.MaxInt64
	f.steps("upwards", []step{
		{delta: high, low: low, high: high},
		{delta: 1, low: low, high: high, refused: true},
		{delta: high, low: low, high: high, refused: true},
		{delta: 0, low: high, high: high},
		{delta: low, low: low, high: high},
		{delta: 1, low: low, high: high},
	})
	f.steps("downwards", []step{
		{delta: low, low: low, high: high},
		{delta: -1, low: low, high: high, refused: true},
		{delta: low, low: low, high: high, refused: true},
		{delta: 0, low: low, high: low},
		{delta: high, low: low, high: high},
		{delta: low, low: low, high: high, refused: true},
		{delta: 1, low: 0, high: high},
	})
	f.steps("to the edges and not beyond", []step{
		{delta: high - 1, high: high - 1},
		{delta: 1, high: high - 1, refused: true},
		{delta: 2, low: low, high: high, refused: true},
		{delta: 1, low: high, high: high},
	})
}

// until: no clock of the store's is involved, so a counter whose instant is long
// past is still there.
func until(f *fixture) {
	for _, instant := range []int64{1, math.MaxInt64, 0, 1} {
		f.apply(storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: 1, Max: 4, Until: instant}}})
	}
	f.counter(4, "c")
	f.refused(add("c", 1, 0, 4), limit("c"))
	f.counter(4, "c")
}

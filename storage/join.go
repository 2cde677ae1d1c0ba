package storage

import (
	"math"
	"slices"
)

// Plan is a decision that is not yet written: the batch that makes it true, and
// the answer to give once the batch is applied. Making a plan writes nothing.
type Plan[A any] struct {
	Batch  Batch
	Answer A
}

// Join merges several batches into one, so that they happen together, in one
// lock order:
//   - Adds to one counter: their deltas are summed and their bounds intersected.
//     The latest Until counts, and 0 (never) is later than any.
//   - Checks of one document at one version: one Check.
//   - A Check beside a Put or Drop of the same document at the same version: the
//     Put or Drop, which checks as much.
//
// It fails with ErrInvalid when two batches write one document, when bounds exclude
// each other, or when a sum leaves int64: such plans contradict each other, and one
// must be made after the other. It fails with a [*Failure] that is ErrConflict when
// they expect a document at different versions: it has changed between their
// readings, so the plans must be made again, as [Do] does.
func Join(batches ...Batch) (Batch, error) {
	var faults faults
	var moved *Failure
	puts, drops, checks := 0, 0, 0
	for i := range batches {
		puts, drops, checks = puts+len(batches[i].Puts), drops+len(batches[i].Drops), checks+len(batches[i].Checks)
	}
	joined := Batch{Puts: room[Put](puts), Drops: room[Drop](drops), Checks: room[Check](checks)}
	var versions map[Key]int64 // nil: there are so few that they are looked through
	if puts+drops+checks > fewJoined {
		versions = make(map[Key]int64, puts+drops+checks)
	}
	known := func(k Key, version int64) (expected int64, known bool) {
		if versions == nil {
			return joined.expects(k)
		}
		if expected, known = versions[k]; !known {
			versions[k] = version
		}
		return expected, known
	}
	for i := range batches {
		b := &batches[i]
		for j := range b.Puts {
			p := &b.Puts[j]
			if _, twice := known(p.Key, p.Version); twice {
				faults.add("document %s is written twice", p.Key)
			}
			joined.Puts = append(joined.Puts, *p)
		}
		for _, d := range b.Drops {
			if _, twice := known(d.Key, d.Version); twice {
				faults.add("document %s is written twice", d.Key)
			}
			joined.Drops = append(joined.Drops, d)
		}
	}
	for i := range batches {
		for _, c := range batches[i].Checks {
			expected, known := known(c.Key, c.Version)
			switch {
			case !known:
				joined.Checks = append(joined.Checks, c)
			case expected != c.Version && (moved == nil || c.Key.Compare(moved.Key) < 0):
				moved = &Failure{Op: OpCheck, Key: c.Key, Err: ErrConflict}
			}
		}
	}
	if len(joined.Checks) == 0 {
		joined.Checks = nil
	}
	joined.Adds = joinAdds(batches, &faults)
	if err := faults.err("join"); err != nil {
		return Batch{}, err
	}
	if moved != nil {
		return Batch{}, moved
	}
	return joined, nil
}

// fewJoined is up to how many operations looking through all is faster than a map of them.
const fewJoined = 32

// expects gives the version at which a batch expects a document, if it says so.
func (b *Batch) expects(k Key) (version int64, known bool) {
	for i := range b.Puts {
		if b.Puts[i].Key == k {
			return b.Puts[i].Version, true
		}
	}
	for i := range b.Drops {
		if b.Drops[i].Key == k {
			return b.Drops[i].Version, true
		}
	}
	for i := range b.Checks {
		if b.Checks[i].Key == k {
			return b.Checks[i].Version, true
		}
	}
	return 0, false
}

// room is an empty list for so many; nil for none.
func room[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n)
}

func joinAdds(batches []Batch, faults *faults) []Add {
	adds := 0
	for i := range batches {
		adds += len(batches[i].Adds)
	}
	sums := room[Add](adds)
	var index map[string]int // nil: there are so few that they are looked through
	if adds > fewJoined {
		index = make(map[string]int, adds)
	}
	find := func(counter string) (i int, known bool) {
		if index == nil {
			i = slices.IndexFunc(sums, func(a Add) bool { return a.Counter == counter })
			return i, i >= 0
		}
		if i, known = index[counter]; !known {
			index[counter] = len(sums)
		}
		return i, known
	}
	for i := range batches {
		for _, a := range batches[i].Adds {
			i, known := find(a.Counter)
			if !known {
				sums = append(sums, a)
				continue
			}
			sum := &sums[i]
			if delta, ok := addInt64(sum.Delta, a.Delta); ok {
				sum.Delta = delta
			} else {
				faults.add("counter %q: the sum of its changes leaves int64", a.Counter)
			}
			sum.Min, sum.Max = max(sum.Min, a.Min), min(sum.Max, a.Max)
			if sum.Min > sum.Max {
				faults.add("counter %q: its bounds exclude each other (at least %d, at most %d)", a.Counter, sum.Min, sum.Max)
			}
			if sum.Until == 0 || a.Until == 0 {
				sum.Until = 0
			} else {
				sum.Until = max(sum.Until, a.Until)
			}
		}
	}
	return slices.Clip(sums)
}

func addInt64(a, b int64) (int64, bool) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, false
	}
	return a + b, true
}

// After is the counter's value after this Add, and whether the Add is allowed
// from the value now. For stores.
func (a Add) After(now int64) (int64, bool) {
	sum, ok := addInt64(now, a.Delta)
	if !ok || sum < a.Min || sum > a.Max {
		return now, false
	}
	return sum, true
}

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
	versions := make(map[Key]int64, puts+drops+checks)
	write := func(k Key, version int64) {
		if _, twice := versions[k]; twice {
			faults.add("document %s is written twice", k)
		}
		versions[k] = version
	}
	for _, b := range batches {
		for _, p := range b.Puts {
			write(p.Key, p.Version)
			joined.Puts = append(joined.Puts, p)
		}
		for _, d := range b.Drops {
			write(d.Key, d.Version)
			joined.Drops = append(joined.Drops, d)
		}
	}
	for _, b := range batches {
		for _, c := range b.Checks {
			expected, known := versions[c.Key]
			switch {
			case !known:
				versions[c.Key] = c.Version
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

// room is an empty list for so many; nil for none.
func room[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n)
}

func joinAdds(batches []Batch, faults *faults) []Add {
	var sums []Add
	index := make(map[string]int)
	for _, b := range batches {
		for _, a := range b.Adds {
			i, known := index[a.Counter]
			if !known {
				index[a.Counter] = len(sums)
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

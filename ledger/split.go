package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Split shares total minor units out over parts by weight, to the single unit:
//   - the parts sum to the total;
//   - a part of weight zero gets nothing;
//   - a part never exceeds its ceiling (minor units; nil ceilings: none), and
//     what it could not take is spread over the others by weight, again and
//     again until no part is above its ceiling;
//   - each part is within one unit of its exact share, which is its ceiling
//     where that binds;
//   - the units left over by rounding shares down go to the largest remainders,
//     of equal ones to the earlier part.
//
// The result overwrites dst from its start, whatever its length, and is a new
// slice only where dst has too little capacity. dst must not share memory with
// weights or ceilings. Up to 64 parts nothing else is allocated; a [Splitter]
// allocates nothing for any number.
//
// It fails with ErrSplit, listing every fault, when total, a weight or a ceiling
// is negative, when ceilings are given but not one for each weight, when the
// weights sum to more than int64, or when total is above 0 and no part has a
// weight; and with a [*ShortfallError], which is ErrSplit too, when the ceilings
// leave too little room.
//
// The exact share is min(ceiling, level × weight), with the one level for all at
// which the shares sum to the total (water-filling); it is made whole by
// Hamilton's method (largest remainder).
func Split(dst []int64, total int64, weights, ceilings []int64) ([]int64, error) {
	var few fewParts
	s := splitting{few.shares[:0], few.open[:0], few.remainders[:0], few.held[:0]}
	dst, _, err := s.split(dst, total, weights, ceilings)
	return dst, err
}

// Splitter splits like [Split], again and again in the same memory. The zero value is
// ready. It is not safe for concurrent use.
type Splitter struct {
	memory splitting
}

// Split is the function [Split], with memory of its own.
func (s *Splitter) Split(dst []int64, total int64, weights, ceilings []int64) (parts []int64, err error) {
	parts, s.memory, err = s.memory.split(dst, total, weights, ceilings)
	return parts, err
}

// splitting is the memory that a split works in.
type splitting struct {
	shares     []share  // of parts that have a weight, where there are ceilings
	open       []int64  // the weights of those that do not reach theirs
	remainders []uint64 // by part, in 1/weight of all
	held       []int32  // parts among which the last units are drawn
}

// fewParts is memory for a split of few parts, on the stack.
type fewParts struct {
	shares     [64]share
	open       [64]int64
	remainders [64]uint64
	held       [64]int32
}

// split is Split; it also gives its memory back.
func (m splitting) split(dst []int64, total int64, weights, ceilings []int64) ([]int64, splitting, error) {
	weight, err := checkSplit(total, weights, ceilings)
	if err != nil {
		return nil, m, err
	}
	dst = slices.Grow(dst[:0], len(weights))[:len(weights)]
	if total == 0 {
		clear(dst)
		return dst, m, nil
	}
	rest := pot{total: uint64(total), weight: weight}
	if ceilings == nil || !rest.fills(weights, ceilings) {
		return dst, rest.spread(dst, weights, m), nil
	}
	m.shares = m.shares[:0]
	for i, w := range weights {
		if w > 0 {
			m.shares = append(m.shares, share{part: i, weight: uint64(w)})
		}
	}
	shares := rest.fill(m.shares, ceilings)
	m.open = slices.Grow(m.open[:0], len(weights))[:len(weights)]
	clear(m.open)
	for _, s := range shares {
		m.open[s.part] = int64(s.weight)
	}
	if rest.total > 0 {
		m = rest.spread(dst, m.open, m)
	} else {
		clear(dst)
	}
	for i, w := range weights {
		if w > 0 && m.open[i] == 0 {
			dst[i] = ceilings[i]
		}
	}
	return dst, m, nil
}

// share is a part that has a weight.
type share struct {
	part   int // its index
	weight uint64
}

// pot is what is still to be shared out, and the weight it is shared over.
type pot struct {
	total, weight uint64
}

// fills says that a part would reach its ceiling.
func (p *pot) fills(weights, ceilings []int64) bool {
	for i, w := range weights {
		if w > 0 && compareProducts(uint64(ceilings[i]), p.weight, p.total, uint64(w)) <= 0 {
			return true
		}
	}
	return false
}

// fill gives each part that reaches its ceiling just that, and answers the
// others, none of which reaches its own in the pot that is left. Parts are taken
// in the order in which a rising level meets their ceilings: each part filled
// raises the level for the rest, so the first that is not full ends it.
func (p *pot) fill(shares []share, ceilings []int64) []share {
	ceiling := func(s share) uint64 { return uint64(ceilings[s.part]) }
	slices.SortFunc(shares, func(a, b share) int {
		return compareProducts(ceiling(a), b.weight, ceiling(b), a.weight)
	})
	for i, s := range shares {
		if compareProducts(ceiling(s), p.weight, p.total, s.weight) > 0 {
			return shares[i:]
		}
		p.total -= ceiling(s)
		p.weight -= s.weight
	}
	return nil
}

// spread gives each part its exact share rounded down, then one unit more to
// those with the largest remainders until the pot is empty.
//
// It looks only for the remainder at which the line is drawn: it counts the parts in
// equal steps of remainders, and sorts those of the step that holds the line.
func (p *pot) spread(dst []int64, weights []int64, m splitting) splitting {
	const steps = 64
	var counts [steps]int32
	shift := max(0, bits.Len64(p.weight)-6) // remainders lie below the weight
	left, reciprocal := p.total, math.MaxUint64/p.weight
	m.remainders = slices.Grow(m.remainders[:0], len(weights))[:len(weights)]
	remainders := m.remainders
	for i, w := range weights {
		var quotient, remainder uint64
		if high, low := bits.Mul64(p.total, uint64(w)); high == 0 {
			quotient, _ = bits.Mul64(low, reciprocal) // faster than dividing, and at most 2 too small
			for remainder = low - quotient*p.weight; remainder >= p.weight; remainder -= p.weight {
				quotient++
			}
		} else {
			quotient, remainder = bits.Div64(high, low, p.weight) // at most total: w <= p.weight
		}
		dst[i], remainders[i] = int64(quotient), remainder
		counts[remainder>>shift%steps]++
		left -= quotient
	}
	if left == 0 {
		return m
	}
	line := steps - 1 // the step that holds the line; the remainders sum to left × p.weight, so more than left are above 0
	for ; uint64(counts[line]) < left; line-- {
		left -= uint64(counts[line])
	}
	m.held = m.held[:0]
	for i, remainder := range m.remainders {
		switch step := int(remainder >> shift); {
		case step > line:
			dst[i]++
		case step == line:
			m.held = append(m.held, int32(i))
		}
	}
	if int(left) < len(m.held) {
		slices.SortFunc(m.held, func(a, b int32) int {
			if m.remainders[a] == m.remainders[b] {
				return int(a - b)
			}
			return cmp.Compare(m.remainders[b], m.remainders[a])
		})
	}
	for _, i := range m.held[:left] {
		dst[i]++
	}
	return m
}

// compareProducts compares a × b with c × d.
func compareProducts(a, b, c, d uint64) int {
	high1, low1 := bits.Mul64(a, b)
	high2, low2 := bits.Mul64(c, d)
	return cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
}

// checkSplit judges the arguments of a Split, and answers the sum of the weights.
func checkSplit(total int64, weights, ceilings []int64) (weight uint64, err error) {
	var sum, sign int64 // negative where something is, or where the sum is beyond int64
	for _, w := range weights {
		sum += w
		sign |= w | sum
	}
	if ceilings == nil && sign|total >= 0 && (sum > 0 || total == 0) {
		return uint64(sum), nil
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if total < 0 {
		fault("the total %d is negative: split its amount and turn the parts' signs", total)
	}
	limited := ceilings != nil
	if limited && len(ceilings) != len(weights) {
		fault("%d ceilings for %d weights: give one each, or none at all", len(ceilings), len(weights))
		limited = false
	}
	room := uint64(0) // up to total is all that matters
	for i, w := range weights {
		if w < 0 {
			fault("the weight %d of part %d is negative", w, i)
			continue
		}
		if weight += uint64(w); weight > math.MaxInt64 {
			fault("the weights sum to more than int64 at part %d: divide them by a common number", i)
			weight = 0
		}
		if limited && w > 0 && ceilings[i] > 0 {
			room = min(room+uint64(ceilings[i]), math.MaxInt64)
		}
	}
	for i, c := range ceilings {
		if c < 0 {
			fault("the ceiling %d of part %d is negative", c, i)
		}
	}
	if total > 0 && !slices.ContainsFunc(weights, func(w int64) bool { return w != 0 }) {
		fault("no part has a weight, and %d is to be shared out", total)
	}
	if len(faults) > 0 {
		return 0, fmt.Errorf("%w: %w", ErrSplit, errors.Join(faults...))
	}
	if limited && uint64(total) > room {
		return 0, &ShortfallError{Total: total, Shortfall: total - int64(room)}
	}
	return weight, nil
}

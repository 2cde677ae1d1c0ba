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
	var few [64]share
	dst, _, err := split(dst, total, weights, ceilings, few[:0])
	return dst, err
}

// Splitter splits like [Split], again and again in the same memory. The zero value is
// ready. It is not safe for concurrent use.
type Splitter struct {
	shares []share
}

// Split is the function [Split], with memory of its own.
func (s *Splitter) Split(dst []int64, total int64, weights, ceilings []int64) (parts []int64, err error) {
	parts, s.shares, err = split(dst, total, weights, ceilings, s.shares)
	return parts, err
}

// split is Split; it also gives the memory it worked in.
func split(dst []int64, total int64, weights, ceilings []int64, all []share) ([]int64, []share, error) {
	weight, err := checkSplit(total, weights, ceilings)
	if err != nil {
		return nil, all, err
	}
	dst = slices.Grow(dst[:0], len(weights))[:len(weights)]
	clear(dst)
	if total == 0 {
		return dst, all, nil
	}
	all = slices.Grow(all[:0], len(weights))
	for i, w := range weights {
		if w > 0 {
			all = append(all, share{part: i, weight: uint64(w)})
		}
	}
	rest, shares := pot{total: uint64(total), weight: weight}, all
	if ceilings != nil {
		shares = rest.fill(dst, shares, ceilings)
	}
	rest.spread(dst, shares)
	return dst, all, nil
}

// share is a part that has a weight.
type share struct {
	part      int // its index
	weight    uint64
	remainder uint64 // of its exact share, in 1/pot.weight
}

// pot is what is still to be shared out, and the weight it is shared over.
type pot struct {
	total, weight uint64
}

// fill gives each part that reaches its ceiling just that, and answers the
// others, none of which reaches its own in the pot that is left. Parts are taken
// in the order in which a rising level meets their ceilings: each part filled
// raises the level for the rest, so the first that is not full ends it.
func (p *pot) fill(dst []int64, shares []share, ceilings []int64) []share {
	ceiling := func(s share) uint64 { return uint64(ceilings[s.part]) }
	full := func(s share) bool { return compareProducts(ceiling(s), p.weight, p.total, s.weight) <= 0 }
	if !slices.ContainsFunc(shares, full) {
		return shares
	}
	slices.SortFunc(shares, func(a, b share) int {
		return compareProducts(ceiling(a), b.weight, ceiling(b), a.weight)
	})
	for i, s := range shares {
		if !full(s) {
			return shares[i:]
		}
		dst[s.part] = ceilings[s.part]
		p.total -= ceiling(s)
		p.weight -= s.weight
	}
	return nil
}

// spread gives each part its exact share rounded down, then one unit more to
// those with the largest remainders until the pot is empty.
func (p *pot) spread(dst []int64, shares []share) {
	left := p.total
	for i := range shares {
		s := &shares[i]
		high, low := bits.Mul64(p.total, s.weight)
		quotient, remainder := bits.Div64(high, low, p.weight) // at most total: weight <= p.weight
		dst[s.part], s.remainder = int64(quotient), remainder
		left -= quotient
	}
	if left > 0 { // the remainders sum to left × p.weight, so left < len(shares)
		for _, s := range largest(shares, int(left), p.weight) {
			dst[s.part]++
		}
	}
}

// largest brings the n shares of the largest remainders to the front, of equal ones
// the earlier parts, in any order. All remainders are below a bound.
//
// It looks only for the remainder at which the line is drawn: by counting the shares
// in equal steps of remainders, and sorting those of the step that holds the line.
func largest(shares []share, n int, bound uint64) []share {
	const steps = 64
	if len(shares) <= steps {
		slices.SortFunc(shares, compareRemainders)
		return shares[:n]
	}
	step := func(s share) int { return int(s.remainder >> max(0, bits.Len64(bound-1)-bits.Len(steps-1))) }
	var counts [steps]int
	for _, s := range shares {
		counts[step(s)]++
	}
	line, above := steps-1, 0 // the step of the line, and how many stand above it
	for ; above+counts[line] < n; line-- {
		above += counts[line]
	}
	front := 0
	for _, wanted := range []func(int) bool{func(s int) bool { return s > line }, func(s int) bool { return s == line }} {
		for i := front; i < len(shares); i++ {
			if wanted(step(shares[i])) {
				shares[front], shares[i] = shares[i], shares[front]
				front++
			}
		}
	}
	slices.SortFunc(shares[above:front], compareRemainders)
	return shares[:n]
}

// compareRemainders brings the larger remainder first, of equal ones the earlier part.
func compareRemainders(a, b share) int {
	switch {
	case a.remainder > b.remainder, a.remainder == b.remainder && a.part < b.part:
		return -1
	}
	return 1 // no two are equal: their parts differ
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

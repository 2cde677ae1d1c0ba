package ledger_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

func ExampleSplit() {
	// 10.00 off three lines of 20.00, 20.00 and 20.00.
	parts, err := ledger.Split(nil, 1000, []int64{2000, 2000, 2000}, nil)
	fmt.Println(parts, err)
	// Output:
	// [334 333 333] <nil>
}

func ExampleSplit_ceilings() {
	// The first line may be lowered by 1.00 at most: the others carry the rest.
	parts, err := ledger.Split(nil, 1000, []int64{2000, 1000, 1000}, []int64{100, 1000, 1000})
	fmt.Println(parts, err)
	_, err = ledger.Split(nil, 1000, []int64{2000, 1000}, []int64{100, 300})
	fmt.Println(err)
	// Output:
	// [100 450 450] <nil>
	// ledger: cannot split: the ceilings leave 600 of 1000 without a place: lower the total to 400
}

func TestSplit(t *testing.T) {
	const top = math.MaxInt64
	for name, c := range map[string]struct {
		total             int64
		weights, ceilings []int64
		want              []int64
	}{
		"nothing over nothing":             {0, nil, nil, nil},
		"nothing over weightless parts":    {0, []int64{0, 0}, nil, []int64{0, 0}},
		"nothing, and no room":             {0, []int64{1, 1}, []int64{0, 0}, []int64{0, 0}},
		"one part":                         {7, []int64{3}, nil, []int64{7}},
		"ties to the earlier part":         {2, []int64{1, 1, 1}, nil, []int64{1, 1, 0}},
		"the larger remainder first":       {1, []int64{1, 2, 1}, nil, []int64{0, 1, 0}},
		"weight zero gets nothing":         {5, []int64{0, 1, 0, 1}, nil, []int64{0, 3, 0, 2}},
		"room of the weightless is none":   {4, []int64{0, 1}, []int64{9, 4}, []int64{0, 4}},
		"exactly the room":                 {6, []int64{5, 1, 1}, []int64{1, 2, 3}, []int64{1, 2, 3}},
		"a ceiling met exactly":            {6, []int64{1, 2, 3}, []int64{1, 9, 9}, []int64{1, 2, 3}},
		"one ceiling makes the next bind":  {100, []int64{50, 30, 20}, []int64{10, 40, 90}, []int64{10, 40, 50}},
		"a ceiling of zero":                {3, []int64{9, 1, 1}, []int64{0, 3, 3}, []int64{0, 2, 1}},
		"empty ceilings of no parts":       {0, []int64{}, []int64{}, nil},
		"the whole of int64":               {top, []int64{top - 1, 1}, nil, []int64{top - 1, 1}},
		"the whole of int64, in halves":    {top, []int64{top / 2, top / 2}, nil, []int64{top/2 + 1, top / 2}},
		"ceilings that sum beyond int64":   {top, []int64{1, 1, 1}, []int64{top, top, top}, []int64{top/3 + 1, top / 3, top / 3}},
		"ten lines of 1.00 with 0.15 off":  {15, repeat(100, 10), repeat(100, 10), []int64{2, 2, 2, 2, 2, 1, 1, 1, 1, 1}},
		"a free line costs nothing":        {1500, []int64{2200, 1400, 4300, 750, 0}, []int64{2200, 1400, 4300, 750, 0}, []int64{381, 243, 746, 130, 0}},
		"more parts than fit on the stack": {130, repeat(1, 65), nil, repeat(2, 65)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ledger.Split(nil, c.total, c.weights, c.ceilings)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func repeat(value int64, n int) []int64 {
	values := make([]int64, n)
	for i := range values {
		values[i] = value
	}
	return values
}

func TestSplitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		total             int64
		weights, ceilings []int64
		says              []string
	}{
		"no parts":          {1, nil, nil, []string{"no part has a weight"}},
		"no weight":         {1, []int64{0, 0}, nil, []string{"no part has a weight"}},
		"lengths":           {1, []int64{1, 1}, []int64{1}, []string{"1 ceilings for 2 weights"}},
		"empty ceilings":    {1, []int64{1}, []int64{}, []string{"0 ceilings for 1 weights"}},
		"a negative total":  {-1, []int64{1}, nil, []string{"total -1 is negative"}},
		"a negative weight": {1, []int64{2, -1}, nil, []string{"weight -1 of part 1"}},
		"weights too large": {1, []int64{math.MaxInt64, 1}, nil, []string{"more than int64 at part 1"}},
		"every fault": {-1, []int64{-2, 1}, []int64{1, -3, -4}, []string{
			"total -1 is negative", "weight -2 of part 0", "ceiling -3 of part 1", "ceiling -4 of part 2", "3 ceilings for 2 weights",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ledger.Split(nil, c.total, c.weights, c.ceilings)
			require.ErrorIs(t, err, ledger.ErrSplit)
			assert.Nil(t, got)
			for _, part := range c.says {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestSplitShortfall(t *testing.T) {
	_, err := ledger.Split(nil, math.MaxInt64, []int64{1, 0, 1}, []int64{3, 100, 4})
	var shortfall *ledger.ShortfallError
	require.ErrorAs(t, err, &shortfall)
	require.ErrorIs(t, err, ledger.ErrSplit)
	assert.Equal(t, ledger.ShortfallError{Total: math.MaxInt64, Shortfall: math.MaxInt64 - 7}, *shortfall)
}

// Among parts with nearly the same remainder, ties still go to the earlier one.
func TestSplitTiesAmongMany(t *testing.T) {
	weights, want := repeat(1000, 30), repeat(0, 30)
	for i := range weights {
		if i%2 == 1 {
			weights[i]++
		}
		if i%2 == 1 || i < 10 {
			want[i] = 1
		}
	}
	got, err := ledger.Split(nil, 20, weights, nil)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestSplitReusesItsSlice(t *testing.T) {
	buffer := []int64{9, 9, 9, 9}
	got, err := ledger.Split(buffer, 3, []int64{1, 0}, nil)
	require.NoError(t, err)
	assert.Equal(t, []int64{3, 0}, got)
	assert.Equal(t, []int64{3, 0, 9, 9}, buffer)

	got, err = ledger.Split(buffer[:0], 4, []int64{1, 1, 1, 1}, nil)
	require.NoError(t, err)
	assert.Same(t, &buffer[0], &got[0])
}

func TestSplitAllocatesNothing(t *testing.T) {
	weights, ceilings, dst := repeat(7, 64), repeat(20, 64), make([]int64, 64)
	ceilings[3] = 1
	allocations := testing.AllocsPerRun(10, func() {
		if _, err := ledger.Split(dst, 1000, weights, ceilings); err != nil {
			t.Error(err)
		}
	})
	assert.Zero(t, allocations)
}

// splits draws arguments that Split accepts: small numbers, where ties and bound
// ceilings are common, and large ones.
var splits = rapid.Custom(func(t *rapid.T) (s struct {
	total             int64
	weights, ceilings []int64
}) {
	n := rapid.IntRange(1, 80).Draw(t, "parts")
	size := rapid.SampledFrom([]int64{3, 20, 1000, 1 << 53, math.MaxInt64 / 80}).Draw(t, "size")
	s.weights = rapid.SliceOfN(rapid.Int64Range(0, size), n, n).Draw(t, "weights")
	s.weights[rapid.IntRange(0, n-1).Draw(t, "heavy")]++
	room := int64(math.MaxInt64)
	if rapid.Bool().Draw(t, "limited") {
		s.ceilings = rapid.SliceOfN(rapid.Int64Range(0, size), n, n).Draw(t, "ceilings")
		room = 0
		for i, c := range s.ceilings {
			if s.weights[i] > 0 {
				room += c
			}
		}
	}
	s.total = rapid.OneOf(rapid.Int64Range(0, room), rapid.Int64Range(0, min(room, 100)), rapid.Just(room)).Draw(t, "total")
	return s
})

func TestSplitPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := splits.Draw(t, "split")
		parts, err := ledger.Split(nil, s.total, s.weights, s.ceilings)
		require.NoError(t, err)
		require.Len(t, parts, len(s.weights))
		exact := exactShares(s.total, s.weights, s.ceilings)
		one := big.NewRat(1, 1)
		sum := int64(0)
		for i, part := range parts {
			sum += part
			require.GreaterOrEqual(t, part, int64(0), "part %d", i)
			if s.weights[i] == 0 {
				require.Zero(t, part, "part %d has no weight", i)
			}
			if s.ceilings != nil {
				require.LessOrEqual(t, part, s.ceilings[i], "part %d", i)
			}
			distance := new(big.Rat).Sub(new(big.Rat).SetInt64(part), exact[i])
			require.Negative(t, distance.Abs(distance).Cmp(one), "part %d is %d, its exact share %s", i, part, exact[i])
		}
		require.Equal(t, s.total, sum)
		require.Equal(t, wholeShares(s.total, exact), parts)
	})
}

// exactShares is what each part should get, by definition: as long as some part
// is above its ceiling, all such parts get their ceilings and the others share
// the rest.
func exactShares(total int64, weights, ceilings []int64) []*big.Rat {
	shares := make([]*big.Rat, len(weights))
	for {
		rest, weight := new(big.Int).SetInt64(total), new(big.Int)
		for i, w := range weights {
			if shares[i] == nil {
				weight.Add(weight, big.NewInt(w))
			} else {
				rest.Sub(rest, shares[i].Num())
			}
		}
		attempt, above := make([]*big.Rat, len(weights)), false
		for i, w := range weights {
			if attempt[i] = shares[i]; attempt[i] != nil {
				continue
			}
			attempt[i] = new(big.Rat)
			if weight.Sign() > 0 {
				attempt[i].SetFrac(new(big.Int).Mul(rest, big.NewInt(w)), weight)
			}
			if ceilings == nil {
				continue
			}
			if ceiling := new(big.Rat).SetInt64(ceilings[i]); attempt[i].Cmp(ceiling) > 0 {
				shares[i], above = ceiling, true
			}
		}
		if !above {
			return attempt
		}
	}
}

// wholeShares gives the units that rounding down leaves over one by one, each to
// the largest remainder, the earliest of equal ones.
func wholeShares(total int64, exact []*big.Rat) []int64 {
	parts, remainders := make([]int64, len(exact)), make([]*big.Rat, len(exact))
	left := total
	for i, share := range exact {
		whole := new(big.Int).Quo(share.Num(), share.Denom())
		parts[i] = whole.Int64()
		remainders[i] = new(big.Rat).Sub(share, new(big.Rat).SetInt(whole))
		left -= parts[i]
	}
	for ; left > 0; left-- {
		largest := 0
		for i, r := range remainders {
			if r.Cmp(remainders[largest]) > 0 {
				largest = i
			}
		}
		parts[largest]++
		remainders[largest] = new(big.Rat)
	}
	return parts
}

// The naive way that Split replaces: each part rounded, the last takes the rest.
// The promises catch it.
func TestLastTakesTheRestBreaksThePromises(t *testing.T) {
	naive := func(total int64, weights []int64) []int64 {
		parts, sum, rest := make([]int64, len(weights)), int64(0), total
		for _, w := range weights {
			sum += w
		}
		for i, w := range weights {
			parts[i] = (2*total*w + sum) / (2 * sum)
			rest -= parts[i]
		}
		parts[len(parts)-1] += rest
		return parts
	}
	weights := repeat(100, 10)
	parts := naive(15, weights)
	assert.Negative(t, parts[9], "the last line of ten would cost more than before")
	assert.NotEqual(t, wholeShares(15, exactShares(15, weights, nil)), parts)
}

func BenchmarkSplit(b *testing.B) {
	for _, n := range []int{2, 10, 100, 1000} {
		weights, ceilings, dst := make([]int64, n), make([]int64, n), make([]int64, n)
		for i := range weights {
			weights[i] = int64(1000 + i*7919%5000)
			ceilings[i] = weights[i]
			if i%3 == 1 {
				ceilings[i] /= 20
			}
		}
		total := int64(n) * 300
		split := func(limits []int64) func(*testing.B) {
			return func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ledger.Split(dst, total, weights, limits); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		b.Run(fmt.Sprintf("%dparts", n), split(nil))
		b.Run(fmt.Sprintf("%dparts_ceilings", n), split(ceilings))
	}
}

package ledger_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

func ExampleRate_Of() {
	discount := ledger.MustRate("12.5")
	off, err := discount.Of(1999, ledger.HalfUp) // of 19.99 EUR: 2.49875
	fmt.Println(discount, off, err)
	// Output:
	// 12.5% 250 <nil>
}

func ExampleParseRate() {
	_, err := ledger.ParseRate("1500")
	fmt.Println(err)
	_, err = ledger.ParseRate("0.0000001")
	fmt.Println(err)
	// Output:
	// ledger: not a rate: 1500%: want a percentage in 0..1000
	// ledger: too many decimals: "0.0000001" has 7, at most 6 are allowed
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0%", "0.000001": "0.000001%", "12.5": "12.5%", "12.50": "12.5%", "10": "10%", "100": "100%", "1000": "1000%",
	} {
		r, err := ledger.ParseRate(text)
		require.NoError(t, err)
		assert.Equal(t, want, r.String())
	}
	for text, want := range map[string]error{
		"": ledger.ErrRate, "12.5%": ledger.ErrRate, "+1": ledger.ErrRate, "1e1": ledger.ErrRate, "5.": ledger.ErrRate,
		".5": ledger.ErrRate, "-1": ledger.ErrRate, "1000.000001": ledger.ErrRate, "NaN": ledger.ErrRate, "010": ledger.ErrRate,
		"99999999999999999999999999999999": ledger.ErrRate, strings.Repeat("1", 1<<20): ledger.ErrRate,
		"0.0000010": ledger.ErrPrecision,
	} {
		r, err := ledger.ParseRate(text)
		require.ErrorIs(t, err, want, "%.40q", text)
		assert.Less(t, len(err.Error()), 200)
		assert.True(t, r.IsZero())
	}
	assert.Panics(t, func() { ledger.MustRate("-1") })
}

func TestRateFromDecimal(t *testing.T) {
	for text, want := range map[string]string{"12.5": "12.5%", "12.5000000": "12.5%", "1e3": "1000%", "0e12": "0%"} {
		r, err := ledger.RateFromDecimal(decimal.RequireFromString(text))
		require.NoError(t, err)
		assert.Equal(t, want, r.String())
	}
	for text, want := range map[string]error{
		"-0.1": ledger.ErrRate, "1000.1": ledger.ErrRate, "1e12": ledger.ErrRate, "1e13": ledger.ErrRate, "1e-13": ledger.ErrRate,
		"0.0000001": ledger.ErrPrecision,
	} {
		_, err := ledger.RateFromDecimal(decimal.RequireFromString(text))
		require.ErrorIs(t, err, want, text)
	}
}

var rates = rapid.Map(rapid.OneOf(rapid.Int64Range(0, 1_000_000_000), rapid.SampledFrom([]int64{0, 1, 50_000_000, 1_000_000_000})),
	func(millionths int64) ledger.Rate {
		r, err := ledger.RateFromDecimal(decimal.New(millionths, -6))
		if err != nil {
			panic(err)
		}
		return r
	})

func TestRateRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rates.Draw(t, "rate")
		fromDecimal, err := ledger.RateFromDecimal(want.Percent())
		require.NoError(t, err)
		require.Equal(t, want, fromDecimal)
		fromText, err := ledger.ParseRate(strings.TrimSuffix(want.String(), "%"))
		require.NoError(t, err)
		require.Equal(t, want, fromText)
		body, err := json.Marshal(want)
		require.NoError(t, err)
		var fromJSON ledger.Rate
		require.NoError(t, json.Unmarshal(body, &fromJSON))
		require.Equal(t, want, fromJSON)

		other := rates.Draw(t, "other")
		require.Equal(t, want.Percent().Cmp(other.Percent()), want.Cmp(other))
		require.Equal(t, want.Percent().IsZero(), want.IsZero())
	})
}

func TestRateRefusesJSONNumbers(t *testing.T) {
	r := ledger.MustRate("5")
	require.Error(t, json.Unmarshal([]byte(`12.5`), &r))
	require.ErrorIs(t, json.Unmarshal([]byte(`"12.5%"`), &r), ledger.ErrRate)
	assert.Equal(t, "5%", r.String(), "a failed reading leaves the value alone")
}

func TestRateOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rates.Draw(t, "rate")
		minor := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "minor")
		rounding := rapid.SampledFrom(roundings).Draw(t, "rounding")
		want := roundRat(percentOf(rate, minor), rounding)
		got, err := rate.Of(minor, rounding)
		if !want.IsInt64() {
			require.ErrorIs(t, err, ledger.ErrOverflow)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Int64(), got)
		if minor != math.MinInt64 {
			negative, err := rate.Of(-minor, rounding)
			if err == nil { // the lowest int64 has no positive
				require.Equal(t, -got, negative)
			}
		}
	})
}

func TestRateOfOverflows(t *testing.T) {
	tenfold := ledger.MustRate("1000")
	for _, minor := range []int64{math.MaxInt64/10 + 1, math.MinInt64/10 - 1, 1<<64/10 + 1, math.MaxInt64, math.MinInt64} {
		_, err := tenfold.Of(minor, ledger.HalfUp)
		require.ErrorIs(t, err, ledger.ErrOverflow, "10 × %d", minor)
	}
	got, err := tenfold.Of(math.MinInt64/10, ledger.HalfUp)
	require.NoError(t, err)
	assert.Equal(t, int64(math.MinInt64/10*10), got)
}

func TestRateOfHalves(t *testing.T) {
	half := ledger.MustRate("50")
	for minor := int64(-9); minor <= 9; minor++ {
		for _, rounding := range roundings {
			got, err := half.Of(minor, rounding)
			require.NoError(t, err)
			assert.Equal(t, roundRat(percentOf(half, minor), rounding).Int64(), got, "half of %d, %s", minor, rounding)
		}
	}
}

func percentOf(rate ledger.Rate, minor int64) *big.Rat {
	share := new(big.Rat).Quo(rate.Percent().Rat(), big.NewRat(100, 1))
	return share.Mul(share, new(big.Rat).SetInt64(minor))
}

// roundRat rounds by the words of each rounding's definition: the neighbours of
// the magnitude, and which of them is nearer.
func roundRat(x *big.Rat, rounding ledger.Rounding) *big.Int {
	size := new(big.Rat).Abs(x)
	below := new(big.Int).Quo(size.Num(), size.Denom())
	above := new(big.Int).Add(below, big.NewInt(1))
	toBelow := new(big.Rat).Sub(size, new(big.Rat).SetInt(below))
	half := toBelow.Cmp(big.NewRat(1, 2))
	result := below
	switch {
	case toBelow.Sign() == 0 || rounding == ledger.Down:
	case rounding == ledger.Up || half > 0:
		result = above
	case half == 0 && (rounding == ledger.HalfUp || (rounding == ledger.HalfEven && below.Bit(0) == 1)):
		result = above
	}
	if x.Sign() < 0 {
		result.Neg(result)
	}
	return result
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"12.5", "0", "1000", "-1", "1e3", "0.0000001", "", "5."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ledger.ParseRate(text)
		if err != nil {
			requireOneOf(t, err, ledger.ErrRate, ledger.ErrPrecision)
			require.True(t, r.IsZero())
			return
		}
		want, err := decimal.NewFromString(text)
		require.NoError(t, err)
		require.True(t, want.Equal(r.Percent()), "%s read as %s", text, r)
	})
}

func BenchmarkRateOf(b *testing.B) {
	rate := ledger.MustRate("12.5")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rate.Of(1999, ledger.HalfUp); err != nil {
			b.Fatal(err)
		}
	}
}

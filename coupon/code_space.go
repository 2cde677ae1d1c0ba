package coupon

import (
	"fmt"
	"math"
	"time"
)

// Guessing is what the codes that are out must stand up to: somebody who tries
// PerSecond codes for as long as For, and must not hit one with a chance of more
// than one in OneIn. The zero value takes the defaults, with which 1,423,359 made
// codes may be out at a time.
type Guessing struct {
	PerSecond int64         // guesses that get past the [Limiter], by everybody together; default 10
	For       time.Duration // default 30 days
	OneIn     int64         // default 1,000,000
}

// MostCodes is how many made codes may be out at a time. A guess hits one of n with
// a chance of n in 2^65.
func (g Guessing) MostCodes() int64 {
	if g.PerSecond <= 0 {
		g.PerSecond = 10
	}
	if g.For <= 0 {
		g.For = 30 * 24 * time.Hour
	}
	if g.OneIn <= 0 {
		g.OneIn = 1_000_000
	}
	guesses := math.Max(1, float64(g.PerSecond)*g.For.Seconds())
	return int64(math.Min(math.Exp2(5*codeRandom)/guesses/float64(g.OneIn), maxCodes))
}

// maxCodes bounds what can be asked for, however few guesses get through.
const maxCodes = 1_000_000_000

func (g Guessing) check(n int64) error {
	if most := g.MostCodes(); n < 0 || n > most {
		return fmt.Errorf("%w: %d codes, want 0 to %d: ask for fewer, let codes expire, or set Options.Guessing to what your limiter lets through",
			ErrCodeSpace, n, most)
	}
	return nil
}

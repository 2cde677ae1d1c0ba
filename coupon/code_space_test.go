package coupon_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
)

// Made at once, codes are what they would be made one by one.
func TestNewCodesAreThoseOfNewCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 2, 100, 4095, 4096, 4097, 9000}).Draw(t, "codes")
		seed := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "random")
		random := bytes.Repeat(seed, 13*n/len(seed)+1)
		got, err := coupon.NewCodes(bytes.NewReader(random), n)
		require.NoError(t, err)
		require.Len(t, got, n)
		one := bytes.NewReader(random)
		for _, code := range got {
			want, err := coupon.NewCode(one)
			require.NoError(t, err)
			require.Equal(t, want, code)
		}
	})
}

func TestNewCodesRefuses(t *testing.T) {
	for n, want := range map[int]error{-1: coupon.ErrCodeSpace, 2_500_000: coupon.ErrCodeSpace, 2: io.ErrUnexpectedEOF} {
		made, err := coupon.NewCodes(strings.NewReader("fourteen bytes"), n)
		require.ErrorIs(t, err, want, n)
		assert.Empty(t, made)
	}
}

func TestMostCodes(t *testing.T) {
	for _, c := range []struct {
		guessing coupon.Guessing
		most     int64
	}{
		{coupon.Guessing{}, 1_423_359},
		{coupon.Guessing{PerSecond: 10, For: 30 * 24 * time.Hour, OneIn: 1_000_000}, 1_423_359},
		{coupon.Guessing{PerSecond: -1, For: -1, OneIn: -1}, 1_423_359},
		{coupon.Guessing{PerSecond: 1}, 14_233_598},
		{coupon.Guessing{PerSecond: 1000}, 14_233},
		{coupon.Guessing{OneIn: 1000}, 1_000_000_000}, // the most that can be asked for
		{coupon.Guessing{PerSecond: 1, For: 1, OneIn: 1}, 1_000_000_000},
		{coupon.Guessing{PerSecond: 1 << 62, For: 1 << 62, OneIn: 1 << 62}, 0},
	} {
		assert.Equal(t, c.most, c.guessing.MostCodes(), c.guessing)
	}
}

// The memory a million codes take does not come piece by piece.
func TestNewCodesAllocatesInBulk(t *testing.T) {
	allocations := testing.AllocsPerRun(1, func() {
		made, err := coupon.NewCodes(rand.Reader, 100_000)
		assert.NoError(t, err)
		assert.Len(t, made, 100_000)
	})
	assert.Less(t, allocations, 36.0)
}

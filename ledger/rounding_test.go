package ledger_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
)

var roundings = []ledger.Rounding{ledger.HalfUp, ledger.HalfEven, ledger.HalfDown, ledger.Up, ledger.Down}

func ExampleRounding() {
	half := ledger.MustRate("50")
	for _, rounding := range []ledger.Rounding{ledger.HalfUp, ledger.HalfEven, ledger.HalfDown, ledger.Up, ledger.Down} {
		five, _ := half.Of(5, rounding) // 2.5
		seven, _ := half.Of(-7, rounding)
		fmt.Println(rounding, five, seven)
	}
	// Output:
	// half-up 3 -4
	// half-even 2 -4
	// half-down 2 -3
	// up 3 -4
	// down 2 -3
}

func TestRoundingText(t *testing.T) {
	for _, want := range roundings {
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got ledger.Rounding
		require.NoError(t, got.UnmarshalText(text))
		assert.Equal(t, want, got)
	}
	var zero ledger.Rounding
	assert.Equal(t, ledger.HalfUp, zero)

	none := ledger.Rounding(5)
	assert.Equal(t, "Rounding(5)", none.String())
	_, err := none.MarshalText()
	require.ErrorIs(t, err, ledger.ErrRounding)
	_, err = ledger.MustRate("1").Of(100, none)
	require.ErrorIs(t, err, ledger.ErrRounding)
	for _, text := range []string{"", "HALF-UP", "half_up", "half-up ", "Rounding(5)", "nearest"} {
		_, err := ledger.ParseRounding(text)
		require.ErrorIs(t, err, ledger.ErrRounding, "%q", text)
		require.ErrorIs(t, zero.UnmarshalText([]byte(text)), ledger.ErrRounding)
	}
}

func FuzzParseRounding(f *testing.F) {
	for _, seed := range []string{"half-up", "down", "", "Rounding(5)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ledger.ParseRounding(text)
		if err != nil {
			require.ErrorIs(t, err, ledger.ErrRounding)
			return
		}
		require.Equal(t, text, r.String())
	})
}

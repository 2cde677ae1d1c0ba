package ledger_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

var eur = ledger.MustCurrency("EUR")

func ExampleParseCurrency() {
	yen, err := ledger.ParseCurrency("JPY")
	fmt.Println(yen, yen.Exponent(), err)
	_, err = ledger.ParseCurrency("eur")
	fmt.Println(err)
	// Output:
	// JPY 0 <nil>
	// ledger: not a currency: "eur": want a code of ISO 4217 with a minor unit, as in "EUR", or a unit with its decimals, as in "PTS:0"
}

func ExampleUnit() {
	points, err := ledger.Unit("PTS", 0)
	text, _ := points.MarshalText()
	fmt.Println(points, string(text), err)
	fmt.Println(ledger.Minor(250, points))
	_, err = ledger.Unit("EUR", 2)
	fmt.Println(err)
	// Output:
	// PTS PTS:0 <nil>
	// 250 PTS
	// ledger: not a currency: EUR is a currency of ISO 4217 already: choose another code for the unit
}

func TestParseCurrency(t *testing.T) {
	for text, exponent := range map[string]int{
		"EUR": 2, "JPY": 0, "ISK": 0, "BHD": 3, "IQD": 3, "CLF": 4, "UYW": 4, "MRU": 2, "MGA": 2,
		"RSD": 2, "PKR": 2, "COP": 2, "XOF": 0, "XCG": 2, "HRK": 2, "BGN": 2, "BYR": 0,
		"PTS:0": 0, "MILES:3": 3, "A0:6": 6, "ABCDEFG:1": 1,
	} {
		c, err := ledger.ParseCurrency(text)
		require.NoError(t, err, text)
		assert.Equal(t, exponent, c.Exponent(), text)
		back, err := c.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, text, string(back))
	}
	for _, text := range []string{
		"", "eur", "EUR ", " EUR", "EU", "EURO", "ЕUR", "XAU", "XXX", "XTS", "XDR", "DEM", "ZZZ", "PTS",
		"EUR:2", "EUR:3", "PTS:", "PTS:7", "PTS:-1", "PTS:00", "PTS:0:0", "P:0", "ABCDEFGH:0", "1PTS:0", "pts:0", ":0",
		"P\x00S:0",
	} {
		c, err := ledger.ParseCurrency(text)
		require.ErrorIs(t, err, ledger.ErrCurrency, "%q", text)
		assert.True(t, c.IsZero())
	}
	assert.Panics(t, func() { ledger.MustCurrency("EURO") })
}

func TestUnit(t *testing.T) {
	for _, exponent := range []int{-1, 7, 256} {
		_, err := ledger.Unit("PTS", exponent)
		require.ErrorIs(t, err, ledger.ErrCurrency)
	}
	none, err := ledger.Unit("PTS", 0)
	require.NoError(t, err)
	two, err := ledger.Unit("PTS", 2)
	require.NoError(t, err)
	assert.NotEqual(t, none, two)
}

func TestNoCurrency(t *testing.T) {
	var none ledger.Currency
	assert.True(t, none.IsZero())
	assert.Empty(t, none.Code())
	assert.Empty(t, none.String())
	assert.Zero(t, none.Exponent())

	document := struct{ C ledger.Currency }{eur}
	require.NoError(t, json.Unmarshal([]byte(`{"C":""}`), &document))
	assert.True(t, document.C.IsZero())
	body, err := json.Marshal(document)
	require.NoError(t, err)
	assert.JSONEq(t, `{"C":""}`, string(body))
}

func TestCurrencyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := currencies.Draw(t, "currency")
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got ledger.Currency
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
}

// currencies draws some of ISO 4217 with each number of decimals, and own units.
var currencies = rapid.OneOf(
	rapid.Map(rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD", "CLF", "HRK"}), ledger.MustCurrency),
	rapid.Custom(func(t *rapid.T) ledger.Currency {
		code := rapid.StringMatching(`[A-Z][A-Z0-9]{3,6}`).Draw(t, "code")
		c, err := ledger.Unit(code, rapid.IntRange(0, 6).Draw(t, "exponent"))
		require.NoError(t, err)
		return c
	}),
)

func FuzzParseCurrency(f *testing.F) {
	for _, seed := range []string{"EUR", "PTS:0", "eur", "", "XAU", "EUR:2", "ABCDEFGH:9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ledger.ParseCurrency(text)
		if err != nil {
			require.ErrorIs(t, err, ledger.ErrCurrency)
			require.True(t, c.IsZero())
			return
		}
		back, err := c.MarshalText()
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	})
}

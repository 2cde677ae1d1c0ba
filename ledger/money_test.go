package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

func ExampleParseMoney() {
	eur := ledger.MustCurrency("EUR")
	price, err := ledger.ParseMoney("19.99", eur)
	fmt.Println(price, price.Minor(), err)
	_, err = ledger.ParseMoney("19.999", eur)
	fmt.Println(err)
	// Output:
	// 19.99 EUR 1999 <nil>
	// ledger: too many decimals: "19.999" has 3, at most 2 are allowed in EUR
}

func ExampleFromDecimal() {
	eur, yen := ledger.MustCurrency("EUR"), ledger.MustCurrency("JPY")
	price, err := ledger.FromDecimal(decimal.RequireFromString("19.9900"), eur)
	fmt.Println(price, price.Decimal(), err)
	_, err = ledger.FromDecimal(decimal.RequireFromString("19.99"), yen)
	fmt.Println(err)
	// Output:
	// 19.99 EUR 19.99 <nil>
	// ledger: too many decimals: 19.99, at most 0 are allowed in JPY
}

func ExampleMoney_Add() {
	eur, usd := ledger.MustCurrency("EUR"), ledger.MustCurrency("USD")
	sum, err := ledger.MustMoney("19.99", eur).Add(ledger.Minor(1, eur))
	fmt.Println(sum, err)
	_, err = sum.Add(ledger.MustMoney("5", usd))
	fmt.Println(err)
	// Output:
	// 20.00 EUR <nil>
	// ledger: the currencies differ: 20.00 EUR and 5.00 USD: convert one of them before
}

func ExampleMoney_MarshalJSON() {
	body, err := json.Marshal(ledger.MustMoney("19.9", ledger.MustCurrency("EUR")))
	fmt.Println(string(body), err)
	var m ledger.Money
	fmt.Println(json.Unmarshal([]byte(`{"amount":19.99,"Currency":"EUR"}`), &m))
	// Output:
	// {"amount":"19.90","currency":"EUR"} <nil>
	// ledger: not an amount of money: want {"amount":"19.99","currency":"EUR"}: member "amount" is not a string
	// unknown member "Currency"
	// member "currency" is missing
}

func TestParseMoney(t *testing.T) {
	for text, minor := range map[string]int64{
		"0": 0, "-0": 0, "0.00": 0, "5": 500, "-5": -500, "0.5": 50, "0.05": 5, "-0.05": -5, "19.99": 1999,
		"92233720368547758.07": math.MaxInt64, "-92233720368547758.08": math.MinInt64,
	} {
		m, err := ledger.ParseMoney(text, eur)
		require.NoError(t, err)
		assert.Equal(t, ledger.Minor(minor, eur), m, text)
	}
	for text, want := range map[string]error{
		"": ledger.ErrAmount, "-": ledger.ErrAmount, ".": ledger.ErrAmount, "5.": ledger.ErrAmount, ".5": ledger.ErrAmount,
		"+5": ledger.ErrAmount, "--5": ledger.ErrAmount, "1e3": ledger.ErrAmount, "1E3": ledger.ErrAmount, "007": ledger.ErrAmount,
		"-01": ledger.ErrAmount, " 5": ledger.ErrAmount, "5 ": ledger.ErrAmount, "5\n": ledger.ErrAmount, "1,50": ledger.ErrAmount,
		"1_000": ledger.ErrAmount, "1.2.3": ledger.ErrAmount, "1.-2": ledger.ErrAmount, "0x10": ledger.ErrAmount, "٣": ledger.ErrAmount,
		"NaN": ledger.ErrAmount, "Inf": ledger.ErrAmount, "5\x00": ledger.ErrAmount, "€5": ledger.ErrAmount,
		"0.000": ledger.ErrPrecision, "1.999": ledger.ErrPrecision,
		"92233720368547758.08": ledger.ErrOverflow, "-92233720368547758.09": ledger.ErrOverflow,
		"184467440737095516.16": ledger.ErrOverflow, "399999999999999999.99": ledger.ErrOverflow, "1844674407370955161600": ledger.ErrOverflow,
		"9999999999999999999999999999999999999999": ledger.ErrOverflow,
	} {
		m, err := ledger.ParseMoney(text, eur)
		require.ErrorIs(t, err, want, "%q", text)
		assert.Equal(t, ledger.Money{}, m)
	}
	_, err := ledger.ParseMoney("5", ledger.Currency{})
	require.ErrorIs(t, err, ledger.ErrCurrency)
	assert.Panics(t, func() { ledger.MustMoney("5.", eur) })
}

func TestFromDecimal(t *testing.T) {
	for text, minor := range map[string]int64{
		"0": 0, "0e12": 0, "0e-12": 0, "19.99": 1999, "-19.990000": -1999, "2e1": 2000, "5.": 500,
		"90000000000000000": 9_000_000_000_000_000_000, "9e12": 900_000_000_000_000,
		"10000000.000000000000": 1_000_000_000, "-92233720368547758.080": math.MinInt64, "92233720368547758.0700000000": math.MaxInt64,
		"92233720368547758.0": math.MaxInt64 - 7, "-92233720368547758.0": math.MinInt64 + 8,
		"50000000000000000.000000000000": 5_000_000_000_000_000_000, // a coefficient of 96 bits
	} {
		m, err := ledger.FromDecimal(decimal.RequireFromString(text), eur)
		require.NoError(t, err, text)
		assert.Equal(t, ledger.Minor(minor, eur), m, text)
	}
	for text, want := range map[string]error{
		"0.001": ledger.ErrPrecision, "19.999": ledger.ErrPrecision, "10000000.000000000001": ledger.ErrPrecision,
		"92233720368547758.08": ledger.ErrOverflow, "-92233720368547758.09": ledger.ErrOverflow,
		"10000000000000000000": ledger.ErrOverflow, "123456789e12": ledger.ErrOverflow,
		"1e13": ledger.ErrAmount, "1e-13": ledger.ErrAmount, "0e13": ledger.ErrAmount, "79228162514264337593543950336": ledger.ErrAmount,
	} {
		m, err := ledger.FromDecimal(decimal.RequireFromString(text), eur)
		require.ErrorIs(t, err, want, text)
		assert.Equal(t, ledger.Money{}, m)
	}
	_, err := ledger.FromDecimal(decimal.New(5, 0), ledger.Currency{})
	require.ErrorIs(t, err, ledger.ErrCurrency)
	m, err := ledger.FromDecimal(decimal.Decimal{}, eur)
	require.NoError(t, err)
	assert.Equal(t, ledger.Minor(0, eur), m)
}

// Decimals that hung or wrapped in programs that took them as they came.
func TestIncidentDecimals(t *testing.T) {
	for name, d := range map[string]decimal.Decimal{
		"an exponent of a thousand million":  decimal.New(1, 1_000_000_000),
		"the lowest exponent":                decimal.New(1, math.MinInt32),
		"2^65+1234, which reads as 1234":     decimal.NewFromBigInt(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 65), big.NewInt(1234)), 0),
		"three million bits":                 decimal.NewFromBigInt(new(big.Int).Lsh(big.NewInt(1), 3_000_000), 0),
		"three million bits, below zero":     decimal.NewFromBigInt(new(big.Int).Lsh(big.NewInt(-1), 3_000_000), -12),
		"10^19, whose IntPart wraps":         decimal.New(1, 19),
		"3e9 × 4e9, which wraps when scaled": decimal.NewFromInt(3_000_000_000).Mul(decimal.NewFromInt(4_000_000_000)),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ledger.FromDecimal(d, eur)
			require.Error(t, err)
			assert.Equal(t, ledger.Money{}, m)
			assert.Less(t, len(err.Error()), 200)
			_, err = ledger.RateFromDecimal(d)
			require.ErrorIs(t, err, ledger.ErrRate)
		})
	}
}

func TestIncidentTexts(t *testing.T) {
	for name, text := range map[string]string{
		"an exponent of a thousand million": "1e1000000000",
		"a megabyte of digits":              strings.Repeat("9", 1<<20),
		"a megabyte of zeros":               strings.Repeat("0", 1<<20),
		"a typographic minus":               "\u22125",
		"not a number":                      "NaN",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ledger.ParseMoney(text, eur)
			require.ErrorIs(t, err, ledger.ErrAmount)
			assert.Less(t, len(err.Error()), 200)
			_, err = ledger.ParseRate(text)
			require.ErrorIs(t, err, ledger.ErrRate)
		})
	}
}

func TestMoneyText(t *testing.T) {
	bhd, jpy, pts := ledger.MustCurrency("BHD"), ledger.MustCurrency("JPY"), ledger.MustCurrency("PTS:0")
	for want, m := range map[string]ledger.Money{
		"19.90 EUR": ledger.Minor(1990, eur), "-0.05 EUR": ledger.Minor(-5, eur), "0.00 EUR": ledger.Minor(0, eur),
		"0.005 BHD": ledger.Minor(5, bhd), "1999 JPY": ledger.Minor(1999, jpy), "-7 PTS": ledger.Minor(-7, pts), "0": {},
		"-92233720368547758.08 EUR": ledger.Minor(math.MinInt64, eur),
	} {
		assert.Equal(t, want, m.String())
	}
}

// monies draws amounts of every size, in every kind of currency.
var monies = rapid.Custom(func(t *rapid.T) ledger.Money {
	minor := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
	return ledger.Minor(minor.Draw(t, "minor"), currencies.Draw(t, "currency"))
})

func TestMoneyRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := monies.Draw(t, "money")
		fromText, err := ledger.ParseMoney(want.Amount(), want.Currency())
		require.NoError(t, err)
		require.Equal(t, want, fromText)

		fromDecimal, err := ledger.FromDecimal(want.Decimal(), want.Currency())
		require.NoError(t, err)
		require.Equal(t, want, fromDecimal)
		require.Equal(t, want.Decimal().StringFixed(int32(want.Currency().Exponent())), want.Amount())

		body, err := json.Marshal(want)
		require.NoError(t, err)
		var fromJSON ledger.Money
		require.NoError(t, json.Unmarshal(body, &fromJSON))
		require.Equal(t, want, fromJSON)

		require.Equal(t, want.Decimal().Sign(), want.Sign())
		require.Equal(t, want.Minor() == 0, want.IsZero())
	})
}

func TestParseMoneyIsExactOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := currencies.Draw(t, "currency")
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,8})?`).Draw(t, "text")
		m, err := ledger.ParseMoney(text, c)
		_, decimals, _ := strings.Cut(text, ".")
		digits := strings.Replace(text, ".", "", 1) + strings.Repeat("0", max(0, c.Exponent()-len(decimals)))
		minor, ok := new(big.Int).SetString(digits, 10)
		require.True(t, ok)
		switch {
		case len(decimals) > c.Exponent():
			require.ErrorIs(t, err, ledger.ErrPrecision)
		case !minor.IsInt64():
			require.ErrorIs(t, err, ledger.ErrOverflow)
		default:
			require.NoError(t, err)
			require.Equal(t, ledger.Minor(minor.Int64(), c), m)
		}
	})
}

func TestFromDecimalIsExactOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coefficient := new(big.Int).Mul(big.NewInt(rapid.Int64().Draw(t, "a")), big.NewInt(rapid.SampledFrom([]int64{1, 100, 1e9, 1e12, math.MaxInt64}).Draw(t, "b")))
		d := decimal.NewFromBigInt(coefficient, rapid.Int32Range(-14, 14).Draw(t, "exponent"))
		c := currencies.Draw(t, "currency")
		m, err := ledger.FromDecimal(d, c)
		scaled := new(big.Rat).Mul(d.Rat(), decimal.New(1, int32(c.Exponent())).Rat())
		switch {
		case d.Exponent() < -12 || d.Exponent() > 12 || coefficient.BitLen() > 96:
			require.ErrorIs(t, err, ledger.ErrAmount)
		case !scaled.IsInt():
			require.ErrorIs(t, err, ledger.ErrPrecision)
		case !scaled.Num().IsInt64():
			require.ErrorIs(t, err, ledger.ErrOverflow)
		default:
			require.NoError(t, err)
			require.Equal(t, ledger.Minor(scaled.Num().Int64(), c), m)
		}
	})
}

func TestArithmetic(t *testing.T) {
	interesting := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, 1 << 32, -1 << 32, 3_000_000_000, 4_000_000_000}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := interesting.Draw(t, "a"), interesting.Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		agree := func(want *big.Int, got int64, err error) {
			t.Helper()
			if !want.IsInt64() {
				require.ErrorIs(t, err, ledger.ErrOverflow)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want.Int64(), got)
		}
		sum, err := ledger.Sum(a, b)
		agree(new(big.Int).Add(x, y), sum, err)
		difference, err := ledger.Difference(a, b)
		agree(new(big.Int).Sub(x, y), difference, err)
		product, err := ledger.Product(a, b)
		agree(new(big.Int).Mul(x, y), product, err)

		m, n := ledger.Minor(a, eur), ledger.Minor(b, eur)
		added, err := m.Add(n)
		agree(new(big.Int).Add(x, y), added.Minor(), err)
		subtracted, err := m.Sub(n)
		agree(new(big.Int).Sub(x, y), subtracted.Minor(), err)
		negative, err := m.Neg()
		agree(new(big.Int).Neg(x), negative.Minor(), err)
		compared, err := m.Cmp(n)
		require.NoError(t, err)
		require.Equal(t, x.Cmp(y), compared)
	})
}

func TestCurrenciesDoNotMix(t *testing.T) {
	two, err := ledger.Unit("PTS", 2)
	require.NoError(t, err)
	amounts := []ledger.Money{
		{}, ledger.Minor(0, eur), ledger.Minor(0, ledger.MustCurrency("USD")), ledger.Minor(0, two), ledger.Minor(0, ledger.MustCurrency("PTS:0")),
	}
	for i, m := range amounts {
		for j, n := range amounts {
			_, addErr := m.Add(n)
			_, subErr := m.Sub(n)
			_, cmpErr := m.Cmp(n)
			for _, err := range []error{addErr, subErr, cmpErr} {
				if i == j {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, ledger.ErrCurrencyMismatch)
				}
			}
		}
	}
}

func TestMoneyJSON(t *testing.T) {
	for text, want := range map[string]ledger.Money{
		`{"amount":"19.99","currency":"EUR"}`:              ledger.Minor(1999, eur),
		" {\n\"currency\" : \"EUR\", \"amount\" : \"5\" }": ledger.Minor(500, eur),
		`{"amount":"7","currency":"PTS:0"}`:                ledger.Minor(7, ledger.MustCurrency("PTS:0")),
		`{"amount":"0","currency":""}`:                     {},
	} {
		var m ledger.Money
		require.NoError(t, json.Unmarshal([]byte(text), &m), text)
		assert.Equal(t, want, m)
	}
	for text, want := range map[string]error{
		`null`: ledger.ErrAmount, `5`: ledger.ErrAmount, `"5 EUR"`: ledger.ErrAmount, `[]`: ledger.ErrAmount, `{}`: ledger.ErrAmount,
		`{"amount":"5"}`:                                        ledger.ErrAmount,
		`{"currency":"EUR"}`:                                    ledger.ErrAmount,
		`{"amount":5,"currency":"EUR"}`:                         ledger.ErrAmount,
		`{"amount":null,"currency":"EUR"}`:                      ledger.ErrAmount,
		`{"amount":{"amount":"5"},"currency":"EUR"}`:            ledger.ErrAmount,
		`{"amount":"5","amount":"5","currency":"EUR"}`:          ledger.ErrAmount,
		`{"amount":"5","\u0061mount":"6","currency":"EUR"}`:     ledger.ErrAmount,
		`{"Amount":"5","currency":"EUR"}`:                       ledger.ErrAmount,
		`{"amount":"5","currency":"EUR","note":""}`:             ledger.ErrAmount,
		`{"amount":"5.","currency":"EUR"}`:                      ledger.ErrAmount,
		`{"amount":"5.001","currency":"EUR"}`:                   ledger.ErrPrecision,
		`{"amount":"99999999999999999999","currency":"EUR"}`:    ledger.ErrOverflow,
		`{"amount":"5","currency":"eur"}`:                       ledger.ErrCurrency,
		`{"amount":"5","currency":""}`:                          ledger.ErrCurrency,
		`{"amount":"5","currency":"PTS"}`:                       ledger.ErrCurrency,
		`{"amount":"5",` + strings.Repeat(" ", 1024) + `"a":1}`: ledger.ErrAmount,
	} {
		m := ledger.Minor(1, eur)
		require.ErrorIs(t, json.Unmarshal([]byte(text), &m), want, text)
		assert.Equal(t, ledger.Minor(1, eur), m, "a failed reading leaves the value alone")
	}
	for _, text := range []string{``, `{`, `{"amount"`, `{"amount":"5","currency":"EUR"} {}`, `{"amount":"5","currency":"EUR"`, `{"amount":"5",}`} {
		var m ledger.Money
		require.ErrorIs(t, m.UnmarshalJSON([]byte(text)), ledger.ErrAmount, text)
	}
	for _, size := range []int{1024, 1025} {
		var m ledger.Money
		text := `{"amount":"5","currency":"EUR"}`
		err := m.UnmarshalJSON([]byte(text[:1] + strings.Repeat(" ", size-len(text)) + text[1:]))
		assert.Equal(t, size <= 1024, err == nil, "%d bytes: %v", size, err)
	}
	_, err := json.Marshal(ledger.Minor(5, ledger.Currency{}))
	require.ErrorIs(t, err, ledger.ErrCurrency)
}

func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"19.99", "-0.05", "0", "1e3", "+1", "5.", "\u22125", "92233720368547758.08", "007", ""} {
		f.Add(seed, "EUR")
	}
	f.Add("5", "PTS:0")
	f.Fuzz(func(t *testing.T, text, code string) {
		c, err := ledger.ParseCurrency(code)
		if err != nil {
			t.Skip()
		}
		m, err := ledger.ParseMoney(text, c)
		if err != nil {
			requireOneOf(t, err, ledger.ErrAmount, ledger.ErrPrecision, ledger.ErrOverflow)
			require.Equal(t, ledger.Money{}, m)
			return
		}
		want, err := decimal.NewFromString(text)
		require.NoError(t, err)
		require.True(t, want.Equal(m.Decimal()), "%s read as %s", text, m)
	})
}

func requireOneOf(t *testing.T, err error, sentinels ...error) {
	t.Helper()
	require.True(t, slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) }), "untyped: %v", err)
}

func FuzzMoneyUnmarshalJSON(f *testing.F) {
	for _, seed := range []string{
		`{"amount":"19.99","currency":"EUR"}`, `{"amount":"0","currency":""}`, `{"amount":"7","currency":"PTS:0"}`,
		`{"amount":5,"currency":"EUR"}`, `null`, `{"amount":"5","amount":"5","currency":"EUR"}`, `{"amount":"5","currency":"EUR"}x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, again ledger.Money
		if err := m.UnmarshalJSON(data); err != nil {
			requireOneOf(t, err, ledger.ErrAmount, ledger.ErrPrecision, ledger.ErrOverflow, ledger.ErrCurrency)
			require.Equal(t, ledger.Money{}, m)
			return
		}
		require.True(t, json.Valid(data))
		body, err := m.MarshalJSON()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalJSON(body))
		require.Equal(t, m, again)
	})
}

func BenchmarkFromDecimal(b *testing.B) {
	d := decimal.RequireFromString("19.99")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ledger.FromDecimal(d, eur); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMoneyDecimal(b *testing.B) {
	m := ledger.Minor(1999, eur)
	var last decimal.Decimal
	b.ReportAllocs()
	for b.Loop() {
		last = m.Decimal()
	}
	require.Equal(b, "19.99", last.String())
}

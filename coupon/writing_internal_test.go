package coupon

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// fill sets every member of a struct, at any depth, to something or to nothing: a member
// that is added later is filled as well.
func fill(r *rand.Rand, v reflect.Value) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Interface().(type) {
	case ledger.Currency:
		v.Set(reflect.ValueOf(currencyOf(r)))
		return
	case ledger.Money:
		v.Set(reflect.ValueOf(ledger.Minor(r.Int64()-r.Int64(), currencyOf(r))))
		return
	case Restore:
		v.SetUint(r.Uint64N(uint64(len(restoreNames))))
		return
	case Below:
		v.SetUint(r.Uint64N(uint64(len(belowNames))))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(r, v.Field(i))
			}
		}
	case reflect.Uint8:
		v.SetUint(r.Uint64N(256))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range r.IntN(3) {
			v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key <%d>", i)), reflect.ValueOf("é\n"))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.String:
		v.SetString([]string{"", "a", "é & \"b\"", "<\\>", "\u2028\x00\xff"}[r.IntN(5)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(5) - 2)
	default:
		panic("coupon: fill does not know " + v.Type().String())
	}
}

func currencyOf(r *rand.Rand) ledger.Currency {
	return ledger.MustCurrency([]string{"EUR", "JPY", "KWD", "PTS:0", "POINTS:3"}[r.IntN(5)])
}

// TestBodiesAreWrittenAsByEncodingJSON: what writes itself does so byte for byte as its
// tags say, every member at any depth.
func TestBodiesAreWrittenAsByEncodingJSON(t *testing.T) {
	same := func(t require.TestingT, tagged any, writer interface{ WriteMembers(*jsonbody.Writer) }) {
		want, err := json.Marshal(tagged)
		require.NoError(t, err)
		var w jsonbody.Writer
		w.Open("", '{')
		writer.WriteMembers(&w)
		w.Close('}')
		require.NoError(t, w.Err())
		require.Equal(t, string(want), string(w.Text))
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var body redemptionBody
		fill(r, reflect.ValueOf(&body).Elem())
		same(t, body, &body)
		for _, b := range []interface{ WriteMembers(*jsonbody.Writer) }{new(couponBody), new(codeBody), new(issueBody)} {
			fill(r, reflect.ValueOf(b).Elem())
			same(t, b, b)
		}
		for range r.IntN(3) {
			amounts := make(Amounts, 0, 2)
			for _, code := range []string{"EUR", "POINTS:3"}[:r.IntN(3)] {
				amounts = append(amounts, ledger.Minor(r.Int64N(MaxTotal)-r.Int64N(MaxTotal), ledger.MustCurrency(code)))
			}
			var w jsonbody.Writer
			WriteAmounts(&w, "", amounts)
			want, err := json.Marshal(amounts)
			require.NoError(t, err)
			require.Equal(t, string(want), string(w.Text))
		}
		var quoted priced
		fill(r, reflect.ValueOf(&quoted).Elem())
		same(t, quoted, &quoted)
	})
}

// Amounts that are none say so, written either way.
func TestAmountsThatAreNoneAreNotWritten(t *testing.T) {
	eur := ledger.MustCurrency("EUR")
	for _, a := range []Amounts{{ledger.Money{}}, {ledger.Minor(MaxTotal, eur)}, {ledger.Minor(1, eur), ledger.Minor(2, eur)}} {
		_, err := json.Marshal(a)
		require.Error(t, err)
		var w jsonbody.Writer
		WriteAmounts(&w, "", a)
		require.Error(t, w.Err(), "%v", a)
	}
}

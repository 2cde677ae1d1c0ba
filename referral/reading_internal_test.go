package referral

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// drawBody fills a body at random: texts plain and with escapes, numbers of any size,
// lists and pointers, there or not.
func drawBody(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case ledger.Currency:
		currency, err := ledger.ParseCurrency(rapid.SampledFrom([]string{"EUR", "JPY", "PTS:0"}).Draw(t, "currency"))
		require.NoError(t, err)
		v.Set(reflect.ValueOf(currency))
		return
	case coupon.Amounts:
		var amounts coupon.Amounts
		for _, code := range []string{"EUR", "KWD"}[:rapid.IntRange(0, 2).Draw(t, "amounts")] {
			currency, _ := ledger.ParseCurrency(code)
			amounts = append(amounts, ledger.Minor(rapid.Int64Range(1, 1<<40).Draw(t, "minor"), currency))
		}
		v.Set(reflect.ValueOf(amounts))
		return
	}
	switch v.Kind() {
	case reflect.String:
		text := rapid.OneOf(rapid.StringMatching(`[a-z0-9/]{0,12}`), rapid.String()).Draw(t, "text")
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Int64Range(0, 1e16), rapid.Int64()).Draw(t, "number"))
		if v.Type() == reflect.TypeFor[span]() {
			v.SetInt(rapid.Int64Range(0, 1000).Draw(t, "hours") * 3600e9)
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "is"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			drawBody(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 3).Draw(t, "n"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			drawBody(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				drawBody(t, v.Field(i))
			}
		}
	}
}

// plainBody has only plain texts and numbers: such a body must be read in the fast way.
func plainBody(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		text, err := json.Marshal(v.String())
		return err == nil && string(text) == `"`+v.String()+`"`
	case reflect.Int, reflect.Int64:
		return v.Int() > -1e18 && v.Int() < 1e18
	case reflect.Pointer:
		return v.IsNil() || plainBody(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if !plainBody(v.Index(i)) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && !plainBody(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// readers are the bodies that read themselves.
var readers = map[string]func() interface{ ReadMember(name, value []byte) bool }{
	"referral": func() interface{ ReadMember(name, value []byte) bool } { return new(referralBody) },
	"reward":   func() interface{ ReadMember(name, value []byte) bool } { return new(rewardBody) },
	"member":   func() interface{ ReadMember(name, value []byte) bool } { return new(memberBody) },
	"head":     func() interface{ ReadMember(name, value []byte) bool } { return new(headBody) },
}

// Bodies that read themselves read what encoding/json reads, and leave to it what is not
// plain, whatever is changed in a text.
func TestBodiesReadThemselves(t *testing.T) {
	for name, empty := range readers {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body, fast, slow := empty(), empty(), empty()
				drawBody(t, reflect.ValueOf(body).Elem())
				text, err := json.Marshal(body)
				require.NoError(t, err)
				whole := jsonbody.Members(text, fast.ReadMember)
				if plainBody(reflect.ValueOf(body).Elem()) {
					require.True(t, whole, "%s", text)
				}
				if rapid.Bool().Draw(t, "changed") {
					at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
					text[at] = rapid.SampledFrom([]byte(`{}[]",:\ 01-en`)).Draw(t, "to")
					fast = empty()
					whole = jsonbody.Members(text, fast.ReadMember)
				}
				if whole {
					require.NoError(t, json.Unmarshal(text, slow), "%s", text)
					assert.Equal(t, slow, fast, "%s", text)
				}
			})
		})
	}
}

// A member that a body gets later must be read by it too.
func TestBodiesReadAllTheirMembers(t *testing.T) {
	for name, empty := range readers {
		body := empty()
		fill(reflect.ValueOf(body).Elem())
		text, err := json.Marshal(body)
		require.NoError(t, err)
		read := empty()
		require.True(t, jsonbody.Members(text, read.ReadMember), "teach ReadMember of a %s what is new in it: %s", name, text)
		assert.Equal(t, body, read, name)
	}
}

// Bodies that write themselves do so byte for byte as their tags say: whatever is in them,
// and with every member there is.
func TestBodiesWriteThemselves(t *testing.T) {
	written := 0
	for name, empty := range readers {
		if _, writes := empty().(bodyWriter); !writes {
			continue
		}
		written++
		same := func(t require.TestingT, body any) {
			want, err := json.Marshal(body)
			require.NoError(t, err)
			var w jsonbody.Writer
			w.Open("", '{')
			body.(bodyWriter).WriteMembers(&w)
			w.Close('}')
			require.NoError(t, w.Err())
			require.Equal(t, string(want), string(w.Text))
		}
		t.Run(name, func(t *testing.T) {
			full := empty()
			fill(reflect.ValueOf(full).Elem())
			same(t, full)
			same(t, empty())
			rapid.Check(t, func(t *rapid.T) {
				body := empty()
				drawBody(t, reflect.ValueOf(body).Elem())
				same(t, body)
			})
		})
	}
	require.Equal(t, 2, written, "a referral and a reward")
}

type bodyWriter interface{ WriteMembers(*jsonbody.Writer) }

// fill sets everything in a body.
func fill(v reflect.Value) {
	eur := ledger.MustCurrency("EUR")
	switch v.Interface().(type) {
	case ledger.Currency:
		v.Set(reflect.ValueOf(eur))
		return
	case coupon.Amounts:
		v.Set(reflect.ValueOf(coupon.Amounts{ledger.Minor(500, eur)}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Int, reflect.Int64:
		v.SetInt(3600e9)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	}
}

package coupon

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

type bodyReader interface {
	ReadMember(name, value []byte) bool
}

// readers make the bodies that read themselves.
var readers = map[string]func() bodyReader{
	"redemption": func() bodyReader { return new(redemptionBody) },
	"coupon":     func() bodyReader { return new(couponBody) },
	"code":       func() bodyReader { return new(codeBody) },
}

// fillPlain sets every member of a struct, at any depth, to something plain.
func fillPlain(v reflect.Value) {
	switch v.Interface().(type) {
	case ledger.Currency:
		v.Set(reflect.ValueOf(ledger.MustCurrency("EUR")))
		return
	case Restore, Below:
		v.SetUint(1)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillPlain(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillPlain(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillPlain(v.Elem())
	case reflect.String:
		v.SetString("é, a")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-12)
	case reflect.Uint8:
		v.SetUint(255)
	default:
		panic("coupon: fillPlain does not know " + v.Type().String())
	}
}

// A member that a body gets later must be read by it too.
func TestBodiesReadAllTheirMembers(t *testing.T) {
	for name, empty := range readers {
		for _, full := range []bool{true, false} {
			body, read := empty(), empty()
			if full {
				fillPlain(reflect.ValueOf(body).Elem())
			}
			text, err := json.Marshal(body)
			require.NoError(t, err)
			if name == "redemption" && !full { // which always has a currency
				continue
			}
			require.True(t, jsonbody.Members(text, read.ReadMember), "teach ReadMember of a %s what is new in it: %s", name, text)
			require.Equal(t, body, read, name)
		}
	}
}

// Bodies that read themselves read what encoding/json reads, and leave to it what is not
// plain, whatever is changed in a text.
func TestBodiesReadWhatEncodingJSONReads(t *testing.T) {
	for name, empty := range readers {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body, fast, slow := empty(), empty(), empty()
				if rapid.Bool().Draw(t, "plain") {
					fillPlain(reflect.ValueOf(body).Elem())
				} else {
					fill(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), reflect.ValueOf(body).Elem())
				}
				text, err := json.Marshal(body)
				require.NoError(t, err)
				for range rapid.IntRange(0, 2).Draw(t, "changes") {
					at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
					text[at] = rapid.SampledFrom([]byte(`{}[]",:\ 01-en`)).Draw(t, "to")
				}
				if jsonbody.Members(text, fast.ReadMember) {
					require.NoError(t, json.Unmarshal(text, slow), "%s", text)
					require.Equal(t, slow, fast, "%s", text)
				}
			})
		})
	}
}

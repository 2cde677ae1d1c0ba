package jsonbody_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// written has a member of each kind.
type written struct {
	Text    string            `json:"text"`
	Maybe   string            `json:"maybe,omitempty"`
	Number  int64             `json:"number"`
	NotZero int64             `json:"not_zero,omitempty"`
	Bool    bool              `json:"bool"`
	True    bool              `json:"true,omitempty"`
	Strings []string          `json:"strings"`
	Inner   []inner           `json:"inner"`
	Other   map[string]string `json:"other"`
}

type inner struct {
	Text string `json:"text"`
}

type fastWritten written

func (v *fastWritten) WriteMembers(w *jsonbody.Writer) {
	w.String("text", v.Text)
	w.StringUnlessEmpty("maybe", v.Maybe)
	w.Int("number", v.Number)
	w.IntUnlessZero("not_zero", v.NotZero)
	w.Bool("bool", v.Bool)
	w.TrueOnly("true", v.True)
	jsonbody.WriteStrings(w, "strings", v.Strings)
	jsonbody.WriteObjects(w, "inner", v.Inner, func(w *jsonbody.Writer, i *inner) { w.String("text", i.Text) })
	jsonbody.WriteMap(w, "other", v.Other)
}

func writtenValues() *rapid.Generator[written] {
	return rapid.Custom(func(t *rapid.T) written {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a<>&\"\\\x00\x1f\x7f\u2028\u2029é"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		v := written{
			Text: text.Draw(t, "text"), Maybe: text.Draw(t, "maybe"), Number: rapid.Int64().Draw(t, "number"),
			NotZero: rapid.Int64Range(-1, 1).Draw(t, "not zero"), Bool: rapid.Bool().Draw(t, "bool"), True: rapid.Bool().Draw(t, "true"),
		}
		if rapid.Bool().Draw(t, "lists") {
			v.Strings = rapid.SliceOf(text).Draw(t, "strings")
			v.Other = rapid.MapOf(text, text).Draw(t, "other")
			for _, s := range v.Strings {
				v.Inner = append(v.Inner, inner{s})
			}
		}
		return v
	})
}

// TestWriterIsEncodingJSON: the same bytes, and the same document of either codec.
func TestWriterIsEncodingJSON(t *testing.T) {
	slow, fast := storage.NewCodec[written](3), storage.NewCodec[fastWritten](3)
	rapid.Check(t, func(t *rapid.T) {
		v := writtenValues().Draw(t, "value")
		var w jsonbody.Writer
		w.Open("", '{')
		(*fastWritten)(&v).WriteMembers(&w)
		w.Close('}')
		require.NoError(t, w.Err())
		want, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, string(want), string(w.Text))

		a, err := slow.Put(storage.Record[written]{Value: v}, 0)
		require.NoError(t, err)
		b, err := fast.Put(storage.Record[fastWritten]{Value: fastWritten(v)}, 0)
		require.NoError(t, err)
		require.Equal(t, string(a.Body), string(b.Body))
	})
}

type unwritable struct{ N float64 }

func (u *unwritable) WriteMembers(w *jsonbody.Writer) { w.Value("N", u.N) }

func TestWriterSaysWhatCannotBeWritten(t *testing.T) {
	_, err := storage.NewCodec[unwritable](1).Put(storage.Record[unwritable]{Value: unwritable{math.Inf(1)}}, 0)
	require.ErrorContains(t, err, "+Inf")
}

package storage_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

type note struct {
	Text  string            `json:"text"`
	Count int64             `json:"count"`
	Tags  map[string]string `json:"tags"`
}

// The golden body was written by the first release; it must be read, and written
// back the same, for ever.
func TestCodecGoldenBody(t *testing.T) {
	golden, err := os.ReadFile("testdata/note.json")
	require.NoError(t, err)
	codec := storage.NewCodec[note](2)
	record := storage.Record[note]{Key: key("a"), Version: 3, Value: note{
		Text: "Grüße <b>", Count: 1<<53 + 1, Tags: map[string]string{"b": "2", "a": "1"},
	}}
	lists := []storage.Listing{{List: "l", Place: 7}}
	put, err := codec.Put(record, 9, lists...)
	require.NoError(t, err)
	assert.Equal(t, string(golden), string(put.Body))
	assert.Equal(t, storage.Put{Key: key("a"), Version: 3, Due: 9, Lists: lists, Body: put.Body}, put)

	read, err := codec.Decode(storage.Doc{Key: key("a"), Version: 3, Body: golden})
	require.NoError(t, err)
	assert.Equal(t, record, read)
}

func TestCodecKeepsMembersItDoesNotKnow(t *testing.T) {
	codec := storage.NewCodec[note](1)
	rapid.Check(t, func(t *rapid.T) {
		given := map[string]any{"format": 1, "text": "old", "count": 1, "tags": nil}
		unknown := rapid.MapOf(rapid.StringMatching(`[a-zé"\\]{1,8}`), rapid.OneOf(
			rapid.Just[any](nil),
			rapid.Map(rapid.Int(), func(i int) any { return i }),
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Just[any](map[string]any{"text": []any{1, "format"}}),
		)).Draw(t, "unknown")
		for name, value := range unknown {
			if _, known := given[name]; !known {
				given[name] = value
			}
		}
		body, err := json.Marshal(given)
		require.NoError(t, err)
		record, err := codec.Decode(storage.Doc{Key: key("a"), Version: 1, Body: body})
		require.NoError(t, err)
		record.Value.Text = "new"
		put, err := codec.Put(record, 0)
		require.NoError(t, err)
		again, err := codec.Put(record, 0)
		require.NoError(t, err)
		require.Equal(t, put.Body, again.Body)

		given["text"] = "new"
		want, err := json.Marshal(given)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(put.Body))
		_, err = (&storage.Batch{Puts: []storage.Put{put}}).Ops()
		if err != nil { // an escaped NUL among what was drawn, which the contract refuses
			require.ErrorIs(t, err, storage.ErrInvalid)
		}
	})
}

// A member that is left out when it is empty is one that the codec knows: it is written
// once, and gone when it became empty.
func TestCodecOfMembersThatAreLeftOut(t *testing.T) {
	type Base struct {
		Shared int `json:"shared,omitempty"`
	}
	type sparse struct {
		Base
		Text   string    `json:"text"`
		Count  int64     `json:"count,omitempty"`
		Plain  string    `json:",omitempty"`
		Since  time.Time `json:"since,omitzero"`
		Secret string    `json:"-"`
	}
	codec := storage.NewCodec[sparse](1)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) sparse {
			return sparse{
				Base: Base{rapid.IntRange(0, 1).Draw(t, name+" shared")}, Text: name, Count: rapid.Int64Range(0, 2).Draw(t, name+" count"),
				Plain: rapid.SampledFrom([]string{"", "x"}).Draw(t, name+" plain"), Since: rapid.SampledFrom([]time.Time{{}, time.UnixMicro(1).UTC()}).Draw(t, name+" since"),
			}
		}
		before, after := draw("before"), draw("after")
		put, err := codec.Put(storage.Record[sparse]{Key: key("a"), Value: before}, 0)
		require.NoError(t, err)
		later := append([]byte(`{"later":[1],`), put.Body[1:]...)
		record, err := codec.Decode(storage.Doc{Key: key("a"), Version: 1, Body: later})
		require.NoError(t, err)
		require.Equal(t, before, record.Value)
		record.Value = after
		put, err = codec.Put(record, 0)
		require.NoError(t, err)

		var want map[string]any
		value, err := json.Marshal(after)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(value, &want))
		want["format"], want["later"] = 1, []int{1}
		body, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, string(body), string(put.Body))
		read, err := codec.Decode(storage.Doc{Key: key("a"), Version: 2, Body: put.Body})
		require.NoError(t, err)
		require.Equal(t, after, read.Value)
		for _, name := range []string{"shared", "count", "Plain", "since", "later"} {
			require.LessOrEqual(t, strings.Count(string(put.Body), `"`+name+`":`), 1, "%s is written once", name)
		}
	})
}

func TestCodecRefuses(t *testing.T) {
	codec := storage.NewCodec[note](2)
	for body, want := range map[string]error{
		`{"format":3,"text":"x"}`:   storage.ErrNewer,
		`{"format":3,"text":[1]}`:   storage.ErrNewer, // whatever else it holds
		`{"text":"x"}`:              storage.ErrCorrupt,
		`{"format":0}`:              storage.ErrCorrupt,
		`{"format":-1}`:             storage.ErrCorrupt,
		`{"format":"1"}`:            storage.ErrCorrupt,
		`{"format":1.5}`:            storage.ErrCorrupt,
		`{"format":null}`:           storage.ErrCorrupt,
		`{"format":1,"text":7}`:     storage.ErrCorrupt,
		`{"format":1,"count":1e30}`: storage.ErrCorrupt,
		`{"format":1`:               storage.ErrCorrupt,
		`[]`:                        storage.ErrCorrupt,
		`null`:                      storage.ErrCorrupt,
		``:                          storage.ErrCorrupt,
	} {
		_, err := codec.Decode(storage.Doc{Key: key("a"), Version: 1, Body: []byte(body)})
		assert.ErrorIs(t, err, want, body)
		assert.ErrorContains(t, err, "k/a", body)
	}
	record, err := codec.Decode(storage.Doc{Body: []byte(`{"format":1,"text":"older"}`)})
	require.NoError(t, err)
	assert.Equal(t, "older", record.Value.Text)
}

func TestCodecOfAnEmptyValue(t *testing.T) {
	codec := storage.NewCodec[struct{}](1)
	put, err := codec.Put(storage.Record[struct{}]{Key: key("a")}, 0)
	require.NoError(t, err)
	assert.Equal(t, `{"format":1}`, string(put.Body))
	record, err := codec.Decode(storage.Doc{Key: key("a"), Body: []byte(`{"format":1,"later":true}`)})
	require.NoError(t, err)
	put, err = codec.Put(record, 0)
	require.NoError(t, err)
	assert.Equal(t, `{"format":1,"later":true}`, string(put.Body))
}

func TestCodecReportsWhatCannotBeWritten(t *testing.T) {
	type loose struct {
		Value any `json:"value"`
	}
	_, err := storage.NewCodec[loose](1).Put(storage.Record[loose]{Key: key("a"), Value: loose{Value: func() {}}}, 0)
	require.ErrorContains(t, err, "cannot write k/a")
}

func TestNewCodecPanicsOnWhatIsNoRecord(t *testing.T) {
	type named struct {
		Format int `json:"format"`
	}
	type seldom struct {
		Format int `json:"format,omitempty"`
	}
	assert.Panics(t, func() { storage.NewCodec[seldom](1) })
	assert.Panics(t, func() { storage.NewCodec[[]int](1) })
	assert.Panics(t, func() { storage.NewCodec[func()](1) })
	assert.Panics(t, func() { storage.NewCodec[note](0) })
	assert.Panics(t, func() { storage.NewCodec[named](1) })
}

// FuzzCodec compares the codec's own look at the members with decoding them.
func FuzzCodec(f *testing.F) {
	for _, body := range []string{
		`{"format":1,"text":"a","later":{"x":["}",{"y":"\\""}]}}`, ` { "format" : 1 , "a\u0062" : -1.5e3 } `, `{}`, `{"format":1,}`, `{"a":"b`, `[1]`, `{"format":1}x`,
	} {
		f.Add([]byte(body))
	}
	codec := storage.NewCodec[note](1)
	f.Fuzz(func(t *testing.T, body []byte) {
		record, err := codec.Decode(storage.Doc{Key: key("a"), Version: 1, Body: body})
		var members map[string]json.RawMessage
		if valid := json.Unmarshal(body, &members) == nil && members != nil; !valid {
			require.Error(t, err)
			return
		}
		if err != nil {
			return
		}
		put, err := codec.Put(record, 0)
		require.NoError(t, err)
		var again map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(put.Body, &again))
		for name, value := range members {
			switch name {
			case "format", "text", "count", "tags":
			default:
				require.JSONEq(t, string(value), string(again[name]), name)
			}
		}
	})
}

// TestBodiesAreTheirPutsOwn writes many bodies at once, in memory that is used again: each
// stays as it was written.
func TestBodiesAreTheirPutsOwn(t *testing.T) {
	codec := storage.NewCodec[note](1)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			written := make(map[string]storage.Put)
			for i := range 100 {
				text := strings.Repeat(fmt.Sprint(worker, " "), 1+i*37%200)
				put, err := codec.Put(storage.Record[note]{Key: key("a"), Value: note{Text: text}}, 0)
				assert.NoError(t, err)
				written[text] = put
			}
			for text, put := range written {
				record, err := codec.Decode(storage.Doc{Key: put.Key, Version: 1, Body: put.Body})
				assert.NoError(t, err)
				assert.Equal(t, text, record.Value.Text)
			}
		}()
	}
	wg.Wait()
}

package jsonbody_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

type thing struct {
	Name  string   `json:"name"`
	N     int64    `json:"n"`
	On    bool     `json:"on"`
	Tags  []string `json:"tags"`
	Inner []thing  `json:"inner"`
}

func (t *thing) read(text []byte) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "name":
			return jsonbody.String(value, &t.Name)
		case "n":
			return jsonbody.Int(value, &t.N)
		case "on":
			return jsonbody.Bool(value, &t.On)
		case "tags":
			return jsonbody.Slice(value, &t.Tags, jsonbody.String[string])
		case "inner":
			return jsonbody.Slice(value, &t.Inner, func(text []byte, into *thing) bool { return into.read(text) })
		}
		return false
	})
}

// plain are texts that are read without encoding/json.
var plain = []string{
	`{}`, ` { } `, `{"name":"é"}`, `{"name" : "a b" , "n": -12}` + "\n", `{"n":0,"on":true}`, `{"n":999999999999999999}`,
	`{"tags":null,"inner":[]}`, `{"tags":["a","b"],"inner":[{"n":1},{"inner":[{"on":false}],"name":"},"}]}`,
}

// others are texts that are left to encoding/json: valid or not.
var others = []string{
	``, `{`, `}`, `[]`, `null`, `{}x`, `{},`, `{"n":1}}`, `{"n":1,}`, `{,}`, `{"n"}`, `{"n":}`, `{"n":01}`, `{"n":-}`, `{"n":+1}`, `{"n":1.0}`, `{"n":1e3}`,
	`{"n":1000000000000000000}`, `{"n":"1"}`, `{"n":null}`, `{"N":1}`, `{"\u006e":1}`, `{"name":"\n"}`, "{\"name\":\"\n\"}", "{\"name\":\"\xff\"}", `{"name":"a}`,
	`{"on":yes}`, `{"on":1}`, `{"tags":["a",]}`, `{"tags":["a" "b"]}`, `{"tags":{}}`, `{"tags":["a"]]}`, `{"tags":["a"}`, `{"more":1}`, `{"n":1 2}`, `{n:1}`, `{'n':1}`,
	`{"inner":[{]}`, `{"inner":[}]}`,
}

func TestReadsWhatEncodingJSONReads(t *testing.T) {
	for _, text := range plain {
		var fast, slow thing
		require.True(t, fast.read([]byte(text)), text)
		require.NoError(t, json.Unmarshal([]byte(text), &slow))
		assert.Equal(t, slow, fast, text)
	}
	for _, text := range others {
		var fast thing
		assert.False(t, fast.read([]byte(text)), text)
	}
}

func FuzzReadsNothingElse(f *testing.F) {
	for _, text := range append(plain, others...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var fast, slow thing
		if !fast.read(text) {
			return
		}
		require.NoError(t, json.Unmarshal(text, &slow))
		again, err := json.Marshal(fast)
		require.NoError(t, err)
		want, err := json.Marshal(slow)
		require.NoError(t, err)
		if namesDiffer(text) { // of two members with one name encoding/json merges the values
			require.Equal(t, string(want), string(again))
		}
	})
}

// namesDiffer says that no object of the text has two members of one name.
func namesDiffer(text []byte) bool {
	seen := make(map[string]bool)
	alone := true
	jsonbody.Members(text, func(name, value []byte) bool {
		alone = alone && !seen[string(name)]
		seen[string(name)] = true
		if string(name) == "inner" {
			jsonbody.Elements(value, func(element []byte) bool {
				alone = alone && namesDiffer(element)
				return true
			})
		}
		return true
	})
	return alone
}

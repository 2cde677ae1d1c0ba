package coupon

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
)

// node is one schema of a JSON Schema.
type node struct {
	Schema      string          `json:"$schema"`
	ID          string          `json:"$id"`
	Ref         string          `json:"$ref"`
	Defs        map[string]node `json:"$defs"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Type        string          `json:"type"`
	Properties  map[string]node `json:"properties"`
	Required    []string        `json:"required"`
	Additional  json.RawMessage `json:"additionalProperties"`
	Items       *node           `json:"items"`
	Enum        []string        `json:"enum"`
	Pattern     string          `json:"pattern"`
	Format      string          `json:"format"`
	OneOf       []struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
		Additional *bool                      `json:"additionalProperties"`
	} `json:"oneOf"`
}

// walk compares a schema with the Go types that its documents are read into.
type walk struct {
	t     *testing.T
	defs  map[string]node
	types map[string]reflect.Type // that each definition stands for
}

// The schema says what the code reads and writes: the same names, types, what must be
// there, and the names of enumerations; and every member is described.
func TestSchemasAreTheTypes(t *testing.T) {
	for name, c := range map[string]struct {
		schema string
		types  []any
	}{
		"offer": {offerSchema, []any{offerDocument{}}},
		"trial": {trialSchema, []any{trialDocument{}, quoteDocument{}}},
	} {
		t.Run(name, func(t *testing.T) {
			var root node
			require.NoError(t, json.Unmarshal([]byte(c.schema), &root))
			w := walk{t, root.Defs, make(map[string]reflect.Type)}
			w.compare(name, root, reflect.TypeOf(c.types[0]))
			for _, more := range c.types[1:] {
				w.compare("quote", root.Defs["quote"], reflect.TypeOf(more))
				w.types["quote"] = reflect.TypeOf(more)
			}
			for def := range root.Defs {
				assert.NotNil(t, w.types[def], "no type for the definition %q", def)
			}
		})
	}
}

func (w *walk) compare(path string, n node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if def, ok := strings.CutPrefix(n.Ref, "#/$defs/"); ok {
		if known, ok := w.types[def]; ok {
			assert.Equal(w.t, known, t, "%s: two types for %q", path, def)
			return
		}
		w.types[def] = t
		require.Contains(w.t, w.defs, def, path)
		if n = w.defs[def]; n.Ref == "offer.schema.json" {
			assert.Equal(w.t, reflect.TypeFor[offerDocument](), t, path)
			return
		}
	}
	w.typed(path, n, t)
}

func (w *walk) typed(path string, n node, t reflect.Type) {
	want := "object"
	_, text := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	switch {
	case text || t.Kind() == reflect.String:
		want = "string"
		if !strings.HasSuffix(path, ".type") { // see branches
			assert.ElementsMatch(w.t, enumerated(t), n.Enum, "%s: the names of %s", path, t)
		}
		assert.Equal(w.t, t == reflect.TypeFor[time.Time](), n.Format == "date-time", path)
	case t == amountsType:
		assert.JSONEq(w.t, `{"type":"string","pattern":"^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$"}`, string(n.Additional), path)
	case t.Kind() == reflect.Struct:
		w.object(path, n, t)
	case t.Kind() == reflect.Map:
		var values node
		require.NoError(w.t, json.Unmarshal(n.Additional, &values), path)
		w.compare(path+"[…]", values, t.Elem())
	case t.Kind() == reflect.Slice:
		want = "array"
		require.NotNil(w.t, n.Items, path)
		w.compare(path+"[]", *n.Items, t.Elem())
	case t.Kind() == reflect.Bool:
		want = "boolean"
	default:
		want = "integer"
		assert.True(w.t, reflect.Zero(t).CanInt(), path)
	}
	assert.Equal(w.t, want, n.Type, path)
}

func (w *walk) object(path string, n node, t reflect.Type) {
	assert.Equal(w.t, "false", string(n.Additional), "%s refuses members that are not known", path)
	named := members(t)
	assert.Equal(w.t, slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(n.Properties)), path)
	for name, index := range named {
		member, field := n.Properties[name], t.FieldByIndex(index)
		at := path + "." + name
		assert.True(w.t, member.Description != "" || w.defs[strings.TrimPrefix(member.Ref, "#/$defs/")].Description != "" || member.Ref == "#/$defs/offer", "%s is not described", at)
		_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		assert.Equal(w.t, options == "", slices.Contains(n.Required, name), "%s: what is always written is required", at)
		w.compare(at, member, field.Type)
	}
	if document, ok := reflect.New(t).Interface().(typedDocument); ok {
		kind, _, _, _ := document.members()
		w.branches(path, n, map[string]map[string][]string{"benefit": benefitMembers, "condition": conditionMembers}[kind])
	}
}

// branches compares the schemas by type with the members that the types use.
func (w *walk) branches(path string, n node, types map[string][]string) {
	assert.Equal(w.t, slices.Sorted(maps.Keys(types)), n.Properties["type"].Enum, path)
	found := make(map[string][]string)
	for _, branch := range n.OneOf {
		var constant struct{ Const string }
		require.NoError(w.t, json.Unmarshal(branch.Properties["type"], &constant))
		var used []string
		for name := range branch.Properties {
			if name != "type" {
				used = append(used, name)
			}
		}
		found[constant.Const] = used
		require.NotNil(w.t, branch.Additional)
		assert.False(w.t, *branch.Additional)
		for _, required := range branch.Required {
			assert.Contains(w.t, branch.Properties, required, "%s of type %s", path, constant.Const)
		}
	}
	for name, used := range types {
		assert.ElementsMatch(w.t, used, found[name], "%s of type %s", path, name)
	}
}

// enumerated are the texts of a type that has only some: numbers with names, and
// periods.
func enumerated(t reflect.Type) []string {
	if t == reflect.TypeFor[ledger.Period]() {
		return []string{"day", "week", "month", "year"}
	}
	var names []string
	for i := uint64(0); t.Kind() == reflect.Uint8 && i < 256; i++ {
		v := reflect.New(t).Elem()
		v.SetUint(i)
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			break
		}
		names = append(names, string(text))
	}
	return names
}

// A test of the walk itself: what differs is noticed.
func TestSchemaWalkNoticesDifferences(t *testing.T) {
	for name, change := range map[string][2]string{
		"a name":      {`"priority"`, `"prio"`},
		"a type":      {`"minimum": -1000`, `"type": "string", "minimum": -1000`},
		"enumeration": {`"refuse", "skip", "allow"`, `"refuse", "allow"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(offerSchema, change[0]), "change of one place")
			var root node
			require.NoError(t, json.Unmarshal([]byte(strings.Replace(offerSchema, change[0], change[1], 1)), &root))
			var inner testing.T
			w := walk{&inner, root.Defs, make(map[string]reflect.Type)}
			w.compare("offer", root, reflect.TypeFor[offerDocument]())
			assert.True(t, inner.Failed(), fmt.Sprint(change))
		})
	}
}

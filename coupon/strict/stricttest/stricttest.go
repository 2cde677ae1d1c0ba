// Package stricttest compares JSON Schemas with the Go types that documents are read
// into.
package stricttest

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
)

// TestingT is what a comparison needs of a test.
type TestingT interface {
	require.TestingT
	Helper()
}

// Schema is a JSON Schema and what it stands for.
type Schema struct {
	Text  string
	Types map[string]any // the root by the name "", and definitions that the root does not lead to
	// Others are definitions that refer to other schemas, by the name of those; they
	// are compared on their own.
	Others map[string]any
	// Branches are the members by type of each document whose members depend on it.
	Branches map[string]map[string][]string
	// Names are the values of texts that have only some.
	Names map[reflect.Type][]string
}

// Compare requires that the schema says what the code reads and writes: the same names,
// types, what must be there, and the names of enumerations; and that every member is
// described.
func Compare(t TestingT, s Schema) {
	t.Helper()
	var root node
	require.NoError(t, json.Unmarshal([]byte(s.Text), &root))
	w := walk{t, &s, root.Defs, make(map[string]reflect.Type)}
	w.compare("document", root, reflect.TypeOf(s.Types[""]))
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		if name != "" {
			w.compare(name, root.Defs[name], reflect.TypeOf(s.Types[name]))
			w.types[name] = reflect.TypeOf(s.Types[name])
		}
	}
	for def := range root.Defs {
		assert.NotNil(t, w.types[def], "no type for the definition %q", def)
	}
}

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
	t     TestingT
	s     *Schema
	defs  map[string]node
	types map[string]reflect.Type // that each definition stands for
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
		if n = w.defs[def]; w.s.Others[n.Ref] != nil {
			assert.Equal(w.t, reflect.TypeOf(w.s.Others[n.Ref]), t, path)
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
			assert.ElementsMatch(w.t, w.enumerated(t), n.Enum, "%s: the names of %s", path, t)
		}
		assert.Equal(w.t, t == reflect.TypeFor[time.Time](), n.Format == "date-time", path)
	case t.Kind() == reflect.Slice && t.Elem() == reflect.TypeFor[ledger.Money]():
		assert.JSONEq(w.t, `{"type":"string","pattern":"^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$"}`, string(n.Additional), path)
	case t == reflect.TypeFor[ledger.Money]():
		assert.Equal(w.t, []string{"amount", "currency"}, slices.Sorted(maps.Keys(n.Properties)), path)
		assert.ElementsMatch(w.t, []string{"amount", "currency"}, n.Required, path)
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
	named := strict.Members(t)
	assert.Equal(w.t, slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(n.Properties)), path)
	for name, index := range named {
		member, field := n.Properties[name], t.FieldByIndex(index)
		at := path + "." + name
		assert.True(w.t, member.Description != "" || w.defs[strings.TrimPrefix(member.Ref, "#/$defs/")].Description != "" || w.s.Others[w.defs[strings.TrimPrefix(member.Ref, "#/$defs/")].Ref] != nil, "%s is not described", at)
		_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		assert.Equal(w.t, options == "", slices.Contains(n.Required, name), "%s: what is always written is required", at)
		w.compare(at, member, field.Type)
	}
	if document, ok := reflect.New(t).Interface().(strict.Typed); ok {
		kind, _, _, _ := document.Members()
		w.branches(path, n, w.s.Branches[kind])
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
func (w *walk) enumerated(t reflect.Type) []string {
	if names, ok := w.s.Names[t]; ok {
		return names
	}
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

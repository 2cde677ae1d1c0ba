package coupon_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// schemas judges documents by a JSON Schema, as far as the schemas here use it.
type schemas struct {
	root map[string]any
	defs map[string]any
}

func newSchemas(t testing.TB, text string) schemas {
	t.Helper()
	var root map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &root))
	return schemas{root, root["$defs"].(map[string]any)}
}

// check gives what is wrong with a document; nothing when it fits the schema.
func (s schemas) check(document []byte) []string {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return []string{err.Error()}
	}
	return s.judge("", s.root, value)
}

func (s schemas) judge(path string, schema map[string]any, value any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, path+": "+fmt.Sprintf(format, args...)) }
	if ref, ok := schema["$ref"].(string); ok {
		def := s.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if own, ok := def["$defs"].(map[string]any); ok {
			return schemas{def, own}.judge(path, def, value)
		}
		return s.judge(path, def, value)
	}
	if constant, ok := schema["const"]; ok && constant != value {
		fault("is %v, want %v", value, constant)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		fault("%v is none of %v", value, enum)
	}
	kind := ""
	switch value := value.(type) {
	case string:
		kind = "string"
		faults = append(faults, s.text(path, schema, value)...)
	case float64:
		kind = "integer"
		if least, ok := schema["minimum"].(float64); ok && value < least {
			fault("%v is below %v", value, least)
		}
		if most, ok := schema["maximum"].(float64); ok && value > most {
			fault("%v is above %v", value, most)
		}
	case bool:
		kind = "boolean"
	case []any:
		kind = "array"
		faults = append(faults, s.list(path, schema, value)...)
	case map[string]any:
		kind = "object"
		faults = append(faults, s.object(path, schema, value)...)
	}
	if want, ok := schema["type"].(string); ok && want != kind {
		fault("is %q, want %q", kind, want)
	}
	return faults
}

func (s schemas) text(path string, schema map[string]any, value string) (faults []string) {
	if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
		faults = append(faults, fmt.Sprintf("%s: %q does not match %s", path, value, pattern))
	}
	if most, ok := schema["maxLength"].(float64); ok && utf8.RuneCountInString(value) > int(most) {
		faults = append(faults, path+": is too long")
	}
	if least, ok := schema["minLength"].(float64); ok && utf8.RuneCountInString(value) < int(least) {
		faults = append(faults, path+": is too short")
	}
	layout := map[any]string{"date-time": time.RFC3339, "date": time.DateOnly}[schema["format"]]
	if _, err := time.Parse(layout, value); layout != "" && err != nil {
		faults = append(faults, fmt.Sprintf("%s: %s", path, err))
	}
	return faults
}

func (s schemas) list(path string, schema map[string]any, value []any) (faults []string) {
	if most, ok := schema["maxItems"].(float64); ok && len(value) > int(most) {
		faults = append(faults, path+": has too many entries")
	}
	if least, ok := schema["minItems"].(float64); ok && len(value) < int(least) {
		faults = append(faults, path+": has too few entries")
	}
	if items, ok := schema["items"].(map[string]any); ok {
		for i, v := range value {
			faults = append(faults, s.judge(fmt.Sprintf("%s[%d]", path, i), items, v)...)
		}
	}
	return faults
}

func (s schemas) object(path string, schema map[string]any, value map[string]any) (faults []string) {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := value[name.(string)]; !ok {
			faults = append(faults, fmt.Sprintf("%s: has no %v", path, name))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, v := range value {
		at := path + "." + name
		if names, ok := schema["propertyNames"].(map[string]any); ok {
			faults = append(faults, s.judge(at, names, name)...)
		}
		switch additional := schema["additionalProperties"].(type) {
		case map[string]any:
			if properties[name] == nil {
				faults = append(faults, s.judge(at, additional, v)...)
			}
		case bool:
			if properties[name] == nil && !additional {
				faults = append(faults, at+": is not known")
			}
		}
		if property, ok := properties[name].(map[string]any); ok {
			faults = append(faults, s.judge(at, property, v)...)
		}
	}
	if branches, ok := schema["oneOf"].([]any); ok {
		fitting := 0
		for _, branch := range branches {
			if len(s.judge(path, branch.(map[string]any), value)) == 0 {
				fitting++
			}
		}
		if fitting != 1 {
			faults = append(faults, fmt.Sprintf("%s: fits %d of its forms, want one", path, fitting))
		}
	}
	return faults
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cases are trials with what must come of them, worked out by hand.
type cases struct {
	About string
	Cases []struct {
		Name, Why string
		Trial     json.RawMessage
		Want      map[string]any // members of the quote, or of the faults; others may be there too
	}
}

// Every case comes out as it was worked out by hand, through the program itself: as
// JSON Lines in, as many out, in order.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var all cases
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&all), file)
		var input strings.Builder
		for _, c := range all.Cases {
			fmt.Fprintf(&input, "%s\n", c.Trial)
		}
		_, out, errs := check(t, strings.NewReader(input.String()))
		require.Empty(t, errs)
		answers := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, answers, len(all.Cases), file)
		_, tables, _ := check(t, strings.NewReader(input.String()), "-table")
		require.GreaterOrEqual(t, strings.Count(tables, "\n\n"), len(all.Cases), file)
		for i, c := range all.Cases {
			name := strings.TrimSuffix(filepath.Base(file), ".json") + "/" + c.Name
			require.False(t, names[name], "two cases are named %s", name)
			names[name] = true
			t.Run(name, func(t *testing.T) {
				require.NotEmpty(t, c.Why)
				require.NotEmpty(t, c.Want)
				var got any
				require.NoError(t, json.Unmarshal([]byte(answers[i]), &got))
				holds(t, "", c.Want, got)
				if t.Failed() {
					t.Logf("%s\n%s\n%s", c.Why, c.Trial, answers[i])
				}
			})
		}
	}
}

// holds says that all that is wanted is there: members of objects, and all entries of
// lists in their order.
func holds(t *testing.T, path string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !assert.True(t, ok, "%s is %v, want an object", path, got) {
			return
		}
		for name, value := range want {
			holds(t, path+"."+name, value, object[name])
		}
	case []any:
		list, _ := got.([]any)
		if assert.Len(t, list, len(want), path) {
			for i, value := range want {
				holds(t, fmt.Sprintf("%s[%d]", path, i), value, list[i])
			}
		}
	default:
		assert.Equal(t, want, got, path)
	}
}

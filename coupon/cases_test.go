package coupon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

// trialCase is a trial with what must come of it, worked out by hand.
type trialCase struct {
	Name, Why string
	Trial     json.RawMessage
	Want      map[string]any // members of the quote, or of the faults; others may be there too
}

// trialCases are those of all files in testdata/cases, by file and name.
func trialCases(t *testing.T) map[string]trialCase {
	files, err := filepath.Glob("testdata/cases/*.json")
	require.NoError(t, err)
	all := make(map[string]trialCase)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var cases struct {
			About string
			Cases []trialCase
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&cases), file)
		require.NotEmpty(t, cases.About, file)
		for _, c := range cases.Cases {
			name := strings.TrimSuffix(filepath.Base(file), ".json") + "/" + c.Name
			require.NotContains(t, all, name)
			require.NotEmpty(t, c.Why, name)
			require.NotEmpty(t, c.Want, name)
			all[name] = c
		}
	}
	require.NotEmpty(t, all)
	return all
}

// answer is the document that comes of a trial's: the quote, or its faults.
func answer(t *testing.T, document []byte) []byte {
	trial, err := coupon.ParseTrial(document)
	var quote *coupon.Quote
	if err == nil {
		quote, err = trial.Quote()
	}
	var faults *coupon.Faults
	if errors.As(err, &faults) {
		listed := []map[string]string{}
		for _, f := range faults.Faults {
			listed = append(listed, map[string]string{"path": f.Path})
		}
		text, err := json.Marshal(map[string]any{"faults": listed})
		require.NoError(t, err)
		return text
	}
	require.NoError(t, err)
	text, err := json.Marshal(quote)
	require.NoError(t, err)
	return text
}

// Every case comes out as it was worked out by hand.
func TestCasesWorkedOutByHand(t *testing.T) {
	for name, c := range trialCases(t) {
		t.Run(name, func(t *testing.T) {
			got := answer(t, c.Trial)
			holds(t, "", c.Want, decoded(t, got))
			if t.Failed() {
				t.Logf("%s\n%s\n%s", c.Why, c.Trial, got)
			}
		})
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

// Whatever the trial: in which order its lines, offers, codes, coupons and exclusions
// stand has no effect, but where an offer counts units in the order of the cart.
func TestCasesInAnyOrder(t *testing.T) {
	for name, c := range trialCases(t) {
		if bytes.Contains(c.Trial, []byte("cart_order")) || c.Want["faults"] != nil {
			continue
		}
		var document map[string]any
		require.NoError(t, json.Unmarshal(c.Trial, &document))
		cart := document["cart"].(map[string]any)
		for _, list := range []struct {
			in   map[string]any
			name string
		}{{cart, "lines"}, {cart, "shipping"}, {document, "offers"}, {document, "codes"}, {document, "coupons"}, {document, "exclusions"}, {document, "wallet"}} {
			if entries, given := list.in[list.name].([]any); given {
				list.in[list.name] = reversed(entries)
			}
		}
		turned, err := json.Marshal(document)
		require.NoError(t, err)
		straight, back := decoded(t, answer(t, c.Trial)).(map[string]any), decoded(t, answer(t, turned)).(map[string]any)
		for _, list := range []string{"lines", "deliveries"} {
			if entries, given := back[list].([]any); given {
				back[list] = reversed(entries)
			}
		}
		delete(straight, "funding") // names who pays in the order of lines
		delete(back, "funding")
		for _, q := range []map[string]any{straight, back} {
			for _, a := range q["applied"].([]any) {
				delete(a.(map[string]any), "funding")
			}
		}
		assert.Equal(t, straight, back, name)
	}
}

func reversed(all []any) []any {
	turned := make([]any, len(all))
	for i, entry := range all {
		turned[len(all)-1-i] = entry
	}
	return turned
}

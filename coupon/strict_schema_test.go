package coupon

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon/strict/stricttest"
)

var branches = map[string]map[string][]string{"benefit": benefitMembers, "condition": conditionMembers}

// The schemas say what the code reads and writes.
func TestSchemasAreTheTypes(t *testing.T) {
	t.Run("offer", func(t *testing.T) {
		stricttest.Compare(t, stricttest.Schema{Text: offerSchema, Types: map[string]any{"": offerDocument{}}, Branches: branches})
	})
	t.Run("trial", func(t *testing.T) {
		var reasons []string
		for _, r := range AllReasons(t) {
			if r == ReasonOutOfStock { // said when issuing only, never of a cart
				continue
			}
			reasons = append(reasons, string(r))
		}
		stricttest.Compare(t, stricttest.Schema{
			Names: map[reflect.Type][]string{reflect.TypeFor[Reason](): reasons},
			Text:  trialSchema, Types: map[string]any{"": trialDocument{}, "quote": quoteDocument{}},
			Others: map[string]any{"offer.schema.json": offerDocument{}}, Branches: branches,
		})
	})
}

// AllReasons is the closed set, as the source spells it.
func AllReasons(t *testing.T) []Reason {
	source, err := os.ReadFile("refusal.go")
	require.NoError(t, err)
	var all []Reason
	for _, found := range regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, Reason(found[1]))
	}
	require.NotEmpty(t, all)
	return all
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
			var inner testing.T
			stricttest.Compare(&inner, stricttest.Schema{
				Text: strings.Replace(offerSchema, change[0], change[1], 1), Types: map[string]any{"": offerDocument{}}, Branches: branches,
			})
			assert.True(t, inner.Failed(), fmt.Sprint(change))
		})
	}
}

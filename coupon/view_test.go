package coupon_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

// Every column of a view is a member of the documents it shows.
func TestViewsShowWhatIsKept(t *testing.T) {
	files := map[string]string{"offer": "offer", "coupon": "coupon_revoked", "batch": "batch", "redemption": "redemption_reserved", "stock": "stock"}
	for _, view := range coupon.Views() {
		require.NoError(t, view.Validate())
		text, err := os.ReadFile("testdata/" + files[view.Kind] + ".json")
		require.NoError(t, err)
		var body map[string]any
		require.NoError(t, json.Unmarshal(text, &body))
		names := make(map[string]bool)
		for _, column := range view.Columns {
			assert.False(t, names[column.Name], column.Name)
			names[column.Name] = true
			var value any = body
			for _, member := range column.Path {
				object, ok := value.(map[string]any)
				require.True(t, ok, "%s.%s", view.Name, column.Name)
				require.Contains(t, object, member, "%s.%s", view.Name, column.Name)
				value = object[member]
			}
		}
	}
}

package ledger_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
)

func TestISO4217(t *testing.T) {
	golden := make(map[string]int)
	text, err := os.ReadFile("testdata/iso4217.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var code string
		var exponent int
		_, err := fmt.Sscanf(line, "%3s %1d", &code, &exponent)
		require.NoError(t, err, line)
		golden[code] = exponent
	}

	table := make(map[string]int)
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				if currency, err := ledger.ParseCurrency(code); err == nil {
					assert.Equal(t, code, currency.Code())
					table[code] = currency.Exponent()
				}
			}
		}
	}
	assert.Equal(t, golden, table)
	assert.Greater(t, len(table), 170)
}

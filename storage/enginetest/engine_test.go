package enginetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAbsent(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped: x is not there", "true": "failed: x is not there, and with CI=true nothing may be skipped"} {
		t.Setenv("CI", ci)
		said := &verdict{TB: t}
		Absent(said, "x")
		require.Equal(t, want, said.first)
	}
}

// verdict notes how a test ended, and goes on.
type verdict struct {
	testing.TB
	first string
}

func (v *verdict) note(how, format string, args []any) {
	if v.first == "" {
		v.first = how + ": " + fmt.Sprintf(format, args...)
	}
}

func (v *verdict) Fatalf(format string, args ...any) { v.note("failed", format, args) }
func (v *verdict) Skipf(format string, args ...any)  { v.note("skipped", format, args) }

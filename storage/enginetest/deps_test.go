package enginetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependencies compares what a shop links by importing the product packages
// with a golden list, so that no driver and no test helper ever gets into it.
func TestDependencies(t *testing.T) {
	const module = "github.com/vouch-go/vouch/"
	products := []string{"storage", "storage/memory", "storage/sqlstore", "ledger", "coupon", "coupon/coupontest", "referral"}
	args := []string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}
	for _, p := range products {
		args = append(args, module+p)
	}
	list := exec.Command("go", args...)
	list.Dir = filepath.Join("..", "..")
	list.Env = append(os.Environ(), "GOWORK=off") // as an importer sees it
	out, err := list.Output()
	require.NoError(t, err)

	found := strings.Fields(string(out))
	slices.Sort(found)
	golden, err := os.ReadFile(filepath.Join("testdata", "dependencies.txt"))
	require.NoError(t, err)
	require.Equal(t, strings.Fields(string(golden)), found,
		"the product packages link something else than before: change testdata/dependencies.txt only on purpose")
}

package sqlstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

// TestObservingCostsNoAllocation, with nobody listening and with Counts.
func TestObservingCostsNoAllocation(t *testing.T) {
	var counts Counts
	var refusal error = &storage.Failure{Op: storage.OpAdd, Counter: "cap", Err: storage.ErrLimit}
	for name, s := range map[string]*Store{"nil": {}, "counts": {observed: counts.Observe}} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			s.observeEnd(context.Background(), "Apply", 1, nil)
			s.observeEnd(context.Background(), "Apply", 1, refusal)
		}), name)
	}
	require.EqualValues(t, 101, counts.Refusals.Load())
}

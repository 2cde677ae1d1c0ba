package storage_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Batches that are together already are applied by a group as they are, each judged by
// itself, and not after Close.
func TestGroupedAppliesEach(t *testing.T) {
	var store storage.Grouper = memory.New()
	group := storage.Grouped(store, storage.GroupOptions{})
	store = group
	answers := store.ApplyEach(context.Background(), []storage.Batch{putOnce("a"), putOnce("a"), putOnce("b")})
	require.NoError(t, answers[0])
	require.ErrorIs(t, answers[1], storage.ErrConflict)
	require.NoError(t, answers[2])
	require.NoError(t, group.Close())
	for _, err := range group.ApplyEach(context.Background(), []storage.Batch{putOnce("c"), putOnce("d")}) {
		require.ErrorIs(t, err, storage.ErrClosed)
	}
}

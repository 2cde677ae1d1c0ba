package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/storetest"
)

const tenant = "shop7/"

func TestPrefixedConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storage.Store {
		shared := memory.New()
		neighbour(t, shared)
		return storage.Prefixed(shared, tenant)
	}, storetest.Features{Reserved: len(tenant), Group: true})
}

// neighbour fills another tenant's store, and the shared one, with what the suite
// asks for.
func neighbour(t *testing.T, shared storage.Store) {
	for _, store := range []storage.Store{shared, storage.Prefixed(shared, "shop/"), storage.Prefixed(shared, "shop77/")} {
		require.NoError(t, store.Apply(context.Background(), storage.Batch{
			Puts: []storage.Put{{Key: storage.Key{Kind: "doc", ID: "a"}, Due: 1, Lists: []storage.Listing{{List: "l", Place: 5}}, Body: []byte(`{}`)}},
			Adds: []storage.Add{{Counter: "cap", Delta: 7, Max: 7}, {Counter: "c", Delta: 7, Max: 7}},
		}))
	}
}

func TestPrefixedKeepsTenantsApart(t *testing.T) {
	ctx, shared := context.Background(), memory.New()
	one, two := storage.Prefixed(shared, "one/"), storage.Prefixed(shared, "two/")
	b := storage.Batch{
		Puts: []storage.Put{{Key: key("a"), Due: 1, Lists: []storage.Listing{{List: "l"}}, Body: []byte(`{}`)}},
		Adds: []storage.Add{{Counter: "c", Delta: 1, Max: 1}},
	}
	require.NoError(t, one.Apply(ctx, b))
	for _, q := range []storage.Query{{Kind: "k"}, {Kind: "k", List: "l"}, {Kind: "k", DueBefore: 2}} {
		page, err := two.List(ctx, q)
		require.NoError(t, err)
		assert.Empty(t, page.Docs)
	}
	docs, values, err := two.Get(ctx, []storage.Key{key("a")}, "c")
	require.NoError(t, err)
	assert.Empty(t, docs)
	assert.Equal(t, map[string]int64{"c": 0}, values)
	require.NoError(t, two.Apply(ctx, b))

	_, values, err = shared.Get(ctx, nil, "one/c", "two/c", "c")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"one/c": 1, "two/c": 1, "c": 0}, values)
}

func TestPrefixedRefusesOtherPrefixes(t *testing.T) {
	for _, prefix := range []string{"", "/", "shop", "shop7", "a/b/", "/a", "a/b", strings.Repeat("x", 31) + "/"} {
		assert.Panics(t, func() { storage.Prefixed(memory.New(), prefix) }, prefix)
	}
	assert.NotPanics(t, func() { storage.Prefixed(memory.New(), strings.Repeat("x", 30)+"/") })
}

// A tenant's store applies many batches at once where the one inside does, in the tenant's
// own names.
func TestPrefixedGrouper(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	tenant, groups := storage.Prefixed(store, "shop7/").(storage.Grouper)
	require.True(t, groups)
	_, groups = storage.Prefixed(struct{ storage.Store }{store}, "shop7/").(storage.Grouper)
	require.False(t, groups, "the store inside does not")

	key := storage.Key{Kind: "offer", ID: "a"}
	put := storage.Batch{Puts: []storage.Put{{Key: key, Body: []byte(`{}`)}}}
	over := storage.Batch{Adds: []storage.Add{{Counter: "uses", Delta: 2, Max: 1}}}
	errs := tenant.ApplyEach(ctx, []storage.Batch{put, put, over})
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	var failure *storage.Failure
	require.ErrorIs(t, errs[1], storage.ErrConflict)
	require.ErrorAs(t, errs[1], &failure)
	require.Equal(t, key, failure.Key)
	require.ErrorIs(t, errs[2], storage.ErrLimit)
	require.ErrorAs(t, errs[2], &failure)
	require.Equal(t, "uses", failure.Counter)

	docs, _, err := tenant.Get(ctx, []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	docs, _, err = store.Get(ctx, []storage.Key{key, {Kind: "shop7/offer", ID: "a"}})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	require.Equal(t, "shop7/offer", docs[0].Key.Kind)
}

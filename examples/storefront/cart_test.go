package main

import (
	"context"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The cart says why an offer takes off less than it says, and not how much others have
// used of its budget.
func TestCartSaysWhatLowersAnOffer(t *testing.T) {
	ctx := context.Background()
	shop, err := openShop(ctx, filepath.Join(t.TempDir(), "shop.db"), "staff-password")
	require.NoError(t, err)
	defer func() { require.NoError(t, shop.db.Close()) }()
	on, err := shop.holdSale(ctx, load{cap: 1, budget: price("1.23")})
	require.NoError(t, err)
	site, err := newSite(shop, false)
	require.NoError(t, err)
	server := httptest.NewServer(site.handler())
	defer server.Close()
	p, err := shop.shopper(ctx, server.URL, on, &tally{took: make(map[string][]time.Duration), said: make(map[string]int)})
	require.NoError(t, err)
	ask := func(path string, form url.Values) string {
		_, body, err := p.ask(ctx, path, path, form)
		require.NoError(t, err)
		return body
	}
	ask("/cart/put", url.Values{"product": {"teapot"}, "quantity": {"1"}, "add": {"1"}})
	ask("/cart/choose", url.Values{"code": {on.codeSpent}})
	body := ask("/cart", nil)
	require.Contains(t, body, `20 % while it lasts<span class="hint">Its budget is nearly used up.</span>`)
	require.Contains(t, body, "−€1.23")
}

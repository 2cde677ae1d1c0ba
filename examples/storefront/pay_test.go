package main

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// A payment that is told eight times at once happens once.
func TestPaidManyTimesAtOnce(t *testing.T) {
	ctx := context.Background()
	for name, database := range databases(t) {
		t.Run(name, func(t *testing.T) {
			shop, err := openShop(ctx, database, "staff-password")
			require.NoError(t, err)
			defer func() { require.NoError(t, shop.db.Close()) }()
			on, err := shop.holdSale(ctx, load{cap: 500, budget: price("500.00")})
			require.NoError(t, err)
			site, err := newSite(shop, false)
			require.NoError(t, err)
			server := httptest.NewServer(site.handler())
			defer server.Close()
			p, err := shop.shopper(ctx, server.URL, on, &tally{took: make(map[string][]time.Duration), said: make(map[string]int)})
			require.NoError(t, err)

			ask := func(path string, form url.Values) (to, body string) {
				to, body, err := p.ask(ctx, path, path, form)
				require.NoError(t, err)
				return to, body
			}
			ask("/cart/put", url.Values{"product": {"teapot"}, "quantity": {"1"}, "add": {"1"}})
			ask("/cart/choose", url.Values{"code": {on.code}})
			_, body := ask("/cart", nil)
			page, _ := ask("/checkout", url.Values{"total": {totalField.FindStringSubmatch(body)[1]}})
			require.True(t, strings.HasPrefix(page, "/pay/"), page)

			var all sync.WaitGroup
			answers := make(chan error, 8)
			for range cap(answers) {
				all.Go(func() {
					to, _, err := p.ask(ctx, "pay", page, url.Values{"how": {"pay"}})
					if err == nil && !strings.HasPrefix(to, "/order/") {
						err = &url.Error{Op: "pay", URL: to}
					}
					answers <- err
				})
			}
			all.Wait()
			close(answers)
			for err := range answers {
				require.NoError(t, err)
			}
			uses, err := shop.usesOf(ctx, on.capped)
			require.NoError(t, err)
			require.EqualValues(t, 1, uses)
			taken, err := shop.book.Balance(ctx, ledger.Account("discounts/"+on.capped), eur)
			require.NoError(t, err)
			require.Equal(t, "4.00", taken.Amount())
			report, err := referral.Audit(ctx, shop.store)
			require.NoError(t, err)
			require.NoError(t, report.Err())
		})
	}
}

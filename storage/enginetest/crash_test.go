package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestServerKilled kills the server with -9 while shoppers redeem, and starts it
// again. Every redemption that was acknowledged is there, every other wholly or not at
// all, and asking for those again with the same key gives each once. SQLite's writers
// are killed in TestKilled and TestOperationsUnderFire.
func TestServerKilled(t *testing.T) {
	for _, e := range usual() {
		var start func(testing.TB, ...string) Server
		switch e.Dialect {
		case sqlstore.PostgreSQL:
			start = PrivatePostgres
		case sqlstore.MySQL:
			start = PrivateMariaDB
		default:
			continue
		}
		rounds, clients := size(2, 20), size(8, 64)
		t.Run(fmt.Sprintf("%s/%d kills, %d clients", e.Name, rounds, clients), func(t *testing.T) {
			server := start(t) // as it is by default, a commit is on the disk
			serverKilled(t, e, &server, rounds, clients)
		})
	}
}

func serverKilled(t *testing.T, e Engine, server *Server, rounds, clients int) {
	store := e.Store(t, e.Open(t, server.DSN, clients), sqlstore.Options{})
	s := serve(store, nil)
	_, err := s.coupons.Publish(t.Context(), coupon.Offer{
		ID: "hot", Name: "hot", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}}, Limits: []coupon.Limit{{Uses: 1 << 40}},
	}, "staff", noon)
	require.NoError(t, err)
	_, err = s.coupons.Issue(t.Context(), coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}}, noon)
	require.NoError(t, err)
	quote, err := s.coupons.Quote(t.Context(), basket("jane"), coupon.Choose("HOT"), noon)
	require.NoError(t, err)

	asked := 0
	for round := range rounds {
		acknowledged, unknown := untilKilled(t, s, server, quote, round, clients)
		asked += len(acknowledged) + len(unknown)
		server.Start()
		for order := range acknowledged {
			r, err := s.coupons.Redemption(t.Context(), order)
			require.NoError(t, err, "%s was acknowledged", order)
			require.Equal(t, coupon.StateConfirmed, r.State)
		}
		requireAudit(t, store)
		for order := range unknown {
			require.NoError(t, only(s.coupons.Redeem(t.Context(), order, quote, noon)), order)
		}
	}
	_, values, err := store.Get(t.Context(), nil, "uses/hot")
	require.NoError(t, err)
	require.EqualValues(t, asked, values["uses/hot"])
	require.Equal(t, asked, countOf(t, store, "redemption"))
	requireAudit(t, store)
}

// untilKilled has clients redeem, kills the server when some have been answered, and
// gives the orders that were acknowledged, and those that failed.
func untilKilled(t *testing.T, s services, server *Server, quote *coupon.Quote, round, clients int) (acknowledged, unknown map[string]bool) {
	acknowledged, unknown = make(map[string]bool), make(map[string]bool)
	var noting sync.Mutex
	var answers atomic.Int64
	enough := make(chan struct{})
	var working sync.WaitGroup
	for client := range clients {
		working.Go(func() {
			for i := 0; ; i++ {
				order := fmt.Sprintf("%d-%d-%d", round, client, i)
				err := only(s.coupons.Redeem(context.Background(), order, quote, noon))
				noting.Lock()
				if err == nil {
					acknowledged[order] = true
				} else {
					unknown[order] = true
				}
				noting.Unlock()
				if err != nil { // it must not be taken for a refusal
					assert.False(t, errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrQuoteChanged), "%v", err)
					return
				}
				if answers.Add(1) == int64(10*clients) {
					close(enough)
				}
			}
		})
	}
	<-enough
	server.Crash(t)
	working.Wait()
	return acknowledged, unknown
}

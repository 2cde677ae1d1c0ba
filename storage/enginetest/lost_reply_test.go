package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	driver "github.com/go-sql-driver/mysql"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// wire is a connection to a server that swallows what is said in one direction, and
// then breaks.
type wire struct{ proxy *toxiproxy.Proxy }

// wired gives a DSN that goes through a wire of its own.
func (e Engine) wired(t *testing.T, dsn string) (wire, string) {
	t.Helper()
	through := func(upstream string) *toxiproxy.Proxy {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)
		require.NoError(t, proxy.Start())
		t.Cleanup(proxy.Stop)
		return proxy
	}
	if e.Dialect == sqlstore.PostgreSQL {
		parsed, err := url.Parse(dsn)
		require.NoError(t, err)
		proxy := through(parsed.Host)
		parsed.Host = proxy.Listen
		if e.Driver == "postgres" { // which otherwise has a statement prepared first, and waits for the reply to that
			query := parsed.Query()
			query.Set("binary_parameters", "yes")
			parsed.RawQuery = query.Encode()
		}
		return wire{proxy}, parsed.String()
	}
	config, err := driver.ParseDSN(dsn)
	require.NoError(t, err)
	proxy := through(config.Addr)
	config.Addr, config.Logger = proxy.Listen, new(driver.NopLogger)
	return wire{proxy}, config.FormatDSN()
}

// Directions of a wire.
const (
	replies  = "downstream"
	requests = "upstream"
)

func (w wire) swallow(direction string) error {
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(
		`{"name": "swallow", "type": "timeout", "stream": "` + direction + `", "attributes": {"timeout": 100}}`))
	return err
}

func (w wire) mend() { w.proxy.Toxics.ResetToxics(context.Background()) }

// TestLostReplies swallows every other reply to a COMMIT, or the COMMIT itself. The
// shop hears of neither more than that the connection broke; what was committed it
// finds when it looks, and all it asks for again with the same key is there once.
func TestLostReplies(t *testing.T) {
	for _, e := range Engines() {
		if e.Dialect == sqlstore.SQLite {
			continue // there is no wire
		}
		for _, way := range []string{"alone", "with the order"} {
			workers, orders := size(4, 16), size(8, 200)
			t.Run(fmt.Sprintf("%s/%s, %d workers with %d orders each", e.Name, way, workers, orders), func(t *testing.T) {
				lostReplies(t, e, way == "with the order", workers, orders)
			})
		}
	}
}

func lostReplies(t *testing.T, e Engine, withOrder bool, workers, orders int) {
	s := openShop(t, e, 0)
	direct := serve(s.store, nil)
	_, err := direct.coupons.Publish(t.Context(), coupon.Offer{
		ID: "hot", Name: "hot", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}}, Limits: []coupon.Limit{{Uses: 1 << 40}},
	}, "staff", noon)
	require.NoError(t, err)
	_, err = direct.coupons.Issue(t.Context(), coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}}, noon)
	require.NoError(t, err)
	quote, err := direct.coupons.Quote(t.Context(), basket("jane"), coupon.Choose("HOT"), noon)
	require.NoError(t, err)

	var unheard atomic.Int64
	together(workers, func(worker int) {
		wire, dsn := e.wired(t, s.dsn)
		swallowed := ""
		db := e.Tap(t, dsn, 1, func(step Step) error {
			if step.commits() && !step.Done && swallowed != "" {
				return wire.swallow(swallowed)
			}
			return nil
		})
		store := e.New(t, db, sqlstore.Options{})
		for i := range orders {
			order := fmt.Sprintf("%d-%d", worker, i)
			redeem := func() error { return redeemOnce(store, order, quote, withOrder) }
			// A statement is prepared on a new connection when it is first used: every other
			// time all goes well.
			swallowed = []string{"", replies, "", requests}[i%4]
			err := redeem()
			if swallowed == "" {
				assert.NoError(t, err, order)
				continue
			}
			assert.ErrorIs(t, err, storage.ErrOutcomeUnknown, order)
			if swallowed == replies {
				for range 100 { // it is there soon, unless the machine was so busy that the wire broke first
					if redemptionOf(t, direct, order) {
						unheard.Add(1)
						break
					}
					runtime.Gosched()
				}
			} else {
				assert.False(t, redemptionOf(t, direct, order), order)
			}
			swallowed = ""
			wire.mend()
			for range 2 {
				assert.NoError(t, redeem(), order)
			}
		}
	})
	require.Positive(t, unheard.Load(), "no commit that its client did not hear of")
	_, values, err := s.store.Get(t.Context(), nil, "uses/hot")
	require.NoError(t, err)
	require.EqualValues(t, workers*orders, values["uses/hot"])
	require.Equal(t, workers*orders, countOf(t, s.store, "redemption"))
	if withOrder {
		var n int
		require.NoError(t, s.db.QueryRow("SELECT count(*) FROM orders").Scan(&n))
		require.Equal(t, workers*orders, n)
	}
	requireAudit(t, s.store)
}

// redeemOnce redeems for an order, which a shop does that looks first whether it has
// done so.
func redeemOnce(store *sqlstore.Store, order string, quote *coupon.Quote, withOrder bool) error {
	ctx, coupons := context.Background(), coupon.New(store, coupon.Options{})
	if !withOrder {
		return only(coupons.Redeem(ctx, order, quote, noon))
	}
	return store.InTx(ctx, func(tx *sql.Tx, bound *sqlstore.Store) error {
		switch _, err := coupons.In(bound).Redemption(ctx, order); {
		case err == nil:
			return nil
		case !errors.Is(err, coupon.ErrNoRedemption):
			return err
		}
		if _, err := tx.Exec("INSERT INTO orders (id) VALUES ('" + order + "')"); err != nil {
			return err
		}
		return only(coupons.In(bound).Redeem(ctx, order, quote, noon))
	})
}

func redemptionOf(t *testing.T, s services, order string) bool {
	_, err := s.coupons.Redemption(t.Context(), order)
	if !errors.Is(err, coupon.ErrNoRedemption) {
		assert.NoError(t, err)
	}
	return err == nil
}

package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

var (
	eur  = ledger.MustCurrency("EUR")
	noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// market is a shop with everything vouch has, on a real engine.
type market struct {
	dsn       string
	db        *sql.DB
	store     *sqlstore.Store
	coupons   *coupon.Service
	referrals *referral.Service
}

func openMarket(t testing.TB, e Engine) *market {
	t.Helper()
	dsn := e.DSN(t)
	db := e.Open(t, dsn, 16)
	store := e.New(t, db, sqlstore.Options{})
	require.NoError(t, store.Migrate(t.Context(), views()...))
	_, err := db.Exec("CREATE TABLE shop_orders (id VARCHAR(100) PRIMARY KEY, total BIGINT NOT NULL)")
	require.NoError(t, err)
	coupons := coupon.New(store, coupon.Options{})
	m := &market{dsn, db, store, coupons, referral.New(store, coupons, referral.Options{Events: true})}
	for _, id := range []string{"welcome", "friend"} {
		m.publish(t, coupon.Offer{ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}}})
	}
	t.Cleanup(func() {
		report, err := referral.Audit(context.Background(), store)
		if errors.Is(err, sqlstore.ErrClosed) {
			return // a test that closed it looks for itself
		}
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
	return m
}

func (m *market) publish(t testing.TB, o coupon.Offer) {
	t.Helper()
	_, err := m.coupons.Publish(t.Context(), o, "staff", noon)
	require.NoError(t, err)
}

func (m *market) code(t testing.TB, offer, code string) {
	t.Helper()
	_, err := m.coupons.Issue(t.Context(), coupon.IssueRequest{ID: code, Offers: []coupon.IssueOffer{{Offer: offer, Code: code}}}, noon)
	require.NoError(t, err)
}

func basket(customer string) coupon.Cart {
	return coupon.Cart{Currency: eur, Customer: coupon.Customer{Key: customer}, Lines: []coupon.Line{
		{ID: "1", Product: "teapot", Seller: "acme", Quantity: 3, UnitPrice: ledger.MustMoney("9.99", eur)},
		{ID: "2", Product: "kite", Seller: "zeta", Quantity: 1, UnitPrice: ledger.MustMoney("24.00", eur)},
	}}
}

// TestDomain tells the same story on every engine: a friend is invited, pays with a
// coupon in the shop's own transaction, and sends everything back.
func TestDomain(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			m, ctx := openMarket(t, e), t.Context()
			_, err := m.referrals.Publish(ctx, referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome"}}, coupon.IssueOffer{Offer: "friend"}), "staff", noon)
			require.NoError(t, err)
			link, err := m.referrals.Link(ctx, "invite", "jane", noon)
			require.NoError(t, err)
			bound, err := m.referrals.Register(ctx, referral.Registration{Customer: "ada", Code: link.Code.String()}, noon)
			require.NoError(t, err)
			require.True(t, bound.Bound)
			welcome := bound.Rewards[0].Coupons[0]

			quote, err := m.coupons.Quote(ctx, basket("ada"), coupon.ChooseCoupons(welcome), noon)
			require.NoError(t, err)
			require.Equal(t, ledger.MustMoney("48.97", eur), quote.Total)
			rolledBack := errors.New("the payment page could not be reached")
			order := func(id string, verdict error) error {
				return m.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
					if _, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO shop_orders (id, total) VALUES ('%s', %d)", id, quote.Total.Minor())); err != nil {
						return err
					}
					if _, err := m.coupons.In(store).Reserve(ctx, id, quote, noon); err != nil {
						return err
					}
					return verdict
				})
			}
			require.ErrorIs(t, order("o-0", rolledBack), rolledBack)
			_, err = m.coupons.Redemption(ctx, "o-0")
			require.ErrorIs(t, err, coupon.ErrNoRedemption)
			require.NoError(t, order("o-1", nil))

			paid, err := m.referrals.OrderPaid(ctx, referral.Payment{Order: "o-1", Customer: "ada", Amount: quote.Total}, noon.Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, coupon.StateConfirmed, paid.Redemption.State)
			require.Equal(t, referral.StateConfirmed, paid.Referrals[0].State)
			wallet, err := m.coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, noon.Add(time.Hour))
			require.NoError(t, err)
			require.Len(t, wallet.Coupons, 1)

			var orders, discounts int64
			require.NoError(t, m.db.QueryRow(`SELECT count(*), sum(r.discount) FROM shop_orders o JOIN vouch_redemptions r ON r.order_id = o.id
				JOIN vouch_referrals f ON f.order_id = o.id WHERE r.state = 'confirmed' AND f.state = 'confirmed'`).Scan(&orders, &discounts))
			require.EqualValues(t, 1, orders)
			require.EqualValues(t, 500, discounts)

			back, err := m.referrals.OrderReturned(ctx, referral.Return{
				ID: "r-1", Order: "o-1", Customer: "ada", Coupons: &coupon.RefundRequest{Everything: true},
			}, noon.Add(2*time.Hour))
			require.NoError(t, err)
			require.Equal(t, quote.Total, back.Refund.Amount)
			require.Equal(t, referral.StateReversed, back.Referrals[0].State)
			wallet, err = m.coupons.Wallet(ctx, "jane", coupon.WalletQuery{}, noon.Add(2*time.Hour))
			require.NoError(t, err)
			require.Empty(t, wallet.Coupons)
		})
	}
}

// TestDomainCaps lets many redeem at once what only some can: on the store itself,
// and with the shop's order in one transaction.
func TestDomainCaps(t *testing.T) {
	const limit, attempts = 10, 80
	for _, e := range Engines() {
		for name, redeem := range map[string]func(*market, string, *coupon.Quote) error{
			"alone": func(m *market, order string, q *coupon.Quote) error {
				_, err := m.coupons.Redeem(context.Background(), order, q, noon)
				return err
			},
			"with the order": func(m *market, order string, q *coupon.Quote) error {
				return m.store.InTx(context.Background(), func(tx *sql.Tx, store *sqlstore.Store) error {
					if _, err := tx.Exec("INSERT INTO shop_orders (id, total) VALUES ('" + order + "', 0)"); err != nil {
						return err
					}
					_, err := m.coupons.In(store).Redeem(context.Background(), order, q, noon)
					return err
				})
			},
		} {
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				m := openMarket(t, e)
				m.publish(t, coupon.Offer{
					ID: "flash", Name: "flash", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")},
					Limits: []coupon.Limit{{Uses: limit}, {Per: coupon.PerCustomer, Uses: 1}},
				})
				m.code(t, "flash", "FLASH")
				var accepted atomic.Int64
				together(8, func(caller int) {
					for i := range attempts / 8 {
						order := fmt.Sprintf("o-%d-%d", caller, i)
						quote, err := m.coupons.Quote(t.Context(), basket("customer-"+order), coupon.Choose("flash"), noon)
						if err != nil {
							t.Error(err)
							return
						}
						if len(quote.Applied()) == 0 {
							continue // the quote says that the limit is reached
						}
						var refused *coupon.Refusal
						switch err := redeem(m, order, quote); {
						case err == nil:
							accepted.Add(1)
						case !errors.As(err, &refused):
							t.Error(err)
						}
					}
				})
				require.EqualValues(t, limit, accepted.Load())
				_, values, err := m.store.Get(t.Context(), nil, "uses/flash")
				require.NoError(t, err)
				require.EqualValues(t, limit, values["uses/flash"])
				if name == "with the order" {
					var orders int
					require.NoError(t, m.db.QueryRow("SELECT count(*) FROM shop_orders").Scan(&orders))
					require.Equal(t, limit, orders)
				}
			})
		}
	}
}

// TestBadInput gives each thing that goes wrong in a shop a typed error that says
// what to do, and finds nothing half written.
func TestBadInput(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	usd := ledger.MustCurrency("USD")
	million := coupon.Cart{Currency: eur, Lines: make([]coupon.Line, 1_000_000)}
	changed := func(change func(*coupon.Cart)) coupon.Cart {
		cart := basket("jane")
		change(&cart)
		return cart
	}
	quoted := func(cart coupon.Cart) func(*market, *coupon.Quote) error {
		return func(m *market, _ *coupon.Quote) error {
			_, err := m.coupons.Quote(context.Background(), cart, coupon.Choose("CODE"), noon)
			return err
		}
	}
	for name, c := range map[string]struct {
		do   func(m *market, q *coupon.Quote) error
		is   error
		says string
	}{
		"wrong currency":    {quoted(changed(func(c *coupon.Cart) { c.Lines[1].UnitPrice = ledger.Minor(1, usd) })), coupon.ErrCart, "lines[1].unit_price: is in USD"},
		"zero quantity":     {quoted(changed(func(c *coupon.Cart) { c.Lines[0].Quantity = 0 })), coupon.ErrCart, "lines[0].quantity: is 0"},
		"negative quantity": {quoted(changed(func(c *coupon.Cart) { c.Lines[0].Quantity = -2 })), coupon.ErrCart, "lines[0].quantity: is -2"},
		"a million lines":   {quoted(million), coupon.ErrCart, "at most 10000 are allowed"},
		"a line id twice":   {quoted(changed(func(c *coupon.Cart) { c.Lines[1].ID = "1" })), coupon.ErrCart, "lines[1].id"},
		"more decimals than the currency has": {func(*market, *coupon.Quote) error {
			_, err := ledger.ParseMoney("19.999", eur)
			return err
		}, ledger.ErrPrecision, "19.999"},
		"an unknown offer version": {func(m *market, _ *coupon.Quote) error {
			_, err := m.coupons.Issue(context.Background(), coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "welcome", Version: 7}}}, noon)
			return err
		}, coupon.ErrNoOffer, `"welcome" in version 7`},
		"a clock that is not set": {func(m *market, q *coupon.Quote) error {
			_, err := m.coupons.Redeem(context.Background(), "o", q, time.Time{})
			return err
		}, coupon.ErrRequest, "now"},
		"a cancelled context": {func(m *market, q *coupon.Quote) error {
			_, err := m.coupons.Redeem(cancelled, "o", q, noon)
			return err
		}, context.Canceled, "cancel"},
		"a closed database": {func(m *market, q *coupon.Quote) error {
			if err := m.db.Close(); err != nil {
				return err
			}
			_, err := m.coupons.Redeem(context.Background(), "o", q, noon)
			return err
		}, sqlstore.ErrClosed, "closed"},
	} {
		for _, e := range usual() {
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				m := openMarket(t, e)
				m.code(t, "welcome", "CODE")
				quote, err := m.coupons.Quote(t.Context(), basket("jane"), coupon.Choose("code"), noon)
				require.NoError(t, err)
				err = c.do(m, quote)
				require.ErrorIs(t, err, c.is)
				require.ErrorContains(t, err, c.says)
				if _, err := m.coupons.Redemption(t.Context(), "o"); !errors.Is(err, sqlstore.ErrClosed) {
					require.ErrorIs(t, err, coupon.ErrNoRedemption)
				}
			})
		}
	}
}

// TestClockGoingBackwards redeems before the coupon was issued, by the caller's
// clock: nothing depends on instants growing.
func TestClockGoingBackwards(t *testing.T) {
	m := openMarket(t, sqlite())
	m.code(t, "welcome", "CODE")
	before := noon.Add(-time.Hour)
	quote, err := m.coupons.Quote(t.Context(), basket("jane"), coupon.Choose("code"), noon)
	require.NoError(t, err)
	_, err = m.coupons.Reserve(t.Context(), "o", quote, noon)
	require.NoError(t, err)
	redemption, err := m.coupons.Confirm(t.Context(), "o", before)
	require.NoError(t, err)
	require.Equal(t, coupon.StateConfirmed, redemption.State)
}

// TestReadOnlyFile reads what is there, and says why it writes nothing.
func TestReadOnlyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	e := sqlite()
	e.DSN = func(testing.TB) string { return sqlstore.SQLiteDSN(path) }
	m := openMarket(t, e)
	m.code(t, "welcome", "CODE")
	closed := e.New(t, e.Open(t, sqlstore.SQLiteDSN(path)+"&mode=ro", 0), sqlstore.Options{})
	coupons := coupon.New(closed, coupon.Options{})
	quote, err := coupons.Quote(t.Context(), basket("jane"), coupon.Choose("code"), noon)
	require.NoError(t, err)
	require.Len(t, quote.Applied(), 1)
	_, err = coupons.Redeem(t.Context(), "o", quote, noon)
	require.ErrorIs(t, err, sqlstore.ErrReadOnly)
	_, err = m.coupons.Redemption(t.Context(), "o")
	require.ErrorIs(t, err, coupon.ErrNoRedemption)
}

// BenchmarkRedeem is a redemption in one step of a quote in hand, under a limit for
// all and one per customer, from quote to commit.
func BenchmarkRedeem(b *testing.B) {
	for _, e := range usual() {
		b.Run(e.Name, func(b *testing.B) {
			m := openMarket(b, e)
			m.publish(b, coupon.Offer{
				ID: "spring", Name: "spring", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")},
				Limits: []coupon.Limit{{Uses: 1 << 40}, {Per: coupon.PerCustomer, Uses: 1 << 40}},
			})
			m.code(b, "spring", "SPRING")
			quote, err := m.coupons.Quote(b.Context(), basket("jane"), coupon.Choose("spring"), noon)
			require.NoError(b, err)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := m.coupons.Redeem(b.Context(), fmt.Sprintf("order-%d", i), quote, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

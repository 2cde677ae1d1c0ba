package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// rush is many attempts at what only some can have.
type rush struct {
	name       string
	limit      coupon.Limit
	codes      int // of the offer, in turn
	customers  int // one after the other, each with as many attempts
	goroutines int
	attempts   int
	allowed    int // redemptions in all
}

// rushes are a cap for all, one for many codes, and one for each of many customers.
func rushes(uses, goroutines, attempts, codes, perCustomer, customers int) []rush {
	all, each := coupon.Limit{Uses: int64(uses)}, coupon.Limit{Per: coupon.PerCustomer, Uses: int64(perCustomer)}
	named := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + fmt.Sprintf(", %d goroutines, %d attempts", goroutines, attempts)
	}
	return []rush{
		{named("cap %d", uses), all, 1, 1, goroutines, attempts, uses},
		{named("%d codes under a cap of %d", codes, uses), all, codes, 1, goroutines, attempts, uses},
		{named("%d for each of %d customers", perCustomer, customers), each, 1, customers, goroutines, attempts, perCustomer * customers},
	}
}

// usualRushes are the short form, or the long one.
func usualRushes() []rush {
	return rushes(size(20, 1000), size(8, 64), size(80, 10_000), size(10, 200), size(3, 3), size(10, 500))
}

// run has everybody redeem a quote in hand, and gives how many were accepted. It
// requires that there are as many redemptions, uses and entries.
func (r rush) run(t *testing.T, s services, redeem func(order string, quote *coupon.Quote) error) int {
	t.Helper()
	quotes := r.quotes(t, s)
	var accepted, next atomic.Int64
	together(r.goroutines, func(int) {
		for i := int(next.Add(1)) - 1; i < r.attempts; i = int(next.Add(1)) - 1 {
			customer, code := i*r.customers/r.attempts, i%r.codes
			err := redeem(fmt.Sprint("order-", i), quotes[customer*r.codes+code])
			switch {
			case err == nil:
				accepted.Add(1)
			case !errors.Is(err, coupon.ErrRefused) && !errors.Is(err, coupon.ErrQuoteChanged):
				t.Error(err)
			}
		}
	})
	n := accepted.Load()
	require.EqualValues(t, n, countOf(t, s.store, "redemption"))
	require.EqualValues(t, n, countOf(t, s.store, "entry")-len(r.setUp(t)), "entries of redemptions")
	granted, err := s.book.Balance(t.Context(), "promotions/platform", eur)
	require.NoError(t, err)
	require.Equal(t, -500*n, granted.Minor(), "what the platform has paid")
	if r.customers == 1 {
		_, values, err := s.store.Get(t.Context(), nil, "uses/hot")
		require.NoError(t, err)
		require.Equal(t, n, values["uses/hot"])
	}
	return int(n)
}

// quotes publishes the offer, issues its codes, and quotes for each customer and code.
func (r rush) quotes(t *testing.T, s services) []*coupon.Quote {
	t.Helper()
	for _, do := range r.setUp(t) {
		require.NoError(t, do(s))
	}
	var quotes []*coupon.Quote
	for customer := range r.customers {
		for code := range r.codes {
			quote, err := s.coupons.Quote(t.Context(), basket(fmt.Sprint("customer-", customer)), coupon.Choose(fmt.Sprint("HOT", code)), noon)
			require.NoError(t, err)
			require.Len(t, quote.Applied(), 1)
			quotes = append(quotes, quote)
		}
	}
	return quotes
}

// setUp is what writes an entry each.
func (r rush) setUp(t *testing.T) []func(services) error {
	steps := []func(services) error{func(s services) error {
		return only(s.coupons.Publish(t.Context(), coupon.Offer{
			ID: "hot", Name: "hot", Limits: []coupon.Limit{r.limit},
			Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
		}, "staff", noon))
	}}
	for code := range r.codes {
		steps = append(steps, func(s services) error {
			return only(s.coupons.Issue(t.Context(), coupon.IssueRequest{
				ID: fmt.Sprint("hot", code), Offers: []coupon.IssueOffer{{Offer: "hot", Code: fmt.Sprint("HOT", code)}},
			}, noon))
		})
	}
	return steps
}

// countOf counts the documents of a kind.
func countOf(t *testing.T, store storage.Store, kind string) int {
	t.Helper()
	n, query := 0, storage.Query{Kind: kind, Limit: storage.MaxPage}
	for {
		page, err := store.List(t.Context(), query)
		require.NoError(t, err)
		if n += len(page.Docs); page.Next == "" {
			return n
		}
		query.After = page.Next
	}
}

// TestCap: of many who want what only some can have, as many are accepted as may be,
// at every level of isolation that the database may have as its default, on the store
// alone and in one transaction with the order. The short form leaves out most levels
// of the less usual drivers.
func TestCap(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		for _, r := range usualRushes() {
			t.Run(r.name, func(t *testing.T) {
				s := serve(memory.New(), nil)
				require.Equal(t, r.allowed, r.run(t, s, func(order string, quote *coupon.Quote) error {
					return only(s.coupons.Redeem(context.Background(), order, quote, noon))
				}))
				requireAudit(t, s.store)
			})
		}
	})
	for _, e := range Engines() {
		levels := e.levels()
		switch {
		case *long:
		case e.isUsual():
			levels = slices.DeleteFunc(levels, func(l Engine) bool { return l.Name == "read uncommitted" })
		default:
			levels = levels[len(levels)/2:][:1]
		}
		for _, level := range levels {
			t.Run(e.Name+"/"+level.Name, func(t *testing.T) { capAt(t, level) })
		}
	}
}

// capAt plays the rushes in one database, each with a tenant of its own.
func capAt(t *testing.T, e Engine) {
	db := e.Open(t, e.DSN(t), 16)
	store := e.Store(t, db, sqlstore.Options{})
	_, err := db.Exec("CREATE TABLE orders (tenant VARCHAR(10) NOT NULL, id VARCHAR(100) NOT NULL, PRIMARY KEY (tenant, id))")
	require.NoError(t, err)
	var turn sync.Mutex
	for i, r := range usualRushes() {
		t.Run(r.name+"/alone", func(t *testing.T) {
			s := serve(storage.Prefixed(store, fmt.Sprint(i, "a/")), nil)
			require.Equal(t, r.allowed, r.run(t, s, func(order string, quote *coupon.Quote) error {
				return tillDone(&turn, func() error { return only(s.coupons.Redeem(context.Background(), order, quote, noon)) })
			}))
			requireAudit(t, s.store)
		})
		t.Run(r.name+"/with the order", func(t *testing.T) {
			tenant := fmt.Sprint(i, "b")
			s := serve(storage.Prefixed(store, tenant+"/"), nil)
			require.Equal(t, r.allowed, r.run(t, s, func(order string, quote *coupon.Quote) error {
				return tillDone(&turn, func() error {
					return store.InTx(context.Background(), func(tx *sql.Tx, bound *sqlstore.Store) error {
						if _, err := tx.Exec("INSERT INTO orders (tenant, id) VALUES ('" + tenant + "', '" + order + "')"); err != nil {
							return err
						}
						return only(s.coupons.In(storage.Prefixed(bound, tenant+"/")).Redeem(context.Background(), order, quote, noon))
					})
				})
			}))
			var orders int
			require.NoError(t, db.QueryRow("SELECT count(*) FROM orders WHERE tenant = '"+tenant+"'").Scan(&orders))
			require.Equal(t, r.allowed, orders)
			requireAudit(t, s.store)
		})
	}
}

// tillDone does what the database still asks to be done again after all attempts. Those
// who must take turns: if all began again at once, they could keep each other from
// ever getting through.
func tillDone(turn *sync.Mutex, do func() error) error {
	err := do()
	if !sqlstore.Retryable(err) {
		return err
	}
	turn.Lock()
	defer turn.Unlock()
	for sqlstore.Retryable(err) {
		err = do()
	}
	return err
}

func requireAudit(t *testing.T, store storage.Store) {
	t.Helper()
	report, err := referral.Audit(t.Context(), store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// TestNaiveCapIsCaught: the same rushes on a store that reads what is used, checks it
// and writes. All read before the first one writes.
func TestNaiveCapIsCaught(t *testing.T) {
	const goroutines = 6
	stores := map[string]func(t *testing.T) storage.Store{"memory": func(*testing.T) storage.Store { return memory.New() }}
	for _, e := range usual() {
		stores[e.Name] = func(t *testing.T) storage.Store { return e.Store(t, e.Open(t, e.DSN(t), 0), sqlstore.Options{}) }
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			for i, r := range rushes(3, goroutines, 2*goroutines, 2, 3, 2) {
				t.Run(r.name, func(t *testing.T) {
					naive := &naiveCap{Store: storage.Prefixed(store, fmt.Sprint(i, "/")), first: goroutines}
					naive.allHaveRead.Add(goroutines)
					s := serve(naive, nil)
					accepted := r.run(t, s, func(order string, quote *coupon.Quote) error {
						return only(s.coupons.Redeem(context.Background(), order, quote, noon))
					})
					require.Greater(t, accepted, r.allowed)
				})
			}
		})
	}
}

// naiveCap is the way a cap must not be kept. The first to take from a counter, one of
// each goroutine, wait for each other, so that the race is lost on every machine.
type naiveCap struct {
	storage.Store
	first       int64
	takers      atomic.Int64
	allHaveRead sync.WaitGroup
}

func (s *naiveCap) Apply(ctx context.Context, b storage.Batch) error {
	adds := b.Adds
	b.Adds = nil
	for _, a := range adds {
		_, values, err := s.Get(ctx, nil, a.Counter)
		if err != nil {
			return err
		}
		if _, allowed := a.After(values[a.Counter]); !allowed {
			return &storage.Failure{Op: storage.OpAdd, Counter: a.Counter, Err: storage.ErrLimit}
		}
		a.Min, a.Max = math.MinInt64, math.MaxInt64
		b.Adds = append(b.Adds, a)
	}
	if len(adds) > 0 && s.takers.Add(1) <= s.first {
		s.allHaveRead.Done()
		s.allHaveRead.Wait()
	}
	return s.Store.Apply(ctx, b)
}

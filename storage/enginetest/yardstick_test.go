package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// The yardsticks are what somebody would write by hand for one purpose: with the same
// driver, pool and commit setting, and the same rows and bytes as a redemption leaves,
// in as few statements as the engine allows.

// hand is a shop's own code, and what it writes like what the library does.
type hand struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	like    []sample // of each quote
}

// sample is what the library has written for an order.
type sample struct {
	order    string
	puts     []storage.Put
	counters []string
}

func orderID(n int64) string { return fmt.Sprintf("order-%010d", n) }

func newHand(b *testing.B, e Engine, db *sql.DB, like []sample) *hand {
	text, long := "TEXT COLLATE \"C\"", "TEXT"
	switch e.Dialect {
	case sqlstore.MySQL:
		text, long = "VARBINARY(190)", "MEDIUMBLOB"
	case sqlstore.SQLite:
		text = "TEXT"
	}
	pending := " WHERE due IS NOT NULL"
	if e.Dialect == sqlstore.MySQL {
		pending = ""
	}
	for _, statement := range []string{
		"CREATE TABLE hand_counters (id " + text + " PRIMARY KEY, used BIGINT NOT NULL, ends BIGINT, rev BIGINT NOT NULL)",
		"CREATE TABLE hand_docs (kind " + text + " NOT NULL, id " + text + " NOT NULL, version BIGINT NOT NULL, due BIGINT, lists " + long +
			" NOT NULL, body " + long + " NOT NULL, PRIMARY KEY (kind, id))",
		"CREATE TABLE hand_lists (kind " + text + " NOT NULL, list " + text + " NOT NULL, place BIGINT NOT NULL, id " + text + " NOT NULL, PRIMARY KEY (kind, list, place, id))",
		"CREATE INDEX hand_docs_due ON hand_docs (kind, due, id)" + pending,
	} {
		_, err := db.Exec(statement)
		require.NoError(b, err)
	}
	for _, written := range like {
		for _, name := range written.counters {
			_, err := db.Exec("INSERT INTO hand_counters (id, used, rev) VALUES ('" + name + "', 0, 0)")
			require.NoError(b, err)
		}
	}
	return &hand{db, e.Dialect, like}
}

// rows are the documents and list rows of an order, as those of a sample.
func (h *hand) rows(like sample, order string) (docs, lists []any) {
	named := func(s string) string { return strings.ReplaceAll(s, like.order, order) }
	for _, p := range like.puts {
		var places []string
		for _, l := range p.Lists {
			lists = append(lists, p.Key.Kind, named(l.List), l.Place, named(p.Key.ID))
			places = append(places, fmt.Sprintf("%q:%d", named(l.List), l.Place))
		}
		docs = append(docs, p.Key.Kind, named(p.Key.ID), 1, nil, "{"+strings.Join(places, ",")+"}", named(string(p.Body)))
	}
	return docs, lists
}

var errHandFull = errors.New("full")

const enough = int64(1) << 40

// redeem claims three counters and writes the rows of an order of the i-th quote.
func (h *hand) redeem(ctx context.Context, i int, order string) error {
	docs, lists := h.rows(h.like[i], order)
	counters := h.like[i].counters
	if h.dialect == sqlstore.PostgreSQL {
		return h.redeemAtOnce(ctx, counters, docs, lists)
	}
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	claim := "UPDATE hand_counters SET used = used + 1, rev = rev + 1 WHERE (id = ? AND used + 1 <= ?)" + strings.Repeat(" OR (id = ? AND used + 1 <= ?)", len(counters)-1)
	var args []any
	for _, name := range counters {
		args = append(args, name, enough)
	}
	insert := func(into string, columns int, values []any) error {
		row := "(?" + strings.Repeat(", ?", columns-1) + ")"
		_, err := tx.ExecContext(ctx, into+" VALUES "+row+strings.Repeat(", "+row, len(values)/columns-1), values...)
		return err
	}
	if err := insert("INSERT INTO hand_docs (kind, id, version, due, lists, body)", 6, docs); err != nil {
		return err
	}
	if err := insert("INSERT INTO hand_lists (kind, list, place, id)", 4, lists); err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, claim, args...) // last: the counters are what others wait for
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != int64(len(counters)) {
		return errors.Join(errHandFull, err)
	}
	return tx.Commit()
}

// redeemAtOnce is one statement, and so one round trip. It fails as a whole, by a
// division by zero, where one of the counters has no room.
func (h *hand) redeemAtOnce(ctx context.Context, counters []string, docs, lists []any) error {
	var args []any
	arg := func(v any, cast string) string {
		args = append(args, v)
		return fmt.Sprintf("$%d::%s", len(args), cast)
	}
	var statement strings.Builder
	var claimed []string
	for i, name := range counters {
		fmt.Fprintf(&statement, "%s c%d AS (UPDATE hand_counters SET used = used + 1, rev = rev + 1 WHERE id = %s AND used + 1 <= %s RETURNING 1)",
			[]string{"WITH", ",", ","}[i], i, arg(name, "text"), arg(enough, "bigint"))
		claimed = append(claimed, fmt.Sprintf("(SELECT count(*) FROM c%d)", i))
	}
	values := func(cells []any, casts ...string) string {
		var rows []string
		for row := range slices.Chunk(cells, len(casts)) {
			var columns []string
			for i, v := range row {
				columns = append(columns, arg(v, casts[i]))
			}
			rows = append(rows, "("+strings.Join(columns, ", ")+")")
		}
		return "VALUES " + strings.Join(rows, ", ")
	}
	statement.WriteString(", d AS (INSERT INTO hand_docs (kind, id, version, due, lists, body) " + values(docs, "text", "text", "bigint", "bigint", "text", "text") + ")")
	statement.WriteString(", l AS (INSERT INTO hand_lists (kind, list, place, id) " + values(lists, "text", "text", "bigint", "text") + ")")
	statement.WriteString(" SELECT 1 / (" + strings.Join(claimed, " * ") + ")")
	_, err := h.db.ExecContext(ctx, statement.String(), args...)
	return err
}

// bazaar is many offers with a coupon and a customer each, and their quotes in hand.
type bazaar struct {
	hand    *hand
	direct  *coupon.Service
	grouped *coupon.Service
	group   *storage.Group
	store   *sqlstore.Store
	db      *sql.DB
	quotes  []*coupon.Quote
	orders  atomic.Int64
}

// tapStore notes what is applied.
type tapStore struct {
	storage.Store
	applied storage.Batch
}

func (s *tapStore) Apply(ctx context.Context, b storage.Batch) error {
	s.applied = b
	return s.Store.Apply(ctx, b)
}

// offersInBazaar is over how many offers, customers and coupons redemptions spread.
const offersInBazaar = 256

func openBazaar(b *testing.B, e Engine) *bazaar {
	db := e.Open(b, e.DSN(b), 40)
	db.SetMaxIdleConns(40)
	z := &bazaar{db: db, store: e.Store(b, db, sqlstore.Options{})}
	z.group = storage.Grouped(z.store, storage.GroupOptions{})
	b.Cleanup(func() { require.NoError(b, z.group.Close()) })
	z.direct = coupon.New(z.store, coupon.Options{})
	z.grouped = z.direct.Through(z.group) // so that the quotes in hand are its own
	z.quotes = make([]*coupon.Quote, offersInBazaar)
	like := make([]sample, offersInBazaar)
	ctx := b.Context()
	together(8, func(worker int) {
		for i := worker; i < offersInBazaar; i += 8 {
			id, code := fmt.Sprintf("offer-%03d", i), fmt.Sprintf("CODE%03d", i)
			_, err := z.grouped.Publish(ctx, coupon.Offer{
				ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
				Limits: []coupon.Limit{{Uses: enough}, {Per: coupon.PerCustomer, Uses: enough}, {Per: coupon.PerCoupon, Uses: enough}},
			}, "staff", noon)
			assertNoError(b, err)
			_, err = z.grouped.Issue(ctx, coupon.IssueRequest{ID: code, Offers: []coupon.IssueOffer{{Offer: id, Code: code}}}, noon)
			assertNoError(b, err)
			quote, err := z.direct.Quote(ctx, basket(fmt.Sprintf("customer-%03d", i)), coupon.Choose(code), noon)
			assertNoError(b, err)
			z.quotes[i] = quote
			tap, order := &tapStore{Store: z.store}, fmt.Sprintf("first-%010d", i)
			_, err = z.direct.Through(tap).Redeem(ctx, order, quote, noon) // makes the counters
			assertNoError(b, err)
			like[i] = sample{order: order, puts: tap.applied.Puts}
			for _, add := range tap.applied.Adds {
				like[i].counters = append(like[i].counters, add.Counter)
			}
		}
	})
	require.False(b, b.Failed())
	for _, written := range like {
		require.Len(b, written.counters, 3)
		require.Len(b, written.puts, 2)
	}
	z.hand = newHand(b, e, db, like)
	return z
}

func assertNoError(b *testing.B, err error) {
	if err != nil {
		b.Error(err)
	}
}

// A redeemer redeems an order of the i-th quote.
type redeemer func(ctx context.Context, i int, order string) error

func (z *bazaar) by(s *coupon.Service) redeemer {
	return func(ctx context.Context, i int, order string) error {
		_, err := s.Redeem(ctx, order, z.quotes[i], noon)
		return err
	}
}

func (z *bazaar) byHand(ctx context.Context, i int, order string) error {
	return z.hand.redeem(ctx, i, order)
}

// rate is how many calls per second so many clients get through, and the median and
// the 99th percentile of how long one takes. spread is over how many quotes.
func (z *bazaar) rate(b *testing.B, do redeemer, clients, spread int, d time.Duration) measured {
	return rate(b, clients, d, func(ctx context.Context, n int64) error {
		return do(ctx, int(n)%spread, orderID(z.orders.Add(1)))
	})
}

type measured struct {
	perSecond   float64
	median, p99 time.Duration
}

func rate(b *testing.B, clients int, d time.Duration, do func(ctx context.Context, n int64) error) measured {
	b.Helper()
	took := make([][]time.Duration, clients)
	var n atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for c := range clients {
		wg.Go(func() {
			for time.Since(begun) < d {
				at := time.Now()
				if err := do(context.Background(), n.Add(1)); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(at))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begun)
	all := slices.Concat(took...)
	require.NotEmpty(b, all)
	slices.Sort(all)
	return measured{float64(len(all)) / elapsed.Seconds(), all[len(all)/2], all[len(all)*99/100]}
}

// compared runs ways one after the other, five times over, and gives for each the
// median of its rate relative to the first's in the same round.
func compared(b *testing.B, rounds int, ways ...func() measured) (ratios []float64, last []measured) {
	all := make([][]float64, len(ways))
	last = make([]measured, len(ways))
	for range rounds {
		var first float64
		for i, run := range ways {
			m := run()
			if i == 0 {
				first = m.perSecond
			}
			all[i], last[i] = append(all[i], m.perSecond/first), m
		}
	}
	for _, each := range all {
		slices.Sort(each)
		ratios = append(ratios, each[len(each)/2])
	}
	return ratios, last
}

// timed are the engines as a shop that wants speed sets them up.
func timed() []Engine {
	return []Engine{sqlite(), postgres("postgres", "pgx"), mysql("mariadb", func(c *driver.Config) { c.InterpolateParams = true })}
}

const (
	rounds  = 5
	measure = 400 * time.Millisecond
)

// BenchmarkYardsticks compares redemptions with the yardsticks, on the same server in
// the same run: medians of five interleaved rounds. Each metric is a ratio.
//
//	go test -run '^$' -bench Yardsticks -benchtime 1x ./storage/enginetest
func BenchmarkYardsticks(b *testing.B) {
	for _, e := range timed() {
		b.Run(e.Name, func(b *testing.B) {
			z := openBazaar(b, e)
			report := func(b *testing.B, ratios []float64, last []measured, names ...string) {
				b.ReportMetric(0, "ns/op")
				for i, name := range names {
					b.ReportMetric(ratios[i+1], name+"/yardstick")
					b.ReportMetric(float64(last[i+1].p99)/float64(last[i+1].median), name+"-p99/median")
				}
				b.ReportMetric(last[0].perSecond, "yardstick/s")
			}
			for _, clients := range []int{1, 16, 64, 256} {
				b.Run(fmt.Sprintf("spread/%d_clients", clients), func(b *testing.B) {
					ratios, last := compared(b, rounds,
						func() measured { return z.rate(b, z.byHand, clients, offersInBazaar, measure) },
						func() measured { return z.rate(b, z.by(z.direct), clients, offersInBazaar, measure) },
						func() measured { return z.rate(b, z.by(z.grouped), clients, offersInBazaar, measure) })
					report(b, ratios, last, "direct", "grouped")
				})
			}
			b.Run("hot/64_clients", func(b *testing.B) {
				ratios, last := compared(b, rounds,
					func() measured { return z.rate(b, z.byHand, 64, 1, measure) },
					func() measured { return z.rate(b, z.by(z.grouped), 64, 1, measure) })
				report(b, ratios, last, "grouped")
			})
			if e.Dialect != sqlstore.SQLite { // where one transaction writes at a time, whatever it changes
				b.Run("shards/64_clients", func(b *testing.B) {
					one, many := z.hot(b, 0), z.hot(b, 16)
					ratios, last := compared(b, rounds,
						func() measured { return z.rate(b, one, 64, 1, measure) },
						func() measured { return z.rate(b, many, 64, 1, measure) })
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(ratios[1], "16-shards/one-counter")
					b.ReportMetric(last[0].perSecond, "one-counter/s")
				})
			}
			b.Run("add/64_clients", func(b *testing.B) {
				bare := z.hand.claimStatement()
				ratios, last := compared(b, rounds,
					func() measured {
						return rate(b, 64, measure, func(ctx context.Context, _ int64) error {
							_, err := z.db.ExecContext(ctx, bare)
							return err
						})
					},
					func() measured {
						return rate(b, 64, measure, func(ctx context.Context, _ int64) error {
							return z.store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "hot", Delta: 1, Max: math.MaxInt64}}})
						})
					})
				report(b, ratios, last, "apply")
			})
		})
	}
}

// hot redeems orders of one offer, each in a transaction of the shop's that goes on for
// 5 ms after the claim.
func (z *bazaar) hot(b *testing.B, shards int) redeemer {
	id := fmt.Sprint("hot-", shards)
	_, err := z.direct.Publish(b.Context(), coupon.Offer{
		ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}},
		Limits: []coupon.Limit{{Uses: enough, Shards: shards}},
	}, "staff", noon)
	require.NoError(b, err)
	_, err = z.direct.Issue(b.Context(), coupon.IssueRequest{ID: id, Offers: []coupon.IssueOffer{{Offer: id, Code: fmt.Sprint("HOT", shards)}}}, noon)
	require.NoError(b, err)
	quote, err := z.direct.Quote(b.Context(), basket("jane"), coupon.Choose(fmt.Sprint("HOT", shards)), noon)
	require.NoError(b, err)
	return func(ctx context.Context, _ int, order string) error {
		return z.store.InTx(ctx, func(_ *sql.Tx, bound *sqlstore.Store) error {
			_, err := z.direct.In(bound).Redeem(ctx, order, quote, noon)
			time.Sleep(5 * time.Millisecond)
			return err
		})
	}
}

func (h *hand) claimStatement() string {
	return fmt.Sprintf("UPDATE hand_counters SET used = used + 1, rev = rev + 1 WHERE id = '%s' AND used + 1 <= %d", h.like[0].counters[0], enough)
}

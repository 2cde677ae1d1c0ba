package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// till is a shop that writes each order with a word on whether a coupon was redeemed
// for it, in the transaction in which it redeems.
type till struct {
	engine Engine
	dsn    string
	db     *sql.DB
	store  *sqlstore.Store
	services
	quote *coupon.Quote // of a coupon for all
	gone  *coupon.Quote // of one that has been used up since
}

func openTill(t *testing.T, e Engine) till {
	t.Helper()
	s := till{engine: e, dsn: e.DSN(t)}
	s.db = e.Open(t, s.dsn, 0)
	s.store = e.Store(t, s.db, sqlstore.Options{})
	s.services = serve(s.store, nil)
	for _, statement := range []string{
		"CREATE TABLE orders (id VARCHAR(100) NOT NULL PRIMARY KEY, redeemed INTEGER NOT NULL)",
		"CREATE TABLE stock (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL)", "INSERT INTO stock VALUES (1, 1000), (2, 1000)",
	} {
		_, err := s.db.Exec(statement)
		require.NoError(t, err)
	}
	quoted := func(id string, uses int64) *coupon.Quote {
		_, err := s.coupons.Publish(t.Context(), coupon.Offer{
			ID: id, Name: id, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", eur)}}, Limits: []coupon.Limit{{Uses: uses}},
		}, "staff", noon)
		require.NoError(t, err)
		_, err = s.coupons.Issue(t.Context(), coupon.IssueRequest{ID: id, Offers: []coupon.IssueOffer{{Offer: id, Code: id}}}, noon)
		require.NoError(t, err)
		quote, err := s.coupons.Quote(t.Context(), basket("jane"), coupon.Choose(id), noon)
		require.NoError(t, err)
		return quote
	}
	s.quote, s.gone = quoted("many", 1<<40), quoted("last", 1)
	require.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		return s.order(t.Context(), tx, bound, "first", s.gone)
	}))
	return s
}

// order writes an order and redeems a quote for it.
func (s till) order(ctx context.Context, tx *sql.Tx, bound *sqlstore.Store, id string, quote *coupon.Quote) error {
	if err := s.write(ctx, tx, id, 1); err != nil {
		return err
	}
	return only(s.coupons.In(bound).Redeem(ctx, id, quote, noon))
}

func (s till) write(ctx context.Context, tx *sql.Tx, id string, redeemed int) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO orders (id, redeemed) VALUES ('%s', %d)", id, redeemed))
	return err
}

// agrees requires that each order has the redemption it tells of, that there is no
// other, and that the orders named, besides the first, are all; "-" before a name: it
// has none.
func (s till) agrees(t *testing.T, want ...string) {
	t.Helper()
	rows, err := s.db.Query("SELECT id, redeemed FROM orders WHERE id <> 'first' ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	redemptions, found := 1, []string{}
	for rows.Next() {
		var id string
		var redeemed bool
		require.NoError(t, rows.Scan(&id, &redeemed))
		_, err := s.coupons.Redemption(t.Context(), id)
		if redeemed {
			require.NoError(t, err, id)
			redemptions++
			found = append(found, id)
		} else {
			require.ErrorIs(t, err, coupon.ErrNoRedemption, id)
			found = append(found, "-"+id)
		}
	}
	require.NoError(t, rows.Err())
	require.Equal(t, redemptions, countOf(t, s.services.store, "redemption"))
	_, values, err := s.store.Get(t.Context(), nil, "uses/many")
	require.NoError(t, err)
	require.EqualValues(t, redemptions-1, values["uses/many"])
	requireAudit(t, s.store)
	if want != nil {
		require.Equal(t, want, found)
	}
}

// TestOrderAndRedemption: whatever befalls the shop's transaction, its order is there
// with the redemption, or neither is.
func TestOrderAndRedemption(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Run("refused coupon", func(t *testing.T) { refusedCoupon(t, openTill(t, e)) })
			t.Run("nested savepoints", func(t *testing.T) { nestedSavepoints(t, openTill(t, e)) })
			for _, wrong := range interferences() {
				t.Run(wrong.name, func(t *testing.T) { orderInterfered(t, openTill(t, e), wrong) })
			}
			if e.Dialect == sqlstore.SQLite {
				return // one writer and no server
			}
			t.Run("the server ends the session", func(t *testing.T) { sessionEnded(t, openTill(t, e)) })
			t.Run("deadlock, in InTx", func(t *testing.T) { deadlocked(t, openTill(t, e)) })
			t.Run("deadlock that the shop overlooks", func(t *testing.T) { deadlockOverlooked(t, openTill(t, e)) })
		})
	}
}

func refusedCoupon(t *testing.T, s till) {
	err := s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		return s.order(t.Context(), tx, bound, "1", s.gone)
	})
	require.ErrorIs(t, err, coupon.ErrRefused)
	s.agrees(t, []string{}...)
	// Or the shopper orders without the coupon: the transaction can still be used.
	require.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		require.NoError(t, s.write(t.Context(), tx, "2", 0))
		require.ErrorIs(t, only(s.coupons.In(bound).Redeem(t.Context(), "2", s.gone, noon)), coupon.ErrRefused)
		return s.order(t.Context(), tx, bound, "3", s.quote)
	}))
	s.agrees(t, "-2", "3")
}

func nestedSavepoints(t *testing.T, s till) {
	in := func(tx *sql.Tx, statement string) {
		_, err := tx.Exec(statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		in(tx, "SAVEPOINT outer_one")
		require.NoError(t, s.order(t.Context(), tx, bound, "kept", s.quote))
		in(tx, "SAVEPOINT inner_one")
		require.NoError(t, s.order(t.Context(), tx, bound, "undone", s.quote))
		in(tx, "ROLLBACK TO SAVEPOINT inner_one")
		_, err := s.coupons.In(bound).Redemption(t.Context(), "undone")
		require.ErrorIs(t, err, coupon.ErrNoRedemption)
		require.NoError(t, s.write(t.Context(), tx, "without", 0))
		require.ErrorIs(t, only(s.coupons.In(bound).Redeem(t.Context(), "without", s.gone, noon)), coupon.ErrRefused)
		in(tx, "RELEASE SAVEPOINT inner_one")
		require.NoError(t, s.order(t.Context(), tx, bound, "later", s.quote))
		in(tx, "RELEASE SAVEPOINT outer_one")
		return nil
	}))
	s.agrees(t, "kept", "later", "-without")
	require.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		in(tx, "SAVEPOINT all_of_it")
		require.NoError(t, s.order(t.Context(), tx, bound, "gone", s.quote))
		in(tx, "ROLLBACK TO SAVEPOINT all_of_it")
		return nil
	}))
	s.agrees(t, "kept", "later", "-without")
}

// orderInterfered interferes before and after each call of the driver in a transaction,
// its COMMIT too.
func orderInterfered(t *testing.T, s till, wrong interference) {
	var striker striker
	var cancel context.CancelFunc
	struck := s.engine.New(t, s.engine.Tap(t, s.dsn, 1, striker.watch), sqlstore.Options{})
	order := func(id string) error {
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		return struck.InTx(ctx, func(tx *sql.Tx, bound *sqlstore.Store) error { return s.order(ctx, tx, bound, id, s.quote) })
	}
	striker.armed = true
	require.NoError(t, order("0"))
	calls := striker.calls
	for call := range calls {
		for _, done := range []bool{false, true} {
			striker = calledAt(place{call + 1, done}, func() error { return wrong.do(cancel) })
			id := fmt.Sprint(call+1, done)
			err := order(id)
			striker.armed = false
			_, found := s.coupons.Redemption(t.Context(), id)
			if !errors.Is(err, storage.ErrOutcomeUnknown) {
				require.Equal(t, err == nil, found == nil, "%+v: %v", striker.step, err)
			}
		}
	}
	s.agrees(t)
}

// sessionEnded has an operator end the session: after the order was written, and just
// before the commit.
func sessionEnded(t *testing.T, s till) {
	end := func(tx *sql.Tx) {
		ask, kill := "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"
		if s.engine.Dialect == sqlstore.MySQL {
			ask, kill = "SELECT connection_id()", "KILL %d"
		}
		var session int64
		require.NoError(t, tx.QueryRow(ask).Scan(&session))
		_, err := s.db.Exec(fmt.Sprintf(kill, session))
		require.NoError(t, err)
	}
	require.Error(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		require.NoError(t, s.write(t.Context(), tx, "1", 1))
		end(tx)
		return only(s.coupons.In(bound).Redeem(t.Context(), "1", s.quote, noon))
	}))
	require.Error(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
		require.NoError(t, s.order(t.Context(), tx, bound, "2", s.quote))
		end(tx)
		return nil
	}))
	s.agrees(t, []string{}...)
}

// stockTaking changes two rows of the shop's, in an order of its own; with met it waits
// in between until the other has changed one too.
func stockTaking(tx *sql.Tx, i int, met func()) error {
	for n, row := range []int{i + 1, 2 - i} {
		if _, err := tx.Exec(fmt.Sprintf("UPDATE stock SET n = n - 1 WHERE id = %d", row)); err != nil {
			return err
		}
		if n == 0 {
			met()
		}
	}
	return nil
}

// meeting is where two wait for each other, each once.
func meeting() func(first *bool) {
	var met sync.WaitGroup
	met.Add(2)
	return func(first *bool) {
		if *first {
			*first = false
			met.Done()
			met.Wait()
		}
	}
}

func deadlocked(t *testing.T, s till) {
	meet := meeting()
	together(2, func(i int) {
		first := true
		assert.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx, bound *sqlstore.Store) error {
			if err := s.write(t.Context(), tx, fmt.Sprint(i), 1); err != nil {
				return err
			}
			if err := stockTaking(tx, i, func() { meet(&first) }); err != nil {
				return err
			}
			return only(s.coupons.In(bound).Redeem(t.Context(), fmt.Sprint(i), s.quote, noon))
		}))
	})
	s.agrees(t, "0", "1")
}

// deadlockOverlooked: the shop goes on in a transaction that a deadlock has ended.
func deadlockOverlooked(t *testing.T, s till) {
	meet := meeting()
	var noting sync.Mutex
	var failed []error
	together(2, func(i int) {
		first := true
		tx, err := s.db.Begin()
		if !assert.NoError(t, err) {
			return
		}
		defer tx.Rollback()
		bound, err := s.store.Within(tx)
		assert.NoError(t, err)
		assert.NoError(t, s.write(t.Context(), tx, fmt.Sprint(i), 1))
		lost := stockTaking(tx, i, func() { meet(&first) })
		err = only(s.coupons.In(bound).Redeem(t.Context(), fmt.Sprint(i), s.quote, noon))
		if err == nil {
			assert.NoError(t, tx.Commit())
		}
		if lost != nil {
			noting.Lock()
			failed = append(failed, lost)
			noting.Unlock()
			assert.True(t, sqlstore.Retryable(lost), "%v", lost)
		} else {
			assert.NoError(t, err)
		}
	})
	require.Len(t, failed, 1, "there was no deadlock")
	s.agrees(t)
}

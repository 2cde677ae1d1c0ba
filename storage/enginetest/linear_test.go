package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// history notes who called what when, and what came of it.
type history struct {
	clock   atomic.Int64
	noting  sync.Mutex
	calls   []porcupine.Operation
	unknown int
}

// call notes a call. One whose outcome is unknown may have happened at any time after
// it began, which is as much as to say that it has not ended: if it never happened, it
// comes after all others.
func (h *history) call(client int, input any, do func() (output any, err error)) error {
	begun := h.clock.Add(1)
	output, err := do()
	ended := h.clock.Add(1)
	h.noting.Lock()
	defer h.noting.Unlock()
	switch {
	case errors.Is(err, storage.ErrOutcomeUnknown):
		output, ended = unknownOutcome, math.MaxInt64
		h.unknown++
	case sqlstore.Retryable(err): // nothing has happened
		return nil
	case err != nil:
		return err
	}
	h.calls = append(h.calls, porcupine.Operation{ClientId: client, Input: input, Call: begun, Output: output, Return: ended})
	return nil
}

const unknownOutcome = "unknown"

// check looks for an order in which the calls would have given these answers one after
// the other.
func (h *history) check(model porcupine.Model) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, h.calls, time.Minute)
}

// claims is the model of a counter in [0, limit] from which one takes, to which one
// gives back, and which one reads.
func claims(limit int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			used, delta := state.(int64), input.(int64)
			after := used + delta
			fits := after >= 0 && after <= limit
			switch {
			case delta == 0:
				return output == used, used
			case !fits:
				return output == false || output == unknownOutcome, used
			}
			return output == true || output == unknownOutcome, after
		},
	}
}

// doOnce is an operation under a key. token tells who did it.
type doOnce struct {
	key, asked string
	token      int64
}

// reused is the answer to something else under a key.
const reused = "reused"

// memories is the model of what is remembered under keys, each apart.
func memories() porcupine.Model {
	return porcupine.Model{
		Partition: func(calls []porcupine.Operation) [][]porcupine.Operation {
			byKey := make(map[string][]porcupine.Operation)
			for _, c := range calls {
				byKey[c.Input.(doOnce).key] = append(byKey[c.Input.(doOnce).key], c)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return doOnce{} },
		Step: func(state, input, output any) (bool, any) {
			done, asks := state.(doOnce), input.(doOnce)
			switch {
			case done == doOnce{}:
				return output == asks.token || output == unknownOutcome, asks
			case done.asked != asks.asked:
				return output == reused || output == unknownOutcome, done
			}
			return output == done.token || output == unknownOutcome, done
		},
	}
}

// transfer moves an amount from an account to another, or with amount 0 reads the first.
type transfer struct {
	from, to int
	amount   int64
}

const accounts = 3

// balances is the model of accounts that cannot fall below zero.
func balances() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return [accounts]int64{10, 10, 10} },
		Step: func(state, input, output any) (bool, any) {
			now, t := state.([accounts]int64), input.(transfer)
			switch {
			case t.amount == 0:
				return output == now[t.from], now
			case now[t.from] < t.amount:
				return output == false || output == unknownOutcome, now
			}
			now[t.from] -= t.amount
			now[t.to] += t.amount
			return output == true || output == unknownOutcome, now
		},
	}
}

// breaking is a store of which some commits are cut, before or after they are done.
func breaking(t *testing.T, e Engine, dsn string, clients int, every int64) *sqlstore.Store {
	var n atomic.Int64
	return e.New(t, e.Tap(t, dsn, clients, func(step Step) error {
		if step.commits() && n.Add(1)%every == 0 { // odd, so that both sides of a commit are met
			return errCut
		}
		return nil
	}), sqlstore.Options{})
}

// TestLinearizable records what clients see who claim, do something once and spend, of
// whom some lose their connection at the commit: there is an order of all calls in
// which one caller alone would have seen the same.
func TestLinearizable(t *testing.T) {
	type scenario struct {
		model porcupine.Model
		cuts  int64 // one side of so many commits is cut
		call  func(t *testing.T, h *history, s services, random *rand.Rand, client, i int) error
	}
	const limit = 5
	scenarios := map[string]scenario{
		"claims": {claims(limit), 31, func(t *testing.T, h *history, s services, random *rand.Rand, client, _ int) error {
			delta := []int64{-1, 0, 1, 1, 2}[random.Intn(5)]
			return h.call(client, delta, func() (any, error) { return claimed(t.Context(), s.store, delta, limit) })
		}},
		"idempotency": {memories(), 7, func(t *testing.T, h *history, s services, random *rand.Rand, client, i int) error {
			o := doOnce{fmt.Sprint("key", i/3), []string{"this", "that"}[random.Intn(2)], int64(1000*client + i + 1)}
			return h.call(client, o, func() (any, error) { return doneOnce(t.Context(), s.store, o) })
		}},
		"balances": {balances(), 31, func(t *testing.T, h *history, s services, random *rand.Rand, client, i int) error {
			from := random.Intn(accounts)
			m := transfer{from, (from + 1 + random.Intn(accounts-1)) % accounts, int64(random.Intn(8))}
			return h.call(client, m, func() (any, error) { return moved(t.Context(), s.book, fmt.Sprint(client, "-", i), m) })
		}},
	}
	for _, e := range usual() {
		for name, scenario := range scenarios {
			clients, calls := 6, size(30, 60)
			t.Run(fmt.Sprintf("%s/%s, %d clients with %d calls each", e.Name, name, clients, calls), func(t *testing.T) {
				dsn := e.DSN(t)
				plain := e.Store(t, e.Open(t, dsn, 0), sqlstore.Options{})
				opening := serve(plain, nil).book
				for account := range accounts {
					_, err := opening.Post(t.Context(), credited(fmt.Sprint("opening-", account), "promotions", accountOf(account), "0.10"))
					require.NoError(t, err)
				}
				s, h := serve(breaking(t, e, dsn, clients, scenario.cuts), nil), new(history)
				together(clients, func(client int) {
					random := rand.New(rand.NewSource(int64(client)))
					for i := range calls {
						assert.NoError(t, scenario.call(t, h, s, random, client, i))
					}
				})
				require.Positive(t, h.unknown)
				require.Equal(t, porcupine.Ok, h.check(scenario.model), "%d calls, %d of unknown outcome", len(h.calls), h.unknown)
				requireAudit(t, plain)
			})
		}
	}
}

// claimed takes from a counter or gives back, or with 0 reads it.
func claimed(ctx context.Context, store storage.Store, delta, limit int64) (any, error) {
	if delta == 0 {
		_, values, err := store.Get(ctx, nil, "limited")
		return values["limited"], err
	}
	err := store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "limited", Delta: delta, Max: limit}}})
	if errors.Is(err, storage.ErrLimit) {
		return false, nil
	}
	return true, err
}

func doneOnce(ctx context.Context, store storage.Store, o doOnce) (any, error) {
	token, err := ledger.Once(ctx, store, o.key, o.asked, noon, func(context.Context) (storage.Plan[int64], error) {
		return storage.Plan[int64]{Answer: o.token}, nil
	})
	if errors.Is(err, ledger.ErrKeyReused) {
		return reused, nil
	}
	return token, err
}

func accountOf(i int) ledger.Account { return ledger.Account(fmt.Sprint("credit/", i)) }

func moved(ctx context.Context, book *ledger.Book, id string, m transfer) (any, error) {
	if m.amount == 0 {
		found, err := book.Balance(ctx, accountOf(m.from), eur)
		return found.Minor(), err
	}
	_, err := book.Post(ctx, ledger.Entry{ID: id, Kind: "test", At: noon, Transfers: []ledger.Transfer{
		{From: accountOf(m.from), To: accountOf(m.to), Amount: ledger.Minor(m.amount, eur)},
	}})
	if errors.Is(err, ledger.ErrInsufficient) {
		return false, nil
	}
	return true, err
}

// TestLockThenCountIsNotLinearizable: those who lock the row of a limit and then count
// the uses see, in a transaction that has read before, what was there when it began.
// The same check that the library passes tells. Where each statement sees what is
// there, the way is right, and the check says that too.
func TestLockThenCountIsNotLinearizable(t *testing.T) {
	for _, e := range usual() {
		for _, l := range isolations[e.Dialect] {
			want, checked := map[string]porcupine.CheckResult{"read committed": porcupine.Ok, "repeatable read": porcupine.Illegal}[l.name]
			if !checked {
				continue
			}
			t.Run(e.Name+"/"+l.name, func(t *testing.T) {
				s := openShop(t, e, 0)
				for _, statement := range []string{
					"CREATE TABLE caps (id INTEGER NOT NULL PRIMARY KEY)", "INSERT INTO caps (id) VALUES (1)",
					"CREATE TABLE uses (id VARCHAR(10) NOT NULL PRIMARY KEY)",
				} {
					_, err := s.db.Exec(statement)
					require.NoError(t, err)
				}
				h := new(history)
				const clients, limit = 4, 2
				var allHaveRead sync.WaitGroup
				allHaveRead.Add(clients)
				together(clients, func(client int) {
					tx, _ := l.begin(t, s)
					var uses int
					assert.NoError(t, tx.QueryRow("SELECT count(*) FROM uses").Scan(&uses))
					allHaveRead.Done()
					allHaveRead.Wait()
					assert.NoError(t, h.call(client, int64(1), func() (any, error) { return lockThenCount(tx, fmt.Sprint(client), limit) }))
				})
				require.Equal(t, want, h.check(claims(limit)))
			})
		}
	}
}

func lockThenCount(tx *sql.Tx, id string, limit int) (any, error) {
	defer tx.Rollback()
	var locked, uses int
	if err := tx.QueryRow("SELECT id FROM caps FOR UPDATE").Scan(&locked); err != nil {
		return nil, err
	}
	if err := tx.QueryRow("SELECT count(*) FROM uses").Scan(&uses); err != nil || uses >= limit {
		return false, err
	}
	if _, err := tx.Exec("INSERT INTO uses (id) VALUES ('" + id + "')"); err != nil {
		return nil, err
	}
	return true, tx.Commit()
}

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

var creditFloor = ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}}

func Example_postAndStatement() {
	ctx := context.Background()
	book := ledger.New(memory.New(), ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}})
	eur := ledger.MustCurrency("EUR")
	post := func(id, kind string, day int, from, to ledger.Account, amount string) {
		_, err := book.Post(ctx, ledger.Entry{
			ID: id, Kind: kind, At: time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC), Subject: "jane",
			Transfers: []ledger.Transfer{{From: from, To: to, Amount: ledger.MustMoney(amount, eur)}},
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	post("reward/42", "reward", 20, "promotions/platform", "credit/jane", "5.00")
	post("order/1001", "payment", 21, "credit/jane", "sales", "3.20")
	post("order/1001", "payment", 22, "credit/jane", "sales", "3.20") // a retry changes nothing
	post("order/1002", "payment", 23, "credit/jane", "sales", "3.20")

	statement, _ := book.Statement(ctx, "credit/jane", ledger.StatementQuery{})
	for _, line := range statement.Lines {
		fmt.Printf("%s  %-10s  %11s  %9s\n", line.Entry.At.Format(time.DateOnly), line.Entry.ID, line.Amount, line.Balance)
	}
	// Output:
	// ledger: the account has too little: credit/jane has 1.80 EUR, and 3.20 EUR is needed: take less, or wait until more has come in
	// 2026-11-20  reward/42      5.00 EUR   5.00 EUR
	// 2026-11-21  order/1001    -3.20 EUR   1.80 EUR
}

func TestPostIsIdempotent(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), creditFloor)
	entry := ledger.Entry{
		ID: "reward/1", Kind: "reward", At: noon.Add(123), Actor: "program", Subject: "jane", Concerns: "referral/9",
		Details:   map[string]string{"step": "first payment"},
		Transfers: []ledger.Transfer{transfer("promotions", "credit/jane", "2.00"), transfer("promotions", "credit/jane", "3.00")},
	}
	posted, err := book.Post(ctx, entry)
	require.NoError(t, err)
	assert.Equal(t, []ledger.Transfer{transfer("promotions", "credit/jane", "5.00")}, posted.Transfers)
	assert.Equal(t, noon, posted.At)

	again := entry
	again.At = noon.Add(time.Hour)
	again.Transfers = []ledger.Transfer{transfer("promotions", "credit/jane", "5.00")}
	recorded, err := book.Post(ctx, again)
	require.NoError(t, err)
	assert.Equal(t, posted, recorded, "as it was recorded, at the first instant")
	read, exists, err := book.Entry(ctx, "reward/1")
	require.NoError(t, err)
	assert.True(t, exists)
	assert.Equal(t, posted, read)

	for name, change := range map[string]func(*ledger.Entry){
		"kind":      func(e *ledger.Entry) { e.Kind = "gift" },
		"actor":     func(e *ledger.Entry) { e.Actor = "" },
		"subject":   func(e *ledger.Entry) { e.Subject = "tom" },
		"concerns":  func(e *ledger.Entry) { e.Concerns = "referral/8" },
		"details":   func(e *ledger.Entry) { e.Details = nil },
		"transfers": func(e *ledger.Entry) { e.Transfers = e.Transfers[:1] },
		"account":   func(e *ledger.Entry) { e.Transfers = []ledger.Transfer{transfer("promotions", "credit/tom", "5.00")} },
	} {
		other := entry
		change(&other)
		_, err := book.Post(ctx, other)
		assert.ErrorIs(t, err, ledger.ErrKeyReused, name)
	}
	balance, err := book.Balance(ctx, "credit/jane", euros("0").Currency())
	require.NoError(t, err)
	assert.Equal(t, euros("5.00"), balance)
}

func TestPostWithoutTransfersIsARecord(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	posted, err := book.Post(ctx, ledger.Entry{ID: "extend/7", Kind: "extend", At: noon, Actor: "ann", Concerns: "coupon/7"})
	require.NoError(t, err)
	assert.Empty(t, posted.Transfers)
	_, exists, err := book.Entry(ctx, "extend/8")
	require.NoError(t, err)
	assert.False(t, exists)
}

func TestPostBelowTheFloor(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), creditFloor)
	_, err := book.Post(ctx, ledger.Entry{ID: "1", Kind: "spend", At: noon, Transfers: []ledger.Transfer{
		transfer("credit/jane", "sales", "1.20"), transfer("credit/jane", "shipping", "0.30"), transfer("refunds", "credit/jane", "0.50"),
	}})
	var insufficient *ledger.InsufficientError
	require.ErrorAs(t, err, &insufficient)
	require.ErrorIs(t, err, ledger.ErrInsufficient)
	assert.Equal(t, ledger.InsufficientError{Account: "credit/jane", Found: euros("0"), Needed: euros("1.00")}, *insufficient)
	_, exists, err := book.Entry(ctx, "1")
	require.NoError(t, err)
	assert.False(t, exists, "a refusal is not remembered")
}

func TestPostKeepsOffHeldAccounts(t *testing.T) {
	book := ledger.New(audited(t), ledger.Options{})
	_, err := book.Post(context.Background(), ledger.Entry{ID: "1", Kind: "x", At: noon, Transfers: []ledger.Transfer{
		transfer("held/credit/jane", "credit/jane", "1.00"),
	}})
	require.ErrorIs(t, err, ledger.ErrInvalid)
}

func TestPostAndReadWithADoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	book := ledger.New(audited(t), creditFloor)
	_, err := book.Post(ctx, ledger.Entry{ID: "1", Kind: "x", At: noon})
	require.ErrorIs(t, err, context.Canceled)
	_, err = book.Statement(ctx, "credit/jane", ledger.StatementQuery{})
	require.ErrorIs(t, err, context.Canceled)
	_, exists, err := book.Entry(context.Background(), "1")
	require.NoError(t, err)
	assert.False(t, exists)
}

func TestBalanceRefuses(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), creditFloor)
	_, err := book.Balance(ctx, "", euros("0").Currency())
	require.ErrorIs(t, err, ledger.ErrInvalid)
	_, err = book.Balance(ctx, "credit/jane", ledger.Currency{})
	require.ErrorIs(t, err, ledger.ErrInvalid)
}

// leftAfterRace lets 32 workers spend 2.00 each, 8 times, of a credit of 50.00,
// and says what is left: below 0 when the way of spending is wrong.
func leftAfterRace(t *testing.T, o ledger.Options, spend func(book *ledger.Book, worker int, e ledger.Entry) error) ledger.Money {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, o)
	_, err := book.Post(ctx, ledger.Entry{ID: "in", Kind: "reward", At: noon, Transfers: []ledger.Transfer{
		transfer("promotions", "credit/jane", "50.00"),
	}})
	require.NoError(t, err)
	var ids atomic.Int64
	race(func(worker int) error {
		return spend(book, worker, ledger.Entry{ID: fmt.Sprint("out", ids.Add(1)), Kind: "spend", At: noon, Transfers: []ledger.Transfer{
			transfer("credit/jane", "sales", "2.00"),
		}})
	})
	balance, err := book.Balance(ctx, "credit/jane", euros("0").Currency())
	require.NoError(t, err)
	return balance
}

func TestCreditNeverFallsBelowZero(t *testing.T) {
	left := leftAfterRace(t, creditFloor, func(book *ledger.Book, _ int, e ledger.Entry) error {
		_, err := book.Post(context.Background(), e)
		return err
	})
	assert.Equal(t, euros("0.00"), left)
}

// Reading the balance and then posting lets everybody through who has read in
// time, which proves that the race above is one.
func TestReadThenPostFallsBelowZero(t *testing.T) {
	var haveRead sync.WaitGroup
	haveRead.Add(32)
	var first [32]sync.Once
	left := leftAfterRace(t, ledger.Options{}, func(book *ledger.Book, worker int, e ledger.Entry) error {
		balance, err := book.Balance(context.Background(), "credit/jane", euros("0").Currency())
		first[worker].Do(func() {
			haveRead.Done()
			haveRead.Wait()
		})
		if err != nil || balance.Minor() < 200 {
			return errors.Join(err, ledger.ErrInsufficient)
		}
		_, err = book.Post(context.Background(), e)
		return err
	})
	assert.Negative(t, left.Sign())
}

// Whatever is posted, in whatever order and however often, all accounts
// together have nothing, and each has what its statement says.
func TestBookBalances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, store := context.Background(), memory.New()
		book := ledger.New(store, creditFloor)
		var entries []ledger.Entry
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			entries = append(entries, drawEntry(t, fmt.Sprint("entry", i)))
		}
		repeated := append(entries, entries...)
		rand.Shuffle(len(repeated), func(i, j int) { repeated[i], repeated[j] = repeated[j], repeated[i] })
		accounts := make(map[ledger.Account]bool)
		for _, e := range repeated {
			if _, err := book.Post(ctx, e); err != nil {
				require.ErrorIs(t, err, ledger.ErrInsufficient)
			}
			for _, tr := range e.Transfers {
				accounts[tr.From], accounts[tr.To] = true, true
			}
		}
		total := make(map[ledger.Currency]int64)
		for account := range accounts {
			statement, err := book.Statement(ctx, account, ledger.StatementQuery{Limit: storage.MaxPage})
			require.NoError(t, err)
			for _, closing := range statement.Closing {
				balance, err := book.Balance(ctx, account, closing.Currency())
				require.NoError(t, err)
				require.Equal(t, closing, balance)
				total[closing.Currency()] += closing.Minor()
			}
		}
		for currency, sum := range total {
			require.Zero(t, sum, currency)
		}
		requireSound(t, store)
	})
}

// The same entries without a floor, posted in any order and repeated, give the
// same book.
func TestReplayInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []ledger.Entry
		for i := range rapid.IntRange(1, 8).Draw(t, "entries") {
			entries = append(entries, drawEntry(t, fmt.Sprint("entry", i)))
		}
		require.Equal(t, journalOf(t, entries), journalOf(t, rapid.Permutation(append(entries, entries...)).Draw(t, "order")))
	})
}

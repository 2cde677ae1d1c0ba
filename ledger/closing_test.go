package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func TestCloseMonths(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, creditFloor)
	post := func(id string, at time.Time, amount string) error {
		_, err := book.Post(ctx, ledger.Entry{ID: id, Kind: "sale", At: at, Transfers: []ledger.Transfer{transfer("customers", "sales", amount)}})
		return err
	}
	september, october := time.Date(2026, 9, 30, 23, 59, 59, 999999000, time.UTC), time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, post("1", september, "1.00"))
	require.NoError(t, post("2", october.Add(48*time.Hour), "2.00"))

	report, err := book.CloseMonths(ctx, october.Add(48*time.Hour-1))
	require.NoError(t, err)
	assert.Equal(t, ledger.Report{Next: october.Add(48 * time.Hour)}, report)
	require.NoError(t, post("3", september, "4.00"), "an entry that comes late")

	shut := october.Add(48 * time.Hour)
	report, err = book.CloseMonths(ctx, shut)
	require.NoError(t, err)
	assert.Equal(t, ledger.Report{Next: shut.Add(24 * time.Hour)}, report)
	require.ErrorIs(t, post("4", september, "8.00"), ledger.ErrClosed)
	require.ErrorIs(t, post("5", time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), "8.00"), ledger.ErrClosed)
	require.NoError(t, post("1", september, "1.00"), "a repetition is still answered")

	report, err = book.CloseMonths(ctx, shut.Add(24*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, 1, report.Done)
	statement, err := book.Statement(ctx, "sales", ledger.StatementQuery{From: october})
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{euros("5.00")}, statement.Opening)
	assert.Equal(t, []ledger.Money{euros("7.00")}, statement.Closing)
	docs, _, err := store.Get(ctx, []storage.Key{{Kind: "balance", ID: "2026-09/sales"}})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	golden(t, "balance.json", string(docs[0].Body)+"\n")

	report, err = book.CloseMonths(ctx, shut.Add(25*time.Hour))
	require.NoError(t, err)
	assert.Zero(t, report.Done, "nothing is closed twice")
	assert.Equal(t, time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), report.Next)
}

// An entry of the first instant of a month is none of the month before.
func TestCloseMonthsAtTheTurn(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, ledger.Options{})
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for id, at := range map[string]time.Time{"before": october.Add(-time.Microsecond), "at": october, "newest": noon} {
		_, err := book.Post(ctx, ledger.Entry{ID: id, Kind: "sale", At: at, Transfers: []ledger.Transfer{transfer("customers", "sales", "1.00")}})
		require.NoError(t, err)
	}
	closeAll(t, book, noon)
	statement, err := book.Statement(ctx, "sales", ledger.StatementQuery{From: october})
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{euros("1.00")}, statement.Opening)
	assert.Equal(t, []ledger.Money{euros("3.00")}, statement.Closing)
}

// A closing that was interrupted after some accounts goes on where it was.
func TestCloseMonthsGoesOn(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	failing := &failAfter{Store: store}
	book := ledger.New(failing, ledger.Options{})
	failing.left = 2000
	for i := range 1500 { // with sales, one account more than a batch has room for
		_, err := book.Post(ctx, ledger.Entry{ID: fmt.Sprint(i), Kind: "sale", At: noon.AddDate(0, i%3, 0), Transfers: []ledger.Transfer{
			transfer(ledger.Account(fmt.Sprint("customer/", i)), "sales", "1.00"),
		}})
		require.NoError(t, err)
	}
	now := noon.AddDate(0, 5, 0)
	_, err := book.Post(ctx, ledger.Entry{ID: "newest", Kind: "note", At: now})
	require.NoError(t, err)
	_, err = book.CloseMonths(ctx, now)
	require.NoError(t, err)
	done := 0
	for applies := 0; done < 3; applies++ {
		require.Less(t, applies, 20)
		failing.left = 1
		report, err := book.CloseMonths(ctx, now.AddDate(0, 0, 1))
		if err != nil {
			require.ErrorIs(t, err, storage.ErrOutcomeUnknown)
		}
		done += report.Done
	}
	statement, err := book.Statement(ctx, "sales", ledger.StatementQuery{From: now})
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{euros("1500.00")}, statement.Opening)
	docs, _, err := store.Get(ctx, []storage.Key{
		{Kind: "balance", ID: "2026-11/sales"}, {Kind: "balance", ID: "2026-12/sales"}, {Kind: "balance", ID: "2027-01/sales"},
	})
	require.NoError(t, err)
	assert.Len(t, docs, 3, "the last batch of each month was written too")
}

// failAfter is a store whose connection breaks after so many batches.
type failAfter struct {
	storage.Store
	left int
}

func (s *failAfter) Apply(ctx context.Context, b storage.Batch) error {
	if b.Empty() {
		return nil
	}
	if s.left--; s.left < 0 {
		return storage.ErrOutcomeUnknown
	}
	return s.Store.Apply(ctx, b)
}

func TestCloseMonthsInSeveralProcesses(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, ledger.Options{})
	for i := range 100 {
		_, err := book.Post(ctx, ledger.Entry{ID: fmt.Sprint(i), Kind: "sale", At: noon.AddDate(0, 0, i), Transfers: []ledger.Transfer{
			transfer("customers", "sales", "1.00"),
		}})
		require.NoError(t, err)
	}
	for _, now := range []time.Time{noon.AddDate(1, 0, 0), noon.AddDate(1, 0, 1)} {
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				_, err := book.CloseMonths(ctx, now)
				assert.NoError(t, err)
			}()
		}
		group.Wait()
	}
	balance, err := book.Balance(ctx, "sales", euros("0").Currency())
	require.NoError(t, err)
	assert.Equal(t, euros("100.00"), balance)
}

// A clock that is a year ahead must not keep everybody from posting.
func TestCloseMonthsByAWrongClock(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	for id, at := range map[string]time.Time{"old": noon.AddDate(0, -1, 0), "new": noon} {
		_, err := book.Post(ctx, ledger.Entry{ID: id, Kind: "note", At: at})
		require.NoError(t, err)
	}
	closeAll(t, book, noon.AddDate(1, 0, 0))
	_, err := book.Post(ctx, ledger.Entry{ID: "newer", Kind: "note", At: noon.Add(time.Hour)})
	require.NoError(t, err)
	_, err = book.Post(ctx, ledger.Entry{ID: "too old", Kind: "note", At: noon.AddDate(0, -1, 0)})
	require.ErrorIs(t, err, ledger.ErrClosed)
}

func TestCloseMonthsRefusesAnInstantOutOfRange(t *testing.T) {
	_, err := ledger.New(audited(t), ledger.Options{}).CloseMonths(context.Background(), time.Time{})
	require.ErrorIs(t, err, ledger.ErrInvalid)
}

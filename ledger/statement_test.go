package ledger_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func TestStatementOfAPeriod(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	for day := 1; day <= 9; day++ {
		_, err := book.Post(ctx, ledger.Entry{ID: fmt.Sprint(day), Kind: "sale", At: noon.AddDate(0, 0, day), Transfers: []ledger.Transfer{
			transfer("customers", "sales", fmt.Sprintf("%d.00", day)),
		}})
		require.NoError(t, err)
	}
	statement, err := book.Statement(ctx, "sales", ledger.StatementQuery{From: noon.AddDate(0, 0, 3), Until: noon.AddDate(0, 0, 5)})
	require.NoError(t, err)
	assert.Equal(t, []ledger.Money{euros("3.00")}, statement.Opening)
	require.Len(t, statement.Lines, 2, "the first instant is in it, the last is not")
	assert.Equal(t, euros("6.00"), statement.Lines[0].Balance)
	assert.Equal(t, euros("4.00"), statement.Lines[1].Amount)
	assert.Equal(t, []ledger.Money{euros("10.00")}, statement.Closing)
	assert.Empty(t, statement.Next)
}

func TestStatementOfSeveralCurrencies(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	points, err := ledger.Unit("PTS", 0)
	require.NoError(t, err)
	_, err = book.Post(ctx, ledger.Entry{ID: "1", Kind: "reward", At: noon, Transfers: []ledger.Transfer{
		{From: "shop", To: "jane", Amount: ledger.Minor(70, points)}, transfer("shop", "jane", "1.00"), transfer("jane", "shop", "1.00"),
	}})
	require.NoError(t, err)
	statement, err := book.Statement(ctx, "jane", ledger.StatementQuery{})
	require.NoError(t, err)
	require.Len(t, statement.Lines, 2)
	assert.Equal(t, euros("0.00"), statement.Lines[0].Amount, "what cancels out is a line all the same")
	assert.Equal(t, []ledger.Money{euros("0.00"), ledger.Minor(70, points)}, statement.Closing)
}

func TestStatementRefuses(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	for name, q := range map[string]ledger.StatementQuery{
		"limit below 0":    {Limit: -1},
		"limit too high":   {Limit: 1001},
		"an old instant":   {From: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a broken cursor":  {After: "?"},
		"an empty cursor":  {After: "e30"},
		"a broken place":   {After: base64.RawURLEncoding.EncodeToString([]byte(`{"account":"a","cursor":"x","balances":{}}`))},
		"another's cursor": {After: base64.RawURLEncoding.EncodeToString([]byte(`{"account":"b","cursor":"1:x","balances":{}}`))},
	} {
		_, err := book.Statement(ctx, "a", q)
		assert.ErrorIs(t, err, ledger.ErrInvalid, name)
	}
	_, err := book.Statement(ctx, "a//b", ledger.StatementQuery{})
	assert.ErrorIs(t, err, ledger.ErrInvalid)
}

// Page by page, a statement is the same as in one piece, with months closed or
// not; each page opens with what the one before closed with.
func TestStatementPagesEqualTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, store := context.Background(), memory.New()
		book := ledger.New(store, ledger.Options{})
		for i := range rapid.IntRange(0, 20).Draw(t, "entries") {
			e := drawEntry(t, fmt.Sprint("entry", i))
			e.At = noon.AddDate(0, 0, rapid.IntRange(0, 200).Draw(t, "day"))
			_, err := book.Post(ctx, e)
			require.NoError(t, err)
		}
		account := drawAccount(t, "account")
		query := ledger.StatementQuery{Limit: 1000}
		if rapid.Bool().Draw(t, "bounded") {
			query.From = noon.AddDate(0, 0, rapid.IntRange(0, 100).Draw(t, "from"))
			query.Until = query.From.AddDate(0, 0, rapid.IntRange(1, 100).Draw(t, "days"))
		}
		whole, err := book.Statement(ctx, account, query)
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "closed") {
			closeAll(t, book, noon.AddDate(0, rapid.IntRange(0, 9).Draw(t, "months"), 0))
		}
		query.Limit = rapid.IntRange(1, 5).Draw(t, "limit")
		pages := ledger.Statement{Account: account, Opening: whole.Opening, Closing: whole.Opening}
		for {
			page, err := book.Statement(ctx, account, query)
			require.NoError(t, err)
			require.Equal(t, pages.Closing, page.Opening)
			pages.Lines, pages.Closing = append(pages.Lines, page.Lines...), page.Closing
			if query.After = page.Next; page.Next == "" {
				break
			}
		}
		require.Equal(t, whole, pages)
		requireSound(t, store)
	})
}

func closeAll(t require.TestingT, book *ledger.Book, now time.Time) {
	for _, at := range []time.Time{now, now.AddDate(0, 0, 1)} { // shut, then settled
		_, err := book.CloseMonths(context.Background(), at)
		require.NoError(t, err)
	}
}

func FuzzStatementAfter(f *testing.F) {
	store := memory.New()
	book := ledger.New(store, ledger.Options{})
	for i := range 3 {
		_, err := book.Post(context.Background(), ledger.Entry{ID: fmt.Sprint(i), Kind: "x", At: noon, Transfers: []ledger.Transfer{transfer("a", "b", "1.00")}})
		require.NoError(f, err)
	}
	first, err := book.Statement(context.Background(), "a", ledger.StatementQuery{Limit: 1})
	require.NoError(f, err)
	f.Add(first.Next)
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"account":"a","cursor":"1:","balances":{"EUR":9223372036854775807,"":1}}`)))
	f.Fuzz(func(t *testing.T, after string) {
		statement, err := book.Statement(context.Background(), "a", ledger.StatementQuery{After: after, Limit: 1})
		if errors.Is(err, ledger.ErrInvalid) || errors.Is(err, ledger.ErrOverflow) {
			return
		}
		require.NoError(t, err)
		assert.LessOrEqual(t, len(statement.Lines), 1, "the page has one entry at most")
	})
}

package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/memory"
)

func BenchmarkEntryBatch(b *testing.B) {
	entry := ledger.Entry{ID: "1", Kind: "redemption", At: noon, Subject: "jane", Concerns: "1001", Transfers: []ledger.Transfer{
		transfer("promotions/platform", "discounts/welcome", "4.50"), transfer("credit/jane", "sales", "2.50"),
	}}
	b.ReportAllocs()
	for range b.N {
		if _, err := entry.Batch(creditFloor.Floors...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPost(b *testing.B) {
	book := ledger.New(memory.New(), ledger.Options{})
	b.ReportAllocs()
	for i := range b.N {
		postSale(b, book, i, noon)
	}
}

func BenchmarkStatementPage(b *testing.B) {
	book := ledger.New(memory.New(), ledger.Options{})
	for i := range 10_000 {
		postSale(b, book, i, noon.Add(time.Duration(i)*time.Second))
	}
	query := ledger.StatementQuery{}
	b.ReportAllocs()
	for range b.N {
		page, err := book.Statement(context.Background(), "sales", query)
		require.NoError(b, err)
		query.After = page.Next // the last page's is empty: from the beginning
	}
}

func BenchmarkAudit10000Entries(b *testing.B) {
	store := memory.New()
	book := ledger.New(store, ledger.Options{})
	for i := range 10_000 {
		postSale(b, book, i, noon)
	}
	b.ReportAllocs()
	for range b.N {
		requireSound(b, store)
	}
}

func postSale(b *testing.B, book *ledger.Book, i int, at time.Time) {
	_, err := book.Post(context.Background(), ledger.Entry{ID: fmt.Sprint(i), Kind: "sale", At: at, Transfers: []ledger.Transfer{
		transfer(ledger.Account(fmt.Sprint("customer/", i)), "sales", "1.00"),
	}})
	require.NoError(b, err)
}

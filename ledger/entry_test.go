package ledger_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func euros(amount string) ledger.Money {
	return ledger.MustMoney(amount, ledger.MustCurrency("EUR"))
}

func transfer(from, to ledger.Account, amount string) ledger.Transfer {
	return ledger.Transfer{From: from, To: to, Amount: euros(amount)}
}

func TestEntryBatchGolden(t *testing.T) {
	entry := ledger.Entry{
		ID: "redeemed/1001", Kind: "redemption", At: noon, Actor: "checkout", Subject: "jane", Concerns: "1001",
		Details: map[string]string{"offer": "welcome", "code": "JANE-7K2Q"},
		Transfers: []ledger.Transfer{
			transfer("promotions/platform", "discounts/welcome", "3.00"),
			transfer("credit/jane", "sales/1001", "2.50"),
			transfer("promotions/platform", "discounts/welcome", "1.50"),
		},
	}
	batch, err := entry.Batch(ledger.Floor{Prefix: "credit/"})
	require.NoError(t, err)
	var text strings.Builder
	for _, c := range batch.Checks {
		fmt.Fprintf(&text, "check %s at %d\n", c.Key, c.Version)
	}
	for _, p := range batch.Puts {
		fmt.Fprintf(&text, "put %s at %d, due %d\n%s\n", p.Key, p.Version, p.Due, p.Body)
		for _, l := range p.Lists {
			fmt.Fprintf(&text, "list %s at %d\n", l.List, l.Place)
		}
	}
	for _, a := range batch.Adds {
		fmt.Fprintf(&text, "add %d to %s in [%d, %d]\n", a.Delta, a.Counter, a.Min, a.Max)
	}
	golden(t, "entry.txt", text.String())
}

// golden compares with a file of testdata. A body that has been written once
// must stay readable: change such a file only for a new kind of body.
func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestEntryRefusesAndListsEveryFault(t *testing.T) {
	bad := ledger.Entry{
		ID: "x#part2", Actor: strings.Repeat("a", 191), Subject: "a\x00b", Concerns: "\xff",
		Details: map[string]string{"": "x", "long": strings.Repeat("d", 2001)},
		Transfers: []ledger.Transfer{
			transfer("a", "a", "1.00"), transfer("a", "b", "0.00"), transfer("a", "b", "-1.00"), {From: "a", To: "b"},
			transfer("", " x", "1.00"), transfer("a//b", "a\x00", "1.00"), transfer("/a", ledger.Account(strings.Repeat("x", 121)), "1.00"),
		},
	}
	_, err := bad.Batch()
	require.ErrorIs(t, err, ledger.ErrInvalid)
	for _, fault := range []string{
		`"x#part2"`, "kind", "actor", "subject", "concerns", "instant", "the name of detail", "detail long",
		"transfer 1: it goes from", "transfer 2: its amount 0.00", "transfer 3: its amount -1.00", "transfer 4: its amount 0",
		`account ""`, `" x" has blanks`, `"a//b" has an empty part`, `"a\x00"`, `"/a" has an empty part`, "121 bytes",
	} {
		assert.ErrorContains(t, err, fault)
	}
}

// As long, or as many, as the limits say is accepted, one more is not.
func TestEntryLimits(t *testing.T) {
	text := func(size int) string { return strings.Repeat("x", size) }
	for name, set := range map[string]func(e *ledger.Entry, beyond int){
		"id":      func(e *ledger.Entry, beyond int) { e.ID = text(ledger.MaxEntryID + beyond) },
		"kind":    func(e *ledger.Entry, beyond int) { e.Kind = text(ledger.MaxText + beyond) },
		"subject": func(e *ledger.Entry, beyond int) { e.Subject = text(ledger.MaxText + beyond) },
		"detail":  func(e *ledger.Entry, beyond int) { e.Details = map[string]string{"x": text(ledger.MaxDetail + beyond)} },
		"accounts": func(e *ledger.Entry, beyond int) {
			e.Transfers[0].From = ledger.Account(text(ledger.MaxAccount + beyond))
		},
		"details": func(e *ledger.Entry, beyond int) {
			e.Details = make(map[string]string)
			for i := range ledger.MaxDetails + beyond {
				e.Details[fmt.Sprint(i)] = ""
			}
		},
		"NUL ahead": func(e *ledger.Entry, beyond int) { e.Kind = strings.Repeat("\x00", beyond) + "x" },
	} {
		for beyond := range 2 {
			e := ledger.Entry{ID: "x", Kind: "note", At: noon, Transfers: []ledger.Transfer{transfer("a", "b", "1.00")}}
			set(&e, beyond)
			_, err := e.Batch()
			if beyond == 0 {
				assert.NoError(t, err, name)
			} else {
				assert.ErrorIs(t, err, ledger.ErrInvalid, name)
			}
		}
	}
}

// A document stands in the book and in the lists of as many accounts as there is
// room for beside it.
func TestEntryFillsItsDocuments(t *testing.T) {
	for sellers, documents := range map[int]int{storage.MaxLists - 2: 1, storage.MaxLists - 1: 2} {
		entry := ledger.Entry{ID: "x", Kind: "sale", At: noon}
		for i := range sellers {
			entry.Transfers = append(entry.Transfers, transfer("sales", ledger.Account(fmt.Sprint("seller/", i)), "1.00"))
		}
		batch, err := entry.Batch()
		require.NoError(t, err)
		assert.Len(t, batch.Puts, documents, "%d sellers", sellers)
	}
}

func TestEntryInstants(t *testing.T) {
	for at, ok := range map[time.Time]bool{
		noon:               true,
		{}:                 false,
		time.Unix(0, 0):    false,
		time.Unix(0, 1000): true,
		time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC):    false,
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC):  true,
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC):   false,
		time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC):  false,
		time.Date(-300000, 1, 1, 0, 0, 0, 0, time.UTC): false,
		time.Unix(math.MaxInt64/1000, 0):               false,
	} {
		_, err := ledger.Entry{ID: "x", Kind: "note", At: at}.Batch()
		assert.Equal(t, ok, err == nil, "%s: %v", at, err)
	}
}

func TestEntrySumsThatOverflowAreRefused(t *testing.T) {
	most := ledger.Minor(math.MaxInt64, ledger.MustCurrency("EUR"))
	for name, transfers := range map[string][]ledger.Transfer{
		"one pair":    {{From: "a", To: "b", Amount: most}, {From: "a", To: "b", Amount: most}},
		"one account": {{From: "a", To: "b", Amount: most}, {From: "c", To: "b", Amount: most}},
	} {
		_, err := ledger.Entry{ID: "x", Kind: "note", At: noon, Transfers: transfers}.Batch()
		assert.ErrorIs(t, err, ledger.ErrOverflow, name)
	}
}

// The order in which transfers are named does not matter, to the byte.
func TestEntryBatchIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entry := drawEntry(t, "x")
		want, err := entry.Batch(ledger.Floor{Prefix: "credit/"})
		require.NoError(t, err)
		rand.Shuffle(len(entry.Transfers), func(i, j int) {
			entry.Transfers[i], entry.Transfers[j] = entry.Transfers[j], entry.Transfers[i]
		})
		got, err := entry.Batch(ledger.Floor{Prefix: "credit/"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func drawAccount(t *rapid.T, label string) ledger.Account {
	return ledger.Account(rapid.SampledFrom([]string{
		"credit/jane", "credit/tom", "promotions/platform", "discounts/welcome", "seller/a", "seller/b", "seller/c", "seller/d",
		"sales", "points/jane", "credit", "gift/ é", "x;y  z",
	}).Draw(t, label))
}

func drawEntry(t *rapid.T, id string) ledger.Entry {
	e := ledger.Entry{ID: id, Kind: "test", At: noon.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "at")) * time.Second)}
	points, _ := ledger.Unit("PTS", 0)
	for range rapid.IntRange(0, 30).Draw(t, "transfers") {
		from, to := drawAccount(t, "from"), drawAccount(t, "to")
		if from == to {
			continue
		}
		currency := rapid.SampledFrom([]ledger.Currency{ledger.MustCurrency("EUR"), ledger.MustCurrency("JPY"), points}).Draw(t, "currency")
		e.Transfers = append(e.Transfers, ledger.Transfer{
			From: from, To: to, Amount: ledger.Minor(rapid.Int64Range(1, 1_000_000).Draw(t, "minor"), currency),
		})
	}
	return e
}

// An order of a marketplace touches more accounts than a document stands in
// lists.
func TestEntryOfManyAccounts(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, ledger.Options{Floors: []ledger.Floor{{Prefix: "seller/", Min: 0}}})
	entry := ledger.Entry{ID: "order/1", Kind: "sale", At: noon, Subject: "jane", Details: map[string]string{"a": "b"}}
	for seller := range 20 {
		entry.Transfers = append(entry.Transfers, transfer("sales", ledger.Account(fmt.Sprintf("seller/%02d", seller)), "1.00"))
	}
	posted, err := book.Post(ctx, entry)
	require.NoError(t, err)
	require.Len(t, posted.Transfers, 20)

	again, err := book.Post(ctx, entry)
	require.NoError(t, err)
	assert.Equal(t, posted, again)
	fewer := entry
	fewer.Transfers = entry.Transfers[:6]
	_, err = book.Post(ctx, fewer)
	require.ErrorIs(t, err, ledger.ErrKeyReused, "the first part alone is not the entry")

	balance, err := book.Balance(ctx, "sales", euros("0").Currency())
	require.NoError(t, err)
	assert.Equal(t, euros("-20.00"), balance)
	page, err := store.List(ctx, storage.Query{Kind: "entry"})
	require.NoError(t, err)
	for _, doc := range page.Docs {
		assert.LessOrEqual(t, len(doc.Lists), storage.MaxLists)
	}
	statement, err := book.Statement(ctx, "seller/19", ledger.StatementQuery{})
	require.NoError(t, err)
	require.Len(t, statement.Lines, 1)
	assert.Equal(t, "order/1", statement.Lines[0].Entry.ID)
	assert.Equal(t, "jane", statement.Lines[0].Entry.Subject)
}

// A text that only looks like an escaped NUL is a text.
func TestEntryKeepsAnyText(t *testing.T) {
	ctx, book := context.Background(), ledger.New(audited(t), ledger.Options{})
	for i, text := range []string{`\u0000`, `\\u0000`, "<&>\u2028", "'\"`", "\x01"} {
		e := ledger.Entry{ID: fmt.Sprint(i), Kind: "note", At: noon, Subject: text, Details: map[string]string{"note": text}}
		posted, err := book.Post(ctx, e)
		require.NoError(t, err, "%q", text)
		read, _, err := book.Entry(ctx, e.ID)
		require.NoError(t, err)
		assert.Equal(t, posted, read)
		assert.Equal(t, text, read.Subject)
	}
}

func TestEntryOfTooManyTransfers(t *testing.T) {
	entry := ledger.Entry{ID: "x", Kind: "sale", At: noon}
	for i := range ledger.MaxTransfers {
		entry.Transfers = append(entry.Transfers, transfer(ledger.Account(fmt.Sprint("from", i)), ledger.Account(fmt.Sprint("to", i)), "1.00"))
	}
	batch, err := entry.Batch(ledger.Floor{})
	require.NoError(t, err)
	_, err = batch.Ops()
	require.ErrorIs(t, err, storage.ErrInvalid, "with a floor under each of 1,000 accounts the store refuses it")
	batch, err = entry.Batch()
	require.NoError(t, err)
	require.NoError(t, audited(t).Apply(context.Background(), batch))
	entry.Transfers = append(entry.Transfers, transfer("one", "more", "1.00"))
	_, err = entry.Batch()
	require.ErrorIs(t, err, ledger.ErrInvalid)
}

func TestLongestFloorHolds(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, ledger.Options{Floors: []ledger.Floor{
		{Prefix: "credit/vip/", Min: -1000}, {Prefix: "credit/", Min: 0},
	}})
	post := func(id string, from ledger.Account, amount string) error {
		_, err := book.Post(ctx, ledger.Entry{ID: id, Kind: "spend", At: noon, Transfers: []ledger.Transfer{transfer(from, "sales", amount)}})
		return err
	}
	require.NoError(t, post("1", "credit/vip/ann", "10.00"))
	require.ErrorIs(t, post("2", "credit/vip/ann", "0.01"), ledger.ErrInsufficient)
	require.ErrorIs(t, post("3", "credit/jane", "0.01"), ledger.ErrInsufficient)
	require.NoError(t, post("4", "creditor", "5.00"), "a prefix is not a part of a name")
}

package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleAudit() {
	ctx, store := context.Background(), memory.New()
	book := ledger.New(store, ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}})
	_, _ = book.Post(ctx, ledger.Entry{
		ID: "reward/1", Kind: "reward", At: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		Transfers: []ledger.Transfer{{From: "promotions", To: "credit/jane", Amount: ledger.MustMoney("5.00", ledger.MustCurrency("EUR"))}},
	})
	report, err := ledger.Audit(ctx, store)
	fmt.Println(report.Entries, report.Counters, report.Err(), err)

	// Somebody gives Jane 10.00 by hand.
	_ = store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: "balance/credit/jane/EUR", Delta: 1000, Max: 1 << 40}}})
	report, err = ledger.Audit(ctx, store)
	fmt.Println(report.Err(), err)
	// Output:
	// 1 1 <nil> <nil>
	// ledger: the books do not agree: 1 found:
	// counter "balance/credit/jane/EUR": found 1500, want 500: its claims come to the latter <nil>
}

// tamper rewrites a document as nobody should.
func tamper(t require.TestingT, store storage.Store, key storage.Key, change func(*storage.Put)) {
	docs, _, err := store.Get(context.Background(), []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1, key)
	put := storage.Put(docs[0])
	change(&put)
	require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: []storage.Put{put}}))
}

func replace(old, text string) func(*storage.Put) {
	return func(p *storage.Put) { p.Body = []byte(strings.Replace(string(p.Body), old, text, 1)) }
}

func add(counter string, delta int64) func(*testing.T, storage.Store) {
	return func(t *testing.T, store storage.Store) {
		require.NoError(t, store.Apply(context.Background(), storage.Batch{Adds: []storage.Add{{Counter: counter, Delta: delta, Min: -1 << 40, Max: 1 << 40}}}))
	}
}

func drop(key storage.Key) func(*testing.T, storage.Store) {
	return func(t *testing.T, store storage.Store) {
		docs, _, err := store.Get(context.Background(), []storage.Key{key})
		require.NoError(t, err)
		require.Len(t, docs, 1, key)
		require.NoError(t, store.Apply(context.Background(), storage.Batch{Drops: []storage.Drop{{Key: key, Version: docs[0].Version}}}))
	}
}

func changed(key storage.Key, change func(*storage.Put)) func(*testing.T, storage.Store) {
	return func(t *testing.T, store storage.Store) { tamper(t, store, key, change) }
}

// sound is a store with something of everything in it.
func sound(t *testing.T) *memory.Store {
	ctx, store := context.Background(), memory.New()
	book := credited(t, store)
	for id, end := range map[string]func() error{
		"waits":  func() error { return nil },
		"posted": func() error { _, err := book.PostHold(ctx, "posted", "sales", euros("0.50"), noon); return err },
		"voided": func() error { _, err := book.Void(ctx, "voided", noon); return err },
	} {
		_, err := book.Hold(ctx, holdOf(id, "1.00"), noon)
		require.NoError(t, err)
		require.NoError(t, end())
	}
	large := ledger.Entry{ID: "large", Kind: "sale", At: noon}
	for seller := range 10 {
		large.Transfers = append(large.Transfers, transfer("sales", ledger.Account(fmt.Sprint("seller/", seller)), "1.00"))
	}
	_, err := book.Post(ctx, large)
	require.NoError(t, err)
	_, err = book.Post(ctx, ledger.Entry{ID: "after", Kind: "sale", At: noon.AddDate(0, 2, 0), Transfers: []ledger.Transfer{transfer("customers", "sales", "1.00")}})
	require.NoError(t, err)
	closeAll(t, book, noon.AddDate(0, 2, 0))
	use := ledger.Claim{Counter: "offer/uses", N: 2, Max: 3}
	monthly := ledger.Claim{Counter: "offer/uses/2026-11", N: 2, Max: 5, Until: noon.UnixMicro()}
	require.NoError(t, store.Apply(ctx, storage.Batch{
		Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: "1"}, Body: []byte(`{"claims":[` +
			`{"counter":"offer/uses","n":2,"max":3},{"counter":"offer/uses/2026-11","n":2,"max":5,"until":` + fmt.Sprint(noon.UnixMicro()) + `}]}`)}},
		Adds: []storage.Add{use.Take(), monthly.Take()},
	}))
	requireSound(t, store, "redemption")
	return store
}

func TestAuditFindsEveryKindOfDiscrepancy(t *testing.T) {
	entry, hold := ledger.EntryKey, ledger.HoldKey
	redemption, closing := storage.Key{Kind: "redemption", ID: "1"}, storage.Key{Kind: "balance", ID: "2026-11/sales"}
	for _, test := range []struct {
		name    string
		corrupt func(*testing.T, storage.Store)
		want    ledger.Discrepancy // Note may be a part of it
	}{
		{"a counter too high", add("offer/uses", 1), ledger.Discrepancy{Finding: ledger.FoundCounter, Where: "offer/uses", Found: 3, Want: 2}},
		{"a counter too low", add("offer/uses", -2), ledger.Discrepancy{Finding: ledger.FoundCounter, Where: "offer/uses", Found: 0, Want: 2}},
		{"a monthly counter gone", add("offer/uses/2026-11", -2), ledger.Discrepancy{Finding: ledger.FoundCounter, Where: "offer/uses/2026-11", Found: 0, Want: 2}},
		{"a claim changed", changed(redemption, replace(`"n":2`, `"n":1`)), ledger.Discrepancy{Finding: ledger.FoundCounter, Where: "offer/uses", Found: 2, Want: 1}},
		{"a counter over its limit", add("offer/uses", 2), ledger.Discrepancy{Finding: ledger.FoundOverLimit, Where: "offer/uses", Found: 4, Want: 3}},
		{"a negative claim", changed(redemption, replace(`"n":2`, `"n":-1`)), ledger.Discrepancy{Finding: ledger.FoundNegative, Where: "redemption/1", Found: -1}},
		{"claims of another type", changed(redemption, replace(`[`, `{"a":[`+`]},"b":[`)), ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: "redemption/1"}},
		{"an entry that cannot be read", changed(entry("in"), replace(`"part":1`, `"part":"x"`)), ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: "entry/in"}},
		{"an amount changed", changed(entry("after"), replace(`"minor":100`, `"minor":900`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/after", Note: "it was changed"}},
		{"an amount of nothing", changed(entry("after"), replace(`"minor":100`, `"minor":0`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/after", Note: "not a positive amount"}},
		{"a claim of an entry changed", changed(entry("in"), replace(`"n":1000`, `"n":900`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/in", Note: "claim of 900"}},
		{"an entry in other lists", changed(entry("after"), func(p *storage.Put) { p.Lists[0].Place++ }), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/after", Note: "stands in the lists"}},
		{"an entry under another id", changed(entry("in"), replace(`"part":1`, `"part":2`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/in", Note: "under another id"}},
		{"claims without floors", changed(entry("in"), replace(`"floors":[0]`, `"floors":[]`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/in", Note: "0 floors"}},
		{"a claim of a debit without its floor", changed(entry("hold/waits"), replace(`"floors":[0]`, `"floors":[]`)), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/hold/waits", Note: "0 floors"}},
		{"an entry taken off a list", changed(entry("after"), func(p *storage.Put) { p.Lists = p.Lists[:1] }), ledger.Discrepancy{Finding: ledger.FoundStatement, Where: "sales EUR", Found: -950, Want: -850}},
		{"an entry taken off the book", changed(entry("after"), func(p *storage.Put) { p.Lists = p.Lists[:2] }), ledger.Discrepancy{Finding: ledger.FoundStatement, Where: "book", Found: 8, Want: 9}},
		{"an entry dropped", drop(entry("in")), ledger.Discrepancy{Finding: ledger.FoundCounter, Where: "balance/credit/jane/EUR", Found: 850, Want: -150}},
		{"a floor undercut", drop(entry("in")), ledger.Discrepancy{Finding: ledger.FoundFloor, Where: "credit/jane EUR", Found: -150, Want: 0}},
		{"a part dropped", drop(entry("large#part2")), ledger.Discrepancy{Finding: ledger.FoundEntry, Where: "entry/large", Found: 1, Note: "parts are missing"}},
		{"an entry without its counter", changed(entry("hold/waits"), replace(`"claims":[{"counter":"balance/credit/jane/EUR","n":-100}],"floors":[0]`, `"claims":[],"floors":[]`)), ledger.Discrepancy{Finding: ledger.FoundBalance, Where: "credit/jane EUR", Found: 950, Want: 850}},
		{"a closed month changed", changed(closing, replace(`"EUR":-950`, `"EUR":-900`)), ledger.Discrepancy{Finding: ledger.FoundClosing, Where: "2026-11/sales EUR", Found: -900, Want: -950}},
		{"a closed month of another", changed(closing, replace(`"account":"sales"`, `"account":"else"`)), ledger.Discrepancy{Finding: ledger.FoundClosing, Where: "balance/2026-11/sales"}},
		{"a closed month unreadable", changed(closing, replace(`"EUR":-950`, `"EUR":"x"`)), ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: "balance/2026-11/sales"}},
		{"an entry in a closed month", func(t *testing.T, store storage.Store) {
			batch, err := ledger.Entry{ID: "late", Kind: "sale", At: noon, Transfers: []ledger.Transfer{transfer("customers", "sales", "7.00")}}.Batch()
			require.NoError(t, err)
			require.NoError(t, store.Apply(context.Background(), storage.Batch{Puts: batch.Puts}))
		}, ledger.Discrepancy{Finding: ledger.FoundClosing, Where: "2026-11/sales EUR", Found: -950, Want: -250}},
		{"a hold changed", changed(hold("waits"), replace(`"minor":100`, `"minor":200`)), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "held/credit/jane EUR", Found: 100, Want: 200}},
		{"a hold dropped", drop(hold("waits")), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "held/credit/jane EUR", Found: 100, Want: 0}},
		{"a hold held again", changed(hold("voided"), replace(`"voided"`, `"held"`)), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "hold/voided", Note: "an entry has ended it"}},
		{"a hold that never lapses", changed(hold("waits"), func(p *storage.Put) { p.Due = 0 }), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "hold/waits", Note: "never lapses"}},
		{"a hold in no state", changed(hold("voided"), replace(`"voided"`, `"gone"`)), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "hold/voided", Note: "no known state"}},
		{"a hold posted otherwise", changed(hold("posted"), replace(`"posted":50`, `"posted":60`)), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "hold/posted", Note: "that ended it"}},
		{"a hold without its entry", drop(entry("hold/waits")), ledger.Discrepancy{Finding: ledger.FoundHold, Where: "hold/waits", Note: "that made it"}},
		{"a hold that cannot be read", changed(hold("waits"), replace(`"minor":100`, `"minor":"x"`)), ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: "hold/waits"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := sound(t)
			test.corrupt(t, store)
			report, err := ledger.Audit(context.Background(), store, "redemption")
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
			assert.Empty(t, report.Unsettled, "on a quiet store everything settles")
			for _, d := range report.Discrepancies {
				if strings.Contains(d.Note, test.want.Note) {
					want := test.want
					if want.Note = d.Note; d == want {
						return
					}
				}
			}
			t.Fatalf("not found: %v\nin: %v", test.want, report.Err())
		})
	}
}

// The floor that was in force when money went out is the one that counts.
func TestAuditFindsAFloorUndercutByADebit(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	_, err := credited(t, store).Post(ctx, ledger.Entry{ID: "out", Kind: "spend", At: noon, Transfers: []ledger.Transfer{transfer("credit/jane", "sales", "10.00")}})
	require.NoError(t, err)
	drop(ledger.EntryKey("in"))(t, store)
	report, err := ledger.Audit(ctx, store)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "the lowest floor on record is the latter")
}

// A counter at its limit is in order, and so is a claim of nothing.
func TestAuditOfClaimsAtTheirBounds(t *testing.T) {
	ctx, store := context.Background(), audited(t, "redemption")
	use := ledger.Claim{Counter: "offer/uses", N: 3, Max: 3}
	require.NoError(t, store.Apply(ctx, storage.Batch{
		Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: "1"}, Body: []byte(`{"claims":[` +
			`{"counter":"offer/uses","n":3,"max":3},{"counter":"offer/cents","n":0,"max":1}]}`)}},
		Adds: []storage.Add{use.Take()},
	}))
}

func TestAuditCountsWhatItRead(t *testing.T) {
	report, err := ledger.Audit(context.Background(), sound(t), "redemption")
	require.NoError(t, err)
	assert.Equal(t, 1+9+3+14, report.Documents, "a redemption, the entries in their parts, the holds, the balances of a month")
	assert.Equal(t, 9, report.Entries)
}

func TestAuditFindsAFloorDeclaredTooLate(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	before, after := ledger.New(store, ledger.Options{}), ledger.New(store, creditFloor)
	for i, book := range []*ledger.Book{before, after} {
		_, err := book.Post(ctx, ledger.Entry{ID: fmt.Sprint(i), Kind: "reward", At: noon, Transfers: []ledger.Transfer{transfer("promotions", "credit/jane", "1.00")}})
		require.NoError(t, err)
	}
	report, err := ledger.Audit(ctx, store)
	require.NoError(t, err)
	require.Len(t, report.Discrepancies, 1)
	assert.Equal(t, ledger.FoundBalance, report.Discrepancies[0].Finding)
}

func TestAuditOfPrunedCounters(t *testing.T) {
	ctx, store := context.Background(), sound(t)
	pruned, err := store.Prune(ctx, noon)
	require.NoError(t, err)
	require.Equal(t, 1, pruned)
	report, err := ledger.AuditAt(ctx, store, noon, "redemption")
	require.NoError(t, err)
	require.NoError(t, report.Err())
	report, err = ledger.AuditAt(ctx, store, noon.Add(-time.Microsecond), "redemption")
	require.NoError(t, err)
	require.Error(t, report.Err(), "its time was not over by then")
}

// While others write, nothing is found that is not there.
func TestAuditOfAStoreInUse(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	book := ledger.New(store, creditFloor)
	_, err := book.Post(ctx, ledger.Entry{ID: "in", Kind: "reward", At: noon, Transfers: []ledger.Transfer{transfer("promotions", "credit/jane", "90.00")}})
	require.NoError(t, err)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 150 {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(worker, "/", i)
				_, err := book.Hold(ctx, holdOf(id, "1.00"), noon)
				assert.NoError(t, err)
				_, err = book.Void(ctx, id, noon)
				assert.NoError(t, err)
			}
		}()
	}
	for range 5 {
		report, err := ledger.Audit(ctx, store)
		require.NoError(t, err)
		require.NoError(t, report.Err())
	}
	close(stop)
	group.Wait()
}

// A real discrepancy is found even while others write elsewhere.
func TestAuditFindsOneAmongWriters(t *testing.T) {
	ctx, store := context.Background(), memory.New()
	book := credited(t, store)
	add("balance/credit/jane/EUR", 1)(t, store)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		for i := 0; i < 2000; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, err := book.Post(ctx, ledger.Entry{ID: fmt.Sprint(i), Kind: "reward", At: noon, Transfers: []ledger.Transfer{transfer("promotions", "credit/tom", "1.00")}})
			assert.NoError(t, err)
		}
	}()
	report, err := ledger.Audit(ctx, store)
	close(stop)
	group.Wait()
	require.NoError(t, err)
	require.Len(t, report.Discrepancies, 1)
	assert.Equal(t, "balance/credit/jane/EUR", report.Discrepancies[0].Where)
}

func TestAuditTellsTheStoresError(t *testing.T) {
	_, err := ledger.Audit(context.Background(), &brokenStore{})
	require.ErrorIs(t, err, errBroken)
}

// Whichever reading fails, an audit says so rather than finding nothing.
func TestAuditTellsEachErrorOfTheStore(t *testing.T) {
	store := sound(t)
	for reads := 0; ; reads++ {
		failing := &failingReads{Store: store, left: reads}
		_, err := ledger.Audit(context.Background(), failing, "redemption")
		if failing.left >= 0 { // all it needed went well
			require.NoError(t, err)
			require.Greater(t, reads, 10)
			return
		}
		require.ErrorIs(t, err, errBroken, "after %d readings", reads)
	}
}

// failingReads is a store on which one reading fails, after so many that did not.
type failingReads struct {
	storage.Store
	left int
}

func (s *failingReads) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if s.left--; s.left == -1 {
		return nil, nil, errBroken
	}
	return s.Store.Get(ctx, keys, counters...)
}

func (s *failingReads) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	if s.left--; s.left == -1 {
		return storage.Page{}, errBroken
	}
	return s.Store.List(ctx, q)
}

func TestViews(t *testing.T) {
	for _, view := range ledger.Views() {
		assert.NoError(t, view.Validate(), view.Name)
	}
}

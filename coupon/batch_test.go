package coupon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleService_IssueBatch() {
	s := coupon.New(memory.New(), coupon.Options{})
	once := limited(amountOff("flyer", "5.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1})
	if _, err := s.Publish(ctx, once, "staff", noon); err != nil {
		fmt.Println(err)
	}
	b, err := s.IssueBatch(ctx, coupon.BatchRequest{ID: "flyer-spring", Offer: "flyer", Count: 1000}, noon)
	fmt.Println(b.Made, "of", b.Count, err)
	codes, err := s.Codes(ctx, b.ID, 999, 100)
	for _, c := range codes {
		fmt.Println(c.ID, len(c.Code), err)
	}
	// Output:
	// 1000 of 1000 <nil>
	// flyer-spring/999 14 <nil>
	// flyer-spring/1000 14 <nil>
}

func flyer() coupon.Offer {
	return limited(amountOff("flyer", "5.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1})
}

func flyers(id string, count int) coupon.BatchRequest {
	return coupon.BatchRequest{ID: id, Offer: "flyer", Count: count, Actor: "staff"}
}

// codesOf reads the codes of a batch, page by page.
func codesOf(t checker, s *coupon.Service, batch string, page int) []coupon.Coupon {
	t.Helper()
	var all []coupon.Coupon
	for {
		more, err := s.Codes(ctx, batch, len(all)+1, page)
		require.NoError(t, err)
		if len(more) == 0 {
			return all
		}
		all = append(all, more...)
	}
}

// requireBatch requires that a batch is whole: so many coupons, numbered from 1, and
// as many codes, all different, each leading to its coupon.
func requireBatch(t checker, s *coupon.Service, store storage.Store, id string, count int) []coupon.Coupon {
	t.Helper()
	all := codesOf(t, s, id, 300)
	require.Len(t, all, count)
	seen := make(map[coupon.Code]bool)
	for i, c := range all {
		require.Equal(t, fmt.Sprintf("%s/%d", id, i+1), c.ID)
		require.Len(t, c.Code, 14)
		seen[c.Code] = true
	}
	require.Len(t, seen, count)
	require.Equal(t, count, documents(t, store, "coupon"))
	require.Equal(t, count, documents(t, store, "code"))
	for _, c := range []coupon.Coupon{all[0], all[count/2], all[count-1]} {
		q, err := s.Quote(ctx, cartOf(item("10.00", 1)), coupon.Choose(c.Code.String()), noon)
		require.NoError(t, err)
		require.Len(t, q.Applied(), 1)
		require.Equal(t, c.ID, q.Applied()[0].Coupon)
	}
	return all
}

func documents(t checker, store storage.Store, kind string) int {
	t.Helper()
	n := 0
	query := storage.Query{Kind: kind, Limit: storage.MaxPage}
	for more := true; more; more = query.After != "" {
		page, err := store.List(ctx, query)
		require.NoError(t, err)
		n, query.After = n+len(page.Docs), page.Next
	}
	return n
}

func TestIssueBatch(t *testing.T) {
	for name, options := range map[string]coupon.Options{
		"as they are": {}, "keyed": keyed(firstKey), "with old keys": keyed(firstKey, nil, secondKey, secondKey, secondKey),
	} {
		t.Run(name, func(t *testing.T) {
			limitedLife := flyer()
			limitedLife.Schedule.Life = 48 * time.Hour
			s := newShopOn(t, memory.New(), options, limitedLife)
			b, err := s.IssueBatch(ctx, flyers("spring", 1001), noon)
			require.NoError(t, err)
			assert.Equal(t, coupon.Batch{ID: "spring", Offer: "flyer", Version: 1, Count: 1001, Made: 1001, Issued: noon, Expires: noon.Add(48 * time.Hour)}, b)
			all := requireBatch(t, s.Service, s.store, "spring", 1001)
			for _, c := range all {
				require.Equal(t, []any{"", noon, noon.Add(48 * time.Hour), 1}, []any{c.Holder, c.Issued, c.Expires, c.Version})
			}
			whole := dump(t, s.store)
			if len(options.CodeKey) > 0 {
				require.NotContains(t, whole, string(all[500].Code))
			}

			again, err := s.IssueBatch(ctx, flyers("spring", 1001), noon.Add(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, b, again)
			requireSame(t, whole, dump(t, s.store))
			told, err := s.Batch(ctx, "spring")
			require.NoError(t, err)
			assert.Equal(t, b, told)

			q := s.applies(cartOf(item("10.00", 1)), coupon.Choose(string(all[7].Code)).For("a"), noon)
			require.NoError(t, ignore(s.Redeem(ctx, "a", q, noon)))
			used := s.refuses(cartOf(item("10.00", 1)), coupon.Choose(string(all[7].Code)).For("b"), noon)
			assert.Equal(t, coupon.ReasonLimit, used.Reason)
		})
	}
}

func TestIssueBatchRefuses(t *testing.T) {
	over := flyer()
	over.ID, over.Schedule.Until = "over", noon
	s := newShop(t, flyer(), over, amountOff("paused", "1.00"))
	require.NoError(t, s.Pause(ctx, "paused", "staff", "asked for", noon))
	_, err := s.IssueBatch(ctx, coupon.BatchRequest{ID: strings.Repeat("x", 81), Version: -1, Actor: "\x00"}, time.Time{})
	assert.Equal(t, []string{"id", "offer", "actor", "now", "version", "count"}, paths(t, err))

	_, err = s.IssueBatch(ctx, flyers(strings.Repeat("x", 80), 1), noon)
	require.NoError(t, err, "the longest id")

	for name, c := range map[string]struct {
		request coupon.BatchRequest
		want    error
	}{
		"no such offer":     {coupon.BatchRequest{ID: "a", Offer: "none", Count: 1}, coupon.ErrNoOffer},
		"no such version":   {coupon.BatchRequest{ID: "a", Offer: "flyer", Version: 2, Count: 1}, coupon.ErrNoOffer},
		"a paused offer":    {coupon.BatchRequest{ID: "a", Offer: "paused", Count: 1}, coupon.ErrRefused},
		"an offer over":     {coupon.BatchRequest{ID: "a", Offer: "over", Count: 1}, coupon.ErrRefused},
		"easy to guess":     {flyers("a", 1_423_360), coupon.ErrCodeSpace},
		"a count too large": {flyers("a", 1<<62), coupon.ErrCodeSpace},
	} {
		_, err := s.IssueBatch(ctx, c.request, noon)
		require.ErrorIs(t, err, c.want, name)
		require.ErrorIs(t, ignore(s.Batch(ctx, "a")), coupon.ErrNoBatch, name)
		require.ErrorIs(t, ignore(s.Codes(ctx, "a", 1, 1)), coupon.ErrNoBatch, name)
	}

	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("b", 1), noon)))
	require.ErrorIs(t, ignore(s.IssueBatch(ctx, flyers("b", 2), noon)), coupon.ErrKeyReused)
	issue := coupon.IssueRequest{ID: "b", Offers: []coupon.IssueOffer{{Offer: "flyer"}}}
	require.ErrorIs(t, ignore(s.Issue(ctx, issue, noon)), coupon.ErrKeyReused)
	issue.ID = "c"
	require.NoError(t, ignore(s.Issue(ctx, issue, noon)))
	require.ErrorIs(t, ignore(s.IssueBatch(ctx, flyers("c", 1), noon)), coupon.ErrKeyReused)
	for _, page := range [][2]int{{2, 10}, {1, 0}, {1, -1}, {1 << 62, 1 << 62}} {
		codes, err := s.Codes(ctx, "b", page[0], page[1])
		require.NoError(t, err)
		assert.Empty(t, codes, page)
	}
}

// The codes of all batches that can still be used count together.
func TestCodeSpaceOfSeveralBatches(t *testing.T) {
	short := flyer()
	short.ID, short.Schedule.Life = "short", time.Hour
	s := newShopOn(t, memory.New(), coupon.Options{Guessing: coupon.Guessing{PerSecond: 100_000}}, flyer(), short) // at most 142
	require.NoError(t, ignore(s.IssueBatch(ctx, coupon.BatchRequest{ID: "a", Offer: "short", Count: 100}, noon)))
	require.ErrorIs(t, ignore(s.IssueBatch(ctx, flyers("b", 43), noon)), coupon.ErrCodeSpace)
	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("c", 42), noon)))
	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("c", 42), noon)), "it is counted once")
	require.ErrorIs(t, ignore(s.IssueBatch(ctx, flyers("d", 1), noon.Add(time.Hour-1))), coupon.ErrCodeSpace)
	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("d", 100), noon.Add(time.Hour))), "those of the first have expired")
	require.ErrorIs(t, ignore(s.IssueBatch(ctx, flyers("e", 1), noon.Add(time.Hour))), coupon.ErrCodeSpace)
}

// solidus#5383: 2.5 million codes were asked for, and making them stopped at 250
// thousand. Here they are refused before the first one, or made to the last.
func TestIncidentTooManyCodes(t *testing.T) {
	s := newShop(t, flyer())
	_, err := s.IssueBatch(ctx, flyers("a", 2_500_000), noon)
	require.ErrorIs(t, err, coupon.ErrCodeSpace)
	assert.Zero(t, documents(t, s.store, "coupon"))
	assert.Zero(t, documents(t, s.store, "batch"))
}

// Wherever making a batch breaks off, asking again makes exactly the rest.
func TestBatchGoesOnAfterACrash(t *testing.T) {
	broken := errors.New("the connection was lost")
	for _, options := range []coupon.Options{{}, keyed(firstKey)} {
		for _, written := range []bool{false, true} {
			for at := 1; ; at++ {
				store := memory.New()
				newShopOn(t, store, options, flyer())
				failing := &flaky{Store: store, at: at, written: written, err: broken}
				b, err := coupon.New(failing, options).IssueBatch(ctx, flyers("a", 450), noon)
				if failing.calls < at {
					require.NoError(t, err)
					require.Greater(t, at, 6)
					break
				}
				require.ErrorIs(t, err, broken)
				require.LessOrEqual(t, b.Made, documents(t, store, "coupon"))
				s := coupon.New(store, options)
				b, err = s.IssueBatch(ctx, flyers("a", 450), noon.Add(time.Minute))
				require.NoError(t, err)
				require.Equal(t, 450, b.Made)
				requireBatch(t, s, store, "a", 450)
			}
		}
	}
}

// stale is a transaction that does not see what others have committed.
type stale struct{ storage.Store }

func (s stale) Apply(ctx context.Context, b storage.Batch) error {
	for _, put := range b.Puts {
		if put.Key.Kind == "batch" && put.Version > 0 {
			return &storage.Failure{Op: storage.OpPut, Key: put.Key, Err: storage.ErrConflict}
		}
	}
	return s.Store.Apply(ctx, b)
}

func TestBatchInATransactionThatMustBeDoneAgain(t *testing.T) {
	s := newShop(t, flyer())
	b, err := s.In(stale{s.store}).IssueBatch(ctx, flyers("a", 900), noon)
	require.ErrorIs(t, err, storage.ErrConflict)
	assert.Equal(t, 900, b.Count)
	assert.Zero(t, b.Made)
}

// A batch whose offer is paused on the way stops, and goes on when it is resumed,
// under the version it began with.
func TestBatchStopsWithItsOffer(t *testing.T) {
	s := newShop(t, flyer())
	broken := errors.New("stop")
	stopping := coupon.New(&flaky{Store: s.store, at: 10, err: broken}, coupon.Options{})
	b, err := stopping.IssueBatch(ctx, flyers("a", 900), noon)
	require.ErrorIs(t, err, broken)
	require.Positive(t, b.Made)
	require.Less(t, b.Made, 900)

	require.NoError(t, s.Pause(ctx, "flyer", "staff", "asked for", noon))
	stopped, err := s.IssueBatch(ctx, flyers("a", 900), noon)
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, coupon.ReasonPaused, refused.Reason)
	assert.Equal(t, b, stopped)
	require.NoError(t, s.Resume(ctx, "flyer", "staff", "asked for", noon))
	dearer := flyer()
	dearer.Benefit = coupon.AmountOff{Amounts: euros("6.00")}
	require.NoError(t, ignore(s.Publish(ctx, dearer, "staff", noon)))
	done, err := s.IssueBatch(ctx, flyers("a", 900), noon)
	require.NoError(t, err)
	assert.Equal(t, 1, done.Version)
	for _, c := range requireBatch(t, s.Service, s.store, "a", 900) {
		require.Equal(t, 1, c.Version)
	}
}

// A code that is taken already is replaced by another, wherever in the batch it is.
func TestBatchPassesOverTakenCodes(t *testing.T) {
	for _, at := range []int{0, 1, 399, 400, 449} {
		for _, options := range []coupon.Options{{}, keyed(firstKey)} {
			if len(options.CodeKey) == 0 {
				options.Random = repeatable()
			}
			first := newShopOn(t, memory.New(), options, flyer())
			require.NoError(t, ignore(first.IssueBatch(ctx, flyers("a", 450), noon)))
			code := codesOf(t, first.Service, "a", 1000)[at].Code

			key := storage.Key{Kind: "code", ID: string(code)}
			if len(options.CodeKey) > 0 {
				key = codeDoc(firstKey, code)
			} else {
				options.Random = repeatable()
			}
			s := newShopOn(t, memory.New(), options, flyer())
			s.takeCode(key)
			require.NoError(t, ignore(s.IssueBatch(ctx, flyers("a", 450), noon)))
			seen := make(map[coupon.Code]bool)
			for _, c := range codesOf(t, s.Service, "a", 1000) {
				seen[c.Code] = true
			}
			require.Len(t, seen, 450)
			require.NotContains(t, seen, code)
		}
	}
}

// repeatable is randomness that is the same in every run, and never the same twice.
func repeatable() io.Reader { return &counting{} }

type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		p[i] = byte(c.n >> 40)
	}
	return len(p), nil
}

// Randomness that repeats itself is an error, never an endless loop.
func TestBatchWithoutRandomness(t *testing.T) {
	s := newShopOn(t, memory.New(), coupon.Options{Random: zeros{}}, flyer())
	_, err := s.IssueBatch(ctx, flyers("a", 2), noon)
	require.ErrorContains(t, err, "randomness repeats itself")
	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("b", 1), noon)))
	require.Error(t, ignore(s.IssueBatch(ctx, flyers("c", 1), noon)), "its only code is taken")
	require.Error(t, ignore(s.Issue(ctx, coupon.IssueRequest{ID: "d", Offers: []coupon.IssueOffer{{Offer: "flyer"}}}, noon)))
	assert.Equal(t, 1, documents(t, s.store, "coupon"))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// batchRace lets several workers make one batch, and gives how many codes exist.
func batchRace(t *testing.T, store storage.Store) (codes int, err error) {
	s := raceService(t, store, flyer())
	failed := make([]error, 4)
	var group sync.WaitGroup
	for i := range failed {
		group.Add(1)
		go func() {
			defer group.Done()
			_, failed[i] = s.IssueBatch(ctx, flyers("a", 1500), noon)
		}()
	}
	group.Wait()
	return documents(t, store, "code"), errors.Join(failed...)
}

func TestBatchRaceIsWon(t *testing.T) {
	store := memory.New()
	codes, err := batchRace(t, store)
	require.NoError(t, err)
	require.Equal(t, 1500, codes)
	requireBatch(t, coupon.New(store, coupon.Options{}), store, "a", 1500)
	requireAudit(t, store)
}

// On a store that checks before it writes, workers make codes for coupons that have
// one, or lose count of what is made.
func TestBatchRaceIsLostOnANaiveStore(t *testing.T) {
	for range 20 {
		if codes, err := batchRace(t, naive{memory.New()}); codes != 1500 || err != nil {
			return
		}
	}
	t.Fatal("the race was won 20 times: it shows nothing")
}

// The body of a batch that was written once is never written differently.
func TestGoldenBatch(t *testing.T) {
	life := flyer()
	life.Schedule.Life = time.Hour
	s := newShop(t, life)
	require.NoError(t, ignore(s.IssueBatch(ctx, flyers("a", 2), noon)))
	docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "batch", ID: "a"}})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	var got bytes.Buffer
	require.NoError(t, json.Indent(&got, docs[0].Body, "", "  "))
	want, err := os.ReadFile("testdata/batch.json")
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String()+"\n")
	assert.Equal(t, []storage.Listing{{List: "live", Place: noon.Add(time.Hour).UnixMicro()}}, docs[0].Lists)
}

func BenchmarkIssueBatch(b *testing.B) {
	for name, options := range map[string]coupon.Options{"as_they_are": {}, "keyed": keyed(firstKey)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := newShopOn(b, memory.New(), options, flyer())
				if made, err := s.IssueBatch(ctx, flyers("a", 10_000), noon); err != nil || made.Made != 10_000 {
					b.Fatal(err)
				}
			}
		})
	}
}

package coupon_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// A shop moves to vouch while a campaign runs: what its customers have used already
// counts on.
func ExampleService_Import() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	_, _ = coupons.Publish(ctx, limited(amountOff("fair", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 1}), "staff", noon)
	_, _ = coupons.Issue(ctx, coupon.IssueRequest{ID: "fair", Offers: []coupon.IssueOffer{{Offer: "fair", Code: "FAIR"}}}, noon)
	report, err := coupons.Import(ctx, coupon.ImportRequest{ID: "old-shop", Actor: "staff/ann", Uses: []coupon.OpeningUse{
		{Order: "1001", Offer: "fair", Customer: "jane", Amount: eur("5.00"), At: noon.Add(-48 * time.Hour)},
		{Order: "1002", Offer: "fair", Customer: "jim", Amount: eur("5.00"), At: noon.Add(-24 * time.Hour)},
	}}, noon)
	fmt.Println(report.Imported, "imported", err)
	quote, _ := coupons.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("FAIR"), noon)
	fmt.Println(quote.Refused()[0].Reason, quote.Refused()[0].FoundUses, "of", quote.Refused()[0].NeededUses)
	// Output:
	// 2 imported <nil>
	// limit 1 of 1
}

func importShop(t *testing.T) *shop {
	return newShop(t, limited(freely(percentOff("a", "10")),
		coupon.Limit{Uses: 500}, coupon.Limit{Per: coupon.PerCustomer, Uses: 2}, coupon.Limit{Money: euros("900.00"), Period: ledger.Month},
		coupon.Limit{Per: coupon.PerCoupon, Uses: 300}))
}

func used(order, customer string, at time.Time) coupon.OpeningUse {
	return coupon.OpeningUse{Order: order, Offer: "a", Customer: customer, Amount: eur("1.50"), At: at}
}

// Uses count per offer, customer, coupon and money, each in its period, and once.
func TestImport(t *testing.T) {
	s := importShop(t)
	public := s.public("a", "CODE")
	var uses []coupon.OpeningUse
	for i := range 200 {
		use := used(fmt.Sprint("old-", i), fmt.Sprint("customer ", i/2), noon.Add(-time.Hour))
		if i%4 == 0 {
			use.Coupon = public.ID
		}
		uses = append(uses, use)
	}
	uses = append(uses, used("before", "jane", noon.AddDate(0, -1, 0)), used("long before", "jim", noon.AddDate(-3, 0, 0)))
	request := coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}
	report, err := s.Import(ctx, request, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.ImportReport{Imported: 202}, report)
	for range 2 {
		assert.Equal(t, []int64{202, 2, 1, 50, 30000, 150}, []int64{
			s.counter("uses/a"), s.counter("uses/a/customer/customer 7"), s.counter("uses/a/customer/jane"),
			s.counter("uses/a/coupon/" + public.ID), s.counter("money/EUR/a/2026-11"), s.counter("money/EUR/a/2026-10"),
		})
		assert.Zero(t, s.counter("money/EUR/a/2023-11"), "that counter is over")
		again, err := s.Import(ctx, request, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, coupon.ImportReport{Known: 202}, again)
	}
	listed := func(list string) int {
		page, err := s.store.List(ctx, storage.Query{Kind: "opening", List: list, Limit: storage.MaxPage})
		require.NoError(t, err)
		return len(page.Docs)
	}
	assert.Equal(t, []int{202, 2, 1, 0}, []int{listed("offer/a"), listed("customer/customer 7"), listed("customer/jim"), listed("customer/")})
	cart := cartOf(item("20.00", 1))
	cart.Customer.Key = "customer 7"
	assert.Equal(t, coupon.ReasonLimit, s.refuses(cart, coupon.Choose("CODE"), noon).Reason)
	s.redeem("new", cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	assert.Equal(t, int64(2), s.counter("uses/a/customer/jane"))

	more := coupon.ImportRequest{ID: "more", Actor: "ann", Uses: append(uses[:3:3], used("another", "jim", noon))}
	report, err = s.Import(ctx, more, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.ImportReport{Imported: 1, Known: 3}, report)
	page, err := s.store.List(ctx, storage.Query{Kind: "entry", List: "book", Limit: 1000})
	require.NoError(t, err)
	imported := 0
	for _, doc := range page.Docs {
		entry, _, err := ledger.New(s.store, ledger.Options{}).Entry(ctx, doc.Key.ID)
		require.NoError(t, err)
		if entry.Kind == "imported" {
			imported++
			assert.Equal(t, "ann", entry.Actor)
			if entry.Concerns == "more" {
				assert.Equal(t, "1", entry.Details["uses"], "without those known before")
			}
		}
	}
	assert.Equal(t, 4, imported, "three steps, and one")
}

// What has happened counts even beyond a limit, and nobody uses more after it.
func TestImportBeyondALimit(t *testing.T) {
	s := newShop(t, limited(amountOff("a", "1.00"), coupon.Limit{Uses: 2}))
	s.public("a", "CODE")
	var uses []coupon.OpeningUse
	for i := range 5 {
		uses = append(uses, used(fmt.Sprint(i), "", noon))
	}
	require.NoError(t, ignore(s.Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}, noon)))
	refused := s.refuses(cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	assert.Equal(t, []any{coupon.ReasonLimit, int64(5), int64(2)}, []any{refused.Reason, refused.FoundUses, refused.NeededUses})
}

// A coupon that somebody holds is used by what was imported, for good; an order of the
// same id here has its own use.
func TestImportUsesOfHeldCoupons(t *testing.T) {
	s := newShop(t, limited(freely(percentOff("a", "10")), coupon.Limit{Uses: 500}, coupon.Limit{Per: coupon.PerCoupon, Uses: 2}))
	twice := s.held("a", "jane", 1)[0]
	use := used("order", "jane", noon.Add(-time.Hour))
	use.Coupon = twice.ID
	request := coupon.ImportRequest{ID: "old", Actor: "ann", Uses: []coupon.OpeningUse{use}}
	for _, want := range []coupon.ImportReport{{Imported: 1}, {Known: 1}} {
		report, err := s.Import(ctx, request, noon)
		require.NoError(t, err)
		require.Equal(t, want, report)
	}
	cart := cartOf(item("20.00", 1))
	s.redeem("order", cart, coupon.ChooseCoupons(twice.ID), noon)
	refused := s.refuses(cart, coupon.ChooseCoupons(twice.ID).For("another"), noon)
	assert.Equal(t, []any{coupon.ReasonUsed, int64(2)}, []any{refused.Reason, refused.NeededUses})
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	kept, err := s.Coupon(ctx, twice.ID)
	require.NoError(t, err)
	assert.Equal(t, []coupon.Use{{Order: "order", Imported: true}}, kept.Used, "what came back is the use of the order here")
	assert.Equal(t, int64(1), s.counter("uses/a"))

	more := func(order string) coupon.ImportRequest {
		again := use
		again.Order = order
		return coupon.ImportRequest{ID: "more", Actor: "ann", Uses: []coupon.OpeningUse{again}}
	}
	s.must(s.Reserve(ctx, "waiting", s.applies(cart, coupon.ChooseCoupons(twice.ID), noon), noon))
	before := dump(t, s.store)
	err = ignore(s.Import(ctx, more("old 2"), noon))
	require.ErrorIs(t, err, coupon.ErrRequest)
	require.ErrorContains(t, err, "may be used 2 times, and has no use left")
	requireSame(t, before, dump(t, s.store))
	require.NoError(t, ignore(s.Import(ctx, more("old 2"), noon.Add(time.Hour))), "the reservation has lapsed")
	r, err := s.Redemption(ctx, "waiting")
	require.NoError(t, err)
	assert.Equal(t, coupon.StateExpired, r.State)
	past, err := s.Wallet(ctx, "jane", coupon.WalletQuery{Past: true}, noon)
	require.NoError(t, err)
	assert.Len(t, past.Coupons, 1)
}

// A use of a coupon that was replaced would count where nobody can use anything more, and
// what replaces it could be used once too often. What was imported before stays known.
func TestImportUsesOfReplacedCoupons(t *testing.T) {
	s := newShop(t, limited(percentOff("a", "10"), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}))
	held := s.held("a", "jane", 1)[0]
	importing := func(order, id string) (coupon.ImportReport, error) {
		use := used(order, "jane", noon)
		use.Coupon = id
		return s.Import(ctx, coupon.ImportRequest{ID: order, Actor: "ann", Uses: []coupon.OpeningUse{use}}, noon)
	}
	require.NoError(t, ignore(importing("old 1", held.ID)))
	made, err := s.Reissue(ctx, reissue(held.ID), noon)
	require.NoError(t, err)
	report, err := importing("old 1", held.ID)
	require.NoError(t, err)
	require.Equal(t, coupon.ImportReport{Known: 1}, report)
	before := dump(t, s.store)
	err = ignore(importing("old 2", held.ID))
	require.Equal(t, []string{"uses"}, paths(t, err))
	require.ErrorContains(t, err, fmt.Sprintf("was replaced by %q", made.ID))
	requireSame(t, before, dump(t, s.store))
	require.NoError(t, ignore(importing("old 2", made.ID)))
	require.Equal(t, coupon.ReasonUsed, s.refuses(cartOf(item("20.00", 1)), coupon.ChooseCoupons(made.ID), noon).Reason)
}

// The coupons that uses stand in are read together, not each in a call of its own.
func TestImportReadsHeldCouponsTogether(t *testing.T) {
	s := newShop(t, freely(percentOff("a", "10")))
	var uses []coupon.OpeningUse
	for i := range 160 {
		held := s.held("a", fmt.Sprint("customer ", i), 1)[0]
		use := used(fmt.Sprint("old-", i), held.Holder, noon.Add(-time.Hour))
		use.Coupon = held.ID
		uses = append(uses, use)
	}
	reads := &readCounter{Store: s.store}
	report, err := coupon.New(reads, coupon.Options{}).Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}, noon)
	require.NoError(t, err)
	assert.Equal(t, 160, report.Imported)
	assert.LessOrEqual(t, reads.n, 10)
}

type readCounter struct {
	storage.Store
	n int
}

func (r *readCounter) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	r.n++
	return r.Store.Get(ctx, keys, counters...)
}

// Limits in shards count what was imported exactly, though shards fill unevenly, and
// refuse what is beyond them before anything is written, until they are raised.
func TestImportIntoShards(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shards, most := rapid.IntRange(2, 8).Draw(rt, "shards"), rapid.IntRange(8, 40).Draw(rt, "uses")
		sharded := func(uses int) coupon.Offer {
			return limited(amountOff("a", "1.00"), coupon.Limit{Uses: int64(uses), Shards: shards})
		}
		s := newShop(t, sharded(most))
		s.public("a", "CODE")
		uses := func(from, n int) coupon.ImportRequest {
			request := coupon.ImportRequest{ID: fmt.Sprint("import ", from), Actor: "ann"}
			for i := range n {
				request.Uses = append(request.Uses, used(fmt.Sprint("old ", from+i), "", noon))
			}
			return request
		}
		redeem := func(n int) (done int) {
			for i := range n {
				q, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
				require.NoError(rt, err)
				if len(q.Refused()) == 0 && ignore(s.Redeem(ctx, fmt.Sprint("new ", done, " ", i), q, noon)) == nil {
					done++
				}
			}
			return done
		}
		imported := rapid.IntRange(1, most).Draw(rt, "imported")
		require.NoError(rt, ignore(s.Import(ctx, uses(0, imported), noon)))
		require.NoError(rt, ignore(s.Import(ctx, uses(0, imported), noon)))

		before := dump(rt, s.store)
		beyond := uses(imported, most-imported+1)
		err := ignore(s.Import(ctx, beyond, noon))
		require.ErrorIs(rt, err, coupon.ErrRequest)
		require.ErrorContains(rt, err, "publish a version with it raised")
		requireSame(rt, before, dump(rt, s.store))
		if rapid.Bool().Draw(rt, "raised") {
			require.NoError(rt, ignore(s.Publish(ctx, sharded(most+1), "ann", noon)))
			require.NoError(rt, ignore(s.Import(ctx, beyond, noon)))
			require.Zero(rt, redeem(3))
			return
		}
		require.Equal(rt, most-imported, redeem(most-imported+2))
	})
}

// A use may have taken nothing off, and an import's id be as long as an issue's.
func TestImportAllows(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	use := used("old", "jane", noon)
	use.Amount = eur("0.00")
	report, err := s.Import(ctx, coupon.ImportRequest{ID: strings.Repeat("x", 80), Actor: "ann", Uses: []coupon.OpeningUse{use}}, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.ImportReport{Imported: 1}, report)
	use.Order, use.Amount = "older", ledger.Minor(coupon.MaxTotal, euro)
	require.Equal(t, []string{"uses[0].amount"}, paths(t, ignore(s.Import(ctx, coupon.ImportRequest{ID: "most", Actor: "ann", Uses: []coupon.OpeningUse{use}}, noon))))
}

func TestImportFaults(t *testing.T) {
	s := newShop(t,
		limited(amountOff("a", "1.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 2}, coupon.Limit{Money: euros("9.00")}),
		limited(amountOff("b", "1.00"), coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 2}), amountOff("c", "1.00"))
	s.held("a", "jane", 1)
	before := dump(t, s.store)
	ask := func(uses ...coupon.OpeningUse) error {
		return ignore(s.Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}, noon))
	}
	require.Equal(t, []string{"id", "actor", "uses"}, paths(t, ignore(s.Import(ctx, coupon.ImportRequest{Actor: "\x00"}, noon))))
	require.Equal(t, []string{"uses"}, paths(t, ask(make([]coupon.OpeningUse, coupon.MaxImport+1)...)))
	require.Equal(t, []string{"uses[0].order", "uses[0].offer", "uses[0].amount", "uses[0].at", "uses[1].version", "uses[1].amount", "uses[1].at"}, paths(t, ask(
		coupon.OpeningUse{}, coupon.OpeningUse{Order: "1", Offer: "a", Version: -1, Amount: eur("-1.00"), At: noon.Add(time.Hour)})))
	bad := func(change func(*coupon.OpeningUse)) coupon.OpeningUse {
		use := used("x", "jane", noon)
		change(&use)
		return use
	}
	require.Equal(t, []string{"uses[1].offer", "uses[2].offer", "uses[3].customer", "uses[4].amount", "uses[5].attributes", "uses[6].coupon", "uses[7].customer", "uses[8].coupon", "uses[9]"}, paths(t, ask(
		used("0", "jane", noon),
		bad(func(u *coupon.OpeningUse) { u.Offer = "none" }), bad(func(u *coupon.OpeningUse) { u.Order, u.Version = "2", 7 }),
		bad(func(u *coupon.OpeningUse) { u.Order, u.Customer = "3", "" }), bad(func(u *coupon.OpeningUse) { u.Order, u.Amount = "4", ledger.MustMoney("1.00", usd) }),
		bad(func(u *coupon.OpeningUse) { u.Order, u.Offer = "5", "b" }), bad(func(u *coupon.OpeningUse) { u.Order, u.Coupon = "6", "none" }),
		bad(func(u *coupon.OpeningUse) { u.Order, u.Coupon, u.Customer = "7", "held-a-jane/1", "joe" }),
		coupon.OpeningUse{Order: "8", Offer: "c", Coupon: "held-a-jane/1", Customer: "jane", Amount: eur("1.00"), At: noon}, used("0", "jim", noon))))
	requireSame(t, before, dump(t, s.store))

	require.NoError(t, ask(used("0", "jane", noon)))
	before = dump(t, s.store)
	err := ask(used("1", "jane", noon), used("0", "jim", noon))
	require.ErrorIs(t, err, coupon.ErrKeyReused)
	require.Equal(t, []string{"uses[1]"}, paths(t, err))
	requireSame(t, before, dump(t, s.store))
}

// Wherever an import of several steps is stopped, asking again ends as if nothing had
// happened, however the uses are cut into requests.
func TestImportGoesOn(t *testing.T) {
	uses := func() (all []coupon.OpeningUse) {
		for i := range 200 {
			all = append(all, used(fmt.Sprint(i), fmt.Sprint("customer ", i%150), noon))
		}
		return all
	}()
	whole := importShop(t)
	require.NoError(t, ignore(whole.Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}, noon)))
	want := documents(t, whole.store, "opening")
	rapid.Check(t, func(rt *rapid.T) {
		s := importShop(t) // audited at the end
		at, written := rapid.IntRange(1, 9).Draw(rt, "call"), rapid.Bool().Draw(rt, "written")
		store := &flaky{Store: s.store, at: at, written: written, err: errDown}
		report, err := coupon.New(store, coupon.Options{}).Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: uses}, noon)
		if err != nil {
			require.ErrorIs(rt, err, errDown)
			require.LessOrEqual(rt, report.Imported, documents(rt, s.store, "opening"))
		}
		cut := rapid.IntRange(1, 199).Draw(rt, "cut")
		for i, part := range [][]coupon.OpeningUse{uses[cut:], uses[:cut]} {
			id := fmt.Sprint("part ", i)
			if rapid.Bool().Draw(rt, "whole") {
				part, id = uses, "old"
			}
			require.NoError(rt, ignore(s.Import(ctx, coupon.ImportRequest{ID: id, Actor: "ann", Uses: part}, noon)))
		}
		require.Equal(rt, want, documents(rt, s.store, "opening"))
		require.Equal(rt, whole.counter("uses/a"), s.counter("uses/a"))
		require.Equal(rt, whole.counter("money/EUR/a/2026-11"), s.counter("money/EUR/a/2026-11"))
	})
}

// importRace imports 100 uses in overlapping requests; it counts what was counted.
func importRace(t *testing.T, store storage.Store) (counted, allowed int) {
	s := raceService(t, store, limited(amountOff("a", "5.00"), coupon.Limit{Uses: 1000}))
	var calls []func() error
	for i := range 16 {
		var uses []coupon.OpeningUse
		for n := range 100 {
			uses = append(uses, used(fmt.Sprint((n+i*10)%100), "", noon))
		}
		calls = append(calls, func() error {
			return ignore(s.Import(ctx, coupon.ImportRequest{ID: fmt.Sprint("import ", i), Actor: "ann", Uses: uses}, noon))
		})
	}
	assert.Equal(t, 16, eachOf(t, 8, calls))
	_, values, err := store.Get(ctx, nil, "uses/a")
	require.NoError(t, err)
	return int(values["uses/a"]), 100
}

func importing(*shop) operation {
	request := coupon.ImportRequest{ID: "i", Actor: "ann", Uses: []coupon.OpeningUse{{Order: "old", Offer: "cap", Amount: eur("1.00"), At: noon}}}
	return operation{
		func(ctx context.Context, s *coupon.Service) (any, error) {
			_, err := s.Import(ctx, request, noon)
			return nil, err
		},
		func(s *coupon.Service) error {
			other := request
			other.Uses = []coupon.OpeningUse{{Order: "old", Offer: "cap", Amount: eur("2.00"), At: noon}}
			return ignore(s.Import(ctx, other, noon))
		},
	}
}

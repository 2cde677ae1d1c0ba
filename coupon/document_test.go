package coupon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// kinds are all kinds of documents that coupons and their book are kept in.
var kinds = []string{"offer", "offer_version", "exclusions", "coupon", "code", "issue", "batch", "redemption", "entry", "hold", "opening", "override", "stock", "fault"}

// dump is everything in a store but its counters, in one order.
func dump(t checker, store storage.Store) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range kinds {
		query := storage.Query{Kind: kind, Limit: storage.MaxPage}
		for more := true; more; more = query.After != "" {
			page, err := store.List(ctx, query)
			require.NoError(t, err)
			for _, doc := range page.Docs {
				fmt.Fprintf(&b, "%s v%d due %d %v %s\n", doc.Key, doc.Version, doc.Due, doc.Lists, doc.Body)
			}
			query.After = page.Next
		}
	}
	return b.String()
}

// requireSame compares two dumps, and shows the first difference.
func requireSame(t checker, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(found)) {
		require.Equal(t, wanted[i], found[i])
	}
	require.Len(t, found, len(wanted))
}

// full is a shop that has a document of every kind, with something in every member.
func full(t *testing.T) *shop {
	s := newShopOn(t, memory.New(), coupon.Options{Random: rand.New(rand.NewSource(1))}, everything(),
		changed(limited(freely(amountOff("own", "2.00")), coupon.Limit{Per: coupon.PerCoupon, Uses: 2}, coupon.Limit{Uses: 9, Period: ledger.Month}),
			func(o *coupon.Offer) { o.Restore = coupon.RestoreNever }))
	require.NoError(t, s.Pause(ctx, "every.thing-1_2", "staff", "too many", noon))
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{
		ID: "x", Seller: "zeta", Products: []string{"cup"}, Offers: []string{"a"}, Labels: []string{"referral"},
		Interval: coupon.Interval{From: noon, Until: noon.Add(time.Hour)},
	}, "zeta", noon))
	held := s.held("own", "jane", 2)
	cart := cartOf(item("20.00", 3), total(1000, "1.25"))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "acme", Price: eur("2.90")}}
	s.redeem("order", cart, coupon.ChooseCoupons(held[0].ID), noon)
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{
		ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 1}}, Shipping: []string{"parcel"},
	}, noon.Add(time.Hour))))
	q := s.applies(cart, coupon.ChooseCoupons(held[0].ID, held[1].ID), noon)
	require.NoError(t, ignore(s.Reserve(ctx, "waiting", q, noon)))
	require.NoError(t, ignore(s.Revoke(ctx, held[1].ID, "staff", "stolen", noon)))
	return s
}

// golden are the documents that stay readable for ever, by the file each is in.
var golden = map[string]storage.Key{
	"offer":                 {Kind: "offer", ID: "every.thing-1_2"},
	"offer_version":         {Kind: "offer_version", ID: "every.thing-1_2@1"},
	"offer_version_amount":  {Kind: "offer_version", ID: "own@1"},
	"exclusions":            {Kind: "exclusions", ID: "zeta"},
	"code":                  {Kind: "code", ID: "JXW7125FPZZFTH"},
	"issue":                 {Kind: "issue", ID: "held-own-jane"},
	"coupon_used":           {Kind: "coupon", ID: "held-own-jane/1"},
	"coupon_revoked":        {Kind: "coupon", ID: "held-own-jane/2"},
	"redemption_refunded":   {Kind: "redemption", ID: "order"},
	"redemption_reserved":   {Kind: "redemption", ID: "waiting"},
	"entry_of_a_redemption": {Kind: "entry", ID: "order/order/redeemed"},
	"entry_of_a_refund":     {Kind: "entry", ID: "order/order/refunded/1"},
}

// Bodies that were written once are never written differently, but for members that
// are added: the files are what an older release left behind.
func TestGoldenBodies(t *testing.T) {
	s := full(t)
	for _, name := range slices.Sorted(maps.Keys(golden)) {
		docs, _, err := s.store.Get(ctx, []storage.Key{golden[name]}) // its codes come from a fixed seed
		require.NoError(t, err)
		require.Len(t, docs, 1, golden[name].String())
		var got bytes.Buffer
		require.NoError(t, json.Indent(&got, docs[0].Body, "", "  "))
		got.WriteByte('\n')
		path := filepath.Join("testdata", name+".json")
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String(), name)
	}
}

// What older releases left behind is read to this day.
func TestGoldenBodiesAreRead(t *testing.T) {
	store := memory.New()
	written := full(t)
	for name, key := range golden {
		body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		require.NoError(t, err)
		docs, _, err := written.store.Get(ctx, []storage.Key{key})
		require.NoError(t, err)
		put := storage.Put(docs[0])
		put.Version, put.Body = 0, body
		require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
	}
	s := coupon.New(store, coupon.Options{})
	offer, err := s.Offer(ctx, "every.thing-1_2", 1, noon)
	require.NoError(t, err)
	want := everything()
	want.Version = 1
	assert.Equal(t, want, offer)
	for _, order := range []string{"order", "waiting"} {
		now, err := s.Redemption(ctx, order)
		require.NoError(t, err)
		before, err := written.Redemption(ctx, order)
		require.NoError(t, err)
		assert.Equal(t, before, now)
	}
	for _, id := range []string{"held-own-jane/1", "held-own-jane/2"} {
		now, err := s.Coupon(ctx, id)
		require.NoError(t, err)
		before, err := written.Coupon(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, before, now)
	}
}

// rewrite changes the body of every document in the store that is ever written
// again: all but entries.
func rewrite(t *testing.T, store storage.Store, change func(body string) string) {
	t.Helper()
	for _, kind := range slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == "entry" }) {
		page, err := store.List(ctx, storage.Query{Kind: kind, Limit: storage.MaxPage})
		require.NoError(t, err)
		for _, doc := range page.Docs {
			put := storage.Put(doc)
			put.Body = []byte(change(string(doc.Body)))
			require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
		}
	}
}

// change does something to every kind of document that is ever written again.
func change(s *coupon.Service) []error {
	later := noon.Add(2 * time.Hour)
	return []error{
		s.Resume(ctx, "every.thing-1_2", "staff", "asked for", later),
		s.Include(ctx, "zeta", "x", "zeta", later),
		ignore(s.Revoke(ctx, "held-own-jane/1", "staff", "asked for", later)),
		ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, later)),
		ignore(s.Release(ctx, "waiting", later)),
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	s := full(t)
	rewrite(t, s.store, func(body string) string { return strings.TrimSuffix(body, "}") + `,"later":{"a":[1,2]}}` })
	for _, err := range change(s.Service) {
		require.NoError(t, err)
	}
	for line := range strings.Lines(dump(t, s.store)) {
		if !strings.HasPrefix(line, "entry/") {
			require.Contains(t, line, `,"later":{"a":[1,2]}}`)
		}
	}
}

func TestNewerFormatsAreRefused(t *testing.T) {
	s := full(t)
	code := "CODE"
	s.public("own", code)
	known, err := s.Coupon(ctx, "held-own-jane/1")
	require.NoError(t, err)
	rewrite(t, s.store, func(body string) string { return strings.Replace(body, `"format":1`, `"format":2`, 1) })
	fresh := coupon.New(s.store, coupon.Options{})
	before := dump(t, s.store)
	errs := append(change(fresh),
		second(fresh.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose(code), noon)),
		second(fresh.Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons(known.ID), noon)),
		second(fresh.Offer(ctx, "own", 0, noon)),
		second(fresh.Offer(ctx, "own", 1, noon)),
		second(fresh.Coupon(ctx, known.ID)),
		second(fresh.Redemption(ctx, "order")),
		second(fresh.Wallet(ctx, "jane", coupon.WalletQuery{}, noon)),
		second(fresh.Issue(ctx, coupon.IssueRequest{ID: "held-own-jane", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "own", Version: 1, Count: 2}}}, noon)),
	)
	for i, err := range errs {
		require.ErrorIs(t, err, storage.ErrNewer, "call %d", i)
	}
	requireSame(t, before, dump(t, s.store))
	rewrite(t, s.store, func(body string) string { return strings.Replace(body, `"format":2`, `"format":1`, 1) }) // for the audit
}

// An offer kept with what only a later release knows is not applied as if it were
// less.
func TestOffersOfALaterReleaseAreRefused(t *testing.T) {
	for name, c := range map[string][2]string{
		"a benefit":   {`"type":"amount"`, `"type":"bundle"`},
		"a rounding":  {`"id":"own"`, `"id":"own","rounding":"banker"`},
		"a limit":     {`"per":"offer"`, `"per":"campaign"`},
		"a period":    {`"period":"month"`, `"period":"decade"`},
		"no percent":  {`"type":"amount"`, `"type":"percent"`},
		"a currency":  {`{"EUR":"2.00"}`, `{"XQQ":"2.00"}`},
		"a precision": {`{"EUR":"2.00"}`, `{"EUR":"2.001"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := full(t)
			rewrite(t, s.store, func(body string) string { return strings.Replace(body, c[0], c[1], 1) })
			err := second(coupon.New(s.store, coupon.Options{}).Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons("held-own-jane/1"), noon))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "no error")
			rewrite(t, s.store, func(body string) string { return strings.Replace(body, c[1], c[0], 1) })
		})
	}
}

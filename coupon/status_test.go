package coupon_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// The back office lists what is published, two offers on a page, and says of one that is
// paused who did it and why. Then it looks up what a seller keeps out, and who holds the
// codes of a partner's list.
func ExampleService_Offers() {
	coupons := coupon.New(memory.New(), coupon.Options{})
	summer, tea, spa := amountOff("summer", "5.00"), amountOff("tea", "2.00"), amountOff("spa", "3.00")
	summer.Schedule.Days, summer.Schedule.Zone = coupon.LocalDays{First: "2026-06-01", Last: "2026-08-31"}, "Europe/Berlin"
	for _, offer := range []coupon.Offer{tea, summer, spa} {
		_, _ = coupons.Publish(ctx, offer, "ann", noon)
	}
	_ = coupons.Pause(ctx, "tea", "bob", "the price tags are wrong", noon)

	query := coupon.OfferQuery{Limit: 2}
	for {
		page, err := coupons.Offers(ctx, query, noon.Add(time.Hour))
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, o := range page.Offers {
			fmt.Print(o.Offer.ID, " is ", o.State)
			if o.Paused {
				fmt.Printf(" since %s by %s: %s", o.At.Format(time.DateTime), o.Actor, o.Reason)
			}
			fmt.Println()
		}
		if query.After = page.Next; page.Next == "" {
			break
		}
		fmt.Println("next page")
	}

	_ = coupons.Exclude(ctx, coupon.Exclusion{ID: "no-tea", Seller: "acme", Offers: []string{"tea"}}, "acme", noon)
	kept, err := coupons.Exclusions(ctx, "acme")
	fmt.Println(kept[0].ID, kept[0].Offers, err)

	_, _ = coupons.LoadStock(ctx, coupon.StockRequest{ID: "spa-list", Offer: "spa", Codes: []string{"SPA-77-KQ", "SPA-78-LM"}, Actor: "ann", Reason: "the partner's list"}, noon)
	_, _ = coupons.Issue(ctx, coupon.IssueRequest{ID: "gift", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "spa", FromStock: true}}}, noon)
	given, err := coupons.StockCoupons(ctx, "spa-list", coupon.StockQuery{})
	for _, c := range given.Coupons {
		fmt.Println(c.ID, "of", c.Holder, err)
	}
	// Output:
	// spa is live
	// summer is ended
	// next page
	// tea is paused since 2026-11-20 12:00:00 by bob: the price tags are wrong
	// no-tea [tea] <nil>
	// gift/1 of jane <nil>
}

// callCounter counts the reads of a store.
type callCounter struct {
	storage.Store
	lists, gets int
}

func (c *callCounter) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	c.gets++
	return c.Store.Get(ctx, keys, counters...)
}

func (c *callCounter) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	c.lists++
	return c.Store.List(ctx, q)
}

// Every offer stands on exactly one page, by its id, however small the pages are, and a
// page costs the same, wherever it is.
func TestOffers(t *testing.T) {
	s := newShop(t)
	var want []string
	for i := range 230 {
		offer := amountOff(fmt.Sprintf("offer-%03d", i), "1.00")
		offer.Automatic = i%2 == 0
		want = append(want, offer.ID)
		require.NoError(t, ignore(s.Publish(ctx, offer, "ann", noon)))
		if i%3 == 0 {
			require.NoError(t, s.Pause(ctx, offer.ID, "bob", "why", noon.Add(time.Duration(i)*time.Minute)))
		}
	}
	for _, limit := range []int{0, 1, 7, 100, 230, 1000} {
		reads := &callCounter{Store: s.store}
		service := coupon.New(reads, coupon.Options{})
		var got []string
		pages := 0
		for query := (coupon.OfferQuery{Limit: limit}); ; pages++ {
			page, err := service.Offers(ctx, query, noon)
			require.NoError(t, err)
			for _, o := range page.Offers {
				got = append(got, o.Offer.ID)
			}
			if query.After = page.Next; page.Next == "" {
				break
			}
		}
		require.Equal(t, want, got, limit)
		require.Equal(t, []int{pages + 1, pages + 1}, []int{reads.lists, reads.gets}, "one list and one get for a page of %d", limit)
	}
	require.ErrorIs(t, second(s.Offers(ctx, coupon.OfferQuery{Limit: 1001}, noon)), storage.ErrInvalid)
	require.ErrorIs(t, second(s.Offers(ctx, coupon.OfferQuery{After: "none"}, noon)), storage.ErrInvalid)
	require.ErrorIs(t, second(s.Offers(ctx, coupon.OfferQuery{}, time.Time{})), coupon.ErrRequest)
	empty, err := newShop(t).Offers(ctx, coupon.OfferQuery{}, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.OfferPage{}, empty)
}

func TestOfferStates(t *testing.T) {
	bounded := amountOff("a", "1.00")
	bounded.Schedule.Interval = coupon.Interval{From: noon, Until: noon.Add(2 * time.Hour)}
	s := newShop(t, bounded)
	requireState := func(at time.Time, state coupon.OfferState, actor, reason string, since time.Time) {
		t.Helper()
		found, err := s.Status(ctx, "a", at)
		require.NoError(t, err)
		latest, err := s.Offer(ctx, "a", 0, at.AddDate(1, 0, 0))
		require.NoError(t, err)
		want := coupon.OfferStatus{Offer: latest, State: state, Runs: latest.Schedule.Interval, Paused: actor == "bob", Actor: actor, Reason: reason, At: since}
		require.Equal(t, want, found)
		page, err := s.Offers(ctx, coupon.OfferQuery{}, at)
		require.NoError(t, err)
		require.Equal(t, []coupon.OfferStatus{want}, page.Offers)
	}
	requireState(noon.Add(-1), coupon.OfferScheduled, "", "", time.Time{})
	requireState(noon, coupon.OfferLive, "", "", time.Time{})
	requireState(noon.Add(2*time.Hour), coupon.OfferEnded, "", "", time.Time{})
	require.NoError(t, s.Pause(ctx, "a", "bob", "wrong", noon))
	requireState(noon.Add(-1), coupon.OfferPaused, "bob", "wrong", noon)
	requireState(noon.Add(time.Hour), coupon.OfferPaused, "bob", "wrong", noon)
	requireState(noon.Add(2*time.Hour), coupon.OfferEnded, "bob", "wrong", noon)
	bounded.Schedule.Interval = coupon.Interval{}
	require.NoError(t, ignore(s.Publish(ctx, bounded, "ann", noon.Add(time.Hour))))
	requireState(noon.Add(2*time.Hour), coupon.OfferPaused, "bob", "wrong", noon)
	require.NoError(t, s.Resume(ctx, "a", "eve", "mended", noon.Add(3*time.Hour)))
	requireState(noon.AddDate(1, 0, 0), coupon.OfferLive, "eve", "mended", noon.Add(3*time.Hour))

	require.ErrorIs(t, second(s.Status(ctx, "none", noon)), coupon.ErrNoOffer)
	require.Equal(t, []string{"offer", "now"}, paths(t, second(s.Status(ctx, "", time.Time{}))))
}

// Who lists offers need not know the shop's own predicates.
func TestOffersWithoutPredicates(t *testing.T) {
	vip := coupon.RegisteredPredicate{Name: "vip", Version: 1, Sentence: "for friends of the house", Holds: func(_, _ map[string]string) bool { return true }}
	offer := amountOff("a", "1.00")
	offer.Conditions = []coupon.Condition{coupon.Predicate{Name: "vip", Version: 1}}
	store := memory.New()
	require.NoError(t, ignore(coupon.New(store, coupon.Options{Predicates: []coupon.RegisteredPredicate{vip}}).Publish(ctx, offer, "ann", noon)))
	page, err := coupon.New(store, coupon.Options{}).Offers(ctx, coupon.OfferQuery{}, noon)
	require.NoError(t, err)
	require.Equal(t, offer.Conditions, page.Offers[0].Offer.Conditions)
}

func TestExclusionsOfASeller(t *testing.T) {
	s := newShop(t)
	all := []coupon.Exclusion{
		{ID: "b", Seller: "acme", Products: []string{"tea"}, Labels: []string{"referral"}, Interval: coupon.Interval{From: noon.AddDate(-1, 0, 0), Until: noon.AddDate(0, -1, 0)}},
		{ID: "a", Seller: "acme"},
	}
	for _, e := range all {
		require.NoError(t, s.Exclude(ctx, e, "acme", noon))
	}
	require.NoError(t, s.Exclude(ctx, coupon.Exclusion{ID: "z", Seller: "other"}, "other", noon))
	found, err := s.Exclusions(ctx, "acme")
	require.NoError(t, err)
	require.Equal(t, all, found)
	require.NoError(t, s.Include(ctx, "acme", "b", "acme", noon))
	found, err = s.Exclusions(ctx, "acme")
	require.NoError(t, err)
	require.Equal(t, all[1:], found)
	none, err := s.Exclusions(ctx, "nobody")
	require.NoError(t, err)
	require.Empty(t, none)
	require.ErrorIs(t, second(s.Exclusions(ctx, "")), coupon.ErrRequest)
	require.ErrorIs(t, second(s.Exclusions(ctx, strings.Repeat("x", coupon.MaxKey+1))), coupon.ErrRequest)
}

// Every coupon that has got a code of the load is found, whatever became of it, and none
// of another.
func TestStockCoupons(t *testing.T) {
	for name, options := range codeOptions {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, memory.New(), options, card())
			s.load("spring", cards("CARD", 0, 205)...)
			empty, err := s.StockCoupons(ctx, "spring", coupon.StockQuery{})
			require.NoError(t, err)
			require.Equal(t, coupon.StockPage{}, empty)
			var want []coupon.Coupon
			for i := range 205 {
				at := noon.Add(time.Duration(i) * time.Minute)
				made, err := s.Issue(ctx, fromStock(fmt.Sprint("gift", i), fmt.Sprint("customer", i), 1), at)
				require.NoError(t, err)
				if i%2 == 0 {
					require.NoError(t, ignore(s.Revoke(ctx, made[0].ID, "ann", "returned", at)))
				}
				kept, err := s.Coupon(ctx, made[0].ID)
				require.NoError(t, err)
				want = append(want, kept)
			}
			s.load("summer", cards("CARD", 500, 1)...)
			issued(t, s.Service, fromStock("another", "jane", 1))

			for _, newest := range []bool{false, true} {
				reads := &callCounter{Store: s.store}
				service := coupon.New(reads, options)
				var got []coupon.Coupon
				query := coupon.StockQuery{Newest: newest, Limit: 100}
				for range 3 {
					page, err := service.StockCoupons(ctx, "spring", query)
					require.NoError(t, err)
					got, query.After = append(got, page.Coupons...), page.Next
				}
				require.Empty(t, query.After)
				for i := range got {
					at := i
					if newest {
						at = len(want) - 1 - i
					}
					require.Equal(t, want[at], got[i])
				}
				require.Len(t, got, len(want))
				require.Equal(t, []int{3, 3}, []int{reads.lists, reads.gets})
			}
		})
	}
	s := newShop(t, card())
	require.ErrorIs(t, second(s.StockCoupons(ctx, "none", coupon.StockQuery{})), coupon.ErrNoLoad)
	require.ErrorIs(t, second(s.StockCoupons(ctx, "none", coupon.StockQuery{Limit: 1001})), storage.ErrInvalid)
}

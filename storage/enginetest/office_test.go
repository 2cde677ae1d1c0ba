package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// readPages reads all pages of a listing.
func readPages[A any](t *testing.T, read func(after storage.Cursor) ([]A, storage.Cursor, error)) (all []A, pages int) {
	t.Helper()
	for after := storage.Cursor(""); ; {
		page, next, err := read(after)
		require.NoError(t, err)
		if all, pages = append(all, page...), pages+1; next == "" {
			return all, pages
		}
		after = next
	}
}

// TestBackOffice lists, on every engine, what staff look up: offers each on one page
// by its id, what a seller keeps out, and who has got codes of a
// load, in the order in which they got them.
func TestBackOffice(t *testing.T) {
	story := func(t *testing.T, s services) {
		ctx := t.Context()
		require.NoError(t, opened(ctx, s))
		want := []string{"cap", "own"}
		for i := range 11 {
			id := fmt.Sprintf("spring_%02d.%c", i, 'a'+i%2)
			want = append(want, id)
			require.NoError(t, only(s.coupons.Publish(ctx, coupon.Offer{ID: id, Name: id, Automatic: i%2 == 0, Benefit: coupon.GiftLine{Product: "tea", Quantity: 1}}, "staff", noon)))
		}
		require.NoError(t, s.coupons.Pause(ctx, "spring_03.b", "ann", "out of tea", noon.Add(time.Minute)))
		offers, pages := readPages(t, func(after storage.Cursor) ([]coupon.OfferStatus, storage.Cursor, error) {
			page, err := s.coupons.Offers(ctx, coupon.OfferQuery{After: after, Limit: 4}, noon)
			return page.Offers, page.Next, err
		})
		require.Equal(t, 4, pages)
		var got []string
		for _, o := range offers {
			got = append(got, o.Offer.ID)
			paused, state := o.Offer.ID == "spring_03.b", coupon.OfferLive
			if paused {
				state = coupon.OfferPaused
				require.Equal(t, []any{"ann", "out of tea", noon.Add(time.Minute)}, []any{o.Actor, o.Reason, o.At})
			}
			require.Equal(t, []any{paused, state}, []any{o.Paused, o.State}, o.Offer.ID)
			one, err := s.coupons.Status(ctx, o.Offer.ID, noon)
			require.NoError(t, err)
			require.Equal(t, o, one)
		}
		require.Equal(t, want, got)

		exclusion := coupon.Exclusion{ID: "x", Seller: "acme", Products: []string{"tea"}, Interval: coupon.Interval{From: noon, Until: noon.AddDate(0, 1, 0)}}
		require.NoError(t, s.coupons.Exclude(ctx, exclusion, "acme", noon))
		kept, err := s.coupons.Exclusions(ctx, "acme")
		require.NoError(t, err)
		require.Equal(t, []coupon.Exclusion{exclusion}, kept)

		var codes []string
		for i := range 9 {
			codes = append(codes, fmt.Sprintf("CARD-%03d", i))
		}
		require.NoError(t, only(s.coupons.LoadStock(ctx, coupon.StockRequest{ID: "cards", Offer: "own", Codes: codes, Actor: "staff", Reason: "printed"}, noon)))
		for i := range codes {
			require.NoError(t, only(s.coupons.Issue(ctx, coupon.IssueRequest{
				ID: fmt.Sprint("gift-", i), Holder: fmt.Sprint("customer ", i), Offers: []coupon.IssueOffer{{Offer: "own", FromStock: true}},
			}, noon.Add(time.Duration(i)*time.Second))))
		}
		given, pages := readPages(t, func(after storage.Cursor) ([]coupon.Coupon, storage.Cursor, error) {
			page, err := s.coupons.StockCoupons(ctx, "cards", coupon.StockQuery{After: after, Limit: 4})
			return page.Coupons, page.Next, err
		})
		require.Equal(t, 3, pages)
		require.Len(t, given, len(codes))
		for i, c := range given {
			require.Equal(t, []string{fmt.Sprintf("gift-%d/1", i), fmt.Sprint("customer ", i)}, []string{c.ID, c.Holder})
		}
	}
	t.Run("memory", func(t *testing.T) { story(t, serve(memory.New(), nil)) })
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			story(t, serve(e.Store(t, e.Open(t, e.DSN(t), 4), sqlstore.Options{}), nil))
		})
	}
}

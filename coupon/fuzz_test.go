package coupon_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// kept is a service over a store in which the offer "x" has this body. Nil: the
// store refuses such a body.
func kept(t testing.TB, body []byte) *coupon.Service {
	store := memory.New()
	err := store.Apply(ctx, storage.Batch{Puts: []storage.Put{{Key: storage.Key{Kind: "offer_version", ID: "x@1"}, Body: body}}})
	if err != nil {
		require.ErrorIs(t, err, storage.ErrInvalid)
		return nil
	}
	return coupon.New(store, coupon.Options{})
}

func offerSeeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, offer := range []coupon.Offer{everything(), limited(amountOff("x", "5.00"), coupon.Limit{Uses: 1})} {
		offer.ID = "x"
		s := newShop(f, offer)
		docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "offer_version", ID: "x@1"}})
		require.NoError(f, err)
		all = append(all, docs[0].Body)
	}
	return append(all,
		[]byte(`{"format":1,"offer":{"id":"x","version":1,"name":"x","benefit":{"type":"percent"}}}`),
		[]byte(`{"format":1,"offer":{"id":"x","version":1,"name":"x","benefit":{"type":"amount","amounts":[{"amount":"1","currency":"JPY"}]},"schedule":{"zone":"Local","life_seconds":9223372036854775807}}}`),
		[]byte(`{"format":1,"offer":{"id":"y","version":1,"name":"x","benefit":{"type":"percent","percent":"10"}}}`),
		[]byte(`{"format":1,"offer":null}`), []byte(`{"format":9}`), []byte(`{}`))
}

// Whatever a stored offer says, reading it answers with a valid offer or an error,
// and what is valid is read back the same.
func FuzzOfferDocument(f *testing.F) {
	for _, body := range offerSeeds(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := kept(t, body)
		if s == nil {
			return
		}
		offer, err := s.Offer(ctx, "x", 1, noon)
		if err != nil {
			return
		}
		if err := offer.Validate(); err != nil {
			t.Fatalf("%s is read as an offer that is not valid: %v", body, err)
		}
		s = coupon.New(memory.New(), coupon.Options{})
		again, err := s.Publish(ctx, offer, "staff", noon)
		if err != nil {
			t.Fatalf("%s is read as an offer that can't be published: %v", body, err)
		}
		read, err := s.Offer(ctx, again.ID, again.Version, noon)
		require.NoError(t, err)
		again, err = s.Publish(ctx, read, "staff", noon)
		require.NoError(t, err)
		require.Equal(t, 1, again.Version, "what was read is what was published")
	})
}

// Whatever the cart, the offer and the instant: a decision adds up, or names the
// faults of the cart.
func FuzzDecide(f *testing.F) {
	cart := cartOf(item("3.33", 3), floor("10.00", 2, "9.00"), total(1000, "1.25"))
	cart.Lines[1].Categories, cart.Lines[1].Tags, cart.Lines[1].OnSale = []string{"drinks"}, []string{"green"}, true
	cart.Shipping, cart.Promotions = []coupon.Shipping{{ID: "parcel", Price: eur("2.90")}}, []string{"3 for 2"}
	text, err := json.Marshal(cart)
	require.NoError(f, err)
	for _, body := range offerSeeds(f) {
		f.Add(text, body, noon.UnixMicro())
	}
	f.Add([]byte(`{"Currency":"EUR","Lines":[{"ID":"1","Product":"p","Quantity":-1,"UnitPrice":{"amount":"90071992547409.92","currency":"EUR"}}]}`), offerSeeds(f)[0], int64(-1))
	f.Fuzz(func(t *testing.T, text, body []byte, at int64) {
		var cart coupon.Cart
		if json.Unmarshal(text, &cart) != nil {
			return
		}
		var asked []coupon.Candidate
		if s := kept(t, body); s != nil {
			if offer, err := s.Offer(ctx, "x", 1, noon); err == nil {
				asked = candidates(t, offer)
				asked = append(asked, coupon.Candidate{Version: asked[0].Version, Coupon: &coupon.Coupon{ID: "c", Holder: "jane", Uses: 1}})
			}
		}
		q, err := coupon.Decide(cart, asked, coupon.Facts{}, time.UnixMicro(at))
		if err != nil {
			if !errors.Is(err, coupon.ErrCart) {
				t.Fatalf("not a fault of the cart: %v", err)
			}
			return
		}
		checkSums(t, q)
		require.Len(t, asked, len(q.Applied())+len(q.Refused()))
		require.NotEmpty(t, q.Fingerprint())
	})
}

package coupon_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// body is a document's body as a file of testdata has it.
func body(t *testing.T, store storage.Store, key storage.Key) string {
	t.Helper()
	docs, _, err := store.Get(ctx, []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1, key.String())
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, docs[0].Body, "", "  "))
	return b.String() + "\n"
}

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// offersOfEveryKind say everything that an offer can say, each something else.
func offersOfEveryKind() map[string]coupon.Offer {
	all := map[string]coupon.Offer{
		"percent_of_units": giving("a", coupon.PercentOff{Rate: ledger.MustRate("12.5"), Max: euros("9.00"), Of: coupon.OfOriginal, Units: someUnits(2, coupon.Dearest)}),
		"amount_each":      giving("a", coupon.AmountOffEach{Amounts: euros("1.00"), Units: someUnits(3, coupon.CartOrder)}),
		"amount_each_line": giving("a", coupon.AmountOffEach{Amounts: euros("1.00"), PerLine: true}),
		"fixed_price":      giving("a", coupon.FixedPrice{Prices: euros("0.00")}),
		"bundle_price": giving("a", coupon.BundlePrice{
			Items: []coupon.BundleItem{{Of: products("tea"), Units: 2}, {Units: 1}}, Prices: euros("10.00"), Max: 3, Pick: coupon.Dearest,
		}),
		"buy_get": giving("a", coupon.BuyGet{Buy: 2, Get: 1, BuyOf: products("tea"), GetOf: coupon.Lists{Tags: []string{"green"}}, Rate: half, Max: 4}),
		"tiers_spend": giving("a", coupon.Tiers{Spend: []coupon.SpendTier{
			{From: euros("50.00"), Amounts: euros("5.00")}, {From: euros("100.00"), Rate: half},
		}}),
		"tiers_quantity":   giving("a", coupon.Tiers{Quantity: []coupon.QuantityTier{{From: 3, Amounts: euros("5.00")}, {From: 6, Rate: half}}}),
		"shipping":         giving("a", coupon.ShippingOff{Rate: whole, Sellers: []string{"acme"}}),
		"shipping_amount":  giving("a", coupon.ShippingOff{Amounts: euros("2.00")}),
		"shipping_highest": giving("a", coupon.ShippingOff{Highest: euros("0.00")}),
		"gift":             giving("a", coupon.GiftLine{Product: "mug", Quantity: 2}),
	}
	conditions := asking(amountOff("a", "1.00"),
		coupon.Any{coupon.All{coupon.NewCustomer{}, not(coupon.InSegment{Any: []string{"gold"}})}, coupon.NthOrder{From: 2, To: 5}},
		coupon.MinimumSpend{Amounts: euros("10.00"), After: true}, coupon.MinimumQuantity{Units: 2}, coupon.Contains{Of: products("tea"), Units: 2},
		coupon.Country{Any: []string{"DE"}}, coupon.Channel{Any: []string{"app"}}, coupon.Payment{Any: []string{"card"}},
		coupon.Attribute{Name: "city", Any: []string{"Berlin"}}, coupon.Predicate{Name: "pickup", Version: 1, Arguments: map[string]string{"chain": "north"}})
	conditions.Below = coupon.ClawBack
	all["conditions"] = conditions
	limits := limited(automatic(amountOff("a", "1.00")),
		coupon.Limit{Money: euros("500.00"), When: coupon.ClipSpent, Period: ledger.Week}, coupon.Limit{Per: coupon.PerOrder, Uses: 1},
		coupon.Limit{Per: coupon.PerCampaign, Money: euros("900.00"), When: coupon.AllowLast}, coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 1, Period: ledger.Year})
	limits.Campaign, limits.Group = "spring", coupon.Group{Name: "sale", First: true}
	limits.Funding = []coupon.Share{share(coupon.Seller, "60"), share("Brand & Söhne", "40")}
	limits.Below = coupon.BlockReturn
	all["limits_and_funding"] = limits
	all["schedule"] = changed(amountOff("a", "1.00"), func(o *coupon.Offer) {
		o.Schedule = coupon.Schedule{
			Days: coupon.LocalDays{First: "2026-11-01", Last: "2026-11-30"}, Zone: "Europe/Berlin",
			Weekly: []coupon.Window{{Days: []time.Weekday{time.Friday, time.Saturday}, From: "22:00", Until: "02:00"}, {Until: "06:30"}},
		}
	})
	return all
}

// Offers are written as they were once, and what was written is read to this day.
func TestGoldenOffers(t *testing.T) {
	options := coupon.Options{Predicates: []coupon.RegisteredPredicate{pickup}}
	written := make(map[string]json.RawMessage)
	for name, offer := range offersOfEveryKind() {
		s := newShopOn(t, newShop(t).store, options, offer)
		written[name] = json.RawMessage(body(t, s.store, storage.Key{Kind: "offer_version", ID: "a@1"}))
	}
	text, err := json.MarshalIndent(written, "", "  ")
	require.NoError(t, err)
	requireGolden(t, "offers.json", string(text)+"\n")
	for name, offer := range offersOfEveryKind() {
		s := newShopOn(t, newShop(t).store, options, amountOff("a", "0.01"))
		rewrite(t, s.store, func(body string) string {
			if strings.Contains(body, `"benefit"`) {
				return string(written[name])
			}
			return body
		})
		read, err := coupon.New(s.store, options).Offer(ctx, "a", 1, noon)
		require.NoError(t, err)
		offer.Version = 1
		assert.Equal(t, offer, read, name)
	}
}

// An order that credit and points paid for in part, with goodwill and a return; and
// one that waits for its payment.
func TestGoldenTender(t *testing.T) {
	s := newShop(t, automatic(percentOff("a", "10")))
	s.grant("jane", eur("20.00"))
	s.grant("jane", points(t, 300))
	q, err := s.applies(cartOf(item("20.00", 3)), coupon.Choice{}, noon).Pay(coupon.Tender{Amount: points(t, 300), Worth: eur("3.33")}, money("8.00"))
	require.NoError(t, err)
	s.must(s.Reserve(ctx, "order", q, noon))
	s.must(s.Confirm(ctx, "order", noon.Add(time.Minute)))
	require.NoError(t, ignore(s.RefundAmount(ctx, "order", coupon.AmountRequest{
		ID: "late", Amount: eur("50.00"), Actor: "ann", Reason: "late", Funding: []coupon.Share{share(coupon.Seller, "60"), share("brand", "40")}, Seller: "acme",
	}, noon.Add(time.Hour))))
	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "one", Lines: units("1", 1)}, noon.Add(2*time.Hour))))
	s.must(s.Reserve(ctx, "waiting", s.pays(money("1.00")), noon))
	for file, key := range map[string]storage.Key{
		"redemption_tender.json":         {Kind: "redemption", ID: "order"},
		"redemption_tender_waiting.json": {Kind: "redemption", ID: "waiting"},
		"entry_of_goodwill.json":         {Kind: "entry", ID: "order/order/refunded/1"},
		"entry_of_credit.json":           {Kind: "entry", ID: "credit/granted/grant-jane20.00 EUR"},
		"hold_of_an_order.json":          {Kind: "hold", ID: "order/waiting/1/1"},
	} {
		requireGolden(t, file, body(t, s.store, key))
	}
}

func TestGoldenOpening(t *testing.T) {
	s := importShop(t)
	use := used("old", "jane", noon.Add(-time.Hour))
	use.Coupon = s.public("a", "CODE").ID
	require.NoError(t, ignore(s.Import(ctx, coupon.ImportRequest{ID: "import", Actor: "ann", Uses: []coupon.OpeningUse{use}}, noon)))
	for file, key := range map[string]storage.Key{"opening.json": only(t, s.store, "opening"), "entry_of_an_import.json": {Kind: "entry", ID: "imported/import/1/" + only(t, s.store, "opening").ID[:16]}} {
		requireGolden(t, file, body(t, s.store, key))
	}
}

// only is the key of the one document of a kind.
func only(t *testing.T, store storage.Store, kind string) storage.Key {
	t.Helper()
	page, err := store.List(ctx, storage.Query{Kind: kind})
	require.NoError(t, err)
	require.Len(t, page.Docs, 1)
	return page.Docs[0].Key
}

// A redemption in which every member of its parts says something.
func TestGoldenRedemption(t *testing.T) {
	s := newShop(t,
		automatic(freely(funded(limited(minimum(giving("capped", coupon.PercentOff{Rate: half, Units: someUnits(2, coupon.Dearest)}), "50.00", coupon.ClawBack),
			coupon.Limit{Money: euros("30.00"), When: coupon.ClipSpent}), share(coupon.Seller, "70"), share("brand", "30")))),
		automatic(freely(giving("free", coupon.ShippingOff{Rate: whole}))), automatic(freely(giving("mug", coupon.GiftLine{Product: "mug", Quantity: 1}))))
	cart := cartOf(item("20.00", 3), soldBy(item("7.77", 2), "a//b"))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "acme", Price: eur("2.90")}}
	s.redeem("order", cart, coupon.Choice{}, noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: units("1", 2)}, noon)
	require.NoError(t, err)
	require.Equal(t, eur("10.00"), refund.ClawedBack)
	requireGolden(t, "redemption_parts.json", body(t, s.store, storage.Key{Kind: "redemption", ID: "order"}))
}

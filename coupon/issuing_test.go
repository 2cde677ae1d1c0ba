package coupon_test

import (
	"errors"
	"fmt"
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

func TestIssueFaults(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"), limited(amountOff("often", "1.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 101}))
	one := []coupon.IssueOffer{{Offer: "a"}}
	for name, c := range map[string]struct {
		request coupon.IssueRequest
		want    []string
	}{
		"no id":                   {coupon.IssueRequest{Offers: one}, []string{"id"}},
		"a long id":               {coupon.IssueRequest{ID: strings.Repeat("x", 81), Offers: one}, []string{"id"}},
		"a hostile holder":        {coupon.IssueRequest{ID: "i", Holder: "\x00", Offers: one}, []string{"holder"}},
		"a hostile actor":         {coupon.IssueRequest{ID: "i", Actor: "\n", Offers: one}, []string{"actor"}},
		"nothing":                 {coupon.IssueRequest{ID: "i"}, []string{"offers"}},
		"a count below nothing":   {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Count: -1}, {Offer: "a"}}}, []string{"offers[0].count"}},
		"too many":                {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Count: 60}, {Offer: "a", Count: 41}}}, []string{"offers"}},
		"a version below nothing": {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Version: -1}}}, []string{"offers[0].version"}},
		"one code for two":        {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Count: 2, Code: "TWO"}}}, []string{"offers[0].code"}},
		"no code":                 {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Code: "ü"}}}, []string{"offers[0].code"}},
		"a made code's shape":     {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Code: "ABCDEFGHJKMNPQ"}}}, []string{"offers[0].code"}},
		"one code twice":          {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a", Code: "TWO"}, {Offer: "often", Code: "TWO"}, {Offer: "a", Code: "t-wo"}}}, []string{"offers[2].code"}},
		"one code for six": {coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{
			{Offer: "a", Code: "SIX"}, {Offer: "b", Code: "SIX"}, {Offer: "c", Code: "SIX"}, {Offer: "d", Code: "SIX"}, {Offer: "e", Code: "SIX"}, {Offer: "f", Code: "SIX"},
		}}, []string{"offers[5].code"}},
		"too many uses to hold": {coupon.IssueRequest{ID: "i", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "often"}}}, []string{"holder"}},
		"several at once":       {coupon.IssueRequest{Holder: "\x00", Offers: []coupon.IssueOffer{{Offer: "a", Count: 101}}}, []string{"id", "holder", "offers[0].count", "offers"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := dump(t, s.store)
			_, err := s.Issue(ctx, c.request, noon)
			require.ErrorIs(t, err, coupon.ErrRequest)
			assert.Equal(t, c.want, paths(t, err))
			requireSame(t, before, dump(t, s.store))
		})
	}
}

// As much may be asked for as is said to be allowed.
func TestIssueAllows(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"), limited(amountOff("often", "1.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 100}))
	for name, request := range map[string]coupon.IssueRequest{
		"the longest id":            {ID: strings.Repeat("x", 80), Offers: []coupon.IssueOffer{{Offer: "a"}}},
		"the most of one offer":     {ID: "most", Offers: []coupon.IssueOffer{{Offer: "a", Count: coupon.MaxIssue}}},
		"the most of two":           {ID: "two", Offers: []coupon.IssueOffer{{Offer: "a", Count: 60}, {Offer: "often", Count: 40}}},
		"the most uses to hold":     {ID: "held", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "often"}}},
		"a code for one, said so":   {ID: "one", Offers: []coupon.IssueOffer{{Offer: "a", Count: 1, Code: "ONE"}}},
		"more uses than to be held": {ID: "free", Offers: []coupon.IssueOffer{{Offer: "often", Code: "OFTEN"}}},
	} {
		_, err := s.Issue(ctx, request, noon)
		require.NoError(t, err, name)
	}
}

// TestOneCodeForSeveralOffers: a code stands for a coupon of each offer it was chosen for,
// and what applies of them applies.
func TestOneCodeForSeveralOffers(t *testing.T) {
	ten, free, two := percentOff("ten", "10"), coupon.Offer{ID: "free", Name: "free", Benefit: coupon.ShippingOff{Rate: whole}}, amountOff("two", "2.00")
	for _, o := range []*coupon.Offer{&ten, &free, &two} {
		o.Combine.Freely = true
	}
	two.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("100.00")}}
	key := []byte("a key of 32 bytes, for the codes")
	for name, options := range map[string]coupon.Options{"kept as they are": {}, "kept under a key": {CodeKey: key}} {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, memory.New(), options, ten, free, two)
			request := coupon.IssueRequest{ID: "save", Offers: []coupon.IssueOffer{
				{Offer: "ten", Code: "SAVE"}, {Offer: "free", Code: "s-ave"}, {Offer: "two", Code: "SAVE"}, {Offer: "two", Code: "OTHER"},
			}}
			made, err := s.Issue(ctx, request, noon)
			require.NoError(t, err)
			before := dump(t, s.store)
			again, err := s.Issue(ctx, request, noon.Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, made, again)
			requireSame(t, before, dump(t, s.store))
			for i, code := range []coupon.Code{"SAVE", "SAVE", "SAVE", "OTHER"} {
				require.Equal(t, code, made[i].Code)
			}

			cart := cartOf(item("40.00", 1))
			cart.Shipping = []coupon.Shipping{{ID: "post", Price: eur("4.90")}}
			quote := s.quote(cart, coupon.Choose("save", "SAVE"), noon)
			require.Equal(t, "8.90 EUR", quote.Discount.String())
			require.Len(t, quote.Refused(), 1)
			require.Equal(t, coupon.ReasonMinimumSpend, quote.Refused()[0].Reason)
			require.Equal(t, "two", quote.Refused()[0].Offer)
			redeemed, err := s.Redeem(ctx, "1", quote, noon)
			require.NoError(t, err)
			require.Len(t, redeemed.Applied, 2)
			refunded, err := s.Refund(ctx, "1", coupon.RefundRequest{ID: "r", Everything: true}, noon)
			require.NoError(t, err)
			require.Equal(t, "36.00 EUR", refunded.Amount.String())

			quote = s.quote(cart, coupon.Choose("other"), noon)
			require.Len(t, quote.Refused(), 1)
			require.Equal(t, "save/4", quote.Refused()[0].Coupon)

			require.NoError(t, ignore(s.Revoke(ctx, made[0].ID, "staff", "asked for", noon)))
			quote = s.quote(cart, coupon.Choose("save"), noon)
			require.Equal(t, "4.90 EUR", quote.Discount.String(), "the others are still there")
			_, err = s.Issue(ctx, coupon.IssueRequest{ID: "late", Offers: []coupon.IssueOffer{{Offer: "two", Code: "SAVE"}}}, noon)
			require.ErrorIs(t, err, coupon.ErrCodeTaken)
		})
	}
}

func TestIssuingAgain(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"), amountOff("b", "2.00"))
	request := coupon.IssueRequest{ID: "welcome/jane", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "a"}, {Offer: "b", Count: 2}}}
	first, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	require.Len(t, first, 3)
	assert.Equal(t, []string{"welcome/jane/1", "welcome/jane/2", "welcome/jane/3"}, []string{first[0].ID, first[1].ID, first[2].ID})
	assert.Equal(t, []string{"a", "b", "b"}, []string{first[0].Offer, first[1].Offer, first[2].Offer})
	before := dump(t, s.store)
	require.NoError(t, s.Pause(ctx, "a", "staff", "asked for", noon)) // what was issued before is answered all the same
	request.Offers = []coupon.IssueOffer{{Offer: "a", Count: 1}, {Offer: "b", Count: 2}}
	again, err := s.Issue(ctx, request, noon.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	require.NoError(t, s.Resume(ctx, "a", "staff", "asked for", noon))
	assert.Equal(t, strings.Count(before, "\n")+2, strings.Count(dump(t, s.store), "\n"), "two entries of the pause, and nothing else")

	request.Offers[1].Count = 1
	_, err = s.Issue(ctx, request, noon)
	require.ErrorIs(t, err, coupon.ErrKeyReused)
}

// A coupon ends with its offer or its life, whichever is first.
func TestLifeFromIssue(t *testing.T) {
	for name, c := range map[string]struct {
		life, until, want time.Duration
	}{
		"neither":              {0, 0, 0},
		"the offer's end":      {0, 48 * time.Hour, 48 * time.Hour},
		"its life":             {24 * time.Hour, 0, 24 * time.Hour},
		"its life is shorter":  {24 * time.Hour, 48 * time.Hour, 24 * time.Hour},
		"the offer ends first": {72 * time.Hour, 48 * time.Hour, 48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, changed(amountOff("a", "1.00"), func(o *coupon.Offer) {
				o.Schedule.Life = c.life
				if c.until > 0 {
					o.Schedule.Until = noon.Add(c.until)
				}
			}))
			held := s.held("a", "jane", 1)[0]
			cart, choice := cartOf(item("10.00", 1)), coupon.ChooseCoupons(held.ID)
			if c.want == 0 {
				assert.True(t, held.Expires.IsZero())
				s.applies(cart, choice, noon.Add(100_000*time.Hour))
				return
			}
			assert.Equal(t, noon.Add(c.want), held.Expires)
			s.applies(cart, choice, held.Expires.Add(-1))
			refused := s.refuses(cart, choice, held.Expires)
			assert.Equal(t, coupon.ReasonExpired, refused.Reason)
			assert.True(t, held.Expires.Equal(refused.At))
		})
	}
}

// Coupons stay with the version they were issued under, which may be an older one.
func TestCouponsKeepTheirVersion(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	old := s.held("a", "jane", 1)[0]
	_, err := s.Publish(ctx, amountOff("a", "2.00"), "staff", noon)
	require.NoError(t, err)
	made, err := s.Issue(ctx, coupon.IssueRequest{ID: "i", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "a"}, {Offer: "a", Version: 1}}}, noon)
	require.NoError(t, err)
	for c, off := range map[*coupon.Coupon]string{&old: "1.00", &made[0]: "2.00", &made[1]: "1.00"} {
		q := s.applies(cartOf(item("10.00", 1)), coupon.ChooseCoupons(c.ID), noon)
		assert.Equal(t, eur(off), q.Discount)
		assert.Equal(t, c.Version, q.Applied()[0].Version)
	}
}

func TestWallet(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"),
		changed(amountOff("soon", "1.00"), func(o *coupon.Offer) { o.Schedule.Life = time.Hour }),
		changed(amountOff("later", "1.00"), func(o *coupon.Offer) { o.Schedule.Life = 2 * time.Hour }))
	s.held("a", "jane", 2)
	s.held("later", "jane", 1)
	s.held("soon", "jane", 1)
	s.held("a", "jim", 1)
	s.public("a", "PUBLIC")
	ids := func(q coupon.WalletQuery, now time.Time) []string {
		var all []string
		for {
			page, err := s.Wallet(ctx, "jane", q, now)
			require.NoError(t, err)
			for _, c := range page.Coupons {
				all = append(all, c.ID)
			}
			if q.After = page.Next; page.Next == "" {
				return all
			}
		}
	}
	for _, limit := range []int{0, 1, 3} {
		assert.Equal(t, []string{"held-soon-jane/1", "held-later-jane/1", "held-a-jane/1", "held-a-jane/2"}, ids(coupon.WalletQuery{Limit: limit}, noon))
	}
	assert.Empty(t, ids(coupon.WalletQuery{Past: true}, noon))
	assert.Equal(t, []string{"held-later-jane/1", "held-a-jane/1", "held-a-jane/2"}, ids(coupon.WalletQuery{}, noon.Add(time.Hour)))

	s.redeem("order", cartOf(item("10.00", 1)), coupon.ChooseCoupons("held-a-jane/1"), noon.Add(time.Minute))
	require.NoError(t, ignore(s.Revoke(ctx, "held-later-jane/1", "staff", "asked for", noon.Add(2*time.Minute))))
	q := s.applies(cartOf(item("10.00", 1)), coupon.ChooseCoupons("held-a-jane/2"), noon)
	require.NoError(t, ignore(s.Reserve(ctx, "waiting", q, noon)))
	assert.Equal(t, []string{"held-soon-jane/1", "held-a-jane/2"}, ids(coupon.WalletQuery{}, noon), "what is only reserved may come back")
	assert.Equal(t, []string{"held-later-jane/1", "held-a-jane/1"}, ids(coupon.WalletQuery{Past: true, Limit: 1}, noon))

	require.NoError(t, ignore(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	assert.Equal(t, []string{"held-soon-jane/1", "held-a-jane/1", "held-a-jane/2"}, ids(coupon.WalletQuery{}, noon), "a coupon that was given back is there again")

	_, err := s.Wallet(ctx, "jane", coupon.WalletQuery{Limit: 1001}, noon)
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = s.Wallet(ctx, "jane", coupon.WalletQuery{After: "nowhere"}, noon)
	require.ErrorIs(t, err, storage.ErrInvalid)
}

func TestRevoke(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	held := s.held("a", "jane", 1)[0]
	cart := cartOf(item("10.00", 1))
	q := s.applies(cart, coupon.ChooseCoupons(held.ID), noon)
	require.NoError(t, ignore(s.Reserve(ctx, "order", q, noon)))
	revoked, err := s.Revoke(ctx, held.ID, "staff", "stolen", noon)
	require.NoError(t, err)
	assert.Equal(t, &coupon.Revocation{Actor: "staff", Reason: "stolen", At: noon}, revoked.Revoked)
	assert.Equal(t, []coupon.Use{{Order: "order", Until: noon.Add(30 * time.Minute)}}, revoked.Used)

	refused := s.refuses(cart, coupon.ChooseCoupons(held.ID), noon)
	assert.Equal(t, coupon.ReasonRevoked, refused.Reason)
	assert.Equal(t, `Your coupon "a" was taken back.`, refused.Shopper())
	r, err := s.Confirm(ctx, "order", noon)
	require.NoError(t, err, "an order that has it keeps it")
	assert.Equal(t, coupon.StateConfirmed, r.State)
}

func TestPauseAndResume(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	s.public("a", "CODE")
	cart := cartOf(item("10.00", 1))
	reserved := s.applies(cart, coupon.Choose("CODE"), noon)
	require.NoError(t, ignore(s.Reserve(ctx, "order", reserved, noon)))
	before := s.applies(cart, coupon.Choose("CODE"), noon)
	require.NoError(t, s.Pause(ctx, "a", "staff", "too many", noon))

	assert.Equal(t, coupon.ReasonPaused, s.refuses(cart, coupon.Choose("CODE"), noon).Reason)
	_, err := s.Redeem(ctx, "another", before, noon)
	var changed *coupon.QuoteChanged
	require.ErrorAs(t, err, &changed)
	assert.Equal(t, []ledger.Money{eur("9.00"), eur("10.00")}, []ledger.Money{changed.Quoted.Total, changed.Now.Total})
	assert.Contains(t, err.Error(), "the offer is paused")
	_, err = s.Confirm(ctx, "order", noon)
	require.NoError(t, err, "an order that reserved before goes on")

	require.NoError(t, s.Resume(ctx, "a", "staff", "asked for", noon))
	s.redeem("another", cart, coupon.Choose("CODE"), noon)
}

// Another process may quote a paused offer for as long as Fresh says; none redeems
// it.
func TestFresh(t *testing.T) {
	store := memory.New()
	here := newShopOn(t, store, coupon.Options{}, amountOff("a", "1.00"))
	here.public("a", "CODE")
	cart := cartOf(item("10.00", 1))
	for name, c := range map[string]struct {
		fresh time.Duration
		after time.Duration
		stale bool
	}{
		"within a second":        {0, time.Second - 1, true},
		"after a second":         {0, time.Second, false},
		"always read":            {-1, 0, false},
		"a clock gone backwards": {0, -time.Minute, false},
		"an hour":                {time.Hour, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := &shop{coupon.New(store, coupon.Options{Fresh: c.fresh}), t, store, noon}
			elsewhere.applies(cart, coupon.Choose("CODE"), noon)
			require.NoError(t, here.Pause(ctx, "a", "staff", "asked for", noon))
			q := elsewhere.quote(cart, coupon.Choose("CODE"), noon.Add(c.after))
			assert.Equal(t, c.stale, len(q.Refused()) == 0)
			if c.stale {
				_, err := elsewhere.Redeem(ctx, "order "+name, q, noon.Add(c.after))
				require.ErrorIs(t, err, coupon.ErrQuoteChanged)
			}
			require.NoError(t, here.Resume(ctx, "a", "staff", "asked for", noon))
		})
	}
}

func TestExcludingAgain(t *testing.T) {
	s := newShop(t)
	x := coupon.Exclusion{ID: "x", Seller: "zeta", Labels: []string{"referral"}, Interval: coupon.Interval{From: noon, Until: noon.Add(time.Hour).In(time.FixedZone("X", 3600))}}
	require.NoError(t, s.Exclude(ctx, x, "zeta", noon))
	before := dump(t, s.store)
	require.NoError(t, s.Exclude(ctx, x, "zeta", noon.Add(time.Minute)))
	require.NoError(t, s.Include(ctx, "zeta", "none", "zeta", noon))
	require.NoError(t, s.Include(ctx, "nobody", "x", "zeta", noon))
	requireSame(t, before, dump(t, s.store))

	x.Labels = nil
	require.NoError(t, s.Exclude(ctx, x, "zeta", noon))
	require.NoError(t, s.Include(ctx, "zeta", "x", "zeta", noon))
	require.NoError(t, s.Include(ctx, "zeta", "x", "zeta", noon))
	require.Equal(t, 3, strings.Count(dump(t, s.store), "cluded/zeta/"))

	for i := range 100 {
		x.ID = fmt.Sprint(i)
		require.NoError(t, s.Exclude(ctx, x, "zeta", noon))
	}
	x.ID = "one more"
	require.ErrorIs(t, s.Exclude(ctx, x, "zeta", noon), coupon.ErrExclusion)
	x.ID = "0"
	require.NoError(t, s.Exclude(ctx, x, "zeta", noon))
}

func TestExclusionFaults(t *testing.T) {
	x := coupon.Exclusion{
		Seller: "\x00", Products: []string{""}, Offers: []string{"Not"}, Labels: []string{"a/b"},
		Interval: coupon.Interval{From: noon, Until: noon},
	}
	err := x.Validate()
	require.ErrorIs(t, err, coupon.ErrExclusion)
	assert.Equal(t, []string{"id", "seller", "products[0]", "offers[0]", "labels[0]", "until"}, paths(t, err))
	require.ErrorIs(t, (&coupon.Exclusion{ID: "x", Seller: "z", Products: make([]string, 10_001)}).Validate(), coupon.ErrExclusion)
	require.NoError(t, (&coupon.Exclusion{ID: "x", Seller: "z", Products: many("tea", 10_000)}).Validate())
}

// Without randomness no code is made, and nothing is issued.
func TestNoRandomness(t *testing.T) {
	s := newShopOn(t, memory.New(), coupon.Options{Random: strings.NewReader("")}, amountOff("a", "1.00"))
	_, err := s.Issue(ctx, coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "a"}}}, noon)
	require.Error(t, err)
	require.False(t, errors.Is(err, coupon.ErrRefused))
	assert.NotContains(t, dump(t, s.store), "issue/")
}

func TestWalletRefuses(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	wallet := func(customer string, q coupon.WalletQuery, now time.Time) error {
		_, err := s.Wallet(ctx, customer, q, now)
		return err
	}
	require.Equal(t, []string{"customer", "now"}, paths(t, wallet("", coupon.WalletQuery{}, time.Time{})))
	require.Equal(t, []string{"customer"}, paths(t, wallet("jane\u202e", coupon.WalletQuery{}, noon)))
	require.ErrorIs(t, wallet("jane", coupon.WalletQuery{Limit: 1001}, noon), storage.ErrInvalid)
	require.ErrorIs(t, wallet("jane", coupon.WalletQuery{Limit: -1}, noon), storage.ErrInvalid)
	require.ErrorIs(t, wallet("jane", coupon.WalletQuery{After: "nowhere"}, noon), storage.ErrInvalid)
	require.NoError(t, wallet("jane", coupon.WalletQuery{Limit: 1000}, noon))
}

// A coupon can't be used before it is issued, by clocks that differ by more than they may.
func TestCouponsOfTomorrow(t *testing.T) {
	s := newShop(t, amountOff("a", "1.00"))
	s.issued = noon.Add(24 * time.Hour)
	s.public("a", "CODE")
	held := s.held("a", "jane", 1)
	cart := cartOf(item("5.00", 1))
	for _, choice := range []coupon.Choice{coupon.Choose("CODE"), coupon.ChooseCoupons(held[0].ID)} {
		r := s.refuses(cart, choice, noon)
		require.Equal(t, coupon.ReasonNotYet, r.Reason)
		require.Equal(t, s.issued, r.At)
		require.Equal(t, eur("1.00"), s.applies(cart, choice, s.issued.Add(-5*time.Minute)).Discount)
	}
}

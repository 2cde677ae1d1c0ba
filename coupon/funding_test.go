package coupon_test

import (
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

func funded(o coupon.Offer, shares ...coupon.Share) coupon.Offer {
	o.Funding = shares
	return o
}

func share(payer, percent string) coupon.Share {
	return coupon.Share{Payer: payer, Rate: ledger.MustRate(percent)}
}

func soldBy(l coupon.Line, seller string) coupon.Line {
	l.Seller = seller
	return l
}

// paid is what an account has paid for offers, in minor units.
func paid(t require.TestingT, store storage.Store, account ledger.Account) int64 {
	balance, err := ledger.New(store, ledger.Options{}).Balance(ctx, account, euro)
	require.NoError(t, err)
	return -balance.Minor()
}

func TestFunding(t *testing.T) {
	two := func() coupon.Cart {
		return cartOf(soldBy(item("10.00", 2), "acme"), soldBy(item("10.01", 1), "zeta"), soldBy(item("5.00", 1), ""))
	}
	for name, c := range map[string]struct {
		offer coupon.Offer
		want  map[ledger.Account]int64
	}{
		"the platform by default":        {percentOff("a", "10"), map[ledger.Account]int64{"promotions/platform": 350}},
		"each seller its own":            {funded(percentOff("a", "10"), share(coupon.Seller, "100")), map[ledger.Account]int64{"promotions/seller/acme": 200, "promotions/seller/zeta": 100, "promotions/platform": 50}},
		"half and half, by line":         {funded(percentOff("a", "10"), share(coupon.Platform, "50"), share(coupon.Seller, "50")), map[ledger.Account]int64{"promotions/seller/acme": 100, "promotions/seller/zeta": 50, "promotions/platform": 200}},
		"three, to the last coin":        {funded(amountOff("a", "0.01"), share("brand", "33.333333"), share(coupon.Seller, "33.333333"), share(coupon.Platform, "33.333334")), map[ledger.Account]int64{"promotions/platform": 1, "promotions/brand": 0}},
		"a brand of any name":            {funded(percentOff("a", "10"), share("Brand & Söhne", "100")), map[ledger.Account]int64{"promotions/Brand & Söhne": 350}},
		"a brand that no account can be": {funded(percentOff("a", "10"), share("a//b", "100")), map[ledger.Account]int64{ledger.Account(strings.Replace(string(coupon.SellerAccount("a//b")), "seller/", "", 1)): 350}},
		"the seller of a delivery":       {funded(giving("a", coupon.ShippingOff{Rate: whole}), share(coupon.Seller, "60"), share("brand", "40")), map[ledger.Account]int64{"promotions/seller/zeta": 174, "promotions/brand": 116}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, automatic(c.offer))
			cart := two()
			cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "zeta", Price: eur("2.90")}}
			r := s.redeem("1", cart, coupon.Choice{}, noon)
			sum := int64(0)
			for account, want := range c.want {
				assert.Equal(t, want, paid(t, s.store, account), account)
				sum += want
			}
			assert.Equal(t, r.Discount.Minor(), sum)
			for i := range 2 { // a unit of acme's, then all the rest
				request := coupon.RefundRequest{ID: fmt.Sprint(i), Lines: units("1", 1)}
				if i == 1 {
					request = coupon.RefundRequest{ID: "rest", Everything: true}
				}
				require.NoError(t, ignore(s.Refund(ctx, "1", request, noon)))
			}
			for account := range c.want {
				assert.Zero(t, paid(t, s.store, account), account)
			}
		})
	}
}

// Sellers with ids that no account can hold, or that look like another's, pay each
// their own.
// Who pays for a line is known from the quote on.
func TestFundingOfLines(t *testing.T) {
	shares := funded(freely(percentOff("a", "10")), share(coupon.Platform, "50"), share(coupon.Seller, "50"))
	cart := cartOf(soldBy(item("10.10", 1), "acme"), soldBy(item("20.00", 2), ""))
	cart.Shipping = []coupon.Shipping{{ID: "parcel", Seller: "zeta", Price: eur("2.90")}}
	q := decide(t, cart, shares, funded(freely(giving("b", coupon.ShippingOff{Rate: whole})), share("brand", "10"), share(coupon.Seller, "90")))
	assert.Equal(t, []coupon.Funding{{Applied: 0, Payer: "platform", Amount: eur("0.51")}, {Applied: 0, Payer: "seller/acme", Amount: eur("0.50")}}, q.LineFunding(0))
	assert.Equal(t, []coupon.Funding{{Applied: 0, Payer: "platform", Amount: eur("4.00")}}, q.LineFunding(1))
	assert.Equal(t, []coupon.Funding{{Applied: 1, Payer: "brand", Amount: eur("0.29")}, {Applied: 1, Payer: "seller/zeta", Amount: eur("2.61")}}, q.DeliveryFunding(0))
	for _, none := range [][]coupon.Funding{q.LineFunding(-1), q.LineFunding(2), q.DeliveryFunding(-1), q.DeliveryFunding(1)} {
		assert.Empty(t, none)
	}
	before := q.LineFunding(0)
	q.Lines()[0].Parts[0].Off[0].Applied = 7
	assert.Equal(t, before, q.LineFunding(0), "what a quote gives is the caller's own")
}

// What an offer takes off a line is one amount, however many pay for it.
func TestRedemptionsSumPayers(t *testing.T) {
	s := newShop(t, automatic(funded(percentOff("a", "10"), share(coupon.Platform, "50"), share("brand", "30"), share(coupon.Seller, "20"))))
	r := s.redeem("1", cartOf(item("10.00", 3)), coupon.Choice{}, noon)
	assert.Equal(t, []coupon.Off{{Applied: 0, Amount: eur("3.00")}}, r.Lines[0].Off)
	require.Len(t, r.Lines[0].Parts, 1)
	assert.Equal(t, r.Lines[0].Off, r.Lines[0].Parts[0].Off)
}

// A line's payers are named in the order of offers, whichever units these took.
func TestFundingOfUnits(t *testing.T) {
	for _, pick := range []coupon.Pick{coupon.Cheapest, coupon.Dearest, coupon.CartOrder} {
		one := first(freely(giving("a", coupon.PercentOff{Rate: half, Units: someUnits(1, pick)})))
		q := decide(t, cartOf(total(3, "10.00")), one, freely(percentOff("b", "10")))
		funding := q.LineFunding(0)
		require.Len(t, funding, 2)
		assert.Equal(t, []int{0, 1}, []int{funding[0].Applied, funding[1].Applied})
	}
}

func TestFundingByHostileSellers(t *testing.T) {
	s := newShop(t, automatic(funded(percentOff("a", "10"), share(coupon.Seller, "100"))))
	sellers := []string{"a//b", "a/b", "/", " ", "  ", "x ", "x", strings.Repeat("s", 100), strings.Repeat("s", 99), strings.Repeat("ü", 50), "platform", "seller", "Acme", "acme", "#part2", "~"}
	hash := strings.TrimPrefix(string(coupon.SellerAccount("a//b")), "promotions/seller/")
	sellers = append(sellers, hash, "~"+hash)
	var all []coupon.Line
	for i, seller := range sellers {
		all = append(all, soldBy(item(fmt.Sprint(10*(i+1)), 1), seller))
	}
	s.redeem("1", cartOf(all...), coupon.Choice{}, noon)
	accounts := make(map[ledger.Account]bool)
	for i, seller := range sellers {
		account := coupon.SellerAccount(seller)
		accounts[account] = true
		assert.Equal(t, int64(100*(i+1)), paid(t, s.store, account), "%q", seller)
	}
	assert.Len(t, accounts, len(sellers))
	require.NoError(t, ignore(s.Refund(ctx, "1", coupon.RefundRequest{ID: "r", Everything: true}, noon)))
	for account := range accounts {
		assert.Zero(t, paid(t, s.store, account))
	}
}

// A seller's id of 80 bytes is an account as it is, a longer one is hashed.
func TestSellerAccounts(t *testing.T) {
	id := strings.Repeat("s", 80)
	assert.Equal(t, ledger.Account("promotions/seller/"+id), coupon.SellerAccount(id))
	assert.Regexp(t, "^promotions/seller/~[0-9a-f]{32}$", coupon.SellerAccount(id+"s"))
}

func TestFundingFaults(t *testing.T) {
	for name, c := range map[string]struct {
		shares []coupon.Share
		want   []string
	}{
		"less than all":       {[]coupon.Share{share("a", "99.999999")}, []string{"funding"}},
		"more than all":       {[]coupon.Share{share("a", "60"), share("b", "60")}, []string{"funding"}},
		"nobody":              {[]coupon.Share{share("", "100")}, []string{"funding[0].payer"}},
		"nothing":             {[]coupon.Share{share("a", "100"), share("b", "0")}, []string{"funding[1].percent"}},
		"the same twice":      {[]coupon.Share{share("a", "50"), share("a", "50")}, []string{"funding[1].payer"}},
		"a hostile payer":     {[]coupon.Share{share("\x00", "100")}, []string{"funding[0].payer"}},
		"more than ten":       {append(manyShares(10), share("x", "0.5")), []string{"funding"}},
		"above all by itself": {[]coupon.Share{share("a", "101")}, []string{"funding[0].percent", "funding"}},
	} {
		t.Run(name, func(t *testing.T) {
			offer := funded(amountOff("a", "1.00"), c.shares...)
			err := offer.Validate()
			require.ErrorIs(t, err, coupon.ErrOffer)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
}

// manyShares are n equal ones, but for the last half percent.
func manyShares(n int) []coupon.Share {
	var all []coupon.Share
	for i := range n - 1 {
		all = append(all, share(fmt.Sprint("brand ", i), "10"))
	}
	return append(all, share("last", "9.5"))
}

// minimum is an offer that asks for a minimum spend and says what becomes of it
// below.
func minimum(o coupon.Offer, amount string, below coupon.Below) coupon.Offer {
	o.Below = below
	return asking(o, spend(amount))
}

func TestBelowTheMinimum(t *testing.T) {
	twenty := func(below coupon.Below) coupon.Offer { return minimum(percentOff("a", "20"), "200.00", below) }
	after := func(below coupon.Below) coupon.Offer {
		return changed(asking(amountOff("a", "10.00"), coupon.All{coupon.MinimumSpend{Amounts: euros("100.00"), After: true}}), func(o *coupon.Offer) { o.Below = below })
	}
	shipping := func(below coupon.Below) coupon.Offer {
		return minimum(giving("a", coupon.ShippingOff{Rate: whole}), "200.00", below)
	}
	cart := func() coupon.Cart {
		c := cartOf(item("150.00", 1), product("cup", "60.00", 1))
		c.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("5.00")}}
		return c
	}
	of := func(below coupon.Below, amount string, m coupon.MinimumSpend) []coupon.Offer { // 20 % off all but cups
		m.Amounts = euros(amount)
		return offers(changed(asking(percentOff("a", "20"), m), func(o *coupon.Offer) { o.Scope.Out, o.Below = products("cup"), below }))
	}
	cartWide, cups := coupon.MinimumSpend{Cart: true}, coupon.MinimumSpend{Of: products("cup"), After: true}
	rest := coupon.RefundRequest{ID: "rest", Everything: true}
	line := func(id string) coupon.RefundRequest {
		return coupon.RefundRequest{ID: "line " + id, Lines: units(id, 1)}
	}
	for name, c := range map[string]struct {
		offers   []coupon.Offer
		requests []coupon.RefundRequest
		want     []string // what each gives back; empty: it is refused
	}{
		"keep":                                  {offers(twenty(coupon.KeepDiscount)), []coupon.RefundRequest{line("1"), rest}, []string{"120.00", "53.00"}},
		"claw back":                             {offers(twenty(coupon.ClawBack)), []coupon.RefundRequest{line("1"), rest}, []string{"108.00", "65.00"}},
		"claw back more than comes back":        {offers(minimum(amountOff("a", "100.00"), "200.00", coupon.ClawBack)), []coupon.RefundRequest{line("2"), rest}, []string{"0.00", "115.00"}},
		"block":                                 {offers(twenty(coupon.BlockReturn)), []coupon.RefundRequest{line("1"), line("2"), rest}, []string{"", "", "173.00"}},
		"enough is kept":                        {offers(minimum(percentOff("a", "20"), "60.00", coupon.BlockReturn)), []coupon.RefundRequest{line("1"), line("2")}, []string{"120.00", "48.00"}},
		"claw back after earlier offers":        {offers(first(freely(percentOff("b", "50"))), freely(after(coupon.ClawBack))), []coupon.RefundRequest{line("2"), rest}, []string{"20.00", "80.00"}},
		"block after earlier offers":            {offers(first(freely(percentOff("b", "50"))), freely(after(coupon.BlockReturn))), []coupon.RefundRequest{line("2"), rest}, []string{"", "100.00"}},
		"free shipping is clawed back":          {offers(shipping(coupon.ClawBack)), []coupon.RefundRequest{line("2"), line("1"), {ID: "parcel", Shipping: []string{"parcel"}}}, []string{"55.00", "150.00", "5.00"}},
		"also when all goods come back":         {offers(shipping(coupon.ClawBack)), []coupon.RefundRequest{{ID: "goods", Lines: append(units("1", 1), units("2", 1)...)}}, []string{"205.00"}},
		"a cancelled order gives all":           {offers(shipping(coupon.ClawBack)), []coupon.RefundRequest{rest}, []string{"210.00"}},
		"what does not count may go":            {offers(changed(minimum(percentOff("a", "20"), "150.00", coupon.BlockReturn), func(o *coupon.Offer) { o.Scope.Out.Products = []string{"cup"} })), []coupon.RefundRequest{line("2"), line("1")}, []string{"60.00", "120.00"}},
		"claw back by the whole cart":           {of(coupon.ClawBack, "200.00", cartWide), []coupon.RefundRequest{line("2"), rest}, []string{"30.00", "155.00"}},
		"enough of the whole cart stays":        {of(coupon.ClawBack, "60.00", cartWide), []coupon.RefundRequest{line("2"), rest}, []string{"60.00", "125.00"}},
		"what it takes off itself is no matter": {offers(changed(asking(amountOff("a", "10.00"), coupon.MinimumSpend{Amounts: euros("150.00"), After: true}), func(o *coupon.Offer) { o.Below = coupon.ClawBack })), []coupon.RefundRequest{line("2"), rest}, []string{"57.14", "147.86"}},
		"block by the whole cart":               {of(coupon.BlockReturn, "200.00", cartWide), []coupon.RefundRequest{line("2"), rest}, []string{"", "185.00"}},
		"block by other goods":                  {of(coupon.BlockReturn, "60.00", cups), []coupon.RefundRequest{line("2"), line("1"), line("2")}, []string{"", "120.00", "60.00"}},
		"two offers, each by its minimum":       {offers(freely(minimum(percentOff("a", "10"), "100.00", coupon.ClawBack)), freely(minimum(amountOff("b", "21.00"), "200.00", coupon.ClawBack))), []coupon.RefundRequest{line("2"), rest}, []string{"33.00", "140.00"}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []coupon.Offer
			for _, o := range c.offers {
				all = append(all, automatic(funded(limited(o, coupon.Limit{Money: euros("500.00")}), share(coupon.Seller, "50"), share("brand", "50"))))
			}
			s := newShop(t, all...)
			cart := cart()
			if strings.Contains(name, "earlier offers") {
				cart.Lines[0].UnitPrice, cart.Shipping = eur("160.00"), nil
			}
			r := s.redeem("order", cart, coupon.Choice{}, noon)
			back := int64(0)
			for i, request := range c.requests {
				before := dump(t, s.store)
				refund, err := s.Refund(ctx, "order", request, noon)
				if c.want[i] == "" {
					require.ErrorIs(t, err, coupon.ErrRequest)
					require.Equal(t, []string{"lines"}, paths(t, err))
					requireSame(t, before, dump(t, s.store))
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, eur(c.want[i]), refund.Amount, "refund %d", i)
				back += refund.Amount.Minor()
				s.audit()
			}
			assert.LessOrEqual(t, back, r.Total.Minor())
		})
	}
}

// A claw back that is cut at what comes back gives every payer its share of it, and none
// the whole.
func TestClawBackIsSharedByPayers(t *testing.T) {
	s := newShop(t, automatic(funded(minimum(amountOff("a", "100.00"), "200.00", coupon.ClawBack), share(coupon.Platform, "50"), share("brand", "50"))))
	s.redeem("order", cartOf(item("100.00", 1), product("mug", "50.00", 1), product("cup", "60.00", 1)), coupon.Choice{}, noon)
	refund, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "cup", Lines: units("3", 1)}, noon)
	require.NoError(t, err)
	require.Equal(t, []ledger.Money{eur("0.00"), eur("31.43"), eur("60.00")}, []ledger.Money{refund.Amount, refund.ClawedBack, refund.Discount})
	require.Equal(t, []int64{2000, 2000}, []int64{paid(t, s.store, coupon.PlatformAccount), paid(t, s.store, "promotions/brand")})
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	require.Equal(t, []ledger.Money{eur("73.34"), eur("36.66")}, []ledger.Money{r.Lines[0].Total, r.Lines[1].Total}, "each line has its share of it too")
	s.audit()

	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{})
		cart := drawCart(t)
		q, err := s.Quote(ctx, cart, coupon.Choice{}, noon)
		require.NoError(t, err)
		offer := giving("a", coupon.PercentOff{Rate: ledger.MustRate(oneOf(t, "percent", "30", "60", "90"))})
		offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, max(1, q.Subtotal.Minor()))}}}
		offer.Below, offer.ShopPromotions = coupon.ClawBack, coupon.AllowPromoted
		require.NoError(t, ignore(s.Publish(ctx, automatic(funded(offer, share(coupon.Platform, "50"), share("brand", "50"))), "staff", noon)))
		q, err = s.Quote(ctx, cart, coupon.Choice{}, noon.Add(time.Minute))
		require.NoError(t, err)
		r, err := s.Redeem(ctx, "order", q, noon.Add(time.Minute))
		for n := range rapid.IntRange(1, 4).Draw(t, "refunds") {
			require.NoError(t, err)
			request := drawReturn(t, fmt.Sprint(n), s)
			if len(request.Lines)+len(request.Shipping) == 0 {
				continue
			}
			require.NoError(t, ignore(s.Refund(ctx, "order", request, noon)))
			r, err = s.Redemption(ctx, "order")
			coins := int64(4 * len(r.Shipping)) // which do not divide
			for _, l := range r.Lines {
				coins += int64(4*len(l.Parts)) + l.Quantity // a unit's last one has one payer
			}
			require.InDelta(t, paid(t, store, coupon.PlatformAccount), paid(t, store, "promotions/brand"), float64(coins))
			requireAudit(t, store)
		}
	})
}

// Whatever comes back in whatever grouping, under whatever policy: no refund gives
// back more than was paid, all of them give back all, and every payer has back
// what it paid.
func TestReturnsOfAnyGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{})
		blocks := false
		for i := range rapid.IntRange(1, 4).Draw(t, "offers") {
			offer := automatic(drawAnyOffer(t, string(rune('a'+i))))
			offer.Schedule, offer.Conditions, offer.Combine = coupon.Schedule{}, nil, coupon.Combine{Freely: true}
			if rapid.IntRange(0, 2).Draw(t, "minimum") > 0 {
				offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{drawMoney(t, "minimum spend", 1, 4000)}, After: rapid.Bool().Draw(t, "after")}}
			}
			blocks = blocks || offer.Below == coupon.BlockReturn
			_, err := s.Publish(ctx, offer, "staff", noon)
			require.NoError(t, err)
		}
		cart := drawCart(t)
		cart.Attributes = map[string]string{"phone": "1"}
		q, err := s.Quote(ctx, cart, coupon.Choice{Best: rapid.Bool().Draw(t, "best")}, noon)
		require.NoError(t, err)
		checkSums(t, q)
		r, err := s.Redeem(ctx, "order", q, noon)
		require.NoError(t, err)
		requireAudit(t, store)

		var amount, discount int64
		for n := range rapid.IntRange(0, 5).Draw(t, "refunds") {
			request := drawReturn(t, fmt.Sprint(n), s)
			if len(request.Lines)+len(request.Shipping) == 0 {
				continue
			}
			refund, err := s.Refund(ctx, "order", request, noon)
			if err != nil {
				require.True(t, blocks)
				require.ErrorIs(t, err, coupon.ErrRequest)
				continue
			}
			require.GreaterOrEqual(t, refund.Amount.Minor(), int64(0))
			amount, discount = amount+refund.Amount.Minor(), discount+refund.Discount.Minor()
			require.LessOrEqual(t, amount, r.Total.Minor())
			requireAudit(t, store)
		}
		rest, err := s.Refund(ctx, "order", coupon.RefundRequest{ID: "rest", Everything: true}, noon)
		if err != nil {
			require.ErrorIs(t, err, coupon.ErrState)
		} else {
			amount, discount = amount+rest.Amount.Minor(), discount+rest.Discount.Minor()
		}
		require.Equal(t, []int64{r.Total.Minor(), r.Discount.Minor()}, []int64{amount, discount})
		for _, account := range []ledger.Account{"promotions/platform", coupon.SellerAccount("acme"), coupon.SellerAccount("zeta"), "promotions/Brand & Söhne"} {
			require.Zero(t, paid(t, store, account), account)
		}
		requireAudit(t, store)
	})
}

// drawReturn draws some of what is kept, or nothing.
func drawReturn(t *rapid.T, id string, s *coupon.Service) coupon.RefundRequest {
	r, err := s.Redemption(ctx, "order")
	require.NoError(t, err)
	request := coupon.RefundRequest{ID: id}
	for _, l := range r.Lines {
		if n := rapid.Int64Range(0, l.Quantity-l.Returned).Draw(t, "units"); n > 0 {
			request.Lines = append(request.Lines, coupon.Returned{Line: l.ID, Units: n})
		}
	}
	for _, d := range r.Shipping {
		if !d.Returned && rapid.IntRange(0, 3).Draw(t, "shipping") == 0 {
			request.Shipping = append(request.Shipping, d.ID)
		}
	}
	return request
}

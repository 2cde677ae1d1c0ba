package coupon_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func candidates(t testing.TB, offers ...coupon.Offer) []coupon.Candidate {
	t.Helper()
	var all []coupon.Candidate
	for _, o := range offers {
		v, err := coupon.NewVersion(o)
		require.NoError(t, err)
		all = append(all, coupon.Candidate{Version: v})
	}
	return all
}

// decide prices a cart with offers that need no coupon.
func decide(t testing.TB, cart coupon.Cart, offers ...coupon.Offer) *coupon.Quote {
	t.Helper()
	q, err := coupon.Decide(cart, candidates(t, offers...), coupon.Facts{}, noon)
	require.NoError(t, err)
	return q
}

// refusedAs decides an offer that does not apply, and gives why.
func refusedAs(t testing.TB, cart coupon.Cart, offer coupon.Offer) *coupon.Refusal {
	t.Helper()
	q := decide(t, cart, offer)
	require.Len(t, q.Refused(), 1)
	require.Empty(t, q.Applied())
	require.Equal(t, q.Subtotal, q.Total)
	return q.Refused()[0]
}

// off is what comes off each line, in minor units.
func off(q *coupon.Quote) []int64 {
	all := make([]int64, len(q.Lines()))
	for i, l := range q.Lines() {
		all[i] = l.Price.Minor() - l.Total.Minor()
	}
	return all
}

func with(l coupon.Line, change func(*coupon.Line)) coupon.Line {
	change(&l)
	return l
}

func changed(o coupon.Offer, change func(*coupon.Offer)) coupon.Offer {
	change(&o)
	return o
}

func floor(price string, quantity int64, floor string) coupon.Line {
	return with(item(price, quantity), func(l *coupon.Line) { l.Floor = eur(floor) })
}

func total(quantity int64, total string) coupon.Line {
	return coupon.Line{Product: "nail", Quantity: quantity, Total: eur(total)}
}

func TestAmounts(t *testing.T) {
	maximum := changed(percentOff("max", "50"), func(o *coupon.Offer) {
		o.Benefit = coupon.PercentOff{Rate: ledger.MustRate("50"), Max: euros("5.00")}
	})
	rounded := func(r ledger.Rounding) coupon.Offer {
		return changed(percentOff("round", "50"), func(o *coupon.Offer) { o.Rounding = r })
	}
	for name, c := range map[string]struct {
		lines  []coupon.Line
		offers []coupon.Offer
		want   []int64
	}{
		"a percentage":                            {lines(item("10.00", 2), item("5.00", 1)), offers(percentOff("p", "10")), []int64{200, 50}},
		"a percentage is rounded once":            {lines(item("0.05", 1), item("0.05", 1), item("0.05", 1)), offers(percentOff("p", "10")), []int64{1, 1, 0}},
		"half up":                                 {lines(item("0.05", 1)), offers(rounded(ledger.HalfUp)), []int64{3}},
		"half down":                               {lines(item("0.05", 1)), offers(rounded(ledger.HalfDown)), []int64{2}},
		"half even":                               {lines(item("0.05", 1)), offers(rounded(ledger.HalfEven)), []int64{2}},
		"up":                                      {lines(item("0.05", 1)), offers(rounded(ledger.Up)), []int64{3}},
		"down":                                    {lines(item("0.05", 1)), offers(rounded(ledger.Down)), []int64{2}},
		"below the maximum":                       {lines(item("8.00", 1)), offers(maximum), []int64{400}},
		"at the maximum":                          {lines(item("10.00", 1)), offers(maximum), []int64{500}},
		"above the maximum":                       {lines(item("30.00", 1), item("10.00", 1)), offers(maximum), []int64{375, 125}},
		"everything":                              {lines(item("10.00", 3), item("0.01", 1)), offers(percentOff("p", "100")), []int64{3000, 1}},
		"an amount":                               {lines(item("10.00", 2), item("5.00", 1)), offers(amountOff("a", "5.00")), []int64{400, 100}},
		"an amount above what the lines cost":     {lines(item("1.00", 2), item("0.50", 1)), offers(amountOff("a", "5.00")), []int64{200, 50}},
		"ten lines of 1.00 with 0.15 off":         {many(item("1.00", 1), 10), offers(amountOff("a", "0.15")), []int64{2, 2, 2, 2, 2, 1, 1, 1, 1, 1}},
		"a free line stays free":                  {lines(item("22.00", 1), item("14.00", 1), item("43.00", 1), item("7.50", 1), item("0.00", 1)), offers(amountOff("a", "15.00")), []int64{381, 243, 746, 130, 0}},
		"a floor, spread over the rest":           {lines(floor("10.00", 1, "9.00"), item("10.00", 1), item("10.00", 1)), offers(amountOff("a", "9.00")), []int64{100, 400, 400}},
		"floors cut the amount":                   {lines(floor("10.00", 2, "9.00"), floor("5.00", 1, "5.00")), offers(percentOff("p", "50")), []int64{200, 0}},
		"a floor above the price raises nothing":  {lines(floor("10.00", 1, "12.00"), item("10.00", 1)), offers(amountOff("a", "5.00")), []int64{0, 500}},
		"units cheaper than a cent":               {lines(total(1000, "1.25"), item("1.00", 1)), offers(percentOff("p", "10")), []int64{13, 10}},
		"a total of nothing":                      {lines(total(3, "0.00"), item("1.00", 1)), offers(percentOff("p", "10")), []int64{0, 10}},
		"the total counts, not the unit price":    {lines(with(item("9.00", 3), func(l *coupon.Line) { l.Total = eur("10.00") })), offers(percentOff("p", "10")), []int64{100}},
		"percentages work on what is left":        {lines(item("100.00", 1)), offers(freely(percentOff("a", "10")), freely(percentOff("b", "10"))), []int64{1900}},
		"a percentage of lines before an amount":  {lines(item("100.00", 1)), offers(freely(amountOff("a", "50.00")), freely(percentOff("b", "10"))), []int64{6000}},
		"whatever their priority":                 {lines(item("100.00", 1)), offers(changed(freely(amountOff("a", "50.00")), func(o *coupon.Offer) { o.Priority = 1 }), freely(percentOff("b", "10"))), []int64{6000}},
		"the higher priority is worked out first": {lines(item("100.00", 1)), offers(freely(each("a", "50.00")), changed(freely(percentOff("b", "10")), func(o *coupon.Offer) { o.Priority = 1 })), []int64{6000}},
		"of equal priority the smaller id":        {lines(item("100.00", 1)), offers(freely(each("a", "50.00")), freely(percentOff("b", "10"))), []int64{5500}},
		"offers for different lines": {lines(item("10.00", 1), with(item("10.00", 1), func(l *coupon.Line) { l.Product = "cup" })), offers(
			changed(freely(percentOff("a", "10")), func(o *coupon.Offer) { o.Scope.In.Products = []string{"tea"} }),
			changed(freely(percentOff("b", "20")), func(o *coupon.Offer) { o.Scope.Out.Products = []string{"tea"} })), []int64{100, 200}},
		"the largest cart": {lines(with(item("1.00", 1), func(l *coupon.Line) { l.Total = ledger.Minor(coupon.MaxTotal-1, euro) })), offers(percentOff("p", "50")), []int64{coupon.MaxTotal / 2}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(c.lines...), c.offers...)
			require.Empty(t, q.Refused())
			require.Equal(t, c.want, off(q))
			checkSums(t, q)
		})
	}
}

func lines(all ...coupon.Line) []coupon.Line    { return all }
func offers(all ...coupon.Offer) []coupon.Offer { return all }

// require is what checkSums asks of a test or of a property.
type checker interface {
	require.TestingT
	Helper()
}

// checkSums requires that a quote's figures add up at every level: units to lines,
// lines and deliveries to offers, offers to the quote; and that nothing lies below
// zero or a floor.
func checkSums(t checker, q *coupon.Quote) {
	t.Helper()
	var subtotal, left int64
	byOffer := make([]int64, len(q.Applied()))
	for i, l := range q.Lines() {
		require.Equal(t, q.Cart.Lines[i].ID, l.ID)
		subtotal += l.Price.Minor()
		left += l.Total.Minor()
		lineOff := int64(0)
		for _, o := range l.Off {
			require.Positive(t, o.Amount.Minor())
			byOffer[o.Applied] += o.Amount.Minor()
			lineOff += o.Amount.Minor()
		}
		require.Equal(t, l.Price.Minor()-lineOff, l.Total.Minor())
		checkUnits(t, &l, q.Cart.Lines[i].Floor.Minor())
	}
	shipping := int64(0)
	for i, d := range q.Deliveries() {
		require.Equal(t, q.Cart.Shipping[i].ID, d.ID)
		rest := d.Price.Minor()
		for _, o := range d.Off {
			require.Positive(t, o.Amount.Minor())
			byOffer[o.Applied] += o.Amount.Minor()
			rest -= o.Amount.Minor()
		}
		require.Equal(t, rest, d.Total.Minor())
		require.GreaterOrEqual(t, rest, int64(0))
		shipping += rest
	}
	gifts := make(map[int]bool)
	for _, g := range q.Gifts() {
		gifts[g.Applied] = true
	}
	var discount int64
	for i, a := range q.Applied() {
		require.Equal(t, gifts[i], a.Amount.Minor() == 0, "only a gift takes nothing off")
		require.Equal(t, a.Amount.Minor(), byOffer[i])
		discount += a.Amount.Minor()
	}
	require.Equal(t, subtotal, q.Subtotal.Minor())
	require.Equal(t, discount, q.Discount.Minor())
	require.Equal(t, left+shipping, q.Total.Minor())
}

func checkUnits(t checker, l *coupon.QuoteLine, floor int64) {
	t.Helper()
	var units, parts int64
	for _, p := range l.Parts {
		units += p.Units
		parts += p.Total.Minor()
	}
	require.Equal(t, []int64{l.Quantity, l.Total.Minor()}, []int64{units, parts})
	if l.Quantity > 1000 {
		return
	}
	var price, left int64
	byOffer := make(map[int]int64)
	for unit := range l.Quantity {
		unitPrice, unitTotal, unitOff := l.Unit(unit)
		rest := unitPrice.Minor()
		for _, o := range unitOff {
			require.GreaterOrEqual(t, o.Amount.Minor(), int64(0))
			byOffer[o.Applied] += o.Amount.Minor()
			rest -= o.Amount.Minor()
		}
		require.Equal(t, rest, unitTotal.Minor())
		require.GreaterOrEqual(t, rest, min(unitPrice.Minor(), floor))
		price += unitPrice.Minor()
		left += unitTotal.Minor()
	}
	require.Equal(t, l.Price.Minor(), price)
	require.Equal(t, l.Total.Minor(), left)
	for _, o := range l.Off {
		require.Equal(t, o.Amount.Minor(), byOffer[o.Applied])
		delete(byOffer, o.Applied)
	}
	require.Empty(t, byOffer)
}

func TestUnitOutOfRange(t *testing.T) {
	line := decide(t, cartOf(item("1.00", 2))).Lines()[0]
	assert.Panics(t, func() { line.Unit(2) })
	assert.Panics(t, func() { line.Unit(-1) })
}

func TestCurrencies(t *testing.T) {
	dollars := coupon.Cart{Currency: usd, Lines: []coupon.Line{{ID: "1", Product: "tea", Quantity: 1, UnitPrice: ledger.MustMoney("100.00", usd)}}}
	both := coupon.Amounts{eur("5.00"), ledger.MustMoney("6.00", usd)}
	for name, c := range map[string]struct {
		offer coupon.Offer
		want  int64 // 0: refused for the currency
	}{
		"a percentage needs none":  {percentOff("a", "10"), 1000},
		"an amount in euros":       {amountOff("a", "5.00"), 0},
		"an amount in both":        {coupon.Offer{ID: "a", Name: "a", Benefit: coupon.AmountOff{Amounts: both}}, 600},
		"a maximum in euros":       {coupon.Offer{ID: "a", Name: "a", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10"), Max: euros("5.00")}}, 0},
		"a maximum in both":        {coupon.Offer{ID: "a", Name: "a", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10"), Max: both}}, 600},
		"a minimum spend in euros": {changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("1.00")}} }), 0},
		"a minimum spend in both":  {changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: both}} }), 1000},
		"a minimum of as much or more": {changed(percentOff("a", "10"), func(o *coupon.Offer) {
			o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.MustMoney("100.00", usd)}}}
		}), 1000},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == 0 {
				r := refusedAs(t, dollars, c.offer)
				assert.Equal(t, coupon.ReasonCurrency, r.Reason)
				assert.Equal(t, usd, r.Currency)
				return
			}
			q := decide(t, dollars, c.offer)
			require.Empty(t, q.Refused())
			assert.Equal(t, ledger.Minor(c.want, usd), q.Discount)
		})
	}
}

func TestScope(t *testing.T) {
	line := func(product, category, seller, tag string, onSale bool) coupon.Line {
		return coupon.Line{
			Product: product, Categories: []string{category, "all"}, Seller: seller, Tags: []string{tag},
			OnSale: onSale, Quantity: 1, UnitPrice: eur("10.00"),
		}
	}
	cart := cartOf(line("tea", "drinks", "acme", "green", false), line("cup", "crockery", "zeta", "green", true), line("mug", "crockery", "acme", "blue", false))
	bare := with(item("10.00", 1), func(l *coupon.Line) { l.Product, l.Seller = "bare", "" })
	cart.Lines = append(cart.Lines, with(bare, func(l *coupon.Line) { l.ID = "4" }))
	in := func(l coupon.Lists) coupon.Scope { return coupon.Scope{In: l} }
	out := func(l coupon.Lists) coupon.Scope { return coupon.Scope{Out: l} }
	for name, c := range map[string]struct {
		scope coupon.Scope
		want  []bool
	}{
		"all":                     {coupon.Scope{}, []bool{true, true, true, true}},
		"a product":               {in(coupon.Lists{Products: []string{"tea", "none"}}), []bool{true, false, false, false}},
		"a category":              {in(coupon.Lists{Categories: []string{"crockery"}}), []bool{false, true, true, false}},
		"a seller":                {in(coupon.Lists{Sellers: []string{"acme"}}), []bool{true, false, true, false}},
		"a tag":                   {in(coupon.Lists{Tags: []string{"green"}}), []bool{true, true, false, false}},
		"of each list":            {in(coupon.Lists{Categories: []string{"all"}, Sellers: []string{"acme"}, Tags: []string{"blue"}}), []bool{false, false, true, false}},
		"not a product":           {out(coupon.Lists{Products: []string{"tea"}}), []bool{false, true, true, true}},
		"not a category":          {out(coupon.Lists{Categories: []string{"crockery"}}), []bool{true, false, false, true}},
		"not a seller":            {out(coupon.Lists{Sellers: []string{"acme"}}), []bool{false, true, false, true}},
		"not a tag":               {out(coupon.Lists{Tags: []string{"green"}}), []bool{false, false, true, true}},
		"out beats in":            {coupon.Scope{In: coupon.Lists{Sellers: []string{"acme"}}, Out: coupon.Lists{Tags: []string{"blue"}}}, []bool{true, false, false, false}},
		"not what is on sale":     {coupon.Scope{SaleItems: coupon.SaleItemsOut}, []bool{true, false, true, true}},
		"only what is on sale":    {coupon.Scope{SaleItems: coupon.SaleItemsOnly}, []bool{false, true, false, false}},
		"letter case counts":      {in(coupon.Lists{Products: []string{"Tea"}}), []bool{false, false, false, false}},
		"no line of several kept": {in(coupon.Lists{Products: []string{"tea"}, Sellers: []string{"zeta"}}), []bool{false, false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cart, changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Scope = c.scope }))
			some := false
			for i, counts := range c.want {
				some = some || counts
				assert.Equal(t, counts, q.Lines()[i].Total != q.Lines()[i].Price, "line %d", i)
			}
			if !some {
				require.Equal(t, coupon.ReasonNoLines, q.Refused()[0].Reason)
				return
			}
			for i := range c.want {
				assert.Empty(t, q.Lines()[i].LeftOut, "that the scope does not count line %d is no news", i)
			}
		})
	}
}

func TestExclusions(t *testing.T) {
	offer := changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Labels = []string{"referral", "spring"} })
	zeta := with(item("10.00", 1), func(l *coupon.Line) { l.Seller, l.Product = "zeta", "cup" })
	for name, c := range map[string]struct {
		exclusion coupon.Exclusion
		excluded  bool
	}{
		"of everything":             {coupon.Exclusion{}, true},
		"of the offer":              {coupon.Exclusion{Offers: []string{"b", "a"}}, true},
		"of another offer":          {coupon.Exclusion{Offers: []string{"b"}}, false},
		"of a label":                {coupon.Exclusion{Labels: []string{"spring"}}, true},
		"of another label":          {coupon.Exclusion{Labels: []string{"summer"}}, false},
		"of another, and its label": {coupon.Exclusion{Offers: []string{"b"}, Labels: []string{"referral"}}, true},
		"of the product":            {coupon.Exclusion{Products: []string{"mug", "cup"}}, true},
		"of another product":        {coupon.Exclusion{Products: []string{"mug"}}, false},
		"from now":                  {coupon.Exclusion{Interval: coupon.Interval{From: noon}}, true},
		"from later":                {coupon.Exclusion{Interval: coupon.Interval{From: noon.Add(1)}}, false},
		"until now":                 {coupon.Exclusion{Interval: coupon.Interval{Until: noon}}, false},
		"until later":               {coupon.Exclusion{Interval: coupon.Interval{Until: noon.Add(1)}}, true},
		"by another seller":         {coupon.Exclusion{Seller: "omega"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.exclusion.Seller == "" {
				c.exclusion.Seller = "zeta"
			}
			facts := coupon.Facts{Exclusions: []coupon.Exclusion{c.exclusion}}
			q, err := coupon.Decide(cartOf(item("10.00", 1), zeta), candidates(t, offer), facts, noon)
			require.NoError(t, err)
			require.Empty(t, q.Refused())
			alone, err := coupon.Decide(cartOf(zeta), candidates(t, offer), facts, noon)
			require.NoError(t, err)
			if !c.excluded {
				assert.Equal(t, []int64{100, 100}, off(q))
				assert.Empty(t, alone.Refused())
				return
			}
			assert.Equal(t, []int64{100, 0}, off(q))
			assert.Equal(t, []coupon.LeftOut{{"a", "a", coupon.ReasonSeller}}, q.Lines()[1].LeftOut)
			require.Len(t, alone.Refused(), 1)
			assert.Equal(t, coupon.ReasonSeller, alone.Refused()[0].Reason)
			assert.Equal(t, []string{"zeta"}, alone.Refused()[0].Sellers)
		})
	}
}

func TestShopPromotions(t *testing.T) {
	promoted := with(item("10.00", 1), func(l *coupon.Line) { l.Promotions = []string{"3 for 2"} })
	cart, cartWide := cartOf(promoted, item("10.00", 1)), cartOf(item("10.00", 1), item("10.00", 1))
	cartWide.Promotions = []string{"free parcel"}
	for name, c := range map[string]struct {
		cart   coupon.Cart
		how    coupon.ShopPromotions
		want   []int64
		reason coupon.Reason
	}{
		"a promoted line refuses the cart":       {cart, coupon.RefuseCart, []int64{0, 0}, coupon.ReasonShopPromotion},
		"a promoted line is skipped":             {cart, coupon.SkipPromoted, []int64{0, 100}, ""},
		"a promoted line is allowed":             {cart, coupon.AllowPromoted, []int64{100, 100}, ""},
		"a promotion of the cart refuses it":     {cartWide, coupon.RefuseCart, []int64{0, 0}, coupon.ReasonShopPromotion},
		"a promotion of the cart skips it whole": {cartWide, coupon.SkipPromoted, []int64{0, 0}, coupon.ReasonShopPromotion},
		"a promotion of the cart is allowed":     {cartWide, coupon.AllowPromoted, []int64{100, 100}, ""},
		"no promotion":                           {cartOf(item("10.00", 1)), coupon.RefuseCart, []int64{100}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, c.cart, changed(percentOff("a", "10"), func(o *coupon.Offer) { o.ShopPromotions = c.how }))
			assert.Equal(t, c.want, off(q))
			if c.reason == "" {
				require.Empty(t, q.Refused())
				return
			}
			require.Equal(t, c.reason, q.Refused()[0].Reason)
			assert.NotEmpty(t, q.Refused()[0].Promotions)
		})
	}
	t.Run("by an offer of one product alone", func(t *testing.T) {
		q := decide(t, cart, changed(percentOff("a", "10"), func(o *coupon.Offer) {
			o.ShopPromotions, o.Scope.In.Products = coupon.SkipPromoted, []string{"tea"}
		}))
		assert.Equal(t, []int64{0, 100}, off(q))
	})
	t.Run("also one on a line that does not count", func(t *testing.T) {
		offer := changed(percentOff("a", "10"), func(o *coupon.Offer) { o.Scope.In.Products = []string{"cup"} })
		r := refusedAs(t, cartOf(promoted, with(item("1.00", 1), func(l *coupon.Line) { l.Product = "cup" })), offer)
		assert.Equal(t, coupon.ReasonShopPromotion, r.Reason)
		assert.Equal(t, []string{"3 for 2"}, r.Promotions)
	})
}

func TestMinimumSpend(t *testing.T) {
	offer := changed(percentOff("a", "10"), func(o *coupon.Offer) {
		o.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("20.00")}}
		o.Scope.Out.Products = []string{"cup"}
	})
	cup := with(item("50.00", 1), func(l *coupon.Line) { l.Product = "cup" })
	t.Run("exactly enough is enough", func(t *testing.T) {
		require.Empty(t, decide(t, cartOf(item("10.00", 2)), offer).Refused())
	})
	t.Run("a cent too little", func(t *testing.T) {
		r := refusedAs(t, cartOf(item("10.00", 1), item("9.99", 1)), offer)
		assert.Equal(t, coupon.ReasonMinimumSpend, r.Reason)
		assert.Equal(t, []ledger.Money{eur("19.99"), eur("20.00"), eur("0.01")}, []ledger.Money{r.Found, r.Needed, r.Missing})
	})
	t.Run("only lines that count", func(t *testing.T) {
		cart := cartOf(item("10.00", 1), cup)
		cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("30.00")}}
		q := decide(t, cart, offer)
		require.Len(t, q.Refused(), 1)
		assert.Equal(t, eur("10.00"), q.Refused()[0].Missing)
		assert.Equal(t, q.Refused()[0], q.Missing())
	})
	t.Run("prices before other offers", func(t *testing.T) {
		first := changed(freely(percentOff("first", "50")), func(o *coupon.Offer) { o.Priority = 9 })
		q := decide(t, cartOf(item("10.00", 2)), freely(offer), first)
		require.Empty(t, q.Refused())
		assert.Equal(t, eur("11.00"), q.Discount)
	})
	t.Run("the nearest of several is what is missing", func(t *testing.T) {
		far := changed(offer, func(o *coupon.Offer) {
			o.ID, o.Conditions = "far", []coupon.Condition{coupon.MinimumSpend{Amounts: euros("90.00")}}
		})
		q := decide(t, cartOf(item("10.00", 1)), far, offer)
		require.Len(t, q.Refused(), 2)
		assert.Equal(t, "a", q.Missing().Offer)
		assert.Equal(t, "a", decide(t, cartOf(item("10.00", 1)), changed(offer, func(o *coupon.Offer) { o.ID = "as.near" }), offer).Missing().Offer, "of equals the smaller id")
		assert.Nil(t, decide(t, cartOf(item("10.00", 2)), offer).Missing())
	})
}

func TestSegments(t *testing.T) {
	offer := changed(percentOff("a", "10"), func(o *coupon.Offer) {
		o.Conditions = []coupon.Condition{coupon.InSegment{Any: []string{"gold", "silver"}}}
	})
	cart := cartOf(item("10.00", 1))
	assert.Equal(t, coupon.ReasonSegment, refusedAs(t, cart, offer).Reason)
	cart.Customer.Segments = []string{"Gold", "bronze"}
	assert.Equal(t, coupon.ReasonSegment, refusedAs(t, cart, offer).Reason)
	cart.Customer.Segments = []string{"bronze", "silver"}
	assert.Empty(t, decide(t, cart, offer).Refused())
}

func TestSchedule(t *testing.T) {
	offer := changed(percentOff("a", "10"), func(o *coupon.Offer) {
		o.Schedule = coupon.Schedule{
			Interval:  coupon.Interval{From: noon, Until: noon.Add(24 * time.Hour)},
			Blackouts: []coupon.Blackout{{"the sales", coupon.Interval{From: noon.Add(2 * time.Hour), Until: noon.Add(3 * time.Hour)}}},
			Zone:      "America/New_York",
		}
	})
	for name, c := range map[string]struct {
		after  time.Duration
		reason coupon.Reason
		at     time.Duration
	}{
		"before":                  {-1, coupon.ReasonNotYet, 0},
		"the first instant":       {0, "", 0},
		"before the blackout":     {2*time.Hour - 1, "", 0},
		"the blackout begins":     {2 * time.Hour, coupon.ReasonBlackout, 3 * time.Hour},
		"the blackout's last":     {3*time.Hour - 1, coupon.ReasonBlackout, 3 * time.Hour},
		"the blackout is over":    {3 * time.Hour, "", 0},
		"the last instant":        {24*time.Hour - 1, "", 0},
		"the first instant after": {24 * time.Hour, coupon.ReasonExpired, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := coupon.Decide(cartOf(item("10.00", 1)), candidates(t, offer), coupon.Facts{}, noon.Add(c.after))
			require.NoError(t, err)
			if c.reason == "" {
				require.Empty(t, q.Refused())
				return
			}
			require.Len(t, q.Refused(), 1)
			assert.Equal(t, c.reason, q.Refused()[0].Reason)
			assert.True(t, q.Refused()[0].At.Equal(noon.Add(c.at)), q.Refused()[0].At)
			assert.Equal(t, "America/New_York", q.Refused()[0].At.Location().String())
		})
	}
}

func TestLimits(t *testing.T) {
	offer := limited(percentOff("a", "10"), coupon.Limit{Uses: 3, Period: ledger.Month}, coupon.Limit{Uses: 100},
		coupon.Limit{Per: coupon.PerCustomer, Uses: 2}, coupon.Limit{Per: coupon.PerCustomer, Uses: 1, Period: ledger.Day})
	for name, c := range map[string]struct {
		used   map[string]int64
		per    coupon.LimitPer
		period ledger.Period
		found  int64
		needed int64
	}{
		"none used":             {nil, 0, "", 0, 0},
		"one left of each":      {map[string]int64{"uses/a/2026-11": 2, "uses/a": 99, "uses/a/customer/jane": 1}, 0, "", 0, 0},
		"the month's":           {map[string]int64{"uses/a/2026-11": 3, "uses/a": 3}, coupon.PerOffer, ledger.Month, 3, 3},
		"last month's is over":  {map[string]int64{"uses/a/2026-10": 3, "uses/a": 3}, 0, "", 0, 0},
		"all of the offer's":    {map[string]int64{"uses/a": 100}, coupon.PerOffer, ledger.Lifetime, 100, 100},
		"more than the limit":   {map[string]int64{"uses/a": 120}, coupon.PerOffer, ledger.Lifetime, 120, 100},
		"the customer's":        {map[string]int64{"uses/a/customer/jane": 2}, coupon.PerCustomer, ledger.Lifetime, 2, 2},
		"the customer's day":    {map[string]int64{"uses/a/2026-11-20/customer/jane": 1}, coupon.PerCustomer, ledger.Day, 1, 1},
		"another customer's":    {map[string]int64{"uses/a/customer/jim": 2}, 0, "", 0, 0},
		"another offer's":       {map[string]int64{"uses/b": 100}, 0, "", 0, 0},
		"a longer id's counter": {map[string]int64{"uses/aa": 100}, 0, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := coupon.Decide(cartOf(item("10.00", 1)), candidates(t, offer), coupon.Facts{Used: c.used}, noon)
			require.NoError(t, err)
			if c.needed == 0 {
				require.Empty(t, q.Refused())
				return
			}
			require.Len(t, q.Refused(), 1)
			r := q.Refused()[0]
			assert.Equal(t, coupon.ReasonLimit, r.Reason)
			assert.Equal(t, []any{c.per, c.period, c.found, c.needed}, []any{r.Limit, r.Period, r.FoundUses, r.NeededUses})
		})
	}
	t.Run("a guest can't be told apart", func(t *testing.T) {
		cart := cartOf(item("10.00", 1))
		cart.Customer = coupon.Customer{}
		assert.Equal(t, coupon.ReasonCustomer, refusedAs(t, cart, offer).Reason)
		require.Empty(t, decide(t, cart, limited(offer, coupon.Limit{Uses: 1})).Refused())
	})
	t.Run("periods are those of the zone", func(t *testing.T) {
		tokyo := changed(limited(offer, coupon.Limit{Uses: 1, Period: ledger.Day}), func(o *coupon.Offer) { o.Schedule.Zone = "Asia/Tokyo" })
		facts := coupon.Facts{Used: map[string]int64{"uses/a/2026-11-21": 1}}
		q, err := coupon.Decide(cartOf(item("10.00", 1)), candidates(t, tokyo), facts, noon.Add(3*time.Hour))
		require.NoError(t, err)
		require.Len(t, q.Refused(), 1)
		q, err = coupon.Decide(cartOf(item("10.00", 1)), candidates(t, tokyo), facts, noon.Add(3*time.Hour-1))
		require.NoError(t, err)
		require.Empty(t, q.Refused())
	})
}

// A limit is named rightly whatever the ids of coupons and customers look like.
func TestLimitsOfHostileIDs(t *testing.T) {
	v := candidates(t, limited(percentOff("a", "10"), coupon.Limit{Per: coupon.PerCoupon, Uses: 5}, coupon.Limit{Per: coupon.PerCustomer, Uses: 7}))[0]
	v.Coupon = &coupon.Coupon{ID: "welcome/customer/jane/1"}
	cart := cartOf(item("10.00", 1))
	cart.Customer.Key = "x/coupon/2026-11"
	for counter, per := range map[string]coupon.LimitPer{
		"uses/a/coupon/welcome/customer/jane/1": coupon.PerCoupon, "uses/a/customer/x/coupon/2026-11": coupon.PerCustomer,
	} {
		q, err := coupon.Decide(cart, []coupon.Candidate{v}, coupon.Facts{Used: map[string]int64{counter: 7}}, noon)
		require.NoError(t, err)
		require.Len(t, q.Refused(), 1)
		assert.Equal(t, per, q.Refused()[0].Limit)
		assert.Equal(t, ledger.Lifetime, q.Refused()[0].Period)
	}
}

func TestCombining(t *testing.T) {
	label := func(o coupon.Offer, label string, with ...string) coupon.Offer {
		o.Labels, o.Combine.With = []string{label}, with
		return o
	}
	first := func(o coupon.Offer) coupon.Offer { o.Priority = 5; return o }
	for name, c := range map[string]struct {
		offers  []coupon.Offer
		applied []string
		rival   string
	}{
		"alone by default: the larger":          {offers(amountOff("a", "1.00"), amountOff("b", "2.00")), []string{"b"}, "b"},
		"of equals the first by id":             {offers(amountOff("b", "1.00"), amountOff("a", "1.00")), []string{"a"}, "a"},
		"priority before size":                  {offers(first(amountOff("a", "1.00")), amountOff("b", "2.00")), []string{"a"}, "a"},
		"both freely":                           {offers(freely(amountOff("a", "1.00")), freely(amountOff("b", "2.00"))), []string{"a", "b"}, ""},
		"one freely, one alone":                 {offers(freely(amountOff("a", "1.00")), amountOff("b", "2.00")), []string{"b"}, "b"},
		"labels both consent to":                {offers(label(amountOff("a", "1.00"), "x", "y"), label(amountOff("b", "2.00"), "y", "x")), []string{"a", "b"}, ""},
		"one does not consent":                  {offers(label(amountOff("a", "1.00"), "x", "y"), label(amountOff("b", "2.00"), "y", "z")), []string{"b"}, "b"},
		"a label and freely":                    {offers(label(amountOff("a", "1.00"), "x", "y"), changed(label(amountOff("b", "2.00"), "y"), func(o *coupon.Offer) { o.Combine = coupon.Combine{Freely: true} })), []string{"a", "b"}, ""},
		"exclusive, with lower priority, loses": {offers(amountOff("alone", "9.00"), first(freely(amountOff("b", "1.00"))), first(freely(amountOff("c", "1.00")))), []string{"b", "c"}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			q := decide(t, cartOf(item("100.00", 1)), c.offers...)
			var applied []string
			for _, a := range q.Applied() {
				applied = append(applied, a.Offer)
			}
			assert.Equal(t, c.applied, applied)
			assert.Len(t, q.Refused(), len(c.offers)-len(c.applied))
			for _, r := range q.Refused() {
				assert.Equal(t, coupon.ReasonCombination, r.Reason)
				assert.Equal(t, c.rival, r.Rival)
				assert.Equal(t, q.Applied()[0].Amount, r.RivalOff)
			}
		})
	}
}

// What the staff read of the winner is what it took off, not what it would have
// taken off alone.
func TestTheRivalsAmountIsTheAppliedOne(t *testing.T) {
	a := changed(freely(percentOff("a", "60")), func(o *coupon.Offer) { o.Priority = 2 })
	b := changed(freely(percentOff("b", "50")), func(o *coupon.Offer) { o.Priority, o.Combine = 1, coupon.Combine{With: []string{"x"}} })
	a.Labels = []string{"x"}
	c := changed(amountOff("c", "1.00"), func(o *coupon.Offer) { o.Labels, o.Combine = []string{"y"}, coupon.Combine{With: []string{"x"}} })
	q := decide(t, cartOf(item("100.00", 1)), a, b, c)
	require.Len(t, q.Applied(), 2)
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, "b", q.Refused()[0].Rival)
	assert.Equal(t, eur("20.00"), q.Refused()[0].RivalOff)
	assert.Equal(t, q.Applied()[1].Amount, q.Refused()[0].RivalOff)
}

// An offer for which those before it leave nothing gives its place to the others.
func TestNothingLeftGivesItsPlaceAway(t *testing.T) {
	all := changed(freely(percentOff("all", "100")), func(o *coupon.Offer) { o.Priority = 9 })
	all.Scope.In.Products = []string{"tea"}
	empty := changed(amountOff("empty", "5.00"), func(o *coupon.Offer) {
		o.Priority, o.Labels, o.Combine.With = 5, []string{"e"}, []string{"free"}
		o.Scope.In.Products = []string{"tea"}
	})
	all.Labels = []string{"free"}
	waiting := changed(amountOff("waiting", "1.00"), func(o *coupon.Offer) { o.Combine.With = []string{"free"} })
	q := decide(t, cartOf(item("5.00", 1), with(item("5.00", 1), func(l *coupon.Line) { l.Product = "cup" })), all, empty, waiting)
	require.Len(t, q.Applied(), 2)
	assert.Equal(t, []string{"all", "waiting"}, []string{q.Applied()[0].Offer, q.Applied()[1].Offer})
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, coupon.ReasonNothingOff, q.Refused()[0].Reason)
}

func TestNothingOff(t *testing.T) {
	for name, cart := range map[string]coupon.Cart{
		"free goods":         cartOf(item("0.00", 3)),
		"all at their floor": cartOf(floor("5.00", 2, "5.00")),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, coupon.ReasonNothingOff, refusedAs(t, cart, amountOff("a", "1.00")).Reason)
		})
	}
	assert.Equal(t, coupon.ReasonNothingOff, refusedAs(t, cartOf(item("0.04", 1)), percentOff("a", "10")).Reason)
}

// Several coupons of one offer take from its limit together.
func TestCouponsOfOneOfferShareItsLimits(t *testing.T) {
	v := candidates(t, limited(freely(amountOff("a", "1.00")), coupon.Limit{Uses: 3}))[0].Version
	of := func(id string) coupon.Candidate {
		return coupon.Candidate{Version: v, Coupon: &coupon.Coupon{ID: id, Holder: "jane", Uses: 1, Offer: "a"}}
	}
	q, err := coupon.Decide(cartOf(item("10.00", 1)), []coupon.Candidate{of("1"), of("2"), of("3")}, coupon.Facts{Used: map[string]int64{"uses/a": 1}}, noon)
	require.NoError(t, err)
	assert.Len(t, q.Applied(), 2)
	require.Len(t, q.Refused(), 1)
	assert.Equal(t, []any{coupon.ReasonLimit, "3", int64(3), int64(3)}, []any{q.Refused()[0].Reason, q.Refused()[0].Coupon, q.Refused()[0].FoundUses, q.Refused()[0].NeededUses})
}

// Candidates as no service makes them are refused, not a reason to panic.
func TestDecideTakesAnyCandidate(t *testing.T) {
	v := candidates(t, amountOff("a", "1.00"))[0].Version
	for name, c := range map[string]struct {
		candidate coupon.Candidate
		reason    coupon.Reason
	}{
		"nothing":                  {coupon.Candidate{}, coupon.ReasonUnknown},
		"a coupon without version": {coupon.Candidate{Coupon: &coupon.Coupon{ID: "1"}}, coupon.ReasonUnknown},
		"a coupon without uses":    {coupon.Candidate{Version: v, Coupon: &coupon.Coupon{ID: "1", Holder: "jane"}}, coupon.ReasonUsed},
		"paused":                   {coupon.Candidate{Version: v, Paused: true}, coupon.ReasonPaused},
		"refused before":           {coupon.Candidate{Version: v, Refused: &coupon.Refusal{Reason: coupon.ReasonMistyped}}, coupon.ReasonMistyped},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := coupon.Decide(cartOf(item("10.00", 1)), []coupon.Candidate{c.candidate, c.candidate}, coupon.Facts{}, noon)
			require.NoError(t, err)
			require.Len(t, q.Refused(), 1)
			assert.Equal(t, c.reason, q.Refused()[0].Reason)
			assert.Len(t, q.Notices, 1)
			assert.NotEmpty(t, q.Refused()[0].Error())
			assert.NotEmpty(t, q.Refused()[0].Shopper())
		})
	}
}

func TestHeldCoupons(t *testing.T) {
	v := candidates(t, amountOff("a", "1.00"))[0].Version
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	for name, c := range map[string]struct {
		coupon coupon.Coupon
		reason coupon.Reason
		at     time.Time
	}{
		"unused":                    {coupon.Coupon{}, "", time.Time{}},
		"somebody else's":           {coupon.Coupon{Holder: "jim"}, coupon.ReasonNotHolder, time.Time{}},
		"revoked":                   {coupon.Coupon{Revoked: &coupon.Revocation{At: noon}}, coupon.ReasonRevoked, noon},
		"used":                      {coupon.Coupon{Used: []coupon.Use{{Order: "1"}}}, coupon.ReasonUsed, time.Time{}},
		"used by this order":        {coupon.Coupon{Used: []coupon.Use{{Order: "mine"}}}, "", time.Time{}},
		"reserved":                  {coupon.Coupon{Used: []coupon.Use{{Order: "1", Until: hour(1)}}}, coupon.ReasonReserved, hour(1)},
		"a reservation that lapsed": {coupon.Coupon{Used: []coupon.Use{{Order: "1", Until: noon}}}, "", time.Time{}},
		"the first to lapse":        {coupon.Coupon{Uses: 3, Used: []coupon.Use{{Order: "1", Until: hour(2)}, {Order: "2", Until: hour(1)}, {Order: "3", Until: time.Time{}}}}, coupon.ReasonReserved, hour(1)},
		"a lapsed one and used":     {coupon.Coupon{Uses: 1, Used: []coupon.Use{{Order: "1", Until: time.Time{}}, {Order: "2", Until: hour(-1)}}}, coupon.ReasonUsed, time.Time{}},
		"one of two uses":           {coupon.Coupon{Uses: 2, Used: []coupon.Use{{Order: "1"}}}, "", time.Time{}},
		"expired now":               {coupon.Coupon{Expires: noon}, coupon.ReasonExpired, noon},
		"expires next":              {coupon.Coupon{Expires: noon.Add(1)}, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			held := c.coupon
			held.ID, held.Uses = "1", max(1, held.Uses)
			if held.Holder == "" {
				held.Holder = "jane"
			}
			q, err := coupon.Decide(cartOf(item("10.00", 1)), []coupon.Candidate{{Version: v, Coupon: &held}}, coupon.Facts{Order: "mine"}, noon)
			require.NoError(t, err)
			if c.reason == "" {
				require.Empty(t, q.Refused())
				return
			}
			require.Len(t, q.Refused(), 1)
			assert.Equal(t, c.reason, q.Refused()[0].Reason)
			assert.True(t, c.at.Equal(q.Refused()[0].At), q.Refused()[0].At)
			assert.Equal(t, held.Holder == "jane", q.Refused()[0].Own)
		})
	}
}

// TestQuotesShareNoCandidatesWithTheCaller: the lists of a quote are put together long
// after it was made.
func TestQuotesShareNoCandidatesWithTheCaller(t *testing.T) {
	minimum := percentOff("b", "10")
	minimum.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: euros("500.00")}}
	candidates := []coupon.Candidate{
		{Version: mustVersion(amountOff("a", "1.00")), Coupon: &coupon.Coupon{ID: "one"}, Code: "ONE"},
		{Version: mustVersion(minimum), Coupon: &coupon.Coupon{ID: "two", Holder: "jane", Uses: 1}, Code: "TWO"},
	}
	q, err := coupon.Decide(cartOf(item("20.00", 1)), candidates, coupon.Facts{}, noon)
	require.NoError(t, err)
	before, text := q.Fingerprint(), q.Explain()
	for i := range candidates {
		*candidates[i].Coupon = coupon.Coupon{ID: "another"}
		candidates[i] = coupon.Candidate{Code: "ANOTHER"}
	}
	require.Equal(t, before, q.Fingerprint())
	require.Equal(t, text, q.Explain())
	require.Equal(t, "one", q.Applied()[0].Coupon)
	require.True(t, q.Refused()[0].Own)
}

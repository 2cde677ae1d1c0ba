package coupon_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// paths are where an error finds fault.
func paths(t *testing.T, err error) []string {
	t.Helper()
	var faults *coupon.Faults
	require.ErrorAs(t, err, &faults)
	var all []string
	for _, f := range faults.Faults {
		assert.NotEmpty(t, f.Problem)
		all = append(all, f.Path)
	}
	return all
}

func TestCartFaults(t *testing.T) {
	dollars := ledger.MustMoney("5.00", usd)
	for name, c := range map[string]struct {
		change func(*coupon.Cart)
		want   []string
	}{
		"no currency":                       {func(c *coupon.Cart) { c.Currency = ledger.Currency{} }, []string{"currency"}},
		"no lines":                          {func(c *coupon.Cart) { c.Lines = nil }, []string{"lines"}},
		"a million lines":                   {func(c *coupon.Cart) { c.Lines = make([]coupon.Line, 1_000_000) }, []string{"lines"}},
		"a million deliveries":              {func(c *coupon.Cart) { c.Shipping = make([]coupon.Shipping, 1_000_000) }, []string{"shipping"}},
		"line in another currency":          {func(c *coupon.Cart) { c.Lines[0].UnitPrice = dollars }, []string{"lines[0].unit_price"}},
		"total in another":                  {func(c *coupon.Cart) { c.Lines[0].Total = dollars }, []string{"lines[0].total"}},
		"floor in another":                  {func(c *coupon.Cart) { c.Lines[0].Floor = dollars }, []string{"lines[0].floor"}},
		"shipping in another":               {func(c *coupon.Cart) { c.Shipping[0].Price = dollars }, []string{"shipping[0].price"}},
		"no price":                          {func(c *coupon.Cart) { c.Lines[0].UnitPrice = ledger.Money{} }, []string{"lines[0].unit_price"}},
		"no shipping price":                 {func(c *coupon.Cart) { c.Shipping[0].Price = ledger.Money{} }, []string{"shipping[0].price"}},
		"negative price":                    {func(c *coupon.Cart) { c.Lines[0].UnitPrice = eur("-0.01") }, []string{"lines[0].unit_price"}},
		"negative total":                    {func(c *coupon.Cart) { c.Lines[0].Total = eur("-0.01") }, []string{"lines[0].total"}},
		"negative floor":                    {func(c *coupon.Cart) { c.Lines[0].Floor = eur("-0.01") }, []string{"lines[0].floor"}},
		"negative shipping":                 {func(c *coupon.Cart) { c.Shipping[0].Price = ledger.Minor(math.MinInt64, euro) }, []string{"shipping[0].price"}},
		"quantity 0":                        {func(c *coupon.Cart) { c.Lines[1].Quantity = 0 }, []string{"lines[1].quantity"}},
		"quantity below 0":                  {func(c *coupon.Cart) { c.Lines[1].Quantity = -3 }, []string{"lines[1].quantity"}},
		"quantity above a million":          {func(c *coupon.Cart) { c.Lines[1].Quantity = coupon.MaxQuantity + 1 }, []string{"lines[1].quantity"}},
		"line id twice":                     {func(c *coupon.Cart) { c.Lines[1].ID = "1" }, []string{"lines[1].id"}},
		"shipping id twice":                 {func(c *coupon.Cart) { c.Shipping = append(c.Shipping, c.Shipping[0]) }, []string{"shipping[1].id"}},
		"no line id":                        {func(c *coupon.Cart) { c.Lines[0].ID = "" }, []string{"lines[0].id"}},
		"no product":                        {func(c *coupon.Cart) { c.Lines[0].Product = "" }, []string{"lines[0].product"}},
		"NUL in a product":                  {func(c *coupon.Cart) { c.Lines[0].Product = "te\x00a" }, []string{"lines[0].product"}},
		"product not UTF-8":                 {func(c *coupon.Cart) { c.Lines[0].Product = "\xff" }, []string{"lines[0].product"}},
		"line break in a seller":            {func(c *coupon.Cart) { c.Lines[0].Seller = "acme\n" }, []string{"lines[0].seller"}},
		"a product that looks like another": {func(c *coupon.Cart) { c.Lines[0].Product = "te\u200ba" }, []string{"lines[0].product"}},
		"long seller":                       {func(c *coupon.Cart) { c.Lines[0].Seller = strings.Repeat("s", coupon.MaxKey+1) }, []string{"lines[0].seller"}},
		"empty category":                    {func(c *coupon.Cart) { c.Lines[0].Categories = []string{"food", ""} }, []string{"lines[0].categories[1]"}},
		"hostile tag":                       {func(c *coupon.Cart) { c.Lines[0].Tags = []string{"\x7f"} }, []string{"lines[0].tags[0]"}},
		"too many tags":                     {func(c *coupon.Cart) { c.Lines[0].Tags = make([]string, 1001) }, []string{"lines[0].tags"}},
		"too many good tags":                {func(c *coupon.Cart) { c.Lines[0].Tags = many("green", 1001) }, []string{"lines[0].tags"}},
		"a delivery's seller":               {func(c *coupon.Cart) { c.Shipping[0].Seller = "\x00" }, []string{"shipping[0].seller"}},
		"a free delivery's id":              {func(c *coupon.Cart) { c.Shipping[0] = coupon.Shipping{Price: eur("0.00")} }, []string{"shipping[0].id"}},
		"nameless attribute":                {func(c *coupon.Cart) { c.Attributes = map[string]string{"": "x"} }, []string{"attributes"}},
		"an attribute's long name":          {func(c *coupon.Cart) { c.Attributes = map[string]string{strings.Repeat("x", coupon.MaxKey+1): "x"} }, []string{"attributes"}},
		"a sum beyond int64": {func(c *coupon.Cart) {
			all := many(coupon.Line{Product: "tea", Quantity: 1, Total: ledger.Minor(coupon.MaxTotal-1, euro)}, coupon.MaxLines)
			*c = cartOf(all...)
			for i := range coupon.MaxLines {
				c.Shipping = append(c.Shipping, coupon.Shipping{ID: fmt.Sprint(i), Price: ledger.Minor(coupon.MaxTotal-1, euro)})
			}
		}, []string{"lines"}},
		"hostile promotion":      {func(c *coupon.Cart) { c.Lines[0].Promotions = []string{""} }, []string{"lines[0].promotions[0]"}},
		"hostile cart promotion": {func(c *coupon.Cart) { c.Promotions = []string{""} }, []string{"promotions[0]"}},
		"hostile customer":       {func(c *coupon.Cart) { c.Customer.Key = "jane\x00" }, []string{"customer.key"}},
		"hostile segment":        {func(c *coupon.Cart) { c.Customer.Segments = []string{""} }, []string{"customer.segments[0]"}},
		"a line of 2^53":         {func(c *coupon.Cart) { c.Lines[0].UnitPrice = ledger.Minor(coupon.MaxTotal, euro) }, []string{"lines[0].unit_price"}},
		"a product of 2^53":      {func(c *coupon.Cart) { c.Lines[0].UnitPrice = ledger.Minor(coupon.MaxTotal/2, euro) }, []string{"lines[0].unit_price"}},
		"a product beyond int64": {func(c *coupon.Cart) {
			c.Lines[0].UnitPrice, c.Lines[0].Quantity = ledger.Minor(coupon.MaxTotal-1, euro), coupon.MaxQuantity
		}, []string{"lines[0].unit_price"}},
		"a sum of 2^53": {func(c *coupon.Cart) {
			c.Lines[0].Total, c.Lines[1].Total = ledger.Minor(coupon.MaxTotal-1, euro), eur("0.01")
			c.Shipping = nil
		}, []string{"lines"}},
		"a sum of 2^53 with shipping": {func(c *coupon.Cart) {
			c.Lines[0].Total = ledger.Minor(coupon.MaxTotal-1, euro)
		}, []string{"lines"}},
		"several at once": {func(c *coupon.Cart) {
			c.Lines[0].Quantity, c.Lines[0].UnitPrice, c.Lines[0].Floor = 0, dollars, dollars
			c.Lines[1].ID = "1"
			c.Shipping[0].ID = ""
		}, []string{"lines[0].quantity", "lines[0].unit_price", "lines[0].floor", "lines[1].id", "shipping[0].id"}},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(item("1.00", 3), item("2.00", 1))
			cart.Shipping = []coupon.Shipping{{ID: "parcel", Price: eur("2.00")}}
			c.change(&cart)
			err := cart.Validate()
			require.ErrorIs(t, err, coupon.ErrCart)
			assert.Equal(t, c.want, paths(t, err))
			_, err = coupon.Decide(cart, nil, coupon.Facts{}, noon)
			require.ErrorIs(t, err, coupon.ErrCart)
			_, err = coupon.New(down{}, coupon.Options{}).Quote(ctx, cart, coupon.Choose("SUMMER"), noon)
			require.ErrorIs(t, err, coupon.ErrCart)
		})
	}
}

func TestWhatIsWrongWithCarts(t *testing.T) {
	for problem, change := range map[string]func(*coupon.Cart){
		"lines[0].quantity: is 0 or missing, want 1 to 1000000":                          func(c *coupon.Cart) { c.Lines[0].Quantity = 0 },
		"lines[0].quantity: is -1, want 1 to 1000000":                                    func(c *coupon.Cart) { c.Lines[0].Quantity = -1 },
		"lines[0].floor: is 90071992547409.92 EUR, want less than 2^53 minor units":      func(c *coupon.Cart) { c.Lines[0].Floor = ledger.Minor(coupon.MaxTotal, euro) },
		"lines[0].total: is 90071992547409.92 EUR, want less than 2^53 minor units":      func(c *coupon.Cart) { c.Lines[0].Total = ledger.Minor(coupon.MaxTotal, euro) },
		"lines[0].unit_price: is 90071992547409.92 EUR, want less than 2^53 minor units": func(c *coupon.Cart) { c.Lines[0].UnitPrice = ledger.Minor(coupon.MaxTotal, euro) },
		"lines[0].unit_price: is -0.01 EUR, want 0 or more":                              func(c *coupon.Cart) { c.Lines[0].UnitPrice = eur("-0.01") },
		"lines[0].unit_price: is missing":                                                func(c *coupon.Cart) { c.Lines[0].UnitPrice = ledger.Money{} },
	} {
		cart := cartOf(item("1.00", 3))
		change(&cart)
		require.EqualError(t, cart.Validate(), coupon.ErrCart.Error()+": "+problem)
	}
}

func TestCartsThatAreValid(t *testing.T) {
	for name, change := range map[string]func(*coupon.Cart){
		"for nothing":            func(c *coupon.Cart) { c.Lines[0].UnitPrice = eur("0.00") },
		"a total of nothing":     func(c *coupon.Cart) { c.Lines[0].Total = eur("0.00") },
		"the largest total":      func(c *coupon.Cart) { c.Lines[0].Total = ledger.Minor(coupon.MaxTotal-1-200, euro) },
		"the largest quantity":   func(c *coupon.Cart) { c.Lines[0].Quantity = coupon.MaxQuantity },
		"a guest":                func(c *coupon.Cart) { c.Customer = coupon.Customer{} },
		"no seller":              func(c *coupon.Cart) { c.Lines[0].Seller = "" },
		"a floor above":          func(c *coupon.Cart) { c.Lines[0].Floor = eur("100.00") },
		"ids in other alphabets": func(c *coupon.Cart) { c.Lines[0].Product, c.Lines[0].ID = "чай/☕ '; --", "№ 1" },
		"goods and shipping may share an id": func(c *coupon.Cart) {
			c.Shipping = []coupon.Shipping{{ID: "1", Price: eur("0.00")}}
		},
		"the most deliveries": func(c *coupon.Cart) {
			for i := range coupon.MaxLines {
				c.Shipping = append(c.Shipping, coupon.Shipping{ID: fmt.Sprint(i), Price: eur("1.00")})
			}
		},
		"the most attributes": func(c *coupon.Cart) {
			c.Attributes = make(map[string]string)
			for i := range 50 {
				c.Attributes[fmt.Sprint(i)] = ""
			}
		},
		"the most categories, tags and segments": func(c *coupon.Cart) {
			c.Lines[0].Categories, c.Lines[0].Tags, c.Customer.Segments = many("x", 1000), many("x", 1000), many("x", 1000)
		},
		"the highest price of three": func(c *coupon.Cart) {
			c.Lines = c.Lines[:1]
			c.Lines[0].UnitPrice = ledger.Minor(coupon.MaxTotal/3, euro)
		},
		"the longest name of an attribute": func(c *coupon.Cart) { c.Attributes = map[string]string{strings.Repeat("x", coupon.MaxKey): ""} },
		"the most lines": func(c *coupon.Cart) {
			c.Lines = nil
			for range coupon.MaxLines {
				c.Lines = append(c.Lines, item("1.00", 1))
			}
			*c = cartOf(c.Lines...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cart := cartOf(item("1.00", 3), item("2.00", 1))
			change(&cart)
			require.NoError(t, cart.Validate())
		})
	}
}

// A character that can't stand in a name is named, with its place: it is not to be seen.
func TestCharactersThatCantStandAreNamed(t *testing.T) {
	const want = "has U+0009 as character 4, want UTF-8 without control characters and marks that turn or hide what is written"
	cart := cartOf(item("1.00", 1))
	cart.Lines[0].Tags = []string{"tea\tpot"}
	offer := amountOff("a", "1.00")
	offer.Name = "tea\tpot"
	for path, err := range map[string]error{"lines[0].tags[0]": cart.Validate(), "name": offer.Validate()} {
		var faults *coupon.Faults
		require.ErrorAs(t, err, &faults)
		assert.Equal(t, []coupon.Fault{{Path: path, Problem: want}}, faults.Faults)
	}
}

// However many faults an input has, the answer stays small.
func TestFaultsAreBounded(t *testing.T) {
	lines := make([]coupon.Line, coupon.MaxLines)
	for i := range lines {
		lines[i] = coupon.Line{ID: strings.Repeat("x", 1000)}
	}
	err := (&coupon.Cart{Currency: euro, Lines: lines}).Validate()
	var faults *coupon.Faults
	require.ErrorAs(t, err, &faults)
	assert.Len(t, faults.Faults, 51)
	assert.Less(t, len(err.Error()), 10_000)
	assert.Contains(t, err.Error(), "coupon: the cart is not valid: lines[0].id: has 1000 bytes, at most 100 are allowed; ")
	assert.True(t, strings.HasSuffix(err.Error(), "; and more faults"))
}

func TestChoiceFaults(t *testing.T) {
	s := coupon.New(down{}, coupon.Options{})
	for name, c := range map[string]struct {
		choice coupon.Choice
		now    time.Time
		want   []string
	}{
		"too many":         {coupon.Choose(make([]string, 51)...), noon, []string{"choice"}},
		"too many of both": {coupon.Choice{Codes: many("SUMMER", 26), Coupons: many("c", 25)}, noon, []string{"choice"}},
		"hostile coupons":  {coupon.ChooseCoupons("", strings.Repeat("x", 300), "a\x00"), noon, []string{"choice.coupons[0]", "choice.coupons[1]", "choice.coupons[2]"}},
		"hostile order":    {coupon.Choose("SUMMER").For("\xff"), noon, []string{"choice.order"}},
		"no instant":       {coupon.Choose("SUMMER"), time.Time{}, []string{"now"}},
		"far instant":      {coupon.Choose("SUMMER"), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), []string{"now"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Quote(ctx, cartOf(item("1.00", 1)), c.choice, c.now)
			require.ErrorIs(t, err, coupon.ErrRequest)
			assert.Equal(t, c.want, paths(t, err))
		})
	}
}

// Fifty codes and coupons may be chosen, of whichever kind.
func TestTheMostThatMayBeChosen(t *testing.T) {
	s := newShop(t)
	for _, choice := range []coupon.Choice{{Codes: many("SUMMER", 50)}, {Coupons: many("c", 50)}, {Codes: many("SUMMER", 25), Coupons: many("c", 25)}} {
		_, err := s.Quote(ctx, cartOf(item("1.00", 1)), choice, noon)
		require.NoError(t, err)
	}
}

// What is not there, not an id, or not dated is told by a typed error, and nothing
// is written.
func TestRequestFaults(t *testing.T) {
	s := newShop(t, amountOff("five", "5.00"))
	quote := s.quote(cartOf(item("20.00", 1)), coupon.Choice{}, noon)
	long := strings.Repeat("x", 101)
	for name, c := range map[string]struct {
		err  error
		kind error
	}{
		"redeem without quote":     {second(s.Redeem(ctx, "o", nil, noon)), coupon.ErrRequest},
		"redeem without order":     {second(s.Redeem(ctx, "", quote, noon)), coupon.ErrRequest},
		"redeem a long order":      {second(s.Redeem(ctx, long, quote, noon)), coupon.ErrRequest},
		"redeem at no time":        {second(s.Redeem(ctx, "o", quote, time.Time{})), coupon.ErrRequest},
		"redeem an empty quote":    {second(s.Redeem(ctx, "o", &coupon.Quote{}, noon)), coupon.ErrCart},
		"redeem at the epoch":      {second(s.Redeem(ctx, "o", quote, time.Unix(0, 0))), coupon.ErrRequest},
		"confirm nothing":          {second(s.Confirm(ctx, "o", noon)), coupon.ErrNoRedemption},
		"confirm a hostile order":  {second(s.Confirm(ctx, "\x00", noon)), coupon.ErrRequest},
		"confirm at no time":       {second(s.Confirm(ctx, "o", time.Time{})), coupon.ErrRequest},
		"release nothing":          {second(s.Release(ctx, "o", noon)), coupon.ErrNoRedemption},
		"release a hostile order":  {second(s.Release(ctx, long, noon)), coupon.ErrRequest},
		"refund nothing":           {second(s.Refund(ctx, "o", coupon.RefundRequest{ID: "r", Everything: true}, noon)), coupon.ErrNoRedemption},
		"refund without id":        {second(s.Refund(ctx, "o", coupon.RefundRequest{Everything: true}, noon)), coupon.ErrRequest},
		"refund a hostile order":   {second(s.Refund(ctx, long, coupon.RefundRequest{ID: "r", Everything: true}, noon)), coupon.ErrRequest},
		"no such redemption":       {second(s.Redemption(ctx, "o")), coupon.ErrNoRedemption},
		"no such coupon":           {second(s.Coupon(ctx, "c")), coupon.ErrNoCoupon},
		"revoke nothing":           {second(s.Revoke(ctx, "c", "staff", "asked for", noon)), coupon.ErrNoCoupon},
		"revoke without id":        {second(s.Revoke(ctx, "", "staff", "asked for", noon)), coupon.ErrRequest},
		"revoke with a long story": {second(s.Revoke(ctx, "c", "staff", strings.Repeat("x", 501), noon)), coupon.ErrRequest},
		"no such offer":            {second(s.Offer(ctx, "none", 0, noon)), coupon.ErrNoOffer},
		"no such version":          {second(s.Offer(ctx, "five", 2, noon)), coupon.ErrNoOffer},
		"pause nothing":            {s.Pause(ctx, "none", "staff", "asked for", noon), coupon.ErrNoOffer},
		"resume nothing":           {s.Resume(ctx, "none", "staff", "asked for", noon), coupon.ErrNoOffer},
		"publish at no time":       {second(s.Publish(ctx, amountOff("six", "6.00"), "staff", time.Time{})), coupon.ErrRequest},
		"exclude nobody":           {s.Exclude(ctx, coupon.Exclusion{ID: "x"}, "staff", noon), coupon.ErrExclusion},
		"include nobody":           {s.Include(ctx, "", "x", "staff", noon), coupon.ErrRequest},
		"issue nothing":            {second(s.Issue(ctx, coupon.IssueRequest{ID: "i"}, noon)), coupon.ErrRequest},
		"issue an unknown offer": {second(s.Issue(ctx, coupon.IssueRequest{
			ID: "i", Offers: []coupon.IssueOffer{{Offer: "none"}},
		}, noon)), coupon.ErrNoOffer},
		"issue an unknown version": {second(s.Issue(ctx, coupon.IssueRequest{
			ID: "i", Offers: []coupon.IssueOffer{{Offer: "five", Version: 7}},
		}, noon)), coupon.ErrNoOffer},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.err, c.kind)
			assert.True(t, strings.HasPrefix(c.err.Error(), "coupon: "), c.err.Error())
		})
	}
	_, err := s.Redemption(ctx, "o")
	require.ErrorIs(t, err, coupon.ErrNoRedemption)
}

// second is the error of two answers.
func second[A any](_ A, err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

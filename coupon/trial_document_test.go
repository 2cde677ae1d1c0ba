package coupon_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func ExampleParseTrial() {
	trial, err := coupon.ParseTrial([]byte(`{
		"cart": {
			"currency": "EUR",
			"lines": [
				{"id": "1", "product": "tea", "quantity": 3, "unit_price": "19.99"},
				{"id": "2", "product": "screws", "quantity": 1000, "unit_price": "0.001"}
			]
		},
		"offers": [{
			"id": "ten", "name": "10 % off",
			"benefit": {"type": "percent", "percent": "10"},
			"limits": [{"per": "offer", "money": {"EUR": "100.00"}, "when_spent": "clip"}]
		}],
		"coupons": [{"code": "SPRING", "offer": "ten"}],
		"codes": ["spring"],
		"used": {"ten": [{"per": "offer", "money": "95.00"}]},
		"at": "2026-11-20T12:00:00Z"
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	quote, err := trial.Quote()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(quote.Subtotal, quote.Discount, quote.Total)
	// Output: 60.97 EUR 5.00 EUR 55.97 EUR
}

// documentOf is a trial's document of a cart and automatic offers.
func documentOf(t require.TestingT, cart coupon.Cart, best bool, offers ...coupon.Offer) []byte {
	money := func(m ledger.Money) string {
		if m == (ledger.Money{}) {
			return ""
		}
		return m.Amount()
	}
	var lines, shipping []any
	for _, l := range cart.Lines {
		line := map[string]any{
			"id": l.ID, "product": l.Product, "seller": l.Seller, "quantity": l.Quantity, "on_sale": l.OnSale,
			"categories": list(l.Categories), "tags": list(l.Tags), "promotions": list(l.Promotions),
		}
		for name, m := range map[string]ledger.Money{"unit_price": l.UnitPrice, "total": l.Total, "floor": l.Floor} {
			if text := money(m); text != "" {
				line[name] = text
			}
		}
		lines = append(lines, line)
	}
	for _, s := range cart.Shipping {
		delivery := map[string]any{"id": s.ID, "seller": s.Seller, "price": s.Price.Amount()}
		if s.Method != "" {
			delivery["method"] = s.Method
		}
		shipping = append(shipping, delivery)
	}
	document := map[string]any{
		"cart": map[string]any{
			"currency": cart.Currency, "lines": lines, "shipping": append([]any{}, shipping...),
			"customer": map[string]any{"key": cart.Customer.Key, "segments": list(cart.Customer.Segments), "orders": cart.Customer.Orders},
			"prices":   map[bool]string{true: "net", false: "gross"}[cart.Net],
			"country":  cart.Country, "channel": cart.Channel, "payment": cart.Payment, "promotions": list(cart.Promotions),
		},
		"offers": offers, "predicates": []any{map[string]any{"name": "pickup", "version": 1, "holds": true, "sentence": pickup.Sentence}},
		"at": noon.Format(time.RFC3339Nano),
	}
	if best {
		document["select"] = "best"
	}
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return text
}

func list(names []string) []string { return append([]string{}, names...) }

// Whatever the cart and the offers: as a document they are decided as they are, and
// both documents fit the schema.
func TestATrialIsADecision(t *testing.T) {
	schema := newSchemas(t, coupon.TrialSchema())
	holds := pickup
	holds.Holds = func(_, _ map[string]string) bool { return true }
	rapid.Check(t, func(t *rapid.T) {
		cart, best := drawCart(t), rapid.Bool().Draw(t, "best")
		var offers []coupon.Offer
		var asked []coupon.Candidate
		for i := range rapid.IntRange(0, 4).Draw(t, "offers") {
			o := drawAnyOffer(t, fmt.Sprint("offer-", i))
			v, err := coupon.NewVersion(o, holds)
			require.NoError(t, err)
			offers, asked = append(offers, o), append(asked, coupon.Candidate{Version: v})
		}
		document := documentOf(t, cart, best, append([]coupon.Offer{}, offers...)...)
		require.Empty(t, schema.check(document), "%s", document)
		trial, err := coupon.ParseTrial(document)
		require.NoError(t, err, "%s", document)
		got, err := trial.Quote()
		require.NoError(t, err)
		want, err := coupon.Decide(cart, asked, coupon.Facts{Best: best}, noon)
		require.NoError(t, err)
		require.Equal(t, want.Applied(), got.Applied())
		require.Equal(t, want.Lines(), got.Lines())
		require.Equal(t, want.Deliveries(), got.Deliveries())
		require.Equal(t, want.Refused(), got.Refused())
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.Empty(t, schema.judge("", schema.defs["quote"].(map[string]any), decoded(t, text)), "%s", text)
		checkDocument(t, text)
	})
}

func decoded(t require.TestingT, text []byte) (value any) {
	require.NoError(t, json.Unmarshal(text, &value))
	return value
}

// quoted is what of a quote's document is summed.
type quoted struct {
	Subtotal, Discount, Shipping, Total string
	Lines, Deliveries                   []struct {
		Price, Total string
		Off          []struct {
			Amount  string
			Funding []struct{ Amount string }
		}
		Parts []struct {
			Units        int64
			Price, Total string
			Each         []struct {
				Units int64
				Total string
			}
		}
	}
	Applied []struct {
		Amount  string
		Funding []struct{ Amount string }
	}
	Funding []struct{ Amount string }
}

// checkDocument says that a quote's document adds up, down to single units and payers.
func checkDocument(t require.TestingT, text []byte) {
	var q quoted
	require.NoError(t, json.Unmarshal(text, &q))
	cents := func(text string) int64 {
		m, err := ledger.ParseMoney(text, euro)
		require.NoError(t, err)
		return m.Minor()
	}
	var total, applied, funded int64
	for _, l := range append(q.Lines, q.Deliveries...) {
		left := cents(l.Price)
		for _, o := range l.Off {
			left -= cents(o.Amount)
			paid := -cents(o.Amount)
			for _, f := range o.Funding {
				paid += cents(f.Amount)
			}
			require.Zero(t, paid)
		}
		require.Equal(t, cents(l.Total), left)
		total += left
		for _, p := range l.Parts {
			var units int64
			sum := cents(p.Total)
			for _, e := range p.Each {
				units, sum = units+e.Units, sum-e.Units*cents(e.Total)
			}
			require.Equal(t, p.Units, units)
			require.Zero(t, sum)
		}
	}
	for _, a := range q.Applied {
		var paid int64
		for _, f := range a.Funding {
			paid += cents(f.Amount)
		}
		require.Equal(t, cents(a.Amount), paid)
		applied += paid
	}
	for _, f := range q.Funding {
		funded += cents(f.Amount)
	}
	require.Equal(t, cents(q.Total), total)
	require.Equal(t, cents(q.Discount), applied)
	require.Equal(t, applied, funded)
	require.Equal(t, cents(q.Subtotal)+cents(q.Shipping)-applied, total)
}

// What is said to be used counts as what was redeemed counts.
func TestUsedCountsAsRedeemed(t *testing.T) {
	for name, c := range map[string]struct {
		limit coupon.Limit
		used  string
	}{
		"uses":               {coupon.Limit{Uses: 1}, `{"per":"offer","uses":1}`},
		"uses a day":         {coupon.Limit{Uses: 1, Period: ledger.Day}, `{"per":"offer","period":"day","uses":1}`},
		"of a customer":      {coupon.Limit{Per: coupon.PerCustomer, Uses: 1, Period: ledger.Week}, `{"per":"customer","period":"week","uses":1}`},
		"of a campaign":      {coupon.Limit{Per: coupon.PerCampaign, Uses: 1}, `{"per":"campaign","uses":1}`},
		"of an attribute":    {coupon.Limit{Per: coupon.PerAttribute, Attribute: "phone", Uses: 1}, `{"per":"attribute","attribute":"phone","uses":1}`},
		"money":              {coupon.Limit{Money: euros("7.00")}, `{"per":"offer","money":"5.00"}`},
		"money of a month":   {coupon.Limit{Money: euros("7.00"), Period: ledger.Month, When: coupon.ClipSpent}, `{"per":"offer","period":"month","money":"5.00"}`},
		"money of a coupon":  {coupon.Limit{Per: coupon.PerCoupon, Money: euros("7.00")}, `{"per":"coupon","coupon":"SPRING","money":"5.00"}`},
		"uses of the coupon": {coupon.Limit{Per: coupon.PerCoupon, Uses: 1}, `{"per":"coupon","coupon":"SPRING","uses":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			offer := limited(amountOff("five", "5.00"), c.limit)
			offer.Campaign, offer.Schedule.Zone = "all", "Europe/Berlin"
			cart := cartOf(item("20.00", 1))
			cart.Customer.Key, cart.Attributes = "jane", map[string]string{"phone": "555/0100"}
			s := newShop(t, offer)
			s.public("five", "SPRING")
			s.redeem("before", cart, coupon.Choose("SPRING"), noon)
			want, err := s.Quote(ctx, cart, coupon.Choose("SPRING"), noon)
			require.NoError(t, err)

			text, err := json.Marshal(offer)
			require.NoError(t, err)
			trial, err := coupon.ParseTrial([]byte(`{
				"cart":{"currency":"EUR","lines":[{"id":"1","product":"` + cart.Lines[0].Product + `","quantity":1,"unit_price":"20.00"}],
				"customer":{"key":"jane"},"attributes":{"phone":"555/0100"}},
				"offers":[` + string(text) + `],"coupons":[{"code":"SPRING","offer":"five"}],"codes":["SPRING"],
				"used":{"five":[` + c.used + `]},"at":"` + noon.Format(time.RFC3339) + `"}`))
			require.NoError(t, err)
			got, err := trial.Quote()
			require.NoError(t, err)
			require.Equal(t, want.Total, got.Total)
			require.Equal(t, len(want.Refused()), len(got.Refused()))
			for i, r := range want.Refused() {
				require.Equal(t, r.Reason, got.Refused()[i].Reason)
				require.Equal(t, r.FoundUses, got.Refused()[i].FoundUses)
			}
		})
	}
}

// trialWith is a trial's document with members added.
func trialWith(members string) string {
	return `{"cart":{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"20.00"}],"customer":{"key":"jane"}},"at":"2026-11-20T12:00:00Z",
		"offers":[{"id":"five","version":1,"name":"Five","benefit":{"type":"amount","amounts":{"EUR":"5.00"}},"limits":[{"per":"customer","uses":2},{"per":"coupon","uses":2}]}]` + members + `}`
}

func TestTrialDocumentsAreReadStrictly(t *testing.T) {
	cart := func(lines string) string { return `{"cart":` + lines + `,"at":"2026-11-20T12:00:00Z"}` }
	for name, c := range map[string]struct {
		document string
		paths    []string
	}{
		"nothing":                   {``, []string{""}},
		"too large":                 {`"` + strings.Repeat("x", coupon.MaxTrial) + `"`, []string{""}},
		"empty":                     {`{}`, []string{"at", "cart.currency", "cart.lines"}},
		"a cart that is not valid":  {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":0,"unit_price":"1.00"}],"customer":{"orders":-1}}`), []string{"cart.customer.orders", "cart.lines[0].quantity"}},
		"no such currency":          {cart(`{"currency":"eur","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"1.00","floor":"x"}]}`), []string{"cart.currency"}},
		"a price as a number":       {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":1}]}`), []string{"cart.lines[0].unit_price"}},
		"no price":                  {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1}]}`), []string{"cart.lines[0].unit_price"}},
		"a price below nothing":     {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"-0.001"}]}`), []string{"cart.lines[0].unit_price"}},
		"a part of a cent":          {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":3,"unit_price":"0.333"}]}`), []string{"cart.lines[0].total"}},
		"a floor of half a cent":    {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"1.00","floor":"0.005"}]}`), []string{"cart.lines[0].floor"}},
		"a hostile fine price":      {cart(`{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"0.` + strings.Repeat("0", 30) + `1"}]}`), []string{"cart.lines[0].unit_price"}},
		"an offer's fault":          {strings.Replace(trialWith(``), `"5.00"`, `"0.00"`, 1), []string{"offers[0].benefit.amounts.EUR"}},
		"an offer twice":            {strings.Replace(trialWith(``), `}]}]`, `}]},{"id":"five","version":1,"name":"x","benefit":{"type":"gift","product":"mug","count":1}}]`, 1), []string{"offers[1].id"}},
		"too many codes":            {trialWith(`,"codes":["a"` + strings.Repeat(`,"a"`, 50) + `]`), []string{"codes"}},
		"too many exclusions":       {trialWith(`,"exclusions":[{"seller":"s"}` + strings.Repeat(`,{"seller":"s"}`, 10_000) + `]`), []string{"exclusions"}},
		"too many offers for lines": {cart(`{"lines":[{}` + strings.Repeat(`,{}`, 9_999) + `]},"offers":[{}` + strings.Repeat(`,{}`, 50) + `]`), []string{"offers"}},
		"paused, but not there":     {trialWith(`,"paused":["six"]`), []string{"paused[0]"}},
		"an exclusion of nobody":    {trialWith(`,"exclusions":[{"offers":["A"]}]`), []string{"exclusions[0].seller", "exclusions[0].offers[0]"}},
		"a predicate without name":  {trialWith(`,"predicates":[{"name":"","version":0,"holds":true}]`), []string{"predicates[0]"}},
		"a coupon of no offer":      {trialWith(`,"coupons":[{"id":"c","offer":"six"}]`), []string{"coupons[0].offer"}},
		"a coupon of no version":    {trialWith(`,"coupons":[{"id":"c","offer":"five","version":2}]`), []string{"coupons[0].offer"}},
		"a coupon without id":       {trialWith(`,"coupons":[{"offer":"five"}]`), []string{"coupons[0].id"}},
		"a coupon of no code":       {trialWith(`,"coupons":[{"code":"?","offer":"five"}]`), []string{"coupons[0].code"}},
		"a code twice":              {trialWith(`,"coupons":[{"code":"ABC","offer":"five"},{"id":"c","code":"a-b-c","offer":"five"}]`), []string{"coupons[1].code"}},
		"a coupon twice":            {trialWith(`,"coupons":[{"id":"c","offer":"five"},{"id":"c","offer":"five"}]`), []string{"coupons[1].id"}},
		"uses that nobody holds":    {trialWith(`,"coupons":[{"id":"c","offer":"five","used":1}]`), []string{"coupons[0].holder"}},
		"countless uses":            {trialWith(`,"coupons":[{"id":"c","offer":"five","holder":"jane","uses":-1,"used":9223372036854775807}]`), []string{"coupons[0].uses", "coupons[0].used"}},
		"used and reserved":         {trialWith(`,"coupons":[{"id":"c","offer":"five","holder":"jane","used":1000,"reserved":["2026-11-20T12:15:00Z"]}]`), []string{"coupons[0].used"}},
		"instants beyond all":       {trialWith(`,"coupons":[{"id":"c","offer":"five","holder":"jane","issued":"1969-01-01T00:00:00Z","expires":"9999-12-31T23:00:00-05:00","revoked":"0001-01-01T00:00:00Z","reserved":["9999-12-31T23:00:00-05:00"]}]`), []string{"coupons[0].issued", "coupons[0].expires", "coupons[0].revoked", "coupons[0].reserved[0]"}},
		"a wallet of nothing":       {trialWith(`,"wallet":[""]`), []string{"wallet[0]"}},
		"no such selection":         {trialWith(`,"select":"worst"`), []string{"select"}},
		"used of no offer":          {trialWith(`,"used":{"six":[{"per":"customer","uses":1}]}`), []string{`used["six"]`}},
		"used of no limit":          {trialWith(`,"used":{"five":[{"per":"customer","period":"day","uses":1}]}`), []string{`used["five"][0]`}},
		"used of nothing":           {trialWith(`,"used":{"five":[{"per":"customer"}]}`), []string{`used["five"][0]`}},
		"used below nothing":        {trialWith(`,"used":{"five":[{"per":"customer","uses":-1}]}`), []string{`used["five"][0]`}},
		"used twice":                {trialWith(`,"used":{"five":[{"per":"customer","uses":1},{"per":"customer","uses":2}]}`), []string{`used["five"][1]`}},
		"used of no coupon":         {trialWith(`,"used":{"five":[{"per":"coupon","uses":1}]}`), []string{`used["five"][0].coupon`}},
		"used of a coupon too many": {trialWith(`,"used":{"five":[{"per":"customer","coupon":"c","uses":1}]}`), []string{`used["five"][0].coupon`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.ParseTrial([]byte(c.document))
			require.ErrorIs(t, err, coupon.ErrRequest)
			require.Equal(t, c.paths, paths(t, err), err.Error())
		})
	}
	t.Run("nothing is wrong", func(t *testing.T) {
		_, err := coupon.ParseTrial([]byte(trialWith(``)))
		require.NoError(t, err)
	})
}

// A document within its size that is wrong in every place is refused in little work.
func TestTrialsThatAreWrongEverywhere(t *testing.T) {
	fill := func(entry string) string { return strings.Repeat(entry+",", 1_000_000/(len(entry)+1)) + entry }
	for name, members := range map[string]string{
		"conditions": `"conditions":[` + fill(`{}`) + `]`,
		"limits":     `"limits":[` + fill(`{"per":"offer"}`) + `]`,
		"shares":     `"funding":[` + fill(`{"payer":"a","percent":"1"}`) + `]`,
		"members":    fill(`"a":1`),
		"nulls":      `"labels":[` + fill(`null`) + `]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.ParseTrial([]byte(`{"offers":[{"id":"a",` + members + `}],"at":"2026-11-20T12:00:00Z"}`))
			require.LessOrEqual(t, len(paths(t, err)), 51)
		})
	}
}

// A unit price may be finer than the smallest coin where the line's price is not.
func TestTrialsOfFinePrices(t *testing.T) {
	for line, want := range map[string]string{
		`"quantity":1000,"unit_price":"0.001"`:               "1.00 EUR",
		`"quantity":3,"unit_price":"0.333","total":"1.00"`:   "1.00 EUR",
		`"quantity":3,"total":"1.00"`:                        "1.00 EUR",
		`"quantity":2,"unit_price":"19.995"`:                 "39.99 EUR",
		`"quantity":3,"unit_price":"0.33","total":"1.00"`:    "1.00 EUR",
		`"quantity":1,"unit_price":"0.100000000"`:            "0.10 EUR",
		`"quantity":1000000,"unit_price":"0.00001"`:          "10.00 EUR",
		`"quantity":3,"unit_price":"5","floor":"4.50"`:       "15.00 EUR",
		`"quantity":1,"unit_price":"0","promotions":["bye"]`: "0.00 EUR",
	} {
		trial, err := coupon.ParseTrial([]byte(`{"cart":{"currency":"EUR","lines":[{"id":"1","product":"p",` + line + `}]},"at":"2026-11-20T12:00:00Z"}`))
		require.NoError(t, err, line)
		quote, err := trial.Quote()
		require.NoError(t, err)
		assert.Equal(t, want, quote.Total.String(), line)
	}
}

// An offer is a candidate of its own when it is automatic, or nothing carries it; one
// whose coupons were not chosen is refused.
func TestTrialsCandidates(t *testing.T) {
	const typed = `,"codes":["ABC"]`
	for name, c := range map[string]struct {
		document string
		want     string
	}{
		"nothing carries it":     {trialWith(``), "five@1"},
		"a coupon carries it":    {trialWith(`,"coupons":[{"code":"ABC","offer":"five"}]`), "not_chosen"},
		"its code is typed":      {trialWith(typed + `,"coupons":[{"code":"abc","offer":"five"}]`), "five@1 ABC"},
		"it is in the wallet":    {trialWith(`,"wallet":["c"],"coupons":[{"id":"c","offer":"five","holder":"jane"}]`), "five@1 c"},
		"it is paused":           {trialWith(`,"paused":["five"]`), "paused"},
		"no coupon has the code": {trialWith(`,"codes":["XYZ"],"coupons":[{"code":"abc","offer":"five"}]`), "unknown_code not_chosen"},
		"no coupon has the id":   {trialWith(`,"wallet":["d"],"coupons":[{"code":"abc","offer":"five"}]`), "unknown_code not_chosen"},
		"no code":                {trialWith(`,"codes":["!"],"coupons":[{"code":"abc","offer":"five"}]`), "not_a_code not_chosen"},
		"mistyped":               {trialWith(`,"codes":["AAAAAAAAAAAAAA"],"coupons":[{"code":"abc","offer":"five"}]`), "mistyped not_chosen"},
	} {
		t.Run(name, func(t *testing.T) {
			trial, err := coupon.ParseTrial([]byte(c.document))
			require.NoError(t, err)
			quote, err := trial.Quote()
			require.NoError(t, err)
			got := ""
			for _, a := range quote.Applied() {
				got += strings.TrimSpace(fmt.Sprintf("%s@%d %s", a.Offer, a.Version, a.Coupon))
			}
			for _, r := range quote.Refused() {
				got += " " + string(r.Reason)
			}
			assert.Equal(t, c.want, strings.TrimSpace(got))
		})
	}
}

// A quote whose cart was taken apart is not written, and nothing panics.
func TestChangedQuotesAreNotWritten(t *testing.T) {
	for name, change := range map[string]func(q *coupon.Quote){
		"a line less":     func(q *coupon.Quote) { q.Cart.Lines = nil },
		"a line more":     func(q *coupon.Quote) { q.Cart.Lines = append(q.Cart.Lines, coupon.Line{}) },
		"a delivery more": func(q *coupon.Quote) { q.Cart.Shipping = make([]coupon.Shipping, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			q := quoteOf(t, trialWith(``))
			before := q.Lines()
			change(q)
			require.Equal(t, before, q.Lines())
			_, err := json.Marshal(q)
			require.ErrorIs(t, err, coupon.ErrRequest)
		})
	}
	text, err := json.Marshal(coupon.Quote{})
	require.NoError(t, err)
	require.Contains(t, string(text), `"lines":[],"applied":[],"refused":[]`)
	assert.Empty(t, quoteOf(t, trialWith(``)).PassedOver(-1))
	assert.Empty(t, quoteOf(t, trialWith(``)).PassedOver(1))
}

func quoteOf(t *testing.T, document string) *coupon.Quote {
	t.Helper()
	trial, err := coupon.ParseTrial([]byte(document))
	require.NoError(t, err)
	quote, err := trial.Quote()
	require.NoError(t, err)
	return quote
}

// An instant that is beyond the year 9999 by local clocks is written all the same.
func TestQuotesAtTheEndOfTime(t *testing.T) {
	q := quoteOf(t, strings.Replace(trialWith(``), `"name":"Five"`, `"name":"Five","schedule":{"from":"9999-12-31T23:59:59Z","zone":"Pacific/Auckland"}`, 1))
	require.Equal(t, coupon.ReasonNotYet, q.Refused()[0].Reason)
	text, err := json.Marshal(q)
	require.NoError(t, err)
	require.Contains(t, string(text), `"at":"9999-12-31T23:59:59Z"`)
}

// The examples' documents fit the schema, and so do the quotes they come to.
func TestExampleDocumentsFitTheSchema(t *testing.T) {
	schema := newSchemas(t, coupon.TrialSchema())
	files, err := filepath.Glob("../examples/pricecheck/testdata/*.json*") // a module of its own, which may not be there
	require.NoError(t, err)
	documents := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.HasSuffix(file, ".json") {
			documents[file] = string(text)
			continue
		}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			documents[fmt.Sprintf("%s, line %d", file, i+1)] = line
		}
	}
	for name, c := range trialCases(t) {
		documents[name] = string(c.Trial)
	}
	for name, document := range documents {
		trial, err := coupon.ParseTrial([]byte(document))
		if err != nil {
			continue
		}
		assert.Empty(t, schema.check([]byte(document)), name)
		quote, err := trial.Quote()
		require.NoError(t, err)
		written, err := json.Marshal(quote)
		require.NoError(t, err)
		assert.Empty(t, schema.judge("", schema.defs["quote"].(map[string]any), decoded(t, written)), name)
		if trial.Cart.Currency == euro {
			checkDocument(t, written)
		}
	}
}

// Whatever the document: a quote that adds up, or faults.
func FuzzParseTrial(f *testing.F) {
	f.Add([]byte(trialWith(`,"codes":["ABC"],"coupons":[{"code":"abc","offer":"five"}],"used":{"five":[{"per":"customer","uses":1}]},"select":"best"`)))
	f.Add([]byte(trialWith(`,"wallet":["c"],"coupons":[{"id":"c","offer":"five","holder":"jane","reserved":["2026-11-20T12:15:00Z"]}],"exclusions":[{"seller":"s"}]`)))
	if basket, err := os.ReadFile("../examples/pricecheck/testdata/basket.json"); err == nil { // a module of its own
		f.Add(basket)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		trial, err := coupon.ParseTrial(document)
		if err != nil {
			require.ErrorIs(t, err, coupon.ErrRequest)
			require.NotEmpty(t, paths(t, err))
			return
		}
		quote, err := trial.Quote()
		require.NoError(t, err)
		checkSums(t, quote)
		text, err := json.Marshal(quote)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
	})
}

// Without a version a trial's coupon is of the latest that it has of the offer.
// TestTrialsOfOneCodeForSeveralOffers: it stands for the coupons of all of them.
func TestTrialsOfOneCodeForSeveralOffers(t *testing.T) {
	document := func(offers int) string {
		var all, coupons []string
		for i := range offers {
			all = append(all, fmt.Sprintf(`{"id":"o%d","name":"o","benefit":{"type":"amount","amounts":{"EUR":"%d.00"}},"combine":{"freely":true}}`, i, i+1))
			coupons = append(coupons, fmt.Sprintf(`{"code":"SAVE","offer":"o%d"}`, i))
		}
		return `{"cart":{"currency":"EUR","lines":[{"id":"1","product":"p","quantity":1,"unit_price":"20.00"}]},"at":"2026-11-20T12:00:00Z",
			"offers":[` + strings.Join(all, ",") + `],"coupons":[` + strings.Join(coupons, ",") + `],"codes":["s-ave"]}`
	}
	trial, err := coupon.ParseTrial([]byte(document(5)))
	require.NoError(t, err)
	quote, err := trial.Quote()
	require.NoError(t, err)
	require.Equal(t, "15.00 EUR", quote.Discount.String())
	var ids []string
	for _, a := range quote.Applied() {
		ids = append(ids, a.Coupon)
	}
	require.ElementsMatch(t, []string{"SAVE", "SAVE/o1", "SAVE/o2", "SAVE/o3", "SAVE/o4"}, ids)
	_, err = coupon.ParseTrial([]byte(document(6)))
	require.Equal(t, []string{"coupons[5].code"}, paths(t, err))
}

func TestTrialsTakeTheLatestVersion(t *testing.T) {
	const six = `{"id":"five","version":2,"name":"Six","benefit":{"type":"amount","amounts":{"EUR":"6.00"}}}`
	document := trialWith(`,"wallet":["c"],"coupons":[{"id":"c","offer":"five","holder":"jane"}]`)
	for _, offers := range []string{
		strings.Replace(document, `}]}]`, `}]},`+six+`]`, 1), strings.Replace(document, `"offers":[`, `"offers":[`+six+`,`, 1),
	} {
		trial, err := coupon.ParseTrial([]byte(offers))
		require.NoError(t, err)
		quote, err := trial.Quote()
		require.NoError(t, err)
		assert.Equal(t, eur("6.00"), quote.Discount)
	}
}

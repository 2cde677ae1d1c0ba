package coupon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

func ExampleParseOffer() {
	offer, err := coupon.ParseOffer([]byte(`{
		"id": "spring-10",
		"name": "10 % off in spring",
		"automatic": true,
		"benefit": {"type": "percent", "percent": "10", "max": {"EUR": "20.00", "USD": "25.00"}},
		"conditions": [{"type": "minimum_spend", "amounts": {"EUR": "30.00", "USD": "35.00"}}]
	}`))
	fmt.Println(offer.Name, err)

	_, err = coupon.ParseOffer([]byte(`{
		"id": "Spring",
		"name": "10 % off in spring",
		"benefit": {"type": "amount", "amounts": {"EUR": "5.001"}, "units": {"max": 1}},
		"Priority": 7
	}`))
	var faults *coupon.Faults
	if errors.As(err, &faults) {
		for _, fault := range faults.Faults {
			fmt.Println(fault.Path, fault.Problem)
		}
	}
	// Output:
	// 10 % off in spring <nil>
	// benefit.amounts.EUR ledger: too many decimals: "5.001" has 3, at most 2 are allowed in EUR
	// benefit.units is not for a benefit of type amount
	// Priority is not known: write "priority"
	// id is "Spring", want ^[a-z0-9][a-z0-9._-]{0,63}$
}

// offerWith is the document of an offer with a member changed.
func offerWith(member string) string {
	return `{"id":"a","name":"A","benefit":{"type":"percent","percent":"10"},` + member + `}`
}

// A schedule of nothing but a window and a blackout is written, too.
func TestScheduleOfAWindowAndABlackout(t *testing.T) {
	offer := amountOff("a", "5.00")
	offer.Schedule.Weekly = []coupon.Window{{From: "08:00", Until: "11:00"}}
	offer.Schedule.Blackouts = []coupon.Blackout{{Name: "fair", Interval: coupon.Interval{From: noon, Until: noon.Add(time.Hour)}}}
	data, err := json.Marshal(offer)
	require.NoError(t, err)
	var read coupon.Offer
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, offer.Schedule, read.Schedule)
}

func TestOfferDocumentsAreReadStrictly(t *testing.T) {
	deep := strings.Repeat(`{"type":"not","conditions":[`, 20) + `{"type":"new_customer"}` + strings.Repeat(`]}`, 20)
	for name, c := range map[string]struct {
		document string
		paths    []string
	}{
		"nothing":                  {``, []string{""}},
		"null":                     {`null`, []string{""}},
		"a list":                   {`[]`, []string{""}},
		"no JSON":                  {`{"id":`, []string{""}},
		"more after it":            {offerWith(`"priority":1`) + ` {}`, []string{""}},
		"not UTF-8":                {offerWith("\"name\":\"\xff\""), []string{""}},
		"too large":                {offerWith(`"labels":["` + strings.Repeat("a", coupon.MaxDocument) + `"]`), []string{""}},
		"empty":                    {`{}`, []string{"benefit.type", "id", "name"}},
		"twice":                    {offerWith(`"id":"a"`), []string{"id"}},
		"twice, escaped":           {offerWith(`"\u0069d":"a"`), []string{"id"}},
		"not known":                {offerWith(`"extra":{"a":[1,{"b":null}]}`), []string{"extra"}},
		"a hostile name":           {offerWith(`"\u0000":1`), []string{`["\x00"]`}},
		"another letter case":      {offerWith(`"Priority":1`), []string{"Priority"}},
		"null for a number":        {offerWith(`"priority":null`), []string{"priority"}},
		"null in a list":           {offerWith(`"labels":[null]`), []string{"labels[0]"}},
		"a fraction":               {offerWith(`"priority":1.5`), []string{"priority"}},
		"an exponent":              {offerWith(`"priority":1e2`), []string{"priority"}},
		"beyond 64 bits":           {offerWith(`"priority":9223372036854775808`), []string{"priority"}},
		"a number as a text":       {offerWith(`"priority":"1"`), []string{"priority"}},
		"a text as a list":         {offerWith(`"labels":"a"`), []string{"labels"}},
		"a list as an object":      {offerWith(`"scope":[]`), []string{"scope"}},
		"an object as a list":      {offerWith(`"labels":{"a":"b"}`), []string{"labels"}},
		"a text as a truth":        {offerWith(`"automatic":"true"`), []string{"automatic"}},
		"no such name":             {offerWith(`"restore":"always"`), []string{"restore"}},
		"a rate as a number":       {`{"id":"a","name":"A","benefit":{"type":"percent","percent":10}}`, []string{"benefit.percent"}},
		"a rate that rounds":       {`{"id":"a","name":"A","benefit":{"type":"percent","percent":"1.0000001"}}`, []string{"benefit.percent"}},
		"no type":                  {`{"id":"a","name":"A","benefit":{"percent":"10"}}`, []string{"benefit.type"}},
		"no such type":             {`{"id":"a","name":"A","benefit":{"type":"half"}}`, []string{"benefit.type"}},
		"a type's other members":   {`{"id":"a","name":"A","benefit":{"type":"gift","product":"mug","count":1,"units":{"max":1},"percent":"1"}}`, []string{"benefit.percent", "benefit.units"}},
		"a condition's other one":  {offerWith(`"conditions":[{"type":"new_customer","any":["x"]}]`), []string{"conditions[0].any"}},
		"a condition of no type":   {offerWith(`"conditions":[{"type":"new_customer"},{"type":"old_customer"}]`), []string{"conditions[1].type"}},
		"not of two":               {offerWith(`"conditions":[{"type":"not","conditions":[{"type":"new_customer"},{"type":"new_customer"}]}]`), []string{"conditions[0].conditions"}},
		"an argument twice":        {offerWith(`"conditions":[{"type":"predicate","name":"pickup","version":1,"arguments":{"a":"1","a":"2"}}]`), []string{`conditions[0].arguments["a"]`}},
		"amounts as a list":        {offerWith(`"limits":[{"per":"offer","money":[{"amount":"1.00","currency":"EUR"}]}]`), []string{"limits[0].money"}},
		"a currency twice":         {offerWith(`"limits":[{"per":"offer","money":{"EUR":"1.00","EUR":"1.00"}}]`), []string{"limits[0].money.EUR"}},
		"no such currency":         {offerWith(`"limits":[{"per":"offer","money":{"eur":"1.00"}}]`), []string{"limits[0].money.eur"}},
		"an amount as a number":    {offerWith(`"limits":[{"per":"offer","money":{"EUR":1}}]`), []string{"limits[0].money.EUR"}},
		"no such day":              {offerWith(`"schedule":{"weekly":[{"days":["monday","Friday"]}]}`), []string{"schedule.weekly[0].days[1]"}},
		"no instant":               {offerWith(`"schedule":{"from":"2026-11-20 12:00"}`), []string{"schedule.from"}},
		"a life beyond all":        {offerWith(`"schedule":{"life_seconds":9223372036854775807}`), []string{"schedule.life_seconds"}},
		"what the offer says, too": {offerWith(`"priority":"x","limits":[{"per":"offer"}],"funding":[{"payer":"brand","percent":"50"}]`), []string{"priority", "limits[0]", "funding"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.ParseOffer([]byte(c.document), pickup)
			require.ErrorIs(t, err, coupon.ErrOffer)
			require.Equal(t, c.paths, paths(t, err), err.Error())
		})
	}
	t.Run("too deep", func(t *testing.T) {
		_, err := coupon.ParseOffer([]byte(offerWith(`"conditions":[` + deep + `]`)))
		require.ErrorIs(t, err, coupon.ErrOffer)
		require.ErrorContains(t, err, "nested more than 16 deep")
	})
	t.Run("countless faults", func(t *testing.T) {
		_, err := coupon.ParseOffer([]byte(offerWith(`"labels":[` + strings.Repeat("1,", 10_000) + `1]`)))
		require.Len(t, paths(t, err), 51)
	})
}

// What the schema requires is not guessed where it is left out: a limit that does not say
// for whom would count for all customers together.
func TestOffersSayWhatTheSchemaRequires(t *testing.T) {
	for document, path := range map[string]string{
		`"limits":[{"uses":1}]`:  "limits[0].per",
		`"group":{}`:             "group.name",
		`"group":{"name":""}`:    "group.name",
		`"group":{"first":true}`: "group.name",
	} {
		_, err := coupon.ParseOffer([]byte(offerWith(document)))
		assert.Equal(t, []string{path}, paths(t, err), document)
		var o coupon.Offer
		assert.ErrorIs(t, json.Unmarshal([]byte(offerWith(document)), &o), coupon.ErrOffer, document)
	}
	_, err := coupon.ParseOffer([]byte(`{"id":"a","name":"a","benefit":{"type":"percent","percent":"10","units":{"pick":"dearest"}}}`))
	assert.Equal(t, []string{"benefit.units.max"}, paths(t, err))
}

// Half of a surrogate pair is no character: encoding/json reads every one as U+FFFD, so
// that names that differ would be the same.
func TestDocumentsWithHalfACharacter(t *testing.T) {
	named := func(name string) []byte {
		return []byte(`{"id":"a","name":"` + name + `","benefit":{"type":"percent","percent":"10"}}`)
	}
	for _, name := range []string{`\ud800`, `a\udc00`, `\uD83Dx`, `\ud83d\ud83d`, `\ud83d\u0041`, `\ude00\ud83d`, `\\\ud800`, `\ud83d\n`} {
		_, err := coupon.ParseOffer(named(name))
		assert.ErrorIs(t, err, coupon.ErrOffer, name)
		assert.ErrorContains(t, err, "is half a character", name)
	}
	for name, want := range map[string]string{`\ud83d\ude00`: "\U0001f600", `\\ud800`: `\ud800`, `\ufffd`: "\ufffd", `\u00e9`: "é"} {
		o, err := coupon.ParseOffer(named(name))
		require.NoError(t, err, name)
		assert.Equal(t, want, o.Name)
	}
}

// As encoding/json reads it: as strictly, without checking what the offer says.
func TestOffersUnmarshal(t *testing.T) {
	var all []coupon.Offer
	require.NoError(t, json.Unmarshal([]byte(`[{"id":"A","name":"","benefit":{"type":"gift","product":"mug","count":1}}]`), &all))
	require.Error(t, all[0].Validate())
	before := all[0]
	require.ErrorIs(t, json.Unmarshal([]byte(`{"id":"B","id":"C"}`), &all[0]), coupon.ErrOffer)
	require.Equal(t, before, all[0])
	_, err := json.Marshal(coupon.Offer{})
	require.ErrorIs(t, err, coupon.ErrOffer)
}

func TestAmountsAsJSON(t *testing.T) {
	amounts := coupon.Amounts{ledger.MustMoney("6.00", usd), eur("5.00"), ledger.MustMoney("300", ledger.MustCurrency("PTS:0"))}
	text, err := json.Marshal(amounts)
	require.NoError(t, err)
	assert.Equal(t, `{"USD":"6.00","EUR":"5.00","PTS:0":"300"}`, string(text))
	var read coupon.Amounts
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, amounts, read)
	for _, text := range []string{`null`, `[]`, `{"EUR":5}`, `{"EUR":"5","EUR":"6"}`, `{"EUR":null}`, `{"XXX":"1"}`, `{"EUR":"1e1"}`} {
		require.ErrorIs(t, json.Unmarshal([]byte(text), &read), coupon.ErrOffer, text)
		assert.Equal(t, amounts, read)
	}
	for _, amounts := range []coupon.Amounts{{{}}, {eur("1.00"), eur("1.00")}} {
		_, err := json.Marshal(amounts)
		require.ErrorIs(t, err, coupon.ErrOffer)
	}
}

// Whatever a valid offer says, its document says it: it fits the schema, and is read
// as the same offer.
func TestAnyOfferIsItsDocument(t *testing.T) {
	schema := newSchemas(t, coupon.OfferSchema())
	rapid.Check(t, func(t *rapid.T) {
		offer := drawAnyOffer(t, "a")
		document, err := json.Marshal(offer)
		require.NoError(t, err)
		require.Empty(t, schema.check(document), "%s", document)
		read, err := coupon.ParseOffer(document, pickup)
		require.NoError(t, err, "%s", document)
		require.Equal(t, offer, read)
		again, err := json.Marshal(read)
		require.NoError(t, err)
		require.Equal(t, string(document), string(again))
	})
}

// The schema refuses what the reader refuses for its form.
func TestTheSchemaRefusesToo(t *testing.T) {
	schema := newSchemas(t, coupon.OfferSchema())
	require.Empty(t, schema.check([]byte(offerWith(`"priority":1`))))
	for _, member := range []string{
		`"extra":1`, `"priority":"1"`, `"priority":1001`, `"labels":["A"]`, `"restore":"always"`, `"benefit":{"type":"half"}`,
		`"benefit":{"type":"amount","amounts":{"EUR":"1.00"},"units":{"max":1}}`, `"benefit":{"type":"percent"}`,
		`"conditions":[{"type":"new_customer","any":["x"]}]`, `"limits":[{"per":"offer","money":{"eur":"1.00"}}]`,
		`"schedule":{"from":"noon"}`, `"schedule":{"weekly":[{"days":["Monday"]}]}`,
	} {
		assert.NotEmpty(t, schema.check([]byte(offerWith(member))), member)
	}
}

// Whatever the document, reading it answers with a valid offer that is written and
// read the same, or with faults.
func FuzzParseOffer(f *testing.F) {
	for _, offer := range []coupon.Offer{everything(), amountOff("x", "5.00")} {
		document, err := json.Marshal(offer)
		require.NoError(f, err)
		f.Add(document)
	}
	f.Add([]byte(offerWith(`"conditions":[{"type":"any","conditions":[{"type":"not","conditions":[{"type":"minimum_spend","amounts":{"JPY":"3"}}]}]}]`)))
	f.Add([]byte(offerWith(`"schedule":{"weekly":[{"days":["monday"],"from":"23:00","until":"01:00"}],"blackouts":[{"name":"x","until":"2026-11-20T12:00:00+01:00"}]}`)))
	f.Add([]byte(`{"id":"a","id":null,"ID":[[[{"a":1e999}]]],"benefit":{"type":1}} `))
	f.Fuzz(func(t *testing.T, document []byte) {
		offer, err := coupon.ParseOffer(document, pickup)
		if err != nil {
			require.ErrorIs(t, err, coupon.ErrOffer)
			require.NotEmpty(t, paths(t, err))
			return
		}
		require.NoError(t, offer.Validate(pickup))
		written, err := json.Marshal(offer)
		require.NoError(t, err)
		read, err := coupon.ParseOffer(written, pickup)
		require.NoError(t, err)
		again, err := json.Marshal(read)
		require.NoError(t, err)
		require.Equal(t, string(written), string(again))
	})
}

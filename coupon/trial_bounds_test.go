package coupon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
)

// The work that a trial may ask for is bounded: up to the bound it is read.
func TestTrialsAskForBoundedWork(t *testing.T) {
	entries := func(n int, entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	names := func(n int) string { return `["` + strings.Repeat(`a","`, n-1) + `a"]` }
	document := func(lines, offers int, more string) string {
		return fmt.Sprintf(`{"cart":{"lines":[%s]},"offers":[%s]%s}`, entries(lines, "{}"), entries(offers, "{}"), more)
	}
	exclusions := func(products, offers, labels int) string {
		return fmt.Sprintf(`,"exclusions":[{"products":%s,"offers":%s,"labels":%s}]`, names(products), names(offers), names(labels))
	}
	for name, c := range map[string]struct {
		document string
		path     string // that a fault of the work has; "": none
	}{
		"as many offers":                        {document(0, 10_000, ""), ""},
		"an offer more":                         {document(0, 10_001, ""), "offers"},
		"as many coupons":                       {document(1, 1, `,"coupons":[`+entries(10_000, "{}")+`]`), ""},
		"a coupon more":                         {document(1, 1, `,"coupons":[`+entries(10_001, "{}")+`]`), "coupons"},
		"as many predicates":                    {document(1, 1, `,"predicates":[`+entries(10_000, "{}")+`]`), ""},
		"a predicate more":                      {document(1, 1, `,"predicates":[`+entries(10_001, "{}")+`]`), "predicates"},
		"as many codes and coupons of a wallet": {document(1, 1, `,"codes":`+names(20)+`,"wallet":`+names(30)), ""},
		"a code more":                           {document(1, 1, `,"codes":`+names(21)+`,"wallet":`+names(30)), "codes"},
		"as many offers for lines":              {document(50, 10_000, ""), ""},
		"an offer more for lines":               {document(5_000, 101, ""), "offers"},
		"names of exclusions without end":       {document(500, 1_000, exclusions(10_000, 20, 20)), ""}, // their work does not multiply with lines and offers
		"as many exclusions":                    {document(1, 1, `,"exclusions":[`+entries(10_000, "{}")+`]`), ""},
		"an exclusion more":                     {document(1, 1, `,"exclusions":[`+entries(10_001, "{}")+`]`), "exclusions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.ParseTrial([]byte(c.document))
			if found := paths(t, err); c.path != "" {
				assert.Equal(t, []string{c.path}, found)
			} else {
				assert.NotSubset(t, []string{"offers", "coupons", "predicates", "codes", "exclusions"}, found[:1])
			}
		})
	}
}

// Figures of what was used are read up to their bounds, and what is at a bound is no fault.
func TestTrialsReadFiguresUpToTheirBounds(t *testing.T) {
	held := func(members string) string {
		return trialWith(`,"coupons":[{"id":"c","offer":"five","holder":"jane",` + members + `}]`)
	}
	for name, c := range map[string]struct {
		document string
		path     string // of a fault; "": none
	}{
		"as many uses as there may be":     {held(`"uses":1000000`), ""},
		"a use more":                       {held(`"uses":1000001`), "coupons[0].uses"},
		"as much used as there may be":     {held(`"used":999,"reserved":["2026-11-20T12:15:00Z"]`), ""},
		"one more that is used":            {held(`"used":1000,"reserved":["2026-11-20T12:15:00Z"]`), "coupons[0].used"},
		"used for nothing":                 {trialWith(`,"used":{"five":[{"per":"customer","uses":0}]}`), ""},
		"used below nothing":               {trialWith(`,"used":{"five":[{"per":"customer","uses":-1}]}`), `used["five"][0]`},
		"used of a coupon nobody holds":    {trialWith(`,"coupons":[{"id":"c","offer":"five"}],"used":{"five":[{"per":"coupon","coupon":"c","uses":1}]}`), ""},
		"used of a coupon somebody holds":  {trialWith(`,"coupons":[{"id":"c","offer":"five","holder":"jane"}],"used":{"five":[{"per":"coupon","coupon":"c","uses":1}]}`), `used["five"][0].coupon`},
		"a price that is none":             {strings.Replace(trialWith(``), `"20.00"`, `"2O.00"`, 1), "cart.lines[0].unit_price"},
		"a price below the smallest coin":  {strings.Replace(trialWith(``), `"20.00"`, `"20.001"`, 1), "cart.lines[0].total"},
		"a floor that says nothing":        {strings.Replace(trialWith(``), `"20.00"`, `"20.00","floor":""`, 1), "cart.lines[0].floor"},
		"used by nobody knows whom":        {strings.Replace(trialWith(`,"used":{"five":[{"uses":1}]}`), `"per":"customer"`, `"per":"offer"`, 1), `used["five"][0].per`},
		"money used that says nothing":     {strings.Replace(trialWith(`,"used":{"five":[{"per":"customer","money":""}]}`), `"uses":2`, `"money":{"EUR":"9.00"}`, 1), `used["five"][0].money`},
		"a predicate without an answer":    {trialWith(`,"predicates":[{"name":"p","version":1}]`), "predicates[0].holds"},
		"the same price in another notion": {strings.Replace(trialWith(``), `"20.00"`, `"20.000"`, 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := coupon.ParseTrial([]byte(c.document))
			if c.path == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, []string{c.path}, paths(t, err))
		})
	}
}

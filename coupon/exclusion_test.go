package coupon_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// keepsOut is what an exclusion says, word by word.
func keepsOut(e coupon.Exclusion, l coupon.Line, o coupon.Offer, at time.Time) bool {
	if e.Seller != l.Seller || !e.Contains(at) || len(e.Products) > 0 && !slices.Contains(e.Products, l.Product) {
		return false
	}
	labelled := slices.ContainsFunc(e.Labels, func(label string) bool { return slices.Contains(o.Labels, label) })
	return len(e.Offers)+len(e.Labels) == 0 || slices.Contains(e.Offers, o.ID) || labelled
}

// An offer takes something off a line, or of a seller's delivery, just where no
// exclusion says otherwise.
func TestExclusionsMeanWhatTheySay(t *testing.T) {
	some := func(t *rapid.T, label string, names ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID[string]).Draw(t, label)
	}
	rapid.Check(t, func(t *rapid.T) {
		cart := cartOf()
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			line := item("10.00", 1)
			line.ID, line.Product, line.Seller = fmt.Sprint(i), rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "product"), rapid.SampledFrom([]string{"s", "t"}).Draw(t, "seller")
			cart.Lines = append(cart.Lines, line)
		}
		cart.Shipping = []coupon.Shipping{{ID: "s", Seller: "s", Price: eur("1.00")}, {ID: "t", Seller: "t", Price: eur("1.00")}}
		var facts coupon.Facts
		for i := range rapid.IntRange(0, 6).Draw(t, "exclusions") {
			e := coupon.Exclusion{
				ID: fmt.Sprint(i), Seller: rapid.SampledFrom([]string{"s", "t", "u"}).Draw(t, "seller"),
				Products: some(t, "products", "p", "q", "not in the cart"), Offers: some(t, "offers", "a", "b", "ship"), Labels: some(t, "labels", "x", "y"),
			}
			if rapid.Bool().Draw(t, "over") {
				e.Until = noon
			}
			facts.Exclusions = append(facts.Exclusions, e)
		}
		var candidates []coupon.Candidate
		offers := map[string]coupon.Offer{"ship": giving("ship", coupon.ShippingOff{Rate: ledger.MustRate("100")})}
		for _, id := range []string{"a", "b"} {
			offers[id] = percentOff(id, "10")
		}
		for _, id := range []string{"a", "b", "ship"} {
			o := automatic(freely(offers[id]))
			o.Labels = some(t, "labels of "+id, "x", "y")
			if id != "ship" {
				o.Scope.In.Products = some(t, "scope of "+id, "p", "q") // by which the lines are found, or all are gone through
			}
			offers[id] = o
			v, err := coupon.NewVersion(o)
			require.NoError(t, err)
			candidates = append(candidates, coupon.Candidate{Version: v})
		}
		q, err := coupon.Decide(cart, candidates, facts, noon)
		require.NoError(t, err)
		for i, line := range cart.Lines {
			for _, id := range []string{"a", "b"} {
				o := offers[id]
				in := len(o.Scope.In.Products) == 0 || slices.Contains(o.Scope.In.Products, line.Product)
				out := slices.ContainsFunc(facts.Exclusions, func(e coupon.Exclusion) bool { return keepsOut(e, line, o, noon) })
				off := slices.ContainsFunc(q.Lines()[i].Off, func(a coupon.Off) bool { return q.Applied()[a.Applied].Offer == id })
				require.Equal(t, in && !out, off, "offer %s on line %d", id, i)
			}
		}
	})
}

// hostile is a document of many exclusions that concern each of many lines and offers.
func hostile(lines, offers, exclusions, products int) []byte {
	list := func(n int, entry func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = entry(i)
		}
		return strings.Join(all, ",")
	}
	return []byte(`{"at":"2026-11-20T12:00:00Z","cart":{"currency":"EUR","lines":[` + list(lines, func(i int) string {
		return fmt.Sprintf(`{"id":"%d","product":"p%d","seller":"s","quantity":1,"unit_price":"1.00"}`, i, i)
	}) + `]},"offers":[` + list(offers, func(i int) string {
		return fmt.Sprintf(`{"id":"o%d","name":"o","automatic":true,"labels":["l"],"combine":{"freely":true},"benefit":{"type":"percent","percent":"1"}}`, i)
	}) + `],"exclusions":[` + list(exclusions, func(i int) string {
		return fmt.Sprintf(`{"id":"%d","seller":"s","labels":["l"],"products":[%s]}`, i, list(products, func(j int) string { return fmt.Sprintf(`"p%d"`, lines/2+j) }))
	}) + `]}`)
}

// What exclusions name does not multiply with lines and offers: as much of it as a
// document holds is judged.
func TestManyExclusions(t *testing.T) {
	trial, err := coupon.ParseTrial(hostile(400, 400, 100, 1000))
	require.NoError(t, err)
	q, err := coupon.Decide(trial.Cart, trial.Candidates, trial.Facts, trial.At)
	require.NoError(t, err)
	for i, line := range q.Lines() {
		require.Equal(t, i < 200, len(line.Off) > 0, "line %d", i)
	}
}

// BenchmarkManyExclusions states what four times as many exclusions cost, of four times
// as many names in all: no more than four times as much. Held against each line and offer,
// they took as much for each of those again.
func BenchmarkManyExclusions(b *testing.B) {
	for _, n := range []int{25, 100} {
		trial, err := coupon.ParseTrial(hostile(400, 400, n, 1000))
		require.NoError(b, err)
		b.Run(fmt.Sprintf("%d000_names", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := coupon.Decide(trial.Cart, trial.Candidates, trial.Facts, trial.At); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package coupon_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// The work that both yardsticks and quotes do: offers that take a percentage, an amount
// off each unit or an amount off lines, matched by category, seller or product, a
// fifth refused by a minimum, each on what the ones before left.
//
// The yardsticks do less of it: they check nothing, keep no record of what comes off
// which line and why another offer does not apply, work offers out in the order given
// (a quote: those for lines first), and leave over what rounding a share down leaves,
// where a quote gives every coin to a line. TestYardsticksDoTheSameWork says how much
// of the totals that is.

type workOffer struct {
	kind    int // 0 percent, 1 amount per unit, 2 amount over lines
	by      int // 0 category, 1 seller, 2 product
	value   string
	id      int
	amount  int64 // percent or minor units
	minimum int64
}

type workLine struct {
	product, seller, category       string
	productID, sellerID, categoryID int
	quantity, price                 int64
}

func makeWork(lines, offers int) ([]workLine, []workOffer) {
	ls := make([]workLine, lines)
	for i := range ls {
		p, s, c := i%50, i%7, i%5
		ls[i] = workLine{fmt.Sprintf("product-%d", p), fmt.Sprintf("seller-%d", s), fmt.Sprintf("category-%d", c), p, s, c, int64(1 + i%3), int64(500 + i%13*100)}
	}
	os := make([]workOffer, offers)
	for i := range os {
		o := workOffer{kind: i % 3, by: i / 3 % 3, amount: 5}
		switch o.by {
		case 0:
			o.id = i % 5
			o.value = fmt.Sprintf("category-%d", o.id)
		case 1:
			o.id = i % 7
			o.value = fmt.Sprintf("seller-%d", o.id)
		case 2:
			o.id = i % 50
			o.value = fmt.Sprintf("product-%d", o.id)
		}
		if i%5 == 4 {
			o.minimum = 1 << 40
		}
		os[i] = o
	}
	return ls, os
}

// workResult is what a yardstick gives its caller: new slices, as of any function that
// prices a cart, since the caller keeps them while the next cart is priced.
type workResult struct {
	total int64
	now   []int64 // what each line costs after the offers
	took  []int64 // what each offer takes off
}

func newWorkResult(lines []workLine, offers []workOffer) workResult {
	r := workResult{now: make([]int64, len(lines)), took: make([]int64, len(offers))}
	for i := range lines {
		r.now[i] = lines[i].price * lines[i].quantity
	}
	return r
}

// naiveWork is what a developer writes by hand: every offer looks at every line and
// compares texts.
func naiveWork(lines []workLine, offers []workOffer) workResult {
	matched := func(o *workOffer, l *workLine) bool {
		switch o.by {
		case 0:
			return o.value == l.category
		case 1:
			return o.value == l.seller
		}
		return o.value == l.product
	}
	r := newWorkResult(lines, offers)
	now := r.now
	for k := range offers {
		o := &offers[k]
		var original, base int64
		for i := range lines {
			if matched(o, &lines[i]) {
				original += lines[i].price * lines[i].quantity
				base += now[i]
			}
		}
		if original < o.minimum || base == 0 {
			continue
		}
		off := o.off(base)
		rest := min(off, base)
		for i := range lines {
			if matched(o, &lines[i]) {
				r.took[k] += o.take(&lines[i], &now[i], off, base, &rest)
			}
		}
		r.total += r.took[k]
	}
	return r
}

// workIndex leads from the ids of categories, sellers and products to lines.
type workIndex [3][][]int

func newWorkIndex(lines []workLine) (x workIndex) {
	for by, n := range []int{5, 7, 50} {
		x[by] = make([][]int, n)
	}
	for i, l := range lines {
		for by, id := range []int{l.categoryID, l.sellerID, l.productID} {
			x[by][id] = append(x[by][id], i)
		}
	}
	return x
}

// limitWork is the same over interned ids and an index of the lines that is there already:
// no program that does the work is much faster.
func limitWork(lines []workLine, offers []workOffer, x *workIndex) workResult {
	r := newWorkResult(lines, offers)
	now := r.now
	for k := range offers {
		o := &offers[k]
		matched := x[o.by][o.id]
		var original, base int64
		for _, i := range matched {
			original += lines[i].price * lines[i].quantity
			base += now[i]
		}
		if original < o.minimum || base == 0 {
			continue
		}
		off := o.off(base)
		rest := min(off, base)
		for _, i := range matched {
			r.took[k] += o.take(&lines[i], &now[i], off, base, &rest)
		}
		r.total += r.took[k]
	}
	return r
}

func (o *workOffer) off(base int64) int64 {
	if o.kind == 0 {
		return (base*o.amount + 50) / 100
	}
	return o.amount
}

func (o *workOffer) take(l *workLine, now *int64, off, base int64, rest *int64) int64 {
	share := min(*now*off/base, *rest, *now)
	if o.kind == 1 {
		share = min(o.amount*l.quantity, *now)
	} else {
		*rest -= share
	}
	*now -= share
	return share
}

// workCart is the lines as a cart.
func workCart(lines []workLine) coupon.Cart {
	cart := coupon.Cart{Currency: euro}
	for i, l := range lines {
		cart.Lines = append(cart.Lines, coupon.Line{
			ID: fmt.Sprintf("%04d", i), Product: l.product, Seller: l.seller, Categories: []string{l.category},
			Quantity: l.quantity, UnitPrice: ledger.Minor(l.price, euro),
		})
	}
	return cart
}

func workVersions(t require.TestingT, offers []workOffer) []*coupon.Version {
	var all []*coupon.Version
	for i, o := range offers {
		offer := coupon.Offer{ID: fmt.Sprintf("offer-%05d", i), Name: "o", Automatic: true, Combine: coupon.Combine{Freely: true}}
		five := coupon.Amounts{ledger.Minor(o.amount, euro)}
		switch o.kind {
		case 0:
			offer.Benefit = coupon.PercentOff{Rate: ledger.MustRate("5")}
		case 1:
			offer.Benefit = coupon.AmountOffEach{Amounts: five}
		case 2:
			offer.Benefit = coupon.AmountOff{Amounts: five}
		}
		switch o.by {
		case 0:
			offer.Scope.In.Categories = []string{o.value}
		case 1:
			offer.Scope.In.Sellers = []string{o.value}
		case 2:
			offer.Scope.In.Products = []string{o.value}
		}
		if o.minimum > 0 {
			offer.Conditions = []coupon.Condition{coupon.MinimumSpend{Amounts: coupon.Amounts{ledger.Minor(o.minimum, euro)}}}
		}
		v, err := coupon.NewVersion(offer)
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

func asCandidates(versions []*coupon.Version) []coupon.Candidate {
	var all []coupon.Candidate
	for _, v := range versions {
		all = append(all, coupon.Candidate{Version: v})
	}
	return all
}

var workSizes = []struct{ lines, offers int }{{10, 10}, {100, 100}, {1000, 100}}

// Both yardsticks take the same off, and a quote as much but for the coins that they
// leave over: fewer than one for each line of an offer.
func TestYardsticksDoTheSameWork(t *testing.T) {
	for _, size := range workSizes {
		lines, offers := makeWork(size.lines, size.offers)
		slices.SortStableFunc(offers, func(a, b workOffer) int { return a.kind/2 - b.kind/2 }) // amounts over lines last, as a quote works them out
		x := newWorkIndex(lines)
		result := naiveWork(lines, offers)
		require.Equal(t, result, limitWork(lines, offers, &x))
		total := result.total
		require.Positive(t, total)
		quote, err := coupon.Decide(workCart(lines), asCandidates(workVersions(t, offers)), coupon.Facts{}, noon)
		require.NoError(t, err)
		applied, coins := 0, int64(0)
		for k := range offers {
			matched := x[offers[k].by][offers[k].id]
			if offers[k].minimum == 0 && len(matched) > 0 {
				applied++
			}
			coins += int64(len(matched))
		}
		require.Len(t, quote.Applied(), applied)
		require.InDelta(t, total, quote.Discount.Minor(), float64(coins))
		require.InEpsilon(t, total, quote.Discount.Minor(), 0.02)
	}
}

// BenchmarkQuoteAgainstYardsticks prices one cart with the same offers in four ways,
// taking turns, and states the time of a quote in times that of each yardstick: quote is
// that of a compiled catalogue, decide that of the function.
func BenchmarkQuoteAgainstYardsticks(b *testing.B) {
	for _, size := range workSizes {
		b.Run(fmt.Sprintf("%dx%d", size.lines, size.offers), func(b *testing.B) {
			lines, offers := makeWork(size.lines, size.offers)
			x := newWorkIndex(lines)
			cart, versions := workCart(lines), workVersions(b, offers)
			candidates, catalog := asCandidates(versions), coupon.NewCatalog(versions...)
			var kept workResult
			t := takeTurns(b, 4_000/(size.lines*size.offers)+1, map[string]func(){
				"naive":  func() { kept = naiveWork(lines, offers) },
				"limit":  func() { kept = limitWork(lines, offers, &x) },
				"quote":  func() { priced(b)(catalog.Decide(cart, nil, coupon.Facts{}, noon)) },
				"decide": func() { priced(b)(coupon.Decide(cart, candidates, coupon.Facts{}, noon)) },
			})
			require.Positive(b, kept.total)
			for _, way := range []string{"quote", "decide"} {
				t.compare(b, way, "naive")
				t.compare(b, way, "limit")
			}
			b.ReportMetric(testing.AllocsPerRun(5, func() { priced(b)(catalog.Decide(cart, nil, coupon.Facts{}, noon)) }), "allocs/quote")
		})
	}
}

func priced(b *testing.B) func(*coupon.Quote, error) {
	return func(_ *coupon.Quote, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// turns is how long several ways to do something took, in turns, so that what else the
// machine does meets all of them alike.
type turns map[string][]float64

// takeTurns runs each way so many times in its turn.
func takeTurns(b *testing.B, times int, ways map[string]func()) turns {
	took := make(turns)
	for b.Loop() {
		for name, way := range ways {
			begin := time.Now()
			for range times {
				way()
			}
			took[name] = append(took[name], float64(time.Since(begin).Nanoseconds())/float64(times))
		}
	}
	b.ReportMetric(0, "ns/op") // of all ways together, which says nothing
	return took
}

// typical is what a way takes in the quarter of its turns that the machine disturbed
// least, at most; so collecting garbage counts where it falls into most turns.
func (t turns) typical(way string) float64 {
	all := slices.Sorted(slices.Values(t[way]))
	return all[len(all)/4]
}

// compare states how many times as long one way takes as another.
func (t turns) compare(b *testing.B, way, than string) {
	b.ReportMetric(t.typical(way)/t.typical(than), way+"-x-"+than)
	b.ReportMetric(t.typical(way), way+"-ns")
	b.ReportMetric(t.typical(than), than+"-ns")
}

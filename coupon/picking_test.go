package coupon_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// The units of a line stay in their order when an offer before has cut it.
func TestCartOrderOfUnitsThatWereCut(t *testing.T) {
	one := func(id string, pick coupon.Pick) coupon.Offer {
		return freely(giving(id, coupon.PercentOff{Rate: half, Units: someUnits(1, pick)}))
	}
	q := decide(t, cartOf(item("10.00", 3)), first(one("cheapest", coupon.Cheapest)), one("in.order", coupon.CartOrder))
	require.Equal(t, []string{"cheapest", "in.order"}, applied(q))
	require.Equal(t, eur("5.00"), q.Applied()[1].Amount, "the last unit is the one that was cut off")
}

// piece is some units of a line that cost the same, to the coin.
type piece struct {
	line       int
	units, now int64
}

// compareUnits compares what a unit costs, to any fraction of a coin.
func (p piece) compareUnits(other piece) int {
	return cmp.Compare(p.now*other.units, other.now*p.units)
}

// cut gives the first units and the last n: they share evenly, and the first carry what
// does not divide.
func (p piece) cut(n int64) (first, last piece) {
	first = piece{line: p.line, units: p.units - n}
	first.now = first.units*(p.now/p.units) + min(first.units, p.now%p.units)
	return first, piece{p.line, n, p.now - first.now}
}

// takeOff takes an amount off each of n units by a pick. The pieces stand in the order of
// the cart, and stay in it.
func takeOff(pieces []piece, each, n int64, pick coupon.Pick) []piece {
	order := make([]int, len(pieces))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch c := pieces[a].compareUnits(pieces[b]); pick {
		case coupon.Cheapest:
			return c
		case coupon.Dearest:
			return -c
		}
		return 0
	})
	counted := make([]int64, len(pieces))
	for _, i := range order {
		counted[i] = min(n, pieces[i].units)
		n -= counted[i]
	}
	var after []piece
	for i, p := range pieces {
		if counted[i] < p.units {
			first, last := p.cut(counted[i])
			after, p = append(after, first), last
		}
		if p.units > 0 {
			p.now -= each * p.units
			after = append(after, p)
		}
	}
	return after
}

// requirePicked decides offers that take an amount off some units, one after the other, and
// compares what comes off each line.
func requirePicked(t require.TestingT, cart coupon.Cart, picks []coupon.AmountOffEach) {
	var pieces []piece
	for i, l := range cart.Lines {
		pieces = append(pieces, piece{i, l.Quantity, l.Total.Minor()})
	}
	var all []coupon.Candidate
	for i, b := range picks {
		all = append(all, coupon.Candidate{Version: mustVersion(freely(giving(fmt.Sprint("offer", i), b)))})
		pieces = takeOff(pieces, b.Amounts[0].Minor(), b.Units.Max, b.Units.Pick)
	}
	want := make([]int64, len(cart.Lines))
	for i, l := range cart.Lines {
		want[i] = l.Total.Minor()
	}
	for _, p := range pieces {
		want[p.line] -= p.now
	}
	q, err := coupon.Decide(cart, all, coupon.Facts{}, noon)
	require.NoError(t, err)
	require.Equal(t, want, off(q), "%v %v", cart.Lines, picks)
}

func centsOff(each, units int64, pick coupon.Pick) coupon.AmountOffEach {
	return coupon.AmountOffEach{Amounts: coupon.Amounts{ledger.Minor(each, euro)}, Units: someUnits(units, pick)}
}

// Which unit is the cheapest, or the dearest, is decided to the fraction of a coin; of equal
// ones the first counts.
func TestUnitsAreComparedToTheFractionOfACoin(t *testing.T) {
	for _, pick := range []coupon.Pick{coupon.Cheapest, coupon.Dearest, coupon.CartOrder} {
		for quantities := range 25 {
			for totals := range 36 {
				a := total(1+int64(quantities)/5, "0.00")
				b := total(1+int64(quantities)%5, "0.00")
				a.Total, b.Total = ledger.Minor(20+int64(totals)/6, euro), ledger.Minor(20+int64(totals)%6, euro)
				requirePicked(t, cartOf(a, b), []coupon.AmountOffEach{centsOff(1, 1, pick)})
			}
		}
	}
}

// Offers that count some units of many lines count those that they say, on what the offers
// before left of each.
func TestOffersCountTheUnitsTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cart []coupon.Line
		for range rapid.IntRange(1, 9).Draw(t, "lines") {
			line := total(rapid.Int64Range(1, 5).Draw(t, "quantity"), "0.00")
			if line.Total = drawMoney(t, "total", 100, 130); rapid.Bool().Draw(t, "of a price that others have") {
				line.Total = ledger.Minor(line.Quantity*rapid.Int64Range(50, 51).Draw(t, "price"), euro)
			}
			cart = append(cart, line)
		}
		var picks []coupon.AmountOffEach
		for range rapid.IntRange(1, 4).Draw(t, "offers") {
			picks = append(picks, centsOff(rapid.Int64Range(1, 5).Draw(t, "each"), rapid.Int64Range(1, 20).Draw(t, "units"), coupon.Pick(rapid.IntRange(0, 2).Draw(t, "pick"))))
		}
		requirePicked(t, cartOf(cart...), picks)
	})
}

// An offer that chooses a unit and takes nothing off it leaves the line as it was, with
// what others take off it.
func TestUnitsChosenInVainStayInTheirLine(t *testing.T) {
	at := func(o coupon.Offer, priority int) coupon.Offer {
		return changed(freely(o), func(o *coupon.Offer) { o.Priority = priority })
	}
	one := giving("one", coupon.FixedPrice{Prices: euros("9.00"), Units: someUnits(1, coupon.Cheapest)})
	q := decide(t, cartOf(item("10.00", 3)), at(percentOff("a", "10"), 9), at(percentOff("b", "10"), 8), at(one, 7), at(percentOff("c", "50"), 0))
	require.Equal(t, []string{"a", "b", "c"}, applied(q))
	line := q.Lines()[0]
	require.Len(t, line.Parts, 1)
	require.Equal(t, []ledger.Money{eur("30.00"), eur("12.15")}, []ledger.Money{line.Parts[0].Price, line.Parts[0].Total})
	require.Equal(t, []coupon.Off{{Applied: 0, Amount: eur("3.00")}, {Applied: 1, Amount: eur("2.70")}, {Applied: 2, Amount: eur("12.15")}}, line.Parts[0].Off)
	checkSums(t, q)
}

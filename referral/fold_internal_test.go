package referral

import (
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

var (
	begin = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	euro  = ledger.MustCurrency("EUR")
)

func paidFact(order string, amount int64, at time.Duration) factBody {
	return factBody{ID: order, Kind: FactPaid, Order: order, Amount: amount, Currency: euro, At: micros(begin.Add(at))}
}

func backFact(order, id string, amount int64, at time.Duration) factBody {
	return factBody{ID: id, Kind: FactRefunded, Order: order, Amount: amount, Currency: euro, At: micros(begin.Add(at))}
}

// drawFacts are payments and returns of a few orders, each once.
func drawFacts(t *rapid.T) []factBody {
	hours := func() time.Duration {
		return time.Duration(rapid.IntRange(-2, 60).Draw(t, "hours")) * time.Hour
	}
	var facts []factBody
	for _, order := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, "paid "+order) {
			facts = append(facts, paidFact(order, rapid.Int64Range(0, 3000).Draw(t, "amount"), hours()))
		}
		for _, id := range []string{"1", "2"}[:rapid.IntRange(0, 2).Draw(t, "returns")] {
			f := backFact(order, id, rapid.Int64Range(0, 2000).Draw(t, "back"), hours())
			f.Everything = rapid.IntRange(0, 4).Draw(t, "everything") == 0
			facts = append(facts, f)
		}
	}
	return facts
}

func drawTerms(t *rapid.T) *Program {
	var p Program
	if rapid.Bool().Draw(t, "minimum") {
		p.MinimumSpend = coupon.Amounts{ledger.Minor(1000, euro)}
	}
	if rapid.Bool().Draw(t, "in time") {
		p.QualifyWithin = 48 * time.Hour
	}
	return &p
}

// The fold is pure: neither the order of facts nor their number changes it, and it
// leaves them as they are.
func TestTheFoldDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, facts := drawTerms(t), drawFacts(t)
		want, found := first(terms, begin, facts)
		shuffled := slices.Clone(facts)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		before := slices.Clone(shuffled)
		got, again := first(terms, begin, shuffled)
		require.Equal(t, want, got)
		require.Equal(t, found, again)
		require.Equal(t, before, shuffled)

		b := referralBody{State: StateBound, Bound: micros(begin)}
		for _, f := range slices.Concat(facts, shuffled) {
			_, err := b.record(f)
			require.NoError(t, err)
		}
		require.Len(t, b.Facts, len(facts))
		got, again = first(terms, begin, b.Facts)
		require.Equal(t, want, got)
		require.Equal(t, found, again)
	})
}

// More refund never means more reward: it never makes a payment count or stand, nor
// another one count.
func TestMoreRefundNeverMoreReward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, facts := drawTerms(t), drawFacts(t)
		before, found := first(terms, begin, facts)
		more := slices.Concat(facts, []factBody{backFact(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "order"), "more",
			rapid.Int64Range(0, 1<<62).Draw(t, "more"), time.Hour)})
		after, still := first(terms, begin, more)
		require.Equal(t, found, still)
		require.Equal(t, before.order, after.order)
		require.False(t, after.stands && !before.stands)
	})
}

// A larger return of the same goods is never better for anybody.
func TestRefundsThatWrapRound(t *testing.T) {
	facts := []factBody{paidFact("a", 100, 0)}
	for _, id := range []string{"1", "2", "3", "4"} {
		facts = append(facts, backFact("a", id, 1<<62, time.Hour))
		p, found := first(&Program{}, begin, facts)
		require.True(t, found)
		require.False(t, p.stands, id)
	}
}

// What is done next leads on: every move but staying changes the state or the
// payment, ends are final, and nothing is confirmed before its time.
func TestMovesLeadOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		terms.Hold = 3 * time.Hour
		b := referralBody{State: StateBound, Bound: micros(begin)}
		var now time.Time
		for _, f := range drawFacts(t) {
			if _, err := b.record(f); err != nil {
				t.Fatal(err)
			}
			now = begin.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "now")) * time.Hour)
			for range 5 {
				before := b.State
				move, p := b.next(terms, now)
				if move == stay {
					break
				}
				require.False(t, before.final())
				b.State = follow(t, &b, move, p, terms, now)
			}
			move, _ := b.next(terms, now)
			require.Equal(t, stay, move)
		}
	})
}

// follow makes a move, and requires that it is one of those allowed.
func follow(t *rapid.T, b *referralBody, m move, p payment, terms *Program, now time.Time) State {
	switch {
	case m == qualify && b.State == StateBound, m == rehold && b.State == StateHeld:
		require.True(t, p.stands)
		b.Order, b.Paid, b.HoldUntil = p.order, micros(p.at), micros(p.at.Add(terms.Hold))
		return StateHeld
	case m == confirm && b.State == StateHeld:
		require.False(t, now.Before(p.at.Add(terms.Hold)))
		require.True(t, p.stands)
		return StateConfirmed
	case m == expire && b.State == StateBound:
		require.False(t, now.Before(begin.Add(terms.QualifyWithin)))
		return StateExpired
	case m == void && (b.State == StateBound || b.State == StateHeld):
		require.False(t, p.stands)
		return StateVoided
	case m == reverse && b.State == StateConfirmed:
		require.False(t, p.stands)
		return StateReversed
	}
	t.Fatalf("%d is no move from %s", m, b.State)
	return ""
}

func BenchmarkFold(b *testing.B) {
	for name, n := range map[string]int{"10_facts": 10, "1000_facts": 1000} {
		var facts []factBody
		for i := range n / 2 {
			order := time.Duration(i).String()
			facts = append(facts, paidFact(order, 1000, time.Duration(i)), backFact(order, "r", 10, time.Duration(i)))
		}
		body := referralBody{State: StateBound, Bound: micros(begin), Facts: facts}
		terms := &Program{}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if move, _ := body.next(terms, begin); move != qualify {
					b.Fatal(move)
				}
			}
		})
	}
}

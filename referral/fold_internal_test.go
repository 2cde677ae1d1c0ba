package referral

import (
	"cmp"
	"fmt"
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
	for _, order := range []string{"a", "b", "c", "d"} {
		if rapid.IntRange(0, 4).Draw(t, "paid "+order) > 0 {
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
	switch rapid.IntRange(0, 3).Draw(t, "several") {
	case 0:
		p.Qualify.Nth = 2
	case 1:
		p.Qualify.Cumulative, p.Qualify.MinimumSpend = true, coupon.Amounts{ledger.Minor(2500, euro)}
	}
	p.Shortfall = rapid.SampledFrom([]Shortfall{ShortfallVoids, ShortfallKeeps, ShortfallReduces}).Draw(t, "shortfall")
	if !p.Qualify.Cumulative && rapid.Bool().Draw(t, "minimum") {
		p.Qualify.MinimumSpend = coupon.Amounts{ledger.Minor(1000, euro)}
	}
	if rapid.Bool().Draw(t, "in time") {
		p.Qualify.Within = 48 * time.Hour
	}
	return &p
}

// The fold is pure: neither the order of facts nor their number changes it, and it
// leaves them as they are.
func TestTheFoldDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, facts := drawTerms(t), drawFacts(t)
		want, found := foldTerms(terms, facts)
		shuffled := slices.Clone(facts)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		before := slices.Clone(shuffled)
		got, again := foldTerms(terms, shuffled)
		require.Equal(t, want, got)
		require.Equal(t, found, again)
		require.Equal(t, before, shuffled)

		b := referralBody{State: StateBound, Bound: micros(begin)}
		for _, f := range slices.Concat(facts, shuffled) {
			_, err := b.record(f)
			require.NoError(t, err)
		}
		require.Len(t, b.Facts, len(facts))
		got, again = fold(terms, begin, terms.deadline(begin, ending{}), b.Facts)
		require.Equal(t, want, got)
		require.Equal(t, found, again)
	})
}

// More refund never means more reward. It never makes payments stand that did not, nor
// makes them enough earlier, nor moves what their reward is worth. Where one payment
// qualifies, it never makes another one count.
func TestMoreRefundNeverMoreReward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, facts := drawTerms(t), drawFacts(t)
		before, found := foldTerms(terms, facts)
		more := slices.Concat(facts, []factBody{backFact(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "order"), "more",
			rapid.OneOf(rapid.Int64Range(0, 3000), rapid.Int64Range(0, 1<<62)).Draw(t, "more"), time.Duration(rapid.IntRange(-2, 60).Draw(t, "when"))*time.Hour)})
		after, still := foldTerms(terms, more)
		require.False(t, after.stands && !before.stands)
		if before.stands && after.stands {
			require.False(t, after.at.Before(before.at))
			require.Equal(t, before.gross, after.gross, "what the reward is worth")
			if terms.Shortfall == ShortfallReduces {
				require.LessOrEqual(t, left(&after), left(&before), "of the reward")
			}
		}
		if terms.Qualify.nth() == 1 && !terms.Qualify.Cumulative {
			require.Equal(t, found, still)
			require.Equal(t, before.order, after.order)
		}
	})
}

// left is what a shortfall leaves of a large reward.
func left(q *qualified) int64 {
	if !q.reduced() {
		return 1e12
	}
	return share(1e12, q.kept, q.asked)
}

// A friend pays two orders, which are enough, and returns the second, which ends it; what
// they buy later does not count. That they returned the first one too, before the second
// was paid, must not make it count.
func TestAnEarlyReturnSavesNothing(t *testing.T) {
	for _, q := range []Qualification{{Nth: 2}, {Cumulative: true, MinimumSpend: coupon.Amounts{ledger.Minor(2000, euro)}}} {
		all := backFact("a", "1", 1000, time.Hour)
		facts := []factBody{
			paidFact("a", 1000, 0), paidFact("b", 1000, 2*time.Hour), backFact("b", "1", 1000, 3*time.Hour),
			paidFact("c", 1000, 4*time.Hour), paidFact("d", 1000, 5*time.Hour),
		}
		for _, more := range [][]factBody{nil, {all}} {
			p, found := foldTerms(&Program{Qualify: q}, slices.Concat(facts, more))
			require.True(t, found)
			require.False(t, p.stands)
		}
		// Without the second return, they made up for the first.
		p, found := foldTerms(&Program{Qualify: q}, append(slices.Delete(slices.Clone(facts), 2, 3), all))
		require.True(t, found && p.stands)
		require.Equal(t, "c", p.order)
		require.Equal(t, begin.Add(2*time.Hour), p.gross)
	}
}

// What once was taken back stays taken back, whatever is told next: so that this is an end
// agrees with what the facts say.
func TestTakenBackStaysSo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, facts := drawTerms(t), drawFacts(t)
		if len(facts) == 0 {
			return
		}
		slices.SortFunc(facts, func(a, b factBody) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Kind, b.Kind)) })
		at := rapid.IntRange(0, len(facts)).Draw(t, "told")
		before, found := foldTerms(terms, facts[:at])
		if !found || before.stands {
			return
		}
		after, still := foldTerms(terms, facts)
		require.True(t, still)
		require.False(t, after.stands)
	})
}

// What came back before its payment, by the clocks, takes effect with it; of several
// payments the last one says what the reward is worth. What is kept then must be kept.
func TestReturnsBeforeTheirPayments(t *testing.T) {
	hour := time.Hour
	for name, c := range map[string]struct {
		facts []factBody
		want  qualified // of the second payment; without an order: nothing qualifies
	}{
		"in part, in two": {
			[]factBody{backFact("a", "1", 300, hour), backFact("a", "2", 200, hour), paidFact("a", 1000, 2*hour), paidFact("b", 400, 3*hour)},
			qualified{order: "b", at: begin.Add(3 * hour), gross: begin.Add(3 * hour), amount: ledger.Minor(400, euro), kept: 900, asked: 900, stands: true},
		},
		"in part, and more afterwards": {
			[]factBody{backFact("a", "1", 500, hour), paidFact("a", 1000, 2*hour), paidFact("b", 400, 3*hour), backFact("a", "2", 200, 4*hour)},
			qualified{order: "b", at: begin.Add(3 * hour), gross: begin.Add(3 * hour), amount: ledger.Minor(400, euro), kept: 700, asked: 900, stands: true},
		},
		"as a whole": {
			[]factBody{backFact("a", "1", 1000, hour), paidFact("a", 1000, 2*hour), paidFact("b", 400, 3*hour)},
			qualified{},
		},
		"as a whole, and another": {
			[]factBody{backFact("a", "1", 1000, hour), paidFact("a", 1000, 2*hour), paidFact("b", 400, 3*hour), paidFact("c", 500, 4*hour)},
			qualified{order: "c", at: begin.Add(4 * hour), gross: begin.Add(3 * hour), amount: ledger.Minor(500, euro), kept: 900, asked: 900, stands: true},
		},
	} {
		got, found := foldTerms(&Program{Qualify: Qualification{Nth: 2}, Shortfall: ShortfallReduces}, c.facts)
		require.Equal(t, c.want.order != "", found, name)
		if found {
			require.Equal(t, c.want, got, name)
			require.Equal(t, got.kept < got.asked, got.reduced(), name)
		}
	}
}

// Terms that give facts time to arrive know those of an instant and before; others all.
func TestFactsThatAreKnown(t *testing.T) {
	b := referralBody{Facts: []factBody{paidFact("a", 1, 0), paidFact("b", 1, time.Microsecond)}}
	require.Len(t, b.known(&Program{}, begin), 2)
	require.Len(t, b.known(&Program{Lateness: time.Hour}, begin), 1)
}

// A threshold that was reached before is not reached again.
func TestThresholdsAreReachedOnce(t *testing.T) {
	p := Program{Thresholds: []Threshold{{AtLeast: 60, Action: ActionReview}, {AtLeast: 80, Action: ActionReject}}}
	checks := []Check{{Kind: CheckSamePhone, Action: ActionScore, Score: 10}}
	for scored, want := range map[int64]string{49: "", 50: "score/60", 59: "score/60", 60: "", 70: "score/80", 80: ""} {
		all := evaluate(&p, checks, []figure{{found: 1, known: true}}, scored)
		require.Equal(t, want != "", len(all) == 2, "after %d", scored)
		if want != "" {
			require.Equal(t, want, all[1].id)
		}
	}
}

// A larger return of the same goods is never better for anybody.
func TestRefundsThatWrapRound(t *testing.T) {
	facts := []factBody{paidFact("a", 100, 0)}
	for _, id := range []string{"1", "2", "3", "4"} {
		facts = append(facts, backFact("a", id, 1<<62, time.Hour))
		p, found := foldTerms(&Program{}, facts)
		require.True(t, found)
		require.False(t, p.stands, id)
	}
}

// What is done next leads on, as the table says: every event but those of facts that
// are known changes the state or what qualifies, ends are final, and nothing is
// confirmed before its time or with an open case.
func TestEventsLeadOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		terms.Hold = 3 * time.Hour
		b := referralBody{State: StateBound, Bound: micros(begin)}
		facts := slices.Concat(drawFacts(t), drawCases(t))
		for _, f := range facts {
			if _, err := b.record(f); err != nil {
				t.Fatal(err)
			}
			now := begin.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "now")) * time.Hour)
			for range 10 {
				on, q := b.event(terms, ending{}, now)
				if on == "" {
					break
				}
				follow(t, &b, on, q, terms, now)
			}
			on, _ := b.event(terms, ending{}, now)
			require.Empty(t, on)
		}
	})
}

// drawCases are cases opened, decided, denied, and the erasure of the friend.
func drawCases(t *rapid.T) []factBody {
	var facts []factBody
	at := func() int64 {
		return micros(begin.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour))
	}
	for _, id := range []string{"c", "d"}[:rapid.IntRange(0, 2).Draw(t, "cases")] {
		facts = append(facts, factBody{
			ID: id, Kind: FactFlagged, Action: rapid.SampledFrom([]Action{ActionReview, ActionWithhold, ActionReject, ActionAllow}).Draw(t, "action"),
			Side: rapid.SampledFrom([]Side{"", Referrer, Referee}).Draw(t, "side"), At: at(), Until: at(),
			Otherwise: rapid.SampledFrom([]Verdict{Approve, Deny}).Draw(t, "otherwise"),
		})
		if rapid.Bool().Draw(t, "reviewed") {
			facts = append(facts, factBody{ID: id, Kind: FactReviewed, Verdict: rapid.SampledFrom([]Verdict{Approve, Deny}).Draw(t, "verdict"), At: at()})
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "erased") == 0 {
		facts = append(facts, factBody{Kind: FactErased, At: at()})
	}
	return facts
}

// follow does what an event asks for, and requires that it had a reason.
func follow(t require.TestingT, b *referralBody, on Event, q qualified, terms *Program, now time.Time) {
	before, row := b.State, b.State.on(on)
	require.False(t, before.final())
	v := judged(b.Facts, now)
	if row.To == before {
		require.Equal(t, EventEarlier, on, "%s in %s", on, before)
	}
	switch on {
	case EventQualifies, EventEarlier:
		require.True(t, q.stands)
		require.False(t, v.open)
		b.Order, b.Paid, b.Gross, b.HoldUntil = q.order, micros(q.at), micros(q.gross), micros(q.at.Add(terms.Hold))
	case EventHoldOver:
		require.False(t, now.Before(q.at.Add(terms.Hold)))
		require.True(t, q.stands)
		require.False(t, v.open)
	case EventTimeOver:
		require.False(t, now.Before(begin.Add(terms.Qualify.Within)))
	case EventTakenBack:
		require.False(t, q.stands)
	case EventFlagged:
		require.True(t, v.open)
		b.Before = before
	case EventApproved:
		require.False(t, v.open)
		if b.Before == StateHeld {
			row.To = row.Or
		}
	case EventDenied:
		require.True(t, v.both())
	case EventErased:
		require.True(t, erased(b.Facts))
	}
	b.State = row.To
}

// foldTerms folds facts in any order, as a referral would have them.
func foldTerms(terms *Program, facts []factBody) (qualified, bool) {
	b := referralBody{State: StateBound, Bound: micros(begin)}
	for _, f := range facts {
		if _, err := b.record(f); err != nil {
			panic(err)
		}
	}
	return fold(terms, begin, terms.deadline(begin, ending{}), b.Facts)
}

// steps are what can happen to a referral in FuzzCourse, at so many hours.
var steps = map[byte]func(at time.Duration) factBody{
	'p': func(at time.Duration) factBody { return paidFact("a", 1000, at) },
	'e': func(at time.Duration) factBody { return paidFact("earlier", 1000, at-3*time.Hour) },
	'r': func(at time.Duration) factBody { return backFact("a", "r", 1000, at) },
	'f': func(at time.Duration) factBody {
		return factBody{ID: "c", Kind: FactFlagged, Action: ActionReview, At: micros(begin.Add(at)), Until: micros(begin.Add(at + 20*time.Hour)), Otherwise: Approve}
	},
	'y': func(at time.Duration) factBody {
		return factBody{ID: "c", Kind: FactReviewed, Verdict: Approve, At: micros(begin.Add(at))}
	},
	'n': func(at time.Duration) factBody {
		return factBody{ID: "c", Kind: FactReviewed, Verdict: Deny, At: micros(begin.Add(at))}
	},
	'x': func(at time.Duration) factBody {
		return factBody{ID: "x", Kind: FactFlagged, Action: ActionReject, At: micros(begin.Add(at))}
	},
	'd': func(at time.Duration) factBody { return factBody{Kind: FactErased, At: micros(begin.Add(at))} },
}

// courses lead to each of the states.
var courses = map[State]string{
	StateBound: "", StateHeld: "p", StateReview: "pf", StateConfirmed: "p\x05", StateRejected: "x", StateExpired: "\x3c", StateVoided: "pr", StateReversed: "p\x05r",
}

// FuzzCourse plays courses of events: each letter of steps happens, and any other lets as
// many hours pass. It begins with a course to each state, and then each event.
func FuzzCourse(f *testing.F) {
	on := map[Event]string{
		EventQualifies: "p", EventEarlier: "e", EventTakenBack: "r", EventHoldOver: "\x05", EventTimeOver: "\x3c",
		EventFlagged: "f", EventApproved: "y", EventDenied: "n", EventErased: "d",
	}
	for _, row := range Transitions() {
		course, begins := courses[row.From]
		event, follows := on[row.On]
		if !begins || !follows {
			f.Fatalf("no course to %s, or for %s", row.From, row.On)
		}
		f.Add([]byte(course + event))
	}
	f.Fuzz(func(t *testing.T, course []byte) { play(t, course[:min(len(course), 50)]) })
}

// play plays a course, and says where it leads.
func play(t require.TestingT, course []byte) State {
	terms := &Program{Hold: 3 * time.Hour}
	terms.Qualify.Within = 48 * time.Hour
	b := referralBody{State: StateBound, Bound: micros(begin)}
	at := time.Duration(0)
	for _, letter := range course {
		if step := steps[letter]; step == nil {
			at += time.Duration(letter) * time.Hour
		} else if _, err := b.record(step(at)); err != nil {
			require.ErrorIs(t, err, ledger.ErrKeyReused)
		}
		for n := 0; ; n++ {
			event, q := b.event(terms, ending{}, begin.Add(at))
			if event == "" {
				break
			}
			require.Less(t, n, 10, "it comes to rest")
			follow(t, &b, event, q, terms, begin.Add(at))
		}
	}
	return b.State
}

// The courses that FuzzCourse begins with lead to the states they are named by.
func TestCoursesLeadThere(t *testing.T) {
	for state, course := range courses {
		require.Equal(t, state, play(t, []byte(course)))
	}
	require.Len(t, courses, len(States()))
}

// manyFacts is a referral with so many payments and returns of which the last payment
// decides, and its terms.
func manyFacts(n int, together bool) (*referralBody, *Program) {
	var facts []factBody
	for i := range n / 2 {
		order := time.Duration(i).String()
		facts = append(facts, paidFact(order, 1000, time.Duration(i)*time.Second), backFact(order, "r", 0, time.Duration(i)*time.Second))
	}
	terms := &Program{Shortfall: ShortfallKeeps}
	terms.Qualify.MinimumSpend = coupon.Amounts{ledger.Minor(2000, euro)}
	facts = append(facts, paidFact("last", 2000, time.Hour))
	if together {
		terms.Qualify.Cumulative, terms.Qualify.MinimumSpend = true, coupon.Amounts{ledger.Minor(int64(n/2)*1000+2000, euro)}
	}
	return &referralBody{State: StateBound, Bound: micros(begin), Facts: facts}, terms
}

// Where one payment decides, deciding asks for no memory, however many facts there are;
// where several do, for what lists their orders.
func TestDecidingAsksForLittleMemory(t *testing.T) {
	for _, together := range []bool{false, true} {
		var before float64
		for _, n := range []int{10, 100, 1000} {
			body, terms := manyFacts(n, together)
			allocs := testing.AllocsPerRun(10, func() {
				if on, q := body.event(terms, ending{}, begin.Add(2*time.Hour)); on != EventQualifies || q.order != "last" {
					t.Fatal(on, q)
				}
			})
			if together {
				require.LessOrEqual(t, allocs, float64(20+n/10))
			} else {
				require.Zero(t, allocs)
			}
			require.GreaterOrEqual(t, allocs, before)
			before = allocs
		}
	}
}

// BenchmarkDeciding is linear in the facts of one referral: the time for each of them is
// a metric. Other referrals do not come into it: they are no argument.
//
//	go test -run '^$' -bench Deciding ./referral
func BenchmarkDeciding(b *testing.B) {
	for _, together := range []bool{false, true} {
		for _, n := range []int{10, 100, 1000} {
			body, terms := manyFacts(n, together)
			b.Run(fmt.Sprintf("together=%t/%d_facts", together, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if on, _ := body.event(terms, ending{}, begin.Add(2*time.Hour)); on != EventQualifies {
						b.Fatal(on)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/fact")
			})
		}
	}
}

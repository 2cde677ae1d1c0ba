package enginetest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

var (
	monthCustomers = flag.Int("month.customers", 200, "customers of the month: 100000 is the long form")
	monthFacts     = flag.Int("month.facts", 1500, "facts of the month: 1000000 is the long form")
)

const (
	monthWorkers  = 8
	monthLateness = 40 * 24 * time.Hour // later than the latest fact is told
)

// monthFact is one payment or return of a friend.
type monthFact struct {
	payment *referral.Payment
	back    *referral.Return
	at      time.Time
}

// month is what happens in a shop in one: who brings whom, and what they pay and return.
type month struct {
	friends []string // in the order they register in; each is brought by another customer
	facts   []monthFact
}

func referrerOf(i int) string { return fmt.Sprintf("referrer-%d", i%max(1, *monthCustomers/10)) }

func makeMonth(customers, facts int) month {
	random := rand.New(rand.NewSource(1))
	var m month
	for i := range customers - customers/10 {
		m.friends = append(m.friends, fmt.Sprintf("friend-%d", i))
	}
	for i := 0; len(m.facts) < facts; i++ {
		friend, order := m.friends[random.Intn(len(m.friends))], fmt.Sprintf("order-%d", i)
		at := noon.Add(time.Duration(random.Int63n(int64(30 * 24 * time.Hour)))).Truncate(time.Microsecond)
		amount := ledger.Minor(500+random.Int63n(5000), eur)
		m.facts = append(m.facts, monthFact{payment: &referral.Payment{Order: order, Customer: friend, Amount: amount, At: at}, at: at})
		if random.Intn(3) == 0 {
			back := &referral.Return{ID: "r", Order: order, Customer: friend, Amount: ledger.Minor(random.Int63n(amount.Minor()+1), eur)}
			back.At = at.Add(time.Duration(random.Int63n(int64(5 * 24 * time.Hour)))).Truncate(time.Microsecond)
			back.Everything = back.Amount == amount
			m.facts = append(m.facts, monthFact{back: back, at: back.At})
		}
	}
	return m
}

// monthProgram decides a month behind the clock, over facts in the order of their
// instants, and pays credit to both sides.
func monthProgram(limited shared) referral.Program {
	credit := func(minor int64) referral.Earning {
		return referral.Earning{Credit: coupon.Amounts{ledger.Minor(minor, eur)}, Coupons: []coupon.IssueOffer{{Offer: "thanks"}}}
	}
	p := referral.Program{
		ID: "invite", Name: "Invite", Lateness: monthLateness, Hold: 3 * 24 * time.Hour,
		Qualify: referral.Qualification{MinimumSpend: coupon.Amounts{ledger.Minor(1500, eur)}, Within: 20 * 24 * time.Hour},
		Rewards: []referral.Rule{
			{Side: referral.Referrer, Step: referral.Qualified, Earning: credit(1000)},
			{Side: referral.Referee, Step: referral.Qualified, Earning: credit(500)},
		},
	}
	// With limits the hold outlasts the returns. Where a reward can be granted and taken
	// back, it holds a place meanwhile, and who finds none depends on who comes first.
	switch limited {
	case byNothing:
		p.Shortfall = referral.ShortfallReduces
	case byCap:
		p.Caps, p.Hold = []referral.Cap{{Friends: 4}}, 6*24*time.Hour
	case byBudget: // for a third of the friends; who gets it depends on who comes first
		p.Rewards[0].Worth = coupon.Amounts{ledger.Minor(1000, eur)}
		p.Rewards, p.Budget, p.Hold = p.Rewards[:1], ledger.Minor(1000*int64(*monthCustomers/3), eur), 6*24*time.Hour
	}
	return p
}

// shared is what limits the referrals of the month together.
type shared string

const (
	byNothing shared = "nothing"
	byCap     shared = "a cap"
	byBudget  shared = "a budget"
)

// monthShop is a shop in which a month is told.
type monthShop struct {
	t         testing.TB
	coupons   *coupon.Service
	referrals *referral.Service
	store     storage.Store
}

func openMonth(t testing.TB, store storage.Store, m month, limited shared) *monthShop {
	t.Helper()
	coupons := coupon.New(store, coupon.Options{Random: &inTurns{random: rand.New(rand.NewSource(2))}})
	s := &monthShop{t, coupons, referral.New(store, coupons, referral.Options{}), store}
	_, err := coupons.Publish(t.Context(), coupon.Offer{
		ID: "thanks", Name: "Thanks", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(500, eur)}},
	}, "staff", noon)
	require.NoError(t, err)
	_, err = s.referrals.Publish(t.Context(), monthProgram(limited), "staff", noon)
	require.NoError(t, err)
	each(t, len(m.friends), monthWorkers, func(ctx context.Context, i int) error {
		link, err := s.referrals.Link(ctx, "invite", referrerOf(i), noon)
		if err != nil {
			return err
		}
		_, err = s.referrals.Register(ctx, referral.Registration{Customer: m.friends[i], Code: link.Code.String()}, noon)
		return err
	})
	return s
}

// each calls a function for each number below n, from some workers.
func each(t testing.TB, n, workers int, call func(ctx context.Context, i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	failed := make([]error, workers)
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < n && failed[worker] == nil; i += workers {
				failed[worker] = call(t.Context(), i)
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		require.NoError(t, err)
	}
}

func (s *monthShop) tell(ctx context.Context, f monthFact, now time.Time) error {
	var err error
	if f.payment != nil {
		_, err = s.referrals.OrderPaid(ctx, *f.payment, now)
	} else {
		_, err = s.referrals.OrderReturned(ctx, *f.back, now)
	}
	return err
}

// settle lets so many workers settle until nothing is left.
func (s *monthShop) settle(workers int) {
	s.t.Helper()
	end := noon.Add(36*24*time.Hour + monthLateness + 24*time.Hour)
	for done := -1; done != 0; {
		reports := make([]ledger.Report, workers)
		each(s.t, workers, workers, func(ctx context.Context, i int) error {
			var err error
			reports[i], err = s.referrals.Settle(ctx, end, 0)
			return err
		})
		done = 0
		for _, r := range reports {
			require.Empty(s.t, r.Faults)
			done += r.Done + r.Left
		}
	}
}

// outcome is what became of every referral, without when it was decided, and last what
// each referrer got.
func (s *monthShop) outcome(m month) []string {
	s.t.Helper()
	all := make([]string, len(m.friends), len(m.friends)+1)
	each(s.t, len(m.friends), monthWorkers, func(ctx context.Context, i int) error {
		var b strings.Builder
		friend := m.friends[i]
		r, err := s.referrals.Referral(ctx, "invite", friend)
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, friend, r.State, r.Order, r.Paid, r.HoldUntil, len(r.Claims))
		for _, d := range r.Decisions {
			fmt.Fprintln(&b, "  ", d.What, d.Why, d.Reward)
		}
		rewards, err := s.referrals.Rewards(ctx, "invite", friend)
		if err != nil {
			return err
		}
		for _, w := range rewards {
			fmt.Fprintln(&b, "  ", w.ID, w.State, w.Gives.Credit, w.TakenBack, w.OwedMoney, len(w.Coupons), w.Why)
		}
		all[i] = b.String()
		return nil
	})
	return append(all, fmt.Sprint(s.granted(m)))
}

// granted is how many rewards each referrer got, and how much credit.
func (s *monthShop) granted(m month) map[string]string {
	s.t.Helper()
	granted := make([]int, len(m.friends)) // per friend
	each(s.t, len(m.friends), monthWorkers, func(ctx context.Context, i int) error {
		all, err := s.referrals.Rewards(ctx, "invite", m.friends[i])
		for _, w := range all {
			if w.Side == referral.Referrer && w.State == referral.RewardGranted {
				granted[i]++
			}
		}
		return err
	})
	counts := make(map[string]int)
	for i, n := range granted {
		counts[referrerOf(i)] += n
	}
	referrers := slices.Sorted(maps.Keys(counts))
	got := make([]string, len(referrers))
	each(s.t, len(referrers), monthWorkers, func(ctx context.Context, i int) error {
		credit, err := s.coupons.Credit(ctx, referrers[i], eur)
		if err != nil {
			return err
		}
		wallet, err := s.coupons.Wallet(ctx, referrers[i], coupon.WalletQuery{Limit: 1000}, noon)
		if err != nil {
			return err
		}
		if usable := len(wallet.Coupons); usable != counts[referrers[i]] {
			return fmt.Errorf("%s can use %d coupons of %d rewards: what was taken back can't be used",
				referrers[i], usable, counts[referrers[i]])
		}
		got[i] = fmt.Sprint(counts[referrers[i]], " ", credit)
		return nil
	})
	totals := make(map[string]string, len(referrers))
	for i, referrer := range referrers {
		totals[referrer] = got[i]
	}
	return totals
}

// sum is how many rewards all referrers got together, and how much credit.
func (s *monthShop) sum(m month) string {
	count, sum := 0, ledger.Minor(0, eur)
	for _, total := range s.granted(m) {
		n, credit, _ := strings.Cut(total, " ")
		rewards, err := strconv.Atoi(n)
		require.NoError(s.t, err)
		sum, err = sum.Add(ledger.MustMoney(strings.TrimSuffix(credit, " EUR"), eur))
		require.NoError(s.t, err)
		count += rewards
	}
	return fmt.Sprint(count, " ", sum)
}

// inOrder tells a month in order, once, from one worker, and says what came of it.
func inOrder(t testing.TB, m month, limited shared) any {
	t.Helper()
	s := openMonth(t, memory.New(), m, limited)
	facts := slices.Clone(m.facts)
	slices.SortStableFunc(facts, func(a, b monthFact) int { return a.at.Compare(b.at) })
	for _, f := range facts {
		require.NoError(t, s.tell(t.Context(), f, f.at))
	}
	s.settle(1)
	return s.result(m, limited)
}

// result is what must come of a month, however it is told.
func (s *monthShop) result(m month, limited shared) any {
	switch limited {
	case byCap:
		return s.granted(m)
	case byBudget:
		return s.sum(m)
	}
	return s.outcome(m)
}

// TestMonth tells a month in order from one worker, and shuffled with duplicates from
// eight. Without limits that referrals share, every outcome is the same to the byte;
// with a cap, the same number and sum is granted to each referrer, and with a budget to all
// of them.
func TestMonth(t *testing.T) {
	m := makeMonth(*monthCustomers, *monthFacts)
	stores := map[string]func(t *testing.T) storage.Store{
		"memory": func(*testing.T) storage.Store { return memory.New() },
		"postgres": func(t *testing.T) storage.Store {
			e := postgres("postgres", "pgx")
			db := e.Open(t, e.DSN(t), 2*monthWorkers)
			db.SetMaxIdleConns(2 * monthWorkers)
			group := storage.Grouped(e.Store(t, db, sqlstore.Options{}), storage.GroupOptions{})
			t.Cleanup(func() { require.NoError(t, group.Close()) })
			return group
		},
	}
	for _, limited := range []shared{byNothing, byCap, byBudget} {
		want := sync.OnceValue(func() any { return inOrder(t, m, limited) })
		for name, open := range stores {
			t.Run(fmt.Sprintf("%s/%d_customers/%d_facts/limited by %s", name, *monthCustomers, len(m.facts), limited), func(t *testing.T) {
				s := openMonth(t, open(t), m, limited)
				random := rand.New(rand.NewSource(3))
				told := append([]monthFact{}, m.facts...)
				for _, f := range m.facts[:len(m.facts)/10] {
					told = append(told, f, f)
				}
				random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
				each(t, len(told), monthWorkers, func(ctx context.Context, i int) error {
					return s.tell(ctx, told[i], noon.Add(36*24*time.Hour))
				})
				s.settle(4)
				requireSameResult(t, want(), s.result(m, limited))
				if limited == byBudget {
					_, used, err := s.store.Get(t.Context(), nil, "budget/invite")
					require.NoError(t, err)
					require.Equal(t, monthProgram(limited).Budget.Minor(), used["budget/invite"], "it is used up")
				}
				report, err := referral.Audit(t.Context(), s.store)
				require.NoError(t, err)
				require.NoError(t, report.Err())
			})
		}
	}
}

// requireSameResult compares results. Of many lines it shows the first that is another.
func requireSameResult(t *testing.T, want, got any) {
	t.Helper()
	lines, many := want.([]string)
	if !many {
		require.Equal(t, want, got)
		return
	}
	others := got.([]string)
	require.Len(t, others, len(lines))
	for i, line := range lines {
		require.Equal(t, line, others[i])
	}
}

// inTurns lets several workers read from one source of random bytes.
type inTurns struct {
	mu     sync.Mutex
	random io.Reader
}

func (r *inTurns) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.Read(p)
}

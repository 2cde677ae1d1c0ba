package referral_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// counter is a hook that remembers what it granted, by the rewards' ids.
type counter struct {
	granted, back map[string]string // customers
	calls         int
	stock         int
}

func newCounter() *counter {
	return &counter{granted: make(map[string]string), back: make(map[string]string), stock: 1000}
}

func (c *counter) Grant(_ context.Context, r referral.HookRequest) error {
	c.calls++
	if _, again := c.granted[r.ID]; again {
		return nil
	}
	if c.stock == 0 {
		return referral.ErrOutOfStock
	}
	c.stock--
	c.granted[r.ID] = r.Customer
	return nil
}

func (c *counter) TakeBack(_ context.Context, r referral.HookRequest) (bool, error) {
	c.back[r.ID] = r.Customer
	return false, nil
}

// teller tells the story of a program: who did what, and what became of it.
type teller struct {
	*shop
	p    referral.Program
	hook *counter
	out  strings.Builder
	now  time.Time
}

func newTeller(t *testing.T, p referral.Program) *teller {
	hook := newCounter()
	s := openShop(t, memory.New(), referral.Options{
		Random: rand.New(rand.NewSource(1)), Hooks: map[string]referral.Hook{"gift": hook, "fee_free_transfer": hook},
	}, p)
	t.Cleanup(func() { requireAudit(t, s.store) })
	return &teller{shop: s, p: p, hook: hook, now: noon}
}

func (s *teller) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// enough is what a friend must spend at once: the minimum, or some amount.
func (s *teller) enough() ledger.Money {
	if m := s.p.Qualify.MinimumSpend; len(m) > 0 {
		return m[0]
	}
	return eur("20.00")
}

// qualifies has a friend do what the program asks for.
func (s *teller) qualifies(friend string, amount ledger.Money) {
	order := friend + "'s"
	if s.p.Qualify.On == referral.OnFact {
		_, err := s.Record(ctx, referral.Recorded{ID: order, Customer: friend, Name: s.p.Qualify.Fact, Amount: amount}, s.now)
		require.NoError(s.t, err)
		return
	}
	s.paid(referral.Payment{Order: order, Customer: friend, Amount: amount}, s.now)
}

func (s *teller) returns(friend string) {
	s.returned(referral.Return{ID: "r", Order: friend + "'s", Customer: friend, Amount: ledger.Minor(0, s.enough().Currency()), Everything: true}, s.now)
}

func (s *teller) later(d time.Duration) {
	s.now = s.now.Add(d)
	for range 3 { // what one sweep grants may be due for the next
		s.settle(s.now)
	}
}

// rewards tells what a reward gives.
func gives(r referral.Reward) string {
	var all []string
	for _, o := range r.Gives.Coupons {
		all = append(all, fmt.Sprintf("%d × %s", max(1, o.Count), o.Offer))
	}
	for _, m := range r.Gives.Credit {
		all = append(all, m.String())
	}
	if r.Gives.Custom != nil {
		all = append(all, r.Gives.Custom.Kind)
	}
	return strings.Join(all, " + ")
}

func (s *teller) report(friends ...string) {
	for _, friend := range friends {
		r := s.referral(friend)
		s.say("  %s, brought by %s: %s", friend, r.Referrer, r.State)
		all, err := s.Rewards(ctx, "invite", friend)
		require.NoError(s.t, err)
		for _, reward := range all {
			line := fmt.Sprintf("    %-8s %-10s %-12s %s", reward.Side, reward.Step, reward.State, gives(reward))
			if reward.Why != "" {
				line += " (" + reward.Why + ")"
			}
			s.say("%s", line)
		}
	}
}

// holds tells what a customer has.
func (s *teller) holds(customer string) {
	var all []string
	wallet, err := s.coupons.Wallet(ctx, customer, coupon.WalletQuery{Limit: 1000}, s.now)
	require.NoError(s.t, err)
	if n := len(wallet.Coupons); n > 0 {
		all = append(all, fmt.Sprintf("%d coupons", n))
	}
	for _, code := range []string{"EUR", "INR", "USD", "GBP", "MB:0"} {
		m, err := s.coupons.Credit(ctx, customer, ledger.MustCurrency(code))
		require.NoError(s.t, err)
		if m.Sign() > 0 {
			all = append(all, m.String())
		}
	}
	gifts := 0
	for id, who := range s.hook.granted {
		if _, back := s.hook.back[id]; who == customer && !back {
			gifts++
		}
	}
	if gifts > 0 {
		all = append(all, fmt.Sprintf("%d of the shop's own", gifts))
	}
	s.say("  %s holds %s", customer, cmp.Or(strings.Join(all, ", "), "nothing"))
}

// crowd has many more friends come at once, past every cap.
func (s *teller) crowd(code string, n int) {
	outcomes := make(map[string]int)
	for i := range n {
		s.register(referral.Registration{Customer: fmt.Sprintf("more-%02d", i), Code: code}, s.now)
		s.qualifies(fmt.Sprintf("more-%02d", i), s.enough())
	}
	s.later(40 * 24 * time.Hour)
	for i := range n {
		all, err := s.Rewards(ctx, "invite", fmt.Sprintf("more-%02d", i))
		require.NoError(s.t, err)
		for _, r := range all {
			outcomes[fmt.Sprintf("%s %s: %s", r.Side, r.Step, strings.TrimSpace(string(r.State)+" "+r.Why))]++
		}
	}
	s.say("%d more friends come:", n)
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		s.say("  %d × %s", outcomes[what], what)
	}
	s.holds("jane")
}

// tell is the story that every program is checked with.
func (s *teller) tell() string {
	friends := make([]string, 10)
	code := s.link("jane").Code.String()
	for i := range friends {
		friends[i] = fmt.Sprintf("friend-%02d", i+1)
		s.register(referral.Registration{Customer: friends[i], Code: code}, s.now)
		s.qualifies(friends[i], s.enough())
		s.later(24 * time.Hour)
	}
	s.later(40 * 24 * time.Hour)
	s.say("Jane shares her link with ten friends, who all register and do what is asked:")
	s.report(friends...)
	s.holds("jane")
	s.holds("friend-01")

	s.returns("friend-03")
	s.later(time.Hour)
	s.say("friend-03 gives everything back:")
	s.report("friend-03")
	s.holds("jane")

	s.register(referral.Registration{Customer: "quick", Code: code}, s.now)
	s.qualifies("quick", s.enough())
	s.returns("quick")
	s.register(referral.Registration{Customer: "idle", Code: code}, s.now)
	s.later(100 * 24 * time.Hour)
	s.say("quick gives everything back at once, and idle does nothing:")
	s.report("quick", "idle")

	s.crowd(code, 40)
	own := s.register(referral.Registration{Customer: "jane", Code: code}, s.now)
	s.say("Jane registers with her own code: bound %t, %s", own.Bound, own.Reason)
	eves, err := s.Link(ctx, "invite", "eve", s.now)
	require.NoError(s.t, err)
	s.register(referral.Registration{Customer: "puppet", Code: eves.Code.String()}, s.now)
	require.NoError(s.t, s.Ban(ctx, "eve", "staff", "she is her own friends", s.now))
	s.qualifies("puppet", s.enough())
	s.later(40 * 24 * time.Hour)
	s.say("Eve is banned, and then her friend does what is asked:")
	s.report("puppet")
	s.holds("eve")
	s.holds("jane")
	return s.out.String()
}

// Each of the ten programs tells the same story in its own way: ten friends, refunds, a
// cap, somebody's own code and a ban.
func TestStoriesOfTheTenPrograms(t *testing.T) {
	all := presets()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			got := newTeller(t, all[name]).tell()
			path := filepath.Join("testdata", "stories", name+".txt")
			if os.Getenv("UPDATE") != "" {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

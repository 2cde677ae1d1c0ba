package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// naive is a store as it is often written: it checks the conditions first and then
// writes without them. Each race below must be lost on it.
type naive struct{ *memory.Store }

func (n naive) Apply(ctx context.Context, b storage.Batch) error {
	if err := n.check(ctx, b); err != nil {
		return err
	}
	runtime.Gosched()
	for {
		b, err := n.unconditional(ctx, b)
		if err != nil {
			return err
		}
		if err := n.Store.Apply(ctx, b); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

func (n naive) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	var answers []error
	for _, b := range batches {
		answers = append(answers, n.Apply(ctx, b))
	}
	return answers
}

// check judges the batch with a copy of what it concerns.
func (n naive) check(ctx context.Context, b storage.Batch) error {
	ops, err := b.Ops()
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Add != nil {
			_, values, err := n.Get(ctx, nil, op.Add.Counter)
			if err != nil {
				return err
			}
			if _, allowed := op.Add.After(values[op.Add.Counter]); !allowed {
				return op.Failure()
			}
			continue
		}
		docs, _, err := n.Get(ctx, []storage.Key{op.Key()})
		if err != nil {
			return err
		}
		if len(docs) == 0 && op.Version() != 0 || len(docs) > 0 && docs[0].Version != op.Version() {
			return op.Failure()
		}
	}
	return nil
}

func (n naive) unconditional(ctx context.Context, b storage.Batch) (storage.Batch, error) {
	var written storage.Batch
	for _, p := range b.Puts {
		docs, _, err := n.Get(ctx, []storage.Key{p.Key})
		if err != nil {
			return written, err
		}
		p.Version = 0
		if len(docs) > 0 {
			p.Version = docs[0].Version
		}
		written.Puts = append(written.Puts, p)
	}
	for _, a := range b.Adds {
		a.Min, a.Max = math.MinInt64, math.MaxInt64
		written.Adds = append(written.Adds, a)
	}
	return written, nil
}

// eachOf runs the calls in a number of workers, all at once, and counts those that
// were accepted. What was not must be a refusal.
func eachOf(t *testing.T, workers int, calls []func() error) int {
	t.Helper()
	return eachOn(t, nil, workers, calls)
}

// eachOn is eachOf on a store: where that is the naive one, what was not accepted may be
// any error, since documents and counters no longer agree after the first lost update.
func eachOn(t *testing.T, store storage.Store, workers int, calls []func() error) int {
	t.Helper()
	_, lost := store.(naive)
	var accepted atomic.Int64
	var next atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			<-start
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				err := calls[i]()
				refused := errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrQuoteChanged) || errors.Is(err, coupon.ErrKeyReused) ||
					errors.Is(err, ledger.ErrInsufficient) || errors.Is(err, coupon.ErrState) || errors.Is(err, coupon.ErrRequest) || errors.Is(err, storage.ErrConflict)
				switch {
				case err == nil:
					accepted.Add(1)
				case !refused && !lost:
					assert.NoError(t, err)
				}
			}
		}()
	}
	close(start)
	group.Wait()
	return int(accepted.Load())
}

// race is played on any store; it gives how many were accepted, of how many that
// may be.
type race func(t *testing.T, store storage.Store) (accepted, allowed int)

var races = map[string]race{
	"a cap of 50, 400 attempts":         capRace,
	"a budget of 100.00, 80 attempts":   budgetRace,
	"one code of one use":               oneCodeRace,
	"a cap of 50 in 16 shards":          shardRace,
	"one coupon on several orders":      oneCouponRace,
	"several coupons on one order":      oneOrderRace,
	"a customer's limit, several tabs":  customerRace,
	"credit taken back twice":           takingRace,
	"credit spent on several orders":    spendingRace,
	"goodwill beyond what was paid":     goodwillRace,
	"one override on several orders":    overrideRace,
	"uses imported several times":       importRace,
	"one coupon replaced several times": reissueRace,
	"a stock of 50 codes, 120 attempts": stockRace,
}

func TestRacesAreWon(t *testing.T) {
	for name, run := range races {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			accepted, allowed := run(t, store)
			require.Equal(t, allowed, accepted)
			requireAudit(t, store)
		})
	}
}

// The same races tell a store that checks before it writes.
func TestRacesAreLostOnANaiveStore(t *testing.T) {
	for name, run := range races {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				if accepted, allowed := run(t, naive{memory.New()}); accepted > allowed {
					return
				}
			}
			t.Fatal("the race was won 20 times: it shows nothing")
		})
	}
}

func raceService(t *testing.T, store storage.Store, offers ...coupon.Offer) *coupon.Service {
	t.Helper()
	s := coupon.New(store, coupon.Options{})
	for _, o := range offers {
		_, err := s.Publish(ctx, o, "staff", noon)
		require.NoError(t, err)
	}
	return s
}

func issued(t *testing.T, s *coupon.Service, request coupon.IssueRequest) []coupon.Coupon {
	t.Helper()
	made, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	return made
}

// redeeming quotes at once and redeems when it is called.
func redeeming(t *testing.T, s *coupon.Service, order, customer string, choice coupon.Choice) func() error {
	t.Helper()
	cart := cartOf(item("20.00", 1))
	cart.Customer.Key = customer
	quote, err := s.Quote(ctx, cart, choice, noon)
	require.NoError(t, err)
	require.Empty(t, quote.Refused())
	return func() error {
		_, err := s.Redeem(ctx, order, quote, noon)
		return err
	}
}

func capRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	return hotRace(t, store, coupon.Limit{Uses: 50}, "uses/hot")
}

func shardRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	return hotRace(t, store, coupon.Limit{Uses: 50, Shards: 16}, ledger.ShardNames("uses/hot", 16)...)
}

func hotRace(t *testing.T, store storage.Store, limit coupon.Limit, counters ...string) (accepted, allowed int) {
	s := raceService(t, store, limited(amountOff("hot", "5.00"), limit))
	issued(t, s, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}})
	var calls []func() error
	for i := range 400 {
		calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i), fmt.Sprint("customer ", i), coupon.Choose("hot")))
	}
	accepted = eachOn(t, store, 24, calls)
	page, err := store.List(ctx, storage.Query{Kind: "redemption", Limit: storage.MaxPage})
	require.NoError(t, err)
	require.Len(t, page.Docs, accepted)
	_, values, err := store.Get(ctx, nil, counters...)
	require.NoError(t, err)
	var used int64
	for _, value := range values {
		used += value
	}
	require.Equal(t, int64(accepted), used)
	return accepted, 50
}

func budgetRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, limited(amountOff("hot", "5.00"), coupon.Limit{Money: euros("100.00")}))
	issued(t, s, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}})
	var calls []func() error
	for i := range 80 {
		calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i), fmt.Sprint("customer ", i), coupon.Choose("hot")))
	}
	return eachOn(t, store, 16, calls), 20
}

// oneCodeRace redeems each of 20 codes, of one use each, in 8 orders at once.
func oneCodeRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, limited(amountOff("once", "5.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1}))
	made := issued(t, s, coupon.IssueRequest{ID: "once", Offers: []coupon.IssueOffer{{Offer: "once", Count: 20}}})
	var calls []func() error
	for _, c := range made {
		for i := range 8 {
			calls = append(calls, redeeming(t, s, fmt.Sprint(c.ID, " order ", i), fmt.Sprint("customer ", i), coupon.Choose(string(c.Code))))
		}
	}
	return eachOn(t, store, 8, calls), len(made)
}

func oneCouponRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, amountOff("once", "5.00"))
	held := issued(t, s, coupon.IssueRequest{ID: "once", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "once", Count: 20}}})
	var calls []func() error
	for _, c := range held {
		for i := range 8 {
			calls = append(calls, redeeming(t, s, fmt.Sprint(c.ID, " order ", i), "jane", coupon.ChooseCoupons(c.ID)))
		}
	}
	return eachOn(t, store, 8, calls), len(held)
}

func oneOrderRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, amountOff("alone", "5.00"))
	held := issued(t, s, coupon.IssueRequest{ID: "alone", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "alone", Count: 80}}})
	var calls []func() error
	for i, c := range held {
		calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i/8), "jane", coupon.ChooseCoupons(c.ID)))
	}
	return eachOn(t, store, 8, calls), len(held) / 8
}

func customerRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, limited(amountOff("each", "5.00"), coupon.Limit{Per: coupon.PerCustomer, Uses: 2}))
	issued(t, s, coupon.IssueRequest{ID: "each", Offers: []coupon.IssueOffer{{Offer: "each", Code: "EACH"}}})
	var calls []func() error
	for i := range 160 {
		calls = append(calls, redeeming(t, s, fmt.Sprint("order ", i), fmt.Sprint("customer ", i/8), coupon.Choose("EACH")))
	}
	return eachOn(t, store, 8, calls), 40
}

// Many who need the place of one lapsed reservation each do not get in each
// other's way, and each place is taken once.
func TestLapsedPlacesAreTakenOnceEach(t *testing.T) {
	store := memory.New()
	s := raceService(t, store, limited(amountOff("hot", "5.00"), coupon.Limit{Uses: 50}))
	issued(t, s, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}})
	for i := range 50 {
		quote, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("HOT"), noon)
		require.NoError(t, err)
		_, err = s.Reserve(ctx, fmt.Sprint("left ", i), quote, noon)
		require.NoError(t, err)
	}
	later := noon.Add(time.Hour)
	var calls []func() error
	for i := range 100 {
		quote, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("HOT"), later)
		require.NoError(t, err)
		require.Empty(t, quote.Refused())
		calls = append(calls, func() error {
			_, err := s.Redeem(ctx, fmt.Sprint("order ", i), quote, later)
			return err
		})
	}
	require.Equal(t, 50, eachOf(t, 24, calls))
	requireAudit(t, store)
}

// between runs something between what an operation reads and what it writes.
type between struct {
	storage.Store
	run func()
}

func (b *between) Apply(ctx context.Context, batch storage.Batch) error {
	if run := b.run; run != nil {
		b.run = nil
		run()
	}
	return b.Store.Apply(ctx, batch)
}

// unwatched is a store that does not know checks.
type unwatched struct{ storage.Store }

func (u unwatched) Apply(ctx context.Context, b storage.Batch) error {
	b.Checks = nil
	return u.Store.Apply(ctx, b)
}

// pausedMeanwhile redeems while the offer is paused between reading and writing.
func pausedMeanwhile(t *testing.T, store storage.Store) error {
	staff := raceService(t, store, amountOff("hot", "5.00"))
	issued(t, staff, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot", Code: "HOT"}}})
	slow := &between{Store: store}
	checkout := coupon.New(slow, coupon.Options{Fresh: time.Hour})
	redeem := redeeming(t, checkout, "order", "jane", coupon.Choose("HOT"))
	slow.run = func() { require.NoError(t, staff.Pause(ctx, "hot", "staff", "too many", noon)) }
	return redeem()
}

func TestPauseAgainstRedeem(t *testing.T) {
	store := memory.New()
	err := pausedMeanwhile(t, store)
	require.ErrorIs(t, err, coupon.ErrQuoteChanged)
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, coupon.ReasonPaused, refused.Reason)
	requireAudit(t, store)
	require.NoError(t, pausedMeanwhile(t, unwatched{memory.New()}), "without the check the pause comes too late, or the test shows nothing")
}

func TestRevokeAgainstRedeem(t *testing.T) {
	for _, holder := range []string{"jane", ""} {
		t.Run("held by "+holder, func(t *testing.T) {
			store := memory.New()
			slow := &between{Store: store}
			s := raceService(t, slow, amountOff("hot", "5.00"))
			made := issued(t, s, coupon.IssueRequest{ID: "hot", Holder: holder, Offers: []coupon.IssueOffer{{Offer: "hot"}}})
			redeem := redeeming(t, s, "order", "jane", coupon.ChooseCoupons(made[0].ID))
			slow.run = func() {
				_, err := s.Revoke(ctx, made[0].ID, "staff", "stolen", noon)
				require.NoError(t, err)
			}
			var refused *coupon.Refusal
			require.ErrorAs(t, redeem(), &refused)
			assert.Equal(t, coupon.ReasonRevoked, refused.Reason)
			requireAudit(t, store)
		})
	}
}

// A service that has not made the quote reads what it rests on anew: what changes between
// that and the writing is not passed over either.
func TestChangesAgainstRedeemElsewhere(t *testing.T) {
	for reason, change := range map[coupon.Reason]func(s *coupon.Service, made coupon.Coupon) error{
		coupon.ReasonPaused: func(s *coupon.Service, _ coupon.Coupon) error { return s.Pause(ctx, "hot", "staff", "too many", noon) },
		coupon.ReasonRevoked: func(s *coupon.Service, made coupon.Coupon) error {
			return ignore(s.Revoke(ctx, made.ID, "staff", "stolen", noon))
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			store := memory.New()
			s := raceService(t, store, amountOff("hot", "5.00"))
			made := issued(t, s, coupon.IssueRequest{ID: "hot", Offers: []coupon.IssueOffer{{Offer: "hot"}}})
			quote, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.ChooseCoupons(made[0].ID), noon)
			require.NoError(t, err)
			require.Empty(t, quote.Refused())
			slow := &between{Store: store, run: func() { require.NoError(t, change(s, made[0])) }}
			var refused *coupon.Refusal
			require.ErrorAs(t, ignore(coupon.New(slow, coupon.Options{}).Redeem(ctx, "order", quote, noon)), &refused)
			assert.Equal(t, reason, refused.Reason)
			requireAudit(t, store)
		})
	}
}

// An offer without a coupon, too, is paused in time.
func TestPauseAgainstRedeemElsewhere(t *testing.T) {
	store := memory.New()
	s := raceService(t, store, automatic(amountOff("hot", "5.00")))
	quote, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choice{}, noon)
	require.NoError(t, err)
	slow := &between{Store: store, run: func() { require.NoError(t, s.Pause(ctx, "hot", "staff", "too many", noon)) }}
	require.ErrorIs(t, ignore(coupon.New(slow, coupon.Options{}).Redeem(ctx, "order", quote, noon)), coupon.ErrQuoteChanged)
}

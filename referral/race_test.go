package referral_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// naive is a store as it is often written: it checks the conditions first and then
// writes without them. Each race below must be lost on it.
type naive struct{ *memory.Store }

func (n naive) Apply(ctx context.Context, b storage.Batch) error {
	ops, err := b.Ops()
	if err != nil {
		return err
	}
	for _, op := range ops {
		if holds, err := n.holds(ctx, op); err != nil || !holds {
			return errors.Join(err, op.Failure())
		}
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

func (n naive) holds(ctx context.Context, op storage.Op) (bool, error) {
	if op.Add != nil {
		_, values, err := n.Get(ctx, nil, op.Add.Counter)
		_, allowed := op.Add.After(values[op.Add.Counter])
		return allowed, err
	}
	docs, _, err := n.Get(ctx, []storage.Key{op.Key()})
	if err != nil || len(docs) == 0 {
		return op.Version() == 0, err
	}
	return docs[0].Version == op.Version(), nil
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

// allAtOnce runs the calls in a number of workers, and gives an error of those that
// neither succeeded nor were refused because they came second.
func allAtOnce(workers int, calls ...func() error) error {
	var failed atomic.Pointer[error]
	var next atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			<-start
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				if err := calls[i](); err != nil && !errors.Is(err, coupon.ErrKeyReused) {
					failed.Store(&err)
				}
			}
		}()
	}
	close(start)
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// race is played on any store; it gives how much was done, of how much that may be.
type race func(t *testing.T, store storage.Store) (done, allowed int, err error)

var races = map[string]race{
	"a cap of 10, 60 friends pay": capRace,
	"one friend, two links":       twoLinksRace,
	"several workers settle":      settleRace,
	"one order, paid many times":  paidRace,
	"one return, many times":      returnedRace,
	"erased while they register":  eraseRace,
	"one account, seen at once":   subjectRace,
	"invitations, 10 in all":      inviteRace,
	"cases claimed by many":       claimRace,
	"one id, told as many facts":  recordedRace,
	"cases decided both ways":     decideRace,
}

func TestRacesAreWon(t *testing.T) {
	for name, run := range races {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			done, allowed, err := run(t, store)
			require.NoError(t, err)
			require.Equal(t, allowed, done)
			requireAudit(t, store)
		})
	}
}

// The same races tell a store that checks before it writes.
func TestRacesAreLostOnANaiveStore(t *testing.T) {
	for name, run := range races {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				store := naive{memory.New()}
				done, allowed, failed := run(t, store)
				report, err := referral.Audit(ctx, store)
				require.NoError(t, err)
				if failed != nil || done != allowed || report.Err() != nil {
					return
				}
			}
			t.Fatal("the race was won 20 times: it shows nothing")
		})
	}
}

// friends binds so many friends to jane.
func (s *shop) friends(n int) []string {
	s.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("friend ", i))
		s.bind("jane", names[i], noon)
	}
	return names
}

func capRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, program(10))
	var calls []func() error
	for _, friend := range s.friends(60) {
		calls = append(calls, func() error { return second0(s.OrderPaid(ctx, paid(friend, friend, "12.00"), noon)) })
	}
	err = allAtOnce(16, calls...)
	return s.wallet("jane"), 10, err
}

func twoLinksRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, program(100))
	var calls []func() error
	for i := range 20 {
		for _, referrer := range []string{"jane", "joe"} {
			request := referral.Registration{Customer: fmt.Sprint("friend ", i), Code: string(s.link(referrer).Code)}
			calls = append(calls, func() error { return second0(s.Register(ctx, request, noon)) })
		}
	}
	err = allAtOnce(8, calls...)
	for i := range 20 {
		done += s.wallet(fmt.Sprint("friend ", i))
	}
	for _, referrer := range []string{"jane", "joe"} { // each friend in one list, with two coupons
		page, listed := s.Friends(ctx, "invite", referrer, referral.TrackingQuery{})
		require.NoError(t, listed)
		done += len(page.Friends)
	}
	return done, 60, err
}

func settleRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, held(100))
	for _, friend := range s.friends(40) {
		s.pay(friend, noon)
	}
	var handled atomic.Int64
	var calls []func() error
	for i := range 8 {
		worker := s.Service // two processes, one of several workers
		if i%2 > 0 {
			worker = on(store, referral.Options{}).Service
		}
		calls = append(calls, func() error {
			report, err := worker.Settle(ctx, noon.Add(time.Hour), 0)
			handled.Add(int64(report.Done))
			return err
		})
	}
	err = allAtOnce(8, calls...)
	return int(handled.Load()) + s.wallet("jane"), 80, err
}

func recordedRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, onInstalled())
	var heard atomic.Int64
	var calls []func() error
	for _, friend := range s.friends(10) {
		for i := range 8 {
			fact := referral.Recorded{ID: "1", Customer: friend, Name: []string{"installed", "opened"}[i%2], Amount: eur(fmt.Sprintf("%d.00", i+1))}
			calls = append(calls, func() error {
				_, err := s.Record(ctx, fact, noon)
				if err == nil {
					heard.Add(1)
				}
				return err
			})
		}
	}
	err = allAtOnce(8, calls...)
	return int(heard.Load()), 10, err
}

func paidRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, program(100))
	var calls []func() error
	for _, friend := range s.friends(10) {
		s.reserve(friend, friend, noon)
		for range 8 {
			calls = append(calls, func() error { return second0(s.OrderPaid(ctx, paid(friend, friend, "28.00"), noon)) })
		}
	}
	err = allAtOnce(8, calls...)
	return s.wallet("jane") + int(s.used("jane", noon)), 20, err
}

func returnedRace(t *testing.T, store storage.Store) (done, allowed int, err error) {
	s := openShop(t, store, referral.Options{}, program(100))
	var calls []func() error
	for _, friend := range s.friends(10) {
		s.pay(friend, noon)
		for range 8 {
			calls = append(calls, func() error { return second0(s.OrderReturned(ctx, cancelled(friend, friend+"'s order"), noon)) })
		}
	}
	err = allAtOnce(8, calls...)
	return s.wallet("jane") + int(s.used("jane", noon)), 0, err
}

// A payment and its return, at once: whichever comes first, nothing is kept.
func TestPaymentAgainstReturn(t *testing.T) {
	for _, p := range []referral.Program{program(100), held(100)} {
		s := newShop(t, p)
		var calls []func() error
		for _, friend := range s.friends(40) {
			calls = append(calls,
				func() error { return second0(s.OrderPaid(ctx, paid(friend, friend, "12.00"), noon)) },
				func() error { return second0(s.OrderReturned(ctx, cancelled(friend, friend), noon)) },
			)
		}
		require.NoError(t, allAtOnce(8, calls...))
		require.Zero(t, s.wallet("jane"))
		require.Zero(t, s.used("jane", noon))
		s.settle(noon.Add(day))
		require.Zero(t, s.wallet("jane"))
	}
}

// Returns free places while others pay: never more than the cap at any moment, and
// none is lost.
func TestPlacesUnderReturnsAndPayments(t *testing.T) {
	s := newShop(t, held(5))
	names := s.friends(60)
	var calls []func() error
	for _, friend := range names {
		calls = append(calls, func() error {
			if err := second0(s.OrderPaid(ctx, paid(friend, friend, "12.00"), noon)); err != nil {
				return err
			}
			status, err := s.Caps(ctx, "invite", "jane", noon)
			if err == nil && status[0].Used > 5 {
				err = fmt.Errorf("%d places of 5 are taken", status[0].Used)
			}
			return err
		}, func() error { return second0(s.OrderReturned(ctx, cancelled(friend, friend), noon)) })
	}
	require.NoError(t, allAtOnce(12, calls...))
	require.Zero(t, s.used("jane", noon))
	s.bind("jane", "late", noon)
	s.pay("late", noon)
	require.Equal(t, referral.RewardPending, s.brings("late").State)
}

// A customer who asks for their link in several tabs has one.
func TestLinksAtOnce(t *testing.T) {
	s := newShop(t, program(8))
	var mu sync.Mutex
	codes := make(map[coupon.Code]bool)
	var calls []func() error
	for range 16 {
		calls = append(calls, func() error {
			link, err := s.Link(ctx, "invite", "jane", noon)
			mu.Lock()
			defer mu.Unlock()
			codes[link.Code] = true
			return err
		})
	}
	require.NoError(t, allAtOnce(8, calls...))
	require.Len(t, codes, 1)
}

// The events of a referral are delivered one after the other, in the order in which
// things happened.
func TestEventsInOrder(t *testing.T) {
	store := memory.New()
	s := openShop(t, store, referral.Options{Events: true}, bothSides(2))
	for _, friend := range s.friends(3) {
		s.pay(friend, noon)
	}
	s.settle(noon.Add(time.Hour))
	for _, friend := range []string{"friend 0", "friend 2"} {
		s.returned(cancelled(friend, friend+"'s order"), noon.Add(2*time.Hour))
	}
	told := make(map[string][]string)
	report, err := ledger.Deliver(ctx, store, ledger.DeliverOptions{Now: noon.Add(day)}, func(_ context.Context, e ledger.Event) error {
		var data struct {
			Program, Referrer, Friend string
			State                     referral.State
			Decisions                 []struct{ What string }
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return err
		}
		require.Equal(t, []string{"invite", "jane", "referral/invite/" + data.Friend, e.Kind}, []string{data.Program, data.Referrer, e.Subject, string(data.State)})
		for _, d := range data.Decisions {
			told[data.Friend] = append(told[data.Friend], d.What)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 11, report.Done)
	start := []string{"bound", "granted", "granted", "qualified"}
	require.Equal(t, slices.Concat(start, []string{"confirmed", "granted", "granted", "reversed", "clawed_back", "clawed_back"}), told["friend 0"])
	require.Equal(t, slices.Concat(start, []string{"confirmed", "granted", "granted"}), told["friend 1"])
	require.Equal(t, []string{"bound", "withheld", "granted", "qualified", "withheld", "confirmed", "granted", "reversed", "clawed_back"}, told["friend 2"])
	requireAudit(t, store)
}

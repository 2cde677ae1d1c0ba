package referral_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

var errDown = errors.New("the store is down")

// flaky fails one call: before it does anything, or when an Apply was written.
type flaky struct {
	storage.Store
	at      int // which call, from 1
	written bool
	err     error
	calls   int
}

func (f *flaky) fails() bool {
	f.calls++
	return f.calls == f.at
}

func (f *flaky) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if f.fails() {
		return nil, nil, f.err
	}
	return f.Store.Get(ctx, keys, counters...)
}

func (f *flaky) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	if f.fails() {
		return storage.Page{}, f.err
	}
	return f.Store.List(ctx, q)
}

func (f *flaky) Apply(ctx context.Context, b storage.Batch) error {
	if !f.fails() {
		return f.Store.Apply(ctx, b)
	}
	if f.written {
		if err := f.Store.Apply(ctx, b); err != nil {
			return err
		}
	}
	return f.err
}

// operation is something a shop asks for, and the same key with something else; nil
// where there is no key.
type operation struct {
	ask   func(context.Context, *shop) (any, error)
	other func(*shop) error
}

// operations are made in a shop where mia was brought by jane and has reserved an
// order, and ida's payment was rewarded.
var operations = map[string]func(s *shop) operation{
	"publish": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *shop) (any, error) { return s.Publish(ctx, program(9), "staff", noon) }}
	},
	"pause": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *shop) (any, error) {
			return nil, s.Pause(ctx, "invite", "staff", "too many", noon)
		}}
	},
	"link": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *shop) (any, error) {
			l, err := s.Link(ctx, "invite", "noa", noon)
			return l.Customer, err
		}}
	},
	"touch": func(s *shop) operation {
		request := referral.TouchRequest{ID: "1", Visitor: "noa", Code: string(s.link("jane").Code)}
		other := request
		other.Code = string(s.link("ida").Code)
		return operation{
			func(ctx context.Context, s *shop) (any, error) { return s.Touch(ctx, request, noon) },
			func(s *shop) error { return second(s.Touch(ctx, other, noon)) },
		}
	},
	"register by a link": func(s *shop) operation {
		s.touch("cookie", s.link("jane"), noon)
		request := referral.Registration{Customer: "noa", Visitor: "cookie"}
		return operation{
			func(ctx context.Context, s *shop) (any, error) { return s.Register(ctx, request, noon) },
			func(s *shop) error {
				return second(s.Register(ctx, referral.Registration{Customer: "noa", Visitor: "another"}, noon))
			},
		}
	},
	"register by a code": func(s *shop) operation {
		request := referral.Registration{Customer: "noa", Code: string(s.link("jane").Code)}
		return operation{
			func(ctx context.Context, s *shop) (any, error) { return s.Register(ctx, request, noon) },
			func(s *shop) error { return second(s.Register(ctx, referral.Registration{Customer: "noa"}, noon)) },
		}
	},
	"register uninvited": func(s *shop) operation {
		return operation{
			func(ctx context.Context, s *shop) (any, error) {
				return s.Register(ctx, referral.Registration{Customer: "noa"}, noon)
			},
			func(s *shop) error {
				return second(s.Register(ctx, referral.Registration{Customer: "noa", Code: string(s.link("jane").Code)}, noon))
			},
		}
	},
	"pay": func(s *shop) operation {
		return operation{
			func(ctx context.Context, s *shop) (any, error) {
				return s.OrderPaid(ctx, paid("mia", "order", "28.00"), noon)
			},
			func(s *shop) error { return second(s.OrderPaid(ctx, paid("mia", "order", "29.00"), noon)) },
		}
	},
	"pay late": func(s *shop) operation {
		require.NoError(s.t, second0(s.coupons.Sweep(ctx, noon.Add(time.Hour), 0)))
		return operation{ask: func(ctx context.Context, s *shop) (any, error) {
			return s.OrderPaid(ctx, paid("mia", "order", "28.00"), noon.Add(time.Hour))
		}}
	},
	"return goods": func(s *shop) operation {
		return operation{
			func(ctx context.Context, s *shop) (any, error) {
				return s.OrderReturned(ctx, back("ida", "ida's order", "r", "12.00"), noon)
			},
			func(s *shop) error {
				return second(s.OrderReturned(ctx, back("ida", "ida's order", "r", "12.01"), noon))
			},
		}
	},
	"return some": func(s *shop) operation {
		return operation{
			func(ctx context.Context, s *shop) (any, error) {
				return s.OrderReturned(ctx, back("ida", "ida's order", "r", "2.00"), noon)
			},
			func(s *shop) error {
				return second(s.OrderReturned(ctx, back("ida", "ida's order", "r", "3.00"), noon))
			},
		}
	},
	"return with coupons": func(s *shop) operation {
		require.NoError(s.t, second0(s.OrderPaid(ctx, paid("mia", "order", "28.00"), noon)))
		request := referral.Return{ID: "r", Order: "order", Customer: "mia", Coupons: &coupon.RefundRequest{Everything: true}}
		return operation{
			func(ctx context.Context, s *shop) (any, error) { return s.OrderReturned(ctx, request, noon) },
			func(s *shop) error {
				other := request
				other.Coupons = &coupon.RefundRequest{Shipping: []string{"parcel"}}
				return second(s.OrderReturned(ctx, other, noon))
			},
		}
	},
}

// opened is a shop with the operation ready to be asked for, with the same codes each
// time.
func opened(t *testing.T, prepare func(*shop) operation) (*shop, operation) {
	s := openShop(t, memory.New(), referral.Options{Events: true, Random: rand.New(rand.NewSource(1))}, program(8))
	s.bind("jane", "mia", noon)
	s.reserve("order", "mia", noon)
	s.bind("jane", "ida", noon)
	s.pay("ida", noon)
	return s, prepare(s)
}

// codeless is everything in a store but codes, which no two attempts make alike.
func codeless(t *testing.T, store storage.Store) string {
	t.Helper()
	lines := strings.Split(codePattern.ReplaceAllString(dump(t, store), "CODE"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Whatever call fails, and whether it was carried out or not: nothing is half
// written, asking again gives the answer, and asking for something else under the
// same key is refused.
func TestStoreFailures(t *testing.T) {
	for name, prepare := range operations {
		for _, failure := range []error{errDown, storage.ErrOutcomeUnknown} {
			for _, written := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/written=%v", name, failure, written), func(t *testing.T) {
					s, o := opened(t, prepare)
					want, err := o.ask(ctx, s)
					require.NoError(t, err)
					after := codeless(t, s.store)
					requireAudit(t, s.store)
					for at := 1; failsAt(t, prepare, at, written, failure, want, after); at++ {
					}
				})
			}
		}
	}
}

// failsAt plays an operation whose call number at fails; false when it has fewer.
func failsAt(t *testing.T, prepare func(*shop) operation, at int, written bool, failure error, want any, after string) bool {
	s, o := opened(t, prepare)
	before := codeless(t, s.store)
	store := &flaky{Store: s.store, at: at, written: written, err: failure}
	got, err := o.ask(ctx, on(store, referral.Options{Events: true}))
	if err == nil {
		require.Less(t, store.calls, at)
		require.Equal(t, want, got)
		return false
	}
	require.ErrorIs(t, err, failure)
	requireAudit(t, s.store)
	for range 2 {
		got, err = o.ask(ctx, s)
		require.NoError(t, err)
		require.Equal(t, want, got)
		requireSame(t, after, codeless(t, s.store))
	}
	requireAudit(t, s.store)
	require.NotEqual(t, before, after)
	if o.other != nil {
		require.ErrorIs(t, o.other(s), coupon.ErrKeyReused)
		requireSame(t, after, codeless(t, s.store))
	}
	return true
}

// A sweep that fails leaves nothing half done; a later one finishes.
func TestSettleFailures(t *testing.T) {
	for at := 1; ; at++ {
		failed := 0
		for _, written := range []bool{false, true} {
			s := openShop(t, memory.New(), referral.Options{}, held(8))
			s.bind("jane", "mia", noon)
			s.bind("jane", "ida", noon)
			s.pay("mia", noon)
			s.pay("ida", noon)
			later := noon.Add(time.Hour)
			store := &flaky{Store: s.store, at: at, written: written, err: errDown}
			report, err := on(store, referral.Options{}).Settle(ctx, later, 0)
			if store.calls >= at {
				failed++
			}
			if err != nil {
				require.ErrorIs(t, err, errDown)
			}
			requireAudit(t, s.store)
			_, err = s.Settle(ctx, later.Add(time.Duration(report.Failed)*time.Minute), 0)
			require.NoError(t, err)
			require.Equal(t, 2, s.wallet("jane"))
			require.Equal(t, referral.StateConfirmed, s.referral("mia").State)
			requireAudit(t, s.store)
		}
		if failed == 0 {
			return
		}
	}
}

func TestCancelledContext(t *testing.T) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for name, prepare := range operations {
		t.Run(name, func(t *testing.T) {
			s, o := opened(t, prepare)
			before := dump(t, s.store)
			_, err := o.ask(gone, s)
			require.ErrorIs(t, err, context.Canceled)
			requireSame(t, before, dump(t, s.store))
		})
	}
}

// A store that is down is told as such, by every question too.
func TestStoreDown(t *testing.T) {
	for name, ask := range map[string]func(*shop) error{
		"program":  func(s *shop) error { return second(s.Program(ctx, "invite", 0)) },
		"version":  func(s *shop) error { return second(s.Program(ctx, "invite", 1)) },
		"referral": func(s *shop) error { return second(s.Referral(ctx, "invite", "mia")) },
		"rewards":  func(s *shop) error { return second(s.Rewards(ctx, "invite", "mia")) },
		"friends":  func(s *shop) error { return second(s.Friends(ctx, "invite", "jane", referral.TrackingQuery{})) },
		"caps":     func(s *shop) error { return second(s.Caps(ctx, "invite", "jane", noon)) },
		"audit":    func(s *shop) error { return second(referral.Audit(ctx, s.store)) },
	} {
		s := openShop(t, memory.New(), referral.Options{}, program(8))
		s.bind("jane", "mia", noon)
		for at := 1; ; at++ {
			store := &flaky{Store: s.store, at: at, err: errDown}
			err := ask(on(store, referral.Options{}))
			if store.calls < at {
				break
			}
			require.ErrorIs(t, err, errDown, name)
		}
	}
}

// A caller's transaction sees its own work, and nothing of it is remembered when it
// is rolled back.
func TestInAnotherStore(t *testing.T) {
	s := openShop(t, memory.New(), referral.Options{}, program(8))
	elsewhere := openShop(t, memory.New(), referral.Options{}, changed(program(8), func(p *referral.Program) { p.ID = "new" }))
	in := s.In(elsewhere.store)
	_, err := in.Program(ctx, "new", 0)
	require.NoError(t, err)
	_, err = in.Link(ctx, "new", "jane", noon)
	require.NoError(t, err)
	for _, version := range []int{0, 1} {
		_, err = s.Program(ctx, "new", version)
		require.ErrorIs(t, err, referral.ErrNoProgram)
	}
}

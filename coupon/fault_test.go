package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

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

// operation is something a shop asks for, and the same key with something else.
type operation struct {
	ask   func(context.Context, *coupon.Service) (any, error)
	other func(*coupon.Service) error
}

// operations are made in a shop where there is something to do for each.
var operations = map[string]func(s *shop) operation{
	"publish": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return s.Publish(ctx, percentOff("cap", "50"), "staff", noon)
		}}
	},
	"pause": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return nil, s.Pause(ctx, "cap", "staff", "too many", noon)
		}}
	},
	"exclude": func(*shop) operation {
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return nil, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme", Labels: []string{"referral"}}, "acme", noon)
		}}
	},
	"include": func(s *shop) operation {
		require.NoError(s.t, s.Exclude(ctx, coupon.Exclusion{ID: "x", Seller: "acme"}, "acme", noon))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return nil, s.Include(ctx, "acme", "x", "acme", noon)
		}}
	},
	"issue": func(*shop) operation {
		request := coupon.IssueRequest{ID: "new", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "cap", Code: "NEW"}, {Offer: "own", Code: "NEWER"}}}
		other := request
		other.Holder = "jim"
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.Issue(ctx, request, noon) },
			func(s *coupon.Service) error { return second(s.Issue(ctx, other, noon)) },
		}
	},
	"import": importing,
	"load a stock": func(*shop) operation {
		load := func(offer string) coupon.StockRequest {
			return coupon.StockRequest{ID: "load", Offer: offer, Codes: []string{"CARD1", "CARD2"}, Actor: "ann", Reason: "printed"}
		}
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.LoadStock(ctx, load("own"), noon) },
			func(s *coupon.Service) error {
				other := load("cap")
				other.Codes = []string{"CARD3"}
				return second(s.LoadStock(ctx, other, noon))
			},
		}
	},
	"issue from a stock": func(s *shop) operation {
		require.NoError(s.t, ignore(s.LoadStock(ctx, coupon.StockRequest{ID: "load", Offer: "own", Codes: []string{"CARD1"}, Actor: "ann", Reason: "printed"}, noon)))
		request := coupon.IssueRequest{ID: "new", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "own", FromStock: true}}}
		other := request
		other.Holder = "jim"
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.Issue(ctx, request, noon) },
			func(s *coupon.Service) error { return second(s.Issue(ctx, other, noon)) },
		}
	},
	"withdraw a stock": func(s *shop) operation {
		require.NoError(s.t, ignore(s.LoadStock(ctx, coupon.StockRequest{ID: "load", Offer: "own", Codes: []string{"CARD1", "CARD2"}, Actor: "ann", Reason: "printed"}, noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "load", Actor: "ann", Reason: "leaked"}, noon)
		}}
	},
	"override": func(*shop) operation {
		request := coupon.OverrideRequest{ID: "o", Offer: "cap", Customer: "jane", Actor: "ann", Reason: "our fault"}
		other := request
		other.Customer = "jim"
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.Override(ctx, request, noon) },
			func(s *coupon.Service) error { return second(s.Override(ctx, other, noon)) },
		}
	},
	"override the uses of a coupon": func(*shop) operation {
		request := coupon.OverrideRequest{ID: "o", Coupon: "held-own-jane/1", Actor: "ann", Reason: "our fault"}
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Override(ctx, request, noon) }}
	},
	"redeem with an override": func(s *shop) operation {
		s.redeem("first", cartOf(item("20.00", 1)), coupon.Choose("CAP"), noon)
		require.NoError(s.t, ignore(s.Override(ctx, coupon.OverrideRequest{ID: "o", Offer: "cap", Customer: "jane", Actor: "ann", Reason: "our fault"}, noon)))
		return checkout(s, (*coupon.Service).Redeem, true)
	},
	"reissue": func(*shop) operation {
		request := reissue("held-own-jane/1")
		other := request
		other.Reason = "stolen"
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.Reissue(ctx, request, noon) },
			func(s *coupon.Service) error { return second(s.Reissue(ctx, other, noon)) },
		}
	},
	"extend": func(s *shop) operation {
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return s.Extend(ctx, endingCoupon, noon.AddDate(0, 1, 0), "staff", "ill", noon)
		}}
	},
	"revoke": func(s *shop) operation {
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) {
			return s.Revoke(ctx, "held-own-jane/1", "staff", "stolen", noon)
		}}
	},
	"grant credit": func(*shop) operation { return crediting((*coupon.Service).GrantCredit) },
	"take credit": func(s *shop) operation {
		s.grant("jane", eur("3.00"))
		return crediting((*coupon.Service).TakeCredit)
	},
	"reserve with credit": func(s *shop) operation {
		q := paidByCredit(s)
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Reserve(ctx, "order", q, noon) }}
	},
	"redeem with credit": func(s *shop) operation {
		q := paidByCredit(s)
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) { return s.Redeem(ctx, "order", q, noon) },
			func(s *coupon.Service) error {
				other, err := q.Pay(coupon.Tender{Amount: eur("1.00")})
				return errors.Join(err, second(s.Redeem(ctx, "order", other, noon)))
			},
		}
	},
	"redeem with credit that a lapsed reservation holds": func(s *shop) operation {
		q := paidByCredit(s)
		require.NoError(s.t, ignore(s.Reserve(ctx, "left", q, noon.Add(-time.Hour))))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Redeem(ctx, "order", q, noon) }}
	},
	"reserve with other credit": func(s *shop) operation {
		q := paidByCredit(s)
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", q, noon)))
		other, err := q.Pay(coupon.Tender{Amount: eur("7.00")})
		require.NoError(s.t, err)
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Reserve(ctx, "order", other, noon) }}
	},
	"confirm with credit": func(s *shop) operation {
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", paidByCredit(s), noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Confirm(ctx, "order", noon) }}
	},
	"release with credit": func(s *shop) operation {
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", paidByCredit(s), noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Release(ctx, "order", noon) }}
	},
	"refund an amount": func(s *shop) operation {
		require.NoError(s.t, ignore(s.Redeem(ctx, "order", paidByCredit(s), noon)))
		request := coupon.AmountRequest{ID: "r", Amount: eur("9.00"), Actor: "staff", Reason: "scratched"}
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) {
				return s.RefundAmount(ctx, "order", request, noon)
			},
			func(s *coupon.Service) error {
				return second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon))
			},
		}
	},
	"refund everything after an amount": func(s *shop) operation {
		require.NoError(s.t, ignore(s.Redeem(ctx, "order", paidByCredit(s), noon)))
		request := coupon.AmountRequest{ID: "r", Amount: eur("9.00"), Funding: []coupon.Share{share(coupon.Seller, "100")}, Seller: "acme", Actor: "staff", Reason: "scratched"}
		require.NoError(s.t, ignore(s.RefundAmount(ctx, "order", request, noon)))
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) {
				return s.Refund(ctx, "order", coupon.RefundRequest{ID: "all", Everything: true}, noon)
			},
			func(s *coupon.Service) error {
				request.Amount = eur("8.00")
				return second(s.RefundAmount(ctx, "order", request, noon))
			},
		}
	},
	"reserve": func(s *shop) operation { return checkout(s, (*coupon.Service).Reserve, false) },
	"redeem":  func(s *shop) operation { return checkout(s, (*coupon.Service).Redeem, true) },
	"redeem with a lapsed reservation in the way": func(s *shop) operation {
		q := s.applies(cartOf(item("20.00", 1)), coupon.Choice{Codes: []string{"CAP"}, Coupons: []string{"held-own-jane/1"}}, noon.Add(-time.Hour))
		require.NoError(s.t, ignore(s.Reserve(ctx, "left", q, noon.Add(-time.Hour))))
		return checkout(s, (*coupon.Service).Redeem, true)
	},
	"reserve in the place of another choice": func(s *shop) operation {
		q := s.applies(cartOf(item("90.00", 1)), coupon.Choose("CAP"), noon)
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", q, noon)))
		return checkout(s, (*coupon.Service).Reserve, false)
	},
	"confirm": func(s *shop) operation {
		q := s.applies(cartOf(item("20.00", 1)), bothCoupons, noon)
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", q, noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Confirm(ctx, "order", noon) }}
	},
	"confirm what was released": func(s *shop) operation {
		q := s.applies(cartOf(item("20.00", 1)), bothCoupons, noon)
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", q, noon)))
		require.NoError(s.t, ignore(s.Release(ctx, "order", noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Confirm(ctx, "order", noon) }}
	},
	"release": func(s *shop) operation {
		q := s.applies(cartOf(item("20.00", 1)), bothCoupons, noon)
		require.NoError(s.t, ignore(s.Reserve(ctx, "order", q, noon)))
		return operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return s.Release(ctx, "order", noon) }}
	},
	"refund": func(s *shop) operation {
		s.redeem("order", cartOf(item("20.00", 3)), bothCoupons, noon)
		request := coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 2}}}
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) {
				return s.Refund(ctx, "order", request, noon)
			},
			func(s *coupon.Service) error {
				return second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon))
			},
		}
	},
	"refund everything": func(s *shop) operation {
		s.redeem("order", cartOf(item("20.00", 3)), bothCoupons, noon)
		return operation{
			func(ctx context.Context, s *coupon.Service) (any, error) {
				return s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Everything: true}, noon)
			},
			func(s *coupon.Service) error {
				return second(s.Refund(ctx, "order", coupon.RefundRequest{ID: "r", Lines: []coupon.Returned{{Line: "1", Units: 1}}}, noon))
			},
		}
	},
}

// paidByCredit is a shop whose customer has credit, and a quote that it pays a part of.
func paidByCredit(s *shop) *coupon.Quote {
	s.grant("jane", eur("7.00"))
	q, err := s.applies(cartOf(item("20.00", 3)), bothCoupons.For("order"), noon).Pay(coupon.Tender{Amount: eur("6.00")})
	require.NoError(s.t, err)
	return q
}

// endingCoupon is jane's coupon of an offer that ends.
const endingCoupon = "held-ending-jane/1"

func crediting(call func(*coupon.Service, context.Context, coupon.CreditRequest, time.Time) (coupon.CreditChange, error)) operation {
	request := coupon.CreditRequest{ID: "c", Customer: "jane", Amount: eur("5.00"), Actor: "staff", Reason: "late"}
	other := request
	other.Amount = eur("6.00")
	return operation{
		func(ctx context.Context, s *coupon.Service) (any, error) { return call(s, ctx, request, noon) },
		func(s *coupon.Service) error { return second(call(s, ctx, other, noon)) },
	}
}

var bothCoupons = coupon.Choice{Codes: []string{"CAP"}, Coupons: []string{"held-own-jane/1"}}

func ignore[A any](_ A, err error) error { return err }

func checkout(s *shop, call func(*coupon.Service, context.Context, string, *coupon.Quote, time.Time) (coupon.Redemption, error), final bool) operation {
	q := s.applies(cartOf(item("20.00", 1)), bothCoupons.For("order"), noon)
	o := operation{ask: func(ctx context.Context, s *coupon.Service) (any, error) { return call(s, ctx, "order", q, noon) }}
	if final {
		more := s.quote(cartOf(item("25.00", 1)), coupon.Choice{}, noon)
		o.other = func(s *coupon.Service) error { return second(call(s, ctx, "order", more, noon)) }
	}
	return o
}

// repeatableCodes makes codes that follow from their coupons' ids.
func repeatableCodes(fresh time.Duration) coupon.Options {
	return coupon.Options{CodeKey: make([]byte, 32), Fresh: fresh, Settle: true}
}

// opened is a shop with the operation ready to be asked for.
func opened(t *testing.T, prepare func(*shop) operation) (*shop, operation) {
	s := newShopOn(t, memory.New(), repeatableCodes(0),
		limited(freely(percentOff("cap", "10")), coupon.Limit{Uses: 1}), freely(amountOff("own", "2.00")),
		changed(amountOff("ending", "1.00"), func(o *coupon.Offer) { o.Schedule.Life = 24 * time.Hour }))
	s.issued = noon.Add(-2 * time.Hour) // some operations find what was reserved an hour before
	s.public("cap", "CAP")
	s.held("own", "jane", 1)
	s.held("ending", "jane", 1)
	return s, prepare(s)
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
					want, err := o.ask(ctx, s.Service)
					require.NoError(t, err)
					after := dump(t, s.store)
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
	before := dump(t, s.store)
	store := &flaky{Store: s.store, at: at, written: written, err: failure}
	got, err := o.ask(ctx, coupon.New(store, repeatableCodes(-1)))
	if err == nil {
		require.Less(t, store.calls, at)
		require.Equal(t, want, got)
		return false
	}
	require.ErrorIs(t, err, failure)
	if now := dump(t, s.store); now != before {
		requireSame(t, after, now)
	}
	for range 2 {
		got, err = o.ask(ctx, s.Service)
		require.NoError(t, err)
		require.Equal(t, want, got)
		requireSame(t, after, dump(t, s.store))
	}
	if o.other != nil {
		require.ErrorIs(t, o.other(s.Service), coupon.ErrKeyReused)
		requireSame(t, after, dump(t, s.store))
	}
	return true
}

// A sweep that fails puts the reservation off; a later one finishes.
func TestSweepFailures(t *testing.T) {
	for at := 1; at <= 6; at++ {
		for _, written := range []bool{false, true} {
			s, _ := opened(t, operations["confirm"]) // reserved, and never confirmed
			later := noon.Add(time.Hour)
			store := &flaky{Store: s.store, at: at, written: written, err: errDown}
			report, err := coupon.New(store, coupon.Options{}).Sweep(ctx, later, 0)
			if err != nil {
				require.ErrorIs(t, err, errDown)
			}
			s.audit()
			_, err = s.Sweep(ctx, later.Add(time.Duration(report.Failed)*time.Minute), 0)
			require.NoError(t, err)
			r, err := s.Redemption(ctx, "order")
			require.NoError(t, err)
			require.Equal(t, coupon.StateExpired, r.State)
			require.Zero(t, s.counter("uses/cap"))
		}
	}
}

func TestCancelledContext(t *testing.T) {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, prepare := range operations {
		t.Run(name, func(t *testing.T) {
			s, o := opened(t, prepare)
			before := dump(t, s.store)
			_, err := o.ask(cancelled, s.Service)
			require.ErrorIs(t, err, context.Canceled)
			requireSame(t, before, dump(t, s.store))
		})
	}
}

// A store that is down is told as such, by every question too.
func TestStoreDown(t *testing.T) {
	s := coupon.New(down{}, coupon.Options{})
	for name, err := range map[string]error{
		"quote":      second(s.Quote(ctx, cartOf(item("1.00", 1)), coupon.Choose("SUMMER"), noon)),
		"coupon":     second(s.Coupon(ctx, "c")),
		"redemption": second(s.Redemption(ctx, "o")),
		"wallet":     second(s.Wallet(ctx, "jane", coupon.WalletQuery{}, noon)),
		"offer":      second(s.Offer(ctx, "a", 0, noon)),
		"version":    second(s.Offer(ctx, "a", 1, noon)),
		"audit":      second(coupon.Audit(ctx, down{})),
	} {
		require.True(t, errors.Is(err, errDown), name)
	}
}

// A caller's transaction sees its own work, and nothing of it is remembered when
// it is rolled back.
func TestInAnotherStore(t *testing.T) {
	s := newShop(t, amountOff("own", "2.00"))
	elsewhere := memory.New()
	in := s.In(elsewhere)
	_, err := in.Publish(ctx, amountOff("new", "1.00"), "staff", noon)
	require.NoError(t, err)
	_, err = in.Offer(ctx, "new", 0, noon)
	require.NoError(t, err)
	_, err = s.Offer(ctx, "new", 0, noon)
	require.ErrorIs(t, err, coupon.ErrNoOffer)
	_, err = s.Offer(ctx, "new", 1, noon)
	require.ErrorIs(t, err, coupon.ErrNoOffer)
}

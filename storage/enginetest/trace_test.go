package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
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

// TestOneTrace plays one course of events, given by its seed, on every engine: each
// answer, each refusal and the audit are those of the memory store, byte for byte.
func TestOneTrace(t *testing.T) {
	const seed = 7
	steps := size(400, 10_000)
	want := newCourse(memory.New(), seed).play(t, steps)
	for _, e := range Engines() {
		t.Run(fmt.Sprintf("%s/seed %d, %d steps", e.Name, seed, steps), func(t *testing.T) {
			store := e.Store(t, e.Open(t, e.DSN(t), 1), sqlstore.Options{})
			found := newCourse(store, seed).play(t, steps)
			require.Len(t, found, steps+1)
			for i := range found {
				require.Equal(t, string(want[i]), string(found[i]), "step %d", i)
			}
		})
	}
}

// course is a course of events in a shop, and what it has come to so far.
type course struct {
	services
	random *rand.Rand
	now    time.Time
	made   map[string][]string // ids by what they are of, and codes of links
	paid   []referral.Payment
	n      int
	trace  [][]byte
}

func newCourse(store storage.Store, seed int64) *course {
	store = oneDue{store}
	coupons := coupon.New(store, coupon.Options{Fresh: -1, CodeKey: bytes.Repeat([]byte("k"), 32)})
	c := &course{random: rand.New(rand.NewSource(seed)), now: noon, made: make(map[string][]string)}
	c.services = services{
		store, coupons,
		referral.New(store, coupons, referral.Options{Events: true, Random: rand.New(rand.NewSource(seed))}),
		ledger.New(store, ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}}),
	}
	return c
}

// oneDue shows sweeps one due document at a time: among several they begin anywhere, so
// that workers do not meet.
type oneDue struct{ storage.Store }

func (s oneDue) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	if q.DueBefore != 0 {
		q.Limit = 1
	}
	return s.Store.List(ctx, q)
}

// play gives the answers, and at last the audit.
func (c *course) play(t *testing.T, steps int) [][]byte {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, opened(ctx, c.services))
	_, err := c.coupons.Publish(ctx, coupon.Offer{
		ID: "daily", Name: "daily", Benefit: coupon.PercentOff{Rate: ledger.MustRate("7.5")}, Combine: coupon.Combine{Freely: true},
		Limits: []coupon.Limit{{Per: coupon.PerCustomer, Uses: 2, Period: ledger.Day}, {Money: coupon.Amounts{ledger.MustMoney("90.00", eur)}, When: coupon.ClipSpent}},
	}, "staff", c.now)
	require.NoError(t, err)
	_, err = c.coupons.Issue(ctx, coupon.IssueRequest{ID: "daily", Offers: []coupon.IssueOffer{{Offer: "daily", Code: "DAILY"}}}, c.now)
	require.NoError(t, err)
	moves := []func(context.Context) (any, error){
		c.wait, c.order, c.order, c.order, c.orderAgain, c.refund, c.issue, c.revoke, c.pause, c.link, c.register, c.register,
		c.pay, c.pay, c.back, c.post, c.hold, c.endHold, c.sweep, c.read,
	}
	for c.n = range steps {
		i := c.random.Intn(len(moves))
		answer, err := moves[i](ctx)
		c.note(t, fmt.Sprintf("move %d", i), answer, err)
	}
	report, err := referral.Audit(ctx, c.store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	c.note(t, "audit", report, nil)
	return c.trace
}

func (c *course) note(t *testing.T, what string, answer any, err error) {
	t.Helper()
	if err != nil {
		refused := errors.Is(err, coupon.ErrRefused) || errors.Is(err, coupon.ErrQuoteChanged)
		for _, known := range []error{
			coupon.ErrState, coupon.ErrNoRedemption, coupon.ErrNoCoupon, coupon.ErrKeyReused, coupon.ErrRequest, coupon.ErrLapsed,
			ledger.ErrInsufficient, ledger.ErrHoldEnded, ledger.ErrNoHold, referral.ErrPaused, referral.ErrNoReferral, referral.ErrRequest,
		} {
			refused = refused || errors.Is(err, known)
		}
		require.True(t, refused, "%s: %v", what, err)
	}
	line, marshalled := json.Marshal([]any{c.now, what, answer, fmt.Sprint(err)})
	require.NoError(t, marshalled)
	c.trace = append(c.trace, line)
}

func (c *course) customer() string { return fmt.Sprint("customer-", c.random.Intn(12)) }

// fresh is a new id of something.
func (c *course) fresh(kind string) string {
	id := fmt.Sprintf("%s-%d", kind, c.n)
	c.made[kind] = append(c.made[kind], id)
	return id
}

// known is the id of one of the last few of something, or at first a new one.
func (c *course) known(kind string) string {
	all := c.made[kind]
	if len(all) == 0 {
		return c.fresh(kind)
	}
	return all[len(all)-1-c.random.Intn(min(len(all), 20))]
}

// either is mostly new.
func (c *course) either(kind string) string {
	if c.random.Intn(4) == 0 {
		return c.known(kind)
	}
	return c.fresh(kind)
}

func (c *course) amount() ledger.Money { return ledger.Minor(int64(1+c.random.Intn(3000)), eur) }

func (c *course) wait(context.Context) (any, error) {
	c.now = c.now.Add(time.Duration(c.random.Intn(90)) * time.Minute)
	return nil, nil
}

// order quotes with what the wallet has and what anybody may use, and reserves or
// redeems.
func (c *course) order(ctx context.Context) (any, error) {
	return c.ordered(ctx, fmt.Sprint("order-", c.n))
}

func (c *course) orderAgain(ctx context.Context) (any, error) {
	return c.ordered(ctx, c.known("order"))
}

// ordered sweeps first: of several lapsed reservations in an order's way it takes any.
func (c *course) ordered(ctx context.Context, order string) (any, error) {
	if _, err := c.coupons.Sweep(ctx, c.now, 0); err != nil {
		return nil, err
	}
	customer := c.customer()
	wallet, err := c.coupons.Wallet(ctx, customer, coupon.WalletQuery{Limit: 2}, c.now)
	if err != nil {
		return nil, err
	}
	choice := coupon.Choice{Codes: []string{"CAP", "DAILY"}[c.random.Intn(2):], Best: c.random.Intn(2) == 0}.For(order)
	for _, held := range wallet.Coupons {
		choice.Coupons = append(choice.Coupons, held.ID)
	}
	cart := janesCart(fmt.Sprintf("%d.%02d", 1+c.random.Intn(60), c.random.Intn(100)))
	cart.Customer.Key = customer
	quote, err := c.coupons.Quote(ctx, cart, choice, c.now)
	if err != nil {
		return quote, err
	}
	call := c.coupons.Reserve
	if c.random.Intn(2) == 0 {
		call = c.coupons.Redeem
	}
	redemption, err := call(ctx, order, quote, c.now)
	return []any{quote, redemption}, err
}

func (c *course) refund(ctx context.Context) (any, error) {
	order := c.known("order")
	switch c.random.Intn(4) {
	case 0:
		return c.coupons.Confirm(ctx, order, c.now)
	case 1:
		return c.coupons.Release(ctx, order, c.now)
	case 2:
		return c.coupons.Refund(ctx, order, coupon.RefundRequest{ID: c.either("refund"), Everything: true}, c.now)
	}
	return c.coupons.Refund(ctx, order, coupon.RefundRequest{ID: c.either("refund"), Lines: []coupon.Returned{{Line: "1", Units: 1}}}, c.now)
}

func (c *course) issue(ctx context.Context) (any, error) {
	return c.coupons.Issue(ctx, coupon.IssueRequest{
		ID: c.either("issue"), Holder: c.customer(), Offers: []coupon.IssueOffer{{Offer: "own", Count: 1 + c.random.Intn(2)}},
	}, c.now)
}

func (c *course) revoke(ctx context.Context) (any, error) {
	return c.coupons.Revoke(ctx, c.known("issue")+"/1", "staff", "because", c.now)
}

// pause has the offer or the program paused a third of the time.
func (c *course) pause(ctx context.Context) (any, error) {
	calls := []func(context.Context, string, string, string, time.Time) error{c.coupons.Pause, c.coupons.Resume, c.coupons.Resume}
	id := "own"
	if c.random.Intn(2) == 0 {
		calls[0], calls[1], calls[2] = c.referrals.Pause, c.referrals.Resume, c.referrals.Resume
		id = "invite"
	}
	return nil, calls[c.random.Intn(len(calls))](ctx, id, "staff", "because", c.now)
}

func (c *course) link(ctx context.Context) (any, error) {
	link, err := c.referrals.Link(ctx, "invite", c.customer(), c.now)
	if err == nil {
		c.made["code"] = append(c.made["code"], link.Code.String())
	}
	return link, err
}

func (c *course) register(ctx context.Context) (any, error) {
	if len(c.made["code"]) == 0 {
		return nil, nil
	}
	code := c.known("code")
	friend := c.either("friend")
	if c.random.Intn(3) == 0 {
		return c.referrals.Touch(ctx, referral.TouchRequest{ID: c.either("touch"), Visitor: friend, Code: code}, c.now)
	}
	return c.referrals.Register(ctx, referral.Registration{Customer: friend, Visitor: friend, Code: code}, c.now)
}

func (c *course) pay(ctx context.Context) (any, error) {
	payment := referral.Payment{Order: c.either("paid"), Customer: c.known("friend"), Amount: c.amount()}
	c.paid = append(c.paid, payment)
	return c.referrals.OrderPaid(ctx, payment, c.now)
}

func (c *course) back(ctx context.Context) (any, error) {
	if len(c.paid) == 0 {
		return nil, nil
	}
	payment := c.paid[c.random.Intn(len(c.paid))]
	back := referral.Return{ID: c.either("return"), Order: payment.Order, Customer: payment.Customer, Amount: ledger.Minor(0, eur), Everything: true}
	if c.random.Intn(2) == 0 {
		back.Amount, back.Everything = ledger.Minor(payment.Amount.Minor()/2, eur), false
	}
	return c.referrals.OrderReturned(ctx, back, c.now)
}

func (c *course) post(ctx context.Context) (any, error) {
	from, to := ledger.Account("promotions"), ledger.Account("credit/"+c.customer())
	if c.random.Intn(3) == 0 {
		from, to = to, "sales"
	}
	return c.book.Post(ctx, ledger.Entry{ID: c.either("entry"), Kind: "test", At: c.now, Transfers: []ledger.Transfer{{From: from, To: to, Amount: c.amount()}}})
}

func (c *course) hold(ctx context.Context) (any, error) {
	return c.book.Hold(ctx, ledger.HoldRequest{
		ID: c.either("hold"), From: ledger.Account("credit/" + c.customer()), Amount: c.amount(), Until: c.now.Add(5 * time.Hour),
	}, c.now)
}

func (c *course) endHold(ctx context.Context) (any, error) {
	if c.random.Intn(2) == 0 {
		return c.book.Void(ctx, c.known("hold"), c.now)
	}
	return c.book.PostHold(ctx, c.known("hold"), "sales", ledger.Minor(1, eur), c.now)
}

// sweep takes all that is due.
func (c *course) sweep(ctx context.Context) (any, error) {
	coupons, err := c.coupons.Sweep(ctx, c.now, 0)
	settled, second := c.referrals.Settle(ctx, c.now, 0)
	holds, third := c.book.LapseHolds(ctx, ledger.SweepOptions{Now: c.now})
	var told []ledger.Event
	events, fourth := ledger.Deliver(ctx, c.store, ledger.DeliverOptions{Now: c.now}, func(_ context.Context, e ledger.Event) error {
		told = append(told, e)
		return nil
	})
	return []any{coupons, settled, holds, events, told}, errors.Join(err, second, third, fourth)
}

func (c *course) read(ctx context.Context) (any, error) {
	wallet, err := c.coupons.Wallet(ctx, c.customer(), coupon.WalletQuery{Past: c.random.Intn(2) == 0}, c.now)
	statement, second := c.book.Statement(ctx, ledger.Account("credit/"+c.customer()), ledger.StatementQuery{})
	friends, third := c.referrals.Friends(ctx, "invite", c.customer(), referral.TrackingQuery{})
	return []any{wallet, statement, friends}, errors.Join(err, second, third)
}

package coupon

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Tender is credit that pays a part of an order, after all discounts: it changes no
// price, and no offer sees it.
type Tender struct {
	Amount ledger.Money // of the customer's credit: money in the cart's currency, or points

	// Worth is what it pays of the order, in the cart's currency. For money it may be
	// left out: it is the amount. For points the shop says what they are worth.
	Worth ledger.Money
}

// TenderAccount is the account of the credit that paid for orders.
const TenderAccount ledger.Account = "tender/orders"

// maxTender bounds how many kinds of credit pay for one order.
const maxTender = 5

// ReturnOrder says in which order a refund goes back to what the order was paid
// with. Everything comes back in the end either way: it is about returns of a part.
type ReturnOrder uint8

// In which order a refund goes back. CreditFirst is the default: as long as credit
// is not back, none of it turns into money, and what a refund falls short of by a
// claw-back or goodwill falls on money, not on credit.
const (
	CreditFirst ReturnOrder = iota // to credit, in the order of Quote.Tender, then to the other means
	OtherFirst                     // to the other means of payment, then to credit
)

// Pay is the quote with a part paid by the customer's credit. Reserving such a quote
// holds the credit for the order until its payment is decided; redeeming or
// confirming it takes it, releasing gives it back, and refunds return it
// ([Options].ReturnOrder). A second call replaces the first; without tender nothing
// is paid by credit.
//
// It fails with a [*Faults] when the cart names no customer, or when the tender is
// worth more than the quote's total. Whether the credit is there is seen when it is
// taken: Reserve and Redeem fail with a [*ledger.InsufficientError] otherwise.
func (q *Quote) Pay(tender ...Tender) (*Quote, error) {
	paid := *q
	paid.Tender = slices.Clone(tender)
	for i := range paid.Tender {
		if t := &paid.Tender[i]; t.Worth == (ledger.Money{}) && t.Amount.Currency() == q.Cart.Currency {
			t.Worth = t.Amount
		}
	}
	faults := &Faults{Kind: ErrRequest}
	paid.checkTender(faults)
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	return &paid, nil
}

// Due is what is left to pay by other means: the total less what credit pays.
func (q *Quote) Due() ledger.Money {
	due := q.Total.Minor()
	for _, t := range q.Tender {
		due -= t.Worth.Minor()
	}
	return ledger.Minor(due, q.Total.Currency())
}

func (q *Quote) checkTender(faults *Faults) {
	if len(q.Tender) == 0 {
		return
	}
	if q.Cart.Customer.Key == "" {
		faults.add("cart.customer.key", "is missing: credit belongs to a customer")
	}
	if len(q.Tender) > maxTender {
		faults.add("tender", "has %d entries, at most %d are allowed", len(q.Tender), maxTender)
		return
	}
	var sum int64
	for i, t := range q.Tender {
		path := fmt.Sprintf("tender[%d]", i)
		t.check(path, q.Cart.Currency, faults)
		if slices.ContainsFunc(q.Tender[:i], func(o Tender) bool { return o.Amount.Currency() == t.Amount.Currency() }) {
			faults.add(path+".amount", "is in %s, as another entry: sum them", t.Amount.Currency())
		}
		sum = boundedSum(sum, max(0, t.Worth.Minor()))
	}
	if sum > q.Total.Minor() {
		faults.add("tender", "is worth %s, but the total is %s", ledger.Minor(sum, q.Total.Currency()), q.Total)
	}
}

func (t *Tender) check(path string, currency ledger.Currency, faults *Faults) {
	for _, m := range []struct {
		path  string
		money ledger.Money
	}{{path + ".amount", t.Amount}, {path + ".worth", t.Worth}} {
		if m.money.Currency().IsZero() || m.money.Minor() < 1 || m.money.Minor() >= MaxTotal {
			faults.add(m.path, "is %s, want more than 0 and less than 2^53 minor units", m.money)
			return
		}
	}
	switch {
	case t.Worth.Currency() != currency:
		faults.add(path+".worth", "is in %s, but the cart is in %s", t.Worth.Currency(), currency)
	case t.Amount.Currency() == currency && t.Amount != t.Worth:
		faults.add(path+".worth", "is %s for %s: money is worth its amount", t.Worth, t.Amount)
	}
}

// tenderBody is credit that pays for an order, and what of it came back.
type tenderBody struct {
	Amount    int64           `json:"amount"`
	Unit      ledger.Currency `json:"unit"`
	Worth     int64           `json:"worth"` // in the order's currency
	Back      int64           `json:"back,omitempty"`
	BackWorth int64           `json:"back_worth,omitempty"`
}

// tenderBack is what one refund returns to one tender.
type tenderBack struct {
	Tender int   `json:"tender"`
	Amount int64 `json:"amount"`
	Worth  int64 `json:"worth"`
}

func newTenderBodies(tender []Tender) []tenderBody {
	var bodies []tenderBody
	for _, t := range tender {
		bodies = append(bodies, tenderBody{Amount: t.Amount.Minor(), Unit: t.Amount.Currency(), Worth: t.Worth.Minor()})
	}
	return bodies
}

// byCredit is what credit pays of the order, and what of that came back.
func (b *redemptionBody) byCredit() (worth, back int64) {
	for _, t := range b.Tender {
		worth, back = worth+t.Worth, back+t.BackWorth
	}
	return worth, back
}

// forever is the time of a hold whose end the order decides.
var forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func holdKeys(ids []string) []storage.Key {
	keys := make([]storage.Key, len(ids))
	for i, id := range ids {
		keys[i] = ledger.HoldKey(id)
	}
	return keys
}

// holdTender sets the credit aside until the order's payment is decided. The holds
// do not lapse by themselves: they end with the reservation. The version that the
// redemption gets makes their ids unique.
func (w *work) holdTender(r *storage.Record[redemptionBody]) error {
	b := &r.Value
	for i, t := range b.Tender {
		id := fmt.Sprintf("order/%s/%d/%d", b.Order, r.Version+1, i+1)
		held, err := ledger.PlanHold(ledger.HoldRequest{
			ID: id, From: CreditAccount(b.Customer), Amount: ledger.Minor(t.Amount, t.Unit), Until: forever, Subject: b.Customer, Concerns: b.Order,
		}, w.now, floors...)
		if err != nil {
			return err
		}
		w.batches, b.Holds = append(w.batches, held.Batch), append(slices.Clone(b.Holds), id)
	}
	return nil
}

// voidTender gives the credit back that the order holds.
func (w *work) voidTender(b *redemptionBody) error {
	for _, key := range holdKeys(b.Holds) {
		if w.docs[key] == nil {
			return fmt.Errorf("%w: %s: it is not there, and order %q holds it", storage.ErrCorrupt, key, b.Order)
		}
		voided, err := ledger.PlanVoidHold(*w.docs[key], w.now, floors...)
		if err != nil {
			return err
		}
		w.batches = append(w.batches, voided.Batch)
	}
	b.Holds = nil
	return nil
}

// takeTender takes the credit: what is held is posted; what is not comes from the
// customer's account, by the transfers.
func (w *work) takeTender(b *redemptionBody) (transfers []ledger.Transfer, err error) {
	if err := w.read(holdKeys(b.Holds)...); err != nil {
		return nil, err
	}
	for i, t := range b.Tender {
		amount := ledger.Minor(t.Amount, t.Unit)
		if len(b.Holds) == 0 {
			transfers = append(transfers, ledger.Transfer{From: CreditAccount(b.Customer), To: TenderAccount, Amount: amount})
			continue
		}
		key := ledger.HoldKey(b.Holds[i])
		if w.docs[key] == nil {
			return nil, fmt.Errorf("%w: %s: it is not there, and order %q holds it", storage.ErrCorrupt, key, b.Order)
		}
		posted, err := ledger.PlanPostHold(*w.docs[key], TenderAccount, amount, w.now, floors...)
		if err != nil {
			return nil, err
		}
		w.batches = append(w.batches, posted.Batch)
	}
	return transfers, nil
}

// creditOf is the tender whose account a counter counts, nil when it is none.
func (b *redemptionBody) creditOf(counter string) *tenderBody {
	for i := range b.Tender {
		if ledger.BalanceCounter(CreditAccount(b.Customer), b.Tender[i].Unit) == counter {
			return &b.Tender[i]
		}
	}
	return nil
}

// returnTender says what of a refund goes back to credit, and marks it.
func (b *redemptionBody) returnTender(amount int64, order ReturnOrder) []tenderBack {
	worth, back := b.byCredit()
	toCredit := min(amount, worth-back)
	if order == OtherFirst {
		other := b.Total - worth - (b.Refunded - back)
		toCredit = max(0, amount-other)
	}
	var all []tenderBack
	b.Tender = slices.Clone(b.Tender)
	for i := range b.Tender {
		t := &b.Tender[i]
		part := min(toCredit, t.Worth-t.BackWorth)
		if part == 0 {
			continue
		}
		toCredit -= part
		t.BackWorth += part
		units := portion(t.Amount, t.BackWorth, t.Worth) - t.Back
		t.Back += units
		all = append(all, tenderBack{i, units, part})
	}
	return all
}

// portion is amount × n / of, rounded down, for n ≤ of.
func portion(amount, n, of int64) int64 {
	high, low := bits.Mul64(uint64(amount), uint64(n))
	quotient, _ := bits.Div64(high, low, uint64(of))
	return int64(quotient)
}

// tenderTransfers book what goes back to credit.
func (b *redemptionBody) tenderTransfers(back []tenderBack) []ledger.Transfer {
	var transfers []ledger.Transfer
	for _, t := range back {
		if t.Amount > 0 {
			transfers = append(transfers, ledger.Transfer{From: TenderAccount, To: CreditAccount(b.Customer), Amount: ledger.Minor(t.Amount, b.Tender[t.Tender].Unit)})
		}
	}
	return transfers
}

package coupon

import (
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// State is where a redemption stands:
//
//	reserved → confirmed | released | expired
//	released, expired → confirmed, when its claims can be had again
//	confirmed → partly refunded → refunded
type State string

// The states of a redemption.
const (
	StateReserved       State = "reserved"
	StateConfirmed      State = "confirmed"
	StateReleased       State = "released"
	StateExpired        State = "expired"
	StatePartlyRefunded State = "partly_refunded"
	StateRefunded       State = "refunded"
)

// live says that the redemption's offers are in use.
func (s State) live() bool {
	return s == StateReserved || s == StateConfirmed || s == StatePartlyRefunded
}

// paid says that the redemption was confirmed, whatever came back since.
func (s State) paid() bool {
	return s == StateConfirmed || s == StatePartlyRefunded || s == StateRefunded
}

// Redemption is what one order uses: every offer and coupon that applies to it,
// what comes off each line, and what it holds of every limited counter.
type Redemption struct {
	Order     string
	State     State
	Customer  string
	At        time.Time // reserved, or redeemed in one step
	Until     time.Time // when the reservation lapses; zero when it is not reserved
	Confirmed time.Time // zero: not yet
	Ended     time.Time // released or expired; zero: neither

	Lines    []RedeemedLine
	Shipping []RedeemedShipping
	Applied  []Applied
	Claims   []ledger.Claim // held now
	Refunds  []Refund

	Subtotal      ledger.Money
	Discount      ledger.Money
	ShippingTotal ledger.Money
	Total         ledger.Money // what the shopper pays
	Refunded      ledger.Money // of that, what was given back
}

// RedeemedLine is one line of the order as it was redeemed.
type RedeemedLine struct {
	QuoteLine
	Product  string
	Seller   string
	Returned int64 // units given back so far; units are returned in their order, the first first
}

// RedeemedShipping is one delivery of the order.
type RedeemedShipping struct {
	ID       string
	Price    ledger.Money
	Returned bool
}

// Bodies keep money as int64 minor units and instants as unix microseconds, so
// that views can sum and compare them.
type redemptionBody struct {
	Order       string          `json:"order"`
	State       State           `json:"state"`
	Customer    string          `json:"customer"`
	Currency    ledger.Currency `json:"currency"`
	At          int64           `json:"at"`
	Until       int64           `json:"until"`
	Confirmed   int64           `json:"confirmed"`
	Ended       int64           `json:"ended"`
	Fingerprint string          `json:"fingerprint"`
	Subtotal    int64           `json:"subtotal"`
	Discount    int64           `json:"discount"`
	Shipping    int64           `json:"shipping"`
	Total       int64           `json:"total"`
	Refunded    int64           `json:"refunded"`
	Lines       []lineBody      `json:"lines"`
	Deliveries  []deliveryBody  `json:"deliveries"`
	Applied     []appliedBody   `json:"applied"`
	Claims      []ledger.Claim  `json:"claims"`  // held now: what an audit sums
	Claimed     []ledger.Claim  `json:"claimed"` // as taken first: what a late confirmation takes again
	Refunds     []refundBody    `json:"refunds"`
}

type lineBody struct {
	ID       string    `json:"id"`
	Product  string    `json:"product"`
	Seller   string    `json:"seller,omitempty"`
	Quantity int64     `json:"quantity"`
	Price    int64     `json:"price"`
	Off      []offBody `json:"off,omitempty"`
	Returned int64     `json:"returned,omitempty"`
}

type offBody struct {
	Applied int   `json:"applied"`
	Amount  int64 `json:"amount"`
}

type deliveryBody struct {
	ID       string `json:"id"`
	Price    int64  `json:"price"`
	Returned bool   `json:"returned,omitempty"`
}

type appliedBody struct {
	Offer   string  `json:"offer"`
	Version int     `json:"version"`
	Name    string  `json:"name"`
	Coupon  string  `json:"coupon,omitempty"`
	Held    bool    `json:"held,omitempty"` // somebody holds the coupon: its use is in its own document
	Amount  int64   `json:"amount"`
	Restore Restore `json:"restore,omitempty"`
}

type refundBody struct {
	ID          string           `json:"id"`
	Fingerprint string           `json:"fingerprint"`
	At          int64            `json:"at"`
	Amount      int64            `json:"amount"`
	Discount    int64            `json:"discount"`
	Lines       []refundLineBody `json:"lines,omitempty"`
	Deliveries  []string         `json:"deliveries,omitempty"`
	Restored    bool             `json:"restored,omitempty"`
}

type refundLineBody struct {
	Line   string `json:"line"`
	Units  int64  `json:"units"`
	Amount int64  `json:"amount"`
}

var redemptions = storage.NewCodec[redemptionBody](1)

const kindRedemption = "redemption"

func redemptionKey(order string) storage.Key { return storage.Key{Kind: kindRedemption, ID: order} }

// putRedemption writes a redemption: in its customer's list, and due when its
// reservation lapses.
func putRedemption(r storage.Record[redemptionBody]) (storage.Put, error) {
	var lists []storage.Listing
	if r.Value.Customer != "" {
		lists = append(lists, storage.Listing{List: "customer/" + r.Value.Customer, Place: r.Value.At})
	}
	var due int64
	if r.Value.State == StateReserved {
		due = r.Value.Until
	}
	return redemptions.Put(r, due, lists...)
}

// newRedemptionBody is what a quote becomes when it is reserved or redeemed.
func newRedemptionBody(order string, q *Quote, claims []ledger.Claim) redemptionBody {
	b := redemptionBody{
		Order: order, Customer: q.Cart.Customer.Key, Currency: q.Cart.Currency, Fingerprint: q.Fingerprint(),
		Subtotal: q.Subtotal.Minor(), Discount: q.Discount.Minor(), Shipping: q.Shipping.Minor(), Total: q.Total.Minor(),
		Claims: claims, Claimed: claims,
	}
	for i, l := range q.Lines {
		line := lineBody{ID: l.ID, Product: q.Cart.Lines[i].Product, Seller: q.Cart.Lines[i].Seller, Quantity: l.Quantity, Price: l.Price.Minor()}
		for _, o := range l.Off {
			line.Off = append(line.Off, offBody{o.Applied, o.Amount.Minor()})
		}
		b.Lines = append(b.Lines, line)
	}
	for _, s := range q.Cart.Shipping {
		b.Deliveries = append(b.Deliveries, deliveryBody{ID: s.ID, Price: s.Price.Minor()})
	}
	for i, a := range q.Applied {
		c := q.candidates[i]
		b.Applied = append(b.Applied, appliedBody{
			Offer: a.Offer, Version: a.Version, Name: a.Name, Coupon: a.Coupon, Amount: a.Amount.Minor(),
			Held: c.Coupon != nil && c.Coupon.Holder != "", Restore: c.Version.offer.Restore,
		})
	}
	return b
}

// held are the ids of the coupons whose use the redemption keeps in their own
// documents.
func (b *redemptionBody) held() []string {
	var ids []string
	for _, a := range b.Applied {
		if a.Held {
			ids = append(ids, a.Coupon)
		}
	}
	return ids
}

// redemption is the body as callers see it.
func (b *redemptionBody) redemption() Redemption {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, b.Currency) }
	r := Redemption{
		Order: b.Order, State: b.State, Customer: b.Customer,
		At: instant(b.At), Until: instant(b.Until), Confirmed: instant(b.Confirmed), Ended: instant(b.Ended),
		Claims: b.Claims, Subtotal: money(b.Subtotal), Discount: money(b.Discount),
		ShippingTotal: money(b.Shipping), Total: money(b.Total), Refunded: money(b.Refunded),
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		line := RedeemedLine{Product: l.Product, Seller: l.Seller, Returned: l.Returned}
		line.ID, line.Quantity, line.Price, line.Total = l.ID, l.Quantity, money(l.Price), money(l.total())
		for _, o := range l.Off {
			line.Off = append(line.Off, Off{o.Applied, money(o.Amount)})
		}
		r.Lines = append(r.Lines, line)
	}
	for _, d := range b.Deliveries {
		r.Shipping = append(r.Shipping, RedeemedShipping{d.ID, money(d.Price), d.Returned})
	}
	for _, a := range b.Applied {
		r.Applied = append(r.Applied, Applied{a.Offer, a.Version, a.Name, a.Coupon, money(a.Amount)})
	}
	for i := range b.Refunds {
		r.Refunds = append(r.Refunds, b.refund(&b.Refunds[i]))
	}
	return r
}

func (l *lineBody) total() int64 {
	total := l.Price
	for _, o := range l.Off {
		total -= o.Amount
	}
	return total
}

// micros keeps an instant as unix microseconds; the zero time as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads an instant kept by micros, in UTC.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

package coupon

import (
	"cmp"
	"slices"
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
	Gifts    []Gift
	Applied  []Applied
	Claims   []ledger.Claim // held now
	Refunds  []Refund

	Subtotal      ledger.Money
	Discount      ledger.Money
	ShippingTotal ledger.Money
	Total         ledger.Money // what the shopper pays
	Refunded      ledger.Money // of that, what was given back

	Tender []RedeemedTender // credit that pays a part of the total
	Due    ledger.Money     // the total less that: what the shopper pays by other means
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
	QuoteDelivery
	Returned bool
}

// RedeemedTender is credit that pays a part of the order.
type RedeemedTender struct {
	Tender
	Returned ledger.Money // of Tender.Amount, what refunds gave back
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
	Claims      []ledger.Claim  `json:"claims"` // held now: what an audit sums
	Payers      []string        `json:"payers"`
	Gifts       []giftBody      `json:"gifts"`
	Refunds     []refundBody    `json:"refunds"`
	Tender      []tenderBody    `json:"tender"`
	Settled     bool            `json:"settled"` // what its sellers are owed is booked
	Holds       []string        `json:"holds"`   // of tender: waiting while reserved, posted when paid
}

type lineBody struct {
	ID       string     `json:"id"`
	Product  string     `json:"product"`
	Seller   string     `json:"seller,omitempty"`
	Quantity int64      `json:"quantity"`
	Price    int64      `json:"price"`
	Parts    []partBody `json:"parts"`
}

// partBody is some units of a line of the same price; they are returned in their
// order.
type partBody struct {
	Units    int64     `json:"units"`
	Price    int64     `json:"price"`
	Off      []offBody `json:"off,omitempty"`
	Returned int64     `json:"returned,omitempty"`
}

// offBody is what one offer takes off, paid by one payer.
type offBody struct {
	Applied int   `json:"applied"`
	Payer   int   `json:"payer,omitempty"` // index in payers
	Amount  int64 `json:"amount"`
}

type deliveryBody struct {
	ID       string    `json:"id"`
	Seller   string    `json:"seller,omitempty"`
	Price    int64     `json:"price"`
	Off      []offBody `json:"off,omitempty"`
	Returned bool      `json:"returned,omitempty"`
}

type appliedBody struct {
	Offer    string         `json:"offer"`
	Version  int            `json:"version"`
	Name     string         `json:"name"`
	Coupon   string         `json:"coupon,omitempty"`
	Held     bool           `json:"held,omitempty"` // somebody holds the coupon: its use is in its own document
	Amount   int64          `json:"amount"`
	Taken    []ledger.Claim `json:"taken,omitempty"` // of limited counters
	Restore  Restore        `json:"restore,omitempty"`
	Expires  int64          `json:"expires,omitempty"` // of an offer without a coupon, where Restore asks
	Below    Below          `json:"below,omitempty"`
	Override *overrideUse   `json:"override,omitempty"` // what it takes beyond its limits rests on
	Clawed   int64          `json:"clawed,omitempty"`   // of the amount, what was taken back off units that are kept

	// Where Below needs them: the spend asked for, before and after the offers
	// worked out before, and the lines that count for it.
	Minimum int64 `json:"minimum,omitempty"`
	After   int64 `json:"minimum_after,omitempty"`
	Lines   []int `json:"lines,omitempty"`
	// And those asked for of other lines.
	Others []minimumBody `json:"minimum_of,omitempty"`
}

// minimumBody is a minimum spend of lines that are not just those the offer counts.
type minimumBody struct {
	Amount int64 `json:"amount"`
	After  bool  `json:"after,omitempty"`
	Lines  []int `json:"lines,omitempty"`
}

type giftBody struct {
	Applied  int    `json:"applied"`
	Product  string `json:"product"`
	Quantity int64  `json:"quantity"`
}

type refundBody struct {
	ID          string           `json:"id"`
	Fingerprint string           `json:"fingerprint"`
	At          int64            `json:"at"`
	Amount      int64            `json:"amount"`
	Discount    int64            `json:"discount"`
	ClawedBack  int64            `json:"clawed_back,omitempty"`
	Lines       []refundLineBody `json:"lines,omitempty"`
	Deliveries  []string         `json:"deliveries,omitempty"`
	Restored    bool             `json:"restored,omitempty"`
	Goodwill    int64            `json:"goodwill,omitempty"` // what Amount was lowered by
	Funded      []fundedBody     `json:"funded,omitempty"`   // who pays for goodwill, or gets it back
	Tender      []tenderBack     `json:"tender,omitempty"`
	Settled     []settledBody    `json:"settled,omitempty"` // what it changes for sellers
	Actor       string           `json:"actor,omitempty"`
	Reason      string           `json:"reason,omitempty"`
}

type refundLineBody struct {
	Line   string `json:"line"`
	Units  int64  `json:"units"`
	Amount int64  `json:"amount"`
}

var redemptions = storage.NewCodec[redemptionBody](1)

const kindRedemption = "redemption"

// RedemptionKey is the key of an order's redemption, for who reads it together with
// documents of their own.
func RedemptionKey(order string) storage.Key { return redemptionKey(order) }

func redemptionKey(order string) storage.Key { return storage.Key{Kind: kindRedemption, ID: order} }

// putRedemption writes a redemption: in its customer's list, and due when its
// reservation lapses.
func putRedemption(r *storage.Record[redemptionBody]) (storage.Put, error) {
	var lists []storage.Listing
	if r.Value.Customer != "" {
		lists = append(lists, storage.Listing{List: "customer/" + r.Value.Customer, Place: r.Value.At})
	}
	var due int64
	if r.Value.State == StateReserved {
		due = r.Value.Until
	}
	return redemptions.Put(*r, due, lists...)
}

// fill makes the body of what a quote becomes when it is reserved or redeemed. claims are
// what each of its offers claims at the instant, nil where that is not known yet.
func (b *redemptionBody) fill(order string, q *Quote, lines []QuoteLine, claims [][]limitClaim, at time.Time) {
	*b = redemptionBody{
		Order: order, Customer: q.Cart.Customer.Key, Currency: q.Cart.Currency,
		Subtotal: q.Subtotal.Minor(), Discount: q.Discount.Minor(), Shipping: q.Shipping.Minor(), Total: q.Total.Minor(),
	}
	payers := payers{offers: q.outcome.applied}
	units, offs := 0, 0
	for i := range lines {
		units += len(lines[i].Parts)
		for j := range lines[i].Parts {
			offs += len(lines[i].Parts[j].Off)
		}
	}
	parts, shared := make([]partBody, 0, units), make([]offBody, 0, offs)
	share := func(off []Off, seller string) []offBody {
		first := len(shared)
		if shared = payers.share(shared, off, seller); len(shared) == first {
			return nil
		}
		return slices.Clip(shared[first:])
	}
	b.Lines = make([]lineBody, len(lines))
	for i := range lines {
		l, of, first := &lines[i], &q.Cart.Lines[i], len(parts)
		for j := range l.Parts {
			p := &l.Parts[j]
			parts = append(parts, partBody{Units: p.Units, Price: p.Price.Minor(), Off: share(p.Off, of.Seller)})
		}
		b.Lines[i] = lineBody{ID: l.ID, Product: of.Product, Seller: of.Seller, Quantity: l.Quantity, Price: l.Price.Minor(), Parts: slices.Clip(parts[first:])}
	}
	for i, d := range q.Deliveries() {
		seller := q.Cart.Shipping[i].Seller
		b.Deliveries = append(b.Deliveries, deliveryBody{ID: d.ID, Seller: seller, Price: d.Price.Minor(), Off: share(d.Off, seller)})
	}
	b.Payers = payers.names
	for _, g := range q.Gifts() {
		b.Gifts = append(b.Gifts, giftBody(g))
	}
	if n := len(q.outcome.applied); n > 0 {
		b.Applied = make([]appliedBody, n)
	}
	for i := range b.Applied {
		var claimed []limitClaim
		if claims != nil {
			claimed = claims[i]
		} else {
			c := &q.outcome.applied[i]
			claimed, _ = c.Version.claims(&q.Cart, c.Coupon, at)
		}
		b.Applied[i] = newAppliedBody(q, lines, i, claimed)
	}
	b.Claims, b.Tender = b.taken(), newTenderBodies(q.Tender)
}

func newAppliedBody(q *Quote, lines []QuoteLine, i int, claims []limitClaim) appliedBody {
	c := &q.outcome.applied[i]
	offer := &c.Version.offer
	body := appliedBody{
		Offer: offer.ID, Version: offer.Version, Name: offer.Name, Coupon: c.couponID(), Amount: c.amount,
		Held: c.Coupon != nil && c.Coupon.Holder != "", Restore: offer.Restore, Below: offer.Below, Override: c.override,
	}
	if body.Restore == RestoreBeforeExpiry && c.Coupon == nil {
		body.Expires = micros(c.Version.bounds.Until)
	}
	for _, claim := range claims {
		taken, counted := claim.taken(c.amount)
		if !counted {
			continue
		}
		if c.override != nil {
			taken.Max = noBound
		}
		if body.Taken == nil {
			body.Taken = make([]ledger.Claim, 0, len(claims))
		}
		body.Taken = append(body.Taken, taken)
	}
	if body.Below == KeepDiscount {
		return body
	}
	body.minimums(offer.Conditions, &q.Cart)
	if body.Minimum+body.After > 0 || len(body.Others) > 0 {
		body.Lines = q.counted(lines, i)
	}
	return body
}

// counted are the lines that an offer which applies counts.
func (q *Quote) counted(lines []QuoteLine, applied int) (counted []int) {
	v := q.outcome.applied[applied].Version
	for i := range q.Cart.Lines {
		left := func(l LeftOut) bool { return l.Offer == v.offer.ID }
		if v.covers(&q.Cart.Lines[i]) && !slices.ContainsFunc(lines[i].LeftOut, left) {
			counted = append(counted, i)
		}
	}
	return counted
}

// minimums notes the minimum spends that must hold, the highest of those that the
// same lines must reach.
func (a *appliedBody) minimums(all []Condition, cart *Cart) {
	for _, condition := range all {
		switch m := condition.(type) {
		case All:
			a.minimums(m, cart)
		case MinimumSpend:
			amount := m.Amounts.minor(cart.Currency)
			switch {
			case !m.own():
				a.Others = append(a.Others, minimumBody{amount, m.After, m.counted(cart)})
			case m.After:
				a.After = max(a.After, amount)
			default:
				a.Minimum = max(a.Minimum, amount)
			}
		}
	}
}

// counted are the lines that a minimum of its own counts.
func (m MinimumSpend) counted(cart *Cart) []int {
	var lines []int
	for i := range cart.Lines {
		if m.Of.name(&cart.Lines[i], nil) { // of the whole cart it names none, which is all
			lines = append(lines, i)
		}
	}
	return lines
}

// taken sums what all offers take of each counter, one after the other: the bound
// of the sum lets each take its own where those before it have taken theirs. Those
// that overrides let through come last, so that the others keep to the bound.
func (b *redemptionBody) taken() []ledger.Claim {
	all := 0
	for i := range b.Applied {
		all += len(b.Applied[i].Taken)
	}
	if all == 0 {
		return nil
	}
	sums := make([]ledger.Claim, 0, all)
	for _, overridden := range []bool{false, true} {
		for i := range b.Applied {
			if a := &b.Applied[i]; (a.Override != nil) == overridden {
				sums = addClaims(sums, a.Taken)
			}
		}
	}
	slices.SortFunc(sums, func(a, b ledger.Claim) int { return cmp.Compare(a.Counter, b.Counter) })
	return sums
}

// holds says that some of a counter, or of its shards, is held.
func (b *redemptionBody) holds(counter string) bool {
	return slices.ContainsFunc(b.Claims, func(c ledger.Claim) bool {
		of, _ := ledger.Unsharded(c.Counter)
		return of == counter && c.N > 0
	})
}

func addClaims(sums, taken []ledger.Claim) []ledger.Claim {
	for _, claim := range taken {
		i := slices.IndexFunc(sums, func(s ledger.Claim) bool { return s.Counter == claim.Counter })
		if i < 0 {
			sums = append(sums, claim)
			continue
		}
		sums[i].N += claim.N
		sums[i].Max = min(sums[i].Max+claim.N, claim.Max)
	}
	return sums
}

// held are the ids of the coupons whose use the redemption keeps in their own
// documents.
func (b *redemptionBody) held() []string {
	var ids []string
	for i := range b.Applied {
		if a := &b.Applied[i]; a.Held {
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
	r.Lines = b.redeemedLines()
	for _, d := range b.Deliveries {
		r.Shipping = append(r.Shipping, RedeemedShipping{
			QuoteDelivery{d.ID, money(d.Price), sumOff(nil, d.Off, b.Currency), money(d.total())}, d.Returned,
		})
	}
	for _, g := range b.Gifts {
		r.Gifts = append(r.Gifts, Gift(g))
	}
	if len(b.Applied) > 0 {
		r.Applied = make([]Applied, len(b.Applied))
	}
	for i := range b.Applied {
		a := &b.Applied[i]
		r.Applied[i] = Applied{a.Offer, a.Version, a.Name, a.Coupon, money(a.Amount)}
	}
	due := b.Total
	for _, t := range b.Tender {
		due -= t.Worth
		r.Tender = append(r.Tender, RedeemedTender{Tender{ledger.Minor(t.Amount, t.Unit), money(t.Worth)}, ledger.Minor(t.Back, t.Unit)})
	}
	r.Due = money(due)
	for i := range b.Refunds {
		r.Refunds = append(r.Refunds, b.refund(&b.Refunds[i]))
	}
	return r
}

// redeemedLines are the lines as callers see them.
func (b *redemptionBody) redeemedLines() []RedeemedLine {
	if len(b.Lines) == 0 {
		return nil
	}
	units, offs := 0, 0
	for i := range b.Lines {
		units += len(b.Lines[i].Parts)
		for j := range b.Lines[i].Parts {
			offs += len(b.Lines[i].Parts[j].Off)
		}
	}
	lines := make([]RedeemedLine, len(b.Lines))
	memory := quoteMemory{offs: make([]Off, 0, 2*offs), parts: make([]QuotePart, 0, units)}
	for i := range b.Lines {
		b.Lines[i].redeemed(&lines[i], &memory, b.Currency)
	}
	return lines
}

// redeemed makes the line as callers see it.
func (l *lineBody) redeemed(line *RedeemedLine, memory *quoteMemory, c ledger.Currency) {
	line.Product, line.Seller, line.Returned = l.Product, l.Seller, l.returned()
	line.ID, line.Quantity, line.Price, line.Total = l.ID, l.Quantity, ledger.Minor(l.Price, c), ledger.Minor(l.total(), c)
	for i := range l.Parts {
		p := &l.Parts[i]
		off := memory.keep(sumOff(memory.rest(), p.Off, c))
		memory.parts = append(memory.parts, QuotePart{p.Units, ledger.Minor(p.Price, c), off, ledger.Minor(p.total(), c)})
	}
	line.Parts = slices.Clip(memory.parts[len(memory.parts)-len(l.Parts):])
	all := memory.rest()
	for i := range l.Parts {
		all = sumOff(all, l.Parts[i].Off, c)
	}
	line.Off = memory.keep(all)
}

// sumOff adds what payers share to sums by offer; only what is above 0.
func sumOff(sums []Off, all []offBody, c ledger.Currency) []Off {
	for _, o := range all {
		if o.Amount == 0 { // clawed back, or a share of a coin
			continue
		}
		i := slices.IndexFunc(sums, func(s Off) bool { return s.Applied == o.Applied })
		if i < 0 {
			sums = append(sums, Off{o.Applied, ledger.Minor(o.Amount, c)})
			continue
		}
		sums[i].Amount = ledger.Minor(sums[i].Amount.Minor()+o.Amount, c)
	}
	slices.SortFunc(sums, func(a, b Off) int { return cmp.Compare(a.Applied, b.Applied) })
	return sums
}

func afterOff(price int64, off []offBody) int64 {
	for _, o := range off {
		price -= o.Amount
	}
	return price
}

func (p *partBody) total() int64 { return afterOff(p.Price, p.Off) }

func (d *deliveryBody) total() int64 { return afterOff(d.Price, d.Off) }

func (l *lineBody) total() int64 {
	var total int64
	for i := range l.Parts {
		total += l.Parts[i].total()
	}
	return total
}

func (l *lineBody) returned() int64 {
	var units int64
	for i := range l.Parts {
		units += l.Parts[i].Returned
	}
	return units
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

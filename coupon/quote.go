package coupon

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Choice is what a shopper wants applied. The order of codes and coupons has no
// effect, and one named twice counts once.
type Choice struct {
	Codes   []string // as typed
	Coupons []string // ids, as a wallet shows them
	Best    bool     // of these and the automatic offers, the set that takes most off
	Order   string   // the order the cart belongs to, if it has an id yet: what it has reserved does not count against it
}

// Choose asks for codes, as the shopper typed them.
func Choose(codes ...string) Choice { return Choice{Codes: codes} }

// ChooseCoupons asks for coupons by id, as a wallet shows them.
func ChooseCoupons(ids ...string) Choice { return Choice{Coupons: ids} }

// For is the same choice for an order that may have reserved something before.
func (c Choice) For(order string) Choice {
	c.Order = order
	return c
}

// Quote is what a cart costs with the offers that apply: per line what comes off
// and by which offer, every candidate that was refused and why, and the sums.
// Redeeming one whose cart or sums were changed fails. Its Cart shares lists with the
// cart that was priced, and what the methods say is worked out from those: the lines, the
// shipping and the names in them must not be changed while the quote is in use. To change
// a cart, make a new one with lists of its own. The lists that its methods give are made anew by each call:
// ask once, and go through what comes.
type Quote struct {
	Cart  Cart
	Order string
	At    time.Time // the instant it was made for

	Notices []string // what a shopper may be told besides, as in "the code was given twice"

	Subtotal ledger.Money // the lines before offers
	Discount ledger.Money // what all offers take off, shipping included
	Shipping ledger.Money // before offers
	Total    ledger.Money // subtotal - discount + shipping: what the shopper pays

	// Tender is credit that pays a part of the total, by [Quote.Pay].
	Tender []Tender

	// Optimal says, of a search for the best set, that no set takes more off.
	Optimal bool

	outcome outcome
	limited bool   // a limit had a say
	basis   *basis // what it rests on, where a service has read it
}

// QuoteLine is one line of the cart and what comes off it.
type QuoteLine struct {
	ID       string
	Quantity int64
	Price    ledger.Money // the line before offers
	Off      []Off        // in the order of [Quote.Applied]; only what is above 0
	Total    ledger.Money // the line after offers
	LeftOut  []LeftOut    // offers that apply to the cart and not to this line

	// Parts are its units by what came off them, in the order of units: one part,
	// unless an offer counted only some.
	Parts []QuotePart
}

// QuotePart is some units of a line that have the same price after all offers, to
// the smallest coin.
type QuotePart struct {
	Units int64
	Price ledger.Money // of all its units before offers
	Off   []Off
	Total ledger.Money
}

// QuoteDelivery is one delivery and what comes off it.
type QuoteDelivery struct {
	ID    string
	Price ledger.Money
	Off   []Off
	Total ledger.Money
}

// Off is what one offer takes off one line.
type Off struct {
	Applied int // index in what [Quote.Applied] gives
	Amount  ledger.Money
}

// LeftOut says why an offer that applies to a cart passes over a line that its scope
// counts: [ReasonSeller] or [ReasonShopPromotion].
type LeftOut struct {
	Offer  string
	Name   string
	Reason Reason
}

// Applied is one offer that applies, with its coupon if there is one.
type Applied struct {
	Offer   string
	Version int
	Name    string
	Coupon  string       // the coupon's id; empty for an offer without one
	Amount  ledger.Money // what it takes off; [Quote.Lowered] says why not more
}

// Unit says what one unit of the line costs and what each offer takes off it:
// units of equal cost share to the smallest coin, the earlier units carry what
// does not divide, and the units' sums are exactly the line's. Unit counts from
// 0; it panics beyond the quantity, like an index.
func (l *QuoteLine) Unit(unit int64) (price, total ledger.Money, off []Off) {
	for i := range l.Parts {
		if part := &l.Parts[i]; unit >= part.Units {
			unit -= part.Units
		} else if unit >= 0 {
			return part.unit(unit)
		}
	}
	panic("coupon: QuoteLine.Unit: no such unit")
}

func (p *QuotePart) unit(unit int64) (price, total ledger.Money, off []Off) {
	currency := p.Price.Currency()
	rest := p.Price.Minor()
	price = ledger.Minor(unitShare(rest, p.Units, unit), currency)
	before := price.Minor()
	for _, o := range p.Off {
		rest -= o.Amount.Minor()
		after := unitShare(rest, p.Units, unit)
		off = append(off, Off{o.Applied, ledger.Minor(before-after, currency)})
		before = after
	}
	return price, ledger.Minor(before, currency), off
}

// unitShare is one unit's part of an amount that units share evenly, the earlier
// ones carrying the rest. Of a smaller amount no unit's part is larger, so the
// difference between what units cost before and after an offer is never negative.
func unitShare(amount, units, unit int64) int64 {
	share := amount / units
	if unit < amount%units {
		share++
	}
	return share
}

// firstUnits is the sum of the parts of the first n units.
func firstUnits(amount, units, n int64) int64 {
	return amount/units*n + min(n, amount%units)
}

// firstOff is what an offer takes off the first n units, where it takes an amount off
// all of them, which cost so much before it.
func firstOff(before, amount, units, n int64) int64 {
	return firstUnits(before, units, n) - firstUnits(before-amount, units, n)
}

// Missing is the smallest amount the shopper could spend more for one of the
// refused offers to reach its minimum, and that refusal; nil when there is none.
func (q *Quote) Missing() *Refusal {
	var next *Refusal
	for _, r := range q.Refused() {
		if r.Reason == ReasonMinimumSpend && (next == nil || r.Missing.Minor() < next.Missing.Minor()) {
			next = r
		}
	}
	return next
}

// Fingerprint identifies what was asked and what came out: the cart, the offer
// versions and coupons that apply, and the amounts. It does not cover the
// instant, the candidates that lost, nor any sentence.
func (q *Quote) Fingerprint() string {
	m := recordings.Get().(*recording)
	defer recordings.Put(m)
	return m.fingerprint(q, q.linesIn(&m.quoteMemory))
}

// recording is memory in which a quote is made ready to be recorded.
type recording struct {
	quoteMemory
	priced []pricedLine
	text   []byte
}

// recordings keeps such memory, for the next quote.
var recordings = sync.Pool{New: func() any { return &recording{priced: make([]pricedLine, 0, few), text: make([]byte, 0, 2048)} }}

// fingerprint is that of a quote of these lines.
func (m *recording) fingerprint(q *Quote, lines []QuoteLine) string {
	m.priced = m.priced[:0]
	for i := range lines {
		l := &lines[i]
		m.priced = append(m.priced, pricedLine{l.ID, l.Total.Minor(), l.Off})
	}
	of := priced{q.Cart, q.Applied(), m.priced, q.Deliveries(), q.Tender}
	w := jsonbody.Writer{Text: m.text[:0]}
	w.Open("", '{')
	of.WriteMembers(&w)
	w.Close('}')
	if m.text = w.Text; w.Err() != nil { // a cart of invalid money, which never comes out of a quote
		return ""
	}
	sum := sha256.Sum256(w.Text)
	var text [2 * len(sum)]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

// sameAmounts says that two quotes come out alike: the same offers and coupons,
// and the same amounts on every line and delivery.
func (q *Quote) sameAmounts(other *Quote) bool {
	if q.Total != other.Total || !q.outcome.concerns(&other.outcome) {
		return false
	}
	return q.outcome.cameAbout(&other.outcome) ||
		slices.EqualFunc(q.Lines(), other.Lines(), func(a, b QuoteLine) bool {
			return a.Total == b.Total && slices.Equal(a.Off, b.Off)
		}) &&
			slices.EqualFunc(q.Deliveries(), other.Deliveries(), func(a, b QuoteDelivery) bool { return slices.Equal(a.Off, b.Off) })
}

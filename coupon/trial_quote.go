package coupon

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// MarshalJSON writes the quote for people and programs that look at it: what comes
// off each line and by which offer, who pays for it, everything refused with its
// figures and a sentence for staff and for the shopper. Amounts are texts in the
// quote's currency ("19.99"), members stand in one order, and those that say nothing
// are left out. The definition "quote" of [TrialSchema] describes it. It is not read
// back: a quote is made by deciding. It fails with [ErrRequest] when the quote was
// changed so that its parts do not belong together.
func (q Quote) MarshalJSON() ([]byte, error) {
	if !q.whole() {
		return nil, fmt.Errorf("%w: the quote's parts do not belong together: decide again", ErrRequest)
	}
	return json.Marshal(newQuoteDocument(&q))
}

// whole says that the quote's cart has the lines that were priced.
func (q *Quote) whole() bool {
	return len(q.outcome.lines) == len(q.Cart.Lines) && len(q.outcome.shipping) == len(q.Cart.Shipping)
}

// amount is money as a text, the currency being the quote's.
type amount string

func newAmount(m ledger.Money) amount { return amount(m.Amount()) }

// quoteDocument is the JSON form of a quote.
type quoteDocument struct {
	Currency   ledger.Currency         `json:"currency"`
	Prices     prices                  `json:"prices"`
	At         time.Time               `json:"at"`
	Order      string                  `json:"order,omitempty"`
	Lines      []quoteLineDocument     `json:"lines"`
	Deliveries []quoteDeliveryDocument `json:"deliveries,omitempty"`
	Gifts      []giftDocument          `json:"gifts,omitempty"`
	Applied    []appliedDocument       `json:"applied"`
	Refused    []refusedDocument       `json:"refused"`
	Notices    []string                `json:"notices,omitempty"`
	Subtotal   amount                  `json:"subtotal"`
	Discount   amount                  `json:"discount"`
	Shipping   amount                  `json:"shipping"`
	Total      amount                  `json:"total"`
	Funding    []fundingDocument       `json:"funding,omitempty"`
	Optimal    bool                    `json:"optimal"`
	Missing    *missingDocument        `json:"missing,omitempty"`
}

type quoteLineDocument struct {
	ID       string              `json:"id"`
	Quantity int64               `json:"quantity"`
	Price    amount              `json:"price"`
	Off      []offDocument       `json:"off,omitempty"`
	Total    amount              `json:"total"`
	Parts    []quotePartDocument `json:"parts"`
	LeftOut  []leftOutDocument   `json:"left_out,omitempty"`
}

type quotePartDocument struct {
	Units int64          `json:"units"`
	Price amount         `json:"price"`
	Off   []offDocument  `json:"off,omitempty"`
	Total amount         `json:"total"`
	Each  []eachDocument `json:"each"`
}

type eachDocument struct {
	Units int64  `json:"units"`
	Total amount `json:"total"`
}

type quoteDeliveryDocument struct {
	ID    string        `json:"id"`
	Price amount        `json:"price"`
	Off   []offDocument `json:"off,omitempty"`
	Total amount        `json:"total"`
}

type offDocument struct {
	Offer   string            `json:"offer"`
	Coupon  string            `json:"coupon,omitempty"`
	Amount  amount            `json:"amount"`
	Funding []fundingDocument `json:"funding,omitempty"` // not of parts
}

type leftOutDocument struct {
	Offer  string `json:"offer"`
	Name   string `json:"name"`
	Reason Reason `json:"reason"`
}

type giftDocument struct {
	Offer    string `json:"offer"`
	Product  string `json:"product"`
	Quantity int64  `json:"quantity"`
}

type appliedDocument struct {
	Offer   string            `json:"offer"`
	Version int               `json:"version"`
	Name    string            `json:"name"`
	Coupon  string            `json:"coupon,omitempty"`
	Amount  amount            `json:"amount"`
	Full    amount            `json:"full,omitempty"`
	Lowered []loweredDocument `json:"lowered,omitempty"`
	Funding []fundingDocument `json:"funding,omitempty"`
}

type loweredDocument struct {
	Reason      LoweredBy     `json:"reason"`
	Amount      amount        `json:"amount"`
	Units       int64         `json:"units,omitempty"`
	OfUnits     int64         `json:"of_units,omitempty"`
	PerLine     bool          `json:"per_line,omitempty"`
	Most        amount        `json:"most,omitempty"`
	Used        amount        `json:"used,omitempty"`
	Limit       *LimitPer     `json:"limit,omitempty"`
	Period      ledger.Period `json:"period,omitempty"`
	Lines       []string      `json:"lines,omitempty"`
	StaffText   string        `json:"staff"`
	ShopperText string        `json:"shopper"`
}

type fundingDocument struct {
	Payer  string `json:"payer"`
	Amount amount `json:"amount"`
}

type refusedDocument struct {
	Reason       Reason          `json:"reason"`
	Offer        string          `json:"offer,omitempty"`
	Name         string          `json:"name,omitempty"`
	Coupon       string          `json:"coupon,omitempty"`
	Code         string          `json:"code,omitempty"`
	Found        amount          `json:"found,omitempty"`
	Needed       amount          `json:"needed,omitempty"`
	Missing      amount          `json:"missing,omitempty"`
	FoundUses    int64           `json:"found_uses,omitempty"`
	NeededUses   int64           `json:"needed_uses,omitempty"`
	FoundMoney   amount          `json:"found_money,omitempty"`
	NeededMoney  amount          `json:"needed_money,omitempty"`
	FoundUnits   int64           `json:"found_units,omitempty"`
	NeededUnits  int64           `json:"needed_units,omitempty"`
	MissingUnits int64           `json:"missing_units,omitempty"`
	What         string          `json:"what,omitempty"`
	FoundText    string          `json:"found_text,omitempty"`
	NeededText   string          `json:"needed_text,omitempty"`
	Limit        *LimitPer       `json:"limit,omitempty"`
	Period       ledger.Period   `json:"period,omitempty"`
	At           *time.Time      `json:"at,omitempty"`
	Blackout     string          `json:"blackout,omitempty"`
	Sellers      []string        `json:"sellers,omitempty"`
	Promotions   []string        `json:"promotions,omitempty"`
	Rival        string          `json:"rival,omitempty"`
	RivalName    string          `json:"rival_name,omitempty"`
	RivalOff     amount          `json:"rival_off,omitempty"`
	Off          amount          `json:"off,omitempty"`
	Rivals       []rivalDocument `json:"rivals,omitempty"`
	Behind       amount          `json:"behind,omitempty"`
	StaffText    string          `json:"staff"`
	ShopperText  string          `json:"shopper"`
}

type rivalDocument struct {
	Offer string `json:"offer"`
	Name  string `json:"name"`
	Off   amount `json:"off"`
}

type missingDocument struct {
	Offer   string `json:"offer"`
	Coupon  string `json:"coupon,omitempty"`
	Amount  amount `json:"amount"`
	Shopper string `json:"shopper"`
}

func newQuoteDocument(q *Quote) quoteDocument {
	w := quoteWriting{Quote: q, applied: q.Applied(), lines: q.Lines()}
	w.paid = make([]fundings, len(w.applied))
	d := quoteDocument{
		Currency: q.Cart.Currency, At: q.At.UTC(), Order: q.Order, Notices: q.Notices,
		Lines: make([]quoteLineDocument, 0, len(w.lines)), Applied: []appliedDocument{}, Refused: []refusedDocument{},
		Subtotal: newAmount(q.Subtotal), Discount: newAmount(q.Discount), Shipping: newAmount(q.Shipping), Total: newAmount(q.Total),
		Optimal: q.Optimal,
	}
	if q.Cart.Net {
		d.Prices = netPrices
	}
	for i := range w.lines {
		d.Lines = append(d.Lines, w.line(i))
	}
	for i, l := range q.Deliveries() {
		d.Deliveries = append(d.Deliveries, quoteDeliveryDocument{l.ID, newAmount(l.Price), w.off(l.Off, q.DeliveryFunding(i)), newAmount(l.Total)})
	}
	for _, g := range q.Gifts() {
		d.Gifts = append(d.Gifts, giftDocument{w.applied[g.Applied].Offer, g.Product, g.Quantity})
	}
	lowered := q.loweredByOffer()
	for i, a := range w.applied {
		document := appliedDocument{Offer: a.Offer, Version: a.Version, Name: a.Name, Coupon: a.Coupon, Amount: newAmount(a.Amount), Funding: w.paid[i].documents()}
		document.lower(lowered[i])
		d.Applied = append(d.Applied, document)
	}
	d.Funding = w.all.documents()
	for _, r := range q.Refused() {
		d.Refused = append(d.Refused, newRefusedDocument(r, q.Cart.Currency))
	}
	if next := q.Missing(); next != nil {
		d.Missing = &missingDocument{next.Offer, next.Coupon, newAmount(next.Missing), next.Shopper()}
	}
	return d
}

// lower says what lowers the amount, if anything does.
func (d *appliedDocument) lower(lowered *Lowered) {
	if lowered == nil {
		return
	}
	d.Full = newAmount(lowered.Full)
	for _, l := range lowered.By {
		document := loweredDocument{
			Reason: l.Reason, Amount: newAmount(l.Amount), Units: l.Units, OfUnits: l.OfUnits, PerLine: l.PerLine,
			Most: given(l.Most), Used: given(l.Used), Period: l.Period, Lines: l.Lines, StaffText: l.String(), ShopperText: l.Shopper(),
		}
		if l.Reason == LoweredByLimit {
			document.Limit = &l.Limit
		}
		d.Lowered = append(d.Lowered, document)
	}
}

// given is an amount that may not be there.
func given(m ledger.Money) amount {
	if m == (ledger.Money{}) {
		return ""
	}
	return newAmount(m)
}

// quoteWriting is the work on one document: who pays, summed up on the way.
type quoteWriting struct {
	*Quote
	applied []Applied
	lines   []QuoteLine
	paid    []fundings // of each offer
	all     fundings
}

func (w *quoteWriting) line(i int) quoteLineDocument {
	l := &w.lines[i]
	d := quoteLineDocument{ID: l.ID, Quantity: l.Quantity, Price: newAmount(l.Price), Off: w.off(l.Off, w.LineFunding(i)), Total: newAmount(l.Total)}
	for _, p := range l.Parts {
		d.Parts = append(d.Parts, quotePartDocument{p.Units, newAmount(p.Price), w.off(p.Off, nil), newAmount(p.Total), each(&p)})
	}
	for _, left := range w.PassedOver(i) {
		d.LeftOut = append(d.LeftOut, leftOutDocument(left))
	}
	return d
}

// off is what comes off, with who pays how much of it where that is given.
func (w *quoteWriting) off(off []Off, funding []Funding) []offDocument {
	var documents []offDocument
	for _, o := range off {
		a := w.applied[o.Applied]
		var paid fundings
		for _, f := range funding {
			if f.Applied == o.Applied {
				paid.add(f)
				w.paid[o.Applied].add(f)
				w.all.add(f)
			}
		}
		documents = append(documents, offDocument{a.Offer, a.Coupon, newAmount(o.Amount), paid.documents()})
	}
	return documents
}

// fundings sums what each payer pays, in the order in which they were found.
type fundings []Funding

func (all *fundings) add(f Funding) {
	i := slices.IndexFunc(*all, func(known Funding) bool { return known.Payer == f.Payer })
	if i < 0 {
		*all = append(*all, f)
		return
	}
	(*all)[i].Amount = ledger.Minor((*all)[i].Amount.Minor()+f.Amount.Minor(), f.Amount.Currency())
}

func (all fundings) documents() []fundingDocument {
	var documents []fundingDocument
	for _, f := range all {
		documents = append(documents, fundingDocument{f.Payer, newAmount(f.Amount)})
	}
	return documents
}

// PassedOver are the offers that apply, but not to one line: those in its LeftOut,
// and those whose scope does not count it ([ReasonNoLines]). The line is its index;
// beyond the lines there are none.
func (q *Quote) PassedOver(line int) []LeftOut {
	o := &q.outcome
	if line < 0 || line >= len(o.lines) {
		return nil
	}
	var all []LeftOut
	first, _ := slices.BinarySearchFunc(o.left, int32(line), func(l leftOut, line int32) int { return cmp.Compare(l.line, line) })
	for _, l := range o.left[first:] {
		if int(l.line) != line {
			break
		}
		offer := &o.applied[l.applied].Version.offer
		all = append(all, LeftOut{offer.ID, offer.Name, l.reason})
	}
	for _, a := range o.applied {
		if !a.Version.covers(&o.lines[line]) {
			all = append(all, LeftOut{a.Version.offer.ID, a.Version.offer.Name, ReasonNoLines})
		}
	}
	return all
}

// each is what the units of a part cost: those that carry what does not divide, and
// the others.
func each(p *QuotePart) []eachDocument {
	total, currency := p.Total.Minor(), p.Total.Currency()
	share := func(minor int64) amount { return newAmount(ledger.Minor(minor, currency)) }
	more := total % p.Units
	if more == 0 {
		return []eachDocument{{p.Units, share(total / p.Units)}}
	}
	return []eachDocument{{more, share(total/p.Units + 1)}, {p.Units - more, share(total / p.Units)}}
}

func newRefusedDocument(r *Refusal, currency ledger.Currency) refusedDocument {
	d := refusedDocument{
		Reason: r.Reason, Offer: r.Offer, Name: r.Name, Coupon: r.Coupon, Code: r.Code,
		Found: given(r.Found), Needed: given(r.Needed), Missing: given(r.Missing),
		FoundUnits: r.FoundUnits, NeededUnits: r.NeededUnits, MissingUnits: r.NeededUnits - r.FoundUnits,
		What: r.What, FoundText: r.FoundText, NeededText: r.NeededText, Period: r.Period, Blackout: r.Blackout,
		Sellers: r.Sellers, Promotions: r.Promotions, Rival: r.Rival, RivalName: r.RivalName, RivalOff: given(r.RivalOff), Off: given(r.Off), Behind: given(r.Behind),
		StaffText: r.Error(), ShopperText: r.Shopper(),
	}
	for _, rival := range r.Rivals {
		d.Rivals = append(d.Rivals, rivalDocument{rival.Offer, rival.Name, newAmount(rival.Off)})
	}
	if r.OfMoney {
		d.FoundMoney, d.NeededMoney = newAmount(ledger.Minor(r.FoundUses, currency)), newAmount(ledger.Minor(r.NeededUses, currency))
	} else {
		d.FoundUses, d.NeededUses = r.FoundUses, r.NeededUses
	}
	if r.Reason == ReasonLimit {
		d.Limit = &r.Limit
	}
	if !r.At.IsZero() {
		at := r.At.UTC()
		d.At = &at
	}
	return d
}

package coupon

import (
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// WriteMembers writes what encoding/json would. What most orders have is written
// here; the rest is left to it.
func (b *redemptionBody) WriteMembers(w *jsonbody.Writer) {
	w.String("order", b.Order)
	w.String("state", string(b.State))
	w.String("customer", b.Customer)
	ledger.WriteCurrency(w, "currency", b.Currency)
	w.Int("at", b.At)
	w.Int("until", b.Until)
	w.Int("confirmed", b.Confirmed)
	w.Int("ended", b.Ended)
	w.String("fingerprint", b.Fingerprint)
	w.Int("subtotal", b.Subtotal)
	w.Int("discount", b.Discount)
	w.Int("shipping", b.Shipping)
	w.Int("total", b.Total)
	w.Int("refunded", b.Refunded)
	jsonbody.WriteObjects(w, "lines", b.Lines, writeLine)
	jsonbody.WriteObjects(w, "deliveries", b.Deliveries, writeDelivery)
	jsonbody.WriteObjects(w, "applied", b.Applied, writeApplied)
	ledger.WriteClaims(w, "claims", b.Claims)
	jsonbody.WriteStrings(w, "payers", b.Payers)
	writeSeldom(w, "gifts", b.Gifts)
	writeSeldom(w, "refunds", b.Refunds)
	writeSeldom(w, "tender", b.Tender)
	w.Bool("settled", b.Settled)
	jsonbody.WriteStrings(w, "holds", b.Holds)
}

// WriteMembers writes what encoding/json would.
func (b *couponBody) WriteMembers(w *jsonbody.Writer) {
	w.String("code", string(b.Code))
	w.String("offer", b.Offer)
	w.Int("version", int64(b.Version))
	w.String("name", b.Name)
	w.String("holder", b.Holder)
	w.Int("issued", b.Issued)
	w.Int("expires", b.Expires)
	w.Int("uses", int64(b.Uses))
	jsonbody.WriteObjects(w, "used", b.Used, func(w *jsonbody.Writer, u *useBody) {
		w.String("order", u.Order)
		w.IntUnlessZero("until", u.Until)
		w.Int("at", u.At)
		w.StringUnlessEmpty("opening", u.Opening)
	})
	if b.Revoked == nil {
		w.Null("revoked")
	} else {
		w.Value("revoked", b.Revoked)
	}
	w.StringUnlessEmpty("stocked", b.Stocked)
}

// WriteMembers writes what encoding/json would.
func (b *codeBody) WriteMembers(w *jsonbody.Writer) {
	w.String("coupon", b.Coupon)
	w.StringUnlessEmpty("offer", b.Offer)
	w.IntUnlessZero("version", int64(b.Version))
	w.StringUnlessEmpty("load", b.Load)
	if len(b.Sealed) > 0 {
		w.Value("sealed", b.Sealed)
	}
	if len(b.Also) > 0 {
		w.Value("also", b.Also)
	}
}

// WriteMembers writes what encoding/json would.
func (b *issueBody) WriteMembers(w *jsonbody.Writer) {
	w.String("fingerprint", b.Fingerprint)
	jsonbody.WriteStrings(w, "coupons", b.Coupons)
	w.Int("at", b.At)
}

// WriteAmounts writes amounts as their MarshalJSON does, only faster.
func WriteAmounts(w *jsonbody.Writer, name string, a Amounts) {
	if len(a) != 1 || a[0].Currency().IsZero() || a[0].Minor() >= MaxTotal {
		w.Value(name, a)
		return
	}
	w.Open(name, '{')
	ledger.WriteCurrency(w, "", a[0].Currency())
	w.Text = append(w.Text, ':', '"')
	w.Text = append(append(w.Text, a[0].Amount()...), '"') // which has no character that JSON escapes
	w.Close('}')
}

// writeSeldom writes a list that most orders do not have.
func writeSeldom[T any](w *jsonbody.Writer, name string, all []T) {
	if all == nil {
		w.Null(name)
		return
	}
	w.Value(name, all)
}

func writeLine(w *jsonbody.Writer, l *lineBody) {
	w.String("id", l.ID)
	w.String("product", l.Product)
	w.StringUnlessEmpty("seller", l.Seller)
	w.Int("quantity", l.Quantity)
	w.Int("price", l.Price)
	jsonbody.WriteObjects(w, "parts", l.Parts, func(w *jsonbody.Writer, p *partBody) {
		w.Int("units", p.Units)
		w.Int("price", p.Price)
		writeOff(w, p.Off)
		w.IntUnlessZero("returned", p.Returned)
	})
}

func writeDelivery(w *jsonbody.Writer, d *deliveryBody) {
	w.String("id", d.ID)
	w.StringUnlessEmpty("seller", d.Seller)
	w.Int("price", d.Price)
	writeOff(w, d.Off)
	w.TrueOnly("returned", d.Returned)
}

func writeOff(w *jsonbody.Writer, all []offBody) {
	if len(all) == 0 {
		return
	}
	jsonbody.WriteObjects(w, "off", all, func(w *jsonbody.Writer, o *offBody) {
		w.Int("applied", int64(o.Applied))
		w.IntUnlessZero("payer", int64(o.Payer))
		w.Int("amount", o.Amount)
	})
}

func writeApplied(w *jsonbody.Writer, a *appliedBody) {
	w.String("offer", a.Offer)
	w.Int("version", int64(a.Version))
	w.String("name", a.Name)
	w.StringUnlessEmpty("coupon", a.Coupon)
	w.TrueOnly("held", a.Held)
	w.Int("amount", a.Amount)
	if len(a.Taken) > 0 {
		ledger.WriteClaims(w, "taken", a.Taken)
	}
	if a.Restore != 0 {
		w.Value("restore", a.Restore)
	}
	w.IntUnlessZero("expires", a.Expires)
	if a.Below != 0 {
		w.Value("below", a.Below)
	}
	if a.Override != nil {
		w.Value("override", a.Override)
	}
	w.IntUnlessZero("clawed", a.Clawed)
	w.IntUnlessZero("minimum", a.Minimum)
	w.IntUnlessZero("minimum_after", a.After)
	if len(a.Lines) > 0 {
		writeInts(w, "lines", a.Lines)
	}
	if len(a.Others) > 0 {
		w.Value("minimum_of", a.Others)
	}
}

func writeInts(w *jsonbody.Writer, name string, all []int) {
	jsonbody.WriteArray(w, name, all, func(w *jsonbody.Writer, n *int) { w.Int("", int64(*n)) })
}

// priced is what a quote's fingerprint is of.
type priced struct {
	Cart       Cart
	Applied    []Applied
	Lines      []pricedLine
	Deliveries []QuoteDelivery
	Tender     []Tender `json:",omitempty"`
}

type pricedLine struct {
	ID    string
	Total int64
	Off   []Off
}

// WriteMembers writes what encoding/json would.
func (a *priced) WriteMembers(w *jsonbody.Writer) {
	w.Open("Cart", '{')
	writeCart(w, &a.Cart)
	w.Close('}')
	jsonbody.WriteObjects(w, "Applied", a.Applied, func(w *jsonbody.Writer, a *Applied) {
		w.String("Offer", a.Offer)
		w.Int("Version", int64(a.Version))
		w.String("Name", a.Name)
		w.String("Coupon", a.Coupon)
		ledger.WriteMoney(w, "Amount", a.Amount)
	})
	jsonbody.WriteObjects(w, "Lines", a.Lines, func(w *jsonbody.Writer, l *pricedLine) {
		w.String("ID", l.ID)
		w.Int("Total", l.Total)
		writePricedOff(w, l.Off)
	})
	jsonbody.WriteObjects(w, "Deliveries", a.Deliveries, func(w *jsonbody.Writer, d *QuoteDelivery) {
		w.String("ID", d.ID)
		ledger.WriteMoney(w, "Price", d.Price)
		writePricedOff(w, d.Off)
		ledger.WriteMoney(w, "Total", d.Total)
	})
	if len(a.Tender) > 0 {
		w.Value("Tender", a.Tender)
	}
}

func writePricedOff(w *jsonbody.Writer, all []Off) {
	jsonbody.WriteObjects(w, "Off", all, func(w *jsonbody.Writer, o *Off) {
		w.Int("Applied", int64(o.Applied))
		ledger.WriteMoney(w, "Amount", o.Amount)
	})
}

func writeCart(w *jsonbody.Writer, c *Cart) {
	ledger.WriteCurrency(w, "Currency", c.Currency)
	jsonbody.WriteObjects(w, "Lines", c.Lines, func(w *jsonbody.Writer, l *Line) {
		w.String("ID", l.ID)
		w.String("Product", l.Product)
		w.String("Seller", l.Seller)
		jsonbody.WriteStrings(w, "Categories", l.Categories)
		jsonbody.WriteStrings(w, "Tags", l.Tags)
		w.Int("Quantity", l.Quantity)
		ledger.WriteMoney(w, "UnitPrice", l.UnitPrice)
		ledger.WriteMoney(w, "Total", l.Total)
		ledger.WriteMoney(w, "Floor", l.Floor)
		w.Bool("OnSale", l.OnSale)
		jsonbody.WriteStrings(w, "Promotions", l.Promotions)
	})
	jsonbody.WriteObjects(w, "Shipping", c.Shipping, func(w *jsonbody.Writer, s *Shipping) {
		w.String("ID", s.ID)
		w.String("Seller", s.Seller)
		w.StringUnlessEmpty("Method", s.Method)
		ledger.WriteMoney(w, "Price", s.Price)
	})
	w.Open("Customer", '{')
	w.String("Key", c.Customer.Key)
	jsonbody.WriteStrings(w, "Segments", c.Customer.Segments)
	w.Int("Orders", c.Customer.Orders)
	w.Close('}')
	w.TrueOnly("Net", c.Net)
	w.String("Country", c.Country)
	w.String("Channel", c.Channel)
	w.String("Payment", c.Payment)
	jsonbody.WriteMap(w, "Attributes", c.Attributes)
	jsonbody.WriteStrings(w, "Promotions", c.Promotions)
}

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// writeTable writes a quote, or what is wrong with its document, for people.
func writeTable(out io.Writer, quote *coupon.Quote, err error) error {
	t := &table{}
	if err != nil {
		t.faults(err)
	} else {
		t.quote(quote)
	}
	_, err = io.WriteString(out, t.text.String()+"\n")
	return err
}

// table is text in columns.
type table struct {
	text    strings.Builder
	rows    [][]string
	lines   []coupon.QuoteLine // of the quote that is written, asked for once
	applied []coupon.Applied
}

// row adds cells to the columns; the first is aligned to the left, amounts and
// numbers to the right.
func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// columns is how many columns a terminal gives to a text: two for a wide character of East
// Asia (unicode.org/reports/tr11), none for a mark on the one before.
func columns(text string) (n int) {
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// flush writes the rows so far, each column as wide as its widest cell.
func (t *table) flush() {
	widths := make(map[int]int)
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-columns(cell))
			if numeric := i == 1 || i == 2 || i == 4 || i == 5; numeric {
				line += gap + cell + "  "
			} else {
				line += cell + gap + "  "
			}
		}
		t.text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	t.rows = nil
}

func (t *table) say(format string, args ...any) {
	t.flush()
	fmt.Fprintf(&t.text, format+"\n", args...)
}

func (t *table) faults(err error) {
	message, faults := faultsOf(err)
	t.say("%s", message)
	for _, f := range faults {
		if f.Path == "" {
			f.Path = "the document"
		}
		t.say("  %s: %s", plain(f.Path), plain(f.Problem))
	}
}

func (t *table) quote(q *coupon.Quote) {
	t.lines, t.applied = q.Lines(), q.Applied()
	t.say("Cart in %s at %s", q.Cart.Currency, q.At.Format(time.RFC3339))
	t.row("LINE", "UNITS", "PRICE", "OFFER", "OFF", "TOTAL")
	for i := range t.lines {
		t.line(q, i)
	}
	for _, d := range q.Deliveries() {
		t.position("shipping "+d.ID, "", d.Price, d.Off, d.Total)
	}
	for _, g := range q.Gifts() {
		t.row("gift "+plain(g.Product), fmt.Sprint(g.Quantity), "", plain(t.applied[g.Applied].Name), "", "0")
	}
	t.row("", "", q.Subtotal.Amount(), "subtotal", "", "")
	t.row("", "", q.Shipping.Amount(), "shipping", "", "")
	t.row("", "", "", "total", less(q.Discount), q.Total.Amount())
	t.flush()
	t.reasons(q)
}

// line is one line of the cart: what came off, and which offers passed over it.
func (t *table) line(q *coupon.Quote, i int) {
	l := &t.lines[i]
	t.position(l.ID, fmt.Sprint(l.Quantity), l.Price, l.Off, l.Total)
	if len(l.Parts) > 1 {
		for _, p := range l.Parts {
			t.position("  of these", fmt.Sprint(p.Units), p.Price, p.Off, p.Total)
		}
	}
	for _, left := range q.PassedOver(i) {
		t.row("", "", "", fmt.Sprintf("not %s: %s", plain(left.Name), passedOver[left.Reason]), "", "")
	}
}

// passedOver says why an offer that applies does not apply to a line.
var passedOver = map[coupon.Reason]string{
	coupon.ReasonNoLines:       "it does not count this product",
	coupon.ReasonSeller:        "the seller takes no part",
	coupon.ReasonShopPromotion: "another promotion applies already",
}

func (t *table) position(name, units string, price ledger.Money, off []coupon.Off, total ledger.Money) {
	row := []string{plain(name), units, price.Amount()}
	for _, o := range off {
		t.row(append(row, plain(t.applied[o.Applied].Name), less(o.Amount), "")...)
		row = []string{"", "", ""}
	}
	if len(off) > 0 {
		t.rows[len(t.rows)-1][5] = total.Amount()
		return
	}
	t.row(append(row, "", "", total.Amount())...)
}

func (t *table) reasons(q *coupon.Quote) {
	payers, lowered := t.payers(q), q.Lowered()
	for i, a := range t.applied {
		amount := less(a.Amount)
		if len(lowered) > 0 && lowered[0].Applied == i {
			amount += " of " + lowered[0].Full.Amount()
		}
		t.say("applied  %s (%s): %s%s", plain(a.Name), plain(a.Offer), amount, plain(paid(payers[i], q.Cart.Currency)))
		if len(lowered) > 0 && lowered[0].Applied == i {
			for _, by := range lowered[0].By {
				t.say("lowered  %s", plain(by.String()))
			}
			lowered = lowered[1:]
		}
	}
	for _, r := range q.Refused() {
		t.say("refused  %s\n         %s", plain(strings.TrimPrefix(r.Error(), coupon.ErrRefused.Error()+": ")), plain(r.Shopper()))
	}
	for _, notice := range q.Notices {
		t.say("notice   %s", plain(notice))
	}
	if next := q.Missing(); next != nil {
		t.say("missing  %s for %s", next.Missing, plain(next.Name))
	}
	if q.Optimal {
		t.say("best     no set takes off more")
	}
}

// payers are what each payer pays of each offer that applies.
func (t *table) payers(q *coupon.Quote) []map[string]int64 {
	sums := make([]map[string]int64, len(t.applied))
	count := func(funding []coupon.Funding) {
		for _, f := range funding {
			if sums[f.Applied] == nil {
				sums[f.Applied] = make(map[string]int64)
			}
			sums[f.Applied][f.Payer] += f.Amount.Minor()
		}
	}
	for i := range t.lines {
		count(q.LineFunding(i))
	}
	for i := range q.Deliveries() {
		count(q.DeliveryFunding(i))
	}
	return sums
}

// paid says who pays for an offer, where that is not the platform alone.
func paid(sums map[string]int64, currency ledger.Currency) string {
	payers := slices.Sorted(maps.Keys(sums))
	if len(payers) == 0 || len(payers) == 1 && payers[0] == coupon.Platform {
		return ""
	}
	for i, payer := range payers {
		payers[i] = payer + " " + ledger.Minor(sums[payer], currency).Amount()
	}
	return ", paid by " + strings.Join(payers, ", ")
}

func less(m ledger.Money) string {
	if m.IsZero() {
		return m.Amount()
	}
	return "-" + m.Amount()
}

// plain is text for a terminal, which a document must not control.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

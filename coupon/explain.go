package coupon

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/ledger"
)

// Explain is the quote for staff, line by line: the sums, what came off each line
// and delivery and by which offer, and every candidate: applied with its amount and
// what lowers that, or refused with what was found, needed and missing, or with the offer it lost to and
// by how much. The same quote gives the same text.
func (q *Quote) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "quote of %s: subtotal %s, discount %s, shipping %s, total %s\n",
		stamp(q.At), q.Subtotal, q.Discount, q.Shipping, q.Total)
	if q.Optimal {
		b.WriteString("searched: no set takes more off\n")
	}
	for i, l := range q.Lines() {
		fmt.Fprintf(&b, "line %q: %d units, %s%s\n", l.ID, l.Quantity, q.explainPrice(l.Price, l.Off, l.Total), q.leftOut(i, l.LeftOut))
	}
	for _, d := range q.Deliveries() {
		fmt.Fprintf(&b, "delivery %q: %s\n", d.ID, q.explainPrice(d.Price, d.Off, d.Total))
	}
	for _, g := range q.Gifts() {
		fmt.Fprintf(&b, "gift %q: %d units, by offer %q\n", g.Product, g.Quantity, q.appliedOffer(g.Applied))
	}
	lowered := q.loweredByOffer()
	for i, a := range q.Applied() {
		fmt.Fprintf(&b, "applied: offer %q version %d (%q)", a.Offer, a.Version, a.Name)
		if a.Coupon != "" {
			fmt.Fprintf(&b, ", coupon %q", a.Coupon)
		}
		fmt.Fprintf(&b, ": takes off %s", a.Amount)
		if l := lowered[i]; l != nil {
			fmt.Fprintf(&b, " of %s", l.Full)
			for _, by := range l.By {
				fmt.Fprintf(&b, "\nlowered: offer %q: %s: %s", a.Offer, by.Reason, by)
			}
		}
		b.WriteByte('\n')
	}
	for _, r := range q.Refused() {
		fmt.Fprintf(&b, "refused: %s: %s: %s%s\n", r.who(), r.Reason, r.detail(), r.lost())
	}
	for _, notice := range q.Notices {
		fmt.Fprintf(&b, "notice: %s\n", notice)
	}
	return b.String()
}

func (q *Quote) explainPrice(price ledger.Money, off []Off, total ledger.Money) string {
	text := price.String()
	for _, o := range off {
		text += fmt.Sprintf(" - %s by offer %q", o.Amount, q.appliedOffer(o.Applied))
	}
	return text + " = " + total.String()
}

// appliedOffer is the id of an offer that applies.
func (q *Quote) appliedOffer(i int) string { return q.outcome.applied[i].Version.offer.ID }

// leftOut says which of the offers that apply pass over a line. That the scope does
// not count it is worked out here: quotes don't carry it.
func (q *Quote) leftOut(line int, left []LeftOut) string {
	var text string
	for _, a := range q.outcome.applied {
		if !a.Version.covers(&q.outcome.lines[line]) {
			text += fmt.Sprintf("; left out of offer %q: %s", a.Version.offer.ID, ReasonNoLines)
		}
	}
	for _, l := range left {
		text += fmt.Sprintf("; left out of offer %q: %s", l.Offer, l.Reason)
	}
	return text
}

// Shopper is the quote for the shopper, in the words of [Refusal.In]: what came off
// by which offer, and why not as much as it says, why each coupon and code they chose does not apply, and what is
// missing for automatic offers that more of the same products would reach. Of other
// automatic offers it says nothing.
func (q *Quote) Shopper(tag language.Tag) []string {
	s := wordings.Speaker(tag)
	var sentences []string
	gifts, lowered := q.Gifts(), q.loweredByOffer()
	for i, a := range q.Applied() {
		offer := s.Say("quoted", "name", a.Name)
		switch l := lowered[i]; {
		case l != nil:
			sentences = append(sentences, s.Say("applied_less", "offer", offer, "amount", s.Money(a.Amount), "full", s.Money(l.Full), "why", l.tell(s)))
		case a.Amount.Sign() > 0:
			sentences = append(sentences, s.Say("applied_off", "offer", offer, "amount", s.Money(a.Amount)))
		}
		for _, g := range gifts {
			if g.Applied == i {
				sentences = append(sentences, s.Say("applied_gift", "offer", offer, "quantity", s.Integer(g.Quantity), "product", g.Product))
			}
		}
	}
	for _, r := range q.Refused() {
		chosen := cmp.Or(r.Code, r.Coupon) != ""
		if chosen || r.Reason == ReasonMinimumSpend || r.Reason == ReasonMinimumQuantity {
			sentences = append(sentences, wording.Capital(r.tell(s)))
		}
	}
	return sentences
}

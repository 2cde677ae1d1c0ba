package coupon

import (
	"fmt"

	"github.com/vouch-go/vouch/ledger"
)

func (p *printing) limits() {
	for i := range p.offer.Limits {
		l := &p.offer.Limits[i]
		p.customer = p.customer || l.Per == PerCustomer
		refuses := []Reason{ReasonLimit}
		if l.Per == PerAttribute {
			refuses = append(refuses, ReasonSale)
		}
		var lowers []LoweredBy
		text := p.limit(l)
		if len(l.Money) > 0 {
			refuses = append(refuses, ReasonCurrency)
			key := map[WhenSpent]string{RefuseSpent: "spent_refuse", ClipSpent: "spent_clip", AllowLast: "spent_allow_last"}[l.When]
			text += " " + p.Say(key)
			if l.When == ClipSpent {
				lowers = []LoweredBy{LoweredByLimit}
			}
		}
		p.add(fmt.Sprintf("limits[%d]", i), text, refuses...)
		p.lower(lowers...)
	}
	if p.customer {
		p.add("customer", p.Say("customer_needed"), ReasonCustomer)
	}
}

// periodKeys are what catalogues call periods.
var periodKeys = map[ledger.Period]string{
	ledger.Day: "period_day", ledger.Week: "period_week", ledger.Month: "period_month", ledger.Year: "period_year",
}

func (p *printing) limit(l *Limit) string {
	whose := p.Say(map[LimitPer]string{
		PerOffer: "per_offer", PerCustomer: "per_customer", PerCoupon: "per_coupon",
		PerOrder: "per_order", PerCampaign: "per_campaign", PerAttribute: "per_attribute",
	}[l.Per], "campaign", p.call("campaign", p.offer.Campaign), "attribute", p.call("attribute", l.Attribute))
	counted := l.Period != ledger.Lifetime
	var period string
	if counted {
		period = p.Say(periodKeys[l.Period])
	}
	switch {
	case l.Uses > 0 && counted:
		return p.Count("limit_uses_period", l.Uses, "whose", whose, "period", period)
	case l.Uses > 0:
		return p.Count("limit_uses", l.Uses, "whose", whose)
	case counted:
		return p.Say("limit_money_period", "amounts", p.amounts(l.Money), "whose", whose, "period", period)
	}
	return p.Say("limit_money", "amounts", p.amounts(l.Money), "whose", whose)
}

// coupon says what becomes of codes and of coupons that somebody holds. An automatic
// offer can be issued as coupons too.
func (p *printing) coupon() {
	key := "code_needed"
	if p.offer.Automatic {
		key = "code_not_needed"
	}
	p.add("coupon", p.Say(key), ReasonNotACode, ReasonMistyped, ReasonUnknown, ReasonNotChosen)
	p.add("coupon", p.Count("coupon_held", int64(p.version.uses())), ReasonNotHolder, ReasonUsed, ReasonReserved)
}

package coupon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (p *printing) conditions() {
	for i, c := range p.offer.Conditions {
		text, refuses := p.condition(c)
		p.add(fmt.Sprintf("conditions[%d]", i), p.Say("condition", "condition", text), refuses...)
	}
}

// condition says when a condition holds, and gives the reasons for which it, or the
// conditions it joins, can refuse.
func (p *printing) condition(condition Condition) (text string, refuses []Reason) {
	switch c := condition.(type) {
	case All:
		text, refuses = p.joined(c)
		return p.Say("all_of", "list", text), refuses
	case Any:
		text, refuses = p.joined(c)
		return p.Say("one_of", "list", text), refuses
	case Not: // what can't be told refuses with a reason of its own
		text, refuses = p.condition(c.Condition)
		return p.Say("not", "condition", text), append(refuses, ReasonExcluded)
	case MinimumSpend:
		return p.minimumSpend(c), []Reason{ReasonMinimumSpend, ReasonCurrency}
	case MinimumQuantity:
		key := "if_minimum_quantity"
		if c.Cart {
			key = "if_minimum_quantity_cart"
		}
		return p.Count(key, c.Units), []Reason{ReasonMinimumQuantity}
	case Contains:
		return p.Say("if_contains", "units", p.units(max(1, c.Units), c.Of)), []Reason{ReasonContains}
	case NewCustomer, NthOrder:
		p.customer = true
		return p.order(c), []Reason{ReasonOrderNumber, ReasonCustomer}
	case InSegment:
		return p.oneOf("if_segment", "segment", c.Any), []Reason{ReasonSegment}
	case Country:
		return p.oneOf("if_country", "country", c.Any), []Reason{ReasonSale}
	case Channel:
		return p.oneOf("if_channel", "channel", c.Any), []Reason{ReasonSale}
	case Payment:
		return p.oneOf("if_payment", "payment", c.Any), []Reason{ReasonSale}
	case Attribute:
		return p.Say("if_attribute", "name", p.call("attribute", c.Name), "list", p.Or(p.list("value", c.Any))), []Reason{ReasonSale}
	case Predicate:
		return p.predicate(c), []Reason{ReasonPredicate}
	}
	return "", nil
}

func (p *printing) minimumSpend(m MinimumSpend) string {
	amounts := p.amounts(m.Amounts)
	key, after := "if_minimum_spend", "if_minimum_spend_after"
	switch m.what() {
	case whatCart:
		key, after = "if_minimum_spend_cart", "if_minimum_spend_cart_after"
	case whatGoods:
		key, after = "if_minimum_spend_goods", "if_minimum_spend_goods_after"
	}
	if m.After {
		key = after
	}
	if m.Of.empty() {
		return p.Say(key, "amounts", amounts)
	}
	return p.Say(key, "amounts", amounts, "goods", p.goods(m.Of))
}

// joined says all conditions that one joins.
func (p *printing) joined(all []Condition) (text string, refuses []Reason) {
	texts := make([]string, len(all))
	for i, c := range all {
		own, reasons := p.condition(c)
		texts[i] = own
		refuses = append(refuses, reasons...)
	}
	slices.Sort(refuses)
	return p.Enumerate(texts), slices.Compact(refuses)
}

func (p *printing) oneOf(key, what string, any []string) string {
	return p.Say(key, "list", p.Or(p.list(what, any)))
}

func (p *printing) order(c Condition) string {
	n, nth := c.(NthOrder)
	from, to := p.Integer(n.From), p.Integer(n.To)
	switch {
	case !nth:
		return p.Say("if_new_customer")
	case n.To == 0:
		return p.Say("if_order_from", "from", from)
	case n.To == n.From:
		return p.Say("if_nth_order", "from", from)
	}
	return p.Say("if_order_from_to", "from", from, "to", to)
}

// predicate says what the shop registered the condition with, and the arguments.
func (p *printing) predicate(c Predicate) string {
	registered := p.version.predicates[predicateName{c.Name, c.Version}]
	sentence := p.call("predicate", cmp.Or(strings.TrimSuffix(registered.Sentence, "."), c.Name))
	var arguments []string
	for _, name := range slices.Sorted(maps.Keys(c.Arguments)) {
		arguments = append(arguments, p.Say("argument", "name", p.call("argument", name), "value", c.Arguments[name]))
	}
	if len(arguments) == 0 {
		return p.Say("if_predicate", "sentence", sentence)
	}
	return p.Say("if_predicate_arguments", "sentence", sentence, "arguments", p.Enumerate(arguments))
}

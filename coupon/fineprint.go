package coupon

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/ledger"
)

// Terms is the fine print of an offer: everything that shapes or refuses it, one
// sentence after the other.
type Terms []Term

// Term is one sentence of the fine print.
type Term struct {
	// Rule is what the sentence is about: a member of the offer as its document
	// names it, as in "benefit" or "conditions[1]", or what every offer has in
	// common: "currencies", "sellers", "customer", "coupon", "withdrawal".
	Rule     string
	Sentence string
	// Refuses are the reasons for a refusal that the sentence tells of in advance.
	Refuses []Reason
	// Lowers is what the sentence tells of in advance of what lowers an amount.
	Lowers []LoweredBy
}

// String is the sentences, one to a line.
func (t Terms) String() string {
	sentences := make([]string, len(t))
	for i := range t {
		sentences[i] = t[i].Sentence
	}
	return strings.Join(sentences, "\n")
}

// FinePrintOptions say what a shop calls things of its own. The zero value works
// for offers without predicates.
type FinePrintOptions struct {
	Predicates []RegisteredPredicate

	// Name gives what shoppers call a thing that the offer names by an id, in the
	// language of the fine print; "" for the id itself. What is one of: product,
	// category, seller, tag, label, group, campaign, segment, country, channel,
	// payment, method (of delivery), attribute (its name), value (an attribute's), argument (a
	// predicate's, its name) and predicate, whose id is the sentence it was
	// registered with. Nil: every id itself.
	Name func(what, id string) string
}

// FinePrint is an offer's terms in plain words, made from its data alone: what it
// gives, for what, to whom, when, how often and beside what. Every reason for which
// the offer can be refused, and everything that can lower what it takes off, is told of
// by one of the terms. Who pays for the discount
// is not among them.
//
// Amounts, numbers and dates are in the form of the reader's language and region,
// days and hours in the offer's zone. The language is the tag's own or its parent's;
// English when there is no catalogue of either. It fails as [Offer.Validate] does.
func FinePrint(o Offer, tag language.Tag, options FinePrintOptions) (Terms, error) {
	v, err := NewVersion(o, options.Predicates...)
	if err != nil {
		return nil, err
	}
	p := &printing{Speaker: wordings.Speaker(tag), version: v, offer: &v.offer, name: options.Name}
	p.benefit()
	p.rounding()
	p.currencies()
	p.scope()
	p.conditions()
	p.schedule()
	p.limits()
	p.coupon()
	p.combine()
	p.returns()
	return p.terms, nil
}

// printing is the work on one fine print.
type printing struct {
	*wording.Speaker
	version *Version
	offer   *Offer
	name    func(what, id string) string
	terms   Terms

	rates    bool              // a percentage was named that may have to be rounded
	named    []ledger.Currency // of the amounts named so far
	customer bool              // a rule was named that must tell customers apart
	days     bool              // a rule was named that counts by the offer's zone
}

func (p *printing) add(rule, sentence string, refuses ...Reason) {
	p.terms = append(p.terms, Term{Rule: rule, Sentence: sentence, Refuses: refuses})
}

// lower says what the term added last lowers.
func (p *printing) lower(by ...LoweredBy) { p.terms[len(p.terms)-1].Lowers = by }

// call gives what shoppers call a thing.
func (p *printing) call(what, id string) string {
	if p.name != nil {
		if name := p.name(what, id); name != "" {
			return name
		}
	}
	return id
}

// list calls things by name, those that are going to be written out.
func (p *printing) list(what string, ids []string) []string {
	names := slices.Clone(ids)
	for i, id := range names[:min(len(ids), wording.MaxNamed)] {
		names[i] = p.call(what, id)
	}
	return names
}

func (p *printing) amounts(all Amounts) string {
	p.note(all)
	return p.Speaker.Amounts(all)
}

func (p *printing) note(all Amounts) {
	for _, m := range all {
		if !slices.Contains(p.named, m.Currency()) {
			p.named = append(p.named, m.Currency())
		}
	}
}

func (p *printing) percent(r ledger.Rate) string {
	p.rates = p.rates || !isWhole(r)
	return p.Speaker.Percent(r)
}

// rounding matters where a percentage of an amount can come to parts of a coin.
func (p *printing) rounding() {
	if p.rates {
		key := map[ledger.Rounding]string{
			ledger.HalfUp: "round_half_up", ledger.HalfEven: "round_half_even", ledger.HalfDown: "round_half_down",
			ledger.Up: "round_up", ledger.Down: "round_down",
		}[p.offer.Rounding]
		p.add("rounding", p.Say(key))
	}
}

// currencies names those in which the offer can apply, when not in all.
func (p *printing) currencies() {
	p.note(p.offer.Scope.UnitPrice.From)
	p.note(p.offer.Scope.UnitPrice.To)
	for _, g := range required(p.offer.Conditions, false) {
		if m, is := g.Condition.(MinimumSpend); is {
			p.note(m.Amounts)
		}
	}
	for _, l := range p.offer.Limits {
		p.note(l.Money)
	}
	if anyOther := (ledger.Currency{}); p.offer.appliesIn(anyOther) {
		return
	}
	var codes []string
	for _, c := range p.named {
		if p.offer.appliesIn(c) {
			codes = append(codes, c.Code())
		}
	}
	if len(codes) == 0 {
		p.add("currencies", p.Say("currencies_none"), ReasonCurrency)
		return
	}
	p.add("currencies", p.Say("currencies", "list", p.Or(codes)), ReasonCurrency)
}

// appliesIn says that the offer has an amount in the currency wherever it needs one.
// A minimum spend without one can't be told, so that neither it nor its opposite holds.
func (o *Offer) appliesIn(c ledger.Currency) bool {
	return o.in(c) &&
		!slices.ContainsFunc(required(o.Conditions, false), func(g goal) bool {
			m, is := g.Condition.(MinimumSpend)
			return is && !m.Amounts.has(c)
		}) &&
		!slices.ContainsFunc(o.Limits, func(l Limit) bool { return len(l.Money) > 0 && !l.Money.has(c) })
}

// requiredSpend is every minimum spend that must hold whatever else does.
func requiredSpend(all []Condition) []MinimumSpend {
	var required []MinimumSpend
	for _, condition := range all {
		switch c := condition.(type) {
		case All:
			required = append(required, requiredSpend(c)...)
		case MinimumSpend:
			required = append(required, c)
		}
	}
	return required
}

func (p *printing) scope() {
	s := &p.offer.Scope
	if s.In.empty() && s.Out.empty() && s.SaleItems == SaleItemsToo && !s.UnitPrice.given() {
		p.add("scope", p.Say("scope_all"), ReasonNoLines)
	}
	for _, list := range []struct {
		rule, key, what string
		ids             []string
	}{
		{"scope.in.products", "scope_products", "product", s.In.Products},
		{"scope.in.categories", "scope_categories", "category", s.In.Categories},
		{"scope.in.sellers", "scope_sellers", "seller", s.In.Sellers},
		{"scope.in.tags", "scope_tags", "tag", s.In.Tags},
		{"scope.out.products", "scope_not_products", "product", s.Out.Products},
		{"scope.out.categories", "scope_not_categories", "category", s.Out.Categories},
		{"scope.out.sellers", "scope_not_sellers", "seller", s.Out.Sellers},
		{"scope.out.tags", "scope_not_tags", "tag", s.Out.Tags},
	} {
		if len(list.ids) > 0 {
			p.add(list.rule, p.Say(list.key, "list", p.Or(p.list(list.what, list.ids))), ReasonNoLines)
		}
	}
	switch s.SaleItems {
	case SaleItemsOut:
		p.add("scope.sale_items", p.Say("scope_not_sale"), ReasonNoLines)
	case SaleItemsOnly:
		p.add("scope.sale_items", p.Say("scope_only_sale"), ReasonNoLines)
	}
	if from := s.UnitPrice.From; len(from) > 0 {
		p.add("scope.unit_price.from", p.Say("scope_price_from", "amounts", p.amounts(from)), ReasonNoLines)
	}
	if to := s.UnitPrice.To; len(to) > 0 {
		p.add("scope.unit_price.to", p.Say("scope_price_to", "amounts", p.amounts(to)), ReasonNoLines)
	}
	p.add("sellers", p.Say("sellers_exclude"), ReasonSeller)
	switch p.offer.ShopPromotions {
	case RefuseCart:
		p.add("shop_promotions", p.Say("promotions_refuse"), ReasonShopPromotion)
	case SkipPromoted:
		p.add("shop_promotions", p.Say("promotions_skip"), ReasonShopPromotion)
	case AllowPromoted:
		p.add("shop_promotions", p.Say("promotions_allow"))
	}
}

// goods names products in brackets, as in "category: tea or coffee; seller: acme".
func (p *printing) goods(of Lists) string {
	var parts []string
	for _, list := range []struct {
		key, what string
		ids       []string
	}{
		{"goods_products", "product", of.Products}, {"goods_categories", "category", of.Categories},
		{"goods_sellers", "seller", of.Sellers}, {"goods_tags", "tag", of.Tags},
	} {
		if len(list.ids) > 0 {
			parts = append(parts, p.Say(list.key, "list", p.Or(p.list(list.what, list.ids))))
		}
	}
	return p.Enumerate(parts)
}

func (p *printing) units(n int64, of Lists) string {
	if of.empty() {
		return p.Count("units_of", n)
	}
	return p.Count("units_of_goods", n, "goods", p.goods(of))
}

func (p *printing) combine() {
	combine, group := &p.offer.Combine, &p.offer.Group
	switch {
	case combine.Freely:
		p.add("combine", p.Say("combine_freely"), ReasonCombination)
	case len(combine.With) > 0:
		p.add("combine", p.Say("combine_with", "list", p.Or(p.list("label", combine.With))), ReasonCombination)
	default:
		p.add("combine", p.Say("combine_alone"), ReasonCombination)
	}
	p.add("combine", p.Say("combine_best"), ReasonNotBetter)
	switch name := p.call("group", group.Name); {
	case group.First:
		p.add("group", p.Say("group_first", "group", name), ReasonGroup)
	case group.Name != "":
		p.add("group", p.Say("group_best", "group", name), ReasonGroup)
	}
}

// returns says what returns do to the discount and the use.
func (p *printing) returns() {
	if len(requiredSpend(p.offer.Conditions)) > 0 {
		switch p.offer.Below {
		case KeepDiscount:
			p.add("below_minimum", p.Say("below_keep"))
		case ClawBack:
			p.add("below_minimum", p.Say("below_claw_back"))
		case BlockReturn:
			p.add("below_minimum", p.Say("below_block"))
		}
	}
	switch p.offer.Restore {
	case RestoreWhenNothingKept:
		p.add("restore", p.Say("restore_nothing_kept"))
	case RestoreNever:
		p.add("restore", p.Say("restore_never"))
	case RestoreWhenCancelled:
		p.add("restore", p.Say("restore_cancelled"))
	case RestoreBeforeExpiry:
		p.add("restore", p.Say("restore_before_expiry"))
	}
	p.add("withdrawal", p.Say("withdrawn"), ReasonPaused, ReasonRevoked)
}

package coupon

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
)

// MaxDocument is the size in bytes of the largest document of an offer that is read.
const MaxDocument = 64 << 10

//go:embed offer.schema.json
var offerSchema string

// OfferSchema is the JSON Schema (draft 2020-12) of the documents that [ParseOffer]
// reads and [Offer.MarshalJSON] writes.
func OfferSchema() string { return offerSchema }

// ParseOffer reads the JSON document of an offer, as [OfferSchema] describes it, and
// checks the offer as [Offer.Validate] does. It fails with a [*Faults] that lists
// everything wrong, each with its path in the document: members that are not known,
// that stand twice or that a benefit or condition of that type does not use, those that
// the schema requires and are left out, null, half a character,
// values of another type, numbers and amounts that would have to be rounded, more
// than [MaxDocument] bytes or 16 objects inside each other, anything after the
// document.
func ParseOffer(data []byte, predicates ...RegisteredPredicate) (Offer, error) {
	var d offerDocument
	r := readStrictly(data, MaxDocument, ErrOffer, &d)
	o := d.offer(r, "")
	r.merge("", o.Validate(predicates...))
	r.lacking()
	if err := r.orNil(); err != nil {
		return Offer{}, err
	}
	return o, nil
}

// MarshalJSON writes the offer's document. It fails with [ErrOffer] when the benefit
// or a condition is missing or not of this package.
func (o Offer) MarshalJSON() ([]byte, error) {
	d, err := newOfferDocument(&o)
	if err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

// UnmarshalJSON reads an offer's document as strictly as [ParseOffer], but does not
// check what the offer says: [Offer.Validate] and publishing do.
func (o *Offer) UnmarshalJSON(data []byte) error {
	var d offerDocument
	r := readStrictly(data, MaxDocument, ErrOffer, &d)
	read := d.offer(r, "")
	r.lacking()
	if err := r.orNil(); err != nil {
		return err
	}
	*o = read
	return nil
}

// offerDocument is the JSON form of an offer.
type offerDocument struct {
	ID             string              `json:"id"`
	Version        int                 `json:"version,omitempty"`
	Name           string              `json:"name"`
	Labels         []string            `json:"labels,omitempty"`
	Automatic      bool                `json:"automatic,omitempty"`
	Campaign       string              `json:"campaign,omitempty"`
	Benefit        benefitDocument     `json:"benefit"`
	Scope          *scopeDocument      `json:"scope,omitempty"`
	Conditions     []conditionDocument `json:"conditions,omitempty"`
	Schedule       *scheduleDocument   `json:"schedule,omitempty"`
	Limits         []limitDocument     `json:"limits,omitempty"`
	Combine        *combineDocument    `json:"combine,omitempty"`
	Group          *groupDocument      `json:"group,omitempty"`
	Funding        []shareDocument     `json:"funding,omitempty"`
	Priority       int                 `json:"priority,omitempty"`
	ShopPromotions ShopPromotions      `json:"shop_promotions,omitempty"`
	Rounding       ledger.Rounding     `json:"rounding,omitempty"`
	Restore        Restore             `json:"restore,omitempty"`
	Below          Below               `json:"below_minimum,omitempty"`
}

type benefitDocument struct {
	Type string `json:"type"` // percent, amount, amount_each, fixed_price, bundle_price, buy_get, tiers, shipping, gift

	Percent  *ledger.Rate         `json:"percent,omitempty"`
	Max      Amounts              `json:"max,omitempty"`
	Of       Of                   `json:"of,omitempty"`
	Units    *unitsDocument       `json:"units,omitempty"`
	Amounts  Amounts              `json:"amounts,omitempty"`
	PerLine  bool                 `json:"per_line,omitempty"`
	Prices   Amounts              `json:"prices,omitempty"`
	Items    []bundleItemDocument `json:"items,omitempty"`
	Pick     Pick                 `json:"pick,omitempty"`
	Buy      int64                `json:"buy,omitempty"`
	Get      int64                `json:"get,omitempty"`
	BuyOf    *listsDocument       `json:"buy_of,omitempty"`
	GetOf    *listsDocument       `json:"get_of,omitempty"`
	Repeats  int64                `json:"repeats,omitempty"`
	Spend    []spendTierDocument  `json:"spend,omitempty"`
	Quantity []unitTierDocument   `json:"quantity,omitempty"`
	Highest  Amounts              `json:"highest,omitempty"`
	Together bool                 `json:"together,omitempty"`
	Sellers  []string             `json:"sellers,omitempty"`
	Methods  []string             `json:"methods,omitempty"`
	Product  string               `json:"product,omitempty"`
	Count    int64                `json:"count,omitempty"`
}

type unitsDocument struct {
	Max     int64 `json:"max"`
	Pick    Pick  `json:"pick,omitempty"`
	PerLine bool  `json:"per_line,omitempty"`
}

type bundleItemDocument struct {
	Of    *listsDocument `json:"of,omitempty"`
	Units int64          `json:"units"`
}

type spendTierDocument struct {
	From    Amounts      `json:"from"`
	Percent *ledger.Rate `json:"percent,omitempty"`
	Amounts Amounts      `json:"amounts,omitempty"`
}

type unitTierDocument struct {
	From    int64        `json:"from"`
	Percent *ledger.Rate `json:"percent,omitempty"`
	Amounts Amounts      `json:"amounts,omitempty"`
}

type scopeDocument struct {
	In        *listsDocument      `json:"in,omitempty"`
	Out       *listsDocument      `json:"out,omitempty"`
	SaleItems SaleItems           `json:"sale_items,omitempty"`
	UnitPrice *priceRangeDocument `json:"unit_price,omitempty"`
}

type priceRangeDocument struct {
	From Amounts `json:"from,omitempty"`
	To   Amounts `json:"to,omitempty"`
}

type listsDocument struct {
	Products   []string `json:"products,omitempty"`
	Categories []string `json:"categories,omitempty"`
	Sellers    []string `json:"sellers,omitempty"`
	Tags       []string `json:"tags,omitempty"`
}

type conditionDocument struct {
	Type string `json:"type"` // all, any, not, minimum_spend, minimum_quantity, contains, new_customer, nth_order, segment, country, channel, payment, attribute, predicate

	Conditions []conditionDocument `json:"conditions,omitempty"`
	Amounts    Amounts             `json:"amounts,omitempty"`
	After      bool                `json:"after_offers,omitempty"`
	Cart       bool                `json:"whole_cart,omitempty"`
	Units      int64               `json:"units,omitempty"`
	Of         *listsDocument      `json:"of,omitempty"`
	From       int64               `json:"from,omitempty"`
	To         int64               `json:"to,omitempty"`
	Any        []string            `json:"any,omitempty"`
	Name       string              `json:"name,omitempty"`
	Version    int                 `json:"version,omitempty"`
	Arguments  map[string]string   `json:"arguments,omitempty"`
}

type intervalDocument struct {
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

type scheduleDocument struct {
	intervalDocument
	FirstDay  string             `json:"first_day,omitempty"`
	LastDay   string             `json:"last_day,omitempty"`
	Weekly    []windowDocument   `json:"weekly,omitempty"`
	Blackouts []blackoutDocument `json:"blackouts,omitempty"`
	Life      int64              `json:"life_seconds,omitempty"`
	Zone      string             `json:"zone,omitempty"`
}

type windowDocument struct {
	Days  []weekday `json:"days,omitempty"`
	From  string    `json:"from,omitempty"`
	Until string    `json:"until,omitempty"`
}

type blackoutDocument struct {
	Name string `json:"name"`
	intervalDocument
}

type limitDocument struct {
	Per       LimitPer      `json:"per"`
	Attribute string        `json:"attribute,omitempty"`
	Uses      int64         `json:"uses,omitempty"`
	Money     Amounts       `json:"money,omitempty"`
	When      WhenSpent     `json:"when_spent,omitempty"`
	Shards    int           `json:"shards,omitempty"`
	Period    ledger.Period `json:"period,omitempty"`
}

type combineDocument struct {
	With   []string `json:"with,omitempty"`
	Freely bool     `json:"freely,omitempty"`
}

type groupDocument struct {
	Name  string `json:"name"`
	First bool   `json:"first,omitempty"`
}

type shareDocument struct {
	Payer   string      `json:"payer"`
	Percent ledger.Rate `json:"percent"`
}

func newOfferDocument(o *Offer) (offerDocument, error) {
	d := offerDocument{
		ID: o.ID, Version: o.Version, Name: o.Name, Labels: o.Labels, Automatic: o.Automatic, Campaign: o.Campaign,
		Schedule: newScheduleDocument(&o.Schedule),
		Priority: o.Priority, ShopPromotions: o.ShopPromotions, Rounding: o.Rounding, Restore: o.Restore, Below: o.Below,
	}
	if scope := (scopeDocument{newListsDocument(o.Scope.In), newListsDocument(o.Scope.Out), o.Scope.SaleItems, newPriceRangeDocument(o.Scope.UnitPrice)}); scope != (scopeDocument{}) {
		d.Scope = &scope
	}
	if o.Combine.Freely || len(o.Combine.With) > 0 {
		combine := combineDocument(o.Combine)
		d.Combine = &combine
	}
	if o.Group.Name != "" {
		group := groupDocument(o.Group)
		d.Group = &group
	}
	for _, l := range o.Limits {
		d.Limits = append(d.Limits, limitDocument(l))
	}
	for _, s := range o.Funding {
		d.Funding = append(d.Funding, shareDocument{s.Payer, s.Rate})
	}
	var err error
	if d.Benefit, err = newBenefitDocument(o.Benefit); err != nil {
		return d, err
	}
	d.Conditions, err = newConditionDocuments(o.Conditions)
	return d, err
}

// offer is what the document at a path says. What it does not say right is a fault.
func (d *offerDocument) offer(r *reading, path string) Offer {
	o := Offer{
		ID: d.ID, Version: d.Version, Name: d.Name, Labels: d.Labels, Automatic: d.Automatic, Campaign: d.Campaign,
		Benefit: d.Benefit.benefit(r, strict.Member(path, "benefit")), Conditions: conditions(r, strict.Member(path, "conditions"), d.Conditions),
		Schedule: d.Schedule.schedule(),
		Priority: d.Priority, ShopPromotions: d.ShopPromotions, Rounding: d.Rounding, Restore: d.Restore, Below: d.Below,
	}
	if d.Scope != nil {
		o.Scope = Scope{d.Scope.In.lists(), d.Scope.Out.lists(), d.Scope.SaleItems, d.Scope.UnitPrice.prices()}
	}
	if d.Combine != nil {
		o.Combine = Combine(*d.Combine)
	}
	if d.Group != nil {
		if o.Group = Group(*d.Group); o.Group.Name == "" {
			r.Misread(strict.Member(path, "group.name"), "is missing")
		}
	}
	for _, l := range d.Limits {
		o.Limits = append(o.Limits, Limit(l))
	}
	for _, s := range d.Funding {
		o.Funding = append(o.Funding, Share{s.Payer, s.Percent})
	}
	return o
}

// kept is the offer of a document that was kept, which a later release may have
// written.
func (d *offerDocument) kept() (Offer, error) {
	faults := &Faults{Kind: ErrOffer}
	r := &reading{faults, strict.New(faultSink{faults})}
	o := d.offer(r, "")
	return o, r.orNil()
}

func newBenefitDocument(benefit Benefit) (benefitDocument, error) {
	switch b := benefit.(type) {
	case PercentOff:
		return benefitDocument{Type: "percent", Percent: &b.Rate, Max: b.Max, Of: b.Of, Units: newUnitsDocument(b.Units)}, nil
	case AmountOff:
		return benefitDocument{Type: "amount", Amounts: b.Amounts}, nil
	case AmountOffEach:
		return benefitDocument{Type: "amount_each", Amounts: b.Amounts, PerLine: b.PerLine, Units: newUnitsDocument(b.Units)}, nil
	case FixedPrice:
		return benefitDocument{Type: "fixed_price", Prices: b.Prices, Units: newUnitsDocument(b.Units)}, nil
	case BundlePrice:
		d := benefitDocument{Type: "bundle_price", Prices: b.Prices, Repeats: b.Max, Pick: b.Pick}
		for _, item := range b.Items {
			d.Items = append(d.Items, bundleItemDocument{newListsDocument(item.Of), item.Units})
		}
		return d, nil
	case BuyGet:
		return benefitDocument{
			Type: "buy_get", Buy: b.Buy, Get: b.Get, BuyOf: newListsDocument(b.BuyOf), GetOf: newListsDocument(b.GetOf),
			Percent: newRate(b.Rate), Amounts: b.Amounts, Repeats: b.Max, Pick: b.Pick,
		}, nil
	case Tiers:
		d := benefitDocument{Type: "tiers"}
		for _, t := range b.Spend {
			d.Spend = append(d.Spend, spendTierDocument{t.From, newRate(t.Rate), t.Amounts})
		}
		for _, t := range b.Quantity {
			d.Quantity = append(d.Quantity, unitTierDocument{t.From, newRate(t.Rate), t.Amounts})
		}
		return d, nil
	case ShippingOff:
		return benefitDocument{
			Type: "shipping", Percent: newRate(b.Rate), Amounts: b.Amounts, Highest: b.Highest, Together: b.Together, Sellers: b.Sellers, Methods: b.Methods,
		}, nil
	case GiftLine:
		return benefitDocument{Type: "gift", Product: b.Product, Count: b.Quantity}, nil
	}
	return benefitDocument{}, fmt.Errorf("%w: benefit %T has no document form", ErrOffer, benefit)
}

func (d *benefitDocument) benefit(r *reading, path string) Benefit {
	switch d.Type {
	case "percent":
		return PercentOff{rateOf(d.Percent), d.Max, d.Of, d.Units.units()}
	case "amount":
		return AmountOff{d.Amounts}
	case "amount_each":
		return AmountOffEach{d.Amounts, d.PerLine, d.Units.units()}
	case "fixed_price":
		return FixedPrice{d.Prices, d.Units.units()}
	case "bundle_price":
		b := BundlePrice{Prices: d.Prices, Max: d.Repeats, Pick: d.Pick}
		for _, item := range d.Items {
			b.Items = append(b.Items, BundleItem{item.Of.lists(), item.Units})
		}
		return b
	case "buy_get":
		return BuyGet{Buy: d.Buy, Get: d.Get, BuyOf: d.BuyOf.lists(), GetOf: d.GetOf.lists(), Rate: rateOf(d.Percent), Amounts: d.Amounts, Max: d.Repeats, Pick: d.Pick}
	case "tiers":
		var b Tiers
		for _, t := range d.Spend {
			b.Spend = append(b.Spend, SpendTier{t.From, rateOf(t.Percent), t.Amounts})
		}
		for _, t := range d.Quantity {
			b.Quantity = append(b.Quantity, QuantityTier{t.From, rateOf(t.Percent), t.Amounts})
		}
		return b
	case "shipping":
		return ShippingOff{rateOf(d.Percent), d.Amounts, d.Highest, d.Together, d.Sellers, d.Methods}
	case "gift":
		return GiftLine{d.Product, d.Count}
	}
	r.unknownType(path, "benefit", d.Type, benefitMembers)
	return nil
}

// benefitMembers are the members that a benefit uses, by its type.
var benefitMembers = map[string][]string{
	"percent":      {"percent", "max", "of", "units"},
	"amount":       {"amounts"},
	"amount_each":  {"amounts", "per_line", "units"},
	"fixed_price":  {"prices", "units"},
	"bundle_price": {"prices", "items", "repeats", "pick"},
	"buy_get":      {"buy", "get", "buy_of", "get_of", "percent", "amounts", "repeats", "pick"},
	"tiers":        {"spend", "quantity"},
	"shipping":     {"percent", "amounts", "highest", "together", "sellers", "methods"},
	"gift":         {"product", "count"},
}

// conditionMembers are the members that a condition uses, by its type.
var conditionMembers = map[string][]string{
	"all":              {"conditions"},
	"any":              {"conditions"},
	"not":              {"conditions"},
	"minimum_spend":    {"amounts", "after_offers", "whole_cart", "of"},
	"minimum_quantity": {"units", "whole_cart"},
	"contains":         {"of", "units"},
	"new_customer":     {},
	"nth_order":        {"from", "to"},
	"segment":          {"any"},
	"country":          {"any"},
	"channel":          {"any"},
	"payment":          {"any"},
	"attribute":        {"name", "any"},
	"predicate":        {"name", "version", "arguments"},
}

func (d *benefitDocument) Members() (kind, name string, used []string, known bool) {
	used, known = benefitMembers[d.Type]
	return "benefit", d.Type, used, known
}

func (d *conditionDocument) Members() (kind, name string, used []string, known bool) {
	used, known = conditionMembers[d.Type]
	return "condition", d.Type, used, known
}

// unknownType is the fault of a type that this release does not know.
func (r *reading) unknownType(path, kind, name string, known map[string][]string) {
	at := strict.Member(path, "type")
	switch {
	case r.Follows(at):
	case name == "":
		r.Misread(at, "is missing, want one of %q", slices.Sorted(maps.Keys(known)))
	default:
		r.Misread(at, "%.40q is no %s that this release knows, want one of %q", name, kind, slices.Sorted(maps.Keys(known)))
	}
}

func newConditionDocuments(all []Condition) ([]conditionDocument, error) {
	var documents []conditionDocument
	for _, c := range all {
		d, err := newConditionDocument(c)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

func newConditionDocument(condition Condition) (d conditionDocument, err error) {
	switch c := condition.(type) {
	case All:
		d.Type = "all"
		d.Conditions, err = newConditionDocuments(c)
	case Any:
		d.Type = "any"
		d.Conditions, err = newConditionDocuments(c)
	case Not:
		d.Type = "not"
		d.Conditions, err = newConditionDocuments([]Condition{c.Condition})
	case MinimumSpend:
		d = conditionDocument{Type: "minimum_spend", Amounts: c.Amounts, After: c.After, Cart: c.Cart, Of: newListsDocument(c.Of)}
	case MinimumQuantity:
		d = conditionDocument{Type: "minimum_quantity", Units: c.Units, Cart: c.Cart}
	case Contains:
		d = conditionDocument{Type: "contains", Of: newListsDocument(c.Of), Units: c.Units}
	case NewCustomer:
		d = conditionDocument{Type: "new_customer"}
	case NthOrder:
		d = conditionDocument{Type: "nth_order", From: c.From, To: c.To}
	case InSegment:
		d = conditionDocument{Type: "segment", Any: c.Any}
	case Country:
		d = conditionDocument{Type: "country", Any: c.Any}
	case Channel:
		d = conditionDocument{Type: "channel", Any: c.Any}
	case Payment:
		d = conditionDocument{Type: "payment", Any: c.Any}
	case Attribute:
		d = conditionDocument{Type: "attribute", Name: c.Name, Any: c.Any}
	case Predicate:
		d = conditionDocument{Type: "predicate", Name: c.Name, Version: c.Version, Arguments: c.Arguments}
	default:
		err = fmt.Errorf("%w: condition %T has no document form", ErrOffer, condition)
	}
	return d, err
}

func conditions(r *reading, path string, documents []conditionDocument) []Condition {
	var all []Condition
	for i := range documents {
		all = append(all, documents[i].condition(r, strict.Item(path, i)))
	}
	return all
}

func (d *conditionDocument) condition(r *reading, path string) Condition {
	children := conditions(r, strict.Member(path, "conditions"), d.Conditions)
	switch d.Type {
	case "all":
		return All(children)
	case "any":
		return Any(children)
	case "not":
		if len(children) != 1 {
			r.Misread(strict.Member(path, "conditions"), "has %d entries, want one", len(children))
			return nil
		}
		return Not{children[0]}
	case "minimum_spend":
		return MinimumSpend{d.Amounts, d.After, d.Cart, d.Of.lists()}
	case "minimum_quantity":
		return MinimumQuantity{d.Units, d.Cart}
	case "contains":
		return Contains{d.Of.lists(), d.Units}
	case "new_customer":
		return NewCustomer{}
	case "nth_order":
		return NthOrder{d.From, d.To}
	case "segment":
		return InSegment{d.Any}
	case "country":
		return Country{d.Any}
	case "channel":
		return Channel{d.Any}
	case "payment":
		return Payment{d.Any}
	case "attribute":
		return Attribute{d.Name, d.Any}
	case "predicate":
		return Predicate{d.Name, d.Version, d.Arguments}
	}
	r.unknownType(path, "condition", d.Type, conditionMembers)
	return nil
}

func newScheduleDocument(s *Schedule) *scheduleDocument {
	d := scheduleDocument{
		intervalDocument: newIntervalDocument(s.Interval),
		FirstDay:         s.Days.First, LastDay: s.Days.Last,
		Life: int64(s.Life / time.Second), Zone: s.Zone,
	}
	for _, w := range s.Weekly {
		window := windowDocument{From: w.From, Until: w.Until}
		for _, day := range w.Days {
			window.Days = append(window.Days, weekday(day))
		}
		d.Weekly = append(d.Weekly, window)
	}
	for _, b := range s.Blackouts {
		d.Blackouts = append(d.Blackouts, blackoutDocument{b.Name, newIntervalDocument(b.Interval)})
	}
	if d.empty() {
		return nil
	}
	return &d
}

func (d *scheduleDocument) empty() bool {
	return d.intervalDocument == intervalDocument{} && d.FirstDay+d.LastDay+d.Zone == "" && d.Life == 0 &&
		len(d.Weekly)+len(d.Blackouts) == 0
}

func (d *scheduleDocument) schedule() Schedule {
	if d == nil {
		return Schedule{}
	}
	s := Schedule{
		Interval: d.interval(), Days: LocalDays{d.FirstDay, d.LastDay},
		Life: time.Duration(min(max(d.Life, -1), maxLifeSeconds+1)) * time.Second, Zone: d.Zone,
	}
	for _, w := range d.Weekly {
		window := Window{From: w.From, Until: w.Until}
		for _, day := range w.Days {
			window.Days = append(window.Days, time.Weekday(day))
		}
		s.Weekly = append(s.Weekly, window)
	}
	for _, b := range d.Blackouts {
		s.Blackouts = append(s.Blackouts, Blackout{b.Name, b.interval()})
	}
	return s
}

func newListsDocument(l Lists) *listsDocument {
	if l.empty() {
		return nil
	}
	d := listsDocument(l)
	return &d
}

func (d *listsDocument) lists() Lists {
	if d == nil {
		return Lists{}
	}
	return Lists(*d)
}

func newPriceRangeDocument(r PriceRange) *priceRangeDocument {
	if !r.given() {
		return nil
	}
	d := priceRangeDocument(r)
	return &d
}

func (d *priceRangeDocument) prices() PriceRange {
	if d == nil {
		return PriceRange{}
	}
	return PriceRange(*d)
}

func newUnitsDocument(u Units) *unitsDocument {
	if u == (Units{}) {
		return nil
	}
	d := unitsDocument(u)
	return &d
}

func (d *unitsDocument) units() Units {
	if d == nil {
		return Units{}
	}
	return Units(*d)
}

func newRate(r ledger.Rate) *ledger.Rate {
	if r.IsZero() {
		return nil
	}
	return &r
}

func rateOf(r *ledger.Rate) ledger.Rate {
	if r == nil {
		return ledger.Rate{}
	}
	return *r
}

func newIntervalDocument(i Interval) intervalDocument {
	var d intervalDocument
	if !i.From.IsZero() {
		from := i.From.UTC()
		d.From = &from
	}
	if !i.Until.IsZero() {
		until := i.Until.UTC()
		d.Until = &until
	}
	return d
}

func (d intervalDocument) interval() Interval {
	var i Interval
	if d.From != nil {
		i.From = d.From.UTC()
	}
	if d.Until != nil {
		i.Until = d.Until.UTC()
	}
	return i
}

// equal says that an offer has the same document.
func (d *offerDocument) equal(o *Offer) (bool, error) {
	other, err := newOfferDocument(o)
	if err != nil {
		return false, err
	}
	a, err := json.Marshal(d)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(other)
	return bytes.Equal(a, b), err
}

// MarshalJSON writes one member per currency: {"EUR":"5.00","USD":"6.00"}. It fails
// with [ErrOffer] when two amounts are in one currency, or one in none.
func (a Amounts) MarshalJSON() ([]byte, error) {
	faults := &Faults{Kind: ErrOffer}
	a.check("amounts", math.MinInt64, faults)
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	text := []byte{'{'}
	for i, m := range a {
		if i > 0 {
			text = append(text, ',')
		}
		code, err := m.Currency().MarshalText()
		if err != nil {
			return nil, err
		}
		text = fmt.Appendf(text, `"%s":"%s"`, code, m.Amount()) // neither holds a character that JSON escapes
	}
	return append(text, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes. It fails with a [*Faults] when a
// currency stands twice or is not known, or an amount is not a text like "5.00" with
// at most the currency's decimals.
func (a *Amounts) UnmarshalJSON(data []byte) error {
	var read Amounts
	if err := readStrictly(data, MaxDocument, ErrOffer, &read).orNil(); err != nil {
		return err
	}
	*a = read
	return nil
}

// Enumerations are written by name.

var (
	saleItemsNames      = []string{"too", "out", "only"}
	shopPromotionsNames = []string{"refuse", "skip", "allow"}
	restoreNames        = []string{"nothing_kept", "never", "cancelled", "before_expiry"}
	belowNames          = []string{"keep", "claw_back", "block"}
	limitPerNames       = []string{"offer", "customer", "coupon", "order", "campaign", "attribute"}
	whenSpentNames      = []string{"refuse", "clip", "allow_last"}
	pickNames           = []string{"cheapest", "dearest", "cart_order"}
	ofNames             = []string{"running", "original"}
	weekdayNames        = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
)

func name(names []string, i int) ([]byte, error) {
	if i >= len(names) {
		return nil, fmt.Errorf("%w: %d is none of %q", ErrOffer, i, names)
	}
	return []byte(names[i]), nil
}

func index[E ~uint8](value *E, names []string, text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*value = E(i)
			return nil
		}
	}
	return fmt.Errorf("%w: %.40q is none of %q", ErrOffer, text, names)
}

// MarshalText gives the name that documents use.
func (s SaleItems) MarshalText() ([]byte, error) { return name(saleItemsNames, int(s)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (s *SaleItems) UnmarshalText(text []byte) error { return index(s, saleItemsNames, text) }

// MarshalText gives the name that documents use.
func (p ShopPromotions) MarshalText() ([]byte, error) { return name(shopPromotionsNames, int(p)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (p *ShopPromotions) UnmarshalText(text []byte) error { return index(p, shopPromotionsNames, text) }

// MarshalText gives the name that documents use.
func (r Restore) MarshalText() ([]byte, error) { return name(restoreNames, int(r)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (r *Restore) UnmarshalText(text []byte) error { return index(r, restoreNames, text) }

// MarshalText gives the name that documents use.
func (b Below) MarshalText() ([]byte, error) { return name(belowNames, int(b)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (b *Below) UnmarshalText(text []byte) error { return index(b, belowNames, text) }

// MarshalText gives the name that documents use.
func (l LimitPer) MarshalText() ([]byte, error) { return name(limitPerNames, int(l)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (l *LimitPer) UnmarshalText(text []byte) error { return index(l, limitPerNames, text) }

// MarshalText gives the name that documents use.
func (w WhenSpent) MarshalText() ([]byte, error) { return name(whenSpentNames, int(w)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (w *WhenSpent) UnmarshalText(text []byte) error { return index(w, whenSpentNames, text) }

// MarshalText gives the name that documents use.
func (p Pick) MarshalText() ([]byte, error) { return name(pickNames, int(p)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (p *Pick) UnmarshalText(text []byte) error { return index(p, pickNames, text) }

// MarshalText gives the name that documents use.
func (o Of) MarshalText() ([]byte, error) { return name(ofNames, int(o)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (o *Of) UnmarshalText(text []byte) error { return index(o, ofNames, text) }

// weekday is a [time.Weekday] by name.
type weekday uint8

func (d weekday) MarshalText() ([]byte, error)     { return name(weekdayNames, int(d)) }
func (d *weekday) UnmarshalText(text []byte) error { return index(d, weekdayNames, text) }

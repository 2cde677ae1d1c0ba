package coupon

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/ledger"
)

// Condition is something that must hold for an offer to apply. Conditions are
// joined by [All], [Any] and [Not]:
//   - the cart: [MinimumSpend], [MinimumQuantity], [Contains]
//   - the customer: [NewCustomer], [NthOrder], [InSegment]
//   - the sale: [Country], [Channel], [Payment], [Attribute]
//   - what the shop adds: [Predicate]
type Condition interface {
	check(path string, c *checking)
	// refuse is nil when the condition holds.
	refuse(s *situation) *Refusal
	clone() Condition
}

// Limits of a tree of conditions.
const (
	maxConditions = 100 // in an offer, at all depths
	maxDepth      = 8
)

// checking collects the faults of an offer's conditions.
type checking struct {
	*Faults
	predicates map[predicateName]*RegisteredPredicate
	count      int
	depth      int
}

// children checks the conditions that one joins, within the limits of the tree.
func (c *checking) children(path string, all []Condition) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		c.add(path, "is nested more than %d deep", maxDepth)
		return
	}
	for i, condition := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		if c.count++; c.count > maxConditions {
			c.add(path, "takes the offer's conditions beyond %d", maxConditions)
			return
		}
		switch condition.(type) {
		case nil:
			c.add(at, "is missing")
		case All, Any, Not, MinimumSpend, MinimumQuantity, Contains, NewCustomer, NthOrder, InSegment,
			Country, Channel, Payment, Attribute, Predicate:
			condition.check(at, c)
		default:
			c.add(at, "is a %T, want one of this package's conditions, as a value", condition)
		}
	}
}

// situation is what conditions are judged by.
type situation struct {
	cart       *Cart
	lines      []int // of the cart, those that count for the offer
	eligible   int64 // what they cost before any offer, minor units
	running    int64 // what they cost after the offers worked out before
	units      int64 // of them
	pricing    *pricing
	worked     bool // offers have been worked out before
	predicates map[predicateName]*RegisteredPredicate
	hashed     hashed // the offer's long lists
	refusals   *refusals
}

// All holds when each of its conditions holds.
type All []Condition

// Any holds when at least one of its conditions holds.
type Any []Condition

// Not holds when its condition does not. Where that can't be told, because the cart
// names no customer or the condition has no amount in its currency, neither holds.
type Not struct{ Condition Condition }

// MinimumSpend holds when the eligible lines cost at least this much, shipping not
// counted; or, where it says so, all lines of the cart, or those of some goods,
// whether the offer counts them or not.
type MinimumSpend struct {
	Amounts Amounts // one per currency; in others the offer does not apply
	After   bool    // tested against what they cost after the offers worked out before; otherwise before any
	Cart    bool    // all lines of the cart count
	Of      Lists   // those lines of the cart count that are named, as a [Scope] names them; not with Cart
}

// MinimumQuantity holds when the eligible lines have at least this many units, or
// all lines of the cart. Of some goods see [Contains].
type MinimumQuantity struct {
	Units int64
	Cart  bool // all lines of the cart count, whether the offer counts them or not
}

// Contains holds when the cart has at least this many units of lines named like a
// [Scope] names them, whether the offer counts them or not.
type Contains struct {
	Of    Lists
	Units int64 // 0: one
}

// NewCustomer holds when the customer has completed no order yet. A customer
// without a key is refused: nothing is known of them.
type NewCustomer struct{}

// NthOrder holds when this is one of the customer's orders From to To, counted
// from 1, those completed before. A customer without a key is refused.
type NthOrder struct {
	From int64
	To   int64 // 0: without end
}

// InSegment holds when the customer is in at least one of these segments.
type InSegment struct{ Any []string }

// Country holds when the cart's country is one of these.
type Country struct{ Any []string }

// Channel holds when the cart's channel is one of these.
type Channel struct{ Any []string }

// Payment holds when the cart's payment method is one of these.
type Payment struct{ Any []string }

// Attribute holds when the cart's attribute of this name has one of these values.
type Attribute struct {
	Name string
	Any  []string
}

// Predicate is a condition of the shop's own, by the name and version under which
// it was registered.
type Predicate struct {
	Name      string
	Version   int
	Arguments map[string]string
}

// RegisteredPredicate is a condition that a shop adds. Holds must be a pure
// function of the attributes it declares and its arguments: quotes are judged
// again when they are redeemed, and must come out the same. Change what it says
// under a new version; offers stay with theirs.
type RegisteredPredicate struct {
	Name       string   // as an offer's id
	Version    int      // from 1
	Attributes []string // of the cart's, the only ones it is given
	Holds      func(attributes, arguments map[string]string) bool
	Sentence   string // what it asks for, as in "the basket is picked up in a store"
}

type predicateName struct {
	name    string
	version int
}

func (a All) check(path string, c *checking) {
	if len(a) == 0 {
		c.add(path+".conditions", "is empty")
	}
	c.children(path+".conditions", a)
}

// refuse gives the first refusal, of those that are certain if there is one.
func (a All) refuse(s *situation) *Refusal {
	var first *Refusal
	for _, condition := range a {
		refused := condition.refuse(s)
		if refused != nil && (first == nil || first.untold && !refused.untold) {
			first = refused
		}
	}
	return first
}

func (a All) clone() Condition { return All(cloneConditions(a)) }

func (a Any) check(path string, c *checking) {
	if len(a) == 0 {
		c.add(path+".conditions", "is empty: it could never hold")
	}
	c.children(path+".conditions", a)
}

// refuse gives the refusal of the branch that is nearest to holding: a minimum
// spend first, since the shopper can act on it, then the first one.
func (a Any) refuse(s *situation) *Refusal {
	var nearest *Refusal
	untold := false
	for _, condition := range a {
		refused := condition.refuse(s)
		if refused == nil {
			return nil
		}
		untold = untold || refused.untold
		closer := refused.Reason == ReasonMinimumSpend &&
			(nearest == nil || nearest.Reason != ReasonMinimumSpend || refused.Missing.Minor() < nearest.Missing.Minor())
		if nearest == nil || closer {
			nearest = refused
		}
	}
	if nearest != nil {
		nearest.untold = untold
	}
	return nearest
}

func (a Any) clone() Condition { return Any(cloneConditions(a)) }

func (n Not) check(path string, c *checking) {
	c.children(path+".conditions", []Condition{n.Condition})
}

func (n Not) refuse(s *situation) *Refusal {
	switch refused := n.Condition.refuse(s); {
	case refused == nil:
		what, found := s.holding(n.Condition)
		return &Refusal{Reason: ReasonExcluded, What: what, FoundText: found}
	case refused.untold:
		return refused
	}
	return nil
}

// holding says what it is that holds, and what was found; neither of conditions that
// join others.
func (s *situation) holding(condition Condition) (what, found string) {
	customer := &s.cart.Customer
	switch c := condition.(type) {
	case MinimumSpend:
		return "spend", ledger.Minor(s.spend(c), s.cart.Currency).String()
	case MinimumQuantity:
		return "units", fmt.Sprint(s.quantity(c))
	case Contains:
		return "units of some products", fmt.Sprint(s.contained(c.Of))
	case NewCustomer, NthOrder:
		return "order number", fmt.Sprint(customer.Orders + 1)
	case InSegment:
		return "segment", strings.Join(customer.Segments, ", ")
	case Country:
		return "country", s.cart.Country
	case Channel:
		return "channel", s.cart.Channel
	case Payment:
		return "payment method", s.cart.Payment
	case Attribute:
		return c.Name, s.cart.Attributes[c.Name]
	case Predicate:
		return s.predicates[predicateName{c.Name, c.Version}].Sentence, ""
	}
	return "", ""
}

func (n Not) clone() Condition { return Not{n.Condition.clone()} }

func cloneConditions(all []Condition) []Condition {
	if all == nil {
		return nil
	}
	cloned := make([]Condition, len(all))
	for i, c := range all {
		cloned[i] = c.clone()
	}
	return cloned
}

func (m MinimumSpend) check(path string, c *checking) {
	m.Amounts.require(path+".amounts", 1, c.Faults)
	m.Of.check(path+".of", c.Faults)
	if m.Cart && !m.Of.empty() {
		c.add(path+".of", "is given, but the whole cart counts: choose one")
	}
}

// own says that it counts the lines that the offer counts.
func (m MinimumSpend) own() bool { return !m.Cart && m.Of.empty() }

// spend is what the lines cost that a minimum counts.
func (s *situation) spend(m MinimumSpend) int64 {
	switch {
	case m.own() && m.After:
		return s.running
	case m.own():
		return s.eligible
	}
	var sum int64
	for i := range s.pricing.parts {
		p := &s.pricing.parts[i]
		switch {
		case !m.Cart && !m.Of.name(&s.cart.Lines[s.pricing.place(i).line], s.hashed):
		case m.After && s.worked:
			sum += p.now
		default:
			sum += p.price
		}
	}
	return sum
}

// quantity is how many units a minimum counts.
func (s *situation) quantity(m MinimumQuantity) int64 {
	if m.Cart {
		return s.contained(Lists{})
	}
	return s.units
}

// contained is how many units of named lines the cart has.
func (s *situation) contained(of Lists) int64 {
	var units int64
	for i := range s.cart.Lines {
		if of.name(&s.cart.Lines[i], s.hashed) {
			units += s.cart.Lines[i].Quantity
		}
	}
	return units
}

func (m MinimumSpend) refuse(s *situation) *Refusal {
	needed, ok := m.Amounts.In(s.cart.Currency)
	if !ok {
		return &Refusal{Reason: ReasonCurrency, Currency: s.cart.Currency, untold: true}
	}
	refused := s.refusals.tooLittle(s.spend(m), needed.Minor(), s.cart.Currency)
	if refused != nil {
		refused.What = m.what()
	}
	return refused
}

// What a minimum counts where it is not what the offer counts.
const (
	whatCart  = "cart"
	whatGoods = "goods"
)

func (m MinimumSpend) what() string {
	switch {
	case m.Cart:
		return whatCart
	case !m.Of.empty():
		return whatGoods
	}
	return ""
}

func (m MinimumSpend) clone() Condition {
	m.Amounts, m.Of = slices.Clone(m.Amounts), m.Of.clone()
	return m
}

func (m MinimumQuantity) check(path string, c *checking) {
	checkUnits(path+".units", m.Units, c.Faults)
}

func (m MinimumQuantity) refuse(s *situation) *Refusal {
	refused := tooFew(s.quantity(m), m.Units)
	if refused != nil && m.Cart {
		refused.What = whatCart
	}
	return refused
}

func tooFew(found, needed int64) *Refusal {
	if found >= needed {
		return nil
	}
	return &Refusal{Reason: ReasonMinimumQuantity, FoundUnits: found, NeededUnits: needed}
}

func (m MinimumQuantity) clone() Condition { return m }

func (n Contains) check(path string, c *checking) {
	n.Of.check(path+".of", c.Faults)
	if n.Of.empty() {
		c.add(path+".of", "names nothing: use a minimum quantity")
	}
	checkRepeats(path+".units", n.Units, c.Faults)
}

func (n Contains) refuse(s *situation) *Refusal {
	if refused := tooFew(s.contained(n.Of), max(1, n.Units)); refused != nil {
		refused.Reason = ReasonContains
		return refused
	}
	return nil
}

func (n Contains) clone() Condition {
	n.Of = n.Of.clone()
	return n
}

func (l *Lists) empty() bool {
	return len(l.Products)+len(l.Categories)+len(l.Sellers)+len(l.Tags) == 0
}

func (NewCustomer) check(string, *checking) {}

func (NewCustomer) refuse(s *situation) *Refusal {
	return NthOrder{From: 1, To: 1}.refuse(s)
}

func (n NewCustomer) clone() Condition { return n }

func (n NthOrder) check(path string, c *checking) {
	if n.From < 1 || n.To != 0 && n.To < n.From {
		c.add(path, "is orders %d to %d, want from 1 on, and not backwards", n.From, n.To)
	}
}

func (n NthOrder) refuse(s *situation) *Refusal {
	if s.cart.Customer.Key == "" {
		return &Refusal{Reason: ReasonCustomer, untold: true}
	}
	if order := s.cart.Customer.Orders + 1; order < n.From || n.To != 0 && order > n.To {
		return &Refusal{Reason: ReasonOrderNumber, FoundUses: order, NeededUses: n.From, NeededText: n.wanted()}
	}
	return nil
}

// wanted says which orders are.
func (n NthOrder) wanted() string {
	switch n.To {
	case 0:
		return fmt.Sprintf("%d or a later one", n.From)
	case n.From:
		return fmt.Sprint(n.From)
	}
	return fmt.Sprintf("%d to %d", n.From, n.To)
}

func (n NthOrder) clone() Condition { return n }

func (i InSegment) check(path string, c *checking) { checkAny(path, i.Any, c) }

func (i InSegment) refuse(s *situation) *Refusal {
	if overlap(i.Any, s.cart.Customer.Segments) {
		return nil
	}
	return &Refusal{Reason: ReasonSegment, FoundText: strings.Join(s.cart.Customer.Segments, ", "), NeededText: strings.Join(i.Any, ", ")}
}

func (i InSegment) clone() Condition { return InSegment{slices.Clone(i.Any)} }

func (n Country) check(path string, c *checking) { checkAny(path, n.Any, c) }

func (n Country) refuse(s *situation) *Refusal { return oneOf("country", s.cart.Country, n.Any) }

func (n Country) clone() Condition { return Country{slices.Clone(n.Any)} }

func (n Channel) check(path string, c *checking) { checkAny(path, n.Any, c) }

func (n Channel) refuse(s *situation) *Refusal { return oneOf("channel", s.cart.Channel, n.Any) }

func (n Channel) clone() Condition { return Channel{slices.Clone(n.Any)} }

func (n Payment) check(path string, c *checking) { checkAny(path, n.Any, c) }

func (n Payment) refuse(s *situation) *Refusal { return oneOf("payment method", s.cart.Payment, n.Any) }

func (n Payment) clone() Condition { return Payment{slices.Clone(n.Any)} }

func (a Attribute) check(path string, c *checking) {
	c.id(path+".name", a.Name, false)
	checkAny(path, a.Any, c)
}

func (a Attribute) refuse(s *situation) *Refusal {
	return oneOf(a.Name, s.cart.Attributes[a.Name], a.Any)
}

func (a Attribute) clone() Condition { return Attribute{a.Name, slices.Clone(a.Any)} }

func checkAny(path string, any []string, c *checking) {
	if len(any) == 0 {
		c.add(path+".any", "is empty: it could never hold")
	}
	c.names(path+".any", any)
}

// oneOf is nil when a value of the sale is one of those wanted.
func oneOf(what, found string, wanted []string) *Refusal {
	if found != "" && slices.Contains(wanted, found) {
		return nil
	}
	return &Refusal{Reason: ReasonSale, What: what, FoundText: found, NeededText: strings.Join(wanted, ", ")}
}

func (p Predicate) check(path string, c *checking) {
	if registered := c.predicates[predicateName{p.Name, p.Version}]; registered == nil || registered.Holds == nil {
		c.add(path, "predicate %.80q in version %d is not registered: pass it in Options.Predicates", p.Name, p.Version)
	}
	if len(p.Arguments) > 20 {
		c.add(path+".arguments", "has %d entries, at most 20 are allowed", len(p.Arguments))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Arguments)) {
		c.id(path+".arguments", name, false)
		c.id(fmt.Sprintf("%s.arguments[%q]", path, name), p.Arguments[name], true)
	}
}

func (p Predicate) refuse(s *situation) *Refusal {
	registered := s.predicates[predicateName{p.Name, p.Version}]
	attributes := make(map[string]string, len(registered.Attributes))
	for _, name := range registered.Attributes {
		if value, given := s.cart.Attributes[name]; given {
			attributes[name] = value
		}
	}
	if registered.Holds(attributes, p.Arguments) {
		return nil
	}
	return &Refusal{Reason: ReasonPredicate, What: registered.Sentence}
}

func (p Predicate) clone() Condition {
	p.Arguments = maps.Clone(p.Arguments)
	return p
}

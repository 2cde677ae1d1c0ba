package coupon

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Candidate is one offer that is asked for, with the coupon that carries it.
type Candidate struct {
	Version *Version // nil when Refused says why there is none
	Coupon  *Coupon  // nil for an offer without coupon
	Code    string   // as typed, if it was
	Paused  bool
	Refused *Refusal // decided before, as for a mistyped code
}

// Facts is what a decision rests on besides the cart and the candidates.
type Facts struct {
	Order      string
	Exclusions []Exclusion
	Used       map[string]int64 // uses so far by counter, those of this order and lapsed ones not counted
}

// Decide prices a cart: it finds which candidates apply and what exactly comes off
// each line. It is a pure function: the same arguments give the same quote. The
// order of candidates has no effect.
//
// Candidates that can't be combined are taken by priority, then by what each
// would take off alone, then by id; the losers are refused with the winner's name,
// and so are those for which the ones taken before use up a limit. A candidate
// given twice counts once, with a notice.
//
// Those that apply are worked out by priority, then id, each on what the ones
// before left. Of lines with an equal claim to a last coin, the one with the
// shorter id has it, then the smaller, so that the order of lines has no effect
// either. An offer that would take nothing off is refused, and uses nothing up. It
// fails with a [*Faults] when the cart is not valid.
func Decide(cart Cart, candidates []Candidate, facts Facts, at time.Time) (*Quote, error) {
	b, err := cart.open()
	if err != nil {
		return nil, err
	}
	d := &decision{basket: b, facts: &facts, at: at}
	for _, c := range candidates {
		if c.Version == nil && c.Refused == nil {
			c.Refused = &Refusal{Reason: ReasonUnknown}
		}
		d.entries = append(d.entries, &entry{Candidate: c})
	}
	slices.SortStableFunc(d.entries, (*entry).compareTwins)
	d.entries = slices.CompactFunc(d.entries, d.repeats)
	d.order = lineOrder(cart.Lines)
	d.exclusions = make(map[string][]*Exclusion)
	for i := range facts.Exclusions {
		e := &facts.Exclusions[i]
		d.exclusions[e.Seller] = append(d.exclusions[e.Seller], e)
	}
	for _, e := range d.entries {
		e.Refused = d.judge(e)
	}
	d.combine()
	return d.quote(), nil
}

func lineOrder(lines []Line) []int {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	byID := func(a, b int) int {
		return cmp.Or(cmp.Compare(len(lines[a].ID), len(lines[b].ID)), cmp.Compare(lines[a].ID, lines[b].ID))
	}
	if !slices.IsSortedFunc(order, byID) {
		slices.SortFunc(order, byID)
	}
	return order
}

// decision is the work on one cart.
type decision struct {
	*basket
	facts      *Facts
	at         time.Time
	order      []int                   // the lines by id, shorter ids first
	exclusions map[string][]*Exclusion // by seller
	entries    []*entry
	applied    []*entry // those that apply, in the order in which they are worked out
	notices    []string
}

// entry is a candidate under judgement.
type entry struct {
	Candidate
	lines  []int    // indices of the eligible lines
	left   []Reason // per line of the cart why it is left out; "" when eligible
	alone  int64    // what it would take off alone
	claims []ledger.Claim
	amount int64   // what it takes off
	shares []int64 // of amount, by lines
	lost   bool    // refused because of those that apply
	rival  *entry  // the one it can't be combined with
}

func (e *entry) offerID() string {
	if e.Version == nil {
		return ""
	}
	return e.Version.offer.ID
}

func (e *entry) couponID() string {
	switch {
	case e.Coupon != nil:
		return e.Coupon.ID
	case e.Version == nil:
		return e.Refused.Coupon
	}
	return ""
}

func (e *entry) compareID(other *entry) int {
	return cmp.Or(
		cmp.Compare(e.offerID(), other.offerID()),
		cmp.Compare(e.couponID(), other.couponID()),
		cmp.Compare(e.Code, other.Code))
}

func (e *entry) priority() int { return e.Version.offer.Priority }

// compareTwins brings together candidates of the same coupon or offer, the one
// that stays first: the latest version, and one asked for by a code.
func (e *entry) compareTwins(other *entry) int {
	return cmp.Or(
		cmp.Compare(e.offerID(), other.offerID()),
		cmp.Compare(e.couponID(), other.couponID()),
		cmp.Compare(other.version(), e.version()),
		cmp.Compare(min(1, len(other.Code)), min(1, len(e.Code))),
		cmp.Compare(e.Code, other.Code))
}

func (e *entry) version() int {
	if e.Version == nil {
		return 0
	}
	return e.Version.offer.Version
}

// repeats says that an entry is for the same coupon, the same offer without one, or
// the same unknown code as the one kept before it.
func (d *decision) repeats(e, kept *entry) bool {
	if kept.offerID() != e.offerID() || kept.couponID() != e.couponID() || kept.offerID()+kept.couponID() == "" && kept.Code != e.Code {
		return false
	}
	name := e.Code
	if kept.Version != nil {
		name = kept.Version.offer.Name
	}
	notice := fmt.Sprintf("%.100q was given more than once; it counts once", name)
	if !slices.Contains(d.notices, notice) {
		d.notices = append(d.notices, notice)
	}
	return true
}

// judge says why the candidate can't apply to this cart by itself; nil when it can.
func (d *decision) judge(e *entry) *Refusal {
	refused := e.Refused
	if refused == nil {
		refused = d.judgeOffer(e)
	}
	if refused == nil {
		return nil
	}
	own := *refused // the caller's stays as it is
	refused = &own
	refused.Code, refused.Offer = e.Code, cmp.Or(e.offerID(), refused.Offer)
	refused.Coupon = cmp.Or(e.couponID(), refused.Coupon)
	if e.Version != nil {
		refused.Name, refused.At = e.Version.offer.Name, e.Version.local(refused.At)
	}
	refused.Own = e.Coupon != nil && e.Coupon.Holder != "" && e.Coupon.Holder == d.cart.Customer.Key
	return refused
}

func (d *decision) judgeOffer(e *entry) *Refusal {
	offer := &e.Version.offer
	if e.Coupon != nil {
		if refused := e.Coupon.refuse(d.cart.Customer.Key, d.facts.Order, d.at); refused != nil {
			return refused
		}
	}
	if e.Paused {
		return &Refusal{Reason: ReasonPaused}
	}
	if refused := e.Version.refuseTime(e.Coupon, d.at); refused != nil {
		return refused
	}
	if refused := d.judgeLimits(e); refused != nil {
		return refused
	}
	if refused := d.pickLines(e); refused != nil {
		return refused
	}
	var eligible, room int64
	for _, i := range e.lines {
		eligible += d.totals[i]
		room += d.totals[i] - d.floors[i]
	}
	for _, condition := range offer.Conditions {
		if refused := condition.refuse(d.cart, eligible); refused != nil {
			return refused
		}
	}
	alone, ok := offer.Benefit.off(eligible, room, d.cart.Currency, offer.Rounding)
	if !ok {
		return &Refusal{Reason: ReasonCurrency, Currency: d.cart.Currency}
	}
	if alone == 0 {
		return &Refusal{Reason: ReasonNothingOff}
	}
	e.alone = alone
	return nil
}

func (d *decision) judgeLimits(e *entry) *Refusal {
	claims, ok := e.Version.claims(d.cart.Customer.Key, e.Coupon, d.at)
	if !ok {
		return &Refusal{Reason: ReasonCustomer}
	}
	e.claims = claims
	return d.full(claims, nil)
}

// full is the refusal of the first claim that its counter has no room for, with
// what the offers that apply already take from it.
func (d *decision) full(claims []ledger.Claim, taken map[string]int64) *Refusal {
	for _, claim := range claims {
		if used := d.facts.Used[claim.Counter] + taken[claim.Counter]; used > claim.Max-claim.N {
			return limitReached(claim, used)
		}
	}
	return nil
}

// pickLines finds the lines that count for the offer, and refuses it when none do.
func (d *decision) pickLines(e *entry) *Refusal {
	offer := &e.Version.offer
	promoted := slices.Clone(d.cart.Promotions)
	e.left = make([]Reason, len(d.cart.Lines))
	var excluding []string
	for _, i := range d.order {
		line := &d.cart.Lines[i]
		promoted = append(promoted, line.Promotions...)
		switch {
		case !e.Version.covers(line):
			e.left[i] = ReasonNoLines
		case slices.ContainsFunc(d.exclusions[line.Seller], func(x *Exclusion) bool { return x.excludes(line.Product, offer, d.at) }):
			e.left[i] = ReasonSeller
			excluding = append(excluding, line.Seller)
		case offer.ShopPromotions == SkipPromoted && len(line.Promotions)+len(d.cart.Promotions) > 0:
			e.left[i] = ReasonShopPromotion
		default:
			e.lines = append(e.lines, i)
		}
	}
	slices.Sort(promoted)
	slices.Sort(excluding)
	promoted, excluding = slices.Compact(promoted), slices.Compact(excluding)
	switch {
	case offer.ShopPromotions == RefuseCart && len(promoted) > 0:
		return &Refusal{Reason: ReasonShopPromotion, Promotions: promoted}
	case len(e.lines) > 0:
		return nil
	case len(excluding) > 0:
		return &Refusal{Reason: ReasonSeller, Sellers: excluding}
	case slices.Contains(e.left, ReasonShopPromotion):
		return &Refusal{Reason: ReasonShopPromotion, Promotions: promoted}
	}
	return &Refusal{Reason: ReasonNoLines}
}

// combine takes the candidates that can stand beside each other, the strongest
// first, and works out what each takes off. One that is left with nothing to take
// off gives its place to those it kept out: so it begins again without it.
func (d *decision) combine() {
	for {
		d.applied = d.pick()
		empty := d.price(d.applied)
		if empty == nil {
			return
		}
		empty.Refused = d.judgeAs(empty, &Refusal{Reason: ReasonNothingOff})
		for _, e := range d.entries {
			if e.lost {
				e.Refused, e.rival, e.lost = nil, nil, false
			}
		}
	}
}

// judgeAs completes a refusal with whom it concerns.
func (d *decision) judgeAs(e *entry, refused *Refusal) *Refusal {
	e.Refused = refused
	return d.judge(e)
}

func (d *decision) pick() []*entry {
	var order, applied []*entry
	for _, e := range d.entries {
		if e.Refused == nil {
			order = append(order, e)
		}
	}
	slices.SortStableFunc(order, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(b.priority(), a.priority()), cmp.Compare(b.alone, a.alone), a.compareID(b))
	})
	taken := make(map[string]int64)
	for _, e := range order {
		if rival := slices.IndexFunc(applied, e.clashes); rival >= 0 {
			e.lost, e.rival = true, applied[rival]
			e.Refused = d.judgeAs(e, &Refusal{Reason: ReasonCombination, Rival: e.rival.offerID(), RivalName: e.rival.Version.offer.Name})
			continue
		}
		if refused := d.full(e.claims, taken); refused != nil {
			e.lost, e.Refused = true, d.judgeAs(e, refused)
			continue
		}
		for _, claim := range e.claims {
			taken[claim.Counter] += claim.N
		}
		applied = append(applied, e)
	}
	slices.SortStableFunc(applied, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(b.priority(), a.priority()), a.compareID(b))
	})
	return applied
}

// clashes says that one of the two does not consent to the other.
func (e *entry) clashes(other *entry) bool {
	return !e.Version.offer.consents(&other.Version.offer) || !other.Version.offer.consents(&e.Version.offer)
}

// price works out the amounts of the offers that apply, each on what those before
// it left, and gives the first that would take nothing off.
func (d *decision) price(applied []*entry) (empty *entry) {
	running := slices.Clone(d.totals)
	var weights, room []int64
	for _, e := range applied {
		weights, room = weights[:0], room[:0]
		var base, space int64
		for _, i := range e.lines {
			weights = append(weights, running[i])
			room = append(room, running[i]-d.floors[i])
			base += running[i]
			space += running[i] - d.floors[i]
		}
		e.amount, _ = e.Version.offer.Benefit.off(base, space, d.cart.Currency, e.Version.offer.Rounding)
		if e.amount == 0 {
			return e
		}
		shares, err := ledger.Split(e.shares, e.amount, weights, room)
		if err != nil { // the amount is bounded by the room, and room needs weight
			return e
		}
		e.shares = shares
		for k, i := range e.lines {
			running[i] -= shares[k]
		}
	}
	return nil
}

// quote puts the outcome together.
func (d *decision) quote() *Quote {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, d.cart.Currency) }
	q := &Quote{
		Cart: *d.cart, Order: d.facts.Order, At: d.at, Notices: d.notices,
		Lines:    make([]QuoteLine, len(d.cart.Lines)),
		Subtotal: money(d.subtotal), Shipping: money(d.shipping),
	}
	for i := range d.cart.Lines {
		line := &d.cart.Lines[i]
		q.Lines[i] = QuoteLine{ID: line.ID, Quantity: line.Quantity, Price: money(d.totals[i]), Total: money(d.totals[i])}
	}
	d.allotOffs(q.Lines)
	var discount int64
	for _, e := range d.applied {
		index := len(q.Applied)
		offer := &e.Version.offer
		q.Applied = append(q.Applied, Applied{offer.ID, offer.Version, offer.Name, e.couponID(), money(e.amount)})
		q.candidates = append(q.candidates, e.Candidate)
		discount += e.amount
		for k, i := range e.lines {
			if e.shares[k] > 0 {
				q.Lines[i].Off = append(q.Lines[i].Off, Off{index, money(e.shares[k])})
				q.Lines[i].Total = money(q.Lines[i].Total.Minor() - e.shares[k])
			}
		}
		for i, reason := range e.left {
			if reason != "" {
				q.Lines[i].LeftOut = append(q.Lines[i].LeftOut, LeftOut{offer.ID, offer.Name, reason})
			}
		}
	}
	for _, e := range d.entries {
		if e.rival != nil {
			e.Refused.RivalOff = money(e.rival.amount)
		}
		if e.Refused != nil {
			q.Refused = append(q.Refused, e.Refused)
		}
	}
	q.Discount = money(discount)
	q.Total = money(d.subtotal - discount + d.shipping)
	return q
}

// allotOffs gives each line room for what comes off it, in one piece of memory.
func (d *decision) allotOffs(lines []QuoteLine) {
	counts, sum := make([]int, len(lines)), 0
	for _, e := range d.applied {
		for k, i := range e.lines {
			if e.shares[k] > 0 {
				counts[i]++
				sum++
			}
		}
	}
	room := make([]Off, sum)
	for i, n := range counts {
		if n > 0 {
			lines[i].Off, room = room[:0:n], room[n:]
		}
	}
}

package coupon

import (
	"cmp"
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// judge says why the candidate can't apply to this cart by itself; nil when it can.
func (d *decision) judge(e *entry) *Refusal {
	if e.Refused != nil {
		own := *e.Refused // the caller's stays as it is
		return d.concern(e, &own)
	}
	refused := d.judgeOffer(e)
	if refused == nil || refused == &d.tooLittle {
		return refused
	}
	return d.concern(e, refused)
}

// concern completes a refusal with whom it concerns.
func (d *decision) concern(e *entry, refused *Refusal) *Refusal {
	c := Candidate{Version: e.Version, Coupon: e.Coupon, Code: e.Code}
	return c.concern(refused, d.cart.Customer.Key)
}

// concern completes a refusal with whom it concerns, for a customer.
func (c *Candidate) concern(refused *Refusal, customer string) *Refusal {
	refused.Code = c.Code
	if c.Coupon != nil {
		refused.Coupon = cmp.Or(c.Coupon.ID, refused.Coupon)
		refused.Own = c.Coupon.Holder != "" && c.Coupon.Holder == customer
	}
	if c.Version != nil {
		offer := &c.Version.offer
		refused.Offer, refused.Name, refused.At = cmp.Or(offer.ID, refused.Offer), offer.Name, c.Version.local(refused.At)
	}
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
	if !offer.in(d.cart.Currency) {
		return &Refusal{Reason: ReasonCurrency, Currency: d.cart.Currency}
	}
	if e.Version.minimum != nil {
		if refused := d.judgeMinimum(e); refused != nil {
			return refused
		}
	} else if refused := d.judgeConditions(e, false); refused != nil {
		return refused
	}
	if d.free {
		return nil
	}
	failed, refused := d.price([]*entry{e})
	switch {
	case failed == nil:
		e.alone = e.amount
	case refused.Reason != ReasonNothingOff || d.most(e) == 0: // others before it may leave it other units
		return refused
	}
	return nil
}

// judgeMinimum judges a minimum spend that is the offer's only condition.
func (d *decision) judgeMinimum(e *entry) *Refusal {
	needed, ok := e.Version.minimum.In(d.cart.Currency)
	if !ok {
		return d.judgeConditions(e, false)
	}
	e.found = 0
	for _, i := range e.lines {
		e.found += d.totals[i]
	}
	if e.found < needed.Minor() {
		return &d.tooLittle
	}
	return nil
}

// judgeConditions judges the offer's conditions, before any offer or with those
// worked out so far.
func (d *decision) judgeConditions(e *entry, worked bool) *Refusal {
	if len(e.Version.offer.Conditions) == 0 {
		return nil
	}
	s := &d.situation
	s.lines, s.predicates, s.hashed = e.lines, e.Version.predicates, e.Version.hashed
	s.eligible, s.units, s.worked = 0, 0, worked
	for _, i := range e.lines {
		s.eligible += d.totals[i]
		s.units += d.cart.Lines[i].Quantity
	}
	s.running = s.eligible
	if worked {
		s.running = d.pricing.cost(d.pricing.eligible(e), false)
	}
	return All(e.Version.offer.Conditions).refuse(s)
}

func (d *decision) judgeLimits(e *entry) *Refusal {
	if len(e.Version.offer.Limits) == 0 {
		return nil
	}
	claims, refused := e.Version.claims(d.cart, e.Coupon, d.at)
	if refused != nil {
		return refused
	}
	e.claims = claims
	return d.full(e.counted(), nil)
}

// counted are the claims that what others take stands in the way of: none when staff
// have let this use through.
func (e *entry) counted() []limitClaim {
	if e.override != nil {
		return nil
	}
	return e.claims
}

// takings are what the offers that apply take from limits of uses: how much of each
// counter, and the least that one of them allows.
type takings map[string]ledger.Claim

func (t takings) add(claims []limitClaim) {
	for _, claim := range claims {
		if before, known := t[claim.Counter]; known {
			claim.N, claim.Max = claim.N+before.N, min(claim.Max, before.Max)
		}
		t[claim.Counter] = claim.Claim
	}
}

// full is the refusal of the first claim that its counter has no room for, with
// what the offers that apply already take from it.
func (d *decision) full(claims []limitClaim, taken takings) *Refusal {
	for _, claim := range claims {
		used, least := d.facts.Used[claim.Counter], max(claim.N, 1) // of money, something must be left
		if before, known := taken[claim.Counter]; known && claim.N > 0 {
			used, claim.Max = used+before.N, min(claim.Max, before.Max)
		}
		if used > claim.Max-least {
			d.limited = true
			return limitReached(claim.Claim, used)
		}
	}
	return nil
}

// pickLines finds the lines that count for the offer, and refuses it when none do.
func (d *decision) pickLines(e *entry) *Refusal {
	offer := &e.Version.offer
	if e.Version.stage == shippingStage {
		e.deliveries = d.pickDeliveries(offer)
	}
	if e.lines == nil {
		e.lines = d.narrow(e)
	}
	if e.Version.single && e.anchor != nil && d.plain && len(e.lines) > 0 {
		return nil
	}
	if !e.Version.single || e.anchor == nil || d.excluding != nil || offer.ShopPromotions == SkipPromoted && len(d.promoted) > 0 {
		begin := len(d.picked)
		for _, i := range e.lines {
			d.pickLine(e, i)
		}
		e.lines = slices.Clip(d.picked[begin:])
	}
	switch {
	case offer.ShopPromotions == RefuseCart && len(d.promoted) > 0:
		return &Refusal{Reason: ReasonShopPromotion, Promotions: distinct(d.promoted)}
	case len(e.lines) > 0:
		return nil
	}
	var excluding []string
	for _, l := range e.left {
		if l.reason == ReasonSeller {
			excluding = append(excluding, d.cart.Lines[l.line].Seller)
		}
	}
	switch {
	case len(excluding) > 0:
		return &Refusal{Reason: ReasonSeller, Sellers: distinct(excluding)}
	case len(e.left) > 0:
		return &Refusal{Reason: ReasonShopPromotion, Promotions: distinct(d.promoted)}
	}
	return &Refusal{Reason: ReasonNoLines}
}

// narrow gives the lines that may count for an entry, by one list of its scope.
func (d *decision) narrow(e *entry) []int {
	if e.anchor == nil {
		return d.byID
	}
	if len(e.anchor.numbers) == 1 {
		if slot := d.lines.slots[e.anchor.numbers[0]]; slot > 0 {
			return d.lines.of(slot - 1)
		}
		return nil
	}
	slots := d.lines.named(e.Version, e.anchor.list, e.anchor.numbers, d.names)
	switch len(slots) {
	case 0:
		return nil
	case 1:
		return d.lines.of(slots[0])
	}
	begin := len(d.picked)
	d.picked = d.lines.union(d.picked, slots)
	return slices.Clip(d.picked[begin:])
}

func (d *decision) pickLine(e *entry, i int) {
	line, offer := &d.cart.Lines[i], &e.Version.offer
	switch {
	case !e.Version.covers(line):
	case d.excluding.excludes(line.Seller, line.Product, offer):
		e.left = append(e.left, passedOver{i, ReasonSeller})
	case offer.ShopPromotions == SkipPromoted && len(line.Promotions)+len(d.cart.Promotions) > 0:
		e.left = append(e.left, passedOver{i, ReasonShopPromotion})
	default:
		d.picked = append(d.picked, i)
	}
}

// promotedBy are the shop's own promotions that apply to anything in the cart.
func (c *Cart) promotedBy() []string {
	all := slices.Clip(c.Promotions)
	for i := range c.Lines {
		if promotions := c.Lines[i].Promotions; len(promotions) > 0 {
			all = append(all, promotions...)
		}
	}
	return all
}

func distinct(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// pickDeliveries finds the deliveries that count for the offer: all but those of a
// seller that keeps all its products out of it.
func (d *decision) pickDeliveries(offer *Offer) []int {
	shipping := d.cart.Shipping
	var counted []int
	for i := range shipping {
		const noProduct = ""
		if !d.excluding.excludes(shipping[i].Seller, noProduct, offer) {
			counted = append(counted, i)
		}
	}
	sortDeliveries(counted, shipping)
	return counted
}

// sortDeliveries brings deliveries in the order of their ids.
func sortDeliveries(all []int, shipping []Shipping) {
	slices.SortFunc(all, func(a, b int) int { return compareIDs(shipping[a].ID, shipping[b].ID) })
}

// refusals are made a few at a time.
type refusals struct {
	made []Refusal
	next int
}

func (r *refusals) new(reason Reason) *Refusal {
	if r.next == len(r.made) {
		r.made, r.next = make([]Refusal, max(2, min(16, 2*len(r.made)))), 0
	}
	r.next++
	refused := &r.made[r.next-1]
	refused.Reason = reason
	return refused
}

// tooLittle is the refusal of a minimum spend; nil when it is reached.
func (r *refusals) tooLittle(found, needed int64, c ledger.Currency) *Refusal {
	if found >= needed {
		return nil
	}
	refused := r.new(ReasonMinimumSpend)
	refused.Found, refused.Needed, refused.Missing = ledger.Minor(found, c), ledger.Minor(needed, c), ledger.Minor(needed-found, c)
	return refused
}

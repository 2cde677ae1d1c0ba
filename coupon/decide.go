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

	counted []int // of a quote: the lines that count
	quoted  int64 // when judged again: what a quote took off, which a limit of money may have clipped
}

// Facts is what a decision rests on besides the cart and the candidates.
type Facts struct {
	Order      string
	Exclusions []Exclusion
	Used       map[string]int64 // uses and money so far by counter, those of this order and lapsed ones not counted
	Best       bool             // search the set that takes most off
}

// Decide prices a cart: it finds which candidates apply and what exactly comes off
// each line. It is a pure function: the same arguments give the same quote. The
// order of candidates has no effect.
//
// Candidates that can't be combined are taken by priority, those with a coupon
// before automatic ones, then by what each would take off alone, then by id; the
// losers are refused with the winner's name, and so are those for which the ones
// taken before use up a limit. With Facts.Best the set that takes most off is
// searched instead ([Quote.Optimal]). A candidate given twice counts once, with a
// notice.
//
// Those that apply are worked out by stage (lines, order, shipping, gifts), then
// priority, then id, each on what the ones before left. Of lines with an equal claim
// to a last coin, the one with the shorter id has it, then the smaller, so that the
// order of lines has no effect either. An offer that would take nothing off is
// refused, and uses nothing up. It fails with a [*Faults] when the cart is not
// valid.
func Decide(cart Cart, candidates []Candidate, facts Facts, at time.Time) (*Quote, error) {
	b, err := cart.open()
	if err != nil {
		return nil, err
	}
	d := &decision{basket: b, facts: &facts, at: at, pricing: b.pricing()}
	entries := make([]entry, len(candidates))
	d.entries = make([]*entry, len(candidates))
	for i, c := range candidates {
		if c.Version != nil && c.Version.zone == nil {
			c.Version = nil // NewVersion did not make it
		}
		if c.Version == nil && c.Refused == nil {
			c.Refused = &Refusal{Reason: ReasonUnknown}
		}
		entries[i].Candidate = c
		d.entries[i] = &entries[i]
	}
	slices.SortStableFunc(d.entries, (*entry).compareTwins)
	d.entries = slices.CompactFunc(d.entries, d.repeats)
	if len(facts.Exclusions) > 0 {
		d.exclusions = make(map[string][]*Exclusion)
	}
	for i := range facts.Exclusions {
		e := &facts.Exclusions[i]
		d.exclusions[e.Seller] = append(d.exclusions[e.Seller], e)
	}
	d.promoted = cart.promotedBy()
	d.free = !facts.Best && !slices.ContainsFunc(d.entries, (*entry).bound)
	if indexPays(len(candidates), len(cart.Lines)) {
		d.index = newLineIndex(d.pricing)
	}
	for _, e := range d.entries {
		e.Refused = d.judge(e)
	}
	if facts.Best {
		d.search()
	} else {
		d.combine()
	}
	return d.quote(), nil
}

// decision is the work on one cart.
type decision struct {
	*basket
	facts      *Facts
	at         time.Time
	exclusions map[string][]*Exclusion // by seller
	entries    []*entry
	applied    []*entry // those that apply, in the order in which they are worked out
	pricing    *pricing
	picked     []int      // the eligible lines of all entries, in one piece of memory
	promoted   []string   // the shop's own promotions
	index      *lineIndex // nil: every line is looked at
	places     []int32    // scratch
	free       bool       // every candidate combines with any, and none is limited: what one takes off alone is of no matter
	optimal    bool
	limited    bool // a limit had a say
	notices    []string
}

// entry is a candidate under judgement.
type entry struct {
	Candidate
	lines      []int        // indices of the eligible lines, in the order of their ids
	left       []passedOver // lines that the scope counts and that are left out all the same
	deliveries []int        // indices of the deliveries that count, by id
	claims     []limitClaim
	alone      int64  // what it would take off alone
	amount     int64  // what it takes off
	lost       bool   // refused because of those that apply
	rival      *entry // the one it can't be combined with
}

// passedOver is a line that an offer would count if its seller, or a promotion, did not
// keep it out.
type passedOver struct {
	line   int
	reason Reason
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
	if c := cmp.Compare(e.offerID(), other.offerID()); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(e.couponID(), other.couponID()),
		cmp.Compare(e.Code, other.Code))
}

func (e *entry) offer() *Offer { return &e.Version.offer }

func (e *entry) priority() int { return e.Version.offer.Priority }

// compareTwins brings together candidates of the same coupon or offer, the one
// that stays first: the latest version, and one asked for by a code.
func (e *entry) compareTwins(other *entry) int {
	if c := cmp.Compare(e.offerID(), other.offerID()); c != 0 {
		return c
	}
	return cmp.Or(
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
	if !offer.Benefit.in(d.cart.Currency) {
		return &Refusal{Reason: ReasonCurrency, Currency: d.cart.Currency}
	}
	if refused := d.judgeConditions(e, false); refused != nil {
		return refused
	}
	if d.free {
		return nil
	}
	if failed, refused := d.price([]*entry{e}); failed != nil {
		return refused
	}
	e.alone = e.amount
	return nil
}

// bound says that whether the entry applies may depend on others.
func (e *entry) bound() bool {
	if e.Version == nil {
		return false
	}
	o := e.offer()
	return !o.Combine.Freely || o.Group.Name != "" || len(o.Limits) > 0
}

// judgeConditions judges the offer's conditions, before any offer or with those
// worked out so far.
func (d *decision) judgeConditions(e *entry, worked bool) *Refusal {
	if len(e.Version.offer.Conditions) == 0 {
		return nil
	}
	s := situation{cart: d.cart, lines: e.lines, pricing: d.pricing, worked: worked, predicates: e.Version.predicates}
	for _, i := range e.lines {
		s.eligible += d.totals[i]
		s.units += d.cart.Lines[i].Quantity
	}
	s.running = s.eligible
	if worked {
		s.running = d.pricing.cost(d.pricing.eligible(e), false)
	}
	return All(e.Version.offer.Conditions).refuse(&s)
}

func (d *decision) judgeLimits(e *entry) *Refusal {
	claims, refused := e.Version.claims(d.cart, e.Coupon, d.at)
	if refused != nil {
		return refused
	}
	e.claims = claims
	return d.full(claims, nil)
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
	e.deliveries = d.pickDeliveries(offer)
	begin := len(d.picked)
	if places, ok := d.narrow(e.Version); ok {
		for _, place := range places {
			d.pickLine(e, d.pricing.byID(int(place)))
		}
	} else {
		for place := range d.cart.Lines {
			d.pickLine(e, d.pricing.byID(place))
		}
	}
	promoted := d.promoted
	e.lines = slices.Clip(d.picked[begin:])
	switch {
	case offer.ShopPromotions == RefuseCart && len(promoted) > 0:
		return &Refusal{Reason: ReasonShopPromotion, Promotions: distinct(promoted)}
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
		return &Refusal{Reason: ReasonShopPromotion, Promotions: distinct(promoted)}
	}
	return &Refusal{Reason: ReasonNoLines}
}

// narrow gives the places of lines that may count for an offer, where an index says
// so.
func (d *decision) narrow(v *Version) ([]int32, bool) {
	if d.index == nil {
		return nil, false
	}
	return d.index.narrowest(v, d.places)
}

func (d *decision) pickLine(e *entry, i int) {
	line, offer := &d.cart.Lines[i], &e.Version.offer
	switch {
	case !e.Version.covers(line):
	case d.excluded(line.Seller, line.Product, offer):
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
		all = append(all, c.Lines[i].Promotions...)
	}
	return all
}

// excluded says that a seller keeps a product out of the offer.
func (d *decision) excluded(seller, product string, offer *Offer) bool {
	return d.exclusions != nil && slices.ContainsFunc(d.exclusions[seller], func(x *Exclusion) bool { return x.excludes(product, offer, d.at) })
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
		const anyProduct = ""
		if !d.excluded(shipping[i].Seller, anyProduct, offer) {
			counted = append(counted, i)
		}
	}
	slices.SortFunc(counted, func(a, b int) int { return compareIDs(shipping[a].ID, shipping[b].ID) })
	return counted
}

// group leaves one offer of each group: the best, or the first. Searching for the
// best set finds out itself which is the best of a group.
func (d *decision) group(searching bool) {
	winners := make(map[string]*entry)
	grouped := func(e *entry) bool {
		group := &e.offer().Group
		return group.Name != "" && (group.First || !searching)
	}
	for _, e := range d.open() {
		if won := winners[e.offer().Group.Name]; grouped(e) && (won == nil || e.leads(won)) {
			winners[e.offer().Group.Name] = e
		}
	}
	for _, e := range d.open() {
		if won := winners[e.offer().Group.Name]; grouped(e) && won != e {
			e.lost, e.Refused = true, d.judgeAs(e, e.beaten(won, ReasonGroup))
		}
	}
}

// leads says that of its group it counts rather than the other.
func (e *entry) leads(other *entry) bool {
	if e.offer().Group.First {
		return cmp.Or(cmp.Compare(other.offer().Priority, e.offer().Priority), e.compareID(other)) < 0
	}
	return cmp.Or(cmp.Compare(other.alone, e.alone), e.compareID(other)) < 0
}

// open are the entries that are not refused.
func (d *decision) open() []*entry {
	var open []*entry
	for _, e := range d.entries {
		if e.Refused == nil {
			open = append(open, e)
		}
	}
	return open
}

// combine takes the candidates that can stand beside each other, the strongest
// first, and works out what each takes off. One that is refused with those before
// it gives its place to those it kept out: so it begins again without it.
func (d *decision) combine() {
	if d.free {
		d.combineFree()
		return
	}
	d.group(false)
	d.applied = d.pick()
	for {
		failed, refused := d.price(d.applied)
		if failed == nil {
			return
		}
		failed.Refused = d.judgeAs(failed, refused)
		if !d.restoreLost() {
			d.applied = slices.DeleteFunc(d.applied, func(e *entry) bool { return e == failed })
			continue
		}
		d.group(false)
		d.applied = d.pick()
	}
}

// restoreLost takes back what entries lost, and says whether any did.
func (d *decision) restoreLost() (any bool) {
	for _, e := range d.entries {
		if e.lost {
			e.restore()
			any = true
		}
	}
	return any
}

// combineFree applies all that take something off. One that does not may have cut
// lines into parts in vain: then the others are worked out anew, without it.
func (d *decision) combineFree() {
	open := d.open()
	slices.SortStableFunc(open, (*entry).compareWork)
	d.pricing.reset()
	for _, e := range open {
		if refused := d.work(e, len(d.applied), nil); refused != nil {
			e.Refused = d.judgeAs(e, refused)
			continue
		}
		d.applied = append(d.applied, e)
	}
	if len(d.applied) < len(open) && len(d.pricing.parts) > len(d.totals) {
		d.priceLeft()
	}
}

// priceLeft works out those that apply, and drops one that does not until all do.
func (d *decision) priceLeft() {
	for {
		failed, refused := d.price(d.applied)
		if failed == nil {
			return
		}
		failed.Refused = d.judgeAs(failed, refused)
		d.applied = slices.DeleteFunc(d.applied, func(e *entry) bool { return e == failed })
	}
}

// restore takes back that an entry lost.
func (e *entry) restore() { e.Refused, e.rival, e.lost = nil, nil, false }

// judgeAs completes a refusal with whom it concerns.
func (d *decision) judgeAs(e *entry, refused *Refusal) *Refusal {
	e.Refused = refused
	return d.judge(e)
}

// ranked are the entries not refused, the strongest first.
func (d *decision) ranked() []*entry {
	order := d.open()
	slices.SortStableFunc(order, func(a, b *entry) int {
		return cmp.Or(
			cmp.Compare(b.priority(), a.priority()),
			cmp.Compare(a.automatic(), b.automatic()),
			cmp.Compare(b.alone, a.alone),
			a.compareID(b))
	})
	return order
}

func (e *entry) automatic() int {
	if e.Coupon == nil && e.Version.offer.Automatic {
		return 1
	}
	return 0
}

func (d *decision) pick() []*entry {
	var applied []*entry
	taken := make(takings)
	for _, e := range d.ranked() {
		if refused := d.lose(e, applied, taken); refused != nil {
			e.lost, e.Refused = true, d.judgeAs(e, refused)
			continue
		}
		applied = append(applied, e)
	}
	slices.SortStableFunc(applied, (*entry).compareWork)
	return applied
}

// lose says why an entry can't stand beside those applied; otherwise it counts what
// it takes from limits of uses.
func (d *decision) lose(e *entry, applied []*entry, taken takings) *Refusal {
	if rival := slices.IndexFunc(applied, e.clashes); rival >= 0 {
		return e.beaten(applied[rival], ReasonCombination)
	}
	if rival := slices.IndexFunc(applied, e.groupedWith); rival >= 0 {
		return e.beaten(applied[rival], ReasonGroup)
	}
	if refused := d.full(e.claims, taken); refused != nil {
		return refused
	}
	taken.add(e.claims)
	return nil
}

// compareWork is the order in which entries are worked out.
func (e *entry) compareWork(other *entry) int {
	return cmp.Or(
		cmp.Compare(e.Version.offer.Benefit.stage(), other.Version.offer.Benefit.stage()),
		cmp.Compare(other.priority(), e.priority()),
		e.compareID(other))
}

// clashes says that one of the two does not consent to the other.
func (e *entry) clashes(other *entry) bool {
	return !e.Version.offer.consents(&other.Version.offer) || !other.Version.offer.consents(&e.Version.offer)
}

// groupedWith says that of the two only one counts.
func (e *entry) groupedWith(other *entry) bool {
	return e.offer().Group.Name != "" && e.offer().Group.Name == other.offer().Group.Name
}

// beaten is the refusal of an entry because of a rival.
func (e *entry) beaten(rival *entry, reason Reason) *Refusal {
	e.rival = rival
	return &Refusal{Reason: reason, Rival: rival.offerID(), RivalName: rival.offer().Name}
}

// price works out the amounts of a set of offers, each on what those before it
// left. It gives the first that does not apply with those before it, and why.
func (d *decision) price(set []*entry) (failed *entry, refused *Refusal) {
	d.pricing.reset()
	var taken map[string]int64
	if slices.ContainsFunc(set, func(e *entry) bool { return len(e.claims) > 0 }) {
		taken = make(map[string]int64)
	}
	for i, e := range set {
		if refused := d.work(e, i, taken); refused != nil {
			return e, refused
		}
	}
	return nil, nil
}

// work works out one offer on what those before it left, as the one of an index
// among those applied. What it takes from limits of money is added to taken.
func (d *decision) work(e *entry, index int, taken map[string]int64) *Refusal {
	p := d.pricing
	p.applied, p.short = index, nil
	if index > 0 && e.Version.after {
		if refused := d.judgeConditions(e, true); refused != nil {
			return refused
		}
	}
	e.amount = e.Version.offer.Benefit.apply(p, e)
	for _, claim := range e.claims {
		if claim.limit.Uses > 0 {
			continue
		}
		used := d.facts.Used[claim.Counter] + taken[claim.Counter]
		if refused := d.spend(claim, e, used); refused != nil {
			return refused
		}
	}
	for _, claim := range e.claims {
		if claim.limit.Uses == 0 {
			taken[claim.Counter] += e.amount
		}
	}
	switch {
	case e.amount > 0 || e.Version.offer.Benefit.stage() == giftStage:
		return nil
	case p.short != nil:
		return p.short
	}
	return &Refusal{Reason: ReasonNothingOff}
}

// spend holds an entry's amount against a limit of money: it may be refused, or
// lowered to what is left. What was quoted is not clipped anew, but claimed as it
// is: whether it is still there, the counter decides.
func (d *decision) spend(c limitClaim, e *entry, used int64) *Refusal {
	left := c.Max - used
	if c.limit.When == ClipSpent && e.quoted > 0 {
		left = min(left, e.quoted)
	}
	switch {
	case left <= 0, c.limit.When == RefuseSpent && e.amount > left:
		d.limited = true
		refused := limitReached(c.Claim, used)
		refused.Found, refused.Needed = ledger.Minor(max(left, 0), d.cart.Currency), ledger.Minor(e.amount, d.cart.Currency)
		return refused
	case c.limit.When == ClipSpent && e.amount > left:
		d.limited = true
		d.pricing.clip(left)
		e.amount = left
	}
	return nil
}

// off is what the entry takes off: alone, when it is not among those applied.
func (e *entry) off(applied []*entry) int64 {
	if slices.Contains(applied, e) {
		return e.amount
	}
	return e.alone
}

// quote puts the outcome together.
func (d *decision) quote() *Quote {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, d.cart.Currency) }
	q := &Quote{
		Cart: *d.cart, Order: d.facts.Order, At: d.at, Notices: d.notices, Optimal: d.optimal, limited: d.limited,
		Lines:    make([]QuoteLine, len(d.cart.Lines)),
		Subtotal: money(d.subtotal), Shipping: money(d.shipping),
	}
	for i := range d.cart.Lines {
		line := &d.cart.Lines[i]
		q.Lines[i] = QuoteLine{ID: line.ID, Quantity: line.Quantity, Price: money(d.totals[i])}
	}
	d.pricing.write(q)
	var discount int64
	for _, e := range d.applied {
		offer := &e.Version.offer
		q.Applied = append(q.Applied, Applied{offer.ID, offer.Version, offer.Name, e.couponID(), money(e.amount)})
		e.quoted, e.counted = e.amount, e.lines
		q.candidates = append(q.candidates, e.Candidate)
		discount += e.amount
		for _, l := range e.left {
			q.Lines[l.line].LeftOut = append(q.Lines[l.line].LeftOut, LeftOut{offer.ID, offer.Name, l.reason})
		}
	}
	for _, e := range d.entries {
		if e.Refused == nil {
			continue
		}
		if e.alone > 0 {
			e.Refused.Off = money(e.alone)
		}
		if e.rival != nil {
			e.Refused.RivalOff = money(e.rival.off(d.applied))
		}
		q.Refused = append(q.Refused, e.Refused)
	}
	q.Discount = money(discount)
	q.Total = money(d.subtotal - discount + d.shipping)
	return q
}

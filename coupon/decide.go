package coupon

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
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

	override *overrideUse // that it goes beyond a limit by
	quoted   *Refusal     // when judged again: the limit of money that clipped what a quote took off
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
// valid, and when hundreds of offers that count some units of a line each cut it into
// more parts than can be worked with, or hundreds of bundles fit its lines in too many
// ways.
func Decide(cart Cart, candidates []Candidate, facts Facts, at time.Time) (*Quote, error) {
	d := newDecision()
	defer d.release()
	d.reserve(len(candidates))
	d.add(candidates)
	d.sort()
	d.number()
	if err := d.begin(&d.own, cart, facts, at); err != nil {
		return nil, err
	}
	return d.decide()
}

// decisions keeps the memory of decisions, and nothing that one says to another.
var decisions = sync.Pool{New: func() any { return new(decision) }}

// decision is the work on one cart.
type decision struct {
	*basket   // that of the pricing
	pricing   pricing
	quote     *Quote
	room      room // for its outcome
	facts     Facts
	at        time.Time
	excluding *excluding // what sellers keep out; nil: nothing
	entries   []*entry   // by offer, coupon, code
	applied   []*entry   // those that apply, in the order in which they are worked out
	promoted  []string   // the shop's own promotions
	picked    []int      // the eligible lines of entries
	plain     bool       // no seller excludes anything, and no promotion of the shop's applies
	free      bool       // every candidate combines with any, and none is limited: what one takes off alone is of no matter
	optimal   bool
	limited   bool // a limit had a say
	rounds    int  // of combining, so far
	notices   []string

	own       names // those of the candidates' scopes
	anchors   []anchor
	numbers   []int32
	hits      []int32 // candidates of a catalogue
	seen      []bool  // by candidate
	turns     []int64
	open      []*entry
	quoted    []Candidate // of a quote that is judged again
	memory    []entry
	refusals  refusals
	situation situation
	tooLittle Refusal // stands for that of entries whose lines cost too little
}

// entry is a candidate under judgement.
type entry struct {
	*Candidate
	Version    *Version // nil: Refused says why there is none
	Refused    *Refusal
	anchor     *anchor      // by which its lines are found; nil: every line is looked at
	lines      []int        // indices of the eligible lines, in the order of their ids; before it is judged, those of the anchor
	left       []passedOver // lines that the scope counts and that are left out all the same
	deliveries []int        // indices of the deliveries that count, by id
	claims     []limitClaim
	found      int64  // what its lines cost, where that is too little
	alone      int64  // what it would take off alone
	amount     int64  // what it takes off
	lost       bool   // refused because of those that apply
	clipped    int32  // which of the claims clipped what it takes off, counted from 1; 0: none
	rival      *entry // the one it can't be combined with
}

// passedOver is a line that an offer would count if its seller, or a promotion, did not
// keep it out.
type passedOver struct {
	line   int
	reason Reason
}

func newDecision() *decision {
	d := decisions.Get().(*decision)
	d.basket = &d.pricing.basket
	return d
}

// release gives the memory back. What it still refers to goes when it is used again,
// or with it: a pool keeps nothing for long.
func (d *decision) release() {
	d.lines.empty()
	d.quote, d.room, d.cart, d.names, d.facts, d.excluding = nil, room{}, nil, nil, Facts{}, nil
	d.promoted, d.notices, d.refusals = nil, nil, refusals{}
	d.entries, d.applied, d.memory = d.entries[:0], d.applied[:0], d.memory[:0]
	d.picked, d.numbers, d.anchors, d.quoted = d.picked[:0], d.numbers[:0], d.anchors[:0], d.quoted[:0]
	d.free, d.optimal, d.limited, d.rounds = false, false, false, 0
	decisions.Put(d)
}

// begin opens the cart, and says what the decision on it rests on.
func (d *decision) begin(names *names, cart Cart, facts Facts, at time.Time) error {
	if err := d.openCart(names, d.keep(&cart), at); err != nil {
		return err
	}
	d.rest(facts)
	return nil
}

// keep makes the quote, and gives the cart as it stands there.
func (d *decision) keep(cart *Cart) *Cart {
	d.quote, d.room = newQuote(len(cart.Lines))
	d.quote.Cart = *cart
	return &d.quote.Cart
}

// openCart opens a cart, by the names that offers ask for, and forgets the one before.
func (d *decision) openCart(names *names, cart *Cart, at time.Time) error {
	d.lines.empty()
	d.at, d.names = at, names
	return cart.open(d.basket)
}

// rest says what the decision on the cart that is open rests on.
func (d *decision) rest(facts Facts) {
	d.facts = facts
	d.pricing.begin()
	d.situation = situation{cart: d.cart, pricing: &d.pricing, refusals: &d.refusals}
	d.excluding = newExcluding(facts.Exclusions, d.cart, d.at)
	d.promoted = d.cart.promotedBy()
	d.plain = d.excluding == nil && len(d.promoted) == 0
}

// reserve makes room for entries, once: they are referred to.
func (d *decision) reserve(n int) { d.memory = slices.Grow(d.memory, n) }

// entry makes one of a candidate, within the room reserved.
func (d *decision) entry(c *Candidate) *entry {
	d.memory = append(d.memory, entry{Candidate: c})
	e := &d.memory[len(d.memory)-1]
	if c != nil {
		e.Version, e.Refused = c.Version, c.Refused
	}
	return e
}

// add makes entries of candidates. A quote refers to them and their coupons: so it has its
// own.
func (d *decision) add(candidates []Candidate) {
	candidates = slices.Clone(candidates)
	for i := range candidates {
		if c := candidates[i].Coupon; c != nil {
			own := *c
			candidates[i].Coupon = &own
		}
	}
	d.enter(candidates)
}

// enter makes entries of candidates that stay as they are.
func (d *decision) enter(candidates []Candidate) {
	for i := range candidates {
		e := d.entry(&candidates[i])
		if e.Version != nil && e.Version.zone == nil {
			e.Version = nil // NewVersion did not make it
		}
		if e.Version == nil && e.Refused == nil {
			e.Refused = &Refusal{Reason: ReasonUnknown}
		}
		d.entries = append(d.entries, e)
	}
}

// sort brings the entries in order, and lets each count once.
func (d *decision) sort() {
	for i := 1; i < len(d.entries); i++ {
		if before, e := d.entries[i-1], d.entries[i]; before.compareTwins(e) > 0 || e.twin(before) {
			slices.SortStableFunc(d.entries, (*entry).compareTwins)
			d.entries = slices.CompactFunc(d.entries, d.repeats)
			return
		}
	}
}

// number gives numbers to the names that the entries' scopes ask for.
func (d *decision) number() {
	n := 0
	for _, e := range d.entries {
		if e.Version != nil && e.Version.anchored {
			n += len(e.Version.in[e.Version.anchor].few)
		}
	}
	d.own.empty(n)
	d.numbers, d.anchors = slices.Grow(d.numbers, n), slices.Grow(d.anchors, len(d.entries)) // once: they are referred to
	for _, e := range d.entries {
		if e.Version == nil || !e.Version.anchored {
			continue
		}
		first := len(d.numbers)
		for _, name := range e.Version.in[e.Version.anchor].few {
			d.numbers = append(d.numbers, d.own.add(e.Version.anchor, name))
		}
		d.anchors = append(d.anchors, anchor{e.Version.anchor, d.numbers[first:len(d.numbers):len(d.numbers)]})
		e.anchor = &d.anchors[len(d.anchors)-1]
	}
}

// decide judges the entries, finds which apply, and puts the outcome together.
func (d *decision) decide() (*Quote, error) {
	if err := d.judgeAll(); err != nil {
		return nil, err
	}
	discount := d.writeApplied()
	d.writeRefused()
	return d.write(discount), nil
}

// judgeAll judges the entries, and finds which apply.
func (d *decision) judgeAll() error {
	d.pricing.finest = maxFine + 4*len(d.entries)*len(d.totals)
	d.free = !d.facts.Best && !slices.ContainsFunc(d.entries, func(e *entry) bool { return e.Version != nil && e.Version.bound })
	for _, e := range d.entries {
		e.Refused = d.judge(e)
	}
	if d.facts.Best {
		d.search()
	} else {
		d.combine()
	}
	if d.pricing.steps > maxSteps {
		return &Faults{ErrCart, []Fault{{"lines", "fit the sets of goods that offers ask for in too many ways: combine fewer of them"}}}
	}
	if d.pricing.fine > d.pricing.finest {
		return &Faults{ErrCart, []Fault{{"lines", "fall into too many parts by all the offers that count units: combine fewer of them"}}}
	}
	return nil
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

// twin says that both are for the same coupon, the same offer without one, or the
// same unknown code.
func (e *entry) twin(other *entry) bool {
	return e.offerID() == other.offerID() && e.couponID() == other.couponID() && (e.offerID()+e.couponID() != "" || e.Code == other.Code)
}

// repeats says that an entry is for the same coupon, the same offer without one, or
// the same unknown code as the one kept before it.
func (d *decision) repeats(e, kept *entry) bool {
	if !e.twin(kept) {
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

// write puts the quote together.
func (d *decision) write(discount int64) *Quote {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, d.cart.Currency) }
	q := d.quote
	q.Order, q.At, q.Notices, q.Optimal, q.limited = d.facts.Order, d.at, d.notices, d.optimal, d.limited
	q.Subtotal, q.Shipping = money(d.subtotal), money(d.shipping)
	d.pricing.write(&q.outcome, &d.room)
	q.Discount = money(discount)
	q.Total = money(d.subtotal - discount + d.shipping)
	return q
}

// writeApplied puts together what applies and what each takes off, and sums it.
func (d *decision) writeApplied() (discount int64) {
	o := &d.quote.outcome
	o.applied = d.room.take(len(d.applied))
	for i, e := range d.applied {
		o.applied[i] = decided{Candidate: e.Candidate, amount: e.amount, refused: d.clippedBy(e)}
		discount += e.amount
		for _, l := range e.left {
			o.left = append(o.left, leftOut{int32(i), int32(l.line), l.reason})
		}
		if e.Version.stage == shippingStage && len(e.deliveries) < len(d.cart.Shipping) {
			o.leaveDeliveries(i, e.deliveries, d.cart)
		}
	}
	slices.SortFunc(o.left, leftOut.compare)
	return discount
}

// clippedBy is the limit of money that clipped what an entry takes off, as a refusal; nil
// when none did.
func (d *decision) clippedBy(e *entry) *Refusal {
	switch {
	case e.clipped == 0:
		return nil
	case e.quoted != nil && e.amount == e.quoted.Found.Minor():
		return e.quoted
	}
	claim := e.claims[e.clipped-1].Claim
	reached := limitReached(claim, claim.Max-e.amount)
	reached.Found = ledger.Minor(e.amount, d.cart.Currency)
	return d.concern(e, reached)
}

func (d *decision) writeRefused() {
	refused := d.room.take(len(d.entries) - len(d.applied))[:0]
	for _, e := range d.entries {
		switch {
		case e.Refused == nil:
			continue
		case e.Refused == &d.tooLittle:
			refused = append(refused, decided{Candidate: e.Candidate, amount: e.found})
			continue
		}
		if e.alone > 0 {
			e.Refused.Off = ledger.Minor(e.alone, d.cart.Currency)
		}
		if e.rival != nil {
			e.Refused.RivalOff = ledger.Minor(e.rival.off(d.applied), d.cart.Currency)
		}
		refused = append(refused, decided{Candidate: e.Candidate, refused: e.Refused})
	}
	d.quote.outcome.refused = refused
}

// write copies what was worked out.
func (p *pricing) write(o *outcome, r *room) {
	o.customer, o.lines, o.shipping = p.cart.Customer.Key, p.cart.Lines, p.cart.Shipping
	o.parts = append(r.parts, p.parts...)
	if len(p.cuts) > 0 {
		o.cuts = append(r.cuts, p.cuts...)
	}
	for i := range p.deliveries {
		for _, c := range p.deliveries[i].off {
			if c.amount > 0 {
				o.less = append(o.less, c)
			}
		}
	}
}

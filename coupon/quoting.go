package coupon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// maxChoice bounds the codes and coupons asked for at once.
const maxChoice = 50

// Quote prices a cart with what the shopper chose and the automatic offers: what
// applies takes off its amount, and everything else is refused with a reason, in
// the quote. Coupons that were not chosen are no candidates, and nothing is said of
// them. It writes nothing. A code that is mistyped is refused without asking
// the store; where nothing else is chosen, the automatic offers are those last
// read, and none when none were.
//
// It fails with a [*Faults] when the cart or the choice is not valid, and with a
// [*TooManyTries] when the shop's [Limiter] refuses to look codes up.
func (s *Service) Quote(ctx context.Context, cart Cart, choice Choice, now time.Time) (*Quote, error) {
	open, err := s.open(&cart, now)
	defer open.release()
	if err != nil {
		return nil, err
	}
	if err := choice.validate(now); err != nil {
		return nil, err
	}
	attempt := Attempt{Customer: cart.Customer.Key, At: now}
	chosen, err := s.find(ctx, choice, attempt)
	if err != nil {
		return nil, err
	}
	rests := s.newBasis()
	automatic, err := s.automatic(ctx, &open, onlyMistyped(chosen), now, rests)
	if err != nil {
		return nil, err
	}
	counted := s.foresee(&cart, chosen, automatic, now)
	facts, own, err := s.readFacts(ctx, &cart, choice.Order, chosen, len(automatic) > 0, rests, counted)
	if err != nil {
		return nil, err
	}
	candidates, err := s.candidates(ctx, chosen, now, rests)
	if err != nil {
		return nil, err
	}
	open.chosen = candidates
	candidates = append(candidates, automatic...)
	if facts.Used, err = s.used(ctx, &cart, candidates, own, counted, now); err != nil {
		return nil, err
	}
	facts.Best = choice.Best
	quote, err := s.decide(ctx, &open, candidates, facts)
	if err == nil {
		err = s.failed(ctx, attempt, quote)
	}
	if err != nil {
		return nil, err
	}
	quote.basis = rests
	return quote, nil
}

// opened is a valid cart, opened once by the names that automatic offers ask for: to find
// those that are candidates, and to decide.
type opened struct {
	*decision
	catalog *Catalog    // by whose names it is open
	chosen  []Candidate // the candidates beside the automatic ones
}

// open opens a cart by the catalogue last read. It fails with a [*Faults].
func (s *Service) open(cart *Cart, now time.Time) (opened, error) {
	open := opened{decision: newDecision(), catalog: s.catalog.lastAutomatic().catalog}
	if open.catalog == nil {
		open.catalog = newCatalog(nil)
	}
	return open, open.openCart(&open.catalog.names, cart, now)
}

// by gives the automatic offers of a catalogue that are candidates, and opens the cart anew
// when it is another.
func (o *opened) by(catalog *Catalog) ([]Candidate, error) {
	if o.catalog != catalog {
		if err := o.openCart(&catalog.names, o.cart, o.at); err != nil {
			return nil, err
		}
		o.catalog = catalog
	}
	return catalog.matching(o.decision), nil
}

// decide decides on the cart as it is open, where none of the chosen offers asks for names:
// they would have to be looked for in every line.
func (o *opened) decide(candidates []Candidate, facts Facts) (*Quote, error) {
	if slices.ContainsFunc(o.chosen, func(c Candidate) bool { return c.Version != nil && c.Version.anchored }) {
		return Decide(*o.cart, candidates, facts, o.at)
	}
	o.cart = o.keep(o.cart)
	o.rest(facts)
	return o.catalog.decide(o.decision, o.chosen)
}

// automatic are the automatic offers that are candidates for the cart ([Catalog]): as
// they are now, or as they were last read.
func (s *Service) automatic(ctx context.Context, open *opened, lastRead bool, now time.Time, rests *basis) ([]Candidate, error) {
	found := s.catalog.lastAutomatic()
	if !lastRead {
		var err error
		if found, err = s.readAutomatic(ctx, now); err != nil {
			return nil, err
		}
	}
	if found.catalog == nil || found.forgotten {
		found.catalog = newCatalog(nil)
	}
	candidates, err := open.by(found.catalog)
	if err != nil {
		return nil, err
	}
	for i := range candidates {
		id := candidates[i].Version.offer.ID
		rests.offer(id, found.heads[id].document)
	}
	return candidates, nil
}

func (c *Choice) validate(now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.instant("now", now)
	faults.id("choice.order", c.Order, true)
	if n := len(c.Codes) + len(c.Coupons); n > maxChoice {
		faults.add("choice", "has %d codes and coupons, at most %d are allowed", n, maxChoice)
		return faults
	}
	for i, id := range c.Coupons {
		faults.id(fmt.Sprintf("choice.coupons[%d]", i), id, false)
	}
	return faults.orNil()
}

// onlyMistyped says that something was chosen, and all of it refused for its form.
func onlyMistyped(all []chosen) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(c chosen) bool {
		return c.refused == nil || c.refused.Reason != ReasonMistyped && c.refused.Reason != ReasonNotACode
	})
}

// chosen is one code or coupon of a choice, on its way to a candidate.
type chosen struct {
	code    string        // as typed
	places  []storage.Key // where the code may be kept
	id      string        // the coupon's, once it is known
	offer   offerVersion  // that the coupon was made under, where the code says so
	coupon  *Coupon
	refused *Refusal
}

// find leads from codes to coupons' ids, where the limiter allows it.
func (s *Service) find(ctx context.Context, choice Choice, attempt Attempt) ([]chosen, error) {
	var all []chosen
	var keys []storage.Key
	for _, typed := range choice.Codes {
		c := chosen{code: typed}
		code, err := ParseCode(typed)
		switch {
		case errors.Is(err, ErrMistyped):
			c.refused = &Refusal{Reason: ReasonMistyped}
		case err != nil:
			c.refused = &Refusal{Reason: ReasonNotACode}
		default:
			attempt.Codes++
			c.places = s.codes.places(code)
			keys = append(keys, c.places...)
		}
		all = append(all, c)
	}
	if err := s.allow(ctx, attempt); err != nil {
		return nil, err
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(keys)); err != nil {
		return nil, err
	}
	found := make([]chosen, 0, len(all)+len(choice.Coupons))
	for _, c := range all {
		also, err := c.follow(docs)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
		for _, lead := range also {
			found = append(found, chosen{code: c.code, id: lead.Coupon, offer: offerVersion{lead.Offer, lead.Version}})
		}
	}
	for _, id := range choice.Coupons {
		found = append(found, chosen{id: id})
	}
	return found, nil
}

// follow finds the coupon's id by the code's document, and what else the code leads to.
func (c *chosen) follow(docs map[storage.Key]*storage.Doc) (also []codeLead, err error) {
	for _, place := range c.places {
		if doc := docs[place]; doc != nil {
			record, err := codes.Decode(*doc)
			if err == nil && record.Value.Coupon == "" { // in a stock, or withdrawn from one
				break
			}
			c.id, c.offer = record.Value.Coupon, offerVersion{record.Value.Offer, record.Value.Version}
			return record.Value.Also, err
		}
	}
	if c.refused == nil {
		c.refused = &Refusal{Reason: ReasonUnknown}
	}
	return nil, nil
}

// readFacts reads the coupons, what the cart's sellers exclude, what the order has
// reserved before, and the counters that are foreseen, in one call; nothing when neither a coupon nor an automatic
// offer is left to judge.
func (s *Service) readFacts(ctx context.Context, cart *Cart, order string, all []chosen, automatic bool, rests *basis, counted counts) (Facts, *redemptionBody, error) {
	facts := Facts{Order: order}
	var keys []storage.Key
	for _, c := range all {
		if c.refused == nil {
			keys = append(keys, couponKey(c.id))
		}
	}
	if len(keys) == 0 && !automatic {
		return facts, nil, nil
	}
	sellers := sellersOf(cart)
	for _, seller := range sellers {
		keys = append(keys, exclusionsKey(seller))
	}
	if order != "" {
		keys = append(keys, redemptionKey(order))
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.getCounted(ctx, docs, unique(keys), counted); err != nil {
		return facts, nil, err
	}
	for i := range all {
		if err := all[i].read(docs[couponKey(all[i].id)]); err != nil {
			return facts, nil, err
		}
	}
	for _, seller := range sellers {
		own, err := exclusions(seller, docs[exclusionsKey(seller)])
		if err != nil {
			return facts, nil, err
		}
		facts.Exclusions = append(facts.Exclusions, own...)
	}
	rests.read(docs, facts.Exclusions)
	if doc := docs[redemptionKey(order)]; doc != nil {
		record, err := redemptions.Decode(*doc)
		return facts, &record.Value, err
	}
	return facts, nil, nil
}

func (c *chosen) read(doc *storage.Doc) error {
	if c.refused != nil {
		return nil
	}
	if doc == nil {
		c.refused = &Refusal{Reason: ReasonUnknown, Coupon: c.id}
		return nil
	}
	record, err := coupons.Decode(*doc)
	if err != nil {
		return err
	}
	coupon := record.Value.coupon(c.id)
	c.coupon = &coupon
	return nil
}

// candidates brings together coupons, the versions they were issued under and
// their offers' status.
func (s *Service) candidates(ctx context.Context, all []chosen, now time.Time, rests *basis) ([]Candidate, error) {
	var wanted []offerVersion
	var offers []string
	for _, c := range all {
		if c.coupon != nil {
			wanted = append(wanted, offerVersion{c.coupon.Offer, c.coupon.Version})
			offers = append(offers, c.coupon.Offer)
		}
	}
	found, err := s.readVersions(ctx, wanted)
	if err != nil {
		return nil, err
	}
	status, err := s.readHeads(ctx, offers, now)
	if err != nil {
		return nil, err
	}
	candidates := make([]Candidate, len(all))
	for i, c := range all {
		candidates[i] = Candidate{Coupon: c.coupon, Code: c.code, Refused: c.refused}
		if c.coupon == nil {
			continue
		}
		candidates[i].Version = found[offerVersion{c.coupon.Offer, c.coupon.Version}]
		candidates[i].Paused = status[c.coupon.Offer].paused
		rests.offer(c.coupon.Offer, status[c.coupon.Offer].document)
		if candidates[i].Version == nil {
			return nil, fmt.Errorf("%w: coupon %q is under %q in version %d", ErrNoOffer, c.coupon.ID, c.coupon.Offer, c.coupon.Version)
		}
		if c.offer.offer == "" && len(candidates[i].Version.offer.Limits) > 0 {
			s.catalog.chosenByID(offerVersion{c.coupon.Offer, c.coupon.Version})
		}
	}
	return candidates, nil
}

// giveUp takes what the redemption holds of counters off them.
func (b *redemptionBody) giveUp(used map[string]int64) (any bool) {
	for _, claim := range b.Claims {
		counter, _ := ledger.Unsharded(claim.Counter)
		if _, known := used[counter]; known && claim.N > 0 {
			used[counter] -= claim.N
			any = true
		}
	}
	return any
}

// decide decides, and once more without what lapsed reservations hold when a limit
// had a say: they make room when the quote is redeemed. Where that is not enough, what
// staff have let through beyond the limits is looked for.
func (s *Service) decide(ctx context.Context, open *opened, candidates []Candidate, facts Facts) (*Quote, error) {
	now := open.at
	quote, err := open.decide(candidates, facts)
	if err != nil || !quote.limited {
		return quote, err
	}
	if len(facts.Used) > 0 {
		if quote, err = s.decideAnew(ctx, quote, candidates, facts, now); err != nil || !quote.limited {
			return quote, err
		}
	}
	found, err := s.overridden(ctx, &quote.Cart, candidates, quote.Refused(), &facts, now)
	if err != nil || !found {
		return quote, err
	}
	return Decide(quote.Cart, candidates, facts, now)
}

// decideAnew decides without what lapsed reservations hold, if they hold any of it.
func (s *Service) decideAnew(ctx context.Context, quote *Quote, candidates []Candidate, facts Facts, now time.Time) (*Quote, error) {
	more := false
	err := s.lapsed(ctx, now, func(b *redemptionBody) bool {
		if b.Order != facts.Order && b.giveUp(facts.Used) {
			more = true
		}
		return true
	})
	if err != nil || !more {
		return quote, err
	}
	return Decide(quote.Cart, candidates, facts, now)
}

// lapsed goes through the reservations that have lapsed and are not expired yet,
// until visit has enough.
func (s *Service) lapsed(ctx context.Context, now time.Time, visit func(*redemptionBody) (more bool)) error {
	query := storage.Query{Kind: kindRedemption, DueBefore: now.UnixMicro() + 1}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			record, err := redemptions.Decode(doc)
			if err != nil {
				return err
			}
			if b := &record.Value; b.State == StateReserved && b.Until <= now.UnixMicro() && !visit(b) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

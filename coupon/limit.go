package coupon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Limit caps how often an offer is used, or how much it takes off, over all its
// versions.
type Limit struct {
	Per       LimitPer
	Attribute string  // of the cart, with PerAttribute
	Uses      int64   // at least 1, or
	Money     Amounts // what it takes off at most; in a currency not named the offer does not apply

	// When says what becomes of the use that would exceed Money.
	When WhenSpent

	// Shards spreads what everybody uses over so many counters, for a sale in which
	// many buy in the same second: they would queue for one until each order is
	// committed. It is as exact as one counter. 2 to 64; with PerOffer only, without
	// AllowLast, and the same in all versions, none of which may lower the limit.
	// Default: one counter.
	Shards int

	// Period counts anew each day, week, month or year in the schedule's zone;
	// the zero value: once and for all.
	Period ledger.Period
}

// LimitPer says whose uses a limit counts together.
type LimitPer uint8

// Whose uses a limit counts together.
const (
	PerOffer     LimitPer = iota // everybody's
	PerCustomer                  // those of one customer; without a key the offer is refused
	PerCoupon                    // those of one coupon; a coupon held by a customer has 1 use when no such limit is given
	PerOrder                     // those in one order, as by several coupons
	PerCampaign                  // everybody's, of all offers of the campaign
	PerAttribute                 // those of carts with the same value of an attribute; without one the offer is refused
)

// WhenSpent says what becomes of the use that would exceed a limit of money.
type WhenSpent uint8

// What becomes of the use that would exceed a limit of money.
const (
	RefuseSpent WhenSpent = iota // it is refused
	ClipSpent                    // it takes off what is left
	AllowLast                    // it is the last, and takes off all it would
)

func (o *Offer) checkLimits(faults *Faults) {
	if len(o.Limits) > 10 {
		faults.add("limits", "has %d entries, at most 10 are allowed", len(o.Limits))
	}
	for i := range o.Limits[:min(len(o.Limits), 10)] {
		l := &o.Limits[i]
		path := fmt.Sprintf("limits[%d]", i)
		l.check(path, o, faults)
		for j, other := range o.Limits[:i] {
			if l.countsLike(&other) {
				faults.add(path, "counts the same as limits[%d]: keep one of them", j)
			}
		}
	}
}

// countsLike says that two limits count the same, in the same counters.
func (l *Limit) countsLike(other *Limit) bool {
	return other.Per == l.Per && other.Period == l.Period && other.Attribute == l.Attribute && (other.Uses > 0) == (l.Uses > 0)
}

// checkShards holds on to what the limits of the version before say about shards: a
// use counted elsewhere, or a part of the limit that shrinks, would let more through.
func (o *Offer) checkShards(before *Offer) error {
	faults := &Faults{Kind: ErrOffer}
	for i := range o.Limits {
		l := &o.Limits[i]
		for j := range before.Limits {
			old := &before.Limits[j]
			if !l.countsLike(old) {
				continue
			}
			path := fmt.Sprintf("limits[%d]", i)
			if l.Shards != old.Shards {
				faults.add(path+".shards", "is %d, and in version %d it is %d: it stays as it was first published", l.Shards, before.Version, old.Shards)
			}
			if l.Shards > 1 && (l.Uses < old.Uses || l.Money.lower(old.Money)) {
				faults.add(path, "is lower than in version %d: a limit in shards can only be raised", before.Version)
			}
		}
	}
	return faults.orNil()
}

func (l *Limit) check(path string, o *Offer, faults *Faults) {
	if l.Per > PerAttribute {
		faults.add(path+".per", "is %d, which is not defined", l.Per)
	}
	if l.Uses < 0 {
		faults.add(path+".uses", "is %d, want at least 1", l.Uses)
	} else if (l.Uses == 0) == (len(l.Money) == 0) {
		faults.add(path, "has uses and money, or neither: give one")
	}
	l.Money.check(path+".money", 1, faults)
	if l.When > AllowLast || l.When != RefuseSpent && len(l.Money) == 0 {
		faults.add(path+".when_spent", "is %d, which is not defined, or not for uses", l.When)
	}
	switch {
	case l.Shards == 0:
	case l.Shards < 2 || l.Shards > ledger.MaxShards:
		faults.add(path+".shards", "is %d, want 2 to %d, or 0 for one counter", l.Shards, ledger.MaxShards)
	case l.Per != PerOffer || l.When == AllowLast:
		faults.add(path+".shards", "is %d, but only what everybody uses, and not until the last, is counted in shards", l.Shards)
	}
	if !l.Period.Valid() {
		faults.add(path+".period", "is %.40q, which is not defined", l.Period)
	}
	if l.Period != ledger.Lifetime && (l.Per == PerCoupon || l.Per == PerOrder) {
		faults.add(path+".period", "is %q, but coupons and orders are counted once and for all", l.Period)
	}
	if l.Per == PerCampaign && o.Campaign == "" {
		faults.add(path+".per", "is the campaign, and the offer is in none")
	}
	switch {
	case l.Per != PerAttribute && l.Attribute != "":
		faults.add(path+".attribute", "is given, but the limit is not per attribute")
	case l.Per == PerAttribute && !offerID.MatchString(l.Attribute):
		faults.add(path+".attribute", "is %.80q, want %s", l.Attribute, offerID)
	}
	if _, gift := o.Benefit.(GiftLine); gift && len(l.Money) > 0 {
		faults.add(path+".money", "is given, but a gift takes no money off")
	}
}

// orderCounter begins the names of counters that are kept only while one cart is
// decided: limits within an order.
const orderCounter = "order/"

// counterLife is how long the counter of a period is kept after it, so that what
// was redeemed near its end can still be given back to it.
const counterLife = 400 * 24 * time.Hour

// limitClaim is what one use takes of a limit. For a limit of money, N is 0 until
// the amount is known.
type limitClaim struct {
	ledger.Claim
	limit *Limit
}

// claims are the limited counters that one use at the instant takes from, in the
// order of the offer's limits, or the refusal of a cart that does not say what
// they count by. Uses of a coupon that somebody holds are counted in the coupon
// itself.
func (v *Version) claims(cart *Cart, c *Coupon, at time.Time) ([]limitClaim, *Refusal) {
	if len(v.offer.Limits) == 0 {
		return nil, nil
	}
	claims := make([]limitClaim, 0, len(v.offer.Limits))
	for i := range v.offer.Limits {
		l := &v.offer.Limits[i]
		if l.Per == PerCoupon && (c == nil || c.Holder != "" && l.Uses > 0) {
			continue
		}
		whose, key, refused := v.whose(l, cart, c)
		if refused != nil {
			return nil, refused
		}
		claim := limitClaim{ledger.Claim{N: 1, Max: l.Uses, Shards: l.Shards}, l}
		var room [128]byte
		name := room[:0]
		if l.Per == PerOrder {
			name = append(name, orderCounter...)
		}
		if len(l.Money) == 0 {
			name = append(name, "uses/"...)
		} else {
			most, ok := l.Money.In(cart.Currency)
			if !ok {
				return nil, &Refusal{Reason: ReasonCurrency, Currency: cart.Currency}
			}
			name = append(append(append(name, "money/"...), cart.Currency.Code()...), '/')
			claim.N, claim.Max = 0, most.Minor()
		}
		label, end := l.Period.At(at, v.zone)
		name = append(name, v.counts(l)...)
		if label != "" {
			name = append(append(name, '/'), label...)
		}
		claim.Counter = string(append(append(name, whose...), key...))
		if !end.IsZero() {
			claim.Until = end.Add(counterLife).UnixMicro()
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

// counts names what a limit counts: the offer, or its campaign. No offer's id
// begins with "@".
func (v *Version) counts(l *Limit) string {
	if l.Per == PerCampaign {
		return "@" + v.offer.Campaign
	}
	return v.offer.ID
}

// whose names whose uses a limit counts, in two parts.
func (v *Version) whose(l *Limit, cart *Cart, c *Coupon) (whose, key string, refused *Refusal) {
	switch l.Per {
	case PerCustomer:
		if cart.Customer.Key == "" {
			return "", "", &Refusal{Reason: ReasonCustomer}
		}
		return "/customer/", cart.Customer.Key, nil
	case PerCoupon:
		return "/coupon/", c.ID, nil
	case PerAttribute:
		value := cart.Attributes[l.Attribute]
		if value == "" {
			return "", "", &Refusal{Reason: ReasonSale, What: l.Attribute, NeededText: "any value"}
		}
		return "/attribute/" + l.Attribute + "/", accountPart(value), nil
	}
	return "", "", nil
}

// countsIn says that one of the version's limits counts in a counter named by
// claims.
func (v *Version) countsIn(counter string) bool {
	counted, _, _ := strings.Cut(claimTail(counter), "/")
	return slices.ContainsFunc(v.offer.Limits, func(l Limit) bool { return v.counts(&l) == counted })
}

// claimTail is a counter's name after what it counts: uses, or money of a currency.
func claimTail(counter string) string {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(counter, orderCounter), "/")
	if kind == "money" {
		_, rest, _ = strings.Cut(rest, "/")
	}
	return rest
}

// claimLimit is the limit that a counter named by claims stands for: whose uses it
// counts, and in which period. The labels of periods differ in length.
func claimLimit(counter string) (LimitPer, ledger.Period) {
	offer, rest, _ := strings.Cut(claimTail(counter), "/")
	head, rest, _ := strings.Cut(rest, "/")
	period := ledger.Lifetime
	if head != "" && head[0] >= '0' && head[0] <= '9' {
		period = map[int]ledger.Period{10: ledger.Day, 8: ledger.Week, 7: ledger.Month, 4: ledger.Year}[len(head)]
		head, _, _ = strings.Cut(rest, "/")
	}
	per := slices.Index([]string{"", "customer", "coupon", "", "", "attribute"}, head)
	switch {
	case strings.HasPrefix(counter, orderCounter):
		return PerOrder, period
	case strings.HasPrefix(offer, "@"):
		return PerCampaign, period
	}
	return LimitPer(max(per, 0)), period
}

// limitReached is the refusal of a claim that its counter has no room for.
func limitReached(claim ledger.Claim, used int64) *Refusal {
	per, period := claimLimit(claim.Counter)
	refused := &Refusal{Reason: ReasonLimit, Limit: per, Period: period, FoundUses: used, NeededUses: claim.Max}
	if refused.OfMoney = isMoney(claim.Counter); refused.OfMoney {
		_, code, _ := strings.Cut(strings.TrimPrefix(claim.Counter, orderCounter), "/")
		code, _, _ = strings.Cut(code, "/")
		refused.Currency, _ = ledger.ParseCurrency(code) // a unit of the shop's own does not say its decimals there
	}
	return refused
}

func isMoney(counter string) bool {
	return strings.HasPrefix(strings.TrimPrefix(counter, orderCounter), "money/")
}

// uses is how often a coupon that a customer holds can be used.
func (v *Version) uses() int {
	for _, l := range v.offer.Limits {
		if l.Per == PerCoupon && l.Uses > 0 {
			return int(min(l.Uses, 1<<31-1))
		}
	}
	return 1
}

// taken is what a use that took an amount off takes from the counter; not of limits
// within one order, which keep no counter. A use that may be the last is let
// through while anything is left.
func (c limitClaim) taken(amount int64) (ledger.Claim, bool) {
	claim := c.Claim
	if c.limit.Uses == 0 {
		claim.N = amount
		if c.limit.When == AllowLast {
			claim.Max += amount - 1
		}
	}
	return claim, c.limit.Per != PerOrder && claim.N > 0
}

package referral

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Exposure is the most that a program can give.
type Exposure struct {
	Worth   coupon.Amounts      // by what rewards are worth: their credit, unless they say otherwise
	Coupons []coupon.IssueOffer // of each offer, by id; those that count in Worth too
	Custom  map[string]int64    // rewards of the shop's own kinds
	Bounds  []string            // which caps and budgets keep Worth lower than the rewards alone would, as sentences
}

// MaxExposure is the most that the program can give when so many referrers bring so many
// friends: every friend earns all that a friend can in the best boost, and the referrers
// all that they can in the highest tier, as far as caps and the budget let them. Ask it
// before a program starts.
//
// It is net of what is taken back and of what is owed: a reward that is taken back frees
// its place in caps and budget for another even where it was used, so what was handed out
// until then may add up to more. Nor does it count what accounts that are merged have
// beyond one person's cap, or what later terms with an Uplift add.
//
// It fails with a [*Faults] when the program is not valid, and with [ledger.ErrOverflow].
func (p *Program) MaxExposure(referrers, friends int64) (Exposure, error) {
	if err := p.Validate(); err != nil {
		return Exposure{}, err
	}
	if referrers < 0 || friends < 0 {
		return Exposure{}, &Faults{ErrRequest, []Fault{{"", fmt.Sprintf("%d referrers and %d friends: want 0 or more", referrers, friends)}}}
	}
	x := exposing{p: p, referrers: referrers, Exposure: Exposure{Custom: make(map[string]int64)}, most: make(map[Side]map[ledger.Currency]int64)}
	places, capped := x.places()
	for _, side := range []Side{Referee, Referrer} {
		x.most[side] = make(map[ledger.Currency]int64)
		for _, step := range []Step{Registered, Qualified} {
			n := friends
			if side == Referrer {
				n = min(n, places)
			}
			x.add(side, p.possible(side, step), n)
		}
	}
	if friends > places && len(x.most[Referrer]) > 0 {
		x.Bounds = append(x.Bounds, fmt.Sprintf("the cap of %s per referrer", capped.counted()))
	}
	for i := range p.Milestones {
		m := &p.Milestones[i]
		n := friends / m.Friends
		if !m.Repeat {
			n = min(n, referrers)
		}
		x.add(Referrer, []Earning{m.Earning}, n)
	}
	x.bound()
	if len(x.Custom) == 0 {
		x.Custom = nil
	}
	if x.overflow {
		return Exposure{}, fmt.Errorf("referral: %d friends: %w", friends, ledger.ErrOverflow)
	}
	return x.Exposure, nil
}

type exposing struct {
	p         *Program
	referrers int64
	most      map[Side]map[ledger.Currency]int64
	overflow  bool
	Exposure
}

// possible is all that a side can earn at a step, with tiers and boosts.
func (p *Program) possible(side Side, step Step) []Earning {
	var all []Earning
	for i := range p.Rewards {
		if r := &p.Rewards[i]; r.sameStep(side, step) {
			all = append(all, r.Earning)
			for _, t := range r.Tiers {
				all = append(all, t.Earning)
			}
		}
	}
	base := len(all)
	for i := range p.Boosts {
		b := &p.Boosts[i]
		switch {
		case !b.sameStep(side, step):
		case b.Percent == 0:
			all = append(all, b.Earning)
		default:
			for _, e := range all[:base] {
				all = append(all, e.times(b.Percent))
			}
		}
	}
	return all
}

// add counts the most of some alternatives, n times.
func (x *exposing) add(side Side, alternatives []Earning, n int64) {
	worth, coupons, custom := make(map[ledger.Currency]int64), make(map[string]int64), make(map[string]int64)
	for i := range alternatives {
		e := &alternatives[i]
		amounts := e.Worth
		if len(amounts) == 0 {
			amounts = e.Credit
		}
		for _, m := range amounts {
			worth[m.Currency()] = max(worth[m.Currency()], m.Minor())
		}
		for _, o := range e.Coupons {
			coupons[o.Offer] = max(coupons[o.Offer], int64(max(1, o.Count)))
		}
		if e.Custom != nil {
			custom[e.Custom.Kind] = 1
		}
	}
	for currency, minor := range worth {
		x.most[side][currency] = x.sum(x.most[side][currency], x.times(minor, n))
	}
	for offer, count := range coupons {
		x.coupon(offer, x.times(count, n))
	}
	for kind := range custom {
		x.Custom[kind] = x.sum(x.Custom[kind], n)
	}
}

func (x *exposing) coupon(offer string, n int64) {
	i, found := slices.BinarySearchFunc(x.Coupons, offer, func(o coupon.IssueOffer, id string) int { return strings.Compare(o.Offer, id) })
	if !found {
		x.Coupons = slices.Insert(x.Coupons, i, coupon.IssueOffer{Offer: offer})
	}
	x.Coupons[i].Count = int(x.sum(int64(x.Coupons[i].Count), n))
}

// bound cuts the sums down to what caps and budget allow.
func (x *exposing) bound() {
	for _, c := range x.p.Caps {
		if c.Friends > 0 {
			continue
		}
		periods, ended := x.p.periods(c.Period)
		late := c.Period != ledger.Lifetime && len(x.p.Milestones) > 0 // they count in the period in which they are reached
		if !ended || late {
			continue
		}
		currency := c.Amount.Currency()
		most := x.cut(x.times(c.Amount.Minor(), periods), x.referrers)
		if has := x.most[Referrer][currency]; has > most {
			x.most[Referrer][currency] = most
			x.Bounds = append(x.Bounds, fmt.Sprintf("the cap of %s per referrer", c.counted()))
		}
	}
	var currencies []ledger.Currency
	for _, side := range []Side{Referee, Referrer} {
		for currency := range x.most[side] {
			if !slices.Contains(currencies, currency) {
				currencies = append(currencies, currency)
			}
		}
	}
	slices.SortFunc(currencies, func(a, b ledger.Currency) int { return strings.Compare(a.Code(), b.Code()) })
	for _, currency := range currencies {
		sum := x.sum(x.most[Referee][currency], x.most[Referrer][currency])
		if x.p.Budget.Currency() == currency && sum > x.p.Budget.Minor() {
			sum = x.p.Budget.Minor()
			x.Bounds = append(x.Bounds, fmt.Sprintf("the budget of %s", x.p.Budget))
		}
		if sum > 0 {
			x.Worth = append(x.Worth, ledger.Minor(sum, currency))
		}
	}
}

// places is how many friends can be rewarded to all referrers together, and the cap that
// says so.
func (x *exposing) places() (int64, Cap) {
	most, capped := int64(math.MaxInt64), Cap{}
	for _, c := range x.p.Caps {
		if periods, ended := x.p.periods(c.Period); ended && c.Friends > 0 {
			if n := x.cut(x.cut(c.Friends, periods), x.referrers); n < most {
				most, capped = n, c
			}
		}
	}
	return most, capped
}

// periods is how many periods a cap begins anew in while friends can qualify; false: for
// ever.
func (p *Program) periods(period ledger.Period) (int64, bool) {
	if period == ledger.Lifetime {
		return 1, true
	}
	from, until := p.Schedule.From, p.Schedule.Until
	if from.IsZero() || until.IsZero() || p.Qualify.Within == 0 && p.Tail == 0 {
		return 0, false
	}
	until = until.Add(max(p.Qualify.Within, p.Tail))
	zone, err := p.zone()
	if err != nil {
		return 0, false
	}
	var n int64
	for at := from; at.Before(until); n++ {
		var next time.Time
		if _, next = period.At(at, zone); !next.After(at) {
			return 0, false
		}
		at = next
	}
	return n, true
}

// times is a product of amounts that are at least 0.
func (x *exposing) times(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi > 0 || lo > math.MaxInt64 {
		x.overflow = true
		return math.MaxInt64
	}
	return int64(lo)
}

// cut is a product that is cut off: of a bound that is too high to matter.
func (x *exposing) cut(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

func (x *exposing) sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		x.overflow = true
		return math.MaxInt64
	}
	return a + b
}

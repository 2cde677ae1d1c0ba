package referral

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Cap is how many friends a referrer is rewarded for, or how much they earn at most.
// At the cap the referrer's reward is withheld for good; the friend is rewarded all
// the same. A place among the friends is taken at the first step that rewards the
// referrer; one that a voided or reversed referral frees serves later friends, unless
// the referrer keeps what registration gave, and so does that of a friend for whom a check
// or a review denies the referrer's rewards. A reward that fits only in part is
// withheld as a whole.
type Cap struct {
	Friends int64         // at least 1; 0: the cap is an Amount
	Amount  ledger.Money  // what the rewards are worth at most; zero: the cap is in friends
	Period  ledger.Period // counted anew each day, week, month or year; the zero value: once and for all
}

// counted says what a cap counts, for sentences: "10 friends a year".
func (c Cap) counted() string {
	most := fmt.Sprintf("%d friends", c.Friends)
	if c.Friends == 0 {
		most = c.Amount.String()
	}
	if c.Period == ledger.Lifetime {
		return most
	}
	return most + " a " + string(c.Period)
}

func (p *Program) checkCaps(faults *Faults) {
	faults.most("caps", len(p.Caps), maxRules)
	for i, c := range p.Caps {
		path := fmt.Sprintf("caps[%d]", i)
		switch inMoney := c.Amount != (ledger.Money{}); {
		case inMoney && c.Friends != 0:
			faults.add(path, "is in friends and in money: make two of it")
		case inMoney && (c.Amount.Currency().IsZero() || c.Amount.Sign() <= 0):
			faults.add(path+".amount", "is %s, want more than 0 of a currency", c.Amount)
		case !inMoney && c.Friends < 1:
			faults.add(path+".friends", "is %d, want at least 1", c.Friends)
		}
		if !c.Period.Valid() {
			faults.add(path+".period", "is %.20q, which is not defined", c.Period)
		}
		if slices.ContainsFunc(p.Caps[:i], func(o Cap) bool {
			return o.Period == c.Period && o.Amount.Currency() == c.Amount.Currency()
		}) {
			faults.add(path+".period", "has a cap already")
		}
		if c.Amount.Sign() > 0 {
			p.checkWorth(path+".amount", Referrer, c.Amount, faults)
		}
	}
	if p.Budget != (ledger.Money{}) {
		if p.Budget.Currency().IsZero() || p.Budget.Sign() <= 0 {
			faults.add("budget", "is %s, want more than 0 of a currency", p.Budget)
		}
		p.checkWorth("budget", "", p.Budget, faults)
	}
	if _, err := p.zone(); err != nil {
		faults.add("zone", "%.80q is not a time zone of the IANA database", p.Zone)
	}
}

// checkWorth wants each reward of a side (empty: of both) to say what it is worth in
// the currency of a limit, and one of them to fit into it.
func (p *Program) checkWorth(path string, side Side, limit ledger.Money, faults *Faults) {
	for _, e := range p.earnings() {
		if side != "" && e.side != side {
			continue
		}
		switch worth, ok := e.worth(limit.Currency()); {
		case !ok:
			faults.add(e.path+".worth", "is missing in %s, in which %s counts", limit.Currency(), path)
		case worth > limit.Minor():
			faults.add(path, "is %s, below one reward: %s is worth %s", limit, e.path, ledger.Minor(worth, limit.Currency()))
		}
	}
}

// limits says that the caps in money and the budget count what a side earns.
func (p *Program) limits(side Side, e *Earning) bool {
	counts := func(limit ledger.Money) bool {
		_, ok := e.worth(limit.Currency())
		return ok || limit.Sign() <= 0
	}
	return counts(p.Budget) && (side != Referrer || !slices.ContainsFunc(p.Caps, func(c Cap) bool { return !counts(c.Amount) }))
}

// placedEarning is an earning with its place in the program.
type placedEarning struct {
	path string
	side Side
	*Earning
}

// earnings are all that the program can give: rules, tiers, boosts with a set of their
// own, milestones.
func (p *Program) earnings() []placedEarning {
	var all []placedEarning
	for i := range p.Rewards {
		r, path := &p.Rewards[i], fmt.Sprintf("rewards[%d]", i)
		all = append(all, placedEarning{path, r.Side, &r.Earning})
		for j := range r.Tiers {
			all = append(all, placedEarning{fmt.Sprintf("%s.tiers[%d]", path, j), r.Side, &r.Tiers[j].Earning})
		}
	}
	for i := range p.Boosts {
		if b := &p.Boosts[i]; b.Percent == 0 {
			all = append(all, placedEarning{fmt.Sprintf("boosts[%d]", i), b.Side, &b.Earning})
		}
	}
	for i := range p.Milestones {
		all = append(all, placedEarning{fmt.Sprintf("milestones[%d]", i), Referrer, &p.Milestones[i].Earning})
	}
	return all
}

// claims are what a referrer's next friend, counted at an instant, takes from each cap
// in friends.
func (p *Program) claims(referrer string, at time.Time) ([]ledger.Claim, error) {
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	var claims []ledger.Claim
	for _, c := range p.Caps {
		if c.Friends > 0 {
			claims = append(claims, c.claim(p.ID, referrer, 1, at, zone))
		}
	}
	return claims, nil
}

// claimsOf are what a reward takes from the caps in money and from the budget.
func (p *Program) claimsOf(side Side, customer string, e *Earning, at time.Time) ([]ledger.Claim, error) {
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	var claims []ledger.Claim
	for _, c := range p.Caps {
		if worth, _ := e.worth(c.Amount.Currency()); side == Referrer && c.Friends == 0 && worth > 0 {
			claims = append(claims, c.claim(p.ID, customer, worth, at, zone))
		}
	}
	if worth, _ := e.worth(p.Budget.Currency()); p.Budget.Sign() > 0 && worth > 0 {
		claims = append(claims, ledger.Claim{Counter: budgetCounter(p.ID), N: worth, Max: p.Budget.Minor()})
	}
	return claims, nil
}

func (c Cap) claim(program, referrer string, n int64, at time.Time, zone *time.Location) ledger.Claim {
	label, end := c.Period.At(at, zone)
	claim := ledger.Claim{Counter: capCounter(program, c.Amount.Currency().Code(), label, referrer), N: n, Max: c.Friends}
	if c.Friends == 0 {
		claim.Max = c.Amount.Minor()
	}
	if !end.IsZero() {
		claim.Until = end.Add(counterLife).UnixMicro()
	}
	return claim
}

// counterLife is how long the counter of a period is kept after it, so that a place
// taken near its end can still be given back to it.
const counterLife = 400 * 24 * time.Hour

// What the names of the counters begin with.
const (
	friendCounters = "friends/"
	earnedCounters = "earned/"
	budgetCounters = "budget/"
)

func capCounter(program, unit, label, referrer string) string {
	prefix := friendCounters
	if unit != "" {
		prefix, program = earnedCounters, program+"/"+unit
	}
	if label != "" {
		label = "/" + label
	}
	return prefix + program + label + "/referrer/" + referrer
}

func budgetCounter(program string) string { return budgetCounters + program }

// ownCounter says that a counter is one of caps and budgets, not of coupons.
func ownCounter(name string) bool {
	return slices.ContainsFunc([]string{friendCounters, earnedCounters, budgetCounters}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// full is the sentence for staff of a claim that finds no room.
func (p *Program) full(c *ledger.Claim, used int64) string {
	if c.Counter == budgetCounter(p.ID) {
		currency := p.Budget.Currency()
		return fmt.Sprintf("the budget of %s is spent: %s are promised or granted, and the reward is worth %s", p.Budget, ledger.Minor(used, currency), ledger.Minor(c.N, currency))
	}
	for _, limit := range p.Caps {
		switch unit := limit.Amount.Currency(); {
		case limit.Friends > 0 && c.Max == limit.Friends && strings.HasPrefix(c.Counter, friendCounters):
			return fmt.Sprintf("the cap of %s is reached: %d are rewarded or about to be", limit.counted(), used)
		case limit.Friends == 0 && c.Max == limit.Amount.Minor() && strings.HasPrefix(c.Counter, earnedCounters+p.ID+"/"+unit.Code()+"/"):
			return fmt.Sprintf("the cap of %s is reached: %s are promised or granted, and the reward is worth %s", limit.counted(), ledger.Minor(used, unit), ledger.Minor(c.N, unit))
		}
	}
	return fmt.Sprintf("the limit of %d is reached", c.Max)
}

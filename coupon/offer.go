package coupon

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Offer is the rule of a discount: what comes off, for which lines, under which
// conditions, when, how often, and beside what. It is immutable once published:
// a change is published as the next version under the same id, and coupons and
// orders stay with the version they were made under.
type Offer struct {
	ID      string // [a-z0-9][a-z0-9._-]*, at most 64 bytes
	Version int    // set by publishing, from 1
	Name    string // what shoppers call it, as in "5 € for inviting a friend"

	// Labels say what the offer is ("referral", "welcome"), for sellers'
	// exclusions and for other offers' consent.
	Labels []string

	Benefit    Benefit
	Scope      Scope       // which lines count; the zero value: all
	Conditions []Condition // all must hold
	Schedule   Schedule    // the zero value: always
	Limits     []Limit
	Combine    Combine // the zero value: alone

	// Priority decides which of two offers that can't be combined is applied,
	// and which is worked out first: the higher. Default 0; -1000 to 1000.
	Priority int

	ShopPromotions ShopPromotions  // the zero value: refuse the cart
	Rounding       ledger.Rounding // of a percentage; the zero value: half up
	Restore        Restore         // the zero value: when nothing of the order is kept
}

// Benefit is what an offer gives: [PercentOff] or [AmountOff].
type Benefit interface {
	// off is how much comes off lines that cost base now and can give at most
	// room, in minor units of the currency; false when the benefit has no
	// amount in that currency.
	off(base, room int64, currency ledger.Currency, r ledger.Rounding) (int64, bool)
	check(faults *Faults)
}

// PercentOff takes a percentage off the eligible lines, worked out once on their
// sum and rounded once, then shared by what each line still costs.
type PercentOff struct {
	Rate ledger.Rate // above 0 %, at most 100 %
	// Max is the most that comes off, one amount per currency. In a currency
	// that is not named the offer does not apply; empty: no maximum.
	Max Amounts
}

// AmountOff takes an amount off the eligible lines together, shared by what each
// still costs. When they cost less, it takes what they cost.
type AmountOff struct {
	Amounts Amounts // one per currency; in others the offer does not apply
}

// Amounts is one amount per currency.
type Amounts []ledger.Money

// In gives the amount in a currency, and whether there is one.
func (a Amounts) In(c ledger.Currency) (ledger.Money, bool) {
	for _, m := range a {
		if m.Currency() == c {
			return m, true
		}
	}
	return ledger.Money{}, false
}

func (a Amounts) check(path string, faults *Faults) {
	for i, m := range a {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch first, _ := a.In(m.Currency()); {
		case m.Currency().IsZero():
			faults.add(at, "has no currency")
		case m.Sign() <= 0 || m.Minor() >= MaxTotal:
			faults.add(at, "is %s, want more than 0 and less than 2^53 minor units", m)
		case first != m:
			faults.add(at, "is a second amount in %s", m.Currency())
		}
	}
}

func (p PercentOff) off(base, room int64, currency ledger.Currency, r ledger.Rounding) (int64, bool) {
	amount, err := p.Rate.Of(base, r)
	if err != nil { // not for rates up to 100 % of sums below 2^53
		return 0, false
	}
	if len(p.Max) > 0 {
		most, ok := p.Max.In(currency)
		if !ok {
			return 0, false
		}
		amount = min(amount, most.Minor())
	}
	return min(amount, room), true
}

func (p PercentOff) check(faults *Faults) {
	if p.Rate.IsZero() || p.Rate.Cmp(ledger.MustRate("100")) > 0 {
		faults.add("benefit.percent", "is %s, want more than 0%% and at most 100%%", p.Rate)
	}
	p.Max.check("benefit.max", faults)
}

func (a AmountOff) off(_, room int64, currency ledger.Currency, _ ledger.Rounding) (int64, bool) {
	amount, ok := a.Amounts.In(currency)
	return min(amount.Minor(), room), ok
}

func (a AmountOff) check(faults *Faults) {
	if len(a.Amounts) == 0 {
		faults.add("benefit.amounts", "is empty: give one amount per currency")
	}
	a.Amounts.check("benefit.amounts", faults)
}

// Scope says which lines of a cart an offer counts. A line counts when in each
// list of In that is not empty it is named, and in no list of Out.
type Scope struct {
	In, Out   Lists
	SaleItems SaleItems // the zero value: on sale or not
}

// Lists names lines by what they are.
type Lists struct {
	Products, Categories, Sellers, Tags []string
}

// SaleItems says whether reduced lines count.
type SaleItems uint8

// What an offer does with lines that are on sale.
const (
	SaleItemsToo SaleItems = iota
	SaleItemsOut
	SaleItemsOnly
)

// ShopPromotions says what an offer does where the shop's own promotions already
// apply.
type ShopPromotions uint8

// What an offer does beside the shop's own promotions. A promotion of the whole
// cart counts for every line.
const (
	RefuseCart    ShopPromotions = iota // refuse the cart when any promotion applies to any of it
	SkipPromoted                        // leave out the lines that a promotion applies to
	AllowPromoted                       // apply all the same
)

// Restore says when a use is given back after a redemption was confirmed.
// Reservations that are released or lapse always give it back.
type Restore uint8

// When a use is given back.
const (
	RestoreWhenNothingKept Restore = iota // the order is cancelled, or every unit of it returned
	RestoreNever
)

// Combine says beside which other offers an offer can apply to one cart. Both
// sides must consent.
type Combine struct {
	With   []string // labels of the offers it consents to
	Freely bool     // it consents to any
}

// consents says that the offer lets the other stand beside it.
func (o *Offer) consents(other *Offer) bool {
	return o.Combine.Freely || slices.ContainsFunc(o.Combine.With, func(label string) bool {
		return slices.Contains(other.Labels, label)
	})
}

// Interval is the time from From until just before Until. A zero From or Until is
// no bound.
type Interval struct {
	From, Until time.Time
}

// Contains says that an instant lies in the interval.
func (i Interval) Contains(at time.Time) bool {
	return !at.Before(i.From) && (i.Until.IsZero() || at.Before(i.Until))
}

// Days is the interval of whole local days from first to last, both given as
// "2006-01-02", the last counted in full, in a time zone of the IANA database
// ("Europe/Berlin"). A day without a midnight begins with its first instant. It
// fails with [ErrOffer].
func Days(first, last, zone string) (Interval, error) {
	faults := &Faults{Kind: ErrOffer}
	location, err := loadZone(zone)
	if err != nil || zone == "" {
		faults.add("zone", "%.80q is not a time zone of the IANA database", zone)
		return Interval{}, faults
	}
	day := func(path, text string, later int) time.Time {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			faults.add(path, "%q is not a date like 2006-01-02", text)
		}
		return startOfDay(date.Year(), date.Month(), date.Day()+later, location)
	}
	interval := Interval{From: day("first", first, 0), Until: day("last", last, 1)}
	if len(faults.Faults) == 0 && !interval.From.Before(interval.Until) {
		faults.add("last", "%s lies before %s", last, first)
	}
	return interval, faults.orNil()
}

// startOfDay is the first instant of a local day: where the day ends that noon
// was in a day before, as [ledger.Period] counts days.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	_, start := ledger.Day.At(noon.Add(-24*time.Hour), zone)
	return start
}

// Schedule says when an offer can be used.
type Schedule struct {
	Interval  // the zero value: always
	Blackouts []Blackout

	// Life is how long an issued coupon can be used, from its issue; 0: as long
	// as the offer itself. Whole seconds, at most 100 years.
	Life time.Duration

	// Zone is where days, weeks, months and years of limits begin, as named by
	// the IANA database; empty: UTC.
	Zone string
}

// Blackout is a time in which an offer can't be used, such as a sales event.
type Blackout struct {
	Name string // shown to shoppers
	Interval
}

// Limit caps how often an offer is used, over all its versions.
type Limit struct {
	Per    LimitPer
	Uses   int64         // at least 1
	Period ledger.Period // counted anew each day, week, month or year in the schedule's zone; the zero value: once and for all
}

// LimitPer says whose uses are counted together.
type LimitPer uint8

// Whose uses a limit counts together.
const (
	PerOffer    LimitPer = iota // everybody's
	PerCustomer                 // those of one customer; without a key the offer is refused
	PerCoupon                   // those of one coupon; a coupon held by a customer has 1 when no such limit is given
)

// Condition is something that must hold for an offer to apply: [MinimumSpend] or
// [InSegment].
type Condition interface {
	check(path string, faults *Faults)
	// refuse is nil when the condition holds for a cart whose eligible lines
	// cost eligible before any offer.
	refuse(c *Cart, eligible int64) *Refusal
}

// MinimumSpend holds when the eligible lines cost at least this much before any
// offer, shipping not counted.
type MinimumSpend struct {
	Amounts Amounts // one per currency; in others the offer does not apply
}

// InSegment holds when the customer is in at least one of these segments.
type InSegment struct {
	Any []string
}

func (m MinimumSpend) check(path string, faults *Faults) {
	if len(m.Amounts) == 0 {
		faults.add(path+".amounts", "is empty: give one amount per currency")
	}
	m.Amounts.check(path+".amounts", faults)
}

func (m MinimumSpend) refuse(c *Cart, eligible int64) *Refusal {
	needed, ok := m.Amounts.In(c.Currency)
	if !ok {
		return &Refusal{Reason: ReasonCurrency, Currency: c.Currency}
	}
	if eligible >= needed.Minor() {
		return nil
	}
	return &Refusal{
		Reason:  ReasonMinimumSpend,
		Found:   ledger.Minor(eligible, c.Currency),
		Needed:  needed,
		Missing: ledger.Minor(needed.Minor()-eligible, c.Currency),
	}
}

func (s InSegment) check(path string, faults *Faults) {
	if len(s.Any) == 0 {
		faults.add(path+".any", "is empty: nobody would be eligible")
	}
	faults.names(path+".any", s.Any)
}

func (s InSegment) refuse(c *Cart, _ int64) *Refusal {
	for _, segment := range c.Customer.Segments {
		if slices.Contains(s.Any, segment) {
			return nil
		}
	}
	return &Refusal{Reason: ReasonSegment}
}

var offerID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Limits of an offer.
const (
	maxListed     = 100_000 // entries of a scope's list; real coupons name 14,477 products
	maxConditions = 20
	maxBlackouts  = 100
)

// Validate checks the offer and fails with a [*Faults] that lists everything
// wrong with it.
func (o *Offer) Validate() error {
	faults := &Faults{Kind: ErrOffer}
	if !offerID.MatchString(o.ID) {
		faults.add("id", "is %.80q, want %s", o.ID, offerID)
	}
	if o.Version < 0 {
		faults.add("version", "is %d; publishing sets it", o.Version)
	}
	if o.Name == "" || len(o.Name) > 200 || !printable(o.Name) {
		faults.add("name", "is %.40q, want 1 to 200 bytes of text: shoppers read it", o.Name)
	}
	switch b := o.Benefit.(type) {
	case nil:
		faults.add("benefit", "is missing")
	case PercentOff, AmountOff:
		b.check(faults)
	default:
		faults.add("benefit", "is a %T, want a PercentOff or an AmountOff", b)
	}
	faults.labels("labels", o.Labels)
	faults.labels("combine.with", o.Combine.With)
	if o.Combine.Freely && len(o.Combine.With) > 0 {
		faults.add("combine", "is free and names labels: choose one")
	}
	if o.Priority < -1000 || o.Priority > 1000 {
		faults.add("priority", "is %d, want -1000 to 1000", o.Priority)
	}
	o.Scope.check(faults)
	if len(o.Conditions) > maxConditions {
		faults.add("conditions", "has %d entries, at most %d are allowed", len(o.Conditions), maxConditions)
	}
	for i, c := range o.Conditions[:min(len(o.Conditions), maxConditions)] {
		path := fmt.Sprintf("conditions[%d]", i)
		switch c.(type) {
		case nil:
			faults.add(path, "is missing")
		case MinimumSpend, InSegment:
			c.check(path, faults)
		default:
			faults.add(path, "is a %T, want a MinimumSpend or an InSegment", c)
		}
	}
	o.Schedule.check(faults)
	o.checkLimits(faults)
	if o.ShopPromotions > AllowPromoted {
		faults.add("shop_promotions", "is %d, which is not defined", o.ShopPromotions)
	}
	if o.Restore > RestoreNever {
		faults.add("restore", "is %d, which is not defined", o.Restore)
	}
	if o.Rounding > ledger.Down {
		faults.add("rounding", "is %d, which is not defined", o.Rounding)
	}
	return faults.orNil()
}

func (f *Faults) labels(path string, labels []string) {
	if len(labels) > 20 {
		f.add(path, "has %d labels, at most 20 are allowed", len(labels))
	}
	for i, label := range labels {
		if !offerID.MatchString(label) {
			f.add(fmt.Sprintf("%s[%d]", path, i), "is %.80q, want %s", label, offerID)
		}
	}
}

func (s *Scope) check(faults *Faults) {
	s.In.check("scope.in", faults)
	s.Out.check("scope.out", faults)
	if s.SaleItems > SaleItemsOnly {
		faults.add("scope.sale_items", "is %d, which is not defined", s.SaleItems)
	}
}

func (l *Lists) check(path string, faults *Faults) {
	for _, list := range []struct {
		name    string
		entries []string
	}{{"products", l.Products}, {"categories", l.Categories}, {"sellers", l.Sellers}, {"tags", l.Tags}} {
		if len(list.entries) > maxListed {
			faults.add(path+"."+list.name, "has %d entries, at most %d are allowed: use a tag", len(list.entries), maxListed)
			continue
		}
		for i, entry := range list.entries {
			if entry == "" || len(entry) > MaxKey || !printable(entry) {
				faults.id(fmt.Sprintf("%s.%s[%d]", path, list.name, i), entry, false)
			}
		}
	}
}

func (s *Schedule) check(faults *Faults) {
	s.Interval.check("schedule.", faults)
	if len(s.Blackouts) > maxBlackouts {
		faults.add("schedule.blackouts", "has %d entries, at most %d are allowed", len(s.Blackouts), maxBlackouts)
	}
	for i, b := range s.Blackouts[:min(len(s.Blackouts), maxBlackouts)] {
		path := fmt.Sprintf("schedule.blackouts[%d]", i)
		if b.Name == "" || len(b.Name) > MaxKey || !printable(b.Name) {
			faults.id(path+".name", b.Name, false)
		}
		if b.From.IsZero() && b.Until.IsZero() {
			faults.add(path, "has neither from nor until: the offer could never be used")
		}
		b.Interval.check(path+".", faults)
	}
	if s.Life < 0 || s.Life > 100*365*24*time.Hour || s.Life%time.Second != 0 {
		faults.add("schedule.life", "is %s, want 0 to 100 years in whole seconds", s.Life)
	}
	if _, err := loadZone(s.Zone); err != nil {
		faults.add("schedule.zone", "%.80q is not a time zone of the IANA database", s.Zone)
	}
}

func loadZone(name string) (*time.Location, error) {
	if name == "Local" { // the machine's own zone would make two machines disagree
		return nil, fmt.Errorf("coupon: the zone %q depends on the machine", name)
	}
	return time.LoadLocation(name)
}

func (i Interval) check(prefix string, faults *Faults) {
	if !i.From.IsZero() {
		faults.instant(prefix+"from", i.From)
	}
	if !i.Until.IsZero() {
		faults.instant(prefix+"until", i.Until)
		if !i.From.Before(i.Until) {
			faults.add(prefix+"until", "does not lie after from: no time is left")
		}
	}
}

func (o *Offer) checkLimits(faults *Faults) {
	if len(o.Limits) > 10 {
		faults.add("limits", "has %d entries, at most 10 are allowed", len(o.Limits))
	}
	for i, l := range o.Limits {
		path := fmt.Sprintf("limits[%d]", i)
		if l.Per > PerCoupon {
			faults.add(path+".per", "is %d, which is not defined", l.Per)
		}
		if l.Uses < 1 {
			faults.add(path+".uses", "is %d, want at least 1", l.Uses)
		}
		if !l.Period.Valid() {
			faults.add(path+".period", "is %.40q, which is not defined", l.Period)
		}
		if l.Per == PerCoupon && l.Period != ledger.Lifetime {
			faults.add(path+".period", "is %q, but the uses of a coupon are counted once and for all", l.Period)
		}
		for j, other := range o.Limits[:i] {
			if other.Per == l.Per && other.Period == l.Period {
				faults.add(path, "counts the same as limits[%d]: keep one of them", j)
			}
		}
	}
}

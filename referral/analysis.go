package referral

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Analysis is what a program did in a period: the friends bound in it, and what became
// of them to this day.
type Analysis struct {
	Touches   int64           // links followed and codes entered in the period
	Bound     int64           // friends
	Qualified int64           // of them, those who did what qualifies, whatever came of it
	Confirmed int64           // of them, those whose rewards stand
	States    map[State]int64 // where they stand
	Referrers int64           // who brought them
	Given     Totals
	Top       []TopReferrer // who brought most confirmed friends, at most as many as were asked for
}

// Totals are rewards summed up.
type Totals struct {
	Rewards  int64               // granted, and not taken back as a whole
	Withheld int64               // at a cap, a budget, or denied
	Credit   coupon.Amounts      // granted, less what was taken back
	Coupons  []coupon.IssueOffer // granted, by offer
	Custom   map[string]int64    // granted, by kind

	ClawedBack int64          // rewards granted and taken back as a whole
	TakenBack  coupon.Amounts // of credit granted: by returns and verdicts, as its life was over, or owed since it was spent
}

// TopReferrer is one referrer and what they brought.
type TopReferrer struct {
	Referrer  string
	Bound     int64
	Confirmed int64
}

// Conversion is the share of bound friends who were confirmed, from 0 to 1.
func (a *Analysis) Conversion() float64 { return ratio(a.Confirmed, a.Bound) }

// KFactor is how many confirmed new customers each referrer brought: those they invited,
// times the share of them who were confirmed. Above 1 a program feeds itself.
func (a *Analysis) KFactor() float64 { return ratio(a.Confirmed, a.Referrers) }

// CostPerCustomer is what credit was given for each confirmed friend, rounded up, per
// currency. Coupons cost what is redeemed: ask the book for that.
func (a *Analysis) CostPerCustomer() coupon.Amounts {
	var all coupon.Amounts
	for _, m := range a.Given.Credit {
		if a.Confirmed > 0 {
			all = append(all, ledger.Minor((m.Minor()+a.Confirmed-1)/a.Confirmed, m.Currency()))
		}
	}
	return all
}

func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// AnalysisQuery says what is analysed.
type AnalysisQuery struct {
	Period coupon.Interval // when friends were bound; the zero value: ever
	Top    int             // how many referrers; default 10, at most 1,000
}

// Analyze reads a program's referrals of a period, page by page, and says how it did. It
// holds one count per referrer in memory. Of a running program it is about right: pages
// are read one after the other. For more than that, the views ([Views]) are there. It
// fails with a [*Faults].
func (s *Service) Analyze(ctx context.Context, program string, q AnalysisQuery) (Analysis, error) {
	faults := &Faults{Kind: ErrRequest}
	if !programID.MatchString(program) {
		faults.add("program", "is %.80q, want %s", program, programID)
	}
	checkInterval("period", q.Period, faults)
	if q.Top < 0 || q.Top > 1000 {
		faults.add("top", "is %d, want 0 (for 10) to 1000", q.Top)
	}
	if err := faults.orNil(); err != nil {
		return Analysis{}, err
	}
	a := Analysis{States: make(map[State]int64)}
	referrers := make(map[string]*TopReferrer)
	err := s.eachReferral(ctx, program, q.Period, func(bodies []referralBody) error {
		for i := range bodies {
			a.count(&bodies[i], referrers)
		}
		return s.eachReward(ctx, bodies, a.Given.reward)
	})
	if err != nil {
		return Analysis{}, err
	}
	a.Referrers = int64(len(referrers))
	a.Top = top(referrers, cmp.Or(q.Top, 10))
	a.Touches, err = s.countTouches(ctx, program, q.Period)
	return a, err
}

func (a *Analysis) count(b *referralBody, referrers map[string]*TopReferrer) {
	a.Bound++
	a.States[b.State]++
	r := referrers[b.Referrer]
	if r == nil {
		r = &TopReferrer{Referrer: b.Referrer}
		referrers[b.Referrer] = r
	}
	r.Bound++
	if b.Gross > 0 {
		a.Qualified++
	}
	if b.State == StateConfirmed {
		a.Confirmed++
		r.Confirmed++
	}
}

func top(referrers map[string]*TopReferrer, n int) []TopReferrer {
	var all []TopReferrer
	for _, r := range referrers {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b TopReferrer) int {
		return cmp.Or(cmp.Compare(b.Confirmed, a.Confirmed), cmp.Compare(b.Bound, a.Bound), cmp.Compare(a.Referrer, b.Referrer))
	})
	return slices.Clip(all[:min(n, len(all))])
}

// query is of a program's documents in a period.
func inPeriod(kind, program string, period coupon.Interval) storage.Query {
	return storage.Query{Kind: kind, List: programList(program), From: micros(period.From), Until: micros(period.Until), Limit: storage.MaxPage}
}

// eachReferral visits a program's referrals bound in a period, a page at a time, in the
// order they were bound in.
func (s *Service) eachReferral(ctx context.Context, program string, period coupon.Interval, visit func([]referralBody) error) error {
	query := inPeriod(kindReferral, program, period)
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return err
		}
		bodies := make([]referralBody, 0, len(page.Docs))
		for _, doc := range page.Docs {
			r, err := referrals.Decode(doc)
			if err != nil {
				return err
			}
			bodies = append(bodies, r.Value)
		}
		if err := visit(bodies); err != nil {
			return err
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

func (s *Service) countTouches(ctx context.Context, program string, period coupon.Interval) (int64, error) {
	query, n := inPeriod(kindTouch, program, period), int64(0)
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return 0, err
		}
		n += int64(len(page.Docs))
		if query.After = page.Next; query.After == "" {
			return n, nil
		}
	}
}

// eachReward visits the rewards of some referrals.
func (s *Service) eachReward(ctx context.Context, bodies []referralBody, visit func(*rewardBody)) error {
	var keys []storage.Key
	for i := range bodies {
		keys = append(keys, rewardKeys(bodies[i].Program, bodies[i].Friend)...)
		for _, id := range bodies[i].Made {
			keys = append(keys, rewardKey(id))
		}
	}
	for chunk := range slices.Chunk(keys, storage.MaxGet) {
		docs, _, err := s.store.Get(ctx, chunk)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			r, err := rewards.Decode(doc)
			if err != nil {
				return err
			}
			visit(&r.Value)
		}
	}
	return nil
}

func (t *Totals) reward(b *rewardBody) {
	switch b.State {
	case RewardWithheld:
		t.Withheld++
	case RewardClawedBack:
		t.ClawedBack++
		t.takenBack(b)
	case RewardGranted, RewardExpired:
		t.takenBack(b)
		t.Rewards++
		earned := b.Gives.earning()
		for i, m := range earned.Credit {
			earned.Credit = slices.Clone(earned.Credit)
			earned.Credit[i] = ledger.Minor(b.earned(m), m.Currency())
		}
		t.add(&earned)
	}
}

// takenBack counts what was taken back of a reward's credit once it was granted, and what is
// owed of it.
func (t *Totals) takenBack(b *rewardBody) {
	for _, m := range b.Gives.Credit {
		t.TakenBack = plus(t.TakenBack, m.Minor()-b.earned(m)-minorIn(b.Back.Before, m.Currency()), m.Currency())
	}
}

// add counts one earning.
func (t *Totals) add(e *Earning) {
	for _, m := range e.Credit {
		t.Credit = plus(t.Credit, m.Minor(), m.Currency())
	}
	for _, o := range e.Coupons {
		i, found := slices.BinarySearchFunc(t.Coupons, o.Offer, func(has coupon.IssueOffer, id string) int { return cmp.Compare(has.Offer, id) })
		if !found {
			t.Coupons = slices.Insert(t.Coupons, i, coupon.IssueOffer{Offer: o.Offer})
		}
		t.Coupons[i].Count += max(1, o.Count)
	}
	if e.Custom != nil {
		t.Custom = maps.Clone(t.Custom)
		if t.Custom == nil {
			t.Custom = make(map[string]int64)
		}
		t.Custom[e.Custom.Kind]++
	}
}

// String says the totals on one line.
func (t Totals) String() string {
	text := fmt.Sprintf("%d rewards, %d withheld", t.Rewards, t.Withheld)
	for _, m := range t.Credit {
		text += ", " + m.String()
	}
	for _, o := range t.Coupons {
		text += fmt.Sprintf(", %d × %s", o.Count, o.Offer)
	}
	for _, kind := range slices.Sorted(maps.Keys(t.Custom)) {
		text += fmt.Sprintf(", %d × %s", t.Custom[kind], kind)
	}
	if t.ClawedBack > 0 {
		text += fmt.Sprintf("; %d taken back", t.ClawedBack)
	}
	for _, m := range t.TakenBack {
		text += fmt.Sprintf("; %s taken back", m)
	}
	return text
}

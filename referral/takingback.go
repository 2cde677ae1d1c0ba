package referral

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// cancel takes back the promises of some steps that were not granted.
func (w *work) cancel(why string, steps ...Step) {
	for _, r := range w.sortedRewards() {
		if slices.Contains(steps, r.Value.Step) && r.Value.State == RewardPending {
			w.cancelOne(r, why)
		}
	}
}

func (w *work) cancelOne(r *storage.Record[rewardBody], why string) { w.drop(r, RewardCanceled, why) }

// drop ends a reward that is not recorded as granted. A hook that was to be asked may have
// granted it all the same, when what came of it could not be written: so it is asked to
// take it back, and what the reward claimed is held until it answers.
func (w *work) drop(r *storage.Record[rewardBody], state RewardState, why string) {
	b := &r.Value
	b.State, b.Why = state, why
	w.changed[r.Key.ID] = true
	if b.Gives.Custom != nil && b.Retry > 0 {
		b.Retry = micros(w.now)
	} else {
		b.Retry = 0
		w.giveBack(b.Claims)
	}
	w.decide(string(state), why, r.Key.ID)
}

// clawBack takes the rewards of some steps back.
func (w *work) clawBack(ctx context.Context, why string, steps ...Step) error {
	for _, r := range w.sortedRewards() {
		if !slices.Contains(steps, r.Value.Step) || r.Value.State != RewardGranted && r.Value.State != RewardExpired {
			continue
		}
		if err := w.clawBackOne(ctx, r, why); err != nil {
			return err
		}
	}
	return nil
}

// clawBackOne takes a granted reward back: coupons not used are revoked, credit is
// taken as far as it is there, and what was used is owed: of credit whose life is over,
// what was spent in it.
func (w *work) clawBackOne(ctx context.Context, r *storage.Record[rewardBody], why string) error {
	b := &r.Value
	b.State, b.Why = RewardClawedBack, why
	w.changed[r.Key.ID] = true
	for _, id := range b.Coupons {
		offer, used, err := w.revokeAll(ctx, id, why)
		if errors.Is(err, coupon.ErrNoCoupon) {
			continue
		}
		if err != nil {
			return err
		}
		if used {
			b.Back.Owed = append(b.Back.Owed, id)
			w.owes(r, fmt.Sprintf("a coupon of offer %q", offer))
			if err := w.oweCoupon(ctx, b.Customer, offer); err != nil {
				return err
			}
		}
	}
	for _, offer := range slices.Sorted(maps.Keys(b.Back.Coupons)) { // what paid a debt is owed again
		for range b.Back.Coupons[offer] {
			if err := w.oweCoupon(ctx, b.Customer, offer); err != nil {
				return err
			}
		}
	}
	if b.Gives.Custom != nil {
		b.Retry = micros(w.now) // a sweep asks the shop's hook
	}
	for _, m := range b.Gives.Credit {
		w.takings = append(w.takings, taking{r, b.earned(m) - w.queued(r, m.Currency()), m.Currency(), true})
	}
	if len(b.Gives.Credit) == 0 {
		w.tookBack(r)
	}
	return nil
}

// revokeAll revokes a coupon and what staff have given in its place. It says whether
// any of them was used.
func (w *work) revokeAll(ctx context.Context, id, why string) (offer string, used bool, err error) {
	for id != "" {
		revoked, err := w.coupons.PlanRevoke(ctx, id, "claw back", why, w.now)
		if err != nil {
			return "", false, err
		}
		w.batches = append(w.batches, revoked.Batch)
		offer, used = revoked.Answer.Offer, used || len(revoked.Answer.Used) > 0
		id = revoked.Answer.Revoked.Reissued
	}
	return offer, used, nil
}

// tookBack records what was taken back of a reward, and frees what it held of caps and
// budget when nothing is owed.
func (w *work) tookBack(r *storage.Record[rewardBody]) {
	b := &r.Value
	why := fmt.Sprintf("coupons taken back: %d, of which used and owed: %d", len(b.Coupons), len(b.Back.Owed))
	for _, m := range b.Gives.Credit {
		why += fmt.Sprintf("; of %s: taken back %s, owed %s", m, ledger.Minor(minorIn(b.Back.Taken, m.Currency()), m.Currency()), ledger.Minor(minorIn(b.Back.Money, m.Currency()), m.Currency()))
	}
	if b.Retry == 0 { // else its hook is asked first
		w.free(b)
	}
	w.decide("clawed_back", why, r.Key.ID)
}

// free gives back what a reward held that was taken back, when nothing of it is owed.
func (w *work) free(b *rewardBody) {
	if len(b.Back.Owed) == 0 && len(b.Back.Money) == 0 && len(b.Back.Coupons) == 0 {
		w.giveBack(b.Claims)
	}
}

// takeBackByHook has the shop take back what is of its own kind.
func (w *work) takeBackByHook(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	w.changed[r.Key.ID] = true
	hook := w.options.Hooks[b.Gives.Custom.Kind]
	if hook == nil {
		return fmt.Errorf("referral: no hook takes rewards of kind %q back", b.Gives.Custom.Kind)
	}
	owed, err := hook.TakeBack(ctx, b.request(r.Key.ID))
	if err != nil {
		return err
	}
	if b.Retry = 0; owed {
		b.Back.Owed = append(b.Back.Owed, b.Gives.Custom.Kind)
		w.owes(r, fmt.Sprintf("the %q", b.Gives.Custom.Kind))
	}
	w.free(b)
	w.decide("taken_back", fmt.Sprintf("the shop took the %s back; owed: %t", b.Gives.Custom.Kind, owed), r.Key.ID)
	return nil
}

// expire takes back what is left of a reward's credit when its life is over. What was
// spent is taken to be of the oldest credit, so what is left of this reward is at most
// what the account has.
func (w *work) expire(ctx context.Context, r *storage.Record[rewardBody]) error {
	b := &r.Value
	b.State = RewardExpired
	w.changed[r.Key.ID] = true
	later, err := w.laterCredit(ctx, r)
	if err != nil {
		return err
	}
	for _, m := range b.Gives.Credit {
		has, err := w.coupons.Credit(ctx, b.Customer, m.Currency())
		if err != nil {
			return err
		}
		left := max(0, min(b.stands(m), has.Minor()-minorIn(later, m.Currency())))
		if left > 0 {
			w.takings = append(w.takings, taking{r, left, m.Currency(), false})
		}
	}
	w.decide("expired", "its life is over: what was not spent is taken back", r.Key.ID)
	return nil
}

// laterCredit is what a customer's later rewards of the program gave in credit that is
// still good.
func (w *work) laterCredit(ctx context.Context, r *storage.Record[rewardBody]) (coupon.Amounts, error) {
	var sum coupon.Amounts
	query := storage.Query{Kind: kindReward, List: rewardList(r.Value.Program, r.Value.Customer), From: r.Value.Promised}
	for {
		page, err := w.store.List(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, doc := range page.Docs {
			other, err := rewards.Decode(doc)
			if err != nil {
				return nil, err
			}
			o := &other.Value
			if doc.Key == r.Key || o.State != RewardGranted || cmp.Or(cmp.Compare(o.Granted, r.Value.Granted), cmp.Compare(doc.Key.ID, r.Key.ID)) < 0 {
				continue
			}
			for _, m := range o.Gives.Credit {
				sum = plus(sum, o.stands(m), m.Currency())
			}
		}
		if query.After = page.Next; query.After == "" {
			return sum, nil
		}
	}
}

// earned is how much of an amount of a reward's credit still counts for the customer:
// it was given to them, or paid a debt of theirs.
func (b *rewardBody) earned(m ledger.Money) int64 {
	return m.Minor() - minorIn(b.Back.Taken, m.Currency()) - minorIn(b.Back.Money, m.Currency())
}

// stands is how much of it was given to the customer.
func (b *rewardBody) stands(m ledger.Money) int64 {
	return b.earned(m) - minorIn(b.Back.SetOff, m.Currency())
}

// taking is credit to be taken back for a reward.
type taking struct {
	reward   *storage.Record[rewardBody]
	minor    int64
	currency ledger.Currency
	all      bool // the reward is clawed back
}

// take books the credit that is taken back: one taking for each customer and currency,
// since two would both be made for all that is there.
func (w *work) take(ctx context.Context) error {
	slices.SortStableFunc(w.takings, func(a, b taking) int {
		return cmp.Or(cmp.Compare(a.reward.Value.Customer, b.reward.Value.Customer), cmp.Compare(a.currency.Code(), b.currency.Code()))
	})
	for len(w.takings) > 0 {
		first := w.takings[0]
		n := slices.IndexFunc(w.takings, func(t taking) bool {
			return t.reward.Value.Customer != first.reward.Value.Customer || t.currency != first.currency
		})
		if n < 0 {
			n = len(w.takings)
		}
		if err := w.takeFrom(ctx, w.takings[:n]); err != nil {
			return err
		}
		w.takings = w.takings[n:]
	}
	for _, r := range w.sortedRewards() {
		if b := &r.Value; w.changed[r.Key.ID] && b.State == RewardClawedBack && len(b.Gives.Credit) > 0 && !w.told(r.Key.ID) {
			w.tookBack(r)
		}
	}
	return nil
}

// told says that the taking back of a reward is among the decisions.
func (w *work) told(id string) bool {
	return slices.ContainsFunc(w.referral.Value.Decisions, func(d decisionBody) bool { return d.What == "clawed_back" && d.Reward == id })
}

// takeFrom takes some amounts of one currency from one customer.
func (w *work) takeFrom(ctx context.Context, takings []taking) error {
	first := takings[0].reward
	var sum, moved int64
	for i := range takings {
		netted := w.net(&takings[i])
		moved += netted
		sum += takings[i].minor - netted
	}
	if sum > 0 {
		first.Value.Back.Takings++
		taken, err := w.coupons.PlanTakeCredit(ctx, coupon.CreditRequest{
			ID:       fmt.Sprintf("%s-%s-%d", issueID(first.Key.ID), takings[0].currency.Code(), first.Value.Back.Takings),
			Customer: first.Value.Customer, Amount: ledger.Minor(sum, takings[0].currency), Concerns: first.Value.Program,
		}, w.now)
		if err != nil {
			return err
		}
		w.batches = append(w.batches, taken.Batch)
		moved += taken.Answer.Moved.Minor()
	}
	for _, t := range takings {
		b, got := &t.reward.Value, min(moved, t.minor)
		moved -= got
		b.Back.Taken = plus(b.Back.Taken, got, t.currency)
		b.Back.Money = plus(b.Back.Money, t.minor-got, t.currency)
		w.changed[t.reward.Key.ID] = true
		if t.minor > got {
			w.owes(t.reward, ledger.Minor(t.minor-got, t.currency).String())
		}
		if err := w.oweMoney(ctx, b.Customer, t.minor-got, t.currency); err != nil {
			return err
		}
		if !t.all {
			w.decide("reduced", fmt.Sprintf("taken back %s, owed %s", ledger.Minor(got, t.currency), ledger.Minor(t.minor-got, t.currency)), t.reward.Key.ID)
		}
	}
	return nil
}

// reduce shrinks the credit of qualification with what was kept of what qualified.
func (w *work) reduce(ctx context.Context, q *qualified) error {
	b := &w.referral.Value
	if w.terms.Shortfall != ShortfallReduces || !q.reduced() || b.State != StateHeld && b.State != StateConfirmed {
		return nil
	}
	for _, r := range w.sortedRewards() {
		if r.Value.Step != Qualified {
			continue
		}
		for _, m := range r.Value.Gives.Credit {
			w.reduceTo(r, m.Currency(), share(m.Minor(), q.kept, q.asked))
		}
	}
	return ctx.Err()
}

// queued is what this work is about to take of a reward's credit already.
func (w *work) queued(r *storage.Record[rewardBody], currency ledger.Currency) int64 {
	var sum int64
	for _, t := range w.takings {
		if t.reward == r && t.currency == currency {
			sum += t.minor
		}
	}
	return sum
}

// reduceTo leaves no more than a part of a reward's credit.
func (w *work) reduceTo(r *storage.Record[rewardBody], currency ledger.Currency, target int64) {
	b := &r.Value
	has := b.earned(ledger.Minor(minorIn(b.Gives.Credit, currency), currency)) - w.queued(r, currency)
	if has <= target {
		return
	}
	switch b.State {
	case RewardPending:
		b.Back.Taken = plus(b.Back.Taken, has-target, currency)
		b.Back.Before = plus(b.Back.Before, has-target, currency)
		w.changed[r.Key.ID] = true
		w.decide("reduced", fmt.Sprintf("to %s, with what was kept", ledger.Minor(target, currency)), r.Key.ID)
	case RewardGranted:
		w.takings = append(w.takings, taking{r, has - target, currency, false})
	}
}

// share is an amount in the proportion of what was kept, rounded down.
func share(amount, kept, asked int64) int64 {
	hi, lo := bits.Mul64(uint64(amount), uint64(max(0, min(kept, asked))))
	quotient, _ := bits.Div64(hi, lo, uint64(asked)) // kept ≤ asked: it fits
	return int64(quotient)
}

// minorIn is an amount of a currency in minor units; 0 where there is none.
func minorIn(amounts coupon.Amounts, currency ledger.Currency) int64 {
	m, _ := amounts.In(currency)
	return m.Minor()
}

// plus adds to the amount of a currency.
func plus(amounts coupon.Amounts, minor int64, currency ledger.Currency) coupon.Amounts {
	if minor == 0 {
		return amounts
	}
	amounts = slices.Clone(amounts)
	i := slices.IndexFunc(amounts, func(m ledger.Money) bool { return m.Currency() == currency })
	if i < 0 {
		return append(amounts, ledger.Minor(minor, currency))
	}
	amounts[i] = ledger.Minor(amounts[i].Minor()+minor, currency)
	if amounts[i].IsZero() {
		return slices.Delete(amounts, i, i+1)
	}
	return amounts
}

// Debts.

// debtBody is what a customer owes a program: rewards taken back that were used, and
// not set off yet. It is kept where the terms set debts off.
type debtBody struct {
	Program  string           `json:"program"`
	Customer string           `json:"customer"`
	Money    coupon.Amounts   `json:"money"`
	Coupons  map[string]int64 `json:"coupons"` // by offer
}

const kindDebt = "debt"

var debts = storage.NewCodec[debtBody](1)

// merge takes over what another account owes, whose person this one is too.
func (d *debtBody) merge(from *debtBody) {
	for _, m := range from.Money {
		d.Money = plus(d.Money, m.Minor(), m.Currency())
	}
	if d.Coupons = maps.Clone(d.Coupons); d.Coupons == nil {
		d.Coupons = make(map[string]int64)
	}
	for offer, n := range from.Coupons {
		d.Coupons[offer] += n
	}
	from.Money, from.Coupons = nil, nil
}

// debtRecord is a debt that was read, and whether it has changed.
type debtRecord struct {
	storage.Record[debtBody]
	changed bool
}

func debtKey(program, customer string) storage.Key {
	return storage.Key{Kind: kindDebt, ID: program + "/" + customer}
}

// debt reads what a customer owes; nil where the terms don't set debts off.
func (w *work) debt(ctx context.Context, customer string) (*debtRecord, error) {
	if w.terms.Debt != DebtSetOff {
		return nil, nil
	}
	if d := w.debts[customer]; d != nil {
		return d, nil
	}
	r, err := one(ctx, w.snapshot, debts, debtKey(w.terms.ID, customer))
	if err != nil {
		return nil, err
	}
	r.Value.Program, r.Value.Customer = w.terms.ID, customer
	r.Value.Coupons = maps.Clone(r.Value.Coupons)
	w.debts[customer] = &debtRecord{Record: r}
	return w.debts[customer], nil
}

// debtCase begins the decision that opens a case about a debt.
const debtCase = "a case is open about what is owed: "

// owes notes what staff are to review, where the terms have them review debts.
func (w *work) owes(r *storage.Record[rewardBody], what string) {
	if w.terms.Debt == DebtReviewed {
		w.owing = append(w.owing, fmt.Sprintf("debt: of the %s's reward (%s), %s was used and is owed", r.Value.Side, r.Value.Step, what))
	}
}

// reviewDebts opens one case for all that came to be owed at once. It is numbered by the
// version of the referral that says so.
func (w *work) reviewDebts() error {
	if len(w.owing) == 0 {
		return nil
	}
	id, err := w.newCase(fmt.Sprintf("debt/%d", w.referral.Version+1), caseBody{
		Reasons: w.owing, Until: micros(w.now.Add(w.terms.Review.Within)), Otherwise: w.terms.Review.otherwise(),
	})
	w.decide("review", debtCase+id, "")
	return err
}

func (w *work) oweCoupon(ctx context.Context, customer, offer string) error {
	d, err := w.debt(ctx, customer)
	if err != nil || d == nil {
		return err
	}
	if d.Value.Coupons == nil {
		d.Value.Coupons = make(map[string]int64)
	}
	d.Value.Coupons[offer]++
	d.changed = true
	return nil
}

func (w *work) oweMoney(ctx context.Context, customer string, minor int64, currency ledger.Currency) error {
	d, err := w.debt(ctx, customer)
	if err != nil || d == nil || minor == 0 {
		return err
	}
	d.Value.Money, d.changed = plus(d.Value.Money, minor, currency), true
	return nil
}

// lessOwed is what a reward gives of coupons, less those of the same offers that the
// customer owes, and how many of each offer those are. It changes nothing: the reward may
// have to wait for its offers.
func (w *work) lessOwed(ctx context.Context, r *storage.Record[rewardBody]) (left []coupon.IssueOffer, off map[string]int64, err error) {
	offers := issueOffers(r.Value.Gives.Coupons)
	d, err := w.debt(ctx, r.Value.Customer)
	if err != nil || d == nil || len(d.Value.Coupons) == 0 {
		return offers, nil, err
	}
	off = make(map[string]int64)
	for _, o := range offers {
		o.Count = max(1, o.Count)
		n := min(int64(o.Count), d.Value.Coupons[o.Offer]-off[o.Offer])
		off[o.Offer] += n
		if o.Count -= int(n); o.Count > 0 {
			left = append(left, o)
		}
	}
	return left, off, nil
}

// setOffCoupons has coupons of a reward go to what the customer owes.
func (w *work) setOffCoupons(ctx context.Context, r *storage.Record[rewardBody], off map[string]int64) error {
	d, err := w.debt(ctx, r.Value.Customer)
	if err != nil || d == nil {
		return err
	}
	for _, offer := range slices.Sorted(maps.Keys(off)) {
		n := off[offer]
		if n == 0 {
			continue
		}
		if d.Value.Coupons[offer] -= n; d.Value.Coupons[offer] == 0 {
			delete(d.Value.Coupons, offer)
		}
		d.changed = true
		if r.Value.Back.Coupons == nil {
			r.Value.Back.Coupons = make(map[string]int64)
		}
		r.Value.Back.Coupons[offer] += n
		w.decide("set_off", fmt.Sprintf("%d coupons of offer %q go to what is owed", n, offer), r.Key.ID)
	}
	return nil
}

// setOffMoney is how much of a reward's credit goes to what the customer owes.
func (w *work) setOffMoney(ctx context.Context, r *storage.Record[rewardBody], currency ledger.Currency, minor int64) (int64, error) {
	d, err := w.debt(ctx, r.Value.Customer)
	if err != nil || d == nil {
		return 0, err
	}
	off := max(0, min(minor, minorIn(d.Value.Money, currency)))
	if off == 0 {
		return 0, nil
	}
	d.Value.Money, d.changed = plus(d.Value.Money, -off, currency), true
	r.Value.Back.SetOff = plus(r.Value.Back.SetOff, off, currency)
	w.decide("set_off", fmt.Sprintf("%s go to what is owed", ledger.Minor(off, currency)), r.Key.ID)
	return off, nil
}

package referral

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// keptFigure is one number that is kept of a customer in a program, and follows from referrals
// and rewards.
type keptFigure struct {
	kind, program, customer string
	of                      string // what it counts
}

// keptSum is what is kept of a figure, what it should be, and a print of the documents
// that say so.
type keptSum struct {
	found, want int64
	print       uint64
}

// sumsPass is one reading of all tallies and debts, and of what they are made of. It keeps
// one sum per figure that is not zero.
type sumsPass struct {
	*auditor
	figures  map[keptFigure]*keptSum
	versions map[programVersion]*Program // nil: it can't be read, and is found where it is first met
}

// sumsSuspect is a figure that is not what it is made of. As in [ledger.Audit], two readings
// in a row that find it with the same print prove it.
type sumsSuspect struct {
	ledger.Discrepancy
	print uint64
}

const sumsPasses = 5

// What is counted, beside the currencies of debts.
const (
	countingFriends  = "friends who count"
	confirmedFriends = "friends confirmed"
	owedCoupons      = "coupons of offer "
)

// sums checks that the tally of each referrer is what their referrals come to, and the debt
// of each customer what their rewards do. Accounts that were merged count together: while
// they are being moved, either may have what is the other's.
func (a *auditor) sums(ctx context.Context) error {
	var before []sumsSuspect
	var moved []ledger.Discrepancy
	for range sumsPasses {
		pass := sumsPass{auditor: a, figures: make(map[keptFigure]*keptSum), versions: make(map[programVersion]*Program)}
		suspects, err := pass.read(ctx)
		if err != nil {
			return err
		}
		moved = nil
		for _, s := range suspects {
			switch known := slices.Contains(a.report.Discrepancies, s.Discrepancy); {
			case !known && slices.Contains(before, s):
				a.report.Discrepancies = append(a.report.Discrepancies, s.Discrepancy)
			case !known:
				moved = append(moved, s.Discrepancy)
			}
		}
		if before = suspects; len(moved) == 0 {
			return nil
		}
	}
	a.report.Unsettled = append(a.report.Unsettled, moved...)
	return nil
}

// read streams the documents, and compares what is kept with what it is made of.
func (p *sumsPass) read(ctx context.Context) ([]sumsSuspect, error) {
	for _, step := range []struct {
		kind string
		read func(context.Context, storage.Doc) error
	}{{kindReferral, p.referral}, {kindReward, p.reward}, {kindTally, p.tally}, {kindDebt, p.debt}} {
		err := p.each(ctx, step.kind, func(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
			return nil, step.read(ctx, doc)
		})
		if err != nil {
			return nil, err
		}
	}
	if err := p.together(ctx); err != nil {
		return nil, err
	}
	var suspects []sumsSuspect
	for f, sum := range p.figures {
		if sum.found != sum.want {
			where := storage.Key{Kind: f.kind, ID: f.program + "/" + f.customer}
			suspects = append(suspects, sumsSuspect{ledger.Discrepancy{
				Finding: ledger.FoundCounter, Where: where.String(), Found: sum.found, Want: sum.want, Note: f.of + ": referrals and rewards come to the latter",
			}, sum.print})
		}
	}
	slices.SortFunc(suspects, func(x, y sumsSuspect) int {
		return cmp.Or(strings.Compare(x.Where, y.Where), strings.Compare(x.Note, y.Note))
	})
	return suspects, nil
}

// add adds to a figure what is kept of it, and what it should be, as a document says.
func (p *sumsPass) add(kind, program, customer, of string, found, want int64, doc storage.Doc) {
	if found == 0 && want == 0 {
		return
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00%s", doc.Version, doc.Key.Kind, doc.Key.ID)
	p.plus(keptFigure{kind, program, customer, of}, keptSum{found, want, h.Sum64()})
}

func (p *sumsPass) plus(f keptFigure, more keptSum) {
	sum := p.figures[f]
	if sum == nil {
		sum = new(keptSum)
		p.figures[f] = sum
	}
	sum.found, sum.want, sum.print = sum.found+more.found, sum.want+more.want, sum.print+more.print // prints in any order
}

// version gives the terms that a referral is pinned to; nil where they can't be read.
func (p *sumsPass) version(ctx context.Context, b *referralBody) (*Program, error) {
	v := programVersion{b.Program, b.Version}
	terms, known := p.versions[v]
	if known {
		return terms, nil
	}
	docs, err := p.get(ctx, versionKey(v))
	if err != nil {
		return nil, err
	}
	if terms, err = readProgram(docs[versionKey(v)]); err != nil {
		terms = nil
		wrong := ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: versionKey(v).String(), Note: err.Error()}
		if !slices.Contains(p.report.Discrepancies, wrong) {
			p.report.Discrepancies = append(p.report.Discrepancies, wrong)
		}
	}
	p.versions[v] = terms
	return terms, nil
}

// referral adds what a referral counts for, and what is owed of milestones that were lost
// with it: whether debts are kept is in its terms then, whichever friend reached them.
func (p *sumsPass) referral(ctx context.Context, doc storage.Doc) error {
	r, err := referrals.Decode(doc)
	if err != nil {
		return nil // found by itself
	}
	b := &r.Value
	terms, err := p.version(ctx, b)
	if err != nil || terms == nil {
		return err
	}
	if terms.counts() {
		counting, confirmed := b.counts()
		p.add(kindTally, b.Program, b.Referrer, countingFriends, 0, counting, doc)
		p.add(kindTally, b.Program, b.Referrer, confirmedFriends, 0, confirmed, doc)
	}
	if terms.Debt != DebtSetOff {
		return nil
	}
	for i := range b.Decisions {
		d := &b.Decisions[i]
		if d.What != string(RewardClawedBack) {
			continue
		}
		docs, err := p.get(ctx, rewardKey(d.Reward))
		if err != nil {
			return err
		}
		lost, err := record(rewards, docs, rewardKey(d.Reward))
		if err != nil || lost.Value.Step != Milestones {
			continue
		}
		if err := p.owed(ctx, docs[lost.Key], &lost.Value); err != nil {
			return err
		}
	}
	return nil
}

// reward adds what came to be owed of a reward, and takes off what it set off.
func (p *sumsPass) reward(ctx context.Context, doc storage.Doc) error {
	r, err := rewards.Decode(doc)
	if err != nil {
		return nil // found by itself
	}
	b := &r.Value
	for _, m := range b.Back.SetOff {
		p.add(kindDebt, b.Program, b.Customer, m.Currency().Code(), 0, -m.Minor(), doc)
	}
	for offer, n := range b.Back.Coupons {
		p.add(kindDebt, b.Program, b.Customer, owedCoupons+offer, 0, -n, doc)
	}
	if b.Step == Milestones || len(b.Back.Money)+len(b.Back.Owed)+len(b.Back.Coupons) == 0 {
		return nil
	}
	docs, err := p.get(ctx, referralKey(b.Program, b.Friend))
	if err != nil {
		return err
	}
	referral, err := record(referrals, docs, referralKey(b.Program, b.Friend))
	if err != nil || referral.Version == 0 {
		return nil // found by itself
	}
	terms, err := p.version(ctx, &referral.Value)
	if err != nil || terms == nil || terms.Debt != DebtSetOff {
		return err
	}
	return p.owed(ctx, doc, b)
}

// owed adds what came to be owed of a reward.
func (p *sumsPass) owed(ctx context.Context, doc storage.Doc, b *rewardBody) error {
	for _, m := range b.Back.Money {
		p.add(kindDebt, b.Program, b.Customer, m.Currency().Code(), 0, m.Minor(), doc)
	}
	for _, id := range b.Back.Owed {
		if !slices.Contains(b.Coupons, id) { // the shop's own
			continue
		}
		c, err := p.coupons.Coupon(ctx, id)
		if errors.Is(err, coupon.ErrNoCoupon) || errors.Is(err, storage.ErrCorrupt) {
			continue // found by itself
		}
		if err != nil {
			return err
		}
		p.add(kindDebt, b.Program, b.Customer, owedCoupons+c.Offer, 0, 1, doc)
	}
	if b.State == RewardClawedBack { // what paid a debt is owed again
		for offer, n := range b.Back.Coupons {
			p.add(kindDebt, b.Program, b.Customer, owedCoupons+offer, 0, n, doc)
		}
	}
	return nil
}

func (p *sumsPass) tally(_ context.Context, doc storage.Doc) error {
	r, err := tallies.Decode(doc)
	if err != nil {
		return nil // found by itself
	}
	program, referrer, _ := strings.Cut(doc.Key.ID, "/") // no program has a '/'
	p.add(kindTally, program, referrer, countingFriends, r.Value.Counting, 0, doc)
	p.add(kindTally, program, referrer, confirmedFriends, r.Value.Confirmed, 0, doc)
	return nil
}

func (p *sumsPass) debt(_ context.Context, doc storage.Doc) error {
	r, err := debts.Decode(doc)
	if err != nil {
		return nil // found by itself
	}
	program, customer, _ := strings.Cut(doc.Key.ID, "/")
	for _, m := range r.Value.Money {
		p.add(kindDebt, program, customer, m.Currency().Code(), m.Minor(), 0, doc)
	}
	for offer, n := range r.Value.Coupons {
		p.add(kindDebt, program, customer, owedCoupons+offer, n, 0, doc)
	}
	return nil
}

// together counts what accounts have that were merged for what they have become.
func (p *sumsPass) together(ctx context.Context) error {
	became := make(map[string]string) // of those merged
	read := make(map[string]bool)
	for f := range p.figures {
		read[f.customer] = false
	}
	for more := slices.Sorted(maps.Keys(read)); len(more) > 0; {
		var next []string
		for chunk := range slices.Chunk(more, storage.MaxGet) {
			keys := make([]storage.Key, len(chunk))
			for i, customer := range chunk {
				keys[i], read[customer] = subjectKey(customer), true
			}
			docs, err := p.get(ctx, keys...)
			if err != nil {
				return err
			}
			for i, customer := range chunk {
				subject, err := record(subjects, docs, keys[i])
				if into := subject.Value.Merged; err == nil && into != "" {
					became[customer] = into
					next = append(next, into)
				}
			}
		}
		slices.Sort(next)
		more = slices.DeleteFunc(slices.Compact(next), func(customer string) bool { return read[customer] })
	}
	for _, f := range slices.Collect(maps.Keys(p.figures)) {
		sum, into := p.figures[f], f
		for range maxMerges {
			if became[into.customer] == "" {
				break
			}
			into.customer = became[into.customer]
		}
		if into != f {
			delete(p.figures, f)
			p.plus(into, *sum)
		}
	}
	return nil
}

// milestones checks that the rewards that a tally says stand do, and that it has numbered
// those there are.
func (a *auditor) milestones(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := tallies.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	program, referrer, _ := strings.Cut(doc.Key.ID, "/") // no program has a '/'
	for _, key := range slices.Sorted(maps.Keys(r.Value.Milestones)) {
		m := r.Value.Milestones[key]
		standing, whole := m.standing(program, referrer, key)
		if !whole {
			return found(FoundReward, doc.Key, fmt.Sprintf("of %d rewards of milestone %s, those that stand are %d", m.Made, key, m.Live))
		}
		for ids := range chunks(standing, storage.MaxGet) {
			gone, err := a.gone(ctx, ids)
			if err != nil {
				return nil, err
			}
			if gone != "" {
				return found(FoundReward, doc.Key, "a reward of a milestone stands by it, and is taken back or missing: "+gone)
			}
		}
		last, next := rewardKey(milestoneID(program, referrer, key, m.Made)), rewardKey(milestoneID(program, referrer, key, m.Made+1))
		docs, err := a.get(ctx, last, next)
		if err != nil {
			return nil, err
		}
		_, made := docs[last]
		if _, more := docs[next]; more || made != (m.Made > 0) {
			return found(FoundReward, doc.Key, fmt.Sprintf("it has made %d rewards of milestone %s, and there are others", m.Made, key))
		}
	}
	return nil, nil
}

// readable checks that a debt can be read; what it comes to is compared for all at once.
func (a *auditor) readable(_ context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	if _, err := debts.Decode(doc); err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	return nil, nil
}

// standing are the ids of the rewards that stand; not whole: their numbers can't be.
func (m *milestoneBody) standing(program, referrer, key string) (ids iter.Seq[string], whole bool) {
	last := int64(0)
	for i, n := range m.Live {
		if n < last || i%2 == 0 && n == last || n > m.Made {
			return nil, false
		}
		last = n
	}
	return func(yield func(string) bool) {
		for i := 0; i < len(m.Live); i += 2 {
			for n := m.Live[i]; n <= m.Live[i+1]; n++ {
				if !yield(milestoneID(program, referrer, key, n)) {
					return
				}
			}
		}
		for _, id := range m.Moved {
			if !yield(id) {
				return
			}
		}
	}, len(m.Live)%2 == 0
}

func chunks(ids iter.Seq[string], size int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		var chunk []string
		for id := range ids {
			if chunk = append(chunk, id); len(chunk) == size {
				if !yield(chunk) {
					return
				}
				chunk = nil
			}
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// gone is the first of some rewards that is missing or was taken back.
func (a *auditor) gone(ctx context.Context, ids []string) (string, error) {
	keys := make([]storage.Key, len(ids))
	for i, id := range ids {
		keys[i] = rewardKey(id)
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return "", err
	}
	for i, id := range ids {
		r, err := record(rewards, docs, keys[i])
		if err == nil && (r.Version == 0 || r.Value.State == RewardClawedBack) { // unreadable: found by itself
			return id, nil
		}
	}
	return "", nil
}

// stands says that a reward of a milestone is among those that stand, of the referrer who
// reached it or of what their account became.
func (a *auditor) stands(ctx context.Context, id, program string) (bool, error) {
	name, number := cutLast(strings.TrimPrefix(id, program+"/"))
	name, key := cutLast(name)
	n, err := strconv.ParseInt(number, 10, 64)
	referrer, ok := strings.CutSuffix(name, "/milestone")
	if err != nil || !ok {
		return false, nil
	}
	keys := []storage.Key{tallyKey(program, referrer)}
	for customer := referrer; len(keys) <= maxMerges; keys = append(keys, tallyKey(program, customer)) {
		docs, err := a.get(ctx, subjectKey(customer))
		if err != nil {
			return false, err
		}
		subject, err := record(subjects, docs, subjectKey(customer))
		if err != nil || subject.Value.Merged == "" {
			break // unreadable: found by itself
		}
		customer = subject.Value.Merged
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return false, err
	}
	for i, tally := range keys {
		t, err := record(tallies, docs, tally)
		if err != nil {
			return true, nil // found by itself
		}
		m := t.Value.Milestones[key]
		if slices.Contains(m.Moved, id) {
			return true, nil
		}
		for j := 0; i == 0 && j+1 < len(m.Live); j += 2 {
			if m.Live[j] <= n && n <= m.Live[j+1] {
				return true, nil
			}
		}
	}
	return false, nil
}

func cutLast(s string) (before, after string) {
	i := strings.LastIndex(s, "/")
	return s[:max(i, 0)], s[i+1:]
}

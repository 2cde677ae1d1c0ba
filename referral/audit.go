package referral

import (
	"context"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// The findings of [Audit], beside those of the ledger and of coupons.
const (
	FoundReward ledger.Finding = "reward"   // a reward and its referral or coupons disagree
	FoundForest ledger.Finding = "referral" // a friend was bound to somebody not known before
)

// Audit checks everything that vouch keeps against itself: what [coupon.Audit]
// checks, with the caps of referrals; that every reward belongs to a referral and
// is in a state that the referral's allows; that a granted reward's coupons exist;
// and that every friend was bound to a customer known before. On a quiet store its
// report is exact; while others write, a referral may be reported that was being
// changed: audit it again.
func Audit(ctx context.Context, store storage.Store) (ledger.AuditReport, error) {
	report, err := coupon.Audit(ctx, store, kindReferral)
	if err != nil {
		return report, err
	}
	a := auditor{Service: New(store, coupon.New(store, coupon.Options{}), Options{}), report: &report}
	if err := a.each(ctx, kindReferral, a.referral); err != nil {
		return report, err
	}
	return report, a.each(ctx, kindReward, a.reward)
}

type auditor struct {
	*Service
	report *ledger.AuditReport
}

func (a *auditor) each(ctx context.Context, kind string, check func(context.Context, storage.Doc) error) error {
	query := storage.Query{Kind: kind, Limit: storage.MaxPage}
	for {
		page, err := a.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			a.report.Documents++
			if err := check(ctx, doc); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

func (a *auditor) found(finding ledger.Finding, where, note string) {
	a.report.Discrepancies = append(a.report.Discrepancies, ledger.Discrepancy{Finding: finding, Where: where, Note: note})
}

func (a *auditor) referral(ctx context.Context, doc storage.Doc) error {
	r, err := referrals.Decode(doc)
	if err != nil {
		return nil // the ledger's audit has it as unreadable
	}
	b := &r.Value
	docs, err := a.get(ctx, memberKey(b.Referrer), memberKey(b.Friend))
	if err != nil {
		return err
	}
	referrer, err := record(members, docs, memberKey(b.Referrer))
	if err != nil {
		return err
	}
	friend, err := record(members, docs, memberKey(b.Friend))
	if err != nil {
		return err
	}
	registered := friend.Value.Registration
	switch {
	case referrer.Version == 0 || friend.Value.Depth != referrer.Value.Depth+1:
		a.found(FoundForest, doc.Key.ID, "the referrer was not known when the friend was bound")
	case registered == nil || !registered.Bound || registered.Program != b.Program || registered.Referrer != b.Referrer:
		a.found(FoundForest, doc.Key.ID, "the friend's registration says otherwise")
	}
	return nil
}

func (a *auditor) reward(ctx context.Context, doc storage.Doc) error {
	reward, err := rewards.Decode(doc)
	if err != nil {
		a.found(ledger.FoundUnreadable, doc.Key.String(), err.Error())
		return nil
	}
	b := &reward.Value
	key := referralKey(b.Program, b.Friend)
	keys := []storage.Key{key}
	for _, id := range b.Coupons {
		keys = append(keys, storage.Key{Kind: "coupon", ID: id})
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return err
	}
	r, err := record(referrals, docs, key)
	if err != nil {
		return nil
	}
	if len(docs) < len(keys) {
		a.found(FoundReward, doc.Key.ID, "its referral or a coupon it gave is missing")
	}
	if why := b.contradicts(&r.Value); why != "" {
		a.found(FoundReward, doc.Key.ID, why)
	}
	return nil
}

// contradicts says why a reward can't be in its state while its referral is in its
// own.
func (b *rewardBody) contradicts(r *referralBody) string {
	granted := b.State == RewardGranted || b.State == RewardClawedBack
	switch {
	case granted != (len(b.Coupons) > 0):
		return "what it gave is not what its state says"
	case b.Step == Registered:
		return ""
	case b.State == RewardGranted && r.State != StateConfirmed:
		return "it is granted, and its referral is " + string(r.State)
	case b.State == RewardGranted && b.Granted < b.NotBefore:
		return "it was granted before its time"
	case b.State == RewardPending && r.State != StateHeld && r.State != StateConfirmed:
		return "it is pending, and its referral is " + string(r.State)
	case b.State == RewardClawedBack && r.State != StateReversed:
		return "it is clawed back, and its referral is " + string(r.State)
	}
	return ""
}

package referral

import (
	"context"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// The findings of [Audit], beside those of the ledger and of coupons.
const (
	FoundReward ledger.Finding = "reward"   // a reward and its referral or coupons disagree
	FoundForest ledger.Finding = "referral" // a friend was bound to somebody not known before
	FoundCase   ledger.Finding = "case"     // a case and its referral disagree
	FoundPerson ledger.Finding = "person"   // what is known of somebody disagrees with itself, or with the book
)

// Audit checks everything that vouch keeps against itself: what [coupon.Audit]
// checks, with the caps of referrals; that every reward belongs to a referral and
// is in a state that the referral's allows; that a granted reward's coupons exist;
// that every friend was bound to a customer known before; that cases and referrals agree
// on what was reviewed; that what people are known by leads to them and back; that bans,
// merges, erasures and refusals are as the book says; that nobody counts as invited
// but by the sends there are; and that the friends counted for tiers and milestones, and
// the debts that later rewards go to, are what referrals and rewards come to. On a quiet
// store its report is exact. While others write, what looks wrong is read again until it
// stands still.
//
// Audit takes no counter for discarded; when old ones are pruned, use [AuditAt].
func Audit(ctx context.Context, store storage.Store) (ledger.AuditReport, error) {
	return AuditAt(ctx, store, time.Unix(0, 0))
}

// AuditAt is Audit where counters have been pruned up to the instant, as
// [ledger.AuditAt] is.
func AuditAt(ctx context.Context, store storage.Store, pruned time.Time) (ledger.AuditReport, error) {
	report, err := coupon.AuditAt(ctx, store, pruned, kindReferral, kindReward, kindInvitation)
	if err != nil {
		return report, err
	}
	a := auditor{Service: New(store, coupon.New(store, coupon.Options{}), Options{}), report: &report}
	if a.programs, err = a.programsOf(ctx, new(memberBody)); err != nil {
		return report, err
	}
	for _, check := range []struct {
		kind string
		of   func(context.Context, storage.Doc) (*ledger.Discrepancy, error)
	}{
		{kindReferral, a.referral}, {kindReward, a.reward}, {kindCase, a.review}, {kindMember, a.member},
		{kindSubject, a.subject}, {kindPerson, a.person}, {kindInvitation, a.invitation},
		{kindTally, a.milestones}, {kindDebt, a.readable},
	} {
		if err := a.each(ctx, check.kind, check.of); err != nil {
			return report, err
		}
	}
	if err := a.invitedOnce(ctx); err != nil {
		return report, err
	}
	err = a.sums(ctx)
	return report, err
}

type auditor struct {
	*Service
	programs []string
	report   *ledger.AuditReport
}

// each checks all documents of a kind. What contradicts a document changes it in the
// same batch: when it has not changed after it was found wrong, it is wrong.
func (a *auditor) each(ctx context.Context, kind string, check func(context.Context, storage.Doc) (*ledger.Discrepancy, error)) error {
	query := storage.Query{Kind: kind, Limit: storage.MaxPage}
	for {
		page, err := a.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			for {
				wrong, err := check(ctx, doc)
				if err != nil {
					return err
				}
				if wrong == nil {
					break
				}
				docs, err := a.get(ctx, doc.Key)
				if err != nil {
					return err
				}
				again, there := docs[doc.Key]
				if !there { // it was dropped
					break
				}
				if again.Version == doc.Version {
					a.report.Discrepancies = append(a.report.Discrepancies, *wrong)
					break
				}
				doc = again
			}
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

func found(finding ledger.Finding, where storage.Key, note string) (*ledger.Discrepancy, error) {
	return &ledger.Discrepancy{Finding: finding, Where: where.String(), Note: note}, nil
}

func (a *auditor) referral(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := referrals.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b := &r.Value
	if b.Referrer == b.Friend {
		return found(FoundForest, doc.Key, "the friend is the referrer")
	}
	docs, err := a.get(ctx, memberKey(b.Referrer), memberKey(b.Friend))
	if err != nil {
		return nil, err
	}
	referrer, err := record(members, docs, memberKey(b.Referrer))
	if err != nil {
		return found(ledger.FoundUnreadable, memberKey(b.Referrer), err.Error())
	}
	friend, err := record(members, docs, memberKey(b.Friend))
	if err != nil {
		return found(ledger.FoundUnreadable, memberKey(b.Friend), err.Error())
	}
	registered := friend.Value.Registration
	switch {
	case referrer.Version == 0 || friend.Value.Depth != referrer.Value.Depth+1:
		return found(FoundForest, doc.Key, "the referrer was not known when the friend was bound")
	case registered == nil || !registered.Bound || registered.Program != b.Program || registered.Referrer != b.Referrer:
		return found(FoundForest, doc.Key, "the friend's registration says otherwise")
	}
	missing, err := a.reviewed(ctx, b)
	if err == nil && missing != "" {
		return found(FoundCase, doc.Key, "is to be reviewed, and has no case: "+missing)
	}
	return nil, err
}

func (a *auditor) reward(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	reward, err := rewards.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b := &reward.Value
	key := referralKey(b.Program, b.Friend)
	keys := []storage.Key{key}
	for _, id := range b.Coupons {
		keys = append(keys, storage.Key{Kind: "coupon", ID: id})
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	if len(docs) < len(keys) {
		return found(FoundReward, doc.Key, "its referral or a coupon it gave is missing")
	}
	r, err := record(referrals, docs, key)
	if err != nil {
		return nil, nil // found by itself
	}
	if why := b.contradicts(&r.Value); why != "" {
		return found(FoundReward, doc.Key, why)
	}
	if b.Step == Milestones && (b.State == RewardPending || b.State == RewardGranted) {
		stands, err := a.stands(ctx, doc.Key.ID, b.Program)
		if err != nil {
			return nil, err
		}
		if !stands {
			return found(FoundReward, doc.Key, "it stands, and the referrer's tally does not have it")
		}
	}
	return nil, nil
}

// denies says that a check or a review denies a side, or will when its time is over.
func (b *referralBody) denies(side Side) bool {
	v := judged(b.Facts, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
	return v.denied(side)
}

// contradicts says why a reward can't be in its state while its referral is in its
// own.
func (b *rewardBody) contradicts(r *referralBody) string {
	given := b.State == RewardGranted || b.State == RewardClawedBack || b.State == RewardExpired
	switch {
	case given != (b.Granted > 0), !given && len(b.Coupons) > 0:
		return "what it gave is not what its state says"
	case given && len(b.Gives.Coupons) > 0 && len(b.Coupons) == 0 && len(b.Back.Coupons) == 0:
		return "it gave no coupons, and its state says otherwise"
	case b.Step == Registered, b.Step == Milestones:
		return ""
	case b.State == RewardGranted && r.State != StateConfirmed:
		return "it is granted, and its referral is " + string(r.State)
	case b.State == RewardGranted && b.Granted < b.NotBefore:
		return "it was granted before its time"
	case b.State == RewardPending && r.State != StateHeld && r.State != StateConfirmed && !(r.State == StateReview && r.Before == StateHeld):
		return "it is pending, and its referral is " + string(r.State)
	case b.State == RewardClawedBack && r.State != StateReversed && !(r.State == StateConfirmed && r.denies(b.Side)):
		return "it is clawed back, and its referral is " + string(r.State)
	}
	return ""
}

package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// Ban keeps a customer out of all programs: from now on nobody is bound to them, and
// what they have not been granted yet is withheld for good. Their friends keep what
// they earn, and what was granted stays: deny a case to take it back. Asked again it
// changes nothing. It fails with a [*Faults], also where the actor or the reason is missing.
func (s *Service) Ban(ctx context.Context, customer, actor, reason string, now time.Time) error {
	return s.setBanned(ctx, customer, true, actor, reason, now)
}

// Unban lets a customer in again. What was withheld meanwhile stays withheld. It fails as
// Ban does.
func (s *Service) Unban(ctx context.Context, customer, actor, reason string, now time.Time) error {
	return s.setBanned(ctx, customer, false, actor, reason, now)
}

func (s *Service) setBanned(ctx context.Context, customer string, banned bool, actor, reason string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	s.customer(faults, "customer", customer)
	faults.staffVerb(actor, reason, now)
	if err := faults.orNil(); err != nil {
		return err
	}
	_, err := do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[struct{}], error) {
		var none storage.Plan[struct{}]
		docs, err := s.get(ctx, memberKey(customer))
		if err != nil {
			return none, err
		}
		member, err := record(members, docs, memberKey(customer))
		if err != nil || member.Value.Banned == banned {
			return none, err
		}
		if member.Version == 0 {
			member.Value.Since = micros(now)
		}
		kind := "unbanned"
		member.Value.Banned, member.Value.BanReason = banned, ""
		if banned {
			kind, member.Value.BanReason = "banned", reason
		}
		put, err := members.Put(member, 0)
		if err != nil {
			return none, err
		}
		booked, err := ledger.Entry{
			ID: banEntry(customer, member.Version+1, banned), Kind: kind, At: now, Actor: actor, Subject: customer,
			Details: map[string]string{"reason": reason},
		}.Batch()
		if err != nil {
			return none, err
		}
		batch, err := storage.Join(storage.Batch{Puts: []storage.Put{put}}, booked)
		return storage.Plan[struct{}]{Batch: batch}, err
	})
	return err
}

// banEntry is the id of the entry about a ban, or its end, by the version of the member
// that says so.
func banEntry(customer string, version int64, banned bool) string {
	kind := map[bool]string{true: "banned", false: "unbanned"}[banned]
	return fmt.Sprintf("%s/%s/%d", kind, customer, version)
}

// standing reads who would be credited: the one that an account was merged into, and
// nobody who is banned or was erased.
func (s *Service) standing(ctx context.Context, found *invitation) error {
	for range maxMerges {
		docs, err := s.get(ctx, memberKey(found.referrer), subjectKey(found.referrer))
		if err != nil {
			return err
		}
		subject, err := record(subjects, docs, subjectKey(found.referrer))
		if err != nil {
			return err
		}
		if found.member, err = record(members, docs, memberKey(found.referrer)); err != nil {
			return err
		}
		if subject.Value.Merged != "" {
			found.referrer = subject.Value.Merged
			continue
		}
		if found.member.Value.Banned || subject.Value.Erased > 0 {
			found.reason = ReasonReferrer
		}
		return nil
	}
	return errMerges()
}

// maxMerges bounds the accounts that one leads through.
const maxMerges = 100

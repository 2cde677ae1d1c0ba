package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
)

// Export is all that is kept about one person, for them to have: of others only what
// they may see on their own pages. It can be written as JSON.
type Export struct {
	Subject   string
	Since     time.Time
	Returning bool
	Banned    string // why; empty: not banned
	// Identifiers are what kinds of identifiers hashes are kept of, and how many.
	Identifiers map[IdentifierKind]int
	Links       []Link
	Referral    *Referral  // in which they are the friend; nil: nobody invited them
	Merged      []Referral // in which accounts are that were merged into theirs
	Rewards     []Reward   // theirs
	Friends     map[string][]Tracked
	Coupons     []coupon.Coupon // those that can be used, and those that were
}

// Export gives all that is kept about a person. It fails with [ErrNoPerson] and a
// [*Faults].
func (s *Service) Export(ctx context.Context, account string, now time.Time) (Export, error) {
	faults := &Faults{Kind: ErrRequest}
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return Export{}, err
	}
	found, err := s.findAccount(ctx, account)
	if err != nil {
		return Export{}, err
	}
	subject, err := s.readSubject(ctx, found.Value.Subjects[0])
	if err != nil {
		return Export{}, err
	}
	b := &subject.Value
	x := Export{Subject: subject.Key.ID, Since: instant(b.Since), Returning: b.Returning}
	if err := s.exportReferrals(ctx, &x); err != nil {
		return Export{}, err
	}
	if err := s.exportCoupons(ctx, &x, now); err != nil {
		return Export{}, err
	}
	return x, s.exportIdentifiers(ctx, &x, b.People)
}

// exportReferrals adds what they brought and who brought them.
func (s *Service) exportReferrals(ctx context.Context, x *Export) error {
	docs, err := s.get(ctx, memberKey(x.Subject))
	if err != nil {
		return err
	}
	member, err := record(members, docs, memberKey(x.Subject))
	if err != nil {
		return err
	}
	x.Banned = member.Value.BanReason
	for _, f := range member.Value.friendships(x.Subject) {
		referral, err := s.Referral(ctx, f.Program, f.Friend)
		if err != nil {
			return err
		}
		referral.Referrer = "" // somebody else
		if f.Friend == x.Subject {
			x.Referral = &referral
		} else {
			x.Merged = append(x.Merged, referral)
		}
	}
	x.Friends = make(map[string][]Tracked)
	for _, l := range member.Value.Links {
		x.Links = append(x.Links, Link{l.Program, x.Subject, l.Code})
		x.Friends[l.Program] = nil
	}
	programs, err := s.programsOf(ctx, &member.Value)
	if err != nil {
		return err
	}
	for _, program := range programs {
		if err := s.exportRewards(ctx, x, program); err != nil {
			return err
		}
		for page := (TrackingPage{Next: ""}); ; {
			page, err = s.Friends(ctx, program, x.Subject, TrackingQuery{After: page.Next, Limit: storage.MaxPage})
			if err != nil {
				return err
			}
			if len(page.Friends) > 0 {
				x.Friends[program] = append(x.Friends[program], page.Friends...)
			}
			if page.Next == "" {
				break
			}
		}
	}
	return nil
}

// exportRewards adds their rewards in a program. Of those for friends, nothing says
// who the friend is.
func (s *Service) exportRewards(ctx context.Context, x *Export, program string) error {
	query := storage.Query{Kind: kindReward, List: rewardList(program, x.Subject), Limit: storage.MaxPage}
	for {
		page, err := s.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			r, err := rewards.Decode(doc)
			if err != nil {
				return err
			}
			reward := r.Value.reward("") // its id names the friend
			reward.Friend = ""
			x.Rewards = append(x.Rewards, reward)
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

func (s *Service) exportCoupons(ctx context.Context, x *Export, now time.Time) error {
	for _, past := range []bool{false, true} {
		query := coupon.WalletQuery{Past: past, Limit: storage.MaxPage}
		for {
			page, err := s.coupons.Wallet(ctx, x.Subject, query, now)
			if err != nil {
				return fmt.Errorf("referral: the wallet of an export: %w", err)
			}
			x.Coupons = append(x.Coupons, page.Coupons...)
			if query.After = page.Next; query.After == "" {
				break
			}
		}
	}
	return nil
}

func (s *Service) exportIdentifiers(ctx context.Context, x *Export, hashes []string) error {
	x.Identifiers = make(map[IdentifierKind]int)
	for _, hash := range hashes {
		person, err := s.followPerson(ctx, hash)
		if err != nil {
			return err
		}
		x.Identifiers[IdentifierKind(person.Value.Kind)]++
	}
	return nil
}

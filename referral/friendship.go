package referral

import (
	"context"
	"fmt"
	"slices"

	"github.com/vouch-go/vouch/storage"
)

// friendship names a referral by its program and friend. Accounts that are merged keep
// theirs under the ids they had, and what they have become remembers them.
type friendship struct {
	Program string `json:"program"`
	Friend  string `json:"friend"`
}

func (f friendship) key() storage.Key { return referralKey(f.Program, f.Friend) }

// friendships are how a customer was brought as a friend, and after that how the
// accounts were that were merged into theirs: usually none or one.
func (b *memberBody) friendships(customer string) []friendship {
	var all []friendship
	if r := b.Registration; r != nil && r.Bound {
		all = append(all, friendship{r.Program, customer})
	}
	return append(all, b.Brought...)
}

// memberOf reads the member that a customer has become by merges, and whose it is.
func memberOf(ctx context.Context, read *snapshot, customer string) (string, storage.Record[memberBody], error) {
	for range maxMerges {
		member, err := one(ctx, read, members, memberKey(customer))
		if err != nil || member.Value.Became == "" {
			return customer, member, err
		}
		customer = member.Value.Became
	}
	return customer, storage.Record[memberBody]{}, errMerges()
}

func errMerges() error {
	return fmt.Errorf("%w: accounts were merged more than %d times in a row: audit the store", storage.ErrCorrupt, maxMerges)
}

// friendshipsOf are those of what a customer has become by merges.
func friendshipsOf(ctx context.Context, read *snapshot, customer string) ([]friendship, error) {
	customer, member, err := memberOf(ctx, read, customer)
	if err != nil {
		return nil, err
	}
	return member.Value.friendships(customer), nil
}

// referralOf reads the referral in which a customer is the friend; its Version is 0
// when nobody invited them. Of several, which only merges make, it is the one that knows
// the order; where none does, the first that has not ended, the customer's own before those
// of merged accounts: what ended can't earn anything any more. It asks for the referrals of the
// programs it knows in the same call, and whatever else is wanted, so that one call is
// usually enough.
func (s *Service) referralOf(ctx context.Context, read *snapshot, customer, order string, others ...storage.Key) (storage.Record[referralBody], error) {
	var none storage.Record[referralBody]
	keys := append(others, memberKey(customer))
	for _, program := range s.terms.known() {
		keys = append(keys, headKey(program), referralKey(program, customer))
		keys = append(keys, rewardKeys(program, customer)...)
	}
	if err := read.need(ctx, keys...); err != nil {
		return none, err
	}
	all, err := friendshipsOf(ctx, read, customer)
	if err != nil || len(all) == 0 {
		return none, err
	}
	keys = nil
	for _, f := range all {
		keys = append(keys, f.key())
	}
	if err := read.need(ctx, keys...); err != nil {
		return none, err
	}
	var first storage.Record[referralBody]
	for _, key := range keys {
		r, err := record(referrals, read.docs, key)
		if err != nil || r.Value.knows(order) {
			return r, err
		}
		if first.Key.Kind == "" || r.Version > 0 && first.Value.State.final() && !r.Value.State.final() {
			first = r
		}
	}
	return first, nil
}

// knows says that something was told about an order.
func (b *referralBody) knows(order string) bool {
	return slices.ContainsFunc(b.Facts, func(f factBody) bool { return f.Order == order && order != "" })
}

// readReferral reads the referral in a program of somebody as its friend: that of the
// id, or else one of an account that was merged into theirs. Version 0: there is none.
func (s *Service) readReferral(ctx context.Context, program, friend string) (storage.Record[referralBody], error) {
	read := s.snapshot()
	if err := read.need(ctx, referralKey(program, friend), memberKey(friend)); err != nil {
		return storage.Record[referralBody]{}, err
	}
	r, err := record(referrals, read.docs, referralKey(program, friend))
	if err != nil || r.Version > 0 {
		return r, err
	}
	all, err := friendshipsOf(ctx, read, friend)
	if err != nil {
		return r, err
	}
	for _, f := range all {
		if f.Program != program {
			continue
		}
		if of, err := one(ctx, read, referrals, f.key()); err != nil || of.Version > 0 {
			return of, err
		}
	}
	return r, nil
}

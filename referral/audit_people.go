package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func (a *auditor) wrong(where storage.Key, format string, args ...any) (*ledger.Discrepancy, error) {
	return found(FoundPerson, where, fmt.Sprintf(format, args...))
}

// booked says which of some entries are in the book.
func (a *auditor) booked(ctx context.Context, ids ...string) (map[string]bool, error) {
	in := make(map[string]bool, len(ids))
	for chunk := range slices.Chunk(ids, storage.MaxGet) {
		keys := make([]storage.Key, len(chunk))
		for i, id := range chunk {
			keys[i] = ledger.EntryKey(id)
		}
		docs, err := a.get(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for i, id := range chunk {
			_, in[id] = docs[keys[i]]
		}
	}
	return in, nil
}

// member checks that the book says of a customer what their bans are, that whom they were
// bound to knows of it, and that who was merged was.
func (a *auditor) member(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := members.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b, customer := &r.Value, doc.Key.ID
	banned, err := a.bannedInBook(ctx, customer, doc.Version)
	switch {
	case err != nil:
		return nil, err
	case b.Banned != banned:
		return a.wrong(doc.Key, "it is banned: %t, and the book says %t", b.Banned, banned)
	case b.Banned != (b.BanReason != ""):
		return a.wrong(doc.Key, "a ban has a reason, and nothing else does")
	}
	keys := []storage.Key{subjectKey(customer)}
	for _, f := range b.friendships(customer) {
		keys = append(keys, f.key())
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, key := range keys[1:] {
		if _, there := docs[key]; !there {
			return found(FoundForest, doc.Key, "it was bound, and the referral is missing: "+key.ID)
		}
	}
	subject, err := record(subjects, docs, keys[0])
	if err == nil && subject.Value.Merged != b.Became {
		return a.wrong(doc.Key, "it became %q, and its subject %q", b.Became, subject.Value.Merged)
	}
	return nil, nil // a subject that can't be read is found by itself
}

// bannedInBook is what the latest entry about bans of a customer says.
func (a *auditor) bannedInBook(ctx context.Context, customer string, version int64) (bool, error) {
	var ids []string
	for n := version; n > 0; n-- {
		ids = append(ids, banEntry(customer, n, true), banEntry(customer, n, false))
	}
	in, err := a.booked(ctx, ids...)
	for i := range ids {
		if in[ids[i]] {
			return i%2 == 0, err
		}
	}
	return false, err
}

// subject checks that what somebody is known by leads to them; that the book says when they
// were merged or erased; and that nothing is left of them then.
func (a *auditor) subject(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := subjects.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b, id := &r.Value, doc.Key.ID
	in, err := a.booked(ctx, erasedEntry(id), mergedEntry(id))
	switch {
	case err != nil:
		return nil, err
	case in[erasedEntry(id)] != (b.Erased > 0):
		return a.wrong(doc.Key, "it is erased: %t, and the book says %t", b.Erased > 0, in[erasedEntry(id)])
	case in[mergedEntry(id)] != (b.Merged != ""):
		return a.wrong(doc.Key, "it is merged: %t, and the book says %t", b.Merged != "", in[mergedEntry(id)])
	case (b.Erased > 0 || b.Merged != "") && len(b.People) > 0:
		return a.wrong(doc.Key, "it is nobody any more, and still has what it was known by")
	case b.Erasing && b.Erased == 0, b.Moving && b.Merged == "":
		return a.wrong(doc.Key, "it is being erased or moved, and was not to be")
	}
	for _, hash := range b.People {
		person, err := a.followPerson(ctx, hash)
		if err != nil {
			return found(ledger.FoundUnreadable, personKey(hash), err.Error())
		}
		if !slices.Contains(person.Value.Subjects, id) {
			return a.wrong(doc.Key, "what it is known by does not lead to it: %s", hash)
		}
	}
	switch {
	case b.Erased > 0 && !b.Erasing:
		return a.leftOfErased(ctx, doc, b)
	case b.Merged != "":
		return a.leftOfMerged(ctx, doc, b)
	}
	return nil, nil
}

// leftOfErased finds what an erasure should have ended.
func (a *auditor) leftOfErased(ctx context.Context, doc storage.Doc, b *subjectBody) (*ledger.Discrepancy, error) {
	wallet, err := a.coupons.Wallet(ctx, doc.Key.ID, coupon.WalletQuery{Limit: 1}, instant(b.Erased))
	if err != nil {
		return nil, err
	}
	if len(wallet.Coupons) > 0 {
		return a.wrong(doc.Key, "it was erased, and has coupon %q", wallet.Coupons[0].ID)
	}
	read := a.snapshot()
	all, err := friendshipsOf(ctx, read, doc.Key.ID)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	for _, f := range all {
		if r, err := one(ctx, read, referrals, f.key()); err == nil && !r.Value.State.final() && !erased(r.Value.Facts) {
			return a.wrong(doc.Key, "it was erased, and the referral does not know: %s", f.key().ID)
		}
	}
	return nil, nil
}

// leftOfMerged finds what a merge should have moved, and what the account that is left
// should know.
func (a *auditor) leftOfMerged(ctx context.Context, doc storage.Doc, b *subjectBody) (*ledger.Discrepancy, error) {
	from := doc.Key.ID
	docs, err := a.get(ctx, subjectKey(b.Merged), memberKey(from), memberKey(b.Merged))
	if err != nil {
		return nil, err
	}
	if _, there := docs[subjectKey(b.Merged)]; !there {
		return a.wrong(doc.Key, "it was merged into a subject that is not there")
	}
	both, err := pair(docs, members, memberKey(from), memberKey(b.Merged))
	if err != nil {
		return nil, nil // found by itself
	}
	for _, f := range both[0].Value.friendships(from) {
		if !slices.Contains(both[1].Value.Brought, f) {
			return a.wrong(doc.Key, "it was merged, and what it became does not know of the referral %s", f.key().ID)
		}
	}
	if b.Moving {
		return nil, nil
	}
	for _, program := range a.programs {
		left, err := a.holdings(ctx, program, from, b.Merged)
		if err != nil {
			return nil, err
		}
		if left != "" {
			return a.wrong(doc.Key, "it was merged, and has a %s left", left)
		}
	}
	return nil, nil
}

// holdings says what a merged subject still has in a program.
func (a *auditor) holdings(ctx context.Context, program, from, into string) (string, error) {
	page, err := a.store.List(ctx, storage.Query{Kind: kindReward, List: rewardList(program, from), Limit: 1})
	if err != nil || len(page.Docs) > 0 {
		return kindReward, err
	}
	if page, err = a.store.List(ctx, storage.Query{Kind: kindReferral, List: referrerList(program, from), Limit: storage.MaxPage}); err != nil {
		return "", err
	}
	for _, doc := range page.Docs { // a self-referral stays
		if doc.Key != referralKey(program, into) {
			return kindReferral, nil
		}
	}
	docs, err := a.get(ctx, tallyKey(program, from), debtKey(program, from))
	if err != nil {
		return "", err
	}
	if t, err := record(tallies, docs, tallyKey(program, from)); err == nil && !t.Value.empty() {
		return "tally", nil
	}
	if d, err := record(debts, docs, debtKey(program, from)); err == nil && (len(d.Value.Money) > 0 || len(d.Value.Coupons) > 0) {
		return "debt", nil
	}
	return "", nil
}

// person checks that whoever an identifier leads to knows of it, and that who refused
// invitations has refused them still.
func (a *auditor) person(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := people.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b, refusal := &r.Value, refusedEntry(doc.Key.ID)
	if b.Moved != "" && len(b.Subjects)+len(b.Tainted)+len(b.Invited) > 0 {
		return a.wrong(doc.Key, "it was moved, and something is left here")
	}
	in, err := a.booked(ctx, refusal)
	if err != nil {
		return nil, err
	}
	if in[refusal] {
		there, err := a.followPerson(ctx, doc.Key.ID)
		if err != nil {
			return found(ledger.FoundUnreadable, doc.Key, err.Error())
		}
		if there.Value.Refused == 0 {
			return a.wrong(doc.Key, "invitations were refused, and it says nothing of it")
		}
	}
	for _, id := range b.Subjects {
		docs, err := a.get(ctx, subjectKey(id))
		if err != nil {
			return nil, err
		}
		subject, err := record(subjects, docs, subjectKey(id))
		if err != nil {
			continue // found by itself
		}
		if subject.Version == 0 || subject.Value.gone() != nil {
			return a.wrong(doc.Key, "it leads to a subject that is not there, or is nobody any more: %s", id)
		}
		known := false
		for _, hash := range subject.Value.People {
			person, err := a.followPerson(ctx, hash)
			known = known || err == nil && person.Key == doc.Key
		}
		if !known {
			return a.wrong(doc.Key, "it leads to a subject that is not known by it: %s", id)
		}
	}
	return nil, nil
}

// invitation checks that whoever a send wrote to knows who invited them.
func (a *auditor) invitation(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := sends.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b := &r.Value
	for _, c := range b.Claims {
		if c.N < int64(len(b.Accepted)) {
			return a.wrong(doc.Key, "it wrote to %d, and counts as %d towards %s", len(b.Accepted), c.N, c.Counter)
		}
	}
	for _, hash := range b.Accepted {
		person, err := a.followPerson(ctx, hash)
		if err != nil {
			return found(ledger.FoundUnreadable, personKey(hash), err.Error())
		}
		if !slices.Contains(person.Value.Invited, b.Customer) {
			return a.wrong(doc.Key, "it wrote to somebody who does not know of it: %s", hash)
		}
	}
	return nil, nil
}

// invitedOnce checks that nobody counts as invited but by the sends there are. It keeps one
// number per customer who invited somebody. What is found twice in a row is reported.
func (a *auditor) invitedOnce(ctx context.Context) error {
	before, err := a.uninvited(ctx)
	if err != nil || len(before) == 0 {
		return err
	}
	again, err := a.uninvited(ctx)
	for customer, n := range again {
		if before[customer] == n {
			a.report.Discrepancies = append(a.report.Discrepancies, ledger.Discrepancy{
				Finding: FoundPerson, Where: memberKey(customer).String(), Found: n, Note: "so many more count as invited by it than it has written to",
			})
		}
	}
	return err
}

// uninvited is by how much those who count as invited by a customer are more than those
// that its sends wrote to.
func (a *auditor) uninvited(ctx context.Context) (map[string]int64, error) {
	more := make(map[string]int64)
	count := func(kind string, read func(storage.Doc) error) error {
		return a.each(ctx, kind, func(_ context.Context, doc storage.Doc) (*ledger.Discrepancy, error) { return nil, read(doc) })
	}
	err := count(kindInvitation, func(doc storage.Doc) error {
		if r, err := sends.Decode(doc); err == nil {
			more[r.Value.Customer] -= int64(len(r.Value.Accepted))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = count(kindPerson, func(doc storage.Doc) error {
		if r, err := people.Decode(doc); err == nil {
			for _, customer := range r.Value.Invited {
				more[customer]++
			}
		}
		return nil
	})
	for customer, n := range more {
		if n == 0 {
			delete(more, customer)
		}
	}
	return more, err
}

// review checks that a case and its referral agree on what is to be decided, and what was.
func (a *auditor) review(ctx context.Context, doc storage.Doc) (*ledger.Discrepancy, error) {
	r, err := cases.Decode(doc)
	if err != nil {
		return found(ledger.FoundUnreadable, doc.Key, err.Error())
	}
	b := &r.Value
	docs, err := a.get(ctx, referralKey(b.Program, b.Friend))
	if err != nil {
		return nil, err
	}
	referral, err := record(referrals, docs, referralKey(b.Program, b.Friend))
	if err != nil {
		return nil, nil // found by itself
	}
	if why := b.contradicts(doc, &referral.Value, referral.Version > 0); why != "" {
		return found(FoundCase, doc.Key, why)
	}
	return nil, nil
}

// contradicts says why a case can't be as it is while its referral is as that is.
func (b *caseBody) contradicts(doc storage.Doc, r *referralBody, there bool) string {
	switch {
	case !there:
		return "its referral is missing"
	case b.Referrer != r.Referrer:
		return "the referral has another referrer"
	case b.State == CaseLapsed && (b.Verdict != b.Otherwise || b.Closed != b.Until):
		return "it lapsed otherwise than it says"
	case b.State == CaseOpen && b.Verdict != "", b.State != CaseOpen && b.Verdict == "":
		return "it has a verdict when it is closed, and only then"
	case len(b.Facts) == 0 && !slices.ContainsFunc(r.Decisions, func(d decisionBody) bool { return d.Why == debtCase+doc.Key.ID }):
		return "the referral knows of no such case about what is owed"
	}
	for _, id := range b.Facts {
		if why := b.contradictsFact(id, r); why != "" {
			return why
		}
	}
	put, err := putCase(storage.Record[caseBody]{Key: doc.Key, Version: doc.Version, Value: *b})
	if err != nil || !slices.Equal(byList(put.Lists), byList(doc.Lists)) || (put.Due == 0) != (doc.Due == 0) {
		return "it stands in other lists than it should"
	}
	return ""
}

func (b *caseBody) contradictsFact(id string, r *referralBody) string {
	flagged, reviewed := (*factBody)(nil), (*factBody)(nil)
	for i := range r.Facts {
		switch f := &r.Facts[i]; {
		case f.ID != id:
		case f.Kind == FactFlagged && f.Action == ActionReview:
			flagged = f
		case f.Kind == FactReviewed:
			reviewed = f
		}
	}
	switch {
	case flagged == nil || flagged.Until != b.Until || flagged.Otherwise != b.Otherwise:
		return "the referral has no such check to be reviewed: " + id
	case b.State != CaseDecided && reviewed != nil:
		return "the referral says that it was decided: " + id
	case b.State == CaseDecided && reviewed == nil && !r.State.final():
		return "the referral does not know what was decided: " + id
	case reviewed != nil && (reviewed.Verdict != b.Verdict || reviewed.Side != b.Side || reviewed.Actor != b.Actor):
		return "the referral says something else was decided: " + id
	}
	return ""
}

func byList(lists []storage.Listing) []storage.Listing {
	return slices.SortedFunc(slices.Values(lists), func(x, y storage.Listing) int { return cmp.Compare(x.List, y.List) })
}

// reviewed finds a check that is to be reviewed and has no case.
func (a *auditor) reviewed(ctx context.Context, b *referralBody) (missing string, err error) {
	var keys []storage.Key
	var facts []string
	for i := range b.Facts {
		if f := &b.Facts[i]; f.Kind == FactFlagged && f.Action == ActionReview {
			facts = append(facts, f.ID)
			keys = append(keys, caseKey(b.caseID(strings.TrimPrefix(f.ID, checkFacts))))
		}
	}
	for i := range b.Decisions {
		if id, debt := strings.CutPrefix(b.Decisions[i].Why, debtCase); debt {
			keys = append(keys, caseKey(id))
		}
	}
	if len(keys) == 0 {
		return "", nil
	}
	docs, err := a.get(ctx, keys...)
	if err != nil {
		return "", err
	}
	for i, key := range keys {
		r, err := record(cases, docs, key)
		if err != nil {
			continue // found by itself
		}
		if i >= len(facts) && r.Version == 0 {
			return key.ID, nil
		}
		facts = slices.DeleteFunc(facts, func(f string) bool { return slices.Contains(r.Value.Facts, f) })
	}
	return strings.Join(facts, ", "), nil
}

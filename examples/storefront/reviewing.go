package main

import (
	"errors"

	"github.com/vouch-go/vouch/referral"
)

// reviewsPage is the queue of referrals that a person is to look at, those that are
// decided by themselves next first, and the last ones that are decided.
type reviewsPage struct {
	Open, Closed []referral.Case
}

func (t *site) staffReviews(q *request) error {
	open, err := t.referrals.Cases(q.Context(), referral.CaseQuery{Program: program})
	if err != nil {
		return err
	}
	closed, err := t.referrals.Cases(q.Context(), referral.CaseQuery{Program: program, State: referral.CaseDecided, Limit: 10})
	if err != nil {
		return err
	}
	return t.show(q, 200, "reviews", "Reviews", reviewsPage{open.Cases, closed.Cases})
}

// staffReview decides a case: everything is granted, the referrer gets nothing, or
// nobody does.
func (t *site) staffReview(q *request) error {
	judgement := referral.Judgement{Actor: q.visit.who.Email, Reason: reasonOf(q)}
	switch q.PostFormValue("verdict") {
	case "approve":
		judgement.Verdict = referral.Approve
	case "deny-referrer":
		judgement.Verdict, judgement.Side = referral.Deny, referral.Referrer
	case "deny":
		judgement.Verdict = referral.Deny
	default:
		return errNotFound
	}
	_, err := t.referrals.DecideCase(q.Context(), q.PostFormValue("case"), judgement, t.now())
	switch {
	case errors.Is(err, referral.ErrNoCase):
		return errNotFound
	case errors.Is(err, referral.ErrCaseClaimed), errors.Is(err, referral.ErrCaseClosed):
		return t.back(q, "/staff/reviews", sentence(err))
	case err != nil:
		return err
	}
	return t.back(q, "/staff/reviews", "Decided.")
}

package referral_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// onInstalled counts the fact "installed", with a minimum where it is asked for.
func onInstalled() referral.Program {
	return inCredit(func(p *referral.Program) { p.Qualify = referral.Qualification{On: referral.OnFact, Fact: "installed"} })
}

// An id names one fact of a customer, whether a program counts it, counts it no more,
// never did, or the customer was invited by nobody.
func TestRecordedOnce(t *testing.T) {
	s := newShop(t, onInstalled())
	s.bind("jane", "mia", noon)
	for i, first := range []referral.Recorded{
		{ID: "1", Customer: "mia", Name: "opened"},
		{ID: "2", Customer: "mia", Name: "installed"},
		{ID: "3", Customer: "mia", Name: "installed"},
		{ID: "4", Customer: "mia", Name: "opened", Amount: eur("1.00")},
		{ID: "1", Customer: "nobody's friend", Name: "installed"},
		{ID: "2", Customer: "jane", Name: "opened"},
	} {
		now := noon.Add(time.Duration(i) * time.Minute)
		told, err := s.Record(ctx, first, now)
		require.NoError(t, err)
		again, err := s.Record(ctx, first, now.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, told, again)
		for name, change := range map[string]func(*referral.Recorded){
			"another name":     func(r *referral.Recorded) { r.Name = "closed" },
			"one that counts":  func(r *referral.Recorded) { r.Name, r.Amount = "installed", eur("5.00") },
			"another amount":   func(r *referral.Recorded) { r.Amount = eur("2.00") },
			"another currency": func(r *referral.Recorded) { r.Amount = ledger.Minor(100, usd) },
		} {
			other := first
			change(&other)
			require.ErrorIs(t, second(s.Record(ctx, other, now)), ledger.ErrKeyReused, "%d, %s", i, name)
		}
	}
	require.Equal(t, "2", s.referral("mia").Order)

	// What is remembered is dropped in time.
	report, err := ledger.SweepOperations(ctx, s.store, ledger.SweepOptions{Now: noon.Add(ledger.OperationLife + day)})
	require.NoError(t, err)
	require.Zero(t, report.Failed)
	require.NoError(t, second0(s.Record(ctx, referral.Recorded{ID: "1", Customer: "mia", Name: "closed"}, noon.Add(ledger.OperationLife+day))))
}

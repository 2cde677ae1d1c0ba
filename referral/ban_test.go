package referral_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleService_Ban() {
	t := newTown(held(8))
	t.friend("mia", noon)
	print1(t.OrderPaid(ctx, paid("mia", "order", "12.00"), noon.Add(2*time.Minute)))
	fmt.Println(t.Ban(ctx, "jane", "staff", "sells codes", noon.Add(3*time.Minute)))
	fmt.Println(t.friend("ida", noon.Add(4*time.Minute)).Reason.Staff())
	print1(t.Settle(ctx, noon.Add(day), 0))
	t.rewards("mia")
	// Output:
	// <nil>
	// the referrer is banned, or was erased
	// mia, for mia when registered: granted
	// jane, for mia when qualified: withheld the customer is banned: sells codes
}

// A ban that comes between the reading and the writing of a grant is not overlooked.
func TestBanInBetween(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "mia", noon)
	s.pay("mia", noon)
	between := &beforeGrant{Store: s.store, do: func() {
		require.NoError(t, s.Ban(ctx, "jane", "staff", "sells codes", noon.Add(time.Hour)))
	}}
	require.NoError(t, second0(on(between, referral.Options{}).Settle(ctx, noon.Add(2*time.Hour), 0)))
	require.Nil(t, between.do, "it was granted")
	s.settle(noon.Add(3 * time.Hour))
	require.Equal(t, referral.RewardWithheld, s.brings("mia").State)
	require.Equal(t, 0, s.wallet("jane"))
}

// beforeGrant does something before the first batch that issues a coupon.
type beforeGrant struct {
	storage.Store
	do func()
}

func (b *beforeGrant) Apply(ctx context.Context, batch storage.Batch) error {
	issues := slices.ContainsFunc(batch.Puts, func(p storage.Put) bool { return p.Key.Kind == "coupon" })
	if do := b.do; do != nil && issues {
		b.do = nil
		do()
	}
	return b.Store.Apply(ctx, batch)
}

func TestBan(t *testing.T) {
	s := newShop(t, held(8))
	require.ErrorIs(t, s.Ban(ctx, "jane", "staff", "", noon), referral.ErrRequest)
	require.ErrorIs(t, s.Ban(ctx, "", "staff", "why", noon), referral.ErrRequest)
	require.NoError(t, s.Ban(ctx, "jane", "staff", "before anything is known of her", noon))
	code := s.link("jane").Code.String()
	require.Equal(t, referral.ReasonReferrer, s.register(referral.Registration{Customer: "mia", Code: code}, noon).Reason)
	for range 2 {
		require.NoError(t, s.Unban(ctx, "jane", "staff", "a mistake", noon))
	}
	require.True(t, s.register(referral.Registration{Customer: "ida", Code: code}, noon).Bound)
}

// Whatever staff do names who does it and why; all that is missing is said at once, beside
// what else is wrong, and nothing is written.
func TestStaffVerbsSayWhoAndWhy(t *testing.T) {
	s := suspicious(t, memory.New(), "", 1)
	id := s.queue()[0].ID
	people := on(s.store, keyed(signingKey("a", 1)))
	before := dump(t, s.store)
	both, who := []string{"actor", "reason"}, []string{"actor"}
	changed := program(8)
	changed.Name = ""
	for name, c := range map[string]struct {
		err   error
		paths []string
		kind  error
	}{
		"pause":    {s.Pause(ctx, "invite", "", "", noon), both, referral.ErrRequest},
		"resume":   {s.Resume(ctx, "invite", "", "", noon), both, referral.ErrRequest},
		"end":      {s.End(ctx, "invite", noon, 0, "", "", noon), both, referral.ErrRequest},
		"kill":     {s.Kill(ctx, "invite", "", "", noon), both, referral.ErrRequest},
		"ban":      {s.Ban(ctx, "jane", "", "", noon), both, referral.ErrRequest},
		"unban":    {s.Unban(ctx, "jane", "", "", noon), both, referral.ErrRequest},
		"erase":    {second(s.Erase(ctx, "jane", "", "", noon)), both, referral.ErrRequest},
		"merge":    {second(s.Merge(ctx, "jane", "mia", "", "", noon)), both, referral.ErrRequest},
		"taint":    {people.Taint(ctx, "stolen", referral.Person{Phone: "+33123456789"}, noon.Add(day), "", "", noon), both, referral.ErrRequest},
		"decide":   {second(s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Approve}, noon)), both, referral.ErrRequest},
		"claim":    {second(s.ClaimCase(ctx, id, "", 0, noon)), who, referral.ErrRequest},
		"note":     {second(s.NoteCase(ctx, id, "", "", noon)), []string{"actor", "text"}, referral.ErrRequest},
		"suppress": {people.SuppressAddress(ctx, "jane@example.com", "", noon), who, referral.ErrRequest},
		"publish":  {second(s.Publish(ctx, program(8), "", noon)), who, referral.ErrRequest},

		"publish what is none": {second(s.Publish(ctx, changed, "", noon)), []string{"actor", "name"}, referral.ErrProgram},
		"end before now":       {s.End(ctx, "invite", noon.Add(-day), -1, "", "", noon), []string{"from", "tail", "actor", "reason"}, referral.ErrRequest},
		"decide nothing":       {second(s.DecideCase(ctx, id, referral.Judgement{}, noon)), []string{"actor", "reason", "verdict"}, referral.ErrRequest},
	} {
		require.ErrorIs(t, c.err, c.kind, name)
		require.Equal(t, c.paths, faultPaths(t, c.err), name)
	}
	requireSame(t, before, dump(t, s.store))
}

func faultPaths(t *testing.T, err error) []string {
	t.Helper()
	var faults *referral.Faults
	require.ErrorAs(t, err, &faults)
	var all []string
	for _, f := range faults.Faults {
		require.NotEmpty(t, f.Problem)
		all = append(all, f.Path)
	}
	return all
}

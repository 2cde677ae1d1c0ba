package referral_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

// Every pair of state and event is decided on purpose: it has a row, and a reason. The
// file is the table as it is shown.
func TestTransitions(t *testing.T) {
	var table strings.Builder
	ends := map[referral.State]bool{referral.StateRejected: true, referral.StateExpired: true, referral.StateVoided: true, referral.StateReversed: true}
	seen := make(map[string]bool)
	for _, row := range referral.Transitions() {
		pair := fmt.Sprintf("%-9s × %-10s", row.From, row.On)
		assert.False(t, seen[pair], pair)
		seen[pair] = true
		assert.NotEmpty(t, row.Why, pair)
		to := string(row.To)
		if row.Or != "" {
			to += " or " + string(row.Or)
		}
		fmt.Fprintf(&table, "%s → %-13s %s\n", pair, to, row.Why)
		assert.True(t, !ends[row.From] || row.To == row.From, "ends are final: %s", pair)
		assert.True(t, row.To != referral.StateReversed || row.From == referral.StateConfirmed || row.From == row.To, "only what was confirmed is reversed: %s", pair)
		assert.True(t, row.To != referral.StateConfirmed || row.From == referral.StateHeld || row.From == row.To, "only what was held is confirmed: %s", pair)
		assert.True(t, row.To != referral.StateReview || row.From == referral.StateBound || row.From == referral.StateHeld || row.From == row.To, pair)
	}
	require.Len(t, seen, len(referral.States())*len(referral.Events()))
	path := filepath.Join("testdata", "transitions.txt")
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(path, []byte(table.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String())
}

// The package's documentation has every row in which something moves.
func TestDocumentedTransitions(t *testing.T) {
	var table strings.Builder
	for _, row := range referral.Transitions() {
		if row.To == row.From {
			continue
		}
		to := string(row.To)
		if row.Or != "" {
			to += " or " + string(row.Or)
		}
		fmt.Fprintf(&table, "//\t%-9s  %-10s  %-13s  %s\n", row.From, row.On, to, row.Why)
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	const begins = "//\tstate      event       becomes        because\n"
	_, after, found := strings.Cut(string(doc), begins)
	require.True(t, found, "no table begins with %q", begins)
	shown, _, found := strings.Cut(after, "//\n")
	require.True(t, found)
	require.Equal(t, table.String(), shown)
}

// A payment of before that is told after the referral was voided changes nothing, and is
// on record.
func TestEarlierPaymentAfterTheEnd(t *testing.T) {
	s := newShop(t, held(8))
	s.bind("jane", "mia", noon)
	s.paid(paid("mia", "second", "12.00"), noon.Add(time.Hour))
	s.returned(cancelled("mia", "second"), noon.Add(2*time.Hour))
	first := paid("mia", "first", "12.00")
	first.At = noon.Add(time.Minute)
	r := s.paid(first, noon.Add(3*time.Hour))
	require.Equal(t, referral.StateVoided, r.State)
	require.Equal(t, "noted", r.Decisions[len(r.Decisions)-1].What)
	require.Equal(t, r, s.paid(first, noon.Add(4*time.Hour)), "told twice")
}

// Recording a fact is one read of the referral's documents and one batch, whatever
// programs there are, as long as nothing is granted by it.
func TestRecordingIsOneReadAndOneApply(t *testing.T) {
	p := inCredit()
	p.Qualify = referral.Qualification{On: referral.OnFact, Fact: "installed", Nth: 3}
	p.Caps = []referral.Cap{{Friends: 8}}
	s := newShop(t, p)
	s.bind("jane", "mia", noon)
	for i := range 4 {
		store := &counted{Store: s.store}
		other := on(store, referral.Options{})
		_, err := other.Program(ctx, "invite", 1) // it is known from the first fact on
		require.NoError(t, err)
		store.calls, store.applied = 0, nil
		fact := referral.Recorded{ID: fmt.Sprint(i), Customer: "mia", Name: "installed"}
		_, err = other.Record(ctx, fact, noon.Add(time.Duration(i)*time.Minute))
		require.NoError(t, err)
		require.Len(t, store.applied, 1)
		want := map[string]int{"operation": 1, "referral": 1}
		switch i {
		case 2: // it qualifies
			want["reward"], want["entry"] = 1, 1
		case 3: // it does not concern the referral any more: only its id is remembered
			delete(want, "referral")
		}
		require.Equal(t, want, kindsOf(store.applied[0]), "fact %d", i)
		require.Equal(t, 2, store.calls, "fact %d", i)
	}
	require.Equal(t, referral.StateHeld, s.referral("mia").State)
}

// A referrer with many friends pages in the same number of calls from any place.
func TestPagesAreConstant(t *testing.T) {
	store := memory.New()
	s := openShop(t, store, referral.Options{}, inCredit())
	for i := range 300 {
		s.bind("jane", fmt.Sprint(i), noon.Add(time.Duration(i)*time.Second))
	}
	after := ""
	for page := range 6 {
		calls := &counted{Store: store}
		other := on(calls, referral.Options{})
		p, err := other.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: after, Limit: 50})
		require.NoError(t, err)
		require.Len(t, p.Friends, 50)
		require.LessOrEqual(t, calls.calls, 4, "page %d", page)
		after = p.Next
	}
}

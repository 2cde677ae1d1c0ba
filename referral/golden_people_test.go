package referral_test

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// crowd is a shop with a document of every kind about people, links and cases, with
// something in every member.
func crowd(t *testing.T) *shop {
	options := sending(t)
	options.Random = rand.New(rand.NewSource(1))
	p := inviting(5, 10, 100)
	p.Checks = []referral.Check{{Kind: referral.CheckSameDevice, Action: referral.ActionReview}}
	p.Review = referral.Review{Within: 3 * day, Otherwise: referral.Deny}
	s := openShop(t, memory.New(), options, p)
	jane := s.subject(janeDoe())
	mia := s.subject(referral.Person{Account: "mia", Devices: []string{"phone 1"}})
	_, err := s.ChooseCode(ctx, "invite", jane.ID, "JANE", noon)
	require.NoError(t, err)
	s.bind(jane.ID, mia.ID, noon)
	id := s.queue()[0].ID
	_, err = s.ClaimCase(ctx, id, "kim", 0, noon)
	require.NoError(t, err)
	_, err = s.NoteCase(ctx, id, "lee", "one household", noon)
	require.NoError(t, err)
	_, err = s.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Deny, Side: referral.Referrer, Actor: "kim", Reason: "the same phone"}, noon.Add(time.Hour))
	require.NoError(t, err)
	sent, err := s.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: jane.ID, Addresses: addresses(0, 1)}, noon)
	require.NoError(t, err)
	require.NoError(t, s.RefuseInvitations(ctx, sent.Send[0].Refusal, noon))
	require.NoError(t, s.Taint(ctx, "stolen", referral.Person{Email: "friend0@example.com"}, noon.Add(day), "staff", "reported", noon))
	require.NoError(t, s.Ban(ctx, mia.ID, "staff", "why", noon))
	s.subject(referral.Person{Account: "ida"})
	_, err = s.Erase(ctx, "ida", "staff", "she asked", noon)
	require.NoError(t, err)
	requireAudit(t, s.store)
	return s
}

// goldenPeople are more documents that stay readable for ever: the first of a kind
// whose body has a text in it.
var goldenPeople = map[string]struct{ kind, with string }{
	"person":         {"person", `"refused":1`},
	"person_erased":  {"person", `"erased":18`},
	"subject":        {"subject", `"erased":0`},
	"subject_erased": {"subject", `"erased":17`},
	"vanity":         {"vanity", ""},
	"chosen_codes":   {"chosen_codes", ""},
	"case":           {"case", ""},
	"invitation":     {"invitation", ""},
}

// Bodies about people that were written once are never written differently, but for
// members that are added, and are read to this day.
func TestGoldenPeople(t *testing.T) {
	s := crowd(t)
	for name, which := range goldenPeople {
		page, err := s.store.List(ctx, storage.Query{Kind: which.kind})
		require.NoError(t, err)
		var found *storage.Doc
		for i := range page.Docs {
			if doc := &page.Docs[i]; found == nil && bytes.Contains(doc.Body, []byte(which.with)) {
				found = doc
			}
		}
		require.NotNil(t, found, name)
		var got bytes.Buffer
		require.NoError(t, json.Indent(&got, found.Body, "", "  "))
		got.WriteByte('\n')
		path := filepath.Join("testdata", name+".json")
		if os.Getenv("UPDATE") != "" {
			require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String(), name)
		put := storage.Put(*found)
		put.Body = want
		require.NoError(t, s.store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
	}
	again := on(s.store, sending(t))
	again.t = t
	jane := again.subject(janeDoe())
	require.Len(t, again.wantCases(t, referral.CaseDecided), 1)
	require.Equal(t, jane.ID, again.wantCases(t, referral.CaseDecided)[0].Referrer)
	_, err := again.FindSubject(ctx, "ida")
	require.ErrorIs(t, err, referral.ErrNoPerson)
}

func (s *shop) wantCases(t *testing.T, state referral.CaseState) []referral.Case {
	t.Helper()
	page, err := s.Cases(ctx, referral.CaseQuery{State: state})
	require.NoError(t, err)
	return page.Cases
}

// What a newer release wrote about people is not read as if it were less, and never
// rewritten.
func TestNewerPeopleAreRefused(t *testing.T) {
	s := crowd(t)
	jane := s.subject(janeDoe())
	code := s.link(jane.ID).Code
	id := s.wantCases(t, referral.CaseDecided)[0].ID
	kinds := []string{"person", "subject", "vanity", "chosen_codes", "case", "invitation"}
	rewrite(t, s.store, kinds, func(body string) string {
		return string(bytes.Replace([]byte(body), []byte(`"format":1`), []byte(`"format":2`), 1))
	})
	fresh := on(s.store, sending(t))
	for name, err := range map[string]error{
		"subject":  second(fresh.Subject(ctx, janeDoe(), noon)),
		"find":     second(fresh.FindSubject(ctx, "mia")),
		"erase":    second(fresh.Erase(ctx, "mia", "staff", "asked for", noon)),
		"export":   second(fresh.Export(ctx, "mia", noon)),
		"merge":    second(fresh.Merge(ctx, "mia", "account 1", "staff", "asked for", noon)),
		"taint":    fresh.Taint(ctx, "stolen", janeDoe(), noon.Add(day), "staff", "asked for", noon),
		"choose":   second(fresh.ChooseCode(ctx, "invite", jane.ID, "SECOND", noon)),
		"case":     second(fresh.Case(ctx, id)),
		"cases":    second(fresh.Cases(ctx, referral.CaseQuery{State: referral.CaseDecided})),
		"decide":   second(fresh.DecideCase(ctx, id, referral.Judgement{Verdict: referral.Deny, Actor: "kim", Reason: "looked at it"}, noon)),
		"invite":   second(fresh.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: jane.ID, Addresses: addresses(0, 1)}, noon)),
		"suppress": fresh.SuppressAddress(ctx, "friend0@example.com", "staff", noon),
		"register": second(fresh.Register(ctx, referral.Registration{Customer: jane.ID, Code: string(code)}, noon)),
	} {
		require.ErrorIs(t, err, storage.ErrNewer, name)
	}
}

package referral_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// village is a shop in which everything has happened that the audit of people looks at.
// Subjects are named in the order they came: see who.
type village struct {
	*shop
	who map[string]string
}

func newVillage(t *testing.T) village {
	p := inviting(5, 10, 100)
	p.Checks = []referral.Check{{Kind: referral.CheckSameDevice, Action: referral.ActionReview}}
	p.Review = referral.Review{Within: 3 * day, Otherwise: referral.Deny}
	v := village{openShop(t, memory.New(), sending(t), p), make(map[string]string)}
	come := func(name string, devices ...string) string {
		v.who[name] = v.subject(referral.Person{Account: name, Email: name + "@example.com", Devices: devices}).ID
		return v.who[name]
	}
	jane, joe := come("jane", "jane's"), come("joe")
	v.bind(jane, come("lapsed", "jane's"), noon)
	v.settle(noon.Add(4 * day))
	at := noon.Add(5 * day)
	v.bind(jane, come("decided", "jane's"), at)
	_, err := v.DecideCase(ctx, "invite/"+v.who["decided"]+"/same_device", referral.Judgement{Verdict: referral.Deny, Side: referral.Referrer, Actor: "kim", Reason: "looked at it"}, at)
	require.NoError(t, err)
	v.bind(jane, come("open", "jane's"), at)

	v.bind(joe, come("old"), at)
	v.bind(v.who["old"], come("friend of old"), at)
	come("new")
	_, err = v.Merge(ctx, "old", "new", "staff", "asked for", at)
	require.NoError(t, err)
	v.bind(joe, come("erased"), at)
	_, err = v.Erase(ctx, "erased", "staff", "asked for", at)
	require.NoError(t, err)
	require.NoError(t, v.Ban(ctx, come("banned"), "staff", "why", at))
	require.NoError(t, v.Ban(ctx, come("unbanned"), "staff", "why", at))
	require.NoError(t, v.Unban(ctx, v.who["unbanned"], "staff", "a mistake", at))
	sent, err := v.Invite(ctx, referral.InviteRequest{ID: "1", Program: "invite", Customer: joe, Addresses: addresses(0, 2)}, at)
	require.NoError(t, err)
	require.NoError(t, v.RefuseInvitations(ctx, sent.Send[0].Refusal, at))
	requireAudit(t, v.store)
	return v
}

// find gives the document of a kind whose body has a text in it.
func find(t *testing.T, store storage.Store, kind, with string) storage.Key {
	t.Helper()
	query := storage.Query{Kind: kind, Limit: storage.MaxPage}
	page, err := store.List(ctx, query)
	require.NoError(t, err)
	for _, doc := range page.Docs {
		if doc.Key.ID == with {
			return doc.Key
		}
	}
	for _, doc := range page.Docs {
		if strings.Contains(doc.Key.ID+string(doc.Body), with) {
			return doc.Key
		}
	}
	require.Fail(t, "there is none", "%s with %s", kind, with)
	return storage.Key{}
}

func drop(t *testing.T, store storage.Store, key storage.Key) {
	t.Helper()
	docs, _, err := store.Get(ctx, []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	require.NoError(t, store.Apply(ctx, storage.Batch{Drops: []storage.Drop{{Key: key, Version: docs[0].Version}}}))
}

// Whatever is changed of cases and people behind the service's back, the audit finds it.
func TestAuditFindsEveryKindOfDiscrepancyOfPeople(t *testing.T) {
	for name, c := range map[string]struct {
		kind, with string // which document; names in {} are subjects
		old, new   string // no old: it is dropped
		finding    ledger.Finding
	}{
		"a case that can't be read":          {"case", "{open}", `"opened":1`, `"opened":"1","x":1`, ledger.FoundUnreadable},
		"a case that is gone":                {"case", "{open}", "", "", referral.FoundCase},
		"a case without its referral":        {"referral", "invite/{open}", "", "", referral.FoundCase},
		"a case of another referrer":         {"case", "{open}", `"referrer":"{jane}"`, `"referrer":"{joe}"`, referral.FoundCase},
		"a case of another check":            {"case", "{open}", `"facts":["check/same_device"]`, `"facts":["check/same_email"]`, referral.FoundCase},
		"a case of no check":                 {"case", "{open}", `"facts":["check/same_device"]`, `"facts":[]`, referral.FoundCase},
		"a case with another deadline":       {"case", "{open}", `"until":17`, `"until":18`, referral.FoundCase},
		"a case that ends otherwise":         {"case", "{open}", `"otherwise":"deny"`, `"otherwise":"approve"`, referral.FoundCase},
		"a case decided behind its back":     {"case", "{open}", `"state":"open"`, `"state":"decided"`, referral.FoundCase},
		"a decision nobody recorded":         {"case", "{decided}", `"verdict":"deny"`, `"verdict":"approve"`, referral.FoundCase},
		"a decision about the other side":    {"case", "{decided}", `"side":"referrer"`, `"side":"referee"`, referral.FoundCase},
		"a decision of somebody else":        {"case", "{decided}", `"actor":"kim"`, `"actor":"lee"`, referral.FoundCase},
		"a decision taken back":              {"case", "{decided}", `"state":"decided"`, `"state":"open"`, referral.FoundCase},
		"a decision the referral forgot":     {"referral", "invite/{decided}", `"kind":"reviewed"`, `"kind":"noted"`, referral.FoundCase},
		"a case that lapsed otherwise":       {"case", "{lapsed}", `"verdict":"deny"`, `"verdict":"approve"`, referral.FoundCase},
		"a case that lapsed early":           {"case", "{lapsed}", `"closed":17`, `"closed":16`, referral.FoundCase},
		"a check without its case":           {"case", "{lapsed}", "", "", referral.FoundCase},
		"a member that can't be read":        {"member", "{banned}", `"since":1`, `"since":"1","x":1`, ledger.FoundUnreadable},
		"a ban lifted":                       {"member", "{banned}", `"banned":true`, `"banned":false`, referral.FoundPerson},
		"a ban without a reason":             {"member", "{banned}", `"ban_reason":"why"`, `"ban_reason":""`, referral.FoundPerson},
		"a ban without an entry":             {"member", "{joe}", `"banned":false,"ban_reason":""`, `"banned":true,"ban_reason":"why"`, referral.FoundPerson},
		"a ban that was ended":               {"member", "{unbanned}", `"banned":false,"ban_reason":""`, `"banned":true,"ban_reason":"why"`, referral.FoundPerson},
		"a ban that is not in the book":      {"entry", "banned/{banned}/", "", "", referral.FoundPerson},
		"a friend without a referral":        {"referral", "invite/{erased}", "", "", referral.FoundForest},
		"a subject that can't be read":       {"subject", "{joe}", `"since":1`, `"since":"1","x":1`, ledger.FoundUnreadable},
		"a subject that is gone":             {"subject", "{joe}", "", "", referral.FoundPerson},
		"a subject known by less":            {"subject", "{banned}", `"people":[`, `"people":[],"x":[`, referral.FoundPerson},
		"an identifier of nobody":            {"person", `"kind":"account","subjects":["{joe}"]`, `"subjects":["{joe}"]`, `"subjects":[]`, referral.FoundPerson},
		"an identifier of somebody else":     {"person", `"kind":"account","subjects":["{joe}"]`, `"subjects":["{joe}"]`, `"subjects":["{jane}"]`, referral.FoundPerson},
		"an identifier that is gone":         {"person", `"kind":"account","subjects":["{joe}"]`, "", "", referral.FoundPerson},
		"an identifier moved in part":        {"person", `"kind":"account","subjects":["{joe}"]`, `"moved":""`, `"moved":"x"`, referral.FoundPerson},
		"an identifier that can't be read":   {"person", `"subjects":["{joe}"]`, `"erased":0`, `"erased":"0"`, ledger.FoundUnreadable},
		"an erasure undone":                  {"subject", "{erased}", `"erased":17`, `"erased":0,"x":17`, referral.FoundPerson},
		"an erasure that is not in the book": {"entry", "erased/{erased}", "", "", referral.FoundPerson},
		"an erasure that was not to be":      {"subject", "{joe}", `"erasing":false`, `"erasing":true`, referral.FoundPerson},
		"an identifier of somebody erased":   {"person", `"kind":"account","subjects":["{joe}"]`, `"subjects":["{joe}"]`, `"subjects":["{joe}","{erased}"]`, referral.FoundPerson},
		"an erased subject's identifier":     {"subject", "{erased}", `"people":null`, `"people":["x"]`, referral.FoundPerson},
		"a merge undone":                     {"subject", "{old}", `"merged":"{new}"`, `"merged":""`, referral.FoundPerson},
		"a merge into somebody else":         {"subject", "{old}", `"merged":"{new}"`, `"merged":"{joe}"`, referral.FoundPerson},
		"a merge into nobody":                {"subject", "{new}", "", "", referral.FoundPerson},
		"a merge that is not in the book":    {"entry", "merged/{old}", "", "", referral.FoundPerson},
		"a merge that was not to be":         {"subject", "{joe}", `"moving":false`, `"moving":true`, referral.FoundPerson},
		"a merged friend forgotten":          {"member", "{new}", `"brought":[`, `"x":[`, referral.FoundPerson},
		"a merged account that came back":    {"member", "{old}", `"became":"{new}"`, `"became":""`, referral.FoundPerson},
		"a send that can't be read":          {"invitation", "{joe}", `"at":17`, `"at":"17","x":1`, ledger.FoundUnreadable},
		"a send that counts less":            {"invitation", "{joe}", `"n":2`, `"n":1`, ledger.FoundCounter},
		"a send to somebody else":            {"invitation", "{joe}", `"accepted":["`, `"accepted":["x`, referral.FoundPerson},
		"a send of somebody else":            {"invitation", "{joe}", `"customer":"{joe}"`, `"customer":"{jane}"`, referral.FoundPerson},
		"a send that is gone":                {"invitation", "{joe}", "", "", referral.FoundPerson},
		"an invitation nobody sent":          {"person", `"kind":"account","subjects":["{joe}"]`, `"invited":null`, `"invited":["{jane}"]`, referral.FoundPerson},
		"an invitation forgotten":            {"person", `"refused":17`, `"invited":["{joe}"]`, `"invited":[]`, referral.FoundPerson},
		"a refusal forgotten":                {"person", `"refused":17`, `"refused":17`, `"refused":0,"x":17`, referral.FoundPerson},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVillage(t)
			var pairs []string
			for name, id := range v.who {
				pairs = append(pairs, "{"+name+"}", id)
			}
			names := strings.NewReplacer(pairs...)
			key := find(t, v.store, c.kind, names.Replace(c.with))
			if c.old == "" {
				drop(t, v.store, key)
			} else {
				change(t, v.store, key, names.Replace(c.old), names.Replace(c.new))
			}
			report, err := referral.Audit(ctx, v.store)
			require.NoError(t, err)
			var found []ledger.Finding
			for _, d := range report.Discrepancies {
				found = append(found, d.Finding)
			}
			assert.Contains(t, found, c.finding, report.Err())
		})
	}
}

// What a merge should have moved and what an erasure should have ended is found where it
// turns up again.
func TestAuditFindsWhatIsLeft(t *testing.T) {
	v := newVillage(t)
	plant := func(name, kind string, write func(put *storage.Put)) {
		t.Run(name, func(t *testing.T) {
			key := find(t, v.store, kind, "invite/"+v.who["friend of old"])
			docs, _, err := v.store.Get(ctx, []storage.Key{key})
			require.NoError(t, err)
			put := storage.Put(docs[0])
			write(&put)
			require.NoError(t, v.store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
			report, err := referral.Audit(ctx, v.store)
			require.NoError(t, err)
			require.ErrorContains(t, report.Err(), "has a "+kind+" left")
			docs[0].Version++
			require.NoError(t, v.store.Apply(ctx, storage.Batch{Puts: []storage.Put{storage.Put(docs[0])}}))
			requireAudit(t, v.store)
		})
	}
	plant("a friend", "referral", func(put *storage.Put) {
		put.Lists = []storage.Listing{{List: "referrer/invite/" + v.who["old"], Place: 1}}
	})
	plant("a reward", "reward", func(put *storage.Put) {
		put.Lists = []storage.Listing{{List: "customer/invite/" + v.who["old"], Place: 1}}
	})
	for kind, body := range map[string]string{"tally": `{"format":1,"counting":1}`, "debt": `{"format":1,"coupons":{"thanks":1}}`} {
		key := storage.Key{Kind: kind, ID: "invite/" + v.who["old"]}
		require.NoError(t, v.store.Apply(ctx, storage.Batch{Puts: []storage.Put{{Key: key, Body: []byte(body)}}}))
		report, err := referral.Audit(ctx, v.store)
		require.NoError(t, err)
		require.ErrorContains(t, report.Err(), "has a "+kind+" left")
		drop(t, v.store, key)
	}
	key := storage.Key{Kind: "referral", ID: "invite/" + v.who["erased"]}
	change(t, v.store, key, `"state":"voided"`, `"state":"bound"`)
	requireAudit(t, v.store)
	change(t, v.store, key, `"kind":"erased"`, `"kind":"noted"`)
	report, err := referral.Audit(ctx, v.store)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "it was erased, and the referral does not know")
	change(t, v.store, key, `"kind":"noted"`, `"kind":"erased"`)
	_, err = v.coupons.Issue(ctx, coupon.IssueRequest{ID: "gift", Holder: v.who["erased"], Offers: []coupon.IssueOffer{{Offer: "thanks"}}}, noon)
	require.NoError(t, err)
	report, err = referral.Audit(ctx, v.store)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "it was erased, and has coupon")
}

// A case about what is owed is in the decisions of its referral, and the other way round.
func TestAuditFindsCasesOfDebts(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, s *shop){
		"gone": func(t *testing.T, s *shop) { drop(t, s.store, find(t, s.store, "case", "debt")) },
		"forgotten": func(t *testing.T, s *shop) {
			change(t, s.store, find(t, s.store, "referral", "mia"), "a case is open", "no case is open")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, memory.New(), referral.Options{}, inCredit(func(p *referral.Program) {
				p.Debt, p.Review = referral.DebtReviewed, referral.Review{Within: 3 * day}
			}))
			s.confirmed("mia", noon)
			s.spend("jane", "7.00")
			s.returned(cancelled("mia", "mia's order"), noon.Add(day))
			requireAudit(t, s.store)
			plant(t, s)
			report, err := referral.Audit(ctx, s.store)
			require.NoError(t, err)
			require.ErrorContains(t, report.Err(), string(referral.FoundCase))
		})
	}
}

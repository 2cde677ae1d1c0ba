package referral_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleFoldEmail() {
	for _, address := range []string{"Jane.Doe+shop@GMail.com", "jane.doe@example.com", "mıa@example.com", "nobody"} {
		fmt.Println(referral.FoldEmail(address))
	}
	// Output:
	// janedoe@gmail.com true
	// jane.doe@example.com true
	// mıa@example.com true
	//  false
}

func TestFoldEmail(t *testing.T) {
	for address, want := range map[string]string{
		"a@b.c": "a@b.c", " A@B.C ": "a@b.c", "a+x+y@b.c": "a@b.c", "a.b@googlemail.com": "ab@gmail.com", "a@b.c.": "a@b.c",
		"İ@b.c": "İ@b.c", "K@b.c": "k@b.c", "e\u0301@b.c": "é@b.c", `"a@b"@c.d`: `"a@b"@c.d`,
		"": "", "@b.c": "", "a@": "", "+x@b.c": "", "a@.": "", "....@gmail.com": "",
	} {
		got, ok := referral.FoldEmail(address)
		require.Equal(t, want != "", ok, address)
		if ok {
			require.Equal(t, want, got, address)
		}
	}
}

// Folding what was folded changes nothing: two addresses have one mailbox or not.
func FuzzFoldEmail(f *testing.F) {
	for _, address := range []string{"Jane.Doe+shop@GMail.com", "mıa@example.com", "a@b@c", "\xff@\xff", "+@gmail.com", "a@b.."} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		folded, ok := referral.FoldEmail(address)
		if !ok {
			return
		}
		again, ok := referral.FoldEmail(folded)
		if strings.HasSuffix(folded, ".") || strings.TrimSpace(folded) != folded {
			return // no address of a mailbox
		}
		require.True(t, ok)
		require.Equal(t, folded, again)
	})
}

func keyed(keys ...referral.SigningKey) referral.Options { return referral.Options{PersonKeys: keys} }

func janeDoe() referral.Person {
	return referral.Person{
		Account: "account 1", Email: "Jane.Doe@gmail.com", Phone: "+33 1 23 45 67 89", Instruments: []string{"card 1"}, Devices: []string{"phone 1"},
	}
}

func (s *shop) subject(p referral.Person) referral.Subject {
	s.t.Helper()
	subject, err := s.Subject(ctx, p, noon)
	require.NoError(s.t, err)
	return subject
}

func ExampleService_Subject() {
	store := memory.New()
	secret := []byte("32 random bytes, from a safe place")
	referrals := on(store, referral.Options{PersonKeys: []referral.SigningKey{{ID: "2026", Secret: secret}}})
	jane, err := referrals.Subject(ctx, referral.Person{Account: "jane", Email: "jane@example.com"}, noon)
	fmt.Println(len(jane.ID), jane.Returning, err)
	again, err := referrals.Subject(ctx, referral.Person{Account: "jane", Devices: []string{"a tablet"}}, noon)
	fmt.Println(again.ID == jane.ID, err)
	_, err = referrals.Erase(ctx, "jane", "staff", "she asked for it", noon)
	fmt.Println(err)
	_, err = referrals.FindSubject(ctx, "jane")
	fmt.Println(err)
	anew, err := referrals.Subject(ctx, referral.Person{Account: "jane 2", Email: "Jane+new@example.com"}, noon.Add(day))
	fmt.Println(anew.ID == jane.ID, anew.Returning, err)
	// Output:
	// 34 false <nil>
	// true <nil>
	// <nil>
	// referral: nobody is known by this account
	// false true <nil>
}

// No document says who somebody is, whatever the shop passes in.
func TestNothingClearIsKept(t *testing.T) {
	s := openShop(t, memory.New(), keyed(signingKey("a", 1)), program(8))
	s.subject(janeDoe())
	var kept strings.Builder
	for _, kind := range []string{"person", "subject"} {
		page, err := s.store.List(ctx, storage.Query{Kind: kind})
		require.NoError(t, err)
		require.NotEmpty(t, page.Docs)
		for _, doc := range page.Docs {
			fmt.Fprintln(&kept, doc.Key, doc.Lists, string(doc.Body))
		}
	}
	for _, clear := range []string{"account 1", "jane", "Jane", "gmail", "+33", "123456789", "card 1", "phone 1"} {
		require.NotContains(t, kept.String(), clear)
	}
}

// However keys are rotated, in whatever order services of different releases see
// somebody, with sweeps in between or not: an account has one subject.
func TestSubjectsOutliveKeys(t *testing.T) {
	keys := []referral.SigningKey{signingKey("a", 1), signingKey("b", 2), signingKey("c", 3)}
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		newest := 0
		known := map[string]string{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			newest = min(newest+rapid.IntRange(0, 1).Draw(t, "rotate"), 2)
			ring := []referral.SigningKey{keys[newest]}
			for i := newest - 1; i >= 0; i-- {
				ring = append(ring, keys[i])
			}
			s := on(store, keyed(ring...))
			s.t = t
			if rapid.IntRange(0, 4).Draw(t, "sweep") == 0 {
				_, err := s.SweepPeople(ctx, noon, rapid.IntRange(1, 3).Draw(t, "limit"))
				require.NoError(t, err)
				continue
			}
			account := rapid.SampledFrom([]string{"jane", "mia", "ida"}).Draw(t, "account")
			subject := s.subject(referral.Person{Account: account, Email: account + "@example.com"})
			if known[account] != "" {
				require.Equal(t, known[account], subject.ID)
			}
			known[account] = subject.ID
			found, err := s.FindSubject(ctx, account)
			require.NoError(t, err)
			require.Equal(t, subject, found)
		}
	})
}

// Once swept, nothing is kept under an old key: nobody who gets hold of it can test
// guesses.
func TestSweptKeysAreNoUse(t *testing.T) {
	store := memory.New()
	old, both := openShop(t, store, keyed(signingKey("a", 1)), program(8)), on(store, keyed(signingKey("b", 2), signingKey("a", 1)))
	both.t = t
	subject := old.subject(janeDoe())
	report, err := both.SweepPeople(ctx, noon, 0)
	require.NoError(t, err)
	require.Equal(t, 5, report.Done)
	page, err := store.List(ctx, storage.Query{Kind: "person", List: "key/a"})
	require.NoError(t, err)
	require.Empty(t, page.Docs)
	_, err = old.FindSubject(ctx, "account 1")
	require.ErrorIs(t, err, referral.ErrNoPerson)
	require.Equal(t, subject, both.subject(janeDoe()))
	report, err = both.SweepPeople(ctx, noon, 0)
	require.NoError(t, err)
	require.Zero(t, report.Done)
	page, err = store.List(ctx, storage.Query{Kind: "person", List: "key/b"})
	require.NoError(t, err)
	require.Len(t, page.Docs, 5)
}

// What was kept while a key was taken out, and what was before, are of one person when the
// key is there again: whoever the account led to last is its subject.
func TestAKeyThatIsPutBack(t *testing.T) {
	for _, first := range []string{"sweep", "subject", "taint"} {
		t.Run(first, func(t *testing.T) {
			a, b := signingKey("a", 1), signingKey("b", 2)
			store := memory.New()
			before, without, again := openShop(t, store, keyed(a), program(8)), on(store, keyed(b)), on(store, keyed(b, a))
			without.t, again.t = t, t
			before.subject(janeDoe())
			require.NoError(t, before.Taint(ctx, "stolen", referral.Person{Devices: janeDoe().Devices}, noon.Add(day), "staff", "why", noon))
			last := without.subject(janeDoe())
			require.NoError(t, without.Taint(ctx, "bots", referral.Person{Devices: janeDoe().Devices}, noon.Add(day), "staff", "why", noon))
			switch first {
			case "sweep":
				require.NoError(t, second0(again.SweepPeople(ctx, noon, 0)))
			case "taint":
				require.NoError(t, again.Taint(ctx, "other", referral.Person{Devices: janeDoe().Devices, Email: janeDoe().Email}, noon.Add(day), "staff", "why", noon))
			}
			for range 2 {
				require.Equal(t, last, again.subject(janeDoe()))
				requireAudit(t, store)
				found, err := again.FindSubject(ctx, janeDoe().Account)
				require.NoError(t, err)
				require.Equal(t, last, found)
				require.NoError(t, second0(again.SweepPeople(ctx, noon, 0)))
			}
			device := find(t, store, "person", `"list":"stolen"`)
			docs, _, err := store.Get(ctx, []storage.Key{device})
			require.NoError(t, err)
			require.Contains(t, string(docs[0].Body), `"list":"bots"`)
		})
	}
}

// What is put on a list and taken off is booked each time, wherever the document was before.
func TestTaintsAreBookedAfterKeysWereRotated(t *testing.T) {
	a, b := signingKey("a", 1), signingKey("b", 2)
	store := memory.New()
	before, after := openShop(t, store, keyed(a), program(8)), on(store, keyed(b, a))
	card := referral.Person{Instruments: janeDoe().Instruments}
	times := 0
	taint := func(s *shop) {
		times++
		require.NoError(t, s.Taint(ctx, "stolen", card, noon.Add(time.Duration(times)*day), "staff", "why", noon), times)
	}
	before.subject(janeDoe())
	taint(before)
	for range 5 {
		taint(after)
	}
	booked := 0
	page, err := store.List(ctx, storage.Query{Kind: "entry", Limit: storage.MaxPage})
	require.NoError(t, err)
	for _, doc := range page.Docs {
		if strings.HasPrefix(doc.Key.ID, "tainted/") {
			booked++
		}
	}
	require.Equal(t, times, booked)
}

func TestPersonFaults(t *testing.T) {
	s := on(memory.New(), keyed(signingKey("a", 1)))
	for path, p := range map[string]referral.Person{
		"account":        {},
		"email":          {Account: "a", Email: "nobody"},
		"phone":          {Account: "a", Phone: "01 23 45 67 89"},
		"devices[1]":     {Account: "a", Devices: []string{"x", "\x00"}},
		"instruments":    {Account: "a", Instruments: make([]string, 11)},
		"instruments[0]": {Account: "a", Instruments: []string{strings.Repeat("x", 255)}},
	} {
		_, err := s.Subject(ctx, p, noon)
		require.ErrorIs(t, err, referral.ErrRequest)
		require.ErrorContains(t, err, path+": ")
	}
	for _, options := range []referral.Options{
		{}, keyed(signingKey("A", 1)), keyed(signingKey("a", 1), signingKey("a", 2)), keyed(referral.SigningKey{ID: "a"}),
		keyed(signingKey("a", 1), signingKey("b", 1), signingKey("c", 1), signingKey("d", 1), signingKey("e", 1)),
	} {
		bad := on(memory.New(), options)
		require.ErrorContains(t, second(bad.Subject(ctx, janeDoe(), noon)), "options.person_keys")
		require.ErrorIs(t, second(bad.FindSubject(ctx, "a")), referral.ErrRequest)
		require.ErrorIs(t, second(bad.SweepPeople(ctx, noon, 0)), referral.ErrRequest)
		require.ErrorIs(t, second(bad.Erase(ctx, "a", "staff", "asked for", noon)), referral.ErrRequest)
		require.ErrorIs(t, second(bad.Export(ctx, "a", noon)), referral.ErrRequest)
	}
}

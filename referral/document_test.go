package referral_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// An editor or a reviewer checks a program's document against the schema; reading it
// says everything that is wrong, each by its path.
func ExampleProgramSchema() {
	var schema struct {
		Title    string
		Required []string
	}
	fmt.Println(json.Unmarshal([]byte(referral.ProgramSchema()), &schema))
	fmt.Println(schema.Title, schema.Required)
	_, err := referral.ParseProgram([]byte(`{"id": "Invite", "name": "Invite", "hold": "1h", "rewards": [{"side": "friend", "step": "qualified"}]}`))
	fmt.Println(err)
	p, err := referral.ParseProgram([]byte(`{"id": "invite", "name": "Invite", "hold": "1h", "rewards": [
		{"side": "referrer", "step": "qualified", "credit": {"EUR": "10.00"}}]}`))
	fmt.Println(p.Hold, p.Rewards[0].Credit, err)
	// Output:
	// <nil>
	// Program [id name]
	// referral: the program is not valid: id: is "Invite", want ^[a-z0-9][a-z0-9._-]{0,39}$; rewards[0].side: is "friend", want referrer or referee; rewards[0]: gives nothing: want coupons, credit or something of the shop's own
	// 1h0m0s [10.00 EUR] <nil>
}

// own are the kinds of documents that referrals are kept in; kinds are those that
// they write of coupons and of the book, too.
var (
	own   = []string{"program", "program_version", "member", "link", "touch", "referral", "reward"}
	kinds = slices.Concat(own, []string{"offer", "offer_version", "coupon", "code", "issue", "redemption", "entry", "event", "fault"})
)

// dump is everything in a store but its counters, in one order.
func dump(t checker, store storage.Store) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range kinds {
		query := storage.Query{Kind: kind, Limit: storage.MaxPage}
		for more := true; more; more = query.After != "" {
			page, err := store.List(ctx, query)
			require.NoError(t, err)
			for _, doc := range page.Docs {
				fmt.Fprintf(&b, "%s v%d due %d %v %s\n", doc.Key, doc.Version, doc.Due, doc.Lists, doc.Body)
			}
			query.After = page.Next
		}
	}
	return b.String()
}

// requireSame compares two dumps, and shows the first difference.
func requireSame(t checker, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(found)) {
		require.Equal(t, wanted[i], found[i])
	}
	require.Len(t, found, len(wanted))
}

// codePattern matches made codes, as they stand in bodies and ids.
var codePattern = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{14}\b`)

// full is a shop that has a document of every kind, with something in every member.
func full(t *testing.T) *shop {
	s := openShop(t, memory.New(), referral.Options{Events: true, Random: rand.New(rand.NewSource(1))}, everything())
	t.Cleanup(func() { requireAudit(t, s.store) })
	s.touch("cookie", s.link("jane"), noon)
	s.register(referral.Registration{Customer: "mia", Visitor: "cookie"}, noon.Add(time.Minute))
	s.link("mia")
	s.bind("jane", "ida", noon.Add(2*time.Minute))
	s.bind("jane", "noa", noon.Add(3*time.Minute)) // the third this week
	s.register(referral.Registration{Customer: "eve"}, noon)
	s.paid(paid("mia", "order", "15.00"), noon.Add(time.Hour))
	s.paid(paid("ida", "another", "15.00"), noon.Add(time.Hour))
	s.settle(noon.Add(2 * time.Hour))
	quote, err := s.coupons.Quote(ctx, cart("jane"), coupon.ChooseCoupons(s.brings("mia").Coupons[0]), noon.Add(2*time.Hour))
	require.NoError(t, err)
	require.NoError(t, second0(s.coupons.Redeem(ctx, "jane's", quote, noon.Add(2*time.Hour))))
	s.returned(back("mia", "order", "some", "1.00"), noon.Add(3*time.Hour))
	s.returned(cancelled("mia", "order"), noon.Add(4*time.Hour))
	require.NoError(t, s.Pause(ctx, "invite", "staff", "too many", noon))
	return s
}

// golden are the documents that stay readable for ever, by the file each is in.
var golden = map[string]storage.Key{
	"program":             {Kind: "program", ID: "invite"},
	"program_version":     {Kind: "program_version", ID: "invite@1"},
	"member":              {Kind: "member", ID: "mia"},
	"member_uninvited":    {Kind: "member", ID: "eve"},
	"link":                {Kind: "link", ID: "JXW7125FPZZFTH"},
	"touch":               {Kind: "touch", ID: "6/cookie/1795176000000000"},
	"referral_reversed":   {Kind: "referral", ID: "invite/mia"},
	"referral_confirmed":  {Kind: "referral", ID: "invite/ida"},
	"referral_bound":      {Kind: "referral", ID: "invite/noa"},
	"reward_clawed_back":  {Kind: "reward", ID: "invite/mia/referrer/qualified"},
	"reward_granted":      {Kind: "reward", ID: "invite/mia/referee/registered"},
	"reward_withheld":     {Kind: "reward", ID: "invite/noa/referrer/registered"},
	"event":               {Kind: "event", ID: "referral/invite/mia/0000000000000000002"},
	"entry_of_a_referral": {Kind: "entry", ID: "referral/d5615e88e9731bd7215e7bd7f966a98bf680bb05/5"},
	"entry_of_a_program":  {Kind: "entry", ID: "program/invite/published/1"},
}

// Bodies that were written once are never written differently, but for members that
// are added: the files are what an older release left behind.
func TestGoldenBodies(t *testing.T) {
	s := full(t)
	for _, name := range slices.Sorted(maps.Keys(golden)) {
		docs, _, err := s.store.Get(ctx, []storage.Key{golden[name]}) // its codes come from a fixed seed
		require.NoError(t, err)
		require.Len(t, docs, 1, golden[name].String())
		var got bytes.Buffer
		require.NoError(t, json.Indent(&got, docs[0].Body, "", "  "))
		got.WriteByte('\n')
		path := filepath.Join("testdata", name+".json")
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String(), name)
	}
}

// What older releases left behind is read to this day.
func TestGoldenBodiesAreRead(t *testing.T) {
	store, written := memory.New(), full(t)
	for name, key := range golden {
		body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		require.NoError(t, err)
		docs, _, err := written.store.Get(ctx, []storage.Key{key})
		require.NoError(t, err)
		put := storage.Put(docs[0])
		put.Version, put.Body = 0, body
		require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
	}
	s := on(store, referral.Options{})
	s.t = t
	p, err := s.Program(ctx, "invite", 0)
	require.NoError(t, err)
	want := everything()
	want.Version = 1
	require.Equal(t, want, p)
	for _, friend := range []string{"mia", "ida", "noa"} {
		require.Equal(t, written.referral(friend), s.referral(friend))
	}
	require.Equal(t, written.brings("mia"), s.brings("mia"))
	require.Equal(t, written.reward("noa", referral.Referrer, referral.Registered), s.reward("noa", referral.Referrer, referral.Registered))
	require.Equal(t, written.link("mia"), s.link("mia"))
	require.Equal(t, referral.ReasonNoInvitation, s.register(referral.Registration{Customer: "eve"}, noon).Reason)
}

// rewrite changes the body of every document of these kinds.
func rewrite(t *testing.T, store storage.Store, kinds []string, change func(body string) string) {
	t.Helper()
	for _, kind := range kinds {
		page, err := store.List(ctx, storage.Query{Kind: kind, Limit: storage.MaxPage})
		require.NoError(t, err)
		for _, doc := range page.Docs {
			put := storage.Put(doc)
			put.Body = []byte(change(string(doc.Body)))
			require.NoError(t, store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}))
		}
	}
}

// changeAll does something to every kind of document that is ever written again.
func changeAll(s *shop) []error {
	later := noon.Add(5 * time.Hour)
	return []error{
		second0(s.Register(ctx, referral.Registration{Customer: "jane"}, later)),
		second0(s.OrderReturned(ctx, cancelled("ida", "another"), later)),
		s.Resume(ctx, "invite", "staff", "asked for", later),
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	s := full(t)
	rewrite(t, s.store, own, func(body string) string { return strings.TrimSuffix(body, "}") + `,"later":{"a":[1,2]}}` })
	for _, err := range changeAll(s) {
		require.NoError(t, err)
	}
	for line := range strings.Lines(dump(t, s.store)) {
		if kind, _, _ := strings.Cut(line, "/"); slices.Contains(own, kind) {
			require.Contains(t, line, `,"later":{"a":[1,2]}}`)
		}
	}
}

// What a newer release wrote is not read as if it were less, and never rewritten.
func TestNewerFormatsAreRefused(t *testing.T) {
	s := full(t)
	jane := s.link("jane")
	for _, kind := range own {
		rewrite(t, s.store, []string{kind}, func(body string) string { return strings.Replace(body, `"format":1`, `"format":2`, 1) })
	}
	before := dump(t, s.store)
	fresh := on(s.store, referral.Options{})
	for name, err := range map[string]error{
		"publish":  second(fresh.Publish(ctx, everything(), "staff", noon)),
		"pause":    fresh.Pause(ctx, "invite", "staff", "asked for", noon),
		"program":  second(fresh.Program(ctx, "invite", 0)),
		"version":  second(fresh.Program(ctx, "invite", 1)),
		"link":     second(fresh.Link(ctx, "invite", "jane", noon)),
		"touch":    second(fresh.Touch(ctx, referral.TouchRequest{ID: "2", Visitor: "v", Code: string(jane.Code)}, noon)),
		"register": second(fresh.Register(ctx, referral.Registration{Customer: "new", Code: string(jane.Code)}, noon)),
		"by link":  second(fresh.Register(ctx, referral.Registration{Customer: "new", Visitor: "cookie"}, noon)),
		"again":    second(fresh.Register(ctx, referral.Registration{Customer: "eve"}, noon)),
		"pay":      second(fresh.OrderPaid(ctx, paid("noa", "o", "15.00"), noon)),
		"return":   second(fresh.OrderReturned(ctx, cancelled("noa", "o"), noon)),
		"referral": second(fresh.Referral(ctx, "invite", "mia")),
		"rewards":  second(fresh.Rewards(ctx, "invite", "mia")),
		"friends":  second(fresh.Friends(ctx, "invite", "jane", referral.TrackingQuery{})),
		"caps":     second(fresh.Caps(ctx, "invite", "jane", noon)),
	} {
		require.ErrorIs(t, err, storage.ErrNewer, name)
	}
	requireSame(t, before, dump(t, s.store))
	rewrite(t, s.store, own, func(body string) string { return strings.Replace(body, `"format":2`, `"format":1`, 1) }) // for the audit
}

// A sweep leaves alone what it can't read, and goes on with the rest.
func TestNewerFormatsDoNotStopSettle(t *testing.T) {
	s := newShop(t, held(8))
	for _, friend := range s.friends(5) {
		s.pay(friend, noon)
	}
	newer := func(body string) string {
		if strings.Contains(body, `"friend 3"`) {
			return strings.Replace(body, `"format":1`, `"format":2`, 1)
		}
		return body
	}
	rewrite(t, s.store, []string{"referral"}, newer)
	report, err := s.Settle(ctx, noon.Add(day), 0)
	require.NoError(t, err)
	require.Equal(t, []int{4, 1}, []int{report.Done, report.Failed})
	require.Contains(t, report.Faults[0].Message, "newer release")
	rewrite(t, s.store, []string{"referral"}, func(body string) string { return strings.Replace(body, `"format":2`, `"format":1`, 1) })
	require.Equal(t, 1, s.settle(noon.Add(day+time.Minute)).Done)
}

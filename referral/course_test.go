package referral_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// deadlines lets a shop settle at each deadline before an instant.
func (s *shop) deadlines(until time.Time) {
	s.t.Helper()
	for {
		due, err := s.NextDeadline(ctx)
		require.NoError(s.t, err)
		if due.IsZero() || !due.Before(until) {
			return
		}
		s.settle(due)
	}
}

// early says which reward was granted while a case about its referral is open; empty: none.
func (s *shop) early(friends []string, now time.Time) string {
	s.t.Helper()
	for _, c := range s.queue() {
		if !slices.Contains(friends, c.Friend) || !now.Before(c.Until) {
			continue
		}
		rewards, err := s.Rewards(ctx, "invite", c.Friend)
		require.NoError(s.t, err)
		for _, w := range rewards {
			if w.State == referral.RewardGranted && !w.Granted.Before(c.Opened) {
				return fmt.Sprintf("%s, granted at %s, and the case of %s is open since %s", w.ID, w.Granted, c.Friend, c.Opened)
			}
		}
	}
	return ""
}

// reviewed is a program in which a quick payment is reviewed.
func reviewed() referral.Program {
	return inCredit(func(p *referral.Program) {
		p.Hold = time.Hour
		p.Checks = []referral.Check{{Kind: referral.CheckFastPayment, Within: 30 * time.Minute, Action: referral.ActionReview}}
		p.Review = referral.Review{Within: 3 * time.Hour, Otherwise: referral.Approve}
		p.Rewards = append(p.Rewards, referral.Rule{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{eur("3.01")}}})
		p.Milestones = []referral.Milestone{{Friends: 2, Repeat: true, Earning: referral.Earning{Credit: coupon.Amounts{eur("7.77")}}}}
	})
}

// Nothing is granted while a case is open, in whatever order people pay, return, decide,
// pause and wait.
func TestNothingIsGrantedUnderReview(t *testing.T) {
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		s := openShop(t, memory.New(), referral.Options{Retry: 7 * time.Minute}, reviewed())
		now, bound, paused := noon, make(map[string]bool), false
		advance := func() {
			now = now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "minutes"))*time.Minute + time.Second)
			s.deadlines(now)
		}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"bind and pay": func(t *rapid.T) {
				friend := rapid.SampledFrom(courseFriends).Draw(t, "friend")
				if advance(); !bound[friend] {
					if paused {
						t.Skip()
					}
					s.bind("jane", friend, now)
					bound[friend] = true
				}
				if rapid.Bool().Draw(t, "later") {
					advance()
				}
				n++
				s.paid(paid(friend, fmt.Sprint("order ", n), "15.00"), now)
			},
			"return": func(t *rapid.T) {
				friend := rapid.SampledFrom(courseFriends).Draw(t, "friend")
				if n == 0 || !bound[friend] {
					t.Skip()
				}
				advance()
				s.returned(back(friend, fmt.Sprint("order ", rapid.IntRange(1, n).Draw(t, "order")), fmt.Sprint(now.UnixMicro()), "4.00"), now)
			},
			"decide": func(t *rapid.T) {
				advance()
				open := s.queue()
				if len(open) == 0 {
					return
				}
				j := referral.Judgement{Verdict: rapid.SampledFrom([]referral.Verdict{referral.Approve, referral.Deny}).Draw(t, "verdict"), Actor: "kim", Reason: "why"}
				if j.Verdict == referral.Deny {
					j.Side = rapid.SampledFrom([]referral.Side{"", referral.Referrer, referral.Referee}).Draw(t, "side")
				}
				_, err := s.DecideCase(ctx, open[0].ID, j, now)
				require.NoError(t, err)
			},
			"pause": func(t *rapid.T) {
				advance()
				call := s.Pause
				if paused {
					call = s.Resume
				}
				paused = !paused
				require.NoError(t, call(ctx, "invite", "staff", "why", now))
			},
			"settle": func(t *rapid.T) {
				advance()
				s.settle(now)
			},
			"": func(t *rapid.T) {
				require.Empty(t, s.early(courseFriends, now))
				opened += len(s.queue())
			},
		})
		requireAudit(t, s.store)
	})
	require.NotZero(t, opened, "there were cases")
}

// The property notices a reward that is granted under review.
func TestNothingIsGrantedUnderReviewCanFail(t *testing.T) {
	s := suspicious(t, memory.New(), "", 1)
	s.settle(noon.Add(day))
	friends := []string{"friend 0"}
	require.Empty(t, s.early(friends, noon.Add(day)))
	for _, side := range []string{"referrer", "referee"} {
		key := storage.Key{Kind: "reward", ID: "invite/friend 0/" + side + "/registered"}
		granted := s.reward("friend 0", referral.Side(side), referral.Registered).Granted.UnixMicro()
		later := noon.Add(2 * time.Minute).UnixMicro()
		change(t, s.store, key, fmt.Sprint(`"granted":`, granted), fmt.Sprint(`"granted":`, later))
		require.Contains(t, s.early(friends, noon.Add(day)), key.ID)
		require.Empty(t, s.early(friends, noon.Add(4*day)), "the case is over by then")
		change(t, s.store, key, fmt.Sprint(`"granted":`, later), fmt.Sprint(`"granted":`, granted))
	}
}

// body is what is stored of a document.
func body(t checker, store storage.Store, key storage.Key) string {
	t.Helper()
	docs, _, err := store.Get(ctx, []storage.Key{key})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	return string(docs[0].Body)
}

// retell tells the facts that are stored of a friend to a shop, each at the instant at
// which it was told, or all again at a later one.
func (s *shop) retell(r referral.Referral, again time.Time) error {
	s.t.Helper()
	facts := slices.Clone(r.Facts)
	toldAt := func(f referral.Fact) time.Time {
		if f.Told.IsZero() {
			return f.At
		}
		return f.Told
	}
	slices.SortStableFunc(facts, func(a, b referral.Fact) int { return toldAt(a).Compare(toldAt(b)) })
	for _, f := range facts {
		at := again
		if again.IsZero() {
			at = toldAt(f)
			s.deadlines(at)
		}
		var err error
		switch f.Kind {
		case referral.FactPaid:
			_, err = s.OrderPaid(ctx, referral.Payment{Order: f.Order, Customer: r.Friend, Amount: f.Amount, At: f.At}, at)
		case referral.FactRefunded:
			_, err = s.OrderReturned(ctx, referral.Return{ID: f.ID, Order: f.Order, Customer: r.Friend, Amount: f.Amount, Everything: f.Everything, At: f.At}, at)
		default:
			err = fmt.Errorf("a fact of kind %q", f.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keptHistory is a shop in which mia's payments and returns were told, on time and late,
// each at an instant of its own; and until when.
func keptHistory(t *rapid.T, p referral.Program) (*shop, time.Time) {
	s := openShop(t, memory.New(), referral.Options{Retry: 7 * time.Minute}, p)
	s.bind("jane", "mia", noon)
	now := noon
	payments, backs := history(t)
	for _, f := range rapid.Permutation(slices.Concat(payments, backs)).Draw(t, "arrival") {
		now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes"))*time.Minute + time.Second)
		at := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "minutes late")) * time.Minute)
		if f.payment != nil {
			f.payment.At = at
		} else {
			f.back.At = at
		}
		f.at = now
		s.deadlines(now)
		s.tell(f)
	}
	now = now.Add(50 * day)
	s.deadlines(now)
	return s, now
}

// lonely is a program in which what becomes of a friend depends on nobody else.
func lonely(t *rapid.T) referral.Program {
	p := drawProgram(t)
	p.Debt = referral.DebtRecorded
	return p
}

// A referral is what its facts make of it: told again in another shop, at the instants at
// which they were told, they give it byte for byte as it is stored.
func TestAReferralIsWhatItsFactsMakeOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := lonely(t)
		s, until := keptHistory(t, p)
		again := openShop(t, memory.New(), referral.Options{Retry: 7 * time.Minute}, p)
		again.bind("jane", "mia", noon)
		require.NoError(t, again.retell(s.referral("mia"), time.Time{}))
		again.deadlines(until)
		key := storage.Key{Kind: "referral", ID: "invite/mia"}
		require.Equal(t, body(t, s.store, key), body(t, again.store, key))
	})
}

// Told again where they are known, to a service that was started anew, facts change
// nothing that is stored: not a byte.
func TestFactsToldAgainChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, until := keptHistory(t, drawProgram(t))
		before := dump(t, s.store)
		anew := on(s.store, referral.Options{Retry: 7 * time.Minute})
		anew.t = t
		for range 2 {
			require.NoError(t, anew.retell(s.referral("mia"), until))
		}
		requireSame(t, before, dump(t, s.store))
	})
}

// Both properties notice a referral that is not what its facts make of it.
func TestReplayCanFail(t *testing.T) {
	key := storage.Key{Kind: "referral", ID: "invite/mia"}
	for name, c := range map[string]struct{ old, new string }{
		"another state":     {`"state":"confirmed"`, `"state":"held"`},
		"another order":     {`"order":"mia's order","paid"`, `"order":"other","paid"`},
		"a fact forgotten":  {`"facts":[`, `"facts":[],"x":[`},
		"another amount":    {`"amount":1200`, `"amount":1300`},
		"another decision":  {`"what":"confirmed"`, `"what":"voided"`},
		"another hold":      {`"hold_until":1`, `"hold_until":2`},
		"a place forgotten": {`"claims":[`, `"claims":[],"x":[`},
	} {
		s := newShop(t, held(8))
		s.bind("jane", "mia", noon)
		s.pay("mia", noon)
		s.deadlines(noon.Add(50 * day))
		facts := s.referral("mia")
		again := newShop(t, held(8))
		again.bind("jane", "mia", noon)
		require.NoError(t, again.retell(facts, time.Time{}))
		again.deadlines(noon.Add(50 * day))
		require.Equal(t, body(t, s.store, key), body(t, again.store, key), name)
		change(t, s.store, key, c.old, c.new)
		require.NotEqual(t, body(t, s.store, key), body(t, again.store, key), name)
		change(t, s.store, key, c.new, c.old)

		if name != "another amount" {
			continue // what is told does not say it
		}
		change(t, s.store, key, c.old, c.new)
		before := dump(t, s.store)
		err := s.retell(facts, noon.Add(50*day))
		require.ErrorIs(t, err, ledger.ErrKeyReused)
		requireSame(t, before, dump(t, s.store))
	}
}

// forest is who brought whom, by ids and by what the ids have become.
type forest struct {
	*shop
	accounts []string
	ids      map[string]string // of accounts
	became   map[string]string // of ids
}

func (f *forest) now(id string) string {
	for f.became[id] != "" {
		id = f.became[id]
	}
	return id
}

// brought is who brought each friend that there is, as it was bound.
func (f *forest) brought(t checker) map[string]string {
	t.Helper()
	by := make(map[string]string)
	for _, id := range f.ids {
		page, err := f.store.List(ctx, storage.Query{Kind: "referral", Limit: storage.MaxPage})
		require.NoError(t, err)
		for _, doc := range page.Docs {
			if doc.Key.ID != "invite/"+id {
				continue
			}
			r, err := f.Referral(ctx, "invite", id)
			require.NoError(t, err)
			by[id] = r.Referrer
		}
	}
	return by
}

// above are the people that somebody was brought by, directly and through others, where
// accounts that were merged are one.
func (f *forest) above(by map[string]string, person string) map[string]bool {
	found := map[string]bool{}
	for more := []string{person}; len(more) > 0; more = more[1:] {
		for friend, referrer := range by {
			if referrer = f.now(referrer); f.now(friend) == more[0] && !found[referrer] {
				found[referrer] = true
				more = append(more, referrer)
			}
		}
	}
	return found
}

// cycle gives somebody who, by who brought whom, brought themselves; empty: nobody did.
func cycle(by map[string]string) string {
	for friend := range by {
		at := by[friend]
		for range by {
			if at == friend {
				return friend
			}
			at = by[at]
		}
	}
	return ""
}

// Who brought whom is a forest, whatever codes come late and whichever accounts turn out
// to be one person's in between: by the ids that they were bound under. And nobody is bound
// to those whom they, or an account that was merged into theirs, have brought.
func TestWhoBroughtWhomIsAForest(t *testing.T) {
	merges, bindings := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := inCredit(func(p *referral.Program) { p.LateCode = 10 * day })
		options := keyed(signingKey("a", 1))
		options.Random = rand.NewChaCha8([32]byte{}) // so that it fails again as it failed
		f := &forest{shop: openShop(t, memory.New(), options, p), ids: make(map[string]string), became: make(map[string]string)}
		for i := range 6 {
			account := fmt.Sprint("account ", i)
			f.accounts = append(f.accounts, account)
			f.ids[account] = f.subject(referral.Person{Account: account}).ID
		}
		someone := func(label string) string { return rapid.SampledFrom(f.accounts).Draw(t, label) }
		now, registered := noon, make(map[string]bool)
		try := func(friend string, bind func(code string) (referral.Outcome, error)) {
			now = now.Add(time.Minute)
			referrer := f.ids[someone("whose code")]
			link, err := f.Link(ctx, "invite", referrer, now)
			if err != nil {
				require.ErrorIs(t, err, referral.ErrNoPerson, "of an account that was merged")
				t.Skip()
			}
			before := f.brought(t)
			o, err := bind(link.Code.String())
			require.NoError(t, err)
			if !o.Bound || before[friend] != "" {
				return
			}
			require.False(t, f.above(before, f.now(referrer))[friend], "who is bound has brought the referrer, through others")
			bindings++
		}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				id := f.now(f.ids[someone("friend")])
				if registered[id] {
					t.Skip()
				}
				if rapid.Bool().Draw(t, "without a code") {
					_, err := f.Register(ctx, referral.Registration{Customer: id}, now)
					require.NoError(t, err)
					registered[id] = true
					return
				}
				try(id, func(code string) (referral.Outcome, error) {
					registered[id] = true
					return f.Register(ctx, referral.Registration{Customer: id, Code: code}, now)
				})
			},
			"late code": func(t *rapid.T) {
				id := f.now(f.ids[someone("friend")])
				if !registered[id] {
					t.Skip()
				}
				try(id, func(code string) (referral.Outcome, error) {
					return f.EnterCode(ctx, referral.LateCode{Customer: id, Code: code}, now)
				})
			},
			"merge": func(t *rapid.T) {
				from, into := someone("from"), someone("into")
				now = now.Add(time.Minute)
				merged, err := f.Merge(ctx, from, into, "staff", "why", now)
				require.NoError(t, err)
				if merged.From != merged.Into {
					merges++
					f.became[merged.From] = merged.Into
				}
			},
			"pay": func(t *rapid.T) {
				now = now.Add(time.Minute)
				_, err := f.OrderPaid(ctx, paid(f.ids[someone("who")], fmt.Sprint("order at ", now), "15.00"), now)
				require.NoError(t, err)
				f.settle(now)
			},
			"": func(t *rapid.T) {
				require.Empty(t, cycle(f.brought(t)))
			},
		})
		requireAudit(t, f.store)
	})
	require.NotZero(t, merges)
	require.NotZero(t, bindings)
}

// The property notices a cycle, wherever it is, and the audit does.
func TestWhoBroughtWhomCanFail(t *testing.T) {
	for _, by := range []map[string]string{{"a": "a"}, {"a": "b", "b": "a"}, {"x": "y", "a": "b", "b": "c", "c": "a"}, {"root": "a", "a": "b", "b": "a"}} {
		require.NotEmpty(t, cycle(by))
	}
	require.Empty(t, cycle(map[string]string{"a": "b", "b": "c", "d": "b", "e": "f"}))

	p := inCredit(func(*referral.Program) {})
	f := &forest{shop: openShop(t, memory.New(), keyed(signingKey("a", 1)), p), ids: make(map[string]string), became: make(map[string]string)}
	for _, account := range []string{"jane", "mia", "ida"} {
		f.ids[account] = f.subject(referral.Person{Account: account}).ID
	}
	f.bind(f.ids["jane"], f.ids["mia"], noon)
	f.bind(f.ids["mia"], f.ids["ida"], noon)
	require.Empty(t, cycle(f.brought(t)))
	change(t, f.store, storage.Key{Kind: "referral", ID: "invite/" + f.ids["mia"]}, `"referrer":"`+f.ids["jane"], `"referrer":"`+f.ids["ida"])
	require.NotEmpty(t, cycle(f.brought(t)))
	report, err := referral.Audit(ctx, f.store)
	require.NoError(t, err)
	require.True(t, strings.Contains(fmt.Sprint(report.Err()), "referral"), report.Err())
}

package coupon_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// A partner sends a list of codes. Each is given to one customer; when there is none
// left, nothing is issued.
func ExampleService_LoadStock() {
	ctx, now := context.Background(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	coupons := coupon.New(memory.New(), coupon.Options{})
	offer := coupon.Offer{ID: "spa", Name: "5 € off at the spa", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.MustMoney("5.00", ledger.MustCurrency("EUR"))}}}
	if _, err := coupons.Publish(ctx, offer, "ann", now); err != nil {
		fmt.Println(err)
	}
	load, err := coupons.LoadStock(ctx, coupon.StockRequest{
		ID: "spa-november", Offer: "spa", Codes: []string{"SPA-77-KQ"}, Actor: "ann", Reason: "the partner's list of November",
	}, now)
	fmt.Println(load.Loaded, err)

	for _, customer := range []string{"jane", "jim"} {
		made, err := coupons.Issue(ctx, coupon.IssueRequest{
			ID: "spa-for-" + customer, Holder: customer, Offers: []coupon.IssueOffer{{Offer: "spa", FromStock: true}},
		}, now)
		var refused *coupon.Refusal
		if errors.As(err, &refused) && refused.Reason == coupon.ReasonOutOfStock {
			fmt.Println(err)
			continue
		}
		fmt.Println(made[0].Holder, made[0].Code)
	}
	left, err := coupons.StockLeft(ctx, "spa")
	fmt.Println(left, err)
	// Output:
	// 1 <nil>
	// jane SPA77KQ
	// coupon: refused: offer "spa": its stock of codes has 0 left, needed 1: load more
	// 0 <nil>
}

// cards are codes as they are printed: of a form that made ones never have.
func cards(prefix string, from, count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%06d", prefix, from+i)
	}
	return all
}

func loading(id string, codes ...string) coupon.StockRequest {
	return coupon.StockRequest{ID: id, Offer: "card", Codes: codes, Actor: "ann", Reason: "printed"}
}

func card() coupon.Offer { return freely(amountOff("card", "5.00")) }

// fromStock asks for a coupon of a holder's with a code from the stock.
func fromStock(id, holder string, count int) coupon.IssueRequest {
	return coupon.IssueRequest{ID: id, Holder: holder, Offers: []coupon.IssueOffer{{Offer: "card", Count: count, FromStock: true}}}
}

func (s *shop) load(id string, codes ...string) coupon.StockLoad {
	s.t.Helper()
	load, err := s.LoadStock(ctx, loading(id, codes...), noon)
	require.NoError(s.t, err)
	return load
}

func (s *shop) requireLeft(want int) {
	s.t.Helper()
	left, err := s.StockLeft(ctx, "card")
	require.NoError(s.t, err)
	require.EqualValues(s.t, want, left)
}

// requireShort requires that something is refused because the stock has too few codes.
func requireShort(t require.TestingT, err error, left, wanted int64) {
	var refused *coupon.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []any{coupon.ReasonOutOfStock, left, wanted}, []any{refused.Reason, refused.FoundUses, refused.NeededUses})
}

var codeOptions = map[string]coupon.Options{
	"as they are": {}, "keyed": keyed(firstKey), "with old keys": keyed(firstKey, nil, secondKey),
}

func TestStock(t *testing.T) {
	for name, options := range codeOptions {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, memory.New(), options, card())
			all := cards("CARD", 0, 1003)
			load := s.load("spring", all...)
			assert.Equal(t, coupon.StockLoad{ID: "spring", Offer: "card", Loaded: 1003, Begun: noon}, load)
			s.requireLeft(1003)
			whole := dump(t, s.store)
			again, err := s.LoadStock(ctx, loading("spring", all...), noon.Add(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, load, again)
			requireSame(t, whole, dump(t, s.store))

			cart := cartOf(item("20.00", 1))
			assert.Equal(t, coupon.ReasonUnknown, s.refuses(cart, coupon.Choose(all[0]), noon).Reason, "a code in stock is worth nothing")

			seen := make(map[coupon.Code]bool)
			for i := range 10 {
				made := issued(t, s.Service, fromStock(fmt.Sprint("gift", i), "jane", 100))
				for _, c := range made {
					require.False(t, seen[c.Code])
					seen[c.Code] = true
				}
				told := issued(t, s.Service, fromStock(fmt.Sprint("gift", i), "jane", 100))
				assert.Equal(t, made, told)
			}
			s.requireLeft(3)
			requireShort(t, ignore(s.Issue(ctx, fromStock("more", "jane", 4), noon)), 3, 4)
			s.requireLeft(3)
			for _, c := range issued(t, s.Service, fromStock("rest", "jane", 3)) {
				seen[c.Code] = true
			}
			requireShort(t, ignore(s.Issue(ctx, fromStock("none", "jane", 1), noon)), 0, 1)
			for _, text := range all {
				code, err := coupon.ParseCode(text)
				require.NoError(t, err)
				require.True(t, seen[code], text)
			}
			made := issued(t, s.Service, fromStock("gift0", "jane", 100)) // though the stock is empty
			q := s.applies(cart, coupon.Choose(string(made[0].Code)), noon)
			assert.Equal(t, made[0].ID, q.Applied()[0].Coupon)
			if len(options.CodeKey) > 0 {
				require.NotContains(t, dump(t, s.store), "CARD0")
				kept, err := s.Coupon(ctx, made[0].ID)
				require.NoError(t, err)
				assert.Equal(t, made[0].Code[len(made[0].Code)-4:], kept.Code)
			}
		})
	}
}

// Codes loaded under a key that was followed by another are given out, and good, for as
// long as the old one is there.
func TestStockOutlivesItsKey(t *testing.T) {
	for name, old := range map[string][]byte{"as they were": nil, "keyed": secondKey} {
		t.Run(name, func(t *testing.T) {
			before := newShopOn(t, memory.New(), keyed(old), card())
			before.load("spring", cards("CARD", 0, 3)...)
			given := issued(t, before.Service, fromStock("a", "jane", 1))

			now := newShopOn(t, before.store, keyed(firstKey, old))
			assert.Equal(t, given[0].Code, issued(t, now.Service, fromStock("a", "jane", 1))[0].Code)
			later := issued(t, now.Service, fromStock("b", "jane", 1))
			assert.Equal(t, later, issued(t, now.Service, fromStock("b", "jane", 1)))
			for _, c := range []coupon.Coupon{given[0], later[0]} {
				now.applies(cartOf(item("20.00", 1)), coupon.Choose(string(c.Code)), noon)
			}
			err := ignore(now.LoadStock(ctx, loading("again", cards("CARD", 0, 1)...), noon))
			require.ErrorIs(t, err, coupon.ErrCodeTaken, "a code is taken under whatever key")

			lost := coupon.New(before.store, keyed(firstKey))
			require.ErrorContains(t, ignore(lost.Issue(ctx, fromStock("c", "jane", 1), noon)), "OldCodeKeys")
		})
	}
}

// Where codes were once kept as they are, what a code is kept under is not taken for the
// code, whatever the order of the old keys.
func TestStockTellsCodesWhateverTheOrderOfKeys(t *testing.T) {
	for name, later := range map[string]coupon.Options{"never left": keyed(firstKey, nil, secondKey), "given up": keyed(nil, secondKey)} {
		t.Run(name, func(t *testing.T) {
			before := newShopOn(t, memory.New(), keyed(secondKey), card())
			before.load("spring", cards("CARD", 0, 2)...)
			given := issued(t, before.Service, fromStock("a", "jane", 1))[0]

			now := newShopOn(t, before.store, later)
			assert.Equal(t, given.Code, issued(t, now.Service, fromStock("a", "jane", 1))[0].Code)
			next := issued(t, now.Service, fromStock("b", "jane", 1))[0]
			assert.ElementsMatch(t, []coupon.Code{"CARD000000", "CARD000001"}, []coupon.Code{given.Code, next.Code})
			now.applies(cartOf(item("20.00", 1)), coupon.Choose(string(next.Code)), noon)
		})
	}
}

// What can't be loaded is named, and nothing of it is written.
func TestLoadStockNamesWhatIsWrong(t *testing.T) {
	for name, options := range codeOptions {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, memory.New(), options, card(), freely(amountOff("other", "1.00")))
			s.load("winter", cards("OLD", 0, 5)...)
			s.public("card", "SUMMER")
			made := s.held("card", "jane", 1)[0]
			before := dump(t, s.store)

			err := ignore(s.LoadStock(ctx, loading("spring", "CARD-1", "ca rd1", "no!", "X", "0123456789ABCD"), noon))
			require.ErrorIs(t, err, coupon.ErrRequest)
			for _, path := range []string{"codes[1]: CARD1 is that of codes[0], too", `codes[2]: "no!"`, `codes[3]: "X"`, `codes[4]: "0123456789ABCD"`} {
				assert.ErrorContains(t, err, path)
			}
			mixed := append(cards("NEW", 0, 450), "old000003", "SUMMER", string(made.Code))
			err = ignore(s.LoadStock(ctx, loading("spring", mixed...), noon))
			require.ErrorIs(t, err, coupon.ErrCodeTaken)
			var faults *coupon.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults.Faults, 3)
			assert.Equal(t, "codes[450]", faults.Faults[0].Path)
			assert.Contains(t, faults.Faults[0].Problem, `load "winter"`)
			assert.Contains(t, faults.Faults[1].Problem, `coupon "public-SUMMER/1"`)
			assert.Contains(t, faults.Faults[2].Problem, `coupon "held-card-jane/1"`)

			require.ErrorIs(t, ignore(s.LoadStock(ctx, coupon.StockRequest{ID: "winter", Offer: "other", Codes: []string{"ABC"}, Actor: "ann", Reason: "r"}, noon)), coupon.ErrKeyReused)
			require.ErrorIs(t, ignore(s.LoadStock(ctx, coupon.StockRequest{ID: "x", Offer: "none", Codes: []string{"ABC"}, Actor: "ann", Reason: "r"}, noon)), coupon.ErrNoOffer)
			for _, wrong := range []coupon.StockRequest{
				{}, {ID: strings.Repeat("x", 81), Offer: "card", Codes: []string{"ABC"}, Actor: "ann", Reason: "r"},
				{ID: "x", Offer: "card", Actor: "ann", Reason: "r"}, {ID: "x", Offer: "card", Codes: make([]string, coupon.MaxStockCodes+1), Actor: "ann", Reason: "r"},
				{ID: "x", Offer: "card", Codes: []string{"ABC"}, Reason: "r"}, {ID: "x", Offer: "card", Codes: []string{"ABC"}, Actor: "ann"},
			} {
				require.ErrorIs(t, ignore(s.LoadStock(ctx, wrong, noon)), coupon.ErrRequest)
			}
			requireSame(t, before, dump(t, s.store))
			s.requireLeft(5)

			require.ErrorIs(t, ignore(s.Issue(ctx, coupon.IssueRequest{ID: "x", Offers: []coupon.IssueOffer{{Offer: "card", Code: "OLD-000001"}}}, noon)), coupon.ErrCodeTaken)
			require.ErrorIs(t, ignore(s.Issue(ctx, coupon.IssueRequest{ID: "x", Offers: []coupon.IssueOffer{{Offer: "card", Code: "ABC", FromStock: true}}}, noon)), coupon.ErrRequest)
			require.ErrorIs(t, second(s.StockLeft(ctx, "none")), coupon.ErrNoOffer)
			require.ErrorIs(t, second(s.StockLeft(ctx, "")), coupon.ErrRequest)
			require.ErrorIs(t, second(s.StockLoad(ctx, "none")), coupon.ErrNoLoad)
		})
	}
}

// A code that another load takes between the check and the writing is named, and what was
// loaded before it stays; without it the load goes on.
func TestLoadStockMeetsAnother(t *testing.T) {
	store := memory.New()
	s := newShopOn(t, store, coupon.Options{}, card())
	slow := &between{Store: store, run: func() { s.load("other", "CARD-000403") }}
	all := cards("CARD", 0, 500)
	done, err := coupon.New(slow, coupon.Options{}).LoadStock(ctx, loading("spring", all...), noon)
	require.ErrorIs(t, err, coupon.ErrCodeTaken)
	require.ErrorContains(t, err, "codes[403]: CARD000403")
	assert.Equal(t, 400, done.Loaded)
	assert.Equal(t, 499, s.load("spring", slices.DeleteFunc(all, func(code string) bool { return code == "CARD-000403" })...).Loaded)
	s.requireLeft(500)
}

func TestLoadStockGoesOnAfterACrash(t *testing.T) {
	for at := range 12 {
		for _, written := range []bool{false, true} {
			s := newShopOn(t, memory.New(), keyed(firstKey), card())
			all := cards("CARD", 0, 1300)
			broken := coupon.New(&flaky{Store: s.store, at: at, err: errDown, written: written}, keyed(firstKey))
			_, err := broken.LoadStock(ctx, loading("spring", all...), noon)
			if err != nil {
				require.ErrorIs(t, err, errDown)
			}
			assert.Equal(t, 1300, s.load("spring", all...).Loaded)
			s.requireLeft(1300)
		}
	}
}

// What is left of a load is withdrawn for good; coupons that have its codes stay.
func TestWithdrawStock(t *testing.T) {
	for name, options := range codeOptions {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, memory.New(), options, card())
			leaked := cards("LEAK", 0, 600)
			s.load("leaked", leaked...)
			given := issued(t, s.Service, fromStock("a", "jane", 2))
			s.load("good", cards("GOOD", 0, 2)...)
			request := coupon.StockWithdrawal{Load: "leaked", Actor: "ann", Reason: "seen on the web"}
			load, err := s.WithdrawStock(ctx, request, noon.Add(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, coupon.StockLoad{ID: "leaked", Offer: "card", Loaded: 600, Withdrawn: 598, Begun: noon, Ended: noon.Add(time.Hour)}, load)
			s.requireLeft(2)
			before := dump(t, s.store)
			again, err := s.WithdrawStock(ctx, request, noon.Add(2*time.Hour))
			require.NoError(t, err)
			assert.Equal(t, load, again)
			assert.Equal(t, load, s.load("leaked", leaked...))
			require.ErrorIs(t, ignore(s.LoadStock(ctx, loading("leaked", "LATE"), noon)), coupon.ErrState)
			require.ErrorIs(t, ignore(s.LoadStock(ctx, loading("anew", leaked[7]), noon)), coupon.ErrCodeTaken)
			requireSame(t, before, dump(t, s.store))

			for _, c := range issued(t, s.Service, fromStock("b", "jane", 2)) {
				assert.True(t, strings.HasPrefix(string(c.Code), "GOOD"))
			}
			requireShort(t, ignore(s.Issue(ctx, fromStock("c", "jane", 1), noon)), 0, 1)
			for _, c := range given {
				s.applies(cartOf(item("20.00", 1)), coupon.Choose(string(c.Code)), noon)
			}
			for i, text := range leaked {
				code, _ := coupon.ParseCode(text)
				if code != given[0].Code && code != given[1].Code {
					assert.Equal(t, coupon.ReasonUnknown, s.refuses(cartOf(item("20.00", 1)), coupon.Choose(leaked[i]), noon).Reason)
					break
				}
			}
			require.ErrorIs(t, ignore(s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "none", Actor: "a", Reason: "r"}, noon)), coupon.ErrNoLoad)
			require.ErrorIs(t, ignore(s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "good", Reason: "r"}, noon)), coupon.ErrRequest)
		})
	}
}

// What another call adds to a load while it is withdrawn is withdrawn, too.
func TestWithdrawStockMeetsALoad(t *testing.T) {
	s := newShopOn(t, memory.New(), coupon.Options{}, card())
	s.load("spring", cards("CARD", 0, 3)...)
	slow := &afterList{Store: s.store, run: func() { s.load("spring", cards("CARD", 3, 3)...) }}
	load, err := coupon.New(slow, coupon.Options{}).WithdrawStock(ctx, coupon.StockWithdrawal{Load: "spring", Actor: "ann", Reason: "leaked"}, noon)
	require.NoError(t, err)
	assert.Equal(t, []int{6, 6}, []int{load.Loaded, load.Withdrawn})
	s.requireLeft(0)
}

// afterList is a store in which something happens after the first list was read.
type afterList struct {
	storage.Store
	run func()
}

func (a *afterList) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	page, err := a.Store.List(ctx, q)
	if run := a.run; run != nil {
		a.run = nil
		run()
	}
	return page, err
}

// Each step says in the book who did it and why.
func TestStockIsOnRecord(t *testing.T) {
	s := newShop(t, card())
	s.load("spring", cards("CARD", 0, 401)...)
	require.NoError(t, ignore(s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: "spring", Actor: "ben", Reason: "leaked"}, noon)))
	book := ledger.New(s.store, ledger.Options{})
	for id, want := range map[string][3]string{
		"stocked/spring/400": {"ann", "printed", "400"}, "stocked/spring/401": {"ann", "printed", "1"}, "withdrawn/spring/2": {"ben", "leaked", "256"}, "withdrawn/spring/3": {"ben", "leaked", "145"},
	} {
		entry, found, err := book.Entry(ctx, id)
		require.NoError(t, err)
		require.True(t, found, id)
		assert.Equal(t, want, [3]string{entry.Actor, entry.Details["reason"], entry.Details["codes"]}, id)
	}
}

// An offer that is paused or over issues nothing, whatever its stock has; a revoked
// coupon's code does not go back, since somebody has seen it.
func TestStockStaysWithItsOffer(t *testing.T) {
	over := card()
	over.Schedule.Until = noon.Add(time.Hour)
	s := newShop(t, over)
	require.NoError(t, s.Pause(ctx, "card", "ann", "asked for", noon))
	s.load("spring", cards("CARD", 0, 3)...)
	var refused *coupon.Refusal
	require.ErrorAs(t, ignore(s.Issue(ctx, fromStock("a", "jane", 9), noon)), &refused)
	assert.Equal(t, coupon.ReasonPaused, refused.Reason)
	require.NoError(t, s.Resume(ctx, "card", "ann", "asked for", noon))
	made := issued(t, s.Service, fromStock("a", "jane", 1))
	require.NoError(t, ignore(s.Revoke(ctx, made[0].ID, "ann", "stolen", noon)))
	s.requireLeft(2)
	again, err := s.Reissue(ctx, coupon.ReissueRequest{ID: "again", Coupon: issued(t, s.Service, fromStock("b", "jane", 1))[0].ID, Actor: "ann", Reason: "lost"}, noon)
	require.NoError(t, err)
	assert.Len(t, string(again.Code), 14, "a code is made for a coupon that replaces another")
	s.requireLeft(1)
	require.ErrorAs(t, ignore(s.Issue(ctx, fromStock("c", "jane", 1), noon.Add(time.Hour))), &refused)
	assert.Equal(t, coupon.ReasonExpired, refused.Reason)
	s.requireLeft(1)
}

// stockRace gives the 50 codes of a stock to whoever comes first.
func stockRace(t *testing.T, store storage.Store) (accepted, allowed int) {
	s := raceService(t, store, card())
	require.NoError(t, ignore(s.LoadStock(ctx, loading("spring", cards("CARD", 0, 50)...), noon)))
	var mu sync.Mutex
	holders := make(map[coupon.Code]int)
	var calls []func() error
	for i := range 120 {
		calls = append(calls, func() error {
			made, err := s.Issue(ctx, fromStock(fmt.Sprint("gift", i), fmt.Sprint("customer ", i), 1), noon)
			mu.Lock()
			defer mu.Unlock()
			for _, c := range made {
				holders[c.Code]++
			}
			return err
		})
	}
	accepted = eachOn(t, store, 16, calls)
	if _, lost := store.(naive); !lost {
		require.Len(t, holders, 50, "none is lost, and none has two holders")
	}
	return accepted, 50
}

// Whatever happens to a stock, at whatever instant somebody else got in between, no code
// has two holders and none is lost.
func TestAnyCourseOfAStock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := keyed(rapid.SampledFrom([][]byte{nil, firstKey}).Draw(t, "key"))
		store := memory.New()
		s := coupon.New(store, options)
		require.NoError(t, ignore(s.Publish(ctx, card(), "ann", noon)))
		type plan = storage.Plan[[]coupon.Coupon]
		var waiting []plan
		fate, asked := make(map[coupon.Code]string), 0 // of each code: left, given, withdrawn
		loaded, ended := make(map[string]string), make(map[string]bool)
		count := func(what string) int {
			return len(slices.DeleteFunc(slices.Collect(maps.Values(fate)), func(f string) bool { return f != what }))
		}
		give := func(made []coupon.Coupon) {
			for _, c := range made {
				require.Equal(t, "left", fate[c.Code], "code %s", c.Code)
				fate[c.Code] = "given"
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				left, err := s.StockLeft(ctx, "card")
				require.NoError(t, err)
				require.EqualValues(t, count("left"), left)
			},
			"load": func(t *rapid.T) {
				id := fmt.Sprint("load", rapid.IntRange(0, 3).Draw(t, "load"))
				all := cards("C", rapid.IntRange(0, 30).Draw(t, "from"), rapid.IntRange(1, 6).Draw(t, "codes"))
				taken, fresh := false, false
				for _, text := range all {
					by, known := loaded[text]
					taken, fresh = taken || known && by != id, fresh || !known
				}
				_, err := s.LoadStock(ctx, loading(id, all...), noon)
				switch {
				case taken:
					require.ErrorIs(t, err, coupon.ErrCodeTaken)
				case fresh && ended[id]:
					require.ErrorIs(t, err, coupon.ErrState)
				default:
					require.NoError(t, err)
					for _, text := range all {
						if _, known := loaded[text]; !known {
							code, _ := coupon.ParseCode(text)
							loaded[text], fate[code] = id, "left"
						}
					}
				}
			},
			"issue": func(t *rapid.T) {
				n := rapid.IntRange(1, 3).Draw(t, "coupons")
				asked++
				made, err := s.Issue(ctx, fromStock(fmt.Sprint("gift", asked), "jane", n), noon)
				if left := count("left"); left < n {
					requireShort(t, err, int64(left), int64(n))
					return
				}
				require.NoError(t, err)
				give(made)
			},
			"plan": func(t *rapid.T) {
				asked++
				if p, err := s.PlanIssue(ctx, fromStock(fmt.Sprint("gift", asked), "jane", 2), noon); err == nil {
					waiting = append(waiting, p)
				}
			},
			"write a plan": func(t *rapid.T) {
				if len(waiting) == 0 {
					return
				}
				i := rapid.IntRange(0, len(waiting)-1).Draw(t, "plan")
				err := store.Apply(ctx, waiting[i].Batch)
				free := !slices.ContainsFunc(waiting[i].Answer, func(c coupon.Coupon) bool { return fate[c.Code] != "left" })
				if free {
					require.NoError(t, err)
					give(waiting[i].Answer)
				} else {
					require.ErrorIs(t, err, storage.ErrConflict)
				}
				waiting = slices.Delete(waiting, i, i+1)
			},
			"withdraw": func(t *rapid.T) {
				id := fmt.Sprint("load", rapid.IntRange(0, 9).Draw(t, "load"))
				load, err := s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: id, Actor: "ann", Reason: "r"}, noon)
				if err != nil {
					require.ErrorIs(t, err, coupon.ErrNoLoad)
					return
				}
				ended[id] = true
				withdrawn := 0
				for text, by := range loaded {
					code, _ := coupon.ParseCode(text)
					if by == id && fate[code] == "left" {
						fate[code] = "withdrawn"
					}
					if by == id && fate[code] == "withdrawn" {
						withdrawn++
					}
				}
				require.Equal(t, withdrawn, load.Withdrawn)
			},
		})
		requireAudit(t, store)
	})
}

// An audit finds a code with two holders, one that is lost, and a wrong count.
func TestAuditFindsInAStock(t *testing.T) {
	for name, change := range map[string]func(kind, body string) string{
		"two holders": func(kind, body string) string {
			return strings.ReplaceAll(body, `"stocked":"CARD000000"`, `"stocked":"CARD000001"`)
		},
		"no coupon": func(kind, body string) string {
			if kind == "code" {
				return strings.ReplaceAll(body, `"coupon":"a/1"`, `"coupon":"a/9"`)
			}
			return body
		},
		"a load": func(kind, body string) string { return strings.Replace(body, `"loaded":2`, `"loaded":3`, 1) },
		"withdrawn": func(kind, body string) string {
			return strings.Replace(body, `"withdrawn":0`, `"withdrawn":1`, 1)
		},
		"an unreadable load": func(kind, body string) string { return strings.Replace(body, `"loaded":2`, `"loaded":"2"`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			source := newShop(t, card())
			source.load("spring", cards("CARD", 0, 2)...)
			issued(t, source.Service, fromStock("a", "jane", 2))
			store := memory.New()
			copyDocs(t, source.store, store, change)
			report, err := coupon.Audit(ctx, store)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
		})
	}
	t.Run("what is left", func(t *testing.T) {
		store := memory.New()
		s := coupon.New(store, coupon.Options{})
		require.NoError(t, ignore(s.Publish(ctx, card(), "ann", noon)))
		require.NoError(t, ignore(s.LoadStock(ctx, loading("spring", cards("CARD", 0, 2)...), noon)))
		require.NoError(t, store.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: ledger.ShardName("stock/card", 0, 32), Delta: 1, Min: 0, Max: 9}}}))
		report, err := coupon.Audit(ctx, store)
		require.NoError(t, err)
		require.Len(t, report.Discrepancies, 1)
		assert.Equal(t, coupon.FoundStock, report.Discrepancies[0].Finding)
	})
}

// What is kept of a stock is never written differently.
func TestGoldenStock(t *testing.T) {
	s := newShopOn(t, memory.New(), keyed(firstKey), card())
	s.load("spring", "CARD-1")
	code := only(t, s.store, "code")
	requireGolden(t, "stock.json", body(t, s.store, storage.Key{Kind: "stock", ID: "spring"}))
	requireGolden(t, "code_in_stock.json", body(t, s.store, code))
	issued(t, s.Service, fromStock("a", "jane", 1))
	requireGolden(t, "code_from_stock.json", body(t, s.store, code))
	requireGolden(t, "coupon_from_stock.json", body(t, s.store, storage.Key{Kind: "coupon", ID: "a/1"}))
}

// The id of a load is checked wherever it is named.
func TestLoadsAreNamedByTheirIDs(t *testing.T) {
	s := newShop(t, card())
	for _, id := range []string{"", "a\n", strings.Repeat("x", 81)} {
		for name, err := range map[string]error{
			"load":     second(s.LoadStock(ctx, loading(id, "CARD-1"), noon)),
			"status":   second(s.StockLoad(ctx, id)),
			"coupons":  second(s.StockCoupons(ctx, id, coupon.StockQuery{})),
			"withdraw": second(s.WithdrawStock(ctx, coupon.StockWithdrawal{Load: id, Actor: "ann", Reason: "leaked"}, noon)),
		} {
			require.ErrorIs(t, err, coupon.ErrRequest, name)
			require.Len(t, paths(t, err), 1, name)
		}
	}
	longest := strings.Repeat("x", 80)
	s.load(longest, "CARD-1")
	load, err := s.StockLoad(ctx, longest)
	require.NoError(t, err)
	require.Equal(t, 1, load.Loaded)
}

// What was issued under an id is answered again, though the stock is empty by now, the key
// of its codes is gone, or its offer asks for what can't be issued like that any more.
func TestIssuedBeforeWhateverIsLeft(t *testing.T) {
	before := newShopOn(t, memory.New(), keyed(secondKey), card())
	before.load("spring", cards("CARD", 0, 2)...)
	given := issued(t, before.Service, fromStock("a", "jane", 1))[0]

	lost := coupon.New(before.store, keyed(firstKey))
	again := issued(t, lost, fromStock("a", "jane", 1))[0]
	require.Equal(t, given.Code[len(given.Code)-4:], again.Code, "the whole code can't be told without its key")
	again.Code = given.Code
	require.Equal(t, given, again)
	require.ErrorContains(t, ignore(lost.Issue(ctx, fromStock("b", "jane", 1), noon)), "OldCodeKeys")
	require.ErrorIs(t, ignore(lost.Issue(ctx, fromStock("a", "jim", 1), noon)), coupon.ErrKeyReused)

	issued(t, before.Service, fromStock("rest", "jane", 1))
	before.requireLeft(0)
	require.Equal(t, given, issued(t, before.Service, fromStock("a", "jane", 1))[0])
	requireShort(t, ignore(before.Issue(ctx, fromStock("none", "jane", 1), noon)), 0, 1)

	chosen := coupon.IssueRequest{ID: "c", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "card", Code: "WELCOME-JANE"}}}
	first := issued(t, before.Service, chosen)[0]
	often := limited(card(), coupon.Limit{Per: coupon.PerCoupon, Uses: 1000})
	require.NoError(t, ignore(before.Publish(ctx, often, "ann", noon)))
	later := coupon.New(before.store, keyed(secondKey))
	require.Equal(t, first, issued(t, later, chosen)[0])
	require.Equal(t, given, issued(t, later, fromStock("a", "jane", 1))[0])
	require.ErrorIs(t, ignore(later.Issue(ctx, fromStock("d", "jane", 1), noon)), coupon.ErrRequest)
}

// The stock of an offer is counted once, however many loads it came in.
func TestAuditCountsAStockOnce(t *testing.T) {
	s := newShop(t, card())
	listed := func() int {
		reads := &callCounter{Store: s.store}
		report, err := coupon.Audit(ctx, reads)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		return reads.lists
	}
	s.load("load-0", cards("CARD", 0, 1)...)
	one := listed()
	for i := 1; i < 5; i++ {
		s.load(fmt.Sprint("load-", i), cards("CARD", i, 1)...)
	}
	require.Equal(t, one+4*3, listed(), "three lists for each load: what is left of it, given out and withdrawn")

	wrong := memory.New()
	copyDocs(t, s.store, wrong, func(_, body string) string { return body })
	require.NoError(t, wrong.Apply(ctx, storage.Batch{Adds: []storage.Add{{Counter: ledger.ShardName("stock/card", 0, 32), Delta: 9, Min: 0, Max: 99}}}))
	report, err := coupon.Audit(ctx, wrong)
	require.NoError(t, err)
	var found []ledger.Discrepancy
	for _, d := range report.Discrepancies {
		if d.Finding == coupon.FoundStock {
			found = append(found, d)
		}
	}
	require.Len(t, found, 1, "said once for the offer")
	require.Equal(t, "card", found[0].Where)
}

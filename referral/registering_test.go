package referral_test

import (
	"context"
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

// followed is a touch before a registration.
type followed struct {
	who string // whose link; in the second program, "jim"'s
	ago time.Duration
}

func TestAttribution(t *testing.T) {
	first := func(p *referral.Program) { p.Attribution = referral.FirstTouch }
	for name, c := range map[string]struct {
		change   func(*referral.Program)
		touches  []followed
		code     string // whose
		known    bool
		referrer string
		via      referral.Via
		reason   referral.Reason
	}{
		"no touch":                               {reason: referral.ReasonNoInvitation},
		"a touch":                                {touches: []followed{{"jane", day}}, referrer: "jane", via: referral.ViaLink},
		"a touch at the same instant":            {touches: []followed{{"jane", 0}}, referrer: "jane", via: referral.ViaLink},
		"a touch dated later by another machine": {touches: []followed{{"jane", -time.Second}}, referrer: "jane", via: referral.ViaLink},
		"the window's last instant":              {touches: []followed{{"jane", 30*day - time.Microsecond}}, referrer: "jane", via: referral.ViaLink},
		"the window's end":                       {touches: []followed{{"jane", 30 * day}}, reason: referral.ReasonNoInvitation},
		"a window of its own":                    {change: func(p *referral.Program) { p.Window = time.Hour }, touches: []followed{{"jane", time.Hour}}, reason: referral.ReasonNoInvitation},
		"the last of two":                        {touches: []followed{{"jane", 2 * day}, {"joe", day}}, referrer: "joe", via: referral.ViaLink},
		"the first of two":                       {change: first, touches: []followed{{"jane", 2 * day}, {"joe", day}}, referrer: "jane", via: referral.ViaLink},
		"the first in the window":                {change: first, touches: []followed{{"ann", 31 * day}, {"jane", 2 * day}, {"joe", day}}, referrer: "jane", via: referral.ViaLink},
		"the last touch's program, first touch":  {change: first, touches: []followed{{"jane", 3 * day}, {"jim", 2 * day}, {"joe", day}}, referrer: "jane", via: referral.ViaLink},
		"another program's, past its window":     {touches: []followed{{"jane", 29 * day}, {"jim", 2 * time.Hour}}, referrer: "jane", via: referral.ViaLink},
		"another program's, in its window":       {touches: []followed{{"jane", 29 * day}, {"jim", time.Minute}}, referrer: "jim", via: referral.ViaLink},
		"a code":                                 {code: "jane", referrer: "jane", via: referral.ViaCode},
		"a code beats a link":                    {touches: []followed{{"joe", time.Minute}}, code: "jane", referrer: "jane", via: referral.ViaCode},
		"the own code":                           {code: "mia", referrer: "mia", via: referral.ViaCode, reason: referral.ReasonOwnCode},
		"the own link":                           {touches: []followed{{"mia", time.Minute}}, referrer: "mia", via: referral.ViaLink, reason: referral.ReasonOwnCode},
		"known by a link of their own":           {touches: []followed{{"mia", 2 * day}}, code: "jane", referrer: "jane", via: referral.ViaCode, reason: referral.ReasonNotNew},
		"known to the shop":                      {code: "jane", known: true, referrer: "jane", via: referral.ViaCode, reason: referral.ReasonNotNew},
		"known to the shop, and uninvited":       {known: true, reason: referral.ReasonNoInvitation},
		"the program is not open yet":            {change: func(p *referral.Program) { p.Schedule.From = noon.Add(time.Microsecond) }, code: "jane", referrer: "jane", via: referral.ViaCode, reason: referral.ReasonClosed},
		"the program opens":                      {change: func(p *referral.Program) { p.Schedule.From = noon }, code: "jane", referrer: "jane", via: referral.ViaCode},
		"the program's last instant":             {change: func(p *referral.Program) { p.Schedule.Until = noon.Add(time.Microsecond) }, touches: []followed{{"jane", day}}, referrer: "jane", via: referral.ViaLink},
		"the program is over":                    {change: func(p *referral.Program) { p.Schedule.Until = noon }, touches: []followed{{"jane", day}}, referrer: "jane", via: referral.ViaLink, reason: referral.ReasonClosed},
	} {
		t.Run(name, func(t *testing.T) {
			p := program(8)
			if c.change != nil {
				c.change(&p)
			}
			other := changed(program(8), func(p *referral.Program) { p.ID, p.Window = "other", time.Hour })
			s := newShop(t, p, other)
			for _, f := range c.touches {
				link := s.link
				if f.who == "jim" {
					link = func(customer string) referral.Link {
						l, err := s.Link(ctx, "other", customer, noon)
						require.NoError(t, err)
						return l
					}
				}
				s.touch("cookie", link(f.who), noon.Add(-f.ago))
			}
			request := referral.Registration{Customer: "mia", Visitor: "cookie", Known: c.known}
			if c.code != "" {
				request.Code = strings.ToLower(s.link(c.code).Code.String())
			}
			o := s.register(request, noon)
			require.Equal(t, []any{c.reason == "", c.referrer, c.via, c.reason}, []any{o.Bound, o.Referrer, o.Via, o.Reason})
			if !o.Bound {
				require.Empty(t, o.Rewards)
				require.NotEmpty(t, o.Reason.Staff())
				require.Zero(t, s.wallet("mia"))
				return
			}
			require.Equal(t, 2, s.wallet("mia"))
			r, err := s.Referral(ctx, o.Program, "mia")
			require.NoError(t, err)
			require.Equal(t, []any{c.referrer, "mia", referral.StateBound, noon, c.via}, []any{r.Referrer, r.Friend, r.State, r.Bound, r.Via})
		})
	}
}

func TestReasonsHaveSentences(t *testing.T) {
	for _, r := range []referral.Reason{
		referral.ReasonUnknownCode, referral.ReasonOwnCode, referral.ReasonNotNew, referral.ReasonPaused, referral.ReasonClosed,
	} {
		assert.NotEmpty(t, r.Staff(), r)
		assert.NotEmpty(t, r.Shopper(), r)
	}
	assert.NotEmpty(t, referral.ReasonNoInvitation.Staff())
	assert.Empty(t, referral.ReasonNoInvitation.Shopper(), "who brought no code needs no excuse")
	assert.Empty(t, referral.Reason("other").Staff())
	assert.Equal(t, referral.ReasonUnknownCode.Shopper(), referral.ReasonOwnCode.Shopper(), "nobody learns whose code it is")
}

// down is a store that can't be reached.
type down struct{ storage.Store }

func TestMistypedCodesAskNoStore(t *testing.T) {
	s := on(down{}, referral.Options{}) // any call of it would panic
	for typed, want := range map[string]error{"7K2QX-AAAAA-AAAB": coupon.ErrMistyped, "é": coupon.ErrCode, "ab": coupon.ErrCode} {
		_, err := s.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "v", Code: typed}, noon)
		require.ErrorIs(t, err, want)
		_, err = s.Register(ctx, referral.Registration{Customer: "mia", Code: typed}, noon)
		require.ErrorIs(t, err, want)
	}
}

// A typing error costs nobody their coupons: nothing is recorded, and the right code
// binds.
func TestMistypedCodesCanBeCorrected(t *testing.T) {
	s := newShop(t, program(8))
	code := []byte(s.link("jane").Code)
	right := string(code)
	code[3], code[4] = code[4], code[3]
	if string(code) == right {
		code[3]++
	}
	_, err := s.Register(ctx, referral.Registration{Customer: "mia", Code: string(code)}, noon)
	require.ErrorIs(t, err, coupon.ErrMistyped)
	require.True(t, s.register(referral.Registration{Customer: "mia", Code: right}, noon).Bound)
}

func TestTouch(t *testing.T) {
	s := newShop(t, program(8))
	jane, joe := s.link("jane"), s.link("joe")
	request := referral.TouchRequest{ID: "1", Visitor: "v", Code: strings.ToLower(jane.Code.String())}
	for range 3 {
		got, err := s.Touch(ctx, request, noon)
		require.NoError(t, err)
		require.Equal(t, jane, got)
	}
	request.Code = string(joe.Code)
	_, err := s.Touch(ctx, request, noon)
	require.ErrorIs(t, err, coupon.ErrKeyReused)
	_, err = s.Touch(ctx, referral.TouchRequest{ID: "2", Visitor: "v", Code: "NOBODY"}, noon)
	require.ErrorIs(t, err, referral.ErrNoLink)
	page, err := s.store.List(ctx, storage.Query{Kind: "touch"})
	require.NoError(t, err)
	require.Len(t, page.Docs, 1)
	require.Zero(t, s.wallet("jane"))
}

// More touches than fit into a page: the last is found at once, the first too.
func TestManyTouches(t *testing.T) {
	for attribution, want := range map[referral.Attribution]string{referral.LastTouch: "joe", referral.FirstTouch: "jane"} {
		s := newShop(t, changed(program(8), func(p *referral.Program) { p.Attribution = attribution }))
		for i := range 250 {
			who := "ann"
			switch i {
			case 0:
				who = "jane"
			case 249:
				who = "joe"
			}
			s.touch("bot", s.link(who), noon.Add(time.Duration(i)*time.Second))
		}
		store := &counted{Store: s.store}
		o, err := on(store, referral.Options{}).Register(ctx, referral.Registration{Customer: "mia", Visitor: "bot"}, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, want, o.Referrer)
		require.Less(t, store.calls, 20)
	}
}

// counted counts the calls of a store, and its batches.
type counted struct {
	storage.Store
	calls   int
	applied []storage.Batch
}

func (c *counted) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	c.calls++
	return c.Store.Get(ctx, keys, counters...)
}

func (c *counted) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	c.calls++
	return c.Store.List(ctx, q)
}

func (c *counted) Apply(ctx context.Context, b storage.Batch) error {
	c.calls++
	c.applied = append(c.applied, b)
	return c.Store.Apply(ctx, b)
}

func TestRegisterAgain(t *testing.T) {
	s := newShop(t, bothSides(8))
	code := s.link("jane").Code.String()
	request := referral.Registration{Customer: "mia", Visitor: "v", Code: code}
	first := s.register(request, noon)
	require.Len(t, first.Rewards, 2)
	for _, again := range []referral.Registration{
		request,
		{Customer: "mia", Visitor: "v", Code: strings.ToLower(strings.ReplaceAll(code, "-", ""))},
		{Customer: "mia", Visitor: "v", Code: code, Known: true}, // by now the shop knows them
	} {
		require.Equal(t, first, s.register(again, noon.Add(time.Hour)))
	}
	for _, other := range []referral.Registration{
		{Customer: "mia", Code: code}, {Customer: "mia", Visitor: "v"}, {Customer: "mia", Visitor: "v", Code: s.link("joe").Code.String()},
	} {
		_, err := s.Register(ctx, other, noon)
		require.ErrorIs(t, err, coupon.ErrKeyReused)
	}
	alone := s.register(referral.Registration{Customer: "ida"}, noon)
	require.Equal(t, alone, s.register(referral.Registration{Customer: "ida"}, noon.Add(time.Hour)))
	require.Equal(t, referral.ReasonNoInvitation, alone.Reason)
}

func TestLink(t *testing.T) {
	s := newShop(t, program(8), changed(program(8), func(p *referral.Program) { p.ID = "other" }))
	link := s.link("jane")
	require.Equal(t, link, s.link("jane"), "a customer has one link in a program")
	other, err := s.Link(ctx, "other", "jane", noon)
	require.NoError(t, err)
	require.NotEqual(t, link.Code, other.Code)
	require.NotContains(t, link.Path(), "jane")
	s.bind("jane", "mia", noon)
	require.NotEqual(t, link.Code, s.link("mia").Code, "a friend can invite others")
	s.bind("mia", "ida", noon)
	require.NoError(t, s.Pause(ctx, "invite", "staff", "asked for", noon))
	require.Equal(t, link, s.link("jane"), "a link there is, is given, whatever the state")
	_, err = s.Link(ctx, "invite", "new", noon)
	require.ErrorIs(t, err, referral.ErrPaused)
}

// A pause between reading and binding is noticed.
func TestPauseAgainstRegister(t *testing.T) {
	s := newShop(t, program(8))
	request := referral.Registration{Customer: "mia", Code: s.link("jane").Code.String()}
	for call := 1; call <= 5; call++ {
		store := memory.New()
		s := openShop(t, store, referral.Options{}, program(8))
		request.Code = s.link("jane").Code.String()
		slow := &between{Store: store, at: call, run: func() { require.NoError(t, s.Pause(ctx, "invite", "staff", "too many", noon)) }}
		o, err := on(slow, referral.Options{}).Register(ctx, request, noon)
		require.NoError(t, err)
		if slow.ran {
			require.Equal(t, referral.ReasonPaused, o.Reason, "the pause came before the registration was written, at call %d", call)
		}
		requireAudit(t, store)
	}
}

// between runs something before a call of a store.
type between struct {
	storage.Store
	at, calls int
	run       func()
	ran       bool
}

func (b *between) step() {
	if b.calls++; b.calls == b.at {
		b.ran = true
		b.run()
	}
}

func (b *between) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	b.step()
	return b.Store.Get(ctx, keys, counters...)
}

func (b *between) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	b.step()
	return b.Store.List(ctx, q)
}

func (b *between) Apply(ctx context.Context, batch storage.Batch) error {
	b.step()
	return b.Store.Apply(ctx, batch)
}

// Ids may be any text: two different ones are never one, whatever '/' they have.
func TestHostileIDs(t *testing.T) {
	s := newShop(t, bothSides(1))
	unicode := strings.Repeat("é", 50)
	ids := []string{
		"a", "a/b", "a/b/c", "/", "//", "a/", "/a", "A", "a ", "%_", `"`, `\`, "referrer", "referrer/qualified", "a/referrer/registered",
		strings.Repeat("x", 100), unicode, strings.Repeat("/", 100), "🙂🙃", "' OR 1=1 --",
	}
	for _, id := range ids {
		s.link(id)
	}
	for i, id := range ids {
		friend := id + "f"
		if len(friend) > 100 {
			friend = "f" + id[2:]
		}
		o := s.bind(ids[(i+1)%len(ids)], friend, noon.Add(time.Duration(i)*time.Second))
		require.Equal(t, ids[(i+1)%len(ids)], o.Referrer)
		require.Equal(t, referral.StateHeld, s.paid(paid(friend, friend, "12.00"), noon.Add(time.Minute)).State)
	}
	report := s.settle(noon.Add(2 * time.Hour))
	require.Equal(t, len(ids), report.Done)
	for _, id := range ids { // each has brought one friend, and has one coupon at each step
		require.Equal(t, 2, s.wallet(id), id)
		require.Equal(t, int64(1), s.used(id, noon), id)
		page, err := s.Friends(ctx, "invite", id, referral.TrackingQuery{})
		require.NoError(t, err)
		require.Len(t, page.Friends, 1, id)
	}
}

// Touches of two visitors, and returns of two orders, are two, however '/' stands in
// their ids.
func TestSlashesTellThingsApart(t *testing.T) {
	s := newShop(t, held(8))
	jane, joe := s.link("jane"), s.link("joe")
	for _, c := range []struct {
		visitor, id string
		link        referral.Link
	}{{"a", "b/c", jane}, {"a/b", "c", joe}} {
		_, err := s.Touch(ctx, referral.TouchRequest{ID: c.id, Visitor: c.visitor, Code: string(c.link.Code)}, noon)
		require.NoError(t, err)
	}
	require.Equal(t, "jane", s.register(referral.Registration{Customer: "mia", Visitor: "a"}, noon).Referrer)
	require.Equal(t, "joe", s.register(referral.Registration{Customer: "ida", Visitor: "a/b"}, noon).Referrer)

	s.paid(paid("mia", "o", "10.00"), noon)
	s.returned(back("mia", "o/1", "2", "4.00"), noon)
	require.Equal(t, referral.StateVoided, s.returned(back("mia", "o", "1/2", "10.00"), noon).State)
}

// Tenants of one store know nothing of each other.
func TestTenants(t *testing.T) {
	store := memory.New()
	one := openShop(t, storage.Prefixed(store, "shop1/"), referral.Options{Events: true}, program(1))
	other := openShop(t, storage.Prefixed(store, "shop2/"), referral.Options{Events: true}, program(1))
	friend := strings.Repeat("f", 100)
	for _, s := range []*shop{one, other} {
		s.bind("jane", friend, noon)
		require.Equal(t, referral.StateConfirmed, s.paid(paid(friend, "order", "12.00"), noon).State)
		require.Equal(t, 1, s.wallet("jane"))
		requireAudit(t, s.store)
	}
	o := other.register(referral.Registration{Customer: "mia", Code: string(one.link("jane").Code)}, noon)
	require.Equal(t, referral.ReasonUnknownCode, o.Reason)
}

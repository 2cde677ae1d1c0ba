package referral_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Whatever a visitor types as a code: it leads to Jane, to nobody, or is refused as
// what it is.
func FuzzCode(f *testing.F) {
	s := openShop(f, memory.New(), referral.Options{}, program(8))
	code := s.link("jane").Code
	for _, typed := range []string{code.String(), strings.ToLower(string(code)), "NOBODY", "7K2QX-AAAAA-AAAB", "ſ", "\x00", "', --", strings.Repeat("A", 200)} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		link, err := s.Touch(ctx, referral.TouchRequest{ID: "1", Visitor: "v", Code: typed}, noon)
		switch {
		case err == nil:
			parsed, err := coupon.ParseCode(typed)
			require.NoError(t, err)
			require.Equal(t, []any{"jane", code, code}, []any{link.Customer, link.Code, parsed})
		case errors.Is(err, referral.ErrNoLink), errors.Is(err, coupon.ErrCode), errors.Is(err, coupon.ErrMistyped):
		default:
			t.Fatalf("%q: %v", typed, err)
		}
	})
}

// Whatever ids a shop has: they are refused with a list of faults, or kept apart.
func FuzzIDs(f *testing.F) {
	f.Add("jane", "mia", "order", "return")
	f.Add("a/b", "a", "a/b/c", "/")
	f.Add("é", "\xff", "\x00", strings.Repeat("x", 101))
	f.Add("", "mia", "' OR 1=1", "🙂")
	f.Fuzz(func(t *testing.T, referrer, friend, order, id string) {
		store := memory.New()
		s := openShop(t, store, referral.Options{}, held(8))
		refused := func(err error) bool {
			if err != nil && !errors.Is(err, referral.ErrRequest) {
				t.Fatalf("%q %q %q %q: %v", referrer, friend, order, id, err)
			}
			return err != nil
		}
		link, err := s.Link(ctx, "invite", referrer, noon)
		if refused(err) {
			return
		}
		o, err := s.Register(ctx, referral.Registration{Customer: friend, Code: string(link.Code)}, noon)
		if refused(err) {
			return
		}
		require.Equal(t, referrer != friend, o.Bound)
		if !o.Bound {
			return
		}
		if refused(second0(s.OrderPaid(ctx, paid(friend, order, "12.00"), noon))) {
			return
		}
		require.Equal(t, referral.StateHeld, refer(t, s, friend).State)
		if !refused(second0(s.OrderReturned(ctx, back(friend, order, id, "12.00"), noon))) {
			require.Equal(t, referral.StateVoided, refer(t, s, friend).State)
		}
		requireAudit(t, store)
	})
}

func refer(t *testing.T, s *shop, friend string) referral.Referral {
	t.Helper()
	r, err := s.Referral(ctx, "invite", friend)
	require.NoError(t, err)
	return r
}

// Whatever a page's Next has become on its way through a browser: it is refused, or
// a page comes back.
func FuzzAfter(f *testing.F) {
	s := openShop(f, memory.New(), referral.Options{}, program(8))
	for _, friend := range []string{"mia", "ida", "noa"} {
		s.bind("jane", friend, noon)
	}
	page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{Limit: 2})
	require.NoError(f, err)
	for _, after := range []string{page.Next, "", "1.1", "9223372036854775806.2147483647", "-1.1", "x"} {
		f.Add(after)
	}
	f.Fuzz(func(t *testing.T, after string) {
		page, err := s.Friends(ctx, "invite", "jane", referral.TrackingQuery{After: after, Limit: 2})
		if err != nil {
			require.ErrorIs(t, err, referral.ErrRequest)
			return
		}
		require.LessOrEqual(t, len(page.Friends), 2)
	})
}

// Whatever a document says: it is read as a program that can be published, or it is an
// error that says so.
func FuzzKeptProgram(f *testing.F) {
	s := openShop(f, memory.New(), referral.Options{}, everything())
	docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "program_version", ID: "invite@1"}})
	require.NoError(f, err)
	f.Add(docs[0].Body)
	for _, spoiled := range [][2]string{{`"hold":3600000000`, `"hold":-1`}, {`"period":"month"`, `"period":"moon"`}, {`"id":"invite"`, `"id":"other"`}, {`"zone":"Europe/Berlin"`, `"zone":"Nowhere"`}, {`"format":1`, `"format":7`}} {
		f.Add([]byte(strings.Replace(string(docs[0].Body), spoiled[0], spoiled[1], 1)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		store := memory.New()
		put := storage.Put{Key: docs[0].Key, Body: body}
		if store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}) != nil {
			return // not a JSON object
		}
		p, err := on(store, referral.Options{}).Program(ctx, "invite", 1)
		if err != nil {
			require.True(t, errors.Is(err, storage.ErrCorrupt) || errors.Is(err, storage.ErrNewer), err)
			return
		}
		require.NoError(t, p.Validate())
		require.Equal(t, []any{"invite", 1}, []any{p.ID, p.Version})
	})
}

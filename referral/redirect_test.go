package referral_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/referral"
)

func ExampleParseRedirect() {
	for _, target := range []string{"/tea/green", `/\evil.com`, "https:/evil.com", "/%2f/evil.com"} {
		path, err := referral.ParseRedirect(target)
		fmt.Println(path, err)
	}
	// Output:
	// /tea/green <nil>
	// / referral: this is no path of this site: it has a character '\\'
	// / referral: this is no path of this site: it does not begin with '/'
	// / referral: this is no path of this site: it has an empty segment
}

var (
	paths = []string{"/", "/a", "/a/", "/a.b/c-d_e~f", "/%C3%A9", "/é", "/a;b=c,d", "/a:b", "/@jane", "/100%25", "/a%20b"[:2], "/..", "/./a", "/https:/x", "/%25252541", "/" + strings.Repeat("a", 2047), "/\u00a1"}
	traps = []string{
		"", "a", "//evil.com", "///evil.com", `/\evil.com`, `\\evil.com`, `\/evil.com`, `/a\..\b`, "https:/evil.com", "https:evil.com", "https://evil.com",
		"javascript:alert(1)", "data:,x", " /a", "\t/a", "/\t/evil.com", "/\n/evil.com", "/\r\nSet-Cookie: a=b", "/a b", "/a\x00", "/\x7f", "/\u0080", "/\u0085", "/\u00a0", "/\u2028", "/\xff", "/%2525252541",
		"/%2f/evil.com", "/%2F%2fevil.com", "/%5cevil.com", "/%255cevil.com", "/%252f%252fevil.com", "/%25252525252fevil.com", "/%0d%0aSet-Cookie:a", "/%09/evil.com", "/%00",
		"/%", "/%zz", "/a?b=//evil.com", "/a?b", "/a#b", "/./%2fevil.com", "//evil.com/%2f..", "/a//b", "/.//evil.com", "//", "/%20", "/" + strings.Repeat("a", 2048),
	}
)

func TestRedirects(t *testing.T) {
	for _, path := range paths {
		got, err := referral.ParseRedirect(path)
		require.NoError(t, err, path)
		require.Equal(t, path, got.String())
		requireStays(t, got)
	}
	for _, trap := range traps {
		require.ErrorIs(t, second(referral.ParseRedirect(trap)), referral.ErrRedirect, "%q", trap)
	}
	require.Equal(t, "/", referral.RedirectPath{}.String())
}

// requireStays reads a path as Go does, as browsers do, and as they do after any
// number of decodings on the way.
func requireStays(t checker, path referral.RedirectPath) {
	t.Helper()
	site, err := url.Parse("https://shop.example/invite")
	require.NoError(t, err)
	text := path.String()
	for range 8 {
		if at, err := site.Parse(text); err == nil {
			require.Equal(t, []string{"https", "shop.example"}, []string{at.Scheme, at.Host}, text)
		}
		read := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimLeft(text, "\x00\x01\x1f "))
		require.Regexp(t, `^/([^/]|$)`, read)
		if text, err = url.PathUnescape(text); err != nil {
			return
		}
	}
}

// Whatever is accepted stays on the site.
func TestRedirectsStay(t *testing.T) {
	parts := []string{"/", "\\", "%2f", "%5C", "%25", "%", "2f", "5c", "evil.com", "a", ".", "..", ":", "@", "http:", "\t", "\n", " ", "%09", "\x00", "é", "?", "#", ";"}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8).Draw(t, "parts"), "")
		if rapid.Bool().Draw(t, "rooted") {
			text = "/" + text
		}
		if path, err := referral.ParseRedirect(text); err == nil {
			accepted++
			requireStays(t, path)
		}
	})
	require.NotZero(t, accepted)
}

func FuzzRedirect(f *testing.F) {
	for _, text := range append(traps, paths...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := referral.ParseRedirect(text)
		if err != nil {
			require.ErrorIs(t, err, referral.ErrRedirect)
			return
		}
		require.Equal(t, text, path.String())
		requireStays(t, path)
	})
}

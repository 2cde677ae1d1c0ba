package referral

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// RedirectPath is where somebody who followed a link is sent on the shop's own site: a
// path, which can't lead anywhere else. The zero value is the site's root. It comes
// from [ParseRedirect].
type RedirectPath struct {
	path string // without its first '/'
}

const maxRedirect = 2048 // bytes

// ParseRedirect reads a target of a redirect, as it comes back from a browser. It must
// be a path of the site: begin with one '/', and be without host, query and fragment.
// Refused, as browsers read them as another site or programs behind the shop might:
// backslashes, empty segments ("//"), control characters, blanks, and each of those
// written with '%', however often. It fails with [ErrRedirect]: send the visitor to a
// page of your choice then.
func ParseRedirect(target string) (RedirectPath, error) {
	if len(target) > maxRedirect {
		return RedirectPath{}, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrRedirect, len(target), maxRedirect)
	}
	if strings.ContainsAny(target, "?#") {
		return RedirectPath{}, fmt.Errorf("%w: it has a query or a fragment: add them to the path that this gives", ErrRedirect)
	}
	const mostDecodings = 4
	for read, i := target, 0; ; i++ {
		if problem := notAPath(read); problem != "" {
			return RedirectPath{}, fmt.Errorf("%w: it %s", ErrRedirect, problem)
		}
		decoded, err := url.PathUnescape(read)
		switch {
		case err != nil && i == 0:
			return RedirectPath{}, fmt.Errorf("%w: it has a '%%' that stands for nothing", ErrRedirect)
		case err != nil || decoded == read:
			return RedirectPath{target[1:]}, nil
		case i == mostDecodings:
			return RedirectPath{}, fmt.Errorf("%w: it is written with '%%' again and again", ErrRedirect)
		}
		read = decoded
	}
}

// notAPath says why a text is no path of the site; empty when it is one.
func notAPath(text string) string {
	if !strings.HasPrefix(text, "/") {
		return "does not begin with '/'"
	}
	if strings.Contains(text, "//") {
		return "has an empty segment"
	}
	for _, r := range text {
		if r == '\\' || r <= ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r <= 0xa0 || r == 0x2028 || r == 0x2029 {
			return fmt.Sprintf("has a character %q", r)
		}
	}
	return ""
}

// String gives the path, beginning with '/'.
func (p RedirectPath) String() string { return "/" + p.path }

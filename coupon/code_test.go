package coupon_test

import (
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func newCode(t checker) coupon.Code {
	code, err := coupon.NewCode(rand.Reader)
	require.NoError(t, err)
	return code
}

func TestNewCode(t *testing.T) {
	seen := make(map[coupon.Code]bool)
	for range 1000 {
		code := newCode(t)
		require.Len(t, string(code), 14)
		require.Empty(t, strings.Trim(string(code), crockford))
		for _, typed := range []string{string(code), code.String(), strings.ToLower(code.String()), " " + strings.ReplaceAll(code.String(), "-", "  ")} {
			parsed, err := coupon.ParseCode(typed)
			require.NoError(t, err)
			require.Equal(t, code, parsed)
		}
		misread := strings.NewReplacer("0", "o", "1", "l").Replace(string(code))
		parsed, err := coupon.ParseCode(misread)
		require.NoError(t, err)
		require.Equal(t, code, parsed)
		seen[code] = true
	}
	require.Len(t, seen, 1000)
	_, err := coupon.NewCode(strings.NewReader("too short"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Every wrong character and every two neighbours exchanged are noticed, in any
// code and at any place.
func TestMistypedCodesAreNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 13, 13).Draw(t, "random")
		code, err := coupon.NewCode(strings.NewReader(string(seed)))
		require.NoError(t, err)
		for i := range code {
			for _, wrong := range crockford {
				if mistyped := string(code[:i]) + string(wrong) + string(code[i+1:]); mistyped != string(code) {
					_, err := coupon.ParseCode(mistyped)
					require.ErrorIs(t, err, coupon.ErrMistyped)
				}
			}
			if i > 0 && code[i-1] != code[i] {
				_, err := coupon.ParseCode(string(code[:i-1]) + string(code[i]) + string(code[i-1]) + string(code[i+1:]))
				require.ErrorIs(t, err, coupon.ErrMistyped)
			}
		}
	})
}

func TestParseCode(t *testing.T) {
	for name, c := range map[string]struct {
		typed string
		want  coupon.Code
		err   error
	}{
		"letters and digits":           {"Summer24", "SUMMER24", nil},
		"blanks and hyphens":           {" su-mm er -24 ", "SUMMER24", nil},
		"underscores":                  {"_SUMMER__24", "SUMMER24", nil},
		"full-width":                   {"ＳＵＭＭＥＲ２４", "SUMMER24", nil},
		"no-break blank":               {"SUMMER\u00a024", "SUMMER24", nil},
		"superscript digits":           {"SUMMER²⁴", "SUMMER24", nil},
		"long s is s by NFKC":          {"ſummer24", "SUMMER24", nil},
		"kelvin is k by NFKC":          {"\u212aILO", "KILO", nil},
		"letters O, I, L of a word":    {"OIL", "OIL", nil},
		"the longest":                  {strings.Repeat("A", 32), coupon.Code(strings.Repeat("A", 32)), nil},
		"as many blanks as may be":     {"OIL" + strings.Repeat(" ", 125), "OIL", nil},
		"a blank more":                 {"OIL" + strings.Repeat(" ", 126), "", coupon.ErrCode},
		"empty":                        {"", "", coupon.ErrCode},
		"blanks only":                  {"  -- ", "", coupon.ErrCode},
		"too short":                    {"AB", "", coupon.ErrCode},
		"too long":                     {strings.Repeat("A", 33), "", coupon.ErrCode},
		"a megabyte":                   {strings.Repeat("A", 1<<20), "", coupon.ErrCode},
		"zero-width":                   {"SUM\u200bMER24", "", coupon.ErrCode},
		"soft hyphen":                  {"SUM\u00adMER24", "", coupon.ErrCode},
		"byte order mark":              {"\ufeffSUMMER24", "", coupon.ErrCode},
		"right to left":                {"\u202eSUMMER24", "", coupon.ErrCode},
		"cyrillic":                     {"SUММER24", "", coupon.ErrCode},
		"greek":                        {"SUMMΕR24", "", coupon.ErrCode},
		"dotless i":                    {"mıke", "", coupon.ErrCode},
		"dotted I":                     {"MİKE", "", coupon.ErrCode},
		"umlaut":                       {"FRÜHLING", "", coupon.ErrCode},
		"not UTF-8":                    {"SUMMER\xff", "", coupon.ErrCode},
		"NUL":                          {"SUMMER\x00", "", coupon.ErrCode},
		"slash":                        {"A/B/C", "", coupon.ErrCode},
		"dot":                          {"SUMMER.24", "", coupon.ErrCode},
		"a made code's shape":          {"ABCDEFGHJKMNPQ", "", coupon.ErrMistyped},
		"a made code's shape with a U": {"UUUUUUUUUUUUUU", "", coupon.ErrMistyped},
		"all zero checks out":          {"OOOOO-00000-0000", "00000000000000", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := coupon.ParseCode(c.typed)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				assert.Empty(t, got)
				assert.Less(t, len(err.Error()), 200)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestChooseCode(t *testing.T) {
	code, err := coupon.ChooseCode("Summer-24")
	require.NoError(t, err)
	assert.Equal(t, coupon.Code("SUMMER24"), code)
	assert.Equal(t, "SUMMER24", code.String())
	for _, chosen := range []string{"ABCDEFGHJKMNPQ", "CHRISTMASSALE5", newCode(t).String(), "", "x", "fünf"} {
		_, err := coupon.ChooseCode(chosen)
		require.ErrorIs(t, err, coupon.ErrCode, chosen)
	}
}

func FuzzParseCode(f *testing.F) {
	for _, seed := range []string{"SUMMER24", "ABCDE-FGHJK-MNPQ", "mıke", "\u212a\u200b", "ＳＡＶＥ", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := coupon.ParseCode(typed)
		if err != nil {
			if !errors.Is(err, coupon.ErrCode) && !errors.Is(err, coupon.ErrMistyped) || code != "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("ParseCode(%q) is %q, %v", typed, code, err)
			}
			return
		}
		if strings.Trim(string(code), crockford+"ILOU") != "" || len(code) < 3 || len(code) > 32 {
			t.Fatalf("ParseCode(%q) is %q", typed, code)
		}
		for _, again := range []string{string(code), code.String(), strings.ToLower(code.String())} {
			if parsed, err := coupon.ParseCode(again); err != nil || parsed != code {
				t.Fatalf("ParseCode(%q) is %q, %v; want %q", again, parsed, err, code)
			}
		}
	})
}

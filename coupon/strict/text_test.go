package strict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/vouch-go/vouch/coupon/strict"
)

func TestReadable(t *testing.T) {
	for _, text := range []string{
		"", "tea", "Thé à la menthe", "5 € off", "プレゼント", "שלום", "سلام\u200cها", // with the joiner that Persian writes
		"\u200fשלום!", "👩\u200d👧 family", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "a\u00a0b",
	} {
		assert.True(t, strict.Readable(text), "%q", text)
	}
	for _, odd := range []string{
		"\x00", "\t", "\n", "\x1f", "\x7f", "\u0080", "\u0085", "\u009f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069",
		"\u200b", "\u2060", "\ufeff", "\xff", "\xc0\x80",
	} {
		assert.False(t, strict.Readable("gift card "+odd+"EUR 001"), "%q", odd)
		assert.False(t, strict.Readable(odd), "%q", odd)
	}
}

// What can't stand is named, with its place, as people count characters.
func TestUnreadable(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"Thé \ufffd":       "",
		"tea\tpot":         "has U+0009 as character 4,",
		"Thé\tvert":        "has U+0009 as character 4,",
		"gift\u202edrac":   "has U+202E as character 5,",
		"a\u200b\n":        "has U+200B as character 2,",
		"Th\xe9 vert":      "has the byte 0xe9 as character 3,",
		"\ufffd\xff\u200b": "has the byte 0xff as character 2,",
	} {
		got := strict.Unreadable(text)
		assert.Equal(t, want == "", got == "", "%q: %s", text, got)
		assert.Contains(t, got, want, "%q", text)
		assert.Equal(t, strict.Readable(text), got == "", "%q", text)
	}
}

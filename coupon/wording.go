package coupon

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/vouch-go/vouch/ledger"
)

// wording is one language's catalogue: the file languages/<tag>.json. A regional one
// says only what differs from its parent.
type wording struct {
	Months    []string            `json:"months"`
	Weekdays  []string            `json:"weekdays"` // from Sunday on
	Sentences map[string]sentence `json:"sentences"`

	tag    language.Tag
	parent *wording
}

// sentence is a text with {placeholders}, or one for each of the language's plural
// categories ("one", "few", "other", …), chosen by {n}.
type sentence map[string]string

const otherForm = "other"

// UnmarshalJSON reads a text, or an object of texts by plural category.
func (s *sentence) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = sentence{otherForm: text}
		return nil
	}
	return json.Unmarshal(data, (*map[string]string)(s))
}

//go:embed languages/*.json
var languages embed.FS

// wordings are all catalogues by tag. They are read when the first sentence is asked
// for.
var wordings = sync.OnceValue(func() map[language.Tag]*wording {
	files, err := languages.ReadDir("languages")
	if err != nil {
		panic(fmt.Sprintf("coupon: the catalogues that this package embeds: %v", err))
	}
	all := make(map[language.Tag]*wording, len(files))
	for _, file := range files {
		w, err := readWording(file.Name())
		if err != nil {
			panic(fmt.Sprintf("coupon: the catalogue %s that this package embeds: %v", file.Name(), err))
		}
		all[w.tag] = w
	}
	for _, w := range all {
		w.parent = nearest(all, w.tag.Parent())
	}
	return all
})

func readWording(file string) (*wording, error) {
	body, err := languages.ReadFile("languages/" + file)
	if err != nil {
		return nil, err
	}
	var w wording
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, err
	}
	w.tag, err = language.Parse(strings.TrimSuffix(file, path.Ext(file)))
	return &w, err
}

// nearest is the catalogue of a language, or of its nearest parent that has one; nil
// when there is none.
func nearest(all map[language.Tag]*wording, tag language.Tag) *wording {
	for !tag.IsRoot() {
		if w := all[tag]; w != nil {
			return w
		}
		tag = tag.Parent()
	}
	return nil
}

// sentence finds a key in the catalogue or its parents.
func (w *wording) sentence(key string) sentence {
	for ; w != nil; w = w.parent {
		if s, found := w.Sentences[key]; found {
			return s
		}
	}
	return sentence{otherForm: "[" + key + "]"}
}

func (w *wording) month(m time.Month) string {
	for len(w.Months) == 0 && w.parent != nil {
		w = w.parent
	}
	return w.Months[m-1]
}

func (w *wording) weekday(d time.Weekday) string {
	for len(w.Weekdays) == 0 && w.parent != nil {
		w = w.parent
	}
	return w.Weekdays[d]
}

// speaker says things to one reader: in the words of a catalogue, and with the
// numbers of the reader's region.
type speaker struct {
	*wording
	numbers *message.Printer
}

// newSpeaker speaks English to readers of a language that has no catalogue.
func newSpeaker(tag language.Tag) *speaker {
	all := wordings()
	w := nearest(all, tag)
	if w == nil {
		w = all[language.English]
		tag = w.tag
	}
	return &speaker{w, message.NewPrinter(tag)}
}

// say gives a sentence with its placeholders filled in, given as name, value, ….
func (s *speaker) say(key string, values ...string) string {
	return fill(s.sentence(key)[otherForm], values)
}

// count gives a sentence in the plural form that goes with n, which it fills in.
func (s *speaker) count(key string, n int64, values ...string) string {
	texts := s.sentence(key)
	text, found := texts[s.form(n)]
	if !found {
		text = texts[otherForm]
	}
	return fill(text, append(values, "n", s.integer(n)))
}

func fill(text string, values []string) string {
	pairs := make([]string, len(values))
	for i := 0; i+1 < len(values); i += 2 {
		pairs[i], pairs[i+1] = "{"+values[i]+"}", values[i+1]
	}
	return strings.NewReplacer(pairs...).Replace(text) // one pass: braces in a value stay what they are
}

// form is the name of the plural category that a count is of.
func (s *speaker) form(n int64) string {
	const cycle = 10_000_000 // rules look at no digits above, but tell 0 from its multiples
	digits := int(n % cycle)
	if n >= cycle {
		digits += cycle
	}
	names := [...]string{
		plural.Other: otherForm, plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
	}
	return names[plural.Cardinal.MatchPlural(s.tag, digits, 0, 0, 0, 0)]
}

// maxNamed is how many entries of a list are written out. The others are counted.
const maxNamed = 20

// and, or join a list as in "a, b and c".
func (s *speaker) and(list []string) string { return s.join("and", list) }
func (s *speaker) or(list []string) string  { return s.join("or", list) }

func (s *speaker) join(key string, list []string) string {
	if more := len(list) - maxNamed; more > 0 {
		list = append(list[:maxNamed:maxNamed], s.count("more", int64(more)))
		key = "and"
	}
	if len(list) == 0 {
		return ""
	}
	last := len(list) - 1
	if last == 0 {
		return list[0]
	}
	return s.say(key, "first", strings.Join(list[:last], s.say("comma")), "last", list[last])
}

// enumerate joins conditions or steps, which may hold commas themselves.
func (s *speaker) enumerate(list []string) string { return strings.Join(list, s.say("semicolon")) }

func (s *speaker) integer(n int64) string { return s.numbers.Sprint(number.Decimal(n)) }

// fixed writes n/10^decimals exactly: x/text formats fractions as floats only.
func (s *speaker) fixed(n int64, decimals int) string {
	sign, digits := "", strconv.FormatInt(n, 10)
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	if short := decimals + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	whole, _ := strconv.ParseInt(digits[:len(digits)-decimals], 10, 64) // at most the digits of n
	text := sign + s.integer(whole)
	if decimals == 0 {
		return text
	}
	text += s.mark()
	for _, digit := range digits[len(digits)-decimals:] {
		text += s.integer(int64(digit - '0'))
	}
	return text
}

// mark is the reader's decimal mark.
func (s *speaker) mark() string {
	half := s.numbers.Sprint(number.Decimal(0.5, number.Scale(1)))
	_, first := utf8.DecodeRuneInString(half)
	_, last := utf8.DecodeLastRuneInString(half)
	return half[first : len(half)-last]
}

// money writes an amount with the currency's exponent as the ledger knows it: the
// decimals of x/text are CLDR's, which leave some out.
func (s *speaker) money(m ledger.Money) string {
	symbol, key := m.Currency().Code(), "amount"
	if unit, err := currency.ParseISO(symbol); err == nil {
		symbol = s.numbers.Sprint(currency.Symbol(unit))
	}
	if last, _ := utf8.DecodeLastRuneInString(symbol); unicode.IsLetter(last) {
		key = "amount_letters"
	}
	return s.say(key, "symbol", symbol, "number", s.fixed(m.Minor(), m.Currency().Exponent()))
}

func (s *speaker) amounts(all Amounts) string {
	list := make([]string, len(all))
	for i, m := range all {
		list[i] = s.money(m)
	}
	return s.or(list)
}

func (s *speaker) percent(r ledger.Rate) string {
	percent := r.Percent()
	millionths, decimals := percent.Shift(6).IntPart(), 6
	for decimals > 0 && millionths%10 == 0 {
		millionths, decimals = millionths/10, decimals-1
	}
	return s.say("percent", "number", s.fixed(millionths, decimals))
}

// date writes the local day of an instant.
func (s *speaker) date(at time.Time) string {
	key := "date"
	if at.Day() == 1 {
		key = "date_first"
	}
	return s.say(key, "day", strconv.Itoa(at.Day()), "month", s.month(at.Month()), "year", strconv.Itoa(at.Year()))
}

// clock writes a local time of the day, seconds only where there are some.
func (s *speaker) clock(at time.Time) string {
	layout := s.say("clock")
	if at.Second()+at.Nanosecond() > 0 {
		layout = strings.Replace(layout, ":04", ":04:05.999999", 1)
	}
	return at.Format(layout)
}

// dateTime names the zone as clocks there do, so that the hour which occurs twice
// when they are put back is clear.
func (s *speaker) dateTime(at time.Time) string {
	return s.say("date_time", "date", s.date(at), "time", s.clock(at), "zone", at.Format("MST"))
}

// duration writes whole seconds in days, hours, minutes and seconds.
func (s *speaker) duration(d time.Duration) string {
	var list []string
	for _, unit := range []struct {
		key  string
		unit time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}} {
		if n := d / unit.unit; n > 0 {
			list = append(list, s.count(unit.key, int64(n)))
			d %= unit.unit
		}
	}
	return s.and(list)
}

// capital makes a text begin like a sentence.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

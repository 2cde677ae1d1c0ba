// Package wording says things to one reader: in the words of a catalogue of their
// language, and with the numbers, amounts and dates of their region. What every
// catalogue needs, such as lists, days and amounts, is in its own. It serves packages
// coupon and referral and may change with them.
package wording

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
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

// catalogue is what is said in one language: the file languages/<tag>.json. A
// regional one says only what differs from its parent.
type catalogue struct {
	Months    []string            `json:"months"`
	Weekdays  []string            `json:"weekdays"` // from Sunday on
	Sentences map[string]sentence `json:"sentences"`

	tag    language.Tag
	parent *catalogue
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

// Catalogues are a package's catalogues by language. They are read when the first
// sentence is asked for.
type Catalogues struct {
	read func() map[language.Tag]*catalogue
}

// New is the catalogues in the files languages/<tag>.json, which the program embeds.
// One that can't be read panics when the first sentence is asked for.
func New(files fs.FS) *Catalogues {
	return &Catalogues{sync.OnceValue(func() map[language.Tag]*catalogue {
		all, err := readAll(files)
		if err != nil {
			panic(fmt.Sprintf("wording: the catalogues that a package embeds: %v", err))
		}
		return all
	})}
}

//go:embed languages/*.json
var languages embed.FS

// common is what every catalogue needs.
var common = New(languages)

func readAll(files fs.FS) (map[language.Tag]*catalogue, error) {
	names, err := fs.Glob(files, "languages/*.json")
	if err != nil {
		return nil, err
	}
	all := make(map[language.Tag]*catalogue, len(names))
	for _, name := range names {
		c, err := readOne(files, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[c.tag] = c
	}
	for _, c := range all {
		c.parent = nearest(all, c.tag.Parent())
	}
	return all, nil
}

func readOne(files fs.FS, name string) (*catalogue, error) {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var c catalogue
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, err
	}
	c.tag, err = language.Parse(strings.TrimSuffix(path.Base(name), ".json"))
	return &c, err
}

// nearest is the catalogue of a language, or of its nearest parent that has one; nil
// when there is none.
func nearest(all map[language.Tag]*catalogue, tag language.Tag) *catalogue {
	for !tag.IsRoot() {
		if c := all[tag]; c != nil {
			return c
		}
		tag = tag.Parent()
	}
	return nil
}

// find looks a key up in the catalogue and its parents.
func (c *catalogue) find(key string) sentence {
	for ; c != nil; c = c.parent {
		if s, found := c.Sentences[key]; found {
			return s
		}
	}
	return nil
}

// Speaker says things to one reader.
type Speaker struct {
	tag     language.Tag // of the catalogue
	own     *catalogue
	common  *catalogue
	numbers *message.Printer
}

// Speaker speaks English to readers of a language that has no catalogue.
func (c *Catalogues) Speaker(tag language.Tag) *Speaker {
	all := c.read()
	own := nearest(all, tag)
	if own == nil {
		tag = language.English
		own = all[tag]
	}
	return &Speaker{own.tag, own, nearest(common.read(), tag), message.NewPrinter(tag)}
}

func (s *Speaker) sentence(key string) sentence {
	if found := s.own.find(key); found != nil {
		return found
	}
	if found := s.common.find(key); found != nil {
		return found
	}
	return sentence{otherForm: "[" + key + "]"}
}

func (s *Speaker) month(m time.Month) string {
	c := s.common
	for len(c.Months) == 0 {
		c = c.parent
	}
	return c.Months[m-1]
}

// Weekday is a weekday's name.
func (s *Speaker) Weekday(d time.Weekday) string {
	c := s.common
	for len(c.Weekdays) == 0 {
		c = c.parent
	}
	return c.Weekdays[d]
}

// Say gives a sentence with its placeholders filled in, given as name, value, ….
func (s *Speaker) Say(key string, values ...string) string {
	return fill(s.sentence(key)[otherForm], values)
}

// Count gives a sentence in the plural form that goes with n, which it fills in.
func (s *Speaker) Count(key string, n int64, values ...string) string {
	texts := s.sentence(key)
	text, found := texts[s.form(n)]
	if !found {
		text = texts[otherForm]
	}
	return fill(text, append(values, "n", s.Integer(n)))
}

func fill(text string, values []string) string {
	pairs := make([]string, len(values))
	for i := 0; i+1 < len(values); i += 2 {
		pairs[i], pairs[i+1] = "{"+values[i]+"}", values[i+1]
	}
	return strings.NewReplacer(pairs...).Replace(text) // one pass: braces in a value stay what they are
}

// form is the name of the plural category that a count is of.
func (s *Speaker) form(n int64) string {
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

// MaxNamed is how many entries of a list are written out. The others are counted.
const MaxNamed = 20

// And joins a list as in "a, b and c".
func (s *Speaker) And(list []string) string { return s.join("and", list) }

// Or joins a list as in "a, b or c".
func (s *Speaker) Or(list []string) string { return s.join("or", list) }

func (s *Speaker) join(key string, list []string) string {
	if more := len(list) - MaxNamed; more > 0 {
		list = append(list[:MaxNamed:MaxNamed], s.Count("more", int64(more)))
		key = "and"
	}
	if len(list) == 0 {
		return ""
	}
	last := len(list) - 1
	if last == 0 {
		return list[0]
	}
	return s.Say(key, "first", strings.Join(list[:last], s.Say("comma")), "last", list[last])
}

// Enumerate joins conditions or steps, which may hold commas themselves.
func (s *Speaker) Enumerate(list []string) string { return strings.Join(list, s.Say("semicolon")) }

// Integer writes a whole number.
func (s *Speaker) Integer(n int64) string { return s.numbers.Sprint(number.Decimal(n)) }

// fixed writes n/10^decimals exactly: x/text formats fractions as floats only.
func (s *Speaker) fixed(n int64, decimals int) string {
	sign, digits := "", strconv.FormatInt(n, 10)
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	if short := decimals + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	whole, _ := strconv.ParseInt(digits[:len(digits)-decimals], 10, 64) // at most the digits of n
	text := sign + s.Integer(whole)
	if decimals == 0 {
		return text
	}
	text += s.mark()
	for _, digit := range digits[len(digits)-decimals:] {
		text += s.Integer(int64(digit - '0'))
	}
	return text
}

// mark is the reader's decimal mark.
func (s *Speaker) mark() string {
	half := s.numbers.Sprint(number.Decimal(0.5, number.Scale(1)))
	_, first := utf8.DecodeRuneInString(half)
	_, last := utf8.DecodeLastRuneInString(half)
	return half[first : len(half)-last]
}

// Money writes an amount with the currency's exponent as the ledger knows it: the
// decimals of x/text are CLDR's, which leave some out.
func (s *Speaker) Money(m ledger.Money) string {
	symbol, key := m.Currency().Code(), "amount"
	if unit, err := currency.ParseISO(symbol); err == nil {
		symbol = s.numbers.Sprint(currency.Symbol(unit))
	}
	if last, _ := utf8.DecodeLastRuneInString(symbol); unicode.IsLetter(last) {
		key = "amount_letters"
	}
	return s.Say(key, "symbol", symbol, "number", s.fixed(m.Minor(), m.Currency().Exponent()))
}

// Amounts writes amounts as "a, b or c".
func (s *Speaker) Amounts(all []ledger.Money) string {
	list := make([]string, len(all))
	for i, m := range all {
		list[i] = s.Money(m)
	}
	return s.Or(list)
}

// Percent writes a percentage, exactly.
func (s *Speaker) Percent(r ledger.Rate) string {
	percent := r.Percent()
	millionths, decimals := percent.Shift(6).IntPart(), 6
	for decimals > 0 && millionths%10 == 0 {
		millionths, decimals = millionths/10, decimals-1
	}
	return s.Say("percent", "number", s.fixed(millionths, decimals))
}

// Date writes the local day of an instant.
func (s *Speaker) Date(at time.Time) string {
	key := "date"
	if at.Day() == 1 {
		key = "date_first"
	}
	return s.Say(key, "day", strconv.Itoa(at.Day()), "month", s.month(at.Month()), "year", strconv.Itoa(at.Year()))
}

// Clock writes a local time of the day, seconds only where there are some.
func (s *Speaker) Clock(at time.Time) string {
	layout := s.Say("clock")
	if at.Second()+at.Nanosecond() > 0 {
		layout = strings.Replace(layout, ":04", ":04:05.999999", 1)
	}
	return at.Format(layout)
}

// EndOfDay is the clock at the end of a day.
func (s *Speaker) EndOfDay() string { return s.Say("clock_end") }

// DateTime names the zone as clocks there do, so that the hour which occurs twice
// when they are put back is clear.
func (s *Speaker) DateTime(at time.Time) string {
	return s.Say("date_time", "date", s.Date(at), "time", s.Clock(at), "zone", at.Format("MST"))
}

// Duration writes whole seconds in days, hours, minutes and seconds.
func (s *Speaker) Duration(d time.Duration) string {
	var list []string
	for _, unit := range []struct {
		key  string
		unit time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}} {
		if n := d / unit.unit; n > 0 {
			list = append(list, s.Count(unit.key, int64(n)))
			d %= unit.unit
		}
	}
	return s.And(list)
}

// Capital makes a text begin like a sentence.
func Capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

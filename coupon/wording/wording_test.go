package wording_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/coupon/wording/wordingtest"
	"github.com/vouch-go/vouch/ledger"
)

func TestCatalogues(t *testing.T) { wordingtest.Catalogues(t) }

func catalogue(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// A region falls back to its language, a language without a catalogue to English, and
// what every catalogue needs comes from the common one.
func TestSpeaker(t *testing.T) {
	words := wording.New(fstest.MapFS{
		"languages/en.json":    catalogue(`{"sentences": {"hello": "Hello {name}!", "things": {"one": "{n} thing", "other": "{n} things"}}}`),
		"languages/fr.json":    catalogue(`{"sentences": {"hello": "Bonjour {name} !", "things": {"one": "{n} chose", "many": "{n} de choses", "other": "{n} choses"}}}`),
		"languages/fr-CH.json": catalogue(`{"sentences": {"hello": "Salut {name}!"}}`),
	})
	at := time.Date(2026, 3, 1, 15, 4, 0, 0, time.UTC)
	price := ledger.MustMoney("1234.50", ledger.MustCurrency("EUR"))
	for tag, want := range map[string][]string{
		"en":    {"Hello {n}!", "1 thing", "1,500 things", "a, b and c", "€1,234.50", "1 March 2026 15:04 UTC", "1 day and 2 hours"},
		"en-US": {"Hello {n}!", "1 thing", "1,500 things", "a, b and c", "€1,234.50", "March 1, 2026 3:04 PM UTC", "1 day and 2 hours"},
		"fr":    {"Bonjour {n}\u00a0!", "1 chose", "1\u00a0500 choses", "a, b et c", "1\u00a0234,50\u00a0€", "1er mars 2026 à 15:04 (UTC)", "1 jour et 2 heures"},
		"sw":    {"Hello {n}!", "1 thing", "1,500 things", "a, b and c", "€1,234.50", "1 March 2026 15:04 UTC", "1 day and 2 hours"},
	} {
		s := words.Speaker(language.MustParse(tag))
		require.Equal(t, want, []string{
			s.Say("hello", "name", "{n}"), s.Count("things", 1), s.Count("things", 1500), s.And([]string{"a", "b", "c"}),
			s.Money(price), s.DateTime(at), s.Duration(26 * time.Hour),
		}, tag)
	}
	require.Equal(t, "Salut Mia!", words.Speaker(language.MustParse("fr-CH")).Say("hello", "name", "Mia"))
	require.Equal(t, "[nothing]", words.Speaker(language.English).Say("nothing"))
}

// A catalogue that can't be read is noticed by whoever says something first.
func TestBrokenCatalogue(t *testing.T) {
	for name, text := range map[string]string{"en": "{", "no language": "{}"} {
		words := wording.New(fstest.MapFS{"languages/" + name + ".json": catalogue(text)})
		require.Panics(t, func() { words.Speaker(language.English) }, name)
	}
}

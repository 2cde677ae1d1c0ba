// Package wordingtest checks catalogues: that every language says the same, and that
// a program says all of it.
package wordingtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// catalogue is a language's file, as translators write it.
type catalogue struct {
	Months, Weekdays []string
	Sentences        map[string]any
}

// texts are the texts of a sentence by plural category; "" where it has only one.
func texts(sentence any) map[string]string {
	all := make(map[string]string)
	switch s := sentence.(type) {
	case string:
		all[""] = s
	case map[string]any:
		for category, text := range s {
			all[category], _ = text.(string)
		}
	}
	return all
}

func readCatalogues(t *testing.T) map[string]catalogue {
	t.Helper()
	files, err := filepath.Glob("languages/*.json")
	require.NoError(t, err)
	all := make(map[string]catalogue)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		decoder.DisallowUnknownFields()
		var c catalogue
		require.NoError(t, decoder.Decode(&c), file)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}

// strandable is a sign that belongs to the word before it, after a space at which lines
// break.
var strandable = regexp.MustCompile(` [;:?!»%]`)

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

func placeholders(text string) []string {
	var names []string
	for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
		if found[1] != "n" && found[1] != "day" { // a plural form may spell them out
			names = append(names, found[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Catalogues checks those of the package that is being tested: every language says
// everything, in each of its plural forms, with the same placeholders as English; a
// region says only what its language says too; and nothing is there that the
// package's own program does not say, since it would be translated for nothing.
func Catalogues(t *testing.T) {
	t.Helper()
	everywhereTheSame(t)
	nothingUnused(t)
}

func everywhereTheSame(t *testing.T) {
	t.Helper()
	all := readCatalogues(t)
	english := all["en"]
	require.NotEmpty(t, english.Sentences)
	words := regexp.MustCompile(`\pL{2}.*\PL\pL{2}`) // two of them: a minute is a minute in French too
	for name, c := range all {
		tag, err := language.Parse(name)
		require.NoError(t, err)
		regional := all[tag.Parent().String()].Sentences != nil
		for key := range english.Sentences {
			require.True(t, regional || c.Sentences[key] != nil, "%s: %s is missing", name, key)
		}
		if !regional {
			assert.Len(t, c.Months, len(english.Months), name)
			assert.Len(t, c.Weekdays, len(english.Weekdays), name)
		}
		for key, sentence := range c.Sentences {
			require.NotNil(t, english.Sentences[key], "%s: %s is said nowhere", name, key)
			forms, original := texts(sentence), texts(english.Sentences[key])
			require.NotEmpty(t, forms, "%s: %s", name, key)
			if len(original) > 1 {
				assert.ElementsMatch(t, categories(tag), keys(forms), "%s: %s", name, key)
			}
			for _, text := range forms {
				require.NotEmpty(t, text, "%s: %s", name, key)
				require.NotRegexp(t, strandable, text, "%s: %s: a line could begin with the sign after the space", name, key)
				for _, english := range original {
					require.Equal(t, placeholders(english), placeholders(text), "%s: %s", name, key)
					if name != "en" && words.MatchString(placeholder.ReplaceAllString(english, "")) {
						require.NotEqual(t, english, text, "%s: %s is not translated", name, key)
					}
				}
			}
		}
	}
}

func keys(m map[string]string) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	return all
}

// categories are the plural categories that a language tells apart.
func categories(tag language.Tag) []string {
	names := map[plural.Form]string{
		plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
	}
	var found []string
	for n := range 1000 {
		if name := names[plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)]; !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

func nothingUnused(t *testing.T) {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, file := range sources {
		if !strings.HasSuffix(file, "_test.go") {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			code.Write(body)
		}
	}
	begun := regexp.MustCompile(`"(\w+_\w+_)"`).FindAllStringSubmatch(code.String(), -1) // what a value completes
	for key := range readCatalogues(t)["en"].Sentences {
		base := strings.TrimSuffix(key, "_day") // "until" says whether a day ends with it
		completed := slices.ContainsFunc(begun, func(found []string) bool { return strings.HasPrefix(key, found[1]) })
		assert.True(t, completed || strings.Contains(code.String(), `"`+key+`"`) || strings.Contains(code.String(), `"`+base+`"`), key)
	}
}

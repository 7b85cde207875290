package text_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/hearthos/hearth/api/text"
)

func TestLanguageOfAnEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all, messages, lang string
		want                string
	}{
		{"", "", "", "en"},
		{"", "", "de_DE.UTF-8", "de"},
		{"", "fr_FR.UTF-8", "de_DE.UTF-8", "fr"},
		{"C", "fr_FR.UTF-8", "de_DE.UTF-8", "en"},
		{"POSIX", "", "", "en"},
		{"C.UTF-8", "", "", "en"},
		{"", "", "pl", "pl"},
		{"", "", "es_AR@euro", "es"},
		{"", "", "de-AT", "de"},
		{"", "", "ja_JP.UTF-8", "en"},
		{"", "", "nonsense!", "en"},
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}
		tag := text.Language(func(name string) string { return env[name] })
		if got := text.In(tag).Language(); got != c.want {
			t.Errorf("%+v is read in %q", c, got)
		}
	}
}

func TestLookupFillsInValuesAndFallsBackToEnglish(t *testing.T) {
	t.Parallel()
	for _, lang := range text.Languages() {
		if s, ok := text.In(lang).Lookup("man.written", map[string]any{"Pages": 3, "Folder": "x"}); !ok || s == "" {
			t.Errorf("%s: %q, %v", lang, s, ok)
		}
		if s, ok := text.In(lang).Lookup("there.is.no.such", nil); ok || s != "" {
			t.Errorf("%s: %q, %v", lang, s, ok)
		}
	}
}

// What the files hold is found, as a reader of JSON finds it.
func TestEveryTextOfTheFilesIsFound(t *testing.T) {
	t.Parallel()
	for _, lang := range text.Languages() {
		raw, err := os.ReadFile(lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]json.RawMessage
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		in := text.In(lang)
		for key, value := range texts {
			var of struct{ Other string }
			if json.Unmarshal(value, &of.Other) != nil {
				if err := json.Unmarshal(value, &of); err != nil {
					t.Fatalf("%s: %s: %v", lang, key, err)
				}
			}
			var want strings.Builder
			if err := template.Must(template.New("").Parse(of.Other)).Execute(&want, map[string]any(nil)); err != nil {
				t.Fatalf("%s: %s: %v", lang, key, err)
			}
			if got, ok := in.Lookup(key, nil); !ok || got != want.String() {
				t.Errorf("%s: %s is %q, %v, and not %q", lang, key, got, ok, want.String())
			}
		}
	}
}

func BenchmarkIn(b *testing.B) {
	for _, lang := range []string{"en", "de"} {
		b.Run(lang, func(b *testing.B) {
			for b.Loop() {
				if _, ok := text.In(lang).Lookup("man.written", nil); !ok {
					b.Fatal("nothing is found")
				}
			}
		})
	}
}

// Each language addresses people in one way, as its other texts do: German and Polish as one does friends, Spanish and French as one
// does strangers.
func TestPeopleAreAddressedInOneWay(t *testing.T) {
	t.Parallel()
	for lang, other := range map[string]string{
		"de": `[\p{Ll},] (Sie|Ihnen|Ihr(e[mnrs]?)?)\b`,
		"es": `(?i)(^|[^\p{L}])(tú|tus?|te|ti|contigo|tuy[oa]s?|dart?e|puedes|debes|quieres|tienes|haz|díselo)([^\p{L}]|$)`,
		"fr": `(?i)(^|[^\p{L}'’])(tu|toi|tes?|ton)([^\p{L}]|$)`,
		"pl": `\b(Pan|Pani|Państwo)\b`,
	} {
		raw, err := os.ReadFile(lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]struct{ Other string }
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		wrong := regexp.MustCompile(other)
		for key, text := range texts {
			if found := wrong.FindString(text.Other); found != "" {
				t.Errorf("%s: %s says %q: %s", lang, key, found, text.Other)
			}
		}
	}
}

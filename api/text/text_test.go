package text_test

import (
	"testing"

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

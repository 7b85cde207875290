// Package text is the catalogue of what people read, in all languages: one file for each, read by the command line and by
// the page. A key says what a text is of:
//
//	reason.NAME, remedy.NAME   a reason of meta/v1/fault.proto: what it means, what helps
//	help.COMMAND.…             help of a command: short, long, flag.NAME
//	step.KIND.NAME             a step of an operation while it is done
//	warning.NAME.…             a condition that somebody should look at: text, remedy
//	anything else              a sentence or a heading of a client
//
// English has its source where the thing is: reasons and remedies in the contract, help in the commands, conditions where
// they are declared. en.json repeats those so that one file has all; texts without another source are written in en.json.
// A translation carries the English text it translates as its description, so that a change of the English is seen.
//
// The package negotiates the language and fills in values; it knows no client and holds no state.
package text

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed *.json
var files embed.FS

// English is the language every text is written in first.
const English = "en"

// Languages are the languages there are, English first.
func Languages() []string { return []string{English, "de", "es", "fr", "pl"} }

// Language is the language a person's environment asks for, as a POSIX system says it: LC_ALL, else LC_MESSAGES, else
// LANG. It is English when none is set, and for "C" and "POSIX".
func Language(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := getenv(name)
		if value == "" {
			continue
		}
		tag, _, _ := strings.Cut(value, ".")
		tag, _, _ = strings.Cut(tag, "@")
		if tag == "C" || tag == "POSIX" {
			return English
		}
		return strings.ReplaceAll(tag, "_", "-")
	}
	return English
}

// Texts are the texts of one language. They may be used concurrently.
type Texts struct {
	language  string
	localizer *i18n.Localizer
}

// In answers the texts of the language that fits a BCP 47 tag best, English when none does.
func In(tag string) *Texts {
	tags := make([]language.Tag, 0, len(Languages()))
	for _, name := range Languages() {
		tags = append(tags, language.MustParse(name))
	}
	chosen := English
	if want, err := language.Parse(tag); err == nil {
		if _, i, confidence := language.NewMatcher(tags).Match(want); confidence >= language.High {
			chosen = Languages()[i]
		}
	}
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	load(bundle, English)
	if chosen != English {
		load(bundle, chosen)
	}
	return &Texts{language: chosen, localizer: i18n.NewLocalizer(bundle, chosen)}
}

// load reads one of the files. They are part of the program and tested; one that cannot be read is a broken invariant.
func load(bundle *i18n.Bundle, name string) {
	if _, err := bundle.LoadMessageFileFS(files, name+".json"); err != nil {
		panic(fmt.Sprintf("text: %s: %v", name, err))
	}
}

// Language is the language of the texts.
func (t *Texts) Language() string { return t.language }

// Lookup answers the text of a key with the values filled in; that in English where the language has none, and false
// where there is none at all.
func (t *Texts) Lookup(key string, values map[string]any) (string, bool) {
	s, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: values})
	if s == "" && err != nil {
		return "", false
	}
	return s, true
}

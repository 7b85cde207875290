// Package text is the catalogue of what people read, in all languages: one file for each, read by the command line and by
// the page. A key says what a text is of:
//
//	reason.NAME, remedy.NAME   a reason of meta/v1/fault.proto: what it means, what helps
//	help.COMMAND.…             help of a command: short, long, flag.NAME
//	step.KIND.NAME             a step of an operation while it is done
//	warning.NAME.…             a condition that somebody should look at: text, remedy
//	check.NAME.…               what a check found: text, remedy
//	capability.NAME.…          how a machine offers something, or why it does not: text, remedy
//	anything else              a sentence or a heading of a client
//
// English has its source where the thing is: reasons and remedies in the contract, help in the commands, conditions where
// they are declared. en.json repeats those so that one file has all; texts without another source are written in en.json.
// A translation carries the English text it translates as its description, so that a change of the English is seen.
//
// The package negotiates the language and fills in values; it knows no client and holds no state.
package text

import (
	_ "embed" // the files
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed en.json
var en string

//go:embed de.json
var de string

//go:embed es.json
var es string

//go:embed fr.json
var fr string

//go:embed pl.json
var pl string

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
	files     []file // of the language, and the English one behind it
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
	t := &Texts{language: chosen, localizer: i18n.NewLocalizer(i18n.NewBundle(language.English), English)}
	for _, name := range slices.Compact([]string{chosen, English}) {
		t.files = append(t.files, open(name))
	}
	return t
}

// file has the values of one of the files by their keys, as JSON: a text is decoded when it is asked for. A command reads a few of
// thousands, and is not to wait for the others each time it starts. A key stands at the beginning of a line, two spaces from its
// margin, as who writes the files leaves it.
type file map[string]string

// open finds the keys of the file of a language.
func open(name string) file {
	const margin, after = "\n  \"", `": `
	raw := map[string]string{English: en, "de": de, "es": es, "fr": fr, "pl": pl}[name]
	f := make(file, strings.Count(raw, margin))
	_, rest, more := strings.Cut(strings.TrimSuffix(raw, "\n}\n"), margin)
	for more {
		var line string
		line, rest, more = strings.Cut(rest, margin)
		key, value, _ := strings.Cut(line, after)
		f[key] = strings.TrimSuffix(value, ",")
	}
	return f
}

// text answers the text of a key, "" where there is none. English ones are strings, the others have the English one beside them.
// The files are part of the program and tested; what cannot be read is a broken invariant.
func (f file) text(key string) string {
	value, there := f[key]
	if !there {
		return ""
	}
	var of struct{ Other string }
	var into any = &of
	if strings.HasPrefix(value, `"`) {
		into = &of.Other
	}
	if err := json.Unmarshal([]byte(value), into); err != nil {
		panic(fmt.Sprintf("text: %s: %v", key, err))
	}
	return of.Other
}

// Language is the language of the texts.
func (t *Texts) Language() string { return t.language }

// Lookup answers the text of a key with the values filled in; that in English where the language has none, and false
// where there is none at all.
func (t *Texts) Lookup(key string, values map[string]any) (string, bool) {
	for _, f := range t.files {
		if text := f.text(key); text != "" {
			if !strings.Contains(text, "{{") {
				return text, true
			}
			s, err := t.localizer.Localize(&i18n.LocalizeConfig{DefaultMessage: &i18n.Message{ID: key, Other: text}, TemplateData: values})
			return s, s != "" || err == nil
		}
	}
	return "", false
}

package s9pk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// LocaleString is a text in one or several languages. The zero value is the empty text.
type LocaleString struct {
	texts    []localeText // in the order of the manifest
	isObject bool
}

type localeText struct{ locale, text string }

const maxLocales = 512

// Text makes a LocaleString that is the same in every language.
func Text(s string) LocaleString { return LocaleString{texts: []localeText{{text: s}}} }

// In answers the text for a locale such as de_DE: its own, else the first of the same language, else the first of all.
func (l LocaleString) In(locale string) string {
	if len(l.texts) == 0 {
		return ""
	}
	language := locale
	if i := strings.IndexByte(locale, '_'); i >= 0 {
		language = locale[:i+1]
	}
	related := -1
	for i, t := range l.texts {
		if l.isObject && t.locale == locale {
			return t.text
		}
		if l.isObject && related < 0 && strings.HasPrefix(t.locale, language) {
			related = i
		}
	}
	return l.texts[max(related, 0)].text
}

// Locales answers the languages in the order of the manifest; none when the text is the same in all.
func (l LocaleString) Locales() []string {
	if !l.isObject {
		return nil
	}
	locales := make([]string, 0, len(l.texts))
	for _, t := range l.texts {
		locales = append(locales, t.locale)
	}
	return locales
}

// MarshalJSON writes a string or an object in the original order.
func (l LocaleString) MarshalJSON() ([]byte, error) {
	if !l.isObject {
		return encodeJSON(l.In(""))
	}
	b := []byte{'{'}
	for i, t := range l.texts {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := encodeJSON(t.locale)
		if err != nil {
			return nil, err
		}
		value, err := encodeJSON(t.text)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads a string or an object of strings.
func (l *LocaleString) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err == nil && !isNull(data) {
		*l = Text(s)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return fmt.Errorf("it is neither a string nor an object of strings")
	}
	out := LocaleString{isObject: true}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("a text in it is not a string")
		}
		if len(out.texts) == maxLocales {
			return fmt.Errorf("it has more than %d languages", maxLocales)
		}
		out.texts = append(out.texts, localeText{key.(string), text})
	}
	*l = out
	return nil
}

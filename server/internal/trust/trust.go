// Package trust makes what people need to trust the server's own root certificate: the certificate as a file and as a
// profile for Apple's systems, and a page in each language that explains what to do on which system.
//
// It deliberately serves nothing: who hands the documents out decides where. Invariants: everything is a pure function of the root;
// the pages need no script and load nothing, so they work in any browser and by plain HTTP; the fingerprint to compare is on
// each of them.
package trust

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/server/internal/host/handout"
)

// The paths. That of a page is followed by a slash and its language where a reader chose one.
const (
	PagePath    = "/trust"
	RootPath    = "/ca.crt"
	ProfilePath = "/ca.mobileconfig"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// systems are those that are explained, by the middle of the keys of their texts, with their own names.
var systems = [...]struct{ key, name string }{
	{"ios", "iPhone, iPad"}, {"android", "Android"}, {"windows", "Windows"}, {"macos", "macOS"}, {"linux", "Linux"}, {"firefox", "Firefox"},
}

var languageNames = map[string]string{"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "pl": "Polski"}

// Root is the certificate that is to be trusted.
type Root struct {
	// Name is the one in it.
	Name string
	// PEM and Profile are the certificate and Apple's profile of it, Fingerprint what people compare.
	PEM, Profile []byte
	Fingerprint  string
}

type system struct {
	ID, Name string
	Steps    []string
}

type content struct {
	Language, Name, Fingerprint                                             string
	Title, Intro, Download, Profile, Compare, CompareWhy, Systems, Continue string
	Done, Languages                                                         string
	RootPath, ProfilePath                                                   string
	SystemList                                                              []system
	LanguageList                                                            []link
}

type link struct{ Path, Language, Name string }

// Documents answers everything that is handed out for a root.
func Documents(r Root) ([]handout.Document, error) {
	out := []handout.Document{
		{Path: RootPath, ContentType: "application/x-x509-ca-cert", Filename: "ca.crt", Content: r.PEM},
		{Path: ProfilePath, ContentType: "application/x-apple-aspen-config", Filename: "ca.mobileconfig", Content: r.Profile},
	}
	for _, language := range text.Languages() {
		html, err := render(r, text.In(language))
		if err != nil {
			return nil, fmt.Errorf("cannot make the page about trust in %s: %w", language, err)
		}
		d := handout.Document{Path: PagePath, Language: language, ContentType: "text/html; charset=utf-8", Content: html}
		out = append(out, d)
		d.Path += "/" + language
		out = append(out, d)
	}
	return out, nil
}

func render(r Root, texts *text.Texts) ([]byte, error) {
	say := func(key string) string {
		s, _ := texts.Lookup("trust."+key, nil)
		return s
	}
	c := content{
		Language: texts.Language(), Name: r.Name, Fingerprint: r.Fingerprint, RootPath: RootPath, ProfilePath: ProfilePath,
		Title: say("title"), Intro: say("intro"), Download: say("download"), Profile: say("profile"), Compare: say("compare"),
		CompareWhy: say("compare-why"), Systems: say("systems"), Continue: say("continue"), Done: say("done"), Languages: say("languages"),
	}
	for _, s := range systems {
		one := system{ID: s.key, Name: s.name}
		for i := 1; ; i++ {
			step := say(fmt.Sprintf("%s.%d", s.key, i))
			if step == "" {
				break
			}
			one.Steps = append(one.Steps, step)
		}
		c.SystemList = append(c.SystemList, one)
	}
	for _, language := range text.Languages() {
		c.LanguageList = append(c.LanguageList, link{Path: PagePath + "/" + language, Language: language, Name: languageNames[language]})
	}
	var b bytes.Buffer
	err := page.Execute(&b, c)
	return b.Bytes(), err
}

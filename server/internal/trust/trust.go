// Package trust makes what people need to trust the server's own root certificate: the certificate as a file and as a
// profile for Apple's systems, and a page in each language that explains what to do on which system.
//
// It deliberately serves nothing: who hands the documents out decides where. Invariants: everything is a pure function of the root;
// the pages need no script and load nothing but the style and the script beside them, so they work in any browser and by plain
// HTTP; the script tries whether the root is trusted by now, and goes on; the fingerprint to compare is on each page.
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
	StylePath   = "/trust.css"
	ScriptPath  = "/trust.js"
	// FirstPath is where the page is, too, by plain HTTP: who opens a server by its name alone comes there.
	FirstPath = "/"
	// proofPath is there by TLS alone, so who gets it trusts the root.
	proofPath = "/trusted"
	// homePath is where the server's own page begins; by plain HTTP the question mark tells it from FirstPath, and it leads to TLS.
	homePath = "/?"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var style []byte

//go:embed check.js
var script []byte

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
	Done, Languages, Check, Trusted, Untrusted                              string
	RootPath, ProfilePath, StylePath, ScriptPath, HomePath, ProofPath       string
	SystemList                                                              []system
	LanguageList                                                            []link
}

type link struct{ Path, Language, Name string }

// Documents answers everything that is handed out for a root.
func Documents(r Root) ([]handout.Document, error) {
	out := []handout.Document{
		{Path: RootPath, ContentType: "application/x-x509-ca-cert", Filename: "ca.crt", Content: r.PEM},
		{Path: ProfilePath, ContentType: "application/x-apple-aspen-config", Filename: "ca.mobileconfig", Content: r.Profile},
		{Path: StylePath, ContentType: "text/css; charset=utf-8", Content: style},
		{Path: ScriptPath, ContentType: "text/javascript; charset=utf-8", Content: script},
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

// First answers those of the documents that meet somebody who comes by plain HTTP and names no path.
func First(documents []handout.Document) (out []handout.Document) {
	for _, d := range documents {
		if d.Path == PagePath {
			d.Path = FirstPath
			out = append(out, d)
		}
	}
	return out
}

// Proof answers what is handed out by TLS alone.
func Proof() handout.Document {
	return handout.Document{Path: proofPath, ContentType: "text/plain; charset=utf-8", Content: []byte("trusted\n")}
}

func render(r Root, texts *text.Texts) ([]byte, error) {
	say := func(key string) string {
		s, _ := texts.Lookup("trust."+key, nil)
		return s
	}
	c := content{
		Language: texts.Language(), Name: r.Name, Fingerprint: r.Fingerprint, RootPath: RootPath, ProfilePath: ProfilePath,
		StylePath: StylePath, ScriptPath: ScriptPath, HomePath: homePath, ProofPath: proofPath, Check: say("check"), Trusted: say("trusted"), Untrusted: say("untrusted"),
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

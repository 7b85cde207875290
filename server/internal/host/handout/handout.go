// Package handout serves documents that everybody may read, in the language the reader likes best. The front door hands them
// out by plain HTTP and the daemon on its own pages, by the same rules.
//
// It makes no documents and knows no languages but those of the documents. Invariants: only GET and HEAD are answered; nothing of a
// request but its path and its Accept-Language matters; what is answered runs no script and has no style but those that are
// documents too, and reaches nobody but who answered it and, where that is another, the same server by TLS.
package handout

import (
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/text/language"
)

// maxLanguages bounds how much of a reader's wishes is looked at.
const maxLanguages = 256

// Document is one path in one language.
type Document struct {
	// Path is where it is, as in "/trust".
	Path string
	// Language is a BCP 47 tag; empty where the document is in none.
	Language string
	// ContentType is what it is.
	ContentType string
	// Filename is what it is to be kept as; empty shows it.
	Filename string
	// Content are its bytes; they are not changed.
	Content []byte
}

// Set is documents by path. It is safe for concurrent use; a nil Set has none.
type Set struct{ paths map[string]*choice }

type choice struct {
	documents []Document
	matcher   language.Matcher
	tags      []int // of the matcher: index in documents
}

// New makes a set. Of documents of the same path and language the first counts.
func New(documents []Document) *Set {
	s := &Set{paths: map[string]*choice{}}
	for _, d := range documents {
		c := s.paths[d.Path]
		if c == nil {
			c = &choice{}
			s.paths[d.Path] = c
		}
		c.documents = append(c.documents, d)
	}
	for _, c := range s.paths {
		var tags []language.Tag
		for i, d := range c.documents {
			if tag, err := language.Parse(d.Language); err == nil {
				tags, c.tags = append(tags, tag), append(c.tags, i)
			}
		}
		if len(tags) > 1 {
			c.matcher = language.NewMatcher(tags)
		}
	}
	return s
}

// Has tells whether something is at a path.
func (s *Set) Has(path string) bool { return s != nil && s.paths[path] != nil }

// policy is what a document may: its place for what it may reach besides who answered it is filled by Serve.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'%s; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Serve answers with the document at the path of the request. home is the origin of the same server by TLS, which a document may
// try to reach; empty where that is the one that answers.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, home string) {
	if !s.Has(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	c := s.paths[r.URL.Path]
	d := c.best(r.Header.Get("Accept-Language"))
	h.Set("Content-Type", d.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(d.Content)))
	h.Set("Cache-Control", "no-store")
	if home != "" {
		home = " " + home
	}
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, home))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a page by plain HTTP is of another origin than the same server by TLS
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if c.matcher != nil {
		h.Set("Vary", "Accept-Language")
	}
	if d.Language != "" {
		h.Set("Content-Language", d.Language)
	}
	if d.Filename != "" {
		h.Set("Content-Disposition", `attachment; filename="`+d.Filename+`"`)
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.Content)
	}
}

func (c *choice) best(wishes string) *Document {
	if c.matcher == nil || wishes == "" || len(wishes) > maxLanguages {
		return &c.documents[0]
	}
	tags, _, err := language.ParseAcceptLanguage(wishes)
	if err != nil {
		return &c.documents[0]
	}
	_, i, confidence := c.matcher.Match(tags...)
	if confidence < language.Low {
		return &c.documents[0]
	}
	return &c.documents[c.tags[i]]
}

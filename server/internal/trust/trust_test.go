package trust_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/trust"
)

func TestEachLanguageExplainsEachSystem(t *testing.T) {
	t.Parallel()
	documents, err := trust.Documents(trust.Root{Name: "Anna <home> Root", PEM: []byte("pem"), Profile: []byte("profile"), Fingerprint: "AB:CD"})
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]handout.Document{}
	for _, d := range documents {
		if _, seen := byPath[d.Path]; !seen {
			byPath[d.Path] = d
		}
	}
	if string(byPath["/ca.crt"].Content) != "pem" || string(byPath["/ca.mobileconfig"].Content) != "profile" || byPath["/trust"].Language != text.English {
		t.Errorf("documents at %v", byPath)
	}
	if !strings.Contains(string(byPath["/trust.css"].Content), "prefers-color-scheme: dark") || len(byPath["/trust.js"].Content) == 0 {
		t.Error("there is no style, or no script")
	}
	seen := map[string]string{}
	for _, language := range text.Languages() {
		page := byPath["/trust/"+language]
		root, err := html.Parse(strings.NewReader(string(page.Content)))
		if err != nil || page.Language != language {
			t.Fatalf("%s: %q, %v", language, page.Language, err)
		}
		steps, links := read(t, root)
		for _, system := range []string{"ios", "android", "windows", "macos", "linux", "firefox"} {
			if steps[system] < 3 {
				t.Errorf("%s: %d steps for %s", language, steps[system], system)
			}
		}
		for _, want := range []string{"/ca.crt", "/ca.mobileconfig", "/?"} {
			if !links[want] {
				t.Errorf("%s: no link to %s", language, want)
			}
		}
		for _, want := range []string{"AB:CD", "Anna &lt;home&gt; Root", `name="viewport"`} {
			if !strings.Contains(string(page.Content), want) {
				t.Errorf("%s: %q is missing", language, want)
			}
		}
		if other := seen[string(page.Content)]; other != "" {
			t.Errorf("%s reads as %s", language, other)
		}
		seen[string(page.Content)] = language
	}
}

// read counts the steps by system, collects the links, and complains of what loads or runs something.
func read(t *testing.T, n *html.Node) (steps map[string]int, links map[string]bool) {
	t.Helper()
	steps, links = map[string]int{}, map[string]bool{}
	var walk func(n *html.Node, system string)
	walk = func(n *html.Node, system string) {
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script":
			if attributes["src"] != "/trust.js" || n.FirstChild != nil {
				t.Errorf("there is another script than the one beside the page: %v", attributes)
			}
		case "link":
			if attributes["href"] != "/trust.css" {
				t.Errorf("there is a link to %v", attributes)
			}
		case "style", "img", "iframe":
			t.Errorf("there is a <%s>", n.Data)
		case "details":
			system = attributes["id"]
		case "li":
			steps[system]++
		case "a":
			links[attributes["href"]] = true
		}
		for c := range n.ChildNodes() {
			walk(c, system)
		}
	}
	walk(n, "")
	return steps, links
}

func TestOnlyThePageItselfMeetsWhoComesFirst(t *testing.T) {
	t.Parallel()
	documents, err := trust.Documents(trust.Root{Name: "Root", PEM: []byte("pem"), Profile: []byte("profile"), Fingerprint: "AB:CD"})
	if err != nil {
		t.Fatal(err)
	}
	if set := handout.New(documents); set.Has(trust.Proof().Path) {
		t.Error("the proof is given out by plain HTTP")
	}
	set := handout.New(trust.First(documents))
	if !set.Has("/") || set.Has("/trust") || set.Has("/ca.crt") || len(trust.First(documents)) != len(text.Languages()) {
		t.Errorf("%v", trust.First(documents))
	}
}

package trust_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/trust"
)

func TestEachLanguageExplainsEachSystemWithoutAScript(t *testing.T) {
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
		for _, want := range []string{"/ca.crt", "/ca.mobileconfig", "/"} {
			if !links[want] {
				t.Errorf("%s: no link to %s", language, want)
			}
		}
		for _, want := range []string{"AB:CD", "Anna &lt;home&gt; Root", `name="viewport"`, "prefers-color-scheme: dark"} {
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
			if a.Key == "src" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script", "link", "img", "iframe":
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

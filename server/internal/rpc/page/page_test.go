package page_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hearthos/hearth/server/internal/rpc/page"
)

func handler(t *testing.T) http.Handler {
	t.Helper()
	files := fstest.MapFS{}
	for name, content := range map[string]string{
		"index.html": "<!doctype html>", "index.html.br": "smaller", "routes.json": `["","services"]`, ".vite/manifest.json": "{}",
		"assets/app-1a2b.js": "run()", "assets/app-1a2b.js.br": "r", "icon.svg": "<svg/>",
	} {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	h, err := page.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestPathsOfThePageAreAnsweredAndNothingElse(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, want := range map[string]string{
		"/": "<!doctype html>", "/services": "<!doctype html>", "/services/blog/logs": "<!doctype html>", "/index.html": "<!doctype html>",
		"/assets/app-1a2b.js": "run()", "/icon.svg": "<svg/>",
		"/servicesx": "", "/assets/gone.js": "", "/routes.json": "", "/.vite/manifest.json": "", "/index.html.br": "", "//services": "", "/robots.txt": "", "/../index.html": "",
	} {
		resp := ask(h, "GET", "http://server"+path)
		body, _ := io.ReadAll(resp.Body)
		if want == "" && resp.StatusCode == http.StatusNotFound {
			continue
		}
		if resp.StatusCode != http.StatusOK || string(body) != want {
			t.Errorf("%s answers %d %q, want %q", path, resp.StatusCode, body, want)
		}
	}
}

func TestABrowserAtAnAddressThatThereIsNotGetsThePage(t *testing.T) {
	t.Parallel()
	h := handler(t)
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	resp := ask(h, "GET", "/nosuch", "Accept", browser, "If-None-Match", ask(h, "GET", "/").Header.Get("ETag"), "Range", "bytes=0-1")
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusNotFound || string(body) != "<!doctype html>" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("it is answered with %d %q", resp.StatusCode, body)
	}
	if got := resp.Header; got.Get("ETag") != "" || got.Get("Cache-Control") != "no-store" || !strings.Contains(got.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page at an address that is none may be kept, or may do what it may not: %v", got)
	}
	for _, header := range [][]string{{}, {"Accept", "*/*"}, {"Accept", "application/json"}} {
		if got := ask(h, "GET", "/nosuch", header...).Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
			t.Errorf("with %v it is answered as %q", header, got)
		}
	}
	if got := ask(h, "POST", "/nosuch", "Accept", browser).Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("a post is answered as %q", got)
	}
}

func TestAssetsAreKeptForGoodAndTheRestIsAskedForAgain(t *testing.T) {
	t.Parallel()
	h := handler(t)
	if got := ask(h, "GET", "/assets/app-1a2b.js").Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("an asset may be kept %q", got)
	}
	first := ask(h, "GET", "/services/x")
	if got := first.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the page may be kept %q", got)
	}
	etag := first.Header.Get("ETag")
	if etag == "" {
		t.Fatal("the page has no ETag")
	}
	if resp := ask(h, "GET", "/", "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
		t.Errorf("what has not changed is answered with %d", resp.StatusCode)
	}
	if resp := ask(h, "GET", "/", "If-None-Match", etag, "Accept-Encoding", "br"); resp.StatusCode != http.StatusOK {
		t.Errorf("the same in other bytes is answered with %d", resp.StatusCode)
	}
}

func TestWhoReadsBrotliGetsIt(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for accept, want := range map[string]string{"gzip, br": "br", "br;q=0.5": "br", "br;q=0": "", "gzip": "", "": "", "brx": ""} {
		resp := ask(h, "GET", "/", "Accept-Encoding", accept)
		body, _ := io.ReadAll(resp.Body)
		if got := resp.Header.Get("Content-Encoding"); got != want || (want == "br") != (string(body) == "smaller") {
			t.Errorf("with %q it comes as %q: %q", accept, got, body)
		}
	}
	if got := ask(h, "GET", "/icon.svg", "Accept-Encoding", "br").Header.Get("Content-Encoding"); got != "" {
		t.Errorf("what has no smaller form comes as %q", got)
	}
}

func TestThePageRunsNothingThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for _, path := range []string{"/", "/services/x", "/icon.svg", "/assets/app-1a2b.js"} {
		csp := ask(h, "GET", path).Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s lacks %s: %q", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s allows too much: %q", path, csp)
		}
	}
}

func TestThePageIsOnlyRead(t *testing.T) {
	t.Parallel()
	h := handler(t)
	if resp := ask(h, "POST", "/"); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is answered with %d, allowed is %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
	if body, _ := io.ReadAll(ask(h, "HEAD", "/").Body); len(body) != 0 {
		t.Errorf("HEAD has a body: %q", body)
	}
}

func TestWithoutABuiltPageNothingIsThere(t *testing.T) {
	t.Parallel()
	h, err := page.New(fstest.MapFS{"README.md": {Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if resp := ask(h, "GET", "/"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("it answers %d", resp.StatusCode)
	}
}

// A registry serves its catalogue at the root and nowhere else, and not the page of servers; nor they it.
func TestTheCatalogueIsAnotherPage(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for name, content := range map[string]string{"index.html": "<p>server", "catalogue.html": "<p>catalogue", "routes.json": `["","services"]`, "assets/app-1a2b.js": "run()"} {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	server, err := page.New(files)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := page.NewCatalogue(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from http.Handler
		path string
		want string
	}{
		{server, "/", "<p>server"}, {server, "/catalogue.html", ""}, {catalogue, "/", "<p>catalogue"}, {catalogue, "/services", ""},
		{catalogue, "/index.html", ""}, {catalogue, "/assets/app-1a2b.js", "run()"},
	} {
		resp := ask(c.from, http.MethodGet, c.path)
		body, _ := io.ReadAll(resp.Body)
		if found := resp.StatusCode == http.StatusOK; found != (c.want != "") || found && string(body) != c.want {
			t.Errorf("%s answers %d: %s", c.path, resp.StatusCode, body)
		}
		if policy := resp.Header.Get("Content-Security-Policy"); c.want != "" && !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s has the policy %q", c.path, policy)
		}
	}
	if empty, err := page.NewCatalogue(fstest.MapFS{}); err != nil || ask(empty, http.MethodGet, "/").StatusCode != http.StatusNotFound {
		t.Errorf("a catalogue that was not built is there, or %v", err)
	}
}

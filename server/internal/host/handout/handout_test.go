package handout_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/handout"
)

func set() *handout.Set {
	return handout.New([]handout.Document{
		{Path: "/trust", Language: "en", ContentType: "text/html; charset=utf-8", Content: []byte("english")},
		{Path: "/trust", Language: "de", ContentType: "text/html; charset=utf-8", Content: []byte("deutsch")},
		{Path: "/trust", Language: "pl", ContentType: "text/html; charset=utf-8", Content: []byte("polski")},
		{Path: "/ca.crt", ContentType: "application/x-x509-ca-cert", Filename: "ca.crt", Content: []byte("root")},
	})
}

func get(method, path, languages string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Language", languages)
	w := httptest.NewRecorder()
	set().Serve(w, r, "https://home.local:8443")
	return w.Result()
}

func TestReadersGetTheLanguageTheyLikeBest(t *testing.T) {
	t.Parallel()
	for wishes, want := range map[string]string{
		"": "english", "de": "deutsch", "de-AT,en;q=0.5": "deutsch", "en;q=0.1,pl-PL;q=0.9": "polski", "ja": "english", "ja,de;q=0.2": "deutsch",
		"*": "english", "\x00;;q=": "english", strings.Repeat("de,", 400): "english",
	} {
		resp := get("GET", "/trust", wishes)
		body, _ := io.ReadAll(resp.Body)
		if string(body) != want || resp.Header.Get("Vary") != "Accept-Language" {
			t.Errorf("%.20q gets %q", wishes, body)
		}
	}
}

func TestDocumentsAreForReadingAlone(t *testing.T) {
	t.Parallel()
	if resp := get("POST", "/trust", ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %s", resp.Status)
	}
	if resp := get("GET", "/other", ""); resp.StatusCode != http.StatusNotFound || set().Has("/other") {
		t.Errorf("what is not there is answered with %s", resp.Status)
	}
	if (*handout.Set)(nil).Has("/trust") {
		t.Error("no set has something")
	}
	resp := get("HEAD", "/ca.crt", "")
	if body, _ := io.ReadAll(resp.Body); len(body) != 0 || resp.Header.Get("Content-Length") != "4" ||
		resp.Header.Get("Content-Disposition") != `attachment; filename="ca.crt"` {
		t.Errorf("HEAD is answered with %v %q", resp.Header, body)
	}
	policy := get("GET", "/trust", "").Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' https://home.local:8443;") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

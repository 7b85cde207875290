package servertest_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
	"github.com/hearthos/hearth/server/servertest"
)

// publish makes a registry that lists a package file, and answers its folder, too.
func publish(t *testing.T, path string) (url, dir string) {
	t.Helper()
	url, keyFile := servertest.Registry(t, func(cfg *registryrpc.Config) { dir = cfg.Dir })
	key, err := sign.LoadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := registry.NewClient(url, registry.Options{Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(sign.ContextPackage, file.Commitment().Message())
	if err != nil {
		t.Fatal(err)
	}
	if err := publisher.AddUpload(t.Context(), f, info.Size(), nil, file.Commitment(), signature, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	return url, dir
}

// token makes a token of a viewer for these packages; none: all.
func (w *world) token(name string, packages ...string) string {
	w.t.Helper()
	req := &accountsv1.CreateTokenRequest{Name: name, Role: optionsv1.Role_ROLE_VIEWER}
	if len(packages) > 0 {
		req.Scope = &accountsv1.Scope{Packages: packages}
	}
	got, err := w.Accounts.CreateToken(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return got.GetSecret()
}

// fetch fetches a path of the server with a token, if any, and with more headers by pairs.
func (w *world) fetch(client *http.Client, path, token string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.Web()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

// Who may read what a package brings by a call may fetch it, of installed and of listed packages, and nobody else.
func TestWhatPackagesBringIsFetchedByWhomItMayBeReadBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assets := strings.Repeat("0123456789abcdef", 1<<17)
	url, _ := publish(t, servertest.PackageWith(t, pkg, nil, map[string]string{"assets.squashfs": assets, "LICENSE.md": "Do as you like."}))
	if _, err := w.Registries.AddRegistry(t.Context(), &registriesv1.AddRegistryRequest{Url: url, Id: "mine", Local: true}); err != nil {
		t.Fatal(err)
	}
	client, viewer := w.HTTP(), w.token("viewer")
	get := func(path, token string, headers ...string) (*http.Response, string) {
		t.Helper()
		return w.fetch(client, path, token, headers...)
	}
	const listed, installed = "/content/offers/" + pkg + "/", "/content/packages/" + pkg + "/"
	if resp, body := get(installed+"license", viewer); resp.StatusCode != http.StatusNotFound {
		t.Errorf("of what is not installed: %d %s", resp.StatusCode, body)
	}
	var tags [2]string
	see := func(at int, prefix, query string) {
		t.Helper()
		if resp, body := get(prefix+"license"+query, viewer); resp.StatusCode != 200 || body != "Do as you like." {
			t.Errorf("%s: the licence is %d %q", prefix, resp.StatusCode, body)
		}
		if resp, body := get(prefix+"icon"+query, viewer); resp.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(body, "<svg") {
			t.Errorf("%s: the icon is %q %q", prefix, resp.Header.Get("Content-Type"), body)
		}
		resp, body := get(prefix+"assets"+query, viewer)
		if tags[at] = resp.Header.Get("ETag"); resp.StatusCode != 200 || body != assets {
			t.Errorf("%s: the assets are %d with %d bytes", prefix, resp.StatusCode, len(body))
		}
		if resp, body := get(prefix+"assets"+query, viewer, "Range", "bytes=17-19"); resp.StatusCode != 206 || body != "123" {
			t.Errorf("%s: a part of the assets is %d %q", prefix, resp.StatusCode, body)
		}
		if resp, _ := get(prefix+"assets"+query, viewer, "If-None-Match", tags[at]); resp.StatusCode != 304 {
			t.Errorf("%s: the assets once more: %d", prefix, resp.StatusCode)
		}
		for name, headers := range map[string][]string{"nobody": nil, "a cookie": {"Cookie", "__Host-hearth=x", "Sec-Fetch-Site", "same-origin"}} {
			if resp, body := get(prefix+"icon"+query, "", headers...); resp.StatusCode != http.StatusUnauthorized || strings.Contains(body, "<svg") {
				t.Errorf("%s: %s gets %d", prefix, name, resp.StatusCode)
			}
		}
	}
	see(0, listed, "?registry=mine")
	_, err := w.Registries.GetOfferDocument(t.Context(), &registriesv1.GetOfferDocumentRequest{PackageId: pkg, Document: packagesv1.Document_KIND_ASSETS})
	if !fault.Is(err, metav1.Reason_REASON_DOCUMENT_TOO_LARGE) {
		t.Errorf("listed assets by a call: %v", err)
	}
	if _, err := w.Packages.InstallPackage(t.Context(), &packagesv1.InstallPackageRequest{FromRegistry: &packagesv1.FromRegistry{PackageId: pkg}, Start: true}); err != nil {
		t.Fatal(err)
	}
	w.state(running, success)
	see(1, installed, "")
	if tags[0] != tags[1] {
		t.Errorf("the same bytes have the tags %v", tags)
	}
	_, err = w.Packages.GetPackageDocument(t.Context(), &packagesv1.GetPackageDocumentRequest{Id: pkg, Document: packagesv1.Document_KIND_ASSETS})
	if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_DOCUMENT_TOO_LARGE || f.GetMetadata()["path"] != installed+"assets" {
		t.Errorf("installed assets by a call: %v", err)
	}
	if resp, _ := get(installed+"icon", w.token("its own", pkg)); resp.StatusCode != 200 {
		t.Errorf("a token for the package gets %d", resp.StatusCode)
	}
	if resp, _ := get(installed+"icon", w.token("another's", "other")); resp.StatusCode == 200 {
		t.Error("a token for another package gets its icon")
	}
}

// Of a file that is not what its registry lists nothing is sent, neither whole nor in parts.
func TestNothingOfAFileThatAnybodyChangedIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const mark = "Do as you like."
	url, dir := publish(t, servertest.PackageWith(t, pkg, nil, map[string]string{"assets.squashfs": strings.Repeat("0123456789abcdef", 1<<17), "LICENSE.md": mark}))
	if _, err := w.Registries.AddRegistry(t.Context(), &registriesv1.AddRegistryRequest{Url: url, Id: "mine", Local: true}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "packages", "*.s9pk"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.Index(raw, []byte(mark))] = '!'
	raw[bytes.LastIndex(raw, []byte("0123456789abcdef"))] = '!'
	if err := os.WriteFile(files[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	client, viewer := w.HTTP(), w.token("viewer")
	for _, name := range []string{"license", "assets"} {
		for _, part := range []string{"", "bytes=4-7"} {
			resp, body := w.fetch(client, "/content/offers/"+pkg+"/"+name, viewer, "Range", part)
			if resp.StatusCode != http.StatusUnprocessableEntity || resp.Header.Get("ETag") != "" || !strings.Contains(body, "PACKAGE_FILE_DAMAGED") {
				t.Errorf("%s %q: %d %.200s", name, part, resp.StatusCode, body)
			}
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
	"github.com/hearthos/hearth/server/servertest"
)

// server is a registry of a test, with the key of its administrator.
type server struct {
	url, dir string
	key      sign.PrivateKey
	keyFile  string
	stop     func()
}

// start starts a registry on a folder, which is a new one when dir is empty.
func start(t *testing.T, dir string) *server {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	s := &server{dir: dir, key: sign.FromSeed([32]byte{9}), keyFile: filepath.Join(t.TempDir(), "key.pem")}
	if err := s.key.Save(s.keyFile); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	at, ended := make(chan net.Addr, 1), make(chan error, 1)
	cfg := registryrpc.Config{Dir: dir, Listen: "127.0.0.1:0", Admins: []sign.PublicKey{s.key.Public()}, Local: true, Started: func(a net.Addr) { at <- a }}
	go func() { ended <- registryrpc.Serve(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	select {
	case a := <-at:
		s.url = "http://" + a.String()
	case err := <-ended:
		t.Fatal(err)
	}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the registry ends with %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

func (s *server) client(t *testing.T, key *sign.PrivateKey) *registry.Client {
	t.Helper()
	c, err := registry.NewClient(s.url, registry.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call makes a signed call by REST and answers what came.
func (s *server) call(t *testing.T, key *sign.PrivateKey, method, path string, body any) (int, map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != nil {
		h, err := httpsig.Sign(*key, httpsig.Target{Method: method, Authority: req.URL.Host, Path: path}, httpsig.DigestOf(raw), time.Now(), fmt.Sprintf("%032d", time.Now().UnixNano()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(httpsig.DigestHeader, h.Digest)
		req.Header.Set(httpsig.InputHeader, h.Input)
		req.Header.Set(httpsig.SignatureHeader, h.Signature)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// offer is what a signer sends for a package file.
func offer(t *testing.T, key sign.PrivateKey, raw []byte) map[string]any {
	t.Helper()
	f, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := f.Commitment()
	signature, err := key.Sign(sign.ContextPackage, c.Message())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"commitment": map[string]any{"rootSighash": c.RootSighash[:], "rootMaxSize": fmt.Sprint(c.RootMaxSize)}, "signature": signature[:]}
}

// upload sends bytes to the registry, in two pieces, and answers the ticket.
func (s *server) upload(t *testing.T, raw []byte) string {
	t.Helper()
	code, made := s.call(t, &s.key, "POST", "/api/v1/uploads", map[string]any{"size": fmt.Sprint(len(raw))})
	if code != http.StatusOK {
		t.Fatalf("no upload: %d %v", code, made)
	}
	half := len(raw) / 2
	for _, piece := range [][2]int{{0, half}, {half, len(raw)}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+made["path"].(string), bytes.NewReader(raw[piece[0]:piece[1]]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", piece[0], piece[1]-1, len(raw)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusNoContent {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	return made["ticket"].(string)
}

func file(t *testing.T, id, version string) []byte {
	t.Helper()
	raw, err := os.ReadFile(servertest.Package(t, id, func(m map[string]any) { m["version"] = version }))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A publisher uploads a file in pieces, lists it, and everybody finds and fetches it, also after the registry was started
// again.
func TestUploadedFilesAreListedAndServed(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	for _, version := range []string{"1.0.0:0", "1.1.0:0", "#sweet:1.0.0:0"} {
		raw := file(t, "hello", version)
		params := offer(t, s.key, raw)
		params["ticket"] = s.upload(t, raw)
		if code, answer := s.call(t, &s.key, "POST", "/api/v1/packages", params); code != http.StatusOK {
			t.Fatalf("%s is refused: %d %v", version, code, answer)
		}
	}
	s.stop()
	s = start(t, s.dir)
	listing, err := s.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("hello")})
	if err != nil || len(listing.Best) != 2 || listing.Best["1.1.0:0"] == nil || len(listing.OtherVersions) != 1 {
		t.Fatalf("%+v, %v", listing, err)
	}
	if code, answer := s.call(t, nil, "GET", "/api/v1/packages?query=hel", nil); code != http.StatusOK || answer["total"] != float64(1) {
		t.Errorf("the search answers %d %v", code, answer)
	}
	asset := listing.Best["1.1.0:0"].Files[0].Asset
	if _, err := asset.Verify(); err != nil {
		t.Error(err)
	}
	// Its place is told with the address of before.
	place := s.url + "/files/" + asset.Commitment.Name() + ".s9pk"
	resp, err := http.Get(place)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(file(t, "hello", "1.1.0:0")) {
		t.Errorf("another file is served: %d bytes, %v", len(got), err)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("ETag") == "" {
		t.Errorf("headers of a file: %v", resp.Header)
	}
}

func ptr[T any](v T) *T { return &v }

// What is not whole, not signed by who says so, or not his to publish is not listed.
func TestWhatIsNotRightIsNotListed(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	raw := file(t, "hello", "1.0.0:0")
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-10] ^= 1
	longer := append(bytes.Clone(raw), "more"...)
	stranger := sign.FromSeed([32]byte{77})
	lent := offer(t, s.key, raw)
	lent["signature"] = make([]byte, 64)
	for name, c := range map[string]struct {
		key    *sign.PrivateKey
		bytes  []byte
		params map[string]any
		reason string
	}{
		"a flipped byte":      {&s.key, flipped, offer(t, s.key, raw), "REASON_PACKAGE_FILE_DAMAGED"},
		"bytes behind it":     {&s.key, longer, offer(t, s.key, raw), "REASON_PACKAGE_FILE_DAMAGED"},
		"half of it":          {&s.key, raw[:len(raw)/2], offer(t, s.key, raw), "REASON_PACKAGE_FILE_DAMAGED"},
		"another commitment":  {&s.key, raw, offer(t, s.key, file(t, "hello", "2.0.0:0")), "REASON_PACKAGE_FILE_SIGNATURE"},
		"a signature of none": {&s.key, raw, lent, "REASON_OFFER_SIGNATURE"},
		"a stranger":          {&stranger, raw, offer(t, stranger, raw), "REASON_UNAUTHENTICATED"},
		"nobody":              {nil, raw, offer(t, s.key, raw), "REASON_UNAUTHENTICATED"},
	} {
		c.params["ticket"] = s.upload(t, c.bytes)
		if _, answer := s.call(t, c.key, "POST", "/api/v1/packages", c.params); answer["reason"] != c.reason {
			t.Errorf("%s: %v, want %s", name, answer, c.reason)
		}
	}
	if _, answer := s.call(t, nil, "GET", "/api/v1/packages", nil); answer["total"] != float64(0) {
		t.Errorf("listed is %v", answer)
	}
}

// A signer of a range of versions publishes in it and nowhere else; what is listed of a version does not change.
func TestSignersPublishWhatTheyMay(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	bob := sign.FromSeed([32]byte{5})
	public := bob.Public()
	_, made := s.call(t, &s.key, "POST", "/api/v1/signers", map[string]any{"name": "bob", "keys": [][]byte{public[:]}})
	id := made["signer"].(map[string]any)["meta"].(map[string]any)["id"].(string)
	if _, answer := s.call(t, &s.key, "POST", "/api/v1/packages/hello/signers", map[string]any{"signer": id, "versions": "^1.0.0:0"}); answer["reason"] != nil {
		t.Fatal(answer)
	}
	add := func(version string, change func(m map[string]any)) string {
		raw, err := os.ReadFile(servertest.Package(t, "hello", func(m map[string]any) {
			m["version"] = version
			if change != nil {
				change(m)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		params := offer(t, bob, raw)
		params["ticket"] = s.upload(t, raw)
		_, answer := s.call(t, &bob, "POST", "/api/v1/packages", params)
		reason, _ := answer["reason"].(string)
		return reason
	}
	for i, c := range []struct {
		version, want string
		change        func(map[string]any)
	}{
		{"1.0.0:0", "", nil}, {"2.0.0:0", "REASON_SIGNER_NOT_ALLOWED", nil}, {"1.0.0:0", "", nil},
		{"1.0.0:0", "REASON_LISTING_CONFLICT", func(m map[string]any) { m["title"] = "Another" }},
		{"1.0.0:0", "", func(m map[string]any) { m["hardwareRequirements"].(map[string]any)["ram"] = 1000 }},
	} {
		if got := add(c.version, c.change); got != c.want {
			t.Errorf("%d: version %s: %q, want %q", i, c.version, got, c.want)
		}
	}
	listing, err := s.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("hello")})
	if err != nil || len(listing.Best["1.0.0:0"].Files) != 2 || listing.Best["1.0.0:0"].Files[0].Hardware.RAM == nil {
		t.Errorf("%+v, %v", listing, err)
	}
	if _, answer := s.call(t, &s.key, "DELETE", "/api/v1/admins/"+id, nil); answer["reason"] != nil {
		t.Errorf("bob is no administrator, and it is an error to say so: %v", answer)
	}
}

// What a signer may not publish is not fetched: of a file of another package its head at most, and nothing where he may publish none.
func TestWhatASignerMayNotPublishIsNotFetched(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	raw := file(t, "hello", "1.0.0:0")
	large := largeFile(t, "other")
	var fetched atomic.Int64
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := map[string][]byte{"/hello": raw, "/other": large}[r.URL.Path]
		http.ServeContent(counting{w, &fetched}, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(files.Close)
	bob := sign.FromSeed([32]byte{5})
	public := bob.Public()
	_, made := s.call(t, &s.key, "POST", "/api/v1/signers", map[string]any{"name": "bob", "keys": [][]byte{public[:]}})
	id := made["signer"].(map[string]any)["meta"].(map[string]any)["id"].(string)
	add := func(path string, content []byte) string {
		params := offer(t, bob, content)
		params["urls"] = []string{files.URL + path}
		_, answer := s.call(t, &bob, "POST", "/api/v1/packages", params)
		reason, _ := answer["reason"].(string)
		return reason
	}
	if reason := add("/hello", raw); reason != "REASON_SIGNER_NOT_ALLOWED" || fetched.Load() != 0 {
		t.Errorf("without a package of his: %q after %d bytes", reason, fetched.Load())
	}
	s.call(t, &s.key, "POST", "/api/v1/packages/hello/signers", map[string]any{"signer": id, "versions": "*"})
	if reason := add("/other", large); reason != "REASON_SIGNER_NOT_ALLOWED" || fetched.Load() >= int64(len(large))/2 {
		t.Errorf("another's package: %q after %d of %d bytes", reason, fetched.Load(), len(large))
	}
	if reason := add("/hello", raw); reason != "" {
		t.Errorf("his own package: %q", reason)
	}
}

// largeFile is a package file of some megabytes.
func largeFile(t *testing.T, id string) []byte {
	t.Helper()
	small, err := os.ReadFile(servertest.Package(t, id, nil))
	if err != nil {
		t.Fatal(err)
	}
	f, err := s9pk.Open(bytes.NewReader(small), int64(len(small)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]merkle.Source{}
	for e := range f.All() {
		if e.Kind == merkle.File {
			content, err := f.ReadFile(e.Path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			members[e.Path] = s9pk.FromBytes(content)
		}
	}
	members["assets.squashfs"] = s9pk.FromBytes(bytes.Repeat([]byte("assets "), 1<<20))
	var out bytes.Buffer
	if _, err := s9pk.Build(t.Context(), &out, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members, Key: sign.FromSeed([32]byte{9})}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// counting counts the bytes of bodies.
type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// original runs the original's command line against the registry.
func original(t *testing.T, s *server, key string, args ...string) (string, error) {
	t.Helper()
	dir := os.Getenv("STARTOS_TOOLS")
	if dir == "" {
		t.Skip("needs the original's start-cli: STARTOS_TOOLS is not set")
	}
	all := append([]string{"-r", s.url, "--registry-hostname", "localhost", "--developer-key-path", key, "registry"}, args...)
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "start-cli"), all...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	return string(out), err
}

// The original's command line, as it is, lists, adds, signs, manages signers and categories, and downloads.
func TestOriginalCommandLine(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	must := func(key string, args ...string) string {
		t.Helper()
		out, err := original(t, s, key, args...)
		if err != nil {
			t.Fatalf("start-cli registry %v: %v", args, err)
		}
		return out
	}
	must(s.keyFile, "info")
	path := filepath.Join(t.TempDir(), "a.s9pk")
	raw, err := os.ReadFile("../../../api/s9pk/testdata/real-images.s9pk")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	t.Cleanup(files.Close)

	must(s.keyFile, "info", "set-name", "Ours")
	must(s.keyFile, "package", "add", path, "--url", files.URL+"/a.s9pk")
	must(s.keyFile, "package", "category", "add", "tools", "Tools")
	must(s.keyFile, "package", "category", "add-package", "tools", "oracle-img")
	if out := must(s.keyFile, "package", "get", "oracle-img", "--format", "json"); !strings.Contains(out, `"categories":["tools"]`) {
		t.Errorf("package get answers %s", out)
	}
	if out := must(s.keyFile, "package", "category", "list"); !strings.Contains(out, "Tools") {
		t.Errorf("category list answers %s", out)
	}
	t.Run("signers", func(t *testing.T) {
		bob := sign.FromSeed([32]byte{5})
		key := filepath.Join(t.TempDir(), "bob.pem")
		if err := bob.Save(key); err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSpace(must(s.keyFile, "admin", "signer", "add", "--name", "bob", "--key="+bob.Public().PEM(), "--contact", "mailto:bob@example.org"))
		if _, err := original(t, s, key, "package", "add", path, "--url", files.URL+"/a.s9pk"); err == nil || !strings.Contains(err.Error(), "exit status 34") {
			t.Errorf("a signer without a package adds it: %v", err)
		}
		must(s.keyFile, "package", "signer", "add", "oracle-img", id)
		must(key, "package", "add", path, "--url", files.URL+"/a.s9pk")
		if out := must(key, "package", "signer", "list", "oracle-img", "--format", "json"); !strings.Contains(out, "bob@example.org") {
			t.Errorf("signer list answers %s", out)
		}
		must(s.keyFile, "package", "signer", "remove", "oracle-img", id)
		must(s.keyFile, "admin", "signer", "edit", id, "--set-name", "robert")
		if out := must(s.keyFile, "admin", "signer", "list"); !strings.Contains(out, "robert") {
			t.Errorf("admin signer list answers %s", out)
		}
		must(s.keyFile, "admin", "add", id)
		must(s.keyFile, "admin", "remove", id)
		must(s.keyFile, "admin", "signer", "remove", id)
	})
	out := filepath.Join(t.TempDir(), "out.s9pk")
	must(s.keyFile, "package", "download", "oracle-img", "-d", out)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("what was downloaded is another file: %v", err)
	}
	must(s.keyFile, "os", "version", "add", "0.4.1", "A release", "What is new", ">=0.4.0")
	if out := must(s.keyFile, "os", "index", "--format", "json"); !strings.Contains(out, "A release") {
		t.Errorf("os index answers %s", out)
	}
	t.Run("images of the system", func(t *testing.T) {
		image := filepath.Join(t.TempDir(), "release_x86_64.iso")
		if err := os.WriteFile(image, bytes.Repeat([]byte("an image "), 4000), 0o600); err != nil {
			t.Fatal(err)
		}
		images := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(image))))
		t.Cleanup(images.Close)
		asset := []string{"--platform", "x86_64", "--version", "0.4.1", image}
		must(s.keyFile, append([]string{"os", "asset", "add"}, append(asset, images.URL+"/release_x86_64.iso")...)...)
		carol := sign.FromSeed([32]byte{6})
		key := filepath.Join(t.TempDir(), "carol.pem")
		if err := carol.Save(key); err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSpace(must(s.keyFile, "admin", "signer", "add", "--name", "carol", "--key="+carol.Public().PEM(), "--contact", "mailto:carol@example.org"))
		if _, err := original(t, s, key, append([]string{"os", "asset", "sign"}, asset...)...); err == nil || !strings.Contains(err.Error(), "exit status 34") {
			t.Errorf("a signer who was not let signs an image: %v", err)
		}
		must(s.keyFile, "os", "version", "signer", "add", "0.4.1", id)
		must(key, append([]string{"os", "asset", "sign"}, asset...)...)
		if out := must(s.keyFile, "os", "version", "signer", "list", "0.4.1", "--format", "json"); !strings.Contains(out, "carol@example.org") {
			t.Errorf("os version signer list answers %s", out)
		}
		dir := t.TempDir()
		must(s.keyFile, "os", "asset", "get", "iso", "0.4.1", "x86_64", "-d", dir, "-r")
		if got, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(got) != 1 {
			t.Errorf("fetched are %v, %v", got, err)
		}
		must(s.keyFile, "os", "version", "signer", "remove", "0.4.1", id)
	})
	t.Run("another registry", func(t *testing.T) {
		other := start(t, "")
		must(s.keyFile, "package", "promote", "--from", s.url, "--to", other.url, "oracle-img", "1.2.3:4")
		if l, err := other.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("oracle-img")}); err != nil || l.Best["1.2.3:4"] == nil {
			t.Errorf("the other registry lists %v, %v", l, err)
		}
		must(s.keyFile, "package", "add-mirror", path, files.URL+"/a.s9pk?again")
		if out := must(s.keyFile, "package", "get", "oracle-img", "--format", "json"); !strings.Contains(out, "?again") {
			t.Errorf("with a mirror: %s", out)
		}
	})
	if out := must(s.keyFile, "db", "dump", "--pointer", "/index/package/categories/tools/name", "--format", "json"); !strings.Contains(out, "Tools") {
		t.Errorf("db dump answers %s", out)
	}
	wanted := exver.Any()
	if _, err := s.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("oracle-img"), TargetVersion: &wanted}); err != nil {
		t.Error(err)
	}
	if out := must(s.keyFile, "metrics", "downloads", "--format", "json"); !strings.Contains(out, "oracle-img") {
		t.Errorf("metrics downloads answers %s", out)
	}
	for _, server := range []string{"one", "two", "one"} {
		if err := s.client(t, nil).Call(t.Context(), "os.version.get", map[string]any{"serverId": server, "platform": "x86_64", "sourceVersion": "0.4.0"}, nil); err != nil {
			t.Error(err)
		}
	}
	if out := must(s.keyFile, "metrics", "summary", "--format", "json"); !strings.Contains(out, `"totalCheckins":3,"uniqueServers":2,`) || !strings.Contains(out, `"byArch":[{"label":"x86_64","count":3}]`) {
		t.Errorf("metrics summary answers %s", out)
	}
	if out := must(s.keyFile, "metrics", "users", "--after", "2026-01-01T00:00:00Z", "--format", "json"); !strings.Contains(out, `"uniqueServers":2`) {
		t.Errorf("metrics users answers %s", out)
	}
	if out := must(s.keyFile, "metrics", "users", "--before", "2020-01-01T00:00:00Z", "--format", "json"); !strings.Contains(out, `"totalCheckins":0`) {
		t.Errorf("metrics users of long ago answers %s", out)
	}
	must(s.keyFile, "package", "remove", "oracle-img", "1.2.3:4")
	if out := must(s.keyFile, "package", "get", "oracle-img", "--format", "json"); strings.Contains(out, "1.2.3:4") {
		t.Errorf("after remove: %s", out)
	}
}

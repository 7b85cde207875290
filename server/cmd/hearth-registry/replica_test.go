package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd/blob/blobtest"
)

// asProgram has the test's program be hearth-registry.
const asProgram = "HEARTH_REGISTRY_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

var listens = regexp.MustCompile(`registry listens.* address=([0-9.:]+)`)

// process runs hearth-registry as a process of its own, to the end of the test.
type process struct {
	server
	cmd  *exec.Cmd
	mu   sync.Mutex // guards log
	log  bytes.Buffer
	done chan struct{}
}

// run starts a process, which must come to listen.
func run(t *testing.T, args ...string) *process {
	t.Helper()
	p := begin(t, args...)
	if p.url == "" {
		t.Fatalf("hearth-registry %v does not listen: %s", args, p.logged())
	}
	return p
}

func begin(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{server: server{key: sign.FromSeed([32]byte{9}), keyFile: filepath.Join(t.TempDir(), "key.pem")}, done: make(chan struct{})}
	if err := p.key.Save(p.keyFile); err != nil {
		t.Fatal(err)
	}
	for i, arg := range args {
		if arg == "KEY" {
			args[i] = p.keyFile
		}
	}
	p.cmd = exec.Command(os.Args[0], append([]string{"--listen", "127.0.0.1:0", "--local"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(p.done)
		defer close(address)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() { p.kill() })
	if at, ok := <-address; ok {
		p.url = "http://" + at
	}
	return p
}

func (p *process) kill() {
	p.cmd.Process.Kill() // it may have ended
	<-p.done
	p.cmd.Wait()
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// publish uploads a version and has it listed.
func (s *server) publish(t *testing.T, id, version string) {
	t.Helper()
	raw := file(t, id, version)
	params := offer(t, s.key, raw)
	params["ticket"] = s.upload(t, raw)
	if code, answer := s.call(t, &s.key, "POST", "/api/v1/packages", params); code != http.StatusOK {
		t.Fatalf("%s %s is refused: %d %v", id, version, code, answer)
	}
}

// versions are the versions of a package that a registry shows, the best.
func (s *server) versions(t *testing.T, id string) []string {
	t.Helper()
	l, err := s.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr(id)})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for v := range l.Best {
		out = append(out, v)
	}
	return out
}

// eventually waits for what another process does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond) // nothing tells when a replica has looked
	}
	t.Fatal("not in half a minute: " + what)
}

// storages are the places that processes can have in common, with the flags that name them.
func storages(t *testing.T, fn func(t *testing.T, flags []string, s3 *blobtest.Server)) {
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		fn(t, []string{"--storage", t.TempDir()}, nil)
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		s := blobtest.New(t)
		o := s.Options(t, "")
		fn(t, []string{"--storage", "s3://" + blobtest.Bucket + "/reg", "--s3-endpoint", o.Endpoint, "--s3-credentials", o.Credentials}, s)
	})
	if o, ok := blobtest.Provider(t); ok {
		t.Run("provider", func(t *testing.T) {
			t.Parallel()
			fn(t, []string{"--storage", o.Place, "--s3-endpoint", o.Endpoint, "--s3-credentials", o.Credentials}, nil)
		})
	}
}

// One process writes; others show the same, files too, take no changes, and go on when the one that writes is gone.
func TestReplicasFollowTheOneThatWrites(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, flags []string, s3 *blobtest.Server) {
		dir := t.TempDir()
		if p := begin(t, append([]string{"--replica"}, flags...)...); p.url != "" || !strings.Contains(p.logged(), "start the one that writes first") {
			t.Fatalf("a replica of nothing runs: %s", p.logged())
		}
		w := run(t, append([]string{"--dir", dir, "--admin", "KEY"}, flags...)...)
		w.publish(t, "hello", "1.0.0:0")
		eventually(t, "the head is written", func() bool {
			p := begin(t, append([]string{"--replica"}, flags...)...)
			defer p.kill()
			return p.url != "" && len(p.versions(t, "hello")) == 1
		})
		one, two := run(t, append([]string{"--replica"}, flags...)...), run(t, append([]string{"--replica"}, flags...)...)
		w.publish(t, "hello", "1.1.0:0")
		w.publish(t, "other", "1.0.0:0")
		for _, r := range []*process{one, two} {
			eventually(t, "a replica shows what was published", func() bool {
				return fmt.Sprint(r.versions(t, "hello")) == "[1.1.0:0]" && len(r.versions(t, "other")) == 1
			})
			wantFile(t, r.url, file(t, "hello", "1.1.0:0"))
			if _, answer := r.call(t, nil, "GET", "/api/v1/packages?query=hel", nil); answer["total"] != float64(1) {
				t.Errorf("the search answers %v", answer)
			}
			refused(t, r, w)
		}
		icon(t, w.url, one.url)
		// The one that writes is killed: replicas go on, and it goes on where it was.
		w.kill()
		wantFile(t, two.url, file(t, "hello", "1.1.0:0"))
		w = run(t, append([]string{"--dir", dir, "--admin", "KEY"}, flags...)...)
		if err := w.client(t, &w.key).Call(t.Context(), "package.remove", map[string]any{"id": "hello", "version": "1.1.0:0"}, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a replica shows what was taken out", func() bool { return fmt.Sprint(one.versions(t, "hello")) == "[1.0.0:0]" })
		eventually(t, "the file is gone", func() bool { return fetchFile(t, two.url, file(t, "hello", "1.1.0:0")) == http.StatusNotFound })
		wantFile(t, two.url, file(t, "hello", "1.0.0:0"))
		for _, p := range []*process{w, one, two} {
			if strings.Contains(p.logged(), blobtest.SecretKey) {
				t.Error("the log tells the secret")
			}
		}
	})
}

// refused tries changes at a replica, which name the one that writes.
func refused(t *testing.T, r, w *process) {
	t.Helper()
	for _, c := range []struct{ method, path string }{{"POST", "/api/v1/uploads"}, {"POST", "/api/v1/info"}, {"GET", "/api/v1/downloads"}, {"GET", "/api/v1/upstreams"}} {
		var body any
		if c.method == "POST" {
			body = map[string]any{}
		}
		if c.path == "/api/v1/uploads" {
			body = map[string]any{"size": "10"}
		}
		if _, answer := r.call(t, &r.key, c.method, c.path, body); answer["reason"] != "REASON_REGISTRY_REPLICA" {
			t.Errorf("%s %s at a replica: %v", c.method, c.path, answer)
		}
	}
	if _, answer := r.call(t, &r.key, "POST", "/api/v1/info", map[string]any{"name": "x"}); answer["metadata"].(map[string]any)["writer"] != w.url {
		t.Errorf("the refusal does not name %s: %v", w.url, answer)
	}
	if err := r.client(t, &r.key).Call(t.Context(), "info.set-name", map[string]any{"name": "x"}, nil); err == nil {
		t.Error("a replica takes a name by protocol v0")
	}
}

func icon(t *testing.T, a, b string) {
	t.Helper()
	var got [2]string
	for i, base := range []string{a, b} {
		_, answer := (&server{url: base}).call(t, nil, "GET", "/api/v1/packages/hello", nil)
		path := answer["package"].(map[string]any)["best"].([]any)[0].(map[string]any)["icon"].(string)
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || len(raw) == 0 {
			t.Fatal(resp.Status, err)
		}
		got[i] = string(raw)
	}
	if got[0] != got[1] {
		t.Error("a replica shows another icon")
	}
}

func commitment(t *testing.T, raw []byte) s9pk.Commitment {
	t.Helper()
	f, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f.Commitment()
}

func place(t *testing.T, base string, raw []byte) string {
	t.Helper()
	return base + "/files/" + commitment(t, raw).Name() + ".s9pk"
}

func fetchFile(t *testing.T, base string, want []byte) int {
	t.Helper()
	resp, err := http.Get(place(t, base, want))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode
	}
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes are served: %v", len(got), len(want), err)
	}
	return resp.StatusCode
}

// wantFile fetches a file whole and by a range.
func wantFile(t *testing.T, base string, want []byte) {
	t.Helper()
	if code := fetchFile(t, base, want); code != http.StatusOK {
		t.Fatal("a file is answered with", code)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, place(t, base, want), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=100-299")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, want[100:300]) {
		t.Errorf("a range is answered with %s, %d bytes, %v", resp.Status, len(got), err)
	}
}

// Of two that want to write one does; the other is refused, or takes over, and then the first is.
func TestOneRegistryWritesToAStorage(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, flags []string, _ *blobtest.Server) {
		first := run(t, append([]string{"--dir", t.TempDir(), "--admin", "KEY"}, flags...)...)
		first.publish(t, "hello", "1.0.0:0")
		if err := first.client(t, &first.key).Call(t.Context(), "package.category.add", map[string]any{"id": "tools", "name": "Tools"}, nil); err != nil {
			t.Fatal(err)
		}
		r := run(t, append([]string{"--replica"}, flags...)...)
		eventually(t, "the replica shows it", func() bool {
			_, answer := r.call(t, nil, "GET", "/api/v1/info", nil)
			return len(r.versions(t, "hello")) == 1 && answer["categories"] != nil
		})
		dir := t.TempDir()
		if p := begin(t, append([]string{"--dir", dir}, flags...)...); p.url != "" || !strings.Contains(p.logged(), "cannot write to the storage: the registry at "+first.url+" does") {
			t.Fatalf("a second one writes: %s", p.logged())
		}
		second := run(t, append([]string{"--dir", dir, "--take-over"}, flags...)...)
		if fmt.Sprint(second.versions(t, "hello")) != "[1.0.0:0]" {
			t.Fatal("what was taken over is", second.versions(t, "hello"))
		}
		wantFile(t, second.url, file(t, "hello", "1.0.0:0"))
		second.publish(t, "hello", "2.0.0:0") // its administrators were taken over, too
		eventually(t, "the replica follows the second", func() bool { return fmt.Sprint(r.versions(t, "hello")) == "[2.0.0:0]" })
		eventually(t, "the first one finds out", func() bool {
			_, answer := first.call(t, &first.key, "POST", "/api/v1/info", map[string]any{"name": "still me"})
			return answer["reason"] == "REASON_REGISTRY_STORAGE_OTHER"
		})
		if fmt.Sprint(r.versions(t, "hello")) != "[2.0.0:0]" {
			t.Error("the replica shows", r.versions(t, "hello"))
		}
	})
}

// A registry whose storage does not answer lists nothing, keeps what was uploaded, and goes on when it answers.
func TestUploadsWaitForStorageThatFails(t *testing.T) {
	t.Parallel()
	s3 := blobtest.New(t)
	o := s3.Options(t, "")
	w := run(t, "--dir", t.TempDir(), "--admin", "KEY", "--storage", "s3://"+blobtest.Bucket, "--s3-endpoint", o.Endpoint, "--s3-credentials", o.Credentials)
	raw := file(t, "hello", "1.0.0:0")
	params := offer(t, w.key, raw)
	params["ticket"] = w.upload(t, raw)
	s3.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			http.Error(rw, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		}
		return r.Method == http.MethodPut
	})
	if code, answer := w.call(t, &w.key, "POST", "/api/v1/packages", params); answer["reason"] != "REASON_REGISTRY_STORAGE" || code != http.StatusServiceUnavailable {
		t.Fatal(code, answer)
	}
	if _, answer := w.call(t, nil, "GET", "/api/v1/packages", nil); answer["total"] != float64(0) {
		t.Fatalf("listed is %v", answer)
	}
	s3.Answer(func(http.ResponseWriter, *http.Request) bool { return false })
	if code, answer := w.call(t, &w.key, "POST", "/api/v1/packages", params); code != http.StatusOK {
		t.Fatal(code, answer)
	}
	wantFile(t, w.url, raw)
	s3.Answer(func(rw http.ResponseWriter, r *http.Request) bool { http.Error(rw, "", http.StatusTeapot); return true })
	if code := fetchFile(t, w.url, raw); code != http.StatusServiceUnavailable {
		t.Error("a file that cannot be read is answered with", code)
	}
	if fmt.Sprint(w.versions(t, "hello")) != "[1.0.0:0]" {
		t.Error("what is listed is not shown without the storage")
	}
}

// A registry takes packages of another one: verified, kept, signed as there, and never in the place of its own.
func TestPackagesOfAnotherRegistry(t *testing.T) {
	t.Parallel()
	up := start(t, "")
	for _, v := range []string{"1.0.0:0", "1.1.0:0", "2.0.0:0"} {
		up.publish(t, "hello", v)
	}
	up.publish(t, "own", "9.0.0:0")
	up.publish(t, "hidden", "1.0.0:0")
	down := start(t, "")
	down.publish(t, "own", "1.0.0:0")
	code, added := down.call(t, &down.key, "POST", "/api/v1/upstreams", map[string]any{"url": up.url + "/", "packages": []string{"hello", "own"}, "versions": "<2.0.0:0"})
	if code != http.StatusOK {
		t.Fatal(code, added)
	}
	id := added["upstream"].(map[string]any)["meta"].(map[string]any)["id"].(string)
	sync := func() map[string]any {
		t.Helper()
		code, answer := down.call(t, &down.key, "POST", "/api/v1/upstreams/"+id+":sync", map[string]any{})
		if code != http.StatusOK {
			t.Fatal(code, answer)
		}
		return answer["upstream"].(map[string]any)["status"].(map[string]any)
	}
	if status := sync(); status["files"] != float64(2) || status["error"] != nil && status["error"] != "" {
		t.Fatal(status)
	}
	l, err := down.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("hello"), OtherVersions: ptr(registry.DetailFull)})
	if err != nil || len(l.Best) != 1 || len(l.OtherVersions) != 1 {
		t.Fatal(l, err)
	}
	theirs, err := up.client(t, nil).Get(t.Context(), registry.GetParams{ID: ptr("hello"), OtherVersions: ptr(registry.DetailFull)})
	if err != nil {
		t.Fatal(err)
	}
	all, err := theirs.All()
	if err != nil {
		t.Fatal(err)
	}
	asset, want := l.Best["1.1.0:0"].Files[0].Asset, all["1.1.0:0"].Files[0].Asset
	if _, err := asset.Verify(); err != nil || fmt.Sprint(asset.Signatures) != fmt.Sprint(want.Signatures) || len(asset.URLs) != 1 || !strings.HasPrefix(asset.URLs[0], down.url+"/files/") {
		t.Errorf("listed is %+v, %v; there it is %+v", asset, err, want)
	}
	if got := fmt.Sprint(down.versions(t, "own"), down.versions(t, "hidden")); got != "[1.0.0:0] []" {
		t.Error("of what is its own, and of what is not wanted, it lists", got)
	}
	// Nobody publishes what is taken of there; the other registry may go, and what is listed stays.
	raw := file(t, "hello", "3.0.0:0")
	params := offer(t, down.key, raw)
	params["ticket"] = down.upload(t, raw)
	if _, answer := down.call(t, &down.key, "POST", "/api/v1/packages", params); answer["reason"] != "REASON_LISTING_CONFLICT" {
		t.Error("published in a package of another registry:", answer)
	}
	up.stop()
	wantFile(t, down.url, file(t, "hello", "1.1.0:0"))
	if status := sync(); status["error"] == nil || status["error"] == "" || status["syncTime"] == nil {
		t.Errorf("without the other registry: %v", status)
	}
	if code, answer := down.call(t, &down.key, "DELETE", "/api/v1/upstreams/"+id, nil); code != http.StatusOK {
		t.Fatal(code, answer)
	}
	params["ticket"] = down.upload(t, raw)
	if code, answer := down.call(t, &down.key, "POST", "/api/v1/packages", params); code != http.StatusOK {
		t.Error("it is not its own now:", answer)
	}
}

// What another registry lists and is not so is refused, told, and keeps nothing else.
func TestWhatAnotherRegistrySaysIsNotBelieved(t *testing.T) {
	t.Parallel()
	up := start(t, "")
	up.publish(t, "good", "1.0.0:0")
	up.publish(t, "hello", "1.0.0:0")
	wrong := file(t, "hello", "1.0.0:0")
	wrong[len(wrong)-20] ^= 1
	name := commitment(t, file(t, "hello", "1.0.0:0")).Name()
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, name) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(wrong))
			return
		}
		body, _ := io.ReadAll(r.Body)
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, up.url+r.URL.Path, bytes.NewReader(body))
		req.Header = r.Header.Clone()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		w.Write(bytes.ReplaceAll(answer, []byte(up.url), []byte("http://"+r.Host)))
	}))
	t.Cleanup(liar.Close)
	down := start(t, "")
	_, added := down.call(t, &down.key, "POST", "/api/v1/upstreams", map[string]any{"url": liar.URL})
	id := added["upstream"].(map[string]any)["meta"].(map[string]any)["id"].(string)
	_, answer := down.call(t, &down.key, "POST", "/api/v1/upstreams/"+id+":sync", map[string]any{})
	status := answer["upstream"].(map[string]any)["status"].(map[string]any)
	refusals, _ := status["refusals"].([]any)
	if status["files"] != float64(1) || len(refusals) != 1 || refusals[0].(map[string]any)["packageId"] != "hello" {
		t.Fatal(status)
	}
	if got := fmt.Sprint(down.versions(t, "good"), down.versions(t, "hello")); got != "[1.0.0:0] []" {
		t.Error("it lists", got)
	}
}

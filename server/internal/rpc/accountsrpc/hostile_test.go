package accountsrpc_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/testenv"
)

//go:embed testdata/own.html
var ownPage string

//go:embed testdata/hostile.html
var hostilePage string

// said is what the server's own page tells the test.
type said struct {
	Who          struct{ Account string }
	Half, Cookie string
}

// visit is a browser that goes to the server's own page, from there to the hostile one, and back.
type visit struct {
	own  chan said
	got  chan map[string]string // what the hostile page could read
	next func() string          // where the own page goes then

	mu     sync.Mutex // guards the rest
	cookie string     // what the hostile server was sent
	framed bool       // the server's page was shown within the hostile one
	alex   []string   // the calls that reached a service with alex's rights
}

// A service of the machine has the server's host name with another port. A real browser has an open session and opens
// the service's page: it is sent the cookie, and nothing else of use.
func TestHostileServiceOnAnotherPortGetsNothingUsable(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the fast lane starts no browser")
	}
	testenv.Require(t, "browser")
	v := &visit{own: make(chan said, 4), got: make(chan map[string]string, 1)}
	s := newServer(t, func(c *rpc.Config) {
		c.Page = http.HandlerFunc(v.serveOwn)
		c.Ours = func(host string) bool { return host == "server.local" }
		c.Interceptors = append(c.Interceptors, v.record)
	})
	hostile := httptest.NewTLSServer(http.HandlerFunc(v.serveHostile))
	defer hostile.Close()
	own := named(s.web)
	places := make(chan string, 2)
	places <- named(hostile.Listener.Addr().String()) + "/#" + own
	places <- ""
	v.next = func() string { return <-places }
	v.browse(t, own+"/")

	first := receive(t, v.own)
	if first.Who.Account != "alex" || first.Half == "" {
		t.Fatalf("on the server's own page the session is %+v", first)
	}
	if first.Cookie != "" {
		t.Errorf("the page itself can read the cookie: %s", first.Cookie)
	}
	before := v.calls()
	for name, got := range receive(t, v.got) {
		if strings.Contains(got, "alex") || strings.Contains(got, first.Half) || strings.Contains(got, "hearth_tok_") {
			t.Errorf("%s gives the hostile page %s", name, got)
		}
		t.Logf("%s: %.120s", name, got)
	}
	back := receive(t, v.own)
	if back.Who.Account != "alex" || back.Half != first.Half {
		t.Errorf("afterwards the session is %+v", back)
	}
	if after := v.calls(); len(before) != 2 || len(after) != 3 {
		t.Errorf("the calls with alex's rights are %q, then %q: only the server's page makes some", before, after)
	}
	v.mu.Lock()
	framed := v.framed
	v.mu.Unlock()
	if framed {
		t.Error("the hostile page shows the server's page within itself, where people click on what they do not see")
	}
	v.replay(t, s)
}

// replay is the hostile server itself, with what the browser sent it: free to set every header as it likes.
func (v *visit) replay(t *testing.T, s *server) {
	t.Helper()
	v.mu.Lock()
	cookie := v.cookie
	v.mu.Unlock()
	if !strings.Contains(cookie, cookieName+"=") {
		t.Fatalf("the browser sent the hostile server only %q: the test tries nothing", cookie)
	}
	_, value, _ := strings.Cut(cookie, cookieName+"=")
	_, secret, _ := strings.Cut(value, ".")
	for _, half := range []string{"", value, secret, "guessed"} {
		p := &page{s: s, cookie: value, half: half}
		if who, err := p.who(func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "server.local") }); err == nil {
			t.Errorf("the cookie with the half %q is %s", half, who)
		}
	}
	if who, err := (&page{s: s}).who(header("Authorization", "Bearer "+value)); err == nil {
		t.Errorf("the cookie as a bearer secret is %s", who)
	}
}

func named(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return "https://server.local:" + port
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatal("the browser says nothing")
	}
	return v
}

// browse runs a browser until the test ends.
func (v *visit) browse(t *testing.T, url string) {
	t.Helper()
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--user-data-dir="+t.TempDir(),
		"--ignore-certificate-errors", "--host-resolver-rules=MAP server.local 127.0.0.1", url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it and what it started
		_ = cmd.Wait()
	})
}

// serveOwn is the page of the server: what is not one of its services.
func (v *visit) serveOwn(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, ownPage)
	case "/quiet":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><script>fetch("/framed", { method: "POST" })</script>`)
	case "/framed":
		v.mu.Lock()
		v.framed = true
		v.mu.Unlock()
	case "/said":
		var s said
		_ = json.NewDecoder(r.Body).Decode(&s) // the test sees what is missing
		v.own <- s
		_, _ = io.WriteString(w, v.next())
	default:
		http.NotFound(w, r)
	}
}

func (v *visit) serveHostile(w http.ResponseWriter, r *http.Request) {
	if c := r.Header.Get("Cookie"); c != "" {
		v.mu.Lock()
		v.cookie = c
		v.mu.Unlock()
	}
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, strings.ReplaceAll(hostilePage, "COOKIE", `"`+cookieName+`"`))
	case "/got":
		got := map[string]string{}
		_ = json.NewDecoder(r.Body).Decode(&got)
		v.got <- got
	default:
		http.NotFound(w, r)
	}
}

// record remembers the calls that were let in with alex's rights.
func (v *visit) record(ctx context.Context, c *rpc.Call, next func(context.Context) error) error {
	if c.Caller.Identity.Kind != access.Nobody || strings.HasSuffix(c.Procedure, "/Login") {
		v.mu.Lock()
		v.alex = append(v.alex, c.Procedure)
		v.mu.Unlock()
	}
	return next(ctx)
}

func (v *visit) calls() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.alex...)
}

// Package page_test has people walk through the page, in a browser, against a whole server on a played machine. What they do is
// written in clients/web/test.
package page_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	hearth "github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/clients/web"
	"github.com/hearthos/hearth/server/internal/rpc/page"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
	"github.com/hearthos/hearth/server/internal/testenv"
	"github.com/hearthos/hearth/server/servertest"
)

// built skips, or fails, without the page as it was built.
func built(t testing.TB) {
	t.Helper()
	testenv.Require(t, "node", "browser")
	if _, err := fs.Stat(web.Bundle(), "index.html"); err == nil {
		return
	}
	if strings.Contains(os.Getenv("HEARTH_REQUIRE"), "browser") {
		t.Fatal("the page was not built: run 'make build'")
	}
	t.Skip("needs the page as it is built: run 'make build'")
}

// way is a way to the server that stays the same when the server's own address does not, and that can be cut.
type way struct {
	lis    net.Listener
	server *servertest.Server
	tasks  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	to    string
	cut   bool
	conns map[net.Conn]bool
}

func newWay(t testing.TB, s *servertest.Server) *way {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{lis: lis, server: s, conns: map[net.Conn]bool{}}
	w.lead()
	w.tasks.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			w.tasks.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		lis.Close()
		w.set(true)
		w.tasks.Wait()
	})
	return w
}

func (w *way) url() string {
	_, port, _ := net.SplitHostPort(w.lis.Addr().String())
	return "https://localhost:" + port
}

// lead has the way end where the server listens now.
func (w *way) lead() {
	to := w.server.Address("0.0.0.0:8443")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

// set cuts the way, or opens it again. What was connected is connected no more.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.conns {
		c.Close()
	}
}

func (w *way) carry(c net.Conn) {
	defer c.Close()
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.conns[c], w.conns[up] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(up, c); up.Close(); c.Close() })
	both.Go(func() { io.Copy(c, up); up.Close(); c.Close() })
	both.Wait()
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, up)
	w.mu.Unlock()
}

// contract are the paths of all public methods.
func contract() (paths []string) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			sd := f.Services().Get(i)
			for j := range sd.Methods().Len() {
				paths = append(paths, "/"+string(sd.FullName())+"/"+string(sd.Methods().Get(j).Name()))
			}
		}
		return true
	})
	return paths
}

// world is a server with a way to it, and a client of its local socket.
type world struct {
	*servertest.Server
	*way
	local *hearth.Client
	// change, where given, is what the server is kept busy with while a script wants it so.
	change func(ctx context.Context)
	// figures are what scripts measured.
	figures map[string]float64
	// complaints are what scripts found wrong.
	complaints []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	built(t)
	w := &world{figures: map[string]float64{}}
	// After the log of the server, which is long: what is read first of a failure is its end.
	t.Cleanup(func() {
		for _, line := range w.complaints {
			t.Logf("once more: %s", line)
		}
	})
	s := servertest.New(t)
	client, err := hearth.Dial(t.Context(), s.Target(), hearth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	w.Server, w.way, w.local = s, newWay(t, s), client
	return w
}

var claimCode = regexp.MustCompile(`claim_code=(\S+)`)

// code is what the daemon prints at its start for whoever will own it.
func (w *world) code(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := w.local.System.FollowStart(ctx, &systemv1.FollowStartRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		resp, err := stream.Recv()
		if err != nil {
			t.Fatalf("the daemon tells no code: %v", err)
		}
		for _, line := range resp.GetLines() {
			if m := claimCode.FindStringSubmatch(line.GetText()); m != nil {
				return m[1]
			}
		}
	}
}

// play runs a script in the browser's driver. What it asks for by a line of its own, as in "cut", is done before it is
// answered; a line as in "figure NAME 1.5" is kept; anything else that it prints is a failure.
func (w *world) play(t testing.TB, script string, values map[string]any) {
	t.Helper()
	if values["base"] == nil {
		values["base"] = w.url()
	}
	values["contract"], values["shots"] = contract(), os.Getenv("HEARTH_SHOTS")
	given, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("../../../clients/web/test", script), string(given))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := false
	var changing sync.WaitGroup
	rest := func() {}
	defer func() { rest(); changing.Wait() }()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); line {
		case "cut":
			w.set(true)
		case "join":
			w.set(false)
		case "restart":
			w.Restart()
			w.lead()
		case "restarted":
			w.Restarted()
			w.lead()
		case "upgrade":
			w.Upgrade("9.9.9")
			w.lead()
		case "change":
			ctx, cancel := context.WithCancel(t.Context())
			rest = cancel
			changing.Go(func() { w.change(ctx) })
		case "rest":
			rest()
			changing.Wait()
		case "done":
			done = true
		default:
			var name string
			var value float64
			if n, _ := fmt.Sscanf(line, "figure %s %g", &name, &value); n != 2 {
				t.Error(line)
				w.complaints = append(w.complaints, line)
				break
			}
			w.figures[name] = value
		}
		io.WriteString(in, "\n")
	}
	if err := cmd.Wait(); err != nil || !done {
		w.complaints = append(w.complaints, fmt.Sprintf("%s ended with %v\n%s", script, err, complaints.String()))
		t.Error(w.complaints[len(w.complaints)-1])
	}
}

// The sizes and colours that every journey is made in.
var looks = map[string]map[string]any{
	"on a desktop, light": {"width": 1280, "height": 800, "scheme": "light"},
	"on a phone, dark":    {"width": 390, "height": 844, "scheme": "dark", "phone": true},
}

// From a fresh server to one that serves: claimed, a package sideloaded, configured, watched, stopped, removed. No page of
// it has a finding of axe, nothing is written to the console, and nothing is called that is not in the contract.
func TestAPersonsWay(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			values := maps.Clone(look)
			values["code"] = w.code(t)
			values["package"] = servertest.Package(t, "hello", func(m map[string]any) { m["title"] = "Hello" })
			w.play(t, "journey.mjs", values)
			resp, err := w.local.Packages.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{})
			if err != nil || len(resp.GetPackages()) != 0 {
				t.Errorf("at the end there are %v (%v)", resp.GetPackages(), err)
			}
		})
	}
}

// install puts a package on the server by its local socket, and has it run.
func (w *world) install(t testing.TB, path string) {
	t.Helper()
	w.put(t, path, true)
}

// put puts a package on the server by its local socket.
func (w *world) put(t testing.TB, path string, start bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := w.local.Upload(t.Context(), f, info.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.local.Packages.InstallPackage(t.Context(), &packagesv1.InstallPackageRequest{Ticket: ticket, Start: start}); err != nil {
		t.Fatal(err)
	}
}

// act runs an action once the package is installed and has it.
func (w *world) act(t testing.TB, pkg, action, input string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := w.local.Actions.RunAction(t.Context(), &actionsv1.RunActionRequest{PackageId: pkg, ActionId: action, Input: input})
		if err == nil {
			return
		}
		if !fault.Is(err, metav1.Reason_REASON_ACTION_NOT_FOUND) && !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

// Two tabs with one feed, a connection that is lost and comes back, and a package that means ill.
func TestThePageStaysInStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	w.install(t, servertest.Package(t, "hello", func(m map[string]any) { m["title"] = "Hello" }))
	w.install(t, servertest.PackageWith(t, "evil", func(m map[string]any) {
		m["title"] = "<img src=x onerror=__pwned()>"
		m["description"] = map[string]any{"short": "<script>__pwned()</script>", "long": "<svg onload=__pwned()>"}
		m["upstreamRepo"], m["license"] = "javascript:__pwned()", "<b onmouseover=__pwned()>"
	}, map[string]string{
		"icon.svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="9" height="9" onload="top.__pwned()"><script>top.__pwned()</script>` +
			`<image href="https://evil.example/a.png" width="9" height="9"/><foreignObject width="9" height="9"><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="top.__pwned()"/></foreignObject></svg>`,
		"instructions.md": "# What to do\n\nRead <b onclick=__pwned()>this</b>. [Click](javascript:__pwned()) [or](  JaVaScRiPt:__pwned()) [here](data:text/html,x).\n\n" +
			"![](https://evil.example/b.png) <img src=x onerror=__pwned()> <script>__pwned()</script> <iframe srcdoc='<script>top.__pwned()</script>'></iframe>\n\n" +
			"<style>body{display:none}</style> <form action='https://evil.example'><input name=password></form> <a href='https://evil.example' style='position:fixed;inset:0'>x</a>\n",
		"LICENSE.md": "<img src=x onerror=__pwned()> What evil allows",
	}))
	// Of this one the text costs a reader of Markdown a time that grows with the square of its length, and the name has no place to break.
	w.install(t, servertest.PackageWith(t, "slow", func(m map[string]any) {
		m["title"] = strings.Repeat("Wide", 40)
	}, map[string]string{"instructions.md": strings.Repeat("_a", 100_000)}))
	// What it prints is as ill meant: markup, and what steers terminals.
	for _, said := range []string{"<img src=x onerror=__pwned()>", "\u001b]8;;javascript:__pwned()\u001b\\click\u001b]8;;\u001b\\ \u001b[2J\u202edone"} {
		input, err := json.Marshal(map[string]string{"greeting": said, "color": "#b5442c"})
		if err != nil {
			t.Fatal(err)
		}
		w.act(t, "evil", "set-greeting", string(input))
	}
	w.act(t, "evil", "tell", `{"level":"error","title":"<img src=x onerror=__pwned()>","message":"[click](javascript:__pwned()) <script>__pwned()</script>"}`)
	w.play(t, "instep.mjs", map[string]any{"width": 1280, "height": 800, "scheme": "dark"})
}

// publish puts a package file into a registry.
func publish(t *testing.T, c *registry.Client, key sign.PrivateKey, path string) {
	t.Helper()
	raw, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	info, err := raw.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s9pk.Open(raw, info.Size(), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(sign.ContextPackage, f.Commitment().Message())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddUpload(t.Context(), raw, info.Size(), nil, f.Commitment(), signature, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
}

// A registry, what it has, an installation from it, an update with its plan, and the way back. What it says is as ill meant
// as it can be.
func TestARegistryInThePage(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
				t.Fatal(err)
			}
			url, keyFile := servertest.Registry(t)
			key, err := sign.LoadKey(keyFile)
			if err != nil {
				t.Fatal(err)
			}
			client, err := registry.NewClient(url, registry.Options{Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			version := func(id, title, v string) string {
				return servertest.Package(t, id, func(m map[string]any) {
					m["title"], m["version"], m["canMigrateTo"] = title, v, "*"
					m["description"] = map[string]any{
						"short": "To be found <script>__pwned()</script>",
						"long":  "<img src=x onerror=__pwned()> [here](javascript:__pwned()) <iframe srcdoc='<script>top.__pwned()</script>'></iframe> <form action='https://example.org'></form> <b style='position:fixed'>bold</b>",
					}
					m["releaseNotes"] = "What is new: nothing. <svg onload=__pwned()>"
					m["marketingUrl"] = "javascript:__pwned()"
				})
			}
			second := version("second", "Second", "1.0.0:0")
			for _, path := range []string{version("listed", "Listed", "1.0.0:0"), version("listed", "Listed", "1.1.0:0"), version("listed", "Listed", "#lite:1.1.0:0"), version("second", "Second", "1.0.1:0")} {
				publish(t, client, key, path)
			}
			if err := client.Call(t.Context(), "package.category.add", map[string]any{"id": "media", "name": "Media"}, nil); err != nil {
				t.Fatal(err)
			}
			if err := client.Call(t.Context(), "package.category.add-package", map[string]any{"id": "media", "package": "listed"}, nil); err != nil {
				t.Fatal(err)
			}
			w.install(t, second)
			values := maps.Clone(look)
			values["registry"] = url
			w.play(t, "discover.mjs", values)
		})
	}
}

// The catalogue of a registry is for everybody: nobody logs in, all of what is shown is in its address, and what publishers
// say is text.
func TestTheCatalogueOfARegistry(t *testing.T) {
	t.Parallel()
	built(t)
	files, err := page.NewCatalogue(web.Bundle())
	if err != nil {
		t.Fatal(err)
	}
	url, keyFile := servertest.Registry(t, func(cfg *registryrpc.Config) { cfg.Page = files })
	key, err := sign.LoadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	client, err := registry.NewClient(url, registry.Options{Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range [][3]string{{"listed", "Listed", "1.0.0:0"}, {"listed", "Listed", "1.1.0:0"}, {"second", "Second", "1.0.0:0"}} {
		publish(t, client, key, servertest.Package(t, one[0], func(m map[string]any) {
			m["title"], m["version"] = one[1], one[2]
			m["description"] = map[string]any{"short": "To be found <script>__pwned()</script>", "long": "About **it** <img src=x onerror=__pwned()> [here](javascript:__pwned())"}
			m["releaseNotes"], m["marketingUrl"] = "New in "+one[2], "javascript:__pwned()"
			if one[0] == "second" {
				m["dependencies"] = map[string]any{"listed": map[string]any{"description": "Keeps what is said.", "optional": false}}
			}
		}))
	}
	for method, params := range map[string]any{"info.set-name": map[string]any{"name": "Example packages"}, "package.category.add": map[string]any{"id": "media", "name": "Media"}} {
		if err := client.Call(t.Context(), method, params, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Call(t.Context(), "package.category.add-package", map[string]any{"id": "media", "package": "listed"}, nil); err != nil {
		t.Fatal(err)
	}
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := maps.Clone(look)
			values["base"] = url
			(&world{figures: map[string]float64{}}).play(t, "catalogue.mjs", values)
		})
	}
}

// A service that another one needs is stopped, restarted and rebuilt, by the keyboard; one is uninstalled and finds its data.
func TestWhatIsDoneToServices(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
				t.Fatal(err)
			}
			shop := servertest.Package(t, "shop", func(m map[string]any) {
				m["title"] = "Shop"
				m["dependencies"] = map[string]any{"database": map[string]any{"description": "Keeps what is sold.", "optional": false}}
			})
			w.install(t, servertest.Package(t, "database", func(m map[string]any) { m["title"] = "Database" }))
			w.install(t, shop)
			values := maps.Clone(look)
			values["package"] = shop
			w.play(t, "walk.mjs", values)
		})
	}
}

// What belongs to the server itself is seen and changed: keys, names, certificates, mail, what is stored.
func TestWhatBelongsToTheServer(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
				t.Fatal(err)
			}
			w.put(t, servertest.Package(t, "shop", func(m map[string]any) {
				m["title"] = "Shop"
				m["dependencies"] = map[string]any{"database": map[string]any{"description": "Keeps what is sold.", "optional": false}}
			}), false)
			values := maps.Clone(look)
			values["expects"] = "status of 503" // of a mail server that is not there
			w.play(t, "house.mjs", values)
		})
	}
}

// Two people and their sessions: what the roles allow, and what is told of a restart.
func TestPeopleInThePage(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
				t.Fatal(err)
			}
			w.install(t, servertest.Package(t, "hello", func(m map[string]any) { m["title"] = "Hello" }))
			w.play(t, "people.mjs", maps.Clone(look))
		})
	}
}

// trusting is a home in which a browser trusts the server's root.
func (w *world) trusting(t testing.TB) string {
	t.Helper()
	home := t.TempDir()
	db := "sql:" + filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(strings.TrimPrefix(db, "sql:"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-t", "C,,", "-n", "Hearth", "-i", w.RootFile()}} {
		if out, err := exec.CommandContext(t.Context(), "certutil", append([]string{"-d", db}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil: %v\n%s", err, out)
		}
	}
	return home
}

// Somebody comes by plain HTTP: with a browser that does not trust the root, with one that does, with one that begins to.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, plain, _ := net.SplitHostPort(w.Address("0.0.0.0:8080"))
			values := maps.Clone(look)
			values["plain"], values["secure"] = "http://localhost:"+plain, "https://localhost:8443"
			values["expects"], values["resolve"] = "net::ERR_", "MAP localhost:8443 "+w.Address("0.0.0.0:8443")
			values["nobody"], values["trusting"] = t.TempDir(), w.trusting(t)
			w.play(t, "first.mjs", values)
		})
	}
}

// The page is kept by its worker: it opens without the server, and nothing that the server said is in what is kept.
func TestThePageOpensWithoutTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	w.install(t, servertest.Package(t, "hello", func(m map[string]any) { m["title"] = "Hello" }))
	w.play(t, "worker.mjs", map[string]any{"width": 390, "height": 844, "scheme": "light", "trusting": w.trusting(t)})
}

// initial is how much JavaScript is loaded before the page is first seen, compressed as servers commonly do, in bytes.
const initial = 150 << 10

// What comes before the page is first seen is bounded: the entry, all that it imports, and the texts of one language.
func TestThePageIsLight(t *testing.T) {
	t.Parallel()
	files := web.Bundle()
	raw, err := fs.ReadFile(files, ".vite/manifest.json")
	if err != nil {
		built(t)
		t.Fatal(err)
	}
	type chunk struct {
		File    string   `json:"file"`
		Imports []string `json:"imports"`
	}
	chunks := map[string]chunk{}
	if err := json.Unmarshal(raw, &chunks); err != nil {
		t.Fatal(err)
	}
	sum, seen := 0, map[string]bool{}
	var add func(name string)
	add = func(name string) {
		c, ok := chunks[name]
		if !ok {
			t.Errorf("the bundle has no %s", name)
		}
		if seen[name] || !ok {
			return
		}
		seen[name] = true
		content, err := fs.ReadFile(files, c.File)
		if err != nil {
			t.Fatal(err)
		}
		sum += compressed(t, content)
		for _, next := range c.Imports {
			add(next)
		}
	}
	add("index.html")
	add("src/start.ts")
	add("src/features/home/Home.svelte")
	largest := 0
	for name, c := range chunks {
		if strings.Contains(name, "texts/") {
			content, err := fs.ReadFile(files, c.File)
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, compressed(t, content))
		}
	}
	if largest == 0 {
		t.Error("the bundle has no texts")
	}
	t.Logf("initial JavaScript: %d bytes in %d files and %d bytes of texts, compressed", sum, len(seen), largest)
	if sum+largest > initial {
		t.Errorf("initial JavaScript is %d bytes, more than %d", sum+largest, initial)
	}
}

func compressed(t *testing.T, content []byte) int {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/servertest"
)

// What people type against a registry of StartOS, which is the original's own daemon: testdata/original/*.txtar. $HEARTH_REGISTRY is
// its address, $HEARTH_KEY the key of its administrator, $BOB another key, $FILES where the files $ONE, $TWO and $THREE lie, and
// $OURS a registry of ours with the same administrator.
func TestOriginalRegistry(t *testing.T) {
	t.Parallel()
	tools := os.Getenv("STARTOS_TOOLS")
	if tools == "" {
		t.Skip("needs the original's start-registryd: STARTOS_TOOLS is not set")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: the original's daemon writes below /run")
	}
	dir := t.TempDir()
	files := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(files.Close)
	env := map[string]string{"FILES": files.URL, "TZ": "UTC"}
	for name, version := range map[string]string{"ONE": "1.0.0:0", "TWO": "1.1.0:0", "THREE": "2.0.0:0"} {
		env[name] = servertest.Package(t, "listed", func(m map[string]any) {
			m["version"], m["title"], m["description"] = version, "Listed", map[string]any{"short": "To be found", "long": "By its words"}
		})
		if err := os.Symlink(env[name], filepath.Join(dir, strings.ToLower(name)+".s9pk")); err != nil {
			t.Fatal(err)
		}
	}
	bob := sign.FromSeed([32]byte{5})
	env["BOB"] = filepath.Join(t.TempDir(), "bob.pem")
	if err := errors.Join(bob.Save(env["BOB"]), os.WriteFile(env["BOB"]+".pub", []byte(bob.Public().PEM()), 0o600)); err != nil {
		t.Fatal(err)
	}
	env["OURS"], env["HEARTH_KEY"] = servertest.Registry(t)
	env["HEARTH_REGISTRY"] = originalRegistry(t, tools, sign.FromSeed([32]byte{9}).Public())
	testscript.Run(t, testscript.Params{
		Dir: "testdata/original", RequireExplicitExec: true, ContinueOnError: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith, "keep": keep},
		Setup: func(e *testscript.Env) error {
			s := servertest.New(e.T().(testing.TB))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("HEARTH_STATE", s.State)
			for name, value := range env {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}

// original is the original's registry daemon on a folder.
type original struct {
	tools, dir, home string
}

// originalRegistry runs the original's registry daemon, whose administrator has the key, to the end of the test, and answers its address.
func originalRegistry(t *testing.T, tools string, admin sign.PublicKey) string {
	t.Helper()
	o := original{tools, t.TempDir(), t.TempDir()}
	_, stop := o.start(t) // makes the database, which the first administrator is put into while nobody has it open
	stop()
	db := filepath.Join(o.dir, "registry.db")
	id := o.admin(t, "signer", "add", "--name", "admin", "--key="+admin.PEM(), db)
	o.admin(t, "add", id, db)
	url, _ := o.start(t)
	return url
}

func (o original) admin(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(o.tools, "start-cli"), append([]string{"registry", "admin"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+o.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("start-cli %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// start runs the daemon until stop, or to the end of the test.
func (o original) start(t *testing.T) (url string, stop func()) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0") // it does not tell which port it found
	if err != nil {
		t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	lis.Close()
	// It writes a cookie below /run that opens everything to whoever reads it: nobody else's is to be overwritten.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", `mkdir -p /run/startos && mount -t tmpfs tmpfs /run/startos && exec "$0" "$@"`,
		filepath.Join(o.tools, "start-registryd"), "-l", fmt.Sprintf("127.0.0.1:%d", port), "-H", "localhost", "-d", o.dir)
	cmd.Env = append(os.Environ(), "HOME="+o.home)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the original's registry says: %s", log.String())
		}
	})
	t.Cleanup(stop)
	url = fmt.Sprintf("http://localhost:%d", port)
	for began := time.Now(); ; {
		resp, err := http.Post(url+"/rpc/v0", "application/json", strings.NewReader(`{"id":1,"method":"info","params":{}}`))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			return url, stop
		}
		if time.Since(began) > time.Minute {
			stop()
			t.Fatalf("the original's registry does not begin: %s", log.String())
		}
		time.Sleep(50 * time.Millisecond) // it tells nobody when it listens
	}
}

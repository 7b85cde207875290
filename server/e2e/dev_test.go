package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// working is a 'package dev' that goes on.
type working struct {
	m      *machine
	cmd    *exec.Cmd
	events chan map[string]any
	ended  chan error
	stage  []map[string]any // what came since the last change
}

// work begins to work on a project.
func (m *machine) work(dir string, flags ...string) *working {
	m.t.Helper()
	w := &working{m: m, cmd: m.command(m.cli, append([]string{"package", "dev", dir, "--output", "json"}, flags...)...), events: make(chan map[string]any, 4096), ended: make(chan error, 1)}
	w.cmd.Stderr = m.log
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			var event map[string]any
			if json.Unmarshal(scan.Bytes(), &event) == nil {
				w.events <- event
			}
		}
		close(w.events)
		w.ended <- w.cmd.Wait()
	}()
	return w
}

// until waits for an event of a kind that says something, which came since the last change; those of one change come in
// whatever order.
func (w *working) until(kind, says string) {
	w.m.t.Helper()
	fits := func(event map[string]any) bool {
		return event["event"] == kind && strings.Contains(fmt.Sprint(event), says)
	}
	if slices.ContainsFunc(w.stage, fits) {
		return
	}
	limit := time.NewTimer(90 * time.Second)
	defer limit.Stop()
	for {
		select {
		case event, ok := <-w.events:
			if !ok {
				w.m.t.Fatalf("it ended before %s with %q", kind, says)
			}
			if w.stage = append(w.stage, event); fits(event) {
				return
			}
		case <-limit.C:
			w.m.t.Fatalf("no %s with %q, but %v", kind, says, w.stage)
		}
	}
}

// The loop of work on a package, with its real build: the service runs, shows what it prints and how it is, follows each
// change of the sources, stands through a build that fails, and stays when the person goes.
func TestPackageDev(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(t.TempDir(), "project")
	if err := os.CopyFS(project, os.DirFS(filepath.Join(root, "sdk-ts/examples/hello-sdk"))); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"node_modules": "node_modules", "images": "sdk-ts/examples/hello-hearth/images"} {
		if err := os.RemoveAll(filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, to), filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	m.hearth("keys", "init", "--key", key)
	source := filepath.Join(project, "package.ts")
	original, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	var w *working
	change := func(from, to string) {
		t.Helper()
		w.stage = nil
		if err := os.WriteFile(source, []byte(strings.ReplaceAll(string(original), from, to)), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	w = m.work(project, "--key", key, "--build", "node "+filepath.Join(root, "sdk-ts/packages/sdk/bin/build.mjs"))
	w.until("log", "the page says: Hello from Hearth")
	w.until("installed", sdkSample)
	w.until("health", "The page is ready")
	change(`well: "The page is ready"`, `well: "The page is changed"`)
	w.until("installed", sdkSample)
	w.until("health", "The page is changed")
	change("definePackage({", "definePackage({{")
	w.until("failed", "cannot build")
	if state := m.pkg(sdkSample)["state"]; state != "running" {
		t.Errorf("after a build that failed the service is %v", state)
	}
	change("the page says: ", "the page now says: ")
	w.until("installed", sdkSample)
	w.until("log", "the page now says: Hello from Hearth")

	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-w.ended:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it does not end")
	}
	m.healthy(sdkSample)
}

package e2e

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/merkle"
)

// sdkProject copies the project of the sample that is written with our SDK, with its images as they were packed.
func (m *machine) sdkProject() string {
	m.t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		m.t.Fatal(err)
	}
	project := filepath.Join(m.t.TempDir(), "project")
	if err := os.CopyFS(project, os.DirFS(filepath.Join(root, "sdk-ts/examples/hello-sdk"))); err != nil {
		m.t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(project, "node_modules")), os.RemoveAll(filepath.Join(project, "images")),
		os.Symlink(filepath.Join(root, "node_modules"), filepath.Join(project, "node_modules"))); err != nil {
		m.t.Fatal(err)
	}
	file := m.packed(sdkSample)
	for e := range file.All() {
		if e.Kind != merkle.File || !strings.HasPrefix(e.Path, "images/") {
			continue
		}
		content, err := file.ReadFile(e.Path, 1<<30)
		path := filepath.Join(project, filepath.FromSlash(e.Path))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			m.t.Fatal(err)
		}
	}
	return project
}

// The tests of an example, in memory and on a server: it is installed there, checked by its page, its actions and its health, and
// leaves nothing, whether they pass, fail or are ended half-way. What is installed is left alone.
func TestExampleIsTestedOnAServer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	project := m.sdkProject()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	m.hearth("keys", "init", "--key", key)
	build := "node " + filepath.Join(root, "sdk-ts/packages/sdk/bin/build.mjs")
	args := []string{"package", "test", project, "--output", "json", "--build", build, "--key", key}
	tested := func(more ...string) (events []string, err error) {
		t.Helper()
		out, err := m.tryHearth(append(args, more...)...)
		for _, row := range m.decoded(out) {
			name, _ := row["event"].(string)
			if name == "output" {
				continue
			}
			if result, ok := row["result"].(string); ok {
				name += " " + result
			}
			events = append(events, name)
		}
		return events, err
	}
	if events, err := tested(); err != nil || !slices.Equal(events, []string{"test passed"}) {
		t.Errorf("in memory: %v, %v", events, err)
	}
	if events, err := tested("--server"); err != nil || !slices.Equal(events, []string{"installed", "well", "test passed", "test passed", "test passed", "restored"}) {
		t.Errorf("on the server: %v, %v", events, err)
	}
	m.leftNothing(t)

	check := filepath.Join(project, "checks/page.mjs")
	passing, err := os.ReadFile(check)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(check, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(passing), "Hello from Hearth", "Hello from nobody", 1) + "\nsetTimeout(() => process.exit(1), 5000);\n")
	if events, err := tested("--server"); err == nil || !slices.Contains(events, "restored") {
		t.Errorf("with a check that fails: %v, %v", events, err)
	}
	m.leftNothing(t)

	write("import { test } from \"node:test\";\ntest(\"it hangs\", () => { console.log(\"hanging\"); return new Promise((done) => setTimeout(done, 200000)); });\n")
	cmd := m.command(m.cli, append(args, "--server")...)
	cmd.Stderr = m.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	interrupted := false
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if !interrupted && strings.Contains(scan.Text(), "hanging") {
			interrupted = true
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !interrupted || !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("told to end (%v) it ends with %v", interrupted, err)
	}
	m.leftNothing(t)

	write(string(passing))
	m.hearth("package", "install", filepath.Join(m.bin, sdkSample+".s9pk"))
	m.healthy(sdkSample)
	if events, err := tested("--server"); err == nil || !strings.Contains(err.Error(), "PACKAGE_INSTALLED") || len(events) > 0 {
		t.Errorf("beside an installed one: %v, %v", events, err)
	}
	if state := m.pkg(sdkSample)["state"]; state != "running" {
		t.Errorf("the installed one is %v", state)
	}
}

package e2e

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

const sample = "hello-hearth"

// A person installs the sample, sees it healthy, opens its page, changes it by its action, restarts it, and removes it
// with everything that was its.
func TestTour(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, sample+".s9pk"))
	m.healthy(sample)

	page := m.address(sample)
	get := func() string { return m.must("curl", "-sS", "--fail", "--cacert", m.root(), page) }
	if body := get(); !strings.Contains(body, "Hello from Hearth") {
		t.Fatalf("the page does not greet:\n%s", body)
	}

	t.Run("the task asks for a greeting", func(t *testing.T) {
		tasks := m.rows("package", "tasks", sample)
		if len(tasks) != 1 || tasks[0]["active"] != true || tasks[0]["actionId"] != "set-greeting" {
			t.Fatalf("tasks = %v", tasks)
		}
	})
	if _, err := m.tryHearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":1,"color":"#2b5d34"}`); err == nil ||
		!strings.Contains(err.Error(), "ACTION_INPUT") || !strings.Contains(err.Error(), "greeting") {
		t.Errorf("a form with a number for a text: %v", err)
	}
	out := m.hearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":"Good morning","color":"#2b5d34"}`)
	if !strings.Contains(out, "The greeting is set") {
		t.Errorf("the action answers %q", out)
	}
	m.eventually(30*time.Second, "the page has the new greeting", func() error {
		body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), page)
		if err == nil && !strings.Contains(body, "Good morning") {
			err = errors.New("the old greeting")
		}
		return err
	})
	if tasks := m.rows("package", "tasks", sample); len(tasks) != 0 {
		t.Errorf("the task is still there after its action ran: %v", tasks)
	}

	m.hearth("package", "restart", sample)
	m.healthy(sample)
	if body := get(); !strings.Contains(body, "Good morning") {
		t.Error("the greeting did not survive a restart")
	}
	m.hearth("package", "stop", sample)
	if _, err := m.run("curl", "-sS", "--fail", "--max-time", "5", "--cacert", m.root(), page); err == nil {
		t.Error("the page of a stopped service answers")
	}
	m.hearth("package", "start", sample)
	m.healthy(sample)
	if log := m.hearth("package", "logs", sample); !strings.Contains(log, "the page says: Good morning") {
		t.Errorf("the log does not tell what the service printed:\n%s", log)
	}

	t.Run("the same file installs again over its data", func(t *testing.T) {
		m.hearth("package", "install", filepath.Join(m.bin, sample+".s9pk"))
		m.healthy(sample)
		if body := get(); !strings.Contains(body, "Good morning") {
			t.Error("the data did not survive")
		}
	})

	m.hearth("package", "uninstall", sample, "--yes")
	if rows := m.rows("package", "list"); len(rows) != 0 {
		t.Errorf("packages after uninstalling: %v", rows)
	}
	m.leftNothing(t)
}

// leftNothing checks that no trace of a package is on the machine.
func (m *machine) leftNothing(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"artifacts", "volumes", "logs", "upper"} {
		entries, _ := os.ReadDir(m.ofState(dir))
		for _, e := range entries {
			if dir == "volumes" && e.Name() == ".held" {
				continue // the locks of data stay: one on a file that is gone would keep nobody away
			}
			if e.Name() == "incoming" || e.Name() == "claimed" || e.Name() == "fetching" || strings.HasPrefix(e.Name(), ".") {
				inner, _ := os.ReadDir(m.ofState(dir, e.Name()))
				if len(inner) == 0 {
					continue
				}
			}
			t.Errorf("left behind: %s/%s", dir, e.Name())
		}
	}
	if mounts, _ := m.run("sh", "-c", "grep /s/ /proc/self/mountinfo | grep /run/hearth || true"); mounts != "" {
		t.Errorf("mounts left behind:\n%s", mounts)
	}
	for _, kind := range []string{"package", "artifact", "action", "task", "host", "healthcheck", "dependency", "snapshot"} {
		rows := m.snapshot(kind)
		rows = slices.DeleteFunc(rows, func(row string) bool { return strings.Contains(row, `"id":"server/page"`) }) // the server's own host
		if len(rows) != 0 {
			t.Errorf("rows of kind %s left behind: %v", kind, rows)
		}
	}
}

// snapshot lists what there is of a kind.
func (m *machine) snapshot(kind string) []string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	cmd := m.commandContext(ctx, m.cli, "watch", kind, "--output", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	var rows []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && !strings.Contains(lines.Text(), `"bookmark"`) {
		rows = append(rows, lines.Text())
	}
	if !strings.Contains(lines.Text(), `"bookmark"`) {
		m.t.Fatalf("the watch of kind %s ended before its bookmark", kind)
	}
	cancel()
	_ = cmd.Wait()
	return rows
}

// A browser that trusts the server's root shows the page of a service without a warning, and what it shows is styled.
func TestBrowserShowsThePage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	testenv.Require(t, "browser")
	m.start()
	m.installSample()
	profile := filepath.Join(t.TempDir(), "profile")
	shot := filepath.Join(t.TempDir(), "page.png")
	// Chromium takes roots from the NSS database of its user alone, so the root's key is named instead.
	pin := strings.TrimSpace(m.must("sh", "-c",
		`openssl x509 -in "$0" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64`, m.root()))
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile,
		"--ignore-certificate-errors-spki-list=" + pin, "--virtual-time-budget=3000", "--window-size=390,844"}
	page := m.address(sample)
	dom := m.must("chromium", append(args, "--dump-dom", page)...)
	if !strings.Contains(dom, "Hello from the test") {
		t.Errorf("the browser shows:\n%s", dom)
	}
	m.must("chromium", append(args, "--screenshot="+shot, page)...)
	info, err := os.Stat(shot)
	if err != nil || info.Size() < 1000 {
		t.Fatalf("no screenshot: %v", err)
	}
	if keep := os.Getenv("HEARTH_SCREENSHOTS"); keep != "" {
		raw, _ := os.ReadFile(shot)
		if err := os.WriteFile(filepath.Join(keep, "sample-phone.png"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What is not a whole, signed package file is refused with its reason, and nothing of it stays.
func TestRefusedFilesLeaveNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	whole, err := os.ReadFile(filepath.Join(m.bin, sample+".s9pk"))
	if err != nil {
		t.Fatal(err)
	}
	never := filepath.Join(t.TempDir(), "never.s9pk")
	m.hearth("keys", "init")
	m.must("sh", "-c", `printf "hsqs and then no more" >"$1.text" && "$2" s9pk edit "$3" --add images/x86_64/main.squashfs="$1.text" --out "$1"`,
		"sh", never, m.cli, filepath.Join(m.bin, sample+".s9pk"))
	noImage, err := os.ReadFile(never)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)-4096] ^= 1
	signature := append([]byte{}, whole...)
	signature[40] ^= 1
	for name, c := range map[string]struct {
		content []byte
		reason  string
	}{
		"foreign":               {[]byte("#!/bin/sh\necho I am no package\n" + strings.Repeat("x", 4096)), "PACKAGE_FILE_FOREIGN"},
		"cut off":               {whole[:len(whole)/2], "PACKAGE_FILE_DAMAGED"},
		"a byte of an image":    {flipped, "PACKAGE_FILE_DAMAGED"},
		"a byte of its header":  {signature, "PACKAGE_FILE_SIGNATURE"},
		"an image that is none": {noImage, "PACKAGE_FILE_INVALID"},
	} {
		path := filepath.Join(t.TempDir(), "bad.s9pk")
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := m.tryHearth("package", "install", path)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want reason %s", name, err, c.reason)
		}
	}
	m.leftNothing(t)
}

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A start that takes its time: the front door is slow to come. From the first moment on the server tells everyone how far
// it is, tells the rest to come again, and shows its log to an administrator.
func TestAStartIsTold(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	_, viewer := m.token("viewer", "viewer")
	m.kill(syscall.SIGTERM)
	m.reboot()

	gate := filepath.Join(publicDir(t), "gate")
	m.bin = m.slowDoor(gate)
	m.launch()
	began := time.Now()
	curl := func(args ...string) string {
		out, _ := m.run("curl", append([]string{"-sS", "--unix-socket", filepath.Join(m.state, "hearthd.sock")}, args...)...)
		return out
	}
	var state string
	m.eventually(30*time.Second, "the state is told", func() error {
		state = curl("-f", "http://hearth/api/v1/server/state")
		if state == "" {
			return os.ErrNotExist
		}
		return nil
	})
	t.Logf("the state was told after %s", time.Since(began).Round(time.Millisecond))
	m.eventually(30*time.Second, "the start waits for the door", func() error {
		if state = curl("http://hearth/api/v1/server/state"); !strings.Contains(state, "reaches the front door") {
			return os.ErrNotExist
		}
		return nil
	})
	if !strings.Contains(state, "PHASE_INIT") {
		t.Errorf("the state is %s", state)
	}
	if got := curl("http://hearth/api/v1/server/ping?message=hello"); !strings.Contains(got, "hello") {
		t.Errorf("ping answers %s", got)
	}
	if got := curl("-i", "http://hearth/api/v1/packages"); !strings.Contains(got, "503") || !strings.Contains(got, "REASON_SERVER_STARTING") || !strings.Contains(got, "Retry-After: 1") {
		t.Errorf("a call that comes too early: %s", got)
	}
	if out, err := m.tryHearth("status"); err == nil || !strings.Contains(err.Error(), "the server is starting: reaches the front door") {
		t.Errorf("status prints %s, %v", out, err)
	}
	if got := curl("-H", "Authorization: Bearer "+viewer, "http://hearth/api/v1/server/start:follow"); !strings.Contains(got, "REASON_PERMISSION_DENIED") {
		t.Errorf("a viewer follows the start: %s", got)
	}

	follow := m.command(filepath.Join(m.bin, "hearth"), "system", "state", "--follow")
	stdout, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	lines, told := bufio.NewScanner(stdout), ""
	for lines.Scan() && !strings.Contains(lines.Text(), "reaches the front door") {
		told += lines.Text() + "\n"
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		told += lines.Text() + "\n"
	}
	if err := follow.Wait(); err != nil {
		t.Fatalf("following the start: %v: %s", err, told)
	}
	if !strings.Contains(told, "opens the store") || !strings.Contains(told, "hearth runs") || !strings.Contains(told, "phase  running") {
		t.Errorf("the start is told as\n%s", told)
	}
	m.hearth("status")
}

// After a boot the page's port tells from the first moment on how far the start is, with the certificate that the server had, and
// only where its people let the page be reached.
func TestTheStartIsToldAtThePagesPort(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	ask := func(path string) (string, error) {
		return m.run("curl", "-sS", "--fail", "--cacert", m.root(), server+path)
	}
	m.eventually(30*time.Second, "the page's port is open", func() error { _, err := ask("/api/v1/server/state"); return err })
	m.kill(syscall.SIGTERM)
	m.reboot()
	if out, err := ask("/api/v1/server/state"); err == nil {
		t.Fatalf("after a reboot there is %s", out)
	}

	// A store that takes its time: a file it reads is a pipe that nobody has written to yet.
	newest := filepath.Join(m.state, "store", "newest")
	if err := errors.Join(os.Rename(newest, newest+".kept"), unix.Mkfifo(newest, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a daemon that still waits there could not be ended
		if pipe, err := os.OpenFile(newest, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			_ = errors.Join(os.Remove(newest), pipe.Close())
		}
	})
	m.launch()
	told := ""
	m.eventually(30*time.Second, "the page's port answers", func() (err error) {
		told, err = ask("/api/v1/server/state")
		return err
	})
	if !strings.Contains(told, "opens the store") {
		t.Errorf("it is told %s", told)
	}
	if out, err := ask("/"); err != nil || !strings.Contains(out, "<html") {
		t.Errorf("the page during the start: %v: %s", err, out)
	}
	kept, err := os.ReadFile(newest + ".kept")
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(newest, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	renamed := os.Rename(newest+".kept", newest) // before it has read all, since it goes on to write the file
	_, err = pipe.Write(kept)
	if err := errors.Join(renamed, err, pipe.Close()); err != nil {
		t.Fatal(err)
	}
	m.eventually(30*time.Second, "the start has ended", func() error { _, err := m.tryHearth("status"); return err })
	if out, err := ask("/api/v1/server/state"); err != nil || !strings.Contains(out, "PHASE_RUNNING") {
		t.Errorf("after the start: %v: %s", err, out)
	}

	// What is kept for it is no more than that: without it, or with nonsense in it, the server starts all the same.
	for _, spoiled := range [][]byte{[]byte("no table"), bytes.Repeat([]byte{0xff}, 1<<20), nil} {
		m.kill(syscall.SIGTERM)
		m.reboot()
		if err := os.WriteFile(filepath.Join(m.state, "first-table"), spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		m.start()
		m.eventually(30*time.Second, "the page's port is open again", func() error { _, err := ask("/api/v1/server/state"); return err })
	}
}

// reboot leaves what a boot of the machine leaves: the state alone.
func (m *machine) reboot() {
	m.t.Helper()
	link := filepath.Join(m.state, "hearthd.sock")
	target, err := os.Readlink(link)
	if err != nil {
		m.t.Fatal(err)
	}
	m.must(filepath.Join(m.bin, "hearthd"), "--clean-host", "--state", m.state, "--bin", m.bin)
	if err := os.Symlink(target, link); err != nil {
		m.t.Fatal(err)
	}
}

// slowDoor is a folder of programs whose front door waits for the file gate.
func (m *machine) slowDoor(gate string) string {
	m.t.Helper()
	dir := publicDir(m.t)
	entries, err := os.ReadDir(m.bin)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "hearth-door" {
			if err := os.Symlink(filepath.Join(m.bin, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	script := "#!/bin/sh\nwhile [ ! -e '" + gate + "' ]; do sleep 0.05; done\nexec '" + filepath.Join(m.bin, "hearth-door") + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "hearth-door"), []byte(script), 0o755); err != nil {
		m.t.Fatal(err)
	}
	return dir
}

// A start that fails or is ended early leaves nothing on the machine, and takes nothing away that was there before.
func TestAStartThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	nothing := func(when string) {
		t.Helper()
		left := m.must("sh", "-c", `ls /run/hearth; ip -o link | grep -o ': h[0-9a-z]*br0'; nft list tables 2>/dev/null | grep hearth
			for p in $(pgrep -f '[h]earth-door'); do
				[ "$(readlink /proc/$p/ns/net)" != "$(readlink /proc/self/ns/net)" ] || tr '\0' ' ' < /proc/$p/cmdline
			done; true`)
		if left = strings.TrimSpace(left); left != "" {
			t.Errorf("%s there is still:\n%s", when, left)
		}
		if _, err := os.Lstat(filepath.Join(m.state, "hearthd.sock")); !os.IsNotExist(err) {
			t.Errorf("%s the link to the socket is there: %v", when, err)
		}
	}
	ends := func() {
		t.Helper()
		select {
		case <-m.exited:
			m.daemon = nil
		case <-time.After(30 * time.Second):
			t.Fatal("the daemon does not end")
		}
	}
	m.launch("--grpc", "192.0.2.1:1") // no address of this machine
	ends()
	nothing("after a start without its port")

	gate := filepath.Join(publicDir(t), "gate")
	programs := m.bin
	m.bin = m.slowDoor(gate)
	m.launch()
	m.eventually(30*time.Second, "the start waits for the door", func() error {
		out, err := m.run("curl", "-sS", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "http://hearth/api/v1/server/state")
		if err == nil && !strings.Contains(out, "reaches the front door") {
			err = os.ErrNotExist
		}
		return err
	})
	m.kill(syscall.SIGTERM)
	nothing("after a start that was ended at the door")

	// An earlier daemon's door stays when the next one cannot start.
	m.bin = programs
	m.start()
	m.kill(syscall.SIGTERM)
	m.launch("--grpc", "192.0.2.1:1")
	ends()
	if out, err := m.run("sh", "-c", "curl -sk --max-time 5 -o /dev/null https://localhost:8443/ ; ls /run/hearth/*/door.sock"); err != nil || out == "" {
		t.Errorf("the door of the daemon before has gone: %s, %v", out, err)
	}
	m.start()
}

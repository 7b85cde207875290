package lxctest

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
)

// Console runs commands as root inside a real container whose Spec it prepared.
type Console struct {
	// Volume is the folder of the host that the container sees as /data, with plain owners on disk.
	Volume string
}

// consoleInit waits for a line in one pipe, runs the command file and puts its status in the other.
const consoleInit = `trap 'exit 0' TERM
while :; do
	read -r go < /data/.go || continue
	/bin/sh /data/.cmd > /data/.out 2>&1 < /dev/null
	echo $? > /data/.done
done`

// Console returns a Spec, as Machine.Spec does, whose init obeys the Console.
func (m *Machine) Console(t testing.TB, name string, n int) (*Console, lxc.Spec) {
	t.Helper()
	volume := t.TempDir()
	for _, pipe := range []string{".go", ".done"} {
		if err := unix.Mkfifo(filepath.Join(volume, pipe), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := m.Spec(t, name, n, consoleInit)
	mounted := filepath.Join(m.Config.RunDir, "c", name, "data")
	if err := m.Mounts.Ensure(mounted, mount.Bind{Path: volume}, mount.Options{IDMap: idmap.Base(IDBase)}); err != nil {
		t.Fatal(err)
	}
	s.Mounts = append(s.Mounts, lxc.Mount{Source: mounted, Target: "/data"})
	return &Console{Volume: volume}, s
}

// Run runs a shell command in the container and returns what it printed, trimmed, and its exit status. The container has
// to be running; calls do not overlap.
func (c *Console) Run(t testing.TB, command string) (string, int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Volume, ".cmd"), []byte(command), 0o644); err != nil {
		t.Fatal(err)
	}
	// Opened for reading and writing a pipe waits for nobody, so a dead container costs a deadline and not the test.
	done, err := os.OpenFile(filepath.Join(c.Volume, ".done"), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer done.Close()
	wake, err := os.OpenFile(filepath.Join(c.Volume, ".go"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer wake.Close()
	if _, err := wake.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
	if err := done.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	status, err := bufio.NewReader(done).ReadString('\n')
	if err != nil {
		t.Fatalf("container did not answer to %q: %v", command, err)
	}
	code, err := strconv.Atoi(strings.TrimSpace(status))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(c.Volume, ".out"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), code
}

// Must is Run for a command that has to succeed.
func (c *Console) Must(t testing.TB, command string) string {
	t.Helper()
	out, code := c.Run(t, command)
	if code != 0 {
		t.Fatalf("%s: status %d: %s", command, code, out)
	}
	return out
}

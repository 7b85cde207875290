package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// sharingDisk puts the state on a disk of its own whose files can share their blocks.
func (m *machine) sharingDisk(kind string) {
	m.t.Helper()
	testenv.Require(m.t, kind)
	image := filepath.Join(filepath.Dir(m.state), "disk")
	m.must("truncate", "-s", "3G", image)
	m.must("mkfs."+kind, "-q", image)
	m.must("mkdir", "-p", m.state)
	m.must("mount", "-o", "loop", image, m.state)
}

// writer writes a number into one file and then into another, again and again, as the calendar's own writers do: under its
// lock. It begins at 1, and goes on until there is a file that tells it otherwise.
const writer = `cd /media/startos/volumes/main && while [ ! -e enough ]; do
	flock --exclusive collections/.Radicale.lock sh -c 'n=$(($(cat one 2>/dev/null || echo 0) + 1)); echo $n >one.new; mv one.new one; echo $n >two.new; mv two.new two'
done`

// patient is an rsync that does not begin before the writer has written three times more.
const patient = `#!/bin/sh
touch /media/startos/volumes/main/begun
at=$(cat /media/startos/volumes/main/one)
for i in $(seq 600); do
	if [ "$(cat /media/startos/volumes/main/one)" -gt $((at + 3)) ]; then exec /usr/bin/rsync.real "$@"; fi
	sleep 0.1
done
echo "nothing is written while the backup is made" >&2
exit 1
`

// A service that writes all the time is backed up as it was at one moment, and writes on while its backup is made. A daemon that is
// killed meanwhile leaves nothing of that moment.
func TestTheBackupOfAServiceThatWritesIsOfOneMoment(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"btrfs", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.sharingDisk(kind)
			m.start()
			m.install("calendar")
			m.healthy("calendar")
			end := m.writes()
			m.slowsBackups()
			dir := t.TempDir()
			m.hearth("package", "backup", "calendar", dir)
			first, err := ofOneMoment(dir)
			if err != nil {
				t.Fatal(err)
			}
			m.leftNoMoment()

			begun := m.ofState("volumes/calendar/main/begun")
			if err := os.Remove(begun); err != nil {
				t.Fatal(err)
			}
			m.inContainer(t, "calendar", "sh", "-c", "sed -i s/600/6000/ /usr/bin/rsync")
			end() // so that it waits until the daemon has died
			m.hearth("package", "backup", "calendar", dir, "--no-wait")
			m.eventually(60*time.Second, "the backup is being made", func() error { _, err := os.Stat(begun); return err })
			m.kill(syscall.SIGKILL)
			m.start()
			m.eventually(120*time.Second, "the backup is made by the next daemon", func() error {
				last, err := ofOneMoment(dir)
				if err == nil && last <= first {
					err = fmt.Errorf("it is still of %d", last)
				}
				return err
			})
			m.healthy("calendar")
			m.leftNoMoment()
			m.hearth("package", "uninstall", "calendar", "--yes")
		})
	}
}

// writes begins to write as people do, and answers what ends that, with both files alike.
func (m *machine) writes() (end func()) {
	m.t.Helper()
	cmd := m.command("sh", m.enter("calendar", "sh", "-c", writer)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := false
	m.t.Cleanup(func() {
		if !ended {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		}
	})
	end = func() {
		m.t.Helper()
		m.must("touch", m.ofState("volumes/calendar/main/enough"))
		ended = true
		if err := cmd.Wait(); err != nil {
			m.t.Fatalf("the writer: %v", err)
		}
	}
	m.eventually(30*time.Second, "something is written", func() error {
		_, err := os.Stat(m.ofState("volumes/calendar/main/two"))
		return err
	})
	return end
}

// slowsBackups has backups wait for what is written meanwhile.
func (m *machine) slowsBackups() {
	m.t.Helper()
	m.inContainer(m.t, "calendar", "mv", "/usr/bin/rsync", "/usr/bin/rsync.real")
	m.inContainer(m.t, "calendar", "sh", "-c", "cat >/usr/bin/rsync <<'end'\n"+patient+"end\nchmod 755 /usr/bin/rsync")
}

// ofOneMoment answers which number is in a backup: in both files.
func ofOneMoment(dir string) (int, error) {
	one, err := os.ReadFile(filepath.Join(dir, "calendar/data/volumes/main/one"))
	two, more := os.ReadFile(filepath.Join(dir, "calendar/data/volumes/main/two"))
	if err := errors.Join(err, more); err != nil {
		return 0, err
	}
	if string(one) != string(two) {
		return 0, fmt.Errorf("the backup is of two moments: %q and %q", one, two)
	}
	return strconv.Atoi(strings.TrimSpace(string(one)))
}

// leftNoMoment finds that nothing is left of the data's snapshot.
func (m *machine) leftNoMoment() {
	m.t.Helper()
	m.eventually(60*time.Second, "the snapshot is gone", func() error {
		left, err := os.ReadDir(m.ofState("volumes/.partial"))
		if len(left) > 0 {
			err = fmt.Errorf("there is still %v", left)
		}
		return err
	})
	if table := m.inContainer(m.t, "calendar", "cat", "/proc/mounts"); strings.Contains(table, "/media/startos/moment") {
		m.t.Errorf("the container still sees it:\n%s", table)
	}
}

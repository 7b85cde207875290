package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is wrong with a server is told while it lasts: in warnings, by the doctor, in a report. The disk fills up, nothing
// keeps the clock right, somebody takes the firewall away.
func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.smallDisk()
	m.must("fallocate", "-l", "1800M", filepath.Join(m.state, "ballast"))
	m.idleClock()
	m.start()

	m.eventually(10*time.Second, "a warning of the disk", func() error { return m.warned("disk-space") })
	if found := m.doctor(); found["disk"] != "warn" || found["warnings"] != "warn" || found["cgroups"] == "" || found["user-ids"] != "ok" || found["root-image"] != "ok" || found["network"] != "ok" {
		t.Errorf("the doctor finds %v", found)
	}
	if out := m.hearth("system", "capabilities"); strings.Contains(out, "has not synchronised") {
		m.eventually(10*time.Second, "a warning of the clock", func() error { return m.warned("clock") })
		m.hearth("warnings", "dismiss", "clock")
		if err := m.warned("clock"); err == nil {
			t.Error("a warning that was dismissed is still shown")
		}
	} else {
		t.Log("the kernel's clock is synchronised: no warning of it can be had here")
	}

	m.must("rm", filepath.Join(m.state, "ballast"))
	m.kill(syscall.SIGTERM)
	m.start()
	m.eventually(10*time.Second, "the disk has room again", func() error {
		if err := m.warned("disk-space"); err == nil {
			return errors.New("the warning stays")
		}
		return nil
	})
	// What the warning of the change log offers as its button.
	if out := m.hearth("api", "CompactLog"); !strings.Contains(out, "revisions") {
		t.Errorf("shortening the log answers %s", out)
	}

	m.must("nft", "flush", "ruleset")
	if found := m.doctor(); found["network"] != "warn" {
		t.Errorf("without a firewall the doctor finds %v", found)
	}
	if found := m.doctor(); found["network"] != "ok" {
		t.Errorf("the firewall is not there again: %v", found)
	}
	m.report(t)
}

// smallDisk puts the state on a disk of its own of two gigabytes, which takes no room while it is empty.
func (m *machine) smallDisk() {
	m.t.Helper()
	image := filepath.Join(filepath.Dir(m.state), "disk")
	m.must("truncate", "-s", "2G", image)
	m.must("mkfs.ext4", "-q", "-m", "0", image)
	m.must("mkdir", "-p", m.state)
	m.must("mount", "-o", "loop", image, m.state)
}

// idleClock makes the machine look as if a time service ran.
func (m *machine) idleClock() {
	m.t.Helper()
	aside := filepath.Join(filepath.Dir(m.state), "aside")
	m.must("sh", "-c", `mkdir "$0" && mount --bind /run/hearth "$0" && mount -t tmpfs tmpfs /run && mkdir -p /run/hearth /run/systemd/timesync && mount --move "$0" /run/hearth`, aside)
}

// warned is an error unless there is a warning with this id.
func (m *machine) warned(id string) error {
	for _, row := range m.rows("warnings") {
		if fmt.Sprint(row["id"]) == id {
			return nil
		}
	}
	return fmt.Errorf("there is no warning %s", id)
}

// doctor is what it finds, by check. Whatever is not well has a remedy.
func (m *machine) doctor() map[string]string {
	m.t.Helper()
	found := make(map[string]string)
	for _, row := range m.rows("doctor") {
		found[fmt.Sprint(row["name"])] = fmt.Sprint(row["result"])
		if result := row["result"]; (result == "warn" || result == "fail") && row["remedy"] == "" {
			m.t.Errorf("no remedy for %v", row)
		}
	}
	return found
}

// report looks into a report: the daemon's log is there, and no secret.
func (m *machine) report(t *testing.T) {
	_, secret := m.token("canary", "viewer")
	m.must("curl", "-sS", "-o", "/dev/null", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "-H", "Authorization: Bearer "+secret, "http://hearth/api/v1/packages?password="+secret)
	path := filepath.Join(filepath.Dir(m.state), "report.tar.gz")
	m.hearth("bugreport", path)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for archive := tar.NewReader(unpacked); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		raw, readErr := io.ReadAll(archive)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(head.Name, "hearth-report/")] = string(raw)
	}
	if log := files["server/daemon.log"]; !strings.Contains(log, "hearth runs") || !strings.Contains(log, "INFO") {
		t.Errorf("the log of the daemon in the report is %q", log)
	}
	for name, text := range files {
		if strings.Contains(text, secret) {
			t.Errorf("a token is in %s", name)
		}
	}
}

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
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

	m.eventually(30*time.Second, "a warning of the disk", func() error { return m.warned("disk-space") })
	if found := m.doctor(); found["disk"] != "warn" || found["warnings"] != "warn" || found["cgroups"] == "" || found["user-ids"] != "ok" || found["root-image"] != "ok" || found["network"] != "ok" {
		t.Errorf("the doctor finds %v", found)
	}
	if out := m.hearth("system", "capabilities"); strings.Contains(out, "has not synchronised") {
		m.eventually(30*time.Second, "a warning of the clock", func() error { return m.warned("clock") })
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
	m.eventually(30*time.Second, "the disk has room again", func() error {
		if err := m.warned("disk-space"); err == nil {
			return errors.New("the warning stays")
		}
		return nil
	})
	m.logIsShortened(t)
	m.measures(t)

	// The doctor sees what is missing, though the server puts it back at once.
	vandal := m.command("sh", "-c", "while :; do nft flush ruleset; done")
	if err := vandal.Start(); err != nil {
		t.Fatal(err)
	}
	m.eventually(30*time.Second, "the doctor sees that there is no firewall", func() error {
		if found := m.doctor(); found["network"] != "fail" {
			return fmt.Errorf("the doctor finds %v", found)
		}
		return nil
	})
	_ = vandal.Process.Kill()
	_ = vandal.Wait()
	bridge := m.bridge()
	m.must("ip", "link", "delete", bridge)
	m.eventually(30*time.Second, "bridge and firewall are there again", func() error {
		if found := m.doctor(); found["network"] != "ok" {
			return fmt.Errorf("the doctor finds %v", found)
		}
		return nil
	})
	m.must("ip", "link", "show", bridge)
	m.report(t)
}

// logIsShortened has the change log not shortened while the disk is full. The server warns of it, and what the warning
// offers ends it.
func (m *machine) logIsShortened(t *testing.T) {
	t.Helper()
	ballast := filepath.Join(m.state, "ballast")
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Join(fmt.Sprintf("/proc/%d/root", m.holder.Process.Pid), m.state), &disk); err != nil {
		t.Fatal(err)
	}
	const left = 4 << 20
	m.must("fallocate", "-l", fmt.Sprint(int64(disk.Bavail)*disk.Frsize-left), ballast)
	if _, err := m.tryHearth("api", "CompactLog"); err == nil || !strings.Contains(err.Error(), "DISK_FULL") {
		t.Fatalf("on a full disk the log is shortened: %v", err)
	}
	if found := m.doctor(); found["store"] != "warn" {
		t.Errorf("the doctor finds the store %s", found["store"])
	}
	m.must("rm", ballast)
	var button map[string]any
	m.eventually(90*time.Second, "a warning of the change log", func() error {
		for _, row := range m.rows("warnings") {
			if row["id"] == "change-log" {
				button, _ = row["button"].(map[string]any)
				return nil
			}
		}
		return errors.New("there is none")
	})
	method, _ := button["method"].(string)
	request, _ := button["requestJson"].(string)
	if out := m.hearth("api", method, request); !strings.Contains(out, "revisions") {
		t.Errorf("the button %v answers %s", button, out)
	}
	m.eventually(30*time.Second, "the button ends the warning", func() error {
		if err := m.warned("change-log"); err == nil {
			return errors.New("the warning stays")
		}
		return nil
	})
	if found := m.doctor(); found["store"] != "ok" {
		t.Errorf("the doctor finds the store %s", found["store"])
	}
}

// measures looks at what the server tells of itself: calls by method and code, store, feed, front door.
func (m *machine) measures(t *testing.T) {
	t.Helper()
	m.stream("watch")
	if _, err := m.tryHearth("package", "show", "nobody"); err == nil {
		t.Error("there is a package nobody")
	}
	m.eventually(30*time.Second, "figures of everything", func() error {
		text := m.must("curl", "-s", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "http://hearth/metrics")
		for _, want := range []string{
			`(?m)^hearth_calls_total\{code="RESOURCE_EXHAUSTED",method="hearth.diagnostics.v1.DiagnosticsService/CompactLog",wire="grpc"\} 1$`,
			`(?m)^hearth_calls_total\{code="OK",method="hearth.diagnostics.v1.DiagnosticsService/CompactLog",wire="grpc"\} 1$`,
			`(?m)^hearth_calls_total\{code="NOT_FOUND",method="hearth.packages.v1.PackageService/GetPackage",wire="grpc"\} 1$`,
			`(?m)^hearth_call_seconds_count\{method="hearth.diagnostics.v1.DiagnosticsService/CompactLog",wire="grpc"\} 2$`,
			`(?m)^hearth_calls_open\{method="hearth.state.v1.StateService/Watch",wire="grpc"\} 1$`,
			`(?m)^hearth_store_revision [1-9]`, `(?m)^hearth_store_oldest_revision [1-9]`, `(?m)^hearth_store_disk_bytes [1-9]`,
			`(?m)^hearth_door_connected 1$`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				return fmt.Errorf("%s is not in\n%s", want, strings.Join(regexp.MustCompile(`(?m)^hearth_(calls|store|door).*$`).FindAllString(text, -1), "\n"))
			}
		}
		return nil
	})
}

// bridge is the bridge of the services.
func (m *machine) bridge() string {
	m.t.Helper()
	fields := strings.Fields(m.must("ip", "-brief", "link", "show", "type", "bridge"))
	if len(fields) == 0 {
		m.t.Fatal("there is no bridge")
	}
	return fields[0]
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
	out, _ := m.tryHearth("doctor", "--output", "json") // a check that fails is its exit code
	for _, row := range m.decoded(out) {
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

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a service needs is full, gone or damaged: the server says which, makes nothing up in its place, and what a person
// does about it works.
func TestFullMissingAndDamaged(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.smallDisk()
	m.start()
	m.installSample()
	m.greet("precious")

	ballast := filepath.Join(m.state, "ballast")
	fill := func() {
		m.must("sh", "-c", `fallocate -l $(($(stat -f -c '%a * %S' "$1") - 8000000)) "$0"`, ballast, m.state)
	}
	fill()
	m.must("timeout", "60", m.cli, "package", "stop", sample)
	m.must("rm", ballast)

	// An update that cannot go on because of the disk is taken back on that disk.
	m.hearth("package", "start", sample)
	m.greet("hang")
	before := m.contents()
	update := m.command("timeout", "120", m.cli, "package", "install", m.next(), "--time-limit", "10s")
	if err := update.Start(); err != nil {
		t.Fatal(err)
	}
	m.eventually(60*time.Second, "the new version migrates the data", func() error {
		if state := m.pkg(sample)["state"]; state != "initializing" {
			return fmt.Errorf("%v", state)
		}
		return nil
	})
	fill()
	if err := update.Wait(); err == nil || update.ProcessState.ExitCode() == 124 {
		t.Errorf("the update ends with %v", err)
	}
	m.must("rm", ballast)
	m.says("hang")
	if after := m.contents(); after != before {
		t.Errorf("the data were\n%s\nand are\n%s", before, after)
	}
	m.greet("precious")
	m.hearth("package", "stop", sample)

	aside := m.volume() + ".aside"
	m.must("mv", m.volume(), aside)
	for _, verb := range []string{"rebuild", "start"} {
		if _, err := m.tryHearth("package", verb, sample); err == nil || !strings.Contains(err.Error(), "reason: PACKAGE_DATA_MISSING") {
			t.Errorf("%s: %v", verb, err)
		}
	}
	m.must("sh", "-c", `! test -e "$0"`, m.volume())
	m.must("mv", aside, m.volume())
	m.hearth("package", "start", sample)
	m.says("precious")

	m.hearth("package", "stop", sample)
	m.must("sh", "-c", `for at in $(grep -obUaP hsqs "$0" | cut -d: -f1); do printf none | dd of="$0" bs=1 seek=$at conv=notrunc status=none; done`,
		strings.TrimSpace(m.must("sh", "-c", `echo "$0"/artifacts/*.s9pk`, m.state)))
	m.refusedFor("package_file_damaged", "package", "rebuild", sample)
	m.hearth("package", "install", m.first())
	m.hearth("package", "start", sample)
	m.says("precious")
}

// refusedFor has a command fail, and the service show why.
func (m *machine) refusedFor(reason string, args ...string) {
	m.t.Helper()
	if out, err := m.tryHearth(args...); err == nil {
		m.t.Errorf("%v: %s", args, out)
	}
	m.eventually(30*time.Second, "the service shows "+reason, func() error {
		if shown := fmt.Sprint(m.pkg(sample)["fault"]); !strings.Contains(shown, reason) {
			return errors.New(shown)
		}
		return nil
	})
}

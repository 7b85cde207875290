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
	m.must("sh", "-c", `fallocate -l $(($(stat -f -c '%a * %S' "$1") - 8000000)) "$0"`, ballast, m.state)
	m.must("timeout", "60", m.cli, "package", "stop", sample)
	m.must("rm", ballast)

	aside := m.volume() + ".aside"
	m.must("mv", m.volume(), aside)
	m.refusedFor("package_data_missing", "package", "rebuild", sample)
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

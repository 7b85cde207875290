package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebianPackageInstallsInACleanRoot installs the Debian package on a machine that is a fresh Debian with what the
// package depends on and nothing else, runs the sample service there, and takes the package away again: the machine is
// then as before, but for people's data.
func TestDebianPackageInstallsInACleanRoot(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	deb, err := filepath.Abs(filepath.Join(m.bin, "hearth.deb"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(deb); err != nil {
		t.Fatalf("%v: run 'make deb' first", err)
	}
	m.become(cleanRoot(t, dependencies(t, deb)))
	copyInto(t, m, deb, "/tmp/hearth.deb")
	copyInto(t, m, filepath.Join(m.bin, "hello-hearth.s9pk"), "/tmp/hello-hearth.s9pk")

	m.must("dpkg", "--install", "/tmp/hearth.deb")
	units := m.must("sh", "-c", "systemd-analyze verify --man=no /usr/lib/systemd/system/hearth*.service 2>&1 | grep hearth || true")
	if units != "" {
		t.Errorf("systemd says of the units:\n%s", units)
	}
	m.bin, m.cli, m.state = "/usr/lib/hearth", "/usr/bin/hearth", "/var/lib/hearth"
	m.start("--socket", "/run/hearth/hearthd.sock")
	m.must("hearth", "package", "install", "/tmp/hello-hearth.s9pk")
	m.must("sh", "-c", `until hearth package health hello-hearth --output json | grep -q '"success"'; do sleep 0.1; done`)
	page := m.must("curl", "--silent", "--fail", "--cacert", m.root(), m.address("hello-hearth"))
	if !strings.Contains(page, "Hello from Hearth") {
		t.Errorf("the page of the service is %q", page)
	}

	m.must("dpkg", "--remove", "hearth")
	<-m.exited
	m.daemon, m.cleaned = nil, true
	if left := m.must("sh", "-c", "find /usr -name '*hearth*'; ls -A /run/hearth; ip -o link | grep -v ' lo:' || true"); left != "" {
		t.Errorf("removing the package leaves:\n%s", left)
	}
	m.must("dpkg", "--purge", "hearth")
	if left := m.must("sh", "-c", "find /etc -name '*hearth*'"); left != "" {
		t.Errorf("purging the package leaves:\n%s", left)
	}
	m.must("test", "-d", "/var/lib/hearth/volumes/hello-hearth")
}

// dependencies are the packages a .deb needs, by name.
func dependencies(t *testing.T, deb string) []string {
	t.Helper()
	out, err := exec.Command("dpkg-deb", "--field", deb, "Depends").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range strings.Split(string(out), ",") {
		names = append(names, strings.Fields(d)[0])
	}
	return names
}

// cleanRoot is a fresh Debian with packages, systemd and curl, in a folder that goes with the test. The archive it is
// unpacked from is kept in the cache of the build.
func cleanRoot(t *testing.T, packages []string) string {
	t.Helper()
	packages = append(packages, "systemd", "curl", "iproute2")
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	archive, err := filepath.Abs(filepath.Join("../../.cache", "clean-root-"+hex.EncodeToString(sum[:4])+".tar"))
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`set -e
		mkdir -p "$(dirname %[1]s)"
		exec 9>%[1]s.lock
		flock 9
		if [ ! -f %[1]s ]; then
			work=$(mktemp -d)
			trap 'rm -rf --one-file-system "$work"' EXIT
			../../runtime/rootfs/debian "$work/root" minbase %[2]s
			tar --directory "$work/root" --numeric-owner --create --file %[1]s.new --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './dev/*' .
			mv %[1]s.new %[1]s
		fi
		tar --directory %[3]s --numeric-owner --extract --file %[1]s`, archive, strings.Join(packages, ","), root)
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a clean root: %v\n%s", err, out)
	}
	return root
}

// become makes root the file system of the machine, with the devices, processes and control groups of the real one.
func (m *machine) become(root string) {
	m.t.Helper()
	m.must("sh", "-c", `set -e
		cd "$1"
		mount --bind . .
		cd "$1"
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		mount -t tmpfs -o mode=755 tmpfs run
		mkdir -m 711 run/hearth
		mkdir -p mnt
		pivot_root . mnt
		umount -l mnt`, "sh", root)
}

// copyInto copies a file of the real machine onto m, which may have another root.
func copyInto(t *testing.T, m *machine, from, to string) {
	t.Helper()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := m.command("sh", "-c", `cat >"$1"`, "sh", to)
	cmd.Stdin = file
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot copy %s: %v\n%s", from, err, out)
	}
}

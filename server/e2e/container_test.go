package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// inside runs a program in the container of a package, as its root, within its limits.
func (m *machine) inside(pkg string, args ...string) (string, error) {
	m.t.Helper()
	return m.run("sh", m.enter(pkg, args...)...)
}

// enter is what a shell runs to become a program in the container of a package.
func (m *machine) enter(pkg string, args ...string) []string {
	m.t.Helper()
	group := fmt.Sprintf("hearth/%s/payload/%s", m.tag(), pkg)
	const script = eldest + `pid=; for d in /sys/fs/cgroup /sys/fs/cgroup/*; do f=$d/$0/cgroup.procs; [ -f "$f" ] || continue
		[ -n "$pid" ] || pid=$(eldest "$f"); echo $$ > "$f"; done
		exec nsenter -t "$pid" -U -m -u -p -n -i -C -- "$@"`
	return append([]string{"-c", script, group}, args...)
}

// eldest tells a shell how to find the first process of a control group, which is the init of a container: of two processes
// the number of the later one is the smaller where numbers have begun anew.
const eldest = `eldest() { for p in $(cat "$1"); do s=$(cat "/proc/$p/stat" 2>/dev/null) && set -- $1 ${s##*) } && echo "${21} $p"; done | sort -n | head -n1 | cut -d' ' -f2; }
`

// A subcontainer has copies of the container's devices; taking it away must not take the originals along.
func TestDevicesOutliveSubcontainers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	m.hearth("package", "stop", sample) // destroys the subcontainer of its main
	if out, err := m.inside(sample, "sh", "-c", "test -c /dev/null && test -d /sys/class && test -c /dev/ptmx"); err != nil {
		t.Errorf("the container has lost its devices: %v\n%s", err, out)
	}
}

// A package gets the devices its manifest asks for, also in its subcontainers, and no others.
func TestDevicesOnRequest(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/dev/fuse", "/dev/net/tun"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("this machine has no %s", path)
		}
	}
	m := newMachine(t)
	m.start()
	m.installSample()
	m.hearth("package", "install", m.packTwin(`"userspaceFilesystems":false`, `"userspaceFilesystems":true`, `"virtualNetworking":false`, `"virtualNetworking":true`))
	m.healthy(twin)
	const look = "for d in /dev/fuse /dev/net/tun; do exec 3<>$d && echo $d; done; cd /media/startos/subcontainers; ls -d */dev/fuse */dev/net/tun | wc -l"
	out, err := m.inside(twin, "sh", "-c", look)
	if err != nil || !strings.HasPrefix(out, "/dev/fuse\n/dev/net/tun\n") || strings.HasSuffix(out, "\n0\n") {
		t.Errorf("the devices are not there: %v\n%s", err, out)
	}
	if out, _ := m.inside(sample, "sh", "-c", "ls /dev/fuse /dev/net/tun"); out != "" {
		t.Errorf("a package that asks for no devices has %s", out)
	}
}

// What the host put into a container cannot be changed from inside, and the container reaches nothing that is not its own.
func TestContainerIsShutIn(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	for what, script := range map[string]string{
		"remount the JavaScript host writable": `mount -o remount,rw,bind /usr/lib/hearth/jshost`,
		"write to the JavaScript host":         `touch /usr/lib/hearth/jshost/index.mjs`,
		"write to the agent":                   `echo >> /usr/lib/hearth/agent`,
		"write to the package's code":          `touch /usr/lib/startos/package/index.js`,
		"take the package's code away":         `umount /usr/lib/startos/package`,
		"call the daemon without a token":      `curl -ksf --max-time 5 https://10.0.3.1:8443/api/v1/packages`,
		"reach native gRPC":                    `curl -ksf --max-time 5 https://10.0.3.1:5961/`,
		"make a device":                        `mknod /tmp/sda b 8 0`,
	} {
		if out, err := m.inside(sample, "sh", "-c", script); err == nil {
			t.Errorf("the container can %s: %s", what, out)
		}
	}
	if owner := strings.TrimSpace(m.must("stat", "-c", "%u", m.state+"/volumes/"+sample+"/main/settings.json")); owner != "0" {
		t.Errorf("a file that the container's root wrote belongs to %s on disk, want 0", owner)
	}
}

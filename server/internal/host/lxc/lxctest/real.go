package lxctest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
	"github.com/hearthos/hearth/server/internal/hostcmd"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// IDBase is the first host id of containers that Machine prepares.
const IDBase = 1_200_000

// Bridge is the bridge that Machine makes, with GatewayAddress.
const Bridge = "hbr0"

// GatewayAddress is the host's address on Bridge.
var GatewayAddress = netip.MustParseAddr("10.0.3.1")

// Machine is a place for real containers: a run directory, a bridge and a mini root whose /usr is the machine's own. The
// test has to run under mounttest.Main.
type Machine struct {
	Config lxc.Config
	Mounts *mount.Mounter
	// Image is the root of containers. A test may replace it by one that has its own /usr.
	Image mount.Squashfs
	mini  mount.Squashfs
}

// NewMachine prepares a Machine; it is taken down, with all its containers, at the end of the test.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	testenv.Require(t, "root", "lxc", "netns", "squashfs")
	dir := mounttest.RunDir(t)
	m := &Machine{
		Config: lxc.Config{Tag: strings.ToLower("t" + filepath.Base(dir)), RunDir: dir, Helper: Helper(t), CgroupParent: "hearth-test"},
		Mounts: mount.New(),
		mini: mount.Squashfs{File: mounttest.Image(t, map[string]string{
			"usr/": "", "etc/": "", "data/": "", "tmp/": "", "proc/": "", "sys/": "", "dev/": "", "srv/": "", "media/": "",
			"bin": "->usr/bin", "sbin": "->usr/sbin", "lib": "->usr/lib", "lib64": "->usr/lib64",
		})},
	}
	m.Image = m.mini
	if err := m.Mounts.Ensure(dir+"/usr", mount.Bind{Path: "/usr", Recursive: true}, mount.Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	makeBridge(t)
	t.Cleanup(func() {
		r := m.Open(t)
		if err := r.Purge(context.Background(), 0); err != nil {
			t.Error(err)
		}
		r.Close()
		m.Mounts.Close()
		if err := mount.UnmountBelow(dir); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Open returns a Runtime on the machine, as a daemon after its restart does.
func (m *Machine) Open(t testing.TB) *lxc.Runtime {
	t.Helper()
	r, err := lxc.New(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Spec mounts a root for the container and returns a Spec that runs the shell script as its init. Addresses derive from
// the number n.
func (m *Machine) Spec(t testing.TB, name string, n int, script string) lxc.Spec {
	t.Helper()
	dir := filepath.Join(m.Config.RunDir, "c", name)
	if err := m.Mounts.Ensure(dir+"/lower", m.Image, mount.Options{IDMap: idmap.Base(IDBase), NoDev: true}); err != nil {
		t.Fatal(err)
	}
	// The upper folder lies on disk: overlays cannot have it on the run directory's tmpfs and keep extended attributes.
	upper := t.TempDir()
	overlay := mount.Overlay{Lower: []string{dir + "/lower"}, Upper: upper + "/up", Work: upper + "/work", Owner: IDBase}
	if err := m.Mounts.Ensure(dir+"/root", overlay, mount.Options{}); err != nil {
		t.Fatal(err)
	}
	s := lxc.Spec{
		Name: name, Rootfs: dir + "/root", IDBase: IDBase, Hostname: name,
		Init: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"},
		ConsoleLog: filepath.Join(m.Config.RunDir, "c", name, "console"),
		Network: &lxc.Network{
			Interface: fmt.Sprintf("hv%d", n), Bridge: Bridge, Gateway: GatewayAddress,
			Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 3, byte(n)}), 24),
		},
	}
	if m.Image == m.mini {
		s.Mounts = []lxc.Mount{{Source: m.Config.RunDir + "/usr", Target: "/usr"}}
	}
	return s
}

// Polite is an init script that ends on SIGTERM; Stubborn is one that ignores it.
const (
	Polite   = `trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done`
	Stubborn = `trap '' TERM; echo ready; while :; do sleep 1000; done`
)

// Ready returns when the container, whose init is Polite or Stubborn, has set its traps: the kernel drops signals to an
// init that does not handle them.
func (m *Machine) Ready(t testing.TB, s lxc.Spec) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(s.ConsoleLog)
		if err == nil && strings.Contains(string(data), "ready") {
			// The next start appends to it.
			if err := os.Truncate(s.ConsoleLog, 0); err != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("container %s does not get ready: %q, %v", s.Name, data, err)
		}
	}
}

// makeBridge makes the bridge in the test's network namespace, once.
var makeBridge = func() func(testing.TB) {
	var once sync.Once
	return func(t testing.TB) {
		t.Helper()
		once.Do(func() {
			b := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: Bridge}}
			if err := netlink.LinkAdd(b); err != nil {
				t.Fatal(err)
			}
			addr, err := netlink.ParseAddr(GatewayAddress.String() + "/24")
			if err != nil {
				t.Fatal(err)
			}
			if err := netlink.AddrAdd(b, addr); err != nil {
				t.Fatal(err)
			}
			if err := netlink.LinkSetUp(b); err != nil {
				t.Fatal(err)
			}
		})
	}
}()

// Helper builds hearth-lxc, once a test run.
func Helper(t testing.TB) string {
	t.Helper()
	path, err := buildHelper()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildHelper = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/run", "helper")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "hearth-lxc")
	// A test runs in the folder of its package, so inside the module; where the sources were when this was compiled is
	// not told with -trimpath.
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	c := hostcmd.Cmd{
		Path: "go", Args: []string{"build", "-o", path, "github.com/hearthos/hearth/server/cmd/hearth-lxc"},
		Env: os.Environ(), Dir: here,
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if st, err := os.Stat(filepath.Join(dir, "go")); err == nil && st.Mode().IsRegular() {
			c.Path = filepath.Join(dir, "go")
			break
		}
	}
	return path, hostcmd.Run(context.Background(), c)
})

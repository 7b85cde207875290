package lxc_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

func open(t testing.TB, m *lxctest.Machine) *lxc.Runtime {
	r := m.Open(t)
	t.Cleanup(func() { r.Close() })
	return r
}

func start(t testing.TB, r *lxc.Runtime, s lxc.Spec) lxc.Container {
	t.Helper()
	c, err := r.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContainerIsWhatItsSpecSays(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "identity", 100)
	s.Hostname = "hello-world"
	s.Rlimits = []lxc.Rlimit{{Name: "nofile", Soft: 512, Hard: 1024}}
	s.Env = append(s.Env, "GREETING=two words, \"quoted\" = $HOME")
	s.Network.Address6 = netip.MustParsePrefix("fd00:3::64/64")
	s.Mounts = append(s.Mounts, lxc.Mount{Source: s.Mounts[len(s.Mounts)-1].Source, Target: "/srv/two words"})
	start(t, r, s)
	for command, want := range map[string]string{
		"id -u; id -g":                                          "0\n0",
		"cat /proc/1/uid_map | tr -s ' '":                       fmt.Sprintf("0 %d 65536", lxctest.IDBase),
		"cat /proc/1/gid_map | tr -s ' '":                       fmt.Sprintf("0 %d 65536", lxctest.IDBase),
		"hostname":                                              "hello-world",
		"echo $GREETING":                                        `two words, "quoted" = $HOME`,
		"echo $$ > /dev/null; cat /proc/1/comm":                 "sh",
		"grep Seccomp: /proc/1/status":                          "Seccomp:\t2",
		"ip -4 -o addr show dev eth0 | grep -o 'inet [0-9./]*'": "inet 10.0.3.100/24",
		"ip -6 -o addr show dev eth0 scope global | grep -o 'fd00[^ ]*'": "fd00:3::64/64",
		"ip route show default":                                                        "default via 10.0.3.1 dev eth0",
		"ip link show lo | grep -o 'LOOPBACK,UP'":                                      "LOOPBACK,UP",
		"cat /sys/class/net/eth0/address":                                              lxc.MAC(m.Config.Tag, "identity").String(),
		"env | cut -d= -f1 | sort | tr '\\n' ' '":                                      "GREETING LANG PATH PWD container",
		"touch /etc/new && stat -c %u:%a /etc/new":                                     "0:644",
		"test -w /dev/null && test -c /dev/urandom && ls /dev/pts/ptmx":                "/dev/pts/ptmx",
		"mount -t tmpfs x /tmp && touch /tmp/y && umount /tmp && echo ok":              "ok",
		"ulimit -n; ulimit -Hn":                                                        "512\n1024",
		"df --output=fstype /dev/shm /dev/mqueue | tail -n 2; stat -c %a /dev/shm":     "tmpfs\nmqueue\n1777",
		"head -c 10000000 /dev/zero > /dev/shm/segment && stat -c %s /dev/shm/segment": "10000000",
		"ls '/srv/two words/.cmd'":                                                     "/srv/two words/.cmd",
		"mknod /tmp/sda b 8 0 2>/dev/null || echo refused":                             "refused",
	} {
		if got := con.Must(t, command); got != want {
			t.Errorf("%s:\n got %q\nwant %q", command, got, want)
		}
	}
}

func TestContainerReachesTheHost(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "network", 101)
	start(t, r, s)
	l, err := net.Listen("tcp", lxctest.GatewayAddress.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello from "+c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	got := con.Must(t, fmt.Sprintf("bash -c 'exec 3<>/dev/tcp/%s/%d && cat <&3'", lxctest.GatewayAddress, port))
	if got != "hello from 10.0.3.101" {
		t.Errorf("got %q", got)
	}
}

func TestVolumeHasPlainOwnersAndRootIsThrownAway(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "volume", 102)
	start(t, r, s)
	con.Must(t, "echo kept > /data/f && chown 33:44 /data/f && echo lost > /etc/f")
	st, err := os.Stat(con.Volume + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 33 || sys.Gid != 44 {
		t.Errorf("on disk %d:%d", sys.Uid, sys.Gid)
	}
	if _, err := os.Stat("/etc/f"); err == nil {
		t.Error("the container wrote to the machine")
	}
}

func TestLimitsAreEnforced(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "limits", 103)
	s.Limits = lxc.Limits{
		Memory: 64 << 20, CPU: 500, CPUWeight: 50, PIDs: 40,
		IO: []lxc.IOLimit{{Major: 254, Minor: 0, Read: 50 << 20, Write: 50 << 20}},
	}
	throttled(t, start(t, r, s), "254:0", 50<<20)
	if out, code := con.Run(t, "head -c 100000000 /dev/zero | tail | wc -c"); strings.Contains(out, "100000000") {
		t.Errorf("a process held 100 MB: %q, %d", out, code)
	}
	if out, code := con.Run(t, "i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i+1)); done; wait"); code == 0 {
		t.Errorf("sixty processes ran: %s", out)
	}
	// What the last command could start is killed with its shell's children; the container itself lives.
	if out := con.Must(t, "kill -9 -1; echo alive"); !strings.HasSuffix(out, "alive") {
		t.Errorf("got %q", out)
	}
	u, err := r.Usage("limits")
	if err != nil {
		t.Fatal(err)
	}
	if u.Memory > 64<<20 || u.MemoryLimit != 64<<20 || u.PIDs > 40 {
		t.Errorf("usage %+v", u)
	}
}

// throttled sees that the limits of reading and writing have reached the control group, of whichever generation it is.
func throttled(t *testing.T, c lxc.Container, device string, bytes int) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.InitPID))
	if err != nil {
		t.Fatal(err)
	}
	type limit struct{ dir, file, want string }
	var limits []limit
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if f[1] == "blkio" {
			for _, name := range []string{"read", "write"} {
				limits = append(limits, limit{"/sys/fs/cgroup/blkio" + f[2], "blkio.throttle." + name + "_bps_device", fmt.Sprintf("%s %d", device, bytes)})
			}
		}
		if raw, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); f[1] == "" && strings.Contains(string(raw), "io") {
			limits = append(limits, limit{"/sys/fs/cgroup" + f[2], "io.max", fmt.Sprintf("%s rbps=%d wbps=%d", device, bytes, bytes)})
		}
	}
	for _, l := range limits {
		got := ""
		for _, dir := range []string{l.dir, filepath.Dir(l.dir)} { // the container may have a group within the one that is limited
			raw, _ := os.ReadFile(filepath.Join(dir, l.file))
			got += string(raw)
		}
		if !strings.Contains(got, l.want) {
			t.Errorf("%s is %q, want %q", l.file, got, l.want)
		}
	}
	if len(limits) == 0 {
		t.Log("this kernel has no control of reading and writing")
	}
}

func TestSubcontainerRootIsInjected(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "subs", 104)
	c := start(t, r, s)
	image := mount.Squashfs{File: mounttest.Image(t, map[string]string{
		"etc/os-release": "ID=guest", "usr/": "", "proc/": "", "var/lib/": "", "bin": "->usr/bin", "lib": "->usr/lib", "lib64": "->usr/lib64",
	})}
	dir := m.Config.RunDir + "/c/subs/images/guest"
	if err := m.Mounts.Ensure(dir, image, mount.Options{IDMap: idmap.Base(lxctest.IDBase), NoDev: true}); err != nil {
		t.Fatal(err)
	}
	p, err := lxc.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	upper := t.TempDir()
	root, err := m.Mounts.Open(mount.Overlay{Lower: []string{dir}, Upper: upper + "/up", Work: upper + "/work", Owner: lxctest.IDBase}, mount.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const at = "/media/subcontainers/guid"
	if err := p.MountNamespace().Attach(root, mount.Target{Path: at, Owner: lxctest.IDBase}); err != nil {
		t.Fatal(err)
	}
	usr, err := m.Mounts.Open(mount.Bind{Path: "/usr", Recursive: true}, mount.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer usr.Close()
	if err := p.MountNamespace().Attach(usr, mount.Target{Path: at + "/usr", Owner: lxctest.IDBase}); err != nil {
		t.Fatal(err)
	}
	got := con.Must(t, "unshare --pid --fork --mount-proc="+at+"/proc chroot "+at+" sh -c 'cat /etc/os-release; echo; echo $$; touch /var/lib/state; stat -c %u /var/lib/state; ls /proc | grep -c ^[0-9]'")
	if want := "ID=guest\n1\n0\n"; !strings.HasPrefix(got, want) {
		t.Errorf("subcontainer says %q", got)
	}
	if _, err := os.Stat(upper + "/up/var/lib/state"); err != nil {
		t.Error(err)
	}
	if err := p.MountNamespace().Detach(at); err != nil {
		t.Fatal(err)
	}
	if out := con.Must(t, "ls -A "+at); out != "" {
		t.Errorf("after Detach: %q", out)
	}
}

func TestDevicesBelongToTheContainersRoot(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("needs /dev/fuse")
	}
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "devices", 105)
	s.Devices = []lxc.Device{{Path: "/dev/fuse", Mode: 0o660}, {Path: "/dev/net/tun", Mode: 0o666}}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		s.Devices = s.Devices[:1]
	}
	start(t, r, s)
	if got := con.Must(t, "stat -c %u:%g:%a:%t,%T /dev/fuse && exec 3<>/dev/fuse && echo open"); got != "0:0:660:a,e5\nopen" {
		t.Errorf("got %q", got)
	}
	if l, err := mount.List(m.Config.RunDir + "/dev"); err != nil || len(l) != 0 {
		t.Errorf("the host keeps %+v, %v", l, err)
	}
	s.Devices = []lxc.Device{{Path: "/dev/shm"}}
	s.Name = "other"
	if _, err := r.Start(t.Context(), s); !errors.Is(err, lxc.ErrInvalid) {
		t.Errorf("a folder as device: %v", err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "gone", 106)
	c := start(t, r, s)
	con.Must(t, "mkdir /sys/fs/cgroup/deep 2>/dev/null; setsid sleep 1000 & unshare --pid --fork sleep 1000 & mount -t tmpfs x /srv; echo ok")
	if err := r.Stop(t.Context(), "gone", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := lxc.Open(c); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("init: %v", err)
	}
	assertNoCgroup(t, m, "gone")
	dir := m.Config.RunDir + "/c/gone"
	loop := ""
	if l, err := mount.List(dir + "/lower"); err == nil && len(l) == 1 {
		loop = filepath.Base(l[0].Source)
	}
	if err := mount.UnmountBelow(dir); err != nil {
		t.Fatal(err)
	}
	// The last reference of the overlay goes with the container's mount namespace, which the kernel drops in the
	// background.
	eventually(t, "loop device "+loop+" is free", func() bool {
		_, err := os.Stat("/sys/block/" + loop + "/loop/backing_file")
		return err != nil
	})
	eventually(t, "interface is gone", func() bool {
		_, err := netlink.LinkByName(s.Network.Interface)
		return errors.As(err, new(netlink.LinkNotFoundError))
	})
}

// eventually waits for something the kernel does by itself and gives no event for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func assertNoCgroup(t *testing.T, m *lxctest.Machine, name string) {
	t.Helper()
	left, err := filepath.Glob("/sys/fs/cgroup/*/" + m.Config.CgroupParent + "/" + m.Config.Tag + "/*/" + name + "*")
	if err != nil {
		t.Fatal(err)
	}
	pure, _ := filepath.Glob("/sys/fs/cgroup/" + m.Config.CgroupParent + "/" + m.Config.Tag + "/*/" + name + "*")
	if left = append(left, pure...); len(left) > 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func TestDeathOfTheMonitorEndsTheContainer(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	s := m.Spec(t, "orphan", 107, lxctest.Polite)
	c := start(t, r, s)
	pids := monitorPIDs(t, m, "orphan")
	if len(pids) == 0 {
		t.Fatal("found no monitor")
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Wait(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := r.Stop(t.Context(), "orphan", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	assertNoCgroup(t, m, "orphan")
	start(t, r, s)
}

func monitorPIDs(t testing.TB, m *lxctest.Machine, name string) []int {
	t.Helper()
	var pids []int
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		data, err := os.ReadFile(filepath.Join(root, m.Config.CgroupParent, m.Config.Tag, "monitor", name, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(data)) {
			var pid int
			if _, err := fmt.Sscan(f, &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestRefusedStartsSayWhyAndLeaveNothing(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	for name, tc := range map[string]struct {
		change func(*lxc.Spec)
		want   string
	}{
		"bridge": {func(s *lxc.Spec) { s.Network.Bridge = "absent0" }, "bridge"},
		"rootfs": {func(s *lxc.Spec) { s.Rootfs = "/run/absent" }, "/run/absent"},
		"source": {func(s *lxc.Spec) { s.Mounts = append(s.Mounts, lxc.Mount{Source: "/run/absent", Target: "/x"}) }, "/run/absent"},
		"init":   {func(s *lxc.Spec) { s.Init = []string{"/absent/init"} }, ""},
	} {
		s := m.Spec(t, "refused-"+name, 108, lxctest.Polite)
		tc.change(&s)
		_, err := r.Start(t.Context(), s)
		var refused *lxc.StartError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %v", name, err)
		if !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 3000 {
			t.Errorf("%s: %v", name, err)
		}
		assertNoCgroup(t, m, s.Name)
	}
	if l, err := r.List(); err != nil || len(l) != 0 {
		t.Errorf("listed %v, %v", l, err)
	}
}

func TestInitThatEndsAtOnceIsNoContainer(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	s := m.Spec(t, "short", 111, "exit 3")
	// Whether Start still saw it run is up to the scheduler.
	c, err := r.Start(t.Context(), s)
	if err == nil {
		err = r.Wait(t.Context(), c)
	} else if errors.As(err, new(*lxc.StartError)) {
		err = nil
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := r.Adopt("short"); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("adopt: %v", err)
	}
}

func TestLongestNamesFit(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	name := strings.Repeat("n", 63)
	s := m.Spec(t, name, 109, lxctest.Polite)
	start(t, r, s)
	if err := r.Stop(t.Context(), name, 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestConsoleLogHoldsWhatInitPrinted(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	s := m.Spec(t, "prints", 110, "echo about to fail; "+lxctest.Polite)
	start(t, r, s)
	eventually(t, "console log", func() bool {
		data, err := os.ReadFile(s.ConsoleLog)
		return err == nil && strings.Contains(string(data), "about to fail")
	})
}

package lxc

import (
	"fmt"
	"net"
	"path"
	"strings"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"
)

// seccompProfile comes with liblxc: it refuses loading kernels and modules and opening files by handle.
const seccompProfile = "/usr/share/lxc/config/common.seccomp"

// items renders s for liblxc. The container keeps all capabilities of its own user namespace, which are worth nothing
// outside of it; /proc and /sys are writable as far as the kernel lets that namespace, because an overmounted /proc
// would forbid the fresh one that every subcontainer mounts.
func (r *Runtime) items(s Spec) []lxcwire.Item {
	var out []lxcwire.Item
	add := func(key, format string, args ...any) {
		out = append(out, lxcwire.Item{Key: "lxc." + key, Value: fmt.Sprintf(format, args...)})
	}
	add("uts.name", "%s", s.Hostname)
	add("rootfs.path", "dir:%s", s.Rootfs)
	add("idmap", "u 0 %d %d", s.IDBase, idmap.Range)
	add("idmap", "g 0 %d %d", s.IDBase, idmap.Range)
	add("cgroup.dir.container", "%s", r.payload(s.Name))
	add("cgroup.dir.monitor", "%s", r.monitor(s.Name))
	add("cgroup.dir.monitor.pivot", "%s", r.pivotDir())
	add("mount.auto", "proc:rw sys:rw cgroup:mixed")
	add("seccomp.profile", "%s", seccompProfile)
	add("apparmor.profile", "unconfined")
	add("tty.max", "0")
	add("pty.max", "1024")
	add("log.file", "%s", r.logFile(s.Name))
	add("log.level", "INFO")
	if s.ConsoleLog == "" {
		add("console.path", "none")
	} else {
		add("console.logfile", "%s", s.ConsoleLog)
		add("console.size", "%d", 128<<10)
	}
	// A system's own init would mount these; databases share memory through the first.
	add("mount.entry", "shm dev/shm tmpfs rw,nosuid,nodev,mode=1777,create=dir 0 0")
	add("mount.entry", "mqueue dev/mqueue mqueue rw,nosuid,nodev,noexec,create=dir,optional 0 0")
	for _, m := range s.Mounts {
		out = append(out, entry(m.Source, m.Target, m.File))
	}
	for _, d := range s.Devices {
		out = append(out, entry(r.devicePath(s.Name, d), d.Path, true))
	}
	for _, kv := range s.Env {
		add("environment", "%s", kv)
	}
	for _, l := range s.Rlimits {
		add("prlimit."+l.Name, "%d:%d", l.Soft, l.Hard)
	}
	out = append(out, r.networkItems(s)...)
	return append(out, r.limitItems(s.Limits)...)
}

var fstabEscaper = strings.NewReplacer(" ", `\040`, "\t", `\011`, `\`, `\134`)

func entry(source, target string, file bool) lxcwire.Item {
	create := "dir"
	if file {
		create = "file"
	}
	return lxcwire.Item{Key: "lxc.mount.entry", Value: fmt.Sprintf("%s %s none rbind,create=%s 0 0",
		fstabEscaper.Replace(source), fstabEscaper.Replace(strings.TrimPrefix(target, "/")), create)}
}

// devicePath is where the container's copy of a device lies on the host.
func (r *Runtime) devicePath(name string, d Device) string {
	return path.Join(r.deviceDir(name), strings.ReplaceAll(strings.TrimPrefix(d.Path, "/dev/"), "/", "_"))
}

func (r *Runtime) networkItems(s Spec) []lxcwire.Item {
	n := s.Network
	if n == nil {
		return []lxcwire.Item{{Key: "lxc.net.0.type", Value: "empty"}}
	}
	mac := n.MAC
	if mac == nil {
		mac = MAC(r.cfg.Tag, s.Name)
	}
	out := []lxcwire.Item{
		{Key: "lxc.net.0.type", Value: "veth"},
		{Key: "lxc.net.0.link", Value: n.Bridge},
		{Key: "lxc.net.0.flags", Value: "up"},
		{Key: "lxc.net.0.name", Value: "eth0"},
		{Key: "lxc.net.0.veth.pair", Value: n.Interface},
		{Key: "lxc.net.0.hwaddr", Value: net.HardwareAddr(mac).String()},
		{Key: "lxc.net.0.ipv4.address", Value: n.Address.String()},
		{Key: "lxc.net.0.ipv4.gateway", Value: n.Gateway.String()},
	}
	if n.Address6.IsValid() {
		out = append(out, lxcwire.Item{Key: "lxc.net.0.ipv6.address", Value: n.Address6.String()})
	}
	if n.Gateway6.IsValid() {
		out = append(out, lxcwire.Item{Key: "lxc.net.0.ipv6.gateway", Value: n.Gateway6.String()})
	}
	if n.MTU > 0 {
		out = append(out, lxcwire.Item{Key: "lxc.net.0.mtu", Value: fmt.Sprint(n.MTU)})
	}
	return out
}

// limitItems sets each limit in the generation of cgroups that has its controller here: liblxc refuses to start when
// asked for a controller that does not exist.
func (r *Runtime) limitItems(l Limits) []lxcwire.Item {
	var out []lxcwire.Item
	for _, s := range l.settings() {
		if s.optional {
			continue // see limitIO
		}
		if _, ok := r.cgroups.v1[s.controller1()]; ok {
			out = append(out, lxcwire.Item{Key: "lxc.cgroup." + s.file1, Value: s.value1})
		}
		if r.cgroups.v2Has[s.controller] && s.file2 != "" {
			out = append(out, lxcwire.Item{Key: "lxc.cgroup2." + s.file2, Value: s.value2})
		}
	}
	return out
}

func (s setting) controller1() string {
	if s.controller1Alternate != "" {
		return s.controller1Alternate
	}
	return s.controller
}

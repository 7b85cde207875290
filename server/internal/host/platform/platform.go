// Package platform tells what the machine is and what it offers, and for what it lacks, why.
//
// It deliberately changes nothing and decides nothing: who needs a capability asks, or tries and fails with a reason.
// Each look is made anew; devices come and go.
//
// A server stands on one of three: its own image (the machine is its own), a machine of somebody's choice (hosted), or a
// sandbox without the rights to run services.
package platform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/hearthos/hearth/server/internal/host/clock"
	"golang.org/x/sys/unix"
)

// Mode is what the server stands on.
type Mode int

// The modes.
const (
	// Unchosen is no mode: the machine decides.
	Unchosen Mode = iota
	Sandbox
	Hosted
	Image
)

// Platform is what the server stands on.
type Platform struct {
	Mode                     Mode
	Detail                   string // how that was found out
	OS, Kernel, Architecture string
}

// Capability is something the machine may or may not offer.
type Capability struct {
	Name      string
	Available bool
	Detail    string // how, or why not
	Purpose   string
	Remedy    string // what to do to have it; empty where it cannot be had
}

// Machine is where to look.
type Machine struct {
	// Root is the machine's file system; "/" but in tests.
	Root string
	// UID is the user the server runs as.
	UID int
	// StateDir is the server's state folder, BinDir that of its programs.
	StateDir, BinDir string
	// Chosen is the mode the server was told to run in.
	Chosen Mode
}

// Here is the machine of this process.
func Here(stateDir, binDir string) Machine {
	return Machine{Root: "/", UID: os.Geteuid(), StateDir: stateDir, BinDir: binDir}
}

func (m Machine) path(path string) string { return filepath.Join(m.Root, path) }

func (m Machine) has(path string) bool {
	_, err := os.Stat(m.path(path))
	return err == nil
}

// imageVariant marks the server's own image in /etc/os-release.
const imageVariant = "hearth"

// Platform tells what the server stands on.
func (m Machine) Platform() Platform {
	var u unix.Utsname
	p := Platform{OS: "unknown", Kernel: "unknown", Architecture: "unknown"}
	if unix.Uname(&u) == nil {
		p.Kernel, p.Architecture = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	release := m.release()
	if name := release["PRETTY_NAME"]; name != "" {
		p.OS = name
	}
	switch {
	case m.Chosen == Sandbox:
		p.Mode, p.Detail = Sandbox, "the server was started with --mode sandbox: services are played"
	case m.Chosen != Unchosen:
		p.Mode, p.Detail = m.Chosen, "the server was started with that --mode"
	case m.UID != 0:
		p.Mode, p.Detail = Sandbox, fmt.Sprintf("the server runs as user %d: without root it runs no services", m.UID)
	case release["VARIANT_ID"] == imageVariant:
		p.Mode, p.Detail = Image, "the machine runs the server's own image"
	default:
		p.Mode, p.Detail = Hosted, "the server runs as root on a system of its owner's choice"
	}
	return p
}

// release reads /etc/os-release.
func (m Machine) release() map[string]string {
	raw, err := os.ReadFile(m.path("etc/os-release"))
	if err != nil {
		raw, _ = os.ReadFile(m.path("usr/lib/os-release")) // absent: nothing is known
	}
	values := make(map[string]string)
	for line := range strings.Lines(string(raw)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		values[key] = strings.Trim(value, "'")
	}
	return values
}

// Capabilities looks at everything, in the order people read it. It returns within ctx.
func (m Machine) Capabilities(ctx context.Context) []Capability {
	looks := []struct {
		name, purpose string
		look          func() (detail, lack, remedy string)
	}{
		{"containers", "running services", m.containers},
		{"resolver", "names for services, at the bridge", m.resolver},
		{"cgroup", "limits of services", m.cgroup},
		{"user-namespaces", "services without rights on the machine", m.userNamespaces},
		{"squashfs-idmap", "images of packages, seen with the owners of their service", m.squashfs},
		{"loop", "opening package files in place", m.device("dev/loop-control", "modprobe loop")},
		{"nftables", "keeping services apart", m.nftables},
		{"reflink", "snapshots of data that take no room", m.reflink},
		{"fuse", "file systems in user space", m.device("dev/fuse", "modprobe fuse")},
		{"tun", "virtual networks", m.device("dev/net/tun", "modprobe tun")},
		{"wireguard", "virtual private networks", m.wireguard},
		{"wifi", "wireless networks", m.wifi},
		{"graphics", "hardware acceleration", m.device("dev/dri", "")},
		{"kvm", "virtual machines", m.device("dev/kvm", "")},
		{"systemd", "starting with the machine", m.systemd},
		{"clock", "a clock that is kept right", m.clock},
		{"apparmor", "a further fence around services", m.apparmor},
	}
	list := make([]Capability, 0, len(looks))
	for _, l := range looks {
		if ctx.Err() != nil {
			break
		}
		detail, lack, remedy := l.look()
		c := Capability{Name: l.name, Purpose: l.purpose, Available: lack == "", Detail: detail}
		if lack != "" {
			c.Detail, c.Remedy = lack, remedy
		}
		list = append(list, c)
	}
	return list
}

func (m Machine) containers() (detail, lack, remedy string) {
	switch {
	case m.Chosen == Sandbox:
		return "", played, realMode
	case m.UID != 0:
		return "", "the server does not run as root", "Run hearthd as root."
	case !m.exists(filepath.Join(m.BinDir, "hearth-lxc")):
		return "", "hearth-lxc is missing in " + m.BinDir, "Install the server whole."
	case !m.exists(filepath.Join(m.BinDir, "rootfs.squashfs")):
		return "", "rootfs.squashfs is missing in " + m.BinDir, "Install the server whole."
	}
	if _, lack, remedy = m.userNamespaces(); lack != "" {
		return "", lack, remedy
	}
	return "unprivileged LXC", "", ""
}

// What is told of what a sandbox plays, and what to do to have it.
const (
	played   = "the sandbox plays services; nothing of a package runs"
	realMode = "Run hearthd as root, without --mode sandbox."
)

// resolver answers at the bridge, on a port that only root has.
func (m Machine) resolver() (detail, lack, remedy string) {
	switch {
	case m.Chosen == Sandbox:
		return "", "the sandbox has no bridge and answers no names", realMode
	case m.UID != 0:
		return "", "the server does not run as root", "Run hearthd as root."
	}
	return "at the bridge", "", ""
}

// exists is for paths that are given whole.
func (m Machine) exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (m Machine) cgroup() (detail, lack, remedy string) {
	switch {
	case m.has("sys/fs/cgroup/cgroup.controllers"):
		return "version 2", "", ""
	case m.has("sys/fs/cgroup/memory"):
		return "version 1", "", ""
	}
	return "", "no control groups are mounted at /sys/fs/cgroup", "Mount them, as systemd does."
}

func (m Machine) userNamespaces() (detail, lack, remedy string) {
	raw, err := os.ReadFile(m.path("proc/sys/user/max_user_namespaces"))
	if err != nil {
		return "", "the kernel has no user namespaces", "Use a kernel of Debian."
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err != nil || n == 0 {
		return "", "the kernel allows no user namespaces", "Set the sysctl user.max_user_namespaces to its default."
	}
	return "allowed", "", ""
}

// idmapRelease is the first kernel that gives a squashfs other owners.
var idmapRelease = [2]int{6, 2}

func (m Machine) squashfs() (detail, lack, remedy string) {
	have, release := m.kernel()
	if have[0] < idmapRelease[0] || have[0] == idmapRelease[0] && have[1] < idmapRelease[1] {
		return "", fmt.Sprintf("kernel %s is older than %d.%d", release, idmapRelease[0], idmapRelease[1]), "Install a newer kernel, as from Debian's backports."
	}
	if raw, err := os.ReadFile(m.path("proc/filesystems")); err == nil && strings.Contains(string(raw), "\tsquashfs\n") {
		return "kernel " + release, "", ""
	}
	if m.module("squashfs") {
		return "kernel " + release + ", as a module", "", ""
	}
	return "", "the kernel has no squashfs", "Install the kernel's module squashfs."
}

func (m Machine) kernel() (have [2]int, release string) {
	raw, err := os.ReadFile(m.path("proc/sys/kernel/osrelease"))
	if err != nil {
		return have, "unknown"
	}
	release = strings.TrimSpace(string(raw))
	for i, part := range strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' }) {
		if i < len(have) {
			have[i], _ = strconv.Atoi(part) // digits alone
		}
	}
	return have, release
}

// module tells whether a module is loaded, built in, or there to be loaded.
func (m Machine) module(name string) bool {
	if m.has("sys/module/" + name) {
		return true
	}
	_, release := m.kernel()
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		raw, err := os.ReadFile(m.path(filepath.Join("lib/modules", release, list)))
		if err == nil && strings.Contains(string(raw), "/"+name+".ko") {
			return true
		}
	}
	return false
}

// device tells whether a device is there.
func (m Machine) device(path, load string) func() (detail, lack, remedy string) {
	return func() (detail, lack, remedy string) {
		if m.has(path) {
			return "/" + path, "", ""
		}
		if load != "" {
			remedy = "Try '" + load + "'."
		}
		return "", "/" + path + " is missing", remedy
	}
}

// nftables asks the kernel, which answers root alone.
func (m Machine) nftables() (detail, lack, remedy string) {
	switch {
	case m.Chosen == Sandbox:
		return "", "the sandbox has no firewall: no service is there to be kept apart", realMode
	case m.UID != 0:
		return "", "the server does not run as root", "Run hearthd as root."
	}
	conn, err := nftables.New()
	if err == nil {
		_, err = conn.ListTables()
	}
	if err != nil {
		return "", "the kernel does not answer: " + err.Error(), "Try 'modprobe nf_tables'."
	}
	return "the kernel answers", "", ""
}

// reflink tries it, with two files of its own that are gone afterwards.
func (m Machine) reflink() (detail, lack, remedy string) {
	from, err := unnamed(m.StateDir)
	if err != nil {
		return "", "it cannot be tried: " + err.Error(), ""
	}
	defer from.Close()
	to, err := unnamed(m.StateDir)
	if err != nil {
		return "", "it cannot be tried: " + err.Error(), ""
	}
	defer to.Close()
	if _, err := from.Write(make([]byte, 4096)); err != nil {
		return "", "it cannot be tried: " + err.Error(), ""
	}
	if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
		return "", "the file system of " + m.StateDir + " copies whole files: " + err.Error(), "Keep the state on btrfs or XFS."
	}
	return "the file system of " + m.StateDir + " shares blocks", "", ""
}

// unnamed makes a file that has no name and is gone when it is closed.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func (m Machine) wireguard() (detail, lack, remedy string) {
	if m.module("wireguard") {
		return "in the kernel", "", ""
	}
	return "", "the kernel has no module wireguard", "Install the kernel's module wireguard."
}

func (m Machine) wifi() (detail, lack, remedy string) {
	radios, err := os.ReadDir(m.path("sys/class/ieee80211"))
	if err != nil || len(radios) == 0 {
		return "", "there is no radio", ""
	}
	return radios[0].Name(), "", ""
}

func (m Machine) systemd() (detail, lack, remedy string) {
	if m.has("run/systemd/system") {
		return "runs", "", ""
	}
	return "", "systemd does not run this machine", "Start hearthd by what starts other programs here."
}

func (m Machine) clock() (detail, lack, remedy string) {
	state := clock.Look(m.Root)
	if state.Synchronised {
		return state.Detail, "", ""
	}
	return "", state.Detail, "Install a time service, such as systemd-timesyncd."
}

func (m Machine) apparmor() (detail, lack, remedy string) {
	raw, err := os.ReadFile(m.path("sys/module/apparmor/parameters/enabled"))
	if err != nil || strings.TrimSpace(string(raw)) != "Y" {
		return "", "the kernel does not use it", "Start the kernel with apparmor=1 security=apparmor."
	}
	return "in use", "", ""
}

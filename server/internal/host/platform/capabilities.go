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

// Capability is something the machine may or may not offer.
type Capability struct {
	Name      string
	Available bool
	Detail    string // how, or why not
	Purpose   string
	Remedy    string // what to do to have it; empty where it cannot be had
	// Words is the name of the answer, by which the catalogue has detail and remedy in all languages; empty where the detail is
	// no more than a value. Values are what stands in the places of its texts.
	Words  string
	Values map[string]string
	// Quote is what the system said itself; it stands beside the words.
	Quote string
}

// Answer is what a look answers with, in words.
type Answer struct {
	// Name is by what the catalogue has them in all languages, as in "device.missing".
	Name string
	// Text says how something is there, or why it is not; Remedy what to do to have it, and is empty where nothing is. Both have
	// places for values, as in "{{.Path}}".
	Text, Remedy string
}

// found is how a look found something.
type found struct {
	there  bool
	answer Answer
	values []string // each behind its name
	quote  string
}

// quoted is a look beside whose answer stands what the system said.
func (f found) quoted(err error) found {
	f.quote = err.Error()
	return f
}

func yes(a Answer, values ...string) found { return found{there: true, answer: a, values: values} }
func no(a Answer, values ...string) found  { return found{answer: a, values: values} }

// as is a capability that was found so.
func (f found) as(name, purpose string) Capability {
	var places []string
	values := make(map[string]string, len(f.values)/2)
	for i := 0; i+1 < len(f.values); i += 2 {
		places = append(places, "{{."+f.values[i]+"}}", f.values[i+1])
		values[f.values[i]] = f.values[i+1]
	}
	fill := strings.NewReplacer(places...)
	return Capability{
		Name: name, Purpose: purpose, Available: f.there, Words: f.answer.Name, Values: values, Quote: f.quote,
		Detail: fill.Replace(f.answer.Text), Remedy: fill.Replace(f.answer.Remedy),
	}
}

// value is an answer that is the same in all languages.
func value(s string) found { return yes(Answer{Text: s}) }

// realMode is what to do to have what a sandbox plays.
const realMode = "Run hearthd as root, without --mode sandbox."

// What several looks answer with.
var (
	noRoot    = Answer{Name: "root.missing", Text: "the server does not run as root", Remedy: "Run hearthd as root."}
	noModule  = Answer{Name: "module.missing", Text: "the kernel has no module {{.Module}}", Remedy: "Install the kernel's module {{.Module}}."}
	noTrial   = Answer{Name: "reflink.untried", Text: "it cannot be tried"}
	noProgram = Answer{Name: "program.missing", Text: "{{.File}} is missing in {{.Folder}}", Remedy: "Install the server whole."}
)

// Capabilities looks at everything, in the order people read it. It returns within ctx.
func (m Machine) Capabilities(ctx context.Context) []Capability {
	looks := []struct {
		name, purpose string
		look          func() found
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
		list = append(list, l.look().as(l.name, l.purpose))
	}
	return list
}

func (m Machine) containers() found {
	switch {
	case m.Chosen == Sandbox:
		return no(Answer{Name: "containers.played", Text: "the sandbox plays services; nothing of a package runs", Remedy: realMode})
	case m.UID != 0:
		return no(noRoot)
	}
	for _, file := range []string{"hearth-lxc", "rootfs.squashfs"} {
		if _, err := os.Stat(filepath.Join(m.BinDir, file)); err != nil {
			return no(noProgram, "File", file, "Folder", m.BinDir)
		}
	}
	if spaces := m.userNamespaces(); !spaces.there {
		return spaces
	}
	return yes(Answer{Name: "containers.there", Text: "unprivileged LXC"})
}

// resolver answers at the bridge, on a port that only root has.
func (m Machine) resolver() found {
	switch {
	case m.Chosen == Sandbox:
		return no(Answer{Name: "resolver.played", Text: "the sandbox has no bridge and answers no names", Remedy: realMode})
	case m.UID != 0:
		return no(noRoot)
	}
	return yes(Answer{Name: "resolver.there", Text: "at the bridge"})
}

func (m Machine) cgroup() found {
	there := Answer{Name: "cgroup.there", Text: "version {{.Version}}"}
	switch {
	case m.has("sys/fs/cgroup/cgroup.controllers"):
		return yes(there, "Version", "2")
	case m.has("sys/fs/cgroup/memory"):
		return yes(there, "Version", "1")
	}
	return no(Answer{Name: "cgroup.missing", Text: "no control groups are mounted at {{.Folder}}", Remedy: "Mount them, as systemd does."}, "Folder", "/sys/fs/cgroup")
}

func (m Machine) userNamespaces() found {
	raw, err := os.ReadFile(m.path("proc/sys/user/max_user_namespaces"))
	if err != nil {
		return no(Answer{Name: "user-namespaces.missing", Text: "the kernel has no user namespaces", Remedy: "Use a kernel of Debian."})
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err != nil || n == 0 {
		return no(Answer{Name: "user-namespaces.forbidden", Text: "the kernel allows no user namespaces", Remedy: "Set the sysctl user.max_user_namespaces to its default."})
	}
	return yes(Answer{Name: "user-namespaces.there", Text: "allowed"})
}

// idmapRelease is the first kernel that gives a squashfs other owners.
var idmapRelease = [2]int{6, 2}

func (m Machine) squashfs() found {
	have, release := m.kernel()
	if have[0] < idmapRelease[0] || have[0] == idmapRelease[0] && have[1] < idmapRelease[1] {
		return no(Answer{Name: "squashfs-idmap.old", Text: "kernel {{.Kernel}} is older than {{.Least}}", Remedy: "Install a newer kernel, as from Debian's backports."},
			"Kernel", release, "Least", fmt.Sprintf("%d.%d", idmapRelease[0], idmapRelease[1]))
	}
	if raw, err := os.ReadFile(m.path("proc/filesystems")); err == nil && strings.Contains(string(raw), "\tsquashfs\n") {
		return yes(Answer{Name: "squashfs-idmap.there", Text: "kernel {{.Kernel}}"}, "Kernel", release)
	}
	if m.module("squashfs") {
		return yes(Answer{Name: "squashfs-idmap.module", Text: "kernel {{.Kernel}}, as a module"}, "Kernel", release)
	}
	return no(noModule, "Module", "squashfs")
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

// device tells whether a device is there, and how to have it where that is known.
func (m Machine) device(path, load string) func() found {
	return func() found {
		switch {
		case m.has(path):
			return value("/" + path)
		case load == "":
			return no(Answer{Name: "device.absent", Text: "{{.Path}} is missing"}, "Path", "/"+path)
		}
		return no(Answer{Name: "device.missing", Text: "{{.Path}} is missing", Remedy: "Try '{{.Command}}'."}, "Path", "/"+path, "Command", load)
	}
}

// nftables asks the kernel, which answers root alone.
func (m Machine) nftables() found {
	switch {
	case m.Chosen == Sandbox:
		return no(Answer{Name: "nftables.played", Text: "the sandbox has no firewall: no service is there to be kept apart", Remedy: realMode})
	case m.UID != 0:
		return no(noRoot)
	}
	conn, err := nftables.New()
	if err == nil {
		_, err = conn.ListTables()
	}
	if err != nil {
		return no(Answer{Name: "nftables.silent", Text: "the kernel does not answer", Remedy: "Try 'modprobe nf_tables'."}).quoted(err)
	}
	return yes(Answer{Name: "nftables.there", Text: "the kernel answers"})
}

// reflink tries it, with two files of its own that are gone afterwards.
func (m Machine) reflink() found {
	from, err := unnamed(m.StateDir)
	if err != nil {
		return no(noTrial).quoted(err)
	}
	defer from.Close()
	to, err := unnamed(m.StateDir)
	if err != nil {
		return no(noTrial).quoted(err)
	}
	defer to.Close()
	if _, err := from.Write(make([]byte, 4096)); err != nil {
		return no(noTrial).quoted(err)
	}
	if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
		return no(Answer{Name: "reflink.missing", Text: "the file system of {{.Folder}} copies whole files", Remedy: "Keep the state on btrfs or XFS."},
			"Folder", m.StateDir).quoted(err)
	}
	return yes(Answer{Name: "reflink.there", Text: "the file system of {{.Folder}} shares blocks"}, "Folder", m.StateDir)
}

// unnamed makes a file that has no name and is gone when it is closed.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func (m Machine) wireguard() found {
	if m.module("wireguard") {
		return yes(Answer{Name: "wireguard.there", Text: "in the kernel"})
	}
	return no(noModule, "Module", "wireguard")
}

func (m Machine) wifi() found {
	radios, err := os.ReadDir(m.path("sys/class/ieee80211"))
	if err != nil || len(radios) == 0 {
		return no(Answer{Name: "wifi.missing", Text: "there is no radio"})
	}
	return value(radios[0].Name())
}

func (m Machine) systemd() found {
	if m.has("run/systemd/system") {
		return yes(Answer{Name: "systemd.there", Text: "runs"})
	}
	return no(Answer{Name: "systemd.missing", Text: "systemd does not run this machine", Remedy: "Start hearthd by what starts other programs here."})
}

func (m Machine) clock() found {
	const service = "Install a time service, such as systemd-timesyncd."
	switch state := clock.Look(m.Root); {
	case state.Synchronised:
		return yes(Answer{Name: "clock.there", Text: "the kernel's clock is synchronised"})
	case state.Known:
		return no(Answer{Name: "clock.loose", Text: "{{.Keeper}} runs and has not synchronised the clock", Remedy: "Look at the time service of this machine and at its way to the network."},
			"Keeper", state.Keeper)
	case state.Err != nil:
		return no(Answer{Name: "clock.silent", Text: "the kernel does not tell", Remedy: service}).quoted(state.Err)
	}
	return no(Answer{Name: "clock.missing", Text: "nothing on this machine keeps the clock; another one may", Remedy: service})
}

func (m Machine) apparmor() found {
	raw, err := os.ReadFile(m.path("sys/module/apparmor/parameters/enabled"))
	if err != nil || strings.TrimSpace(string(raw)) != "Y" {
		return no(Answer{Name: "apparmor.missing", Text: "the kernel does not use it", Remedy: "Start the kernel with apparmor=1 security=apparmor."})
	}
	return yes(Answer{Name: "apparmor.there", Text: "in use"})
}

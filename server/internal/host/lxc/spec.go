package lxc

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hearthos/hearth/server/internal/host/idmap"
)

// Spec is everything about a container that is fixed while it runs.
type Spec struct {
	// Name identifies the container within the instance: 1 to 63 of a-z, 0-9 and -.
	Name string
	// Rootfs is the merged, writable root, mounted below the run directory; its files belong to IDBase and up. LXC takes
	// along what is mounted inside it. The host may unmount its copy once the container runs.
	Rootfs string
	// IDBase is the host's id of the container's id 0.
	IDBase   uint32
	Hostname string
	// Init is the first process with its arguments, a path inside the container.
	Init []string
	// Env is its whole environment.
	Env []string
	// Network connects the container; without it there is only a loopback.
	Network *Network
	Mounts  []Mount
	Devices []Device
	Limits  Limits
	// Rlimits are set for init, which hands them down; those not named are the daemon's own.
	Rlimits []Rlimit
	// ConsoleLog receives what init prints, at most 128 KiB of it, also when init dies before it could log. Optional.
	ConsoleLog string
}

// Network is a pair of virtual interfaces, one end on a bridge of the host.
type Network struct {
	// Interface is the name of the host's end: at most 15 bytes, unique on the machine. A leftover of that name is
	// removed.
	Interface string
	Bridge    string
	Address   netip.Prefix
	Gateway   netip.Addr
	// Address6 and Gateway6 are optional.
	Address6 netip.Prefix
	Gateway6 netip.Addr
	// MAC is MAC(tag, name) when nil.
	MAC net.HardwareAddr
	// MTU is the bridge's when zero.
	MTU int
}

// Mount shows a path of the host, and what is mounted below it, inside the container. Flags and owners are those of the
// host's mount: prepare it with host/mount below the run directory. (A read-only flag added here could be removed by the
// container; the flags of the host's mount are locked.)
type Mount struct {
	Source string
	// Target is absolute in the container; what is missing of it is created.
	Target string
	// File says that both are files.
	File bool
}

// Device gives the container a device of the host.
type Device struct {
	// Path is the same on the host and in the container, below /dev.
	Path string
	// Mode holds its permissions in the container, where its root owns it.
	Mode uint32
}

// Rlimit is a limit of setrlimit, named in lower case without its prefix: "nofile", "memlock".
type Rlimit struct {
	Name       string
	Soft, Hard uint64
}

var (
	rlimitPattern    = regexp.MustCompile(`^[a-z]{2,12}$`)
	namePattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	hostnamePattern  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	interfacePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)
)

const (
	maxMounts = 1000
	maxEnv    = 1000
)

// CheckName returns ErrInvalid for what cannot be the name of a container.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w: name %q", ErrInvalid, name)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Check returns ErrInvalid, with the reason, for a Spec that no machine can start.
func (s Spec) Check() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	switch {
	case !cleanPath(s.Rootfs):
		return invalid("rootfs %q", s.Rootfs)
	case s.IDBase == 0 || s.IDBase > 1<<32-1-idmap.Range:
		return invalid("id base %d", s.IDBase)
	case !hostnamePattern.MatchString(s.Hostname):
		return invalid("hostname %q", s.Hostname)
	case len(s.Init) == 0 || !cleanPath(s.Init[0]):
		return invalid("init %q", s.Init)
	case len(s.Env) > maxEnv || len(s.Mounts) > maxMounts || len(s.Devices) > maxMounts:
		return invalid("more than %d variables or mounts", maxMounts)
	case s.ConsoleLog != "" && !cleanPath(s.ConsoleLog):
		return invalid("console log %q", s.ConsoleLog)
	}
	for _, kv := range s.Env {
		if k, _, ok := strings.Cut(kv, "="); !ok || k == "" || strings.ContainsAny(kv, "\x00\n\r") {
			return invalid("variable %.40q", kv)
		}
	}
	for _, m := range s.Mounts {
		if !cleanPath(m.Source) || !cleanPath(m.Target) || m.Target == "/" {
			return invalid("mount of %q at %q", m.Source, m.Target)
		}
	}
	for _, d := range s.Devices {
		if !cleanPath(d.Path) || !strings.HasPrefix(d.Path, "/dev/") || d.Mode&^0o777 != 0 {
			return invalid("device %q", d.Path)
		}
	}
	if s.Network != nil {
		if err := s.Network.check(); err != nil {
			return err
		}
	}
	for _, l := range s.Rlimits {
		if !rlimitPattern.MatchString(l.Name) || l.Soft > l.Hard {
			return invalid("limit %+v", l)
		}
	}
	return s.Limits.check()
}

func (n *Network) check() error {
	switch {
	case !interfacePattern.MatchString(n.Interface) || !interfacePattern.MatchString(n.Bridge):
		return invalid("interface %q on bridge %q", n.Interface, n.Bridge)
	case !n.Address.IsValid() || !n.Address.Addr().Is4() || !n.Gateway.Is4():
		return invalid("address %s with gateway %s", n.Address, n.Gateway)
	case n.Address6.IsValid() && (!n.Address6.Addr().Is6() || n.Address6.Addr().Is4In6()):
		return invalid("address %s", n.Address6)
	case n.Gateway6.IsValid() && (!n.Gateway6.Is6() || n.Gateway6.Is4In6() || n.Gateway6.Zone() != ""):
		return invalid("gateway %s", n.Gateway6)
	case n.MAC != nil && len(n.MAC) != 6, n.MTU < 0 || n.MTU > 65535:
		return invalid("hardware address %s, mtu %d", n.MAC, n.MTU)
	}
	return nil
}

func cleanPath(p string) bool {
	return filepath.IsAbs(p) && filepath.Clean(p) == p && !strings.ContainsAny(p, "\x00\n\r") && len(p) < 4096
}

package netdev

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	conf6    = "/proc/sys/net/ipv6/conf"
	routing6 = "net/ipv6/conf/all/forwarding"
)

// HasIPv6 tells whether the kernel has IPv6 and nobody has switched it off for the machine. It must be called in the namespace that is
// asked about.
func HasIPv6() (bool, error) {
	for _, which := range []string{"all", "default"} {
		off, err := os.ReadFile(filepath.Join(conf6, which, "disable_ipv6"))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cannot tell whether there is IPv6: %w", err)
		}
		if strings.TrimSpace(string(off)) != "0" {
			return false, nil
		}
	}
	return true, nil
}

// Routes6 tells whether packets of IPv6 are forwarded, which is so for all links of a machine or for none. It must be called in the
// namespace Devices was made in.
func (d *Devices) Routes6() (bool, error) {
	have, err := os.ReadFile(filepath.Join("/proc/sys", routing6))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("cannot tell whether IPv6 is forwarded: %w", err)
	}
	return strings.TrimSpace(string(have)) == "1", nil
}

// EnableForwarding6 lets packets of IPv6 be forwarded. Where they lead is the firewall's business. A machine that forwards listens to no
// router unless it is told to, and would lose its addresses and its way out: links that did listen go on. It must be called in the
// namespace Devices was made in.
func (d *Devices) EnableForwarding6() error {
	if on, err := d.Routes6(); on || err != nil {
		return err
	}
	links, err := os.ReadDir(conf6)
	if err != nil {
		return fmt.Errorf("cannot list the links of IPv6: %w", err)
	}
	const listens, listensAnyway = "1", "2"
	for _, l := range links {
		name := filepath.Join("net/ipv6/conf", l.Name(), "accept_ra")
		have, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, os.ErrNotExist) {
			continue // it is gone
		}
		if err == nil && strings.TrimSpace(string(have)) == listens {
			err = sysctl(name, listensAnyway)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot have %s listen to its router: %w", l.Name(), err)
		}
	}
	return sysctl(routing6, "1")
}

// EnsureNeighbours tells the kernel where services are on the bridge over IPv6, so that it asks nobody: an answer could be anybody's.
// These are then all that it was told of; others are forgotten. A bridge that is not there has no neighbours.
func (d *Devices) EnsureNeighbours(bridge string, services map[netip.Addr]net.HardwareAddr) error {
	link, err := d.nl.LinkByName(bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) && len(services) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot find bridge %s: %w", bridge, err)
	}
	index := link.Attrs().Index
	list, err := retry(func() ([]netlink.Neigh, error) { return d.nl.NeighList(index, netlink.FAMILY_V6) })
	if err != nil {
		return fmt.Errorf("cannot list the neighbours on bridge %s: %w", bridge, err)
	}
	known := make(map[netip.Addr]bool, len(list))
	for _, n := range list {
		a, ok := netip.AddrFromSlice(n.IP)
		if !ok || n.State&unix.NUD_PERMANENT == 0 {
			continue
		}
		if mac, wanted := services[a]; wanted {
			known[a] = bytes.Equal(mac, n.HardwareAddr)
			continue
		}
		if err := d.nl.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot forget neighbour %s: %w", a, err)
		}
	}
	for a, mac := range services {
		if known[a] {
			continue
		}
		n := &netlink.Neigh{LinkIndex: index, Family: netlink.FAMILY_V6, State: unix.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: mac}
		if err := d.nl.NeighSet(n); err != nil {
			return fmt.Errorf("cannot tell where neighbour %s is: %w", a, err)
		}
	}
	return nil
}

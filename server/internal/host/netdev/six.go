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
	before, err := d.Before6()
	if err != nil {
		return err
	}
	for _, link := range before.Listening {
		if err := setting6(link, acceptRA, listensAnyway); err != nil {
			return fmt.Errorf("cannot have %s listen to its router: %w", link, err)
		}
	}
	return sysctl(routing6, "1")
}

// Before6 is how links are on a machine that forwards no IPv6, by their names and the kernel's "all" and "default".
type Before6 struct {
	// Listening are those that listen to a router only while the machine forwards nothing.
	Listening []string
	// Forwarding are those that were told to forward on their own, which alone leads nowhere.
	Forwarding []string
}

// Before6 tells how links are now. It must be called in the namespace Devices was made in, before EnableForwarding6.
func (d *Devices) Before6() (before Before6, err error) {
	links, err := os.ReadDir(conf6)
	if err != nil {
		return before, fmt.Errorf("cannot list the links of IPv6: %w", err)
	}
	for _, l := range links {
		for setting, list := range map[string]*[]string{acceptRA: &before.Listening, "forwarding": &before.Forwarding} {
			have, err := os.ReadFile(filepath.Join(conf6, l.Name(), setting))
			if err != nil && !errors.Is(err, os.ErrNotExist) { // else it is gone
				return before, fmt.Errorf("cannot tell %s of %s: %w", setting, l.Name(), err)
			}
			if strings.TrimSpace(string(have)) == "1" {
				*list = append(*list, l.Name())
			}
		}
	}
	return before, nil
}

// DisableForwarding6 ends what EnableForwarding6 began: no IPv6 is forwarded, and links are as they were before; one that is gone is no
// error. It must be called in the namespace Devices was made in.
func (d *Devices) DisableForwarding6(before Before6) error {
	if err := sysctl(routing6, "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, link := range before.Forwarding { // the kernel has set all as it set the machine
		if err := setting6(link, "forwarding", "1"); err != nil {
			return err
		}
	}
	for _, link := range before.Listening {
		have, err := os.ReadFile(filepath.Join(conf6, link, acceptRA))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot tell whether %s listens to its router: %w", link, err)
		}
		if strings.TrimSpace(string(have)) != listensAnyway {
			continue // it is gone, or somebody has told it otherwise since
		}
		if err := setting6(link, acceptRA, "1"); err != nil {
			return err
		}
	}
	return nil
}

const (
	acceptRA = "accept_ra"
	// listensAnyway is acceptRA of a link that listens to a router though the machine forwards.
	listensAnyway = "2"
)

// setting6 changes a setting of a link, which may be gone.
func setting6(link, setting, value string) error {
	if filepath.Base(link) != link || link == ".." {
		return fmt.Errorf("%w: name %q", ErrInvalid, link)
	}
	if err := sysctl(filepath.Join("net/ipv6/conf", link, setting), value); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
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

package netdev

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Devices is the kernel's network of one namespace. It is safe for concurrent use.
type Devices struct {
	nl     *netlink.Handle
	before func(setting, value string) error
}

// New opens the network of the calling thread's namespace.
func New() (*Devices, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot open the kernel's network: %w", err)
	}
	return &Devices{nl: nl}, nil
}

// Close gives the socket back. The bridge stays.
func (d *Devices) Close() { d.nl.Close() }

// EnsureBridge makes the bridge what b says: there, up, with exactly these addresses, without IPv6 where b says none or the
// kernel has none, answering for its services among each other so that their traffic passes the firewall of the machine. It
// works on its own bridge after a crash or a change by somebody else, and refuses, with ErrForeign, a link of another kind.
func (d *Devices) EnsureBridge(b Bridge) error {
	if err := CheckBridge(b); err != nil {
		return err
	}
	link, err := d.bridge(b)
	if err != nil {
		return err
	}
	six := b.Address6
	if on, err := HasIPv6(); err != nil || !on {
		if six = (netip.Prefix{}); err != nil {
			return err
		}
	}
	if err := d.bridgeSysctls(b.Name, six.IsValid()); err != nil {
		return err
	}
	if err := d.ensureAddress(link, netlink.FAMILY_V4, b.Address); err != nil {
		return err
	}
	if six.IsValid() {
		if err := d.ensureAddress(link, netlink.FAMILY_V6, six); err != nil {
			return err
		}
	}
	if err := d.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("cannot switch on bridge %s: %w", b.Name, err)
	}
	return nil
}

// EnsureMembers puts links on a bridge and switches them on. Those that are not there are left out.
func (d *Devices) EnsureMembers(bridge string, names []string) error {
	b, err := d.nl.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("cannot find bridge %s: %w", bridge, err)
	}
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
		link, err := d.nl.LinkByName(name)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			continue
		}
		if err == nil && link.Attrs().MasterIndex != b.Attrs().Index {
			err = d.nl.LinkSetMaster(link, b)
		}
		if err == nil && link.Attrs().RawFlags&unix.IFF_UP == 0 {
			err = d.nl.LinkSetUp(link)
		}
		if err != nil && !errors.Is(err, unix.ENODEV) { // its container may just have ended
			return fmt.Errorf("cannot put %s on bridge %s: %w", name, bridge, err)
		}
	}
	return nil
}

// bridge finds the bridge or makes it. A fixed hardware address keeps the kernel from taking over that of whichever
// service was attached last, which would break the neighbour entries of all others.
func (d *Devices) bridge(b Bridge) (netlink.Link, error) {
	mac := MAC(b.Address.Addr())
	link, err := d.nl.LinkByName(b.Name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = b.Name, mac
		snooping := false
		err = d.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("cannot make bridge %s: %w", b.Name, err)
		}
		link, err = d.nl.LinkByName(b.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find bridge %s: %w", b.Name, err)
	}
	if link.Type() != "bridge" {
		return nil, fmt.Errorf("cannot use %s as bridge: %w: it is a %s", b.Name, ErrForeign, link.Type())
	}
	if !slices.Equal(link.Attrs().HardwareAddr, mac) {
		if err := d.nl.LinkSetHardwareAddr(link, mac); err != nil {
			return nil, fmt.Errorf("cannot set the hardware address of bridge %s: %w", b.Name, err)
		}
	}
	return link, nil
}

func (d *Devices) ensureAddress(link netlink.Link, family int, want netip.Prefix) error {
	name := link.Attrs().Name
	have, err := d.nl.AddrList(link, family)
	if err != nil {
		return fmt.Errorf("cannot list the addresses of %s: %w", name, err)
	}
	found := false
	for _, a := range have {
		p, ok := prefix(a)
		if ok && p == want {
			found = true
		}
		if ok && (p == want || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()) {
			continue
		}
		if err := d.nl.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("cannot remove address %s from %s: %w", a.IPNet, name, err)
		}
	}
	if found {
		return nil
	}
	a, err := netlink.ParseAddr(want.String())
	if err != nil {
		return fmt.Errorf("%w: address %s", ErrInvalid, want)
	}
	if want.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // nobody else can have it: services send in their own names alone
	}
	if err := d.nl.AddrAdd(link, a); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot give address %s to %s: %w", want, name, err)
	}
	return nil
}

// bridgeSysctls: services do not hear each other on the bridge (nft drops it), so the machine answers their ARP for each
// other (proxy_arp_pvlan, at once) and forwards what the firewall allows. It must not tell them to go straight instead:
// that would not work, and redirects use up the kernel's allowance for the refusals services are told. The setting of
// "all" matters only where a link's own is off too, so other links go on as they do. Over IPv6 it is the router of the
// services and listens to no other.
func (d *Devices) bridgeSysctls(name string, six bool) error {
	disabled := "1"
	if six {
		disabled = "0"
	}
	for _, s := range [][2]string{
		{"net/ipv4/conf/" + name + "/forwarding", "1"},
		{"net/ipv4/conf/" + name + "/proxy_arp_pvlan", "1"},
		{"net/ipv4/neigh/" + name + "/proxy_delay", "0"},
		{"net/ipv4/conf/" + name + "/send_redirects", "0"},
		{"net/ipv4/conf/" + name + "/route_localnet", "0"},
		{"net/ipv4/conf/" + name + "/accept_redirects", "0"},
		{"net/ipv6/conf/" + name + "/accept_ra", "0"},
		{"net/ipv6/conf/" + name + "/accept_redirects", "0"},
		{"net/ipv6/conf/" + name + "/disable_ipv6", disabled},
	} {
		err := sysctl(s[0], s[1])
		if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(s[0], "net/ipv6/") {
			continue // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("cannot set up bridge %s: %w", name, err)
		}
	}
	return d.switchOff(sendRedirects)
}

// Hairpins lets what a service sends to this machine be led back to the bridge it came from, and answers whether that works.
// It does not where frames on bridges pass the firewall of packets (br_netfilter): the kernel then takes such a packet for a
// frame that stays on the bridge. That is switched off where no other bridge may count on it.
func (d *Devices) Hairpins(bridge string) (bool, error) {
	var on []string
	for _, name := range []string{bridgeCalls, bridgeCalls6} {
		have, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("cannot look whether frames pass the firewall: %w", err)
		}
		if err == nil && strings.TrimSpace(string(have)) != "0" {
			on = append(on, name)
		}
	}
	if len(on) == 0 {
		return true, nil
	}
	links, err := d.nl.LinkList()
	if err != nil {
		return false, fmt.Errorf("cannot list links: %w", err)
	}
	for _, l := range links {
		if l.Type() == "bridge" && l.Attrs().Name != bridge {
			return false, nil
		}
	}
	for _, name := range on {
		if err := d.switchOff(name); err != nil {
			return false, err
		}
	}
	return true, nil
}

// sysctl writes only what differs: /proc/sys is read-only in some sandboxes where the value is right already.
func sysctl(name, value string) error {
	path := filepath.Join("/proc/sys", name)
	if have, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(have)) == value {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cannot set %s: %w", name, err)
	}
	defer f.Close()
	if _, err := f.WriteString(value); err != nil {
		return fmt.Errorf("cannot set %s: %w", name, err)
	}
	return nil
}

// Routes tells whether somebody has made this machine a router over IPv4, for all its links. It must be called in the namespace Devices
// was made in.
func (d *Devices) Routes() (bool, error) { return forwards("all") }

// Forwards tells whether packets that arrive on a link are forwarded over IPv4; a link that is gone forwards nothing. It must be called in
// the namespace Devices was made in.
func (d *Devices) Forwards(name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	return forwards(name)
}

func forwards(name string) (bool, error) {
	have, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, "forwarding"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("cannot tell whether %s forwards: %w", name, err)
	}
	return strings.TrimSpace(string(have)) == "1", nil
}

// EnableForwarding lets packets that arrive on the named links be forwarded over IPv4. The bridge forwards already;
// the links of gateways need it for answers to what services ask, and for ports that lead to services. Forwarding of other links and
// of IPv6 stays as it is. Where they lead is the firewall's business, so that the machine does not become a router. It must be called
// in the namespace Devices was made in.
func (d *Devices) EnableForwarding(names ...string) error {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
		if err := sysctl("net/ipv4/conf/"+name+"/forwarding", "1"); err != nil {
			return fmt.Errorf("cannot enable forwarding on %s: %w", name, err)
		}
	}
	return nil
}

// DisableForwarding ends what EnableForwarding began on the named links; one that is gone is no error. It must be called in the namespace
// Devices was made in.
func (d *Devices) DisableForwarding(names ...string) error {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
		if err := sysctl("net/ipv4/conf/"+name+"/forwarding", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot disable forwarding on %s: %w", name, err)
		}
	}
	return nil
}

// RemoveLink removes the link of this name with all that is on it. A link that is not there is no error.
func (d *Devices) RemoveLink(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	link, err := d.nl.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot find link %s: %w", name, err)
	}
	if err := d.nl.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot remove link %s: %w", name, err)
	}
	return nil
}

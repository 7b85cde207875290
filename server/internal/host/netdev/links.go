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

// listTries bounds how often a listing that the kernel interrupted by a change is begun anew.
const listTries = 5

// Links lists all links with their addresses and default routes, ordered by name. Link-local IPv6 addresses are left out:
// they mean nothing without the link they belong to.
func (d *Devices) Links() ([]Link, error) {
	links, err := retry(func() ([]netlink.Link, error) { return d.nl.LinkList() })
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	addrs, err := retry(func() ([]netlink.Addr, error) { return d.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	routes, err := retry(func() ([]netlink.Route, error) {
		return d.nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list routes: %w", err)
	}
	byIndex := make(map[int]*Link, len(links))
	out := make([]Link, len(links))
	for i, l := range links {
		out[i] = describe(l)
		byIndex[out[i].Index] = &out[i]
	}
	for _, a := range addrs {
		if l, p, ok := ownAddress(byIndex, a); ok && !slices.Contains(l.Subnets, p) {
			l.Subnets = append(l.Subnets, p)
		}
	}
	for _, r := range routes {
		addDefaultRoute(byIndex, r)
	}
	for i := range out {
		slices.SortFunc(out[i].Subnets, comparePrefixes)
	}
	slices.SortFunc(out, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func retry[T any](list func() ([]T, error)) (out []T, err error) {
	for range listTries {
		out, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return out, err
}

func describe(l netlink.Link) Link {
	a := l.Attrs()
	out := Link{Name: a.Name, Index: a.Index, Kind: KindOther, MAC: a.HardwareAddr, Port: a.MasterIndex != 0}
	out.On = a.RawFlags&unix.IFF_UP != 0
	out.Up = out.On && a.RawFlags&unix.IFF_RUNNING != 0
	switch {
	case a.RawFlags&unix.IFF_LOOPBACK != 0:
		out.Kind = KindLoopback
	case l.Type() == "bridge":
		out.Kind = KindBridge
	case l.Type() == "wireguard":
		out.Kind = KindWireguard
	case wireless(a.Name):
		out.Kind = KindWireless
	case a.EncapType == "ether":
		out.Kind = KindEthernet
	}
	return out
}

func wireless(name string) bool {
	if CheckName(name) != nil {
		return false
	}
	_, err := os.Stat(filepath.Join("/sys/class/net", name, "phy80211"))
	return err == nil
}

func ownAddress(links map[int]*Link, a netlink.Addr) (*Link, netip.Prefix, bool) {
	l := links[a.LinkIndex]
	p, ok := prefix(a)
	if l == nil || !ok || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
		return nil, netip.Prefix{}, false
	}
	if a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
		return nil, netip.Prefix{}, false
	}
	return l, p, true
}

func prefix(a netlink.Addr) (netip.Prefix, bool) {
	if a.IPNet == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(a.IPNet.IP)
	ones, _ := a.IPNet.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones), ok
}

func comparePrefixes(a, b netip.Prefix) int {
	if a.Addr().Is4() != b.Addr().Is4() {
		if a.Addr().Is4() {
			return -1
		}
		return 1
	}
	return a.Addr().Compare(b.Addr())
}

func addDefaultRoute(links map[int]*Link, r netlink.Route) {
	if r.Dst != nil {
		if ones, _ := r.Dst.Mask.Size(); ones != 0 || !r.Dst.IP.IsUnspecified() {
			return
		}
	}
	if r.Type != 0 && r.Type != unix.RTN_UNICAST {
		return
	}
	hops := []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw}}
	if len(r.MultiPath) > 0 {
		hops = r.MultiPath
	}
	for _, h := range hops {
		l := links[h.LinkIndex]
		if l == nil {
			continue
		}
		four := r.Family == unix.AF_INET
		if !l.DefaultRoute || four && !l.Default4 || four == l.Default4 && r.Priority < l.Metric {
			l.Metric, l.Default4 = r.Priority, four
		}
		l.DefaultRoute = true
		if gw, ok := netip.AddrFromSlice(h.Gw); ok && !slices.Contains(l.Routers, gw.Unmap()) {
			l.Routers = append(l.Routers, gw.Unmap())
		}
	}
}

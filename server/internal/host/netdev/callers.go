package netdev

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The rule and the table by which marked packets are delivered to this machine. They are the same for all instances, of which one alone
// can have the bridge's network, and those that StartOS has.
const (
	callersTable, callersPriority = 1344, 49
)

// EnsureCallers has packets with the mark delivered to this machine, whatever address they are for. It may be called again at any time, in
// the namespace Devices was made in.
func (d *Devices) EnsureCallers(mark uint32) error {
	lo, err := d.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("cannot find the loopback: %w", err)
	}
	families := []int{netlink.FAMILY_V4}
	if six, err := HasIPv6(); err != nil {
		return err
	} else if six {
		families = append(families, netlink.FAMILY_V6)
	}
	for _, family := range families {
		all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
		if family == netlink.FAMILY_V6 {
			all = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		route := &netlink.Route{LinkIndex: lo.Attrs().Index, Family: family, Dst: all, Table: callersTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST}
		if err := d.nl.RouteReplace(route); err != nil {
			return fmt.Errorf("cannot have answers to callers delivered here: %w", err)
		}
		if err := d.nl.RuleAdd(callersRule(family, mark)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("cannot have answers to callers delivered here: %w", err)
		}
	}
	return nil
}

// RemoveCallers takes back what EnsureCallers did.
func (d *Devices) RemoveCallers(mark uint32) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		err := d.nl.RuleDel(callersRule(family, mark))
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EAFNOSUPPORT) {
			return fmt.Errorf("cannot remove the rule for answers to callers: %w", err)
		}
	}
	return nil
}

func callersRule(family int, mark uint32) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Mark, r.Table, r.Priority = family, mark, callersTable, callersPriority
	return r
}

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

// EnsureCallers has packets with the mark delivered to this machine, whatever address they are for. It may be called again at any time.
func (d *Devices) EnsureCallers(mark uint32) error {
	lo, err := d.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("cannot find the loopback: %w", err)
	}
	all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	route := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: all, Table: callersTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST}
	if err := d.nl.RouteReplace(route); err != nil {
		return fmt.Errorf("cannot have answers to callers delivered here: %w", err)
	}
	if err := d.nl.RuleAdd(callersRule(mark)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot have answers to callers delivered here: %w", err)
	}
	return nil
}

// RemoveCallers takes back what EnsureCallers did.
func (d *Devices) RemoveCallers(mark uint32) error {
	err := d.nl.RuleDel(callersRule(mark))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("cannot remove the rule for answers to callers: %w", err)
	}
	return nil
}

func callersRule(mark uint32) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Mark, r.Table, r.Priority = netlink.FAMILY_V4, mark, callersTable, callersPriority
	return r
}

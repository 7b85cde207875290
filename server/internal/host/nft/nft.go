// Package nft keeps the firewall of the services: who of them may speak to whom, to this machine and to the world.
//
//	nft.go     what is wanted, checked
//	rules.go   the tables it comes to
//	forwards.go  ports of this machine that lead to services
//	reach.go   what services reach beyond this machine
//	named.go   what they reach of it by names, which others tell
//	match.go   the words rules are made of, as text and for the kernel
//	kernel.go  tables put into the kernel
//	changes.go what others do to them
//
// Services hang on one bridge. Frames between them are dropped there, whoever they are from; what one sends in another's
// name, by address or hardware address, is dropped at its port. The machine answers ARP for all of them (netdev sets
// that), so what they send each other comes to it as packets, and passes where a pair allows it; over IPv6 the machine is
// the router and there is nobody else on the link. That way one table with
// connection tracking decides everything, on kernels that cannot track on bridges too.
//
// It is deliberately unaware of packages and of what they bind. Invariants: both tables are named
// by the instance and replaced as a whole in one transaction, so there is no moment without rules; nothing outside them is
// touched; a link of the instance that no service is known for passes nothing.
package nft

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
)

const (
	// MaxServices, MaxPairs, MaxPorts and MaxUses bound a set of rules.
	MaxServices, MaxPairs, MaxPorts, MaxUses, MaxClosed = 4096, 16384, 4096, 32768, 1024
	// MaxRanges bounds the ranges that services reach, MaxNear the networks that are near.
	MaxRanges, MaxNear = 4096, 1024
	// tablePrefix begins the names of our tables; the tag follows.
	tablePrefix = "hearth_"
)

// ErrInvalid says that rules cannot be used.
var ErrInvalid = errors.New("invalid firewall rules")

// Rules are all the firewall of one instance is made of. Order does not matter, repetitions do no harm.
type Rules struct {
	// Tag of the instance: four hexadecimal digits. Links of services begin with "h" and the tag.
	Tag string
	// Bridge is the link services are attached to, Host the machine's address on it.
	Bridge string
	Host   netip.Prefix
	// Host6 is its IPv6 address there; without one nothing passes over IPv6, neither from services nor to them.
	Host6 netip.Prefix
	// Services that may send at all. Below they are named by their IPv4 addresses; what is said of one holds for both of its addresses.
	Services []Service
	// Allowed pairs. Answers always pass.
	Allowed []Pair
	// Ports of this machine that services reach over TCP, on any of its addresses, besides its resolver.
	Ports []PortRange
	// Uses are further ports of this machine, each for one service. The machine's addresses are alike: what a service may
	// not use at the bridge it may not use at an address in another network either.
	Uses []Use
	// Near are the networks that are not of the Internet, as Service.Reach tells them apart.
	Near []netip.Prefix
	// Outward are those of Ports by which this machine connects whoever asks it with the Internet.
	Outward []uint16
	// Flows is how many connections the machine may track that one service opened; of more, the first packet is dropped.
	// They are counted anew whenever the rules are replaced, and for themselves over IPv6, where a quarter is allowed. 0 bounds nothing.
	Flows uint32
	// Forwards lead ports of this machine to services.
	Forwards []Forward
	// Closed are links in networks that this machine does not route between: what comes in there is for the machine or a service.
	// Closed6 are those over IPv6.
	Closed, Closed6 []string
	// Hairpin has the forwards serve services, too, which the machine must be able to lead back to the bridge. Without it
	// they are refused.
	Hairpin bool

	six, four map[netip.Addr]netip.Addr // of services: the one address by the other
	bounds    map[netip.Addr]*Reach     // of services that do not reach everything
	near      []addrRange
}

// Service is who may send from a link.
type Service struct {
	// Link is the machine's end of the service's cable.
	Link    string
	Address netip.Addr
	// Address6 is not valid for one without IPv6.
	Address6 netip.Addr
	MAC      net.HardwareAddr
	// Reach is what it may open connections to beyond this machine; nil is everything.
	Reach *Reach
}

// Pair lets From open connections to To.
type Pair struct{ From, To netip.Addr }

// Use lets From open TCP connections to a port of this machine.
type Use struct {
	From netip.Addr
	Port uint16
}

func (u Use) compare(v Use) int {
	return cmp.Or(u.From.Compare(v.From), cmp.Compare(u.Port, v.Port))
}

// PortRange is all ports from First to Last.
type PortRange struct{ First, Last uint16 }

var (
	tagForm  = regexp.MustCompile(`^[0-9a-f]{4}$`)
	linkForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)
)

// linkPrefix begins the names of the instance's links.
func linkPrefix(tag string) string { return "h" + tag }

// Check refuses rules that Ensure would refuse without asking the kernel; the error wraps ErrInvalid.
func (r Rules) Check() error {
	_, err := r.normal()
	return err
}

// normal checks the rules and returns them sorted and without repetitions, so that equal rules render equally.
func (r Rules) normal() (Rules, error) {
	switch {
	case !tagForm.MatchString(r.Tag):
		return r, fmt.Errorf("%w: tag %q", ErrInvalid, r.Tag)
	case !linkForm.MatchString(r.Bridge):
		return r, fmt.Errorf("%w: bridge %q", ErrInvalid, r.Bridge)
	case !r.Host.IsValid() || !r.Host.Addr().Is4() || r.Host.Bits() > 30:
		return r, fmt.Errorf("%w: address %s of the bridge", ErrInvalid, r.Host)
	case r.Host6.IsValid() && (!r.Host6.Addr().Is6() || r.Host6.Addr().Is4In6() || r.Host6.Bits() > 96):
		return r, fmt.Errorf("%w: IPv6 address %s of the bridge", ErrInvalid, r.Host6)
	case len(r.Services) > MaxServices || len(r.Allowed) > MaxPairs || len(r.Ports) > MaxPorts || len(r.Uses) > MaxUses:
		return r, fmt.Errorf("%w: more than %d services, %d pairs, %d ports or %d uses of ports", ErrInvalid, MaxServices, MaxPairs, MaxPorts, MaxUses)
	}
	for _, s := range r.Services {
		if !linkForm.MatchString(s.Link) || len(s.Link) <= 5 || s.Link[:5] != linkPrefix(r.Tag) || s.Link == r.Bridge {
			return r, fmt.Errorf("%w: link %q does not belong to instance %s", ErrInvalid, s.Link, r.Tag)
		}
		if err := r.service(s.Address); err != nil {
			return r, err
		}
		if s.Address6.IsValid() && (s.Address6.Is4() || r.member(s.Address6) != nil) {
			return r, fmt.Errorf("%w: %s is not a service's address in %s", ErrInvalid, s.Address6, r.Host6)
		}
		if len(s.MAC) != 6 || s.MAC[0]&1 != 0 || bytes.Equal(s.MAC, make([]byte, 6)) {
			return r, fmt.Errorf("%w: hardware address %q of %s", ErrInvalid, s.MAC, s.Link)
		}
	}
	if err := r.checkReach(); err != nil {
		return r, err
	}
	r.six, r.four = make(map[netip.Addr]netip.Addr), make(map[netip.Addr]netip.Addr)
	for _, s := range r.Services {
		if s.Address6.IsValid() {
			r.six[s.Address], r.four[s.Address6] = s.Address6, s.Address
		}
	}
	for _, p := range r.Allowed {
		if err := errors.Join(r.service(p.From), r.service(p.To)); err != nil {
			return r, err
		}
	}
	for _, p := range r.Ports {
		if p.First == 0 || p.Last < p.First {
			return r, fmt.Errorf("%w: ports %d to %d", ErrInvalid, p.First, p.Last)
		}
	}
	for _, u := range r.Uses {
		if err := r.service(u.From); err != nil {
			return r, err
		}
		if u.Port == 0 {
			return r, fmt.Errorf("%w: port 0 for %s", ErrInvalid, u.From)
		}
	}
	if len(r.Closed) > MaxClosed || len(r.Closed6) > MaxClosed {
		return r, fmt.Errorf("%w: more than %d closed links", ErrInvalid, MaxClosed)
	}
	for _, name := range slices.Concat(r.Closed, r.Closed6) {
		if !linkForm.MatchString(name) || name == r.Bridge {
			return r, fmt.Errorf("%w: closed link %q", ErrInvalid, name)
		}
	}
	size := 0
	for _, f := range r.Forwards {
		if err := f.check(r); err != nil {
			return r, err
		}
		size += f.size(len(r.callers(f.Target)))
	}
	if size > MaxForwards {
		return r, fmt.Errorf("%w: forwards come to more than %d rules", ErrInvalid, MaxForwards)
	}
	return r.sorted(), nil
}

// sorted returns the rules in their one order.
func (r Rules) sorted() Rules {
	r.Services = slices.Clone(r.Services)
	slices.SortFunc(r.Services, func(a, b Service) int {
		if c := a.Address.Compare(b.Address); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(append([]byte(a.Link), a.MAC...), append([]byte(b.Link), b.MAC...)), a.Address6.Compare(b.Address6))
	})
	r.Services = slices.CompactFunc(r.Services, func(a, b Service) bool {
		return a.Link == b.Link && a.Address == b.Address && a.Address6 == b.Address6 && bytes.Equal(a.MAC, b.MAC)
	})
	r.bounds, r.near = r.reaches()
	r.Allowed = slices.Clone(r.Allowed)
	slices.SortFunc(r.Allowed, func(a, b Pair) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return a.To.Compare(b.To)
	})
	r.Allowed = slices.Compact(r.Allowed)
	r.Uses = slices.Clone(r.Uses)
	slices.SortFunc(r.Uses, Use.compare)
	r.Uses = slices.Compact(r.Uses)
	r.Forwards = slices.Clone(r.Forwards)
	slices.SortFunc(r.Forwards, Forward.compare)
	r.Forwards = slices.Compact(r.Forwards)
	r.Closed = slices.Compact(slices.Sorted(slices.Values(r.Closed)))
	r.Closed6 = slices.Compact(slices.Sorted(slices.Values(r.Closed6)))
	r.Ports = merge(r.Ports)
	return r
}

// member refuses addresses no service can have.
func (r Rules) member(a netip.Addr) error {
	host := r.Host
	if a.Is6() {
		host = r.Host6
	}
	if !host.IsValid() || !host.Contains(a) || a == host.Addr() || a == host.Masked().Addr() {
		return fmt.Errorf("%w: %s is not a service's address in %s", ErrInvalid, a, host)
	}
	return nil
}

// service refuses what names no service.
func (r Rules) service(a netip.Addr) error {
	if !a.Is4() {
		return fmt.Errorf("%w: service %s is not named by its IPv4 address", ErrInvalid, a)
	}
	return r.member(a)
}

// named answers the IPv4 address of the service that has an address.
func (r Rules) named(a netip.Addr) netip.Addr {
	if a.Is6() {
		return r.four[a]
	}
	return a
}

// merge returns the ranges in order, those that touch as one.
func merge(ranges []PortRange) []PortRange {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	var out []PortRange
	for _, r := range ranges {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

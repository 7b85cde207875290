// Package nft keeps the firewall of the services: who of them may speak to whom, to this machine and to the world.
//
//	nft.go     what is wanted, checked
//	rules.go   the tables it comes to
//	forwards.go  ports of this machine that lead to services
//	match.go   the words rules are made of, as text and for the kernel
//	kernel.go  tables put into the kernel
//	changes.go what others do to them
//
// Services hang on one bridge. Frames between them are dropped there, whoever they are from; what one sends in another's
// name, by address or hardware address, is dropped at its port. The machine answers ARP for all of them (netdev sets
// that), so what they send each other comes to it as packets, and passes where a pair allows it. That way one table with
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
	// Services that may send at all.
	Services []Service
	// Allowed pairs. Answers always pass.
	Allowed []Pair
	// Ports of this machine that services reach over TCP, on any of its addresses, besides its resolver.
	Ports []PortRange
	// Uses are further ports of this machine, each for one service. The machine's addresses are alike: what a service may
	// not use at the bridge it may not use at an address in another network either.
	Uses []Use
	// Flows is how many connections the machine may track that one service opened; of more, the first packet is dropped.
	// They are counted anew whenever the rules are replaced. 0 bounds nothing.
	Flows uint32
	// Forwards lead ports of this machine to services.
	Forwards []Forward
	// Closed are links in networks that this machine does not route between: what comes in there is for the machine or a service.
	Closed []string
	// Hairpin has the forwards serve services, too, which the machine must be able to lead back to the bridge. Without it
	// they are refused.
	Hairpin bool
}

// Service is who may send from a link.
type Service struct {
	// Link is the machine's end of the service's cable.
	Link    string
	Address netip.Addr
	MAC     net.HardwareAddr
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
	case len(r.Services) > MaxServices || len(r.Allowed) > MaxPairs || len(r.Ports) > MaxPorts || len(r.Uses) > MaxUses:
		return r, fmt.Errorf("%w: more than %d services, %d pairs, %d ports or %d uses of ports", ErrInvalid, MaxServices, MaxPairs, MaxPorts, MaxUses)
	}
	for _, s := range r.Services {
		if !linkForm.MatchString(s.Link) || len(s.Link) <= 5 || s.Link[:5] != linkPrefix(r.Tag) || s.Link == r.Bridge {
			return r, fmt.Errorf("%w: link %q does not belong to instance %s", ErrInvalid, s.Link, r.Tag)
		}
		if err := r.member(s.Address); err != nil {
			return r, err
		}
		if len(s.MAC) != 6 || s.MAC[0]&1 != 0 || bytes.Equal(s.MAC, make([]byte, 6)) {
			return r, fmt.Errorf("%w: hardware address %q of %s", ErrInvalid, s.MAC, s.Link)
		}
	}
	for _, p := range r.Allowed {
		if err := errors.Join(r.member(p.From), r.member(p.To)); err != nil {
			return r, err
		}
	}
	for _, p := range r.Ports {
		if p.First == 0 || p.Last < p.First {
			return r, fmt.Errorf("%w: ports %d to %d", ErrInvalid, p.First, p.Last)
		}
	}
	for _, u := range r.Uses {
		if err := r.member(u.From); err != nil {
			return r, err
		}
		if u.Port == 0 {
			return r, fmt.Errorf("%w: port 0 for %s", ErrInvalid, u.From)
		}
	}
	if len(r.Closed) > MaxClosed {
		return r, fmt.Errorf("%w: more than %d closed links", ErrInvalid, MaxClosed)
	}
	for _, name := range r.Closed {
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
		return bytes.Compare(append([]byte(a.Link), a.MAC...), append([]byte(b.Link), b.MAC...))
	})
	r.Services = slices.CompactFunc(r.Services, func(a, b Service) bool {
		return a.Link == b.Link && a.Address == b.Address && bytes.Equal(a.MAC, b.MAC)
	})
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
	r.Ports = merge(r.Ports)
	return r
}

// member refuses addresses no service can have.
func (r Rules) member(a netip.Addr) error {
	if !a.Is4() || !r.Host.Contains(a) || a == r.Host.Addr() || a == r.Host.Masked().Addr() {
		return fmt.Errorf("%w: %s is not a service's address in %s", ErrInvalid, a, r.Host)
	}
	return nil
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

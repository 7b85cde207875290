package dnsserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
)

const (
	// leastOpen is how long a source reaches what it was told at least: programs keep addresses for longer than they are told to.
	leastOpen = time.Hour
	// mostOpen is how long it does at most; it is told to ask again by then.
	mostOpen = 24 * time.Hour
)

// Named are the addresses of one service, and the names at which it reaches others.
type Named struct {
	Sources []netip.Addr
	Names   []s9pk.ReachedName
	// Set is what Open knows the service by.
	Set string
}

// Opening is what a service is to reach: addresses, at some ports or, where there are none, at all, for a time.
type Opening struct {
	Set       string
	Addresses []netip.Addr
	Ports     []uint16
	For       time.Duration
}

// Open lets a service reach something. It is called before the service is told of it, by many at the same time, again and again with the same.
type Open func(ctx context.Context, o Opening) error

// ports answers at which ports a name is reached, none for all, and whether it is reached at all.
func (n *Named) ports(name string) (ports []uint16, meant bool) {
	for _, own := range n.Names {
		if !own.Is(name) {
			continue
		}
		if own.Port == 0 {
			return nil, true
		}
		ports, meant = append(ports, own.Port), true
	}
	return ports, meant
}

// forwardNamed is forward for a source that is to reach what the answer leads to.
func (s *Server) forwardNamed(t *table, n *Named, ports []uint16, req *dns.Msg, source netip.Addr, tcp bool) (*dns.Msg, later) {
	m, ask := s.forward(t, req, source, tcp)
	if ask != nil {
		return nil, func(ctx context.Context) *dns.Msg {
			m := ask(ctx)
			if !s.pending.begin(source) {
				return failed(req, dns.RcodeServerFailure)
			}
			defer s.pending.end(source)
			return s.opened(ctx, n, ports, req, m)
		}
	}
	if len(m.Answer) == 0 {
		return m, nil
	}
	if !s.pending.begin(source) {
		return failed(req, dns.RcodeServerFailure), nil
	}
	return nil, func(ctx context.Context) *dns.Msg {
		defer s.pending.end(source)
		return s.opened(ctx, n, ports, req, m)
	}
}

// opened answers m once what it leads to is reached, and a failure where it is not: who is told would connect, and be refused.
func (s *Server) opened(ctx context.Context, n *Named, ports []uint16, req, m *dns.Msg) *dns.Msg {
	life := mostOpen
	for _, rr := range m.Answer {
		life = min(life, time.Duration(rr.Header().Ttl)*time.Second)
		rr.Header().Ttl = min(rr.Header().Ttl, uint32(mostOpen/time.Second))
	}
	o := Opening{Set: n.Set, Addresses: leadsTo(m), Ports: ports, For: max(life, leastOpen)}
	if len(o.Addresses) > 0 && (s.open == nil || s.open(ctx, o) != nil) {
		return failed(req, dns.RcodeServerFailure)
	}
	return m
}

// leadsTo answers the public addresses in an answer, in whichever of its records: a name leads where its resolver says, by other names or not.
// Private ones are nobody's on the Internet, and are not reached by names.
func leadsTo(m *dns.Msg) (out []netip.Addr) {
	add := func(ip net.IP) {
		a, ok := netip.AddrFromSlice(ip)
		if a = a.Unmap(); ok && fetch.Public(a) && !slices.Contains(out, a) && len(out) < maxLeads {
			out = append(out, a)
		}
	}
	hints := func(values []dns.SVCBKeyValue) {
		for _, v := range values {
			switch v := v.(type) {
			case *dns.SVCBIPv4Hint:
				for _, ip := range v.Hint {
					add(ip)
				}
			case *dns.SVCBIPv6Hint:
				for _, ip := range v.Hint {
					add(ip)
				}
			}
		}
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			add(rr.A)
		case *dns.AAAA:
			add(rr.AAAA)
		case *dns.HTTPS:
			hints(rr.Value)
		case *dns.SVCB:
			hints(rr.Value)
		}
	}
	return out
}

// maxLeads bounds the addresses of one answer.
const maxLeads = 32

func checkNamed(all []Named) error {
	if len(all) > MaxNamed {
		return fmt.Errorf("%w: more than %d services that reach names", ErrInvalid, MaxNamed)
	}
	for _, n := range all {
		if n.Set == "" || len(n.Names) == 0 || len(n.Names) > MaxNames || len(n.Sources) == 0 || len(n.Sources) > MaxSources {
			return fmt.Errorf("%w: a service that reaches names has none, or no name for itself", ErrInvalid)
		}
	}
	return nil
}

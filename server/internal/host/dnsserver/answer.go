package dnsserver

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const (
	// udpSize is the longest answer over UDP: what passes every network in one piece.
	udpSize = 1232
	// localhostName is answered by every server itself.
	localhostName = "localhost"
)

// reply answers one question, however long that takes. It returns nil where silence is right.
func (s *Server) reply(ctx context.Context, req *dns.Msg, source netip.Addr, tcp bool) *dns.Msg {
	m, later := s.consider(req, source, tcp)
	if later != nil {
		m = later(ctx)
	}
	return m
}

// later asks others for an answer. It must be called.
type later func(ctx context.Context) *dns.Msg

// consider answers one question by what is known here, or says how to find the answer.
func (s *Server) consider(req *dns.Msg, source netip.Addr, tcp bool) (*dns.Msg, later) {
	return s.considerBy(s.table.Load(), req, source, tcp)
}

// considerBy is consider by a table. An answer with authority follows from it, the source and the question alone.
func (s *Server) considerBy(t *table, req *dns.Msg, source netip.Addr, tcp bool) (*dns.Msg, later) {
	if req.Response || len(req.Question) != 1 {
		return nil, nil
	}
	q := req.Question[0]
	var m *dns.Msg
	switch {
	case !t.allowed(source):
		return failed(req, dns.RcodeRefused), nil // without the caller's additional section: never longer than the question
	case req.Opcode != dns.OpcodeQuery:
		m = failed(req, dns.RcodeNotImplemented)
	case req.IsEdns0() != nil && req.IsEdns0().Version() != 0:
		m = failed(req, dns.RcodeBadVers)
	case q.Qclass != dns.ClassINET || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR:
		m = failed(req, dns.RcodeRefused)
	default:
		var ask later
		if m, ask = s.resolve(t, req, source, tcp); ask != nil {
			return nil, func(ctx context.Context) *dns.Msg {
				m := ask(ctx)
				fit(m, req, tcp)
				return m
			}
		}
	}
	fit(m, req, tcp)
	return m, nil
}

func (s *Server) resolve(t *table, req *dns.Msg, source netip.Addr, tcp bool) (*dns.Msg, later) {
	q := req.Question[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	if name == localhostName || strings.HasSuffix(name, "."+localhostName) {
		return localhost(req, q), nil
	}
	if records, local := t.find(name, source); local {
		return own(t, req, q, name, records), nil
	}
	if named := t.reverse[name]; len(named) > 0 {
		return pointer(req, q, named, source), nil
	}
	if alone(name) {
		m := answer(req)
		m.Rcode = dns.RcodeNameError
		return m, nil
	}
	if n := t.named[source]; n != nil {
		if ports, meant := n.ports(name); meant {
			return s.forwardNamed(t, n, ports, req, source, tcp)
		}
	}
	if t.local[source] {
		return failed(req, dns.RcodeRefused), nil
	}
	return s.forward(t, req, source, tcp)
}

// notOfDNS are the domains of names that are found otherwise, by RFC 6762 and RFC 7686: nobody else is asked for them.
var notOfDNS = []string{"local", "onion"}

func alone(name string) bool {
	return slices.ContainsFunc(notOfDNS, func(domain string) bool { return name == domain || strings.HasSuffix(name, "."+domain) })
}

// Stays tells whether a name is answered here, to whomever, or by nobody of the DNS: nobody else is to be asked for it.
func (s *Server) Stays(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	t := s.table.Load()
	for suffix, below := name, false; ; below = true {
		known := slices.ContainsFunc(t.names[suffix], func(r *Record) bool { return !below || r.Subdomains })
		if known || t.zones[suffix] {
			return true
		}
		_, rest, more := strings.Cut(suffix, ".")
		if !more {
			return alone(name)
		}
		suffix = rest
	}
}

// own answers a name of ours. That a name has no IPv6 address is said without an error: "does not exist" would make
// callers give up on the IPv4 address too.
func own(t *table, req *dns.Msg, q dns.Question, name string, records []*Record) *dns.Msg {
	m := answer(req)
	if len(records) == 0 && !t.zones[name] {
		m.Rcode = dns.RcodeNameError
		return m
	}
	var seen []netip.Addr // few: a map would cost more than it saves
	add := func(a netip.Addr, rr func() dns.RR) {
		if !slices.Contains(seen, a) {
			seen = append(seen, a)
			m.Answer = append(m.Answer, rr())
		}
	}
	for _, r := range records {
		if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
			for _, a := range r.IPv4 {
				add(a, func() dns.RR { return &dns.A{Hdr: header(q.Name, dns.TypeA), A: net.IP(a.AsSlice())} })
			}
		}
		if q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypeANY {
			for _, a := range r.IPv6 {
				add(a, func() dns.RR { return &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA), AAAA: net.IP(a.AsSlice())} })
			}
		}
	}
	return m
}

func pointer(req *dns.Msg, q dns.Question, records []*Record, source netip.Addr) *dns.Msg {
	m := answer(req)
	if q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY {
		return m
	}
	for _, r := range records {
		if len(m.Answer) < MaxAddresses && (len(r.Sources) == 0 || contains(r.Sources, source)) {
			m.Answer = append(m.Answer, &dns.PTR{Hdr: header(q.Name, dns.TypePTR), Ptr: dns.Fqdn(r.Name)})
		}
	}
	if len(m.Answer) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	return m
}

func localhost(req *dns.Msg, q dns.Question) *dns.Msg {
	m := answer(req)
	if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
		m.Answer = append(m.Answer, &dns.A{Hdr: header(q.Name, dns.TypeA), A: net.IPv4(127, 0, 0, 1)})
	}
	if q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypeANY {
		m.Answer = append(m.Answer, &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA), AAAA: net.IPv6loopback})
	}
	return m
}

// header has no time to live: a service gets another address without asking anybody to forget the old one.
func header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET}
}

func answer(req *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(req)
	m.Authoritative, m.RecursionAvailable = true, true
	return m
}

func failed(req *dns.Msg, rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.SetRcode(req, rcode)
	m.RecursionAvailable = rcode == dns.RcodeServerFailure
	return m
}

// fit makes the answer one that the caller can take.
func fit(m, req *dns.Msg, tcp bool) {
	size := dns.MinMsgSize
	if opt := req.IsEdns0(); opt != nil {
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		if m.IsEdns0() == nil {
			m.SetEdns0(udpSize, opt.Do())
		}
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	m.Compress = true
	m.Truncate(size)
}

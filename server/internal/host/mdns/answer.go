package mdns

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// recordTTL is how long others may remember an address, in seconds; legacyTTL where they are no mDNS resolvers.
	recordTTL, legacyTTL = 120, 10
	// cacheFlush in the class of a record says that it is all there is.
	cacheFlush = 1 << 15
	// maxQuestions is how many questions of one message are looked at.
	maxQuestions = 64
	// port is that of mDNS.
	port = 5353
)

func fqdn(label string) string { return label + ".local." }

func response() *dns.Msg {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	return m
}

// records are the addresses of a name on the link.
func (l *link) records(label string, ttl uint32, flush bool) (out []dns.RR) {
	head := func(kind uint16) dns.RR_Header {
		h := dns.RR_Header{Name: fqdn(label), Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
		if flush {
			h.Class |= cacheFlush
		}
		return h
	}
	for _, a := range l.v4 {
		out = append(out, &dns.A{Hdr: head(dns.TypeA), A: net.IP(a.AsSlice())})
	}
	for _, a := range l.v6 {
		out = append(out, &dns.AAAA{Hdr: head(dns.TypeAAAA), AAAA: net.IP(a.AsSlice())})
	}
	return out
}

// absent says which kinds of records a name has, for who asked for another: so nobody waits for what does not come.
func (l *link) absent(label string, ttl uint32, flush bool) dns.RR {
	n := &dns.NSEC{Hdr: dns.RR_Header{Name: fqdn(label), Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: ttl}, NextDomain: fqdn(label)}
	if flush {
		n.Hdr.Class |= cacheFlush
	}
	if len(l.v4) > 0 {
		n.TypeBitMap = append(n.TypeBitMap, dns.TypeA)
	}
	if len(l.v6) > 0 {
		n.TypeBitMap = append(n.TypeBitMap, dns.TypeAAAA)
	}
	return n
}

// near tells whether an address is on the link. What comes from further away is no question of a neighbour.
func (l *link) near(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(l.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// receive takes a message that came on a link. What makes no sense is passed over.
func (e *engine) receive(index int, from netip.AddrPort, m *dns.Msg, now time.Time) {
	l := e.links[index]
	if l == nil || !l.near(from.Addr()) || m.Opcode != dns.OpcodeQuery || m.Rcode != dns.RcodeSuccess {
		return
	}
	if m.Response {
		if from.Port() == port {
			e.heard(m, now)
		}
		return
	}
	for _, rr := range m.Ns {
		e.others(rr, now)
	}
	everyone, alone := response(), response()
	legacy := from.Port() != port
	for _, q := range m.Question[:min(len(m.Question), maxQuestions)] {
		c := e.claimOf(q.Name)
		if c == nil || q.Qclass&^cacheFlush != dns.ClassINET && q.Qclass&^cacheFlush != dns.ClassANY {
			continue
		}
		if !c.sure {
			e.contest(l, c, m, now)
			continue
		}
		pause := multicastEvery
		if len(m.Ns) > 0 {
			pause = defendEvery
		}
		switch {
		case legacy:
			alone.Answer = append(alone.Answer, l.answers(c.label, q.Qtype, legacyTTL, false)...)
		case q.Qclass&cacheFlush != 0: // the asker wants the answer for itself
			alone.Answer = append(alone.Answer, l.answers(c.label, q.Qtype, recordTTL, true)...)
		case now.Sub(c.told[index]) >= pause:
			if fresh := unknown(l.answers(c.label, q.Qtype, recordTTL, true), m.Answer); len(fresh) > 0 {
				everyone.Answer = append(everyone.Answer, fresh...)
				c.told[index] = now
			}
		}
	}
	if len(everyone.Answer) > 0 {
		e.out = append(e.out, packet{link: index, msg: everyone})
	}
	if len(alone.Answer) > 0 {
		if legacy {
			alone.Id, alone.Question = m.Id, m.Question[:min(len(m.Question), maxQuestions)]
		}
		e.out = append(e.out, packet{link: index, to: from, four: from.Addr().Unmap().Is4(), msg: alone})
	}
}

// answers are the records of a name of one type.
func (l *link) answers(label string, qtype uint16, ttl uint32, flush bool) []dns.RR {
	all := l.records(label, ttl, flush)
	if qtype == dns.TypeANY {
		return all
	}
	of := slices.DeleteFunc(all, func(rr dns.RR) bool { return rr.Header().Rrtype != qtype })
	if len(of) == 0 {
		return []dns.RR{l.absent(label, ttl, flush)}
	}
	return of
}

// unknown leaves out what the asker has and may still remember for half of its time.
func unknown(answers, known []dns.RR) []dns.RR {
	return slices.DeleteFunc(answers, func(rr dns.RR) bool {
		a, ok := addressOf(rr)
		return ok && slices.ContainsFunc(known, func(k dns.RR) bool {
			have, same := addressOf(k)
			return same && have == a && k.Header().Rrtype == rr.Header().Rrtype && k.Header().Ttl >= recordTTL/2
		})
	})
}

package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// askPatience is how long a resolver on this machine may take.
const askPatience = 2 * time.Second

// Ask asks the resolver at an address for a name by UDP, and answers how long it took. It is an error when nobody answers
// or the answer is a refusal; that there is no such name is an answer.
func Ask(ctx context.Context, address, name string) (time.Duration, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeA)
	client := dns.Client{Timeout: askPatience}
	reply, took, err := client.ExchangeContext(ctx, q, net.JoinHostPort(address, "53"))
	if err != nil {
		return 0, fmt.Errorf("the resolver at %s does not answer: %w", address, err)
	}
	if reply.Rcode == dns.RcodeRefused || reply.Rcode == dns.RcodeServerFailure {
		return 0, fmt.Errorf("the resolver at %s answers %s", address, dns.RcodeToString[reply.Rcode])
	}
	return took, nil
}

// AskAt asks the resolver at an address of this machine for the addresses of a name, from that same address, which is as its neighbours there ask.
// It answers none where the name has none.
func AskAt(ctx context.Context, at netip.AddrPort, name string) ([]netip.Addr, error) {
	client := &dns.Client{
		Timeout: askPatience, UDPSize: dns.DefaultMsgSize,
		Dialer: &net.Dialer{Timeout: askPatience, LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.Addr(), 0))},
	}
	var out []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
		m, _, err := client.ExchangeContext(ctx, q, at.String())
		if err != nil {
			return nil, fmt.Errorf("cannot ask the resolver at %s: %w", at, err)
		}
		if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			return nil, fmt.Errorf("cannot ask the resolver at %s: %w", at, errors.New(dns.RcodeToString[m.Rcode]))
		}
		for _, rr := range m.Answer {
			var ip net.IP
			switch r := rr.(type) {
			case *dns.A:
				ip = r.A
			case *dns.AAAA:
				ip = r.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				out = append(out, a.Unmap())
			}
		}
	}
	return out, nil
}

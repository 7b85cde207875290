package dnsserver

import (
	"context"
	"fmt"
	"net"
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

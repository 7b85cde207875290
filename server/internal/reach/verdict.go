package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Limits of one look at a host.
const (
	perAddress = 5 * time.Second
	perName    = 2 * time.Second // of it, so that a resolver that is away leaves time for the rest
	atOnce     = 8
)

// verdicts tries every address of a host that is on, a few at a time. They come in the order of the addresses.
func (s *Service) verdicts(ctx context.Context, row *hostsv1.Host) []*hostsv1.Verdict {
	list := row.GetStatus().GetAddresses()
	out := make([]*hostsv1.Verdict, len(list))
	up := s.running(row.GetMeta().GetId())
	free := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, a := range list {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			bounded, cancel := context.WithTimeout(ctx, perAddress)
			defer cancel()
			out[i] = &hostsv1.Verdict{Hostname: a.GetHostname(), Port: a.GetPort(), Works: true}
			miss, note := s.try(bounded, row, a, up)
			if out[i].Message = note; miss != nil {
				if a.GetUnserved() != "" && up {
					miss = &missing{hostsv1.Verdict_STEP_PORT, "the front door does not serve it: " + a.GetUnserved(), "See 'hearth warnings', which says what to do."}
				}
				out[i].Works, out[i].Missing, out[i].Message, out[i].Remedy = false, miss.step, miss.message, miss.remedy
			}
		})
	}
	all.Wait()
	return out
}

// missing is what an address lacks.
type missing struct {
	step            hostsv1.Verdict_Step
	message, remedy string
}

// try takes the steps an address needs, one after the other, to the first that is missing. Of one that works for some alone it says for whom.
func (s *Service) try(ctx context.Context, row *hostsv1.Host, a *hostsv1.Address, up bool) (miss *missing, note string) {
	if !up {
		return &missing{hostsv1.Verdict_STEP_SERVICE, "the service does not run", "Start the service, then look again."}, ""
	}
	if a.GetKind() == hostsv1.Address_KIND_SUPPLIED {
		return nil, "" // the package that supplies it knows
	}
	own, miss := s.gateway(a)
	if miss != nil {
		return miss, ""
	}
	var told netip.Addr
	if a.GetKind() == hostsv1.Address_KIND_PRIVATE_DOMAIN {
		told = s.neighbours(ctx, a, own)
	}
	at, miss := s.resolve(ctx, a, own, open(row, a, own))
	if miss != nil && told.IsValid() {
		at, note, miss = told, "who asks this server for names finds it; for who asks others "+miss.message, nil
	}
	if miss != nil {
		return miss, ""
	}
	if a.GetNumberOfPorts() > 0 {
		return nil, note // what listens in a range, and whether it does, is the service's business
	}
	return s.connect(ctx, row, a, at), note
}

// neighbours answers where a private name leads those who ask this server for it in the networks that it is for; no address where it
// leads them nowhere.
func (s *Service) neighbours(ctx context.Context, a *hostsv1.Address, own []netip.Addr) netip.Addr {
	for _, at := range own {
		if at.Is6() && at.IsLinkLocalUnicast() {
			continue // it means something together with a link alone
		}
		found, err := s.opt.Own(ctx, at, a.GetHostname())
		if err != nil {
			continue
		}
		for _, f := range found {
			if slices.Contains(own, f) {
				return f
			}
		}
	}
	return netip.Addr{}
}

// gateway answers the server's own addresses where the address leads.
func (s *Service) gateway(a *hostsv1.Address) ([]netip.Addr, *missing) {
	var own []netip.Addr
	ids := strings.Split(a.GetGateway(), ",")
	for _, g := range s.opt.Gateways() {
		if slices.Contains(ids, g.ID) {
			for _, p := range g.Subnets {
				own = append(own, p.Addr())
			}
		}
	}
	if len(own) == 0 {
		return nil, &missing{hostsv1.Verdict_STEP_GATEWAY, fmt.Sprintf("the gateway %s is not connected", a.GetGateway()),
			"Connect the network of the gateway, or give the name another gateway; 'hearth gateway list' shows those there are."}
	}
	return own, nil
}

// open answers those of the server's own addresses at which connections for an address are let in, all where that is not told apart: without TLS a
// name is where the numbers are that are on.
func open(row *hostsv1.Host, a *hostsv1.Address, own []netip.Addr) []netip.Addr {
	var on []netip.Addr
	for _, o := range row.GetStatus().GetAddresses() {
		number, err := netip.ParseAddr(o.GetHostname())
		if err == nil && !a.GetSsl() && !o.GetSsl() && o.GetPort() == a.GetPort() && slices.Contains(own, number) {
			on = append(on, number)
		}
	}
	if len(on) == 0 {
		return own
	}
	return on
}

// resolve answers where connections for the address are to go.
func (s *Service) resolve(ctx context.Context, a *hostsv1.Address, own, on []netip.Addr) (netip.Addr, *missing) {
	switch a.GetKind() {
	case hostsv1.Address_KIND_LOCALHOST:
		return netip.MustParseAddr("127.0.0.1"), nil
	case hostsv1.Address_KIND_MDNS: // the server itself has claimed it, and says so only then
		return preferred(on), nil
	case hostsv1.Address_KIND_PUBLIC_DOMAIN, hostsv1.Address_KIND_PRIVATE_DOMAIN:
	default:
		at, _ := netip.ParseAddr(a.GetHostname()) // they are made of addresses
		return at, nil
	}
	asking, cancel := context.WithTimeout(ctx, perName)
	defer cancel()
	found, err := s.opt.Resolve(asking, a.GetHostname())
	if err != nil || len(found) == 0 {
		return netip.Addr{}, &missing{hostsv1.Verdict_STEP_DNS, fmt.Sprintf("nobody knows the name %s", a.GetHostname()), record(a, own)}
	}
	for _, ours := range [][]netip.Addr{on, own} {
		for _, f := range found {
			if slices.Contains(ours, f.Unmap()) {
				return f.Unmap(), nil
			}
		}
	}
	first := found[0].Unmap()
	if a.GetKind() == hostsv1.Address_KIND_PUBLIC_DOMAIN && !first.IsPrivate() && !first.IsLoopback() && !public(own) {
		return first, nil // the router's, most likely: the connection will tell
	}
	return netip.Addr{}, &missing{hostsv1.Verdict_STEP_DNS, fmt.Sprintf("the name %s leads to %s, which is not this server", a.GetHostname(), first), record(a, own)}
}

// record says which record a name needs.
func record(a *hostsv1.Address, own []netip.Addr) string {
	if a.GetKind() == hostsv1.Address_KIND_PUBLIC_DOMAIN && !public(own) {
		return fmt.Sprintf("Give the name %s a record of type A with the address of your router on the Internet.", a.GetHostname())
	}
	return fmt.Sprintf("Give the name %s a record of type A with the address %s, or let the network ask this server for names.", a.GetHostname(), preferred(own))
}

// preferred is the first IPv4 address, else the first.
func preferred(own []netip.Addr) netip.Addr {
	for _, a := range own {
		if a.Is4() {
			return a
		}
	}
	return own[0]
}

func public(own []netip.Addr) bool {
	return slices.ContainsFunc(own, func(a netip.Addr) bool { return a.Is4() && a.IsGlobalUnicast() && !a.IsPrivate() })
}

// connect opens a connection as a browser does.
func (s *Service) connect(ctx context.Context, row *hostsv1.Host, a *hostsv1.Address, at netip.Addr) *missing {
	c, err := s.opt.Dial(ctx, "tcp", net.JoinHostPort(at.String(), strconv.FormatUint(uint64(a.GetPort()), 10)))
	if err != nil {
		remedy := "See whether another program has the port, and what the log of the front door says: 'hearth doctor'."
		if a.GetAccess() == hostsv1.Access_ACCESS_INTERNET {
			remedy = fmt.Sprintf("Let the router forward port %d to this server. Some routers cannot be tried from within: try it from another network, too.", a.GetPort())
		}
		return &missing{hostsv1.Verdict_STEP_PORT, fmt.Sprintf("port %d of %s does not answer: %s", a.GetPort(), at, cause(err)), remedy}
	}
	defer c.Close()
	if !a.GetSsl() {
		return nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.opt.Root())
	// A service that speaks TLS itself has a certificate of its own, which is not ours to judge.
	own := row.GetSpec().GetBindings()[a.GetInternalPort()].GetAddSsl() == nil
	t := tls.Client(c, &tls.Config{ServerName: a.GetHostname(), RootCAs: roots, InsecureSkipVerify: own})
	if err := t.HandshakeContext(ctx); err != nil {
		var verify *tls.CertificateVerificationError
		if errors.As(err, &verify) {
			return &missing{hostsv1.Verdict_STEP_CERTIFICATE, fmt.Sprintf("the certificate shown for %s is not one of this server for that name", a.GetHostname()),
				"See whether another server answers there; else restart this one, which makes its certificates anew."}
		}
		return &missing{hostsv1.Verdict_STEP_PORT, fmt.Sprintf("port %d of %s does not speak TLS for %s: %s", a.GetPort(), at, a.GetHostname(), cause(err)),
			"See in its log whether the service listens on its port."}
	}
	return nil
}

// cause says in a word of ours why a connection failed.
func cause(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "refused"
	}
	return "closed"
}

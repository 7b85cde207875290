package dnsserver_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/server/internal/host/dnsserver"
)

var (
	prefix = netip.MustParsePrefix
	ip     = netip.MustParseAddr
)

// start serves on loopback over UDP and TCP and returns the address of both.
func start(t *testing.T, s *dnsserver.Server) string {
	t.Helper()
	l, pc := sockets(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.ServePacket(ctx, pc); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := s.ServeListener(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return l.Addr().String()
}

// sockets finds a port that is free for both protocols.
func sockets(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			return l, pc
		}
		l.Close()
	}
	t.Fatal("no port is free for both protocols")
	return nil, nil
}

// upstream is a resolver that answers by handle; it counts what it was asked.
func upstream(t *testing.T, handle func(w dns.ResponseWriter, m *dns.Msg)) (netip.AddrPort, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	h := dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { asked.Add(1); handle(w, m) })
	l, pc := sockets(t)
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: pc, Handler: h}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go s.ActivateAndServe()
		<-ready
		t.Cleanup(func() { s.Shutdown() })
	}
	return netip.MustParseAddrPort(l.Addr().String()), &asked
}

func answering(rrs ...string) func(dns.ResponseWriter, *dns.Msg) {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg)
		r.SetReply(m)
		for _, s := range rrs {
			rr, err := dns.NewRR(s)
			if err != nil {
				panic(err)
			}
			r.Answer = append(r.Answer, rr)
		}
		if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp {
			r.Truncate(1232)
		}
		w.WriteMsg(r)
	}
}

func newServer(t *testing.T, c dnsserver.Config) *dnsserver.Server {
	t.Helper()
	s := dnsserver.New(nil)
	s.SetSystemFiles()
	if err := s.SetConfig(c); err != nil {
		t.Fatal(err)
	}
	return s
}

func query(t *testing.T, network, addr, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	c := dns.Client{Net: network}
	r, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s %s over %s: %v", name, dns.TypeToString[qtype], network, err)
	}
	return r
}

func values(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			out = append(out, rr.A.String())
		case *dns.AAAA:
			out = append(out, rr.AAAA.String())
		case *dns.PTR:
			out = append(out, rr.Ptr)
		}
	}
	slices.Sort(out)
	return out
}

func TestOwnNamesAreAnsweredFromTheTable(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, answering("other.test. 60 IN A 198.51.100.7"))
	s := newServer(t, dnsserver.Config{
		Zones: []string{"startos"},
		Records: []dnsserver.Record{
			{Name: "startos", IPv4: []netip.Addr{ip("10.0.3.1")}},
			{Name: "hello.startos", IPv4: []netip.Addr{ip("10.0.3.5"), ip("10.0.3.6")}, Subdomains: true},
			{Name: "exact.startos", IPv4: []netip.Addr{ip("10.0.3.7")}},
			{Name: "hidden.startos", IPv4: []netip.Addr{ip("10.0.3.8")}, Sources: []netip.Prefix{prefix("10.0.3.5/32")}},
			{Name: "home.lan", IPv4: []netip.Addr{ip("192.168.1.2")}},
		},
		Upstreams: []netip.AddrPort{up},
	})
	addr := start(t, s)
	for _, c := range []struct {
		name  string
		qtype uint16
		rcode int
		want  string
	}{
		{"startos", dns.TypeA, dns.RcodeSuccess, "10.0.3.1"},
		{"hello.startos", dns.TypeA, dns.RcodeSuccess, "10.0.3.5 10.0.3.6"},
		{"HELLO.StartOS", dns.TypeA, dns.RcodeSuccess, "10.0.3.5 10.0.3.6"},
		{"a.b.hello.startos", dns.TypeA, dns.RcodeSuccess, "10.0.3.5 10.0.3.6"},
		{"a.exact.startos", dns.TypeA, dns.RcodeNameError, ""},
		{"hello.startos", dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"hello.startos", dns.TypeMX, dns.RcodeSuccess, ""},
		{"absent.startos", dns.TypeA, dns.RcodeNameError, ""},
		{"absent.startos", dns.TypeAAAA, dns.RcodeNameError, ""},
		{"hidden.startos", dns.TypeA, dns.RcodeNameError, ""},
		{"home.lan", dns.TypeA, dns.RcodeSuccess, "192.168.1.2"},
		{"localhost", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{"x.localhost", dns.TypeAAAA, dns.RcodeSuccess, "::1"},
		{"7.3.0.10.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, "exact.startos."},
	} {
		for _, network := range []string{"udp", "tcp"} {
			r := query(t, network, addr, c.name, c.qtype)
			if got := strings.Join(values(r), " "); r.Rcode != c.rcode || got != c.want || !r.Authoritative {
				t.Errorf("%s %s over %s: %s %q, want %s %q", c.name, dns.TypeToString[c.qtype], network,
					dns.RcodeToString[r.Rcode], got, dns.RcodeToString[c.rcode], c.want)
			}
			for _, rr := range r.Answer {
				if rr.Header().Ttl != 0 {
					t.Errorf("%s may be kept for %d s", c.name, rr.Header().Ttl)
				}
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions for own names left the machine", n)
	}
	if got := values(query(t, "udp", addr, "other.test", dns.TypeA)); !slices.Equal(got, []string{"198.51.100.7"}) {
		t.Errorf("a foreign name is answered %v", got)
	}
}

// A neighbour is told what records for its network say, and asks from the address at which the resolver is asked.
func TestAResolverIsAskedAsByANeighbour(t *testing.T) {
	t.Parallel()
	s := dnsserver.New(nil)
	if err := s.SetConfig(dnsserver.Config{Zones: []string{"arpa"}, Records: []dnsserver.Record{
		{Name: "home.arpa", IPv4: []netip.Addr{ip("192.168.1.5")}, IPv6: []netip.Addr{ip("fd00::5")}, Sources: []netip.Prefix{prefix("127.0.0.1/32")}},
		{Name: "other.arpa", IPv4: []netip.Addr{ip("192.168.2.5")}, Sources: []netip.Prefix{prefix("192.168.2.0/24")}},
	}}); err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(start(t, s))
	if got, err := dnsserver.AskAt(t.Context(), at, "home.arpa"); err != nil || !slices.Equal(got, []netip.Addr{ip("192.168.1.5"), ip("fd00::5")}) {
		t.Errorf("a neighbour is told %v, %v", got, err)
	}
	if got, err := dnsserver.AskAt(t.Context(), at, "other.arpa"); err != nil || len(got) > 0 {
		t.Errorf("a neighbour is told %v of a name that is not for it, %v", got, err)
	}
}

func TestANewConfigurationCountsAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, dnsserver.Config{Zones: []string{"startos"}})
	addr := start(t, s)
	if r := query(t, "udp", addr, "a.startos", dns.TypeA); r.Rcode != dns.RcodeNameError {
		t.Fatalf("before: %v", r)
	}
	if err := s.SetConfig(dnsserver.Config{Zones: []string{"startos"}, Records: []dnsserver.Record{{Name: "a.startos", IPv4: []netip.Addr{ip("10.0.3.2")}}}}); err != nil {
		t.Fatal(err)
	}
	if got := values(query(t, "udp", addr, "a.startos", dns.TypeA)); !slices.Equal(got, []string{"10.0.3.2"}) {
		t.Fatalf("after: %v", got)
	}
}

// What is asked again over UDP is answered by the table as it is, for whom asks, with the number and the spelling of the question.
func TestRepeatedQuestionsAreAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	config := func(address string) dnsserver.Config {
		return dnsserver.Config{Zones: []string{"startos"}, Records: []dnsserver.Record{
			{Name: "a.startos", IPv4: []netip.Addr{ip(address)}, Sources: []netip.Prefix{prefix("127.0.0.2/32")}},
		}}
	}
	s := newServer(t, config("10.0.3.5"))
	at := start(t, s)
	ask := func(source, name string, qtype uint16, edns bool) *dns.Msg {
		t.Helper()
		m := new(dns.Msg).SetQuestion(name, qtype)
		if edns {
			m.SetEdns0(1232, false)
		}
		c := dns.Client{Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}}
		r, _, err := c.Exchange(m, at)
		if err != nil {
			t.Fatal(err)
		}
		if r.Question[0].Name != name || (r.IsEdns0() != nil) != edns {
			t.Errorf("%s, options %t: answered %v", name, edns, r)
		}
		return r
	}
	for _, address := range []string{"10.0.3.5", "10.0.3.6"} {
		if err := s.SetConfig(config(address)); err != nil {
			t.Fatal(err)
		}
		for range 20 { // several readers, each of which sees one twice
			for _, edns := range []bool{false, true} {
				if got := values(ask("127.0.0.2", "a.startos.", dns.TypeA, edns)); !slices.Equal(got, []string{address}) {
					t.Errorf("the one who may is told %v, not %s", got, address)
				}
				if got := values(ask("127.0.0.2", "A.startos.", dns.TypeA, edns)); !slices.Equal(got, []string{address}) {
					t.Errorf("by another spelling it is told %v, not %s", got, address)
				}
				if got := ask("127.0.0.1", "a.startos.", dns.TypeA, edns); len(got.Answer) > 0 || got.Rcode != dns.RcodeNameError {
					t.Errorf("the one who may not is told %v", got)
				}
				if got := ask("127.0.0.2", "a.startos.", dns.TypeAAAA, edns); len(got.Answer) > 0 || got.Rcode != dns.RcodeSuccess {
					t.Errorf("asked for another kind, it is told %v", got)
				}
			}
		}
	}
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	silent, _ := upstream(t, func(dns.ResponseWriter, *dns.Msg) {})
	broken, _ := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeServerFailure)) })
	liar, _ := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		r.Question[0].Name = "elsewhere.test."
		w.WriteMsg(r)
	})
	good, _ := upstream(t, answering("other.test. 60 IN A 198.51.100.7"))
	none, _ := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeNameError)) })
	for _, c := range []struct {
		name  string
		to    []netip.AddrPort
		rcode int
	}{
		{"a silent resolver is passed over", []netip.AddrPort{silent, good}, dns.RcodeSuccess},
		{"a broken resolver is passed over", []netip.AddrPort{broken, good}, dns.RcodeSuccess},
		{"an answer to another question is passed over", []netip.AddrPort{liar, good}, dns.RcodeSuccess},
		{"that a name does not exist is an answer", []netip.AddrPort{none, good}, dns.RcodeNameError},
		{"no good resolver", []netip.AddrPort{broken}, dns.RcodeServerFailure},
		{"no resolver at all", nil, dns.RcodeServerFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := start(t, newServer(t, dnsserver.Config{Upstreams: c.to}))
			for _, network := range []string{"udp", "tcp"} {
				r := query(t, network, addr, "other.test", dns.TypeA)
				if r.Rcode != c.rcode || r.Rcode == dns.RcodeSuccess && !slices.Equal(values(r), []string{"198.51.100.7"}) {
					t.Errorf("over %s: %v", network, r)
				}
			}
		})
	}
}

func TestLongAnswersGoOverTCP(t *testing.T) {
	t.Parallel()
	var rrs []string
	for i := range 200 {
		rrs = append(rrs, "big.test. 60 IN A 198.51.100."+strconv.Itoa(i))
	}
	up, _ := upstream(t, answering(rrs...))
	addr := start(t, newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}}))
	if r := query(t, "udp", addr, "big.test", dns.TypeA); !r.Truncated {
		t.Errorf("the answer over UDP has %d records and is not marked as cut", len(r.Answer))
	}
	if r := query(t, "tcp", addr, "big.test", dns.TypeA); r.Truncated || len(r.Answer) != 200 {
		t.Errorf("the answer over TCP has %d records", len(r.Answer))
	}
}

// Who asks over one connection after the other is answered, though those before are not over yet; who holds connections without asking
// gets no more of them.
func TestOneSourceAsksAgainAndHoldsFewConnections(t *testing.T) {
	t.Parallel()
	up, _ := upstream(t, answering("one.test. 60 IN A 198.51.100.1"))
	addr := start(t, newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}}))
	dial := func() *dns.Conn {
		c, err := dns.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	asks := func(c *dns.Conn) error {
		m := new(dns.Msg)
		m.SetQuestion("one.test.", dns.TypeA)
		if err := c.WriteMsg(m); err != nil {
			return err
		}
		_, err := c.ReadMsg()
		return err
	}
	for i := range 3 * dnsserver.MaxConnsSource {
		if err := asks(dial()); err != nil {
			t.Fatalf("connection %d is not answered: %v", i, err)
		}
	}
	silent := make([]*dns.Conn, dnsserver.MaxConnsSource)
	for i := range silent { // takes the place of those that were answered
		silent[i] = dial()
	}
	if err := asks(dial()); err == nil {
		t.Error("a source holds more connections than it may")
	}
	for i, c := range silent[:3] {
		if err := asks(c); err != nil {
			t.Errorf("connection %d is not answered: %v", i, err)
		}
	}
}

// Who was let in before serving ends may still ask: a successor has the socket by then, but not that connection.
func TestConnectionsThatHaveNotAskedOutliveTheEnd(t *testing.T) {
	t.Parallel()
	up, _ := upstream(t, answering("one.test. 60 IN A 198.51.100.1"))
	s := newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}})
	l, pc := sockets(t)
	pc.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.ServeListener(ctx, l) }()
	silent, err := dns.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	query(t, "tcp", l.Addr().String(), "one.test", dns.TypeA) // the one before has been let in, too
	cancel()
	for {
		late, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		late.Close()
	}
	m := new(dns.Msg)
	m.SetQuestion("one.test.", dns.TypeA)
	if err := silent.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	if r, err := silent.ReadMsg(); err != nil || len(r.Answer) != 1 {
		t.Errorf("it gets %v, %v", r, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTheMachinesResolversAreReadAgain(t *testing.T) {
	t.Parallel()
	s := dnsserver.New(nil)
	path := filepath.Join(t.TempDir(), "resolv.conf")
	s.SetSystemFiles(path)
	if r := ask(t, s, "other.test", "127.0.0.1"); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("without a file: %v", r)
	}
	// The stub of systemd and ourselves are never asked, whatever the file says.
	if err := os.WriteFile(path, []byte("nameserver 127.0.0.53\nnameserver 0.0.0.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, s, "other.test", "127.0.0.1"); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("with the stub alone: %v", r)
	}
}

func TestStrangersAreRefusedWithoutGain(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, answering("other.test. 60 IN A 198.51.100.7"))
	s := newServer(t, dnsserver.Config{
		Zones:     []string{"startos"},
		Records:   []dnsserver.Record{{Name: "hello.startos", IPv4: []netip.Addr{ip("10.0.3.5")}}},
		Upstreams: []netip.AddrPort{up},
	})
	for _, name := range []string{"hello.startos", "other.test", "localhost"} {
		r := ask(t, s, name, "203.0.113.9")
		if r.Rcode != dns.RcodeRefused || len(r.Answer)+len(r.Ns)+len(r.Extra) != 0 {
			t.Errorf("a stranger asking for %s got %v", name, r)
		}
	}
	if err := s.SetConfig(dnsserver.Config{Sources: []netip.Prefix{prefix("10.0.3.0/24")}, Upstreams: []netip.AddrPort{up}}); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, s, "other.test", "192.168.1.5"); r.Rcode != dns.RcodeRefused {
		t.Errorf("a source outside the list got %v", r)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions of strangers were forwarded", n)
	}
	if r := ask(t, s, "other.test", "10.0.3.9"); r.Rcode != dns.RcodeSuccess {
		t.Errorf("an allowed source got %v", r)
	}
}

func TestOneSourceCannotTakeAllForwarding(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	var held sync.WaitGroup
	held.Add(dnsserver.MaxPendingSource)
	up, _ := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if strings.HasPrefix(m.Question[0].Name, "slow") {
			<-hold
		}
		answering("other.test. 60 IN A 198.51.100.7")(w, m)
	})
	s := newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}})
	var wg sync.WaitGroup
	for range dnsserver.MaxPendingSource {
		wg.Go(func() { held.Done(); ask(t, s, "slow.test", "10.0.3.5") })
	}
	held.Wait()
	for { // the flood is complete when its source is turned away at once
		if r := ask(t, s, "slow.test", "10.0.3.5"); r.Rcode == dns.RcodeServerFailure {
			break
		}
	}
	if r := ask(t, s, "other.test", "10.0.3.6"); r.Rcode != dns.RcodeSuccess {
		t.Errorf("another source got %v", r)
	}
	close(hold)
	wg.Wait()
}

func TestTransfersAndUpdatesAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, dnsserver.Config{Zones: []string{"startos"}})
	m := new(dns.Msg)
	m.SetAxfr("startos.")
	if r := reply(t, s, m, "127.0.0.1"); r.Rcode != dns.RcodeRefused {
		t.Errorf("transfer: %v", r)
	}
	m = new(dns.Msg)
	m.SetUpdate("startos.")
	if r := reply(t, s, m, "127.0.0.1"); r.Rcode != dns.RcodeNotImplemented {
		t.Errorf("update: %v", r)
	}
	m = new(dns.Msg)
	m.SetQuestion("version.bind.", dns.TypeTXT)
	m.Question[0].Qclass = dns.ClassCHAOS
	if r := reply(t, s, m, "127.0.0.1"); r.Rcode != dns.RcodeRefused {
		t.Errorf("version: %v", r)
	}
}

func TestConfigurationsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]dnsserver.Config{
		"upper case":         {Records: []dnsserver.Record{{Name: "Hello.startos"}}},
		"dot at the end":     {Records: []dnsserver.Record{{Name: "hello.startos."}}},
		"empty name":         {Records: []dnsserver.Record{{}}},
		"long label":         {Records: []dnsserver.Record{{Name: strings.Repeat("a", 64)}}},
		"IPv6":               {Records: []dnsserver.Record{{Name: "a", IPv4: []netip.Addr{ip("::1")}}}},
		"too many addresses": {Records: []dnsserver.Record{{Name: "a", IPv4: make([]netip.Addr, dnsserver.MaxAddresses+1)}}},
		"zone":               {Zones: []string{"a..b"}},
		"upstream":           {Upstreams: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53")}},
		"source":             {Sources: []netip.Prefix{{}}},
		"too many records":   {Records: make([]dnsserver.Record, dnsserver.MaxRecords+1)},
	} {
		if err := dnsserver.New(nil).SetConfig(c); !errors.Is(err, dnsserver.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, name := range []string{"hello.startos.", "x.localhost.", "other.test.", "7.3.0.10.in-addr.arpa."} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeAXFR} {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			m.SetEdns0(4096, true)
			b, _ := m.Pack()
			f.Add(b, true)
			f.Add(b, false)
		}
	}
	s := dnsserver.New(nil)
	s.SetSystemFiles()
	if err := s.SetConfig(dnsserver.Config{Zones: []string{"startos"}, Records: []dnsserver.Record{{Name: "hello.startos", IPv4: []netip.Addr{ip("10.0.3.7")}}}}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		if out := s.Reply(t.Context(), packet, ip("127.0.0.1"), tcp); out != nil {
			if !tcp && len(out) > 1232 {
				t.Errorf("answer of %d bytes over UDP", len(out))
			}
			if out[2]&0x80 == 0 {
				t.Error("an answer looks like a question")
			}
		}
		if out := s.Reply(t.Context(), packet, ip("203.0.113.1"), tcp); len(out) > len(packet)+256 {
			t.Errorf("a stranger's %d bytes are answered with %d", len(packet), len(out))
		}
	})
}

func ask(t *testing.T, s *dnsserver.Server, name, source string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.SetEdns0(1232, false)
	return reply(t, s, m, source)
}

func reply(t *testing.T, s *dnsserver.Server, m *dns.Msg, source string) *dns.Msg {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	r := new(dns.Msg)
	out := s.Reply(t.Context(), b, ip(source), false)
	if err := r.Unpack(out); err != nil {
		t.Errorf("answer %x: %v", out, err)
	}
	return r
}

// For some sources nobody else is asked: they are told what is known here, and refused the rest.
// Names that are not of the DNS, and those of ours whoever may see them, go to nobody else.
func TestSomeNamesStayHere(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, answering("printer.local. 60 IN A 192.0.2.9"))
	s := newServer(t, dnsserver.Config{
		Zones: []string{"startos"}, Upstreams: []netip.AddrPort{up}, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Records: []dnsserver.Record{
			{Name: "home.test", IPv4: []netip.Addr{ip("192.0.2.1")}, Sources: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
			{Name: "wide.test", Subdomains: true, IPv4: []netip.Addr{ip("192.0.2.2")}},
		},
	})
	for _, name := range []string{"printer.local", "Local", "abc.onion"} {
		if r := ask(t, s, name, "127.0.0.1"); r.Rcode != dns.RcodeNameError {
			t.Errorf("%s: %v", name, r)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("others were asked %d times", n)
	}
	for name, want := range map[string]bool{
		"hello.startos": true, "startos.": true, "HOME.test": true, "a.home.test": false, "a.b.wide.test": true, "test": false, "example.org": false, "a.local": true, "local.example.org": false,
	} {
		if s.Stays(name) != want {
			t.Errorf("%s stays: %v", name, !want)
		}
	}
}

func TestNobodyElseIsAskedForSomeSources(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetReply(m)) })
	s := dnsserver.New(nil)
	cfg := dnsserver.Config{
		Records: []dnsserver.Record{{Name: "other.startos", IPv4: []netip.Addr{ip("10.0.3.9")}}}, Upstreams: []netip.AddrPort{up}, Local: []netip.Addr{ip("127.0.0.1")},
	}
	if err := s.SetConfig(cfg); err != nil {
		t.Fatal(err)
	}
	addr := start(t, s)
	rcode := func(name string) int {
		t.Helper()
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), addr)
		if err != nil {
			t.Fatal(err)
		}
		return m.Rcode
	}
	if got := rcode("other.startos."); got != dns.RcodeSuccess {
		t.Errorf("a name that is known here: %s", dns.RcodeToString[got])
	}
	if got := rcode("example.org."); got != dns.RcodeRefused || asked.Load() != 0 {
		t.Errorf("another name: %s, asked %d times", dns.RcodeToString[got], asked.Load())
	}
	cfg.Local = nil
	if err := s.SetConfig(cfg); err != nil {
		t.Fatal(err)
	}
	if got := rcode("example.org."); got != dns.RcodeSuccess || asked.Load() != 1 {
		t.Errorf("for everybody else: %s, asked %d times", dns.RcodeToString[got], asked.Load())
	}
}

package dnsserver_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
)

// opened is a firewall that remembers what it was to open.
type opened struct {
	mu   sync.Mutex // guards what follows
	last []dnsserver.Opening
	err  error
}

func (o *opened) open(_ context.Context, what dnsserver.Opening) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, what)
	return o.err
}

func (o *opened) taken() []dnsserver.Opening {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := o.last
	o.last = nil
	return last
}

func reachedNames(t *testing.T, words ...string) (list []s9pk.ReachedName) {
	t.Helper()
	for _, w := range words {
		n, err := s9pk.ParseReachedName(w)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// Who reaches names may ask for them, reaches the public addresses that they lead to before he is told, at the ports that are declared, and is
// told of no other names.
func TestWhoReachesNamesIsLetReachThemBeforeHeIsTold(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) {
		name := strings.ToLower(m.Question[0].Name)
		rrs := map[string][]string{
			"api.example.org. A":       {name + " 60 IN A 93.184.216.9", name + " 60 IN A 192.168.1.5", name + " 60 IN A 127.0.0.1", name + " 60 IN A 10.0.3.1"},
			"api.example.org. AAAA":    {name + " 60 IN AAAA 2a03:db80::9", name + " 60 IN AAAA fd00:3::1", name + " 60 IN AAAA ::ffff:10.0.0.1"},
			"a.b.example.net. A":       {name + " 7300 IN CNAME cdn.example.com.", "cdn.example.com. 86400 IN A 93.184.216.10"},
			"long.example.net. A":      {name + " 600000 IN A 93.184.216.11"},
			"api.example.org. HTTPS":   {name + " 60 IN HTTPS 1 . alpn=h2 ipv4hint=93.184.216.12 ipv6hint=2a03:db80::12"},
			"home.example.net. A":      {name + " 60 IN A 192.168.1.5"},
			"nothing.example.net. TXT": {name + ` 60 IN TXT "93.184.216.9"`},
			"cdn.example.com. A":       {name + " 60 IN A 93.184.216.10"},
		}[name+" "+dns.TypeToString[m.Question[0].Qtype]]
		answering(rrs...)(w, m)
	})
	var wall opened
	s := dnsserver.New(wall.open)
	s.SetSystemFiles()
	const alone, besides, other = "10.0.3.7", "10.0.3.8", "10.0.3.9"
	names := reachedNames(t, "api.example.org:443", "api.example.org:8443", "*.example.net")
	if err := s.SetConfig(dnsserver.Config{
		Upstreams: []netip.AddrPort{up}, Zones: []string{"startos"}, Records: []dnsserver.Record{{Name: "hello.startos", IPv4: []netip.Addr{ip("10.0.3.9")}}},
		Local: []netip.Addr{ip(alone), ip("fd00:3::7")},
		Named: []dnsserver.Named{{Sources: []netip.Addr{ip(alone), ip("fd00:3::7")}, Names: names, Set: "a"}, {Sources: []netip.Addr{ip(besides)}, Names: names, Set: "b"}},
	}); err != nil {
		t.Fatal(err)
	}
	question := func(source, name string, qtype uint16) *dns.Msg {
		t.Helper()
		return reply(t, s, new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), source)
	}
	far := func(texts ...string) (list []netip.Addr) {
		for _, a := range texts {
			list = append(list, ip(a))
		}
		return list
	}
	api := []uint16{443, 8443}
	for _, c := range []struct {
		source, name string
		qtype        uint16
		rcode        int
		opens        *dnsserver.Opening
	}{
		{alone, "API.example.org", dns.TypeA, dns.RcodeSuccess, &dnsserver.Opening{Set: "a", Addresses: far("93.184.216.9"), Ports: api, For: time.Hour}},
		{"fd00:3::7", "api.example.org", dns.TypeAAAA, dns.RcodeSuccess, &dnsserver.Opening{Set: "a", Addresses: far("2a03:db80::9"), Ports: api, For: time.Hour}},
		{besides, "api.example.org", dns.TypeA, dns.RcodeSuccess, &dnsserver.Opening{Set: "b", Addresses: far("93.184.216.9"), Ports: api, For: time.Hour}}, // what was kept
		{alone, "api.example.org", dns.TypeHTTPS, dns.RcodeSuccess, &dnsserver.Opening{Set: "a", Addresses: far("93.184.216.12", "2a03:db80::12"), Ports: api, For: time.Hour}},
		{alone, "a.b.example.net", dns.TypeA, dns.RcodeSuccess, &dnsserver.Opening{Set: "a", Addresses: far("93.184.216.10"), For: 7300 * time.Second}},
		{alone, "long.example.net", dns.TypeA, dns.RcodeSuccess, &dnsserver.Opening{Set: "a", Addresses: far("93.184.216.11"), For: 24 * time.Hour}},
		{alone, "home.example.net", dns.TypeA, dns.RcodeSuccess, nil},
		{alone, "nothing.example.net", dns.TypeTXT, dns.RcodeSuccess, nil},
		{alone, "cdn.example.com", dns.TypeA, dns.RcodeRefused, nil},
		{alone, "example.net", dns.TypeA, dns.RcodeRefused, nil},
		{alone, "hello.startos", dns.TypeA, dns.RcodeSuccess, nil},
		{besides, "cdn.example.com", dns.TypeA, dns.RcodeSuccess, nil},
		{other, "api.example.org", dns.TypeA, dns.RcodeSuccess, nil},
	} {
		m := question(c.source, c.name, c.qtype)
		var want []dnsserver.Opening
		if c.opens != nil {
			want = append(want, *c.opens)
		}
		if d := cmp.Diff(want, wall.taken(), cmpopts.EquateComparable(netip.Addr{})); d != "" || m.Rcode != c.rcode {
			t.Errorf("%s of %s %s: %s (-want +got):\n%s", c.source, c.name, dns.TypeToString[c.qtype], dns.RcodeToString[m.Rcode], d)
		}
		if c.rcode == dns.RcodeSuccess && len(m.Answer) == 0 {
			t.Errorf("%s of %s is told nothing", c.source, c.name)
		}
		for _, rr := range m.Answer {
			if rr.Header().Ttl > 24*60*60 && c.opens != nil {
				t.Errorf("%s is to be kept for %d s, for longer than it is reached", c.name, rr.Header().Ttl)
			}
		}
	}
	before := asked.Load()
	wall.err = errors.New("no firewall")
	for range 2 {
		if m := question(alone, "api.example.org", dns.TypeA); m.Rcode != dns.RcodeServerFailure || len(m.Answer) > 0 {
			t.Errorf("what cannot be reached is told: %v", m)
		}
	}
	if asked.Load() != before {
		t.Error("what is known was asked for")
	}
}

// Those who flood are bounded as anybody is, also with questions whose answers are known.
func TestQuestionsThatOpenSomethingAreBounded(t *testing.T) {
	t.Parallel()
	up, _ := upstream(t, answering("api.example.org. 60 IN A 93.184.216.9"))
	release := make(chan struct{})
	s := dnsserver.New(func(context.Context, dnsserver.Opening) error { <-release; return nil })
	s.SetSystemFiles()
	err := s.SetConfig(dnsserver.Config{
		Upstreams: []netip.AddrPort{up}, Named: []dnsserver.Named{{Sources: []netip.Addr{ip("10.0.3.7")}, Names: reachedNames(t, "api.example.org"), Set: "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s, "api.example.org", "10.0.3.8") // keeps the answer
	codes := make(chan int, dnsserver.MaxPendingSource+1)
	for range dnsserver.MaxPendingSource + 1 {
		go func() { codes <- ask(t, s, "api.example.org", "10.0.3.7").Rcode }()
	}
	if code := <-codes; code != dns.RcodeServerFailure {
		t.Errorf("one too many is answered %s", dns.RcodeToString[code])
	}
	close(release)
	var rest []int
	for range dnsserver.MaxPendingSource {
		rest = append(rest, <-codes)
	}
	if slices.Max(rest) != dns.RcodeSuccess {
		t.Errorf("the others are answered %v", rest)
	}
}

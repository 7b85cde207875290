package dnsserver_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/server/internal/host/dnsserver"
)

func TestAnswersOfOthersAreKeptForAsLongAsTheySay(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, answering("kept.test. 600 IN A 198.51.100.7"))
	addr := start(t, newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}}))
	for _, name := range []string{"kept.test", "KEPT.test", "kept.test"} {
		m := query(t, "udp", addr, name, dns.TypeA)
		if !slices.Equal(values(m), []string{"198.51.100.7"}) || m.Question[0].Name != dns.Fqdn(name) || m.Answer[0].Header().Ttl > 600 {
			t.Errorf("%s is answered with %v", name, m)
		}
	}
	if query(t, "tcp", addr, "kept.test", dns.TypeA); asked.Load() != 1 {
		t.Errorf("asked %d times for one name", asked.Load())
	}
	if query(t, "udp", addr, "kept.test", dns.TypeAAAA); asked.Load() != 2 {
		t.Errorf("asked %d times for two types", asked.Load())
	}
}

func TestWhatMayNotBeKeptIsAskedAnew(t *testing.T) {
	t.Parallel()
	for what, handle := range map[string]func(dns.ResponseWriter, *dns.Msg){
		"no time to live": answering("a.test. 0 IN A 198.51.100.7"),
		"a failure":       func(w dns.ResponseWriter, m *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeRefused)) },
		"no such name, for unknown time": func(w dns.ResponseWriter, m *dns.Msg) {
			w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeNameError))
		},
	} {
		up, asked := upstream(t, handle)
		addr := start(t, newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}}))
		query(t, "udp", addr, "a.test", dns.TypeA)
		first := asked.Load()
		if query(t, "udp", addr, "a.test", dns.TypeA); asked.Load() == first {
			t.Errorf("%s is kept", what)
		}
	}
}

func TestThatANameIsNotThereIsKeptAsTheZoneSays(t *testing.T) {
	t.Parallel()
	up, asked := upstream(t, func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetRcode(m, dns.RcodeNameError)
		soa, _ := dns.NewRR("test. 900 IN SOA ns.test. root.test. 1 2 3 4 60")
		r.Ns = []dns.RR{soa}
		w.WriteMsg(r)
	})
	addr := start(t, newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{up}}))
	for range 3 {
		if m := query(t, "udp", addr, "absent.test", dns.TypeA); m.Rcode != dns.RcodeNameError {
			t.Errorf("answered %v", m)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestOtherResolversAreAskedAnew(t *testing.T) {
	t.Parallel()
	first, _ := upstream(t, answering("a.test. 600 IN A 198.51.100.1"))
	second, _ := upstream(t, answering("a.test. 600 IN A 198.51.100.2"))
	s := newServer(t, dnsserver.Config{Upstreams: []netip.AddrPort{first}})
	addr := start(t, s)
	query(t, "udp", addr, "a.test", dns.TypeA)
	if err := s.SetConfig(dnsserver.Config{Upstreams: []netip.AddrPort{second}}); err != nil {
		t.Fatal(err)
	}
	if m := query(t, "udp", addr, "a.test", dns.TypeA); !slices.Equal(values(m), []string{"198.51.100.2"}) {
		t.Errorf("answered %v", m)
	}
}

func TestKeptAnswersGrowOldAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := dnsserver.NewCache()
		put := func(name string, ttl int) {
			q := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
			m := new(dns.Msg).SetReply(q)
			rr, err := dns.NewRR(fmt.Sprintf("%s %d IN TXT %0200d", name, ttl, 7))
			if err != nil {
				t.Fatal(err)
			}
			m.Answer = []dns.RR{rr}
			cache.Put(q, m)
		}
		get := func(name string) *dns.Msg { return cache.Get(new(dns.Msg).SetQuestion(name, dns.TypeTXT)) }
		put("a.test.", 100)
		put("long.test.", 1_000_000)
		time.Sleep(40 * time.Second)
		if m := get("A.test."); m == nil || m.Answer[0].Header().Ttl != 60 {
			t.Errorf("after 40 of 100 seconds there is %v", m)
		}
		time.Sleep(60 * time.Second)
		if m := get("a.test."); m != nil {
			t.Errorf("after its time there is %v", m)
		}
		time.Sleep(time.Hour)
		if m := get("long.test."); m != nil {
			t.Errorf("for more than an hour there is %v", m)
		}
		for i := range 10_000 {
			put(fmt.Sprintf("n%d.test.", i), 600)
		}
		if n, bytes := cache.Size(); n > 4096 || bytes > 2<<20 || n < 1000 {
			t.Errorf("%d answers of %d bytes are kept", n, bytes)
		}
		if get("n9999.test.") == nil || get("n0.test.") != nil {
			t.Error("not the ones used last are kept")
		}
	})
}

func TestAResolverThatAsksBackIsRefusedAndTold(t *testing.T) {
	t.Parallel()
	router := netip.MustParseAddrPort("192.0.2.1:53")
	s := newServer(t, dnsserver.Config{
		Upstreams: []netip.AddrPort{router}, Sources: []netip.Prefix{prefix("192.0.2.0/24")},
		Records: []dnsserver.Record{{Name: "photos.example", IPv4: []netip.Addr{ip("192.0.2.5")}, IPv6: []netip.Addr{ip("2001:db8::5")}}},
	})
	ask := func(name string, qtype uint16) *dns.Msg {
		packet, err := new(dns.Msg).SetQuestion(name, qtype).Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(s.Reply(context.Background(), packet, router.Addr(), false)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := ask("photos.example.", dns.TypeAAAA); !slices.Equal(values(m), []string{"2001:db8::5"}) {
		t.Errorf("own name: %v", m)
	}
	if _, circular := s.Upstreams(); circular != nil {
		t.Errorf("a question for a name of ours makes a circle: %v", circular)
	}
	if m := ask("elsewhere.test.", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("answered %v", m)
	}
	if all, circular := s.Upstreams(); !slices.Equal(all, []netip.AddrPort{router}) || !slices.Equal(circular, all) {
		t.Errorf("told %v and %v", all, circular)
	}
}

package door_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// walled are sockets of a machine whose firewall tells what it was to open, or cannot.
type walled struct {
	door.DirectSockets
	opened chan nft.Opening
	closed atomic.Bool
}

func (w *walled) Open(_ context.Context, o nft.Opening) error {
	w.opened <- o
	if w.closed.Load() {
		return errors.ErrUnsupported
	}
	return nil
}

// The firewall of the instance is opened for a service before it is told what a name leads to; where that fails it is told that.
func TestTheFirewallIsOpenedBeforeANameIsTold(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	up := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(93, 184, 216, 9)}}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = up.ActivateAndServe() }()
	t.Cleanup(func() { pc.Close() })
	wall := &walled{opened: make(chan nft.Opening, 16)}
	r := newRig(t, door.Options{Sockets: wall})
	const set = "named_0123456789abcdef"
	at := r.apply(t, &doorv1.Table{Resolver: &doorv1.Resolver{
		Addresses: []string{"127.0.0.1:0"}, Upstreams: []string{pc.LocalAddr().String()}, LocalSources: []string{"127.0.0.1"}, FirewallTag: "1a2b",
		Named: []*doorv1.Named{{Sources: []string{"127.0.0.1"}, Names: []string{"*.example.org:443"}, Set: set}},
	}})["udp 127.0.0.1:0"]
	question := func(name string) *dns.Msg {
		t.Helper()
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), at)
		must(t, err)
		return m
	}
	if m := question("api.example.org."); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
		t.Errorf("the service is told %v", m)
	}
	want := nft.Opening{Tag: "1a2b", Set: set, Addresses: []netip.Addr{netip.MustParseAddr("93.184.216.9")}, Ports: []uint16{443}, For: time.Hour}
	if d := cmp.Diff(want, <-wall.opened, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("opened is (-want +got):\n%s", d)
	}
	wall.closed.Store(true)
	if m := question("api.example.org."); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("the service is told %v", m)
	}
	// What was told holds: it is opened again after the firewall has forgotten it.
	wall.closed.Store(false)
	<-wall.opened // of the refusal
	must(t, r.Reopen(t.Context()))
	again := <-wall.opened
	if left := again.For; left > time.Hour || left < 50*time.Minute {
		t.Errorf("it is opened again for %s", left)
	}
	if again.For = time.Hour; cmp.Diff(want, again, cmpopts.EquateComparable(netip.Addr{})) != "" {
		t.Errorf("opened again is %v", again)
	}
	if m := question("example.com."); m.Rcode != dns.RcodeRefused {
		t.Errorf("the service is told %v", m)
	}
}

package mdns_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/server/internal/host/mdns"
)

const unicast = 1 << 15

func claimed(h *mdns.Host) (out []string) {
	for _, n := range h.Names() {
		out = append(out, n.Wanted+"="+n.Claimed)
	}
	return out
}

func wantNames(t *testing.T, h *mdns.Host, want ...string) {
	t.Helper()
	if have := claimed(h); !slices.Equal(have, want) {
		t.Errorf("the names are %v, want %v", have, want)
	}
}

func question(name string, qtype, class uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Question = []dns.Question{{Name: name, Qtype: qtype, Qclass: class}}
	return m
}

// answered asks a host and returns what it said to it, as text without times and classes.
func answered(w *mdns.Wire, name string, h *mdns.Host, from string, m *dns.Msg) (out []string) {
	before := len(w.Said[name])
	w.Tell(h, netip.MustParseAddrPort(from), m)
	for _, said := range w.Said[name][before:] {
		for _, rr := range said.Answer {
			flush := ""
			if rr.Header().Class&unicast != 0 {
				flush = " flush"
			}
			rr := dns.Copy(rr)
			rr.Header().Class = dns.ClassINET
			out = append(out, strings.Join(strings.Fields(strings.ReplaceAll(rr.String(), "\tIN\t", " ")), " ")+flush)
		}
	}
	return out
}

func TestANameIsAskedForThreeTimesThenAnnouncedTwice(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	h := w.Join("a", []string{"192.168.1.5/24", "2001:db8::5/64", "fe80::5/64"}, "hearth", "photos")
	wantNames(t, h, "hearth=", "photos=")
	w.Pass(600 * time.Millisecond)
	wantNames(t, h, "hearth=", "photos=")
	if got := answered(w, "a", h, "192.168.1.9:5353", question("hearth.local.", dns.TypeA, dns.ClassINET)); got != nil {
		t.Errorf("a name that is not claimed is answered for: %v", got)
	}
	w.Pass(3 * time.Second)
	wantNames(t, h, "hearth=hearth", "photos=photos")
	var asked, told int
	for _, m := range w.Said["a"] {
		if m.Response {
			told++
			if len(m.Answer) != 4 {
				t.Errorf("announced is %v", m.Answer)
			}
		} else {
			asked++
			if len(m.Question) != 2 || m.Question[0].Qtype != dns.TypeANY || len(m.Ns) != 4 {
				t.Errorf("asked is %v", m)
			}
		}
	}
	if asked != 3 || told != 2 {
		t.Errorf("asked %d times, announced %d times", asked, told)
	}
}

func TestQuestionsAreAnsweredAsTheyWereAsked(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	h := w.Join("a", []string{"192.168.1.5/24", "2001:db8::5/64"}, "hearth")
	four := w.Join("b", []string{"192.168.1.6/24"}, "only-four")
	w.Pass(4 * time.Second)
	known := question("hearth.local.", dns.TypeA, dns.ClassINET)
	known.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "hearth.local.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 100}, A: []byte{192, 168, 1, 5}}}
	for _, c := range []struct {
		what, name string
		host       *mdns.Host
		from       string
		m          *dns.Msg
		want       []string
	}{
		{"to all", "a", h, "192.168.1.9:5353", question("HEARTH.local.", dns.TypeA, dns.ClassINET), []string{"hearth.local. 120 A 192.168.1.5 flush"}},
		{"of any kind", "a", h, "192.168.1.9:5353", question("hearth.local.", dns.TypeANY, dns.ClassINET|unicast), []string{"hearth.local. 120 A 192.168.1.5 flush", "hearth.local. 120 AAAA 2001:db8::5 flush"}},
		{"by a plain resolver", "a", h, "192.168.1.9:40000", question("hearth.local.", dns.TypeAAAA, dns.ClassINET), []string{"hearth.local. 10 AAAA 2001:db8::5"}},
		{"for what is not there", "b", four, "192.168.1.9:5353", question("only-four.local.", dns.TypeAAAA, dns.ClassINET|unicast), []string{"only-four.local. 120 NSEC only-four.local. A flush"}},
		{"by who knows", "a", h, "192.168.1.9:5353", known, nil},
		{"from another network", "a", h, "192.168.2.9:5353", question("hearth.local.", dns.TypeA, dns.ClassINET|unicast), nil},
		{"for another name", "a", h, "192.168.1.9:5353", question("other.local.", dns.TypeA, dns.ClassINET|unicast), nil},
		{"for a name below", "a", h, "192.168.1.9:5353", question("x.hearth.local.", dns.TypeA, dns.ClassINET|unicast), nil},
		{"of another class", "a", h, "192.168.1.9:5353", question("hearth.local.", dns.TypeA, dns.ClassCHAOS), nil},
	} {
		w.Pass(2 * time.Second)
		if got := answered(w, c.name, c.host, c.from, c.m); !slices.Equal(got, c.want) {
			t.Errorf("%s: the answer is %v, want %v", c.what, got, c.want)
		}
	}
	w.Pass(2 * time.Second)
	again := question("hearth.local.", dns.TypeA, dns.ClassINET)
	if got := len(answered(w, "a", h, "192.168.1.9:5353", again)) + len(answered(w, "a", h, "192.168.1.9:5353", again)); got != 1 {
		t.Errorf("asked twice in a row, everybody is told %d times", got)
	}
}

func TestANameThatAnotherHasIsNotTaken(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	first := w.Join("a", []string{"192.168.1.5/24"}, "hearth", "hearth-2")
	w.Pass(4 * time.Second)
	second := w.Join("b", []string{"192.168.1.6/24"}, "hearth")
	w.Pass(4 * time.Second)
	wantNames(t, first, "hearth=hearth", "hearth-2=hearth-2")
	wantNames(t, second, "hearth=hearth-3")
}

func TestANameThatAnotherHadComesBack(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		goes   func(*mdns.Wire, *mdns.Host)
		within time.Duration
	}{
		"it is taken back":      {func(_ *mdns.Wire, h *mdns.Host) { h.SetNames() }, 4 * time.Second},
		"its machine goes away": {func(w *mdns.Wire, h *mdns.Host) { w.Leave(h) }, 63 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := mdns.NewWire()
			other := w.Join("a", []string{"192.168.1.5/24"}, "hearth")
			w.Pass(4 * time.Second)
			h := w.Join("b", []string{"192.168.1.6/24"}, "hearth", "photos")
			w.Pass(4 * time.Second)
			asked := len(w.Said["b"])
			w.Pass(5 * time.Minute)
			wantNames(t, h, "hearth=hearth-2", "photos=photos")
			if n := len(w.Said["b"]) - asked; n < 4 || n > 15 {
				t.Errorf("in five minutes it is asked for %d times", n)
			}
			c.goes(w, other)
			w.Pass(c.within)
			wantNames(t, h, "hearth=hearth", "photos=photos")
			if got := answered(w, "b", h, "192.168.1.9:5353", question("hearth-2.local.", dns.TypeA, dns.ClassINET|unicast)); got != nil {
				t.Errorf("the name that it had is answered for: %v", got)
			}
			if got := answered(w, "b", h, "192.168.1.9:5353", question("hearth.local.", dns.TypeA, dns.ClassINET|unicast)); len(got) != 1 {
				t.Errorf("the answer is %v", got)
			}
			again := w.Join("c", []string{"192.168.1.7/24"}, "hearth")
			w.Pass(4 * time.Second)
			wantNames(t, h, "hearth=hearth", "photos=photos")
			wantNames(t, again, "hearth=hearth-2")
		})
	}
}

func TestTheNameThatItHasIsAnsweredWhileABetterOneIsAskedFor(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	other := w.Join("a", []string{"192.168.1.5/24"}, "hearth")
	w.Pass(4 * time.Second)
	h := w.Join("b", []string{"192.168.1.6/24"}, "hearth")
	w.Pass(4 * time.Second)
	w.Leave(other)
	for range 620 {
		w.Pass(100 * time.Millisecond)
		names := h.Names()
		got := answered(w, "b", h, "192.168.1.9:5353", question(names[0].Claimed+".local.", dns.TypeA, dns.ClassINET|unicast))
		if len(got) != 1 {
			t.Fatalf("asked for %s the answer is %v", names[0].Claimed, got)
		}
	}
	wantNames(t, h, "hearth=hearth")
}

func TestTwoThatAskTogetherAgree(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	one := w.Join("a", []string{"192.168.1.5/24"}, "hearth")
	two := w.Join("b", []string{"192.168.1.6/24"}, "hearth")
	w.Pass(6 * time.Second)
	wantNames(t, two, "hearth=hearth") // its address is the later one
	wantNames(t, one, "hearth=hearth-2")
}

func TestAMachineThatComesWithTheSameNameIsNoticed(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	one := w.Join("a", []string{"192.168.1.5/24"}, "hearth")
	w.Pass(4 * time.Second)
	foreign := new(dns.Msg)
	foreign.Response = true
	foreign.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "hearth.local.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 120}, A: []byte{192, 168, 1, 77}}}
	w.Tell(one, netip.MustParseAddrPort("192.168.1.77:5353"), foreign)
	w.Pass(100 * time.Millisecond)
	w.Tell(one, netip.MustParseAddrPort("192.168.1.77:5353"), foreign) // it answers when the name is asked for
	w.Pass(4 * time.Second)
	wantNames(t, one, "hearth=hearth-2")
}

func TestAnotherProgramOfTheMachineIsNoConflict(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	one := w.Join("a", []string{"192.168.1.5/24", "fe80::5/64"}, "hearth")
	own := new(dns.Msg)
	own.Response = true
	own.Answer = []dns.RR{
		&dns.A{Hdr: dns.RR_Header{Name: "hearth.local.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 120}, A: []byte{192, 168, 1, 5}},
		&dns.AAAA{Hdr: dns.RR_Header{Name: "hearth.local.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 120}, AAAA: netip.MustParseAddr("fe80::5").AsSlice()},
	}
	for range 10 {
		w.Tell(one, netip.MustParseAddrPort("192.168.1.5:5353"), own)
		w.Pass(200 * time.Millisecond)
	}
	w.Pass(4 * time.Second)
	wantNames(t, one, "hearth=hearth")
}

func TestANameThatGoesIsTakenBack(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	h := w.Join("a", []string{"192.168.1.5/24"}, "hearth", "photos")
	w.Pass(4 * time.Second)
	h.SetNames("hearth")
	w.Pass(100 * time.Millisecond)
	last := w.Said["a"][len(w.Said["a"])-1]
	if !last.Response || len(last.Answer) != 1 || last.Answer[0].Header().Name != "photos.local." || last.Answer[0].Header().Ttl != 0 {
		t.Errorf("said last is %v", last)
	}
	wantNames(t, h, "hearth=hearth")
}

func TestNewAddressesAreAnnounced(t *testing.T) {
	t.Parallel()
	w := mdns.NewWire()
	h := w.Join("a", []string{"192.168.1.5/24"}, "hearth")
	w.Pass(4 * time.Second)
	h.SetAddresses("192.168.1.7/24")
	wantNames(t, h, "hearth=hearth")
	w.Pass(4 * time.Second)
	last := w.Said["a"][len(w.Said["a"])-1]
	if !last.Response || fmt.Sprint(last.Answer[0].(*dns.A).A) != "192.168.1.7" {
		t.Errorf("said last is %v", last)
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{""}, {"A"}, {"a.b"}, {"-a"}, {"a-"}, {"a", "a"}, {strings.Repeat("a", 64)}, make([]string, mdns.MaxNames+1)} {
		if err := mdns.Check(mdns.Config{Names: names}); !errors.Is(err, mdns.ErrInvalid) {
			t.Errorf("%.3q: %v", names, err)
		}
	}
}

// Whatever comes from the network, nothing panics, and what is sent can be packed.
func FuzzReceive(f *testing.F) {
	w := mdns.NewWire()
	w.Join("a", []string{"192.168.1.5/24"}, "hearth")
	w.Pass(4 * time.Second)
	for _, said := range w.Said["a"] {
		packed, err := said.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, uint16(5353))
	}
	ask, err := question("hearth.local.", dns.TypeANY, dns.ClassINET|unicast).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ask, uint16(40000))
	f.Fuzz(func(t *testing.T, raw []byte, port uint16) {
		m := new(dns.Msg)
		if m.Unpack(raw) != nil {
			return
		}
		w := mdns.NewWire()
		h := w.Join("a", []string{"192.168.1.5/24", "2001:db8::5/64"}, "hearth", "photos")
		from := netip.AddrPortFrom(netip.MustParseAddr("192.168.1.9"), port)
		w.Tell(h, from, m)
		w.Pass(2 * time.Second)
		w.Tell(h, from, m)
		w.Tell(h, from, m)
		if names := h.Names(); len(names) != 2 || names[0].Claimed == names[1].Claimed && names[0].Claimed != "" {
			t.Errorf("the names are %v", names)
		}
	})
}

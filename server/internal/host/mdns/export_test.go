package mdns

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Wire is a network of engines in a test: what one sends to the group all hear, and what it sends to one that one hears.
type Wire struct {
	Now time.Time
	// Said are all messages since the beginning, by who said them.
	Said  map[string][]*dns.Msg
	hosts []*Host
}

// Host is a machine on the wire.
type Host struct {
	name   string
	addr   netip.Addr
	engine *engine
	wire   *Wire
}

// NewWire makes a wire without hosts.
func NewWire() *Wire { return &Wire{Now: time.Unix(1000, 0), Said: map[string][]*dns.Msg{}} }

// Join adds a host with addresses and the names it wants.
func (w *Wire) Join(name string, addresses []string, names ...string) *Host {
	h := &Host{name: name, wire: w, engine: newEngine(func() time.Duration { return time.Duration(len(w.hosts)) * 10 * time.Millisecond })}
	w.hosts = append(w.hosts, h)
	h.SetAddresses(addresses...)
	h.engine.setNames(names, w.Now)
	return h
}

// Leave takes a host off the wire without a word.
func (w *Wire) Leave(h *Host) {
	w.hosts = slices.DeleteFunc(w.hosts, func(o *Host) bool { return o == h })
}

// SetAddresses changes the addresses of a host; those beginning with fe80 are its own and not told.
func (h *Host) SetAddresses(addresses ...string) {
	l, own := &link{index: 1, name: "eth0"}, map[netip.Addr]bool{}
	for _, s := range addresses {
		p := netip.MustParsePrefix(s)
		own[p.Addr()] = true
		l.networks = append(l.networks, p)
		switch {
		case p.Addr().IsLinkLocalUnicast():
			continue
		case p.Addr().Is4():
			l.v4 = append(l.v4, p.Addr())
		default:
			l.v6 = append(l.v6, p.Addr())
		}
		h.addr = p.Addr()
	}
	h.engine.setLinks([]*link{l}, own, h.wire.Now)
}

// SetNames changes the names a host wants.
func (h *Host) SetNames(names ...string) { h.engine.setNames(names, h.wire.Now) }

// Names are the names of a host.
func (h *Host) Names() []Name { return h.engine.names() }

// Pass lets time pass in steps of ten milliseconds.
func (w *Wire) Pass(d time.Duration) {
	for end := w.Now.Add(d); w.Now.Before(end); w.Now = w.Now.Add(10 * time.Millisecond) {
		for _, h := range w.hosts {
			h.engine.tick(w.Now)
		}
		w.deliver()
	}
}

// Tell has a message come to a host from an address; its answers are delivered.
func (w *Wire) Tell(h *Host, from netip.AddrPort, m *dns.Msg) {
	h.engine.receive(1, from, m, w.Now)
	w.deliver()
}

func (w *Wire) deliver() {
	for again := true; again; {
		again = false
		for _, h := range w.hosts {
			for _, p := range h.engine.flush() {
				again = true
				packed, err := p.msg.Pack()
				if err != nil {
					panic(err)
				}
				m := new(dns.Msg)
				if err := m.Unpack(packed); err != nil {
					panic(err)
				}
				w.Said[h.name] = append(w.Said[h.name], m)
				for _, to := range w.hosts {
					if to != h && (!p.to.IsValid() || p.to.Addr() == to.addr) {
						to.engine.receive(1, netip.AddrPortFrom(h.addr, port), m, w.Now)
					}
				}
			}
		}
	}
}

package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/netdev"
)

const (
	// maxPacket is the longest message that is read.
	maxPacket = 9000
	// queued is how many messages wait; more are lost, as on any network.
	queued = 64
	// retry is how soon what failed is tried again.
	retry = 5 * time.Second
)

var (
	group4 = netip.MustParseAddr("224.0.0.251")
	group6 = netip.MustParseAddr("ff02::fb")
)

// Responder answers for names. Make it with New and let it Run; it is safe for concurrent use.
type Responder struct {
	log    *slog.Logger
	config chan Config

	mu    sync.Mutex // guards names
	names []Name
}

// New makes a responder without names. Nothing happens before Run.
func New(log *slog.Logger) *Responder {
	return &Responder{log: log, config: make(chan Config, 1)}
}

// SetConfig changes what the machine is called and where, as soon as Run gets to it. The error wraps ErrInvalid.
func (r *Responder) SetConfig(c Config) error {
	if err := Check(c); err != nil {
		return err
	}
	for {
		select {
		case r.config <- c:
			return nil
		case <-r.config: // what was not yet looked at is old
		}
	}
}

// Names tells what is claimed.
func (r *Responder) Names() []Name {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

// heard is a message and where it came from.
type heard struct {
	link int
	from netip.AddrPort
	msg  *dns.Msg
}

// Run answers until ctx ends. While nothing is configured it has no socket.
func (r *Responder) Run(ctx context.Context) error {
	devices, err := netdev.New()
	if err != nil {
		return err
	}
	defer devices.Close()
	changes, err := devices.Changes(ctx)
	if err != nil {
		return err
	}
	l := &loop{
		r: r, devices: devices, in: make(chan heard, queued), timer: time.NewTimer(0),
		engine: newEngine(func() time.Duration { return rand.N(probeEvery) }),
	}
	defer l.timer.Stop()
	defer func() { l.sockets.close() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-r.config:
			l.config = c
			l.look(ctx)
			l.engine.setNames(c.Names, time.Now())
		case _, more := <-changes:
			if !more {
				changes = nil // a look every few minutes would find little; the next configuration looks anew
				continue
			}
			l.look(ctx)
		case h := <-l.in:
			l.engine.receive(h.link, h.from, h.msg, time.Now())
		case <-l.timer.C:
			if l.failed {
				l.look(ctx)
			}
		}
		l.settle()
	}
}

// loop is what Run holds; it is for its goroutine.
type loop struct {
	r       *Responder
	devices *netdev.Devices
	engine  *engine
	config  Config
	sockets *sockets
	in      chan heard
	timer   *time.Timer
	failed  bool // sockets could not be opened or joined
}

// look makes links and sockets what configuration and machine say.
func (l *loop) look(ctx context.Context) {
	all, err := l.devices.Links()
	if err != nil {
		l.r.log.Debug("mdns: cannot look at the links", "err", err)
		l.failed = true
		return
	}
	var links []*link
	own := map[netip.Addr]bool{}
	for _, d := range all {
		for _, p := range d.Subnets {
			own[p.Addr()] = true
		}
		if !slices.Contains(l.config.Links, d.Name) || !d.Up {
			continue
		}
		k := &link{index: d.Index, name: d.Name, networks: d.Subnets}
		for _, p := range d.Subnets {
			if p.Addr().Is4() {
				k.v4 = append(k.v4, p.Addr())
			} else {
				k.v6 = append(k.v6, p.Addr())
			}
		}
		if len(d.Subnets) > 0 {
			links = append(links, k)
		}
	}
	for _, a := range linkLocal() {
		own[a] = true
	}
	l.open(ctx, links)
	l.engine.setLinks(links, own, time.Now())
}

// linkLocal are the machine's addresses that are valid on one link alone: another program of this machine may tell of them.
func linkLocal() (out []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsLinkLocalUnicast() {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}

func (l *loop) open(ctx context.Context, links []*link) {
	l.failed = false
	if len(links) == 0 || len(l.config.Names) == 0 {
		l.sockets.close()
		l.sockets = nil
		return
	}
	if l.sockets == nil {
		s, err := openSockets(ctx, l.in)
		if err != nil {
			l.r.log.Warn("cannot answer for names in .local", "err", err)
			l.failed = true
			return
		}
		l.sockets = s
	}
	l.failed = !l.sockets.join(links)
}

// settle sends what is to be sent, tells what is claimed, and sets the timer.
func (l *loop) settle() {
	now := time.Now()
	next := l.engine.tick(now)
	for _, p := range l.engine.flush() {
		l.sockets.send(p)
	}
	l.r.mu.Lock()
	l.r.names = l.engine.names()
	l.r.mu.Unlock()
	if l.failed && (next.IsZero() || next.After(now.Add(retry))) {
		next = now.Add(retry)
	}
	if next.IsZero() {
		l.timer.Stop()
		return
	}
	l.timer.Reset(max(next.Sub(now), 0))
}

// sockets are those of mDNS. They are shared with whatever else on the machine speaks it.
type sockets struct {
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn // nil on a machine without IPv6
	// joined4 and joined6 are the links on which the groups were joined.
	joined4, joined6 map[int]bool
	ended            sync.WaitGroup
	closed           chan struct{}
}

func openSockets(ctx context.Context, in chan<- heard) (*sockets, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		controlErr := raw.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		})
		return errors.Join(controlErr, err)
	}}
	four, err := lc.ListenPacket(ctx, "udp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return nil, fmt.Errorf("cannot listen for mDNS: %w", err)
	}
	s := &sockets{v4: ipv4.NewPacketConn(four), joined4: map[int]bool{}, joined6: map[int]bool{}, closed: make(chan struct{})}
	err = errors.Join(s.v4.SetControlMessage(ipv4.FlagInterface, true), s.v4.SetMulticastTTL(255), s.v4.SetTTL(255))
	if err != nil {
		four.Close()
		return nil, fmt.Errorf("cannot listen for mDNS: %w", err)
	}
	if six, err := lc.ListenPacket(ctx, "udp6", fmt.Sprintf("[::]:%d", port)); err == nil {
		s.v6 = ipv6.NewPacketConn(six)
		if errors.Join(s.v6.SetControlMessage(ipv6.FlagInterface, true), s.v6.SetMulticastHopLimit(255), s.v6.SetHopLimit(255)) != nil {
			six.Close()
			s.v6 = nil
		}
	}
	s.ended.Go(func() {
		s.read(in, func(b []byte) (int, int, net.Addr, error) {
			n, cm, from, err := s.v4.ReadFrom(b)
			if cm == nil {
				return n, 0, from, err
			}
			return n, cm.IfIndex, from, err
		})
	})
	if s.v6 != nil {
		s.ended.Go(func() {
			s.read(in, func(b []byte) (int, int, net.Addr, error) {
				n, cm, from, err := s.v6.ReadFrom(b)
				if cm == nil {
					return n, 0, from, err
				}
				return n, cm.IfIndex, from, err
			})
		})
	}
	return s, nil
}

// read hands on messages until the sockets are closed.
func (s *sockets) read(in chan<- heard, from func([]byte) (int, int, net.Addr, error)) {
	b := make([]byte, maxPacket)
	for {
		n, index, addr, err := from(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		source, ok := addr.(*net.UDPAddr)
		if err != nil || !ok {
			continue
		}
		m := new(dns.Msg)
		if m.Unpack(b[:n]) != nil {
			continue
		}
		select {
		case in <- heard{index, source.AddrPort(), m}:
		case <-s.closed:
			return
		default: // as if the network had lost it
		}
	}
}

// join joins the groups on links, and answers whether that worked for IPv4 everywhere; a link may have no IPv6.
func (s *sockets) join(links []*link) bool {
	there, all := map[int]bool{}, true
	for _, l := range links {
		there[l.index] = true
		i := &net.Interface{Index: l.index, Name: l.name}
		if !s.joined4[l.index] {
			s.joined4[l.index] = joined(s.v4.JoinGroup(i, &net.UDPAddr{IP: group4.AsSlice()}))
			all = all && s.joined4[l.index]
		}
		if s.v6 != nil && !s.joined6[l.index] {
			s.joined6[l.index] = joined(s.v6.JoinGroup(i, &net.UDPAddr{IP: group6.AsSlice()}))
		}
	}
	// The kernel has left the groups of links that are gone.
	gone := func(index int, _ bool) bool { return !there[index] }
	maps.DeleteFunc(s.joined4, gone)
	maps.DeleteFunc(s.joined6, gone)
	return all
}

func joined(err error) bool { return err == nil || errors.Is(err, unix.EADDRINUSE) }

// send sends a packet; what cannot be sent is lost, as on any network.
func (s *sockets) send(p packet) {
	b, err := p.msg.Pack()
	if s == nil || err != nil {
		return
	}
	alone := p.to.IsValid()
	if !alone || p.four {
		to := netip.AddrPortFrom(group4, port)
		if alone {
			to = netip.AddrPortFrom(p.to.Addr().Unmap(), p.to.Port())
		}
		_, _ = s.v4.WriteTo(b, &ipv4.ControlMessage{IfIndex: p.link}, net.UDPAddrFromAddrPort(to))
	}
	if s.v6 != nil && (!alone || !p.four) {
		to := netip.AddrPortFrom(group6, port)
		if alone {
			to = netip.AddrPortFrom(p.to.Addr().WithZone(""), p.to.Port()) // the link is said beside it
		}
		_, _ = s.v6.WriteTo(b, &ipv6.ControlMessage{IfIndex: p.link}, net.UDPAddrFromAddrPort(to))
	}
}

func (s *sockets) close() {
	if s == nil {
		return
	}
	close(s.closed)
	_ = s.v4.Close()
	if s.v6 != nil {
		_ = s.v6.Close()
	}
	s.ended.Wait()
}

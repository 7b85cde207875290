package door

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// unrecognizedName is the alert for a name without a route.
var unrecognizedName = [...]byte{21, 3, 3, 0, 2, 2, 112}

// keepAlive notices a caller that is gone without a word in about two minutes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 10 * time.Second, Count: 6}

// conn is a connection that was accepted. Its bytes are those the caller sent, also those already looked at.
type conn struct {
	net.Conn
	registry *registry
	address  string // of the listener, as in the table
	source   netip.Addr
	name     string
	backend  *backend // nil for plain HTTP and for SOCKS
	outward  bool     // SOCKS
	upgraded atomic.Bool
	hasty    atomic.Bool // whoever reads does not wait
	// asked are the requests of HTTP/2, withdrawn those that the caller took back.
	asked, withdrawn atomic.Int64

	seen   []byte // looked at, not yet read; touched by the reader alone
	closed sync.Once
}

// Read returns first what was looked at.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.seen) > 0 {
		n := copy(p, c.seen)
		c.seen = c.seen[n:]
		return n, nil
	}
	if c.hasty.Load() {
		return 0, errNothingYet
	}
	return c.Conn.Read(p)
}

// Close closes the connection and takes it out of the registry.
func (c *conn) Close() (err error) {
	c.closed.Do(func() {
		c.registry.remove(c)
		err = c.Conn.Close()
	})
	return err
}

// CloseWrite ends what is sent to the caller.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Conn.Close()
}

// route returns where the plan would lead the connection, or nil.
func (p *plan) route(c *conn) *route {
	e := p.entries[c.address]
	if e == nil || e.redirect != nil || e.outward {
		return nil
	}
	return e.find(c.name, c.source, c.local())
}

// descriptors is how many connections come with this one: one whose bytes are carried has its own to the service.
func (c *conn) descriptors() int {
	if c.outward || c.backend != nil && !c.backend.key.http {
		return 2
	}
	return 1
}

// local is the address of this machine that the connection came to.
func (c *conn) local() netip.Addr {
	a, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// entitled tells whether the connection would be led where it is by the plan.
func (c *conn) entitled(p *plan) bool {
	if c.backend == nil {
		e := p.entries[c.address]
		return e != nil && (e.redirect != nil || e.outward) && e.outward == c.outward && e.admits(c.source, c.local())
	}
	r := p.route(c)
	return r != nil && r.backend == c.backend
}

// accept takes connections until ctx ends, then closes this descriptor of the socket.
func (d *Door) accept(ctx context.Context, l net.Listener, address string) error {
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		raw, err := l.Accept()
		if err == nil {
			d.serving.Go(func() { d.serve(context.WithoutCancel(ctx), raw, address) })
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of descriptors or memory: what waits in the queue is not lost, and asking again at once would not help.
		d.log.Warn("connection cannot be accepted", "address", address, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// serve leads one connection to its route and returns when it is in other hands or over.
func (d *Door) serve(ctx context.Context, raw net.Conn, address string) {
	defer d.survive(raw)
	remote, err := netip.ParseAddrPort(raw.RemoteAddr().String())
	if err != nil {
		raw.Close()
		return
	}
	source := remote.Addr().Unmap().WithZone("")
	c := &conn{Conn: raw, registry: &d.conns, address: address, source: source}
	e := d.current.Load().entries[address]
	if e == nil || !e.admits(source, c.local()) {
		reset(raw)
		return
	}
	done, ok := d.conns.begin(raw, source)
	if !ok {
		raw.Close()
		return
	}
	defer done()
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive)
	}
	switch {
	case e.redirect != nil:
		if d.enter(c) {
			d.plain.take(ctx, c)
		}
	case e.outward:
		d.serveSocks(ctx, c, done)
	case e.plain:
		d.servePlainStream(ctx, c, e, done)
	default:
		d.serveTLS(ctx, c, done)
	}
}

// reset ends a connection of somebody for whom there is nothing here, without a word about what there is for others.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}

// servePlainStream leads a connection nothing is known of but its source.
func (d *Door) servePlainStream(ctx context.Context, c *conn, e *entry, done func()) {
	r := e.find("", c.source, c.local())
	if r == nil {
		c.Conn.Close()
		return
	}
	c.backend = r.backend
	if d.enter(c) {
		done()
		r.backend.carryThrough(ctx, c)
	}
}

// survive keeps a mistake in the handling of one connection from ending all others.
func (d *Door) survive(raw net.Conn) {
	if v := recover(); v != nil {
		raw.Close()
		d.log.Error("connection handler panicked", "panic", v, "stack", string(debug.Stack()))
	}
}

// enter adds the connection to the registry, or closes it where a new plan has taken its route meanwhile.
func (d *Door) enter(c *conn) bool {
	d.conns.add(c)
	if !c.entitled(d.current.Load()) {
		c.Close()
		return false
	}
	return true
}

func (d *Door) serveTLS(ctx context.Context, c *conn, done func()) {
	_ = c.SetDeadline(time.Now().Add(d.limits.Hello))
	h, err := readHello(c.Conn)
	if err != nil {
		if errors.Is(err, errNotTLS) {
			redirectStray(c.Conn, h.raw)
		}
		c.Conn.Close()
		return
	}
	e := d.current.Load().entries[c.address]
	var r *route
	if e != nil {
		r = e.find(h.name, c.source, c.local())
	}
	if r == nil {
		_, _ = c.Write(unrecognizedName[:])
		c.Conn.Close()
		return
	}
	c.name, c.backend, c.seen = h.name, r.backend, h.raw
	if !d.enter(c) {
		return
	}
	if r.tls == nil {
		done()
		_ = c.SetDeadline(time.Time{})
		r.backend.carryThrough(ctx, c)
		return
	}
	d.terminate(ctx, c, r, h, done)
}

func (d *Door) terminate(ctx context.Context, c *conn, r *route, h hello, done func()) {
	_ = c.SetDeadline(time.Now().Add(d.limits.Handshake))
	cfg := r.tls
	var upstream net.Conn
	if r.reflect && len(h.alpn) > 0 {
		var err error
		if cfg, upstream, err = r.backend.reflect(ctx, cfg, h.alpn); err != nil {
			c.Close()
			return
		}
	}
	secured := tls.Server(c, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close()
		if upstream != nil {
			upstream.Close()
		}
		return
	}
	_ = c.SetDeadline(time.Time{})
	done()
	if r.backend.key.http {
		r.backend.front.take(ctx, secured)
		return
	}
	r.backend.carryTerminated(ctx, secured, upstream)
}

// registry knows the open connections. It is safe for concurrent use.
type registry struct {
	limits Limits

	mu      sync.Mutex // guards all below
	early   list.List  // of *pending, those that wait longest first
	sources map[netip.Addr]int
	conns   map[*conn]struct{}
	held    int           // descriptors of conns
	empty   chan struct{} // closed when no connection is left, while somebody waits for that
}

func (g *registry) init(l Limits) {
	g.limits, g.conns, g.sources = l, map[*conn]struct{}{}, map[netip.Addr]int{}
}

// pending is a connection that has not shown yet where it wants to go.
type pending struct {
	net.Conn
	source netip.Addr
}

// begin counts a connection that has not shown yet where it wants to go. The caller calls done, once or more. Where there are too
// many, one of the source with most of them makes room, the one that has taken longest: whoever means it is done in no time, so
// many who only hold places keep nobody out.
func (g *registry) begin(c net.Conn, source netip.Addr) (done func(), ok bool) {
	source = network(source)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sources[source] >= g.limits.PendingSource {
		return nil, false
	}
	if g.early.Len() >= g.limits.Pending {
		g.makeRoom()
	}
	e := g.early.PushBack(&pending{c, source})
	g.sources[source]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leave(e)
		g.check()
	}, true
}

// leave takes a connection out of those that have not shown yet where they want to go, once or more. It needs g.mu.
func (g *registry) leave(e *list.Element) {
	p, ok := e.Value.(*pending)
	if !ok {
		return
	}
	e.Value = nil
	g.early.Remove(e)
	if g.sources[p.source]--; g.sources[p.source] == 0 {
		delete(g.sources, p.source)
	}
}

// makeRoom ends a connection that has not shown yet where it wants to go. It needs g.mu.
func (g *registry) makeRoom() {
	var oldest *list.Element
	most := 0
	for e := g.early.Front(); e != nil; e = e.Next() {
		if n := g.sources[e.Value.(*pending).source]; n > most {
			oldest, most = e, n
		}
	}
	_ = oldest.Value.(*pending).Conn.Close()
	g.leave(oldest)
}

// check tells those who wait that no connection is left. It needs g.mu.
func (g *registry) check() {
	if len(g.conns)+g.early.Len() == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

func (g *registry) add(c *conn) {
	g.mu.Lock()
	g.conns[c] = struct{}{}
	g.held += c.descriptors()
	over := g.held > g.limits.Descriptors
	g.mu.Unlock()
	if over {
		g.evict()
	}
}

func (g *registry) remove(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.conns[c]; there {
		delete(g.conns, c)
		g.held -= c.descriptors()
	}
	g.check()
}

func (g *registry) list() []*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		out = append(out, c)
	}
	return out
}

// evict closes the connections that were silent longest, a few more than needed so that it is not asked for each new one.
// Where one source has more than a quarter of all, only its own make room.
func (g *registry) evict() {
	conns := g.list()
	g.mu.Lock()
	excess := g.held - g.limits.Descriptors + g.limits.Descriptors/16
	g.mu.Unlock()
	if excess <= 0 {
		return
	}
	if greedy := largestSource(conns); 4*len(greedy) > len(conns) {
		conns = greedy
	}
	type aged struct {
		c    *conn
		idle uint32
	}
	all := make([]aged, len(conns))
	for i, c := range conns {
		all[i] = aged{c, silence(c.Conn)}
	}
	slices.SortFunc(all, func(a, b aged) int { return int(int64(b.idle) - int64(a.idle)) })
	for _, a := range all {
		a.c.Close()
		if excess -= a.c.descriptors(); excess <= 0 {
			return
		}
	}
}

func largestSource(conns []*conn) (largest []*conn) {
	bySource := map[netip.Addr][]*conn{}
	for _, c := range conns {
		s := network(c.source)
		if bySource[s] = append(bySource[s], c); len(bySource[s]) > len(largest) {
			largest = bySource[s]
		}
	}
	return largest
}

// network is what counts as one source: of IPv6, all a provider gives one customer.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// silence asks the kernel for how many milliseconds the caller has neither sent nor been sent anything.
func silence(c net.Conn) (ms uint32) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			ms = min(info.Last_data_recv, info.Last_data_sent)
		}
	})
	return ms
}

// sweep closes the connections that the plan would not lead where they are. Those of HTTP are led by each request anew;
// they stay where their route leads to HTTP still, or their backend is about to retire and lets requests end.
func (g *registry) sweep(p *plan) {
	for _, c := range g.list() {
		if c.entitled(p) {
			continue
		}
		if b := c.backend; b != nil && b.key.http && !c.upgraded.Load() {
			if r := p.route(c); b.retired.Load() || r != nil && r.backend.key.http {
				continue
			}
		}
		c.Close()
	}
}

// closeOf closes all connections of a backend.
func (g *registry) closeOf(b *backend) {
	for _, c := range g.list() {
		if c.backend == b {
			c.Close()
		}
	}
}

// closeAll closes all connections, also those in a handshake.
func (g *registry) closeAll() {
	for _, c := range g.list() {
		c.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for e := g.early.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*pending).Conn.Close()
	}
}

// wait returns when no connection is open, when ctx ends or, if most is not zero, after most.
func (g *registry) wait(ctx context.Context, most time.Duration) {
	g.mu.Lock()
	if len(g.conns)+g.early.Len() == 0 {
		g.mu.Unlock()
		return
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	var timeout <-chan time.Time
	if most > 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-empty:
	case <-ctx.Done():
	case <-timeout:
	}
}

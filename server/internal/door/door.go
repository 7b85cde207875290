package door

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/server/internal/fair"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
	"github.com/hearthos/hearth/server/internal/host/mdns"
)

const (
	// retryFailed is how often sockets that could not be bound are tried again. After a change they are tried sooner, at first
	// after retryFirst: a door that was killed may hold them a moment longer.
	retryFailed, retryFirst = time.Second, 20 * time.Millisecond
	// retireAfter is how long requests may go on after their route is gone; retireLimit is for the farewell.
	retireAfter, retireLimit = 9 * time.Second, time.Second
	// usualDescriptors is what Limits.Descriptors is by default.
	usualDescriptors = 16384
	// usualHeld is what Limits.Held is by default.
	usualHeld = 256 << 20
)

// Limits bound what callers can make the door hold. The zero value of a field means its default.
type Limits struct {
	// Descriptors is how many connections are open, those to services that bytes are carried to among them; beyond it those that
	// were silent longest are closed. 16384.
	Descriptors int
	// Pending is how many connections may be in a handshake, PendingSource how many of one source. 1024 and 256.
	Pending, PendingSource int
	// Held is how much memory requests by HTTP may take that are under way, those of one source a quarter of it; others are told to come again. 256 MiB.
	Held int64
	// Hello is how long a caller may take to begin, Handshake to complete the handshake. 5 and 15 seconds.
	Hello, Handshake time.Duration
	// Wait is how long an upstream given by path is waited for, or one that a caller asked for by SOCKS. 10 seconds.
	Wait time.Duration
	// Outward lets connections by SOCKS go to an address, as the Control of a net.Dialer: by default to public ones that are not of
	// this machine.
	Outward func(network, address string, raw syscall.RawConn) error
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Descriptors, usualDescriptors)
	def(&l.Pending, 1024)
	def(&l.PendingSource, 256)
	if l.Held == 0 {
		l.Held = usualHeld
	}
	defTime(&l.Hello, 5*time.Second)
	defTime(&l.Handshake, 15*time.Second)
	defTime(&l.Wait, 10*time.Second)
	if l.Outward == nil {
		l.Outward = fetch.PublicAlone
	}
	return l
}

// Options are what a door is made of.
type Options struct {
	// Sockets gives the door its listening sockets.
	Sockets Sockets
	// StatePath is where the last table is kept; empty keeps it nowhere.
	StatePath string
	// Log takes what a person should know.
	Log *slog.Logger
	// Limits bound what callers can make the door hold.
	Limits Limits
}

// Door serves the table it was given last. Make it with New; end it with Drain. It is safe for concurrent use.
type Door struct {
	sockets Sockets
	state   string
	log     *slog.Logger
	limits  Limits

	current  atomic.Pointer[plan]
	conns    registry
	held     *fair.Share[netip.Addr]
	names    *dnsserver.Server
	local    *mdns.Responder
	plain    *httpFront
	draining atomic.Bool
	serving  sync.WaitGroup // connections and what serves them

	ended chan struct{} // closed when nothing is served any more
	gate  chan struct{} // holds one: whoever may change the table

	mu   sync.Mutex // guards all below and is held while a table is put in force
	open map[socketKey]*socket
	done bool

	opened   kept
	unopened atomic.Int64 // when it was logged last that services are not let reach names
}

// New makes a door that serves nothing yet.
func New(o Options) *Door {
	d := &Door{
		sockets: o.Sockets, state: o.StatePath, log: o.Log, limits: o.Limits.withDefaults(),
		open: map[socketKey]*socket{}, gate: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.names = dnsserver.New(d.openNamed)
	d.local = mdns.New(d.log)
	d.conns.init(d.limits)
	d.held = fair.NewShare[netip.Addr](d.limits.Held)
	d.plain = newHTTPFront(d, d.servePlain())
	d.current.Store(&plan{})
	return d
}

// Apply puts a table in force and tells what is bound. A table that cannot be used changes nothing and is told by a fault
// REASON_INVALID_ARGUMENT. A table that could not be kept on disk is not put in force either: the door must not start
// from an older one. The same table again only tries again what could not be bound. It waits while the door is frozen.
func (d *Door) Apply(ctx context.Context, t *doorv1.Table) (digest string, sockets []*doorv1.Socket, err error) {
	if err := d.Freeze(ctx); err != nil {
		return "", nil, err
	}
	defer d.Thaw()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done || d.draining.Load() {
		return "", nil, errEnding
	}
	old := d.current.Load()
	if digest := Digest(t); digest == old.digest && digest != "" {
		d.bind(ctx, old)
		return old.digest, d.status(), nil
	}
	next, err := compile(d, old, t)
	if err != nil {
		return "", nil, err
	}
	if err := saveState(d.state, t); err != nil {
		return "", nil, err
	}
	d.force(ctx, old, next)
	d.log.Info("table is in force", "digest", next.digest[:12], "listeners", len(next.entries), "records", len(next.resolver.config.Records))
	return next.digest, d.status(), nil
}

// Freeze keeps the table as it is until Thaw or Drain: what the next door reads from the disk must not change under it.
func (d *Door) Freeze(ctx context.Context) error {
	select {
	case d.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Thaw ends a Freeze.
func (d *Door) Thaw() {
	select {
	case <-d.gate:
	default: // Drain has ended it already
	}
}

// Load puts the table of the last time in force, if there is one. The error tells why it could not be used; the door
// then serves nothing and waits for Apply.
func (d *Door) Load(ctx context.Context) error {
	t, err := loadState(d.state)
	if err != nil || t == nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.current.Load()
	next, err := compile(d, old, t)
	if err != nil {
		return fmt.Errorf("cannot use the table of the last time: %w", err)
	}
	d.force(ctx, old, next)
	return nil
}

// force switches from one plan to the next: new connections follow the new one from the moment it is stored, the rest is
// cleaning up.
func (d *Door) force(ctx context.Context, old, next *plan) {
	if err := d.names.SetConfig(next.resolver.config); err != nil {
		d.log.Error("resolver refused a checked table", "err", err)
	}
	if err := d.local.SetConfig(next.local); err != nil {
		d.log.Error("names in .local refused a checked table", "err", err)
	}
	d.current.Store(next)
	d.bind(ctx, next)
	for key, b := range old.backends {
		if next.backends[key] != b {
			b.retired.Store(true)
			d.serving.Go(func() { b.retire(ctx) })
		}
	}
	d.conns.sweep(next)
}

// Status tells what is in force and bound.
func (d *Door) Status() (digest string, sockets []*doorv1.Socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current.Load().digest, d.status()
}

func (d *Door) status() []*doorv1.Socket {
	var out []*doorv1.Socket
	for key, s := range d.open {
		m := &doorv1.Socket{Address: key.network + " " + key.address, Bound: s.bound}
		if s.err != nil {
			m.Error = s.err.Error()
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *doorv1.Socket) int { return strings.Compare(a.GetAddress(), b.GetAddress()) })
	return out
}

// LocalNames tells what came of the names in .local.
func (d *Door) LocalNames() []*doorv1.LocalName {
	var out []*doorv1.LocalName
	for _, n := range d.local.Names() {
		out = append(out, &doorv1.LocalName{Wanted: n.Wanted, Claimed: n.Claimed})
	}
	return out
}

// Upstreams tells which resolvers are asked, and which of them ask the door in turn.
func (d *Door) Upstreams() (all, circular []string) {
	texts := func(list []netip.AddrPort) (out []string) {
		for _, a := range list {
			out = append(out, a.String())
		}
		return out
	}
	a, c := d.names.Upstreams()
	return texts(a), texts(c)
}

// Run tries again what could not be bound, and answers for the names in .local, until ctx ends. Those it does with sockets of
// its own: they are shared with whatever else on the machine answers for such names, so nothing is lost between two doors.
func (d *Door) Run(ctx context.Context) {
	var local sync.WaitGroup
	defer local.Wait()
	local.Go(func() {
		if err := d.local.Run(ctx); err != nil {
			d.log.Error("names in .local are not answered for", "err", err)
		}
	})
	pause, tried := retryFirst, d.current.Load()
	tick := time.NewTimer(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.mu.Lock()
			now := d.current.Load()
			if !d.done {
				d.bind(ctx, now)
			}
			d.mu.Unlock()
			if pause = min(2*pause, retryFailed); now != tried {
				pause, tried = retryFirst, now
			}
			tick.Reset(pause)
		}
	}
}

// Drain stops accepting at once, lets what has begun go on and ends when all of it is over, or when ctx ends, by then
// cutting what is left. A second call returns at once. Idle connections of HTTP are told to go with their next answer and closed after grace: closing
// them at once would reset those that are just being written to. The listening sockets stay with Sockets.
func (d *Door) Drain(ctx context.Context, grace time.Duration) {
	d.mu.Lock()
	if d.done {
		d.mu.Unlock()
		return
	}
	d.draining.Store(true)
	for _, s := range d.open {
		s.stop()
	}
	for _, s := range d.open {
		s.close()
	}
	d.open, d.done = map[socketKey]*socket{}, true
	fronts := []*httpFront{d.plain}
	for b := range maps.Values(d.current.Load().backends) {
		if b.front != nil {
			fronts = append(fronts, b.front)
		}
	}
	d.mu.Unlock()
	d.Thaw()

	d.conns.wait(ctx, grace)
	var ending sync.WaitGroup
	for _, f := range fronts {
		ending.Go(func() { f.shutdown(ctx) })
	}
	ending.Wait()
	d.conns.wait(ctx, 0)
	d.conns.closeAll()
	close(d.ended)
	d.serving.Wait()
}

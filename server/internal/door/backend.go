package door

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds the way to a service of this machine.
	dialTimeout = 5 * time.Second
	// dialPause is between two looks for a socket by path while its process restarts.
	dialPause = 25 * time.Millisecond
)

// backendKey is what makes two routes lead to the same place in the same way.
type backendKey struct {
	upstream    string
	tls         bool
	http, http2 bool
	passthrough bool
	proxy       bool
	keep        bool   // the caller's address
	upstream6   string // for callers by IPv6 whose address is kept
	bare        bool   // without forwarded headers
	policy      string // digest of gate and check
}

// backend reaches an upstream for all routes with its key. It starts nothing until its first connection.
type backend struct {
	door    *Door
	key     backendKey
	front   *httpFront // nil unless http
	proxy   *proxy     // nil unless http
	gate    *gate      // nil lets all pass
	check   *check     // of the upstream's certificate; nil for none
	retired atomic.Bool
	// unkept is until when the addresses of callers are not kept, by IPv4 and by IPv6, as nanoseconds of the epoch: it was
	// tried, and nothing answered. That may be the service's doing, so others are not asked to do without.
	unkept [2]atomic.Int64
}

// newBackend makes a backend; without a door it is only good for checking a table.
func newBackend(d *Door, key backendKey, g *gate, k *check) *backend {
	b := &backend{door: d, key: key, gate: g, check: k}
	if key.http && d != nil {
		b.proxy = newProxy(b)
		b.front = newHTTPFront(d, b)
	}
	return b
}

// retire ends the connections of a backend no route leads to; those that were upgraded are closed already. Requests may
// end, and idle connections have time to show up once more: they are then led to where their route goes now. Closing them
// at once would lose what is just being sent on them.
func (b *backend) retire(ctx context.Context) {
	if b.front == nil {
		return
	}
	patience := time.NewTimer(retireAfter)
	defer patience.Stop()
	select {
	case <-patience.C:
	case <-b.door.ended:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), retireLimit)
	defer cancel()
	b.front.shutdown(ctx)
	b.door.conns.closeOf(b)
}

// waits tells whether the upstream is one that is waited for.
func (b *backend) waits() bool { return strings.HasPrefix(b.key.upstream, "unix:") }

// dial reaches the upstream, without TLS. A socket by path is waited for: its owner may be restarting.
func (b *backend) dial(ctx context.Context) (net.Conn, error) {
	path, byPath := strings.CutPrefix(b.key.upstream, "unix:")
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	if !byPath {
		return d.DialContext(ctx, tcp, b.key.upstream)
	}
	limit := time.Now().Add(b.door.limits.Wait)
	for {
		c, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return c, nil
		}
		absent := errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EAGAIN)
		if !absent || time.Now().After(limit) {
			return nil, err
		}
		select { // there is nothing to wait on: a socket that is bound is not yet one that listens
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(dialPause):
		}
	}
}

// dialStream reaches the upstream for a connection whose bytes are carried, with TLS where the upstream speaks it.
func (b *backend) dialStream(ctx context.Context, alpn []string) (net.Conn, error) {
	c, err := b.dial(ctx)
	if err != nil || !b.key.tls {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secured := tls.Client(c, b.upstreamTLS(alpn))
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot speak TLS with %s: %w", b.key.upstream, err)
	}
	return secured, nil
}

// upstreamTLS leaves the check of the certificate to ours: which name it must have is not what is dialled, and where there is no
// check the certificate is that of a service of this machine, self-made, and who answers at its address is settled by the firewall.
func (b *backend) upstreamTLS(alpn []string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: b.check.good, NextProtos: alpn, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
}

// reflect makes the configuration that offers what the caller offers, or what a TLS upstream chose from it; the upstream
// is then reached already.
func (b *backend) reflect(ctx context.Context, cfg *tls.Config, alpn []string) (*tls.Config, net.Conn, error) {
	cfg = cfg.Clone()
	cfg.SessionTicketsDisabled = true // a clone of its own has keys of its own, so tickets would be worth nothing
	if !b.key.tls {
		cfg.NextProtos = slices.Clone(alpn)
		return cfg, nil, nil
	}
	c, err := b.dialStream(ctx, alpn)
	if err != nil {
		return nil, nil, err
	}
	if secured, ok := c.(*tls.Conn); ok {
		if p := secured.ConnectionState().NegotiatedProtocol; p != "" {
			cfg.NextProtos = []string{p}
		}
	}
	return cfg, c, nil
}

package door_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// Who may use nothing at an address is not told that there is something: no alert, no redirect to TLS.
func TestStrangersGetNoWord(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "hello"), AllowedSources: []string{"10.9.9.9/32"}}))["tcp "+tlsAddress]
	for _, said := range []string{"", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", string(firstMessage(t, r.config("a.test")))} {
		c, err := net.Dial("tcp", at)
		if err != nil {
			continue // it ended before it was noticed here
		}
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, saying := io.WriteString(c, said) // who is told of the end by this is told once, and reads the end of a file after it
		if heard, err := io.ReadAll(c); len(heard) > 0 || err == nil && saying == nil {
			t.Errorf("a stranger who says %.20q hears %q, %v", said, heard, err)
		}
	}
}

// siege is a door with a page, a service whose bytes are carried and a resolver, and what callers do while it is abused.
type siege struct {
	*rig
	tls, redirect, udp, tcp string
}

func newSiege(t *testing.T, l door.Limits) *siege {
	t.Helper()
	page := site(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		io.WriteString(w, "page")
	})
	s := &siege{rig: newRig(t, door.Options{Limits: l})}
	const redirect, resolver = "127.0.0.2:0", "127.0.0.3:0"
	table := s.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: page, Http: true, Alpn: []string{"h2", "http/1.1"}},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: echo(t, "hi")},
	)
	table.Redirects = []*doorv1.Redirect{{Address: redirect, TlsPort: 443, RootCertificate: s.cert.GetChain()}}
	table.Resolver = &doorv1.Resolver{Addresses: []string{resolver}, Zones: []string{"startos"}, Records: []*doorv1.Record{{Name: "a.startos", Ipv4: []string{"10.0.3.2"}}}}
	at := s.apply(t, table)
	s.tls, s.redirect, s.udp, s.tcp = at["tcp "+tlsAddress], at["tcp "+redirect], at["udp "+resolver], at["tcp "+resolver]
	return s
}

// patience is how long a caller waits for an answer. It is no measure: the answer has to come.
const patience = 20 * time.Second

// visit asks everything there is once, over connections of its own, from an address that does nothing else.
func (s *siege) visit() error {
	visitor := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}, Timeout: patience}
	for _, alpn := range []string{"h2", "http/1.1"} {
		c := &http.Client{Timeout: patience, Transport: &http.Transport{
			TLSClientConfig: s.config("a.test"), DisableKeepAlives: true, ForceAttemptHTTP2: alpn == "h2",
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return visitor.DialContext(ctx, network, s.tls)
			},
		}}
		resp, err := c.Get("https://a.test/")
		if err != nil {
			return fmt.Errorf("the page over %s: %w", alpn, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "page" {
			return fmt.Errorf("the page over %s: %q, %w", alpn, body, err)
		}
	}
	c, err := tls.DialWithDialer(&visitor, "tcp", s.tls, s.config("b.test"))
	if err != nil {
		return fmt.Errorf("the service: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if b := make([]byte, 3); readFull(c, b) != nil || string(b) != "hi\n" {
		return fmt.Errorf("the service says %q", b)
	}
	question := new(dns.Msg).SetQuestion("a.startos.", dns.TypeA)
	for network, at := range map[string]string{"udp": s.udp, "tcp": s.tcp} {
		ask := dns.Client{Net: network, Timeout: time.Second, Dialer: &net.Dialer{Timeout: patience}}
		for end := time.Now().Add(patience); ; {
			answer, _, err := ask.Exchange(question, at)
			if err == nil && len(answer.Answer) == 1 {
				break
			}
			if time.Now().After(end) { // a datagram may be lost, and is asked for again
				return fmt.Errorf("the name over %s: %v, %w", network, answer, err)
			}
		}
	}
	return nil
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return err
}

// attacker is one of many addresses of this machine.
func attacker(n int) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n%64))}, Timeout: patience}
}

// connections keeps opening connections until ctx ends, from many addresses, and holds so many of them; use is told of each.
func connections(ctx context.Context, wg *sync.WaitGroup, at string, many int, use func(ctx context.Context, c net.Conn)) {
	for n := range many {
		wg.Go(func() {
			for ctx.Err() == nil {
				if c, err := attacker(n).DialContext(ctx, "tcp", at); err == nil {
					stop := context.AfterFunc(ctx, func() { c.Close() })
					use(ctx, c)
					stop()
					c.Close()
				}
				pause(ctx, 200*time.Millisecond) // cut off: it comes again
			}
		})
	}
}

// pause leaves the processors to others for a while.
func pause(ctx context.Context, span time.Duration) {
	t := time.NewTimer(span)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// hold waits until the other end closes.
func hold(_ context.Context, c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// drip sends a byte now and then, until the other end closes.
func drip(ctx context.Context, c net.Conn, bytes []byte) {
	for _, b := range bytes {
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return
		}
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
	}
	hold(ctx, c)
}

// Whatever callers do, others are served meanwhile, at every port. It has the processors to itself: what else is tested here asks
// for answers in time.
func TestOthersAreServedDuringAbuse(t *testing.T) {
	if testing.Short() {
		t.Skip("the fast lane leaves the processors to others")
	}
	secured := func(s *siege, name string, use func(context.Context, net.Conn)) func(context.Context, net.Conn) {
		return func(ctx context.Context, c net.Conn) {
			if sec := tls.Client(c, s.config(name, "http/1.1")); sec.HandshakeContext(ctx) == nil {
				use(ctx, sec)
			}
		}
	}
	for name, begin := range map[string]func(ctx context.Context, wg *sync.WaitGroup, s *siege){
		"connections that say nothing": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			for _, at := range []string{s.tls, s.redirect, s.tcp} {
				connections(ctx, wg, at, 160, hold)
			}
		},
		"handshakes that stop half way": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			hello := firstMessage(t, s.config("a.test"))
			connections(ctx, wg, s.tls, 160, func(ctx context.Context, c net.Conn) {
				_, _ = c.Write(hello)
				hold(ctx, c)
			})
		},
		"a first message byte by byte": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			hello := firstMessage(t, s.config("a.test"))
			connections(ctx, wg, s.tls, 160, func(ctx context.Context, c net.Conn) { drip(ctx, c, hello) })
		},
		"headers byte by byte": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			header := []byte("GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("X-A: b\r\n", 1000))
			connections(ctx, wg, s.tls, 160, secured(s, "a.test", func(ctx context.Context, c net.Conn) { drip(ctx, c, header) }))
			connections(ctx, wg, s.redirect, 80, func(ctx context.Context, c net.Conn) { drip(ctx, c, header) })
		},
		"bodies byte by byte": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			connections(ctx, wg, s.tls, 160, secured(s, "a.test", func(ctx context.Context, c net.Conn) {
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n")
				drip(ctx, c, make([]byte, 100000))
			}))
		},
		"headers without end": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			flood := func(_ context.Context, c net.Conn) {
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n")
				for line := []byte("X-A: " + strings.Repeat("b", 8000) + "\r\n"); ; {
					if _, err := c.Write(line); err != nil {
						return
					}
				}
			}
			connections(ctx, wg, s.tls, 8, secured(s, "a.test", flood))
			connections(ctx, wg, s.redirect, 8, flood)
		},
		"garbage": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			garbage := func(_ context.Context, c net.Conn) {
				b := make([]byte, 1+mathrand.IntN(4096))
				_, _ = rand.Read(b)
				if mathrand.IntN(2) == 0 {
					copy(b, []byte{22, 3, 1}) // looks like a handshake at first
				}
				_, _ = c.Write(b)
			}
			for _, at := range []string{s.tls, s.redirect, s.tcp} {
				connections(ctx, wg, at, 4, garbage)
			}
			connections(ctx, wg, s.tls, 4, secured(s, "a.test", garbage))
			connections(ctx, wg, s.tls, 4, secured(s, "b.test", garbage))
		},
		"a flood of questions and garbage at the resolver": func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
			for n := range 2 {
				wg.Go(func() { floodResolver(ctx, s.udp, n) })
			}
			connections(ctx, wg, s.tcp, 600, func(ctx context.Context, c net.Conn) {
				_, _ = c.Write([]byte{255, 255, 1})
				hold(ctx, c)
			})
		},
	} {
		t.Run(name, func(t *testing.T) { besieged(t, begin) })
	}
}

// besieged has callers do what begin begins, and asks everything there is meanwhile.
func besieged(t *testing.T, begin func(ctx context.Context, wg *sync.WaitGroup, s *siege)) {
	t.Helper()
	s := newSiege(t, door.Limits{Pending: 128, PendingSource: 8, Hello: 2 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	begin(ctx, &wg, s)
	var slowest time.Duration
	for range 3 {
		begun := time.Now()
		if err := s.visit(); err != nil {
			t.Error(err)
		}
		slowest = max(slowest, time.Since(begun))
	}
	cancel()
	wg.Wait()
	t.Logf("the slowest of 3 visits took %s", slowest.Round(time.Millisecond))
}

// floodResolver sends questions and what looks like them, as fast as it can.
func floodResolver(ctx context.Context, at string, n int) {
	c, err := datagramAttacker(n).DialContext(ctx, "udp", at)
	if err != nil {
		return
	}
	defer c.Close()
	for i := 0; ctx.Err() == nil; i++ {
		b, _ := new(dns.Msg).SetQuestion(fmt.Sprintf("x%d.startos.", i), dns.TypeANY).Pack()
		switch i % 4 {
		case 1:
			b[mathrand.IntN(len(b))] ^= byte(1 + mathrand.IntN(255))
		case 2:
			b = b[:mathrand.IntN(len(b))]
		case 3:
			_, _ = rand.Read(b)
		}
		if _, _ = c.Write(b); i%64 == 0 {
			pause(ctx, time.Millisecond)
		}
	}
}

func datagramAttacker(n int) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+n%64))}}
}

// Connections that are kept open cost a bounded sum each, and the door answers beside them.
func TestManyIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("the fast lane leaves the processors to others")
	}
	s := newSiege(t, door.Limits{PendingSource: 1 << 16, Pending: 1 << 16})
	for _, name := range []string{"a.test", "b.test"} {
		const many = 500
		before := heap()
		var open atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		stand := make(chan struct{}, many)
		opening := make(chan struct{}, 8)
		for n := range many {
			wg.Go(func() {
				opening <- struct{}{}
				c, err := tls.DialWithDialer(attacker(n), "tcp", s.tls, s.config(name, "http/1.1"))
				if err == nil {
					defer c.Close()
					open.Add(1)
				}
				<-opening
				stand <- struct{}{}
				<-ctx.Done()
			})
		}
		for range many {
			<-stand
		}
		if err := s.visit(); err != nil {
			t.Error(err)
		}
		each := (heap() - before) / many
		t.Logf("%s: %d of %d stand; door and callers use %d KiB of heap and stacks for each", name, open.Load(), many, each>>10)
		if open.Load() != many || each > 256<<10 {
			t.Errorf("%s: %d of %d stand, at %d bytes each", name, open.Load(), many, each)
		}
		cancel()
		wg.Wait()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A header that is too large is refused, over both versions of HTTP.
func TestOversizedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSiege(t, door.Limits{})
	for _, http2 := range []bool{false, true} {
		req, err := http.NewRequest("GET", "https://a.test/", nil)
		must(t, err)
		req.Header.Set("X-A", strings.Repeat("b", 1<<20))
		resp, err := s.client(s.tls, "a.test", http2).Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("HTTP/2 %t: %s", http2, resp.Status)
			}
		}
	}
	if err := s.visit(); err != nil {
		t.Error(err)
	}
}

// What is sent in one piece comes in pieces of a size that is worth it, whoever speaks TLS.
func TestBytesAreNotTakenApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	pair, err := tls.X509KeyPair(r.cert.GetChain(), r.cert.GetKey())
	must(t, err)
	piece := make([]byte, 8<<10)
	serve := func(l net.Listener) string {
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					n, _ := c.Read(make([]byte, 8<<10))
					_, _ = c.Write(piece[:max(n, 1)])
					_, _ = io.Copy(io.Discard, c)
				}()
			}
		}()
		return l.Addr().String()
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	secured, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	must(t, err)
	at := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: serve(plain)},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: serve(secured), UpstreamTls: true},
	))["tcp "+tlsAddress]
	for _, name := range []string{"a.test", "b.test"} {
		c, err := tls.Dial("tcp", at, r.config(name))
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = c.Write(piece)
		must(t, err)
		if n, err := c.Read(make([]byte, 16<<10)); err != nil || n < 1000 { // the service sends back as much as came at once
			t.Errorf("%s: %d bytes come at once, %v", name, n, err)
		}
	}
}

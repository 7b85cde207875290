package door_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// BenchmarkAgainstDirect runs the same work with and without the door, taking turns, and reports how much longer it takes
// through the door. Without the door the service speaks TLS by itself.
func BenchmarkAgainstDirect(b *testing.B) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	plain := httptest.NewServer(page)
	b.Cleanup(plain.Close)
	r := newRig(b, door.Options{})
	pair, err := tls.X509KeyPair(r.cert.GetChain(), r.cert.GetKey())
	must(b, err)
	secure := httptest.NewUnstartedServer(page)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	secure.EnableHTTP2 = true
	secure.StartTLS()
	b.Cleanup(secure.Close)
	sink := drainServer(b)
	at := r.apply(b, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: plain.Listener.Addr().String(), Http: true, Alpn: []string{"h2", "http/1.1"}},
		&doorv1.Route{Names: []string{"b.test"}, Upstream: secure.Listener.Addr().String()},
		&doorv1.Route{Names: []string{"s.w.test"}, Certificate: "all", Upstream: sink},
	))["tcp "+tlsAddress]
	direct := secure.Listener.Addr().String()

	request := func(addr, name string, http2 bool) func(b *testing.B, n int) {
		c := r.client(addr, name, http2)
		c.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
		return func(b *testing.B, n int) {
			callers(b, 16, n, func() error { return fetch(c, "https://"+name+"/") })
		}
	}
	handshake := func(addr, name string) func(b *testing.B, n int) {
		return func(b *testing.B, n int) {
			callers(b, 4, n, func() error {
				c := r.client(addr, name, false)
				c.Transport.(*http.Transport).DisableKeepAlives = true
				return fetch(c, "https://"+name+"/")
			})
		}
	}
	for name, w := range map[string][2]func(*testing.B, int){
		"http1":       {request(direct, "a.test", false), request(at, "a.test", false)},
		"http2":       {request(direct, "a.test", true), request(at, "a.test", true)},
		"passthrough": {request(direct, "b.test", false), request(at, "b.test", false)},
		"handshake":   {handshake(direct, "a.test"), handshake(at, "a.test")},
	} {
		b.Run(name, func(b *testing.B) { compare(b, w[0], w[1]) })
	}
	b.Run("bytes", func(b *testing.B) {
		secureSink := secureDrain(b, pair)
		compare(b, pour(r, secureSink, "s.w.test"), pour(r, at, "s.w.test"))
	})
}

// compare takes turns, so that what else the machine does falls on both.
func compare(b *testing.B, direct, through func(*testing.B, int)) {
	b.Helper()
	const turns = 8
	direct(b, 10)
	through(b, 10)
	n := max(1, b.N/turns)
	var took [2]time.Duration
	b.ResetTimer()
	for range turns {
		for i, work := range []func(*testing.B, int){direct, through} {
			at := time.Now()
			work(b, n)
			took[i] += time.Since(at)
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "times-direct")
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(turns*n), "ns-direct")
	b.ReportMetric(float64(took[1].Nanoseconds())/float64(turns*n), "ns-door")
	b.ReportMetric(0, "ns/op")
}

// callers does n calls, by so many callers in closed loops.
func callers(b *testing.B, many, n int, call func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan error, many)
	for range many {
		go func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range many {
		must(b, <-done)
	}
}

func fetch(c *http.Client, url string) error {
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

const pourSize = 4 << 20

// pour sends so many times 4 MiB over one connection each and waits until all has arrived.
func pour(r *rig, addr, name string) func(*testing.B, int) {
	payload := strings.Repeat("x", 64<<10)
	return func(b *testing.B, n int) {
		for range n {
			t, err := tls.Dial("tcp", addr, r.config(name))
			must(b, err)
			for range pourSize / len(payload) {
				_, err := io.WriteString(t, payload)
				must(b, err)
			}
			must(b, t.CloseWrite())
			_, err = io.Copy(io.Discard, t)
			must(b, err)
			t.Close()
		}
	}
}

func drainServer(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	go swallow(l)
	b.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func secureDrain(b *testing.B, pair tls.Certificate) string {
	b.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	must(b, err)
	go swallow(l)
	b.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func swallow(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}()
	}
}

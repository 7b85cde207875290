package rpc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// One caller who opens connections without end and says nothing keeps nobody else out, at any listener that is reached by a network.
func TestOneCallerCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const many = 1100 // more than a listener has
	from := func(ip net.IP) *net.Dialer { return &net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}} }
	tcp := func(at string) func(context.Context, net.IP) (net.Conn, error) {
		return func(ctx context.Context, ip net.IP) (net.Conn, error) { return from(ip).DialContext(ctx, "tcp", at) }
	}
	door := func(ctx context.Context, ip net.IP) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", s.door)
		if err == nil {
			_, err = proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: ip, Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}).WriteTo(c)
		}
		return c, err
	}
	call := func(dial func(context.Context, net.IP) (net.Conn, error)) func() error {
		return func() error {
			tr := &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "localhost"}, ForceAttemptHTTP2: true,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, net.IPv4(127, 0, 0, 1)) },
			}
			defer tr.CloseIdleConnections()
			_, err := rest(&http.Client{Transport: tr}, "https://localhost", "operator", methodOf("StartPackage"), &packagesv1.StartPackageRequest{Id: "a"}, &packagesv1.StartPackageResponse{})
			return err
		}
	}
	native := func() error {
		_, err := packagesv1.NewPackageServiceClient(s.dialTLS(t, s.grpc)).StartPackage(bearer(t.Context(), "operator"), &packagesv1.StartPackageRequest{Id: "a"})
		return err
	}
	for name, k := range map[string]struct {
		dial func(context.Context, net.IP) (net.Conn, error)
		call func() error
	}{
		"web":  {tcp(s.web), call(tcp(s.web))},
		"door": {door, call(door)},
		"grpc": {tcp(s.grpc), native},
	} {
		t.Run(name, func(t *testing.T) {
			var held []net.Conn
			defer func() {
				for _, c := range held {
					c.Close()
				}
			}()
			for range many {
				c, err := k.dial(t.Context(), net.IPv4(127, 0, 0, 9))
				if err != nil {
					continue // it was closed already
				}
				held = append(held, c)
				_, _ = c.Write([]byte{22, 3, 1, 2}) // looks like a handshake
			}
			for range 3 {
				if err := k.call(); err != nil {
					t.Fatalf("somebody else is told: %v", err)
				}
			}
		})
	}
}

// Requests of which the rest does not come take memory that is bounded: those of one caller who has too many under way are refused, others are served.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const connections, streams = 5, 249
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, h := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "localhost"}, {Name: ":path", Value: "/api/v1/packages/a:start"},
		{Name: "content-type", Value: "application/json"}, {Name: "content-length", Value: "10"}, {Name: "x-a", Value: strings.Repeat("b", 60<<10), Sensitive: true},
	} {
		if err := e.WriteField(h); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan string, connections*streams)
	for range connections {
		d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}, Config: &tls.Config{RootCAs: s.roots, NextProtos: []string{"h2"}}}
		c, err := d.DialContext(t.Context(), "tcp", s.web)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = io.WriteString(c, http2.ClientPreface)
		f := http2.NewFramer(c, c)
		if err == nil {
			err = f.WriteSettings()
		}
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		go func() { // ends with the connection
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					return
				}
				if h, ok := frame.(*http2.MetaHeadersFrame); ok {
					told <- h.PseudoValue("status")
				}
			}
		}()
		for n := range streams {
			first, rest := block.Bytes()[:16<<10], block.Bytes()[16<<10:]
			if err == nil {
				err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), BlockFragment: first})
			}
			for err == nil && len(rest) > 0 {
				m := min(len(rest), 16<<10)
				err = f.WriteContinuation(uint32(2*n+1), m == len(rest), rest[:m])
				rest = rest[m:]
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for refused := range 100 {
		select {
		case status := <-told:
			if status != "429" {
				t.Errorf("a request that is too much is answered with %s", status)
			}
		case <-time.After(15 * time.Second): // bodies are waited for twice as long
			t.Fatalf("%d requests are refused of %d whose body does not come", refused, connections*streams)
		}
	}
	if _, err := rest(s.httpTLS(t), "https://"+s.web, "operator", methodOf("StartPackage"), &packagesv1.StartPackageRequest{Id: "a"}, &packagesv1.StartPackageResponse{}); err != nil {
		t.Errorf("somebody else is told: %v", err)
	}
}

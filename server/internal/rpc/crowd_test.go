package rpc_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/pires/go-proxyproto"
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

package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"

	"github.com/pires/go-proxyproto"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/server/internal/fair"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// errNotBuilt is returned by the Serve methods of a hub without wires.
var errNotBuilt = errors.New("cannot serve before Build")

// ServeUnix answers everything on one unix socket: native gRPC when a connection begins with the preface of HTTP/2,
// else HTTP/1.1. Callers with the rights of root or of the daemon's own user are owners; all others need a
// token, so that a mode of 0666 is safe and 0660 is stricter. A socket that nobody answers on any more is replaced; one
// that is answered is left alone and an error. It returns when the hub is shut down.
func (h *Hub) ServeUnix(path string, mode fs.FileMode) error {
	if h.web == nil {
		return errNotBuilt
	}
	lis, err := ListenUnix(path, mode)
	if err != nil {
		return err
	}
	return h.ServeLocal(lis)
}

// ServeLocal is ServeUnix for a socket that ListenUnix has made.
func (h *Hub) ServeLocal(lis net.Listener) error {
	if h.web == nil {
		return errNotBuilt
	}
	return h.serveSniffed(origin.Listen(lis, origin.Options{Stamp: origin.Peer(origin.Unix), Max: maxConns, MaxUser: maxUserConns, Reserve: ownerConns}))
}

// serveSniffed answers native gRPC and HTTP/1.1 on one listener.
func (h *Hub) serveSniffed(lis *origin.Stamped) error {
	s := sniff(lis)
	served := make(chan error, 2)
	go func() { served <- h.serveGRPC(h.public, s.h2) }()
	go func() { served <- h.serveHTTP(s.h1, nil) }()
	err := <-served
	s.close()
	err = errors.Join(err, <-served)
	s.wait()
	return err
}

// ServePlain answers everything on one port without TLS, for a server behind something that ends TLS, or whose callers sign
// what matters: native gRPC when a connection begins with the preface of HTTP/2, else HTTP/1.1. It returns when the hub is
// shut down or lis fails.
func (h *Hub) ServePlain(lis net.Listener) error {
	if h.web == nil {
		return errNotBuilt
	}
	return h.serveSniffed(origin.Listen(lis, origin.Options{Stamp: origin.Remote(origin.Web), Max: maxConns, Crowd: true}))
}

// ServeGRPC answers native gRPC over TLS. It returns when the hub is shut down or lis fails.
func (h *Hub) ServeGRPC(lis net.Listener, cfg *tls.Config) error {
	if h.web == nil {
		return errNotBuilt
	}
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"h2"}
	return h.serveGRPC(h.public, origin.Listen(lis, origin.Options{Stamp: origin.Remote(origin.GRPC), TLS: cfg, Max: maxConns, Crowd: true}))
}

// ServeWeb answers Connect, gRPC-Web, gRPC, REST, JSON-RPC, transfers and the page over TLS, by HTTP/2 and HTTP/1.1.
// It returns when the hub is shut down or lis fails.
func (h *Hub) ServeWeb(lis net.Listener, cfg *tls.Config) error {
	if h.web == nil {
		return errNotBuilt
	}
	return h.serveHTTP(origin.Listen(lis, origin.Options{Stamp: origin.Remote(origin.Web), Max: maxConns, Crowd: true}), cfg)
}

// ServeDoor is ServeWeb for the connections the front door passes on: each begins with a header of the PROXY protocol,
// version 2, which gives the client's address. Nowhere else is such a header read. Only root, the daemon's own user
// and uids, those of the door, may connect.
func (h *Hub) ServeDoor(lis net.Listener, cfg *tls.Config, uids ...uint32) error {
	if h.web == nil {
		return errNotBuilt
	}
	peer := origin.Peer(origin.Door)
	stamp := func(conn net.Conn) (origin.Origin, error) {
		o, err := peer(conn)
		if err != nil {
			return o, err
		}
		for _, uid := range uids {
			o.Owner = o.Owner || uid == o.UID
		}
		if !o.Owner {
			return o, fmt.Errorf("cannot accept user %d as the front door", o.UID)
		}
		// Who runs the door is not who calls.
		return origin.Origin{Listener: origin.Door}, nil
	}
	proxied := &proxyproto.Listener{
		Listener:          origin.Listen(lis, origin.Options{Stamp: stamp, Max: maxConns, Crowd: true}),
		ReadHeaderTimeout: headerTimeout,
		ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			return proxyproto.REQUIRE, nil
		},
		ValidateHeader: func(header *proxyproto.Header) error {
			if header.Version != 2 {
				return errors.New("only version 2 of the PROXY protocol is accepted")
			}
			return nil
		},
	}
	return h.serveHTTP(origin.Revealed(proxied), cfg)
}

// ServeContainer answers the services for containers, by native gRPC alone, on the socket of one service. Whoever
// reaches the socket is the service: its place is the identity. It returns when ctx ends, after closing the socket and
// its connections, or when the hub is shut down.
func (h *Hub) ServeContainer(ctx context.Context, lis net.Listener, pkg string) error {
	if h.web == nil {
		return errNotBuilt
	}
	peer := origin.Peer(origin.Container)
	stamped := origin.Listen(lis, origin.Options{Max: maxContainerConns, Stamp: func(conn net.Conn) (origin.Origin, error) {
		o, err := peer(conn)
		return origin.Origin{Listener: origin.Container, UID: o.UID, Package: pkg}, err
	}})
	stop := context.AfterFunc(ctx, func() {
		stamped.Close()
		stamped.CloseConns()
	})
	defer stop()
	return h.serveGRPC(h.container, stamped)
}

// ServeInternal answers the services for the server's own processes, by native gRPC alone. Only root and the daemon's
// own user may connect. It returns when the hub is shut down or lis fails.
func (h *Hub) ServeInternal(lis net.Listener) error {
	if h.web == nil {
		return errNotBuilt
	}
	peer := origin.Peer(origin.Internal)
	return h.serveGRPC(h.internal, origin.Listen(lis, origin.Options{Max: maxConns, Stamp: func(conn net.Conn) (origin.Origin, error) {
		o, err := peer(conn)
		if err == nil && !o.Owner {
			err = fmt.Errorf("cannot accept user %d on the internal socket", o.UID)
		}
		return o, err
	}}))
}

func (h *Hub) serveGRPC(server *grpc.Server, lis net.Listener) error {
	err := server.Serve(lis)
	if errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (h *Hub) serveHTTP(lis net.Listener, cfg *tls.Config) error {
	server := &http.Server{
		Handler:           withRemote(h.web),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return origin.NewContext(ctx, origin.Of(c)) },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: fair.Body},
		Protocols:         new(http.Protocols),
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	server.Protocols.SetHTTP1(true)
	if !h.track(server) {
		lis.Close()
		return nil
	}
	var err error
	if cfg == nil {
		err = server.Serve(lis)
	} else {
		server.Protocols.SetHTTP2(true)
		server.TLSConfig = cfg.Clone()
		server.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
		err = server.ServeTLS(lis, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// withRemote completes the origin by the client's address, which is known only once the connection is read from.
func withRemote(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := origin.FromRequest(r.Context())
		if o.Listener == origin.Web || o.Listener == origin.Door {
			o.Remote = r.RemoteAddr
			r = r.WithContext(origin.NewContext(r.Context(), o))
		}
		next.ServeHTTP(w, r)
	})
}

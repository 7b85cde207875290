// Package servertest runs whole servers in test processes: the real daemon on a machine that is played, with its state in
// a folder of the test, its local socket, and ports that the kernel chose. It needs no root, no containers and no other
// program, and a server starts in a fraction of a second.
//
// It is deliberately not for what services do themselves, nor for what a daemon does that is killed: that is server/e2e,
// with the real programs.
//
// Invariants: nothing is listened on but unix sockets in the server's folder and loopback; all ends with the test; two
// servers know nothing of each other.
package servertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
	"github.com/hearthos/hearth/server/internal/journal"
)

// patience is how long a server may take for what takes it a fraction of a second.
const patience = 30 * time.Second

// Server is a server of a test. Its methods are for the test's own goroutine.
type Server struct {
	// State is the state folder; what finds a server by $HEARTH_STATE finds this one.
	State string
	// Host is the machine it runs on.
	Host *sandbox.Host

	t       testing.TB
	cfg     daemon.Config
	sockets *sockets
	log     *log
	daemon  *daemon.Daemon
	stop    context.CancelFunc
	ended   chan error
}

// links are those of the machine: one that leads to a network for documentation.
type links struct{}

func (links) Links() ([]netdev.Link, error) {
	return []netdev.Link{
		{Name: "eth0", Index: 2, Kind: netdev.KindEthernet, Up: true, Subnets: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24")}, DefaultRoute: true},
		{Name: "lo", Index: 1, Kind: netdev.KindLoopback, Up: true, Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
	}, nil
}

func (links) Changes(context.Context) (<-chan struct{}, error) { return nil, nil }

// New starts a server, which ends with the test. When the test fails its log is printed.
func New(t testing.TB) *Server {
	t.Helper()
	// Not the test's own folder: with the name of the test in it, paths get too long for sockets.
	dir, err := os.MkdirTemp("", "hearth-")
	if err != nil {
		t.Fatal(err)
	}
	cfg := daemon.DefaultConfig()
	s := &Server{t: t, State: filepath.Join(dir, "state"), sockets: newSockets(), log: &log{}}
	s.Host = sandbox.New(sandbox.Options{Links: links{}, Bridge: cfg.Bridge})
	cfg.Mode, cfg.Sandbox, cfg.PlayedDoor = daemon.ModeSandbox, s.Host, s.door
	cfg.StateDir, cfg.RunRoot, cfg.BinDir = s.State, filepath.Join(dir, "run"), filepath.Join(dir, "bin")
	cfg.GRPCAddress, cfg.Hostname, cfg.Version = "127.0.0.1:0", "test", "1.2.3"
	s.cfg = cfg
	t.Cleanup(func() {
		s.Stop()
		s.Host.Close()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log.String())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("cannot remove the server: %v", err)
		}
	})
	s.Start()
	return s
}

// door is the real front door, with sockets that the kernel chose.
func (s *Server) door(ctx context.Context, lis net.Listener) error {
	return door.Serve(ctx, lis, door.Options{Sockets: s.sockets, Log: slog.New(slog.NewTextHandler(s.log, nil)).With("process", "door")}, s.cfg.Version)
}

// Start starts a daemon on the state and the machine as they are, and returns when it has started.
func (s *Server) Start() {
	s.t.Helper()
	d, err := daemon.New(s.cfg, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	// It ends in a Cleanup of the test, when the test's own context has ended already.
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	s.daemon, s.stop, s.ended = d, stop, make(chan error, 1)
	ended := s.ended
	go func() { ended <- d.Run(ctx) }()
	started := make(chan error, 1)
	go func() { started <- s.awaitStart(ctx) }()
	select {
	case err = <-started:
	case err = <-ended:
		ended <- err // for Stop
	}
	if err != nil {
		s.t.Fatalf("the server does not start: %v", err)
	}
}

// awaitStart follows the start to its end.
func (s *Server) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.daemon.FollowStart(ctx, func([]journal.Line) error { return nil })
}

// Stop ends the daemon in order, as SIGTERM does. Services go on. Without a daemon it does nothing.
func (s *Server) Stop() {
	s.t.Helper()
	if s.daemon == nil {
		return
	}
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("the server ended with %v", err)
		}
	case <-time.After(patience):
		s.t.Fatal("the server does not end")
	}
	s.daemon = nil
	s.sockets.forget()
}

// Restart ends the daemon and starts the next one. Services go on meanwhile.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Restarted waits until the daemon ends because a caller asked it to restart, and starts the next one, as its process does.
func (s *Server) Restarted() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if !errors.Is(err, daemon.ErrRestart) {
			s.t.Errorf("the server ended with %v", err)
		}
		s.ended <- nil // for Stop
	case <-time.After(patience):
		s.t.Fatal("the server does not restart")
	}
	s.Restart()
}

// Upgrade ends the daemon and starts one of another version.
func (s *Server) Upgrade(version string) {
	s.t.Helper()
	s.cfg.Version = version
	s.Restart()
}

// Clean removes what the server, which was stopped, left outside of its state.
func (s *Server) Clean() {
	s.t.Helper()
	if err := daemon.CleanHost(s.t.Context(), s.cfg, slog.New(slog.NewTextHandler(s.log, nil))); err != nil {
		s.t.Fatal(err)
	}
}

// FailInit has the next init of a service fail.
func (s *Server) FailInit(pkg string) { s.Host.Play(pkg, sandbox.Play{InitFails: 1}) }

// Park ends the daemon and starts one that keeps the container of a stopped service for no longer than this.
func (s *Server) Park(after time.Duration) {
	s.t.Helper()
	s.cfg.ParkAfter = after
	s.Restart()
}

// Target is the local socket, in the form that clients take.
func (s *Server) Target() string { return "unix:" + filepath.Join(s.State, "hearthd.sock") }

// GRPC is the address of native gRPC with TLS.
func (s *Server) GRPC() string { return s.daemon.GRPCAddress() }

// RootFile is the file with the server's root certificate.
func (s *Server) RootFile() string { return filepath.Join(s.State, "authority", "ca.crt") }

// Address is where the front door of the server really listens when it has been told to listen at address, as in
// "0.0.0.0:8443". It waits until it does.
func (s *Server) Address(address string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	real, err := s.sockets.find(ctx, address)
	if err != nil {
		s.t.Fatalf("the front door does not listen at %s: %v", address, err)
	}
	return real
}

// Web is the URL of the server's own page.
func (s *Server) Web() string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Address("0.0.0.0:8443"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "https://localhost:" + port
}

// HTTP is a client that trusts the server's root alone and finds the addresses that the server tells of its services. It
// waits for those that are not listened on yet.
func (s *Server) HTTP() *http.Client {
	s.t.Helper()
	raw, err := os.ReadFile(s.RootFile())
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if host == "localhost" {
				host = "127.0.0.1"
			}
			address = net.JoinHostPort(host, port)
			if !s.sockets.has(address) { // else it is a real one already
				if address, err = s.sockets.find(ctx, address); err != nil {
					return nil, err
				}
			}
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

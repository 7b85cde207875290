package rpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// packages is a small PackageService.
type packages struct {
	packagesv1.UnimplementedPackageServiceServer
}

func (packages) ListPackages(context.Context, *packagesv1.ListPackagesRequest) (*packagesv1.ListPackagesResponse, error) {
	return &packagesv1.ListPackagesResponse{Packages: []*packagesv1.Package{{
		Meta: &metav1.Meta{Id: "hello", Revision: 1 << 60},
		Spec: &packagesv1.PackageSpec{Title: "Hello", Desired: packagesv1.PackageSpec_DESIRED_RUNNING},
	}}}, nil
}

func (packages) GetPackage(_ context.Context, req *packagesv1.GetPackageRequest) (*packagesv1.GetPackageResponse, error) {
	switch req.GetId() {
	case "panic":
		panic("a defect")
	case "secret":
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	case "other-process":
		return nil, status.Error(codes.Internal, "EOF on /run/secret")
	case "other-process-wrapped":
		return nil, fmt.Errorf("cannot ask /run/secret: %w", status.Error(codes.NotFound, "EOF"))
	case "other-process-gone":
		return nil, fmt.Errorf("cannot ask /run/secret: %w", status.Error(codes.Unavailable, "dial unix /run/secret: EOF"))
	case "other-process-fault":
		there := fault.Status(fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "not yet")).Err()
		return nil, fmt.Errorf("cannot ask /run/secret: %w", there)
	}
	if f := everyFault(req.GetId()); f != nil {
		return nil, fault.FromProto(f)
	}
	return nil, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "there is no package %q", req.GetId()).With("package", req.GetId())
}

func (packages) StartPackage(ctx context.Context, req *packagesv1.StartPackageRequest) (*packagesv1.StartPackageResponse, error) {
	if req.GetId() == "panic" {
		panic("a defect")
	}
	return &packagesv1.StartPackageResponse{Package: &packagesv1.Package{
		Meta: &metav1.Meta{Id: req.GetId(), Labels: map[string]string{"caller": rpc.Caller(ctx), "role": rpc.CallerRole(ctx).String()}},
	}}, nil
}

func (packages) CollectGarbage(context.Context, *packagesv1.CollectGarbageRequest) (*packagesv1.CollectGarbageResponse, error) {
	return &packagesv1.CollectGarbageResponse{}, nil
}

// state is a StateService whose Watch sends one update and then waits for the end.
type state struct {
	statev1.UnimplementedStateServiceServer
	started chan struct{} // receives one value for each watch that has begun
	quiet   bool          // send nothing
}

func (s state) Watch(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	if !s.quiet {
		if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{req.GetTargets()[0].GetId()}, Revision: 7}}}); err != nil {
			return err
		}
	}
	s.started <- struct{}{}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// logs is a LogService that streams three messages.
type logs struct {
	logsv1.UnimplementedLogServiceServer
}

func (logs) ReadLogs(req *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
	if req.GetPackageId() == "none" {
		return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "there is no package %q", req.GetPackageId())
	}
	for _, line := range []string{"one", "two", "three"} {
		if err := stream.Send(&logsv1.ReadLogsResponse{Entries: []*logsv1.LogEntry{{Message: line}}}); err != nil {
			return err
		}
	}
	if req.GetPackageId() == "broken" {
		return fault.New(metav1.Reason_REASON_UNAVAILABLE, "the log broke off")
	}
	return nil
}

type actions struct {
	actionsv1.UnimplementedActionServiceServer
}

func (actions) RunAction(_ context.Context, req *actionsv1.RunActionRequest) (*actionsv1.RunActionResponse, error) {
	switch req.GetActionId() {
	case "panic":
		panic("a defect")
	case "refuse":
		return nil, fault.New(metav1.Reason_REASON_ACTION_NOT_FOUND, "there is no action %q", req.GetActionId())
	}
	return &actionsv1.RunActionResponse{Result: req.GetInput()}, nil
}

// effects tells which package called.
type effects struct {
	effectsv1.UnimplementedEffectsServiceServer
}

func (effects) GetDataVersion(ctx context.Context, _ *effectsv1.GetDataVersionRequest) (*effectsv1.GetDataVersionResponse, error) {
	return &effectsv1.GetDataVersionResponse{Value: proto.String(rpc.CallerPackage(ctx))}, nil
}

// tokens is an Authenticator over a map.
type tokens struct {
	mu    sync.Mutex
	known map[string]access.Identity
}

func (t *tokens) Authenticate(_ context.Context, shown access.Credential, _ string) (access.Identity, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.known[shown.Bearer]; ok {
		return id, nil
	}
	return access.Identity{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the token")
}

func (t *tokens) set(secret string, role optionsv1.Role) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if delete(t.known, secret); role != 0 {
		t.known[secret] = access.Identity{Kind: access.Token, ID: "token-" + secret, Role: role}
	}
}

// server is a hub on every kind of listener.
type server struct {
	hub    *rpc.Hub
	tokens *tokens
	state  state
	roots  *x509.CertPool

	unix, grpc, web, door, container, internal string // addresses
	log                                        *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

func newServer(t testing.TB, change ...func(*rpc.Config)) *server {
	t.Helper()
	return startServer(t, state{started: make(chan struct{}, 16)}, change...)
}

// newQuietServer is a server whose watches send nothing.
func newQuietServer(t testing.TB) *server {
	t.Helper()
	return startServer(t, state{started: make(chan struct{}, 16), quiet: true})
}

func startServer(t testing.TB, st state, change ...func(*rpc.Config)) *server {
	t.Helper()
	return startServerWith(t, st, func(hub *rpc.Hub) grpc.ServiceRegistrar { return hub }, change...)
}

// startServerWith registers the services by what registrar makes of the hub.
func startServerWith(t testing.TB, st state, registrar func(*rpc.Hub) grpc.ServiceRegistrar, change ...func(*rpc.Config)) *server {
	t.Helper()
	s := &server{tokens: &tokens{known: map[string]access.Identity{}}, state: st, log: &lockedBuffer{}}
	s.tokens.set("viewer", optionsv1.Role_ROLE_VIEWER)
	s.tokens.set("operator", optionsv1.Role_ROLE_OPERATOR)
	s.tokens.set("admin", optionsv1.Role_ROLE_ADMIN)
	cfg := rpc.Config{
		Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Authenticator: s.tokens,
		Revision: func() uint64 { return 42 },
		OpenAPI:  []byte(`{"openapi":"3.1.0"}`), Documents: func() *handout.Set {
			return handout.New([]handout.Document{{Path: "/ca.crt", ContentType: "application/x-x509-ca-cert", Content: []byte("pem")}})
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := rpc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.hub = hub
	to := registrar(hub)
	packagesv1.RegisterPackageServiceServer(to, uploading{})
	statev1.RegisterStateServiceServer(to, s.state)
	logsv1.RegisterLogServiceServer(to, logs{})
	actionsv1.RegisterActionServiceServer(to, actions{})
	effectsv1.RegisterEffectsServiceServer(to, effects{})
	hub.REST(
		rpc.NewGateway(packagesv1.RegisterPackageServiceHandlerClient, packagesv1.NewPackageServiceClient),
		rpc.NewGateway(statev1.RegisterStateServiceHandlerClient, statev1.NewStateServiceClient),
		rpc.NewGateway(logsv1.RegisterLogServiceHandlerClient, logsv1.NewLogServiceClient),
		rpc.NewGateway(actionsv1.RegisterActionServiceHandlerClient, actionsv1.NewActionServiceClient),
	)
	if err := hub.Build(); err != nil {
		t.Fatal(err)
	}
	s.listen(t)
	return s
}

func (s *server) listen(t testing.TB) {
	t.Helper()
	dir := shortDir(t)
	s.unix, s.door = filepath.Join(dir, "h.sock"), filepath.Join(dir, "door.sock")
	s.container, s.internal = filepath.Join(dir, "effects.sock"), filepath.Join(dir, "int.sock")
	cert, roots := certificate(t)
	s.roots = roots
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
	var wg sync.WaitGroup
	serve := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	tcp := func() net.Listener { return must(net.Listen("tcp", "127.0.0.1:0"))(t) }
	unix := func(path string) *net.UnixListener {
		return must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))(t)
	}
	g, w, d, c, i := tcp(), tcp(), unix(s.door), unix(s.container), unix(s.internal)
	s.grpc, s.web = g.Addr().String(), w.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	serve(func() error { return s.hub.ServeUnix(s.unix, 0o660) })
	serve(func() error { return s.hub.ServeGRPC(g, cfg) })
	serve(func() error { return s.hub.ServeWeb(w, cfg) })
	serve(func() error { return s.hub.ServeDoor(d, cfg) })
	serve(func() error { return s.hub.ServeContainer(ctx, c, "hello") })
	serve(func() error { return s.hub.ServeInternal(i) })
	t.Cleanup(func() {
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			t.Errorf("cannot shut down: %v", err)
		}
		wg.Wait()
	})
	waitFor(t, func() bool {
		conn, err := net.Dial("unix", s.unix)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// shortDir is a folder whose path leaves room for the name of a socket.
func shortDir(t testing.TB) string {
	t.Helper()
	return must(filepath.EvalSymlinks(t.TempDir()))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func waitFor(t testing.TB, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatal("waited in vain")
}

var certificateOnce = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
})

func certificate(testing.TB) (tls.Certificate, *x509.CertPool) { return certificateOnce() }

// dialUnix returns a native gRPC client of a unix socket.
func dialUnix(t testing.TB, path string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn := must(grpc.NewClient("unix:"+path, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...))(t)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// dialTLS returns a native gRPC client of a TLS port.
func (s *server) dialTLS(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	creds := credentials.NewTLS(&tls.Config{RootCAs: s.roots})
	conn := must(grpc.NewClient(addr, grpc.WithTransportCredentials(creds)))(t)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// httpUnix returns an HTTP client whose every request goes to a unix socket.
func httpUnix(t testing.TB, path string) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// httpTLS returns an HTTP client that trusts the test's root; h2 as the server offers it.
func (s *server) httpTLS(t testing.TB) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
